/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The round and the limits. The orders, victims and counts are those that Linux showed (5.10 and 6.1, `sfq` under a
 * slow tbf, arrivals in one burst).
 */
#include "support_sfq.h"

static uint64_t draw_state;

static uint32_t
draw(uint32_t below)
{
	draw_state = draw_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(draw_state >> 33) % below;
}

/* Linux's order for a plan that starts with one packet "a" gone before the rest came. */
static void
linux_order(const struct sfq_conf *conf, const char *plan, const char *expected)
{
	bed_make();
	make_sfq(conf);
	arrive("a");
	assert_leaves("a0");
	arrive(plan);
	assert_leaves(expected);
	assert_int_equal(sched_backlog(bed.tree), 0);
	bed_end();
}

/* ---- the round */

static void
serves_flows_in_turn_by_bytes(void **state)
{
	linux_order(&(struct sfq_conf){ .quantum = 1514 }, "a7 b8 c20x214",
		"a1 a2 b0 b1 c0 c1 c2 c3 c4 c5 c6 c7 a3 b2 c8 c9 c10 c11 c12 c13 c14 a4 a5 b3 b4 c15 c16 c17 c18 c19 "
		"a6 b5 a7 "
		"b6 b7");
	linux_order(
		&(struct sfq_conf){ .quantum = 514 }, "a3 b4 c8x514", "a1 b0 c0 a2 b1 c1 c2 a3 b2 c3 c4 b3 c5 c6 c7");
	linux_order(NULL, "b1 c1 a3 b3 c3", "b0 b1 c0 c1 a1 a2 b2 c2 a3 b3 c3");
}

static void
a_new_flow_waits_for_one_round(void **state)
{
	bed_make();
	make_sfq(NULL);
	arrive("a1");
	assert_leaves("a0");
	arrive("a5 b6");
	assert_leaves_n(3, "a1 a2 b0");
	arrive("c2");
	assert_leaves("b1 a3 c0 c1 b2 a4 a5 b3 b4 b5");
	bed_end();
}

static void
a_flow_that_ran_empty_starts_afresh(void **state)
{
	bed_make();
	make_sfq(&(struct sfq_conf){ .quantum = 1500 });
	/* a's one packet is more than its quantum. Had it to pay, b would send once more before a's next. */
	arrive("a1x3000 b4x1500");
	assert_leaves_n(2, "a0 b0");
	arrive("a2x1500");
	assert_leaves("a1 b1 a2 b2 b3");
	bed_end();
}

static void
a_flow_pays_for_what_it_sent_too_much(void **state)
{
	bed_make();
	make_sfq(&(struct sfq_conf){ .quantum = 1500 });
	arrive("a3x3000 b6x1500");
	assert_leaves("a0 b0 b1 a1 b2 b3 a2 b4 b5");
	bed_end();
}

static void
peek_says_what_leaves_next(void **state)
{
	struct qdisc *q;

	bed_make();
	q = make_sfq(NULL);
	assert_null(qdisc_peek(q, 0));
	arrive("a9 b9x300 c9x77");
	while (sched_backlog(bed.tree) != 0) {
		uint32_t id = pkt_of(qdisc_peek(q, 0))->nexthop;

		assert_int_equal(take(1, 0), 1);
		assert_int_equal(bed.taken[0].id, id);
	}
	assert_null(qdisc_peek(q, 0));
	assert_true(sched_next_event(bed.tree, 7) == SCHED_NEVER);
	bed_end();
}

static void
a_tiny_quantum_is_as_fair_as_a_large_one(void **state)
{
	uint64_t bytes[128] = { 0 };

	bed_make();
	make_sfq(&(struct sfq_conf){ .quantum = 1, .limit = 3000, .flows = 128 });
	for (unsigned int i = 0; i < 100; i++)
		arrive("a1x1500 b3x500 c4x375 d1x1499");
	take(250, 0);
	for (uint32_t i = 0; i < 250; i++)
		bytes[bed.taken[i].flow] += bed.taken[i].bytes;
	for (char flow = 'b'; flow <= 'd'; flow++)
		assert_true(
			RTE_MAX(bytes['a'], bytes[(uint8_t)flow]) - RTE_MIN(bytes['a'], bytes[(uint8_t)flow]) <= 1501);
	take(UINT32_MAX, 0);
	bed_end();
}

