/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rate estimators against their definition: samples at every multiple of the interval, each with weight 2^-ewma_log.
 * What they are compared with here steps through all samples one by one.
 */
#include <math.h>

#include <weir/qdisc/htb.h>

#include "support.h"

#define FRAME 1000 /* bytes */

static const struct tc_estimator second = { .interval = 0, .ewma_log = 3 }; /* est 1sec 8sec */
static const struct tc_estimator quarter = { .interval = -2, .ewma_log = 2 }; /* est 250ms 1sec */

static void
estimate_qdisc(struct qdisc *q, const struct tc_estimator *spec)
{
	assert_int_equal(sched_estimator_check(spec, NULL), 0);
	assert_int_equal(sched_qdisc_estimate(q, spec, NULL), 0);
}

/* Packets at these times, in ms, go straight through. */
static void
pass_at(uint64_t ms)
{
	bed.now = MS(ms);
	offer(FRAME);
	assert_int_equal(take(1, bed.now), 1);
}

/* What `packets` in each of the `samples` intervals come to; before: the average until then, in packets. */
static double
expected(double before, const struct tc_estimator *spec, const unsigned int *packets, unsigned int samples)
{
	double interval = 0.25 * pow(2, spec->interval + 2), weight = pow(2, -spec->ewma_log);

	for (unsigned int i = 0; i < samples; i++)
		before += (packets[i] / interval - before) * weight;
	return before;
}

static void
assert_rate(struct sched_rate rate, double pps)
{
	assert_true(rate.set);
	assert_int_equal(rate.pps, (uint64_t)(pps + 1e-9));
	assert_int_equal(rate.Bps, (uint64_t)(pps * FRAME + 1e-6));
}

static void
samples_are_weighed_as_defined(void **state)
{
	unsigned int packets[20];
	struct qdisc *q;

	bed_make();
	q = make_qdisc("pfifo", NULL);
	estimate_qdisc(q, &second);
	assert_rate(qdisc_get_rate(q), 0);
	for (unsigned int s = 0; s < 20; s++) {
		packets[s] = 40 + s * 7 % 50;
		for (unsigned int i = 0; i < packets[s]; i++)
			pass_at(s * 1000 + 10 * i + 5);
		bed.now = SECONDS(s + 1) - 1;
		assert_rate(qdisc_get_rate(q), expected(0, &second, packets, s));
		bed.now = SECONDS(s + 1);
		assert_rate(qdisc_get_rate(q), expected(0, &second, packets, s + 1));
	}
	bed_end();
}

/* 100 packets in the first second, then nothing: asked only when an hour has gone, or after each packet. */
static void
idle_time_counts_whoever_asks_and_whenever(void **state)
{
	static unsigned int packets[3600] = { 0, 100 };

	for (unsigned int asking = 0; asking < 2; asking++) {
		struct qdisc *q;

		bed_make();
		q = make_qdisc("pfifo", NULL);
		estimate_qdisc(q, &second);
		for (unsigned int i = 0; i < 100; i++) {
			pass_at(1000 + 10 * i);
			if (asking)
				qdisc_get_rate(q);
		}
		for (unsigned int s = 2; s < 40; s += asking ? 1 : 13) {
			bed.now = SECONDS(s) + MS(700);
			if (asking)
				assert_rate(qdisc_get_rate(q), expected(0, &second, packets, s));
			else
				take(1, bed.now); /* the worker comes by */
		}
		bed.now = SECONDS(50);
		assert_rate(qdisc_get_rate(q), expected(0, &second, packets, 50));
		bed.now = SECONDS(3600);
		assert_rate(qdisc_get_rate(q), 0);
		bed_end();
	}
}

/* A packet that leaves after a sample was due does not count in it, though nobody was there in time. */
static void
a_late_packet_is_of_its_own_interval(void **state)
{
	static const unsigned int packets[] = { 60, 0, 0, 1 };
	struct qdisc *q;

	bed_make();
	q = make_qdisc("pfifo", NULL);
	estimate_qdisc(q, &second);
	for (unsigned int i = 0; i < 60; i++)
		pass_at(i * 16);
	pass_at(3200);
	bed.now = SECONDS(4);
	assert_rate(qdisc_get_rate(q), expected(0, &second, packets, 4));
	bed_end();
}

/*
 * Two of one interval and different phases, one of another: each has its own samples, in whatever order they come due.
 */
