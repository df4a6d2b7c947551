/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CBQ: the top-level link-sharing guidelines (Floyd and Van Jacobson 1995, section on approximations). A class may send
 *
 *   1. if it is not over its limit, or
 *   2. if it has an ancestor that is not, at a level up to Top-Level.
 *
 * So nobody looks for unsatisfied classes: what there is to know of them is in one variable, set by these heuristics,
 * where the paper's level 1, the leaves', is 0 here:
 *
 *   - a packet comes for a class that is not over its limit: Top-Level is the leaves' level;
 *   - one comes for a class that is, and whose parent is not, at a level below Top-Level: Top-Level is the parent's;
 *   - a packet has been sent by a class that has nothing more to send now, or may not go on: Top-Level is infinity.
 *
 * Three things are not in the paper. Who waits may send if nobody else may: work is conserved while Top-Level is lower
 * than it should be. Of those that may, of the first prio, the lowest level is served first. And a queue that an inner
 * class has of its own, which the paper has not, borrows from it.
 */
#include <rte_common.h>

#include "cbq.h"
#include "cbq_estimator.h"

static bool top_level;

void
cbq_set_top_level(bool on)
{
	__atomic_store_n(&top_level, on, __ATOMIC_RELAXED);
}

bool
cbq_top_level(void)
{
	return __atomic_load_n(&top_level, __ATOMIC_RELAXED);
}

static bool
may_lend(const struct cbq *h, const struct cbq_class *cl, uint64_t now)
{
	return cbq_under_limit(cl, now) || cbq_is_root(h, cl);
}

void
cbq_note_arrivals(const struct qdisc *q, struct cbq *h, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	for (uint16_t i = 0; i < n && h->top_level != 0; i++) {
		struct class *c = tree_class_of(q->tree, q, pkts[i]);
		const struct cbq_class *cl = class_priv(c != NULL ? c : h->root), *parent;

		if (may_lend(h, cl, now)) {
			h->top_level = RTE_MIN(h->top_level, cl->level);
			continue;
		}
		parent = cbq_parent(h, cl);
		if (!cl->bounded && may_lend(h, parent, now))
			h->top_level = RTE_MIN(h->top_level, parent->level);
	}
}

static bool
may_go_on(const struct cbq *h, const struct cbq_class *cl, uint64_t now)
{
	while (cl->level <= h->top_level) {
		if (may_lend(h, cl, now))
			return true;
		if (cl->bounded)
			break;
		cl = cbq_parent(h, cl);
	}
	return false;
}

void
cbq_note_sent(struct cbq *h, const struct cbq_class *cl, uint64_t now)
{
	if (cbq_class_of(cl)->leaf->backlog_pkts == 0 || !may_go_on(h, cl, now))
		h->top_level = CBQ_LEVELS;
}

void
cbq_choose_row(const struct cbq *h, unsigned int *level, unsigned int *prio)
{
	unsigned int up_to_top = h->busy_levels & ((2u << h->top_level) - 1);

	*prio = CBQ_PRIOS;
	for (unsigned int left = up_to_top != 0 ? up_to_top : h->busy_levels; left != 0; left &= left - 1) {
		unsigned int at = (unsigned int)__builtin_ctz(left),
			     first = (unsigned int)__builtin_ctz(h->busy_rows[at]);

		if (first < *prio) {
			*prio = first;
			*level = at;
		}
	}
}
