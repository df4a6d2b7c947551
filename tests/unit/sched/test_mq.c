/* SPDX-License-Identifier: BSD-3-Clause */
/* mq over the trees of two lanes: what it shows of them, and where packets go when it comes and goes. */
#include <weir/qdisc/dsmark.h>

#include "support.h"

#define LANES 2

static struct sched_tree *lanes[LANES];

static void
make_lanes(void)
{
	struct sched_host host = {
		.ifindex = 1, .mtu = 1500, .tx_queue_len = 1000, .sink = &bed.sink, .now = bed_now, .seed = 1
	};

	bed_make();
	sched_tree_destroy(bed.tree, DROP_SHUTDOWN);
	for (unsigned int i = 0; i < LANES; i++) {
		assert_int_equal(sched_tree_create(&host, &lanes[i], NULL), 0);
		assert_int_equal(sched_set_default_root(lanes[i], "pfifo_fast", NULL), 0);
	}
	host.lanes = lanes;
	host.lane_count = LANES;
	assert_int_equal(sched_tree_create(&host, &bed.tree, NULL), 0);
	assert_int_equal(sched_set_default_root(bed.tree, "mq", NULL), 0);
	assert_true(sched_uses_lanes(bed.tree));
}

static void
end_lanes(void)
{
	bed_end();
	for (unsigned int i = 0; i < LANES; i++)
		sched_tree_destroy(lanes[i], DROP_SHUTDOWN);
}

/* As the lane's worker does it. */
static void
offer_lane(unsigned int lane, uint32_t priority)
{
	struct classify_ctx ctx = { .now = bed.now, .sink = &bed.sink };
	struct rte_mbuf *m = packet(100, lane, priority, 0);

	bed.received++;
	sched_classify(lanes[lane], &ctx, &m, 1);
	assert_int_equal(sched_enqueue(lanes[lane], &ctx, &m, 1), 1);
}

static void
take_lane(unsigned int lane, uint16_t n)
{
	struct rte_mbuf *pkts[64];

	assert_int_equal(sched_dequeue(lanes[lane], pkts, n, bed.now), n);
	rte_pktmbuf_free_bulk(pkts, n);
	bed.sent += n;
}

static struct sched_stats
stats_of(const struct qdisc *q)
{
	struct sched_stats stats;

	qdisc_get_stats(q, &stats);
	return stats;
}

static struct qdisc *
leaf(unsigned int lane)
{
	const struct qdisc *root = sched_root(bed.tree);

	return sched_class_find(root, root->handle | (lane + 1))->leaf;
}

static void
it_shows_what_the_lanes_count(void **state)
{
	make_lanes();
	for (unsigned int i = 0; i < 5; i++)
		offer_lane(1, 0);
	offer_lane(0, 0);
	take_lane(1, 3);
	assert_int_equal(stats_of(leaf(0)).backlog_pkts, 1);
	assert_int_equal(stats_of(leaf(1)).backlog_pkts, 2);
	assert_int_equal(stats_of(leaf(1)).packets, 3);
	assert_int_equal(stats_of(leaf(1)).bytes, 300);
	assert_int_equal(stats_of(sched_root(bed.tree)).backlog_bytes, 300);
	assert_int_equal(stats_of(sched_root(bed.tree)).packets, 3);
	/* A new one counts from zero, and has what the old one held. */
	make_qdisc("mq", NULL);
	assert_int_equal(stats_of(sched_root(bed.tree)).packets, 0);
	assert_int_equal(stats_of(sched_root(bed.tree)).backlog_pkts, 3);
	assert_int_equal(stats_of(leaf(0)).backlog_pkts, 3);
	take_lane(0, 3);
	assert_int_equal(stats_of(leaf(0)).packets, 3);
	end_lanes();
}

