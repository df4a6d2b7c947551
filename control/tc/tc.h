/* SPDX-License-Identifier: BSD-3-Clause */
/* What the handlers of qdiscs, classes and filters share. */
#ifndef WEIR_CONTROL_TC_H
#define WEIR_CONTROL_TC_H

#include <stdio.h>

#include <control.h>
#include <netlink/netlink.h>
#include <tc/qdisc_codec.h>
#include <weir/dataplane.h>

/* The port that tcm_ifindex names; -ENODEV. */
int tc_port(const struct nl_request *req, struct port **port, struct error *err);
typedef void put_xstats_fn(struct nl_msgs *msgs, uint16_t attr, const void *xstats);

/* TCA_STATS2, TCA_STATS and, if xstats is not NULL, the kind's own. */
void tc_put_stats(struct nl_msgs *msgs, const struct sched_stats *stats, struct sched_rate rate,
	put_xstats_fn *put_xstats, const void *xstats);
/* The same of a queue that counts nothing of what it has sent. */
void tc_put_queue_stats(struct nl_msgs *msgs, const struct sched_stats *stats, struct sched_rate rate,
	put_xstats_fn *put_xstats, const void *xstats);

/* TCA_STATS_RATE_EST, and the 64-bit form where that cannot hold it. */
void tc_put_rate(struct nl_msgs *msgs, uint64_t Bps, uint64_t pps);

/* TCA_RATE, checked; attr NULL: *given is false. */
int tc_parse_rate(const struct nlattr *attr, struct tc_estimator *spec, bool *given, struct error *err);

/* Settings that are not as they were at the start, as writes to /proc/sys/net/weir. */
void tc_save_settings(FILE *out);
void tc_save_default_qdisc(FILE *out, const char *kind);

#endif