/*
 * Deficit round robin as slow and plain as it can be said: grants one quantum at each visit. Fills ids in the order
 * of leaving.
 */
static void
reference_order(uint32_t flows, uint32_t each, const uint32_t lengths[flows][each], int64_t quantum, uint32_t *ids)
{
	uint32_t next[16] = { 0 }, left = flows * each, at = 0;
	int64_t allot[16];

	for (uint32_t f = 0; f < flows; f++)
		allot[f] = quantum;
	for (uint32_t f = 0; left != 0; f = (f + 1) % flows) {
		while (next[f] < each && allot[f] > 0) {
			allot[f] -= lengths[f][next[f]];
			ids[at++] = f * each + next[f]++;
			left--;
		}
		allot[f] += quantum;
	}
}

static void
any_quantum_gives_the_reference_order(void **state)
{
	enum { FLOWS = 7, EACH = 40 };
	static const int64_t quanta[] = { 1, 2, 3, 7, 64, 100, 333, 1000, 1514, 9000 };
	uint32_t lengths[FLOWS][EACH], ids[FLOWS * EACH];

	for (size_t i = 0; i < RTE_DIM(quanta); i++) {
		bed_make();
		make_sfq(&(struct sfq_conf){ .quantum = (uint32_t)quanta[i], .limit = 1000 });
		draw_state = i;
		for (uint32_t f = 0; f < FLOWS; f++) {
			for (uint32_t j = 0; j < EACH; j++) {
				lengths[f][j] = 64 + draw(1451);
				offer_packet(packet(lengths[f][j], f, CLASSID(1, f + 1), 0));
			}
		}
		reference_order(FLOWS, EACH, lengths, quanta[i], ids);
		take(UINT32_MAX, 0);
		assert_ids(ids, FLOWS * EACH);
		bed_end();
	}
}

/* ---- limits */

static void
the_longest_flow_loses_its_last_packet(void **state)
{
	/* Linux counts the packet that its tbf peeked at in the limit; here it is gone. */
	linux_order(&(struct sfq_conf){ .limit = 9 }, "a4 b5 a1 a1 a1 b1 b1 c1 c1 c1", "a1 a2 b0 b1 c0 c1 a3 b2 c2");
	linux_order(&(struct sfq_conf){ .limit = 9 }, "a4 b5 b1 a1 c1", "a1 a2 b0 b1 c0 a3 b2 a4 b3");
	linux_order(&(struct sfq_conf){ .limit = 8 }, "a2 b3 c3 d1 d1 d1 d1", "a1 a2 b0 b1 c0 c1 d0 d1");
	/* b and c have three each, and b came to three last. */
	linux_order(&(struct sfq_conf){ .limit = 8 }, "b1 c1 b1 c1 a1 c1 a1 b1 d1", "b0 b1 c0 c1 a1 a2 d0 c2");
}

static void
the_longest_flow_loses_its_first_packet_with_headdrop(void **state)
{
	linux_order(&(struct sfq_conf){ .limit = 9, .has_v1 = true, .headdrop = true }, "a4 b5 a1 a1 a1 b1 b1 c1 c1 c1",
		"a5 a6 b4 b5 c0 c1 a7 b6 c2");
}

static void
where_all_flows_hold_one_packet_the_oldest_goes(void **state)
{
	for (unsigned int headdrop = 0; headdrop < 2; headdrop++) {
		bed_make();
		make_sfq(&(struct sfq_conf){ .flows = 1000, .has_v1 = true, .headdrop = headdrop });
		for (uint32_t i = 0; i < 130; i++)
			offer_packet(packet(FRAME, i, CLASSID(1, i + 1), 0));
		assert_int_equal(take(UINT32_MAX, 0), 127);
		for (uint32_t i = 0; i < 127; i++)
			assert_int_equal(bed.taken[i].id, i + 3);
		bed_end();
	}
}

