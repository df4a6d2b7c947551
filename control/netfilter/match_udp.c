/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/netfilter/xt_tcpudp.h>

#include <weir/netfilter/matches.h>

#include "netfilter/codec.h"

static int
udp_decode(const void *data, void *conf, struct error *err)
{
	const struct xt_udp *info = data;
	struct netfilter_udp_conf *c = conf;

	if (info->invflags & ~XT_UDP_INV_MASK)
		return error_set(err, EINVAL, "match udp: unknown flags 0x%x", info->invflags & ~XT_UDP_INV_MASK);
	c->sport = (struct netfilter_ports){ info->spts[0], info->spts[1] };
	c->dport = (struct netfilter_ports){ info->dpts[0], info->dpts[1] };
	c->invert = info->invflags; /* the same bits */
	return 0;
}

static const struct xt_codec udp_codec = {
	.side = XT_MATCH,
	.name = "udp",
	.revision = 0,
	.bytes = sizeof(struct xt_udp),
	.own_bytes = sizeof(struct xt_udp),
	.conf_bytes = sizeof(struct netfilter_udp_conf),
	.decode = udp_decode,
};
XT_REGISTER(udp_codec)
