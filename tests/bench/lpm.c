/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench-lpm: longest prefix match in bursts of 32 over a million IPv4 and 200,000 IPv6 routes, beside DPDK's rte_fib,
 * rte_fib6 and rte_lpm in the same run, in turns; what it takes in memory, and how it is changed. All answers are
 * compared with the peers', or the figures mean nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include <rte_errno.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_lpm.h>
#include <rte_malloc.h>
#include <rte_vect.h>

#include <lpm_internal.h>

#include "eal_bench.h"
#include "lpm_bench.h"
#include "report.h"

#define PEERS_MB 900 /* what the largest of the peers needs */
#define KINDS    3

static const struct {
	const char *name, *work;
	double must4, strive4, must6, strive6;
} kinds[KINDS] = {
	[TRAFFIC_ALL] = { "all", "uniform 2^32", 16, 12, 0, 0 },
	[TRAFFIC_UNIFORM] = { "uniform", "uniform over prefixes", 10, 8, 30, 20 },
	[TRAFFIC_ZIPF] = { "zipf", "Zipf", 5, 4, 16, 12 },
};

/* One kind of traffic and all that may be asked for its answers. */
struct bench {
	const struct lpm *lpm, *small_pages;
	const struct lpm_reader *reader;
	struct rte_fib *fib;
	struct rte_fib6 *fib6;
	struct rte_lpm *peer_lpm;
	uint32_t *addrs; /* IPv4 */
	struct lpm_key *keys; /* or any, and the same as bytes */
	uint8_t (*bytes)[RTE_FIB6_IPV6_ADDR_SIZE];
};

union answers {
	uint32_t narrow[LPM_BURST_SIZE];
	uint64_t wide[LPM_BURST_SIZE]; /* of rte_fib */
};

typedef void burst_fn(const struct bench *b, uint32_t first, union answers *answers);

void
lpm_bench_check(int status, const char *what)
{
	if (status == 0)
		return;
	fprintf(stderr, "bench-lpm: %s: %s\n", what, strerror(status < 0 ? -status : status));
	exit(1);
}

static void
weir4(const struct bench *b, uint32_t first, union answers *answers)
{
	b->reader->lookup_v4(b->lpm, b->addrs + first, LPM_BURST_SIZE, answers->narrow);
}

static void
weir4_small_pages(const struct bench *b, uint32_t first, union answers *answers)
{
	b->reader->lookup_v4(b->small_pages, b->addrs + first, LPM_BURST_SIZE, answers->narrow);
}

static void
weir6(const struct bench *b, uint32_t first, union answers *answers)
{
	b->reader->lookup_v6(b->lpm, b->keys + first, LPM_BURST_SIZE, answers->narrow);
}

static void
fib4(const struct bench *b, uint32_t first, union answers *answers)
{
	rte_fib_lookup_bulk(b->fib, b->addrs + first, answers->wide, LPM_BURST_SIZE);
}

static void
fib6(const struct bench *b, uint32_t first, union answers *answers)
{
	rte_fib6_lookup_bulk(b->fib6, b->bytes + first, answers->wide, LPM_BURST_SIZE);
}

static void
rte_lpm4(const struct bench *b, uint32_t first, union answers *answers)
{
	rte_lpm_lookup_bulk(b->peer_lpm, b->addrs + first, answers->narrow, LPM_BURST_SIZE);
}

static uint32_t
run(const struct bench *b, burst_fn *burst, uint32_t n)
{
	union answers answers;
	uint32_t some = 0;

	for (uint32_t i = 0; i < n; i += LPM_BURST_SIZE) {
		burst(b, i, &answers);
		some ^= answers.narrow[i / LPM_BURST_SIZE % LPM_BURST_SIZE];
	}
	return some;
}

/* After a start that is not counted: the one before has left its own in the caches. */
static double
cycles(const struct bench *b, burst_fn *burst)
{
	static volatile uint32_t sink; /* so that no lookup is idle */
	uint32_t some = run(b, burst, LPM_LOOKUPS / 4);
	uint64_t start = rte_rdtsc_precise();

	some ^= run(b, burst, LPM_LOOKUPS);
	start = rte_rdtsc_precise() - start;
	sink = some;
	(void)sink;
	return (double)start / LPM_LOOKUPS;
}

