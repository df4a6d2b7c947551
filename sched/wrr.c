/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wrr: weighted round robin by host (the HOWTO, chapter 14; see wrr.h). Each class has a leaf qdisc, a pfifo at first.
 * This file is whose turn it is, and the operations.
 */
#include <string.h>

#include <rte_branch_prediction.h>

#include <weir/packet.h>

#include "leaf.h"
#include "wrr.h"
#include "wrr_weight.h"

static const struct wrr_weight whole = { .value = WRR_ONE, .min = 1, .max = WRR_ONE };

/* ---- rings */

static void
leave_ring(struct wrr *w, const struct wrr_class *cl)
{
	if (cl->state != WRR_RESTING) {
		if (w->round_last == cl->place)
			w->round_last = 0;
		turn_ring_remove(w->turns, &w->rings[cl->state], cl->place);
		w->busy -= cl->state == WRR_BUSY;
		return;
	}
	turn_ring_remove(w->turns, &w->wakes[cl->wakes], cl->place);
	if (w->wakes[cl->wakes].current == 0)
		w->waking[cl->wakes / 64] &= ~(UINT64_C(1) << cl->wakes % 64);
	w->resting--;
}

void
wrr_move(struct wrr *w, struct wrr_class *cl, enum wrr_state to)
{
	if (cl->state == to)
		return;
	leave_ring(w, cl);
	cl->state = (uint8_t)to;
	cl->shared = cl->shared && to != WRR_IDLE;
	turn_ring_add(w->turns, &w->rings[to], cl->place);
	w->busy += to == WRR_BUSY;
	if (unlikely(w->scale.boost != 0) && to == WRR_BUSY)
		turn_scale_comes(&w->scale, wrr_quantum(w, cl));
}

/* A busy class, for so many of the next rounds. */
static void
rest(struct wrr *w, struct wrr_class *cl, uint32_t rounds)
{
	leave_ring(w, cl);
	cl->state = WRR_RESTING;
	cl->wakes = (uint16_t)((w->round + 1 + rounds) % WRR_ROUNDS);
	turn_ring_add(w->turns, &w->wakes[cl->wakes], cl->place);
	w->waking[cl->wakes / 64] |= UINT64_C(1) << cl->wakes % 64;
	w->resting++;
}

static void
wrr_activate(struct class *c, uint64_t now)
{
	struct wrr *w = qdisc_priv(c->qdisc);

	wrr_count(w, class_priv(c), now);
	wrr_move(w, class_priv(c), WRR_BUSY);
}

static void
wrr_deactivate(struct class *c, uint64_t now)
{
	(void)now;
	wrr_move(qdisc_priv(c->qdisc), class_priv(c), WRR_IDLE);
}

/* What it was parked for may come sooner now. */
static void
wrr_grafted(struct class *c, uint64_t now)
{
	struct wrr_class *cl = class_priv(c);

	(void)now;
	if (cl->state == WRR_PARKED)
		wrr_move(qdisc_priv(c->qdisc), cl, WRR_BUSY);
}

/* ---- data path */

/* At the owner: a host may get its class here. */
static void
wrr_classify(
	const struct qdisc *q, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n, uint32_t *leaves)
{
	struct wrr *w = qdisc_priv(q);
	uint32_t place;

	/* Of an earlier burst: what was expected did not come, for want of room above. */
	while (q->tree->bursts != w->burst && (place = w->rings[WRR_EXPECTING].current) != 0)
		wrr_move(w, wrr_class_at(w, place), WRR_IDLE);
	w->burst = q->tree->bursts;
	for (uint16_t i = 0; i < n; i++)
		leaves[i] = class_slot(wrr_class_for((struct qdisc *)(uintptr_t)q, pkts[i], ctx->now));
}

/*
 * The packet may have waited elsewhere since it was classified (netem, a move), and its host have another class by now:
 * where it goes is decided here, so that no host's packets overtake each other. NULL: a filter below the class that it
 * has now has shot it.
 */
