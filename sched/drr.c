/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * drr: classes of any kind of qdisc, which take turns and share the link's bytes by their quanta (tc-drr(8); M.
 * Shreedhar and G. Varghese, "Efficient Fair Queuing Using Deficit Round Robin", SIGCOMM 1995).
 *
 * A class whose turn it is sends while what it may still send, its deficit, lasts for the next packet; else it gets
 * another quantum and goes behind the others. One that comes back from being empty starts with a quantum.
 *
 *   ring:   current -> class (deficit 300, next packet 1000: passes) -> class -> class -+
 *              ^------------------------------------------------------------------------+
 *
 * A class whose qdisc holds packets but gives none yet (a shaper) is parked: out of the ring until the qdisc's next
 * event, or until another packet comes to it, which may be ready sooner.
 */
#include <stdlib.h>

#include <weir/qdisc/drr.h>

#include "leaf.h"
#include "tree.h"
#include "waiting.h"
#include "wheel.h"

#define DRR_MINORS 65536u
#define DRR_BURST  32
#define DRR_FEW    16 /* so many classes, and what they touch, stay near the processor by themselves */

/* A place in the ring, by the minor of a class's id: many neighbours share a line. 0: in no ring. */
struct drr_turn {
	uint16_t next, previous;
};

struct drr_class {
	int64_t deficit; /* bytes */
	uint32_t quantum; /* bytes */
	uint32_t inverse; /* 2^32 / quantum, rounded down */
	bool parked;
	struct parking parking;
};

struct drr {
	struct drr_turn *turns; /* DRR_MINORS of them */
	uint32_t current; /* whose turn it is; 0: nobody is in the ring */
	uint32_t count; /* in the ring */
	uint32_t served; /* classes that had their turns in the last dequeue */
	uint32_t chunks; /* of the wheel, those on their way from init to link included; control's */
	struct wheel wheel; /* of parked classes */
};

static inline struct class *
class_at(const struct qdisc *q, uint32_t minor)
{
	return q->class_table->pages[minor >> 8]->classes[minor & 0xff];
}

/* ---- the ring */

static void
ring_add(struct drr *d, uint32_t minor)
{
	struct drr_turn *turns = d->turns;

	d->count++;
	if (d->current == 0) {
		turns[minor] = (struct drr_turn){ .next = (uint16_t)minor, .previous = (uint16_t)minor };
		d->current = minor;
		return;
	}
	uint16_t last = turns[d->current].previous;

	turns[minor] = (struct drr_turn){ .next = (uint16_t)d->current, .previous = last };
	turns[last].next = (uint16_t)minor;
	turns[d->current].previous = (uint16_t)minor;
}

static void
ring_remove(struct drr *d, uint32_t minor)
{
	struct drr_turn *turns = d->turns, links = turns[minor];

	d->count--;
	if (d->current == minor)
		d->current = links.next == minor ? 0 : links.next;
	turns[links.previous].next = links.next;
	turns[links.next].previous = links.previous;
	turns[minor] = (struct drr_turn){ 0 };
}

static inline bool
in_ring(const struct drr *d, const struct class *c)
{
	return d->turns[TC_H_MIN(c->classid)].next != 0;
}

/* ---- waiting */

static void
park(struct drr *d, struct class *c, uint64_t until_ns)
{
	struct drr_class *cl = class_priv(c);

	ring_remove(d, TC_H_MIN(c->classid));
	cl->parked = true;
	parking_wait(&cl->parking, &d->wheel, (uintptr_t)c, until_ns);
}

/* It keeps its deficit. */
static void
unpark(struct drr *d, struct class *c)
{
	struct drr_class *cl = class_priv(c);

	if (!cl->parked)
		return;
	cl->parked = false;
	ring_add(d, TC_H_MIN(c->classid));
}

static void
wake_due(struct drr *d, uint64_t now)
{
	uintptr_t due[DRR_BURST];
	unsigned int n;

	while ((n = wheel_pop(&d->wheel, now, due, DRR_BURST)) != 0) {
		for (unsigned int i = 0; i < n; i++) {
			struct class *c = (struct class *)due[i];
			struct drr_class *cl = class_priv(c);

			cl->parking.armed = false;
			if (cl->parked && parking_is_over(&cl->parking, &d->wheel, due[i], now))
				unpark(d, c);
		}
	}
}

