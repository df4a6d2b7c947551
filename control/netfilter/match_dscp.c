/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/netfilter/xt_dscp.h>

#include <weir/netfilter/matches.h>

#include "netfilter/codec.h"

static int
dscp_decode(const void *data, void *conf, struct error *err)
{
	const struct xt_dscp_info *info = data;
	struct netfilter_dscp_conf *c = conf;

	if (info->dscp > XT_DSCP_MAX)
		return error_set(err, EDOM, "match dscp: 0x%x has more than six bits", info->dscp);
	c->dscp = info->dscp;
	c->invert = info->invert != 0;
	return 0;
}

static const struct xt_codec dscp_codec = {
	.side = XT_MATCH,
	.name = "dscp",
	.revision = 0,
	.bytes = sizeof(struct xt_dscp_info),
	.own_bytes = sizeof(struct xt_dscp_info),
	.conf_bytes = sizeof(struct netfilter_dscp_conf),
	.decode = dscp_decode,
};
XT_REGISTER(dscp_codec)
