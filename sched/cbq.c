/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cbq: class-based queueing (tc-cbq(8), and the papers that cbq.h names). This file is its configuration, its
 * classification and its operations.
 */
#include <stdlib.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include <weir/packet.h>

#include "cbq.h"
#include "cbq_estimator.h"
#include "leaf.h"

_Static_assert((offsetof(struct class, priv) + offsetof(struct cbq_class, avgidle)) % RTE_CACHE_LINE_SIZE == 0 &&
		       sizeof(struct cbq_class) - offsetof(struct cbq_class, avgidle) == RTE_CACHE_LINE_SIZE,
	"a leaf's packet touches two lines of its class");

/* ---- the qdisc */

static int
cbq_init(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	struct cbq *h = qdisc_priv(q);

	if (conf == NULL)
		return error_set(err, EINVAL, "CBQ options are required for this operation");
	wheel_init(&h->wheel, now);
	h->top_level = CBQ_LEVELS;
	h->classes = q->class_table;
	/* Not the arena's: of these, only the pages that are touched are to be memory. */
	h->turns = calloc(CBQ_PLACES, sizeof(*h->turns));
	h->rounds = calloc((size_t)2 * CBQ_PRIOS * ROW_PLACES, sizeof(*h->rounds));
	if (h->turns == NULL || h->rounds == NULL)
		return error_set(err, ENOMEM, "out of memory for the turns of cbq's classes");
	for (size_t prio = 0; prio < CBQ_PRIOS; prio++) {
		h->leaf_rows[prio].now.leaves = h->rounds + 2 * prio * ROW_PLACES;
		h->leaf_rows[prio].next.leaves = h->rounds + (2 * prio + 1) * ROW_PLACES;
	}
	return cbq_root_init(q, conf, now, err);
}

static void
cbq_destroy(struct qdisc *q)
{
	struct cbq *h = qdisc_priv(q);
	struct wheel_chunk *chunk;

	while ((chunk = wheel_take(&h->wheel)) != NULL)
		qdisc_dealloc(q, chunk, sizeof(*chunk));
	free(h->turns);
	free(h->rounds);
}

/* What no class is for goes to the root's own queue: tc-cbq-details(8), fallback algorithm (iii). */
static uint16_t
cbq_enqueue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct cbq *h = qdisc_priv(q);

	if (unlikely(cbq_top_level()))
		cbq_note_arrivals(q, h, pkts, n, now);
	return leaf_enqueue(q, h->root, pkts, n, now);
}

static uint16_t
cbq_dequeue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	return cbq_serve(q, pkts, n, now);
}

static uint16_t
cbq_flush(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n)
{
	return class_table_flush(q->class_table, q, pkts, n);
}

static uint64_t
cbq_next_event(const struct qdisc *q, uint64_t now)
{
	const struct cbq *h = qdisc_priv(q);
	uint64_t next;

	if (q->backlog_pkts == 0)
		return SCHED_NEVER;
	if (h->busy_levels != 0)
		return now;
	next = wheel_next(&h->wheel);
	return next > now ? next : now;
}

/* ---- classification: tc-cbq-details(8) */

static struct class *
default_for(const struct class *node, unsigned int priority)
{
	const struct cbq_more *more = node->more;

	return __atomic_load_n(&more->defaults[priority], __ATOMIC_ACQUIRE);
}

/* The fallback algorithm: whom node's defmap names for the priority or for best effort, else node itself. */
static struct class *
fall_back(struct class *node, uint32_t priority)
{
	struct class *c = default_for(node, priority & TC_PRIO_MAX);

	if (c == NULL)
		c = default_for(node, TC_PRIO_BESTEFFORT);
	return c != NULL ? c : node;
}

/*
 * The class that a verdict at `node` leads to, a lower one; NULL: none. A reference without a major means a priority.
 */
