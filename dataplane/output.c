/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way out: from the path, by the worker that owns the port and its scheduler tree, to the device, no faster than
 * the link. Where the root is mq, any worker that has a lane (lane.c) does for it what the owner does for the port.
 *
 * The link's time is kept in nanoseconds and 2^-32 of them, so that the mean rate is exact however short a packet is. A
 * worker that comes late while packets wait makes up for it (catch_up_ns); a link that was idle starts anew.
 */
#include <rte_prefetch.h>

#include "hook.h"
#include "machine.h"

#define LIVE_OVERHEAD    24 /* preamble and start delimiter 8, FCS 4, gap 12: IEEE 802.3 */
#define LIVE_MIN         84 /* the shortest frame, 60 + 24 */
#define LIVE_CATCH_UP_NS 200000
#define QUANTUM_NS       20000 /* at most so much of the link's time is dequeued at once */
#define DRAIN_BURSTS     4 /* in one loop, lest receiving starves */

/* Under mq nobody paces but the device: it takes from all lanes what its link takes. */
void
lane_follow_link(struct lane *first)
{
	bool paced = first->tree == first->pm->port.tree;

	first->link_quota = paced ? first->pm->link_quota : BURST;
	first->ns_per_byte_fp = paced ? first->pm->ns_per_byte_fp : 0;
}

void
port_set_link(struct port_machine *pm, uint64_t rate_Bps)
{
	bool replay = pm->port.router->conf.replay;

	pm->port.rate_Bps = rate_Bps;
	pm->wire_overhead = replay ? 0 : LIVE_OVERHEAD;
	pm->wire_min = replay ? 0 : LIVE_MIN;
	pm->catch_up_ns = replay ? 1 : LIVE_CATCH_UP_NS;
	pm->may_bypass = !replay && pm->port.ops->room_at == NULL;
	pm->link_quota = pm->port.ops->room_at == NULL ? BURST : 1;
	pm->ns_per_byte_fp = 0;
	if (rate_Bps == 0) {
		lane_follow_link(&pm->first);
		return;
	}
	uint64_t packets = QUANTUM_NS * rate_Bps / NS_PER_SECOND / (pm->port.mtu + 38);
	packets = RTE_MIN(packets, (uint64_t)BURST);
	pm->link_quota = replay || packets == 0 ? 1 : packets;
	pm->ns_per_byte_fp = (uint64_t)(((unsigned __int128)NS_PER_SECOND << 32) / rate_Bps);
	lane_follow_link(&pm->first);
}

/* ---- the link's time ---- */

static inline uint32_t
wire_bytes(const struct port_machine *pm, uint32_t frame_bytes)
{
	uint32_t bytes = frame_bytes + pm->wire_overhead;

	return bytes < pm->wire_min ? pm->wire_min : bytes;
}

static uint64_t
burst_wire_bytes(const struct port_machine *pm, struct rte_mbuf **pkts, uint16_t n)
{
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n; i++)
		bytes += wire_bytes(pm, pkts[i]->pkt_len);
	return bytes;
}

static void
link_charge(struct lane *lane, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	if (lane->ns_per_byte_fp == 0)
		return;
	uint64_t bytes = burst_wire_bytes(lane->pm, pkts, n);
	bool late = lane->backlogged && lane->link_free_ns + lane->pm->catch_up_ns >= now;
	if (!late && lane->link_free_ns < now) {
		lane->link_free_ns = now;
		lane->link_free_frac = 0;
	}
	unsigned __int128 time = (unsigned __int128)bytes * lane->ns_per_byte_fp + lane->link_free_frac;
	lane->link_free_ns += (uint64_t)(time >> 32);
	lane->link_free_frac = (uint32_t)time;
}

/* ---- to the device ---- */

static void
drop_burst(struct worker *w, struct port *port, struct rte_mbuf **pkts, uint16_t n, enum drop_reason reason)
{
	struct pkt_sink *sink = &counters(w, port)->sink;

	for (uint16_t i = 0; i < n; i++)
		pkt_drop(sink, pkts[i], reason);
}

/* A burst's bytes, and its longest frame's. */
struct burst_size {
	uint64_t bytes, longest;
};

