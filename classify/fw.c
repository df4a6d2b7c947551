/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fw: the packet's mark, under the group's mask, is looked up among the handles; tc-fw(8).
 *
 * Workers see a hash table: one probe, rarely two, whatever the number of filters.
 */
#include <stdlib.h>

#include <weir/filter/fw.h>

#include "internal.h"

struct fw_filter {
	uint32_t mark;
	uint32_t mask; /* the group's */
	uint32_t classid;
	uint32_t in_port;
	bool pure;
	struct action_list *actions;
};

/* A slot, once a filter is in it, holds NULL never again: readers may probe while a filter is added or replaced. */
struct fw_table {
	uint32_t mask; /* of the mark */
	uint32_t slot_mask; /* slots less one, slots being a power of two and twice the filters at least */
	struct fw_filter *slots[];
};

struct fw {
	struct fw_table *table; /* published; NULL: no filter yet, so the mark is the classid */
	/* control's */
	uint32_t n, impure;
};

static uint32_t
slot_of(const struct fw_table *table, uint32_t mark)
{
	uint32_t slot = ((mark * 0x9e3779b1U) >> 7) & table->slot_mask;
	const struct fw_filter *filter;

	while ((filter = load_acquire(&table->slots[slot])) != NULL && filter->mark != mark)
		slot = (slot + 1) & table->slot_mask;
	return slot;
}

/* Publishes a table with room for n filters that holds what the present one does, but for `without`. */
static int
publish(struct filter_group *group, uint32_t n, uint32_t mask, const struct fw_filter *without)
{
	struct fw *fw = filter_group_priv(group);
	struct fw_table *old = fw->table, *table;
	uint32_t slots = 4;

	while (slots < 2 * n)
		slots *= 2;
	table = calloc(1, sizeof(*table) + slots * sizeof(table->slots[0]));
	if (table == NULL)
		return -ENOMEM;
	table->mask = mask;
	table->slot_mask = slots - 1;
	for (uint32_t i = 0; old != NULL && i <= old->slot_mask; i++)
		if (old->slots[i] != NULL && old->slots[i] != without)
			table->slots[slot_of(table, old->slots[i]->mark)] = old->slots[i];
	store_release(&fw->table, table);
	if (old != NULL)
		rcu_defer(filter_group_rcu(group), free, old);
	return 0;
}

static void *
fw_find(const struct filter_group *group, uint32_t handle)
{
	const struct fw *fw = filter_group_priv(group);

	return fw->table != NULL ? fw->table->slots[slot_of(fw->table, handle)] : NULL;
}

/* An unpublished filter's actions and class are let go at once, its memory later. */
static void
retire(struct filter_group *group, struct fw_filter *filter)
{
	filter_group_unbind(group, filter->classid);
	action_list_release(filter->actions);
	rcu_defer(filter_group_rcu(group), free, filter);
}

static int
make(struct filter_group *group, uint32_t mark, const struct fw_conf *conf, struct fw_filter **made, struct error *err)
{
	struct fw_filter *filter = calloc(1, sizeof(*filter));
	int rc;

	if (filter == NULL)
		return error_code(err, ENOMEM);
	filter->mark = mark;
	filter->mask = conf->has_mask ? conf->mask : UINT32_MAX;
	filter->classid = conf->has_classid ? conf->classid : 0;
	filter->in_port = conf->in_port;
	rc = action_list_create(group, conf->actions, conf->n_actions, &filter->actions, err);
	if (rc != 0) {
		free(filter);
		return rc;
	}
	filter->pure = action_list_pure(filter->actions);
	filter_group_bind(group, filter->classid);
	*made = filter;
	return 0;
}

static int
check(const struct fw *fw, uint32_t handle, const struct fw_conf *conf, struct error *err)
{
	/* Linux says no more than EINVAL to a mask that differs, and scripts are compared with it word by word. */
	if (conf == NULL || (fw->table != NULL && (conf->has_mask ? conf->mask : UINT32_MAX) != fw->table->mask))
		return error_code(err, EINVAL);
	if (handle == 0)
		return error_set(err, EINVAL,
			"fw: the mark to look for is missing: give it as in 'handle 6 fw'; 'fw' alone takes no "
			"options");
	return 0;
}

static int
fw_change(struct filter_group *group, void *existing, uint32_t *handle, const void *options, void **made,
	struct error *err)
{
	struct fw *fw = filter_group_priv(group);
	const struct fw_conf *conf = options;
	struct fw_filter *filter, *old = existing;
	int rc;

