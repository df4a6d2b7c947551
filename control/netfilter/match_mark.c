/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/netfilter/xt_mark.h>

#include <weir/netfilter/matches.h>

#include "netfilter/codec.h"

static int
mark_decode(const void *data, void *conf, struct error *err)
{
	const struct xt_mark_mtinfo1 *info = data;
	struct netfilter_mark_conf *c = conf;

	c->mark = info->mark;
	c->mask = info->mask;
	c->invert = info->invert != 0;
	return 0;
}

static const struct xt_codec mark_codec = {
	.side = XT_MATCH,
	.name = "mark",
	.revision = 1,
	.bytes = sizeof(struct xt_mark_mtinfo1),
	.own_bytes = sizeof(struct xt_mark_mtinfo1),
	.conf_bytes = sizeof(struct netfilter_mark_conf),
	.decode = mark_decode,
};
XT_REGISTER(mark_codec)
