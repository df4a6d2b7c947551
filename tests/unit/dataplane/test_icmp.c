/* SPDX-License-Identifier: BSD-3-Clause */
/* What the router answers: echo, refusals, redirects; when it must not, and how often it may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <netinet/ip.h>

#include "eal.h"
#include "world.h"

#define ROUTER      IP(10, 0, 0, 1)
#define UNREACHABLE IP(10, 67, 0, 1)

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

static void
answers_echo(void **state)
{
	struct router *r = *state;
	struct frame f = world_datagram(&(struct datagram_spec){
		.dst = ROUTER, .protocol = IPPROTO_ICMP, .ttl = 1, .tos = 0x10, .payload = 1000 });
	const struct rte_ipv4_hdr *ip;
	uint32_t bytes;

	inject(r, ETH0, &f);
	ip = sent_ip(r, 0, ETH0);
	sent_icmp(r, 0, ETH0, ICMP_ECHOREPLY, 0);
	assert_memory_equal(sent_frame(r, 0, ETH0, &bytes), host_mac, 6);
	assert_int_equal(ip->src_addr, rte_cpu_to_be_32(ROUTER));
	assert_int_equal(ip->dst_addr, rte_cpu_to_be_32(HOST));
	assert_int_equal(ip->time_to_live, 64);
	assert_int_equal(ip->type_of_service, 0x10);
	assert_int_equal(ip->fragment_offset, 0);
	assert_memory_equal((const uint8_t *)(ip + 1) + 4, f.data + 14 + 20 + 4, 996);
	assert_int_equal(world_delivered(r), 1);
	assert_int_equal(r->counters[ETH0][0].generated, 1);
	/* By another of its addresses too. */
	inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = IP(10, 1, 0, 1), .protocol = IPPROTO_ICMP });
	assert_int_equal(sent_ip(r, 1, ETH0)->src_addr, rte_cpu_to_be_32(IP(10, 1, 0, 1)));
}

static void
echoes_a_recorded_route(void **state)
{
	struct router *r = *state;
	struct datagram_spec s = { .dst = ROUTER,
		.protocol = IPPROTO_ICMP,
		.options = { IPOPT_RR, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, IPOPT_EOL },
		.options_bytes = 12 };
	const struct rte_ipv4_hdr *ip;

	inject_datagram(r, ETH0, &s);
	sent_icmp(r, 0, ETH0, ICMP_ECHOREPLY, 0);
	ip = sent_ip(r, 0, ETH0);
	assert_int_equal(ip->ihl, 8);
	assert_memory_equal(ip + 1, ((uint8_t[8]){ IPOPT_RR, 11, 8, 10, 0, 0, 1, 0 }), 8);
}

static void
keeps_quiet_when_told_to(void **state)
{
	struct router *r = *state;
	const struct datagram_spec to_all = {
		.dst = IP(10, 0, 0, 255), .protocol = IPPROTO_ICMP, .broadcast_mac = true
	};

	r->settings.icmp_echo_ignore_all = 1;
	inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = ROUTER, .protocol = IPPROTO_ICMP });
	assert_int_equal(r->sent_count, 0);
	r->settings.icmp_echo_ignore_all = 0;
	inject_datagram(r, ETH0, &to_all);
	inject_datagram(r, ETH0,
		&(struct datagram_spec){ .dst = IP(224, 0, 0, 1), .protocol = IPPROTO_ICMP, .broadcast_mac = true });
	assert_int_equal(r->sent_count, 0);
	assert_int_equal(world_drops(r, DROP_NO_SERVICE), 3);
	r->settings.icmp_echo_ignore_broadcasts = 0;
	inject_datagram(r, ETH0, &to_all);
	sent_icmp(r, 0, ETH0, ICMP_ECHOREPLY, 0);
	assert_int_equal(sent_ip(r, 0, ETH0)->src_addr, rte_cpu_to_be_32(ROUTER));
}

static void
checks_messages_for_itself(void **state)
{
	struct router *r = *state;
	struct frame f = world_datagram(&(struct datagram_spec){ .dst = ROUTER, .protocol = IPPROTO_ICMP });
	uint8_t error[8] = { ICMP_DEST_UNREACH, ICMP_HOST_UNREACH };

	f.data[60] ^= 1;
	inject(r, ETH0, &f);
	inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = ROUTER, .protocol = IPPROTO_ICMP, .payload = 7 });
	assert_int_equal(world_drops(r, DROP_ICMP_MALFORMED), 2);
	*(uint16_t *)(error + 2) = (uint16_t)~rte_raw_cksum(error, 8);
	inject_datagram(r, ETH0,
		&(struct datagram_spec){ .dst = ROUTER, .protocol = IPPROTO_ICMP, .payload = 8, .body = error });
	assert_int_equal(world_delivered(r), 1);
	assert_int_equal(r->sent_count, 0);
}

