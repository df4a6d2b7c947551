/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * u32: hash tables of lists of filters, each some words of the packet to compare; tc-u32(8).
 *
 * The control thread's side. A group comes with a table of one bucket, its root, where packets start; filters may
 * lead on into other tables, which belong to all groups of the qdisc and its classes, are listed with the group that
 * made them and stay until the last of the groups goes. For workers each bucket's filters are compiled into a list
 * (u32.h), which is published by itself: a change costs what is in its bucket.
 */
#include <stdlib.h>
#include <string.h>

#include "u32.h"

#define NODE_MIN_AUTOMATIC 0x800
#define NODE_MAX           0xfff

/* ---- groups ------------------------------------------------------------------------------------- */

static int
u32_init(struct filter_group *group, struct error *err)
{
	struct u32 *u = filter_group_priv(group);
	void **shared = filter_group_u32_tables(group);
	bool first = *shared == NULL;

	if (first)
		*shared = calloc(1, sizeof(struct u32_tables));
	if (*shared == NULL)
		return error_code(err, ENOMEM);
	u->tables = *shared;
	u->root = u32_table_make(u->tables, 0, 1, err);
	if (u->root == NULL) {
		if (first) {
			free(*shared);
			*shared = NULL;
		}
		return -err->code;
	}
	u->root->root = true;
	u->root->preference = filter_group_preference(group);
	u->tables->groups++;
	return 0;
}

static void
u32_destroy(struct filter_group *group)
{
	struct u32 *u = filter_group_priv(group);

	u32_table_destroy(group, u->root);
	if (--u->tables->groups != 0)
		return;
	for (struct u32_table *table = u->tables->newest; table != NULL; table = table->next)
		u32_forget_links(table);
	while (u->tables->newest != NULL)
		u32_table_destroy(group, u->tables->newest);
	*filter_group_u32_tables(group) = NULL;
	rcu_defer(filter_group_rcu(group), free, u->tables);
}

static bool
u32_pure(const struct filter_group *group)
{
	return load_relaxed(&((const struct u32 *)filter_group_priv(group))->tables->impure) == 0;
}

/* ---- filters ------------------------------------------------------------------------------------ */

/* Compiles and publishes what a bucket is to hold. */
static int
publish(struct filter_group *group, struct u32_table *table, uint32_t at, struct u32_filter *const *filters, uint32_t n)
{
	struct u32_bucket *bucket = table->buckets[at];
	struct u32_list *old = table->lists[at], *list = NULL;

	if (n != 0) {
		list = u32_list_compile(bucket, filters, n, rcu_workers(filter_group_rcu(group)));
		if (list == NULL)
			return -ENOMEM;
		list->older = bucket->newest;
		bucket->newest = list;
	}
	store_release(&table->lists[at], list);
	if (old != NULL)
		rcu_defer(filter_group_rcu(group), u32_list_retire, old);
	return 0;
}

