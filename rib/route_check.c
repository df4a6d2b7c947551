/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether a route may be, and what it means in full: Linux's checks, in its order, with its errors. */
#include <string.h>

#include "internal.h"

/* The widest scope that a type of route may have, and whether it refuses packets instead of sending them. */
static const struct {
	uint8_t scope;
	bool refuses;
} types[] = {
	[RTN_UNSPEC] = { RT_SCOPE_NOWHERE, false },
	[RTN_UNICAST] = { RT_SCOPE_UNIVERSE, false },
	[RTN_LOCAL] = { RT_SCOPE_HOST, false },
	[RTN_BROADCAST] = { RT_SCOPE_LINK, false },
	[RTN_ANYCAST] = { RT_SCOPE_LINK, false },
	[RTN_MULTICAST] = { RT_SCOPE_UNIVERSE, false },
	[RTN_BLACKHOLE] = { RT_SCOPE_UNIVERSE, true },
	[RTN_UNREACHABLE] = { RT_SCOPE_UNIVERSE, true },
	[RTN_PROHIBIT] = { RT_SCOPE_UNIVERSE, true },
	[RTN_THROW] = { RT_SCOPE_UNIVERSE, true },
	[RTN_NAT] = { RT_SCOPE_NOWHERE, true },
	[RTN_XRESOLVE] = { RT_SCOPE_NOWHERE, true },
};

static int
check_prefix(struct rib_route *route, struct error *err)
{
	struct lpm_key key = lpm_key(&route->dst.addr), masked;

	if (!family_known(route->dst.family))
		return error_set(
			err, EAFNOSUPPORT, "Routes are of IPv4 or IPv6, not of address family %u", route->dst.family);
	if (route->dst.length > ip_family_bits(route->dst.family))
		return error_set(err, EINVAL, "Invalid prefix length");
	masked = key_mask(key, route->dst.length);
	if (route->dst.family == AF_INET && key_compare(key, masked) != 0)
		return error_set(err, EINVAL, "Invalid prefix for given prefix length");
	route->dst.addr = key_addr(masked);
	return 0;
}

/* Linux's limits (include/uapi/linux/rtnetlink.h gives the meanings): too large is made as large as can be. */
static int
check_metrics(struct rib_route *route, struct error *err)
{
	if (route->metrics_set >> RTAX_MTU & 1 && route->metrics[RTAX_MTU] > 65535 - 15)
		route->metrics[RTAX_MTU] = 65535 - 15;
	if (route->metrics_set >> RTAX_ADVMSS & 1 && route->metrics[RTAX_ADVMSS] > 65535 - 40)
		route->metrics[RTAX_ADVMSS] = 65535 - 40;
	if (route->metrics_set >> RTAX_HOPLIMIT & 1 && route->metrics[RTAX_HOPLIMIT] > 255)
		route->metrics[RTAX_HOPLIMIT] = 255;
	if (route->metrics_set >> RTAX_FEATURES & 1 && route->metrics[RTAX_FEATURES] & ~(uint32_t)RTAX_FEATURE_MASK)
		return error_code(err, EINVAL);
	for (unsigned int i = 0; i < RIB_METRICS; i++)
		if (!(route->metrics_set >> i & 1))
			route->metrics[i] = 0;
	return 0;
}

static bool
is_multicast(uint8_t family, const struct ip_addr *addr)
{
	return family == AF_INET ? (addr->bytes[0] & 0xf0) == 0xe0 : addr->bytes[0] == 0xff;
}

/* An address that no host may have, whatever tables say: 0/8, multicast, the limited broadcast. */
static bool
is_never_host(uint8_t family, const struct ip_addr *addr)
{
	if (family == AF_INET && (addr->bytes[0] == 0 || addr->v4 == UINT32_MAX))
		return true;
	return ip_addr_is_zero(addr) || is_multicast(family, addr);
}

static int
check_prefsrc(const struct rib *rib, const struct rib_route *route, struct error *err)
{
	const struct table *local = table_find(rib, route->dst.family, RT_TABLE_LOCAL);
	const struct entry *e;
	uint16_t hop;

	if (!route->prefsrc_set)
		return 0;
	/* The address's own local route comes before it can be found there. */
	if (route->type == RTN_LOCAL && ip_addr_equal(&route->prefsrc, &route->dst.addr))
		return 0;
	e = local == NULL || is_never_host(route->dst.family, &route->prefsrc)
		    ? NULL
		    : table_search(rib, local, lpm_key(&route->prefsrc), 0, 0, RT_SCOPE_UNIVERSE, &hop);
	if (e != NULL && rib->infos.items[e->info]->type == RTN_LOCAL)
		return 0;
	return error_set(
		err, EINVAL, route->dst.family == AF_INET ? "Invalid prefsrc address" : "Invalid source address");
}

