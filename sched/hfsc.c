/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hfsc: the hierarchical fair service curve (tc-hfsc(7), tc-hfsc(8); Stoica, Zhang and Ng, SIGCOMM 1997). This file is
 * its configuration, its classification and its operations; see hfsc.h for the other files.
 */
#include <string.h>

#include <rte_branch_prediction.h>

#include <weir/packet.h>

#include "hfsc.h"
#include "hfsc_times.h"
#include "leaf.h"
#include "tree.h"

#define CONTEST_MIN 4 /* places of a contest at least */

#define IN_CLASS(member) (offsetof(struct class, priv) + offsetof(struct hfsc_class, member))

_Static_assert(IN_CLASS(virtual_ns) % RTE_CACHE_LINE_SIZE == 0 && IN_CLASS(upper_limit) % RTE_CACHE_LINE_SIZE == 0,
	"link sharing with real time have a line; what comes behind has another one");

/* ---- the qdisc */

static int
check_conf(const struct hfsc_conf *conf, struct error *err)
{
	return conf != NULL ? 0 : error_set(err, EINVAL, "hfsc was given no options: tc sends at least the default");
}

static int
hfsc_init(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	struct hfsc *h = qdisc_priv(q);
	int rc = check_conf(conf, err);

	if (rc != 0)
		return rc;
	h->conf = *(const struct hfsc_conf *)conf;
	wheel_init(&h->wheel, now);
	agenda_init(&h->deadlines);
	rc = class_create(q, q->handle, NULL, NULL, &h->root, err);
	if (rc != 0)
		return rc;
	h->root->more = qdisc_alloc(q, sizeof(struct hfsc_more));
	return h->root->more != NULL ? 0 : error_set(err, ENOMEM, "out of memory for the root class of hfsc");
}

static int
hfsc_change(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	struct hfsc *h = qdisc_priv(q);
	int rc = check_conf(conf, err);

	(void)now;
	if (rc == 0)
		h->conf = *(const struct hfsc_conf *)conf;
	return rc;
}

static void
free_contest(struct qdisc *q, struct contest *t)
{
	if (t->words != NULL)
		qdisc_dealloc(q, t->words, contest_bytes(t->size));
	*t = (struct contest){ 0 };
}

static void
hfsc_destroy(struct qdisc *q)
{
	struct hfsc *h = qdisc_priv(q);
	struct wheel_chunk *chunk;

	while ((chunk = wheel_take(&h->wheel)) != NULL || (chunk = wheel_take(&h->deadlines.far)) != NULL)
		qdisc_dealloc(q, chunk, sizeof(*chunk));
	free_contest(q, &h->deadlines.crowd);
}

static void
hfsc_get_conf(const struct qdisc *q, void *conf)
{
	const struct hfsc *h = qdisc_priv(q);

	*(struct hfsc_conf *)conf = h->conf;
}

static uint16_t
hfsc_enqueue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	uint16_t queued = leaf_enqueue(q, NULL, pkts, n, now);

	/* While packets are moved, older ones may still come: nobody is asked for his first one before all are here. */
	if (likely(!qdisc_moving(q)))
		hfsc_settle(qdisc_priv(q), now);
	return queued;
}

static uint16_t
hfsc_dequeue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	return hfsc_serve(q, pkts, n, now);
}

static uint16_t
hfsc_flush(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n)
{
	hfsc_clear_deadlines(qdisc_priv(q));
	return class_table_flush(q->class_table, q, pkts, n);
}

static uint64_t
hfsc_next_event(const struct qdisc *q, uint64_t now)
{
	struct hfsc *h = qdisc_priv(q);
	uint64_t next;

	if (q->backlog_pkts == 0)
		return SCHED_NEVER;
	if (hfsc_may_send(h, now))
		return now;
	/* Who was asked for his first packet may have dropped all that he had. */
	if (unlikely(q->backlog_pkts == 0))
		return SCHED_NEVER;
	next = wheel_next(&h->wheel);
	return next > now ? next : now;
}

