/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet filter tables: ways through chains, counters, replacement, refusals; and each match. */
#include "netfilter_support.h"

#include <linux/if_packet.h>

static struct netfilter *nf;
static struct error err;

static int
start(void **state)
{
	nf = netfilter_create(NULL, 2, 1);
	memset(&err, 0, sizeof(err));
	return nf != NULL ? 0 : -1;
}

static int
end(void **state)
{
	netfilter_destroy(nf);
	return 0;
}

#define DROP                                                                                                           \
	{                                                                                                              \
		.verdict = NETFILTER_DROP                                                                              \
	}
#define LOAD(table, hook, ...)                                                                                         \
	assert_int_equal(                                                                                              \
		load_at(nf, table, hook, (struct netfilter_rule_spec[]){ __VA_ARGS__ },                                \
			sizeof((struct netfilter_rule_spec[]){ __VA_ARGS__ }) / sizeof(struct netfilter_rule_spec),    \
			&err),                                                                                         \
		0)

/* ---- tables ------------------------------------------------------------------------------------- */

static void
nothing_is_asked_where_nothing_is_loaded(void **state)
{
	const uint32_t *active = netfilter_active(nf);

	for (unsigned int hook = 0; hook < NETFILTER_HOOKS; hook++)
		assert_false(netfilter_is_active(active, (enum netfilter_hook)hook));
	LOAD(NETFILTER_RAW, NETFILTER_PREROUTING, { .target = DROP });
	assert_true(netfilter_is_active(active, NETFILTER_PREROUTING));
	assert_true(netfilter_is_active(active, NETFILTER_OUTPUT));
	assert_false(netfilter_is_active(active, NETFILTER_FORWARD));
	netfilter_unload(nf, NETFILTER_RAW);
	assert_false(netfilter_is_active(active, NETFILTER_PREROUTING));
}

static struct netfilter_counter
count_of(enum netfilter_table_id table, uint32_t rule)
{
	struct netfilter_counter counts[RULES_MAX];

	netfilter_counters(nf, table, counts);
	return counts[rule];
}

static void
rules_and_policies_count_packets_and_bytes(void **state)
{
	struct packet p;

	LOAD(NETFILTER_FILTER, NETFILTER_FORWARD,
		{ .selector = { .protocol = IPPROTO_TCP, .src_mask = UINT32_MAX, .src = IP(10, 0, 0, 1) } },
		{ .selector = { .protocol = IPPROTO_TCP }, .target = DROP });
	packet_udp(&p, 0);
	assert_true(passes_at(nf, NETFILTER_FORWARD, &p, 1));
	packet_tcp(&p, 1000, 80, 2, NULL, 0, 10);
	assert_false(passes_at(nf, NETFILTER_FORWARD, &p, 1));
	assert_int_equal(count_of(NETFILTER_FILTER, 0).packets, 1);
	assert_int_equal(count_of(NETFILTER_FILTER, 1).packets, 1);
	assert_int_equal(count_of(NETFILTER_FILTER, 1).bytes, 50);
	assert_int_equal(count_of(NETFILTER_FILTER, 2).packets, 1);
	assert_int_equal(count_of(NETFILTER_FILTER, 2).bytes, 50);
	/* A chain without rules counts by its policy, too. */
	packet_udp(&p, 0);
	assert_true(passes_at(nf, NETFILTER_INPUT, &p, 1));
	assert_int_equal(count_of(NETFILTER_FILTER, 3).packets, 1);
	assert_int_equal(count_of(NETFILTER_FILTER, 3).bytes, 50);
}

static void
counters_start_as_told_are_added_to_and_come_back_on_replacement(void **state)
{
	struct netfilter_counter add[RULES_MAX] = { { 1, 2 } }, old[RULES_MAX];
	struct ruleset set;
	struct packet p;

	LOAD(NETFILTER_FILTER, NETFILTER_FORWARD, { .counter = { 10, 1000 } });
	packet_udp(&p, 0);
	assert_true(passes_at(nf, NETFILTER_FORWARD, &p, 1));
	assert_int_equal(count_of(NETFILTER_FILTER, 0).packets, 11);
	assert_int_equal(count_of(NETFILTER_FILTER, 0).bytes, 1050);
	netfilter_add_counters(nf, NETFILTER_FILTER, add);
	assert_int_equal(count_of(NETFILTER_FILTER, 0).packets, 12);
	ruleset_make(&set, NETFILTER_FILTER, NETFILTER_INPUT, NULL, 0, NULL, 0);
	assert_int_equal(netfilter_replace(nf, &set.spec, old, &err), 0);
	assert_int_equal(old[0].packets, 12);
	assert_int_equal(old[0].bytes, 1052);
	assert_int_equal(count_of(NETFILTER_FILTER, 0).packets, 0);
}

