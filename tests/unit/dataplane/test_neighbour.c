/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The neighbour state machine (RFC 4861 7.3.2, arp(7)) in virtual time, its waiting packets, and `ip neigh`'s changes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "eal.h"
#include "world.h"

#define ROUTER IP(10, 0, 0, 1)
#define OTHER  IP(10, 1, 0, 50) /* on eth1 */

static const uint8_t other_mac[6] = { 2, 0xcc, 0, 0, 0, 50 };

static int
setup(void **state)
{
	*state = world_make(true);
	world_neighbour(*state, ETH0, HOST, host_mac, NUD_PERMANENT);
	return 0;
}

static int
teardown(void **state)
{
	world_free(*state);
	return 0;
}

static struct neighbour *
find(struct router *r, uint32_t addr)
{
	struct ip_addr a = ip_addr_v4(rte_cpu_to_be_32(addr));

	return neighbour_find(r->rib, ETH1, AF_INET, &a);
}

static void
send_to_other(struct router *r, uint16_t id)
{
	inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = OTHER, .id = id });
}

static void
answer(struct router *r, uint32_t who)
{
	struct frame f = world_arp(RTE_ARP_OP_REPLY, other_mac, who, IP(10, 1, 0, 1), false);

	inject(r, ETH1, &f);
}

static void
asks_and_sends_what_waited_in_order(void **state)
{
	struct router *r = *state;
	const struct rte_arp_hdr *arp;
	uint32_t bytes;

	for (uint16_t id = 0; id < 40; id++)
		send_to_other(r, id);
	assert_int_equal(r->sent_count, 1); /* one question */
	arp = sent_arp(r, 0, ETH1, RTE_ARP_OP_REQUEST);
	assert_int_equal(arp->arp_data.arp_tip, rte_cpu_to_be_32(OTHER));
	assert_int_equal(arp->arp_data.arp_sip, rte_cpu_to_be_32(IP(10, 1, 0, 1)));
	assert_int_equal(sent_frame(r, 0, ETH1, &bytes)[0], 0xff);
	assert_int_equal(path_port_waiting(&r->ports[ETH1]), 40);
	assert_int_equal(find(r, OTHER)->state, NUD_INCOMPLETE);
	answer(r, OTHER);
	assert_int_equal(find(r, OTHER)->state, NUD_REACHABLE);
	assert_int_equal(r->sent_count, 41);
	for (uint16_t id = 0; id < 40; id++) {
		assert_int_equal(rte_be_to_cpu_16(sent_ip(r, 1 + id, ETH1)->packet_id), id);
		assert_int_equal(sent_ip(r, 1 + id, ETH1)->time_to_live, 63);
		assert_memory_equal(sent_frame(r, 1 + id, ETH1, &bytes), other_mac, 6);
	}
	assert_int_equal(world_waiting(r), 0);
	assert_int_equal(r->told, 2); /* the permanent one of the set-up, and this */
}

static void
resolves_a_gateway_once_for_all_behind_it(void **state)
{
	struct router *r = *state;

	for (uint32_t i = 0; i < 10; i++)
		inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = FAR + i });
	assert_int_equal(sent_arp(r, 0, ETH1, RTE_ARP_OP_REQUEST)->arp_data.arp_tip, rte_cpu_to_be_32(GATEWAY));
	assert_int_equal(r->sent_count, 1);
	answer(r, GATEWAY);
	assert_int_equal(r->sent_count, 11);
}

static void
gives_up_after_three_questions(void **state)
{
	struct router *r = *state;
	uint64_t start = r->worker.now;

	send_to_other(r, 1);
	send_to_other(r, 2);
	world_advance(r, 999 * MS);
	assert_int_equal(r->sent_count, 1);
	world_advance(r, 1 * MS);
	assert_int_equal(r->sent_count, 2);
	world_advance(r, 1000 * MS);
	assert_int_equal(r->sent_count, 3);
	assert_int_equal(world_waiting(r), 2);
	world_advance(r, 1000 * MS);
	assert_int_equal(r->worker.now - start, 3 * SECOND);
	assert_int_equal(find(r, OTHER)->state, NUD_FAILED);
	assert_int_equal(world_drops(r, DROP_NEIGHBOUR_FAILED), 2);
	assert_int_equal(r->sent_count, 5);
	for (unsigned int i = 0; i < 3; i++)
		sent_arp(r, i, ETH1, RTE_ARP_OP_REQUEST);
	sent_icmp(r, 3, ETH0, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH);
	assert_int_equal(sent_ip(r, 4, ETH0)->dst_addr, rte_cpu_to_be_32(HOST));
	send_to_other(r, 3); /* tries anew */
	sent_arp(r, 5, ETH1, RTE_ARP_OP_REQUEST);
	assert_int_equal(find(r, OTHER)->state, NUD_INCOMPLETE);
}

