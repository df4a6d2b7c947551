/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/netfilter/xt_mark.h>

#include <weir/netfilter/targets.h>

#include "netfilter/codec.h"

static int
mark_decode(const void *data, void *conf, struct error *err)
{
	const struct xt_mark_tginfo2 *info = data;
	struct netfilter_mark_target_conf *c = conf;

	c->mark = info->mark;
	c->mask = info->mask;
	return 0;
}

static const struct xt_codec mark_codec = {
	.side = XT_TARGET,
	.name = "MARK",
	.revision = 2,
	.bytes = sizeof(struct xt_mark_tginfo2),
	.own_bytes = sizeof(struct xt_mark_tginfo2),
	.conf_bytes = sizeof(struct netfilter_mark_target_conf),
	.decode = mark_decode,
};
XT_REGISTER(mark_codec)
