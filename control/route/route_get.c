/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * `ip route get`: where a packet would go that the router itself sends, or (with `iif`) one that arrived. The answer
 * names one route and one hop; its flags and its errors are those that Linux 6.1 gives.
 */
#include <linux/in_route.h>
#include <netinet/in.h>
#include <unistd.h>

#include "codec.h"
#include "route_get.h"

enum { LOOPBACK = 1 }; /* ifindex of lo */

/* The question, and how the answer is put together. */
struct route_query {
	struct nl_request *req;
	struct rib_key key;
	uint32_t flags; /* RTM_F_* of the request */
	uint32_t uid;
	bool has_dst, has_src, has_uid;
	bool arrived; /* an input interface was given */
	/* the answer */
	struct rib_route route;
	struct rib_hop hop;
	uint32_t answer_flags; /* RTCF_* */
};

static int
parse_ports(const struct nl_request *req, struct route_query *query, struct error *err)
{
	uint16_t sport, dport;

	if (nl_get_u8(req->attrs[RTA_IP_PROTO], 0, &query->key.ip_protocol, "RTA_IP_PROTO", err) < 0 ||
		nl_get_u16(req->attrs[RTA_SPORT], 0, &sport, "RTA_SPORT", err) < 0 ||
		nl_get_u16(req->attrs[RTA_DPORT], 0, &dport, "RTA_DPORT", err) < 0)
		return -err->code;
	query->key.sport = ntohs(sport);
	query->key.dport = ntohs(dport);
	return 0;
}

static int
parse_query(struct nl_request *req, struct route_query *query, struct error *err)
{
	const struct rtmsg *header = req->body;
	const struct nlattr **attrs = req->attrs;
	struct rib_key *key = &query->key;

	if (check_family(header->rtm_family, err) < 0)
		return -err->code;
	if (header->rtm_src_len > ip_family_bits(header->rtm_family) ||
		header->rtm_dst_len > ip_family_bits(header->rtm_family))
		return error_set(err, EINVAL, "Invalid prefix length");
	*query = (struct route_query){ .req = req, .flags = header->rtm_flags };
	key->family = header->rtm_family;
	key->dsfield = header->rtm_tos;
	if ((attrs[RTA_DST] != NULL && get_ip(attrs[RTA_DST], key->family, &key->dst, "The destination", err) < 0) ||
		(attrs[RTA_SRC] != NULL && get_ip(attrs[RTA_SRC], key->family, &key->src, "The source", err) < 0) ||
		nl_get_u32(attrs[RTA_IIF], 0, &key->iif, "RTA_IIF", err) < 0 ||
		nl_get_u32(attrs[RTA_OIF], 0, &key->oif, "RTA_OIF", err) < 0 ||
		nl_get_u32(attrs[RTA_MARK], 0, &key->mark, "RTA_MARK", err) < 0 ||
		nl_get_u32(attrs[RTA_UID], 0, &query->uid, "RTA_UID", err) < 0 || parse_ports(req, query, err) < 0)
		return -err->code;
	query->arrived = key->iif != 0;
	query->has_dst = !ip_addr_is_zero(&key->dst);
	query->has_src = attrs[RTA_SRC] != NULL && !ip_addr_is_zero(&key->src);
	query->has_uid = attrs[RTA_UID] != NULL || !query->arrived;
	/* Who asks acts for the router's owner: only that user and group may open the socket. */
	if (attrs[RTA_UID] == NULL)
		query->uid = geteuid();
	if (!query->arrived)
		key->iif = LOOPBACK;
	return 0;
}

static bool
is_multicast(uint8_t family, const struct ip_addr *addr)
{
	return family == AF_INET ? (addr->bytes[0] & 0xf0) == 0xe0 : addr->bytes[0] == 0xff;
}

static bool
is_limited_broadcast(uint8_t family, const struct ip_addr *addr)
{
	return family == AF_INET && addr->v4 == INADDR_BROADCAST;
}

static bool
is_loopback(uint8_t family, const struct ip_addr *addr)
{
	return family == AF_INET && addr->bytes[0] == 127;
}

/* A source address that no packet may arrive with: a group's, a broadcast, the host's own (RFC 1812 5.3.7). */
static bool
is_martian_source(const struct route_query *query, uint8_t type_of_source)
{
	const struct ip_addr *src = &query->key.src;
	uint8_t family = query->key.family;

	return is_multicast(family, src) || is_limited_broadcast(family, src) || is_loopback(family, src) ||
	       type_of_source == RTN_LOCAL || type_of_source == RTN_BROADCAST;
}

