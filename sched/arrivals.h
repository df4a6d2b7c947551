/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What was queued of a burst and is not in the books yet: they are kept by the burst as long as nothing that is queued
 * is dropped.
 */
#ifndef WEIR_SCHED_ARRIVALS_H
#define WEIR_SCHED_ARRIVALS_H

#include <weir/sched.h>

struct arrivals {
	struct rte_mbuf **pkts; /* where the burst stood: what stays is moved to its front */
	uint16_t count;
	uint64_t bytes;
};

static inline void
arrivals_add(struct arrivals *arrivals, struct rte_mbuf *m, uint32_t bytes)
{
	arrivals->pkts[arrivals->count++] = m;
	arrivals->bytes += bytes;
}

static inline void
arrivals_enter_in_books(struct qdisc *q, struct arrivals *arrivals)
{
	qdisc_queued_burst(q, arrivals->pkts, arrivals->count, arrivals->bytes);
	arrivals->pkts += arrivals->count;
	arrivals->count = 0;
	arrivals->bytes = 0;
}

#endif
