/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * htb while its classes come, go and change under traffic, and whether classes keep to their ceils. From seeds, which
 * are printed; SEED=n in the environment plays that one only.
 */
#include <weir/qdisc/htb.h>

#include "seeds.h"
#include "support.h"

#define SEEDS       40
#define CLASSES     12 /* minors 1 to 12 */
#define FRAME_BYTES 1514
#define NS          1000000000.0

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
end_and_lose_nothing(void)
{
	take_all(SCHED_NEVER - 1);
	assert_int_equal(sched_backlog(bed.tree), 0);
	assert_nothing_lost();
	bed_end();
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
	struct qdisc *q;

	bed_make();
	q = make_qdisc("htb", &conf);

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
	end_and_lose_nothing();
}

static void
classes_come_and_go_under_traffic(void **state)
{
	play_seeds(SEEDS, play_changes);
}

/* ---- ceils: over any time t no more than ceil * t + cburst, and a frame */

#define LEAVES    6
#define INNER_MAX 4
#define ALL       (INNER_MAX + LEAVES)

/* A class, inner ones first, and a leaky meter: bytes that have left and have not run out at the ceil. */
struct meter {
	struct meter *parent; /* NULL: a root class */
	struct htb_class_conf conf;
	double rate, ceil, depth; /* bytes a second, bytes */
	double assured, slack; /* what may be sent below it though it is over its ceil: bytes a second, bytes at once */
	double level;
	uint64_t at;
};

static struct meter meters[ALL];

/* An inner class lends nothing while it is over its ceil, but those below it still send at their own rates. */
static bool
must_hold(const struct meter *m)
{
	return m->ceil >= m->assured;
}

static void
meter(const struct taken *taken)
{
	for (struct meter *m = &meters[TC_H_MIN(taken->priority) - 1]; m != NULL; m = m->parent) {
		m->level -= (double)(bed.now - m->at) * m->ceil / NS;
		m->level = (m->level < 0 ? 0 : m->level) + taken->bytes;
		m->at = bed.now;
		if (must_hold(m) && m->level > m->depth + m->slack + FRAME_BYTES + 1)
			fail_msg("class %x is %.0f bytes over its ceil", (unsigned int)(m - meters + 1),
				m->level - m->depth);
	}
}

static double
bucket(uint64_t burst_ns, double Bps)
{
	double used_ns = (double)RTE_MAX(burst_ns, MS(1));

	return RTE_MAX(used_ns * Bps / NS, (double)FRAME_BYTES);
}

/* Below one of the first `inner` classes, or of the root qdisc. */
static void
add_random_class(unsigned int i, unsigned int inner)
{
	unsigned int above = draw(inner + 1);
	struct meter *m = &meters[i];

	*m = (struct meter){ .conf = random_class(), .parent = above == 0 ? NULL : &meters[above - 1] };
	/* Small ones, so that those above them have a ceil that all their rates fit in. */
	if (i >= INNER_MAX && draw(3) != 0) {
		m->conf.rate.Bps = 1000 + draw(50000);
		m->conf.ceil.Bps += m->conf.rate.Bps;
	}
	m->rate = (double)m->conf.rate.Bps;
	m->ceil = (double)m->conf.ceil.Bps;
	m->depth = bucket(m->conf.cburst_ns, m->ceil);
	add_class(CLASSID(1, above), CLASSID(1, i + 1), &m->conf);
}

static void
make_random_tree(void)
{
	struct htb_conf conf = { .version = 3, .rate2quantum = 10, .defcls = INNER_MAX + 1 };
	unsigned int inner = 1 + draw(INNER_MAX);

	make_qdisc("htb", &conf);
	for (unsigned int i = 0; i < inner; i++)
		add_random_class(i, i);
	for (unsigned int i = INNER_MAX; i < ALL; i++) {
		add_random_class(i, inner);
		if (draw(2) != 0)
			add_qdisc(CLASSID(1, i + 1), (100 + i) << 16, draw(2) != 0 ? "sfq" : "prio", NULL);
	}
	/* Classes stand behind those above them. */
	for (unsigned int i = ALL; i-- != 0;) {
		struct meter *m = &meters[i];

		if (m->parent == NULL || (i >= inner && i < INNER_MAX))
			continue;
		m->parent->assured += RTE_MAX(m->rate, m->assured);
		m->parent->slack += m->slack + bucket(m->conf.burst_ns, m->rate) + FRAME_BYTES;
	}
}

static void
play_ceils(void)
{
	bed_make();
	make_random_tree();
	for (unsigned int i = 0; i < 2000; i++) {
		uint64_t next = sched_next_event(bed.tree, bed.now);

		bed.now += draw(1500000);
		if (next != SCHED_NEVER && draw(3) != 0 && next < bed.now + 3000000)
			bed.now = RTE_MAX(bed.now, next);
		for (unsigned int n = draw(6); n != 0; n--)
			offer_packet(packet(
				64 + draw(FRAME_BYTES - 63), draw(40), CLASSID(1, INNER_MAX + 1 + draw(LEAVES)), 0));
		bed.taken_count = 0;
		take_more(UINT32_MAX);
		for (uint32_t k = 0; k < bed.taken_count; k++)
			meter(&bed.taken[k]);
		/* All that may leave has left. */
		assert_true(sched_next_event(bed.tree, bed.now) > bed.now);
	}
	end_and_lose_nothing();
}

static void
no_class_is_above_its_ceil(void **state)
{
	play_seeds(SEEDS, play_ceils);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classes_come_and_go_under_traffic),
		cmocka_unit_test(no_class_is_above_its_ceil),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
