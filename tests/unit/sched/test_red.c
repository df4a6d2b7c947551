/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * red, against the formulas of Floyd and Jacobson (1993), "the paper" below, and of Floyd, Gummadi and Shenker (2001):
 * the average, the drop probability, idle time, adaptation; and what it does to a packet, its limit and its inner
 * qdisc.
 */
#include <math.h>
#include <time.h>

#include "red_average.h"
#include "support.h"

#include <weir/qdisc/fifo.h>
#include <weir/qdisc/red.h>
#include <weir/qdisc/tbf.h>

#define BYTES    1000
#define PER_UNIT 4294967296.0 /* 2^32 is 1 */

static uint32_t
probability(double p)
{
	return (uint32_t)fmin(p * PER_UNIT, UINT32_MAX);
}

/* A packet takes packet_ns on the link. */
static struct red_conf
red(uint32_t min, uint32_t max, double max_p, uint8_t weight_log, double packet_ns)
{
	return (struct red_conf){ .limit_bytes = 1000000,
		.params = { .min_bytes = min,
			.max_bytes = max,
			.max_p = probability(max_p),
			.weight_log = weight_log,
			.idle_decay = (uint64_t)(-log2(1 - ldexp(1, -weight_log)) / packet_ns * 0x1p64) } };
}

static struct red_xstats
xstats_of(const struct qdisc *q)
{
	struct red_xstats stats;

	q->ops->get_xstats(q, &stats);
	return stats;
}

static void
offer_many(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		offer(BYTES);
}

/* One packet comes and, where it was queued, one goes: the queue stays as long. Returns whether it was dropped. */
static bool
replace_one(void)
{
	if (offer(BYTES) == 0)
		return true;
	assert_int_equal(take(1, bed.now), 1);
	return false;
}

/* n packets are queued, the average has become their length, and the latest packet was dropped. */
static void
settle(struct qdisc *q, unsigned int n)
{
	while (q->backlog_pkts < n)
		offer(BYTES);
	for (unsigned int i = 0; i < 2000; i++)
		replace_one();
	while (!replace_one())
		;
	assert_int_equal(q->backlog_pkts, n);
}

/* ---- the estimator */

/*
 * The paper's equation 2: what L packets into an empty queue make of the average, L + 1 + ((1 - w)^(L + 1) - 1) / w. An
 * arrival does not see itself here, so that it is reached one packet later.
 */
static void
average_is_the_papers(void **state)
{
	for (uint8_t weight_log = 1; weight_log <= 12; weight_log++) {
		double w = ldexp(1, -weight_log);
		struct red_curve curve;
		struct red_average average;

		red_curve_set(&curve, 1u << 19, 1u << 20, 0, weight_log);
		red_average_reset(&average, &curve, 0);
		for (unsigned int burst = 1; burst <= 300; burst++) {
			double expected = burst + 1 + (pow(1 - w, burst + 1) - 1) / w;
			uint64_t bytes = red_average_update(&average, &curve, burst * UINT64_C(1000));

			assert_true(fabs((double)bytes - expected * 1000) <= 2);
		}
	}
}

/* Without chance below max, the packet with which the average reaches max is the first that is dropped. */
static void
drops_when_the_average_reaches_max(void **state)
{
	const double w = 1.0 / 64;
	struct red_conf conf = red(15000, 30000, 0, 6, 800000);
	unsigned int first = 1;

	while (first + (pow(1 - w, first) - 1) / w < 30)
		first++;
	bed_make();
	make_qdisc("red", &conf);
	for (unsigned int i = 0; i < first - 1; i++)
		assert_int_equal(offer(BYTES), 1);
	assert_int_equal(offer(BYTES), 0);
	assert_int_equal(bed.sink.drops[DROP_EARLY], 1);
	take(UINT32_MAX, 0);
	bed_end();
}

