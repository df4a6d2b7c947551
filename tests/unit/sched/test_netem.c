/* SPDX-License-Identifier: BSD-3-Clause */
/* netem: delays, rates, slots, order and changes. What is random is in test_netem_chance.c. */
#include <weir/qdisc/fifo.h>
#include <weir/qdisc/tbf.h>

#include "support_netem.h"

/* ---- delay */

static void
each_packet_waits_as_long_and_none_overtakes(void **state)
{
	bed_make();
	make_netem((struct netem_conf){ .latency_ns = MS(20) });
	for (uint32_t i = 0; i < 1000; i++) {
		bed.now = i * 7919;
		offer(64, 1500);
	}
	bed.now = 0;
	take_all(SCHED_NEVER - 1);
	assert_int_equal(bed.taken_count, 2000);
	for (uint32_t i = 0; i < 2000; i++) {
		assert_int_equal(bed.taken[i].id, i);
		assert_int_equal(bed.taken[i].time_ns, MS(20) + i / 2 * 7919);
	}
	bed_end();
}

/* Further apart than 2^32 ns is told otherwise than nearer. */
static void
packets_may_be_due_minutes_apart(void **state)
{
	static const uint64_t at[] = { 0, MS(4294), MS(4294) + (UINT64_C(1) << 32) - 2, MS(20000), MS(20000) + 1,
		MS(600000) };

	bed_make();
	make_netem((struct netem_conf){ .latency_ns = MS(20) });
	for (size_t i = 0; i < RTE_DIM(at); i++) {
		bed.now = at[i];
		offer(64);
	}
	bed.now = 0;
	take_all(SCHED_NEVER - 1);
	assert_int_equal(bed.taken_count, RTE_DIM(at));
	for (size_t i = 0; i < RTE_DIM(at); i++)
		assert_int_equal(bed.taken[i].time_ns, MS(20) + at[i]);
	bed_end();
}

static void
without_options_it_is_a_fifo_with_a_limit(void **state)
{
	struct qdisc *q;

	bed_make();
	q = make_netem((struct netem_conf){ .limit = 3 });
	offer(100, 200, 300, 400);
	assert_int_equal(q->drops[DROP_QUEUE_FULL], 1);
	take(10, 0);
	assert_order(0, 1, 2);
	bed_end();
	/* The limit is not to be passed by packets that come together, either. */
	bed_make();
	q = make_netem((struct netem_conf){ .limit = 3 });
	struct rte_mbuf *pkts[5];

	for (unsigned int i = 0; i < RTE_DIM(pkts); i++)
		pkts[i] = packet(100, 1, 0, 0);
	assert_int_equal(offer_packets(pkts, RTE_DIM(pkts)), 3);
	assert_int_equal(q->drops[DROP_QUEUE_FULL], 2);
	bed_end();
}

/* ---- rate */

static double
error_of_rate(double Bps, double bytes, uint32_t n)
{
	return bytes * n / ((double)bed.taken[bed.taken_count - 1].time_ns / 1e9) / Bps - 1;
}

static void
the_rate_is_exact_from_8_kbit_to_40_gbit(void **state)
{
	static const uint64_t rates[] = { KBIT(8), KBIT(64), 123457, MBIT(1), MBIT(100), MBIT(1000), MBIT(10000),
		MBIT(40000) };
	static const uint32_t lengths[] = { 64, 333, 1514 };

	for (size_t i = 0; i < RTE_DIM(rates); i++) {
		for (size_t k = 0; k < RTE_DIM(lengths); k++) {
			bed_make();
			make_netem((struct netem_conf){ .has_rate = true, .rate = { .Bps = rates[i] } });
			offer_n(10000, lengths[k]);
			take_all(SCHED_NEVER - 1);
			assert_int_equal(bed.taken_count, 10000);
			assert_true(fabs(error_of_rate((double)rates[i], lengths[k], 10000)) < 0.00001);
			bed_end();
		}
	}
}

static void
the_delay_runs_while_the_line_is_busy(void **state)
{
	bed_make();
	/* 1000 bytes take 8 ms. */
	make_netem((struct netem_conf){ .latency_ns = MS(10), .has_rate = true, .rate = { .Bps = MBIT(1) } });
	offer(1000, 1000);
	bed.now = MS(40);
	offer(1000);
	bed.now = 0;
	take_all(SCHED_NEVER - 1);
	assert_int_equal(bed.taken[0].time_ns, MS(18));
	assert_int_equal(bed.taken[1].time_ns, MS(26));
	assert_int_equal(bed.taken[2].time_ns, MS(58));
	bed_end();
}

