/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of cbq share: confs as tc would send them, and traffic. */
#ifndef WEIR_TEST_SUPPORT_CBQ_H
#define WEIR_TEST_SUPPORT_CBQ_H

#include <math.h>

#include <weir/qdisc/cbq.h>

#include "support.h"

#define CBQ_TEST_ALL (CBQ_RATE | CBQ_WRR | CBQ_LINK_SHARING | CBQ_FLAGS | CBQ_EWMA | CBQ_AVPKT)
#define AVPKT        1000

/*
 * maxidle for `packets` back to back at the link's rate (Floyd, "Notes on Class-Based Queueing: Setting Parameters",
 * 1996), times 2^ewma_log as the router keeps it.
 */
static inline uint64_t
maxidle_for(uint64_t link_Bps, uint64_t Bps, unsigned int packets, unsigned int ewma_log)
{
	double g = 1 - pow(0.5, ewma_log), all = pow(g, packets);
	double at_link = AVPKT * 1e9 / (double)link_Bps, at_rate = AVPKT * 1e9 / (double)Bps;

	return (uint64_t)(pow(2, ewma_log) *
			  (Bps < link_Bps ? (at_rate - at_link) * (1 - all) / all : at_link * (1 - g)));
}

/* The extra time to wait after which `packets` may follow each other, as the Notes have it. */
static inline uint64_t
offtime_for(uint64_t link_Bps, uint64_t Bps, unsigned int packets, unsigned int ewma_log)
{
	double g = 1 - pow(0.5, ewma_log), all = pow(g, packets - 1);

	return (uint64_t)((AVPKT * 1e9 / (double)Bps - AVPKT * 1e9 / (double)link_Bps) *
			  (1 + (1 - all) / all / (1 - g)));
}

static inline struct qdisc *
make_cbq(uint64_t link_Bps)
{
	struct cbq_conf conf = { .given = CBQ_RATE | CBQ_LINK_SHARING | CBQ_EWMA | CBQ_AVPKT | CBQ_MAXIDLE,
		.rate = { .Bps = link_Bps, .linklayer = TC_LINKLAYER_ETHERNET },
		.cell_log = 3,
		.ewma_log = 5,
		.avpkt = AVPKT,
		.maxidle_ns = maxidle_for(link_Bps, link_Bps, 20, 5) };

	return make_qdisc("cbq", &conf);
}

static inline struct cbq_conf
cbq_class(uint64_t Bps, uint8_t prio, uint32_t weight)
{
	return (struct cbq_conf){ .given = CBQ_TEST_ALL,
		.rate = { .Bps = Bps, .linklayer = TC_LINKLAYER_ETHERNET },
		.cell_log = 3,
		.ewma_log = 5,
		.avpkt = AVPKT,
		.prio = prio,
		.allot = 1514,
		.weight = weight };
}

static inline struct cbq_conf
bounded(struct cbq_conf conf)
{
	conf.bounded = true;
	return conf;
}

static inline struct cbq_conf
isolated(struct cbq_conf conf)
{
	conf.isolated = true;
	return conf;
}

static inline struct class *
add_cbq_class(uint32_t parent_minor, uint32_t minor, struct cbq_conf conf)
{
	return add_class(CLASSID(1, parent_minor), CLASSID(1, minor), &conf);
}

static inline struct cbq_xstats
xstats_of(uint32_t minor)
{
	const struct class *c = sched_class_find(sched_root(bed.tree), CLASSID(1, minor));
	struct cbq_xstats xstats;

	c->qdisc->ops->classes->get_xstats(c, &xstats);
	return xstats;
}

/* Keeps n packets of `bytes` queued for class 1:minor. */
static inline void
fill(uint32_t minor, uint32_t bytes, uint32_t n)
{
	struct class *c = sched_class_find(sched_root(bed.tree), CLASSID(1, minor));

	while (c->leaf->backlog_pkts < n)
		assert_int_equal(offer_packet(packet(bytes, minor, CLASSID(1, minor), 0)), 1);
}

static inline uint64_t
bytes_of(uint32_t flow, uint64_t from, uint64_t until)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < bed.taken_count; i++) {
		if (bed.taken[i].flow == flow && bed.taken[i].time_ns >= from && bed.taken[i].time_ns < until)
			sum += bed.taken[i].bytes;
	}
	return sum;
}

/*
 * Runs for `duration` over a link of link_Bps (0: as fast as may be) with each of these classes backlogged all the
 * time, by packets of `bytes`.
 */
static inline void
run_backlogged(const uint32_t *minors, unsigned int n, uint32_t bytes, uint64_t link_Bps, uint64_t duration)
{
	uint64_t until = bed.now + duration;

	bed.taken_count = 0;
	while (bed.now < until) {
		uint64_t next;

		for (unsigned int i = 0; i < n; i++)
			fill(minors[i], bytes, 4);
		if (take_more(1) == 1) {
			if (link_Bps != 0)
				bed.now += bed.taken[bed.taken_count - 1].bytes * UINT64_C(1000000000) / link_Bps;
			continue;
		}
		next = sched_next_event(bed.tree, bed.now);
		assert_true(next > bed.now && next != SCHED_NEVER);
		bed.now = next;
	}
}

/* Of what was taken since `from`, in percent of the rate. */
static inline double
percent_of_rate(uint32_t minor, uint64_t Bps, uint64_t from)
{
	return 100.0 * (double)bytes_of(minor, from, bed.now) * 1e9 / ((double)(bed.now - from) * (double)Bps);
}

static inline void
assert_near(double is, double should, double percent, const char *what)
{
	if (fabs(is - should) > should * percent / 100)
		fail_msg("%s: %g instead of %g", what, is, should);
}

#endif
