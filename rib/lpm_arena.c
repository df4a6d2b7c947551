/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The poptrie's arena: blocks of 1 to 192 units in one array, exact-fit free lists, and a ring of blocks in limbo
 * that readers
 * may still see. When the array is full it is copied to a larger one (lpm_compact in lpm.c packs it at times).
 */
#include <string.h>
#include <sys/mman.h>

#include <rte_branch_prediction.h>

#include "lpm_internal.h"
#include "memory.h"

#define HUGE_BYTES  (2u << 20)
#define FIRST_UNITS 64

/*
 * Large arrays are mapped on their own with huge pages, where the system has them: random reads then miss the TLB
 * far less.
 */
void *
lpm_map(size_t bytes)
{
	if (bytes < HUGE_BYTES)
		return rib_zalloc(bytes);

	size_t reserved = bytes + HUGE_BYTES;
	char *start = mmap(NULL, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	rib_memory_check(start == MAP_FAILED ? NULL : start, bytes);
	size_t head = -(uintptr_t)start & (HUGE_BYTES - 1);
	size_t length = (bytes + 4095) & ~(size_t)4095;

	if (head != 0)
		munmap(start, head);
	munmap(start + head + length, reserved - head - length);
	madvise(start + head, length, MADV_HUGEPAGE);
	return start + head;
}

void
lpm_unmap(void *memory, size_t bytes)
{
	if (bytes < HUGE_BYTES)
		free(memory);
	else
		munmap(memory, (bytes + 4095) & ~(size_t)4095);
}

void
lpm_view_free(void *arg)
{
	struct lpm_view *view = arg;

	lpm_unmap((void *)(uintptr_t)view->arena, (size_t)view->arena_units * LPM_UNIT);
	if (view->root != NULL)
		lpm_unmap(view->root, sizeof(uint32_t) << view->root_bits);
	free(view);
}

void
lpm_publish(struct lpm *lpm, uint64_t *arena, uint32_t units, uint32_t *root, uint32_t root_bits)
{
	struct lpm_view *view = rib_zalloc(sizeof(*view)), *old = lpm->view;

	*view = (struct lpm_view){ .arena = arena, .root = root, .root_bits = root_bits, .arena_units = units };
	lpm->arena = arena;
	__atomic_store_n(&lpm->view, view, __ATOMIC_RELEASE);
	if (old != NULL)
		rcu_defer(lpm->rcu, lpm_view_free, old);
}

static void
free_block(struct lpm *lpm, uint32_t offset, uint32_t units)
{
	*lpm_leaves(lpm->arena, offset) = lpm->free_heads[units];
	lpm->free_heads[units] = offset;
}

static void
reclaim(struct lpm *lpm)
{
	while (lpm->limbo_count > lpm->limbo_pending) {
		const struct lpm_limbo *oldest = &lpm->limbo[lpm->limbo_head];

		if (lpm->rcu != NULL && rte_rcu_qsbr_check(lpm->rcu->qsbr, oldest->token, false) != 1)
			return;
		free_block(lpm, oldest->offset, oldest->units);
		lpm->limbo_head = (lpm->limbo_head + 1) & (lpm->limbo_size - 1);
		lpm->limbo_count--;
	}
}

void
lpm_release(struct lpm *lpm, uint32_t offset, uint32_t units)
{
	if (lpm->limbo_count == lpm->limbo_size) {
		uint32_t size = lpm->limbo_size == 0 ? 16 : lpm->limbo_size * 2;
		struct lpm_limbo *ring = rib_zalloc(size * sizeof(*ring));

		for (uint32_t i = 0; i < lpm->limbo_count; i++)
			ring[i] = lpm->limbo[(lpm->limbo_head + i) & (lpm->limbo_size - 1)];
		free(lpm->limbo);
		lpm->limbo = ring;
		lpm->limbo_size = size;
		lpm->limbo_head = 0;
	}
	lpm->limbo[(lpm->limbo_head + lpm->limbo_count++) & (lpm->limbo_size - 1)] =
		(struct lpm_limbo){ .offset = offset, .units = units };
	lpm->limbo_pending++;
	lpm->free_units += units;
}

/* Only now are all the stores done that unlink the pending blocks: the grace period that they need begins here. */
void
lpm_update_done(struct lpm *lpm)
{
	uint64_t token;

	if (lpm->limbo_pending == 0)
		return;
	token = lpm->rcu == NULL ? 0 : rte_rcu_qsbr_start(lpm->rcu->qsbr);
	for (uint32_t i = lpm->limbo_count - lpm->limbo_pending; i < lpm->limbo_count; i++)
		lpm->limbo[(lpm->limbo_head + i) & (lpm->limbo_size - 1)].token = token;
	lpm->limbo_pending = 0;
}

/*
 * Offsets stay what they are. The root is copied too: a reader in the old arena must not meet offsets of the new
 * one.
 */
static void
grow(struct lpm *lpm, uint32_t needed)
{
	struct lpm_view *view = lpm->view;
	uint32_t units = view->arena_units + view->arena_units / 4 + FIRST_UNITS + needed;
	uint64_t *arena = lpm_map((size_t)units * LPM_UNIT);
	size_t root_bytes = sizeof(uint32_t) << view->root_bits;
	uint32_t *root = lpm_map(root_bytes);

	memcpy(arena, lpm->arena, (size_t)lpm->used_units * LPM_UNIT);
	memcpy(root, view->root, root_bytes);
	lpm_publish(lpm, arena, units, root, view->root_bits);
}

uint32_t
lpm_alloc(struct lpm *lpm, uint32_t units)
{
	uint32_t offset = lpm->free_heads[units];

	if (offset == 0 && lpm->limbo_count > lpm->limbo_pending) {
		reclaim(lpm);
		offset = lpm->free_heads[units];
	}
	if (offset != 0) {
		lpm->free_heads[units] = *lpm_leaves(lpm->arena, offset);
		lpm->free_units -= units;
		return offset;
	}
	if (unlikely(lpm->used_units + units > lpm->view->arena_units))
		grow(lpm, units);
	offset = lpm->used_units;
	lpm->used_units += units;
	return offset;
}
