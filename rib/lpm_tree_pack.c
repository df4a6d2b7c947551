/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Trees written anew: all runs of the table are laid out in a list, by their last addresses, and trees are built from
 * it for another root or another height, in the order of the addresses. Lines below a line are left some room, leaves
 * are full.
 */
#include <string.h>

#include "lpm_tree.h"
#include "memory.h"

#define PACKED_LINES 14 /* below a line, at most */

struct item {
	struct lpm_key last;
	uint32_t value;
};

struct list {
	struct item *items;
	uint32_t count, room;
};

/* ---- the table as a list ---- */

/* The 32 bits from `depth` on are the window's; all behind them is 1. */
static struct lpm_key
key_with(struct lpm_key key, uint32_t depth, uint32_t window)
{
	unsigned __int128 ones = ~(unsigned __int128)0, bits = (unsigned __int128)key.hi << 64 | key.lo;
	unsigned __int128 placed = (unsigned __int128)window << 96 | ones >> LPM_TREE_BITS;

	bits = (bits & ~(ones >> depth)) | placed >> depth;
	return (struct lpm_key){ (uint64_t)(bits >> 64), (uint64_t)bits };
}

/* The window that a run ends in; bits behind the address's end are 1, as those of an update's range. */
static uint32_t
last_window(struct lpm_key last, uint32_t depth)
{
	return lpm_window(last, depth) | (depth + LPM_TREE_BITS > 128 ? UINT32_MAX >> (128 - depth) : 0);
}

static void
list_add(struct list *list, struct lpm_key last, uint32_t value)
{
	if (list->count > 0 && list->items[list->count - 1].value == value) {
		list->items[list->count - 1].last = last;
		return;
	}
	if (list->count == list->room) {
		list->room = list->room == 0 ? 64 : list->room * 2;
		list->items = rib_realloc(list->items, list->room * sizeof(*list->items));
	}
	list->items[list->count++] = (struct item){ last, value };
}

/* What is below the line up to the window `last`; the bits before depth are key's. */
static void
list_line(struct list *list, const struct lpm_line *lines, uint32_t at, uint32_t height, struct lpm_key key,
	uint32_t depth, uint32_t last)
{
	const struct lpm_line *line = &lines[at];
	uint32_t n = height > 0 ? lpm_inner_lines(line) : lpm_leaf_runs(line);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t end = i < n - 1 ? line->words[i] : last, value;

		if (height > 0) {
			list_line(list, lines, line->words[LPM_BASE] + i, height - 1, key, depth, end);
			continue;
		}
		value = lpm_leaf_value(line, i);
		if (value & LPM_LINK)
			list_line(list, lines, lpm_link_line(value), lpm_link_height(value), key_with(key, depth, end),
				depth + LPM_TREE_BITS, UINT32_MAX);
		else
			list_add(list, key_with(key, depth, end), value);
	}
}

static struct list
list_all(const struct lpm_view *view)
{
	struct list list = { 0 };

	for (uint64_t i = 0; i < 1u << view->root_bits; i++) {
		struct lpm_key first = { i << (64 - view->root_bits), 0 };
		uint32_t top = lpm_tree_entry_line(view->root[i]);

		if (top != 0)
			list_line(&list, lpm_lines(view), top, view->height, first, view->root_bits, UINT32_MAX);
		else
			list_add(&list, key_with(first, view->root_bits, UINT32_MAX),
				lpm_tree_entry_value(view->root[i]));
	}
	return list;
}

/* ---- trees from a list ---- */

/* How high a tree of so many runs is, with room at its top for two more. */
static uint32_t
height_of(uint32_t runs)
{
	uint32_t lines = (runs + LPM_LEAF_RUNS - 1) / LPM_LEAF_RUNS, height = 1;

	if (runs <= LPM_LEAF_RUNS - 2)
		return 0;
	for (; lines > PACKED_LINES; height++)
		lines = (lines + PACKED_LINES - 1) / PACKED_LINES;
	return height;
}

/* Writes groups as equal as can be; gives the lines above, in place. */
static uint32_t
build_level(struct lpm *to, struct lpm_line *lines, uint32_t *last, uint32_t n)
{
	uint32_t groups = (n + PACKED_LINES - 1) / PACKED_LINES, first = 0;

	for (uint32_t g = 0; g < groups; g++) {
		uint32_t end = (uint32_t)((uint64_t)n * (g + 1) / groups);
		struct lpm_line above = lpm_tree_group_write(to, &lines[first], &last[first], end - first);

		lines[g] = above;
		last[g] = last[end - 1];
		first = end;
	}
	return groups;
}

/* The line of the tree's top. */
static uint32_t
build_tree(struct lpm *to, const struct lpm_run *runs, uint32_t n, uint32_t height)
{
	uint32_t count = (n + LPM_LEAF_RUNS - 1) / LPM_LEAF_RUNS, place;
	struct lpm_line *lines = rib_memory_check(malloc(count * sizeof(*lines)), count * sizeof(*lines));
	uint32_t *last = rib_memory_check(malloc(count * sizeof(*last)), count * sizeof(*last));

	for (uint32_t i = 0; i < count; i++) {
		uint32_t end = RTE_MIN((i + 1) * LPM_LEAF_RUNS, n);

		lines[i] = lpm_tree_leaf(&runs[i * LPM_LEAF_RUNS], end - i * LPM_LEAF_RUNS);
		last[i] = runs[end - 1].last;
	}
	for (; height > 0; height--)
		count = build_level(to, lines, last, count);
	place = lpm_tree_top_write(to, lines);
	free(lines);
	free(last);
	return place;
}

