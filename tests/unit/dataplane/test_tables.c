/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet filter tables in the path: at which hook which packet is asked, and what becomes of it then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include <weir/netfilter.h>
#include <weir/netfilter/matches.h>
#include <weir/netfilter/targets.h>

#include "eal.h"
#include "world.h"

#define ROUTER IP(10, 0, 0, 1)

static int
setup(void **state)
{
	*state = world_make(false);
	return 0;
}

static int
teardown(void **state)
{
	world_free(*state);
	return 0;
}

/* One rule at a hook of a table, in front of policies that accept. */
static void
rule(struct router *r, enum netfilter_table_id table, enum netfilter_hook hook, const struct netfilter_rule_spec *spec)
{
	struct netfilter_rule_spec rules[NETFILTER_HOOKS + 1] = { *spec };
	struct netfilter_table_spec t = { .table = table, .rules = rules, .n_rules = 1 };
	struct error err = { 0 };

	for (unsigned int h = 0; h < NETFILTER_HOOKS; h++)
		if ((netfilter_table_hooks(table) & 1u << h) != 0) {
			rules[t.n_rules].target.verdict = NETFILTER_ACCEPT;
			t.first[h] = t.policy[h] = t.n_rules++;
		}
	t.first[hook] = 0;
	/* Behind the rule comes the first policy, which says what the hook's own does. */
	if (netfilter_replace(r->netfilter, &t, NULL, &err) != 0)
		fail_msg("%s", err.msg);
}

static uint64_t
count(struct router *r, enum netfilter_table_id table)
{
	struct netfilter_counter counts[NETFILTER_HOOKS + 1];

	netfilter_counters(r->netfilter, table, counts);
	return counts[0].packets;
}

static const struct netfilter_rule_spec drop_udp = { .selector.protocol = IPPROTO_UDP,
	.target.verdict = NETFILTER_DROP };
static const struct netfilter_rule_spec drop_icmp = { .selector.protocol = IPPROTO_ICMP,
	.target.verdict = NETFILTER_DROP };

static void
in_port_is(struct netfilter_rule_spec *spec, const char *in, const char *out)
{
	if (in != NULL) {
		strcpy(spec->selector.in, in);
		memset(spec->selector.in_mask, 255, strlen(in) + 1);
	}
	if (out != NULL) {
		strcpy(spec->selector.out, out);
		memset(spec->selector.out_mask, 255, strlen(out) + 1);
	}
}

/* What comes by port2, is routed, and leaves by port3 passes these; nothing else. */
static void
forwarded_packets_pass_three_hooks(void **state)
{
	struct router *r = *state;
	const struct hook_case {
		enum netfilter_hook hook;
		const char *in, *out;
		bool asked;
	} cases[] = {
		{ NETFILTER_PREROUTING, "port2", NULL, true },
		{ NETFILTER_PREROUTING, NULL, "port3", false },
		{ NETFILTER_INPUT, NULL, NULL, false },
		{ NETFILTER_FORWARD, "port2", "port3", true },
		{ NETFILTER_FORWARD, "port3", "port2", false },
		{ NETFILTER_OUTPUT, NULL, NULL, false },
		{ NETFILTER_POSTROUTING, NULL, "port3", true },
		{ NETFILTER_POSTROUTING, "port2", NULL, false },
	};
	uint64_t dropped = 0;

	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct netfilter_rule_spec spec = drop_udp;

		in_port_is(&spec, cases[i].in, cases[i].out);
		rule(r, NETFILTER_MANGLE, cases[i].hook, &spec);
		world_forget_sent(r);
		inject_datagram(r, ETH0, &(struct datagram_spec){ .id = 1 });
		dropped += cases[i].asked;
		assert_int_equal(r->sent_count, cases[i].asked ? 0 : 1);
		assert_int_equal(count(r, NETFILTER_MANGLE), cases[i].asked ? 1 : 0);
		assert_int_equal(world_drops(r, DROP_NETFILTER), dropped);
	}
}

