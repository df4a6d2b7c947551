/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * H-FSC: who has something to send. What a class's turning busy or idle, the end of a wait and a change of its curves
 * mean to it and to those above it. See hfsc.h for where each stands then.
 */
#include <rte_branch_prediction.h>

#include "hfsc.h"
#include "hfsc_times.h"

#define DUE_AHEAD 8 /* of those who are due: before which a class is fetched */

/* ---- coming in */

/*
 * The virtual time at which a class comes in: between the least and the greatest of those that are active, as the paper
 * has it (tc-hfsc(7) too), so that it has neither claims of the past nor debts. If there are none all begin at the same
 * time.
 */
static uint64_t
system_virtual(const struct hfsc_inner *inner)
{
	uint64_t least;

	if (inner->active == 0)
		return inner->reached;
	least = hfsc_least_virtual(inner);
	return hfsc_before(least, inner->ahead_ns) ? least + (inner->ahead_ns - least) / 2 : least;
}

/* cl turns active under its parent. */
static void
join(struct hfsc_inner *inner, struct hfsc_class *cl)
{
	struct hfsc_bend *bend = hfsc_bend(cl, HFSC_LINK_SHARE);
	uint64_t at = system_virtual(inner);

	if (hfsc_is_stale(inner, cl)) {
		hfsc_curve_start(&cl->link_share, bend, at, cl->total);
	} else {
		if (hfsc_before(at, cl->virtual_ns))
			at = cl->virtual_ns;
		hfsc_curve_restart(&cl->link_share, bend, at, cl->total);
	}
	hfsc_note_virtual(inner, cl, hfsc_curve_time(&cl->link_share, bend, cl->total));
	cl->moved = true; /* if it was absent */
}

/*
 * Who was held back does not make up for it: it comes in with the least of the others (tc-hfsc(7), UPPERLIMIT). As many
 * are behind that as are not, so that no branch is to depend on it.
 */
static inline void
catch_up(struct hfsc_inner *inner, struct hfsc_class *cl)
{
	uint64_t behind = hfsc_least_virtual(inner) - cl->virtual_ns;

	if (likely(!hfsc_is_stale(inner, cl)))
		behind = (int64_t)behind > 0 ? behind : 0;
	hfsc_curve_shift(&cl->link_share, hfsc_bend(cl, HFSC_LINK_SHARE), behind);
	cl->virtual_ns += behind;
	if (unlikely(hfsc_before(inner->ahead_ns, cl->virtual_ns)) && behind != 0)
		hfsc_note_virtual(inner, cl, cl->virtual_ns);
}

/* cl has something to send and may: into its parent's contest, and the parent into its own. */
static __rte_always_inline void
queue_up(struct hfsc *h, struct hfsc_class *cl)
{
	struct hfsc_class *parent;

	for (; !cl->queued && !cl->unfit && cl->active && (parent = hfsc_parent(h, cl)) != NULL; cl = parent) {
		catch_up(&parent->inner, cl);
		hfsc_join_contest(h, &parent->inner, cl);
	}
}

/* After queue_up of all who came together. */
static inline void
settle_joined(struct hfsc *h)
{
	if (h->joined != NULL)
		hfsc_settle_contest(h->joined);
	h->joined = NULL;
}

static inline void
fit_is_due(struct hfsc *h, struct hfsc_class *cl, uint64_t now)
{
	if (!cl->active || !hfsc_has(cl, HFSC_UPPER_LIMIT))
		return;
	/* A leaf that is never served by real time sends nothing while it waits: that time is its fit time. */
	if (likely(cl->busy && !hfsc_has(cl, HFSC_REAL_TIME) && now - h->look.served_ns <= HFSC_LAG_MAX_NS)) {
		cl->unfit = false;
	} else {
		hfsc_count_upper_limit(h, cl, now);
		if (unlikely(cl->unfit))
			hfsc_withdraw(h, cl);
	}
	if (hfsc_is_inner(cl) ? !contest_empty(&cl->inner.children) : cl->busy && !cl->parked)
		queue_up(h, cl);
}

/* ---- busy and idle */

void
hfsc_leaf_busy(struct hfsc *h, struct hfsc_class *cl, uint64_t now)
{
	struct hfsc_class *parent;

	cl->busy = true;
	if (hfsc_has(cl, HFSC_REAL_TIME))
		hfsc_curve_restart(&cl->deadline, hfsc_bend(cl, HFSC_REAL_TIME), now, cl->real_time_total);
	/* Its packet is there only when the enqueue is done. */
	hfsc_unpark(h, cl);
	if (!hfsc_has(cl, HFSC_LINK_SHARE))
		return;
	while (!cl->active && (parent = hfsc_parent(h, cl)) != NULL) {
		cl->active = true;
		join(&parent->inner, cl);
		parent->inner.active++;
		cl->period++;
		if (hfsc_has(cl, HFSC_UPPER_LIMIT)) {
			hfsc_curve_restart(&cl->upper_limit, hfsc_bend(cl, HFSC_UPPER_LIMIT), now, cl->total);
			hfsc_count_upper_limit(h, cl, now);
		}
		cl = parent;
	}
}

/*
 * While contests are left as they are, a leaf that turns empty is, too: it may be busy again before anybody is chosen
 * by virtual times. Nobody asks it unless it is first, or would be.
 */
static inline bool
stay_absent(const struct hfsc *h, struct hfsc_class *cl)
{
	struct hfsc_inner *inner;

	if (h->sharing != 0 || !cl->queued)
		return false;
	inner = &hfsc_parent(h, cl)->inner;
	if (inner->children.first == cl)
		return false;
	inner->absent = true;
	return true;
}