static void
what_control_keeps_with_a_table_is_its_own_only_if_it_is_taken(void **state)
{
	struct netfilter_rule_spec bad = { .target = { .verdict = NETFILTER_JUMP, .rule = 99 } };
	struct ruleset set;
	char *origin = strdup("blob");

	ruleset_make(&set, NETFILTER_RAW, NETFILTER_OUTPUT, &bad, 1, NULL, 0);
	set.spec.origin = origin;
	assert_int_equal(netfilter_replace(nf, &set.spec, NULL, &err), -EINVAL);
	assert_null(netfilter_origin(nf, NETFILTER_RAW));
	ruleset_make(&set, NETFILTER_RAW, NETFILTER_OUTPUT, NULL, 0, NULL, 0);
	set.spec.origin = origin;
	assert_int_equal(netfilter_replace(nf, &set.spec, NULL, &err), 0);
	assert_ptr_equal(netfilter_origin(nf, NETFILTER_RAW), origin);
}

static struct netfilter_target_spec
to(enum netfilter_verdict verdict, uint32_t rule)
{
	return (struct netfilter_target_spec){ .verdict = verdict, .rule = rule };
}

/* Which rules a packet has been through, as their indices. */
static void
assert_way(struct netfilter_table_spec *spec, enum netfilter_hook hook, const char *expected)
{
	struct netfilter_counter counts[RULES_MAX];
	char way[256] = "";
	struct packet p;

	assert_int_equal(netfilter_replace(nf, spec, NULL, &err), 0);
	packet_udp(&p, 0);
	passes_at(nf, hook, &p, 1);
	netfilter_counters(nf, spec->table, counts);
	for (uint32_t i = 0; i < spec->n_rules; i++)
		if (counts[i].packets != 0)
			sprintf(way + strlen(way), "%s%u", way[0] != '\0' ? " " : "", i);
	assert_string_equal(way, expected);
}

/* raw: rules 0..2 at PREROUTING, 3 and 4 policies, 5 on: a chain x of three rules, and from 8 on a chain y of two. */
static void
jumps_return_and_gotos_do_not(void **state)
{
	struct netfilter_rule_spec rules[3] = { 0 }, chains[5] = { 0 };
	struct ruleset set;

	rules[0].target = to(NETFILTER_JUMP, 5);
	chains[0].target = to(NETFILTER_JUMP, 8);
	chains[2].target = to(NETFILTER_RETURN, 0);
	chains[4].target = to(NETFILTER_RETURN, 0);
	ruleset_make(&set, NETFILTER_RAW, NETFILTER_PREROUTING, rules, 3, chains, 5);
	assert_way(&set.spec, NETFILTER_PREROUTING, "0 1 2 3 5 6 7 8 9");
	/* y goes back to who jumped to x. */
	set.rules[5].target = to(NETFILTER_GOTO, 8);
	assert_way(&set.spec, NETFILTER_PREROUTING, "0 1 2 3 5 8 9");
	/* From a built-in chain there is only the policy to go back to. */
	set.rules[0].target = to(NETFILTER_GOTO, 5);
	assert_way(&set.spec, NETFILTER_PREROUTING, "0 3 5 8 9");
	set.rules[0].target = to(NETFILTER_RETURN, 0);
	assert_way(&set.spec, NETFILTER_PREROUTING, "0 3");
	set.rules[0].target = to(NETFILTER_JUMP, 5);
	set.rules[9].target = to(NETFILTER_ACCEPT, 0);
	assert_way(&set.spec, NETFILTER_PREROUTING, "0 5 8 9");
}

static int
refused(struct ruleset *set, const char *sentence)
{
	int rc;

	memset(&err, 0, sizeof(err));
	rc = netfilter_replace(nf, &set->spec, NULL, &err);
	assert_string_equal(err.msg, sentence);
	assert_false(netfilter_is_loaded(nf, set->spec.table));
	return rc;
}

