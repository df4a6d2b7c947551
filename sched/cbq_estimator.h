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

/*
 * avgidle after another packet, sent `gap` after the last one, that costs `cost`. exact: nothing is forgotten; see
 * above.
 */
static inline int64_t
cbq_average(const struct cbq_class *cl, int64_t avgidle, int64_t gap, int64_t cost, bool exact)
{
	int64_t most = exact ? cl->catch_up : cl->maxidle;

	if (!exact)
		avgidle -= avgidle >> cl->ewma_log;
	avgidle += gap - cost;
	avgidle = avgidle > most ? most : avgidle;
	return avgidle < cl->minidle ? cl->minidle : avgidle;
}

/*
 * Packets have been charged; missing: the most that avgidle fell short of the cost of another packet like one of these.
 * Regulated, a class waits for that also where there is no debt: packets that are due one by one leave one by one.
 */
static inline void
cbq_charged(struct cbq_class *cl, int64_t avgidle, int64_t missing, uint64_t now)
{
	uint64_t until_ns = now;

	cl->avgidle = avgidle;
	cl->last_ns = now > cl->last_ns ? now : cl->last_ns;
	if (avgidle < 0)
		cl->regulated = true;
	if (cl->regulated && missing > 0)
		until_ns += ns_from_tokens(missing + (unlikely(cl->delayed) ? cbq_more(cl)->offtime : 0));
	/* Sending before its time never brings that nearer. */
	cl->until_ns = until_ns > cl->until_ns ? until_ns : cl->until_ns;
}

/* waited: somebody waited for it to be under its limit. */
static inline bool
cbq_is_exact(const struct cbq_class *cl, bool waited, uint64_t now)
{
	return cl->regulated && waited && cl->until_ns <= now;
}

/* `bytes` have left at its expense, or at the expense of who is below it. */
static inline void
cbq_charge(struct cbq_class *cl, uint64_t bytes, bool waited, uint64_t now)
{
	int64_t cost = rate_cost(&cl->rate, bytes);
	int64_t avgidle = cbq_average(cl, cl->avgidle, cbq_gap(cl, now), cost, cbq_is_exact(cl, waited, now));

	cbq_charged(cl, avgidle, cost - avgidle, now);
}

/* As that, one by one, for packets of these sizes that have left at one time. */
static inline void
cbq_charge_burst(struct cbq_class *cl, const uint32_t *bytes, unsigned int n, bool waited, uint64_t now)
{
	int64_t avgidle = cl->avgidle, gap = cbq_gap(cl, now), missing = 0;

	for (unsigned int i = 0; i < n; i++) {
		int64_t cost = rate_cost(&cl->rate, bytes[i]);

		avgidle = cbq_average(cl, avgidle, gap, cost, false);
		missing = cost - avgidle > missing ? cost - avgidle : missing;
		gap = 0;
	}
	/* Whether it is exact, and what is missing, is so for all of them, unless the first ones change that. */
	if (likely(!cbq_is_exact(cl, waited, now) && (cl->regulated || avgidle >= 0))) {
		cbq_charged(cl, avgidle, missing, now);
		return;
	}
	for (unsigned int i = 0; i < n; i++)
		cbq_charge(cl, bytes[i], waited, now);
}

/* Somebody waits again, after a time in which nobody did. */
static inline void
cbq_back_from_idle(struct cbq_class *cl, uint64_t now)
{
	cl->regulated = cl->regulated && cl->until_ns > now;
}

#endif
