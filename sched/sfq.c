/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sfq: stochastic fairness queueing (tc-sfq(8)). Each flow has, by its hash, a queue of its own, and the queues are
 * served in turn, a quantum of bytes each. When there are too many packets the longest queue loses one. The flows
 * themselves are in sfq_flows.c.
 *
 * What tc-sfq(8) leaves open was settled by watching Linux: a filter's classid names the bucket by its minor, and
 * where there are filters, a packet that none of them gives a bucket is dropped; perturbation leaves queued packets
 * alone where there are filters; of equally long flows the one that came to this length last loses; redflowlimit is
 * not enforced, the depth is. Two things are gentler than Linux: a new hash never drops a packet, and a packet that
 * came by a priority keeps its bucket.
 */
#include <rte_prefetch.h>

#include "arrivals.h"
#include "ecn.h"
#include "flow_choice.h"
#include "sfq.h"

#define SFQ_BURST           FLOW_CHOICE_BURST
#define SFQ_LIMIT_DEFAULT   127u
#define SFQ_FLOWS_DEFAULT   128u
#define SFQ_BUCKETS_DEFAULT 1024u
#define SFQ_QUANTUM_MAX     2147483640 /* Linux takes no more */
#define SFQ_PERTURB_MAX     8589934 /* seconds; no more fit Linux's timer at 250 Hz */
#define SFQ_RED_FLAGS       (TC_RED_ECN | TC_RED_HARDDROP)

/* ---- classification */

static uint32_t
bucket_by_hash(const struct qdisc *q, struct rte_mbuf *m)
{
	return sfq_bucket(q, qdisc_priv(q), m);
}

static void
find_buckets(const struct qdisc *q, const struct sfq *s, struct rte_mbuf **pkts, uint16_t n, uint32_t *buckets)
{
	if (flow_has_filters(q)) {
		flow_choose(q, pkts, n, s->bucket_mask + 1, bucket_by_hash, buckets);
		return;
	}
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod_offset(pkts[i], void *, pkt_of(pkts[i])->l3_off));
	for (uint16_t i = 0; i < n; i++)
		buckets[i] = sfq_bucket(q, s, pkts[i]);
}

/* ---- limits */

/* What m's flow says to it: it comes in, or one of them goes (the head or m itself) for this reason. */
struct admission {
	bool dropping, head;
	enum drop_reason reason;
};

/* The first packet of a flow learns of congestion sooner than the last: headdrop. */
static bool
mark(const struct sfq *s, const struct sfq_flow *flow, struct rte_mbuf *m, uint32_t *marked_head, uint32_t *marked)
{
	if (s->headdrop && ecn_mark(pkt_queue_first(&flow->queue)->m)) {
		(*marked_head)++;
		return true;
	}
	if (ecn_mark(m)) {
		(*marked)++;
		return true;
	}
	return false;
}

static bool
red_refuses(struct qdisc *q, struct sfq *s, uint16_t i, struct rte_mbuf *m)
{
	const struct sfq_flow *flow = &s->flows[i];
	uint8_t flags = s->conf.red_flags;

	switch (red_arrival(&s->averages[i], &s->curve, flow->bytes, sfq_random(s))) {
	case RED_PROBABLE:
		q->overlimits++;
		if ((flags & TC_RED_ECN) != 0 && mark(s, flow, m, &s->stats.prob_mark_head, &s->stats.prob_mark))
			return false;
		s->stats.prob_drop++;
		return true;
	case RED_FORCED:
		q->overlimits++;
		if ((flags & SFQ_RED_FLAGS) == TC_RED_ECN &&
			mark(s, flow, m, &s->stats.forced_mark_head, &s->stats.forced_mark))
			return false;
		s->stats.forced_drop++;
		return true;
	default:
		return false;
	}
}

