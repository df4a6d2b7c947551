/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTB: whose turn it is. A busy class that can send stands in a row of its level and prio; one that may borrow stands in its parent's ring
 * for that prio, and makes the parent busy; one that cannot send stands nowhere. So the first busy row of the lowest level leads,
 * ring by ring, to the leaf that is next, and nothing is ever searched. Classes that are over a bucket wait in a timer wheel.
 */
#include <rte_branch_prediction.h>

#include "htb.h"

/* A class that was asked to pay more than it had, because its children's rates add up to more than its own, forgets debts beyond this. */
#define DEBT_MAX_NS UINT64_C(60000000000)

static struct htb_class *
htb_parent(const struct htb_class *cl)
{
	return cl->c->parent == NULL ? NULL : class_priv(cl->c->parent);
}

/* ---- rings */

static void
insert_behind(struct htb_turn *place, struct htb_turn *turn)
{
	turn->next = place->next;
	turn->previous = place;
	place->next->previous = turn;
	place->next = turn;
}

/*
 * Who comes is the last of this round, but one that only went to send a packet at its own rate has its turn again: else it would lose
 * the rest of its quantum each time, and quanta would not decide the shares.
 */
static void
ring_add(struct htb_ring *ring, struct htb_turn *turn)
{
	if (ring->last == NULL) {
		turn->next = turn->previous = turn;
		ring->current = ring->last = turn;
	} else if (ring->returning == turn && !ring->ended) {
		insert_behind(ring->current->previous, turn);
		ring->current = turn;
	} else {
		insert_behind(ring->last, turn);
		ring->last = turn;
		if (ring->returning == turn)
			ring->current = turn;
	}
	if (ring->returning == turn) {
		ring->returning = NULL;
		ring->ended = false;
	}
}

static void
ring_remove(struct htb_ring *ring, struct htb_turn *turn)
{
	/* Several may leave before anyone is served: the turn is that of the first. */
	if (ring->current == turn && ring->returning == NULL) {
		ring->returning = turn;
		ring->ended = ring->last == turn;
	}
	if (turn->next == turn) {
		ring->current = ring->last = NULL;
		ring->ended = false;
	} else {
		if (ring->current == turn)
			ring->current = turn->next;
		if (ring->last == turn)
			ring->last = turn->previous;
		turn->next->previous = turn->previous;
		turn->previous->next = turn->next;
	}
	turn->next = turn->previous = NULL;
}

static struct htb_class *
class_of_turn(struct htb_turn *turn, unsigned int prio)
{
	return (struct htb_class *)((char *)(turn - prio) - offsetof(struct htb_class, turns));
}

static struct htb_ring *
ring_of(struct htb *h, const struct htb_class *cl, unsigned int prio)
{
	return cl->mode == HTB_CAN_SEND ? &h->rows[cl->level][prio] : &htb_parent(cl)->rings[prio];
}

/* An inner class's turn is a round of its children's: when that ends, its own does. */
static void
pass_turn(struct htb *h, struct htb_class *cl, unsigned int prio)
{
	bool ended = true;

	while (ended && cl->turns[prio].next != NULL) {
		struct htb_ring *ring = ring_of(h, cl, prio);

		if (ring->current != &cl->turns[prio])
			return;
		ended = ring->current == ring->last && cl->mode != HTB_CAN_SEND;
		ring->current = ring->current->next;
		if (ended)
			cl = htb_parent(cl);
	}
}

/* Puts cl where its mode says, for each prio in `prios`; a parent that turns busy by that follows. */
static void
activate(struct htb *h, struct htb_class *cl, unsigned int prios)
{
	while (prios != 0) {
		struct htb_class *parent = htb_parent(cl);
		unsigned int fresh = 0;

		if (cl->mode == HTB_CANNOT_SEND || (cl->mode == HTB_MAY_BORROW && parent == NULL))
			return;
		for (unsigned int rest = prios; rest != 0; rest &= rest - 1) {
			unsigned int prio = (unsigned int)__builtin_ctz(rest);

			if (cl->mode == HTB_CAN_SEND) {
				ring_add(&h->rows[cl->level][prio], &cl->turns[prio]);
				h->busy_rows[cl->level] |= (uint8_t)(1u << prio);
				h->busy_levels |= (uint8_t)(1u << cl->level);
			} else {
				if (parent->rings[prio].current == NULL)
					fresh |= 1u << prio;
				ring_add(&parent->rings[prio], &cl->turns[prio]);
			}
		}
		if (cl->mode == HTB_CAN_SEND)
			return;
		parent->busy |= (uint8_t)fresh;
		cl = parent;
		prios = fresh;
	}
}

