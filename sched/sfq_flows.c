/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sfq's flows: the round in which they are served, which of them is longest, and what happens to them when the hash
 * changes.
 *
 * Flows of the same length form a list, so that the longest is known at once (P. McKenney, "Stochastic Fairness
 * Queueing", INFOCOMM 1990, calls it buffer stealing). The round is a ring of flows that hold packets, each with the
 * bytes it may still send (M. Shreedhar and G. Varghese, "Efficient Fair Queuing Using Deficit Round Robin", SIGCOMM
 * 1995); a flow may send its last packet on credit, and pays in the next round. The ring is an array, so that flows
 * whose turn comes soon can be fetched ahead.
 */
#include <stdlib.h>
#include <string.h>

#include <weir/random.h>

#include "sfq.h"

/*
 * How many turns ahead, found by measurement: a turn of a few packets takes less than a fetch from the last-level
 * cache.
 */
#define FETCH_FLOW  6
#define FETCH_ENTRY 3

/* ---- lengths */

static inline uint16_t
length_of(const struct sfq *s, const struct sfq_flow *flow)
{
	return RTE_MIN(flow->queue.count, s->depth);
}

static inline void
leave_list(struct sfq *s, const struct sfq_flow *flow, uint16_t length)
{
	if (flow->peer_previous == SFQ_NONE)
		s->by_length[length] = flow->peer_next;
	else
		s->flows[flow->peer_previous].peer_next = flow->peer_next;
	if (flow->peer_next != SFQ_NONE)
		s->flows[flow->peer_next].peer_previous = flow->peer_previous;
}

static inline void
join_list(struct sfq *s, uint16_t i, uint16_t length)
{
	struct sfq_flow *flow = &s->flows[i];

	flow->peer_previous = SFQ_NONE;
	flow->peer_next = s->by_length[length];
	if (flow->peer_next != SFQ_NONE)
		s->flows[flow->peer_next].peer_previous = i;
	s->by_length[length] = i;
}

/* Flow i has grown by a packet, from this length; 0: it was in no list. */
static inline void
note_growth(struct sfq *s, uint16_t i, uint16_t before)
{
	uint16_t length = length_of(s, &s->flows[i]);

	if (length == before)
		return;
	if (before != 0)
		leave_list(s, &s->flows[i], before);
	join_list(s, i, length);
	if (length > s->longest)
		s->longest = length;
}

/* Flow i has shrunk, from this length. */
static inline void
note_loss(struct sfq *s, uint16_t i, uint16_t before)
{
	uint16_t length = length_of(s, &s->flows[i]);

	if (length == before)
		return;
	leave_list(s, &s->flows[i], before);
	if (length != 0)
		join_list(s, i, length);
	/* At most as many steps as packets have left. */
	while (s->longest > length && s->by_length[s->longest] == SFQ_NONE)
		s->longest--;
}

uint16_t
sfq_flow_victim(const struct sfq *s)
{
	/* Where all hold one packet, the one next in turn: its packet is the oldest. */
	return s->longest > 1 ? s->by_length[s->longest] : s->round[s->turn];
}

/* ---- the round */

/* At the end of the round: new flows in front would starve the old ones. */
static inline void
round_add(struct sfq *s, uint16_t i)
{
	s->round[(s->turn + s->active++) & s->round_mask] = i;
}

static inline uint16_t
round_take(struct sfq *s)
{
	uint16_t i = s->round[s->turn];

	s->turn = (s->turn + 1) & s->round_mask;
	s->active--;
	return i;
}

static void
flow_start(struct sfq *s, uint16_t i)
{
	struct sfq_flow *flow = &s->flows[i];

	flow->waiting = true;
	flow->allot = (int64_t)s->quantum;
	round_add(s, i);
	if (s->averages != NULL)
		red_average_reset(&s->averages[i], &s->curve, 0);
}

/* Frees the bucket (or, of the one that is shared, all its buckets) and the flow. */
static void
flow_release(struct sfq *s, uint16_t i)
{
	s->flows[i].waiting = false;
	if (likely(i != s->flows_count)) {
		s->table[s->flows[i].bucket] = SFQ_NONE;
		s->flows[i].next_free = s->free;
		s->free = i;
		return;
	}
	for (uint32_t bucket = 0; bucket <= s->bucket_mask; bucket++) {
		if (s->table[bucket] == i)
			s->table[bucket] = SFQ_NONE;
	}
}

void
sfq_flow_retire(struct sfq *s, uint16_t i)
{
	round_take(s);
	flow_release(s, i);
}

void
sfq_fetch(const struct sfq *s, const uint32_t *buckets, uint16_t n)
{
	for (uint16_t k = 0; k < n; k++)
		rte_prefetch0(&s->table[buckets[k] & s->bucket_mask]);
	for (uint16_t k = 0; k < n; k++) {
		uint16_t i = s->table[buckets[k] & s->bucket_mask];

		if (i != SFQ_NONE)
			rte_prefetch0(&s->flows[i]);
	}
}

uint16_t
sfq_flow_make(struct sfq *s, uint32_t bucket, bool moving)
{
	uint16_t i = s->free;

	if (likely(i != SFQ_NONE))
		s->free = s->flows[i].next_free;
	else if (moving)
		i = s->flows_count;
	else
		return SFQ_NONE;
	s->flows[i].bucket = bucket;
	s->table[bucket] = i;
	return i;
}

/*
 * A quantum far below the packets' size takes many rounds in which nobody may send. All but the last are given at
 * once, so that a packet costs no more than a few passes over the flows.
 */
static void
skip_idle_rounds(struct sfq *s)
{
	int64_t best = INT64_MIN, grant = 0, quantum = (int64_t)s->quantum;

	for (uint32_t place = 0; place < s->active; place++)
		best = RTE_MAX(best, s->flows[s->round[(s->turn + place) & s->round_mask]].allot);
	while (best + grant + quantum <= 0)
		grant += quantum;
	for (uint32_t place = 0; place < s->active; place++)
		s->flows[s->round[(s->turn + place) & s->round_mask]].allot += grant;
}

uint16_t
sfq_flow_turn(struct sfq *s)
{
	for (uint32_t visited = 0;; visited++) {
		uint16_t i = s->round[s->turn];

		if (s->flows[i].allot > 0)
			return i;
		if (unlikely(visited == s->active)) {
			skip_idle_rounds(s);
			visited = 0;
		}
		s->flows[i].allot += (int64_t)s->quantum;
		round_take(s);
		round_add(s, i);
	}
}

/* Flows whose turn comes soon: first the flow itself, then, nearer to its turn, its first packet's entry. */
static inline void
fetch_ahead(const struct sfq *s)
{
	const struct pkt_entry *first;

	if (s->active <= FETCH_FLOW)
		return;
	rte_prefetch0(&s->flows[s->round[(s->turn + FETCH_FLOW) & s->round_mask]]);
	first = pkt_queue_first(&s->flows[s->round[(s->turn + FETCH_ENTRY) & s->round_mask]].queue);
	rte_prefetch0(first);
}

/* ---- packets */

bool
sfq_flow_push(struct sfq *s, uint16_t i, struct rte_mbuf *m, uint32_t bytes)
{
	struct sfq_flow *flow = &s->flows[i];
	uint16_t before = length_of(s, flow);

	if (unlikely(!pkt_queue_push(&flow->queue, m, bytes))) {
		if (!flow->waiting)
			flow_release(s, i);
		return false;
	}
	if (!flow->waiting)
		flow_start(s, i);
	flow->bytes += bytes;
	note_growth(s, i, before);
	return true;
}

struct rte_mbuf *
sfq_flow_take(struct sfq *s, uint16_t i, bool last)
{
	struct sfq_flow *flow = &s->flows[i];
	uint16_t before = length_of(s, flow);
	struct rte_mbuf *m = last ? pkt_queue_pop_last(&flow->queue) : pkt_queue_pop(&flow->queue);

	flow->bytes -= pkt_queued_bytes(m);
	note_loss(s, i, before);
	return m;
}

uint16_t
sfq_flow_serve(struct sfq *s, struct rte_mbuf **pkts, uint16_t n, uint64_t *bytes)
{
	uint16_t i = sfq_flow_turn(s), got = 0;
	struct sfq_flow *flow = &s->flows[i];
	uint16_t before = length_of(s, flow);
	uint64_t sum = 0;

	fetch_ahead(s);
	do {
		uint32_t length = pkt_queue_first(&flow->queue)->bytes;

		pkts[got++] = pkt_queue_pop(&flow->queue);
		flow->allot -= length;
		sum += length;
	} while (got < n && flow->allot > 0 && flow->queue.count != 0);
	flow->bytes -= sum;
	*bytes += sum;
	note_loss(s, i, before);
	/* What a flow that ran empty had left or owed is forgotten. */
	if (flow->queue.count == 0)
		sfq_flow_retire(s, i);
	return got;
}

/* ---- the hash */

uint32_t
sfq_random(struct sfq *s)
{
	return (uint32_t)(random_next(&s->random) >> 32);
}

/* Takes everything out, flow by flow. */
static void
collect(struct qdisc *q, struct sfq *s, struct pkt_queue *all)
{
	pkt_queue_init(all, q);
	while (s->active != 0) {
		uint16_t i = s->round[s->turn];

		while (s->flows[i].queue.count != 0) {
			struct pkt_entry entry = *pkt_queue_first(&s->flows[i].queue);

			sfq_flow_take(s, i, false);
			if (unlikely(!pkt_queue_push(all, entry.m, entry.bytes)))
				qdisc_drop_queued(q, entry.m, DROP_NO_BUFFER);
		}
		sfq_flow_retire(s, i);
	}
}

void
sfq_rehash(struct qdisc *q, struct sfq *s)
{
	struct pkt_queue all;

	collect(q, s, &all);
	while (all.count != 0) {
		struct pkt_entry entry = *pkt_queue_first(&all);
		/*
		 * Two flows may have become one, and more or fewer flows than before: no limit bites, and nothing is
		 * lost.
		 */
		uint16_t i = sfq_flow_find(s, sfq_bucket(q, s, entry.m), true);

		pkt_queue_pop(&all);
		if (unlikely(!sfq_flow_push(s, i, entry.m, entry.bytes)))
			qdisc_drop_queued(q, entry.m, DROP_NO_BUFFER);
	}
	for (uint16_t i = 0; s->averages != NULL && i <= s->flows_count; i++)
		red_average_reset(&s->averages[i], &s->curve, s->flows[i].bytes);
}

/* ---- life */

int
sfq_flows_init(struct qdisc *q, struct sfq *s, struct error *err)
{
	uint32_t all = s->flows_count + 1u, places = rte_align32pow2(all);

	s->flows = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(all * sizeof(*s->flows), RTE_CACHE_LINE_SIZE));
	s->table = malloc((s->bucket_mask + 1) * sizeof(*s->table));
	s->round = malloc(places * sizeof(*s->round));
	if (s->conf.qth_min != 0)
		s->averages = calloc(all, sizeof(*s->averages));
	if (s->flows == NULL || s->table == NULL || s->round == NULL || (s->conf.qth_min != 0 && s->averages == NULL))
		return error_set(err, ENOMEM, "sfq: out of memory for %u flows", s->flows_count);
	memset(s->flows, 0, all * sizeof(*s->flows));
	memset(s->table, 0xff, (s->bucket_mask + 1) * sizeof(*s->table));
	memset(s->by_length, 0xff, sizeof(s->by_length));
	s->round_mask = places - 1;
	for (uint16_t i = 0; i <= s->flows_count; i++) {
		pkt_queue_init(&s->flows[i].queue, q);
		s->flows[i].next_free = i + 1u < s->flows_count ? i + 1 : SFQ_NONE;
	}
	s->free = 0;
	return 0;
}

void
sfq_flows_destroy(struct sfq *s)
{
	free(s->flows);
	free(s->table);
	free(s->round);
	free(s->averages);
}
