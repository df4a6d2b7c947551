/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <net/ethernet.h>

#include "eal.h"
#include "world.h"

#include <dataplane/path.h>

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

/* Puts a tag behind the MACs. */
static void
tag(struct frame *f, uint16_t type, uint16_t tci)
{
	rte_be16_t words[2] = { rte_cpu_to_be_16(type), rte_cpu_to_be_16(tci) };

	memmove(f->data + 16, f->data + 12, f->bytes - 12u);
	memcpy(f->data + 12, words, 4);
	f->bytes += 4;
}

static void
forwards_a_frame_with_a_new_link_header(void **state)
{
	struct router *r = *state;
	const struct rte_ipv4_hdr *ip;
	uint32_t bytes;

	inject_datagram(r, ETH0, &(struct datagram_spec){ .ttl = 9 });
	assert_memory_equal(sent_frame(r, 0, ETH1, &bytes), gateway_mac, 6);
	ip = sent_ip(r, 0, ETH1);
	assert_int_equal(ip->time_to_live, 8);
	assert_int_equal(ip->dst_addr, rte_cpu_to_be_32(FAR));
	assert_int_equal(r->sent_count, 1);
}

static void
drops_frames_shorter_than_their_header(void **state)
{
	struct router *r = *state;
	struct frame f = world_datagram(&(struct datagram_spec){ .ttl = 9 });

	for (f.bytes = 0; f.bytes < 14; f.bytes++)
		inject(r, ETH0, &f);
	assert_int_equal(world_drops(r, DROP_FRAME_MALFORMED), 14);
	f = world_datagram(&(struct datagram_spec){ .ttl = 9 });
	tag(&f, ETHERTYPE_VLAN, 0);
	for (f.bytes = 14; f.bytes < 18; f.bytes++)
		inject(r, ETH0, &f);
	assert_int_equal(world_drops(r, DROP_FRAME_MALFORMED), 18);
	for (f.bytes = 18; f.bytes < 38; f.bytes++)
		inject(r, ETH0, &f);
	assert_int_equal(world_drops(r, DROP_IP_MALFORMED), 20);
	assert_int_equal(r->sent_count, 0);
}

static void
knows_its_own_address_from_others(void **state)
{
	struct router *r = *state;
	struct frame f = world_datagram(&(struct datagram_spec){ .ttl = 9 });

	memcpy(f.data, gateway_mac, 6);
	inject(r, ETH0, &f);
	assert_int_equal(world_drops(r, DROP_OTHER_HOST), 1);
	memset(f.data, 0xff, 6);
	inject(r, ETH0, &f);
	assert_int_equal(world_drops(r, DROP_BROADCAST), 1); /* unicast IP in a broadcast frame is not forwarded */
	memcpy(f.data, (uint8_t[6]){ 1, 0, 0x5e, 0, 0, 1 }, 6);
	inject(r, ETH0, &f);
	assert_int_equal(world_drops(r, DROP_BROADCAST), 2);
	assert_int_equal(r->counters[ETH0][0].rx_multicast, 1);
	assert_int_equal(r->sent_count, 0);
	r->replay = true;
	memcpy(f.data, gateway_mac, 6);
	inject(r, ETH0, &f);
	assert_int_equal(r->sent_count, 1);
}

static void
strips_priority_tags_and_refuses_vlans(void **state)
{
	struct router *r = *state;
	struct frame f = world_datagram(&(struct datagram_spec){ .ttl = 9 }), plain = f;
	uint32_t bytes;

	tag(&f, ETHERTYPE_VLAN, 5 << 13);
	inject(r, ETH0, &f);
	sent_ip(r, 0, ETH1);
	sent_frame(r, 0, ETH1, &bytes);
	assert_int_equal(bytes, plain.bytes);
	assert_int_equal(pkt_of(r->sent[0].m)->vlan_tci, 0);
	tag(&f, RTE_ETHER_TYPE_QINQ, 0);
	inject(r, ETH0, &f);
	sent_ip(r, 1, ETH1);
	tag(&f, RTE_ETHER_TYPE_QINQ, 0); /* one tag too many */
	inject(r, ETH0, &f);
	assert_int_equal(world_drops(r, DROP_UNKNOWN_VLAN), 1);
	tag(&plain, ETHERTYPE_VLAN, 100);
	inject(r, ETH0, &plain);
	assert_int_equal(world_drops(r, DROP_UNKNOWN_VLAN), 2);
}

