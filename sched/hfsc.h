/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of HFSC share: hfsc.c (configuration, classification, operations), hfsc_active.c (who has something to
 * send) and hfsc_serve.c (who is next, and what its packet counts); hfsc_times.h and hfsc_curve.h calculate.
 *
 * The terms are those of Stoica, Zhang and Ng's paper and of tc-hfsc(7). Two criteria choose the next packet:
 *
 *   real time    Of the leaves whose real-time curve would be behind without it (their eligible time has come), the one
 *                with the earliest deadline. Who is not eligible yet waits in the timer wheel; those who are stand in
 *                an agenda of deadlines.
 *   link share   If there is none: from the root down, the child with the least virtual time, which is the work that it
 *                has got, drawn through its link-share curve. Each inner class has a contest of its children. A class
 *                that is over its upper limit waits in the wheel until its fit time, and is in no contest meanwhile.
 *
 * In a contest are those who may be chosen, and inner classes with somebody in theirs, with the virtual time that they
 * have: who is first of all is found without touching any other. Only while all are served by the first criterion, the
 * contests of the second are left as they are, but for who is first: virtual times only grow, so that the others are
 * put right when they come first.
 */
#ifndef WEIR_SCHED_HFSC_H
#define WEIR_SCHED_HFSC_H

#include <weir/qdisc/hfsc.h>
#include <weir/sched.h>

#include "agenda.h"
#include "contest.h"
#include "hfsc_curve.h"
#include "waiting.h"
#include "wheel.h"

/* What a class waits for in the wheel, which knows it as the class's address with this in the lowest bits. */
#define HFSC_WAIT_ELIGIBLE 0u
#define HFSC_WAIT_FIT      1u
#define HFSC_WAIT_PARKED   2u /* its leaf qdisc, a shaper itself, gives nothing until then */
#define HFSC_WAITS         3u
#define HFSC_WAIT_MASK     3u

/* What an inner class keeps of its children's virtual times. */
struct hfsc_inner {
	struct contest children; /* those that may be next, by virtual time */
	uint64_t clock; /* virtual time of the child that was served last, before it was */
	/* an active child that is furthest ahead, as far as is known, and its virtual time; NULL, clock: not known */
	const struct hfsc_class *ahead;
	uint64_t ahead_ns;
	/* grows when the clock comes to a multiple of 2^62: who was not in the contest since has an old time */
	uint32_t epoch;
	uint16_t active; /* children with something to share the link for */
	bool deep : 1; /* some of them are inner classes */
	bool absent : 1; /* some of those in the contest may be leaves without packets, but not who is first */
	/* in another line */
	uint64_t reached; /* the furthest that any child had come that is idle now */
};

/* A class's curves. */
enum hfsc_kind {
	HFSC_REAL_TIME,
	HFSC_LINK_SHARE,
	HFSC_UPPER_LIMIT,
	HFSC_CURVES,
};

/* Three lines of a leaf at most are needed for its packet, two if it has no upper limit. */
struct hfsc_class {
	/* the rest of struct class's hot line */
	uint64_t total; /* bytes sent by it and all below it */
	struct hfsc_class *next_turned; /* in hfsc.turned */
	uint32_t period; /* times that it has had something to share the link for, after it had nothing */
	uint16_t place; /* in its parent's contest */
	uint32_t epoch; /* its parent's, when it left the contest, or had its virtual time after that */
	uint8_t armed; /* a bit for each HFSC_WAIT_* that stands in the wheel; never later than what is waited for */
	uint8_t given : HFSC_CURVES; /* a bit for each enum hfsc_kind that it has a curve of */
	uint8_t bent : HFSC_CURVES; /* likewise, that is not one line that rises: it has a struct hfsc_bend */
	uint8_t tied : 1; /* its place is one of the contest's tied */
	/* side by side, so that a few of them are asked at once */
	bool busy : 1; /* a leaf with packets */
	bool turned : 1; /* stands in hfsc.turned */
	bool active : 1; /* has something to share the link for */
	bool parked : 1; /* its leaf qdisc has packets but gives none yet */
	bool unfit : 1; /* over its upper limit until its fit time */
	bool queued : 1; /* in its parent's contest */
	/* and has left behind the virtual time that it is there with; whatever it is if it is not there */
	bool moved : 1;
	bool eligible : 1; /* in the agenda of deadlines */
	/* a line of link sharing and real time */
	uint64_t virtual_ns;
	struct hfsc_line link_share; /* over virtual time */
	struct hfsc_line deadline; /* the paper's deadline curve; by it or its line goes the eligible one */
	uint64_t real_time_total; /* bytes sent by its own real-time curve */
	/* half a line of the upper limit */
	struct hfsc_line upper_limit;
	uint64_t lag_max_ns; /* what a class that could not use its upper limit may make up for */
	/* the other half, and most of a line, of an inner class */
	_Alignas(32) struct hfsc_inner inner;
};

