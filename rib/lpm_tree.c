/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The writer of IPv6's trees. As in the trie, every value carries the length of the prefix that owns it, so an update
 * needs nothing but the runs that it passes.
 *
 * A group of lines of which one changes is written anew, and the line above it gets another base. Where nothing else
 * changes in that line the base is stored in place, which is the step that readers see; else its own group is written
 * anew too, up to the entry of the root.
 */
#include <string.h>

#include <rte_branch_prediction.h>

#include "lpm_tree.h"

#define RUNS_MAX (LPM_INNER_LINES * LPM_LEAF_RUNS + 2) /* of a group, with those that an update adds */

/* Below a root's entry or a link. */
struct part {
	const struct lpm_change *change;
	uint32_t depth; /* bits of the address above it */
	uint32_t first, last; /* what the prefix covers */
};

struct runs {
	uint32_t count;
	struct lpm_run run[RUNS_MAX];
};

static uint32_t change_tree(const struct part *p, uint32_t link, bool at_root);

static inline struct lpm_line *
line_at(const struct lpm *lpm, uint32_t line)
{
	return &lpm_lines(lpm->view)[line];
}

void
lpm_tree_view_new(struct lpm *lpm, uint32_t root_bits, uint32_t lines)
{
	lpm_view_new(lpm, root_bits, sizeof(struct lpm_line), lines);
	memset(line_at(lpm, 0), 0xff, sizeof(struct lpm_line));
	line_at(lpm, 0)->words[LPM_BASE] = 0;
}

struct lpm_line
lpm_tree_leaf(const struct lpm_run *runs, uint32_t n)
{
	struct lpm_line line;

	memset(&line, 0xff, sizeof(line));
	for (uint32_t i = 0; i < n; i++) {
		if (i < n - 1)
			line.words[i] = runs[i].last;
		line.words[LPM_LINE_WORDS - 1 - i] = runs[i].value;
	}
	return line;
}

struct lpm_line
lpm_tree_group_write(struct lpm *lpm, const struct lpm_line *lines, const uint32_t *last, uint32_t n)
{
	uint32_t base = lpm_alloc(lpm, n);
	struct lpm_line above;

	memcpy(line_at(lpm, base), lines, n * sizeof(*lines));
	memset(&above, 0xff, sizeof(above));
	memcpy(above.words, last, (n - 1) * sizeof(*last));
	above.words[LPM_BASE] = base;
	return above;
}

uint32_t
lpm_tree_top_write(struct lpm *lpm, const struct lpm_line *top)
{
	uint32_t place = lpm_alloc(lpm, 1);

	*line_at(lpm, place) = *top;
	return place;
}

static void
group_add(struct lpm_group *group, const struct lpm_line *line, uint32_t last)
{
	group->line[group->count] = *line;
	group->last[group->count++] = last;
}

/* The lines above the group's: one, or two if it has become too large. */
static void
group_above(struct lpm *lpm, const struct lpm_group *group, struct lpm_group *above)
{
	uint32_t parts = group->count > LPM_INNER_LINES ? 2 : 1, first = 0;

	above->count = 0;
	for (uint32_t i = 1; i <= parts; i++) {
		uint32_t end = group->count * i / parts;
		struct lpm_line line = lpm_tree_group_write(lpm, &group->line[first], &group->last[first], end - first);

		group_add(above, &line, group->last[end - 1]);
		first = end;
	}
}

static void
group_of_runs(const struct runs *runs, struct lpm_group *group)
{
	group->count = 0;
	for (uint32_t i = 0; i < runs->count; i += LPM_LEAF_RUNS) {
		uint32_t n = RTE_MIN(runs->count - i, (uint32_t)LPM_LEAF_RUNS);
		struct lpm_line line = lpm_tree_leaf(&runs->run[i], n);

		group_add(group, &line, runs->run[i + n - 1].last);
	}
}

/* Whether all is one run down there. */
static bool
uniform(const struct lpm *lpm, const struct lpm_line *line, uint32_t height, uint32_t *value)
{
	for (; line->words[0] == UINT32_MAX; height--, line = line_at(lpm, line->words[LPM_BASE]))
		if (height == 0) {
			*value = lpm_leaf_value(line, 0);
			return !(*value & LPM_LINK);
		}
	return false;
}

/* The lines below one that is uniform. */
static void
release_below(struct lpm *lpm, const struct lpm_line *line, uint32_t height)
{
	for (; height > 0; height--, line = line_at(lpm, line->words[LPM_BASE]))
		lpm_release(lpm, line->words[LPM_BASE], 1);
}