static void
assert_line_bytes(int32_t overhead, uint32_t cell, int32_t cell_overhead, uint32_t bytes, uint64_t on_line)
{
	bed_make();
	make_netem((struct netem_conf){ .has_rate = true,
		.rate = { .Bps = 1000000,
			.packet_overhead = overhead,
			.cell_size = cell,
			.cell_overhead = cell_overhead } });
	offer(bytes);
	take_all(SCHED_NEVER - 1);
	assert_int_equal(bed.taken[0].time_ns, on_line * 1000);
	bed_end();
}

static void
packets_fill_cells(void **state)
{
	assert_line_bytes(0, 48, 5, 50, 106); /* ATM's, as in tc-netem(8) */
	assert_line_bytes(0, 48, 5, 48, 53);
	assert_line_bytes(0, 48, 5, 49, 106);
	assert_line_bytes(20, 100, 5, 100, 210); /* its example: 120 bytes in two cells */
	assert_line_bytes(-14, 0, 0, 114, 100);
	assert_line_bytes(-14, 48, -3, 110, 90);
	assert_line_bytes(0, 1, 0, 1500, 1500);
	assert_line_bytes(-2000, 0, 0, 1500, 0);
}

/* ---- reordering */

static void
each_fifth_packet_overtakes(void **state)
{
	struct qdisc *q;

	bed_make();
	q = make_netem((struct netem_conf){
		.latency_ns = MS(10), .gap = 5, .has_reorder = true, .reorder = { .probability = UINT32_MAX } });
	for (uint32_t i = 0; i < 20; i++) {
		bed.now = i * 1000;
		offer(100);
	}
	/* More than 16 bits say: it overtakes, too. */
	offer(100, 100, 100, 100, 70000);
	bed.now = 0;
	take_all(SCHED_NEVER - 1);
	assert_int_equal(q->sent_bytes, 24 * 100 + 70000);
	assert_int_equal(q->backlog_bytes, 0);
	assert_int_equal(bed.taken[4].id, 24);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(bed.taken[i].id, 4 + 5 * i);
		assert_int_equal(bed.taken[i].time_ns, (4 + 5 * i) * 1000);
	}
	for (uint32_t i = 5; i < 21; i++)
		assert_int_equal(bed.taken[i].time_ns, MS(10) + bed.taken[i].id * 1000);
	bed_end();
}

/* ---- slots */

static void
packets_gather_for_a_slot(void **state)
{
	bed_make();
	make_netem((struct netem_conf){ .has_slot = true, .slot = { .min_ns = MS(10), .max_ns = MS(10) } });
	for (uint32_t i = 0; i < 40; i++) {
		take_all(MS(1 + i) - 1);
		assert_true(bed.taken_count == 0 || bed.taken_count == 10 || bed.taken_count == 11);
		bed.now = MS(1 + i);
		offer(100);
	}
	bed_end();
}

static void
a_slot_takes_so_many_packets_or_bytes(void **state)
{
	struct netem_slot slot = { .min_ns = MS(10), .max_ns = MS(10), .packets = 3 };

	bed_make();
	make_netem((struct netem_conf){ .has_slot = true, .slot = slot });
	bed.now = MS(1);
	offer_n(9, 100);
	take_all(SCHED_NEVER - 1);
	for (uint32_t i = 0; i < 9; i++)
		assert_int_equal(bed.taken[i].time_ns, MS(11 + i / 3 * 10));
	bed_end();

	bed_make();
	slot.packets = 0;
	slot.bytes = 250; /* the packet that uses it up is the last one */
	make_netem((struct netem_conf){ .has_slot = true, .slot = slot });
	bed.now = MS(1);
	offer_n(9, 100);
	take_all(SCHED_NEVER - 1);
	for (uint32_t i = 0; i < 9; i++)
		assert_int_equal(bed.taken[i].time_ns, MS(11 + i / 3 * 10));
	bed_end();
}

static int
by_time_then_arrival(const void *a, const void *b)
{
	const struct taken *one = a, *other = b;

	if (one->time_ns != other->time_ns)
		return one->time_ns < other->time_ns ? -1 : 1;
	return one->id < other->id ? -1 : one->id > other->id;
}

