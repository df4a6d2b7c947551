/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of sfq share: traffic written as strings, and the buckets that a dump shows.
 *
 * "a3 b2x214" is three packets of flow a and two of 214 bytes of flow b, and what leaves is "a0 a1 b0": flow and number
 * within it. A flow is put in a bucket of its own by a priority that names it, so that no collision disturbs.
 */
#ifndef WEIR_TESTS_UNIT_SCHED_SUPPORT_SFQ_H
#define WEIR_TESTS_UNIT_SCHED_SUPPORT_SFQ_H

#include <weir/action/gact.h>
#include <weir/filter/fw.h>
#include <weir/qdisc/fifo.h>
#include <weir/qdisc/sfq.h>

#include "class_snapshot.h"
#include "support.h"

#define FRAME 1014

static uint32_t numbers[128]; /* next number of each flow */
static char names[BED_BUFFERS][8]; /* by id */

static inline struct qdisc *
make_sfq(const struct sfq_conf *conf)
{
	memset(numbers, 0, sizeof(numbers));
	return make_qdisc("sfq", conf);
}

static inline struct rte_mbuf *
named_packet(char flow, uint32_t bytes, uint32_t priority)
{
	struct rte_mbuf *m = packet(bytes, (uint32_t)flow, priority, 0);

	snprintf(names[pkt_of(m)->nexthop % BED_BUFFERS], sizeof(names[0]), "%c%u", flow,
		numbers[(uint8_t)flow]++ % 10000);
	return m;
}

/* Offers "a3 b2x214 c": flow a is bucket 0, b bucket 1 and so on. */
static inline void
arrive(const char *plan)
{
	while (*plan != '\0') {
		char flow = *plan++, *end;
		unsigned long n = strtoul(plan, &end, 10), bytes = FRAME;

		if (*end == 'x')
			bytes = strtoul(end + 1, &end, 10);
		for (unsigned long i = 0; i < RTE_MAX(n, 1ul); i++)
			offer_packet(named_packet(flow, (uint32_t)bytes, CLASSID(1, flow - 'a' + 1)));
		plan = end + (*end == ' ');
	}
}

/* What leaves now, at most n packets, is `expected`. */
static inline void
assert_leaves_n(uint32_t n, const char *expected)
{
	char line[4096];
	size_t at = 0;

	line[0] = '\0';
	take(n, bed.now);
	for (uint32_t i = 0; i < bed.taken_count; i++)
		at += (size_t)snprintf(
			line + at, sizeof(line) - at, "%s%s", i == 0 ? "" : " ", names[bed.taken[i].id % BED_BUFFERS]);
	assert_string_equal(line, expected);
}

static inline void
assert_leaves(const char *expected)
{
	assert_leaves_n(UINT32_MAX, expected);
}

/* ---- buckets */

static uint32_t buckets[64]; /* classids that a dump shows */
static uint32_t buckets_count, buckets_packets;

static inline int
note_bucket(void *arg, struct class *c)
{
	struct sched_stats stats;

	class_get_stats(c, &stats);
	assert_true(buckets_count < RTE_DIM(buckets));
	buckets[buckets_count++] = c->classid;
	buckets_packets += stats.backlog_pkts;
	return 0;
}

static inline void
dump(const struct qdisc *q)
{
	buckets_count = buckets_packets = 0;
	assert_int_equal(class_snapshot_walk(q, note_bucket, NULL), 0);
}

static inline uint32_t
bucket_for(struct qdisc *q, struct rte_mbuf *m)
{
	assert_int_equal(sched_backlog(bed.tree), 0);
	offer_packet(m);
	dump(q);
	take(9, bed.now);
	return buckets_count == 0 ? 0 : TC_H_MIN(buckets[0]);
}

/* ---- packets */

static inline struct rte_ipv4_hdr *
ipv4_of(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, sizeof(struct rte_ether_hdr));
}

static inline void
assert_flows_in_order(void)
{
	uint32_t last[256];

	memset(last, 0xff, sizeof(last));
	for (uint32_t i = 0; i < bed.taken_count; i++) {
		uint32_t *before = &last[bed.taken[i].flow % 256];

		assert_true(*before == UINT32_MAX || *before < bed.taken[i].id);
		*before = bed.taken[i].id;
	}
}

#endif
