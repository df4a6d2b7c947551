/* SPDX-License-Identifier: BSD-3-Clause */
/* tbf: exact at every rate, the peak rate, too large packets, the inner qdisc, and changes under load. */
#include <inttypes.h>
#include <math.h>

#include "support.h"

#include <weir/qdisc/fifo.h>
#include <weir/qdisc/tbf.h>
#include <weir/rate_text.h>

static struct tbf_conf
bucket(uint64_t Bps, uint32_t burst, uint32_t limit)
{
	return (struct tbf_conf){ .rate.Bps = Bps, .burst_bytes = burst, .limit_bytes = limit };
}

static void
check_exact(uint64_t Bps, uint32_t bytes)
{
	const uint32_t count = 5200, skipped = 200, burst = 5000;
	struct tbf_conf conf = bucket(Bps, burst, 100000);
	__int128 worst = 0, least = 0;

	bed_make();
	make_qdisc("tbf", &conf);
	bed.taken_count = 0;
	while (bed.taken_count < count) {
		while (sched_backlog(bed.tree) < 8)
			assert_int_equal(offer(bytes), 1);
		if (take_more(1) == 0) {
			uint64_t next = sched_next_event(bed.tree, bed.now);

			assert_true(next > bed.now && next != SCHED_NEVER);
			bed.now = next;
		}
	}
	for (uint32_t i = 0; i < count; i++) {
		__int128 before = (__int128)i * bytes * 1000000000 - (__int128)bed.taken[i].time_ns * Bps;

		least = i == 0 || before < least ? before : least;
		if (before + (__int128)bytes * 1000000000 - least > worst)
			worst = before + (__int128)bytes * 1000000000 - least;
	}
	if (worst > (__int128)(burst + 1514) * 1000000000)
		fail_msg("%" PRIu64 " B/s, %u bytes: a window had %" PRIu64 " bytes above the rate", Bps, bytes,
			(uint64_t)(worst / 1000000000));
	double took = (double)(bed.taken[count - 1].time_ns - bed.taken[skipped].time_ns);
	double should = (double)(count - 1 - skipped) * bytes * 1e9 / (double)Bps;

	if (took < should * 0.999 || took > should * 1.001)
		fail_msg("%" PRIu64 " B/s, %u bytes: took %.0f ns instead of %.0f", Bps, bytes, took, should);
	bed_end();
}

static void
is_exact_at_every_rate(void **state)
{
	static const uint64_t rates[] = { 1000, KBIT(56), KBIT(123), MBIT(1), MBIT(7), MBIT(10), MBIT(100), MBIT(1000),
		MBIT(2500), MBIT(9999), MBIT(10000), MBIT(25000), MBIT(40000) };

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		check_exact(rates[i], 64);
		check_exact(rates[i], 999);
		check_exact(rates[i], 1514);
	}
}

/* Five packets of 1000 from the bucket at once, then one every 8 ms: to the nanosecond. */
static void
bucket_first_then_the_rate(void **state)
{
	struct tbf_conf conf = bucket(MBIT(1), 5000, 20000);

	(void)state;
	bed_make();
	make_qdisc("tbf", &conf);
	offer(1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000);
	assert_int_equal(take_all(SECONDS(1)), 8);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(bed.taken[i].time_ns, i < 5 ? 0 : MS(8) * (i - 4));
	bed_end();
}

static void
peak_rate_spaces_the_burst(void **state)
{
	struct tbf_conf conf = bucket(MBIT(1), 10000, 20000);

	(void)state;
	conf.peak.Bps = MBIT(8);
	conf.mtu_bytes = 1514;
	bed_make();
	make_qdisc("tbf", &conf);
	offer(1000, 1000, 1000, 1000, 1000);
	assert_int_equal(take_all(SECONDS(1)), 5);
	/* The peak bucket has 514 bytes left after the first; then a packet takes 1 ms at the peak rate. */
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(bed.taken[i].time_ns, i == 0 ? 0 : MS(1) * i - 514000);
	bed_end();
}

