/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTB: buckets and the modes that follow from them, waits for the ends of modes, and who pays: what htb_mode.c,
 * htb_charge.c and htb_serve.c share. All of it is the owner's.
 */
#ifndef WEIR_SCHED_HTB_MODE_H
#define WEIR_SCHED_HTB_MODE_H

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_prefetch.h>

#include "htb.h"

/*
 * A class that was asked to pay more than it had, because its children's rates add up to more than its own, forgets
 * debts beyond this.
 */
#define DEBT_MAX_NS UINT64_C(60000000000)

/* ---- buckets and modes */

/* What a bucket holds, and what is left in it when `cost` is paid. */
static inline int64_t
pay(uint64_t *used, uint64_t clock, int64_t depth, int64_t cost)
{
	const int64_t debt_max = (int64_t)(DEBT_MAX_NS << TOKENS_SHIFT);
	int64_t tokens = htb_tokens(*used, clock, depth) - cost;

	if (unlikely(tokens < -debt_max))
		tokens = -debt_max;
	*used = clock - (uint64_t)tokens;
	return tokens;
}

static inline enum htb_mode
mode_of(int64_t tokens, int64_t ceil_tokens)
{
	return ceil_tokens < 0 ? HTB_CANNOT_SEND : tokens < 0 ? HTB_MAY_BORROW : HTB_CAN_SEND;
}

/* A depth is not negative, so it does not matter here. */
static inline enum htb_mode
mode_now(const struct htb *h, const struct htb_class *cl)
{
	return mode_of((int64_t)(h->clock - cl->used), (int64_t)(h->clock - cl->ceil_used));
}

/* ---- waits */

static inline uintptr_t
wait_at(const struct htb_class *cl, unsigned int prio, unsigned int wait)
{
	return (uintptr_t)cl | prio << HTB_WAIT_PRIO_SHIFT | wait;
}

static inline uintptr_t
wait_of(const struct htb *h, const struct htb_class *cl, unsigned int wait)
{
	return wait_at(cl, htb_config_of(h, cl)->prio, wait);
}

static inline unsigned int
prio_of_wait(uintptr_t who)
{
	return (who & HTB_WAIT_BITS) >> HTB_WAIT_PRIO_SHIFT;
}

/* Of a leaf over its ceil: what it waits for. */
static inline unsigned int
wait_of_leaf(const struct htb_class *cl)
{
	return (int64_t)(cl->ceil_used - cl->used) >= 0 ? HTB_WAIT_ROW : HTB_CANNOT_SEND;
}

/*
 * To be told when its mode ends if nothing more is sent. A wait that is there already is left: debts only grow
 * meanwhile, so it goes off early, and the mode is looked at anew.
 */
static inline void
arm_wait(struct htb *h, struct htb_class *cl, unsigned int prio, unsigned int wait, uint64_t used)
{
	if ((cl->armed & (1u << wait | 1u << cl->mode)) != 0)
		return;
	cl->armed |= (uint8_t)(1u << wait);
	wheel_add(&h->wheel, h->now + ns_from_tokens((int64_t)(used - h->clock)), wait_at(cl, prio, wait));
}

static inline void
arm(struct htb *h, struct htb_class *cl)
{
	unsigned int prio = htb_config_of(h, cl)->prio;

	if (cl->mode == HTB_MAY_BORROW)
		arm_wait(h, cl, prio, HTB_MAY_BORROW, cl->used);
	else if (cl->mode == HTB_CANNOT_SEND)
		arm_wait(h, cl, prio, cl->level == 0 ? wait_of_leaf(cl) : HTB_CANNOT_SEND, cl->ceil_used);
}

/* ---- htb_mode.c */

void htb_change_mode(struct qdisc *q, struct htb *h, struct htb_class *cl, enum htb_mode mode);
/* Its leaf qdisc, a shaper itself, gives nothing for now. */
void htb_park(struct htb *h, struct htb_class *cl, uint64_t until_ns);
/* A wait is over that does not end in a row. */
void htb_is_due(struct qdisc *q, struct htb *h, uintptr_t who);

static inline void
review_mode(struct qdisc *q, struct htb *h, struct htb_class *cl, enum htb_mode mode)
{
	if (unlikely(mode != cl->mode))
		htb_change_mode(q, h, cl, mode);
}

/*
 * An inner class from which nobody wants to borrow is not told from one that has something to lend until somebody does:
 * only that it is over its ceil is counted.
 */
static inline bool
mode_matters(const struct htb_class *cl, enum htb_mode mode)
{
	return cl->busy != 0 || cl->level == 0 || mode == HTB_CANNOT_SEND || cl->mode == HTB_CANNOT_SEND;
}

/* ---- paying: htb_charge.c */

/* What packets of `bytes` cost a class. */
struct cost {
	int64_t rate, ceil; /* tokens */
};

static inline struct cost
cost_of(const struct htb_config *config, uint64_t bytes)
{
	int64_t cost = rate_cost(&config->rate, bytes);

	return (struct cost){ .rate = cost, .ceil = likely(config->one_rate) ? cost : rate_cost(&config->ceil, bytes) };
}

/*
 * What leaves send at their own rate is summed up for the class above them, which pays when a few turns are over: the
 * misses of many such classes overlap then, and one that all stand below pays once. Those above that pay for many
 * together, when a burst is done. Either is done before somebody is to borrow: only then does it matter whether they
 * are over a bucket. Each level's bill goes on to the next, so the root class pays once.
 */
static inline void
charge_above(struct htb *h, struct htb_class *cl, uint32_t bytes, uint32_t packets)
{
	struct htb_class *parent = htb_parent(cl);
	unsigned int at = h->charge_count, fresh = 1;

	if (unlikely(parent == NULL))
		return;
	if (h->inners <= HTB_CHARGED) {
		uint8_t *last = &h->last_charges[(uintptr_t)parent / RTE_CACHE_LINE_SIZE % HTB_CHARGED];

		/* Whether it is the first for that class cannot be guessed. */
		fresh = h->charges[*last].cl != parent;
		at = *last + ((at - *last) & -fresh);
		*last = (uint8_t)at;
	} else {
		/* There are many then, and others' turns between. */
		rte_prefetch0(parent);
	}
	h->charge_count += fresh;
	h->charges[at].cl = parent;
	h->charges[at].bytes += bytes;
	h->charges[at].packets += packets;
}

void htb_pay_charges(struct qdisc *q, struct htb *h);
void htb_pay_bills(struct qdisc *q, struct htb *h);
/*
 * Packets of the leaf cl have left at the expense of its ancestor at `level`: that one and all above it pay in full,
 * those below it only their ceil buckets. What is borrowed does not count against one's own rate.
 */
void htb_charge_borrowed(
	struct qdisc *q, struct htb *h, struct htb_class *cl, uint32_t bytes, uint32_t packets, unsigned int level);

#endif
