/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flow: the class is worked out of what is known of the packet: one key by arithmetic (map), or several by a hash
 * (hash); tc-flow(8). Filters are asked in the order in which they came. One without extended matches takes every
 * packet, so that there are few.
 */
#include <stddef.h>
#include <stdlib.h>

#include <rte_byteorder.h>
#include <rte_ether.h>

#include <weir/filter/flow.h>

#include "dissect.h"
#include "ematch.h"
#include "filter_list.h"
#include "hash.h"
#include "internal.h"

#define SECOND_NS UINT64_C(1000000000)

struct flow_filter {
	struct flow_settings settings;
	uint64_t inverse; /* of the divisor: UINT64_MAX / divisor + 1 */
	uint64_t seed, seed_ends; /* of hash: drawn anew then; workers' */
	struct ematch_program *program;
	struct filter_target target;
	/* control's */
	struct listed listed;
};

/* In their order; never written once it is published. */
struct flow_filters {
	uint32_t n;
	struct flow_filter *filters[];
};

struct flow {
	struct flow_filters *filters; /* published; NULL: none */
	/* control's */
	struct filter_list list;
	uint32_t impure;
};

/* ---- settings ---- */

static int
check(const struct flow_settings *s, uint32_t has, struct error *err)
{
	const uint32_t absent = 1u << FLOW_KEY_NFCT | 1u << FLOW_KEY_NFCT_SRC | 1u << FLOW_KEY_NFCT_DST |
				1u << FLOW_KEY_NFCT_PROTO_SRC | 1u << FLOW_KEY_NFCT_PROTO_DST | 1u << FLOW_KEY_SKUID |
				1u << FLOW_KEY_SKGID;

	if (s->keys == 0 || s->keys >> (FLOW_KEY_MAX + 1) != 0)
		return error_set(
			err, EINVAL, "flow: keys 0x%x; at least one of those that are known is wanted", s->keys);
	if ((s->keys & absent) != 0)
		return error_set(err, EOPNOTSUPP,
			"flow: the keys nfct... and sk-... are not there: a router has no connection tracking and no "
			"sockets "
			"of programs; src, dst, proto-src and proto-dst are");
	if (s->mode > FLOW_MODE_HASH)
		return error_set(err, EINVAL, "flow: mode %u; map (0) and hash (1) there are", s->mode);
	if (s->mode == FLOW_MODE_MAP && (s->keys & (s->keys - 1)) != 0)
		return error_set(err, EINVAL, "flow: map takes one key; hash takes several");
	if (s->mode == FLOW_MODE_MAP && (has & FLOW_HAS_PERTURB) != 0)
		return error_set(err, EINVAL, "flow: 'perturb' is of hash; a map stays as it is");
	if (s->rshift > 31)
		return error_set(err, ERANGE, "flow: a shift of %u; at most 31", s->rshift);
	return 0;
}

static uint32_t
pick(uint32_t has, uint32_t bit, uint32_t given, uint32_t before)
{
	return (has & bit) != 0 ? given : before;
}

/* What a message makes of what there was. */
static struct flow_settings
merge(const struct filter_group *group, const struct flow_conf *conf, const struct flow_settings *old)
{
	const struct flow_settings *new = &conf->settings;
	struct flow_settings s = { .mode = pick(conf->has, FLOW_HAS_MODE, new->mode, old->mode) };

	s.keys = pick(conf->has, FLOW_HAS_KEYS, new->keys, old->keys);
	s.mask = pick(conf->has, FLOW_HAS_MASK, new->mask, old->mask);
	s.xor = pick(conf->has, FLOW_HAS_XOR, new->xor, old->xor);
	s.rshift = pick(conf->has, FLOW_HAS_RSHIFT, new->rshift, old->rshift);
	s.addend = pick(conf->has, FLOW_HAS_ADDEND, new->addend, old->addend);
	s.divisor = pick(conf->has, FLOW_HAS_DIVISOR, new->divisor, old->divisor);
	s.baseclass = pick(conf->has, FLOW_HAS_BASECLASS, new->baseclass, old->baseclass);
	if (s.mode == FLOW_MODE_HASH)
		s.perturb_s = pick(conf->has, FLOW_HAS_PERTURB, new->perturb_s, old->perturb_s);
	if (TC_H_MAJ(s.baseclass) == 0)
		s.baseclass |= TC_H_MAJ(filter_group_handle(group));
	if (TC_H_MIN(s.baseclass) == 0)
		s.baseclass |= 1;
	return s;
}

/* ---- filters ---- */

static struct flow_filter *
filter_of(struct listed *listed)
{
	return (struct flow_filter *)((char *)listed - offsetof(struct flow_filter, listed));
}

static const struct flow_filter *
filter_of_const(const void *listed)
{
	return (const struct flow_filter *)((const char *)listed - offsetof(struct flow_filter, listed));
}

