/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Actions: what is done to a packet that matched.
 *
 * An action lives in one table by kind and index, stands by itself (`tc actions add`) or is made by the filter that
 * first names it, and is shared by all that name its index. References and the table are the control thread's;
 * workers reach an action through their filter's list only, and an action outlives the list by a grace period.
 */
#include <stdlib.h>
#include <string.h>

#include <weir/shared_average.h>

#include "internal.h"

#define BUCKETS 4096

struct action_counters { /* one worker's cache line */
	_Alignas(64) struct action_stats stats;
};

struct action {
	const struct action_ops *ops;
	struct action_counters *counters; /* [workers] */
	unsigned int workers;
	struct shared_average *average; /* `est`; NULL: none */
	/* control's */
	uint32_t index;
	uint32_t references, binds;
	bool of_filter; /* the configuration in course is a filter's, which has chains to go to */
	uint32_t flags;
	uint8_t cookie_bytes;
	uint8_t cookie[ACTION_COOKIE_MAX];
	struct rcu *rcu;
	uint64_t created_ns;
	struct action *next; /* in its bucket */
	_Alignas(64) uint8_t priv[];
};

struct action_list {
	struct rcu *rcu;
	unsigned int n;
	bool bare;
	struct action *actions[];
};

static struct kind {
	const struct action_ops *ops;
	uint32_t lowest_free; /* no index below it is free */
} kinds[32];

static struct action *buckets[BUCKETS];

void
action_register(const struct action_ops *ops)
{
	for (size_t i = 0; i < RTE_DIM(kinds); i++)
		if (kinds[i].ops == NULL) {
			kinds[i] = (struct kind){ ops, 1 };
			return;
		}
	abort();
}

static struct kind *
find_kind(const char *kind)
{
	for (size_t i = 0; i < RTE_DIM(kinds) && kinds[i].ops != NULL; i++)
		if (strcmp(kinds[i].ops->kind, kind) == 0)
			return &kinds[i];
	return NULL;
}

const struct action_ops *
action_find_ops(const char *kind)
{
	const struct kind *k = find_kind(kind);

	return k != NULL ? k->ops : NULL;
}

static struct action **
bucket_of(const struct action_ops *ops, uint32_t index)
{
	return &buckets[(index ^ (uint32_t)((uintptr_t)ops >> 5)) % BUCKETS];
}

static struct action *
find(const struct action_ops *ops, uint32_t index)
{
	struct action *action = *bucket_of(ops, index);

	while (action != NULL && (action->ops != ops || action->index != index))
		action = action->next;
	return action;
}

static uint32_t
take_index(struct kind *kind)
{
	while (find(kind->ops, kind->lowest_free) != NULL)
		kind->lowest_free++;
	return kind->lowest_free;
}

static void
note_details(struct action *action, const struct action_spec *spec)
{
	action->flags = spec->flags;
	action->cookie_bytes = spec->cookie_bytes;
	memcpy(action->cookie, spec->cookie, sizeof(action->cookie));
}

static int
create(struct rcu *rcu, const struct action_spec *spec, bool of_filter, uint64_t now, struct action **made,
	struct error *err)
{
	struct kind *kind = find_kind(spec->kind);
	unsigned int workers = rcu_workers(rcu);
	size_t priv_bytes = RTE_ALIGN_CEIL(sizeof(struct action) + kind->ops->size, RTE_CACHE_LINE_SIZE);
	size_t bytes = priv_bytes + workers * sizeof(struct action_counters);
	struct action *action = aligned_alloc(RTE_CACHE_LINE_SIZE, bytes);
	struct action **bucket;
	int rc = 0;

	if (action == NULL)
		return error_code(err, ENOMEM);
	memset(action, 0, bytes);
	action->ops = kind->ops;
	action->counters = (struct action_counters *)((uint8_t *)action + priv_bytes);
	action->workers = workers;
	action->rcu = rcu;
	action->created_ns = now;
	action->of_filter = of_filter;
	action->index = spec->index;
	note_details(action, spec);
	if (spec->estimator != NULL)
		rc = shared_average_create(spec->estimator, now, 0, 0, &action->average, err);
	if (rc == 0)
		rc = kind->ops->init(action, spec->conf, err);
	if (rc != 0) {
		free(action->average);
		free(action);
		return rc;
	}
	if (action->index == 0)
		action->index = take_index(kind);
	bucket = bucket_of(kind->ops, action->index);
	action->next = *bucket;
	*bucket = action;
	*made = action;
	return 0;
}

