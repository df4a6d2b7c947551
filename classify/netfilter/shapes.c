/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules by shape: those of a segment that ask for the same bits are hashed by what these are to be, if there are enough
 * of them; the others are loose.
 */
#include <stdlib.h>

#include "compile.h"

/* Rules of one shape from which on hashing is cheaper than asking them one by one. */
#define SHAPE_MIN 6

static int
compare_shape(const void *a, const void *b, void *arg)
{
	const struct compiling *c = arg;
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
	int by_mask = memcmp(&c->masks[left], &c->masks[right], sizeof(struct key));
	int by_value = by_mask != 0 ? by_mask : memcmp(&c->values[left], &c->values[right], sizeof(struct key));

	return by_value != 0 ? by_value : (left > right) - (left < right);
}

/* Rules of one shape: `n` in c->order from `at` on, by value and then by index. */
struct shape {
	uint32_t at, n;
};

static int
compare_size(const void *a, const void *b)
{
	const struct shape *left = a, *right = b;

	return left->n != right->n ? (left->n < right->n ? 1 : -1) : (left->at > right->at) - (left->at < right->at);
}

static void
put_slot(struct slot *slots, uint32_t mask, uint32_t hash, uint32_t at)
{
	uint32_t i = hash & mask;

	while (slots[i].at != SLOT_FREE)
		i = (i + 1) & mask;
	slots[i] = (struct slot){ hash, at };
}

/* How many of the rules, from the first on, ask for the same values. */
static uint32_t
same_values(const struct compiling *c, const uint32_t *rules, uint32_t n)
{
	uint32_t same = 1;

	while (same < n && memcmp(&c->values[rules[0]], &c->values[rules[same]], sizeof(struct key)) == 0)
		same++;
	return same;
}

/* Rules that have all their bits in common: their list. */
static int
add_slot_rules(struct compiling *c, const uint32_t *rules, uint32_t n)
{
	enum axis axis = split_axis(c, rules, n);
	bool split = false;
	int rc = 0;

	if (axis != AXIS_NONE)
		rc = split_rules(c, rules, n, axis, &split);
	if (rc != 0 || split)
		return rc;
	rc = add_list(c, n);
	for (uint32_t i = 0; rc == 0 && i < n; i++)
		rc = add_list(c, rules[i]);
	return rc == 0 ? add_list(c, RULE_NONE) : rc;
}

static int
add_shape(struct compiling *c, const struct shape *shape)
{
	const uint32_t *rules = c->order + shape->at;
	uint32_t count = 4, lowest = RULE_NONE, highest = 0, shift;
	struct probe *probe = grow(&c->probes, 1);
	struct slot *slots;
	uint64_t *filter;
	int rc = 0;

	while (count < 2 * shape->n)
		count *= 2;
	slots = grow(&c->slots, count);
	filter = grow(&c->filters, count * FILTER_BITS_A_SLOT / 64);
	if (probe == NULL || slots == NULL || filter == NULL)
		return no_memory(c);
	memset(slots, 0xff, count * sizeof(*slots));
	shift = 32 - rte_log2_u32(count * FILTER_BITS_A_SLOT);
	for (uint32_t i = 0, n; rc == 0 && i < shape->n; i += n) {
		const struct key *value = &c->values[rules[i]];
		const struct rule *rule = &c->t->rules[rules[i]];
		uint32_t at = c->lists.n, hash;
		uint64_t masked[KEY_WORDS];

		n = same_values(c, rules + i, shape->n - i);
		hash = key_hash(value, &c->t->compares[rule->compares.at], rule->compares.n, masked);
		for (uint32_t k = 0; rc == 0 && k < 2 * rule->compares.n; k++)
			rc = add_list(c, (uint32_t)(masked[k / 2] >> 32 * (k % 2)));
		if (rc == 0)
			rc = add_slot_rules(c, rules + i, n);
		put_slot(slots, count - 1, hash, at);
		filter[hash >> shift >> 6] |= UINT64_C(1) << (hash >> shift & 63);
		lowest = RTE_MIN(lowest, rules[i]);
		highest = RTE_MAX(highest, rules[i + n - 1]);
	}
	*probe = (struct probe){ .masks = c->t->rules[rules[0]].compares,
		.lowest = lowest,
		.highest = highest,
		.slot_mask = count - 1,
		.slots = c->slots.n - count,
		.filter = c->filters.n - count * FILTER_BITS_A_SLOT / 64,
		.filter_shift = shift };
	return rc;
}