/* The paper's (1 - w)^m for m = idle time / s: from 40000 to 10000 bytes in s * ln 4 / -ln(1 - w). */
static void
an_empty_queues_average_falls_as_if_small_packets_had_come(void **state)
{
	static const double packet_ns[] = { 120, 800000, 12000000 };

	for (size_t i = 0; i < RTE_DIM(packet_ns); i++) {
		for (uint8_t weight_log = 1; weight_log <= 9; weight_log++) {
			struct red_conf conf = red(10000, 10000, 1, weight_log, packet_ns[i]);
			double fall = packet_ns[i] * log(4) / -log(1 - ldexp(1, -weight_log));

			for (int early = 0; early < 2; early++) {
				struct red_conf high = conf;
				struct qdisc *q;

				high.params.min_bytes = high.params.max_bytes = 1u << 20;
				high.limit_bytes = 1u << 21;
				bed_make();
				q = make_qdisc("red", &high);
				offer_many(40);
				for (unsigned int k = 0; k < 20000; k++)
					replace_one();
				assert_int_equal(take(UINT32_MAX, MS(5)), 40);
				change_qdisc(q, &conf); /* the average stays */
				bed.now += (uint64_t)(fall * (early ? 0.98 : 1.02));
				assert_int_equal(offer(BYTES), !early);
				take(UINT32_MAX, bed.now);
				bed_end();
			}
		}
	}
}

/* Idle time in many pieces is as good as in one, and any length of it is fine. */
static void
idle_time_adds_up(void **state)
{
	struct red_conf conf = red(10000, 30000, 1, 9, 100000);
	struct red_average once, often;
	struct red_curve curve;

	red_curve_from_params(&curve, &conf.params);
	for (uint64_t ns = 1; ns < SECONDS(1); ns *= 7) {
		red_average_reset(&once, &curve, 1000000);
		often = once;
		red_average_idle(&once, &curve, 64 * ns);
		for (unsigned int i = 0; i < 64; i++)
			red_average_idle(&often, &curve, ns);
		assert_true(fabs((double)once.scaled - (double)often.scaled) <= 64 + 1e-4 * (double)once.scaled);
		assert_true(fabs((double)once.scaled - 512e6 * pow(1 - 1.0 / 512, (double)(64 * ns) / 100000)) <=
			    1 + 1e-4 * 512e6);
	}
	red_average_idle(&once, &curve, SCHED_NEVER - 1);
	assert_int_equal(once.scaled, 0);
}

/* ---- the dice */

/*
 * With the queue, and so the average, held at one length, pb = max_p * (avg - min) / (max - min), and the packet that
 * is the n-th since the last drop is dropped with pa = pb / (1 - (n - 1) * pb): each distance from 1 to 1/pb is as
 * likely (the paper's section 8, its "Method 2"). A chi-squared test of the distances: 500 are expected of each.
 */
static void
check_distances(unsigned int min, unsigned int length, unsigned int max, double max_p, double chi_squared)
{
	struct red_conf conf = red(min * BYTES, max * BYTES, max_p, 4, 800000);
	double pb = max_p * (length - min) / (max - min), sum = 0;
	unsigned int cells = (unsigned int)lround(1 / pb), since = 0, drops = 0;
	unsigned int distances[128] = { 0 };
	struct qdisc *q;

	assert_in_range(cells, 2, RTE_DIM(distances) - 1);
	bed_make();
	q = make_qdisc("red", &conf);
	settle(q, length);
	while (drops < 500 * cells) {
		since++;
		if (!replace_one())
			continue;
		assert_in_range(since, 1, cells + 1); /* one more where pb was rounded down */
		distances[RTE_MIN(since, cells)]++;
		drops++;
		since = 0;
	}
	for (unsigned int i = 1; i <= cells; i++)
		sum += (distances[i] - 500.0) * (distances[i] - 500.0) / 500;
	if (sum > chi_squared)
		fail_msg("%u of %u..%u at %g: chi-squared %g with %u cells", length, min, max, max_p, sum, cells);
	assert_int_equal(xstats_of(q).forced_drop, 0);
	assert_int_equal(q->overlimits, xstats_of(q).prob_drop);
	take(UINT32_MAX, bed.now);
	bed_end();
}

static void
drops_as_often_and_as_evenly_as_the_paper_says(void **state)
{
	/* The last is the chi-squared distribution's quantile for one in a thousand at cells - 1 degrees of freedom. */
	check_distances(10, 20, 30, 0.1, 43.8); /* pb is 1/20 */
	check_distances(10, 14, 30, 0.1, 85.4); /* 1/50 */
	check_distances(10, 26, 30, 0.25, 18.5); /* 1/5 */
	check_distances(5, 15, 25, 0.02, 148.2); /* 1/100 */
	check_distances(10, 15, 20, 1, 10.8); /* 1/2 */
}

