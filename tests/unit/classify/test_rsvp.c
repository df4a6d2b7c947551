/* SPDX-License-Identifier: BSD-3-Clause */
#include <netinet/in.h>

#include <weir/filter/rsvp.h>

#include "one_chain.h"

/* Expected answers are those that Linux 5.10 gave to the same filters and packets, where it could be asked. */

#define HOST(last) htonl(0x0a000000 | (last))
#define UDP        17

/* The destination's port as tc sends it, and the source's. */
static struct rsvp_port
to_port(uint16_t port)
{
	return (struct rsvp_port){ htonl(port), htonl(0xffff), 0 };
}

static struct rsvp_port
from_port(uint16_t port)
{
	return (struct rsvp_port){ htonl((uint32_t)port << 16), htonl(0xffff0000), 0 };
}

static struct rsvp_conf
session(uint32_t host, uint16_t port, uint32_t classid)
{
	struct rsvp_conf conf = {
		.has_session = true, .session = { host }, .has_classid = true, .classid = classid, .pinfo.protocol = UDP
	};

	if (port != 0)
		conf.pinfo.session = to_port(port);
	return conf;
}

static struct rsvp_conf
with_sender(struct rsvp_conf conf, uint32_t host, uint16_t port)
{
	conf.has_sender = true;
	conf.sender[0] = host;
	if (port != 0)
		conf.pinfo.sender = from_port(port);
	return conf;
}

static int
add_conf(struct rsvp_conf conf)
{
	return add_filter(chain, 1, "rsvp", 0, &conf, CREATE, &err);
}

/* 10.0.0.1:1000 -> 10.0.0.2:port. 0: no class. */
static uint32_t
class_of_port(uint16_t port)
{
	struct packet p;
	struct verdict v;

	packet_udp(&p, 0);
	p.data[36] = (uint8_t)(port >> 8);
	p.data[37] = (uint8_t)port;
	v = ask(chain, &p);
	return v.action == TC_ACT_OK ? v.classid : 0;
}

static void
takes_the_most_particular_first(void **state)
{
	assert_int_equal(add_conf(session(HOST(2), 0, 1)), 0);
	assert_int_equal(add_conf(session(HOST(2), 80, 2)), 0);
	assert_int_equal(add_conf(with_sender(session(HOST(2), 80, 3), HOST(1), 0)), 0);
	assert_int_equal(add_conf(with_sender(session(HOST(2), 80, 4), HOST(1), 1000)), 0);
	assert_int_equal(add_conf(with_sender(session(HOST(2), 81, 5), HOST(3), 0)), 0);
	assert_filters(chain, "1/0 1/40b19 1/30b19 1/21019 1/50919 1/11019");
	assert_int_equal(class_of_port(80), 4);
	assert_int_equal(
		class_of_port(81), 0); /* the session is found, its sender is another; no other session is asked */
	assert_int_equal(class_of_port(82), 1);
}

static void
keeps_the_order_of_equals(void **state)
{
	assert_int_equal(add_conf(with_sender(session(HOST(2), 80, 4), HOST(1), 1000)), 0);
	assert_int_equal(add_conf(with_sender(session(HOST(2), 80, 3), HOST(1), 0)), 0);
	assert_int_equal(add_conf(session(HOST(2), 80, 2)), 0);
	assert_int_equal(add_conf(session(HOST(2), 0, 1)), 0);
	assert_int_equal(add_conf(session(HOST(2), 0, 6)), 0);
	assert_int_equal(add_conf(with_sender(session(HOST(2), 80, 7), HOST(1), 1000)), 0);
	assert_int_equal(add_conf(session(HOST(2), 82, 8)), 0);
	assert_filters(chain, "1/0 1/10b19 1/60b19 1/20b19 1/31019 1/71019 1/41019 1/51019");
	assert_int_equal(class_of_port(80), 4);
	assert_int_equal(class_of_port(81), 1);
	assert_int_equal(class_of_port(82), 8);
	assert_int_equal(delete_filter(chain, 1, "rsvp", 0x10b19, &err), 0);
	assert_int_equal(class_of_port(80), 7);
	assert_int_equal(delete_filter(chain, 1, "rsvp", 0x60b19, &err), 0);
	assert_int_equal(class_of_port(80), 3);
	assert_int_equal(delete_filter(chain, 1, "rsvp", 0x20b19, &err), 0);
	assert_int_equal(class_of_port(80), 2);
	assert_int_equal(delete_filter(chain, 1, "rsvp", 0x31019, &err), 0);
	assert_int_equal(class_of_port(80), 1); /* the session of port 80 went with its last filter */
	assert_filters(chain, "1/0 1/71019 1/41019 1/51019");
	assert_int_equal(delete_filter(chain, 1, "rsvp", 0x71019, &err), 0);
	assert_int_equal(delete_filter(chain, 1, "rsvp", 0x41019, &err), 0);
	assert_int_equal(delete_filter(chain, 1, "rsvp", 0x41019, &err), -ENOENT);
	assert_int_equal(delete_filter(chain, 1, "rsvp", 0x51019, &err), 0);
	assert_filters(chain, "");
}

