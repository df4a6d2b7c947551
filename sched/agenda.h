/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An agenda: who is next by time, to the nanosecond, among thousands of whom most are far off. Times may come that are
 * before all others, so that a wheel alone will not do, and a tree of all of them would be larger than a cache.
 *
 *   run    those who are next, in order: whoever is next, and who comes after him, is read off it
 *   far    a timer wheel of those who are not before near_end; when the run is empty, its first slot is sorted into it
 *   crowd  a contest of those for whom the run had no room, before near_end when they came; mostly empty
 *
 * While they are few all are in the run. A calendar queue (Brown 1988) whose next bucket is sorted as a ladder queue's
 * is (Tang, Goh and Thng 2005). Memory is its owner's: that of the contest, and the wheel's chunks.
 */
#ifndef WEIR_SCHED_AGENDA_H
#define WEIR_SCHED_AGENDA_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_branch_prediction.h>

#include "contest.h"
#include "wheel.h"

#define AGENDA_RUN  64
#define AGENDA_SEEN 128

struct agenda {
	uint32_t count; /* of all who are there */
	uint32_t first, end; /* of the run */
	uint32_t far_count;
	uint64_t near_end; /* UINT64_MAX while nobody is far */
	struct wheel_entry run[2 * AGENDA_RUN]; /* it goes on through it, and begins anew at its end */
	struct contest crowd;
	/* who is far but has been seen already, for who wants to fetch them ahead */
	uint64_t seen_end; /* their times are before that */
	uint32_t seen_count; /* about as many */
	uint32_t seen_first, seen_next; /* of these, of all that there ever were, none has been told yet */
	uintptr_t seen[AGENDA_SEEN];
	struct wheel far;
};

void agenda_init(struct agenda *a);
/* agenda_add of one for whom the run has no room. */
void agenda_add_to_crowd(struct agenda *a, uint64_t time_ns, uintptr_t who);
/* agenda_take where the run is empty, or somebody is in the crowd. */
uintptr_t agenda_take_anywhere(struct agenda *a);
/* Takes out one who is there. Looks at all: not for each packet. */
void agenda_remove(struct agenda *a, uintptr_t who);

/* To its place in the run: mostly he comes late there, and few have to make room. */
static inline void
agenda_add_to_run(struct agenda *a, uint64_t time_ns, uintptr_t who)
{
	struct wheel_entry *at = &a->run[a->end++];

	for (const struct wheel_entry *first = &a->run[a->first]; at != first && at[-1].time_ns > time_ns; at--)
		at[0] = at[-1];
	*at = (struct wheel_entry){ .time_ns = time_ns, .who = who };
}

/* Whoever comes is not there yet. Who comes first of several at the same time is not said. */
static inline void
agenda_add(struct agenda *a, uint64_t time_ns, uintptr_t who)
{
	a->count++;
	if (time_ns >= a->near_end) {
		a->far_count++;
		wheel_add(&a->far, time_ns, who);
	} else if (likely(a->end < a->first + AGENDA_RUN && a->end < 2 * AGENDA_RUN)) {
		agenda_add_to_run(a, time_ns, who);
	} else {
		agenda_add_to_crowd(a, time_ns, who);
	}
}

/* The first of those who are there; there must be one. He is there no longer. */
static inline uintptr_t
agenda_take(struct agenda *a)
{
	if (unlikely(a->first == a->end || !contest_empty(&a->crowd)))
		return agenda_take_anywhere(a);
	a->count--;
	return a->run[a->first++].who;
}

/*
 * One of those who are far but come next, some turns before he does: to be asked each turn. He may have been taken out
 * since, and be no more: only to be fetched. 0: nobody.
 */
static inline uintptr_t
agenda_coming(struct agenda *a)
{
	return a->seen_first != a->seen_next ? a->seen[a->seen_first++ % AGENDA_SEEN] : 0;
}

/* Who comes some places after the first in the run; 0: it is not known. */
static inline uintptr_t
agenda_after(const struct agenda *a, unsigned int places)
{
	return a->first + places < a->end ? a->run[a->first + places].who : 0;
}

#endif