static inline struct burst_size
measure(struct rte_mbuf **pkts, uint16_t n)
{
	struct burst_size size = { 0 };

	for (uint16_t i = 0; i < n; i++) {
		uint64_t bytes = pkts[i]->pkt_len;

		size.bytes += bytes;
		size.longest = RTE_MAX(size.longest, bytes);
	}
	return size;
}

/* Drops what the device would refuse for good. */
static uint16_t
drop_oversize(struct worker_machine *wm, struct port_machine *pm, struct rte_mbuf **pkts, uint16_t n)
{
	struct pkt_sink *sink = &counters(&wm->w, &pm->port)->sink;
	uint16_t kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (unlikely(pkts[i]->pkt_len > pm->max_frame))
			pkt_drop(sink, pkts[i], DROP_TX_FAILED);
		else
			pkts[kept++] = pkts[i];
	}
	return kept;
}

static void
tell_replay(struct worker_machine *wm, struct port_machine *pm, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	if (pm->port.ops->reenters || pm->port.ops->stacked)
		return;
	for (uint16_t i = 0; i < n; i++)
		replay_sent(wm->w.router->replay, &pm->port, pkts[i], now);
}

/* Gives packets of so many bytes to the port's kind, counts those it takes, returns how many these are. */
static uint16_t
transmit(struct worker_machine *wm, struct port_machine *pm, struct rte_mbuf **pkts, uint16_t n, uint64_t bytes,
	uint64_t now)
{
	struct port_counters *c = counters(&wm->w, &pm->port);

	if (unlikely(wm->w.router->replay != NULL))
		tell_replay(wm, pm, pkts, n, now);
	uint16_t taken = pm->port.ops->xmit(&pm->port, wm->w.index, pkts, n, now);
	worker_stage(&wm->w, STAGE_OF_TRANSMIT);
	c->tx_packets += taken;
	c->tx_bytes += bytes - (likely(taken == n) ? 0 : measure(pkts + taken, n - taken).bytes);
	return taken;
}

/* The same, without what is too long for the port. Returns how many are left, of which the first *taken have gone. */
static inline uint16_t
transmit_fitting(struct worker_machine *wm, struct port_machine *pm, struct rte_mbuf **pkts, uint16_t n,
	struct burst_size size, uint64_t now, uint16_t *taken)
{
	if (unlikely(size.longest > pm->max_frame)) {
		n = drop_oversize(wm, pm, pkts, n);
		size = measure(pkts, n);
	}
	*taken = n != 0 ? transmit(wm, pm, pkts, n, size.bytes, now) : 0;
	return n;
}

/* Sends a burst; what the device refuses is held. Nothing was held before. */
static inline uint16_t
transmit_or_hold(struct worker_machine *wm, struct lane *lane, struct rte_mbuf **pkts, uint16_t n,
	struct burst_size size, uint64_t now)
{
	uint16_t taken;

	n = transmit_fitting(wm, lane->pm, pkts, n, size, now, &taken);
	if (likely(taken == n))
		return taken;
	for (uint16_t i = taken; i < n; i++)
		lane->held[i - taken] = pkts[i];
	lane->held_first = 0;
	atomic_store_explicit(&lane->held_count, n - taken, memory_order_relaxed);
	return taken;
}

static uint16_t
retry_held(struct worker_machine *wm, struct lane *lane, uint64_t now)
{
	struct rte_mbuf **pkts = lane->held + lane->held_first;
	uint16_t taken = transmit(wm, lane->pm, pkts, lane->held_count, measure(pkts, lane->held_count).bytes, now);

	lane->held_first += taken;
	atomic_store_explicit(&lane->held_count, lane->held_count - taken, memory_order_relaxed);
	return taken;
}

/* ---- a lane ---- */

static inline bool
can_send(const struct port_machine *pm)
{
	return pm->active && (pm->port.flags & (IFF_UP | IFF_LOWER_UP)) == (IFF_UP | IFF_LOWER_UP);
}

bool
lane_can_send(const struct lane *lane)
{
	return can_send(lane->pm);
}