static void
chains_that_lead_nowhere_or_in_circles_are_refused(void **state)
{
	struct netfilter_rule_spec rules[1] = { 0 }, chains[4] = { 0 };
	struct ruleset set;

	rules[0].target = to(NETFILTER_JUMP, 3);
	chains[0].target = to(NETFILTER_JUMP, 5);
	chains[1].target = to(NETFILTER_RETURN, 0);
	chains[2].target = to(NETFILTER_GOTO, 3);
	chains[3].target = to(NETFILTER_RETURN, 0);
	ruleset_make(&set, NETFILTER_RAW, NETFILTER_PREROUTING, rules, 1, chains, 4);
	assert_int_equal(refused(&set, "the chain with rule 3 leads back to itself"), -ELOOP);
	set.rules[5].target = to(NETFILTER_CONTINUE, 0);
	set.rules[6].target = to(NETFILTER_JUMP, 99);
	assert_int_equal(refused(&set, "rule 6 jumps to rule 99 of 7"), -EINVAL);
	set.rules[6].target = to(NETFILTER_CONTINUE, 0);
	assert_int_equal(
		refused(&set, "the chain with rule 5 has no end: its last rule must be without condition, and ACCEPT, "
			      "DROP or RETURN"),
		-EINVAL);
	set.rules[6].target = to(NETFILTER_RETURN, 0);
	set.rules[1].target = to(NETFILTER_RETURN, 0);
	assert_int_equal(
		refused(&set, "the policy of chain PREROUTING, rule 1, is neither ACCEPT nor DROP for all"), -EINVAL);
	/* Circles that no packet comes to are let be, as on Linux. */
	set.rules[1].target = to(NETFILTER_ACCEPT, 0);
	set.rules[0].target = to(NETFILTER_CONTINUE, 0);
	set.rules[5].target = to(NETFILTER_GOTO, 3);
	assert_int_equal(netfilter_replace(nf, &set.spec, NULL, &err), 0);
}

static void
jumps_within_jumps_have_a_bound(void **state)
{
	struct netfilter_rule_spec rules[2 * NETFILTER_DEPTH_MAX + 6] = { 0 };
	struct netfilter_table_spec spec = { .table = NETFILTER_RAW, .rules = rules };
	struct packet p;

	/* Policies, then chains of two rules: a jump to the next, and RETURN. */
	rules[0].target = rules[1].target = to(NETFILTER_ACCEPT, 0);
	for (uint32_t i = 0; i <= NETFILTER_DEPTH_MAX + 1; i++) {
		rules[2 + 2 * i].target = to(NETFILTER_JUMP, 4 + 2 * i);
		rules[3 + 2 * i].target = to(NETFILTER_RETURN, 0);
	}
	rules[2 * NETFILTER_DEPTH_MAX + 4].target = to(NETFILTER_CONTINUE, 0);
	spec.n_rules = 2 * NETFILTER_DEPTH_MAX + 6;
	spec.first[NETFILTER_PREROUTING] = 2;
	spec.policy[NETFILTER_OUTPUT] = spec.first[NETFILTER_OUTPUT] = 1;
	assert_int_equal(netfilter_replace(nf, &spec, NULL, &err), -ELOOP);
	assert_string_equal(err.msg, "chains jump more than 128 deep");
	rules[2 * NETFILTER_DEPTH_MAX + 2].target = to(NETFILTER_CONTINUE, 0);
	assert_int_equal(netfilter_replace(nf, &spec, NULL, &err), 0);
	packet_udp(&p, 0);
	assert_true(passes_at(nf, NETFILTER_PREROUTING, &p, 1));
	/* Back through all of them: each jumped and returned. */
	struct netfilter_counter counts[2 * NETFILTER_DEPTH_MAX + 6];
	netfilter_counters(nf, NETFILTER_RAW, counts);
	for (uint32_t i = 2; i < 2 * NETFILTER_DEPTH_MAX + 4; i++)
		assert_int_equal(counts[i].packets, 1);
}