static void
drr_activate(struct class *c, uint64_t now)
{
	struct drr_class *cl = class_priv(c);

	(void)now;
	cl->deficit = cl->quantum;
	ring_add(qdisc_priv(c->qdisc), TC_H_MIN(c->classid));
}

static void
drr_deactivate(struct class *c, uint64_t now)
{
	struct drr *d = qdisc_priv(c->qdisc);

	(void)now;
	if (in_ring(d, c))
		ring_remove(d, TC_H_MIN(c->classid));
	((struct drr_class *)class_priv(c))->parked = false;
}

/* What it was parked for may come sooner now. */
static void
drr_grafted(struct class *c, uint64_t now)
{
	(void)now;
	unpark(qdisc_priv(c->qdisc), c);
}

/* ---- data path */

static uint16_t
drr_enqueue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	return leaf_enqueue(q, NULL, pkts, n, now);
}

/* How many classes will have a turn in a dequeue, if it is like the last one. */
static inline uint32_t
turns_ahead(const struct drr *d)
{
	uint32_t n = RTE_MIN(d->served + 1, d->count);

	return RTE_MIN(n, (uint32_t)DRR_BURST);
}

/* At the end of a dequeue: as many classes as had their turns in it, and their qdiscs, for the next one. */
static void
fetch_classes(const struct qdisc *q, const struct drr *d)
{
	uint32_t n = turns_ahead(d), minor = d->current;

	for (uint32_t i = 0; i < n; i++, minor = d->turns[minor].next)
		class_prefetch(class_at(q, minor));
}

/* At its start: what those qdiscs will touch, all of it together. */
static void
fetch_packets(const struct qdisc *q, const struct drr *d)
{
	uint32_t n = turns_ahead(d), minor = d->current;

	for (uint32_t i = 0; i < n; i++, minor = d->turns[minor].next)
		leaf_prefetch_queue(class_at(q, minor));
}

/* What the next packets of a leaf count; 0: it gives none now. */
static inline uint16_t
next_bytes(struct qdisc *leaf, uint32_t *bytes, uint16_t n, uint64_t now)
{
	uint16_t known = qdisc_peek_bytes(leaf, bytes, n);
	const struct rte_mbuf *m;

	if (likely(known != 0))
		return known;
	m = qdisc_peek(leaf, now);
	if (m == NULL)
		return 0;
	bytes[0] = pkt_queued_bytes(m);
	return 1;
}

/* A part of c's turn, or its end: returns how many packets it gave. */
static uint16_t
serve(struct drr *d, struct class *c, struct rte_mbuf **pkts, uint16_t n, struct leaf_sums *sums, uint64_t now)
{
	struct drr_class *cl = class_priv(c);
	struct qdisc *leaf = c->leaf;
	uint32_t bytes[DRR_BURST];
	uint64_t sent;
	uint16_t known = next_bytes(leaf, bytes, RTE_MIN(n, DRR_BURST), now), got = 0, fitting = 0;
	int64_t left = cl->deficit;

	while (fitting < known && (left -= bytes[fitting]) >= 0)
		fitting++;
	if (fitting != 0) {
		got = leaf_give(c, pkts, fitting, &sent, sums, now);
		cl->deficit -= (int64_t)sent;
	} else if (known != 0) {
		cl->deficit += cl->quantum;
		d->current = d->turns[d->current].next;
	} else if (in_ring(d, c)) { /* it may have dropped all that it held (CoDel), and is out of the ring then */
		park(d, c, qdisc_next_event(leaf, now));
	}
	return got;
}

/*
 * Nobody could send in a whole round, because quanta are far below the packets' size. As many rounds as it takes at
 * least are given at once, so that a packet costs no more than a few passes over the classes.
 */
static void
skip_idle_rounds(const struct qdisc *q, const struct drr *d, uint64_t now)
{
	uint64_t rounds = UINT64_MAX;
	uint32_t minor = d->current;

	for (uint32_t i = 0; i < d->count; i++, minor = d->turns[minor].next) {
		const struct class *c = class_at(q, minor);
		const struct drr_class *cl = class_priv(c);
		uint32_t bytes;

		if (next_bytes(c->leaf, &bytes, 1, now) == 0 || cl->deficit >= bytes)
			return;
		rounds = RTE_MIN(rounds, (uint64_t)(bytes - cl->deficit) * cl->inverse >> 32);
	}
	for (uint32_t i = 0; i < d->count; i++, minor = d->turns[minor].next) {
		struct drr_class *cl = class_priv(class_at(q, minor));

		cl->deficit += (int64_t)(rounds * cl->quantum);
	}
}

