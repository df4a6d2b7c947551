/* SPDX-License-Identifier: BSD-3-Clause */
/* matchall: one filter, which every packet matches; tc-matchall(8). */
#include <stdlib.h>

#include <weir/filter/matchall.h>

#include "internal.h"

struct hits { /* one worker's cache line */
	_Alignas(64) uint64_t packets;
};

struct matchall_filter {
	struct filter_target target;
	uint32_t handle, flags;
	unsigned int workers;
	struct hits hits[]; /* [workers] */
};

struct matchall {
	struct matchall_filter *filter; /* published; NULL only before the first change */
};

static void
retire(struct filter_group *group, struct matchall_filter *filter)
{
	filter_target_release(group, &filter->target);
	rcu_defer(filter_group_rcu(group), free, filter);
}

static struct matchall_filter *
allocate(const struct filter_group *group)
{
	unsigned int workers = rcu_workers(filter_group_rcu(group));
	size_t bytes = sizeof(struct matchall_filter) + workers * sizeof(struct hits);
	struct matchall_filter *filter = aligned_alloc(_Alignof(struct matchall_filter), bytes);

	if (filter != NULL) {
		*filter = (struct matchall_filter){ .workers = workers };
		for (unsigned int i = 0; i < workers; i++)
			filter->hits[i].packets = 0;
	}
	return filter;
}

/* There may be one only, and it stays as it is until it is deleted: so on Linux. */
static int
matchall_change(struct filter_group *group, void *existing, uint32_t *handle, const void *options, void **made,
	struct error *err)
{
	struct matchall *matchall = filter_group_priv(group);
	const struct matchall_conf *conf = options;
	struct matchall_filter *filter;
	int rc;

	if (conf == NULL)
		return error_set(
			err, EINVAL, "matchall: a class or an action is missing, as in 'matchall classid 1:10'");
	if (matchall->filter != NULL)
		return error_set(err, EEXIST,
			"matchall: there is one with this preference, and it cannot be changed; delete it first");
	filter = allocate(group);
	if (filter == NULL)
		return error_code(err, ENOMEM);
	rc = filter_target_init(group, &filter->target, conf->classid, conf->actions, conf->n_actions, err);
	if (rc != 0) {
		free(filter);
		return rc;
	}
	filter->flags = conf->flags;
	filter->handle = *handle = *handle != 0 ? *handle : 1;
	store_release(&matchall->filter, filter);
	*made = filter;
	return 0;
}

static int
matchall_remove(struct filter_group *group, void *filter, bool *last, struct error *err)
{
	*last = true; /* it goes with its group */
	return 0;
}

static void
matchall_destroy(struct filter_group *group)
{
	struct matchall *matchall = filter_group_priv(group);

	if (matchall->filter != NULL)
		retire(group, matchall->filter);
}

static void *
matchall_find(const struct filter_group *group, uint32_t handle)
{
	const struct matchall *matchall = filter_group_priv(group);

	return matchall->filter != NULL && matchall->filter->handle == handle ? matchall->filter : NULL;
}

static int
matchall_walk(const struct filter_group *group, int (*visit)(void *arg, uint32_t handle, const void *filter), void *arg)
{
	const struct matchall *matchall = filter_group_priv(group);

	return matchall->filter != NULL ? visit(arg, matchall->filter->handle, matchall->filter) : 0;
}

static void
matchall_classify(const struct filter_group *group, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
	struct verdict *results)
{
	struct matchall_filter *filter = load_acquire(&((struct matchall *)filter_group_priv(group))->filter);

	if (filter == NULL)
		return;
	counter_add(&filter->hits[ctx->worker < filter->workers ? ctx->worker : 0].packets, n);
	for (uint16_t i = 0; i < n; i++)
		results[i] = filter_target_answer(&filter->target, ctx, pkts[i]);
}

static bool
matchall_pure(const struct filter_group *group)
{
	const struct matchall *matchall = filter_group_priv(group);

	return matchall->filter == NULL || matchall->filter->target.pure;
}

void
matchall_get_conf(const void *filter, struct matchall_conf *conf)
{
	const struct matchall_filter *f = filter;

	*conf = (struct matchall_conf){ .classid = f->target.classid, .flags = f->flags };
}

const struct action_list *
matchall_actions(const void *filter)
{
	return ((const struct matchall_filter *)filter)->target.actions;
}

uint64_t
matchall_hits(const void *filter)
{
	const struct matchall_filter *f = filter;
	uint64_t sum = 0;

	for (unsigned int i = 0; i < f->workers; i++)
		sum += load_relaxed(&f->hits[i].packets);
	return sum;
}

static const struct filter_ops matchall_ops = {
	.kind = "matchall",
	.size = sizeof(struct matchall),
	.destroy = matchall_destroy,
	.change = matchall_change,
	.remove = matchall_remove,
	.find = matchall_find,
	.walk = matchall_walk,
	.classify = matchall_classify,
	.pure = matchall_pure,
};
FILTER_REGISTER(matchall_ops)
