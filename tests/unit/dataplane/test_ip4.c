/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <netinet/ip.h>

#include "eal.h"
#include "world.h"

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

static struct rte_ipv4_hdr *
header(struct frame *f)
{
	return (struct rte_ipv4_hdr *)(f->data + RTE_ETHER_HDR_LEN);
}

static void
fix_checksum(struct frame *f)
{
	header(f)->hdr_checksum = 0;
	header(f)->hdr_checksum = rte_ipv4_cksum(header(f));
}

/* RFC 1812 5.2.2. */
static void
checks_the_header(void **state)
{
	struct router *r = *state;
	const struct frame good = world_datagram(&(struct datagram_spec){ .id = 7 });
	struct frame f;

	f = good;
	header(&f)->version_ihl = 0x65;
	fix_checksum(&f);
	inject(r, ETH0, &f);
	f = good;
	header(&f)->version_ihl = 0x44;
	inject(r, ETH0, &f);
	f = good;
	f.bytes = 14 + 20;
	header(&f)->version_ihl = 0x4f; /* options beyond the frame's end */
	inject(r, ETH0, &f);
	f = good;
	header(&f)->total_length = rte_cpu_to_be_16(19);
	fix_checksum(&f);
	inject(r, ETH0, &f);
	f = good;
	header(&f)->total_length = rte_cpu_to_be_16(121); /* the frame has 120 */
	fix_checksum(&f);
	inject(r, ETH0, &f);
	assert_int_equal(world_drops(r, DROP_IP_MALFORMED), 5);
	f = good;
	header(&f)->hdr_checksum ^= 0x100;
	inject(r, ETH0, &f);
	assert_int_equal(world_drops(r, DROP_IP_CHECKSUM), 1);
	assert_int_equal(r->sent_count, 0);
}

static void
cuts_padding(void **state)
{
	struct router *r = *state;
	struct frame f = world_datagram(&(struct datagram_spec){ .payload = 8 });
	uint32_t bytes;

	f.bytes = 60;
	inject(r, ETH0, &f);
	sent_frame(r, 0, ETH1, &bytes);
	assert_int_equal(bytes, 14 + 28);
}

/* Every TTL and some 65536 checksums: the incremental update must give what a full sum gives (sent_ip compares). */
static void
updates_the_checksum_as_a_full_sum_would(void **state)
{
	struct router *r = *state;

	for (unsigned int i = 0; i < 65536; i += 1) {
		struct frame f = world_datagram(
			&(struct datagram_spec){ .id = (uint16_t)i, .ttl = (uint8_t)(2 + i % 254), .payload = 8 });
		struct rte_ipv4_hdr expected;

		inject(r, ETH0, &f);
		expected = *sent_ip(r, 0, ETH1);
		expected.hdr_checksum = 0;
		assert_int_equal(rte_ipv4_cksum(&expected), sent_ip(r, 0, ETH1)->hdr_checksum);
		world_forget_sent(r);
	}
}