static void
a_flow_is_no_deeper_than_the_depth(void **state)
{
	linux_order(&(struct sfq_conf){ .has_v1 = true, .depth = 3 }, "a5 b4", "a1 a2 b0 b1 a3 b2");
	linux_order(&(struct sfq_conf){ .has_v1 = true, .depth = 3, .headdrop = true }, "a5 b4", "a3 a4 b1 b2 a5 b3");
	linux_order(&(struct sfq_conf){ .has_v1 = true, .depth = 1 }, "a2 b2", "a1 b0");
	linux_order(&(struct sfq_conf){ .has_v1 = true, .depth = 1, .headdrop = true }, "a2 b2", "a2 b1");
	/* 127 unless said otherwise. */
	bed_make();
	make_sfq(&(struct sfq_conf){ .limit = 1000 });
	arrive("a200");
	assert_int_equal(sched_backlog(bed.tree), 127);
	bed_end();
}

static void
no_more_flows_than_asked_for(void **state)
{
	linux_order(&(struct sfq_conf){ .flows = 2 }, "a1 b2 c2", "a1 b0 b1");
	bed_make();
	make_sfq(&(struct sfq_conf){ .flows = 2 });
	arrive("a1 b1 c1");
	assert_int_equal(bed.sink.drops[DROP_QUEUE_FULL], 1);
	assert_leaves_n(1, "a0");
	arrive("c1"); /* one is free again */
	assert_leaves("b0 c1");
	bed_end();
}

static void
the_count_returned_is_of_packets_that_stay(void **state)
{
	bed_make();
	make_sfq(&(struct sfq_conf){ .limit = 2 });
	assert_int_equal(offer_packet(named_packet('a', FRAME, 0x10001)), 1);
	assert_int_equal(offer_packet(named_packet('a', FRAME, 0x10001)), 1);
	assert_int_equal(offer_packet(named_packet('a', FRAME, 0x10001)), 0); /* it would be the longest flow's last */
	assert_int_equal(offer_packet(named_packet('b', FRAME, 0x10002)), 1); /* a loses one for it */
	assert_leaves("a0 b0");
	bed_end();
}

/* ---- configuration */

static void
effective_is(struct sfq_conf conf, uint32_t limit, uint32_t depth, uint32_t flows, uint32_t divisor)
{
	struct sfq_conf seen;
	struct qdisc *q;

	bed_make();
	q = make_sfq(&conf);
	q->ops->get_conf(q, &seen);
	assert_int_equal(seen.limit, limit);
	assert_int_equal(seen.depth, depth);
	assert_int_equal(seen.flows, flows);
	assert_int_equal(seen.divisor, divisor);
	assert_int_equal(seen.quantum, conf.quantum != 0 ? conf.quantum : 1514);
	assert_int_equal(seen.perturb_s, conf.perturb_s);
	arrive("a2 b2"); /* and it works */
	take(UINT32_MAX, 0);
	bed_end();
}

