/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * prio: 2 to 16 bands, each a class with a leaf qdisc of its own, and always the first band that can give a packet is
 * served (tc-prio(8)).
 *
 * A packet's band is, in this order: its priority, if that names a class of this qdisc (1:2 is band 1); the minor of
 * the classid that a filter gave it; or its priority's place in the priomap. A minor beyond the bands and a priority
 * that names another qdisc's class go where priority 0 goes, as Linux has it.
 */
#include <string.h>

#include <weir/qdisc/prio.h>
#include <weir/sched.h>

#include "leaf.h"
#include "tree.h"

#define PRIO_BURST SCHED_BURST

struct prio {
	uint32_t busy; /* bit b: band b holds packets */
	uint32_t bands;
	struct class *classes[TCQ_PRIO_BANDS]; /* NULL from `bands` on */
	uint8_t priomap[TC_PRIO_MAX + 1];
};

static const struct prio_conf defaults = {
	.bands = 3,
	.priomap = { 1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1 },
};

static inline unsigned int
band_of(const struct class *c)
{
	return TC_H_MIN(c->classid) - 1;
}

/* ---- classification */

/* On the rx worker perhaps, while the owner changes bands: the packets are then classified again. */
static struct class *
class_at(const struct prio *p, uint32_t band)
{
	struct class *c = __atomic_load_n(&p->classes[band], __ATOMIC_ACQUIRE);

	return likely(c != NULL) ? c : __atomic_load_n(&p->classes[0], __ATOMIC_ACQUIRE);
}

/* A minor of 0 or beyond the bands: where priority 0 goes. */
static struct class *
class_by_minor(const struct prio *p, uint32_t minor)
{
	uint32_t band = minor - 1;

	if (band >= TCQ_PRIO_BANDS || __atomic_load_n(&p->classes[band], __ATOMIC_ACQUIRE) == NULL)
		band = p->priomap[0];
	return class_at(p, band);
}

static struct class *
class_by_priority(const struct prio *p, uint32_t priority)
{
	return class_at(p, p->priomap[TC_H_MAJ(priority) != 0 ? 0 : priority & TC_PRIO_MAX]);
}

static struct class *
class_by_verdict(const struct prio *p, struct rte_mbuf *m, const struct verdict *verdict)
{
	switch (verdict->action) {
	case TC_ACT_UNSPEC:
		return class_by_priority(p, pkt_of(m)->priority);
	case TC_ACT_OK:
	case TC_ACT_PIPE:
		return class_by_minor(p, TC_H_MIN(verdict->classid));
	default: /* dropped, or in other hands */
		pkt_of(m)->flags |= PKT_SHOT;
		return NULL;
	}
}

static void
prio_classify(
	const struct qdisc *q, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n, uint32_t *leaves)
{
	const struct prio *p = qdisc_priv(q);
	const struct chain *chain = __atomic_load_n(&q->chain, __ATOMIC_ACQUIRE);
	bool filters = chain != NULL && !chain_empty(chain);
	struct rte_mbuf *asked[PRIO_BURST];
	struct verdict verdicts[PRIO_BURST];
	uint16_t asked_at[PRIO_BURST], asked_count = 0;

	for (uint16_t i = 0; i < n; i++) {
		uint32_t priority = pkt_of(pkts[i])->priority;

		if (TC_H_MAJ(priority) == q->handle && q->handle != 0) {
			leaves[i] = class_slot(class_by_minor(p, TC_H_MIN(priority)));
		} else if (!filters) {
			leaves[i] = class_slot(class_by_priority(p, priority));
		} else {
			asked_at[asked_count] = i;
			asked[asked_count++] = pkts[i];
		}
	}
	if (asked_count == 0)
		return;
	chain_classify(chain, ctx, asked, asked_count, verdicts);
	for (uint16_t i = 0; i < asked_count; i++)
		leaves[asked_at[i]] = class_slot(class_by_verdict(p, asked[i], &verdicts[i]));
}

/* ---- data path */

/* Packets of a burst by band, in order: each leaf is called once. */
struct sorted {
	uint16_t counts[TCQ_PRIO_BANDS];
	struct rte_mbuf *pkts[TCQ_PRIO_BANDS][PRIO_BURST];
};

/* The class of q on the way to what stands at `leaf`, of which there may be thousands; NULL: none. */
static inline struct class *
own_class(const struct qdisc *q, uint32_t leaf)
{
	const struct qdisc *owner = leaf == PKT_LEAF_NONE ? NULL : tree_owner_at(q->tree, leaf);

	if (owner == q)
		return tree_class_at(q->tree, leaf);
	return owner == NULL ? NULL : tree_class_above(q, owner->parent);
}

/* Returns a bit for each band that has any. */
static uint32_t
sort(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, struct sorted *sorted)
{
	uint32_t bands = 0;

	memset(sorted->counts, 0, sizeof(sorted->counts));
	for (uint16_t i = 0; i < n; i++) {
		const struct class *c = own_class(q, pkt_of(pkts[i])->leaf);

		if (unlikely(c == NULL)) {
			qdisc_drop(q, pkts[i], DROP_UNCLASSIFIED);
			continue;
		}
		unsigned int band = band_of(c);

		sorted->pkts[band][sorted->counts[band]++] = pkts[i];
		bands |= UINT32_C(1) << band;
	}
	return bands;
}

static uint16_t
prio_enqueue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	const struct prio *p = qdisc_priv(q);
	struct sorted sorted;
	uint16_t queued = 0;

	for (uint16_t done = 0; done < n; done += PRIO_BURST) {
		uint32_t bands = sort(q, pkts + done, RTE_MIN(n - done, PRIO_BURST), &sorted);

		for (; bands != 0; bands &= bands - 1) {
			unsigned int band = (unsigned int)__builtin_ctz(bands);

			queued += qdisc_enqueue(p->classes[band]->leaf, sorted.pkts[band], sorted.counts[band], now);
		}
	}
	return queued;
}

