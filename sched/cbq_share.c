/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CBQ: who may send, and whose turn it is. A leaf with packets stands in the row of level 0 while it is not over its
 * limit, else in its parent's ring if it may borrow. A class with somebody in one of its rings stands likewise in the
 * row of its own level, where it lends, or in its parent's ring. So the first busy row of the lowest level leads, ring
 * by ring, to the leaf that is next, and nothing is ever searched. A queue that an inner class has of its own stands in
 * that class's ring. The rows of level 0 are arrays (row.h), all others rings of links (turns.h).
 *
 * Turns are weighted round robin with deficits (Shreedhar and Varghese 1995): each prio's classes share by weight x
 * allot.
 */
#include <rte_branch_prediction.h>

#include "cbq.h"
#include "cbq_estimator.h"

static inline uint32_t
outer_place(const struct cbq_class *cl, unsigned int prio)
{
	return cl->level == 0 ? cbq_leaf_place(cl) : cbq_inner_place(cl, prio);
}

static inline struct turn_ring *
outer_ring(struct cbq *h, const struct cbq_class *cl, unsigned int prio)
{
	if (cl->standing == CBQ_OWN)
		return &h->rows[cl->level][prio];
	return &cbq_more(cbq_parent(h, cl))->inner->rings[prio];
}

/* ---- turns */

static inline void
leaf_comes(struct cbq *h, const struct cbq_class *cl)
{
	struct cbq_prio *p = &h->prios[cl->prio];

	p->busy++;
	if (unlikely(p->scale.boost != 0))
		turn_scale_comes(&p->scale, cbq_quantum(h, cl));
}

/* cl's turn in the ring where it stands is over. */
static void
pass_outer(struct cbq *h, struct cbq_class *cl, unsigned int prio)
{
	for (;;) {
		struct turn_ring *ring;

		if (cl->standing == CBQ_WAITS)
			return;
		if (cl->level == 0 && cl->standing == CBQ_OWN) {
			struct row *row = &h->leaf_rows[prio];

			if (!row_is_empty(row) && row_first(row) == cl)
				cl->place = row_pass(row);
			return;
		}
		ring = outer_ring(h, cl, prio);
		if (ring->current != outer_place(cl, prio) || !turn_ring_pass(h->turns, ring) ||
			cl->standing == CBQ_OWN)
			return;
		cl = cbq_parent(h, cl);
	}
}

void
cbq_use_turn(struct cbq *h, struct cbq_class *cl, uint64_t bytes)
{
	struct cbq_prio *p = &h->prios[cl->prio];

	cl->deficit -= (int64_t)(bytes << 16);
	turn_scale_used(&p->scale, p->busy, bytes != 0);
	if (cl->deficit > 0)
		return;
	cl->deficit += turn_length(&p->scale, cbq_quantum(h, cl));
	/* It may have left the ring with its last packet. */
	if (cl->level == 0) {
		if (cl->busy != 0)
			pass_outer(h, cl, cl->prio);
	} else {
		struct turn_ring *ring = &cbq_more(cl)->inner->rings[cl->prio];
		uint32_t place = cbq_leaf_place(cl);

		if (ring->current == place && turn_ring_pass(h->turns, ring))
			pass_outer(h, cl, cl->prio);
	}
}

struct cbq_class *
cbq_next_borrower(
	struct cbq *h, unsigned int level, unsigned int prio, struct cbq_class **lender, const struct turn_ring **ring)
{
	const struct turn_ring *at = &h->rows[level][prio];
	struct cbq_class *cl = class_priv(cbq_class_at(h, at->current));

	*lender = cl;
	while (at->current > CBQ_MINORS) {
		at = &cbq_more(cl)->inner->rings[prio];
		cl = class_priv(cbq_class_at(h, at->current));
	}
	*ring = at;
	return cl;
}

/* ---- rows and rings */

static inline void
leaf_row_add(struct cbq *h, struct cbq_class *cl)
{
	leaf_comes(h, cl);
	cl->place = row_round_join(row_end(&h->leaf_rows[cl->prio]), cl);
	cbq_row_is_busy(h, cl->prio);
}

bool
cbq_row_remove(struct cbq *h, struct cbq_class *cl)
{
	struct row *row = &h->leaf_rows[cl->prio];

	if (!row_remove(row, cl, cl->place))
		return false;
	h->prios[cl->prio].busy--;
	cbq_row_look(h, cl->prio);
	return true;
}

