/* SPDX-License-Identifier: BSD-3-Clause */
/* Fragmentation on the way, and reassembly of what is for the router. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <netinet/ip.h>

#include "eal.h"
#include "world.h"

#define DF     RTE_IPV4_HDR_DF_FLAG
#define MF     RTE_IPV4_HDR_MF_FLAG
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

static void
set_mtu(struct router *r, uint32_t ifindex, uint32_t mtu)
{
	struct rib_link link = *rib_link_find(r->rib, ifindex);

	link.mtu = mtu;
	r->ports[ifindex].mtu = mtu;
	assert_int_equal(rib_link_set(r->rib, &link, NULL), 0);
}

/* Puts the pieces that were sent together; checks that each is right by itself. Returns the payload's length. */
static uint32_t
put_together(struct router *r, uint32_t ifindex, uint32_t mtu, uint16_t base, bool more, uint8_t *whole)
{
	uint32_t end = base;

	for (unsigned int i = 0; i < r->sent_count; i++) {
		const struct rte_ipv4_hdr *ip = sent_ip(r, i, ifindex);
		uint16_t place = rte_be_to_cpu_16(ip->fragment_offset);
		uint16_t header = rte_ipv4_hdr_len(ip), total = rte_be_to_cpu_16(ip->total_length);
		bool last = i + 1 == r->sent_count;

		assert_true(total <= mtu);
		assert_int_equal((place & RTE_IPV4_HDR_OFFSET_MASK) * 8u, end);
		assert_int_equal((place & MF) != 0, !last || more);
		assert_true(last || (total - header) % 8 == 0);
		assert_int_equal((pkt_of(r->sent[i].m)->flags & PKT_GENERATED) != 0, i != 0);
		memcpy(whole + (end - base), (const uint8_t *)ip + header, total - header);
		end += total - header;
	}
	return end - base;
}

static void
cuts_what_is_too_long_for_the_next_link(void **state)
{
	struct router *r = *state;
	uint8_t whole[9000];

	for (uint16_t payload = 557; payload <= 1480; payload += 71) {
		for (uint32_t mtu = 28; mtu <= 576; mtu += 137) {
			struct frame f = world_datagram(&(struct datagram_spec){ .payload = payload, .id = 99 });
			unsigned int pieces = (payload + (mtu - 20) / 8 * 8 - 1) / ((mtu - 20) / 8 * 8);
			uint64_t generated = r->counters[ETH1][0].generated;

			set_mtu(r, ETH1, mtu);
			inject(r, ETH0, &f);
			assert_int_equal(r->sent_count, pieces);
			assert_int_equal(r->counters[ETH1][0].generated - generated, pieces - 1);
			assert_int_equal(put_together(r, ETH1, mtu, 0, false, whole), payload);
			assert_memory_equal(whole, f.data + 34, payload);
			world_forget_sent(r);
		}
	}
}

static void
cuts_fragments_again_and_chained_frames(void **state)
{
	struct router *r = *state;
	struct frame f = world_datagram(&(struct datagram_spec){ .payload = 1400, .offset = MF | 50 });
	uint8_t whole[9000];

	set_mtu(r, ETH1, 600);
	inject(r, ETH0, &f);
	assert_int_equal(put_together(r, ETH1, 600, 400, true, whole), 1400);
	assert_memory_equal(whole, f.data + 34, 1400);
	world_forget_sent(r);
	set_mtu(r, ETH0, 9000);
	set_mtu(r, ETH1, 4000); /* the pieces do not fit one buffer either */
	f = world_datagram(&(struct datagram_spec){ .payload = 8900 });
	for (uint16_t segment = 100; segment < 2048; segment += 487) {
		inject_segments(r, ETH0, f.data, f.bytes, segment);
		assert_int_equal(r->sent_count, 3);
		assert_int_equal(put_together(r, ETH1, 4000, 0, false, whole), 8900);
		assert_memory_equal(whole, f.data + 34, 8900);
		world_forget_sent(r);
	}
}

static void
copies_only_the_options_that_ask_for_it(void **state)
{
	struct router *r = *state;
	struct datagram_spec s = { .payload = 1000,
		.options = { IPOPT_RR, 3, 4, 0x94, 4, 0, 0,
			IPOPT_EOL }, /* record route (full) and router alert (to be copied) */
		.options_bytes = 8 };
	uint8_t whole[2000];

	set_mtu(r, ETH1, 500);
	inject_datagram(r, ETH0, &s);
	assert_int_equal(put_together(r, ETH1, 500, 0, false, whole), 1000);
	assert_memory_equal(sent_ip(r, 0, ETH1) + 1, s.options, 8);
	assert_memory_equal(sent_ip(r, 1, ETH1) + 1, ((uint8_t[8]){ 1, 1, 1, 0x94, 4, 0, 0, 0 }), 8);
}

