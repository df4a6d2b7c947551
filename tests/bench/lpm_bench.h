/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of bench-lpm share. */
#ifndef WEIR_TESTS_BENCH_LPM_BENCH_H
#define WEIR_TESTS_BENCH_LPM_BENCH_H

#include <rte_cycles.h>

#include <lpm.h>

#include "prefixes.h"

#define LPM_BURST_SIZE 32
#define LPM_LOOKUPS    (1u << 20) /* addresses drawn for each kind of traffic */
#define LPM_ROUNDS     11

/* Routes' numbers, as those of a router with so many neighbours. */
#define LPM_NUMBERS 250

static inline uint32_t
lpm_bench_number(size_t i)
{
	return 1 + (uint32_t)(i % LPM_NUMBERS);
}

static inline double
seconds_since(uint64_t start)
{
	return (double)(rte_rdtsc() - start) / (double)rte_get_tsc_hz();
}

/* Ends the program with a message if status is not 0. */
void lpm_bench_check(int status, const char *what);
struct lpm *lpm_bench_build4(const struct prefix4 *prefixes, size_t count, struct rcu *rcu);

/* lpm_updates.c: building, changing, what it takes; and readers meanwhile. */
void lpm_bench_updates(const struct prefix4 *prefixes, size_t count);
void lpm_bench_updates6(const struct ip_prefix *prefixes, size_t count);
void lpm_bench_readers(const struct prefix4 *prefixes, size_t count);
void lpm_bench_small_tables(void);

#endif
