/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/netfilter/xt_dscp.h>

#include <weir/netfilter/matches.h>

#include "netfilter/codec.h"

static int
tos_decode(const void *data, void *conf, struct error *err)
{
	const struct xt_tos_match_info *info = data;
	struct netfilter_tos_conf *c = conf;

	c->value = info->tos_value;
	c->mask = info->tos_mask;
	c->invert = info->invert != 0;
	return 0;
}

static const struct xt_codec tos_codec = {
	.side = XT_MATCH,
	.name = "tos",
	.revision = 1,
	.bytes = sizeof(struct xt_tos_match_info),
	.own_bytes = sizeof(struct xt_tos_match_info),
	.conf_bytes = sizeof(struct netfilter_tos_conf),
	.decode = tos_decode,
};
XT_REGISTER(tos_codec)
