/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include <linux/netfilter/xt_mac.h>

#include <weir/netfilter/matches.h>

#include "netfilter/codec.h"

static int
mac_decode(const void *data, void *conf, struct error *err)
{
	const struct xt_mac_info *info = data;
	struct netfilter_mac_conf *c = conf;

	memcpy(c->address, info->srcaddr, sizeof(c->address));
	c->invert = info->invert != 0;
	return 0;
}

static const struct xt_codec mac_codec = {
	.side = XT_MATCH,
	.name = "mac",
	.revision = 0,
	.bytes = sizeof(struct xt_mac_info),
	.own_bytes = sizeof(struct xt_mac_info),
	.conf_bytes = sizeof(struct netfilter_mac_conf),
	.decode = mac_decode,
};
XT_REGISTER(mac_codec)
