/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the two files of HTB share: htb.c (configuration, classification, operations) and htb_turn.c (whose turn it is).
 *
 * The terms are those of M. Devera's "HTB manual" and "HTB theory": each class has an assured rate and a ceil; a leaf that has used up its
 * rate borrows from its nearest ancestor that has not, as long as nobody on the way is over its ceil. Levels count from 0 (leaves) to 7
 * (classes without parent); borrowing from a lower level comes first, then the lower prio, and between classes of one level and
 * prio deficit round robin by quantum decides.
 */
#ifndef WEIR_SCHED_HTB_H
#define WEIR_SCHED_HTB_H

#include <weir/qdisc/htb.h>
#include <weir/sched.h>

#include "pkt_queue.h"
#include "rate.h"
#include "wheel.h"

#define HTB_LEVELS 8
#define HTB_PRIOS  8

/* Red, yellow, green in the manual's figures. */
enum htb_mode {
	HTB_CANNOT_SEND, /* over its ceil */
	HTB_MAY_BORROW, /* over its rate, under its ceil */
	HTB_CAN_SEND, /* under its rate */
};

/* What a class's timer is for. */
enum htb_timer {
	HTB_TIMER_MODE, /* its mode may change */
	HTB_TIMER_PARKED, /* its leaf qdisc may give a packet again */
};

/* A place in a ring of classes that take turns. */
struct htb_turn {
	struct htb_turn *next, *previous; /* NULL: in no ring */
};

/* Classes of one prio that take turns: a circle that a round starts behind `last`. */
struct htb_ring {
	struct htb_turn *current; /* whose turn it is; NULL: nobody is in the ring */
	struct htb_turn *last; /* with its turn the round ends */
	struct htb_turn
		*returning; /* left while it was its turn: has it back if it comes before another one was served */
	bool ended; /* who left was the last of the round: the class above has to pass its turn */
};

struct htb_class {
	/* hot: touched for each packet of the class or of one below it */
	int64_t tokens, ceil_tokens; /* at counted_ns, see rate.h */
	uint64_t counted_ns;
	int64_t depth, ceil_depth; /* of the buckets */
	struct rate rate, ceil;
	uint8_t mode; /* enum htb_mode */
	uint8_t level;
	uint8_t prio; /* a leaf's */
	uint8_t busy; /* a bit for each prio in which it has somebody to serve */
	uint32_t quantum; /* bytes a turn */
	int32_t deficits[HTB_LEVELS]; /* bytes that its turn may still take, by the level that it sends at */
	struct class *c;
	bool parked; /* its leaf has packets but gives none until the timer goes off */
	/* a packet's */
	uint64_t sent_bytes, sent_packets, overlimits;
	uint32_t lends, borrows;
	struct wheel_timer mode_timer, parked_timer;
	struct htb_turn turns
		[HTB_PRIOS]; /* its own places: in a row of the qdisc if it can send, in its parent's rings if it may borrow */
	struct htb_ring rings[HTB_PRIOS]; /* children that borrow from it */
	/* cold */
	struct htb_class_conf conf;
};

struct htb {
	uint8_t busy_levels; /* a bit for each level with a busy row */
	uint8_t busy_rows[HTB_LEVELS]; /* a bit for each prio with a class that can send */
	struct htb_ring rows[HTB_LEVELS][HTB_PRIOS];
	struct pkt_queue direct; /* what no class is for: sent first and unshaped, tc-htb(8) */
	uint32_t direct_limit;
	uint32_t direct_packets;
	struct wheel wheel;
	struct htb_conf conf;
};

/* ---- htb_turn.c: all of it at the owner */

/* The leaf has something to send, or nothing any more. */
void htb_leaf_busy(struct htb *h, struct htb_class *cl);
void htb_leaf_idle(struct htb *h, struct htb_class *cl);
void htb_unpark(struct htb *h, struct htb_class *cl);
/* Out of all rings and timers, as before a change of prio or of what its mode depends on; and in again. */
void htb_take_out(struct htb *h, struct htb_class *cl);
void htb_put_in(struct qdisc *q, struct htb_class *cl, uint64_t now);
/* Counts the buckets up to now. */
void htb_count(struct htb_class *cl, uint64_t now);
/* n packets of classes that may send at now; the direct queue is the caller's. */
uint16_t htb_serve(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now);

#endif
