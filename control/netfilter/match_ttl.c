/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/netfilter_ipv4/ipt_ttl.h>

#include <weir/netfilter/matches.h>

#include "netfilter/codec.h"

static int
ttl_decode(const void *data, void *conf, struct error *err)
{
	const struct ipt_ttl_info *info = data;
	struct netfilter_ttl_conf *c = conf;

	if (info->mode > IPT_TTL_GT)
		return error_set(err, EINVAL,
			"match ttl: there is no comparison %u; there are 0 (equal) to 3 (greater)", info->mode);
	c->mode = (enum netfilter_ttl_mode)info->mode; /* the same numbers */
	c->ttl = info->ttl;
	return 0;
}

static const struct xt_codec ttl_codec = {
	.side = XT_MATCH,
	.name = "ttl",
	.revision = 0,
	.bytes = sizeof(struct ipt_ttl_info),
	.own_bytes = sizeof(struct ipt_ttl_info),
	.conf_bytes = sizeof(struct netfilter_ttl_conf),
	.decode = ttl_decode,
};
XT_REGISTER(ttl_codec)
