/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gact, the generic action: a plain verdict, if wanted one packet in so many gets another.
 *
 * Several workers may run one action at an ingress hook; what they share is one word, changed atomically.
 */
#include <weir/action/gact.h>
#include <weir/random.h>

#include "internal.h"

struct gact {
	struct gact_conf conf;
	uint32_t passed; /* determ: packets since the last one that got random_action */
	uint64_t random; /* netrand: random_shift's state */
};

static int
gact_init(struct action *action, const void *conf, struct error *err)
{
	struct gact *g = action_priv(action);
	struct gact_conf c = *(const struct gact_conf *)conf;
	int rc = action_check_verdict(action, c.action, err);

	if (rc != 0)
		return rc;
	if (c.random_type > PGACT_DETERM)
		return error_set(err, EINVAL, "gact: random type %u; netrand or determ is wanted", c.random_type);
	if (c.random_type != PGACT_NONE) {
		rc = action_check_fallback(action, c.random_action, err);
		if (rc != 0)
			return rc;
	}
	if (c.random_type != PGACT_NONE && c.every == 0)
		c.every = 1;
	if (g->random == 0)
		g->random = classify_random();
	g->conf = c;
	return 0;
}

static bool
by_chance(struct gact *g)
{
	return ((random_shift_shared(&g->random) >> 32) * g->conf.every) >> 32 == 0;
}

/* Each `every`th packet, however many workers count. */
static bool
by_count(struct gact *g)
{
	uint32_t every = g->conf.every, seen = load_relaxed(&g->passed), next;

	do {
		next = seen + 1 >= every ? 0 : seen + 1;
	} while (!__atomic_compare_exchange_n(&g->passed, &seen, next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return next == 0;
}

static int32_t
gact_act(struct action *action, const struct classify_ctx *ctx, struct rte_mbuf *m, struct verdict *result)
{
	struct gact *g = action_priv(action);
	int32_t answer = g->conf.action;

	if ((g->conf.random_type == PGACT_NETRAND && by_chance(g)) ||
		(g->conf.random_type == PGACT_DETERM && by_count(g)))
		answer = g->conf.random_action;
	if (answer == TC_ACT_SHOT)
		counter_add(&action_stats_of(action, ctx->worker)->drops, 1);
	return answer;
}

static bool
gact_pure(const struct action *action)
{
	return ((const struct gact *)action_priv(action))->conf.random_type == PGACT_NONE;
}

static void
gact_get_conf(const struct action *action, void *conf)
{
	*(struct gact_conf *)conf = ((const struct gact *)action_priv(action))->conf;
}

static const struct action_ops gact_ops = {
	.kind = "gact",
	.size = sizeof(struct gact),
	.pure = gact_pure,
	.init = gact_init,
	.act = gact_act,
	.get_conf = gact_get_conf,
	.conf_size = sizeof(struct gact_conf),
};
ACTION_REGISTER(gact_ops)
