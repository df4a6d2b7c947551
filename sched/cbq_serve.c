/* SPDX-License-Identifier: BSD-3-Clause */
/* CBQ: timers and sending. */
#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "cbq.h"
#include "cbq_estimator.h"
#include "leaf.h"

#define WAIT_MASK 3u
#define DUE_BURST 64 /* classes taken out of the wheel at a time */

/* ---- waiting */

static inline uintptr_t
wait_of(const struct cbq_class *cl, enum cbq_wait wait)
{
	return (uintptr_t)cl | wait;
}

static inline struct cbq_class *
class_of_wait(uintptr_t who)
{
	return (struct cbq_class *)(who & ~(uintptr_t)WAIT_MASK);
}

/* A wait that is there already is left: it goes off early, and the class is looked at anew. */
void
cbq_arm(struct cbq *h, struct cbq_class *cl)
{
	if (cl->armed || !cl->lends)
		return;
	cl->armed = true;
	wheel_add(&h->wheel, cl->until_ns, wait_of(cl, CBQ_WAIT_LIMIT));
}

/* Its leaf qdisc, a shaper itself, gives nothing for now. */
static void
park(struct cbq *h, struct cbq_class *cl, uint64_t until_ns)
{
	cbq_leaf_idle(h, cl);
	cl->parked = true;
	parking_wait(&cbq_more(cl)->parking, &h->wheel, wait_of(cl, CBQ_WAIT_PARKED), until_ns);
}

void
cbq_unpark(struct cbq *h, struct cbq_class *cl, uint64_t now)
{
	cl->parked = false;
	cbq_leaf_busy(h, cl, now);
}

void
cbq_disarm(struct cbq *h, struct cbq_class *cl)
{
	if (cl->armed)
		wheel_remove(&h->wheel, wait_of(cl, CBQ_WAIT_LIMIT));
	cl->armed = false;
	parking_leave(&cbq_more(cl)->parking, &h->wheel, wait_of(cl, CBQ_WAIT_PARKED));
}

static void
is_due(struct cbq *h, uintptr_t who, uint64_t now)
{
	struct cbq_class *cl = class_of_wait(who);

	if (likely((who & WAIT_MASK) == CBQ_WAIT_LIMIT)) {
		cl->armed = false;
		if (cl->busy != 0)
			cbq_review(h, cl, now);
	} else {
		struct parking *parking = &cbq_more(cl)->parking;

		parking->armed = false;
		if (cl->parked && parking_is_over(parking, &h->wheel, who, now))
			cbq_unpark(h, cl, now);
	}
}

static inline void
prefetch_class(const struct cbq_class *cl)
{
	class_prefetch(cbq_class_of(cl));
	rte_prefetch0(&cl->avgidle);
}

/* All that are due at a time go through each stage together, so that their memory comes together, too. */
static void
run_timers(struct cbq *h, uint64_t now)
{
	uintptr_t due[DUE_BURST];
	unsigned int n;

	while ((n = wheel_pop(&h->wheel, now, due, DUE_BURST)) != 0) {
		for (unsigned int i = 0; i < n; i++)
			prefetch_class(class_of_wait(due[i]));
		for (unsigned int i = 0; i < n; i++)
			is_due(h, due[i], now);
	}
}

static void
prefetch_due_later(struct cbq *h, uint64_t now)
{
	uintptr_t later[DUE_BURST];
	unsigned int n = due_look_ahead(&h->look, &h->wheel, now, later, RTE_DIM(later));

	for (unsigned int i = 0; i < n; i++)
		prefetch_class(class_of_wait(later[i]));
}

/* ---- looking ahead */

static inline const struct class *
seen(const struct cbq_look_ahead *ahead, unsigned int steps_ago)
{
	return ahead->seen[(ahead->count - steps_ago) % CBQ_AHEAD];
}

/*
 * Before each turn in `ring`: the class a dozen turns on is fetched, then its leaf, that one's first entry and the
 * packet. Who is seen may leave the ring before his turn comes, or others come: what is fetched is only more or less
 * useful then.
 */