static struct admission
admit(struct qdisc *q, struct sfq *s, uint16_t i, struct rte_mbuf *m)
{
	struct admission admission = { .head = s->headdrop };

	/* A flow's first packet meets no queue. */
	if (!s->flows[i].waiting)
		return admission;
	if (s->averages != NULL && red_refuses(q, s, i, m)) {
		admission.dropping = true;
		admission.reason = DROP_EARLY;
	} else if (s->flows[i].queue.count >= s->depth) {
		admission.dropping = true;
		admission.reason = DROP_QUEUE_FULL;
	}
	return admission;
}

/* Returns whether it was m, the latest arrival, that went. */
static bool
drop_from_longest(struct qdisc *q, struct sfq *s, const struct rte_mbuf *m)
{
	uint16_t i = sfq_flow_victim(s);
	struct rte_mbuf *victim = sfq_flow_take(s, i, !s->headdrop && s->flows[i].queue.count > 1);
	bool latest = victim == m;

	if (s->flows[i].queue.count == 0)
		sfq_flow_retire(s, i);
	qdisc_drop_queued(q, victim, DROP_QUEUE_FULL);
	return latest;
}

/* ---- data path */

/*
 * The periodic new hash. However long nobody called, it is drawn once: what happens while nothing is queued cannot be
 * seen.
 */
static void
perturb(struct qdisc *q, struct sfq *s, uint64_t now)
{
	/* A division, but at most once a period of a second or more. */
	s->perturb_at += s->perturb_ns * ((now - s->perturb_at) / s->perturb_ns + 1);
	s->hash_key = sfq_random(s);
	if (q->backlog_pkts != 0 && !flow_has_filters(q))
		sfq_rehash(q, s);
}

static inline void
catch_up(struct qdisc *q, struct sfq *s, uint64_t now)
{
	if (unlikely(now >= s->perturb_at))
		perturb(q, s, now);
}

/* Returns how many more packets are queued: a packet that is queued may cost another its place. */
static unsigned int
enqueue_one(struct qdisc *q, struct sfq *s, struct rte_mbuf *m, uint32_t bucket, struct arrivals *arrivals)
{
	bool moving = qdisc_moving(q);
	struct admission admission = { .dropping = false };
	uint16_t i = sfq_flow_find(s, bucket, moving);
	uint32_t bytes;

	if (unlikely(i == SFQ_NONE)) {
		qdisc_drop(q, m, DROP_QUEUE_FULL);
		return 0;
	}
	if (!moving)
		admission = admit(q, s, i, m);
	if (admission.dropping && !admission.head) {
		qdisc_drop(q, m, admission.reason);
		return 0;
	}
	bytes = qdisc_count_bytes(q, m);
	if (unlikely(!sfq_flow_push(s, i, m, bytes))) {
		qdisc_drop(q, m, DROP_NO_BUFFER);
		return 0;
	}
	arrivals_add(arrivals, m, bytes);
	if (unlikely(admission.dropping)) {
		arrivals_enter_in_books(q, arrivals);
		qdisc_drop_queued(q, sfq_flow_take(s, i, false), admission.reason);
	}
	if (q->backlog_pkts + arrivals->count > s->limit && !moving) {
		arrivals_enter_in_books(q, arrivals);
		return !drop_from_longest(q, s, m);
	}
	return 1;
}

static uint16_t
sfq_enqueue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct sfq *s = qdisc_priv(q);
	uint32_t buckets[SFQ_BURST];
	uint16_t queued = 0;

	catch_up(q, s, now);
	for (uint16_t done = 0; done < n; done += SFQ_BURST) {
		uint16_t burst = RTE_MIN(n - done, SFQ_BURST);
		struct arrivals arrivals = { .pkts = pkts + done };

		find_buckets(q, s, pkts + done, burst, buckets);
		sfq_fetch(s, buckets, burst);
		for (uint16_t i = 0; i < burst; i++) {
			struct rte_mbuf *m = pkts[done + i];

			if (likely(buckets[i] <= s->bucket_mask))
				queued += enqueue_one(q, s, m, buckets[i], &arrivals);
			else
				flow_refuse(q, m, buckets[i]);
		}
		arrivals_enter_in_books(q, &arrivals);
	}
	return queued;
}

