/* SPDX-License-Identifier: BSD-3-Clause */
/* MARK: sets the packet's fwmark; iptables-extensions(8). */
#include "netfilter.h"

struct mark {
	struct netfilter_mark_target_conf conf;
};

static int
mark_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	((struct mark *)priv)->conf = *(const struct netfilter_mark_target_conf *)conf;
	return 0;
}

static enum netfilter_verdict
mark_act(void *priv, struct packet *p)
{
	const struct netfilter_mark_target_conf *c = &((const struct mark *)priv)->conf;

	packet_set_mark(p, (p->key.f.mark & ~c->mask) ^ c->mark);
	return NETFILTER_CONTINUE;
}

static const struct target_ops mark_ops = {
	.kind = "MARK",
	.size = sizeof(struct mark),
	.init = mark_init,
	.act = mark_act,
};
TARGET_REGISTER(mark_ops)