static void
set_link_state(const struct rib *rib, struct rib_hop *hop)
{
	const struct rib_link *link = rib_link_find(rib, hop->ifindex);

	hop->flags &= RTNH_F_ONLINK | RTNH_F_PERVASIVE;
	if (link != NULL && !(link->flags & IFF_RUNNING))
		hop->flags |= RTNH_F_LINKDOWN;
}

/* Asks the route's own table first, then the rules, for the way to a gateway. */
static int
find_gateway(const struct rib *rib, const struct rib_route *route, const struct rib_hop *hop, uint8_t scope,
	struct rule_answer *answer)
{
	const struct table *own =
		route->table == RT_TABLE_MAIN ? NULL : table_find(rib, hop->gateway_family, route->table);
	struct rib_key key = { .dst = hop->gateway, .family = hop->gateway_family, .oif = hop->ifindex, .iif = 1 };

	*answer = (struct rule_answer){ 0 };
	if (own != NULL && hop->gateway_family == route->dst.family) {
		answer->entry = table_search(rib, own, lpm_key(&hop->gateway), 0, hop->ifindex, scope, &answer->hop);
		if (answer->entry != NULL && rib->infos.items[answer->entry->info]->type == RTN_UNICAST)
			return 0;
	}
	return rules_search(rib, &key, scope, answer);
}

static int
check_onlink(const struct rib *rib, const struct rib_route *route, const struct rib_hop *hop, struct error *err)
{
	if (route->dst.family == AF_INET && route->scope >= RT_SCOPE_LINK)
		return error_set(err, EINVAL, "Nexthop has invalid scope");
	if (hop->ifindex == 0)
		return error_set(err, ENODEV, "Nexthop device required for onlink");
	if (rib_link_find(rib, hop->ifindex) == NULL)
		return error_code(err, ENODEV);
	if (!link_is_up(rib, hop->ifindex))
		return error_set(err, ENETDOWN, "Nexthop device is not up");
	if (is_never_host(hop->gateway_family, &hop->gateway))
		return error_set(err, EINVAL, "Nexthop has invalid gateway");
	return 0;
}

static int
check_gateway_v4(const struct rib *rib, const struct rib_route *route, struct rib_hop *hop, struct error *err)
{
	uint8_t scope = route->scope + 1 < RT_SCOPE_LINK ? RT_SCOPE_LINK : (uint8_t)(route->scope + 1);
	struct rule_answer answer;
	const struct info *info;
	int status;

	if (hop->flags & RTNH_F_ONLINK)
		return check_onlink(rib, route, hop, err);
	status = find_gateway(rib, route, hop, scope, &answer);
	if (status != 0)
		return error_set(err, -status, "Nexthop has invalid gateway");
	info = rib->infos.items[answer.entry->info];
	if (info->type != RTN_UNICAST && info->type != RTN_LOCAL)
		return error_set(err, EINVAL, "Nexthop has invalid gateway");
	if (info->hop_count == 0 || info->hops[answer.hop].ifindex == 0)
		return error_set(err, ENODEV, "No egress device for nexthop");
	hop->ifindex = info->hops[answer.hop].ifindex;
	if (!link_is_up(rib, hop->ifindex))
		return error_set(err, ENETDOWN, "Nexthop device is not up");
	return 0;
}

static int
check_gateway_v6(const struct rib *rib, const struct rib_route *route, struct rib_hop *hop, struct error *err)
{
	bool link_local = hop->gateway.bytes[0] == 0xfe && (hop->gateway.bytes[1] & 0xc0) == 0x80;
	const struct rib_link *link;
	struct rule_answer answer;
	const struct info *info;

	if (rib_address_is_local(rib, link_local ? hop->ifindex : 0, AF_INET6, &hop->gateway))
		return error_set(err, EINVAL, "Gateway can not be a local address");
	if (is_multicast(AF_INET6, &hop->gateway) || ip_addr_is_zero(&hop->gateway))
		return error_set(err, EINVAL, "Invalid gateway address");
	if (hop->flags & RTNH_F_ONLINK) {
		if (check_onlink(rib, route, hop, err) != 0)
			return -err->code;
	} else if (!link_local) {
		if (find_gateway(rib, route, hop, RT_SCOPE_UNIVERSE, &answer) != 0)
			return error_code(err, EHOSTUNREACH);
		info = rib->infos.items[answer.entry->info];
		if (info->hop_count == 0 || info->hops[answer.hop].gateway_family != AF_UNSPEC)
			return error_code(err, EHOSTUNREACH);
		hop->ifindex = info->hops[answer.hop].ifindex;
	}
	if (hop->ifindex == 0)
		return error_set(err, EINVAL, "Egress device not specified");
	link = rib_link_find(rib, hop->ifindex);
	if (link == NULL)
		return error_code(err, ENODEV);
	if (link->flags & IFF_LOOPBACK)
		return error_set(err, EINVAL, "Egress device can not be loopback device for this route");
	if (!(link->flags & IFF_UP))
		return error_set(err, ENETDOWN, "Nexthop device is not up");
	return 0;
}

