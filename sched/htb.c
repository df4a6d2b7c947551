/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * htb: the hierarchical token bucket (tc-htb(8); M. Devera's "HTB manual - user guide" and "HTB theory"). This file is
 * its configuration, its classification and its operations; whose turn it is stands in htb_turn.c, and sending in
 * htb_serve.c.
 */
#include <stdlib.h>

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include <weir/packet.h>

#include "fifo.h"
#include "htb.h"
#include "leaf.h"

_Static_assert(offsetof(struct class, priv) % RTE_CACHE_LINE_SIZE + sizeof(struct htb_class) == RTE_CACHE_LINE_SIZE,
	"a leaf's packet touches one line of its class");
_Static_assert(sizeof(struct htb_config) == RTE_CACHE_LINE_SIZE, "and one of what it shares");

/* ---- the qdisc */

static int
htb_init(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	const struct htb_conf *given = conf;
	struct htb *h = qdisc_priv(q);

	if (given == NULL)
		return error_set(err, EINVAL, "htb was given no options: tc sends at least the version");
	if (given->version != 3)
		return error_set(err, EINVAL, "htb: version %u of the options is not known, only 3 is", given->version);
	h->conf = *given;
	if (h->conf.rate2quantum == 0)
		h->conf.rate2quantum = 1;
	h->direct_limit = given->has_direct_qlen ? given->direct_qlen : qdisc_tx_queue_len(q);
	pkt_queue_init(&h->direct, q);
	wheel_init(&h->wheel, now);
	h->renewed_ns = now;
	h->classes = q->class_table;
	/* Not the arena's: of these, only the pages that are touched are to be memory. */
	h->turns = calloc(HTB_TURNS, sizeof(*h->turns));
	h->rounds = calloc((size_t)2 * HTB_PRIOS * ROW_PLACES, sizeof(*h->rounds));
	if (h->turns == NULL || h->rounds == NULL || htb_configs_create(h) != 0)
		return error_set(err, ENOMEM, "out of memory for the turns of htb's classes");
	for (size_t prio = 0; prio < HTB_PRIOS; prio++) {
		h->leaf_rows[prio].now.leaves = h->rounds + 2 * prio * ROW_PLACES;
		h->leaf_rows[prio].next.leaves = h->rounds + (2 * prio + 1) * ROW_PLACES;
	}
	return 0;
}

static void
htb_destroy(struct qdisc *q)
{
	struct htb *h = qdisc_priv(q);
	struct wheel_chunk *chunk;

	while ((chunk = wheel_take(&h->wheel)) != NULL)
		qdisc_dealloc(q, chunk, sizeof(*chunk));
	free(h->turns);
	free(h->rounds);
	htb_configs_destroy(h);
}

static void
htb_get_conf(const struct qdisc *q, void *conf)
{
	const struct htb *h = qdisc_priv(q);
	struct htb_conf *c = conf;

	*c = h->conf;
	c->direct_qlen = h->direct_limit;
	c->direct_pkts = h->direct_packets;
}

static bool
enqueue_direct(struct qdisc *q, struct htb *h, struct rte_mbuf *m, uint64_t now)
{
	if (h->direct.count >= h->direct_limit && !qdisc_moving(q)) {
		qdisc_drop(q, m, DROP_QUEUE_FULL);
		return false;
	}
	if (unlikely(!pkt_queue_push(&h->direct, m, pkt_bytes(q, m)))) {
		qdisc_drop(q, m, DROP_NO_BUFFER);
		return false;
	}
	qdisc_queued(q, m);
	h->direct_packets++;
	return true;
}

/* The packets from the first on that are for the same class as that: how many they are; *queued of them. */
static __rte_noinline uint16_t
enqueue_run(struct qdisc *q, struct htb *h, struct class *c, struct rte_mbuf **pkts, uint16_t n, uint16_t *queued,
	uint64_t now)
{
	uint16_t run = 1;

	while (run < n && tree_class_of(q->tree, q, pkts[run]) == c)
		run++;
	if (unlikely(c == NULL || c->leaf == NULL)) {
		for (uint16_t i = 0; i < run; i++)
			*queued += enqueue_direct(q, h, pkts[i], now);
		return run;
	}
	*queued += qdisc_enqueue(c->leaf, pkts, run, now);
	/* What came may leave before what it was parked for. */
	if (unlikely(((struct htb_class *)class_priv(c))->parked))
		htb_unpark(h, class_priv(c));
	return run;
}

static uint16_t
enqueue_burst(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct htb *h = qdisc_priv(q);
	struct class *found[SCHED_BURST];
	uint16_t i = 0, taken = 0, queued = 0;
	uint64_t bytes = 0;

	leaf_find(q, pkts, n, found);
	while (i < n) {
		struct class *c = tree_class_above(q, found[i]);
		struct qdisc *leaf = c == NULL ? NULL : c->leaf;

		if (likely(leaf != NULL && leaf->plain && fifo_take(leaf, pkts[i], &bytes))) {
			htb_leaf_took(h, class_priv(c), leaf);
			taken++;
			i++;
		} else {
			i += enqueue_run(q, h, c, pkts + i, n - i, &queued, now);
		}
	}
	qdisc_queued_below(q, taken, bytes);
	return taken + queued;
}

static uint16_t
htb_enqueue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	uint16_t queued = 0;

	for (uint16_t done = 0; done < n; done += SCHED_BURST)
		queued += enqueue_burst(q, pkts + done, RTE_MIN(n - done, SCHED_BURST), now);
	return queued;
}

