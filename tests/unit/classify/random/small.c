/* SPDX-License-Identifier: BSD-3-Clause */
/* The references of fw (tc-fw(8)), route (tc-route(8)), tcindex (tc-tcindex(8)) and matchall (tc-matchall(8)). */
#include <errno.h>

#include <weir/filter/fw.h>
#include <weir/filter/matchall.h>
#include <weir/filter/route.h>
#include <weir/filter/tcindex.h>

#include "random.h"

static const struct random_filter *
find(const struct random_group *g, uint32_t handle)
{
	for (unsigned int i = 0; i < g->n; i++)
		if (g->filters[i].handle == handle)
			return &g->filters[i];
	return NULL;
}

/* ---- fw ----------------------------------------------------------------------------------------- */

/* own[0]: the mask, the same for all of a group. */
static void
fw_start(struct random_group *g)
{
	static const uint32_t masks[] = { UINT32_MAX, 3, 0xff, 0xf0000001 };

	g->own[0] = masks[below(4)];
}

static void
fw_draw(struct random_group *g, struct random_filter *f, const struct random_filter *old,
	const struct plain_packet *like)
{
	struct fw_conf *conf = f->own;

	*conf = (struct fw_conf){ .has_classid = !one_in(8),
		.classid = f->classid,
		.has_mask = g->own[0] != UINT32_MAX,
		.mask = (uint32_t)g->own[0],
		.in_port = one_in(5) ? 1 + below(3) : 0 };
	if (!conf->has_classid)
		f->classid = 0;
	if (old == NULL)
		f->handle = one_in(8) ? any_word() | 1 : 1 + below(one_in(2) ? 5 : 40);
	if (one_in(20)) {
		conf->has_mask = true;
		conf->mask = (uint32_t)g->own[0] ^ 4;
	}
}

static int
fw_settle(struct random_group *g, struct random_filter *f, const struct random_filter *old)
{
	const struct fw_conf *conf = f->own;

	if (old == NULL && find(g, f->handle) != NULL)
		return EEXIST;
	if (conf->has_mask && conf->mask != (uint32_t)g->own[0]) {
		if (g->n != 0)
			return EINVAL;
		g->own[0] = conf->mask; /* the first one's is the group's */
	}
	return 0;
}

static const void *
fw_conf(struct random_filter *f, const struct action_spec *actions, unsigned int n)
{
	struct fw_conf *conf = f->own;

	conf->actions = actions;
	conf->n_actions = n;
	return conf;
}

static void
fw_ask(struct random_group *g, struct plain_packet *p, struct plain_answer *answer)
{
	for (unsigned int i = 0; i < g->n; i++) {
		const struct fw_conf *conf = g->filters[i].own;

		if ((p->pkt.mark & (uint32_t)g->own[0]) != g->filters[i].handle)
			continue;
		if (conf->in_port == 0 || conf->in_port == p->pkt.in_port)
			plain_decide(&g->filters[i], p, answer);
		return; /* its actions may have changed the mark: it is not looked at again */
	}
}

const struct random_kind random_fw = { .name = "fw",
	.own_size = sizeof(struct fw_conf),
	.filters_max = RANDOM_FILTERS_MAX,
	.start = fw_start,
	.draw = fw_draw,
	.conf = fw_conf,
	.settle = fw_settle,
	.ask = fw_ask,
	.actions = fw_actions };

/* ---- route -------------------------------------------------------------------------------------- */

struct route_own {
	struct route_conf sent, meant;
};

static const struct route_conf *
meant(const struct random_filter *f)
{
	return &((const struct route_own *)f->own)->meant;
}

static void
route_draw(struct random_group *g, struct random_filter *f, const struct random_filter *old,
	const struct plain_packet *like)
{
	struct route_conf *conf = &((struct route_own *)f->own)->sent;
	uint32_t second = below(3);

	*conf = (struct route_conf){ .has_to = one_in(2),
		.to = one_in(6) ? below(256) : below(4),
		.has_from = second == 1,
		.from = one_in(6) ? below(256) : below(4),
		.has_fromif = second == 2,
		.fromif = 1 + below(3),
		.has_classid = old == NULL || one_in(2),
		.classid = f->classid };
	if (!conf->has_classid)
		f->classid = old->classid;
	if (one_in(30)) {
		conf->has_to = true;
		conf->to = ROUTE_REALM_MAX + 1;
	}
}

