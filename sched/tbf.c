/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tbf: a token bucket filter (tc-tbf(8)). A packet leaves when the bucket holds its length; the bucket fills at the
 * rate, up to burst. A second, small bucket at the peak rate keeps a full first one from being emptied at once. What
 * waits is in an inner qdisc, a bfifo of `limit` bytes, which is class 1 and may be replaced.
 */
#include <string.h>

#include <rte_ether.h>

#include <weir/qdisc/fifo.h>
#include <weir/qdisc/tbf.h>
#include <weir/rate.h>
#include <weir/rate_text.h>
#include <weir/sched.h>

#include "inner.h"

#define TBF_BURST 64

struct bucket {
	struct rate rate;
	int64_t tokens, depth;
};

struct tbf {
	struct inner inner;
	struct bucket rate, peak;
	bool has_peak;
	uint32_t largest; /* bytes of a packet that the buckets can ever pay for */
	uint32_t rate_largest; /* by the bucket of the rate alone */
	uint64_t filled_ns; /* when the tokens were counted */
	uint64_t ready_ns; /* the head packet may not leave before; 0: not known */
	struct tbf_conf conf;
};

/* A change may have been made a little after the `now` of the burst in course. */
static inline uint64_t
elapsed(const struct tbf *t, uint64_t now)
{
	return now > t->filled_ns ? now - t->filled_ns : 0;
}

/*
 * What the bucket holds that long after it was counted. It may run over by less than what a nanosecond earns: packets
 * leave at whole ones, and where the bucket holds no more than one of them what was earned beyond would else be lost
 * each time.
 */
static inline int64_t
bucket_at(const struct bucket *bucket, uint64_t elapsed_ns)
{
	int64_t tokens = bucket->tokens + tokens_from_ns(elapsed_ns);
	int64_t most = bucket->depth + (1 << TOKENS_SHIFT) - 1;

	return tokens < most ? tokens : most;
}

