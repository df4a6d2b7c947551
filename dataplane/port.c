/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a port: made, found, counted, removed. Control's thread; workers see a port from when it is published
 * until a grace period after.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <weir/rcu.h>

#include "port_internal.h"

#define KINDS_MAX            32
#define TX_QUEUE_LEN_DEFAULT 1000
#define MTU_MIN              68 /* RFC 791: what every link must carry */

static const struct port_ops *kinds[KINDS_MAX];
static unsigned int kind_count;

void
port_register(const struct port_ops *ops)
{
	if (kind_count == KINDS_MAX || port_find_ops(ops->kind) != NULL) {
		fprintf(stderr, "weir: port kind %s cannot be registered\n", ops->kind);
		abort();
	}
	kinds[kind_count++] = ops;
}

const struct port_ops *
port_find_ops(const char *kind)
{
	for (unsigned int i = 0; i < kind_count; i++)
		if (strcmp(kinds[i]->kind, kind) == 0)
			return kinds[i];
	return NULL;
}

/* ---- finding ---- */

struct port *
port_find(const struct router *router, uint32_t ifindex)
{
	return ifindex < RIB_LINKS_MAX ? router->ports[ifindex] : NULL;
}

struct port *
port_find_name(const struct router *router, const char *name)
{
	for (struct port_machine *pm = router->first_port; pm != NULL; pm = pm->next)
		if (strcmp(pm->port.name, name) == 0)
			return &pm->port;
	return NULL;
}

static bool
is_summoned_as(const struct port_ops *ops, const char *name)
{
	for (const char *const *known = ops->summoned_as; known != NULL && *known != NULL; known++)
		if (strcmp(*known, name) == 0)
			return true;
	return false;
}

struct port *
port_summon(struct router *router, const char *name, struct error *err)
{
	struct port *port = port_find_name(router, name);

	for (unsigned int i = 0; port == NULL && i < kind_count; i++) {
		const struct port_conf conf = { .name = name, .kind = kinds[i]->kind };

		if (!is_summoned_as(kinds[i], name))
			continue;
		return port_add(router, &conf, &port, err) == 0 ? port : NULL;
	}
	if (port == NULL)
		error_code(err, ENODEV);
	return port;
}

int
port_walk(const struct router *router, int (*visit)(void *arg, struct port *port), void *arg)
{
	struct port_machine *next;
	int rc = 0;

	for (struct port_machine *pm = router->first_port; pm != NULL && rc == 0; pm = next) {
		next = pm->next;
		rc = visit(arg, &pm->port);
	}
	return rc;
}

void
port_counters_sum(const struct port *port, struct port_counters *sum)
{
	memset(sum, 0, sizeof(*sum));
	for (unsigned int i = 0; i < port->router->worker_count; i++)
		port_counters_add(sum, &port->counters[i]);
}

uint64_t
port_waiting(const struct port *port)
{
	return path_port_waiting(port) + lanes_held(port_machine(port));
}

/* ---- names ---- */

static int
check_name(const char *name, struct error *err)
{
	size_t length = strlen(name);

	if (length == 0 || length >= IF_NAMESIZE)
		return error_set(
			err, EINVAL, "\"%.40s\" is no port name: give 1 to %d characters", name, IF_NAMESIZE - 1);
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return error_set(err, EINVAL, "\"%s\" is no port name", name);
	for (const char *c = name; *c != '\0'; c++)
		if (*c == '/' || *c == ':' || isspace((unsigned char)*c))
			return error_set(
				err, EINVAL, "\"%s\" is no port name: '/', ':' and blanks may not be in it", name);
	return 0;
}

int
port_make_name(const struct router *router, const char *name, char full[IF_NAMESIZE], struct error *err)
{
	const char *pattern = strstr(name, "%d");
	int rc = check_name(name, err);

	if (rc != 0)
		return rc;
	if (pattern == NULL) {
		if (port_find_name(router, name) != NULL)
			return error_set(err, EEXIST, "there is a port %s already", name);
		memset(full, 0, IF_NAMESIZE);
		strcpy(full, name);
		return 0;
	}
	for (unsigned int i = 0; i < RIB_LINKS_MAX; i++) {
		int length = snprintf(full, IF_NAMESIZE, "%.*s%u%s", (int)(pattern - name), name, i, pattern + 2);

		if (length >= IF_NAMESIZE)
			break;
		if (port_find_name(router, full) == NULL)
			return 0;
	}
	return error_set(err, ENFILE, "no name like %s is free", name);
}

/* ---- being made ---- */

