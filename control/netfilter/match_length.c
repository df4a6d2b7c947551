/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/netfilter/xt_length.h>

#include <weir/netfilter/matches.h>

#include "netfilter/codec.h"

static int
length_decode(const void *data, void *conf, struct error *err)
{
	const struct xt_length_info *info = data;
	struct netfilter_length_conf *c = conf;

	c->min = info->min;
	c->max = info->max;
	c->invert = info->invert != 0;
	return 0;
}

static const struct xt_codec length_codec = {
	.side = XT_MATCH,
	.name = "length",
	.revision = 0,
	.bytes = sizeof(struct xt_length_info),
	.own_bytes = sizeof(struct xt_length_info),
	.conf_bytes = sizeof(struct netfilter_length_conf),
	.decode = length_decode,
};
XT_REGISTER(length_codec)
