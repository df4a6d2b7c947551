/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "flow_choice.h"

static uint32_t
flow_by_verdict(const struct verdict *verdict, uint32_t flows)
{
	switch (verdict->action) {
	case TC_ACT_OK:
	case TC_ACT_PIPE:
		return flow_by_minor(verdict->classid, flows);
	case TC_ACT_UNSPEC:
	case TC_ACT_RECLASSIFY:
		return FLOW_LOST;
	default:
		return FLOW_SHOT;
	}
}

/* The filters have a say in what no priority has placed. */
static void
ask_filters(const struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint32_t flows, uint32_t *chosen)
{
	struct rte_mbuf *asked[FLOW_CHOICE_BURST];
	struct verdict verdicts[FLOW_CHOICE_BURST];
	uint16_t asked_at[FLOW_CHOICE_BURST], asked_count = 0;

	for (uint16_t i = 0; i < n; i++) {
		chosen[i] = flow_by_priority(q, pkts[i], flows);
		if (chosen[i] == FLOW_LOST) {
			asked_at[asked_count] = i;
			asked[asked_count++] = pkts[i];
		}
	}
	if (asked_count == 0)
		return;
	chain_classify(q->chain, qdisc_ctx(q), asked, asked_count, verdicts);
	for (uint16_t i = 0; i < asked_count; i++)
		chosen[asked_at[i]] = flow_by_verdict(&verdicts[i], flows);
}

void
flow_choose(const struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint32_t flows,
	uint32_t (*by_hash)(const struct qdisc *q, struct rte_mbuf *m), uint32_t *chosen)
{
	bool moving = qdisc_moving(q);

	/*
	 * What is moved has been through the filters before: it is not asked again where that could count or drop it
	 * twice, and it is never dropped.
	 */
	if (!moving || chain_pure(q->chain))
		ask_filters(q, pkts, n, flows, chosen);
	else
		memset(chosen, 0xff, n * sizeof(*chosen));
	for (uint16_t i = 0; moving && i < n; i++) {
		if (chosen[i] >= flows)
			chosen[i] = by_hash(q, pkts[i]);
	}
}
