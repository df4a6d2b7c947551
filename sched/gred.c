/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gred: RED with up to 16 drop precedences in one FIFO (tc-gred is in the usage of `tc qdisc add gred help`; W.
 * Almesberger, J. Hadi Salim and A. Kuznetsov, "Differentiated Services on Linux", 1999; RFC 2597 for what it is for).
 * Each virtual queue has an average, a curve and a limit of its own; the low four bits of a packet's tc_index choose
 * one.
 *
 * With grio, averages are coupled as in RIO: what a virtual queue compares with its min and max is its own average and
 * those of all with a lower prio together, so that packets of a higher prio are dropped first. Where two have the same
 * prio, all share one average and one backlog, those of the whole FIFO (WRED). What the paper leaves open was settled
 * by watching Linux: a packet whose virtual queue is not configured goes by the default one, and if that is not, it
 * meets the limit of all only.
 */
#include <string.h>

#include <rte_ether.h>

#include <weir/qdisc/gred.h>
#include <weir/sched.h>

#include "ecn.h"
#include "pkt_queue.h"
#include "red_average.h"
#include "tree.h"

#define GRED_FLAGS        (TC_RED_ECN | TC_RED_HARDDROP)
#define GRED_PRIO_DEFAULT 8
#define GRED_NO_QUEUE     0xff /* of no virtual queue */
#define SHARED_LOG        24 /* the shared average is kept in units of 2^-24 bytes, whatever the weights */

struct gred_queue {
	struct red_average average;
	struct red_curve curve;
	uint64_t touched_ns; /* the latest arrival or departure */
	uint64_t backlog_bytes;
	struct gred_queue_stats stats;
	struct gred_queue_conf conf;
};

struct gred {
	struct pkt_queue fifo; /* each packet stamped with its virtual queue: it is far when it leaves */
	uint64_t limit_bytes;
	uint16_t configured; /* bit i: queue i is */
	uint8_t queues_count, default_queue;
	uint8_t flags; /* of all; 0: each has its own */
	bool grio;
	bool shared; /* WRED */
	uint64_t shared_average; /* bytes times 2^SHARED_LOG */
	uint64_t touched_ns; /* of the FIFO */
	struct gred_queue queues[GRED_QUEUES_MAX];
};

/* ---- data path */

static inline unsigned int
find_queue(const struct gred *g, struct rte_mbuf *m)
{
	unsigned int i = pkt_of(m)->tc_index & (GRED_QUEUES_MAX - 1);

	if (unlikely((g->configured >> i & 1) == 0))
		i = g->default_queue;
	return likely((g->configured >> i & 1) != 0) ? i : GRED_NO_QUEUE;
}

/* The averages of those that are served before this one. */
static uint64_t
averages_before(const struct gred *g, const struct gred_queue *queue)
{
	uint64_t sum = 0;

	for (uint32_t left = g->configured; left != 0; left &= left - 1) {
		const struct gred_queue *other = &g->queues[__builtin_ctz(left)];

		if (other->conf.prio < queue->conf.prio && other->backlog_bytes != 0)
			sum += red_average_bytes(&other->average, &other->curve);
	}
	return sum;
}

static void
move_average(struct gred_queue *queue, uint64_t backlog, uint64_t idle_since, uint64_t now)
{
	if (backlog != 0)
		red_average_update(&queue->average, &queue->curve, backlog);
	else if (now > idle_since)
		red_average_idle(&queue->average, &queue->curve, now - idle_since);
}

/* Lends the shared average to a queue, whose weight may have another unit, and takes it back. */
static void
borrow_shared(const struct gred *g, struct gred_queue *queue)
{
	uint8_t log = queue->curve.weight_log;

	queue->average.scaled =
		log <= SHARED_LOG ? g->shared_average >> (SHARED_LOG - log) : g->shared_average << (log - SHARED_LOG);
}

static void
return_shared(struct gred *g, const struct gred_queue *queue)
{
	uint8_t log = queue->curve.weight_log;

	g->shared_average = log <= SHARED_LOG ? queue->average.scaled << (SHARED_LOG - log)
					      : queue->average.scaled >> (log - SHARED_LOG);
}

/* The average that an arrival is judged by. */
static uint64_t
average_on_arrival(const struct qdisc *q, struct gred *g, struct gred_queue *queue, uint64_t backlog, uint64_t now)
{
	if (g->shared) {
		borrow_shared(g, queue);
		move_average(queue, backlog, g->touched_ns, now);
		return_shared(g, queue);
		return red_average_bytes(&queue->average, &queue->curve);
	}
	move_average(queue, backlog, queue->touched_ns, now);
	return red_average_bytes(&queue->average, &queue->curve) + (g->grio ? averages_before(g, queue) : 0);
}

