/* SPDX-License-Identifier: BSD-3-Clause */
/* fq_codel's flows: whose turn it is, and which of them is the fattest. */
#include <stdlib.h>
#include <string.h>

#include "fq_codel.h"

/* How many turns ahead, as sfq's. */
#define FETCH_FLOW  6
#define FETCH_ENTRY 3

/* ---- ranks */

/* The exponent of a number of bytes that is not 0, and the three bits behind its first. */
static inline uint8_t
rank_of(uint32_t bytes)
{
	uint32_t exponent = 31 - (uint32_t)__builtin_clz(bytes);

	return (uint8_t)(exponent << 3 | (((uint64_t)bytes << 3 >> exponent) & 7));
}

/* The least number of bytes that is of a higher rank. */
static inline uint32_t
end_of_rank(uint8_t rank)
{
	/* Below 8 bytes several ranks are of the same number. */
	uint64_t end = ((((rank & 7u) + UINT64_C(9)) << (rank >> 3)) + 7) >> 3;

	return (uint32_t)RTE_MIN(end, UINT32_MAX);
}

static void
leave_rank(struct fq_codel *f, const struct fq_flow *flow)
{
	if (flow->rank_previous != FQ_NO_FLOW)
		f->flows[flow->rank_previous].rank_next = flow->rank_next;
	else if ((f->rank_first[flow->rank] = flow->rank_next) == FQ_NO_FLOW)
		f->busy_ranks[flow->rank / 64] &= ~(UINT64_C(1) << flow->rank % 64);
	if (flow->rank_next != FQ_NO_FLOW)
		f->flows[flow->rank_next].rank_previous = flow->rank_previous;
}

/* In front of those that have been there for longer. */
static void
join_rank(struct fq_codel *f, uint32_t i)
{
	struct fq_flow *flow = &f->flows[i];
	uint32_t *first;

	flow->rank = rank_of(flow->bytes);
	flow->rank_end = end_of_rank(flow->rank);
	first = &f->rank_first[flow->rank];
	flow->rank_previous = FQ_NO_FLOW;
	flow->rank_next = *first;
	if (*first != FQ_NO_FLOW)
		f->flows[*first].rank_previous = i;
	*first = i;
	f->busy_ranks[flow->rank / 64] |= UINT64_C(1) << flow->rank % 64;
}

void
fq_rank_up(struct fq_codel *f, uint32_t i)
{
	if (f->flows[i].rank_end != 0)
		leave_rank(f, &f->flows[i]);
	join_rank(f, i);
}

static uint32_t
first_of_highest_rank(const struct fq_codel *f)
{
	for (unsigned int word = FQ_RANKS / 64; word-- > 0;) {
		if (f->busy_ranks[word] != 0)
			return f->rank_first[word * 64 + 63 - (unsigned int)__builtin_clzll(f->busy_ranks[word])];
	}
	return FQ_NO_FLOW;
}

/* Who is found to have shrunk moves down: at most once for each time that somebody moved up. */
uint32_t
fq_fattest(struct fq_codel *f)
{
	uint32_t i;

	while ((i = first_of_highest_rank(f)) != FQ_NO_FLOW) {
		struct fq_flow *flow = &f->flows[i];

		if (flow->bytes != 0 && rank_of(flow->bytes) == flow->rank)
			break;
		leave_rank(f, flow);
		flow->rank_end = 0;
		if (flow->bytes != 0)
			join_rank(f, i);
	}
	return i;
}

/* ---- packets */

bool
fq_push(struct fq_codel *f, uint32_t i, struct rte_mbuf *m, uint32_t bytes, uint32_t arrival)
{
	struct fq_flow *flow = &f->flows[i];

	if (unlikely(!pkt_queue_push_stamped(&flow->queue, m, bytes, arrival)))
		return false;
	flow->bytes += bytes;
	f->buffers += codel_buffers(bytes);
	if (flow->bytes >= flow->rank_end)
		fq_rank_up(f, i);
	if (flow->place == FQ_IDLE) {
		flow->place = FQ_FRESH;
		flow->deficit = (int32_t)f->quantum;
		fq_ring_add(&f->fresh, i);
		f->new_flows++;
	}
	return true;
}