/* Those due at the same time leave as they came (Linux's queue by time does so), however many overtook others. */
static void
who_is_due_at_once_leaves_as_he_came(void **state)
{
	const struct netem_conf confs[] = {
		{ .latency_ns = MS(10), .gap = 1, .has_reorder = true, .reorder = { .probability = UINT32_MAX / 2 } },
		/* Of 3,000 in 2,000 ns many meet. */
		{ .latency_ns = 1000, .jitter_ns = 1000 },
	};

	for (size_t i = 0; i < RTE_DIM(confs); i++) {
		struct taken sorted[3000];

		bed_make();
		make_netem(confs[i]);
		bed.now = MS(1);
		offer_n(3000, 100);
		take_all(SCHED_NEVER - 1);
		assert_int_equal(bed.taken_count, 3000);
		memcpy(sorted, bed.taken, sizeof(sorted));
		qsort(sorted, 3000, sizeof(sorted[0]), by_time_then_arrival);
		for (uint32_t k = 0; k < 3000; k++) {
			if (sorted[k].id != bed.taken[k].id)
				fail_msg("%u leaves %u-th instead of %u", bed.taken[k].id, k, sorted[k].id);
		}
		bed_end();
	}
}

/* ---- the inner qdisc */

static void
what_is_due_goes_through_the_inner_qdisc(void **state)
{
	struct tbf_conf tbf = { .rate = { .Bps = MBIT(1) }, .limit_bytes = 100000, .burst_bytes = 1600 };
	struct qdisc *q, *inner;

	bed_make();
	q = make_netem((struct netem_conf){ .latency_ns = MS(100) });
	inner = add_qdisc(CLASSID(1, 1), 16 << 16, "tbf", &tbf);
	offer_n(10, 1000);
	take_all(MS(100));
	assert_int_equal(bed.taken_count, 1);
	assert_int_equal(inner->backlog_pkts, 9);
	assert_int_equal(q->backlog_pkts, 9);
	assert_int_equal(q->backlog_bytes, 9000);
	/* What had waited for the bucket may leave at once without it. */
	delete_qdisc(inner);
	assert_int_equal(q->backlog_pkts, 9);
	take_all(SCHED_NEVER - 1);
	assert_int_equal(bed.taken_count, 9);
	assert_int_equal(bed.taken[8].time_ns, MS(100));
	offer_n(1, 1000);
	take_all(SCHED_NEVER - 1);
	assert_int_equal(bed.taken[0].time_ns, MS(200));
	bed_end();
}

static void
an_inner_qdisc_may_drop(void **state)
{
	struct fifo_conf fifo = { .limit = 4 };

	bed_make();
	make_netem((struct netem_conf){ .latency_ns = MS(1) });
	add_qdisc(CLASSID(1, 1), 16 << 16, "pfifo", &fifo);
	offer_n(10, 1000);
	take_all(SCHED_NEVER - 1);
	assert_int_equal(bed.taken_count, 4);
	assert_int_equal(bed_dropped(), 6);
	bed_end();
}

static void
packets_find_their_class_below_after_a_change_too(void **state)
{
	struct qdisc *prio;

	bed_make();
	make_netem((struct netem_conf){ .latency_ns = MS(10) });
	prio = add_qdisc(CLASSID(1, 1), 16 << 16, "prio", NULL);
	offer_packet(packet(100, 1, 2, 0)); /* band 3 */
	offer_packet(packet(100, 1, 6, 0)); /* band 1 */
	delete_qdisc(prio);
	add_qdisc(CLASSID(1, 1), 17 << 16, "prio", NULL);
	take_all(SCHED_NEVER - 1);
	assert_order(1, 0);
	bed_end();
}

static void
below_a_shaper_it_delays_all_the_same(void **state)
{
	struct tbf_conf tbf = { .rate = { .Bps = MBIT(8) }, .limit_bytes = 100000, .burst_bytes = 1600 };
	struct netem_conf netem = { .latency_ns = MS(5), .limit = 100 };

	bed_make();
	make_qdisc("tbf", &tbf);
	add_qdisc(CLASSID(1, 1), 16 << 16, "netem", &netem);
	offer_n(3, 1000);
	take_all(SCHED_NEVER - 1);
	assert_order(0, 1, 2);
	assert_int_equal(bed.taken[0].time_ns, MS(5));
	bed_end();
}

