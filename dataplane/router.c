/* SPDX-License-Identifier: BSD-3-Clause */
/* The router as a whole: making and ending it, its settings, its clock, what it tells control, and its books. */
#include <inttypes.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include <weir/random.h>

#include "machine.h"

#define BUFFERS_DEFAULT 65536 /* fills the rings of a few NICs and some thousand packets of queues */
#define BUFFERS_MIN     1024
#define BUFFERS_MAX     (16u << 20)
#define CARRIER_POLL_MS 100

/* Linux's defaults, as ip-sysctl documents and `sysctl net.ipv4` shows them; only forwarding is on from the start. */
static const struct router_settings settings_linux = {
	.ip_forward = 1,
	.ip_default_ttl = 64,
	.icmp_echo_ignore_broadcasts = 1,
	.icmp_ratelimit = 1000,
	.icmp_ratemask = 6168,
	.icmp_msgs_per_sec = 1000,
	.icmp_msgs_burst = 50,
};
static const struct port_settings port_settings_linux = {
	.forwarding = 1,
	.send_redirects = 1,
	.accept_redirects = 1,
	.secure_redirects = 1,
	.shared_media = 1,
	.accept_source_route = 1,
	.mcast_solicit = 3,
	.ucast_solicit = 3,
	.retrans_time_ms = 1000,
	.base_reachable_time_ms = 30000,
	.delay_first_probe_time = 5,
	.gc_stale_time = 60,
	.unres_qlen = 101,
	.locktime = 100,
	.proxy_delay = 80,
	.proxy_qlen = 64,
	.anycast_delay = 100,
};

uint64_t
router_random(struct router *router)
{
	return random_next(&router->random);
}

struct rte_mempool *
router_pool(struct router *router, int node, struct error *err)
{
	uint32_t n = router->pool_size;

	/* Without hugepages EAL's memory is of no node in particular. */
	if (node < 0 || !router->conf.hugepages || rte_socket_count() < 2)
		node = SOCKET_ID_ANY;
	for (unsigned int i = 0; i < router->pool_count; i++)
		if (node == SOCKET_ID_ANY || router->pools[i]->socket_id == node)
			return router->pools[i];
	struct rte_mempool *pool = router->pool_count < POOLS_MAX ? pool_create(&router->conf, n, node) : NULL;
	if (pool == NULL) {
		error_set(err, ENOMEM, "no memory for %u buffers (%" PRIu64 " MiB) on NUMA node %d: %s", n,
			pool_bytes(n) >> 20, node, rte_strerror(rte_errno));
		return NULL;
	}
	/* Workers watch it as soon as they see it counted. */
	router->pools[router->pool_count] = pool;
	__atomic_store_n(&router->pool_count, router->pool_count + 1, __ATOMIC_RELEASE);
	return pool;
}

static int
make_pool(struct router *router, struct error *err)
{
	const struct router_conf *conf = &router->conf;
	uint32_t n = conf->buffers != 0 ? conf->buffers : BUFFERS_DEFAULT;

	if (n < BUFFERS_MIN || n > BUFFERS_MAX)
		return error_set(err, EINVAL, "%u buffers: give %u to %u", n, BUFFERS_MIN, BUFFERS_MAX);
	int rc = dpdk_start(conf, pool_bytes(n), err);
	if (rc != 0)
		return rc;
	router->pool_size = n;
	router->reserve = RTE_MAX(n / 32, 256u);
	router->pool = router_pool(router, worker_node(0), err);
	return router->pool != NULL ? 0 : -ENOMEM;
}

