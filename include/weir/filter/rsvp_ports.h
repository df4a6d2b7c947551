/* SPDX-License-Identifier: BSD-3-Clause */
/* What rsvp's messages hold, for the two ends of the socket. linux/pkt_cls.h had it, until newer ones left it out. */
#ifndef WEIR_FILTER_RSVP_PORTS_H
#define WEIR_FILTER_RSVP_PORTS_H

#include <stdint.h>

/* A generalized port (RFC 2207): a word behind the network header; bytes of it are as in the packet. */
struct rsvp_port {
	uint32_t key, mask; /* network order; mask 0: any */
	int32_t offset; /* of the word, from the transport header; negative ones lie in the network header */
};

/* TCA_RSVP_PINFO */
struct rsvp_pinfo {
	struct rsvp_port session, sender;
	uint8_t protocol; /* of the transport; 0 is a protocol like others */
	uint8_t tunnelid; /* which tunnel's inside the session is in; 0: none's */
	/*
	 * 0, or where the session is a tunnel's: how far behind the start of the transport header the inner network
	 * header ends. The classid is then the number of the tunnel.
	 */
	uint8_t tunnelhdr;
	uint8_t unused;
};

#endif
