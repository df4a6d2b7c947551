/* SPDX-License-Identifier: BSD-3-Clause */
/* RTM_NEWROUTE, RTM_DELROUTE and the dump of RTM_GETROUTE. */
#include "codec.h"
#include "events.h"
#include "route_get.h"

/* `onlink` says of a gateway that it is on the link; of a hop without one it says nothing. */
static int
check_onlink(const struct rib_route *route, struct error *err)
{
	for (uint16_t i = 0; i < route->hop_count; i++)
		if (route->hops[i].gateway_family == AF_UNSPEC &&
			(route->hops[i].flags & (RTNH_F_ONLINK | RTNH_F_PERVASIVE)))
			return error_set(
				err, EINVAL, "Invalid flags for nexthop - PERVASIVE and ONLINK can not be set");
	return 0;
}

static int
route_new_served(struct nl_request *req, struct error *err)
{
	struct rib_hop hops[RIB_NEXTHOPS_MAX];
	struct rib_route route;

	if (parse_route(req, &route, hops, err) < 0 || check_onlink(&route, err) < 0)
		return -err->code;
	return rib_route_add(rib_of(req), &route, nl_change(req), err);
}

static int
route_new(struct nl_request *req, struct error *err)
{
	return events_caused_by(req, route_new_served, err);
}

static int
route_delete_served(struct nl_request *req, struct error *err)
{
	const struct rtmsg *header = req->body;
	struct rib_hop hops[RIB_NEXTHOPS_MAX];
	struct rib_route route;

	/* There is no cache that could be flushed. */
	if (header->rtm_flags & RTM_F_CLONED)
		return 0;
	if (parse_route(req, &route, hops, err) < 0)
		return -err->code;
	return rib_route_delete(rib_of(req), &route, err);
}

static int
route_delete(struct nl_request *req, struct error *err)
{
	return events_caused_by(req, route_delete_served, err);
}

struct route_dump {
	struct nl_msgs *reply;
	uint16_t flags;
};

static int
dump_route(void *arg, const struct rib_route *route)
{
	struct route_dump *dump = arg;

	put_route(dump->reply, route, RTM_NEWROUTE, dump->flags);
	return 0;
}

/* A filter by what the header and the attributes say; only clients that asked for strict checking mean it. */
static int
parse_filter(struct nl_request *req, struct rib_route_filter *filter, struct error *err)
{
	const struct rtmsg *header = req->body;

	if (!req->strict)
		return 0;
	if (header->rtm_src_len != 0 || header->rtm_dst_len != 0 || header->rtm_tos != 0 || header->rtm_scope != 0)
		return error_set(err, EINVAL, "Invalid values in header for FIB dump request");
	if (header->rtm_flags & ~(uint32_t)(RTM_F_CLONED | RTM_F_PREFIX))
		return error_set(err, EINVAL, "Invalid flags for FIB dump request");
	filter->protocol = header->rtm_protocol;
	filter->type = header->rtm_type;
	if (nl_get_u32(req->attrs[RTA_TABLE], header->rtm_table, &filter->table, "RTA_TABLE", err) < 0 ||
		nl_get_u32(req->attrs[RTA_OIF], 0, &filter->ifindex, "RTA_OIF", err) < 0)
		return -err->code;
	if (filter->ifindex != 0 && link_lookup(control_of(req)->router, filter->ifindex, NULL, err) == NULL)
		return -err->code;
	return 0;
}

static int
route_dump(struct nl_request *req, struct error *err)
{
	const struct rtmsg *header = req->body;
	struct rib_route_filter filter = { .family = header->rtm_family };
	struct route_dump dump = { .reply = req->reply };

	if (parse_filter(req, &filter, err) < 0)
		return -err->code;
	/* `ip route show cache`: there is no cache. Other families have no routes. */
	if ((header->rtm_flags & RTM_F_CLONED) ||
		(filter.family != AF_UNSPEC && filter.family != AF_INET && filter.family != AF_INET6))
		return 0;
	if (filter.table != RT_TABLE_UNSPEC && filter.family != AF_UNSPEC &&
		!rib_table_exists(rib_of(req), filter.family, filter.table))
		return error_set(err, ENOENT, "ipv%d: FIB table does not exist", filter.family == AF_INET ? 4 : 6);
	if (filter.table != 0 || filter.ifindex != 0 || filter.protocol != 0 || filter.type != 0)
		dump.flags = NLM_F_DUMP_FILTERED;
	return rib_route_walk(rib_of(req), &filter, dump_route, &dump);
}

static const struct nl_handler route_handlers[] = {
	{ RTM_NEWROUTE, sizeof(struct rtmsg), RTA_MAX, NL_WRITE, route_new, NULL },
	{ RTM_DELROUTE, sizeof(struct rtmsg), RTA_MAX, NL_WRITE, route_delete, NULL },
	{ RTM_GETROUTE, sizeof(struct rtmsg), RTA_MAX, 0, serve_route_get, route_dump },
};
NL_REGISTER(route_handlers)
