/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A timer wheel: who waits until when, to the nanosecond.
 *
 * Hierarchical timing wheels (Varghese and Lauck 1987), with what waits kept as {time, who} in arrays instead of lists
 * through its owners
 * (as in Carousel, Saeed et al. 2017), so that an owner is not touched before it is due, and many can be fetched ahead
 * at once.
 *
 *   level 0: 1024 slots of 1.024 us      [ | |#| | |#|#| ... ]   a bit each, found by counting zeros
 *                                             |
 *                                             +-> chunk {time, who} x 15 -> chunk ...
 *   level 1: 64 slots of 1.05 ms, level 2: 64 of 67 ms, and so on up to 64 bits of nanoseconds
 *
 * A slot may hold times that are not due yet while others in it are: times are compared, so a slot's width costs no
 * accuracy. What waits beyond a level's reach stands in the next one and moves down when the clock comes to its slot.
 * Within a slot of level 0 there is no order.
 *
 * Chunks come from whoever owns the wheel, before he needs them: nothing is allocated here.
 */
#ifndef WEIR_SCHED_WHEEL_H
#define WEIR_SCHED_WHEEL_H

#include <stddef.h>
#include <stdint.h>

#define WHEEL_LEVELS        9
#define WHEEL_SHIFT         10 /* a slot of level 0 is 2^10 ns wide, */
#define WHEEL_NEAR          1024 /* and there are so many of them */
#define WHEEL_SHIFT_1       20 /* likewise of level 1 */
#define WHEEL_SLOTS_1       64
#define WHEEL_SLOTS         1536 /* of all levels */
#define WHEEL_CHUNK_ENTRIES 15

struct wheel_entry {
	uint64_t time_ns;
	uintptr_t who; /* for its owner to know */
};

struct wheel_chunk {
	struct wheel_chunk *next;
	uint32_t count;
	struct wheel_entry entries[WHEEL_CHUNK_ENTRIES];
};

struct wheel {
	uint64_t clock;
	uint32_t busy_levels; /* a bit for each with a busy slot */
	uint64_t busy[WHEEL_SLOTS / 64]; /* a bit for each slot with entries */
	struct wheel_chunk
		*slots[WHEEL_SLOTS]; /* only the first chunk of a slot may have room left, but where the clock is */
	struct wheel_chunk *free;
};

void wheel_init(struct wheel *wheel, uint64_t now);
/* How many chunks hold that many entries, wherever they stand. */
uint32_t wheel_chunks_for(uint32_t entries);
void wheel_give(struct wheel *wheel, struct wheel_chunk *chunk);
/* Takes one back, whatever it holds: for when the wheel goes. NULL: there is none left. */
struct wheel_chunk *wheel_take(struct wheel *wheel);

/* wheel_add, wherever it goes. */
void wheel_add_anywhere(struct wheel *wheel, uint64_t time_ns, uintptr_t who);

/* A time that has passed is due at once. */
static inline void
wheel_add(struct wheel *wheel, uint64_t time_ns, uintptr_t who)
{
	uint64_t slot = time_ns >> WHEEL_SHIFT, current = wheel->clock >> WHEEL_SHIFT;
	struct wheel_chunk *chunk = wheel->slots[slot % WHEEL_NEAR];

	/* Nearly always: not far ahead, in a slot where others wait. */
	if (slot - current >= WHEEL_NEAR) {
		slot = time_ns >> WHEEL_SHIFT_1;
		current = wheel->clock >> WHEEL_SHIFT_1;
		/* Of a time that has passed this is the slot where the clock is, which is empty, or none. */
		chunk = slot - current < WHEEL_SLOTS_1 ? wheel->slots[WHEEL_NEAR + slot % WHEEL_SLOTS_1] : NULL;
	}
	if (chunk != NULL && chunk->count < WHEEL_CHUNK_ENTRIES)
		chunk->entries[chunk->count++] = (struct wheel_entry){ .time_ns = time_ns, .who = who };
	else
		wheel_add_anywhere(wheel, time_ns, who);
}

/* Takes one entry of `who` out. Looks at all that wait: for changes of configuration. */
void wheel_remove(struct wheel *wheel, uintptr_t who);
/* Takes out at most max that are due at `now`, slot by slot; 0: none is left, and the clock is at `now`. */
unsigned int wheel_pop(struct wheel *wheel, uint64_t now, uintptr_t *due, unsigned int max);
/* The time up to which all that is due can be taken out in whole slots of level 0. */
static inline uint64_t
wheel_slots_over(uint64_t now)
{
	uint64_t slot = now >> WHEEL_SHIFT;

	return slot == 0 ? 0 : (slot << WHEEL_SHIFT) - 1;
}

/*
 * All of the slot of level 0 that comes first, in chunks that are the caller's to give back: what is left is not before
 * *end, where the clock is then. There must be an entry, and no more is to come that is before *end.
 */
struct wheel_chunk *wheel_take_slot(struct wheel *wheel, uint64_t *end);
/*
 * At most max of those that will be due from about `from` until `until`, at most a millisecond ahead, without taking
 * them out: to fetch them ahead.
 */
unsigned int wheel_look(const struct wheel *wheel, uint64_t from, uint64_t until, uintptr_t *who, unsigned int max);
/*
 * Fetches what looking at the slot of level 0 of that time will touch, and some of the next one: to be called slot by
 * slot.
 */
void wheel_prefetch(const struct wheel *wheel, uint64_t time_ns);
/*
 * When the first is due, UINT64_MAX if none waits. Where very many wait far ahead it may be somewhat before: never
 * after.
 */
uint64_t wheel_next(const struct wheel *wheel);

#endif
