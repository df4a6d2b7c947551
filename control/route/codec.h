/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rtnetlink's link, address, route, rule and neighbour messages <-> the plain C of weir/rib.h and weir/dataplane.h.
 *
 * Each put_* writes one whole message, for the reply to a get, a dump or a notification alike: what `ip` is told is the
 * same in all three.
 */
#ifndef WEIR_CONTROL_ROUTE_CODEC_H
#define WEIR_CONTROL_ROUTE_CODEC_H

#include <linux/if_link.h>

#include <weir/dataplane.h>
#include <weir/rib.h>

#ifndef IFF_LOWER_UP
#define IFF_LOWER_UP 0x10000 /* netdevice(7): the carrier; net/if.h stops at 16 bits */
#endif

#include "control.h"
#include "netlink/netlink.h"

static inline struct control *
control_of(const struct nl_request *req)
{
	return req->context;
}

static inline struct rib *
rib_of(const struct nl_request *req)
{
	return router_rib(control_of(req)->router);
}

/* change: the header's ifi_change; ext_mask: IFLA_EXT_MASK as the client gave it (RTEXT_FILTER_SKIP_STATS counts). */
void put_link(struct nl_msgs *msgs, const struct port *port, uint16_t type, uint16_t flags, uint32_t change,
	uint32_t ext_mask);
/* ifOperStatus of RFC 2863 by Linux's numbers. linux/if.h, which has them, cannot be included beside net/if.h. */
enum link_operstate {
	OPERSTATE_UNKNOWN = 0,
	OPERSTATE_DOWN = 2,
	OPERSTATE_LOWERLAYERDOWN = 3,
	OPERSTATE_UP = 6,
};
enum link_operstate link_operstate(const struct port *port);
/* Header flags: port->flags with IFF_RUNNING and IFF_LOWER_UP as the carrier has them. */
uint32_t link_flags(const struct port *port);
void link_stats(const struct port *port, struct rtnl_link_stats64 *stats);
/* The port that an index or else a name (either may be absent: 0, NULL) means; NULL with err ENODEV. */
struct port *link_lookup(struct router *router, uint32_t ifindex, const char *name, struct error *err);

void put_address(struct nl_msgs *msgs, const struct router *router, const struct rib_address *address, uint16_t type,
	uint16_t flags);
void put_route(struct nl_msgs *msgs, const struct rib_route *route, uint16_t type, uint16_t flags);
/* The nest RTA_METRICS, nothing if there are none. */
void put_metrics(struct nl_msgs *msgs, const struct rib_route *route);
void put_gateway(struct nl_msgs *msgs, uint8_t family, const struct rib_hop *hop);
void
put_rule(struct nl_msgs *msgs, const struct router *router, const struct rib_rule *rule, uint16_t type, uint16_t flags);
void put_neighbour(struct nl_msgs *msgs, const struct router *router, const struct neighbour *neighbour, uint16_t type,
	uint16_t flags);
/* ifindex: a link's, NETCONFA_IFINDEX_ALL or NETCONFA_IFINDEX_DEFAULT. */
void
put_netconf(struct nl_msgs *msgs, const struct port_settings *settings, int32_t ifindex, uint16_t type, uint16_t flags);

/* A route request's attributes, checked for shape. `hops` must hold RIB_NEXTHOPS_MAX; route->hops points there. */
int parse_route(const struct nl_request *req, struct rib_route *route, struct rib_hop *hops, struct error *err);

/* An address of the family: EINVAL with `what` in the sentence unless it has the family's length. */
int get_ip(const struct nlattr *attr, uint8_t family, struct ip_addr *addr, const char *what, struct error *err);
void put_ip(struct nl_msgs *msgs, uint16_t attr, uint8_t family, const struct ip_addr *addr);
/* EAFNOSUPPORT but for IPv4 and IPv6. */
int check_family(uint8_t family, struct error *err);
/* True if bits behind the prefix's length are set. */
bool has_host_bits(const struct ip_addr *addr, uint8_t length);
void clear_host_bits(struct ip_addr *addr, uint8_t length);

#endif