static void
nothing_happens_below_min_and_everything_from_max_on(void **state)
{
	struct red_conf conf = red(10000, 30000, 1, 2, 800000);
	struct red_xstats stats;
	struct qdisc *q;

	bed_make();
	q = make_qdisc("red", &conf);
	offer_many(9);
	for (unsigned int i = 0; i < 1000; i++)
		assert_false(replace_one());
	bed_end();
	conf.params.max_p = 0;
	bed_make();
	q = make_qdisc("red", &conf);
	offer_many(200);
	stats = xstats_of(q);
	assert_int_equal(stats.prob_drop, 0);
	assert_int_equal(stats.forced_drop + q->backlog_pkts, 200);
	for (unsigned int i = 0; i < 100; i++)
		assert_true(replace_one());
	take(UINT32_MAX, bed.now);
	bed_end();
}

/* ---- what happens to a packet */

enum family { V4, V6, NOT_IP };

static struct rte_mbuf *
ecn_packet(enum family family, uint8_t ecn)
{
	struct rte_mbuf *m = packet(BYTES, 1, 0, 0);
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, void *, sizeof(struct rte_ether_hdr));
	struct rte_ipv6_hdr *ip6 = (void *)ip;

	if (family == V4) {
		ip->type_of_service = 0xb8 | ecn;
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	} else if (family == V6) {
		memset(ip6, 0, sizeof(*ip6));
		ip6->vtc_flow = rte_cpu_to_be_32(6u << 28 | (0xb8u | ecn) << 20 | 0xabcde);
		pkt_of(m)->protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6);
	} else {
		pkt_of(m)->protocol = rte_cpu_to_be_16(0x88cc);
	}
	return m;
}

/* Its ECN bits; whatever else may not be touched is checked. */
static uint8_t
ecn_of(struct rte_mbuf *m, enum family family)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, void *, sizeof(struct rte_ether_hdr));
	const struct rte_ipv6_hdr *ip6 = (const void *)ip;
	uint16_t checksum = ip->hdr_checksum;

	if (family == V6) {
		assert_int_equal(rte_be_to_cpu_32(ip6->vtc_flow) & 0xffcfffff, 0x6b8abcde);
		return rte_be_to_cpu_32(ip6->vtc_flow) >> 20 & 3;
	}
	assert_int_equal(family, V4);
	assert_int_equal(ip->type_of_service >> 2, 0xb8 >> 2);
	ip->hdr_checksum = 0;
	assert_int_equal(checksum, rte_ipv4_cksum(ip));
	return ip->type_of_service & 3;
}

struct fate {
	struct red_xstats stats;
	uint32_t queued, marked; /* of 100; of what left */
};

static void
take_and_look(uint32_t n, enum family family, struct fate *fate)
{
	struct rte_mbuf *m;

	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(sched_dequeue(bed.tree, &m, 1, bed.now), 1);
		bed.sent++;
		fate->marked += family != NOT_IP && ecn_of(m, family) == 3;
		rte_pktmbuf_free(m);
	}
}

/*
 * 100 packets meet a queue of 20 whose average is just below max, where a drop or mark is all but certain, or above it.
 */
static struct fate
meet(uint8_t flags, enum family family, uint8_t ecn, bool above)
{
	struct red_conf calm = red(1u << 19, 1u << 19, 0, 1, 800000);
	struct red_conf conf = red(10000, above ? 15000 : 20001, 1 - 1e-9, 1, 800000);
	struct fate fate = { .queued = 0 };
	struct qdisc *q;

	conf.flags = flags;
	bed_make();
	q = make_qdisc("red", &calm);
	for (unsigned int i = 0; i < 20; i++)
		offer_packet(ecn_packet(family, ecn));
	for (unsigned int i = 0; i < 100; i++) {
		offer_packet(ecn_packet(family, ecn));
		take_and_look(1, family, &fate);
	}
	fate.marked = 0;
	change_qdisc(q, &conf);
	for (unsigned int i = 0; i < 100; i++) {
		if (offer_packet(ecn_packet(family, ecn)) == 0)
			continue;
		fate.queued++;
		take_and_look(1, family, &fate);
	}
	take_and_look(q->backlog_pkts, family, &fate);
	fate.stats = xstats_of(q);
	assert_in_range(q->overlimits, 97, 100);
	assert_int_equal(bed.sink.drops[DROP_EARLY], fate.stats.prob_drop + fate.stats.forced_drop);
	assert_int_equal(q->drops_total, 100 - fate.queued);
	bed_end();
	return fate;
}

