/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/pkt_sched.h>

#include "hook.h"

void
hook_sum(const void *counted, uint64_t *bytes, uint64_t *packets)
{
	const struct port_hook *hook = counted;

	*bytes = *packets = 0;
	for (unsigned int i = 0; i < hook->workers; i++) {
		*bytes += __atomic_load_n(&hook->counts[i].bytes, __ATOMIC_RELAXED);
		*packets += __atomic_load_n(&hook->counts[i].packets, __ATOMIC_RELAXED);
	}
}

/* Before any drop: what the hook drops it has seen, too. */
static void
count_seen(struct port_hook *hook, const struct worker *w, struct rte_mbuf **pkts, uint16_t n, bool ingress)
{
	struct shared_average *average = __atomic_load_n(&hook->average, __ATOMIC_ACQUIRE);
	struct hook_counts *c = &hook->counts[w->index];
	uint64_t bytes = 0;

	if (unlikely(average != NULL))
		shared_average_catch_up(average, w->now, hook_sum, hook);

	/* At ingress Linux counts from the network header on. */
	for (uint16_t i = 0; i < n; i++)
		bytes += pkts[i]->pkt_len - (ingress ? pkt_of(pkts[i])->l3_off : 0);
	c->packets += n;
	c->bytes += bytes;
}

static uint16_t
run(struct worker *w, struct port *port, const struct chain *chain, struct rte_mbuf **pkts, uint16_t n, bool ingress)
{
	struct pkt_sink *sink = &counters(w, port)->sink;
	struct classify_ctx ctx = {
		.now = w->now,
		.worker = w->index,
		.ifindex = port->ifindex,
		.ingress = ingress,
		.sink = sink,
		.outlet = &worker_outlet,
		.outlet_arg = w,
	};
	/* Gone since the chain was found: nobody can ask for the counts any more. */
	struct port_hook *hook = __atomic_load_n(&port->hook, __ATOMIC_ACQUIRE);
	struct verdict verdicts[BURST];
	uint16_t kept = 0, drops = 0;

	if (likely(hook != NULL))
		count_seen(hook, w, pkts, n, ingress);
	chain_classify(chain, &ctx, pkts, n, verdicts);
	for (uint16_t i = 0; i < n; i++) {
		if (verdicts[i].action == TC_ACT_SHOT) {
			if (!classify_shot(&ctx, pkts[i])) {
				pkt_drop(sink, pkts[i], DROP_FILTER);
				drops++;
			}
			continue;
		}
		if (verdicts[i].action == TC_ACT_OK && verdicts[i].classid != 0)
			pkt_of(pkts[i])->tc_index = (uint16_t)TC_H_MIN(verdicts[i].classid);
		pkts[kept++] = pkts[i];
	}
	if (likely(hook != NULL))
		hook->counts[w->index].drops += drops;
	return kept;
}

uint16_t
hook_ingress(struct worker *w, struct port *in, const struct chain *chain, struct rte_mbuf **pkts, uint16_t n)
{
	return run(w, in, chain, pkts, n, true);
}

uint16_t
hook_egress(struct worker *w, struct port *out, const struct chain *chain, struct rte_mbuf **pkts, uint16_t n)
{
	return run(w, out, chain, pkts, n, false);
}
