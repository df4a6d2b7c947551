/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of fq_codel share: fq_codel.c, the discipline, and fq_codel_flows.c, the lists of flows.
 *
 * A flow with packets stands in one of two lists (RFC 8290 section 4.2): a new one in `fresh`, which is served first,
 * once it has used up its quantum in `old`. Both are rings of flow numbers, so that the flows whose turn is next can be
 * fetched ahead.
 *
 *   new flow --> fresh: a b c --> served until its quantum is used up, or it is empty --> old: d e f <--+
 *                                                                      its turn, and a quantum more: +--+
 */
#ifndef WEIR_SCHED_FQ_CODEL_H
#define WEIR_SCHED_FQ_CODEL_H

#include <weir/qdisc/fq_codel.h>
#include <weir/sched.h>

#include "codel.h"
#include "pkt_queue.h"

#define FQ_FLOWS_MAX 65536u
#define FQ_RANKS     256
#define FQ_NO_FLOW   UINT32_MAX

enum fq_place { FQ_IDLE, FQ_FRESH, FQ_OLD };

/*
 * Flows by size: a flow is of the rank that is an eighth of a power of two of bytes wide. It moves up when it grows out
 * of its rank; when it shrinks it stays, until it is looked at as perhaps the fattest.
 */
struct fq_flow {
	struct pkt_queue queue;
	uint32_t bytes;
	int32_t deficit; /* bytes that it may still send in this turn */
	uint32_t rank_end; /* bytes at which it moves up; 0: it has no rank */
	uint8_t rank;
	uint8_t place; /* enum fq_place */
	uint32_t rank_next, rank_previous; /* flows of the same rank; FQ_NO_FLOW: an end */
	struct codel_state state;
} __attribute__((aligned(128)));

struct fq_ring {
	uint16_t *flows;
	uint32_t first, count, mask;
};

struct fq_codel {
	struct fq_flow *flows;
	struct fq_ring fresh, old;
	uint32_t flow_count;
	uint32_t hash_key;
	uint32_t quantum;
	uint32_t limit; /* packets */
	uint32_t buffers, buffer_limit; /* in use */
	uint32_t drop_batch;
	struct codel_law law;
	struct codel_counters counters;
	uint32_t memory_drops, new_flows;
	uint32_t memory_limit; /* bytes, as configured */
	uint64_t busy_ranks[FQ_RANKS / 64]; /* a bit for each rank that has flows */
	uint32_t rank_first[FQ_RANKS];
};

int fq_flows_init(struct qdisc *q, struct fq_codel *f, struct error *err);
void fq_flows_destroy(struct fq_codel *f);

static inline uint32_t
fq_ring_first(const struct fq_ring *ring)
{
	return ring->flows[ring->first];
}

static inline void
fq_ring_take(struct fq_ring *ring)
{
	ring->first = (ring->first + 1) & ring->mask;
	ring->count--;
}

static inline void
fq_ring_add(struct fq_ring *ring, uint32_t flow)
{
	ring->flows[(ring->first + ring->count++) & ring->mask] = (uint16_t)flow;
}

/* Flow i has bytes of a rank above its own. */
void fq_rank_up(struct fq_codel *f, uint32_t i);
/* The flow with the most bytes, or one with seven eighths of that; FQ_NO_FLOW: all are empty. */
uint32_t fq_fattest(struct fq_codel *f);

/* False when memory is out: m is still the caller's. */
bool fq_push(struct fq_codel *f, uint32_t i, struct rte_mbuf *m, uint32_t bytes, uint32_t arrival);
/* The packet that leaves next, after those that CoDel drops; NULL: all are gone. */
struct rte_mbuf *fq_take(struct fq_codel *f, struct codel_burst *burst);
/* Takes the first packet of flow i. */
struct rte_mbuf *fq_take_first(struct fq_codel *f, uint32_t i);
/* Nothing is queued any more: the flows that still have a place in a list lose it. */
void fq_forget_flows(struct fq_codel *f);

#endif
