/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A filter chain: groups of filters in the order of their preference.
 *
 * The control thread owns the chain. Workers see an array of groups that is never written once it is published: a new or
 * a deleted group means a new array. What is inside a group is its classifier's, which publishes in the same way.
 */
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>

#include <rte_branch_prediction.h>

#include "internal.h"

/* tc's own choices of a preference start here and count down, each below the chain's first: what is added later comes earlier. */
#define FIRST_AUTOMATIC_PREFERENCE 49152

/* As often an action may say "reclassify" before the packet is dropped as going round in circles. */
#define RECLASSIFY_MAX 16

#define TABLE_ID_FIRST 0x800
#define TABLE_IDS      0x800

struct filter_group {
	const struct filter_ops *ops;
	struct chain *chain;
	uint32_t preference;
	uint16_t protocol;
	_Alignas(64) uint8_t priv[];
};

struct group_list {
	uint32_t n;
	struct filter_group *groups[];
};

/* What all chains of a qdisc have in common: the numbers of u32's tables. */
struct numbering {
	uint32_t references;
	uint32_t in_use;
	uint32_t next; /* offset from TABLE_ID_FIRST */
	uint8_t taken[TABLE_IDS / 8];
};

struct chain {
	struct group_list *groups; /* published; NULL: none */
	bool impure;
	/* control's */
	struct rcu *rcu;
	struct numbering *numbering;
	struct class_uses uses;
	uint32_t handle, parent;
	uint64_t now; /* of the change in course */
};

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

/* ---- groups, for classifiers --------------------------------------------------------------------------------------------- */

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

