/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/netfilter/xt_multiport.h>

#include <weir/netfilter/matches.h>

#include "netfilter/codec.h"

static int
multiport_decode(const void *data, void *conf, struct error *err)
{
	const struct xt_multiport_v1 *info = data;
	struct netfilter_multiport_conf *c = conf;

	if (info->flags > XT_MULTIPORT_EITHER || info->count > XT_MULTI_PORTS)
		return error_set(err, EINVAL,
			"match multiport: %u ports of side %u; there are at most %d, of sides 0 to 2", info->count,
			info->flags, XT_MULTI_PORTS);
	c->side = (enum netfilter_multiport_side)info->flags;
	c->invert = info->invert != 0;
	/* A range takes two places, the first of which is marked. */
	for (unsigned int i = 0; i < info->count; i++) {
		struct netfilter_ports *ports = &c->ports[c->n++];

		ports->min = ports->max = info->ports[i];
		if (info->pflags[i] == 0)
			continue;
		if (++i == info->count)
			return error_set(err, EINVAL, "match multiport: the last range has no end");
		ports->max = info->ports[i];
	}
	return 0;
}

static const struct xt_codec multiport_codec = {
	.side = XT_MATCH,
	.name = "multiport",
	.revision = 1,
	.bytes = sizeof(struct xt_multiport_v1),
	.own_bytes = sizeof(struct xt_multiport_v1),
	.conf_bytes = sizeof(struct netfilter_multiport_conf),
	.decode = multiport_decode,
};
XT_REGISTER(multiport_codec)