static struct class *
referred(const struct qdisc *q, const struct class *node, uint32_t classid)
{
	struct class *c = sched_class_find(q, classid);

	if (c == NULL && TC_H_MAJ(classid) == 0 && classid <= TC_PRIO_MAX) {
		c = default_for(node, classid);
		if (c == NULL)
			c = default_for(node, TC_PRIO_BESTEFFORT);
	}
	return c == NULL || cbq_level_of(c) >= cbq_level_of(node) ? NULL : c;
}

static struct class *
follow(const struct qdisc *q, const struct classify_ctx *ctx, struct rte_mbuf *m, struct verdict verdict)
{
	const struct cbq *h = qdisc_priv(q);
	struct class *node = h->root;

	for (;;) {
		const struct chain *chain;
		struct class *c;

		if (verdict.action == TC_ACT_UNSPEC)
			return fall_back(node, pkt_of(m)->priority);
		if (verdict.action != TC_ACT_OK && verdict.action != TC_ACT_PIPE) {
			pkt_of(m)->flags |= PKT_SHOT;
			return NULL;
		}
		c = referred(q, node, verdict.classid);
		if (c == NULL)
			return fall_back(node, pkt_of(m)->priority);
		if (cbq_level_of(c) == 0)
			return c;
		node = c;
		chain = __atomic_load_n(&c->chain, __ATOMIC_ACQUIRE);
		verdict = (struct verdict){ .action = TC_ACT_UNSPEC };
		if (chain != NULL)
			chain_classify(chain, ctx, &m, 1, &verdict);
	}
}

static void
cbq_classify(
	const struct qdisc *q, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n, uint32_t *leaves)
{
	const struct chain *chain = __atomic_load_n(&q->chain, __ATOMIC_ACQUIRE);
	struct rte_mbuf *asked[SCHED_BURST];
	struct class *found[SCHED_BURST];
	struct verdict verdicts[SCHED_BURST];
	uint16_t places[SCHED_BURST], count = 0;

	for (uint16_t i = 0; i < n; i++) {
		leaves[i] = class_leaf_slot(q, pkt_of(pkts[i])->priority);
		if (unlikely(leaves[i] != PKT_LEAF_NONE))
			continue;
		verdicts[count].action = TC_ACT_UNSPEC;
		asked[count] = pkts[i];
		places[count++] = i;
	}
	if (chain != NULL && count != 0 && !chain_empty(chain))
		chain_classify(chain, ctx, asked, count, verdicts);
	/* A burst's misses on the classes overlap. */
	for (uint16_t i = 0; i < count; i++) {
		found[i] = verdicts[i].action == TC_ACT_OK ? sched_class_find(q, verdicts[i].classid) : NULL;
		if (found[i] != NULL)
			rte_prefetch0(class_priv(found[i]));
	}
	for (uint16_t i = 0; i < count; i++) {
		bool is_leaf = found[i] != NULL && cbq_level_of(found[i]) == 0;

		leaves[places[i]] = likely(is_leaf) ? class_leaf_slot(q, verdicts[i].classid)
						    : class_slot(follow(q, ctx, asked[i], verdicts[i]));
	}
}

/* ---- classes: see cbq_class.c, too */

static int
cbq_check_delete(const struct class *c, struct error *err)
{
	return c == ((const struct cbq *)qdisc_priv(c->qdisc))->root ? error_code(err, EBUSY) : 0;
}

/* Linux counts through 8001 ... ffff, and skips what is in use. */
static uint32_t
cbq_choose_id(struct qdisc *q)
{
	struct cbq *h = qdisc_priv(q);

	for (unsigned int tries = 0; tries < 0x7fff; tries++) {
		h->named = h->named < 0x8001 || h->named == 0xffff ? 0x8001 : h->named + 1;
		if (sched_class_find(q, q->handle | h->named) == NULL)
			return q->handle | h->named;
	}
	return 0;
}

static void
cbq_activate(struct class *c, uint64_t now)
{
	cbq_leaf_busy(qdisc_priv(c->qdisc), class_priv(c), now);
}

