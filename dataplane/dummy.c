/* SPDX-License-Identifier: BSD-3-Clause */
/* dummy: a port to nowhere (ip-link(8)). It counts what its tree sends, and swallows it. */
#include <net/if_arp.h>

#include "machine.h"

static uint16_t
dummy_xmit(struct port *port, unsigned int worker, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

static const struct port_ops dummy_ops = {
	.kind = "dummy",
	.is_virtual = true,
	.arphrd = ARPHRD_ETHER,
	.default_flags = IFF_BROADCAST | IFF_NOARP,
	.default_mtu = 1500,
	.any_mtu = true,
	.xmit = dummy_xmit,
};
PORT_REGISTER(dummy_ops)
