/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * htb: packets that need not wait are not queued. What that leaves behind is the same as if they had been: the same
 * random traffic goes through two trees, of which one lets pass what may, and the other queues everything.
 */
#include "support.h"

#include <weir/qdisc/fifo.h>
#include <weir/qdisc/htb.h>

#include "seeds.h"

#define SEEDS         10
#define STEPS         300
#define LEAVES        24 /* 1:10 and on, below 1:2 to 1:4, which are below 1:1 */
#define FIRST         0x10
#define BURST         64
#define CHAINS        60
#define LEAF_OF_CHAIN 0x300
#define TOKENS_NS     10 /* packets that leave together are rounded together */

static uint16_t
offer_passing(struct rte_mbuf **pkts, uint16_t n)
{
	struct classify_ctx ctx = { .now = bed.now, .sink = &bed.sink };
	uint16_t passed;

	sched_classify(bed.tree, &ctx, pkts, n);
	passed = sched_pass(bed.tree, &ctx, pkts, n);
	bed.received += passed;
	bed.sent += passed;
	offer_packets(pkts + passed, n - passed);
	return passed;
}

static void
free_all(struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		rte_pktmbuf_free(pkts[i]);
}

static struct htb_class_conf
conf_of(uint64_t Bps, uint64_t ceil_Bps, uint64_t burst_ns, uint32_t prio)
{
	return (struct htb_class_conf){
		.rate.Bps = Bps, .ceil.Bps = ceil_Bps, .burst_ns = burst_ns, .cburst_ns = burst_ns, .prio = prio
	};
}

static void
make_root(void)
{
	make_qdisc("htb", &(struct htb_conf){ .version = 3, .rate2quantum = 10 });
}

static struct class *
class_at(uint32_t minor)
{
	return sched_class_find(sched_root(bed.tree), CLASSID(1, minor));
}

static struct sched_stats
stats_of(uint32_t minor)
{
	struct sched_stats stats = { 0 };

	class_get_stats(class_at(minor), &stats);
	return stats;
}

static void
htb_xstats_of(uint32_t minor, struct htb_class_xstats *xstats)
{
	class_at(minor)->qdisc->ops->classes->get_xstats(class_at(minor), xstats);
}

static void
assert_near(int64_t a, int64_t b)
{
	assert_true(a - b <= TOKENS_NS && b - a <= TOKENS_NS);
}

/* A bucket of 2000 bytes lets three packets of 1000 go. */
static void
those_that_must_wait_stand_behind_the_others(void **state)
{
	static const uint32_t minors[] = { 0x20, 0x10, 0x20, 0x20, 0, 0x20, 0x10, 0x20 };
	struct htb_class_conf wide = conf_of(1000000, 1000000, MS(100), 0),
			      narrow = conf_of(1000000, 1000000, MS(2), 0);
	struct rte_mbuf *pkts[RTE_DIM(minors)];

	(void)state;
	bed_make();
	make_root();
	add_class(0, CLASSID(1, 1), &wide);
	add_class(CLASSID(1, 1), CLASSID(1, 0x10), &wide);
	add_class(CLASSID(1, 1), CLASSID(1, 0x20), &narrow);
	for (unsigned int i = 0; i < RTE_DIM(minors); i++)
		pkts[i] = packet(1000, 1, minors[i] == 0 ? 0 : CLASSID(1, minors[i]), 0);
	assert_int_equal(offer_passing(pkts, RTE_DIM(minors)), 5);
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(pkt_of(pkts[i])->nexthop, ((const uint32_t[]){ 0, 1, 2, 3, 6 })[i]);
	free_all(pkts, 5);
	assert_int_equal(sched_backlog(bed.tree), 3);
	assert_int_equal(stats_of(0x10).packets, 2);
	assert_int_equal(stats_of(0x20).packets, 3);
	assert_int_equal(stats_of(0x20).backlog_pkts, 2);
	assert_int_equal(stats_of(1).bytes, 5000);
	assert_int_equal(sched_root(bed.tree)->sent_packets, 5);
	assert_int_equal(sched_root(bed.tree)->sent_bytes, 5000);
	/* Nobody overtakes: while something waits nothing passes. */
	struct rte_mbuf *late = packet(1000, 1, CLASSID(1, 0x10), 0);

	assert_int_equal(offer_passing(&late, 1), 0);
	take(UINT32_MAX, 0);
	assert_order(4, 8);
	take_all(SECONDS(1));
	assert_order(5, 7);
	bed_end();
}

