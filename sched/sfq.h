/* SPDX-License-Identifier: BSD-3-Clause */
/* What the two files of sfq share: sfq.c, the discipline, and sfq_flows.c, its flows. */
#ifndef WEIR_SCHED_SFQ_H
#define WEIR_SCHED_SFQ_H

#include <weir/qdisc/sfq.h>
#include <weir/sched.h>

#include "flow_hash.h"
#include "pkt_queue.h"
#include "red_average.h"

#define SFQ_DEPTH_MAX   127u
#define SFQ_FLOWS_MAX   65408u
#define SFQ_DIVISOR_MAX 65536u
#define SFQ_NONE        UINT16_MAX /* no flow: an end of a list */

/* A bucket that holds packets. */
struct sfq_flow {
	struct pkt_queue queue;
	uint64_t bytes;
	int64_t allot; /* bytes it may still send in this round; what it sent too much is owed in the next */
	uint32_t bucket;
	uint16_t next_free;
	uint16_t peer_next, peer_previous; /* flows of the same length */
	bool waiting; /* it is in the round */
};

struct sfq {
	/* flows_count, and one more: where packets go that a change or a new hash finds no flow for */
	struct sfq_flow *flows;
	uint16_t *table; /* bucket -> flow */
	/* Flows in the order of their turns: a ring of 2^n places, of which `active` are taken from `turn` on. */
	uint16_t *round;
	struct red_average *averages; /* of each flow; NULL: no RED */
	uint64_t quantum;
	uint32_t limit, depth; /* packets: of all, of a flow */
	uint32_t bucket_mask;
	uint32_t hash_key;
	uint16_t flows_count;
	uint16_t free;
	uint16_t longest; /* the length, at most depth, of the longest flows */
	uint32_t turn, active, round_mask; /* the place whose turn it is; flows in the round */
	bool headdrop;
	uint64_t perturb_at, perturb_ns; /* when the hash is next replaced (SCHED_NEVER), and every so long */
	uint64_t random;
	struct red_curve curve;
	struct sfq_red_stats stats;
	struct sfq_conf conf; /* as a dump prints it */
	uint16_t by_length[SFQ_DEPTH_MAX + 1]; /* the latest flow to come to each length (the last: this or more) */
};

int sfq_flows_init(struct qdisc *q, struct sfq *s, struct error *err);
void sfq_flows_destroy(struct sfq *s);

/* Brings the buckets' flows nearer to the processor; what is beyond the buckets is passed over. */
void sfq_fetch(const struct sfq *s, const uint32_t *buckets, uint16_t n);
/*
 * A new flow for a bucket that has none; SFQ_NONE if all are in use, but where `moving` says that one must be found.
 * A push must follow.
 */
uint16_t sfq_flow_make(struct sfq *s, uint32_t bucket, bool moving);
/*
 * Puts m at the end of the flow, and a new flow at the end of the round. False when memory is out: m is still the
 * caller's.
 */
bool sfq_flow_push(struct sfq *s, uint16_t i, struct rte_mbuf *m, uint32_t bytes);
/* Takes the first or the last packet of a flow. One that it leaves empty must be first in the round, and be retired. */
struct rte_mbuf *sfq_flow_take(struct sfq *s, uint16_t i, bool last);
void sfq_flow_retire(struct sfq *s, uint16_t i);
/* The flow whose turn it is; there must be one. */
uint16_t sfq_flow_turn(struct sfq *s);
/*
 * Takes what the flow whose turn it is may send, at least one packet and at most n, and retires it if that is all;
 * adds to *bytes.
 */
uint16_t sfq_flow_serve(struct sfq *s, struct rte_mbuf **pkts, uint16_t n, uint64_t *bytes);
/* The flow that loses a packet when there are too many. */
uint16_t sfq_flow_victim(const struct sfq *s);
/* A new hash: all that is queued is put where it belongs now, in the order of each flow. */
void sfq_rehash(struct qdisc *q, struct sfq *s);

uint32_t sfq_random(struct sfq *s);

/* The bucket of a packet that no filter has a say in. */
static inline uint32_t
sfq_bucket(const struct qdisc *q, const struct sfq *s, struct rte_mbuf *m)
{
	uint32_t priority = pkt_of(m)->priority, bucket = TC_H_MIN(priority) - 1;

	if (unlikely(TC_H_MAJ(priority) == q->handle && q->handle != 0 && bucket <= s->bucket_mask))
		return bucket;
	return flow_hash(m, s->hash_key) & s->bucket_mask;
}

/* The flow of a bucket, as sfq_flow_make has it where there is none yet. */
static inline uint16_t
sfq_flow_find(struct sfq *s, uint32_t bucket, bool moving)
{
	uint16_t i = s->table[bucket];

	return likely(i != SFQ_NONE) ? i : sfq_flow_make(s, bucket, moving);
}

#endif
