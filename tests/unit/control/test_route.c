/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Links, addresses, routes, rules and neighbours by the messages that ip would send, against a router without devices;
 * what the tools print is tests/conformance' matter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include <weir/dataplane.h>

#include "control.h"
#include "netlink/netlink.h"
#include "route/events.h"
#include "route/sysctl_table.h"

static struct control control;

/* ---- a request and what came back -------------------------------------------------------------------------------- */

static char request_room[8192];

struct answer {
	unsigned int messages; /* other than acks, errors and the end of a dump */
	int error; /* -errno; 0: acknowledged */
	char text[256]; /* of the extended ack */
	size_t bytes;
	char data[65536]; /* the messages, one behind another */
};

static struct answer answer;

static struct nlmsghdr *
begin(uint16_t type, uint16_t flags, const void *header, size_t bytes)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(request_room);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	nlh->nlmsg_seq = 1;
	memcpy(mnl_nlmsg_put_extra_header(nlh, bytes), header, bytes);
	return nlh;
}

static void
take_error(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *body = mnl_nlmsg_get_payload(nlh);
	struct nlattr *attr;
	size_t offset = sizeof(*body);

	answer.error = body->error;
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		offset += body->msg.nlmsg_len - sizeof(body->msg);
	mnl_attr_for_each(attr, nlh, offset)
	{
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
			snprintf(answer.text, sizeof(answer.text), "%s", mnl_attr_get_str(attr));
	}
}

static void
deliver(void *arg, const void *datagram, size_t bytes)
{
	const struct nlmsghdr *nlh = datagram;
	int left = (int)bytes;

	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		if (nlh->nlmsg_type == NLMSG_ERROR) {
			take_error(nlh);
		} else if (nlh->nlmsg_type == NLMSG_DONE) {
			answer.error = *(const int *)mnl_nlmsg_get_payload(nlh);
		} else {
			assert_true(answer.bytes + nlh->nlmsg_len <= sizeof(answer.data));
			memcpy(answer.data + answer.bytes, nlh, nlh->nlmsg_len);
			answer.bytes += MNL_ALIGN(nlh->nlmsg_len);
			answer.messages++;
		}
	}
}

/* -errno as the router answered; replies and the sentence are in `answer`. */
static int
ask(const struct nlmsghdr *nlh)
{
	memset(&answer, 0, offsetof(struct answer, data));
	answer.error = 1; /* none came */
	nl_serve(control.server, nlh, nlh->nlmsg_len, deliver, NULL);
	return answer.error;
}

static const struct nlmsghdr *
reply(unsigned int index)
{
	const struct nlmsghdr *nlh = (const void *)answer.data;

	assert_true(index < answer.messages);
	for (; index > 0; index--)
		nlh = (const void *)((const char *)nlh + MNL_ALIGN(nlh->nlmsg_len));
	return nlh;
}

static const struct nlattr *
find(const struct nlmsghdr *nlh, size_t header_bytes, uint16_t type)
{
	struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, header_bytes)
	{
		if (mnl_attr_get_type(attr) == type)
			return attr;
	}
	return NULL;
}

/* ---- the messages ip sends --------------------------------------------------------------------------------------- */

static int
link_add(const char *name, const char *kind, const char *peer)
{
	const struct ifinfomsg info = { 0 };
	struct nlmsghdr *nlh = begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
	struct nlattr *nest, *data, *inner;

	mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	nest = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put(nlh, IFLA_INFO_KIND, strlen(kind), kind); /* without its NUL, as iproute2 does */
	if (peer != NULL) {
		data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
		inner = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
		memcpy(mnl_nlmsg_get_payload_tail(nlh), &info, sizeof(info));
		nlh->nlmsg_len += sizeof(info);
		mnl_attr_put_strz(nlh, IFLA_IFNAME, peer);
		mnl_attr_nest_end(nlh, inner);
		mnl_attr_nest_end(nlh, data);
	}
	mnl_attr_nest_end(nlh, nest);
	return ask(nlh);
}

static int
ifindex_of(const char *name)
{
	const struct port *port = port_find_name(control.router, name);

	return port != NULL ? (int)port->ifindex : 0;
}

