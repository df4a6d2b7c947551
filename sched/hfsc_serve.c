/* SPDX-License-Identifier: BSD-3-Clause */
/* H-FSC: who is next, and what its packet counts. See hfsc.h for the two criteria. */
#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "hfsc.h"
#include "hfsc_times.h"
#include "leaf.h"

/* ---- looking ahead */

/*
 * cl, or a leaf below it, will have a turn some packets from now: what that will touch is fetched, and a few packets
 * later, when that is there, what waits behind the leaf's first packets. A class that goes takes all of these with it.
 */
static __rte_always_inline void
look_ahead(struct hfsc *h, const struct hfsc_class *cl, bool is_leaf)
{
	const struct hfsc_class *seen;

	/* A leaf is not touched: it may be far. */
	while (!is_leaf && hfsc_is_inner(cl) && !contest_empty(&cl->inner.children)) {
		is_leaf = !cl->inner.deep;
		cl = cl->inner.children.first;
	}
	hfsc_prefetch_class(cl);
	h->ahead[h->ahead_count++ % HFSC_AHEAD] = cl;
	seen = h->ahead[h->ahead_count % HFSC_AHEAD];
	if (seen != NULL && likely(!hfsc_is_inner(seen)))
		hfsc_prefetch_more(h, seen);
}

/* ---- sending */

/*
 * cl has got so much more work. Its virtual time stays if it has nobody to share for, because the leaf that sent has no
 * link-share curve.
 */
static __rte_always_inline void
charge(struct hfsc *h, struct hfsc_inner *inner, struct hfsc_class *cl, uint64_t bytes, bool by_share, bool shares,
	uint64_t now)
{
	cl->total += bytes;
	if (likely(shares || cl->active))
		hfsc_count_virtual(inner, cl, by_share);
	if (unlikely(hfsc_has(cl, HFSC_UPPER_LIMIT)))
		hfsc_count_upper_limit(h, cl, now);
}

/* Contests are kept right: cl, whose contest nobody is left in if it is `gone`, has got so much more work. */
static __rte_always_inline bool
charge_level(struct hfsc *h, struct hfsc_inner *inner, struct hfsc_class *cl, uint64_t bytes, bool by_share,
	bool shares, bool gone, uint64_t now)
{
	if (by_share)
		hfsc_tick(inner, cl->virtual_ns);
	charge(h, inner, cl, bytes, by_share, shares, now);
	if (!cl->queued)
		return false;
	if (cl->unfit || gone)
		return hfsc_leave_contest(inner, cl);
	hfsc_put_right(inner, cl);
	return false;
}

/*
 * Classes that are alone in their parents' contests are chosen whatever their virtual times, and nobody comes there in
 * this call, or turns eligible: they are charged for its packets together, which are all chosen by link sharing from
 * here on, as long as none of them can be over its upper limit.
 */
static __rte_noinline void
find_alone(struct hfsc *h, uint64_t now)
{
	struct hfsc_class *root = class_priv(h->root), *cl = root;
	uint64_t room = HFSC_ROOM;

	while (cl->inner.children.count == 1 && hfsc_is_inner(cl->inner.children.first)) {
		cl = cl->inner.children.first;
		while (room >= HFSC_ROOM_MIN && !hfsc_is_fit_after(cl, room, now))
			room /= 4;
	}
	h->alone_known = true;
	h->alone = cl != root && room >= HFSC_ROOM_MIN ? cl : NULL;
	h->alone_room = room;
}

/* What they owe; the clocks are to stand before the last packet. */
static __rte_noinline void
pay_alone(struct hfsc *h, bool gone, uint64_t now)
{
	struct hfsc_class *root = class_priv(h->root);

	for (struct hfsc_class *cl = h->alone; cl != root; cl = hfsc_above(root, cl)) {
		struct hfsc_inner *inner = &hfsc_above(root, cl)->inner;

		charge(h, inner, cl, h->alone_ticked, false, true, now);
		gone = charge_level(h, inner, cl, h->alone_owed - h->alone_ticked, true, true, gone, now);
	}
	h->alone_owed = h->alone_ticked = 0;
	h->alone = NULL;
	h->alone_known = false;
}