static void
row_add_inner(struct cbq *h, struct cbq_class *cl, unsigned int prio)
{
	turn_ring_add(h->turns, &h->rows[cl->level][prio], outer_place(cl, prio));
	h->busy_rows[cl->level] |= (uint16_t)(1u << prio);
	h->busy_levels |= (uint16_t)(1u << cl->level);
}

static void
row_remove_inner(struct cbq *h, struct cbq_class *cl, unsigned int prio)
{
	struct turn_ring *row = &h->rows[cl->level][prio];

	turn_ring_remove(h->turns, row, outer_place(cl, prio));
	if (row->current == 0)
		h->busy_rows[cl->level] &= (uint16_t) ~(1u << prio);
	if (h->busy_rows[cl->level] == 0)
		h->busy_levels &= (uint16_t) ~(1u << cl->level);
}

static inline enum cbq_standing
standing_of(const struct cbq *h, const struct cbq_class *cl, uint64_t now)
{
	if (cbq_under_limit(cl, now) || cbq_is_root(h, cl))
		return CBQ_OWN;
	return cl->bounded ? CBQ_WAITS : CBQ_BORROWS;
}

/* It is to have somebody to serve for the first time since it had nobody. */
static void
settle(struct cbq *h, struct cbq_class *cl, uint64_t now)
{
	cbq_back_from_idle(cl, now);
	cl->standing = (uint8_t)standing_of(h, cl, now);
	if (likely(cl->standing == CBQ_OWN))
		return;
	cbq_arm(h, cl);
	if (cl->standing == CBQ_WAITS)
		cbq_made_to_wait(cl);
}

/* cl's turns for `prios` go where it stands; a parent that becomes busy by that follows. */
static void
put_anywhere(struct cbq *h, struct cbq_class *cl, unsigned int prios, uint64_t now)
{
	cbq_pay_bills(h, now);
	if (cl->level == 0 && cl->standing == CBQ_BORROWS && prios != 0)
		leaf_comes(h, cl);
	while (prios != 0) {
		struct cbq_class *parent;
		unsigned int fresh = 0;

		if (cl->standing == CBQ_WAITS)
			return;
		if (cl->standing == CBQ_OWN) {
			for (; prios != 0; prios &= prios - 1)
				row_add_inner(h, cl, (unsigned int)__builtin_ctz(prios));
			return;
		}
		parent = cbq_parent(h, cl);
		for (; prios != 0; prios &= prios - 1) {
			unsigned int prio = (unsigned int)__builtin_ctz(prios);
			struct turn_ring *ring = &cbq_more(parent)->inner->rings[prio];

			if (ring->current == 0)
				fresh |= 1u << prio;
			turn_ring_add(h->turns, ring, outer_place(cl, prio));
		}
		if (fresh != 0 && parent->busy == 0)
			settle(h, parent, now);
		parent->busy |= (uint16_t)fresh;
		cl = parent;
		prios = fresh;
	}
}

/* The other way round. Where it was the last of the round its parent's turn is over. */
static void
take_from_anywhere(struct cbq *h, struct cbq_class *cl, unsigned int prios)
{
	if (cl->level == 0 && cl->standing == CBQ_BORROWS && prios != 0)
		h->prios[cl->prio].busy--;
	while (prios != 0) {
		struct cbq_class *parent;
		unsigned int gone = 0;

		if (cl->standing == CBQ_WAITS)
			return;
		if (cl->standing == CBQ_OWN) {
			for (; prios != 0; prios &= prios - 1)
				row_remove_inner(h, cl, (unsigned int)__builtin_ctz(prios));
			return;
		}
		parent = cbq_parent(h, cl);
		for (; prios != 0; prios &= prios - 1) {
			unsigned int prio = (unsigned int)__builtin_ctz(prios);
			struct turn_ring *ring = &cbq_more(parent)->inner->rings[prio];
			bool ended = ring->current == ring->last && ring->current == outer_place(cl, prio);

			turn_ring_remove(h->turns, ring, outer_place(cl, prio));
			if (ring->current == 0)
				gone |= 1u << prio;
			else if (ended)
				pass_outer(h, parent, prio);
		}
		parent->busy &= (uint16_t)~gone;
		cl = parent;
		prios = gone;
	}
}

