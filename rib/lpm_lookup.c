/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The trie's readers, and which of them are used here. This one suits any processor: a burst descends level by level, each lookup's next line on
 * its way while the others are looked at.
 */
#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_prefetch.h>

#include "lpm_internal.h"

typedef uint32_t window_at(const void *keys, uint32_t i, uint32_t depth);

static __rte_always_inline uint32_t
window_v4(const void *keys, uint32_t i, uint32_t depth)
{
	return (uint32_t)((uint64_t)((const uint32_t *)keys)[i] << RTE_MIN(depth, 32u));
}

static __rte_always_inline uint32_t
window_any(const void *keys, uint32_t i, uint32_t depth)
{
	return lpm_window(((const struct lpm_key *)keys)[i], depth);
}

/* Lookups on their way. */
struct descent {
	const struct lpm_view *view;
	lpm_entry entry[LPM_BURST]; /* that each has come to; runs 0: its value */
	const uint32_t *place[LPM_BURST]; /* of what it reads next */
	uint8_t active[LPM_BURST];
	uint16_t count; /* of those that go on */
};

/* Where the slots of the next five bits are to be found. */
static __rte_always_inline void
find_slots(struct descent *d, const void *keys, window_at *window, uint32_t depth)
{
	for (uint16_t k = 0; k < d->count; k++) {
		uint8_t i = d->active[k];
		uint32_t runs = lpm_entry_runs(d->entry[i]), base = lpm_entry_base(d->entry[i]);
		uint32_t slot = window(keys, i, depth) >> (32 - LPM_SLOT_BITS);
		uint32_t place = (uint32_t)__builtin_popcount(runs << (LPM_SLOTS - 1 - slot)) - 1;

		d->place[i] = lpm_words(d->view->arena, base) + (place << (base >> 31));
		rte_prefetch0(d->place[i]);
	}
}

/* 8 bytes are loaded where 4 are meant, too: which of them it is nobody can foretell, so nothing may branch on it. */
static __rte_always_inline void
read_slots(struct descent *d)
{
	uint16_t left = 0;

	for (uint16_t k = 0; k < d->count; k++) {
		uint8_t i = d->active[k];
		lpm_entry read = __atomic_load_n((const lpm_entry *)d->place[i], __ATOMIC_ACQUIRE);

		d->entry[i] = lpm_entry_base(d->entry[i]) & LPM_ENTRIES ? read : read << 32;
		d->active[left] = i;
		left += lpm_entry_runs(d->entry[i]) != 0;
	}
	d->count = left;
}

static __rte_always_inline void
look_up(const struct lpm *lpm, const void *keys, window_at *window, uint16_t n, uint32_t *values)
{
	const struct lpm_view *view = __atomic_load_n(&lpm->view, __ATOMIC_ACQUIRE);
	uint32_t depth = view->root_bits, fallback = __atomic_load_n(&lpm->fallback, __ATOMIC_RELAXED);
	struct descent d;

	d.view = view;
	d.count = 0;
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(&view->root[window(keys, i, 0) >> (32 - depth)]);
	for (uint16_t i = 0; i < n; i++) {
		d.entry[i] = __atomic_load_n(&view->root[window(keys, i, 0) >> (32 - depth)], __ATOMIC_ACQUIRE);
		d.active[d.count] = (uint8_t)i;
		d.count += lpm_entry_runs(d.entry[i]) != 0;
	}
	for (; d.count > 0; depth += LPM_SLOT_BITS) {
		find_slots(&d, keys, window, depth);
		read_slots(&d);
	}
	for (uint16_t i = 0; i < n; i++) {
		uint32_t value = lpm_entry_base(d.entry[i]);

		values[i] = value != 0 ? value : fallback;
	}
}

static void
look_up_any(const struct lpm *lpm, const struct lpm_key *keys, uint16_t n, uint32_t *values)
{
	look_up(lpm, keys, window_any, n, values);
}

static void
look_up_v4(const struct lpm *lpm, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	look_up(lpm, addrs, window_v4, n, values);
}

const struct lpm_reader lpm_scalar = { "scalar", look_up_any, look_up_v4 };

static const struct lpm_reader *readers[] = { &lpm_scalar, NULL, NULL };
static const struct lpm_reader *best = &lpm_scalar;

/* The processor does not change: found once, before any thread. */
__attribute__((constructor)) static void
choose_reader(void)
{
	if (lpm_avx512_usable())
		best = readers[1] = &lpm_avx512;
}

const struct lpm_reader *
lpm_reader(unsigned int i)
{
	return readers[i];
}

const struct lpm_reader *
lpm_best_reader(void)
{
	return best;
}

void
lpm_lookup(const struct lpm *lpm, const struct lpm_key *keys, uint16_t n, uint32_t *values)
{
	best->lookup(lpm, keys, n, values);
}

void
lpm_lookup_v4(const struct lpm *lpm, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	best->lookup_v4(lpm, addrs, n, values);
}

void
lpm_root_v4(const struct lpm *lpm, const uint64_t **root, uint32_t *shift)
{
	const struct lpm_view *view = __atomic_load_n(&lpm->view, __ATOMIC_ACQUIRE);

	*root = view->root;
	*shift = 32 - view->root_bits;
}
