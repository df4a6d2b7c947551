/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench-sched: TSC cycles a packet for enqueue and dequeue through htb with many leaf classes, all backlogged, and through DPDK's rte_sched
 * with as many pipes in the same run.
 *
 * Both get packets whose queue is known already (classification is another benchmark): what is dequeued, 32 at a time, is enqueued again where it
 * was, so that every queue stays backlogged. htb's clock is virtual and jumps to the next event whenever nothing may leave. Medians of
 * rounds; run it pinned to a quiet core.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_sched.h>

#include <weir/qdisc/htb.h>
#include <weir/sched.h>

#include "eal.h"

#define BURST            32
#define ROUNDS           41
#define ROUND_PACKETS    20000
#define PACKETS_A_LEAF   4
#define PACKET_BYTES     1000
#define BUCKET_BYTES     (2 * BURST * PACKET_BYTES)
#define LINK_BYTES_PER_S UINT64_C(1250000000) /* 10 gbit */

static int
compare_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double
median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare_double);
	return values[n / 2];
}

static void
require(int ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "bench-sched: %s\n", what);
		exit(1);
	}
}

/* ---- htb */

struct bench {
	struct sched_tree *tree;
	struct pkt_sink sink;
	uint64_t now;
};

static uint64_t
bench_now(void *arg)
{
	return ((struct bench *)arg)->now;
}

static void
bench_enqueue(struct bench *b, struct rte_mbuf **pkts, uint16_t n)
{
	struct classify_ctx ctx = { .now = b->now, .sink = &b->sink };

	require(sched_enqueue(b->tree, &ctx, pkts, n) == n, "htb dropped packets");
}

static void
add_htb_class(struct bench *b, uint32_t parent, uint32_t classid, uint64_t rate, uint64_t ceil)
{
	struct htb_class_conf conf = { .rate.Bps = rate,
		.ceil.Bps = ceil,
		.burst_ns = BUCKET_BYTES * UINT64_C(1000000000) / rate,
		.cburst_ns = BUCKET_BYTES * UINT64_C(1000000000) / ceil,
		.quantum = 1514 };
	struct class_spec spec = { .parentid = parent, .classid = classid, .conf = &conf };
	struct error err = { 0 };

	require(sched_class_add(sched_root(b->tree), &spec, NULL, &err) == 0, err.msg);
}

/* A root class of the link's rate, and leaves that have each an equal part of `assured` of it. */
static void
make_htb(struct bench *b, unsigned int leaves, double assured, bool borrow)
{
	struct sched_host host = {
		.mtu = 1500, .tx_queue_len = 1000, .sink = &b->sink, .now = bench_now, .host_arg = b, .seed = 1
	};
	struct htb_conf conf = { .version = 3, .rate2quantum = 10 };
	struct qdisc_spec root = { .parent = TC_H_ROOT, .handle = 1 << 16, .kind = "htb", .conf = &conf };
	uint64_t rate = (uint64_t)((double)LINK_BYTES_PER_S * assured / leaves);
	struct error err = { 0 };

	memset(b, 0, sizeof(*b));
	require(sched_tree_create(&host, &b->tree, &err) == 0, err.msg);
	require(sched_qdisc_add(b->tree, &root, NULL, &err) == 0, err.msg);
	add_htb_class(b, 1 << 16, 1 << 16 | 1, LINK_BYTES_PER_S, LINK_BYTES_PER_S);
	for (unsigned int i = 0; i < leaves; i++)
		add_htb_class(b, 1 << 16 | 1, 1 << 16 | (i + 0x10), rate, borrow ? LINK_BYTES_PER_S : rate);
}

/* A burst's time on the link later, dequeues until a burst has come, whatever the clock must do for that. */
static void
take_burst(struct bench *b, struct rte_mbuf **pkts)
{
	uint16_t got = 0;

	b->now += BURST * PACKET_BYTES * UINT64_C(1000000000) / LINK_BYTES_PER_S;
	while (got < BURST) {
		got += sched_dequeue(b->tree, pkts + got, BURST - got, b->now);
		if (got < BURST)
			b->now = sched_next_event(b->tree, b->now);
	}
}

static double
measure_htb(struct rte_mempool *pool, unsigned int leaves, double assured, bool borrow)
{
	static double cycles[ROUNDS];
	struct rte_mbuf *pkts[BURST];
	struct bench b;

	make_htb(&b, leaves, assured, borrow);
	for (unsigned int i = 0; i < leaves * PACKETS_A_LEAF; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

		require(m != NULL && rte_pktmbuf_append(m, PACKET_BYTES) != NULL, "out of buffers");
		*pkt_of(m) = (struct pkt){ .priority = 1 << 16 | (i % leaves + 0x10) };
		bench_enqueue(&b, &m, 1);
	}
	for (unsigned int round = 0; round < ROUNDS; round++) {
		uint64_t start = rte_rdtsc_precise();

		for (unsigned int i = 0; i < ROUND_PACKETS / BURST; i++) {
			take_burst(&b, pkts);
			bench_enqueue(&b, pkts, BURST);
		}
		cycles[round] = (double)(rte_rdtsc_precise() - start) / (ROUND_PACKETS / BURST * BURST);
	}
	sched_tree_destroy(b.tree, DROP_SHUTDOWN);
	return median(cycles, ROUNDS);
}

