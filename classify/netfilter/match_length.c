/* SPDX-License-Identifier: BSD-3-Clause */
/* length: of the packet from its IP header on; iptables-extensions(8). */
#include "netfilter.h"

struct length {
	struct netfilter_length_conf conf;
};

static int
length_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	((struct length *)priv)->conf = *(const struct netfilter_length_conf *)conf;
	return 0;
}

static bool
length_match(void *priv, struct packet *p)
{
	const struct netfilter_length_conf *c = &((const struct length *)priv)->conf;

	return (p->key.f.length >= c->min && p->key.f.length <= c->max) != c->invert;
}

static bool
length_select(const void *priv, struct key *mask, struct key *value)
{
	const struct netfilter_length_conf *c = &((const struct length *)priv)->conf;

	if (c->invert || c->min != c->max)
		return false;
	mask->f.length = UINT16_MAX;
	value->f.length = c->min;
	return true;
}

static uint32_t
length_ranges(const void *priv, enum axis *axis, struct range *ranges)
{
	const struct netfilter_length_conf *c = &((const struct length *)priv)->conf;

	*axis = AXIS_LENGTH;
	return range_list((struct range){ c->min, c->max }, UINT16_MAX, c->invert, ranges);
}

static const struct match_ops length_ops = {
	.kind = "length",
	.size = sizeof(struct length),
	.init = length_init,
	.match = length_match,
	.select = length_select,
	.ranges = length_ranges,
};
MATCH_REGISTER(length_ops)