/* The idiom for a changed net.core.default_qdisc: the queues' kind is asked when mq is made. */
static void
a_new_mq_has_queues_of_the_default_kind(void **state)
{
	const struct qdisc *root;

	make_lanes();
	for (unsigned int i = 0; i < LANES; i++)
		sched_set_next_default(lanes[i], "sfq");
	offer_lane(1, 0);
	offer_lane(1, 0);
	assert_string_equal(sched_root(lanes[1])->ops->kind, "pfifo_fast");
	root = make_qdisc("mq", NULL);
	for (unsigned int i = 0; i < LANES; i++) {
		assert_string_equal(sched_root(lanes[i])->ops->kind, "sfq");
		assert_ptr_equal(
			root->ops->shown_leaf(sched_class_find(root, root->handle | (i + 1))), sched_root(lanes[i]));
	}
	take_lane(0, 2);
	delete_qdisc(make_qdisc("pfifo", NULL));
	assert_true(sched_uses_lanes(bed.tree));
	assert_string_equal(sched_root(lanes[0])->ops->kind, "sfq");
	end_lanes();
}

/* Whatever the generations of the trees, of which each counts its own. */
static void
what_moves_is_classified_anew(void **state)
{
	for (unsigned int changes = 0; changes < 16; changes++) {
		make_lanes();
		for (unsigned int i = 0; i < changes; i++)
			sched_chain_changed(lanes[1]);
		for (unsigned int i = 0; i < 4; i++)
			offer_lane(1, i);
		make_qdisc("prio", NULL);
		assert_int_equal(bed_dropped(), 0);
		assert_int_equal(sched_backlog(bed.tree), 4);
		assert_int_equal(sched_backlog(lanes[1]), 0);
		assert_int_equal(take_all(SECONDS(1)), 4);
		end_lanes();
	}
}

static void
held_packets_are_the_first_of_the_new_root(void **state)
{
	struct classify_ctx ctx = { .now = 0, .sink = &bed.sink };

	make_lanes();
	/* Two that the device refused, ids 0 and 1, and two behind them. */
	for (unsigned int i = 0; i < 4; i++)
		offer_lane(1, 0);
	struct rte_mbuf *held[2];
	assert_int_equal(sched_dequeue(lanes[1], held, 2, 0), 2);
	sched_classify(lanes[1], &ctx, held, 2);
	sched_take_back(bed.tree, held, 2);
	make_qdisc("pfifo", NULL);
	assert_int_equal(take_all(SECONDS(1)), 4);
	assert_ids((const uint32_t[]){ 0, 1, 2, 3 }, 4);
	end_lanes();
}

/* One that went past the lane's tree has yet what another port's found (an ifb's): it says nothing here. */
static void
held_packets_name_no_class_of_the_new_root(void **state)
{
	struct rte_mbuf *m;

	make_lanes();
	m = packet(100, 1, 0, 0);
	pkt_of(m)->leaf = 9 << 12 | 5;
	bed.received++;
	sched_take_back(bed.tree, &m, 1);
	make_qdisc("dsmark", &(struct dsmark_conf){ .indices = 8 });
	assert_int_equal(take_all(SECONDS(1)), 1);
	end_lanes();
}

static void
what_a_deleted_root_held_goes_to_the_first_lane(void **state)
{
	make_lanes();
	delete_qdisc(make_qdisc("prio", NULL));
	struct qdisc *pfifo = make_qdisc("pfifo", NULL);
	for (unsigned int i = 0; i < 1500; i++)
		offer_packet(packet(100, 1, 0, 0));
	assert_int_equal(sched_backlog(bed.tree), 1000);
	/* More than a lane takes of its own accord. */
	sched_set_tx_queue_len(lanes[0], 10);
	delete_qdisc(pfifo);
	assert_true(sched_uses_lanes(bed.tree));
	assert_int_equal(sched_backlog(lanes[0]), 1000);
	assert_int_equal(stats_of(sched_root(bed.tree)).backlog_pkts, 1000);
	for (unsigned int i = 0; i < 20; i++)
		take_lane(0, 50);
	assert_int_equal(stats_of(sched_root(bed.tree)).packets, 1000);
	end_lanes();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_shows_what_the_lanes_count),
		cmocka_unit_test(a_new_mq_has_queues_of_the_default_kind),
		cmocka_unit_test(what_moves_is_classified_anew),
		cmocka_unit_test(held_packets_are_the_first_of_the_new_root),
		cmocka_unit_test(held_packets_name_no_class_of_the_new_root),
		cmocka_unit_test(what_a_deleted_root_held_goes_to_the_first_lane),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