static void
extensions_stand_only_where_linux_lets_them(void **state)
{
	struct netfilter_tcp_conf tcp = { .sport = ANY_PORT, .dport = ANY_PORT };
	struct netfilter_mac_conf mac = { .invert = true };
	struct netfilter_reject_conf reject = { .icmp_code = 3 };
	struct netfilter_rule_spec rule = { 0 };
	struct ruleset set;

	rule.n_matches = 1;
	rule.matches = MATCHES({ "tcp", &tcp });
	ruleset_make(&set, NETFILTER_FILTER, NETFILTER_OUTPUT, &rule, 1, NULL, 0);
	assert_int_equal(refused(&set, "rule 0: tcp match: only valid for protocol 6"), -EINVAL);
	set.rules[0].matches = MATCHES({ "mac", &mac });
	assert_int_equal(
		refused(&set,
			"rule 0: mac match: used from hooks OUTPUT, but only usable from PREROUTING/INPUT/FORWARD"),
		-EINVAL);
	set.rules[0].matches = MATCHES({ "recent", NULL });
	assert_int_equal(refused(&set, "rule 0: there is no match 'recent' here"), -ENOENT);
	rule.n_matches = 0;
	rule.target = (struct netfilter_target_spec){ NETFILTER_EXTENSION, 0, "REJECT", &reject };
	ruleset_make(&set, NETFILTER_MANGLE, NETFILTER_OUTPUT, &rule, 1, NULL, 0);
	assert_int_equal(refused(&set, "rule 0: REJECT target: only valid in filter table, not mangle"), -EINVAL);
	set.rules[0].target.kind = "SNAT";
	assert_int_equal(refused(&set, "rule 0: there is no target 'SNAT' here"), -ENOENT);
}

/* ---- what rules ask --------------------------------------------------------------------------------- */

/* Does a rule with this selector and these matches see the packet? In the first rule of a chain, and compiled. */
static bool
sees(const struct netfilter_selector *selector, const struct netfilter_match_spec *matches, uint32_t n,
	struct packet *p)
{
	struct netfilter_rule_spec rule = { .selector = *selector, .matches = matches, .n_matches = n, .target = DROP };
	bool passes;

	assert_int_equal(load_at(nf, NETFILTER_MANGLE, NETFILTER_PREROUTING, &rule, 1, &err), 0);
	passes = passes_at(nf, NETFILTER_PREROUTING, p, 1);
	return !passes;
}

static bool
matches_one(uint8_t protocol, const char *kind, const void *conf, struct packet *p)
{
	struct netfilter_match_spec match = { kind, conf };

	return sees(&(struct netfilter_selector){ .protocol = protocol }, &match, 1, p);
}

static void
selectors(void **state)
{
	const struct selection {
		struct netfilter_selector s;
		bool udp;
	} cases[] = {
		{ { .src = IP(10, 0, 0, 1), .src_mask = UINT32_MAX }, true },
		{ { .src = IP(10, 0, 0, 0), .src_mask = IP(255, 255, 255, 0) }, true },
		{ { .src = IP(10, 0, 1, 0), .src_mask = IP(255, 255, 255, 0) }, false },
		{ { .src = IP(10, 0, 1, 0), .src_mask = IP(255, 255, 255, 0), .invert = NETFILTER_NOT_SRC }, true },
		{ { .dst = IP(10, 0, 0, 2), .dst_mask = UINT32_MAX }, true },
		{ { .dst = IP(10, 0, 0, 2), .dst_mask = UINT32_MAX, .invert = NETFILTER_NOT_DST }, false },
		{ { .protocol = IPPROTO_UDP }, true },
		{ { .protocol = IPPROTO_UDP, .invert = NETFILTER_NOT_PROTOCOL }, false },
		{ { .protocol = IPPROTO_TCP, .invert = NETFILTER_NOT_PROTOCOL }, true },
		{ { .in = "eth0", .in_mask = { 255, 255, 255, 255, 255 } }, true },
		{ { .in = "eth", .in_mask = { 255, 255, 255 } }, true },
		{ { .in = "eth", .in_mask = { 255, 255, 255, 255 } }, false },
		{ { .in = "eth0", .in_mask = { 255, 255, 255, 255, 255 }, .invert = NETFILTER_NOT_IN }, false },
		{ { .in = "eth1", .in_mask = { 255, 255, 255, 255, 255 }, .invert = NETFILTER_NOT_IN }, true },
		{ { .out = "eth1", .out_mask = { 255, 255, 255, 255, 255 } }, true },
		{ { .out = "eth12", .out_mask = { 255, 255, 255, 255, 255, 255 } }, false },
		{ { .fragment = true }, false },
		{ { .fragment = true, .invert = NETFILTER_NOT_FRAGMENT }, true },
		{ { .src = IP(10, 0, 0, 1), .src_mask = UINT32_MAX, .dst = IP(10, 0, 0, 3), .dst_mask = UINT32_MAX },
			false },
	};
	struct packet p;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		packet_udp(&p, 0);
		if (sees(&cases[i].s, NULL, 0, &p) != cases[i].udp)
			fail_msg("selector %zu", i);
	}
	packet_fragment(&p, IPPROTO_UDP, 3);
	assert_true(sees(&cases[16].s, NULL, 0, &p));
	assert_false(sees(&cases[17].s, NULL, 0, &p));
}

