/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A filter chain: groups of filters in the order of their preference.
 *
 * The control thread owns the chain. Workers see an array of groups that is never written once it is published: a new
 * or a deleted group means a new array. What is inside a group is its classifier's, which publishes in the same way.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/*
 * tc's own choices of a preference start at the first and count down, each below the last one chosen: what is added
 * later comes earlier. What is below the least was chosen by hand.
 */
#define FIRST_AUTOMATIC_PREFERENCE 0xc000
#define LEAST_AUTOMATIC_PREFERENCE 0x8000

static void
leave_shared(struct chain_shared *shared)
{
	if (--shared->references != 0)
		return;
	class_uses_free(&shared->uses);
	free(shared);
}

struct chain *
chain_create(struct rcu *rcu)
{
	struct chain *chain = calloc(1, sizeof(*chain));
	struct chain_shared *shared = calloc(1, sizeof(*shared));

	if (chain == NULL || shared == NULL) {
		free(chain);
		free(shared);
		return NULL;
	}
	shared->references = 1;
	chain->rcu = rcu;
	chain->shared = shared;
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
	if (chain->shared == elder->shared || chain->groups != NULL)
		return;
	elder->shared->references++;
	leave_shared(chain->shared);
	chain->shared = elder->shared;
}

bool
chain_empty(const struct chain *chain)
{
	return load_relaxed(&chain->groups) == NULL;
}

bool
chain_pure(const struct chain *chain)
{
	const struct group_list *list = load_acquire(&chain->groups);

	for (uint32_t i = 0; list != NULL && i < list->n; i++)
		if (!list->groups[i]->ops->pure(list->groups[i]))
			return false;
	return true;
}

uint32_t
chain_uses_class(const struct chain *chain, uint32_t classid)
{
	return class_uses_count(&chain->shared->uses, classid);
}

/* ---- chains within the chain */

/* The place among all, n_indices if there is none. */
static uint32_t
place_of_index(const struct chain *chain, uint32_t index)
{
	uint32_t at = 0;

	while (at < chain->n_indices && chain->indices[at].index != index)
		at++;
	return at;
}

bool
chain_has(const struct chain *chain, uint32_t index)
{
	return place_of_index(chain, index) < chain->n_indices;
}

/* Makes sure that it is there. */
static int
add_index(struct chain *chain, uint32_t index, bool named)
{
	uint32_t at = place_of_index(chain, index);

	if (at == chain->n_indices) {
		struct chain_index *more = realloc(chain->indices, (at + 1) * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		more[at] = (struct chain_index){ .index = index };
		chain->indices = more;
		chain->n_indices++;
	}
	chain->indices[at].named |= named;
	return 0;
}

static bool
has_groups(const struct chain *chain, uint32_t index)
{
	const struct group_list *list = chain->groups;

	for (uint32_t i = 0; list != NULL && i < list->n; i++)
		if (list->groups[i]->index == index)
			return true;
	return false;
}

static void
drop_index_if_unused(struct chain *chain, uint32_t index)
{
	uint32_t at = place_of_index(chain, index);

	if (at == chain->n_indices || chain->indices[at].named || has_groups(chain, index))
		return;
	free(chain->indices[at].template);
	chain->n_indices--;
	memmove(&chain->indices[at], &chain->indices[at + 1], (chain->n_indices - at) * sizeof(chain->indices[0]));
}

int
chain_walk_indices(const struct chain *chain, int (*visit)(void *arg, uint32_t index, bool named), void *arg)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < chain->n_indices; i++)
		rc = visit(arg, chain->indices[i].index, chain->indices[i].named);
	return rc;
}

/* ---- groups */

static void
find_chain_0(struct group_list *list)
{
	list->first = 0;
	while (list->first < list->n && list->groups[list->first]->index != 0)
		list->first++;
	list->end = list->first;
	while (list->end < list->n && list->groups[list->end]->index == 0)
		list->end++;
}