static uint16_t
drr_dequeue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct drr *d = qdisc_priv(q);
	struct leaf_sums sums = { 0 };
	uint32_t in_vain = 0; /* turns in a row */
	uint16_t got = 0;

	wake_due(d, now);
	if (d->count > DRR_FEW)
		fetch_packets(q, d);
	d->served = 0;
	while (got < n && d->current != 0) {
		uint32_t turn = d->current;
		uint16_t sent = serve(d, class_at(q, turn), pkts + got, n - got, &sums, now);

		got += sent;
		d->served += d->current != turn;
		in_vain = sent != 0 ? 0 : in_vain + 1;
		if (unlikely(in_vain > d->count)) {
			skip_idle_rounds(q, d, now);
			in_vain = 0;
		}
	}
	qdisc_left_below(q, sums.packets, sums.bytes, now);
	if (d->count > DRR_FEW)
		fetch_classes(q, d);
	return got;
}

static uint16_t
drr_flush(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n)
{
	return class_table_flush(q->class_table, q, pkts, n);
}

static uint64_t
drr_next_event(const struct qdisc *q, uint64_t now)
{
	const struct drr *d = qdisc_priv(q);
	uint32_t minor = d->current;
	uint64_t earliest;

	if (q->backlog_pkts == 0)
		return SCHED_NEVER;
	earliest = wheel_next(&d->wheel);
	for (uint32_t i = 0; i < d->count && earliest > now; i++, minor = d->turns[minor].next) {
		uint64_t at = qdisc_next_event(class_at(q, minor)->leaf, now);

		earliest = RTE_MIN(earliest, at);
	}
	return RTE_MAX(earliest, now);
}

/* ---- classification */

/*
 * A priority that is a class's id decides, else the filters do; what they give no class is dropped, as on Linux. The
 * burst's misses on what they name overlap.
 */
static void
drr_classify(
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
		asked[count] = pkts[i];
		places[count++] = i;
	}
	if (count == 0 || chain == NULL || chain_empty(chain))
		return;
	chain_classify(chain, ctx, asked, count, verdicts);
	for (uint16_t i = 0; i < count; i++) {
		if (verdicts[i].action == TC_ACT_OK || verdicts[i].action == TC_ACT_PIPE)
			leaves[places[i]] = class_leaf_slot(q, verdicts[i].classid);
		else if (verdicts[i].action != TC_ACT_UNSPEC)
			pkt_of(asked[i])->flags |= PKT_SHOT;
	}
}

/* ---- classes */

static int
check_class(const struct drr_class_conf *conf, struct error *err)
{
	if (conf->has_quantum && conf->quantum == 0)
		return error_set(err, EINVAL, "Specified DRR quantum cannot be zero");
	return 0;
}

static void
set_quantum(struct drr_class *cl, uint32_t quantum)
{
	cl->quantum = quantum;
	cl->inverse = (uint32_t)RTE_MIN((UINT64_C(1) << 32) / quantum, UINT32_MAX);
}

/* What the wheel needs to hold every class once, with one class more; kept in c->more until it is linked. */
static int
allocate_chunks(struct class *c)
{
	struct drr *d = qdisc_priv(c->qdisc);
	uint32_t needed = wheel_chunks_for(c->qdisc->class_table->count + 1);

	for (; d->chunks < needed; d->chunks++) {
		struct wheel_chunk *chunk = qdisc_alloc(c->qdisc, sizeof(*chunk));

		if (chunk == NULL)
			return -ENOMEM;
		chunk->next = c->more;
		c->more = chunk;
	}
	return 0;
}

static int
drr_class_init(struct class *c, struct class *parent, const void *conf, uint64_t now, struct error *err)
{
	const struct drr_class_conf *given = conf;
	int rc = check_class(given, err);

	(void)now;
	if (rc != 0)
		return rc;
	if (parent != NULL)
		return error_set(err, EINVAL,
			"drr: its classes stand side by side, so %x:%x cannot be below %x:%x; put another qdisc there",
			TC_H_MAJ(c->classid) >> 16, TC_H_MIN(c->classid), TC_H_MAJ(parent->classid) >> 16,
			TC_H_MIN(parent->classid));
	set_quantum(class_priv(c), given->has_quantum ? given->quantum : qdisc_mtu(c->qdisc) + 14);
	if (allocate_chunks(c) != 0)
		return error_set(
			err, ENOMEM, "out of memory for class %x:%x", TC_H_MAJ(c->classid) >> 16, TC_H_MIN(c->classid));
	return 0;
}

