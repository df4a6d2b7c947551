/* SPDX-License-Identifier: BSD-3-Clause */
/* iprange: ranges of addresses; iptables-extensions(8). */
#include "netfilter.h"

struct iprange {
	struct netfilter_iprange_conf conf;
};

static int
iprange_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	((struct iprange *)priv)->conf = *(const struct netfilter_iprange_conf *)conf;
	return 0;
}

static bool
iprange_match(void *priv, struct packet *p)
{
	const struct netfilter_iprange_conf *c = &((const struct iprange *)priv)->conf;
	uint32_t src = rte_be_to_cpu_32(p->key.f.src), dst = rte_be_to_cpu_32(p->key.f.dst);

	if (c->has_src && (src >= c->src_min && src <= c->src_max) == c->not_src)
		return false;
	return !c->has_dst || (dst >= c->dst_min && dst <= c->dst_max) != c->not_dst;
}

static uint32_t
iprange_ranges(const void *priv, enum axis *axis, struct range *ranges)
{
	const struct netfilter_iprange_conf *c = &((const struct iprange *)priv)->conf;

	if (c->has_src) {
		*axis = AXIS_SRC;
		return range_list((struct range){ c->src_min, c->src_max }, UINT32_MAX, c->not_src, ranges);
	}
	if (!c->has_dst)
		return 0;
	*axis = AXIS_DST;
	return range_list((struct range){ c->dst_min, c->dst_max }, UINT32_MAX, c->not_dst, ranges);
}

static const struct match_ops iprange_ops = {
	.kind = "iprange",
	.size = sizeof(struct iprange),
	.init = iprange_init,
	.match = iprange_match,
	.ranges = iprange_ranges,
};
MATCH_REGISTER(iprange_ops)
