/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfifo and bfifo from inside, for a parent that has thousands of them as leaves, to which packets come one by one: a
 * call by ops, with the books kept up to the root for each packet, costs more than the queue itself.
 *
 * The first packets of a queue stand in what is left of the line of the qdisc's counters, four more in the next line,
 * and only what comes behind them in chunks. So one that holds no more than three touches that line alone: when the
 * first packet goes, the others move up.
 *
 *   struct qdisc         | struct fifo
 *   ... cold, ops ... | backlog sent | limit first count : 3 packets | ring of 4 : head tail ... -> chunks
 *                     |<---------------- line ---------------------->|<------ line ------...
 */
#ifndef WEIR_SCHED_FIFO_H
#define WEIR_SCHED_FIFO_H

#include <weir/sched.h>

#include "pkt_queue.h"

#define FIFO_IN_LINE    3 /* packets in the line of the counters */
#define FIFO_RING       4
#define FIFO_NEAR       (FIFO_IN_LINE + FIFO_RING)
#define FIFO_NEAR_BYTES UINT16_MAX /* what a near packet counts at most */

/* A packet's address, and above its 48 bits, which is all that a process has, what it counts. */
typedef uint64_t fifo_entry;

struct fifo {
	uint32_t limit; /* packets or bytes */
	uint8_t first; /* place in the ring; 0 where less than three wait */
	uint8_t count; /* of near packets */
	bool has_far;
	fifo_entry near[FIFO_NEAR]; /* the first three in order, then the ring */
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

/* Where the i-th of the near packets is, from the fourth on, and where the next one is to be. */
static inline unsigned int
fifo_place(const struct fifo *f, unsigned int i)
{
	unsigned int place = f->first + i;

	return place - FIFO_RING * (place >= FIFO_NEAR);
}

static inline fifo_entry
fifo_near_at(const struct fifo *f, unsigned int i)
{
	return f->near[i < FIFO_IN_LINE ? i : fifo_place(f, i)];
}

/* How many there are cannot be guessed, so no branch here and in fifo_place depends on it. */
static inline fifo_entry
fifo_take_near(struct fifo *f)
{
	fifo_entry entry = f->near[0];
	unsigned int in_ring = f->count > FIFO_IN_LINE, first = f->first;

	f->near[0] = f->near[1];
	f->near[1] = f->near[2];
	f->near[2] = f->near[2 + first + in_ring];
	f->first = (first + 1) % FIFO_RING & -in_ring;
	f->count--;
	return entry;
}

/* n of them go, whoever has read them. */
static inline void
fifo_drop_near(struct fifo *f, unsigned int n)
{
	unsigned int left = f->count - n;

	if (likely(left == 0)) {
		f->first = f->count = 0;
		return;
	}
	for (unsigned int i = 0; i < FIFO_IN_LINE && i < left; i++)
		f->near[i] = fifo_near_at(f, n + i);
	f->first = left > FIFO_IN_LINE ? (f->first + n) % FIFO_RING : 0;
	f->count = (uint8_t)left;
}

/* False when memory is out: the packet is still the caller's. */
static inline bool
fifo_push(struct fifo *f, struct rte_mbuf *m, uint32_t bytes)
{
	if (likely(f->count < FIFO_NEAR && !f->has_far && bytes <= FIFO_NEAR_BYTES)) {
		f->near[fifo_place(f, f->count++)] = (uint64_t)bytes << 48 | (uintptr_t)m;
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
	uint16_t got, near = n < f->count ? n : f->count;

	for (got = 0; got < near; got++) {
		fifo_entry entry = fifo_near_at(f, got);

		*bytes += fifo_bytes(entry);
		pkts[got] = fifo_packet(entry);
	}
	if (near != 0)
		fifo_drop_near(f, near);
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
	return likely(f->count != 0) ? fifo_bytes(f->near[0]) : pkt_queue_first(&f->far)->bytes;
}

/* Ahead of a pop, with the qdisc's line there: what stands elsewhere. */
static inline void
fifo_prefetch(const struct fifo *f)
{
	if (likely(f->count != 0))
		rte_prefetch0(&f->near[f->count > FIFO_IN_LINE ? FIFO_IN_LINE : 0]);
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
