/* SPDX-License-Identifier: BSD-3-Clause */
/* The ingress and clsact qdiscs of a port come and go. Control's thread. */
#include <stdlib.h>
#include <string.h>

#include "hook.h"
#include "machine.h"

static void
free_chain(void *chain)
{
	chain_destroy(chain);
}

static void
retire(struct port *port, struct port_hook *hook, struct chain *ingress, struct chain *egress)
{
	struct rcu *rcu = port->router->rcu;

	if (ingress != NULL)
		rcu_defer(rcu, free_chain, ingress);
	if (egress != NULL)
		rcu_defer(rcu, free_chain, egress);
	if (hook != NULL && hook->average != NULL)
		rcu_defer(rcu, free, hook->average);
	if (hook != NULL)
		rcu_defer(rcu, free, hook);
}

static int
add_hook(struct port *port, const char *kind, struct error *err)
{
	unsigned int workers = router_workers(port->router);
	size_t bytes = sizeof(struct port_hook) + workers * sizeof(struct hook_counts);
	struct port_hook *hook = aligned_alloc(alignof(struct port_hook), bytes);
	bool clsact = strcmp(kind, "clsact") == 0;
	struct chain *ingress = chain_create(port->router->rcu);
	struct chain *egress = clsact ? chain_create(port->router->rcu) : NULL;

	if (hook != NULL)
		memset(hook, 0, bytes);
	if (hook == NULL || ingress == NULL || (clsact && egress == NULL)) {
		retire(port, hook, ingress, egress);
		return error_set(err, ENOMEM, "no memory for the hooks of %s", port->name);
	}
	hook->kind = clsact ? "clsact" : "ingress";
	hook->workers = workers;
	if (clsact)
		chain_join(egress, ingress);
	port->was_hooked = true;
	__atomic_store_n(&port->hook, hook, __ATOMIC_RELEASE);
	__atomic_store_n(&port->ingress, ingress, __ATOMIC_RELEASE);
	__atomic_store_n(&port->egress, egress, __ATOMIC_RELEASE);
	return 0;
}

int
port_set_hook(struct port *port, const char *kind, struct error *err)
{
	if (kind != NULL && port->hook != NULL)
		return error_set(err, EEXIST, "Exclusivity flag on, cannot modify");
	if (kind == NULL && port->hook == NULL)
		return error_set(err, ENOENT, "Cannot find specified qdisc on specified device");
	if (kind != NULL)
		return add_hook(port, kind, err);
	struct port_hook *hook = port->hook;
	struct chain *ingress = port->ingress, *egress = port->egress;

	__atomic_store_n(&port->ingress, NULL, __ATOMIC_RELEASE);
	__atomic_store_n(&port->egress, NULL, __ATOMIC_RELEASE);
	__atomic_store_n(&port->hook, NULL, __ATOMIC_RELEASE);
	retire(port, hook, ingress, egress);
	return 0;
}

const char *
port_hook_kind(const struct port *port)
{
	return port->hook == NULL ? NULL : port->hook->kind;
}

void
port_hook_stats(const struct port *port, struct sched_stats *stats)
{
	*stats = (struct sched_stats){ 0 };
	if (port->hook == NULL)
		return;
	hook_sum(port->hook, &stats->bytes, &stats->packets);
	for (unsigned int i = 0; i < port->hook->workers; i++)
		stats->drops += __atomic_load_n(&port->hook->counts[i].drops, __ATOMIC_RELAXED);
}

int
port_estimate_hook(struct port *port, const struct tc_estimator *spec, struct error *err)
{
	struct port_hook *hook = port->hook;
	struct shared_average *before = hook->average, *average;
	uint64_t bytes, packets;
	int rc;

	hook_sum(hook, &bytes, &packets);
	rc = shared_average_create(spec, router_now(port->router), bytes, packets, &average, err);
	if (rc != 0)
		return rc;
	if (before != NULL) {
		average->Bps = before->Bps;
		average->pps = before->pps;
		average->average.Bps = (double)before->Bps;
		average->average.pps = (double)before->pps;
	}
	__atomic_store_n(&hook->average, average, __ATOMIC_RELEASE);
	if (before != NULL)
		rcu_defer(port->router->rcu, free, before);
	return 0;
}

const struct tc_estimator *
port_hook_estimator(const struct port *port)
{
	const struct port_hook *hook = port->hook;

	return hook != NULL && hook->average != NULL ? &hook->average->average.spec : NULL;
}

struct sched_rate
port_hook_rate(const struct port *port)
{
	struct shared_average *average = port->hook != NULL ? port->hook->average : NULL;

	if (average == NULL)
		return (struct sched_rate){ 0 };
	shared_average_catch_up(average, router_now(port->router), hook_sum, port->hook);
	return (struct sched_rate){
		.set = true,
		.Bps = __atomic_load_n(&average->Bps, __ATOMIC_RELAXED),
		.pps = __atomic_load_n(&average->pps, __ATOMIC_RELAXED),
	};
}
