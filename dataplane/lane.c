/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The lanes of a port: who sends by which transmit queue.
 *
 *                         lanes closed                                    lanes open (mq)
 *   worker 0, the owner   port's tree -> held -> tx queue 0               tree of lane 0 -> held -> tx queue 0
 *   worker 1              classifies -> ring -> owner                     tree of lane 1 -> held -> tx queue 1
 *   worker 2, no queue    classifies -> ring -> owner                     ring -> owner
 *
 * They are open only while mq stands at the root, and a change of the root closes them first: the other lanes' workers
 * stand still for as long as the owner moves what their lanes hold, so that no packet of a flow overtakes another on
 * the way to the new root.
 */
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "machine.h"

#define SPINS_BEFORE_YIELD 1000

/* ---- being made ---- */

static uint64_t
lane_now(void *host_arg)
{
	return router_now(((struct port *)host_arg)->router);
}

static int
make_tree(struct port_machine *pm, unsigned int worker, struct sched_tree **tree, struct error *err)
{
	struct port *port = &pm->port;
	struct sched_host host = {
		.ifindex = port->ifindex,
		.mtu = port->mtu,
		.tx_queue_len = port->tx_queue_len,
		.sink = &port->counters[worker].sink,
		.rcu = port->router->rcu,
		.host_arg = port,
		.now = lane_now,
		.seed = router_random(port->router),
	};
	int rc = sched_tree_create(&host, tree, err);

	return rc != 0 ? rc : sched_set_default_root(*tree, port->router->default_qdisc, err);
}

static int
start_lane(struct port_machine *pm, struct lane *lane, unsigned int worker, struct error *err)
{
	struct worker_machine *wm = pm->port.router->workers[worker];
	int rc = worker_grow_busy(wm, err);

	if (rc != 0)
		return rc;
	lane->pm = pm;
	lane->worker = worker;
	lane->link_quota = BURST;
	wm->lanes++;
	return 0;
}

/* A rate that was given to the port is kept by one queue alone. */
static unsigned int
count_lanes(const struct port_machine *pm)
{
	const struct router *router = pm->port.router;

	if (!pm->port.ops->queues || router->replay != NULL || pm->configured_rate != 0)
		return 1;
	return RTE_MIN(pm->port.tx_queues, router->worker_count);
}

static int
make_others(struct port_machine *pm, unsigned int count, struct error *err)
{
	struct router *router = pm->port.router;
	unsigned int queue = 1;

	pm->others = aligned_alloc(alignof(struct lane), (count - 1) * sizeof(struct lane));
	pm->lane_of = calloc(router->worker_count, sizeof(struct lane *));
	pm->lane_trees = calloc(count, sizeof(struct sched_tree *));
	if (pm->others == NULL || pm->lane_of == NULL || pm->lane_trees == NULL)
		return error_set(err, ENOMEM, "no memory for the transmit queues of %s", pm->port.name);
	memset(pm->others, 0, (count - 1) * sizeof(struct lane));
	int rc = make_tree(pm, pm->port.owner, &pm->lane_trees[0], err);
	for (unsigned int worker = 0; rc == 0 && queue < count; worker++) {
		struct lane *lane = &pm->others[queue - 1];

		if (worker == pm->port.owner)
			continue;
		rc = start_lane(pm, lane, worker, err);
		if (rc == 0)
			rc = make_tree(pm, worker, &pm->lane_trees[queue], err);
		lane->tree = pm->lane_trees[queue];
		pm->lane_of[worker] = lane;
		pm->tx_queue[worker] = queue++;
	}
	return rc;
}

int
lanes_create(struct port_machine *pm, struct error *err)
{
	unsigned int count = count_lanes(pm);
	int rc = start_lane(pm, &pm->first, pm->port.owner, err);

	pm->lane_count = count;
	return rc != 0 || count == 1 ? rc : make_others(pm, count, err);
}

void
lanes_destroy(struct port_machine *pm)
{
	struct router *router = pm->port.router;

	if (pm->first.pm != NULL)
		router->workers[pm->first.worker]->lanes--;
	for (unsigned int i = 0; pm->others != NULL && i + 1 < pm->lane_count; i++)
		if (pm->others[i].pm != NULL)
			router->workers[pm->others[i].worker]->lanes--;
	for (unsigned int i = 0; pm->lane_trees != NULL && i < pm->lane_count; i++)
		sched_tree_destroy(pm->lane_trees[i], DROP_PORT_DELETED);
	free(pm->lane_trees);
	free(pm->lane_of);
	free(pm->others);
}

const char *
lanes_default_root(const struct port_machine *pm)
{
	return pm->lane_count > 1 ? "mq" : pm->port.router->default_qdisc;
}

void
lanes_follow_default(struct port_machine *pm)
{
	sched_set_next_default(pm->port.tree, lanes_default_root(pm));
	for (unsigned int i = 0; pm->lane_trees != NULL && i < pm->lane_count; i++)
		sched_set_next_default(pm->lane_trees[i], pm->port.router->default_qdisc);
}

/* ---- changes ---- */

struct halt {
	_Atomic(unsigned int) standing;
	_Atomic(bool) over;
};

static void
stand_still(void *arg)
{
	struct halt *halt = arg;

	atomic_fetch_add(&halt->standing, 1);
	for (unsigned int spins = 0; !atomic_load_explicit(&halt->over, memory_order_acquire); spins++) {
		if (spins < SPINS_BEFORE_YIELD)
			rte_pause();
		else
			sched_yield();
	}
}

