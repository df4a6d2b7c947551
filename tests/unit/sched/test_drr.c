/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * drr: its rounds as in Shreedhar and Varghese 1995, their bound of unfairness, filters, classes whose qdisc waits, and
 * changes under load.
 */
#include "support.h"

#include <weir/qdisc/drr.h>
#include <weir/qdisc/fifo.h>
#include <weir/qdisc/tbf.h>

#define CLASSES     12
#define LARGEST     1514
#define QUEUE_LIMIT BED_BUFFERS

static uint64_t draw_state;

static uint32_t
draw(uint32_t below)
{
	draw_state = draw_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(draw_state >> 33) % below;
}

static struct class *
add_drr_class(uint32_t minor, uint32_t quantum)
{
	return add_class(0, CLASSID(1, minor), &(struct drr_class_conf){ .quantum = quantum, .has_quantum = true });
}

static struct qdisc *
make_drr(void)
{
	bed_make();
	sched_set_tx_queue_len(bed.tree, QUEUE_LIMIT);
	return make_qdisc("drr", NULL);
}

/* To class 1:minor, whose number is its flow. */
static uint16_t
offer_to(uint32_t minor, uint32_t bytes)
{
	return offer_packet(packet(bytes, minor, CLASSID(1, minor), 0));
}

static uint32_t
deficit_of(const struct class *c)
{
	struct drr_class_xstats xstats;

	c->qdisc->ops->classes->get_xstats(c, &xstats);
	return xstats.deficit;
}

/* ---- rounds and shares */

/* The paper's figures 2 and 3: quanta of 500; the first queue holds 200, 750, 20 and so on. */
static void
serves_as_in_the_papers_figures(void **state)
{
	static const uint32_t queues[4][4] = { { 200, 750, 20 }, { 500, 500 }, { 100, 200, 600 }, { 50, 700, 180 } };

	(void)state;
	make_drr();
	for (uint32_t i = 0; i < 4; i++)
		add_drr_class(1 + i, 500);
	for (uint32_t i = 0; i < 4; i++) {
		for (uint32_t k = 0; k < 4 && queues[i][k] != 0; k++)
			offer_to(1 + i, RTE_MAX(queues[i][k], 64u)); /* 20 and 50 bytes are no frames */
	}
	/*
	 * Round 1: 200 | 500 | 100 200 | 64. Round 2: 750 of 800 | 500 | 600 of 700 | 700 180 of 936. Round 3: the
	 * rest.
	 */
	take_all(0);
	assert_order(0, 3, 5, 6, 8, 1, 4, 7, 9, 10, 2);
	bed_end();
}

/*
 * The paper's measure of fairness: over any time in which two flows are busy, what they have sent, each divided by its
 * share, differs by at most 2 Max + Quantum, Max being the largest packet; here divided by the quantum.
 */
static void
is_as_fair_as_the_paper_says(void **state)
{
	double ahead_most[CLASSES][CLASSES] = { 0 }, ahead_least[CLASSES][CLASSES] = { 0 }, widest = 0;
	uint64_t sent[CLASSES] = { 0 };
	uint32_t quanta[CLASSES];

	(void)state;
	draw_state = 5;
	make_drr();
	for (uint32_t i = 0; i < CLASSES; i++) {
		quanta[i] = i < 4 ? LARGEST : i < 8 ? 3000 : LARGEST + draw(6000);
		add_drr_class(1 + i, quanta[i]);
	}
	/* Few enough go that nobody runs out. */
	for (uint32_t i = 0; i < 30000; i++)
		offer_to(1 + i % CLASSES, i % 2 != 0 ? 64 + draw(100) : 64 + draw(LARGEST - 63));
	for (uint32_t step = 0; step < 4000; step++) {
		bed.taken_count = 0;
		take_more(1 + draw(3));
		for (uint32_t k = 0; k < bed.taken_count; k++)
			sent[bed.taken[k].flow - 1] += bed.taken[k].bytes;
		for (uint32_t i = 0; i < CLASSES; i++) {
			for (uint32_t j = 0; j < i; j++) {
				double ahead = (double)sent[i] / quanta[i] - (double)sent[j] / quanta[j];
				double bound = 1 + (double)LARGEST / quanta[i] + (double)LARGEST / quanta[j];

				ahead_most[i][j] = RTE_MAX(ahead_most[i][j], ahead);
				ahead_least[i][j] = RTE_MIN(ahead_least[i][j], ahead);
				assert_true(ahead_most[i][j] - ahead_least[i][j] <= bound);
				widest = RTE_MAX(widest, (ahead_most[i][j] - ahead_least[i][j]) / bound);
			}
		}
	}
	assert_true(widest > 0.5); /* the bound is not far from what happens */
	take_all(0);
	bed_end();
}

