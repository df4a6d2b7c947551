/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The workers' lookup against rib_route_get, which walks the rules as they are written and searches the full routes:
 * nothing in common. Tables of few and of many routes, of all types, while rules, routes and links come and go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <direct.h>
#include <internal.h>

#include "ip.h"
#include "rule_draw.h"

#define KEYS 150 /* more than two bursts */

static struct ip_prefix
draw_destination(uint8_t family)
{
	static const uint8_t lengths4[] = { 0, 8, 12, 16, 23, 24, 25, 30, 31, 32 };
	static const uint8_t lengths6[] = { 0, 16, 32, 33, 48, 64, 96, 112, 127, 128 };

	return (struct ip_prefix){ family, (family == AF_INET ? lengths4 : lengths6)[draw(10)], draw_addr(family) };
}

/* IPv4's host bits must be 0. */
static void
clear_host_bits(struct ip_prefix *prefix)
{
	prefix->addr = key_addr(key_mask(lpm_key(&prefix->addr), prefix->length));
}

static struct rib_hop
draw_hop(uint8_t family)
{
	struct rib_hop hop = { .ifindex = 2 + draw(DRAW_LINKS), .weight = (uint8_t)draw(4) };

	if (draw(4) != 0) {
		hop.gateway_family = family;
		hop.flags = RTNH_F_ONLINK;
		hop.gateway = ip_addr_v4(rte_cpu_to_be_32(0xac100001 + draw(200)));
		if (family == AF_INET6) {
			hop.gateway.words[3] = hop.gateway.words[0];
			hop.gateway.words[0] = RTE_BE32(0xfe800000);
		}
	}
	return hop;
}

/*
 * Adds or deletes, `simple`: without tos and mostly by one hop; that a route is refused now and then does not matter,
 * for the same tables are asked both ways.
 */
static void
change_route(struct rib *rib, uint8_t family, uint32_t table, bool simple)
{
	static const uint8_t refusing[] = { RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT, RTN_THROW, RTN_THROW };
	struct rib_hop hops[3];
	struct rib_route route = { .table = table,
		.dst = draw_destination(family),
		.protocol = RTPROT_BOOT,
		.type = RTN_UNICAST,
		.hops = hops,
		.priority = draw(3),
		.hop_count = draw(simple ? 60 : 6) == 0 ? 3 : 1 };

	clear_host_bits(&route.dst);
	if (family == AF_INET && !simple && draw(8) == 0)
		route.tos = (uint8_t)(draw(8) * 4);
	for (unsigned int i = 0; i < 3; i++)
		hops[i] = draw_hop(family);
	if (draw(5) == 0) {
		route.type = refusing[draw(5)];
		route.hop_count = 0;
	}
	if (draw(4) == 0)
		rib_route_delete(rib,
			&(struct rib_route){
				.table = table, .dst = route.dst, .tos = route.tos, .scope = RT_SCOPE_NOWHERE },
			NULL);
	else
		rib_route_add(rib, &route, draw(2) == 0 ? CHANGE_CREATE : CHANGE_CREATE | CHANGE_REPLACE, NULL);
}

static void
change_rule(struct rib *rib, uint8_t family)
{
	struct rib_rule rule = draw_rule(family);

	if (draw(2) == 0)
		assert_int_equal(rib_rule_add(rib, &rule, 0, NULL), 0);
	else
		rib_rule_delete(rib,
			&(struct rib_rule){ .family = family,
				.priority = draw_priority(),
				.priority_set = true,
				.suppress_prefix_length = -1 },
			NULL);
}

static void
change_link(struct rib *rib)
{
	uint32_t i = draw(DRAW_LINKS);
	struct rib_link link = { .ifindex = 2 + i, .mtu = 1500, .flags = draw(3) == 0 ? 0 : IFF_UP | IFF_RUNNING };

	snprintf(link.name, sizeof(link.name), "eth%u", i);
	assert_int_equal(rib_link_set(rib, &link, NULL), 0);
}

