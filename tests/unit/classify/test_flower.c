/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>

#include <weir/filter/flower.h>

#include "one_chain.h"

/* Asks for a field's value, all bits. */
#define ASK(conf, field, value)                                                                                        \
	do {                                                                                                           \
		(conf).key.field = (value);                                                                            \
		memset(&(conf).mask.field, 0xff, sizeof((conf).mask.field));                                           \
	} while (0)

static int
add(uint32_t handle, uint32_t classid, struct flower_conf conf)
{
	struct filter_spec spec = { 1, htons(ETH_P_ALL), handle, "flower", &conf, 500 };

	conf.classid = classid;
	return chain_filter_add(chain, &spec, CREATE, NULL, &err);
}

static int
change(uint32_t handle, uint32_t classid, struct flower_conf conf)
{
	struct filter_spec spec = { 1, htons(ETH_P_ALL), handle, "flower", &conf, 500 };

	conf.classid = classid;
	return chain_filter_add(chain, &spec, CHANGE, NULL, &err);
}

static int delete (uint32_t handle)
{
	struct filter_spec spec = { 1, htons(ETH_P_ALL), handle, "flower", NULL, 500 };

	return chain_filter_delete(chain, &spec, NULL, NULL, &err);
}

/* 0: no class. */
static uint32_t
class_of(struct packet *p)
{
	struct verdict v = ask(chain, p);

	return v.action == TC_ACT_OK ? v.classid : 0;
}

static bool
says(struct flower_conf conf, struct packet *p)
{
	bool yes;

	assert_int_equal(add(1, 7, conf), 0);
	yes = class_of(p) == 7;
	assert_int_equal(delete (1), 0);
	return yes;
}

/* The packet has this value there, and does not have it with a bit changed. */
#define assert_asks(packet, field, value)                                                                              \
	do {                                                                                                           \
		struct flower_conf wanted = { 0 };                                                                     \
                                                                                                                       \
		ASK(wanted, field, value);                                                                             \
		assert_true(says(wanted, packet));                                                                     \
		((uint8_t *)&wanted.key.field)[sizeof(wanted.key.field) - 1] ^= 1;                                     \
		assert_false(says(wanted, packet));                                                                    \
		((uint8_t *)&wanted.mask.field)[sizeof(wanted.key.field) - 1] &= 0xfe;                                 \
		assert_true(says(wanted, packet));                                                                     \
	} while (0)

static void
packet_tcp(struct packet *p)
{
	packet_udp(p, 0);
	p->data[23] = IPPROTO_TCP;
	p->data[46] = 0xf5; /* a longest header, NS */
	p->data[47] = 0x12; /* SYN, ACK */
}

static void
knows_the_fields_of_ip(void **state)
{
	struct packet p;

	packet_tcp(&p);
	assert_asks(&p, eth_type, htons(ETH_P_IP));
	assert_asks(&p, source[0], htonl(0x0a000001));
	assert_asks(&p, destination[0], htonl(0x0a000002));
	assert_asks(&p, ip_proto, IPPROTO_TCP);
	assert_asks(&p, tos, 0x10);
	assert_asks(&p, ttl, 64);
	assert_asks(&p, source_port, htons(1000));
	assert_asks(&p, destination_port, htons(53));
	assert_asks(&p, tcp_flags, htons(0x512));
	assert_asks(&p, in_port, 2);
	assert_asks(&p, n_tags, 0);
	p.data[23] = IPPROTO_ICMP;
	p.data[34] = 8;
	p.data[35] = 3;
	assert_asks(&p, icmp_type, 8);
	assert_asks(&p, icmp_code, 3);
	assert_asks(&p, source_port, 0);
}

/* Whatever the addresses are, there are some. */
static void
asks_for_any_address(void **state)
{
	struct flower_conf conf = { .key.ip_flags = FLOWER_HAS_ADDRESSES, .mask.ip_flags = FLOWER_HAS_ADDRESSES };
	struct packet p;

	packet_udp(&p, 0);
	assert_true(says(conf, &p));
	p.data[20] = 0x20; /* a fragment */
	assert_true(says(conf, &p));
	p.mbuf.data_len = p.mbuf.pkt_len = 33;
	assert_false(says(conf, &p));
	packet_udp6(&p);
	assert_true(says(conf, &p));
	p.mbuf.data_len = p.mbuf.pkt_len = 53;
	assert_false(says(conf, &p));
}

