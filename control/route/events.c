/* SPDX-License-Identifier: BSD-3-Clause */
/* Notifications: see events.h. The messages are those that a dump would give, to the groups that Linux uses. */
#include <linux/netconf.h>

#include "codec.h"
#include "events.h"
#include "save.h"

/* A process has one router. cause: the request being served, NULL while a worker's news are told. */
static struct {
	struct control *control;
	const struct nl_request *cause;
} events;

void
notify_prepared(uint32_t group, struct nl_msgs *msgs)
{
	if (events.control != NULL)
		nl_notify(events.control->server, group, msgs, events.cause);
	nl_msgs_destroy(msgs);
}

int
events_caused_by(struct nl_request *req, int (*serve)(struct nl_request *req, struct error *err), struct error *err)
{
	int rc;

	events.cause = req;
	rc = serve(req, err);
	events.cause = NULL;
	return rc;
}

void
notify_link(const struct port *port, uint32_t change)
{
	struct nl_msgs *msgs = nl_msgs_create();

	link_put(msgs, port, RTM_NEWLINK, 0, change, 0);
	notify_prepared(RTNLGRP_LINK, msgs);
}

void
notify_netconf(const struct port_settings *settings, int32_t ifindex)
{
	struct nl_msgs *msgs = nl_msgs_create();

	netconf_put(msgs, settings, ifindex, RTM_NEWNETCONF, 0);
	notify_prepared(RTNLGRP_IPV4_NETCONF, msgs);
}

void
notify_netconf_gone(int32_t ifindex)
{
	struct nl_msgs *msgs = nl_msgs_create();

	netconf_put(msgs, NULL, ifindex, RTM_DELNETCONF, 0);
	notify_prepared(RTNLGRP_IPV4_NETCONF, msgs);
}

static void
tell_route(void *arg, bool added, bool replaced, const struct rib_route *route)
{
	struct nl_msgs *msgs = nl_msgs_create();
	uint16_t flags = replaced ? NLM_F_REPLACE : NLM_F_CREATE | NLM_F_EXCL;

	route_put(msgs, route, added ? RTM_NEWROUTE : RTM_DELROUTE, added ? flags : 0);
	notify_prepared(route->dst.family == AF_INET ? RTNLGRP_IPV4_ROUTE : RTNLGRP_IPV6_ROUTE, msgs);
}

static void
tell_rule(void *arg, bool added, const struct rib_rule *rule)
{
	struct control *control = arg;
	struct nl_msgs *msgs = nl_msgs_create();

	rule_put(msgs, control->router, rule, added ? RTM_NEWRULE : RTM_DELRULE, 0);
	notify_prepared(rule->family == AF_INET ? RTNLGRP_IPV4_RULE : RTNLGRP_IPV6_RULE, msgs);
}

static void
tell_address(void *arg, bool added, const struct rib_address *address)
{
	struct control *control = arg;
	struct nl_msgs *msgs = nl_msgs_create();

	address_put(msgs, control->router, address, added ? RTM_NEWADDR : RTM_DELADDR, 0);
	notify_prepared(address->family == AF_INET ? RTNLGRP_IPV4_IFADDR : RTNLGRP_IPV6_IFADDR, msgs);
}

static void
tell_neighbour(void *arg, uint32_t ifindex, uint8_t family, const struct ip_addr *addr, bool removed)
{
	struct control *control = arg;
	const struct neighbour *neighbour = neighbour_find(router_rib(control->router), ifindex, family, addr);
	/* One that is gone already leaves its name. */
	const struct neighbour gone = { .ifindex = ifindex, .family = family, .addr = *addr, .state = NUD_FAILED };
	struct nl_msgs *msgs = nl_msgs_create();

	neighbour_put(msgs, control->router, neighbour != NULL ? neighbour : &gone,
		removed || neighbour == NULL ? RTM_DELNEIGH : RTM_NEWNEIGH, 0);
	notify_prepared(RTNLGRP_NEIGH, msgs);
}

static void
tell_carrier(void *arg, struct port *port)
{
	notify_link(port, IFF_RUNNING | IFF_LOWER_UP);
}

void
route_events_start(struct control *control)
{
	const struct rib_events rib = {
		.route = tell_route, .rule = tell_rule, .address = tell_address, .arg = control
	};
	const struct router_events router = { .neighbour = tell_neighbour, .link = tell_carrier, .arg = control };

	events.control = control;
	save_settings_baseline(control->router);
	rib_set_events(router_rib(control->router), &rib);
	router_set_events(control->router, &router);
}

void
route_events_stop(void)
{
	static const struct rib_events no_rib_events;
	static const struct router_events no_router_events;

	if (events.control == NULL)
		return;
	rib_set_events(router_rib(events.control->router), &no_rib_events);
	router_set_events(events.control->router, &no_router_events);
	events.control = NULL;
}
