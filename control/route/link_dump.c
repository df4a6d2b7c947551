/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Links as `ip link` sees them: RTM_GETLINK and the message that notifications share with it. The attributes and their
 * order are those that Linux 6.1 sends.
 */
#include <linux/ip.h>

#include "codec.h"

/*
 * weir has no segmentation offload; these are the bounds that Linux reports for a device that never changed them, and
 * scripts read them from `ip -d link`.
 */
enum {
	OFFLOAD_MAX_BYTES = 65536,
	OFFLOAD_MAX_SEGMENTS = 65535,
	TSO_MAX_BYTES = 524280, /* a device that puts no bound of its own on what it is given */
};

uint32_t
link_flags(const struct port *port)
{
	uint32_t flags = port->flags & ~(uint32_t)(IFF_RUNNING | IFF_LOWER_UP);

	if (flags & IFF_LOOPBACK) /* nobody asks for neighbours there, but Linux does not say so */
		flags &= ~(uint32_t)IFF_NOARP;
	if ((flags & IFF_UP) && port_has_carrier(port))
		flags |= IFF_RUNNING | IFF_LOWER_UP;
	return flags;
}

enum link_operstate
link_operstate(const struct port *port)
{
	if (!(port->flags & IFF_UP))
		return OPERSTATE_DOWN;
	if (port->ops->carrier == NULL) /* a link that cannot tell: RFC 2863 3.1.14 */
		return OPERSTATE_UNKNOWN;
	if (port_has_carrier(port))
		return OPERSTATE_UP;
	return port->peer != 0 ? OPERSTATE_LOWERLAYERDOWN : OPERSTATE_DOWN;
}

struct port *
link_lookup(struct router *router, uint32_t ifindex, const char *name, struct error *err)
{
	struct port *port = NULL;

	if (ifindex != 0)
		port = port_find(router, ifindex);
	else if (name != NULL)
		return port_summon(router, name, err);
	if (port == NULL)
		error_code(err, ENODEV);
	return port;
}

void
link_stats(const struct port *port, struct rtnl_link_stats64 *stats)
{
	struct port_counters sum;
	const uint64_t *drops = sum.sink.drops;

	port_counters_sum(port, &sum);
	*stats = (struct rtnl_link_stats64){
		.rx_packets = sum.rx_packets,
		.rx_bytes = sum.rx_bytes,
		.multicast = sum.rx_multicast,
		.tx_packets = sum.tx_packets,
		.tx_bytes = sum.tx_bytes,
		.rx_missed_errors = drops[DROP_NO_BUFFER],
		.rx_errors = drops[DROP_FRAME_MALFORMED] + drops[DROP_FRAME_OVERSIZE] + drops[DROP_CAPTURE_MALFORMED],
		.rx_length_errors =
			drops[DROP_FRAME_MALFORMED] + drops[DROP_FRAME_OVERSIZE] + drops[DROP_CAPTURE_MALFORMED],
		.rx_dropped = drops[DROP_UNKNOWN_PROTOCOL] + drops[DROP_UNKNOWN_VLAN],
		.rx_otherhost_dropped = drops[DROP_OTHER_HOST],
		.tx_errors = drops[DROP_TX_FAILED],
		.tx_dropped = drops[DROP_NO_CARRIER] + drops[DROP_RING_FULL],
	};
}

/* The 32-bit counters of old clients: the same fields in the same order, cut off. */
static void
put_stats(struct nl_msgs *msgs, const struct port *port)
{
	struct rtnl_link_stats64 wide;
	struct rtnl_link_stats narrow;
	uint64_t from[sizeof(narrow) / sizeof(uint32_t)];
	uint32_t to[sizeof(narrow) / sizeof(uint32_t)];

	link_stats(port, &wide);
	nl_put(msgs, IFLA_STATS64, &wide, sizeof(wide));
	memcpy(from, &wide, sizeof(from));
	for (unsigned int i = 0; i < sizeof(to) / sizeof(to[0]); i++)
		to[i] = (uint32_t)from[i];
	memcpy(&narrow, to, sizeof(narrow));
	nl_put(msgs, IFLA_STATS, &narrow, sizeof(narrow));
}

/* What hangs on the link's root, as `ip link` prints it: never configured, straight to the device, or a discipline. */
static const char *
root_kind(const struct port *port)
{
	const struct qdisc *root = sched_root(port->tree);

	if (root != NULL)
		return root->ops->kind;
	return port->activated ? "noqueue" : "noop";
}