const struct filter_ops *
filter_group_ops(const struct filter_group *group)
{
	return group->ops;
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

void
filter_group_bind(struct filter_group *group, uint32_t classid)
{
	class_uses_add(&group->chain->uses, classid);
}

void
filter_group_unbind(struct filter_group *group, uint32_t classid)
{
	class_uses_drop(&group->chain->uses, classid);
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

/* Numbers are not used again until all have been, so that a script's old `ht 801:` does not meet another table. */
uint32_t
filter_group_take_table_id(struct filter_group *group)
{
	struct numbering *numbering = group->chain->numbering;

	if (numbering->in_use == 0)
		numbering->next = 0;
	for (uint32_t i = 0; i < TABLE_IDS; i++) {
		uint32_t offset = (numbering->next + i) % TABLE_IDS;

		if ((numbering->taken[offset / 8] & (1U << offset % 8)) == 0) {
			numbering->taken[offset / 8] |= 1U << offset % 8;
			numbering->next = offset + 1;
			numbering->in_use++;
			return TABLE_ID_FIRST + offset;
		}
	}
	return 0;
}

void
filter_group_return_table_id(struct filter_group *group, uint32_t id)
{
	struct numbering *numbering = group->chain->numbering;
	uint32_t offset = id - TABLE_ID_FIRST;

	numbering->taken[offset / 8] &= ~(1U << offset % 8);
	numbering->in_use--;
}

bool
filter_group_has_last_table(const struct filter_group *group)
{
	return group->chain->numbering->in_use == 1;
}

static void
numbering_leave(struct numbering *numbering)
{
	if (--numbering->references == 0)
		free(numbering);
}

/* ---- the chain ----------------------------------------------------------------------------------------------------------- */

struct chain *
chain_create(struct rcu *rcu)
{
	struct chain *chain = calloc(1, sizeof(*chain));
	struct numbering *numbering = calloc(1, sizeof(*numbering));

	if (chain == NULL || numbering == NULL) {
		free(chain);
		free(numbering);
		return NULL;
	}
	numbering->references = 1;
	chain->rcu = rcu;
	chain->numbering = numbering;
	return chain;
}

void
chain_set_handle(struct chain *chain, uint32_t handle)
{
	__atomic_store_n(&chain->handle, handle, __ATOMIC_RELAXED);
}

void
chain_set_parent(struct chain *chain, uint32_t parent)
{
	chain->parent = parent;
}

uint32_t
chain_parent(const struct chain *chain)
{
	return chain->parent;
}

void
chain_join(struct chain *chain, struct chain *elder)
{
	if (chain->numbering == elder->numbering || chain->groups != NULL)
		return;
	elder->numbering->references++;
	numbering_leave(chain->numbering);
	chain->numbering = elder->numbering;
}

bool
chain_empty(const struct chain *chain)
{
	return load_relaxed(&chain->groups) == NULL;
}

bool
chain_pure(const struct chain *chain)
{
	return !load_relaxed(&chain->impure);
}

uint32_t
chain_uses_class(const struct chain *chain, uint32_t classid)
{
	return class_uses_count(&chain->uses, classid);
}

static void
note_purity(struct chain *chain)
{
	const struct group_list *list = chain->groups;
	bool impure = false;

	for (uint32_t i = 0; list != NULL && i < list->n; i++)
		impure |= !list->groups[i]->ops->pure(list->groups[i]);
	__atomic_store_n(&chain->impure, impure, __ATOMIC_RELAXED);
}

/* The group array without [gone] or with `added` before [at]; NULL and ENOMEM when memory is out. An empty one is NULL. */
static int
publish_groups(struct chain *chain, uint32_t at, struct filter_group *added)
{
	struct group_list *old = chain->groups;
	uint32_t old_n = old != NULL ? old->n : 0;
	uint32_t n = added != NULL ? old_n + 1 : old_n - 1;
	struct group_list *list = NULL;

	if (n != 0) {
		list = malloc(sizeof(*list) + n * sizeof(list->groups[0]));
		if (list == NULL)
			return -ENOMEM;
		list->n = n;
		for (uint32_t i = 0, j = 0; i < n; i++)
			if (added != NULL && i == at) {
				list->groups[i] = added;
			} else {
				if (added == NULL && j == at)
					j++;
				list->groups[i] = old->groups[j++];
			}
	}
	store_release(&chain->groups, list);
	if (old != NULL)
		rcu_defer(chain->rcu, free, old);
	return 0;
}

static void
group_destroy(struct filter_group *group)
{
	if (group->ops->destroy != NULL)
		group->ops->destroy(group);
	rcu_defer(group->chain->rcu, free, group);
}

void
chain_destroy(struct chain *chain)
{
	struct group_list *list;

	if (chain == NULL)
		return;
	list = chain->groups;
	store_release(&chain->groups, NULL);
	for (uint32_t i = 0; list != NULL && i < list->n; i++)
		group_destroy(list->groups[i]);
	numbering_leave(chain->numbering);
	class_uses_free(&chain->uses);
	if (list != NULL)
		rcu_defer(chain->rcu, free, list);
	rcu_defer(chain->rcu, free, chain);
}

/* The place of the first group with at least this preference. */
static uint32_t
place_of(const struct chain *chain, uint32_t preference)
{
	const struct group_list *list = chain->groups;
	uint32_t at = 0;

	while (list != NULL && at < list->n && list->groups[at]->preference < preference)
		at++;
	return at;
}

/* The group of a message's preference and protocol (0: any); NULL with *err untouched if there is none. */
static int
find_group(const struct chain *chain, const struct filter_spec *spec, uint32_t *at, struct filter_group **found,
	struct error *err)
{
	const struct group_list *list = chain->groups;

	*found = NULL;
	*at = place_of(chain, spec->preference);
	if (list == NULL || *at == list->n || list->groups[*at]->preference != spec->preference)
		return 0;
	if (spec->protocol != 0 && list->groups[*at]->protocol != spec->protocol)
		return error_set(err, EINVAL, "Filter with specified priority/protocol not found");
	*found = list->groups[*at];
	return 0;
}

static int
check_kind(const struct filter_group *group, const struct filter_spec *spec, struct error *err)
{
	if (spec->kind != NULL && strcmp(spec->kind, group->ops->kind) != 0)
		return error_set(err, EINVAL, "Specified filter kind does not match existing one");
	return 0;
}

static void
describe(const struct filter_group *group, uint32_t handle, const void *filter, struct filter_info *info)
{
	if (info != NULL)
		*info = (struct filter_info){ group->preference, group->protocol, handle, group->ops->kind, group,
			filter };
}

static uint32_t
automatic_preference(const struct chain *chain)
{
	return chain->groups != NULL ? chain->groups->groups[0]->preference - 1 : FIRST_AUTOMATIC_PREFERENCE;
}

static int
make_group(struct chain *chain, const struct filter_spec *spec, uint32_t preference, struct filter_group **made,
	struct error *err)
{
	const struct filter_ops *ops = filter_find_ops(spec->kind);
	struct filter_group *group;
	size_t bytes;
	int rc;

	if (ops == NULL)
		return error_set(err, ENOENT, "TC classifier not found: there is no '%s' here", spec->kind);
	bytes = RTE_ALIGN_CEIL(sizeof(*group) + ops->size, RTE_CACHE_LINE_SIZE);
	group = aligned_alloc(RTE_CACHE_LINE_SIZE, bytes);
	if (group == NULL)
		return error_code(err, ENOMEM);
	memset(group, 0, bytes);
	group->ops = ops;
	group->chain = chain;
	group->preference = preference;
	group->protocol = spec->protocol;
	rc = ops->init != NULL ? ops->init(group, err) : 0;
	if (rc != 0) {
		free(group);
		return rc;
	}
	*made = group;
	return 0;
}

#define NEEDS_CREATE "Need both RTM_NEWTFILTER and NLM_F_CREATE to create a new filter"

static int
add_with_new_group(struct chain *chain, const struct filter_spec *spec, uint16_t flags, struct filter_info *info,
	struct error *err)
{
	uint32_t preference = spec->preference, handle = spec->handle;
	struct filter_group *group = NULL;
	void *filter = NULL;
	int rc;

	if (spec->kind == NULL || spec->protocol == 0)
		return error_set(err, EINVAL, "Filter kind and protocol must be specified");
	if ((flags & CHANGE_CREATE) == 0)
		return error_set(err, ENOENT, NEEDS_CREATE);
	if (preference == 0)
		preference = automatic_preference(chain);
	if (preference == 0)
		return error_set(err, ENOSPC,
			"no preference is free before the chain's first filter, which has 1: give one, as in 'prio "
			"10'");
	rc = make_group(chain, spec, preference, &group, err);
	if (rc != 0)
		return rc;
	rc = group->ops->change(group, NULL, &handle, spec->conf, &filter, err);
	if (rc == 0 && publish_groups(chain, place_of(chain, preference), group) != 0)
		rc = error_code(err, ENOMEM);
	if (rc != 0) {
		group_destroy(group);
		return rc;
	}
	describe(group, handle, filter, info);
	return 0;
}

static int
add_to_group(struct filter_group *group, const struct filter_spec *spec, uint16_t flags, struct filter_info *info,
	struct error *err)
{
	uint32_t handle = spec->handle;
	void *existing = handle != 0 ? group->ops->find(group, handle) : NULL;
	void *filter = NULL;
	int rc = check_kind(group, spec, err);

	if (rc != 0)
		return rc;
	if (existing == NULL && (flags & CHANGE_CREATE) == 0)
		return error_set(err, ENOENT, NEEDS_CREATE);
	if (existing != NULL && (flags & CHANGE_EXCLUSIVE) != 0)
		return error_set(err, EEXIST, "Filter already exists");
	rc = group->ops->change(group, existing, &handle, spec->conf, &filter, err);
	if (rc == 0)
		describe(group, handle, filter, info);
	return rc;
}

int
chain_filter_add(struct chain *chain, const struct filter_spec *spec, uint16_t flags, struct filter_info *info,
	struct error *err)
{
	struct filter_group *group = NULL;
	uint32_t at;
	int rc;

	if (spec->preference == 0 && (flags & CHANGE_CREATE) == 0)
		return error_set(err, ENOENT, "Invalid filter command with priority of zero");
	chain->now = spec->now;
	if (spec->preference != 0) {
		rc = find_group(chain, spec, &at, &group, err);
		if (rc != 0)
			return rc;
	}
	rc = group != NULL ? add_to_group(group, spec, flags, info, err)
			   : add_with_new_group(chain, spec, flags, info, err);
	note_purity(chain);
	return rc;
}

typedef void gone_fn(void *arg, const struct filter_info *info);

static int
delete_group(struct chain *chain, uint32_t at, gone_fn *gone, void *arg, struct error *err)
{
	struct filter_group *group = chain->groups->groups[at];
	struct filter_info info;

	describe(group, 0, NULL, &info);
	if (publish_groups(chain, at, NULL) != 0)
		return error_code(err, ENOMEM);
	if (gone != NULL)
		gone(arg, &info);
	group_destroy(group);
	return 0;
}

static int
delete_all(struct chain *chain, const struct filter_spec *spec, gone_fn *gone, void *arg, struct error *err)
{
	if (spec->protocol != 0 || spec->handle != 0 || spec->kind != NULL)
		return error_set(err, ENOENT, "Cannot flush filters with protocol, handle or kind set");
	while (chain->groups != NULL) {
		int rc = delete_group(chain, 0, gone, arg, err);

		if (rc != 0)
			return rc;
	}
	return 0;
}

static int
delete_one(struct chain *chain, uint32_t at, uint32_t handle, gone_fn *gone, void *arg, struct error *err)
{
	struct filter_group *group = chain->groups->groups[at];
	void *filter = group->ops->find(group, handle);
	struct filter_info info;
	bool last = false;
	int rc;

	if (filter == NULL)
		return error_set(err, ENOENT, "Specified filter handle not found");
	if (group->ops->check_remove != NULL) {
		rc = group->ops->check_remove(group, filter, err);
		if (rc != 0)
			return rc;
	}
	describe(group, handle, filter, &info);
	if (gone != NULL)
		gone(arg, &info);
	rc = group->ops->remove(group, filter, &last, err);
	if (rc == 0 && last)
		rc = delete_group(chain, at, NULL, NULL, err);
	return rc;
}

int
chain_filter_delete(struct chain *chain, const struct filter_spec *spec, gone_fn *gone, void *arg, struct error *err)
{
	struct filter_group *group;
	uint32_t at;
	int rc;

	if (spec->preference == 0) {
		rc = delete_all(chain, spec, gone, arg, err);
	} else if (chain->groups == NULL) {
		rc = error_set(err, ENOENT, "Cannot find specified filter chain");
	} else {
		rc = find_group(chain, spec, &at, &group, err);
		if (rc == 0 && group == NULL)
			rc = error_set(err, ENOENT, "Filter with specified priority/protocol not found");
		if (rc == 0)
			rc = check_kind(group, spec, err);
		if (rc == 0)
			rc = spec->handle == 0 ? delete_group(chain, at, gone, arg, err)
					       : delete_one(chain, at, spec->handle, gone, arg, err);
	}
	note_purity(chain);
	return rc;
}

int
chain_filter_get(const struct chain *chain, const struct filter_spec *spec, struct filter_info *info, struct error *err)
{
	struct filter_group *group;
	uint32_t at;
	void *filter;
	int rc;

	if (spec->preference == 0)
		return error_set(err, ENOENT, "Invalid filter command with priority of zero");
	if (chain->groups == NULL)
		return error_set(err, EINVAL, "Cannot find specified filter chain");
	rc = find_group(chain, spec, &at, &group, err);
	if (rc != 0)
		return rc;
	if (group == NULL)
		return error_set(err, ENOENT, "Filter with specified priority/protocol not found");
	rc = check_kind(group, spec, err);
	if (rc != 0)
		return rc;
	filter = group->ops->find(group, spec->handle);
	if (filter == NULL)
		return error_set(err, ENOENT, "Specified filter handle not found");
	describe(group, spec->handle, filter, info);
	return 0;
}

struct walk {
	const struct filter_group *group;
	int (*visit)(void *arg, const struct filter_info *info);
	void *arg;
};

static int
visit_filter(void *arg, uint32_t handle, const void *filter)
{
	struct walk *walk = arg;
	struct filter_info info;

	describe(walk->group, handle, filter, &info);
	return walk->visit(walk->arg, &info);
}

int
chain_walk(const struct chain *chain, int (*visit)(void *arg, const struct filter_info *info), void *arg)
{
	const struct group_list *list = chain->groups;

	for (uint32_t i = 0; list != NULL && i < list->n; i++) {
		struct walk walk = { list->groups[i], visit, arg };
		struct filter_info info;
		int rc;

		describe(walk.group, 0, NULL, &info);
		rc = visit(arg, &info);
		if (rc == 0)
			rc = walk.group->ops->walk(walk.group, visit_filter, &walk);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* ---- classification ------------------------------------------------------------------------------------------------------ */

/* Asks one group about those of the burst that are undecided and of its protocol. */
static void
ask_group(const struct filter_group *group, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
	struct verdict *results)
{
	struct rte_mbuf *asked[CLASSIFY_BURST];
	struct verdict answers[CLASSIFY_BURST];
	uint8_t place[CLASSIFY_BURST];
	uint16_t asked_n = 0;

	for (uint16_t i = 0; i < n; i++) {
		place[asked_n] = i;
		asked[asked_n] = pkts[i];
		answers[asked_n] = (struct verdict){ .action = TC_ACT_UNSPEC };
		asked_n += results[i].action == TC_ACT_UNSPEC &&
			   (group->protocol == htons(ETH_P_ALL) || group->protocol == pkt_of(pkts[i])->protocol);
	}
	if (asked_n == 0)
		return;
	group->ops->classify(group, ctx, asked, asked_n, answers);
	for (uint16_t i = 0; i < asked_n; i++)
		results[place[i]] = answers[i];
}

static void
ask_all(const struct group_list *list, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
	struct verdict *results)
{
	for (uint16_t i = 0; i < n; i++)
		results[i] = (struct verdict){ .action = TC_ACT_UNSPEC };
	for (uint32_t i = 0; i < list->n; i++)
		ask_group(list->groups[i], ctx, pkts, n, results);
}

/* A packet whose actions asked for it is taken through the chain again, by itself: its mark may be another now. */
static void
ask_again(const struct group_list *list, const struct classify_ctx *ctx, struct rte_mbuf *m, struct verdict *result)
{
	for (unsigned int i = 0; i < RECLASSIFY_MAX && result->action == TC_ACT_RECLASSIFY; i++)
		ask_all(list, ctx, &m, 1, result);
	if (result->action == TC_ACT_RECLASSIFY)
		result->action = TC_ACT_SHOT;
}

static int32_t
simplify(int32_t action)
{
	switch (action) {
	case TC_ACT_UNSPEC:
		return TC_ACT_UNSPEC;
	case TC_ACT_SHOT:
	case TC_ACT_STOLEN:
	case TC_ACT_QUEUED:
	case TC_ACT_TRAP:
		return TC_ACT_SHOT;
	default:
		return TC_ACT_OK;
	}
}

void
chain_classify(const struct chain *chain, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
	struct verdict *results)
{
	const struct group_list *list = load_acquire(&chain->groups);

	if (list == NULL || (ctx->moved && !chain_pure(chain))) {
		for (uint16_t i = 0; i < n; i++)
			results[i] = (struct verdict){ .action = TC_ACT_UNSPEC };
		return;
	}
	for (unsigned int done = 0; done < n; done += CLASSIFY_BURST) {
		uint16_t burst = RTE_MIN(n - done, (unsigned int)CLASSIFY_BURST);

		ask_all(list, ctx, pkts + done, burst, results + done);
		for (unsigned int i = done; i < done + burst; i++) {
			if (unlikely(results[i].action == TC_ACT_RECLASSIFY))
				ask_again(list, ctx, pkts[i], &results[i]);
			results[i].action = simplify(results[i].action);
		}
	}
}
