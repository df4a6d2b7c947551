/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How IPv6's trees are read, for readers of all kinds of processors (lpm_tree_lookup.c, lpm_avx512.c), which differ in
 * how they compare a line.
 *
 * A burst descends in step, 16 lookups side by side so that none waits for its own last step. The leaves, most of
 * which are not in the cache, are all asked for before the first of them is read.
 */
#ifndef WEIR_RIB_LPM_TREE_READ_H
#define WEIR_RIB_LPM_TREE_READ_H

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_prefetch.h>

#include "lpm_tree.h"

/* Lookups that descend side by side, and as many of a burst's last ones. */
#define LPM_ABREAST      16
#define LPM_ABREAST_LAST 4

/* Of an inner line: the one below it where the window is. Of a leaf: the value there. */
typedef uint32_t lpm_step(const struct lpm_line *line, uint32_t window);

/* What a link's tree holds at a window. */
typedef uint32_t lpm_follow(const struct lpm_line *lines, uint32_t link, uint32_t window);

/*
 * For those that the trees at the root leave open: follows links, and where there was no tree takes the root's value.
 * leaves: where each has come to.
 */
void lpm_tree_finish(const struct lpm *lpm, const struct lpm_view *view, const struct lpm_key *keys, uint32_t n,
	const struct lpm_line *const *leaves, uint32_t *values, lpm_follow *follow);

/* Takes n lookups to their leaves, n being a constant. */
static __rte_always_inline void
lpm_tree_descend(const struct lpm_view *view, const struct lpm_key *keys, const struct lpm_line **leaves,
	uint32_t *windows, uint32_t n, lpm_step *inner)
{
	const struct lpm_line *lines = lpm_lines(view);
	const lpm_entry *root = view->root;
	uint32_t root_shift = 64 - view->root_bits, window_shift = root_shift - LPM_TREE_BITS;
	uint32_t line[LPM_ABREAST];

#pragma GCC unroll 16
	for (uint32_t i = 0; i < n; i++) {
		windows[i] = (uint32_t)(keys[i].hi >> window_shift);
		line[i] = lpm_tree_entry_line(__atomic_load_n(&root[keys[i].hi >> root_shift], __ATOMIC_ACQUIRE));
	}
	for (uint32_t height = view->height; height > 0; height--) {
#pragma GCC unroll 16
		for (uint32_t i = 0; i < n; i++)
			line[i] = inner(&lines[line[i]], windows[i]);
	}
#pragma GCC unroll 16
	for (uint32_t i = 0; i < n; i++) {
		leaves[i] = &lines[line[i]];
		rte_prefetch0(leaves[i]);
	}
}

static __rte_always_inline void
lpm_tree_look_up(const struct lpm *lpm, const struct lpm_key *keys, uint32_t n, uint32_t *values, lpm_step *inner,
	lpm_step *leaf, lpm_follow *follow)
{
	const struct lpm_view view = *__atomic_load_n(&lpm->view, __ATOMIC_ACQUIRE);
	const struct lpm_line *leaves[LPM_BURST];
	uint32_t windows[LPM_BURST], open = 0, i;

	for (i = 0; i + LPM_ABREAST <= n; i += LPM_ABREAST)
		lpm_tree_descend(&view, &keys[i], &leaves[i], &windows[i], LPM_ABREAST, inner);
	for (; i < n; i += LPM_ABREAST_LAST) {
		struct lpm_key some[LPM_ABREAST_LAST];

		for (uint32_t k = 0; k < LPM_ABREAST_LAST; k++)
			some[k] = keys[RTE_MIN(i + k, n - 1)];
		lpm_tree_descend(&view, some, &leaves[i], &windows[i], LPM_ABREAST_LAST, inner);
	}
#pragma GCC unroll 4
	for (i = 0; i < n; i++) {
		uint32_t value = leaf(leaves[i], windows[i]);

		open |= value - 1; /* its upper bit is of a link, or of 0 */
		values[i] = value;
	}
	if (open & LPM_LINK)
		lpm_tree_finish(lpm, &view, keys, n, leaves, values, follow);
}

/* A reader's lpm_follow. */
static __rte_always_inline uint32_t
lpm_tree_follow(const struct lpm_line *lines, uint32_t link, uint32_t window, lpm_step *inner, lpm_step *leaf)
{
	uint32_t line = lpm_link_line(link);

	for (uint32_t height = lpm_link_height(link); height > 0; height--)
		line = inner(&lines[line], window);
	return leaf(&lines[line], window);
}

#endif
