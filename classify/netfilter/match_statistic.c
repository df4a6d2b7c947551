/* SPDX-License-Identifier: BSD-3-Clause */
/* statistic: by lot, or every so many packets, counted by all workers together; iptables-extensions(8). */
#include "netfilter.h"

struct statistic {
	struct netfilter_statistic_conf conf;
	uint32_t count; /* NTH */
};

static int
statistic_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	struct statistic *s = priv;

	s->conf = *(const struct netfilter_statistic_conf *)conf;
	s->count = s->conf.count;
	if (s->conf.mode > NETFILTER_STATISTIC_NTH)
		return error_set(err, EINVAL, "rule %u: statistic match: mode %u: give random or nth", place->rule,
			s->conf.mode);
	if (s->conf.mode == NETFILTER_STATISTIC_NTH && s->conf.every == 0)
		return error_set(err, EINVAL, "rule %u: statistic match: every 0 packets; give 1 or more", place->rule);
	return 0;
}

/* Is it this packet's turn? */
static bool
is_nth(struct statistic *s)
{
	uint32_t seen = load_relaxed(&s->count), next;

	do
		next = seen + 1 == s->conf.every ? 0 : seen + 1;
	while (!__atomic_compare_exchange_n(&s->count, &seen, next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return next == 0;
}

static bool
statistic_match(void *priv, struct packet *p)
{
	struct statistic *s = priv;
	bool turn = s->conf.mode == NETFILTER_STATISTIC_NTH ? is_nth(s) : random32(p->ctx) >> 1 < s->conf.probability;

	return turn != s->conf.invert;
}

static const struct match_ops statistic_ops = {
	.kind = "statistic",
	.size = sizeof(struct statistic),
	.stateful = true,
	.init = statistic_init,
	.match = statistic_match,
};
MATCH_REGISTER(statistic_ops)
