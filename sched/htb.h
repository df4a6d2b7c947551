/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of HTB share: htb.c (configuration, classification, operations), htb_turn.c (whose turn it is),
 * htb_mode.c (buckets, modes and timers), htb_charge.c (who pays) and htb_serve.c (sending).
 *
 * The terms are those of M. Devera's "HTB manual" and "HTB theory": each class has an assured rate and a ceil; a leaf
 * that has used up its rate borrows from its nearest ancestor that has not, as long as nobody on the way is over its
 * ceil. Levels count from 0 (leaves) to 7 (classes without parent); borrowing from a lower level comes first, then the
 * lower prio, and between classes of one level and prio deficit round robin by quantum decides.
 *
 * What a packet touches of its leaf class is one line, and eight bytes by which the class stands in a row. What equally
 * configured classes have in common they share, so that it stays near the processor.
 *
 *   struct class | struct htb_class
 *   ... cold ... | qdisc leaf parent more : used ceil_used deficit overlimits place config mode ... |
 *                |<---------------------------------- line ---------------------------------------->|
 *                                    |                                             +-> struct htb_config: rates,
 *                                    |                                                 depths, quantum
 *                                    +-> struct htb_more: borrowing, children, configuration as it was given
 *
 *   leaves that can send:    row:   this round | class | class | ... | next round | class | ...
 *   classes that may borrow: turns, by minor: ... | next previous | next previous | ...
 */
#ifndef WEIR_SCHED_HTB_H
#define WEIR_SCHED_HTB_H

#include <weir/qdisc/htb.h>
#include <weir/rate.h>
#include <weir/sched.h>

#include "pkt_queue.h"
#include "row.h"
#include "tree.h"
#include "waiting.h"
#include "wheel.h"

#define HTB_LEVELS 8
#define HTB_PRIOS  8

/* Red, yellow, green in the manual's figures. */
enum htb_mode {
	HTB_CANNOT_SEND, /* over its ceil */
	HTB_MAY_BORROW, /* over its rate, under its ceil */
	HTB_CAN_SEND, /* under its rate */
};

/*
 * What a class waits for in the wheel: the end of a mode (enum htb_mode, but HTB_CAN_SEND), or a packet from its leaf
 * qdisc. The wheel knows it as the class's address with this in the lowest bits, and a leaf's prio above it.
 *
 * HTB_WAIT_ROW is the end of HTB_CANNOT_SEND for a leaf of which it is known that it can send then: it goes to its row
 * unseen, and when its turn comes its mode is mended, and it leaves the row if it has nothing to send.
 */
#define HTB_WAIT_PARKED     2u
#define HTB_WAIT_ROW        3u
#define HTB_WAITS           4u
#define HTB_WAIT_MASK       3u
#define HTB_WAIT_PRIO_SHIFT 2
#define HTB_WAIT_BITS       31u

#define HTB_MINORS     65536u
#define HTB_TURNS      (HTB_MINORS * (1 + HTB_PRIOS))
#define HTB_TURN_BITS  20 /* of the number of a place */
#define HTB_ROUND_BITS (32 - HTB_TURN_BITS)

/*
 * A place in a ring of classes that take turns. Links are numbers of places, 0: none. A class's minor is the number of
 * its place as a leaf; as an inner class it has one more for each prio. The array has room for all that may ever be,
 * but memory goes only to those in use, and many neighbours of a ring share a line.
 */
struct htb_turn {
	uint32_t next; /* 0: in no ring */
	uint32_t previous : HTB_TURN_BITS;
	uint32_t round : HTB_ROUND_BITS; /* its last turn's, in its parent's ring; stays when it leaves */
};

/*
 * Classes of one prio that take turns: a circle that a round starts behind `last`. Of a row, in which who comes is
 * always the last, there are only `current` and `count`.
 */