/* Returns whether the average, of min at least, says that m is to be dropped. */
static bool
refuse(struct qdisc *q, const struct gred *g, struct gred_queue *queue, struct rte_mbuf *m, uint64_t average)
{
	uint8_t flags = g->flags != 0 ? g->flags : queue->conf.flags;

	switch (red_judge(&queue->average, &queue->curve, average, (uint32_t)(qdisc_random(q) >> 32))) {
	case RED_PROBABLE:
		q->overlimits++;
		if ((flags & TC_RED_ECN) != 0 && ecn_mark(m)) {
			queue->stats.prob_mark++;
			return false;
		}
		queue->stats.prob_drop++;
		return true;
	case RED_FORCED:
		q->overlimits++;
		if (flags == TC_RED_ECN && ecn_mark(m)) {
			queue->stats.forced_mark++;
			return false;
		}
		queue->stats.forced_drop++;
		return true;
	default:
		return false;
	}
}

/* m of this virtual queue arrives behind `waiting` bytes. False: it has been dropped. */
static bool
admit_to_queue(
	struct qdisc *q, struct gred *g, struct gred_queue *queue, struct rte_mbuf *m, uint64_t waiting, uint64_t now)
{
	uint64_t backlog = g->shared ? waiting : queue->backlog_bytes;
	uint64_t average = average_on_arrival(q, g, queue, backlog, now);
	uint32_t bytes = pkt_bytes(q, m);

	queue->touched_ns = now;
	queue->stats.packets++;
	queue->stats.bytes += bytes;
	if (likely(average < queue->curve.min_bytes)) {
		queue->average.count = RED_BELOW;
	} else if (refuse(q, g, queue, m, average)) {
		qdisc_drop(q, m, DROP_EARLY);
		return false;
	}
	if (backlog + bytes > queue->conf.limit_bytes) {
		queue->stats.limit_drop++;
		qdisc_drop(q, m, DROP_QUEUE_FULL);
		return false;
	}
	return true;
}

static bool
admit(struct qdisc *q, struct gred *g, unsigned int i, struct rte_mbuf *m, uint64_t waiting, uint64_t now)
{
	if (i != GRED_NO_QUEUE)
		return admit_to_queue(q, g, &g->queues[i], m, waiting, now);
	if (waiting + pkt_bytes(q, m) <= g->limit_bytes)
		return true;
	qdisc_drop(q, m, DROP_QUEUE_FULL);
	return false;
}

static uint16_t
gred_enqueue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct gred *g = qdisc_priv(q);
	bool moving = qdisc_moving(q);
	uint16_t queued = 0;
	uint64_t sum = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		unsigned int at = find_queue(g, m);
		uint32_t bytes;

		if (!moving && !admit(q, g, at, m, q->backlog_bytes + sum, now))
			continue;
		bytes = qdisc_count_bytes(q, m);
		if (unlikely(!pkt_queue_push_stamped(&g->fifo, m, bytes, at))) {
			qdisc_drop(q, m, DROP_NO_BUFFER);
			continue;
		}
		if (at != GRED_NO_QUEUE)
			g->queues[at].backlog_bytes += bytes;
		g->touched_ns = now;
		sum += bytes;
		pkts[queued++] = m;
	}
	qdisc_queued_burst(q, pkts, queued, sum);
	return queued;
}

/* The first packet, which there must be, and its virtual queue; NULL: it has none. */
static inline struct rte_mbuf *
take_first(struct gred *g, struct gred_queue **queue, uint64_t *bytes)
{
	struct pkt_entry first = *pkt_queue_first(&g->fifo);

	*queue = NULL;
	*bytes += first.bytes;
	if (first.stamp != GRED_NO_QUEUE) {
		*queue = &g->queues[first.stamp];
		(*queue)->backlog_bytes -= first.bytes;
	}
	return pkt_queue_pop(&g->fifo);
}

static uint16_t
gred_dequeue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct gred *g = qdisc_priv(q);
	uint64_t bytes = 0;
	uint16_t got;

	for (got = 0; got < n && g->fifo.count != 0; got++) {
		struct gred_queue *queue;

		pkts[got] = take_first(g, &queue, &bytes);
		if (queue != NULL)
			queue->touched_ns = now;
	}
	if (got != 0)
		g->touched_ns = now;
	qdisc_left_burst(q, pkts, got, bytes, now);
	return got;
}

