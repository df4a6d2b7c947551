/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of netem share. */
#ifndef WEIR_TEST_SCHED_SUPPORT_NETEM_H
#define WEIR_TEST_SCHED_SUPPORT_NETEM_H

#include <math.h>

#include <weir/qdisc/netem.h>

#include "support.h"

#define PERCENT(n) ((uint32_t)((n) / 100.0 * UINT32_MAX))

static inline struct qdisc *
make_netem(struct netem_conf conf)
{
	if (conf.limit == 0)
		conf.limit = 100000;
	return make_qdisc("netem", &conf);
}

static inline void
offer_n(uint32_t n, uint32_t bytes)
{
	for (uint32_t i = 0; i < n; i++)
		offer_packet(packet(bytes, 1, 0, 0));
}

#endif
