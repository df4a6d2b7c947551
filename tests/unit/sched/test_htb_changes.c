/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * htb while its classes come, go and change under traffic, and whether leaves keep to their ceils. From seeds, which
 * are printed; SEED=n in the environment plays that one only.
 */
#include <stdlib.h>

#include <weir/qdisc/htb.h>

#include "support.h"

#define SEEDS       40
#define CLASSES     12 /* minors 1 to 12 */
#define FRAME_BYTES 1514
#define NS          1000000000.0

static uint64_t draw_state;

static uint32_t
draw(uint32_t below)
{
	draw_state = draw_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(draw_state >> 33) % below;
}

static struct htb_class_conf
random_class(void)
{
	uint64_t rate = 20000 + draw(2000000);

	return (struct htb_class_conf){ .rate.Bps = rate,
		.ceil.Bps = rate + draw(2) * draw(3000000),
		.burst_ns = draw(3000000),
		.cburst_ns = draw(3000000),
		.prio = draw(8) };
}

static void
play_seeds(void (*play)(void))
{
	const char *only = getenv("SEED");
	unsigned int first = only != NULL ? (unsigned int)strtoul(only, NULL, 10) : 1;

	for (unsigned int seed = first; seed < first + (only != NULL ? 1 : SEEDS); seed++) {
		print_message("seed %u\n", seed);
		draw_state = seed * UINT64_C(0x9e3779b97f4a7c15);
		bed_make();
		play();
		take_all(SCHED_NEVER - 1);
		assert_int_equal(sched_backlog(bed.tree), 0);
		assert_nothing_lost();
		bed_end();
	}
}

/* ---- classes that come and go: whatever is asked for is done or refused, and nothing is lost by it */

static void
add_or_change(struct qdisc *q, uint32_t classid)
{
	struct htb_class_conf conf = random_class();
	struct class_spec spec = { .classid = classid, .conf = &conf };
	struct class *c = sched_class_find(q, classid);
	struct error err = { 0 };

	if (c != NULL) {
		sched_class_change(c, &spec, &err);
		return;
	}
	/* Under the qdisc, or under a class that may be missing or too deep. */
	spec.parentid = q->handle | (draw(3) == 0 ? 0 : 1 + draw(CLASSES));
	sched_class_add(q, &spec, NULL, &err);
}

static void
graft(uint32_t classid)
{
	static const char *const kinds[] = { "pfifo", "prio", "sfq", "pfifo_fast" };
	struct qdisc_spec spec = { .parent = classid, .kind = kinds[draw(RTE_DIM(kinds))] };
	struct error err = { 0 };

	sched_qdisc_add(bed.tree, &spec, NULL, &err);
}

static void
offer_random(void)
{
	for (unsigned int n = draw(30); n != 0; n--) {
		uint32_t priority = draw(4) != 0 ? CLASSID(1, draw(CLASSES + 2)) : draw(16);

		offer_packet(packet(64 + draw(FRAME_BYTES - 63), draw(40), priority, 0));
	}
}

static void
step(struct qdisc *q)
{
	uint32_t classid = q->handle | (1 + draw(CLASSES));
	struct class *c = sched_class_find(q, classid);
	struct error err = { 0 };

	switch (draw(6)) {
	case 0:
		add_or_change(q, classid);
		break;
	case 1:
		if (c != NULL && draw(2) != 0)
			sched_class_delete(c, &err);
		break;
	case 2:
		graft(classid);
		break;
	case 3:
	case 4:
		offer_random();
		break;
	default:
		bed.now += draw(5000000);
		take_more(draw(2) != 0 ? UINT32_MAX : draw(10));
	}
}

static int
add_backlog(void *arg, struct class *c)
{
	struct sched_stats *sum = arg;

	if (c->leaf != NULL) {
		sum->backlog_pkts += c->leaf->backlog_pkts;
		sum->backlog_bytes += c->leaf->backlog_bytes;
	}
	return 0;
}