static void
what_is_for_the_router_passes_input_and_answers_pass_output(void **state)
{
	struct router *r = *state;
	const struct datagram_spec ping = { .dst = ROUTER, .protocol = IPPROTO_ICMP };
	const enum netfilter_hook stops_request[] = { NETFILTER_PREROUTING, NETFILTER_INPUT };
	const enum netfilter_hook stops_answer[] = { NETFILTER_OUTPUT, NETFILTER_POSTROUTING };

	for (unsigned int i = 0; i < 2; i++) {
		rule(r, NETFILTER_MANGLE, stops_request[i], &drop_icmp);
		inject_datagram(r, ETH0, &ping);
		assert_int_equal(r->sent_count, 0);
		assert_int_equal(world_generated(r), 0);
		assert_int_equal(world_drops(r, DROP_NETFILTER), i + 1);
	}
	for (unsigned int i = 0; i < 2; i++) {
		rule(r, NETFILTER_MANGLE, stops_answer[i], &drop_icmp);
		inject_datagram(r, ETH0, &ping);
		assert_int_equal(r->sent_count, 0);
		assert_int_equal(world_generated(r), i + 1);
		assert_int_equal(world_delivered(r), i + 1);
	}
	rule(r, NETFILTER_MANGLE, NETFILTER_FORWARD, &drop_icmp);
	inject_datagram(r, ETH0, &ping);
	assert_int_equal(r->sent_count, 1);
}

static void
fragments_for_the_router_are_asked_about_together(void **state)
{
	struct router *r = *state;
	struct netfilter_rule_spec whole = drop_udp;
	struct netfilter_length_conf length = { 20 + 16 + 8, 20 + 16 + 8 };
	const struct netfilter_match_spec match = { "length", &length };

	whole.matches = &match;
	whole.n_matches = 1;
	rule(r, NETFILTER_FILTER, NETFILTER_INPUT, &whole);
	inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = ROUTER, .id = 7, .offset = 0x2000, .payload = 16 });
	assert_int_equal(count(r, NETFILTER_FILTER), 0);
	inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = ROUTER, .id = 7, .offset = 2, .payload = 8 });
	assert_int_equal(count(r, NETFILTER_FILTER), 1);
	assert_int_equal(world_drops(r, DROP_NETFILTER), 2);
	assert_int_equal(r->sent_count, 0);
}

/* Marks steer: FAR is behind port3, but what is marked 7 leaves by port4. */
static void
mark_7_goes_by_dum0(struct router *r)
{
	struct rib_rule by_mark = { .family = AF_INET,
		.action = FR_ACT_TO_TBL,
		.table = 77,
		.mark = 7,
		.mark_mask = UINT32_MAX,
		.suppress_prefix_length = -1 };
	struct rib_hop hop = { .ifindex = DUM0 };
	struct rib_route route = { .dst = { AF_INET, 0, { { { 0 } } } },
		.table = 77,
		.type = RTN_UNICAST,
		.scope = RT_SCOPE_LINK,
		.hop_count = 1,
		.hops = &hop };

	assert_int_equal(rib_rule_add(r->rib, &by_mark, CHANGE_CREATE | CHANGE_EXCLUSIVE, NULL), 0);
	assert_int_equal(rib_route_add(r->rib, &route, CHANGE_CREATE, NULL), 0);
}

static const struct netfilter_mark_target_conf seven = { 7, UINT32_MAX };

static void
a_mark_before_the_route_steers_it(void **state)
{
	struct router *r = *state;
	struct netfilter_udp_conf port9 = { { 0, 65535 }, { 9, 9 } };
	const struct netfilter_match_spec match = { "udp", &port9 };
	const struct netfilter_rule_spec spec = { .selector.protocol = IPPROTO_UDP,
		.matches = &match,
		.n_matches = 1,
		.target = { NETFILTER_EXTENSION, 0, "MARK", &seven } };
	struct frame frames[3] = { world_datagram(&(struct datagram_spec){ .dport = 10 }),
		world_datagram(&(struct datagram_spec){ .dport = 9 }),
		world_datagram(&(struct datagram_spec){ .dport = 11 }) };

	mark_7_goes_by_dum0(r);
	rule(r, NETFILTER_MANGLE, NETFILTER_PREROUTING, &spec);
	inject_burst(r, ETH0, frames, 3);
	assert_int_equal(r->sent_count, 3);
	sent_ip(r, 0, ETH1);
	sent_ip(r, 1, ETH1);
	sent_ip(r, 2, DUM0);
	assert_int_equal(pkt_of(r->sent[2].m)->mark, 7);
	/* So does a changed header. */
	const struct netfilter_rule_spec tos = { .matches = &match,
		.n_matches = 1,
		.selector.protocol = IPPROTO_UDP,
		.target = { NETFILTER_EXTENSION, 0, "TOS", &(struct netfilter_tos_target_conf){ 0x08, 0xff } } };
	struct rib_rule by_tos = {
		.family = AF_INET, .action = FR_ACT_TO_TBL, .table = 77, .tos = 0x08, .suppress_prefix_length = -1
	};
	assert_int_equal(rib_rule_add(r->rib, &by_tos, CHANGE_CREATE | CHANGE_EXCLUSIVE, NULL), 0);
	rule(r, NETFILTER_MANGLE, NETFILTER_PREROUTING, &tos);
	world_forget_sent(r);
	inject_burst(r, ETH0, frames, 3);
	sent_ip(r, 0, ETH1);
	assert_int_equal(sent_ip(r, 2, DUM0)->type_of_service, 0x08);
	/* In FORWARD it comes too late to. */
	rule(r, NETFILTER_MANGLE, NETFILTER_FORWARD, &spec);
	world_forget_sent(r);
	inject(r, ETH0, &frames[1]);
	sent_ip(r, 0, ETH1);
	assert_int_equal(pkt_of(r->sent[0].m)->mark, 7);
}