static uint16_t
htb_dequeue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct htb *h = qdisc_priv(q);
	uint16_t got = 0;

	for (; got < n && (pkts[got] = pkt_queue_pop(&h->direct)) != NULL; got++)
		qdisc_left(q, pkts[got], now);
	return got + (got < n ? htb_serve(q, pkts + got, n - got, now) : 0);
}

static uint16_t
htb_flush(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct htb *h = qdisc_priv(q);
	uint16_t got = pkt_queue_flush(&h->direct, q, pkts, n);

	return got + class_table_flush(q->class_table, q, pkts + got, n - got);
}

static uint64_t
htb_next_event(const struct qdisc *q, uint64_t now)
{
	const struct htb *h = qdisc_priv(q);
	uint64_t next;

	if (q->backlog_pkts == 0)
		return SCHED_NEVER;
	if (h->direct.count != 0 || h->busy_levels != 0)
		return now;
	next = wheel_next(&h->wheel);
	return next > now ? next : now;
}

/* ---- classification */

static struct class *
default_class(const struct qdisc *q)
{
	const struct htb *h = qdisc_priv(q);
	struct class *c = h->conf.defcls == 0 ? NULL : sched_class_find(q, TC_H_MAKE(q->handle, h->conf.defcls));

	return c == NULL || c->leaf == NULL ? NULL : c;
}

/*
 * What a verdict of q's chain or of an inner class's means: a leaf is the answer, an inner class's own chain is asked
 * next. A filter that names the qdisc itself means the direct queue, and one that names no class of it, or no filter at
 * all, the default class: tc-htb(8).
 */
static struct class *
follow(const struct qdisc *q, const struct classify_ctx *ctx, struct rte_mbuf *m, struct verdict verdict)
{
	for (unsigned int level = 0; level < HTB_LEVELS; level++) {
		struct class *c;

		if (verdict.action == TC_ACT_UNSPEC)
			return default_class(q);
		if (verdict.action != TC_ACT_OK) {
			pkt_of(m)->flags |= PKT_SHOT;
			return NULL;
		}
		if (verdict.classid == q->handle)
			return NULL;
		c = sched_class_find(q, verdict.classid);
		if (c == NULL || __atomic_load_n(&c->leaf, __ATOMIC_ACQUIRE) != NULL)
			return c == NULL ? default_class(q) : c;

		const struct chain *chain = __atomic_load_n(&c->chain, __ATOMIC_ACQUIRE);

		verdict = (struct verdict){ .action = TC_ACT_UNSPEC };
		if (chain != NULL)
			chain_classify(chain, ctx, &m, 1, &verdict);
	}
	return default_class(q);
}

static void
classify_by_filters(
	const struct qdisc *q, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n, uint32_t *leaves)
{
	const struct chain *chain = __atomic_load_n(&q->chain, __ATOMIC_ACQUIRE);
	struct verdict verdicts[SCHED_BURST];

	if (chain == NULL || chain_empty(chain)) {
		for (uint16_t i = 0; i < n; i++)
			leaves[i] = class_slot(default_class(q));
		return;
	}
	chain_classify(chain, ctx, pkts, n, verdicts);
	for (uint16_t i = 0; i < n; i++) {
		leaves[i] = verdicts[i].action == TC_ACT_OK ? class_leaf_slot(q, verdicts[i].classid) : PKT_LEAF_NONE;
		if (unlikely(leaves[i] == PKT_LEAF_NONE))
			leaves[i] = class_slot(follow(q, ctx, pkts[i], verdicts[i]));
	}
}

