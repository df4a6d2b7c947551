/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTB: whose turn it is. A busy class that can send stands in a row of its level and prio; one that may borrow stands in its parent's ring
 * for that prio, and makes the parent busy; one that cannot send stands nowhere. So the first busy row of the lowest level leads,
 * ring by ring, to the leaf that is next, and nothing is ever searched.
 */
#include <rte_branch_prediction.h>

#include "htb.h"

static inline struct htb_turn *
turn_of(const struct htb_class *cl, unsigned int prio)
{
	return cl->level == 0 ? cl->turn : &cl->inner->turns[prio];
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

struct htb_ring *
htb_ring_of(struct htb *h, const struct htb_class *cl, unsigned int prio)
{
	return cl->mode == HTB_CAN_SEND ? &h->rows[cl->level][prio] : &htb_parent(cl)->inner->rings[prio];
}

void
htb_pass_turn(struct htb *h, struct htb_class *cl, unsigned int prio)
{
	bool ended = true;

	while (ended && turn_of(cl, prio)->next != NULL) {
		struct htb_ring *ring = htb_ring_of(h, cl, prio);

		if (ring->current != turn_of(cl, prio))
			return;
		ended = ring->current == ring->last && cl->mode != HTB_CAN_SEND;
		ring->current = ring->current->next;
		if (ended)
			cl = htb_parent(cl);
	}
}

struct htb_class *
htb_next_leaf(struct htb *h, unsigned int level, unsigned int prio)
{
	struct htb_ring *row = &h->rows[level][prio];
	struct htb_class *cl = row->current->cl;

	while (cl->level > 0) {
		struct htb_ring *ring = &cl->inner->rings[prio];

		ring->returning = NULL;
		if (unlikely(ring->ended)) {
			ring->ended = false;
			htb_pass_turn(h, cl, prio);
			cl = row->current->cl;
		} else {
			cl = ring->current->cl;
		}
	}
	return cl;
}

/* ---- busy and idle */

static inline void
row_add(struct htb *h, struct htb_class *cl, unsigned int prio)
{
	ring_add(&h->rows[cl->level][prio], turn_of(cl, prio));
	h->busy_rows[cl->level] |= (uint8_t)(1u << prio);
	h->busy_levels |= (uint8_t)(1u << cl->level);
}

static inline void
row_remove(struct htb *h, struct htb_class *cl, unsigned int prio)
{
	struct htb_ring *row = &h->rows[cl->level][prio];

	ring_remove(row, turn_of(cl, prio));
	/* Who can no longer send at its own rate has had what is due to it. */
	row->returning = NULL;
	if (row->current == NULL)
		h->busy_rows[cl->level] &= (uint8_t) ~(1u << prio);
	if (h->busy_rows[cl->level] == 0)
		h->busy_levels &= (uint8_t) ~(1u << cl->level);
}

void
htb_activate_prios(struct htb *h, struct htb_class *cl, unsigned int prios)
{
	while (prios != 0) {
		struct htb_class *parent = htb_parent(cl);
		unsigned int fresh = 0;

		if (cl->mode == HTB_CANNOT_SEND || (cl->mode == HTB_MAY_BORROW && parent == NULL))
			return;
		for (unsigned int rest = prios; rest != 0; rest &= rest - 1) {
			unsigned int prio = (unsigned int)__builtin_ctz(rest);

			if (cl->mode == HTB_CAN_SEND) {
				row_add(h, cl, prio);
				continue;
			}
			if (parent->inner->rings[prio].current == NULL)
				fresh |= 1u << prio;
			ring_add(&parent->inner->rings[prio], turn_of(cl, prio));
		}
		if (cl->mode == HTB_CAN_SEND)
			return;
		parent->busy |= (uint8_t)fresh;
		cl = parent;
		prios = fresh;
	}
}

void
htb_deactivate_prios(struct htb *h, struct htb_class *cl, unsigned int prios)
{
	while (prios != 0) {
		struct htb_class *parent = htb_parent(cl);
		unsigned int gone = 0;

		if (cl->mode == HTB_CANNOT_SEND || (cl->mode == HTB_MAY_BORROW && parent == NULL))
			return;
		for (unsigned int rest = prios; rest != 0; rest &= rest - 1) {
			unsigned int prio = (unsigned int)__builtin_ctz(rest);

			if (cl->mode == HTB_CAN_SEND) {
				row_remove(h, cl, prio);
				continue;
			}
			ring_remove(&parent->inner->rings[prio], turn_of(cl, prio));
			if (parent->inner->rings[prio].current == NULL)
				gone |= 1u << prio;
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
	htb_activate_prios(h, cl, cl->busy);
}

void
htb_leaf_idle(struct htb *h, struct htb_class *cl)
{
	if (cl->parked) {
		cl->parked = false;
		return;
	}
	htb_deactivate_prios(h, cl, cl->busy);
	cl->busy = 0;
}
