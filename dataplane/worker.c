/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker: a thread that receives from the queues it is given, runs the path, and sends for the ports it owns. It
 * waits (wait.c) when there is nothing to do, asks nobody for a lock, and carries out control's commands between two
 * bursts.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_lcore.h>
#include <rte_stack.h>

#include "machine.h"

#define TIMERS_EVERY_NS     1000000 /* packets may have set a timer that path_timers has not told of yet */
#define LOOP_BURSTS         4 /* received in one loop, if there are no more queues: as a lane sends (DRAIN_BURSTS) */
#define ANSWER_PAUSE_NS     10000l /* control looks again whether a worker has answered: first, and at most */
#define ANSWER_PAUSE_MAX_NS 1000000l
#define QUEUE_ALPHA         4 /* of the dynamic threshold for what a tree may hold */

/* ---- being made ---- */

int
worker_create(struct router *router, unsigned int index, struct error *err)
{
	struct rte_mempool *pool = router_pool(router, worker_node(index), err);

	if (pool == NULL)
		return -ENOMEM;
	struct worker_machine *wm = aligned_alloc(alignof(struct worker_machine), sizeof(*wm));
	if (wm == NULL)
		return error_set(err, ENOMEM, "no memory for worker %u", index);
	memset(wm, 0, sizeof(*wm));
	wm->cpu = wm->epoll_fd = wm->wake_fd = -1;
	wm->queue_share = router->pool_size;
	wm->w = (struct worker){
		.index = index,
		.lcore = LCORE_ID_ANY,
		.router = router,
		.rib = router->rib,
		.netfilter = router->netfilter,
		.pool = pool,
		.settings = &router->settings,
		.now = router_now(router),
		.random = router_random(router) | 1,
		.machine = wm,
	};
	router->workers[index] = wm;
	router->worker_count = index + 1;
	int rc = handover_create(wm, err);
	if (rc == 0)
		rc = wait_create(wm, err);
	return rc != 0 ? rc : path_start(&wm->w, err);
}

void
worker_destroy(struct worker_machine *wm)
{
	handover_destroy(wm);
	path_stop(&wm->w);
	wait_destroy(wm);
	free(wm->busy);
	free(wm);
}

struct busy_swap {
	struct worker_machine *wm;
	struct lane **list; /* the new one, then the old one */
};

static void
switch_busy(void *arg)
{
	struct busy_swap *swap = arg;
	struct lane **old = swap->wm->busy;

	if (old != NULL)
		memcpy(swap->list, old, swap->wm->busy_count * sizeof(*old));
	swap->wm->busy = swap->list;
	swap->list = old;
}

int
worker_grow_busy(struct worker_machine *wm, struct error *err)
{
	unsigned int size = RTE_MAX(16u, wm->lanes * 2);

	if (wm->lanes < wm->busy_size)
		return 0;
	struct lane **grown = calloc(size, sizeof(struct lane *));
	if (grown == NULL)
		return error_set(err, ENOMEM, "no memory for one more port");
	struct busy_swap swap = { wm, grown };

	worker_run(wm, switch_busy, &swap);
	free(swap.list);
	wm->busy_size = size;
	return 0;
}

/* ---- commands ---- */

void
worker_ask(struct worker_machine *wm, void (*fn)(void *arg), void *arg)
{
	struct worker_command *command = &wm->command;

	command->fn = fn;
	command->arg = arg;
	atomic_store_explicit(&command->state, 1, memory_order_release);
	worker_wake(wm);
}

void
worker_answered(struct worker_machine *wm)
{
	struct worker_command *command = &wm->command;
	struct timespec pause = { .tv_nsec = ANSWER_PAUSE_NS };

	for (unsigned int spins = 0; atomic_load_explicit(&command->state, memory_order_acquire) != 2; spins++) {
		if (spins < 200) {
			rte_pause();
			continue;
		}
		/* Longer and longer: the worker may need this very processor. */
		nanosleep(&pause, NULL);
		pause.tv_nsec = RTE_MIN(pause.tv_nsec * 2, ANSWER_PAUSE_MAX_NS);
	}
	atomic_store_explicit(&command->state, 0, memory_order_relaxed);
}

void
worker_run(struct worker_machine *wm, void (*fn)(void *arg), void *arg)
{
	if (!atomic_load(&wm->running)) {
		fn(arg);
		return;
	}
	worker_ask(wm, fn, arg);
	worker_answered(wm);
}