/* Reverse-path filtering as net.ipv4.conf.{all,NAME}.rp_filter say: 1 strict, 2 loose (RFC 3704). */
static int
check_source(struct route_query *query, const struct port *port, struct error *err)
{
	int all = router_settings_all(control_of(query->req)->router)->rp_filter;
	int filter = all > port->settings.rp_filter ? all : port->settings.rp_filter;
	struct rib_key back = { .family = query->key.family,
		.dst = query->key.src,
		.src = query->key.dst,
		.dsfield = query->key.dsfield,
		.iif = LOOPBACK,
		.mark = port->settings.src_valid_mark ? query->key.mark : 0 };
	struct rib_result result;
	const struct rib_nexthop *nexthop;

	rib_lookup(rib_of(query->req), &back, 1, &result);
	if (query->has_src && is_martian_source(query, result.type))
		return error_code(err, EINVAL);
	if (!query->has_src && port->ifindex != LOOPBACK)
		return error_code(err, EINVAL);
	if (filter == 0 || port->ifindex == LOOPBACK)
		return 0;
	nexthop = result.type == RTN_UNICAST ? rib_nexthop(rib_of(query->req), result.nexthop) : NULL;
	if (nexthop == NULL || (filter == 1 && nexthop->ifindex != port->ifindex))
		return error_code(err, EXDEV);
	return 0;
}

/* What Linux answers where the route is no way on. */
static int
type_error(uint8_t type)
{
	switch (type) {
	case RTN_BLACKHOLE:
		return EINVAL;
	case RTN_UNREACHABLE:
		return EHOSTUNREACH;
	case RTN_PROHIBIT:
		return EACCES;
	case RTN_UNICAST:
	case RTN_LOCAL:
	case RTN_BROADCAST:
	case RTN_MULTICAST:
	case RTN_ANYCAST:
		return 0;
	default:
		return ENETUNREACH;
	}
}

/* A device was asked for and no route leads through it: the destination is taken to be on that link. */
static int
assume_on_link(struct route_query *query, struct error *err)
{
	struct port *port = port_find(control_of(query->req)->router, query->key.oif);

	if (port == NULL)
		return error_code(err, ENODEV);
	if (!(port->flags & IFF_UP))
		return error_code(err, ENETUNREACH);
	query->route = (struct rib_route){ .dst = { .family = query->key.family }, .type = RTN_UNICAST };
	query->hop = (struct rib_hop){ .ifindex = port->ifindex };
	return 0;
}

/* One's own packet. */
static int
get_output(struct route_query *query, struct error *err)
{
	struct rib *rib = rib_of(query->req);
	struct rib_key *key = &query->key;
	int rc;

	if (query->has_src && !rib_address_is_local(rib, 0, key->family, &key->src) &&
		!is_loopback(key->family, &key->src))
		return error_code(err, ENETUNREACH);
	if (!query->has_dst) { /* "this host": itself */
		if (key->family == AF_INET)
			key->dst = ip_addr_v4(htonl(INADDR_LOOPBACK));
		else
			key->dst.bytes[15] = 1;
	}
	rc = rib_route_get(rib, key, &query->route, &query->hop, err);
	if (rc == 0 && type_error(query->route.type) != 0)
		rc = error_code(err, type_error(query->route.type));
	if (rc < 0 && key->oif != 0)
		rc = assume_on_link(query, err);
	else if (rc < 0)
		return error_code(err, err->code);
	if (rc < 0)
		return rc;
	if (is_multicast(key->family, &key->dst))
		query->route.type = RTN_MULTICAST;
	else if (is_limited_broadcast(key->family, &key->dst))
		query->route.type = RTN_BROADCAST;
	return 0;
}

/* A packet that arrived on a link. */
static int
get_input(struct route_query *query, struct error *err)
{
	struct router *router = control_of(query->req)->router;
	struct rib_key *key = &query->key;
	struct port *port = port_find(router, key->iif);
	int rc;

	if (port == NULL)
		return error_code(err, ENODEV);
	if (is_multicast(key->family, &key->dst) || !query->has_dst || is_loopback(key->family, &key->dst))
		return error_code(err, EINVAL);
	rc = rib_route_get(rib_of(query->req), key, &query->route, &query->hop, err);
	if (rc == 0 && type_error(query->route.type) != 0)
		rc = -type_error(query->route.type);
	if (rc == -ENETUNREACH || (rc == 0 && query->route.type == RTN_UNICAST)) {
		if (port->ifindex != LOOPBACK && !port->settings.forwarding)
			return error_code(err, EHOSTUNREACH);
	}
	if (rc < 0)
		return error_code(err, -rc);
	return check_source(query, port, err);
}

