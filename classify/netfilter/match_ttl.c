/* SPDX-License-Identifier: BSD-3-Clause */
/* ttl: the IPv4 header's time to live; iptables-extensions(8). */
#include "netfilter.h"

struct ttl {
	struct netfilter_ttl_conf conf;
};

static int
ttl_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	struct ttl *ttl = priv;

	ttl->conf = *(const struct netfilter_ttl_conf *)conf;
	return 0;
}

/* A mode that there is not matches nothing, as on Linux. */
static bool
ttl_match(void *priv, struct packet *p)
{
	const struct netfilter_ttl_conf *c = &((const struct ttl *)priv)->conf;

	switch (c->mode) {
	case NETFILTER_TTL_EQ:
		return p->key.f.ttl == c->ttl;
	case NETFILTER_TTL_NE:
		return p->key.f.ttl != c->ttl;
	case NETFILTER_TTL_LT:
		return p->key.f.ttl < c->ttl;
	case NETFILTER_TTL_GT:
		return p->key.f.ttl > c->ttl;
	default:
		return false;
	}
}

static bool
ttl_select(const void *priv, struct key *mask, struct key *value)
{
	const struct netfilter_ttl_conf *c = &((const struct ttl *)priv)->conf;

	if (c->mode != NETFILTER_TTL_EQ)
		return false;
	mask->f.ttl = UINT8_MAX;
	value->f.ttl = c->ttl;
	return true;
}

static const struct match_ops ttl_ops = {
	.kind = "ttl",
	.size = sizeof(struct ttl),
	.init = ttl_init,
	.match = ttl_match,
	.select = ttl_select,
};
MATCH_REGISTER(ttl_ops)
