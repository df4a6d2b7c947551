/* SPDX-License-Identifier: BSD-3-Clause */
/* cbq: the estimator by its formulas, rates, bursts, shares by weight, defmaps, changes and refusals. */
#include <weir/qdisc/fifo.h>
#include <weir/qdisc/tbf.h>

#include "support_cbq.h"

#define LINK MBIT(10)

/* ---- the estimator */

/*
 * avgidle = (1 - w) avgidle + w idle, within its bounds, and idle what lay between two packets less what the second
 * takes at the rate (Floyd and Van Jacobson 1995, appendix A). All that comes leaves at once, at another's expense if
 * need be.
 */
static void
averages_idle_time_by_the_papers_formula(void **state)
{
	static const unsigned int ewma_logs[] = { 0, 1, 3, 5, 8 };

	for (unsigned int k = 0; k < RTE_DIM(ewma_logs); k++) {
		struct cbq_conf conf = cbq_class(MBIT(1), 5, 1000);
		double w = pow(0.5, ewma_logs[k]), avgidle, maxidle = 4e6, minidle = -40e6;
		uint64_t last = 0, seed = 1;

		bed_make();
		make_cbq(LINK);
		conf.given |= CBQ_MAXIDLE | CBQ_MINIDLE;
		conf.ewma_log = (uint8_t)ewma_logs[k];
		conf.maxidle_ns = (uint64_t)(maxidle / w);
		conf.minidle_ns = (uint64_t)(-minidle / w);
		add_cbq_class(0, 1, conf);
		avgidle = maxidle;
		for (unsigned int i = 0; i < 2000; i++) {
			uint32_t bytes = 64 + (uint32_t)(seed >> 33) % 1400;

			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
			bed.now += (i / 100 % 2 ? 1000000 : 100) + (seed >> 33) % 10000000;
			offer_packet(packet(bytes, 1, CLASSID(1, 1), 0));
			bed.taken_count = 0;
			assert_int_equal(take_more(2), 1);
			avgidle = (1 - w) * avgidle + w * ((double)(bed.now - last) - bytes * 8000.0);
			avgidle = fmax(minidle, fmin(maxidle, avgidle));
			last = bed.now;
			if (fabs((double)xstats_of(1).avgidle_ns * w - avgidle) > 5)
				fail_msg("w %g, packet %u: avgidle is %g ns, not %g", w, i,
					(double)xstats_of(1).avgidle_ns * w, avgidle);
		}
		bed_end();
	}
}

/*
 * So it is with a class whose children send at their own rates, too, once it has been over its limit: nobody waits for
 * it. Two of a megabit below one of a megabit: now all that they have, now hardly anything.
 */
static void
averages_what_is_sent_below_it_all_the_same(void **state)
{
	struct cbq_conf conf = cbq_class(MBIT(1), 5, 1000);
	double w = pow(0.5, conf.ewma_log), maxidle = 4e6, avgidle = maxidle, least = 0, most = 0;
	uint64_t last = 0;

	bed_make();
	make_cbq(LINK);
	conf.given |= CBQ_MAXIDLE;
	conf.maxidle_ns = (uint64_t)(maxidle / w);
	add_cbq_class(0, 1, conf);
	add_cbq_class(1, 2, conf);
	add_cbq_class(1, 3, conf);
	for (unsigned int i = 0; i < 3000; i++) {
		uint32_t minor = 2 + i % 2;

		bed.now += i / 300 % 2 == 0 ? 4100000 : 30000000;
		offer_packet(packet(1000, minor, CLASSID(1, minor), 0));
		bed.taken_count = 0;
		assert_int_equal(take_more(2), 1);
		assert_int_equal(xstats_of(minor).borrows, 0);
		avgidle = fmin(maxidle, (1 - w) * avgidle + w * ((double)(bed.now - last) - 8000000));
		last = bed.now;
		least = fmin(least, avgidle);
		most = avgidle < 0 || least == 0 ? 0 : fmax(most, avgidle);
		if (fabs((double)xstats_of(1).avgidle_ns * w - avgidle) > 5)
			fail_msg(
				"packet %u: avgidle is %g ns, not %g", i, (double)xstats_of(1).avgidle_ns * w, avgidle);
	}
	assert_true(least < -3.5e6 && most > 3.9e6);
	bed_end();
}

