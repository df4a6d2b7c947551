/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference of extended matches, tc-ematch(8), and of basic, tc-basic(8): terms are kept as a person writes them.
 */
#include "ematches.h"

#include <weir/filter/basic.h>

struct own {
	struct random_ematches matches;
	struct basic_conf conf;
};

static void
draw(struct random_group *g, struct random_filter *f, const struct random_filter *old, const struct plain_packet *like)
{
	struct own *own = f->own;

	random_ematches_draw(&own->matches, like, one_in(12) ? 0 : 5);
	if (old == NULL)
		f->order = UINT64_MAX - f->order; /* the newest is asked first */
}

static const void *
conf(struct random_filter *f, const struct action_spec *actions, unsigned int n)
{
	struct own *own = f->own;

	own->conf = (struct basic_conf){ .classid = f->classid,
		.matches = own->matches.list,
		.n_matches = own->matches.n,
		.actions = actions,
		.n_actions = n };
	return &own->conf;
}

static bool
matches(const struct random_filter *f, const struct plain_packet *p)
{
	return plain_ematches(&((const struct own *)f->own)->matches, p);
}

static void
ask(struct random_group *g, struct plain_packet *p, struct plain_answer *answer)
{
	plain_first_match(g, p, answer, matches);
}

const struct random_kind random_basic = { .name = "basic",
	.own_size = sizeof(struct own),
	.filters_max = RANDOM_FILTERS_MAX,
	.draw = draw,
	.conf = conf,
	.ask = ask,
	.actions = basic_actions };