/* The number of the route that answers the i-th lookup of a burst, 0: none. */
static uint32_t
number_of(const union answers *answers, unsigned int i, burst_fn *burst)
{
	if (burst == fib4 || burst == fib6)
		return (uint32_t)answers->wide[i];
	if (burst == rte_lpm4)
		return answers->narrow[i] & RTE_LPM_LOOKUP_SUCCESS ? answers->narrow[i] & 0xffffff : 0;
	return lpm_value_number(answers->narrow[i]);
}

static void
compare_answers(const struct bench *b, burst_fn *weir, burst_fn *peer, const char *what)
{
	union answers ours, theirs;

	for (uint32_t i = 0; i < LPM_LOOKUPS; i += LPM_BURST_SIZE) {
		weir(b, i, &ours);
		peer(b, i, &theirs);
		for (unsigned int k = 0; k < LPM_BURST_SIZE; k++) {
			uint32_t our = number_of(&ours, k, weir), their = number_of(&theirs, k, peer);

			if (our == their)
				continue;
			fprintf(stderr, "bench-lpm: %s: answer %u is %u, and the peer's is %u\n", what, i + k, our,
				their);
			exit(1);
		}
	}
}

static void
report_lookups(const struct bench *b, const char *name, const char *work, burst_fn *weir, burst_fn *peer,
	const char *peer_name, double must, double strive)
{
	double ours[LPM_ROUNDS], theirs[LPM_ROUNDS];

	if (!report_wanted(name))
		return;
	compare_answers(b, weir, peer, name);
	for (unsigned int i = 0; i < LPM_ROUNDS; i++) {
		ours[i] = cycles(b, weir);
		theirs[i] = cycles(b, peer);
	}
	report_add(&(struct report_row){ .name = name,
			   .work = work,
			   .unit = "cycles/lookup",
			   .peer_name = peer_name,
			   .must = must,
			   .strive = strive },
		ours, theirs, LPM_ROUNDS);
}

static size_t
peers_bytes(void)
{
	struct rte_malloc_socket_stats stats = { 0 };

	rte_malloc_get_socket_stats(0, &stats);
	return stats.heap_allocsz_bytes;
}

static void
report_bytes(const char *name, const char *work, const struct lpm *lpm, double peer_bytes, const char *peer_name,
	double must)
{
	double weir = (double)lpm_bytes(lpm) / 1e6, peer = peer_bytes / 1e6;

	if (report_wanted(name))
		report_add(
			&(struct report_row){
				.name = name, .work = work, .unit = "MB", .peer_name = peer_name, .must = must },
			&weir, &peer, 1);
}

/*
 * ---- IPv4
 * --------------------------------------------------------------------------------------------------------------
 */

struct lpm *
lpm_bench_build4(const struct prefix4 *prefixes, size_t count, struct rcu *rcu)
{
	struct lpm *lpm = lpm_create(rcu, AF_INET);

	for (size_t i = 0; i < count; i++) {
		lpm_set_routes(lpm, (uint32_t)i + 1);
		lpm_set(lpm, (struct lpm_key){ (uint64_t)prefixes[i].addr << 32, 0 }, prefixes[i].length,
			lpm_bench_number(i));
	}
	return lpm;
}

/* With transparent huge pages off. */
static struct lpm *
build_on_small_pages(const struct prefix4 *prefixes, size_t count)
{
	struct lpm *lpm;

	lpm_bench_check(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0 ? 0 : errno, "PR_SET_THP_DISABLE");
	lpm = lpm_bench_build4(prefixes, count, NULL);
	lpm_bench_check(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0) == 0 ? 0 : errno, "PR_SET_THP_DISABLE");
	return lpm;
}

static struct rte_fib *
build_fib(const struct prefix4 *prefixes, size_t count)
{
	struct rte_fib_conf conf = {
		.type = RTE_FIB_DIR24_8, .max_routes = (int)count + 1, .dir24_8 = { RTE_FIB_DIR24_8_2B, 1 << 14 }
	};
	struct rte_fib *fib = rte_fib_create("lpm", SOCKET_ID_ANY, &conf);

	lpm_bench_check(fib == NULL ? rte_errno : 0, "rte_fib_create");
	for (size_t i = 0; i < count; i++)
		lpm_bench_check(
			rte_fib_add(fib, prefixes[i].addr, prefixes[i].length, lpm_bench_number(i)), "rte_fib_add");
	if (rte_fib_select_lookup(fib, RTE_FIB_LOOKUP_DIR24_8_VECTOR_AVX512) != 0) {
		rte_fib_select_lookup(fib, RTE_FIB_LOOKUP_DIR24_8_SCALAR_MACRO);
		report_note("rte_fib is without AVX-512 here");
	}
	return fib;
}

