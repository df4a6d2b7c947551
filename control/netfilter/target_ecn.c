/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/netfilter_ipv4/ipt_ECN.h>

#include <weir/netfilter/targets.h>

#include "netfilter/codec.h"

static int
ecn_decode(const void *data, void *conf, struct error *err)
{
	const struct ipt_ECN_info *info = data;
	struct netfilter_ecn_conf *c = conf;
	const uint8_t known = IPT_ECN_OP_SET_IP | IPT_ECN_OP_SET_ECE | IPT_ECN_OP_SET_CWR;

	if (info->operation & ~known)
		return error_set(err, EINVAL, "target ECN: unknown operation 0x%x", info->operation & ~known);
	if (info->ip_ect & ~IPT_ECN_IP_MASK)
		return error_set(err, EINVAL, "target ECN: 0x%x has more than two bits", info->ip_ect);
	c->set_ect = (info->operation & IPT_ECN_OP_SET_IP) != 0;
	c->set_ece = (info->operation & IPT_ECN_OP_SET_ECE) != 0;
	c->set_cwr = (info->operation & IPT_ECN_OP_SET_CWR) != 0;
	c->ect = info->ip_ect;
	c->ece = info->proto.tcp.ece != 0;
	c->cwr = info->proto.tcp.cwr != 0;
	return 0;
}

static const struct xt_codec ecn_codec = {
	.side = XT_TARGET,
	.name = "ECN",
	.revision = 0,
	.bytes = sizeof(struct ipt_ECN_info),
	.own_bytes = sizeof(struct ipt_ECN_info),
	.conf_bytes = sizeof(struct netfilter_ecn_conf),
	.decode = ecn_decode,
};
XT_REGISTER(ecn_codec)