struct worker_machine *
port_choose_worker(const struct router *router, uint64_t pin, bool to_poll)
{
	struct worker_machine *best = NULL;
	unsigned int best_load = UINT32_MAX;

	for (unsigned int i = 0; i < router->worker_count; i++) {
		struct worker_machine *wm = router->workers[i];
		unsigned int load = to_poll ? wm->polled_count : wm->ports_owned;

		if (pin != 0 && (pin & (UINT64_C(1) << i)) == 0)
			continue;
		if (load < best_load) {
			best = wm;
			best_load = load;
		}
	}
	return best != NULL ? best : router->workers[0];
}

static void
run_at_owner(void *host_arg, void (*fn)(void *arg), void *arg)
{
	lanes_run_change(port_machine(host_arg), fn, arg);
}

static uint64_t
tree_now(void *host_arg)
{
	return router_now(((struct port *)host_arg)->router);
}

static int
bind_root(void *host_arg, const char *kind, struct error *err)
{
	(void)kind; /* there is one that asks */
	return teql_bind(host_arg, err);
}

static void
root_changed(void *host_arg)
{
	teql_root_changed(host_arg);
}

static int
make_tree(struct port *port, struct error *err)
{
	struct router *router = port->router;
	struct sched_host host = {
		.ifindex = port->ifindex,
		.mtu = port->mtu,
		.tx_queue_len = port->tx_queue_len,
		.sink = &port->counters[port->owner].sink,
		.rcu = router->rcu,
		.run = run_at_owner,
		.host_arg = port,
		.now = tree_now,
		.bind = bind_root,
		.root_changed = root_changed,
		.observer = router->replay != NULL ? replay_watch_port(router->replay, port) : NULL,
		.seed = router_random(router),
		.lanes = port_machine(port)->lane_trees,
		.lane_count = port_machine(port)->lane_count,
	};

	return sched_tree_create(&host, &port->tree, err);
}

static void
make_mac(struct port *port, const uint8_t *given)
{
	uint64_t random = router_random(port->router);

	memset(port->broadcast_mac, port->ops->arphrd == ARPHRD_ETHER ? 0xff : 0, sizeof(port->broadcast_mac));
	if (given != NULL) {
		memcpy(port->mac, given, sizeof(port->mac));
		return;
	}
	memcpy(port->mac, &random, sizeof(port->mac));
	port->mac[0] = (port->mac[0] & 0xfe) | 0x02; /* locally administered, of one station */
}

static struct port_machine *
allocate(struct router *router, const struct port_ops *ops, const struct port_conf *conf)
{
	struct port_machine *pm = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*pm), 64));
	size_t counter_bytes = router->worker_count * sizeof(struct port_counters);

	if (pm == NULL)
		return NULL;
	memset(pm, 0, sizeof(*pm));
	pm->port = (struct port){
		.router = router,
		.ops = ops,
		.flags = ops->default_flags,
		.bare = ops->bare,
		.mtu = ops->default_mtu,
		.min_mtu = MTU_MIN,
		.max_mtu = 65535,
		.tx_queue_len = conf->tx_queue_len_set || conf->tx_queue_len != 0 ? conf->tx_queue_len
				: ops->default_tx_queue_len != 0                  ? ops->default_tx_queue_len
										  : TX_QUEUE_LEN_DEFAULT,
		.settings = router->defaults,
		.tx_queues = 1,
		.rx_queues = 1,
		.counters = aligned_alloc(alignof(struct port_counters), counter_bytes),
	};
	pm->max_frame = UINT32_MAX;
	pm->configured_rate = conf->rate_Bps;
	if (pm->port.counters == NULL) {
		free(pm);
		return NULL;
	}
	memset(pm->port.counters, 0, counter_bytes);
	make_mac(&pm->port, conf->mac);
	if (ops->any_mtu)
		pm->port.min_mtu = pm->port.max_mtu = 0;
	return pm;
}

static void
release(struct port_machine *pm)
{
	free(pm->port.counters);
	free(pm);
}

static int
choose_ifindex(struct router *router, uint32_t wanted, uint32_t *ifindex, struct error *err)
{
	if (wanted != 0) {
		if (wanted >= RIB_LINKS_MAX)
			return error_set(err, ERANGE, "index %u: give 1 to %d", wanted, RIB_LINKS_MAX - 1);
		if (router->ports[wanted] != NULL)
			return error_set(err, EBUSY, "index %u is %s's", wanted, router->ports[wanted]->name);
		*ifindex = wanted;
		return 0;
	}
	/* An index is not used again soon: who still knows it would mean another port. */
	for (uint32_t i = 0; i < RIB_LINKS_MAX; i++) {
		router->last_ifindex = router->last_ifindex % (RIB_LINKS_MAX - 1) + 1;
		if (router->ports[router->last_ifindex] == NULL) {
			*ifindex = router->last_ifindex;
			return 0;
		}
	}
	return error_set(err, ENFILE, "there are %d ports already", RIB_LINKS_MAX - 1);
}