/* After the peak's bucket, packets come at the peak rate until the other is empty, then at the rate: to 0.1 %. */
static void
peak_rate_is_exact_at_every_rate(void **state)
{
	static const uint64_t rates[] = { KBIT(64), MBIT(1), MBIT(7), MBIT(100), MBIT(9999), MBIT(40000) };
	const uint32_t in_burst = 2000, more = 500, bytes = 1000;

	for (size_t i = 0; i < RTE_DIM(rates); i++) {
		struct tbf_conf conf = bucket(rates[i], 0, UINT32_MAX);
		double peak_gap = bytes * 1e9 / (3.0 * (double)rates[i]), gap = bytes * 1e9 / (double)rates[i];

		/* While it falls at the peak rate the bucket gains a third of what leaves. */
		conf.burst_bytes = in_burst * bytes * 2 / 3;
		conf.peak.Bps = 3 * rates[i];
		conf.mtu_bytes = bytes;
		bed_make();
		make_qdisc("tbf", &conf);
		for (uint32_t k = 0; k < in_burst + more; k++)
			offer(bytes);
		assert_int_equal(take_all(SCHED_NEVER - 1), in_burst + more);
		for (uint32_t k = 1; k < in_burst + more; k++)
			assert_true((double)(bed.taken[k].time_ns - bed.taken[k - 1].time_ns) >= peak_gap - 1);
		double first = (double)bed.taken[in_burst - 10].time_ns;
		double last = (double)(bed.taken[in_burst + more - 1].time_ns - bed.taken[in_burst].time_ns);

		assert_true(fabs(first - (in_burst - 10) * peak_gap) <= 0.001 * first + 1);
		assert_true(fabs(last - (more - 1) * gap) <= 0.001 * last + 1);
		bed_end();
	}
}

/* What a packet of n bytes takes of the link, by tc-stab(8) and tc-tbf(8). */
static uint32_t
on_the_link(const struct rate_conf *rate, uint32_t bytes)
{
	uint32_t length = bytes + rate->overhead;

	if (length < rate->mpu)
		length = rate->mpu;
	return rate->linklayer == TC_LINKLAYER_ATM ? (length + 47) / 48 * 53 : length;
}

static void
overhead_mpu_and_cells_count(void **state)
{
	static const struct rate_conf links[] = { { .Bps = MBIT(1), .overhead = 24 }, { .Bps = MBIT(1), .mpu = 300 },
		{ .Bps = MBIT(1), .overhead = 14, .mpu = 300 }, { .Bps = MBIT(1), .linklayer = TC_LINKLAYER_ATM },
		{ .Bps = MBIT(1), .overhead = 10, .mpu = 96, .linklayer = TC_LINKLAYER_ATM } };
	static const uint32_t lengths[] = { 64, 86, 87, 96, 97, 299, 300, 301, 1000, 1514 };

	for (size_t i = 0; i < RTE_DIM(links); i++) {
		for (size_t k = 0; k < RTE_DIM(lengths); k++) {
			uint64_t gap =
				(uint64_t)on_the_link(&links[i], lengths[k]) * 8000; /* ns: 125 bytes take 1 ms */
			struct tbf_conf conf = { .rate = links[i], .limit_bytes = 100000, .burst_bytes = lengths[k] };

			bed_make();
			make_qdisc("tbf", &conf);
			offer(lengths[k], lengths[k], lengths[k]);
			assert_int_equal(take_all(SECONDS(1)), 3);
			assert_in_range(bed.taken[1].time_ns, gap, gap + 1);
			assert_in_range(bed.taken[2].time_ns, 2 * gap, 2 * gap + 2);
			bed_end();
		}
	}
}

static void
a_bucket_below_a_frame_is_warned_of(void **state)
{
	struct tbf_conf small = bucket(MBIT(1), 1000, 20000), enough = bucket(MBIT(1), 1514, 20000);
	struct error err = { 0 };
	struct qdisc_spec spec = { .parent = TC_H_ROOT, .handle = 1 << 16, .kind = "tbf", .conf = &small };
	struct qdisc *q;

	bed_make();
	assert_int_equal(sched_qdisc_add(bed.tree, &spec, &q, &err), 0);
	assert_int_equal(err.code, 0);
	assert_non_null(strstr(err.msg, "above 1000 bytes"));
	err.msg[0] = '\0';
	assert_int_equal(sched_qdisc_change(q, &enough, &err), 0);
	assert_string_equal(err.msg, "");
	enough.peak.Bps = MBIT(2);
	enough.mtu_bytes = 500;
	assert_int_equal(sched_qdisc_change(q, &enough, &err), 0);
	assert_non_null(strstr(err.msg, "mtu (minburst)"));
	bed_end();
}