/* It is the qdisc or one of its classes. */
static inline bool
priority_decides(const struct qdisc *q, uint32_t priority)
{
	return unlikely(TC_H_MAJ(priority) == q->handle) &&
	       (priority == q->handle || sched_class_find(q, priority) != NULL);
}

/*
 * A priority that is the id of a leaf class decides at once, one that is the qdisc's handle means the direct queue; one
 * that is an inner class's starts at that class's chain. Else the root chain is asked.
 */
static void
htb_classify(
	const struct qdisc *q, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n, uint32_t *leaves)
{
	for (uint16_t i = 0, run; i < n; i += run) {
		uint32_t priority = pkt_of(pkts[i])->priority;

		if (priority_decides(q, priority)) {
			leaves[i] = class_slot(
				follow(q, ctx, pkts[i], (struct verdict){ .action = TC_ACT_OK, .classid = priority }));
			run = 1;
			continue;
		}
		for (run = 1; i + run < n && !priority_decides(q, pkt_of(pkts[i + run])->priority);)
			run++;
		classify_by_filters(q, ctx, pkts + i, run, leaves + i);
	}
}

/* ---- classes */

static bool
is_adjusted(const struct htb *h, const struct htb_class *cl)
{
	const struct htb_config *config = htb_config_of(h, cl);

	return config->rate.adjusted || config->ceil.adjusted;
}

/* The level of an inner class is one below its parent's; classes without parent are at the top. */
static int
inner_level(const struct class *c)
{
	const struct htb_class *parent = c->parent == NULL ? NULL : class_priv(c->parent);

	return parent == NULL ? HTB_LEVELS - 1 : parent->level - 1;
}

/* What the wheel needs to hold every class's waits, once it has one class more. */
static int
allocate_chunks(struct class *c)
{
	struct htb *h = qdisc_priv(c->qdisc);
	struct htb_class *cl = class_priv(c);
	uint32_t needed = wheel_chunks_for((c->qdisc->class_table->count + 1) * HTB_WAITS);

	for (; h->chunks < needed; h->chunks++) {
		struct wheel_chunk *chunk = qdisc_alloc(c->qdisc, sizeof(*chunk));

		if (chunk == NULL)
			return -ENOMEM;
		chunk->next = htb_more(cl)->chunks;
		htb_more(cl)->chunks = chunk;
	}
	return 0;
}

/* All that it takes to link the class. */
static int
allocate(struct class *c, struct class *parent)
{
	struct htb_class *cl = class_priv(c);

	c->more = qdisc_alloc(c->qdisc, sizeof(struct htb_more));
	if (c->more == NULL)
		return -ENOMEM;
	if (parent != NULL && ((struct htb_more *)parent->more)->inner == NULL) {
		htb_more(cl)->parents_inner = qdisc_alloc(c->qdisc, sizeof(*htb_more(cl)->parents_inner));
		if (htb_more(cl)->parents_inner == NULL)
			return -ENOMEM;
	}
	return allocate_chunks(c);
}

static void
htb_class_destroy(struct class *c)
{
	struct htb *h = qdisc_priv(c->qdisc);
	struct htb_more *more = c->more;

	htb_config_put(h, ((struct htb_class *)class_priv(c))->config);
	if (more == NULL)
		return;
	while (more->chunks != NULL) {
		struct wheel_chunk *chunk = more->chunks;

		more->chunks = chunk->next;
		qdisc_dealloc(c->qdisc, chunk, sizeof(*chunk));
		h->chunks--;
	}
	qdisc_dealloc(c->qdisc, more->inner, sizeof(*more->inner));
	qdisc_dealloc(c->qdisc, more->parents_inner, sizeof(*more->parents_inner));
	qdisc_dealloc(c->qdisc, more, sizeof(*more));
}

static int
htb_class_init(struct class *c, struct class *parent, const void *conf, uint64_t now, struct error *err)
{
	struct htb_class *cl = class_priv(c);
	struct htb *h = qdisc_priv(c->qdisc);
	int rc = htb_check_class_conf(conf, err);

	if (rc != 0)
		return rc;
	if (parent != NULL && parent->children == 0 && inner_level(parent) < 1)
		return error_set(err, EINVAL, "htb: tree is too deep, a leaf may have at most %d classes above it",
			HTB_LEVELS - 1);
	cl->config = htb_config_get(h, c->qdisc, conf);
	if (cl->config == 0 || allocate(c, parent) != 0)
		return error_set(
			err, ENOMEM, "out of memory for class %x:%x", TC_H_MAJ(c->classid) >> 16, TC_H_MIN(c->classid));
	htb_more(cl)->minor = (uint16_t)TC_H_MIN(c->classid);
	htb_more(cl)->conf = *(const struct htb_class_conf *)conf;
	cl->mode = HTB_CAN_SEND;
	cl->used = (now << TOKENS_SHIFT) - (uint64_t)htb_config_of(h, cl)->depth;
	cl->ceil_used = (now << TOKENS_SHIFT) - (uint64_t)htb_config_of(h, cl)->ceil_depth;
	return 0;
}

