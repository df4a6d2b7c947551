/* SPDX-License-Identifier: BSD-3-Clause */
/* The poptrie's layout, shared by its writer (lpm.c), its arena (lpm_arena.c) and its readers (lpm_lookup.c). */
#ifndef WEIR_RIB_LPM_INTERNAL_H
#define WEIR_RIB_LPM_INTERNAL_H

#include "lpm.h"

#define LPM_STRIDE                                                                                                     \
	6 /* bits a node decides; root_bits is a multiple of it, so that the levels stay in place when the root grows */
#define LPM_SLOTS 64

/* Offsets into the arena are in units of 8 bytes. */
#define LPM_UNIT       8
#define LPM_NODE_UNITS 3
#define LPM_BLOCK_MAX  (LPM_SLOTS * LPM_NODE_UNITS)

/* Bit i of a mask stands for slot i, so counting the bits below i gives the place in an array. */
struct lpm_node {
	uint64_t internal; /* slots that have a child node; children are contiguous */
	uint64_t runs; /* slots where a run of equal leaves begins; leaves are one a run */
	uint32_t leaves; /* offset of uint32_t[] */
	uint32_t children; /* offset of struct lpm_node[] */
};

_Static_assert(sizeof(struct lpm_node) == LPM_NODE_UNITS * LPM_UNIT, "a node is three units");

/* A word of the root: a value, or with this bit the offset of a node. */
#define LPM_ROOT_NODE 0x80000000u

/* What readers start from, swapped whole when the arena or the root moves. */
struct lpm_view {
	const uint64_t *arena;
	uint32_t *root; /* 1 << root_bits words */
	uint32_t root_bits;
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
	uint64_t *arena;
	uint32_t used_units; /* the arena's taken front */
	uint32_t free_units; /* of that, in the free lists and in limbo */
	uint32_t routes;
	uint32_t free_heads[LPM_BLOCK_MAX +
			    1]; /* by size in units: first free block, linked through its first word; 0: none */
	struct lpm_limbo *limbo; /* ring of blocks that readers may still see */
	uint32_t limbo_size, limbo_head, limbo_count;
	uint32_t limbo_pending; /* the last of them, released by the update under way */
};

/* lpm_arena.c */
void *lpm_map(size_t bytes);
void lpm_unmap(void *memory, size_t bytes);
uint32_t lpm_alloc(struct lpm *lpm, uint32_t units);
/* Readers may see the block until the update is done (lpm_update_done) and a grace period has passed. */
void lpm_release(struct lpm *lpm, uint32_t offset, uint32_t units);
void lpm_update_done(struct lpm *lpm);
void lpm_view_free(void *view);
/* Publishes an arena of `units` and a root, and retires those before. */
void lpm_publish(struct lpm *lpm, uint64_t *arena, uint32_t units, uint32_t *root, uint32_t root_bits);

static inline struct lpm_node *
lpm_nodes(const uint64_t *arena, uint32_t offset)
{
	return (struct lpm_node *)(uintptr_t)(arena + offset);
}

static inline uint32_t *
lpm_leaves(const uint64_t *arena, uint32_t offset)
{
	return (uint32_t *)(uintptr_t)(arena + offset);
}

static inline uint32_t
lpm_leaf_units(uint32_t leaves)
{
	return (leaves + 1) / 2;
}

/* The LPM_STRIDE bits at `depth`; those past the address's end are 0. */
static inline uint32_t
lpm_slot(struct lpm_key key, uint32_t depth)
{
	if (depth <= 64 - LPM_STRIDE)
		return (uint32_t)(key.hi >> (64 - LPM_STRIDE - depth)) & (LPM_SLOTS - 1);
	if (depth < 64)
		return (uint32_t)(key.hi << (depth + LPM_STRIDE - 64) | key.lo >> (128 - LPM_STRIDE - depth)) &
		       (LPM_SLOTS - 1);
	if (depth <= 128 - LPM_STRIDE)
		return (uint32_t)(key.lo >> (128 - LPM_STRIDE - depth)) & (LPM_SLOTS - 1);
	return (uint32_t)(key.lo << (depth + LPM_STRIDE - 128)) & (LPM_SLOTS - 1);
}

static inline uint32_t
lpm_root_slot(struct lpm_key key, uint32_t root_bits)
{
	return root_bits == 0 ? 0 : (uint32_t)(key.hi >> (64 - root_bits));
}

#endif