static void
drops_what_the_bucket_can_never_pay_for(void **state)
{
	struct tbf_conf conf = bucket(MBIT(1), 1000, 20000);
	struct qdisc *q;

	(void)state;
	bed_make();
	q = make_qdisc("tbf", &conf);
	assert_int_equal(offer(1000, 1001), 1);
	assert_int_equal(q->drops[DROP_TOO_LARGE], 1);
	take_all(SECONDS(1));
	bed_end();
}

static void
limit_is_the_inner_bfifos(void **state)
{
	struct tbf_conf conf = bucket(MBIT(1), 1000, 2500), wider = bucket(MBIT(2), 1000, 4000),
			narrow = bucket(MBIT(2), 1000, 1000);
	struct fifo_conf inner;
	struct qdisc *q, *leaf;

	(void)state;
	bed_make();
	q = make_qdisc("tbf", &conf);
	leaf = sched_qdisc_at(bed.tree, CLASSID(1, 1));
	assert_int_equal(offer(1000, 1000, 1000), 2);
	assert_int_equal(q->drops[DROP_QUEUE_FULL], 1);
	change_qdisc(q, &wider);
	leaf->ops->get_conf(leaf, &inner);
	assert_int_equal(inner.limit, 4000);
	assert_int_equal(offer(1000, 1000, 1000), 2);
	change_qdisc(q, &narrow);
	assert_int_equal(sched_backlog(bed.tree), 4);
	assert_int_equal(take_all(SECONDS(1)), 4);
	bed_end();
}

/* Another inner qdisc takes over what is queued, in order; one that waits itself is waited for. */
static void
inner_qdisc_is_replaced_under_load(void **state)
{
	struct tbf_conf conf = bucket(MBIT(1), 1000, 20000), slower = bucket(KBIT(500), 1000, 20000);

	(void)state;
	bed_make();
	make_qdisc("tbf", &conf);
	offer(1000, 1000, 1000, 1000);
	assert_int_equal(take(9, 0), 1);
	add_qdisc(CLASSID(1, 1), 0x100000, "tbf", &slower);
	assert_int_equal(sched_backlog(bed.tree), 3);
	assert_int_equal(take_all(SECONDS(1)), 3);
	/*
	 * The outer bucket is empty until 8 ms; the inner one, full at first, then spaces by 16 ms from when its
	 * first packet was taken.
	 */
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(bed.taken[i].id, i + 1);
	assert_int_equal(bed.taken[0].time_ns, MS(8));
	assert_true(bed.taken[2].time_ns - bed.taken[0].time_ns >= MS(24));
	delete_qdisc(sched_qdisc_find(bed.tree, 0x100000));
	assert_int_equal(offer(1000), 1);
	take_all(SECONDS(2));
	bed_end();
}

/* What was saved or owed stays worth its bytes. */
static void
change_of_rate_keeps_the_worth_of_tokens(void **state)
{
	struct tbf_conf slow = bucket(1000, 2000, 20000), fast = bucket(MBIT(8), 2000, 20000);
	struct qdisc *q;

	(void)state;
	bed_make();
	q = make_qdisc("tbf", &slow);
	offer(1500, 1500);
	assert_int_equal(take(9, 0), 1);
	/* 500 bytes are left; at 1000 B/s the next takes another second, at 1 MB/s a millisecond. */
	assert_int_equal(sched_next_event(bed.tree, 0), SECONDS(1));
	change_qdisc(q, &fast);
	take_all(SECONDS(1));
	assert_int_equal(bed.taken_count, 1);
	assert_int_equal(bed.taken[0].time_ns, MS(1));
	bed_end();
}

static uint64_t draw_state;

static uint32_t
draw(uint32_t below)
{
	draw_state = draw_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(draw_state >> 33) % below;
}

/* The same random traffic through tbf over an inner qdisc of this kind; what left and when is in bed.taken. */
static uint32_t
play_over(const char *kind, bool peak)
{
	static const struct fifo_conf large = { .limit = 1 << 20 };
	struct tbf_conf conf = bucket(MBIT(10), 9000, 1 << 20);

	if (peak) {
		conf.peak.Bps = MBIT(15);
		conf.mtu_bytes = 1600;
	}
	draw_state = 1;
	bed_make();
	sched_set_tx_queue_len(bed.tree, BED_BUFFERS);
	make_qdisc("tbf", &conf);
	if (strcmp(kind, "bfifo") != 0)
		add_qdisc(CLASSID(1, 1), 0x100000, kind, strcmp(kind, "pfifo") == 0 ? &large : NULL);
	bed.taken_count = 0;
	for (unsigned int step = 0; step < 3000; step++) {
		for (uint32_t n = draw(4); n != 0; n--)
			offer(60 + draw(1455));
		bed.now += draw(3) == 0 ? draw(4000000) : draw(1000000);
		take_more(1 + draw(40));
		assert_nothing_lost();
	}
	while (sched_backlog(bed.tree) != 0) {
		bed.now = sched_next_event(bed.tree, bed.now);
		assert_true(take_more(1) == 1);
	}
	return bed.taken_count;
}