static void
compares_ports_of_any_form(void **state)
{
	struct rsvp_conf spi = session(HOST(2), 0, 1), far = session(HOST(2), 0, 2), before = session(HOST(2), 0, 3);

	spi.pinfo.session = (struct rsvp_port){ htonl(0x03e80035), 0xffffffff, 0 };
	far.pinfo.session = (struct rsvp_port){ 0, 0xffffffff, 28 }; /* two bytes past the frame */
	before.pinfo.session = (struct rsvp_port){ htonl(0x0a000001), 0xffffffff, -8 }; /* the source's address */
	assert_int_equal(add_conf(spi), 0);
	assert_int_equal(class_of_port(53), 1);
	assert_int_equal(class_of_port(54), 0);
	assert_int_equal(delete_filter(chain, 1, "rsvp", 0, &err), 0);
	assert_int_equal(add_conf(far), 0);
	assert_int_equal(class_of_port(53), 0);
	assert_int_equal(delete_filter(chain, 1, "rsvp", 0, &err), 0);
	assert_int_equal(add_conf(before), 0);
	assert_int_equal(class_of_port(53), 3);
}

static void
knows_protocols_hosts_and_fragments_apart(void **state)
{
	struct rsvp_conf tcp = session(HOST(2), 0, 1), none = session(HOST(2), 0, 1);
	struct packet p;

	tcp.pinfo.protocol = 6;
	none.pinfo.protocol = 0;
	assert_int_equal(add_conf(tcp), 0);
	assert_int_equal(add_conf(none), 0);
	assert_int_equal(add_conf(session(HOST(3), 0, 1)), 0);
	assert_int_equal(class_of_port(53), 0);
	assert_int_equal(add_conf(session(HOST(2), 0, 2)), 0);
	assert_int_equal(class_of_port(53), 2);
	packet_udp(&p, 0);
	p.data[20] = 0x20; /* more fragments */
	assert_int_equal(ask(chain, &p).action, TC_ACT_UNSPEC);
	packet_udp(&p, 0);
	p.mbuf.data_len = p.mbuf.pkt_len = 33;
	assert_int_equal(ask(chain, &p).action, TC_ACT_UNSPEC);
}

/* 10.0.0.1 -> 10.0.0.2, and within 7.7.7.7:55 -> 8.8.8.8:66. */
static void
packet_in_tunnel(struct packet *p)
{
	static const uint8_t frame[] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 48, 0, 0, 0, 0, 64, 4, 0,
		0, 10, 0, 0, 1, 10, 0, 0, 2, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 7, 7, 7, 7, 8, 8, 8, 8, 0, 55, 0,
		66, 0, 8, 0, 0 };

	packet_init(p, frame, sizeof(frame));
}

static struct rsvp_conf
tunnel(uint32_t host, uint32_t number, uint8_t header)
{
	struct rsvp_conf conf = session(host, 0, number);

	conf.pinfo.protocol = 4;
	conf.pinfo.tunnelhdr = header;
	return conf;
}

static void
looks_into_tunnels(void **state)
{
	struct rsvp_conf inside = session(htonl(0x08080808), 66, 2);
	struct action_spec on = GACT(TC_ACT_UNSPEC);
	struct rsvp_conf passed = tunnel(HOST(2), 5, 20);
	struct packet p;

	packet_in_tunnel(&p);
	assert_int_equal(add_conf(inside), 0);
	assert_int_equal(ask(chain, &p).action, TC_ACT_UNSPEC); /* not by itself */
	inside.pinfo.tunnelid = 5;
	inside.classid = 3;
	assert_int_equal(add_conf(inside), 0);
	assert_int_equal(add_conf(tunnel(HOST(2), 5, 20)), 0);
	assert_int_equal(ask(chain, &p).classid, 3);
	assert_int_equal(delete_filter(chain, 1, "rsvp", 0, &err), 0);
	/* An action that says continue does not go in. */
	passed.actions = &on;
	passed.n_actions = 1;
	assert_int_equal(add_conf(inside), 0);
	assert_int_equal(add_conf(passed), 0);
	passed = tunnel(HOST(2), 9, 0);
	assert_int_equal(add_conf(passed), 0);
	assert_int_equal(ask(chain, &p).classid, 9);
}

