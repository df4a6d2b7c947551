/* SPDX-License-Identifier: BSD-3-Clause */
/* Routes: every answer and listing here is what Linux 6.1 gave to the same commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ip.h"

static int
set_up(void **state)
{
	struct rib *rib;
	struct error err;

	assert_int_equal(rib_create(NULL, &rib, &err), 0);
	ip_script(rib, "link lo 1 up loopback mtu 65536\n"
		       "link eth0 2 up\n"
		       "link eth1 3 up\n"
		       "link eth2 4 down\n"
		       "address add 10.0.0.1/8 brd + dev 2\n"
		       "address add 192.168.1.1/24 dev 3\n");
	*state = rib;
	return 0;
}

static int
tear_down(void **state)
{
	rib_destroy(*state);
	return 0;
}

static void
gateways_are_checked_as_linux_does(void **state)
{
	ip_script(*state, "route add 1.2.3.0/24 via 99.99.99.99\n"
			  "! ENETUNREACH Nexthop has invalid gateway\n"
			  "route add 1.2.3.0/24 via 10.255.255.255\n"
			  "! EINVAL Nexthop has invalid gateway\n"
			  "route add 1.2.3.0/24 via 224.0.0.1\n"
			  "! ENETUNREACH Nexthop has invalid gateway\n"
			  "route add 1.2.3.0/24 via 0.0.0.0\n"
			  "! ENODEV\n"
			  "route add 1.2.3.0/24 via 10.0.0.2 dev 3\n"
			  "! ENETUNREACH Nexthop has invalid gateway\n"
			  "route add 1.2.3.0/24 via 10.0.0.2 dev 3 onlink\n"
			  "route del 1.2.3.0/24\n"
			  "route add 1.2.3.0/24 via 10.0.0.2 onlink\n"
			  "! ENODEV Nexthop device required for onlink\n"
			  "route add 1.2.3.0/24 via 10.0.0.2 dev 4\n"
			  "! ENETUNREACH Nexthop has invalid gateway\n"
			  "route add 1.2.3.0/24 via 10.0.0.2 dev 4 onlink\n"
			  "! ENETDOWN Nexthop device is not up\n"
			  "route add 1.2.3.0/24 dev 4\n"
			  "! ENETDOWN Device for nexthop is not up\n"
			  "route add 1.2.3.0/24 dev 99\n"
			  "! ENODEV\n"
			  "route add 1.2.3.0/24 via 10.0.0.2 dev 1\n"
			  "! ENETUNREACH Nexthop has invalid gateway\n"
			  "route add 1.2.3.0/24 dev 1\n"
			  "route del 1.2.3.0/24\n"
			  "route add 1.2.3.0/24\n"
			  "! ENODEV\n"
			  "route add 1.2.3.0/24 via 10.0.0.2 src 9.9.9.9\n"
			  "! EINVAL Invalid prefsrc address\n"
			  "route add 1.2.3.4/24 dev 2\n"
			  "! EINVAL Invalid prefix for given prefix length\n"
			  "route add 1.2.3.0/33 dev 2\n"
			  "! EINVAL Invalid prefix length\n"
			  "route add 7.14.0.0/16 via 10.0.0.2 scope 254\n"
			  "! EINVAL Route with host scope can not have a gateway\n"
			  "route add 7.13.0.0/16 via 10.0.0.2 scope 253\n"
			  "! ENETUNREACH Nexthop has invalid gateway\n"
			  "route add 7.15.0.0/16 dev 2 scope 0\n"
			  "route add 7.17.0.0/16 via 7.15.0.1\n"
			  "! ENETUNREACH Nexthop has invalid gateway\n"
			  "route add 1.2.3.0/24 via 10.0.0.1\n"
			  "route add default nexthop via 10.0.0.2 dev 2 nexthop via 10.0.1.2 dev 3\n"
			  "! ENETUNREACH Nexthop has invalid gateway\n"
			  "route add 5.0.0.0/8 nexthop dev 2 nexthop dev 4\n"
			  "! ENETDOWN Device for nexthop is not up\n"
			  "route del 1.1.1.1 table 77\n"
			  "! ESRCH FIB table does not exist\n"
			  "route del 9.9.9.0/24\n"
			  "! ESRCH\n");
}

static void
types_have_their_shapes(void **state)
{
	ip_script(*state, "route add blackhole 7.1.0.0/16 via 10.0.0.2\n"
			  "! EINVAL Gateway, device and multipath can not be specified for this route type\n"
			  "route add blackhole 7.1.0.0/16 dev 2\n"
			  "! EINVAL Gateway, device and multipath can not be specified for this route type\n"
			  "route add nat 7.6.0.0/16 via 10.0.0.2\n"
			  "! EINVAL Invalid scope\n"
			  "route add local 7.11.0.0/16 via 10.0.0.2 dev 2\n"
			  "! EINVAL Route with host scope can not have a gateway\n"
			  "route add local 7.12.0.0/16\n"
			  "! ENODEV\n"
			  "route add blackhole 7.0.0.0/8\n"
			  "route add unreachable 7.2.0.0/16 metric 3\n"
			  "route add prohibit 7.3.0.0/16\n"
			  "route add throw 7.4.0.0/16\n"
			  "route add multicast 230.6.0.0/16 dev 2\n"
			  "route add local 7.7.0.0/16 dev 2\n"
			  "route add broadcast 7.9.0.0/16 dev 2\n"
			  "route add throw 7.5.0.0/16 table 100\n"
			  "route add local 7.8.0.0/16 dev 2 table 5\n");
	assert_string_equal(ip_routes(*state, AF_INET, 0),
		"local 7.8.0.0/16 dev eth0 table 5 scope host\n"
		"throw 7.5.0.0/16 table 100\n"
		"blackhole 7.0.0.0/8\n"
		"unreachable 7.2.0.0/16 metric 3\n"
		"prohibit 7.3.0.0/16\n"
		"throw 7.4.0.0/16\n"
		"10.0.0.0/8 dev eth0 proto kernel scope link src 10.0.0.1\n"
		"192.168.1.0/24 dev eth1 proto kernel scope link src 192.168.1.1\n"
		"multicast 230.6.0.0/16 dev eth0 scope link\n"
		"local 7.7.0.0/16 dev eth0 table local scope host\n"
		"broadcast 7.9.0.0/16 dev eth0 table local scope link\n"
		"local 10.0.0.1 dev eth0 table local proto kernel scope host src 10.0.0.1\n"
		"broadcast 10.255.255.255 dev eth0 table local proto kernel scope link src 10.0.0.1\n"
		"local 192.168.1.1 dev eth1 table local proto kernel scope host src 192.168.1.1\n"
		"broadcast 192.168.1.255 dev eth1 table local proto kernel scope link src 192.168.1.1\n");
	assert_string_equal(ip_get(*state, "7.0.0.1", NULL, 0, 0), "EINVAL");
	assert_string_equal(ip_get(*state, "7.2.0.1", NULL, 0, 0), "EHOSTUNREACH");
	assert_string_equal(ip_get(*state, "7.3.0.1", NULL, 0, 0), "EACCES");
	assert_string_equal(ip_get(*state, "7.4.0.1", NULL, 0, 0), "ENETUNREACH");
	assert_string_equal(ip_get(*state, "7.7.0.1", NULL, 0, 0), "local dev eth0 table 255");
	assert_string_equal(ip_get(*state, "7.9.0.1", NULL, 0, 0), "broadcast dev eth0 table 255");
	assert_string_equal(ip_get(*state, "8.8.8.8", NULL, 0, 0), "ENETUNREACH");
}

static void
alternatives_are_placed_and_replaced(void **state)
{
	ip_script(*state, "route add 1.2.3.0/24 via 10.0.0.2 src 192.168.1.1\n"
			  "route add 1.2.3.0/24 via 10.0.0.3\n"
			  "! EEXIST\n"
			  "route add 1.2.3.0/24 via 10.0.0.3 metric 5\n"
			  "route append 1.2.3.0/24 via 10.0.0.4\n"
			  "route prepend 1.2.3.0/24 via 10.0.0.5\n"
			  "route change 1.2.3.0/24 via 10.0.0.6\n"
			  "route replace 1.2.3.0/24 via 10.0.0.7\n"
			  "route replace 1.2.3.0/24 via 10.0.0.7\n"
			  "route append 1.2.3.0/24 via 10.0.0.7\n"
			  "! EEXIST\n"
			  "route prepend 1.2.3.0/24 via 10.0.0.4\n"
			  "! EEXIST\n"
			  "route change 1.2.9.0/24 via 10.0.0.6\n"
			  "! ENOENT\n"
			  "route change 1.2.3.0/24 via 10.0.0.6 metric 77\n"
			  "! ENOENT\n"
			  "route del 1.2.3.0/24 via 10.0.0.99\n"
			  "! ESRCH\n");
	assert_string_equal(ip_routes(*state, AF_INET, RT_TABLE_MAIN),
		"1.2.3.0/24 via 10.0.0.7 dev eth0\n"
		"1.2.3.0/24 via 10.0.0.2 dev eth0 src 192.168.1.1\n"
		"1.2.3.0/24 via 10.0.0.4 dev eth0\n"
		"1.2.3.0/24 via 10.0.0.3 dev eth0 metric 5\n"
		"10.0.0.0/8 dev eth0 proto kernel scope link src 10.0.0.1\n"
		"192.168.1.0/24 dev eth1 proto kernel scope link src 192.168.1.1\n");
	assert_string_equal(ip_get(*state, "1.2.3.4", NULL, 0, 0), "1.2.3.4 via 10.0.0.7 dev eth0 table 254");
	ip_script(*state, "route del 1.2.3.0/24 via 10.0.0.4\nroute del 1.2.3.0/24\n");
	assert_string_equal(ip_get(*state, "1.2.3.4", NULL, 0, 0), "1.2.3.4 via 10.0.0.2 dev eth0 table 254");
	ip_script(*state, "route del 1.2.3.0/24 metric 5\nroute del 1.2.3.0/24\nroute del 1.2.3.0/24\n! ESRCH\n");
	assert_string_equal(ip_get(*state, "1.2.3.4", NULL, 0, 0), "ENETUNREACH");
}

static void
tos_comes_before_metric(void **state)
{
	ip_script(*state, "route add 1.2.3.0/24 tos 0x10 via 10.0.0.9\n"
			  "route add 1.2.3.0/24 tos 0x08 via 10.0.0.9 metric 3\n"
			  "route add 1.2.3.0/24 tos 0x10 via 10.0.0.8 metric 3\n"
			  "route add 1.2.3.0/24 tos 0x04 via 10.0.0.8 metric 3\n"
			  "route add 1.2.3.0/24 via 10.0.0.2\n"
			  "route add 1.2.0.0/16 tos 0x18 via 10.0.0.3\n"
			  "route add 1.2.0.0/16 via 10.0.0.4\n"
			  "route add 1.2.4.0/24 tos 0x18 via 10.0.0.5\n");
	assert_string_equal(ip_routes(*state, AF_INET, RT_TABLE_MAIN),
		"1.2.0.0/16 tos 0x18 via 10.0.0.3 dev eth0\n"
		"1.2.0.0/16 via 10.0.0.4 dev eth0\n"
		"1.2.3.0/24 tos 0x10 via 10.0.0.9 dev eth0\n"
		"1.2.3.0/24 tos 0x10 via 10.0.0.8 dev eth0 metric 3\n"
		"1.2.3.0/24 tos 0x08 via 10.0.0.9 dev eth0 metric 3\n"
		"1.2.3.0/24 tos 0x04 via 10.0.0.8 dev eth0 metric 3\n"
		"1.2.3.0/24 via 10.0.0.2 dev eth0\n"
		"1.2.4.0/24 tos 0x18 via 10.0.0.5 dev eth0\n"
		"10.0.0.0/8 dev eth0 proto kernel scope link src 10.0.0.1\n"
		"192.168.1.0/24 dev eth1 proto kernel scope link src 192.168.1.1\n");
	assert_string_equal(ip_get(*state, "1.2.3.4", NULL, 0, 0), "1.2.3.4 via 10.0.0.2 dev eth0 table 254");
	assert_string_equal(ip_get(*state, "1.2.3.4", NULL, 0x10, 0), "1.2.3.4 via 10.0.0.9 dev eth0 table 254");
	assert_string_equal(ip_get(*state, "1.2.3.4", NULL, 0x04, 0), "1.2.3.4 via 10.0.0.8 dev eth0 table 254");
	assert_string_equal(ip_get(*state, "1.2.3.4", NULL, 0x0c, 0), "1.2.3.4 via 10.0.0.2 dev eth0 table 254");
	/* The longer prefix wins over the tos; without a route of its own the tos falls back. */
	assert_string_equal(ip_get(*state, "1.2.3.4", NULL, 0x18, 0), "1.2.3.4 via 10.0.0.2 dev eth0 table 254");
	assert_string_equal(ip_get(*state, "1.2.4.4", NULL, 0, 0), "1.2.4.4 via 10.0.0.4 dev eth0 table 254");
	assert_string_equal(ip_get(*state, "1.2.4.4", NULL, 0x18, 0), "1.2.4.4 via 10.0.0.5 dev eth0 table 254");
	assert_string_equal(ip_get(*state, "1.2.5.4", NULL, 0x18, 0), "1.2.5.4 via 10.0.0.3 dev eth0 table 254");
	ip_script(*state, "route del 1.2.4.0/24 tos 0x18\nroute del 1.2.4.0/24\n! ESRCH\n");
	assert_string_equal(ip_get(*state, "1.2.4.4", NULL, 0x18, 0), "1.2.4.4 via 10.0.0.3 dev eth0 table 254");
}

