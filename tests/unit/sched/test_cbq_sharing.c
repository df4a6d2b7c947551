/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cbq's link-sharing against Floyd and Van Jacobson 1995: the formal guidelines, packet by packet, by walking over all
 * classes; and two agencies that share a link, each with interactive and file transfer traffic, as the paper's figures
 * have it.
 */
#include <stdlib.h>

#include <weir/qdisc/fifo.h>

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
who_may_by_the_formal_guidelines(unsigned int *level, unsigned int *prio)
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

/* ---- the top-level guidelines */

static bool top_level_kept;
static unsigned int top_level; /* the paper's variable, by its heuristics; CBQ_LEVELS: infinity */

/*
 * "If a packet arrives for a not-overlimit class, Top-Level is set to 1", which is 0 here, "if one arrives for an
 * overlimit class with an underlimit parent at a lower level than Top-Level, to that level". A queue of an inner
 * class's own borrows from it.
 */
static void
arrives(uint32_t minor)
{
	const struct class *c = class_of(minor), *parent = parent_of(c);
	unsigned int level = CBQ_LEVELS;

	if (minor == 0 || !over_limit(c))
		level = level_of(c);
	else if (!((const struct cbq_more *)c->more)->conf.bounded && (parent == class_of(0) || !over_limit(parent)))
		level = level_of(parent);
	top_level = RTE_MIN(top_level, level);
}

/* "After a packet is sent from a class that now has an empty queue or is unable to continue, Top-Level is infinity." */
static void
sends(const struct class *c)
{
	if (c->leaf->backlog_pkts == 0 || lenders_level(c) > top_level)
		top_level = CBQ_LEVELS;
}

/*
 * "A class can continue unregulated if it is not overlimit, or if it has an underlimit ancestor whose level is at most
 * Top-Level." If there is none, who has a lender at all may. Of those, the first prio, and of these the lowest level.
 */
static void
who_may_by_the_top_level_guidelines(unsigned int *level, unsigned int *prio)
{
	for (unsigned int top = top_level;; top = CBQ_LEVELS - 1) {
		*level = CBQ_LEVELS;
		*prio = CBQ_PRIOS;
		for (uint32_t minor = 0; minor <= CLASSES; minor++) {
			const struct class *c = class_of(minor);
			unsigned int at, own_prio;

			if (c == NULL || c->leaf->backlog_pkts == 0)
				continue;
			at = lenders_level(c);
			own_prio = ((const struct cbq_more *)c->more)->conf.prio;
			if (at > top || at == CBQ_LEVELS)
				continue;
			if (own_prio < *prio || (own_prio == *prio && at < *level)) {
				*level = at;
				*prio = own_prio;
			}
		}
		if (*level < CBQ_LEVELS || top >= CBQ_LEVELS - 1)
			return;
	}
}

static void
who_may_send(unsigned int *level, unsigned int *prio)
{
	if (top_level_kept)
		who_may_by_the_top_level_guidelines(level, prio);
	else
		who_may_by_the_formal_guidelines(level, prio);
}

static void
keep_top_level(bool on)
{
	top_level_kept = on;
	top_level = CBQ_LEVELS;
	cbq_set_top_level(on);
}

/* ---- random trees */

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
	sends(sender);
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

			for (unsigned int n = draw(4); n > 0; n--) {
				arrives(minor);
				offer_packet(packet(64 + draw(1451), minor, CLASSID(1, minor), 0));
			}
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
play_all(void)
{
	const char *only = getenv("SEED");

	if (only != NULL) {
		play((unsigned int)strtoul(only, NULL, 10));
		return;
	}
	for (unsigned int seed = 1; seed <= SEEDS; seed++)
		play(seed);
}

static void
follows_the_formal_guidelines(void **state)
{
	play_all();
}

static void
follows_the_top_level_guidelines(void **state)
{
	keep_top_level(true);
	play_all();
	keep_top_level(false);
}

/* ---- bursts */

/*
 * The same traffic, drawn from `seed`, dequeued `at_once` packets a call; what left, and when, is in bed.taken, and
 * what is known of the classes then in `xstats`.
 */