static void
drr_class_destroy(struct class *c)
{
	struct drr *d = qdisc_priv(c->qdisc);

	while (c->more != NULL) {
		struct wheel_chunk *chunk = c->more;

		c->more = chunk->next;
		qdisc_dealloc(c->qdisc, chunk, sizeof(*chunk));
		d->chunks--;
	}
}

static void
drr_class_link(struct class *c)
{
	struct drr *d = qdisc_priv(c->qdisc);

	while (c->more != NULL) {
		struct wheel_chunk *chunk = c->more;

		c->more = chunk->next;
		wheel_give(&d->wheel, chunk);
	}
}

static void
drr_class_unlink(struct class *c)
{
	struct drr *d = qdisc_priv(c->qdisc);
	struct drr_class *cl = class_priv(c);

	parking_leave(&cl->parking, &d->wheel, (uintptr_t)c);
}

static int
drr_class_change(struct class *c, const void *conf, uint64_t now, struct error *err)
{
	const struct drr_class_conf *given = conf;
	int rc = check_class(given, err);

	(void)now;
	if (rc == 0 && given->has_quantum)
		set_quantum(class_priv(c), given->quantum);
	return rc;
}

static void
drr_class_get_conf(const struct class *c, void *conf)
{
	const struct drr_class *cl = class_priv(c);

	*(struct drr_class_conf *)conf = (struct drr_class_conf){ .quantum = cl->quantum, .has_quantum = true };
}

static void
drr_class_get_xstats(const struct class *c, void *xstats)
{
	const struct drr_class *cl = class_priv(c);

	((struct drr_class_xstats *)xstats)->deficit = c->leaf->backlog_pkts != 0 ? (uint32_t)cl->deficit : 0;
}

static void
drr_class_get_stats(const struct class *c, struct sched_stats *stats)
{
	qdisc_get_stats(c->leaf, stats);
	stats->bytes += c->past_bytes;
	stats->packets += c->past_packets;
	stats->drops += c->past_drops;
	stats->overlimits = stats->requeues = 0; /* its leaf's are not its own */
}

/* ---- the qdisc */

static int
drr_init(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	struct drr *d = qdisc_priv(q);

	(void)conf;
	wheel_init(&d->wheel, now);
	/* Not the arena's: of this, only the pages that are touched are to be memory. */
	d->turns = calloc(DRR_MINORS, sizeof(*d->turns));
	return d->turns != NULL ? 0 : error_set(err, ENOMEM, "out of memory for the turns of drr's classes");
}

static void
drr_destroy(struct qdisc *q)
{
	struct drr *d = qdisc_priv(q);
	struct wheel_chunk *chunk;

	while ((chunk = wheel_take(&d->wheel)) != NULL)
		qdisc_dealloc(q, chunk, sizeof(*chunk));
	free(d->turns);
}

static void
drr_get_conf(const struct qdisc *q, void *conf)
{
}

static const struct class_ops drr_classes = {
	.size = sizeof(struct drr_class),
	.conf_size = sizeof(struct drr_class_conf),
	.init = drr_class_init,
	.change = drr_class_change,
	.link = drr_class_link,
	.unlink = drr_class_unlink,
	.destroy = drr_class_destroy,
	.classify = drr_classify,
	.activate = drr_activate,
	.deactivate = drr_deactivate,
	.grafted = drr_grafted,
	.no_class_filters = "DRR classid must be zero",
	.get_conf = drr_class_get_conf,
	.get_xstats = drr_class_get_xstats,
	.get_stats = drr_class_get_stats,
};

static const struct qdisc_ops drr_ops = {
	.kind = "drr",
	.size = sizeof(struct drr),
	.init = drr_init,
	.destroy = drr_destroy,
	.enqueue = drr_enqueue,
	.dequeue = drr_dequeue,
	.flush = drr_flush,
	.next_event = drr_next_event,
	.get_conf = drr_get_conf,
	.classes = &drr_classes,
};
QDISC_REGISTER(drr_ops)
