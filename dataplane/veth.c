/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * veth: two ports of this router joined by a wire (veth(4)). What one sends the other receives, and each has carrier
 * while the other is up.
 */
#include <net/if_arp.h>
#include <string.h>

#include "reenter.h"

static struct port *
peer_of(const struct port *port)
{
	/* Workers find it under RCU, control in its own table: the same. */
	return __atomic_load_n(&port->router->ports[port->peer], __ATOMIC_ACQUIRE);
}

static uint16_t
veth_xmit(struct port *port, unsigned int worker, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct port *peer = peer_of(port);

	if (unlikely(peer == NULL || (peer->flags & IFF_UP) == 0)) {
		/* The wire took them, and nobody was there. */
		struct port_counters *c = &(peer != NULL ? peer : port)->counters[worker];

		c->rx_packets += n;
		for (uint16_t i = 0; i < n; i++) {
			c->rx_bytes += pkts[i]->pkt_len;
			pkt_drop(&c->sink, pkts[i], DROP_PORT_DOWN);
		}
		return n;
	}
	return port_reenter(peer, worker, pkts, n, now);
}

/* The pair is made by the first of them: its peer comes with it, and has the lower index, as in Linux. */
static int
veth_create(struct port *port, const void *conf, struct error *err)
{
	const struct veth_conf *veth = conf;
	struct port_conf named;
	struct port *peer;

	if (veth == NULL)
		return 0;
	named = veth->peer != NULL ? *veth->peer : (struct port_conf){ 0 };
	named.kind = "veth";
	named.kind_conf = NULL;
	if (named.name != NULL && strcmp(named.name, port->name) == 0)
		return error_set(err, EEXIST, "both ends of the pair are called %s", port->name);
	int rc = port_add(port->router, &named, &peer, err);
	if (rc == 0)
		port->peer = peer->ifindex;
	return rc;
}

static bool
veth_carrier(struct port *port)
{
	const struct port *peer = peer_of(port);

	return peer != NULL && (peer->flags & IFF_UP) != 0;
}

static const struct port_ops veth_ops = {
	.kind = "veth",
	.is_virtual = true,
	.reenters = true,
	.arphrd = ARPHRD_ETHER,
	.default_flags = IFF_BROADCAST | IFF_MULTICAST,
	.default_mtu = 1500,
	.create = veth_create,
	.xmit = veth_xmit,
	.carrier = veth_carrier,
};
PORT_REGISTER(veth_ops)