/* The address that the packet would have as its source, unless the question said so. */
static bool
choose_source(struct route_query *query, struct ip_addr *source)
{
	const struct ip_addr *towards =
		query->hop.gateway_family == query->key.family ? &query->hop.gateway : &query->key.dst;

	if (query->arrived || query->has_src)
		return false;
	if (query->route.type == RTN_LOCAL) {
		*source = query->key.dst;
		return true;
	}
	if (query->route.prefsrc_set) {
		*source = query->route.prefsrc;
		return true;
	}
	return rib_address_select(rib_of(query->req), query->hop.ifindex, query->key.family, towards, source);
}

static void
finish(struct route_query *query)
{
	if (query->route.type == RTN_LOCAL || query->route.type == RTN_BROADCAST) {
		query->answer_flags |= RTCF_LOCAL;
		/* It is delivered here: by lo; one's own broadcast goes out as well. */
		if (query->route.type == RTN_LOCAL || query->arrived)
			query->hop = (struct rib_hop){ .ifindex = LOOPBACK };
	}
	if (query->route.type == RTN_BROADCAST)
		query->answer_flags |= RTCF_BROADCAST;
	if (query->route.type == RTN_MULTICAST)
		query->answer_flags |= RTCF_MULTICAST;
}

static int
stop_at_added(void *arg, const struct rib_rule *rule)
{
	return rule->protocol != RTPROT_KERNEL;
}

/*
 * The table as Linux reports it. Until a rule is added, Linux holds IPv4's local and main tables in one and calls it
 * main: `ip route get` then prints no "table local".
 */
static uint32_t
reported_table(const struct route_query *query)
{
	if (!(query->flags & RTM_F_LOOKUP_TABLE))
		return RT_TABLE_MAIN;
	if (query->route.table == RT_TABLE_LOCAL && query->key.family == AF_INET &&
		rib_rule_walk(rib_of(query->req), AF_INET, stop_at_added, NULL) == 0)
		return RT_TABLE_MAIN;
	return query->route.table;
}

static void
put_answer(const struct route_query *query, const struct ip_addr *source)
{
	struct nl_msgs *reply = query->req->reply;
	/* One reference: the asker's. There is no cache whose entries would age. */
	const struct rta_cacheinfo cache = { .rta_clntref = 1 };
	uint8_t family = query->key.family;
	uint32_t table = reported_table(query);
	struct rtmsg *header;

	nl_msg_begin(reply, RTM_NEWROUTE, 0, sizeof(*header));
	header = nl_msg_body(reply);
	header->rtm_family = family;
	header->rtm_dst_len = ip_family_bits(family);
	header->rtm_src_len = query->has_src ? ip_family_bits(family) : 0;
	header->rtm_table = table < 256 ? (uint8_t)table : RT_TABLE_COMPAT;
	header->rtm_type = query->route.type;
	header->rtm_flags = RTM_F_CLONED | query->answer_flags | (query->flags & RTM_F_NOTIFY);
	nl_put_u32(reply, RTA_TABLE, table);
	put_ip(reply, RTA_DST, family, query->has_dst ? &query->key.dst : &(struct ip_addr){ 0 });
	if (query->has_src)
		put_ip(reply, RTA_SRC, family, &query->key.src);
	if (query->hop.ifindex != 0)
		nl_put_u32(reply, RTA_OIF, query->hop.ifindex);
	if (query->hop.realm != 0)
		nl_put_u32(reply, RTA_FLOW, query->hop.realm);
	if (source != NULL)
		put_ip(reply, RTA_PREFSRC, family, source);
	put_gateway(reply, family, &query->hop);
	put_metrics(reply, &query->route);
	if (query->key.mark != 0)
		nl_put_u32(reply, RTA_MARK, query->key.mark);
	if (query->has_uid)
		nl_put_u32(reply, RTA_UID, query->uid);
	if (query->arrived)
		nl_put_u32(reply, RTA_IIF, query->key.iif);
	nl_put(reply, RTA_CACHEINFO, &cache, sizeof(cache));
	nl_msg_end(reply);
}

int
serve_route_get(struct nl_request *req, struct error *err)
{
	struct route_query query;
	struct ip_addr source;
	bool has_source;

	if (parse_query(req, &query, err) < 0)
		return -err->code;
	if ((query.arrived ? get_input(&query, err) : get_output(&query, err)) < 0)
		return -err->code;
	if (query.flags & RTM_F_FIB_MATCH) { /* the route itself, not what it means for this packet */
		query.route.hops = query.route.hop_count > 1 ? query.route.hops : &query.hop;
		put_route(req->reply, &query.route, RTM_NEWROUTE, 0);
		return 0;
	}
	finish(&query);
	has_source = choose_source(&query, &source);
	put_answer(&query, has_source ? &source : NULL);
	return 0;
}
