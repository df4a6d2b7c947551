/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * u32: a list of filters, each some words of the packet to compare; tc-u32(8).
 *
 * The control thread keeps the filters; for workers they are compiled into one flat program, which is published whole and runs
 * filter by filter over the part of a burst that none has decided yet. A group has the one table that comes with it.
 *
 * As on Linux: `nexthdr+` adds what links have skipped, so without links it is the network header; and a packet that ends before a word
 * that is asked for is not asked any further by this group.
 */
#include <stdlib.h>
#include <string.h>

#include <weir/filter/u32.h>

#include "internal.h"

#define NODE_MIN_AUTOMATIC 0x800
#define NODE_MAX           0xfff
#define ROOT_TABLE         0xfff00000 /* "the group's own", whatever its number */

/* A filter's counters: for each worker a slice of its own cache lines. They outlive a change of the filter. */
struct u32_slices {
	unsigned int workers;
	uint32_t stride; /* counters from one worker's slice to the next */
	_Alignas(64) uint64_t counters[]; /* of a slice: hits, matches, mark_matches, then one for each key */
};

enum { HITS, MATCHES, MARK_MATCHES, KEY_MATCHES };

struct u32_filter {
	uint32_t handle;
	uint32_t classid;
	uint32_t in_port;
	uint32_t flags;
	bool has_mark;
	uint32_t mark_value, mark_mask;
	bool pure;
	uint8_t selector_flags;
	uint8_t n_keys;
	struct u32_key *keys; /* shared with what it replaced */
	struct u32_slices *slices; /* the same */
	struct action_list *actions;
};

struct u32_step { /* a compiled filter; its keys lie behind one another */
	const struct u32_key *keys;
	uint32_t n_keys;
	uint32_t mark_value, mark_mask;
	uint32_t in_port;
	uint32_t classid;
	bool terminal; /* a match decides; else it is only counted */
	bool has_mark;
	struct u32_slices *slices;
	struct action_list *actions;
};

struct u32_program {
	uint32_t n;
	struct u32_step *steps;
	struct u32_key *keys;
};

struct u32_table { /* what the handle of a table finds */
	uint32_t handle;
};

struct u32 {
	struct u32_program *program; /* published; NULL: no filter */
	/* control's */
	struct u32_table table;
	struct u32_filter **filters; /* by node */
	uint32_t n, room, impure;
};

/* ---- control ------------------------------------------------------------------------------------------------------------- */

static int
u32_init(struct filter_group *group, struct error *err)
{
	struct u32 *u = filter_group_priv(group);
	uint32_t id = filter_group_take_table_id(group);

	if (id == 0)
		return error_set(err, ENOSPC,
			"cls_u32: all 2048 hash tables of this qdisc are in use; put filters under a preference that "
			"has one");
	u->table.handle = id << 20;
	return 0;
}

/* One block: freed by one call. */
static struct u32_program *
compile(struct u32_filter *const *filters, uint32_t n)
{
	size_t steps_bytes = n * sizeof(struct u32_step), keys_n = 0;
	struct u32_program *program;
	struct u32_key *keys;

	for (uint32_t i = 0; i < n; i++)
		keys_n += filters[i]->n_keys;
	program = malloc(sizeof(*program) + steps_bytes + keys_n * sizeof(struct u32_key));
	if (program == NULL)
		return NULL;
	program->n = n;
	program->steps = (struct u32_step *)(program + 1);
	program->keys = keys = (struct u32_key *)(program->steps + n);
	for (uint32_t i = 0; i < n; i++) {
		const struct u32_filter *f = filters[i];

		program->steps[i] = (struct u32_step){
			.keys = keys,
			.n_keys = f->n_keys,
			.mark_value = f->mark_value,
			.mark_mask = f->mark_mask,
			.in_port = f->in_port,
			.classid = f->classid,
			.terminal = (f->selector_flags & TC_U32_TERMINAL) != 0,
			.has_mark = f->has_mark,
			.slices = f->slices,
			.actions = f->actions,
		};
		memcpy(keys, f->keys, f->n_keys * sizeof(*keys));
		keys += f->n_keys;
	}
	return program;
}