/*
 * What a change leaves out stays as it is. The most exact are asked first: to and from, to and fromif, to, from,
 * fromif.
 */
static int
route_settle(struct random_group *g, struct random_filter *f, const struct random_filter *old)
{
	struct route_own *own = f->own;
	struct route_conf *conf = &own->meant;
	const struct route_conf *before = old != NULL ? meant(old) : NULL;

	*conf = own->sent;
	if (conf->has_to && conf->to > ROUTE_REALM_MAX)
		return EINVAL;
	if (before != NULL && !conf->has_to) {
		conf->has_to = before->has_to;
		conf->to = before->to;
	}
	if (before != NULL && !conf->has_from && !conf->has_fromif) {
		conf->has_from = before->has_from;
		conf->from = before->from;
		conf->has_fromif = before->has_fromif;
		conf->fromif = before->fromif;
	}
	for (unsigned int i = 0; i < g->n; i++) {
		const struct route_conf *other = meant(&g->filters[i]);

		if (&g->filters[i] != old && other->has_to == conf->has_to &&
			(!conf->has_to || other->to == conf->to) && other->has_from == conf->has_from &&
			(!conf->has_from || other->from == conf->from) && other->has_fromif == conf->has_fromif &&
			(!conf->has_fromif || other->fromif == conf->fromif))
			return EEXIST;
	}
	f->order = (conf->has_to ? 0 : 3) + (conf->has_from ? 0 : conf->has_fromif ? 1 : 2);
	return 0;
}

static const void *
route_conf(struct random_filter *f, const struct action_spec *actions, unsigned int n)
{
	struct route_conf *conf = &((struct route_own *)f->own)->sent;

	conf->actions = actions;
	conf->n_actions = n;
	return conf;
}

static bool
route_matches(const struct random_filter *f, const struct plain_packet *p)
{
	const struct route_conf *conf = meant(f);

	return (!conf->has_to || conf->to == (p->pkt.realm & 0xffff)) &&
	       (!conf->has_from || conf->from == p->pkt.realm >> 16) &&
	       (!conf->has_fromif || conf->fromif == p->pkt.in_port);
}

static void
route_ask(struct random_group *g, struct plain_packet *p, struct plain_answer *answer)
{
	plain_first_match(g, p, answer, route_matches);
}

const struct random_kind random_route = { .name = "route",
	.own_size = sizeof(struct route_own),
	.filters_max = RANDOM_FILTERS_MAX,
	.draw = route_draw,
	.conf = route_conf,
	.settle = route_settle,
	.ask = route_ask,
	.actions = route_actions };

/* ---- tcindex ------------------------------------------------------------------------------------ */

enum { MASK, SHIFT, FALL_THROUGH, HASH, DIRECT, STARTED }; /* own: the group's settings */

static void
tcindex_start(struct random_group *g)
{
	static const uint16_t masks[] = { 0xffff, 0x3f, 0xfc, 0xf0f, 3 };

	g->own[MASK] = masks[below(5)];
	g->own[SHIFT] = below(4);
	g->own[FALL_THROUGH] = 1;
	g->own[HASH] = one_in(2) ? 64 : 1 + below(100);
}

