/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules: Linux's answers and order, and the compiled lookup against a walk of the rules as they are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ip.h"

static uint64_t seed;

static uint32_t
draw(uint32_t below)
{
	seed ^= seed << 13; /* xorshift64, G. Marsaglia 2003 */
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)((seed * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % below;
}

static int
set_up(void **state)
{
	struct rib *rib;
	struct error err;

	assert_int_equal(rib_create(NULL, &rib, &err), 0);
	ip_script(rib, "link lo 1 up loopback mtu 65536\n"
		       "link eth0 2 up\n"
		       "link eth1 3 up\n"
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
the_defaults_are_there(void **state)
{
	assert_string_equal(ip_rules(*state, AF_INET), "0: from all lookup 255\n"
						       "32766: from all lookup 254\n"
						       "32767: from all lookup 253\n");
	assert_string_equal(ip_rules(*state, AF_INET6), "0: from all lookup 255\n"
							"32766: from all lookup 254\n");
	assert_false(rib_table_exists(*state, AF_INET, RT_TABLE_DEFAULT));
	assert_true(rib_table_exists(*state, AF_INET, RT_TABLE_MAIN));
	assert_true(rib_table_exists(*state, AF_INET6, RT_TABLE_MAIN));
}

static void
priorities_default_as_in_linux(void **state)
{
	ip_script(*state, "rule add from 10.0.0.10 table 200\n"
			  "rule add to 9.9.9.0/24 table 201 pref 100\n"
			  "rule add fwmark 1 table 202\n"
			  "rule add from 1.1.1.2 prohibit pref 2\n"
			  "rule add not from 10.0.0.0/8 table 207\n"
			  "rule add from 10.2.0.0/16 table 209\n"
			  "rule add tos 0x10 table 204\n"
			  "rule add from 10.0.0.10 table 200 pref 32765\n"
			  "! EEXIST\n");
	assert_string_equal(ip_rules(*state, AF_INET), "0: from all lookup 255\n"
						       "0: from 10.2.0.0/16 lookup 209\n"
						       "0: from all lookup 204\n"
						       "1: not from 10.0.0.0/8 lookup 207\n"
						       "2: from 1.1.1.2/32 prohibit\n"
						       "99: from all fwmark 0x1/0xffffffff lookup 202\n"
						       "100: from all to 9.9.9.0/24 lookup 201\n"
						       "32765: from 10.0.0.10/32 lookup 200\n"
						       "32766: from all lookup 254\n"
						       "32767: from all lookup 253\n");
	ip_script(*state, "rule del from 10.0.0.10 table 200\n"
			  "rule del pref 100\n"
			  "rule del pref 100\n"
			  "! ENOENT\n"
			  "rule del from 77.7.7.7\n"
			  "! ENOENT\n"
			  "rule del pref 0\n");
	assert_string_equal(ip_rules(*state, AF_INET), "0: from 10.2.0.0/16 lookup 209\n"
						       "0: from all lookup 204\n"
						       "1: not from 10.0.0.0/8 lookup 207\n"
						       "2: from 1.1.1.2/32 prohibit\n"
						       "99: from all fwmark 0x1/0xffffffff lookup 202\n"
						       "32766: from all lookup 254\n"
						       "32767: from all lookup 253\n");
}

static void
bad_rules_are_refused(void **state)
{
	ip_script(*state, "rule add pref 50 goto 40\n"
			  "! EINVAL Backward goto not supported\n"
			  "rule add pref 50 goto 50\n"
			  "! EINVAL Backward goto not supported\n"
			  "rule add pref 9 goto 0\n"
			  "! EINVAL Backward goto not supported\n"
			  "rule add -6 table 0\n"
			  "! EINVAL Invalid table\n"
			  "rule add tos 0x20 table 7\n"
			  "! EINVAL Invalid tos\n"
			  "rule add tos 0xff table 7\n"
			  "! EINVAL Invalid dsfield (tos): ECN bits must be 0\n"
			  "rule add dport 5 3 table 7\n"
			  "! EINVAL Invalid dport range\n"
			  "rule add sport 0 3 table 7\n"
			  "! EINVAL Invalid sport range\n"
			  "rule add from 1.1.1.1/33\n"
			  "! EINVAL Invalid prefix length: an address has 32 bits\n");
	assert_string_equal(ip_rules(*state, AF_INET), "0: from all lookup 255\n"
						       "32766: from all lookup 254\n"
						       "32767: from all lookup 253\n");
}

static void
goto_and_detached_are_shown_as_they_are(void **state)
{
	ip_script(*state,
		"rule add pref 51 goto 60\nrule add pref 52 iif eth9 table 7\nrule add pref 53 oif eth1 table 7\n"
		"rule add from 1.1.1.2 table 0\n");
	assert_string_equal(ip_rules(*state, AF_INET), "0: from all lookup 255\n"
						       "50: from 1.1.1.2/32 lookup 1\n"
						       "51: from all goto 60 [unresolved]\n"
						       "52: from all iif eth9 [detached] lookup 7\n"
						       "53: from all oif eth1 lookup 7\n"
						       "32766: from all lookup 254\n"
						       "32767: from all lookup 253\n");
	ip_script(*state, "rule add pref 60 table 9\nlink eth9 9 up\n");
	assert_non_null(strstr(ip_rules(*state, AF_INET), "51: from all goto 60\n52: from all iif eth9 lookup 7\n"));
	ip_script(*state, "rule add pref 3 table 55 suppress 0\nrule del pref 3 suppress 5\n! ENOENT\nrule del pref 3 "
			  "suppress 0\n"
			  "rule add not from 1.2.3.4 table 9\nrule del from 1.2.3.4 table 9\n"
			  "rule add fwmark 5 mask 7 table 10\nrule del fwmark 5\n! ENOENT\nrule del fwmark 5 mask 7\n");
	ip_script(*state, "rule del pref 60\nlink del 9\n");
	assert_non_null(
		strstr(ip_rules(*state, AF_INET), "goto 60 [unresolved]\n52: from all iif eth9 [detached] lookup 7\n"));
}

static void
rules_choose_tables(void **state)
{
	ip_script(*state, "rule add from 10.0.0.10 table 200\n"
			  "rule add fwmark 1 table 201\n"
			  "rule add from 10.0.0.11 prohibit\n"
			  "route add default via 192.168.1.254 table 200\n"
			  "route add default via 10.0.0.254\n"
			  "route add throw 7.0.0.0/8 table 200\n"
			  "route add blackhole 6.0.0.0/8 table 200\n");
	assert_string_equal(
		ip_get(*state, "8.8.8.8", "10.0.0.10", 0, 0), "8.8.8.8 via 192.168.1.254 dev eth1 table 200");
	assert_string_equal(ip_get(*state, "8.8.8.8", "10.0.0.12", 0, 0), "8.8.8.8 via 10.0.0.254 dev eth0 table 254");
	assert_string_equal(ip_get(*state, "8.8.8.8", "10.0.0.11", 0, 0), "EACCES");
	assert_string_equal(ip_get(*state, "7.8.8.8", "10.0.0.10", 0, 0), "7.8.8.8 via 10.0.0.254 dev eth0 table 254");
	assert_string_equal(ip_get(*state, "6.8.8.8", "10.0.0.10", 0, 0), "EINVAL");
	/* Table 201 comes when its first route does. */
	assert_string_equal(ip_get(*state, "8.8.8.8", NULL, 0, 1), "8.8.8.8 via 10.0.0.254 dev eth0 table 254");
	ip_script(*state, "route add 8.8.8.0/24 dev 3 table 201\n");
	assert_string_equal(ip_get(*state, "8.8.8.8", NULL, 0, 1), "8.8.8.8 dev eth1 table 201");
	/* A default route found in main may be told not to count (wg-quick's trick). */
	ip_script(*state, "rule add pref 10 table 254 suppress 0\nrule add pref 11 table 200\n");
	assert_string_equal(ip_get(*state, "8.8.8.8", NULL, 0, 0), "8.8.8.8 via 192.168.1.254 dev eth1 table 200");
	assert_string_equal(ip_get(*state, "10.8.8.8", NULL, 0, 0), "10.8.8.8 dev eth0 table 254");
}

static void
realms_come_from_route_then_rule(void **state)
{
	struct rib_key key = { .family = AF_INET, .dst = ip_addr_v4(rte_cpu_to_be_32(0x08080808)) };
	struct rib_result result;

	ip_script(*state, "route add default via 10.0.0.254 realm 5\n"
			  "rule add pref 5 table 254 realms 0x30004\n");
	rib_lookup(*state, &key, 1, &result);
	assert_int_equal(result.realm, 0x30005);
}

/* ---- compiled against plain ---- */

#define TABLES 6

static struct rib_rule
some_rule(void)
{
	struct rib_rule r = { .family = AF_INET,
		.action = FR_ACT_TO_TBL,
		.table = 100 + draw(TABLES),
		.priority = draw(400),
		.priority_set = true,
		.suppress_prefix_length = draw(8) == 0 ? (int32_t)draw(24) : -1 };
	static const uint8_t lengths[] = { 0, 8, 16, 24, 30, 32 };
	static const uint8_t actions[] = { FR_ACT_NOP, FR_ACT_GOTO, FR_ACT_BLACKHOLE, FR_ACT_PROHIBIT,
		FR_ACT_UNREACHABLE };

	if (draw(2) == 0)
		r.src = (struct ip_prefix){ AF_INET, lengths[draw(6)],
			ip_addr_v4(rte_cpu_to_be_32(0x0a000000 | draw(8) << 16 | draw(4))) };
	if (draw(3) == 0)
		r.dst = (struct ip_prefix){ AF_INET, lengths[draw(6)],
			ip_addr_v4(rte_cpu_to_be_32(0x14000000 | draw(8) << 16 | draw(4))) };
	if (draw(3) == 0) {
		r.mark = draw(4);
		r.mark_mask = draw(2) == 0 ? UINT32_MAX : draw(4);
	}
	if (draw(5) == 0)
		r.tos = (uint8_t)(draw(4) << 2);
	if (draw(5) == 0)
		snprintf(r.iif, sizeof(r.iif), "eth%u", draw(4));
	if (draw(8) == 0)
		r.ip_protocol = (uint8_t)(6 + draw(2) * 11);
	if (draw(6) == 0) {
		r.sport_low = (uint16_t)(1 + draw(4));
		r.sport_high = (uint16_t)(r.sport_low + draw(3));
	}
	if (draw(6) == 0)
		r.dport_low = r.dport_high = (uint16_t)(1 + draw(4));
	if (draw(16) == 0)
		r.uid_set = true, r.uid_low = draw(2), r.uid_high = 5;
	r.invert = draw(12) == 0;
	if (draw(6) == 0) {
		r.action = actions[draw(5)];
		r.table = 0;
		r.go_to = r.action == FR_ACT_GOTO ? r.priority + 1 + draw(60) : 0;
	}
	return r;
}

static struct rib_key
some_key(void)
{
	return (struct rib_key){ .family = AF_INET,
		.iif = 1 + draw(4),
		.mark = draw(5),
		.src = ip_addr_v4(rte_cpu_to_be_32(0x0a000000 | draw(9) << 16 | draw(5))),
		.dst = ip_addr_v4(rte_cpu_to_be_32(0x14000000 | draw(9) << 16 | draw(5))),
		.dsfield = (uint8_t)draw(256),
		.ip_protocol = (uint8_t)(6 + draw(2) * 11),
		.sport = (uint16_t)draw(8),
		.dport = (uint16_t)draw(6) };
}

/* rib_route_get walks the rules as they are written and searches the full routes: nothing in common with rib_lookup. */
static void
compare(const struct rib *rib)
{
	struct rib_key keys[100];
	struct rib_result results[100];

	for (unsigned int i = 0; i < 100; i++)
		keys[i] = some_key();
	rib_lookup(rib, keys, 100, results);
	for (unsigned int i = 0; i < 100; i++) {
		struct rib_route route;
		struct rib_hop hop;
		int status = rib_route_get(rib, &keys[i], &route, &hop, NULL);

		switch (results[i].type) {
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
			assert_true(status == -EHOSTUNREACH || status == -ENETUNREACH);
			break;
		default:
			assert_int_equal(status, 0);
			assert_int_equal(results[i].type, route.type);
			assert_int_equal(results[i].prefix_length, route.dst.length);
			assert_true(ip_addr_equal(&rib_nexthop(rib, results[i].nexthop)->gateway, &hop.gateway));
		}
	}
}

static void
compiled_rules_agree_with_the_plain_walk(void **state)
{
	static const char *const kinds[] = { "blackhole", "unreachable", "prohibit", "throw" };
	unsigned int kept = 0;

	for (unsigned int t = 0; t < TABLES; t++) {
		for (unsigned int i = 0; i < 12; i++) {
			static const unsigned int lengths[] = { 0, 8, 16, 24, 32 };
			unsigned int length = lengths[draw(5)], address = 0x14000000 | draw(8) << 16 | draw(4);
			char line[160];

			address = length == 0 ? 0 : address & UINT32_MAX << (32 - length);
			if (draw(4) == 0)
				snprintf(line, sizeof(line), "route prepend %s %u.%u.%u.%u/%u table %u", kinds[draw(4)],
					address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255, length,
					100 + t);
			else
				snprintf(line, sizeof(line),
					"route prepend %u.%u.%u.%u/%u via 10.%u.%u.2 tos %u table %u", address >> 24,
					address >> 16 & 255, address >> 8 & 255, address & 255, length, t + 1, i,
					draw(4) == 0 ? draw(4) * 4 : 0, 100 + t);
			ip_command(*state, line);
		}
	}
	for (unsigned int i = 0; i < 1200; i++) {
		struct rib_rule rule = some_rule();

		if (draw(3) > 0 || kept < 5)
			kept += rib_rule_add(*state, &rule, 0, NULL) == 0;
		else
			kept -= rib_rule_delete(*state,
					&(struct rib_rule){ .family = AF_INET,
						.priority = draw(400),
						.priority_set = true,
						.suppress_prefix_length = -1 },
					NULL) == 0;
		compare(*state);
	}
	assert_true(kept > 100);
}

static void
a_thousand_rules_are_one_probe(void **state)
{
	struct rib_key key = { .family = AF_INET, .dst = ip_addr_v4(rte_cpu_to_be_32(0x08080808)) };
	struct rib_result result;
	char line[120];

	for (unsigned int i = 0; i < 1000; i++) {
		snprintf(line, sizeof(line), "rule add from 10.1.%u.%u table %u pref %u", i / 256, i % 256, 1000 + i,
			10 + i);
		ip_script(*state, line);
		snprintf(line, sizeof(line), "route add default via 10.%u.%u.7 table %u", 2 + i / 256, i % 256,
			1000 + i);
		ip_script(*state, line);
	}
	for (unsigned int i = 0; i < 1000; i++) {
		key.src = ip_addr_v4(rte_cpu_to_be_32(0x0a010000 + i));
		rib_lookup(*state, &key, 1, &result);
		assert_int_equal(rte_be_to_cpu_32(rib_nexthop(*state, result.nexthop)->gateway.v4),
			0x0a000007 + ((2 + i / 256) << 16) + (i % 256 << 8));
	}
	key.src = ip_addr_v4(rte_cpu_to_be_32(0x0a020000));
	rib_lookup(*state, &key, 1, &result);
	assert_int_equal(result.type, RTN_UNSPEC);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_defaults_are_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(priorities_default_as_in_linux, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bad_rules_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(goto_and_detached_are_shown_as_they_are, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rules_choose_tables, set_up, tear_down),
		cmocka_unit_test_setup_teardown(realms_come_from_route_then_rule, set_up, tear_down),
		cmocka_unit_test_setup_teardown(compiled_rules_agree_with_the_plain_walk, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_thousand_rules_are_one_probe, set_up, tear_down),
	};
	const char *given = getenv("SEED");

	seed = given != NULL ? strtoull(given, NULL, 0) : UINT64_C(0x9e3779b97f4a7c15);
	print_message("SEED=%#llx\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
