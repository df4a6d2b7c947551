/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gred: which virtual queue a packet goes by, limits, the coupling of averages, ECN, and changes under load. The counts
 * are those that Linux 5.10 showed for the same packets, where a comment says so.
 */
#include <math.h>

#include "support.h"

#include <weir/qdisc/gred.h>

#define BYTES 1000

static struct gred_conf
all(uint32_t queues, uint32_t by_default, bool grio)
{
	return (struct gred_conf){ .setup = true,
		.queues_count = queues,
		.default_queue = by_default,
		.grio = grio,
		.has_limit = true,
		.limit_bytes = 1514000 };
}

/* The average moves by a quarter; a packet takes 0.8 ms. */
static struct gred_conf
queue(uint32_t i, uint32_t limit, uint32_t min, uint32_t max, uint8_t prio)
{
	return (struct gred_conf){ .queue = i,
		.queues = { { .params = { .min_bytes = min,
				      .max_bytes = max,
				      .max_p = UINT32_MAX / 50,
				      .weight_log = 2,
				      .idle_decay = (uint64_t)(-log2(0.75) / 800000 * 0x1p64) },
			.limit_bytes = limit,
			.prio = prio,
			.has_flags = true } } };
}

static struct qdisc *
make_gred(uint32_t by_default, bool grio)
{
	struct gred_conf conf = all(16, by_default, grio);

	bed_make();
	return make_qdisc("gred", &conf);
}

static void
set(struct qdisc *q, uint32_t i, uint32_t limit, uint32_t min, uint32_t max, uint8_t prio)
{
	struct gred_conf conf = queue(i, limit, min, max, prio);

	change_qdisc(q, &conf);
}

/* n packets with this tc_index; returns how many were queued. */
static unsigned int
send_to(uint16_t tc_index, unsigned int n)
{
	unsigned int queued = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *m = packet(BYTES, 1, 0, 0);

		pkt_of(m)->tc_index = tc_index;
		queued += offer_packet(m);
	}
	return queued;
}

static struct gred_queue_stats
stats_of(const struct qdisc *q, unsigned int i)
{
	struct gred_conf conf;

	q->ops->get_conf(q, &conf);
	assert_true(conf.queues[i].configured);
	return conf.queues[i].stats;
}

static void
assert_queue(const struct qdisc *q, unsigned int i, uint32_t packets, uint32_t average, uint32_t backlog)
{
	struct gred_queue_stats stats = stats_of(q, i);

	assert_int_equal(stats.packets, packets);
	assert_int_equal(stats.bytes, packets * BYTES);
	assert_int_equal(stats.backlog, backlog);
	assert_in_range(stats.average, average - 2, average + 2);
}

static void
end(void)
{
	take(UINT32_MAX, bed.now);
	bed_end();
}

static void
tc_index_chooses_the_virtual_queue(void **state)
{
	struct qdisc *q = make_gred(0, false);

	set(q, 4, 10000, 30000, 60000, 0);
	/* The default one is not configured: those that have no other pass uncounted. */
	assert_int_equal(send_to(0, 5) + send_to(4, 5) + send_to(8, 3) + send_to(0x40, 2), 15);
	assert_queue(q, 4, 5, 1949, 5000); /* Linux */
	/* The low four bits are looked at. */
	send_to(0x24, 5);
	assert_queue(q, 4, 10, 6225, 10000); /* Linux */
	set(q, 0, 20000, 30000, 60000, 0);
	send_to(8, 2);
	send_to(0x10, 1);
	assert_queue(q, 0, 3, 687, 3000);
	end();
}

