/* SPDX-License-Identifier: BSD-3-Clause */
/* Many small tables, one big table, and a reader that looks on while tables change. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/netlink.h>

#include <cmocka.h>

#include "ip.h"

static struct rib *
make_rib(struct rcu *rcu)
{
	struct rib *rib;
	struct error err;

	assert_int_equal(rib_create(rcu, &rib, &err), 0);
	ip_script(rib, "link lo 1 up loopback mtu 65536\nlink eth0 2 up\naddress add 10.0.0.1/8 dev 2\n");
	return rib;
}

static int
add_route(struct rib *rib, uint32_t table, const struct ip_prefix *dst, unsigned int gateway)
{
	struct rib_hop hop = { .gateway_family = AF_INET,
		.gateway = ip_addr_v4(rte_cpu_to_be_32(0x0a000002 + gateway)) };
	struct rib_route route = {
		.dst = *dst, .table = table, .protocol = RTPROT_BGP, .type = RTN_UNICAST, .hop_count = 1, .hops = &hop
	};

	if (dst->family == AF_INET6)
		hop = (struct rib_hop){ .ifindex = 2 };
	return rib_route_add(rib, &route, CHANGE_CREATE, NULL);
}

struct sums {
	uint64_t tables, routes, route_bytes, lookup_bytes;
};

static int
sum(void *arg, const struct rib_table_info *info)
{
	struct sums *s = arg;

	s->tables++;
	s->routes += info->routes;
	s->route_bytes += info->route_bytes;
	s->lookup_bytes += info->lookup_bytes;
	return 0;
}

static void
a_thousand_small_tables_take_kilobytes_each(void **state)
{
	struct rib *rib = make_rib(NULL);
	struct sums s = { 0 };

	for (uint32_t t = 0; t < 1000; t++) {
		for (uint32_t i = 0; i < 10; i++) {
			uint8_t length = (uint8_t)(i == 0 ? 0 : 12 + i * 2);
			uint32_t address =
				length == 0 ? 0
					    : (0x14000000 + i * 0x01234567 + t * 0x10000) & UINT32_MAX << (32 - length);
			struct ip_prefix dst = { AF_INET, length, ip_addr_v4(rte_cpu_to_be_32(address)) };

			assert_int_equal(add_route(rib, 1000 + t, &dst, i), 0);
		}
	}
	rib_table_walk(rib, sum, &s);
	print_message("%lu tables, %lu routes: %lu + %lu bytes\n", s.tables, s.routes, s.route_bytes, s.lookup_bytes);
	assert_true(s.routes >= 10000);
	assert_true((s.route_bytes + s.lookup_bytes) / 1000 < 10000);
	rib_destroy(rib);
}

static int
count_route(void *arg, const struct rib_route *route)
{
	++*(uint64_t *)arg;
	return 0;
}

static double
seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void
the_internets_tables_fit(void **state)
{
	FILE *in = popen("gzip -dc ../shared/data/bgp/prefixes.txt.gz 2>/dev/null || gzip -dc "
			 "../../shared/data/bgp/prefixes.txt.gz 2>/dev/null || "
			 "gzip -dc \"$MESON_SOURCE_ROOT\"/../shared/data/bgp/prefixes.txt.gz 2>/dev/null",
		"r");
	struct rib *rib = make_rib(NULL);
	uint64_t added = 0, shown = 0;
	struct sums s = { 0 };
	char line[80];
	double start;

	assert_non_null(in);
	start = seconds();
	while (fgets(line, sizeof(line), in) != NULL) {
		char *slash = strchr(line, '/');
		struct ip_prefix dst;

		if (slash == NULL)
			continue;
		*slash = '\0';
		dst.addr = ip_parse(line, &dst.family);
		dst.length = (uint8_t)atoi(slash + 1);
		added += add_route(rib, RT_TABLE_MAIN, &dst, (unsigned int)(added % 60)) == 0;
	}
	pclose(in);
	if (added == 0) {
		print_message("skipped: no ../shared/data/bgp/prefixes.txt.gz\n");
		rib_destroy(rib);
		skip();
	}
	rib_table_walk(rib, sum, &s);
	print_message("%lu routes in %.2f s with reading: %lu bytes of routes, %lu bytes of lookup\n", added,
		seconds() - start, s.route_bytes, s.lookup_bytes);
	assert_true(s.route_bytes / added <= 64);
	assert_true(s.lookup_bytes / added <= 40);
	rib_route_walk(rib, NULL, count_route, &shown);
	assert_true(shown >= added);
	start = seconds();
	ip_script(rib, "link eth0 2 down\n");
	print_message("link down: %.2f s\n", seconds() - start);
	shown = 0;
	rib_route_walk(rib, NULL, count_route, &shown);
	assert_in_range(shown, 1, 10);
	rib_destroy(rib);
}

/* ---- a reader while the writer changes ---- */

struct reader {
	struct rib *rib;
	struct rcu *rcu;
	uint64_t lookups;
	bool stop, wrong;
};

/*
 * 20.0.0.0/8 always has a route: by 10.0.0.2 or more specific ones by 10.0.0.3 and up; 30.0.0.1 is always by
 * 10.0.0.2.
 */