/* What is not classified yet, or no longer, or is for a leaf qdisc of another kind, or one without room. */
static void
what_has_to_be_asked_about_is_queued(void **state)
{
	struct htb_class_conf wide = conf_of(1000000, 1000000, MS(100), 0);
	struct classify_ctx ctx = { .sink = &bed.sink };
	struct rte_mbuf *m;

	(void)state;
	bed_make();
	make_root();
	add_class(0, CLASSID(1, 0x10), &wide);
	add_class(0, CLASSID(1, 0x20), &wide);
	m = packet(1000, 1, CLASSID(1, 0x10), 0);
	assert_int_equal(sched_pass(bed.tree, &ctx, &m, 1), 0);
	assert_int_equal(offer_passing(&m, 1), 1);
	free_all(&m, 1);
	/* Its class has gone meanwhile, and another one has come that stands where that stood. */
	m = packet(1000, 1, CLASSID(1, 0x20), 0);
	sched_classify(bed.tree, &ctx, &m, 1);
	assert_int_equal(sched_class_delete(class_at(0x20), NULL), 0);
	add_class(0, CLASSID(1, 0x20), &wide);
	assert_int_equal(pkt_of(m)->leaf, class_slot(class_at(0x20)));
	assert_int_equal(sched_pass(bed.tree, &ctx, &m, 1), 0);
	assert_int_equal(offer_packet(m), 1);
	assert_int_equal(take(1, 0), 1);
	add_qdisc(CLASSID(1, 0x10), 0x20000, "pfifo_fast", NULL);
	m = packet(1000, 1, CLASSID(1, 0x10), 0);
	assert_int_equal(offer_passing(&m, 1), 0);
	assert_int_equal(take(1, 0), 1);
	add_qdisc(CLASSID(1, 0x20), 0x30000, "pfifo", &(struct fifo_conf){ .limit = 0 });
	m = packet(1000, 1, CLASSID(1, 0x20), 0);
	assert_int_equal(offer_passing(&m, 1), 0);
	assert_int_equal(bed.sink.drops[DROP_QUEUE_FULL], 1);
	bed_end();
}

static void
add_chain(uint32_t i, uint32_t levels, const struct htb_class_conf *leaf)
{
	struct htb_class_conf wide = conf_of(1000000, 1000000000, MS(100), 0);
	uint32_t parent = 0;

	for (uint32_t level = levels; level > 0; level--) {
		add_class(parent, CLASSID(1, level << 8 | i), &wide);
		parent = CLASSID(1, level << 8 | i);
	}
	add_class(parent, CLASSID(1, LEAF_OF_CHAIN | i), leaf);
}

static void
assert_chain_paid(uint32_t i, uint32_t levels, uint32_t packets)
{
	for (uint32_t level = 1; level <= levels; level++) {
		uint32_t minor = level << 8 | i;
		struct htb_class_xstats xstats;

		htb_xstats_of(minor, &xstats);
		assert_int_equal(stats_of(minor).bytes, packets * 1000);
		assert_int_equal(stats_of(minor).packets, packets);
		assert_near(xstats.tokens_ns, MS(100 - packets));
	}
}

/* The same by one call, of packets that were queued. */
static uint16_t
offer_queued(struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t got;

	offer_packets(pkts, n);
	got = sched_dequeue(bed.tree, pkts, n, bed.now);
	bed.sent += got;
	return got;
}

/*
 * Leaves that have classes of their own above them, more in a burst than there is room for charges. Some use up their
 * rates, with two packets: those above who sent before pay in the middle then.
 */
static void
send_by_chains(uint32_t levels, uint16_t (*send)(struct rte_mbuf **pkts, uint16_t n))
{
	struct htb_class_conf leaf = conf_of(100000, 1000000000, MS(1), 0);
	struct rte_mbuf *pkts[BURST];
	uint16_t n = 0;

	bed_make();
	make_root();
	for (uint32_t i = 0; i < CHAINS; i++) {
		add_chain(i, levels, &leaf);
		for (uint32_t packets = 1 + (i % 20 == 19); packets > 0; packets--)
			pkts[n++] = packet(1000, 1, CLASSID(1, LEAF_OF_CHAIN | i), 0);
	}
	assert_int_equal(send(pkts, n), n);
	free_all(pkts, n);
	for (uint32_t i = 0; i < CHAINS; i++)
		assert_chain_paid(i, levels, 1 + (i % 20 == 19));
	bed_end();
}