static void
knows_macs(void **state)
{
	struct flower_conf conf = { 0 };
	struct packet p;

	packet_udp(&p, 0);
	memcpy(conf.key.to, p.data, 6);
	memset(conf.mask.to, 0xff, 6);
	assert_true(says(conf, &p));
	conf.key.to[5]++;
	assert_false(says(conf, &p));
	memset(&conf, 0, sizeof(conf));
	memcpy(conf.key.from, p.data + 6, 6);
	memset(conf.mask.from, 0xff, 6);
	assert_true(says(conf, &p));
	conf.key.from[0]++;
	assert_false(says(conf, &p));
}

static void
tells_fragments(void **state)
{
	struct flower_conf first = { .key.ip_flags = 3, .mask.ip_flags = 3 },
			   later = { .key.ip_flags = 1, .mask.ip_flags = 3 };
	struct flower_conf whole = { .mask.ip_flags = 1 }, port = { 0 };
	struct packet p;

	ASK(port, destination_port, htons(53));
	packet_udp(&p, 0);
	assert_true(says(whole, &p) && says(port, &p) && !says(first, &p) && !says(later, &p));
	p.data[20] = 0x20;
	assert_true(says(first, &p) && !says(port, &p) && !says(whole, &p) && !says(later, &p));
	p.data[20] = 0;
	p.data[21] = 9;
	assert_true(says(later, &p) && !says(port, &p) && !says(whole, &p) && !says(first, &p));
}

static void
knows_ranges_of_ports(void **state)
{
	struct flower_conf conf = { 0 }, other = { 0 };
	struct packet p;

	packet_udp(&p, 0);
	ASK(conf, ip_proto, IPPROTO_UDP);
	other = conf;
	conf.ports[FLOWER_DESTINATION] = (struct flower_ports){ 50, 53 };
	other.ports[FLOWER_DESTINATION] = (struct flower_ports){ 52, 60 };
	assert_int_equal(add(0, 1, conf), 0);
	assert_int_equal(add(0, 2, other), 0);
	assert_int_equal(add(0, 3, other), -EEXIST);
	assert_int_equal(class_of(&p), 1); /* the older one */
	p.data[37] = 54;
	assert_int_equal(class_of(&p), 2);
	p.data[37] = 61;
	assert_int_equal(class_of(&p), 0);
	p.data[37] = 49;
	assert_int_equal(class_of(&p), 0);
	conf.ports[FLOWER_DESTINATION] = (struct flower_ports){ 0 };
	conf.ports[FLOWER_SOURCE] = (struct flower_ports){ 999, 1001 };
	assert_int_equal(add(0, 4, conf), 0);
	assert_int_equal(class_of(&p), 4);
}

static void
looks_behind_tags(void **state)
{
	static const uint8_t frame[64] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xa8, 0x60, 6, 0x81, 0, 0x40, 7, 8,
		0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 80 };
	struct flower_conf conf = { 0 };
	struct packet p;

	packet_init(&p, frame, sizeof(frame));
	p.pkt.protocol = htons(0x88a8);
	assert_asks(&p, eth_type, htons(ETH_P_IP));
	assert_asks(&p, tag, htons(0x6006));
	assert_asks(&p, tag_type, htons(0x88a8));
	assert_asks(&p, inner_tag, htons(0x4007));
	assert_asks(&p, inner_tag_type, htons(0x8100));
	assert_asks(&p, n_tags, 2);
	assert_asks(&p, source_port, htons(80));
	conf.key.tag = htons(6);
	conf.mask.tag = htons(0xfff);
	assert_true(says(conf, &p));
	conf.key.tag = htons(7);
	assert_false(says(conf, &p));
	p.mbuf.data_len = p.mbuf.pkt_len = 19; /* ends in the inner tag */
	conf.key.tag = htons(6);
	assert_true(says(conf, &p));
}

static void
knows_a_tag_that_the_device_took_off(void **state)
{
	struct packet p;

	packet_udp(&p, 0);
	p.mbuf.ol_flags = RTE_MBUF_F_RX_VLAN_STRIPPED;
	p.pkt.vlan_tci = 0x2005;
	assert_asks(&p, tag, htons(0x2005));
	assert_asks(&p, tag_type, htons(0x8100));
	assert_asks(&p, n_tags, 1);
	assert_asks(&p, destination_port, htons(53));
}