static inline bool
run_command(struct worker_machine *wm)
{
	struct worker_command *command = &wm->command;

	if (likely(atomic_load_explicit(&command->state, memory_order_acquire) != 1))
		return false;
	command->fn(command->arg);
	atomic_store_explicit(&command->state, 2, memory_order_release);
	return true;
}

/* ---- receiving ---- */

struct poll_change {
	struct worker_machine *wm;
	const struct port *port;
	struct polled_queue queue;
};

static void
add_polled(void *arg)
{
	struct poll_change *change = arg;

	change->wm->polled[change->wm->polled_count++] = change->queue;
	change->wm->napping += !change->queue.wakes;
}

static void
remove_polled(void *arg)
{
	struct poll_change *change = arg;
	struct worker_machine *wm = change->wm;
	unsigned int kept = 0;

	for (unsigned int i = 0; i < wm->polled_count; i++)
		if (wm->polled[i].port != change->port)
			wm->polled[kept++] = wm->polled[i];
		else
			wm->napping -= !wm->polled[i].wakes;
	wm->polled_count = kept;
}

void
worker_poll_add(struct worker_machine *wm, struct port *port, uint16_t queue)
{
	bool wakes = wait_watch(wm, port, queue, true);

	worker_run(wm, add_polled, &(struct poll_change){ .wm = wm, .queue = { port, queue, wakes } });
}

void
worker_poll_remove(struct worker_machine *wm, const struct port *port)
{
	for (unsigned int i = 0; i < wm->polled_count; i++)
		if (wm->polled[i].port == port && wm->polled[i].wakes)
			wait_watch(wm, wm->polled[i].port, wm->polled[i].queue, false);
	worker_run(wm, remove_polled, &(struct poll_change){ .wm = wm, .port = port });
}

/* Buffers are low: keeps ARP, without which the router is lost, and drops the rest. */
static uint16_t
keep_alive_only(struct worker_machine *wm, struct port *port, struct rte_mbuf **pkts, uint16_t n)
{
	struct pkt_sink *sink = &counters(&wm->w, port)->sink;
	uint16_t kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(pkts[i], const struct rte_ether_hdr *);

		if (pkts[i]->data_len >= sizeof(*ether) && ether->ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP))
			pkts[kept++] = pkts[i];
		else
			pkt_drop(sink, pkts[i], DROP_NO_BUFFER);
	}
	return kept;
}

void
worker_received(struct worker_machine *wm, struct port *port, struct rte_mbuf **pkts, uint16_t n)
{
	struct port_counters *c = counters(&wm->w, port);
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n; i++)
		bytes += pkts[i]->pkt_len;
	c->rx_packets += n;
	c->rx_bytes += bytes;
	if (unlikely(wm->low))
		n = keep_alive_only(wm, port, pkts, n);
	worker_stage(&wm->w, STAGE_OF_RECEIVE);
	if (n != 0)
		path_receive(&wm->w, port, pkts, n);
}

/* A burst from each queue; returns packets. */
static unsigned int
receive_each(struct worker_machine *wm, unsigned int *bursts, bool *full)
{
	struct rte_mbuf *pkts[BURST];
	unsigned int total = 0;

	*full = false;
	for (unsigned int i = 0; i < wm->polled_count; i++) {
		const struct polled_queue *q = &wm->polled[i];
		uint16_t n = q->port->ops->receive(q->port, q->queue, pkts, BURST);

		if (n == 0)
			continue;
		worker_received(wm, q->port, pkts, n);
		total += n;
		*full |= n == BURST;
		++*bursts;
	}
	return total;
}

/* Where queues are few and have more, they are asked again: what a loop costs is shared by more packets. */
static unsigned int
receive_all(struct worker_machine *wm)
{
	unsigned int total = 0, bursts = 0;
	bool full;

	do
		total += receive_each(wm, &bursts, &full);
	while (full && bursts + wm->polled_count <= LOOP_BURSTS);
	return total;
}

/* ---- buffers, timers, events ---- */

/* Reads how many buffers are free (but those in the lcores' caches), once a loop. */
void
worker_watch_buffers(struct worker_machine *wm)
{
	const struct router *router = wm->w.router;
	unsigned int pools = __atomic_load_n(&router->pool_count, __ATOMIC_ACQUIRE);
	uint32_t available = UINT32_MAX;

	/*
	 * A pool's data is its stack of free buffers (pool_create): rte_mempool_avail_count reads 128 caches as well.
	 */
	for (unsigned int i = 0; i < pools; i++)
		available = RTE_MIN(available, rte_stack_count(router->pools[i]->pool_data));
	wm->low = available < router->reserve;
	/* Choudhury and Hahne's alpha is 4: a single tree may take four fifths of all, two of them four ninths each. */
	wm->queue_share = available > router->reserve ? QUEUE_ALPHA * (available - router->reserve) : 0;
}

