/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench-sched: TSC cycles a packet for enqueue and dequeue through each discipline, beside rte_sched or a plain
 * rte_ring in the same run.
 *
 * All get 64-byte packets whose queue is known already (classification is another benchmark): what is dequeued, 32 at
 * a time, is enqueued again a burst later, so that the backlog stays. The clock is virtual: it goes on by a burst's
 * time on a 10 gbit link, and jumps to the next event when nothing may leave. Counted is what passes in dequeue and
 * enqueue alone, for peers as for weir: between them what comes back is brought into the cache, where a packet that
 * was just received would be. A note says what the whole loop takes. Weir and peer take turns, round by round.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "eal_bench.h"
#include "report.h"
#include "sched_loads.h"

#define ROUNDS        41
#define ROUND_PACKETS 64000
#define BACKLOG       32768
#define LARGE_BACKLOG 131072
#define MEGABYTES     640
#define QUEUES_MAX    (1 << 18)
#define WARM_UP       50 /* packets a packet of backlog: full buckets are empty by then where they are to be */
/* Of cbq and hfsc twice that is asked. */
#define HTB_UNDER_MUST 95
#define HTB_OVER_MUST  120

void
require(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench-sched: %s\n", what);
	exit(1);
}

uint32_t
random_below(uint32_t n)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 32) * n >> 32);
}

/* ---- packets */

static void
write_headers(struct rte_mbuf *m, uint32_t flow)
{
	struct rte_ether_hdr *eth = (void *)rte_pktmbuf_append(m, PACKET_BYTES);
	struct rte_ipv4_hdr *ip = (void *)(eth + 1);
	struct rte_udp_hdr *udp = (void *)(ip + 1);

	require(eth != NULL, "no room in a buffer");
	*eth = (struct rte_ether_hdr){ .ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) };
	*ip = (struct rte_ipv4_hdr){ .version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16(PACKET_BYTES - sizeof(*eth)),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = rte_cpu_to_be_32(RTE_IPV4(10, 0, 0, 0) + flow / 16),
		.dst_addr = rte_cpu_to_be_32(RTE_IPV4(192, 0, 2, 1)) };
	*udp = (struct rte_udp_hdr){ .src_port = rte_cpu_to_be_16((uint16_t)(1024 + flow)),
		.dst_port = rte_cpu_to_be_16(53) };
}

static struct rte_mbuf *
make_packet(struct load *load, struct rte_mempool *pool, uint32_t i)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct classify_ctx ctx = { .sink = &load->sink };
	struct target target = load_first_target(load, i);
	struct pkt *p;

	require(m != NULL, "out of buffers");
	write_headers(m, i % FLOWS);
	p = pkt_of(m);
	*p = (struct pkt){ .l3_off = sizeof(struct rte_ether_hdr),
		.l4_off = sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr),
		.protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4),
		.priority = target.priority };
	sched_classify(load->tree, &ctx, &m, 1);
	if (target.leaf != PKT_LEAF_NONE)
		p->leaf = target.leaf;
	return m;
}

/* ---- a tree: what goes in and comes out */

static void
load_enqueue(void *arg, struct rte_mbuf **pkts, uint16_t n)
{
	struct load *load = arg;
	struct classify_ctx ctx = { .now = load->now, .sink = &load->sink };

	require(sched_enqueue(load->tree, &ctx, pkts, n) == n, "packets were dropped");
	load->in += n;
}

static void
load_aim(void *arg, struct rte_mbuf **pkts, uint16_t n)
{
	struct load *load = arg;

	for (uint16_t i = 0; i < n; i++) {
		const struct target *target = &load->targets[load->next_target];

		load->next_target = load->next_target + 1 == load->target_count ? 0 : load->next_target + 1;
		pkt_of(pkts[i])->leaf = target->leaf;
		pkt_of(pkts[i])->priority = target->priority;
	}
}

