/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * htb: the six states of a class and what each does, after table 2 of M. A. Brown's "Traffic Control HOWTO", section
 * 7.1.5: a leaf, or an inner or root class, is under its rate, between rate and ceil, or over its ceil. All packets
 * have 1000 bytes and all buckets are whole numbers of packets, so that what leaves at one moment can be counted by
 * hand: a bucket that holds n packets lets n + 1 go, for it may be empty, but not in debt, before each.
 */
#include "support.h"

#include <weir/qdisc/htb.h>

#define BYTES 1000

/* A bucket of `packets` at a rate. */
struct bucket {
	uint64_t Bps;
	uint32_t packets;
};

static struct class *
add(uint32_t parent, uint32_t minor, struct bucket rate, struct bucket ceil)
{
	struct htb_class_conf conf = {
		.rate.Bps = rate.Bps,
		.ceil.Bps = ceil.Bps,
		.burst_ns = rate.packets * BYTES * SECONDS(1) / rate.Bps,
		.cburst_ns = ceil.packets * BYTES * SECONDS(1) / ceil.Bps,
	};

	return add_class(parent == 0 ? 0 : CLASSID(1, parent), CLASSID(1, minor), &conf);
}

static void
begin(void)
{
	struct htb_conf conf = { .version = 3, .rate2quantum = 10 };

	bed_make();
	make_qdisc("htb", &conf);
}

static void
end(void)
{
	take_all(SCHED_NEVER - 1);
	bed_end();
}

/* How many of n more packets of a leaf leave at once, those that wait already included. */
static uint32_t
leave_at_once(const struct class *leaf, uint32_t n)
{
	while (n-- != 0)
		assert_int_equal(offer_packet(packet(BYTES, TC_H_MIN(leaf->classid), leaf->classid, 0)), 1);
	return take(UINT32_MAX, bed.now);
}

static void
assert_lent(const struct class *c, uint32_t lends, uint32_t borrows)
{
	struct htb_class_xstats stats;

	c->qdisc->ops->classes->get_xstats(c, &stats);
	assert_int_equal(stats.lends, lends);
	assert_int_equal(stats.borrows, borrows);
}

static uint64_t
wait_ns(void)
{
	return sched_next_event(bed.tree, bed.now) - bed.now;
}

/* "Leaf class will dequeue queued bytes up to available tokens." */
static void
a_leaf_under_its_rate_sends(void **state)
{
	struct class *root, *leaf;

	(void)state;
	begin();
	root = add(0, 1, (struct bucket){ MBIT(16), 30 }, (struct bucket){ MBIT(16), 60 });
	leaf = add(1, 0x10, (struct bucket){ MBIT(8), 10 }, (struct bucket){ MBIT(16), 60 });
	assert_int_equal(leave_at_once(leaf, 11), 11);
	assert_lent(leaf, 11, 0);
	assert_lent(root, 0, 0);
	end();
}

/* "Leaf class will attempt to borrow tokens from parent class. If tokens are available, they will be lent." */
static void
a_leaf_over_its_rate_borrows(void **state)
{
	struct class *root, *leaf;

	(void)state;
	begin();
	root = add(0, 1, (struct bucket){ MBIT(16), 15 }, (struct bucket){ MBIT(16), 60 });
	leaf = add(1, 0x10, (struct bucket){ MBIT(8), 10 }, (struct bucket){ MBIT(16), 60 });
	/* 11 of its own, which the root class pays, too; of its 15 it can lend 4, and one more. */
	assert_int_equal(leave_at_once(leaf, 30), 11 + 5);
	assert_lent(leaf, 11, 5);
	assert_lent(root, 5, 0);
	/* Both owe one packet: the root class is out of debt first, and lends again. */
	assert_int_equal(wait_ns(), MS(1) / 2);
	take(UINT32_MAX, bed.now + MS(1) / 2);
	assert_int_equal(bed.taken_count, 1);
	assert_lent(leaf, 11, 6);
	end();
}

/* "No packets will be dequeued. This will cause packet delay and will increase latency to meet the desired rate." */
static void
a_leaf_over_its_ceil_waits(void **state)
{
	struct class *root, *leaf;

	(void)state;
	begin();
	root = add(0, 1, (struct bucket){ MBIT(16), 60 }, (struct bucket){ MBIT(16), 60 });
	leaf = add(1, 0x10, (struct bucket){ MBIT(8), 10 }, (struct bucket){ MBIT(16), 5 });
	assert_int_equal(leave_at_once(leaf, 30), 6);
	assert_lent(leaf, 6, 0);
	assert_lent(root, 0, 0);
	assert_int_equal(wait_ns(), MS(1) / 2);
	take(UINT32_MAX, bed.now + MS(1) / 2 - 1);
	assert_int_equal(bed.taken_count, 0);
	take(UINT32_MAX, bed.now + 1);
	assert_int_equal(bed.taken_count, 1);
	end();
}