/* The reverse: takes cl out of where its mode has put it. */
static void
deactivate(struct htb *h, struct htb_class *cl, unsigned int prios)
{
	while (prios != 0) {
		struct htb_class *parent = htb_parent(cl);
		unsigned int gone = 0;

		if (cl->mode == HTB_CANNOT_SEND || (cl->mode == HTB_MAY_BORROW && parent == NULL))
			return;
		for (unsigned int rest = prios; rest != 0; rest &= rest - 1) {
			unsigned int prio = (unsigned int)__builtin_ctz(rest);

			if (cl->mode == HTB_CAN_SEND) {
				ring_remove(&h->rows[cl->level][prio], &cl->turns[prio]);
				/* Who can no longer send at its own rate has had what is due to it. */
				h->rows[cl->level][prio].returning = NULL;
				if (h->rows[cl->level][prio].current == NULL)
					h->busy_rows[cl->level] &= (uint8_t) ~(1u << prio);
				if (h->busy_rows[cl->level] == 0)
					h->busy_levels &= (uint8_t) ~(1u << cl->level);
			} else {
				ring_remove(&parent->rings[prio], &cl->turns[prio]);
				if (parent->rings[prio].current == NULL)
					gone |= 1u << prio;
			}
		}
		if (cl->mode == HTB_CAN_SEND)
			return;
		parent->busy &= (uint8_t)~gone;
		cl = parent;
		prios = gone;
	}
}

void
htb_leaf_busy(struct htb *h, struct htb_class *cl)
{
	cl->busy = (uint8_t)(1u << cl->prio);
	activate(h, cl, cl->busy);
}

void
htb_leaf_idle(struct htb *h, struct htb_class *cl)
{
	if (cl->parked) {
		wheel_remove(&h->wheel, &cl->parked_timer);
		cl->parked = false;
		return;
	}
	deactivate(h, cl, cl->busy);
	cl->busy = 0;
}

/* Its leaf qdisc, a shaper itself, gives nothing for now. */
static void
park(struct htb *h, struct htb_class *cl, uint64_t until_ns)
{
	deactivate(h, cl, cl->busy);
	cl->busy = 0;
	cl->parked = true;
	if (until_ns != SCHED_NEVER)
		wheel_add(&h->wheel, &cl->parked_timer, until_ns);
}

void
htb_unpark(struct htb *h, struct htb_class *cl)
{
	wheel_remove(&h->wheel, &cl->parked_timer);
	cl->parked = false;
	htb_leaf_busy(h, cl);
}

/* ---- buckets and modes */

static inline uint64_t
elapsed(const struct htb_class *cl, uint64_t now)
{
	uint64_t ns = now > cl->counted_ns ? now - cl->counted_ns : 0;

	return ns < DEBT_MAX_NS ? ns : DEBT_MAX_NS;
}

static inline int64_t
settle(int64_t tokens, int64_t depth)
{
	const int64_t debt_max = (int64_t)(DEBT_MAX_NS << TOKENS_SHIFT);

	return tokens > depth ? depth : tokens < -debt_max ? -debt_max : tokens;
}

void
htb_count(struct htb_class *cl, uint64_t now)
{
	int64_t earned = tokens_from_ns(elapsed(cl, now));

	cl->tokens = settle(cl->tokens + earned, cl->depth);
	cl->ceil_tokens = settle(cl->ceil_tokens + earned, cl->ceil_depth);
	cl->counted_ns = RTE_MAX(cl->counted_ns, now);
}

/* The mode at `now`, and how long it lasts if nothing is sent. */
static enum htb_mode
mode_at(const struct htb_class *cl, uint64_t now, uint64_t *lasts_ns)
{
	int64_t earned = tokens_from_ns(elapsed(cl, now));

	if (cl->ceil_tokens + earned < 0) {
		*lasts_ns = ns_from_tokens(-(cl->ceil_tokens + earned));
		return HTB_CANNOT_SEND;
	}
	if (cl->tokens + earned < 0) {
		*lasts_ns = ns_from_tokens(-(cl->tokens + earned));
		return HTB_MAY_BORROW;
	}
	return HTB_CAN_SEND;
}

static void
set_mode(struct qdisc *q, struct htb *h, struct htb_class *cl, enum htb_mode mode)
{
	if (mode == HTB_CANNOT_SEND) {
		cl->overlimits++;
		q->overlimits++;
	}
	if (cl->busy != 0)
		deactivate(h, cl, cl->busy);
	cl->mode = (uint8_t)mode;
	if (cl->busy != 0)
		activate(h, cl, cl->busy);
}

/* After a charge. A timer that is already set is left: it goes off early, finds out, and is set anew. */
static void
review_mode(struct qdisc *q, struct htb *h, struct htb_class *cl, uint64_t now)
{
	uint64_t lasts_ns = 0;
	enum htb_mode mode = mode_at(cl, now, &lasts_ns);

	if (mode == cl->mode)
		return;
	wheel_remove(&h->wheel, &cl->mode_timer);
	set_mode(q, h, cl, mode);
	if (mode != HTB_CAN_SEND)
		wheel_add(&h->wheel, &cl->mode_timer, now + lasts_ns);
}

static void
mode_timer_due(struct qdisc *q, struct htb *h, struct htb_class *cl, uint64_t now)
{
	uint64_t lasts_ns = 0;
	enum htb_mode mode = mode_at(cl, now, &lasts_ns);

	if (mode != cl->mode)
		set_mode(q, h, cl, mode);
	if (mode != HTB_CAN_SEND)
		wheel_add(&h->wheel, &cl->mode_timer, now + lasts_ns);
}