static void
tcindex_draw(struct random_group *g, struct random_filter *f, const struct random_filter *old,
	const struct plain_packet *like)
{
	struct tcindex_conf *conf = f->own;
	bool first = g->own[STARTED] == 0;

	*conf = (struct tcindex_conf){ .has_hash = first,
		.hash = (uint32_t)g->own[HASH],
		.has_mask = first,
		.mask = (uint32_t)g->own[MASK],
		.has_shift = first || (one_in(6) && g->own[DIRECT] == 0),
		.shift = first ? (uint32_t)g->own[SHIFT] : below(4),
		.has_fall_through = first || one_in(6),
		.fall_through = below(2),
		.has_classid = old == NULL || one_in(2),
		.classid = f->classid };
	if (!conf->has_classid)
		f->classid = old->classid;
	if (old == NULL)
		f->handle = one_in(3) ? below(70) : below((uint32_t)(g->own[MASK] >> g->own[SHIFT]) + 1);
	if (f->handle == 0 && find(g, 0) != NULL)
		f->handle = 1; /* 0 names no filter: the second one would replace the first */
}

/* Settings hold for the group from then on. Where hash is above every key, handles must be below it. */
static int
tcindex_settle(struct random_group *g, struct random_filter *f, const struct random_filter *old)
{
	const struct tcindex_conf *conf = f->own;
	uint64_t shift = conf->has_shift ? conf->shift : g->own[SHIFT];
	bool above = g->own[HASH] > g->own[MASK] >> shift;

	if (old == NULL && f->handle != 0 && find(g, f->handle) != NULL)
		return EEXIST;
	if (above && f->handle >= g->own[HASH])
		return EINVAL;
	if (g->own[STARTED] == 0)
		g->own[DIRECT] = above;
	g->own[STARTED] = 1;
	g->own[SHIFT] = shift;
	if (conf->has_fall_through)
		g->own[FALL_THROUGH] = conf->fall_through;
	return 0;
}

static const void *
tcindex_conf(struct random_filter *f, const struct action_spec *actions, unsigned int n)
{
	struct tcindex_conf *conf = f->own;

	conf->actions = actions;
	conf->n_actions = n;
	return conf;
}

static void
tcindex_ask(struct random_group *g, struct plain_packet *p, struct plain_answer *answer)
{
	uint32_t key = (p->pkt.tc_index & (uint32_t)g->own[MASK]) >> g->own[SHIFT];

	for (unsigned int i = 0; i < g->n; i++)
		if (g->filters[i].handle == key) {
			plain_decide(&g->filters[i], p, answer);
			return;
		}
	if (g->own[FALL_THROUGH] != 0)
		*answer = (struct plain_answer){ .action = TC_ACT_OK, .classid = g->qdisc | key };
}

const struct random_kind random_tcindex = { .name = "tcindex",
	.own_size = sizeof(struct tcindex_conf),
	.filters_max = RANDOM_FILTERS_MAX,
	.start = tcindex_start,
	.draw = tcindex_draw,
	.conf = tcindex_conf,
	.settle = tcindex_settle,
	.ask = tcindex_ask,
	.actions = tcindex_actions,
	.keeps_group = true };

/* ---- matchall ----------------------------------------------------------------------------------- */

static void
matchall_draw(struct random_group *g, struct random_filter *f, const struct random_filter *old,
	const struct plain_packet *like)
{
	f->classid = one_in(4) ? 0 : f->classid;
	*(struct matchall_conf *)f->own = (struct matchall_conf){ .classid = f->classid };
}

static int
matchall_settle(struct random_group *g, struct random_filter *f, const struct random_filter *old)
{
	return old != NULL ? EEXIST : 0; /* it cannot be changed */
}

static const void *
matchall_conf(struct random_filter *f, const struct action_spec *actions, unsigned int n)
{
	struct matchall_conf *conf = f->own;

	conf->actions = actions;
	conf->n_actions = n;
	return conf;
}

static void
matchall_ask(struct random_group *g, struct plain_packet *p, struct plain_answer *answer)
{
	for (unsigned int i = 0; i < g->n; i++)
		plain_decide(&g->filters[i], p, answer);
}

const struct random_kind random_matchall = { .name = "matchall",
	.own_size = sizeof(struct matchall_conf),
	.filters_max = 1,
	.draw = matchall_draw,
	.conf = matchall_conf,
	.settle = matchall_settle,
	.ask = matchall_ask,
	.actions = matchall_actions };
