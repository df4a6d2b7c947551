/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules compiled for workers: immutable, swapped whole under RCU. */
#ifndef WEIR_RIB_RULESET_H
#define WEIR_RIB_RULESET_H

#include "internal.h"

struct compiled_rule {
	struct lpm_key src, src_mask, dst, dst_mask;
	uint32_t mark, mark_mask;
	uint32_t iif, oif; /* 0: any */
	uint16_t sport_low, sport_high, dport_low, dport_high;
	uint8_t tos, tos_mask, ip_protocol;
	bool invert;
	bool never; /* before inversion: a named link that is not there, a uid range without root */
	uint8_t action; /* FR_ACT_*; a goto without target is a nop */
	uint32_t next; /* the rule to go on with */
	const struct table *table;
	int32_t suppress_prefix_length;
	uint32_t realm;
};

/* Rules that select by the same fields and masks are found by one hash probe. */
struct shape {
	struct lpm_key src_mask, dst_mask;
	uint32_t mark_mask;
	uint8_t tos_mask;
	bool iif, oif, ip_protocol, sport, dport;
	uint32_t first; /* the shape's first rule: whoever has found an earlier one need not ask */
	uint32_t slot_mask;
	struct bucket {
		uint32_t first, count; /* in candidates */
	} * slots;
	uint32_t *candidates; /* indices of rules, ascending in each bucket */
};

struct ruleset {
	uint32_t count;
	uint32_t leading; /* so many rules at the front look up a table for whatever comes */
	uint32_t shape_count;
	struct shape *shapes; /* by first */
	struct compiled_rule rules[];
};

/* The first rule from index `from` on that matches, or count. */
uint32_t ruleset_find(const struct ruleset *set, const struct rib_key *key, uint32_t from);

#endif
