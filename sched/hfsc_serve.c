/* SPDX-License-Identifier: BSD-3-Clause */
/* H-FSC: who is next, and what its packet counts. See hfsc.h for the two criteria. */
#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "hfsc.h"
#include "hfsc_times.h"
#include "leaf.h"

#define DUE_BURST 64 /* classes taken out of the wheel at a time */

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
		prefetch_class(hfsc_class_of_wait(later[i]));
}

static void
run_timers(struct hfsc *h, uint64_t now)
{
	uintptr_t due[DUE_BURST];
	unsigned int n;

	while ((n = wheel_pop(&h->wheel, now, due, DUE_BURST)) != 0) {
		for (unsigned int i = 0; i < n; i++)
			prefetch_class(hfsc_class_of_wait(due[i]));
		for (unsigned int i = 0; i < n; i++)
			leaf_prefetch(hfsc_class_of(hfsc_class_of_wait(due[i])));
		for (unsigned int i = 0; i < n; i++)
			hfsc_is_due(h, due[i], now);
	}
	hfsc_settle(h, now);
}

/* ---- sending */

/* After a packet of the class that is first in the heap of deadlines. Returns who will be first before long, or NULL. */
static inline const struct hfsc_class *
settle_first(struct hfsc *h, struct hfsc_class *cl, uint64_t now)
{
	uint64_t eligible = 0, deadline;

	if (cl->busy && !cl->parked && (eligible = hfsc_eligible_time(cl)) <= now &&
		hfsc_know_deadline(h, cl, now, &deadline)) {
		cl->eligible = true;
		return heap_change_first(&h->deadlines, deadline);
	}
	heap_pop(&h->deadlines);
	if (cl->busy && !cl->parked)
		hfsc_arm(h, cl, HFSC_WAIT_ELIGIBLE, eligible);
	return NULL;
}

/*
 * The leaf that link sharing chooses, NULL if nobody may send. On the way what is found first in a heap and should not
 * be there is put right.
 */
static struct hfsc_class *
next_by_share(struct hfsc *h)
{
	struct hfsc_class *root = class_priv(h->root), *cl = root;

	while (hfsc_is_inner(cl)) {
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
			heap_change_first(heap, child->virtual_ns);
		} else {
			hfsc_tick(&cl->inner, child->virtual_ns);
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
		const struct hfsc_class *soon = heap_change_first(heap, cl->virtual_ns);

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
			hfsc_count_virtual(&parent->inner, cl);
		if (hfsc_has(cl, HFSC_UPPER_LIMIT))
			hfsc_count_upper_limit(h, cl, now);
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
		if (!inner->deep || !hfsc_is_inner(cl)) {
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
			hfsc_park(h, cl, qdisc_next_event(c->leaf, now));
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
