/* SPDX-License-Identifier: BSD-3-Clause */
/* udp: ports; iptables-extensions(8). */
#include "netfilter.h"
#include "ports.h"

struct udp {
	struct netfilter_udp_conf conf;
};

static int
udp_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	struct udp *udp = priv;

	udp->conf = *(const struct netfilter_udp_conf *)conf;
	if ((udp->conf.invert & ~3) != 0)
		return error_set(
			err, EINVAL, "rule %u: udp match: no such inversion: 0x%x", place->rule, udp->conf.invert);
	return 0;
}

static bool
udp_match(void *priv, struct packet *p)
{
	const struct netfilter_udp_conf *c = &((const struct udp *)priv)->conf;

	if (p->later)
		return false;
	if (p->transport == NULL || p->transport_bytes < 8) {
		p->hopeless = true;
		return false;
	}
	return ports_hold(&c->sport, p->transport) != ((c->invert & NETFILTER_UDP_NOT_SPORT) != 0) &&
	       ports_hold(&c->dport, p->transport + 2) != ((c->invert & NETFILTER_UDP_NOT_DPORT) != 0);
}

static bool
udp_select(const void *priv, struct key *mask, struct key *value)
{
	const struct netfilter_udp_conf *c = &((const struct udp *)priv)->conf;
	bool whole;

	mask->f.has = value->f.has = KEY_HAS_TRANSPORT;
	whole = ports_select(&c->sport, (c->invert & NETFILTER_UDP_NOT_SPORT) != 0, &mask->f.sport, &value->f.sport);
	return ports_select(&c->dport, (c->invert & NETFILTER_UDP_NOT_DPORT) != 0, &mask->f.dport, &value->f.dport) &&
	       whole;
}

static uint32_t
udp_ranges(const void *priv, enum axis *axis, struct range *ranges)
{
	const struct netfilter_udp_conf *c = &((const struct udp *)priv)->conf;

	return ports_ranges(&c->sport, (c->invert & NETFILTER_UDP_NOT_SPORT) != 0, &c->dport,
		(c->invert & NETFILTER_UDP_NOT_DPORT) != 0, axis, ranges);
}

static const struct match_ops udp_ops = {
	.kind = "udp",
	.size = sizeof(struct udp),
	.protocols = { IPPROTO_UDP },
	.init = udp_init,
	.match = udp_match,
	.select = udp_select,
	.ranges = udp_ranges,
};
MATCH_REGISTER(udp_ops)
