/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which flow of a discipline with a fixed number of them a packet is for: its priority may name one (of 10:, 10:3 names
 * the third), else the discipline's own filters do if there are any, else a hash. As Linux has it, where there are
 * filters a packet that none of them gives a flow is lost.
 */
#ifndef WEIR_SCHED_FLOW_CHOICE_H
#define WEIR_SCHED_FLOW_CHOICE_H

#include <weir/sched.h>

#define FLOW_CHOICE_BURST 64

/* In place of a flow. */
#define FLOW_SHOT UINT32_MAX /* a filter dropped it */
#define FLOW_LOST (UINT32_MAX - 1) /* nobody gave it one */

static inline bool
flow_has_filters(const struct qdisc *q)
{
	return q->chain != NULL && !chain_empty(q->chain);
}

static inline uint32_t
flow_by_minor(uint32_t classid, uint32_t flows)
{
	uint32_t flow = TC_H_MIN(classid) - 1;

	return flow < flows ? flow : FLOW_LOST;
}

static inline uint32_t
flow_by_priority(const struct qdisc *q, struct rte_mbuf *m, uint32_t flows)
{
	uint32_t priority = pkt_of(m)->priority;

	return unlikely(TC_H_MAJ(priority) == q->handle && q->handle != 0) ? flow_by_minor(priority, flows) : FLOW_LOST;
}

/* m, of which FLOW_SHOT or FLOW_LOST was said. */
static inline void
flow_refuse(struct qdisc *q, struct rte_mbuf *m, uint32_t flow)
{
	if (flow == FLOW_SHOT)
		qdisc_shot(q, m);
	else
		qdisc_drop(q, m, DROP_UNCLASSIFIED);
}

/*
 * The flows of at most FLOW_CHOICE_BURST packets, FLOW_SHOT or FLOW_LOST, for a discipline that has filters; in
 * enqueue. by_hash places what a change moves and nobody gives a flow.
 */
void flow_choose(const struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint32_t flows,
	uint32_t (*by_hash)(const struct qdisc *q, struct rte_mbuf *m), uint32_t *chosen);

#endif