static void
free_action(void *arg)
{
	struct action *action = arg;

	if (action->ops->destroy != NULL)
		action->ops->destroy(action);
	free(action->average);
	free(action);
}

static void
drop_reference(struct action *action)
{
	struct action **link = bucket_of(action->ops, action->index);
	struct kind *kind = find_kind(action->ops->kind);

	if (--action->references != 0)
		return;
	while (*link != action)
		link = &(*link)->next;
	*link = action->next;
	if (action->index < kind->lowest_free)
		kind->lowest_free = action->index;
	rcu_defer(action->rcu, free_action, action);
}

static int
check_spec(const struct action_spec *spec, struct error *err)
{
	const struct kind *kind = find_kind(spec->kind);

	if (kind == NULL)
		return error_set(
			err, ENOENT, "Failed to load TC action module: there is no action '%s' here", spec->kind);
	if (spec->conf == NULL && (spec->index == 0 || find(kind->ops, spec->index) == NULL))
		return error_set(err, EINVAL,
			"action %s: its options are missing, and no action with index %u exists to share", spec->kind,
			spec->index);
	return 0;
}

/* ---- lists -------------------------------------------------------------------------------------- */

static int
bind_one(struct filter_group *group, const struct action_spec *spec, struct action **bound, struct error *err)
{
	int rc = check_spec(spec, err);

	if (rc != 0)
		return rc;
	*bound = spec->index != 0 ? find(action_find_ops(spec->kind), spec->index) : NULL;
	if (*bound == NULL) {
		rc = create(filter_group_rcu(group), spec, true, filter_group_now(group), bound, err);
		if (rc != 0)
			return rc;
	}
	(*bound)->references++;
	(*bound)->binds++;
	return 0;
}

int
action_list_create(struct filter_group *group, const struct action_spec *specs, unsigned int n,
	struct action_list **made, struct error *err)
{
	struct action_list *list;

	*made = NULL;
	if (n == 0)
		return 0;
	if (n > ACTIONS_MAX)
		return error_set(err, EINVAL, "a filter may have %d actions, not %u", ACTIONS_MAX, n);
	list = calloc(1, sizeof(*list) + n * sizeof(list->actions[0]));
	if (list == NULL)
		return error_code(err, ENOMEM);
	list->rcu = filter_group_rcu(group);
	list->bare = specs[0].bare;
	for (; list->n < n; list->n++) {
		int rc = bind_one(group, &specs[list->n], &list->actions[list->n], err);

		if (rc != 0) {
			action_list_release(list);
			return rc;
		}
	}
	*made = list;
	return 0;
}

void
action_list_release(struct action_list *list)
{
	if (list == NULL)
		return;
	for (unsigned int i = 0; i < list->n; i++) {
		list->actions[i]->binds--;
		drop_reference(list->actions[i]);
	}
	rcu_defer(list->rcu, free, list);
}

bool
action_list_pure(const struct action_list *list)
{
	for (unsigned int i = 0; list != NULL && i < list->n; i++) {
		const struct action *action = list->actions[i];

		if (action->ops->pure != NULL && !action->ops->pure(action))
			return false;
	}
	return true;
}

unsigned int
action_list_count(const struct action_list *list)
{
	return list != NULL ? list->n : 0;
}

bool
action_list_bare(const struct action_list *list)
{
	return list != NULL && list->bare;
}

const struct action *
action_list_at(const struct action_list *list, unsigned int i)
{
	return list->actions[i];
}

struct action_stats *
action_stats_of(struct action *action, unsigned int worker)
{
	return &action->counters[worker < action->workers ? worker : 0].stats;
}

static void
sum_counted(const void *action, uint64_t *bytes, uint64_t *packets)
{
	struct action_stats stats;

	action_stats_sum(action, &stats);
	*bytes = stats.bytes;
	*packets = stats.packets;
}

