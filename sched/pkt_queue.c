/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool of a tree's chunks, and what is not hot of its queues. */
#include "pkt_queue.h"

#include <stdlib.h>

#include <rte_common.h>

#include <weir/sched.h>

#include "tree.h"

_Static_assert(sizeof(struct pkt_chunk) == 128, "a chunk is two cache lines");

/* At the start of each run of chunks. */
struct pkt_slab {
	_Alignas(sizeof(struct pkt_chunk)) struct pkt_slab *next;
};

void
pkt_pool_init(struct pkt_pool *pool)
{
	*pool = (struct pkt_pool){ 0 };
}

void
pkt_pool_destroy(struct pkt_pool *pool)
{
	while (pool->slabs != NULL) {
		struct pkt_slab *slab = pool->slabs;

		pool->slabs = slab->next;
		free(slab);
	}
	pool->free = NULL;
}

bool
pkt_pool_grow(struct pkt_pool *pool)
{
	size_t bytes = arena_next_run(pool->slab_bytes);
	struct pkt_slab *slab = arena_pages(bytes);
	struct pkt_chunk *chunks = (struct pkt_chunk *)(slab + 1);

	if (slab == NULL)
		return false;
	pool->slab_bytes = bytes;
	slab->next = pool->slabs;
	pool->slabs = slab;
	for (size_t i = bytes / sizeof(*chunks) - 1; i-- > 0;)
		pkt_chunk_put(pool, &chunks[i]);
	return true;
}

void
pkt_queue_init(struct pkt_queue *queue, const struct qdisc *q)
{
	*queue = (struct pkt_queue){ .pool = &q->tree->pool };
}

uint16_t
pkt_queue_flush(struct pkt_queue *queue, struct qdisc *q, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t i;

	for (i = 0; i < n && (pkts[i] = pkt_queue_pop(queue)) != NULL; i++)
		qdisc_unqueued(q, pkts[i]);
	return i;
}
