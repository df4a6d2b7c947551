/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mirred: sends packets to another port, as if they were to leave by it (egress) or had arrived there (ingress);
 * tc-mirred(8). What is redirected goes itself, what is mirrored as a copy. A packet for a port that is gone, down or
 * without carrier is an overlimit; one that was to be redirected is dropped then.
 */
#include <weir/action/mirred.h>

#include "internal.h"

/* One word, so that no packet goes to the port of one configuration in the way of another. */
union target {
	struct {
		uint32_t ifindex; /* 0: gone */
		uint16_t way;
		int16_t reserved;
	};
	uint64_t word;
};

struct mirred {
	uint64_t target;
	int32_t action;
};

static union target
target_of(const struct mirred *m)
{
	return (union target){ .word = load_relaxed(&m->target) };
}

static int
mirred_init(struct action *action, const void *conf, struct error *err)
{
	struct mirred *m = action_priv(action);
	const struct mirred_conf *c = conf;
	union target target = target_of(m);
	bool new = target.way == 0;
	int rc = action_check_verdict(action, c->action, err);

	if (rc != 0)
		return rc;
	if (c->way < TCA_EGRESS_REDIR || c->way > TCA_INGRESS_MIRROR)
		return error_set(err, EINVAL, "act_mirred: Unknown mirred option");
	if (new && c->ifindex == 0)
		return error_set(err, EINVAL, "act_mirred: Specified device does not exist");
	target.way = (uint16_t)c->way;
	if (c->ifindex != 0)
		target.ifindex = c->ifindex;
	__atomic_store_n(&m->action, c->action, __ATOMIC_RELAXED);
	store_release(&m->target, target.word);
	return 0;
}

static bool
is_redirect(union target target)
{
	return target.way == TCA_EGRESS_REDIR || target.way == TCA_INGRESS_REDIR;
}

static bool
to_ingress(union target target)
{
	return target.way == TCA_INGRESS_REDIR || target.way == TCA_INGRESS_MIRROR;
}

/* Where the packet goes on after it was redirected, a copy is what is sent. */
static int32_t
mirred_act(struct action *action, const struct classify_ctx *ctx, struct rte_mbuf *m, struct verdict *result)
{
	const struct mirred *priv = action_priv(action);
	union target target = { .word = load_acquire(&priv->target) };
	int32_t answer = load_relaxed(&priv->action);
	bool moves = is_redirect(target) && answer == TC_ACT_STOLEN, sent;

	sent = moves ? classify_redirect(ctx, m, target.ifindex, to_ingress(target))
		     : classify_mirror(ctx, m, target.ifindex, to_ingress(target));
	if (likely(sent))
		return answer;
	counter_add(&action_stats_of(action, ctx->worker)->overlimits, 1);
	return is_redirect(target) ? TC_ACT_SHOT : answer;
}

static bool
mirred_pure(const struct action *action)
{
	return false;
}

static void
mirred_get_conf(const struct action *action, void *conf)
{
	const struct mirred *m = action_priv(action);
	union target target = target_of(m);

	*(struct mirred_conf *)conf =
		(struct mirred_conf){ .action = m->action, .way = target.way, .ifindex = target.ifindex };
}

static void
mirred_port_gone(struct action *action, uint32_t ifindex)
{
	struct mirred *m = action_priv(action);
	union target target = target_of(m);

	if (target.ifindex != ifindex)
		return;
	target.ifindex = 0;
	store_release(&m->target, target.word);
}

static const struct action_ops mirred_ops = {
	.kind = "mirred",
	.size = sizeof(struct mirred),
	.pure = mirred_pure,
	.init = mirred_init,
	.act = mirred_act,
	.get_conf = mirred_get_conf,
	.conf_size = sizeof(struct mirred_conf),
	.port_gone = mirred_port_gone,
};
ACTION_REGISTER(mirred_ops)