static int
link_flags_set(const char *name, unsigned int flags, unsigned int mask)
{
	const struct ifinfomsg info = { .ifi_index = ifindex_of(name), .ifi_flags = flags, .ifi_change = mask };

	return ask(begin(RTM_NEWLINK, 0, &info, sizeof(info)));
}

static int
link_delete(const char *name)
{
	const struct ifinfomsg info = { .ifi_index = ifindex_of(name) };

	return ask(begin(RTM_DELLINK, 0, &info, sizeof(info)));
}

static int
address(uint16_t type, const char *name, const char *ip, uint8_t length)
{
	const struct ifaddrmsg header = {
		.ifa_family = AF_INET, .ifa_prefixlen = length, .ifa_index = (unsigned int)ifindex_of(name)
	};
	struct nlmsghdr *nlh =
		begin(type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0, &header, sizeof(header));

	mnl_attr_put_u32(nlh, IFA_LOCAL, inet_addr(ip));
	mnl_attr_put_u32(nlh, IFA_ADDRESS, inet_addr(ip));
	return ask(nlh);
}

static struct nlmsghdr *
route_message(uint16_t type, uint16_t flags, const char *dst, uint8_t length)
{
	const struct rtmsg header = { .rtm_family = AF_INET,
		.rtm_dst_len = length,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = type == RTM_NEWROUTE ? RTPROT_BOOT : 0,
		.rtm_scope = type == RTM_NEWROUTE ? RT_SCOPE_UNIVERSE : RT_SCOPE_NOWHERE,
		.rtm_type = type == RTM_NEWROUTE ? RTN_UNICAST : 0 };
	struct nlmsghdr *nlh = begin(type, flags, &header, sizeof(header));

	if (length != 0)
		mnl_attr_put_u32(nlh, RTA_DST, inet_addr(dst));
	return nlh;
}

static int
route_add(const char *dst, uint8_t length, const char *via)
{
	struct nlmsghdr *nlh = route_message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, dst, length);

	mnl_attr_put_u32(nlh, RTA_GATEWAY, inet_addr(via));
	return ask(nlh);
}