static void
deletes_match_what_is_given(void **state)
{
	ip_script(*state, "route del 10.0.0.0/8\n"
			  "route add 10.0.0.0/8 dev 2\n"
			  "route del 10.0.0.0/8 proto 2\n"
			  "! ESRCH\n"
			  "route del 10.0.0.0/8 scope 254\n"
			  "! ESRCH\n"
			  "route del 10.0.0.0/8 src 10.0.0.1\n"
			  "! ESRCH\n"
			  "route del 10.0.0.0/8 dev 3\n"
			  "! ESRCH\n"
			  "route del blackhole 10.0.0.0/8\n"
			  "! ESRCH\n"
			  "route del 10.0.0.0/8 dev 2\n"
			  "route add 5.0.0.0/8 nexthop dev 2 nexthop via 192.168.1.77\n"
			  "route del 5.0.0.0/8 nexthop via 192.168.1.77 nexthop dev 2\n"
			  "! ESRCH\n"
			  "route del 5.0.0.0/8 nexthop dev 2 nexthop via 192.168.1.77\n"
			  "route add default nexthop via 10.0.0.2 nexthop via 192.168.1.2\n"
			  "! ENETUNREACH Nexthop has invalid gateway\n"
			  "address replace 10.0.0.1/8 brd + dev 2\n"
			  "route add 10.0.0.0/8 dev 2\n"
			  "route add default nexthop via 10.0.0.2 nexthop via 192.168.1.2\n"
			  "route del default via 192.168.1.2\n"
			  "! ESRCH\n"
			  "route del default via 10.0.0.2\n"
			  "route del default\n"
			  "! ESRCH\n"
			  "route add 9.9.9.0/24 dev 3 realm 4\n"
			  "route del 9.9.9.0/24 realm 5\n"
			  "route add 9.9.8.0/24 dev 3 mtu 1000\n"
			  "route del 9.9.8.0/24 dev 3 mtu 900\n"
			  "! ESRCH\n");
}

