/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/netfilter_ipv4/ip_tables.h>

#include <weir/netfilter/matches.h>

#include "netfilter/codec.h"

static int
icmp_decode(const void *data, void *conf, struct error *err)
{
	const struct ipt_icmp *info = data;
	struct netfilter_icmp_conf *c = conf;

	if (info->invflags & ~IPT_ICMP_INV)
		return error_set(err, EINVAL, "match icmp: unknown flags 0x%x", info->invflags & ~IPT_ICMP_INV);
	c->type = info->type;
	c->code_min = info->code[0];
	c->code_max = info->code[1];
	c->invert = info->invflags != 0;
	return 0;
}

static const struct xt_codec icmp_codec = {
	.side = XT_MATCH,
	.name = "icmp",
	.revision = 0,
	.bytes = sizeof(struct ipt_icmp),
	.own_bytes = sizeof(struct ipt_icmp),
	.conf_bytes = sizeof(struct netfilter_icmp_conf),
	.decode = icmp_decode,
};
XT_REGISTER(icmp_codec)
