/* SPDX-License-Identifier: BSD-3-Clause */
/* mark: the packet's fwmark; iptables-extensions(8). */
#include "netfilter.h"

struct mark {
	struct netfilter_mark_conf conf;
};

static int
mark_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	((struct mark *)priv)->conf = *(const struct netfilter_mark_conf *)conf;
	return 0;
}

static bool
mark_match(void *priv, struct packet *p)
{
	const struct netfilter_mark_conf *c = &((const struct mark *)priv)->conf;

	return ((p->key.f.mark & c->mask) == c->mark) != c->invert;
}

static bool
mark_select(const void *priv, struct key *mask, struct key *value)
{
	const struct netfilter_mark_conf *c = &((const struct mark *)priv)->conf;

	if (c->invert || (c->mark & ~c->mask) != 0)
		return false;
	mask->f.mark = c->mask;
	value->f.mark = c->mark;
	return true;
}

static const struct match_ops mark_ops = {
	.kind = "mark",
	.size = sizeof(struct mark),
	.init = mark_init,
	.match = mark_match,
	.select = mark_select,
};
MATCH_REGISTER(mark_ops)
