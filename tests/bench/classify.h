/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of bench-classify share. */
#ifndef WEIR_TESTS_BENCH_CLASSIFY_H
#define WEIR_TESTS_BENCH_CLASSIFY_H

#include <rte_mbuf.h>

/* Ends the run with this sentence if it is not so. */
void bench_require(int ok, const char *what);

void bench_classifiers(struct rte_mempool *pool);
void bench_netfilter(struct rte_mempool *pool);

#endif
