/* SPDX-License-Identifier: BSD-3-Clause */
/* The trie's layout, shared by its writer (lpm.c, lpm_pack.c), its arena (lpm_arena.c) and its readers (lpm_lookup.c, lpm_avx512.c). */
#ifndef WEIR_RIB_LPM_INTERNAL_H
#define WEIR_RIB_LPM_INTERNAL_H

#include "lpm.h"

/*
 * A node is an array of 2^k entries of 8 bytes, an entry stands for 32 slots: a node decides the next k + 5 bits of the address, k of them by
 * indexing, 5 by counting. Bit i of an entry's runs says that a run of equal words begins at slot i; the words, one a run, lie together at `base`.
 * Where all slots are equal runs is 0, and base is the word itself.
 *
 *   root: 2^k entries             words of one entry: one a run
 *   +------+------+----           +-------+-------+-------+----
 *   | runs | base | ...  base --> | value | value | node* | ...    node* --> 2^k entries
 *   +------+------+----           +-------+-------+-------+----
 *
 * A word is a value (lpm.h), or with LPM_NODE set the place of a node in the arena.
 */
#define LPM_ENTRY_BITS 5
#define LPM_SLOTS      (1u << LPM_ENTRY_BITS)
#define LPM_NODE       0x80000000u

/* Entries and nodes are placed by units of 8 bytes, words by 4. */
#define LPM_UNIT      8
#define LPM_BLOCK_MAX (LPM_SLOTS / 2) /* in units: the words of one entry */

/* Nodes below the root are of one size in a table: 1 entry (5 bits) in small ones, a cache line of 8 (8 bits) in others. */
#define LPM_NODE_BITS_MAX 3

/* One 64-bit word, so that it changes at once: runs in the lower half, base in the upper. */
typedef uint64_t lpm_entry;

static inline lpm_entry
lpm_entry_make(uint32_t runs, uint32_t base)
{
	return (uint64_t)base << 32 | runs;
}

static inline uint32_t
lpm_entry_runs(lpm_entry entry)
{
	return (uint32_t)entry;
}

static inline uint32_t
lpm_entry_base(lpm_entry entry)
{
	return (uint32_t)(entry >> 32);
}

/* What readers start from, swapped whole when the arena or the root moves. */
struct lpm_view {
	lpm_entry *arena;
	lpm_entry *root; /* 1 << root_bits */
	uint8_t root_bits, node_bits; /* k, of the root and of the nodes below it */
	uint32_t arena_units; /* for freeing */
};

struct lpm_limbo {
	uint64_t token; /* of the grace period after which the block is free; valid once its update is done */
	uint32_t offset, units;
};

struct lpm {
	struct lpm_view *view; /* published */
	uint32_t fallback; /* value of the /0, read where the trie has 0: so a new default route costs one store */
	/* the writer's */
	struct rcu *rcu;
	uint32_t routes;
	uint32_t used_units; /* the arena's taken front */
	uint32_t free_units; /* of that, in the free lists and in limbo */
	uint32_t free_heads[LPM_BLOCK_MAX + 1]; /* by size: first free block, linked through its first word; 0: none */
	struct lpm_limbo *limbo; /* ring of blocks that readers may still see */
	uint32_t limbo_size, limbo_head, limbo_count;
	uint32_t limbo_pending; /* the last of them, released by the update under way */
};

/* The family of readers that suits the processor; the others are there to be compared with. */
struct lpm_reader {
	const char *name;
	void (*lookup)(const struct lpm *lpm, const struct lpm_key *keys, uint16_t n, uint32_t *values);
	void (*lookup_v4)(const struct lpm *lpm, const uint32_t *addrs, uint16_t n, uint32_t *values);
};

/* The i-th that runs here, plainest first; NULL behind the last, which is the one in use. */
const struct lpm_reader *lpm_reader(unsigned int i);
extern const struct lpm_reader lpm_scalar;
extern const struct lpm_reader lpm_avx512;
bool lpm_avx512_usable(void);

/* lpm_arena.c */
void *lpm_map(size_t bytes);
void lpm_unmap(void *memory, size_t bytes);
/* An empty trie with room for `units` as lpm's first view. */
void lpm_view_new(struct lpm *lpm, uint8_t root_bits, uint8_t node_bits, uint32_t units);
void lpm_view_free(void *view);
/* Publishes a view, and retires the one before. */
void lpm_publish(struct lpm *lpm, struct lpm_view *view);
/* Gives an offset in units; 8 units, a cache line, do not straddle two. May publish a larger arena. */
uint32_t lpm_alloc(struct lpm *lpm, uint32_t units);
/* Readers may see the block until the update is done (lpm_update_done) and a grace period has passed. */
void lpm_release(struct lpm *lpm, uint32_t offset, uint32_t units);
void lpm_update_done(struct lpm *lpm);

/* lpm_pack.c: packs the trie into a fresh arena in the order of the addresses, with other sizes of nodes. */
void lpm_pack(struct lpm *lpm, uint8_t root_bits, uint8_t node_bits);

/* lpm.c */
void lpm_entry_read(const lpm_entry *arena, lpm_entry entry, uint32_t words[LPM_SLOTS]);
lpm_entry lpm_entry_write(struct lpm *lpm, const uint32_t words[LPM_SLOTS]);

static inline uint32_t *
lpm_words(const lpm_entry *arena, uint32_t base)
{
	return (uint32_t *)(uintptr_t)arena + base;
}

/* The 32 bits of the address from `depth` on; those past its end are 0. */
static inline uint32_t
lpm_window(struct lpm_key key, uint32_t depth)
{
	if (depth >= 64)
		return depth >= 128 ? 0 : (uint32_t)(key.lo << (depth - 64) >> 32);
	return (uint32_t)((key.hi << depth | (depth == 0 ? 0 : key.lo >> (64 - depth))) >> 32);
}

/* The first k bits of a window, as an index. */
static inline uint32_t
lpm_index(uint32_t window, uint32_t k)
{
	return (uint32_t)((uint64_t)window << k >> 32);
}

/* The slot in an entry behind the first k bits. */
static inline uint32_t
lpm_slot(uint32_t window, uint32_t k)
{
	return window << k >> (32 - LPM_ENTRY_BITS);
}

#endif