static void
tells_the_mtu_to_those_who_forbid_cutting(void **state)
{
	struct router *r = *state;
	const uint8_t *icmp;

	set_mtu(r, ETH1, 1400);
	for (int i = 0; i < 20; i++) /* no rate limit on these */
		inject_datagram(r, ETH0, &(struct datagram_spec){ .payload = 1381, .offset = DF });
	assert_int_equal(world_drops(r, DROP_MTU_EXCEEDED), 20);
	assert_int_equal(r->sent_count, 20);
	icmp = (const uint8_t *)sent_icmp(r, 19, ETH0, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED);
	assert_memory_equal(icmp + 4, ((uint8_t[4]){ 0, 0, 1400 >> 8, 1400 & 0xff }), 4);
	inject_datagram(r, ETH0, &(struct datagram_spec){ .payload = 1380, .offset = DF });
	assert_int_equal(r->counters[ETH1][0].tx_packets, 1);
}

static void
survives_a_want_of_buffers(void **state)
{
	struct router *r = *state;

	set_mtu(r, ETH1, 500);
	r->no_buffers = true;
	inject_datagram(r, ETH0, &(struct datagram_spec){ .payload = 1400 });
	assert_int_equal(world_drops(r, DROP_FRAGMENT_FAILED), 1);
	inject_datagram(r, ETH0, &(struct datagram_spec){ .ttl = 1 });
	inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = ROUTER, .protocol = IPPROTO_ICMP });
	assert_int_equal(world_drops(r, DROP_NO_BUFFER), 1);
	inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = IP(10, 0, 0, 200) });
	assert_int_equal(r->sent_count, 0);
	r->no_buffers = false;
}

/* ---- reassembly -------------------------------------------------------------------------------------------------- */

/* An echo request of n bytes in pieces of at most step; returns how many. */
static unsigned int
make_ping(struct frame *pieces, uint8_t *message, uint16_t n, uint16_t step, uint16_t id)
{
	struct rte_icmp_hdr *icmp = (struct rte_icmp_hdr *)message;
	unsigned int count = 0;

	for (uint16_t i = 0; i < n; i++)
		message[i] = (uint8_t)(i * 7);
	*icmp = (struct rte_icmp_hdr){ .icmp_type = ICMP_ECHO };
	icmp->icmp_cksum = (uint16_t)~rte_raw_cksum(message, n);
	for (uint16_t at = 0; at < n; at += step) {
		uint16_t take = RTE_MIN(step, (uint16_t)(n - at));

		pieces[count++] = world_datagram(&(struct datagram_spec){ .dst = ROUTER,
			.protocol = IPPROTO_ICMP,
			.id = id,
			.offset = (uint16_t)(at / 8 | (at + take < n ? MF : 0)),
			.payload = take,
			.body = message + at });
	}
	return count;
}

static void
answers_a_ping_that_came_in_pieces(void **state)
{
	struct router *r = *state;
	static uint8_t message[9000], whole[9000];
	struct frame pieces[10];
	unsigned int n = make_ping(pieces, message, 3008, 1480, 5);
	static const int orders[][3] = { { 0, 1, 2 }, { 2, 1, 0 }, { 1, 2, 0 }, { 0, 2, 1 } };

	assert_int_equal(n, 3);
	for (unsigned int i = 0; i < RTE_DIM(orders); i++) {
		inject(r, ETH0, &pieces[orders[i][0]]);
		inject(r, ETH0, &pieces[orders[i][1]]);
		assert_int_equal(world_waiting(r), 2);
		assert_int_equal(r->sent_count, 0);
		inject(r, ETH0, &pieces[orders[i][2]]);
		assert_int_equal(world_waiting(r), 0);
		assert_int_equal(world_delivered(r), 3 * (i + 1));
		assert_int_equal(r->sent_count, 3); /* the answer is as long */
		for (unsigned int k = 0, at = 0; k < 3; k++) {
			const struct rte_ipv4_hdr *ip = sent_ip(r, k, ETH0);
			uint16_t bytes = rte_be_to_cpu_16(ip->total_length) - 20;

			assert_int_equal((rte_be_to_cpu_16(ip->fragment_offset) & 0x1fff) * 8, at);
			memcpy(whole + at, ip + 1, bytes);
			at += bytes;
		}
		assert_int_equal(whole[0], ICMP_ECHOREPLY);
		assert_int_equal(rte_raw_cksum(whole, 3008), 0xffff);
		assert_memory_equal(whole + 8, message + 8, 3000);
		world_forget_sent(r);
	}
}

