/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cbq's link-sharing against Floyd and Van Jacobson 1995: the formal guidelines, packet by packet, by walking over all
 * classes; and two agencies that share a link, each with interactive and file transfer traffic, as the paper's figures
 * have it.
 */
#include <stdlib.h>

#include "support_cbq.h"

#include "cbq.h"

#define LINK MBIT(10)

/* ---- the formal guidelines */

#define CLASSES 14
#define SEEDS   40
#define STEPS   3000

static uint64_t draw_state;

static uint32_t
draw(uint32_t below)
{
	draw_state = draw_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(draw_state >> 33) % below;
}

static struct class *
class_of(uint32_t minor)
{
	return sched_class_find(sched_root(bed.tree), CLASSID(1, minor));
}

static struct class *
parent_of(const struct class *c)
{
	return c->parent != NULL ? c->parent : class_of(0);
}

static unsigned int
level_of(const struct class *c)
{
	return ((const struct cbq_class *)class_priv(c))->level;
}

static bool
over_limit(const struct class *c)
{
	return ((const struct cbq_class *)class_priv(c))->until_ns > bed.now;
}

/*
 * The level of the lowest class at whose expense c may send: itself, or an ancestor that is not over its limit, as far
 * as nobody on the way is bounded; the root always is one. CBQ_LEVELS: there is none.
 */
static unsigned int
lenders_level(const struct class *c)
{
	for (;; c = parent_of(c)) {
		if (c == class_of(0) || !over_limit(c))
			return level_of(c);
		if (((const struct cbq_more *)c->more)->conf.bounded)
			return CBQ_LEVELS;
	}
}

/*
 * "A class can continue unregulated if it is not overlimit, or if it has a not-overlimit ancestor at level i and there
 * are no unsatisfied classes at levels lower than i": where somebody waits whom a class at a lower level could serve,
 * that class is unsatisfied. Of those that may send, the first prio does.
 */
static void
who_may_send(unsigned int *level, unsigned int *prio)
{
	*level = CBQ_LEVELS;
	*prio = CBQ_PRIOS;
	for (uint32_t minor = 0; minor <= CLASSES; minor++) {
		const struct class *c = class_of(minor);
		unsigned int at, own_prio;

		if (c == NULL || c->leaf->backlog_pkts == 0)
			continue;
		at = lenders_level(c);
		own_prio = ((const struct cbq_more *)c->more)->conf.prio;
		if (at < *level || (at == *level && own_prio < *prio)) {
			*level = at;
			*prio = own_prio;
		}
	}
}

static void
add_random_classes(void)
{
	uint64_t rates[CLASSES + 1] = { LINK };

	for (uint32_t minor = 1; minor <= CLASSES; minor++) {
		uint32_t parent = draw(3) == 0 ? 0 : draw(minor);
		struct cbq_conf conf;

		rates[minor] = rates[parent] / (1 + draw(4));
		if (rates[minor] < 1000)
			rates[minor] = 1000;
		conf = cbq_class(rates[minor], (uint8_t)(1 + draw(8)), 1 + draw(100000));
		conf.bounded = draw(3) == 0;
		conf.ewma_log = (uint8_t)(1 + draw(6));
		conf.given |= CBQ_MAXIDLE;
		conf.maxidle_ns = draw(20000000);
		add_cbq_class(parent, minor, conf);
	}
}

static void
take_one_by_the_guidelines(void)
{
	unsigned int level, prio, sent_level;
	const struct class *sender;
	uint32_t backlog[CLASSES + 1];

	bed.taken_count = 0;
	who_may_send(&level, &prio);
	for (uint32_t minor = 0; minor <= CLASSES; minor++)
		backlog[minor] = lenders_level(class_of(minor));
	if (take_more(1) == 0) {
		assert_int_equal(level, CBQ_LEVELS); /* work is conserved */
		assert_true(sched_next_event(bed.tree, bed.now) > bed.now);
		return;
	}
	sender = class_of(bed.taken[0].flow);
	sent_level = backlog[bed.taken[0].flow];
	if (sent_level != level || ((const struct cbq_more *)sender->more)->conf.prio != prio)
		fail_msg("1:%x sent at level %u, prio %u; it was the turn of level %u, prio %u", bed.taken[0].flow,
			sent_level, ((const struct cbq_more *)sender->more)->conf.prio, level, prio);
}