static void
tcp(void **state)
{
	static const uint8_t options[] = { 1, 3, 3, 7, 8, 4, 0, 0 };
	const struct tcp_case {
		struct netfilter_tcp_conf c;
		bool holds;
	} cases[] = {
		{ { { 1000, 1000 }, ANY_PORT }, true },
		{ { { 1001, 65535 }, ANY_PORT }, false },
		{ { { 0, 1000 }, { 22, 80 } }, true },
		{ { ANY_PORT, { 22, 79 } }, false },
		{ { ANY_PORT, { 22, 79 }, .invert = NETFILTER_TCP_NOT_DPORT }, true },
		{ { { 1000, 1000 }, ANY_PORT, .invert = NETFILTER_TCP_NOT_SPORT }, false },
		{ { ANY_PORT, ANY_PORT, 0x17, 0x02 }, true },
		{ { ANY_PORT, ANY_PORT, 0x12, 0x12 }, false },
		{ { ANY_PORT, ANY_PORT, 0x12, 0x12, .invert = NETFILTER_TCP_NOT_FLAGS }, true },
		{ { ANY_PORT, ANY_PORT, .option = 3 }, true },
		{ { ANY_PORT, ANY_PORT, .option = 8 }, true },
		{ { ANY_PORT, ANY_PORT, .option = 7 }, false },
		{ { ANY_PORT, ANY_PORT, .option = 7, .invert = NETFILTER_TCP_NOT_OPTION }, true },
	};
	struct packet p;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		packet_tcp(&p, 1000, 80, 0x02, options, sizeof(options), 0);
		if (matches_one(IPPROTO_TCP, "tcp", &cases[i].c, &p) != cases[i].holds)
			fail_msg("tcp %zu", i);
	}
	packet_fragment(&p, IPPROTO_TCP, 5);
	assert_false(matches_one(IPPROTO_TCP, "tcp", &cases[6].c, &p));
}

/* What is cut off, or made to hide flags, is dropped by the match itself: the rule's ACCEPT does not come to it. */
static void
matches_drop_what_hides_its_header(void **state)
{
	struct netfilter_tcp_conf tcp = { ANY_PORT, ANY_PORT };
	struct netfilter_udp_conf udp = { ANY_PORT, ANY_PORT };
	struct netfilter_icmp_conf icmp = { .type = 255 };
	const struct netfilter_match_spec tcps = { "tcp", &tcp }, udps = { "udp", &udp }, icmps = { "icmp", &icmp };
	struct packet p;

	LOAD(NETFILTER_MANGLE, NETFILTER_PREROUTING,
		{ .selector = { .protocol = IPPROTO_TCP }, .matches = &tcps, .n_matches = 1 },
		{ .selector = { .protocol = IPPROTO_UDP }, .matches = &udps, .n_matches = 1 },
		{ .selector = { .protocol = IPPROTO_ICMP }, .matches = &icmps, .n_matches = 1 });
	packet_ip(&p, IPPROTO_TCP, "0123456789012345678", 19);
	assert_false(passes_at(nf, NETFILTER_PREROUTING, &p, 1));
	packet_fragment(&p, IPPROTO_TCP, 1);
	assert_false(passes_at(nf, NETFILTER_PREROUTING, &p, 1));
	packet_fragment(&p, IPPROTO_TCP, 2);
	assert_true(passes_at(nf, NETFILTER_PREROUTING, &p, 1));
	packet_ip(&p, IPPROTO_UDP, "0123456", 7);
	assert_false(passes_at(nf, NETFILTER_PREROUTING, &p, 1));
	packet_ip(&p, IPPROTO_ICMP, "0123456", 7);
	assert_false(passes_at(nf, NETFILTER_PREROUTING, &p, 1));
	packet_ip(&p, IPPROTO_ICMP, "01234567", 8);
	assert_true(passes_at(nf, NETFILTER_PREROUTING, &p, 1));
	assert_int_equal(count_of(NETFILTER_MANGLE, 0).packets, 0);
	assert_int_equal(count_of(NETFILTER_MANGLE, 2).packets, 1);
}

