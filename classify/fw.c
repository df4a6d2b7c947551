/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fw: the packet's mark, under the group's mask, is looked up among the handles; tc-fw(8).
 *
 * Workers see a hash table whose slots are answers, mark and class in one word: one load, rarely two, whatever the
 * number of filters. Those that are more than a class are found by their mark in another.
 */
#include <stdlib.h>

#include <rte_branch_prediction.h>

#include <weir/filter/fw.h>

#include "key_table.h"

struct fw_filter {
	struct keyed keyed; /* by mark */
	struct filter_target target;
	uint32_t in_port;
};

/* Open addressing; a slot is mark << 32 | classid, 0: empty, for no filter is of mark 0. */
struct answers {
	uint32_t shift; /* the first slot of a mark is its hash shifted so */
	uint32_t mask; /* slots less one */
	uint64_t slots[];
};

struct fw {
	struct key_table filters; /* all; empty: the mark is the classid */
	const struct answers *answers; /* published: of those that only name a class; NULL: none */
	uint32_t mask; /* of the mark; the same as long as there is a filter */
	bool others; /* there are or were filters that are not among the answers */
	/* control's */
	uint32_t impure;
	uint32_t n_answers;
};

/* ---- answers ---- */

static bool
is_answer(const struct fw_filter *filter)
{
	return filter->target.actions == NULL && filter->in_port == 0;
}

static inline uint32_t
slot_of(const struct answers *answers, uint32_t mark)
{
	uint32_t slot = mark * 0x9e3779b1u >> answers->shift;
	uint64_t answer;

	while ((answer = load_relaxed(&answers->slots[slot])) != 0 && answer >> 32 != mark)
		slot = (slot + 1) & answers->mask;
	return slot;
}

static void
put_answer(struct answers *answers, const struct fw_filter *filter)
{
	uint32_t mark = (uint32_t)filter->keyed.key;
	uint64_t answer = (uint64_t)mark << 32 | filter->target.classid;

	__atomic_store_n(&answers->slots[slot_of(answers, mark)], answer, __ATOMIC_RELAXED);
}

/* Anew from all filters but `without`: at most two thirds of the slots are taken. */
static int
publish_answers(struct filter_group *group, const struct fw_filter *without)
{
	struct fw *fw = filter_group_priv(group);
	const struct key_slots *from = fw->filters.slots;
	const struct answers *old = fw->answers;
	struct answers *fresh;
	uint32_t count = 4, n = 0;

	for (uint32_t i = 0; i <= from->mask; i++)
		n += from->slots[i] != NULL && is_answer((const struct fw_filter *)from->slots[i]);
	while (2 * count < 3 * (n + 1))
		count *= 2;
	fresh = calloc(1, sizeof(*fresh) + count * sizeof(fresh->slots[0]));
	if (fresh == NULL)
		return -ENOMEM;
	fresh->mask = count - 1;
	fresh->shift = 32 - (uint32_t)__builtin_ctz(count);
	for (uint32_t i = 0; i <= from->mask; i++) {
		const struct fw_filter *filter = (const struct fw_filter *)from->slots[i];

		if (filter == NULL || filter == without)
			continue;
		if (is_answer(filter))
			put_answer(fresh, filter);
		else
			__atomic_store_n(&fw->others, true, __ATOMIC_RELAXED);
	}
	fw->n_answers = n;
	store_release(&fw->answers, fresh);
	if (old != NULL)
		rcu_defer(filter_group_rcu(group), free, (void *)(uintptr_t)old);
	return 0;
}

/* The filters have one more, or another one in the place of `old`. */
static int
update_answers(struct filter_group *group, const struct fw_filter *old, const struct fw_filter *fresh)
{
	struct fw *fw = filter_group_priv(group);
	bool same_slot = old != NULL && is_answer(old);
	struct answers *answers = (struct answers *)(uintptr_t)fw->answers;

	if (!is_answer(fresh) || answers == NULL || (!same_slot && 3 * (fw->n_answers + 2) > 2 * (answers->mask + 1)))
		return publish_answers(group, NULL);
	put_answer(answers, fresh);
	fw->n_answers += !same_slot;
	return 0;
}

/* ---- filters ---- */

static void *
fw_find(const struct filter_group *group, uint32_t handle)
{
	const struct fw *fw = filter_group_priv(group);

	return key_table_find(&fw->filters, handle);
}

static void
retire(void *group, struct keyed *keyed)
{
	struct fw_filter *filter = (struct fw_filter *)keyed;

	filter_target_release(group, &filter->target);
	rcu_defer(filter_group_rcu(group), free, filter);
}

static int
make(struct filter_group *group, uint32_t mark, const struct fw_conf *conf, struct fw_filter **made, struct error *err)
{
	struct fw_filter *filter = calloc(1, sizeof(*filter));
	int rc;

	if (filter == NULL)
		return error_code(err, ENOMEM);
	filter->keyed.key = mark;
	filter->in_port = conf->in_port;
	rc = filter_target_init(
		group, &filter->target, conf->has_classid ? conf->classid : 0, conf->actions, conf->n_actions, err);
	if (rc != 0)
		free(filter);
	else
		*made = filter;
	return rc;
}

static uint32_t
mask_of(const struct fw_conf *conf)
{
	return conf->has_mask ? conf->mask : UINT32_MAX;
}

