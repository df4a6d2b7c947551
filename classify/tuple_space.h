/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tuple space search (Srinivasan, Suri, Varghese: Packet Classification using Tuple Space Search, SIGCOMM 1999):
 * filters that ask for the same fields of a packet, under the same masks, are of one shape, and one probe of a hash
 * table of the fields' values finds those of a shape that match. What a shape's fields are is its classifier's.
 *
 * Workers read all of it while the control thread changes it, as in key_table.h.
 */
#ifndef WEIR_CLASSIFY_TUPLE_SPACE_H
#define WEIR_CLASSIFY_TUPLE_SPACE_H

#include <rte_prefetch.h>

#include "key_table.h"

/* What a filter begins with. Several may have one key: they are in a chain, the least rank first. */
struct tuple {
	struct keyed keyed; /* by the values of the shape's fields, or a hash of them */
	struct tuple *next; /* of the same key */
	uint64_t rank;
};

/* What a shape begins with. */
struct tuple_shape {
	struct key_table tuples;
	uint64_t least_rank; /* of a filter that is or was in it */
	uint32_t n; /* filters; control's */
};

struct tuple_shapes {
	uint32_t n;
	struct tuple_shape *shapes[];
};

struct tuple_space {
	struct tuple_shapes *shapes; /* published; NULL: none. In the order in which they were added */
};

/* Adds an empty shape, in memory that free() takes: -ENOMEM. */
int tuple_space_add(struct rcu *rcu, struct tuple_space *space, struct tuple_shape *shape);
/* If no filter is in it any more; without memory it stays, and finds nothing. */
void tuple_space_drop_if_empty(struct rcu *rcu, struct tuple_space *space, struct tuple_shape *shape);
/* The shapes go; filters are the caller's. */
void tuple_space_destroy(struct rcu *rcu, struct tuple_space *space);

/* Before those of its key and rank. -ENOMEM. */
int tuple_put(struct rcu *rcu, struct tuple_shape *shape, struct tuple *tuple);
/* It is the caller's to free. -ENOMEM: it is still there. */
int tuple_remove(struct rcu *rcu, struct tuple_shape *shape, struct tuple *tuple);

static inline struct tuple *
tuple_next(const struct tuple *tuple)
{
	return load_acquire(&tuple->next);
}

static inline struct tuple *
tuple_find(const struct tuple_shape *shape, uint64_t key)
{
	return key_table_find(&shape->tuples, key);
}

/*
 * A burst's keys looked up together: first all slots are fetched, then what is in them, then they are compared.
 * found[i] is the first filter with the key, NULL: none.
 */
static inline void
tuple_find_burst(const struct tuple_shape *shape, const uint64_t *keys, unsigned int n, struct tuple **found)
{
	const struct key_slots *slots = load_acquire(&shape->tuples.slots);

	if (slots == NULL) {
		for (unsigned int i = 0; i < n; i++)
			found[i] = NULL;
		return;
	}
	for (unsigned int i = 0; i < n; i++)
		rte_prefetch0(&slots->slots[key_first_slot(slots, keys[i])]);
	for (unsigned int i = 0; i < n; i++)
		rte_prefetch0(load_relaxed(&slots->slots[key_first_slot(slots, keys[i])]));
	for (unsigned int i = 0; i < n; i++)
		found[i] = (struct tuple *)load_acquire(&slots->slots[key_slot(slots, keys[i])]);
}

#endif