/* A quantum of a byte takes a thousand rounds a packet, which are not played one by one. */
static void
tiny_quanta_share_all_the_same(void **state)
{
	uint32_t sent[4] = { 0 };

	(void)state;
	make_drr();
	add_drr_class(1, 1);
	add_drr_class(2, 2);
	add_drr_class(3, 3);
	for (uint32_t i = 0; i < 3000; i++)
		offer_to(1 + i % 3, 1000);
	for (uint32_t i = 0; i < 1200; i++) {
		take(1, 0);
		sent[bed.taken[0].flow]++;
	}
	for (uint32_t i = 1; i <= 3; i++)
		assert_in_range(sent[i], 200 * i - 2, 200 * i + 2);
	take_all(0);
	bed_end();
}

/* ---- each round played */

#define PLAYED       5
#define PLAYED_QUEUE 4096

static struct played {
	uint32_t quantum, deficit;
	uint32_t bytes[PLAYED_QUEUE];
	uint32_t first, count;
} played[PLAYED];
static uint32_t ring[PLAYED], in_ring; /* ring[0]: whose turn it is */

static void
played_comes(uint32_t i, uint32_t bytes)
{
	struct played *p = &played[i];

	p->bytes[(p->first + p->count) % PLAYED_QUEUE] = bytes;
	if (p->count++ == 0) {
		p->deficit = p->quantum;
		ring[in_ring++] = i;
	}
}

/* The next to send; *bytes: its packet. */
static uint32_t
played_next(uint32_t *bytes)
{
	for (;;) {
		uint32_t i = ring[0];
		struct played *p = &played[i];
		bool fits = p->deficit >= p->bytes[p->first];

		if (fits) {
			*bytes = p->bytes[p->first];
			p->deficit -= *bytes;
			p->first = (p->first + 1) % PLAYED_QUEUE;
			p->count--;
		} else {
			p->deficit += p->quantum;
		}
		if (!fits || p->count == 0) {
			memmove(ring, ring + 1, (in_ring - 1) * sizeof(ring[0]));
			if (p->count == 0)
				in_ring--;
			else
				ring[in_ring - 1] = i;
		}
		if (fits)
			return i;
	}
}

/* Many rounds at once are as each of them played: packet by packet, also while others come. */
static void
rounds_given_at_once_are_as_if_played(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 30; seed++) {
		draw_state = seed;
		in_ring = 0;
		memset(played, 0, sizeof(played));
		make_drr();
		for (uint32_t i = 0; i < PLAYED; i++) {
			played[i].quantum = 1 + draw(i % 2 == 0 ? 4 : 300);
			add_drr_class(1 + i, played[i].quantum);
		}
		for (uint32_t step = 0; step < 2000; step++) {
			uint32_t i = draw(PLAYED), bytes = 64 + draw(LARGEST - 64), flow;

			if (step % 400 < 250 || in_ring == 0) {
				assert_int_equal(offer_to(1 + i, bytes), 1);
				played_comes(i, bytes);
			}
			if (draw(3) == 0)
				continue;
			flow = 1 + played_next(&bytes);
			take(1, 0);
			if (bed.taken[0].flow != flow || bed.taken[0].bytes != bytes)
				fail_msg("seed %lu, step %u: class %u sends %u bytes instead of %u %u", seed, step,
					bed.taken[0].flow, bed.taken[0].bytes, flow, bytes);
		}
		take_all(0);
		bed_end();
	}
}