static void
each_has_its_limit_and_all_together_one(void **state)
{
	struct gred_conf narrow = all(16, 4, false);
	struct qdisc *q = make_gred(0, false);

	set(q, 4, 10000, 30000, 60000, 0);
	assert_int_equal(send_to(4, 17), 10);
	assert_int_equal(stats_of(q, 4).limit_drop, 7);
	assert_int_equal(stats_of(q, 4).packets, 17);
	assert_int_equal(bed.sink.drops[DROP_QUEUE_FULL], 7);
	/* A virtual queue's limit is bounded by that of all. */
	narrow.limit_bytes = 7000;
	change_qdisc(q, &narrow);
	assert_int_equal(q->backlog_pkts, 10);
	assert_int_equal(take(7, 0), 7);
	set(q, 4, 1000000, 30000, 60000, 0);
	assert_int_equal(send_to(4, 10), 4);
	/* And what goes by none meets only that. */
	narrow.default_queue = 5;
	change_qdisc(q, &narrow);
	assert_int_equal(send_to(0, 5), 0);
	take(2, 0);
	assert_int_equal(send_to(0, 5), 2);
	end();
}

static void
each_has_an_average_of_its_own(void **state)
{
	struct qdisc *q = make_gred(4, false);

	set(q, 4, 1000000, 30000, 60000, 1);
	set(q, 8, 1000000, 10000, 10000, 1);
	assert_int_equal(send_to(4, 25) + send_to(8, 5), 30);
	assert_queue(q, 4, 25, 21004, 25000);
	assert_queue(q, 8, 5, 1949, 5000);
	/* Of an empty one it falls by (3/4)^(idle time / 0.8 ms), though the other waits. */
	take(25, 0);
	assert_queue(q, 4, 25, 21004, 0);
	bed.now = MS(4);
	send_to(8, 1);
	assert_queue(q, 4, 25, (uint32_t)(21004 * pow(0.75, 5)), 0);
	end();
}

static void
grio_adds_the_averages_of_lower_prio(void **state)
{
	struct qdisc *q = make_gred(4, true);

	/* Linux: forced 5 and forced 2. */
	set(q, 4, 1000000, 30000, 60000, 1);
	set(q, 8, 1000000, 10000, 10000, 2);
	set(q, 12, 1000000, 10000, 10000, 4);
	assert_int_equal(send_to(4, 25), 25);
	assert_int_equal(send_to(8, 5), 0);
	assert_int_equal(stats_of(q, 8).forced_drop, 5);
	assert_int_equal(send_to(12, 2), 0);
	assert_int_equal(stats_of(q, 12).forced_drop, 2);
	assert_queue(q, 8, 5, 2, 0);
	assert_int_equal(q->overlimits, 7);
	assert_int_equal(bed.sink.drops[DROP_EARLY], 7);
	/* Not the other way round, and not of a queue that is empty. */
	assert_int_equal(send_to(4, 1), 1);
	take(26, 0);
	assert_int_equal(send_to(8, 2), 2);
	end();
}

static void
two_of_one_prio_share_the_average_of_all(void **state)
{
	struct qdisc *q = make_gred(4, true);

	set(q, 4, 8000, 30000, 60000, 1);
	set(q, 8, 1000000, 10000, 10000, 1);
	/* Linux, with one packet on the wire after the first: pdrop 4, forced 5. */
	send_to(4, 1);
	take(1, 0);
	assert_int_equal(send_to(4, 9), 8);
	assert_int_equal(send_to(8, 10), 5);
	assert_int_equal(send_to(4, 3), 0);
	assert_int_equal(stats_of(q, 4).limit_drop, 4);
	assert_int_equal(stats_of(q, 8).forced_drop, 5);
	assert_queue(q, 4, 13, 12630, 13000);
	assert_queue(q, 8, 10, 12630, 13000);
	/* Of prios apart, each has its own again. */
	set(q, 8, 1000000, 10000, 10000, 2);
	assert_int_equal(stats_of(q, 4).backlog + stats_of(q, 8).backlog, 13000);
	end();
}

