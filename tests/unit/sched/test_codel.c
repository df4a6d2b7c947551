/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * codel: its control law against real arithmetic, its drops against the pseudocode of RFC 8289 section 5 (written here
 * once more, in floating point), what it keeps the delay at, marks, limits and changes.
 */
#include <inttypes.h>
#include <math.h>

#include "support.h"

#include <weir/qdisc/codel.h>
#include <weir/qdisc/fifo.h>
#include <weir/qdisc/htb.h>
#include <weir/qdisc/tbf.h>

#include "codel.h"

#define TICK         UINT64_C(1024) /* ns: codel counts delays in these */
#define TARGET_NS    (UINT64_C(4882) * TICK) /* of 5 ms */
#define INTERVAL_NS  (UINT64_C(97656) * TICK) /* of 100 ms */
#define ECN_CAPABLE  0x02
#define CONGESTION   0x03
#define PACKETS_MAX  BED_TAKEN_MAX
#define FRAME_LENGTH 1514

static uint64_t draw_state;

static uint32_t
draw(uint32_t below)
{
	draw_state = draw_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(draw_state >> 33) % below;
}

static struct codel_xstats
xstats_of(const struct qdisc *q)
{
	struct codel_xstats xstats;

	q->ops->get_xstats(q, &xstats);
	return xstats;
}

/* ---- the control law */

static void
check_inverse_sqrt(uint32_t count)
{
	long double exact = 4294967296.0L / sqrtl(count), got = codel_inverse_sqrt(count);

	if (fabsl(got - exact) > 0.500001L)
		fail_msg("2^32 / sqrt(%u) is %.3Lf, not %.0Lf", count, exact, got);
}

static void
inverse_square_root_is_rounded_to_the_nearest(void **state)
{
	(void)state;
	draw_state = 7;
	for (uint32_t count = 1; count <= 1000000; count++)
		check_inverse_sqrt(count);
	for (uint32_t i = 0; i < 1000000; i++)
		check_inverse_sqrt(1 + (draw(UINT32_C(1) << 31) << 1 | draw(2)));
	check_inverse_sqrt(UINT32_MAX);
	assert_true(codel_inverse_sqrt(1) == UINT64_C(1) << 32);
	assert_true(codel_inverse_sqrt(4) == UINT64_C(1) << 31);
}

/* ---- RFC 8289, section 5, with times in ns as real numbers */

static struct reference {
	uint64_t arrived_ns[PACKETS_MAX];
	uint32_t bytes[PACKETS_MAX];
	uint32_t head, tail; /* packets that wait, by id */
	uint64_t backlog;
	double first_above, drop_next; /* first_above 0: below */
	uint32_t count, last_count;
	bool dropping;
	uint32_t dropped[PACKETS_MAX]; /* ids */
	uint32_t dropped_count;
} reference;

struct dodequeue_result {
	int64_t id; /* -1: none */
	bool ok_to_drop;
};

static struct dodequeue_result
dodequeue(double now)
{
	struct dodequeue_result r = { .id = -1 };

	if (reference.head == reference.tail) {
		reference.first_above = 0;
		return r;
	}
	r.id = reference.head++;
	reference.backlog -= reference.bytes[r.id];
	if (now - (double)reference.arrived_ns[r.id] < (double)TARGET_NS || reference.backlog <= FRAME_LENGTH) {
		reference.first_above = 0;
	} else if (reference.first_above == 0) {
		reference.first_above = now + (double)INTERVAL_NS;
	} else if (now >= reference.first_above) {
		r.ok_to_drop = true;
	}
	return r;
}

static double
control_law(double t, uint32_t count)
{
	return t + (double)INTERVAL_NS / sqrt(count);
}

static void
reference_drop(int64_t id)
{
	reference.dropped[reference.dropped_count++] = (uint32_t)id;
}

