/* SPDX-License-Identifier: BSD-3-Clause */
/* Building and changing tables, what they take, and readers meanwhile. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/rib.h>

#include "lpm_bench.h"
#include "report.h"

#define BUILDS       3
#define UPDATES      40000 /* in a sample; as many deletes as adds */
#define DEFAULTS     200
#define READ_ADDRS   65536
#define READ_SAMPLES 11
#define READ_BURSTS  (1u << 15) /* in a sample */
#define SMALL_TABLES 1000
#define SMALL_ROUTES 10
#define FIRST_TABLE  1000
#define ETH0         2

/*
 * ---- full routes, as netlink would bring them
 * --------------------------------------------------------------------------
 */

static struct rib *
make_rib(void)
{
	struct rib_link link = { .ifindex = ETH0, .name = "eth0", .mtu = 1500, .flags = IFF_UP | IFF_RUNNING };
	struct rib_address address = {
		.ifindex = ETH0, .family = AF_INET, .prefix_length = 8, .local = ip_addr_v4(RTE_BE32(0x0a000001))
	};
	struct error err = { 0 };
	struct rib *rib;

	lpm_bench_check(rib_create(NULL, &rib, &err), "rib_create");
	lpm_bench_check(rib_link_set(rib, &link, &err), "rib_link_set");
	lpm_bench_check(rib_address_add(rib, &address, false, &err), "rib_address_add");
	return rib;
}

static struct ip_prefix
prefix_of(struct prefix4 p)
{
	return (struct ip_prefix){ AF_INET, p.length, ip_addr_v4(rte_cpu_to_be_32(p.addr)) };
}

static int
add_route(struct rib *rib, uint32_t table, struct ip_prefix dst, uint32_t number)
{
	struct rib_hop hop = { .gateway_family = dst.family,
		.gateway = ip_addr_v4(rte_cpu_to_be_32(0x0a000001 + number)) };
	struct rib_route route = { .type = RTN_UNICAST, .table = table, .hop_count = 1, .hops = &hop, .dst = dst };

	if (dst.family == AF_INET6) { /* a link's own need no route */
		hop.gateway.halves[0] = rte_cpu_to_be_64(UINT64_C(0xfe80) << 48);
		hop.gateway.halves[1] = rte_cpu_to_be_64(number);
		hop.ifindex = ETH0;
	}
	return rib_route_add(rib, &route, CHANGE_CREATE, NULL);
}

static int
delete_route(struct rib *rib, uint32_t table, struct ip_prefix dst)
{
	struct rib_route match = { .table = table, .scope = RT_SCOPE_NOWHERE, .dst = dst };

	return rib_route_delete(rib, &match, NULL);
}

static int
sum_bytes(void *arg, const struct rib_table_info *info)
{
	struct rib_table_info *sum = arg;

	if (sum->table != RT_TABLE_UNSPEC && info->table != sum->table)
		return 0;
	sum->routes += info->routes;
	sum->route_bytes += info->route_bytes;
	sum->lookup_bytes += info->lookup_bytes;
	return 0;
}

static double
build_rib(const struct prefix4 *prefixes, size_t count, struct rib **rib)
{
	uint64_t start = rte_rdtsc();

	*rib = make_rib();
	for (size_t i = 0; i < count; i++)
		/* 10.0.0.0/8 is there: the link's. */
		if (add_route(*rib, RT_TABLE_MAIN, prefix_of(prefixes[i]), lpm_bench_number(i)) != 0 &&
			prefixes[i].addr >> 24 != 10)
			lpm_bench_check(EINVAL, "rib_route_add");
	return seconds_since(start);
}