static void
count(struct action *action, const struct classify_ctx *ctx, struct rte_mbuf *m)
{
	struct action_stats *stats = action_stats_of(action, ctx->worker);

	if (action->average != NULL)
		shared_average_catch_up(action->average, ctx->now, sum_counted, action);
	counter_add(&stats->packets, 1);
	counter_add(&stats->bytes, classify_bytes(ctx, m));
	if (stats->first_used_ns == 0)
		stats->first_used_ns = ctx->now;
	stats->last_used_ns = ctx->now;
}

int32_t
action_list_run(struct action_list *list, const struct classify_ctx *ctx, struct rte_mbuf *m, struct verdict *result)
{
	/* A jump backwards may be taken so often; a list that goes on jumping lets the packet pass, as Linux does. */
	unsigned int jumps = ACTIONS_MAX;
	int32_t answer = TC_ACT_OK;

	if (list != NULL && unlikely((pkt_of(m)->flags & PKT_SKIP_ACTIONS) != 0)) {
		pkt_of(m)->flags &= ~PKT_SKIP_ACTIONS;
		return TC_ACT_OK;
	}
	for (unsigned int i = 0; list != NULL && i < list->n; i++) {
		struct action *action = list->actions[i];

		count(action, ctx, m);
		answer = action->ops->act(action, ctx, m, result);
		if (unlikely(TC_ACT_EXT_CMP(answer, TC_ACT_JUMP))) {
			unsigned int target = answer & TC_ACT_EXT_VAL_MASK;

			if (target == 0 || target >= list->n || --jumps == 0)
				return TC_ACT_OK;
			i = target - 1;
		} else if (answer != TC_ACT_PIPE) {
			break;
		}
	}
	return answer;
}

int
action_check_verdict(const struct action *action, int32_t verdict, struct error *err)
{
	if (TC_ACT_EXT_CMP(verdict, TC_ACT_JUMP))
		return 0;
	if (TC_ACT_EXT_CMP(verdict, TC_ACT_GOTO_CHAIN))
		return action->of_filter ? 0 : error_set(err, EINVAL, "can't goto NULL proto/chain");
	switch (verdict) {
	case TC_ACT_UNSPEC:
	case TC_ACT_OK:
	case TC_ACT_RECLASSIFY:
	case TC_ACT_SHOT:
	case TC_ACT_PIPE:
	case TC_ACT_STOLEN:
	case TC_ACT_TRAP:
		return 0;
	default:
		return error_set(err, EINVAL,
			"%s: invalid control action %d: one of reclassify, drop, continue, pass, pipe, goto chain, "
			"jump, trap is wanted",
			action->ops->kind, verdict);
	}
}

int
action_check_fallback(const struct action *action, int32_t verdict, struct error *err)
{
	if (TC_ACT_EXT_CMP(verdict, TC_ACT_GOTO_CHAIN))
		return error_set(err, EINVAL, "goto chain not allowed on fallback");
	return action_check_verdict(action, verdict, err);
}

int
action_publish_conf(struct action *action, const void **published, const void *conf, struct error *err)
{
	void *copy = malloc(action->ops->conf_size), *old = (void *)(uintptr_t)*published;

	if (copy == NULL)
		return error_code(err, ENOMEM);
	memcpy(copy, conf, action->ops->conf_size);
	store_release(published, copy);
	if (old != NULL)
		rcu_defer(action->rcu, free, old);
	return 0;
}

void
action_free_conf(const void *conf)
{
	free((void *)(uintptr_t)conf);
}

/* ---- actions by themselves ---------------------------------------------------------------------- */

int
action_add(struct rcu *rcu, const struct action_spec *spec, uint16_t flags, uint64_t now, const struct action **made,
	struct error *err)
{
	struct action *action;
	int rc = check_spec(spec, err);

	if (rc != 0)
		return rc;
	action = spec->index != 0 ? find(action_find_ops(spec->kind), spec->index) : NULL;
	if (action != NULL && (flags & CHANGE_REPLACE) == 0)
		return error_code(err, EEXIST);
	if (action != NULL) {
		action->of_filter = false;
		rc = spec->conf != NULL ? action->ops->init(action, spec->conf, err) : 0;
		if (rc != 0)
			return rc;
		note_details(action, spec);
	} else {
		rc = create(rcu, spec, false, now, &action, err);
		if (rc != 0)
			return rc;
		action->references = 1;
	}
	if (made != NULL)
		*made = action;
	return 0;
}