static void
reads_arp(void **state)
{
	static const uint8_t frame[60] = { 255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1,
		2, 0, 0, 0, 0, 1, 1, 2, 3, 4, 9, 8, 7, 6, 5, 4, 10, 0, 0, 2 };
	struct flower_conf conf = { 0 };
	struct packet p;

	packet_init(&p, frame, sizeof(frame));
	p.pkt.protocol = htons(ETH_P_ARP);
	assert_asks(&p, arp_op, 1);
	assert_asks(&p, arp_source, htonl(0x01020304));
	assert_asks(&p, arp_destination, htonl(0x0a000002));
	memcpy(conf.key.arp_to, frame + 32, 6);
	memset(conf.mask.arp_to, 0xff, 6);
	assert_true(says(conf, &p));
	p.data[19] = 5; /* not of Ethernet and IPv4 */
	assert_false(says(conf, &p));
}

static void
passes_extension_headers(void **state)
{
	struct flower_conf conf = { 0 }, fragment = { .key.ip_flags = 3, .mask.ip_flags = 3 };
	struct packet p;

	packet_udp(&p, 0);
	memset(p.data + 12, 0, 100);
	p.data[12] = 0x86;
	p.data[13] = 0xdd;
	p.pkt.protocol = htons(ETH_P_IPV6);
	p.mbuf.data_len = p.mbuf.pkt_len = 78;
	p.data[14] = 0x61;
	p.data[15] = 0x20; /* traffic class 0x12 */
	p.data[20] = 0; /* hop by hop */
	p.data[21] = 9;
	p.data[22] = 0x20;
	p.data[53] = 5;
	p.data[54] = 60; /* destination options, 8 bytes behind 8 */
	p.data[62] = 17;
	p.data[71] = 7;
	assert_asks(&p, tos, 0x12);
	assert_asks(&p, ttl, 9);
	assert_asks(&p, source[0], htonl(0x20000000));
	assert_asks(&p, destination[3], htonl(5));
	assert_asks(&p, ip_proto, IPPROTO_UDP);
	assert_asks(&p, source_port, htons(7));
	p.data[54] = 44; /* a first fragment of UDP */
	assert_asks(&p, ip_proto, IPPROTO_UDP);
	assert_true(says(fragment, &p));
	p.data[65] = 8;
	assert_false(says(fragment, &p));
	p.data[65] = 0;
	p.mbuf.data_len = p.mbuf.pkt_len = 69; /* ends within its header */
	assert_asks(&p, ip_proto, 44);
	assert_false(says(fragment, &p));
	p.mbuf.data_len = p.mbuf.pkt_len = 78;
	p.data[54] = 60;
	p.data[63] = 200; /* longer than the packet */
	ASK(conf, source_port, htons(7));
	assert_false(says(conf, &p));
}

static void
asks_masks_in_their_order(void **state)
{
	struct flower_conf udp = { 0 }, port;
	struct action_spec on = GACT(TC_ACT_UNSPEC);
	struct packet p;

	ASK(udp, ip_proto, IPPROTO_UDP);
	port = udp;
	ASK(port, destination_port, htons(53));
	packet_udp(&p, 0);
	assert_int_equal(add(0, 1, udp), 0);
	assert_int_equal(add(0, 2, port), 0);
	assert_int_equal(class_of(&p), 1);
	assert_int_equal(delete (1), 0);
	assert_int_equal(class_of(&p), 2);
	assert_int_equal(add(0, 1, udp), 0);
	assert_int_equal(class_of(&p), 2);
	assert_int_equal(delete (2), 0);
	/* If its actions say continue no other filter of the group is asked. */
	port.actions = &on;
	port.n_actions = 1;
	assert_int_equal(delete (1), 0);
	assert_filters(chain, "");
	assert_int_equal(add(0, 2, port), 0);
	assert_int_equal(add(0, 1, udp), 0);
	assert_int_equal(class_of(&p), 0);
}

