/* SPDX-License-Identifier: BSD-3-Clause */
/* CLASSIFY: sets the packet's priority, major:minor of which a qdisc takes as a class; iptables-extensions(8). */
#include "netfilter.h"

struct classify {
	struct netfilter_classify_conf conf;
};

static int
classify_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	((struct classify *)priv)->conf = *(const struct netfilter_classify_conf *)conf;
	return 0;
}

static enum netfilter_verdict
classify_act(void *priv, struct packet *p)
{
	pkt_of(p->m)->priority = ((const struct classify *)priv)->conf.priority;
	return NETFILTER_CONTINUE;
}

static const struct target_ops classify_ops = {
	.kind = "CLASSIFY",
	.size = sizeof(struct classify),
	.hooks = 1 << NETFILTER_FORWARD | 1 << NETFILTER_OUTPUT | 1 << NETFILTER_POSTROUTING,
	.init = classify_init,
	.act = classify_act,
};
TARGET_REGISTER(classify_ops)
