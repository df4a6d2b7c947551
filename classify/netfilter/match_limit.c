/* SPDX-License-Identifier: BSD-3-Clause */
/* limit: as often as a token bucket allows, for all workers together; iptables-extensions(8). */
#include "bucket.h"
#include "netfilter.h"

#define UNIT_NS (1000000000 / NETFILTER_LIMIT_SCALE)

static int
limit_init(void *priv, const void *conf, const struct place *place, struct error *err)
{
	const struct netfilter_limit_conf *c = conf;
	struct bucket *bucket = priv;

	/* Linux counts in 32 bits, and scripts see what does not fit. */
	if (c->burst == 0 || (uint64_t)c->average * c->burst > UINT32_MAX)
		return error_set(err, ERANGE,
			"rule %u: limit match: a burst of %u at a packet in %u/%d s: give a burst from 1 to %u",
			place->rule, c->burst, c->average, NETFILTER_LIMIT_SCALE, UINT32_MAX / RTE_MAX(c->average, 1u));
	bucket->interval_ns = (uint64_t)c->average * UNIT_NS;
	bucket->depth_ns = bucket->interval_ns * c->burst;
	return 0;
}

static bool
limit_match(void *priv, struct packet *p)
{
	return bucket_take(priv, p->ctx->now);
}

static const struct match_ops limit_ops = {
	.kind = "limit",
	.size = sizeof(struct bucket),
	.stateful = true,
	.init = limit_init,
	.match = limit_match,
};
MATCH_REGISTER(limit_ops)