static void
retire(struct filter_group *group, struct flow_filter *filter)
{
	filter_target_release(group, &filter->target);
	rcu_defer(filter_group_rcu(group), ematch_free, filter->program);
	rcu_defer(filter_group_rcu(group), free, filter);
}

static bool
is_pure(const struct flow_filter *filter)
{
	return filter->target.pure && filter->program->pure;
}

static int
make(struct filter_group *group, const struct flow_conf *conf, const struct flow_filter *old, struct flow_filter **made,
	struct error *err)
{
	const struct flow_settings first = { .mask = UINT32_MAX };
	struct flow_settings settings = merge(group, conf, old != NULL ? &old->settings : &first);
	struct flow_filter *filter;
	int rc = check(&settings, conf->has, err);

	if (rc != 0)
		return rc;
	filter = calloc(1, sizeof(*filter));
	if (filter == NULL)
		return error_code(err, ENOMEM);
	filter->settings = settings;
	if (settings.divisor != 0)
		filter->inverse = UINT64_MAX / settings.divisor + 1;
	filter->seed = old != NULL ? load_relaxed(&old->seed) : classify_random();
	rc = ematch_compile(conf->matches, conf->n_matches, &filter->program, err);
	if (rc == 0) {
		rc = filter_target_init(group, &filter->target, 0, conf->actions, conf->n_actions, err);
		if (rc != 0)
			ematch_free(filter->program);
	}
	if (rc != 0)
		free(filter);
	else
		*made = filter;
	return rc;
}

/* Publishes what the list will be: with `added` behind it, or in place of `old`, or without `old`. */
static int
publish(struct filter_group *group, const struct flow_filter *old, struct flow_filter *added)
{
	struct flow *flow = filter_group_priv(group);
	struct flow_filters *before = flow->filters, *fresh;

	fresh = malloc(sizeof(*fresh) + (flow->list.n + 1) * sizeof(fresh->filters[0]));
	if (fresh == NULL)
		return -ENOMEM;
	fresh->n = 0;
	for (uint32_t i = 0; before != NULL && i < before->n; i++) {
		if (before->filters[i] != old)
			fresh->filters[fresh->n++] = before->filters[i];
		else if (added != NULL)
			fresh->filters[fresh->n++] = added;
	}
	if (old == NULL)
		fresh->filters[fresh->n++] = added;
	store_release(&flow->filters, fresh);
	if (before != NULL)
		rcu_defer(filter_group_rcu(group), free, before);
	flow->impure += added != NULL && !is_pure(added);
	flow->impure -= old != NULL && !is_pure(old);
	return 0;
}

static int
flow_change(struct filter_group *group, void *existing, uint32_t *handle, const void *options, void **made,
	struct error *err)
{
	struct flow *flow = filter_group_priv(group);
	struct flow_filter *filter, *old = existing != NULL ? filter_of(existing) : NULL;
	int rc;

	if (options == NULL)
		return error_code(err, EINVAL);
	if (*handle == 0)
		return error_set(err, EINVAL, "flow: the filter's number is missing: give one, as in 'handle 1 flow'");
	rc = make(group, options, old, &filter, err);
	if (rc != 0)
		return rc;
	filter->listed.handle = *handle;
	rc = old == NULL ? filter_list_reserve(&flow->list, handle) : 0;
	if (rc == 0)
		rc = publish(group, old, filter);
	if (rc != 0) {
		retire(group, filter);
		return error_code(err, ENOMEM);
	}
	if (old != NULL) {
		filter_list_replace(&flow->list, &old->listed, &filter->listed);
		retire(group, old);
	} else {
		filter_list_add_last(&flow->list, &filter->listed);
	}
	*made = &filter->listed;
	return 0;
}

static int
flow_remove(struct filter_group *group, void *listed, bool *last, struct error *err)
{
	struct flow *flow = filter_group_priv(group);

	*last = flow->list.n == 1;
	if (*last)
		return 0; /* it goes with its group */
	if (publish(group, filter_of(listed), NULL) != 0)
		return error_code(err, ENOMEM);
	filter_list_remove(&flow->list, listed);
	retire(group, filter_of(listed));
	return 0;
}

static void
flow_destroy(struct filter_group *group)
{
	struct flow *flow = filter_group_priv(group);
	struct listed *next;

	for (struct listed *listed = flow->list.first; listed != NULL; listed = next) {
		next = listed->next;
		retire(group, filter_of(listed));
	}
	if (flow->filters != NULL)
		rcu_defer(filter_group_rcu(group), free, flow->filters);
	filter_list_destroy(&flow->list);
}

static void *
flow_find(const struct filter_group *group, uint32_t handle)
{
	return filter_list_find(&((const struct flow *)filter_group_priv(group))->list, handle);
}

static int
flow_walk(const struct filter_group *group, int (*visit)(void *arg, uint32_t handle, const void *filter), void *arg)
{
	return filter_list_walk(&((const struct flow *)filter_group_priv(group))->list, visit, arg);
}