static int64_t
reference_dequeue(double now)
{
	struct dodequeue_result r = dodequeue(now);

	if (reference.dropping) {
		if (!r.ok_to_drop)
			reference.dropping = false;
		while (reference.dropping && now >= reference.drop_next) {
			reference_drop(r.id);
			reference.count++;
			r = dodequeue(now);
			if (!r.ok_to_drop)
				reference.dropping = false;
			else
				reference.drop_next = control_law(reference.drop_next, reference.count);
		}
	} else if (r.ok_to_drop) {
		uint32_t delta = reference.count - reference.last_count;

		reference_drop(r.id);
		r = dodequeue(now);
		reference.dropping = true;
		reference.count = 1;
		if (delta > 1 && now - reference.drop_next < 16 * (double)INTERVAL_NS)
			reference.count = delta;
		reference.drop_next = control_law(now, reference.count);
		reference.last_count = reference.count;
	}
	return r.id;
}

static void
arrive(uint32_t bytes)
{
	reference.arrived_ns[bed.next_id] = bed.now;
	reference.bytes[bed.next_id] = bytes;
	reference.backlog += bytes;
	reference.tail = bed.next_id + 1;
	assert_int_equal(offer(bytes), 1);
}

static void
check_one_dequeue(const struct qdisc *q)
{
	int64_t expected = reference_dequeue((double)bed.now);
	struct codel_xstats xstats;

	bed.taken_count = 0;
	assert_int_equal(take_more(1), expected >= 0);
	if (expected >= 0 && bed.taken[0].id != expected)
		fail_msg("at %" PRIu64 " ns packet %u left, by the RFC %" PRId64, bed.now, bed.taken[0].id, expected);
	assert_int_equal(bed.sink.drops[DROP_CODEL], reference.dropped_count);
	xstats = xstats_of(q);
	assert_int_equal(xstats.queue.count, reference.count);
	assert_int_equal(xstats.queue.last_count, reference.last_count);
	assert_int_equal(xstats.queue.dropping, reference.dropping);
	if (!reference.dropping)
		return;
	/*
	 * Ours is in whole nanoseconds. From there on again, so that the next step is compared to the nanosecond, too.
	 */
	double drop_next = (double)((int64_t)bed.now + xstats.queue.drop_next_ns);

	if (fabs(drop_next - reference.drop_next) > 1)
		fail_msg("the next drop is due at %.0f, by the RFC at %.3f", drop_next, reference.drop_next);
	reference.drop_next = drop_next;
}

/*
 * Loads that come and go: overloaded for a while, then idle for less or more than 16 intervals, so that the count is
 * carried over or not. Packets come at whole ticks and leave between two, as delays are counted in whole ones.
 */
static void
drops_as_the_rfc_does(void **state)
{
	uint32_t carried_over = 0, most = 0;

	(void)state;
	for (unsigned int seed = 1; seed <= 40; seed++) {
		struct codel_conf conf = { .given = CODEL_LIMIT, .limit = PACKETS_MAX };
		struct qdisc *q;
		uint64_t next_arrival = 0, next_departure = TICK / 2;

		memset(&reference, 0, sizeof(reference));
		draw_state = seed;
		bed_make();
		q = make_qdisc("codel", &conf);
		while (bed.next_id < 6000) {
			bool overload = bed.next_id / 400 % 2 == 0;

			if (next_arrival < next_departure) {
				bed.now = next_arrival;
				for (uint32_t n = 1 + draw(3); n != 0; n--)
					arrive(64 + draw(1450));
				next_arrival += TICK * (1 + draw(overload ? 2000 : 5000));
				if (!overload && draw(400) == 0)
					next_arrival += TICK * draw(3000000);
			} else {
				uint32_t before = reference.last_count;

				bed.now = next_departure;
				check_one_dequeue(q);
				next_departure += TICK * (1 + draw(2000));
				carried_over += reference.last_count != before && reference.last_count > 1;
				most = RTE_MAX(most, reference.count);
			}
		}
		take_all(SCHED_NEVER - 1);
		bed_end();
	}
	/* That the interesting things happened at all. */
	assert_true(carried_over > 20);
	assert_true(most > 100);
}

