/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench-lpm [ROUTES [PREFIXES.txt.gz]]: cycles a lookup, in bursts of 32, of weir's LPM and its whole rib_lookup
 * (default rules, struct rib_key
 * in, struct rib_result out) beside DPDK's rte_lpm in the same run; memory, time to build, time to update. ROUTES
 * limits the table
 * (0: all): rte_lpm takes more than a minute to build from a full one.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netlink.h>

#include <rte_cycles.h>
#include <rte_lpm.h>

#include <lpm.h>
#include <store.h>
#include <weir/rib.h>

#include "eal.h"
#include "prefixes.h"

#define BURST    32
#define LOOKUPS  (1u << 20) /* addresses drawn for each pattern */
#define ROUNDS   5 /* the median counts */
#define PATTERNS 4

static const char *const pattern_names[PATTERNS] = { "uniform 2^32", "over prefixes", "Zipf 1.0", "hot 1k" };

struct bench {
	struct prefix4 *prefixes;
	size_t count;
	uint32_t *addrs[PATTERNS];
	struct lpm *lpm;
	struct rte_lpm *peer;
	struct rib *rib;
};

static uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t
draw(void)
{
	seed ^= seed << 13; /* xorshift64, G. Marsaglia 2003 */
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * UINT64_C(0x2545f4914f6cdd1d);
}

static uint32_t
address_in(const struct prefix4 *p)
{
	return p->length == 32 ? p->addr : p->addr | ((uint32_t)(draw() >> 32) >> p->length);
}

/* Which of n, rank k with probability in proportion to 1/k; sums are of the first k terms. */
static size_t
zipf(const double *sums, size_t n)
{
	double x = (double)(draw() >> 11) * 0x1p-53 * sums[n - 1];
	size_t low = 0, high = n - 1;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sums[middle] < x)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
draw_addresses(struct bench *b)
{
	double *sums = malloc(b->count * sizeof(*sums)), sum = 0;
	/* Ranks are dealt out at random over the prefixes: 2654435761 is prime and so coprime to any count below it. */
	const uint64_t stride = 2654435761u;

	for (size_t i = 0; i < b->count; i++)
		sums[i] = sum += 1.0 / (double)(i + 1);
	for (unsigned int p = 0; p < PATTERNS; p++)
		b->addrs[p] = malloc(LOOKUPS * sizeof(uint32_t));
	for (uint32_t i = 0; i < LOOKUPS; i++) {
		b->addrs[0][i] = (uint32_t)(draw() >> 32);
		b->addrs[1][i] = address_in(&b->prefixes[draw() % b->count]);
		b->addrs[2][i] = address_in(&b->prefixes[zipf(sums, b->count) * stride % b->count]);
		b->addrs[3][i] = i < 1000 ? address_in(&b->prefixes[draw() % b->count]) : b->addrs[3][draw() % 1000];
	}
	free(sums);
}

/* Each runs all addresses of a pattern and returns something of the answers, so that none is optimised away. */
static uint32_t
run_lpm(const struct bench *b, const uint32_t *addrs)
{
	uint32_t values[BURST], some = 0;

	for (uint32_t i = 0; i < LOOKUPS; i += BURST) {
		lpm_lookup_v4(b->lpm, addrs + i, BURST, values);
		some ^= values[i & (BURST - 1)];
	}
	return some;
}

static uint32_t
run_peer(const struct bench *b, const uint32_t *addrs)
{
	uint32_t values[BURST], some = 0;

	for (uint32_t i = 0; i < LOOKUPS; i += BURST) {
		rte_lpm_lookup_bulk(b->peer, addrs + i, values, BURST);
		some ^= values[i & (BURST - 1)];
	}
	return some;
}