/* Routes of /16 to /24 flap: one is deleted and added again. Seconds an update. */
static double
churn_rib(struct rib *rib, const struct prefix4 *prefixes, size_t count, uint64_t *random)
{
	uint64_t start = rte_rdtsc();

	for (unsigned int i = 0; i < UPDATES;) {
		size_t k = (*random = *random * 6364136223846793005u + 1442695040888963407u) % count;

		if (prefixes[k].length < 16 || prefixes[k].length > 24)
			continue;
		lpm_bench_check(delete_route(rib, RT_TABLE_MAIN, prefix_of(prefixes[k])), "rib_route_delete");
		lpm_bench_check(
			add_route(rib, RT_TABLE_MAIN, prefix_of(prefixes[k]), lpm_bench_number(k)), "rib_route_add");
		i += 2;
	}
	return seconds_since(start) / UPDATES;
}

static double
default_route(struct rib *rib)
{
	uint64_t start = rte_rdtsc();

	for (unsigned int i = 0; i < DEFAULTS; i += 2) {
		lpm_bench_check(add_route(rib, RT_TABLE_MAIN, prefix_of((struct prefix4){ 0, 0 }), 9), "rib_route_add");
		lpm_bench_check(
			delete_route(rib, RT_TABLE_MAIN, prefix_of((struct prefix4){ 0, 0 })), "rib_route_delete");
	}
	return seconds_since(start) / DEFAULTS;
}

static void
report_one(const char *name, const char *work, const char *unit, double must, double *samples, size_t n)
{
	if (report_wanted(name))
		report_add(&(struct report_row){ .name = name, .work = work, .unit = unit, .must = must }, samples,
			NULL, n);
}

void
lpm_bench_updates(const struct prefix4 *prefixes, size_t count)
{
	struct rib_table_info sum = { .table = RT_TABLE_MAIN };
	double build[BUILDS], update[LPM_ROUNDS], whole[LPM_ROUNDS], bytes;
	struct rib *rib = NULL;
	uint64_t random = 1;

	if (!report_wanted("lpm-ipv4-build") && !report_wanted("lpm-ipv4-update") &&
		!report_wanted("lpm-ipv4-update-default") && !report_wanted("lpm-ipv4-route-bytes"))
		return;
	for (unsigned int i = 0; i < BUILDS; i++) {
		if (rib != NULL)
			rib_destroy(rib);
		build[i] = build_rib(prefixes, count, &rib);
	}
	rib_table_walk(rib, sum_bytes, &sum);
	bytes = (double)sum.route_bytes / (double)sum.routes;
	for (unsigned int i = 0; i < LPM_ROUNDS; i++) {
		update[i] = churn_rib(rib, prefixes, count, &random) * 1e6;
		whole[i] = default_route(rib) * 1e3;
	}
	report_one("lpm-ipv4-route-bytes", "full routes beside it, each", "bytes", 64, &bytes, 1);
	report_one("lpm-ipv4-build", "a million rib_route_add", "s", 1, build, BUILDS);
	report_one("lpm-ipv4-update", "delete or add a /16 to /24 of a million", "us", 2, update, LPM_ROUNDS);
	report_one("lpm-ipv4-update-default", "delete or add the /0 of a million", "ms", 5, whole, LPM_ROUNDS);
	rib_destroy(rib);
}

void
lpm_bench_updates6(const struct ip_prefix *prefixes, size_t count)
{
	double build[BUILDS], update[LPM_ROUNDS];
	struct rib *rib = NULL;
	uint64_t random = 1;

	if (!report_wanted("lpm-ipv6-build") && !report_wanted("lpm-ipv6-update"))
		return;
	for (unsigned int i = 0; i < BUILDS; i++) {
		uint64_t start;

		if (rib != NULL)
			rib_destroy(rib);
		rib = make_rib();
		start = rte_rdtsc();
		for (size_t k = 0; k < count; k++)
			lpm_bench_check(
				add_route(rib, RT_TABLE_MAIN, prefixes[k], lpm_bench_number(k)), "rib_route_add");
		build[i] = seconds_since(start);
	}
	for (unsigned int i = 0; i < LPM_ROUNDS; i++) {
		uint64_t start = rte_rdtsc();

		for (unsigned int n = 0; n < UPDATES; n += 2) {
			size_t k = (random = random * 6364136223846793005u + 1442695040888963407u) >> 32;

			k %= count;
			lpm_bench_check(delete_route(rib, RT_TABLE_MAIN, prefixes[k]), "rib_route_delete");
			lpm_bench_check(
				add_route(rib, RT_TABLE_MAIN, prefixes[k], lpm_bench_number(k)), "rib_route_add");
		}
		update[i] = seconds_since(start) / UPDATES * 1e6;
	}
	report_one("lpm-ipv6-build", "200k rib_route_add, IPv6", "s", 0, build, BUILDS);
	report_one("lpm-ipv6-update", "delete or add one of 200k IPv6 routes", "us", 0, update, LPM_ROUNDS);
	rib_destroy(rib);
}