static uint16_t
prio_dequeue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct prio *p = qdisc_priv(q);
	uint16_t got = 0;

	/* A busy band may have nothing to give yet (a shaper): the next one is served then. */
	for (uint32_t left = p->busy; left != 0 && got < n; left &= left - 1)
		got += qdisc_dequeue(p->classes[__builtin_ctz(left)]->leaf, pkts + got, n - got, now);
	return got;
}

static struct rte_mbuf *
prio_peek(struct qdisc *q, uint64_t now)
{
	const struct prio *p = qdisc_priv(q);

	for (uint32_t left = p->busy; left != 0; left &= left - 1) {
		struct rte_mbuf *m = qdisc_peek(p->classes[__builtin_ctz(left)]->leaf, now);

		if (m != NULL)
			return m;
	}
	return NULL;
}

static uint16_t
prio_flush(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct prio *p = qdisc_priv(q);
	uint16_t got = 0;

	for (uint32_t left = p->busy; left != 0 && got < n; left &= left - 1)
		got += qdisc_flush(p->classes[__builtin_ctz(left)]->leaf, pkts + got, n - got);
	return got;
}

static uint64_t
prio_next_event(const struct qdisc *q, uint64_t now)
{
	const struct prio *p = qdisc_priv(q);
	uint64_t earliest = SCHED_NEVER;

	for (uint32_t left = p->busy; left != 0 && earliest > now; left &= left - 1) {
		uint64_t at = qdisc_next_event(p->classes[__builtin_ctz(left)]->leaf, now);

		earliest = RTE_MIN(earliest, at);
	}
	return earliest;
}

static void
prio_activate(struct class *c, uint64_t now)
{
	struct prio *p = qdisc_priv(c->qdisc);

	p->busy |= UINT32_C(1) << band_of(c);
}

static void
prio_deactivate(struct class *c, uint64_t now)
{
	struct prio *p = qdisc_priv(c->qdisc);

	p->busy &= ~(UINT32_C(1) << band_of(c));
}

/* ---- configuration */

static int
check(const struct prio_conf *c, struct error *err)
{
	if (c->bands < TCQ_MIN_PRIO_BANDS || c->bands > TCQ_PRIO_BANDS)
		return error_set(err, EINVAL, "prio: %u bands; there must be %d to %d", c->bands, TCQ_MIN_PRIO_BANDS,
			TCQ_PRIO_BANDS);
	for (unsigned int i = 0; i <= TC_PRIO_MAX; i++) {
		if (c->priomap[i] >= c->bands)
			return error_set(err, EINVAL,
				"prio: the priomap gives priority %u band %u, but the %u bands are 0 to %u; give a "
				"priomap",
				i, c->priomap[i], c->bands, c->bands - 1);
	}
	return 0;
}

/*
 * Also run by the owner, for a change. Bands that are not there yet are made first: if memory is out, nothing has
 * changed.
 */
static int
make_bands(struct qdisc *q, uint32_t bands, struct error *err)
{
	struct prio *p = qdisc_priv(q);
	struct class *made[TCQ_PRIO_BANDS];

	for (uint32_t band = p->bands; band < bands; band++) {
		int rc = class_create(q, q->handle | (band + 1), "pfifo", NULL, &made[band], err);

		if (rc != 0) {
			/* In init (no band yet) they go with the qdisc. */
			while (p->bands != 0 && band-- > p->bands)
				class_remove(made[band]);
			return rc;
		}
	}
	for (uint32_t band = p->bands; band < bands; band++)
		__atomic_store_n(&p->classes[band], made[band], __ATOMIC_RELEASE);
	return 0;
}

/*
 * What waits is enqueued anew where the priomap is another one, so that no packet is overtaken by later ones of its
 * flow, and what was in bands that are gone (Linux drops it).
 */
static int
prio_change(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	struct prio *p = qdisc_priv(q);
	const struct prio_conf *c = conf == NULL ? &defaults : conf;
	int rc = check(c, err);

	if (rc == 0)
		rc = make_bands(q, c->bands, err);
	if (rc != 0)
		return rc;
	if (memcmp(p->priomap, c->priomap, sizeof(p->priomap)) != 0)
		qdisc_evacuate(q);
	for (uint32_t band = c->bands; band < p->bands; band++) {
		struct class *gone = p->classes[band];

		__atomic_store_n(&p->classes[band], NULL, __ATOMIC_RELEASE);
		class_remove(gone);
	}
	p->bands = c->bands;
	memcpy(p->priomap, c->priomap, sizeof(p->priomap));
	return 0;
}

static void
prio_get_conf(const struct qdisc *q, void *conf)
{
	const struct prio *p = qdisc_priv(q);
	struct prio_conf *c = conf;

	c->bands = p->bands;
	memcpy(c->priomap, p->priomap, sizeof(c->priomap));
}

static const struct class_ops prio_class_ops = {
	.classify = prio_classify,
	.activate = prio_activate,
	.deactivate = prio_deactivate,
};

static const struct qdisc_ops prio_ops = {
	.kind = "prio",
	.size = sizeof(struct prio),
	.conf_size = sizeof(struct prio_conf),
	.init = prio_change,
	.change = prio_change,
	.enqueue = prio_enqueue,
	.dequeue = prio_dequeue,
	.peek = prio_peek,
	.flush = prio_flush,
	.next_event = prio_next_event,
	.get_conf = prio_get_conf,
	.classes = &prio_class_ops,
};
QDISC_REGISTER(prio_ops)
