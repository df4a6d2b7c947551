/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neighbours: the state machine of RFC 4861 7.3.2 as arp(7) tells it, and the packets that wait for an answer.
 *
 *	NONE --packet--> INCOMPLETE --answer--> REACHABLE --time--> STALE
 *	STALE --packet--> DELAY --time--> PROBE --no answer--> FAILED
 *
 * All of it runs at the worker that owns the port. Others read `ready` and the address in one word, and hand over
 * packets that find no READY there; STALE is given them so that the owner sees the first packet that uses a stale
 * entry.
 *
 * In replay an entry that `ip neigh` did not make needs nobody: it has a made-up address at once and keeps what it has.
 */
#include <netinet/ip_icmp.h>

#include "path.h"

#define COLLECT_ABOVE 128 /* neighbours: Linux's gc_thresh1, below which unused ones are kept */
#define NEVER         UINT64_MAX

/* ---- timers: a binary heap, earliest first ----------------------------------------------------------------------- */

static void
heap_put(struct path *path, uint32_t slot, struct neighbour *n)
{
	path->timers[slot] = n;
	n->timer_slot = slot;
}

static void
heap_up(struct path *path, uint32_t slot, struct neighbour *n)
{
	for (; slot > 1 && path->timers[slot / 2]->timer_ns > n->timer_ns; slot /= 2)
		heap_put(path, slot, path->timers[slot / 2]);
	heap_put(path, slot, n);
}

static void
heap_down(struct path *path, uint32_t slot, struct neighbour *n)
{
	for (uint32_t child; (child = slot * 2) <= path->timer_count; slot = child) {
		if (child < path->timer_count && path->timers[child + 1]->timer_ns < path->timers[child]->timer_ns)
			child++;
		if (path->timers[child]->timer_ns >= n->timer_ns)
			break;
		heap_put(path, slot, path->timers[child]);
	}
	heap_put(path, slot, n);
}

static void
timer_stop(struct path *path, struct neighbour *n)
{
	uint32_t slot = n->timer_slot;
	struct neighbour *last;

	n->timer_ns = NEVER;
	if (slot == 0)
		return;
	n->timer_slot = 0;
	last = path->timers[path->timer_count--];
	if (last == n)
		return;
	heap_up(path, slot, last);
	heap_down(path, last->timer_slot, last);
}

static void
timer_start(struct path *path, struct neighbour *n, uint64_t when)
{
	timer_stop(path, n);
	if (path->timer_count == NEIGHBOURS_MAX)
		return;
	n->timer_ns = when;
	heap_up(path, ++path->timer_count, n);
}

/* ---- packets that wait ------------------------------------------------------------------------------------------- */

static void
queue_push(struct worker *w, struct port *port, struct neighbour *n, struct rte_mbuf *m)
{
	packet_set_next(m, NULL);
	if (n->queue_tail != NULL)
		packet_set_next(n->queue_tail, m);
	else
		n->queue_head = m;
	n->queue_tail = m;
	n->waiting++;
	counters(w, port)->waiting++;
}

static struct rte_mbuf *
queue_take_all(struct worker *w, struct port *port, struct neighbour *n)
{
	struct rte_mbuf *first = n->queue_head;

	counters(w, port)->waiting -= n->waiting;
	n->queue_head = n->queue_tail = NULL;
	n->waiting = 0;
	return first;
}

/* The oldest makes room: what it belonged to has waited longest and is the least likely to be wanted still. */
static void
wait_for(struct worker *w, struct port *port, struct neighbour *n, struct rte_mbuf *m)
{
	struct pkt_sink *sink = &counters(w, port)->sink;
	struct rte_mbuf *oldest;

	if (port->settings.unres_qlen <= 0) {
		pkt_drop(sink, m, DROP_NEIGHBOUR_QUEUE_FULL);
		return;
	}
	while (n->waiting >= port->settings.unres_qlen) {
		oldest = n->queue_head;
		n->queue_head = packet_next(oldest);
		if (n->queue_head == NULL)
			n->queue_tail = NULL;
		n->waiting--;
		counters(w, port)->waiting--;
		pkt_drop(sink, oldest, DROP_NEIGHBOUR_QUEUE_FULL);
	}
	queue_push(w, port, n, m);
}

