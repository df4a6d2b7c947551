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
	int32_t offset_mask; /* nexthdr+: -1. Added under this mask is what a link has found to skip, but not eaten */
};

/*
 * Where a filter with a link leads on: into the bucket that some bits of the packet choose, and with another idea of
 * where headers start. All offsets are bytes from where the filter itself takes the header to be.
 */
struct u32_jump {
	/* `hashkey mask`: of the word at hash_offset; shifted down to its lowest bit, modulo the divisor */
	rte_be32_t hash_mask;
	int16_t hash_offset;
	uint16_t plus; /* bytes to skip; rounded up to a multiple of 4, together with what is read from the packet */
	int16_t at; /* `offset at`: of 16 bits of the packet, taken under `mask`, shifted down by `shift` and added */
	rte_be16_t mask;
	uint8_t shift;
};

struct u32_conf {
	uint32_t divisor; /* not 0: a hash table with so many buckets is meant, and the rest says nothing */
	bool has_selector; /* without one a new filter is refused */
	uint8_t selector_flags; /* TC_U32_TERMINAL: a match decides; TC_U32_OFFSET, _VAROFFSET, _EAT: see u32_jump */
	uint8_t n_keys;
	const struct u32_key *keys;
	struct u32_jump jump;
	uint32_t table; /* TCA_U32_HASH: which table and bucket; 0: the root's only bucket */
	bool in_root; /* u32_get_conf only: the table is a group's own */
	bool has_link; /* not given: a change leaves it as it is */
	uint32_t link; /* handle of the table to go on with; 0: none */
	bool has_classid;
	uint32_t classid;
	bool has_mark;
	uint32_t mark_value, mark_mask;
	uint32_t in_port; /* ifindex that the packet must have arrived on; 0: any */
	uint32_t flags; /* TCA_CLS_FLAGS_SKIP_HW, TCA_CLS_FLAGS_SKIP_SW */
	const struct action_spec *actions;
	unsigned int n_actions;
};

#define U32_BUCKETS_MAX 256 /* of a table; its divisor is a power of two */
/* Links that a packet may follow, one below the other, and in all; one more, and its group says nothing of it. */
#define U32_DEPTH_MAX 8
#define U32_LINKS_MAX 255

/* A filter's handle is table:bucket:node (12, 8 and 12 bits); node 0 is the table itself. */
static inline bool
u32_is_table(uint32_t handle)
{
	return TC_U32_NODE(handle) == 0;
}

uint32_t u32_divisor(const void *table);
bool u32_is_root(const void *table); /* it came with its group */

/* Fills all but `actions`; keys stay the filter's. Not for a table. */
void u32_get_conf(const void *filter, struct u32_conf *conf);
const struct action_list *u32_actions(const void *filter);

struct u32_counts {
	uint64_t hits; /* packets compared with it */
	uint64_t matches; /* that met everything, where a match decides; a link must have come to nothing before */
	uint64_t mark_matches;
	uint64_t key_matches[U32_KEYS_MAX]; /* of a key that was reached */
};
void u32_sum_counts(const void *filter, struct u32_counts *counts);

#endif
