/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules that ask for the same bits, and for ranges of one number beside: the ranges' ends cut the number line into
 * intervals, and each interval has the list of the rules that may match there, in order. A packet's interval is found
 * by halving.
 */
#include <stdlib.h>

#include "compile.h"

#define SPLIT_MIN    12 /* rules with ranges from which on halving is cheaper than asking them one by one */
#define SPLIT_GROWTH 32 /* entries a rule, over all intervals, that are worth it */

enum axis
split_axis(const struct compiling *c, const uint32_t *rules, uint32_t n)
{
	uint32_t counts[AXES] = { 0 };
	enum axis best = AXIS_NONE;

	for (uint32_t i = 0; i < n; i++)
		counts[c->rule_ranges[rules[i]].axis]++;
	counts[AXIS_NONE] = SPLIT_MIN - 1;
	for (unsigned int axis = 0; axis < AXES; axis++)
		if (counts[axis] > counts[best])
			best = (enum axis)axis;
	return best;
}

static int
compare_bounds(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

struct split {
	enum axis axis;
	uint32_t *bounds; /* [n]: where intervals begin, from 0 on */
	uint32_t n;
	uint32_t *counts; /* [n]: entries of their lists */
};

/* The first interval that a number may be in: the last one whose start is not above it. */
static uint32_t
interval_of(const struct split *s, uint32_t number)
{
	uint32_t low = 0, high = s->n;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (s->bounds[middle] <= number)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static void
find_bounds(const struct compiling *c, const uint32_t *rules, uint32_t n, struct split *s)
{
	uint32_t count = 0, kept = 0;

	s->bounds[count++] = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct rule_ranges *r = &c->rule_ranges[rules[i]];

		for (uint32_t k = 0; r->axis == s->axis && k < r->list.n; k++) {
			const struct range *range = &c->range_array[r->list.at + k];

			s->bounds[count++] = range->min;
			if (range->max != UINT32_MAX)
				s->bounds[count++] = range->max + 1;
		}
	}
	qsort(s->bounds, count, sizeof(*s->bounds), compare_bounds);
	for (uint32_t i = 0; i < count; i++)
		if (kept == 0 || s->bounds[i] != s->bounds[kept - 1])
			s->bounds[kept++] = s->bounds[i];
	s->n = kept;
}

/* Tells `visit` of each interval that a rule may match in; of one twice if the rule names it twice. */
static void
walk_intervals(const struct compiling *c, const struct split *s, uint32_t rule,
	void (*visit)(void *arg, uint32_t interval, uint32_t rule), void *arg)
{
	const struct rule_ranges *r = &c->rule_ranges[rule];

	if (r->axis != s->axis) {
		for (uint32_t i = 0; i < s->n; i++)
			visit(arg, i, rule);
		return;
	}
	for (uint32_t k = 0; k < r->list.n; k++) {
		const struct range *range = &c->range_array[r->list.at + k];

		for (uint32_t i = interval_of(s, range->min); i < s->n && s->bounds[i] <= range->max; i++)
			visit(arg, i, rule);
	}
}

static void
count_entry(void *arg, uint32_t interval, uint32_t rule)
{
	((uint32_t *)arg)[interval]++;
}

/* Rules come in order: a rule that is named twice is the list's last. */
struct filling {
	uint32_t **lists; /* [n], each a count and then rules */
};

static void
add_entry(void *arg, uint32_t interval, uint32_t rule)
{
	uint32_t *list = ((const struct filling *)arg)->lists[interval];

	if (list[0] != 0 && list[list[0]] == rule)
		return;
	list[++list[0]] = rule;
}

/* Is it worth it? Counts the entries of all lists. */
static bool
count_entries(const struct compiling *c, const uint32_t *rules, uint32_t n, struct split *s)
{
	uint64_t most = (uint64_t)SPLIT_GROWTH * n, total = 0;

	for (uint32_t i = 0; i < n; i++) {
		/* Before the work is done: a rule without ranges is in all. */
		if (c->rule_ranges[rules[i]].axis != s->axis && (total += s->n) > most)
			return false;
	}
	total = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct rule_ranges *r = &c->rule_ranges[rules[i]];

		for (uint32_t k = 0; r->axis == s->axis && k < r->list.n; k++) {
			const struct range *range = &c->range_array[r->list.at + k];

			total += interval_of(s, range->max) - interval_of(s, range->min) + 1;
		}
		if (total > most)
			return false;
		walk_intervals(c, s, rules[i], count_entry, s->counts);
	}
	return true;
}

static int
add_split(struct compiling *c, const uint32_t *rules, uint32_t n, const struct split *s)
{
	uint32_t header = 2 + 2 * s->n, size = header, at = c->lists.n, *words;
	struct filling filling = { calloc(s->n, sizeof(uint32_t *)) };

	for (uint32_t i = 0; i < s->n; i++)
		size += s->counts[i] + 2;
	words = grow(&c->lists, size);
	if (filling.lists == NULL || words == NULL) {
		free(filling.lists);
		return no_memory(c);
	}
	words[0] = LIST_SPLIT | s->n;
	words[1] = (uint32_t)s->axis;
	memcpy(words + 2, s->bounds, s->n * sizeof(*words));
	for (uint32_t i = 0, next = header; i < s->n; next += s->counts[i] + 2, i++) {
		words[2 + s->n + i] = at + next;
		filling.lists[i] = words + next;
	}
	for (uint32_t i = 0; i < n; i++)
		walk_intervals(c, s, rules[i], add_entry, &filling);
	for (uint32_t i = 0; i < s->n; i++)
		filling.lists[i][filling.lists[i][0] + 1] = RULE_NONE;
	free(filling.lists);
	return 0;
}

int
split_rules(struct compiling *c, const uint32_t *rules, uint32_t n, enum axis axis, bool *done)
{
	struct split s = { .axis = axis };
	uint32_t n_ranges = 0;
	int rc = 0;

	for (uint32_t i = 0; i < n; i++)
		n_ranges += c->rule_ranges[rules[i]].list.n;
	s.bounds = calloc(2 * n_ranges + 1, sizeof(*s.bounds));
	s.counts = calloc(2 * n_ranges + 1, sizeof(*s.counts));
	if (s.bounds == NULL || s.counts == NULL) {
		rc = no_memory(c);
	} else {
		find_bounds(c, rules, n, &s);
		*done = count_entries(c, rules, n, &s);
		if (*done)
			rc = add_split(c, rules, n, &s);
	}
	free(s.bounds);
	free(s.counts);
	return rc;
}
