/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/icmp.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>

#include <weir/netfilter/targets.h>

#include "netfilter/codec.h"

static int
reject_decode(const void *data, void *conf, struct error *err)
{
	const struct ipt_reject_info *info = data;
	struct netfilter_reject_conf *c = conf;
	static const uint8_t codes[] = {
		[IPT_ICMP_NET_UNREACHABLE] = ICMP_NET_UNREACH,
		[IPT_ICMP_HOST_UNREACHABLE] = ICMP_HOST_UNREACH,
		[IPT_ICMP_PROT_UNREACHABLE] = ICMP_PROT_UNREACH,
		[IPT_ICMP_PORT_UNREACHABLE] = ICMP_PORT_UNREACH,
		[IPT_ICMP_NET_PROHIBITED] = ICMP_NET_ANO,
		[IPT_ICMP_HOST_PROHIBITED] = ICMP_HOST_ANO,
		[IPT_ICMP_ADMIN_PROHIBITED] = ICMP_PKT_FILTERED,
	};
	unsigned int with = info->with;

	/* An echo reply was an answer once; Linux refuses it since. */
	if (with == IPT_ICMP_ECHOREPLY || with > IPT_ICMP_ADMIN_PROHIBITED)
		return error_set(err, EINVAL, "target REJECT: there is no answer %u", with);
	c->tcp_reset = with == IPT_TCP_RESET;
	if (!c->tcp_reset)
		c->icmp_code = codes[with];
	return 0;
}

static const struct xt_codec reject_codec = {
	.side = XT_TARGET,
	.name = "REJECT",
	.revision = 0,
	.bytes = sizeof(struct ipt_reject_info),
	.own_bytes = sizeof(struct ipt_reject_info),
	.conf_bytes = sizeof(struct netfilter_reject_conf),
	.decode = reject_decode,
};
XT_REGISTER(reject_codec)