static void
marks_where_it_may(void **state)
{
	struct gred_conf conf = queue(4, 1000000, 3000, 6000, 0), whole = all(16, 4, false);
	struct qdisc *q = make_gred(4, false);
	struct gred_queue_stats stats;
	unsigned int queued = 0;

	conf.queues[0].flags = TC_RED_ECN;
	change_qdisc(q, &conf);
	for (unsigned int i = 0; i < 30; i++) {
		struct rte_mbuf *m = packet(BYTES, 1, 0, 0);
		struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, void *, sizeof(struct rte_ether_hdr));

		pkt_of(m)->tc_index = 4;
		ip->type_of_service = i < 20 ? 2 : 0;
		queued += offer_packet(m);
	}
	stats = stats_of(q, 4);
	assert_int_equal(queued, 20);
	assert_in_range(stats.forced_mark, 10, 14);
	assert_int_equal(stats.forced_drop, 10);
	/* Flags of all and of one do not go together. */
	whole.flags = TC_RED_ECN | TC_RED_HARDDROP;
	assert_int_equal(sched_qdisc_change(q, &whole, NULL), -EINVAL);
	conf.queues[0].flags = 0;
	change_qdisc(q, &conf);
	change_qdisc(q, &whole);
	assert_int_equal(sched_qdisc_change(q, &conf, NULL), -EINVAL);
	conf.queues[0].flags = TC_RED_ECN | TC_RED_HARDDROP;
	change_qdisc(q, &conf);
	end();
}

static void
a_change_loses_nothing(void **state)
{
	struct gred_conf fewer = all(5, 4, false);
	struct qdisc *q = make_gred(4, false);

	set(q, 4, 1000000, 30000, 60000, 0);
	set(q, 8, 1000000, 30000, 60000, 0);
	send_to(4, 9);
	send_to(8, 10);
	set(q, 4, 1000000, 40000, 60000, 0);
	assert_queue(q, 4, 9, 5300, 9000); /* Linux forgets the average */
	change_qdisc(q, &fewer);
	assert_int_equal(q->backlog_pkts, 19);
	assert_int_equal(take(15, 0), 15);
	fewer.queues_count = 16;
	change_qdisc(q, &fewer);
	set(q, 8, 1000000, 30000, 60000, 0);
	assert_int_equal(stats_of(q, 8).backlog, 4000);
	take(UINT32_MAX, 0);
	assert_int_equal(stats_of(q, 8).backlog, 0);
	bed_end();
}

static void
options_that_make_no_sense_are_refused(void **state)
{
	struct gred_conf bad[9], good = queue(1, 10000, 3000, 6000, 0), first = all(3, 2, true);
	struct qdisc_spec spec = { .parent = TC_H_ROOT, .kind = "gred", .conf = &good };
	struct qdisc *q;

	for (size_t i = 0; i < 4; i++)
		bad[i] = first;
	bad[0].queues_count = 17;
	bad[1].queues_count = 0;
	bad[2].default_queue = 3;
	bad[3].flags = TC_RED_ADAPTATIVE;
	for (size_t i = 4; i < RTE_DIM(bad); i++)
		bad[i] = good;
	bad[4].queue = 3;
	bad[5].queues[0].params.min_bytes = 6001;
	bad[6].queues[0].limit_bytes = 0;
	bad[7].queues[0].flags = TC_RED_NODROP;
	bad[8].queues[0].params.weight_log = 25;
	bed_make();
	q = make_qdisc("gred", &first);
	change_qdisc(q, &good);
	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		struct gred_conf before, after;
		struct error err = { 0 };

		q->ops->get_conf(q, &before);
		assert_int_equal(sched_qdisc_change(q, &bad[i], &err), -EINVAL);
		assert_true(strlen(err.msg) > 10);
		q->ops->get_conf(q, &after);
		assert_memory_equal(&before, &after, sizeof(before));
	}
	/* A virtual queue cannot be the first thing, nor nothing. */
	assert_int_equal(sched_qdisc_add(bed.tree, &spec, NULL, NULL), -EINVAL);
	spec.conf = NULL;
	assert_int_equal(sched_qdisc_add(bed.tree, &spec, NULL, NULL), -EINVAL);
	bed_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tc_index_chooses_the_virtual_queue),
		cmocka_unit_test(each_has_its_limit_and_all_together_one),
		cmocka_unit_test(each_has_an_average_of_its_own),
		cmocka_unit_test(grio_adds_the_averages_of_lower_prio),
		cmocka_unit_test(two_of_one_prio_share_the_average_of_all),
		cmocka_unit_test(marks_where_it_may),
		cmocka_unit_test(a_change_loses_nothing),
		cmocka_unit_test(options_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
