/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/netfilter/xt_statistic.h>

#include <weir/netfilter/matches.h>

#include "netfilter/codec.h"

static int
statistic_decode(const void *data, void *conf, struct error *err)
{
	const struct xt_statistic_info *info = data;
	struct netfilter_statistic_conf *c = conf;

	if (info->mode > XT_STATISTIC_MODE_MAX || info->flags & ~XT_STATISTIC_MASK)
		return error_set(err, EINVAL,
			"match statistic: mode %u with flags 0x%x; there are modes 0 (random) and 1 (nth)", info->mode,
			info->flags);
	c->invert = (info->flags & XT_STATISTIC_INVERT) != 0;
	if (info->mode == XT_STATISTIC_MODE_RANDOM) {
		c->mode = NETFILTER_STATISTIC_RANDOM;
		c->probability = info->u.random.probability;
		return 0;
	}
	if (info->u.nth.every == UINT32_MAX || info->u.nth.count > info->u.nth.every)
		return error_set(err, EINVAL, "match statistic: %u packets of %u have been counted", info->u.nth.count,
			info->u.nth.every);
	c->mode = NETFILTER_STATISTIC_NTH;
	c->every = info->u.nth.every + 1;
	c->count = info->u.nth.count;
	return 0;
}

static const struct xt_codec statistic_codec = {
	.side = XT_MATCH,
	.name = "statistic",
	.revision = 0,
	.bytes = sizeof(struct xt_statistic_info),
	.own_bytes = offsetof(struct xt_statistic_info, master),
	.conf_bytes = sizeof(struct netfilter_statistic_conf),
	.decode = statistic_decode,
};
XT_REGISTER(statistic_codec)
