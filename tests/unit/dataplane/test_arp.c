/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP (RFC 826): whom it answers, what it believes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "eal.h"
#include "world.h"

#define ROUTER IP(10, 0, 0, 1)
#define OTHER  IP(10, 0, 0, 50)

static const uint8_t other_mac[6] = { 2, 0xcc, 0, 0, 0, 50 };

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

static struct neighbour *
find(struct router *r, uint32_t ifindex, uint32_t addr)
{
	struct ip_addr a = ip_addr_v4(rte_cpu_to_be_32(addr));

	return neighbour_find(r->rib, ifindex, AF_INET, &a);
}

static void
request(struct router *r, uint32_t sender, uint32_t target)
{
	struct frame f = world_arp(RTE_ARP_OP_REQUEST, other_mac, sender, target, true);

	inject(r, ETH0, &f);
}

static void
answers_for_its_addresses(void **state)
{
	struct router *r = *state;
	const struct rte_arp_hdr *arp;
	uint32_t bytes;

	request(r, OTHER, ROUTER);
	arp = sent_arp(r, 0, ETH0, RTE_ARP_OP_REPLY);
	assert_memory_equal(sent_frame(r, 0, ETH0, &bytes), other_mac, 6);
	assert_memory_equal(&arp->arp_data.arp_sha, r->ports[ETH0].mac, 6);
	assert_memory_equal(&arp->arp_data.arp_tha, other_mac, 6);
	assert_int_equal(arp->arp_data.arp_sip, rte_cpu_to_be_32(ROUTER));
	assert_int_equal(arp->arp_data.arp_tip, rte_cpu_to_be_32(OTHER));
	assert_int_equal(world_delivered(r), 1);
	/* And learns who asked. */
	assert_int_equal(find(r, ETH0, OTHER)->state, NUD_STALE);
	assert_memory_equal(find(r, ETH0, OTHER)->lladdr, other_mac, 6);
	/* arp_ignore 0: for the address of another port too. */
	request(r, OTHER, IP(10, 1, 0, 1));
	sent_arp(r, 1, ETH0, RTE_ARP_OP_REPLY);
	/* A probe (RFC 5227) is answered, but tells nothing. */
	request(r, 0, ROUTER);
	sent_arp(r, 2, ETH0, RTE_ARP_OP_REPLY);
	assert_null(find(r, ETH0, 0));
}

static void
obeys_arp_ignore_and_arp_filter(void **state)
{
	struct router *r = *state;

	r->all.arp_ignore = 1;
	request(r, OTHER, IP(10, 1, 0, 1));
	assert_int_equal(r->sent_count, 0);
	request(r, OTHER, ROUTER);
	assert_int_equal(r->sent_count, 1);
	r->all.arp_ignore = 2;
	request(r, IP(10, 9, 9, 9), ROUTER); /* not of our subnet */
	assert_int_equal(r->sent_count, 1);
	request(r, OTHER, ROUTER);
	assert_int_equal(r->sent_count, 2);
	r->all.arp_ignore = 8;
	request(r, OTHER, ROUTER);
	assert_int_equal(r->sent_count, 2);
	r->all.arp_ignore = 0;
	r->ports[ETH0].settings.arp_filter = 1;
	request(r, IP(10, 1, 0, 9), ROUTER); /* the way back leads elsewhere */
	assert_int_equal(r->sent_count, 2);
}

static void
ignores_what_is_not_for_it(void **state)
{
	struct router *r = *state;
	static const uint8_t group[6] = { 1, 0, 0x5e, 0, 0, 1 };
	struct frame f = world_arp(RTE_ARP_OP_REQUEST, group, OTHER, ROUTER, true);

	request(r, OTHER, IP(10, 0, 0, 51));
	request(r, OTHER, IP(192, 0, 2, 1));
	request(r, ROUTER, ROUTER); /* says that it is us */
	request(r, OTHER, IP(127, 0, 0, 1));
	inject(r, ETH0, &f);
	f = world_arp(8, other_mac, OTHER, ROUTER, true);
	inject(r, ETH0, &f);
	assert_int_equal(world_drops(r, DROP_ARP_IGNORED), 6);
	assert_int_equal(r->sent_count, 0);
	assert_null(find(r, ETH0, OTHER));
}