static uint32_t
run_rib(const struct bench *b, const uint32_t *addrs)
{
	struct rib_result results[BURST];
	struct rib_key keys[BURST] = { 0 };
	uint32_t some = 0;

	for (unsigned int k = 0; k < BURST; k++)
		keys[k].family = AF_INET;
	for (uint32_t i = 0; i < LOOKUPS; i += BURST) {
		for (unsigned int k = 0; k < BURST; k++)
			keys[k].dst.v4 = rte_cpu_to_be_32(addrs[i + k]);
		rib_lookup(b->rib, keys, BURST, results);
		some ^= results[i & (BURST - 1)].nexthop;
	}
	return some;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double
cycles(const struct bench *b, uint32_t (*run)(const struct bench *b, const uint32_t *addrs), const uint32_t *addrs)
{
	static volatile uint32_t sink;
	double samples[ROUNDS];

	sink = run(b, addrs);
	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t start = rte_rdtsc_precise();

		sink ^= run(b, addrs);
		samples[i] = (double)(rte_rdtsc_precise() - start) / LOOKUPS;
	}
	qsort(samples, ROUNDS, sizeof(samples[0]), by_value);
	return samples[ROUNDS / 2];
}

static void
report(const struct bench *b, const char *name, uint32_t (*run)(const struct bench *b, const uint32_t *addrs),
	double megabytes, double build_s)
{
	printf("%-12s %8.1f MB %8.2f s build ", name, megabytes, build_s);
	for (unsigned int p = 0; p < PATTERNS; p++)
		printf(" %12.1f", cycles(b, run, b->addrs[p]));
	printf("\n");
}

static double
since(uint64_t start)
{
	return (double)(rte_rdtsc() - start) / (double)rte_get_tsc_hz();
}

static double
build_lpm(struct bench *b)
{
	uint64_t start = rte_rdtsc();

	b->lpm = lpm_create(NULL);
	for (size_t i = 0; i < b->count; i++) {
		lpm_set_routes(b->lpm, (uint32_t)i + 1);
		lpm_set(b->lpm, (struct lpm_key){ (uint64_t)b->prefixes[i].addr << 32, 0 }, b->prefixes[i].length,
			1 + i % 250);
	}
	return since(start);
}

static double
build_peer(struct bench *b)
{
	struct rte_lpm_config config = { .max_rules = (uint32_t)b->count + 1, .number_tbl8s = 1 << 14 };
	uint64_t start = rte_rdtsc();

	b->peer = rte_lpm_create("bench", SOCKET_ID_ANY, &config);
	if (b->peer == NULL) {
		fprintf(stderr, "rte_lpm_create failed\n");
		exit(1);
	}
	for (size_t i = 0; i < b->count; i++) {
		int status = b->prefixes[i].length == 0
				     ? 0
				     : rte_lpm_add(b->peer, b->prefixes[i].addr, b->prefixes[i].length, 1 + i % 250);

		if (status != 0) {
			fprintf(stderr, "rte_lpm_add: route %zu: %s\n", i, strerror(-status));
			exit(1);
		}
	}
	return since(start);
}

static double
build_rib(struct bench *b)
{
	struct rib_link link = { .ifindex = 2, .name = "eth0", .mtu = 1500, .flags = IFF_UP | IFF_RUNNING };
	struct rib_address address = {
		.ifindex = 2, .family = AF_INET, .prefix_length = 8, .local = ip_addr_v4(RTE_BE32(0x0a000001))
	};
	struct error err = { 0 };
	uint64_t start = rte_rdtsc();

	if (rib_create(NULL, &b->rib, &err) != 0 || rib_link_set(b->rib, &link, &err) != 0 ||
		rib_address_add(b->rib, &address, false, &err) != 0) {
		fprintf(stderr, "rib: %s\n", err.msg);
		exit(1);
	}
	for (size_t i = 0; i < b->count; i++) {
		struct rib_hop hop = { .gateway_family = AF_INET,
			.gateway = ip_addr_v4(rte_cpu_to_be_32(0x0a000002 + i % 250)) };
		struct rib_route route = { .type = RTN_UNICAST,
			.table = RT_TABLE_MAIN,
			.hop_count = 1,
			.hops = &hop,
			.dst = { AF_INET, b->prefixes[i].length, ip_addr_v4(rte_cpu_to_be_32(b->prefixes[i].addr)) } };

		if (rib_route_add(b->rib, &route, CHANGE_CREATE, &err) != 0 && err.code != EEXIST) {
			fprintf(stderr, "route %zu: %s\n", i, err.msg);
			exit(1);
		}
	}
	return since(start);
}

static int
sum_bytes(void *arg, const struct rib_table_info *info)
{
	*(double *)arg += (double)(info->route_bytes + info->lookup_bytes) / 1e6;
	return 0;
}

