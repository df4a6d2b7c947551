/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Filters by a key of 64 bits: a hash table with open addressing that workers read while the control thread changes it.
 * A slot, once a filter is in it, holds NULL never again, so that filters may be added and replaced in place; what
 * cannot be done so makes a new table, and the old one goes by rcu_defer.
 */
#ifndef WEIR_CLASSIFY_KEY_TABLE_H
#define WEIR_CLASSIFY_KEY_TABLE_H

#include "hash.h"
#include "internal.h"

/* What a filter begins with. */
struct keyed {
	uint64_t key;
};

struct key_slots {
	uint32_t mask; /* slots less one, slots being a power of two and twice the filters at least */
	struct keyed *slots[];
};

struct key_table {
	struct key_slots *slots; /* published; NULL: empty */
	uint32_t n; /* control's */
};

/* Where a key is to be looked for first. */
static inline uint32_t
key_first_slot(const struct key_slots *slots, uint64_t key)
{
	return (uint32_t)((key * HASH_GOLDEN_RATIO) >> 32) & slots->mask;
}

/* The slot of a key: with its filter, or the free one where it would be. */
static inline uint32_t
key_slot(const struct key_slots *slots, uint64_t key)
{
	uint32_t slot = key_first_slot(slots, key);
	const struct keyed *filter;

	while ((filter = load_acquire(&slots->slots[slot])) != NULL && filter->key != key)
		slot = (slot + 1) & slots->mask;
	return slot;
}

/* NULL: none. */
static inline void *
key_table_find(const struct key_table *table, uint64_t key)
{
	const struct key_slots *slots = load_acquire(&table->slots);

	return slots == NULL ? NULL : load_acquire(&slots->slots[key_slot(slots, key)]);
}

/* Adds a filter, or puts it in the place of the one with its key, which is the caller's to free. -ENOMEM. */
int key_table_put(struct rcu *rcu, struct key_table *table, struct keyed *filter);
/* The filter is the caller's to free. -ENOMEM: it is still there. */
int key_table_remove(struct rcu *rcu, struct key_table *table, const struct keyed *filter);
/* All filters by ascending key, in memory that the caller frees; NULL: memory is out, or there is none. */
struct keyed **key_table_sorted(const struct key_table *table);
/* Its group goes: `gone` is told of each filter. Who still reads finds all as it was. */
void
key_table_destroy(struct rcu *rcu, struct key_table *table, void (*gone)(void *arg, struct keyed *filter), void *arg);

#endif
