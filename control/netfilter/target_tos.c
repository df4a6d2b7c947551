/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/netfilter/xt_DSCP.h>

#include <weir/netfilter/targets.h>

#include "netfilter/codec.h"

static int
tos_decode(const void *data, void *conf, struct error *err)
{
	const struct xt_tos_target_info *info = data;
	struct netfilter_tos_target_conf *c = conf;

	c->value = info->tos_value;
	c->mask = info->tos_mask;
	return 0;
}

static const struct xt_codec tos_codec = {
	.side = XT_TARGET,
	.name = "TOS",
	.revision = 1,
	.bytes = sizeof(struct xt_tos_target_info),
	.own_bytes = sizeof(struct xt_tos_target_info),
	.conf_bytes = sizeof(struct netfilter_tos_target_conf),
	.decode = tos_decode,
};
XT_REGISTER(tos_codec)