/* Over its limit, the next packet of the same size makes avgidle 0: undertime = size / rate - avgidle. */
static void
waits_until_another_packet_would_make_avgidle_0(void **state)
{
	struct cbq_conf conf = bounded(cbq_class(MBIT(1), 5, 1000));

	bed_make();
	make_cbq(LINK);
	add_cbq_class(0, 1, conf);
	offer(1000);
	fill(1, 1000, 3);
	bed.now = MS(100);
	bed.taken_count = 0;
	take_more(UINT32_MAX);
	struct cbq_xstats xstats = xstats_of(1);

	assert_true(xstats.avgidle_ns < 0);
	assert_in_range(xstats.undertime_ns, 8000000 - xstats.avgidle_ns, 8000000 - xstats.avgidle_ns + 1);
	assert_int_equal(sched_next_event(bed.tree, bed.now), bed.now + (uint64_t)xstats.undertime_ns);
	take_all(SECONDS(1));
	assert_true(llabs(xstats_of(1).avgidle_ns) <= 1);
	bed_end();
}

static void
keeps_its_rate(void **state)
{
	static const uint64_t rates[] = { KBIT(8), KBIT(64), KBIT(500), MBIT(2), MBIT(8), MBIT(100), MBIT(1000),
		MBIT(9000), MBIT(40000) };
	static const uint64_t link = MBIT(50000);
	static const uint32_t sizes[] = { 64, 1014, 1514 };
	static const uint8_t ewma_logs[] = { 1, 5 };

	for (unsigned int i = 0; i < RTE_DIM(rates) * RTE_DIM(sizes) * RTE_DIM(ewma_logs); i++) {
		uint64_t Bps = rates[i % RTE_DIM(rates)];
		uint32_t size = sizes[i / RTE_DIM(rates) % RTE_DIM(sizes)];
		struct cbq_conf conf = bounded(cbq_class(Bps, 5, 1000));

		bed_make();
		make_cbq(link);
		conf.ewma_log = ewma_logs[i / RTE_DIM(rates) / RTE_DIM(sizes)];
		conf.given |= CBQ_MAXIDLE;
		conf.maxidle_ns = maxidle_for(link, Bps, 20, conf.ewma_log);
		add_cbq_class(0, 1, conf);
		run_backlogged((uint32_t[]){ 1 }, 1, size, 0, 300 * size * UINT64_C(1000000000) / Bps);
		run_backlogged((uint32_t[]){ 1 }, 1, size, 0, 5000 * size * UINT64_C(1000000000) / Bps);
		assert_near(percent_of_rate(1, Bps, bed.taken[0].time_ns), 100, 0.1, "percent of the rate");
		bed_end();
	}
}

/* Sizes that follow each other at random, and a link that lets it wait. */
static void
keeps_its_rate_with_mixed_packets_on_a_busy_link(void **state)
{
	uint64_t seed = 7, start;

	bed_make();
	make_cbq(LINK);
	add_cbq_class(0, 1, bounded(cbq_class(MBIT(4), 5, 1000)));
	add_cbq_class(0, 2, cbq_class(MBIT(5), 3, 1000));
	for (unsigned int round = 0; round < 2; round++) {
		uint64_t until = bed.now + SECONDS(10);

		start = bed.now;
		bed.taken_count = 0;
		while (bed.now < until) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
			fill(1, 64 + (uint32_t)(seed >> 33) % 1451, 3);
			fill(2, 64 + (uint32_t)(seed >> 43) % 1451, 3);
			assert_int_equal(take_more(1), 1);
			bed.now += bed.taken[bed.taken_count - 1].bytes * UINT64_C(1000000000) / LINK;
		}
	}
	assert_near(percent_of_rate(1, MBIT(4), start), 100, 0.2, "percent of the rate");
	assert_near(percent_of_rate(2, MBIT(6), start), 100, 0.2, "percent of what is left");
	bed_end();
}

