/* SPDX-License-Identifier: BSD-3-Clause */
/* HTB: the classes above leaves pay for what these send. */
#include "htb_mode.h"

/* To be paid by htb_pay_bills. */
static inline void
bill(struct htb *h, struct htb_class *cl, uint64_t bytes, uint32_t packets)
{
	struct htb_more *more = htb_more(cl);

	if (more->bill_packets == 0) {
		h->billed[cl->level][h->billed_count[cl->level]++] = cl;
		h->billed_levels |= (uint8_t)(1u << cl->level);
	}
	more->bill_bytes += bytes;
	more->bill_packets += packets;
}

/* An inner class pays its ceil bucket for packets below it; its rate bucket, too, if these were sent at its expense. */
static inline void
charge_inner(
	struct qdisc *q, struct htb *h, struct htb_class *cl, uint64_t bytes, uint32_t packets, bool at_its_expense)
{
	const struct htb_config *config = htb_config_of(h, cl);
	struct cost cost = cost_of(config, bytes);
	struct htb_more *more = htb_more(cl);
	int64_t tokens = pay(&cl->used, h->clock, config->depth, at_its_expense ? cost.rate : 0),
		ceil_tokens = pay(&cl->ceil_used, h->clock, config->ceil_depth, cost.ceil);

	more->sent_bytes += bytes;
	more->sent_packets += packets;
	enum htb_mode mode = mode_of(tokens, ceil_tokens);

	if (likely(mode == cl->mode))
		return;
	if (mode_matters(cl, mode))
		htb_change_mode(q, h, cl, mode);
	else
		cl->mode = (uint8_t)mode;
}

void
htb_pay_charges(struct qdisc *q, struct htb *h)
{
	/* For the class above the last few. */
	struct htb_charge sum = { 0 };

	for (unsigned int i = 0; i < h->charge_count; i++) {
		struct htb_charge *charge = &h->charges[i];
		struct htb_class *cl = charge->cl, *above = htb_parent(cl);
		uint32_t bytes = charge->bytes, packets = charge->packets;

		*charge = (struct htb_charge){ 0 };
		if (unlikely(above != sum.cl)) {
			if (sum.cl != NULL)
				bill(h, sum.cl, sum.bytes, sum.packets);
			sum = (struct htb_charge){ .cl = above };
		}
		sum.bytes += bytes;
		sum.packets += packets;
		charge_inner(q, h, cl, bytes, packets, true);
	}
	h->charge_count = 0;
	if (sum.cl != NULL)
		bill(h, sum.cl, sum.bytes, sum.packets);
}

void
htb_pay_bills(struct qdisc *q, struct htb *h)
{
	htb_pay_charges(q, h);
	while (h->billed_levels != 0) {
		unsigned int level = (unsigned int)__builtin_ctz(h->billed_levels);

		h->billed_levels &= (uint8_t)(h->billed_levels - 1);
		for (unsigned int i = 0; i < h->billed_count[level]; i++) {
			struct htb_class *cl = h->billed[level][i], *parent = htb_parent(cl);
			struct htb_more *more = htb_more(cl);
			uint64_t bytes = more->bill_bytes;
			uint32_t packets = more->bill_packets;

			more->bill_bytes = 0;
			more->bill_packets = 0;
			if (parent != NULL)
				bill(h, parent, bytes, packets);
			charge_inner(q, h, cl, bytes, packets, true);
		}
		h->billed_count[level] = 0;
	}
}

void
htb_charge_borrowed(
	struct qdisc *q, struct htb *h, struct htb_class *cl, uint32_t bytes, uint32_t packets, unsigned int level)
{
	const struct htb_config *config = htb_config_of(h, cl);
	int64_t ceil_tokens = pay(&cl->ceil_used, h->clock, config->ceil_depth, cost_of(config, bytes).ceil);

	/* A leaf's packets that were not borrowed for are those that it has sent itself. */
	htb_more(cl)->borrows += packets;
	htb_more(cl)->lends -= packets;
	review_mode(q, h, cl, mode_of((int64_t)(h->clock - cl->used), ceil_tokens));
	while ((cl = htb_parent(cl)) != NULL) {
		struct htb_more *more = htb_more(cl);

		if (cl->level < level)
			more->borrows += packets;
		else if (cl->level == level)
			more->lends += packets;
		charge_inner(q, h, cl, bytes, packets, cl->level >= level);
	}
}
