/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The arena: blocks of 1 to 32 units in one array, exact-fit free lists, and a ring of blocks in limbo that readers may
 * still see. When the array is full it is copied to a larger one (and packed at times: lpm.c).
 */
#include <string.h>
#include <sys/mman.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "lpm_internal.h"
#include "memory.h"

#define HUGE_BYTES  (2u << 20)
#define FIRST_BYTES 384
#define UNITS_MAX   (LPM_PLACE / LPM_UNIT_PLACES) /* that a base or a link can name */
#define SPARE_UNITS 1 /* at the end: readers load 4 bytes where 2 are meant */

/*
 * Large arrays are mapped on their own with huge pages, where the system has them: random reads then miss the TLB far
 * less.
 */
void *
lpm_map(size_t bytes)
{
	if (bytes < HUGE_BYTES) {
		size_t rounded = RTE_ALIGN_CEIL(bytes, (size_t)RTE_CACHE_LINE_SIZE);

		return memset(rib_memory_check(aligned_alloc(RTE_CACHE_LINE_SIZE, rounded), bytes), 0, rounded);
	}

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

static struct lpm_view *
make_view(uint32_t root_bits, uint32_t unit_bytes, uint32_t units)
{
	struct lpm_view *view = rib_zalloc(sizeof(*view));

	units += FIRST_BYTES / unit_bytes;
	if ((size_t)units * unit_bytes >= HUGE_BYTES) /* whole pages */
		units = RTE_ALIGN_CEIL(units, HUGE_BYTES / unit_bytes);
	rib_memory_check(units > UNITS_MAX ? NULL : view, (size_t)units * unit_bytes);
	*view = (struct lpm_view){ .arena = lpm_map((size_t)units * unit_bytes),
		.root = lpm_map(sizeof(lpm_entry) << root_bits),
		.root_bits = root_bits,
		.arena_units = units,
		.unit_bytes = unit_bytes };
	return view;
}

static uint64_t *
unit_at(const struct lpm_view *view, uint32_t offset)
{
	return view->arena + (size_t)offset * (view->unit_bytes / sizeof(uint64_t));
}

void
lpm_view_free(void *arg)
{
	struct lpm_view *view = arg;

	lpm_unmap(view->arena, (size_t)view->arena_units * view->unit_bytes);
	lpm_unmap(view->root, sizeof(lpm_entry) << view->root_bits);
	free(view);
}

void
lpm_view_new(struct lpm *lpm, uint32_t root_bits, uint32_t unit_bytes, uint32_t units)
{
	lpm->used_units = 1; /* offset 0 ends the free lists */
	lpm->view = make_view(root_bits, unit_bytes, units);
}

void
lpm_publish(struct lpm *lpm, struct lpm_view *view)
{
	struct lpm_view *old = lpm->view;

	__atomic_store_n(&lpm->view, view, __ATOMIC_RELEASE);
	rcu_defer(lpm->rcu, lpm_view_free, old);
}

void
lpm_replace(struct lpm *lpm, const struct lpm *by)
{
	lpm_publish(lpm, by->view);
	lpm->used_units = by->used_units;
	lpm->free_units = by->free_units;
	memcpy(lpm->free_heads, by->free_heads, sizeof(lpm->free_heads));
	free(lpm->limbo);
	lpm->limbo = NULL;
	lpm->limbo_size = lpm->limbo_head = lpm->limbo_count = lpm->limbo_pending = 0;
}

static void
free_block(struct lpm *lpm, uint32_t offset, uint32_t units)
{
	*unit_at(lpm->view, offset) = lpm->free_heads[units];
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
 * Offsets stay what they are. The root is copied too: a reader in the old arena must not meet offsets of the new one.
 */
static void
grow(struct lpm *lpm, uint32_t needed)
{
	const struct lpm_view *old = lpm->view;
	struct lpm_view *view =
		make_view(old->root_bits, old->unit_bytes, old->arena_units + old->arena_units / 4 + needed);

	view->height = old->height;
	memcpy(view->arena, old->arena, (size_t)lpm->used_units * old->unit_bytes);
	memcpy(view->root, old->root, sizeof(lpm_entry) << old->root_bits);
	lpm_publish(lpm, view);
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
		lpm->free_heads[units] = (uint32_t)*unit_at(lpm->view, offset);
		lpm->free_units -= units;
		return offset;
	}
	if (unlikely(lpm->used_units + units > lpm->view->arena_units - SPARE_UNITS))
		grow(lpm, units);
	offset = lpm->used_units;
	lpm->used_units += units;
	return offset;
}