/* ---- bursts */

static unsigned int
packets_before_a_gap(uint64_t gap_ns)
{
	unsigned int n = 1;

	while (n < bed.taken_count && bed.taken[n].time_ns - bed.taken[n - 1].time_ns < gap_ns)
		n++;
	return n;
}

/* Out of idleness, maxburst packets of avpkt follow each other on the link. */
static void
sends_maxburst_packets_after_it_was_idle(void **state)
{
	for (unsigned int maxburst = 2; maxburst <= 64; maxburst *= 2) {
		struct cbq_conf conf = bounded(cbq_class(MBIT(2), 5, 1000));

		bed_make();
		make_cbq(LINK);
		conf.given |= CBQ_MAXIDLE;
		conf.maxidle_ns = maxidle_for(LINK, MBIT(2), maxburst, 5);
		add_cbq_class(0, 1, conf);
		bed.now = SECONDS(10);
		run_backlogged((uint32_t[]){ 1 }, 1, AVPKT, LINK, SECONDS(2));
		/*
		 * The first one pays for nothing: it only sets avgidle to maxidle; and the last one takes it below 0.
		 */
		unsigned int n = packets_before_a_gap(MS(1));

		if (n < maxburst || n > maxburst + 2)
			fail_msg("%u packets instead of %u", n, maxburst);
		bed_end();
	}
}

/* A class that has to wait waits for minburst packets at once; its rate is the same. */
static void
sends_minburst_packets_after_each_wait(void **state)
{
	const unsigned int minburst = 5;
	struct cbq_conf conf = bounded(cbq_class(MBIT(1), 5, 1000));
	unsigned int bursts = 0;

	bed_make();
	make_cbq(LINK);
	conf.given |= CBQ_MAXIDLE | CBQ_OFFTIME;
	conf.maxidle_ns = maxidle_for(LINK, MBIT(1), 20, 5);
	conf.offtime_ns = offtime_for(LINK, MBIT(1), minburst, 5);
	add_cbq_class(0, 1, conf);
	run_backlogged((uint32_t[]){ 1 }, 1, AVPKT, LINK, SECONDS(1));
	run_backlogged((uint32_t[]){ 1 }, 1, AVPKT, LINK, SECONDS(20));
	for (uint32_t i = 1; i < bed.taken_count; i++)
		bursts += bed.taken[i].time_ns - bed.taken[i - 1].time_ns > MS(2);
	double mean = (double)bed.taken_count / bursts;

	if (mean < minburst || mean > minburst + 2)
		fail_msg("%g packets at once instead of %u", mean, minburst);
	assert_near(percent_of_rate(1, MBIT(1), bed.taken[0].time_ns), 100, 0.3, "percent of the rate");
	bed_end();
}

/* What a class has borrowed counts against it, but for no more than minidle. */
static void
remembers_debts_up_to_minidle(void **state)
{
	struct cbq_conf conf = cbq_class(KBIT(100), 5, 1000);
	int64_t unbounded_debt;

	for (unsigned int i = 0; i < 2; i++) {
		bed_make();
		make_cbq(LINK);
		if (i == 1) {
			conf.given |= CBQ_MINIDLE;
			conf.minidle_ns = MS(5);
		}
		add_cbq_class(0, 1, conf);
		run_backlogged((uint32_t[]){ 1 }, 1, AVPKT, LINK, SECONDS(1));
		if (i == 0)
			unbounded_debt = xstats_of(1).avgidle_ns;
		else
			assert_int_equal(xstats_of(1).avgidle_ns, -(int64_t)MS(5));
		assert_int_equal(xstats_of(1).borrows, xstats_of(0).borrows);
		assert_true(xstats_of(1).borrows > 1000);
		bed_end();
	}
	/* An average of so many packets: of 80 ms each at the rate, of which 79.2 were borrowed. */
	assert_near((double)-unbounded_debt, 79.2e6 * 32, 1, "avgidle");
}

