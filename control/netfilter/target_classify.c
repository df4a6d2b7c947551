/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/netfilter/xt_CLASSIFY.h>

#include <weir/netfilter/targets.h>

#include "netfilter/codec.h"

static int
classify_decode(const void *data, void *conf, struct error *err)
{
	const struct xt_classify_target_info *info = data;
	struct netfilter_classify_conf *c = conf;

	c->priority = info->priority;
	return 0;
}

static const struct xt_codec classify_codec = {
	.side = XT_TARGET,
	.name = "CLASSIFY",
	.revision = 0,
	.bytes = sizeof(struct xt_classify_target_info),
	.own_bytes = sizeof(struct xt_classify_target_info),
	.conf_bytes = sizeof(struct netfilter_classify_conf),
	.decode = classify_decode,
};
XT_REGISTER(classify_codec)
