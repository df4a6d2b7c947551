/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * codel: a FIFO that keeps its own delay short (tc-codel(8)). The control law and the states of dropping are section 5
 * of RFC 8289, with its Linux variant of where the count of drops starts; codel.h has what fq_codel shares.
 */
#include "codel.h"
#include "ds_field.h"
#include "ecn.h"
#include "tree.h"

#define CODEL_LIMIT_DEFAULT 1000u /* packets: tc-codel(8) */

struct codel {
	struct pkt_queue queue;
	struct codel_state state;
	struct codel_counters counters;
	struct codel_law law;
	uint32_t limit; /* packets */
};

/* ---- the law */

#define FRACTION_BITS 62

static inline uint64_t
times(uint64_t a, uint64_t b)
{
	return (uint64_t)((unsigned __int128)a * b >> FRACTION_BITS);
}

static inline uint64_t
fixed_point(double value)
{
	return (uint64_t)(value * (double)(UINT64_C(1) << FRACTION_BITS));
}

/*
 * Newton's iteration for y = 1 / sqrt(f): y' = y (3 - f y^2) / 2. The count is brought to f in [1/4, 1) by an even
 * number of shifts, where a straight line is within 8.7 % of y; each step squares that error and multiplies it by 1.5,
 * so four leave only the rounding.
 */
uint64_t
codel_inverse_sqrt(uint32_t count)
{
	unsigned int shift = (unsigned int)__builtin_clz(count) & ~1u;
	uint64_t f = (uint64_t)(count << shift) << (FRACTION_BITS - 32);
	uint64_t y = fixed_point(2.13) - times(fixed_point(1.215), f);
	/* count is f * 2^(32 - shift), so 2^32 / sqrt(count) is y * 2^(16 + shift / 2). */
	unsigned int surplus = FRACTION_BITS - 16 - shift / 2;

	for (unsigned int step = 0; step < 4; step++)
		y = times(y, fixed_point(1.5) - times(times(f, y), y) / 2);
	return (y + (UINT64_C(1) << (surplus - 1))) >> surplus;
}

/* When the next packet is dropped, if the one before it, the count-th in a row, was due at `from`. */
static uint64_t
next_drop(const struct codel_law *law, uint64_t from, uint32_t count)
{
	const unsigned int surplus = 32 - CODEL_TICK_SHIFT;
	uint64_t step = law->interval * codel_inverse_sqrt(RTE_MAX(count, 1u));

	return from + ((step + (UINT64_C(1) << (surplus - 1))) >> surplus);
}

/*
 * If the queue was below the target only for a while, the rate of drops that was right then is a good one to start
 * from.
 */
static uint32_t
first_count(const struct codel_law *law, const struct codel_state *state, uint64_t now)
{
	uint32_t delta = state->count - state->last_count;

	return delta > 1 && (int64_t)(now - state->drop_next_ns) < (int64_t)(16 * law->interval_ns) ? delta : 1;
}

/* Marks m, or drops it: then false. */
static bool
mark_or_drop(struct codel_burst *burst, struct rte_mbuf *m)
{
	if (burst->law->ecn && ecn_mark(m)) {
		burst->counters->ecn_marks++;
		return true;
	}
	qdisc_drop_queued(burst->q, m, DROP_CODEL);
	return false;
}

struct rte_mbuf *
codel_control(
	struct codel_burst *burst, struct pkt_queue *queue, struct codel_state *state, struct rte_mbuf *m, bool above)
{
	uint64_t now = burst->now;

	if (!state->dropping) {
		state->dropping = true;
		if (!mark_or_drop(burst, m))
			m = codel_pop(burst, queue, state, &above);
		state->count = first_count(burst->law, state, now);
		state->last_count = state->count;
		state->drop_next_ns = next_drop(burst->law, now, state->count);
		return m;
	}
	state->dropping = above;
	while (state->dropping && now >= state->drop_next_ns) {
		bool marked;

		state->count++;
		marked = mark_or_drop(burst, m);
		if (!marked) {
			m = codel_pop(burst, queue, state, &above);
			state->dropping = above;
		}
		if (above)
			state->drop_next_ns = next_drop(burst->law, state->drop_next_ns, state->count);
		if (marked)
			break;
	}
	return m;
}

void
codel_pass_threshold(struct codel_burst *burst, struct rte_mbuf *m)
{
	const struct codel_law *law = burst->law;

	if ((law->ce_mask == 0 || (ds_get(m) & law->ce_mask) == law->ce_selector) && ecn_mark(m))
		burst->counters->ce_marks++;
}

int
codel_law_set(
	struct codel_law *law, const struct codel_times *times, uint32_t given, const char *kind, struct error *err)
{
	if ((given & CODEL_INTERVAL) != 0 && times->interval_ns >> CODEL_TICK_SHIFT == 0)
		return error_set(err, EINVAL,
			"%s: an interval of %u us would drop all that waits; give about the longest round-trip time, "
			"as in 'interval 100ms'",
			kind, (unsigned int)(times->interval_ns / 1000));
	if ((given & CODEL_TARGET) != 0)
		law->target = codel_ticks(times->target_ns);
	if ((given & CODEL_INTERVAL) != 0)
		law->interval = codel_ticks(times->interval_ns);
	if ((given & CODEL_CE_THRESHOLD) != 0)
		law->ce_threshold = codel_ticks(times->ce_threshold_ns);
	if ((given & CODEL_ECN) != 0)
		law->ecn = times->ecn;
	law->interval_ns = (uint64_t)law->interval << CODEL_TICK_SHIFT;
	return 0;
}

