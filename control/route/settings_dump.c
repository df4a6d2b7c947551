/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Settings as netlink shows them: `ip ntable` (RTM_GETNEIGHTBL), `ip netconf` (RTM_GETNETCONF); and the small questions
 * that iproute2 asks on the way: `ip stats` (RTM_GETSTATS), namespaces' ids (RTM_GETNSID).
 */
#include <linux/net_namespace.h>
#include <linux/netconf.h>
#include <linux/if_link.h>

#include "codec.h"

enum {
	MILLISECONDS_PER_SECOND = 1000,
	MILLISECONDS_PER_TICK = 10, /* of USER_HZ, in which proc's delays are */
	NEIGHBOUR_BYTES = 4 + 6, /* key and link-layer address */
};

/* ---- ip ntable ------------------------------------------------------------------------------- */

static void
put_parameters(struct nl_msgs *msgs, const struct port_settings *s, uint32_t ifindex)
{
	size_t nest = nl_nest_start(msgs, NDTA_PARMS);

	if (ifindex != 0)
		nl_put_u32(msgs, NDTPA_IFINDEX, ifindex);
	nl_put_u32(msgs, NDTPA_REFCNT, 1);
	nl_put_u32(msgs, NDTPA_QUEUE_LEN, (uint32_t)s->unres_qlen);
	nl_put_u32(msgs, NDTPA_PROXY_QLEN, (uint32_t)s->proxy_qlen);
	nl_put_u32(msgs, NDTPA_APP_PROBES, (uint32_t)s->app_solicit);
	nl_put_u32(msgs, NDTPA_UCAST_PROBES, (uint32_t)s->ucast_solicit);
	nl_put_u32(msgs, NDTPA_MCAST_PROBES, (uint32_t)s->mcast_solicit);
	/*
	 * The time that is used is drawn from half to one and a half of the base for each neighbour (RFC 4861 6.3.2).
	 */
	nl_put_u64(msgs, NDTPA_REACHABLE_TIME, (uint64_t)s->base_reachable_time_ms);
	nl_put_u64(msgs, NDTPA_BASE_REACHABLE_TIME, (uint64_t)s->base_reachable_time_ms);
	nl_put_u64(msgs, NDTPA_GC_STALETIME, (uint64_t)s->gc_stale_time * MILLISECONDS_PER_SECOND);
	nl_put_u64(msgs, NDTPA_DELAY_PROBE_TIME, (uint64_t)s->delay_first_probe_time * MILLISECONDS_PER_SECOND);
	nl_put_u64(msgs, NDTPA_RETRANS_TIME, (uint64_t)s->retrans_time_ms);
	nl_put_u64(msgs, NDTPA_ANYCAST_DELAY, (uint64_t)s->anycast_delay * MILLISECONDS_PER_TICK);
	nl_put_u64(msgs, NDTPA_PROXY_DELAY, (uint64_t)s->proxy_delay * MILLISECONDS_PER_TICK);
	nl_put_u64(msgs, NDTPA_LOCKTIME, (uint64_t)s->locktime * MILLISECONDS_PER_TICK);
	nl_nest_end(msgs, nest);
}

static void
begin_table(struct nl_request *req)
{
	struct ndtmsg *header;

	nl_msg_begin(req->reply, RTM_NEWNEIGHTBL, 0, sizeof(*header));
	header = nl_msg_body(req->reply);
	header->ndtm_family = AF_INET;
	nl_put_string(req->reply, NDTA_NAME, "arp_cache");
}

static int
count_neighbour(void *arg, struct neighbour *neighbour)
{
	(*(uint32_t *)arg)++;
	return 0;
}

static int
dump_link_parameters(void *arg, struct port *port)
{
	struct nl_request *req = arg;

	begin_table(req);
	put_parameters(req->reply, &port->settings, port->ifindex);
	nl_msg_end(req->reply);
	return 0;
}

static int
neighbour_table_dump(struct nl_request *req, struct error *err)
{
	const struct ndtmsg *header = req->body;
	struct ndt_config config = { .ndtc_key_len = 4, .ndtc_entry_size = NEIGHBOUR_BYTES };
	uint32_t entries = 0;

	if (header->ndtm_family != AF_UNSPEC && header->ndtm_family != AF_INET)
		return 0;
	neighbour_walk(rib_of(req), 0, AF_INET, count_neighbour, &entries);
	config.ndtc_entries = entries;
	begin_table(req);
	nl_put_u32(req->reply, NDTA_THRESH3, NEIGHBOURS_MAX);
	nl_put(req->reply, NDTA_CONFIG, &config, sizeof(config));
	put_parameters(req->reply, router_settings_default(control_of(req)->router), 0);
	nl_msg_end(req->reply);
	return port_walk(control_of(req)->router, dump_link_parameters, req);
}

/* ---- ip netconf ------------------------------------------------------------------------------ */

void
put_netconf(struct nl_msgs *msgs, const struct port_settings *settings, int32_t ifindex, uint16_t type, uint16_t flags)
{
	struct netconfmsg *header;

	nl_msg_begin(msgs, type, flags, sizeof(*header));
	header = nl_msg_body(msgs);
	header->ncm_family = AF_INET;
	nl_put_u32(msgs, NETCONFA_IFINDEX, (uint32_t)ifindex);
	if (settings != NULL) {
		nl_put_u32(msgs, NETCONFA_FORWARDING, (uint32_t)settings->forwarding);
		nl_put_u32(msgs, NETCONFA_RP_FILTER, (uint32_t)settings->rp_filter);
		nl_put_u32(msgs, NETCONFA_MC_FORWARDING, (uint32_t)settings->mc_forwarding);
		nl_put_u32(msgs, NETCONFA_BC_FORWARDING, 0);
		nl_put_u32(msgs, NETCONFA_PROXY_NEIGH, (uint32_t)settings->proxy_arp);
		nl_put_u32(msgs, NETCONFA_IGNORE_ROUTES_WITH_LINKDOWN, 0);
	}
	nl_msg_end(msgs);
}