static int
publish(struct filter_group *group, struct u32_filter *const *filters, uint32_t n)
{
	struct u32 *u = filter_group_priv(group);
	struct u32_program *old = u->program, *program = NULL;

	if (n != 0) {
		program = compile(filters, n);
		if (program == NULL)
			return -ENOMEM;
	}
	store_release(&u->program, program);
	if (old != NULL)
		rcu_defer(filter_group_rcu(group), free, old);
	return 0;
}

/* The place of the first filter with at least this node. */
static uint32_t
place_of(const struct u32 *u, uint32_t node)
{
	uint32_t low = 0, high = u->n;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (TC_U32_NODE(u->filters[middle]->handle) < node)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct u32_filter *
find_node(const struct u32 *u, uint32_t node)
{
	uint32_t at = place_of(u, node);

	return at < u->n && TC_U32_NODE(u->filters[at]->handle) == node ? u->filters[at] : NULL;
}

static void *
u32_find(const struct filter_group *group, uint32_t handle)
{
	struct u32 *u = filter_group_priv(group);

	if (TC_U32_HTID(handle) != u->table.handle || TC_U32_HASH(handle) != 0)
		return NULL;
	if (u32_is_table(handle))
		return &u->table;
	return find_node(u, TC_U32_NODE(handle));
}

static int
choose_node(const struct u32 *u, uint32_t *node, struct error *err)
{
	uint32_t at = place_of(u, NODE_MIN_AUTOMATIC);

	for (*node = NODE_MIN_AUTOMATIC; *node <= NODE_MAX; (*node)++, at++)
		if (at == u->n || TC_U32_NODE(u->filters[at]->handle) != *node)
			return 0;
	at = 0;
	for (*node = 1; *node < NODE_MIN_AUTOMATIC; (*node)++, at++)
		if (TC_U32_NODE(u->filters[at]->handle) != *node)
			return 0;
	return error_set(err, ENOSPC, "cls_u32: table %x: has its 4095 filters; put more under another preference",
		TC_U32_USERHTID(u->table.handle));
}

/* Where a new filter goes: its table (`ht`) and its handle must agree. */
static int
choose_handle(const struct u32 *u, const struct u32_conf *conf, uint32_t *handle, struct error *err)
{
	uint32_t node = TC_U32_NODE(*handle);
	int rc = 0;

	if (conf->table != 0 && TC_U32_HTID(conf->table) != ROOT_TABLE && TC_U32_HTID(conf->table) != u->table.handle)
		return error_set(err, EINVAL, "cls_u32: Specified hash table not found");
	if (TC_U32_HASH(conf->table) != 0)
		return error_set(err, EINVAL, "cls_u32: Specified hash table buckets exceed configured value");
	if (TC_U32_HTID(*handle) != 0 && TC_U32_HTID(*handle) != u->table.handle)
		return error_set(err, EINVAL, "cls_u32: Handle specified hash table address mismatch");
	if (node == 0)
		rc = choose_node(u, &node, err);
	else if (find_node(u, node) != NULL)
		return error_code(err, ENOSPC);
	*handle = u->table.handle | node;
	return rc;
}

static struct u32_slices *
make_slices(const struct rcu *rcu, uint8_t n_keys)
{
	unsigned int workers = rcu_workers(rcu);
	uint32_t stride =
		RTE_ALIGN_CEIL((KEY_MATCHES + n_keys) * sizeof(uint64_t), RTE_CACHE_LINE_SIZE) / sizeof(uint64_t);
	size_t bytes = sizeof(struct u32_slices) + (size_t)workers * stride * sizeof(uint64_t);
	struct u32_slices *slices = aligned_alloc(RTE_CACHE_LINE_SIZE, bytes);

	if (slices == NULL)
		return NULL;
	memset(slices, 0, bytes);
	slices->workers = workers;
	slices->stride = stride;
	return slices;
}

static void
retire(struct filter_group *group, struct u32_filter *filter, bool replaced)
{
	struct rcu *rcu = filter_group_rcu(group);

	filter_group_unbind(group, filter->classid);
	action_list_release(filter->actions);
	if (!replaced) {
		free(filter->keys); /* programs have copies */
		rcu_defer(rcu, free, filter->slices);
	}
	free(filter);
}

/* What a change may set: everything but the selector. */
static int
fill(struct filter_group *group, struct u32_filter *filter, const struct u32_conf *conf, struct error *err)
{
	int rc = action_list_create(group, conf->actions, conf->n_actions, &filter->actions, err);

	if (rc != 0)
		return rc;
	filter->pure = action_list_pure(filter->actions);
	filter->classid = conf->has_classid ? conf->classid : 0;
	filter->in_port = conf->in_port;
	filter->flags = conf->flags;
	filter_group_bind(group, filter->classid);
	return 0;
}

static int
make(struct filter_group *group, uint32_t handle, const struct u32_conf *conf, struct u32_filter **made,
	struct error *err)
{
	struct u32_filter *filter = calloc(1, sizeof(*filter));
	int rc = -ENOMEM;

	if (filter == NULL)
		return error_code(err, ENOMEM);
	filter->handle = handle;
	filter->has_mark = conf->has_mark;
	filter->mark_value = conf->mark_value;
	filter->mark_mask = conf->mark_mask;
	filter->selector_flags = conf->selector_flags;
	filter->n_keys = conf->n_keys;
	filter->keys = malloc((conf->n_keys + 1) * sizeof(struct u32_key));
	filter->slices = make_slices(filter_group_rcu(group), conf->n_keys);
	if (filter->keys == NULL || filter->slices == NULL) {
		error_code(err, ENOMEM);
	} else {
		if (conf->n_keys != 0)
			memcpy(filter->keys, conf->keys, conf->n_keys * sizeof(struct u32_key));
		rc = fill(group, filter, conf, err);
	}
	if (rc != 0) {
		free(filter->keys);
		free(filter->slices);
		free(filter);
		return rc;
	}
	*made = filter;
	return 0;
}

static bool
make_room(struct u32 *u)
{
	uint32_t room = u->room != 0 ? 2 * u->room : 8;
	struct u32_filter **filters;

	if (u->n < u->room)
		return true;
	filters = realloc(u->filters, room * sizeof(struct u32_filter *));
	if (filters == NULL)
		return false;
	u->filters = filters;
	u->room = room;
	return true;
}

static int
add(struct filter_group *group, uint32_t *handle, const struct u32_conf *conf, void **made, struct error *err)
{
	struct u32 *u = filter_group_priv(group);
	struct u32_filter *filter;
	uint32_t at;
	int rc;

	if (!conf->has_selector)
		return error_set(err, EINVAL, "cls_u32: Selector not specified");
	rc = choose_handle(u, conf, handle, err);
	if (rc != 0)
		return rc;
	if (!make_room(u))
		return error_code(err, ENOMEM);
	rc = make(group, *handle, conf, &filter, err);
	if (rc != 0)
		return rc;
	at = place_of(u, TC_U32_NODE(*handle));
	memmove(&u->filters[at + 1], &u->filters[at], (u->n - at) * sizeof(struct u32_filter *));
	u->filters[at] = filter;
	if (publish(group, u->filters, u->n + 1) != 0) {
		memmove(&u->filters[at], &u->filters[at + 1], (u->n - at) * sizeof(struct u32_filter *));
		retire(group, filter, false);
		return error_code(err, ENOMEM);
	}
	u->n++;
	u->impure += !filter->pure;
	*made = filter;
	return 0;
}

/* As on Linux the keys stay: classid, actions, indev are what a change takes. */
static int
replace(struct filter_group *group, struct u32_filter *old, const struct u32_conf *conf, void **made, struct error *err)
{
	struct u32 *u = filter_group_priv(group);
	uint32_t at = place_of(u, TC_U32_NODE(old->handle));
	struct u32_filter *filter;
	int rc;

	if (old->flags != conf->flags)
		return error_set(err, EINVAL, "cls_u32: Key node flags do not match passed flags");
	filter = malloc(sizeof(*filter));
	if (filter == NULL)
		return error_code(err, ENOMEM);
	*filter = *old;
	rc = fill(group, filter, conf, err);
	if (rc != 0) {
		free(filter);
		return rc;
	}
	u->filters[at] = filter;
	if (publish(group, u->filters, u->n) != 0) {
		u->filters[at] = old;
		retire(group, filter, true);
		return error_code(err, ENOMEM);
	}
	u->impure += !filter->pure - !old->pure;
	retire(group, old, true);
	*made = filter;
	return 0;
}

static int
u32_change(struct filter_group *group, void *existing, uint32_t *handle, const void *options, void **made,
	struct error *err)
{
	const struct u32_conf *conf = options;

	if (conf == NULL)
		return *handle == 0 ? 0 : error_set(err, EINVAL, "cls_u32: Filter handle requires options");
	if (existing == NULL)
		return add(group, handle, conf, made, err);
	if (u32_is_table(*handle))
		return error_set(err, EINVAL, "cls_u32: Key node id cannot be zero");
	*handle = ((const struct u32_filter *)existing)->handle;
	return replace(group, existing, conf, made, err);
}

static int
u32_check_remove(const struct filter_group *group, const void *filter, struct error *err)
{
	const struct u32 *u = filter_group_priv(group);

	return filter == &u->table ? error_set(err, EINVAL, "cls_u32: Not allowed to delete root node") : 0;
}

static int
u32_remove(struct filter_group *group, void *removed, bool *last, struct error *err)
{
	struct u32 *u = filter_group_priv(group);
	struct u32_filter *filter = removed;
	uint32_t at = place_of(u, TC_U32_NODE(filter->handle));

	memmove(&u->filters[at], &u->filters[at + 1], (u->n - at - 1) * sizeof(struct u32_filter *));
	if (publish(group, u->filters, u->n - 1) != 0) {
		memmove(&u->filters[at + 1], &u->filters[at], (u->n - at - 1) * sizeof(struct u32_filter *));
		u->filters[at] = filter;
		return error_code(err, ENOMEM);
	}
	u->n--;
	u->impure -= !filter->pure;
	retire(group, filter, false);
	/* Observed on Linux: an empty table stays as long as there are others in the qdisc. */
	*last = u->n == 0 && filter_group_has_last_table(group);
	return 0;
}

static void
u32_destroy(struct filter_group *group)
{
	struct u32 *u = filter_group_priv(group);

	for (uint32_t i = 0; i < u->n; i++)
		retire(group, u->filters[i], false);
	free(u->filters);
	if (u->program != NULL)
		rcu_defer(filter_group_rcu(group), free, u->program);
	filter_group_return_table_id(group, u->table.handle >> 20);
}

static int
u32_walk(const struct filter_group *group, int (*visit)(void *arg, uint32_t handle, const void *filter), void *arg)
{
	const struct u32 *u = filter_group_priv(group);
	int rc = visit(arg, u->table.handle, &u->table);

	for (uint32_t i = 0; rc == 0 && i < u->n; i++)
		rc = visit(arg, u->filters[i]->handle, u->filters[i]);
	return rc;
}

static bool
u32_pure(const struct filter_group *group)
{
	return ((const struct u32 *)filter_group_priv(group))->impure == 0;
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
		.table = TC_U32_HTID(f->handle),
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

void
u32_sum_counts(const void *filter, struct u32_counts *counts)
{
	const struct u32_filter *f = filter;

	*counts = (struct u32_counts){ 0 };
	for (unsigned int w = 0; w < f->slices->workers; w++) {
		const uint64_t *slice = &f->slices->counters[w * f->slices->stride];

		counts->hits += load_relaxed(&slice[HITS]);
		counts->matches += load_relaxed(&slice[MATCHES]);
		counts->mark_matches += load_relaxed(&slice[MARK_MATCHES]);
		for (unsigned int k = 0; k < f->n_keys; k++)
			counts->key_matches[k] += load_relaxed(&slice[KEY_MATCHES + k]);
	}
}

/* ---- data path ----------------------------------------------------------------------------------------------------------- */

enum match { MISS, MATCH, OUTSIDE };

static enum match
match_keys(const struct u32_step *step, struct rte_mbuf *m, uint64_t *counters)
{
	const struct pkt *p = pkt_of(m);

	for (uint32_t k = 0; k < step->n_keys; k++) {
		const struct u32_key *key = &step->keys[k];
		int64_t at = (int64_t)p->l3_off + key->offset;
		rte_be32_t word;

		if (likely(at >= 0 && at + 4 <= m->data_len)) {
			memcpy(&word, rte_pktmbuf_mtod_offset(m, const void *, at), sizeof(word));
		} else if (at >= 0 && at + 4 <= m->pkt_len) { /* it lies in a later segment, or across two */
			const void *there = rte_pktmbuf_read(m, at, sizeof(word), &word);

			if (there != &word)
				memcpy(&word, there, sizeof(word));
		} else {
			return OUTSIDE;
		}
		if (((word ^ key->value) & key->mask) != 0)
			return MISS;
		counter_add(&counters[KEY_MATCHES + k], 1);
	}
	return MATCH;
}

static enum match
match_step(const struct u32_step *step, struct rte_mbuf *m, uint64_t *counters)
{
	const struct pkt *p = pkt_of(m);
	enum match match;

	if (step->has_mark) {
		if ((p->mark & step->mark_mask) != step->mark_value)
			return MISS;
		counter_add(&counters[MARK_MATCHES], 1);
	}
	match = match_keys(step, m, counters);
	if (match == MATCH && (!step->terminal || (step->in_port != 0 && step->in_port != p->in_port)))
		return MISS;
	return match;
}

static void
u32_classify(const struct filter_group *group, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
	struct verdict *results)
{
	const struct u32 *u = filter_group_priv(group);
	const struct u32_program *program = load_acquire(&u->program);
	uint8_t open[CLASSIFY_BURST]; /* places of packets that are still to be asked */
	uint16_t open_n = n;

	for (uint16_t i = 0; i < n; i++)
		open[i] = i;
	for (uint32_t s = 0; program != NULL && s < program->n && open_n != 0; s++) {
		const struct u32_step *step = &program->steps[s];
		unsigned int worker = ctx->worker < step->slices->workers ? ctx->worker : 0;
		uint64_t *counters = &step->slices->counters[worker * step->slices->stride];
		uint16_t still_open = 0, matches = 0;

		counter_add(&counters[HITS], open_n);
		for (uint16_t i = 0; i < open_n; i++) {
			struct rte_mbuf *m = pkts[open[i]];
			enum match match = match_step(step, m, counters);
			struct verdict found = { .action = TC_ACT_UNSPEC, .classid = step->classid };

			if (match == OUTSIDE)
				continue;
			if (match == MATCH) {
				matches++;
				found.action = action_list_run(step->actions, ctx, m, &found);
			}
			if (found.action != TC_ACT_UNSPEC)
				results[open[i]] = found;
			else
				open[still_open++] = open[i];
		}
		counter_add(&counters[MATCHES], matches);
		open_n = still_open;
	}
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