static void
many_have_their_own_times(void **state)
{
	static const struct htb_class_conf fast = {
		.rate.Bps = MBIT(100), .ceil.Bps = MBIT(100), .burst_ns = MS(100), .cburst_ns = MS(100)
	};
	unsigned int of_root[8] = { 0 }, of_class[8] = { 0 }, of_leaf[40] = { 0 };
	struct htb_conf conf = { .version = 3, .rate2quantum = 10, .defcls = 1 };
	struct class *c;
	struct qdisc *root, *leaf;

	bed_make();
	root = make_qdisc("htb", &conf);
	c = add_class(1 << 16, CLASSID(1, 1), &fast);
	leaf = add_qdisc(CLASSID(1, 1), 2 << 16, "pfifo", NULL);
	estimate_qdisc(root, &second);
	bed.now = MS(900);
	assert_int_equal(sched_class_estimate(c, &second, NULL), 0);
	estimate_qdisc(leaf, &quarter);
	for (unsigned int ms = 901; ms < 7000; ms += 3 + ms % 5) {
		if (ms % 1000 < 300 && ms > 3000)
			continue;
		pass_at(ms);
		of_root[ms / 1000]++;
		of_class[(ms - 900) / 1000]++;
		of_leaf[(ms - 900) / 250]++;
	}
	bed.now = MS(7450);
	assert_rate(class_get_rate(c), expected(0, &second, of_class, 6));
	assert_rate(qdisc_get_rate(root), expected(0, &second, of_root, 7));
	assert_rate(qdisc_get_rate(leaf), expected(0, &quarter, of_leaf, 26));
	/* They go with what they are of. */
	delete_qdisc(leaf);
	pass_at(8000);
	delete_class(c);
	delete_qdisc(root);
	take(1, SECONDS(100));
	bed_end();
}

static void
another_one_goes_on_from_the_averages(void **state)
{
	static const unsigned int before[] = { 80 }, after[] = { 10, 10 };
	struct qdisc *q;
	double average;

	bed_make();
	q = make_qdisc("pfifo", NULL);
	estimate_qdisc(q, &second);
	for (unsigned int i = 0; i < 80; i++)
		pass_at(i * 10);
	average = expected(0, &second, before, 1);
	pass_at(1100); /* in the sample that never comes */
	bed.now = MS(1400);
	estimate_qdisc(q, &quarter);
	assert_rate(qdisc_get_rate(q), average);
	for (unsigned int i = 0; i < 20; i++)
		pass_at(1401 + i * 25);
	bed.now = MS(1900);
	assert_rate(qdisc_get_rate(q), expected(average, &quarter, after, 2));
	bed_end();
}

static void
what_linux_refuses_is_refused(void **state)
{
	static const struct tc_estimator bad[] = { { -3, 3 }, { 4, 3 }, { 0, 0 }, { 0, 31 } };

	for (unsigned int i = 0; i < RTE_DIM(bad); i++)
		assert_int_equal(sched_estimator_check(&bad[i], NULL), -EINVAL);
	for (int interval = -2; interval <= 3; interval++)
		assert_int_equal(sched_estimator_check(&(struct tc_estimator){ (signed char)interval, 1 }, NULL), 0);
	bed_make();
	assert_false(qdisc_get_rate(make_qdisc("pfifo", NULL)).set);
	bed_end();
}

/* With so many, the memory for them has to grow more than once. */
static void
hundreds_come_and_go(void **state)
{
	static const struct htb_class_conf conf = { .rate.Bps = MBIT(1), .ceil.Bps = MBIT(1) };
	struct htb_conf root = { .version = 3, .rate2quantum = 10, .defcls = 1 };
	struct class *classes[300];

	bed_make();
	make_qdisc("htb", &root);
	for (unsigned int i = 0; i < RTE_DIM(classes); i++) {
		bed.now += MS(7);
		classes[i] = add_class(1 << 16, CLASSID(1, i + 1), &conf);
		assert_int_equal(sched_class_estimate(classes[i], i % 2 ? &second : &quarter, NULL), 0);
	}
	for (unsigned int i = 0; i < 100; i++) {
		bed.now += MS(20);
		offer(FRAME);
		take(1, bed.now);
	}
	for (unsigned int i = 1; i < RTE_DIM(classes); i += 2)
		delete_class(classes[i]);
	assert_true(class_get_rate(classes[0]).pps > 30);
	assert_int_equal(class_get_rate(classes[2]).pps, 0);
	bed_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_are_weighed_as_defined),
		cmocka_unit_test(idle_time_counts_whoever_asks_and_whenever),
		cmocka_unit_test(a_late_packet_is_of_its_own_interval),
		cmocka_unit_test(many_have_their_own_times),
		cmocka_unit_test(another_one_goes_on_from_the_averages),
		cmocka_unit_test(what_linux_refuses_is_refused),
		cmocka_unit_test(hundreds_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
