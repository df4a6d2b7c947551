/* SPDX-License-Identifier: BSD-3-Clause */
/* The agenda itself: see agenda.h. */
#include "agenda.h"

#include <string.h>

#include <rte_common.h>
#include <rte_prefetch.h>

#define SLOT_NS     (UINT64_C(1) << WHEEL_SHIFT)
#define SEEN_SLOTS  32 /* as far ahead as is looked for who comes next, */
#define SEEN_ENOUGH 16 /* and so many are enough */

_Static_assert(SLOT_NS *AGENDA_RUN == 1 << 16, "a time in a slot, and a number in the run, are 16 bits together");

void
agenda_init(struct agenda *a)
{
	a->count = a->first = a->end = a->far_count = 0;
	a->near_end = UINT64_MAX;
	a->seen_end = 0;
	a->seen_count = a->seen_first = a->seen_next = 0;
	a->crowd.first = NULL;
	wheel_init(&a->far, 0);
}

/* ---- coming */

/* The run is full, and nobody is far: the later half of it is, from now on, and the run can be filled with others. */
static void
divide_run(struct agenda *a)
{
	uint64_t middle = a->run[(a->first + a->end) / 2].time_ns & ~(SLOT_NS - 1);

	/* Those of one slot are not divided. */
	a->near_end = middle > a->run[a->first].time_ns ? middle : middle + SLOT_NS;
	a->far.clock = a->near_end;
	a->seen_end = 0; /* of times that may have been later than these */
	for (; a->end != a->first && a->run[a->end - 1].time_ns >= a->near_end; a->end--) {
		wheel_add(&a->far, a->run[a->end - 1].time_ns, a->run[a->end - 1].who);
		a->far_count++;
	}
}

void
agenda_add_to_crowd(struct agenda *a, uint64_t time_ns, uintptr_t who)
{
	if (a->end == RTE_DIM(a->run)) {
		memmove(a->run, a->run + a->first, (a->end - a->first) * sizeof(*a->run));
		a->end -= a->first;
		a->first = 0;
	} else if (a->near_end == UINT64_MAX) {
		divide_run(a);
	}
	if (time_ns >= a->near_end) {
		a->far_count++;
		wheel_add(&a->far, time_ns, who);
	} else if (a->end < a->first + AGENDA_RUN) {
		agenda_add_to_run(a, time_ns, who);
	} else {
		contest_enter(&a->crowd, time_ns, (void *)who);
	}
}

/* ---- going */

/*
 * Entries of a slot, AGENDA_RUN at most, behind the run. Each has as many before it as come earlier, or at the same
 * time with a lower number: comparing all with all needs no branch, and eight are compared at a time.
 */
static void
add_sorted(struct agenda *a, const struct wheel_entry *entries, uint32_t n)
{
	int16_t keys[AGENDA_RUN];
	uint32_t all = RTE_ALIGN_CEIL(n, 8u);

	for (uint32_t i = 0; i < n; i++)
		keys[i] = (int16_t)((entries[i].time_ns % SLOT_NS * AGENDA_RUN + i) ^ 0x8000);
	for (uint32_t i = n; i < all; i++)
		keys[i] = INT16_MAX;
	for (uint32_t i = 0; i < n; i++) {
		int16_t key = keys[i], before = 0;

		for (uint32_t k = 0; k < all; k++)
			before += keys[k] < key;
		a->run[a->end + (uint32_t)before] = entries[i];
	}
	a->end += n;
}

/* `taken` of those who were far are in the run: others take their place among those who come next. */
static void
look_further(struct agenda *a, uint32_t taken)
{
	uint64_t from = RTE_MAX(a->seen_end, a->near_end), end = a->near_end + SEEN_SLOTS * SLOT_NS;

	a->seen_count = a->seen_end <= a->near_end ? 0 : a->seen_count - RTE_MIN(a->seen_count, taken);
	for (; a->seen_count < SEEN_ENOUGH && from < end; from += SLOT_NS) {
		uintptr_t who[AGENDA_RUN];
		unsigned int n = wheel_look(&a->far, from, from, who, AGENDA_RUN);

		for (unsigned int i = 0; i < n; i++)
			a->seen[a->seen_next++ % AGENDA_SEEN] = who[i];
		a->seen_count += n;
	}
	a->seen_end = from;
	wheel_prefetch(&a->far, from);
	/* Who has not been told meanwhile is forgotten. */
	if (a->seen_next - a->seen_first > AGENDA_SEEN)
		a->seen_first = a->seen_next - AGENDA_SEEN;
}

/* The first slot of those who are far, behind the run, which has room, or to the crowd. */
static void
take_slot(struct agenda *a)
{
	struct wheel_entry entries[AGENDA_RUN];
	struct wheel_chunk *chunks = wheel_take_slot(&a->far, &a->near_end), *next;
	uint32_t n = 0, room = AGENDA_RUN - a->end;

	for (; chunks != NULL; chunks = next) {
		next = chunks->next;
		a->far_count -= chunks->count;
		room = n + chunks->count <= room ? room : 0;
		for (uint32_t i = 0; i < chunks->count; i++) {
			if (likely(room != 0))
				entries[n++] = chunks->entries[i];
			else
				contest_enter(&a->crowd, chunks->entries[i].time_ns, (void *)chunks->entries[i].who);
		}
		wheel_give(&a->far, chunks);
	}
	add_sorted(a, entries, n);
}

/* The run is empty: the first who are far are near now, and all of them if they are few. */
static void
refill(struct agenda *a)
{
	a->first = a->end = 0;
	do {
		take_slot(a);
	} while (a->far_count != 0 && a->far_count + a->end <= AGENDA_RUN / 2);
	if (a->far_count == 0)
		a->near_end = UINT64_MAX;
	else
		look_further(a, a->end);
}

uintptr_t
agenda_take_anywhere(struct agenda *a)
{
	uintptr_t who;

	/* Since the run was divided some of the crowd may come later than who is far. */
	if (a->first == a->end && a->far_count != 0 && (contest_empty(&a->crowd) || a->crowd.first_key >= a->near_end))
		refill(a);
	a->count--;
	if (contest_empty(&a->crowd) || (a->first != a->end && a->run[a->first].time_ns <= a->crowd.first_key))
		return a->run[a->first++].who;
	who = (uintptr_t)a->crowd.first;
	contest_leave(&a->crowd, contest_first_place(&a->crowd));
	return who;
}

static bool
remove_from_run(struct agenda *a, uintptr_t who)
{
	for (uint32_t i = a->first; i < a->end; i++) {
		if (a->run[i].who != who)
			continue;
		memmove(&a->run[i], &a->run[i + 1], (--a->end - i) * sizeof(*a->run));
		return true;
	}
	return false;
}

static bool
remove_from_crowd(struct agenda *a, uintptr_t who)
{
	for (uint32_t number = 0; number < a->crowd.used; number++) {
		uint16_t place = contest_place_of(number);

		if (contest_items(&a->crowd)[number] == who && contest_is_taken(&a->crowd, place)) {
			contest_leave(&a->crowd, place);
			return true;
		}
	}
	return false;
}

void
agenda_remove(struct agenda *a, uintptr_t who)
{
	a->count--;
	if (remove_from_run(a, who) || remove_from_crowd(a, who))
		return;
	wheel_remove(&a->far, who);
	if (--a->far_count == 0)
		a->near_end = UINT64_MAX;
}
