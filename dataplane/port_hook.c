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

	if (hook == NULL || ingress == NULL || (clsact && egress == NULL)) {
		retire(port, hook, ingress, egress);
		return error_set(err, ENOMEM, "no memory for the hooks of %s", port->name);
	}
	memset(hook, 0, bytes);
	hook->kind = clsact ? "clsact" : "ingress";
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
	for (unsigned int i = 0; port->hook != NULL && i < router_workers(port->router); i++) {
		stats->packets += __atomic_load_n(&port->hook->counts[i].packets, __ATOMIC_RELAXED);
		stats->bytes += __atomic_load_n(&port->hook->counts[i].bytes, __ATOMIC_RELAXED);
		stats->drops += __atomic_load_n(&port->hook->counts[i].drops, __ATOMIC_RELAXED);
	}
}