static void *
read_on(void *arg)
{
	struct reader *r = arg;
	uint32_t turn = 1;

	rte_rcu_qsbr_thread_register(r->rcu->qsbr, 0);
	rte_rcu_qsbr_thread_online(r->rcu->qsbr, 0);
	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		struct rib_key keys[32] = { 0 };
		struct rib_result results[32];

		for (unsigned int i = 0; i < 32; i++) {
			turn = turn * 1664525 + 1013904223;
			keys[i].family = AF_INET;
			keys[i].dst = ip_addr_v4(rte_cpu_to_be_32(i == 0 ? 0x1e000001 : 0x14000000 | turn >> 8));
			keys[i].src = ip_addr_v4(rte_cpu_to_be_32(0x0a000000 | (turn & 63)));
			keys[i].flow_hash = turn;
		}
		rib_lookup(r->rib, keys, 32, results);
		for (unsigned int i = 0; i < 32; i++) {
			const struct rib_nexthop *hop = rib_nexthop(r->rib, results[i].nexthop);

			if (results[i].type != RTN_UNICAST || hop == NULL || hop->gateway.bytes[0] != 10 ||
				hop->ifindex != 2 || hop->neighbour == NULL || (i == 0 && hop->gateway.bytes[3] != 2))
				r->wrong = true;
		}
		r->lookups += 32;
		rte_rcu_qsbr_quiescent(r->rcu->qsbr, 0);
	}
	rte_rcu_qsbr_thread_offline(r->rcu->qsbr, 0);
	rte_rcu_qsbr_thread_unregister(r->rcu->qsbr, 0);
	return NULL;
}

static void
readers_see_whole_tables_while_they_change(void **state)
{
	struct rcu *rcu = rcu_create(1);
	struct rib *rib = make_rib(rcu);
	struct reader reader = { .rib = rib, .rcu = rcu };
	uint32_t turn = 7, churned = 0;
	double end = seconds() + 2;
	pthread_t thread;
	char line[160];

	ip_script(rib, "route add 20.0.0.0/8 via 10.0.0.2\nroute add 30.0.0.0/8 via 10.0.0.2\n");
	assert_int_equal(pthread_create(&thread, NULL, read_on, &reader), 0);
	while (seconds() < end) {
		unsigned int length = 9 + turn % 24, address;

		turn = turn * 1664525 + 1013904223;
		address = (0x14000000 | turn >> 8) & UINT32_MAX << (32 - length);
		snprintf(line, sizeof(line), "route %s %u.%u.%u.%u/%u via 10.0.%u.%u", turn & 32 ? "replace" : "del",
			address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255, length, turn >> 5 & 3,
			3 + (turn >> 7 & 15));
		ip_command(rib, line);
		/* Also multipath, and rules on top, so that groups and rule sets are replaced under the reader. */
		if (churned % 64 == 0) {
			ip_command(rib, "route replace 20.1.0.0/16 nexthop via 10.0.0.5 nexthop via 10.0.0.6 weight 3");
			ip_command(rib,
				churned % 128 == 0 ? "rule add from 10.0.0.32/27 table 254 pref 9" : "rule del pref 9");
		}
		if (churned % 96 == 0)
			ip_command(rib, "route del 20.1.0.0/16");
		churned++;
	}
	__atomic_store_n(&reader.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	print_message("%lu lookups beside %u changes\n", reader.lookups, churned);
	assert_false(reader.wrong);
	assert_true(reader.lookups > 1000);
	assert_true(churned > 1000);
	rib_destroy(rib);
	rcu_destroy(rcu);
}

static void
neighbours_come_and_go(void **state)
{
	struct rib *rib = make_rib(NULL);
	struct ip_addr addr = { .bytes = { 10, 0, 0, 9 } };
	struct neighbour *n = neighbour_make(rib, 2, AF_INET, &addr);

	assert_non_null(n);
	assert_ptr_equal(neighbour_make(rib, 2, AF_INET, &addr), n);
	assert_ptr_equal(neighbour_find(rib, 2, AF_INET, &addr), n);
	assert_null(neighbour_find(rib, 3, AF_INET, &addr));
	assert_null(neighbour_find(rib, 2, AF_INET6, &addr));
	ip_script(rib, "route add 9.0.0.0/8 via 10.0.0.9\n");
	assert_int_equal(neighbour_remove(rib, n), -EBUSY);
	ip_script(rib, "route del 9.0.0.0/8\n");
	assert_int_equal(neighbour_remove(rib, n), 0);
	assert_null(neighbour_find(rib, 2, AF_INET, &addr));
	for (uint32_t i = 0; i < NEIGHBOURS_MAX; i++) {
		addr.v4 = i;
		assert_non_null(neighbour_make(rib, 2, AF_INET, &addr));
	}
	addr.v4 = NEIGHBOURS_MAX;
	assert_null(neighbour_make(rib, 2, AF_INET, &addr));
	rib_destroy(rib);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thousand_small_tables_take_kilobytes_each),
		cmocka_unit_test(readers_see_whole_tables_while_they_change),
		cmocka_unit_test(neighbours_come_and_go),
		cmocka_unit_test(the_internets_tables_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