static void
udp_and_multiport(void **state)
{
	struct netfilter_udp_conf udp = { { 1000, 1000 }, { 50, 60 } };
	struct netfilter_multiport_conf ports = {
		.side = NETFILTER_MULTIPORT_EITHER, .n = 2, .ports = { { 7, 9 }, { 53, 53 } }
	};
	struct packet p;

	packet_udp(&p, 0); /* 1000 to 53 */
	assert_true(matches_one(IPPROTO_UDP, "udp", &udp, &p));
	udp.invert = NETFILTER_UDP_NOT_DPORT;
	assert_false(matches_one(IPPROTO_UDP, "udp", &udp, &p));
	udp = (struct netfilter_udp_conf){ ANY_PORT, { 53, 53 } };
	assert_true(matches_one(IPPROTO_UDP, "udp", &udp, &p));
	assert_true(matches_one(IPPROTO_UDP, "multiport", &ports, &p));
	ports.side = NETFILTER_MULTIPORT_SOURCE;
	assert_false(matches_one(IPPROTO_UDP, "multiport", &ports, &p));
	ports.invert = true;
	assert_true(matches_one(IPPROTO_UDP, "multiport", &ports, &p));
	ports = (struct netfilter_multiport_conf){ NETFILTER_MULTIPORT_DESTINATION, 1, false, { { 53, 53 } } };
	assert_true(matches_one(IPPROTO_UDP, "multiport", &ports, &p));
	ports.ports[0] = (struct netfilter_ports){ 1000, 1000 };
	assert_false(matches_one(IPPROTO_UDP, "multiport", &ports, &p));
	ports.n = 16;
	assert_int_equal(load_at(nf, NETFILTER_MANGLE, NETFILTER_PREROUTING,
				 &(struct netfilter_rule_spec){ .selector.protocol = IPPROTO_UDP,
					 .matches = MATCHES({ "multiport", &ports }),
					 .n_matches = 1 },
				 1, &err),
		-EINVAL);
}

static void
icmp(void **state)
{
	static const uint8_t unreachable[8] = { 3, 4 };
	const struct icmp_case {
		struct netfilter_icmp_conf c;
		bool holds;
	} cases[] = {
		{ { 3, 0, 255 }, true },
		{ { 3, 4, 4 }, true },
		{ { 3, 3, 3 }, false },
		{ { 3, 0, 5 }, true },
		{ { 8, 0, 255 }, false },
		{ { 8, 0, 255, true }, true },
		{ { 255, 0, 255 }, true },
	};
	struct packet p;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		packet_ip(&p, IPPROTO_ICMP, unreachable, sizeof(unreachable));
		if (matches_one(IPPROTO_ICMP, "icmp", &cases[i].c, &p) != cases[i].holds)
			fail_msg("icmp %zu", i);
	}
}

/* Each conf, on 10.0.0.1 -> 10.0.0.2, mark 0x1f, 50 bytes, TTL 64, TOS 0x10. */
static void
assert_match(const char *kind, const void *conf, bool holds, int line)
{
	struct packet p;

	packet_udp(&p, 0x1f);
	if (matches_one(0, kind, conf, &p) != holds)
		fail_msg("%s in line %d", kind, line);
}
#define HOLDS(kind, type, ...) assert_match(kind, &(struct netfilter_##type##_conf){ __VA_ARGS__ }, true, __LINE__)
#define FAILS(kind, type, ...) assert_match(kind, &(struct netfilter_##type##_conf){ __VA_ARGS__ }, false, __LINE__)

static void
fields_of_the_header_and_marks(void **state)
{
	HOLDS("mark", mark, .mark = 0x1f, .mask = UINT32_MAX);
	HOLDS("mark", mark, .mark = 0x10, .mask = 0xf0);
	FAILS("mark", mark, .mark = 0x1f, .mask = 0xf0); /* a value outside of its mask is nobody's */
	HOLDS("mark", mark, .mark = 1, .mask = UINT32_MAX, .invert = true);
	HOLDS("length", length, 50, 50);
	HOLDS("length", length, 0, 100);
	FAILS("length", length, 51, 100);
	FAILS("length", length, 40, 60, true);
	HOLDS("ttl", ttl, NETFILTER_TTL_EQ, 64);
	FAILS("ttl", ttl, NETFILTER_TTL_NE, 64);
	FAILS("ttl", ttl, NETFILTER_TTL_LT, 64);
	HOLDS("ttl", ttl, NETFILTER_TTL_GT, 63);
	HOLDS("tos", tos, .value = 0x10, .mask = 0xff);
	FAILS("tos", tos, .value = 0x08, .mask = 0x08);
	HOLDS("tos", tos, .value = 0x08, .mask = 0x08, .invert = true);
	HOLDS("dscp", dscp, .dscp = 4);
	FAILS("dscp", dscp, .dscp = 4, .invert = true);
	HOLDS("iprange", iprange, 0x0a000000, 0x0a000001, .has_src = true);
	FAILS("iprange", iprange, 0x0a000002, 0x0a000003, .has_src = true);
	HOLDS("iprange", iprange, .dst_min = 0x0a000003, .dst_max = 0x0a0000ff, .has_dst = true, .not_dst = true);
	HOLDS("mac", mac, { 2, 0, 0, 0, 0, 1 });
	FAILS("mac", mac, { 2, 0, 0, 0, 0, 2 });
	HOLDS("mac", mac, { 2, 0, 0, 0, 0, 2 }, true);
	HOLDS("pkttype", pkttype, PACKET_HOST);
	FAILS("pkttype", pkttype, PACKET_BROADCAST);
	assert_match("comment", NULL, true, __LINE__);
}