static void
refuses_udp_and_unknown_protocols(void **state)
{
	struct router *r = *state;
	struct frame f = world_datagram(&(struct datagram_spec){ .dst = ROUTER });

	inject(r, ETH0, &f);
	sent_icmp(r, 0, ETH0, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH);
	assert_int_equal(sent_ip(r, 0, ETH0)->src_addr, rte_cpu_to_be_32(ROUTER));
	inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = IP(10, 1, 0, 1), .protocol = 89 });
	sent_icmp(r, 1, ETH0, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH);
	assert_int_equal(sent_ip(r, 1, ETH0)->src_addr, rte_cpu_to_be_32(IP(10, 1, 0, 1)));
	f.data[70] ^= 1; /* a wrong UDP checksum is nobody's business */
	inject(r, ETH0, &f);
	inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = ROUTER, .protocol = IPPROTO_IGMP });
	inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = IP(10, 0, 0, 255), .broadcast_mac = true });
	assert_int_equal(r->sent_count, 2);
	assert_int_equal(world_drops(r, DROP_NO_SERVICE), 5);
}

static void
resets_tcp(void **state)
{
	struct router *r = *state;
	struct datagram_spec s = { .dst = ROUTER, .protocol = IPPROTO_TCP, .payload = 20, .sport = 4000, .dport = 22 };
	const struct rte_tcp_hdr *tcp;
	const struct rte_ipv4_hdr *ip;

	inject_datagram(r, ETH0, &s);
	ip = sent_ip(r, 0, ETH0);
	tcp = (const struct rte_tcp_hdr *)(ip + 1);
	assert_int_equal(rte_ipv4_udptcp_cksum_verify(ip, tcp), 0);
	assert_int_equal(tcp->tcp_flags, RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG);
	assert_int_equal(tcp->sent_seq, 0);
	assert_int_equal(rte_be_to_cpu_32(tcp->recv_ack), 1001); /* SYN counts as one */
	assert_int_equal(rte_be_to_cpu_16(tcp->src_port), 22);
	assert_int_equal(rte_be_to_cpu_16(tcp->dst_port), 4000);
	s.payload = 30;
	s.tcp_flags = RTE_TCP_ACK_FLAG;
	inject_datagram(r, ETH0, &s);
	tcp = (const struct rte_tcp_hdr *)(sent_ip(r, 1, ETH0) + 1);
	assert_int_equal(tcp->tcp_flags, RTE_TCP_RST_FLAG);
	assert_int_equal(rte_be_to_cpu_32(tcp->sent_seq), 7000);
	s.tcp_flags = RTE_TCP_RST_FLAG;
	inject_datagram(r, ETH0, &s);
	s.payload = 19;
	inject_datagram(r, ETH0, &s);
	assert_int_equal(r->sent_count, 2);
	assert_int_equal(world_drops(r, DROP_NO_SERVICE), 4);
}

/* RFC 1122 3.2.2, RFC 1812 4.3.2.7. */
static void
never_answers_where_it_must_not(void **state)
{
	struct router *r = *state;
	static const uint8_t errors[] = { ICMP_DEST_UNREACH, ICMP_SOURCE_QUENCH, ICMP_REDIRECT, ICMP_TIME_EXCEEDED,
		ICMP_PARAMETERPROB, 200 };
	uint8_t body[8] = { 0 };

	for (unsigned int i = 0; i < RTE_DIM(errors); i++) {
		body[0] = errors[i];
		inject_datagram(r, ETH0,
			&(struct datagram_spec){
				.dst = UNREACHABLE, .protocol = IPPROTO_ICMP, .payload = 8, .body = body });
	}
	inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = UNREACHABLE, .protocol = IPPROTO_ICMP, .payload = 1 });
	inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = UNREACHABLE, .offset = 100 }); /* a later fragment */
	inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = UNREACHABLE, .broadcast_mac = true });
	assert_int_equal(r->sent_count, 0);
	inject_datagram(r, ETH0,
		&(struct datagram_spec){ .dst = UNREACHABLE, .protocol = IPPROTO_ICMP }); /* an echo request: yes */
	assert_int_equal(r->sent_count, 1);
}