static void
play(unsigned int seed)
{
	print_message("seed %u\n", seed);
	draw_state = seed * UINT64_C(0x9e3779b97f4a7c15);
	bed_make();
	make_cbq(LINK);
	add_random_classes();
	for (unsigned int i = 0; i < STEPS; i++) {
		uint64_t next;

		switch (draw(8)) {
		case 0:
		case 1:
		case 2: {
			uint32_t minor = draw(CLASSES + 1);

			for (unsigned int n = draw(4); n > 0; n--)
				offer_packet(packet(64 + draw(1451), minor, CLASSID(1, minor), 0));
			break;
		}
		case 3:
			bed.now += draw(3000000);
			break;
		case 4:
			next = sched_next_event(bed.tree, bed.now);
			bed.now = next == SCHED_NEVER ? bed.now : next;
			break;
		default:
			take_one_by_the_guidelines();
			bed.now += draw(4) == 0 ? 0 : draw(2000000);
		}
	}
	bed_end();
}

static void
follows_the_formal_guidelines(void **state)
{
	const char *only = getenv("SEED");

	if (only != NULL) {
		play((unsigned int)strtoul(only, NULL, 10));
		return;
	}
	for (unsigned int seed = 1; seed <= SEEDS; seed++)
		play(seed);
}

/* ---- two agencies */

enum { A = 1, A_INTERACTIVE, A_FTP, B, B_INTERACTIVE, B_FTP };

/* Agency A has 6 mbit of the link's 10, B has 4; of these, interactive traffic has 4 and 3, and goes first. */
static void
make_agencies(bool bounded_agencies, bool isolated_ftp)
{
	struct cbq_conf a = cbq_class(MBIT(6), 5, 6000), b = cbq_class(MBIT(4), 5, 4000);
	struct cbq_conf ftp = cbq_class(MBIT(2), 5, 2000);

	a.bounded = b.bounded = bounded_agencies;
	ftp.isolated = isolated_ftp;
	bed_make();
	make_cbq(LINK);
	add_cbq_class(0, A, a);
	add_cbq_class(A, A_INTERACTIVE, cbq_class(MBIT(4), 1, 4000));
	add_cbq_class(A, A_FTP, ftp);
	add_cbq_class(0, B, b);
	add_cbq_class(B, B_INTERACTIVE, cbq_class(MBIT(3), 1, 3000));
	add_cbq_class(B, B_FTP, cbq_class(MBIT(1), 5, 1000));
}

/* With these backlogged all the time, each gets so many mbit. */
static void
expect(const uint32_t *minors, unsigned int n, const double *mbits, uint64_t link_Bps)
{
	run_backlogged(minors, n, 1000, link_Bps, SECONDS(2));
	run_backlogged(minors, n, 1000, link_Bps, SECONDS(10));
	for (unsigned int i = 0; i < n; i++) {
		double is =
			(double)bytes_of(minors[i], 0, UINT64_MAX) * 8 / (double)(bed.now - bed.taken[0].time_ns) * 1e3;

		if (fabs(is - mbits[i]) > mbits[i] / 100)
			fail_msg("class 1:%x has %g mbit instead of %g", minors[i], is, mbits[i]);
	}
}

static void
each_has_its_own_when_all_are_busy(void **state)
{
	make_agencies(false, false);
	expect((uint32_t[]){ A_INTERACTIVE, A_FTP, B_INTERACTIVE, B_FTP }, 4, (double[]){ 4, 2, 3, 1 }, LINK);
	bed_end();
}