/* When the port's kind could take a packet. */
static inline uint64_t
room_at(const struct lane *lane, uint64_t now)
{
	struct port *port = &lane->pm->port;

	return likely(port->ops->room_at == NULL) ? 0 : port->ops->room_at(port, now);
}

unsigned int
lane_drain(struct worker_machine *wm, struct lane *lane, uint64_t now)
{
	struct rte_mbuf *pkts[BURST];
	unsigned int sent = 0;

	if (!can_send(lane->pm) || room_at(lane, now) > now)
		return 0;
	if (lane->held_count != 0)
		sent += retry_held(wm, lane, now);
	for (unsigned int packets = 0; packets < DRAIN_BURSTS * BURST && lane->held_count == 0;
		packets += lane->pm->port.ops->room_at == NULL ? BURST : 1) {
		if (now < lane->next_ns || (lane->ns_per_byte_fp != 0 && lane_free_at(lane) > now) ||
			room_at(lane, now) > now)
			break;
		uint16_t n = sched_dequeue(lane->tree, pkts, lane->link_quota, now);
		worker_stage(&wm->w, STAGE_OF_DEQUEUE);
		if (n == 0) {
			lane->next_ns = sched_next_event(lane->tree, now);
			break;
		}
		link_charge(lane, pkts, n, now);
		lane->backlogged = sched_backlog(lane->tree) != 0;
		sent += transmit_or_hold(wm, lane, pkts, n, measure(pkts, n), now);
	}
	return sent;
}

uint64_t
lane_next_event(struct lane *lane, uint64_t now)
{
	if (!can_send(lane->pm))
		return SCHED_NEVER;
	uint64_t room = room_at(lane, now);

	if (lane->held_count != 0)
		return RTE_MAX(now, room);
	if (sched_backlog(lane->tree) == 0)
		return SCHED_NEVER;
	if (lane->next_ns == 0)
		lane->next_ns = sched_next_event(lane->tree, now);
	uint64_t ready = RTE_MAX(lane->next_ns, room);

	return lane->ns_per_byte_fp != 0 ? RTE_MAX(ready, lane_free_at(lane)) : ready;
}

void
lane_send(struct worker_machine *wm, struct lane *lane, struct rte_mbuf *m, bool more, uint64_t now)
{
	link_charge(lane, &m, 1, now);
	lane->backlogged = more;
	transmit_or_hold(wm, lane, &m, 1, measure(&m, 1), now);
	if (lane->held_count != 0)
		lane_kick(lane);
}

void
lane_kick(struct lane *lane)
{
	struct worker_machine *wm = lane->pm->port.router->workers[lane->worker];

	lane->next_ns = 0;
	if (lane->busy || lane_idle(lane))
		return;
	lane->busy = true;
	wm->busy[wm->busy_count++] = lane;
}

void
lane_purge(struct lane *lane, bool tree, enum drop_reason reason)
{
	struct pkt_sink *sink = &lane->pm->port.counters[lane->worker].sink;
	struct qdisc *root = sched_root(lane->tree);
	struct rte_mbuf *pkts[BURST];
	uint16_t n;

	for (; lane->held_count != 0; lane->held_count--)
		pkt_drop(sink, lane->held[lane->held_first++], reason);
	while (tree && root != NULL && (n = qdisc_flush(root, pkts, BURST)) != 0)
		for (uint16_t i = 0; i < n; i++)
			pkt_drop(sink, pkts[i], reason);
	lane->link_free_ns = 0;
	lane->link_free_frac = 0;
	lane->backlogged = false;
	lane_kick(lane);
}

/* ---- from the path ---- */

/* A port without queue: now or never. */
static void
send_now(struct worker_machine *wm, struct port_machine *pm, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t taken = 0;

	if (pm->first.held_count == 0 && pm->active)
		n = transmit_fitting(wm, pm, pkts, n, measure(pkts, n), wm->w.now, &taken);
	drop_burst(&wm->w, &pm->port, pkts + taken, n - taken, DROP_QUEUE_FULL);
}

/* What need not wait in the tree may leave. */
static bool
takes_at_once(const struct lane *lane, uint64_t now)
{
	return lane->pm->may_bypass && lane->held_count == 0 && lane_free_at(lane) <= now && can_send(lane->pm);
}

