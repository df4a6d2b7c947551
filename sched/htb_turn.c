/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTB: whose turn it is. A busy class that can send stands in a row of its level and prio; one that may borrow stands
 * in its parent's ring for that prio, and makes the parent busy; one that cannot send stands nowhere. So the first busy
 * row of the lowest level leads, ring by ring, to the leaf that is next, and nothing is searched.
 */
#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "htb.h"

static inline uint32_t
turn_of(const struct htb_class *cl, unsigned int prio)
{
	uint32_t minor = htb_more(cl)->minor;

	return cl->level == 0 ? minor : HTB_MINORS + minor * HTB_PRIOS + prio;
}

/* ---- rings */

static inline void
insert_before(struct htb_turn *turns, uint32_t place, uint32_t turn)
{
	uint32_t previous = turns[place].previous;

	turns[turn].next = place;
	turns[turn].previous = previous;
	turns[previous].next = turn;
	turns[place].previous = turn;
}

/* It is the last to have its turn. */
static void
join(struct htb_turn *turns, struct htb_ring *ring, uint32_t turn)
{
	if (ring->current == 0)
		ring->current = turns[turn].next = turns[turn].previous = turn;
	else
		insert_before(turns, ring->current, turn);
	ring->count++;
}

static void
leave(struct htb_turn *turns, struct htb_ring *ring, uint32_t turn)
{
	struct htb_turn links = turns[turn];

	if (ring->current == turn)
		ring->current = links.next == turn ? 0 : links.next;
	turns[links.next].previous = links.previous;
	turns[links.previous].next = links.next;
	turns[turn].next = 0;
	ring->count--;
}

/*
 * Classes go to send a packet at their own rate and come again all the time. So that quanta decide the shares, each has
 * one turn a round: who had his in this one comes behind all others in the next; who left when it was his turn has it
 * again; and another one is the last of this round, which is at once his turn if nobody else is left of it.
 */
static void
ring_add(struct htb_turn *turns, struct htb_ring *ring, uint32_t turn)
{
	bool returns = ring->returning == turn;

	if (returns && ring->ended)
		ring->round--;
	if (ring->last == 0) {
		join(turns, ring, turn);
		ring->last = turn;
	} else if (returns && !ring->ended) {
		join(turns, ring, turn);
		ring->current = turn;
	} else if (!returns && turns[turn].round == ring->round) {
		join(turns, ring, turn);
	} else if (turns[ring->current].round == ring->round) {
		join(turns, ring, turn);
		ring->current = ring->last = turn;
	} else {
		insert_before(turns, turns[ring->last].next, turn);
		ring->last = turn;
		ring->count++;
	}
	if (returns) {
		ring->returning = 0;
		ring->ended = false;
	}
}

static void
ring_remove(struct htb_turn *turns, struct htb_ring *ring, uint32_t turn)
{
	/* Several may leave before anyone is served: the turn is that of the first. */
	if (ring->current == turn && ring->returning == 0) {
		ring->returning = turn;
		ring->ended = ring->last == turn;
		ring->round += ring->ended;
	}
	if (ring->last == turn)
		ring->last = turns[turn].previous;
	leave(turns, ring, turn);
	if (ring->current == 0) {
		ring->last = 0;
		ring->ended = false;
	}
}

/* The turn of the current one ends: true if the round does. */
static inline bool
end_turn(struct htb_turn *turns, struct htb_ring *ring, uint32_t turn)
{
	bool ended = turn == ring->last;

	/* Whose turn it is had one in this round, too: all others of it have left, and this is the next one. */
	ring->round += turns[turn].round == ring->round;
	turns[turn].round = ring->round;
	ring->round += ended;
	ring->current = turns[turn].next;
	return ended;
}

/* Who has left the ring will not have this turn again. */
static void
forfeit_turn(struct htb_turn *turns, struct htb_ring *ring, uint32_t turn)
{
	turns[turn].round = (ring->round - ring->ended) & ((1u << HTB_ROUND_BITS) - 1);
	ring->returning = 0;
	ring->ended = false;
}

