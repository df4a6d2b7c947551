/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * route: the realms that routing gave the packet, or the port it came from, decide; tc-route(8). A filter that names
 * both ends goes before one that names the destination's realm alone, and that before one that names none; of two with
 * the same destination, one with the source's realm goes before one with a port.
 *
 * A handle is what is compared: the destination's realm below (0x8000: any), above the source's realm, 0x8000 + ifindex
 * or 0xffff (any).
 */
#include <stdlib.h>

#include <rte_branch_prediction.h>

#include <weir/filter/route.h>

#include "key_table.h"

#define TO_ANY    0x8000u
#define FROM_PORT 0x8000u
#define FROM_ANY  0xffffu

/* The order in which filters are asked, a bit each: only those that there are. */
enum shape {
	TO_FROM,
	TO_PORT,
	TO_ONLY,
	FROM_ONLY,
	PORT_ONLY,
	ANYTHING,
	SHAPES,
};

struct route_filter {
	struct keyed keyed; /* by handle, turned so that their order is Linux's: (to, from) */
	struct filter_target target;
};

struct route {
	struct key_table filters;
	uint32_t shapes; /* published: a bit for each that there is or was */
	uint32_t impure; /* control's */
};

static uint64_t
key_of(uint32_t to, uint32_t from)
{
	return (uint64_t)to << 32 | from;
}

static uint32_t
handle_of(const struct route_filter *filter)
{
	return (uint32_t)filter->keyed.key << 16 | (uint32_t)(filter->keyed.key >> 32);
}

static enum shape
shape_of(uint64_t key)
{
	uint32_t to = (uint32_t)(key >> 32), from = (uint32_t)key;
	unsigned int kind = from == FROM_ANY ? 2 : from >= FROM_PORT ? 1 : 0;

	return (enum shape)((to == TO_ANY ? FROM_ONLY : TO_FROM) + kind);
}

static void *
route_find(const struct filter_group *group, uint32_t handle)
{
	const struct route *route = filter_group_priv(group);

	return key_table_find(&route->filters, key_of(handle & 0xffff, handle >> 16));
}

static void
retire(void *group, struct keyed *keyed)
{
	struct route_filter *filter = (struct route_filter *)keyed;

	filter_target_release(group, &filter->target);
	rcu_defer(filter_group_rcu(group), free, filter);
}

static int
check(const struct route_conf *conf, struct error *err)
{
	if (conf->has_from && conf->has_fromif)
		return error_set(err, EINVAL, "route: 'from' and 'fromif' exclude each other");
	if ((conf->has_to && conf->to > ROUTE_REALM_MAX) || (conf->has_from && conf->from > ROUTE_REALM_MAX))
		return error_set(err, EINVAL, "route: realms go from 0 to %u", ROUTE_REALM_MAX);
	if (conf->has_fromif && conf->fromif > ROUTE_IFINDEX_MAX)
		return error_set(err, EINVAL, "route: 'fromif' takes ports of index up to %u", ROUTE_IFINDEX_MAX);
	return 0;
}

/* What conf leaves out is as it was in `old`, if there is one. */
static uint64_t
key_of_conf(const struct route_conf *conf, const struct route_filter *old)
{
	uint64_t before = old != NULL ? old->keyed.key : key_of(TO_ANY, FROM_ANY);

	return key_of(conf->has_to ? conf->to : (uint32_t)(before >> 32), conf->has_from     ? conf->from
									  : conf->has_fromif ? FROM_PORT | conf->fromif
											     : (uint32_t)before);
}

static int
make(struct filter_group *group, const struct route_conf *conf, const struct route_filter *old,
	struct route_filter **made, struct error *err)
{
	struct route_filter *filter = calloc(1, sizeof(*filter));
	int rc;

	if (filter == NULL)
		return error_code(err, ENOMEM);
	filter->keyed.key = key_of_conf(conf, old);
	rc = filter_target_init(group, &filter->target,
		conf->has_classid || old == NULL ? conf->classid : old->target.classid, conf->actions, conf->n_actions,
		err);
	if (rc != 0)
		free(filter);
	else
		*made = filter;
	return rc;
}

/* The old one goes from its place if the new one has another. */
static int
publish(struct filter_group *group, struct route_filter *filter, struct route_filter *old)
{
	struct route *route = filter_group_priv(group);
	struct rcu *rcu = filter_group_rcu(group);
	int rc = key_table_put(rcu, &route->filters, &filter->keyed);

	if (rc != 0)
		return rc;
	if (old != NULL && old->keyed.key != filter->keyed.key &&
		key_table_remove(rcu, &route->filters, &old->keyed) != 0) {
		key_table_remove(rcu, &route->filters, &filter->keyed);
		return -ENOMEM;
	}
	store_release(&route->shapes, route->shapes | 1u << shape_of(filter->keyed.key));
	return 0;
}

static int
route_change(struct filter_group *group, void *existing, uint32_t *handle, const void *options, void **made,
	struct error *err)
{
	struct route *route = filter_group_priv(group);
	struct route_filter *filter, *old = existing;
	const struct route_conf *conf = options;
	int rc;

