/* SPDX-License-Identifier: BSD-3-Clause */
/* What actions send to other ports goes on where packets of virtual ports do: at the worker's next turn. */
#include "machine.h"

static bool
outlet_open(const struct classify_ctx *ctx, uint32_t ifindex)
{
	const struct port *port = worker_port(ctx->outlet_arg, ifindex);

	return port != NULL && (port->flags & (IFF_UP | IFF_LOWER_UP)) == (IFF_UP | IFF_LOWER_UP);
}

static void
outlet_send(const struct classify_ctx *ctx, struct rte_mbuf *m)
{
	struct worker *w = ctx->outlet_arg;
	struct pkt *p = pkt_of(m);

	p->flags &= ~(PKT_CLASSIFIED | PKT_SHOT);
	p->time_ns = ctx->now;
	if ((p->flags & PKT_TO_INGRESS) != 0)
		p->in_port = p->out_port;
	p->stage = (p->flags & PKT_TO_INGRESS) != 0 ? STAGE_RECEIVE : STAGE_EGRESS;
	if (unlikely(worker_defer(w->machine, &m, 1) == 0))
		pkt_drop(ctx->sink, m, DROP_RING_FULL);
}

const struct classify_outlet worker_outlet = { .open = outlet_open, .send = outlet_send };
