/* SPDX-License-Identifier: BSD-3-Clause */
/* Route messages <-> struct rib_route: rtnetlink(7)'s RTM_*ROUTE. */
#include "codec.h"

/* Room for an IP packet's headers below 65535, as Linux bounds what a route may say of its MTU and its MSS. */
enum {
	METRIC_MTU_MAX = 65535 - 15,
	METRIC_ADVMSS_MAX = 65535 - 40,
	METRIC_HOPLIMIT_MAX = 255,
};

/* ---- to the wire ----------------------------------------------------------------------------- */

enum { GATEWAY_BYTES = sizeof(uint16_t) + 16 };

/*
 * The attribute that names the hop's gateway and its value: RTA_VIA where it is of the other family. 0 bytes: on link.
 */
static uint16_t
gateway_value(uint8_t family, const struct rib_hop *hop, uint16_t *attr, uint8_t value[GATEWAY_BYTES])
{
	uint16_t gateway_family = hop->gateway_family, bytes = ip_family_bits(hop->gateway_family) / 8;

	if (gateway_family == AF_UNSPEC)
		return 0;
	if (gateway_family == family) {
		*attr = RTA_GATEWAY;
		memcpy(value, hop->gateway.bytes, bytes);
		return bytes;
	}
	*attr = RTA_VIA;
	memcpy(value, &gateway_family, sizeof(gateway_family));
	memcpy(value + sizeof(gateway_family), hop->gateway.bytes, bytes);
	return sizeof(gateway_family) + bytes;
}

void
put_gateway(struct nl_msgs *msgs, uint8_t family, const struct rib_hop *hop)
{
	uint8_t value[GATEWAY_BYTES];
	uint16_t attr, bytes = gateway_value(family, hop, &attr, value);

	if (bytes != 0)
		nl_put(msgs, attr, value, bytes);
}

void
put_metrics(struct nl_msgs *msgs, const struct rib_route *route)
{
	size_t nest;

	if (route->metrics_set == 0)
		return;
	nest = nl_nest_start(msgs, RTA_METRICS);
	for (unsigned int i = RTAX_LOCK; i <= RTAX_MAX; i++)
		if (route->metrics_set & (1u << i))
			nl_put_u32(msgs, i, route->metrics[i]);
	nl_nest_end(msgs, nest);
}

static uint8_t *
append_attr(uint8_t *at, uint16_t attr, const void *value, uint16_t bytes)
{
	struct rtattr header = { .rta_len = (uint16_t)RTA_LENGTH(bytes), .rta_type = attr };

	memcpy(at, &header, sizeof(header));
	memcpy(at + sizeof(header), value, bytes);
	return at + RTA_ALIGN(header.rta_len);
}

/* RTA_MULTIPATH: an array of struct rtnexthop, each with its attributes behind it. */
static void
put_hops(struct nl_msgs *msgs, const struct rib_route *route)
{
	uint8_t hops[RIB_NEXTHOPS_MAX *
		     (sizeof(struct rtnexthop) + RTA_SPACE(GATEWAY_BYTES) + RTA_SPACE(sizeof(uint32_t)))];
	uint8_t *at = hops;

	memset(hops, 0, sizeof(hops));
	for (uint16_t i = 0; i < route->hop_count && i < RIB_NEXTHOPS_MAX; i++) {
		const struct rib_hop *hop = &route->hops[i];
		struct rtnexthop header = {
			.rtnh_flags = hop->flags, .rtnh_hops = hop->weight, .rtnh_ifindex = (int)hop->ifindex
		};
		uint8_t *start = at, value[GATEWAY_BYTES];
		uint16_t attr, bytes = gateway_value(route->dst.family, hop, &attr, value);

		at += sizeof(header);
		if (bytes != 0)
			at = append_attr(at, attr, value, bytes);
		if (hop->realm != 0)
			at = append_attr(at, RTA_FLOW, &hop->realm, sizeof(hop->realm));
		header.rtnh_len = (uint16_t)(at - start);
		memcpy(start, &header, sizeof(header));
	}
	nl_put(msgs, RTA_MULTIPATH, hops, (size_t)(at - hops));
}

