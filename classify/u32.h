/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of u32 share: u32.c and u32_table.c keep filters and hash tables (control thread), u32_list.c
 * compiles a bucket's filters into what workers read, u32_match.c and u32_search.c read it, u32_counts.c tells the
 * counters of a filter from those of the lists it was in.
 *
 * A compiled list. Filters are asked in order, each for its keys in order, and the first that matches decides; that
 * is what a list means and what the counters must tell. But filters mostly look at the same words of the packet, so
 * their keys are laid into a trie:
 *
 *     root ──branch: word at 16, all bits──▶ slots (a hash of the values) ──10.0.0.1──▶ filter 0 ends here
 *       │                                                                 └─10.0.0.2──▶ filters 1 and 7 end here
 *       └────branch: byte at 9─────────────▶ slots ──6──▶ node ──branch: port at nexthdr+2──▶ slots ──80──▶ filter 3
 *
 * One probe for each different field finds all filters that match. Branches know the first filter behind them, so
 * that nothing is probed that comes behind a filter that has decided already. A list whose filters all have one key,
 * of the same field and of different values, is `flat`: one probe is all.
 *
 * Counters. What Linux counts for each filter that was asked ("rule hit", success of each match) is not counted but
 * told from what is counted where something happens: a packet matched, went on, ended outside the packet, or ran off
 * the list's end. Filter i was asked as often as packets came to an end at i or behind it.
 */
#ifndef WEIR_CLASSIFY_U32_H
#define WEIR_CLASSIFY_U32_H

#include <rte_branch_prediction.h>

#include <weir/filter/u32.h>

#include "internal.h"

#define U32_LIST_MAX 0xfff /* filters of a bucket: node ids */
#define U32_NONE     UINT32_MAX

/* ---- compiled: what workers read, never written once it is published, but for the counters ------ */

/* What a filter may ask for: a word of the packet or its mark, under a mask. And how its values are hashed. */
struct u32_probe {
	int32_t offset;
	uint32_t nexthdr_mask;
	uint32_t mask;
	uint32_t multiplier; /* slot = value * multiplier >> shift */
	uint16_t slot_mask; /* slots less one, slots being a power of two; one at least is empty */
	uint8_t shift;
	bool is_mark; /* the packet's mark, not a word of its bytes */
};

/* A value and where it leads. Of 16 bytes: none lies in two cache lines. */
struct u32_slot {
	_Alignas(16) uint32_t value;
	uint32_t node; /* 0: empty; with U32_LEAF: the position of the only filter here; else a node's number */
	uint32_t classid; /* with U32_SURE: the answer */
};

#define U32_LEAF     0x80000000u
#define U32_SURE     0x40000000u /* a leaf whose filter decides whatever else the packet is */
#define U32_POSITION 0x0000ffffu

struct u32_branch {
	struct u32_probe probe;
	uint32_t slots; /* number of its first slot */
	uint32_t next; /* of the same node, with a later first filter; U32_NONE: none */
	uint32_t behind, n_behind; /* in positions[]: the filters behind it, ascending */
};

struct u32_node {
	uint32_t branch; /* the first; U32_NONE: none */
	uint32_t ends, n_ends; /* in positions[]: filters whose last key led here, ascending */
	uint32_t through, n_through; /* in positions[]: filters whose keys lead here or through here */
	uint32_t tally; /* in a worker's counters: for each of `through`, if there are branches */
};

/* What is done when all keys of a filter match. */
struct u32_step {
	const struct u32_table *link; /* NULL: none */
	struct action_list *actions;
	struct u32_jump jump;
	uint32_t classid;
	uint32_t in_port; /* 0: any */
	uint32_t buckets; /* of the link */
	uint8_t flags; /* of the selector */
	uint8_t hash_shift;
	bool sure; /* a match decides: terminal, no link, no port, no actions */
};

struct u32_list {
	/* What a packet needs first lies in one cache line. */
	struct u32_probe probe; /* of the only branch, where flat */
	bool flat;
	uint16_t n; /* filters */
	uint32_t stride; /* counters from one worker's to the next's */
	unsigned int workers;
	const struct u32_slot *slots;
	uint64_t *counters; /* [workers][stride]; see enum u32_counter */
	const struct u32_step *steps;
	_Alignas(64) const struct u32_branch *branches;
	const struct u32_node *nodes; /* nodes[0] is the root */
	const uint32_t *positions;
	uint32_t n_tallies; /* counters in the tallies of a worker */
	uint32_t n_inner; /* nodes with branches */
	/* control's */
	size_t bytes; /* all of it */
	const uint32_t *paths; /* nodes that a filter's tests lead to, for each test one */
	const uint32_t *path_at; /* [n + 1]: where a filter's path starts */
	struct u32_filter **filters; /* each with a reference */
	struct u32_bucket *bucket; /* likewise */
	struct u32_list *older; /* of its bucket; readers may still count in it */
};

/*
 * A worker's counters: these for each filter, all of one kind behind one another; then one of packets that ran off
 * the list's end; the nodes' tallies; and room to note the nodes that a packet visits. A filter that is sure has its
 * matches in MATCHED only.
 */
enum u32_counter { U32_MATCHED, U32_WENT_ON, U32_SUCCEEDED, U32_OUTSIDE, U32_PER_FILTER };