void
lpm_bench_small_tables(void)
{
	struct rib_table_info sum = { .table = RT_TABLE_UNSPEC };
	struct rib *rib;
	double kilobytes;

	if (!report_wanted("lpm-small-table"))
		return;
	rib = make_rib();
	for (uint32_t t = 0; t < SMALL_TABLES; t++)
		for (uint32_t i = 0; i < SMALL_ROUTES; i++) {
			uint8_t length = (uint8_t)(i == 0 ? 0 : 14 + i);
			uint32_t addr =
				i == 0 ? 0 : (0x14000000 + i * 0x01234567 + t * 0x10000) & UINT32_MAX << (32 - length);

			lpm_bench_check(
				add_route(rib, FIRST_TABLE + t, prefix_of((struct prefix4){ addr, length }), i + 1),
				"rib_route_add");
		}
	rib_table_walk(rib, sum_bytes, &sum);
	kilobytes = (double)(sum.route_bytes + sum.lookup_bytes) / SMALL_TABLES / 1e3;
	report_one("lpm-small-table", "a table of 10 routes, of 1,000", "kB", 10, &kilobytes, 1);
	rib_destroy(rib);
}

/*
 * ---- readers under change
 * ----------------------------------------------------------------------------------------------
 */

struct reading {
	struct rcu *rcu;
	struct lpm *lpm;
	uint32_t addrs[READ_ADDRS];
	uint32_t with[READ_ADDRS], without[READ_ADDRS]; /* right: the route's value, or its cover's while it is away */
	double quiet[READ_SAMPLES], churned[READ_SAMPLES];
	uint64_t wrong, updates;
	volatile bool churning, done;
};

static const struct prefix4 *
find(const struct prefix4 *prefixes, size_t count, uint32_t addr, uint8_t length)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct prefix4 *p = &prefixes[middle];

		if (p->addr < addr || (p->addr == addr && p->length < length))
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && prefixes[low].addr == addr && prefixes[low].length == length ? &prefixes[low] : NULL;
}

/* The value of the longest prefix, shorter than `length`, that the address is in. */
static uint32_t
value_shorter(const struct prefix4 *prefixes, size_t count, uint32_t addr, uint8_t length)
{
	while (length-- > 1) {
		const struct prefix4 *p = find(prefixes, count, addr & UINT32_MAX << (32 - length), length);

		if (p != NULL)
			return lpm_value(length, lpm_bench_number((size_t)(p - prefixes)));
	}
	return 0;
}

static double
read_some(struct reading *r)
{
	uint64_t spent = 0;

	for (uint32_t b = 0, first = 0; b < READ_BURSTS; b++, first = (first + LPM_BURST_SIZE) % READ_ADDRS) {
		uint32_t values[LPM_BURST_SIZE];
		uint64_t start = rte_rdtsc();

		lpm_lookup_v4(r->lpm, r->addrs + first, LPM_BURST_SIZE, values);
		spent += rte_rdtsc() - start;
		for (uint32_t i = 0; i < LPM_BURST_SIZE; i++)
			r->wrong += values[i] != r->with[first + i] && values[i] != r->without[first + i];
		rte_rcu_qsbr_quiescent(r->rcu->qsbr, 0);
	}
	return (double)spent / READ_BURSTS / LPM_BURST_SIZE;
}

