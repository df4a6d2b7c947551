/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcindex: the packet's tc_index, masked and shifted, is the handle of the filter that it belongs to; tc-tcindex(8).
 *
 * A key has 16 bits, so workers find the answer by two loads: a page by the key's high byte, the answer by its low one.
 * Where there are no actions to run, that is the class itself. Pages come when a filter needs them and go with the
 * group. Linux has an array where `hash` is above every key, else a
 * small hash table; what that shows of itself, the checks and the order of dumps, is kept.
 */
#include <stdlib.h>

#include <rte_branch_prediction.h>

#include <weir/filter/tcindex.h>

#include "internal.h"

#define PAGE_FILTERS 256
#define PAGES        256
#define KEYS         (PAGES * PAGE_FILTERS)

enum {
	HASH_DEFAULT = 64,
};

struct tcindex_filter {
	uint16_t key;
	struct filter_target target;
	uint64_t serial; /* order of creation, which a replacement keeps */
};

/* What a worker needs of the settings, in one word so that they change together. */
union lookup {
	struct {
		uint16_t mask;
		uint8_t shift;
		uint8_t fall_through;
	};
	uint32_t word;
};

/* 0: no filter; a class and CLASS_ONLY; or a pointer to the filter, whose actions are to run. */
typedef uint64_t answer;

#define CLASS_ONLY 1u

struct page {
	answer answers[PAGE_FILTERS];
	struct tcindex_filter *filters[PAGE_FILTERS]; /* control's */
};

struct tcindex {
	union lookup lookup;
	struct page *pages[PAGES]; /* NULL: no filter there */
	/* control's */
	struct tcindex_settings settings;
	bool started; /* options have come: from then on settings must fit what is there */
	bool direct; /* hash was above every key at the start, and so it must stay */
	uint32_t n, impure;
	uint64_t serial;
};

static inline answer
lookup_key(const struct tcindex *t, uint32_t key)
{
	const struct page *page = load_acquire(&t->pages[key / PAGE_FILTERS]);

	return page == NULL ? 0 : load_acquire(&page->answers[key % PAGE_FILTERS]);
}

static answer
answer_of(const struct tcindex_filter *filter)
{
	if (filter == NULL)
		return 0;
	return filter->target.actions != NULL ? (uintptr_t)filter : (answer)filter->target.classid << 32 | CLASS_ONLY;
}

/* Control. */
static struct tcindex_filter *
filter_at(const struct tcindex *t, uint32_t key)
{
	const struct page *page = t->pages[key / PAGE_FILTERS];

	return page == NULL ? NULL : page->filters[key % PAGE_FILTERS];
}

/* ---- settings */

/* Is hash above every key that these can give? */
static bool
covers_keys(const struct tcindex_settings *settings)
{
	return settings->hash > (uint32_t)settings->mask >> settings->shift;
}

/* What the group's settings will be; nothing is changed yet. */
static int
evaluate(const struct tcindex *t, const struct tcindex_conf *conf, struct tcindex_settings *fresh, struct error *err)
{
	*fresh = t->settings;
	if (conf->has_shift && conf->shift > TCINDEX_SHIFT_MAX)
		return error_set(
			err, EINVAL, "tcindex: a shift of %u bits; tc_index has %u", conf->shift, TCINDEX_SHIFT_MAX);
	if (conf->has_hash && conf->hash > TCINDEX_HASH_MAX)
		return error_set(
			err, EINVAL, "tcindex: a hash of %u; at most %u keys there are", conf->hash, TCINDEX_HASH_MAX);
	if (conf->has_mask)
		fresh->mask = (uint16_t)conf->mask;
	if (conf->has_shift)
		fresh->shift = (uint8_t)conf->shift;
	if (conf->has_fall_through)
		fresh->fall_through = conf->fall_through;
	if (conf->has_hash && conf->hash != 0)
		fresh->hash = conf->hash;
	if (t->started && (t->direct ? !covers_keys(fresh) : fresh->hash != t->settings.hash))
		return error_set(err, EBUSY,
			t->direct ? "tcindex: hash %u must stay above every key, and mask and shift give 0x%x"
				  : "tcindex: hash %u cannot change any more: delete the filters of this prio first",
			t->direct ? fresh->hash : t->settings.hash, fresh->mask >> fresh->shift);
	return 0;
}