/* ---- classification */

/* The class by its minor, if packets may be put there. */
static struct class *
default_class(const struct qdisc *q)
{
	const struct hfsc *h = qdisc_priv(q);
	struct class *c = h->conf.defcls == 0 ? NULL : sched_class_find(q, q->handle | h->conf.defcls);

	return c == NULL || __atomic_load_n(&c->leaf, __ATOMIC_ACQUIRE) == NULL ? NULL : c;
}

/*
 * What a verdict of q's chain or of an inner class's means: a leaf is the answer, an inner class's own chain is asked
 * next. Filters only lead down: one that names a class which is not below the one that it stands at, or none that is
 * there, leaves the packet to the default class. Without that it is dropped.
 */
static struct class *
follow(const struct qdisc *q, const struct classify_ctx *ctx, struct rte_mbuf *m, struct verdict verdict)
{
	uint32_t level = UINT32_MAX;

	for (;;) {
		const struct chain *chain;
		struct class *c;

		if (verdict.action == TC_ACT_UNSPEC)
			return default_class(q);
		if (verdict.action != TC_ACT_OK) {
			pkt_of(m)->flags |= PKT_SHOT;
			return NULL;
		}
		c = sched_class_find(q, verdict.classid);
		if (c == NULL || ((struct hfsc_more *)c->more)->level >= level)
			return default_class(q);
		if (__atomic_load_n(&c->leaf, __ATOMIC_ACQUIRE) != NULL)
			return c;
		level = ((struct hfsc_more *)c->more)->level;
		chain = __atomic_load_n(&c->chain, __ATOMIC_ACQUIRE);
		verdict = (struct verdict){ .action = TC_ACT_UNSPEC };
		if (chain != NULL)
			chain_classify(chain, ctx, &m, 1, &verdict);
	}
}

/* A priority that is the id of a leaf class decides at once; else the root chain is asked. */
static void
hfsc_classify(
	const struct qdisc *q, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n, uint32_t *leaves)
{
	const struct chain *chain = __atomic_load_n(&q->chain, __ATOMIC_ACQUIRE);
	struct rte_mbuf *asked[SCHED_BURST];
	struct verdict verdicts[SCHED_BURST];
	uint16_t places[SCHED_BURST], count = 0;

	for (uint16_t i = 0; i < n; i++) {
		leaves[i] = class_leaf_slot(q, pkt_of(pkts[i])->priority);
		if (leaves[i] != PKT_LEAF_NONE)
			continue;
		verdicts[count].action = TC_ACT_UNSPEC;
		asked[count] = pkts[i];
		places[count++] = i;
	}
	if (chain != NULL && count != 0 && !chain_empty(chain))
		chain_classify(chain, ctx, asked, count, verdicts);
	for (uint16_t i = 0; i < count; i++) {
		uint32_t leaf =
			verdicts[i].action == TC_ACT_OK ? class_leaf_slot(q, verdicts[i].classid) : PKT_LEAF_NONE;

		leaves[places[i]] = leaf != PKT_LEAF_NONE ? leaf : class_slot(follow(q, ctx, asked[i], verdicts[i]));
	}
}

/* ---- classes */

static bool
has_curve(const struct hfsc_curve_conf *curve)
{
	return curve->m1_Bps != 0 || curve->m2_Bps != 0;
}

static int
check_curve(const struct hfsc_curve_conf *curve, const char *name, struct error *err)
{
	if (RTE_MAX(curve->m1_Bps, curve->m2_Bps) > HFSC_BPS_MAX)
		return error_set(err, EINVAL, "hfsc: %s: a rate may be %u gbit at most", name,
			(unsigned int)(HFSC_BPS_MAX * 8 / 1000000000));
	return 0;
}

