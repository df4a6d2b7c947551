/* SPDX-License-Identifier: BSD-3-Clause */
/* What classifiers are given: they are found by kind, have random numbers, and ask about the group that they are in. */
#include <stdlib.h>
#include <string.h>

#include <weir/random.h>

#include "internal.h"

static const struct filter_ops *registered[32];

void
filter_register(const struct filter_ops *ops)
{
	for (size_t i = 0; i < RTE_DIM(registered); i++)
		if (registered[i] == NULL) {
			registered[i] = ops;
			return;
		}
	abort();
}

const struct filter_ops *
filter_find_ops(const char *kind)
{
	for (size_t i = 0; i < RTE_DIM(registered) && registered[i] != NULL; i++)
		if (strcmp(registered[i]->kind, kind) == 0)
			return registered[i];
	return NULL;
}

static uint64_t random_state;

void
classify_seed(uint64_t seed)
{
	random_state = seed;
}

uint64_t
classify_random(void)
{
	return random_next(&random_state) | 1;
}

/* ---- groups, for classifiers -------------------------------------------------------------------- */

void *
filter_group_priv(const struct filter_group *group)
{
	return (void *)(uintptr_t)group->priv;
}

struct rcu *
filter_group_rcu(const struct filter_group *group)
{
	return group->chain->rcu;
}

uint32_t
filter_group_preference(const struct filter_group *group)
{
	return group->preference;
}

uint32_t
filter_group_handle(const struct filter_group *group)
{
	return load_relaxed(&group->chain->handle);
}

int
filter_target_init(struct filter_group *group, struct filter_target *target, uint32_t classid,
	const struct action_spec *actions, unsigned int n_actions, struct error *err)
{
	int rc = action_list_create(group, actions, n_actions, &target->actions, err);

	if (rc != 0)
		return rc;
	target->classid = classid;
	target->pure = action_list_pure(target->actions);
	filter_group_bind(group, classid);
	return 0;
}

void
filter_target_release(struct filter_group *group, struct filter_target *target)
{
	filter_group_unbind(group, target->classid);
	action_list_release(target->actions);
}

void
filter_group_bind(struct filter_group *group, uint32_t classid)
{
	class_uses_add(&group->chain->shared->uses, classid);
}

void
filter_group_unbind(struct filter_group *group, uint32_t classid)
{
	class_uses_drop(&group->chain->shared->uses, classid);
}

uint64_t
filter_group_now(const struct filter_group *group)
{
	return group->chain->now;
}

unsigned int
rcu_workers(const struct rcu *rcu)
{
	return rcu != NULL ? rcu->qsbr->max_threads : 1;
}

void **
filter_group_u32_tables(const struct filter_group *group)
{
	return &group->chain->shared->u32_tables;
}