static int
check_hop(const struct rib *rib, const struct rib_route *route, struct rib_hop *hop, struct error *err)
{
	struct error ignored;
	int status = 0;

	if (err == NULL)
		err = &ignored;
	if (hop->gateway_family == AF_INET && !ip_addr_is_zero(&hop->gateway)) {
		if (route->dst.family != AF_INET)
			return error_set(err, EINVAL, "An IPv6 route cannot have an IPv4 gateway");
		status = check_gateway_v4(rib, route, hop, err);
	} else if (hop->gateway_family == AF_INET6 && !ip_addr_is_zero(&hop->gateway)) {
		status = check_gateway_v6(rib, route, hop, err);
	} else {
		hop->gateway_family = AF_UNSPEC;
		if (rib_link_find(rib, hop->ifindex) == NULL)
			return error_code(err, ENODEV);
		if (!link_is_up(rib, hop->ifindex) && (route->dst.family == AF_INET || route->type != RTN_LOCAL))
			return error_set(err, ENETDOWN,
				route->dst.family == AF_INET ? "Device for nexthop is not up"
							     : "Nexthop device is not up");
	}
	if (status == 0)
		set_link_state(rib, hop);
	return status;
}

/* A local address: on a device, which need not be up. */
static int
check_host_scope(const struct rib *rib, const struct rib_route *route, struct rib_hop *hops, struct error *err)
{
	if (route->hop_count > 1)
		return error_set(err, EINVAL, "Route with host scope can not have multiple nexthops");
	if (hops[0].gateway_family != AF_UNSPEC && !ip_addr_is_zero(&hops[0].gateway))
		return error_set(err, EINVAL, "Route with host scope can not have a gateway");
	hops[0].gateway_family = AF_UNSPEC;
	if (rib_link_find(rib, hops[0].ifindex) == NULL)
		return error_code(err, ENODEV);
	hops[0].flags = 0;
	return 0;
}

static int
check_hops(const struct rib *rib, struct rib_route *route, struct rib_hop *hops, struct error *err)
{
	if (types[route->type].refuses) {
		if (route->dst.family == AF_INET6) {
			/* Linux shows the loopback there, whatever was given. */
			hops[0] = (struct rib_hop){ .ifindex = 1 };
			route->hop_count = rib_link_find(rib, 1) != NULL;
		} else if (route->hop_count != 0) {
			return error_set(
				err, EINVAL, "Gateway, device and multipath can not be specified for this route type");
		}
		return 0;
	}
	if (route->hop_count == 0)
		return error_code(err, ENODEV);
	if (route->dst.family == AF_INET && route->scope == RT_SCOPE_HOST)
		return check_host_scope(rib, route, hops, err);
	for (uint16_t i = 0; i < route->hop_count; i++) {
		int status = check_hop(rib, route, &hops[i], err);

		if (status != 0)
			return status;
	}
	return 0;
}

int
route_check(const struct rib *rib, const struct rib_route *given, struct rib_route *route, struct rib_hop *hops,
	struct error *err)
{
	int status;

	*route = *given;
	if (route->table == RT_TABLE_UNSPEC)
		route->table = RT_TABLE_MAIN;
	status = check_prefix(route, err);
	if (status != 0)
		return status;
	if (route->type >= sizeof(types) / sizeof(types[0]))
		return error_set(err, EINVAL, "Invalid route type");
	if (route->dst.family == AF_INET6) {
		if (route->tos != 0)
			return error_set(err, EINVAL, "Invalid dsfield (tos): option not available for IPv6");
		route->scope = RT_SCOPE_UNIVERSE;
	} else if (route->scope > RT_SCOPE_HOST || types[route->type].scope > route->scope) {
		return error_set(err, EINVAL, "Invalid scope");
	}
	if (route->hop_count > RIB_NEXTHOPS_MAX)
		return error_set(err, EINVAL, "Too many nexthops: %u, a route has at most %u", route->hop_count,
			RIB_NEXTHOPS_MAX);
	if (route->hop_count > 0)
		memcpy(hops, given->hops, route->hop_count * sizeof(*hops));
	route->hops = hops;
	/* What is reported of a route is not part of it. */
	route->flags &= RTM_F_NOTIFY | RTM_F_PREFIX;
	status = check_metrics(route, err);
	if (status == 0)
		status = check_hops(rib, route, hops, err);
	if (status == 0)
		status = check_prefsrc(rib, route, err);
	return status;
}
