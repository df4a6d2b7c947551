/* SPDX-License-Identifier: BSD-3-Clause */
/* Pairs of ports of one router: names, carrier, packets that come back into the path, loops. */
#include "router_world.h"

#define START 1000000000000000000ull

static const char path[] = "weir-test-veth.pcap";

static struct port *
make_pair(struct router *router, const char *name, const char *peer)
{
	const struct port_conf other = { .name = peer };

	return add_port(router, name, "veth", &(struct veth_conf){ .peer = &other }, 0);
}

static void
a_pair_is_made_and_goes_together(void **state)
{
	struct router *router = make_router(true, 1);
	struct port *a = make_pair(router, "a", "b"), *b = port_find_name(router, "b");
	struct error err;

	assert_int_equal(a->peer, b->ifindex);
	assert_int_equal(b->peer, a->ifindex);
	assert_true(b->ifindex < a->ifindex);
	up(a);
	assert_false(port_has_carrier(a));
	up(b);
	assert_true(port_has_carrier(a) && port_has_carrier(b));
	ok(port_set_flags(b, 0, IFF_UP, &err), &err);
	assert_false(port_has_carrier(a));
	assert_int_equal(port_remove(b, &err), 0);
	assert_null(port_find_name(router, "a"));
	assert_int_equal(router_destroy(router), 0);
}

static void
names_of_a_pair_differ(void **state)
{
	struct router *router = make_router(true, 1);
	const struct port_conf same = { .name = "x" };
	struct error err;
	int rc = port_add(router,
		&(struct port_conf){ .name = "x", .kind = "veth", .kind_conf = &(struct veth_conf){ .peer = &same } },
		NULL, &err);

	assert_int_equal(rc, -EEXIST);
	assert_null(port_find_name(router, "x"));
	make_pair(router, NULL, NULL);
	assert_non_null(port_find_name(router, "veth0"));
	assert_non_null(port_find_name(router, "veth1"));
	assert_int_equal(router_destroy(router), 0);
}

static void
route_to(struct router *router, const char *prefix, uint8_t length, const char *via)
{
	struct rib_hop hop = { .gateway_family = AF_INET };
	struct rib_route route = {
		.dst = { .family = AF_INET, .length = length },
		.table = RT_TABLE_MAIN,
		.protocol = RTPROT_BOOT,
		.type = RTN_UNICAST,
		.hop_count = 1,
		.hops = &hop,
	};
	struct error err;

	inet_pton(AF_INET, prefix, &route.dst.addr.v4);
	inet_pton(AF_INET, via, &hop.gateway.v4);
	ok(rib_route_add(router_rib(router), &route, CHANGE_CREATE, &err), &err);
}

static struct router_totals
run(struct router *router, struct port *in, uint32_t count)
{
	struct replay_conf conf = { 0 };
	struct error err;

	ok(replay_run(router, &conf, &err), &err);
	struct router_totals t = balanced_totals(router);
	assert_true(t.received >= count);
	return t;
}

static struct port *
source(struct router *router, uint32_t count)
{
	struct writer c = open_capture(path, DLT_EN10MB);

	for (uint32_t i = 0; i < count; i++)
		udp_record(c, START, 200, "10.9.0.9", i);
	fclose(c.file);
	struct port *in = add_port(router, "eth0", "capture", &(struct capture_conf){ .in = path }, 0);
	address(in, "10.0.0.1", 24);
	up(in);
	return in;
}

/*
 * Both ends are this router's, and each has its route over the other: round and round, until TTL or the limit of passes
 * ends it.
 */
static void
what_goes_in_circles_is_dropped_as_a_loop(void **state)
{
	struct router *router = make_router(true, 1);
	struct port *in = source(router, 5000);
	struct port *a = make_pair(router, "a", "b"), *b = port_find_name(router, "b");

	address(a, "10.1.0.1", 24);
	up(a);
	up(b);
	route_to(router, "10.9.0.0", 16, "10.1.0.2");
	struct router_totals t = run(router, in, 5000);
	assert_int_equal(t.drops[DROP_LOOP], 5000);
	assert_int_equal(t.queued, 0);
	assert_int_equal(t.sent, 9 * 5000);
	assert_int_equal(router_destroy(router), 0);
	unlink(path);
}

static void
a_dummy_swallows_and_counts(void **state)
{
	struct router *router = make_router(true, 1);
	struct port *in = source(router, 100), *dummy = add_port(router, "d0", "dummy", NULL, 0);
	struct port_counters sum;

	address(dummy, "10.9.0.1", 24);
	up(dummy);
	struct router_totals t = run(router, in, 100);
	port_counters_sum(dummy, &sum);
	assert_int_equal(sum.tx_packets, 100);
	assert_int_equal(sum.tx_bytes, 20000);
	assert_int_equal(t.sent, 100);
	assert_int_equal(router_destroy(router), 0);
	unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pair_is_made_and_goes_together),
		cmocka_unit_test(names_of_a_pair_differ),
		cmocka_unit_test(what_goes_in_circles_is_dropped_as_a_loop),
		cmocka_unit_test(a_dummy_swallows_and_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