/* A burst's time later: what may leave now. */
static uint16_t
load_dequeue(void *arg, struct rte_mbuf **pkts)
{
	struct load *load = arg;
	uint16_t n;

	load->now += load->step_ns;
	while ((n = sched_dequeue(load->tree, pkts, BURST, load->now)) == 0)
		load->now = sched_next_event(load->tree, load->now);
	load->out += n;
	return n;
}

static struct subject
subject_of(struct load *load)
{
	return (struct subject){ .arg = load,
		.dequeue = load_dequeue,
		.arrange = load->targets != NULL ? load_aim : NULL,
		.enqueue = load_enqueue };
}

/* ---- going round */

struct burst {
	struct rte_mbuf *pkts[BURST];
	uint16_t count;
};

struct cycles {
	uint64_t dequeue, enqueue, all;
};

static uint64_t touched; /* so that nothing is read in vain */

/* Into the cache with what a packet that was just received has there: mbuf, private area and headers. */
static void
receive(const struct burst *burst)
{
	for (uint16_t i = 0; i < burst->count; i++) {
		const struct rte_mbuf *m = burst->pkts[i];

		touched += m->pkt_len + pkt_of(burst->pkts[i])->flags + *rte_pktmbuf_mtod(m, const uint8_t *);
	}
}

/* Once all that went before has its data: else a part of what it waits for would count as what is measured. */
static uint64_t
cycles_now(void)
{
	rte_rmb();
	return rte_rdtsc();
}

static void
come_back(const struct subject *s, struct burst *burst, struct cycles *cycles)
{
	uint64_t start;

	if (burst->count == 0)
		return;
	if (s->arrange != NULL)
		s->arrange(s->arg, burst->pkts, burst->count);
	start = cycles_now();
	s->enqueue(s->arg, burst->pkts, burst->count);
	cycles->enqueue += cycles_now() - start;
	burst->count = 0;
}

/* A burst that has left stays outside until the next has left, too. Returns how many packets went round. */
static uint64_t
go_round(const struct subject *s, uint64_t packets, struct cycles *cycles)
{
	struct burst bursts[2] = { 0 }, *fresh = bursts, *back = bursts + 1;
	uint64_t done = 0, all = cycles_now();

	while (done < packets) {
		uint64_t start = cycles_now();

		fresh->count = s->dequeue(s->arg, fresh->pkts);
		cycles->dequeue += cycles_now() - start;
		done += fresh->count;
		receive(fresh);
		come_back(s, back, cycles);
		RTE_SWAP(fresh, back);
	}
	come_back(s, back, cycles);
	cycles->all += cycles_now() - all;
	return done;
}

/* Cycles a packet; with *whole those of the loop, in which packets are brought into the cache again. */
static double
measure_round(const struct subject *s, double *whole)
{
	struct cycles cycles = { 0 };
	double packets = (double)go_round(s, ROUND_PACKETS, &cycles);

	*whole = (double)cycles.all / packets;
	return (double)(cycles.dequeue + cycles.enqueue) / packets;
}

/* ---- order: packets of one queue leave as they came, by the time of their enqueue */

static uint64_t *last_enqueued; /* by leaf, or for those without by what tells their queue */
static uint32_t (*queue_of)(struct rte_mbuf *m);

static uint32_t
queue_by_leaf(struct rte_mbuf *m)
{
	return pkt_of(m)->leaf;
}

static uint32_t
queue_by_priority(struct rte_mbuf *m)
{
	return pkt_of(m)->priority;
}

static uint32_t
queue_by_flow(struct rte_mbuf *m)
{
	return rte_be_to_cpu_16(rte_pktmbuf_mtod_offset(m, struct rte_udp_hdr *, pkt_of(m)->l4_off)->src_port);
}

/* They need not leave as they came: each is in a queue of its own. */
static uint32_t
queue_none(struct rte_mbuf *m)
{
	static uint32_t next;

	return next++ % QUEUES_MAX;
}