static int
dump(uint16_t type, const void *header, size_t bytes)
{
	return ask(begin(type, NLM_F_DUMP, header, bytes));
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void
makes_and_removes_a_veth_pair(void **state)
{
	assert_int_equal(link_add("v0", "veth", "v1"), 0);
	/* The peer is made first, as on Linux. */
	assert_true(ifindex_of("v1") != 0 && ifindex_of("v1") + 1 == ifindex_of("v0"));
	assert_int_equal(link_add("v0", "veth", "v2"), -EEXIST);
	assert_int_equal(link_add("v3", "veth", "v1"), -EEXIST);
	assert_int_equal(ifindex_of("v2") + ifindex_of("v3"), 0);
	assert_int_equal(link_delete("v1"), 0);
	assert_int_equal(ifindex_of("v0"), 0);
}

static void
refuses_what_is_no_link_kind(void **state)
{
	assert_int_equal(link_add("x0", "nosuch", NULL), -EOPNOTSUPP);
	assert_string_equal(answer.text, "Unknown device type");
	/* Kinds of ports that only weird may make. */
	assert_int_equal(link_add("x0", "loopback", NULL), -EOPNOTSUPP);
	assert_int_equal(link_delete("lo"), -EOPNOTSUPP);
	assert_int_not_equal(ifindex_of("lo"), 0);
}

static void
a_link_says_noop_until_it_was_up(void **state)
{
	const struct ifinfomsg info = { .ifi_index = ifindex_of("d0") };
	const struct nlattr *attr;

	assert_int_equal(link_flags_set("d1", 0, 0), 0);
	assert_int_equal(ask(begin(RTM_GETLINK, 0, &info, sizeof(info))), 0);
	attr = find(reply(0), sizeof(info), IFLA_QDISC);
	assert_string_equal(mnl_attr_get_str(attr), "noqueue");
	assert_int_equal(link_add("d9", "dummy", NULL), 0);
	assert_int_equal(
		ask(begin(RTM_GETLINK, 0, &(struct ifinfomsg){ .ifi_index = ifindex_of("d9") }, sizeof(info))), 0);
	attr = find(reply(0), sizeof(info), IFLA_QDISC);
	assert_string_equal(mnl_attr_get_str(attr), "noop");
	assert_int_equal(link_delete("d9"), 0);
}

static void
changes_all_or_nothing(void **state)
{
	const struct ifinfomsg info = { .ifi_index = ifindex_of("d0") };
	struct nlmsghdr *nlh = begin(RTM_NEWLINK, 0, &info, sizeof(info));
	const struct port *port = port_find_name(control.router, "d0");
	uint32_t mtu = port->mtu;

	mnl_attr_put_u32(nlh, IFLA_MTU, 1300);
	mnl_attr_put(nlh, IFLA_ADDRESS, 6, "\x01\x00\x00\x00\x00\x01"); /* a group's */
	assert_int_equal(ask(nlh), -EADDRNOTAVAIL);
	assert_int_equal(port->mtu, mtu);
	nlh = begin(RTM_NEWLINK, 0, &info, sizeof(info));
	mnl_attr_put_u32(nlh, IFLA_MASTER, 1);
	mnl_attr_put_u32(nlh, IFLA_MTU, 1300);
	assert_int_equal(ask(nlh), -EOPNOTSUPP);
	assert_int_equal(port->mtu, mtu);
	nlh = begin(RTM_NEWLINK, 0, &info, sizeof(info));
	mnl_attr_put_u32(nlh, IFLA_MTU, 1300);
	assert_int_equal(ask(nlh), 0);
	assert_int_equal(port->mtu, 1300);
}

static void
an_address_brings_its_routes(void **state)
{
	const struct rtmsg all = { .rtm_family = AF_INET, .rtm_table = RT_TABLE_LOCAL };
	unsigned int before;

	assert_int_equal(dump(RTM_GETROUTE, &all, sizeof(all)), 0);
	before = answer.messages;
	assert_int_equal(address(RTM_NEWADDR, "d0", "172.16.0.1", 12), 0);
	assert_int_equal(address(RTM_NEWADDR, "d0", "172.16.0.1", 12), -EEXIST);
	assert_int_equal(dump(RTM_GETROUTE, &all, sizeof(all)), 0);
	assert_int_equal(answer.messages, before + 2); /* the address itself, and its broadcast */
	assert_int_equal(address(RTM_DELADDR, "d0", "172.16.0.2", 12), -EADDRNOTAVAIL);
	assert_int_equal(address(RTM_DELADDR, "d0", "172.16.0.1", 16), -EADDRNOTAVAIL);
	assert_int_equal(address(RTM_DELADDR, "d0", "172.16.0.1", 12), 0);
	assert_int_equal(dump(RTM_GETROUTE, &all, sizeof(all)), 0);
	assert_int_equal(answer.messages, before);
}

static void
refuses_routes_as_linux_does(void **state)
{
	struct nlmsghdr *nlh;

	assert_int_equal(route_add("1.2.3.0", 24, "99.99.99.99"), -ENETUNREACH);
	assert_string_equal(answer.text, "Nexthop has invalid gateway");
	assert_int_equal(route_add("1.2.3.4", 24, "10.0.0.9"), -EINVAL);
	assert_string_equal(answer.text, "Invalid prefix for given prefix length");
	nlh = route_message(RTM_NEWROUTE, NLM_F_CREATE, "1.2.3.0", 24);
	mnl_attr_put_u32(nlh, RTA_NH_ID, 5);
	assert_int_equal(ask(nlh), -EINVAL);
	nlh = route_message(RTM_NEWROUTE, NLM_F_CREATE, "1.2.3.0", 33);
	assert_int_equal(ask(nlh), -EINVAL);
	nlh = route_message(RTM_NEWROUTE, NLM_F_CREATE, "1.2.3.0", 24);
	mnl_attr_put(nlh, RTA_GATEWAY, 3, "\x0a\x00\x00");
	assert_int_equal(ask(nlh), -EINVAL);
	nlh = route_message(RTM_NEWROUTE, NLM_F_CREATE, "1.2.3.0", 24);
	mnl_attr_put(nlh, RTA_MULTIPATH, 4, "\x10\x00\x00\x00"); /* a nexthop that is cut off */
	assert_int_equal(ask(nlh), -EINVAL);
	assert_int_equal(ask(route_message(RTM_DELROUTE, 0, "1.2.3.0", 24)), -ESRCH);
}

static void
multipath_and_metrics_come_back(void **state)
{
	const struct rtmsg all = { .rtm_family = AF_INET, .rtm_table = 77 };
	struct nlmsghdr *nlh = route_message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, "4.0.0.0", 8);
	struct {
		struct rtnexthop header;
		struct nlattr gateway;
		uint32_t ip;
	} hops[2] = { { { .rtnh_len = sizeof(hops[0]), .rtnh_hops = 1 }, { 8, RTA_GATEWAY }, inet_addr("10.0.0.7") },
		{ { .rtnh_len = sizeof(hops[0]), .rtnh_hops = 255 }, { 8, RTA_GATEWAY }, inet_addr("10.0.0.8") } };
	const struct nlattr *attr;
	const struct rtnexthop *hop;
	struct nlattr *nest;

	mnl_attr_put_u32(nlh, RTA_TABLE, 77);
	mnl_attr_put(nlh, RTA_MULTIPATH, sizeof(hops), hops);
	nest = mnl_attr_nest_start(nlh, RTA_METRICS);
	mnl_attr_put_u32(nlh, RTAX_MTU, 70000);
	mnl_attr_nest_end(nlh, nest);
	assert_int_equal(ask(nlh), 0);
	assert_int_equal(dump(RTM_GETROUTE, &all, sizeof(all)), 0);
	assert_int_equal(answer.messages, 1);
	attr = find(reply(0), sizeof(all), RTA_MULTIPATH);
	assert_non_null(attr);
	assert_int_equal(mnl_attr_get_payload_len(attr), sizeof(hops));
	hop = mnl_attr_get_payload(attr);
	assert_int_equal(hop->rtnh_hops, 1);
	assert_int_equal(hop->rtnh_ifindex, ifindex_of("d0"));
	assert_int_equal(((const struct rtnexthop *)(const void *)((const char *)hop + hop->rtnh_len))->rtnh_hops, 255);
	attr = mnl_attr_get_payload(find(reply(0), sizeof(all), RTA_METRICS));
	assert_int_equal(mnl_attr_get_u32(attr), 65535 - 15); /* what an IP packet can be */
}

