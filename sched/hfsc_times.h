/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * H-FSC's three times, each the answer of a curve (hfsc_curve.h): virtual time, by which children share the link; the
 * fit time, up to which the upper limit holds a class back; and of a leaf the eligible time and the deadline. And the
 * wheel, in which they are waited for.
 */
#ifndef WEIR_SCHED_HFSC_TIMES_H
#define WEIR_SCHED_HFSC_TIMES_H

#include <rte_branch_prediction.h>

#include "hfsc.h"
#include "leaf.h"

#define HFSC_LEAD_MAX    (INT64_C(1) << 61) /* of a virtual time before the clock, so that times can be compared */
#define HFSC_EPOCH_SHIFT 62
#define HFSC_JOIN_NODES  16 /* of a contest that are written together in the time that a path takes */
#define HFSC_FAR_NS      (UINT64_C(1) << 62) /* a deadline that is never: later than all others */

static inline bool
hfsc_is_inner(const struct hfsc_class *cl)
{
	return hfsc_class_of(cl)->leaf == NULL;
}

/* ---- looking ahead */

static inline void
hfsc_prefetch_class(const struct hfsc_class *cl)
{
	class_prefetch(hfsc_class_of(cl));
	rte_prefetch0(&cl->virtual_ns);
}

/* What else its turn will touch, once the class is there. */
static inline void
hfsc_prefetch_more(const struct hfsc *h, const struct hfsc_class *cl)
{
	if (cl->queued && h->sharing != 0)
		contest_prefetch(&hfsc_above(class_priv(h->root), cl)->inner.children, cl->place);
	if (hfsc_has(cl, HFSC_UPPER_LIMIT))
		rte_prefetch0(&cl->upper_limit);
	leaf_prefetch(hfsc_class_of(cl));
	leaf_prefetch_queue(hfsc_class_of(cl));
}

/* ---- waiting in the wheel */

static inline uintptr_t
hfsc_wait_of(const struct hfsc_class *cl, unsigned int wait)
{
	return (uintptr_t)cl | wait;
}

static inline struct hfsc_class *
hfsc_class_of_wait(uintptr_t who)
{
	return (struct hfsc_class *)(who & ~(uintptr_t)HFSC_WAIT_MASK);
}

/*
 * A wait that is there already is left: eligible and fit times only grow, so it goes off early and is looked at anew.
 */
static inline void
hfsc_arm(struct hfsc *h, struct hfsc_class *cl, unsigned int wait, uint64_t time_ns)
{
	if (time_ns == SCHED_NEVER || (cl->armed & 1u << wait) != 0)
		return;
	cl->armed |= (uint8_t)(1u << wait);
	wheel_add(&h->wheel, time_ns, hfsc_wait_of(cl, wait));
}

/* ---- leaving agenda and contests */

static inline void
hfsc_leave_deadlines(struct hfsc *h, struct hfsc_class *cl)
{
	if (cl->eligible)
		agenda_remove(&h->deadlines, (uintptr_t)cl);
	cl->eligible = false;
}

/* Those who have come get their places. */
static __rte_noinline void
hfsc_place_coming(struct hfsc_inner *inner)
{
	struct contest *children = &inner->children;
	unsigned int n = children->coming;
	bool many = n * HFSC_JOIN_NODES > 1u << children->height;

	children->coming = 0;
	for (unsigned int i = 0; i < n; i++) {
		struct hfsc_class *cl = contest_coming(children, i);

		cl->place = many ? contest_place_unsettled(children, cl->virtual_ns, cl)
				 : contest_place(children, cl->virtual_ns, cl);
	}
	if (many)
		contest_settle(children);
}

static inline void
hfsc_settle_contest(struct hfsc_inner *inner)
{
	if (inner->children.coming != 0)
		hfsc_place_coming(inner);
}

static inline void
hfsc_leave_place(struct contest *children, struct hfsc_class *cl)
{
	if (children->count == 1)
		contest_leave_last(children, cl->place);
	else if (cl->tied)
		contest_leave_tied(children, cl->place);
	else
		contest_leave(children, cl->place);
}

/* Who is absent is not first: it goes when it comes to that. */
static __rte_noinline void
hfsc_drop_absent(struct hfsc_inner *inner)
{
	struct hfsc_class *cl;

	while ((cl = inner->children.first) != NULL && !cl->busy && !hfsc_is_inner(cl)) {
		hfsc_leave_place(&inner->children, cl);
		cl->queued = false;
	}
	inner->absent = cl != NULL;
}

/* cl may not be chosen any more: out of its parent's contest. True: nobody is left there, and so for the parent. */
static inline bool
hfsc_leave_contest(struct hfsc_inner *inner, struct hfsc_class *cl)
{
	hfsc_settle_contest(inner);
	hfsc_leave_place(&inner->children, cl);
	cl->queued = false;
	cl->epoch = inner->epoch;
	if (unlikely(inner->absent))
		hfsc_drop_absent(inner);
	return contest_empty(&inner->children);
}