static void
run_timers(struct qdisc *q, struct htb *h, uint64_t now)
{
	struct wheel_timer *timer;

	while ((timer = wheel_pop(&h->wheel, now)) != NULL) {
		if (timer->kind == HTB_TIMER_MODE)
			mode_timer_due(q, h,
				(struct htb_class *)((char *)timer - offsetof(struct htb_class, mode_timer)), now);
		else
			htb_unpark(h, (struct htb_class *)((char *)timer - offsetof(struct htb_class, parked_timer)));
	}
}

void
htb_take_out(struct htb *h, struct htb_class *cl)
{
	struct htb_class *parent = htb_parent(cl);

	wheel_remove(&h->wheel, &cl->mode_timer);
	deactivate(h, cl, cl->busy);
	for (unsigned int prio = 0; parent != NULL && prio < HTB_PRIOS; prio++) {
		if (parent->rings[prio].returning == &cl->turns[prio])
			parent->rings[prio].returning = NULL;
	}
}

void
htb_put_in(struct qdisc *q, struct htb_class *cl, uint64_t now)
{
	struct htb *h = qdisc_priv(q);
	uint64_t lasts_ns = 0;

	cl->mode = (uint8_t)mode_at(cl, now, &lasts_ns);
	if (cl->mode != HTB_CAN_SEND)
		wheel_add(&h->wheel, &cl->mode_timer, now + lasts_ns);
	activate(h, cl, cl->busy);
}

/* ---- sending */

/*
 * A packet of the leaf cl has left at the expense of its ancestor at `level` (or of itself at level 0). Below the lender only the ceil
 * buckets pay: what is borrowed does not count against one's own rate. The lender and all above it pay in full.
 */
static void
charge(struct qdisc *q, struct htb *h, struct htb_class *cl, uint32_t bytes, unsigned int level, uint64_t now)
{
	for (; cl != NULL; cl = htb_parent(cl)) {
		int64_t earned = tokens_from_ns(elapsed(cl, now));
		int64_t tokens = RTE_MIN(cl->tokens + earned, cl->depth);

		if (cl->level >= level) {
			tokens -= rate_cost(&cl->rate, bytes);
			cl->lends += cl->level == level;
		} else {
			cl->borrows++;
		}
		cl->tokens = settle(tokens, cl->depth);
		cl->ceil_tokens =
			settle(RTE_MIN(cl->ceil_tokens + earned, cl->ceil_depth) - rate_cost(&cl->ceil, bytes),
				cl->ceil_depth);
		cl->counted_ns = RTE_MAX(cl->counted_ns, now);
		cl->sent_bytes += bytes;
		cl->sent_packets++;
		review_mode(q, h, cl, now);
	}
}

static struct htb_class *
next_leaf(struct htb *h, unsigned int level, unsigned int prio)
{
	struct htb_ring *row = &h->rows[level][prio];
	struct htb_class *cl = class_of_turn(row->current, prio);

	while (cl->level > 0) {
		struct htb_ring *ring = &cl->rings[prio];

		ring->returning = NULL;
		if (unlikely(ring->ended)) {
			ring->ended = false;
			pass_turn(h, cl, prio);
			cl = class_of_turn(row->current, prio);
		} else {
			cl = class_of_turn(ring->current, prio);
		}
	}
	return cl;
}

/* Deficit round robin (Shreedhar and Varghese 1995), with the quantum added when the turn ends. */
static void
use_deficit(struct htb *h, struct htb_class *cl, uint32_t bytes, unsigned int level, unsigned int prio)
{
	const int64_t least =
		INT32_MIN / 2; /* a quantum below the packets' size lets the debt grow: enough is enough */
	int64_t left = (int64_t)cl->deficits[level] - bytes;

	if (left < 0) {
		left += cl->quantum;
		pass_turn(h, cl, prio);
	}
	cl->deficits[level] = (int32_t)(left < least ? least : left);
}

uint16_t
htb_serve(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct htb *h = qdisc_priv(q);
	uint16_t got = 0;

	run_timers(q, h, now);
	while (got < n && h->busy_levels != 0) {
		unsigned int level = (unsigned int)__builtin_ctz(h->busy_levels);
		unsigned int prio = (unsigned int)__builtin_ctz(h->busy_rows[level]);
		struct htb_class *cl = next_leaf(h, level, prio);

		if (unlikely(qdisc_dequeue(cl->c->leaf, &pkts[got], 1, now) == 0)) {
			/* It may have dropped all that it held (CoDel), and is out of the ring then. */
			if (cl->busy != 0)
				park(h, cl, qdisc_next_event(cl->c->leaf, now));
			continue;
		}
		uint32_t bytes = pkt_queued_bytes(pkts[got++]);

		use_deficit(h, cl, bytes, level, prio);
		charge(q, h, cl, bytes, level, now);
	}
	return got;
}
