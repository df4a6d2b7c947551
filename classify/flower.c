/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flower: fields of headers under masks; tc-flower(8). Filters with one mask are one shape of a tuple space
 * (tuple_space.h): one probe finds the filter of a packet, whatever their number. Masks are asked in the order in which
 * they came; the first that has a filter for the packet decides, and if its actions say continue, the group says
 * nothing.
 *
 * Ranges of ports are no part of the key: filters that are otherwise equal are in one chain, the oldest first.
 */
#include <stddef.h>
#include <stdlib.h>

#include <rte_byteorder.h>

#include <weir/filter/flower.h>

#include "dissect.h"
#include "filter_list.h"
#include "hash.h"
#include "internal.h"
#include "tuple_space.h"

struct flower_filter {
	struct tuple tuple; /* by a hash of the words; the oldest has the least rank */
	struct flower_ports ports[FLOWER_ENDS]; /* 0 to 65535 where no range was given */
	uint64_t words[FLOWER_WORDS]; /* of the key, those that the mask has bits of, in a row */
	struct filter_target target;
	/* control's */
	struct mask *mask;
	struct listed listed;
	struct flower_conf conf;
};

/* A shape. */
struct mask {
	struct tuple_shape filters;
	uint32_t n_words;
	uint8_t at[FLOWER_WORDS]; /* where in the key they are */
	uint64_t words[FLOWER_WORDS]; /* the mask, likewise */
	bool ranges[FLOWER_ENDS]; /* does it look at ranges? */
};

struct flower {
	struct tuple_space masks; /* of struct mask */
	/* control's */
	struct filter_list list;
	uint64_t next_rank;
	uint32_t impure;
};

static inline uint64_t
hash_words(const uint64_t *words, uint32_t n)
{
	uint64_t hash = n;

	for (uint32_t i = 0; i < n; i++)
		hash = hash_word(hash, words[i]);
	return hash;
}

/* The words of a key that the mask looks at. */
static inline void
lay_mask(const struct mask *mask, const union flower_key *key, uint64_t *words)
{
	for (uint32_t i = 0; i < mask->n_words; i++)
		words[i] = key->words[mask->at[i]] & mask->words[i];
}

/* ---- masks ---- */

static bool
has_range(const struct flower_conf *conf, unsigned int end)
{
	return conf->ports[end].most != 0;
}

static struct mask
mask_of(const struct flower_conf *conf)
{
	struct mask mask;

	memset(&mask, 0, sizeof(mask));
	for (uint8_t i = 0; i < FLOWER_WORDS; i++)
		if (conf->mask.words[i] != 0) {
			mask.at[mask.n_words] = i;
			mask.words[mask.n_words++] = conf->mask.words[i];
		}
	for (unsigned int end = 0; end < FLOWER_ENDS; end++)
		mask.ranges[end] = has_range(conf, end);
	return mask;
}

static bool
same_mask(const struct mask *a, const struct mask *b)
{
	return a->n_words == b->n_words && memcmp(a->at, b->at, sizeof(a->at)) == 0 &&
	       memcmp(a->words, b->words, sizeof(a->words)) == 0 &&
	       memcmp(a->ranges, b->ranges, sizeof(a->ranges)) == 0;
}

/* NULL: there is none yet. */
static struct mask *
find_mask(const struct flower *flower, const struct flower_conf *conf)
{
	const struct tuple_shapes *shapes = flower->masks.shapes;
	struct mask wanted = mask_of(conf);

	for (uint32_t i = 0; shapes != NULL && i < shapes->n; i++)
		if (same_mask((struct mask *)shapes->shapes[i], &wanted))
			return (struct mask *)shapes->shapes[i];
	return NULL;
}

static struct mask *
make_mask(struct filter_group *group, const struct flower_conf *conf)
{
	struct flower *flower = filter_group_priv(group);
	struct mask *mask = malloc(sizeof(*mask));

	if (mask == NULL)
		return NULL;
	*mask = mask_of(conf);
	if (tuple_space_add(filter_group_rcu(group), &flower->masks, &mask->filters) != 0) {
		free(mask);
		return NULL;
	}
	return mask;
}

/* ---- filters ---- */

static struct flower_filter *
filter_of(struct listed *listed)
{
	return (struct flower_filter *)((char *)listed - offsetof(struct flower_filter, listed));
}

static const struct flower_filter *
filter_of_const(const void *listed)
{
	return (const struct flower_filter *)((const char *)listed - offsetof(struct flower_filter, listed));
}

static bool
same_ports(const struct flower_ports *a, const struct flower_ports *b)
{
	return memcmp(a, b, FLOWER_ENDS * sizeof(*a)) == 0;
}

/* One that asks for the very same. */
static bool
has_equal(const struct mask *mask, const struct flower_filter *filter)
{
	struct tuple *tuple = tuple_find(&mask->filters, filter->tuple.keyed.key);

	for (; tuple != NULL; tuple = tuple->next) {
		const struct flower_filter *other = (const struct flower_filter *)tuple;

		if (memcmp(other->words, filter->words, mask->n_words * sizeof(uint64_t)) == 0 &&
			same_ports(other->ports, filter->ports))
			return true;
	}
	return false;
}

