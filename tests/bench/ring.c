/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the worker that receives to the owner of another port, on a second processor: what the hand-over adds, both
 * processors' cycles summed.
 *
 * A router of two workers forwards between null ports: worker 0 polls `in` and owns it, worker 1 owns `out`. Then the
 * same in one worker, which is taken off. The peer is a bare rte_ring (MP/SC) between two threads that hands over mbufs
 * whose headers are written on one side and rewritten on the other, less the same by one of them.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_prefetch.h>
#include <rte_ring.h>

#include "null_router.h"
#include "report.h"

#define FRAMES    4096 /* the routes are few, so that the hand-over is what is seen */
#define ROUNDS    15
#define PACKETS   (1u << 16)
#define RING_SIZE 4096
#define PACE      600 /* TSC cycles a packet: nobody waits for room in a ring */

/* ---- the peer ---------------------------------------------------------------------------------------------------- */

struct hand_over {
	struct rte_ring *ring; /* NULL: all is done by the first */
	struct port *near, *out; /* of the first worker and of the second */
	uint16_t device;
	_Atomic(uint64_t) given; /* packets in all, once they are; till then UINT64_MAX */
	uint64_t given_busy, taken_busy; /* cycles of each in which it had packets */
};

static inline void
touch(struct rte_mbuf **pkts, uint16_t n, uint8_t value)
{
	for (uint16_t i = 0; i < n; i++) {
		uint8_t *frame = rte_pktmbuf_mtod(pkts[i], uint8_t *);

		frame[0] += value;
		pkt_of(pkts[i])->stage = frame[0];
	}
}

/* The first one, in the router's worker that receives. */
static void
give(void *arg)
{
	struct hand_over *h = arg;
	struct rte_mbuf *pkts[NULL_BURST];
	uint64_t done = 0, busy = 0, next = 0;

	while (done < PACKETS) {
		uint64_t start;
		uint16_t sent;

		while ((start = rte_rdtsc()) < next)
			rte_pause();
		next = start + NULL_BURST * PACE;
		uint16_t n = null_frames_receive(pkts, NULL_BURST);
		touch(pkts, n, 1);
		if (h->ring == NULL) {
			touch(pkts, n, 2);
			sent = rte_eth_tx_burst(h->device, 0, pkts, n);
		} else {
			sent = (uint16_t)rte_ring_mp_enqueue_burst(h->ring, (void **)pkts, n, NULL);
		}
		busy += rte_rdtsc() - start;
		/* What waiting for the other takes is not counted. */
		while (sent < n)
			sent += (uint16_t)rte_ring_mp_enqueue_burst(h->ring, (void **)(pkts + sent), n - sent, NULL);
		done += n;
	}
	h->given_busy = busy;
	atomic_store(&h->given, done);
}

/* The second, in the worker that owns `out`: takes from the ring, rewrites and sends. */
static void
take(void *arg)
{
	struct hand_over *h = arg;
	struct rte_mbuf *pkts[NULL_BURST];
	uint64_t taken = 0, busy = 0, last = rte_rdtsc();

	while (taken != atomic_load_explicit(&h->given, memory_order_relaxed)) {
		uint16_t n = (uint16_t)rte_ring_sc_dequeue_burst(h->ring, (void **)pkts, NULL_BURST, NULL);

		for (uint16_t i = 0; i < n; i++) {
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
			rte_prefetch0(pkt_of(pkts[i]));
		}
		touch(pkts, n, 2);
		if (n != 0)
			taken += rte_eth_tx_burst(h->device, 0, pkts, n);
		uint64_t now = rte_rdtsc();
		busy += n != 0 ? now - last : 0;
		last = now;
	}
	h->taken_busy = busy;
}

static void *
take_at_owner(void *arg)
{
	struct hand_over *h = arg;

	port_run_at_owner(h->out, take, h);
	return NULL;
}

static double
bare(struct hand_over *h, struct rte_ring *ring)
{
	pthread_t thread;

	h->ring = ring;
	h->taken_busy = 0;
	atomic_store(&h->given, UINT64_MAX);
	if (ring != NULL)
		bench_check(-pthread_create(&thread, NULL, take_at_owner, h), "thread", NULL);
	port_run_at_owner(h->near, give, h);
	if (ring != NULL)
		pthread_join(thread, NULL);
	return (double)(h->given_busy + h->taken_busy) / PACKETS;
}

/* ---- weir -------------------------------------------------------------------------------------------------------- */

static uint64_t
busy_cycles(const struct null_router *n)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < router_workers(n->router); i++) {
		struct worker_info info;

		router_worker_info(n->router, i, &info);
		sum += info.busy_cycles;
	}
	return sum;
}