static int
check_class_conf(const struct hfsc_class_conf *conf, struct error *err)
{
	int rc = check_curve(&conf->real_time, "rt", err);

	if (rc == 0)
		rc = check_curve(&conf->link_share, "ls", err);
	return rc == 0 ? check_curve(&conf->upper_limit, "ul", err) : rc;
}

static void
set_shape(struct hfsc_class *cl, enum hfsc_kind kind, struct hfsc_line *curve, const struct hfsc_curve_conf *conf)
{
	if (!has_curve(conf))
		return;
	cl->given |= 1u << kind;
	cl->bent |= (unsigned int)hfsc_is_bent(conf) << kind;
	hfsc_curve_shape(curve, &hfsc_more(cl)->bends[kind], conf);
}

/*
 * An inner class shares the link in any case: without a link-share curve by its real-time curve, which as such means
 * nothing there (tc-hfsc(7)). A share of nothing is the smallest share that there is.
 */
static void
set_shapes(struct class *c, bool inner)
{
	struct hfsc_class *cl = class_priv(c);
	const struct hfsc_class_conf *conf = &hfsc_more(cl)->conf;
	struct hfsc_curve_conf share = conf->link_share;

	if (inner && !has_curve(&share))
		share = conf->real_time;
	cl->given = cl->bent = 0;
	set_shape(cl, HFSC_LINK_SHARE, &cl->link_share, &share);
	set_shape(cl, HFSC_REAL_TIME, &cl->deadline, &conf->real_time);
	set_shape(cl, HFSC_UPPER_LIMIT, &cl->upper_limit, &conf->upper_limit);
	cl->lag_max_ns = HFSC_LAG_MAX_NS;
	if (conf->upper_limit.m2_Bps != 0)
		cl->lag_max_ns = RTE_MAX(HFSC_LAG_MAX_NS, hfsc_ns(qdisc_mtu(c->qdisc) + 14, cl->upper_limit.cost));
}

/* Room for `entries` in a contest like t: a larger one, or none if there is no need. */
static int
allocate_contest(struct qdisc *q, struct contest *fresh, const struct contest *t, uint32_t entries)
{
	uint32_t size = t->words == NULL ? CONTEST_MIN : t->size;

	if (t->words != NULL && entries <= size)
		return 0;
	while (entries > size)
		size *= 2;
	fresh->words = qdisc_alloc(q, contest_bytes(size));
	fresh->size = size;
	return fresh->words != NULL ? 0 : -ENOMEM;
}

/* As many more as a wheel of `entries` needs that has *count. */
static int
allocate_chunks(struct qdisc *q, struct wheel_chunk **chunks, uint32_t *count, uint32_t entries)
{
	for (uint32_t needed = wheel_chunks_for(entries); *count < needed; (*count)++) {
		struct wheel_chunk *chunk = qdisc_alloc(q, sizeof(*chunk));

		if (chunk == NULL)
			return -ENOMEM;
		chunk->next = *chunks;
		*chunks = chunk;
	}
	return 0;
}

/* All that it takes to link the class. */
static int
allocate(struct class *c, const struct class *parent)
{
	struct hfsc *h = qdisc_priv(c->qdisc);
	const struct hfsc_class *above = class_priv(parent);
	const struct hfsc_more *parents = parent->more;
	uint32_t classes = c->qdisc->class_table->count + 1;
	struct hfsc_more *more = c->more = qdisc_alloc(c->qdisc, sizeof(*more));
	const struct contest none = { 0 };
	int rc;

	if (more == NULL)
		return -ENOMEM;
	/* What is there of a leaf's is not in use. */
	rc = allocate_contest(c->qdisc, &more->parents_children,
		parents->children == 0 && parent != h->root ? &none : &above->inner.children, parents->children + 1);
	if (rc == 0)
		rc = allocate_contest(c->qdisc, &more->deadlines, &h->deadlines.crowd, classes);
	if (rc == 0)
		rc = allocate_chunks(c->qdisc, &more->chunks, &h->chunks, classes * HFSC_WAITS);
	if (rc == 0)
		rc = allocate_chunks(c->qdisc, &more->deadline_chunks, &h->deadline_chunks, classes);
	return rc;
}

