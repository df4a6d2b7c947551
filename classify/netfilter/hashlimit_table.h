/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Groups of packets that hashlimit counts, found by what their packets have in common, by all workers at once and
 * without a lock.
 *
 * A group may stand in one of two sets of eight slots, which a hash names, and new ones are put into the emptier
 * (Y. Azar, A. Broder, A. Karlin, E. Upfal, "Balanced Allocations", SIAM J. Computing 29, 1999): at half load no pair
 * is ever full. Eight states of slots are one cache line. A group is forgotten as on Linux: when a collection, every so
 * many milliseconds, finds that its time is up; but nobody collects: who comes across a slot that the last collection
 * would have emptied takes it for empty.
 */
#ifndef WEIR_CLASSIFY_NETFILTER_HASHLIMIT_TABLE_H
#define WEIR_CLASSIFY_NETFILTER_HASHLIMIT_TABLE_H

#include "netfilter.h"

struct hashlimit_key {
	rte_be32_t src, dst;
	uint32_t ports;
};

struct hashlimit_entry {
	struct hashlimit_key key;
	uint32_t left; /* BYTES: buckets that may still be spent on top; RATE: was the last interval above? */
	uint64_t expires;
	uint64_t time; /* PACKETS, BYTES: when the bucket will be full; RATE: when the interval began */
	uint64_t count; /* RATE: in this interval */
};

struct hashlimit_set;

struct hashlimit_table {
	struct netfilter_hashlimit_conf conf;
	rte_be32_t src_mask, dst_mask;
	uint64_t expire_ns, collect_ns, seed;
	uint32_t set_mask; /* sets less one, a power of two */
	struct hashlimit_set *sets;
	struct hashlimit_entry *entries; /* eight of each set */
	/* control's */
	struct hashlimit_table *next; /* of those that have a name */
	unsigned int named; /* rules of loaded tables */
	unsigned int held; /* and of those that workers may still be in */
	/* all workers' */
	struct {
		uint64_t collected; /* the last collection's time */
		uint32_t used; /* slots that are not free */
		uint32_t sweep; /* the set that is looked through next */
	} state __rte_cache_aligned;
};

/* The one of that name, or a new one; one rule more holds it. NULL: memory is out, or too many entries are promised. */
struct hashlimit_table *hashlimit_table_take(struct netfilter *nf, const struct netfilter_hashlimit_conf *conf);
/* A rule that holds it counts for its name no longer. */
void hashlimit_table_retire(struct hashlimit_table *t, struct netfilter *nf);
void hashlimit_table_release(struct hashlimit_table *t);

/* The group's entry, which has time until `expire` from now on; made if there was none. NULL: the table is full. */
struct hashlimit_entry *hashlimit_table_find(struct hashlimit_table *t, const struct hashlimit_key *key, uint64_t now);

#endif