/* net.ipv4.conf.* by Linux's IPV4_DEVCONF_* numbers, which a client of IFLA_INET_CONF indexes by (from 1). */
static void
put_inet_conf(struct nl_msgs *msgs, const struct port_settings *s)
{
	uint32_t conf[IPV4_DEVCONF_MAX] = { 0 };

#define CONF(id, value) conf[IPV4_DEVCONF_##id - 1] = (uint32_t)(value)
	CONF(FORWARDING, s->forwarding);
	CONF(MC_FORWARDING, s->mc_forwarding);
	CONF(PROXY_ARP, s->proxy_arp);
	CONF(ACCEPT_REDIRECTS, s->accept_redirects);
	CONF(SECURE_REDIRECTS, s->secure_redirects);
	CONF(SEND_REDIRECTS, s->send_redirects);
	CONF(SHARED_MEDIA, s->shared_media);
	CONF(RP_FILTER, s->rp_filter);
	CONF(ACCEPT_SOURCE_ROUTE, s->accept_source_route);
	CONF(BOOTP_RELAY, s->bootp_relay);
	CONF(LOG_MARTIANS, s->log_martians);
	CONF(ARPFILTER, s->arp_filter);
	CONF(ARP_ANNOUNCE, s->arp_announce);
	CONF(ARP_IGNORE, s->arp_ignore);
	CONF(PROMOTE_SECONDARIES, s->promote_secondaries);
	CONF(ARP_ACCEPT, s->arp_accept);
	CONF(ACCEPT_LOCAL, s->accept_local);
	CONF(SRC_VMARK, s->src_valid_mark);
	CONF(ROUTE_LOCALNET, s->route_localnet);
	CONF(DROP_UNICAST_IN_L2_MULTICAST, s->drop_unicast_in_l2_multicast);
#undef CONF
	nl_put(msgs, IFLA_INET_CONF, conf, sizeof(conf));
}

static void
put_families(struct nl_msgs *msgs, const struct port *port)
{
	size_t spec = nl_nest_start(msgs, IFLA_AF_SPEC);
	size_t family = nl_nest_start(msgs, AF_INET);

	put_inet_conf(msgs, &port->settings);
	nl_nest_end(msgs, family);
	family = nl_nest_start(msgs, AF_INET6);
	nl_put_u8(msgs, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_EUI64);
	nl_nest_end(msgs, family);
	nl_nest_end(msgs, spec);
}

static void
put_identity(struct nl_msgs *msgs, const struct port *port)
{
	static const struct rtnl_link_ifmap no_map;

	if (port->alias[0] != '\0')
		nl_put_string(msgs, IFLA_IFALIAS, port->alias);
	nl_put_u8(msgs, IFLA_PROTO_DOWN, 0);
	nl_put(msgs, IFLA_MAP, &no_map, sizeof(no_map));
	if (port->ops->bare)
		return;
	nl_put(msgs, IFLA_ADDRESS, port->mac, sizeof(port->mac));
	nl_put(msgs, IFLA_BROADCAST, port->broadcast_mac, sizeof(port->broadcast_mac));
}

static void
put_kind(struct nl_msgs *msgs, const struct port *port)
{
	if (port->ops->is_virtual) {
		size_t info = nl_nest_start(msgs, IFLA_LINKINFO);

		nl_put_string(msgs, IFLA_INFO_KIND, port->ops->kind);
		nl_nest_end(msgs, info);
	}
	if (port->peer != 0)
		nl_put_u32(msgs, IFLA_LINK, port->peer);
}

void
put_link(struct nl_msgs *msgs, const struct port *port, uint16_t type, uint16_t flags, uint32_t change,
	uint32_t ext_mask)
{
	struct ifinfomsg *info;
	bool gso_is_bound = (port->ops->is_virtual && port->peer == 0) || port->ops->stacked;

	nl_msg_begin(msgs, type, flags, sizeof(*info));
	info = nl_msg_body(msgs);
	info->ifi_type = port->ops->arphrd;
	info->ifi_index = (int)port->ifindex;
	info->ifi_flags = link_flags(port);
	info->ifi_change = change;
	nl_put_string(msgs, IFLA_IFNAME, port->name);
	nl_put_u32(msgs, IFLA_TXQLEN, port->tx_queue_len);
	nl_put_u8(msgs, IFLA_OPERSTATE, (uint8_t)link_operstate(port));
	nl_put_u8(msgs, IFLA_LINKMODE, 0);
	nl_put_u32(msgs, IFLA_MTU, port->mtu);
	nl_put_u32(msgs, IFLA_MIN_MTU, port->min_mtu);
	nl_put_u32(msgs, IFLA_MAX_MTU, port->max_mtu);
	nl_put_u32(msgs, IFLA_GROUP, port->group);
	nl_put_u32(msgs, IFLA_PROMISCUITY, (port->flags & IFF_PROMISC) != 0);
	nl_put_u32(msgs, IFLA_ALLMULTI, (port->flags & IFF_ALLMULTI) != 0);
	nl_put_u32(msgs, IFLA_NUM_TX_QUEUES, port->tx_queues != 0 ? port->tx_queues : 1);
	nl_put_u32(msgs, IFLA_GSO_MAX_SEGS, OFFLOAD_MAX_SEGMENTS);
	nl_put_u32(msgs, IFLA_GSO_MAX_SIZE, OFFLOAD_MAX_BYTES);
	nl_put_u32(msgs, IFLA_GRO_MAX_SIZE, OFFLOAD_MAX_BYTES);
	nl_put_u32(msgs, IFLA_TSO_MAX_SIZE, gso_is_bound ? OFFLOAD_MAX_BYTES : TSO_MAX_BYTES);
	nl_put_u32(msgs, IFLA_TSO_MAX_SEGS, OFFLOAD_MAX_SEGMENTS);
	nl_put_u32(msgs, IFLA_NUM_RX_QUEUES, port->rx_queues != 0 ? port->rx_queues : 1);
	nl_put_u8(msgs, IFLA_CARRIER, port_has_carrier(port));
	nl_put_string(msgs, IFLA_QDISC, root_kind(port));
	put_identity(msgs, port);
	if (!(ext_mask & RTEXT_FILTER_SKIP_STATS))
		put_stats(msgs, port);
	put_kind(msgs, port);
	put_families(msgs, port);
	nl_msg_end(msgs);
}