static struct rte_mbuf *
gred_peek(struct qdisc *q, uint64_t now)
{
	const struct gred *g = qdisc_priv(q);

	return g->fifo.count == 0 ? NULL : pkt_queue_first(&g->fifo)->m;
}

static uint16_t
gred_peek_bytes(const struct qdisc *q, uint32_t *bytes, uint16_t n)
{
	const struct gred *g = qdisc_priv(q);

	return pkt_queue_peek_bytes(&g->fifo, bytes, n);
}

static uint16_t
gred_flush(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct gred *g = qdisc_priv(q);
	uint64_t bytes = 0;
	uint16_t got;

	for (got = 0; got < n && g->fifo.count != 0; got++) {
		struct gred_queue *queue;

		pkts[got] = take_first(g, &queue, &bytes);
		qdisc_unqueued(q, pkts[got]);
	}
	return got;
}

static uint64_t
gred_next_event(const struct qdisc *q, uint64_t now)
{
	return q->backlog_pkts != 0 ? now : SCHED_NEVER;
}

/* ---- configuration */

/* Two of the same prio make one average of all. */
static void
note_prios(struct gred *g)
{
	bool was_shared = g->shared;
	uint64_t seen[256 / 64] = { 0 };

	g->shared = false;
	for (uint32_t left = g->grio ? g->configured : 0; left != 0; left &= left - 1) {
		uint8_t prio = g->queues[__builtin_ctz(left)].conf.prio;

		g->shared |= (seen[prio / 64] >> (prio % 64) & 1) != 0;
		seen[prio / 64] |= UINT64_C(1) << (prio % 64);
	}
	if (g->shared && !was_shared)
		g->shared_average = 0;
}

static bool
any_queue_has_flags(const struct gred *g)
{
	for (uint32_t left = g->configured; left != 0; left &= left - 1)
		if (g->queues[__builtin_ctz(left)].conf.flags != 0)
			return true;
	return false;
}

static int
check_setup(const struct gred *g, const struct gred_conf *c, struct error *err)
{
	if (c->queues_count == 0 || c->queues_count > GRED_QUEUES_MAX)
		return error_set(err, EINVAL, "gred: %u virtual queues; there must be 1 to %u", c->queues_count,
			GRED_QUEUES_MAX);
	if (c->default_queue >= c->queues_count)
		return error_set(err, EINVAL, "gred: default %u must be below the number of virtual queues, %u",
			c->default_queue, c->queues_count);
	if ((c->flags & ~GRED_FLAGS) != 0)
		return error_set(err, EINVAL, "gred: of RED's flags only ecn and harddrop apply");
	if (c->flags != 0 && g->flags == 0 && any_queue_has_flags(g))
		return error_set(
			err, EINVAL, "sch_gred: can't set per-Qdisc RED flags when per-virtual queue flags are used");
	return 0;
}

static int
setup(struct qdisc *q, struct gred *g, const struct gred_conf *c, struct error *err)
{
	int rc = check_setup(g, c, err);

	if (rc != 0)
		return rc;
	g->queues_count = (uint8_t)c->queues_count;
	g->default_queue = (uint8_t)c->default_queue;
	/*
	 * What waits of virtual queues that go stays where it is, and keeps their backlogs true should they come back.
	 */
	g->configured &= (uint16_t)((1u << c->queues_count) - 1);
	g->grio = c->grio;
	g->flags = c->flags;
	if (c->has_limit)
		g->limit_bytes = c->limit_bytes;
	else if (g->limit_bytes == 0)
		g->limit_bytes = (uint64_t)qdisc_tx_queue_len(q) * (qdisc_mtu(q) + RTE_ETHER_HDR_LEN);
	note_prios(g);
	return 0;
}

static int
check_queue(const struct gred *g, const struct gred_conf *c, struct error *err)
{
	const struct gred_queue_conf *asked = &c->queues[0];

	if (c->queue >= g->queues_count)
		return error_set(err, EINVAL, "sch_gred: virtual queue index above virtual queue count");
	if (asked->has_flags && (asked->flags & ~GRED_FLAGS) != 0)
		return error_set(err, EINVAL, "sch_gred: invalid virtual queue flags; ecn and harddrop are known");
	if (asked->has_flags && g->flags != 0 && asked->flags != g->flags)
		return error_set(err, EINVAL,
			"sch_gred: can't change per-virtual queue RED flags when per-Qdisc flags are used");
	if (asked->limit_bytes == 0)
		return error_set(
			err, EINVAL, "gred: with limit 0 every packet of virtual queue %u would be dropped", c->queue);
	return red_params_check("gred", &asked->params, err);
}