static void
packets_of_hosts_that_speak_ecn_are_marked(void **state)
{
	for (enum family family = V4; family <= V6; family++) {
		for (uint8_t ecn = 1; ecn <= 2; ecn++) {
			for (int above = 0; above < 2; above++) {
				struct fate fate = meet(TC_RED_ECN, family, ecn, above);

				assert_int_equal(fate.queued, 100);
				assert_in_range(above ? fate.stats.forced_mark : fate.stats.prob_mark, 97, 100);
				assert_int_equal(fate.marked, fate.stats.forced_mark + fate.stats.prob_mark);
				assert_int_equal(fate.stats.forced_drop + fate.stats.prob_drop, 0);
			}
		}
		/* What another router has marked says so already. */
		assert_int_equal(meet(TC_RED_ECN, family, 3, false).queued, 100);
	}
}

static void
the_others_are_dropped(void **state)
{
	for (enum family family = V4; family <= NOT_IP; family++) {
		struct fate fate = meet(TC_RED_ECN, family, 0, false);

		assert_in_range(fate.stats.prob_drop, 97, 100);
		assert_int_equal(fate.marked, 0);
		assert_in_range(meet(TC_RED_ECN, family, 0, true).stats.forced_drop, 97, 100);
		assert_in_range(meet(0, family, 1, false).stats.prob_drop, 97, 100);
		assert_in_range(meet(0, family, 1, true).stats.forced_drop, 97, 100);
	}
}

static void
harddrop_drops_above_max_and_nodrop_spares_the_others(void **state)
{
	struct fate fate = meet(TC_RED_ECN | TC_RED_HARDDROP, V4, 1, true);

	assert_in_range(fate.stats.forced_drop, 97, 100);
	assert_int_equal(fate.marked, 0);
	assert_in_range(meet(TC_RED_ECN | TC_RED_HARDDROP, V4, 1, false).stats.prob_mark, 97, 100);
	for (int above = 0; above < 2; above++) {
		fate = meet(TC_RED_ECN | TC_RED_NODROP, V4, 0, above);
		assert_int_equal(fate.queued, 100);
		assert_int_equal(fate.marked, 0);
		assert_int_equal(fate.stats.prob_mark + fate.stats.forced_mark, 0);
		fate = meet(TC_RED_ECN | TC_RED_NODROP, V6, 2, above);
		assert_in_range(fate.marked, 97, 100);
	}
	assert_in_range(meet(TC_RED_ECN | TC_RED_HARDDROP | TC_RED_NODROP, V4, 0, true).stats.forced_drop, 97, 100);
}

/* ---- adaptation */

/* max_p after so many half seconds with the average above (or below) the middle, by the paper of 2001. */
static double
adapted(double max_p, unsigned int steps, bool above)
{
	for (; steps != 0; steps--) {
		if (above && max_p <= 0.5)
			max_p += fmin(0.01, max_p / 4);
		else if (!above && max_p >= 0.01)
			max_p *= 0.9;
	}
	return max_p;
}

static double
max_p_of(const struct qdisc *q)
{
	struct red_conf conf;

	q->ops->get_conf(q, &conf);
	return conf.params.max_p / PER_UNIT;
}

/* A queue of `length` packets between 10 and 30, at which somebody looks `looks` times in so many half seconds. */
static double
adapt(double max_p, unsigned int length, unsigned int steps, unsigned int looks)
{
	struct red_conf calm = red(1u << 19, 1u << 19, max_p, 1, 800000), conf = red(10000, 30000, max_p, 1, 800000);
	struct qdisc *q;
	double found;

	conf.flags = TC_RED_ADAPTATIVE;
	bed_make();
	q = make_qdisc("red", &calm);
	offer_many(length);
	for (unsigned int i = 0; i < 100; i++)
		replace_one();
	change_qdisc(q, &conf);
	for (unsigned int i = 1; i <= looks; i++) {
		bed.now = MS(500) * steps * i / looks + 1;
		replace_one();
	}
	found = max_p_of(q);
	take(UINT32_MAX, bed.now);
	bed_end();
	return found;
}

static void
assert_near(double found, double expected)
{
	if (fabs(found - expected) > 1e-6)
		fail_msg("max_p is %g instead of %g", found, expected);
}