struct htb_ring *
htb_ring_of(const struct htb_class *cl, unsigned int prio)
{
	return &htb_more(htb_parent(cl))->inner->feeds[prio].ring;
}

/* ---- rows of leaves */

void
htb_row_is_idle(struct htb *h, unsigned int prio)
{
	h->busy_rows[0] &= (uint8_t) ~(1u << prio);
	if (h->busy_rows[0] == 0)
		h->busy_levels &= (uint8_t)~1u;
}

void
htb_row_remove(struct htb *h, struct htb_class *cl, unsigned int prio)
{
	struct row *row = &h->leaf_rows[prio];

	if (row_remove(row, cl, cl->place) && row_is_empty(row))
		htb_row_is_idle(h, prio);
}

/* The end of a leaf's turn. */
static inline void
pass_turn_in_row(struct htb *h, struct htb_class *cl, unsigned int prio)
{
	struct row *row = &h->leaf_rows[prio];

	if (!row_is_empty(row) && row_first(row) == cl)
		cl->place = row_pass(row);
}

/* ---- whose turn it is */

/* A round of those who borrow from cl is over. */
static inline void
pass_turn_in_upper_row(struct htb *h, const struct htb_class *cl, unsigned int prio)
{
	h->rows[cl->level][prio].current = h->turns[turn_of(cl, prio)].next;
}

void
htb_pass_turn(struct htb *h, struct htb_class *cl, unsigned int prio)
{
	if (likely(cl->level == 0 && cl->mode == HTB_CAN_SEND)) {
		pass_turn_in_row(h, cl, prio);
		return;
	}
	const struct htb_class *parent = htb_parent(cl);
	struct htb_ring *ring = htb_ring_of(cl, prio);
	uint32_t turn = turn_of(cl, prio);

	if (unlikely(ring->current != turn)) {
		if (ring->returning == turn)
			forfeit_turn(h->turns, ring, turn);
	} else if (end_turn(h->turns, ring, turn) && parent->mode == HTB_CAN_SEND) {
		pass_turn_in_upper_row(h, parent, prio);
	}
}

struct htb_class *
htb_next_leaf(struct htb *h, unsigned int level, unsigned int prio)
{
	const struct htb_ring *row = &h->rows[level][prio];
	struct htb_class *cl = htb_class_at(h, row->current);

	while (cl->level > 0) {
		struct htb_ring *ring = &htb_more(cl)->inner->feeds[prio].ring;
		bool ended = ring->ended;

		ring->returning = 0;
		ring->ended = false;
		if (unlikely(ended && cl->level == level)) {
			pass_turn_in_upper_row(h, cl, prio);
			cl = htb_class_at(h, row->current);
		} else {
			cl = htb_class_at(h, ring->current);
		}
	}
	return cl;
}

/* ---- busy and idle */

static void
enter_row(struct htb *h, struct htb_class *cl, unsigned int prio)
{
	if (cl->level == 0) {
		htb_row_add(h, cl, prio);
		return;
	}
	join(h->turns, &h->rows[cl->level][prio], turn_of(cl, prio));
	h->busy_rows[cl->level] |= (uint8_t)(1u << prio);
	h->busy_levels |= (uint8_t)(1u << cl->level);
}

static void
leave_row(struct htb *h, struct htb_class *cl, unsigned int prio)
{
	struct htb_ring *row = &h->rows[cl->level][prio];

	if (cl->level == 0) {
		htb_row_remove(h, cl, prio);
		return;
	}
	leave(h->turns, row, turn_of(cl, prio));
	if (row->current == 0)
		h->busy_rows[cl->level] &= (uint8_t) ~(1u << prio);
	if (h->busy_rows[cl->level] == 0)
		h->busy_levels &= (uint8_t) ~(1u << cl->level);
}

/*
 * An inner class's turn is as long as a round of its ring: so what is lent is shared by the quanta of leaves, wherever
 * they stand, and whoever else lends to them meanwhile.
 */
