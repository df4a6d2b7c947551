/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CBQ's estimator: has a class sent more than its rate of late, and if so, until when must it wait?
 *
 * With each packet, idle is the time since the last one less what this one takes at the class's rate, and avgidle its
 * exponentially weighted moving average, avgidle = (1 - w) avgidle + w idle (Floyd and Van Jacobson 1995, appendix A;
 * Floyd, "Notes on CBQ and Guaranteed Service", 1995). As there, w = 2^-ewma_log and avgidle is kept divided by w, so
 * that
 *
 *     avgidle += idle - avgidle w,   within minidle <= avgidle <= maxidle.
 *
 * A class below 0 is over its limit, and is regulated: it may send again when avgidle will be 0 after another packet of
 * the same size, at undertime = now + size / rate - avgidle.
 *
 * An average forgets: the debt that w takes from it is sent too early, 1.6 % too much with the usual 1/32 (Linux: 0.9
 * %). So nothing is forgotten as long as the class is regulated, always has somebody waiting and sends when its time
 * has come: its rate is then exact, and if the link serves it late it may catch up a millisecond, two full frames or
 * maxidle. What it sends before its time, by borrowing or at the expense of the classes below it, is averaged as the
 * paper says, and so is what it sends out of idleness: maxburst.
 *
 * Each packet is charged by itself, whatever many leave at one time.
 */
#ifndef WEIR_SCHED_CBQ_ESTIMATOR_H
#define WEIR_SCHED_CBQ_ESTIMATOR_H

#include "cbq.h"

#define CBQ_GAP_MAX_NS (UINT64_C(1) << 40) /* 18 minutes: any debt is paid by then */

/* Not over its limit: it may send at its own expense, or lend. */
static inline bool
cbq_under_limit(const struct cbq_class *cl, uint64_t now)
{
	return cl->until_ns <= now && cl->lends;
}

/* Time since it sent last, as tokens. */
static inline int64_t
cbq_gap(const struct cbq_class *cl, uint64_t now)
{
	uint64_t gap_ns = now > cl->last_ns ? now - cl->last_ns : 0;

	return (int64_t)((gap_ns < CBQ_GAP_MAX_NS ? gap_ns : CBQ_GAP_MAX_NS) << TOKENS_SHIFT);
}

/* A class's average while packets are charged to it at one time: it stays in registers. */
struct cbq_meter {
	int64_t avgidle; /* tokens */
	int64_t gap; /* tokens: the next packet's */
	uint64_t until_ns;
	bool regulated;
};

static inline struct cbq_meter
cbq_meter_read(const struct cbq_class *cl, uint64_t now)
{
	return (struct cbq_meter){ .avgidle = cl->avgidle,
		.gap = cbq_gap(cl, now),
		.until_ns = cl->until_ns > now ? cl->until_ns : now,
		.regulated = cl->regulated };
}

static inline void
cbq_meter_write(struct cbq_class *cl, const struct cbq_meter *meter, uint64_t now)
{
	cl->avgidle = meter->avgidle;
	cl->last_ns = now > cl->last_ns ? now : cl->last_ns;
	cl->until_ns = meter->until_ns;
	cl->regulated = meter->regulated;
}

/*
 * `bytes` have left at its expense, or at the expense of who is below it; waited: somebody waited for it to be under
 * its limit.
 */
static inline void
cbq_meter_charge(struct cbq_meter *meter, const struct cbq_class *cl, uint64_t bytes, bool waited, uint64_t now)
{
	bool exact = meter->regulated && waited && meter->until_ns <= now;
	int64_t cost = rate_cost(&cl->rate, bytes), most = exact ? cl->catch_up : cl->maxidle, avgidle = meter->avgidle;

	if (!exact)
		avgidle -= avgidle >> cl->ewma_log;
	avgidle += meter->gap - cost;
	avgidle = avgidle > most ? most : avgidle;
	avgidle = avgidle < cl->minidle ? cl->minidle : avgidle;
	meter->avgidle = avgidle;
	meter->gap = 0;
	meter->regulated = meter->regulated || avgidle < 0;
	/*
	 * Regulated, it also waits for its time where there is no debt: packets that are due one by one leave one by
	 * one.
	 */
	if (meter->regulated && avgidle < cost) {
		uint64_t until_ns =
			now + ns_from_tokens(cost - avgidle + (unlikely(cl->delayed) ? cbq_more(cl)->offtime : 0));

		/* Sending before its time never brings that nearer. */
		meter->until_ns = until_ns > meter->until_ns ? until_ns : meter->until_ns;
	}
}

static inline void
cbq_charge(struct cbq_class *cl, uint64_t bytes, bool waited, uint64_t now)
{
	struct cbq_meter meter = cbq_meter_read(cl, now);

	cbq_meter_charge(&meter, cl, bytes, waited, now);
	cbq_meter_write(cl, &meter, now);
}

/* Somebody waits again, after a time in which nobody did. */
static inline void
cbq_back_from_idle(struct cbq_class *cl, uint64_t now)
{
	cl->regulated = cl->regulated && cl->until_ns > now;
}

#endif