static inline void
fetch_ahead(const struct fq_codel *f, const struct fq_ring *ring)
{
	const struct fq_flow *flow;

	if (ring->count <= FETCH_FLOW)
		return;
	flow = &f->flows[ring->flows[(ring->first + FETCH_FLOW) & ring->mask]];
	rte_prefetch0(flow);
	rte_prefetch0(&flow->state.count);
	flow = &f->flows[ring->flows[(ring->first + FETCH_ENTRY) & ring->mask]];
	rte_prefetch0(pkt_queue_first(&flow->queue));
}

/* The first of a list has no packet left. A new flow has to wait once for the old ones, or it would come back new. */
static void
retire(struct fq_codel *f, struct fq_ring *ring, uint32_t i)
{
	fq_ring_take(ring);
	if (ring == &f->fresh && f->old.count != 0) {
		f->flows[i].place = FQ_OLD;
		fq_ring_add(&f->old, i);
	} else {
		f->flows[i].place = FQ_IDLE;
	}
}

struct rte_mbuf *
fq_take(struct fq_codel *f, struct codel_burst *burst)
{
	for (;;) {
		struct fq_ring *ring = f->fresh.count != 0 ? &f->fresh : &f->old;
		uint64_t backlog = burst->backlog, taken = burst->taken;
		struct fq_flow *flow;
		struct rte_mbuf *m;
		uint32_t i;

		if (ring->count == 0)
			return NULL;
		i = fq_ring_first(ring);
		flow = &f->flows[i];
		if (flow->deficit <= 0) {
			flow->deficit += (int32_t)f->quantum;
			flow->place = FQ_OLD;
			fq_ring_take(ring);
			fq_ring_add(&f->old, i);
			fetch_ahead(f, ring);
			continue;
		}
		m = codel_take(burst, &flow->queue, &flow->state);
		flow->bytes -= (uint32_t)(backlog - burst->backlog);
		if (m == NULL) {
			retire(f, ring, i);
			fetch_ahead(f, ring);
			continue;
		}
		flow->deficit -= (int32_t)(burst->taken - taken);
		return m;
	}
}

struct rte_mbuf *
fq_take_first(struct fq_codel *f, uint32_t i)
{
	struct fq_flow *flow = &f->flows[i];
	uint32_t bytes = pkt_queue_first(&flow->queue)->bytes;

	flow->bytes -= bytes;
	f->buffers -= codel_buffers(bytes);
	return pkt_queue_pop(&flow->queue);
}

static void
forget(struct fq_codel *f, struct fq_ring *ring)
{
	for (; ring->count != 0; fq_ring_take(ring))
		f->flows[fq_ring_first(ring)].place = FQ_IDLE;
}

void
fq_forget_flows(struct fq_codel *f)
{
	forget(f, &f->fresh);
	forget(f, &f->old);
}

/* ---- life */

static bool
ring_init(struct fq_ring *ring, uint32_t flows)
{
	uint32_t places = rte_align32pow2(flows);

	ring->flows = malloc(places * sizeof(*ring->flows));
	ring->mask = places - 1;
	return ring->flows != NULL;
}

int
fq_flows_init(struct qdisc *q, struct fq_codel *f, struct error *err)
{
	f->flows = aligned_alloc(_Alignof(struct fq_flow), f->flow_count * sizeof(*f->flows));
	if (f->flows == NULL || !ring_init(&f->fresh, f->flow_count) || !ring_init(&f->old, f->flow_count))
		return error_set(err, ENOMEM, "fq_codel: out of memory for %u flows", f->flow_count);
	memset(f->flows, 0, f->flow_count * sizeof(*f->flows));
	memset(f->rank_first, 0xff, sizeof(f->rank_first));
	for (uint32_t i = 0; i < f->flow_count; i++) {
		pkt_queue_init(&f->flows[i].queue, q);
		codel_state_init(&f->flows[i].state);
	}
	return 0;
}

void
fq_flows_destroy(struct fq_codel *f)
{
	free(f->flows);
	free(f->fresh.flows);
	free(f->old.flows);
}