/* Figure: a sibling takes what a class leaves, and the other agency has no part of it. */
static void
what_one_leaves_stays_in_the_agency(void **state)
{
	make_agencies(false, false);
	expect((uint32_t[]){ A_FTP, B_INTERACTIVE, B_FTP }, 3, (double[]){ 6, 3, 1 }, LINK);
	bed_end();
	make_agencies(false, false);
	expect((uint32_t[]){ A_INTERACTIVE, A_FTP, B_FTP }, 3, (double[]){ 4, 2, 4 }, LINK);
	bed_end();
}

/* An agency that is idle leaves all to the other: interactive traffic first, as the link lends by prio. */
static void
what_an_agency_leaves_goes_to_the_other(void **state)
{
	make_agencies(false, false);
	expect((uint32_t[]){ B_INTERACTIVE, B_FTP }, 2, (double[]){ 9, 1 }, LINK);
	bed_end();
	/* By weight between equals: B's own 4 and 6 that the link lends. */
	make_agencies(false, false);
	expect((uint32_t[]){ B_FTP }, 1, (double[]){ 10 }, LINK);
	bed_end();
}

static void
a_bounded_agency_takes_nothing_from_the_other(void **state)
{
	make_agencies(true, false);
	expect((uint32_t[]){ B_FTP }, 1, (double[]){ 4 }, LINK);
	bed_end();
	make_agencies(true, false);
	expect((uint32_t[]){ A_FTP, B_INTERACTIVE }, 2, (double[]){ 6, 4 }, 0);
	bed_end();
}

/* Inside a bounded agency nobody uses what an isolated class leaves. */
static void
an_isolated_class_lends_nothing(void **state)
{
	make_agencies(true, true);
	expect((uint32_t[]){ A_INTERACTIVE }, 1, (double[]){ 4 }, LINK);
	bed_end();
	make_agencies(true, false);
	expect((uint32_t[]){ A_INTERACTIVE }, 1, (double[]){ 6 }, LINK);
	bed_end();
	/* It has its own, and may borrow: but there is nothing left. */
	make_agencies(true, true);
	expect((uint32_t[]){ A_INTERACTIVE, A_FTP }, 2, (double[]){ 4, 2 }, LINK);
	bed_end();
}

/* An interactive class under its limit does not wait for file transfers that borrow. */
static void
under_its_limit_a_class_does_not_wait(void **state)
{
	uint64_t worst = 0;

	make_agencies(false, false);
	for (unsigned int i = 0; i < 5000; i++) {
		uint64_t came = bed.now;

		if (i % 10 == 0)
			offer_packet(packet(100, A_INTERACTIVE, CLASSID(1, A_INTERACTIVE), 0));
		fill(A_FTP, 1500, 4);
		fill(B_FTP, 1500, 4);
		bed.taken_count = 0;
		assert_int_equal(take_more(1), 1);
		if (i % 10 == 0)
			assert_int_equal(bed.taken[0].flow, A_INTERACTIVE);
		worst = RTE_MAX(worst, bed.now - came);
		bed.now += bed.taken[0].bytes * UINT64_C(1000000000) / LINK;
	}
	assert_int_equal(worst, 0);
	bed_end();
}

/* The link is not as fast as was said, or faster: an unbounded class has what there is, as on Linux. */
static void
the_link_always_lends(void **state)
{
	make_agencies(false, false);
	expect((uint32_t[]){ A_FTP }, 1, (double[]){ 20 }, MBIT(20));
	bed_end();
	make_agencies(false, false);
	expect((uint32_t[]){ A_FTP }, 1, (double[]){ 5 }, MBIT(5));
	bed_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_the_formal_guidelines),
		cmocka_unit_test(each_has_its_own_when_all_are_busy),
		cmocka_unit_test(what_one_leaves_stays_in_the_agency),
		cmocka_unit_test(what_an_agency_leaves_goes_to_the_other),
		cmocka_unit_test(a_bounded_agency_takes_nothing_from_the_other),
		cmocka_unit_test(an_isolated_class_lends_nothing),
		cmocka_unit_test(under_its_limit_a_class_does_not_wait),
		cmocka_unit_test(the_link_always_lends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
