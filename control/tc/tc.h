/* SPDX-License-Identifier: BSD-3-Clause */
/* What the handlers of qdiscs, classes and filters share. */
#ifndef WEIR_CONTROL_TC_H
#define WEIR_CONTROL_TC_H

#include <control.h>
#include <netlink/netlink.h>
#include <tc/qdisc_codec.h>
#include <weir/dataplane.h>

/* The port that tcm_ifindex names; -ENODEV. */
int tc_port(const struct nl_request *req, struct port **port, struct error *err);
/* TCA_STATS2, TCA_STATS and, if xstats is not NULL, the kind's own. */
void tc_put_stats(struct nl_msgs *msgs, const struct sched_stats *stats,
	void (*put_xstats)(struct nl_msgs *msgs, uint16_t attr, const void *xstats), const void *xstats);

#endif
