/* SPDX-License-Identifier: BSD-3-Clause */
#include "eal_bench.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include <weir/packet.h>

#include "report.h"

#define HUGEPAGE_MB 2

unsigned int
eal_bench_free_hugepages(void)
{
	FILE *file = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
	unsigned int pages = 0;

	if (file != NULL) {
		if (fscanf(file, "%u", &pages) != 1)
			pages = 0;
		fclose(file);
	}
	return pages;
}

void
eal_bench_start(unsigned int megabytes)
{
	unsigned int pages = eal_bench_free_hugepages();
	bool huge = pages * HUGEPAGE_MB >= megabytes;
	char lcores[16], memory[16];
	char *argv[] = { (char[]){ "bench" }, (char[]){ "--lcores" }, lcores, (char[]){ "--no-pci" },
		(char[]){ "--no-telemetry" }, (char[]){ "--log-level=4" }, (char[]){ "-m" }, memory,
		huge ? (char[]){ "--in-memory" } : (char[]){ "--no-huge" }, huge ? NULL : (char[]){ "--no-shconf" },
		NULL };

	snprintf(lcores, sizeof(lcores), "0@%d", sched_getcpu());
	snprintf(memory, sizeof(memory), "%u", megabytes);
	if (rte_eal_init(huge ? 9 : 10, argv) < 0) {
		fprintf(stderr, "bench: rte_eal_init: %s\n", rte_strerror(rte_errno));
		exit(1);
	}
	if (huge)
		report_note("packets are on hugepages of 2 MB");
	else
		report_note("packets are on pages of 4 kB: %u MB of hugepages are free, and this needs %u MB",
			pages * HUGEPAGE_MB, megabytes);
}

/*
 * A pool hands out what it was given first: buffers in the order of their addresses, until it has been used for a
 * while.
 */
static void
mix(struct rte_mempool *pool, unsigned int n)
{
	struct rte_mbuf **all = calloc(n, sizeof(struct rte_mbuf *));
	uint64_t random = 88172645463325252u;

	if (all == NULL || rte_mempool_get_bulk(pool, (void **)all, n) != 0) {
		fprintf(stderr, "bench: no memory for %u buffers\n", n);
		exit(1);
	}
	for (unsigned int i = n - 1; i > 0; i--) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
		unsigned int other = (unsigned int)((random >> 32) * (i + 1) >> 32);

		RTE_SWAP(all[i], all[other]);
	}
	rte_mempool_put_bulk(pool, (void **)all, n);
	free(all);
}

struct rte_mempool *
eal_bench_pool(const char *name, unsigned int n)
{
	struct rte_mempool *pool =
		rte_pktmbuf_pool_create(name, n, 0, sizeof(struct pkt), RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);

	if (pool == NULL) {
		fprintf(stderr, "bench: no memory for %u buffers\n", n);
		exit(1);
	}
	mix(pool, n);
	return pool;
}