void
port_read_limits(struct port_machine *pm)
{
	struct device_limits limits = { .max_frame = UINT32_MAX, .rx_queues = 1 };

	device_limits(&pm->port, &limits);
	pm->max_frame = limits.max_frame;
	pm->port.rx_queues = limits.rx_queues;
	port_set_link(pm, pm->configured_rate != 0 ? pm->configured_rate : limits.rate_Bps);
}

static void
publish(struct port_machine *pm)
{
	struct router *router = pm->port.router;
	struct port_machine **link = &router->first_port;

	while (*link != NULL && (*link)->port.ifindex < pm->port.ifindex)
		link = &(*link)->next;
	pm->next = *link;
	*link = pm;
	__atomic_store_n(&router->ports[pm->port.ifindex], &pm->port, __ATOMIC_RELEASE);
	router->workers[pm->port.owner]->ports_owned++;
	port_tell_rib(&pm->port);
}

/* What comes after the kind has made its part. */
static int
finish(struct port_machine *pm, const struct port_conf *conf, struct error *err)
{
	struct port *port = &pm->port;
	struct router *router = port->router;
	struct worker_machine *wm = port_choose_worker(router, pm->pin, false);
	int rc = choose_ifindex(router, conf->ifindex, &port->ifindex, err);

	if (rc != 0)
		return rc;
	if (conf->mtu != 0 && (conf->mtu < port->min_mtu || (port->max_mtu != 0 && conf->mtu > port->max_mtu)))
		return error_set(
			err, EINVAL, "mtu %u: %s takes %u to %u", conf->mtu, port->name, port->min_mtu, port->max_mtu);
	if (conf->mtu != 0 && conf->mtu != port->mtu) {
		rc = port->ops->set_mtu != NULL ? port->ops->set_mtu(port, conf->mtu, err) : 0;
		if (rc != 0)
			return rc;
		port->mtu = conf->mtu;
	}
	port->owner = wm->w.index;
	rc = lanes_create(pm, err);
	if (rc == 0)
		rc = make_tree(port, err);
	if (rc != 0) {
		lanes_destroy(pm);
		return rc;
	}
	pm->first.tree = port->tree;
	port_read_limits(pm);
	publish(pm);
	return 0;
}

int
port_add(struct router *router, const struct port_conf *conf, struct port **result, struct error *err)
{
	const struct port_ops *ops = port_find_ops(conf->kind);
	char pattern[IF_NAMESIZE];
	struct error own;

	if (err == NULL)
		err = &own;
	if (ops == NULL)
		return error_set(err, EOPNOTSUPP, "Unknown device type");
	struct port_machine *pm = allocate(router, ops, conf);
	if (pm == NULL)
		return error_set(err, ENOMEM, "no memory for port %s", conf->name);
	snprintf(pattern, sizeof(pattern), "%.10s%%d", ops->kind);
	struct port *port = &pm->port;
	int rc = port_make_name(router, conf->name != NULL ? conf->name : pattern, port->name, err);
	if (rc == 0 && ops->create != NULL)
		rc = ops->create(port, conf->kind_conf, err);
	/* A name from a pattern may have gone to the peer that came with it. */
	if (rc == 0 && port_find_name(router, port->name) != NULL)
		rc = port_make_name(router, conf->name != NULL ? conf->name : pattern, port->name, err);
	if (rc != 0) {
		release(pm);
		return rc;
	}
	if (conf->mac != NULL && memcmp(conf->mac, port->mac, 6) != 0 && ops->set_mac != NULL)
		rc = port_set_mac(port, conf->mac, err);
	if (rc == 0)
		rc = finish(pm, conf, err);
	struct port *peer = port->peer != 0 ? port_find(router, port->peer) : NULL;
	if (rc != 0) {
		if (peer != NULL)
			port_remove(peer, NULL);
		if (ops->destroy != NULL)
			ops->destroy(port);
		release(pm);
		return rc;
	}
	if (peer != NULL)
		peer->peer = port->ifindex;
	if (result != NULL)
		*result = port;
	return 0;
}

/* ---- being removed ---- */

static void
unlink_port(struct port_machine *pm)
{
	struct router *router = pm->port.router;
	struct port_machine **link = &router->first_port;

	while (*link != pm)
		link = &(*link)->next;
	*link = pm->next;
	__atomic_store_n(&router->ports[pm->port.ifindex], NULL, __ATOMIC_RELEASE);
	router->workers[pm->port.owner]->ports_owned--;
	rcu_synchronize(router->rcu);
}