static void
drops_martians(void **state)
{
	struct router *r = *state;
	static const uint32_t sources[] = { IP(127, 0, 0, 1), IP(224, 0, 0, 5), IP(255, 255, 255, 255), IP(0, 0, 0, 1),
		IP(10, 0, 0, 1), IP(10, 1, 0, 1) };
	static const uint32_t destinations[] = { IP(127, 0, 0, 1), IP(0, 1, 2, 3) };

	for (unsigned int i = 0; i < RTE_DIM(sources); i++) {
		inject_datagram(r, ETH0, &(struct datagram_spec){ .src = sources[i] });
		assert_int_equal(world_drops(r, DROP_MARTIAN_SOURCE), i + 1);
	}
	inject_datagram(r, ETH0, &(struct datagram_spec){ .zero_source = true });
	assert_int_equal(world_drops(r, DROP_MARTIAN_SOURCE), RTE_DIM(sources) + 1);
	for (unsigned int i = 0; i < RTE_DIM(destinations); i++) {
		inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = destinations[i] });
		assert_int_equal(world_drops(r, DROP_MARTIAN_DESTINATION), i + 1);
	}
	/* DHCP: to all from nobody yet. Nothing here listens. */
	inject_datagram(r, ETH0,
		&(struct datagram_spec){ .zero_source = true, .dst = IP(255, 255, 255, 255), .broadcast_mac = true });
	assert_int_equal(world_drops(r, DROP_NO_SERVICE), 1);
	/* Class E is unicast for Linux. */
	world_ip(r, "add", IP(240, 0, 0, 0), 4, RTN_UNICAST, ETH1, GATEWAY);
	inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = IP(240, 1, 1, 1) });
	assert_int_equal(r->sent_count, 1);
	r->ports[ETH0].settings.accept_local = 1;
	inject_datagram(r, ETH0, &(struct datagram_spec){ .src = IP(10, 1, 0, 1) });
	assert_int_equal(r->sent_count, 2);
}

static void
drops_and_answers_by_type_of_route(void **state)
{
	struct router *r = *state;
	const struct {
		uint32_t dst;
		enum drop_reason reason;
		int code; /* of the unreachable; -1: silence */
	} cases[] = {
		{ IP(10, 66, 0, 1), DROP_ROUTE_BLACKHOLE, -1 },
		{ IP(10, 67, 0, 1), DROP_ROUTE_UNREACHABLE, ICMP_HOST_UNREACH },
		{ IP(10, 68, 0, 1), DROP_ROUTE_PROHIBIT, ICMP_PKT_FILTERED },
		{ IP(10, 69, 0, 1), DROP_NO_ROUTE, ICMP_NET_UNREACH },
		{ IP(192, 0, 2, 1), DROP_NO_ROUTE, ICMP_NET_UNREACH },
		{ IP(224, 1, 2, 3), DROP_BROADCAST, -1 },
		/* By a rule's word instead of a route's: Linux says net where a route says host. */
		{ IP(10, 70, 0, 1), DROP_ROUTE_UNREACHABLE, ICMP_NET_UNREACH },
	};
	const struct rib_rule rule = {
		.family = AF_INET,
		.action = FR_ACT_UNREACHABLE,
		.dst = { .addr.bytes = { 10, 70 }, .family = AF_INET, .length = 16 },
		.suppress_prefix_length = -1,
	};

	assert_int_equal(rib_rule_add(r->rib, &rule, CHANGE_CREATE, NULL), 0);
	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		uint64_t before = world_drops(r, cases[i].reason);

		inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = cases[i].dst });
		assert_int_equal(world_drops(r, cases[i].reason), before + 1);
		if (cases[i].code >= 0)
			sent_icmp(r, 0, ETH0, ICMP_DEST_UNREACH, (uint8_t)cases[i].code);
		assert_int_equal(r->sent_count, cases[i].code >= 0);
		world_forget_sent(r);
	}
}

static void
does_not_forward_when_told_not_to(void **state)
{
	struct router *r = *state;

	r->ports[ETH0].settings.forwarding = 0;
	inject_datagram(r, ETH0, &(struct datagram_spec){ .id = 1 });
	inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = IP(192, 0, 2, 1) });
	assert_int_equal(world_drops(r, DROP_NOT_FORWARDING), 2);
	assert_int_equal(r->sent_count, 0);
	inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = IP(10, 0, 0, 1), .protocol = IPPROTO_ICMP });
	assert_int_equal(r->sent_count, 1); /* still a host */
}

