/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The layout of IPv6's trees, for their writer (lpm_tree.c, lpm_tree_pack.c) and their readers (lpm_tree_lookup.c,
 * lpm_avx512.c).
 *
 * A tree holds the 32 bits of the address behind the root's, cut into runs that have one value each, and is searched
 * for the first run whose last address is not before the one looked up. A node is a cache line: one compare of 16 words
 * finds the way. What is below a line lies side by side, so that it needs but one pointer (the CSB+-tree of J. Rao and
 * K. A. Ross, SIGMOD 2000).
 *
 *            word 0 ...               14    15
 *   inner    | last | last | ... | last | base |     the lines below it are those at base, at most 16
 *   leaf     | last 0 to 6 | ~0 | value 7 to 0 |     backwards
 *
 * Words that are not needed are ~0, which is before no address. So what has none, its last word 0, leads to itself
 * where that is line 0, and holds 0: the way of addresses without routes, through trees of any height.
 *
 * An entry of the root is the line of its tree (or 0) in the lower half, and in the upper the value of all its
 * addresses if there is no tree. All trees at the root are equally high, so that a burst descends in step. Where 32
 * bits do not decide, a value is a link instead (LPM_LINK): to a tree, of its own height, over the next 32.
 */
#ifndef WEIR_RIB_LPM_TREE_H
#define WEIR_RIB_LPM_TREE_H

#include <rte_common.h>

#include "lpm_internal.h"

#define LPM_LINE_WORDS  16
#define LPM_BASE        15 /* the word of an inner line that says where the lines below are */
#define LPM_INNER_LINES 16 /* below it, at most */
#define LPM_LEAF_RUNS   8
#define LPM_LEAF_KEYS   8 /* its words to compare */
#define LPM_TREE_BITS   32

struct lpm_line {
	uint32_t words[LPM_LINE_WORDS];
};

/* A link: the height in its next three bits, then the line. */
#define LPM_LINK_HEIGHT 28
#define LPM_LINK_LINES  ((1u << LPM_LINK_HEIGHT) - 1)

static inline uint32_t
lpm_link_make(uint32_t line, uint32_t height)
{
	return LPM_LINK | height << LPM_LINK_HEIGHT | line;
}

static inline uint32_t
lpm_link_height(uint32_t link)
{
	return link >> LPM_LINK_HEIGHT & 7;
}

static inline uint32_t
lpm_link_line(uint32_t link)
{
	return link & LPM_LINK_LINES;
}

static inline lpm_entry
lpm_tree_entry(uint32_t line, uint32_t value)
{
	return (uint64_t)value << 32 | line;
}

static inline uint32_t
lpm_tree_entry_line(lpm_entry entry)
{
	return (uint32_t)entry;
}

static inline uint32_t
lpm_tree_entry_value(lpm_entry entry)
{
	return (uint32_t)(entry >> 32);
}

static inline struct lpm_line *
lpm_lines(const struct lpm_view *view)
{
	return (struct lpm_line *)view->arena;
}

/* ---- for writers */

struct lpm_run {
	uint32_t last, value;
};

/* Lines side by side, and the last window of each. */
#define LPM_GROUP_MAX (LPM_INNER_LINES + 2)

struct lpm_group {
	uint32_t count;
	uint32_t last[LPM_GROUP_MAX];
	struct lpm_line line[LPM_GROUP_MAX];
};

void lpm_tree_view_new(struct lpm *lpm, uint32_t root_bits, uint32_t lines);
/* n is at most LPM_LEAF_RUNS. */
struct lpm_line lpm_tree_leaf(const struct lpm_run *runs, uint32_t n);
/* Writes the first n, and gives the line above. */
struct lpm_line lpm_tree_group_write(struct lpm *lpm, const struct lpm_line *lines, const uint32_t *last, uint32_t n);
/* Writes one line by itself and gives its place. */
uint32_t lpm_tree_top_write(struct lpm *lpm, const struct lpm_line *top);

/* How many lines are below, and how many runs. */
static inline uint32_t
lpm_line_keys(const struct lpm_line *line, uint32_t most)
{
	uint32_t n = 0;

	while (n < most && line->words[n] != UINT32_MAX)
		n++;
	return n + 1;
}

static inline uint32_t
lpm_inner_lines(const struct lpm_line *line)
{
	return lpm_line_keys(line, LPM_INNER_LINES - 1);
}

static inline uint32_t
lpm_leaf_runs(const struct lpm_line *line)
{
	return lpm_line_keys(line, LPM_LEAF_RUNS - 1);
}

static inline uint32_t
lpm_leaf_value(const struct lpm_line *line, uint32_t run)
{
	return line->words[LPM_LINE_WORDS - 1 - run];
}

#endif