struct htb_ring {
	uint32_t current; /* whose turn it is; 0: nobody is in the ring */
	uint32_t last; /* with its turn the round ends */
	uint32_t returning; /* left while it was its turn: has it back if it comes before another one was served */
	uint32_t count; /* of classes in it */
	uint16_t round : HTB_ROUND_BITS; /* the number of this round */
	bool ended; /* who left was the last of the round */
	uint64_t quanta; /* bytes: what its classes, or those below them, send in a round */
};

/* What an inner class has for each prio. */
struct htb_feed {
	struct htb_ring ring; /* children that borrow from it */
	int64_t deficit; /* bytes that its turn in its parent's ring may still take */
};

/* What a class has while it has children. */
struct htb_inner {
	struct htb_feed feeds[HTB_PRIOS];
};

/* What classes that are configured alike share: nothing of it is written while packets pass. */
struct htb_config {
	int64_t depth, ceil_depth; /* of the buckets: tokens */
	struct rate rate, ceil;
	uint32_t quantum; /* bytes a turn */
	uint8_t prio; /* a leaf's */
	bool one_rate; /* a packet costs the same at rate and ceil */
	/* control's, and the owner's in a change */
	uint16_t next; /* with the same hash; 0: none */
	uint32_t users; /* classes */
} __attribute__((aligned(64)));

#define HTB_CONFIGS        65536u /* as many as there may be classes, and one that is not used */
#define HTB_CONFIG_BUCKETS 1024u

/*
 * Buckets are kept as the time that is used up: at `clock` (htb_clock) a bucket holds clock - used tokens, but never
 * more than its depth. So time fills it without being counted. All of these are units of 2^-16 ns (weir/rate.h) modulo
 * 2^64: see htb_clock.
 */
struct htb_class {
	/* the rest of struct class's hot line */
	uint64_t used, ceil_used;
	int32_t deficit; /* bytes that its turn may still take at its own rate */
	uint16_t place; /* of a leaf in its row, unless it came there unseen */
	uint8_t mode; /* enum htb_mode */
	uint8_t busy; /* a bit for each prio in which it has somebody to serve */
	/* Another word: a load of both mode and level would wait for the store to what lies between. */
	uint32_t overlimits;
	uint16_t config; /* htb_config_of */
	uint8_t armed; /* a bit for each end of a mode that stands in the wheel; never later than what is waited for */
	uint8_t level : 4;
	bool parked : 1; /* its leaf has packets but gives none until the wheel says so */
};

/* What else there is of a class: class.more. */
struct htb_more {
	/* a line: what a leaf needs that borrows, or an inner class that pays for many packets together */
	int64_t borrow_deficit; /* as deficit, of a turn in its parent's ring */
	uint32_t borrows;
	uint32_t lends; /* without what its leaf qdiscs have sent */
	uint16_t minor; /* of its classid */
	uint32_t bill_packets;
	uint64_t bill_bytes; /* of classes below its children */
	struct htb_inner *inner; /* NULL until it has had a child */
	/* a line: an inner class's for each packet below it */
	uint64_t sent_bytes, sent_packets; /* of classes below it */
	/* cold */
	struct parking parking; /* and HTB_WAIT_PARKED */
	struct htb_inner *parents_inner; /* from init to link: for a parent that has none */
	struct wheel_chunk *chunks; /* likewise, for the wheel */
	struct htb_class_conf conf;
} __attribute__((aligned(64)));

#define HTB_BURST   32 /* turns, or packets that pass, after which bills are paid at the latest */
#define HTB_AHEAD   16 /* turns */
#define HTB_CHARGED 64 /* so many inner classes have charges summed up: more have few in common in so many turns */
#define HTB_FEW     64 /* so many classes in a ring, and what they touch, stay near the processor by themselves */

/* Who will have a turn: kept from call to call, and forgotten when a class goes. */
struct htb_look_ahead {
	const struct htb_ring *ring;
	uint32_t scout; /* the next place to look at; 0: the ring was seen to its end */
	unsigned int seen_in_ring; /* and not had their turn yet */
	unsigned int count;
	const struct htb_class *seen[HTB_AHEAD]; /* the last ones looked at, by count */
};