/*
 * The group array without `removed` groups from [at] on, or with `added` before [at]; -ENOMEM when memory is out. An
 * empty one is NULL.
 */
static int
make_groups(
	const struct chain *chain, uint32_t at, uint32_t removed, struct filter_group *added, struct group_list **made)
{
	const struct group_list *old = chain->groups;
	uint32_t old_n = old != NULL ? old->n : 0;
	uint32_t n = old_n - removed + (added != NULL);
	struct group_list *list = NULL;

	if (n != 0) {
		uint32_t to = 0;

		list = malloc(sizeof(*list) + n * sizeof(list->groups[0]));
		if (list == NULL)
			return -ENOMEM;
		list->n = n;
		for (uint32_t from = 0; from < at; from++)
			list->groups[to++] = old->groups[from];
		if (added != NULL)
			list->groups[to++] = added;
		for (uint32_t from = at + removed; from < old_n; from++)
			list->groups[to++] = old->groups[from];
		find_chain_0(list);
	}
	*made = list;
	return 0;
}

/* The list before it is the caller's to free, by rcu. */
static int
publish_groups(struct chain *chain, uint32_t at, uint32_t removed, struct filter_group *added)
{
	struct group_list *list;
	int rc = make_groups(chain, at, removed, added, &list);

	if (rc == 0)
		store_release(&chain->groups, list);
	return rc;
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
	leave_shared(chain->shared);
	if (list != NULL)
		rcu_defer(chain->rcu, free, list);
	for (uint32_t i = 0; i < chain->n_indices; i++)
		free(chain->indices[i].template);
	free(chain->indices);
	rcu_defer(chain->rcu, free, chain);
}

/* The place of the first group that comes no earlier than one with this chain and preference would. */
static uint32_t
place_of(const struct chain *chain, uint32_t index, uint32_t preference)
{
	const struct group_list *list = chain->groups;
	uint32_t rank = place_of_index(chain, index), at = 0;

	for (; list != NULL && at < list->n; at++) {
		const struct filter_group *group = list->groups[at];
		uint32_t other = place_of_index(chain, group->index);

		if (other > rank || (other == rank && group->preference >= preference))
			break;
	}
	return at;
}

/* The group at a place, if it is of that chain. */
static struct filter_group *
group_at(const struct chain *chain, uint32_t at, uint32_t index)
{
	const struct group_list *list = chain->groups;

	return list != NULL && at < list->n && list->groups[at]->index == index ? list->groups[at] : NULL;
}

/* The group of a message's preference and protocol (0: any); NULL with *err untouched if there is none. */
static int
find_group(const struct chain *chain, const struct filter_spec *spec, uint32_t *at, struct filter_group **found,
	struct error *err)
{
	struct filter_group *group;

	*found = NULL;
	*at = place_of(chain, spec->chain, spec->preference);
	group = group_at(chain, *at, spec->chain);
	if (group == NULL || group->preference != spec->preference)
		return 0;
	if (spec->protocol != 0 && group->protocol != spec->protocol)
		return error_set(err, EINVAL, "Filter with specified priority/protocol not found");
	*found = group;
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
		*info = (struct filter_info){ group->index, group->preference, group->protocol, handle,
			group->ops->kind, group, filter };
}