/* Whether the run ends within a window, not with it. */
static bool
ends_within(const struct item *item, uint32_t depth)
{
	struct lpm_key whole;

	if (depth + LPM_TREE_BITS >= 128)
		return false;
	whole = key_with(item->last, depth, lpm_window(item->last, depth));
	return whole.hi != item->last.hi || whole.lo != item->last.lo;
}

static uint32_t build_link(struct lpm *to, const struct item *items, uint32_t n, uint32_t depth);

/*
 * Runs of the items, all of which share the bits before depth; the last one may go on behind that. What is finer than a
 * window becomes a tree of its own; if there is no table to put it into, runs are only counted.
 */
static uint32_t
build_runs(struct lpm *to, const struct item *items, uint32_t n, uint32_t depth, struct lpm_run *runs)
{
	uint32_t count = 0, i = 0;

	while (i < n) {
		bool goes_on = i == n - 1; /* perhaps; nothing is behind it */
		uint32_t window = goes_on ? UINT32_MAX : last_window(items[i].last, depth), end = i;

		if (goes_on || !ends_within(&items[i], depth)) {
			runs[count++] = (struct lpm_run){ window, items[i++].value };
			continue;
		}
		/* The first of these may have begun before, the last may end behind. */
		while (end < n - 1 && last_window(items[end].last, depth) == window && ends_within(&items[end], depth))
			end++;
		if (window > 0 && (count == 0 || runs[count - 1].last != window - 1))
			runs[count++] = (struct lpm_run){ window - 1, items[i].value };
		runs[count++] = (struct lpm_run){ window,
			to == NULL ? LPM_LINK : build_link(to, &items[i], end - i + 1, depth + LPM_TREE_BITS) };
		if (window == UINT32_MAX)
			break;
		i = end < n - 1 && last_window(items[end].last, depth) == window ? end + 1 : end;
	}
	return count;
}

static uint32_t
build_link(struct lpm *to, const struct item *items, uint32_t n, uint32_t depth)
{
	struct lpm_run *runs = rib_memory_check(malloc(2 * n * sizeof(*runs)), 2 * n * sizeof(*runs));
	uint32_t count = build_runs(to, items, n, depth, runs), height = height_of(count);
	uint32_t link = lpm_link_make(build_tree(to, runs, count, height), height);

	free(runs);
	return link;
}

/* How many of the items, from the first on, lie in the root's entry i; the last of them may go on behind it. */
static uint32_t
items_in(const struct item *items, uint64_t i, uint32_t root_bits)
{
	uint64_t last = ((i + 1) << (64 - root_bits)) - 1; /* and all bits of lo */
	uint32_t n = 1;

	while (items->last.hi < last || (items->last.hi == last && items->last.lo != UINT64_MAX)) {
		items++;
		n++;
	}
	return n;
}

/* Two passes: one that finds how high the trees must be, one that writes them. */
static void
build_entries(struct lpm *to, const struct list *list, struct lpm_run *runs, bool writing)
{
	struct lpm_view *view = to->view;
	const struct item *items = list->items;

	for (uint64_t i = 0; i < 1u << view->root_bits; i++) {
		uint32_t n = items_in(items, i, view->root_bits), count, top;
		uint64_t next = (i + 1) << (64 - view->root_bits);

		if (n == 1) {
			view->root[i] = lpm_tree_entry(0, items->value);
		} else if (writing) {
			count = build_runs(to, items, n, view->root_bits, runs);
			top = build_tree(to, runs, count, to->view->height);
			view = to->view; /* the arena may have moved */
			view->root[i] = lpm_tree_entry(top, 0);
		} else {
			count = build_runs(NULL, items, n, view->root_bits, runs);
			view->height = RTE_MAX(view->height, height_of(count));
		}
		items += n - 1;
		if (items->last.hi == next - 1 && items->last.lo == UINT64_MAX)
			items++;
	}
}

void
lpm_tree_pack(struct lpm *lpm, uint32_t root_bits, uint32_t least_height)
{
	uint32_t live = lpm->used_units - lpm->free_units;
	struct list list = list_all(lpm->view);
	size_t bytes = 2 * list.count * sizeof(struct lpm_run);
	struct lpm_run *runs = rib_memory_check(malloc(bytes), bytes);
	struct lpm to = { 0 }; /* a table of its own while it is filled: unpublished, it may grow at will */

	lpm_tree_view_new(&to, root_bits, live + live / 8);
	to.view->height = least_height;
	build_entries(&to, &list, runs, false);
	build_entries(&to, &list, runs, true);
	lpm_replace(lpm, &to);
	free(runs);
	free(list.items);
}