static void
one_that_comes_back_starts_with_a_quantum(void **state)
{
	struct class *c;

	(void)state;
	make_drr();
	c = add_drr_class(1, 3000);
	add_drr_class(2, 3000);
	offer_to(1, 1000);
	assert_int_equal(deficit_of(c), 3000);
	offer_to(1, 1000);
	take(1, 0);
	assert_int_equal(deficit_of(c), 2000);
	take(1, 0);
	assert_int_equal(deficit_of(c), 0); /* empty: what was left is gone */
	for (uint32_t i = 0; i < 4; i++)
		offer_to(2, 1000); /* ids 2 to 5 */
	for (uint32_t i = 0; i < 4; i++)
		offer_to(1, 1000); /* 6 to 9 */
	take_all(0);
	assert_order(2, 3, 4, 6, 7, 8, 5, 9);
	bed_end();
}

/* ---- who goes where */

static void
filters_decide_and_the_rest_is_dropped(void **state)
{
	struct qdisc *q = make_drr();
	struct class *one = add_drr_class(1, 1500), *two = add_drr_class(2, 1500);
	struct error err = { 0 };

	(void)state;
	add_fw(CLASSID(1, 0), 1, CLASSID(1, 1));
	add_fw(CLASSID(1, 0), 2, CLASSID(1, 2));
	add_fw(CLASSID(1, 0), 3, CLASSID(1, 9)); /* no such class */
	add_fw(CLASSID(1, 0), 4, CLASSID(2, 1)); /* another qdisc's */
	for (uint32_t mark = 0; mark < 6; mark++)
		offer_packet(packet(100, 1, 0, mark));
	assert_int_equal(one->leaf->backlog_pkts, 1);
	assert_int_equal(two->leaf->backlog_pkts, 1);
	assert_int_equal(q->drops[DROP_UNCLASSIFIED], 4);
	/* A priority that names a class comes first. */
	offer_packet(packet(100, 1, CLASSID(1, 2), 1));
	assert_int_equal(two->leaf->backlog_pkts, 2);
	assert_int_equal(sched_class_delete(one, &err), -EBUSY);
	assert_null(sched_chain(bed.tree, CLASSID(1, 1), &err));
	take_all(0);
	bed_end();
}

/* ---- what waits by itself */

/* Two shapers and a FIFO under it: the link is never idle while one of them may send, nor is it asked in vain. */
static void
classes_that_wait_do_not_hold_up_the_others(void **state)
{
	struct tbf_conf slow = { .rate.Bps = MBIT(1), .burst_bytes = 1600, .limit_bytes = 1 << 24 };
	struct tbf_conf slower = { .rate.Bps = KBIT(500), .burst_bytes = 1600, .limit_bytes = 1 << 24 };
	uint32_t sent[4] = { 0 };

	(void)state;
	make_drr();
	for (uint32_t i = 1; i <= 3; i++)
		add_drr_class(i, 1500);
	add_qdisc(CLASSID(1, 1), 0x100000, "tbf", &slow);
	add_qdisc(CLASSID(1, 2), 0x110000, "tbf", &slower);
	for (uint32_t i = 0; i < 600; i++)
		offer_to(1 + i % 2, 1000);
	/* Both buckets are full: 1600 bytes. */
	take_all(SECONDS(1));
	for (uint32_t i = 0; i < bed.taken_count; i++)
		sent[bed.taken[i].flow]++;
	assert_in_range(sent[1], 125, 127);
	assert_in_range(sent[2], 63, 65);
	/* A packet that is ready at once goes at once, whatever the others wait for. */
	offer_to(3, 1000);
	assert_int_equal(sched_next_event(bed.tree, bed.now), bed.now);
	take(9, bed.now);
	assert_int_equal(bed.taken_count, 1);
	assert_int_equal(bed.taken[0].flow, 3);
	assert_true(sched_next_event(bed.tree, bed.now) > bed.now);
	/* A shaper that goes takes the reason to wait with it. */
	delete_qdisc(sched_qdisc_find(bed.tree, 0x110000));
	assert_int_equal(sched_next_event(bed.tree, bed.now), bed.now);
	take(1000, bed.now);
	assert_true(bed.taken_count >= 300 - 65);
	take_all(SECONDS(10));
	bed_end();
}

