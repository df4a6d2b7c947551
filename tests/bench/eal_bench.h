/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK for a benchmark that needs mbufs and no devices: on hugepages where enough are free, on this processor. */
#ifndef WEIR_TESTS_BENCH_EAL_BENCH_H
#define WEIR_TESTS_BENCH_EAL_BENCH_H

#include <stdbool.h>

#include <rte_mbuf.h>

unsigned int eal_bench_free_hugepages(void); /* of 2 MB */
/* Starts EAL with memory for about `megabytes`, and notes in the report which pages it is on. */
void eal_bench_start(unsigned int megabytes);
/*
 * A pool of n buffers as a router has them that has run for a while: struct pkt as private area, room for a whole
 * frame, in no order.
 */
struct rte_mempool *eal_bench_pool(const char *name, unsigned int n);

#endif
