/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * teql0 over two ports of a whole router: whose turn it is, ports of different speed, those that cannot send, what is
 * refused.
 */
#include "router_world.h"

#define START   1000000000000000000ull
#define BYTES   1000
#define MBIT(n) ((uint64_t)(n)*125000)

static const char in_path[] = "weir-test-teql-in.pcap";
static const char *const out_paths[] = { "weir-test-teql-1.pcap", "weir-test-teql-2.pcap" };

struct world {
	struct router *router;
	struct port *lan, *ports[2], *teql;
};

static void
add_root(struct port *port)
{
	static const struct qdisc_spec spec = { .parent = TC_H_ROOT, .kind = "teql0" };
	struct error err = { 0 };

	ok(sched_qdisc_add(port->tree, &spec, NULL, &err), &err);
}

static void
route(struct router *router)
{
	struct rib_hop hop = { .gateway_family = AF_INET };
	struct rib_route r = { .dst = { .family = AF_INET, .length = 16 },
		.table = RT_TABLE_MAIN,
		.type = RTN_UNICAST,
		.hop_count = 1,
		.hops = &hop };
	struct error err;

	inet_pton(AF_INET, "10.9.0.0", &r.dst.addr.v4);
	inet_pton(AF_INET, "10.7.0.5", &hop.gateway.v4);
	ok(rib_route_add(router_rib(router), &r, CHANGE_CREATE, &err), &err);
}

/* Packets of 1000 bytes, `gap_ns` apart, routed by teql0 over eth1 and eth2. */
static struct world
make_world(uint32_t count, uint64_t gap_ns, uint64_t rate1_Bps, uint64_t rate2_Bps)
{
	const uint64_t rates[] = { rate1_Bps, rate2_Bps };
	static const char *const addresses[] = { "10.7.0.0", "10.7.0.2" };
	struct writer c = open_capture(in_path, DLT_EN10MB);
	struct world world = { .router = make_router(true, 1) };

	for (uint32_t i = 0; i < count; i++)
		udp_record(c, START + i * gap_ns, BYTES, "10.9.0.9", i);
	fclose(c.file);
	world.lan = add_port(world.router, "lan", "capture", &(struct capture_conf){ .in = in_path }, 0);
	address(world.lan, "10.0.0.1", 24);
	up(world.lan);
	for (unsigned int i = 0; i < 2; i++) {
		struct capture_conf conf = { .out = out_paths[i] };

		world.ports[i] = add_port(world.router, i == 0 ? "eth1" : "eth2", "capture", &conf, rates[i]);
		address(world.ports[i], addresses[i], 31);
		up(world.ports[i]);
		add_root(world.ports[i]);
	}
	world.teql = port_find_name(world.router, "teql0");
	assert_non_null(world.teql);
	up(world.teql);
	address(world.teql, "10.7.0.4", 31);
	route(world.router);
	return world;
}

static struct router_totals
run(struct world *world)
{
	struct replay_conf conf = { 0 };
	struct error err;

	ok(replay_run(world->router, &conf, &err), &err);
	return balanced_totals(world->router);
}

static void
end(struct world *world)
{
	assert_int_equal(router_destroy(world->router), 0);
	unlink(in_path);
	unlink(out_paths[0]);
	unlink(out_paths[1]);
}

static void
ports_take_turns(void **state)
{
	struct world world = make_world(100, 10000, 0, 0);
	struct router_totals t = run(&world);
	struct port_counters sum;

	assert_int_equal(t.sent, 100); /* not counted once more at teql0 */
	for (unsigned int i = 0; i < 2; i++) {
		struct sent *sent = read_capture(out_paths[i]);

		assert_int_equal(sent->count, 50);
		for (unsigned int k = 0; k < 50; k++)
			assert_int_equal(sent->number[k], 2 * k + i);
		free(sent);
	}
	port_counters_sum(world.teql, &sum);
	assert_int_equal(sum.tx_packets, 100);
	assert_int_equal(sum.tx_bytes, 100 * (BYTES - 14)); /* it has no link header */
	end(&world);
}