static void
free_chunks(struct qdisc *q, struct wheel_chunk **chunks, uint32_t *count)
{
	while (*chunks != NULL) {
		struct wheel_chunk *chunk = *chunks;

		*chunks = chunk->next;
		qdisc_dealloc(q, chunk, sizeof(*chunk));
		(*count)--;
	}
}

static void
hfsc_class_destroy(struct class *c)
{
	struct hfsc *h = qdisc_priv(c->qdisc);
	struct hfsc_more *more = c->more;

	if (more == NULL)
		return;
	free_chunks(c->qdisc, &more->chunks, &h->chunks);
	free_chunks(c->qdisc, &more->deadline_chunks, &h->deadline_chunks);
	free_contest(c->qdisc, &more->parents_children);
	free_contest(c->qdisc, &more->deadlines);
	free_contest(c->qdisc, &more->leftover);
	if (more->children != 0 || c == h->root)
		free_contest(c->qdisc, &((struct hfsc_class *)class_priv(c))->inner.children);
	qdisc_dealloc(c->qdisc, more, sizeof(*more));
}

static int
hfsc_class_init(struct class *c, struct class *parent, const void *conf, uint64_t now, struct error *err)
{
	const struct hfsc *h = qdisc_priv(c->qdisc);
	const struct hfsc_class_conf *given = conf;
	int rc;

	(void)now;
	if (given == NULL || (!has_curve(&given->real_time) && !has_curve(&given->link_share)))
		return error_set(
			err, EINVAL, "hfsc: a class needs a curve, rt or ls (sc is both), as in 'sc rate 1mbit'");
	if ((rc = check_class_conf(given, err)) != 0)
		return rc;
	if (allocate(c, parent != NULL ? parent : h->root) != 0)
		return error_set(
			err, ENOMEM, "out of memory for class %x:%x", TC_H_MAJ(c->classid) >> 16, TC_H_MIN(c->classid));
	((struct hfsc_more *)c->more)->conf = *given;
	set_shapes(c, false);
	return 0;
}

/* A bit for the kind if one was given. */
static unsigned int
replace_curve(struct hfsc_curve_conf *curve, const struct hfsc_curve_conf *given, enum hfsc_kind kind)
{
	if (!has_curve(given))
		return 0;
	*curve = *given;
	return 1u << kind;
}

static int
hfsc_class_change(struct class *c, const void *conf, uint64_t now, struct error *err)
{
	struct hfsc *h = qdisc_priv(c->qdisc);
	const struct hfsc_class_conf *given = conf;
	struct hfsc_class *cl = class_priv(c);
	struct hfsc_more *more = c->more;
	int rc = check_class_conf(given, err);
	unsigned int kinds = 0;

	if (rc != 0)
		return rc;
	kinds |= replace_curve(&more->conf.real_time, &given->real_time, HFSC_REAL_TIME);
	kinds |= replace_curve(&more->conf.link_share, &given->link_share, HFSC_LINK_SHARE);
	kinds |= replace_curve(&more->conf.upper_limit, &given->upper_limit, HFSC_UPPER_LIMIT);
	/* The root class has no sisters to share with: its curves are only shown, as on Linux. */
	if (c == h->root)
		return 0;
	hfsc_take_out(h, cl);
	set_shapes(c, c->leaf == NULL);
	if (c->leaf == NULL && !has_curve(&more->conf.link_share))
		kinds |= 1u << HFSC_LINK_SHARE;
	hfsc_restart_curves(h, cl, kinds, now);
	return 0;
}

