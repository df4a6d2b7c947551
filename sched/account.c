/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Backlogs and counters: true at every level because they change only here, all the way from the leaf to the root,
 * which is also where a classful parent learns that a child turned busy or empty.
 */
#include <rte_mbuf.h>

#include <weir/sched.h>

#include "tree.h"

static inline struct qdisc *
qdisc_above(const struct qdisc *q)
{
	return q->parent == NULL ? NULL : q->parent->qdisc;
}

/* One level: returns the next one. */
static inline struct qdisc *
backlog_add(struct qdisc *q, uint32_t packets, uint64_t bytes, uint64_t now)
{
	struct class *parent = q->parent;
	uint32_t before = q->backlog_pkts;

	q->backlog_bytes += bytes;
	q->backlog_pkts = before + packets;
	if (parent == NULL)
		return NULL;
	if (before == 0)
		parent->qdisc->ops->classes->activate(parent, now);
	return parent->qdisc;
}

static inline struct qdisc *
backlog_subtract(struct qdisc *q, uint32_t packets, uint64_t bytes, uint64_t now)
{
	struct class *parent = q->parent;

	q->backlog_bytes -= bytes;
	q->backlog_pkts -= packets;
	if (parent == NULL)
		return NULL;
	if (q->backlog_pkts == 0)
		parent->qdisc->ops->classes->deactivate(parent, now);
	return parent->qdisc;
}

static __rte_noinline void
observe_queued(const struct sched_observer *observer, const struct qdisc *q, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		observer->queued(observer->arg, q, pkts[i], q->tree->now);
}

void
qdisc_queued_below(struct qdisc *q, uint32_t packets, uint64_t bytes)
{
	uint64_t now = q->tree->now;

	while (packets != 0 && q != NULL)
		q = backlog_add(q, packets, bytes, now);
}

void
qdisc_queued_burst(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t bytes)
{
	struct sched_tree *tree = q->tree;

	if (n == 0)
		return;
	if (unlikely(tree->host.observer != NULL))
		observe_queued(tree->host.observer, q, pkts, n);
	qdisc_queued_below(q, n, bytes);
}

void
qdisc_queued(struct qdisc *q, struct rte_mbuf *m)
{
	qdisc_queued_burst(q, &m, 1, qdisc_count_bytes(q, m));
}

static __rte_noinline void
observe_left(
	const struct sched_observer *observer, const struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	for (uint16_t i = 0; i < n; i++) {
		for (const struct qdisc *at = q; at != NULL && at != q->tree->peeking; at = qdisc_above(at))
			observer->left(observer->arg, at, pkts[i], now);
	}
}

void
qdisc_left_below(struct qdisc *q, uint32_t packets, uint64_t bytes, uint64_t now)
{
	const struct qdisc *peeking = q->tree->peeking;

	while (packets != 0 && q != NULL && q != peeking) {
		q->sent_bytes += bytes;
		q->sent_packets += packets;
		q = backlog_subtract(q, packets, bytes, now);
	}
}

void
qdisc_left_burst(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t bytes, uint64_t now)
{
	struct sched_tree *tree = q->tree;

	if (n == 0)
		return;
	if (unlikely(tree->host.observer != NULL))
		observe_left(tree->host.observer, q, pkts, n, now);
	qdisc_left_below(q, n, bytes, now);
}

void
qdisc_left(struct qdisc *q, struct rte_mbuf *m, uint64_t now)
{
	qdisc_left_burst(q, &m, 1, pkt_queued_bytes(m), now);
}

/* Counts the drop at q and at all above it, as Linux does, and frees m. */
static void
drop(struct qdisc *q, struct rte_mbuf *m, enum drop_reason reason)
{
	struct sched_tree *tree = q->tree;
	const struct sched_observer *observer = tree->host.observer;

	if (unlikely(observer != NULL))
		observer->dropped(observer->arg, q, m, reason);
	for (; q != NULL; q = qdisc_above(q)) {
		q->drops[reason]++;
		q->drops_total++;
	}
	pkt_drop(tree->host.sink, m, reason);
}

void
qdisc_drop(struct qdisc *q, struct rte_mbuf *m, enum drop_reason reason)
{
	drop(q, m, reason);
}

void
qdisc_shot(struct qdisc *q, struct rte_mbuf *m)
{
	if (!classify_shot(&q->tree->ctx, m))
		qdisc_drop(q, m, DROP_FILTER);
}

