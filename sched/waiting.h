/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What disciplines share whose classes wait in a timer wheel: a class that is parked because its leaf qdisc, a shaper
 * itself, holds packets but gives none yet; and who will be due before long, to be fetched ahead.
 */
#ifndef WEIR_SCHED_WAITING_H
#define WEIR_SCHED_WAITING_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_common.h>

#include <weir/sched.h>

#include "wheel.h"

/* That a class is parked, its discipline knows; until when, and whether the wheel will tell, is here. */
struct parking {
	uint64_t until_ns; /* SCHED_NEVER: until a packet comes */
	uint64_t armed_ns; /* when the wheel tells, if it is armed */
	bool armed;
};

/*
 * The wheel is to tell of `who` at until_ns. A wait that ends sooner is left: the leaf is asked anew then. But a shaper
 * below may be ready sooner than it was to be.
 */
static inline void
parking_wait(struct parking *p, struct wheel *wheel, uintptr_t who, uint64_t until_ns)
{
	p->until_ns = until_ns;
	if (until_ns == SCHED_NEVER || (p->armed && p->armed_ns <= until_ns))
		return;
	if (p->armed)
		wheel_remove(wheel, who);
	p->armed = true;
	p->armed_ns = until_ns;
	wheel_add(wheel, until_ns, who);
}

/* The wheel has told of a class that is parked; true: its time has come, else it waits on. */
static inline bool
parking_is_over(struct parking *p, struct wheel *wheel, uintptr_t who, uint64_t now)
{
	if (p->until_ns <= now)
		return true;
	parking_wait(p, wheel, who, p->until_ns);
	return false;
}

/* Out of the wheel. */
static inline void
parking_leave(struct parking *p, struct wheel *wheel, uintptr_t who)
{
	if (p->armed)
		wheel_remove(wheel, who);
	p->armed = false;
}

#define DUE_LOOK_MAX_NS UINT64_C(4096) /* as far ahead as is looked for each call */

/* How far a discipline has looked into its wheel. */
struct due_look {
	uint64_t served_ns; /* its last call */
	uint64_t seen_ns; /* who is due before that has been looked at */
};

/*
 * At the end of a call at `now`: at most max of those who will be due at the call after the next one, if calls go on
 * coming as the last two have. Nobody is given twice.
 */
static inline unsigned int
due_look_ahead(struct due_look *look, const struct wheel *wheel, uint64_t now, uintptr_t *who, unsigned int max)
{
	uint64_t step = RTE_MIN(now - look->served_ns, DUE_LOOK_MAX_NS);
	uint64_t from = RTE_MAX(now + step, look->seen_ns), until = now + 2 * step;

	look->served_ns = now;
	if (from > until)
		return 0;
	/* What is looked at are whole slots. */
	look->seen_ns = ((until >> WHEEL_SHIFT) + 1) << WHEEL_SHIFT;
	return wheel_look(wheel, from, until, who, max);
}

#endif