/* Bytes that `tokens` can pay for, at most `limit`: a search, for use in control only. */
static uint32_t
bytes_from_tokens(const struct rate *rate, int64_t tokens, uint32_t limit)
{
	uint32_t low = 0, high = limit;

	while (low < high) {
		uint32_t middle = high - (high - low) / 2;

		if (rate_cost(rate, middle) <= tokens)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

/* bytes says the depth, or if it is 0 ns does. */
static uint32_t
bucket_size(struct bucket *bucket, const struct rate_conf *conf, uint32_t bytes, uint64_t ns)
{
	rate_init(&bucket->rate, conf);
	bucket->depth = bytes != 0 ? rate_cost(&bucket->rate, bytes) : tokens_from_ns(ns);
	return bytes != 0 ? bytes : bytes_from_tokens(&bucket->rate, bucket->depth, UINT32_MAX);
}

/* Works out what conf means in `fresh`; nothing else is touched. */
static int
tbf_evaluate(struct tbf *fresh, const struct tbf_conf *conf, struct error *err)
{
	if (conf == NULL)
		return error_set(err, EINVAL, "tbf needs rate, burst and limit or latency");
	if (conf->rate.Bps == 0)
		return error_set(err, EINVAL, "tbf: a rate of 0 would never send anything");
	fresh->conf = *conf;
	fresh->rate_largest = bucket_size(&fresh->rate, &conf->rate, conf->burst_bytes, conf->burst_ns);
	fresh->largest = fresh->rate_largest;
	if (fresh->largest == 0)
		return error_set(err, EINVAL, "tbf: the burst holds not even one byte at this rate");
	fresh->has_peak = conf->peak.Bps != 0;
	if (fresh->has_peak) {
		if (conf->peak.Bps <= conf->rate.Bps)
			return error_set(err, EINVAL, "tbf: the peak rate, %s, must be above the rate, %s",
				rate_text(conf->peak.Bps).text, rate_text(conf->rate.Bps).text);
		uint32_t peak_largest = bucket_size(&fresh->peak, &conf->peak, conf->mtu_bytes, conf->mtu_ns);

		if (peak_largest == 0)
			return error_set(
				err, EINVAL, "tbf: with a peak rate, mtu (minburst) must hold at least a packet");
		fresh->largest = RTE_MIN(fresh->largest, peak_largest);
	}
	fresh->conf.burst_ns = ns_from_tokens(fresh->rate.depth);
	fresh->conf.mtu_ns = fresh->has_peak ? ns_from_tokens(fresh->peak.depth) : conf->mtu_ns;
	return 0;
}

/* Linux takes a bucket that is too small for a frame without a word, and some scripts mean it. */
static void
warn_of_small_bucket(const struct qdisc *q, const struct tbf *t, struct error *err)
{
	uint32_t frame = qdisc_mtu(q) + RTE_ETHER_HDR_LEN;

	if (t->largest < frame)
		error_warn(err,
			"tbf: packets above %u bytes will be dropped, for the %s holds no more; a full frame has %u",
			t->largest, t->has_peak && t->largest < t->rate_largest ? "mtu (minburst)" : "burst", frame);
}

/* A bucket's debt or store goes over in bytes: what was earned at the old rate is worth as much at the new one. */
static int64_t
tokens_at_new_rate(const struct bucket *old, uint64_t elapsed_ns, uint64_t old_Bps, uint64_t new_Bps, int64_t depth)
{
	__int128 tokens = (__int128)bucket_at(old, elapsed_ns) * old_Bps / new_Bps;

	return tokens < depth ? (int64_t)tokens : depth;
}

static int
tbf_change(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	struct tbf *t = qdisc_priv(q), fresh = *t;
	int rc = tbf_evaluate(&fresh, conf, err);

	if (rc != 0)
		return rc;
	/* A FIFO inside, whoever put it there, takes the limit, in packets if it counts packets: as on Linux. */
	struct qdisc *inner = inner_of(q);
	struct fifo_conf limit = { .limit = fresh.conf.limit_bytes };

	if (strcmp(inner->ops->kind, "bfifo") == 0 || strcmp(inner->ops->kind, "pfifo") == 0) {
		rc = inner->ops->change(inner, &limit, now, err);
		if (rc != 0)
			return rc;
	}
	uint64_t gone = elapsed(t, now);

	fresh.rate.tokens = tokens_at_new_rate(&t->rate, gone, t->conf.rate.Bps, fresh.conf.rate.Bps, fresh.rate.depth);
	if (fresh.has_peak)
		fresh.peak.tokens = t->has_peak ? tokens_at_new_rate(&t->peak, gone, t->conf.peak.Bps,
							  fresh.conf.peak.Bps, fresh.peak.depth)
						: fresh.peak.depth;
	fresh.filled_ns = RTE_MAX(t->filled_ns, now);
	fresh.ready_ns = 0;
	*t = fresh;
	warn_of_small_bucket(q, t, err);
	return 0;
}

static int
tbf_init(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	struct tbf *t = qdisc_priv(q);
	int rc = tbf_evaluate(t, conf, err);
	struct fifo_conf limit = { .limit = t->conf.limit_bytes };

	if (rc != 0)
		return rc;
	t->rate.tokens = t->rate.depth;
	t->peak.tokens = t->peak.depth;
	t->filled_ns = now;
	rc = class_create(q, q->handle | 1, "bfifo", &limit, &t->inner.class, err);
	if (rc == 0)
		warn_of_small_bucket(q, t, err);
	return rc;
}

/* What a packet takes from the buckets; the peak's is 0 where there is none. */
struct cost {
	int64_t rate, peak;
};

static inline struct cost
cost_of(const struct tbf *t, uint32_t bytes)
{
	return (struct cost){ .rate = rate_cost(&t->rate.rate, bytes),
		.peak = t->has_peak ? rate_cost(&t->peak.rate, bytes) : 0 };
}

/* When the buckets can pay. */
static inline uint64_t
payable_at(const struct tbf *t, struct cost cost)
{
	int64_t missing = cost.rate - t->rate.tokens;

	if (t->has_peak)
		missing = RTE_MAX(missing, cost.peak - t->peak.tokens);
	return t->filled_ns + ns_from_tokens(missing);
}

/* Fills the buckets up to now and takes the cost, which must be payable. */
static inline void
pay(struct tbf *t, struct cost cost, uint64_t now)
{
	uint64_t gone = elapsed(t, now);

	t->rate.tokens = bucket_at(&t->rate, gone) - cost.rate;
	if (t->has_peak)
		t->peak.tokens = bucket_at(&t->peak, gone) - cost.peak;
	t->filled_ns = now;
}

/* Bytes of the packets that are next in the inner qdisc, of at least one if there is any. */
static uint16_t
next_bytes(struct qdisc *inner, uint32_t *bytes, uint16_t n, uint64_t now)
{
	uint16_t known = qdisc_peek_bytes(inner, bytes, n);
	const struct rte_mbuf *m;

	if (known != 0)
		return known;
	m = qdisc_peek(inner, now);
	if (m == NULL)
		return 0;
	bytes[0] = pkt_queued_bytes(m);
	return 1;
}

/* When the packet that is first now may leave, so that nobody asks in vain. */
static void
know_ready(struct qdisc *q, struct tbf *t, uint64_t now)
{
	uint32_t bytes;

	t->ready_ns = q->backlog_pkts == 0 || next_bytes(inner_of(q), &bytes, 1, now) == 0
			      ? 0
			      : payable_at(t, cost_of(t, bytes));
}

static uint16_t
tbf_enqueue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct tbf *t = qdisc_priv(q);
	struct qdisc *inner = inner_of(q);
	uint16_t kept = 0, queued;

	for (uint16_t i = 0; i < n; i++) {
		if (pkt_bytes(q, pkts[i]) > t->largest && !qdisc_moving(q))
			qdisc_drop(q, pkts[i], DROP_TOO_LARGE);
		else
			pkts[kept++] = pkts[i];
	}
	if (kept == 0)
		return 0;
	queued = qdisc_enqueue(inner, pkts, kept, now);
	/* While packets are moved, older ones may still come: nobody is asked for his first one before all are here. */
	if (unlikely(qdisc_moving(q))) {
		t->ready_ns = 0;
		return queued;
	}
	know_ready(q, t, now); /* another packet may be the first now */
	/* As Linux counts: each arrival that the buckets let nothing out for. */
	if (t->ready_ns > now)
		q->overlimits += n;
	return queued;
}

/* Pays for as many of these packets, in order, as the buckets can; notes when the next of them may leave. */
static uint16_t
pay_for(struct tbf *t, const uint32_t *bytes, uint16_t n, uint64_t now)
{
	for (uint16_t i = 0; i < n; i++) {
		struct cost cost = cost_of(t, bytes[i]);

		t->ready_ns = payable_at(t, cost);
		if (t->ready_ns > now)
			return i;
		pay(t, cost, now);
	}
	return n;
}

static uint16_t
tbf_dequeue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct tbf *t = qdisc_priv(q);
	struct qdisc *inner = inner_of(q);
	uint32_t bytes[TBF_BURST];
	uint16_t got = 0;

	if (t->ready_ns > now)
		return 0;
	while (got < n) {
		uint16_t known = next_bytes(inner, bytes, RTE_MIN(n - got, TBF_BURST), now);
		uint16_t paid = pay_for(t, bytes, known, now);

		if (known == 0) {
			t->ready_ns = q->backlog_pkts == 0 ? 0 : qdisc_next_event(inner, now);
			return got;
		}
		if (paid != 0)
			got += qdisc_dequeue(inner, pkts + got, paid, now);
		if (paid < known) {
			q->overlimits++;
			return got;
		}
	}
	know_ready(q, t, now);
	q->overlimits += t->ready_ns > now;
	return got;
}