/* Neighbours that are the same value all over become one. */
static void
group_merge(struct lpm *lpm, struct lpm_group *group, uint32_t height)
{
	uint32_t count = 1, before, value;

	for (uint32_t i = 1; i < group->count; i++) {
		if (uniform(lpm, &group->line[count - 1], height, &before) &&
			uniform(lpm, &group->line[i], height, &value) && value == before)
			release_below(lpm, &group->line[--count], height);
		group->line[count] = group->line[i];
		group->last[count++] = group->last[i];
	}
	group->count = count;
}

/* ---- runs ---- */

static void
add_run(struct runs *runs, uint32_t last, uint32_t value)
{
	uint32_t n = runs->count;

	if (n > 0 && runs->run[n - 1].value == value && !(value & LPM_LINK))
		runs->run[n - 1].last = last;
	else
		runs->run[runs->count++] = (struct lpm_run){ last, value };
}

static struct part
part_at(const struct lpm_change *c, uint32_t depth)
{
	struct part p = { .change = c, .depth = depth };

	p.last = lpm_change_range(c, depth, LPM_TREE_BITS, &p.first) + p.first;
	return p;
}

static bool
ends_below(const struct part *p)
{
	return p->change->length > p->depth + LPM_TREE_BITS;
}

/* What stands for the change where there was one value: another one, or a link to a new tree. */
static uint32_t
sprout(const struct part *p, uint32_t value)
{
	struct lpm *lpm = p->change->lpm;
	struct part below = part_at(p->change, p->depth + LPM_TREE_BITS);
	struct lpm_line leaf = lpm_tree_leaf(&(struct lpm_run){ UINT32_MAX, value }, 1);

	if (!ends_below(p))
		return p->change->value;
	return change_tree(&below, lpm_link_make(lpm_tree_top_write(lpm, &leaf), 0), false);
}

/* Adds what the run from `first` on becomes; true if that is another. */
static bool
change_run(const struct part *p, uint32_t first, struct lpm_run run, struct runs *out)
{
	if (run.last < p->first || first > p->last) {
		add_run(out, run.last, run.value);
		return false;
	}
	if (run.value & LPM_LINK) {
		struct part below = part_at(p->change, p->depth + LPM_TREE_BITS);
		uint32_t link = change_tree(&below, run.value, false);

		add_run(out, run.last, link);
		return link != run.value;
	}
	if (!lpm_change_applies(p->change, run.value)) {
		add_run(out, run.last, run.value);
		return false;
	}
	if (first < p->first)
		add_run(out, p->first - 1, run.value);
	add_run(out, RTE_MIN(run.last, p->last), sprout(p, run.value));
	if (run.last > p->last)
		add_run(out, run.last, run.value);
	return true;
}

static bool
change_leaf(const struct part *p, const struct lpm_line *leaf, uint32_t first, uint32_t last, struct runs *out)
{
	uint32_t n = lpm_leaf_runs(leaf);
	bool changed = false;

	for (uint32_t i = 0; i < n; i++) {
		struct lpm_run run = { i < n - 1 ? leaf->words[i] : last, lpm_leaf_value(leaf, i) };

		changed |= change_run(p, first, run, out);
		first = run.last + 1;
	}
	return changed;
}

/* ---- lines ---- */

/*
 * Changes what is below the line at `place`, which stands for the windows from first to last. True if the line must be
 * replaced, by those in `out`.
 */
static bool
change_inner(
	const struct part *p, uint32_t place, uint32_t height, uint32_t first, uint32_t last, struct lpm_group *out)
{
	struct lpm *lpm = p->change->lpm;
	struct lpm_line line = *line_at(lpm, place);
	uint32_t base = line.words[LPM_BASE], n = lpm_inner_lines(&line);
	struct lpm_group group = { .count = 0 }, parts;
	struct runs runs = { .count = 0 };
	bool changed = false;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t end = i < n - 1 ? line.words[i] : last;

		if (height == 1) {
			struct lpm_line leaf = *line_at(lpm, base + i); /* the arena may move */

			changed |= change_leaf(p, &leaf, first, end, &runs);
		} else if (first <= p->last && end >= p->first &&
			   change_inner(p, base + i, height - 1, first, end, &parts)) {
			for (uint32_t k = 0; k < parts.count; k++)
				group_add(&group, &parts.line[k], parts.last[k]);
			changed = true;
		} else {
			group_add(&group, line_at(lpm, base + i), end);
		}
		first = end + 1;
	}
	if (!changed)
		return false;
	if (height == 1)
		group_of_runs(&runs, &group);
	else
		group_merge(lpm, &group, height - 1);
	group_above(lpm, &group, out);
	lpm_release(lpm, base, n);
	if (out->count > 1 || memcmp(out->line[0].words, line.words, LPM_BASE * sizeof(uint32_t)) != 0)
		return true;
	__atomic_store_n(&line_at(lpm, place)->words[LPM_BASE], out->line[0].words[LPM_BASE], __ATOMIC_RELEASE);
	return false;
}