/* ---- rte_sched: a pipe for each leaf, with its best-effort class in use */

static struct rte_sched_port *
make_rte_sched(unsigned int pipes)
{
	struct rte_sched_pipe_params pipe = { .tb_rate = LINK_BYTES_PER_S,
		.tb_size = 1000000,
		.tc_period = 10,
		.tc_ov_weight = 1,
		.wrr_weights = { 1, 1, 1, 1 } };
	struct rte_sched_subport_profile_params profile = {
		.tb_rate = LINK_BYTES_PER_S, .tb_size = 1000000, .tc_period = 10
	};
	struct rte_sched_port_params port_params = { .name = "bench",
		.rate = LINK_BYTES_PER_S,
		.mtu = 1522,
		.frame_overhead = 0,
		.n_subports_per_port = 1,
		.subport_profiles = &profile,
		.n_subport_profiles = 1,
		.n_max_subport_profiles = 1,
		.n_pipes_per_subport = pipes };
	struct rte_sched_subport_params subport = { .n_pipes_per_subport_enabled = pipes,
		.pipe_profiles = &pipe,
		.n_pipe_profiles = 1,
		.n_max_pipe_profiles = 1 };
	struct rte_sched_port *port;

	pipe.tc_rate[RTE_SCHED_TRAFFIC_CLASS_BE] = pipe.tb_rate;
	for (unsigned int i = 0; i < RTE_SCHED_TRAFFIC_CLASSES_PER_PIPE; i++)
		profile.tc_rate[i] = profile.tb_rate;
	subport.qsize[RTE_SCHED_TRAFFIC_CLASS_BE] = 64;
	port = rte_sched_port_config(&port_params);
	require(port != NULL, "rte_sched_port_config failed");
	require(rte_sched_subport_config(port, 0, &subport, 0) == 0, "rte_sched_subport_config failed");
	for (unsigned int i = 0; i < pipes; i++)
		require(rte_sched_pipe_config(port, 0, i, 0) == 0, "rte_sched_pipe_config failed");
	return port;
}

static double
measure_rte_sched(struct rte_mempool *pool, unsigned int leaves)
{
	static double cycles[ROUNDS];
	unsigned int pipes = 1;
	struct rte_mbuf *pkts[BURST];
	struct rte_sched_port *port;
	uint64_t packets = 0;

	while (pipes < leaves)
		pipes *= 2;
	port = make_rte_sched(pipes);
	for (unsigned int i = 0; i < leaves * PACKETS_A_LEAF; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

		require(m != NULL && rte_pktmbuf_append(m, PACKET_BYTES) != NULL, "out of buffers");
		rte_sched_port_pkt_write(port, m, 0, i % leaves, RTE_SCHED_TRAFFIC_CLASS_BE, 0, RTE_COLOR_GREEN);
		require(rte_sched_port_enqueue(port, &m, 1) == 1, "rte_sched dropped a packet");
	}
	for (unsigned int round = 0; round < ROUNDS; round++) {
		uint64_t start = rte_rdtsc_precise();

		/* A call may give less than was asked for: that costs, too. */
		packets = 0;
		while (packets < ROUND_PACKETS) {
			int got = rte_sched_port_dequeue(port, pkts, BURST);

			if (got > 0)
				rte_sched_port_enqueue(port, pkts, (uint32_t)got);
			packets += (uint64_t)got;
		}
		cycles[round] = (double)(rte_rdtsc_precise() - start) / (double)packets;
	}
	rte_sched_port_free(port);
	return median(cycles, ROUNDS);
}

int
main(void)
{
	static const unsigned int sizes[] = { 16, 1000, 10000 };
	struct rte_mempool *pool;

	eal_start();
	pool = eal_pool("bench", 65535);
	printf("enqueue + dequeue, cycles a packet (TSC %.2f GHz), bursts of %d, %d packets waiting in each leaf\n",
		(double)rte_get_tsc_hz() / 1e9, BURST, PACKETS_A_LEAF);
	printf("%8s  %16s  %16s  %16s  %16s\n", "leaves", "htb, own rates", "htb, borrowing", "htb, at ceil",
		"rte_sched");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		double own = measure_htb(pool, sizes[i], 2, true);
		double borrowing = measure_htb(pool, sizes[i], 0.5, true);
		double shaped = measure_htb(pool, sizes[i], 1, false);

		printf("%8u  %16.0f  %16.0f  %16.0f  %16.0f\n", sizes[i], own, borrowing, shaped,
			measure_rte_sched(pool, sizes[i]));
		require(rte_mempool_in_use_count(pool) == 0, "buffers were lost");
	}
	printf("own rates: no leaf is held back by the root; borrowing: half of what leaves send is the root's; at "
	       "ceil: every leaf waits for its "
	       "own bucket; rte_sched: "
	       "a pipe a leaf, rounded up to a power of two, at rates that never hold it back\n");
	return 0;
}
