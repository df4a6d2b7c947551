/* SPDX-License-Identifier: BSD-3-Clause */
#include <linux/netfilter/xt_tcpudp.h>

#include <weir/netfilter/matches.h>

#include "netfilter/codec.h"

static int
tcp_decode(const void *data, void *conf, struct error *err)
{
	const struct xt_tcp *info = data;
	struct netfilter_tcp_conf *c = conf;

	if (info->invflags & ~XT_TCP_INV_MASK)
		return error_set(err, EINVAL, "match tcp: unknown flags 0x%x", info->invflags & ~XT_TCP_INV_MASK);
	c->sport = (struct netfilter_ports){ info->spts[0], info->spts[1] };
	c->dport = (struct netfilter_ports){ info->dpts[0], info->dpts[1] };
	c->flags_mask = info->flg_mask;
	c->flags = info->flg_cmp;
	c->option = info->option;
	c->invert = info->invflags; /* the same bits */
	return 0;
}

static const struct xt_codec tcp_codec = {
	.side = XT_MATCH,
	.name = "tcp",
	.revision = 0,
	.bytes = sizeof(struct xt_tcp),
	.own_bytes = sizeof(struct xt_tcp),
	.conf_bytes = sizeof(struct netfilter_tcp_conf),
	.decode = tcp_decode,
};
XT_REGISTER(tcp_codec)
