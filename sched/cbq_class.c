/* SPDX-License-Identifier: BSD-3-Clause */
/* cbq: what a class is configured to be, and what that means to those above it. */
#include <weir/packet.h>
#include <weir/rate_text.h>

#include "cbq.h"
#include "cbq_estimator.h"

#define ALLOT_MAX       (UINT32_C(1) << 24) /* bytes; more than any turn needs */
#define CATCH_UP_FRAMES 2
#define CATCH_UP_NS     UINT64_C(1000000)
#define CBQ_PRIO_MAX    8 /* TC_CBQ_MAXPRIO: what a class has that was given none */

/* ---- what a class is */

static int
check_conf(const struct cbq_conf *conf, uint32_t needed, struct error *err)
{
	if (conf == NULL || (conf->given & needed) != needed)
		return error_set(
			err, EINVAL, "One of the following attributes MUST be specified: WRR, rate or link sharing.");
	if ((conf->given & CBQ_RATE) != 0 && (conf->rate.Bps == 0 || conf->cell_log == 0))
		return error_set(err, EINVAL, "Invalid rate table parameters for searching.");
	if ((conf->given & CBQ_EWMA) != 0 && conf->ewma_log > 31)
		return error_set(err, EINVAL, "cbq: ewma %u; it is a power of two from 0 to 31", conf->ewma_log);
	if ((conf->given & CBQ_WRR) != 0 && conf->prio > CBQ_PRIO_MAX)
		return error_set(
			err, EINVAL, "cbq: prio %u; the first is 1 and the last is %d", conf->prio, CBQ_PRIO_MAX);
	if ((conf->given & CBQ_WRR) != 0 && conf->allot > ALLOT_MAX)
		return error_set(err, EINVAL, "cbq: allot %u; the most is %u bytes", conf->allot, ALLOT_MAX);
	return 0;
}

/* `from` with what `conf` says anew. */
static struct cbq_conf
merged(const struct cbq_conf *from, const struct cbq_conf *conf)
{
	struct cbq_conf to = *from;

	to.given = conf->given;

	if ((conf->given & CBQ_RATE) != 0) {
		to.rate = conf->rate;
		to.cell_log = conf->cell_log;
	}
	if ((conf->given & CBQ_WRR) != 0) {
		to.prio = conf->prio == 0 ? CBQ_PRIO_MAX : conf->prio;
		to.allot = conf->allot == 0 ? from->allot : conf->allot;
		to.weight = conf->weight == 0 ? from->weight : conf->weight;
	}
	if ((conf->given & CBQ_FLAGS) != 0) {
		to.bounded = conf->bounded;
		to.isolated = conf->isolated;
	}
	if ((conf->given & CBQ_EWMA) != 0)
		to.ewma_log = conf->ewma_log;
	if ((conf->given & CBQ_MAXIDLE) != 0)
		to.maxidle_ns = conf->maxidle_ns;
	if ((conf->given & CBQ_MINIDLE) != 0)
		to.minidle_ns = conf->minidle_ns;
	if ((conf->given & CBQ_OFFTIME) != 0)
		to.offtime_ns = conf->offtime_ns;
	if ((conf->given & CBQ_AVPKT) != 0)
		to.avpkt = conf->avpkt;
	if (to.weight == 0)
		to.weight = to.rate.Bps > UINT32_MAX ? UINT32_MAX : (uint32_t)to.rate.Bps;
	return to;
}

static void
weigh(struct cbq *h, const struct cbq_class *cl, bool comes)
{
	struct cbq_prio *p = &h->prios[cl->prio];
	uint32_t weight = cbq_more(cl)->conf.weight;

	p->weights += comes ? weight : -(uint64_t)weight;
	p->classes += comes ? 1 : UINT32_MAX;
	if (p->classes != 0)
		p->factor = (uint64_t)(((unsigned __int128)p->classes << 48) / p->weights);
}

