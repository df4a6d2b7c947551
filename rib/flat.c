/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include <rte_common.h>

#include "flat.h"
#include "memory.h"

#define INTERVALS_MAX (2 * FLAT_ROUTES_MAX + 1)
#define SIZE_MIN      16u /* one cache line of addresses and one of values */

/* Intervals in the making, and the prefixes around the address that was last come to, each inside those before it. */
struct sweep {
	uint32_t count;
	uint32_t first[INTERVALS_MAX], value[INTERVALS_MAX];
	uint32_t depth;
	struct {
		uint32_t last, value;
	} around[34]; /* one of each length, under that which stands for no route */
};

static void
begin_interval(struct sweep *s, uint32_t first, uint32_t value)
{
	if (s->count > 0 && s->first[s->count - 1] == first)
		s->count--;
	if (s->count > 0 && s->value[s->count - 1] == value)
		return;
	s->first[s->count] = first;
	s->value[s->count++] = value;
}

/* Leaves the prefixes that end before `addr`. */
static void
leave_before(struct sweep *s, uint32_t addr)
{
	while (s->around[s->depth].last < addr) {
		uint32_t last = s->around[s->depth--].last;

		begin_interval(s, last + 1, s->around[s->depth].value);
	}
}

static void
sweep_store(struct sweep *s, const struct store *store)
{
	const struct entry *previous = NULL, *e;

	s->around[0].last = UINT32_MAX;
	begin_interval(s, 0, 0);
	for (struct store_at at = { 0, 0 }; (e = store_get(store, at)) != NULL; at = store_next(store, at)) {
		uint32_t addr = (uint32_t)(e->key.hi >> 32);

		/* Of one prefix's routes without tos the first counts. */
		if (e->tos != 0 || (previous != NULL && entry_is(previous, e->key, e->length)))
			continue;
		previous = e;
		leave_before(s, addr);
		s->around[++s->depth].last = addr | (uint32_t)(UINT64_C(0xffffffff) >> e->length);
		s->around[s->depth].value = lpm_value(e->length, e->info);
		begin_interval(s, addr, s->around[s->depth].value);
	}
	while (s->depth > 0) {
		uint32_t last = s->around[s->depth--].last;

		if (last != UINT32_MAX)
			begin_interval(s, last + 1, s->around[s->depth].value);
	}
}

#define BLOCK_BYTES (32 * 1024) /* aligned to that too, so that a flat finds its block */

/* Behind this, from the next cache line on, come flats of one size. */
struct flat_block {
	struct flat_pool *pool;
	struct flat_block *next;
};

static struct flat_free **
free_list(struct flat_pool *pool, uint32_t size)
{
	return &pool->free[rte_bsf32(size) - rte_bsf32(SIZE_MIN)];
}

static void
add_block(struct flat_pool *pool, uint32_t size)
{
	struct flat_block *block = rib_memory_check(aligned_alloc(BLOCK_BYTES, BLOCK_BYTES), BLOCK_BYTES);
	size_t bytes = 2 * size * sizeof(uint32_t);

	*block = (struct flat_block){ pool, pool->blocks };
	pool->blocks = block;
	for (size_t at = RTE_CACHE_LINE_SIZE; at + bytes <= BLOCK_BYTES; at += bytes) {
		struct flat *flat = (struct flat *)((char *)block + at);

		flat->size = size;
		flat_free(flat);
	}
}

struct flat *
flat_create(struct flat_pool *pool, const struct store *store)
{
	struct sweep s = { .count = 0 };
	struct flat_free **list;
	struct flat *flat;
	uint32_t size;

	if (store->entries == 0 || store->entries > FLAT_ROUTES_MAX)
		return NULL;
	sweep_store(&s, store);
	size = RTE_MAX(SIZE_MIN, rte_align32pow2(s.count));
	list = free_list(pool, size);
	if (*list == NULL)
		add_block(pool, size);
	flat = (struct flat *)*list;
	*list = (*list)->next;
	flat->size = size;
	for (uint32_t i = 0; i < size; i++) {
		/* The padding repeats the last answer, for the last address finds it. */
		if (i > 0)
			flat->rest[i - 1] = i < s.count ? s.first[i] : UINT32_MAX;
		flat->rest[size - 1 + i] = s.value[i < s.count ? i : s.count - 1];
	}
	return flat;
}

void
flat_free(void *arg)
{
	struct flat *flat = arg;
	struct flat_block *block = (struct flat_block *)((uintptr_t)flat & ~(uintptr_t)(BLOCK_BYTES - 1));
	struct flat_free **list = free_list(block->pool, flat->size), *place = arg;

	place->next = *list;
	*list = place;
}

void
flat_pool_destroy(struct flat_pool *pool)
{
	for (struct flat_block *block = pool->blocks, *next; block != NULL; block = next) {
		next = block->next;
		free(block);
	}
}
