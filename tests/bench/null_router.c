/* SPDX-License-Identifier: BSD-3-Clause */
#include "null_router.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>
#include <rte_udp.h>
#include <rte_vect.h>

#include "eal_bench.h"
#include "report.h"

#define HUGEPAGES_NEEDED    400 /* of 2 MB */
#define SMALL_PAGES_HEAP_MB 1536 /* without hugepages; it costs nothing until it is touched */
#define VARIES_AT           24 /* offset of struct null_frame in a frame */

/* ---- the source -------------------------------------------------------------------------------------------------- */

static struct {
	uint16_t device;
	uint8_t start[32]; /* of every frame */
	const struct null_frame *frames;
	uint32_t mask, next;
	uint64_t pace, next_burst; /* TSC cycles a packet, 0: none; when the next burst is due */
	/* one run: control sets `left`, `counted` and `running`, the worker the rest */
	uint64_t left, counted, began, ended;
	_Atomic(bool) running;
	sem_t over; /* who waits for the end is woken by it: to look every now and then would take a processor away */
} source;

static inline void
write_frame(uint8_t *frame, __m128i start, __m128i middle, const struct null_frame *varies)
{
	_mm_storeu_si128((__m128i *)(void *)frame, start);
	_mm_storeu_si128((__m128i *)(void *)(frame + 16), middle);
	_mm_storeu_si128(
		(__m128i *)(void *)(frame + VARIES_AT), _mm_loadu_si128((const __m128i *)(const void *)varies));
}

uint16_t
null_frames_receive(struct rte_mbuf **pkts, uint16_t n)
{
	const __m128i start = _mm_loadu_si128((const __m128i *)(const void *)source.start);
	const __m128i middle = _mm_loadu_si128((const __m128i *)(const void *)(source.start + 16));
	/* In registers: else each write to a frame might have changed them. */
	const struct null_frame *frames = source.frames;
	const uint32_t mask = source.mask, next = source.next;

	n = rte_eth_rx_burst(source.device, 0, pkts, n);
	for (uint16_t i = 0; i < n; i++)
		write_frame(rte_pktmbuf_mtod(pkts[i], uint8_t *), start, middle, &frames[(next + i) & mask]);
	source.next = next + n;
	/* The next burst's are to be at hand: four lie in a cache line. */
	for (uint16_t i = 0; i < n; i += RTE_CACHE_LINE_SIZE / sizeof(struct null_frame))
		rte_prefetch0(&frames[(next + n + i) & mask]);
	return n;
}

static uint16_t
source_receive(struct port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	if (!atomic_load_explicit(&source.running, memory_order_acquire))
		return 0;
	if (source.began == 0 && source.left <= source.counted)
		source.began = rte_rdtsc();
	if (source.left == 0) {
		source.ended = rte_rdtsc();
		atomic_store_explicit(&source.running, false, memory_order_release);
		sem_post(&source.over);
		return 0;
	}
	if (source.pace != 0) {
		uint64_t now = rte_rdtsc();

		if (now < source.next_burst)
			return 0;
		source.next_burst = now + source.pace * n;
	}
	n = null_frames_receive(pkts, (uint16_t)RTE_MIN(source.left, (uint64_t)n));
	source.left -= n;
	return n;
}

static int
source_create(struct port *port, const void *conf, struct error *err)
{
	return 0;
}