static inline uint64_t
quanta_of(const struct htb *h, const struct htb_class *cl, unsigned int prio)
{
	return cl->level == 0 ? htb_config_of(h, cl)->quantum : htb_more(cl)->inner->feeds[prio].ring.quanta;
}

/* Modulo 2^64. Whoever stands in a ring above has a longer or shorter turn by that, too. */
static inline void
add_quanta(struct htb_ring *ring, const struct htb_class *owner, unsigned int prio, uint64_t quanta)
{
	ring->quanta += quanta;
	while (unlikely(owner->mode == HTB_MAY_BORROW && (owner->busy & 1u << prio) != 0)) {
		owner = htb_parent(owner);
		if (owner == NULL)
			return;
		htb_more(owner)->inner->feeds[prio].ring.quanta += quanta;
	}
}

/* Through the levels. */
static __rte_noinline void
activate_all(struct htb *h, struct htb_class *cl, unsigned int prios)
{
	while (prios != 0) {
		struct htb_class *parent = htb_parent(cl);
		unsigned int fresh = 0;

		if (cl->mode == HTB_CANNOT_SEND || (cl->mode == HTB_MAY_BORROW && parent == NULL))
			return;
		for (unsigned int rest = prios; rest != 0; rest &= rest - 1) {
			unsigned int prio = (unsigned int)__builtin_ctz(rest);

			if (cl->mode == HTB_CAN_SEND) {
				enter_row(h, cl, prio);
				continue;
			}
			struct htb_ring *ring = &htb_more(parent)->inner->feeds[prio].ring;

			if (ring->current == 0)
				fresh |= 1u << prio;
			ring_add(h->turns, ring, turn_of(cl, prio));
			add_quanta(ring, parent, prio, quanta_of(h, cl, prio));
		}
		if (cl->mode == HTB_CAN_SEND)
			return;
		if (parent->busy == 0 && fresh != 0)
			htb_look_at_mode(h, parent);
		parent->busy |= (uint8_t)fresh;
		cl = parent;
		prios = fresh;
	}
}

void
htb_activate_prios(struct htb *h, struct htb_class *cl, unsigned int prios)
{
	if (prios == 0 || cl->mode == HTB_CANNOT_SEND)
		return;
	/* Far the most frequent: a leaf at its own rate. */
	if (likely(cl->level == 0 && cl->mode == HTB_CAN_SEND))
		htb_row_add(h, cl, htb_config_of(h, cl)->prio);
	else
		activate_all(h, cl, prios);
}

/* Through the levels. */
static __rte_noinline void
deactivate_all(struct htb *h, struct htb_class *cl, unsigned int prios)
{
	while (prios != 0) {
		struct htb_class *parent = htb_parent(cl);
		unsigned int gone = 0;

		if (cl->mode == HTB_CANNOT_SEND || (cl->mode == HTB_MAY_BORROW && parent == NULL))
			return;
		for (unsigned int rest = prios; rest != 0; rest &= rest - 1) {
			unsigned int prio = (unsigned int)__builtin_ctz(rest);

			if (cl->mode == HTB_CAN_SEND) {
				leave_row(h, cl, prio);
				continue;
			}
			struct htb_ring *ring = &htb_more(parent)->inner->feeds[prio].ring;

			add_quanta(ring, parent, prio, -quanta_of(h, cl, prio));
			ring_remove(h->turns, ring, turn_of(cl, prio));
			if (ring->current == 0)
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
htb_deactivate_prios(struct htb *h, struct htb_class *cl, unsigned int prios)
{
	if (prios == 0 || cl->mode == HTB_CANNOT_SEND)
		return;
	/* Far the most frequent: a leaf at its own rate. */
	if (likely(cl->level == 0 && cl->mode == HTB_CAN_SEND))
		htb_row_remove(h, cl, htb_config_of(h, cl)->prio);
	else
		deactivate_all(h, cl, prios);
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