static void
a_table_that_is_not_there_is_an_error(void **state)
{
	const struct rtmsg none = { .rtm_family = AF_INET, .rtm_table = 123 };

	assert_int_equal(dump(RTM_GETROUTE, &none, sizeof(none)), -ENOENT);
}

static int
get(const char *dst, const char *src, const char *iif, uint32_t mark)
{
	const struct rtmsg header = { .rtm_family = AF_INET, .rtm_dst_len = 32, .rtm_flags = RTM_F_LOOKUP_TABLE };
	struct nlmsghdr *nlh = begin(RTM_GETROUTE, 0, &header, sizeof(header));

	mnl_attr_put_u32(nlh, RTA_DST, inet_addr(dst));
	if (src != NULL)
		mnl_attr_put_u32(nlh, RTA_SRC, inet_addr(src));
	if (iif != NULL)
		mnl_attr_put_u32(nlh, RTA_IIF, (uint32_t)ifindex_of(iif));
	if (mark != 0)
		mnl_attr_put_u32(nlh, RTA_MARK, mark);
	return ask(nlh);
}

static uint32_t
got_oif(void)
{
	return mnl_attr_get_u32(find(reply(0), sizeof(struct rtmsg), RTA_OIF));
}

static void
route_get_answers_as_linux(void **state)
{
	const struct rtmsg *header;

	assert_int_equal(get("10.0.0.5", NULL, NULL, 0), 0);
	assert_int_equal(got_oif(), ifindex_of("d0"));
	assert_int_equal(mnl_attr_get_u32(find(reply(0), sizeof(*header), RTA_PREFSRC)), inet_addr("10.0.0.1"));
	assert_int_equal(get("10.0.0.1", NULL, NULL, 0), 0);
	header = mnl_nlmsg_get_payload(reply(0));
	assert_int_equal(header->rtm_type, RTN_LOCAL);
	assert_int_equal(got_oif(), ifindex_of("lo"));
	assert_int_equal(get("9.9.9.9", NULL, NULL, 0), -ENETUNREACH);
	assert_int_equal(get("10.0.0.5", "9.9.9.9", NULL, 0), -ENETUNREACH); /* not one of ours */
	assert_int_equal(get("10.0.0.5", "192.168.1.7", "d1", 0), 0); /* forwarded */
	assert_int_equal(get("10.0.0.5", "10.0.0.1", "d1", 0), -EINVAL); /* one's own address from outside */
	setting_put(setting_find(&conf_table, "rp_filter"), &port_find_name(control.router, "d1")->settings, 1);
	assert_int_equal(get("10.0.0.5", "10.0.0.7", "d1", 0), -EXDEV);
	setting_put(setting_find(&conf_table, "forwarding"), &port_find_name(control.router, "d1")->settings, 0);
	assert_int_equal(get("10.0.0.5", "192.168.1.7", "d1", 0), -EHOSTUNREACH);
	setting_put(setting_find(&conf_table, "forwarding"), &port_find_name(control.router, "d1")->settings, 1);
	setting_put(setting_find(&conf_table, "rp_filter"), &port_find_name(control.router, "d1")->settings, 0);
}