/* (owner) c has got its first child, or has lost its last one; what there was to send has been taken out of it. */
static void
turn_inner(struct hfsc *h, struct class *c, bool inner)
{
	struct hfsc_class *cl = class_priv(c);
	struct hfsc_class *parent = hfsc_parent(h, cl);

	if (c == h->root)
		return;
	hfsc_take_out(h, cl);
	memset(&cl->inner, 0, sizeof(cl->inner));
	set_shapes(c, inner);
	hfsc_curve_start(&cl->link_share, hfsc_bend(cl, HFSC_LINK_SHARE), cl->virtual_ns, cl->total);
	if (!inner)
		hfsc_curve_start(&cl->deadline, hfsc_bend(cl, HFSC_REAL_TIME), 0, cl->real_time_total);
	hfsc_forget_ahead(&parent->inner, cl);
}

/* One more than the highest of its children's. */
static uint32_t
level_by_children(const struct qdisc *q, const struct class *c, const struct class *but)
{
	const struct hfsc *h = qdisc_priv(q);
	uint32_t level = 0;

	for (const struct class *child = q->class_table->first; child != NULL; child = child->next) {
		const struct class *parent = child->parent != NULL ? child->parent : h->root;

		if (parent == c && child != c && child != but)
			level = RTE_MAX(level, ((struct hfsc_more *)child->more)->level + 1);
	}
	return level;
}

static void
set_level(struct hfsc_class *cl, uint32_t level)
{
	hfsc_more(cl)->level = level;
	cl->inner.deep = level > 1;
}

static void
give_chunks(struct wheel *wheel, struct wheel_chunk **chunks)
{
	while (*chunks != NULL) {
		struct wheel_chunk *chunk = *chunks;

		*chunks = chunk->next;
		wheel_give(wheel, chunk);
	}
}

static void
hfsc_class_link(struct class *c)
{
	struct hfsc *h = qdisc_priv(c->qdisc);
	struct hfsc_class *cl = class_priv(c), *parent = hfsc_parent(h, cl);
	struct hfsc_more *more = c->more;
	uint32_t level = 0;

	give_chunks(&h->wheel, &more->chunks);
	give_chunks(&h->deadlines.far, &more->deadline_chunks);
	if (more->deadlines.words != NULL)
		contest_enlarge(&h->deadlines.crowd, &more->deadlines);
	if (hfsc_more(parent)->children++ == 0)
		turn_inner(h, hfsc_class_of(parent), true);
	if (more->parents_children.words != NULL)
		contest_enlarge(&parent->inner.children, &more->parents_children);
	cl->epoch = parent->inner.epoch;
	cl->virtual_ns = parent->inner.clock;
	hfsc_curve_start(&cl->link_share, hfsc_bend(cl, HFSC_LINK_SHARE), cl->virtual_ns, 0);
	hfsc_curve_start(&cl->upper_limit, hfsc_bend(cl, HFSC_UPPER_LIMIT), 0, 0);
	hfsc_curve_start(&cl->deadline, hfsc_bend(cl, HFSC_REAL_TIME), 0, 0);
	for (; parent != NULL && hfsc_more(parent)->level <= level; parent = hfsc_parent(h, parent))
		set_level(parent, ++level);
}

static void
hfsc_class_unlink(struct class *c)
{
	struct hfsc *h = qdisc_priv(c->qdisc);
	struct hfsc_class *cl = class_priv(c), *parent = hfsc_parent(h, cl);

	hfsc_take_out(h, cl);
	memset(h->ahead, 0, sizeof(h->ahead));
	hfsc_forget_ahead(&parent->inner, cl);
	if (--hfsc_more(parent)->children == 0) {
		/*
		 * The contest's memory goes with its last member, to be freed by control; the root class keeps its own.
		 */
		if (parent != class_priv(h->root)) {
			hfsc_more(cl)->leftover = parent->inner.children;
			turn_inner(h, hfsc_class_of(parent), false);
		}
	}
	for (const struct class *gone = c; parent != NULL; gone = NULL, parent = hfsc_parent(h, parent))
		set_level(parent, level_by_children(c->qdisc, hfsc_class_of(parent), gone));
}