/* Mostly a leaf that waits or sends at its own expense, and that has one prio. */
static inline void
put(struct cbq *h, struct cbq_class *cl, unsigned int prios, uint64_t now)
{
	if (unlikely(cl->level != 0 || cl->standing == CBQ_BORROWS)) {
		put_anywhere(h, cl, prios, now);
	} else if (cl->standing == CBQ_OWN && prios != 0) {
		leaf_row_add(h, cl);
	}
}

static inline void
take(struct cbq *h, struct cbq_class *cl, unsigned int prios)
{
	if (unlikely(cl->level != 0 || cl->standing == CBQ_BORROWS)) {
		take_from_anywhere(h, cl, prios);
	} else if (cl->standing == CBQ_OWN && prios != 0) {
		cbq_row_remove(h, cl);
	}
}

/* ---- busy and idle */

void
cbq_leaf_busy(struct cbq *h, struct cbq_class *cl, uint64_t now)
{
	unsigned int prio = cl->prio, fresh = 1u << prio;

	if (unlikely(cl->level != 0)) {
		struct turn_ring *ring = &cbq_more(cl)->inner->rings[prio];

		fresh = ring->current == 0 ? fresh : 0;
		turn_ring_add(h->turns, ring, cbq_leaf_place(cl));
		leaf_comes(h, cl);
		if (fresh == 0)
			return;
	}
	if (cl->busy == 0) {
		/* It is on its way to its row, or there: its packets were taken from it since. */
		if (unlikely(cl->armed && cl->level == 0 && cl->bounded)) {
			cbq_back_from_idle(cl, now);
			cl->busy = (uint16_t)fresh;
			return;
		}
		settle(h, cl, now);
	}
	cl->busy |= (uint16_t)fresh;
	put(h, cl, fresh, now);
}

void
cbq_leaf_idle(struct cbq *h, struct cbq_class *cl)
{
	unsigned int prio = cl->prio, gone = 1u << prio;

	if (cl->parked) {
		cl->parked = false;
		return;
	}
	if (unlikely(cl->level != 0)) {
		struct turn_ring *ring = &cbq_more(cl)->inner->rings[prio];
		bool ended = ring->current == ring->last && ring->current == cbq_leaf_place(cl);

		turn_ring_remove(h->turns, ring, cbq_leaf_place(cl));
		h->prios[cl->prio].busy--;
		if (ring->current != 0) {
			if (ended)
				pass_outer(h, cl, prio);
			return;
		}
	}
	take(h, cl, gone);
	cl->busy &= (uint16_t)~gone;
}

void
cbq_review(struct cbq *h, struct cbq_class *cl, uint64_t now)
{
	enum cbq_standing standing = standing_of(h, cl, now);

	if (standing != cl->standing) {
		take(h, cl, cl->busy);
		cl->standing = (uint8_t)standing;
		put(h, cl, cl->busy, now);
		if (standing == CBQ_WAITS)
			cbq_made_to_wait(cl);
	}
	if (standing != CBQ_OWN)
		cbq_arm(h, cl);
}

/*
 * Out of everything as what it is, a leaf or an inner class; put_in then puts it in as what it has become. An inner
 * class's rings stay as they are, but for its own queue.
 */
void
cbq_take_out(struct cbq *h, struct cbq_class *cl)
{
	const struct qdisc *leaf = cbq_class_of(cl)->leaf;

	if (leaf != NULL && leaf->backlog_pkts != 0 && !cl->parked)
		cbq_leaf_idle(h, cl);
	take(h, cl, cl->busy);
	cbq_disarm(h, cl);
}

void
cbq_put_in(struct cbq *h, struct cbq_class *cl, uint64_t now)
{
	const struct qdisc *leaf = cbq_class_of(cl)->leaf;

	if (cl->busy != 0) {
		cl->standing = (uint8_t)standing_of(h, cl, now);
		put(h, cl, cl->busy, now);
		if (cl->standing != CBQ_OWN)
			cbq_arm(h, cl);
	}
	if (leaf == NULL || leaf->backlog_pkts == 0)
		return;
	if (cl->parked)
		cbq_unpark(h, cl, now);
	else
		cbq_leaf_busy(h, cl, now);
}
