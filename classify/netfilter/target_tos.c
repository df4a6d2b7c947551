/* SPDX-License-Identifier: BSD-3-Clause */
/* TOS: bits of the IPv4 header's type of service; iptables-extensions(8). */
#include "netfilter.h"

struct tos {
	struct netfilter_tos_target_conf conf;
};

static int
tos_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	((struct tos *)priv)->conf = *(const struct netfilter_tos_target_conf *)conf;
	return 0;
}

static enum netfilter_verdict
tos_act(void *priv, struct packet *p)
{
	const struct netfilter_tos_target_conf *c = &((const struct tos *)priv)->conf;

	packet_set_tos(p, (uint8_t)((p->key.f.tos & ~c->mask) ^ c->value));
	return NETFILTER_CONTINUE;
}

static const struct target_ops tos_ops = {
	.kind = "TOS",
	.size = sizeof(struct tos),
	.tables = 1 << NETFILTER_MANGLE,
	.init = tos_init,
	.act = tos_act,
};
TARGET_REGISTER(tos_ops)
