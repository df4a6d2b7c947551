/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * basic: extended matches decide; tc-basic(8). The newest filter is asked first, the first that matches decides.
 *
 * Most filters ask whether some fields of the packet have certain values, and do so of the same fields. Filters that
 * need the same fields to be equal to something have one shape, and are found by one probe of a hash table of the
 * values (tuple_space.h). What else a filter asks is tried on those that were found. A filter with nothing to hash is
 * of the empty shape, whose filters are a list.
 */
#include <stddef.h>
#include <stdlib.h>

#include <weir/filter/basic.h>

#include "ematch.h"
#include "filter_list.h"
#include "hash.h"
#include "tuple_space.h"

struct basic_filter {
	struct tuple tuple; /* by the values of the shape's fields; the newest has the least rank */
	struct ematch_program *program;
	struct filter_target target;
	bool found_is_match; /* the key says it all */
	/* control's */
	struct shape *shape;
	struct listed listed;
};

struct shape {
	struct tuple_shape tuples;
	uint32_t n_fields;
	struct ematch_field fields[EMATCH_FIELDS_MAX];
};

struct basic {
	struct tuple_space space; /* of struct shape */
	/* control's */
	struct filter_list list;
	uint64_t next_rank; /* falls */
	uint32_t impure;
};

static uint64_t
key_of(const uint32_t *values, uint32_t n)
{
	uint64_t key = n > 0 ? values[0] : 0;

	if (n > 1)
		key |= (uint64_t)values[1] << 32;
	for (uint32_t i = 2; i < n; i++)
		key = hash_word(key, values[i]);
	return key;
}

static bool
same_shape(const struct shape *shape, const struct ematch_program *p)
{
	return shape->n_fields == p->n_fields &&
	       memcmp(shape->fields, p->fields, p->n_fields * sizeof(p->fields[0])) == 0;
}

/* The program's shape, which is made if it is not there; NULL: memory is out. */
static struct shape *
shape_for(struct filter_group *group, const struct ematch_program *p)
{
	struct basic *basic = filter_group_priv(group);
	const struct tuple_shapes *shapes = basic->space.shapes;
	struct shape *shape;

	for (uint32_t i = 0; shapes != NULL && i < shapes->n; i++) {
		shape = (struct shape *)shapes->shapes[i];
		if (same_shape(shape, p))
			return shape;
	}
	shape = calloc(1, sizeof(*shape));
	if (shape == NULL)
		return NULL;
	shape->n_fields = p->n_fields;
	memcpy(shape->fields, p->fields, sizeof(p->fields));
	if (tuple_space_add(filter_group_rcu(group), &basic->space, &shape->tuples) != 0) {
		free(shape);
		return NULL;
	}
	return shape;
}

/* ---- filters ---- */

static void
retire(struct filter_group *group, struct basic_filter *filter)
{
	filter_target_release(group, &filter->target);
	rcu_defer(filter_group_rcu(group), ematch_free, filter->program);
	rcu_defer(filter_group_rcu(group), free, filter);
}

static bool
is_pure(const struct basic_filter *filter)
{
	return filter->target.pure && filter->program->pure;
}

static int
make(struct filter_group *group, const struct basic_conf *conf, struct basic_filter **made, struct error *err)
{
	struct basic_filter *filter = calloc(1, sizeof(*filter));
	int rc;

	if (filter == NULL)
		return error_code(err, ENOMEM);
	rc = ematch_compile(conf->matches, conf->n_matches, &filter->program, err);
	if (rc != 0) {
		free(filter);
		return rc;
	}
	rc = filter_target_init(group, &filter->target, conf->classid, conf->actions, conf->n_actions, err);
	if (rc != 0) {
		ematch_free(filter->program);
		free(filter);
		return rc;
	}
	filter->tuple.keyed.key = key_of(filter->program->values, filter->program->n_fields);
	filter->found_is_match =
		filter->program->n_steps == filter->program->n_fields && filter->program->n_fields <= 2;
	*made = filter;
	return 0;
}

/* Workers see it from here on. */
static int
put(struct filter_group *group, struct basic_filter *filter)
{
	struct basic *basic = filter_group_priv(group);
	struct rcu *rcu = filter_group_rcu(group);

	filter->shape = shape_for(group, filter->program);
	if (filter->shape == NULL)
		return -ENOMEM;
	if (tuple_put(rcu, &filter->shape->tuples, &filter->tuple) != 0) {
		tuple_space_drop_if_empty(rcu, &basic->space, &filter->shape->tuples);
		return -ENOMEM;
	}
	basic->impure += !is_pure(filter);
	return 0;
}

