/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Forwarding 64-byte packets through a whole router on null ports, one worker, beside a bare loop on the same ports:
 * receive, look up by DPDK's rte_fib, rewrite the MAC addresses, transmit. In turns, both in the router's worker, each
 * after as many packets that are not counted: a router at work does not find its tables pushed out of the caches by
 * another's.
 *
 * Everything that a live router does is on: header checks, rules, routes, neighbours, rewrite, counters, drop
 * accounting.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_fib.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_vect.h>

#include "null_router.h"
#include "report.h"
#include "rules_setup.h"

#define FRAMES  (1u << 18)
#define ROUNDS  25
#define PACKETS FRAMES /* a round */

/* ---- the peers --------------------------------------------------------------------------------------------------- */

struct bare_loop {
	uint16_t device;
	struct rte_fib *fib;
	uint8_t macs[NULL_GATEWAYS][12]; /* destination and source */
	uint64_t packets;
	double cycles; /* a packet, of the last run */
	uint64_t checksum; /* over what was found, so that no lookup is idle */
};

static void
forward_burst(struct bare_loop *loop, struct rte_mbuf **pkts, uint16_t n)
{
	uint32_t addrs[NULL_BURST];
	uint64_t hops[NULL_BURST];

	for (uint16_t i = 0; i < n; i++)
		addrs[i] = rte_be_to_cpu_32(
			rte_pktmbuf_mtod_offset(pkts[i], struct rte_ipv4_hdr *, sizeof(struct rte_ether_hdr))
				->dst_addr);
	rte_fib_lookup_bulk(loop->fib, addrs, hops, n);
	for (uint16_t i = 0; i < n; i++) {
		memcpy(rte_pktmbuf_mtod(pkts[i], void *), loop->macs[hops[i] % NULL_GATEWAYS], 12);
		loop->checksum += hops[i];
	}
}

/* As null_router_warm_cycles: the first half of the packets is not counted. */
static inline void
run(struct bare_loop *loop, bool frames, bool forward)
{
	struct rte_mbuf *pkts[NULL_BURST];
	uint64_t done = 0, start = 0, uncounted = 0;

	while (done < 2 * loop->packets) {
		if (start == 0 && done >= loop->packets) {
			start = rte_rdtsc();
			uncounted = done;
		}
		uint16_t n = frames ? null_frames_receive(pkts, NULL_BURST)
				    : rte_eth_rx_burst(loop->device, 0, pkts, NULL_BURST);

		if (forward)
			forward_burst(loop, pkts, n);
		done += rte_eth_tx_burst(loop->device, 0, pkts, n);
	}
	loop->cycles = (double)(rte_rdtsc() - start) / (double)(done - uncounted);
}

/* What DPDK's samples do, and no more. */
static void
run_bare(void *arg)
{
	run(arg, true, true);
}

static void
run_frames(void *arg)
{
	run(arg, true, false);
}

static void
run_ports(void *arg)
{
	run(arg, false, false);
}

static struct rte_fib *
make_fib(const struct prefix4 *prefixes, size_t count)
{
	struct rte_fib_conf conf = {
		.type = RTE_FIB_DIR24_8,
		.max_routes = (int)count + 1,
		.dir24_8 = { .nh_sz = RTE_FIB_DIR24_8_2B, .num_tbl8 = 32767 },
	};
	struct rte_fib *fib;

	rte_vect_set_max_simd_bitwidth(RTE_VECT_SIMD_512);
	fib = rte_fib_create("bench", SOCKET_ID_ANY, &conf);
	bench_check(fib == NULL ? -ENOMEM : 0, "rte_fib", NULL);
	/* The fastest that the processor has; the scalar one where it has no AVX-512. */
	if (rte_fib_select_lookup(fib, RTE_FIB_LOOKUP_DIR24_8_VECTOR_AVX512) != 0)
		rte_fib_select_lookup(fib, RTE_FIB_LOOKUP_DIR24_8_SCALAR_MACRO);
	for (size_t i = 0; i < count; i++)
		bench_check(rte_fib_add(fib, prefixes[i].addr, prefixes[i].length, i % NULL_GATEWAYS + 1),
			"rte_fib_add", NULL);
	return fib;
}

static void
make_bare_loop(struct bare_loop *loop, const struct null_router *n, const struct prefix4 *prefixes, size_t count)
{
	loop->device = n->device;
	loop->packets = PACKETS;
	loop->fib = make_fib(prefixes, count);
	for (uint8_t i = 0; i < NULL_GATEWAYS; i++)
		memcpy(loop->macs[i], (uint8_t[12]){ 2, 0, 0, 0, 1, i, 2, 0, 0, 0, 0, 1 }, 12);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

struct samples {
	double weir[ROUNDS], bare[ROUNDS], frames[ROUNDS], ports[ROUNDS];
};

static void
measure(struct null_router *n, struct bare_loop *loop, enum traffic traffic, const struct prefix4 *prefixes,
	size_t count, struct samples *s)
{
	uint32_t *destinations = calloc(FRAMES, sizeof(*destinations));

	bench_check(destinations == NULL ? -ENOMEM : 0, "destinations", NULL);
	traffic4(traffic, prefixes, count, destinations, FRAMES, 7);
	struct null_frame *frames = null_frames(destinations, NULL, FRAMES);
	null_router_set_frames(frames, FRAMES);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		s->weir[i] = null_router_warm_cycles(PACKETS);
		null_router_call(n, run_bare, loop);
		s->bare[i] = loop->cycles;
		null_router_call(n, run_frames, loop);
		s->frames[i] = loop->cycles;
		null_router_call(n, run_ports, loop);
		s->ports[i] = loop->cycles;
	}
	free(destinations);
	rte_free(frames);
}

