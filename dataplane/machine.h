/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the machinery's own files (router.c, port.c, output.c, worker.c, device.c, replay.c) share. The path does not
 * see it.
 */
#ifndef WEIR_DATAPLANE_MACHINE_H
#define WEIR_DATAPLANE_MACHINE_H

#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

#include <rte_cycles.h>
#include <rte_epoll.h>
#include <rte_ring.h>

#include <weir/dataplane.h>

#include "worker.h"

#define NS_PER_SECOND UINT64_C(1000000000)
#define CLOCK_START   NS_PER_SECOND /* time when a router is made: never 0, which many structs start with */

#ifndef IFF_LOWER_UP
#define IFF_LOWER_UP 0x10000 /* linux/if.h has it, and cannot be included beside net/if.h */
#endif

#define QUEUES_POLLED_MAX 512 /* by one worker */
#define RING_SIZE         4096 /* packets on the way to a worker, from all others together */
#define DEFERRED_SIZE     4096 /* packets of virtual ports on their way back into the path */
#define POOLS_MAX         RTE_MAX_NUMA_NODES
#define EVENTS_SIZE       1024 /* what a worker has to say, until control listens */

struct replay;
struct rte_device;
struct port_machine;
struct lane;

/* ---- from worker to worker ---- */

/* The struct pkt of packets that are handed over. */
enum handed_state {
	STATE_WANTED, /* whoever gets them is to read it at once */
	STATE_SPARE, /* he is not likely to read it */
	STATE_UNFILLED, /* nobody has filled it: all are plain, and came in by the port that their mbuf names */
};

/*
 * What stands in a worker's ring: a packet, and above its address, which needs 48 bits, the port that it is to leave
 * by, where it is at STAGE_OUTPUT. Else 0, and struct pkt says where it resumes. So the owner of a port whose tree is
 * bypassed need not fetch struct pkt from another processor's cache, nor anybody fill it: the last bit tells.
 */
#define RING_PORT_SHIFT 48
#define RING_UNFILLED   ((uintptr_t)1)

static inline void *
ring_word(struct rte_mbuf *m, uint16_t leaves_by, bool unfilled)
{
	return (void *)((uintptr_t)m | (uintptr_t)leaves_by << RING_PORT_SHIFT | (unfilled ? RING_UNFILLED : 0));
}

static inline bool
ring_word_unfilled(const void *word)
{
	return ((uintptr_t)word & RING_UNFILLED) != 0;
}

static inline uint16_t
ring_word_port(const void *word)
{
	return (uint16_t)((uintptr_t)word >> RING_PORT_SHIFT);
}

static inline struct rte_mbuf *
ring_word_packet(const void *word)
{
	return (struct rte_mbuf *)((uintptr_t)word & ((UINT64_C(1) << RING_PORT_SHIFT) - 1) & ~RING_UNFILLED);
}

_Static_assert(sizeof(uintptr_t) == 8 && alignof(struct rte_mbuf) > RING_UNFILLED,
	"there is room above an address and below it");

/* ---- one worker ---- */

struct polled_queue {
	struct port *port;
	uint16_t queue;
	bool wakes; /* its worker, when there are packets in it */
};

struct worker_event {
	struct ip_addr addr;
	uint32_t ifindex;
	uint8_t family;
	bool removed;
};

/* One writer, one reader. A full one loses what is new: a neighbour's state can be read again. */
struct event_queue {
	struct worker_event events[EVENTS_SIZE];
	_Atomic(uint32_t) head, tail;
};

#define LOGS_SIZE 64 /* packets that a worker has to tell of, until control listens */

/* One writer, one reader. */
struct log_queue {
	struct netfilter_log logs[LOGS_SIZE];
	_Atomic(uint32_t) head, tail;
	_Atomic(uint64_t) lost; /* of which no line is written, since there were too many */
	uint64_t full_at; /* token bucket: when it will be full again */
	uint64_t told; /* of those lost; control's */
};