/* The rate that it can lend or use itself: its own less what isolated classes below it have for themselves. */
static void
set_rate(struct cbq_class *cl)
{
	const struct cbq_more *more = cbq_more(cl);
	struct rate_conf rate = more->conf.rate;
	int64_t frames, most;

	cl->lends = rate.Bps > more->reserved_Bps;
	if (cl->lends)
		rate.Bps -= more->reserved_Bps;
	rate_init(&cl->rate, &rate);
	/* Who has to let others' packets pass first is late by these. */
	frames = rate_cost(&cl->rate, CATCH_UP_FRAMES * (qdisc_mtu(cbq_class_of(cl)->qdisc) + 14));
	most = RTE_MAX(cl->maxidle, tokens_from_ns(CATCH_UP_NS));
	cl->catch_up = RTE_MAX(frames, most) + more->offtime;
}

/* At the owner, or before the class can be seen. */
static void
set_conf(struct cbq_class *cl, const struct cbq_conf *conf)
{
	cbq_more(cl)->conf = *conf;
	cbq_more(cl)->given |= conf->given & ~(uint32_t)CBQ_SPLIT;
	cl->prio = conf->prio;
	cl->ewma_log = conf->ewma_log;
	cl->bounded = conf->bounded;
	cl->isolated = conf->isolated;
	cl->share = (uint64_t)conf->weight * conf->allot;
	cl->maxidle = tokens_from_ns(conf->maxidle_ns);
	cl->minidle = -tokens_from_ns(conf->minidle_ns);
	cbq_more(cl)->offtime = tokens_from_ns(conf->offtime_ns);
	cl->delayed = conf->offtime_ns != 0;
	set_rate(cl);
}

/*
 * An isolated class lends nothing (Floyd and Van Jacobson 1995, section 3.2): those above it, up to an isolated one,
 * have so much less to lend. What it sends at its own rate is not charged to them, either.
 */
static void
reserve(struct cbq *h, struct cbq_class *cl, uint64_t Bps, bool comes)
{
	do {
		cl = cbq_parent(h, cl);
		cbq_more(cl)->reserved_Bps += comes ? Bps : -Bps;
		set_rate(cl);
	} while (!cl->isolated && !cbq_is_root(h, cl));
}

/* ---- split and defmap */

/* The class of lowest level, the oldest of these, that wants a priority from `split`. */
static struct class *
default_of(const struct cbq *h, uint32_t split, unsigned int priority)
{
	struct class *found = NULL;

	for (struct class *c = h->classes->first; c != NULL; c = c->next) {
		const struct cbq_more *more = c->more;

		if (more->split != split || (more->defmap & 1u << priority) == 0)
			continue;
		if (found == NULL ||
			((struct cbq_class *)class_priv(c))->level < ((struct cbq_class *)class_priv(found))->level)
			found = c;
	}
	return found;
}

static void
fill_defaults(const struct cbq *h, const struct class *split)
{
	struct cbq_more *more = split->more;

	for (unsigned int i = 0; i <= TC_PRIO_MAX; i++)
		__atomic_store_n(&more->defaults[i], default_of(h, split->classid, i), __ATOMIC_RELEASE);
}

/* The class that conf->split names must be above the one whose parent is `parent`. */
static int
check_split(const struct cbq *h, const struct class *c, const struct class *parent, const struct cbq_conf *conf,
	struct error *err)
{
	if ((conf->given & CBQ_SPLIT) == 0 || conf->split == 0 || conf->split == h->root->classid)
		return 0;
	for (; parent != NULL; parent = parent->parent) {
		if (parent->classid == conf->split)
			return 0;
	}
	return error_set(err, EINVAL, "cbq: split %x:%x is not a class above %x:%x", TC_H_MAJ(conf->split) >> 16,
		TC_H_MIN(conf->split), TC_H_MAJ(c->classid) >> 16, TC_H_MIN(c->classid));
}