/* The average stays. */
static int
set_queue(struct gred *g, const struct gred_conf *c, uint64_t now, struct error *err)
{
	int rc = check_queue(g, c, err);

	if (rc != 0)
		return rc;
	struct gred_queue *queue = &g->queues[c->queue];
	bool has_default = (g->configured >> g->default_queue & 1) != 0;
	uint8_t default_prio = g->grio && has_default ? g->queues[g->default_queue].conf.prio : GRED_PRIO_DEFAULT;
	uint64_t average = red_average_bytes(&queue->average, &queue->curve);
	uint8_t flags = c->queues[0].has_flags ? c->queues[0].flags : queue->conf.flags;

	if ((g->configured >> c->queue & 1) == 0)
		queue->touched_ns = now;
	queue->conf = c->queues[0];
	queue->conf.flags = g->flags != 0 ? 0 : flags;
	queue->conf.limit_bytes = (uint32_t)RTE_MIN(queue->conf.limit_bytes, g->limit_bytes);
	if (!g->grio || queue->conf.prio == 0)
		queue->conf.prio = default_prio;
	red_curve_from_params(&queue->curve, &queue->conf.params);
	red_average_reset(&queue->average, &queue->curve, average);
	g->configured |= (uint16_t)(1u << c->queue);
	note_prios(g);
	return 0;
}

static int
gred_change(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	const struct gred_conf *c = conf;
	struct gred *g = qdisc_priv(q);

	if (c == NULL)
		return error_code(err, EINVAL);
	return c->setup ? setup(q, g, c, err) : set_queue(g, c, now, err);
}

static int
gred_init(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	const struct gred_conf *c = conf;
	struct gred *g = qdisc_priv(q);

	pkt_queue_init(&g->fifo, q);
	if (c != NULL && !c->setup)
		return error_set(
			err, EINVAL, "sch_gred: virtual queue configuration can't be specified at initialization time");
	g->touched_ns = now;
	return gred_change(q, conf, now, err);
}

/* The average as it would be on an arrival now. */
static uint32_t
average_now(const struct qdisc *q, const struct gred *g, const struct gred_queue *queue)
{
	struct gred_queue copy = *queue;
	uint64_t backlog = g->shared ? q->backlog_bytes : queue->backlog_bytes;
	uint64_t idle_since = g->shared ? g->touched_ns : queue->touched_ns, now = q->tree->now;

	if (g->shared)
		borrow_shared(g, &copy);
	if (backlog == 0 && now > idle_since)
		red_average_idle(&copy.average, &copy.curve, now - idle_since);
	return (uint32_t)red_average_bytes(&copy.average, &copy.curve);
}

static void
gred_get_conf(const struct qdisc *q, void *conf)
{
	const struct gred *g = qdisc_priv(q);
	struct gred_conf *c = conf;

	*c = (struct gred_conf){ .setup = true,
		.queues_count = g->queues_count,
		.default_queue = g->default_queue,
		.grio = g->grio,
		.flags = g->flags,
		.has_limit = true,
		.limit_bytes = (uint32_t)RTE_MIN(g->limit_bytes, UINT32_MAX) };
	for (uint32_t left = g->configured; left != 0; left &= left - 1) {
		unsigned int i = (unsigned int)__builtin_ctz(left);
		const struct gred_queue *queue = &g->queues[i];
		struct gred_queue_conf *shown = &c->queues[i];

		*shown = queue->conf;
		shown->configured = true;
		if (g->flags != 0)
			shown->flags = g->flags;
		shown->stats = queue->stats;
		shown->stats.backlog = (uint32_t)(g->shared ? q->backlog_bytes : queue->backlog_bytes);
		shown->stats.average = average_now(q, g, queue);
	}
}

static const struct qdisc_ops gred_ops = {
	.kind = "gred",
	.size = sizeof(struct gred),
	.conf_size = sizeof(struct gred_conf),
	.init = gred_init,
	.change = gred_change,
	.enqueue = gred_enqueue,
	.dequeue = gred_dequeue,
	.peek = gred_peek,
	.peek_bytes = gred_peek_bytes,
	.flush = gred_flush,
	.next_event = gred_next_event,
	.get_conf = gred_get_conf,
};
QDISC_REGISTER(gred_ops)
