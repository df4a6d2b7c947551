/* SPDX-License-Identifier: BSD-3-Clause */
/* pkttype: to whom the link layer sent it; iptables-extensions(8). */
#include <linux/if_packet.h>

#include <rte_ether.h>

#include "netfilter.h"

struct pkttype {
	struct netfilter_pkttype_conf conf;
};

static int
pkttype_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	((struct pkttype *)priv)->conf = *(const struct netfilter_pkttype_conf *)conf;
	return 0;
}

static uint32_t
type_of(const struct packet *p)
{
	const struct pkt *pkt = pkt_of(p->m);

	if ((pkt->flags & PKT_MULTICAST) == 0)
		return PACKET_HOST;
	return pkt->l3_off >= RTE_ETHER_HDR_LEN &&
			       rte_is_broadcast_ether_addr(rte_pktmbuf_mtod(p->m, const struct rte_ether_addr *))
		       ? PACKET_BROADCAST
		       : PACKET_MULTICAST;
}

static bool
pkttype_match(void *priv, struct packet *p)
{
	const struct netfilter_pkttype_conf *c = &((const struct pkttype *)priv)->conf;

	return (type_of(p) == c->type) != c->invert;
}

static const struct match_ops pkttype_ops = {
	.kind = "pkttype",
	.size = sizeof(struct pkttype),
	.init = pkttype_init,
	.match = pkttype_match,
};
MATCH_REGISTER(pkttype_ops)
