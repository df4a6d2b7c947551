/* SPDX-License-Identifier: BSD-3-Clause */
/* multiport: up to 15 ports or ranges; iptables-extensions(8). */
#include "netfilter.h"
#include "ports.h"

struct multiport {
	struct netfilter_multiport_conf conf;
};

static int
multiport_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	struct multiport *multiport = priv;

	multiport->conf = *(const struct netfilter_multiport_conf *)conf;
	if (multiport->conf.n > NETFILTER_MULTIPORT_MAX || multiport->conf.side > NETFILTER_MULTIPORT_EITHER)
		return error_set(err, EINVAL,
			"rule %u: multiport match: %u ports of side %u: give at most %d, of source, destination or "
			"either",
			place->rule, multiport->conf.n, multiport->conf.side, NETFILTER_MULTIPORT_MAX);
	return 0;
}

static bool
is_listed(const struct netfilter_multiport_conf *c, const uint8_t *ports)
{
	for (unsigned int i = 0; i < c->n; i++) {
		if (c->side != NETFILTER_MULTIPORT_DESTINATION && ports_hold(&c->ports[i], ports))
			return true;
		if (c->side != NETFILTER_MULTIPORT_SOURCE && ports_hold(&c->ports[i], ports + 2))
			return true;
	}
	return false;
}

static bool
multiport_match(void *priv, struct packet *p)
{
	const struct netfilter_multiport_conf *c = &((const struct multiport *)priv)->conf;

	if (p->later)
		return false;
	if (p->transport == NULL || p->transport_bytes < 4) {
		p->hopeless = true;
		return false;
	}
	return is_listed(c, p->transport) != c->invert;
}

static bool
multiport_select(const void *priv, struct key *mask, struct key *value)
{
	const struct netfilter_multiport_conf *c = &((const struct multiport *)priv)->conf;

	mask->f.has = value->f.has = KEY_HAS_TRANSPORT;
	if (c->n != 1 || c->invert || c->side == NETFILTER_MULTIPORT_EITHER)
		return false;
	return c->side == NETFILTER_MULTIPORT_SOURCE
		       ? ports_select(&c->ports[0], false, &mask->f.sport, &value->f.sport)
		       : ports_select(&c->ports[0], false, &mask->f.dport, &value->f.dport);
}

static uint32_t
multiport_ranges(const void *priv, enum axis *axis, struct range *ranges)
{
	const struct netfilter_multiport_conf *c = &((const struct multiport *)priv)->conf;
	uint32_t n = 0;

	if (c->invert || c->side == NETFILTER_MULTIPORT_EITHER)
		return 0;
	*axis = c->side == NETFILTER_MULTIPORT_SOURCE ? AXIS_SPORT : AXIS_DPORT;
	for (unsigned int i = 0; i < c->n; i++)
		n += range_list((struct range){ c->ports[i].min, c->ports[i].max }, UINT16_MAX, false, ranges + n);
	return n;
}

static const struct match_ops multiport_ops = {
	.kind = "multiport",
	.size = sizeof(struct multiport),
	.protocols = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, IPPROTO_SCTP, IPPROTO_DCCP },
	.init = multiport_init,
	.match = multiport_match,
	.select = multiport_select,
	.ranges = multiport_ranges,
};
MATCH_REGISTER(multiport_ops)
