/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a virtual port gives packets back to the path: not by a call, which could go round in circles, but at the
 * worker's next turn.
 */
#ifndef WEIR_DATAPLANE_REENTER_H
#define WEIR_DATAPLANE_REENTER_H

#include "machine.h"

/* They arrive on `in` from its start, and are counted there. Returns how many there was room for. */
static inline uint16_t
port_reenter(struct port *in, unsigned int worker, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct worker_machine *wm = in->router->workers[worker];
	struct port_counters *c = &in->counters[worker];
	uint32_t lengths[BURST];

	if (n > BURST)
		n = BURST;
	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = pkt_of(pkts[i]);

		lengths[i] = pkts[i]->pkt_len;
		p->stage = STAGE_RECEIVE;
		p->in_port = in->ifindex;
		p->time_ns = now;
	}
	uint16_t taken = worker_defer(wm, pkts, n);
	for (uint16_t i = 0; i < taken; i++)
		c->rx_bytes += lengths[i];
	c->rx_packets += taken;
	return taken;
}

#endif
