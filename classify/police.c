/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * police: token buckets that several workers may share, as at an ingress hook.
 *
 * A bucket is one word, the theoretical arrival time of the generic cell rate algorithm (ITU-T I.371, annex A): the
 * time at which it will be full again. A packet conforms if what it costs does not move that further ahead of now than
 * the bucket is deep. The word is changed by compare and swap, so that two workers never take the same tokens.
 */
#include <stdlib.h>

#include <weir/action/police.h>

#include "internal.h"

/*
 * Time in a word: units of 2^-8 ns since the action was made. Costs are rounded up to them, 0.02 % of the shortest
 * packet at 40 gbit, and differences hold a year.
 */
#define UNIT_SHIFT 8

struct bucket {
	struct rate rate;
	int64_t depth; /* units */
};

/* What is switched together: replaced as a whole. */
struct police_rules {
	struct police_conf conf;
	struct bucket rate, peak;
	bool has_rate, has_peak, counts_packets;
};

struct police {
	struct police_rules *rules; /* published */
	uint64_t full_at, peak_full_at; /* by all workers: when each bucket is full again */
};

static int64_t
units_from_tokens(int64_t tokens)
{
	const int64_t round = (1 << (TOKENS_SHIFT - UNIT_SHIFT)) - 1;

	return (tokens + round) >> (TOKENS_SHIFT - UNIT_SHIFT);
}

static int
check(const struct action *action, const struct police_conf *conf, struct error *err)
{
	int rc = action_check_verdict(action, conf->exceed, err);

	if (rc == 0)
		rc = action_check_fallback(action, conf->conform, err);
	if (rc != 0)
		return rc;
	/* Linux, too, answers so, and with no more. */
	if (conf->has_average_rate && action_estimator(action) == NULL)
		return error_code(err, EINVAL);
	if (conf->average_Bps != 0 && conf->rate.Bps != 0)
		return error_set(err, EINVAL, "police: a rate or an average rate may be given, not both");
	if (conf->rate.Bps != 0 && conf->packets_per_s != 0)
		return error_set(
			err, EINVAL, "packet-per-second and byte-per-second rate limits not allowed in same action");
	if (conf->peak.Bps != 0 && conf->rate.Bps == 0)
		return error_set(err, EINVAL, "police: peakrate needs a rate");
	return 0;
}

static struct police_rules *
make_rules(const struct police_conf *conf)
{
	struct police_rules *rules = calloc(1, sizeof(*rules));

	if (rules == NULL)
		return NULL;
	rules->conf = *conf;
	rules->counts_packets = conf->packets_per_s != 0;
	rules->has_rate = conf->rate.Bps != 0 || rules->counts_packets;
	rules->has_peak = conf->peak.Bps != 0;
	if (rules->counts_packets) {
		rate_init(&rules->rate.rate, &(struct rate_conf){ .Bps = conf->packets_per_s });
		rules->rate.depth = units_from_tokens(tokens_from_ns(conf->packet_burst_ns));
	} else if (rules->has_rate) {
		rate_init(&rules->rate.rate, &conf->rate);
		rules->rate.depth = units_from_tokens(tokens_from_ns(conf->burst_ns));
	}
	if (rules->has_peak) {
		rate_init(&rules->peak.rate, &conf->peak);
		rules->peak.depth = units_from_tokens(rate_cost(&rules->peak.rate, conf->mtu));
	}
	return rules;
}

/* A changed policer starts with full buckets, as on Linux. */
static int
police_init(struct action *action, const void *conf, struct error *err)
{
	struct police *police = action_priv(action);
	struct police_rules *rules, *old = police->rules;
	int rc = check(action, conf, err);

	if (rc != 0)
		return rc;
	rules = make_rules(conf);
	if (rules == NULL)
		return error_code(err, ENOMEM);
	__atomic_store_n(&police->full_at, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&police->peak_full_at, 0, __ATOMIC_RELAXED);
	store_release(&police->rules, rules);
	if (old != NULL)
		rcu_defer(action_rcu(action), free, old);
	return 0;
}

static void
police_destroy(struct action *action)
{
	free(((struct police *)action_priv(action))->rules);
}

/* Takes what a packet costs out of a bucket; false: it holds less. */
static bool
take(uint64_t *full_at, const struct bucket *bucket, uint64_t now, int64_t cost)
{
	uint64_t seen = load_relaxed(full_at), next;

	do {
		next = (seen > now ? seen : now) + (uint64_t)cost;
		if ((int64_t)(next - now) > bucket->depth)
			return false;
	} while (!__atomic_compare_exchange_n(full_at, &seen, next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

static bool
conforms(struct police *police, const struct police_rules *rules, uint64_t now, uint32_t bytes)
{
	int64_t cost = 0;

	if (bytes > rules->conf.mtu)
		return false;
	if (rules->has_peak) {
		cost = units_from_tokens(rate_cost(&rules->peak.rate, bytes));
		if (!take(&police->peak_full_at, &rules->peak, now, cost))
			return false;
	}
	if (!rules->has_rate ||
		take(&police->full_at, &rules->rate, now,
			units_from_tokens(rate_cost(&rules->rate.rate, rules->counts_packets ? 1 : bytes))))
		return true;
	if (rules->has_peak)
		__atomic_fetch_sub(&police->peak_full_at, (uint64_t)cost, __ATOMIC_RELAXED);
	return false;
}

/* The average is of all that arrives, whether it may pass or not; the packet in hand counts in the next sample. */
static bool
is_over_average(const struct action *action, const struct police_rules *rules, uint64_t now)
{
	return rules->conf.average_Bps != 0 && action_rate(action, now).Bps >= rules->conf.average_Bps;
}

static int32_t
police_act(struct action *action, const struct classify_ctx *ctx, struct rte_mbuf *m, struct verdict *result)
{
	struct police *police = action_priv(action);
	const struct police_rules *rules = load_acquire(&police->rules);
	struct action_stats *stats;
	uint64_t created = action_created_ns(action);
	/* A full bucket stands at 0 or before now: 1 keeps the first nanosecond apart. */
	uint64_t now = ((ctx->now > created ? ctx->now - created : 0) + 1) << UNIT_SHIFT;

	if (!is_over_average(action, rules, ctx->now) && conforms(police, rules, now, classify_bytes(ctx, m)))
		return rules->conf.conform;
	stats = action_stats_of(action, ctx->worker);
	counter_add(&stats->overlimits, 1);
	if (rules->conf.exceed == TC_ACT_SHOT)
		counter_add(&stats->drops, 1);
	return rules->conf.exceed;
}

static bool
police_pure(const struct action *action)
{
	return false;
}

static void
police_get_conf(const struct action *action, void *conf)
{
	*(struct police_conf *)conf = ((const struct police *)action_priv(action))->rules->conf;
}

static const struct action_ops police_ops = {
	.kind = "police",
	.size = sizeof(struct police),
	.pure = police_pure,
	.init = police_init,
	.destroy = police_destroy,
	.act = police_act,
	.get_conf = police_get_conf,
	.conf_size = sizeof(struct police_conf),
};
ACTION_REGISTER(police_ops)