static void
however_many_are_charged_each_pays_once(void **state)
{
	(void)state;
	for (uint32_t levels = 1; levels <= 2; levels++) {
		send_by_chains(levels, offer_passing);
		send_by_chains(levels, offer_queued);
	}
}

/* ---- two trees */

static struct sched_tree *trees[2];

static void
make_trees(void)
{
	struct htb_class_conf inner = conf_of(UINT64_C(1000000000), UINT64_C(1000000000), MS(100), 0);

	for (unsigned int t = 0; t < 2; t++) {
		bed_make();
		trees[t] = bed.tree;
		make_root();
		add_class(0, CLASSID(1, 1), &inner);
		for (uint32_t i = 0; i < 3; i++)
			add_class(CLASSID(1, 1), CLASSID(1, 2 + i), &inner);
	}
	for (uint32_t i = 0; i < LEAVES; i++) {
		uint64_t Bps = 100000 + draw(1000000);
		struct htb_class_conf conf =
			conf_of(Bps, Bps + draw(2) * draw(1000000), MS(1) + draw(20000000), draw(8));

		conf.quantum = 1 + draw(5000);
		for (unsigned int t = 0; t < 2; t++) {
			bed.tree = trees[t];
			add_class(CLASSID(1, 2 + i % 3), CLASSID(1, FIRST + i), &conf);
		}
	}
}

static void
assert_same(uint32_t minor)
{
	struct htb_class_xstats xstats[2];
	struct sched_stats stats[2];

	for (unsigned int t = 0; t < 2; t++) {
		bed.tree = trees[t];
		stats[t] = stats_of(minor);
		htb_xstats_of(minor, &xstats[t]);
	}
	assert_int_equal(stats[0].bytes, stats[1].bytes);
	assert_int_equal(stats[0].packets, stats[1].packets);
	assert_int_equal(stats[0].overlimits, stats[1].overlimits);
	assert_int_equal(stats[0].backlog_pkts, stats[1].backlog_pkts);
	assert_int_equal(xstats[0].lends, xstats[1].lends);
	assert_int_equal(xstats[0].borrows, xstats[1].borrows);
	assert_near(xstats[0].tokens_ns, xstats[1].tokens_ns);
	assert_near(xstats[0].ctokens_ns, xstats[1].ctokens_ns);
}

/* The same burst for both; returns how many passed in the second tree. */
static uint16_t
step(void)
{
	struct rte_mbuf *pkts[2][BURST];
	uint16_t n = (uint16_t)(1 + draw(1 + draw(BURST))), passed;

	for (uint16_t i = 0; i < n; i++) {
		uint32_t bytes = 64 + draw(1400), classid = CLASSID(1, FIRST + draw(LEAVES));

		for (unsigned int t = 0; t < 2; t++)
			pkts[t][i] = packet(bytes, 1, classid, 0);
	}
	bed.tree = trees[0];
	offer_packets(pkts[0], n);
	take(UINT32_MAX, bed.now);
	bed.tree = trees[1];
	passed = offer_passing(pkts[1], n);
	free_all(pkts[1], passed);
	take(UINT32_MAX, bed.now);
	return passed;
}

static void
play(void)
{
	uint32_t passed = 0;

	make_trees();
	bed.now = bed.received = bed.sent = 0;
	for (unsigned int i = 0; i < STEPS; i++) {
		passed += step();
		for (uint32_t leaf = 0; leaf < LEAVES; leaf++)
			assert_same(FIRST + leaf);
		for (uint32_t minor = 1; minor <= 4; minor++)
			assert_same(minor);
		assert_int_equal(sched_backlog(trees[0]), sched_backlog(trees[1]));
		bed.now += draw(40000000);
	}
	/* Both happened often. */
	assert_in_range(passed, bed.received / 4, bed.received / 2 - STEPS);
	for (unsigned int t = 0; t < 2; t++) {
		bed.tree = trees[t];
		take_all(SCHED_NEVER - 1);
	}
	bed.tree = trees[0];
	assert_nothing_lost();
	sched_tree_destroy(trees[1], DROP_SHUTDOWN);
	bed_end();
}

static void
what_passes_counts_as_if_it_had_been_queued(void **state)
{
	(void)state;
	play_seeds(SEEDS, play);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_that_must_wait_stand_behind_the_others),
		cmocka_unit_test(what_has_to_be_asked_about_is_queued),
		cmocka_unit_test(however_many_are_charged_each_pays_once),
		cmocka_unit_test(what_passes_counts_as_if_it_had_been_queued),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