static void
max_p_adapts_as_the_paper_says(void **state)
{
	static const unsigned int steps[] = { 1, 2, 7, 40, 100 };

	for (size_t i = 0; i < RTE_DIM(steps); i++) {
		/* A look in each half second, several, and none until the end. */
		for (unsigned int looks = 1; looks <= 4 * steps[i]; looks *= 2) {
			if (looks > 1 && looks < steps[i])
				continue;
			assert_near(adapt(0.02, 25, steps[i], looks), adapted(0.02, steps[i], true));
			assert_near(adapt(0.3, 13, steps[i], looks), adapted(0.3, steps[i], false));
			assert_near(adapt(0.1, 20, steps[i], looks), 0.1); /* the middle fifth is where it is to be */
		}
	}
	/* The bounds, and a pause of a month. */
	assert_near(adapt(0.02, 25, 5184000, 1), adapted(0.02, 128, true));
	assert_near(adapt(0.3, 13, 5184000, 1), adapted(0.3, 128, false));
}

/* Six thousand million half seconds are not gone through one by one: that would take many seconds. */
static void
a_century_passes_in_no_time(void **state)
{
	struct red_conf conf = red(10000, 30000, 0.3, 4, 1000);
	const uint64_t century = SECONDS(100 * UINT64_C(31557600));
	const double least = adapted(0.3, 128, false);
	struct qdisc *q;
	clock_t started;

	conf.flags = TC_RED_ADAPTATIVE;
	bed_make();
	q = make_qdisc("red", &conf);
	bed.now = century + MS(250);
	started = clock();
	offer(BYTES);
	assert_true(clock() - started < CLOCKS_PER_SEC);
	assert_near(max_p_of(q), least);
	/* The half seconds keep their beat. */
	for (unsigned int i = 0; i < 100; i++)
		offer(BYTES);
	bed.now = century + MS(499);
	offer(BYTES);
	assert_near(max_p_of(q), least);
	bed.now = century + MS(500);
	offer(BYTES);
	assert_near(max_p_of(q), adapted(least, 1, true));
	take(UINT32_MAX, bed.now);
	bed_end();
}

static void
max_p_stays_without_adaptive_and_falls_while_idle(void **state)
{
	struct red_conf conf = red(10000, 30000, 0.3, 4, 1000);
	struct qdisc *q;

	bed_make();
	q = make_qdisc("red", &conf);
	bed.now = SECONDS(10);
	offer(BYTES);
	assert_near(max_p_of(q), 0.3);
	conf.flags = TC_RED_ADAPTATIVE;
	change_qdisc(q, &conf);
	take(UINT32_MAX, bed.now);
	bed.now = SECONDS(20);
	offer(BYTES);
	assert_near(max_p_of(q), adapted(0.3, 20, false));
	take(UINT32_MAX, bed.now);
	bed_end();
}

/* ---- the queue */

static void
limit_is_the_inner_bfifos(void **state)
{
	struct red_conf conf = red(1000, 3000, 0, 9, 800000);
	struct rte_mbuf *pkts[8];
	struct qdisc *q;

	conf.limit_bytes = 3500;
	bed_make();
	q = make_qdisc("red", &conf);
	assert_int_equal(offer(BYTES, BYTES, BYTES, BYTES, 500), 4);
	assert_int_equal(xstats_of(q).limit_drop, 1);
	assert_int_equal(q->drops_total, 1);
	conf.limit_bytes = 5000;
	change_qdisc(q, &conf);
	assert_int_equal(offer(BYTES, BYTES), 1);
	/* In a burst, too: a small one fits behind a large one that does not. */
	take(UINT32_MAX, 0);
	for (unsigned int i = 0; i < RTE_DIM(pkts); i++)
		pkts[i] = packet(i == 7 ? 100 : i < 4 ? 1200 : 500, 1, 0, 0);
	assert_int_equal(offer_packets(pkts, RTE_DIM(pkts)), 5);
	assert_int_equal(xstats_of(q).limit_drop, 2 + 3);
	take(UINT32_MAX, 0);
	bed_end();
}