static int
rule(uint16_t type, uint32_t mark, uint32_t table, uint8_t tos)
{
	const struct fib_rule_hdr header = { .family = AF_INET, .action = FR_ACT_TO_TBL, .tos = tos };
	struct nlmsghdr *nlh = begin(type, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));

	mnl_attr_put_u32(nlh, FRA_TABLE, table);
	if (mark != 0)
		mnl_attr_put_u32(nlh, FRA_FWMARK, mark);
	return ask(nlh);
}

static void
a_rule_sends_marked_packets_elsewhere(void **state)
{
	struct nlmsghdr *nlh = route_message(RTM_NEWROUTE, NLM_F_CREATE, "0.0.0.0", 0);

	mnl_attr_put_u32(nlh, RTA_TABLE, 88);
	mnl_attr_put_u32(nlh, RTA_GATEWAY, inet_addr("192.168.1.9"));
	assert_int_equal(ask(nlh), 0);
	assert_int_equal(get("1.2.3.4", NULL, NULL, 5), -ENETUNREACH);
	assert_int_equal(rule(RTM_NEWRULE, 5, 88, 0), 0);
	assert_int_equal(get("1.2.3.4", NULL, NULL, 5), 0);
	assert_int_equal(got_oif(), ifindex_of("d1"));
	assert_int_equal(mnl_attr_get_u32(find(reply(0), sizeof(struct rtmsg), RTA_TABLE)), 88);
	assert_int_equal(get("1.2.3.4", NULL, NULL, 6), -ENETUNREACH);
	assert_int_equal(rule(RTM_DELRULE, 5, 88, 0), 0);
	assert_int_equal(rule(RTM_DELRULE, 5, 88, 0), -ENOENT);
	assert_int_equal(rule(RTM_NEWRULE, 5, 88, 0x20), -EINVAL);
	assert_string_equal(answer.text, "Invalid tos");
}

static void
neighbours_come_and_go(void **state)
{
	const struct ndmsg header = {
		.ndm_family = AF_INET, .ndm_ifindex = ifindex_of("v8"), .ndm_state = NUD_PERMANENT
	};
	struct nlmsghdr *nlh = begin(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof(header));

	mnl_attr_put_u32(nlh, NDA_DST, inet_addr("192.168.8.9"));
	mnl_attr_put(nlh, NDA_LLADDR, 6, "\x02\x00\x00\x00\x00\x09");
	assert_int_equal(ask(nlh), 0);
	assert_int_equal(ask(nlh), -EEXIST);
	nlh = begin(RTM_GETNEIGH, 0, &header, sizeof(header));
	mnl_attr_put_u32(nlh, NDA_DST, inet_addr("192.168.8.9"));
	assert_int_equal(ask(nlh), 0);
	assert_memory_equal(
		mnl_attr_get_payload(find(reply(0), sizeof(header), NDA_LLADDR)), "\x02\x00\x00\x00\x00\x09", 6);
	nlh = begin(RTM_NEWNEIGH, NLM_F_CREATE, &header, sizeof(header));
	mnl_attr_put_u32(nlh, NDA_DST, inet_addr("192.168.8.10"));
	mnl_attr_put(nlh, NDA_LLADDR, 5, "\x02\x00\x00\x00\x00");
	assert_int_equal(ask(nlh), -EINVAL);
	assert_string_equal(answer.text, "Invalid link address");
	nlh = begin(RTM_DELNEIGH, 0, &header, sizeof(header));
	mnl_attr_put_u32(nlh, NDA_DST, inet_addr("192.168.8.9"));
	assert_int_equal(ask(nlh), 0);
	assert_int_equal(ask(nlh), -ENOENT);
}