/* Behind FORWARD each gets the link header of its own port and next hop, whichever the one before it had. */
static void
asked_packets_leave_by_their_own_ports(void **state)
{
	struct router *r = *state;
	const struct netfilter_rule_spec count_udp = { .selector.protocol = IPPROTO_UDP,
		.target.verdict = NETFILTER_CONTINUE };
	const struct datagram_spec by_eth1 = { .src = IP(10, 3, 0, 9), .dst = FAR };
	const struct datagram_spec by_eth0 = { .src = IP(10, 3, 0, 9), .dst = IP(10, 7, 0, 1) };
	struct frame frames[4] = { world_datagram(&by_eth1), world_datagram(&by_eth0), world_datagram(&by_eth1),
		world_datagram(&by_eth0) };
	unsigned int left[PORTS] = { 0 };

	world_ip(r, "add", IP(10, 7, 0, 0), 16, RTN_UNICAST, ETH0, HOST);
	rule(r, NETFILTER_FILTER, NETFILTER_FORWARD, &count_udp);
	inject_burst(r, DUM0, frames, 4);
	assert_int_equal(r->sent_count, 4);
	assert_int_equal(count(r, NETFILTER_FILTER), 4);
	for (unsigned int i = 0; i < 4; i++) {
		uint32_t ifindex = r->sent[i].ifindex, bytes;
		const uint8_t *frame = sent_frame(r, i, ifindex, &bytes);
		bool far = sent_ip(r, i, ifindex)->dst_addr == RTE_BE32(FAR);

		assert_int_equal(ifindex, far ? ETH1 : ETH0);
		assert_memory_equal(frame, far ? gateway_mac : host_mac, 6);
		assert_memory_equal(frame + 6, r->ports[ifindex].mac, 6);
		left[ifindex]++;
	}
	assert_int_equal(left[ETH0], 2);
	assert_int_equal(left[ETH1], 2);
}

static void
a_mark_on_what_the_router_says_routes_it_anew(void **state)
{
	struct router *r = *state;
	const struct netfilter_rule_spec spec = { .selector.protocol = IPPROTO_ICMP,
		.target = { NETFILTER_EXTENSION, 0, "MARK", &seven } };
	struct netfilter_rule_spec by_port4 = drop_icmp;

	mark_7_goes_by_dum0(r);
	rule(r, NETFILTER_MANGLE, NETFILTER_OUTPUT, &spec);
	inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = ROUTER, .protocol = IPPROTO_ICMP });
	sent_ip(r, 0, DUM0);
	/* filter sees the new way. */
	in_port_is(&by_port4, NULL, "port4");
	rule(r, NETFILTER_FILTER, NETFILTER_OUTPUT, &by_port4);
	inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = ROUTER, .protocol = IPPROTO_ICMP });
	assert_int_equal(r->sent_count, 1);
	assert_int_equal(world_drops(r, DROP_NETFILTER), 1);
}

