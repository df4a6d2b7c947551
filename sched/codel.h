/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Controlled delay, RFC 8289, for disciplines whose packets wait in a pkt_queue: codel has one of them, fq_codel one a
 * flow.
 *
 * A packet's delay is the time it was in the queue. When all that left in an interval had waited for longer than the
 * target, packets are dropped as they leave, the n-th in a row interval / sqrt(n) after the one before, until one has
 * waited for less.
 *
 *   delay ^      /\        x  x x xx           x: dropped, in shorter and shorter steps
 *         |     /  \__/\_________/\_  \
 *  target |----/---------------------\----
 *         |___/|<--- interval --->|   \___> time
 *
 * What a delay is measured from stands beside the packet in its queue (pkt_entry.stamp), in 32 bits of 1.024 us: one
 * that waits for 73 minutes counts as one that has just come.
 */
#ifndef WEIR_SCHED_CODEL_H
#define WEIR_SCHED_CODEL_H

#include <weir/qdisc/codel.h>
#include <weir/sched.h>

#include "pkt_queue.h"

#define CODEL_TICK_SHIFT 10
#define CODEL_NEVER_NS   UINT64_MAX
#define CODEL_NEVER      UINT32_MAX /* ticks: no delay is longer */

/* A buffer, and what a packet takes of them by its length: the mbuf has left the cache by the time it leaves. */
#define CODEL_BUFFER_BYTES (RTE_MBUF_DEFAULT_BUF_SIZE + sizeof(struct rte_mbuf) + sizeof(struct pkt))

static inline uint32_t
codel_buffers(uint32_t bytes)
{
	return (bytes + RTE_MBUF_DEFAULT_DATAROOM - 1) / RTE_MBUF_DEFAULT_DATAROOM;
}

/* What is configured. */
struct codel_law {
	uint32_t target, interval, ce_threshold; /* ticks */
	uint64_t interval_ns;
	bool ecn;
	uint8_t ce_mask, ce_selector; /* ce_threshold is for packets whose DS field, so masked, is this */
};

/* Of one queue; see codel_state_init. */
struct codel_state {
	uint64_t
		first_above_ns; /* if the delay is above the target until then, drop; CODEL_NEVER_NS: it is not above */
	uint64_t drop_next_ns;
	uint32_t count, last_count;
	uint32_t delay; /* ticks; of the latest packet */
	bool dropping;
};

struct codel_counters {
	uint32_t largest_bytes, limit_drops, ecn_marks, ce_marks;
};

/* A dequeue: what all of its packets have in common. */
struct codel_burst {
	struct qdisc *q;
	const struct codel_law *law;
	struct codel_counters *counters;
	uint64_t now;
	uint32_t now_ticks;
	uint32_t frame; /* the longest that the port sends: with no more than that left, nothing is dropped */
	uint64_t backlog; /* bytes in q, without those that this burst has taken */
	uint64_t taken; /* bytes that are to leave */
	uint32_t buffers; /* of all packets that were popped */
};

static inline uint32_t
codel_ticks(uint64_t ns)
{
	return (uint32_t)(ns >> CODEL_TICK_SHIFT);
}

static inline void
codel_state_init(struct codel_state *state)
{
	*state = (struct codel_state){ .first_above_ns = CODEL_NEVER_NS };
}

/* 2^32 / sqrt(count), rounded to the nearest, for a count of at least 1. */
uint64_t codel_inverse_sqrt(uint32_t count);

/* The defaults of RFC 8289 section 4.4: 5 ms and 100 ms. */
void codel_law_init(struct codel_law *law, bool ecn);
/* Checks the times that `given` speaks of and takes them into the law. */
int codel_law_set(
	struct codel_law *law, const struct codel_times *times, uint32_t given, const char *kind, struct error *err);
/* What codel_law_set has made of them; returns what there is as CODEL_*. */
uint32_t codel_law_get(const struct codel_law *law, struct codel_times *times);
struct codel_queue_xstats codel_state_show(const struct codel_state *state, uint64_t now);

static inline struct codel_burst
codel_burst_start(struct qdisc *q, const struct codel_law *law, struct codel_counters *counters, uint64_t now)
{
	return (struct codel_burst){ .q = q,
		.law = law,
		.counters = counters,
		.now = now,
		.now_ticks = codel_ticks(now),
		.frame = qdisc_mtu(q) + 14,
		.backlog = q->backlog_bytes };
}

/*
 * When a packet arrived: now, but one that a change moves keeps the time at which it came to the tree.
 */
static inline uint32_t
codel_arrival(const struct qdisc *q, const struct rte_mbuf *m, uint64_t now)
{
	return codel_ticks(unlikely(qdisc_moving(q)) ? pkt_of((struct rte_mbuf *)(uintptr_t)m)->time_ns : now);
}

/* The rarer part of codel_take: its first packet m may be dropped (`above`), or drops were going on. NULL: all went. */
struct rte_mbuf *codel_control(
	struct codel_burst *burst, struct pkt_queue *queue, struct codel_state *state, struct rte_mbuf *m, bool above);
/* m, which leaves, has waited for longer than the ce_threshold. */
void codel_pass_threshold(struct codel_burst *burst, struct rte_mbuf *m);

/* Pops the first packet; *above: the delay has been above the target for an interval. */
static inline struct rte_mbuf *
codel_pop(struct codel_burst *burst, struct pkt_queue *queue, struct codel_state *state, bool *above)
{
	const struct pkt_entry *first = pkt_queue_first(queue);

	*above = false;
	if (first == NULL) {
		state->first_above_ns = CODEL_NEVER_NS;
		return NULL;
	}
	state->delay = burst->now_ticks - first->stamp;
	burst->backlog -= first->bytes;
	burst->buffers += codel_buffers(first->bytes);
	if (first->bytes > burst->counters->largest_bytes)
		burst->counters->largest_bytes = first->bytes;
	if (state->delay < burst->law->target || burst->backlog <= burst->frame)
		state->first_above_ns = CODEL_NEVER_NS;
	else if (state->first_above_ns == CODEL_NEVER_NS)
		state->first_above_ns = burst->now + burst->law->interval_ns;
	else
		*above = burst->now >= state->first_above_ns;
	return pkt_queue_pop(queue);
}

/*
 * The packet of this queue that leaves next, after those that are dropped; NULL: there is none. Drops are entered in
 * the books, what leaves is not yet.
 */
static inline struct rte_mbuf *
codel_take(struct codel_burst *burst, struct pkt_queue *queue, struct codel_state *state)
{
	uint64_t before = burst->backlog;
	bool above;
	struct rte_mbuf *m = codel_pop(burst, queue, state, &above);

	if (unlikely(above || state->dropping)) {
		m = codel_control(burst, queue, state, m, above);
		if (m == NULL)
			return NULL;
		before = burst->backlog + pkt_queued_bytes(m);
	}
	burst->taken += before - burst->backlog;
	if (unlikely(state->delay > burst->law->ce_threshold) && m != NULL)
		codel_pass_threshold(burst, m);
	return m;
}

#endif