static void
fill_tbl24(struct rte_lpm *lpm, const struct prefix4 *p, uint32_t number)
{
	struct rte_lpm_tbl_entry entry = { .next_hop = number, .valid = 1, .depth = p->length };

	for (uint32_t i = 0; i < 1u << (24 - p->length); i++)
		lpm->tbl24[(p->addr >> 8) + i] = entry;
}

/*
 * rte_lpm_add takes more than a minute for a million routes, as it looks through all rules of the length each time.
 * Lookups know only its tables: what is no longer than /24 is written there directly, shorter ones first.
 */
static struct rte_lpm *
build_rte_lpm(const struct prefix4 *prefixes, size_t count)
{
	struct rte_lpm_config config = { .max_rules = (uint32_t)count + 1, .number_tbl8s = 1 << 14 };
	struct rte_lpm *lpm = rte_lpm_create("lpm", SOCKET_ID_ANY, &config);

	lpm_bench_check(lpm == NULL ? rte_errno : 0, "rte_lpm_create");
	for (uint8_t length = 1; length <= 32; length++) {
		for (size_t i = 0; i < count; i++) {
			const struct prefix4 *p = &prefixes[i];

			if (p->length == length && length <= 24)
				fill_tbl24(lpm, p, lpm_bench_number(i));
			else if (p->length == length)
				lpm_bench_check(rte_lpm_add(lpm, p->addr, length, lpm_bench_number(i)), "rte_lpm_add");
		}
	}
	return lpm;
}

/* What the other readers and the other pages give, as remarks. */
static void
note_variants(struct bench *b, const char *kind)
{
	double best = 1e9, small = 1e9, scalar = 1e9;

	for (unsigned int i = 0; i < LPM_ROUNDS; i++) {
		best = RTE_MIN(best, cycles(b, weir4));
		small = RTE_MIN(small, cycles(b, weir4_small_pages));
		b->reader = lpm_reader(0);
		scalar = RTE_MIN(scalar, cycles(b, weir4));
		b->reader = lpm_best_reader();
	}
	report_note("lpm, IPv4, %s, cycles at best: %s readers, huge pages asked for by madvise %.1f; on pages of 4 kB "
		    "%.1f; "
		    "scalar readers %.1f",
		kind, b->reader->name, best, small, scalar);
}

static void
bench4(const struct prefix4 *prefixes, size_t count)
{
	size_t before = peers_bytes();
	struct lpm *lpm = lpm_bench_build4(prefixes, count, NULL), *small_pages = build_on_small_pages(prefixes, count);
	struct bench b = { .lpm = lpm,
		.small_pages = small_pages,
		.reader = lpm_best_reader(),
		.fib = build_fib(prefixes, count),
		.addrs = malloc(LPM_LOOKUPS * sizeof(*b.addrs)) };
	size_t fib_bytes = peers_bytes() - before;
	char name[64], work[96];

	b.peer_lpm = build_rte_lpm(prefixes, count);
	for (enum traffic kind = 0; kind < KINDS; kind++) {
		traffic4(kind, prefixes, count, b.addrs, LPM_LOOKUPS, 1);
		snprintf(name, sizeof(name), "lpm-ipv4-%s", kinds[kind].name);
		snprintf(work, sizeof(work), "LPM, 1.0M IPv4 routes, %s", kinds[kind].work);
		report_lookups(&b, name, work, weir4, fib4, "rte_fib", kinds[kind].must4, kinds[kind].strive4);
		snprintf(name, sizeof(name), "lpm-ipv4-%s-rte-lpm", kinds[kind].name);
		report_lookups(&b, name, work, weir4, rte_lpm4, "rte_lpm", 0, 0);
		if (report_wanted("lpm-ipv4-notes"))
			note_variants(&b, kinds[kind].work);
	}
	report_bytes(
		"lpm-ipv4-bytes", "LPM, 1.0M IPv4 routes, lookup structure", lpm, (double)fib_bytes, "rte_fib", 16);
	rte_lpm_free(b.peer_lpm);
	rte_fib_free(b.fib);
	lpm_destroy(lpm);
	lpm_destroy(small_pages);
	free(b.addrs);
}

