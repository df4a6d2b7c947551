/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The full routes of one table, in order: sorted chunks of at most 128 entries under a sorted directory. 32 bytes a
 * route, no
 * pointers between routes; what routes have in common is in struct info. Control thread only.
 */
#ifndef WEIR_RIB_STORE_H
#define WEIR_RIB_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lpm.h"

/* Ordered by address, length, then descending tos and ascending priority: the order in which alternatives are tried. */
struct entry {
	struct lpm_key key;
	uint32_t priority;
	uint32_t info;
	uint8_t length;
	uint8_t tos;
};

struct store_chunk {
	uint32_t count, room;
	struct entry entries[];
};

struct store {
	struct store_slot *slots;
	uint32_t count, room; /* of slots */
	uint64_t entries;
};

struct store_at {
	uint32_t slot, index;
};

void store_free(struct store *store);
/* The first entry that is not before (key, length). */
struct store_at store_lower(const struct store *store, struct lpm_key key, uint8_t length);
/* NULL at the end. */
struct entry *store_get(const struct store *store, struct store_at at);
struct store_at store_next(const struct store *store, struct store_at at);
/* False at the front. */
bool store_prev(const struct store *store, struct store_at *at);
void store_insert(struct store *store, struct store_at at, const struct entry *entry);
/* Gives the place of the entry behind it. */
struct store_at store_erase(struct store *store, struct store_at at);
size_t store_bytes(const struct store *store);

static inline struct lpm_key
key_mask(struct lpm_key key, uint8_t length)
{
	return (struct lpm_key){
		.hi = length >= 64  ? key.hi
		      : length == 0 ? 0
				    : key.hi & ~(UINT64_MAX >> length),
		.lo = length >= 128  ? key.lo
		      : length <= 64 ? 0
				     : key.lo & ~(UINT64_MAX >> (length - 64)),
	};
}

/* How many leading bits two addresses share. */
static inline uint8_t
key_common(struct lpm_key a, struct lpm_key b)
{
	if (a.hi != b.hi)
		return (uint8_t)__builtin_clzll(a.hi ^ b.hi);
	return a.lo != b.lo ? (uint8_t)(64 + __builtin_clzll(a.lo ^ b.lo)) : 128;
}

static inline int
key_compare(struct lpm_key a, struct lpm_key b)
{
	if (a.hi != b.hi)
		return a.hi < b.hi ? -1 : 1;
	return a.lo == b.lo ? 0 : a.lo < b.lo ? -1 : 1;
}

static inline bool
entry_is(const struct entry *e, struct lpm_key key, uint8_t length)
{
	return e != NULL && e->length == length && key_compare(e->key, key) == 0;
}

#endif
