/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>

#include <linux/netfilter/xt_iprange.h>

#include <weir/netfilter/matches.h>

#include "netfilter/codec.h"

static int
iprange_decode(const void *data, void *conf, struct error *err)
{
	const struct xt_iprange_mtinfo *info = data;
	struct netfilter_iprange_conf *c = conf;
	const uint8_t known = IPRANGE_SRC | IPRANGE_DST | IPRANGE_SRC_INV | IPRANGE_DST_INV;

	if (info->flags & ~known)
		return error_set(err, EINVAL, "match iprange: unknown flags 0x%x", info->flags & ~known);
	c->has_src = (info->flags & IPRANGE_SRC) != 0;
	c->has_dst = (info->flags & IPRANGE_DST) != 0;
	c->not_src = (info->flags & IPRANGE_SRC_INV) != 0;
	c->not_dst = (info->flags & IPRANGE_DST_INV) != 0;
	c->src_min = ntohl(info->src_min.ip);
	c->src_max = ntohl(info->src_max.ip);
	c->dst_min = ntohl(info->dst_min.ip);
	c->dst_max = ntohl(info->dst_max.ip);
	return 0;
}

static const struct xt_codec iprange_codec = {
	.side = XT_MATCH,
	.name = "iprange",
	.revision = 1,
	.bytes = sizeof(struct xt_iprange_mtinfo),
	.own_bytes = sizeof(struct xt_iprange_mtinfo),
	.conf_bytes = sizeof(struct netfilter_iprange_conf),
	.decode = iprange_decode,
};
XT_REGISTER(iprange_codec)
