/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp: ports, flags and an option; iptables-extensions(8), RFC 9293 section 3.1. */
#include "netfilter.h"
#include "ports.h"

struct tcp {
	struct netfilter_tcp_conf conf;
};

static int
tcp_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	struct tcp *tcp = priv;

	tcp->conf = *(const struct netfilter_tcp_conf *)conf;
	if ((tcp->conf.invert & ~15) != 0)
		return error_set(
			err, EINVAL, "rule %u: tcp match: no such inversion: 0x%x", place->rule, tcp->conf.invert);
	return 0;
}

/* Is there an option of that kind? A list that ends within an option is a forger's. */
static bool
has_option(struct packet *p, uint8_t kind)
{
	uint8_t options[40];
	uint32_t header = (uint32_t)(p->transport[12] >> 4) * 4, bytes;

	if (header < 20) {
		p->hopeless = true;
		return false;
	}
	bytes = header - 20;
	if (bytes == 0)
		return false;
	if (!packet_read_transport(p, 20, options, bytes)) {
		p->hopeless = true;
		return false;
	}
	for (uint32_t i = 0; i < bytes;) {
		if (options[i] == kind)
			return true;
		i += options[i] < 2 || i + 1 >= bytes || options[i + 1] == 0 ? 1 : options[i + 1];
	}
	return false;
}

static bool
tcp_match(void *priv, struct packet *p)
{
	const struct netfilter_tcp_conf *c = &((const struct tcp *)priv)->conf;

	if (p->later) {
		/* Flags could hide in a fragment that starts behind the ports (RFC 1858). */
		p->hopeless = (p->ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK)) == RTE_BE16(1);
		return false;
	}
	if (p->transport == NULL || p->transport_bytes < 20) {
		p->hopeless = true;
		return false;
	}
	if (ports_hold(&c->sport, p->transport) == ((c->invert & NETFILTER_TCP_NOT_SPORT) != 0) ||
		ports_hold(&c->dport, p->transport + 2) == ((c->invert & NETFILTER_TCP_NOT_DPORT) != 0))
		return false;
	if (((p->transport[13] & c->flags_mask) == c->flags) == ((c->invert & NETFILTER_TCP_NOT_FLAGS) != 0))
		return false;
	return c->option == 0 || has_option(p, c->option) != ((c->invert & NETFILTER_TCP_NOT_OPTION) != 0);
}

static bool
tcp_select(const void *priv, struct key *mask, struct key *value)
{
	const struct netfilter_tcp_conf *c = &((const struct tcp *)priv)->conf;
	bool whole = c->option == 0;

	mask->f.has = value->f.has = KEY_HAS_TRANSPORT;
	whole &= ports_select(&c->sport, (c->invert & NETFILTER_TCP_NOT_SPORT) != 0, &mask->f.sport, &value->f.sport);
	whole &= ports_select(&c->dport, (c->invert & NETFILTER_TCP_NOT_DPORT) != 0, &mask->f.dport, &value->f.dport);
	if ((c->invert & NETFILTER_TCP_NOT_FLAGS) == 0 && (c->flags & ~c->flags_mask) == 0) {
		mask->f.first = c->flags_mask;
		value->f.first = c->flags;
		return whole;
	}
	return false;
}

static uint32_t
tcp_ranges(const void *priv, enum axis *axis, struct range *ranges)
{
	const struct netfilter_tcp_conf *c = &((const struct tcp *)priv)->conf;

	return ports_ranges(&c->sport, (c->invert & NETFILTER_TCP_NOT_SPORT) != 0, &c->dport,
		(c->invert & NETFILTER_TCP_NOT_DPORT) != 0, axis, ranges);
}

static const struct match_ops tcp_ops = {
	.kind = "tcp",
	.size = sizeof(struct tcp),
	.protocols = { IPPROTO_TCP },
	.init = tcp_init,
	.match = tcp_match,
	.select = tcp_select,
	.ranges = tcp_ranges,
};
MATCH_REGISTER(tcp_ops)
