/* SPDX-License-Identifier: BSD-3-Clause */
/* The ingress hook, policy by the marks it sets, and packets that come back from virtual ports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <linux/pkt_cls.h>
#include <net/ethernet.h>

#include <weir/action/gact.h>
#include <weir/action/skbedit.h>
#include <weir/filter/u32.h>

#include "eal.h"
#include "world.h"

static int
setup(void **state)
{
	struct router *r = world_make(false);

	r->ports[ETH0].ingress = chain_create(NULL);
	assert_non_null(r->ports[ETH0].ingress);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	struct router *r = *state;

	chain_destroy(r->ports[ETH0].ingress);
	world_free(r);
	return 0;
}

/* What goes to this UDP port gets the action. */
static void
filter(struct router *r, uint32_t preference, uint16_t dport, const struct action_spec *action)
{
	struct u32_key key = { .value = rte_cpu_to_be_32(dport), .mask = rte_cpu_to_be_32(0xffff), .offset = 20 };
	struct u32_conf conf = { .has_selector = true,
		.selector_flags = TC_U32_TERMINAL,
		.n_keys = 1,
		.keys = &key,
		.has_classid = true,
		.classid = 0x10001,
		.actions = action,
		.n_actions = 1 };
	struct filter_spec spec = {
		.preference = preference, .protocol = rte_cpu_to_be_16(ETHERTYPE_IP), .kind = "u32", .conf = &conf
	};
	struct error err = { 0 };

	if (chain_filter_add(r->ports[ETH0].ingress, &spec, CHANGE_CREATE | CHANGE_EXCLUSIVE, NULL, &err) != 0)
		fail_msg("%s", err.msg);
}

static void
lets_all_pass_where_nothing_matches(void **state)
{
	struct router *r = *state;
	struct gact_conf drop = { .action = TC_ACT_SHOT };

	inject_datagram(r, ETH0, &(struct datagram_spec){ .id = 1 });
	assert_int_equal(r->sent_count, 1);
	filter(r, 1, 9, &(struct action_spec){ .kind = "gact", .conf = &drop });
	inject_datagram(r, ETH0, &(struct datagram_spec){ .id = 1 });
	assert_int_equal(r->sent_count, 2);
}

static void
drops_what_a_filter_says(void **state)
{
	struct router *r = *state;
	struct gact_conf drop = { .action = TC_ACT_SHOT };
	struct frame frames[3] = { world_datagram(&(struct datagram_spec){ .id = 1 }),
		world_datagram(&(struct datagram_spec){ .dport = 9 }),
		world_datagram(&(struct datagram_spec){ .id = 3 }) };

	filter(r, 1, 9, &(struct action_spec){ .kind = "gact", .conf = &drop });
	inject_burst(r, ETH0, frames, 3);
	assert_int_equal(world_drops(r, DROP_FILTER), 1);
	assert_int_equal(r->sent_count, 2);
	assert_int_equal(rte_be_to_cpu_16(sent_ip(r, 0, ETH1)->packet_id), 1);
	assert_int_equal(rte_be_to_cpu_16(sent_ip(r, 1, ETH1)->packet_id), 3);
}

static void
routes_by_the_mark_it_sets(void **state)
{
	struct router *r = *state;
	struct skbedit_conf mark = { .set = SKBEDIT_F_MARK, .action = TC_ACT_PIPE, .mark = 7, .mask = UINT32_MAX };
	struct rib_rule rule = { .family = AF_INET,
		.action = FR_ACT_TO_TBL,
		.table = 77,
		.mark = 7,
		.mark_mask = UINT32_MAX,
		.suppress_prefix_length = -1 };
	struct rib_hop hop = { .ifindex = DUM0 };
	struct rib_route route = { .dst = { AF_INET, 0, { { { 0 } } } },
		.table = 77,
		.type = RTN_UNICAST,
		.scope = RT_SCOPE_LINK,
		.hop_count = 1,
		.hops = &hop };
	uint32_t bytes;

	assert_int_equal(rib_rule_add(r->rib, &rule, CHANGE_CREATE | CHANGE_EXCLUSIVE, NULL), 0);
	assert_int_equal(rib_route_add(r->rib, &route, CHANGE_CREATE, NULL), 0);
	filter(r, 1, 9, &(struct action_spec){ .kind = "skbedit", .conf = &mark });
	inject_datagram(r, ETH0, &(struct datagram_spec){ .dport = 9 });
	sent_ip(r, 0, DUM0);
	assert_memory_equal(sent_frame(r, 0, DUM0, &bytes), r->ports[DUM0].mac, 6); /* no ARP there: to itself */
	assert_int_equal(pkt_of(r->sent[0].m)->mark, 7);
	inject_datagram(r, ETH0, &(struct datagram_spec){ .dport = 10 });
	sent_ip(r, 1, ETH1);
}

