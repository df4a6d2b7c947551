/* SPDX-License-Identifier: BSD-3-Clause */
/* DSCP: the differentiated services code point (RFC 2474 section 3); iptables-extensions(8). */
#include "netfilter.h"

#define ECN_BITS 3

struct dscp {
	struct netfilter_dscp_target_conf conf;
};

static int
dscp_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	struct dscp *dscp = priv;

	dscp->conf = *(const struct netfilter_dscp_target_conf *)conf;
	if (dscp->conf.dscp > 63)
		return error_set(
			err, EDOM, "rule %u: DSCP target: %u is no code point: 0 to 63", place->rule, dscp->conf.dscp);
	return 0;
}

static enum netfilter_verdict
dscp_act(void *priv, struct packet *p)
{
	const struct netfilter_dscp_target_conf *c = &((const struct dscp *)priv)->conf;

	packet_set_tos(p, (uint8_t)((p->key.f.tos & ECN_BITS) | c->dscp << 2));
	return NETFILTER_CONTINUE;
}

static const struct target_ops dscp_ops = {
	.kind = "DSCP",
	.size = sizeof(struct dscp),
	.tables = 1 << NETFILTER_MANGLE,
	.init = dscp_init,
	.act = dscp_act,
};
TARGET_REGISTER(dscp_ops)
