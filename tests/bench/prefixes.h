/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tables and the traffic that all benchmarks share. Deterministic: every run sees the same.
 *
 * A table is the Internet's, from a file of prefixes, filled up with more-specifics of its own prefixes by its own
 * shares of lengths; where there is no file it is made by such shares altogether.
 */
#ifndef WEIR_TESTS_BENCH_PREFIXES_H
#define WEIR_TESTS_BENCH_PREFIXES_H

#include <stddef.h>
#include <stdint.h>

#include <weir/address.h>

#define PREFIXES_IPV4 1000000
#define PREFIXES_IPV6 200000

struct prefix4 {
	uint32_t addr; /* host order, host bits 0 */
	uint8_t length;
};

/*
 * path: gzipped text, one prefix a line; NULL: the file that BENCH_PREFIXES names. Gives PREFIXES_IPV4 or PREFIXES_IPV6
 * different prefixes, ordered by address and length, without the default route. The caller frees *prefixes.
 */
size_t prefixes_load(const char *path, struct prefix4 **prefixes);
size_t prefixes_load6(const char *path, struct ip_prefix **prefixes);

/*
 * How addresses are drawn. Zipf: the prefix of rank k with probability in proportion to 1/k, ranks dealt out over the
 * table at random.
 */
enum traffic {
	TRAFFIC_ALL, /* uniform over the address space */
	TRAFFIC_UNIFORM, /* uniform over the prefixes; host bits at random */
	TRAFFIC_ZIPF, /* exponent 1 over the prefixes; host bits at random */
};

/* n addresses, in host order for IPv4. The same seed gives the same ones. */
void
traffic4(enum traffic kind, const struct prefix4 *prefixes, size_t count, uint32_t *addrs, size_t n, uint64_t seed);
void traffic6(enum traffic kind, const struct ip_prefix *prefixes, size_t count, struct ip_addr *addrs, size_t n,
	uint64_t seed);

#endif
