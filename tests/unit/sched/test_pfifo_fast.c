/* SPDX-License-Identifier: BSD-3-Clause */
#include <weir/qdisc/fifo.h>
#include <weir/qdisc/prio.h>

#include "support.h"

static void
offer_priority(uint32_t priority, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		offer_packet(packet(100, 1, priority, 0));
}

static void
serves_three_bands_in_order_of_priority(void **state)
{
	/* tc-pfifo_fast(8): interactive (6) and control (7) first, bulk (2), filler (1), 3 and 5 last. */
	static const uint8_t band[16] = { 1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1 };
	uint32_t at = 0;

	bed_make();
	make_qdisc("pfifo_fast", NULL);
	for (uint32_t priority = 0; priority < 16; priority++)
		offer_priority(priority, 1);
	assert_int_equal(take_all(0), 16);
	for (uint32_t b = 0; b < 3; b++) {
		for (uint32_t priority = 0; priority < 16; priority++) {
			if (band[priority] == b)
				assert_int_equal(bed.taken[at++].priority, priority);
		}
	}
	bed_end();
}

static void
looks_at_the_low_four_bits_of_a_priority(void **state)
{
	bed_make();
	make_qdisc("pfifo_fast", NULL);
	offer_priority(0, 1); /* band 1 */
	offer_priority(18, 1); /* as 2: band 2 */
	offer_priority(22, 1); /* as 6: band 0 */
	offer_priority(0x100006, 1); /* a classid means nothing here: as 6 */
	take_all(0);
	assert_order(2, 3, 0, 1);
	bed_end();
}

static void
a_late_arrival_in_a_better_band_goes_first(void **state)
{
	struct qdisc *q;

	bed_make();
	q = make_qdisc("pfifo_fast", NULL);
	offer_priority(2, 2);
	offer_priority(0, 2);
	take(1, 0);
	assert_order(2);
	offer_priority(6, 1);
	assert_int_equal(pkt_of(qdisc_peek(q, 0))->nexthop, 4);
	take(9, 0);
	assert_order(4, 3, 0, 1);
	assert_null(qdisc_peek(q, 0));
	assert_true(sched_next_event(bed.tree, 0) == SCHED_NEVER);
	bed_end();
}

static void
each_band_holds_a_queue_length(void **state)
{
	struct qdisc *q;
	struct sched_stats stats;

	bed_make();
	sched_set_tx_queue_len(bed.tree, 10);
	q = make_qdisc("pfifo_fast", NULL);
	offer_priority(6, 15);
	offer_priority(0, 15);
	offer_priority(2, 15);
	qdisc_get_stats(q, &stats);
	assert_int_equal(stats.backlog_pkts, 30);
	assert_int_equal(stats.backlog_bytes, 3000);
	assert_int_equal(stats.drops, 15);
	assert_int_equal(bed.sink.drops[DROP_QUEUE_FULL], 15);
	bed_end();
}

static void
a_new_queue_length_bites_on_arrival(void **state)
{
	struct qdisc *q;

	bed_make();
	sched_set_tx_queue_len(bed.tree, 10);
	q = make_qdisc("pfifo_fast", NULL);
	offer_priority(0, 10);
	sched_set_tx_queue_len(bed.tree, 5);
	assert_int_equal(q->backlog_pkts, 10);
	offer_priority(0, 1);
	assert_int_equal(q->backlog_pkts, 10);
	take(6, 0);
	offer_priority(0, 3);
	assert_int_equal(q->backlog_pkts, 5);
	sched_set_tx_queue_len(bed.tree, 7);
	offer_priority(0, 3);
	assert_int_equal(q->backlog_pkts, 7);
	bed_end();
}

static void
can_be_bypassed_while_empty(void **state)
{
	bed_make();
	make_qdisc("pfifo_fast", NULL);
	assert_true(sched_can_bypass(bed.tree));
	offer_priority(0, 1);
	assert_false(sched_can_bypass(bed.tree));
	take_all(0);
	assert_true(sched_can_bypass(bed.tree));
	bed_end();
}

static void
reports_its_map_and_takes_no_change(void **state)
{
	static const uint8_t map[16] = { 1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1 };
	struct prio_conf conf;
	struct error err = { 0 };
	struct qdisc *q;

	bed_make();
	q = make_qdisc("pfifo_fast", NULL);
	q->ops->get_conf(q, &conf);
	assert_int_equal(conf.bands, 3);
	assert_memory_equal(conf.priomap, map, sizeof(map));
	assert_int_equal(sched_qdisc_change(q, &conf, &err), -EOPNOTSUPP);
	assert_true(err.msg[0] != '\0');
	bed_end();
}

static void
nothing_is_lost_when_it_is_replaced(void **state)
{
	bed_make();
	make_qdisc("pfifo_fast", NULL);
	offer_priority(2, 100);
	offer_priority(0, 100);
	make_qdisc("pfifo", &(struct fifo_conf){ .limit = 10 });
	assert_int_equal(sched_backlog(bed.tree), 200);
	assert_nothing_lost();
	/* And back, over the limit of a band. */
	sched_set_tx_queue_len(bed.tree, 10);
	add_qdisc(TC_H_ROOT, 2 << 16, "pfifo_fast", NULL);
	assert_int_equal(take_all(0), 200);
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(bed.taken[i].id, (i + 100) % 200);
	bed_end();
}

static void
a_burst_is_cut_at_what_was_asked_for(void **state)
{
	bed_make();
	make_qdisc("pfifo_fast", NULL);
	offer_priority(2, 3);
	offer_priority(6, 3);
	take(4, 0);
	assert_order(3, 4, 5, 0);
	assert_true(sched_next_event(bed.tree, 7) == 7);
	take(4, 0);
	assert_order(1, 2);
	assert_true(sched_next_event(bed.tree, 7) == SCHED_NEVER);
	bed_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serves_three_bands_in_order_of_priority),
		cmocka_unit_test(looks_at_the_low_four_bits_of_a_priority),
		cmocka_unit_test(a_late_arrival_in_a_better_band_goes_first),
		cmocka_unit_test(each_band_holds_a_queue_length),
		cmocka_unit_test(a_new_queue_length_bites_on_arrival),
		cmocka_unit_test(can_be_bypassed_while_empty),
		cmocka_unit_test(reports_its_map_and_takes_no_change),
		cmocka_unit_test(nothing_is_lost_when_it_is_replaced),
		cmocka_unit_test(a_burst_is_cut_at_what_was_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