static void
filters_by_reverse_path(void **state)
{
	struct router *r = *state;
	const struct datagram_spec spoofed = { .src = IP(10, 1, 0, 77), .dst = IP(10, 3, 0, 7) };
	const struct datagram_spec nowhere = { .src = IP(192, 0, 2, 1), .dst = IP(10, 3, 0, 7) };

	inject_datagram(r, ETH0, &spoofed);
	inject_datagram(r, ETH0, &nowhere);
	assert_int_equal(r->sent_count, 2); /* off by default */
	r->all.rp_filter = 2;
	inject_datagram(r, ETH0, &spoofed);
	assert_int_equal(r->sent_count, 3);
	inject_datagram(r, ETH0, &nowhere);
	assert_int_equal(world_drops(r, DROP_RP_FILTER), 1);
	r->all.rp_filter = 0;
	r->ports[ETH0].settings.rp_filter = 1;
	inject_datagram(r, ETH0, &spoofed);
	assert_int_equal(world_drops(r, DROP_RP_FILTER), 2);
	inject_datagram(r, ETH0, &(struct datagram_spec){ .id = 3 });
	assert_int_equal(r->sent_count, 4);
	inject_datagram(r, ETH0, &(struct datagram_spec){ .src = IP(10, 0, 0, 255) });
	assert_int_equal(world_drops(r, DROP_MARTIAN_SOURCE), 1);
}