/* ---- turns */

static void
shares_by_weight(void **state)
{
	static const uint32_t weights[][2] = { { 1000, 1000 }, { 3000, 1000 }, { 1000000, 1000 }, { 100000, 7 } };
	static const uint32_t allots[] = { 1514, 100, 100000 };

	for (unsigned int i = 0; i < RTE_DIM(weights) * RTE_DIM(allots); i++) {
		const uint32_t *weight = weights[i % RTE_DIM(weights)];
		struct cbq_conf conf;
		uint64_t bytes[2];

		bed_make();
		make_cbq(LINK);
		for (uint32_t minor = 1; minor <= 2; minor++) {
			conf = cbq_class(KBIT(8), 5, weight[minor - 1]);
			conf.allot = allots[i / RTE_DIM(weights)];
			add_cbq_class(0, minor, conf);
		}
		run_backlogged((uint32_t[]){ 1, 2 }, 2, 1000, LINK, SECONDS(5));
		run_backlogged((uint32_t[]){ 1, 2 }, 2, 1000, LINK, SECONDS(20));
		bytes[0] = bytes_of(1, 0, UINT64_MAX);
		bytes[1] = bytes_of(2, 0, UINT64_MAX);
		double share = (double)bytes[0] / (double)(bytes[0] + bytes[1]);

		/* A few packets at its own rate come first, and a turn is not divided. */
		if (fabs(share - (double)weight[0] / (weight[0] + weight[1])) > 0.01)
			fail_msg("weights %u and %u: a share of %g", weight[0], weight[1], share);
		bed_end();
	}
}

/* Only classes of little weight are busy: they share by weight, and nobody counts turns for long. */
/* A turn is allot x weight / mean weight: of 3,000 bytes and two classes, one three times as heavy, 4,500 and 1,500. */
static void
a_turn_is_as_long_as_allot_and_weight_say(void **state)
{
	static const uint32_t turns[] = { 0, 9, 3 }; /* packets of 500 bytes */
	uint32_t run = 1, runs = 0;

	bed_make();
	make_cbq(LINK);
	for (uint32_t minor = 1; minor <= 2; minor++) {
		struct cbq_conf conf = cbq_class(KBIT(8), 5, minor == 1 ? 3000 : 1000);

		conf.allot = 3000;
		add_cbq_class(0, minor, conf);
	}
	run_backlogged((uint32_t[]){ 1, 2 }, 2, 500, LINK, SECONDS(1));
	for (uint32_t i = bed.taken_count / 2; i < bed.taken_count; i++) {
		if (bed.taken[i].flow == bed.taken[i - 1].flow) {
			run++;
			continue;
		}
		/* The first one may have begun before; now and then a packet at a class's own rate comes between. */
		if (runs++ > 1 && run == turns[bed.taken[i - 1].flow])
			runs += 1000;
		run = 1;
	}
	/* 12 packets a round: nearly all turns are whole. */
	assert_true(runs % 1000 > 50 && runs / 1000 > runs % 1000 * 9 / 10);
	bed_end();
}

static void
small_weights_do_not_stop_the_link(void **state)
{
	uint32_t minors[2] = { 2, 3 };

	bed_make();
	make_cbq(LINK);
	add_cbq_class(0, 1, cbq_class(KBIT(8), 5, UINT32_MAX));
	add_cbq_class(0, 2, cbq_class(KBIT(8), 5, 1));
	add_cbq_class(0, 3, cbq_class(KBIT(8), 5, 2));
	run_backlogged(minors, 2, 1000, LINK, SECONDS(2));
	run_backlogged(minors, 2, 1000, LINK, SECONDS(10));
	assert_near((double)bytes_of(3, 0, UINT64_MAX) / (double)bytes_of(2, 0, UINT64_MAX), 2, 3, "ratio");
	/* The heavy one comes back and has nearly all. */
	run_backlogged((uint32_t[]){ 1, 2, 3 }, 3, 1000, LINK, SECONDS(2));
	assert_true(bytes_of(1, 0, UINT64_MAX) > 95 * bytes_of(2, 0, UINT64_MAX));
	bed_end();
}