static inline uint64_t *
u32_counters(const struct u32_list *list, unsigned int worker)
{
	return &list->counters[(size_t)worker * list->stride];
}

/* Of packets that no filter stopped. */
static inline uint64_t *
u32_ran_off(const struct u32_list *list, uint64_t *counters)
{
	return &counters[U32_PER_FILTER * list->n];
}

static inline uint64_t *
u32_tallies(const struct u32_list *list, uint64_t *counters)
{
	return u32_ran_off(list, counters) + 1;
}

static inline uint32_t *
u32_visited(const struct u32_list *list, uint64_t *counters)
{
	return (uint32_t *)(u32_tallies(list, counters) + list->n_tallies);
}

/* How many of n ascending positions are below `position`. */
static inline uint32_t
u32_rank(const uint32_t *positions, uint32_t n, uint32_t position)
{
	uint32_t low = 0;

	while (low < n) {
		uint32_t middle = (low + n) / 2;

		if (positions[middle] < position)
			low = middle + 1;
		else
			n = middle;
	}
	return low;
}

/* A hash table; filters with links read it. */
struct u32_table {
	uint32_t divisor; /* buckets, a power of two */
	/* control's */
	uint32_t handle;
	uint32_t preference; /* of the group that it is listed with */
	bool root;
	uint32_t links; /* filters that lead here */
	struct u32_bucket **buckets; /* [divisor]; NULL: never used */
	struct u32_table *next; /* of the qdisc, newest first */
	struct u32_list *lists[]; /* [divisor]: published; NULL: empty */
};

/* ---- control ------------------------------------------------------------------------------------ */

/* It lives as long as its table or one of its compiled lists does. */
struct u32_bucket {
	uint32_t references;
	uint32_t n, room;
	struct u32_filter **filters; /* by node */
	struct u32_list *newest; /* compiled: the published one, and by `older` those that readers may still see */
};

enum u32_past { U32_PAST_HITS, U32_PAST_MATCHES, U32_PAST_MARKS, U32_PAST_KEYS }; /* the last for each key */

struct u32_filter {
	uint32_t references; /* by its bucket, and by compiled lists */
	uint32_t handle;
	uint32_t classid;
	uint32_t in_port;
	uint32_t flags;
	bool has_mark;
	uint32_t mark_value, mark_mask;
	bool pure;
	bool in_root; /* its table is a group's own */
	uint8_t selector_flags;
	uint8_t n_keys;
	struct u32_key *keys;
	struct u32_jump jump;
	struct u32_table *link;
	struct action_list *actions;
	struct u32_bucket *bucket;
	uint64_t *past; /* counts of lists that are gone; see enum u32_past */
};

#define U32_ROOT_TABLE 0xfff00000 /* "the group's own", whatever its number */
#define U32_TABLE_IDS  0x7ff /* numbers that are chosen for tables, from 0x800 on: 0xfff means the root */

/* What the groups of a qdisc and its classes have together. */
struct u32_tables {
	uint32_t groups;
	uint32_t filters, impure; /* in all tables */
	uint32_t next_id; /* offset from TABLE_ID_FIRST */
	uint8_t taken[U32_TABLE_IDS / 8 + 1]; /* by offset */
	struct u32_table *newest;
};

struct u32 {
	struct u32_table *root;
	struct u32_tables *tables;
};

/* By its handle or any of one in it; NULL: none. */
struct u32_table *u32_find_table(const struct u32 *u, uint32_t handle);
bool u32_is_table_of(const struct u32 *u, const void *filter);
/* handle 0: chosen. NULL with *err set. */
struct u32_table *u32_table_make(struct u32_tables *tables, uint32_t handle, uint32_t divisor, struct error *err);
/* With its filters. Nobody leads there any more, or all tables go. */
void u32_table_destroy(struct filter_group *group, struct u32_table *table);
/* All tables go: none must be told that nobody leads there any more. */
void u32_forget_links(struct u32_table *table);
/* The filter is in no bucket any more: what it holds is let go, its memory once no list has it. */
void u32_filter_retire(struct filter_group *group, struct u32_filter *filter);

/* Compiles; NULL when memory is out. The list has a reference to each filter and to the bucket. */
struct u32_list *
u32_list_compile(struct u32_bucket *bucket, struct u32_filter *const *filters, uint32_t n, unsigned int workers);
/* For rcu_defer: keeps the counts and frees it. */
void u32_list_retire(void *list);
/* Nodes that the tests of filter i lead to, one for its mark, if it has one, and one for each key. */
static inline const uint32_t *
u32_path(const struct u32_list *list, uint32_t i)
{
	return &list->paths[list->path_at[i]];
}
void u32_filter_release(struct u32_filter *filter);
void u32_bucket_release(struct u32_bucket *bucket);

/* ---- the data path ------------------------------------------------------------------------------ */

void u32_classify_list(const struct u32_list *list, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
	struct verdict *results);

/* Which slot a value of the field (already under its mask) is to be looked for first. */
static inline uint32_t
u32_hash(const struct u32_probe *probe, uint32_t value)
{
	return (uint64_t)(uint32_t)(value * probe->multiplier) >> probe->shift;
}

#endif