static struct class *
class_now(struct qdisc *q, struct class *c, struct rte_mbuf *m, uint64_t now)
{
	struct class *host;

	if (likely(c != NULL && wrr_has_host(qdisc_priv(q), c, m)))
		return c;
	host = wrr_class_for(q, m, now);
	return host == c || tree_choose_class(q->tree, host, m) ? host : NULL;
}

static void
enqueue_burst(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct wrr *w = qdisc_priv(q);
	struct class *found[SCHED_BURST];
	bool moving = qdisc_moving(q);
	uint32_t taken = 0;
	uint64_t bytes = 0;

	leaf_find(q, pkts, n, found);
	for (uint16_t i = 0; i < n; i++) {
		struct class *c = class_now(q, tree_class_above(q, found[i]), pkts[i], now);
		struct wrr_class *cl;

		if (unlikely(c == NULL))
			continue;
		cl = class_priv(c);
		if (likely(c->leaf->plain && !moving && fifo_take(c->leaf, pkts[i], &bytes))) {
			taken++;
			if (c->leaf->backlog_pkts == 1)
				wrr_activate(c, now);
			continue;
		}
		qdisc_enqueue(c->leaf, pkts + i, 1, now);
		/* A change has those of hosts that shared it where they were, too. */
		if (unlikely(moving))
			cl->shared = true;
		/* What came may leave before what it was parked for. */
		if (unlikely(cl->state == WRR_PARKED))
			wrr_move(w, cl, WRR_BUSY);
	}
	qdisc_queued_below(q, taken, bytes);
}

static uint16_t
wrr_enqueue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	uint32_t before = q->backlog_pkts;

	for (uint16_t done = 0; done < n; done += SCHED_BURST)
		enqueue_burst(q, pkts + done, RTE_MIN(n - done, SCHED_BURST), now);
	return (uint16_t)(q->backlog_pkts - before);
}

/* Those whose leaf, a shaper itself, has something to give again. */
static void
unpark(struct wrr *w, uint64_t now)
{
	uint32_t last = w->rings[WRR_PARKED].last, place = w->rings[WRR_PARKED].current, next;

	for (bool done = place == 0; !done; place = next) {
		done = place == last;
		next = w->turns[place].next;
		if (qdisc_next_event(w->classes[place]->leaf, now) <= now)
			wrr_move(w, wrr_class_at(w, place), WRR_BUSY);
	}
}

/* How many packets its turn lasts for: all that there are, or one. */
static inline uint16_t
packets_at_once(const struct wrr_class *cl, const struct qdisc *leaf, uint16_t room)
{
	return leaf->backlog_bytes <= (uint64_t)cl->deficit >> 16 ? room : 1;
}

/* The first round from `round` on in which somebody who rests comes back; there is somebody. */
static uint32_t
next_waking(const struct wrr *w, uint32_t round)
{
	uint64_t waking;

	while ((waking = w->waking[round / 64] >> round % 64) == 0)
		round = ((round | 63) + 1) % WRR_ROUNDS;
	return round + (uint32_t)__builtin_ctzll(waking);
}

/*
 * The next round, and with it those who rested until then. Rounds of nobody are passed over. Who came in the course of
 * the one before has his first turn in this one: else a round would not end while those who have had theirs come again.
 */
static void
start_round(struct wrr *w)
{
	struct turn_ring *ring = &w->rings[WRR_BUSY];
	uint32_t place;

	w->round = (w->round + 1) % WRR_ROUNDS;
	if (ring->current != 0)
		ring->last = w->turns[ring->current].previous;
	else if (w->resting != 0)
		w->round = next_waking(w, w->round);
	while (w->resting != 0 && (place = w->wakes[w->round].current) != 0)
		wrr_move(w, wrr_class_at(w, place), WRR_BUSY);
	w->round_last = ring->last;
}

/*
 * In how many rounds a turn has paid a debt; at most WRR_ROUNDS - 1. What a class of little weight could not send in
 * has no turn of it then: a packet costs the same however many such classes wait beside one of great weight.
 */
static uint32_t
rounds_to_pay(int64_t debt, int64_t turn)
{
	uint32_t rounds = 0;

	for (int bit = WRR_ROUNDS_LOG - 1; bit >= 0; bit--) {
		if (debt >= turn << bit) {
			debt -= turn << bit;
			rounds |= 1u << bit;
		}
	}
	return RTE_MIN(rounds + 1, WRR_ROUNDS - 1);
}

