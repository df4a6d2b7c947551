/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A table of few IPv4 routes, flat: the address space cut into intervals of one answer each, found by a binary search
 * without branches. Ten routes make at most 21 intervals, in four cache lines; a lookup takes five compares where a
 * trie would take five levels.
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
	/*
	 * Of each array, a power of two. It is in the place of the first interval's address, which is 0 and never
	 * compared.
	 */
	uint32_t size;
	uint32_t rest[]; /* the other intervals' first addresses, ascending; then all values, as in lpm.h */
};

/*
 * Where flats are: side by side by their sizes, because a thousand of them on a page each would cost more in TLB misses
 * than in compares. The writer's.
 */
#define FLAT_SIZES 5 /* 16, 32 ... 256 intervals */

struct flat_pool {
	struct flat_block *blocks;
	struct flat_free {
		struct flat_free *next;
	} * free[FLAT_SIZES];
};

/* Of the table's routes without a tos. NULL: more than FLAT_ROUTES_MAX, or none. */
struct flat *flat_create(struct flat_pool *pool, const struct store *store);
void flat_free(void *flat); /* back to its pool */
void flat_pool_destroy(struct flat_pool *pool);

/*
 * values[i] is that of addrs[i], in host order, in the one table; or in its own, where flats[i] is not NULL. Any thread
 * under RCU. flat_find_all gives all values, or-ed together: 0 if the table has nothing for anybody.
 */
uint32_t flat_find_all(const struct flat *flat, const uint32_t *addrs, uint16_t n, uint32_t *values);
void flat_find_each(const struct flat *const *flats, const uint32_t *addrs, uint16_t n, uint32_t *values);

/* For tests: the readers that this processor can use, NULL at the end. The functions above use the last. */
struct flat_reader {
	const char *name;
	uint32_t (*find_all)(const struct flat *flat, const uint32_t *addrs, uint16_t n, uint32_t *values);
	void (*find_each)(const struct flat *const *flats, const uint32_t *addrs, uint16_t n, uint32_t *values);
};

const struct flat_reader *flat_reader(unsigned int i);

#endif