static void
reports_the_values_that_linux_reports(void **state)
{
	effective_is((struct sfq_conf){ 0 }, 127, 127, 128, 1024);
	effective_is((struct sfq_conf){ .quantum = 1, .perturb_s = 10 }, 127, 127, 128, 1024);
	effective_is((struct sfq_conf){ .limit = 2 }, 2, 127, 2, 1024);
	effective_is((struct sfq_conf){ .limit = 100000 }, 16256, 127, 128, 1024);
	effective_is((struct sfq_conf){ .limit = 65535, .flows = 65535 }, 65535, 127, 65408, 1024);
	effective_is((struct sfq_conf){ .limit = 3000, .flows = 10, .has_v1 = true, .depth = 10 }, 100, 10, 10, 1024);
	effective_is((struct sfq_conf){ .has_v1 = true, .depth = 200 }, 127, 127, 128, 1024);
	effective_is((struct sfq_conf){ .has_v1 = true, .depth = 1 }, 127, 1, 128, 1024);
	effective_is((struct sfq_conf){ .flows = 1 }, 127, 127, 1, 1024);
	effective_is((struct sfq_conf){ .flows = 1000, .limit = 100000 }, 100000, 127, 1000, 1024);
	effective_is((struct sfq_conf){ .flows = 1024, .limit = 50 }, 50, 127, 50, 1024);
	effective_is((struct sfq_conf){ .divisor = 1 }, 127, 127, 1, 1);
	effective_is((struct sfq_conf){ .divisor = 65536 }, 127, 127, 128, 65536);
	effective_is(
		(struct sfq_conf){ .divisor = 65536, .flows = 65408, .limit = 10000000 }, 8306816, 127, 65408, 65536);
}

static void
refuse(struct sfq_conf conf)
{
	struct qdisc_spec spec = { .parent = TC_H_ROOT, .handle = 1 << 16, .kind = "sfq", .conf = &conf };
	struct error err = { 0 };

	assert_int_equal(sched_qdisc_add(bed.tree, &spec, NULL, &err), -EINVAL);
	assert_true(strncmp(err.msg, "sfq: ", 5) == 0);
	assert_null(sched_root(bed.tree));
}

static void
refuses_what_linux_refuses(void **state)
{
	struct sfq_conf conf = { 0 };
	struct error err = { 0 };
	struct qdisc *q;

	bed_make();
	refuse((struct sfq_conf){ .divisor = 1000 });
	refuse((struct sfq_conf){ .divisor = 3 });
	refuse((struct sfq_conf){ .divisor = 131072 });
	refuse((struct sfq_conf){ .quantum = INT32_MAX });
	refuse((struct sfq_conf){ .quantum = UINT32_MAX });
	refuse((struct sfq_conf){ .perturb_s = -1 });
	refuse((struct sfq_conf){ .perturb_s = 100000000 });
	refuse((struct sfq_conf){ .has_v1 = true, .qth_min = 1001, .qth_max = 1000 });
	refuse((struct sfq_conf){ .has_v1 = true, .qth_min = 1000, .qth_max = UINT32_MAX, .red_wlog = 1 });
	refuse((struct sfq_conf){ .has_v1 = true, .qth_min = 1000, .qth_max = 2000, .red_flags = TC_RED_ADAPTATIVE });
	q = make_sfq(NULL);
	assert_int_equal(sched_qdisc_change(q, &conf, &err), -EOPNOTSUPP);
	assert_int_equal(
		sched_qdisc_add(bed.tree, &(struct qdisc_spec){ .parent = 0x10001, .handle = 2 << 16, .kind = "pfifo" },
			NULL, &err),
		-ENOENT);
	bed_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serves_flows_in_turn_by_bytes),
		cmocka_unit_test(a_new_flow_waits_for_one_round),
		cmocka_unit_test(a_flow_that_ran_empty_starts_afresh),
		cmocka_unit_test(a_flow_pays_for_what_it_sent_too_much),
		cmocka_unit_test(peek_says_what_leaves_next),
		cmocka_unit_test(a_tiny_quantum_is_as_fair_as_a_large_one),
		cmocka_unit_test(any_quantum_gives_the_reference_order),
		cmocka_unit_test(the_longest_flow_loses_its_last_packet),
		cmocka_unit_test(the_longest_flow_loses_its_first_packet_with_headdrop),
		cmocka_unit_test(where_all_flows_hold_one_packet_the_oldest_goes),
		cmocka_unit_test(a_flow_is_no_deeper_than_the_depth),
		cmocka_unit_test(no_more_flows_than_asked_for),
		cmocka_unit_test(the_count_returned_is_of_packets_that_stay),
		cmocka_unit_test(reports_the_values_that_linux_reports),
		cmocka_unit_test(refuses_what_linux_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
