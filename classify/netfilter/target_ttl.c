/* SPDX-License-Identifier: BSD-3-Clause */
/* TTL: sets or moves the IPv4 header's time to live; iptables-extensions(8). */
#include "netfilter.h"

struct ttl {
	struct netfilter_ttl_target_conf conf;
};

static int
ttl_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	struct ttl *ttl = priv;

	ttl->conf = *(const struct netfilter_ttl_target_conf *)conf;
	if (ttl->conf.mode > NETFILTER_TTL_DEC || (ttl->conf.mode != NETFILTER_TTL_SET && ttl->conf.ttl == 0))
		return error_set(err, EINVAL, "rule %u: TTL target: mode %u by %u: set, or move by 1 to 255",
			place->rule, ttl->conf.mode, ttl->conf.ttl);
	return 0;
}

static enum netfilter_verdict
ttl_act(void *priv, struct packet *p)
{
	const struct netfilter_ttl_target_conf *c = &((const struct ttl *)priv)->conf;
	int ttl = p->key.f.ttl;

	if (c->mode == NETFILTER_TTL_SET)
		ttl = c->ttl;
	else
		ttl += c->mode == NETFILTER_TTL_INC ? c->ttl : -c->ttl;
	packet_set_ttl(p, ttl < 0 ? 0 : (uint8_t)RTE_MIN(ttl, UINT8_MAX));
	return NETFILTER_CONTINUE;
}

static const struct target_ops ttl_ops = {
	.kind = "TTL",
	.size = sizeof(struct ttl),
	.tables = 1 << NETFILTER_MANGLE,
	.init = ttl_init,
	.act = ttl_act,
};
TARGET_REGISTER(ttl_ops)