void
worker_timers(struct worker_machine *wm, bool worked)
{
	uint64_t now = wm->w.now;

	wm->timers_stale |= worked;
	if (now < wm->timers_ns && !(wm->timers_stale && now - wm->timers_asked_ns >= TIMERS_EVERY_NS))
		return;
	wm->timers_stale = false;
	wm->timers_asked_ns = now;
	wm->timers_ns = path_timers(&wm->w);
}

struct rte_mbuf *
worker_alloc(struct worker *w)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->pool);

	if (m == NULL)
		return NULL;
	*pkt_of(m) = (struct pkt){ .flags = PKT_GENERATED, .time_ns = w->now, .leaf = PKT_LEAF_NONE };
	if (unlikely(w->router->replay != NULL))
		replay_made(w->router->replay, m);
	return m;
}

void
worker_tell_neighbour(struct worker *w, const struct neighbour *neighbour, bool removed)
{
	struct event_queue *q = &w->machine->events;
	uint32_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
	struct router *router = w->router;

	if (tail - atomic_load_explicit(&q->head, memory_order_acquire) == EVENTS_SIZE)
		return;
	q->events[tail % EVENTS_SIZE] = (struct worker_event){
		.addr = neighbour->addr,
		.ifindex = neighbour->ifindex,
		.family = neighbour->family,
		.removed = removed,
	};
	atomic_store_explicit(&q->tail, tail + 1, memory_order_release);
	router_wake(router);
}

bool
worker_next_event(struct worker_machine *wm, struct worker_event *event)
{
	struct event_queue *q = &wm->events;
	uint32_t head = atomic_load_explicit(&q->head, memory_order_relaxed);

	if (head == atomic_load_explicit(&q->tail, memory_order_acquire))
		return false;
	*event = q->events[head % EVENTS_SIZE];
	atomic_store_explicit(&q->head, head + 1, memory_order_release);
	return true;
}

struct port *
worker_port(const struct worker *w, uint32_t ifindex)
{
	return ifindex < RIB_LINKS_MAX ? __atomic_load_n(&w->router->ports[ifindex], __ATOMIC_ACQUIRE) : NULL;
}

struct worker *
worker_of(const struct port *port)
{
	return &port->router->workers[port->owner]->w;
}

/* ---- the loop ---- */

static unsigned int
drain_ports(struct worker_machine *wm)
{
	unsigned int sent = 0;

	for (unsigned int i = 0; i < wm->busy_count;) {
		struct lane *lane = wm->busy[i];

		sent += lane_drain(wm, lane, wm->w.now);
		if (lane_idle(lane)) {
			lane->busy = false;
			wm->busy[i] = wm->busy[--wm->busy_count];
			if (lane == &lane->pm->first)
				lanes_try_open(lane->pm);
		} else {
			i++;
		}
	}
	return sent;
}

uint64_t
worker_next_event_ns(struct worker_machine *wm)
{
	uint64_t next = wm->timers_ns;

	if (wm->timers_stale)
		next = RTE_MIN(next, wm->timers_asked_ns + TIMERS_EVERY_NS);
	for (unsigned int i = 0; i < wm->busy_count; i++)
		next = RTE_MIN(next, lane_next_event(wm->busy[i], wm->w.now));
	return next;
}

/* One busy loop in TIMED_LOOPS is timed, stage by stage: that after so many others, however long it takes to come. */
static void
start_clock(struct worker_machine *wm)
{
	struct stage_clock *clock = &wm->w.clock;

	clock->on = wm->info.busy_loops % TIMED_LOOPS == 0;
	if (unlikely(clock->on)) {
		memset(clock->cycles, 0, sizeof(clock->cycles));
		clock->mark = rte_rdtsc();
	}
}

/* Loops without work are not of interest: their time is what is left. */
static void
stop_clock(struct worker_machine *wm, unsigned int packets)
{
	struct stage_clock *clock = &wm->w.clock;

	worker_stage(&wm->w, STAGE_OF_OTHER);
	clock->on = false;
	count(&wm->info.timed_packets, packets);
	for (unsigned int i = 0; i < WORKER_STAGES; i++)
		count(&wm->info.timed_cycles[i], clock->cycles[i]);
}