static uint64_t
tbf_next_event(const struct qdisc *q, uint64_t now)
{
	const struct tbf *t = qdisc_priv(q);

	if (q->backlog_pkts == 0)
		return SCHED_NEVER;
	return t->ready_ns > now ? t->ready_ns : now;
}

static const char *
tbf_default_leaf(const struct class *c, struct fifo_conf *conf)
{
	const struct tbf *t = qdisc_priv(c->qdisc);

	conf->limit = t->conf.limit_bytes;
	return "bfifo";
}

static void
tbf_get_conf(const struct qdisc *q, void *conf)
{
	const struct tbf *t = qdisc_priv(q);

	*(struct tbf_conf *)conf = t->conf;
}

static void
tbf_grafted(struct class *c, uint64_t now)
{
	struct tbf *t = qdisc_priv(c->qdisc);

	(void)now;
	t->ready_ns = 0;
}

static const struct class_ops tbf_classes = {
	.classify = inner_classify,
	.no_filters = true,
	.any_minor = true,
	.activate = inner_turned,
	.deactivate = inner_turned,
	.grafted = tbf_grafted,
	.default_leaf = tbf_default_leaf,
};

static const struct qdisc_ops tbf_ops = {
	.kind = "tbf",
	.size = sizeof(struct tbf),
	.conf_size = sizeof(struct tbf_conf),
	.init = tbf_init,
	.change = tbf_change,
	.enqueue = tbf_enqueue,
	.dequeue = tbf_dequeue,
	.flush = inner_flush,
	.next_event = tbf_next_event,
	.get_conf = tbf_get_conf,
	.classes = &tbf_classes,
};
QDISC_REGISTER(tbf_ops)