/* Cycles a packet by stage since `before`, as `weir show workers` gives them. */
static void
note_stages(const struct null_router *n, const char *name, const struct worker_info *before)
{
	struct worker_info now;
	char text[300] = "";
	size_t length = 0;

	router_worker_info(n->router, 0, &now);
	double packets = (double)(now.timed_packets - before->timed_packets);
	for (unsigned int i = 0; i < WORKER_STAGES; i++) {
		double cycles = (double)(now.timed_cycles[i] - before->timed_cycles[i]) / packets;

		if (cycles >= 0.05)
			length += (size_t)snprintf(
				text + length, sizeof(text) - length, " %s %.1f", worker_stage_name(i), cycles);
	}
	report_note("%s by stage, those not counted too:%s", name, text);
}

struct forward_row {
	enum traffic traffic;
	const char *pages; /* of NULL_PAGES; NULL: hugepages, if there are */
	struct report_row row;
};

static const struct forward_row forward_rows[] = {
	{ TRAFFIC_ZIPF, NULL,
		{ .name = "forward-zipf",
			.work = "forward 64 B, 1.0M IPv4 routes, Zipf",
			.unit = "cycles/packet",
			.peer_name = "bare rte_fib loop",
			.must = 70,
			.strive = 55 } },
	{ TRAFFIC_UNIFORM, NULL,
		{ .name = "forward-uniform",
			.work = "forward 64 B, 1.0M IPv4 routes, uniform over prefixes",
			.unit = "cycles/packet",
			.peer_name = "bare rte_fib loop",
			.must = 80,
			.strive = 62 } },
	{ TRAFFIC_ZIPF, "thp",
		{ .name = "forward-zipf-thp",
			.work = "the same (Zipf) without hugepages: transparent ones for pool and tables",
			.unit = "cycles/packet",
			.peer_name = "bare rte_fib loop" } },
	{ TRAFFIC_ZIPF, "4k",
		{ .name = "forward-zipf-4k",
			.work = "the same (Zipf) on pages of 4 kB",
			.unit = "cycles/packet",
			.peer_name = "bare rte_fib loop" } },
};

static bool
wants(const struct forward_row *row, const char *pages)
{
	bool same = row->pages == NULL || pages == NULL ? row->pages == pages : strcmp(row->pages, pages) == 0;

	return same && report_wanted(row->row.name);
}

static void
report_forward(
	struct null_router *n, struct bare_loop *loop, const char *pages, const struct prefix4 *prefixes, size_t count)
{
	for (size_t i = 0; i < RTE_DIM(forward_rows); i++) {
		const struct forward_row *row = &forward_rows[i];
		struct worker_info before;
		struct samples s;

		if (!wants(row, pages))
			continue;
		router_worker_info(n->router, 0, &before);
		measure(n, loop, row->traffic, prefixes, count, &s);
		report_add(&row->row, s.weir, s.bare, ROUNDS);
		double frames = report_median(s.frames, ROUNDS), ports = report_median(s.ports, ROUNDS);
		report_note("%s: of these, the null ports' rx and tx are %.1f and writing the frames %.1f",
			row->row.name, ports, frames - ports);
		note_stages(n, row->row.name, &before);
	}
}

/* DPDK starts once in a process: other pages are another's. */
static void
run_with_pages(const char *pages)
{
	bool wanted = false;
	pid_t child;
	int status;

	for (size_t i = 0; i < RTE_DIM(forward_rows); i++)
		wanted |= wants(&forward_rows[i], pages);
	if (!wanted)
		return;
	child = fork();
	bench_check(child < 0 ? -errno : 0, "fork", NULL);
	if (child == 0) {
		setenv(NULL_PAGES, pages, 1);
		execl("/proc/self/exe", "bench-forward", (char *)NULL);
		_exit(1);
	}
	bench_check(waitpid(child, &status, 0) < 0 ? -errno : 0, "waiting", NULL);
	bench_check(status != 0 ? -EIO : 0, pages, NULL);
}

/* ---- ten thousand rules ------------------------------------------------------------------------------------------ */

/*
 * From sources that a rule selects (it asks a table of ten routes), and from others (they pass all rules, and ask
 * main).
 */
