/* SPDX-License-Identifier: BSD-3-Clause */
/* RED in each flow, against counts that Linux showed (5.10 and 6.1). */
#include "support_sfq.h"

/* ---- RED in each flow: what Linux did with 40 packets of one flow behind the one in service */

static struct sfq_conf
red_conf(uint8_t flags, bool headdrop)
{
	/* tc's `redflowlimit 20000 min 3000 max 6000 avpkt 1000 burst 5 probability 1` */
	return (struct sfq_conf){ .has_v1 = true,
		.redflowlimit = 20000,
		.qth_min = 3000,
		.qth_max = 6000,
		.red_wlog = 2,
		.red_max_p = 3145728000u,
		.red_flags = flags,
		.headdrop = headdrop };
}

static uint16_t
ipv4_checksum_of(const struct rte_mbuf *m)
{
	struct rte_ipv4_hdr copy = *ipv4_of((struct rte_mbuf *)(uintptr_t)m);

	copy.hdr_checksum = 0;
	return rte_ipv4_cksum(&copy);
}

/*
 * Offers 40 packets with these two ECN bits behind one in service; returns how many carry CE when they leave, all
 * with a good checksum.
 */
static unsigned int
marked_of_40(const struct sfq_conf *conf, uint8_t ecn, struct sfq_conf *after)
{
	struct rte_mbuf *pkts[64];
	struct qdisc *q;
	unsigned int marked = 0;
	uint16_t n;

	bed_make();
	q = make_sfq(conf);
	for (unsigned int i = 0; i < 40; i++) {
		struct rte_mbuf *m = packet(FRAME, 1, 0, 0);

		ipv4_of(m)->type_of_service = 0xb8 | ecn;
		ipv4_of(m)->hdr_checksum = ipv4_checksum_of(m);
		offer_packet(m);
		if (i == 0)
			assert_int_equal(take(1, 0), 1);
	}
	q->ops->get_conf(q, after);
	assert_int_equal(q->overlimits, after->red_stats.prob_drop + after->red_stats.prob_mark +
						after->red_stats.forced_drop + after->red_stats.forced_mark +
						after->red_stats.prob_mark_head + after->red_stats.forced_mark_head);
	while ((n = sched_dequeue(bed.tree, pkts, RTE_DIM(pkts), 0)) != 0) {
		for (uint16_t i = 0; i < n; i++) {
			marked += (ipv4_of(pkts[i])->type_of_service & 3) == 3;
			assert_int_equal(ipv4_of(pkts[i])->type_of_service >> 2, 0xb8 >> 2);
			assert_int_equal(ipv4_of(pkts[i])->hdr_checksum, ipv4_checksum_of(pkts[i]));
			rte_pktmbuf_free(pkts[i]);
			bed.sent++;
		}
	}
	bed_end();
	return marked;
}

static void
red_drops_early_and_at_the_maximum_always(void **state)
{
	struct sfq_conf conf = red_conf(0, false), after;

	assert_int_equal(marked_of_40(&conf, 0, &after), 0);
	assert_in_range(after.red_stats.prob_drop, 1, 4);
	assert_in_range(after.red_stats.forced_drop, 27, 30);
	assert_int_equal(bed.sink.drops[DROP_EARLY], after.red_stats.prob_drop + after.red_stats.forced_drop);
	assert_int_equal(bed.sink.drops[DROP_QUEUE_FULL], 0);
	/* Headdrop lets the newcomer in at the cost of the first. */
	conf.headdrop = true;
	marked_of_40(&conf, 0, &after);
	assert_in_range(after.red_stats.prob_drop + after.red_stats.forced_drop, 30, 32);
	assert_int_equal(bed.sink.drops[DROP_EARLY], after.red_stats.prob_drop + after.red_stats.forced_drop);
	/*
	 * Without a chance below the maximum only the forced ones are left: the average passes 6000 at the eleventh
	 * packet.
	 */
	conf = red_conf(0, false);
	conf.red_max_p = 1;
	marked_of_40(&conf, 0, &after);
	assert_int_equal(after.red_stats.prob_drop, 0);
	assert_int_equal(after.red_stats.forced_drop, 30);
}

static void
red_marks_packets_that_speak_ecn(void **state)
{
	struct sfq_conf conf = red_conf(TC_RED_ECN, false), after;
	unsigned int marked;

	for (uint8_t ecn = 1; ecn <= 2; ecn++) {
		marked = marked_of_40(&conf, ecn, &after);
		assert_int_equal(bed.sent, 40);
		assert_in_range(after.red_stats.prob_mark, 1, 3);
		assert_in_range(after.red_stats.forced_mark, 29, 30);
		assert_int_equal(marked, after.red_stats.prob_mark + after.red_stats.forced_mark);
	}
	assert_int_equal(marked_of_40(&conf, 0, &after), 0); /* these do not */
	assert_in_range(after.red_stats.forced_drop, 27, 30);
	assert_int_equal(after.red_stats.forced_mark, 0);
	conf = red_conf(TC_RED_ECN | TC_RED_HARDDROP, false);
	marked_of_40(&conf, 2, &after);
	assert_in_range(after.red_stats.prob_mark, 1, 3);
	assert_int_equal(after.red_stats.forced_mark, 0);
	assert_in_range(after.red_stats.forced_drop, 29, 30);
	/* With headdrop the flow's first packet bears the mark, once. */
	conf = red_conf(TC_RED_ECN, true);
	assert_int_equal(marked_of_40(&conf, 2, &after), 1);
	assert_in_range(after.red_stats.prob_mark_head, 1, 3);
	assert_in_range(after.red_stats.forced_mark_head, 29, 30);
	assert_int_equal(bed.sent, 40);
}

static void
red_marks_as_often_as_the_probability_says(void **state)
{
	/*
	 * With the average held at the middle of the curve, pb is half of max_p: Floyd and Jacobson's marks come
	 * every 1/pb packets in the mean.
	 */
	struct sfq_conf conf = { .has_v1 = true,
		.limit = 1000,
		.qth_min = 10000,
		.qth_max = 30000,
		.red_wlog = 4,
		.red_max_p = 1u << 31,
		.red_flags = TC_RED_ECN };
	struct sfq_conf after;
	struct qdisc *q;

	bed_make();
	q = make_sfq(&conf);
	for (unsigned int i = 0; i < 20; i++)
		offer(1000);
	for (unsigned int i = 0; i < 20000; i++) {
		struct rte_mbuf *m = packet(1000, 1, 0, 0);

		ipv4_of(m)->type_of_service = 2;
		offer_packet(m);
		take(1, 0);
	}
	q->ops->get_conf(q, &after);
	/* R is uniform over [0, 1): the gap is uniform over 1..4 packets at pb = 1/4, so 2.5 in the mean. */
	assert_in_range(after.red_stats.prob_mark, 7600, 8400);
	assert_int_equal(after.red_stats.forced_mark, 0);
	take(UINT32_MAX, 0);
	bed_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(red_drops_early_and_at_the_maximum_always),
		cmocka_unit_test(red_marks_packets_that_speak_ecn),
		cmocka_unit_test(red_marks_as_often_as_the_probability_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
