/* SPDX-License-Identifier: BSD-3-Clause */
/* The edges of the fast way, each played the ways of plain_worlds.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <linux/fib_rules.h>

#include "plain_worlds.h"

static struct arrival
arrival_of(const struct datagram_spec *spec)
{
	struct arrival a = { .whole = world_datagram(spec), .segment = 2048 };

	a.bytes = a.whole.bytes;
	return a;
}

/* Plays one frame; returns how many left. All ways agree, so that one is asked. */
static unsigned int
play_one(struct worlds *worlds, const struct arrival *a)
{
	uint64_t before = worlds->r[AS_IS]->counters[ETH1][0].tx_packets;

	play_burst(worlds, ETH0, a, 1, 0, true);
	return (unsigned int)(worlds->r[AS_IS]->counters[ETH1][0].tx_packets - before);
}

/* compare_all looks at the checksums of all that left: those about 0 and 0xffff are what RFC 1624 is about. */
static void
updates_every_checksum(void **state)
{
	struct worlds *worlds = *state;
	static struct arrival arrivals[64];

	for (uint32_t checksum = 0; checksum < 0x10000; checksum += 64) {
		for (uint32_t i = 0; i < 64; i++) {
			arrivals[i] = arrival_of(&(struct datagram_spec){ .payload = 8 });
			want_checksum(&arrivals[i].whole, (uint16_t)(checksum + i));
		}
		play_burst(worlds, ETH0, arrivals, 64, checksum % 63, true);
	}
	assert_int_equal(worlds->fast, 0x10000);
	assert_true(worlds->unread > 0x8000);
}

/* With it packets are looked up by more than their destinations. */
static void
add_rule(struct router *r)
{
	struct rib_rule rule = { .family = AF_INET,
		.action = FR_ACT_TO_TBL,
		.priority = 100,
		.priority_set = true,
		.table = RT_TABLE_MAIN,
		.src = { AF_INET, 16, ip_addr_v4(RTE_BE32(IP(10, 9, 0, 0))) },
		.suppress_prefix_length = -1 };

	assert_int_equal(rib_rule_add(r->rib, &rule, CHANGE_CREATE, NULL), 0);
}

/* One of eight packets does not go as the others. */
static void
play_others(struct worlds *worlds)
{
	const struct datagram_spec others[] = { { .dst = IP(10, 0, 0, 1) }, { .dst = IP(10, 3, 0, 5) },
		{ .dst = IP(10, 0, 0, 77) }, { .dst = IP(10, 66, 0, 1) }, { .dst = IP(10, 1, 0, 77) }, { .ttl = 1 },
		{ .src = IP(10, 1, 0, 1) }, { .payload = 600, .offset = RTE_IPV4_HDR_DF_FLAG },
		{ .payload = 600, .offset = 0 }, { .options_bytes = 4, .options = { 1, 1, 1, 0 } },
		{ .dst = IP(224, 0, 0, 9) } };
	struct arrival arrivals[8];

	worlds->unread = 0;
	for (unsigned int other = 0; other < RTE_DIM(others); other++) {
		for (unsigned int at = 0; at < RTE_DIM(arrivals); at++) {
			for (unsigned int i = 0; i < RTE_DIM(arrivals); i++)
				arrivals[i] =
					arrival_of(i == at ? &others[other] : &(struct datagram_spec){ .tos = 0x10 });
			play_burst(worlds, ETH0, arrivals, RTE_DIM(arrivals), at, true);
		}
	}
	assert_int_equal(worlds->unread, 0);
	arrivals[7] = arrivals[0];
	play_burst(worlds, ETH0, arrivals, RTE_DIM(arrivals), 1, true);
	assert_int_equal(worlds->unread, 8);
}

/* Struct pkt is not filled until somebody does: what has gone straight before it is to be known as well. */
static void
fills_what_somebody_reads(void **state)
{
	struct worlds *worlds = *state;

	for (int way = 0; way < WAYS; way++)
		set_mtu(worlds->r[way], ETH1, 576);
	play_others(worlds);
	for (int way = 0; way < WAYS; way++)
		add_rule(worlds->r[way]);
	play_others(worlds);
}

static void
looks_at_the_time_to_live(void **state)
{
	struct worlds *worlds = *state;

	for (unsigned int ttl = 0; ttl < 256; ttl++) {
		struct arrival a = arrival_of(&(struct datagram_spec){ .ttl = 64 });

		a.whole.data[RTE_ETHER_HDR_LEN + 8] = (uint8_t)ttl;
		mend_checksum(&a.whole);
		assert_int_equal(play_one(worlds, &a), ttl > 1);
	}
}