static void
multipath_shares_by_weight_and_loses_dead_hops(void **state)
{
	struct rib_key key = { .family = AF_INET, .dst = ip_addr_v4(rte_cpu_to_be_32(0x08080808)) };
	struct rib_result result;
	unsigned int second = 0;

	ip_script(*state, "route add default nexthop via 10.0.0.2 weight 1 nexthop via 192.168.1.2 weight 3\n");
	for (unsigned int i = 0; i < 4000; i++) {
		key.flow_hash = i * 1073741u;
		rib_lookup(*state, &key, 1, &result);
		assert_int_equal(result.type, RTN_UNICAST);
		second += rib_nexthop(*state, result.nexthop)->ifindex == 3;
	}
	assert_in_range(second, 2995, 3005);
	ip_script(*state, "link eth1 3 down\n");
	assert_string_equal(ip_routes(*state, AF_INET, RT_TABLE_MAIN),
		"default\n"
		"\tnexthop via 10.0.0.2 dev eth0 weight 1\n"
		"\tnexthop via 192.168.1.2 dev eth1 weight 3 dead linkdown\n"
		"10.0.0.0/8 dev eth0 proto kernel scope link src 10.0.0.1\n");
	for (unsigned int i = 0; i < 100; i++) {
		key.flow_hash = i * 42949672u;
		rib_lookup(*state, &key, 1, &result);
		assert_int_equal(rib_nexthop(*state, result.nexthop)->ifindex, 2);
	}
	ip_script(*state, "link eth1 3 up\n");
	assert_string_equal(ip_routes(*state, AF_INET, RT_TABLE_MAIN),
		"default\n"
		"\tnexthop via 10.0.0.2 dev eth0 weight 1\n"
		"\tnexthop via 192.168.1.2 dev eth1 weight 3\n"
		"10.0.0.0/8 dev eth0 proto kernel scope link src 10.0.0.1\n"
		"192.168.1.0/24 dev eth1 proto kernel scope link src 192.168.1.1\n");
	ip_script(*state, "link eth1 3 down\nlink eth0 2 down\n");
	assert_string_equal(ip_routes(*state, AF_INET, RT_TABLE_MAIN), "");
	assert_string_equal(ip_get(*state, "8.8.8.8", NULL, 0, 0), "ENETUNREACH");
}

