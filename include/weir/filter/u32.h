/* SPDX-License-Identifier: BSD-3-Clause */
/* u32: matches of 32-bit words anywhere in the packet; tc-u32(8). */
#ifndef WEIR_FILTER_U32_H
#define WEIR_FILTER_U32_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/classify.h>

#define U32_KEYS_MAX 128

struct u32_key {
	rte_be32_t value, mask; /* the word matches if (word ^ value) & mask is 0 */
	int32_t offset; /* of the word, bytes from the network header; the link header lies at negative ones */
	int32_t offset_mask; /* nexthdr+: -1. Only where a link has skipped a header does that mean anything, as on Linux */
};

struct u32_conf {
	bool has_selector; /* without one a new filter is refused */
	uint8_t selector_flags; /* TC_U32_TERMINAL: a match decides. Others belong to hash tables. */
	uint8_t n_keys;
	const struct u32_key *keys;
	uint32_t table; /* TCA_U32_HASH: which table and bucket; 0: the root's only bucket */
	bool has_classid;
	uint32_t classid;
	bool has_mark;
	uint32_t mark_value, mark_mask;
	uint32_t in_port; /* ifindex that the packet must have arrived on; 0: any */
	uint32_t flags; /* TCA_CLS_FLAGS_SKIP_HW, TCA_CLS_FLAGS_SKIP_SW */
	const struct action_spec *actions;
	unsigned int n_actions;
};

/* A filter's handle is table:bucket:node (12, 8 and 12 bits); node 0 is the table itself, which has nothing but a divisor: 1. */
static inline bool
u32_is_table(uint32_t handle)
{
	return TC_U32_NODE(handle) == 0;
}

/* Fills all but `actions`; keys stay the filter's. Not for a table. */
void u32_get_conf(const void *filter, struct u32_conf *conf);
const struct action_list *u32_actions(const void *filter);

struct u32_counts {
	uint64_t hits; /* packets compared with it */
	uint64_t matches; /* that met everything, where a match decides */
	uint64_t mark_matches;
	uint64_t key_matches[U32_KEYS_MAX]; /* of a key that was reached */
};
void u32_sum_counts(const void *filter, struct u32_counts *counts);

#endif
