/* SPDX-License-Identifier: BSD-3-Clause */
#include <weir/action/mirred.h>

#include "acting.h"

static const uint8_t frame[64] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 50 };

static int
mirred(uint32_t way, int32_t action, uint32_t ifindex)
{
	return act_by_one("mirred", &(struct mirred_conf){ .action = action, .way = way, .ifindex = ifindex });
}

/* m itself, with what an ifb needs to give it back. */
static void
redirects_the_packet_itself(void **state)
{
	struct rte_mbuf *m = buffer_of(frame, sizeof(frame));

	assert_int_equal(mirred(TCA_EGRESS_REDIR, TC_ACT_STOLEN, OTHER_PORT), 0);
	assert_int_equal(verdict_of(m, true), TC_ACT_STOLEN);
	assert_int_equal(outlet.count, 1);
	assert_ptr_equal(outlet.sent[0], m);
	assert_int_equal(pkt_of(m)->out_port, OTHER_PORT);
	assert_int_equal(pkt_of(m)->in_port, THIS_PORT);
	assert_int_equal(pkt_of(m)->flags, PKT_PLAIN | PKT_REDIRECTED | PKT_FROM_INGRESS);
	assert_int_equal(sink.generated, 0);
	assert_int_equal(stats_of("mirred").packets, 1);
	assert_int_equal(stats_of("mirred").bytes, 50);
}

static void
redirects_to_the_other_side(void **state)
{
	struct rte_mbuf *m = buffer_of(frame, sizeof(frame));

	assert_int_equal(mirred(TCA_INGRESS_REDIR, TC_ACT_STOLEN, OTHER_PORT), 0);
	assert_int_equal(verdict_of(m, false), TC_ACT_STOLEN);
	assert_int_equal(pkt_of(m)->flags, PKT_PLAIN | PKT_REDIRECTED | PKT_TO_INGRESS);
}

static void
mirrors_a_copy_of_its_own_bytes(void **state)
{
	struct rte_mbuf *m = buffer_of(frame, sizeof(frame));

	pkt_of(m)->mark = 5;
	assert_int_equal(mirred(TCA_EGRESS_MIRROR, TC_ACT_PIPE, OTHER_PORT), 0);
	assert_int_equal(verdict_of(m, false), TC_ACT_OK);
	assert_int_equal(outlet.count, 1);
	assert_ptr_not_equal(outlet.sent[0], m);
	assert_memory_equal(rte_pktmbuf_mtod(outlet.sent[0], uint8_t *), frame, sizeof(frame));
	memset(rte_pktmbuf_mtod(m, uint8_t *), 0xff, sizeof(frame));
	assert_memory_equal(rte_pktmbuf_mtod(outlet.sent[0], uint8_t *), frame, sizeof(frame));
	assert_int_equal(pkt_of(outlet.sent[0])->mark, 5);
	assert_int_equal(pkt_of(outlet.sent[0])->out_port, OTHER_PORT);
	assert_int_equal(pkt_of(outlet.sent[0])->flags, PKT_PLAIN | PKT_REDIRECTED | PKT_GENERATED);
	assert_int_equal(pkt_of(m)->flags, PKT_PLAIN);
	assert_int_equal(sink.generated, 1);
	rte_pktmbuf_free(m);
}

/* A redirect after which the packet goes on, as no tc asks for: both go. */
static void
copies_what_goes_on_after_a_redirect(void **state)
{
	struct rte_mbuf *m = buffer_of(frame, sizeof(frame));

	assert_int_equal(mirred(TCA_EGRESS_REDIR, TC_ACT_OK, OTHER_PORT), 0);
	assert_int_equal(verdict_of(m, false), TC_ACT_OK);
	assert_int_equal(outlet.count, 1);
	assert_ptr_not_equal(outlet.sent[0], m);
	rte_pktmbuf_free(m);
}

