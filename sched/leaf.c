/* SPDX-License-Identifier: BSD-3-Clause */
/* The way into leaf qdiscs: see leaf.h. */
#include <rte_branch_prediction.h>

#include "leaf.h"

static void
drop_unclassified(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		qdisc_drop(q, pkts[i], DROP_UNCLASSIFIED);
}

/*
 * No class is for what is moved to q; one with the qdisc's own number, where there is no other and nobody has put
 * anything there, is none.
 */
static bool
has_no_place(const struct qdisc *q, const struct class *c)
{
	if (c == NULL || c->leaf == NULL)
		return true;
	return TC_H_MIN(c->classid) == 0 && c->leaf->handle == 0 && q->class_table->count == 1;
}

/* The packets from the first on that go where that one goes, to c, go there together: how many they are. */
static __rte_noinline uint16_t
enqueue_run(struct qdisc *q, struct class *c, struct rte_mbuf **pkts, uint16_t n, uint16_t *queued, uint64_t now)
{
	const struct class *chosen = tree_class_of(q->tree, q, pkts[0]);
	uint16_t run = 1;

	while (run < n && tree_class_of(q->tree, q, pkts[run]) == chosen)
		run++;
	if (unlikely(qdisc_moving(q)) && has_no_place(q, c)) {
		for (uint16_t i = 0; i < run; i++)
			qdisc_put_ahead(q, pkts[i]);
		*queued += run;
		return run;
	}
	if (c == NULL || c->leaf == NULL) {
		drop_unclassified(q, pkts, run);
		return run;
	}
	*queued += qdisc_enqueue(c->leaf, pkts, run, now);
	/* What came may leave before what the class waits for. */
	q->ops->classes->grafted(c, now);
	return run;
}

static uint16_t
enqueue_burst(struct qdisc *q, struct class *otherwise, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct class *found[SCHED_BURST];
	bool moving = qdisc_moving(q);
	uint16_t i = 0, taken = 0, queued = 0;
	uint64_t bytes = 0;

	leaf_find(q, pkts, n, found);
	while (i < n) {
		struct class *c = tree_class_above(q, found[i]);
		struct qdisc *leaf;

		if (unlikely(c == NULL))
			c = otherwise;
		leaf = c == NULL ? NULL : c->leaf;
		if (likely(leaf != NULL && leaf->plain && !moving && fifo_take(leaf, pkts[i], &bytes))) {
			if (leaf->backlog_pkts == 1)
				q->ops->classes->activate(c, now);
			taken++;
			i++;
		} else {
			i += enqueue_run(q, c, pkts + i, n - i, &queued, now);
		}
	}
	qdisc_queued_below(q, taken, bytes);
	return taken + queued;
}

uint16_t
leaf_enqueue(struct qdisc *q, struct class *otherwise, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	uint16_t queued = 0;

	for (uint16_t done = 0; done < n; done += SCHED_BURST)
		queued += enqueue_burst(q, otherwise, pkts + done, RTE_MIN(n - done, SCHED_BURST), now);
	return queued;
}
