/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/netfilter/xt_limit.h>

#include <weir/netfilter/matches.h>

#include "netfilter/codec.h"

static int
limit_decode(const void *data, void *conf, struct error *err)
{
	const struct xt_rateinfo *info = data;
	struct netfilter_limit_conf *c = conf;

	if (info->burst == 0 || (uint64_t)info->avg * info->burst > UINT32_MAX)
		return error_set(err, ERANGE,
			"match limit: a burst of %u at that rate cannot be counted; give from 1 to %u", info->burst,
			info->avg != 0 ? UINT32_MAX / info->avg : UINT32_MAX);
	c->average = info->avg;
	c->burst = info->burst;
	return 0;
}

static const struct xt_codec limit_codec = {
	.side = XT_MATCH,
	.name = "limit",
	.revision = 0,
	.bytes = sizeof(struct xt_rateinfo),
	.own_bytes = offsetof(struct xt_rateinfo, prev),
	.conf_bytes = sizeof(struct netfilter_limit_conf),
	.decode = limit_decode,
};
XT_REGISTER(limit_codec)