/* Under a steady overload that does not yield, the n-th drop comes interval / sqrt(n) after the one before. */
static void
drops_come_closer_by_the_square_root(void **state)
{
	struct codel_conf conf = { .given = CODEL_LIMIT, .limit = PACKETS_MAX };
	const uint64_t step = 1000000;
	uint64_t drops = 0;
	double due;

	(void)state;
	bed_make();
	make_qdisc("codel", &conf);
	for (uint32_t i = 0; i < 3; i++)
		offer(1000);
	/* One more arrives than leaves: the first waits for 3 ms, so the delay is above 5 ms from 5 ms on. */
	due = 0;
	for (bed.now = 0; bed.now < SECONDS(6); bed.now += step) {
		uint64_t before = drops;

		offer(1000, 1000);
		take_more(1);
		drops = bed.sink.drops[DROP_CODEL];
		if (drops == 0)
			continue;
		if (before == 0)
			due = (double)bed.now + (double)INTERVAL_NS;
		/* Those that were due since the last look have been dropped, and no more. */
		for (uint64_t n = RTE_MAX(before, 1u); n < drops; n++) {
			assert_true(due <= (double)bed.now && due > (double)bed.now - step - 1);
			due += (double)INTERVAL_NS / sqrt((double)n + 1);
		}
		assert_true(due > (double)bed.now);
	}
	/* After n drops 2 * interval * sqrt(n) have passed: sqrt(n) grows by one every 200 ms. */
	assert_true(drops > 750 && drops < 1000);
	take_all(SCHED_NEVER - 1);
	bed_end();
}

/* ---- what it is for */

struct outcome {
	uint32_t sent;
	double worst_ms, late_mean_ms; /* delay: the worst of all, the mean of the last half */
};

/*
 * A sender that sends a packet more in each round trip of 20 ms, and half as many when one was lost or marked: TCP's
 * additive increase and multiplicative decrease, without its details. The link is a class of htb, as usual.
 */
static struct outcome
play_tcp(const char *kind, const void *conf, bool ecn)
{
	struct htb_conf htb = { .version = 3, .rate2quantum = 10, .defcls = 0x10 };
	struct htb_class_conf link = {
		.rate.Bps = MBIT(10), .ceil.Bps = MBIT(10), .burst_ns = 1280000, .cburst_ns = 1280000
	};
	const uint64_t round_trip = MS(20), end = SECONDS(20);
	struct outcome outcome = { 0 };
	double window = 10, late_sum = 0;
	uint32_t late_count = 0;
	uint64_t next_send = 0, reacted_at = 0, delay = 0;
	static uint64_t sent_at[PACKETS_MAX];

	bed_make();
	make_qdisc("htb", &htb);
	add_class(0, CLASSID(1, 0x10), &link);
	add_qdisc(CLASSID(1, 0x10), 0x100000, kind, conf);
	while (bed.now < end) {
		uint64_t next = RTE_MIN(sched_next_event(bed.tree, bed.now), next_send);
		struct rte_mbuf *m, *pkts[1];
		uint64_t lost = bed_dropped(), marked = 0;

		bed.now = RTE_MAX(next, bed.now);
		if (bed.now >= next_send) {
			m = packet(1500, 1, 0, 0);
			rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14)->type_of_service = ecn ? ECN_CAPABLE : 0;
			sent_at[bed.next_id - 1] = bed.now;
			offer_packet(m);
			next_send = bed.now + (uint64_t)((double)(round_trip + delay) / window);
			window += 1 / window;
		}
		while (sched_dequeue(bed.tree, pkts, 1, bed.now) == 1) {
			delay = bed.now - sent_at[pkt_of(pkts[0])->nexthop];
			double ms = (double)delay / 1e6;

			bed.sent++;
			outcome.sent++;
			outcome.worst_ms = RTE_MAX(outcome.worst_ms, ms);
			if (bed.now > end / 2) {
				late_sum += ms;
				late_count++;
			}
			marked += (rte_pktmbuf_mtod_offset(pkts[0], struct rte_ipv4_hdr *, 14)->type_of_service & 3) ==
				  CONGESTION;
			rte_pktmbuf_free(pkts[0]);
		}
		if (bed_dropped() + marked != lost && bed.now - reacted_at > round_trip) {
			window = RTE_MAX(window / 2, 2.0);
			reacted_at = bed.now;
		}
	}
	outcome.late_mean_ms = late_sum / late_count;
	take_all(SCHED_NEVER - 1);
	bed_end();
	return outcome;
}