static void
play_changes(void)
{
	struct htb_conf conf = { .version = 3, .rate2quantum = 10, .defcls = 3, .has_direct_qlen = true };
	struct qdisc *q = make_qdisc("htb", &conf);

	for (unsigned int i = 0; i < 2000; i++) {
		struct sched_stats sum = { 0 };
		uint64_t next;

		step(q);
		assert_nothing_lost();
		/* The direct queue takes nothing new: its limit is 0. What a change moved there is the difference. */
		sched_class_walk(q, add_backlog, &sum);
		assert_true(sum.backlog_pkts <= q->backlog_pkts && sum.backlog_bytes <= q->backlog_bytes);
		next = sched_next_event(bed.tree, bed.now);
		assert_true(q->backlog_pkts == 0 ? next == SCHED_NEVER : next >= bed.now && next != SCHED_NEVER);
		bed.taken_count = 0;
	}
}

static void
classes_come_and_go_under_traffic(void **state)
{
	play_seeds(play_changes);
}

/* ---- ceils: over any time t no more than ceil * t + cburst, and a frame */

#define LEAVES 6

/* A leaky meter: bytes that have left and have not run out at the ceil. */
struct meter {
	double ceil, depth, level;
	uint64_t at;
};

static struct meter meters[LEAVES];

static void
meter(const struct taken *taken)
{
	struct meter *m = &meters[TC_H_MIN(taken->priority) - 11];

	m->level -= (double)(bed.now - m->at) * m->ceil / NS;
	m->level = (m->level < 0 ? 0 : m->level) + taken->bytes;
	m->at = bed.now;
	if (m->level > m->depth + FRAME_BYTES + 1)
		fail_msg("class %x is %.0f bytes over its ceil", taken->priority, m->level - m->depth);
}

static void
make_random_tree(void)
{
	struct htb_conf conf = { .version = 3, .rate2quantum = 10, .defcls = 11 };
	uint32_t inner = 1 + draw(4);

	make_qdisc("htb", &conf);
	for (uint32_t minor = 1; minor <= inner; minor++) {
		struct htb_class_conf class = random_class();

		add_class(CLASSID(1, minor == 1 ? 0 : 1 + draw(minor - 1)), CLASSID(1, minor), &class);
	}
	for (uint32_t leaf = 0; leaf < LEAVES; leaf++) {
		struct htb_class_conf class = random_class();
		double cburst_ns = (double)RTE_MAX(class.cburst_ns, UINT64_C(1000000));
		double ceil = (double)class.ceil.Bps;

		add_class(CLASSID(1, draw(inner + 1)), CLASSID(1, 11 + leaf), &class);
		meters[leaf] = (struct meter){ .ceil = ceil, .depth = RTE_MAX(cburst_ns * ceil / NS, FRAME_BYTES) };
		if (draw(2) != 0)
			add_qdisc(CLASSID(1, 11 + leaf), (100 + leaf) << 16, draw(2) != 0 ? "sfq" : "prio", NULL);
	}
}

static void
play_ceils(void)
{
	make_random_tree();
	for (unsigned int i = 0; i < 2000; i++) {
		uint64_t next = sched_next_event(bed.tree, bed.now);

		bed.now += draw(1500000);
		if (next != SCHED_NEVER && draw(3) != 0 && next < bed.now + 3000000)
			bed.now = RTE_MAX(bed.now, next);
		for (unsigned int n = draw(6); n != 0; n--)
			offer_packet(packet(64 + draw(FRAME_BYTES - 63), draw(40), CLASSID(1, 11 + draw(LEAVES)), 0));
		bed.taken_count = 0;
		take_more(UINT32_MAX);
		for (uint32_t k = 0; k < bed.taken_count; k++)
			meter(&bed.taken[k]);
		/* All that may leave has left. */
		assert_true(sched_next_event(bed.tree, bed.now) > bed.now);
	}
}

static void
no_leaf_is_above_its_ceil(void **state)
{
	play_seeds(play_ceils);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classes_come_and_go_under_traffic),
		cmocka_unit_test(no_leaf_is_above_its_ceil),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