static void
the_first_prio_is_served_first(void **state)
{
	bed_make();
	make_cbq(LINK);
	add_cbq_class(0, 1, cbq_class(MBIT(1), 5, 1000));
	add_cbq_class(0, 2, cbq_class(MBIT(1), 2, 1000));
	offer_packet(packet(1000, 1, CLASSID(1, 1), 0)); /* 0 */
	offer_packet(packet(1000, 2, CLASSID(1, 2), 0)); /* 1 */
	offer_packet(packet(1000, 0, 0, 0)); /* 2: the root's own, at prio 8 */
	take(3, MS(1));
	assert_order(1, 0, 2);
	bed_end();
}

/* ---- classification, as Linux 5.10 was seen to do it */

static uint32_t
class_for(uint32_t priority, uint32_t fwmark)
{
	uint32_t found = 0xffff;

	offer_packet(packet(100, 1, priority, fwmark));
	for (uint32_t minor = 0; minor < 0x100; minor++) {
		const struct class *c = sched_class_find(sched_root(bed.tree), CLASSID(1, minor));

		if (c != NULL && c->leaf->backlog_pkts != 0)
			found = minor;
	}
	bed.now += SECONDS(1);
	take_all(bed.now + SECONDS(100));
	return found;
}

static struct cbq_conf
for_priorities(uint32_t split, uint32_t defmap)
{
	struct cbq_conf conf = cbq_class(KBIT(100), 4, 1000);

	conf.given |= CBQ_SPLIT;
	conf.split = CLASSID(1, split);
	conf.defmap = defmap;
	conf.defchange = UINT32_MAX;
	return conf;
}

static void
defmaps_and_filters_choose_as_on_linux(void **state)
{
	struct cbq_conf change = { .given = CBQ_SPLIT, .defmap = 0, .defchange = 1 << 7 };

	bed_make();
	make_cbq(LINK);
	add_cbq_class(0, 0x1, for_priorities(0, 1 << 0));
	add_cbq_class(1, 0x11, for_priorities(1, 1 << 0));
	add_cbq_class(1, 0x12, for_priorities(1, 1 << 7));
	add_cbq_class(0, 0x2, for_priorities(0, 1 << 6));
	add_cbq_class(0, 0x3, for_priorities(0, 1 << 6));
	add_cbq_class(3, 0x31, for_priorities(0, 1 << 6));

	assert_int_equal(class_for(0, 0), 0x1); /* an inner class, and there it ends */
	assert_int_equal(class_for(7, 0), 0x1); /* best effort */
	assert_int_equal(class_for(6, 0), 0x2); /* the lowest level, the oldest of these */
	assert_int_equal(class_for(CLASSID(1, 0x31), 0), 0x31);
	assert_int_equal(class_for(CLASSID(1, 0x3), 0), 0x3);
	assert_int_equal(class_for(CLASSID(1, 0x99), 0), 0x1);

	add_fw(CLASSID(1, 0), 1, CLASSID(1, 0x1));
	add_fw(CLASSID(1, 0), 2, CLASSID(1, 0x99));
	add_fw(CLASSID(1, 0), 4, CLASSID(1, 0x3));
	add_fw(CLASSID(1, 0x3), 4, CLASSID(1, 0x1));
	add_fw(CLASSID(1, 0), 5, CLASSID(1, 0));
	add_fw(CLASSID(1, 0), 6, 6);
	add_fw(CLASSID(1, 0x1), 1, CLASSID(1, 0x12));
	assert_int_equal(class_for(0, 1), 0x12); /* by two filters */
	assert_int_equal(class_for(0, 2), 0x1); /* to nobody: falls back */
	assert_int_equal(class_for(0, 4), 0x3); /* not a lower class: falls back where it was */
	assert_int_equal(class_for(0, 5), 0x1);
	assert_int_equal(class_for(0, 6), 0x2); /* a reference without a major is a priority */
	delete_class(sched_class_find(sched_root(bed.tree), CLASSID(1, 0x2)));
	assert_int_equal(class_for(6, 0), 0x31);
	/* A part of a defmap may change; and without anybody for best effort it is the node itself. */
	change_class(sched_class_find(sched_root(bed.tree), CLASSID(1, 0x12)), &change);
	assert_int_equal(class_for(7, 1), 0x12);
	change.defchange = 1;
	change_class(sched_class_find(sched_root(bed.tree), CLASSID(1, 0x1)), &change);
	assert_int_equal(class_for(7, 0), 0);
	/* An empty defmap keeps its split, as on Linux: the next one need not name it. */
	change.defmap = 1;
	change_class(sched_class_find(sched_root(bed.tree), CLASSID(1, 0x1)), &change);
	assert_int_equal(class_for(7, 0), 0x1);
	bed_end();
}