/* What is not touched for each packet: class.more. */
struct hfsc_more {
	struct hfsc_bend bends[HFSC_CURVES];
	struct parking parking;
	uint32_t level; /* 0: a leaf */
	uint32_t children;
	/*
	 * From init to link: memory that the parent, the agenda of deadlines and the wheel need for one class more;
	 * afterwards what these had before, until it can be freed.
	 */
	struct contest parents_children, deadlines;
	struct contest leftover; /* that of a parent which has lost its last child with this class; likewise */
	struct wheel_chunk *chunks, *deadline_chunks;
	struct hfsc_class_conf conf;
};

#define HFSC_LAG_MAX_NS  UINT64_C(1000000) /* the least of hfsc_class.lag_max_ns */
#define HFSC_AHEAD       8 /* classes */
#define HFSC_QUEUE_AHEAD 4 /* turns before which what waits behind a leaf's first packets is fetched */
#define HFSC_DUE         64 /* classes taken out of the wheel, or looked at there, at a time */
#define HFSC_SHARING     64 /* packets */
#define HFSC_ROOM        65536 /* bytes that classes without sisters may owe, */
#define HFSC_ROOM_MIN    4096 /* and that it is worth while for */
#define HFSC_SMALL       3 /* height of a contest whose classes, and what they touch, stay near the processor */

struct hfsc {
	struct agenda deadlines; /* of eligible leaves */
	/*
	 * Classes that will be served before long, or somebody below them, by ahead_count: what that will touch is
	 * fetched step by step.
	 */
	const struct hfsc_class *ahead[HFSC_AHEAD];
	uint32_t ahead_count;
	uint32_t sharing; /* packets, after the last one by link sharing, for which its contests are kept right */
	struct hfsc_class *owing; /* it and those above are to be charged what is owed, before anybody asks them */
	uint64_t owed; /* bytes */
	/* Likewise by link sharing, of classes that have no sisters to send: hfsc_serve.c. */
	struct hfsc_class *alone; /* NULL: there are none, or they are charged packet by packet */
	bool alone_known; /* in this call */
	uint64_t alone_owed, alone_room; /* bytes; they may owe that many */
	uint64_t alone_ticked; /* owed before the last packet */
	struct due_look look;
	struct hfsc_inner *joined; /* whose contest many come to in this run of the timers; NULL between them */
	struct hfsc_class *turned; /* leaves that have turned busy or may give again, and are in no contest yet */
	struct class *root;
	/* of the wheel, and of the agenda's, those on their way from init to link included; control's */
	uint32_t chunks, deadline_chunks;
	struct hfsc_conf conf;
	struct wheel wheel;
};

static inline struct class *
hfsc_class_of(const struct hfsc_class *cl)
{
	return (struct class *)((uintptr_t)cl - offsetof(struct class, priv));
}

static inline struct hfsc_more *
hfsc_more(const struct hfsc_class *cl)
{
	return hfsc_class_of(cl)->more;
}

static inline bool
hfsc_has(const struct hfsc_class *cl, enum hfsc_kind kind)
{
	return (cl->given & 1u << kind) != 0;
}

/* NULL: that curve is one line. */
static inline struct hfsc_bend *
hfsc_bend(const struct hfsc_class *cl, enum hfsc_kind kind)
{
	return likely((cl->bent & 1u << kind) == 0) ? NULL : &hfsc_more(cl)->bends[kind];
}

/* NULL: cl is the root class. */
static inline struct hfsc_class *
hfsc_parent(const struct hfsc *h, const struct hfsc_class *cl)
{
	const struct class *c = hfsc_class_of(cl);

	return c->parent != NULL ? class_priv(c->parent) : c == h->root ? NULL : class_priv(h->root);
}

/* Of one that is not the root class, `root`, for who has that at hand. */
static inline struct hfsc_class *
hfsc_above(struct hfsc_class *root, const struct hfsc_class *cl)
{
	struct class *parent = hfsc_class_of(cl)->parent;

	return parent != NULL ? class_priv(parent) : root;
}

/* ---- hfsc_active.c: all of it and of hfsc_serve.c at the owner */

void hfsc_leaf_busy(struct hfsc *h, struct hfsc_class *cl, uint64_t now);
void hfsc_leaf_idle(struct hfsc *h, struct hfsc_class *cl);
/* A parked leaf may have something to give now. */
void hfsc_unpark(struct hfsc *h, struct hfsc_class *cl);
/*
 * All are about to turn idle: to look for each of them in the agenda would take long. Who does not is put there again.
 */
void hfsc_clear_deadlines(struct hfsc *h);
/* Those that have turned busy go where they belong. */
void hfsc_settle(struct hfsc *h, uint64_t now);
/* Those of its curves begin anew, a bit for each enum hfsc_kind, with what was sent up to now behind them. */
void hfsc_restart_curves(struct hfsc *h, struct hfsc_class *cl, unsigned int kinds, uint64_t now);
/* cl is in no contest and not in the wheel, whatever it waited for: before it goes, or is a leaf no longer. */
void hfsc_take_out(struct hfsc *h, struct hfsc_class *cl);
/* What the wheel tells at `now`, and who has turned busy, go where they belong. */
void hfsc_run_timers(struct hfsc *h, uint64_t now);

/* ---- hfsc_serve.c */

uint16_t hfsc_serve(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now);
/* Could a packet leave now? */
bool hfsc_may_send(struct hfsc *h, uint64_t now);

#endif