static void
refuses_another_of_the_same(void **state)
{
	struct flower_conf conf = { 0 }, wider = { 0 };
	struct packet p;

	packet_udp(&p, 0);
	ASK(conf, source[0], htonl(0x0a000000));
	conf.mask.source[0] = htonl(0xff000000);
	assert_int_equal(add(7, 1, conf), 0);
	conf.key.source[0] = htonl(0x0a000099); /* the same under the mask */
	assert_int_equal(add(3, 2, conf), -EEXIST);
	conf.key.source[0] = htonl(0x0b000000);
	assert_int_equal(add(3, 2, conf), 0);
	assert_filters(chain, "1/0 1/3 1/7");
	assert_int_equal(change(3, 2, wider), -EINVAL);
	assert_int_equal(class_of(&p), 1);
	conf.key.source[0] = htonl(0x0c000000);
	assert_int_equal(change(7, 5, conf), 0);
	assert_int_equal(class_of(&p), 0);
	conf.key.source[0] = htonl(0x0a000000);
	assert_int_equal(change(3, 6, conf), 0);
	assert_int_equal(class_of(&p), 6);
	assert_int_equal(chain_uses_class(chain, 2), 0);
	assert_int_equal(chain_uses_class(chain, 6), 1);
	assert_int_equal(add_filter(chain, 2, "flower", 1, NULL, CREATE, &err), -EINVAL);
}

static void
finds_each_of_many(void **state)
{
	for (uint32_t i = 0; i < 3000; i++) {
		struct flower_conf conf = { 0 };

		ASK(conf, source[0], htonl(0x0a000000 + i));
		if (i % 3 == 1)
			ASK(conf, ip_proto, IPPROTO_UDP);
		if (i % 3 == 2)
			ASK(conf, destination_port, htons(53));
		assert_int_equal(add(0, i + 1, conf), 0);
	}
	for (uint32_t i = 1; i < 3000; i += 2)
		assert_int_equal(delete (i + 1), 0);
	for (uint32_t i = 0; i < 3000; i++) {
		struct packet p;

		packet_udp(&p, 0);
		p.data[28] = (uint8_t)(i >> 8);
		p.data[29] = (uint8_t)i;
		assert_int_equal(class_of(&p), i % 2 == 0 ? i + 1 : 0);
	}
}

/* Of two sources with one hash only the packet's is meant. */
static void
tells_addresses_of_one_hash_apart(void **state)
{
	const uint64_t source[2] = { 11, 12 }, other[2] = { 13, word_of_one_hash(3, 11, 12, 13) };
	struct flower_conf conf = { 0 };
	struct packet p;

	memset(conf.mask.source, 0xff, sizeof(conf.mask.source));
	conf.mask.destination[0] = 0xffffffff; /* of both the same: 0 */
	memcpy(conf.key.source, source, sizeof(source));
	assert_int_equal(add(0, 1, conf), 0);
	packet_udp6(&p);
	memcpy(p.data + 22, source, sizeof(source));
	assert_int_equal(class_of(&p), 1);
	memcpy(p.data + 22, other, sizeof(other));
	assert_int_equal(class_of(&p), 0);
	memcpy(conf.key.source, other, sizeof(other));
	assert_int_equal(add(0, 2, conf), 0);
	assert_int_equal(class_of(&p), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(knows_the_fields_of_ip, start, end),
		cmocka_unit_test_setup_teardown(knows_macs, start, end),
		cmocka_unit_test_setup_teardown(asks_for_any_address, start, end),
		cmocka_unit_test_setup_teardown(tells_fragments, start, end),
		cmocka_unit_test_setup_teardown(knows_ranges_of_ports, start, end),
		cmocka_unit_test_setup_teardown(looks_behind_tags, start, end),
		cmocka_unit_test_setup_teardown(knows_a_tag_that_the_device_took_off, start, end),
		cmocka_unit_test_setup_teardown(reads_arp, start, end),
		cmocka_unit_test_setup_teardown(passes_extension_headers, start, end),
		cmocka_unit_test_setup_teardown(asks_masks_in_their_order, start, end),
		cmocka_unit_test_setup_teardown(refuses_another_of_the_same, start, end),
		cmocka_unit_test_setup_teardown(tells_addresses_of_one_hash_apart, start, end),
		cmocka_unit_test_setup_teardown(finds_each_of_many, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
