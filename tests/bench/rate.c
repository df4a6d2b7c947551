/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench-rate: how near a live shaper comes to its rate. A whole router with one busy worker, on the TSC clock:
 *
 *     1514-byte packets, as many as are wanted -> the path -> htb or tbf, always backlogged -> a null device
 *
 * The worker itself takes the samples, once a second: time and bytes sent, read in the same breath. It also notes
 * where it did not run: a loop takes a few microseconds at most, and a gap of more than 20 us is time that the host or
 * another process took. A shaper makes up for a gap as far as its bucket is deep. What a worker with such gaps must
 * lose, however good the shaper, is counted by a bucket of the benchmark's own, and reported beside the error.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include <weir/qdisc/htb.h>
#include <weir/qdisc/tbf.h>

#include "null_router.h"
#include "report.h"

#define FRAME         UINT64_C(1514)
#define BACKLOG       4096 /* packets that the source keeps in the tree */
#define POOL          16383
#define WINDOWS       5
#define WARM_UP_MS    200
#define GAP_US        20
#define LOOP_PACKETS  128 /* what a worker sends in a loop */
#define NS            UINT64_C(1000000000)
#define SINK_Bps      UINT64_C(12500000000) /* 100 gbit: the link is never what limits */
#define HTB_BURST     1600 /* bytes beside the rate's part: tc's default, tc-htb(8) */
#define BUCKET_NS_MIN UINT64_C(1000000)

/* ---- the source, and the samples: all of it in the worker, but for what is atomic */

struct sample {
	uint64_t tsc, bytes; /* sent until then */
	uint64_t gaps, gap_tsc, longest_tsc; /* so far */
	uint64_t lost_tsc; /* so far: what no bucket could hold */
};

static struct {
	struct rte_mempool *pool;
	const struct port *sink;
	uint8_t headers[sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr)];
	_Atomic(bool) on;
	_Atomic(unsigned int) samples_left;
	struct sample samples[WINDOWS + 1];
	struct sample running;
	uint64_t next_tsc;
	/* A bucket of time at the rate: its depth, what is in it, and what one loop of the worker can use of it. */
	uint64_t bucket_tsc, saved_tsc, loop_tsc;
} source;

static void
note_gap(struct sample *s, uint64_t tsc)
{
	uint64_t gap = tsc - s->tsc;

	s->tsc = tsc;
	source.saved_tsc += gap;
	if (unlikely(source.saved_tsc > source.bucket_tsc)) {
		s->lost_tsc += source.saved_tsc - source.bucket_tsc;
		source.saved_tsc = source.bucket_tsc;
	}
	source.saved_tsc -= RTE_MIN(source.saved_tsc, source.loop_tsc);
	if (unlikely(gap > rte_get_tsc_hz() / 1000000 * GAP_US)) {
		s->gaps++;
		s->gap_tsc += gap;
		s->longest_tsc = RTE_MAX(s->longest_tsc, gap);
	}
}

static void
take_sample(uint64_t tsc)
{
	unsigned int left = atomic_load_explicit(&source.samples_left, memory_order_acquire);

	if (likely(left == 0 || tsc < source.next_tsc))
		return;
	source.running.bytes = source.sink->counters[0].tx_bytes;
	source.samples[WINDOWS + 1 - left] = source.running;
	source.running.longest_tsc = 0;
	source.next_tsc = (left == WINDOWS + 1 ? tsc : source.next_tsc) + rte_get_tsc_hz();
	atomic_store_explicit(&source.samples_left, left - 1, memory_order_release);
}

static uint16_t
backlog_receive(struct port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	uint64_t tsc = rte_rdtsc();

	note_gap(&source.running, tsc);
	take_sample(tsc);
	if (!atomic_load_explicit(&source.on, memory_order_acquire) || sched_backlog(source.sink->tree) >= BACKLOG ||
		rte_pktmbuf_alloc_bulk(source.pool, pkts, n) != 0)
		return 0;
	for (uint16_t i = 0; i < n; i++) {
		memcpy(rte_pktmbuf_append(pkts[i], FRAME), source.headers, sizeof(source.headers));
		pkts[i]->port = RTE_MBUF_PORT_INVALID;
	}
	return n;
}

static int
backlog_create(struct port *port, const void *conf, struct error *err)
{
	return 0;
}