static void
quotes_what_fits_576_bytes(void **state)
{
	struct router *r = *state;
	struct frame f = world_datagram(&(struct datagram_spec){ .dst = UNREACHABLE, .payload = 1400 });
	const struct rte_ipv4_hdr *ip;

	inject_segments(r, ETH0, f.data, f.bytes, 300);
	ip = sent_ip(r, 0, ETH0);
	sent_icmp(r, 0, ETH0, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH);
	assert_int_equal(rte_be_to_cpu_16(ip->total_length), 576);
	assert_memory_equal((const uint8_t *)ip + 28, f.data + 14, 548);
}

static void
limits_its_errors(void **state)
{
	struct router *r = *state;

	/* To one destination: six at once, then one a second (icmp_ratelimit). */
	for (int i = 0; i < 20; i++)
		inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = UNREACHABLE });
	assert_int_equal(r->sent_count, 6);
	world_advance(r, 3500 * MS);
	for (int i = 0; i < 20; i++)
		inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = UNREACHABLE });
	assert_int_equal(r->sent_count, 9);
	world_forget_sent(r);
	/* To all: icmp_msgs_burst at once, then icmp_msgs_per_sec. */
	world_advance(r, 10 * SECOND);
	for (uint32_t i = 0; i < 200; i++)
		inject_datagram(r, ETH0, &(struct datagram_spec){ .src = IP(10, 2, 7, 0) + i, .dst = UNREACHABLE });
	assert_int_equal(r->sent_count, 50);
	world_advance(r, 20 * MS);
	for (uint32_t i = 0; i < 200; i++)
		inject_datagram(r, ETH0, &(struct datagram_spec){ .src = IP(10, 2, 8, 0) + i, .dst = UNREACHABLE });
	assert_int_equal(r->sent_count, 70);
	/* What the mask does not name is free. */
	r->settings.icmp_ratemask = 0;
	for (int i = 0; i < 100; i++)
		inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = UNREACHABLE });
	assert_int_equal(r->sent_count, 170);
}

static void
redirects_to_a_better_first_hop(void **state)
{
	struct router *r = *state;
	const struct datagram_spec s = { .dst = IP(172, 16, 0, 1) };

	world_ip(r, "add", IP(172, 16, 0, 0), 16, RTN_UNICAST, ETH0, IP(10, 0, 0, 33));
	world_neighbour(r, ETH0, IP(10, 0, 0, 33), gateway_mac, NUD_PERMANENT);
	inject_datagram(r, ETH0, &s);
	assert_int_equal(r->sent_count, 2); /* it is forwarded all the same */
	assert_memory_equal((const uint8_t *)sent_icmp(r, 0, ETH0, ICMP_REDIRECT, ICMP_REDIR_HOST) + 4,
		((uint8_t[4]){ 10, 0, 0, 33 }), 4);
	assert_int_equal(sent_ip(r, 1, ETH0)->dst_addr, rte_cpu_to_be_32(s.dst));
	world_forget_sent(r);
	inject_datagram(r, ETH0, &s); /* not again at once */
	assert_int_equal(r->sent_count, 1);
	for (int i = 0; i < 2000; i++) {
		world_advance(r, 10 * MS);
		inject_datagram(r, ETH0, &s);
	}
	assert_int_equal(r->sent_count, 2001 + 8); /* nine in all, then it is given up */
	world_forget_sent(r);
	world_advance(r, 21 * SECOND);
	inject_datagram(r, ETH0, &s);
	assert_int_equal(r->sent_count, 2);
	world_forget_sent(r);
	/* A source that is not on the link cannot use the hint; and the setting rules. */
	inject_datagram(r, ETH0, &(struct datagram_spec){ .src = IP(172, 16, 9, 9), .dst = s.dst });
	r->all.send_redirects = r->ports[ETH0].settings.send_redirects = 0;
	inject_datagram(r, ETH0, &(struct datagram_spec){ .src = IP(10, 0, 0, 44), .dst = s.dst });
	assert_int_equal(r->sent_count, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_echo, setup, teardown),
		cmocka_unit_test_setup_teardown(echoes_a_recorded_route, setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_quiet_when_told_to, setup, teardown),
		cmocka_unit_test_setup_teardown(checks_messages_for_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_udp_and_unknown_protocols, setup, teardown),
		cmocka_unit_test_setup_teardown(resets_tcp, setup, teardown),
		cmocka_unit_test_setup_teardown(never_answers_where_it_must_not, setup, teardown),
		cmocka_unit_test_setup_teardown(quotes_what_fits_576_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(limits_its_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(redirects_to_a_better_first_hop, setup, teardown),
	};

	eal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