struct link_dump {
	struct nl_request *req;
	const char *kind; /* only links of it; NULL: all */
	uint32_t ext_mask;
	uint16_t flags;
	bool none; /* a filter that nothing here can meet: links of a bridge */
};

static int
dump_one(void *arg, struct port *port)
{
	struct link_dump *dump = arg;

	if (dump->none || (dump->kind != NULL && (!port->ops->is_virtual || strcmp(dump->kind, port->ops->kind) != 0)))
		return 0;
	put_link(dump->req->reply, port, RTM_NEWLINK, dump->flags, 0, dump->ext_mask);
	return 0;
}

static int
link_dump(struct nl_request *req, struct error *err)
{
	const struct ifinfomsg *info = req->body;
	const struct nlattr *nest[IFLA_INFO_KIND + 1];
	struct link_dump dump = { .req = req };
	char kind[32] = "";
	uint32_t master;

	if (req->strict && info->ifi_index != 0)
		return error_set(err, EINVAL, "ipv4: Filter by device index not supported for link dumps");
	if (nl_get_u32(req->attrs[IFLA_EXT_MASK], 0, &dump.ext_mask, "IFLA_EXT_MASK", err) < 0 ||
		nl_get_u32(req->attrs[IFLA_MASTER], 0, &master, "IFLA_MASTER", err) < 0 ||
		nl_get_nest(req->attrs[IFLA_LINKINFO], nest, IFLA_INFO_KIND, err) < 0 ||
		(nest[IFLA_INFO_KIND] != NULL &&
			nl_get_string(nest[IFLA_INFO_KIND], kind, sizeof(kind), "IFLA_INFO_KIND", err) < 0))
		return -err->code;
	/* Only bridges' ports are in that family, and no link has a master. */
	dump.none = info->ifi_family == AF_BRIDGE || master != 0;
	if (kind[0] != '\0')
		dump.kind = kind;
	if (master != 0 || kind[0] != '\0')
		dump.flags = NLM_F_DUMP_FILTERED;
	return port_walk(control_of(req)->router, dump_one, &dump);
}

static int
link_get(struct nl_request *req, struct error *err)
{
	const struct ifinfomsg *info = req->body;
	const struct nlattr *by =
		req->attrs[IFLA_IFNAME] != NULL ? req->attrs[IFLA_IFNAME] : req->attrs[IFLA_ALT_IFNAME];
	char name[128] = "";
	uint32_t ext_mask;
	struct port *port;

	if (nl_get_u32(req->attrs[IFLA_EXT_MASK], 0, &ext_mask, "IFLA_EXT_MASK", err) < 0 ||
		(by != NULL && nl_get_string(by, name, sizeof(name), "IFLA_IFNAME", err) < 0))
		return -err->code;
	if (info->ifi_index == 0 && by == NULL)
		return error_set(err, EINVAL, "No link is named: give its index or its name");
	port = link_lookup(control_of(req)->router, (uint32_t)info->ifi_index, name, err);
	if (port == NULL)
		return -err->code;
	put_link(req->reply, port, RTM_NEWLINK, 0, 0, ext_mask);
	return 0;
}

static const struct nl_handler link_get_handlers[] = {
	{ RTM_GETLINK, sizeof(struct ifinfomsg), IFLA_MAX, 0, link_get, link_dump },
};
NL_REGISTER(link_get_handlers)