static void
each_frame_has_the_link_header_of_its_port(void **state)
{
	struct world world = make_world(2, 10000, 0, 0);

	run(&world);
	for (unsigned int i = 0; i < 2; i++) {
		uint8_t frame[16 + BYTES];
		FILE *file = fopen(out_paths[i], "r");

		assert_non_null(file);
		fseek(file, 24, SEEK_SET);
		assert_int_equal(fread(frame, 1, sizeof(frame), file), sizeof(frame));
		fclose(file);
		/* A replay's neighbour: 02:00 and its address. */
		assert_memory_equal(frame + 16, "\x02\x00\x0a\x07\x00\x05", 6);
		assert_memory_equal(frame + 22, world.ports[i]->mac, 6);
		assert_memory_equal(frame + 28, "\x08\x00\x45", 3);
	}
	end(&world);
}

/* 12 mbit offered to links of 8 and 4: each is kept busy, and carries its part of it. */
static void
each_port_carries_what_it_can(void **state)
{
	struct world world = make_world(3000, 666667, MBIT(8), MBIT(4));
	struct router_totals t = run(&world);
	struct sent *first = read_capture(out_paths[0]), *second = read_capture(out_paths[1]);

	assert_int_equal(t.sent + t.drops[DROP_QUEUE_FULL], 3000);
	assert_true(t.sent >= 2990);
	assert_true(first->count >= 1990 && first->count <= 2010);
	assert_true(second->count >= 990 && second->count <= 1010);
	free(first);
	free(second);
	end(&world);
}

static void
packets_stay_in_order_of_departure(void **state)
{
	struct world world = make_world(300, 100000, MBIT(8), MBIT(4));
	struct sent *sent[2];
	uint64_t last[2] = { 0, 0 };

	run(&world);
	for (unsigned int i = 0; i < 2; i++) {
		sent[i] = read_capture(out_paths[i]);
		for (unsigned int k = 0; k < sent[i]->count; k++) {
			/* 1 ms and 2 ms a packet, back to back while there are any. */
			if (k != 0)
				assert_true(sent[i]->ns[k] - last[i] >= (i == 0 ? 1000000u : 2000000u));
			last[i] = sent[i]->ns[k];
			if (k != 0)
				assert_true(sent[i]->number[k] > sent[i]->number[k - 1]);
		}
	}
	assert_true(sent[0]->count >= 2 * sent[1]->count - 2 && sent[0]->count <= 2 * sent[1]->count + 2);
	free(sent[0]);
	free(sent[1]);
	end(&world);
}

static void
a_port_that_is_down_is_passed_over(void **state)
{
	struct world world = make_world(50, 10000, 0, 0);
	struct error err;

	ok(port_set_flags(world.ports[1], 0, IFF_UP, &err), &err);
	assert_int_equal(run(&world).sent, 50);
	struct sent *sent = read_capture(out_paths[0]);
	assert_int_equal(sent->count, 50);
	free(sent);
	end(&world);
}

static void
without_a_port_packets_are_dropped_by_name(void **state)
{
	struct world world = make_world(50, 10000, 0, 0);
	struct port_counters sum;
	struct error err;

	ok(sched_qdisc_delete(sched_root(world.ports[0]->tree), &err), &err);
	ok(port_set_flags(world.ports[1], 0, IFF_UP, &err), &err);
	assert_int_equal(run(&world).drops[DROP_NO_PORT], 50);
	port_counters_sum(world.teql, &sum);
	assert_int_equal(sum.tx_packets, 0);
	end(&world);
}

/* One next hop never answers: the other port does the work, however busy, and nothing is lost. */
static void
a_neighbour_that_does_not_answer_costs_nothing(void **state)
{
	struct world world = make_world(50, 100000, MBIT(8), MBIT(8));
	struct neighbour_spec spec = {
		.ifindex = world.ports[0]->ifindex, .family = AF_INET, .state = 0x20 /* NUD_FAILED */
	};
	struct error err = { 0 };

	inet_pton(AF_INET, "10.7.0.5", &spec.addr.v4);
	ok(router_neighbour_set(world.router, &spec, CHANGE_CREATE | CHANGE_REPLACE, &err), &err);
	struct router_totals t = run(&world);
	struct sent *sent = read_capture(out_paths[1]);

	assert_int_equal(t.dropped, 0);
	assert_int_equal(sent->count, 50);
	assert_int_equal(t.generated, t.sent - 50); /* ARP requests by the other */
	free(sent);
	end(&world);
}