static void
play_in_bursts(unsigned int seed, uint32_t at_once, struct cbq_xstats *xstats)
{
	draw_state = seed * UINT64_C(0x9e3779b97f4a7c15);
	bed_make();
	make_cbq(LINK);
	add_random_classes();
	for (unsigned int i = 0; i < STEPS / 10; i++) {
		for (unsigned int busy = 1 + draw(6); busy > 0; busy--) {
			uint32_t minor = draw(CLASSES + 1);

			for (unsigned int n = draw(12); n > 0; n--)
				offer_packet(packet(64 + draw(1451), minor, CLASSID(1, minor), 0));
		}
		while (take_more(at_once) != 0)
			;
		bed.now += draw(4000000);
	}
	for (uint32_t minor = 0; minor <= CLASSES; minor++)
		xstats[minor] = xstats_of(minor);
}

/*
 * A call for many packets gives the same ones as many calls for one: what may be asked for at once is no more than
 * that.
 */
static void
a_burst_is_what_single_packets_are(void **state)
{
	static struct taken taken[BED_TAKEN_MAX];

	for (unsigned int seed = 1; seed <= 20; seed++) {
		struct cbq_xstats single[CLASSES + 1] = { 0 }, burst[CLASSES + 1] = { 0 };
		uint32_t count;

		play_in_bursts(seed, 1, single);
		count = bed.taken_count;
		memcpy(taken, bed.taken, count * sizeof(*taken));
		bed_end();
		play_in_bursts(seed, 32, burst);
		assert_int_equal(bed.taken_count, count);
		for (uint32_t i = 0; i < count; i++) {
			if (bed.taken[i].flow != taken[i].flow || bed.taken[i].time_ns != taken[i].time_ns)
				fail_msg("seed %u: packet %u is of 1:%x at %lu ns; one by one, of 1:%x at %lu", seed, i,
					bed.taken[i].flow, bed.taken[i].time_ns, taken[i].flow, taken[i].time_ns);
		}
		assert_memory_equal(burst, single, sizeof(single));
		bed_end();
	}
}

/* Two leaves below an agency, which may send 200 packets at once, do: n a call. */
static void
send_200(uint32_t n, struct cbq_xstats xstats[4])
{
	struct cbq_conf conf = cbq_class(MBIT(5), 5, 1000);
	struct rte_mbuf *pkts[200];
	uint32_t got = 0;

	conf.given |= CBQ_MAXIDLE;
	conf.maxidle_ns = SECONDS(10);
	bed_make();
	make_cbq(LINK);
	add_cbq_class(0, 1, conf);
	add_cbq_class(1, 2, conf);
	add_cbq_class(1, 3, conf);
	for (uint32_t i = 0; i < 200; i++)
		offer_packet(packet(64 + i * 7, i, CLASSID(1, 2 + i % 2), 0));
	while (got < 200) {
		uint16_t burst = sched_dequeue(bed.tree, pkts + got, (uint16_t)RTE_MIN(n, 200 - got), bed.now);

		assert_int_equal(burst, RTE_MIN(n, 200 - got));
		for (; burst != 0; burst--, got++) {
			bed.taken[got].flow = pkt_of(pkts[got])->realm;
			rte_pktmbuf_free(pkts[got]);
			bed.sent++;
		}
	}
	for (uint32_t minor = 0; minor < 4; minor++)
		xstats[minor] = xstats_of(minor);
	bed_end();
}