static void
limit(void **state)
{
	struct netfilter_limit_conf conf = { .average = 1000, .burst = 3 }; /* ten a second */
	const struct netfilter_match_spec match = { "limit", &conf };
	unsigned int seen = 0;
	struct packet p;

	packet_udp(&p, 0);
	LOAD(NETFILTER_RAW, NETFILTER_PREROUTING, { .matches = &match, .n_matches = 1, .target = DROP });
	for (int i = 0; i < 10; i++)
		seen += !passes_at(nf, NETFILTER_PREROUTING, &p, 1000000000);
	assert_int_equal(seen, 3);
	for (uint64_t ms = 1; ms <= 1000; ms++)
		seen += !passes_at(nf, NETFILTER_PREROUTING, &p, 1000000000 + ms * 1000000);
	assert_int_equal(seen, 13);
	conf.burst = 0;
	assert_int_equal(load_at(nf, NETFILTER_RAW, NETFILTER_PREROUTING,
				 &(struct netfilter_rule_spec){ .matches = &match, .n_matches = 1 }, 1, &err),
		-ERANGE);
	/* 1/day with a burst of 5 is more than Linux can count. */
	conf = (struct netfilter_limit_conf){ 864000000, 5 };
	assert_int_equal(load_at(nf, NETFILTER_RAW, NETFILTER_PREROUTING,
				 &(struct netfilter_rule_spec){ .matches = &match, .n_matches = 1 }, 1, &err),
		-ERANGE);
}

/*
 * A token is taken by what comes so far in the rule, and by nothing else: the port behind it is not looked at before.
 */
static void
limit_counts_what_comes_to_it(void **state)
{
	struct netfilter_limit_conf conf = { .average = 10000, .burst = 1 };
	struct netfilter_udp_conf udp = { ANY_PORT, { 54, 54 } };
	const struct netfilter_match_spec before[] = { { "limit", &conf }, { "udp", &udp } };
	const struct netfilter_match_spec behind[] = { { "udp", &udp }, { "limit", &conf } };
	struct packet other, wanted;

	packet_udp(&other, 0);
	packet_udp(&wanted, 0);
	wanted.data[37] = 54;
	LOAD(NETFILTER_RAW, NETFILTER_PREROUTING,
		{ .selector.protocol = IPPROTO_UDP, .matches = before, .n_matches = 2, .target = DROP });
	assert_true(passes_at(nf, NETFILTER_PREROUTING, &other, 1));
	assert_true(passes_at(nf, NETFILTER_PREROUTING, &wanted, 1));
	LOAD(NETFILTER_RAW, NETFILTER_PREROUTING,
		{ .selector.protocol = IPPROTO_UDP, .matches = behind, .n_matches = 2, .target = DROP });
	assert_true(passes_at(nf, NETFILTER_PREROUTING, &other, 1));
	assert_false(passes_at(nf, NETFILTER_PREROUTING, &wanted, 1));
}

static void
statistic(void **state)
{
	struct netfilter_statistic_conf conf = { .mode = NETFILTER_STATISTIC_NTH, .every = 3, .count = 1 };
	const struct netfilter_match_spec match = { "statistic", &conf };
	char seen[10] = "";
	unsigned int hits = 0;
	struct packet p;

	packet_udp(&p, 0);
	LOAD(NETFILTER_RAW, NETFILTER_PREROUTING, { .matches = &match, .n_matches = 1, .target = DROP });
	for (int i = 0; i < 9; i++)
		strcat(seen, passes_at(nf, NETFILTER_PREROUTING, &p, 1) ? "." : "x");
	assert_string_equal(seen, ".x..x..x.");
	conf = (struct netfilter_statistic_conf){ .mode = NETFILTER_STATISTIC_RANDOM,
		.probability = UINT32_C(1) << 29 };
	random_state = 42;
	LOAD(NETFILTER_RAW, NETFILTER_PREROUTING, { .matches = &match, .n_matches = 1, .target = DROP });
	for (int i = 0; i < 10000; i++)
		hits += !passes_at(nf, NETFILTER_PREROUTING, &p, 1);
	assert_in_range(hits, 2370, 2630); /* a quarter, within three standard deviations */
}