/* What a class is to pay that stands above leaves. */
struct htb_charge {
	struct htb_class *cl; /* NULL: nobody, and nothing */
	uint32_t bytes, packets;
};

struct htb {
	uint8_t busy_levels; /* a bit for each level with a busy row */
	uint8_t busy_rows[HTB_LEVELS]; /* a bit for each prio with a class that can send */
	struct row leaf_rows[HTB_PRIOS]; /* level 0: of struct htb_class */
	struct htb_ring rows[HTB_LEVELS][HTB_PRIOS]; /* from level 1 on */
	struct htb_turn *turns; /* HTB_TURNS of them */
	void **rounds; /* the memory of leaf_rows */
	const struct class_table *classes; /* by minor */
	struct pkt_queue direct; /* what no class is for: sent first and unshaped, tc-htb(8) */
	uint32_t direct_limit;
	uint32_t direct_packets;
	uint32_t adjusted; /* classes whose packets cost more than their bytes: each is charged by itself */
	uint32_t inners; /* classes that have children */
	uint32_t chunks; /* of the wheel, those on their way from init to link included; control's */
	uint64_t now, clock; /* when it was last asked for packets: ns, and as htb_clock tells it */
	uint64_t renewed_ns; /* when no bucket's time was older than its depth */
	struct htb_look_ahead ahead;
	uint8_t charge_count;
	uint8_t billed_levels; /* a bit for each level with a bill to pay */
	uint8_t billed_count[HTB_LEVELS];
	struct htb_charge charges[HTB_BURST];
	uint8_t last_charges[HTB_CHARGED]; /* where the last one of a class is, by its address; or another class's */
	struct htb_class *billed[HTB_LEVELS][HTB_BURST]; /* classes with a bill to pay, by level */
	struct htb_config *configs; /* HTB_CONFIGS of them; the first is not used */
	void *configs_memory;
	uint32_t configs_used; /* places that were ever in use */
	uint16_t config_free; /* one that is free again, by `next`; 0: none */
	uint16_t config_buckets[HTB_CONFIG_BUCKETS]; /* by hash */
	struct htb_conf conf;
	struct wheel wheel;
};

static inline struct htb_class *
htb_class_at(const struct htb *h, uint32_t turn)
{
	uint32_t minor = turn < HTB_MINORS ? turn : (turn - HTB_MINORS) / HTB_PRIOS;

	return class_priv(h->classes->pages[minor >> 8]->classes[minor & 0xff]);
}

static inline struct class *
htb_class_of(const struct htb_class *cl)
{
	return (struct class *)((uintptr_t)cl - offsetof(struct class, priv));
}

static inline struct htb_more *
htb_more(const struct htb_class *cl)
{
	return htb_class_of(cl)->more;
}

static inline struct htb_class *
htb_class_of_wait(uintptr_t who)
{
	return (struct htb_class *)(who & ~(uintptr_t)HTB_WAIT_BITS);
}

static inline const struct htb_config *
htb_config_of(const struct htb *h, const struct htb_class *cl)
{
	return &h->configs[cl->config];
}

static inline struct htb_class *
htb_parent(const struct htb_class *cl)
{
	struct class *parent = htb_class_of(cl)->parent;

	return parent == NULL ? NULL : class_priv(parent);
}

/* ---- htb_config.c */

int htb_check_class_conf(const struct htb_class_conf *conf, struct error *err);
int htb_configs_create(struct htb *h);
void htb_configs_destroy(struct htb *h);
/* One that says what conf says, with one user more; 0: there is no room. */
uint16_t htb_config_get(struct htb *h, const struct qdisc *q, const struct htb_class_conf *conf);
/* One user less; 0: there was none. */
void htb_config_put(struct htb *h, uint16_t config);

/* ---- htb_turn.c: all of it and of the files below at the owner */

/* The leaf has nothing to send any more. */
void htb_leaf_idle(struct htb *h, struct htb_class *cl);
/*
 * Puts cl where its mode says, for each prio in `prios`, or takes it out of there; a parent that turns busy or idle by
 * that follows.
 */