static void
check_result(const struct rib *rib, const struct rib_key *key, const struct rib_result *result)
{
	struct rib_route route;
	struct rib_hop hop;
	int status = rib_route_get(rib, key, &route, &hop, NULL);

	assert_ptr_equal(result->hop, rib_nexthop(rib, result->nexthop));
	switch (result->type) {
	case RTN_UNSPEC:
		assert_int_equal(status, -ENETUNREACH);
		break;
	case RTN_BLACKHOLE:
		assert_int_equal(status, -EINVAL);
		break;
	case RTN_PROHIBIT:
		assert_int_equal(status, -EACCES);
		break;
	case RTN_UNREACHABLE:
		assert_int_equal(status, result->by_rule ? -ENETUNREACH : -EHOSTUNREACH);
		break;
	default:
		assert_int_equal(status, 0);
		assert_int_equal(result->type, route.type);
		assert_int_equal(result->scope, route.scope);
		assert_int_equal(result->prefix_length, route.dst.length);
		assert_int_equal(result->hop->ifindex, hop.ifindex);
		assert_int_equal(result->hop->gateway_family, hop.gateway_family);
		assert_true(ip_addr_equal(&result->hop->gateway, &hop.gateway));
	}
}

static void
compare(const struct rib *rib, uint8_t family)
{
	struct rib_result results[KEYS], results4[KEYS];
	struct rib_key keys[KEYS];
	struct rib_key4 keys4[KEYS];
	uint16_t n = (uint16_t)(1 + draw(KEYS));

	for (uint16_t i = 0; i < n; i++) {
		keys[i] = draw_key(draw(16) == 0 ? AF_INET + AF_INET6 - family : family);
		keys4[i] = key4_of(&keys[i]);
	}
	rib_lookup(rib, keys, n, results);
	rib_lookup4(rib, keys4, n, results4);
	for (uint16_t i = 0; i < n; i++) {
		check_result(rib, &keys[i], &results[i]);
		if (keys[i].family == AF_INET)
			check_result(rib, &keys[i], &results4[i]);
	}
}

/* The first tables have few routes, the last ones too many to be flat. */
static void
churn(struct rib *rib, uint8_t family)
{
	uint64_t most = 0;

	for (unsigned int i = 0; i < 200; i++)
		change_rule(rib, family);
	for (unsigned int step = 0; step < 4000; step++) {
		uint32_t number = draw(DRAW_TABLES * 8),
			 table = number < DRAW_TABLES ? number : DRAW_TABLES - 1 - number % 2;

		change_route(rib, family, 100 + table, false);
		if (draw(6) == 0)
			change_rule(rib, family);
		if (draw(200) == 0)
			change_link(rib);
		if (step % 4 == 0)
			compare(rib, family);
		most = RTE_MAX(most, table_find(rib, family, 100 + table)->store.entries);
	}
	assert_true(most > FLAT_ROUTES_MAX);
}