static uint32_t
queue_only_one(struct rte_mbuf *m)
{
	return 0;
}

static void
check_order(void *arg, struct rte_mbuf **pkts, uint16_t n)
{
	const struct load *load = arg;

	for (uint16_t i = 0; i < n; i++) {
		uint64_t *last = &last_enqueued[queue_of(pkts[i])];

		require(pkt_of(pkts[i])->time_ns >= *last, "a packet left before one that came earlier");
		*last = pkt_of(pkts[i])->time_ns;
	}
	if (load->targets != NULL)
		load_aim(arg, pkts, n);
}

/* ---- rows */

struct bench {
	struct rte_mempool *pool, *large_pool;
	struct subject rte_sched, rte_ring;
};

static void
fill(struct load *load, struct rte_mempool *pool, uint32_t backlog)
{
	for (uint32_t i = 0; i < backlog; i++) {
		struct rte_mbuf *m = make_packet(load, pool, i);

		load_enqueue(load, &m, 1);
	}
}

/* Where buckets are to be empty, on a link so fast that nobody can stay under his rate. */
static void
warm_up(struct load *load, const struct subject *s, uint64_t packets)
{
	uint64_t step_ns = load->step_ns;
	struct cycles cycles;

	if (load->own_bucket || load->borrows)
		load->step_ns /= 8;
	go_round(s, packets, &cycles);
	load->step_ns = step_ns;
}

static void
check_work(struct load *load, uint32_t (*queue)(struct rte_mbuf *m))
{
	struct subject s = subject_of(load);
	struct cycles cycles;

	last_enqueued = calloc(QUEUES_MAX, sizeof(*last_enqueued));
	require(last_enqueued != NULL, "out of memory");
	queue_of = queue;
	s.arrange = check_order;
	go_round(&s, ROUND_PACKETS, &cycles);
	free(last_enqueued);
	load_check_books(load);
}

static char whole_loops[1200]; /* for a note: NAME CYCLES, ... */

static void
note_whole_loop(const char *name, double *whole)
{
	size_t at = strlen(whole_loops);

	snprintf(whole_loops + at, sizeof(whole_loops) - at, "%s%s %.0f", at == 0 ? "" : ", ", name,
		report_median(whole, ROUNDS));
}

/* Takes the load, which its row has set up, and what it is to be compared with. */
static void
measure(struct load *load, struct rte_mempool *pool, uint32_t backlog, uint32_t (*queue)(struct rte_mbuf *m),
	const struct subject *peer, const struct report_row *row)
{
	double weir[ROUNDS], other[ROUNDS], whole[ROUNDS], peer_whole;
	unsigned int before = rte_mempool_in_use_count(pool);
	struct subject s = subject_of(load);

	fill(load, pool, backlog);
	warm_up(load, &s, (uint64_t)backlog * WARM_UP);
	measure_round(peer, &peer_whole);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		weir[i] = measure_round(&s, &whole[i]);
		other[i] = measure_round(peer, &peer_whole);
	}
	check_work(load, queue);
	sched_tree_destroy(load->tree, DROP_SHUTDOWN);
	free(load->targets);
	require(rte_mempool_in_use_count(pool) == before, "buffers were lost");
	report_add(row, weir, other, ROUNDS);
	note_whole_loop(row->name, whole);
}

static void
htb_row(struct bench *b, unsigned int leaves, enum htb_state state, double must, double strive)
{
	static const char *const names[] = { "under", "borrow", "over" };
	static const char *const states[] = { "all under their rate", "each borrows half",
		"each waits for its own tokens" };
	bool large = leaves > FLOWS;
	char name[48], work[96];
	struct report_row row = { .name = name,
		.work = work,
		.unit = "cycles/packet",
		.peer_name = "rte_sched, 4096 pipes",
		.must = must,
		.strive = strive };
	struct load load;

	snprintf(name, sizeof(name), "htb-%u-%s", leaves, names[state]);
	snprintf(work, sizeof(work), "htb, %u leaves, %s", leaves, states[state]);
	if (!report_wanted(name))
		return;
	if (b->rte_sched.arg == NULL)
		peer_rte_sched(&b->rte_sched, b->pool, BACKLOG);
	load_htb(&load, leaves, state);
	measure(&load, large ? b->large_pool : b->pool, large ? LARGE_BACKLOG : BACKLOG, queue_by_leaf, &b->rte_sched,
		&row);
}