static int
compare_index(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

/* What is in no probe, ascending. */
static int
add_loose(struct compiling *c, struct segment *segment, uint32_t *loose, uint32_t n)
{
	int rc = 0;

	qsort(loose, n, sizeof(*loose), compare_index);
	segment->loose = (struct list){ c->lists.n, n };
	for (uint32_t i = 0; rc == 0 && i < n; i++)
		rc = add_list(c, loose[i]);
	return rc == 0 ? add_list(c, RULE_NONE) : rc;
}

/* Shapes of the segment's rules, which are sorted by them: the largest first. NULL: memory is out. */
static struct shape *
find_shapes(const struct compiling *c, uint32_t n, uint32_t *n_shapes)
{
	struct shape *shapes = calloc(n, sizeof(*shapes));
	uint32_t count = 0;

	for (uint32_t i = 0; shapes != NULL && i < n; i++) {
		if (i == 0 || memcmp(&c->masks[c->order[i - 1]], &c->masks[c->order[i]], sizeof(struct key)) != 0)
			shapes[count++].at = i;
		shapes[count - 1].n++;
	}
	if (shapes != NULL)
		qsort(shapes, count, sizeof(*shapes), compare_size);
	*n_shapes = count;
	return shapes;
}

static int
add_segment(struct compiling *c, uint32_t first, uint32_t end)
{
	static const struct key nothing;
	struct segment *segment = grow(&c->segments, 1), made = { .first = first, .end = end, .probes = c->probes.n };
	uint32_t n = end - first, n_shapes, n_loose = 0, at = c->segments.n - 1;
	struct shape *shapes;
	uint32_t *loose;
	int rc = 0;

	if (segment == NULL)
		return no_memory(c);
	for (uint32_t i = 0; i < n; i++) {
		c->order[i] = first + i;
		c->t->rules[first + i].segment = at;
	}
	qsort_r(c->order, n, sizeof(*c->order), compare_shape, c);
	shapes = find_shapes(c, n, &n_shapes);
	loose = calloc(n, sizeof(*loose));
	if (shapes == NULL || loose == NULL)
		rc = no_memory(c);
	for (uint32_t i = 0; rc == 0 && i < n_shapes; i++) {
		const uint32_t *rules = c->order + shapes[i].at;
		bool bare = memcmp(&c->masks[rules[0]], &nothing, sizeof(nothing)) == 0;

		/* Rules without any bits may still have ranges. */
		if ((!bare || split_axis(c, rules, shapes[i].n) != AXIS_NONE) && shapes[i].n >= SHAPE_MIN &&
			made.n_probes < PROBES_MAX) {
			rc = add_shape(c, &shapes[i]);
			made.n_probes++;
		} else {
			memcpy(loose + n_loose, c->order + shapes[i].at, shapes[i].n * sizeof(*loose));
			n_loose += shapes[i].n;
		}
	}
	if (rc == 0 && made.n_probes != 0)
		rc = add_loose(c, &made, loose, n_loose);
	free(loose);
	free(shapes);
	c->t->segments[at] = made;
	return rc;
}

int
add_segments(struct compiling *c)
{
	const struct netfilter_table_spec *spec = c->spec;
	bool *starts = calloc(spec->n_rules + 1, sizeof(*starts));
	uint32_t first = 0;
	int rc = starts != NULL ? 0 : no_memory(c);

	for (uint32_t i = 0; rc == 0 && i < spec->n_rules; i++)
		if (c->hooks[i] != 0 && (spec->rules[i].target.verdict == NETFILTER_JUMP ||
						spec->rules[i].target.verdict == NETFILTER_GOTO))
			starts[spec->rules[i].target.rule] = true;
	for (unsigned int hook = 0; rc == 0 && hook < NETFILTER_HOOKS; hook++)
		if (c->t->hooks[hook].present)
			starts[spec->first[hook]] = true;
	for (uint32_t i = 1; rc == 0 && i <= spec->n_rules; i++)
		if (i == spec->n_rules || starts[i]) {
			rc = add_segment(c, first, i);
			first = i;
		}
	free(starts);
	return rc;
}