/* Control is the only one to ask, one thing at a time. */
struct worker_command {
	void (*fn)(void *arg);
	void *arg;
	_Atomic(int) state; /* 0: none, 1: asked, 2: done */
};

struct worker_machine {
	struct worker w;
	uint64_t timers_ns; /* when path_timers wants to be called */
	uint64_t timers_asked_ns; /* when it was called last */
	bool timers_stale; /* packets have passed since */
	uint32_t queue_share; /* packets that one tree may hold: follows the free buffers */
	bool low; /* on buffers: only what keeps the router alive is received */
	struct polled_queue polled[QUEUES_POLLED_MAX];
	unsigned int polled_count;
	struct lane **busy; /* lanes of this worker with something to send */
	unsigned int busy_count, busy_size;
	unsigned int giver_next; /* whose turn it is */
	struct rte_mbuf *deferred[DEFERRED_SIZE];
	uint32_t deferred_head;
	_Atomic(uint32_t) deferred_tail; /* written here, read by router_totals */
	struct port_counters orphans; /* packets whose port went while they were on the way */
	struct event_queue events;
	struct log_queue logs;
	struct worker_command command;
	struct worker_info info;
	/* Rings that lead here (handover.c); other workers read the first with each burst that they hand over. */
	alignas(64) struct rte_ring *ring_from[WORKERS_MAX]; /* by the index of who hands over; NULL: its own */
	struct rte_ring *givers[WORKERS_MAX]; /* the same without gaps */
	unsigned int giver_count;
	/* how it waits (wait.c); other workers read `asleep` with each burst that they hand over */
	alignas(64) _Atomic(bool) asleep; /* or about to be: to be woken */
	bool drowsy; /* it has said so, and looks once more */
	uint8_t fruitless; /* times in a row that a queue woke it and gave nothing */
	uint32_t napping; /* queues that it polls and that cannot wake it */
	int epoll_fd, wake_fd; /* what wakes it; the descriptor among them for workers and control */
	struct rte_epoll_event wake_event;
	/* control's */
	pthread_t thread;
	_Atomic(bool) running;
	unsigned int ports_owned, lanes;
	int cpu; /* pinned there; -1: nowhere */
} __attribute__((aligned(64)));

/* ---- one port ---- */

/*
 * A way out of a port: one worker, one transmit queue, what waits for it. The first is the owner's, and where only one
 * queue or one worker is there, the only one. Under mq each worker that has a queue of its own sends by its lane from a
 * tree of its own, and shares nothing with the others (lane.c).
 */
struct lane {
	struct port_machine *pm;
	struct sched_tree *tree; /* the first: the port's, or under mq one of its own, as the others */
	uint16_t worker; /* who alone may touch it, or control while that one waits */
	bool busy; /* in the worker's list */
	bool backlogged; /* the tree held packets when it was last dequeued from */
	uint16_t link_quota; /* packets that are dequeued at once */
	uint16_t held_first;
	_Atomic(uint16_t) held_count;
	uint32_t link_free_frac; /* 2^-32 ns beyond ... */
	uint64_t link_free_ns; /* ... when the link has sent what it was given */
	uint64_t ns_per_byte_fp; /* 32.32; 0: the link is never the bottleneck */
	uint64_t next_ns; /* earliest time at which the tree may give a packet; 0: to be asked */
	unsigned int fruitless; /* replay: times in a row that the tree promised a packet and gave none */
	struct rte_mbuf *held[BURST]; /* refused by the device; the first to be sent */
} __attribute__((aligned(64)));