const struct action *
action_find(const char *kind, uint32_t index)
{
	const struct action_ops *ops = action_find_ops(kind);

	return ops != NULL ? find(ops, index) : NULL;
}

int
action_delete(const char *kind, uint32_t index, struct error *err)
{
	const struct action_ops *ops = action_find_ops(kind);
	struct action *action = ops != NULL ? find(ops, index) : NULL;

	if (action == NULL)
		return error_set(err, ENOENT, "TC action with specified index not found");
	if (action->binds != 0)
		return error_set(err, EPERM,
			"Failed to delete TC action: %u filters use %s index %u; delete them first", action->binds,
			kind, index);
	drop_reference(action);
	return 0;
}

void
actions_port_gone(uint32_t ifindex)
{
	for (unsigned int i = 0; i < BUCKETS; i++)
		for (struct action *action = buckets[i]; action != NULL; action = action->next)
			if (action->ops->port_gone != NULL)
				action->ops->port_gone(action, ifindex);
}

static int
compare_index(const void *a, const void *b)
{
	uint32_t left = (*(const struct action *const *)a)->index, right = (*(const struct action *const *)b)->index;

	return (left > right) - (left < right);
}

static size_t
collect(const struct action_ops *ops, const struct action **found)
{
	size_t n = 0;

	for (unsigned int i = 0; i < BUCKETS; i++)
		for (const struct action *action = buckets[i]; action != NULL; action = action->next)
			if (action->ops == ops) {
				if (found != NULL)
					found[n] = action;
				n++;
			}
	return n;
}

int
action_walk(const char *kind, int (*visit)(void *arg, const struct action *action), void *arg)
{
	const struct action_ops *ops = action_find_ops(kind);
	size_t n = ops != NULL ? collect(ops, NULL) : 0;
	const struct action **found;
	int rc = 0;

	if (n == 0)
		return 0;
	found = malloc(n * sizeof(struct action *));
	if (found == NULL)
		return -ENOMEM;
	collect(ops, found);
	qsort(found, n, sizeof(struct action *), compare_index);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = visit(arg, found[i]);
	free(found);
	return rc;
}

const struct action_ops *
action_ops_of(const struct action *action)
{
	return action->ops;
}

uint32_t
action_index(const struct action *action)
{
	return action->index;
}

uint32_t
action_refs(const struct action *action)
{
	return action->references;
}

uint32_t
action_binds(const struct action *action)
{
	return action->binds;
}

uint32_t
action_flags(const struct action *action)
{
	return action->flags;
}

const uint8_t *
action_cookie(const struct action *action, unsigned int *bytes)
{
	*bytes = action->cookie_bytes;
	return action->cookie;
}

void *
action_priv(const struct action *action)
{
	return (void *)(uintptr_t)action->priv;
}

struct rcu *
action_rcu(const struct action *action)
{
	return action->rcu;
}

uint64_t
action_created_ns(const struct action *action)
{
	return action->created_ns;
}

void
action_stats_sum(const struct action *action, struct action_stats *sum)
{
	*sum = (struct action_stats){ 0 };
	for (unsigned int i = 0; i < action->workers; i++) {
		const struct action_stats *stats = &action->counters[i].stats;

		sum->packets += load_relaxed(&stats->packets);
		sum->bytes += load_relaxed(&stats->bytes);
		sum->drops += load_relaxed(&stats->drops);
		sum->overlimits += load_relaxed(&stats->overlimits);
		if (stats->first_used_ns != 0 && (sum->first_used_ns == 0 || stats->first_used_ns < sum->first_used_ns))
			sum->first_used_ns = stats->first_used_ns;
		sum->last_used_ns = RTE_MAX(sum->last_used_ns, stats->last_used_ns);
	}
}

const struct tc_estimator *
action_estimator(const struct action *action)
{
	return action->average != NULL ? &action->average->average.spec : NULL;
}

struct action_rate
action_rate(const struct action *action, uint64_t now)
{
	struct shared_average *a = action->average;

	if (a == NULL)
		return (struct action_rate){ 0 };
	shared_average_catch_up(a, now, sum_counted, action);
	return (struct action_rate){ .Bps = load_relaxed(&a->Bps), .pps = load_relaxed(&a->pps) };
}