static void
numbers_tunnels(void **state)
{
	struct rsvp_conf round = tunnel(HOST(2), 0, 0);
	struct packet p;

	assert_int_equal(add_conf(tunnel(HOST(2), 256, 20)), -EINVAL);
	assert_int_equal(add_conf(tunnel(HOST(3), 1, 20)), 0);
	assert_int_equal(add_conf(tunnel(HOST(2), 0, 20)), 0); /* 2: it is the first that is free */
	packet_in_tunnel(&p);
	round = session(htonl(0x08080808), 0, 7);
	round.pinfo.tunnelid = 2;
	assert_int_equal(add_conf(round), 0);
	assert_int_equal(ask(chain, &p).classid, 7);
}

static void
ends_where_a_tunnel_leads_into_itself(void **state)
{
	/* The header "inside" ends where the outer one does: it is the same header again. */
	struct rsvp_conf round = tunnel(HOST(2), 1, 0), again;
	struct packet p;

	round.pinfo.tunnelhdr = 20;
	again = round;
	again.pinfo.tunnelid = 1;
	again.session[0] = htonl(0x08080808);
	again.pinfo.protocol = UDP;
	assert_int_equal(add_conf(round), 0);
	assert_int_equal(add_conf(again), 0);
	packet_in_tunnel(&p);
	assert_int_equal(ask(chain, &p).action, TC_ACT_UNSPEC);
}

static void
goes_on_within_its_session_only(void **state)
{
	struct action_spec on = GACT(TC_ACT_UNSPEC);
	struct rsvp_conf first = session(HOST(2), 80, 1);

	first.actions = &on;
	first.n_actions = 1;
	assert_int_equal(add_conf(first), 0);
	assert_int_equal(add_conf(session(HOST(2), 0, 2)), 0);
	assert_int_equal(class_of_port(80), 0);
	assert_int_equal(add_conf(session(HOST(2), 80, 3)), 0);
	assert_int_equal(class_of_port(80), 3);
}

static void
changes_class_and_actions_only(void **state)
{
	struct rsvp_conf conf = with_sender(session(HOST(9), 0, 5), HOST(8), 0),
			 alone = { .has_classid = true, .classid = 6 };
	struct action_spec drop = GACT(TC_ACT_SHOT);

	assert_int_equal(add_conf(with_sender(session(HOST(2), 53, 1), HOST(1), 0)), 0);
	assert_int_equal(add_conf(session(HOST(2), 54, 2)), 0);
	assert_int_equal(add_filter(chain, 1, "rsvp", 0x10b19, &conf, CHANGE, &err), 0);
	assert_int_equal(class_of_port(53), 5);
	assert_int_equal(add_filter(chain, 1, "rsvp", 0x21019, &alone, CHANGE, &err), 0);
	assert_int_equal(class_of_port(54), 6);
	assert_filters(chain, "1/0 1/10b19 1/21019");
	alone = (struct rsvp_conf){ .actions = &drop, .n_actions = 1 };
	assert_int_equal(add_filter(chain, 1, "rsvp", 0x21019, &alone, CHANGE, &err), 0);
	assert_int_equal(chain_uses_class(chain, 6), 1); /* a class that is not named stays */
	assert_int_equal(class_of_port(54), 0);
	assert_int_equal(add_filter(chain, 1, "rsvp", 0x31019, &conf, CREATE, &err), -EINVAL);
	assert_int_equal(delete_filter(chain, 1, "rsvp", 0x10b19, &err), 0);
	assert_int_equal(chain_uses_class(chain, 5), 0);
}

static void
needs_a_session(void **state)
{
	struct rsvp_conf conf = { .has_classid = true, .classid = 1 };

	assert_int_equal(add_conf(conf), -EINVAL);
	assert_filters(chain, "");
	assert_int_equal(add_filter(chain, 1, "rsvp", 0, NULL, CREATE, &err), 0); /* `rsvp` alone */
	assert_filters(chain, "1/0");
	assert_int_equal(class_of_port(53), 0);
}

static void
knows_ipv6(void **state)
{
	struct rsvp_conf conf = { .has_session = true,
		.session = { htonl(0xfd000000), 0, 0, htonl(2) },
		.has_classid = true,
		.classid = 1,
		.pinfo = { .session = to_port(80), .protocol = UDP } };
	struct filter_spec spec = { 1, htons(ETH_P_IPV6), 0, "rsvp6", &conf, 500 };
	struct packet p;

	assert_int_equal(chain_filter_add(chain, &spec, CREATE, NULL, &err), 0);
	conf.pinfo.session = (struct rsvp_port){ htonl(0x12345), htonl(0xfffff), -40 }; /* flowlabel */
	conf.classid = 2;
	assert_int_equal(chain_filter_add(chain, &spec, CREATE, NULL, &err), 0);
	assert_filters(chain, "1/0 1/21013 1/11013");
	packet_udp6(&p);
	p.data[22] = p.data[38] = 0xfd;
	p.data[37] = 1;
	p.data[53] = 2;
	assert_int_equal(ask(chain, &p).classid, 2);
	p.data[17] = 0x46;
	assert_int_equal(ask(chain, &p).classid, 1);
	p.data[57] = 81;
	assert_int_equal(ask(chain, &p).action, TC_ACT_UNSPEC);
	p.data[57] = 80;
	p.data[52] = 1;
	assert_int_equal(ask(chain, &p).action, TC_ACT_UNSPEC);
}

