/* SPDX-License-Identifier: BSD-3-Clause */
/* htb: exact at every rate, borrowing by level and prio, direct packets, and changes under load that lose nothing. */
#include <inttypes.h>

#include "support.h"

#include <weir/qdisc/fifo.h>
#include <weir/qdisc/htb.h>
#include <weir/qdisc/prio.h>
#include <weir/qdisc/tbf.h>

static struct htb_conf
htb(uint32_t defcls)
{
	return (struct htb_conf){ .version = 3, .rate2quantum = 10, .defcls = defcls };
}

/* A class with tc's default bursts, 1600 bytes, and no ceil above its rate. */
static struct htb_class_conf
shaped(uint64_t Bps)
{
	return (struct htb_class_conf){ .rate.Bps = Bps,
		.ceil.Bps = Bps,
		.burst_ns = 1600 * UINT64_C(1000000000) / Bps,
		.cburst_ns = 1600 * UINT64_C(1000000000) / Bps };
}

static struct htb_class_conf
borrower(uint64_t Bps, uint64_t ceil_Bps, uint32_t prio)
{
	struct htb_class_conf conf = shaped(Bps);

	conf.ceil.Bps = ceil_Bps;
	conf.cburst_ns = 1600 * UINT64_C(1000000000) / ceil_Bps;
	conf.prio = prio;
	return conf;
}

/* Keeps n packets of `bytes` queued for class `classid`. */
static void
fill(uint32_t classid, uint32_t bytes, uint32_t n)
{
	struct class *c = sched_class_find(sched_root(bed.tree), classid);

	while (c->leaf->backlog_pkts < n)
		assert_int_equal(offer_packet(packet(bytes, TC_H_MIN(classid), classid, 0)), 1);
}

/* Bytes of `flow` in bed.taken between two times. */
static uint64_t
bytes_of(uint32_t flow, uint64_t from, uint64_t until)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < bed.taken_count; i++) {
		if (bed.taken[i].flow == flow && bed.taken[i].time_ns >= from && bed.taken[i].time_ns < until)
			sum += bed.taken[i].bytes;
	}
	return sum;
}

/* Runs for `duration` with each class in `ids` backlogged all the time. */
static void
run_backlogged(const uint32_t *ids, unsigned int n, uint32_t bytes, uint64_t duration)
{
	uint64_t until = bed.now + duration;

	bed.taken_count = 0;
	while (bed.now <= until) {
		for (unsigned int i = 0; i < n; i++)
			fill(ids[i], bytes, 20);
		if (take_more(1) == 0)
			bed.now = sched_next_event(bed.tree, bed.now);
		assert_true(bed.now != SCHED_NEVER);
	}
}

/* The bucket that is used: 1600 bytes as configured, and what a millisecond earns where that is more. */
static uint64_t
used_burst(uint64_t Bps)
{
	return Bps / 1000 > 1600 ? Bps / 1000 : 1600;
}

/* Takes the next packet of class 1:10, which is kept backlogged, and gives the time when it left. */
static uint64_t
next_departure(uint32_t bytes)
{
	bed.taken_count = 0;
	for (;;) {
		fill(CLASSID(1, 0x10), bytes, 8);
		if (take_more(1) == 1)
			return bed.now;
		uint64_t next = sched_next_event(bed.tree, bed.now);

		assert_true(next > bed.now && next != SCHED_NEVER);
		bed.now = next;
	}
}

/*
 * In no window may a class send more than rate x time + burst + one frame, and once the bucket is empty 5,000 packets
 * must take what they take at the rate, within 0.1 %.
 */