/* mangle's FORWARD and POSTROUTING come behind the TTL's decrement, and before fragments and classification. */
static void
headers_change_on_the_way(void **state)
{
	struct router *r = *state;
	struct netfilter_ttl_conf ttl_63 = { NETFILTER_TTL_EQ, 63 };
	const struct netfilter_match_spec match = { "ttl", &ttl_63 };
	struct netfilter_ttl_target_conf set = { NETFILTER_TTL_SET, 9 };
	struct netfilter_classify_conf classify = { 0x10020 };
	const struct netfilter_rule_spec ttl = {
		.matches = &match, .n_matches = 1, .target = { NETFILTER_EXTENSION, 0, "TTL", &set }
	};
	const struct netfilter_rule_spec priority = { .target = { NETFILTER_EXTENSION, 0, "CLASSIFY", &classify } };

	rule(r, NETFILTER_MANGLE, NETFILTER_FORWARD, &ttl);
	inject_datagram(r, ETH0, &(struct datagram_spec){ .tos = 0x10 });
	assert_int_equal(sent_ip(r, 0, ETH1)->time_to_live, 9);
	rule(r, NETFILTER_MANGLE, NETFILTER_POSTROUTING, &priority);
	inject_datagram(r, ETH0, &(struct datagram_spec){ .tos = 0x10, .payload = 1400 });
	assert_int_equal(pkt_of(r->sent[1].m)->priority, 0x10020);
	assert_int_equal(count(r, NETFILTER_MANGLE), 1);
	r->ports[ETH0].mtu = 9000;
	inject_datagram(r, ETH0, &(struct datagram_spec){ .payload = 3000 });
	assert_int_equal(r->sent_count, 5);
	assert_int_equal(count(r, NETFILTER_MANGLE), 2);
	assert_int_equal(pkt_of(r->sent[4].m)->priority, 0x10020);
}

static void
reject_answers_the_sender(void **state)
{
	struct router *r = *state;
	struct netfilter_reject_conf unreachable = { .icmp_code = ICMP_PKT_FILTERED }, reset = { .tcp_reset = true };
	const struct netfilter_rule_spec by_icmp = { .selector.protocol = IPPROTO_UDP,
		.target = { NETFILTER_EXTENSION, 0, "REJECT", &unreachable } };
	const struct netfilter_rule_spec by_reset = { .selector.protocol = IPPROTO_TCP,
		.target = { NETFILTER_EXTENSION, 0, "REJECT", &reset } };
	const struct rte_ipv4_hdr *ip;
	const struct rte_tcp_hdr *tcp;
	struct frame bad = world_datagram(&(struct datagram_spec){ .id = 1 });

	rule(r, NETFILTER_FILTER, NETFILTER_FORWARD, &by_icmp);
	inject_datagram(r, ETH0, &(struct datagram_spec){ .id = 1 });
	sent_icmp(r, 0, ETH0, ICMP_DEST_UNREACH, ICMP_PKT_FILTERED);
	bad.data[60] ^= 1; /* whose checksum is wrong nobody can be sure to have sent it */
	inject(r, ETH0, &bad);
	assert_int_equal(r->sent_count, 1);
	bad.data[40] = bad.data[41] = 0; /* none at all is none that is wrong */
	inject(r, ETH0, &bad);
	sent_icmp(r, 1, ETH0, ICMP_DEST_UNREACH, ICMP_PKT_FILTERED);
	world_forget_sent(r);
	assert_int_equal(world_drops(r, DROP_NETFILTER), 3);
	rule(r, NETFILTER_FILTER, NETFILTER_FORWARD, &by_reset);
	inject_datagram(
		r, ETH0, &(struct datagram_spec){ .protocol = IPPROTO_TCP, .sport = 1000, .dport = 80, .payload = 20 });
	ip = sent_ip(r, 0, ETH0);
	tcp = (const struct rte_tcp_hdr *)(const void *)(ip + 1);
	assert_int_equal(ip->src_addr, rte_cpu_to_be_32(FAR));
	assert_int_equal(ip->dst_addr, rte_cpu_to_be_32(HOST));
	assert_int_equal(tcp->tcp_flags, RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG);
	assert_int_equal(tcp->src_port, rte_cpu_to_be_16(80));
	/* Resets are not answered. */
	inject_datagram(r, ETH0,
		&(struct datagram_spec){ .protocol = IPPROTO_TCP,
			.sport = 1000,
			.dport = 80,
			.payload = 20,
			.tcp_flags = RTE_TCP_RST_FLAG });
	assert_int_equal(r->sent_count, 1);
}

