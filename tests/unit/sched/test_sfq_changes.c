/* SPDX-License-Identifier: BSD-3-Clause */
/* Changes under load, dumps, and everything at once. */
#include "support_sfq.h"

static uint64_t draw_state;

static uint32_t
draw(uint32_t below)
{
	draw_state = draw_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(draw_state >> 33) % below;
}

static void
nothing_is_lost_or_reordered_by_a_move(void **state)
{
	uint64_t offered;

	bed_make();
	make_qdisc("pfifo", &(struct fifo_conf){ .limit = 10000 });
	for (uint32_t i = 0; i < 3000; i++)
		offer_packet(packet(100, i % 200, 0, 0)); /* more flows, and longer ones, than the sfq has room for */
	add_qdisc(TC_H_ROOT, 2 << 16, "sfq",
		&(struct sfq_conf){ .flows = 50, .limit = 100, .has_v1 = true, .depth = 3, .perturb_s = 1 });
	assert_int_equal(sched_backlog(bed.tree), 3000);
	take(1000, 0);
	/*
	 * Arrivals cost the longest flows a packet each now, since the limit is passed; the moved ones may cost
	 * nothing else.
	 */
	for (uint32_t i = 0; i < 200; i++)
		offer_packet(packet(100, i, 0, 0));
	offered = sched_backlog(bed.tree) + bed_dropped();
	assert_int_equal(offered, 2200);
	bed.now = SECONDS(1); /* a new hash amid the crowd */
	take_more(500);
	add_qdisc(TC_H_ROOT, 3 << 16, "pfifo", NULL);
	take_more(UINT32_MAX);
	assert_int_equal(bed.taken_count + bed_dropped(), 3200);
	assert_flows_in_order();
	bed_end();
}

static void
the_shared_flow_is_given_back(void **state)
{
	bed_make();
	make_qdisc("pfifo", &(struct fifo_conf){ .limit = 10000 });
	for (uint32_t i = 0; i < 20; i++)
		offer_packet(packet(100, i, CLASSID(2, i + 1), 0));
	add_qdisc(TC_H_ROOT, 2 << 16, "sfq", &(struct sfq_conf){ .flows = 4 });
	take(UINT32_MAX, 0);
	assert_flows_in_order();
	memset(numbers, 0, sizeof(numbers));
	for (uint32_t i = 0; i < 20; i++) /* four flows have room, as in the beginning */
		offer_packet(packet(100, i, CLASSID(2, i + 1), 0));
	assert_int_equal(sched_backlog(bed.tree), 4);
	take(UINT32_MAX, 0);
	bed_end();
}

static int
check_class(void *arg, struct class *c)
{
	struct sfq_class_xstats xstats;
	struct sched_stats stats;
	unsigned int *seen = arg;

	class_get_stats(c, &stats);
	c->qdisc->ops->classes->get_xstats(c, &xstats);
	if ((*seen)++ == 0) {
		assert_int_equal(c->classid, 0x10001);
		assert_int_equal(stats.backlog_pkts, 2);
		assert_int_equal(stats.backlog_bytes, 2 * FRAME);
		assert_int_equal(xstats.allot, 1514 - 2 * FRAME);
	} else {
		assert_int_equal(c->classid, 0x10003);
		assert_int_equal(stats.backlog_pkts, 1);
		assert_int_equal(stats.drops, 0);
		assert_int_equal(xstats.allot, 1514);
	}
	return *seen == 3 ? 77 : 0;
}

static void
a_dump_shows_the_busy_buckets(void **state)
{
	struct qdisc *q;
	unsigned int seen = 0;

	bed_make();
	q = make_sfq(NULL);
	assert_int_equal(class_snapshot_walk(q, check_class, &seen), 0);
	assert_int_equal(seen, 0);
	arrive("c1 a4");
	assert_leaves_n(3, "c0 a0 a1");
	arrive("c1");
	assert_int_equal(class_snapshot_walk(q, check_class, &seen), 0);
	assert_int_equal(seen, 2);
	assert_leaves("c1 a2 a3");
	bed_end();
}

/*
 * Random traffic against invariants: nothing lost, no limit passed, each flow in order, no flow long behind another
 * that is backlogged.
 */
static void
random_traffic_keeps_the_promises(void **state)
{
	for (unsigned int seed = 1; seed <= 30; seed++) {
		struct sfq_conf conf;
		uint32_t flows;

		draw_state = seed * UINT64_C(0x9e3779b97f4a7c15);
		print_message("seed %u\n", seed);
		conf = (struct sfq_conf){ .quantum = draw(2) ? draw(3000) + 1 : 0,
			.limit = 2 + draw(300),
			.divisor = 1u << draw(11),
			.flows = 1 + draw(200),
			.has_v1 = true,
			.depth = 1 + draw(130),
			.headdrop = draw(2),
			.perturb_s = (int32_t)draw(3) };
		if (draw(2)) {
			conf.qth_min = 1000 + draw(10000);
			conf.qth_max = conf.qth_min + 1 + draw(20000);
			conf.red_wlog = 1 + draw(8);
			conf.red_max_p = draw(UINT32_MAX);
		}
		flows = 1 + draw(250);
		bed_make();
		struct qdisc *q = make_sfq(&conf);

		q->ops->get_conf(q, &conf);
		for (unsigned int step = 0; step < 3000; step++) {
			struct rte_mbuf *pkts[100];
			uint16_t n = (uint16_t)(1 + draw(step % 300 == 0 ? 100 : 8));

			bed.now += draw(20000000);
			for (uint16_t i = 0; i < n; i++)
				pkts[i] = packet(64 + draw(1437), draw(flows), 0, 0);
			offer_packets(pkts, n);
			assert_true(q->backlog_pkts <= conf.limit);
			assert_nothing_lost();
			take_more(draw(9));
			if (bed.taken_count > BED_TAKEN_MAX - 200) {
				assert_flows_in_order();
				bed.taken_count = 0;
			}
		}
		take_more(UINT32_MAX);
		assert_flows_in_order();
		assert_int_equal(q->backlog_bytes, 0);
		assert_int_equal(sched_backlog(bed.tree), 0);
		bed_end();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_or_reordered_by_a_move),
		cmocka_unit_test(the_shared_flow_is_given_back),
		cmocka_unit_test(a_dump_shows_the_busy_buckets),
		cmocka_unit_test(random_traffic_keeps_the_promises),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