static void
refuses_what_it_does_not_speak(void **state)
{
	struct router *r = *state;
	struct frame f = world_datagram(&(struct datagram_spec){ .ttl = 9 });
	static const uint16_t types[] = { ETHERTYPE_IPV6, 0x05dc, 0x0026, 0x88cc, 0x8847, 0xffff };

	for (unsigned int i = 0; i < RTE_DIM(types); i++) {
		f.data[12] = types[i] >> 8;
		f.data[13] = types[i] & 0xff;
		inject(r, ETH0, &f);
	}
	assert_int_equal(world_drops(r, DROP_UNKNOWN_PROTOCOL), RTE_DIM(types));
}

static void
refuses_frames_longer_than_the_mtu(void **state)
{
	struct router *r = *state;

	inject_datagram(r, ETH0, &(struct datagram_spec){ .payload = 1480 });
	inject_datagram(r, ETH0, &(struct datagram_spec){ .payload = 1481 });
	assert_int_equal(r->sent_count, 1);
	assert_int_equal(world_drops(r, DROP_FRAME_OVERSIZE), 1);
}

static void
reads_headers_that_are_spread_over_buffers(void **state)
{
	struct router *r = *state;
	struct frame f = world_datagram(&(struct datagram_spec){ .payload = 700 });

	for (uint16_t segment = 6; segment < 120; segment += 7) {
		uint32_t bytes;
		const uint8_t *frame;

		inject_segments(r, ETH0, f.data, f.bytes, segment);
		assert_int_equal(r->sent_count, 1);
		sent_ip(r, 0, ETH1);
		frame = sent_frame(r, 0, ETH1, &bytes);
		assert_int_equal(bytes, f.bytes);
		assert_memory_equal(frame + 34, f.data + 34, f.bytes - 34u);
		world_forget_sent(r);
	}
}

static void
hashes_flows(void **state)
{
	struct router *r = *state;
	struct frame frames[4] = { world_datagram(&(struct datagram_spec){ .sport = 1 }),
		world_datagram(&(struct datagram_spec){ .sport = 2 }),
		world_datagram(&(struct datagram_spec){ .sport = 1, .payload = 300, .tos = 8 }),
		world_datagram(&(struct datagram_spec){ .sport = 1, .src = IP(10, 0, 0, 8) }) };

	inject_burst(r, ETH0, frames, 4);
	assert_int_equal(r->sent_count, 4);
	assert_int_equal(path_flow_hash(r->sent[0].m), path_flow_hash(r->sent[2].m));
	assert_int_not_equal(path_flow_hash(r->sent[0].m), path_flow_hash(r->sent[1].m));
	assert_int_not_equal(path_flow_hash(r->sent[0].m), path_flow_hash(r->sent[3].m));
	assert_int_equal(pkt_of(r->sent[2].m)->priority, 2); /* tc-prio(8): TOS 8 is bulk */
	assert_int_equal(pkt_of(r->sent[0].m)->priority, 0);
	assert_int_equal(pkt_of(r->sent[0].m)->l4_off, 34);
}

static void
takes_bursts_longer_than_its_own(void **state)
{
	struct router *r = *state;
	struct frame *frames = calloc(100, sizeof(*frames));

	for (uint16_t i = 0; i < 100; i++)
		frames[i] =
			world_datagram(&(struct datagram_spec){ .id = i, .dst = i % 3 == 0 ? IP(10, 3, 0, 7) : FAR });
	inject_burst(r, ETH0, frames, 100);
	assert_int_equal(r->sent_count, 100);
	assert_int_equal(r->counters[DUM0][0].tx_packets, 34);
	for (unsigned int i = 0, last[PORTS] = { 0 }; i < 100; i++) { /* in order on each port */
		uint32_t port = r->sent[i].ifindex;
		unsigned int id = rte_be_to_cpu_16(sent_ip(r, i, port)->packet_id);

		assert_true(id >= last[port]);
		last[port] = id;
	}
	free(frames);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(forwards_a_frame_with_a_new_link_header, setup, teardown),
		cmocka_unit_test_setup_teardown(drops_frames_shorter_than_their_header, setup, teardown),
		cmocka_unit_test_setup_teardown(knows_its_own_address_from_others, setup, teardown),
		cmocka_unit_test_setup_teardown(strips_priority_tags_and_refuses_vlans, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_what_it_does_not_speak, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_frames_longer_than_the_mtu, setup, teardown),
		cmocka_unit_test_setup_teardown(reads_headers_that_are_spread_over_buffers, setup, teardown),
		cmocka_unit_test_setup_teardown(hashes_flows, setup, teardown),
		cmocka_unit_test_setup_teardown(takes_bursts_longer_than_its_own, setup, teardown),
	};

	eal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