static uint16_t
sfq_dequeue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct sfq *s = qdisc_priv(q);
	uint64_t bytes = 0;
	uint16_t got = 0;

	catch_up(q, s, now);
	while (got < n && s->active != 0)
		got += sfq_flow_serve(s, pkts + got, n - got, &bytes);
	qdisc_left_burst(q, pkts, got, bytes, now);
	return got;
}

static struct rte_mbuf *
sfq_peek(struct qdisc *q, uint64_t now)
{
	struct sfq *s = qdisc_priv(q);

	catch_up(q, s, now);
	return s->active == 0 ? NULL : pkt_queue_first(&s->flows[sfq_flow_turn(s)].queue)->m;
}

static uint16_t
sfq_flush(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct sfq *s = qdisc_priv(q);
	uint64_t bytes = 0;
	uint16_t got = 0;

	while (got < n && s->active != 0)
		got += sfq_flow_serve(s, pkts + got, n - got, &bytes);
	for (uint16_t i = 0; i < got; i++)
		qdisc_unqueued(q, pkts[i]);
	return got;
}

static uint64_t
sfq_next_event(const struct qdisc *q, uint64_t now)
{
	return q->backlog_pkts != 0 ? now : SCHED_NEVER;
}

/* ---- configuration */

static int
check_red(const struct sfq_conf *c, struct error *err)
{
	const struct red_params params = { .min_bytes = c->qth_min,
		.max_bytes = c->qth_max,
		.weight_log = c->red_wlog,
		.scell_log = c->red_scell_log };
	int rc = red_params_check("sfq", &params, err);

	if (rc != 0)
		return rc;
	if ((c->red_flags & ~SFQ_RED_FLAGS) != 0)
		return error_set(err, EINVAL, "sfq: of RED's flags only ecn and harddrop apply");
	return 0;
}

static int
check(const struct sfq_conf *c, struct error *err)
{
	if ((c->divisor & (c->divisor - 1)) != 0 || c->divisor > SFQ_DIVISOR_MAX)
		return error_set(err, EINVAL, "sfq: the divisor must be a power of two up to %u, not %u",
			SFQ_DIVISOR_MAX, c->divisor);
	if (c->quantum > SFQ_QUANTUM_MAX)
		return error_set(
			err, EINVAL, "sfq: a quantum of %u bytes is too large; the MTU is a good one", c->quantum);
	if (c->perturb_s < 0 || c->perturb_s > SFQ_PERTURB_MAX)
		return error_set(
			err, EINVAL, "sfq: invalid perturb period: %d s; 0 is never, 10 to 60 are usual", c->perturb_s);
	return c->has_v1 && c->qth_min != 0 ? check_red(c, err) : 0;
}

/* What was asked for with the defaults and bounds that Linux reports. */
static struct sfq_conf
effective(const struct qdisc *q, const struct sfq_conf *asked)
{
	struct sfq_conf c = { .has_v1 = true };

	if (asked->has_v1) {
		c = *asked;
		if (c.red_max_p == 0 && c.qth_min != 0) {
			uint64_t p = ((uint64_t)(c.qth_max - c.qth_min) << 32) >> RTE_MIN(c.red_plog, 63);

			c.red_max_p = (uint32_t)RTE_MIN(p, UINT32_MAX);
		}
		c.red_stats = (struct sfq_red_stats){ 0 };
	}
	c.quantum = asked->quantum != 0 ? asked->quantum : qdisc_mtu(q) + RTE_ETHER_HDR_LEN;
	c.perturb_s = asked->perturb_s;
	c.depth = c.depth == 0 ? SFQ_DEPTH_MAX : RTE_MIN(c.depth, SFQ_DEPTH_MAX);
	c.flows = asked->flows != 0 ? RTE_MIN(asked->flows, SFQ_FLOWS_MAX) : SFQ_FLOWS_DEFAULT;
	c.divisor = asked->divisor != 0 ? asked->divisor : SFQ_BUCKETS_DEFAULT;
	if (asked->divisor != 0)
		c.flows = RTE_MIN(c.flows, c.divisor);
	c.limit = SFQ_LIMIT_DEFAULT;
	if (asked->limit != 0) {
		c.limit = RTE_MIN(asked->limit, c.depth * c.flows);
		c.flows = RTE_MIN(c.flows, c.limit);
	}
	return c;
}