/* What is cut off is still there in the buffer, where reading a header too early would find it. */
static void
takes_nothing_from_behind_a_frame(void **state)
{
	struct worlds *worlds = *state;
	struct arrival a = arrival_of(&(struct datagram_spec){ .payload = 8 });

	for (a.bytes = 0; a.bytes < a.whole.bytes; a.bytes++)
		assert_int_equal(play_one(worlds, &a), 0);
	assert_int_equal(play_one(worlds, &a), 1);
	assert_int_equal(worlds->fast, 1);
}

static void
cuts_padding_off(void **state)
{
	struct worlds *worlds = *state;
	struct arrival a = arrival_of(&(struct datagram_spec){ .payload = 8 });
	uint16_t bytes = a.whole.bytes;

	for (a.bytes = bytes; a.bytes < 80; a.bytes++) {
		a.whole.bytes = a.bytes;
		assert_int_equal(play_one(worlds, &a), 1); /* sent_ip: as long as it says */
	}
	assert_int_equal(worlds->fast, 80 - bytes);
	memcpy(a.whole.data, worlds->r[AS_IS]->ports[ETH0].mac, 6);
	a.bytes = a.whole.bytes = 200;
	for (a.segment = bytes; a.segment < 200; a.segment++) /* all that counts is in the first buffer */
		assert_int_equal(play_one(worlds, &a), 1);
}

static void
reads_frames_in_pieces(void **state)
{
	struct worlds *worlds = *state;
	struct arrival a = arrival_of(&(struct datagram_spec){ .payload = 100 });

	memcpy(a.whole.data, worlds->r[AS_IS]->ports[ETH0].mac, 6);
	for (a.segment = 1; a.segment <= a.bytes; a.segment++)
		assert_int_equal(play_one(worlds, &a), 1);
}

static void
sees_each_bit_of_the_headers(void **state)
{
	struct worlds *worlds = *state;

	for (uint32_t bit = 0; bit < (RTE_ETHER_HDR_LEN + 28) * 8; bit++) {
		struct arrival a = arrival_of(&(struct datagram_spec){ .payload = 40 });

		memcpy(a.whole.data, worlds->r[AS_IS]->ports[ETH0].mac, 6);
		a.whole.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		play_one(worlds, &a);
		if (bit / 8 >= RTE_ETHER_HDR_LEN)
			mend_checksum(&a.whole);
		play_one(worlds, &a);
	}
}

static void
knows_whose_addresses_are_not_hosts(void **state)
{
	struct worlds *worlds = *state;

	for (uint32_t first = 0; first < 256; first++) {
		uint32_t address = first << 24 | 0x010203;
		bool of_hosts = first != 0 && first != 127 && first < 224;
		struct arrival from = arrival_of(&(struct datagram_spec){ .src = address });
		struct arrival to = arrival_of(&(struct datagram_spec){ .dst = address });

		for (int way = 0; first == 0 && way < WAYS; way++)
			world_ip(worlds->r[way], "add", 0, 0, RTN_UNICAST, ETH1, GATEWAY);
		/* 240/4 is forwarded, as Linux does it since 2.6.25: only the way there is another. */
		assert_int_equal(play_one(worlds, &from), of_hosts || first >= 240);
		assert_int_equal(play_one(worlds, &to), of_hosts || first >= 240);
	}
}

/* The filter's hash is multiplicative and of 11 bits: others share the slot of the router's own address. */
static void
tells_its_own_addresses_from_those_like_them(void **state)
{
	struct worlds *worlds = *state;
	const struct rib_local_filter *filter;
	struct arrival own = arrival_of(&(struct datagram_spec){ .src = STRANGER });
	uint32_t other = IP(172, 16, 0, 2);

	assert_int_equal(play_one(worlds, &own), 1);
	for (int way = 0; way < WAYS; way++)
		set_stranger(worlds->r[way], true);
	assert_int_equal(play_one(worlds, &own), 0);
	filter = rib_local_filter(worlds->r[AS_IS]->rib);
	while (!rib_may_be_local(filter, rte_cpu_to_be_32(other)))
		other++;
	own = arrival_of(&(struct datagram_spec){ .src = other });
	assert_int_equal(play_one(worlds, &own), 1);
}

