/* SPDX-License-Identifier: BSD-3-Clause */
/* What a link message asks to be changed, read before anything is touched, and undone if it fails half-way. */
#ifndef WEIR_CONTROL_ROUTE_LINK_CHANGE_H
#define WEIR_CONTROL_ROUTE_LINK_CHANGE_H

#include "codec.h"

enum {
	CHANGE_NAME = 1 << 0,
	CHANGE_MTU = 1 << 1,
	CHANGE_MAC = 1 << 2,
	CHANGE_BROADCAST = 1 << 3,
	CHANGE_TX_QUEUE_LEN = 1 << 4,
	CHANGE_ALIAS = 1 << 5,
	CHANGE_GROUP = 1 << 6,
	CHANGE_FLAGS = 1 << 7,
};

struct link_change {
	unsigned int what; /* CHANGE_* */
	char name[IF_NAMESIZE];
	char alias[256];
	uint8_t mac[6], broadcast[6];
	uint32_t mtu, tx_queue_len, group;
	uint32_t flags, flags_mask; /* IFF_* */
};

/* attrs: a link message's, [IFLA_MAX + 1]. What weir's links cannot do is refused by name. */
int link_change_parse(
	const struct ifinfomsg *info, const struct nlattr **attrs, struct link_change *change, struct error *err);
/* All or nothing. */
int link_change_apply(struct port *port, const struct link_change *change, struct error *err);

#endif