/* Three levels: the inner class has 10 packets to lend, and 30 until it is over its ceil. */
struct family {
	struct class *root, *inner, *leaf, *sibling;
};

static struct family
make_family(uint32_t inner_packets, uint32_t inner_ceil_packets)
{
	struct bucket wide = { MBIT(32), 100 }, small = { KBIT(800), 2 };
	struct family f = { .root = add(0, 1, wide, wide) };

	f.inner = add(1, 2, (struct bucket){ MBIT(8), inner_packets }, (struct bucket){ MBIT(32), inner_ceil_packets });
	f.leaf = add(2, 0x10, small, wide);
	f.sibling = add(2, 0x20, small, wide);
	return f;
}

/* "Inner class will lend tokens to children." */
static void
an_inner_class_under_its_rate_lends(void **state)
{
	struct family f;

	(void)state;
	begin();
	f = make_family(10, 90);
	assert_int_equal(leave_at_once(f.leaf, 3 + 8), 11);
	assert_lent(f.leaf, 3, 8);
	assert_lent(f.inner, 8, 0);
	assert_lent(f.root, 0, 0);
	end();
}

/* "Inner class will attempt to borrow tokens from parent class, lending them to competing children." */
static void
an_inner_class_over_its_rate_borrows_for_its_children(void **state)
{
	struct family f;

	(void)state;
	begin();
	f = make_family(10, 90);
	assert_int_equal(leave_at_once(f.leaf, 11 + 20), 31);
	assert_lent(f.leaf, 3, 28);
	assert_lent(f.inner, 8, 20);
	assert_lent(f.root, 20, 0);
	end();
}

/* "Inner class will not attempt to borrow from its parent and will not lend tokens to children classes." */
static void
an_inner_class_over_its_ceil_gives_nothing(void **state)
{
	struct family f;

	(void)state;
	begin();
	f = make_family(10, 30);
	assert_int_equal(leave_at_once(f.leaf, 50), 31);
	assert_lent(f.inner, 8, 20);
	/*
	 * The root class has 69 left, and a child under its own rate sends all the same, at the inner class's expense.
	 */
	assert_int_equal(leave_at_once(f.sibling, 10), 3);
	assert_lent(f.sibling, 3, 0);
	assert_lent(f.root, 20, 0);
	/* 4 packets over its ceil of 4 a millisecond. */
	assert_int_equal(take_all(bed.now + MS(1) - 1), 0);
	assert_int_equal(take_all(MS(1)), 1);
	end();
}

/*
 * While others have turns, who is due is looked for in whole slots of the wheel (1.024 us); but not when they turn out
 * to have nothing to send and a later prio would be served before him.
 */
static void
who_is_due_comes_before_a_later_prio(void **state)
{
	const struct bucket bucket = { MBIT(8), 2 };
	struct class *first, *second, *busy, *later;

	(void)state;
	begin();
	busy = add(0, 0x10, (struct bucket){ MBIT(8), 60 }, (struct bucket){ MBIT(8), 60 });
	first = add(0, 0x20, bucket, bucket);
	second = add(0, 0x30, bucket, bucket);
	later = add_class(0, CLASSID(1, 0x40),
		&(struct htb_class_conf){
			.rate.Bps = MBIT(8), .ceil.Bps = MBIT(8), .burst_ns = MS(60), .cburst_ns = MS(60), .prio = 1 });
	/* Both are over their ceil for a millisecond, and only one has more to send. */
	assert_int_equal(leave_at_once(first, 3), 3);
	bed.now += 10000;
	assert_int_equal(leave_at_once(second, 4), 3);
	offer_packet(packet(BYTES, 0x10, busy->classid, 0));
	offer_packet(packet(BYTES, 0x40, later->classid, 0));
	/* Behind the busy one, the one that has nothing comes to the row, and stays there. */
	take(1, MS(1) + 5000);
	assert_int_equal(bed.taken[0].flow, 0x10);
	take(1, MS(1) + 10000);
	assert_int_equal(bed.taken[0].flow, 0x30);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_leaf_under_its_rate_sends),
		cmocka_unit_test(a_leaf_over_its_rate_borrows),
		cmocka_unit_test(a_leaf_over_its_ceil_waits),
		cmocka_unit_test(an_inner_class_under_its_rate_lends),
		cmocka_unit_test(an_inner_class_over_its_rate_borrows_for_its_children),
		cmocka_unit_test(an_inner_class_over_its_ceil_gives_nothing),
		cmocka_unit_test(who_is_due_comes_before_a_later_prio),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
