/* SPDX-License-Identifier: BSD-3-Clause */
/* flow: the class is worked out of what is known of the packet; tc-flow(8). */
#ifndef WEIR_FILTER_FLOW_H
#define WEIR_FILTER_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/filter/ematch.h>

/* What is the same for a filter and its changes. */
struct flow_settings {
	uint32_t keys; /* a bit for each, 1 << FLOW_KEY_* */
	uint32_t mode; /* FLOW_MODE_MAP, FLOW_MODE_HASH */
	uint32_t mask, xor, rshift, addend; /* of map: ((key & mask) ^ xor) >> rshift, and addend to it */
	uint32_t divisor; /* modulo it; 0: none */
	uint32_t baseclass; /* the class is this one and so many behind it; 0: the qdisc's first */
	uint32_t perturb_s; /* of hash: how long it stays the same; 0: for ever */
};

enum { /* what a message says */
	FLOW_HAS_KEYS = 1 << 0,
	FLOW_HAS_MODE = 1 << 1,
	FLOW_HAS_MASK = 1 << 2,
	FLOW_HAS_XOR = 1 << 3,
	FLOW_HAS_RSHIFT = 1 << 4,
	FLOW_HAS_ADDEND = 1 << 5,
	FLOW_HAS_DIVISOR = 1 << 6,
	FLOW_HAS_BASECLASS = 1 << 7,
	FLOW_HAS_PERTURB = 1 << 8,
};

struct flow_conf {
	uint32_t has; /* FLOW_HAS_*; a change leaves the rest as it is */
	struct flow_settings settings;
	const struct ematch *matches;
	unsigned int n_matches;
	const struct action_spec *actions;
	unsigned int n_actions;
};

const struct flow_settings *flow_get_settings(const void *filter);
const struct ematch *flow_matches(const void *filter, unsigned int *n);
const struct action_list *flow_actions(const void *filter);

#endif