struct port_machine {
	struct port port; /* first: a struct port * is a struct port_machine * */
	/* read by all that send */
	_Atomic(bool) active; /* the device is started: it may be given packets */
	_Atomic(bool) lanes_open; /* each worker sends by its own lane; else all by the owner's */
	_Atomic(bool) unread; /* the owner is not likely to read struct pkt of what is handed over to it */
	bool may_bypass; /* live only: a replay's report wants to see each packet queued */
	uint16_t wire_overhead; /* bytes a frame costs on the link beyond those counted */
	uint16_t wire_min; /* bytes the shortest frame costs */
	uint32_t max_frame; /* bytes; what is longer the device would refuse for good */
	uint32_t catch_up_ns; /* by this much the owner may be late without the link losing time */
	uint8_t tx_queue[WORKERS_MAX]; /* by which a worker sends */
	struct lane **lane_of; /* [workers]; NULL: that worker hands over to the owner. All NULL without mq */
	struct lane first; /* the owner's */
	/* control's */
	struct lane *others; /* [lane_count - 1], by transmit queue from 1 on */
	struct sched_tree **lane_trees; /* [lane_count], by transmit queue; NULL: never mq */
	unsigned int lane_count; /* 1: never mq */
	uint16_t link_quota; /* of the port's own tree */
	uint64_t ns_per_byte_fp;
	struct port_machine *next; /* in order of ifindex */
	bool default_root_set;
	bool polled;
	uint64_t pin; /* workers that may poll it or own it, bit mask; 0: any */
	uint64_t configured_rate; /* rate=; 0: the device's */
};

static inline struct port_machine *
port_machine(const struct port *port)
{
	return (struct port_machine *)(uintptr_t)port;
}

/* ---- the router ---- */

struct router {
	struct router_conf conf;
	struct rte_mempool *pool; /* the first */
	struct rte_mempool *pools[POOLS_MAX]; /* one on each NUMA node that has a worker or a port */
	unsigned int pool_count;
	uint32_t pool_size, reserve; /* of each */
	unsigned int kept_by_drivers; /* buffers at most that devices did not return when they were closed */
	struct rib *rib;
	struct netfilter *netfilter;
	struct rcu *rcu; /* NULL in replay: there is one thread */
	struct worker_machine *workers[WORKERS_MAX];
	unsigned int worker_count;
	bool started;
	_Atomic(bool) stopping;
	struct port **ports; /* [RIB_LINKS_MAX] by ifindex, read under RCU */
	struct port_machine *first_port;
	uint32_t last_ifindex;
	struct router_settings settings;
	struct port_settings all, defaults;
	const char *default_qdisc; /* a kind's own name */
	struct router_events events;
	int event_fd, wake_fd, timer_fd; /* event_fd polls the other two */
	_Atomic(bool) wake_pending;
	struct port_counters gone; /* of ports that were removed */
	/* clock */
	uint64_t tsc_start, ns_per_tick_fp; /* 32.32 */
	uint64_t virtual_now;
	struct replay *replay; /* NULL: live */
	uint64_t random;
};

/* eal.c */
int dpdk_start(const struct router_conf *conf, uint64_t pool_bytes, struct error *err);

/* router.c */
static inline uint64_t
clock_ns(const struct router *router)
{
	uint64_t ticks = rte_rdtsc() - router->tsc_start;

	return CLOCK_START + (uint64_t)(((unsigned __int128)ticks * router->ns_per_tick_fp) >> 32);
}
uint64_t router_random(struct router *router);
/* The pool of a NUMA node (SOCKET_ID_ANY: whichever), made if need be. NULL: no memory. Control thread. */
struct rte_mempool *router_pool(struct router *router, int node, struct error *err);
/* Adds b to a. */
void port_counters_add(struct port_counters *a, const struct port_counters *b);

/* A counter that has one writer and that anyone may read. */
static inline void
count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* pool.c */
uint64_t pool_bytes(uint32_t n); /* memory that n buffers take, at most */
/* n buffers; NULL, with rte_errno: no memory. */
struct rte_mempool *pool_create(const struct router_conf *conf, uint32_t n, int node);
/* Has the next n buffers that the lcore will take come to be written: another has read them. */
void pool_fetch_next(struct rte_mempool *pool, unsigned int lcore, uint16_t n);
/* The device is about to use the pool, or does no more. 0, or -errno: it cannot reach its memory. */
int pool_tell_device(const struct router *router, struct rte_mempool *pool, struct rte_device *device, bool map);

