/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/netfilter/xt_pkttype.h>

#include <weir/netfilter/matches.h>

#include "netfilter/codec.h"

static int
pkttype_decode(const void *data, void *conf, struct error *err)
{
	const struct xt_pkttype_info *info = data;
	struct netfilter_pkttype_conf *c = conf;

	c->type = (uint32_t)info->pkttype;
	c->invert = info->invert != 0;
	return 0;
}

static const struct xt_codec pkttype_codec = {
	.side = XT_MATCH,
	.name = "pkttype",
	.revision = 0,
	.bytes = sizeof(struct xt_pkttype_info),
	.own_bytes = sizeof(struct xt_pkttype_info),
	.conf_bytes = sizeof(struct netfilter_pkttype_conf),
	.decode = pkttype_decode,
};
XT_REGISTER(pkttype_codec)
