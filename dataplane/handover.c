/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets that come to a worker otherwise than from a device: from another worker, by a ring, and from virtual ports of
 * its own, which it takes up again.
 *
 *     worker 0 --ring--> worker 1 <--ring-- worker 2        one ring for each pair and direction: nobody contends
 *
 * What costs is that cache lines go from one processor to the other and come back. Of a packet for a bypassed tree
 * these are the mbuf's two, and an eighth of the ring's: who hands over pushes the two out to the cache that both
 * processors share (else the owner would wait for them to be fetched from another core's), and asks for the buffers
 * that it will write next, which others have read. docs/performance.md has the figures.
 */
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "machine.h"

#define BURSTS_AT_ONCE 8 /* taken up in one loop, lest receiving starves */
#define RING_LEAST     512 /* packets, where there are many workers */

/* ---- being made ---- */

/* Not by rte_ring_create: each would be a memzone, of which DPDK has 2560, and 63 workers have 3906 rings. */
static int
make_ring(struct worker_machine *wm, unsigned int giver, uint32_t size, struct error *err)
{
	char name[RTE_RING_NAMESIZE];
	struct rte_ring *ring = rte_malloc(NULL, (size_t)rte_ring_get_memsize(size), alignof(struct rte_ring));

	if (ring == NULL)
		return error_set(err, ENOMEM, "no memory for the ring from worker %u to %u", giver, wm->w.index);
	snprintf(name, sizeof(name), "weir-worker-%u-%u", giver, wm->w.index);
	int rc = rte_ring_init(ring, name, size, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (rc != 0) {
		rte_free(ring);
		return error_set(err, -rc, "cannot make the ring from worker %u to %u: %s", giver, wm->w.index,
			rte_strerror(-rc));
	}
	wm->ring_from[giver] = ring;
	wm->givers[wm->giver_count++] = ring;
	return 0;
}

int
handover_create(struct worker_machine *wm, struct error *err)
{
	unsigned int workers = wm->w.router->conf.workers;
	uint32_t share = workers > 1 ? rte_align32prevpow2(RING_SIZE / (workers - 1)) : 0;
	int rc = 0;

	for (unsigned int giver = 0; rc == 0 && giver < workers; giver++)
		if (giver != wm->w.index)
			rc = make_ring(wm, giver, RTE_MAX(share, (uint32_t)RING_LEAST), err);
	return rc;
}

void
handover_destroy(struct worker_machine *wm)
{
	void *word;

	for (unsigned int i = 0; i < wm->giver_count; i++) {
		while (rte_ring_dequeue(wm->givers[i], &word) == 0)
			pkt_drop(&wm->orphans.sink, ring_word_packet(word), DROP_SHUTDOWN);
		rte_free(wm->givers[i]);
	}
	for (; wm->deferred_head != wm->deferred_tail; wm->deferred_head++)
		pkt_drop(&wm->orphans.sink, wm->deferred[wm->deferred_head % DEFERRED_SIZE], DROP_SHUTDOWN);
}

uint32_t
worker_holds(const struct worker_machine *wm)
{
	uint32_t held = atomic_load(&wm->deferred_tail) - wm->deferred_head;

	for (unsigned int i = 0; i < wm->giver_count; i++)
		held += rte_ring_count(wm->givers[i]);
	return held;
}

/* ---- to another worker ---- */

/*
 * What another processor is to touch goes to the cache that it shares with this one. A hint: not every processor knows
 * it.
 */
static inline void
push_out(struct rte_mbuf *m, enum handed_state state)
{
	const char *lines = (const char *)m;

	rte_cldemote(lines);
	rte_cldemote(lines + RTE_CACHE_LINE_SIZE);
	if (state == STATE_WANTED)
		rte_cldemote(pkt_of(m));
}

uint16_t
worker_hand_over(struct worker *w, struct worker_machine *owner, struct rte_mbuf **pkts, uint16_t n, uint16_t leaves_by,
	enum handed_state state)
{
	void *words[BURST];

	for (uint16_t i = 0; i < n; i++) {
		words[i] = ring_word(pkts[i], leaves_by, state == STATE_UNFILLED);
		push_out(pkts[i], state);
	}
	uint16_t sent = (uint16_t)rte_ring_sp_enqueue_burst(owner->ring_from[w->index], words, n, NULL);
	worker_wake(owner);
	pool_fetch_next(w->pool, w->lcore, sent);
	return sent;
}

/* ---- from other workers ---- */

static void
drop_orphans(struct worker_machine *wm, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		pkt_drop(&wm->orphans.sink, pkts[i], DROP_PORT_DELETED);
}

/* The next packets with the same port and stage: what may go on together. Returns how many of the first there are. */
static uint16_t
same_way(struct rte_mbuf **pkts, uint16_t n)
{
	const struct pkt *first = pkt_of(pkts[0]);
	uint16_t i = 1;

	for (; i < n; i++) {
		const struct pkt *p = pkt_of(pkts[i]);

		if (p->stage != first->stage || p->out_port != first->out_port || p->in_port != first->in_port)
			break;
	}
	return i;
}

static void
resume_run(struct worker_machine *wm, struct rte_mbuf **pkts, uint16_t n)
{
	const struct pkt *p = pkt_of(pkts[0]);
	bool outward = p->stage != STAGE_RECEIVE && p->stage != STAGE_INGRESS_DONE;
	struct port *port = worker_port(&wm->w, outward ? p->out_port : p->in_port);

	if (unlikely(port == NULL))
		drop_orphans(wm, pkts, n);
	else if (p->stage == STAGE_OUTPUT)
		port_enqueue(wm, port_machine(port), pkts, n);
	else
		path_resume(&wm->w, pkts, n);
}

static void
resume_burst(struct worker_machine *wm, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t done = 0; done < n;) {
		uint16_t run = same_way(pkts + done, n - done);

		resume_run(wm, pkts + done, run);
		done += run;
	}
}

/* At STAGE_OUTPUT. */
static void
enqueue_run(struct worker_machine *wm, uint16_t ifindex, bool unfilled, struct rte_mbuf **pkts, uint16_t n)
{
	struct port *port = worker_port(&wm->w, ifindex);

	if (unlikely(port == NULL)) {
		drop_orphans(wm, pkts, n);
		return;
	}
	if (likely(unfilled)) {
		port_enqueue_unfilled(wm, port_machine(port), pkts, n);
		return;
	}
	if (!sched_can_bypass(port_machine(port)->first.tree))
		for (uint16_t i = 0; i < n; i++)
			rte_prefetch0(pkt_of(pkts[i]));
	port_enqueue(wm, port_machine(port), pkts, n);
}

/* Takes a burst from a ring; returns how many packets there were. */
static uint16_t
take_handed_over(struct worker_machine *wm, struct rte_ring *ring)
{
	struct rte_mbuf *pkts[BURST];
	void *words[BURST];
	uint16_t n = (uint16_t)rte_ring_sc_dequeue_burst(ring, words, BURST, NULL);

	if (n == 0)
		return 0;
	/* All that the owner touches of a packet comes from another core: fetched together. */
	for (uint16_t i = 0; i < n; i++) {
		pkts[i] = ring_word_packet(words[i]);
		rte_mbuf_prefetch_part1(pkts[i]);
		rte_mbuf_prefetch_part2(pkts[i]);
		if (ring_word_port(words[i]) == 0)
			rte_prefetch0(pkt_of(pkts[i]));
	}
	worker_stage(&wm->w, STAGE_OF_HANDOVER);
	for (uint16_t done = 0, run; done < n; done += run) {
		uint16_t ifindex = ring_word_port(words[done]);
		bool unfilled = ring_word_unfilled(words[done]);

		for (run = 1; done + run < n && ring_word_port(words[done + run]) == ifindex &&
			      ring_word_unfilled(words[done + run]) == unfilled;)
			run++;
		if (likely(ifindex != 0))
			enqueue_run(wm, ifindex, unfilled, pkts + done, run);
		else
			resume_burst(wm, pkts + done, run);
	}
	return n;
}

/* From all workers in turns, until none has anything or it is enough. */
static unsigned int
take_all_handed_over(struct worker_machine *wm)
{
	unsigned int total = 0, empty = 0;

	for (unsigned int bursts = 0; bursts < BURSTS_AT_ONCE && empty < wm->giver_count;) {
		uint16_t n = take_handed_over(wm, wm->givers[wm->giver_next]);

		wm->giver_next = wm->giver_next + 1 < wm->giver_count ? wm->giver_next + 1 : 0;
		empty = n != 0 ? 0 : empty + 1;
		bursts += n != 0;
		total += n;
	}
	return total;
}

/* ---- from virtual ports ---- */

uint16_t
worker_defer(struct worker_machine *wm, struct rte_mbuf **pkts, uint16_t n)
{
	uint32_t tail = wm->deferred_tail;
	uint32_t room = DEFERRED_SIZE - (tail - wm->deferred_head);

	if (n > room)
		n = room;
	for (uint16_t i = 0; i < n; i++)
		wm->deferred[(tail + i) % DEFERRED_SIZE] = pkts[i];
	atomic_store_explicit(&wm->deferred_tail, tail + n, memory_order_relaxed);
	return n;
}

static uint16_t
take_deferred(struct worker_machine *wm, struct rte_mbuf **pkts)
{
	uint32_t there = wm->deferred_tail - wm->deferred_head;
	uint16_t n = RTE_MIN(there, (uint32_t)BURST);

	for (uint16_t i = 0; i < n; i++)
		pkts[i] = wm->deferred[(wm->deferred_head + i) % DEFERRED_SIZE];
	wm->deferred_head += n;
	return n;
}

void
handover_catch_up(struct worker_machine *wm)
{
	struct rte_mbuf *pkts[BURST];
	uint32_t deferred = wm->deferred_tail - wm->deferred_head;

	for (uint32_t done = 0, n; done < deferred && (n = take_deferred(wm, pkts)) != 0; done += n)
		resume_burst(wm, pkts, (uint16_t)n);
	for (unsigned int i = 0; i < wm->giver_count; i++) {
		uint32_t count = rte_ring_count(wm->givers[i]);

		for (uint32_t done = 0; done < count;)
			done += take_handed_over(wm, wm->givers[i]);
	}
}

unsigned int
worker_take_up(struct worker_machine *wm)
{
	struct rte_mbuf *pkts[BURST];
	unsigned int total = 0;
	uint16_t n;

	for (unsigned int bursts = 0; bursts < BURSTS_AT_ONCE && (n = take_deferred(wm, pkts)) != 0; bursts++) {
		resume_burst(wm, pkts, n);
		total += n;
	}
	return total + take_all_handed_over(wm);
}