/* ---- trees ---- */

/* The lines that take the top's place; false if it stays. */
static bool
change_top(const struct part *p, uint32_t top, uint32_t *height, struct lpm_group *out)
{
	struct lpm *lpm = p->change->lpm;
	struct runs runs = { .count = 0 };
	struct lpm_group leaves;
	struct lpm_line leaf;

	if (*height > 0)
		return change_inner(p, top, *height, 0, UINT32_MAX, out);
	leaf = *line_at(lpm, top);
	if (!change_leaf(p, &leaf, 0, UINT32_MAX, &runs))
		return false;
	group_of_runs(&runs, out);
	if (out->count > 1) {
		leaves = *out;
		group_above(lpm, &leaves, out);
		(*height)++;
	}
	return true;
}

/*
 * Gives the link to the changed tree, or the value that it has become. One at the root keeps its height: it has been
 * made sure that it can.
 */
static uint32_t
change_tree(const struct part *p, uint32_t link, bool at_root)
{
	struct lpm *lpm = p->change->lpm;
	uint32_t height = lpm_link_height(link), top = lpm_link_line(link), value;
	struct lpm_group out, below;

	if (!change_top(p, top, &height, &out))
		return link;
	lpm_release(lpm, top, 1);
	for (; out.count > 1; height++) {
		below = out;
		group_above(lpm, &below, &out);
	}
	if (uniform(lpm, &out.line[0], height, &value)) {
		release_below(lpm, &out.line[0], height);
		return value;
	}
	for (; !at_root && height > 0 && out.line[0].words[0] == UINT32_MAX; height--) {
		uint32_t only = out.line[0].words[LPM_BASE];

		out.line[0] = *line_at(lpm, only);
		lpm_release(lpm, only, 1);
	}
	return lpm_link_make(lpm_tree_top_write(lpm, &out.line[0]), height);
}

/* ---- the root ---- */

/* A tree for an entry that had one value. */
static uint32_t
plant(struct lpm *lpm, uint32_t value)
{
	struct lpm_line line = lpm_tree_leaf(&(struct lpm_run){ UINT32_MAX, value }, 1);
	uint32_t last = UINT32_MAX;

	for (uint32_t i = 0; i < lpm->view->height; i++)
		line = lpm_tree_group_write(lpm, &line, &last, 1);
	return lpm_tree_top_write(lpm, &line);
}

/* An update may add two lines below the top, or two runs to it. */
static bool
has_room(const struct lpm *lpm, uint32_t top)
{
	const struct lpm_line *line = line_at(lpm, top);

	return lpm->view->height > 0 ? lpm_inner_lines(line) <= LPM_INNER_LINES - 2
				     : lpm_leaf_runs(line) <= LPM_LEAF_RUNS - 2;
}

static void
change_entry(const struct lpm_change *c, uint32_t i)
{
	struct lpm *lpm = c->lpm;
	struct part p = part_at(c, lpm->view->root_bits);
	uint32_t top = lpm_tree_entry_line(lpm->view->root[i]), value = lpm_tree_entry_value(lpm->view->root[i]), link;
	bool planted = false;

	if (top == 0) {
		if (!lpm_change_applies(c, value))
			return;
		if (c->length <= p.depth) {
			__atomic_store_n(&lpm->view->root[i], lpm_tree_entry(0, c->value), __ATOMIC_RELEASE);
			return;
		}
		top = plant(lpm, value);
		planted = true;
	} else if (unlikely(!has_room(lpm, top))) {
		lpm_tree_pack(lpm, p.depth, lpm->view->height + 1);
		change_entry(c, i);
		return;
	}
	link = change_tree(&p, lpm_link_make(top, lpm->view->height), true);
	if (lpm_link_line(link) == top && link & LPM_LINK && !planted)
		return;
	__atomic_store_n(&lpm->view->root[i],
		link & LPM_LINK ? lpm_tree_entry(lpm_link_line(link), 0) : lpm_tree_entry(0, link), __ATOMIC_RELEASE);
}

void
lpm_tree_change(const struct lpm_change *c)
{
	uint32_t first, last = lpm_change_range(c, 0, c->lpm->view->root_bits, &first);

	last += first;
	for (uint32_t i = first; i <= last; i++)
		change_entry(c, i);
}
