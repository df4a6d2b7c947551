/* SPDX-License-Identifier: BSD-3-Clause */
/* icmp: type and a range of codes; iptables-extensions(8). */
#include "netfilter.h"

#define ANY_TYPE 255

struct icmp {
	struct netfilter_icmp_conf conf;
};

static int
icmp_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	((struct icmp *)priv)->conf = *(const struct netfilter_icmp_conf *)conf;
	return 0;
}

static bool
icmp_match(void *priv, struct packet *p)
{
	const struct netfilter_icmp_conf *c = &((const struct icmp *)priv)->conf;
	bool same;

	if (p->later)
		return false;
	if (p->transport == NULL || p->transport_bytes < 8) {
		p->hopeless = true;
		return false;
	}
	same = c->type == ANY_TYPE ||
	       (p->transport[0] == c->type && p->transport[1] >= c->code_min && p->transport[1] <= c->code_max);
	return same != c->invert;
}

static bool
icmp_select(const void *priv, struct key *mask, struct key *value)
{
	const struct netfilter_icmp_conf *c = &((const struct icmp *)priv)->conf;

	mask->f.has = value->f.has = KEY_HAS_TRANSPORT;
	if (c->invert)
		return false;
	if (c->type == ANY_TYPE)
		return true;
	mask->f.first = UINT8_MAX;
	value->f.first = c->type;
	if (c->code_min == 0 && c->code_max == UINT8_MAX)
		return true;
	if (c->code_min != c->code_max)
		return false;
	mask->f.second = UINT8_MAX;
	value->f.second = c->code_min;
	return true;
}

static const struct match_ops icmp_ops = {
	.kind = "icmp",
	.size = sizeof(struct icmp),
	.protocols = { IPPROTO_ICMP },
	.init = icmp_init,
	.match = icmp_match,
	.select = icmp_select,
};
MATCH_REGISTER(icmp_ops)