/*
 * A packet has left, and contests are kept right: it is work of all classes above, too, whichever criterion has chosen
 * it. Returns who will be first before long in the highest contest that is not small, NULL if there is none.
 */
static __rte_always_inline struct hfsc_class *
charge_all(struct hfsc *h, struct hfsc_class *leaf, uint64_t bytes, bool by_share, bool *is_leaf, uint64_t now)
{
	struct hfsc_class *root = class_priv(h->root), *cl = hfsc_above(root, leaf), *soon = NULL;
	bool shares = by_share || hfsc_has(leaf, HFSC_LINK_SHARE), gone;

	gone = charge_level(h, &cl->inner, leaf, bytes, by_share, shares, false, now);
	if (leaf->queued && cl->inner.children.height > HFSC_SMALL) {
		soon = contest_soon(&cl->inner.children, leaf->place);
		*is_leaf = true;
	}
	while (cl != root && cl != h->alone) {
		struct hfsc_class *parent = hfsc_above(root, cl);
		struct hfsc_inner *inner = &parent->inner;

		gone = charge_level(h, inner, cl, bytes, by_share, shares, gone, now);
		if (cl->queued && inner->children.height > HFSC_SMALL) {
			soon = contest_soon(&inner->children, cl->place);
			*is_leaf = !inner->deep;
		}
		cl = parent;
	}
	if (cl == root) {
		if (by_share && !h->alone_known)
			find_alone(h, now);
		return soon;
	}
	h->alone_ticked = h->alone_owed;
	h->alone_owed += bytes;
	if (unlikely(gone || h->alone_owed + HFSC_ROOM_MIN > h->alone_room))
		pay_alone(h, gone, now);
	return soon;
}

/* cl's work has grown while contests are left as they are, but for who is first. */
static __rte_always_inline void
charge_aside(struct hfsc *h, struct hfsc_class *root, struct hfsc_class *cl, uint64_t bytes, bool shares, uint64_t now)
{
	struct hfsc_inner *inner = &hfsc_above(root, cl)->inner;

	charge(h, inner, cl, bytes, false, shares, now);
	if (unlikely(cl->unfit))
		hfsc_withdraw(h, cl);
	if (likely(inner->children.first != cl))
		cl->moved = true;
	else
		hfsc_put_right(inner, cl);
}

/* What the classes from h->owing on have not been charged yet. */
static __rte_noinline void
pay(struct hfsc *h, uint64_t now)
{
	struct hfsc_class *root = class_priv(h->root);

	for (struct hfsc_class *cl = h->owing; cl != root; cl = hfsc_above(root, cl))
		charge_aside(h, root, cl, h->owed, true, now);
	h->owed = 0;
}

/*
 * A packet has left by a real-time curve. All are charged as they are for link sharing, but of those above the leaf's
 * parent, which most of a burst have in common, nobody asks meanwhile: they pay when a class is to be chosen by link
 * sharing, or the call ends. The first packet of several is charged at once, as it shows what they may make up for.
 */
static __rte_always_inline void
charge_real_time(struct hfsc *h, struct hfsc_class *leaf, uint64_t bytes, uint64_t now)
{
	struct hfsc_class *root = class_priv(h->root), *cl = hfsc_above(root, leaf);
	bool shares = hfsc_has(leaf, HFSC_LINK_SHARE);

	charge_aside(h, root, leaf, bytes, shares, now);
	if (unlikely(cl == root))
		return;
	charge_aside(h, root, cl, bytes, shares, now);
	cl = hfsc_above(root, cl);
	if (likely(cl == h->owing && shares)) {
		h->owed += bytes;
		return;
	}
	if (h->owed != 0)
		pay(h, now);
	h->owing = cl;
	for (; cl != root; cl = hfsc_above(root, cl))
		charge_aside(h, root, cl, bytes, shares, now);
}