static void
bounds_the_queue_and_drops_the_oldest(void **state)
{
	struct router *r = *state;

	for (uint16_t id = 0; id < 150; id++)
		send_to_other(r, id);
	assert_int_equal(world_waiting(r), 101);
	assert_int_equal(world_drops(r, DROP_NEIGHBOUR_QUEUE_FULL), 49);
	answer(r, OTHER);
	assert_int_equal(rte_be_to_cpu_16(sent_ip(r, 1, ETH1)->packet_id), 49);
	r->ports[ETH1].settings.unres_qlen = 0;
	inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = OTHER + 1 });
	assert_int_equal(world_drops(r, DROP_NEIGHBOUR_QUEUE_FULL), 50);
}

static void
ages_from_reachable_to_failed(void **state)
{
	struct router *r = *state;
	uint32_t bytes;

	send_to_other(r, 1);
	answer(r, OTHER);
	world_forget_sent(r);
	world_advance(r, 14900 * MS);
	assert_int_equal(find(r, OTHER)->state, NUD_REACHABLE); /* 30 s by 0.5 to 1.5 */
	world_advance(r, 30200 * MS);
	assert_int_equal(find(r, OTHER)->state, NUD_STALE);
	assert_int_equal(find(r, OTHER)->ready, NEIGHBOUR_STALE);
	send_to_other(r, 2); /* goes out at once, and is looked after */
	assert_int_equal(r->sent_count, 1);
	assert_int_equal(find(r, OTHER)->state, NUD_DELAY);
	world_advance(r, 4999 * MS);
	assert_int_equal(r->sent_count, 1);
	world_advance(r, 1 * MS);
	assert_int_equal(find(r, OTHER)->state, NUD_PROBE);
	sent_arp(r, 1, ETH1, RTE_ARP_OP_REQUEST);
	assert_memory_equal(sent_frame(r, 1, ETH1, &bytes), other_mac, 6); /* asked in person */
	send_to_other(r, 3);
	assert_int_equal(r->sent_count, 3);
	world_advance(r, 2 * SECOND);
	assert_int_equal(r->sent_count, 5);
	world_advance(r, 1 * SECOND);
	assert_int_equal(find(r, OTHER)->state, NUD_FAILED);
	assert_int_equal(r->sent_count, 5);
}

static void
stays_reachable_while_it_answers(void **state)
{
	struct router *r = *state;

	send_to_other(r, 1);
	answer(r, OTHER);
	for (int i = 0; i < 300; i++) { /* ten minutes of traffic */
		world_advance(r, 2 * SECOND);
		send_to_other(r, 2);
		if (find(r, OTHER)->state == NUD_PROBE)
			answer(r, OTHER);
		assert_int_not_equal(find(r, OTHER)->state, NUD_FAILED);
		assert_int_equal(world_waiting(r), 0);
		world_forget_sent(r);
	}
	assert_int_equal(world_drops(r, DROP_NEIGHBOUR_FAILED), 0);
}

static void
needs_nobody_in_replay(void **state)
{
	struct router *r = *state;
	uint32_t bytes;

	r->replay = true;
	send_to_other(r, 1);
	assert_memory_equal(sent_frame(r, 0, ETH1, &bytes), ((uint8_t[6]){ 2, 0, 10, 1, 0, 50 }), 6);
	inject_datagram(r, ETH0, &(struct datagram_spec){ .id = 2 });
	assert_memory_equal(sent_frame(r, 1, ETH1, &bytes), ((uint8_t[6]){ 2, 0, 10, 1, 0, 2 }), 6);
	assert_int_equal(path_timers(&r->worker), UINT64_MAX); /* and nothing ever ages */
	/* What a script says holds: */
	world_neighbour(r, ETH1, OTHER, other_mac, NUD_PERMANENT);
	send_to_other(r, 3);
	assert_memory_equal(sent_frame(r, 2, ETH1, &bytes), other_mac, 6);
	world_neighbour(r, ETH1, OTHER + 1, NULL, NUD_FAILED);
	inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = OTHER + 1 });
	sent_arp(r, 3, ETH1, RTE_ARP_OP_REQUEST);
	world_advance(r, 3 * SECOND);
	assert_int_equal(world_drops(r, DROP_NEIGHBOUR_FAILED), 1);
}