static void
carrier_and_mtu_follow_the_link(void **state)
{
	struct rib_key key = { .family = AF_INET };
	struct rib_result result;
	uint8_t family;

	ip_script(*state, "route add 9.0.0.0/8 via 10.0.0.2\nroute add 9.1.0.0/16 via 10.0.0.2 mtu 900\n"
			  "route add 9.2.0.0/16 via 10.0.0.2 mtu 900000\n"
			  "link eth0 2 up nocarrier mtu 1400\n");
	assert_string_equal(ip_routes(*state, AF_INET, RT_TABLE_MAIN),
		"9.0.0.0/8 via 10.0.0.2 dev eth0 linkdown\n"
		"9.1.0.0/16 via 10.0.0.2 dev eth0 mtu 900 linkdown\n"
		"9.2.0.0/16 via 10.0.0.2 dev eth0 mtu 65520 linkdown\n"
		"10.0.0.0/8 dev eth0 proto kernel scope link src 10.0.0.1 linkdown\n"
		"192.168.1.0/24 dev eth1 proto kernel scope link src 192.168.1.1\n");
	key.dst = ip_parse("9.9.9.9", &family);
	rib_lookup(*state, &key, 1, &result);
	assert_int_equal(rib_nexthop(*state, result.nexthop)->mtu, 1400);
	key.dst = ip_parse("9.1.9.9", &family);
	rib_lookup(*state, &key, 1, &result);
	assert_int_equal(rib_nexthop(*state, result.nexthop)->mtu, 900);
	key.dst = ip_parse("9.2.9.9", &family);
	rib_lookup(*state, &key, 1, &result);
	assert_int_equal(rib_nexthop(*state, result.nexthop)->mtu, 1400);
	ip_script(*state, "link eth0 2 up mtu 1500\n");
	assert_string_equal(ip_get(*state, "9.9.9.9", NULL, 0, 0), "9.9.9.9 via 10.0.0.2 dev eth0 table 254");
	assert_int_equal(rib_nexthop(*state, result.nexthop)->mtu, 1500);
}

