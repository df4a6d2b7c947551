/* SPDX-License-Identifier: BSD-3-Clause */
/* dscp: the differentiated services code point (RFC 2474 section 3); iptables-extensions(8). */
#include "netfilter.h"

struct dscp {
	struct netfilter_dscp_conf conf;
};

static int
dscp_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	struct dscp *dscp = priv;

	dscp->conf = *(const struct netfilter_dscp_conf *)conf;
	if (dscp->conf.dscp > 63)
		return error_set(
			err, EDOM, "rule %u: dscp match: %u is no code point: 0 to 63", place->rule, dscp->conf.dscp);
	return 0;
}

static bool
dscp_match(void *priv, struct packet *p)
{
	const struct netfilter_dscp_conf *c = &((const struct dscp *)priv)->conf;

	return (p->key.f.tos >> 2 == c->dscp) != c->invert;
}

static bool
dscp_select(const void *priv, struct key *mask, struct key *value)
{
	const struct netfilter_dscp_conf *c = &((const struct dscp *)priv)->conf;

	if (c->invert)
		return false;
	mask->f.tos = 0xfc;
	value->f.tos = (uint8_t)(c->dscp << 2);
	return true;
}

static const struct match_ops dscp_ops = {
	.kind = "dscp",
	.size = sizeof(struct dscp),
	.init = dscp_init,
	.match = dscp_match,
	.select = dscp_select,
};
MATCH_REGISTER(dscp_ops)
