/* SPDX-License-Identifier: BSD-3-Clause */
/* The loopback, ifindex 1: what is sent to it is received on it, where local addresses are at home. */
#include <net/if_arp.h>

#include "reenter.h"

static uint16_t
loopback_xmit(struct port *port, unsigned int worker, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	return port_reenter(port, worker, pkts, n, now);
}

static const struct port_ops loopback_ops = {
	.kind = "loopback",
	.reenters = true,
	.arphrd = ARPHRD_LOOPBACK,
	.default_flags = IFF_LOOPBACK | IFF_NOARP,
	.default_mtu = 65536,
	.any_mtu = true,
	.xmit = loopback_xmit,
};
PORT_REGISTER(loopback_ops)