static void
set_split(const struct cbq *h, struct class *c, const struct cbq_conf *conf)
{
	struct cbq_more *more = c->more;
	uint32_t before = more->split;

	if ((conf->given & CBQ_SPLIT) == 0)
		return;
	if (conf->split != 0 && conf->split != before) {
		more->split = conf->split;
		more->defmap = 0;
	}
	if (more->split == 0)
		return;
	more->defmap = (more->defmap & ~conf->defchange) | (conf->defmap & conf->defchange);
	for (struct class *split = h->classes->first; split != NULL; split = split->next) {
		if (split->classid == before || split->classid == conf->split)
			fill_defaults(h, split);
	}
}

/* What the wheel needs to hold every class's waits, once it has one class more; through `chunks`. */
static int
allocate_chunks(struct qdisc *q, struct wheel_chunk **chunks)
{
	struct cbq *h = qdisc_priv(q);
	uint32_t needed = wheel_chunks_for((q->class_table->count + 1) * CBQ_WAITS);

	for (; h->chunks < needed; h->chunks++) {
		struct wheel_chunk *chunk = qdisc_alloc(q, sizeof(*chunk));

		if (chunk == NULL)
			return -ENOMEM;
		chunk->next = *chunks;
		*chunks = chunk;
	}
	return 0;
}

static void
give_chunks(struct cbq *h, struct cbq_more *more)
{
	while (more->chunks != NULL) {
		struct wheel_chunk *chunk = more->chunks;

		more->chunks = chunk->next;
		wheel_give(&h->wheel, chunk);
	}
}

/* ---- the link's class */

int
cbq_root_init(struct qdisc *q, const struct cbq_conf *conf, uint64_t now, struct error *err)
{
	struct cbq *h = qdisc_priv(q);
	struct cbq_class *cl;
	struct cbq_conf root = { .prio = CBQ_PRIO_MAX,
		.allot = qdisc_mtu(q) + 14,
		.bounded = true,
		.isolated = true,
		.minidle_ns = CBQ_MINIDLE_NONE };
	int rc;

	if ((conf->given & CBQ_RATE) == 0)
		return error_set(err, EINVAL, "Rate specification missing or incomplete");
	if ((rc = check_conf(conf, CBQ_RATE, err)) != 0 ||
		(rc = class_create(q, q->handle, "pfifo", NULL, &h->root, err)) != 0)
		return rc;
	cl = class_priv(h->root);
	h->root->more = qdisc_alloc(q, sizeof(struct cbq_more));
	if (h->root->more == NULL)
		return error_set(err, ENOMEM, "cbq: out of memory");
	cbq_more(cl)->inner = qdisc_alloc(q, sizeof(struct cbq_inner));
	if (cbq_more(cl)->inner == NULL || allocate_chunks(q, &cbq_more(cl)->chunks) != 0)
		return error_set(err, ENOMEM, "cbq: out of memory");
	give_chunks(h, cbq_more(cl));
	root = merged(&root, conf);
	set_conf(cl, &root);
	cl->minor = 0;
	cl->level = 1;
	cl->avgidle = cl->maxidle;
	cl->last_ns = now;
	cl->deficit = (int64_t)root.allot << 16;
	weigh(h, cl, true);
	return 0;
}

/* ---- classes */