static void
counts_what_it_cannot_send(void **state)
{
	struct rte_mbuf *m = buffer_of(frame, sizeof(frame));

	assert_int_equal(mirred(TCA_EGRESS_REDIR, TC_ACT_STOLEN, CLOSED_PORT), 0);
	assert_int_equal(verdict_of(m, true), TC_ACT_SHOT);
	assert_int_equal(stats_of("mirred").overlimits, 1);
	assert_int_equal(mirred(TCA_INGRESS_MIRROR, TC_ACT_PIPE, CLOSED_PORT), 0);
	assert_int_equal(verdict_of(m, true), TC_ACT_OK);
	assert_int_equal(stats_of("mirred").overlimits, 1); /* of a new action: filters own theirs */
	assert_int_equal(outlet.count, 0);
	assert_int_equal(sink.generated, 0);
	rte_pktmbuf_free(m);
}

static void
forgets_a_port_that_is_gone(void **state)
{
	struct rte_mbuf *m = buffer_of(frame, sizeof(frame));
	struct mirred_conf conf;

	assert_int_equal(mirred(TCA_EGRESS_REDIR, TC_ACT_STOLEN, OTHER_PORT), 0);
	actions_port_gone(OTHER_PORT + 1);
	action_ops_of(action_find("mirred", 1))->get_conf(action_find("mirred", 1), &conf);
	assert_int_equal(conf.ifindex, OTHER_PORT);
	actions_port_gone(OTHER_PORT);
	action_ops_of(action_find("mirred", 1))->get_conf(action_find("mirred", 1), &conf);
	assert_int_equal(conf.ifindex, 0);
	assert_int_equal(conf.way, TCA_EGRESS_REDIR);
	rte_pktmbuf_free(m);
}

/* A change without a port keeps the one that was there. */
static void
changes_way_and_port(void **state)
{
	struct mirred_conf conf = { .action = TC_ACT_PIPE, .way = TCA_EGRESS_MIRROR, .ifindex = OTHER_PORT };
	struct action_spec spec = { .kind = "mirred", .index = 3, .conf = &conf };

	assert_int_equal(action_add(NULL, &spec, CREATE, 1, NULL, &err), 0);
	conf = (struct mirred_conf){ .action = TC_ACT_STOLEN, .way = TCA_INGRESS_REDIR };
	assert_int_equal(action_add(NULL, &spec, REPLACE, 1, NULL, &err), 0);
	action_ops_of(action_find("mirred", 3))->get_conf(action_find("mirred", 3), &conf);
	assert_int_equal(conf.ifindex, OTHER_PORT);
	assert_int_equal(conf.way, TCA_INGRESS_REDIR);
	assert_int_equal(conf.action, TC_ACT_STOLEN);
	assert_int_equal(action_delete("mirred", 3, &err), 0);
}

static void
refuses_what_makes_no_sense(void **state)
{
	assert_refused(mirred(0, TC_ACT_PIPE, OTHER_PORT), err, EINVAL, "act_mirred: Unknown mirred option");
	assert_refused(mirred(5, TC_ACT_PIPE, OTHER_PORT), err, EINVAL, "act_mirred: Unknown mirred option");
	assert_refused(mirred(1, TC_ACT_PIPE, 0), err, EINVAL, "act_mirred: Specified device does not exist");
	assert_int_equal(mirred(1, 99, OTHER_PORT), -EINVAL);
	assert_null(action_find("mirred", 1));
}

/* Back from an ifb: the list lets it pass, once, and counts nothing. */
static void
lets_pass_what_comes_back(void **state)
{
	struct rte_mbuf *m = buffer_of(frame, sizeof(frame));

	assert_int_equal(mirred(TCA_EGRESS_REDIR, TC_ACT_STOLEN, OTHER_PORT), 0);
	pkt_of(m)->flags |= PKT_SKIP_ACTIONS;
	assert_int_equal(verdict_of(m, false), TC_ACT_OK);
	assert_int_equal(stats_of("mirred").packets, 0);
	assert_int_equal(verdict_of(m, false), TC_ACT_STOLEN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(redirects_the_packet_itself, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(redirects_to_the_other_side, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(mirrors_a_copy_of_its_own_bytes, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(copies_what_goes_on_after_a_redirect, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(counts_what_it_cannot_send, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(forgets_a_port_that_is_gone, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(changes_way_and_port, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(refuses_what_makes_no_sense, acting_setup, acting_teardown),
		cmocka_unit_test_setup_teardown(lets_pass_what_comes_back, acting_setup, acting_teardown),
	};

	return cmocka_run_group_tests(tests, acting_group_setup, NULL);
}