static void
ends_a_packet_whose_ttl_does(void **state)
{
	struct router *r = *state;
	struct frame f = world_datagram(&(struct datagram_spec){ .ttl = 1, .tos = 0x10 });
	const struct rte_ipv4_hdr *ip, *quoted;

	inject(r, ETH0, &f);
	assert_int_equal(world_drops(r, DROP_TTL_EXCEEDED), 1);
	sent_icmp(r, 0, ETH0, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL);
	ip = sent_ip(r, 0, ETH0);
	assert_int_equal(ip->src_addr, rte_cpu_to_be_32(IP(10, 0, 0, 1)));
	assert_int_equal(ip->dst_addr, rte_cpu_to_be_32(HOST));
	assert_int_equal(ip->type_of_service, 0xd0); /* precedence 6, the TOS asked for */
	assert_int_equal(ip->time_to_live, 64);
	quoted = (const struct rte_ipv4_hdr *)((const uint8_t *)(ip + 1) + 8);
	assert_memory_equal(quoted, f.data + 14, f.bytes - 14u); /* as it came, all of it */
	assert_int_equal(r->counters[ETH0][0].generated, 1);
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

static void
records_its_route_and_time(void **state)
{
	struct router *r = *state;
	struct datagram_spec s = { .options = { IPOPT_RR, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, IPOPT_NOP },
		.options_bytes = 12 };
	const uint8_t *option;

	inject_datagram(r, ETH0, &s);
	option = (const uint8_t *)(sent_ip(r, 0, ETH1) + 1);
	assert_int_equal(option[2], 8);
	assert_memory_equal(option + 3, ((uint8_t[8]){ 10, 1, 0, 1 }), 8);
	s = (struct datagram_spec){ .options = { IPOPT_TS, 12, 5, IPOPT_TS_TSANDADDR }, .options_bytes = 12 };
	inject_datagram(r, ETH0, &s);
	option = (const uint8_t *)(sent_ip(r, 1, ETH1) + 1);
	assert_int_equal(option[2], 13);
	assert_memory_equal(
		option + 4, ((uint8_t[8]){ 10, 1, 0, 1, 0x80, 0, 3, 232 }), 8); /* 1000 ms, not since midnight */
	s.options[2] = 13;
	inject_datagram(r, ETH0, &s); /* full: counted */
	option = (const uint8_t *)(sent_ip(r, 2, ETH1) + 1);
	assert_int_equal(option[3], 0x10 | IPOPT_TS_TSANDADDR);
}

static void
refuses_malformed_options(void **state)
{
	struct router *r = *state;
	static const struct {
		uint8_t bytes[8], n, pointer;
	} cases[] = {
		{ { IPOPT_RR, 1, 4, 0 }, 4, 21 },
		{ { IPOPT_RR, 9, 4, 0 }, 4, 21 },
		{ { IPOPT_RR, 2, 0, 0 }, 4, 21 },
		{ { IPOPT_RR, 7, 3, 0, 0, 0, 0, 0 }, 8, 22 },
		{ { IPOPT_RR, 7, 6, 0, 0, 0, 0, 0 }, 8, 22 },
		{ { IPOPT_NOP, IPOPT_NOP, IPOPT_NOP, 0x94 }, 4, 23 },
		{ { IPOPT_TS, 8, 5, 2, 0, 0, 0, 0 }, 8, 23 },
		{ { IPOPT_TS, 8, 4, 0, 0, 0, 0, 0 }, 8, 22 },
		{ { IPOPT_TS, 3, 5, 0, 0, 0, 0, 0 }, 8, 21 },
		{ { IPOPT_RR, 3, 4, IPOPT_RR, 3, 4 }, 8, 23 },
	};

	r->settings.icmp_ratemask = 0;
	for (unsigned int i = 0; i < RTE_DIM(cases); i++) {
		struct datagram_spec s = { .options_bytes = cases[i].n };

		memcpy(s.options, cases[i].bytes, 8);
		inject_datagram(r, ETH0, &s);
		assert_int_equal(world_drops(r, DROP_IP_OPTIONS), i + 1);
		assert_int_equal(((const uint8_t *)sent_icmp(r, 0, ETH0, ICMP_PARAMETERPROB, 0))[4], cases[i].pointer);
		assert_int_equal(r->sent_count, 1);
		world_forget_sent(r);
	}
}

static void
follows_source_routes_only_where_allowed(void **state)
{
	struct router *r = *state;
	struct datagram_spec s = {
		.dst = IP(10, 0, 0, 1), .options = { IPOPT_LSRR, 7, 4, 10, 2, 0, 5, 0 }, .options_bytes = 8
	};
	const struct rte_ipv4_hdr *ip;

	inject_datagram(r, ETH0, &s);
	assert_int_equal(world_drops(r, DROP_IP_OPTIONS), 1); /* `all` says no */
	assert_int_equal(r->sent_count, 0);
	r->all.accept_source_route = 1;
	inject_datagram(r, ETH0, &s);
	ip = sent_ip(r, 0, ETH1);
	assert_int_equal(ip->dst_addr, rte_cpu_to_be_32(FAR));
	assert_memory_equal(ip + 1, ((uint8_t[7]){ IPOPT_LSRR, 7, 8, 10, 0, 0, 1 }), 7);
	world_forget_sent(r);
	s.options[0] = IPOPT_SSRR; /* the next stop is no neighbour */
	inject_datagram(r, ETH0, &s);
	sent_icmp(r, 0, ETH0, ICMP_DEST_UNREACH, ICMP_SR_FAILED);
	s.dst = FAR; /* and we are no stop of this one */
	world_advance(r, 10 * SECOND);
	inject_datagram(r, ETH0, &s);
	sent_icmp(r, 1, ETH0, ICMP_PARAMETERPROB, 0);
	assert_int_equal(world_drops(r, DROP_IP_OPTIONS), 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(checks_the_header, setup, teardown),
		cmocka_unit_test_setup_teardown(cuts_padding, setup, teardown),
		cmocka_unit_test_setup_teardown(updates_the_checksum_as_a_full_sum_would, setup, teardown),
		cmocka_unit_test_setup_teardown(drops_martians, setup, teardown),
		cmocka_unit_test_setup_teardown(drops_and_answers_by_type_of_route, setup, teardown),
		cmocka_unit_test_setup_teardown(does_not_forward_when_told_not_to, setup, teardown),
		cmocka_unit_test_setup_teardown(filters_by_reverse_path, setup, teardown),
		cmocka_unit_test_setup_teardown(ends_a_packet_whose_ttl_does, setup, teardown),
		cmocka_unit_test_setup_teardown(records_its_route_and_time, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_malformed_options, setup, teardown),
		cmocka_unit_test_setup_teardown(follows_source_routes_only_where_allowed, setup, teardown),
	};

	eal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