static int
check_rates(const struct qdisc *q, const struct class *c, const struct class *parent, uint64_t Bps, struct error *err)
{
	const struct cbq *h = qdisc_priv(q);
	const struct class *above = parent != NULL ? parent : h->root;
	uint64_t most = ((const struct cbq_more *)above->more)->conf.rate.Bps;

	if (c != h->root && Bps > most)
		return error_set(err, EINVAL,
			"cbq: the rate of class %x:%x, %s, must not be above the %s of its parent %x:%x",
			TC_H_MAJ(c->classid) >> 16, TC_H_MIN(c->classid), rate_text(Bps).text, rate_text(most).text,
			TC_H_MAJ(above->classid) >> 16, TC_H_MIN(above->classid));
	/* A class that is being made has none below it. */
	if (sched_class_find(q, c->classid) != c)
		return 0;
	for (const struct class *below = h->classes->first; below != NULL; below = below->next) {
		const struct cbq_more *more = below->more;

		if (below != h->root && (below->parent == c || (c == h->root && below->parent == NULL)) &&
			more->conf.rate.Bps > Bps)
			return error_set(err, EINVAL,
				"cbq: the rate of class %x:%x, %s, must not be below the %s of its child %x:%x",
				TC_H_MAJ(c->classid) >> 16, TC_H_MIN(c->classid), rate_text(Bps).text,
				rate_text(more->conf.rate.Bps).text, TC_H_MAJ(below->classid) >> 16,
				TC_H_MIN(below->classid));
	}
	return 0;
}

/* All that it takes to link the class. */
static int
allocate(struct class *c, const struct class *parent)
{
	struct cbq_more *more;

	c->more = more = qdisc_alloc(c->qdisc, sizeof(*more));
	if (more == NULL)
		return -ENOMEM;
	if (parent != NULL && ((struct cbq_more *)parent->more)->inner == NULL) {
		more->parents_inner = qdisc_alloc(c->qdisc, sizeof(*more->parents_inner));
		if (more->parents_inner == NULL)
			return -ENOMEM;
	}
	return allocate_chunks(c->qdisc, &more->chunks);
}

static unsigned int
depth_of(const struct class *c)
{
	unsigned int depth = 0;

	for (; c != NULL; c = c->parent)
		depth++;
	return depth;
}

int
cbq_class_init(struct class *c, struct class *parent, const void *conf, uint64_t now, struct error *err)
{
	const struct cbq *h = qdisc_priv(c->qdisc);
	const struct cbq_conf *given = conf, *root = &((struct cbq_more *)h->root->more)->conf;
	struct cbq_class *cl = class_priv(c);
	/* What is not said is the link's. */
	struct cbq_conf start = { .prio = CBQ_PRIO_MAX,
		.allot = root->allot,
		.ewma_log = root->ewma_log,
		.avpkt = root->avpkt,
		.maxidle_ns = root->maxidle_ns,
		.minidle_ns = CBQ_MINIDLE_NONE };
	int rc = check_conf(given, CBQ_RATE | CBQ_WRR | CBQ_LINK_SHARING, err);

	if (rc == 0)
		rc = check_rates(c->qdisc, c, parent, given->rate.Bps, err);
	if (rc == 0)
		rc = check_split(h, c, parent, given, err);
	if (rc != 0)
		return rc;
	if (depth_of(parent) >= CBQ_LEVELS - 1)
		return error_set(err, EINVAL, "cbq: tree is too deep, a class may have at most %d classes above it",
			CBQ_LEVELS - 2);
	if (allocate(c, parent) != 0)
		return error_set(
			err, ENOMEM, "out of memory for class %x:%x", TC_H_MAJ(c->classid) >> 16, TC_H_MIN(c->classid));
	start = merged(&start, given);
	start.split = given->split;
	start.defmap = given->defmap;
	start.defchange = given->defchange;
	set_conf(cl, &start);
	cl->minor = (uint16_t)TC_H_MIN(c->classid);
	cl->avgidle = (given->given & CBQ_MAXIDLE) != 0 ? cl->maxidle : 0;
	cl->last_ns = now;
	cl->deficit = (int64_t)start.allot << 16;
	return 0;
}

static bool
is_child(const struct cbq *h, const struct class *c, const struct class *of)
{
	return c != h->root && (c->parent == of || (of == h->root && c->parent == NULL));
}