static void
drops_the_malformed(void **state)
{
	struct router *r = *state;
	const struct frame good = world_arp(RTE_ARP_OP_REQUEST, other_mac, OTHER, ROUTER, true);
	struct frame f;

	for (unsigned int i = 14; i < 20; i++) { /* types and lengths */
		f = good;
		f.data[i] ^= 0x40;
		inject(r, ETH0, &f);
	}
	f = good;
	for (f.bytes = 14; f.bytes < 42; f.bytes++)
		inject(r, ETH0, &f);
	assert_int_equal(world_drops(r, DROP_ARP_MALFORMED), 6 + 28);
}

static void
believes_announcements_only_about_those_it_knows(void **state)
{
	struct router *r = *state;
	static const uint8_t new_mac[6] = { 2, 0xdd, 0, 0, 0, 50 };
	struct frame f = world_arp(RTE_ARP_OP_REQUEST, new_mac, OTHER, OTHER, true);

	inject(r, ETH0, &f);
	assert_null(find(r, ETH0, OTHER));
	request(r, OTHER, ROUTER);
	inject(r, ETH0, &f);
	assert_memory_equal(find(r, ETH0, OTHER)->lladdr, new_mac, 6);
	/* A permanent one is not to be talked over. */
	f = world_arp(RTE_ARP_OP_REQUEST, new_mac, HOST, HOST, true);
	inject(r, ETH0, &f);
	assert_memory_equal(find(r, ETH0, HOST)->lladdr, host_mac, 6);
	r->all.arp_accept = 1;
	f = world_arp(RTE_ARP_OP_REPLY, new_mac, IP(10, 0, 0, 77), IP(10, 0, 0, 77), true);
	inject(r, ETH0, &f);
	assert_int_equal(find(r, ETH0, IP(10, 0, 0, 77))->state, NUD_STALE);
}

/* locktime: the first answer of several within a second holds. */
static void
does_not_flap_between_two_answers(void **state)
{
	struct router *r = *state;
	static const uint8_t second_mac[6] = { 2, 0xdd, 0, 0, 0, 50 };
	struct frame first = world_arp(RTE_ARP_OP_REPLY, other_mac, OTHER, ROUTER, false);
	struct frame second = world_arp(RTE_ARP_OP_REPLY, second_mac, OTHER, ROUTER, false);

	inject_datagram(r, ETH1, &(struct datagram_spec){ .src = FAR, .dst = OTHER });
	sent_arp(r, 0, ETH0, RTE_ARP_OP_REQUEST);
	inject(r, ETH0, &first);
	assert_int_equal(find(r, ETH0, OTHER)->state, NUD_REACHABLE);
	world_advance(r, 500 * MS);
	inject(r, ETH0, &second);
	assert_memory_equal(find(r, ETH0, OTHER)->lladdr, other_mac, 6);
	world_advance(r, 600 * MS);
	inject(r, ETH0, &second);
	assert_memory_equal(find(r, ETH0, OTHER)->lladdr, second_mac, 6);
}

static void
stands_in_for_others_when_told_to(void **state)
{
	struct router *r = *state;

	request(r, OTHER, FAR);
	assert_int_equal(r->sent_count, 0);
	r->ports[ETH0].settings.proxy_arp = 1;
	request(r, OTHER, FAR);
	assert_int_equal(sent_arp(r, 0, ETH0, RTE_ARP_OP_REPLY)->arp_data.arp_sip, rte_cpu_to_be_32(FAR));
	request(r, OTHER, IP(10, 0, 0, 51)); /* who is on that side can answer himself */
	assert_int_equal(r->sent_count, 1);
}

static void
is_handled_by_the_owner_of_the_port(void **state)
{
	struct router *r = *state;

	r->ports[ETH0].owner = 1;
	request(r, OTHER, ROUTER);
	assert_int_equal(r->handed_over, 1);
	assert_int_equal(r->counters[ETH0][1].delivered, 1);
	assert_int_equal(r->counters[ETH0][1].generated, 1);
	sent_arp(r, 0, ETH0, RTE_ARP_OP_REPLY);
	r->ports[ETH0].owner = 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_for_its_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(obeys_arp_ignore_and_arp_filter, setup, teardown),
		cmocka_unit_test_setup_teardown(ignores_what_is_not_for_it, setup, teardown),
		cmocka_unit_test_setup_teardown(drops_the_malformed, setup, teardown),
		cmocka_unit_test_setup_teardown(believes_announcements_only_about_those_it_knows, setup, teardown),
		cmocka_unit_test_setup_teardown(does_not_flap_between_two_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(stands_in_for_others_when_told_to, setup, teardown),
		cmocka_unit_test_setup_teardown(is_handled_by_the_owner_of_the_port, setup, teardown),
	};

	eal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