	if (conf == NULL && *handle == 0)
		return 0; /* `fw` alone */
	rc = check(fw, *handle, conf, err);
	if (rc == 0)
		rc = make(group, *handle, conf, &filter, err);
	if (rc != 0)
		return rc;
	if (old == NULL && (fw->table == NULL || 2 * (fw->n + 1) > fw->table->slot_mask + 1) &&
		publish(group, fw->n + 1, filter->mask, NULL) != 0) {
		retire(group, filter);
		return error_code(err, ENOMEM);
	}
	store_release(&fw->table->slots[slot_of(fw->table, filter->mark)], filter);
	fw->n += old == NULL;
	fw->impure += !filter->pure;
	if (old != NULL) {
		fw->impure -= !old->pure;
		retire(group, old);
	}
	*made = filter;
	return 0;
}

static int
fw_remove(struct filter_group *group, void *filter, bool *last, struct error *err)
{
	struct fw *fw = filter_group_priv(group);

	*last = fw->n == 1;
	if (*last)
		return 0; /* it goes with its group: without it the group would mean `fw` alone */
	if (publish(group, fw->n - 1, fw->table->mask, filter) != 0)
		return error_code(err, ENOMEM);
	fw->n--;
	fw->impure -= !((const struct fw_filter *)filter)->pure;
	retire(group, filter);
	return 0;
}

static void
fw_destroy(struct filter_group *group)
{
	struct fw *fw = filter_group_priv(group);

	if (fw->table == NULL)
		return;
	for (uint32_t i = 0; i <= fw->table->slot_mask; i++)
		if (fw->table->slots[i] != NULL)
			retire(group, fw->table->slots[i]);
	rcu_defer(filter_group_rcu(group), free, fw->table);
}

static int
compare_marks(const void *a, const void *b)
{
	uint32_t left = (*(const struct fw_filter *const *)a)->mark,
		 right = (*(const struct fw_filter *const *)b)->mark;

	return (left > right) - (left < right);
}

/* By mark: the order in which Linux's small hash table comes out for marks below 256. */
static int
fw_walk(const struct filter_group *group, int (*visit)(void *arg, uint32_t handle, const void *filter), void *arg)
{
	const struct fw *fw = filter_group_priv(group);
	struct fw_filter **sorted;
	uint32_t n = 0;
	int rc = 0;

	if (fw->n == 0)
		return 0;
	sorted = malloc(fw->n * sizeof(struct fw_filter *));
	if (sorted == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i <= fw->table->slot_mask; i++)
		if (fw->table->slots[i] != NULL)
			sorted[n++] = fw->table->slots[i];
	qsort(sorted, n, sizeof(struct fw_filter *), compare_marks);
	for (uint32_t i = 0; rc == 0 && i < n; i++)
		rc = visit(arg, sorted[i]->mark, sorted[i]);
	free(sorted);
	return rc;
}

static void
take_marks_as_classids(const struct filter_group *group, struct rte_mbuf **pkts, uint16_t n, struct verdict *results)
{
	uint32_t qdisc = filter_group_handle(group);

	for (uint16_t i = 0; i < n; i++) {
		uint32_t mark = pkt_of(pkts[i])->mark;

		if (mark != 0 && (TC_H_MAJ(mark) == 0 || TC_H_MAJ(mark) == TC_H_MAJ(qdisc)))
			results[i] = (struct verdict){ TC_ACT_OK, mark };
	}
}

static void
fw_classify(const struct filter_group *group, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
	struct verdict *results)
{
	const struct fw *fw = filter_group_priv(group);
	const struct fw_table *table = load_acquire(&fw->table);

	if (table == NULL) {
		take_marks_as_classids(group, pkts, n, results);
		return;
	}
	for (uint16_t i = 0; i < n; i++) {
		const struct pkt *p = pkt_of(pkts[i]);
		const struct fw_filter *filter = load_acquire(&table->slots[slot_of(table, p->mark & table->mask)]);
		struct verdict found;

		if (filter == NULL || (filter->in_port != 0 && filter->in_port != p->in_port))
			continue;
		found.classid = filter->classid;
		found.action = action_list_run(filter->actions, ctx, pkts[i], &found);
		if (found.action != TC_ACT_UNSPEC)
			results[i] = found;
	}
}

static bool
fw_pure(const struct filter_group *group)
{
	return ((const struct fw *)filter_group_priv(group))->impure == 0;
}

void
fw_get_conf(const void *filter, struct fw_conf *conf)
{
	const struct fw_filter *f = filter;

	*conf = (struct fw_conf){
		.has_classid = f->classid != 0,
		.classid = f->classid,
		.has_mask = f->mask != UINT32_MAX,
		.mask = f->mask,
		.in_port = f->in_port,
	};
}

const struct action_list *
fw_actions(const void *filter)
{
	return ((const struct fw_filter *)filter)->actions;
}

static const struct filter_ops fw_ops = {
	.kind = "fw",
	.size = sizeof(struct fw),
	.destroy = fw_destroy,
	.change = fw_change,
	.remove = fw_remove,
	.find = fw_find,
	.walk = fw_walk,
	.classify = fw_classify,
	.pure = fw_pure,
};
FILTER_REGISTER(fw_ops)
