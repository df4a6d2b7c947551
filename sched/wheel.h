/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A timer wheel with nanosecond slots: who waits until when.
 *
 * Hashed hierarchical timing wheels (Varghese and Lauck 1987) with 64 slots a level and eleven levels, so that any 64-bit time has its
 * place and nothing overflows. A timer sits at the level of the highest six-bit digit in which its time differs from the wheel's clock;
 * bitmaps find the first busy slot of a level, and the first busy level, by counting zeros. Adding and removing are O(1), a timer moves
 * down at most once a level. The clock never passes a timer that has not been taken out.
 */
#ifndef WEIR_SCHED_WHEEL_H
#define WEIR_SCHED_WHEEL_H

#include <stdint.h>

#define WHEEL_LEVELS 11
#define WHEEL_SLOTS  64

struct wheel_timer {
	struct wheel_timer *next;
	struct wheel_timer **link; /* what points to it; NULL: not waiting */
	uint64_t time_ns;
	uint32_t kind; /* for its owner: what it waits for */
	uint16_t place; /* level * WHEEL_SLOTS + slot */
};

struct wheel {
	uint64_t clock;
	uint16_t busy_levels; /* a bit for each with a busy slot */
	uint64_t busy[WHEEL_LEVELS]; /* a bit for each slot with timers */
	struct wheel_timer *slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

void wheel_init(struct wheel *wheel, uint64_t now);
/* timer must not be waiting. A time that has passed is due at once. */
void wheel_add(struct wheel *wheel, struct wheel_timer *timer, uint64_t time_ns);
void wheel_remove(struct wheel *wheel, struct wheel_timer *timer); /* nothing happens if it does not wait */
/* Takes out one timer that is due at `now`, the earliest first; NULL: none is, and the clock is at `now`. */
struct wheel_timer *wheel_pop(struct wheel *wheel, uint64_t now);
/* When the first timer is due, UINT64_MAX if none waits. Where very many wait together it may be somewhat before: never after. */
uint64_t wheel_next(const struct wheel *wheel);

#endif
