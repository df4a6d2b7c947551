/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A router without a router, for the tests of the socket and the shim: two links, an address, as many routes as are
 * added, a qdisc, some settings.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <net/if.h>

#include <linux/if_link.h>
#include <linux/if_arp.h>
#include <linux/pkt_sched.h>
#include <linux/sockios.h>

#include "netlink/netlink.h"

enum {
	TABLE_REFUSED = 99,
	TABLE_MISSING = 77,
};

static uint32_t route_count;
static char forwarding[16] = "1";
static char rp_filter[16] = "0";

static const char *const links[] = { "lo", "eth0" };

static void
put_link(struct nl_msgs *reply, unsigned int index)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
	const struct rtnl_link_stats statistics = { .rx_packets = 7, .tx_packets = 9 };
	struct ifinfomsg *info;

	nl_msg_begin(reply, RTM_NEWLINK, 0, sizeof(*info));
	info = nl_msg_body(reply);
	info->ifi_index = (int)index;
	info->ifi_type = index == 1 ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
	info->ifi_flags = IFF_UP | IFF_RUNNING | (index == 1 ? IFF_LOOPBACK : IFF_BROADCAST);
	nl_put_string(reply, IFLA_IFNAME, links[index - 1]);
	nl_put_u32(reply, IFLA_MTU, 1500);
	nl_put(reply, IFLA_ADDRESS, mac, sizeof(mac));
	nl_put(reply, IFLA_BROADCAST, "\xff\xff\xff\xff\xff\xff", 6);
	nl_put(reply, IFLA_STATS, &statistics, sizeof(statistics));
	nl_msg_end(reply);
}

static int
dump_links(struct nl_request *req, struct error *err)
{
	put_link(req->reply, 1);
	put_link(req->reply, 2);
	return 0;
}

static int
get_link(struct nl_request *req, struct error *err)
{
	const struct ifinfomsg *info = req->body;
	unsigned int index = (unsigned int)info->ifi_index;
	char name[IFNAMSIZ];
	int code = nl_get_string(req->attrs[IFLA_IFNAME], name, sizeof(name), "name", err);

	if (code != 0)
		return code;
	for (unsigned int i = 1; i <= 2; i++)
		if (index == i || strcmp(links[i - 1], name) == 0) {
			put_link(req->reply, i);
			return 0;
		}
	return error_code(err, ENODEV);
}

static int
dump_addresses(struct nl_request *req, struct error *err)
{
	struct in_addr address = { .s_addr = htonl(0x0a000001) };
	struct ifaddrmsg *info;

	nl_msg_begin(req->reply, RTM_NEWADDR, 0, sizeof(*info));
	info = nl_msg_body(req->reply);
	info->ifa_family = AF_INET;
	info->ifa_prefixlen = 20;
	info->ifa_index = 2;
	nl_put(req->reply, IFA_ADDRESS, &address, sizeof(address));
	nl_put(req->reply, IFA_LOCAL, &address, sizeof(address));
	nl_put_string(req->reply, IFA_LABEL, "eth0");
	nl_msg_end(req->reply);
	return 0;
}

static void
put_route(struct nl_msgs *reply, uint32_t address, uint16_t type)
{
	struct rtmsg *route;

	nl_msg_begin(reply, type, 0, sizeof(*route));
	route = nl_msg_body(reply);
	route->rtm_family = AF_INET;
	route->rtm_dst_len = 32;
	route->rtm_table = RT_TABLE_MAIN;
	route->rtm_type = RTN_UNICAST;
	address = htonl(address);
	nl_put(reply, RTA_DST, &address, sizeof(address));
	nl_put_u32(reply, RTA_TABLE, RT_TABLE_MAIN);
	nl_put_u32(reply, RTA_OIF, 2);
	nl_msg_end(reply);
}

static int
new_route(struct nl_request *req, struct error *err)
{
	const struct rtmsg *route = req->body;
	struct nl_msgs *news;
	uint32_t table, address;
	int code = nl_get_u32(req->attrs[RTA_TABLE], route->rtm_table, &table, "table", err);

	if (code == 0)
		code = nl_get_u32(req->attrs[RTA_DST], 0, &address, "destination", err);
	if (code != 0)
		return code;
	if (table == TABLE_REFUSED)
		return error_set(err, EINVAL, "table %u takes no routes; table main does", table);
	if (table == TABLE_MISSING)
		error_warn(err, "table %u was missing", table);
	route_count++;
	news = nl_msgs_create();
	put_route(news, ntohl(address), RTM_NEWROUTE);
	nl_notify(req->server, RTNLGRP_IPV4_ROUTE, news, req);
	nl_msgs_destroy(news);
	return 0;
}

