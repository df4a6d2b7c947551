/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statistics as tc reads them: the nested form and, beside it, the flat one that older programs know; and estimators.
 */
#include <linux/gen_stats.h>

#include "tc/tc.h"

static uint32_t
clamp_u32(uint64_t value)
{
	return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

void
tc_put_rate(struct nl_msgs *msgs, uint64_t Bps, uint64_t pps)
{
	struct gnet_stats_rate_est narrow = { .bps = clamp_u32(Bps), .pps = clamp_u32(pps) };
	struct gnet_stats_rate_est64 wide = { .bps = Bps, .pps = pps };

	nl_put(msgs, TCA_STATS_RATE_EST, &narrow, sizeof(narrow));
	if (wide.bps != narrow.bps)
		nl_put(msgs, TCA_STATS_RATE_EST64, &wide, sizeof(wide));
}

static void
put_stats(struct nl_msgs *msgs, const struct sched_stats *stats, struct sched_rate rate, bool counts_sent,
	put_xstats_fn *put_xstats, const void *xstats)
{
	/* 16 bytes with the padding that libnl insists on. */
	struct {
		struct gnet_stats_basic basic;
	} __attribute__((aligned(8))) b = { { .bytes = stats->bytes, .packets = (uint32_t)stats->packets } };
	struct gnet_stats_queue queue = {
		.qlen = stats->backlog_pkts,
		.backlog = clamp_u32(stats->backlog_bytes),
		.drops = (uint32_t)stats->drops,
		.requeues = (uint32_t)stats->requeues,
		.overlimits = (uint32_t)stats->overlimits,
	};
	struct tc_stats flat = {
		.bytes = stats->bytes,
		.packets = (uint32_t)stats->packets,
		.drops = (uint32_t)stats->drops,
		.overlimits = (uint32_t)stats->overlimits,
		.qlen = stats->backlog_pkts,
		.backlog = clamp_u32(stats->backlog_bytes),
		.bps = clamp_u32(rate.Bps),
		.pps = clamp_u32(rate.pps),
	};
	size_t nest = nl_nest_start(msgs, TCA_STATS2);

	if (counts_sent)
		nl_put(msgs, TCA_STATS_BASIC, &b, sizeof(b));
	if (counts_sent && stats->packets > UINT32_MAX)
		nl_put_u64(msgs, TCA_STATS_PKT64, stats->packets);
	if (rate.set)
		tc_put_rate(msgs, rate.Bps, rate.pps);
	nl_put(msgs, TCA_STATS_QUEUE, &queue, sizeof(queue));
	if (xstats != NULL)
		put_xstats(msgs, TCA_STATS_APP, xstats);
	nl_nest_end(msgs, nest);
	nl_put(msgs, TCA_STATS, &flat, sizeof(flat));
	if (xstats != NULL)
		put_xstats(msgs, TCA_XSTATS, xstats);
}

void
tc_put_stats(struct nl_msgs *msgs, const struct sched_stats *stats, struct sched_rate rate, put_xstats_fn *put_xstats,
	const void *xstats)
{
	put_stats(msgs, stats, rate, true, put_xstats, xstats);
}

void
tc_put_queue_stats(struct nl_msgs *msgs, const struct sched_stats *stats, struct sched_rate rate,
	put_xstats_fn *put_xstats, const void *xstats)
{
	put_stats(msgs, stats, rate, false, put_xstats, xstats);
}

int
tc_parse_rate(const struct nlattr *attr, struct tc_estimator *spec, bool *given, struct error *err)
{
	int rc;

	*given = attr != NULL;
	if (attr == NULL)
		return 0;
	rc = struct_parse(attr, spec, sizeof(*spec), "estimator", err);
	return rc != 0 ? rc : sched_estimator_check(spec, err);
}
