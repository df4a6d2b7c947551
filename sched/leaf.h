/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a classful discipline does with its leaf qdiscs where there may be thousands of them: nearly all are plain FIFOs
 * (struct qdisc), which are filled and emptied without calls (sched/fifo.h), and what passed is summed up for the books
 * of the discipline's own qdisc and those above.
 */
#ifndef WEIR_SCHED_LEAF_H
#define WEIR_SCHED_LEAF_H

#include <weir/sched.h>

#include "fifo.h"
#include "tree.h"

/* Packets that plain leaves gave, not yet counted by the qdisc above them. */
struct leaf_sums {
	uint32_t packets;
	uint64_t bytes;
};

/* A class whose leaf stands elsewhere, and must be there itself: the leaf. */
static inline void
leaf_prefetch(const struct class *c)
{
	if (unlikely(c->leaf != class_room(c)) && c->leaf != NULL)
		qdisc_prefetch_self(c->leaf);
}

/*
 * First stage of an enqueue of at most SCHED_BURST packets: the classes that they are for, of q or below it, which have
 * not been near the processor since their last packets, are fetched together. What is found is for tree_class_above.
 */
static inline void
leaf_find(const struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, struct class **found)
{
	const struct sched_tree *tree = q->tree;

	for (uint16_t i = 0; i < n; i++) {
		found[i] = tree_named_class(tree, pkts[i]);
		if (likely(found[i] != NULL))
			class_prefetch(found[i]);
	}
	for (uint16_t i = 0; unlikely(q->class_table->leaves_elsewhere != 0) && i < n; i++) {
		if (found[i] != NULL)
			leaf_prefetch(found[i]);
	}
}

/*
 * Enqueue of a discipline whose classes all packets go to: `otherwise` has those that no class is for; NULL: they are
 * dropped. Those of them that a change moves here go ahead of all (qdisc_put_ahead). Who turns busy is told
 * (class_ops.activate), and who may wait by itself, that something has come (class_ops.grafted).
 */
uint16_t leaf_enqueue(struct qdisc *q, struct class *otherwise, struct rte_mbuf **pkts, uint16_t n, uint64_t now);

/*
 * At most n packets, *bytes together, of c's leaf, which is not empty; 0: it gives none now. Who turns idle is told
 * (class_ops.deactivate).
 */
static inline uint16_t
leaf_give(struct class *c, struct rte_mbuf **pkts, uint16_t n, uint64_t *bytes, struct leaf_sums *sums, uint64_t now)
{
	struct qdisc *leaf = c->leaf;
	uint16_t got = 1;
	uint32_t sum;

	if (unlikely(!leaf->plain)) {
		uint64_t before = leaf->sent_bytes;

		got = qdisc_dequeue(leaf, pkts, n, now);
		*bytes = leaf->sent_bytes - before;
		return got;
	}
	if (likely(n == 1))
		pkts[0] = fifo_give_one(leaf, &sum);
	else
		got = fifo_give(leaf, pkts, n, &sum);
	*bytes = sum;
	sums->packets += got;
	sums->bytes += sum;
	if (leaf->backlog_pkts == 0)
		c->qdisc->ops->classes->deactivate(c, now);
	return got;
}

/* What the first packet of c's leaf counts; 0: it gives none now. */
static inline uint32_t
leaf_first_bytes(struct qdisc *leaf, uint64_t now)
{
	const struct rte_mbuf *m;
	uint32_t bytes;

	if (likely(leaf->plain && leaf->backlog_pkts != 0))
		return fifo_first_bytes(qdisc_priv(leaf));
	if (qdisc_peek_bytes(leaf, &bytes, 1) != 0)
		return bytes;
	m = qdisc_peek(leaf, now);
	return m == NULL ? 0 : pkt_queued_bytes(m);
}

/* What a leaf, which must be there, will touch to give a packet; the packet itself is for who sends it to fetch. */
static inline void
leaf_prefetch_queue(const struct class *c)
{
	const struct qdisc *leaf = c->leaf;

	if (likely(leaf != NULL && leaf->plain))
		fifo_prefetch(qdisc_priv(leaf));
	else if (leaf != NULL)
		qdisc_prefetch(leaf, 0);
}

#endif