static uint16_t
source_xmit(struct port *port, unsigned int worker, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

static const struct port_ops source_ops = {
	.kind = "bench-source",
	.arphrd = 1,
	.default_flags = IFF_BROADCAST | IFF_MULTICAST,
	.default_mtu = 1500,
	.create = source_create,
	.receive = source_receive,
	.xmit = source_xmit,
};
PORT_REGISTER(source_ops)

void
bench_check(int rc, const char *what, const struct error *err)
{
	if (rc == 0)
		return;
	fprintf(stderr, "bench: %s: %s\n", what, err != NULL && err->code != 0 ? err->msg : strerror(-rc));
	exit(1);
}

static void
start_device(void)
{
	struct rte_eth_conf conf = { 0 };
	/* The router's own, as for its other devices. */
	struct rte_mempool *pool = rte_mempool_lookup("weir-pool--1");

	bench_check(pool == NULL ? -ENOENT : 0, "the router's pool", NULL);
	bench_check(rte_dev_probe("net_null9,size=64"), "net_null9", NULL);
	bench_check(rte_eth_dev_get_port_by_name("net_null9", &source.device), "net_null9", NULL);
	bench_check(rte_eth_dev_configure(source.device, 1, 1, &conf), "configure", NULL);
	bench_check(rte_eth_rx_queue_setup(source.device, 0, 512, SOCKET_ID_ANY, NULL, pool), "rx queue", NULL);
	bench_check(rte_eth_tx_queue_setup(source.device, 0, 512, SOCKET_ID_ANY, NULL), "tx queue", NULL);
	bench_check(rte_eth_dev_start(source.device), "start", NULL);
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

static void
fill_start(const struct port *in)
{
	struct rte_ether_hdr eth = {
		.src_addr = { { 2, 0, 0, 0, 0, 9 } },
		.ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4),
	};
	struct rte_ipv4_hdr ip = {
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16(NULL_FRAME - sizeof(eth)),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_UDP,
	};

	memcpy(&eth.dst_addr, in->mac, sizeof(eth.dst_addr));
	memcpy(source.start, &eth, sizeof(eth));
	memcpy(source.start + sizeof(eth), &ip, sizeof(source.start) - sizeof(eth));
}

struct null_frame *
null_frames(const uint32_t *destinations, const uint32_t *sources, size_t count)
{
	struct null_frame *frames = rte_zmalloc("frames", count * sizeof(*frames), RTE_CACHE_LINE_SIZE);
	struct rte_ipv4_hdr ip = { 0 };

	bench_check(frames == NULL ? -ENOMEM : 0, "frames", NULL);
	memcpy(&ip, source.start + sizeof(struct rte_ether_hdr), VARIES_AT - sizeof(struct rte_ether_hdr));
	for (size_t i = 0; i < count; i++) {
		ip.src_addr = rte_cpu_to_be_32(sources != NULL ? sources[i] : RTE_IPV4(10, 0, 0, 2));
		ip.dst_addr = rte_cpu_to_be_32(destinations[i]);
		ip.hdr_checksum = 0;
		frames[i] = (struct null_frame){
			.checksum = rte_ipv4_cksum(&ip),
			.source = ip.src_addr,
			.destination = ip.dst_addr,
			.source_port = rte_cpu_to_be_16(1024),
			.destination_port = rte_cpu_to_be_16(9),
			.udp_length = rte_cpu_to_be_16(
				NULL_FRAME - sizeof(struct rte_ether_hdr) - sizeof(struct rte_ipv4_hdr)),
		};
	}
	return frames;
}

void
null_router_set_frames(const struct null_frame *frames, size_t count)
{
	source.frames = frames;
	source.mask = (uint32_t)count - 1;
	source.next = 0;
}

void
null_router_set_pace(uint64_t cycles)
{
	source.pace = cycles;
}

/* ---- the router -------------------------------------------------------------------------------------------------- */

struct port *
null_router_add_port(struct router *router, const struct port_conf *conf, const char *address)
{
	struct port *port;
	struct error err = { 0 };
	struct rib_address a = { .family = AF_INET, .prefix_length = 24, .flags = IFA_F_PERMANENT };

	bench_check(port_add(router, conf, &port, &err), conf->name, &err);
	bench_check(port_set_flags(port, IFF_UP, IFF_UP, &err), conf->name, &err);
	a.ifindex = port->ifindex;
	a.local.v4 = a.peer.v4 = inet_addr(address);
	bench_check(rib_address_add(router_rib(router), &a, false, &err), address, &err);
	return port;
}

rte_be32_t
null_router_gateway(size_t i)
{
	return rte_cpu_to_be_32(RTE_IPV4(10, 0, 1, 2 + i % NULL_GATEWAYS));
}

static void
add_gateway(struct null_router *n, unsigned int i)
{
	struct error err = { 0 };
	struct neighbour_spec spec = {
		.ifindex = n->out->ifindex,
		.family = AF_INET,
		.has_lladdr = true,
		.lladdr = { 2, 0, 0, 0, 1, (uint8_t)i },
		.state = NUD_PERMANENT,
	};

	spec.addr.v4 = null_router_gateway(i);
	bench_check(router_neighbour_set(n->router, &spec, CHANGE_CREATE | CHANGE_REPLACE, &err), "neighbour", &err);
}

/* The router would start DPDK with a heap for its own needs; the peers' tables need more. */
static void
start_on_small_pages(void)
{
	const char *pages = getenv(NULL_PAGES);
	char lcores[16], memory[16];
	char *argv[] = { (char[]){ "bench" }, (char[]){ "--lcores" }, lcores, (char[]){ "--no-pci" },
		(char[]){ "--no-telemetry" }, (char[]){ "--log-level=4" }, (char[]){ "-m" }, memory,
		(char[]){ "--no-huge" }, (char[]){ "--no-shconf" }, NULL };
	cpu_set_t before;

	if (pages != NULL && strcmp(pages, "4k") == 0)
		bench_check(prctl(PR_SET_THP_DISABLE, 1ul, 0ul, 0ul, 0ul), "PR_SET_THP_DISABLE", NULL);
	snprintf(lcores, sizeof(lcores), "0@%d", sched_getcpu());
	snprintf(memory, sizeof(memory), "%d", SMALL_PAGES_HEAP_MB);
	/* EAL binds the calling thread. */
	bench_check(pthread_getaffinity_np(pthread_self(), sizeof(before), &before), "affinity", NULL);
	bench_check(rte_eal_init(10, argv) < 0 ? -rte_errno : 0, "rte_eal_init", NULL);
	bench_check(pthread_setaffinity_np(pthread_self(), sizeof(before), &before), "affinity", NULL);
}

void
null_router_create(struct null_router *n, unsigned int workers)
{
	struct device_conf sink = { .devargs = "net_null0,no-rx=1", .pin = workers > 1 ? 1 << 1 : 0 };
	struct port_conf in = { .name = "in", .kind = "bench-source" };
	struct port_conf out = { .name = "out", .kind = "device", .kind_conf = &sink };
	struct error err = { 0 };

	n->hugepages = getenv(NULL_PAGES) == NULL && eal_bench_free_hugepages() >= HUGEPAGES_NEEDED;
	if (!n->hugepages)
		start_on_small_pages();
	struct router_conf conf = { .workers = workers, .poll = POLL_BUSY, .hugepages = n->hugepages };
	bench_check(router_create(&conf, &n->router, &err), "router", &err);
	sem_init(&source.over, 0, 0);
	start_device();
	n->device = source.device;
	n->in = null_router_add_port(n->router, &in, "10.0.0.1");
	n->out = null_router_add_port(n->router, &out, "10.0.1.1");
	for (unsigned int i = 0; i < NULL_GATEWAYS; i++)
		add_gateway(n, i);
	fill_start(n->in);
}

void
null_router_add_routes(struct null_router *n, const struct prefix4 *prefixes, size_t count)
{
	struct rib_hop hop = { .gateway_family = AF_INET, .ifindex = n->out->ifindex };
	struct error err = { 0 };

	for (size_t i = 0; i < count; i++) {
		struct rib_route route = {
			.dst = { .family = AF_INET, .length = prefixes[i].length },
			.table = RT_TABLE_MAIN,
			.protocol = RTPROT_BOOT,
			.type = RTN_UNICAST,
			.hop_count = 1,
			.hops = &hop,
		};

		hop.gateway.v4 = null_router_gateway(i);
		route.dst.addr.v4 = rte_cpu_to_be_32(prefixes[i].addr);
		int rc = rib_route_add(router_rib(n->router), &route, CHANGE_CREATE, &err);
		if (rc != -EEXIST) /* the ports' own networks may be among them */
			bench_check(rc, "route", &err);
	}
}

void
null_router_start(struct null_router *n)
{
	struct error err = { 0 };

	bench_check(router_start(n->router, &err), "router", &err);
}

void
null_router_destroy(struct null_router *n, uint64_t dropped)
{
	struct router_totals t;

	usleep(20000); /* what is on its way to another worker arrives */
	router_totals(n->router, &t);
	for (unsigned int reason = 0; reason < DROP__COUNT; reason++)
		if (t.drops[reason] != 0)
			printf("  dropped %12llu %s\n", (unsigned long long)t.drops[reason], drop_reason_name(reason));
	if ((t.received == 0 && report_any()) || t.received != t.sent + dropped || t.dropped != dropped ||
		t.queued != 0) {
		fprintf(stderr, "bench: received %llu, sent %llu, dropped %llu, queued %llu: not as it should be\n",
			(unsigned long long)t.received, (unsigned long long)t.sent, (unsigned long long)t.dropped,
			(unsigned long long)t.queued);
		exit(1);
	}
	if (router_destroy(n->router) != 0)
		exit(1);
}

/* ---- measuring --------------------------------------------------------------------------------------------------- */

static double
run_source(uint64_t uncounted, uint64_t counted)
{
	source.left = uncounted + counted;
	source.counted = counted;
	source.began = 0;
	atomic_store_explicit(&source.running, true, memory_order_release);
	while (sem_wait(&source.over) != 0)
		;
	return (double)(source.ended - source.began) / (double)counted;
}

double
null_router_cycles(uint64_t packets)
{
	return run_source(0, packets);
}

double
null_router_warm_cycles(uint64_t packets)
{
	return run_source(packets, packets);
}

void
null_router_call(struct null_router *n, void (*fn)(void *arg), void *arg)
{
	port_run_at_owner(n->in, fn, arg);
}