/* ---- changes */

static void
classes_come_and_go_under_load(void **state)
{
	struct fifo_conf fifo = { .limit = 1000 };
	struct drr_class_conf zero = { .has_quantum = true }, nothing = { 0 },
			      more = { .has_quantum = true, .quantum = 5000 };
	struct class_spec bad = { .classid = CLASSID(1, 1), .conf = &zero };
	struct class *one;
	struct drr_class_conf now;

	(void)state;
	make_drr();
	one = add_drr_class(1, 1500);
	add_class(0, CLASSID(1, 2), &nothing);
	one->qdisc->ops->classes->get_conf(sched_class_find(one->qdisc, CLASSID(1, 2)), &now);
	assert_int_equal(now.quantum, 1514);
	for (uint32_t i = 0; i < 20; i++)
		offer_to(1 + i % 2, 500);
	assert_int_equal(sched_class_change(one, &bad, NULL), -EINVAL);
	bad = (struct class_spec){ .parentid = CLASSID(1, 1), .classid = CLASSID(1, 3), .conf = &nothing };
	assert_int_equal(sched_class_add(one->qdisc, &bad, NULL, NULL), -EINVAL);
	bad = (struct class_spec){ .classid = CLASSID(1, 3), .conf = &zero };
	assert_int_equal(sched_class_add(one->qdisc, &bad, NULL, NULL), -EINVAL);
	change_class(one, &more);
	change_class(one, &nothing);
	one->qdisc->ops->classes->get_conf(one, &now);
	assert_int_equal(now.quantum, 5000);
	add_qdisc(CLASSID(1, 1), 0x100000, "sfq", NULL);
	assert_int_equal(sched_backlog(bed.tree), 20);
	assert_int_equal(take(4, 0), 4);
	/* What is in a class that goes has nowhere else to go, as no filter says where. */
	delete_class(sched_class_find(one->qdisc, CLASSID(1, 2)));
	assert_nothing_lost();
	assert_int_equal(sched_root(bed.tree)->drops[DROP_UNCLASSIFIED] + sched_backlog(bed.tree), 16);
	add_qdisc(TC_H_ROOT, 2 << 16, "pfifo", &fifo);
	assert_int_equal(sched_backlog(bed.tree) + bed_dropped(), 16);
	take_all(0);
	bed_end();
}

static void
a_class_keeps_its_counts_when_its_leaf_changes(void **state)
{
	struct sched_stats stats;
	struct class *one;

	(void)state;
	make_drr();
	one = add_drr_class(1, 1500);
	offer_to(1, 1000);
	take_all(0);
	add_qdisc(CLASSID(1, 1), 0x100000, "sfq", NULL);
	offer_to(1, 500);
	take_all(0);
	class_get_stats(one, &stats);
	assert_int_equal(stats.packets, 2);
	assert_int_equal(stats.bytes, 1500);
	bed_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serves_as_in_the_papers_figures),
		cmocka_unit_test(is_as_fair_as_the_paper_says),
		cmocka_unit_test(tiny_quanta_share_all_the_same),
		cmocka_unit_test(rounds_given_at_once_are_as_if_played),
		cmocka_unit_test(one_that_comes_back_starts_with_a_quantum),
		cmocka_unit_test(filters_decide_and_the_rest_is_dropped),
		cmocka_unit_test(classes_that_wait_do_not_hold_up_the_others),
		cmocka_unit_test(classes_come_and_go_under_load),
		cmocka_unit_test(a_class_keeps_its_counts_when_its_leaf_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