static void
retire(struct filter_group *group, struct flower_filter *filter)
{
	filter_target_release(group, &filter->target);
	rcu_defer(filter_group_rcu(group), free, filter);
}

static int
make(struct filter_group *group, const struct flower_conf *conf, struct flower_filter **made, struct error *err)
{
	struct flower_filter *filter = calloc(1, sizeof(*filter));
	struct mask mask = mask_of(conf);
	int rc;

	if (filter == NULL)
		return error_code(err, ENOMEM);
	rc = filter_target_init(group, &filter->target, conf->classid, conf->actions, conf->n_actions, err);
	if (rc != 0) {
		free(filter);
		return rc;
	}
	filter->conf = *conf;
	filter->conf.actions = NULL;
	filter->conf.n_actions = 0;
	for (unsigned int end = 0; end < FLOWER_ENDS; end++)
		filter->ports[end] = has_range(conf, end) ? conf->ports[end] : (struct flower_ports){ 0, UINT16_MAX };
	lay_mask(&mask, &conf->key, filter->words);
	filter->tuple.keyed.key = hash_words(filter->words, mask.n_words);
	*made = filter;
	return 0;
}

/* Workers see it from here on. */
static int
put(struct filter_group *group, struct flower_filter *filter)
{
	struct flower *flower = filter_group_priv(group);
	struct rcu *rcu = filter_group_rcu(group);

	filter->mask = find_mask(flower, &filter->conf);
	if (filter->mask == NULL)
		filter->mask = make_mask(group, &filter->conf);
	if (filter->mask == NULL)
		return -ENOMEM;
	if (tuple_put(rcu, &filter->mask->filters, &filter->tuple) != 0) {
		tuple_space_drop_if_empty(rcu, &flower->masks, &filter->mask->filters);
		return -ENOMEM;
	}
	flower->impure += !filter->target.pure;
	return 0;
}

static int
take_out(struct filter_group *group, struct flower_filter *filter)
{
	struct flower *flower = filter_group_priv(group);
	struct rcu *rcu = filter_group_rcu(group);

	if (tuple_remove(rcu, &filter->mask->filters, &filter->tuple) != 0)
		return -ENOMEM;
	flower->impure -= !filter->target.pure;
	tuple_space_drop_if_empty(rcu, &flower->masks, &filter->mask->filters);
	return 0;
}

static int
check(const struct flower *flower, const struct flower_filter *filter, const struct flower_filter *old,
	struct error *err)
{
	const struct mask *mask = find_mask(flower, &filter->conf);

	if (old == NULL && mask != NULL && has_equal(mask, filter))
		return error_code(err, EEXIST);
	if (old != NULL && mask != old->mask)
		return error_set(err, EINVAL,
			"flower: a change must ask for the same fields under the same masks; delete the filter and add "
			"another");
	return 0;
}

static int
replace(struct filter_group *group, struct flower_filter *old, struct flower_filter *filter)
{
	int rc;

	filter->tuple.rank = old->tuple.rank;
	filter->listed.handle = old->listed.handle;
	rc = put(group, filter);
	if (rc != 0)
		return rc;
	if (take_out(group, old) != 0)
		return take_out(group, filter) == 0 ? -ENOMEM : -EAGAIN;
	filter_list_replace(&((struct flower *)filter_group_priv(group))->list, &old->listed, &filter->listed);
	retire(group, old);
	return 0;
}

static int
add(struct filter_group *group, struct flower_filter *filter, uint32_t *handle)
{
	struct flower *flower = filter_group_priv(group);
	int rc = filter_list_reserve(&flower->list, handle);

	filter->listed.handle = *handle;
	filter->tuple.rank = flower->next_rank;
	if (rc == 0)
		rc = put(group, filter);
	if (rc != 0)
		return rc;
	filter_list_add_sorted(&flower->list, &filter->listed);
	flower->next_rank++;
	return 0;
}

static int
flower_change(
	struct filter_group *group, void *existing, uint32_t *handle, const void *conf, void **made, struct error *err)
{
	struct flower_filter *filter, *old = existing != NULL ? filter_of(existing) : NULL;
	int rc;

	if (conf == NULL)
		return error_code(err, EINVAL);
	rc = make(group, conf, &filter, err);
	if (rc != 0)
		return rc;
	rc = check(filter_group_priv(group), filter, old, err);
	if (rc != 0) {
		retire(group, filter);
		return rc;
	}
	rc = old != NULL ? replace(group, old, filter) : add(group, filter, handle);
	if (rc != 0) {
		if (rc != -EAGAIN) /* else there is no memory to take it out: workers may still see it */
			retire(group, filter);
		return error_code(err, ENOMEM);
	}
	*made = &filter->listed;
	return 0;
}