static uint16_t
backlog_xmit(struct port *port, unsigned int worker, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

static const struct port_ops backlog_ops = {
	.kind = "bench-backlog",
	.arphrd = 1,
	.default_flags = IFF_BROADCAST | IFF_MULTICAST,
	.default_mtu = 1500,
	.create = backlog_create,
	.receive = backlog_receive,
	.xmit = backlog_xmit,
};
PORT_REGISTER(backlog_ops)

/* ---- the router */

static void
fill_headers(const struct port *in, const char *destination)
{
	struct rte_ether_hdr eth = { .src_addr = { { 2, 0, 0, 0, 0, 9 } },
		.ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) };
	struct rte_ipv4_hdr ip = { .version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16(FRAME - sizeof(eth)),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = inet_addr("10.0.2.2"),
		.dst_addr = inet_addr(destination) };

	memcpy(&eth.dst_addr, in->mac, sizeof(eth.dst_addr));
	ip.hdr_checksum = rte_ipv4_cksum(&ip);
	memcpy(source.headers, &eth, sizeof(eth));
	memcpy(source.headers + sizeof(eth), &ip, sizeof(ip));
}

static struct port *
make_ports(struct null_router *n)
{
	struct device_conf device = { .devargs = "net_null1,no-rx=1" };
	struct port_conf in = { .name = "source", .kind = "bench-backlog" };
	struct port_conf out = { .name = "sink",
		.kind = "device",
		.kind_conf = &device,
		.rate_Bps = SINK_Bps,
		.tx_queue_len = 2 * BACKLOG,
		.tx_queue_len_set = true };
	struct port *sink = null_router_add_port(n->router, &out, "10.0.3.1");
	struct neighbour_spec neighbour = { .ifindex = sink->ifindex,
		.family = AF_INET,
		.addr.v4 = inet_addr("10.0.3.2"),
		.has_lladdr = true,
		.lladdr = { 2, 0, 0, 0, 0, 8 },
		.state = NUD_PERMANENT };
	struct error err = { 0 };

	bench_check(router_neighbour_set(n->router, &neighbour, CHANGE_CREATE, &err), "neighbour", &err);
	source.pool = rte_pktmbuf_pool_create(
		"bench-backlog", POOL, 256, sizeof(struct pkt), RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	bench_check(source.pool == NULL ? -ENOMEM : 0, "pool", NULL);
	source.sink = sink;
	fill_headers(null_router_add_port(n->router, &in, "10.0.2.1"), "10.0.3.2");
	return sink;
}

/* ---- the shapers */

static void
set_tbf(struct sched_tree *tree, uint64_t Bps)
{
	/* A millisecond, but room for a packet. */
	struct tbf_conf conf = {
		.rate.Bps = Bps, .limit_bytes = 2 * BACKLOG * FRAME, .burst_bytes = (uint32_t)RTE_MAX(Bps / 1000, FRAME)
	};
	struct qdisc_spec spec = { .parent = TC_H_ROOT, .handle = 1 << 16, .kind = "tbf", .conf = &conf };
	struct error err = { 0 };

	bench_check(sched_qdisc_add(tree, &spec, NULL, &err), "tbf", &err);
}

static void
set_htb(struct sched_tree *tree, uint64_t Bps)
{
	struct htb_conf conf = { .version = 3, .rate2quantum = 10, .defcls = 10 };
	struct qdisc_spec spec = { .parent = TC_H_ROOT, .handle = 1 << 16, .kind = "htb", .conf = &conf };
	/* As tc sends it where no burst was given and the kernel's clock ticks in nanoseconds. */
	uint64_t burst_ns = (HTB_BURST + Bps / NS) * NS / Bps;
	struct htb_class_conf leaf = { .rate.Bps = Bps, .ceil.Bps = Bps, .burst_ns = burst_ns, .cburst_ns = burst_ns };
	struct class_spec class = { .classid = 1 << 16 | 10, .conf = &leaf };
	struct error err = { 0 };
	struct qdisc *q;

	bench_check(sched_qdisc_add(tree, &spec, &q, &err), "htb", &err);
	bench_check(sched_class_add(q, &class, NULL, &err), "htb class", &err);
}

/* ---- measuring */

/* Milliseconds that the host took from all processors of this machine. */
static double
stolen_ms(void)
{
	FILE *file = fopen("/proc/stat", "r");
	unsigned long long ticks = 0;

	if (file == NULL || fscanf(file, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &ticks) != 1)
		ticks = 0;
	if (file != NULL)
		fclose(file);
	return (double)ticks * 1000 / (double)sysconf(_SC_CLK_TCK);
}

static double
tsc_us(uint64_t tsc)
{
	return (double)tsc * 1e6 / (double)rte_get_tsc_hz();
}

static double
error_percent(const struct sample *from, const struct sample *to, uint64_t Bps, uint64_t lost_tsc)
{
	double seconds = tsc_us(to->tsc - from->tsc - lost_tsc) / 1e6;
	double error = (double)(to->bytes - from->bytes) / (seconds * (double)Bps) - 1;

	return 100 * (error < 0 ? -error : error);
}

static void
sample_windows(uint64_t Bps)
{
	source.bucket_tsc = RTE_MAX(BUCKET_NS_MIN, FRAME * NS / Bps) * rte_get_tsc_hz() / NS;
	source.loop_tsc = LOOP_PACKETS * FRAME * rte_get_tsc_hz() / Bps;
	source.next_tsc = 0;
	atomic_store_explicit(&source.samples_left, WINDOWS + 1, memory_order_release);
	while (atomic_load_explicit(&source.samples_left, memory_order_acquire) != 0)
		usleep(10000);
}

static void
report(const struct report_row *row, uint64_t Bps, double stolen)
{
	double errors[WINDOWS];
	const struct sample *first = &source.samples[0], *last = &source.samples[WINDOWS];

	for (unsigned int i = 0; i < WINDOWS; i++)
		errors[i] = error_percent(&source.samples[i], &source.samples[i + 1], Bps, 0);
	report_add(row, errors, NULL, WINDOWS);
	for (unsigned int i = 0; i < WINDOWS; i++)
		errors[i] = error_percent(&source.samples[i], &source.samples[i + 1], Bps,
			source.samples[i + 1].lost_tsc - source.samples[i].lost_tsc);
	double worst = 0, longest = 0;
	for (unsigned int i = 0; i < WINDOWS; i++) {
		worst = RTE_MAX(worst, errors[i]);
		longest = RTE_MAX(longest, tsc_us(source.samples[i + 1].longest_tsc));
	}
	report_note(
		"%s: without what was lost so at most %.4f %%: the worker did not run for %.1f ms of %d s, in %" PRIu64
		" gaps up to %.0f us, and lost %.1f ms that no bucket of 1 ms holds; stolen by the host: %.0f ms",
		row->name, worst, tsc_us(last->gap_tsc - first->gap_tsc) / 1000, WINDOWS, last->gaps - first->gaps,
		longest, tsc_us(last->lost_tsc - first->lost_tsc) / 1000, stolen);
}

static void
rate_row(struct port *sink, const char *kind, const char *rate, uint64_t Bps)
{
	char name[32], work[80];
	double frame_percent = 100.0 * FRAME / (double)Bps;
	struct report_row row = { .name = name, .work = work, .unit = "%", .must = 0.1 + frame_percent };
	struct error err = { 0 };

	snprintf(name, sizeof(name), "rate-%s-%s", kind, rate);
	snprintf(work, sizeof(work), "live rate error, %s at %s, means over 1 s", kind, rate);
	if (!report_wanted(name))
		return;
	if (strcmp(kind, "htb") == 0)
		set_htb(sink->tree, Bps);
	else
		set_tbf(sink->tree, Bps);
	atomic_store_explicit(&source.on, true, memory_order_release);
	usleep(WARM_UP_MS * 1000);
	double stolen = stolen_ms();
	sample_windows(Bps);
	report(&row, Bps, stolen_ms() - stolen);
	if (sched_backlog(sink->tree) == 0)
		bench_check(-EAGAIN, "the tree ran empty", NULL);
	atomic_store_explicit(&source.on, false, memory_order_release);
	/* What waits goes to the default root, which sends it at once. */
	bench_check(sched_qdisc_delete(sched_root(sink->tree), &err), kind, &err);
	while (sched_backlog(sink->tree) != 0)
		usleep(1000);
}

int
main(void)
{
	static const struct {
		const char *name;
		uint64_t Bps;
	} rates[] = { { "10mbit", 1250000 }, { "100mbit", 12500000 }, { "1gbit", 125000000 }, { "10gbit", 1250000000 },
		{ "40gbit", UINT64_C(5000000000) } };
	struct null_router n;
	struct port *sink;

	null_router_create(&n, 1);
	sink = make_ports(&n);
	null_router_start(&n);
	for (unsigned int i = 0; i < RTE_DIM(rates); i++) {
		rate_row(sink, "htb", rates[i].name, rates[i].Bps);
		rate_row(sink, "tbf", rates[i].name, rates[i].Bps);
	}
	null_router_destroy(&n, 0);
	return 0;
}