void
put_route(struct nl_msgs *msgs, const struct rib_route *route, uint16_t type, uint16_t flags)
{
	uint8_t family = route->dst.family;
	struct rtmsg *header;

	nl_msg_begin(msgs, type, flags, sizeof(*header));
	header = nl_msg_body(msgs);
	header->rtm_family = family;
	header->rtm_dst_len = route->dst.length;
	header->rtm_tos = route->tos;
	header->rtm_table = route->table < 256 ? (uint8_t)route->table : RT_TABLE_COMPAT;
	header->rtm_protocol = route->protocol;
	header->rtm_scope = route->scope;
	header->rtm_type = route->type;
	header->rtm_flags = route->flags;
	if (route->hop_count == 1)
		header->rtm_flags |= route->hops[0].flags;
	nl_put_u32(msgs, RTA_TABLE, route->table);
	if (route->dst.length != 0)
		put_ip(msgs, RTA_DST, family, &route->dst.addr);
	if (route->priority != 0)
		nl_put_u32(msgs, RTA_PRIORITY, route->priority);
	put_metrics(msgs, route);
	if (route->prefsrc_set)
		put_ip(msgs, RTA_PREFSRC, family, &route->prefsrc);
	if (route->hop_count > 1) {
		put_hops(msgs, route);
	} else if (route->hop_count == 1) {
		put_gateway(msgs, family, &route->hops[0]);
		if (route->hops[0].ifindex != 0)
			nl_put_u32(msgs, RTA_OIF, route->hops[0].ifindex);
		if (route->hops[0].realm != 0)
			nl_put_u32(msgs, RTA_FLOW, route->hops[0].realm);
	}
	if (family == AF_INET6)
		nl_put_u8(msgs, RTA_PREF, 0); /* medium (RFC 4191): ip prints it with each IPv6 route */
	nl_msg_end(msgs);
}

/* ---- from the wire --------------------------------------------------------------------------- */

static int
parse_metric(const struct nlattr *attr, struct rib_route *route, struct error *err)
{
	uint16_t type = mnl_attr_get_type(attr);
	uint32_t value;

	if (type == 0)
		return 0;
	if (type > RTAX_MAX)
		return error_set(err, EINVAL, "Invalid metric type");
	if (type == RTAX_CC_ALGO)
		return error_set(err, EOPNOTSUPP, "congctl is of no use here: a router has no TCP of its own");
	if (mnl_attr_get_payload_len(attr) != sizeof(value))
		return error_set(err, EINVAL, "Invalid attribute in metrics");
	memcpy(&value, mnl_attr_get_payload(attr), sizeof(value));
	if (type == RTAX_MTU && value > METRIC_MTU_MAX)
		value = METRIC_MTU_MAX;
	if (type == RTAX_ADVMSS && value > METRIC_ADVMSS_MAX)
		value = METRIC_ADVMSS_MAX;
	if (type == RTAX_HOPLIMIT && value > METRIC_HOPLIMIT_MAX)
		value = METRIC_HOPLIMIT_MAX;
	if (type == RTAX_FEATURES && (value & ~(uint32_t)RTAX_FEATURE_MASK))
		return error_set(err, EINVAL, "Unknown flag set in feature mask in metrics attribute");
	if (value == 0 && type == RTAX_LOCK)
		return 0;
	route->metrics[type] = value;
	route->metrics_set |= 1u << type;
	return 0;
}

static int
parse_metrics(const struct nlattr *nest, struct rib_route *route, struct error *err)
{
	const struct nlattr *attr;
	int left;

	if (nest == NULL)
		return 0;
	left = mnl_attr_get_payload_len(nest);
	for (attr = mnl_attr_get_payload(nest); mnl_attr_ok(attr, left);
		left -= MNL_ALIGN(attr->nla_len), attr = mnl_attr_next(attr))
		if (parse_metric(attr, route, err) < 0)
			return -err->code;
	return 0;
}

/*
 * The way on: RTA_GATEWAY, RTA_VIA (a gateway of the other family) and RTA_FLOW, of a route or of one hop of several.
 */
static int
parse_gateway(const struct nlattr *gateway, const struct nlattr *via, const struct nlattr *flow, uint8_t family,
	struct rib_hop *hop, struct error *err)
{
	uint16_t via_family;