static void
publish_settings(struct tcindex *t, const struct tcindex_settings *fresh)
{
	union lookup lookup = { { fresh->mask, fresh->shift, fresh->fall_through } };

	if (!t->started)
		t->direct = covers_keys(fresh);
	t->started = true;
	t->settings = *fresh;
	store_release(&t->lookup.word, lookup.word);
}

static int
tcindex_init(struct filter_group *group, struct error *err)
{
	struct tcindex *t = filter_group_priv(group);
	union lookup lookup;

	(void)err;
	t->settings = (struct tcindex_settings){ .hash = HASH_DEFAULT, .mask = UINT16_MAX, .fall_through = true };
	lookup = (union lookup){ { t->settings.mask, t->settings.shift, t->settings.fall_through } };
	t->lookup.word = lookup.word;
	return 0;
}

/* ---- filters */

/*
 * Linux keeps an entry without class and actions but does not find it again: to get or delete it, or to add it twice.
 */
static bool
does_something(const struct tcindex_filter *filter)
{
	return filter->target.classid != 0 || action_list_count(filter->target.actions) != 0;
}

static void *
tcindex_find(const struct filter_group *group, uint32_t handle)
{
	struct tcindex_filter *filter = filter_at(filter_group_priv(group), handle % KEYS);

	return filter != NULL && does_something(filter) ? filter : NULL;
}

static void
retire(struct filter_group *group, struct tcindex_filter *filter)
{
	filter_target_release(group, &filter->target);
	rcu_defer(filter_group_rcu(group), free, filter);
}

/* Puts fresh (NULL: nothing) where key's filter is; its page is there. */
static void
put(struct filter_group *group, uint32_t key, struct tcindex_filter *fresh)
{
	struct tcindex *t = filter_group_priv(group);
	struct tcindex_filter *old = filter_at(t, key);
	struct page *page = t->pages[key / PAGE_FILTERS];

	if (fresh != old) {
		page->filters[key % PAGE_FILTERS] = fresh;
		store_release(&page->answers[key % PAGE_FILTERS], answer_of(fresh));
	}
	if (fresh != NULL) {
		t->n++;
		t->impure += !fresh->target.pure;
	}
	if (old != NULL) {
		t->n--;
		t->impure -= !old->target.pure;
		retire(group, old);
	}
}

static int
make(struct filter_group *group, uint32_t key, const struct tcindex_conf *conf, struct tcindex_filter **made,
	struct error *err)
{
	struct tcindex *t = filter_group_priv(group);
	const struct tcindex_filter *old = filter_at(t, key);
	struct page **page = &t->pages[key / PAGE_FILTERS], *fresh_page;
	struct tcindex_filter *filter;
	int rc;

	if (*page == NULL) {
		fresh_page = calloc(1, sizeof(*fresh_page));
		if (fresh_page == NULL)
			return error_code(err, ENOMEM);
		store_release(page, fresh_page);
	}
	filter = calloc(1, sizeof(*filter));
	if (filter == NULL)
		return error_code(err, ENOMEM);
	filter->key = (uint16_t)key;
	filter->serial = old != NULL ? old->serial : t->serial++;
	rc = filter_target_init(group, &filter->target,
		conf->has_classid ? conf->classid
		: old != NULL     ? old->target.classid
				  : 0,
		conf->actions, conf->n_actions, err);
	if (rc != 0) {
		free(filter);
		return rc;
	}
	*made = filter;
	return 0;
}

/* A handle's higher bits are nobody's, as on Linux. */
static int
tcindex_change(struct filter_group *group, void *existing, uint32_t *handle, const void *options, void **made,
	struct error *err)
{
	struct tcindex *t = filter_group_priv(group);
	const struct tcindex_conf *conf = options;
	struct tcindex_settings fresh;
	struct tcindex_filter *filter;
	uint32_t key = *handle % KEYS;
	int rc;

	(void)existing;
	if (conf == NULL)
		return 0; /* `tcindex` alone: the class is tc_index */
	rc = evaluate(t, conf, &fresh, err);
	if (rc != 0)
		return rc;
	if (covers_keys(&fresh) && key >= fresh.hash)
		return error_set(
			err, EINVAL, "tcindex: handle 0x%x is not below the hash, which has %u keys", key, fresh.hash);
	rc = make(group, key, conf, &filter, err);
	if (rc != 0)
		return rc;
	if (t->direct) {
		for (uint32_t gone = fresh.hash; gone < t->settings.hash; gone++)
			put(group, gone, NULL);
	}
	publish_settings(t, &fresh);
	if (t->direct && !does_something(filter)) {
		retire(group, filter);
		put(group, key, NULL);
		filter = NULL;
	} else {
		put(group, key, filter);
	}
	*handle = key;
	*made = filter;
	return 0;
}