/* ---- changes */

static void
changes_lose_nothing_and_keep_the_order(void **state)
{
	struct cbq_conf conf = bounded(cbq_class(MBIT(1), 5, 1000));
	struct class *agency, *below;
	uint32_t last = 0;

	bed_make();
	make_cbq(LINK);
	agency = add_cbq_class(0, 1, conf);
	fill(1, 500, 10);
	take(4, 0);
	/* A leaf that waits becomes an inner class: its queue stays its own. */
	below = add_cbq_class(1, 2, conf);
	fill(1, 500, 12);
	conf.prio = 2;
	conf.rate.Bps = MBIT(3);
	change_class(agency, &conf);
	fill(2, 500, 5);
	delete_class(below);
	assert_int_equal(agency->leaf->backlog_pkts, 12);
	take_all(SECONDS(10));
	assert_int_equal(sched_backlog(bed.tree), 0);
	for (uint32_t i = 0; i < bed.taken_count; i++) {
		if (bed.taken[i].flow != 1)
			continue;
		assert_true(bed.taken[i].id >= last);
		last = bed.taken[i].id;
	}
	bed_end();
}

/* Of classes over their limits, whose wait is over or not, and who have not had their turn since. */
static void
who_waits_may_be_changed(void **state)
{
	for (unsigned int due = 0; due < 2; due++) {
		struct cbq_conf conf = bounded(cbq_class(MBIT(1), 5, 1000));
		struct class *classes[7];
		uint32_t left;

		bed_make();
		make_cbq(LINK);
		for (uint32_t minor = 1; minor <= 6; minor++) {
			classes[minor] = add_cbq_class(0, minor, conf);
			fill(minor, 500, 4);
		}
		assert_int_equal(take(6, 0), 6);
		assert_int_equal(take_more(1), 0);
		bed.now += due == 1 ? SECONDS(1) : 1;
		assert_int_equal(take_more(1), due);
		delete_class(classes[2]);
		conf.prio = 2;
		change_class(classes[3], &conf);
		add_qdisc(CLASSID(1, 4), CLASSID(4, 0), "pfifo", NULL);
		add_cbq_class(5, 15, conf);
		conf.bounded = false;
		change_class(classes[6], &conf);
		left = 6 * 3 - due;
		assert_int_equal(sched_backlog(bed.tree), left);
		assert_int_equal(take_all(SECONDS(100)), left);
		assert_int_equal(sched_backlog(bed.tree), 0);
		bed_end();
	}
}

/*
 * Of bounded classes that wait, one is given another qdisc, which its last packet moves to: before its wait is over,
 * when that is over, and when it has its place in the row again. It stands there once.
 */