static void
reads_numbers_as_linux_does(void **state)
{
	int64_t value = 0;

	assert_true(setting_parse(" 0x10\n", &value) && value == 16);
	assert_true(setting_parse("-1", &value) && value == -1);
	assert_true(setting_parse("10 20\n", &value) && value == 10);
	assert_false(setting_parse("", &value) || setting_parse("foo", &value) || setting_parse("-", &value));
	assert_false(setting_parse("5x", &value) || setting_parse("99999999999999999999", &value));
}

static void
truncated_messages_change_nothing(void **state)
{
	/*
	 * Each request of the tests above, cut off at every length: an answer, never a crash, and the same links as
	 * before.
	 */
	unsigned int before, messages;
	const struct ifinfomsg all = { 0 };

	assert_int_equal(dump(RTM_GETLINK, &all, sizeof(all)), 0);
	before = answer.messages;
	for (uint16_t type = RTM_BASE; type < RTM_MAX; type++) {
		struct nlmsghdr *nlh = begin(type, NLM_F_CREATE, request_room + 4096, 64);

		for (uint32_t length = sizeof(*nlh); length < sizeof(*nlh) + 64; length++) {
			nlh->nlmsg_len = length;
			ask(nlh);
		}
	}
	assert_int_equal(dump(RTM_GETLINK, &all, sizeof(all)), 0);
	messages = answer.messages;
	assert_int_equal(messages, before);
}

/* ---- a router with d0 (10.0.0.1/8), d1 (192.168.1.1/24) and a veth pair v8, v9 ----------------------------------- */

static uint64_t
now(const struct control *c)
{
	return router_now(c->router);
}

static int
setup(void **state)
{
	const struct router_conf conf = { .workers = 1, .replay = true, .buffers = 1024 };
	const struct nl_server_conf server = { .context = &control };
	struct error err = { 0 };

	if (router_create(&conf, &control.router, &err) < 0 || nl_server_create(&server, &control.server, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return -1;
	}
	control.now = now;
	route_events_start(&control);
	assert_int_equal(link_add("d0", "dummy", NULL), 0);
	assert_int_equal(link_add("d1", "dummy", NULL), 0);
	assert_int_equal(link_add("v8", "veth", "v9"), 0);
	assert_int_equal(link_flags_set("d0", IFF_UP, IFF_UP), 0);
	assert_int_equal(link_flags_set("d1", IFF_UP, IFF_UP), 0);
	assert_int_equal(link_flags_set("v8", IFF_UP, IFF_UP), 0);
	assert_int_equal(address(RTM_NEWADDR, "d0", "10.0.0.1", 8), 0);
	assert_int_equal(address(RTM_NEWADDR, "d1", "192.168.1.1", 24), 0);
	assert_int_equal(address(RTM_NEWADDR, "v8", "192.168.8.1", 24), 0);
	return 0;
}

static int
teardown(void **state)
{
	route_events_stop();
	nl_server_destroy(control.server);
	return router_destroy(control.router) == 0 ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_and_removes_a_veth_pair),
		cmocka_unit_test(refuses_what_is_no_link_kind),
		cmocka_unit_test(a_link_says_noop_until_it_was_up),
		cmocka_unit_test(changes_all_or_nothing),
		cmocka_unit_test(an_address_brings_its_routes),
		cmocka_unit_test(refuses_routes_as_linux_does),
		cmocka_unit_test(multipath_and_metrics_come_back),
		cmocka_unit_test(a_table_that_is_not_there_is_an_error),
		cmocka_unit_test(route_get_answers_as_linux),
		cmocka_unit_test(a_rule_sends_marked_packets_elsewhere),
		cmocka_unit_test(neighbours_come_and_go),
		cmocka_unit_test(reads_numbers_as_linux_does),
		cmocka_unit_test(truncated_messages_change_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
