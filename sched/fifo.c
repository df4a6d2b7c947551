/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfifo, bfifo and pfifo_head_drop: first in, first out, bounded in packets or in bytes (tc-pfifo(8)). noqueue: a root
 * that holds what a device's own ring would.
 *
 * The plainest queues there are, and the leaves under most classes. A packet that would take the backlog over the limit
 * is dropped at the tail (RFC 7567 section 2 says why one may want better); pfifo_head_drop drops the first one in its
 * place, so that what is left is never older than the limit.
 */
#include <weir/qdisc/fifo.h>
#include <weir/sched.h>

#include "arrivals.h"
#include "fifo.h"

/* False when there was no memory for m, which has then been dropped. */
static inline bool
queue_packet(struct qdisc *q, struct fifo *f, struct rte_mbuf *m, uint64_t *sum)
{
	uint32_t bytes = qdisc_count_bytes(q, m);

	if (unlikely(!fifo_push(f, m, bytes))) {
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

	for (uint16_t i = 0; i < n; i++) {
		if (unlikely(q->backlog_pkts + queued >= f->limit) && !qdisc_moving(q))
			qdisc_drop(q, pkts[i], DROP_QUEUE_FULL);
		else if (queue_packet(q, f, pkts[i], &bytes))
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
		else if (queue_packet(q, f, pkts[i], &bytes))
			pkts[queued++] = pkts[i];
	}
	qdisc_queued_burst(q, pkts, queued, bytes);
	return queued;
}

static uint16_t
pfifo_head_drop_enqueue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct arrivals arrivals = { .pkts = pkts };
	struct fifo *f = qdisc_priv(q);
	uint16_t queued = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i], *head = NULL;
		uint64_t bytes = 0;

		if (unlikely(q->backlog_pkts + arrivals.count >= f->limit) && !qdisc_moving(q)) {
			if (f->limit == 0) {
				qdisc_drop(q, m, DROP_QUEUE_FULL);
				continue;
			}
			arrivals_enter_in_books(q, &arrivals);
			fifo_pop_burst(f, &head, 1, &bytes);
			qdisc_drop_queued(q, head, DROP_QUEUE_FULL);
		}
		bytes = 0;
		if (!queue_packet(q, f, m, &bytes))
			continue;
		arrivals_add(&arrivals, m, (uint32_t)bytes);
		queued++;
	}
	arrivals_enter_in_books(q, &arrivals);
	return queued;
}

static uint16_t
fifo_dequeue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct fifo *f = qdisc_priv(q);
	uint64_t bytes = 0;
	uint16_t got = fifo_pop_burst(f, pkts, n, &bytes);

	qdisc_left_burst(q, pkts, got, bytes, now);
	return got;
}

static void
fetch_ahead(const struct qdisc *q, unsigned int step)
{
	const struct fifo *f = qdisc_priv(q);

	if (step == 0)
		fifo_prefetch(f);
	else if (f->count != 0)
		rte_prefetch0(fifo_packet(f->near[0]));
	else
		pkt_queue_prefetch(&f->far, 1);
}

static struct rte_mbuf *
fifo_peek(struct qdisc *q, uint64_t now)
{
	const struct fifo *f = qdisc_priv(q);

	(void)now;
	if (f->count != 0)
		return fifo_packet(f->near[0]);
	return f->far.count == 0 ? NULL : pkt_queue_first(&f->far)->m;
}

static uint16_t
fifo_peek_bytes(const struct qdisc *q, uint32_t *bytes, uint16_t n)
{
	const struct fifo *f = qdisc_priv(q);

	uint16_t near = f->count < n ? f->count : n;

	for (uint16_t i = 0; i < near; i++)
		bytes[i] = fifo_bytes(fifo_near_at(f, i));
	return near + pkt_queue_peek_bytes(&f->far, bytes + near, n - near);
}

static uint16_t
fifo_flush(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct fifo *f = qdisc_priv(q);

	uint64_t bytes = 0;
	uint16_t got = fifo_pop_burst(f, pkts, n, &bytes);

	for (uint16_t i = 0; i < got; i++)
		qdisc_unqueued(q, pkts[i]);
	return got;
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

	pkt_queue_init(&f->far, q);
	return fifo_change(q, conf == NULL ? &defaults : conf, now, err);
}

static int
bfifo_init(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	/* A queue's length of full frames: the MTU and 14 bytes of Ethernet header. */
	uint64_t bytes = (uint64_t)qdisc_tx_queue_len(q) * (qdisc_mtu(q) + 14);
	struct fifo_conf defaults = { .limit = RTE_MIN(bytes, UINT32_MAX) };
	struct fifo *f = qdisc_priv(q);

	pkt_queue_init(&f->far, q);
	return fifo_change(q, conf == NULL ? &defaults : conf, now, err);
}

/* A port's transmit ring, which is all that holds packets where Linux has no queue. */
#define NOQUEUE_LIMIT 1024

static int
noqueue_init(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	if (q->parent != NULL)
		return error_set(err, EINVAL, "Cannot assign noqueue to a class.");
	return pfifo_init(q, &(struct fifo_conf){ .limit = NOQUEUE_LIMIT }, now, err);
}

static void
fifo_get_conf(const struct qdisc *q, void *conf)
{
	const struct fifo *f = qdisc_priv(q);

	((struct fifo_conf *)conf)->limit = f->limit;
}

/* What all of them have. */
#define FIFO_OPS                                                                                                       \
	.size = sizeof(struct fifo), .conf_size = sizeof(struct fifo_conf), .dequeue = fifo_dequeue,                   \
	.peek = fifo_peek, .peek_bytes = fifo_peek_bytes, .flush = fifo_flush, .next_event = fifo_next_event,          \
	.prefetch = fetch_ahead, .get_conf = fifo_get_conf, .bypass = true

static const struct qdisc_ops pfifo_ops = {
	.kind = "pfifo",
	FIFO_OPS,
	.init = pfifo_init,
	.change = fifo_change,
	.enqueue = pfifo_enqueue,
	.plain_fifo = true,
};
QDISC_REGISTER(pfifo_ops)

static const struct qdisc_ops bfifo_ops = {
	.kind = "bfifo",
	FIFO_OPS,
	.init = bfifo_init,
	.change = fifo_change,
	.enqueue = bfifo_enqueue,
};
QDISC_REGISTER(bfifo_ops)

static const struct qdisc_ops pfifo_head_drop_ops = {
	.kind = "pfifo_head_drop",
	FIFO_OPS,
	.init = pfifo_init,
	.change = fifo_change,
	.enqueue = pfifo_head_drop_enqueue,
};
QDISC_REGISTER(pfifo_head_drop_ops)

static const struct qdisc_ops noqueue_ops = {
	.kind = "noqueue",
	FIFO_OPS,
	.init = noqueue_init,
	.enqueue = pfifo_enqueue,
};
QDISC_REGISTER(noqueue_ops)