/* A packet of cl: 0 if its leaf qdisc gives none. */
static __rte_always_inline uint16_t
serve(struct hfsc *h, struct hfsc_class *cl, bool by_share, struct rte_mbuf **pkts, struct leaf_sums *sums,
	uint64_t now)
{
	struct class *c = hfsc_class_of(cl);
	struct hfsc_class *soon = NULL;
	bool is_leaf = false;
	uint64_t bytes;

	if (unlikely(leaf_give(c, pkts, 1, &bytes, sums, now) == 0)) {
		/* It may have dropped all that it held (CoDel), and is idle then. */
		if (cl->busy)
			hfsc_park(h, cl, qdisc_next_event(c->leaf, now));
		return 0;
	}
	h->sharing = by_share ? HFSC_SHARING : h->sharing - (h->sharing != 0);
	if (by_share || h->sharing != 0)
		soon = charge_all(h, cl, bytes, by_share, &is_leaf, now);
	else
		charge_real_time(h, cl, bytes, now);
	if (!by_share) {
		cl->real_time_total += bytes;
		/* Idle or parked, it is out. */
		if (cl->busy && !cl->parked)
			hfsc_settle_real_time(h, cl, now);
	}
	if (soon != NULL)
		look_ahead(h, soon, is_leaf);
	return 1;
}

/* The leaf whose deadline comes first, which is in the agenda no longer. */
static inline struct hfsc_class *
take_first(struct hfsc *h)
{
	struct agenda *deadlines = &h->deadlines;
	struct hfsc_class *cl = (struct hfsc_class *)agenda_take(deadlines);
	const struct hfsc_class *coming = (const struct hfsc_class *)agenda_coming(deadlines);
	const struct hfsc_class *next = (const struct hfsc_class *)agenda_after(deadlines, HFSC_QUEUE_AHEAD);

	cl->eligible = false;
	if (coming != NULL)
		hfsc_prefetch_class(coming);
	if (next != NULL)
		hfsc_prefetch_more(h, next);
	return cl;
}

/* The leaf that link sharing chooses, NULL if nobody may send. */
static inline struct hfsc_class *
next_by_share(const struct hfsc *h)
{
	struct hfsc_class *cl = class_priv(h->root);

	while (cl != NULL && hfsc_is_inner(cl)) {
		struct hfsc_inner *inner = &cl->inner;

		while ((cl = inner->children.first) != NULL && unlikely(cl->moved))
			hfsc_put_right(inner, cl);
	}
	return cl;
}

bool
hfsc_may_send(struct hfsc *h, uint64_t now)
{
	hfsc_settle(h, now);
	return h->deadlines.count != 0 || next_by_share(h) != NULL;
}

uint16_t
hfsc_serve(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct hfsc *h = qdisc_priv(q);
	struct leaf_sums sums = { 0 };
	uintptr_t later[HFSC_DUE];
	unsigned int seen, fetched = 0;
	uint16_t got = 0;

	hfsc_run_timers(h, now);
	seen = due_look_ahead(&h->look, &h->wheel, now, later, RTE_DIM(later));
	while (got < n) {
		struct hfsc_class *cl;

		if (fetched < seen)
			hfsc_prefetch_class(hfsc_class_of_wait(later[fetched++]));
		if (h->deadlines.count != 0) {
			got += serve(h, take_first(h), false, pkts + got, &sums, now);
			continue;
		}
		if (h->owed != 0)
			pay(h, now);
		if ((cl = next_by_share(h)) != NULL)
			got += serve(h, cl, true, pkts + got, &sums, now);
		else
			break;
	}
	if (h->owed != 0)
		pay(h, now);
	if (h->alone_owed != 0)
		pay_alone(h, false, now);
	h->alone = h->owing = NULL;
	h->alone_known = false;
	q->overlimits += got == 0 && n != 0;
	qdisc_left_below(q, sums.packets, sums.bytes, now);
	while (fetched < seen)
		hfsc_prefetch_class(hfsc_class_of_wait(later[fetched++]));
	return got;
}