/* More in a call than there is room for in what is charged later. */
static void
a_call_may_be_for_any_number(void **state)
{
	struct cbq_xstats single[4] = { 0 }, many[4] = { 0 };
	uint32_t flows[200];

	send_200(1, single);
	for (uint32_t i = 0; i < 200; i++)
		flows[i] = bed.taken[i].flow;
	send_200(200, many);
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(bed.taken[i].flow, flows[i]);
	assert_memory_equal(many, single, sizeof(single));
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

/*
 * Three borrow from a bounded agency, and two of them have one packet at a time, so that they leave their ring with each
 * and come again: that is no reason to pass over the third.
 */
static void
who_stays_is_not_passed_over_by_who_comes_again(void **state)
{
	enum { STAYS = 2, PACKETS = 3000 };

	bed_make();
	make_cbq(LINK);
	add_cbq_class(0, A, bounded(cbq_class(MBIT(6), 5, 6000)));
	for (uint32_t minor = STAYS; minor < STAYS + 3; minor++)
		add_cbq_class(A, minor, cbq_class(MBIT(6) / 10, 5, 600));
	for (unsigned int i = 0; i < PACKETS; i++) {
		for (uint32_t minor = STAYS; minor < STAYS + 3; minor++)
			fill(minor, 1000, minor == STAYS ? 4 : 1);
		while (take_more(1) == 0)
			bed.now = sched_next_event(bed.tree, bed.now);
		bed.now += 1000 * UINT64_C(1000000000) / LINK;
	}
	for (uint32_t minor = STAYS; minor < STAYS + 3; minor++)
		assert_in_range(bytes_of(minor, 0, UINT64_MAX), 1000 * (PACKETS / 3 - 60), 1000 * (PACKETS / 3 + 60));
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
	/* All of the agency's rate is the isolated class's: there is nothing to lend at any time. */
	make_agencies(true, true);
	change_class(class_of(A_FTP), &(struct cbq_conf){ .given = CBQ_RATE, .rate.Bps = MBIT(6), .cell_log = 3 });
	expect((uint32_t[]){ A_INTERACTIVE }, 1, (double[]){ 4 }, LINK);
	bed_end();
}

static uint64_t
bytes_counted(uint32_t minor)
{
	struct sched_stats stats;

	class_get_stats(class_of(minor), &stats);
	return stats.bytes;
}

/*
 * What an isolated class borrows is counted from the lender on, and what it sends at its own rate not at all above it.
 * Here it borrows all that it sends, as borrowing keeps it over its limit: 4 mbit of the agency, the rest of the link.
 */
static void
what_an_isolated_class_sends_is_counted_by_the_lender(void **state)
{
	double all;

	make_agencies(false, true);
	run_backlogged((uint32_t[]){ A_FTP }, 1, 1000, LINK, SECONDS(20));
	all = (double)bytes_counted(A_FTP);
	assert_true(fabs((double)bytes_counted(A) / all - 0.4) < 0.01);
	assert_true(fabs((double)bytes_counted(0) / all - 1) < 0.01);
	bed_end();
	/* So the agency has those 4 for others as long as the isolated class keeps to its own. */
	make_agencies(true, true);
	change_class(
		class_of(A_INTERACTIVE), &(struct cbq_conf){ .given = CBQ_RATE, .rate.Bps = MBIT(2), .cell_log = 3 });
	change_class(class_of(A_FTP),
		&(struct cbq_conf){ .given = CBQ_LINK_SHARING | CBQ_FLAGS, .isolated = true, .bounded = true });
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

/* The next packet is of this class. */
static void
expect_next(uint32_t minor)
{
	bed.taken_count = 0;
	assert_int_equal(take_more(1), 1);
	if (bed.taken[0].flow != minor)
		fail_msg("class 1:%x sent, it was the turn of 1:%x", bed.taken[0].flow, minor);
}

/* 100 ms of its rate at once, after it was idle. */
static void
allow_bursts(uint32_t minor)
{
	struct cbq_conf conf = { .given = CBQ_LINK_SHARING | CBQ_MAXIDLE, .maxidle_ns = 100000000 };

	change_class(class_of(minor), &conf);
}

/*
 * Where they differ: interactive traffic of A is over its limit and would borrow from the link; file transfers of B,
 * which are not, are unsatisfied, but of a later prio. By the formal guidelines B goes first as long as it may. By the
 * top-level ones B does from when a packet comes for it until it has nothing more; what B had before is not known.
 */
static void
top_level_forgets_who_is_unsatisfied(void **state)
{
	for (unsigned int top = 0; top < 2; top++) {
		make_agencies(false, false);
		keep_top_level(top == 1);
		allow_bursts(B);
		allow_bursts(B_INTERACTIVE);
		allow_bursts(B_FTP);
		run_backlogged((uint32_t[]){ A_INTERACTIVE, A_FTP }, 2, 1000, LINK, SECONDS(1));
		while (class_of(A_FTP)->leaf->backlog_pkts != 0 || class_of(A_INTERACTIVE)->leaf->backlog_pkts != 0)
			take_more(1);
		bed.now += 1000;
		fill(B_FTP, 1000, 1);
		fill(A_INTERACTIVE, 1000, 4);
		assert_true(over_limit(class_of(A_INTERACTIVE)) && over_limit(class_of(A)));
		assert_false(over_limit(class_of(B_FTP)));
		/* It has come, and is first. With it its queue is empty. */
		expect_next(B_FTP);
		/*
		 * Another two come: Top-Level is the leaves' again, until the second has gone or it is over its limit.
		 */
		fill(B_FTP, 1000, 1);
		expect_next(B_FTP);
		expect_next(A_INTERACTIVE);
		/* B has packets, and the class of another agency has sent its last one: nobody remembers B. */
		fill(B_FTP, 1000, 2);
		fill(B_INTERACTIVE, 1000, 1);
		expect_next(B_INTERACTIVE);
		expect_next(top == 1 ? A_INTERACTIVE : B_FTP);
		keep_top_level(false);
		bed_end();
	}
}

/* Each of these is offered 10 mbit and has a queue of 20; when a packet comes is what Top-Level knows of a class. */
static void
expect_offered(const uint32_t *minors, unsigned int n, const double *mbits)
{
	static const struct fifo_conf short_queue = { .limit = 20 };
	const uint64_t gap_ns = 1000 * UINT64_C(1000000000) / MBIT(10);
	uint64_t next[CLASSES], from = SECONDS(2), until = SECONDS(12);

	make_agencies(false, false);
	for (unsigned int i = 0; i < n; i++) {
		add_qdisc(CLASSID(1, minors[i]), (10 + i) << 16, "pfifo", &short_queue);
		next[i] = bed.now + i * 100000;
	}
	from += bed.now;
	until += bed.now;
	while (bed.now < until) {
		uint64_t sent_at = bed.now;

		for (unsigned int i = 0; i < n; i++) {
			for (; next[i] <= bed.now; next[i] += gap_ns)
				offer_packet(packet(1000, minors[i], CLASSID(1, minors[i]), 0));
		}
		if (bed.now < from)
			bed.taken_count = 0;
		bed.now += take_more(1) == 1 ? 1000 * UINT64_C(1000000000) / LINK : 10000;
		assert_true(bed.now > sent_at);
	}
	for (unsigned int i = 0; i < n; i++) {
		double is = (double)bytes_of(minors[i], 0, UINT64_MAX) * 8 / (double)(until - from) * 1e3;

		if (fabs(is - mbits[i]) > mbits[i] / 100)
			fail_msg("class 1:%x has %g mbit instead of %g", minors[i], is, mbits[i]);
	}
	bed_end();
}

/* The paper's finding: shares are the formal guidelines', near enough, where packets keep coming. */
static void
top_level_shares_are_near_the_formal_ones(void **state)
{
	for (unsigned int top = 0; top < 2; top++) {
		keep_top_level(top == 1);
		expect_offered((uint32_t[]){ A_INTERACTIVE, A_FTP, B_INTERACTIVE, B_FTP }, 4, (double[]){ 4, 2, 3, 1 });
		expect_offered((uint32_t[]){ A_FTP, B_INTERACTIVE, B_FTP }, 3, (double[]){ 6, 3, 1 });
		expect_offered((uint32_t[]){ A_INTERACTIVE, A_FTP, B_FTP }, 3, (double[]){ 4, 2, 4 });
		expect_offered((uint32_t[]){ B_INTERACTIVE, B_FTP }, 2, (double[]){ 9, 1 });
	}
	keep_top_level(false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_the_formal_guidelines),
		cmocka_unit_test(follows_the_top_level_guidelines),
		cmocka_unit_test(a_burst_is_what_single_packets_are),
		cmocka_unit_test(a_call_may_be_for_any_number),
		cmocka_unit_test(each_has_its_own_when_all_are_busy),
		cmocka_unit_test(what_one_leaves_stays_in_the_agency),
		cmocka_unit_test(what_an_agency_leaves_goes_to_the_other),
		cmocka_unit_test(a_bounded_agency_takes_nothing_from_the_other),
		cmocka_unit_test(who_stays_is_not_passed_over_by_who_comes_again),
		cmocka_unit_test(an_isolated_class_lends_nothing),
		cmocka_unit_test(what_an_isolated_class_sends_is_counted_by_the_lender),
		cmocka_unit_test(under_its_limit_a_class_does_not_wait),
		cmocka_unit_test(the_link_always_lends),
		cmocka_unit_test(top_level_forgets_who_is_unsatisfied),
		cmocka_unit_test(top_level_shares_are_near_the_formal_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
