/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pfifo and bfifo from inside, for a parent that has thousands of them as leaves, to which packets come one by one: a
 * call by ops, with the books kept up to the root for each packet, costs more than the queue itself.
 *
 * The first packets of a queue stand in the qdisc's own second line, and only what comes behind them in chunks:
 *
 *   struct qdisc                      | struct fifo
 *   ... cold ... | ops .. backlog sent | limit first count : bytes x 4 : packets x 4 : head | tail ... -> chunks
 *                |<------ line ------->|<-------------------- line ----------------------->|
 */
#ifndef WEIR_SCHED_FIFO_H
#define WEIR_SCHED_FIFO_H

#include <weir/sched.h>

#include "pkt_queue.h"

#define FIFO_NEAR 4

struct fifo {
	uint32_t limit; /* packets or bytes */
	uint8_t first, count; /* of the near ones, which are a ring */
	uint32_t bytes[FIFO_NEAR];
	struct rte_mbuf *near[FIFO_NEAR];
	struct pkt_queue far; /* behind them; while there are any, who comes goes there */
};

/* False when memory is out: the packet is still the caller's. */
static inline bool
fifo_push(struct fifo *f, struct rte_mbuf *m, uint32_t bytes)
{
	if (likely(f->count < FIFO_NEAR && f->far.head == NULL)) {
		unsigned int at = (f->first + f->count++) % FIFO_NEAR;

		f->bytes[at] = bytes;
		f->near[at] = m;
		return true;
	}
	return pkt_queue_push(&f->far, m, bytes);
}

/* At most n of the first packets, whose bytes are added to *bytes. */
static inline uint16_t
fifo_pop_burst(struct fifo *f, struct rte_mbuf **pkts, uint16_t n, uint64_t *bytes)
{
	uint16_t got = 0;

	for (; got < n && f->count != 0; f->count--) {
		*bytes += f->bytes[f->first];
		pkts[got++] = f->near[f->first];
		f->first = (f->first + 1) % FIFO_NEAR;
	}
	if (unlikely(got < n && f->far.head != NULL))
		got += pkt_queue_pop_burst(&f->far, pkts + got, n - got, bytes);
	return got;
}

/* What the first packet of one that is not empty counts. */
static inline uint32_t
fifo_first_bytes(const struct fifo *f)
{
	return likely(f->count != 0) ? f->bytes[f->first] : pkt_queue_first(&f->far)->bytes;
}

/* Ahead of a pop: what is behind the near ones. */
static inline void
fifo_prefetch(const struct fifo *f)
{
	const struct pkt_chunk *head = f->far.head;

	if (head != NULL && f->count == 0)
		rte_prefetch0(&head->entries[f->far.head_index]);
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
		unsigned int at = f->first;

		*bytes = f->bytes[at];
		m = f->near[at];
		f->first = (at + 1) % FIFO_NEAR;
		f->count--;
	} else {
		*bytes = pkt_queue_first(&f->far)->bytes;
		m = pkt_queue_pop(&f->far);
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