static int
tcindex_remove(struct filter_group *group, void *filter, bool *last, struct error *err)
{
	(void)last; /* the group stays: its settings are an answer by themselves */
	(void)err;
	put(group, ((const struct tcindex_filter *)filter)->key, NULL);
	return 0;
}

static void
tcindex_destroy(struct filter_group *group)
{
	struct tcindex *t = filter_group_priv(group);

	for (uint32_t key = 0; t->n != 0 && key < KEYS; key++)
		put(group, key, NULL);
	for (uint32_t i = 0; i < PAGES; i++)
		if (t->pages[i] != NULL)
			rcu_defer(filter_group_rcu(group), free, t->pages[i]);
}

/* ---- dumps */

/* For qsort, which takes no argument of ours: the place is worked out before. */
struct placed {
	uint32_t bucket;
	const struct tcindex_filter *filter;
};

static int
compare_places(const void *a, const void *b)
{
	const struct placed *left = a, *right = b;

	if (left->bucket != right->bucket)
		return left->bucket < right->bucket ? -1 : 1;
	return left->filter->serial < right->filter->serial ? -1 : left->filter->serial > right->filter->serial;
}

/* By bucket and, within one, by age: the order of Linux's hash table and, where each key has a bucket, of its array. */
static int
tcindex_walk(const struct filter_group *group, int (*visit)(void *arg, uint32_t handle, const void *filter), void *arg)
{
	const struct tcindex *t = filter_group_priv(group);
	struct placed *sorted;
	uint32_t n = 0;
	int rc = 0;

	if (t->n == 0)
		return 0;
	sorted = malloc(t->n * sizeof(*sorted));
	if (sorted == NULL)
		return -ENOMEM;
	for (uint32_t key = 0; key < KEYS; key++) {
		const struct tcindex_filter *filter = filter_at(t, key);

		if (filter != NULL)
			sorted[n++] = (struct placed){ key % t->settings.hash, filter };
	}
	qsort(sorted, n, sizeof(*sorted), compare_places);
	for (uint32_t i = 0; rc == 0 && i < n; i++)
		rc = visit(arg, sorted[i].filter->key, sorted[i].filter);
	free(sorted);
	return rc;
}

bool
tcindex_is_empty(const struct filter_group *group)
{
	return ((const struct tcindex *)filter_group_priv(group))->n == 0;
}

void
tcindex_get_settings(const struct filter_group *group, struct tcindex_settings *settings)
{
	*settings = ((const struct tcindex *)filter_group_priv(group))->settings;
}

uint32_t
tcindex_classid(const void *filter)
{
	return ((const struct tcindex_filter *)filter)->target.classid;
}

const struct action_list *
tcindex_actions(const void *filter)
{
	return ((const struct tcindex_filter *)filter)->target.actions;
}

/* ---- classification */

static void
tcindex_classify(const struct filter_group *group, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
	struct verdict *results)
{
	const struct tcindex *t = filter_group_priv(group);
	const union lookup lookup = { .word = load_acquire(&t->lookup.word) };
	uint32_t major = TC_H_MAJ(filter_group_handle(group));

	for (uint16_t i = 0; i < n; i++) {
		uint32_t key = (uint32_t)(pkt_of(pkts[i])->tc_index & lookup.mask) >> lookup.shift;
		answer found = lookup_key(t, key);

		if (likely((found & CLASS_ONLY) != 0))
			results[i] = (struct verdict){ TC_ACT_OK, (uint32_t)(found >> 32) };
		else if (found != 0)
			results[i] = filter_target_answer(
				&((const struct tcindex_filter *)(uintptr_t)found)->target, ctx, pkts[i]);
		else if (lookup.fall_through)
			results[i] = (struct verdict){ TC_ACT_OK, major | key };
	}
}

static bool
tcindex_pure(const struct filter_group *group)
{
	return ((const struct tcindex *)filter_group_priv(group))->impure == 0;
}

static const struct filter_ops tcindex_ops = {
	.kind = "tcindex",
	.size = sizeof(struct tcindex),
	.init = tcindex_init,
	.destroy = tcindex_destroy,
	.change = tcindex_change,
	.remove = tcindex_remove,
	.find = tcindex_find,
	.walk = tcindex_walk,
	.classify = tcindex_classify,
	.pure = tcindex_pure,
};
FILTER_REGISTER(tcindex_ops)
