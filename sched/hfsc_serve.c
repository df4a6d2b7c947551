/* SPDX-License-Identifier: BSD-3-Clause */
/* H-FSC: who is next, and what its packet counts. See hfsc.h for the two criteria. */
#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "hfsc.h"
#include "leaf.h"

#define DUE_BURST   64 /* classes taken out of the wheel at a time */
#define LEAD_MAX    (INT64_C(1) << 61) /* of a virtual time before the clock, so that times in a heap can be compared */
#define EPOCH_SHIFT 62
#define FAR_NS      (UINT64_C(1) << 62) /* a deadline that is never: later than all others */

static inline bool
is_inner(const struct hfsc_class *cl)
{
	return hfsc_class_of(cl)->leaf == NULL;
}

/* ---- waiting in the wheel */

static inline uintptr_t
wait_of(const struct hfsc_class *cl, unsigned int wait)
{
	return (uintptr_t)cl | wait;
}

static inline struct hfsc_class *
class_of_wait(uintptr_t who)
{
	return (struct hfsc_class *)(who & ~(uintptr_t)HFSC_WAIT_MASK);
}

/* A wait that is there already is left: eligible and fit times only grow, so it goes off early and is looked at anew. */
static inline void
arm(struct hfsc *h, struct hfsc_class *cl, unsigned int wait, uint64_t time_ns)
{
	if (time_ns == SCHED_NEVER || (cl->armed & 1u << wait) != 0)
		return;
	cl->armed |= (uint8_t)(1u << wait);
	wheel_add(&h->wheel, time_ns, wait_of(cl, wait));
}

static void
park(struct hfsc *h, struct hfsc_class *cl, uint64_t until_ns)
{
	cl->parked = true;
	if (cl->eligible)
		heap_remove(&h->deadlines, cl);
	cl->eligible = false;
	parking_wait(&hfsc_more(cl)->parking, &h->wheel, wait_of(cl, HFSC_WAIT_PARKED), until_ns);
}

/* ---- virtual time */

/* The least of the children that may be next, or what that was when there were any. */
static inline uint64_t
least_virtual(const struct hfsc_inner *inner)
{
	return heap_empty(&inner->children) ? inner->clock : heap_first(&inner->children)->key;
}

static inline void
tick(struct hfsc_inner *inner, uint64_t virtual_ns)
{
	if (!key_before(inner->clock, virtual_ns))
		return;
	inner->epoch += (inner->clock ^ virtual_ns) >> EPOCH_SHIFT != 0;
	inner->clock = virtual_ns;
}

/* Its virtual time was set so long ago that it cannot be compared: the clock has gone through half of all times. */
static inline bool
is_stale(const struct hfsc_inner *inner, const struct hfsc_class *cl)
{
	return inner->epoch - cl->epoch > 1;
}

static inline void
note_virtual(struct hfsc_inner *inner, struct hfsc_class *cl, uint64_t virtual_ns)
{
	cl->virtual_ns = virtual_ns;
	cl->epoch = inner->epoch;
	if (key_before(inner->reached, virtual_ns))
		inner->reached = virtual_ns;
	if (inner->ahead == cl || (cl->active && (inner->ahead == NULL || key_before(inner->ahead_ns, virtual_ns)))) {
		inner->ahead = cl;
		inner->ahead_ns = virtual_ns;
	}
}

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
	least = least_virtual(inner);
	if (inner->ahead == NULL || !key_before(least, inner->ahead_ns))
		return least;
	return least + (inner->ahead_ns - least) / 2;
}

/* cl turns active under its parent. */
static void
join(struct hfsc_inner *inner, struct hfsc_class *cl)
{
	struct hfsc_bend *bend = hfsc_bend(cl, HFSC_LINK_SHARE);
	uint64_t at = system_virtual(inner);

	if (is_stale(inner, cl)) {
		hfsc_curve_start(&cl->link_share, bend, at, cl->total);
	} else {
		if (key_before(at, cl->virtual_ns))
			at = cl->virtual_ns;
		hfsc_curve_restart(&cl->link_share, bend, at, cl->total);
	}
	note_virtual(inner, cl, hfsc_curve_time(&cl->link_share, bend, cl->total));
}