/* ---- resuming ---------------------------------------------------------------------------------------------------- */

/* Takes the last frame that left and lets it come in again, as a virtual port would. */
static void
come_back(struct router *r, uint32_t ifindex, uint8_t stage)
{
	struct rte_mbuf *m = r->sent[--r->sent_count].m;

	r->counters[r->sent[r->sent_count].ifindex][0].tx_packets--;
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), r->ports[ifindex].mac, 6);
	pkt_of(m)->in_port = (uint16_t)ifindex;
	pkt_of(m)->stage = stage;
	path_resume(&r->worker, &m, 1);
	world_check(r);
}

static void
ends_loops_through_virtual_ports(void **state)
{
	struct router *r = *state;

	for (unsigned int stage = STAGE_RECEIVE; stage <= STAGE_INGRESS_DONE; stage++) {
		inject_datagram(r, ETH0, &(struct datagram_spec){ .ttl = 200 });
		for (int pass = 1; pass <= 8; pass++) {
			come_back(r, ETH0, (uint8_t)stage);
			assert_int_equal(r->sent_count, 1);
			assert_int_equal(sent_ip(r, 0, ETH1)->time_to_live, 199 - pass);
		}
		come_back(r, ETH0, (uint8_t)stage);
		assert_int_equal(r->sent_count, 0);
		assert_int_equal(world_drops(r, DROP_LOOP), stage + 1);
	}
}

static void
skips_the_hook_when_resumed_behind_it(void **state)
{
	struct router *r = *state;
	struct gact_conf drop = { .action = TC_ACT_SHOT };

	inject_datagram(r, ETH0, &(struct datagram_spec){ .dport = 9, .ttl = 200 });
	filter(r, 1, 9, &(struct action_spec){ .kind = "gact", .conf = &drop });
	come_back(r, ETH0, STAGE_INGRESS_DONE);
	assert_int_equal(r->sent_count, 1);
	come_back(r, ETH0, STAGE_RECEIVE);
	assert_int_equal(r->sent_count, 0);
	assert_int_equal(world_drops(r, DROP_FILTER), 1);
}

/* As over a veth pair within one namespace. */
static void
keeps_marks_through_virtual_ports(void **state)
{
	struct router *r = *state;

	inject_datagram(r, ETH0, &(struct datagram_spec){ .tos = 0x10 });
	assert_int_equal(pkt_of(r->sent[0].m)->mark, 0); /* what its buffer held before is gone */
	assert_int_equal(pkt_of(r->sent[0].m)->priority, 6);
	pkt_of(r->sent[0].m)->mark = 9;
	come_back(r, ETH0, STAGE_RECEIVE);
	assert_int_equal(pkt_of(r->sent[0].m)->mark, 9);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lets_all_pass_where_nothing_matches, setup, teardown),
		cmocka_unit_test_setup_teardown(drops_what_a_filter_says, setup, teardown),
		cmocka_unit_test_setup_teardown(routes_by_the_mark_it_sets, setup, teardown),
		cmocka_unit_test_setup_teardown(ends_loops_through_virtual_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(keeps_marks_through_virtual_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(skips_the_hook_when_resumed_behind_it, setup, teardown),
	};

	eal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
