/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Read-copy-update over DPDK's rte_rcu_qsbr: workers read shared tables without locks and report quiescence once per loop;
 * the control thread, the only writer, publishes by pointer swap and hands what it replaced to rcu_defer.
 *
 * Where no worker runs (unit tests, replay) a module is given rcu NULL, and rcu_defer frees at once.
 */
#ifndef WEIR_RCU_H
#define WEIR_RCU_H

#include <stdint.h>
#include <stdlib.h>

#include <rte_rcu_qsbr.h>

struct rcu_deferred {
	void (*fn)(void *);
	void *arg;
};

struct rcu {
	struct rte_rcu_qsbr *qsbr; /* readers' thread ids are worker indices */
	struct rte_rcu_qsbr_dq *queue; /* of struct rcu_deferred */
};

static inline void
rcu_run_deferred(void *unused, void *entries, unsigned int n)
{
	struct rcu_deferred *d = entries;

	(void)unused;
	for (unsigned int i = 0; i < n; i++)
		d[i].fn(d[i].arg);
}

static inline void
rcu_destroy(struct rcu *rcu)
{
	if (rcu == NULL)
		return;
	if (rcu->queue != NULL)
		rte_rcu_qsbr_dq_delete(rcu->queue);
	free(rcu->qsbr);
	free(rcu);
}

/* Room for `readers` workers; each registers itself with rte_rcu_qsbr_thread_register(rcu->qsbr, worker) and goes online.
 * NULL if memory is out. */
static inline struct rcu *
rcu_create(uint32_t readers)
{
	struct rcu *rcu = calloc(1, sizeof(*rcu));
	size_t bytes = rte_rcu_qsbr_get_memsize(readers);

	if (rcu == NULL)
		return NULL;
	rcu->qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(bytes, RTE_CACHE_LINE_SIZE));
	if (rcu->qsbr == NULL || rte_rcu_qsbr_init(rcu->qsbr, readers) != 0) {
		rcu_destroy(rcu);
		return NULL;
	}
	struct rte_rcu_qsbr_dq_parameters conf = {
		.name = "weir-rcu",
		.size = 4096,
		.esize = sizeof(struct rcu_deferred),
		.trigger_reclaim_limit = 64,
		.max_reclaim_size = 256,
		.free_fn = rcu_run_deferred,
		.v = rcu->qsbr,
	};
	rcu->queue = rte_rcu_qsbr_dq_create(&conf);
	if (rcu->queue == NULL) {
		rcu_destroy(rcu);
		return NULL;
	}
	return rcu;
}

/* Waits until no reader can still see what was unpublished before this call. Writer only. */
static inline void
rcu_synchronize(struct rcu *rcu)
{
	if (rcu != NULL)
		rte_rcu_qsbr_synchronize(rcu->qsbr, RTE_QSBR_THRID_INVALID);
}

/* Calls fn(arg), in the writer's thread, once no reader can see what was unpublished before this call. Writer only. */
static inline void
rcu_defer(struct rcu *rcu, void (*fn)(void *), void *arg)
{
	struct rcu_deferred d = { fn, arg };

	if (rcu != NULL && rte_rcu_qsbr_dq_enqueue(rcu->queue, &d) == 0)
		return;
	rcu_synchronize(rcu);
	fn(arg);
}

#endif