static void
keeps_to_the_mtu_to_the_byte(void **state)
{
	struct worlds *worlds = *state;

	for (int way = 0; way < WAYS; way++)
		set_mtu(worlds->r[way], ETH1, 576);
	for (uint16_t bytes = 570; bytes < 582; bytes++) {
		struct arrival a = arrival_of(&(struct datagram_spec){ .payload = bytes - 20 });
		struct arrival whole =
			arrival_of(&(struct datagram_spec){ .payload = bytes - 20, .offset = RTE_IPV4_HDR_DF_FLAG });

		assert_int_equal(play_one(worlds, &a), bytes <= 576 ? 1 : 2);
		assert_int_equal(play_one(worlds, &whole), bytes <= 576);
	}
}

static void
expect_priority(struct worlds *worlds, uint16_t dport, uint8_t tos, uint32_t priority)
{
	struct router *r = worlds->r[AS_IS];

	inject_datagram(r, ETH0, &(struct datagram_spec){ .dport = dport, .tos = tos });
	assert_int_equal(r->sent_count, 1);
	assert_int_equal(pkt_of(r->sent[0].m)->flags & PKT_PLAIN, PKT_PLAIN);
	assert_int_equal(pkt_of(r->sent[0].m)->priority, priority);
	world_forget_sent(r);
}

/* Forwarding sets the priority anew: Linux loses what skbedit had set at ingress even if the TOS is 0. */
static void
forgets_the_hooks_priority(void **state)
{
	struct worlds *worlds = *state;

	hook(worlds->r[AS_IS]);
	expect_priority(worlds, 9, 0, 0);
	expect_priority(worlds, 9, 0x10, 6);
	expect_priority(worlds, 11, 0, 0);
}

static void
waits_for_neighbours(void **state)
{
	struct worlds *worlds = *state;
	struct arrival a = arrival_of(&(struct datagram_spec){ .dst = IP(10, 1, 0, 3) });
	static const uint8_t mac[6] = { 0x02, 0xcc, 0, 0, 0, 3 };

	assert_int_equal(play_one(worlds, &a), 1); /* the question */
	for (int way = 0; way < WAYS; way++)
		world_neighbour(worlds->r[way], ETH1, IP(10, 1, 0, 3), mac, NUD_REACHABLE);
	assert_int_equal(worlds->r[AS_IS]->sent_count, 1);
	assert_memory_equal(rte_pktmbuf_mtod(worlds->r[AS_IS]->sent[0].m, uint8_t *), mac, 6);
	compare_all(worlds);
	assert_int_equal(play_one(worlds, &a), 1);
	for (int way = 0; way < WAYS; way++) /* the gateway of a route: the neighbour is at hand with the next hop */
		world_neighbour(worlds->r[way], ETH1, GATEWAY, mac, NUD_PERMANENT);
	a = arrival_of(&(struct datagram_spec){ .id = 1 });
	inject(worlds->r[AS_IS], ETH0, &a.whole);
	assert_memory_equal(rte_pktmbuf_mtod(worlds->r[AS_IS]->sent[0].m, uint8_t *), mac, 6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(updates_every_checksum, plain_setup, plain_teardown),
		cmocka_unit_test_setup_teardown(fills_what_somebody_reads, plain_setup, plain_teardown),
		cmocka_unit_test_setup_teardown(looks_at_the_time_to_live, plain_setup, plain_teardown),
		cmocka_unit_test_setup_teardown(takes_nothing_from_behind_a_frame, plain_setup, plain_teardown),
		cmocka_unit_test_setup_teardown(cuts_padding_off, plain_setup, plain_teardown),
		cmocka_unit_test_setup_teardown(reads_frames_in_pieces, plain_setup, plain_teardown),
		cmocka_unit_test_setup_teardown(sees_each_bit_of_the_headers, plain_setup, plain_teardown),
		cmocka_unit_test_setup_teardown(knows_whose_addresses_are_not_hosts, plain_setup, plain_teardown),
		cmocka_unit_test_setup_teardown(
			tells_its_own_addresses_from_those_like_them, plain_setup, plain_teardown),
		cmocka_unit_test_setup_teardown(keeps_to_the_mtu_to_the_byte, plain_setup, plain_teardown),
		cmocka_unit_test_setup_teardown(forgets_the_hooks_priority, plain_setup, plain_teardown),
		cmocka_unit_test_setup_teardown(waits_for_neighbours, plain_setup, plain_teardown),
	};

	eal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