static int
dump_netconf(void *arg, struct port *port)
{
	struct nl_request *req = arg;

	put_netconf(req->reply, &port->settings, (int32_t)port->ifindex, RTM_NEWNETCONF, 0);
	return 0;
}

static int
netconf_dump(struct nl_request *req, struct error *err)
{
	const struct netconfmsg *header = req->body;
	struct router *router = control_of(req)->router;

	if (header->ncm_family != AF_UNSPEC && header->ncm_family != AF_INET)
		return 0;
	port_walk(router, dump_netconf, req);
	put_netconf(req->reply, router_settings_all(router), NETCONFA_IFINDEX_ALL, RTM_NEWNETCONF, 0);
	put_netconf(req->reply, router_settings_default(router), NETCONFA_IFINDEX_DEFAULT, RTM_NEWNETCONF, 0);
	return 0;
}

static int
netconf_get(struct nl_request *req, struct error *err)
{
	const struct netconfmsg *header = req->body;
	struct router *router = control_of(req)->router;
	const struct port_settings *settings;
	uint32_t which;

	if (header->ncm_family != AF_INET)
		return error_set(err, EOPNOTSUPP, "Only IPv4 has settings of this kind; use 'ip -4 netconf'");
	if (req->attrs[NETCONFA_IFINDEX] == NULL)
		return error_set(err, EINVAL, "No link is named: give 'dev'");
	if (nl_get_u32(req->attrs[NETCONFA_IFINDEX], 0, &which, "NETCONFA_IFINDEX", err) < 0)
		return -err->code;
	if ((int32_t)which == NETCONFA_IFINDEX_ALL) {
		settings = router_settings_all(router);
	} else if ((int32_t)which == NETCONFA_IFINDEX_DEFAULT) {
		settings = router_settings_default(router);
	} else {
		struct port *port = link_lookup(router, which, NULL, err);

		if (port == NULL)
			return -err->code;
		settings = &port->settings;
	}
	put_netconf(req->reply, settings, (int32_t)which, RTM_NEWNETCONF, 0);
	return 0;
}

/* ---- ip stats -------------------------------------------------------------------------------- */

#define LINK_64 (1u << (IFLA_STATS_LINK_64 - 1)) /* bit of filter_mask */

static void
put_stats(struct nl_request *req, const struct port *port, uint32_t filter)
{
	struct rtnl_link_stats64 stats;
	struct if_stats_msg *header;

	nl_msg_begin(req->reply, RTM_NEWSTATS, 0, sizeof(*header));
	header = nl_msg_body(req->reply);
	header->ifindex = port->ifindex;
	header->filter_mask = filter;
	if (filter & LINK_64) {
		link_stats(port, &stats);
		nl_put(req->reply, IFLA_STATS_LINK_64, &stats, sizeof(stats));
	}
	nl_msg_end(req->reply);
}

static int
check_stats(const struct nl_request *req, struct error *err)
{
	const struct if_stats_msg *header = req->body;

	return header->filter_mask != 0 ? 0 : error_set(err, EINVAL, "Filter mask must be set for stats");
}

static int
dump_stats(void *arg, struct port *port)
{
	struct nl_request *req = arg;
	const struct if_stats_msg *header = req->body;

	put_stats(req, port, header->filter_mask);
	return 0;
}

static int
stats_dump(struct nl_request *req, struct error *err)
{
	return check_stats(req, err) < 0 ? -err->code : port_walk(control_of(req)->router, dump_stats, req);
}

static int
stats_get(struct nl_request *req, struct error *err)
{
	const struct if_stats_msg *header = req->body;
	const struct port *port;

	if (check_stats(req, err) < 0)
		return -err->code;
	port = link_lookup(control_of(req)->router, header->ifindex, NULL, err);
	if (port == NULL)
		return -err->code;
	put_stats(req, port, header->filter_mask);
	return 0;
}

/* ---- namespaces ------------------------------------------------------------------------------ */

/* The router's links are in no namespace of the host's: whichever is asked for has no id here. */
static int
nsid_get(struct nl_request *req, struct error *err)
{
	nl_msg_begin(req->reply, RTM_NEWNSID, 0, sizeof(struct rtgenmsg));
	nl_put_u32(req->reply, NETNSA_NSID, (uint32_t)NETNSA_NSID_NOT_ASSIGNED);
	nl_msg_end(req->reply);
	return 0;
}

static int
nsid_dump(struct nl_request *req, struct error *err)
{
	return 0;
}

static const struct nl_handler settings_handlers[] = {
	{ RTM_GETNEIGHTBL, sizeof(struct ndtmsg), NDTA_MAX, 0, NULL, neighbour_table_dump },
	{ RTM_GETNETCONF, sizeof(struct netconfmsg), NETCONFA_MAX, 0, netconf_get, netconf_dump },
	{ RTM_GETSTATS, sizeof(struct if_stats_msg), IFLA_STATS_GETSET_MAX, 0, stats_get, stats_dump },
	{ RTM_GETNSID, sizeof(struct rtgenmsg), NETNSA_MAX, 0, nsid_get, nsid_dump },
};
NL_REGISTER(settings_handlers)