void
qdisc_unqueued(struct qdisc *q, struct rte_mbuf *m)
{
	uint32_t bytes = pkt_queued_bytes(m);
	uint64_t now = q->tree->now;

	while (q != NULL)
		q = backlog_subtract(q, 1, bytes, now);
}

void
qdisc_handed_down(struct qdisc *q, uint32_t packets, uint64_t bytes)
{
	uint64_t now = q->tree->now;

	while (q != NULL)
		q = backlog_subtract(q, packets, bytes, now);
}

void
qdisc_generated(struct qdisc *q)
{
	q->tree->host.sink->generated++;
}

void
qdisc_drop_queued(struct qdisc *q, struct rte_mbuf *m, enum drop_reason reason)
{
	qdisc_unqueued(q, m);
	drop(q, m, reason);
}

static void
hold(struct qdisc *q, struct rte_mbuf *m)
{
	q->held = m;
	q->holds = m != NULL || (q->ahead != NULL && q->ahead->count != 0);
}

/* What holds is about: NULL: nothing more. */
static struct rte_mbuf *
release(struct qdisc *q)
{
	struct rte_mbuf *m = q->held != NULL ? q->held : q->ahead != NULL ? pkt_queue_pop(q->ahead) : NULL;

	hold(q, NULL);
	return m;
}

void
qdisc_put_ahead(struct qdisc *q, struct rte_mbuf *m)
{
	if (unlikely(!pkt_queue_push(q->ahead, m, pkt_bytes(q, m)))) {
		qdisc_drop(q, m, DROP_NO_BUFFER);
		return;
	}
	q->holds = true;
	qdisc_queued(q, m);
}

struct rte_mbuf *
qdisc_peek(struct qdisc *q, uint64_t now)
{
	struct sched_tree *tree = q->tree;
	struct qdisc *outer = tree->peeking;
	struct rte_mbuf *m;

	if (q->holds)
		return q->held != NULL ? q->held : pkt_queue_first(q->ahead)->m;
	if (q->ops->peek != NULL)
		return q->ops->peek(q, now);
	if (q->backlog_pkts == 0)
		return NULL;
	/* What is below q has seen the packet leave; q and those above it count it until it is taken. */
	tree->peeking = q;
	hold(q, q->ops->dequeue(q, &m, 1, now) == 0 ? NULL : m);
	tree->peeking = outer;
	return q->held;
}

uint16_t
qdisc_dequeue_held(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	uint16_t got = 0;

	for (; got < n && q->holds; got++) {
		pkts[got] = release(q);
		qdisc_left(q, pkts[got], now);
	}
	return got + (got < n ? q->ops->dequeue(q, pkts + got, n - got, now) : 0);
}

uint16_t
qdisc_flush(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t got = 0;

	for (; got < n && q->holds; got++) {
		pkts[got] = release(q);
		qdisc_unqueued(q, pkts[got]);
	}
	return got + (got < n ? q->ops->flush(q, pkts + got, n - got) : 0);
}

int
qdisc_bind_port(const struct qdisc *q, struct error *err)
{
	const struct sched_host *host = &q->tree->host;

	return host->bind != NULL ? host->bind(host->host_arg, q->ops->kind, err) : 0;
}

bool
qdisc_moving(const struct qdisc *q)
{
	return q->tree->moving;
}

const struct classify_ctx *
qdisc_ctx(const struct qdisc *q)
{
	return &q->tree->ctx;
}

uint32_t
qdisc_mtu(const struct qdisc *q)
{
	return q->tree->host.mtu;
}

uint32_t
qdisc_tx_queue_len(const struct qdisc *q)
{
	return q->tree->host.tx_queue_len;
}

uint64_t
qdisc_random(struct qdisc *q)
{
	return random_next(&q->tree->random);
}

void
qdisc_get_stats(const struct qdisc *q, struct sched_stats *stats)
{
	struct qdisc *root = q->tree->root;

	if (root != NULL && root->ops->refresh != NULL)
		root->ops->refresh(root);
	*stats = (struct sched_stats){
		.bytes = q->sent_bytes,
		.packets = q->sent_packets,
		.drops = q->drops_total,
		.overlimits = q->overlimits,
		.requeues = q->requeues,
		.backlog_bytes = q->backlog_bytes,
		.backlog_pkts = q->backlog_pkts,
	};
}

void
class_get_stats(const struct class *c, struct sched_stats *stats)
{
	if (c->qdisc->ops->classes->get_stats != NULL)
		c->qdisc->ops->classes->get_stats(c, stats);
	else if (c->leaf != NULL)
		qdisc_get_stats(c->leaf, stats);
	else
		*stats = (struct sched_stats){ 0 };
}
