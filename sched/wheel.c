/* SPDX-License-Identifier: BSD-3-Clause */
/* The wheel itself: see wheel.h. */
#include "wheel.h"

#include <stddef.h>
#include <string.h>

#define DIGIT_BITS 6
#define SCAN_MAX   16 /* timers of a slot that wheel_next looks at before it gives the slot's start instead */

void
wheel_init(struct wheel *wheel, uint64_t now)
{
	memset(wheel, 0, sizeof(*wheel));
	wheel->clock = now;
}

static void
put(struct wheel *wheel, struct wheel_timer *timer)
{
	uint64_t time = timer->time_ns > wheel->clock ? timer->time_ns : wheel->clock;
	uint64_t difference = time ^ wheel->clock;
	unsigned int level = difference == 0 ? 0 : (63 - (unsigned int)__builtin_clzll(difference)) / DIGIT_BITS;
	unsigned int slot = (time >> (level * DIGIT_BITS)) & (WHEEL_SLOTS - 1);
	struct wheel_timer **head = &wheel->slots[level][slot];

	timer->next = *head;
	if (*head != NULL)
		(*head)->link = &timer->next;
	*head = timer;
	timer->link = head;
	timer->place = (uint16_t)(level * WHEEL_SLOTS + slot);
	wheel->busy[level] |= UINT64_C(1) << slot;
	wheel->busy_levels |= (uint16_t)(1u << level);
}

void
wheel_add(struct wheel *wheel, struct wheel_timer *timer, uint64_t time_ns)
{
	timer->time_ns = time_ns;
	put(wheel, timer);
}

static void
slot_emptied(struct wheel *wheel, unsigned int level, unsigned int slot)
{
	wheel->busy[level] &= ~(UINT64_C(1) << slot);
	if (wheel->busy[level] == 0)
		wheel->busy_levels &= (uint16_t) ~(1u << level);
}

void
wheel_remove(struct wheel *wheel, struct wheel_timer *timer)
{
	unsigned int level = timer->place / WHEEL_SLOTS, slot = timer->place % WHEEL_SLOTS;

	if (timer->link == NULL)
		return;
	*timer->link = timer->next;
	if (timer->next != NULL)
		timer->next->link = timer->link;
	timer->link = NULL;
	if (wheel->slots[level][slot] == NULL)
		slot_emptied(wheel, level, slot);
}

/* The earliest time of any timer in the first busy slot of `level`. */
static uint64_t
slot_start(const struct wheel *wheel, unsigned int level, unsigned int slot)
{
	unsigned int bits = level * DIGIT_BITS;
	/* The digits above this level are the clock's. At the top level the shift gives 0, and so the mask is all ones. */
	uint64_t below = ((uint64_t)WHEEL_SLOTS << bits) - 1;

	return (wheel->clock & ~below) | (uint64_t)slot << bits;
}

struct wheel_timer *
wheel_pop(struct wheel *wheel, uint64_t now)
{
	while (wheel->busy_levels != 0) {
		unsigned int level = (unsigned int)__builtin_ctz(wheel->busy_levels);
		unsigned int slot = (unsigned int)__builtin_ctzll(wheel->busy[level]);
		uint64_t start = slot_start(wheel, level, slot);
		struct wheel_timer *timer = wheel->slots[level][slot];

		if (start > now)
			break;
		wheel->clock = start;
		if (level == 0) {
			wheel_remove(wheel, timer);
			return timer;
		}
		/* The clock has reached this slot: its timers now differ from it in lower digits only. */
		wheel->slots[level][slot] = NULL;
		slot_emptied(wheel, level, slot);
		while (timer != NULL) {
			struct wheel_timer *next = timer->next;

			put(wheel, timer);
			timer = next;
		}
	}
	/* Every timer is in a slot that starts after now, so it stays at its level when the clock goes there. */
	if (now > wheel->clock)
		wheel->clock = now;
	return NULL;
}

uint64_t
wheel_next(const struct wheel *wheel)
{
	uint64_t first = UINT64_MAX;
	unsigned int seen = 0;

	if (wheel->busy_levels == 0)
		return UINT64_MAX;
	unsigned int level = (unsigned int)__builtin_ctz(wheel->busy_levels);
	unsigned int slot = (unsigned int)__builtin_ctzll(wheel->busy[level]);

	for (const struct wheel_timer *timer = wheel->slots[level][slot]; timer != NULL; timer = timer->next) {
		if (level == 0 || seen++ == SCAN_MAX)
			return slot_start(wheel, level, slot);
		if (timer->time_ns < first)
			first = timer->time_ns;
	}
	return first;
}