static void
forgets_when_the_port_goes(void **state)
{
	struct router *r = *state;

	send_to_other(r, 1);
	world_neighbour(r, ETH1, GATEWAY, gateway_mac, NUD_PERMANENT);
	path_port_flush(&r->worker, &r->ports[ETH1], DROP_NO_CARRIER);
	world_check(r);
	assert_int_equal(world_drops(r, DROP_NO_CARRIER), 1);
	assert_int_equal(find(r, GATEWAY)->state, NUD_PERMANENT);
	path_port_flush(&r->worker, &r->ports[ETH1], DROP_PORT_DOWN);
	assert_int_equal(find(r, GATEWAY)->state, NUD_NONE);
	assert_int_equal(path_timers(&r->worker), UINT64_MAX);
	r->ports[ETH1].flags &= ~(uint32_t)IFF_UP;
	send_to_other(r, 2);
	assert_int_equal(world_drops(r, DROP_PORT_DOWN), 1);
	r->ports[ETH1].flags |= IFF_UP;
}

static void
goes_to_the_owner_first(void **state)
{
	struct router *r = *state;

	r->ports[ETH1].owner = 1;
	send_to_other(r, 1);
	assert_int_equal(r->handed_over, 1);
	sent_arp(r, 0, ETH1, RTE_ARP_OP_REQUEST);
	assert_int_equal(r->counters[ETH1][1].waiting, 1);
	answer(r, OTHER); /* handed over too */
	assert_int_equal(r->handed_over, 2);
	assert_int_equal(r->sent_count, 2);
	send_to_other(r, 2); /* resolved: no need to ask the owner */
	assert_int_equal(r->handed_over, 2);
	assert_int_equal(r->sent_count, 3);
	r->ports[ETH1].owner = 0;
}

/* ---- ip neigh ---------------------------------------------------------------------------------------------------- */

static int
set(struct router *r, uint32_t ifindex, uint16_t state, const uint8_t *mac, uint16_t flags, struct error *err)
{
	struct neighbour_spec spec = {
		.ifindex = ifindex, .family = AF_INET, .addr = ip_addr_v4(rte_cpu_to_be_32(OTHER)), .state = state
	};

	if (mac != NULL) {
		spec.has_lladdr = true;
		memcpy(spec.lladdr, mac, 6);
	}
	return router_neighbour_set(r, &spec, flags, err);
}

static int
del(struct router *r, uint32_t addr)
{
	struct neighbour_spec spec = { .ifindex = ETH1, .family = AF_INET, .addr = ip_addr_v4(rte_cpu_to_be_32(addr)) };

	return router_neighbour_delete(r, &spec, NULL);
}