static int
hfsc_check_delete(const struct class *c, struct error *err)
{
	const struct hfsc *h = qdisc_priv(c->qdisc);

	return c == h->root ? error_code(err, EBUSY) : 0;
}

static void
hfsc_activate(struct class *c, uint64_t now)
{
	hfsc_leaf_busy(qdisc_priv(c->qdisc), class_priv(c), now);
}

static void
hfsc_deactivate(struct class *c, uint64_t now)
{
	(void)now;
	hfsc_leaf_idle(qdisc_priv(c->qdisc), class_priv(c));
}

/* What it was parked for may come sooner now; it is asked when the change is done. */
static void
hfsc_grafted(struct class *c, uint64_t now)
{
	struct hfsc_class *cl = class_priv(c);

	(void)now;
	if (cl->parked)
		hfsc_unpark(qdisc_priv(c->qdisc), cl);
}

static bool
hfsc_may_graft(const struct class *c, struct error *err)
{
	const struct hfsc *h = qdisc_priv(c->qdisc);

	if (c != h->root && c->children == 0)
		return true;
	error_set(err, EINVAL, "hfsc: only a leaf class can have a qdisc, and %x:%x is %s", TC_H_MAJ(c->classid) >> 16,
		TC_H_MIN(c->classid), c == h->root ? "the root class" : "none");
	return false;
}

static void
hfsc_class_get_conf(const struct class *c, void *conf)
{
	*(struct hfsc_class_conf *)conf = ((struct hfsc_more *)c->more)->conf;
}

static void
hfsc_class_get_xstats(const struct class *c, void *xstats)
{
	const struct hfsc_class *cl = class_priv(c);
	const struct hfsc_more *more = c->more;

	*(struct hfsc_class_xstats *)xstats = (struct hfsc_class_xstats){
		.work = cl->total,
		.real_time_work = cl->real_time_total,
		.period = cl->period,
		.level = more->level,
	};
}

/* An inner class shows nothing but what its xstats tell, as on Linux. */
static void
hfsc_class_get_stats(const struct class *c, struct sched_stats *stats)
{
	*stats = (struct sched_stats){ .bytes = c->past_bytes, .packets = c->past_packets, .drops = c->past_drops };
	if (c->leaf == NULL)
		return;
	stats->bytes += c->leaf->sent_bytes;
	stats->packets += c->leaf->sent_packets;
	stats->drops += c->leaf->drops_total;
	stats->backlog_bytes = c->leaf->backlog_bytes;
	stats->backlog_pkts = c->leaf->backlog_pkts;
}

static const struct class_ops hfsc_classes = {
	.size = sizeof(struct hfsc_class),
	.conf_size = sizeof(struct hfsc_class_conf),
	.init = hfsc_class_init,
	.change = hfsc_class_change,
	.link = hfsc_class_link,
	.check_delete = hfsc_check_delete,
	.unlink = hfsc_class_unlink,
	.destroy = hfsc_class_destroy,
	.classify = hfsc_classify,
	.activate = hfsc_activate,
	.deactivate = hfsc_deactivate,
	.grafted = hfsc_grafted,
	.may_graft = hfsc_may_graft,
	.inner_without_leaf = true,
	.root_taken = EEXIST,
	.get_conf = hfsc_class_get_conf,
	.get_xstats = hfsc_class_get_xstats,
	.get_stats = hfsc_class_get_stats,
};

static const struct qdisc_ops hfsc_ops = {
	.kind = "hfsc",
	.size = sizeof(struct hfsc),
	.conf_size = sizeof(struct hfsc_conf),
	.init = hfsc_init,
	.change = hfsc_change,
	.destroy = hfsc_destroy,
	.enqueue = hfsc_enqueue,
	.dequeue = hfsc_dequeue,
	.flush = hfsc_flush,
	.next_event = hfsc_next_event,
	.get_conf = hfsc_get_conf,
	.classes = &hfsc_classes,
};
QDISC_REGISTER(hfsc_ops)