static void
ipv6_has_its_own_ways(void **state)
{
	ip_script(*state, "address add 2001:db8::1/64 dev 2\n"
			  "route add 2001:db8:100::/48 via 2001:db8::2\n"
			  "route add 2001:db8:100::/48 via 2001:db8::2\n"
			  "! EEXIST\n"
			  "route add 2001:db8:100::/48 via 2001:db8::3 metric 5\n"
			  "route replace 2001:db8:100::/48 via 2001:db8::4\n"
			  "route change 2001:db8:101::/48 via 2001:db8::4\n"
			  "! ENOENT Can not replace route - no match found\n"
			  "route add 2001:db8:103::/48 via 2001:dead::4\n"
			  "! EHOSTUNREACH\n"
			  "route add 2001:db8:103::/48 via fe80::1\n"
			  "! EINVAL Egress device not specified\n"
			  "route add 2001:db8:103::/48 via fe80::1 dev 2\n"
			  "route add 2001:db8:104::/48 via 2001:db8::1\n"
			  "! EINVAL Gateway can not be a local address\n"
			  "route add 2001:db8:104::/48 dev 4\n"
			  "! ENETDOWN Nexthop device is not up\n"
			  "route add 2001:db8:104::/48 via ff02::1 dev 2\n"
			  "! EINVAL Invalid gateway address\n"
			  "route add 2001:db8:104::/48 via fe80::1 dev 1\n"
			  "! EINVAL Egress device can not be loopback device for this route\n"
			  "route add 2001:db8:104::/48\n"
			  "! ENODEV\n"
			  "route add 2001:db8:105::1/48 dev 2\n"
			  "route add blackhole 2001:db8:106::/48\n"
			  "route add default6 via 2001:db8::2\n"
			  "route add 2001:db8:10a::/48 nexthop via 2001:db8::2 weight 2 nexthop via 2001:db8::3\n"
			  "route add 2001:db8:10b::/48 dev 2 src 2001:db8:77::1\n"
			  "! EINVAL Invalid source address\n"
			  "route add 2001:db8:10c::/48 tos 0x10 dev 2\n"
			  "! EINVAL Invalid dsfield (tos): option not available for IPv6\n"
			  "route add 9.1.0.0/16 via fe80::1 dev 2\n"
			  "route add 9.2.0.0/16 via 2001:dead::1\n"
			  "! EHOSTUNREACH\n"
			  "route append 2001:db8:103::/48 via fe80::2 dev 2\n");
	assert_string_equal(ip_routes(*state, AF_INET6, RT_TABLE_MAIN),
		"2001:db8::/64 dev eth0 proto kernel metric 256\n"
		"2001:db8:100::/48 via 2001:db8::3 dev eth0 metric 5\n"
		"2001:db8:100::/48 via 2001:db8::4 dev eth0 metric 1024\n"
		"2001:db8:103::/48 metric 1024\n"
		"\tnexthop via fe80::1 dev eth0 weight 1\n"
		"\tnexthop via fe80::2 dev eth0 weight 1\n"
		"2001:db8:105::/48 dev eth0 metric 1024\n"
		"blackhole 2001:db8:106::/48 dev lo metric 1024\n"
		"2001:db8:10a::/48 metric 1024\n"
		"\tnexthop via 2001:db8::2 dev eth0 weight 2\n"
		"\tnexthop via 2001:db8::3 dev eth0 weight 1\n"
		"default via 2001:db8::2 dev eth0 metric 1024\n");
	assert_string_equal(ip_routes(*state, AF_INET6, RT_TABLE_LOCAL), "local 2001:db8::1 dev eth0 proto kernel\n");
	assert_string_equal(
		ip_get(*state, "2001:db8:100::9", NULL, 0, 0), "2001:db8:100::9 via 2001:db8::3 dev eth0 table 254");
	assert_string_equal(ip_get(*state, "2001:db8::1", NULL, 0, 0), "local dev eth0 table 255");
	assert_string_equal(ip_get(*state, "9.1.1.1", NULL, 0, 0), "9.1.1.1 via inet6 fe80::1 dev eth0 table 254");
	ip_script(*state,
		"route del 2001:db8:10a::/48 via 2001:db8::2\nroute del 2001:db8:103::/48 via fe80::7\n! ESRCH\n"
		"link eth0 2 down\n");
	assert_string_equal(ip_routes(*state, AF_INET6, 0), "blackhole 2001:db8:106::/48 dev lo metric 1024\n");
	assert_string_equal(ip_addresses(*state, AF_INET6), "");
}