static int
take_out(struct filter_group *group, struct basic_filter *filter)
{
	struct basic *basic = filter_group_priv(group);
	struct rcu *rcu = filter_group_rcu(group);

	if (tuple_remove(rcu, &filter->shape->tuples, &filter->tuple) != 0)
		return -ENOMEM;
	basic->impure -= !is_pure(filter);
	tuple_space_drop_if_empty(rcu, &basic->space, &filter->shape->tuples);
	return 0;
}

static struct basic_filter *
filter_of(struct listed *listed)
{
	return (struct basic_filter *)((char *)listed - offsetof(struct basic_filter, listed));
}

static const struct basic_filter *
filter_of_const(const void *listed)
{
	return (const struct basic_filter *)((const char *)listed - offsetof(struct basic_filter, listed));
}

/* What a change does not say again is gone, as on Linux; the place in the order stays. */
static int
basic_change(struct filter_group *group, void *existing, uint32_t *handle, const void *options, void **made,
	struct error *err)
{
	struct basic *basic = filter_group_priv(group);
	struct basic_filter *filter, *old = existing != NULL ? filter_of(existing) : NULL;
	int rc;

	if (options == NULL)
		return error_code(err, EINVAL);
	rc = make(group, options, &filter, err);
	if (rc != 0)
		return rc;
	filter->tuple.rank = old != NULL ? old->tuple.rank : basic->next_rank;
	rc = old == NULL ? filter_list_reserve(&basic->list, handle) : 0;
	filter->listed.handle = *handle;
	if (rc == 0)
		rc = put(group, filter);
	if (rc == 0 && old != NULL && take_out(group, old) != 0)
		rc = take_out(group, filter) == 0 ? -ENOMEM : -EAGAIN;
	if (rc != 0) {
		if (rc != -EAGAIN) /* else there is no memory to take it out: workers may still see it */
			retire(group, filter);
		return error_code(err, ENOMEM);
	}
	if (old != NULL) {
		filter_list_replace(&basic->list, &old->listed, &filter->listed);
		retire(group, old);
	} else {
		filter_list_add_first(&basic->list, &filter->listed);
		basic->next_rank--;
	}
	*made = &filter->listed;
	return 0;
}

static int
basic_remove(struct filter_group *group, void *listed, bool *last, struct error *err)
{
	struct basic *basic = filter_group_priv(group);
	struct basic_filter *filter = filter_of(listed);

	*last = basic->list.n == 1;
	if (*last)
		return 0; /* it goes with its group */
	if (take_out(group, filter) != 0)
		return error_code(err, ENOMEM);
	filter_list_remove(&basic->list, listed);
	retire(group, filter);
	return 0;
}

static int
basic_init(struct filter_group *group, struct error *err)
{
	((struct basic *)filter_group_priv(group))->next_rank = UINT64_MAX - 1;
	return 0;
}

static void
basic_destroy(struct filter_group *group)
{
	struct basic *basic = filter_group_priv(group);
	struct listed *next;

	for (struct listed *listed = basic->list.first; listed != NULL; listed = next) {
		next = listed->next;
		retire(group, filter_of(listed));
	}
	tuple_space_destroy(filter_group_rcu(group), &basic->space);
	filter_list_destroy(&basic->list);
}

static void *
basic_find(const struct filter_group *group, uint32_t handle)
{
	return filter_list_find(&((const struct basic *)filter_group_priv(group))->list, handle);
}

static int
basic_walk(const struct filter_group *group, int (*visit)(void *arg, uint32_t handle, const void *filter), void *arg)
{
	return filter_list_walk(&((const struct basic *)filter_group_priv(group))->list, visit, arg);
}

/* ---- classification ---- */

struct question {
	const struct classify_ctx *ctx;
	struct rte_mbuf *m;
};