void htb_activate_prios(struct htb *h, struct htb_class *cl, unsigned int prios);
void htb_deactivate_prios(struct htb *h, struct htb_class *cl, unsigned int prios);
/* The leaf whose turn it is in a busy row from level 1 on. */
struct htb_class *htb_next_leaf(struct htb *h, unsigned int level, unsigned int prio);
/* The ring in which cl waits for its turn to borrow. */
struct htb_ring *htb_ring_of(const struct htb_class *cl, unsigned int prio);
/* cl has had its turn. In a row from level 1 on a turn is a round of who borrows. */
void htb_pass_turn(struct htb *h, struct htb_class *cl, unsigned int prio);
/* Out of its row, if it is there. */
void htb_row_remove(struct htb *h, struct htb_class *cl, unsigned int prio);

static inline void
htb_row_is_busy(struct htb *h, unsigned int prio)
{
	h->busy_rows[0] |= (uint8_t)(1u << prio);
	h->busy_levels |= 1;
}

static inline void
htb_row_add(struct htb *h, struct htb_class *cl, unsigned int prio)
{
	cl->place = row_round_join(row_end(&h->leaf_rows[prio]), cl);
	htb_row_is_busy(h, prio);
}

/* The leaf has something to send. */
static inline void
htb_leaf_busy(struct htb *h, struct htb_class *cl)
{
	unsigned int prio = htb_config_of(h, cl)->prio;

	cl->busy = (uint8_t)(1u << prio);
	if (likely(cl->mode == HTB_CAN_SEND))
		htb_row_add(h, cl, prio);
	else
		htb_activate_prios(h, cl, cl->busy);
}

/*
 * A plain leaf has taken a packet. Where it is over its ceil it waits as it did, be it the first packet or not, which
 * nobody could guess: that it is busy is said in any case.
 */
static inline void
htb_leaf_took(struct htb *h, struct htb_class *cl, const struct qdisc *leaf)
{
	if (cl->mode == HTB_CANNOT_SEND)
		cl->busy = (uint8_t)(1u << htb_config_of(h, cl)->prio);
	else if (leaf->backlog_pkts == 1)
		htb_leaf_busy(h, cl);
}

/* Nobody is left in it. */
void htb_row_is_idle(struct htb *h, unsigned int prio);

/* The first leaf leaves its row. */
static inline void
htb_row_remove_first(struct htb *h, unsigned int prio)
{
	if (unlikely(row_remove_first(&h->leaf_rows[prio])))
		htb_row_is_idle(h, prio);
}

/* ---- htb_mode.c */

/* Of an inner class from which nobody wanted to borrow, before somebody does, or before it is a leaf again. */
void htb_look_at_mode(struct htb *h, struct htb_class *cl);
void htb_unpark(struct htb *h, struct htb_class *cl);
/* Out of all rings and of the wheel, as before a change of prio or of what its mode depends on; and in again. */
void htb_take_out(struct htb *h, struct htb_class *cl);
void htb_put_in(struct htb *h, struct htb_class *cl, uint64_t now);
/*
 * The time as buckets know it. It comes round in 78 hours: when an eighth of that has passed, times that are older than
 * their bucket's depth, which is no more, are made younger, so that whatever is compared is less than half of it apart.
 */
#define HTB_RENEW_NS (UINT64_C(1) << 45)
uint64_t htb_clock(struct htb *h, uint64_t now);

/* What a bucket holds. */
static inline int64_t
htb_tokens(uint64_t used, uint64_t clock, int64_t depth)
{
	int64_t tokens = (int64_t)(clock - used);

	return tokens > depth ? depth : tokens;
}

/* ---- htb_serve.c */

/* qdisc_ops.pass: packets of plain leaves that are empty and under their rates. */
uint16_t htb_pass(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now);
/* n packets of classes that may send at now; the direct queue is the caller's. */
uint16_t htb_serve(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now);

#endif