/* The place of the first filter with at least this node. */
static uint32_t
place_of(const struct u32_bucket *bucket, uint32_t node)
{
	uint32_t low = 0, high = bucket->n;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (TC_U32_NODE(bucket->filters[middle]->handle) < node)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct u32_filter *
find_node(const struct u32_bucket *bucket, uint32_t node)
{
	uint32_t at = bucket != NULL ? place_of(bucket, node) : 0;

	return bucket != NULL && at < bucket->n && TC_U32_NODE(bucket->filters[at]->handle) == node
		       ? bucket->filters[at]
		       : NULL;
}

static void *
u32_find(const struct filter_group *group, uint32_t handle)
{
	struct u32_table *table = u32_find_table(filter_group_priv(group), handle);

	if (table == NULL || TC_U32_KEY(handle) == 0)
		return table;
	if (u32_is_table(handle) || TC_U32_HASH(handle) >= table->divisor)
		return NULL;
	return find_node(table->buckets[TC_U32_HASH(handle)], TC_U32_NODE(handle));
}

static int
choose_node(const struct u32_table *table, const struct u32_bucket *bucket, uint32_t *node, struct error *err)
{
	uint32_t at = place_of(bucket, NODE_MIN_AUTOMATIC);

	for (*node = NODE_MIN_AUTOMATIC; *node <= NODE_MAX; (*node)++, at++)
		if (at == bucket->n || TC_U32_NODE(bucket->filters[at]->handle) != *node)
			return 0;
	at = 0;
	for (*node = 1; *node < NODE_MIN_AUTOMATIC; (*node)++, at++)
		if (TC_U32_NODE(bucket->filters[at]->handle) != *node)
			return 0;
	return error_set(err, ENOSPC,
		"cls_u32: table %x: has its 4095 filters in this bucket; put more under another preference",
		TC_U32_USERHTID(table->handle));
}

/* Where a new filter goes. */
struct target {
	struct u32_table *table;
	uint32_t bucket;
};

static int
find_target(const struct u32 *u, const struct u32_conf *conf, struct target *target, struct error *err)
{
	*target = (struct target){ u->root, 0 };
	if (conf->table != 0) {
		target->table = u32_find_table(u, conf->table);
		target->bucket = TC_U32_HTID(conf->table) == U32_ROOT_TABLE ? 0 : TC_U32_HASH(conf->table);
	}
	if (target->table == NULL)
		return error_set(err, EINVAL, "cls_u32: Specified hash table not found");
	if (target->bucket >= target->table->divisor)
		return error_set(err, EINVAL, "cls_u32: Specified hash table buckets exceed configured value");
	if (target->table->buckets[target->bucket] == NULL) {
		struct u32_bucket *bucket = calloc(1, sizeof(*bucket));

		if (bucket == NULL)
			return error_code(err, ENOMEM);
		bucket->references = 1;
		target->table->buckets[target->bucket] = bucket;
	}
	return 0;
}

/* The handle and the table (`ht`) must agree; which bucket it is, the table says. */
static int
choose_handle(const struct target *target, uint32_t *handle, struct error *err)
{
	const struct u32_bucket *bucket = target->table->buckets[target->bucket];
	uint32_t node = TC_U32_NODE(*handle);
	int rc = 0;

	if (TC_U32_HTID(*handle) != 0 && TC_U32_HTID(*handle) != target->table->handle)
		return error_set(err, EINVAL, "cls_u32: Handle specified hash table address mismatch");
	if (node == 0)
		rc = choose_node(target->table, bucket, &node, err);
	else if (find_node(bucket, node) != NULL)
		return error_code(err, ENOSPC);
	*handle = target->table->handle | target->bucket << 12 | node;
	return rc;
}

static int
find_link(const struct u32 *u, const struct u32_conf *conf, struct u32_table **link, struct error *err)
{
	*link = NULL;
	if (!conf->has_link || conf->link == 0)
		return 0;
	if (TC_U32_KEY(conf->link) != 0)
		return error_set(err, EINVAL, "cls_u32: u32 Link handle must be a hash table");
	*link = u32_find_table(u, conf->link);
	if (*link == NULL)
		return error_set(err, EINVAL, "cls_u32: Link hash table not found");
	if ((*link)->root)
		return error_set(err, EINVAL, "cls_u32: Not linking to root node");
	return 0;
}

/* What a change may set: everything but the selector. */
static int
fill(struct filter_group *group, struct u32_filter *filter, const struct u32_conf *conf, struct error *err)
{
	struct u32_table *link;
	int rc = find_link(filter_group_priv(group), conf, &link, err);

	if (rc == 0)
		rc = action_list_create(group, conf->actions, conf->n_actions, &filter->actions, err);
	if (rc != 0)
		return rc;
	if (conf->has_link)
		filter->link = link;
	filter->pure = action_list_pure(filter->actions);
	filter->classid = conf->has_classid ? conf->classid : 0;
	filter->in_port = conf->in_port;
	filter->flags = conf->flags;
	return 0;
}

/* A filter that is not counted for anybody yet. */
static int
make(struct filter_group *group, uint32_t handle, const struct u32_conf *conf, struct u32_filter **made,
	struct error *err)
{
	struct u32_filter *filter = calloc(1, sizeof(*filter));
	int rc = -ENOMEM;

	if (filter == NULL)
		return error_code(err, ENOMEM);
	filter->references = 1;
	filter->handle = handle;
	filter->has_mark = conf->has_mark;
	filter->mark_value = conf->mark_value;
	filter->mark_mask = conf->mark_mask;
	filter->selector_flags = conf->selector_flags;
	filter->jump = conf->jump;
	filter->n_keys = conf->n_keys;
	filter->keys = malloc((conf->n_keys + 1) * sizeof(struct u32_key));
	filter->past = calloc(U32_PAST_KEYS + conf->n_keys, sizeof(uint64_t));
	if (filter->keys == NULL || filter->past == NULL) {
		error_code(err, ENOMEM);
	} else {
		if (conf->n_keys != 0)
			memcpy(filter->keys, conf->keys, conf->n_keys * sizeof(struct u32_key));
		rc = fill(group, filter, conf, err);
	}
	if (rc != 0) {
		u32_filter_release(filter);
		return rc;
	}
	*made = filter;
	return 0;
}

static void
filter_enter(struct filter_group *group, struct u32_filter *filter)
{
	struct u32 *u = filter_group_priv(group);

	filter_group_bind(group, filter->classid);
	if (filter->link != NULL)
		filter->link->links++;
	u->tables->filters++;
	u->tables->impure += !filter->pure;
}

static bool
make_room(struct u32_bucket *bucket)
{
	uint32_t room = bucket->room != 0 ? 2 * bucket->room : 8;
	struct u32_filter **filters;

	if (bucket->n < bucket->room)
		return true;
	filters = realloc(bucket->filters, room * sizeof(struct u32_filter *));
	if (filters == NULL)
		return false;
	bucket->filters = filters;
	bucket->room = room;
	return true;
}

static int
insert(struct filter_group *group, const struct target *target, struct u32_filter *filter)
{
	struct u32_bucket *bucket = target->table->buckets[target->bucket];
	uint32_t at = place_of(bucket, TC_U32_NODE(filter->handle));

	if (!make_room(bucket))
		return -ENOMEM;
	memmove(&bucket->filters[at + 1], &bucket->filters[at], (bucket->n - at) * sizeof(struct u32_filter *));
	bucket->filters[at] = filter;
	if (publish(group, target->table, target->bucket, bucket->filters, bucket->n + 1) != 0) {
		memmove(&bucket->filters[at], &bucket->filters[at + 1], (bucket->n - at) * sizeof(struct u32_filter *));
		return -ENOMEM;
	}
	bucket->n++;
	filter->bucket = bucket;
	filter->in_root = target->table->root;
	return 0;
}

static int
add(struct filter_group *group, uint32_t *handle, const struct u32_conf *conf, void **made, struct error *err)
{
	struct u32_filter *filter;
	struct target target;
	int rc;

	if (!conf->has_selector)
		return error_set(err, EINVAL, "cls_u32: Selector not specified");
	if ((rc = find_target(filter_group_priv(group), conf, &target, err)) != 0 ||
		(rc = choose_handle(&target, handle, err)) != 0 || (rc = make(group, *handle, conf, &filter, err)) != 0)
		return rc;
	if (insert(group, &target, filter) != 0) {
		action_list_release(filter->actions);
		u32_filter_release(filter);
		return error_code(err, ENOMEM);
	}
	filter_enter(group, filter);
	*made = filter;
	return 0;
}

/* As on Linux the keys stay, and the link where none is named: classid, actions, indev are what a change takes. */
static int
replace(struct filter_group *group, struct u32_filter *filter, const struct u32_conf *conf, struct error *err)
{
	struct u32 *u = filter_group_priv(group);
	struct u32_table *table = u32_find_table(u, filter->handle);
	struct u32_filter old = *filter;
	int rc;

	if (old.flags != conf->flags)
		return error_set(err, EINVAL, "cls_u32: Key node flags do not match passed flags");
	rc = fill(group, filter, conf, err);
	if (rc == 0 &&
		publish(group, table, TC_U32_HASH(filter->handle), filter->bucket->filters, filter->bucket->n) != 0) {
		action_list_release(filter->actions);
		rc = error_code(err, ENOMEM);
	}
	if (rc != 0) {
		uint32_t references = filter->references;

		*filter = old;
		filter->references = references;
		return rc;
	}
	filter_enter(group, filter);
	/* What it held before goes as that of a removed filter does. */
	filter_group_unbind(group, old.classid);
	action_list_release(old.actions);
	if (old.link != NULL)
		old.link->links--;
	u->tables->filters--;
	u->tables->impure -= !old.pure;
	return 0;
}

static int
add_table(struct filter_group *group, uint32_t *handle, uint32_t divisor, void **made, struct error *err)
{
	struct u32 *u = filter_group_priv(group);
	struct u32_table *table;

	if (TC_U32_KEY(*handle) != 0)
		return error_set(err, EINVAL, "cls_u32: Divisor can only be used on a hash table");
	if (divisor > U32_BUCKETS_MAX)
		return error_set(err, EINVAL, "cls_u32: Exceeded maximum %d hash buckets", U32_BUCKETS_MAX);
	if ((divisor & (divisor - 1)) != 0)
		return error_set(err, EINVAL, "cls_u32: Divisor is not a power of 2");
	table = u32_table_make(u->tables, *handle, divisor, err);
	if (table == NULL)
		return -err->code;
	table->preference = filter_group_preference(group);
	*handle = table->handle;
	*made = table;
	return 0;
}

static int
u32_change(struct filter_group *group, void *existing, uint32_t *handle, const void *options, void **made,
	struct error *err)
{
	const struct u32_conf *conf = options;
	int rc;

	if (conf == NULL)
		return *handle == 0 ? 0 : error_set(err, EINVAL, "cls_u32: Filter handle requires options");
	if (existing == NULL && conf->divisor != 0)
		return add_table(group, handle, conf->divisor, made, err);
	if (existing == NULL)
		return add(group, handle, conf, made, err);
	if (u32_is_table(*handle))
		return error_set(err, EINVAL, "cls_u32: Key node id cannot be zero");
	rc = replace(group, existing, conf, err);
	*handle = ((const struct u32_filter *)existing)->handle;
	*made = existing;
	return rc;
}

/* ---- delete, walk, get -------------------------------------------------------------------------- */

static int
u32_check_remove(const struct filter_group *group, const void *filter, struct error *err)
{
	const struct u32 *u = filter_group_priv(group);
	const struct u32_table *table = filter;

	if (!u32_is_table_of(u, filter))
		return 0;
	if (table->root)
		return error_set(err, EINVAL, "cls_u32: Not allowed to delete root node");
	if (table->links != 0)
		return error_set(err, EBUSY, "cls_u32: Can not delete in-use filter");
	return 0;
}

static int
u32_remove(struct filter_group *group, void *removed, bool *last, struct error *err)
{
	struct u32 *u = filter_group_priv(group);

	if (u32_is_table_of(u, removed)) {
		u32_table_destroy(group, removed);
	} else {
		struct u32_filter *filter = removed;
		struct u32_bucket *bucket = filter->bucket;
		struct u32_table *table = u32_find_table(u, filter->handle);
		uint32_t at = place_of(bucket, TC_U32_NODE(filter->handle));

		memmove(&bucket->filters[at], &bucket->filters[at + 1],
			(bucket->n - at - 1) * sizeof(struct u32_filter *));
		if (publish(group, table, TC_U32_HASH(filter->handle), bucket->filters, bucket->n - 1) != 0) {
			memmove(&bucket->filters[at + 1], &bucket->filters[at],
				(bucket->n - at - 1) * sizeof(struct u32_filter *));
			bucket->filters[at] = filter;
			return error_code(err, ENOMEM);
		}
		bucket->n--;
		u32_filter_retire(group, filter);
	}
	/* Observed on Linux: a group whose tables are empty stays as long as there are others in the qdisc. */
	*last = u->tables->filters == 0 && u->tables->groups == 1;
	return 0;
}

static int
walk_table(const struct u32_table *table, int (*visit)(void *arg, uint32_t handle, const void *filter), void *arg)
{
	int rc = visit(arg, table->handle, table);

	for (uint32_t i = 0; i < table->divisor; i++) {
		const struct u32_bucket *bucket = table->buckets[i];

		for (uint32_t k = 0; rc == 0 && bucket != NULL && k < bucket->n; k++)
			rc = visit(arg, bucket->filters[k]->handle, bucket->filters[k]);
	}
	return rc;
}

static int
u32_walk(const struct filter_group *group, int (*visit)(void *arg, uint32_t handle, const void *filter), void *arg)
{
	const struct u32 *u = filter_group_priv(group);
	int rc = 0;

	for (const struct u32_table *table = u->tables->newest; rc == 0 && table != NULL; table = table->next)
		if (table->root ? table == u->root : table->preference == u->root->preference)
			rc = walk_table(table, visit, arg);
	return rc;
}

uint32_t
u32_divisor(const void *table)
{
	return ((const struct u32_table *)table)->divisor;
}

bool
u32_is_root(const void *table)
{
	return ((const struct u32_table *)table)->root;
}

void
u32_get_conf(const void *filter, struct u32_conf *conf)
{
	const struct u32_filter *f = filter;

	*conf = (struct u32_conf){
		.has_selector = true,
		.selector_flags = f->selector_flags,
		.n_keys = f->n_keys,
		.keys = f->keys,
		.jump = f->jump,
		.table = f->handle & ~(uint32_t)NODE_MAX,
		.in_root = f->in_root,
		.has_link = f->link != NULL,
		.link = f->link != NULL ? f->link->handle : 0,
		.has_classid = f->classid != 0,
		.classid = f->classid,
		.has_mark = f->has_mark,
		.mark_value = f->mark_value,
		.mark_mask = f->mark_mask,
		.in_port = f->in_port,
		.flags = f->flags,
	};
}

const struct action_list *
u32_actions(const void *filter)
{
	return ((const struct u32_filter *)filter)->actions;
}

/* ---- data path ---------------------------------------------------------------------------------- */

static void
u32_classify(const struct filter_group *group, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
	struct verdict *results)
{
	const struct u32 *u = filter_group_priv(group);
	const struct u32_list *list = load_acquire(&u->root->lists[0]);

	if (list != NULL)
		u32_classify_list(list, ctx, pkts, n, results);
}

static const struct filter_ops u32_ops = {
	.kind = "u32",
	.size = sizeof(struct u32),
	.init = u32_init,
	.destroy = u32_destroy,
	.change = u32_change,
	.check_remove = u32_check_remove,
	.remove = u32_remove,
	.find = u32_find,
	.walk = u32_walk,
	.classify = u32_classify,
	.pure = u32_pure,
};
FILTER_REGISTER(u32_ops)