/* All of them: callers have looked at the quota, which a new MTU may have changed since. Returns n. */
static uint16_t
bypass(struct worker_machine *wm, struct lane *lane, struct rte_mbuf **pkts, uint16_t n)
{
	struct burst_size size = measure(pkts, n);
	uint64_t now = wm->w.now;

	sched_bypassed(lane->tree, pkts, n, size.bytes, now);
	counters(&wm->w, &lane->pm->port)->bypassed += n;
	lane->backlogged = false;
	link_charge(lane, pkts, n, now);
	transmit_or_hold(wm, lane, pkts, n, size, now);
	return n;
}

/* Those that the tree would give again at once; the others stand behind them then. */
static uint16_t
pass(struct worker_machine *wm, struct lane *lane, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t passed = sched_pass(lane->tree, ctx, pkts, n);

	worker_stage(&wm->w, STAGE_OF_ENQUEUE);
	if (passed == 0)
		return 0;
	lane->backlogged = false;
	link_charge(lane, pkts, passed, ctx->now);
	transmit_or_hold(wm, lane, pkts, passed, measure(pkts, passed), ctx->now);
	return passed;
}

/* Asked once for all that is decided by it: another may become the owner meanwhile. */
static inline unsigned int
owner_of(const struct port *port)
{
	return __atomic_load_n(&port->owner, __ATOMIC_RELAXED);
}

/*
 * Will nobody read struct pkt of packets that w sends by the port, so many at most? Then they are given to a device,
 * past an empty queue.
 */
static bool
sends_unread(const struct worker *w, const struct port_machine *pm, uint16_t n)
{
	const struct port_ops *ops = pm->port.ops;

	return !ops->is_virtual && !ops->reenters && !ops->stacked && owner_of(&pm->port) == w->index &&
	       !atomic_load_explicit(&pm->lanes_open, memory_order_relaxed) &&
	       __atomic_load_n(&pm->port.egress, __ATOMIC_RELAXED) == NULL && n <= pm->first.link_quota && pm->active &&
	       takes_at_once(&pm->first, w->now) && sched_can_bypass(pm->first.tree);
}

static void
send_unread(struct worker_machine *wm, struct lane *lane, struct rte_mbuf **pkts, uint16_t n)
{
	bypass(wm, lane, pkts, n);
	if (unlikely(lane->held_count != 0))
		lane_kick(lane);
}

/*
 * Is that so of packets that w hands over to the port's owner? He says so, without his tree being looked at, and may
 * think better of it.
 */
static bool
hands_over_unread(const struct worker *w, const struct port_machine *pm, unsigned int owner)
{
	return atomic_load_explicit(&pm->unread, memory_order_relaxed) && owner != w->index &&
	       !atomic_load_explicit(&pm->lanes_open, memory_order_relaxed) &&
	       __atomic_load_n(&pm->port.egress, __ATOMIC_RELAXED) == NULL && can_send(pm);
}

/* The owner, to those who hand over to it; they read it with each burst. */
static void
say_unread(struct port_machine *pm, bool unread)
{
	if (unlikely(atomic_load_explicit(&pm->unread, memory_order_relaxed) != unread))
		atomic_store_explicit(&pm->unread, unread, memory_order_relaxed);
}

static struct classify_ctx
asking(struct worker *w, const struct port *port)
{
	return (struct classify_ctx){
		.now = w->now,
		.worker = w->index,
		.ifindex = port->ifindex,
		.sink = &counters(w, port)->sink,
		.outlet = &worker_outlet,
		.outlet_arg = w,
	};
}

