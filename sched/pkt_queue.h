/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A FIFO of packets in chunks of {mbuf, bytes}: what a discipline asks of a waiting packet is answered without touching
 * the mbuf, which has long left the cache. Chunks come from a pool that all queues of a tree share and go back to it,
 * so memory follows what is queued. The pool grows by slabs when the tree holds more than ever before; in the steady
 * state nothing is allocated.
 */
#ifndef WEIR_SCHED_PKT_QUEUE_H
#define WEIR_SCHED_PKT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

struct qdisc;

#define PKT_CHUNK_ENTRIES 7 /* makes a chunk two cache lines */

struct pkt_entry {
	struct rte_mbuf *m;
	uint32_t bytes; /* as the discipline counts them */
	uint32_t stamp; /* the discipline's own, as when the packet came */
};

struct pkt_chunk {
	struct pkt_chunk *next, *previous;
	struct pkt_entry entries[PKT_CHUNK_ENTRIES];
};

struct pkt_pool {
	struct pkt_chunk *free;
	struct pkt_slab *slabs;
	size_t slab_bytes; /* of the last one */
};

struct pkt_queue {
	struct pkt_chunk *head, *tail; /* NULL while empty */
	struct pkt_pool *pool;
	uint16_t head_index; /* of the first packet in head */
	uint16_t tail_index; /* of the first free place in tail */
	uint32_t count; /* packets */
};

void pkt_pool_init(struct pkt_pool *pool);
void pkt_pool_destroy(struct pkt_pool *pool); /* all queues must be empty */
bool pkt_pool_grow(struct pkt_pool *pool);

/* An empty queue that takes its memory from q's tree. */
void pkt_queue_init(struct pkt_queue *queue, const struct qdisc *q);

static inline struct pkt_chunk *
pkt_chunk_get(struct pkt_pool *pool)
{
	if (unlikely(pool->free == NULL) && !pkt_pool_grow(pool))
		return NULL;
	struct pkt_chunk *chunk = pool->free;

	pool->free = chunk->next;
	return chunk;
}

static inline void
pkt_chunk_put(struct pkt_pool *pool, struct pkt_chunk *chunk)
{
	chunk->next = pool->free;
	pool->free = chunk;
}

/* False when memory is out: the packet is still the caller's. */
static inline bool
pkt_queue_push_stamped(struct pkt_queue *queue, struct rte_mbuf *m, uint32_t bytes, uint32_t stamp)
{
	if (queue->tail == NULL || queue->tail_index == PKT_CHUNK_ENTRIES) {
		struct pkt_chunk *chunk = pkt_chunk_get(queue->pool);

		if (unlikely(chunk == NULL))
			return false;
		chunk->next = NULL;
		chunk->previous = queue->tail;
		if (queue->tail != NULL) {
			queue->tail->next = chunk;
		} else {
			queue->head = chunk;
			queue->head_index = 0;
		}
		queue->tail = chunk;
		queue->tail_index = 0;
	}
	queue->tail->entries[queue->tail_index++] = (struct pkt_entry){ .m = m, .bytes = bytes, .stamp = stamp };
	queue->count++;
	return true;
}

static inline bool
pkt_queue_push(struct pkt_queue *queue, struct rte_mbuf *m, uint32_t bytes)
{
	return pkt_queue_push_stamped(queue, m, bytes, 0);
}

/* The first packet; NULL: empty. */
static inline const struct pkt_entry *
pkt_queue_first(const struct pkt_queue *queue)
{
	return queue->count == 0 ? NULL : &queue->head->entries[queue->head_index];
}

static inline struct rte_mbuf *
pkt_queue_pop(struct pkt_queue *queue)
{
	if (queue->count == 0)
		return NULL;
	struct pkt_chunk *chunk = queue->head;
	struct rte_mbuf *m = chunk->entries[queue->head_index++].m;

	if (--queue->count == 0) {
		queue->head = queue->tail = NULL;
		pkt_chunk_put(queue->pool, chunk);
	} else if (queue->head_index == PKT_CHUNK_ENTRIES) {
		queue->head = chunk->next;
		queue->head->previous = NULL;
		queue->head_index = 0;
		pkt_chunk_put(queue->pool, chunk);
	}
	return m;
}

/* At most n of the first packets, whose bytes are added to *bytes. */
static inline uint16_t
pkt_queue_pop_burst(struct pkt_queue *queue, struct rte_mbuf **pkts, uint16_t n, uint64_t *bytes)
{
	uint16_t i, count = n < queue->count ? n : (uint16_t)queue->count;

	for (i = 0; i < count; i++) {
		*bytes += queue->head->entries[queue->head_index].bytes;
		pkts[i] = pkt_queue_pop(queue);
	}
	return count;
}

/* What the first packets count, at most n of them. */
static inline uint16_t
pkt_queue_peek_bytes(const struct pkt_queue *queue, uint32_t *bytes, uint16_t n)
{
	uint16_t i, count = n < queue->count ? n : (uint16_t)queue->count, at = queue->head_index;
	const struct pkt_chunk *chunk = queue->head;

	for (i = 0; i < count; i++) {
		if (at == PKT_CHUNK_ENTRIES) {
			chunk = chunk->next;
			at = 0;
		}
		bytes[i] = chunk->entries[at++].bytes;
	}
	return count;
}

/* Ahead of a pop: step 0 fetches the first entry, step 1 the packet that it names. */
static inline void
pkt_queue_prefetch(const struct pkt_queue *queue, unsigned int step)
{
	const struct pkt_entry *first = pkt_queue_first(queue);

	if (first != NULL)
		rte_prefetch0(step == 0 ? (const void *)first : first->m);
}

/* Takes the last one: for disciplines that drop at the tail of another flow. */
static inline struct rte_mbuf *
pkt_queue_pop_last(struct pkt_queue *queue)
{
	if (queue->count == 0)
		return NULL;
	struct pkt_chunk *chunk = queue->tail;
	struct rte_mbuf *m = chunk->entries[--queue->tail_index].m;

	if (--queue->count == 0) {
		queue->head = queue->tail = NULL;
		pkt_chunk_put(queue->pool, chunk);
	} else if (queue->tail_index == 0) {
		queue->tail = chunk->previous;
		queue->tail->next = NULL;
		queue->tail_index = PKT_CHUNK_ENTRIES;
		pkt_chunk_put(queue->pool, chunk);
	}
	return m;
}

/* What most queues do when they are flushed: packets in order, with the accounting of qdisc_unqueued. */
uint16_t pkt_queue_flush(struct pkt_queue *queue, struct qdisc *q, struct rte_mbuf **pkts, uint16_t n);

#endif