/* ---- changes */

static void
a_change_keeps_what_waits_and_what_it_does_not_name(void **state)
{
	struct netem_conf conf = { .latency_ns = MS(10),
		.limit = 100,
		.has_rate = true,
		.rate = { .Bps = MBIT(8) },
		.has_corrupt = true,
		.corrupt = { .probability = 1 } };
	struct netem_conf now;
	struct qdisc *q;

	bed_make();
	q = make_netem(conf);
	offer_n(5, 1000);
	conf = (struct netem_conf){ .latency_ns = MS(1), .limit = 2 };
	change_qdisc(q, &conf);
	assert_int_equal(q->backlog_pkts, 5);
	q->ops->get_conf(q, &now);
	assert_int_equal(now.rate.Bps, MBIT(8));
	assert_int_equal(now.corrupt.probability, 1);
	assert_int_equal(now.latency_ns, MS(1));
	offer(1000);
	assert_int_equal(q->drops[DROP_QUEUE_FULL], 1);
	take_all(SCHED_NEVER - 1);
	assert_order(0, 1, 2, 3, 4);
	assert_int_equal(bed.taken[4].time_ns, MS(15));
	bed_end();
}

static void
what_is_moved_keeps_its_order(void **state)
{
	bed_make();
	make_netem((struct netem_conf){
		.latency_ns = MS(10), .gap = 3, .has_reorder = true, .reorder = { .probability = UINT32_MAX } });
	offer_n(6, 1000);
	/* All of it is behind a delay that nobody asks for any more; by the time at which it was due. */
	add_qdisc(TC_H_ROOT, 2 << 16, "pfifo", NULL);
	take_all(SCHED_NEVER - 1);
	assert_order(2, 5, 0, 1, 3, 4);
	bed_end();
}

static void
nonsense_is_refused_and_changes_nothing(void **state)
{
	struct netem_conf conf = {
		.limit = 10, .has_rate = true, .rate = { .Bps = 1000, .cell_size = 5, .cell_overhead = -5 }
	};
	int16_t values[NETEM_TABLE_MAX + 1] = { 0 };
	struct error err = { 0 };
	struct qdisc *q;

	bed_make();
	q = make_netem((struct netem_conf){ .latency_ns = MS(10) });
	assert_int_equal(sched_qdisc_change(q, &conf, &err), -EINVAL);
	conf = (struct netem_conf){ .limit = 10, .has_slot = true, .slot = { .min_ns = 2, .max_ns = 1 } };
	assert_int_equal(sched_qdisc_change(q, &conf, &err), -EINVAL);
	conf = (struct netem_conf){
		.limit = 10, .has_delay_table = true, .delay_table = { .values = values, .size = NETEM_TABLE_MAX + 1 }
	};
	assert_int_equal(sched_qdisc_change(q, &conf, &err), -EINVAL);
	assert_int_equal(sched_qdisc_change(q, NULL, &err), -EINVAL);
	offer(100);
	take_all(SCHED_NEVER - 1);
	assert_int_equal(bed.taken[0].time_ns, MS(10));
	bed_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_packet_waits_as_long_and_none_overtakes),
		cmocka_unit_test(packets_may_be_due_minutes_apart),
		cmocka_unit_test(without_options_it_is_a_fifo_with_a_limit),
		cmocka_unit_test(the_rate_is_exact_from_8_kbit_to_40_gbit),
		cmocka_unit_test(the_delay_runs_while_the_line_is_busy),
		cmocka_unit_test(packets_fill_cells),
		cmocka_unit_test(each_fifth_packet_overtakes),
		cmocka_unit_test(packets_gather_for_a_slot),
		cmocka_unit_test(a_slot_takes_so_many_packets_or_bytes),
		cmocka_unit_test(who_is_due_at_once_leaves_as_he_came),
		cmocka_unit_test(what_is_due_goes_through_the_inner_qdisc),
		cmocka_unit_test(an_inner_qdisc_may_drop),
		cmocka_unit_test(packets_find_their_class_below_after_a_change_too),
		cmocka_unit_test(below_a_shaper_it_delays_all_the_same),
		cmocka_unit_test(a_change_keeps_what_waits_and_what_it_does_not_name),
		cmocka_unit_test(what_is_moved_keeps_its_order),
		cmocka_unit_test(nonsense_is_refused_and_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
