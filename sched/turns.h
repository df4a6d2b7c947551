/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rings of those who take turns. Who may be in a ring has a place, a number from 1 on, in an array of links: many
 * neighbours of a ring share a cache line, and where there are no links no memory is touched.
 */
#ifndef WEIR_SCHED_TURNS_H
#define WEIR_SCHED_TURNS_H

#include <stdbool.h>
#include <stdint.h>

struct turn {
	uint32_t next, previous; /* places; 0: in no ring */
};

/* A circle that a round starts behind `last`. */
struct turn_ring {
	uint32_t current; /* whose turn it is; 0: nobody is there */
	uint32_t last; /* with its turn the round ends */
};

/* Who comes is the last of the round. */
static inline void
turn_ring_add(struct turn *turns, struct turn_ring *ring, uint32_t place)
{
	uint32_t last = ring->last;

	if (last == 0) {
		turns[place] = (struct turn){ .next = place, .previous = place };
		ring->current = place;
	} else {
		uint32_t first = turns[last].next;

		turns[place] = (struct turn){ .next = first, .previous = last };
		turns[first].previous = place;
		turns[last].next = place;
	}
	ring->last = place;
}

static inline void
turn_ring_remove(struct turn *turns, struct turn_ring *ring, uint32_t place)
{
	struct turn links = turns[place];

	if (links.next == place) {
		*ring = (struct turn_ring){ 0 };
	} else {
		if (ring->current == place)
			ring->current = links.next;
		if (ring->last == place)
			ring->last = links.previous;
		turns[links.next].previous = links.previous;
		turns[links.previous].next = links.next;
	}
	turns[place] = (struct turn){ 0 };
}

/* The turn is over; true: the round, too. */
static inline bool
turn_ring_pass(const struct turn *turns, struct turn_ring *ring)
{
	bool ended = ring->current == ring->last;

	ring->current = turns[ring->current].next;
	return ended;
}

#endif