/* Who was held back does not make up for it: it comes in with the least of the others (tc-hfsc(7), UPPERLIMIT). */
static inline void
catch_up(struct hfsc_inner *inner, struct hfsc_class *cl)
{
	uint64_t least = least_virtual(inner);

	if (likely(!key_before(cl->virtual_ns, least) && !is_stale(inner, cl)))
		return;
	hfsc_curve_shift(&cl->link_share, hfsc_bend(cl, HFSC_LINK_SHARE), least - cl->virtual_ns);
	note_virtual(inner, cl, least);
}

/* cl has something to send and may: into its parent's heap, and the parent into its own. */
static void
queue_up(const struct hfsc *h, struct hfsc_class *cl)
{
	struct hfsc_class *parent;

	/* One that is in the heap already may be there from before its parent turned idle and left its own. */
	for (; !cl->unfit && cl->active && (parent = hfsc_parent(h, cl)) != NULL; cl = parent) {
		if (cl->queued)
			continue;
		catch_up(&parent->inner, cl);
		heap_push(&parent->inner.children, cl->virtual_ns, cl);
		cl->queued = true;
	}
}

/*
 * The work of cl has grown; a class that is far ahead, as one whose real-time curve is a thousand times its link-share
 * curve, is so only as far as can be told.
 */
static inline void
count_virtual(struct hfsc_inner *inner, struct hfsc_class *cl)
{
	struct hfsc_bend *bend = hfsc_bend(cl, HFSC_LINK_SHARE);
	uint64_t virtual_ns = hfsc_curve_time(&cl->link_share, bend, cl->total);

	if (unlikely((int64_t)(virtual_ns - inner->clock) > LEAD_MAX)) {
		uint64_t most = inner->clock + (uint64_t)LEAD_MAX;

		hfsc_curve_shift(&cl->link_share, bend, most - virtual_ns);
		virtual_ns = most;
	}
	note_virtual(inner, cl, virtual_ns);
}

/* ---- upper limit */

/*
 * The fit time. Who comes later than that makes up for it, but for no more than lag_max_ns: else a class that its
 * parent has held back for a minute could be over its limit for as long.
 */
static inline void
count_upper_limit(struct hfsc *h, struct hfsc_class *cl, uint64_t now)
{
	struct hfsc_bend *bend = hfsc_bend(cl, HFSC_UPPER_LIMIT);
	uint64_t fit = hfsc_curve_time(&cl->upper_limit, bend, cl->total);

	if (fit > now) {
		cl->unfit = true;
		arm(h, cl, HFSC_WAIT_FIT, fit);
		return;
	}
	cl->unfit = false;
	if (now - fit > cl->lag_max_ns)
		hfsc_curve_shift(&cl->upper_limit, bend, now - fit - cl->lag_max_ns);
}

static void
fit_is_due(struct hfsc *h, struct hfsc_class *cl, uint64_t now)
{
	if (!cl->active || !hfsc_has(cl, HFSC_UPPER_LIMIT))
		return;
	count_upper_limit(h, cl, now);
	if (is_inner(cl) ? !heap_empty(&cl->inner.children) : cl->busy && !cl->parked)
		queue_up(h, cl);
}

/* ---- real time */

/*
 * The deadline curve itself; for a convex one the line of its second slope from the start: what it will need later it
 * gets now, while others need less.
 */
static inline uint64_t
eligible_time(const struct hfsc_class *cl)
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
know_deadline(struct hfsc *h, struct hfsc_class *cl, uint64_t now, uint64_t *deadline)
{
	struct qdisc *leaf = hfsc_class_of(cl)->leaf;
	uint32_t bytes = leaf_first_bytes(leaf, now);

	if (unlikely(bytes == 0)) {
		/* Looking may have dropped all that it held. */
		if (cl->busy)
			park(h, cl, qdisc_next_event(leaf, now));
		return false;
	}
	*deadline = hfsc_curve_time(&cl->deadline, hfsc_bend(cl, HFSC_REAL_TIME), cl->real_time_total + bytes);
	if (*deadline == SCHED_NEVER)
		*deadline = now + FAR_NS;
	return true;
}

