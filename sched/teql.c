/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * teql0: the root of a port that shares the load of the link teql0 with others (LARTC HOWTO, "Loadsharing over multiple
 * interfaces").
 *
 * What is routed to the port itself waits here, first in, first out, as many packets as its queue length says. What is
 * routed to teql0 waits in that link's own tree, and the data plane gives it to whichever of the ports can send next.
 */
#include <weir/sched.h>

#include "pkt_queue.h"

struct teql {
	struct pkt_queue queue;
};

static uint16_t
teql_enqueue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct teql *t = qdisc_priv(q);
	uint32_t limit = qdisc_moving(q) ? UINT32_MAX : qdisc_tx_queue_len(q);
	uint16_t queued = 0;
	uint64_t bytes = 0;

	(void)now;
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		uint32_t counted;

		if (unlikely(q->backlog_pkts + queued >= limit)) {
			qdisc_drop(q, m, DROP_QUEUE_FULL);
			continue;
		}
		counted = qdisc_count_bytes(q, m);
		if (unlikely(!pkt_queue_push(&t->queue, m, counted))) {
			qdisc_drop(q, m, DROP_NO_BUFFER);
			continue;
		}
		bytes += counted;
		pkts[queued++] = m;
	}
	qdisc_queued_burst(q, pkts, queued, bytes);
	return queued;
}

static uint16_t
teql_dequeue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct teql *t = qdisc_priv(q);
	uint64_t bytes = 0;
	uint16_t got = pkt_queue_pop_burst(&t->queue, pkts, n, &bytes);

	qdisc_left_burst(q, pkts, got, bytes, now);
	return got;
}

static struct rte_mbuf *
teql_peek(struct qdisc *q, uint64_t now)
{
	const struct teql *t = qdisc_priv(q);

	(void)now;
	return t->queue.count == 0 ? NULL : pkt_queue_first(&t->queue)->m;
}

static uint16_t
teql_flush(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct teql *t = qdisc_priv(q);

	return pkt_queue_flush(&t->queue, q, pkts, n);
}

static uint64_t
teql_next_event(const struct qdisc *q, uint64_t now)
{
	return q->backlog_pkts != 0 ? now : SCHED_NEVER;
}

static int
teql_init(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	struct teql *t = qdisc_priv(q);

	(void)conf;
	(void)now;
	if (q->parent != NULL)
		return error_set(err, EOPNOTSUPP, "sch_teql: teql can only be used as root");
	pkt_queue_init(&t->queue, q);
	return qdisc_bind_port(q, err);
}

static void
teql_get_conf(const struct qdisc *q, void *conf)
{
	(void)q;
	(void)conf;
}

static const struct qdisc_ops teql_ops = {
	.kind = "teql0",
	.size = sizeof(struct teql),
	.init = teql_init,
	.enqueue = teql_enqueue,
	.dequeue = teql_dequeue,
	.peek = teql_peek,
	.flush = teql_flush,
	.next_event = teql_next_event,
	.get_conf = teql_get_conf,
	.binds_port = true,
};
QDISC_REGISTER(teql_ops)