	if (conf == NULL)
		return error_set(err, EINVAL, "Creating with handle of 0 is invalid.");
	rc = check(conf, err);
	if (rc == 0)
		rc = make(group, conf, old, &filter, err);
	if (rc != 0)
		return rc;
	const struct route_filter *there = key_table_find(&route->filters, filter->keyed.key);

	if (there != NULL && there != old)
		rc = error_set(err, EEXIST, "Filter already exists.");
	else if (old == NULL && *handle != 0 && *handle != handle_of(filter))
		rc = error_set(err, EINVAL,
			"route: the handle says what is compared: it is 0x%08x here, and may be left out",
			handle_of(filter));
	else if (publish(group, filter, old) != 0)
		rc = error_code(err, ENOMEM);
	if (rc != 0) {
		retire(group, &filter->keyed);
		return rc;
	}
	route->impure += !filter->target.pure;
	if (old != NULL) {
		route->impure -= !old->target.pure;
		retire(group, &old->keyed);
	}
	*handle = handle_of(filter);
	*made = filter;
	return 0;
}

static int
route_remove(struct filter_group *group, void *filter, bool *last, struct error *err)
{
	struct route *route = filter_group_priv(group);
	struct route_filter *going = filter;

	if (key_table_remove(filter_group_rcu(group), &route->filters, &going->keyed) != 0)
		return error_code(err, ENOMEM);
	route->impure -= !going->target.pure;
	retire(group, &going->keyed);
	*last = route->filters.n == 0;
	return 0;
}

static void
route_destroy(struct filter_group *group)
{
	struct route *route = filter_group_priv(group);

	key_table_destroy(filter_group_rcu(group), &route->filters, retire, group);
}

static int
route_walk(const struct filter_group *group, int (*visit)(void *arg, uint32_t handle, const void *filter), void *arg)
{
	const struct route *route = filter_group_priv(group);
	struct keyed **sorted = key_table_sorted(&route->filters);
	int rc = 0;

	if (sorted == NULL)
		return route->filters.n == 0 ? 0 : -ENOMEM;
	for (uint32_t i = 0; rc == 0 && i < route->filters.n; i++)
		rc = visit(arg, handle_of((struct route_filter *)sorted[i]), sorted[i]);
	free(sorted);
	return rc;
}

static struct verdict
classify_one(const struct route *route, uint32_t shapes, const struct classify_ctx *ctx, struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of(m);
	const uint32_t to = p->realm & 0xffff, from = p->realm >> 16, port = FROM_PORT | p->in_port;
	const uint64_t keys[SHAPES] = {
		[TO_FROM] = key_of(to, from),
		[TO_PORT] = key_of(to, port),
		[TO_ONLY] = key_of(to, FROM_ANY),
		[FROM_ONLY] = key_of(TO_ANY, from),
		[PORT_ONLY] = key_of(TO_ANY, port),
		[ANYTHING] = key_of(TO_ANY, FROM_ANY),
	};

	for (; shapes != 0; shapes &= shapes - 1) {
		const struct route_filter *filter = key_table_find(&route->filters, keys[__builtin_ctz(shapes)]);
		struct verdict found;

		if (filter == NULL)
			continue;
		found = filter_target_answer(&filter->target, ctx, m);
		if (found.action != TC_ACT_UNSPEC)
			return found;
	}
	return (struct verdict){ .action = TC_ACT_UNSPEC };
}

static void
route_classify(const struct filter_group *group, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
	struct verdict *results)
{
	const struct route *route = filter_group_priv(group);
	uint32_t shapes = load_acquire(&route->shapes);

	for (uint16_t i = 0; i < n; i++)
		results[i] = classify_one(route, shapes, ctx, pkts[i]);
}

static bool
route_pure(const struct filter_group *group)
{
	return ((const struct route *)filter_group_priv(group))->impure == 0;
}

void
route_get_conf(const void *filter, struct route_conf *conf)
{
	const struct route_filter *f = filter;
	uint32_t to = (uint32_t)(f->keyed.key >> 32), from = (uint32_t)f->keyed.key;

	*conf = (struct route_conf){
		.has_to = to != TO_ANY,
		.to = to,
		.has_from = from < FROM_PORT,
		.from = from,
		.has_fromif = from != FROM_ANY && from >= FROM_PORT,
		.fromif = from & ~FROM_PORT,
		.has_classid = f->target.classid != 0,
		.classid = f->target.classid,
	};
}

const struct action_list *
route_actions(const void *filter)
{
	return ((const struct route_filter *)filter)->target.actions;
}

static const struct filter_ops route_ops = {
	.kind = "route",
	.size = sizeof(struct route),
	.destroy = route_destroy,
	.change = route_change,
	.remove = route_remove,
	.find = route_find,
	.walk = route_walk,
	.classify = route_classify,
	.pure = route_pure,
};
FILTER_REGISTER(route_ops)