/* worker.c */
int worker_create(struct router *router, unsigned int index, struct error *err);
void worker_destroy(struct worker_machine *wm); /* stopped; what it holds is dropped as shutdown */
int worker_node(unsigned int index); /* where its processor is; SOCKET_ID_ANY: anywhere */
int worker_launch(struct worker_machine *wm, struct error *err);
void worker_stop(struct worker_machine *wm);
/* Has fn(arg) run by the worker between two bursts and waits; at once where it does not run. Control thread. */
void worker_run(struct worker_machine *wm, void (*fn)(void *arg), void *arg);
/* The two halves of it, for a worker that runs: asks; waits. */
void worker_ask(struct worker_machine *wm, void (*fn)(void *arg), void *arg);
void worker_answered(struct worker_machine *wm);
void worker_poll_add(struct worker_machine *wm, struct port *port, uint16_t queue);
void worker_poll_remove(struct worker_machine *wm, const struct port *port);
/* Packets just received on the port: stamps and counts them, and hands them to the path. */
void worker_received(struct worker_machine *wm, struct port *port, struct rte_mbuf **pkts, uint16_t n);
void worker_watch_buffers(struct worker_machine *wm);
/* Calls path_timers if it is time; `worked`: packets have passed since. */
void worker_timers(struct worker_machine *wm, bool worked);
/* Makes room for one more busy lane. Control thread. */
int worker_grow_busy(struct worker_machine *wm, struct error *err);
bool worker_next_event(struct worker_machine *wm, struct worker_event *event);
/* There is something for router_poll. One system call wakes control, however much there is to say until it listens. */
void router_wake(struct router *router);
/* log.c: lines for what workers have to tell of, in router_poll. */
void log_poll(struct router *router);
uint64_t
worker_next_event_ns(struct worker_machine *wm); /* when there is something to do, whatever comes in; SCHED_NEVER */

/* handover.c */
int handover_create(struct worker_machine *wm, struct error *err);
void handover_destroy(struct worker_machine *wm); /* what is on the way to it is dropped as shutdown */
/* Takes up all that is on the way to it now. The worker, between two bursts. */
void handover_catch_up(struct worker_machine *wm);
/*
 * At most BURST packets to another worker, `leaves_by` a port of its if they are at STAGE_OUTPUT, else 0. Returns how
 * many there was room for.
 */
uint16_t worker_hand_over(struct worker *w, struct worker_machine *owner, struct rte_mbuf **pkts, uint16_t n,
	uint16_t leaves_by, enum handed_state state);
/* Packets of a virtual port that the path shall take up again at their stage; returns how many there was room for. */
uint16_t worker_defer(struct worker_machine *wm, struct rte_mbuf **pkts, uint16_t n);
/* Works off what was deferred and what other workers handed over; returns packets. */
unsigned int worker_take_up(struct worker_machine *wm);
uint32_t worker_holds(const struct worker_machine *wm); /* packets in its rings and deferred */

/* wait.c */
int wait_create(struct worker_machine *wm, struct error *err);
void wait_destroy(struct worker_machine *wm);
/* Has a queue wake the worker, or no more; false: it cannot. Control thread. */
bool wait_watch(struct worker_machine *wm, struct port *port, uint16_t queue, bool on);
/* Idle: waits if it is time to; `idle_loops` since there was work. */
void worker_idle(struct worker_machine *wm, uint32_t idle_loops);
void worker_wake_up(struct worker_machine *wm);
/* Any thread: something was just made known to the worker that it may not look for before its next event. */
static inline void
worker_wake(struct worker_machine *wm)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (unlikely(atomic_load_explicit(&wm->asleep, memory_order_relaxed)))
		worker_wake_up(wm);
}