/* Its worker: takes all. */
static void
lane_enqueue(struct worker_machine *wm, struct lane *lane, struct rte_mbuf **pkts, uint16_t n)
{
	struct port_machine *pm = lane->pm;
	struct classify_ctx ctx = asking(&wm->w, &pm->port);
	uint16_t done = 0;

	if (unlikely(!pm->active)) { /* it went down while they were on the way */
		drop_burst(&wm->w, &pm->port, pkts, n, DROP_PORT_DOWN);
		return;
	}
	if (unlikely(!sched_has_root(lane->tree))) {
		send_now(wm, pm, pkts, n);
		return;
	}
	if (takes_at_once(lane, wm->w.now)) {
		uint16_t most = RTE_MIN(n, lane->link_quota);

		done = sched_can_bypass(lane->tree) ? bypass(wm, lane, pkts, most) : pass(wm, lane, &ctx, pkts, most);
		if (likely(done == n && lane->held_count == 0)) {
			wm->w.unread = sends_unread(&wm->w, pm, n);
			say_unread(pm, wm->w.unread);
			return;
		}
	}
	/* A tree that holds its share of the free buffers gets no more, lest others find none. */
	if (unlikely(sched_backlog(lane->tree) >= wm->queue_share)) {
		drop_burst(&wm->w, &pm->port, pkts + done, n - done, DROP_BUFFERS_SHARED);
		done = n;
	}
	if (done < n) {
		sched_enqueue(lane->tree, &ctx, pkts + done, n - done);
		lane->next_ns = 0;
	}
	lane_kick(lane);
	worker_stage(&wm->w, STAGE_OF_ENQUEUE);
}

/* At most BURST; leaves_by, state: as worker_hand_over. */
static void
to_worker(struct worker *w, unsigned int other, struct port *out, struct rte_mbuf **pkts, uint16_t n,
	uint16_t leaves_by, enum handed_state state)
{
	uint16_t sent = worker_hand_over(w, w->router->workers[other], pkts, n, leaves_by, state);

	if (unlikely(sent < n))
		drop_burst(w, out, pkts + sent, n - sent, DROP_RING_FULL);
}

/* To be sent by the port: that is where who gets them begins. */
static void
to_output(struct worker *w, unsigned int other, struct port *out, struct rte_mbuf **pkts, uint16_t n,
	enum handed_state state)
{
	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = pkt_of(pkts[i]);

		p->stage = STAGE_OUTPUT;
		p->out_port = out->ifindex;
	}
	to_worker(w, other, out, pkts, n, (uint16_t)out->ifindex, state);
	worker_stage(w, STAGE_OF_HANDOVER);
}

/* By which w sends to the port; NULL: it hands over to the owner. */
static inline struct lane *
lane_of_worker(const struct worker *w, struct port_machine *pm, unsigned int owner)
{
	if (owner == w->index)
		return &pm->first;
	return atomic_load_explicit(&pm->lanes_open, memory_order_acquire) ? pm->lane_of[w->index] : NULL;
}

void
port_enqueue(struct worker_machine *wm, struct port_machine *pm, struct rte_mbuf **pkts, uint16_t n)
{
	unsigned int owner = owner_of(&pm->port);
	struct lane *lane = lane_of_worker(&wm->w, pm, owner);

	if (likely(lane != NULL))
		lane_enqueue(wm, lane, pkts, n);
	else /* another root has taken mq's place while they were on the way */
		to_output(&wm->w, owner, &pm->port, pkts, n, STATE_WANTED);
}

void
port_enqueue_unfilled(struct worker_machine *wm, struct port_machine *pm, struct rte_mbuf **pkts, uint16_t n)
{
	if (likely(sends_unread(&wm->w, pm, n))) {
		send_unread(wm, &pm->first, pkts, n);
		return;
	}
	say_unread(pm, false);
	path_fill_leaving(&wm->w, pm->port.ifindex, pkts, n);
	port_enqueue(wm, pm, pkts, n);
}

bool
port_output_unread(struct worker *w, const struct port *in, struct port *out, struct rte_mbuf **pkts, uint16_t n)
{
	struct port_machine *pm = port_machine(out);

	if (likely(sends_unread(w, pm, n))) {
		send_unread(w->machine, &pm->first, pkts, n);
		return true;
	}
	unsigned int owner = owner_of(out);
	if (!hands_over_unread(w, pm, owner))
		return false;
	for (uint16_t i = 0; i < n; i++)
		pkts[i]->port = (uint16_t)in->ifindex;
	to_worker(w, owner, out, pkts, n, (uint16_t)out->ifindex, STATE_UNFILLED);
	worker_stage(w, STAGE_OF_HANDOVER);
	return true;
}