static int
make_events(struct router *router, struct error *err)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct itimerspec tick = { .it_interval.tv_nsec = CARRIER_POLL_MS * 1000000,
		.it_value.tv_nsec = CARRIER_POLL_MS * 1000000 };

	router->event_fd = epoll_create1(EPOLL_CLOEXEC);
	router->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (router->event_fd < 0 || router->wake_fd < 0 ||
		epoll_ctl(router->event_fd, EPOLL_CTL_ADD, router->wake_fd, &event) != 0)
		return error_set(err, errno, "cannot make the descriptors for the workers' events");
	if (router->conf.replay)
		return 0;
	router->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (router->timer_fd < 0 || timerfd_settime(router->timer_fd, 0, &tick, NULL) != 0 ||
		epoll_ctl(router->event_fd, EPOLL_CTL_ADD, router->timer_fd, &event) != 0)
		return error_set(err, errno, "cannot make the timer that watches carriers");
	return 0;
}

static int
make_workers(struct router *router, struct error *err)
{
	for (unsigned int i = 0; i < router->conf.workers; i++) {
		int rc = worker_create(router, i, err);

		if (rc != 0)
			return rc;
	}
	return 0;
}

static int
make_parts(struct router *router, struct error *err)
{
	static const uint8_t no_mac[6];
	unsigned int workers = router->conf.workers;

	if (workers == 0 || workers > WORKERS_MAX - 1 || (workers > 1 && router->conf.replay))
		return error_set(err, EINVAL, "%u workers: give 1 to %u, in a replay 1", workers, WORKERS_MAX - 1);
	int rc = make_pool(router, err);
	if (rc != 0)
		return rc;
	router->ns_per_tick_fp = (uint64_t)(((unsigned __int128)NS_PER_SECOND << 32) / rte_get_tsc_hz());
	router->tsc_start = rte_rdtsc();
	router->virtual_now = CLOCK_START;
	if (!router->conf.replay && (router->rcu = rcu_create(workers)) == NULL)
		return error_set(err, ENOMEM, "no memory for the readers' states");
	classify_seed(router_random(router));
	router->netfilter = netfilter_create(router->rcu, workers, router_random(router));
	if (router->netfilter == NULL)
		return error_set(err, ENOMEM, "no memory for the packet filter tables");
	rc = rib_create(router->rcu, &router->rib, err);
	if (rc == 0 && router->conf.replay)
		rc = replay_create(router, err);
	if (rc == 0)
		rc = make_workers(router, err);
	if (rc == 0)
		rc = make_events(router, err);
	if (rc != 0)
		return rc;
	const struct port_conf lo = { .name = "lo", .kind = "loopback", .ifindex = 1, .mac = no_mac };
	struct port *port;
	return port_add(router, &lo, &port, err);
}

int
router_create(const struct router_conf *conf, struct router **result, struct error *err)
{
	struct router *router = calloc(1, sizeof(*router));

	if (router == NULL || (router->ports = calloc(RIB_LINKS_MAX, sizeof(*router->ports))) == NULL) {
		free(router);
		return error_set(err, ENOMEM, "no memory for the router");
	}
	router->conf = *conf;
	router->event_fd = router->wake_fd = router->timer_fd = -1;
	router->settings = settings_linux;
	router->all = router->defaults = port_settings_linux;
	router->default_qdisc = "pfifo_fast";
	router->all.accept_source_route = 0;
	router->random = conf->seed;
	if (!conf->replay && conf->seed == 0 && getrandom(&router->random, sizeof(router->random), 0) < 0)
		router->random = rte_rdtsc();
	int rc = make_parts(router, err);
	if (rc != 0) {
		router_destroy(router);
		return rc;
	}
	*result = router;
	return 0;
}

int
router_start(struct router *router, struct error *err)
{
	for (unsigned int i = 0; i < router->worker_count; i++) {
		int rc = worker_launch(router->workers[i], err);

		if (rc != 0) {
			for (unsigned int j = 0; j < i; j++)
				worker_stop(router->workers[j]);
			return rc;
		}
	}
	router->started = true;
	return 0;
}