	if (nl_get_u32(flow, 0, &hop->realm, "RTA_FLOW", err) < 0)
		return -err->code;
	if (gateway != NULL && via != NULL)
		return error_set(err, EINVAL, "Nexthop configuration can not contain both GATEWAY and VIA");
	if (gateway != NULL) {
		if (get_ip(gateway, family, &hop->gateway, "The gateway", err) < 0)
			return -err->code;
		/* A gateway of all zeros is none. */
		hop->gateway_family = ip_addr_is_zero(&hop->gateway) ? AF_UNSPEC : family;
		return 0;
	}
	if (via == NULL)
		return 0;
	if (mnl_attr_get_payload_len(via) < sizeof(via_family))
		return error_set(err, EINVAL, "Invalid attribute length for RTA_VIA");
	memcpy(&via_family, mnl_attr_get_payload(via), sizeof(via_family));
	if (via_family != AF_INET && via_family != AF_INET6)
		return error_set(err, EINVAL, "Unsupported address family for nexthop");
	if (family == AF_INET6 && via_family == AF_INET)
		return error_set(err, EINVAL, "IPv6 does not support RTA_VIA attribute");
	if (mnl_attr_get_payload_len(via) != sizeof(via_family) + ip_family_bits((uint8_t)via_family) / 8)
		return error_set(err, EINVAL, "Invalid IPv%d address in RTA_VIA", via_family == AF_INET ? 4 : 6);
	hop->gateway_family = (uint8_t)via_family;
	memcpy(hop->gateway.bytes, (const uint8_t *)mnl_attr_get_payload(via) + sizeof(via_family),
		ip_family_bits((uint8_t)via_family) / 8);
	return 0;
}

static int
parse_hop(const struct rtnexthop *header, size_t bytes, uint8_t family, struct rib_hop *hop, struct error *err)
{
	const struct nlattr *attrs[RTA_MAX + 1];

	if (header->rtnh_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN))
		return error_set(err, EINVAL, "Invalid flags for nexthop - can not contain DEAD or LINKDOWN");
	if (header->rtnh_ifindex < 0)
		return error_set(err, EINVAL, "A nexthop's link may not be negative");
	*hop = (struct rib_hop){
		.ifindex = (uint32_t)header->rtnh_ifindex, .weight = header->rtnh_hops, .flags = header->rtnh_flags
	};
	if (nl_get_attrs(header + 1, bytes - sizeof(*header), attrs, RTA_MAX, err) < 0)
		return -err->code;
	if (attrs[RTA_ENCAP] != NULL || attrs[RTA_ENCAP_TYPE] != NULL)
		return error_set(err, EOPNOTSUPP, "Encapsulation by a route is not supported; use a tunnel link");
	return parse_gateway(attrs[RTA_GATEWAY], attrs[RTA_VIA], attrs[RTA_FLOW], family, hop, err);
}

static int
parse_multipath(const struct nlattr *attr, struct rib_route *route, struct rib_hop *hops, struct error *err)
{
	const uint8_t *at = mnl_attr_get_payload(attr);
	size_t left = mnl_attr_get_payload_len(attr);

	while (left != 0) {
		struct rtnexthop header;
		_Alignas(8) uint8_t entry[sizeof(header) + 256];

		if (left < sizeof(header))
			return error_set(err, EINVAL, "Invalid nexthop configuration - extra data after nexthop");
		memcpy(&header, at, sizeof(header));
		if (header.rtnh_len < sizeof(header) || header.rtnh_len > left || header.rtnh_len > sizeof(entry))
			return error_set(err, EINVAL, "Invalid nexthop configuration - a nexthop's length is wrong");
		if (route->hop_count == RIB_NEXTHOPS_MAX)
			return error_set(err, EINVAL, "A route may have %d nexthops at most", RIB_NEXTHOPS_MAX);
		memcpy(entry, at, header.rtnh_len);
		if (parse_hop((const struct rtnexthop *)(const void *)entry, header.rtnh_len, route->dst.family,
			    &hops[route->hop_count], err) < 0)
			return -err->code;
		route->hop_count++;
		if ((size_t)RTNH_ALIGN(header.rtnh_len) >= left)
			break;
		at += RTNH_ALIGN(header.rtnh_len);
		left -= RTNH_ALIGN(header.rtnh_len);
	}
	if (route->hop_count == 0)
		return error_set(err, EINVAL, "Invalid nexthop configuration - no nexthop");
	return 0;
}

