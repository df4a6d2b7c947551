/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers. On hugepages EAL's own memory is the best there is. Without, it is shared memory on pages of 4 kB, which
 * cost the null ports twice as much as large ones: a pool then lies in memory of our own, for which the kernel is
 * asked for transparent huge pages.
 */
#include <stdlib.h>
#include <sys/mman.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_memory.h>
#include <rte_prefetch.h>

#include "machine.h"

#define POOL_CACHE 256
#define PAGE_LARGE ((size_t)2 << 20)

uint64_t
pool_bytes(uint32_t n)
{
	return (uint64_t)n * (sizeof(struct rte_mbuf) + sizeof(struct pkt) + RTE_MBUF_DEFAULT_BUF_SIZE +
				     256); /* the mempool's header and spreading */
}

/* Our own memory has no physical addresses that we know: a device must use virtual ones, or there is none. */
static bool
lies_in_own_memory(const struct router_conf *conf)
{
	return !conf->hugepages && (conf->replay || rte_eal_iova_mode() == RTE_IOVA_VA);
}

static void
free_own(struct rte_mempool_memhdr *memory, void *arg)
{
	rte_extmem_unregister(memory->addr, memory->len);
	free(memory->addr);
}

/* Takes memory for all objects; false if there is none. */
static bool
populate_own(struct rte_mempool *pool)
{
	size_t chunk, align;
	ssize_t least = rte_mempool_op_calc_mem_size_default(pool, pool->size, 0, &chunk, &align);
	size_t bytes = RTE_ALIGN_CEIL((size_t)least, PAGE_LARGE);
	void *memory = least > 0 ? aligned_alloc(PAGE_LARGE, bytes) : NULL;

	if (memory == NULL)
		return false;
	madvise(memory, bytes, MADV_HUGEPAGE); /* advice: where it is not taken, 4 kB pages do */
	if (rte_extmem_register(memory, bytes, NULL, 0, PAGE_LARGE) != 0 ||
		rte_mempool_populate_iova(pool, memory, (rte_iova_t)(uintptr_t)memory, bytes, free_own, NULL) < 0) {
		rte_extmem_unregister(memory, bytes);
		free(memory);
		return false;
	}
	return rte_mempool_avail_count(pool) == pool->size;
}

/*
 * rte_pktmbuf_pool_create would put one buffer on each page of 4 KiB where there are no hugepages, for the sake of
 * physical addresses. Nobody uses these in a replay, or where devices use virtual ones.
 */
struct rte_mempool *
pool_create(const struct router_conf *conf, uint32_t n, int node)
{
	struct rte_pktmbuf_pool_private layout = {
		.mbuf_data_room_size = RTE_MBUF_DEFAULT_BUF_SIZE,
		.mbuf_priv_size = sizeof(struct pkt),
	};
	unsigned int flags = conf->replay || rte_eal_iova_mode() == RTE_IOVA_VA ? RTE_MEMPOOL_F_NO_IOVA_CONTIG : 0;
	unsigned int bytes = sizeof(struct rte_mbuf) + sizeof(struct pkt) + RTE_MBUF_DEFAULT_BUF_SIZE;
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "weir-pool-%d", node);
	struct rte_mempool *pool = rte_mempool_create_empty(name, n, bytes, POOL_CACHE, sizeof(layout), node, flags);
	if (pool == NULL)
		return NULL;
	/*
	 * What was freed last is taken first. A ring would lead buffers that one worker takes and another frees through
	 * the whole pool: each would come from far and by a page walk (300 cycles a packet instead of 160). Workers
	 * come here with some hundred buffers at once, when their caches are full or empty.
	 */
	if (rte_mempool_set_ops_byname(pool, "stack", NULL) != 0) {
		rte_mempool_free(pool);
		return NULL;
	}
	rte_pktmbuf_pool_init(pool, &layout);
	if (!(lies_in_own_memory(conf) ? populate_own(pool) : rte_mempool_populate_default(pool) >= 0)) {
		rte_mempool_free(pool);
		return NULL;
	}
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return pool;
}

void
pool_fetch_next(struct rte_mempool *pool, unsigned int lcore, uint16_t n)
{
	const struct rte_mempool_cache *cache = rte_mempool_default_cache(pool, lcore);
	const uint32_t there = cache != NULL ? cache->len : 0;

	for (uint32_t i = 1; i <= n && i <= there; i++) {
		char *lines = cache->objs[there - i];

		rte_prefetch0_write(lines);
		rte_prefetch0_write(lines + RTE_CACHE_LINE_SIZE);
	}
}

/* ---- what devices must know of our own memory -------------------------------------------------------------------- */

struct dma_change {
	struct rte_device *device;
	bool map;
	int failed; /* errno */
};

static void
change_dma(struct rte_mempool *pool, void *arg, struct rte_mempool_memhdr *memory, unsigned int index)
{
	struct dma_change *change = arg;
	int rc = change->map ? rte_dev_dma_map(change->device, memory->addr, memory->iova, memory->len)
			     : rte_dev_dma_unmap(change->device, memory->addr, memory->iova, memory->len);

	/* Drivers that cannot say so need nothing of the kind. */
	if (rc != 0 && rte_errno != ENOTSUP)
		change->failed = rte_errno;
}

int
pool_tell_device(const struct router *router, struct rte_mempool *pool, struct rte_device *device, bool map)
{
	struct dma_change change = { .device = device, .map = map };

	if (lies_in_own_memory(&router->conf))
		rte_mempool_mem_iter(pool, change_dma, &change);
	return -change.failed;
}