static void
cbq_deactivate(struct class *c, uint64_t now)
{
	(void)now;
	cbq_leaf_idle(qdisc_priv(c->qdisc), class_priv(c));
}

/* What it was parked for may come sooner now. */
static void
cbq_grafted(struct class *c, uint64_t now)
{
	struct cbq_class *cl = class_priv(c);

	if (cl->parked)
		cbq_unpark(qdisc_priv(c->qdisc), cl, now);
}

/* ---- telling */

static void
cbq_class_get_conf(const struct class *c, void *conf)
{
	const struct cbq *h = qdisc_priv(c->qdisc);
	const struct cbq_class *cl = class_priv(c);
	struct cbq_conf *out = conf;

	*out = cbq_more(cl)->conf;
	out->given = cbq_more(cl)->given | (cbq_more(cl)->split != 0 ? CBQ_SPLIT : 0);
	out->link_Bps = ((const struct cbq_more *)h->root->more)->conf.rate.Bps;
	out->level = h->classes->count == 1 ? 0 : cl->level;
	out->split = cbq_more(cl)->split;
	out->defmap = cbq_more(cl)->defmap;
	out->defchange = UINT32_MAX;
}

static void
cbq_class_get_xstats(const struct class *c, void *xstats)
{
	const struct cbq *h = qdisc_priv(c->qdisc);
	const struct cbq_class *cl = class_priv(c);
	uint64_t now = c->qdisc->tree->now;

	*(struct cbq_xstats *)xstats = (struct cbq_xstats){
		.borrows = cbq_more(cl)->borrows,
		.overactions = cl->overactions,
		.avgidle_ns = cl->avgidle / (1 << TOKENS_SHIFT),
		/* The root's says nothing: it lends all the same. */
		.undertime_ns = c == h->root || cl->until_ns <= now ? 0 : (int64_t)(cl->until_ns - now),
	};
}

static void
cbq_class_get_stats(const struct class *c, struct sched_stats *stats)
{
	const struct cbq_more *more = c->more;

	qdisc_get_stats(c->leaf, stats);
	stats->bytes += more->sent_bytes + c->past_bytes;
	stats->packets += more->sent_packets + c->past_packets;
	stats->drops += c->past_drops;
	stats->overlimits = ((const struct cbq_class *)class_priv(c))->overactions;
}

static void
cbq_get_conf(const struct qdisc *q, void *conf)
{
	cbq_class_get_conf(((const struct cbq *)qdisc_priv(q))->root, conf);
}

static void
cbq_get_xstats(const struct qdisc *q, void *xstats)
{
	cbq_class_get_xstats(((const struct cbq *)qdisc_priv(q))->root, xstats);
}

static const struct class_ops cbq_classes = {
	.root_taken = EINVAL,
	.choose_id = cbq_choose_id,
	.size = sizeof(struct cbq_class),
	.conf_size = sizeof(struct cbq_conf),
	.init = cbq_class_init,
	.change = cbq_class_change,
	.link = cbq_class_link,
	.check_delete = cbq_check_delete,
	.unlink = cbq_class_unlink,
	.destroy = cbq_class_destroy,
	.classify = cbq_classify,
	.activate = cbq_activate,
	.deactivate = cbq_deactivate,
	.grafted = cbq_grafted,
	.get_conf = cbq_class_get_conf,
	.get_xstats = cbq_class_get_xstats,
	.get_stats = cbq_class_get_stats,
};

static const struct qdisc_ops cbq_ops = {
	.kind = "cbq",
	.size = sizeof(struct cbq),
	.conf_size = sizeof(struct cbq_conf),
	.init = cbq_init,
	.destroy = cbq_destroy,
	.enqueue = cbq_enqueue,
	.dequeue = cbq_dequeue,
	.flush = cbq_flush,
	.next_event = cbq_next_event,
	.get_conf = cbq_get_conf,
	.get_xstats = cbq_get_xstats,
	.classes = &cbq_classes,
};
QDISC_REGISTER(cbq_ops)