static void *
reader(void *arg)
{
	struct reading *r = arg;

	rte_rcu_qsbr_thread_register(r->rcu->qsbr, 0);
	rte_rcu_qsbr_thread_online(r->rcu->qsbr, 0);
	read_some(r);
	for (unsigned int i = 0; i < READ_SAMPLES; i++) {
		r->quiet[i] = read_some(r);
		r->churning = true;
		r->churned[i] = read_some(r);
		r->churning = false;
	}
	rte_rcu_qsbr_thread_offline(r->rcu->qsbr, 0);
	r->done = true;
	return NULL;
}

static void
flap(struct reading *r, const struct prefix4 *prefixes, size_t count, size_t k)
{
	const struct prefix4 *p = &prefixes[k];
	struct lpm_key key = { (uint64_t)p->addr << 32, 0 };

	lpm_unset(r->lpm, key, p->length, value_shorter(prefixes, count, p->addr, p->length));
	lpm_set(r->lpm, key, p->length, lpm_bench_number(k));
	r->updates += 2;
}

static pthread_t
start_reader(struct reading *r)
{
	pthread_t thread;
	pthread_attr_t attr;
	cpu_set_t others;
	int here = sched_getcpu();

	CPU_ZERO(&others);
	for (int cpu = 0; cpu < (int)sysconf(_SC_NPROCESSORS_ONLN) && cpu < CPU_SETSIZE; cpu++)
		if (cpu != here)
			CPU_SET(cpu, &others);
	pthread_attr_init(&attr);
	if (CPU_COUNT(&others) > 0)
		pthread_attr_setaffinity_np(&attr, sizeof(others), &others);
	lpm_bench_check(pthread_create(&thread, &attr, reader, r), "pthread_create");
	pthread_attr_destroy(&attr);
	return thread;
}

void
lpm_bench_readers(const struct prefix4 *prefixes, size_t count)
{
	struct reading *r = calloc(1, sizeof(*r));
	uint64_t random = 1;
	pthread_t thread;

	if (!report_wanted("lpm-ipv4-readers")) {
		free(r);
		return;
	}
	lpm_bench_check(r == NULL || (r->rcu = rcu_create(1)) == NULL ? ENOMEM : 0, "readers");
	r->lpm = lpm_bench_build4(prefixes, count, r->rcu);
	traffic4(TRAFFIC_UNIFORM, prefixes, count, r->addrs, READ_ADDRS, 2);
	lpm_bench_check(READ_ADDRS % LPM_BURST == 0 ? 0 : EINVAL, "bursts");
	for (uint32_t i = 0; i < READ_ADDRS; i += LPM_BURST)
		lpm_lookup_v4(r->lpm, r->addrs + i, LPM_BURST, r->with + i);
	for (uint32_t i = 0; i < READ_ADDRS; i++)
		r->without[i] = value_shorter(prefixes, count, r->addrs[i], lpm_value_length(r->with[i]));
	thread = start_reader(r);
	while (!r->done) {
		size_t k = (random = random * 6364136223846793005u + 1442695040888963407u) % count;

		if (r->churning && prefixes[k].length >= 16 && prefixes[k].length <= 24)
			flap(r, prefixes, count, k);
	}
	pthread_join(thread, NULL);
	if (r->wrong != 0) {
		fprintf(stderr, "bench-lpm: %llu wrong answers while routes changed\n", (unsigned long long)r->wrong);
		exit(1);
	}
	report_add(&(struct report_row){ .name = "lpm-ipv4-readers",
			   .work = "LPM, uniform over prefixes, while routes change",
			   .unit = "cycles/lookup",
			   .peer_name = "while none does",
			   .must = 10,
			   .strive = 8 },
		r->churned, r->quiet, READ_SAMPLES);
	report_note("readers had no wrong answer in %llu updates", (unsigned long long)r->updates);
	lpm_destroy(r->lpm);
	rcu_destroy(r->rcu);
	free(r);
}