static void
plain_row(struct bench *b, const char *name, const char *work, void (*setup)(struct load *load),
	uint32_t (*queue)(struct rte_mbuf *m), double must, double strive)
{
	struct report_row row = { .name = name,
		.work = work,
		.unit = "cycles/packet",
		.peer_name = "rte_ring",
		.must = must,
		.strive = strive };
	struct load load;

	if (!report_wanted(name))
		return;
	if (b->rte_ring.arg == NULL)
		peer_rte_ring(&b->rte_ring, b->pool, BACKLOG);
	setup(&load);
	measure(&load, b->pool, BACKLOG, queue, &b->rte_ring, &row);
}

static void
load_dsmark_1(struct load *load)
{
	load_dsmark(load, 1);
}

static void
load_dsmark_10000(struct load *load)
{
	load_dsmark(load, FLOWS);
}

static void
load_fq_codel_1(struct load *load)
{
	load_fq_codel(load, 1);
}

static void
load_fq_codel_10000(struct load *load)
{
	load_fq_codel(load, 1 << 14); /* as many as sfq has */
}

static void
load_drr_1(struct load *load)
{
	load_drr(load, 1);
}

static void
load_drr_10000(struct load *load)
{
	load_drr(load, FLOWS);
}

int
main(void)
{
	static const unsigned int few_leaves[] = { 1000, 16 };
	struct bench b = { 0 };

	eal_bench_start(MEGABYTES);
	b.pool = eal_bench_pool("bench", 3 * BACKLOG);
	b.large_pool = eal_bench_pool("bench-large", LARGE_BACKLOG);
	htb_row(&b, 10000, HTB_UNDER, HTB_UNDER_MUST, 70);
	htb_row(&b, 10000, HTB_OVER, HTB_OVER_MUST, 95);
	htb_row(&b, 100000, HTB_OVER, 180, 150);
	htb_row(&b, 10000, HTB_BORROW, 0, 0);
	for (size_t i = 0; i < RTE_DIM(few_leaves); i++) {
		htb_row(&b, few_leaves[i], HTB_UNDER, 0, 0);
		htb_row(&b, few_leaves[i], HTB_OVER, 0, 0);
		htb_row(&b, few_leaves[i], HTB_BORROW, 0, 0);
	}
	htb_row(&b, 1, HTB_UNDER, 0, 0);
	htb_row(&b, 1, HTB_OVER, 0, 0);
	plain_row(&b, "pfifo", "pfifo", load_pfifo, queue_only_one, 0, 0);
	plain_row(&b, "bfifo", "bfifo", load_bfifo, queue_only_one, 0, 0);
	plain_row(&b, "pfifo-head-drop", "pfifo_head_drop", load_pfifo_head_drop, queue_only_one, 0, 0);
	plain_row(&b, "teql", "teql0, a port's own queue", load_teql, queue_only_one, 0, 0);
	plain_row(&b, "red", "red, the average between min and max", load_red, queue_only_one, 0, 0);
	plain_row(&b, "gred", "gred, 16 virtual queues with grio", load_gred, queue_only_one, 0, 0);
	plain_row(&b, "pfifo-fast-1", "pfifo_fast, all in one band", load_pfifo_fast_1, queue_only_one, 0, 0);
	plain_row(&b, "pfifo-fast", "pfifo_fast, 10,000 flows", load_pfifo_fast, queue_by_priority, 40, 30);
	plain_row(&b, "tbf", "tbf, 10,000 flows, waiting for tokens", load_tbf, queue_only_one, 55, 45);
	plain_row(&b, "prio-1", "prio, all in one band", load_prio_1, queue_only_one, 0, 0);
	plain_row(&b, "prio", "prio, 3 bands, 10,000 flows", load_prio, queue_by_leaf, 50, 40);
	plain_row(&b, "sfq", "sfq, 10,000 flows", load_sfq, queue_by_flow, 80, 70);
	plain_row(&b, "hfsc-1", "hfsc, 1 class", load_hfsc_1, queue_by_leaf, 0, 0);
	plain_row(&b, "hfsc-10000", "hfsc, 10,000 classes, each assured half of what it gets", load_hfsc_10000,
		queue_by_leaf, 0, 0);
	plain_row(&b, "hfsc-10000-assured", "hfsc, 10,000 classes, all by their real-time curves",
		load_hfsc_10000_assured, queue_by_leaf, 2 * HTB_UNDER_MUST, 0);
	plain_row(&b, "hfsc-10000-over", "hfsc, 10,000 classes, each waits for its upper limit", load_hfsc_10000_over,
		queue_by_leaf, 2 * HTB_OVER_MUST, 0);
	plain_row(&b, "netem", "netem, a constant delay", load_netem, queue_only_one, 0, 0);
	plain_row(&b, "netem-jitter", "netem, delay with jitter", load_netem_jitter, queue_none, 0, 0);
	plain_row(&b, "codel", "codel, below its target", load_codel, queue_only_one, 0, 0);
	plain_row(&b, "fq_codel-1", "fq_codel, all in one flow", load_fq_codel_1, queue_only_one, 0, 0);
	plain_row(&b, "fq_codel-10000", "fq_codel, 10,000 flows", load_fq_codel_10000, queue_by_flow, 0, 0);
	plain_row(&b, "drr-1", "drr, 1 class", load_drr_1, queue_by_leaf, 0, 0);
	plain_row(&b, "drr-10000", "drr, 10,000 classes", load_drr_10000, queue_by_leaf, 0, 0);
	plain_row(&b, "cbq-1", "cbq, 1 class under its rate", load_cbq_1, queue_by_leaf, 0, 0);
	plain_row(&b, "cbq-10000", "cbq, 10,000 classes, all under their rate", load_cbq_10000, queue_by_leaf,
		2 * HTB_UNDER_MUST, 0);
	plain_row(&b, "cbq-10000-over", "cbq, 10,000 bounded classes, all over their rate", load_cbq_10000_over,
		queue_by_leaf, 2 * HTB_OVER_MUST, 0);
	plain_row(&b, "wrr-1", "wrr, 1 class for all hosts", load_wrr_1, queue_only_one, 0, 0);
	plain_row(&b, "wrr-10000", "wrr, 10,000 flows of 625 hosts whose weights change", load_wrr_10000, queue_by_flow,
		0, 0);
	plain_row(&b, "dsmark-1", "dsmark, all packets marked alike", load_dsmark_1, queue_only_one, 0, 0);
	plain_row(&b, "dsmark-10000", "dsmark, 10,000 marks", load_dsmark_10000, queue_only_one, 0, 0);
	report_note("enqueue and dequeue in bursts of %d, %d packets of %d bytes waiting (htb of 100000 leaves: %d), "
		    "each leaf known; TSC %.2f GHz",
		BURST, BACKLOG, PACKET_BYTES, LARGE_BACKLOG, (double)rte_get_tsc_hz() / 1e9);
	report_note("htb of 100000 leaves: two of 50000 under prio, as a classid's minor has 16 bits; rte_ring: a FIFO "
		    "of pointers that reads each packet's length");
	report_note("with bringing packets back into the cache: %s", whole_loops);
	return 0;
}
