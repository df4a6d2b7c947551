/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfifo and bfifo from inside, for a parent that has thousands of them as leaves, to which packets come one by one: a
 * call by ops, with the books kept up to the root for each packet, costs more than the queue itself.
 *
 * The first packets of a queue stand in what is left of the line of the qdisc's counters and in the next line, and
 * only what comes behind them in chunks:
 *
 *   struct qdisc         | struct fifo
 *   ... cold, ops ... | backlog sent | limit first count : 3 packets | 5 packets : head tail ... -> chunks
 *                     |<---------------- line ---------------------->|<------ line ------...
 */
#ifndef WEIR_SCHED_FIFO_H
#define WEIR_SCHED_FIFO_H

#include <weir/sched.h>

#include "pkt_queue.h"

#define FIFO_NEAR       8
#define FIFO_IN_LINE    3 /* so many of them are in the line of the counters */
#define FIFO_NEAR_BYTES UINT16_MAX /* what a near packet counts at most */

/* A packet's address, and above its 48 bits, which is all that a process has, what it counts. */
typedef uint64_t fifo_entry;

struct fifo {
	uint32_t limit; /* packets or bytes */
	uint8_t first, count; /* of the near ones, which are a ring */
	bool has_far;
	fifo_entry near[FIFO_NEAR];
	struct pkt_queue far; /* behind them; while there are any, who comes goes there */
};

static inline struct rte_mbuf *
fifo_packet(fifo_entry entry)
{
	return (struct rte_mbuf *)(uintptr_t)(entry & (UINT64_MAX >> 16));
}

static inline uint32_t
fifo_bytes(fifo_entry entry)
{
	return (uint32_t)(entry >> 48);
}

/* Once nobody is near, the next ones stand in the first line again. */
static inline fifo_entry
fifo_take_near(struct fifo *f)
{
	fifo_entry entry = f->near[f->first];

	f->first = --f->count == 0 ? 0 : (f->first + 1) % FIFO_NEAR;
	return entry;
}

/* False when memory is out: the packet is still the caller's. */
static inline bool
fifo_push(struct fifo *f, struct rte_mbuf *m, uint32_t bytes)
{
	if (likely(f->count < FIFO_NEAR && !f->has_far && bytes <= FIFO_NEAR_BYTES)) {
		f->near[(f->first + f->count++) % FIFO_NEAR] = (uint64_t)bytes << 48 | (uintptr_t)m;
		return true;
	}
	if (unlikely(!pkt_queue_push(&f->far, m, bytes)))
		return false;
	f->has_far = true;
	return true;
}

/* At most n of the first packets, whose bytes are added to *bytes. */
static inline uint16_t
fifo_pop_burst(struct fifo *f, struct rte_mbuf **pkts, uint16_t n, uint64_t *bytes)
{
	uint16_t got = 0;

	while (got < n && f->count != 0) {
		fifo_entry entry = fifo_take_near(f);

		*bytes += fifo_bytes(entry);
		pkts[got++] = fifo_packet(entry);
	}
	if (unlikely(got < n && f->has_far)) {
		got += pkt_queue_pop_burst(&f->far, pkts + got, n - got, bytes);
		f->has_far = f->far.count != 0;
	}
	return got;
}

/* What the first packet of one that is not empty counts. */
static inline uint32_t
fifo_first_bytes(const struct fifo *f)
{
	return likely(f->count != 0) ? fifo_bytes(f->near[f->first]) : pkt_queue_first(&f->far)->bytes;
}

/* Ahead of a pop, with the qdisc's line there: what stands elsewhere. */
static inline void
fifo_prefetch(const struct fifo *f)
{
	if (likely(f->count != 0))
		rte_prefetch0(&f->near[f->first + f->count > FIFO_IN_LINE ? FIFO_IN_LINE : 0]);
	else if (f->has_far)
		rte_prefetch0(&f->far.head->entries[f->far.head_index]);
}

/*
 * The two below are for a qdisc that is plain (struct qdisc). They keep its own books; what it passed is the parent's
 * to sum up, for qdisc_queued_below and qdisc_left_below, and so is to notice that it turned busy or idle.
 */

/* False: it is full, or memory is out; to be enqueued as ever. */
static inline bool
fifo_take(struct qdisc *q, struct rte_mbuf *m, uint64_t *bytes)
{
	struct fifo *f = qdisc_priv(q);
	uint32_t counted;

	if (unlikely(q->backlog_pkts >= f->limit))
		return false;
	counted = m->hash.fdir.hi = pkt_frame_bytes(m);
	if (unlikely(!fifo_push(f, m, counted)))
		return false;
	q->backlog_bytes += counted;
	q->backlog_pkts++;
	*bytes += counted;
	return true;
}

/* The first packet of one that is not empty. */
static inline struct rte_mbuf *
fifo_give_one(struct qdisc *q, uint32_t *bytes)
{
	struct fifo *f = qdisc_priv(q);
	struct rte_mbuf *m;

	if (likely(f->count != 0)) {
		fifo_entry entry = fifo_take_near(f);

		*bytes = fifo_bytes(entry);
		m = fifo_packet(entry);
	} else {
		*bytes = pkt_queue_first(&f->far)->bytes;
		m = pkt_queue_pop(&f->far);
		f->has_far = f->far.count != 0;
	}
	q->backlog_bytes -= *bytes;
	q->backlog_pkts--;
	q->sent_bytes += *bytes;
	q->sent_packets++;
	return m;
}

/* At most n packets; returns how many. */
static inline uint16_t
fifo_give(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint32_t *bytes)
{
	uint64_t sum = 0;
	uint16_t got = fifo_pop_burst(qdisc_priv(q), pkts, n, &sum);

	q->backlog_bytes -= sum;
	q->backlog_pkts -= got;
	q->sent_bytes += sum;
	q->sent_packets += got;
	*bytes = (uint32_t)sum;
	return got;
}

#endif