static unsigned int
destroy_pools(struct router *router)
{
	unsigned int missing = router->pool_count * router->pool_size;

	for (unsigned int i = 0; i < router->pool_count; i++) {
		missing -= rte_mempool_avail_count(router->pools[i]);
		rte_mempool_free(router->pools[i]);
	}
	missing -= RTE_MIN(missing, router->kept_by_drivers);
	if (missing != 0)
		fprintf(stderr, "weir: %u buffers did not come back\n", missing);
	return missing;
}

unsigned int
router_destroy(struct router *router)
{
	for (unsigned int i = 0; i < router->worker_count; i++)
		worker_stop(router->workers[i]);
	port_destroy_all(router);
	for (unsigned int i = router->worker_count; i-- > 0;)
		worker_destroy(router->workers[i]);
	if (router->rib != NULL)
		rib_destroy(router->rib);
	netfilter_destroy(router->netfilter);
	rcu_destroy(router->rcu);
	replay_destroy(router->replay);
	for (unsigned int i = 0; i < 3; i++) {
		int fd = (const int[]){ router->timer_fd, router->wake_fd, router->event_fd }[i];

		if (fd >= 0)
			close(fd);
	}
	unsigned int missing = destroy_pools(router);
	free(router->ports);
	free(router);
	return missing;
}

struct rib *
router_rib(struct router *router)
{
	return router->rib;
}

struct rcu *
router_rcu(struct router *router)
{
	return router->rcu;
}

struct netfilter *
router_netfilter(struct router *router)
{
	return router->netfilter;
}

uint64_t
router_now(const struct router *router)
{
	return router->conf.replay ? router->virtual_now : clock_ns(router);
}

bool
router_is_replay(const struct router *router)
{
	return router->conf.replay;
}

const char *
router_default_qdisc(const struct router *router)
{
	return router->default_qdisc;
}

static int
follow_default(void *arg, struct port *port)
{
	lanes_follow_default(port_machine(port));
	return 0;
}

int
router_set_default_qdisc(struct router *router, const char *kind, struct error *err)
{
	int rc = sched_check_default(kind, err);

	if (rc != 0)
		return rc;
	router->default_qdisc = qdisc_find_ops(kind)->kind;
	port_walk(router, follow_default, NULL);
	return 0;
}

struct router_settings *
router_settings(struct router *router)
{
	return &router->settings;
}

struct port_settings *
router_settings_all(struct router *router)
{
	return &router->all;
}

struct port_settings *
router_settings_default(struct router *router)
{
	return &router->defaults;
}

/* ---- what workers have to say ---- */

void
router_set_events(struct router *router, const struct router_events *events)
{
	router->events = *events;
}

int
router_event_fd(const struct router *router)
{
	return router->event_fd;
}

static void
tell_neighbour(struct router *router, const struct worker_event *event)
{
	if (event->removed && !path_neighbour_collect(router, event->ifindex, event->family, &event->addr))
		return;
	if (router->events.neighbour != NULL)
		router->events.neighbour(
			router->events.arg, event->ifindex, event->family, &event->addr, event->removed);
}

void
router_wake(struct router *router)
{
	uint64_t one = 1;

	if (!atomic_exchange(&router->wake_pending, true) && write(router->wake_fd, &one, sizeof(one)) < 0)
		atomic_store(&router->wake_pending, false);
}

void
router_poll(struct router *router)
{
	struct worker_event event;
	uint64_t count;

	/* Order matters: what a worker says after this store wakes us again. */
	if (read(router->wake_fd, &count, sizeof(count)) == sizeof(count))
		atomic_store(&router->wake_pending, false);
	for (unsigned int i = 0; i < router->worker_count; i++)
		while (worker_next_event(router->workers[i], &event))
			tell_neighbour(router, &event);
	log_poll(router);
	if (router->timer_fd >= 0 && read(router->timer_fd, &count, sizeof(count)) == sizeof(count))
		port_poll_carrier(router);
}

/* ---- the books ---- */