static void
refuses_what_linux_does(void **state)
{
	static const struct qdisc_spec root = { .parent = TC_H_ROOT, .kind = "teql0" },
				       prio = { .parent = TC_H_ROOT, .handle = 1 << 16, .kind = "prio" },
				       below = { .parent = 1 << 16 | 1, .kind = "teql0" };
	struct router *router = make_router(true, 1);
	struct port *dummy = add_port(router, "d0", "dummy", NULL, 0), *teql;
	struct error err = { 0 };

	assert_null(port_find_name(router, "teql0"));
	assert_null(port_summon(router, "teql1", &err));
	teql = port_summon(router, "teql0", &err);
	assert_non_null(teql);
	assert_ptr_equal(port_summon(router, "teql0", &err), teql);
	assert_int_equal(teql->tx_queue_len, 100);
	assert_int_equal(port_set_flags(teql, IFF_UP, IFF_UP, &err), -EUNATCH);
	assert_int_equal(sched_qdisc_add(teql->tree, &root, NULL, &err), -ELOOP);
	assert_int_equal(sched_qdisc_add(port_find(router, 1)->tree, &root, NULL, &err), -EINVAL);
	ok(sched_qdisc_add(dummy->tree, &prio, NULL, &err), &err);
	assert_int_equal(sched_qdisc_add(dummy->tree, &below, NULL, &err), -EOPNOTSUPP);
	add_root(dummy);
	ok(port_set_mtu(dummy, 1300, &err), &err);
	ok(port_set_flags(teql, IFF_UP, IFF_UP, &err), &err);
	assert_int_equal(teql->mtu, 1300);
	assert_true((teql->flags & IFF_BROADCAST) != 0);
	assert_int_equal(port_set_mtu(teql, 1400, &err), -EINVAL);
	assert_int_equal(port_set_name(teql, "other", &err), -EBUSY);
	assert_int_equal(port_remove(teql, &err), -EOPNOTSUPP);
	/* A port that goes is forgotten. */
	ok(port_remove(dummy, &err), &err);
	ok(port_set_flags(teql, 0, IFF_UP, &err), &err);
	assert_int_equal(port_set_flags(teql, IFF_UP, IFF_UP, &err), -EUNATCH);
	assert_int_equal(router_destroy(router), 0);
}

static void
one_worker_runs_it_and_its_ports(void **state)
{
	static const struct qdisc_spec root = { .parent = TC_H_ROOT, .kind = "teql0" };
	struct router *router = make_router(false, 2);
	struct port *ports[3], *teql;
	struct error err = { 0 };

	for (unsigned int i = 0; i < 3; i++)
		ports[i] = add_port(router, i == 0 ? "d0" : i == 1 ? "d1" : "d2", "dummy", NULL, 0);
	assert_int_not_equal(ports[0]->owner, ports[1]->owner);
	assert_int_equal(sched_qdisc_add(ports[1]->tree, &root, NULL, &err), 0);
	teql = port_find_name(router, "teql0");
	assert_int_equal(teql->owner, ports[1]->owner);
	struct port *other = ports[0]->owner == teql->owner ? ports[2] : ports[0];
	assert_int_not_equal(other->owner, teql->owner);
	assert_int_equal(sched_qdisc_add(other->tree, &root, NULL, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "--pin"));
	assert_int_equal(router_destroy(router), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_take_turns),
		cmocka_unit_test(each_frame_has_the_link_header_of_its_port),
		cmocka_unit_test(each_port_carries_what_it_can),
		cmocka_unit_test(packets_stay_in_order_of_departure),
		cmocka_unit_test(a_port_that_is_down_is_passed_over),
		cmocka_unit_test(without_a_port_packets_are_dropped_by_name),
		cmocka_unit_test(a_neighbour_that_does_not_answer_costs_nothing),
		cmocka_unit_test(refuses_what_linux_does),
		cmocka_unit_test(one_worker_runs_it_and_its_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