/* 20 s at 10 mbit are 16,667 packets of 1500 bytes. */
static void
keeps_the_delay_of_tcp_near_its_target(void **state)
{
	struct fifo_conf long_queue = { .limit = 1000 };
	struct outcome fifo, codel;

	(void)state;
	fifo = play_tcp("pfifo", &long_queue, false);
	codel = play_tcp("codel", NULL, false);
	print_message("pfifo: %u packets, %.1f ms; codel: %u packets, %.1f ms\n", fifo.sent, fifo.late_mean_ms,
		codel.sent, codel.late_mean_ms);
	assert_true(fifo.late_mean_ms > 100);
	assert_true(codel.late_mean_ms < 2 * 5);
	assert_true(codel.sent > 0.95 * 16667);
}

static void
marks_instead_of_drops(void **state)
{
	struct codel_conf conf = { .given = CODEL_ECN, .times.ecn = true };
	struct outcome marked;

	(void)state;
	marked = play_tcp("codel", &conf, true);
	assert_int_equal(bed_dropped(), 0);
	assert_true(marked.late_mean_ms < 2 * 5);
	assert_true(marked.sent > 0.95 * 16667);
	/* Who does not speak ECN loses packets all the same. */
	play_tcp("codel", &conf, false);
	assert_true(bed.sink.drops[DROP_CODEL] != 0);
}

/* Every packet that waited for longer than the threshold is marked if it may be, whatever the drops do. */
static void
ce_threshold_marks_what_waited_longer(void **state)
{
	struct codel_conf conf = { .given = CODEL_CE_THRESHOLD, .times.ce_threshold_ns = 2000000 };
	struct qdisc *q;

	(void)state;
	bed_make();
	q = make_qdisc("codel", &conf);
	for (uint32_t i = 0; i < 6; i++) {
		struct rte_mbuf *m = packet(1000, 1, 0, 0);

		rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14)->type_of_service = i == 5 ? 0 : ECN_CAPABLE;
		offer_packet(m);
	}
	assert_int_equal(take(2, MS(2) - 2 * TICK), 2);
	assert_int_equal(xstats_of(q).ce_marks, 0);
	assert_int_equal(take(9, MS(2) + TICK), 4);
	assert_int_equal(xstats_of(q).ce_marks, 3);
	assert_int_equal(xstats_of(q).ecn_marks, 0);
	assert_true(xstats_of(q).queue.delay_ns >= MS(2) - TICK && xstats_of(q).queue.delay_ns <= MS(2) + TICK);
	bed_end();
}

/* ---- books, limits, changes */

static void
drops_what_is_beyond_the_limit(void **state)
{
	struct codel_conf conf = { .given = CODEL_LIMIT, .limit = 3 }, less = { .given = CODEL_LIMIT, .limit = 1 };
	struct qdisc *q;

	(void)state;
	bed_make();
	q = make_qdisc("codel", &conf);
	assert_int_equal(offer(100, 200, 300, 400), 3);
	assert_int_equal(q->drops[DROP_QUEUE_FULL], 1);
	assert_int_equal(xstats_of(q).limit_drops, 1);
	change_qdisc(q, &less);
	assert_int_equal(sched_backlog(bed.tree), 3);
	assert_int_equal(offer(100), 0);
	assert_int_equal(take_all(0), 3);
	assert_order(0, 1, 2);
	assert_int_equal(xstats_of(q).largest_bytes, 300);
	bed_end();
}

