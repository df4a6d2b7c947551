/* SPDX-License-Identifier: BSD-3-Clause */
/* The blocks themselves: see class_blocks.h. */
#include "class_blocks.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "arena.h"

#define BLOCKS_FIRST 4

static struct class_blocks *
table_of(uint32_t size)
{
	struct class_blocks *all = calloc(1, sizeof(*all) + size * sizeof(all->blocks[0]));

	if (all != NULL)
		all->size = size;
	return all;
}

int
class_blocks_create(struct class_blocks **made)
{
	*made = table_of(BLOCKS_FIRST);
	return *made == NULL ? -ENOMEM : 0;
}

void
class_blocks_destroy(struct class_blocks *all)
{
	for (uint32_t i = 0; i < all->count; i++)
		free(all->blocks[i].memory);
	free(all);
}

static void
free_table(void *all)
{
	free(all);
}

static int
grow(struct class_blocks **all, struct rcu *rcu)
{
	struct class_blocks *old = *all, *new = table_of(old->size * 2);

	if (new == NULL)
		return -ENOMEM;
	new->count = old->count;
	memcpy(new->blocks, old->blocks, old->count * sizeof(old->blocks[0]));
	__atomic_store_n(all, new, __ATOMIC_RELEASE);
	rcu_defer(rcu, free_table, old);
	return 0;
}

static uint32_t
places_of(const struct class_block *block)
{
	return RTE_MIN(block->bytes / block->stride, CLASS_PLACES);
}

/* `before` is the size of the last block of such classes: blocks grow with their number. */
static struct class_block *
add_block(struct class_blocks **all, uint32_t stride, uint32_t before, struct rcu *rcu)
{
	size_t bytes = RTE_MAX(arena_next_run(before), (size_t)stride);
	uint8_t *memory = arena_pages(bytes);
	struct class_block *block;

	if (memory == NULL || ((*all)->count == (*all)->size && grow(all, rcu) != 0)) {
		free(memory);
		return NULL;
	}
	block = &(*all)->blocks[(*all)->count];
	*block = (struct class_block){
		.memory = memory, .stride = stride, .bytes = (uint32_t)bytes, .free = CLASS_PLACES
	};
	(*all)->count++;
	return block;
}

/* One that is empty is anybody's. */
static bool
is_for(const struct class_block *block, size_t bytes, const struct qdisc *owner)
{
	return block->stride == bytes && (block->owner == owner || block->taken == 0);
}

void *
class_blocks_get(struct class_blocks **all, size_t bytes, const struct qdisc *owner, uint32_t *slot, struct rcu *rcu)
{
	struct class_block *block = NULL;
	uint32_t before = 0, place;
	void *memory;

	for (uint32_t i = 0; i < (*all)->count && block == NULL; i++) {
		struct class_block *candidate = &(*all)->blocks[i];

		if (!is_for(candidate, bytes, owner))
			continue;
		before = candidate->bytes;
		if (candidate->free != CLASS_PLACES || candidate->used < places_of(candidate))
			block = candidate;
	}
	if (block == NULL && (block = add_block(all, (uint32_t)bytes, before, rcu)) == NULL)
		return NULL;
	if (block->taken++ == 0)
		__atomic_store_n(&block->owner, owner, __ATOMIC_RELAXED);
	place = block->free != CLASS_PLACES ? block->free : block->used;
	*slot = (uint32_t)(block - (*all)->blocks) << CLASS_PLACE_BITS | place;
	memory = class_blocks_at(*all, *slot);
	if (place == block->free)
		memcpy(&block->free, memory, sizeof(block->free));
	memset(memory, 0, bytes);
	if (place == block->used)
		block->used++;
	return memory;
}

void
class_blocks_put(struct class_blocks *all, uint32_t slot)
{
	struct class_block *block = &all->blocks[slot >> CLASS_PLACE_BITS];

	memcpy(class_blocks_at(all, slot), &block->free, sizeof(block->free));
	block->free = slot % CLASS_PLACES;
	if (--block->taken == 0)
		__atomic_store_n(&block->owner, NULL, __ATOMIC_RELAXED);
}