static inline void
settle_real_time(struct hfsc *h, struct hfsc_class *cl, uint64_t now)
{
	uint64_t eligible = eligible_time(cl), deadline;

	if (eligible > now) {
		arm(h, cl, HFSC_WAIT_ELIGIBLE, eligible);
	} else if (know_deadline(h, cl, now, &deadline)) {
		heap_push(&h->deadlines, deadline, cl);
		cl->eligible = true;
	}
}

/* After a packet of the class that is first in the heap of deadlines. Returns who will be first before long, or NULL. */
static inline const struct hfsc_class *
settle_first(struct hfsc *h, struct hfsc_class *cl, uint64_t now)
{
	uint64_t eligible = 0, deadline;

	if (cl->busy && !cl->parked && (eligible = eligible_time(cl)) <= now && know_deadline(h, cl, now, &deadline)) {
		cl->eligible = true;
		if (likely(!key_before(deadline, heap_first(&h->deadlines)->key)))
			return heap_delay_first(&h->deadlines, deadline);
		heap_pop(&h->deadlines);
		heap_push(&h->deadlines, deadline, cl);
		return NULL;
	}
	heap_pop(&h->deadlines);
	if (cl->busy && !cl->parked)
		arm(h, cl, HFSC_WAIT_ELIGIBLE, eligible);
	return NULL;
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
			count_upper_limit(h, cl, now);
		}
		cl = parent;
	}
}