/* output.c */
/* Its worker: sends what may leave now; returns how many packets left. */
unsigned int lane_drain(struct worker_machine *wm, struct lane *lane, uint64_t now);
/* Its worker: when lane_drain wants to be called again; SCHED_NEVER. */
uint64_t lane_next_event(struct lane *lane, uint64_t now);
/* Its worker: after something else than port_output may have put packets into the tree. */
void lane_kick(struct lane *lane);
/* Its worker: drops what its tree (if asked) and the device's refusals hold. */
void lane_purge(struct lane *lane, bool tree, enum drop_reason reason);
void port_set_link(struct port_machine *pm, uint64_t rate_Bps);
/* The first lane's pace, after the link or its tree has changed. */
void lane_follow_link(struct lane *first);
/* For its worker's lane, which is the owner's unless somebody has chosen another one. */
void port_enqueue(struct worker_machine *wm, struct port_machine *pm, struct rte_mbuf **pkts, uint16_t n);
/* The same for STATE_UNFILLED ones: it is filled if somebody reads it. */
void port_enqueue_unfilled(struct worker_machine *wm, struct port_machine *pm, struct rte_mbuf **pkts, uint16_t n);

/* First whole nanosecond at which its link is free. */
static inline uint64_t
lane_free_at(const struct lane *lane)
{
	return lane->link_free_ns + (lane->link_free_frac != 0);
}
bool lane_can_send(const struct lane *lane); /* its port is up and has carrier */
/*
 * Its worker, while the link is free and the lane idle: sends m straight to the device, past the tree. `more`: there is
 * another packet behind it, so that a late start costs the link no time.
 */
void lane_send(struct worker_machine *wm, struct lane *lane, struct rte_mbuf *m, bool more, uint64_t now);

static inline bool
lane_idle(const struct lane *lane)
{
	return lane->held_count == 0 && sched_backlog(lane->tree) == 0;
}

/* lane.c */
/* Makes the lanes of a port whose owner is known. Control thread, as all below but lanes_try_open. */
int lanes_create(struct port_machine *pm, struct error *err);
/* After the port's tree was destroyed. */
void lanes_destroy(struct port_machine *pm);
/* What stands at the root until something is configured, of a port that queues. */
const char *lanes_default_root(const struct port_machine *pm);
/* The router's default kind is another one now: for the roots that come from here on. */
void lanes_follow_default(struct port_machine *pm);
/* Has fn(arg), which may change the port's root, run by the owner while nobody sends by another lane. */
void lanes_run_change(struct port_machine *pm, void (*fn)(void *arg), void *arg);
/* Has fn run by each lane's worker, the owner's first. */
void lanes_each(struct port_machine *pm, void (*fn)(struct lane *lane, void *arg), void *arg);
/* Owner: once its lane is empty, the others may send by theirs without overtaking what it held. */
void lanes_try_open(struct port_machine *pm);
void lanes_set_mtu(struct port_machine *pm, uint32_t mtu);
void lanes_set_tx_queue_len(struct port_machine *pm, uint32_t packets);
uint32_t lanes_held(const struct port_machine *pm); /* packets that the device refused */

/* port.c */
void port_poll_carrier(struct router *router);
void port_destroy_all(struct router *router);
/* Of a port that is down, holds nothing and has one lane. Control thread. */
void port_change_owner(struct port *port, uint16_t worker);

/* teql.c */
int teql_bind(struct port *port, struct error *err); /* may its root be teql0? */
void teql_root_changed(struct port *port); /* at the port's owner */

/* af_packet.c */
/* Sockets whose receive rings were made since the last call, in that order, at most n; returns how many. */
unsigned int packet_sockets_take(int *sockets, unsigned int n);

/* device.c */
struct device_limits {
	uint32_t max_frame;
	uint64_t rate_Bps;
	uint16_t rx_queues;
};
/* What a device port found out about itself. */
void device_limits(const struct port *port, struct device_limits *limits);
void device_set_promiscuous(const struct port *port);

/* replay hooks (replay.c); router->replay is set */
int replay_create(struct router *router, struct error *err);
void replay_destroy(struct replay *replay);
/* To be given to the port's tree; NULL: no memory. */
const struct sched_observer *replay_watch_port(struct replay *replay, struct port *port);
void replay_sent(struct replay *replay, const struct port *port, struct rte_mbuf *m, uint64_t now);
void replay_made(struct replay *replay, struct rte_mbuf *m);

#endif