/* 0: none is free. */
static uint32_t
automatic_preference(const struct chain *chain, uint32_t index)
{
	uint32_t at = place_of(chain, index, LEAST_AUTOMATIC_PREFERENCE);
	const struct filter_group *next = group_at(chain, at, index);

	if (next == NULL)
		return FIRST_AUTOMATIC_PREFERENCE;
	return next->preference == LEAST_AUTOMATIC_PREFERENCE ? 0 : next->preference - 1;
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
	group->index = spec->chain;
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
	struct group_list *old = chain->groups;
	struct filter_group *group = NULL;
	void *filter = NULL;
	int rc;

	if (spec->kind == NULL || spec->protocol == 0)
		return error_set(err, EINVAL, "Filter kind and protocol must be specified");
	if ((flags & CHANGE_CREATE) == 0)
		return error_set(err, ENOENT, NEEDS_CREATE);
	if (preference == 0)
		preference = automatic_preference(chain, spec->chain);
	if (preference == 0)
		return error_set(err, ENOSPC,
			"no preference is left to choose before the chain's filters: give one, as in 'prio 10'");
	rc = make_group(chain, spec, preference, &group, err);
	if (rc != 0)
		return rc;
	rc = group->ops->change(group, NULL, &handle, spec->conf, &filter, err);
	if (rc == 0 && (add_index(chain, spec->chain, false) != 0 ||
			       publish_groups(chain, place_of(chain, spec->chain, preference), 0, group) != 0))
		rc = error_code(err, ENOMEM);
	if (rc != 0) {
		group_destroy(group);
		drop_index_if_unused(chain, spec->chain);
		return rc;
	}
	if (old != NULL)
		rcu_defer(chain->rcu, free, old);
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

static int
check_template(const struct chain *chain, const struct filter_spec *spec, struct error *err)
{
	uint32_t at = place_of_index(chain, spec->chain);
	const struct filter_ops *ops = at < chain->n_indices ? chain->indices[at].template_ops : NULL;

	if (ops == NULL)
		return 0;
	if (spec->kind != NULL && strcmp(spec->kind, ops->kind) != 0)
		return error_set(err, EINVAL, "Chain template is set to a different filter kind");
	if (spec->conf != NULL && !ops->fits(chain->indices[at].template, spec->conf))
		return error_set(err, EINVAL, "cls_%s: Mask does not fit the template", ops->kind);
	return 0;
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
	rc = check_template(chain, spec, err);
	if (rc != 0)
		return rc;
	rc = group != NULL ? add_to_group(group, spec, flags, info, err)
			   : add_with_new_group(chain, spec, flags, info, err);
	return rc;
}

typedef void gone_fn(void *arg, const struct filter_info *info);

/* n groups of one index, from [at] on, go: `list` is without them. */
static void
drop_groups(struct chain *chain, uint32_t at, uint32_t n, struct group_list *list, gone_fn *gone, void *arg)
{
	struct group_list *old = chain->groups;
	struct filter_group **groups = &old->groups[at];
	uint32_t index = groups[0]->index;

	store_release(&chain->groups, list);
	for (uint32_t i = 0; i < n; i++) {
		struct filter_info info;

		describe(groups[i], 0, NULL, &info);
		if (gone != NULL)
			gone(arg, &info);
		group_destroy(groups[i]);
	}
	rcu_defer(chain->rcu, free, old);
	drop_index_if_unused(chain, index);
}

/* The same; all, or when memory is out none. */
static int
delete_groups(struct chain *chain, uint32_t at, uint32_t n, gone_fn *gone, void *arg, struct error *err)
{
	struct group_list *list;

	if (make_groups(chain, at, n, NULL, &list) != 0)
		return error_code(err, ENOMEM);
	drop_groups(chain, at, n, list, gone, arg);
	return 0;
}

static int
delete_all_of(struct chain *chain, uint32_t index, gone_fn *gone, void *arg, struct error *err)
{
	uint32_t at = place_of(chain, index, 0), n = 0;

	while (group_at(chain, at + n, index) != NULL)
		n++;
	return n == 0 ? 0 : delete_groups(chain, at, n, gone, arg, err);
}

static int
delete_all(struct chain *chain, const struct filter_spec *spec, gone_fn *gone, void *arg, struct error *err)
{
	if (spec->protocol != 0 || spec->handle != 0 || spec->kind != NULL)
		return error_set(err, ENOENT, "Cannot flush filters with protocol, handle or kind set");
	return delete_all_of(chain, spec->chain, gone, arg, err);
}

/* A copy of the template's conf. */
static int
copy_template(const struct chain_template *template, const struct filter_ops **ops, void **copy, struct error *err)
{
	*ops = filter_find_ops(template->kind);
	if (*ops == NULL)
		return error_set(err, ENOENT, "TC classifier not found: there is no '%s' here", template->kind);
	if ((*ops)->template_bytes == 0)
		return error_set(err, EOPNOTSUPP, "Chain templates are not supported with specified classifier");
	if (template->conf == NULL)
		return error_set(err, EINVAL, "a template of %s without keys", template->kind);
	*copy = malloc((*ops)->template_bytes);
	if (*copy == NULL)
		return error_code(err, ENOMEM);
	memcpy(*copy, template->conf, (*ops)->template_bytes);
	return 0;
}

int
chain_add(struct chain *chain, uint32_t index, const struct chain_template *template, struct error *err)
{
	const struct filter_ops *ops = NULL;
	struct chain_index *added;
	void *copy = NULL;
	int rc = 0;

	if (chain_has(chain, index))
		return error_set(err, EEXIST, "Filter chain already exists");
	if (template != NULL && template->kind != NULL)
		rc = copy_template(template, &ops, &copy, err);
	if (rc != 0)
		return rc;
	if (add_index(chain, index, true) != 0) {
		free(copy);
		return error_code(err, ENOMEM);
	}
	added = &chain->indices[place_of_index(chain, index)];
	added->template_ops = ops;
	added->template = copy;
	return 0;
}

struct chain_template
chain_template_of(const struct chain *chain, uint32_t index)
{
	uint32_t at = place_of_index(chain, index);

	if (at == chain->n_indices || chain->indices[at].template_ops == NULL)
		return (struct chain_template){ 0 };
	return (struct chain_template){ chain->indices[at].template_ops->kind, chain->indices[at].template };
}

int
chain_delete(struct chain *chain, uint32_t index, gone_fn *gone, void *arg, struct error *err)
{
	uint32_t at;
	int rc;

	if (!chain_has(chain, index))
		return error_set(err, EINVAL, "Cannot find specified filter chain");
	if ((rc = delete_all_of(chain, index, gone, arg, err)) != 0)
		return rc;
	/* One that was only there for its filters has gone with them. */
	if ((at = place_of_index(chain, index)) != chain->n_indices) {
		chain->indices[at].named = false;
		drop_index_if_unused(chain, index);
	}
	return 0;
}

static int
delete_one(struct chain *chain, uint32_t at, uint32_t handle, gone_fn *gone, void *arg, struct error *err)
{
	struct filter_group *group = chain->groups->groups[at];
	void *filter = group->ops->find(group, handle);
	struct group_list *without;
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
	/* Made before, so that nothing can fail behind the removal. */
	if (make_groups(chain, at, 1, NULL, &without) != 0)
		return error_code(err, ENOMEM);
	describe(group, handle, filter, &info);
	if (gone != NULL)
		gone(arg, &info);
	rc = group->ops->remove(group, filter, &last, err);
	if (rc == 0 && last)
		drop_groups(chain, at, 1, without, NULL, NULL);
	else
		free(without);
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
	} else if (!chain_has(chain, spec->chain)) {
		rc = error_set(err, ENOENT, "Cannot find specified filter chain");
	} else {
		rc = find_group(chain, spec, &at, &group, err);
		if (rc == 0 && group == NULL)
			rc = error_set(err, ENOENT, "Filter with specified priority/protocol not found");
		if (rc == 0)
			rc = check_kind(group, spec, err);
		if (rc == 0)
			rc = spec->handle == 0 ? delete_groups(chain, at, 1, gone, arg, err)
					       : delete_one(chain, at, spec->handle, gone, arg, err);
	}
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
	if (!chain_has(chain, spec->chain))
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