static inline void
look_ahead(const struct cbq *h, struct cbq_look_ahead *ahead, const struct turn_ring *ring)
{
	uint32_t next = h->turns[ahead->scout].next;
	const struct class *c = NULL;

	ahead->turn = ring->current;
	if (unlikely(ahead->ring != ring || next == 0)) {
		ahead->ring = ring;
		next = ring->current;
		for (unsigned int i = 0; i < CBQ_AHEAD - 4; i++)
			next = h->turns[next].next;
	}
	ahead->scout = next;
	if (likely(next <= CBQ_MINORS)) {
		c = cbq_class_at(h, next);
		prefetch_class(class_priv(c));
	}
	ahead->seen[ahead->count++ % CBQ_AHEAD] = c;
	if ((c = seen(ahead, 6)) != NULL)
		leaf_prefetch(c);
	if ((c = seen(ahead, 9)) != NULL)
		leaf_prefetch_queue(c);
}

/* ---- sending */

/*
 * The classes above cl, where it is not isolated or borrows from there, have used their rates, too: "a class's usage
 * is that of all of its descendants".
 */
static inline void
charge_above(struct cbq *h, struct cbq_class *cl, struct cbq_class *lender, uint64_t bytes, uint64_t now)
{
	bool paid = cl == lender;

	for (;;) {
		struct cbq_class *above = cl->isolated && !paid ? lender : cbq_parent(h, cl);
		struct cbq_more *more;

		if (above == NULL || (cl->isolated && paid))
			return;
		cl = above;
		more = cbq_more(cl);
		paid = paid || cl == lender;
		more->sent_bytes += bytes;
		more->sent_packets++;
		cbq_charge(cl, bytes, cl == lender || cl->busy != 0, now);
		if (cl->busy != 0)
			cbq_review(h, cl, now);
	}
}

/* A packet of cl's turn, if its leaf gives one: each is charged by itself, whatever many are asked for at once. */
static inline bool
serve_leaf(struct cbq *h, struct cbq_class *cl, struct cbq_class *lender, struct rte_mbuf **pkts,
	struct leaf_sums *sums, uint64_t now)
{
	struct class *c = cbq_class_of(cl);
	uint64_t bytes;

	if (unlikely(leaf_give(c, pkts, 1, &bytes, sums, now) == 0)) {
		/* It may have dropped all that it held (CoDel), and is out of the ring then. */
		if (c->leaf->backlog_pkts != 0)
			park(h, cl, qdisc_next_event(c->leaf, now));
		return false;
	}
	cbq_use_turn(h, cl, bytes);
	if (unlikely(lender != cl)) {
		cbq_more(cl)->borrows++;
		cbq_more(lender)->borrows++;
	}
	cbq_charge(cl, bytes, true, now);
	if (cl->busy != 0)
		cbq_review(h, cl, now);
	charge_above(h, cl, lender, bytes, now);
	return true;
}

uint16_t
cbq_serve(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct cbq *h = qdisc_priv(q);
	struct leaf_sums sums = { 0 };
	bool top_level = cbq_top_level();
	uint16_t got = 0;

	run_timers(h, now);
	while (got < n && h->busy_levels != 0) {
		unsigned int level = (unsigned int)__builtin_ctz(h->busy_levels);
		unsigned int prio = (unsigned int)__builtin_ctz(h->busy_rows[level]);
		const struct turn_ring *ring;
		struct cbq_class *lender, *cl;

		if (unlikely(top_level))
			cbq_choose_row(h, &level, &prio);
		cl = cbq_next_leaf(h, level, prio, &lender, &ring);
		if (h->prios[prio].busy > CBQ_FEW && ring->current != h->ahead.turn)
			look_ahead(h, &h->ahead, ring);
		if (unlikely(cl->deficit <= 0)) {
			cbq_use_turn(h, cl, 0);
			continue;
		}
		if (unlikely(!serve_leaf(h, cl, lender, pkts + got, &sums, now)))
			continue;
		got++;
		if (unlikely(top_level))
			cbq_note_sent(h, cl, now);
	}
	qdisc_left_below(q, sums.packets, sums.bytes, now);
	prefetch_due_later(h, now);
	return got;
}
