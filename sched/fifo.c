/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfifo and bfifo: first in, first out, bounded in packets or in bytes (tc-pfifo(8)).
 *
 * The plainest queues there are, and the leaves under most classes. A packet that would take the backlog over the limit
 * is dropped at the tail (RFC 7567 section 2 says why one may want better).
 */
#include <weir/qdisc/fifo.h>
#include <weir/sched.h>

#include "pkt_queue.h"

struct fifo {
	struct pkt_queue queue;
	uint32_t limit; /* packets or bytes */
};

/* False when there was no memory for m, which has then been dropped. */
static inline bool
fifo_push(struct qdisc *q, struct fifo *f, struct rte_mbuf *m, uint64_t *sum)
{
	uint32_t bytes = qdisc_count_bytes(q, m);

	if (unlikely(!pkt_queue_push(&f->queue, m, bytes))) {
		qdisc_drop(q, m, DROP_NO_BUFFER);
		return false;
	}
	*sum += bytes;
	return true;
}

static uint16_t
pfifo_enqueue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct fifo *f = qdisc_priv(q);
	uint16_t queued = 0;
	uint64_t bytes = 0;

	/* Under many classes packets come one by one. */
	if (likely(n == 1 && f->queue.count < f->limit)) {
		queued = fifo_push(q, f, pkts[0], &bytes);
		qdisc_queued_burst(q, pkts, queued, bytes);
		return queued;
	}
	for (uint16_t i = 0; i < n; i++) {
		if (unlikely(f->queue.count >= f->limit) && !qdisc_moving(q))
			qdisc_drop(q, pkts[i], DROP_QUEUE_FULL);
		else if (fifo_push(q, f, pkts[i], &bytes))
			pkts[queued++] = pkts[i];
	}
	qdisc_queued_burst(q, pkts, queued, bytes);
	return queued;
}

static uint16_t
bfifo_enqueue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct fifo *f = qdisc_priv(q);
	uint16_t queued = 0;
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (unlikely(q->backlog_bytes + bytes + pkt_bytes(q, pkts[i]) > f->limit) && !qdisc_moving(q))
			qdisc_drop(q, pkts[i], DROP_QUEUE_FULL);
		else if (fifo_push(q, f, pkts[i], &bytes))
			pkts[queued++] = pkts[i];
	}
	qdisc_queued_burst(q, pkts, queued, bytes);
	return queued;
}

static uint16_t
fifo_dequeue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct fifo *f = qdisc_priv(q);
	uint64_t bytes = 0;
	uint16_t got = pkt_queue_pop_burst(&f->queue, pkts, n, &bytes);

	qdisc_left_burst(q, pkts, got, bytes, now);
	return got;
}

static void
fifo_prefetch(const struct qdisc *q, unsigned int step)
{
	const struct fifo *f = qdisc_priv(q);

	pkt_queue_prefetch(&f->queue, step);
}

static struct rte_mbuf *
fifo_peek(struct qdisc *q, uint64_t now)
{
	const struct fifo *f = qdisc_priv(q);

	(void)now;
	return f->queue.count == 0 ? NULL : pkt_queue_first(&f->queue)->m;
}

static uint16_t
fifo_peek_bytes(const struct qdisc *q, uint32_t *bytes, uint16_t n)
{
	const struct fifo *f = qdisc_priv(q);

	return pkt_queue_peek_bytes(&f->queue, bytes, n);
}

static uint16_t
fifo_flush(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct fifo *f = qdisc_priv(q);

	return pkt_queue_flush(&f->queue, q, pkts, n);
}

static uint64_t
fifo_next_event(const struct qdisc *q, uint64_t now)
{
	return q->backlog_pkts != 0 ? now : SCHED_NEVER;
}

/* A lower limit bites on arrival: what is queued stays queued. */
static int
fifo_change(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	const struct fifo_conf *c = conf;
	struct fifo *f = qdisc_priv(q);

	(void)now;
	if (c == NULL)
		return error_set(err, EINVAL, "%s: a change needs a limit", q->ops->kind);
	f->limit = c->limit;
	return 0;
}

static int
pfifo_init(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	struct fifo_conf defaults = { .limit = qdisc_tx_queue_len(q) };
	struct fifo *f = qdisc_priv(q);

	pkt_queue_init(&f->queue, q);
	return fifo_change(q, conf == NULL ? &defaults : conf, now, err);
}

static int
bfifo_init(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	/* A queue's length of full frames: the MTU and 14 bytes of Ethernet header. */
	uint64_t bytes = (uint64_t)qdisc_tx_queue_len(q) * (qdisc_mtu(q) + 14);
	struct fifo_conf defaults = { .limit = RTE_MIN(bytes, UINT32_MAX) };
	struct fifo *f = qdisc_priv(q);

	pkt_queue_init(&f->queue, q);
	return fifo_change(q, conf == NULL ? &defaults : conf, now, err);
}

static void
fifo_get_conf(const struct qdisc *q, void *conf)
{
	const struct fifo *f = qdisc_priv(q);

	((struct fifo_conf *)conf)->limit = f->limit;
}

static const struct qdisc_ops pfifo_ops = {
	.kind = "pfifo",
	.size = sizeof(struct fifo),
	.conf_size = sizeof(struct fifo_conf),
	.init = pfifo_init,
	.change = fifo_change,
	.enqueue = pfifo_enqueue,
	.dequeue = fifo_dequeue,
	.peek = fifo_peek,
	.peek_bytes = fifo_peek_bytes,
	.flush = fifo_flush,
	.next_event = fifo_next_event,
	.prefetch = fifo_prefetch,
	.get_conf = fifo_get_conf,
	.bypass = true,
};
QDISC_REGISTER(pfifo_ops)

static const struct qdisc_ops bfifo_ops = {
	.kind = "bfifo",
	.size = sizeof(struct fifo),
	.conf_size = sizeof(struct fifo_conf),
	.init = bfifo_init,
	.change = fifo_change,
	.enqueue = bfifo_enqueue,
	.dequeue = fifo_dequeue,
	.peek = fifo_peek,
	.peek_bytes = fifo_peek_bytes,
	.flush = fifo_flush,
	.next_event = fifo_next_event,
	.prefetch = fifo_prefetch,
	.get_conf = fifo_get_conf,
	.bypass = true,
};
QDISC_REGISTER(bfifo_ops)
