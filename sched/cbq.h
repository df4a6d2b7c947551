/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of CBQ share: cbq.c (classification and operations), cbq_class.c (configuration), cbq_estimator.h (who
 * is over its limit, and until when), cbq_share.c (who may send, and whose turn it is), cbq_top_level.c (who may by the
 * top-level guidelines) and cbq_serve.c (timers and sending).
 *
 * Sources: S. Floyd and V. Jacobson, "Link-sharing and Resource Management Models for Packet Networks", IEEE/ACM ToN
 * 3(4), 1995; S. Floyd, "Notes on CBQ and Guaranteed Service", 1995, and "Notes on Class-Based Queueing: Setting
 * Parameters", 1996; tc-cbq(8) and tc-cbq-details(8).
 *
 * A class that has used more than its rate of late is over its limit, and regulated: it waits, or borrows. The formal
 * link-sharing guidelines of the paper say who may send:
 *
 *   1. a class that is not over its limit, or
 *   2. one that has an ancestor at level i which is not over its limit, while there is no unsatisfied class (one that
 *      is not over its limit and has somebody waiting) at a level below i.
 *
 * Whoever waits at level 0 under its own limit is unsatisfied itself, and so is an ancestor under its limit with
 * somebody waiting to borrow. So the guidelines are kept by serving the lowest level that has anybody to serve:
 *
 *   rows:  level 2 (root)      prio 1..8     [root]---ring of those that borrow from the root
 *          level 1             prio 1..8     [agency]---ring of those that borrow from the agency
 *          level 0             prio 1..8     leaf  leaf  leaf     each at its own rate
 *
 * The paper's top-level guidelines, an approximation that asks less, are kept instead where cbq_set_top_level says so:
 * 2 is then an ancestor that is not over its limit at a level up to Top-Level, which is set by what comes and goes
 * (cbq_top_level.c).
 *
 * The root stands for the link. That it is over its limit only says that the link is faster than was said; so it always
 * lends, last of all.
 */
#ifndef WEIR_SCHED_CBQ_H
#define WEIR_SCHED_CBQ_H

#include <weir/qdisc/cbq.h>
#include <weir/rate.h>
#include <weir/sched.h>

#include "pkt_queue.h"
#include "row.h"
#include "tree.h"
#include "turns.h"
#include "waiting.h"
#include "wheel.h"

#define CBQ_LEVELS 9 /* the root's included */
#define CBQ_PRIOS  9 /* 1..8; 0 is not used */
#define CBQ_MINORS 65536u
#define CBQ_PLACES (1 + CBQ_MINORS + CBQ_MINORS * CBQ_PRIOS)

/* Where a class with somebody to serve stands. Who came to its row unseen says that it waits. */
enum cbq_standing {
	CBQ_OWN, /* not over its limit: in the row of its level */
	CBQ_BORROWS, /* in its parent's ring */
	CBQ_WAITS, /* bounded: nowhere */
};

/*
 * What a class waits for in the wheel, which knows it as the class's address with this in the lowest bits, and a leaf's
 * prio above it.
 */
enum cbq_wait {
	CBQ_WAIT_LIMIT, /* not to be over its limit any more */
	CBQ_WAIT_PARKED, /* a packet from its leaf qdisc */
	/*
	 * As CBQ_WAIT_LIMIT, of a bounded leaf: it stands nowhere meanwhile and sends nothing, so it can send then, and
	 * goes to its row unseen. When its turn comes its standing is mended.
	 */
	CBQ_WAIT_ROW,
};

#define CBQ_WAITS           2u /* at a time: for its limit in one way or the other, and parked */
#define CBQ_WAIT_MASK       3u
#define CBQ_WAIT_PRIO_SHIFT 2 /* prio - 1 */
#define CBQ_WAIT_BITS       31u

struct cbq_class {
	/* the rest of struct class's hot line */
	int64_t deficit; /* what its turn may still take: 2^-16 bytes */
	uint64_t until_ns; /* it is over its limit until then: undertime */
	uint16_t busy; /* a bit for each prio in which it has somebody to serve */
	uint16_t minor;
	uint8_t standing; /* enum cbq_standing; while it is busy */
	uint8_t level;
	uint8_t prio;
	uint8_t ewma_log;
	bool bounded : 1, isolated : 1;
	bool regulated : 1; /* over its limit, and somebody has been waiting ever since */
	bool parked : 1; /* its leaf has packets but gives none until the wheel says so */
	bool delayed : 1; /* it has an offtime */
	bool lends : 1; /* false: all of its rate is isolated classes' */
	bool armed : 1; /* stands in the wheel for its limit, never later than that ends, or in its row unseen */
	uint16_t place; /* of a leaf in its row, unless it came there unseen */
	uint32_t overactions; /* times that it was made to wait */
	/* a line: the estimator */
	int64_t avgidle; /* tokens, see weir/rate.h; at last_ns */
	int64_t maxidle, minidle;
	int64_t catch_up; /* maxidle's part while it is regulated: what it may save if it is served late */
	uint64_t last_ns; /* when it sent last */
	uint64_t share; /* weight x allot: divided by the mean weight of its prio, the bytes of a turn */
	struct rate rate;
};