static int
check(const struct fw *fw, uint32_t handle, const struct fw_conf *conf, struct error *err)
{
	/* Linux says no more than EINVAL to a mask that differs, and scripts are compared with it word by word. */
	if (conf == NULL || (fw->filters.n != 0 && mask_of(conf) != fw->mask))
		return error_code(err, EINVAL);
	if (handle == 0)
		return error_set(err, EINVAL,
			"fw: the mark to look for is missing: give it as in 'handle 6 fw'; 'fw' alone takes no "
			"options");
	return 0;
}

/* Memory is out for the answers. A filter that cannot be taken out either is found without them. */
static int
undo(struct filter_group *group, struct fw_filter *old, struct fw_filter *fresh, struct error *err)
{
	struct fw *fw = filter_group_priv(group);

	if (old != NULL)
		key_table_put(filter_group_rcu(group), &fw->filters, &old->keyed);
	else if (key_table_remove(filter_group_rcu(group), &fw->filters, &fresh->keyed) != 0)
		__atomic_store_n(&fw->others, true, __ATOMIC_RELAXED);
	if (key_table_find(&fw->filters, fresh->keyed.key) != fresh)
		retire(group, &fresh->keyed);
	return error_code(err, ENOMEM);
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
	fw->mask = mask_of(conf);
	if (key_table_put(filter_group_rcu(group), &fw->filters, &filter->keyed) != 0) {
		retire(group, &filter->keyed);
		return error_code(err, ENOMEM);
	}
	if (update_answers(group, old, filter) != 0)
		return undo(group, old, filter, err);
	fw->impure += !filter->target.pure;
	if (old != NULL) {
		fw->impure -= !old->target.pure;
		retire(group, &old->keyed);
	}
	*made = filter;
	return 0;
}

static int
fw_remove(struct filter_group *group, void *filter, bool *last, struct error *err)
{
	struct fw *fw = filter_group_priv(group);
	struct fw_filter *going = filter;

	*last = fw->filters.n == 1;
	if (*last)
		return 0; /* it goes with its group: without it the group would mean `fw` alone */
	if (is_answer(going) && publish_answers(group, going) != 0)
		return error_code(err, ENOMEM);
	if (key_table_remove(filter_group_rcu(group), &fw->filters, &going->keyed) != 0) {
		__atomic_store_n(&fw->others, true, __ATOMIC_RELAXED); /* it stays, and is found without the answers */
		return error_code(err, ENOMEM);
	}
	fw->impure -= !going->target.pure;
	retire(group, &going->keyed);
	return 0;
}

static void
fw_destroy(struct filter_group *group)
{
	struct fw *fw = filter_group_priv(group);

	key_table_destroy(filter_group_rcu(group), &fw->filters, retire, group);
	if (fw->answers != NULL)
		rcu_defer(filter_group_rcu(group), free, (void *)(uintptr_t)fw->answers);
}

/* By mark: the order in which Linux's small hash table comes out for marks below 256. */
static int
fw_walk(const struct filter_group *group, int (*visit)(void *arg, uint32_t handle, const void *filter), void *arg)
{
	const struct fw *fw = filter_group_priv(group);
	struct keyed **sorted = key_table_sorted(&fw->filters);
	int rc = 0;

	if (sorted == NULL)
		return fw->filters.n == 0 ? 0 : -ENOMEM;
	for (uint32_t i = 0; rc == 0 && i < fw->filters.n; i++)
		rc = visit(arg, (uint32_t)sorted[i]->key, sorted[i]);
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

/* By a filter that is more than a class. */
static void
ask_other(
	const struct fw *fw, uint32_t mark, const struct classify_ctx *ctx, struct rte_mbuf *m, struct verdict *result)
{
	const struct fw_filter *filter = key_table_find(&fw->filters, mark);

	if (filter != NULL && (filter->in_port == 0 || filter->in_port == pkt_of(m)->in_port))
		*result = filter_target_answer(&filter->target, ctx, m);
}

static void
fw_classify(const struct filter_group *group, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
	struct verdict *results)
{
	const struct fw *fw = filter_group_priv(group);
	const struct answers *answers = load_acquire(&fw->answers);
	uint32_t mask = fw->mask;

	if (answers == NULL) {
		take_marks_as_classids(group, pkts, n, results);
		return;
	}
	for (uint16_t i = 0; i < n; i++) {
		uint32_t mark = pkt_of(pkts[i])->mark & mask;
		uint64_t answer = load_relaxed(&answers->slots[slot_of(answers, mark)]);

		if (likely(answer != 0))
			results[i] = (struct verdict){ TC_ACT_OK, (uint32_t)answer };
		else if (load_relaxed(&fw->others))
			ask_other(fw, mark, ctx, pkts[i], &results[i]);
	}
}

static bool
fw_pure(const struct filter_group *group)
{
	return ((const struct fw *)filter_group_priv(group))->impure == 0;
}

void
fw_get_conf(const struct filter_group *group, const void *filter, struct fw_conf *conf)
{
	const struct fw_filter *f = filter;
	uint32_t mask = ((const struct fw *)filter_group_priv(group))->mask;

	*conf = (struct fw_conf){
		.has_classid = f->target.classid != 0,
		.classid = f->target.classid,
		.has_mask = mask != UINT32_MAX,
		.mask = mask,
		.in_port = f->in_port,
	};
}

const struct action_list *
fw_actions(const void *filter)
{
	return ((const struct fw_filter *)filter)->target.actions;
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