/* Lengths that are known ahead are paid for together: nothing is seen of that. */
static void
every_inner_qdisc_is_paid_for_alike(void **state)
{
	static struct taken expected[BED_TAKEN_MAX];

	for (unsigned int peak = 0; peak < 2; peak++) {
		uint32_t count = play_over("prio", peak != 0); /* it tells of one packet at a time */

		memcpy(expected, bed.taken, sizeof(expected));
		bed_end();
		assert_int_equal(play_over("bfifo", peak != 0), count);
		assert_memory_equal(bed.taken, expected, count * sizeof(expected[0]));
		bed_end();
		assert_int_equal(play_over("pfifo", peak != 0), count);
		assert_memory_equal(bed.taken, expected, count * sizeof(expected[0]));
		bed_end();
	}
}

static void
options_that_make_no_sense_are_refused(void **state)
{
	struct tbf_conf good = bucket(MBIT(1), 2000, 20000), none = { .burst_bytes = 1000 }, peak = good, no_mtu = good;
	const struct tbf_conf *bad[] = { &none, &peak, &no_mtu, NULL };
	struct error err;
	struct qdisc *q;

	(void)state;
	peak.peak.Bps = KBIT(500);
	peak.mtu_bytes = 1500;
	no_mtu.peak.Bps = MBIT(2);
	bed_make();
	q = make_qdisc("tbf", &good);
	for (size_t i = 0; i < 4; i++) {
		struct qdisc_spec spec = { .parent = TC_H_ROOT, .kind = "tbf", .conf = bad[i] };
		struct tbf_conf now;

		assert_int_equal(sched_qdisc_add(bed.tree, &spec, NULL, NULL), -EINVAL);
		assert_int_equal(sched_qdisc_change(q, bad[i], NULL), -EINVAL);
		assert_ptr_equal(sched_root(bed.tree), q);
		q->ops->get_conf(q, &now);
		assert_int_equal(now.rate.Bps, MBIT(1));
	}
	assert_int_equal(sched_qdisc_change(q, &peak, &err), -EINVAL);
	assert_string_equal(err.msg, "tbf: the peak rate, 500Kbit, must be above the rate, 1Mbit");
	bed_end();
}

/* What tc 6.1 printed of htb's classes of these rates. */
static void
rates_are_said_as_tc_prints_them(void **state)
{
	static const struct {
		uint64_t bits;
		const char *text;
	} cases[] = {
		{ 0, "0bit" },
		{ 8, "8bit" },
		{ 8000, "8Kbit" },
		{ 1000000, "1Mbit" },
		{ 1500000, "1500Kbit" },
		{ 12345680, "12345Kbit" },
		{ 999999992, "999999Kbit" },
		{ UINT64_C(2500000000), "2500Mbit" },
		{ UINT64_C(40000000000), "40Gbit" },
		{ UINT64_C(12345678904), "12345Mbit" },
	};

	for (size_t i = 0; i < RTE_DIM(cases); i++)
		assert_string_equal(rate_text(cases[i].bits / 8).text, cases[i].text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_exact_at_every_rate),
		cmocka_unit_test(bucket_first_then_the_rate),
		cmocka_unit_test(peak_rate_spaces_the_burst),
		cmocka_unit_test(peak_rate_is_exact_at_every_rate),
		cmocka_unit_test(overhead_mpu_and_cells_count),
		cmocka_unit_test(a_bucket_below_a_frame_is_warned_of),
		cmocka_unit_test(drops_what_the_bucket_can_never_pay_for),
		cmocka_unit_test(limit_is_the_inner_bfifos),
		cmocka_unit_test(inner_qdisc_is_replaced_under_load),
		cmocka_unit_test(change_of_rate_keeps_the_worth_of_tokens),
		cmocka_unit_test(every_inner_qdisc_is_paid_for_alike),
		cmocka_unit_test(options_that_make_no_sense_are_refused),
		cmocka_unit_test(rates_are_said_as_tc_prints_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
