/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The last step of a packet that leaves a virtual port without link header by a port below it: it is its next hop's
 * neighbour on that port that gets it.
 */
#include "path.h"

void
path_add_link_header(struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);

	rte_pktmbuf_prepend(m, LINK_HEADER); /* the room is there: every packet came with such a header */
	p->l3_off += LINK_HEADER;
	if (p->l4_off != 0)
		p->l4_off += LINK_HEADER;
}

static struct neighbour *
neighbour_below(struct worker *w, const struct port *out, struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of(m);
	const struct rib_nexthop *hop = rib_nexthop(w->rib, p->nexthop);
	struct ip_addr to;

	if (hop != NULL && hop->ifindex == p->out_port && hop->gateway_family == AF_INET)
		to = hop->gateway;
	else if (hop != NULL && hop->ifindex == p->out_port)
		to = ip_addr_v4(ip4_header(m)->dst_addr);
	else
		return NULL;
	return neighbour_make(w->rib, out->ifindex, AF_INET, &to);
}

bool
path_write_below(struct worker *w, struct port *out, struct rte_mbuf *m)
{
	struct neighbour *neighbour = neighbour_below(w, out, m);

	if (neighbour == NULL || !neighbour_ask(w, out, neighbour))
		return false;
	path_add_link_header(m);
	path_write_link(m, out, neighbour_read(neighbour).lladdr);
	return true;
}

void
path_wait_below(struct worker *w, struct port *out, struct rte_mbuf *m)
{
	struct neighbour *neighbour = neighbour_below(w, out, m);

	if (neighbour == NULL) {
		pkt_drop(&counters(w, out)->sink, m, DROP_NO_ROUTE);
		return;
	}
	path_add_link_header(m);
	pkt_of(m)->out_port = (uint16_t)out->ifindex;
	neighbour_submit(w, out, neighbour, m);
}
