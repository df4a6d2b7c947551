/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the data plane: what the path (parse.c, ip4.c, icmp.c, arp.c, neighbour.c) and the machinery (port.c,
 * worker.c, replay.c) know of each other. The path never sees a device or a thread; the machinery never looks into a
 * packet.
 */
#ifndef WEIR_DATAPLANE_WORKER_H
#define WEIR_DATAPLANE_WORKER_H

#include <rte_cycles.h>

#include <weir/dataplane.h>
#include <weir/netfilter.h>
#include <weir/random.h>

#define BURST 64

/* Where a loop's time goes, in one busy loop of so many: between them nobody reads the clock. */
#define TIMED_LOOPS 64

struct stage_clock {
	bool on; /* this loop is timed */
	uint64_t mark; /* TSC when the last stage ended */
	uint64_t cycles[WORKER_STAGES]; /* of this loop */
};

struct worker {
	unsigned int index;
	unsigned int lcore;
	struct router *router;
	struct rib *rib;
	struct rte_mempool *pool; /* of its NUMA node */
	const struct router_settings *settings;
	const struct port_settings *all; /* net.ipv4.conf.all; path_start sets it */
	uint64_t now; /* read once per loop */
	uint64_t icmp_tokens, icmp_stamp_ns; /* the path's: global ICMP limit of this worker */
	uint64_t random; /* state of the worker's generator */
	const struct netfilter *netfilter; /* NULL: no tables (tests) */
	const uint32_t *netfilter_active; /* the hooks at which packets are asked: netfilter_is_active */
	struct stage_clock clock;
	bool unread; /* nobody read struct pkt of the last burst: then nobody is likely to read the next one's */
	struct path *path; /* the path's own: path_start makes it */
	struct worker_machine *machine; /* rings, queues and statistics: worker.c's own */
};

/* pkt.stage: where a packet resumes that was handed to another worker or came out of a virtual port. */
enum stage {
	STAGE_RECEIVE, /* from the start, as if it had just arrived on in_port */
	STAGE_INGRESS_DONE, /* behind the ingress hook */
	/*
	 * at the owner of out_port: its next hop is not resolved; 14 bytes of room for the link header, then the IP
	 * header
	 */
	STAGE_NEIGHBOUR,
	STAGE_OUTPUT, /* at the owner of out_port: link header written, to be classified (if not yet) and enqueued */
	STAGE_EGRESS, /* to leave by out_port, link header written, before its egress hook */
};

/* ---- the path, called by the machinery --------------------------------------------------------------------------- */

/*
 * Once per worker, before and after all else, in the control thread. path_stop drops what is being reassembled as
 * `shutdown`.
 */
int path_start(struct worker *w, struct error *err);
void path_stop(struct worker *w);
/* Takes all n packets, just received on `in` from outside (counted by the machinery; struct pkt not yet filled). */
void path_receive(struct worker *w, struct port *in, struct rte_mbuf **pkts, uint16_t n);
/*
 * Packets that were handed over by another worker or come out of a virtual port, `stage` set: STAGE_RECEIVE and
 * STAGE_INGRESS_DONE with time_ns and in_port, and STAGE_EGRESS with out_port, at any worker; each such pass is
 * counted, and the ninth is dropped as `loop`. STAGE_NEIGHBOUR at the owner of out_port. STAGE_OUTPUT ones do not come
 * here.
 */
void path_resume(struct worker *w, struct rte_mbuf **pkts, uint16_t n);
/*
 * Somebody is to read struct pkt of packets that port_output_unread has handed over, and that name the port they came
 * in by in their mbufs: fills it.
 */
void path_fill_leaving(const struct worker *w, uint32_t out_ifindex, struct rte_mbuf **pkts, uint16_t n);
/*
 * Runs the neighbours' timers of the ports that w owns; returns when it wants to be called again (UINT64_MAX: not until
 * something happens).
 */
uint64_t path_timers(struct worker *w);
/*
 * The port is going (DROP_PORT_DELETED: before rib_link_remove), down (DROP_PORT_DOWN) or without carrier
 * (DROP_NO_CARRIER, its permanent neighbours stay): packets that wait for its neighbours are dropped with `reason`, and
 * the neighbours forgotten. At the owner, while control waits.
 */