/* Debts and savings are bytes to the user: they keep their worth when the rate changes. */
static int64_t
convert_tokens(int64_t tokens, uint64_t old_Bps, uint64_t new_Bps, int64_t depth)
{
	__int128 converted = (__int128)tokens * (__int128)old_Bps / (__int128)new_Bps;

	if (converted < -(__int128)TOKENS_MAX)
		return -TOKENS_MAX;
	return converted > depth ? depth : (int64_t)converted;
}

static void
use_config(struct htb *h, struct htb_class *cl, const struct htb_class_conf *conf, uint16_t config, uint64_t clock)
{
	const struct htb_config *old = htb_config_of(h, cl), *new = &h->configs[config];
	const struct htb_class_conf *before = &htb_more(cl)->conf;
	int64_t tokens = htb_tokens(cl->used, clock, old->depth),
		ceil_tokens = htb_tokens(cl->ceil_used, clock, old->ceil_depth);

	tokens = convert_tokens(tokens, before->rate.Bps, conf->rate.Bps, new->depth);
	ceil_tokens = convert_tokens(ceil_tokens, before->ceil.Bps, conf->ceil.Bps, new->ceil_depth);
	cl->used = clock - (uint64_t)tokens;
	cl->ceil_used = clock - (uint64_t)ceil_tokens;
	h->adjusted -= is_adjusted(h, cl);
	htb_config_put(h, cl->config);
	cl->config = config;
	htb_more(cl)->conf = *conf;
	h->adjusted += is_adjusted(h, cl);
}

static int
htb_class_change(struct class *c, const void *conf, uint64_t now, struct error *err)
{
	struct htb_class *cl = class_priv(c);
	struct htb *h = qdisc_priv(c->qdisc);
	const struct htb_class_conf *given = conf;
	int rc = htb_check_class_conf(given, err);

	if (rc != 0)
		return rc;
	uint16_t config = htb_config_get(h, c->qdisc, given);

	if (config == 0)
		return error_set(err, ENOMEM, "htb: out of memory for one more configuration of classes");
	htb_take_out(h, cl);
	use_config(h, cl, given, config, htb_clock(h, now));
	/* A leaf serves its own prio, which may be another one now; an inner class those of its children. */
	if (cl->level == 0 && cl->busy != 0)
		cl->busy = (uint8_t)(1u << htb_config_of(h, cl)->prio);
	htb_put_in(h, cl, now);
	return 0;
}

static void
htb_class_link(struct class *c)
{
	struct htb *h = qdisc_priv(c->qdisc);
	struct htb_class *cl = class_priv(c);

	while (htb_more(cl)->chunks != NULL) {
		struct wheel_chunk *chunk = htb_more(cl)->chunks;

		htb_more(cl)->chunks = chunk->next;
		wheel_give(&h->wheel, chunk);
	}
	h->adjusted += is_adjusted(h, cl);
	if (c->parent != NULL && c->parent->children == 1) {
		struct htb_class *parent = class_priv(c->parent);

		if (htb_more(cl)->parents_inner != NULL)
			htb_more(parent)->inner = htb_more(cl)->parents_inner;
		htb_more(cl)->parents_inner = NULL;
		/* As a leaf it may wait for its row. */
		htb_take_out(h, parent);
		parent->level = (uint8_t)inner_level(c->parent);
		h->inners++;
		htb_put_in(h, parent, c->qdisc->tree->now);
	}
}

static void
htb_class_unlink(struct class *c)
{
	struct htb *h = qdisc_priv(c->qdisc);
	struct htb_class *cl = class_priv(c);

	htb_take_out(h, cl);
	h->ahead = (struct htb_look_ahead){ 0 };
	h->adjusted -= is_adjusted(h, cl);
	/* Without children its parent is a leaf again. */
	if (c->parent != NULL && c->parent->children == 1) {
		struct htb_class *parent = class_priv(c->parent);

		parent->level = 0;
		h->inners--;
		htb_look_at_mode(h, parent);
	}
}

static void
htb_activate(struct class *c, uint64_t now)
{
	(void)now;
	htb_leaf_busy(qdisc_priv(c->qdisc), class_priv(c));
}

