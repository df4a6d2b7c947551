/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * red: random early detection (tc-red(8); the paper and its arithmetic are in red_average.h). Packets are dropped, or
 * marked where their hosts speak ECN, with a probability that grows with the average queue, so that senders slow down
 * before the queue is full. What waits is in an inner qdisc, a bfifo of `limit` bytes, which is class 1 and may be
 * replaced.
 */
#include <string.h>

#include <weir/qdisc/fifo.h>
#include <weir/qdisc/red.h>
#include <weir/sched.h>

#include "ecn.h"
#include "inner.h"
#include "red_average.h"

#define RED_FLAGS (TC_RED_ECN | TC_RED_HARDDROP | TC_RED_ADAPTATIVE | TC_RED_NODROP)
/*
 * However long nobody called: more steps than the probability needs from one of its bounds to the other (94 upwards
 * from one in a million, 38 downwards).
 */
#define RED_ADAPT_STEPS 128

struct red {
	struct inner inner;
	struct red_average average;
	struct red_curve curve;
	uint64_t touched_ns; /* the latest enqueue or dequeue: since then the queue is idle, if it is empty */
	uint64_t adapt_at; /* when max_p is next looked at; SCHED_NEVER */
	uint32_t limit_bytes;
	uint8_t flags;
	struct red_xstats stats;
	struct red_conf conf;
};

/* ---- data path */

/* The queue has been empty since touched_ns. */
static void
idle_until(struct red *r, uint64_t now)
{
	if (now > r->touched_ns)
		red_average_idle(&r->average, &r->curve, now - r->touched_ns);
}

/* Moves max_p for each half second that has passed, by the average as it was then. */
static void
adapt(const struct qdisc *q, struct red *r, uint64_t now)
{
	uint64_t steps = (now - r->adapt_at) / RED_ADAPT_NS + 1; /* a division, twice a second */

	if (steps > RED_ADAPT_STEPS)
		r->adapt_at += (steps - RED_ADAPT_STEPS) * RED_ADAPT_NS;
	for (; r->adapt_at <= now; r->adapt_at += RED_ADAPT_NS) {
		if (q->backlog_pkts == 0 && r->adapt_at > r->touched_ns) {
			idle_until(r, r->adapt_at);
			r->touched_ns = r->adapt_at;
		}
		red_curve_adapt(&r->curve, red_average_bytes(&r->average, &r->curve));
	}
}

/* What becomes of a packet that is to be marked or dropped: true if it is to be dropped. */
static bool
refuse(const struct red *r, struct rte_mbuf *m, bool may_mark, uint32_t *marked, uint32_t *dropped)
{
	if (may_mark) {
		if (ecn_mark(m)) {
			(*marked)++;
			return false;
		}
		/* Its hosts do not speak ECN. */
		if ((r->flags & TC_RED_NODROP) != 0)
			return false;
	}
	(*dropped)++;
	return true;
}

/* m arrives while the average is at least min. */
static bool
congested(struct qdisc *q, struct red *r, struct rte_mbuf *m, uint64_t average)
{
	switch (red_judge(&r->average, &r->curve, average, (uint32_t)(qdisc_random(q) >> 32))) {
	case RED_PROBABLE:
		q->overlimits++;
		return refuse(r, m, (r->flags & TC_RED_ECN) != 0, &r->stats.prob_mark, &r->stats.prob_drop);
	case RED_FORCED:
		q->overlimits++;
		return refuse(r, m, (r->flags & (TC_RED_ECN | TC_RED_HARDDROP)) == TC_RED_ECN, &r->stats.forced_mark,
			&r->stats.forced_drop);
	default:
		return false;
	}
}

static uint16_t
give(struct qdisc *q, struct red *r, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	uint16_t queued = n == 0 ? 0 : qdisc_enqueue(inner_of(q), pkts, n, now);

	r->stats.limit_drop += n - queued;
	return queued;
}

static uint16_t
red_enqueue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct red *r = qdisc_priv(q);
	uint64_t backlog = q->backlog_bytes;
	uint16_t kept = 0, given = 0, queued = 0;

	if (unlikely(qdisc_moving(q)))
		return qdisc_enqueue(inner_of(q), pkts, n, now);
	if (unlikely(now >= r->adapt_at))
		adapt(q, r, now);
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		uint64_t average;

		if (backlog != 0) {
			average = red_average_update(&r->average, &r->curve, backlog);
		} else {
			idle_until(r, now);
			average = red_average_bytes(&r->average, &r->curve);
		}
		r->touched_ns = now;
		if (likely(average < r->curve.min_bytes)) {
			r->average.count = RED_BELOW;
		} else if (congested(q, r, m, average)) {
			qdisc_drop(q, m, DROP_EARLY);
			continue;
		}
		backlog += pkt_bytes(q, m);
		pkts[kept++] = m;
		/*
		 * Near the limit the inner qdisc may drop: it is asked packet by packet, so that the backlog is known.
		 */
		if (unlikely(backlog > r->limit_bytes)) {
			queued += give(q, r, pkts + given, kept - given, now);
			given = kept;
			backlog = q->backlog_bytes;
		}
	}
	return queued + give(q, r, pkts + given, kept - given, now);
}

