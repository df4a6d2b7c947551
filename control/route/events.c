/* SPDX-License-Identifier: BSD-3-Clause */
/* Notifications: see events.h. The messages are those that a dump would give, to the groups that Linux uses. */
#include <linux/if_addr.h>
#include <linux/netconf.h>
#include <netinet/in.h>

#include "codec.h"
#include "events.h"

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

	put_link(msgs, port, RTM_NEWLINK, 0, change, 0);
	notify_prepared(RTNLGRP_LINK, msgs);
}

void
notify_netconf(const struct port_settings *settings, int32_t ifindex)
{
	struct nl_msgs *msgs = nl_msgs_create();

	put_netconf(msgs, settings, ifindex, RTM_NEWNETCONF, 0);
	notify_prepared(RTNLGRP_IPV4_NETCONF, msgs);
}

void
notify_netconf_gone(int32_t ifindex)
{
	struct nl_msgs *msgs = nl_msgs_create();

	put_netconf(msgs, NULL, ifindex, RTM_DELNETCONF, 0);
	notify_prepared(RTNLGRP_IPV4_NETCONF, msgs);
}

static void
tell_route(void *arg, bool added, bool replaced, const struct rib_route *route)
{
	struct nl_msgs *msgs = nl_msgs_create();
	uint16_t flags = replaced ? NLM_F_REPLACE : NLM_F_CREATE | NLM_F_EXCL;

	put_route(msgs, route, added ? RTM_NEWROUTE : RTM_DELROUTE, added ? flags : 0);
	notify_prepared(route->dst.family == AF_INET ? RTNLGRP_IPV4_ROUTE : RTNLGRP_IPV6_ROUTE, msgs);
}

static void
tell_rule(void *arg, bool added, const struct rib_rule *rule)
{
	struct control *control = arg;
	struct nl_msgs *msgs = nl_msgs_create();

	put_rule(msgs, control->router, rule, added ? RTM_NEWRULE : RTM_DELRULE, 0);
	notify_prepared(rule->family == AF_INET ? RTNLGRP_IPV4_RULE : RTNLGRP_IPV6_RULE, msgs);
}

static void
tell_address(void *arg, bool added, const struct rib_address *address)
{
	struct control *control = arg;
	struct nl_msgs *msgs = nl_msgs_create();

	put_address(msgs, control->router, address, added ? RTM_NEWADDR : RTM_DELADDR, 0);
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

	put_neighbour(msgs, control->router, neighbour != NULL ? neighbour : &gone,
		removed || neighbour == NULL ? RTM_DELNEIGH : RTM_NEWNEIGH, 0);
	notify_prepared(RTNLGRP_NEIGH, msgs);
}

static void
tell_carrier(void *arg, struct port *port)
{
	notify_link(port, IFF_RUNNING | IFF_LOWER_UP);
}

/*
 * lo is up from the start and has 127.0.0.1/8 (RFC 1122 3.2.1.3), as on a Linux host; ::1 waits for IPv6 forwarding.
 * Nothing can fail but for want of memory, and packets between ports do not miss lo.
 */
static void
start_loopback(struct router *router)
{
	struct port *lo = port_find_name(router, "lo");
	struct rib_address address = { .family = AF_INET,
		.prefix_length = 8,
		.scope = RT_SCOPE_HOST,
		.flags = IFA_F_PERMANENT,
		.local = ip_addr_v4(RTE_BE32(INADDR_LOOPBACK)) };

	if (lo == NULL)
		return;
	address.peer = address.local;
	address.ifindex = lo->ifindex;
	if (port_set_flags(lo, IFF_UP, IFF_UP, NULL) == 0)
		lo->activated = true;
	rib_address_add(router_rib(router), &address, false, NULL);
}

void
route_events_start(struct control *control)
{
	const struct rib_events rib = {
		.route = tell_route, .rule = tell_rule, .address = tell_address, .arg = control
	};
	const struct router_events router = { .neighbour = tell_neighbour, .link = tell_carrier, .arg = control };

	events.control = control;
	start_loopback(control->router);
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