void
hfsc_leaf_idle(struct hfsc *h, struct hfsc_class *cl)
{
	struct hfsc_class *parent;

	cl->busy = cl->parked = false;
	if (cl->eligible)
		heap_remove(&h->deadlines, cl);
	cl->eligible = false;
	for (; cl->active; cl = parent) {
		parent = hfsc_parent(h, cl);
		cl->active = false;
		if (parent->inner.ahead == cl)
			parent->inner.ahead = NULL;
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
hfsc_settle(struct hfsc *h, uint64_t now)
{
	while (h->turned != NULL) {
		struct hfsc_class *cl = h->turned;

		h->turned = cl->next_turned;
		cl->turned = false;
		if (cl->busy && !cl->parked && hfsc_has(cl, HFSC_REAL_TIME) && !cl->eligible)
			settle_real_time(h, cl, now);
		if (cl->busy && !cl->parked)
			queue_up(h, cl);
	}
}

static void
is_due(struct hfsc *h, uintptr_t who, uint64_t now)
{
	struct hfsc_class *cl = class_of_wait(who);
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
		settle_real_time(h, cl, now);
}

/* ---- looking ahead */

static inline void
prefetch_class(const struct hfsc_class *cl)
{
	class_prefetch(hfsc_class_of(cl));
	rte_prefetch0(&cl->virtual_ns);
	rte_prefetch0(&cl->upper_limit);
}

static inline void
prefetch_inner(const struct hfsc_class *cl)
{
	rte_prefetch0(cl);
	rte_prefetch0(&cl->virtual_ns);
	rte_prefetch0(&cl->inner);
}

/*
 * Whoever comes first in a heap now will have a turn, a while from now if it is an inner class's: its class at once, its
 * leaf qdisc four turns later, and so on. A class that goes takes all of these with it.
 */
static inline void
look_ahead(struct hfsc *h, const struct hfsc_class *cl)
{
	const struct hfsc_class *seen;

	if (cl != NULL)
		prefetch_class(cl);
	h->ahead[h->ahead_count++ % HFSC_AHEAD] = cl;
	if ((seen = h->ahead[(h->ahead_count - 4) % HFSC_AHEAD]) != NULL)
		leaf_prefetch(hfsc_class_of(seen));
	if ((seen = h->ahead[(h->ahead_count - 6) % HFSC_AHEAD]) != NULL)
		leaf_prefetch_queue(hfsc_class_of(seen));
}

static void
prefetch_due_later(struct hfsc *h, uint64_t now)
{
	uintptr_t later[DUE_BURST];
	unsigned int n = due_look_ahead(&h->look, &h->wheel, now, later, RTE_DIM(later));

	for (unsigned int i = 0; i < n; i++)
		prefetch_class(class_of_wait(later[i]));
}

static void
run_timers(struct hfsc *h, uint64_t now)
{
	uintptr_t due[DUE_BURST];
	unsigned int n;

	while ((n = wheel_pop(&h->wheel, now, due, DUE_BURST)) != 0) {
		for (unsigned int i = 0; i < n; i++)
			prefetch_class(class_of_wait(due[i]));
		for (unsigned int i = 0; i < n; i++)
			leaf_prefetch(hfsc_class_of(class_of_wait(due[i])));
		for (unsigned int i = 0; i < n; i++)
			is_due(h, due[i], now);
	}
	hfsc_settle(h, now);
}

/* ---- changes of configuration */

void
hfsc_restart_curves(struct hfsc *h, struct hfsc_class *cl, unsigned int kinds, uint64_t now)
{
	struct hfsc_class *parent = hfsc_parent(h, cl);

	if ((kinds & 1u << HFSC_REAL_TIME) != 0 && !is_inner(cl))
		hfsc_curve_start(&cl->deadline, hfsc_bend(cl, HFSC_REAL_TIME), now, cl->real_time_total);
	if ((kinds & 1u << HFSC_LINK_SHARE) != 0 && parent != NULL) {
		uint64_t at = is_stale(&parent->inner, cl) ? parent->inner.clock : cl->virtual_ns;

		hfsc_curve_start(&cl->link_share, hfsc_bend(cl, HFSC_LINK_SHARE), at, cl->total);
		note_virtual(&parent->inner, cl, at);
	}
	if ((kinds & 1u << HFSC_UPPER_LIMIT) != 0)
		hfsc_curve_start(&cl->upper_limit, hfsc_bend(cl, HFSC_UPPER_LIMIT), now, cl->total);
	cl->unfit = false;
	if (hfsc_has(cl, HFSC_UPPER_LIMIT) && cl->active)
		count_upper_limit(h, cl, now);
	if (cl->busy)
		hfsc_leaf_busy(h, cl, now);
	else if (cl->active && is_inner(cl) && !heap_empty(&cl->inner.children))
		queue_up(h, cl);
}

void
hfsc_take_out(struct hfsc *h, struct hfsc_class *cl)
{
	struct hfsc_class *parent = hfsc_parent(h, cl);

	for (unsigned int wait = 0; wait < HFSC_WAIT_PARKED; wait++) {
		if ((cl->armed & 1u << wait) != 0)
			wheel_remove(&h->wheel, wait_of(cl, wait));
	}
	cl->armed = 0;
	parking_leave(&hfsc_more(cl)->parking, &h->wheel, wait_of(cl, HFSC_WAIT_PARKED));
	cl->unfit = false;
	if (cl->eligible)
		heap_remove(&h->deadlines, cl);
	cl->eligible = false;
	if (cl->queued)
		heap_remove(&parent->inner.children, cl);
	cl->queued = false;
	for (struct hfsc_class **at = &h->turned; *at != NULL; at = &(*at)->next_turned) {
		if (*at == cl) {
			*at = cl->next_turned;
			cl->turned = false;
			break;
		}
	}
}

/* ---- sending */

/*
 * The leaf that link sharing chooses, NULL if nobody may send. On the way what is found first in a heap and should not
 * be there is put right.
 */
static struct hfsc_class *
next_by_share(struct hfsc *h)
{
	struct hfsc_class *root = class_priv(h->root), *cl = root;

	while (is_inner(cl)) {
		struct min_heap *heap = &cl->inner.children;
		struct hfsc_class *child;

		if (unlikely(heap_empty(heap))) {
			if (cl == root)
				return NULL;
			cl->queued = false;
			cl = hfsc_parent(h, cl);
			heap_pop(&cl->inner.children);
			continue;
		}
		child = heap_first(heap)->item;
		if (unlikely(!child->active || child->unfit || child->parked)) {
			heap_pop(heap);
			child->queued = false;
		} else if (unlikely(heap_first(heap)->key != child->virtual_ns)) {
			heap_delay_first(heap, child->virtual_ns);
		} else {
			tick(&cl->inner, child->virtual_ns);
			cl = child;
		}
	}
	return cl;
}

/* A heap's first child has been served: it goes where it belongs, or out. */
static inline void
put_first_right(struct min_heap *heap, struct hfsc_class *cl, bool inner)
{
	bool stays = cl->active && !cl->unfit && !cl->parked && !(inner && heap_empty(&cl->inner.children));

	if (stays) {
		const struct hfsc_class *soon = heap_delay_first(heap, cl->virtual_ns);

		if (inner && soon != NULL)
			prefetch_inner(soon);
	} else {
		heap_pop(heap);
		cl->queued = false;
	}
}

/*
 * A packet of the leaf cl has left: it is work of all classes above, too, whichever criterion has chosen it. Where a
 * leaf without a link-share curve sends, those above that have nobody to share for keep their virtual times.
 */
static inline void
charge(struct hfsc *h, struct hfsc_class *leaf, uint64_t bytes, uint64_t now)
{
	struct hfsc_class *parent;
	bool shares = hfsc_has(leaf, HFSC_LINK_SHARE);

	for (struct hfsc_class *cl = leaf; (parent = hfsc_parent(h, cl)) != NULL; cl = parent) {
		struct min_heap *heap = &parent->inner.children;

		cl->total += bytes;
		if (likely(shares || cl->active))
			count_virtual(&parent->inner, cl);
		if (hfsc_has(cl, HFSC_UPPER_LIMIT))
			count_upper_limit(h, cl, now);
		if (cl->queued && heap_first(heap)->item == cl)
			put_first_right(heap, cl, cl != leaf);
	}
}

/* The leaf that is next by all that is known: what was fetched when it came first among its sisters has gone far. */
static inline void
fetch_next(const struct hfsc *h)
{
	const struct hfsc_inner *inner = &((const struct hfsc_class *)class_priv(h->root))->inner;

	while (!heap_empty(&inner->children)) {
		const struct hfsc_class *cl = heap_first(&inner->children)->item;

		/* Leaves are not to be touched before they are there. */
		if (!inner->deep || !is_inner(cl)) {
			prefetch_class(cl);
			return;
		}
		inner = &cl->inner;
	}
}

/* Who comes first in the heap of cl's parent now. */
static inline const struct hfsc_class *
next_sister(const struct hfsc *h, const struct hfsc_class *cl)
{
	const struct min_heap *heap = &hfsc_parent(h, cl)->inner.children;

	return heap->end <= HEAP_ROOT + HFSC_FEW ? NULL : heap_first(heap)->item;
}

/* A packet of cl: 0 if its leaf qdisc gives none. */
static inline uint16_t
take_packet(struct hfsc *h, struct hfsc_class *cl, struct rte_mbuf **pkts, bool real_time, struct leaf_sums *sums,
	uint64_t now)
{
	struct class *c = hfsc_class_of(cl);
	uint64_t bytes;

	if (unlikely(leaf_give(c, pkts, 1, &bytes, sums, now) == 0)) {
		/* It may have dropped all that it held (CoDel), and is idle then. */
		if (cl->busy)
			park(h, cl, qdisc_next_event(c->leaf, now));
		return 0;
	}
	if (real_time)
		cl->real_time_total += bytes;
	charge(h, cl, bytes, now);
	if (!real_time) {
		look_ahead(h, next_sister(h, cl));
		fetch_next(h);
	}
	return 1;
}

bool
hfsc_may_send(struct hfsc *h, uint64_t now)
{
	hfsc_settle(h, now);
	return !heap_empty(&h->deadlines) || next_by_share(h) != NULL;
}

uint16_t
hfsc_serve(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct hfsc *h = qdisc_priv(q);
	struct leaf_sums sums = { 0 };
	uint16_t got = 0;

	run_timers(h, now);
	while (got < n) {
		const struct hfsc_class *cl_soon;
		struct hfsc_class *cl;

		if (!heap_empty(&h->deadlines)) {
			cl = heap_first(&h->deadlines)->item;
			/* Its entry is settle_first's, whatever becomes of cl meanwhile. */
			cl->eligible = false;
			got += take_packet(h, cl, pkts + got, true, &sums, now);
			cl_soon = settle_first(h, cl, now);
			if (cl_soon != NULL)
				look_ahead(h, cl_soon);
		} else if ((cl = next_by_share(h)) != NULL) {
			got += take_packet(h, cl, pkts + got, false, &sums, now);
		} else {
			break;
		}
	}
	q->overlimits += got == 0 && n != 0;
	qdisc_left_below(q, sums.packets, sums.bytes, now);
	prefetch_due_later(h, now);
	return got;
}
