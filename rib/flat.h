/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A table of few IPv4 routes, flat: the address space cut into intervals of one answer each, found by a binary search without branches. Ten
 * routes make at most 21 intervals, in four cache lines; a lookup takes five compares where a trie would take five levels.
 *
 *     first address   0.0.0.0   10.0.0.0   10.1.0.0   10.2.0.0   11.0.0.0   (pad) ...
 *     value           default   10/8       10.1/16    10/8       default    default
 */
#ifndef WEIR_RIB_FLAT_H
#define WEIR_RIB_FLAT_H

#include "store.h"

/* A table with more routes has none. */
#define FLAT_ROUTES_MAX 127

/* Immutable. */
struct flat {
	uint32_t
		size; /* of each array, a power of two; in the place of the first interval's address, which is 0 and never compared */
	uint32_t rest[]; /* the other intervals' first addresses, ascending; then all values, as in lpm.h */
};

/* Of the table's routes without a tos; the caller frees it. NULL: more than FLAT_ROUTES_MAX, or none. */
struct flat *flat_create(const struct store *store);

static inline uint32_t
flat_find(const struct flat *flat, uint32_t addr)
{
	const uint32_t *at = &flat->size;

	for (uint32_t half = flat->size / 2; half > 0; half /= 2)
		at += at[half] <= addr ? half : 0;
	return at[flat->size];
}

#endif
