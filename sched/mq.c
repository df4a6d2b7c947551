/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mq: one qdisc of the default kind for each transmit queue (tc-mq(8)), and each served by a worker of its own.
 *
 * It stands at the root of the port's tree, where control finds it, and holds nothing: packets go past it to the trees
 * of the lanes (sched_host.lanes), so that no two workers ever write to one counter. What its classes and their leaves
 * show is read from those when it is asked for.
 */
#include <weir/sched.h>

#include "tree.h"

struct mq {
	struct class *classes[WORKERS_MAX]; /* by lane */
	/* Made with this qdisc, to be the lanes' roots once it stands at its place; from then on those of before. */
	struct qdisc *roots[WORKERS_MAX];
};

static struct qdisc *
lane_root(const struct qdisc *q, unsigned int lane)
{
	return q->tree->host.lanes[lane]->root;
}

/* ---- what is shown ---- */

static void
copy_counters(struct qdisc *shown, const struct qdisc *lane)
{
	shown->sent_bytes = lane->sent_bytes;
	shown->sent_packets = lane->sent_packets;
	shown->drops_total = lane->drops_total;
	shown->backlog_bytes = lane->backlog_bytes;
	shown->backlog_pkts = lane->backlog_pkts;
}

static void
mq_refresh(struct qdisc *q)
{
	const struct mq *mq = qdisc_priv(q);

	q->sent_bytes = q->sent_packets = q->drops_total = q->backlog_bytes = q->backlog_pkts = 0;
	for (unsigned int i = 0; i < q->tree->host.lane_count; i++) {
		struct qdisc *leaf = mq->classes[i]->leaf;

		copy_counters(leaf, lane_root(q, i));
		q->sent_bytes += leaf->sent_bytes;
		q->sent_packets += leaf->sent_packets;
		q->drops_total += leaf->drops_total;
		q->backlog_bytes += leaf->backlog_bytes;
		q->backlog_pkts += leaf->backlog_pkts;
	}
}

static const struct qdisc *
mq_shown_leaf(const struct class *c)
{
	return lane_root(c->qdisc, TC_H_MIN(c->classid) - 1);
}

static void
mq_get_conf(const struct qdisc *q, void *conf)
{
}

/* ---- packets: only those that a change moves ---- */

/* To the owner's lane. */
static uint16_t
mq_enqueue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct sched_tree *lane = q->tree->host.lanes[0];

	lane->now = now;
	lane->moving = qdisc_moving(q);
	n = qdisc_enqueue(lane->root, pkts, n, now);
	lane->moving = false;
	return n;
}

/* All lanes', one after the other: a flow is in one of them. */
static uint16_t
mq_flush(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t got = 0;

	for (unsigned int i = 0; i < q->tree->host.lane_count && got < n; i++)
		got += qdisc_flush(lane_root(q, i), pkts + got, n - got);
	for (uint16_t i = 0; i < got; i++)
		tree_forget_leaf(pkts[i]);
	mq_refresh(q);
	return got;
}

/* Who sends asks the lanes' own trees. */
static uint16_t
mq_dequeue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	return 0;
}

static uint64_t
mq_next_event(const struct qdisc *q, uint64_t now)
{
	return SCHED_NEVER;
}

/* ---- configuration ---- */

static int
mq_init(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	unsigned int lanes = q->tree->host.lane_count;
	struct mq *mq = qdisc_priv(q);

	if (q->parent != NULL)
		return error_set(err, EOPNOTSUPP, "mq goes to the root of a port, not into a class");
	if (lanes < 2)
		return error_set(err, EOPNOTSUPP,
			"mq: this port sends by one queue. It takes a device with several (--queues), several workers, "
			"and a link that no --rate paces");
	for (unsigned int i = 0; i < lanes; i++) {
		struct sched_tree *lane = q->tree->host.lanes[i];
		int rc = class_create(q, q->handle | (i + 1), "pfifo", NULL, &mq->classes[i], err);

		if (rc != 0)
			return rc;
		mq->roots[i] = qdisc_create(lane, NULL, lane->default_root->kind, NULL, NULL, 0, err);
		if (mq->roots[i] == NULL)
			return -ENOMEM;
	}
	return 0;
}

/* The lanes hold nothing now: it is on the way to here, or was in another root. */
static void
mq_placed(struct qdisc *q)
{
	struct mq *mq = qdisc_priv(q);

	for (unsigned int i = 0; i < q->tree->host.lane_count; i++) {
		struct sched_tree *lane = q->tree->host.lanes[i];
		struct qdisc *before = lane->root;

		__atomic_store_n(&lane->root, mq->roots[i], __ATOMIC_RELEASE);
		mq->roots[i] = before;
		sched_chain_changed(lane);
	}
}

static void
mq_destroy(struct qdisc *q)
{
	struct mq *mq = qdisc_priv(q);

	for (unsigned int i = 0; i < q->tree->host.lane_count; i++) {
		if (mq->roots[i] != NULL)
			qdisc_free(mq->roots[i]);
	}
}

static bool
mq_may_graft(const struct class *c, struct error *err)
{
	error_set(err, EINVAL,
		"The queues of mq keep their default (net.core.default_qdisc); put the discipline at the root in mq's "
		"place");
	return false;
}

/* Never called: no packet is ever queued in the leaves that are shown. */
static void
mq_turned(struct class *c, uint64_t now)
{
}

static const struct class_ops mq_class_ops = {
	.activate = mq_turned,
	.deactivate = mq_turned,
	.may_graft = mq_may_graft,
	.no_filters = true,
};

static const struct qdisc_ops mq_ops = {
	.kind = "mq",
	.size = sizeof(struct mq),
	.init = mq_init,
	.destroy = mq_destroy,
	.placed = mq_placed,
	.enqueue = mq_enqueue,
	.dequeue = mq_dequeue,
	.flush = mq_flush,
	.next_event = mq_next_event,
	.get_conf = mq_get_conf,
	.refresh = mq_refresh,
	.uses_lanes = true,
	.shown_leaf = mq_shown_leaf,
	.classes = &mq_class_ops,
};
QDISC_REGISTER(mq_ops)
