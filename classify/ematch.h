/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Extended matches as workers ask them: a program of tests, each of which says where to go on if it is true and where
 * if it is not. Parentheses, `and`, `or` and `not` are all in these two, so that they cost nothing.
 */
#ifndef WEIR_CLASSIFY_EMATCH_H
#define WEIR_CLASSIFY_EMATCH_H

#include <weir/filter/ematch.h>

#include "internal.h"

/* A number in the packet, or one that is known of it. */
struct ematch_field {
	uint8_t bytes; /* 1, 2, 4 of the packet, big-endian; 0: meta */
	uint8_t layer; /* TCF_LAYER_* */
	bool swap; /* little-endian */
	uint8_t shift; /* meta */
	uint16_t meta; /* TCF_META_ID_* */
	uint16_t unused;
	int32_t offset; /* from the layer's start */
	uint32_t mask;
};

enum ematch_test { EMATCH_EQUAL, EMATCH_GREATER, EMATCH_LESS, EMATCH_BYTES };

struct ematch_step {
	struct ematch_field field;
	uint8_t test;
	bool against_field; /* `right`, not `value` */
	uint16_t n; /* BYTES */
	uint16_t next[2]; /* step to go on with if it is [0] false, [1] true; or one of the two below */
	union {
		uint32_t value;
		const uint8_t *bytes;
		struct ematch_field right;
	};
};

enum { EMATCH_NO = 0xfffe, EMATCH_YES = 0xffff };

/* Tests for equality that all must be true, whatever else a program asks: by what they compare, filters are hashed. */
#define EMATCH_FIELDS_MAX 4

struct ematch_program {
	uint32_t n_steps;
	uint64_t random; /* xorshift64*; workers share it */
	bool pure; /* says the same each time it is asked */
	uint32_t n_fields;
	struct ematch_field fields[EMATCH_FIELDS_MAX]; /* padding is 0 */
	uint32_t values[EMATCH_FIELDS_MAX];
	/* control's: as it was given */
	uint32_t n_matches;
	struct ematch *matches;
	struct ematch_step steps[];
};

/* n may be 0: a program that every packet matches. What is pointed to is copied. */
int ematch_compile(const struct ematch *matches, unsigned int n, struct ematch_program **program, struct error *err);
void ematch_free(void *program); /* for rcu_defer, too */

/* False: the packet has none, or ends before it. */
bool ematch_read(const struct ematch_field *field, const struct classify_ctx *ctx, struct rte_mbuf *m,
	struct ematch_program *program, uint32_t *value);
bool ematch_run(struct ematch_program *program, const struct classify_ctx *ctx, struct rte_mbuf *m);

#endif