/* Likewise, and all above for whom it is so. */
static inline void
hfsc_withdraw(const struct hfsc *h, struct hfsc_class *cl)
{
	struct hfsc_class *parent;

	for (; cl->queued; cl = parent) {
		parent = hfsc_parent(h, cl);
		if (!hfsc_leave_contest(&parent->inner, cl))
			return;
	}
}

static inline void
hfsc_park(struct hfsc *h, struct hfsc_class *cl, uint64_t until_ns)
{
	cl->parked = true;
	hfsc_leave_deadlines(h, cl);
	hfsc_withdraw(h, cl);
	parking_wait(&hfsc_more(cl)->parking, &h->wheel, hfsc_wait_of(cl, HFSC_WAIT_PARKED), until_ns);
}

/* ---- virtual time */

/* Virtual times may go round: any two that are compared are less than 2^63 apart. */
static inline bool
hfsc_before(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) < 0;
}

/* cl was as early as the winner, and is so no more. */
static __rte_noinline void
hfsc_leave_tied(struct contest *children, struct hfsc_class *cl)
{
	contest_leave_tied(children, cl->place);
	cl->tied = false;
	cl->place = contest_enter(children, cl->virtual_ns, cl);
}

/* cl, which is in its parent's contest, goes where it belongs there. */
static inline void
hfsc_put_right(struct hfsc_inner *inner, struct hfsc_class *cl)
{
	struct contest *children = &inner->children;

	if (unlikely(cl->moved))
		cl->moved = false;
	/* One that is alone is first whatever its time; see hfsc_join_contest. */
	if (children->count != 1) {
		if (unlikely(cl->tied))
			hfsc_leave_tied(children, cl);
		else
			contest_change(children, cl->place, cl->virtual_ns);
	}
	if (unlikely(inner->absent))
		hfsc_drop_absent(inner);
}

/*
 * Those who come to the largest contest that any come to get their places when all are there. cl comes to one that is
 * not empty.
 */
static inline bool
may_come_together(struct hfsc *h, struct hfsc_inner *inner)
{
	if (h->joined != inner) {
		if (h->joined != NULL && h->joined->children.height >= inner->children.height)
			return false;
		if (h->joined != NULL)
			hfsc_settle_contest(h->joined);
		h->joined = inner;
	}
	return contest_may_come(&inner->children);
}

/*
 * cl, a child, may be chosen. Who was alone in the contest until now has no place there, or one with a time of then,
 * which may be so long ago that the two cannot be compared there: he comes in anew.
 */
static inline void
hfsc_join_contest(struct hfsc *h, struct hfsc_inner *inner, struct hfsc_class *cl)
{
	struct contest *children = &inner->children;

	cl->queued = true;
	cl->moved = false;
	if (contest_empty(children)) {
		contest_enter_alone(children, cl);
		return;
	}
	if (children->count == 1) {
		struct hfsc_class *alone = children->first;

		contest_leave_last(children, alone->place);
		contest_enter_alone(children, alone);
		alone->place = contest_place_alone(children, alone->virtual_ns);
		alone->tied = true;
	}
	if (may_come_together(h, inner)) {
		cl->tied = contest_come(children, cl->virtual_ns, cl, &cl->place);
	} else {
		cl->tied = false;
		cl->place = contest_enter(children, cl->virtual_ns, cl);
	}
}

/* The least of the children that may be next, or what that was when there were any. */
static inline uint64_t
hfsc_least_virtual(const struct hfsc_inner *inner)
{
	const struct hfsc_class *first = inner->children.first;

	if (inner->children.count == 1)
		return first->virtual_ns;
	return first == NULL ? inner->clock : inner->children.first_key;
}

static inline void
hfsc_tick(struct hfsc_inner *inner, uint64_t virtual_ns)
{
	if (!hfsc_before(inner->clock, virtual_ns))
		return;
	inner->epoch += (inner->clock ^ virtual_ns) >> HFSC_EPOCH_SHIFT != 0;
	inner->clock = virtual_ns;
}

/* Its virtual time was set so long ago that it cannot be compared: the clock has gone through half of all times. */
static inline bool
hfsc_is_stale(const struct hfsc_inner *inner, const struct hfsc_class *cl)
{
	return inner->epoch - cl->epoch > 1;
}

/* cl's virtual time is another one. */
static inline void
hfsc_note_virtual(struct hfsc_inner *inner, struct hfsc_class *cl, uint64_t virtual_ns)
{
	cl->virtual_ns = virtual_ns;
	if (unlikely(!cl->queued || !cl->active)) {
		cl->epoch = inner->epoch;
		if (!cl->active) {
			if (hfsc_before(inner->reached, virtual_ns))
				inner->reached = virtual_ns;
			return;
		}
	}
	if (hfsc_before(inner->ahead_ns, virtual_ns)) {
		inner->ahead = cl;
		inner->ahead_ns = virtual_ns;
	}
}