static int
parse_hops(const struct nl_request *req, struct rib_route *route, struct rib_hop *hops, struct error *err)
{
	const struct rtmsg *header = req->body;
	const struct nlattr **attrs = req->attrs;
	uint32_t ifindex;

	route->hops = hops;
	if (attrs[RTA_MULTIPATH] != NULL) {
		if (attrs[RTA_GATEWAY] != NULL || attrs[RTA_OIF] != NULL || attrs[RTA_VIA] != NULL)
			return error_set(err, EINVAL, "Give either one way (via, dev) or nexthops, not both");
		return parse_multipath(attrs[RTA_MULTIPATH], route, hops, err);
	}
	if (nl_get_u32(attrs[RTA_OIF], 0, &ifindex, "RTA_OIF", err) < 0)
		return -err->code;
	hops[0] = (struct rib_hop){ .ifindex = ifindex, .flags = header->rtm_flags & RTNH_F_ONLINK };
	if (parse_gateway(attrs[RTA_GATEWAY], attrs[RTA_VIA], attrs[RTA_FLOW], route->dst.family, &hops[0], err) < 0)
		return -err->code;
	if (hops[0].gateway_family != AF_UNSPEC || ifindex != 0 || hops[0].realm != 0)
		route->hop_count = 1;
	return 0;
}

/* What a route of Linux may have and one of weir may not. */
static int
check_unsupported(const struct nl_request *req, struct error *err)
{
	const struct nlattr **attrs = req->attrs;
	const struct rtmsg *header = req->body;

	if (attrs[RTA_NH_ID] != NULL)
		return error_set(err, EINVAL, "Nexthop id does not exist");
	if (attrs[RTA_ENCAP] != NULL || attrs[RTA_ENCAP_TYPE] != NULL)
		return error_set(err, EOPNOTSUPP, "Encapsulation by a route is not supported; use a tunnel link");
	if (attrs[RTA_NEWDST] != NULL)
		return error_set(err, EOPNOTSUPP, "MPLS is not supported");
	if (attrs[RTA_TTL_PROPAGATE] != NULL)
		return error_set(err, EOPNOTSUPP, "ttl-propagate belongs to MPLS, which is not supported");
	if (attrs[RTA_EXPIRES] != NULL)
		return error_set(err, EOPNOTSUPP, "Routes stay until they are deleted: leave out 'expires'");
	if (header->rtm_src_len != 0)
		return error_set(err, EINVAL, "Invalid source prefix: use 'ip rule add from' to route by source");
	return 0;
}

static int
parse_destination(const struct nl_request *req, struct rib_route *route, struct error *err)
{
	const struct rtmsg *header = req->body;

	route->dst.family = header->rtm_family;
	route->dst.length = header->rtm_dst_len;
	if (check_family(header->rtm_family, err) < 0)
		return -err->code;
	if (header->rtm_dst_len > ip_family_bits(header->rtm_family))
		return error_set(err, EINVAL, "Invalid prefix length");
	if (req->attrs[RTA_DST] == NULL)
		return header->rtm_dst_len == 0 ? 0 : error_set(err, EINVAL, "A prefix length without a destination");
	if (get_ip(req->attrs[RTA_DST], header->rtm_family, &route->dst.addr, "The destination", err) < 0)
		return -err->code;
	if (has_host_bits(&route->dst.addr, header->rtm_dst_len))
		return error_set(err, EINVAL, "Invalid prefix for given prefix length");
	return 0;
}

int
parse_route(const struct nl_request *req, struct rib_route *route, struct rib_hop *hops, struct error *err)
{
	const struct rtmsg *header = req->body;

	*route = (struct rib_route){ .tos = header->rtm_tos,
		.protocol = header->rtm_protocol,
		.scope = header->rtm_scope,
		.type = header->rtm_type };
	if (parse_destination(req, route, err) < 0 || check_unsupported(req, err) < 0)
		return -err->code;
	if (header->rtm_tos & 0x03) /* RFC 3168: the two low bits are ECN's */
		return error_set(err, EINVAL, "Invalid dsfield (tos): ECN bits must be 0");
	if (header->rtm_type > RTN_MAX)
		return error_set(err, EINVAL, "Invalid route type");
	if (nl_get_u32(req->attrs[RTA_TABLE], header->rtm_table, &route->table, "RTA_TABLE", err) < 0 ||
		nl_get_u32(req->attrs[RTA_PRIORITY], 0, &route->priority, "RTA_PRIORITY", err) < 0 ||
		parse_metrics(req->attrs[RTA_METRICS], route, err) < 0)
		return -err->code;
	if (route->table == RT_TABLE_UNSPEC)
		route->table = RT_TABLE_MAIN;
	if (req->attrs[RTA_PREFSRC] != NULL) {
		if (get_ip(req->attrs[RTA_PREFSRC], route->dst.family, &route->prefsrc, "The preferred source", err) <
			0)
			return -err->code;
		route->prefsrc_set = 1;
	}
	return parse_hops(req, route, hops, err);
}