void
hfsc_leaf_idle(struct hfsc *h, struct hfsc_class *cl)
{
	struct hfsc_class *parent;

	cl->busy = cl->parked = false;
	hfsc_leave_deadlines(h, cl);
	if (!stay_absent(h, cl))
		hfsc_withdraw(h, cl);
	for (; cl->active; cl = parent) {
		parent = hfsc_parent(h, cl);
		cl->active = false;
		hfsc_note_virtual(&parent->inner, cl, cl->virtual_ns);
		hfsc_forget_ahead(&parent->inner, cl);
		if (--parent->inner.active != 0)
			break;
	}
}

void
hfsc_unpark(struct hfsc *h, struct hfsc_class *cl)
{
	cl->parked = false;
	if (cl->turned)
		return;
	cl->turned = true;
	cl->next_turned = h->turned;
	h->turned = cl;
}

void
hfsc_clear_deadlines(struct hfsc *h)
{
	while (h->deadlines.count != 0) {
		struct hfsc_class *cl = (struct hfsc_class *)agenda_take(&h->deadlines);

		cl->eligible = false;
		hfsc_unpark(h, cl);
	}
}

void
hfsc_settle(struct hfsc *h, uint64_t now)
{
	while (h->turned != NULL) {
		struct hfsc_class *cl = h->turned;

		h->turned = cl->next_turned;
		cl->turned = false;
		if (cl->busy && !cl->parked && hfsc_has(cl, HFSC_REAL_TIME) && !cl->eligible)
			hfsc_settle_real_time(h, cl, now);
		if (cl->busy && !cl->parked)
			queue_up(h, cl);
	}
	settle_joined(h);
}

static inline void
is_due(struct hfsc *h, uintptr_t who, uint64_t now)
{
	struct hfsc_class *cl = hfsc_class_of_wait(who);
	unsigned int wait = who & HFSC_WAIT_MASK;

	if (unlikely(wait == HFSC_WAIT_PARKED)) {
		struct parking *parking = &hfsc_more(cl)->parking;

		parking->armed = false;
		if (cl->parked && parking_is_over(parking, &h->wheel, who, now))
			hfsc_unpark(h, cl);
		return;
	}
	cl->armed &= (uint8_t) ~(1u << wait);
	if (wait == HFSC_WAIT_FIT)
		fit_is_due(h, cl, now);
	else if (cl->busy && !cl->parked && hfsc_has(cl, HFSC_REAL_TIME) && !cl->eligible)
		hfsc_settle_real_time(h, cl, now);
}

void
hfsc_run_timers(struct hfsc *h, uint64_t now)
{
	uintptr_t due[HFSC_DUE];
	unsigned int n;

	while ((n = wheel_pop(&h->wheel, now, due, HFSC_DUE)) != 0) {
		for (unsigned int i = 0; i < n; i++) {
			if (i + DUE_AHEAD < n)
				hfsc_prefetch_class(hfsc_class_of_wait(due[i + DUE_AHEAD]));
			if (i + HFSC_QUEUE_AHEAD < n)
				hfsc_prefetch_more(h, hfsc_class_of_wait(due[i + HFSC_QUEUE_AHEAD]));
			is_due(h, due[i], now);
		}
	}
	hfsc_settle(h, now);
}

/* ---- changes of configuration */

void
hfsc_restart_curves(struct hfsc *h, struct hfsc_class *cl, unsigned int kinds, uint64_t now)
{
	struct hfsc_class *parent = hfsc_parent(h, cl);

	if ((kinds & 1u << HFSC_REAL_TIME) != 0 && !hfsc_is_inner(cl))
		hfsc_curve_start(&cl->deadline, hfsc_bend(cl, HFSC_REAL_TIME), now, cl->real_time_total);
	if ((kinds & 1u << HFSC_LINK_SHARE) != 0 && parent != NULL) {
		uint64_t at = hfsc_is_stale(&parent->inner, cl) ? parent->inner.clock : cl->virtual_ns;

		hfsc_curve_start(&cl->link_share, hfsc_bend(cl, HFSC_LINK_SHARE), at, cl->total);
		hfsc_note_virtual(&parent->inner, cl, at);
	}
	if ((kinds & 1u << HFSC_UPPER_LIMIT) != 0)
		hfsc_curve_start(&cl->upper_limit, hfsc_bend(cl, HFSC_UPPER_LIMIT), now, cl->total);
	cl->unfit = false;
	if (hfsc_has(cl, HFSC_UPPER_LIMIT) && cl->active)
		hfsc_count_upper_limit(h, cl, now);
	if (cl->busy)
		hfsc_leaf_busy(h, cl, now);
	else if (cl->active && hfsc_is_inner(cl) && !contest_empty(&cl->inner.children)) {
		queue_up(h, cl);
		settle_joined(h);
	}
}

void
hfsc_take_out(struct hfsc *h, struct hfsc_class *cl)
{
	for (unsigned int wait = 0; wait < HFSC_WAIT_PARKED; wait++) {
		if ((cl->armed & 1u << wait) != 0)
			wheel_remove(&h->wheel, hfsc_wait_of(cl, wait));
	}
	cl->armed = 0;
	parking_leave(&hfsc_more(cl)->parking, &h->wheel, hfsc_wait_of(cl, HFSC_WAIT_PARKED));
	cl->unfit = false;
	hfsc_leave_deadlines(h, cl);
	hfsc_withdraw(h, cl);
	for (struct hfsc_class **at = &h->turned; *at != NULL; at = &(*at)->next_turned) {
		if (*at == cl) {
			*at = cl->next_turned;
			cl->turned = false;
			break;
		}
	}
}