static void
u32(void **state)
{
	/* 0>>22&0x3C@0&0xFFFF=53: the port behind a header of whatever length */
	struct netfilter_u32_conf conf = { .n = 1,
		.tests = { { .n_locations = 5, .n_values = 1, .values = { { 53, 53 } } } } };
	struct netfilter_u32_test *test = &conf.tests[0];
	struct packet p, rest;

	test->locations[1].op = NETFILTER_U32_RIGHT;
	test->locations[1].number = 22;
	test->locations[2].op = NETFILTER_U32_AND;
	test->locations[2].number = 0x3c;
	test->locations[3].op = NETFILTER_U32_AT;
	test->locations[4].op = NETFILTER_U32_AND;
	test->locations[4].number = 0xffff;
	packet_udp(&p, 0);
	assert_true(matches_one(0, "u32", &conf, &p));
	packet_split(&p, &rest, 36); /* within the ports */
	assert_true(matches_one(0, "u32", &conf, &p));
	conf.invert = true;
	packet_udp(&p, 0);
	assert_false(matches_one(0, "u32", &conf, &p));
	conf.invert = false;
	test->values[0].max = 52;
	assert_false(matches_one(0, "u32", &conf, &p));
	/* The last four bytes are there, those one further on are not: no match, and none the other way round. */
	conf = (struct netfilter_u32_conf){ .n = 1,
		.tests = { { .n_locations = 1, .n_values = 1, .values = { { 0, UINT32_MAX } } } } };
	test->locations[0].number = 46;
	assert_true(matches_one(0, "u32", &conf, &p));
	test->locations[0].number = 47;
	assert_false(matches_one(0, "u32", &conf, &p));
	test->locations[0].number = UINT32_MAX;
	assert_false(matches_one(0, "u32", &conf, &p));
	/* The same by an offset that the packet itself gives: twice its first word. */
	test->n_locations = 3;
	test->locations[0].number = 0;
	test->locations[1].op = test->locations[2].op = NETFILTER_U32_AT;
	assert_false(matches_one(0, "u32", &conf, &p));
	test->n_locations = 12;
	assert_int_equal(
		load_at(nf, NETFILTER_RAW, NETFILTER_PREROUTING,
			&(struct netfilter_rule_spec){ .matches = MATCHES({ "u32", &conf }), .n_matches = 1 }, 1, &err),
		-EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_asked_where_nothing_is_loaded, start, end),
		cmocka_unit_test_setup_teardown(rules_and_policies_count_packets_and_bytes, start, end),
		cmocka_unit_test_setup_teardown(
			counters_start_as_told_are_added_to_and_come_back_on_replacement, start, end),
		cmocka_unit_test_setup_teardown(
			what_control_keeps_with_a_table_is_its_own_only_if_it_is_taken, start, end),
		cmocka_unit_test_setup_teardown(jumps_return_and_gotos_do_not, start, end),
		cmocka_unit_test_setup_teardown(chains_that_lead_nowhere_or_in_circles_are_refused, start, end),
		cmocka_unit_test_setup_teardown(jumps_within_jumps_have_a_bound, start, end),
		cmocka_unit_test_setup_teardown(extensions_stand_only_where_linux_lets_them, start, end),
		cmocka_unit_test_setup_teardown(selectors, start, end),
		cmocka_unit_test_setup_teardown(tcp, start, end),
		cmocka_unit_test_setup_teardown(matches_drop_what_hides_its_header, start, end),
		cmocka_unit_test_setup_teardown(udp_and_multiport, start, end),
		cmocka_unit_test_setup_teardown(icmp, start, end),
		cmocka_unit_test_setup_teardown(fields_of_the_header_and_marks, start, end),
		cmocka_unit_test_setup_teardown(limit, start, end),
		cmocka_unit_test_setup_teardown(limit_counts_what_comes_to_it, start, end),
		cmocka_unit_test_setup_teardown(statistic, start, end),
		cmocka_unit_test_setup_teardown(u32, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