static void
log_tells_and_lets_pass(void **state)
{
	struct router *r = *state;
	struct netfilter_log_conf conf = { .level = 4 };
	const struct netfilter_rule_spec spec = { .target = { NETFILTER_EXTENSION, 0, "LOG", &conf } };

	rule(r, NETFILTER_RAW, NETFILTER_PREROUTING, &spec);
	inject_datagram(r, ETH0, &(struct datagram_spec){ .id = 1 });
	assert_int_equal(r->logged, 1);
	assert_int_equal(r->sent_count, 1);
}

static void
a_bad_header_is_dropped_before_any_table(void **state)
{
	struct router *r = *state;
	struct frame f = world_datagram(&(struct datagram_spec){ .id = 1 });

	rule(r, NETFILTER_RAW, NETFILTER_PREROUTING, &drop_udp);
	f.data[24] ^= 1;
	inject(r, ETH0, &f);
	f.data[14] = 0x65;
	inject(r, ETH0, &f);
	assert_int_equal(world_drops(r, DROP_NETFILTER), 0);
	assert_int_equal(count(r, NETFILTER_RAW), 0);
	assert_int_equal(world_drops(r, DROP_IP_CHECKSUM), 1);
	assert_int_equal(world_drops(r, DROP_IP_MALFORMED), 1);
	/* What would have been dropped for its addresses comes to PREROUTING. */
	inject_datagram(r, ETH0, &(struct datagram_spec){ .src = IP(127, 0, 0, 1) });
	assert_int_equal(count(r, NETFILTER_RAW), 1);
}

/* The MTU that a SYN is clamped to is the narrower of both ways'. */
static void
mss_is_clamped_to_the_narrower_way(void **state)
{
	static const uint8_t syn[24] = { 3, 232, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 1, 0, 0, 0, 0, 0, 2, 4, 0x05,
		0xb4 };
	struct router *r = *state;
	struct netfilter_tcp_conf tcp = { { 0, 65535 }, { 0, 65535 }, 0x06, 0x02 };
	const struct netfilter_match_spec match = { "tcp", &tcp };
	struct netfilter_tcpmss_conf clamp = { .clamp = true };
	const struct netfilter_rule_spec spec = { .selector.protocol = IPPROTO_TCP,
		.matches = &match,
		.n_matches = 1,
		.target = { NETFILTER_EXTENSION, 0, "TCPMSS", &clamp } };
	struct rib_link link = { .ifindex = ETH0, .flags = r->ports[ETH0].flags, .mtu = 1400, .name = "port2" };
	struct datagram_spec s = { .protocol = IPPROTO_TCP, .payload = sizeof(syn), .body = syn };
	uint8_t whole[sizeof(syn)];
	struct frame f = world_datagram(&s);
	uint32_t bytes;

	memcpy(whole, f.data + 34, sizeof(whole));
	whole[16] = whole[17] = 0;
	uint16_t sum = rte_ipv4_udptcp_cksum((const struct rte_ipv4_hdr *)(const void *)(f.data + 14), whole);
	memcpy(whole + 16, &sum, 2);
	s.body = whole;
	assert_int_equal(rib_link_set(r->rib, &link, NULL), 0);
	rule(r, NETFILTER_MANGLE, NETFILTER_FORWARD, &spec);
	inject_datagram(r, ETH0, &s);
	sent_ip(r, 0, ETH1); /* whose checksums are looked at */
	assert_memory_equal(
		sent_frame(r, 0, ETH1, &bytes) + 14 + 20 + 20, ((uint8_t[]){ 2, 4, 1360 >> 8, 1360 & 255 }), 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(forwarded_packets_pass_three_hooks, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_for_the_router_passes_input_and_answers_pass_output, setup, teardown),
		cmocka_unit_test_setup_teardown(fragments_for_the_router_are_asked_about_together, setup, teardown),
		cmocka_unit_test_setup_teardown(a_mark_before_the_route_steers_it, setup, teardown),
		cmocka_unit_test_setup_teardown(asked_packets_leave_by_their_own_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(a_mark_on_what_the_router_says_routes_it_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(headers_change_on_the_way, setup, teardown),
		cmocka_unit_test_setup_teardown(reject_answers_the_sender, setup, teardown),
		cmocka_unit_test_setup_teardown(log_tells_and_lets_pass, setup, teardown),
		cmocka_unit_test_setup_teardown(a_bad_header_is_dropped_before_any_table, setup, teardown),
		cmocka_unit_test_setup_teardown(mss_is_clamped_to_the_narrower_way, setup, teardown),
	};

	eal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