/* Whose lane an action has chosen for the packet: w's own if none has, or a queue that is not there. */
static unsigned int
chosen_worker(const struct worker *w, const struct port_machine *pm, const struct rte_mbuf *m)
{
	uint16_t queue;

	if (likely((pkt_of((struct rte_mbuf *)(uintptr_t)m)->flags & PKT_QUEUE) == 0))
		return w->index;
	queue = pkt_queue(m);
	if (queue == 0)
		return owner_of(&pm->port);
	return queue < pm->lane_count ? pm->others[queue - 1].worker : w->index;
}

/* Packets for which an action has chosen another lane go to its worker, in runs. Returns how many stay. */
static uint16_t
to_chosen_lanes(struct worker *w, struct port_machine *pm, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t stay = 0;

	for (uint16_t i = 0, run; i < n; i += run) {
		unsigned int worker = chosen_worker(w, pm, pkts[i]);

		for (run = 1; i + run < n && chosen_worker(w, pm, pkts[i + run]) == worker;)
			run++;
		if (worker != w->index) {
			to_output(w, worker, &pm->port, pkts + i, run, STATE_WANTED);
		} else {
			memmove(pkts + stay, pkts + i, run * sizeof(pkts[0]));
			stay += run;
		}
	}
	return stay;
}

static void
output_burst(struct worker *w, struct port *out, struct rte_mbuf **pkts, uint16_t n)
{
	struct port_machine *pm = port_machine(out);

	if (atomic_load_explicit(&pm->lanes_open, memory_order_acquire)) {
		n = to_chosen_lanes(w, pm, pkts, n);
		if (n == 0)
			return;
	}
	unsigned int owner = owner_of(out);
	struct lane *lane = lane_of_worker(w, pm, owner);
	/* Of another worker's tree as little is read as can be: it may change at any moment. */
	struct sched_tree *tree = lane != NULL ? lane->tree : out->tree;

	if ((lane != NULL || !out->ops->queues) && !sched_has_root(tree)) {
		send_now(w->machine, pm, pkts, n);
		return;
	}
	bool queues = !sched_can_bypass(tree);
	if (lane == NULL || queues) {
		struct classify_ctx ctx = asking(w, out);

		sched_classify(tree, &ctx, pkts, n);
		worker_stage(w, STAGE_OF_CLASSIFY);
	}
	if (lane != NULL) {
		lane_enqueue(w->machine, lane, pkts, n);
		return;
	}
	to_output(w, owner, out, pkts, n, queues ? STATE_WANTED : STATE_SPARE);
	w->unread = hands_over_unread(w, pm, owner);
}

static inline uint16_t
pass_hook(struct worker *w, struct port *out, struct rte_mbuf **pkts, uint16_t n)
{
	const struct chain *egress = __atomic_load_n(&out->egress, __ATOMIC_ACQUIRE);

	return likely(egress == NULL) || chain_empty(egress) ? n : hook_egress(w, out, egress, pkts, n);
}

void
port_output(struct worker *w, struct port *out, struct rte_mbuf **pkts, uint16_t n)
{
	if (unlikely((out->flags & (IFF_UP | IFF_LOWER_UP)) != (IFF_UP | IFF_LOWER_UP))) {
		drop_burst(w, out, pkts, n, (out->flags & IFF_UP) == 0 ? DROP_PORT_DOWN : DROP_NO_CARRIER);
		return;
	}
	for (uint16_t done = 0; done < n; done += BURST) {
		uint16_t burst = pass_hook(w, out, pkts + done, RTE_MIN(n - done, BURST));

		if (likely(burst != 0))
			output_burst(w, out, pkts + done, burst);
	}
}

void
port_hand_over(struct worker *w, struct port *out, struct rte_mbuf **pkts, uint16_t n)
{
	unsigned int owner = owner_of(out);

	if (owner == w->index)
		path_resume(w, pkts, n);
	else
		for (uint16_t done = 0; done < n; done += BURST)
			to_worker(w, owner, out, pkts + done, RTE_MIN((uint16_t)(n - done), (uint16_t)BURST), 0,
				STATE_WANTED);
}