static void
finds_each_of_many(void **state)
{
	for (uint16_t port = 1; port <= 2000; port++) {
		assert_int_equal(add_conf(session(HOST(2), port, port)), 0);
		assert_int_equal(add_conf(with_sender(session(HOST(3), 0, 3000u + port), HOST(0x1000 + port), 0)), 0);
	}
	for (uint16_t port = 1; port <= 2000; port++) {
		struct packet p;

		assert_int_equal(class_of_port(port), port);
		packet_udp(&p, 0);
		p.data[33] = 3;
		p.data[28] = (uint8_t)((0x1000 + port) >> 8);
		p.data[29] = (uint8_t)port;
		assert_int_equal(ask(chain, &p).classid, 3000 + port);
	}
	assert_int_equal(class_of_port(2001), 0);
}

/* Handles are a counter and what Linux 5.10 made of these senders and sessions. */
static void
numbers_filters_as_linux_does(void **state)
{
	struct rsvp_conf tcp = session(htonl(0xc633644d), 0, 1);

	assert_int_equal(add_conf(with_sender(session(htonl(0xc0000201), 80, 1), htonl(0xc0000207), 0)), 0);
	tcp.pinfo.protocol = IPPROTO_TCP;
	assert_int_equal(add_conf(with_sender(tcp, htonl(0xcb0071c8), 0)), 0);
	assert_filters(chain, "1/0 1/109d2 1/205da");
}

/* Of two senders with one hash only the packet's is meant. */
static void
tells_senders_of_one_hash_apart(void **state)
{
	struct rsvp_conf conf = { .has_session = true,
		.has_sender = true,
		.sender = { 1, 2, 3, 4 },
		.has_classid = true,
		.classid = 1,
		.pinfo.protocol = UDP };
	struct filter_spec spec = { 1, htons(ETH_P_IPV6), 0, "rsvp6", &conf, 500 };
	uint64_t last = word_of_one_hash(0, UINT64_C(1) << 32 | 2, UINT64_C(3) << 32 | 4, 0);
	const uint32_t other[4] = { 0, 0, (uint32_t)(last >> 32), (uint32_t)last };
	struct packet p;

	assert_int_equal(chain_filter_add(chain, &spec, CREATE, NULL, &err), 0);
	packet_udp6(&p);
	memcpy(p.data + 22, conf.sender, sizeof(conf.sender));
	assert_int_equal(ask(chain, &p).classid, 1);
	memcpy(p.data + 22, other, sizeof(other));
	assert_int_equal(ask(chain, &p).action, TC_ACT_UNSPEC);
	memcpy(conf.sender, other, sizeof(other));
	conf.classid = 2;
	assert_int_equal(chain_filter_add(chain, &spec, CREATE, NULL, &err), 0);
	assert_int_equal(ask(chain, &p).classid, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(takes_the_most_particular_first, start, end),
		cmocka_unit_test_setup_teardown(keeps_the_order_of_equals, start, end),
		cmocka_unit_test_setup_teardown(compares_ports_of_any_form, start, end),
		cmocka_unit_test_setup_teardown(knows_protocols_hosts_and_fragments_apart, start, end),
		cmocka_unit_test_setup_teardown(looks_into_tunnels, start, end),
		cmocka_unit_test_setup_teardown(numbers_tunnels, start, end),
		cmocka_unit_test_setup_teardown(ends_where_a_tunnel_leads_into_itself, start, end),
		cmocka_unit_test_setup_teardown(goes_on_within_its_session_only, start, end),
		cmocka_unit_test_setup_teardown(changes_class_and_actions_only, start, end),
		cmocka_unit_test_setup_teardown(needs_a_session, start, end),
		cmocka_unit_test_setup_teardown(knows_ipv6, start, end),
		cmocka_unit_test_setup_teardown(numbers_filters_as_linux_does, start, end),
		cmocka_unit_test_setup_teardown(tells_senders_of_one_hash_apart, start, end),
		cmocka_unit_test_setup_teardown(finds_each_of_many, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