static uint16_t
red_dequeue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct red *r = qdisc_priv(q);
	uint16_t got = qdisc_dequeue(inner_of(q), pkts, n, now);

	if (got != 0)
		r->touched_ns = now;
	return got;
}

/* ---- configuration */

static int
red_check(const struct red_conf *c, struct error *err)
{
	int rc;

	if (c == NULL)
		return error_set(err, EINVAL, "red: limit and avpkt are needed, as in 'red limit 400kb avpkt 1000'");
	if ((rc = red_params_check("red", &c->params, err)) != 0)
		return rc;
	if (c->limit_bytes < c->params.max_bytes)
		return error_set(err, EINVAL,
			"red: limit (%u) must be at least max (%u), better several times that: it bounds the real "
			"queue, max the "
			"average",
			c->limit_bytes, c->params.max_bytes);
	if ((c->flags & (TC_RED_NODROP | TC_RED_ECN)) == TC_RED_NODROP)
		return error_set(err, EINVAL, "sch_red: nodrop mode is only meaningful with ECN.");
	return 0;
}

static void
red_configure(struct red *r, const struct red_conf *c, uint64_t now)
{
	uint64_t average = red_average_bytes(&r->average, &r->curve);

	red_curve_from_params(&r->curve, &c->params);
	red_average_reset(&r->average, &r->curve, average);
	r->limit_bytes = c->limit_bytes;
	r->flags = c->flags & RED_FLAGS;
	r->adapt_at = (r->flags & TC_RED_ADAPTATIVE) != 0 ? now + RED_ADAPT_NS : SCHED_NEVER;
	r->conf = *c;
}

static const char *
red_default_leaf(const struct class *c, struct fifo_conf *conf)
{
	const struct red *r = qdisc_priv(c->qdisc);

	conf->limit = r->conf.limit_bytes;
	return "bfifo";
}

/* The average stays, and so does what the user put inside; the bfifo that red came with takes the limit. */
static int
red_change(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	struct red *r = qdisc_priv(q);
	struct qdisc *inner = inner_of(q);
	const struct red_conf *c = conf;
	int rc = red_check(c, err);

	if (rc != 0)
		return rc;
	if (inner->handle == 0) {
		struct fifo_conf limit = { .limit = c->limit_bytes };

		if ((rc = inner->ops->change(inner, &limit, now, err)) != 0)
			return rc;
	}
	red_configure(r, c, now);
	return 0;
}

static int
red_init(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	struct red *r = qdisc_priv(q);
	const struct red_conf *c = conf;
	int rc = red_check(c, err);
	struct fifo_conf limit;

	if (rc != 0)
		return rc;
	red_configure(r, c, now);
	r->touched_ns = now;
	limit.limit = c->limit_bytes;
	return class_create(q, q->handle | 1, "bfifo", &limit, &r->inner.class, err);
}

static void
red_get_conf(const struct qdisc *q, void *conf)
{
	const struct red *r = qdisc_priv(q);
	struct red_conf *c = conf;

	*c = r->conf;
	c->params.max_p = r->curve.max_p; /* where adaptive has taken it */
}

static void
red_get_xstats(const struct qdisc *q, void *xstats)
{
	const struct red *r = qdisc_priv(q);

	memcpy(xstats, &r->stats, sizeof(r->stats));
}

static const struct class_ops red_classes = {
	.classify = inner_classify,
	.no_filters = true,
	.any_minor = true,
	.activate = inner_turned,
	.deactivate = inner_turned,
	.default_leaf = red_default_leaf,
};

static const struct qdisc_ops red_ops = {
	.kind = "red",
	.size = sizeof(struct red),
	.conf_size = sizeof(struct red_conf),
	.init = red_init,
	.change = red_change,
	.enqueue = red_enqueue,
	.dequeue = red_dequeue,
	.peek = inner_peek,
	.peek_bytes = inner_peek_bytes,
	.flush = inner_flush,
	.next_event = inner_next_event,
	.get_conf = red_get_conf,
	.get_xstats = red_get_xstats,
	.classes = &red_classes,
};
QDISC_REGISTER(red_ops)
