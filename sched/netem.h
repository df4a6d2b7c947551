/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of netem share: netem.c (configuration, queue, operations) and netem_chance.c (what chance decides of
 * a packet).
 */
#ifndef WEIR_SCHED_NETEM_H
#define WEIR_SCHED_NETEM_H

#include <weir/qdisc/netem.h>
#include <weir/rate.h>
#include <weir/sched.h>

#include "inner.h"
#include "min_heap.h"
#include "pkt_queue.h"

/* A random number from 0 to 2^32 - 1, of which a share is the one before. */
struct netem_draw {
	uint32_t last;
};

/*
 * What waits, by the time at which it is due. Most packets are due after all that came before: these stand in a line.
 * One that is due before the last of the line stands in a heap. So a constant delay costs a FIFO, and keeps its order.
 */
struct netem_waiting {
	/*
	 * Before all others: what a change has moved here while there was no inner qdisc, which has its way through the
	 * network behind it. What is moved while there is one is there.
	 */
	struct pkt_queue moved;
	struct pkt_queue line; /* each stamped with how long after the one before it is due */
	uint64_t line_due, last_due; /* of the first and of the last in line */
	struct min_heap early;
	uint32_t arrivals; /* in the heap, ever */
};

struct netem {
	struct inner inner;
	struct netem_waiting waiting;
	struct netem_draw delay_draw, loss_draw, duplicate_draw, reorder_draw, corrupt_draw;
	uint32_t since_reordered; /* packets */
	uint8_t state; /* of a chain of losses */
	/* rate */
	struct rate rate;
	uint64_t cell_inverse; /* 2^48 / cell size, rounded up; 0: there are no cells */
	uint64_t free_ns; /* when the emulated link has sent all that came */
	int64_t free_tokens; /* and this much later: a fraction of a nanosecond */
	/* slot */
	uint64_t slot_ns; /* the current or next one starts */
	int64_t slot_packets, slot_bytes; /* that it still takes */
	int16_t *delay_values, *slot_values; /* its own copies of the tables */
	uint64_t random; /* its own series, if it has a seed */
	struct netem_conf conf;
};

/* ---- netem_chance.c */

/* 64 random bits. */
uint64_t netem_random(struct qdisc *q);
/* Does it happen to this packet? */
bool netem_happens(struct qdisc *q, const struct netem_chance *chance, struct netem_draw *draw);
/* By the configured model of losses. */
bool netem_loses(struct qdisc *q, struct netem *n);
/* mean +- jitter, by the table; not less than 0. */
uint64_t netem_random_time(struct qdisc *q, uint64_t mean_ns, uint64_t jitter_ns, uint32_t correlation,
	const struct netem_table *table, struct netem_draw *draw);
/* One bit of the packet is another one. */
void netem_corrupt(struct qdisc *q, struct rte_mbuf *m);

#endif
