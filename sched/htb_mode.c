/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTB: the modes of classes. Whoever is over a bucket waits in the timer wheel until that is over, and so does a leaf
 * whose qdisc holds packets but gives none.
 */
#include "htb_mode.h"

/* ---- buckets */

static __rte_noinline void
renew_buckets(struct htb *h, uint64_t now)
{
	uint64_t clock = now << TOKENS_SHIFT;
	bool all_full = now - h->renewed_ns >= HTB_RENEW_NS * 2;

	for (struct class *c = h->classes->first; c != NULL; c = c->next) {
		struct htb_class *cl = class_priv(c);
		const struct htb_config *config = htb_config_of(h, cl);

		if (all_full || (int64_t)(clock - cl->used) > config->depth)
			cl->used = clock - (uint64_t)config->depth;
		if (all_full || (int64_t)(clock - cl->ceil_used) > config->ceil_depth)
			cl->ceil_used = clock - (uint64_t)config->ceil_depth;
	}
	h->renewed_ns = now;
}

uint64_t
htb_clock(struct htb *h, uint64_t now)
{
	/* A `now` that is earlier is only a little so. */
	if (unlikely((int64_t)(now - h->renewed_ns) >= (int64_t)HTB_RENEW_NS))
		renew_buckets(h, now);
	return now << TOKENS_SHIFT;
}

/* ---- modes */

void
htb_change_mode(struct qdisc *q, struct htb *h, struct htb_class *cl, enum htb_mode mode)
{
	if (mode == HTB_CANNOT_SEND) {
		cl->overlimits++;
		q->overlimits++;
	}
	if (cl->busy != 0)
		htb_deactivate_prios(h, cl, cl->busy);
	cl->mode = (uint8_t)mode;
	if (cl->busy != 0)
		htb_activate_prios(h, cl, cl->busy);
	arm(h, cl);
}

void
htb_look_at_mode(struct htb *h, struct htb_class *cl)
{
	cl->mode = (uint8_t)mode_now(h, cl);
	arm(h, cl);
}

/* ---- waiting */

void
htb_park(struct htb *h, struct htb_class *cl, uint64_t until_ns)
{
	htb_deactivate_prios(h, cl, cl->busy);
	cl->busy = 0;
	cl->parked = true;
	parking_wait(&htb_more(cl)->parking, &h->wheel, wait_of(h, cl, HTB_WAIT_PARKED), until_ns);
}

void
htb_unpark(struct htb *h, struct htb_class *cl)
{
	cl->parked = false;
	htb_leaf_busy(h, cl);
}

void
htb_is_due(struct qdisc *q, struct htb *h, uintptr_t who)
{
	struct htb_class *cl = htb_class_of_wait(who);
	unsigned int wait = who & HTB_WAIT_MASK;

	if (wait == HTB_WAIT_PARKED) {
		struct parking *parking = &htb_more(cl)->parking;

		parking->armed = false;
		if (cl->parked && parking_is_over(parking, &h->wheel, who, h->now))
			htb_unpark(h, cl);
		return;
	}
	cl->armed &= (uint8_t) ~(1u << wait);
	/* It is on its way to its row, or there. */
	if ((cl->armed & 1u << HTB_WAIT_ROW) != 0)
		return;
	enum htb_mode mode = mode_now(h, cl);

	if (!mode_matters(cl, mode))
		return;
	review_mode(q, h, cl, mode);
	/* It may have gone off early. */
	arm(h, cl);
}

void
htb_take_out(struct htb *h, struct htb_class *cl)
{
	struct htb_class *parent = htb_parent(cl);

	for (unsigned int wait = 0; wait < HTB_WAITS; wait++) {
		if ((cl->armed & 1u << wait) != 0)
			wheel_remove(&h->wheel, wait_of(h, cl, wait));
	}
	cl->armed = 0;
	parking_leave(&htb_more(cl)->parking, &h->wheel, wait_of(h, cl, HTB_WAIT_PARKED));
	htb_deactivate_prios(h, cl, cl->busy);
	/* It may stand there without its mode saying so. */
	if (cl->level == 0)
		htb_row_remove(h, cl, htb_config_of(h, cl)->prio);
	for (unsigned int prio = 0; parent != NULL && prio < HTB_PRIOS; prio++) {
		struct htb_ring *ring = &htb_more(parent)->inner->feeds[prio].ring;

		if (ring->returning != 0 && htb_class_at(h, ring->returning) == cl)
			ring->returning = 0;
	}
}

void
htb_put_in(struct htb *h, struct htb_class *cl, uint64_t now)
{
	h->now = now;
	h->clock = htb_clock(h, now);
	cl->mode = (uint8_t)mode_now(h, cl);
	arm(h, cl);
	htb_activate_prios(h, cl, cl->busy);
	if (cl->parked)
		htb_park(h, cl, htb_more(cl)->parking.until_ns);
}