static void
inner_qdisc_is_replaced_under_load_and_stays(void **state)
{
	struct red_conf conf = red(10000, 30000, 0.1, 9, 800000);
	struct fifo_conf five = { .limit = 5 };
	struct qdisc *q, *inner;

	bed_make();
	q = make_qdisc("red", &conf);
	assert_string_equal(sched_qdisc_at(bed.tree, CLASSID(1, 1))->ops->kind, "bfifo");
	offer_many(7);
	inner = add_qdisc(CLASSID(1, 1), CLASSID(2, 0), "pfifo", &five);
	assert_int_equal(q->backlog_pkts, 7);
	assert_int_equal(offer(BYTES), 0);
	conf.limit_bytes = 40000;
	change_qdisc(q, &conf);
	assert_ptr_equal(sched_qdisc_at(bed.tree, CLASSID(1, 1)), inner);
	delete_qdisc(inner);
	inner = sched_qdisc_at(bed.tree, CLASSID(1, 1));
	assert_string_equal(inner->ops->kind, "bfifo");
	inner->ops->get_conf(inner, &five);
	assert_int_equal(five.limit, 40000);
	assert_int_equal(take(UINT32_MAX, 0), 7);
	assert_order(0, 1, 2, 3, 4, 5, 6);
	bed_end();
}

static void
works_below_a_shaper(void **state)
{
	struct tbf_conf shaper = { .rate.Bps = MBIT(1), .burst_bytes = 2000, .limit_bytes = 100000 };
	struct red_conf conf = red(3000, 9000, 1, 1, 8000000);
	struct qdisc *q;

	bed_make();
	make_qdisc("tbf", &shaper);
	q = add_qdisc(CLASSID(1, 1), CLASSID(2, 0), "red", &conf);
	for (unsigned int i = 0; i < 400; i++) {
		offer(BYTES);
		bed.taken_count = 0;
		take_more(UINT32_MAX);
		bed.now += MS(4); /* twice the rate */
	}
	/* 200 left by the rate; the average was kept between min and max. */
	assert_in_range(bed.sent, 198, 203);
	assert_in_range(q->backlog_pkts, 2, 9);
	assert_true(xstats_of(q).prob_drop > 180);
	take_all(SCHED_NEVER - 1);
	bed_end();
}

static void
options_that_make_no_sense_are_refused(void **state)
{
	struct red_conf good = red(10000, 30000, 0.1, 9, 800000), bad[6];
	struct qdisc *q;

	for (size_t i = 0; i < RTE_DIM(bad); i++)
		bad[i] = good;
	bad[0].params.min_bytes = 30001;
	bad[1].limit_bytes = 29999;
	bad[2].params.min_bytes = bad[2].params.max_bytes = 0;
	bad[3].params.weight_log = 17; /* max has 15 bits */
	bad[4].params.scell_log = 32;
	bad[5].flags = TC_RED_NODROP;
	bed_make();
	q = make_qdisc("red", &good);
	for (size_t i = 0; i <= RTE_DIM(bad); i++) {
		const struct red_conf *conf = i < RTE_DIM(bad) ? &bad[i] : NULL;
		struct qdisc_spec spec = { .parent = TC_H_ROOT, .kind = "red", .conf = conf };
		struct error err = { 0 };
		struct red_conf now;

		assert_int_equal(sched_qdisc_add(bed.tree, &spec, NULL, &err), -EINVAL);
		assert_true(strlen(err.msg) > 10);
		assert_int_equal(sched_qdisc_change(q, conf, NULL), -EINVAL);
		assert_ptr_equal(sched_root(bed.tree), q);
		q->ops->get_conf(q, &now);
		assert_memory_equal(&now, &good, sizeof(now));
	}
	good.params.weight_log = 16;
	change_qdisc(q, &good);
	bed_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(average_is_the_papers),
		cmocka_unit_test(drops_when_the_average_reaches_max),
		cmocka_unit_test(an_empty_queues_average_falls_as_if_small_packets_had_come),
		cmocka_unit_test(idle_time_adds_up),
		cmocka_unit_test(drops_as_often_and_as_evenly_as_the_paper_says),
		cmocka_unit_test(nothing_happens_below_min_and_everything_from_max_on),
		cmocka_unit_test(packets_of_hosts_that_speak_ecn_are_marked),
		cmocka_unit_test(the_others_are_dropped),
		cmocka_unit_test(harddrop_drops_above_max_and_nodrop_spares_the_others),
		cmocka_unit_test(max_p_adapts_as_the_paper_says),
		cmocka_unit_test(a_century_passes_in_no_time),
		cmocka_unit_test(max_p_stays_without_adaptive_and_falls_while_idle),
		cmocka_unit_test(limit_is_the_inner_bfifos),
		cmocka_unit_test(inner_qdisc_is_replaced_under_load_and_stays),
		cmocka_unit_test(works_below_a_shaper),
		cmocka_unit_test(options_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