void
codel_law_init(struct codel_law *law, bool ecn)
{
	const struct codel_times defaults = { .target_ns = 5000000, .interval_ns = 100000000, .ecn = ecn };

	*law = (struct codel_law){ .ce_threshold = CODEL_NEVER };
	codel_law_set(law, &defaults, CODEL_TARGET | CODEL_INTERVAL | CODEL_ECN, "", NULL);
}

uint32_t
codel_law_get(const struct codel_law *law, struct codel_times *times)
{
	*times = (struct codel_times){ .target_ns = (uint64_t)law->target << CODEL_TICK_SHIFT,
		.interval_ns = law->interval_ns,
		.ce_threshold_ns = (uint64_t)law->ce_threshold << CODEL_TICK_SHIFT,
		.ecn = law->ecn };
	return CODEL_TARGET | CODEL_INTERVAL | CODEL_ECN | (law->ce_threshold != CODEL_NEVER ? CODEL_CE_THRESHOLD : 0);
}

struct codel_queue_xstats
codel_state_show(const struct codel_state *state, uint64_t now)
{
	return (struct codel_queue_xstats){ .count = state->count,
		.last_count = state->last_count,
		.delay_ns = (uint64_t)state->delay << CODEL_TICK_SHIFT,
		.dropping = state->dropping,
		.drop_next_ns = state->dropping ? (int64_t)(state->drop_next_ns - now) : 0 };
}

/* ---- data path */

static uint16_t
codel_enqueue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct codel *c = qdisc_priv(q);
	uint16_t queued = 0;
	uint64_t sum = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		uint32_t bytes;

		if (unlikely(c->queue.count >= c->limit) && !qdisc_moving(q)) {
			c->counters.limit_drops++;
			qdisc_drop(q, m, DROP_QUEUE_FULL);
			continue;
		}
		bytes = qdisc_count_bytes(q, m);
		if (unlikely(!pkt_queue_push_stamped(&c->queue, m, bytes, codel_arrival(q, m, now)))) {
			qdisc_drop(q, m, DROP_NO_BUFFER);
			continue;
		}
		pkts[queued++] = m;
		sum += bytes;
	}
	qdisc_queued_burst(q, pkts, queued, sum);
	return queued;
}

static uint16_t
codel_dequeue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct codel *c = qdisc_priv(q);
	struct codel_burst burst = codel_burst_start(q, &c->law, &c->counters, now);
	uint16_t got = 0;

	while (got < n && (pkts[got] = codel_take(&burst, &c->queue, &c->state)) != NULL)
		got++;
	qdisc_left_burst(q, pkts, got, burst.taken, now);
	return got;
}

static void
codel_prefetch(const struct qdisc *q, unsigned int step)
{
	const struct codel *c = qdisc_priv(q);

	pkt_queue_prefetch(&c->queue, step);
}

static uint16_t
codel_flush(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct codel *c = qdisc_priv(q);

	return pkt_queue_flush(&c->queue, q, pkts, n);
}

static uint64_t
codel_next_event(const struct qdisc *q, uint64_t now)
{
	return q->backlog_pkts != 0 ? now : SCHED_NEVER;
}

/* ---- configuration */

/* A lower limit bites on arrival: what is queued stays queued. */
static int
codel_change(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	const struct codel_conf *given = conf;
	struct codel *c = qdisc_priv(q);
	int rc = given == NULL ? 0 : codel_law_set(&c->law, &given->times, given->given, "codel", err);

	(void)now;
	if (rc == 0 && given != NULL && (given->given & CODEL_LIMIT) != 0)
		c->limit = given->limit;
	return rc;
}

static int
codel_init(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	struct codel *c = qdisc_priv(q);

	pkt_queue_init(&c->queue, q);
	codel_state_init(&c->state);
	codel_law_init(&c->law, false);
	c->limit = CODEL_LIMIT_DEFAULT;
	return codel_change(q, conf, now, err);
}

static void
codel_get_conf(const struct qdisc *q, void *conf)
{
	const struct codel *c = qdisc_priv(q);
	struct codel_conf *out = conf;

	out->limit = c->limit;
	out->given = CODEL_LIMIT | codel_law_get(&c->law, &out->times);
}

static void
codel_get_xstats(const struct qdisc *q, void *xstats)
{
	const struct codel *c = qdisc_priv(q);

	*(struct codel_xstats *)xstats = (struct codel_xstats){ .limit_drops = c->counters.limit_drops,
		.largest_bytes = c->counters.largest_bytes,
		.ecn_marks = c->counters.ecn_marks,
		.ce_marks = c->counters.ce_marks,
		.queue = codel_state_show(&c->state, q->tree->now) };
}

static const struct qdisc_ops codel_ops = {
	.kind = "codel",
	.size = sizeof(struct codel),
	.conf_size = sizeof(struct codel_conf),
	.init = codel_init,
	.change = codel_change,
	.enqueue = codel_enqueue,
	.dequeue = codel_dequeue,
	.flush = codel_flush,
	.next_event = codel_next_event,
	.prefetch = codel_prefetch,
	.get_conf = codel_get_conf,
	.get_xstats = codel_get_xstats,
};
QDISC_REGISTER(codel_ops)
