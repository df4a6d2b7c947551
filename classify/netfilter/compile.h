/* SPDX-License-Identifier: BSD-3-Clause */
/* What a table is while it is compiled. */
#ifndef WEIR_CLASSIFY_NETFILTER_COMPILE_H
#define WEIR_CLASSIFY_NETFILTER_COMPILE_H

#include "netfilter.h"

/* An array of the table's while it grows. */
struct growing {
	void *array; /* where the pointer to it is */
	size_t element;
	uint32_t n, size;
};

/* What a rule's first match with ranges asks for: `list` of c->range_array. */
struct rule_ranges {
	enum axis axis;
	struct list list;
};

struct compiling {
	const struct netfilter_table_spec *spec;
	struct table *t;
	struct netfilter *nf;
	struct growing compares, calls, segments, probes, slots, filters, lists, privs, sharers;
	uint32_t *hooks; /* [n_rules]: from which packets come */
	struct key *masks; /* [n_rules] */
	struct key *values;
	struct rule_ranges *rule_ranges; /* [n_rules] */
	struct range *range_array;
	struct growing ranges;
	uint32_t *order; /* [n_rules]: room to sort a segment's rules */
	struct error *err;
};

/* Room for n more elements, zeroed; NULL: memory is out. */
void *grow(struct growing *g, uint32_t n);
int no_memory(struct compiling *c);
int add_list(struct compiling *c, uint32_t value);

/* shapes.c: segments, which start where hooks and jumps lead to, once the rules are there. */
int add_segments(struct compiling *c);

/*
 * split.c: rules that have the same bits, told apart by ranges of a number. The axis by which it pays; AXIS_NONE: by
 * none.
 */
enum axis split_axis(const struct compiling *c, const uint32_t *rules, uint32_t n);
/*
 * Adds the lists of n rules, ascending, split by an axis; *done is false where they overlap so much that it would not
 * pay.
 */
int split_rules(struct compiling *c, const uint32_t *rules, uint32_t n, enum axis axis, bool *done);

#endif