/* By its children's, without `gone`; up to where nothing changes. */
static void
level_up(struct cbq *h, struct class *c, const struct class *gone, uint64_t now)
{
	for (; c != NULL; c = c == h->root ? NULL : c->parent != NULL ? c->parent : h->root) {
		struct cbq_class *cl = class_priv(c);
		unsigned int level = c == h->root ? 1 : 0;

		for (struct class *below = h->classes->first; below != NULL; below = below->next) {
			if (below != gone && is_child(h, below, c))
				level = RTE_MAX(level, cbq_level_of(below) + 1);
		}
		if (level == cl->level)
			return;
		cbq_take_out(h, cl);
		cl->level = (uint8_t)level;
		cbq_put_in(h, cl, now);
	}
}

void
cbq_class_link(struct class *c)
{
	struct cbq *h = qdisc_priv(c->qdisc);
	struct class *parent = c->parent != NULL ? c->parent : h->root;
	struct cbq_class *cl = class_priv(c);
	struct cbq_more *more = c->more;

	give_chunks(h, more);
	if (more->parents_inner != NULL && ((struct cbq_more *)parent->more)->inner == NULL) {
		((struct cbq_more *)parent->more)->inner = more->parents_inner;
		more->parents_inner = NULL;
	}
	weigh(h, cl, true);
	if (cl->isolated)
		reserve(h, cl, more->conf.rate.Bps, true);
	if (cbq_level_of(parent) == 0)
		level_up(h, parent, NULL, c->qdisc->tree->now);
	set_split(h, c, &more->conf);
	h->ahead = (struct cbq_look_ahead){ 0 };
}

void
cbq_class_unlink(struct class *c)
{
	struct cbq *h = qdisc_priv(c->qdisc);
	struct class *parent = c->parent != NULL ? c->parent : h->root;
	struct cbq_class *cl = class_priv(c);
	const struct cbq_conf nothing = { .given = CBQ_SPLIT, .defchange = UINT32_MAX };

	set_split(h, c, &nothing);
	cbq_disarm(h, cl);
	weigh(h, cl, false);
	if (cl->isolated)
		reserve(h, cl, cbq_more(cl)->conf.rate.Bps, false);
	if (cbq_level_of(parent) == cl->level + 1u)
		level_up(h, parent, c, c->qdisc->tree->now);
	h->ahead = (struct cbq_look_ahead){ 0 };
}

int
cbq_class_change(struct class *c, const void *conf, uint64_t now, struct error *err)
{
	struct cbq *h = qdisc_priv(c->qdisc);
	const struct cbq_conf *given = conf;
	struct cbq_class *cl = class_priv(c);
	struct cbq_conf changed;
	int rc = check_conf(given, 0, err);

	if (rc == 0 && (given->given & CBQ_RATE) != 0)
		rc = check_rates(c->qdisc, c, c->parent, given->rate.Bps, err);
	if (rc == 0)
		rc = check_split(h, c, c->parent, given, err);
	if (rc != 0)
		return rc;
	changed = merged(&cbq_more(cl)->conf, given);
	/* The link neither borrows nor is lent. */
	if (c == h->root)
		changed.bounded = changed.isolated = true;
	cbq_take_out(h, cl);
	weigh(h, cl, false);
	if (cl->isolated && c != h->root)
		reserve(h, cl, cbq_more(cl)->conf.rate.Bps, false);
	set_conf(cl, &changed);
	if (cl->isolated && c != h->root)
		reserve(h, cl, changed.rate.Bps, true);
	weigh(h, cl, true);
	if ((given->given & CBQ_MAXIDLE) != 0)
		cl->avgidle = cl->maxidle;
	/* How long it has to wait was said of the rate before. */
	if ((given->given & (CBQ_RATE | CBQ_LINK_SHARING)) != 0)
		cl->until_ns = 0;
	set_split(h, c, given);
	cbq_put_in(h, cl, now);
	return 0;
}

void
cbq_class_destroy(struct class *c)
{
	struct cbq *h = qdisc_priv(c->qdisc);
	struct cbq_more *more = c->more;

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