static int
set_up(void **state)
{
	struct rib *rib;

	assert_int_equal(rib_create(NULL, &rib, NULL), 0);
	ip_script(rib, "link eth0 2 up\nlink eth1 3 up\nlink eth2 4 up\nlink eth3 5 up\n"
		       "address add 172.16.0.1/16 dev 2\naddress add 10.0.0.1/24 dev 3\n");
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
lookups_agree_with_the_plain_search(void **state)
{
	churn(*state, AF_INET);
}

/* How many packets the short way had an answer for; it may say no, but must not say anything else. */
static unsigned int
compare_direct(const struct rib *rib, uint16_t n)
{
	const struct rib_result *answers[RIB_DIRECT_MAX], *direct[RIB_DIRECT_MAX];
	struct rib_result own[RIB_DIRECT_MAX];
	struct rib_key4 keys[RIB_DIRECT_MAX] = { 0 };
	struct rib_pair4 pairs[RIB_DIRECT_MAX];
	bool from_here, any = false;

	for (uint16_t i = 0; i < n; i++) {
		keys[i].src = draw(n) == 0 ? RTE_BE32(0x0a000001) : draw_addr(AF_INET).v4;
		keys[i].dst = draw_addr(AF_INET).v4;
		pairs[i] = (struct rib_pair4){ keys[i].src, keys[i].dst };
		any |= rib_may_be_local(rib_local_filter(rib), keys[i].src);
	}
	if (!rib_find_direct(rib, pairs, n, direct, &from_here))
		return 0;
	assert_int_equal(from_here, any);
	rib_find4(rib, keys, n, answers, own);
	for (uint16_t i = 0; i < n; i++) {
		assert_ptr_equal(direct[i], answers[i]);
		assert_int_equal(direct[i]->forwards, direct[i]->type == RTN_UNICAST && direct[i]->hop != NULL);
	}
	return n;
}

/* By Linux's own three rules, with routes of all types in two of the tables, and few of them or many. */
static void
the_short_way_agrees_with_the_long_one(void **state)
{
	unsigned int found = 0;

	ip_script(*state, "route add default via 172.16.0.9\n");
	for (unsigned int step = 0; step < 4000; step++) {
		change_route(*state, AF_INET, draw(8) == 0 ? RT_TABLE_DEFAULT : RT_TABLE_MAIN, true);
		if (draw(200) == 0)
			change_link(*state);
		found += compare_direct(*state, (uint16_t)(1 + draw(draw(4) == 0 ? RIB_DIRECT_MAX : 3)));
	}
	assert_true(found > 100);
}

/* Sources and destinations by every reader that this processor has, in bursts of every length. */
static void
addresses_are_taken_apart_alike(void **state)
{
	struct rib_local_filter filter = { { 0 } };
	struct rib_pair4 pairs[LPM_BURST];
	const struct direct_reader *reader;

	for (unsigned int i = 0; i < 64; i++) {
		uint32_t hash = draw(2048);

		filter.bits[hash / 64] |= UINT64_C(1) << hash % 64;
	}
	for (unsigned int step = 0; step < 20000; step++) {
		uint16_t n = (uint16_t)draw(LPM_BURST + 1);
		uint32_t addrs[LPM_BURST];
		bool any = false;

		for (uint16_t i = 0; i < LPM_BURST; i++) {
			pairs[i] = (struct rib_pair4){ draw(UINT32_MAX), draw(UINT32_MAX) };
			/* Mostly not in the filter, whatever lies behind the last. */
			while (i < n && draw(64) != 0 && rib_may_be_local(&filter, pairs[i].src))
				pairs[i].src = draw(UINT32_MAX);
			any |= i < n && rib_may_be_local(&filter, pairs[i].src);
		}
		for (unsigned int r = 0; (reader = direct_reader(r)) != NULL; r++) {
			assert_int_equal(reader->take_apart(&filter, pairs, n, addrs), any);
			for (uint16_t i = 0; i < n; i++)
				assert_int_equal(addrs[i], rte_be_to_cpu_32(pairs[i].dst));
		}
	}
}

/* What values lead to, by every reader, in bursts of every length: up to the first that does not forward. */
static void
targets_are_found_alike(void **state)
{
	static struct target first[PAGE_ITEMS], second[PAGE_ITEMS];
	struct target *pages[2] = { first, second };
	const struct direct_reader *reader;
	uint32_t values[LPM_BURST];

	for (unsigned int step = 0; step < 20000; step++) {
		uint16_t n = (uint16_t)draw(LPM_BURST + 1), forward = 0;

		for (uint16_t i = 0; i < LPM_BURST; i++) {
			uint32_t number = draw(2 * PAGE_ITEMS);
			struct rib_result *result = &pages[number / PAGE_ITEMS][number % PAGE_ITEMS].result;

			memset(result, 0xff, sizeof(*result));
			result->forwards = draw(64) != 0;
			values[i] = lpm_value((uint8_t)draw(33), number);
		}
		for (; forward < n; forward++)
			if (!target_in(pages, lpm_value_number(values[forward]))->result.forwards)
				break;
		for (unsigned int r = 0; (reader = direct_reader(r)) != NULL; r++) {
			const struct rib_result *answers[LPM_BURST + 1] = { 0 };

			assert_int_equal(reader->find_targets(pages, values, n, answers), forward);
			for (uint16_t i = 0; i < forward; i++)
				assert_ptr_equal(answers[i], &target_in(pages, lpm_value_number(values[i]))->result);
			assert_null(answers[n]);
		}
	}
}

/* Rules that take everything, tables of every size: a burst has its answers from the first that knows any. */
static void
the_short_way_asks_tables_in_turn(void **state)
{
	const struct rib *rib = *state;
	struct rib_pair4 pairs[3] = { { 1, RTE_BE32(0x14010203) }, { 1, RTE_BE32(0x14020304) },
		{ 1, RTE_BE32(0x14030405) } };
	const struct rib_result *answers[3];
	char line[100];
	bool from_here;

	assert_false(rib_find_direct(rib, pairs, 3, answers, &from_here));
	ip_script(*state, "route add 20.0.0.0/8 via 172.16.0.9\n");
	assert_true(rib_find_direct(rib, pairs, 3, answers, &from_here));
	assert_false(from_here);
	for (unsigned int i = 0; i < 2 * FLAT_ROUTES_MAX; i++) { /* no longer flat */
		snprintf(line, sizeof(line), "route add 30.0.%u.0/24 via 172.16.0.8", i);
		ip_command(*state, line);
	}
	assert_true(rib_find_direct(rib, pairs, 3, answers, &from_here));
	assert_true(answers[2]->forwards);
	assert_int_equal(answers[2]->hop->gateway.v4, RTE_BE32(0xac100009));
	ip_script(*state, "route add throw 20.3.0.0/16\n");
	assert_false(rib_find_direct(rib, pairs, 3, answers, &from_here));
	assert_true(rib_find_direct(rib, pairs, 2, answers, &from_here));
	ip_script(*state, "route add blackhole 20.2.0.0/16\n");
	assert_true(rib_find_direct(rib, pairs, 2, answers, &from_here));
	assert_int_equal(answers[1]->type, RTN_BLACKHOLE);
	ip_script(*state, "route add 20.1.0.0/16 nexthop via 172.16.0.8 nexthop via 172.16.0.9\n");
	assert_false(rib_find_direct(rib, pairs, 2, answers, &from_here));
	assert_true(rib_find_direct(rib, pairs + 1, 1, answers, &from_here));
	ip_script(*state, "rule add from 11.0.0.1 table 100 pref 10\n");
	assert_false(rib_find_direct(rib, pairs + 1, 1, answers, &from_here));
}

static void
lookups_of_ipv6_agree_with_the_plain_search(void **state)
{
	churn(*state, AF_INET6);
}

/* Every source has a table of its own; one in three throws what it has no route for, so that main must answer. */
static void
a_burst_falls_through_many_tables(void **state)
{
	struct rib_key4 keys[600] = { 0 };
	struct rib_result results[600];
	char line[120];

	ip_script(*state, "route add default via 172.16.0.9\n");
	for (unsigned int i = 0; i < 300; i++) {
		snprintf(line, sizeof(line), "rule add from 11.0.%u.%u table %u pref %u", i / 256, i % 256, 1000 + i,
			300 - i);
		ip_command(*state, line);
		snprintf(line, sizeof(line), "route add 20.0.0.0/8 via 172.16.%u.%u table %u", 1 + i / 256, i % 256,
			1000 + i);
		ip_command(*state, line);
		snprintf(line, sizeof(line), "route add throw 20.1.0.0/16 table %u", 1000 + i);
		if (i % 3 == 0)
			ip_command(*state, line);
	}
	for (unsigned int i = 0; i < 600; i++) {
		keys[i].src = rte_cpu_to_be_32(0x0b000000 + i % 300);
		keys[i].dst = i < 300 ? RTE_BE32(0x14010203) : RTE_BE32(0x15010203);
	}
	rib_lookup4(*state, keys, 600, results);
	for (unsigned int i = 0; i < 600; i++) {
		uint32_t gateway = rte_be_to_cpu_32(results[i].hop->gateway.v4);
		bool by_main = i >= 300 || i % 3 == 0;

		assert_int_equal(gateway, by_main ? 0xac100009 : 0xac100100 + (i / 256 << 8) + i % 256);
		assert_int_equal(results[i].prefix_length, by_main ? 0 : 8);
	}
}

static void
realms_and_suppression_are_of_each_rule(void **state)
{
	struct rib_key4 keys[3] = { 0 };
	struct rib_result results[3];

	ip_script(*state, "route add default via 172.16.0.9 table 100\n"
			  "route add default via 172.16.0.8 realm 7 table 101\n"
			  "route add default via 172.16.0.7 table 102\n"
			  "rule add from 11.0.0.1 table 100 realms 0x30004 pref 10\n"
			  "rule add from 11.0.0.2 table 101 realms 0x30004 pref 11\n"
			  "rule add from 11.0.0.3 table 100 suppress 0 pref 12\n"
			  "rule add from 11.0.0.3 table 102 pref 13\n");
	for (unsigned int i = 0; i < 3; i++) {
		keys[i].src = rte_cpu_to_be_32(0x0b000001 + i);
		keys[i].dst = RTE_BE32(0x08080808);
	}
	rib_lookup4(*state, keys, 3, results);
	assert_int_equal(results[0].realm, 0x30004);
	assert_int_equal(results[1].realm, 0x30007);
	assert_int_equal(results[2].realm, 0);
	assert_int_equal(results[2].hop->gateway.v4, RTE_BE32(0xac100007));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lookups_agree_with_the_plain_search, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_short_way_agrees_with_the_long_one, set_up, tear_down),
		cmocka_unit_test(addresses_are_taken_apart_alike),
		cmocka_unit_test(targets_are_found_alike),
		cmocka_unit_test_setup_teardown(the_short_way_asks_tables_in_turn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lookups_of_ipv6_agree_with_the_plain_search, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_burst_falls_through_many_tables, set_up, tear_down),
		cmocka_unit_test_setup_teardown(realms_and_suppression_are_of_each_rule, set_up, tear_down),
	};

	draw_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