static int
flower_remove(struct filter_group *group, void *listed, bool *last, struct error *err)
{
	struct flower *flower = filter_group_priv(group);

	*last = flower->list.n == 1;
	if (*last)
		return 0; /* it goes with its group */
	if (take_out(group, filter_of(listed)) != 0)
		return error_code(err, ENOMEM);
	filter_list_remove(&flower->list, listed);
	retire(group, filter_of(listed));
	return 0;
}

static void
flower_destroy(struct filter_group *group)
{
	struct flower *flower = filter_group_priv(group);
	struct listed *next;

	for (struct listed *listed = flower->list.first; listed != NULL; listed = next) {
		next = listed->next;
		retire(group, filter_of(listed));
	}
	tuple_space_destroy(filter_group_rcu(group), &flower->masks);
	filter_list_destroy(&flower->list);
}

static void *
flower_find(const struct filter_group *group, uint32_t handle)
{
	return filter_list_find(&((const struct flower *)filter_group_priv(group))->list, handle);
}

static int
flower_walk(const struct filter_group *group, int (*visit)(void *arg, uint32_t handle, const void *filter), void *arg)
{
	return filter_list_walk(&((const struct flower *)filter_group_priv(group))->list, visit, arg);
}

/* ---- classification ---- */

static inline bool
is_within(const struct flower_ports *range, rte_be16_t port)
{
	uint16_t p = rte_be_to_cpu_16(port);

	return range->least <= p && p <= range->most;
}

static struct flower_filter *
first_match(struct tuple *tuple, const struct mask *mask, const uint64_t *words, const union flower_key *key)
{
	for (; tuple != NULL; tuple = tuple_next(tuple)) {
		struct flower_filter *filter = (struct flower_filter *)tuple;
		uint64_t differ = 0;

		for (uint32_t i = 0; i < mask->n_words; i++)
			differ |= filter->words[i] ^ words[i];
		if (differ == 0 && is_within(&filter->ports[FLOWER_SOURCE], key->source_port) &&
			is_within(&filter->ports[FLOWER_DESTINATION], key->destination_port))
			return filter;
	}
	return NULL;
}

/* found[i]: what masks before this one have for a packet. */
static void
ask_mask(const struct mask *mask, const union flower_key *keys, uint16_t n, struct flower_filter **found)
{
	uint64_t hashes[CLASSIFY_BURST], words[CLASSIFY_BURST][FLOWER_WORDS];
	struct tuple *chains[CLASSIFY_BURST];

	for (uint16_t i = 0; i < n; i++) {
		lay_mask(mask, &keys[i], words[i]);
		hashes[i] = hash_words(words[i], mask->n_words);
	}
	tuple_find_burst(&mask->filters, hashes, n, chains);
	for (uint16_t i = 0; i < n; i++)
		if (found[i] == NULL)
			found[i] = first_match(chains[i], mask, words[i], &keys[i]);
}

static void
flower_classify(const struct filter_group *group, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
	struct verdict *results)
{
	const struct tuple_shapes *masks =
		load_acquire(&((const struct flower *)filter_group_priv(group))->masks.shapes);
	struct flower_filter *found[CLASSIFY_BURST] = { NULL };
	union flower_key keys[CLASSIFY_BURST];

	if (masks == NULL)
		return;
	for (uint16_t i = 0; i < n; i++) {
		dissect(pkts[i], &keys[i]);
		keys[i].in_port = pkt_of(pkts[i])->in_port;
	}
	for (uint32_t i = 0; i < masks->n; i++)
		ask_mask((const struct mask *)masks->shapes[i], keys, n, found);
	for (uint16_t i = 0; i < n; i++)
		if (found[i] != NULL)
			results[i] = filter_target_answer(&found[i]->target, ctx, pkts[i]);
}

static bool
flower_pure(const struct filter_group *group)
{
	return ((const struct flower *)filter_group_priv(group))->impure == 0;
}

const struct flower_conf *
flower_get_conf(const void *filter)
{
	return &filter_of_const(filter)->conf;
}

const struct action_list *
flower_actions(const void *filter)
{
	return filter_of_const(filter)->target.actions;
}

static bool
flower_fits(const void *template, const void *conf)
{
	const struct flower_conf *t = template, *c = conf;

	for (unsigned int i = 0; i < FLOWER_WORDS; i++)
		if ((c->mask.words[i] & ~t->mask.words[i]) != 0)
			return false;
	for (unsigned int end = 0; end < FLOWER_ENDS; end++)
		if (c->ports[end].most != 0 && t->ports[end].most == 0)
			return false;
	return true;
}

static const struct filter_ops flower_ops = {
	.kind = "flower",
	.size = sizeof(struct flower),
	.destroy = flower_destroy,
	.change = flower_change,
	.remove = flower_remove,
	.find = flower_find,
	.walk = flower_walk,
	.classify = flower_classify,
	.pure = flower_pure,
	.template_bytes = sizeof(struct flower_conf),
	.fits = flower_fits,
};
FILTER_REGISTER(flower_ops)
