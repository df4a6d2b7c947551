/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ifb: a queue of its own for packets of other ports (ip-link(8), tc-mirred(8)).
 *
 *	port, ingress or egress hook or tree --> mirred redirect --> ifb's tree --> the port again, where they left it
 *
 * What came from an ingress hook goes on behind it, as received on that port; what came on its way out goes out, and
 * the first action that it meets lets it pass, lest it is redirected again. What no action has sent is dropped.
 */
#include <net/if_arp.h>

#include "machine.h"

#define IFB_TX_QUEUE_LEN 32

static void
send_back(struct pkt *p, uint64_t now)
{
	p->flags &= ~(PKT_CLASSIFIED | PKT_SHOT | PKT_REDIRECTED);
	p->time_ns = now;
	if ((p->flags & PKT_FROM_INGRESS) != 0) {
		p->stage = STAGE_INGRESS_DONE;
		return;
	}
	p->stage = STAGE_EGRESS;
	p->out_port = p->in_port;
	p->flags |= PKT_SKIP_ACTIONS;
}

static uint16_t
ifb_xmit(struct port *port, unsigned int worker, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct port_counters *c = &port->counters[worker];
	struct worker_machine *wm = port->router->workers[worker];
	uint16_t i;

	for (i = 0; i < n; i++) {
		struct pkt *p = pkt_of(pkts[i]);
		uint32_t bytes = pkts[i]->pkt_len;
		uint16_t flags = p->flags;

		if (unlikely((flags & PKT_REDIRECTED) == 0)) {
			/* Taken, and counted as dropped instead of sent. */
			c->tx_packets--;
			c->tx_bytes -= bytes;
			pkt_drop(&c->sink, pkts[i], DROP_NO_PORT);
			continue;
		}
		send_back(p, now);
		if (unlikely(worker_defer(wm, &pkts[i], 1) == 0)) {
			p->flags = flags;
			break;
		}
		c->rx_packets++;
		c->rx_bytes += bytes;
	}
	return i;
}

static const struct port_ops ifb_ops = {
	.kind = "ifb",
	.is_virtual = true,
	.stacked = true,
	.queues = true,
	.arphrd = ARPHRD_ETHER,
	.default_flags = IFF_BROADCAST | IFF_NOARP,
	.default_mtu = 1500,
	.any_mtu = true,
	.default_tx_queue_len = IFB_TX_QUEUE_LEN,
	/* Those that are there once Linux has loaded its module: scripts that load it make none. */
	.summoned_as = (const char *const[]){ "ifb0", "ifb1", NULL },
	.xmit = ifb_xmit,
};
PORT_REGISTER(ifb_ops)
