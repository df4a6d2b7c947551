/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfifo, bfifo, pfifo_head_drop and noqueue: limits in packets and bytes, which end loses, defaults, and changes under
 * load.
 */
#include "support.h"

#include <weir/qdisc/fifo.h>
#include <weir/random.h>

static uint32_t
limit_of(const struct qdisc *q)
{
	struct fifo_conf conf;

	q->ops->get_conf(q, &conf);
	return conf.limit;
}

/* Eight packets in one burst; which of them are left, as a mask. */
static unsigned int
kept_of_burst(const char *kind, uint32_t limit)
{
	struct rte_mbuf *pkts[8];
	unsigned int kept = 0;
	struct qdisc *q;

	bed_make();
	q = make_qdisc(kind, &(struct fifo_conf){ .limit = limit });
	for (unsigned int i = 0; i < 8; i++)
		pkts[i] = packet(1000 - 100 * i, 1, 0, 0);
	offer_packets(pkts, 8);
	assert_nothing_lost();
	take(UINT32_MAX, 0);
	for (uint32_t i = 0; i < bed.taken_count; i++) {
		assert_true(i == 0 || bed.taken[i].id > bed.taken[i - 1].id);
		kept |= 1u << bed.taken[i].id;
	}
	assert_int_equal(bed.sink.drops[DROP_QUEUE_FULL], 8 - bed.taken_count);
	assert_int_equal(q->drops_total, 8 - bed.taken_count);
	assert_int_equal(q->backlog_bytes, 0);
	bed_end();
	return kept;
}

static void
each_kind_loses_its_own(void **state)
{
	for (uint32_t limit = 0; limit <= 9; limit++) {
		unsigned int all = 0xff, n = RTE_MIN(limit, 8u);

		assert_int_equal(kept_of_burst("pfifo", limit), all >> (8 - n));
		assert_int_equal(kept_of_burst("pfifo_head_drop", limit), all & all << (8 - n));
	}
	/* 1000 + 900, then what still fits: 600 would not, 500 would not, 400 does. */
	assert_int_equal(kept_of_burst("bfifo", 2300), 1 | 2 | 1 << 6);
	assert_int_equal(kept_of_burst("bfifo", 1000), 1);
	assert_int_equal(kept_of_burst("bfifo", 999), 2);
	assert_int_equal(kept_of_burst("bfifo", 299), 0);
}

static void
head_drop_keeps_the_youngest_of_many(void **state)
{
	struct qdisc *q;

	bed_make();
	q = make_qdisc("pfifo_head_drop", &(struct fifo_conf){ .limit = 100 });
	for (unsigned int i = 0; i < 1000; i++)
		assert_int_equal(offer(64 + i % 1000), 1);
	assert_int_equal(q->backlog_pkts, 100);
	take(UINT32_MAX, 0);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(bed.taken[i].id, 900 + i);
	bed_end();
}

static void
limits_are_the_ports_unless_given(void **state)
{
	bed_make();
	assert_int_equal(limit_of(make_qdisc("pfifo", NULL)), 1000);
	assert_int_equal(limit_of(add_qdisc(TC_H_ROOT, 2 << 16, "bfifo", NULL)), 1000 * 1514);
	assert_int_equal(limit_of(add_qdisc(TC_H_ROOT, 3 << 16, "pfifo_head_drop", NULL)), 1000);
	sched_set_tx_queue_len(bed.tree, 7);
	assert_int_equal(limit_of(add_qdisc(TC_H_ROOT, 4 << 16, "pfifo", NULL)), 7);
	bed_end();
}