/* ---- classification ---- */

static uint32_t
value_of(unsigned int key, const struct pkt *p, const union flower_key *headers)
{
	switch (key) {
	case FLOW_KEY_SRC:
		return dissect_address(headers->source);
	case FLOW_KEY_DST:
		return dissect_address(headers->destination);
	case FLOW_KEY_PROTO:
		return headers->ip_proto;
	case FLOW_KEY_PROTO_SRC:
		return rte_be_to_cpu_16(headers->source_port);
	case FLOW_KEY_PROTO_DST:
		return rte_be_to_cpu_16(headers->destination_port);
	case FLOW_KEY_IIF:
		return p->in_port;
	case FLOW_KEY_PRIORITY:
		return p->priority;
	case FLOW_KEY_MARK:
		return p->mark;
	case FLOW_KEY_RTCLASSID:
		return p->realm;
	case FLOW_KEY_VLAN_TAG:
		return rte_be_to_cpu_16(headers->tag) & 0xfff;
	default: /* FLOW_KEY_RXHASH */
		return dissect_hash(headers);
	}
}

/* Two workers may draw at once: both seeds are as good. */
static uint64_t
seed_of(struct flow_filter *filter, uint64_t now)
{
	uint64_t period = filter->settings.perturb_s * SECOND_NS, seed = load_relaxed(&filter->seed);

	if (period == 0 || now < load_relaxed(&filter->seed_ends))
		return seed;
	seed = (seed ^ now) * HASH_GOLDEN_RATIO;
	__atomic_store_n(&filter->seed, seed, __ATOMIC_RELAXED);
	__atomic_store_n(&filter->seed_ends, now + period, __ATOMIC_RELAXED);
	return seed;
}

static uint32_t
hash_keys(struct flow_filter *filter, uint64_t now, const struct pkt *p, const union flower_key *headers)
{
	uint64_t hash = seed_of(filter, now);

	for (uint32_t keys = filter->settings.keys; keys != 0; keys &= keys - 1)
		hash = hash_word(hash, value_of((unsigned int)__builtin_ctz(keys), p, headers));
	return (uint32_t)hash;
}

/* Without a division: Lemire, Kaser, Kurz, Faster Remainder by Direct Computation, 2019. */
static uint32_t
remainder_of(uint32_t value, const struct flow_filter *filter)
{
	uint64_t low = filter->inverse * value;

	return (uint32_t)(((unsigned __int128)low * filter->settings.divisor) >> 64);
}

static uint32_t
classid_of(struct flow_filter *filter, uint64_t now, const struct pkt *p, const union flower_key *headers)
{
	const struct flow_settings *s = &filter->settings;
	uint32_t classid;

	if (s->mode == FLOW_MODE_HASH) {
		classid = hash_keys(filter, now, p, headers);
	} else {
		classid = value_of((unsigned int)__builtin_ctz(s->keys), p, headers);
		classid = (((classid & s->mask) ^ s->xor) >> s->rshift) + s->addend;
	}
	if (s->divisor != 0)
		classid = remainder_of(classid, filter);
	return TC_H_MAKE(s->baseclass, s->baseclass + classid);
}

static void
flow_classify(const struct filter_group *group, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
	struct verdict *results)
{
	const struct flow_filters *filters = load_acquire(&((const struct flow *)filter_group_priv(group))->filters);

	if (filters == NULL)
		return;
	for (uint16_t i = 0; i < n; i++) {
		union flower_key headers;

		dissect(pkts[i], &headers);
		for (uint32_t f = 0; f < filters->n; f++) {
			struct flow_filter *filter = filters->filters[f];
			struct verdict found;

			if (!ematch_run(filter->program, ctx, pkts[i]))
				continue;
			found.classid = classid_of(filter, ctx->now, pkt_of(pkts[i]), &headers);
			found.action = action_list_run(filter->target.actions, ctx, pkts[i], &found);
			if (found.action == TC_ACT_UNSPEC)
				continue;
			results[i] = found;
			break;
		}
	}
}

static bool
flow_pure(const struct filter_group *group)
{
	return ((const struct flow *)filter_group_priv(group))->impure == 0;
}

const struct flow_settings *
flow_get_settings(const void *filter)
{
	return &filter_of_const(filter)->settings;
}

const struct ematch *
flow_matches(const void *filter, unsigned int *n)
{
	*n = filter_of_const(filter)->program->n_matches;
	return filter_of_const(filter)->program->matches;
}

const struct action_list *
flow_actions(const void *filter)
{
	return filter_of_const(filter)->target.actions;
}

static const struct filter_ops flow_ops = {
	.kind = "flow",
	.size = sizeof(struct flow),
	.destroy = flow_destroy,
	.change = flow_change,
	.remove = flow_remove,
	.find = flow_find,
	.walk = flow_walk,
	.classify = flow_classify,
	.pure = flow_pure,
};
FILTER_REGISTER(flow_ops)