void path_port_flush(struct worker *w, struct port *port, enum drop_reason reason);
/* Fragments that arrived on the port and wait for the rest of their datagram at w are dropped. At each worker. */
void path_reassembly_flush(struct worker *w, const struct port *port, enum drop_reason reason);
/* Packets that wait for neighbours of the port, and fragments from it that wait for the rest. Any thread. */
uint64_t path_port_waiting(const struct port *port);
/*
 * Control thread: the worker said by worker_tell_neighbour(.., true) that this neighbour is stale or failed and not
 * needed any more. Removes it if that is still so. True: it is gone (tell those who listen).
 */
bool path_neighbour_collect(struct router *router, uint32_t ifindex, uint8_t family, const struct ip_addr *addr);

/*
 * For virtual ports without link layer, whose packets leave by a port below them that w owns. True: m has the link
 * header of its next hop's neighbour on `out` now. False: that neighbour is not known yet and has been asked for; m may
 * go another way, or wait for it: path_wait_below takes it, and sends it through out's tree when the answer comes.
 */
bool path_write_below(struct worker *w, struct port *out, struct rte_mbuf *m);
void path_wait_below(struct worker *w, struct port *out, struct rte_mbuf *m);

/* ---- the machinery, called by the path --------------------------------------------------------------------------- */

/*
 * Packets with a complete link header, to leave by `out`: classify, then enqueue if w owns the port, else hand to its
 * owner. A port without queue
 * (noqueue) gets them at once. Down or without carrier: dropped by name. Takes all.
 */
void port_output(struct worker *w, struct port *out, struct rte_mbuf **pkts, uint16_t n);
/*
 * The same, for at most BURST plain packets that came in by `in`, have no realms, and whose struct pkt is not filled.
 * False: somebody would read it (a queue, a filter, a virtual port), and nothing has been done. After a burst of which
 * that is not so port_output sets w->unread.
 */
bool port_output_unread(struct worker *w, const struct port *in, struct port *out, struct rte_mbuf **pkts, uint16_t n);
/*
 * Hands packets, pkt.stage and pkt.out_port set, to the owner of their port (ring; a full ring drops as ring_full). w
 * may be the owner: then path_resume is called.
 */
void port_hand_over(struct worker *w, struct port *out, struct rte_mbuf **pkts, uint16_t n);
/* For chains: outlet_arg is the struct worker. */
extern const struct classify_outlet worker_outlet;
/*
 * A buffer for something the router makes itself: from the reserve if need be. NULL: none. struct pkt is cleared,
 * PKT_GENERATED set; the path counts it in counters(w, out)->generated when it is sent off.
 */
struct rte_mbuf *worker_alloc(struct worker *w);
/*
 * Tells control (router_events.neighbour); never blocks. With `removed`, router_poll first asks path_neighbour_collect,
 * and says so only if it is gone.
 */
void worker_tell_neighbour(struct worker *w, const struct neighbour *neighbour, bool removed);
/* A packet for the log: copied, or counted as lost when there are too many. */
void worker_log(struct worker *w, const struct netfilter_log *log);
/* The worker that owns the port. */
struct worker *worker_of(const struct port *port);
/* Replay: any destination MAC is the port's own, and neighbours that nobody configured resolve at once. */
bool router_is_replay(const struct router *router);

/* What was done since the last call belongs to this stage. */
static inline void
worker_stage(struct worker *w, enum worker_stage stage)
{
	if (likely(!w->clock.on))
		return;
	uint64_t now = rte_rdtsc();

	w->clock.cycles[stage] += now - w->clock.mark;
	w->clock.mark = now;
}

/* The router itself has consumed m, which arrived on `in`: counts it and frees it. */
static inline void
worker_delivered(const struct worker *w, const struct port *in, struct rte_mbuf *m)
{
	struct port_counters *c = &in->counters[w->index];

	c->delivered++;
	if (unlikely(c->sink.delivered != NULL))
		c->sink.delivered(c->sink.observe_arg, m);
	rte_pktmbuf_free(m);
}

static inline struct port_counters *
counters(const struct worker *w, const struct port *port)
{
	return &port->counters[w->index];
}

/* The port of an ifindex, under RCU: NULL if it has gone. */
struct port *worker_port(const struct worker *w, uint32_t ifindex);
static inline uint64_t
worker_random(struct worker *w)
{
	return random_shift(&w->random);
}

#endif