struct seen {
	char log[1024];
};

static void
saw_route(void *arg, bool added, bool replaced, const struct rib_route *route)
{
	struct seen *s = arg;
	size_t length = strlen(s->log);

	snprintf(s->log + length, sizeof(s->log) - length, "%s/%u ",
		replaced ? "~"
		: added  ? "+"
			 : "-",
		route->dst.length);
}

static void
events_tell_of_each_change(void **state)
{
	struct seen seen = { "" };
	struct rib_events events = { .route = saw_route, .arg = &seen };

	rib_set_events(*state, &events);
	ip_script(*state, "route add 1.2.3.0/24 via 10.0.0.2\nroute replace 1.2.3.0/24 via 10.0.0.3\n"
			  "route replace 1.2.3.0/24 via 10.0.0.3\nroute add 1.2.3.0/24 via 10.0.0.3\n! EEXIST\n"
			  "route del 1.2.3.0/24\nlink eth0 2 down\n");
	assert_string_equal(seen.log, "+/24 ~/24 -/24 -/8 -/32 ");
	rib_set_events(*state, NULL);
}

static void
an_old_nexthop_index_finds_nothing(void **state)
{
	struct rib_key key = { .family = AF_INET, .dst = ip_addr_v4(rte_cpu_to_be_32(0x01020304)) };
	struct rib_result first, second;

	ip_script(*state, "route add 1.2.3.0/24 via 10.0.0.2\n");
	rib_lookup(*state, &key, 1, &first);
	assert_non_null(rib_nexthop(*state, first.nexthop));
	assert_non_null(rib_nexthop(*state, first.nexthop)->neighbour);
	assert_int_equal(rib_nexthop(*state, first.nexthop)->neighbour->references, 1);
	ip_script(*state, "route del 1.2.3.0/24\n");
	assert_null(rib_nexthop(*state, first.nexthop));
	ip_script(*state, "route add 1.2.3.0/24 via 10.0.0.3\n");
	rib_lookup(*state, &key, 1, &second);
	assert_int_not_equal(first.nexthop, second.nexthop);
	assert_null(rib_nexthop(*state, first.nexthop));
	assert_null(rib_nexthop(*state, 0));
	assert_null(rib_nexthop(*state, UINT32_MAX));
}

