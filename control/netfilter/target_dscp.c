/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/netfilter/xt_DSCP.h>

#include <weir/netfilter/targets.h>

#include "netfilter/codec.h"

static int
dscp_decode(const void *data, void *conf, struct error *err)
{
	const struct xt_DSCP_info *info = data;
	struct netfilter_dscp_target_conf *c = conf;

	if (info->dscp > XT_DSCP_MAX)
		return error_set(err, EDOM, "target DSCP: 0x%x has more than six bits", info->dscp);
	c->dscp = info->dscp;
	return 0;
}

static const struct xt_codec dscp_codec = {
	.side = XT_TARGET,
	.name = "DSCP",
	.revision = 0,
	.bytes = sizeof(struct xt_DSCP_info),
	.own_bytes = sizeof(struct xt_DSCP_info),
	.conf_bytes = sizeof(struct netfilter_dscp_target_conf),
	.decode = dscp_decode,
};
XT_REGISTER(dscp_codec)