void
port_counters_add(struct port_counters *a, const struct port_counters *b)
{
	a->rx_packets += b->rx_packets;
	a->rx_bytes += b->rx_bytes;
	a->rx_multicast += b->rx_multicast;
	a->tx_packets += b->tx_packets;
	a->tx_bytes += b->tx_bytes;
	a->generated += b->generated + b->sink.generated;
	a->delivered += b->delivered;
	a->bypassed += b->bypassed;
	for (unsigned int i = 0; i < DROP__COUNT; i++)
		a->sink.drops[i] += b->sink.drops[i];
}

void
router_totals(struct router *router, struct router_totals *totals)
{
	struct port_counters sum = router->gone;
	uint64_t queued = 0;

	for (unsigned int i = 0; i < router->worker_count; i++) {
		port_counters_add(&sum, &router->workers[i]->orphans);
		queued += worker_holds(router->workers[i]);
	}
	for (struct port_machine *pm = router->first_port; pm != NULL; pm = pm->next) {
		struct port_counters of_port;

		port_counters_sum(&pm->port, &of_port);
		if (pm->port.ops->stacked)
			of_port.rx_packets = of_port.tx_packets = 0;
		port_counters_add(&sum, &of_port);
		queued += port_queued(&pm->port) + port_waiting(&pm->port);
	}
	*totals = (struct router_totals){
		.received = sum.rx_packets,
		.generated = sum.generated,
		.sent = sum.tx_packets,
		.delivered = sum.delivered,
		.queued = queued,
	};
	for (unsigned int i = 0; i < DROP__COUNT; i++) {
		totals->drops[i] = sum.sink.drops[i];
		totals->dropped += sum.sink.drops[i];
	}
}

unsigned int
router_workers(const struct router *router)
{
	return router->worker_count;
}

/* While the worker counts on. */
static void
read_counters(const struct worker_info *from, struct worker_info *to)
{
	*to = (struct worker_info){
		.loops = __atomic_load_n(&from->loops, __ATOMIC_RELAXED),
		.busy_loops = __atomic_load_n(&from->busy_loops, __ATOMIC_RELAXED),
		.packets = __atomic_load_n(&from->packets, __ATOMIC_RELAXED),
		.sleeps = __atomic_load_n(&from->sleeps, __ATOMIC_RELAXED),
		.cycles = __atomic_load_n(&from->cycles, __ATOMIC_RELAXED),
		.busy_cycles = __atomic_load_n(&from->busy_cycles, __ATOMIC_RELAXED),
		.timed_packets = __atomic_load_n(&from->timed_packets, __ATOMIC_RELAXED),
	};
	for (unsigned int i = 0; i < WORKER_STAGES; i++)
		to->timed_cycles[i] = __atomic_load_n(&from->timed_cycles[i], __ATOMIC_RELAXED);
}

void
router_worker_info(const struct router *router, unsigned int index, struct worker_info *info)
{
	const struct worker_machine *wm = router->workers[index];

	read_counters(&wm->info, info);
	info->index = index;
	info->lcore = wm->w.lcore;
	info->ports_owned = wm->ports_owned;
	info->queues_polled = wm->polled_count;
	info->queues_napping = wm->napping;
	info->spins = router->conf.poll == POLL_BUSY;
}

unsigned int
router_worker_naps_for(const struct router *router, unsigned int index, const char **names, unsigned int n)
{
	const struct worker_machine *wm = router->workers[index];
	unsigned int found = 0;

	/* A port's queues are added one after the other: they stand together, most of the time. */
	for (unsigned int i = 0; i < wm->polled_count && found < n; i++) {
		const char *name = wm->polled[i].port->name;

		if (!wm->polled[i].wakes && (found == 0 || names[found - 1] != name))
			names[found++] = name;
	}
	return found;
}

void
router_pool_info(const struct router *router, struct pool_info *info)
{
	*info = (struct pool_info){ .pools = router->pool_count, .reserve = router->pool_count * router->reserve };
	for (unsigned int i = 0; i < router->pool_count; i++) {
		info->size += router->pool_size;
		info->free += rte_mempool_avail_count(router->pools[i]);
	}
}