/* A class has used its turn up. */
static void
end_turn(struct wrr *w, struct wrr_class *cl)
{
	struct turn_ring *ring = &w->rings[WRR_BUSY];
	unsigned __int128 quantum = wrr_quantum(w, cl);
	int64_t turn;

	/* Its weight may have grown since it came. */
	if (unlikely(w->scale.boost != 0))
		turn_scale_comes(&w->scale, quantum);
	turn = turn_length(&w->scale, quantum);
	cl->deficit += turn;
	if (unlikely(ring->current != cl->place)) /* it has given all */
		return;
	if (likely(cl->deficit > 0)) {
		turn_ring_pass(w->turns, ring);
		if (w->round_last == cl->place)
			w->round_last = 0;
	} else {
		uint32_t rounds = rounds_to_pay(-cl->deficit, turn);

		cl->deficit += rounds * turn;
		rest(w, cl, rounds);
	}
}

/* A turn, or a part of it. */
static uint16_t
serve(struct wrr *w, struct rte_mbuf **pkts, uint16_t n, struct leaf_sums *sums, uint64_t now)
{
	struct class *c = w->classes[w->rings[WRR_BUSY].current];
	struct wrr_class *cl = class_priv(c);
	struct qdisc *leaf = c->leaf;
	uint64_t bytes;
	uint16_t got = 0;

	if (likely(cl->deficit > 0)) {
		got = leaf_give(c, pkts, packets_at_once(cl, leaf, n), &bytes, sums, now);
		if (unlikely(got == 0)) {
			/* It may have dropped all that it held (CoDel), and is idle then. */
			if (leaf->backlog_pkts != 0)
				wrr_move(w, cl, WRR_PARKED);
			return 0;
		}
		cl->deficit -= (int64_t)(bytes << 16);
		wrr_use(w, cl, bytes, now);
	}
	turn_scale_used(&w->scale, w->busy + w->resting, got != 0);
	if (cl->deficit <= 0)
		end_turn(w, cl);
	return got;
}

static uint16_t
wrr_dequeue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct wrr *w = qdisc_priv(q);
	struct leaf_sums sums = { 0 };
	uint16_t got = 0;

	unpark(w, now);
	while (got < n && w->busy + w->resting != 0) {
		if (unlikely(w->round_last == 0))
			start_round(w);
		else
			got += serve(w, pkts + got, n - got, &sums, now);
	}
	qdisc_left_below(q, sums.packets, sums.bytes, now);
	return got;
}

static uint16_t
wrr_flush(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct wrr *w = qdisc_priv(q);
	uint16_t got = 0;
	uint32_t place;

	while (w->resting != 0)
		start_round(w);
	/* Who has given all is idle, and in no other ring. */
	for (enum wrr_state state = WRR_BUSY; state < WRR_STATES; state++) {
		while (got < n && (place = w->rings[state].current) != 0)
			got += qdisc_flush(w->classes[place]->leaf, pkts + got, n - got);
	}
	return got;
}

static uint64_t
wrr_next_event(const struct qdisc *q, uint64_t now)
{
	const struct wrr *w = qdisc_priv(q);
	uint32_t place = w->rings[WRR_PARKED].current, first = place;
	uint64_t earliest = SCHED_NEVER;

	if (w->busy + w->resting != 0)
		return now;
	if (place == 0)
		return SCHED_NEVER;
	do {
		uint64_t at = qdisc_next_event(w->classes[place]->leaf, now);

		earliest = RTE_MIN(earliest, at);
		place = w->turns[place].next;
	} while (place != first);
	return earliest;
}

/* ---- configuration */