static void
times_out_what_stays_incomplete(void **state)
{
	struct router *r = *state;
	static uint8_t message[9000];
	struct frame pieces[10];

	make_ping(pieces, message, 3008, 1480, 5);
	inject(r, ETH0, &pieces[1]);
	inject(r, ETH0, &pieces[2]);
	world_advance(r, 29 * SECOND);
	assert_int_equal(world_waiting(r), 2);
	world_advance(r, SECOND);
	assert_int_equal(world_waiting(r), 0);
	assert_int_equal(world_drops(r, DROP_REASSEMBLY_TIMEOUT), 2);
	assert_int_equal(r->sent_count, 0); /* the first was missing */
	inject(r, ETH0, &pieces[0]);
	world_advance(r, 30 * SECOND);
	assert_int_equal(world_drops(r, DROP_REASSEMBLY_TIMEOUT), 3);
	sent_icmp(r, 0, ETH0, ICMP_TIME_EXCEEDED, ICMP_EXC_FRAGTIME);
}

static void
refuses_impossible_fragments(void **state)
{
	struct router *r = *state;
	struct datagram_spec s = { .dst = ROUTER, .payload = 800, .id = 4 };

	s.offset = MF | 0x1fff; /* the ping of death */
	inject_datagram(r, ETH0, &s);
	s.payload = 804; /* not a multiple of 8, and more follow */
	s.offset = MF;
	inject_datagram(r, ETH0, &s);
	s.payload = 1;
	inject_datagram(r, ETH0, &s);
	assert_int_equal(world_drops(r, DROP_FRAGMENT_MALFORMED), 3);
	s.payload = 800;
	inject_datagram(r, ETH0, &s);
	inject_datagram(r, ETH0, &s); /* a repetition hurts nobody */
	assert_int_equal(world_drops(r, DROP_FRAGMENT_MALFORMED), 4);
	assert_int_equal(world_waiting(r), 1);
	s.offset = MF | 50; /* overlaps: the datagram goes */
	inject_datagram(r, ETH0, &s);
	assert_int_equal(world_drops(r, DROP_FRAGMENT_MALFORMED), 6);
	assert_int_equal(world_waiting(r), 0);
	s.offset = 100; /* two ends */
	inject_datagram(r, ETH0, &s);
	s.offset = 300;
	inject_datagram(r, ETH0, &s);
	assert_int_equal(world_drops(r, DROP_FRAGMENT_MALFORMED), 8);
	assert_int_equal(world_waiting(r), 0);
}

static void
holds_only_so_many(void **state)
{
	struct router *r = *state;
	struct datagram_spec s = { .dst = ROUTER, .payload = 8, .offset = MF };

	for (uint16_t id = 0; id < 100; id++) {
		s.id = id;
		inject_datagram(r, ETH0, &s);
	}
	assert_int_equal(world_waiting(r), 64);
	assert_int_equal(world_drops(r, DROP_REASSEMBLY_FULL), 36);
	for (uint16_t i = 1; i < 1000; i++) {
		s.offset = MF | (i * 2);
		inject_datagram(r, ETH0, &s);
	}
	assert_int_equal(world_waiting(r), 512);
	path_reassembly_flush(&r->worker, &r->ports[ETH0], DROP_PORT_DOWN);
	assert_int_equal(world_waiting(r), 0);
	assert_int_equal(world_drops(r, DROP_PORT_DOWN), 512);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(cuts_what_is_too_long_for_the_next_link, setup, teardown),
		cmocka_unit_test_setup_teardown(cuts_fragments_again_and_chained_frames, setup, teardown),
		cmocka_unit_test_setup_teardown(copies_only_the_options_that_ask_for_it, setup, teardown),
		cmocka_unit_test_setup_teardown(tells_the_mtu_to_those_who_forbid_cutting, setup, teardown),
		cmocka_unit_test_setup_teardown(survives_a_want_of_buffers, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_a_ping_that_came_in_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(times_out_what_stays_incomplete, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_impossible_fragments, setup, teardown),
		cmocka_unit_test_setup_teardown(holds_only_so_many, setup, teardown),
	};

	eal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