static void
who_waits_may_be_empty_for_a_moment(void **state)
{
	for (unsigned int due = 0; due < 3; due++) {
		struct cbq_conf conf = bounded(cbq_class(MBIT(1), 5, 1000));
		uint32_t overactions;

		bed_make();
		make_cbq(LINK);
		for (uint32_t minor = 1; minor <= 4; minor++) {
			add_cbq_class(0, minor, conf);
			fill(minor, 500, 2);
		}
		assert_int_equal(take(5, 0), 4);
		bed.now += due == 0 ? 1 : SECONDS(1);
		assert_int_equal(take_more(due / 2), due / 2);
		overactions = xstats_of(4).overactions;
		add_qdisc(CLASSID(1, 4), CLASSID(4, 0), "pfifo", NULL);
		assert_int_equal(xstats_of(4).overactions, overactions);
		assert_int_equal(take_all(SECONDS(100)), 4 - due / 2);
		assert_int_equal(sched_backlog(bed.tree), 0);
		bed_end();
	}
}

/* A leaf that is a shaper itself gives nothing for a while: others go on, and it is asked again in time. */
static void
waits_for_a_shaper_below(void **state)
{
	struct tbf_conf tbf = { .rate.Bps = KBIT(80), .limit_bytes = 100000, .burst_bytes = 1000 };

	bed_make();
	make_cbq(LINK);
	add_cbq_class(0, 1, cbq_class(MBIT(5), 5, 1000));
	add_cbq_class(0, 2, cbq_class(MBIT(5), 5, 1000));
	add_qdisc(CLASSID(1, 1), CLASSID(5, 0), "tbf", &tbf);
	for (unsigned int i = 0; i < 3; i++)
		offer_packet(packet(1000, 1, CLASSID(1, 1), 0));
	offer_packet(packet(1000, 2, CLASSID(1, 2), 0));
	take_all(SECONDS(1));
	assert_int_equal(bed.taken_count, 4);
	assert_int_equal(bed.taken[1].time_ns, 0);
	assert_true(bed.taken[2].time_ns >= MS(100) && bed.taken[2].time_ns < MS(101));
	assert_true(bed.taken[3].time_ns >= MS(200) && bed.taken[3].time_ns < MS(201));
	bed_end();
}

/* ---- refusals */

static void
refuse(uint32_t parent_minor, uint32_t minor, struct cbq_conf conf, int code, const char *says)
{
	struct qdisc *q = sched_root(bed.tree);
	struct class *there = sched_class_find(q, CLASSID(1, minor));
	struct class_spec spec = {
		.parentid = there != NULL ? 0 : CLASSID(1, parent_minor), .classid = CLASSID(1, minor), .conf = &conf
	};
	struct error err = { 0 };
	int rc = there != NULL ? sched_class_change(there, &spec, &err) : sched_class_add(q, &spec, NULL, &err);

	assert_int_equal(rc, -code);
	if (says[0] != '\0' && strstr(err.msg, says) == NULL)
		fail_msg("says '%s' instead of something with '%s'", err.msg, says);
}

/*
 * As `tc class add dev X parent 1: cbq ...` without classid on Linux 5.10: from 8001 up, never the same twice in a row.
 */
static void
names_classes_that_come_without_an_id(void **state)
{
	struct cbq_conf conf = cbq_class(MBIT(1), 5, 1000);
	struct class_spec spec = { .parentid = CLASSID(1, 0), .conf = &conf };
	struct error err = { 0 };
	struct class *c;

	bed_make();
	make_cbq(MBIT(10));
	add_cbq_class(0, 0x8002, conf);
	for (uint32_t minor = 0x8001; minor <= 0x8004; minor += minor == 0x8001 ? 2 : 1) {
		assert_int_equal(sched_class_add(sched_root(bed.tree), &spec, &c, &err), 0);
		assert_int_equal(c->classid, CLASSID(1, minor));
	}
	delete_class(c);
	spec.parentid = CLASSID(1, 0x8003);
	assert_int_equal(sched_class_add(sched_root(bed.tree), &spec, &c, &err), 0);
	assert_int_equal(c->classid, CLASSID(1, 0x8005));
	assert_ptr_equal(c->parent, sched_class_find(sched_root(bed.tree), CLASSID(1, 0x8003)));
	/* Round again behind the last one, past those in use. */
	for (uint32_t minor = 0x8006; minor <= 0xffff; minor++) {
		spec.parentid = CLASSID(1, 0);
		assert_int_equal(sched_class_add(sched_root(bed.tree), &spec, &c, &err), 0);
		assert_int_equal(c->classid, CLASSID(1, minor));
		delete_class(c);
	}
	assert_int_equal(sched_class_add(sched_root(bed.tree), &spec, &c, &err), 0);
	assert_int_equal(c->classid, CLASSID(1, 0x8004));
	bed_end();
}