/*
 * ---- IPv6
 * --------------------------------------------------------------------------------------------------------------
 */

static struct lpm *
build6(const struct ip_prefix *prefixes, size_t count)
{
	struct lpm *lpm = lpm_create(NULL, AF_INET6);

	for (size_t i = 0; i < count; i++) {
		lpm_set_routes(lpm, (uint32_t)i + 1);
		lpm_set(lpm, lpm_key(&prefixes[i].addr), prefixes[i].length, lpm_bench_number(i));
	}
	return lpm;
}

static struct rte_fib6 *
build_fib6(const struct ip_prefix *prefixes, size_t count)
{
	struct rte_fib6_conf conf = {
		.type = RTE_FIB6_TRIE, .max_routes = (int)count + 1, .trie = { RTE_FIB6_TRIE_4B, 1 << 18 }
	};
	struct rte_fib6 *fib = rte_fib6_create("lpm6", SOCKET_ID_ANY, &conf);

	lpm_bench_check(fib == NULL ? rte_errno : 0, "rte_fib6_create");
	for (size_t i = 0; i < count; i++)
		lpm_bench_check(rte_fib6_add(fib, prefixes[i].addr.bytes, prefixes[i].length, lpm_bench_number(i)),
			"rte_fib6_add");
	if (rte_fib6_select_lookup(fib, RTE_FIB6_LOOKUP_TRIE_VECTOR_AVX512) != 0)
		report_note("rte_fib6 is without AVX-512 here");
	return fib;
}

static void
note_readers6(struct bench *b, const char *kind)
{
	for (unsigned int r = 0; (b->reader = lpm_reader(r)) != NULL; r++) {
		double best = 1e9;

		for (unsigned int i = 0; i < LPM_ROUNDS; i++)
			best = RTE_MIN(best, cycles(b, weir6));
		report_note("lpm, IPv6, %s, cycles at best: %s readers %.1f", kind, b->reader->name, best);
	}
	b->reader = lpm_best_reader();
}

static void
bench6(void)
{
	struct ip_prefix *prefixes;
	size_t count = prefixes_load6(NULL, &prefixes), before = peers_bytes();
	struct lpm *lpm = build6(prefixes, count);
	struct bench b = { .lpm = lpm,
		.reader = lpm_best_reader(),
		.fib6 = build_fib6(prefixes, count),
		.keys = malloc(LPM_LOOKUPS * sizeof(*b.keys)),
		.bytes = malloc(LPM_LOOKUPS * sizeof(*b.bytes)) };
	char name[64], work[96];

	for (enum traffic kind = TRAFFIC_UNIFORM; kind < KINDS; kind++) {
		struct ip_addr *addrs = (struct ip_addr *)b.bytes;

		traffic6(kind, prefixes, count, addrs, LPM_LOOKUPS, 1);
		for (uint32_t i = 0; i < LPM_LOOKUPS; i++)
			b.keys[i] = lpm_key(&addrs[i]);
		snprintf(name, sizeof(name), "lpm-ipv6-%s", kinds[kind].name);
		snprintf(work, sizeof(work), "LPM, 200k IPv6 routes, %s", kinds[kind].work);
		report_lookups(&b, name, work, weir6, fib6, "rte_fib6", kinds[kind].must6, kinds[kind].strive6);
		if (report_wanted("lpm-ipv6-notes"))
			note_readers6(&b, kinds[kind].work);
	}
	report_bytes("lpm-ipv6-bytes", "LPM, 200k IPv6 routes, lookup structure", lpm, (double)(peers_bytes() - before),
		"rte_fib6", 24);
	rte_fib6_free(b.fib6);
	lpm_destroy(lpm);
	free(b.keys);
	free(b.bytes);
	lpm_bench_updates6(prefixes, count);
	free(prefixes);
}

int
main(void)
{
	struct prefix4 *prefixes;
	size_t count;

	setvbuf(stdout, NULL, _IOLBF, 0);
	eal_bench_start(PEERS_MB);
	rte_vect_set_max_simd_bitwidth(RTE_VECT_SIMD_512); /* DPDK asks for it to be allowed */
	count = prefixes_load(NULL, &prefixes);
	bench4(prefixes, count);
	bench6();
	lpm_bench_updates(prefixes, count);
	lpm_bench_readers(prefixes, count);
	lpm_bench_small_tables();
	free(prefixes);
	return 0;
}