/* What a class has while it has children, and the root always. */
struct cbq_inner {
	struct turn_ring rings[CBQ_PRIOS]; /* of those that borrow from it, its own queue among them */
};

/* What else there is of a class: class.more. */
struct cbq_more {
	uint32_t borrows;
	uint64_t sent_bytes, sent_packets; /* of classes below it */
	struct cbq_inner *inner; /* NULL until it has had a child */
	int64_t offtime; /* tokens */
	/* cold */
	struct parking parking;
	uint64_t reserved_Bps; /* of isolated classes below it */
	uint32_t given; /* CBQ_* but CBQ_SPLIT: what was said of it, then or later */
	uint32_t split, defmap; /* the class that sends it these priorities; 0: none */
	struct class *defaults[TC_PRIO_MAX + 1]; /* whom this class sends a priority to; NULL: nobody */
	struct cbq_inner *parents_inner; /* from init to link: for a parent that has none */
	struct wheel_chunk *chunks; /* likewise, for the wheel */
	struct cbq_conf conf;
};

/* Classes of one prio: a turn is as long as weight and allot say, in proportion to the mean weight. */
struct cbq_prio {
	uint64_t factor; /* 2^48 / mean weight */
	uint64_t weights; /* summed */
	uint32_t classes;
	uint32_t busy; /* leaves that have a turn */
	struct turn_scale scale;
};

#define CBQ_AHEAD 16 /* turns */
#define CBQ_FEW   64 /* so many busy classes, and what they touch, stay near the processor by themselves */

/* Who will have a turn: to fetch ahead. */
struct cbq_look_ahead {
	const struct turn_ring *ring;
	uint32_t turn; /* the place whose turn it was last */
	uint32_t scout; /* the place that was looked at last */
	unsigned int count;
	const struct class *seen[CBQ_AHEAD];
};

#define CBQ_BURST 64 /* packets, after which the classes above are charged at the latest */

/* Packets in a row that a class is to be charged with: by their places in cbq.billed. */
struct cbq_bill {
	struct cbq_class *cl;
	uint32_t first, count;
};

struct cbq {
	uint16_t busy_levels; /* a bit for each level with a busy row */
	uint8_t top_level; /* the paper's variable; CBQ_LEVELS: infinity */
	uint16_t busy_rows[CBQ_LEVELS]; /* a bit for each prio with a class that can send */
	struct row leaf_rows[CBQ_PRIOS]; /* level 0: of struct cbq_class */
	struct turn_ring rows[CBQ_LEVELS][CBQ_PRIOS]; /* from level 1 on */
	struct turn *turns; /* CBQ_PLACES of them */
	void **rounds; /* the memory of leaf_rows */
	const struct class_table *classes; /* by minor */
	struct class *root;
	struct cbq_prio prios[CBQ_PRIOS];
	struct cbq_look_ahead ahead;
	uint64_t served_ns; /* when it was last asked for packets */
	unsigned int bill_count, billed_count;
	struct cbq_bill bills[CBQ_BURST];
	uint32_t billed[CBQ_BURST]; /* bytes of each packet */
	uint32_t named; /* the minor of the last class that was given its id here; control's */
	uint32_t chunks; /* of the wheel, those on their way from init to link included; control's */
	struct wheel wheel;
};

static inline struct class *
cbq_class_of(const struct cbq_class *cl)
{
	return (struct class *)((uintptr_t)cl - offsetof(struct class, priv));
}

static inline struct cbq_more *
cbq_more(const struct cbq_class *cl)
{
	return cbq_class_of(cl)->more;
}

/* NULL: cl is the root. */
static inline struct cbq_class *
cbq_parent(const struct cbq *h, const struct cbq_class *cl)
{
	const struct class *c = cbq_class_of(cl);

	if (c->parent != NULL)
		return class_priv(c->parent);
	return c == h->root ? NULL : class_priv(h->root);
}

static inline bool
cbq_is_root(const struct cbq *h, const struct cbq_class *cl)
{
	return cbq_class_of(cl) == h->root;
}

/* The place of a leaf, or of a class's own queue; and of an inner class, one for each prio. */
static inline uint32_t
cbq_leaf_place(const struct cbq_class *cl)
{
	return 1u + cl->minor;
}

static inline uint32_t
cbq_inner_place(const struct cbq_class *cl, unsigned int prio)
{
	return 1 + CBQ_MINORS + cl->minor * (uint32_t)CBQ_PRIOS + prio;
}