static void
knows_whether_any_route_has_a_realm(void **state)
{
	assert_false(rib_has_realms(*state));
	ip_script(*state, "route add 1.2.3.0/24 via 10.0.0.2 realm 7\nroute add 1.2.4.0/24 via 10.0.0.2 realm 7\n");
	assert_true(rib_has_realms(*state));
	ip_script(*state, "route del 1.2.3.0/24\n");
	assert_true(rib_has_realms(*state));
	ip_script(*state, "route replace 1.2.4.0/24 via 10.0.0.2\n");
	assert_false(rib_has_realms(*state));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(gateways_are_checked_as_linux_does, set_up, tear_down),
		cmocka_unit_test_setup_teardown(types_have_their_shapes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(alternatives_are_placed_and_replaced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tos_comes_before_metric, set_up, tear_down),
		cmocka_unit_test_setup_teardown(deletes_match_what_is_given, set_up, tear_down),
		cmocka_unit_test_setup_teardown(multipath_shares_by_weight_and_loses_dead_hops, set_up, tear_down),
		cmocka_unit_test_setup_teardown(carrier_and_mtu_follow_the_link, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ipv6_has_its_own_ways, set_up, tear_down),
		cmocka_unit_test_setup_teardown(events_tell_of_each_change, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_old_nexthop_index_finds_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(knows_whether_any_route_has_a_realm, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