static void
htb_deactivate(struct class *c, uint64_t now)
{
	(void)now;
	htb_leaf_idle(qdisc_priv(c->qdisc), class_priv(c));
}

/* What it was parked for may come sooner now. */
static void
htb_grafted(struct class *c, uint64_t now)
{
	struct htb_class *cl = class_priv(c);

	(void)now;
	if (cl->parked)
		htb_unpark(qdisc_priv(c->qdisc), cl);
}

static bool
htb_may_graft(const struct class *c, struct error *err)
{
	if (c->children == 0)
		return true;
	error_set(err, EINVAL, "htb: class %x:%x has classes below it, and only a leaf class can have a qdisc",
		TC_H_MAJ(c->classid) >> 16, TC_H_MIN(c->classid));
	return false;
}

static void
htb_class_get_conf(const struct class *c, void *conf)
{
	const struct htb_class *cl = class_priv(c);
	struct htb_class_conf *out = conf;

	const struct htb_config *config = htb_config_of(qdisc_priv(c->qdisc), cl);

	*out = htb_more(cl)->conf;
	out->prio = config->prio;
	out->quantum = config->quantum;
	out->level = cl->level;
}

/* Packets that it has sent as a leaf: its qdisc has counted them. */
static uint64_t
leaf_packets(const struct class *c)
{
	return c->past_packets + (c->leaf != NULL ? c->leaf->sent_packets : 0);
}

/* A bucket that has not been looked at for long, be it by the one who renews them, is full. */
static int64_t
bucket_ns(const struct class *c, uint64_t used, int64_t depth)
{
	const struct htb *h = qdisc_priv(c->qdisc);
	uint64_t now = c->qdisc->tree->now;
	int64_t tokens = (int64_t)(now - h->renewed_ns) < (int64_t)HTB_RENEW_NS * 2
				 ? htb_tokens(used, now << TOKENS_SHIFT, depth)
				 : depth;

	return tokens / (1 << TOKENS_SHIFT);
}

static void
htb_class_get_xstats(const struct class *c, void *xstats)
{
	const struct htb_class *cl = class_priv(c);
	const struct htb_config *config = htb_config_of(qdisc_priv(c->qdisc), cl);

	/* giants counted packets beyond a rate table's end; there are no rate tables, here and on today's Linux. */
	*(struct htb_class_xstats *)xstats = (struct htb_class_xstats){
		.lends = htb_more(cl)->lends + (uint32_t)leaf_packets(c),
		.borrows = htb_more(cl)->borrows,
		.tokens_ns = bucket_ns(c, cl->used, config->depth),
		.ctokens_ns = bucket_ns(c, cl->ceil_used, config->ceil_depth),
	};
}

static void
htb_class_get_stats(const struct class *c, struct sched_stats *stats)
{
	const struct htb_class *cl = class_priv(c);

	*stats = (struct sched_stats){
		.bytes = htb_more(cl)->sent_bytes + c->past_bytes,
		.packets = htb_more(cl)->sent_packets + leaf_packets(c),
		.drops = c->past_drops,
		.overlimits = cl->overlimits,
	};
	if (c->leaf != NULL) {
		stats->bytes += c->leaf->sent_bytes;
		stats->drops += c->leaf->drops_total;
		stats->backlog_bytes = c->leaf->backlog_bytes;
		stats->backlog_pkts = c->leaf->backlog_pkts;
	}
}

static const struct class_ops htb_classes = {
	.size = sizeof(struct htb_class),
	.conf_size = sizeof(struct htb_class_conf),
	.init = htb_class_init,
	.change = htb_class_change,
	.link = htb_class_link,
	.unlink = htb_class_unlink,
	.destroy = htb_class_destroy,
	.classify = htb_classify,
	.activate = htb_activate,
	.deactivate = htb_deactivate,
	.grafted = htb_grafted,
	.may_graft = htb_may_graft,
	.inner_without_leaf = true,
	.get_conf = htb_class_get_conf,
	.get_xstats = htb_class_get_xstats,
	.get_stats = htb_class_get_stats,
};

static const struct qdisc_ops htb_ops = {
	.kind = "htb",
	.size = sizeof(struct htb),
	.conf_size = sizeof(struct htb_conf),
	.init = htb_init,
	.destroy = htb_destroy,
	.enqueue = htb_enqueue,
	.dequeue = htb_dequeue,
	.pass = htb_pass,
	.flush = htb_flush,
	.next_event = htb_next_event,
	.get_conf = htb_get_conf,
	.classes = &htb_classes,
};
QDISC_REGISTER(htb_ops)
