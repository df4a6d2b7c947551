/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DPDK for a test or a benchmark that needs mbufs: no hugepages, no devices, no files; and a pool whose leaks can be
 * counted.
 */
#ifndef WEIR_TEST_EAL_H
#define WEIR_TEST_EAL_H

#include <stdio.h>
#include <stdlib.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include <weir/packet.h>

static inline void
eal_start(void)
{
	char *argv[] = { (char[]){ "test" }, (char[]){ "--no-huge" }, (char[]){ "--no-pci" }, (char[]){ "--no-shconf" },
		(char[]){ "--no-telemetry" }, (char[]){ "-m" }, (char[]){ "512" }, (char[]){ "-l" }, (char[]){ "0" },
		(char[]){ "--log-level=4" }, NULL };

	if (rte_eal_init(10, argv) < 0) {
		fprintf(stderr, "rte_eal_init failed\n");
		exit(1);
	}
}

/* A pool of n buffers with struct pkt as private area. */
static inline struct rte_mempool *
eal_pool(const char *name, unsigned int n)
{
	struct rte_mempool *pool =
		rte_pktmbuf_pool_create(name, n, 0, sizeof(struct pkt), RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);

	if (pool == NULL) {
		fprintf(stderr, "no memory for %u buffers\n", n);
		exit(1);
	}
	return pool;
}

#endif
