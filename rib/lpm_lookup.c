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

/* Lookups on their way; n of them, `active` says which. */
struct descent {
	const lpm_entry *entry[LPM_BURST];
	const uint32_t *word[LPM_BURST];
	uint8_t active[LPM_BURST];
};

/* From entries to the places of words. */
static __rte_always_inline void
find_words(struct descent *d, const struct lpm_view *view, const void *keys, window_at *window, uint16_t n,
	uint32_t depth, uint32_t bits, uint32_t *values)
{
	for (uint16_t k = 0; k < n; k++) {
		uint8_t i = d->active[k];
		lpm_entry entry = __atomic_load_n(d->entry[i], __ATOMIC_ACQUIRE);
		uint32_t runs = lpm_entry_runs(entry), slot = lpm_slot(window(keys, i, depth), bits);
		const uint32_t *word = lpm_words(view->arena, lpm_entry_base(entry)) +
				       __builtin_popcount(runs << (LPM_SLOTS - 1 - slot)) - 1;

		values[i] = lpm_entry_base(entry);
		d->word[i] = runs == 0 ? &values[i] : word;
		rte_prefetch0(d->word[i]);
	}
}

/* From words to values, or to the next entries; gives how many go on. */
static __rte_always_inline uint16_t
read_words(struct descent *d, const struct lpm_view *view, const void *keys, window_at *window, uint16_t n,
	uint32_t depth, uint32_t *values)
{
	uint16_t left = 0;

	for (uint16_t k = 0; k < n; k++) {
		uint8_t i = d->active[k];
		uint32_t word = *d->word[i];

		values[i] = word;
		if (likely(!(word & LPM_NODE)))
			continue;
		d->entry[i] = view->arena + (word & ~LPM_NODE) + lpm_index(window(keys, i, depth), view->node_bits);
		rte_prefetch0(d->entry[i]);
		d->active[left++] = i;
	}
	return left;
}

static __rte_always_inline void
look_up(const struct lpm *lpm, const void *keys, window_at *window, uint16_t n, uint32_t *values)
{
	const struct lpm_view *view = __atomic_load_n(&lpm->view, __ATOMIC_ACQUIRE);
	uint32_t bits = view->root_bits, depth = 0, fallback = __atomic_load_n(&lpm->fallback, __ATOMIC_RELAXED);
	struct descent d;
	uint16_t left = n;

	for (uint16_t i = 0; i < n; i++) {
		d.active[i] = (uint8_t)i;
		d.entry[i] = &view->root[lpm_index(window(keys, i, 0), bits)];
		rte_prefetch0(d.entry[i]);
	}
	while (left > 0) {
		find_words(&d, view, keys, window, left, depth, bits, values);
		depth += bits + LPM_ENTRY_BITS;
		left = read_words(&d, view, keys, window, left, depth, values);
		bits = view->node_bits;
	}
	for (uint16_t i = 0; i < n; i++)
		values[i] = values[i] != 0 ? values[i] : fallback;
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
