/* SPDX-License-Identifier: BSD-3-Clause */
#include "inner.h"

struct rte_mbuf *
inner_peek(struct qdisc *q, uint64_t now)
{
	return qdisc_peek(inner_of(q), now);
}

uint16_t
inner_peek_bytes(const struct qdisc *q, uint32_t *bytes, uint16_t n)
{
	return qdisc_peek_bytes(inner_of(q), bytes, n);
}

uint16_t
inner_flush(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n)
{
	return qdisc_flush(inner_of(q), pkts, n);
}

uint64_t
inner_next_event(const struct qdisc *q, uint64_t now)
{
	return q->backlog_pkts == 0 ? SCHED_NEVER : qdisc_next_event(inner_of(q), now);
}

void
inner_classify(
	const struct qdisc *q, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n, uint32_t *leaves)
{
	struct class *c = ((const struct inner *)qdisc_priv(q))->class;

	(void)ctx;
	(void)pkts;
	if (__atomic_load_n(&c->leaf, __ATOMIC_ACQUIRE) == NULL)
		c = NULL;
	for (uint16_t i = 0; i < n; i++)
		leaves[i] = class_slot(c);
}

void
inner_turned(struct class *c, uint64_t now)
{
	(void)c;
	(void)now;
}