static int
dump_routes(struct nl_request *req, struct error *err)
{
	uint32_t table;
	int code = nl_get_u32(req->attrs[RTA_TABLE], 0, &table, "table", err);

	if (code != 0)
		return code;
	if (req->strict && table == TABLE_MISSING)
		return error_set(err, ENOENT, "ipv4: FIB table does not exist");
	for (uint32_t i = 0; i < route_count; i++)
		put_route(req->reply, 0x0b000000 + i, RTM_NEWROUTE);
	return 0;
}

static int
dump_qdiscs(struct nl_request *req, struct error *err)
{
	const struct tc_stats statistics = { .bytes = 1234, .packets = 12, .drops = 3 };
	struct tcmsg *qdisc;

	nl_msg_begin(req->reply, RTM_NEWQDISC, 0, sizeof(*qdisc));
	qdisc = nl_msg_body(req->reply);
	qdisc->tcm_ifindex = 2;
	qdisc->tcm_handle = 0x10000;
	qdisc->tcm_parent = TC_H_ROOT;
	qdisc->tcm_info = 2;
	nl_put_string(req->reply, TCA_KIND, "tbf");
	nl_put(req->reply, TCA_STATS, &statistics, sizeof(statistics));
	nl_msg_end(req->reply);
	return 0;
}

static const struct nl_handler handlers[] = {
	{ RTM_GETLINK, sizeof(struct ifinfomsg), IFLA_IFNAME, 0, get_link, dump_links },
	{ RTM_GETADDR, sizeof(struct ifaddrmsg), 0, 0, NULL, dump_addresses },
	{ RTM_NEWROUTE, sizeof(struct rtmsg), RTA_TABLE, NL_WRITE, new_route, NULL },
	{ RTM_GETROUTE, sizeof(struct rtmsg), RTA_TABLE, 0, NULL, dump_routes },
	{ RTM_GETQDISC, sizeof(struct tcmsg), 0, 0, NULL, dump_qdiscs },
};
NL_REGISTER(handlers)

static char *
setting(const char *path)
{
	if (strcmp(path, "/proc/sys/net/ipv4/ip_forward") == 0)
		return forwarding;
	return strcmp(path, "/proc/sys/net/ipv4/conf/eth0/rp_filter") == 0 ? rp_filter : NULL;
}

static int
read_setting(void *context, const char *path, char *buffer, size_t size, struct error *err)
{
	const char *value = setting(path);

	return value != NULL ? snprintf(buffer, size, "%s\n", value) : error_code(err, ENOENT);
}

static int
write_setting(void *context, const char *path, const char *text, struct error *err)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (end == text || value > 2)
		return error_set(err, EINVAL, "a number from 0 to 2 is wanted");
	snprintf(setting(path), sizeof(forwarding), "%lu", value);
	return 0;
}

static int
list_settings(void *context, const char *path, void (*entry)(void *arg, const char *name, bool is_dir), void *arg)
{
	if (strcmp(path, "/proc/sys/net") == 0) {
		entry(arg, "ipv4", true);
	} else if (strcmp(path, "/proc/sys/net/ipv4") == 0) {
		entry(arg, "conf", true);
		entry(arg, "ip_forward", false);
	} else if (strcmp(path, "/proc/sys/net/ipv4/conf") == 0) {
		entry(arg, "eth0", true);
	} else if (strcmp(path, "/proc/sys/net/ipv4/conf/eth0") == 0) {
		entry(arg, "rp_filter", false);
	} else {
		return setting(path) != NULL ? -ENOTDIR : -ENOENT;
	}
	return 0;
}

static const struct nl_file_provider settings = {
	.prefix = "/proc/sys/net/",
	.read = read_setting,
	.write = write_setting,
	.list = list_settings,
};
NL_REGISTER_FILES(settings)

static int
serve_index(void *context, void *arg)
{
	struct ifreq *interface = arg;

	for (int i = 0; i < 2; i++)
		if (strcmp(links[i], interface->ifr_name) == 0) {
			interface->ifr_ifindex = i + 1;
			return 0;
		}
	return -ENODEV;
}

static int
serve_set_flags(void *context, void *arg)
{
	return 0;
}

static const struct nl_ioctl_handler ioctls[] = {
	{ SIOCGIFINDEX, 0, sizeof(struct ifreq), serve_index },
	{ SIOCSIFFLAGS, NL_WRITE, sizeof(struct ifreq), serve_set_flags },
};
NL_REGISTER_IOCTLS(ioctls)

static int
print_routes(void *context, FILE *out, bool json, struct error *err)
{
	fprintf(out, json ? "{\"routes\": %u}\n" : "routes %u\n", route_count);
	return 0;
}

static const struct nl_report report = { "routes", "how many routes there are", print_routes };
NL_REGISTER_REPORT(report)