/* Cycles a packet of all workers while they have something to do. */
static double
forward(const struct null_router *n)
{
	uint64_t before = busy_cycles(n);

	null_router_cycles(PACKETS);
	usleep(2000);
	return (double)(busy_cycles(n) - before) / PACKETS;
}

/* A port that the receiving worker owns itself, and a way by it. */
static struct port *
add_near(struct null_router *n)
{
	struct device_conf sink = { .devargs = "net_null1,no-rx=1", .pin = 1 << 0 };
	struct port_conf conf = { .name = "near", .kind = "device", .kind_conf = &sink };
	struct error err = { 0 };
	struct port *near = null_router_add_port(n->router, &conf, "10.0.2.1");
	struct neighbour_spec spec = {
		.ifindex = near->ifindex,
		.family = AF_INET,
		.addr = ip_addr_v4(inet_addr("10.0.2.2")),
		.has_lladdr = true,
		.lladdr = { 2, 0, 0, 0, 2, 2 },
		.state = NUD_PERMANENT,
	};

	bench_check(router_neighbour_set(n->router, &spec, CHANGE_CREATE | CHANGE_REPLACE, &err), "neighbour", &err);
	return near;
}

static void
add_way(struct null_router *n, const char *prefix, const char *gateway, const struct port *port)
{
	struct rib_hop hop = {
		.gateway_family = AF_INET, .gateway = ip_addr_v4(inet_addr(gateway)), .ifindex = port->ifindex
	};
	struct rib_route route = {
		.dst = { .family = AF_INET, .length = 8, .addr = ip_addr_v4(inet_addr(prefix)) },
		.table = RT_TABLE_MAIN,
		.protocol = RTPROT_BOOT,
		.type = RTN_UNICAST,
		.hop_count = 1,
		.hops = &hop,
	};
	struct error err = { 0 };

	bench_check(rib_route_add(router_rib(n->router), &route, CHANGE_CREATE, &err), prefix, &err);
}

static struct null_frame *
frames_to(uint32_t prefix)
{
	uint32_t destinations[FRAMES];

	for (uint32_t i = 0; i < FRAMES; i++)
		destinations[i] = prefix | i << 8 | 1;
	return null_frames(destinations, NULL, FRAMES);
}

/* The median of what was measured in the same turns, not each turn's: one that was interrupted would make no sense. */
static void
take_off(double *samples, double *alone)
{
	double median = report_median(alone, ROUNDS);

	for (unsigned int i = 0; i < ROUNDS; i++)
		samples[i] -= median;
}

int
main(void)
{
	static const struct report_row row = {
		.name = "ring-handover",
		.work = "rx worker to the owner of another port on a second core: added, both cores' cycles",
		.unit = "cycles/packet",
		.peer_name = "bare rte_ring MP/SC",
		.must = 140,
		.strive = 100,
	};
	double weir[ROUNDS], peer[ROUNDS], alone[ROUNDS], bare_alone[ROUNDS];
	struct null_router n;
	struct hand_over h = { 0 };

	if (!report_wanted(row.name))
		return 0;
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		report_note("%s: needs two processors", row.name);
		return 0;
	}
	null_router_create(&n, 2);
	h.near = add_near(&n);
	add_way(&n, "20.0.0.0", "10.0.2.2", h.near);
	add_way(&n, "30.0.0.0", "10.0.1.2", n.out);
	struct null_frame *near = frames_to(RTE_IPV4(20, 0, 0, 0)), *far = frames_to(RTE_IPV4(30, 0, 0, 0));
	struct rte_ring *ring = rte_ring_create("bench", RING_SIZE, SOCKET_ID_ANY, RING_F_SC_DEQ);
	bench_check(ring == NULL ? -ENOMEM : 0, "ring", NULL);
	h.out = n.out;
	h.device = n.device;
	null_router_start(&n);
	null_router_set_pace(PACE);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		null_router_set_frames(near, FRAMES);
		alone[i] = forward(&n);
		null_router_set_frames(far, FRAMES);
		weir[i] = forward(&n);
		bare_alone[i] = bare(&h, NULL);
		peer[i] = bare(&h, ring);
	}
	take_off(weir, alone);
	take_off(peer, bare_alone);
	report_add(&row, weir, peer, ROUNDS);
	report_note("%s: run to completion takes %.1f cycles a packet, the peer's %.1f", row.name,
		report_median(alone, ROUNDS), report_median(bare_alone, ROUNDS));
	struct router_totals totals;

	/* The other core may be taken away for longer than the ring holds. */
	router_totals(n.router, &totals);
	if (totals.drops[DROP_RING_FULL] != 0)
		report_note("%s: %llu of %llu packets found the ring full: the second core was elsewhere", row.name,
			(unsigned long long)totals.drops[DROP_RING_FULL], (unsigned long long)totals.received);
	null_router_destroy(&n, totals.drops[DROP_RING_FULL]);
	rte_ring_free(ring);
	return 0;
}