/* Returns when the workers of all other lanes stand still. */
static void
halt_others(struct port_machine *pm, struct halt *halt)
{
	const struct timespec pause = { .tv_nsec = 10000 };
	unsigned int asked = 0;

	for (unsigned int i = 0; i + 1 < pm->lane_count; i++) {
		struct worker_machine *wm = pm->port.router->workers[pm->others[i].worker];

		if (atomic_load(&wm->running)) {
			worker_ask(wm, stand_still, halt);
			asked++;
		}
	}
	while (atomic_load(&halt->standing) < asked)
		nanosleep(&pause, NULL);
}

static void
release_others(struct port_machine *pm, struct halt *halt)
{
	atomic_store_explicit(&halt->over, true, memory_order_release);
	for (unsigned int i = 0; i + 1 < pm->lane_count; i++) {
		struct worker_machine *wm = pm->port.router->workers[pm->others[i].worker];

		if (atomic_load(&wm->running))
			worker_answered(wm);
	}
}

/* What a device refused was the first of its lane, and is the first to be queued anew. */
static void
take_back_held(struct port_machine *pm)
{
	for (unsigned int i = 0; i + 1 < pm->lane_count; i++) {
		struct lane *lane = &pm->others[i];

		sched_take_back(pm->port.tree, lane->held + lane->held_first, lane->held_count);
		lane->held_count = 0;
	}
}

void
lanes_try_open(struct port_machine *pm)
{
	if (pm->first.tree != pm->port.tree && !pm->lanes_open && lane_idle(&pm->first))
		atomic_store_explicit(&pm->lanes_open, true, memory_order_release);
}

static void
follow_root(struct port_machine *pm)
{
	bool mq = sched_uses_lanes(pm->port.tree);

	atomic_store_explicit(&pm->lanes_open, false, memory_order_relaxed);
	pm->first.tree = mq ? pm->lane_trees[0] : pm->port.tree;
	pm->first.backlogged = false;
	pm->first.link_free_ns = 0;
	pm->first.link_free_frac = 0;
	lane_follow_link(&pm->first);
	lanes_try_open(pm);
}

struct change {
	struct port_machine *pm;
	void (*fn)(void *arg);
	void *arg;
};

static void
change_under_mq(void *arg)
{
	struct change *change = arg;
	struct port_machine *pm = change->pm;

	take_back_held(pm);
	change->fn(change->arg);
	follow_root(pm);
	lane_kick(&pm->first);
}

static void
change_alone(void *arg)
{
	struct change *change = arg;
	struct port_machine *pm = change->pm;

	change->fn(change->arg);
	if (unlikely(sched_uses_lanes(pm->port.tree)))
		follow_root(pm);
	lane_kick(&pm->first);
}

void
lanes_run_change(struct port_machine *pm, void (*fn)(void *arg), void *arg)
{
	struct worker_machine *owner = pm->port.router->workers[pm->port.owner];
	struct change change = { pm, fn, arg };
	struct halt halt = { 0 };

	/* Only a change, and so nobody else meanwhile, brings mq to the root or takes it away. */
	if (!sched_uses_lanes(pm->port.tree)) {
		worker_run(owner, change_alone, &change);
		return;
	}
	halt_others(pm, &halt);
	worker_run(owner, change_under_mq, &change);
	release_others(pm, &halt);
}

struct visit {
	struct lane *lane;
	void (*fn)(struct lane *lane, void *arg);
	void *arg;
};

static void
call(void *arg)
{
	const struct visit *visit = arg;

	visit->fn(visit->lane, visit->arg);
}

void
lanes_each(struct port_machine *pm, void (*fn)(struct lane *lane, void *arg), void *arg)
{
	for (unsigned int i = 0; i < pm->lane_count; i++) {
		struct lane *lane = i == 0 ? &pm->first : &pm->others[i - 1];

		worker_run(pm->port.router->workers[lane->worker], call, &(struct visit){ lane, fn, arg });
	}
}

/* ---- what all of them are told and asked ---- */

void
lanes_set_mtu(struct port_machine *pm, uint32_t mtu)
{
	for (unsigned int i = 0; pm->lane_trees != NULL && i < pm->lane_count; i++)
		sched_set_mtu(pm->lane_trees[i], mtu);
}

void
lanes_set_tx_queue_len(struct port_machine *pm, uint32_t packets)
{
	for (unsigned int i = 0; pm->lane_trees != NULL && i < pm->lane_count; i++)
		sched_set_tx_queue_len(pm->lane_trees[i], packets);
}

uint32_t
lanes_held(const struct port_machine *pm)
{
	uint32_t held = pm->first.held_count;

	for (unsigned int i = 0; i + 1 < pm->lane_count; i++)
		held += pm->others[i].held_count;
	return held;
}

uint32_t
port_queued(const struct port *port)
{
	const struct port_machine *pm = port_machine(port);
	/* Under mq the port's own tree holds nothing, and its count is of what the lanes held when somebody asked. */
	uint32_t queued = sched_uses_lanes(port->tree) ? 0 : sched_backlog(port->tree);

	for (unsigned int i = 0; pm->lane_trees != NULL && i < pm->lane_count; i++)
		queued += sched_backlog(pm->lane_trees[i]);
	return queued;
}
