/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The poptrie's readers: a burst descends level by level, each lookup's next line on its way while the others are
 * looked at.
 */
#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "lpm_internal.h"

/* Roots from this many bits on do not fit the first-level cache. */
#define PREFETCH_ROOT_BITS 12

struct descent {
	const struct lpm_node *node[LPM_BURST];
	const uint32_t *leaf[LPM_BURST];
	uint8_t active[LPM_BURST];
};

static inline uint64_t
below(uint32_t slot)
{
	return (UINT64_C(1) << slot) - 1;
}

/* One step of lookup i at the given slot: true if it goes on. */
static inline bool
step(struct descent *d, const uint64_t *arena, uint32_t i, uint32_t slot)
{
	const struct lpm_node *node = d->node[i];

	if (node->internal >> slot & 1) {
		d->node[i] = lpm_nodes(arena, node->children) + __builtin_popcountll(node->internal & below(slot));
		rte_prefetch0(d->node[i]);
		return true;
	}
	/* The run that holds this slot began at the last set bit up to it. */
	d->leaf[i] = lpm_leaves(arena, node->leaves) + __builtin_popcountll(node->runs & (below(slot) << 1 | 1)) - 1;
	rte_prefetch0(d->leaf[i]);
	return false;
}

/* Starts lookup i at root word `word`: true if it goes on. */
static inline bool
start(struct descent *d, const uint64_t *arena, uint32_t i, const uint32_t *word, uint32_t *value)
{
	uint32_t content = __atomic_load_n(word, __ATOMIC_ACQUIRE);

	if (content & LPM_ROOT_NODE) {
		d->node[i] = lpm_nodes(arena, content & ~LPM_ROOT_NODE);
		rte_prefetch0(d->node[i]);
		return true;
	}
	*value = content;
	d->leaf[i] = value;
	return false;
}

static inline void
finish(const struct lpm *lpm, const struct descent *d, uint16_t n, uint32_t *values)
{
	uint32_t fallback = __atomic_load_n(&lpm->fallback, __ATOMIC_RELAXED);

	for (uint16_t i = 0; i < n; i++) {
		uint32_t value = *d->leaf[i];

		values[i] = value != 0 ? value : fallback;
	}
}

void
lpm_lookup(const struct lpm *lpm, const struct lpm_key *keys, uint16_t n, uint32_t *values)
{
	const struct lpm_view *view = __atomic_load_n(&lpm->view, __ATOMIC_ACQUIRE);
	const uint64_t *arena = view->arena;
	uint32_t depth = view->root_bits;
	struct descent d;
	uint16_t active = 0;

	if (depth >= PREFETCH_ROOT_BITS)
		for (uint16_t i = 0; i < n; i++)
			rte_prefetch0(&view->root[lpm_root_slot(keys[i], depth)]);
	for (uint16_t i = 0; i < n; i++) {
		d.active[active] = (uint8_t)i;
		active += start(&d, arena, i, &view->root[lpm_root_slot(keys[i], depth)], &values[i]);
	}
	for (; active > 0; depth += LPM_STRIDE) {
		uint16_t left = 0;

		for (uint16_t k = 0; k < active; k++) {
			uint8_t i = d.active[k];

			d.active[left] = i;
			left += step(&d, arena, i, lpm_slot(keys[i], depth));
		}
		active = left;
	}
	finish(lpm, &d, n, values);
}

void
lpm_lookup_v4(const struct lpm *lpm, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	const struct lpm_view *view = __atomic_load_n(&lpm->view, __ATOMIC_ACQUIRE);
	const uint64_t *arena = view->arena;
	uint32_t depth = view->root_bits, shift = 32 - depth;
	struct descent d;
	uint16_t active = 0;

	if (depth >= PREFETCH_ROOT_BITS)
		for (uint16_t i = 0; i < n; i++)
			rte_prefetch0(&view->root[(uint64_t)addrs[i] >> shift]);
	for (uint16_t i = 0; i < n; i++) {
		d.active[active] = (uint8_t)i;
		active += start(&d, arena, i, &view->root[(uint64_t)addrs[i] >> shift], &values[i]);
	}
	for (; active > 0; depth += LPM_STRIDE) {
		uint16_t left = 0;

		for (uint16_t k = 0; k < active; k++) {
			uint8_t i = d.active[k];
			uint32_t slot =
				(uint32_t)((uint64_t)addrs[i] << 32 >> (64 - LPM_STRIDE - depth)) & (LPM_SLOTS - 1);

			d.active[left] = i;
			left += step(&d, arena, i, slot);
		}
		active = left;
	}
	finish(lpm, &d, n, values);
}
