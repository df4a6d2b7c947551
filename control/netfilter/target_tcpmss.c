/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/netfilter/xt_TCPMSS.h>

#include <weir/netfilter/targets.h>

#include "netfilter/codec.h"

static int
tcpmss_decode(const void *data, void *conf, struct error *err)
{
	const struct xt_tcpmss_info *info = data;
	struct netfilter_tcpmss_conf *c = conf;

	c->clamp = info->mss == XT_TCPMSS_CLAMP_PMTU;
	if (!c->clamp)
		c->mss = info->mss;
	return 0;
}

static const struct xt_codec tcpmss_codec = {
	.side = XT_TARGET,
	.name = "TCPMSS",
	.revision = 0,
	.bytes = sizeof(struct xt_tcpmss_info),
	.own_bytes = sizeof(struct xt_tcpmss_info),
	.conf_bytes = sizeof(struct netfilter_tcpmss_conf),
	.decode = tcpmss_decode,
};
XT_REGISTER(tcpmss_codec)