static int
sfq_init(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	static const struct sfq_conf none;
	const struct sfq_conf *asked = conf != NULL ? conf : &none;
	struct sfq *s = qdisc_priv(q);
	int rc = check(asked, err);

	if (rc != 0)
		return rc;
	s->conf = effective(q, asked);
	s->quantum = s->conf.quantum;
	s->limit = s->conf.limit;
	s->depth = s->conf.depth;
	s->headdrop = s->conf.headdrop;
	s->bucket_mask = s->conf.divisor - 1;
	/* A bucket has one flow. */
	s->flows_count = (uint16_t)RTE_MIN(s->conf.flows, s->conf.divisor);
	s->perturb_ns = (uint64_t)s->conf.perturb_s * UINT64_C(1000000000);
	s->perturb_at = s->perturb_ns != 0 ? now + s->perturb_ns : SCHED_NEVER;
	s->random = qdisc_random(q);
	s->hash_key = sfq_random(s);
	if (s->conf.qth_min != 0)
		red_curve_set(&s->curve, s->conf.qth_min, s->conf.qth_max, s->conf.red_max_p, s->conf.red_wlog);
	return sfq_flows_init(q, s, err);
}

static void
sfq_destroy(struct qdisc *q)
{
	sfq_flows_destroy(qdisc_priv(q));
}

static void
sfq_get_conf(const struct qdisc *q, void *conf)
{
	const struct sfq *s = qdisc_priv(q);
	struct sfq_conf *c = conf;

	*c = s->conf;
	c->red_stats = s->stats;
}

/* ---- the classes that a dump shows: buckets that hold packets */

struct sfq_class {
	uint64_t bytes;
	uint32_t packets;
	int32_t allot;
};

static uint32_t
sfq_snapshot(struct qdisc *q, void *classes, size_t stride, uint32_t max)
{
	const struct sfq *s = qdisc_priv(q);
	uint32_t count = 0;

	for (uint32_t bucket = 0; bucket <= s->bucket_mask && count < max; bucket++) {
		uint16_t i = s->table[bucket];
		struct class *c = (void *)((uint8_t *)classes + count * stride);

		/* The flow that several buckets share shows as the last of them. */
		if (i == SFQ_NONE || s->flows[i].bucket != bucket)
			continue;
		c->qdisc = q;
		c->classid = q->handle | TC_H_MIN(bucket + 1);
		*(struct sfq_class *)class_priv(c) = (struct sfq_class){
			.bytes = s->flows[i].bytes,
			.packets = s->flows[i].queue.count,
			.allot = (int32_t)s->flows[i].allot,
		};
		count++;
	}
	return count;
}

static void
sfq_class_stats(const struct class *c, struct sched_stats *stats)
{
	const struct sfq_class *flow = class_priv(c);

	*stats = (struct sched_stats){ .backlog_bytes = flow->bytes, .backlog_pkts = flow->packets };
}

static void
sfq_class_xstats(const struct class *c, void *xstats)
{
	const struct sfq_class *flow = class_priv(c);

	((struct sfq_class_xstats *)xstats)->allot = flow->allot;
}

static const struct class_ops sfq_class_ops = {
	.size = sizeof(struct sfq_class),
	.get_stats = sfq_class_stats,
	.get_xstats = sfq_class_xstats,
	.snapshot = sfq_snapshot,
};

static const struct qdisc_ops sfq_ops = {
	.kind = "sfq",
	.size = sizeof(struct sfq),
	.conf_size = sizeof(struct sfq_conf),
	.init = sfq_init,
	.destroy = sfq_destroy,
	.enqueue = sfq_enqueue,
	.dequeue = sfq_dequeue,
	.peek = sfq_peek,
	.flush = sfq_flush,
	.next_event = sfq_next_event,
	.get_conf = sfq_get_conf,
	.classes = &sfq_class_ops,
};
QDISC_REGISTER(sfq_ops)