/* `weight` with what `given` says; name is 1 or 2. */
static int
set_weight(struct wrr_weight *weight, const struct wrr_weight *given, unsigned int name, struct error *err)
{
	struct wrr_weight to = *weight;

	to.min = (given->given & WRR_MIN) != 0 ? given->min : to.min;
	to.max = (given->given & WRR_MAX) != 0 ? given->max : to.max;
	to.decr = (given->given & WRR_DECR) != 0 ? given->decr : to.decr;
	to.incr = (given->given & WRR_INCR) != 0 ? given->incr : to.incr;
	if (to.min == 0 || to.max > WRR_ONE || to.min > to.max)
		return error_set(err, EINVAL, "wrr: weight%u.min is above 0, at most weight%u.max, and that at most 1",
			name, name);
	if ((given->given & WRR_VALUE) != 0)
		to.value = given->value;
	else
		to.value = to.value < to.min ? to.min : to.value > to.max ? to.max : to.value;
	if (to.value < to.min || to.value > to.max)
		return error_set(
			err, EINVAL, "wrr: weight%u is not within weight%u.min and weight%u.max", name, name, name);
	to.given = WRR_VALUE | WRR_MIN | WRR_MAX | WRR_DECR | WRR_INCR;
	*weight = to;
	return 0;
}

static int
set_weights(struct wrr_weight *weights, const struct wrr_weight *given, struct error *err)
{
	struct wrr_weight to[WRR_WEIGHTS];

	memcpy(to, weights, sizeof(to));
	for (unsigned int i = 0; i < WRR_WEIGHTS; i++) {
		int rc = set_weight(&to[i], &given[i], i + 1, err);

		if (rc != 0)
			return rc;
	}
	memcpy(weights, to, sizeof(to));
	return 0;
}

static int
check_conf(const struct wrr_conf *c, struct error *err)
{
	if (c->direction > WRR_SOURCE || c->key > WRR_MASQ)
		return error_set(err, EINVAL, "wrr: hosts are told apart by dest or sour, and by ip, mac or masq");
	if ((c->given & WRR_CLASSES) != 0 && (c->classes == 0 || c->classes > WRR_CLASSES_MAX))
		return error_set(err, EINVAL, "wrr: %u classes; there are 1 to %u", c->classes, WRR_CLASSES_MAX);
	if ((c->given & WRR_QUANTUM) != 0 && (c->quantum == 0 || c->quantum > INT32_MAX))
		return error_set(err, EINVAL, "wrr: a quantum of %u bytes; it is 1 to %d", c->quantum, INT32_MAX);
	if (c->modes[0] > 1 || c->modes[1] > 1)
		return error_set(err, EINVAL, "wrr: a wmode is 0, the weight stays, or 1, it changes with use");
	return 0;
}

static void
set_modes(struct wrr_conf *to, const struct wrr_conf *c)
{
	if ((c->given & WRR_QUANTUM) != 0)
		to->quantum = c->quantum;
	if ((c->given & WRR_MODE1) != 0)
		to->modes[0] = c->modes[0];
	if ((c->given & WRR_MODE2) != 0)
		to->modes[1] = c->modes[1];
}

static int
wrr_init(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	static const struct wrr_conf none = { 0 };
	const struct wrr_conf *c = conf != NULL ? conf : &none;
	struct wrr *w = qdisc_priv(q);
	int rc = check_conf(c, err);

	w->conf = (struct wrr_conf){ .classes = (c->given & WRR_CLASSES) != 0 ? c->classes : WRR_CLASSES_DEFAULT,
		.quantum = qdisc_mtu(q) + 14,
		.direction = c->direction,
		.key = c->key,
		.weights = { whole, whole } };
	set_modes(&w->conf, c);
	if (rc == 0)
		rc = set_weights(w->conf.weights, c->weights, err);
	return rc != 0 ? rc : wrr_hosts_init(q, err);
}