static void
is_changed_as_linux_does(void **state)
{
	struct router *r = *state;
	struct error err = { 0 };
	static const uint8_t second_mac[6] = { 2, 0xdd, 0, 0, 0, 50 };
	const uint16_t add = CHANGE_CREATE | CHANGE_EXCLUSIVE, replace = CHANGE_CREATE | CHANGE_REPLACE;

	assert_int_equal(set(r, ETH1, NUD_PERMANENT, other_mac, CHANGE_REPLACE, &err), -ENOENT); /* change */
	assert_int_equal(set(r, 77, NUD_PERMANENT, other_mac, add, &err), -ENODEV);
	assert_int_equal(set(r, ETH1, NUD_PERMANENT, NULL, add, &err), -EINVAL);
	assert_string_not_equal(err.msg, "");
	assert_int_equal(set(r, ETH1, 0x1234, other_mac, add, &err), -EINVAL);
	assert_int_equal(del(r, OTHER), -ENOENT);
	assert_int_equal(set(r, ETH1, NUD_PERMANENT, other_mac, add, &err), 0);
	assert_int_equal(set(r, ETH1, NUD_PERMANENT, second_mac, add, &err), -EEXIST);
	assert_int_equal(
		set(r, ETH1, NUD_PERMANENT, second_mac, CHANGE_CREATE, &err), 0); /* neither excl nor replace: stays */
	assert_memory_equal(find(r, OTHER)->lladdr, other_mac, 6);
	assert_int_equal(set(r, ETH1, NUD_PERMANENT, second_mac, replace, &err), 0);
	assert_memory_equal(find(r, OTHER)->lladdr, second_mac, 6);
	assert_int_equal(set(r, ETH1, NUD_STALE, NULL, CHANGE_REPLACE, &err), 0);
	assert_int_equal(find(r, OTHER)->state, NUD_STALE);
	assert_memory_equal(find(r, OTHER)->lladdr, second_mac, 6);
	assert_int_equal(del(r, OTHER), 0);
	assert_null(find(r, OTHER));
	assert_int_equal(del(r, OTHER), -ENOENT);
}

static void
releases_and_refuses_by_command(void **state)
{
	struct router *r = *state;

	send_to_other(r, 1);
	assert_int_equal(set(r, ETH1, NUD_PERMANENT, other_mac, CHANGE_CREATE | CHANGE_REPLACE, NULL), 0);
	world_check(r);
	assert_int_equal(r->sent_count, 2);
	assert_int_equal(del(r, OTHER), 0);
	send_to_other(r, 2);
	assert_int_equal(world_waiting(r), 1);
	assert_int_equal(del(r, OTHER), 0); /* what waits is given up */
	world_check(r);
	assert_int_equal(world_waiting(r), 0);
	assert_int_equal(world_drops(r, DROP_NEIGHBOUR_FAILED), 1);
	/* A route's gateway stays, but unknown. */
	world_neighbour(r, ETH1, GATEWAY, gateway_mac, NUD_PERMANENT);
	assert_int_equal(del(r, GATEWAY), 0);
	assert_int_equal(del(r, GATEWAY), -ENOENT);
	inject_datagram(r, ETH0, &(struct datagram_spec){ .id = 4 });
	assert_int_equal(world_waiting(r), 1);
}

static void
collects_what_nobody_needs(void **state)
{
	struct router *r = *state;
	struct ip_addr a = ip_addr_v4(rte_cpu_to_be_32(OTHER));

	for (uint32_t i = 0; i < 130; i++)
		inject_datagram(r, ETH0, &(struct datagram_spec){ .dst = IP(10, 1, 0, 50) + i });
	assert_false(path_neighbour_collect(r, ETH1, AF_INET, &a)); /* it is being asked for */
	world_advance(r, 3 * SECOND);
	assert_int_equal(world_drops(r, DROP_NEIGHBOUR_FAILED), 130);
	assert_int_equal(r->told_removed, 0);
	world_advance(r, 60 * SECOND);
	assert_int_equal(r->told_removed, 130); /* more than gc_thresh1: they may go */
	assert_true(path_neighbour_collect(r, ETH1, AF_INET, &a));
	assert_null(find(r, OTHER));
	world_advance(r, 60 * SECOND);
	assert_int_equal(r->told_removed, 130 + 129);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(asks_and_sends_what_waited_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(resolves_a_gateway_once_for_all_behind_it, setup, teardown),
		cmocka_unit_test_setup_teardown(gives_up_after_three_questions, setup, teardown),
		cmocka_unit_test_setup_teardown(bounds_the_queue_and_drops_the_oldest, setup, teardown),
		cmocka_unit_test_setup_teardown(ages_from_reachable_to_failed, setup, teardown),
		cmocka_unit_test_setup_teardown(stays_reachable_while_it_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(needs_nobody_in_replay, setup, teardown),
		cmocka_unit_test_setup_teardown(forgets_when_the_port_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(goes_to_the_owner_first, setup, teardown),
		cmocka_unit_test_setup_teardown(is_changed_as_linux_does, setup, teardown),
		cmocka_unit_test_setup_teardown(releases_and_refuses_by_command, setup, teardown),
		cmocka_unit_test_setup_teardown(collects_what_nobody_needs, setup, teardown),
	};

	eal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