/* The first of a chain, from a rank on, that matches. */
static struct basic_filter *
first_match(struct tuple *chain, uint64_t from, const struct question *question)
{
	for (; chain != NULL; chain = tuple_next(chain)) {
		struct basic_filter *filter = (struct basic_filter *)chain;

		if (chain->rank < from)
			continue;
		if (filter->found_is_match || ematch_run(filter->program, question->ctx, question->m))
			return filter;
	}
	return NULL;
}

static bool
read_key(const struct shape *shape, const struct question *question, uint64_t *key)
{
	uint32_t values[EMATCH_FIELDS_MAX];

	for (uint32_t i = 0; i < shape->n_fields; i++)
		if (!ematch_read(&shape->fields[i], question->ctx, question->m, NULL, &values[i]))
			return false;
	*key = key_of(values, shape->n_fields);
	return true;
}

static uint64_t
rank_of(const struct basic_filter *filter)
{
	return filter != NULL ? filter->tuple.rank : UINT64_MAX;
}

/* The first filter from a rank on that matches one packet. */
static struct basic_filter *
find_one(const struct tuple_shapes *shapes, uint64_t from, const struct question *question)
{
	struct basic_filter *best = NULL;

	for (uint32_t s = 0; s < shapes->n; s++) {
		const struct shape *shape = (const struct shape *)shapes->shapes[s];
		struct basic_filter *found;
		uint64_t key;

		if (load_relaxed(&shape->tuples.least_rank) > rank_of(best) || !read_key(shape, question, &key))
			continue;
		found = first_match(tuple_find(&shape->tuples, key), from, question);
		if (rank_of(found) < rank_of(best))
			best = found;
	}
	return best;
}

/* best[i]: what is known so far for each packet; a filter of this shape takes its place if it comes before it. */
static void
ask_shape(const struct shape *shape, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
	struct basic_filter **best)
{
	uint64_t keys[CLASSIFY_BURST], least = load_relaxed(&shape->tuples.least_rank);
	struct tuple *chains[CLASSIFY_BURST];
	uint8_t places[CLASSIFY_BURST];
	unsigned int asked = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct question question = { ctx, pkts[i] };

		places[asked] = (uint8_t)i;
		asked += least < rank_of(best[i]) && read_key(shape, &question, &keys[asked]);
	}
	tuple_find_burst(&shape->tuples, keys, asked, chains);
	for (unsigned int i = 0; i < asked; i++) {
		struct question question = { ctx, pkts[places[i]] };
		struct basic_filter *found = first_match(chains[i], 0, &question);

		if (rank_of(found) < rank_of(best[places[i]]))
			best[places[i]] = found;
	}
}

static void
basic_classify(const struct filter_group *group, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
	struct verdict *results)
{
	const struct tuple_shapes *shapes =
		load_acquire(&((const struct basic *)filter_group_priv(group))->space.shapes);
	struct basic_filter *found[CLASSIFY_BURST] = { NULL };

	if (shapes == NULL)
		return;
	for (uint32_t s = 0; s < shapes->n; s++)
		ask_shape((const struct shape *)shapes->shapes[s], ctx, pkts, n, found);
	for (uint16_t i = 0; i < n; i++) {
		struct question question = { ctx, pkts[i] };
		struct basic_filter *filter = found[i];

		while (filter != NULL) {
			struct verdict answer = filter_target_answer(&filter->target, ctx, pkts[i]);

			if (answer.action != TC_ACT_UNSPEC) {
				results[i] = answer;
				break;
			}
			filter = find_one(shapes, filter->tuple.rank + 1, &question);
		}
	}
}

static bool
basic_pure(const struct filter_group *group)
{
	return ((const struct basic *)filter_group_priv(group))->impure == 0;
}

uint32_t
basic_classid(const void *filter)
{
	return filter_of_const(filter)->target.classid;
}

const struct ematch *
basic_matches(const void *filter, unsigned int *n)
{
	*n = filter_of_const(filter)->program->n_matches;
	return filter_of_const(filter)->program->matches;
}

const struct action_list *
basic_actions(const void *filter)
{
	return filter_of_const(filter)->target.actions;
}

static const struct filter_ops basic_ops = {
	.kind = "basic",
	.size = sizeof(struct basic),
	.init = basic_init,
	.destroy = basic_destroy,
	.change = basic_change,
	.remove = basic_remove,
	.find = basic_find,
	.walk = basic_walk,
	.classify = basic_classify,
	.pure = basic_pure,
};
FILTER_REGISTER(basic_ops)
