/* SPDX-License-Identifier: BSD-3-Clause */
/* REJECT: drops the packet and tells its sender; iptables-extensions(8). */
#include <netinet/ip_icmp.h>

#include "netfilter.h"

struct reject {
	struct netfilter_reject_conf conf;
};

static int
reject_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	struct reject *reject = priv;
	const struct netfilter_selector *s = &place->spec->selector;

	reject->conf = *(const struct netfilter_reject_conf *)conf;
	if (reject->conf.tcp_reset && (s->protocol != IPPROTO_TCP || (s->invert & NETFILTER_NOT_PROTOCOL) != 0))
		return error_set(
			err, EINVAL, "rule %u: REJECT target: TCP_RESET invalid for non-tcp; give -p tcp", place->rule);
	if (!reject->conf.tcp_reset && reject->conf.icmp_code > NR_ICMP_UNREACH)
		return error_set(err, EINVAL, "rule %u: REJECT target: %u is no code of an unreachable: 0 to %d",
			place->rule, reject->conf.icmp_code, NR_ICMP_UNREACH);
	return 0;
}

static enum netfilter_verdict
reject_act(void *priv, struct packet *p)
{
	const struct netfilter_reject_conf *c = &((const struct reject *)priv)->conf;
	const struct netfilter_host *host = p->ctx->host;

	if (host != NULL && host->reject != NULL)
		host->reject(host->arg, p->m, p->ctx->hook, c->tcp_reset, c->icmp_code);
	return NETFILTER_DROP;
}

static const struct target_ops reject_ops = {
	.kind = "REJECT",
	.size = sizeof(struct reject),
	.tables = 1 << NETFILTER_FILTER,
	.hooks = 1 << NETFILTER_INPUT | 1 << NETFILTER_FORWARD | 1 << NETFILTER_OUTPUT,
	.init = reject_init,
	.act = reject_act,
};
TARGET_REGISTER(reject_ops)