/* A route flaps: deleted and added again, as full route with all that belongs to it. */
static void
report_updates(const struct bench *b)
{
	const unsigned int updates = 100000;
	struct rib_hop hop = { .gateway_family = AF_INET, .gateway = ip_addr_v4(RTE_BE32(0x0a000009)) };
	struct rib_route route = { .type = RTN_UNICAST, .table = RT_TABLE_MAIN, .hop_count = 1, .hops = &hop };
	uint64_t start = rte_rdtsc();

	for (unsigned int i = 0; i < updates; i += 2) {
		const struct prefix4 *p = &b->prefixes[draw() % b->count];

		route.dst = (struct ip_prefix){ AF_INET, p->length, ip_addr_v4(rte_cpu_to_be_32(p->addr)) };
		rib_route_delete(b->rib, &(struct rib_route){ .dst = route.dst, .scope = RT_SCOPE_NOWHERE }, NULL);
		rib_route_add(b->rib, &route, CHANGE_CREATE, NULL);
	}
	printf("update of a random route: %.2f us mean", since(start) / updates * 1e6);
	route.dst = (struct ip_prefix){ .family = AF_INET };
	start = rte_rdtsc();
	rib_route_add(b->rib, &route, CHANGE_CREATE, NULL);
	printf("; of the default route: %.2f us\n", since(start) * 1e6);
}

/* The peers must agree, or the figures mean nothing. */
static void
check(const struct bench *b)
{
	for (unsigned int p = 0; p < PATTERNS; p++) {
		for (uint32_t i = 0; i < LOOKUPS; i += BURST) {
			uint32_t ours[BURST], theirs[BURST];

			lpm_lookup_v4(b->lpm, b->addrs[p] + i, BURST, ours);
			rte_lpm_lookup_bulk(b->peer, b->addrs[p] + i, theirs, BURST);
			for (unsigned int k = 0; k < BURST; k++) {
				uint32_t expected = theirs[k] & RTE_LPM_LOOKUP_SUCCESS ? theirs[k] & 0xffffff : 0;

				if (lpm_value_number(ours[k]) != expected) {
					fprintf(stderr, "lookups differ at %#x: %u and %u\n", b->addrs[p][i + k],
						lpm_value_number(ours[k]), expected);
					exit(1);
				}
			}
		}
	}
}

int
main(int argc, char **argv)
{
	size_t most = argc > 1 ? strtoull(argv[1], NULL, 0) : 0;
	double lpm_s, peer_s, rib_s, rib_mb = 0;
	struct bench b = { 0 };

	eal_start();
	b.count = prefixes_load(argc > 2 ? argv[2] : NULL, &b.prefixes);
	if (most != 0 && most < b.count) {
		/* An even thinning keeps the spread of addresses and lengths. */
		for (size_t i = 0; i < most; i++)
			b.prefixes[i] = b.prefixes[i * b.count / most];
		b.count = most;
	}
	draw_addresses(&b);
	lpm_s = build_lpm(&b);
	rib_s = build_rib(&b);
	peer_s = build_peer(&b);
	check(&b);
	printf("%zu IPv4 routes; TSC cycles a lookup, bursts of %u\n", b.count, BURST);
	printf("%-12s %11s %16s ", "", "memory", "");
	for (unsigned int p = 0; p < PATTERNS; p++)
		printf(" %12s", pattern_names[p]);
	printf("\n");
	report(&b, "weir lpm", run_lpm, (double)lpm_bytes(b.lpm) / 1e6, lpm_s);
	/* tbl24, tbl8 and rules, 4, 4 and 8 bytes each; rte_lpm does not tell. */
	report(&b, "rte_lpm", run_peer, (4.0 * (1 << 24) + 1024.0 * (1 << 14) + 8.0 * (double)b.count) / 1e6, peer_s);
	rib_table_walk(b.rib, sum_bytes, &rib_mb);
	report(&b, "rib_lookup", run_rib, rib_mb, rib_s);
	report_updates(&b);
	rib_destroy(b.rib);
	lpm_destroy(b.lpm);
	rte_lpm_free(b.peer);
	for (unsigned int p = 0; p < PATTERNS; p++)
		free(b.addrs[p]);
	free(b.prefixes);
	return 0;
}