static inline struct class *
cbq_class_at(const struct cbq *h, uint32_t place)
{
	uint32_t minor = place <= CBQ_MINORS ? place - 1 : (place - 1 - CBQ_MINORS) / CBQ_PRIOS;

	return h->classes->pages[minor >> 8]->classes[minor & 0xff];
}

static inline unsigned int
cbq_level_of(const struct class *c)
{
	return ((const struct cbq_class *)class_priv(c))->level;
}

/* Bytes of cl's turn, times 2^48. */
static inline unsigned __int128
cbq_quantum(const struct cbq *h, const struct cbq_class *cl)
{
	return (unsigned __int128)cl->share * h->prios[cl->prio].factor;
}

/* ---- cbq_class.c: struct class_ops's, and the root's class */

int cbq_root_init(struct qdisc *q, const struct cbq_conf *conf, uint64_t now, struct error *err);
int cbq_class_init(struct class *c, struct class *parent, const void *conf, uint64_t now, struct error *err);
int cbq_class_change(struct class *c, const void *conf, uint64_t now, struct error *err);
void cbq_class_link(struct class *c);
void cbq_class_unlink(struct class *c);
void cbq_class_destroy(struct class *c);

/* ---- cbq_share.c: at the owner */

/* The leaf qdisc has something to send, or nothing any more. */
void cbq_leaf_busy(struct cbq *h, struct cbq_class *cl, uint64_t now);
void cbq_leaf_idle(struct cbq *h, struct cbq_class *cl);
/* Out of all rings, and in again: around a change of its prio, level, bounds or parent's need of it. */
void cbq_take_out(struct cbq *h, struct cbq_class *cl);
void cbq_put_in(struct cbq *h, struct cbq_class *cl, uint64_t now);
/* Where does cl, which has somebody to serve, stand now? To be called after a charge, or when the wheel says so. */
void cbq_review(struct cbq *h, struct cbq_class *cl, uint64_t now);
/* Out of its row, if it stands there; else false. */
bool cbq_row_remove(struct cbq *h, struct cbq_class *cl);
/*
 * The leaf, or class with a queue of its own, whose turn it is in a busy row from level 1 on; *lender is at whose
 * expense it sends, and *ring where it stands.
 */
struct cbq_class *cbq_next_borrower(
	struct cbq *h, unsigned int level, unsigned int prio, struct cbq_class **lender, const struct turn_ring **ring);
/* It has sent `bytes`, none if it could not: what that leaves of its turn. */
void cbq_use_turn(struct cbq *h, struct cbq_class *cl, uint64_t bytes);

static inline void
cbq_made_to_wait(struct cbq_class *cl)
{
	cl->overactions++;
	cbq_class_of(cl)->qdisc->overlimits++;
}

static inline void
cbq_row_is_busy(struct cbq *h, unsigned int prio)
{
	h->busy_rows[0] |= (uint16_t)(1u << prio);
	h->busy_levels |= 1;
}

/* Somebody has left. */
static inline void
cbq_row_look(struct cbq *h, unsigned int prio)
{
	if (likely(!row_is_empty(&h->leaf_rows[prio])))
		return;
	h->busy_rows[0] &= (uint16_t) ~(1u << prio);
	if (h->busy_rows[0] == 0)
		h->busy_levels &= (uint16_t)~1u;
}

/* The first leaf leaves its row. */
static inline void
cbq_row_remove_first(struct cbq *h, unsigned int prio)
{
	row_remove_first(&h->leaf_rows[prio]);
	h->prios[prio].busy--;
	cbq_row_look(h, prio);
}

/* ---- cbq_top_level.c: at the owner, while the top-level guidelines are kept */

/* Packets come, and are not queued yet. */
void cbq_note_arrivals(const struct qdisc *q, struct cbq *h, struct rte_mbuf **pkts, uint16_t n, uint64_t now);
/* A packet of cl has been sent, and charged. */
void cbq_note_sent(struct cbq *h, const struct cbq_class *cl, uint64_t now);
/* The busy row whose turn it is; there is one. */
void cbq_choose_row(const struct cbq *h, unsigned int *level, unsigned int *prio);

/* ---- cbq_serve.c */

void cbq_unpark(struct cbq *h, struct cbq_class *cl, uint64_t now);
/* To be told when it is not over its limit any more. */
void cbq_arm(struct cbq *h, struct cbq_class *cl);
/* Out of the wheel, or of its row if it came there unseen, as before it goes. */
void cbq_disarm(struct cbq *h, struct cbq_class *cl);
/* The classes above those who sent at their own expense are charged: before anybody asks about them. */
void cbq_pay_bills(struct cbq *h, uint64_t now);
uint16_t cbq_serve(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now);

#endif