/* As tc's `change`: what is not named stays. */
static void
change_keeps_what_is_not_named(void **state)
{
	struct codel_conf first = { .given = CODEL_TARGET | CODEL_ECN | CODEL_CE_THRESHOLD,
		.times = { .target_ns = 7000000, .ecn = true, .ce_threshold_ns = 3000000 } };
	struct codel_conf second = { .given = CODEL_INTERVAL, .times.interval_ns = 33000000 };
	struct codel_conf bad = { .given = CODEL_INTERVAL | CODEL_TARGET, .times = { .interval_ns = 1000 } };
	struct codel_conf now = { 0 };
	struct qdisc *q;

	(void)state;
	bed_make();
	q = make_qdisc("codel", &first);
	change_qdisc(q, &second);
	assert_int_equal(sched_qdisc_change(q, &bad, NULL), -EINVAL);
	q->ops->get_conf(q, &now);
	assert_int_equal(now.limit, 1000);
	assert_int_equal(now.times.target_ns, 7000000 / TICK * TICK);
	assert_int_equal(now.times.interval_ns, 33000000 / TICK * TICK);
	assert_int_equal(now.times.ce_threshold_ns, 3000000 / TICK * TICK);
	assert_true(now.times.ecn);
	assert_int_equal(now.given, CODEL_TARGET | CODEL_INTERVAL | CODEL_CE_THRESHOLD | CODEL_ECN | CODEL_LIMIT);
	bed_end();
}

/* What codel drops as it gives a packet is gone from the books of those above, though a peek took the packet out. */
static void
books_are_true_above_it(void **state)
{
	struct tbf_conf link = { .rate.Bps = MBIT(1), .burst_bytes = 1600, .limit_bytes = 1 << 24 };
	struct codel_conf quick = { .given = CODEL_TARGET | CODEL_INTERVAL,
		.times = { .target_ns = 1000000, .interval_ns = 10000000 } };
	struct qdisc *root, *q;

	(void)state;
	bed_make();
	root = make_qdisc("tbf", &link);
	q = add_qdisc(CLASSID(1, 1), 0x100000, "codel", &quick);
	for (uint32_t i = 0; i < 300; i++)
		offer(1000);
	while (sched_backlog(bed.tree) != 0) {
		bed.taken_count = 0;
		bed.now = sched_next_event(bed.tree, bed.now);
		take_more(5);
		assert_nothing_lost();
		assert_int_equal(root->backlog_pkts, q->backlog_pkts);
		assert_int_equal(root->backlog_bytes, q->backlog_bytes);
		assert_int_equal(q->backlog_bytes, q->backlog_pkts * UINT64_C(1000));
	}
	assert_true(q->drops[DROP_CODEL] > 20);
	assert_int_equal(root->drops_total, q->drops_total);
	bed_end();
}

/* Packets that a change moves have been waiting since they came to the tree. */
static void
moved_packets_keep_their_time(void **state)
{
	struct fifo_conf fifo = { .limit = 100 };
	struct qdisc *q;

	(void)state;
	bed_make();
	make_qdisc("pfifo", &fifo);
	offer(1000, 1000);
	bed.now = MS(30);
	q = add_qdisc(TC_H_ROOT, 2 << 16, "codel", NULL);
	assert_int_equal(take(1, MS(31)), 1);
	assert_true(xstats_of(q).queue.delay_ns >= MS(31) - TICK && xstats_of(q).queue.delay_ns <= MS(31));
	bed.now = MS(40);
	add_qdisc(TC_H_ROOT, 3 << 16, "pfifo", &fifo);
	assert_int_equal(take_all(MS(40)), 1);
	bed_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inverse_square_root_is_rounded_to_the_nearest),
		cmocka_unit_test(drops_as_the_rfc_does),
		cmocka_unit_test(drops_come_closer_by_the_square_root),
		cmocka_unit_test(keeps_the_delay_of_tcp_near_its_target),
		cmocka_unit_test(marks_instead_of_drops),
		cmocka_unit_test(ce_threshold_marks_what_waited_longer),
		cmocka_unit_test(drops_what_is_beyond_the_limit),
		cmocka_unit_test(change_keeps_what_is_not_named),
		cmocka_unit_test(books_are_true_above_it),
		cmocka_unit_test(moved_packets_keep_their_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
