/* SPDX-License-Identifier: BSD-3-Clause */
/* tos: bits of the IPv4 header's type of service; iptables-extensions(8). */
#include "netfilter.h"

struct tos {
	struct netfilter_tos_conf conf;
};

static int
tos_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	((struct tos *)priv)->conf = *(const struct netfilter_tos_conf *)conf;
	return 0;
}

static bool
tos_match(void *priv, struct packet *p)
{
	const struct netfilter_tos_conf *c = &((const struct tos *)priv)->conf;

	return ((p->key.f.tos & c->mask) == c->value) != c->invert;
}

static bool
tos_select(const void *priv, struct key *mask, struct key *value)
{
	const struct netfilter_tos_conf *c = &((const struct tos *)priv)->conf;

	if (c->invert || (c->value & ~c->mask) != 0)
		return false;
	mask->f.tos = c->mask;
	value->f.tos = c->value;
	return true;
}

static const struct match_ops tos_ops = {
	.kind = "tos",
	.size = sizeof(struct tos),
	.init = tos_init,
	.match = tos_match,
	.select = tos_select,
};
MATCH_REGISTER(tos_ops)