static unsigned int
loop_once(struct worker_machine *wm)
{
	unsigned int work = 0;

	wm->w.now = clock_ns(wm->w.router);
	if (unlikely(run_command(wm)))
		work = 1;
	start_clock(wm);
	worker_watch_buffers(wm);
	worker_stage(&wm->w, STAGE_OF_OTHER);
	unsigned int packets = receive_all(wm) + worker_take_up(wm);
	work += packets + drain_ports(wm);
	count(&wm->info.packets, packets);
	worker_timers(wm, work != 0);
	if (unlikely(wm->w.clock.on) && work != 0)
		stop_clock(wm, packets);
	return work;
}

static void
enter(struct worker_machine *wm)
{
	struct rte_rcu_qsbr *qsbr = wm->w.router->rcu->qsbr;

	/* Naps of 50 us would otherwise be late by as much again. */
	prctl(PR_SET_TIMERSLACK, 1000ul);
	if (rte_thread_register() == 0)
		wm->w.lcore = rte_lcore_id();
	rte_rcu_qsbr_thread_register(qsbr, wm->w.index);
	rte_rcu_qsbr_thread_online(qsbr, wm->w.index);
}

static void
leave(struct worker_machine *wm)
{
	struct rte_rcu_qsbr *qsbr = wm->w.router->rcu->qsbr;

	rte_rcu_qsbr_thread_offline(qsbr, wm->w.index);
	rte_rcu_qsbr_thread_unregister(qsbr, wm->w.index);
	rte_thread_unregister();
}

static void *
worker_main(void *arg)
{
	struct worker_machine *wm = arg;
	struct router *router = wm->w.router;
	uint32_t idle_loops = 0;

	enter(wm);
	uint64_t last = rte_rdtsc();
	while (!atomic_load_explicit(&router->stopping, memory_order_relaxed)) {
		unsigned int work = loop_once(wm);
		uint64_t after = rte_rdtsc();

		rte_rcu_qsbr_quiescent(router->rcu->qsbr, wm->w.index);
		count(&wm->info.loops, 1);
		count(&wm->info.cycles, after - last);
		if (work != 0) {
			count(&wm->info.busy_loops, 1);
			count(&wm->info.busy_cycles, after - last);
			idle_loops = 0;
		} else {
			worker_idle(wm, idle_loops++);
		}
		last = work != 0 ? after : rte_rdtsc();
	}
	run_command(wm);
	leave(wm);
	return NULL;
}

/* The last processor first: control and the rest of the system usually live on the first. */
static int
choose_cpu(unsigned int index)
{
	cpu_set_t set;

	if (pthread_getaffinity_np(pthread_self(), sizeof(set), &set) != 0)
		return -1;
	int count = CPU_COUNT(&set);
	if ((int)index >= count)
		return -1;
	for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--)
		if (CPU_ISSET(cpu, &set) && index-- == 0)
			return cpu;
	return -1;
}

int
worker_node(unsigned int index)
{
	int cpu = choose_cpu(index);
	char path[64];

	for (int node = 0; cpu >= 0 && node < RTE_MAX_NUMA_NODES; node++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/node%d", cpu, node);
		if (access(path, F_OK) == 0)
			return node;
	}
	return SOCKET_ID_ANY;
}

int
worker_launch(struct worker_machine *wm, struct error *err)
{
	char name[16];

	/* Where there are more workers than processors, the scheduler places them all. */
	wm->cpu = choose_cpu(wm->w.router->worker_count - 1) < 0 ? -1 : choose_cpu(wm->w.index);
	atomic_store(&wm->running, true);
	int rc = pthread_create(&wm->thread, NULL, worker_main, wm);
	if (rc != 0) {
		atomic_store(&wm->running, false);
		return error_set(err, rc, "cannot start worker %u", wm->w.index);
	}
	snprintf(name, sizeof(name), "weir-worker-%u", wm->w.index);
	pthread_setname_np(wm->thread, name);
	if (wm->cpu >= 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(wm->cpu, &set);
		pthread_setaffinity_np(wm->thread, sizeof(set), &set);
	}
	return 0;
}

void
worker_stop(struct worker_machine *wm)
{
	if (!atomic_load(&wm->running))
		return;
	atomic_store(&wm->w.router->stopping, true);
	worker_wake(wm);
	pthread_join(wm->thread, NULL);
	atomic_store(&wm->running, false);
}