/* cl, a child, goes or has nothing to share the link for any more: who is ahead now will be known by and by. */
static inline void
hfsc_forget_ahead(struct hfsc_inner *inner, const struct hfsc_class *cl)
{
	if (inner->ahead != cl)
		return;
	inner->ahead = NULL;
	inner->ahead_ns = inner->clock;
}

/*
 * The work of cl has grown; a class that is far ahead, as one whose real-time curve is a thousand times its link-share
 * curve, is so only as far as can be told. Who was chosen by its virtual time is one packet ahead of the clock, at
 * most.
 */
static __rte_always_inline void
hfsc_count_virtual(struct hfsc_inner *inner, struct hfsc_class *cl, bool by_share)
{
	struct hfsc_bend *bend = hfsc_bend(cl, HFSC_LINK_SHARE);
	uint64_t virtual_ns = hfsc_curve_time(&cl->link_share, bend, cl->total);

	if (!by_share && unlikely((int64_t)(virtual_ns - inner->clock) > HFSC_LEAD_MAX)) {
		uint64_t most = inner->clock + (uint64_t)HFSC_LEAD_MAX;

		hfsc_curve_shift(&cl->link_share, bend, most - virtual_ns);
		virtual_ns = most;
	}
	hfsc_note_virtual(inner, cl, virtual_ns);
}

/* ---- upper limit */

/*
 * Could cl go on by link sharing after so many bytes? As far as can be told: not if it comes so late that it is still
 * to be seen, when it is charged, what it may make up for.
 */
static inline bool
hfsc_is_fit_after(const struct hfsc_class *cl, uint64_t bytes, uint64_t now)
{
	const struct hfsc_bend *bend = hfsc_bend(cl, HFSC_UPPER_LIMIT);

	return !hfsc_has(cl, HFSC_UPPER_LIMIT) ||
	       (now - hfsc_curve_time(&cl->upper_limit, bend, cl->total) <= cl->lag_max_ns &&
		       hfsc_curve_time(&cl->upper_limit, bend, cl->total + bytes) <= now);
}

/*
 * The fit time: who has to wait for it is unfit, and must not stay in his parent's contest. Who comes later than that
 * makes up for it, but for no more than lag_max_ns: else a class that its parent has held back for a minute could be
 * over its limit for as long.
 */
static inline void
hfsc_count_upper_limit(struct hfsc *h, struct hfsc_class *cl, uint64_t now)
{
	struct hfsc_bend *bend = hfsc_bend(cl, HFSC_UPPER_LIMIT);
	uint64_t fit = hfsc_curve_time(&cl->upper_limit, bend, cl->total);

	if (fit > now) {
		cl->unfit = true;
		hfsc_arm(h, cl, HFSC_WAIT_FIT, fit);
		return;
	}
	cl->unfit = false;
	if (now - fit > cl->lag_max_ns)
		hfsc_curve_shift(&cl->upper_limit, bend, now - fit - cl->lag_max_ns);
}

/* ---- real time */

/*
 * The deadline curve itself; for a convex one the line of its second slope from the start: what it will need later it
 * gets now, while others need less.
 */
static inline uint64_t
hfsc_eligible_time(const struct hfsc_class *cl)
{
	const struct hfsc_bend *bend = hfsc_bend(cl, HFSC_REAL_TIME);
	struct hfsc_line steep;

	if (likely(bend == NULL || bend->first.cost <= cl->deadline.cost))
		return hfsc_curve_time(&cl->deadline, bend, cl->real_time_total);
	steep = (struct hfsc_line){ .x = bend->first.x, .y = bend->first.y, .cost = cl->deadline.cost };
	return hfsc_line_time(&steep, cl->real_time_total);
}

/* When the packet that is next must have left; false: its leaf qdisc gives none now, and it is parked. */
static inline bool
hfsc_know_deadline(struct hfsc *h, struct hfsc_class *cl, uint64_t now, uint64_t *deadline)
{
	struct qdisc *leaf = hfsc_class_of(cl)->leaf;
	uint32_t bytes = leaf_first_bytes(leaf, now);

	if (unlikely(bytes == 0)) {
		/* Looking may have dropped all that it held. */
		if (cl->busy)
			hfsc_park(h, cl, qdisc_next_event(leaf, now));
		return false;
	}
	*deadline = hfsc_curve_time(&cl->deadline, hfsc_bend(cl, HFSC_REAL_TIME), cl->real_time_total + bytes);
	if (*deadline == SCHED_NEVER)
		*deadline = now + HFSC_FAR_NS;
	return true;
}

/* A leaf that has something to give, and no place by its deadline: it waits until it is eligible, or is given one. */
static inline void
hfsc_settle_real_time(struct hfsc *h, struct hfsc_class *cl, uint64_t now)
{
	uint64_t eligible = hfsc_eligible_time(cl), deadline;

	if (eligible > now) {
		hfsc_arm(h, cl, HFSC_WAIT_ELIGIBLE, eligible);
	} else if (hfsc_know_deadline(h, cl, now, &deadline)) {
		agenda_add(&h->deadlines, deadline, (uintptr_t)cl);
		cl->eligible = true;
	}
}

#endif