struct removal {
	struct worker_machine *wm;
	struct port_machine *pm;
	enum drop_reason reason;
};

static void
flush_fragments(void *arg)
{
	struct removal *removal = arg;

	path_reassembly_flush(&removal->wm->w, &removal->pm->port, removal->reason);
}

static void
flush_neighbours(void *arg)
{
	struct removal *removal = arg;

	path_port_flush(&removal->wm->w, &removal->pm->port, removal->reason);
}

static void
drop_held(struct lane *lane, void *arg)
{
	const struct removal *removal = arg;

	lane_purge(lane, false, removal->reason);
}

static void
disown(void *arg)
{
	struct removal *removal = arg;
	struct worker_machine *wm = removal->wm;
	unsigned int kept = 0;

	for (unsigned int i = 0; i < wm->busy_count; i++)
		if (wm->busy[i]->pm != removal->pm)
			wm->busy[kept++] = wm->busy[i];
	wm->busy_count = kept;
	/*
	 * What is on its way here and names the port by its number goes before another has that; at the end none will.
	 */
	if (removal->reason != DROP_SHUTDOWN)
		handover_catch_up(wm);
}

static void
remove_port(struct port_machine *pm, enum drop_reason reason)
{
	struct port *port = &pm->port;
	struct router *router = port->router;
	struct worker_machine *wm = router->workers[port->owner];
	struct removal removal = { wm, pm, reason };
	struct port_counters sum;

	port_bring_down(port, reason);
	for (unsigned int i = 0; i < router->worker_count; i++) {
		struct removal there = { router->workers[i], pm, reason };

		worker_run(there.wm, flush_fragments, &there);
	}
	worker_run(wm, flush_neighbours, &removal);
	rib_link_remove(router->rib, port->ifindex);
	unlink_port(pm);
	lanes_each(pm, drop_held, &removal);
	for (unsigned int i = 0; i < router->worker_count; i++) {
		struct removal there = { router->workers[i], pm, reason };

		worker_run(there.wm, disown, &there);
	}
	sched_tree_destroy(port->tree, reason);
	lanes_destroy(pm);
	if (port->ops->destroy != NULL)
		port->ops->destroy(port);
	if (port->hook != NULL)
		port_set_hook(port, NULL, NULL);
	actions_port_gone(port->ifindex);
	port_counters_sum(port, &sum);
	if (port->ops->stacked)
		sum.rx_packets = sum.rx_bytes = sum.tx_packets = sum.tx_bytes = 0;
	port_counters_add(&router->gone, &sum);
	release(pm);
}

int
port_remove(struct port *port, struct error *err)
{
	struct router *router = port->router;
	uint32_t peer = port->peer;

	if ((port->flags & IFF_LOOPBACK) != 0)
		return error_set(err, EOPNOTSUPP, "the loopback stays");
	if (port->ops->permanent)
		return error_code(err, EOPNOTSUPP);
	remove_port(port_machine(port), DROP_PORT_DELETED);
	struct port *other = peer != 0 ? port_find(router, peer) : NULL;
	if (other != NULL)
		remove_port(port_machine(other), DROP_PORT_DELETED);
	return 0;
}

void
port_destroy_all(struct router *router)
{
	/* The loopback, the first, goes last: drops of ports that have gone are counted there. */
	while (router->first_port != NULL) {
		struct port_machine *pm = router->first_port;

		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not see that remove_port unlinks */
		while (pm->next != NULL)
			pm = pm->next;
		remove_port(pm, DROP_SHUTDOWN);
	}
}

/* ---- the owner ---- */

void
port_change_owner(struct port *port, uint16_t worker)
{
	struct router *router = port->router;

	router->workers[port->owner]->ports_owned--;
	router->workers[worker]->ports_owned++;
	__atomic_store_n(&port->owner, worker, __ATOMIC_RELAXED);
	port_machine(port)->first.worker = worker;
	sched_set_sink(port->tree, &port->counters[worker].sink);
	rcu_synchronize(router->rcu);
}

struct owner_call {
	struct port_machine *pm;
	void (*fn)(void *arg);
	void *arg;
};

static void
call_and_kick(void *arg)
{
	struct owner_call *call = arg;

	if (call->fn != NULL)
		call->fn(call->arg);
	lane_kick(&call->pm->first);
}

void
port_run_at_owner(struct port *port, void (*fn)(void *arg), void *arg)
{
	struct owner_call call = { port_machine(port), fn, arg };

	worker_run(port->router->workers[port->owner], call_and_kick, &call);
}