static const struct report_row rules_rows[] = {
	{ .name = "forward-10k-rules-hit",
		.work = "forward 64 B, 10,000 source rules over 1,000 tables: more than by the default rules",
		.unit = "cycles/packet",
		.must = 40,
		.strive = 25 },
	{ .name = "forward-10k-rules-miss",
		.work = "forward 64 B, 10,000 source rules, none of them selects: more than by the default rules",
		.unit = "cycles/packet",
		.must = 40,
		.strive = 25 },
};

static struct null_frame *
source_frames(const struct prefix4 *prefixes, size_t count, bool hit)
{
	uint32_t *destinations = calloc(FRAMES, sizeof(*destinations)), *sources = calloc(FRAMES, sizeof(*sources));
	uint64_t random = 88172645463325252u;

	bench_check(destinations == NULL || sources == NULL ? -ENOMEM : 0, "addresses", NULL);
	traffic4(TRAFFIC_UNIFORM, prefixes, count, destinations, FRAMES, 7);
	for (uint32_t i = 0; i < FRAMES; i++) {
		random ^= random << 13; /* xorshift64, G. Marsaglia 2003 */
		random ^= random >> 7;
		random ^= random << 17;
		sources[i] = source_rules_address(random, hit);
	}
	struct null_frame *frames = null_frames(destinations, sources, FRAMES);
	free(destinations);
	free(sources);
	return frames;
}

static void
add_rules(struct null_router *n)
{
	struct ip_addr gateways[NULL_GATEWAYS];
	struct error err = { 0 };

	for (unsigned int i = 0; i < NULL_GATEWAYS; i++)
		gateways[i] = ip_addr_v4(null_router_gateway(i));
	bench_check(
		source_rules_add(router_rib(n->router), n->out->ifindex, gateways, NULL_GATEWAYS, &err), "rules", &err);
}

/*
 * In front of the ten thousand a rule that has every packet ask main comes and goes: with it all is as by the default
 * rules. So both are measured in turns.
 */
static void
set_short_cut(struct null_router *n, bool there)
{
	struct rib_rule rule = { .family = AF_INET,
		.action = FR_ACT_TO_TBL,
		.priority = 1,
		.priority_set = true,
		.table = RT_TABLE_MAIN,
		.suppress_prefix_length = -1 };
	struct error err = { 0 };

	if (there)
		bench_check(rib_rule_add(router_rib(n->router), &rule, CHANGE_CREATE, &err), "rule", &err);
	else
		bench_check(rib_rule_delete(router_rib(n->router), &rule, &err), "rule", &err);
}

static void
report_rules(struct null_router *n, const struct prefix4 *prefixes, size_t count)
{
	double plain[ROUNDS], ruled[ROUNDS], added[ROUNDS];

	if (!report_wanted(rules_rows[0].name) && !report_wanted(rules_rows[1].name))
		return;
	add_rules(n);
	for (unsigned int k = 0; k < RTE_DIM(rules_rows); k++) {
		struct null_frame *frames = source_frames(prefixes, count, k == 0);

		null_router_set_frames(frames, FRAMES);
		for (unsigned int i = 0; i < ROUNDS; i++) {
			set_short_cut(n, true);
			plain[i] = null_router_warm_cycles(PACKETS);
			set_short_cut(n, false);
			ruled[i] = null_router_warm_cycles(PACKETS);
		}
		double before = report_median(plain, ROUNDS);
		for (unsigned int i = 0; i < ROUNDS; i++)
			added[i] = ruled[i] - before;
		report_note("%s: %.1f in all, %.1f by the default rules", rules_rows[k].name,
			report_median(ruled, ROUNDS), before);
		if (report_wanted(rules_rows[k].name))
			report_add(&rules_rows[k], added, NULL, ROUNDS);
		rte_free(frames);
	}
}

int
main(void)
{
	const char *pages = getenv(NULL_PAGES);
	struct null_router n;
	struct bare_loop loop = { 0 };
	struct prefix4 *prefixes;
	size_t count = prefixes_load(NULL, &prefixes);

	setvbuf(stdout, NULL, _IOLBF, 0);
	null_router_create(&n, 1);
	null_router_add_routes(&n, prefixes, count);
	make_bare_loop(&loop, &n, prefixes, count);
	null_router_start(&n);
	report_note("forwarding: buffers are on %s", n.hugepages ? "hugepages of 2 MB"
						     : pages != NULL && strcmp(pages, "4k") == 0
							     ? "pages of 4 kB"
							     : "transparent huge pages, if the kernel gives them");
	report_forward(&n, &loop, pages, prefixes, count);
	if (pages == NULL)
		report_tables(&n, prefixes, count);
	if (pages == NULL)
		report_rules(&n, prefixes, count);
	bench_check(loop.cycles != 0 && loop.checksum == 0 ? -EIO : 0, "the bare loop found nothing", NULL);
	null_router_destroy(&n, 0);
	free(prefixes);
	if (pages == NULL) {
		run_with_pages("thp");
		run_with_pages("4k");
	}
	return 0;
}