static void
check_exact(uint64_t Bps, uint32_t bytes)
{
	struct htb_conf conf = htb(0x10);
	struct htb_class_conf class_conf = shaped(Bps);
	const uint32_t skipped = (uint32_t)(used_burst(Bps) / bytes) + 200, count = skipped + 5000;
	__int128 worst = 0, least = 0;
	uint64_t start = 0, end = 0;

	bed_make();
	make_qdisc("htb", &conf);
	add_class(0, CLASSID(1, 0x10), &class_conf);
	/*
	 * The excess over the rate, in bytes x 1e9, may at no time be more than burst + frame above its least value so
	 * far.
	 */
	for (uint32_t i = 0; i < count; i++) {
		end = next_departure(bytes);
		__int128 before = (__int128)i * bytes * 1000000000 - (__int128)end * Bps;

		start = i == skipped ? end : start;
		least = i == 0 || before < least ? before : least;
		if (before + (__int128)bytes * 1000000000 - least > worst)
			worst = before + (__int128)bytes * 1000000000 - least;
	}
	if (worst > (__int128)(used_burst(Bps) + 1514) * 1000000000)
		fail_msg("%" PRIu64 " B/s, %u bytes: a window had %" PRIu64 " bytes above the rate", Bps, bytes,
			(uint64_t)(worst / 1000000000));
	double took = (double)(end - start), should = (double)(count - 1 - skipped) * bytes * 1e9 / (double)Bps;

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

static void
overhead_mpu_and_cells_count(void **state)
{
	struct htb_conf conf = htb(0x10);
	struct htb_class_conf class_conf = shaped(MBIT(8));

	(void)state;
	class_conf.rate.overhead = class_conf.ceil.overhead = 24;
	class_conf.rate.mpu = class_conf.ceil.mpu = 200;
	class_conf.rate.linklayer = class_conf.ceil.linklayer = TC_LINKLAYER_ATM;
	bed_make();
	make_qdisc("htb", &conf);
	add_class(0, CLASSID(1, 0x10), &class_conf);
	run_backlogged((const uint32_t[]){ CLASSID(1, 0x10) }, 1, 100, SECONDS(1));
	/* 100 + 24 is below the mpu of 200, which is 5 cells: 265 bytes a packet at 1 MB/s. */
	assert_in_range(bytes_of(0x10, MS(100), MS(1000)) / 100, 900000 / 265 - 2, 900000 / 265 + 2);
	take_all(SCHED_NEVER - 1);
	bed_end();
}

/* The HOWTO's two children of 5 and 1 of 6 mbit: what one leaves, the other borrows. */
static void
borrows_what_a_sibling_leaves(void **state)
{
	struct htb_conf conf = htb(0x30);
	struct htb_class_conf top = shaped(MBIT(6)), first = borrower(MBIT(5), MBIT(6), 0),
			      second = borrower(MBIT(1), MBIT(6), 0);
	struct htb_class_xstats xstats;
	struct class *c;

	(void)state;
	bed_make();
	make_qdisc("htb", &conf);
	add_class(0, CLASSID(1, 1), &top);
	add_class(CLASSID(1, 1), CLASSID(1, 0x10), &first);
	c = add_class(CLASSID(1, 1), CLASSID(1, 0x20), &second);
	run_backlogged((const uint32_t[]){ CLASSID(1, 0x10), CLASSID(1, 0x20) }, 2, 1000, SECONDS(2));
	assert_in_range(bytes_of(0x10, SECONDS(1), SECONDS(2)), 620000, 630000);
	assert_in_range(bytes_of(0x20, SECONDS(1), SECONDS(2)), 120000, 130000);
	take_all(SCHED_NEVER - 1);
	bed.now += SECONDS(5);
	uint64_t start = bed.now;

	run_backlogged((const uint32_t[]){ CLASSID(1, 0x20) }, 1, 1000, SECONDS(2));
	assert_in_range(bytes_of(0x20, start + SECONDS(1), start + SECONDS(2)), 745000, 755000);
	c->qdisc->ops->classes->get_xstats(c, &xstats);
	assert_true(xstats.borrows > 900 && xstats.lends > 200);
	take_all(SCHED_NEVER - 1);
	bed_end();
}

/* Spare bandwidth goes to the lower prio first, and between equals by quantum. */
static void
shares_the_spare_by_prio_and_quantum(void **state)
{
	struct htb_conf conf = htb(0);
	struct htb_class_conf top = shaped(MBIT(10)), a = borrower(MBIT(1), MBIT(10), 1), b = a,
			      urgent = borrower(MBIT(1), MBIT(4), 0);

	(void)state;
	/* A ceil bucket with room: or what they send at their own rates would now and then take a turn from them. */
	a.cburst_ns = b.cburst_ns = MS(20);
	a.quantum = 6000;
	b.quantum = 2000;
	bed_make();
	make_qdisc("htb", &conf);
	add_class(0, CLASSID(1, 1), &top);
	add_class(CLASSID(1, 1), CLASSID(1, 0x10), &a);
	add_class(CLASSID(1, 1), CLASSID(1, 0x20), &b);
	add_class(CLASSID(1, 1), CLASSID(1, 0x30), &urgent);
	run_backlogged((const uint32_t[]){ CLASSID(1, 0x10), CLASSID(1, 0x20), CLASSID(1, 0x30) }, 3, 1000, SECONDS(3));
	/* 4 to its ceil; of the other 6, 1 each is their own and 4 are shared 3 to 1. */
	assert_in_range(bytes_of(0x30, SECONDS(1), SECONDS(3)), 2 * 495000, 2 * 505000);
	assert_in_range(bytes_of(0x10, SECONDS(1), SECONDS(3)), 2 * 495000, 2 * 505000);
	assert_in_range(bytes_of(0x20, SECONDS(1), SECONDS(3)), 2 * 245000, 2 * 255000);
	take_all(SCHED_NEVER - 1);
	bed_end();
}

/* An inner class takes turns as one, however many leaves it has. */
static void
inner_classes_take_turns_as_one(void **state)
{
	struct htb_conf conf = htb(0);
	struct htb_class_conf top = shaped(MBIT(10)), inner = borrower(KBIT(8), MBIT(10), 0), leaf = inner;
	uint32_t ids[5];

	(void)state;
	leaf.quantum = 1500;
	bed_make();
	make_qdisc("htb", &conf);
	add_class(0, CLASSID(1, 1), &top);
	add_class(CLASSID(1, 1), CLASSID(1, 2), &inner);
	add_class(CLASSID(1, 1), CLASSID(1, 3), &inner);
	for (uint32_t i = 0; i < 5; i++) {
		ids[i] = CLASSID(1, 0x10 + i);
		add_class(i < 4 ? CLASSID(1, 2) : CLASSID(1, 3), ids[i], &leaf);
	}
	run_backlogged(ids, 5, 1500, SECONDS(3));
	/* A round of the four, then a round of the one: each leaf a fifth, as Linux's HTB does. */
	for (uint32_t i = 0; i < 5; i++)
		assert_in_range(
			bytes_of(0x10 + i, SECONDS(1), SECONDS(3)), 2 * 1250000 / 5 - 12000, 2 * 1250000 / 5 + 12000);
	take_all(SCHED_NEVER - 1);
	bed_end();
}

static void
borrows_through_all_levels(void **state)
{
	struct htb_conf conf = htb(0);
	struct htb_class_conf top = shaped(MBIT(2)), poor = borrower(KBIT(8), MBIT(2), 0);
	struct class_spec deeper = { .parentid = CLASSID(1, 8), .classid = CLASSID(1, 9), .conf = &poor };
	struct error err = { 0 };

	(void)state;
	bed_make();
	make_qdisc("htb", &conf);
	add_class(0, CLASSID(1, 1), &top);
	for (uint32_t i = 2; i <= 8; i++)
		add_class(CLASSID(1, i - 1), CLASSID(1, i), &poor);
	assert_int_equal(sched_class_add(sched_root(bed.tree), &deeper, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "too deep"));
	run_backlogged((const uint32_t[]){ CLASSID(1, 8) }, 1, 1000, SECONDS(2));
	assert_in_range(bytes_of(8, SECONDS(1), SECONDS(2)), 248000, 252000);
	take_all(SCHED_NEVER - 1);
	bed_end();
}

static void
direct_packets_go_first_and_are_counted(void **state)
{
	struct htb_conf conf = htb(0), now;
	struct htb_class_conf slow = shaped(KBIT(80));
	struct qdisc *q;

	(void)state;
	conf.direct_qlen = 3;
	conf.has_direct_qlen = true;
	bed_make();
	q = make_qdisc("htb", &conf);
	add_class(0, CLASSID(1, 1), &slow);
	offer_packet(packet(1000, 1, CLASSID(1, 1), 0));
	offer(100, 100, 100, 100); /* no class: direct, and one too many */
	offer_packet(packet(100, 1, CLASSID(1, 0), 0)); /* the qdisc itself: direct as well */
	assert_int_equal(q->drops[DROP_QUEUE_FULL], 2);
	take(10, 0);
	assert_order(1, 2, 3, 0);
	q->ops->get_conf(q, &now);
	assert_int_equal(now.direct_pkts, 3);
	bed_end();
}

/*
 * A class that gets its first child becomes an inner class, and a leaf again with the last one gone; what it held is
 * moved.
 */
static void
leaf_becomes_inner_and_leaf_again(void **state)
{
	struct htb_conf conf = htb(0x10);
	struct htb_class_conf class_conf = shaped(MBIT(1)), out;
	struct class *parent, *child;
	struct error err = { 0 };

	(void)state;
	bed_make();
	make_qdisc("htb", &conf);
	parent = add_class(0, CLASSID(1, 1), &class_conf);
	fill(CLASSID(1, 1), 1000, 50);
	child = add_class(CLASSID(1, 1), CLASSID(1, 0x10), &class_conf);
	assert_null(parent->leaf);
	/* The inner class has no chain, so its packets go to the default class. */
	assert_int_equal(child->leaf->backlog_pkts, 50);
	assert_nothing_lost();
	parent->qdisc->ops->classes->get_conf(parent, &out);
	assert_int_equal(out.level, 7);
	assert_int_equal(sched_class_delete(parent, &err), -EBUSY);
	take(2, MS(30));
	delete_class(child);
	assert_non_null(parent->leaf);
	parent->qdisc->ops->classes->get_conf(parent, &out);
	assert_int_equal(out.level, 0);
	/* Their priority names the parent, which is a leaf again. */
	assert_int_equal(parent->leaf->backlog_pkts, 48);
	take_all(SECONDS(2));
	assert_int_equal(bed.taken_count, 48);
	for (uint32_t i = 0; i < 48; i++)
		assert_int_equal(bed.taken[i].id, i + 2);
	bed_end();
}

static void
change_keeps_the_queue_and_the_worth_of_tokens(void **state)
{
	struct htb_conf conf = htb(0);
	struct htb_class_conf slow = shaped(KBIT(8)), fast = shaped(MBIT(100));
	struct class *c;

	(void)state;
	fast.prio = 3;
	bed_make();
	make_qdisc("htb", &conf);
	c = add_class(0, CLASSID(1, 1), &slow);
	fill(CLASSID(1, 1), 1500, 10);
	assert_int_equal(take(10, 0), 2); /* the second takes the bucket 1,400 bytes, 1.4 s, into debt */
	assert_int_equal(take(10, MS(1)), 0);
	change_class(c, &fast);
	assert_int_equal(c->leaf->backlog_pkts, 8);
	/* 1,400 bytes of debt are 112 us at 100 mbit, not 1.4 s. */
	assert_int_equal(take(10, MS(1) + 100000), 0);
	assert_true(take(10, MS(1) + 113000) > 0);
	take_all(SECONDS(1));
	bed_end();
}

/* However long nothing was sent, a bucket is full and no fuller; its time comes round in 78 hours. */
static void
a_bucket_is_full_after_years(void **state)
{
	static const uint64_t hours[] = { 1, 9, 10, 19, 20, 30, 39, 40, 59, 78, 79, 117, 156, 200, 8766, 87660 };
	struct htb_conf conf = htb(0);
	struct htb_class_conf class_conf = shaped(MBIT(8));
	struct htb_class_xstats xstats;
	struct class *c;

	(void)state;
	bed_make();
	make_qdisc("htb", &conf);
	c = add_class(0, CLASSID(1, 1), &class_conf);
	for (size_t i = 0; i < sizeof(hours) / sizeof(hours[0]); i++) {
		fill(CLASSID(1, 1), 100, 40);
		/* 1,600 bytes, and the packet that takes it below nothing, which is 100 us at a megabyte a second. */
		assert_int_equal(take(40, bed.now), 17);
		c->qdisc->ops->classes->get_xstats(c, &xstats);
		assert_int_equal(xstats.tokens_ns, -100000);
		assert_int_equal(take(40, bed.now + 100000), 1);
		take_all(bed.now + SECONDS(1));
		assert_int_equal(take(1, bed.now + hours[i] * 3600 * SECONDS(1)), 0);
		c->qdisc->ops->classes->get_xstats(c, &xstats);
		assert_int_equal(xstats.tokens_ns, 1600000);
	}
	bed_end();
}

static uint64_t
rate_of(const struct class *c)
{
	struct htb_class_conf conf;

	c->qdisc->ops->classes->get_conf(c, &conf);
	return conf.rate.Bps;
}

/* Who is configured alike shares what that comes to, until one of them is changed. */
static void
equal_classes_are_changed_one_by_one(void **state)
{
	struct htb_conf conf = htb(0);
	struct htb_class_conf slow = shaped(MBIT(1)), fast = shaped(MBIT(8));
	const uint32_t ids[] = { CLASSID(1, 1), CLASSID(1, 2), CLASSID(1, 3) };
	struct class *classes[3];

	(void)state;
	bed_make();
	make_qdisc("htb", &conf);
	for (unsigned int i = 0; i < 3; i++)
		classes[i] = add_class(0, ids[i], &slow);
	change_class(classes[1], &fast);
	assert_int_equal(rate_of(classes[0]), MBIT(1));
	assert_int_equal(rate_of(classes[1]), MBIT(8));
	run_backlogged(ids, 3, 1000, SECONDS(2));
	assert_in_range(bytes_of(1, SECONDS(1), SECONDS(2)), 124000, 126000);
	assert_in_range(bytes_of(2, SECONDS(1), SECONDS(2)), 998000, 1002000);
	take_all(SECONDS(20));
	change_class(classes[0], &fast);
	assert_int_equal(sched_class_delete(classes[1], NULL), 0);
	run_backlogged(ids, 1, 1000, SECONDS(2));
	assert_in_range(bytes_of(1, bed.now - SECONDS(1), bed.now), 998000, 1002000);
	assert_int_equal(sched_class_delete(classes[0], NULL), 0);
	run_backlogged(ids + 2, 1, 1000, SECONDS(2));
	assert_in_range(bytes_of(3, bed.now - SECONDS(1), bed.now), 124000, 126000);
	bed_end();
}

static void
class_options_that_make_no_sense_are_refused(void **state)
{
	struct htb_conf conf = htb(0), old = { .version = 2 };
	struct htb_class_conf good = shaped(MBIT(1)), none = { 0 };
	struct class_spec spec = { .classid = CLASSID(1, 1), .conf = &none };
	struct qdisc_spec wrong = { .parent = TC_H_ROOT, .kind = "htb", .conf = &old };
	struct qdisc_spec inner = { .parent = CLASSID(1, 1), .kind = "pfifo" };
	struct error err = { 0 };
	struct qdisc *q;

	(void)state;
	bed_make();
	assert_int_equal(sched_qdisc_add(bed.tree, &wrong, NULL, &err), -EINVAL);
	q = make_qdisc("htb", &conf);
	assert_int_equal(sched_class_add(q, &spec, NULL, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "rate"));
	spec.conf = &good;
	spec.classid = CLASSID(2, 1);
	assert_int_equal(sched_class_add(q, &spec, NULL, &err), -EINVAL);
	spec.classid = CLASSID(1, 2);
	spec.parentid = CLASSID(1, 9);
	assert_int_equal(sched_class_add(q, &spec, NULL, &err), -ENOENT);
	add_class(0, CLASSID(1, 1), &good);
	add_class(CLASSID(1, 1), CLASSID(1, 2), &good);
	spec.parentid = 0;
	assert_int_equal(sched_class_add(q, &spec, NULL, &err), -EEXIST);
	assert_int_equal(sched_qdisc_add(bed.tree, &inner, NULL, &err), -EINVAL);
	assert_int_equal(sched_qdisc_change(q, &conf, &err), -EOPNOTSUPP);
	/* Linux takes it without a word. */
	err = (struct error){ 0 };
	good.ceil.Bps = good.rate.Bps - 1;
	spec.classid = CLASSID(1, 3);
	assert_int_equal(sched_class_add(q, &spec, NULL, &err), 0);
	assert_non_null(strstr(err.msg, "ceil"));
	bed_end();
}

/* A shaper as leaf: HTB parks the class until that has something, and goes on with the others. */
static void
parks_a_leaf_that_waits_by_itself(void **state)
{
	struct htb_conf conf = htb(0);
	struct htb_class_conf wide = shaped(MBIT(100));
	struct tbf_conf slow = { .rate.Bps = KBIT(800), .burst_bytes = 1600, .limit_bytes = 100000 };

	(void)state;
	bed_make();
	make_qdisc("htb", &conf);
	add_class(0, CLASSID(1, 0x10), &wide);
	add_class(0, CLASSID(1, 0x20), &wide);
	add_qdisc(CLASSID(1, 0x10), 0x100000, "tbf", &slow);
	run_backlogged((const uint32_t[]){ CLASSID(1, 0x10), CLASSID(1, 0x20) }, 2, 1000, SECONDS(1));
	assert_in_range(bytes_of(0x10, MS(100), MS(900)), 79000, 81000);
	assert_in_range(bytes_of(0x20, MS(100), MS(900)), 9990000, 10010000);
	take_all(SCHED_NEVER - 1);
	bed_end();
}

/*
 * Parked for a packet that its leaf would let go in 1.9 s, it is asked again when that shaper, below a prio, becomes
 * faster.
 */
static void
a_faster_shaper_below_is_heard_of(void **state)
{
	struct htb_conf conf = htb(0);
	struct htb_class_conf wide = shaped(MBIT(100));
	struct tbf_conf slow = { .rate.Bps = 500, .burst_bytes = 1000, .limit_bytes = 100000 }, fast = slow;
	struct prio_conf bands = { .bands = 2 };
	struct qdisc *tbf;

	(void)state;
	fast.rate.Bps = MBIT(8);
	bed_make();
	make_qdisc("htb", &conf);
	add_class(0, CLASSID(1, 0x10), &wide);
	add_qdisc(CLASSID(1, 0x10), 0x100000, "prio", &bands);
	tbf = add_qdisc(CLASSID(0x10, 1), 0x200000, "tbf", &slow);
	fill(CLASSID(1, 0x10), 1000, 3);
	assert_int_equal(take(10, 0), 1);
	assert_true(sched_next_event(bed.tree, 0) == SECONDS(2));
	bed.now = MS(1);
	change_qdisc(tbf, &fast);
	/* At 1 MB/s the second packet, half a byte of which has been earned, takes a millisecond less 500 ns. */
	take_all(MS(10));
	assert_int_equal(bed.taken_count, 2);
	assert_int_equal(bed.taken[0].time_ns, MS(2) - 500);
	assert_int_equal(bed.taken[1].time_ns, MS(3) - 500);
	bed_end();
}

/*
 * At 1 gbit the configured 1600 bytes are 13 us; who is asked once a millisecond still sends at the rate. Dumps show
 * 1600.
 */
static void
a_burst_in_use_holds_a_millisecond(void **state)
{
	struct htb_conf conf = htb(0);
	struct htb_class_conf fast = shaped(MBIT(1000)), shown;
	struct class *c;

	(void)state;
	bed_make();
	make_qdisc("htb", &conf);
	c = add_class(0, CLASSID(1, 0x10), &fast);
	bed.taken_count = 0;
	for (uint64_t ms = 0; ms < 100; ms++) {
		bed.now = MS(ms);
		fill(CLASSID(1, 0x10), 1000, 200);
		take_more(UINT32_MAX);
	}
	assert_in_range(bytes_of(0x10, MS(1), MS(100)), 99 * 125000 - 1000, 99 * 125000 + 1000);
	c->qdisc->ops->classes->get_conf(c, &shown);
	assert_int_equal(shown.burst_ns, fast.burst_ns);
	assert_int_equal(shown.cburst_ns, fast.cburst_ns);
	take_all(SCHED_NEVER - 1);
	bed_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_exact_at_every_rate),
		cmocka_unit_test(overhead_mpu_and_cells_count),
		cmocka_unit_test(borrows_what_a_sibling_leaves),
		cmocka_unit_test(shares_the_spare_by_prio_and_quantum),
		cmocka_unit_test(inner_classes_take_turns_as_one),
		cmocka_unit_test(borrows_through_all_levels),
		cmocka_unit_test(direct_packets_go_first_and_are_counted),
		cmocka_unit_test(leaf_becomes_inner_and_leaf_again),
		cmocka_unit_test(change_keeps_the_queue_and_the_worth_of_tokens),
		cmocka_unit_test(a_bucket_is_full_after_years),
		cmocka_unit_test(equal_classes_are_changed_one_by_one),
		cmocka_unit_test(class_options_that_make_no_sense_are_refused),
		cmocka_unit_test(parks_a_leaf_that_waits_by_itself),
		cmocka_unit_test(a_faster_shaper_below_is_heard_of),
		cmocka_unit_test(a_burst_in_use_holds_a_millisecond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
