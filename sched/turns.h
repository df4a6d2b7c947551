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

/*
 * Who comes stands behind all others: in this round if nobody has had his turn in it, else in the next. So who stays is
 * not passed over by those who leave with each packet and come again.
 */
static inline void
turn_ring_add(struct turn *turns, struct turn_ring *ring, uint32_t place)
{
	uint32_t current = ring->current, behind = turns[current].previous;

	if (current == 0) {
		turns[place] = (struct turn){ .next = place, .previous = place };
		*ring = (struct turn_ring){ .current = place, .last = place };
		return;
	}
	turns[place] = (struct turn){ .next = current, .previous = behind };
	turns[current].previous = place;
	turns[behind].next = place;
	if (behind == ring->last)
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

/*
 * Turns by deficit (Shreedhar and Varghese 1995), as long as a weight says; deficits are bytes times 2^16. Where all
 * who are there have little weight, all turns are made longer by the same power of two, so that no round is without a
 * packet.
 */
struct turn_scale {
	uint32_t passed; /* turns since somebody could send */
	uint8_t boost; /* the power */
};

#define TURN_MAX      (INT64_C(1) << 48) /* 4 gigabytes */
#define TURN_KILOBYTE 58 /* 2^58: 2^10 bytes times 2^48 */

/* quantum: bytes of a turn times 2^48; less than that is taken for as much, so that it can be made longer. */
static inline int64_t
turn_length(const struct turn_scale *scale, unsigned __int128 quantum)
{
	quantum |= quantum == 0;
	unsigned __int128 turn = scale->boost <= 32 ? quantum >> (32 - scale->boost) : quantum << (scale->boost - 32);

	return turn > TURN_MAX ? TURN_MAX : turn == 0 ? 1 : (int64_t)turn;
}

/* Somebody comes with turns of that length: they need not be made longer than a kilobyte for him. */
static inline void
turn_scale_comes(struct turn_scale *scale, unsigned __int128 quantum)
{
	uint64_t high = (uint64_t)(quantum >> 64), low = (uint64_t)quantum | 1;
	int bits = high != 0 ? 127 - __builtin_clzll(high) : 63 - __builtin_clzll(low);
	int needed = bits > TURN_KILOBYTE ? 0 : TURN_KILOBYTE - bits;

	if (needed < scale->boost)
		scale->boost = (uint8_t)needed;
}

/* One of `busy` has had a turn, and sent something or not. */
static inline void
turn_scale_used(struct turn_scale *scale, uint32_t busy, bool sent)
{
	if (sent) {
		scale->passed = 0;
	} else if (++scale->passed > busy && scale->boost < TURN_KILOBYTE) {
		scale->passed = 0;
		scale->boost++;
	}
}

#endif