static void
send_to(struct worker *w, struct port *port, const struct neighbour *n, struct rte_mbuf *first)
{
	struct rte_mbuf *burst[BURST], *next;
	uint8_t lladdr[6];
	uint16_t count = 0;

	memcpy(lladdr, n->lladdr, 6); /* the neighbour may change while its packets are on their way */
	for (; first != NULL; first = next) {
		next = packet_next(first);
		path_write_link(first, port, lladdr);
		burst[count++] = first;
		if (count == BURST || next == NULL) {
			port_output(w, port, burst, count);
			count = 0;
		}
	}
}

/* The senders are told (RFC 1122 3.3.1.4 calls for host unreachable). */
static void
give_up(struct worker *w, struct port *port, struct rte_mbuf *first, enum drop_reason reason)
{
	struct rte_mbuf *next;

	for (; first != NULL; first = next) {
		next = packet_next(first);
		if (reason == DROP_NEIGHBOUR_FAILED)
			icmp_error(w, first, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
		pkt_drop(&counters(w, port)->sink, first, reason);
	}
}

/* ---- states ------------------------------------------------------------------------------------------------------ */

static uint8_t
readiness(uint8_t state)
{
	if ((state & (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_DELAY | NUD_PROBE)) != 0)
		return NEIGHBOUR_READY;
	return state == NUD_STALE ? NEIGHBOUR_STALE : NEIGHBOUR_UNRESOLVED;
}

/* In replay, and nobody said otherwise. */
static bool
is_made_up(const struct worker *w, const struct neighbour *n)
{
	return !n->configured && router_is_replay(w->router);
}

/* Base time by a factor of 0.5 to 1.5 (RFC 4861 6.3.2). */
static uint64_t
reachable_time(struct worker *w, const struct port *port)
{
	uint64_t base = (uint64_t)port->settings.base_reachable_time_ms;

	return (base / 2 + (base * (worker_random(w) >> 32) >> 32)) * NS_PER_MS;
}

static void
arm(struct worker *w, struct port *port, struct neighbour *n)
{
	const struct port_settings *s = &port->settings;

	switch (n->state) {
	case NUD_REACHABLE:
		timer_start(w->path, n, w->now + reachable_time(w, port));
		break;
	case NUD_DELAY:
		timer_start(w->path, n, w->now + (uint64_t)s->delay_first_probe_time * NS_PER_SECOND);
		break;
	case NUD_INCOMPLETE:
	case NUD_PROBE:
		timer_start(w->path, n, w->now + RTE_MAX((uint64_t)s->retrans_time_ms, 10u) * NS_PER_MS);
		break;
	case NUD_STALE:
	case NUD_FAILED:
		timer_start(w->path, n, w->now + RTE_MAX((uint64_t)s->gc_stale_time, 1u) * NS_PER_SECOND);
		break;
	default:
		timer_stop(w->path, n);
	}
}

void
neighbour_set_lladdr(struct neighbour *n, const uint8_t lladdr[6])
{
	struct neighbour_hot hot = { .family = n->family, .ready = n->ready };

	memcpy(hot.lladdr, lladdr, 6);
	neighbour_write(n, hot);
}

static void
publish(struct neighbour *n)
{
	struct neighbour_hot hot = neighbour_read(n);

	hot.ready = readiness(n->state);
	neighbour_write(n, hot);
}

void
neighbour_set_state(struct worker *w, struct port *port, struct neighbour *n, uint8_t state)
{
	uint8_t old = n->state;
	struct rte_mbuf *waiting = NULL;

	if (old == NUD_NONE && state != NUD_NONE)
		w->path->neighbours++;
	else if (old != NUD_NONE && state == NUD_NONE)
		w->path->neighbours--;
	if (state != NUD_INCOMPLETE)
		waiting = queue_take_all(w, port, n);
	n->state = state;
	if (old != state)
		n->updated_ns = w->now;
	if ((state & (NUD_REACHABLE | NUD_PERMANENT | NUD_NOARP)) != 0)
		n->confirmed_ns = w->now;
	if (is_made_up(w, n))
		timer_stop(w->path, n);
	else
		arm(w, port, n);
	publish(n);
	if (readiness(state) != NEIGHBOUR_UNRESOLVED)
		send_to(w, port, n, waiting);
	else
		give_up(w, port, waiting, DROP_NEIGHBOUR_FAILED);
}

static bool
can_solicit(const struct neighbour *n)
{
	return n->family == AF_INET;
}

static void
probe(struct worker *w, struct port *port, struct neighbour *n)
{
	uint8_t lladdr[6];

	n->probes++;
	memcpy(lladdr, n->lladdr, 6);
	arp_solicit(w, port, n, n->state == NUD_PROBE ? lladdr : NULL, n->queue_head);
}

/* A replay's neighbour: locally administered, and to be recognised by its address. */
static void
make_up(struct worker *w, struct port *port, struct neighbour *n)
{
	uint8_t lladdr[6] = { 0x02, 0 };

	memcpy(lladdr + 2, n->family == AF_INET ? n->addr.bytes : n->addr.bytes + 12, 4);
	neighbour_set_lladdr(n, lladdr);
	neighbour_set_state(w, port, n, NUD_REACHABLE);
}

/* The first packet for a neighbour of which nothing is known; NULL: it is only asked for. */
static void
start(struct worker *w, struct port *port, struct neighbour *n, struct rte_mbuf *m)
{
	if (!can_solicit(n) || port->settings.mcast_solicit <= 0) {
		neighbour_set_state(w, port, n, NUD_FAILED);
		if (m != NULL)
			packet_set_next(m, NULL);
		give_up(w, port, m, DROP_NEIGHBOUR_FAILED);
		return;
	}
	n->probes = 0;
	neighbour_set_state(w, port, n, NUD_INCOMPLETE);
	if (m != NULL)
		wait_for(w, port, n, m);
	probe(w, port, n);
}

/* Used now: what is stale is to be confirmed, what replay may make up is known at once. */
static void
touch(struct worker *w, struct port *port, struct neighbour *n)
{
	n->used_ns = w->now;
	if (readiness(n->state) == NEIGHBOUR_UNRESOLVED && is_made_up(w, n))
		make_up(w, port, n);
	if (n->state == NUD_STALE)
		neighbour_set_state(w, port, n, NUD_DELAY);
}

bool
neighbour_ask(struct worker *w, struct port *port, struct neighbour *n)
{
	touch(w, port, n);
	if (n->state != NUD_INCOMPLETE && readiness(n->state) == NEIGHBOUR_UNRESOLVED)
		start(w, port, n, NULL);
	return readiness(n->state) != NEIGHBOUR_UNRESOLVED;
}

void
neighbour_submit(struct worker *w, struct port *port, struct neighbour *n, struct rte_mbuf *m)
{
	struct pkt_sink *sink = &counters(w, port)->sink;

	if ((port->flags & IFF_UP) == 0) {
		pkt_drop(sink, m, DROP_PORT_DOWN);
		return;
	}
	if (n == NULL) {
		pkt_drop(sink, m, DROP_NEIGHBOUR_FAILED);
		return;
	}
	touch(w, port, n);
	if (readiness(n->state) != NEIGHBOUR_UNRESOLVED) {
		packet_set_next(m, NULL);
		send_to(w, port, n, m);
	} else if (n->state == NUD_INCOMPLETE) {
		wait_for(w, port, n, m);
	} else {
		start(w, port, n, m);
	}
}

void
neighbour_heard(
	struct worker *w, struct port *port, struct neighbour *n, const uint8_t lladdr[6], uint8_t state, bool override)
{
	uint8_t old = n->state;
	bool known = readiness(old) != NEIGHBOUR_UNRESOLVED;
	bool same = known && memcmp(n->lladdr, lladdr, 6) == 0;

	if ((old & (NUD_PERMANENT | NUD_NOARP)) != 0 || (known && !same && !override))
		return;
	if (is_made_up(w, n))
		state = NUD_REACHABLE;
	if (same && state == NUD_STALE)
		return; /* nothing new, and no proof that it hears us */
	if (!same)
		neighbour_set_lladdr(n, lladdr);
	neighbour_set_state(w, port, n, state);
	if (!same)
		n->updated_ns = w->now;
	if (!same || old != state)
		worker_tell_neighbour(w, n, false);
}

/* ---- when time passes -------------------------------------------------------------------------------------------- */

static void
probe_or_fail(struct worker *w, struct port *port, struct neighbour *n, int tries)
{
	if (n->probes < tries) {
		arm(w, port, n);
		probe(w, port, n);
		return;
	}
	neighbour_set_state(w, port, n, NUD_FAILED);
	worker_tell_neighbour(w, n, false);
}

static void
run_timer(struct worker *w, struct port *port, struct neighbour *n)
{
	const struct port_settings *s = &port->settings;

	switch (n->state) {
	case NUD_REACHABLE:
		if (w->now - n->used_ns < (uint64_t)s->delay_first_probe_time * NS_PER_SECOND) {
			neighbour_set_state(w, port, n, NUD_DELAY);
		} else {
			neighbour_set_state(w, port, n, NUD_STALE);
			worker_tell_neighbour(w, n, false);
		}
		break;
	case NUD_DELAY:
		n->probes = 0;
		neighbour_set_state(w, port, n, NUD_PROBE);
		worker_tell_neighbour(w, n, false);
		probe_or_fail(w, port, n, can_solicit(n) ? s->ucast_solicit : 0);
		break;
	case NUD_PROBE:
		probe_or_fail(w, port, n, s->ucast_solicit);
		break;
	case NUD_INCOMPLETE:
		probe_or_fail(w, port, n, s->mcast_solicit);
		break;
	default: /* stale or failed, and unused for long */
		arm(w, port, n);
		if (w->path->neighbours > COLLECT_ABOVE && n->references == 0)
			worker_tell_neighbour(w, n, true);
	}
}

uint64_t
neighbour_timers(struct worker *w)
{
	struct path *path = w->path;

	while (path->timer_count != 0 && path->timers[1]->timer_ns <= w->now) {
		struct neighbour *n = path->timers[1];
		struct port *port = worker_port(w, n->ifindex);

		if (port == NULL)
			timer_stop(path, n);
		else
			run_timer(w, port, n);
	}
	return path->timer_count != 0 ? path->timers[1]->timer_ns : NEVER;
}

void
neighbour_resubmit(struct worker *w, struct port *port, struct neighbour *n)
{
	struct rte_mbuf *next, *m = queue_take_all(w, port, n);

	if (n->state != NUD_NONE)
		neighbour_set_state(w, port, n, NUD_NONE);
	for (; m != NULL; m = next) {
		next = packet_next(m);
		pkt_of(m)->stage = STAGE_NEIGHBOUR;
		path_resume(w, &m, 1);
	}
}

/* ---- when the port goes ------------------------------------------------------------------------------------------ */

struct flush {
	struct worker *w;
	struct port *port;
	enum drop_reason reason;
};

static int
forget(void *arg, struct neighbour *n)
{
	const struct flush *f = arg;
	struct rte_mbuf *waiting;

	if (n->ifindex != f->port->ifindex || n->state == NUD_NONE)
		return 0;
	if (f->reason == DROP_NO_CARRIER && n->state == NUD_PERMANENT)
		return 0;
	waiting = queue_take_all(f->w, f->port, n);
	neighbour_set_state(f->w, f->port, n, NUD_NONE);
	n->configured = 0;
	give_up(f->w, f->port, waiting, f->reason);
	worker_tell_neighbour(f->w, n, true);
	return 0;
}

void
path_port_flush(struct worker *w, struct port *port, enum drop_reason reason)
{
	struct flush flush = { w, port, reason };

	neighbour_walk(w->rib, port->ifindex, AF_INET, forget, &flush);
	neighbour_walk(w->rib, port->ifindex, AF_INET6, forget, &flush);
}