static void
says_what_is_wrong(void **state)
{
	struct error err = { 0 };
	struct cbq_conf conf;

	bed_make();
	make_cbq(LINK);
	add_cbq_class(0, 1, cbq_class(MBIT(2), 5, 1000));
	refuse(0, 2, cbq_class(MBIT(11), 5, 1000), EINVAL,
		"1:2, 11Mbit, must not be above the 10Mbit of its parent 1:0");
	refuse(1, 2, cbq_class(MBIT(3), 5, 1000), EINVAL, "3Mbit, must not be above the 2Mbit of its parent 1:1");
	add_cbq_class(1, 2, cbq_class(MBIT(1), 5, 1000));
	refuse(0, 1, cbq_class(KBIT(500), 5, 1000), EINVAL,
		"1:1, 500Kbit, must not be below the 1Mbit of its child 1:2");
	refuse(0, 3, cbq_class(MBIT(1), 9, 1000), EINVAL, "the first is 1 and the last is 8");
	conf = cbq_class(MBIT(1), 5, 1000);
	conf.ewma_log = 32;
	refuse(0, 3, conf, EINVAL, "0 to 31");
	conf = cbq_class(MBIT(1), 5, 1000);
	conf.given &= ~(uint32_t)CBQ_WRR;
	refuse(0, 3, conf, EINVAL, "MUST be specified: WRR, rate or link sharing");
	conf = cbq_class(0, 5, 1000);
	refuse(0, 3, conf, EINVAL, "rate table");
	refuse(0, 3, for_priorities(1, 1), EINVAL, "split 1:1 is not a class above 1:3");
	/* Seven classes above one, and the root. */
	for (uint32_t minor = 3; minor <= 8; minor++)
		add_cbq_class(minor - 1, minor, cbq_class(KBIT(500), 5, 1000));
	refuse(8, 9, cbq_class(KBIT(500), 5, 1000), EINVAL, "too deep");
	assert_int_equal(sched_class_delete(sched_class_find(sched_root(bed.tree), CLASSID(1, 0)), &err), -EBUSY);
	/* Nothing has changed. */
	fill(8, 1000, 2);
	take_all(SECONDS(1));
	assert_int_equal(bed.taken_count, 2);
	bed_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(averages_idle_time_by_the_papers_formula),
		cmocka_unit_test(averages_what_is_sent_below_it_all_the_same),
		cmocka_unit_test(waits_until_another_packet_would_make_avgidle_0),
		cmocka_unit_test(keeps_its_rate),
		cmocka_unit_test(keeps_its_rate_with_mixed_packets_on_a_busy_link),
		cmocka_unit_test(sends_maxburst_packets_after_it_was_idle),
		cmocka_unit_test(sends_minburst_packets_after_each_wait),
		cmocka_unit_test(remembers_debts_up_to_minidle),
		cmocka_unit_test(shares_by_weight),
		cmocka_unit_test(a_turn_is_as_long_as_allot_and_weight_say),
		cmocka_unit_test(small_weights_do_not_stop_the_link),
		cmocka_unit_test(the_first_prio_is_served_first),
		cmocka_unit_test(defmaps_and_filters_choose_as_on_linux),
		cmocka_unit_test(changes_lose_nothing_and_keep_the_order),
		cmocka_unit_test(who_waits_may_be_changed),
		cmocka_unit_test(who_waits_may_be_empty_for_a_moment),
		cmocka_unit_test(waits_for_a_shaper_below),
		cmocka_unit_test(names_classes_that_come_without_an_id),
		cmocka_unit_test(says_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
