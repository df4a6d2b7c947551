/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Read-copy-update over DPDK's rte_rcu_qsbr: workers read shared tables without locks and report quiescence once per
 * loop;
 * the control thread, the only writer, publishes by pointer swap and hands what it replaced to rcu_defer.
 *
 * Where no worker runs (unit tests, replay) a module is given rcu NULL, and rcu_defer calls at once. (DPDK has a
 * queue of
 * its own for this, rte_rcu_qsbr_dq, but it is experimental in 22.11.)
 */
#ifndef WEIR_RCU_H
#define WEIR_RCU_H

#include <stdint.h>
#include <stdlib.h>

#include <rte_rcu_qsbr.h>

struct rcu_deferred {
	void (*fn)(void *);
	void *arg;
	uint64_t token; /* of the grace period that it waits for */
};

struct rcu {
	struct rte_rcu_qsbr *qsbr; /* readers' thread ids are worker indices */
	struct rcu_deferred *ring; /* oldest first; the writer's */
	uint32_t size, head, count; /* size is a power of two */
};

/* Waits until no reader can still see what was unpublished before this call. Writer only. */
static inline void
rcu_synchronize(struct rcu *rcu)
{
	if (rcu != NULL)
		rte_rcu_qsbr_synchronize(rcu->qsbr, RTE_QSBR_THRID_INVALID);
}

/* Calls what was deferred and whose grace period is over. Writer only; also for when it idles. */
static inline void
rcu_reclaim(struct rcu *rcu)
{
	while (rcu != NULL && rcu->count > 0 && rte_rcu_qsbr_check(rcu->qsbr, rcu->ring[rcu->head].token, false) == 1) {
		struct rcu_deferred d = rcu->ring[rcu->head];

		rcu->head = (rcu->head + 1) & (rcu->size - 1);
		rcu->count--;
		d.fn(d.arg);
	}
}

/* Waits for all that was deferred and calls it. Writer only. */
static inline void
rcu_flush(struct rcu *rcu)
{
	while (rcu != NULL && rcu->count > 0) {
		rcu_synchronize(rcu);
		rcu_reclaim(rcu);
	}
}

static inline void
rcu_destroy(struct rcu *rcu)
{
	if (rcu == NULL)
		return;
	rcu_flush(rcu);
	free(rcu->ring);
	free(rcu->qsbr);
	free(rcu);
}

/*
 * Room for `readers` workers; each registers itself with rte_rcu_qsbr_thread_register(rcu->qsbr, worker) and goes
 * online.
 * NULL if memory is out.
 */
static inline struct rcu *
rcu_create(uint32_t readers)
{
	struct rcu *rcu = calloc(1, sizeof(*rcu));
	size_t bytes = rte_rcu_qsbr_get_memsize(readers);

	if (rcu == NULL)
		return NULL;
	rcu->size = 256;
	rcu->ring = calloc(rcu->size, sizeof(*rcu->ring));
	rcu->qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(bytes, RTE_CACHE_LINE_SIZE));
	if (rcu->ring == NULL || rcu->qsbr == NULL || rte_rcu_qsbr_init(rcu->qsbr, readers) != 0) {
		free(rcu->ring);
		free(rcu->qsbr);
		free(rcu);
		return NULL;
	}
	return rcu;
}

/* Calls fn(arg), in the writer's thread, once no reader can see what was unpublished before this call. Writer only. */
static inline void
rcu_defer(struct rcu *rcu, void (*fn)(void *), void *arg)
{
	if (rcu == NULL) {
		fn(arg);
		return;
	}
	rcu_reclaim(rcu);
	if (rcu->count == rcu->size) {
		struct rcu_deferred *ring = calloc((size_t)rcu->size * 2, sizeof(*ring));

		if (ring == NULL) { /* slow, but right */
			rcu_synchronize(rcu);
			fn(arg);
			return;
		}
		for (uint32_t i = 0; i < rcu->count; i++)
			ring[i] = rcu->ring[(rcu->head + i) & (rcu->size - 1)];
		free(rcu->ring);
		rcu->ring = ring;
		rcu->size *= 2;
		rcu->head = 0;
	}
	rcu->ring[(rcu->head + rcu->count++) & (rcu->size - 1)] =
		(struct rcu_deferred){ .fn = fn, .arg = arg, .token = rte_rcu_qsbr_start(rcu->qsbr) };
}

#endif