static void
a_lower_limit_bites_on_arrival(void **state)
{
	static const char *const kinds[] = { "pfifo", "bfifo", "pfifo_head_drop" };
	struct fifo_conf wide = { .limit = 10000 }, narrow = { .limit = 3 };

	for (size_t i = 0; i < RTE_DIM(kinds); i++) {
		struct qdisc *q;

		bed_make();
		q = make_qdisc(kinds[i], &wide);
		offer(1000, 1000, 1000, 1000, 1000);
		change_qdisc(q, &narrow);
		assert_int_equal(q->backlog_pkts, 5);
		assert_int_equal(sched_qdisc_change(q, NULL, NULL), -EINVAL);
		offer(1000);
		assert_int_equal(q->backlog_pkts, 5);
		assert_int_equal(take(UINT32_MAX, 0), 5);
		assert_int_equal(bed.taken[0].id, i == 2);
		bed_end();
	}
}

/* The ids of what waits follow one another: does the queue tell their lengths, and give them in order? */
static void
check_next(const struct qdisc *q, uint32_t first, uint32_t n)
{
	uint32_t bytes[16];
	uint16_t told = qdisc_peek_bytes(q, bytes, RTE_DIM(bytes));

	assert_int_equal(told, RTE_MIN(q->backlog_pkts, RTE_DIM(bytes)));
	for (uint16_t i = 0; i < told; i++)
		assert_int_equal(bytes[i], 64 + (first + i) % 1000);
	take(n, 0);
	for (uint32_t i = 0; i < bed.taken_count; i++) {
		assert_int_equal(bed.taken[i].id, first + i);
		assert_int_equal(bed.taken[i].bytes, 64 + (first + i) % 1000);
	}
}

/* Short queues and long ones stand in different places: packets pass through all of them. */
static void
order_is_kept_however_many_come_and_go(void **state)
{
	uint64_t random = 1;
	uint32_t offered = 0, taken = 0;
	struct qdisc *q;

	bed_make();
	q = make_qdisc("pfifo", &(struct fifo_conf){ .limit = 1000 });
	for (unsigned int round = 0; round < 20000; round++) {
		/* Now rather fewer, now rather more than seven wait. */
		uint32_t aim = round / 1000 % 2 == 0 ? 3 : 10, come = (uint32_t)(random_next(&random) % 4);

		for (; come != 0; come--)
			offer(64 + offered++ % 1000);
		uint32_t go = (uint32_t)(random_next(&random) % 4) + (q->backlog_pkts > aim ? 2 : 0);

		check_next(q, taken, go);
		taken += bed.taken_count;
		assert_int_equal(q->backlog_pkts, offered - taken);
	}
	assert_nothing_lost();
	bed_end();
}

static void
noqueue_holds_what_a_ring_does_and_stands_at_the_root(void **state)
{
	struct error err = { 0 };
	struct qdisc *q;

	bed_make();
	q = make_qdisc("noqueue", NULL);
	for (unsigned int i = 0; i < 1030; i++)
		offer(64);
	assert_int_equal(q->backlog_pkts, 1024);
	assert_int_equal(bed.sink.drops[DROP_QUEUE_FULL], 6);
	take(UINT32_MAX, 0);
	assert_int_equal(bed.taken_count, 1024);
	for (uint32_t i = 0; i < 1024; i++)
		assert_int_equal(bed.taken[i].id, i);
	assert_true(sched_can_bypass(bed.tree));
	add_qdisc(TC_H_ROOT, 2 << 16, "prio", NULL);
	assert_int_equal(
		sched_qdisc_add(bed.tree,
			&(struct qdisc_spec){ .parent = 0x20001, .handle = 3 << 16, .kind = "noqueue" }, NULL, &err),
		-EINVAL);
	assert_string_equal(err.msg, "Cannot assign noqueue to a class.");
	assert_nothing_lost();
	bed_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_loses_its_own),
		cmocka_unit_test(head_drop_keeps_the_youngest_of_many),
		cmocka_unit_test(limits_are_the_ports_unless_given),
		cmocka_unit_test(a_lower_limit_bites_on_arrival),
		cmocka_unit_test(order_is_kept_however_many_come_and_go),
		cmocka_unit_test(noqueue_holds_what_a_ring_does_and_stands_at_the_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