/* Hosts keep their weights; new ones start with those that are said. */
static int
wrr_change(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	struct wrr *w = qdisc_priv(q);
	const struct wrr_conf *c = conf;
	int rc = check_conf(c, err);

	if (rc != 0)
		return rc;
	if (((c->given & WRR_DIRECTION) != 0 && c->direction != w->conf.direction) ||
		((c->given & WRR_KEY) != 0 && c->key != w->conf.key) ||
		((c->given & WRR_CLASSES) != 0 && c->classes != w->conf.classes))
		return error_set(err, EINVAL,
			"wrr: how hosts are told apart, and how many, stays; `tc qdisc replace` with another handle "
			"makes a new one");
	if ((rc = set_weights(w->conf.weights, c->weights, err)) != 0)
		return rc;
	for (uint32_t place = 1; place <= w->conf.classes; place++) {
		struct wrr_class *cl = wrr_class_at(w, place);

		wrr_count(w, cl, now); /* by the modes of until now */
		if (cl->state == WRR_RESTING)
			wrr_move(w, cl, WRR_BUSY);
	}
	set_modes(&w->conf, c);
	return 0;
}

static void
wrr_destroy(struct qdisc *q)
{
	wrr_hosts_destroy(qdisc_priv(q));
}

static void
wrr_get_conf(const struct qdisc *q, void *conf)
{
	const struct wrr *w = qdisc_priv(q);

	*(struct wrr_conf *)conf = w->conf;
}

/* ---- classes */

static int
wrr_class_change(struct class *c, const void *conf, uint64_t now, struct error *err)
{
	const struct wrr_class_conf *given = conf;
	struct wrr *w = qdisc_priv(c->qdisc);
	struct wrr_class *cl = class_priv(c);
	int rc;

	if (!cl->used)
		return error_set(
			err, ENOENT, "wrr: no host has class %x:%x", TC_H_MAJ(c->classid) >> 16, TC_H_MIN(c->classid));
	wrr_count(w, cl, now);
	if ((rc = set_weights(cl->weights, given->weights, err)) != 0)
		return rc;
	for (unsigned int i = 0; i < WRR_WEIGHTS; i++)
		cl->grows[i] = wrr_growth(&cl->weights[i]);
	if (cl->state == WRR_RESTING)
		wrr_move(w, cl, WRR_BUSY);
	return 0;
}

static bool
wrr_is_listed(const struct class *c)
{
	return ((const struct wrr_class *)class_priv(c))->used;
}

static void
wrr_class_get_conf(const struct class *c, void *conf)
{
	const struct wrr *w = qdisc_priv(c->qdisc);
	struct wrr_class cl = *(const struct wrr_class *)class_priv(c);
	struct wrr_class_conf *out = conf;

	wrr_count(w, &cl, c->qdisc->tree->now);
	*out = (struct wrr_class_conf){ .length = cl.host.length };
	memcpy(out->address, &cl.host.high, sizeof(cl.host.high));
	memcpy(out->address + sizeof(cl.host.high), &cl.host.low, sizeof(cl.host.low));
	memcpy(out->weights, cl.weights, sizeof(cl.weights));
}

/* Since the host has it. */
static void
wrr_class_get_stats(const struct class *c, struct sched_stats *stats)
{
	const struct wrr_class *cl = class_priv(c);

	qdisc_get_stats(c->leaf, stats);
	stats->bytes += c->past_bytes - cl->bytes_before;
	stats->packets += c->past_packets - cl->packets_before;
	stats->drops += c->past_drops - cl->drops_before;
}

static const struct class_ops wrr_classes = {
	.size = sizeof(struct wrr_class),
	.conf_size = sizeof(struct wrr_class_conf),
	.change = wrr_class_change,
	.classify = wrr_classify,
	.at_owner = true,
	.activate = wrr_activate,
	.deactivate = wrr_deactivate,
	.grafted = wrr_grafted,
	.no_filters = true,
	.is_listed = wrr_is_listed,
	.get_conf = wrr_class_get_conf,
	.get_stats = wrr_class_get_stats,
};

static const struct qdisc_ops wrr_ops = {
	.kind = "wrr",
	.size = sizeof(struct wrr),
	.conf_size = sizeof(struct wrr_conf),
	.init = wrr_init,
	.change = wrr_change,
	.destroy = wrr_destroy,
	.enqueue = wrr_enqueue,
	.dequeue = wrr_dequeue,
	.flush = wrr_flush,
	.next_event = wrr_next_event,
	.get_conf = wrr_get_conf,
	.classes = &wrr_classes,
};
QDISC_REGISTER(wrr_ops)
