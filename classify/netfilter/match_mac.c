/* SPDX-License-Identifier: BSD-3-Clause */
/* mac: the source of the link-layer header that a packet came in with; iptables-extensions(8). */
#include <rte_ether.h>

#include "netfilter.h"

struct mac {
	struct netfilter_mac_conf conf;
};

static int
mac_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	((struct mac *)priv)->conf = *(const struct netfilter_mac_conf *)conf;
	return 0;
}

static bool
mac_match(void *priv, struct packet *p)
{
	const struct netfilter_mac_conf *c = &((const struct mac *)priv)->conf;
	const struct pkt *pkt = pkt_of(p->m);

	if (pkt->in_port == 0 || pkt->l3_off < RTE_ETHER_HDR_LEN)
		return false;
	return (memcmp(rte_pktmbuf_mtod_offset(p->m, const uint8_t *, RTE_ETHER_ADDR_LEN), c->address,
			RTE_ETHER_ADDR_LEN) == 0) != c->invert;
}

static const struct match_ops mac_ops = {
	.kind = "mac",
	.size = sizeof(struct mac),
	.hooks = 1 << NETFILTER_PREROUTING | 1 << NETFILTER_INPUT | 1 << NETFILTER_FORWARD,
	.init = mac_init,
	.match = mac_match,
};
MATCH_REGISTER(mac_ops)
