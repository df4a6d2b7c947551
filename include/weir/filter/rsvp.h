/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rsvp and rsvp6: sessions and senders as RSVP knows them (RFC 2205 section 3.1): where a packet goes, and whence it
 * comes. Linux 6.2 was the last to have them.
 */
#ifndef WEIR_FILTER_RSVP_H
#define WEIR_FILTER_RSVP_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/classify.h>

/* A generalized port (RFC 2207): a word behind the network header; bytes of it are as in the packet. */
struct rsvp_port {
	rte_be32_t key, mask; /* mask 0: any */
	int32_t offset; /* of the word, from the transport header; negative ones lie in the network header */
};

/* linux/pkt_cls.h had it as struct tc_rsvp_pinfo, until newer ones left it out. */
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

struct rsvp_conf {
	bool has_classid;
	uint32_t classid;
	bool has_session, has_sender;
	uint32_t session[4], sender[4]; /* addresses, network order; IPv4 in the first word */
	struct rsvp_pinfo pinfo;
	const struct action_spec *actions;
	unsigned int n_actions;
};

/* All but the actions, as it was given. */
void rsvp_get_conf(const void *filter, struct rsvp_conf *conf);
const struct action_list *rsvp_actions(const void *filter);

#endif
