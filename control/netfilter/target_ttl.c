/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/netfilter_ipv4/ipt_TTL.h>

#include <weir/netfilter/targets.h>

#include "netfilter/codec.h"

static int
ttl_decode(const void *data, void *conf, struct error *err)
{
	const struct ipt_TTL_info *info = data;
	struct netfilter_ttl_target_conf *c = conf;

	if (info->mode > IPT_TTL_MAXMODE)
		return error_set(
			err, EINVAL, "target TTL: there is no mode %u; there are 0 (set) to 2 (decrement)", info->mode);
	if (info->mode != IPT_TTL_SET && info->ttl == 0)
		return error_set(err, EINVAL, "target TTL: a change by 0 is none");
	c->mode = (enum netfilter_ttl_target_mode)info->mode; /* the same numbers */
	c->ttl = info->ttl;
	return 0;
}

static const struct xt_codec ttl_codec = {
	.side = XT_TARGET,
	.name = "TTL",
	.revision = 0,
	.bytes = sizeof(struct ipt_TTL_info),
	.own_bytes = sizeof(struct ipt_TTL_info),
	.conf_bytes = sizeof(struct netfilter_ttl_target_conf),
	.decode = ttl_decode,
};
XT_REGISTER(ttl_codec)
