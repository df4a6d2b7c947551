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
#include <weir/filter/rsvp_ports.h>

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
