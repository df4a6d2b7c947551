/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Service curves of one or two pieces, and what H-FSC does with them (Stoica, Zhang and Ng, "A Hierarchical Fair
 * Service Curve Algorithm for Link-Sharing, Real-Time and Priority Services", SIGCOMM 1997).
 *
 *   bytes            concave                    convex
 *     |                       __/ m2                     /
 *     |                  ____/                          / m2
 *     |          knee  *_/                             /
 *     |              / m1                        ____* knee
 *     |        start *                  start *___/   m1
 *     +------------------------------------------------- time
 *
 * A curve that runs is a line through its knee, and where it has two pieces, another one from its start, where the
 * class last turned busy. Most have one piece: all that they are asked then is in 24 bytes. It is only ever asked one
 * thing: when does it reach so many bytes. The answer is worked out from these points each time, so that roundings
 * never add up: a nanosecond at most, whatever the rate.
 */
#ifndef WEIR_SCHED_HFSC_CURVE_H
#define WEIR_SCHED_HFSC_CURVE_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_branch_prediction.h>

#include <weir/qdisc/hfsc.h>
#include <weir/sched.h>

#define HFSC_NEVER_COST UINT64_MAX /* the time of a byte where the slope is 0 */
#define HFSC_COST_SHIFT 32 /* costs are in units of 2^-32 ns a byte: 10^9 ns at the most */
#define HFSC_BPS_MAX    (UINT64_C(1) << 34) /* 137 gbit, 2^-4 ns a byte: costs are exact to 2^-28 of themselves */

/*
 * A line through (x, y): ns (of the clock, or of virtual time) and bytes; cost: the time of a byte. As a curve that
 * runs it is the only piece, or the second, through the knee.
 */
struct hfsc_line {
	uint64_t x, y, cost;
};

/* The first piece of a curve that has two. */
struct hfsc_bend {
	struct hfsc_line first; /* from the curve's start */
	uint64_t d_ns, d_bytes; /* its extent */
};

static inline uint64_t
hfsc_cost(uint64_t Bps)
{
	const unsigned __int128 second = (unsigned __int128)1000000000 << HFSC_COST_SHIFT;

	return Bps == 0 ? HFSC_NEVER_COST : (uint64_t)((second + Bps - 1) / Bps);
}

/* Is it not one line that rises? Most are, and are asked without looking for more. */
static inline bool
hfsc_is_bent(const struct hfsc_curve_conf *conf)
{
	return conf->m2_Bps == 0 || (conf->d_ns != 0 && conf->m1_Bps != conf->m2_Bps);
}

/* Its slopes, wherever it runs; `bend` is filled if it has two pieces. Control only: it divides. */
static inline void
hfsc_curve_shape(struct hfsc_line *curve, struct hfsc_bend *bend, const struct hfsc_curve_conf *conf)
{
	curve->cost = hfsc_cost(conf->m2_Bps);
	if (!hfsc_is_bent(conf))
		return;
	bend->first.cost = hfsc_cost(conf->m1_Bps);
	bend->d_ns = conf->d_ns;
	bend->d_bytes = (uint64_t)((unsigned __int128)conf->d_ns * conf->m1_Bps / 1000000000);
}

static inline uint64_t
hfsc_ns(uint64_t bytes, uint64_t cost)
{
	const unsigned __int128 up = (UINT64_C(1) << HFSC_COST_SHIFT) - 1;

	return (uint64_t)(((unsigned __int128)bytes * cost + up) >> HFSC_COST_SHIFT);
}

/* When the line comes to `bytes`, not less than its y; SCHED_NEVER: it does not. */
static inline uint64_t
hfsc_line_time(const struct hfsc_line *line, uint64_t bytes)
{
	if (unlikely(line->cost == HFSC_NEVER_COST))
		return bytes == line->y ? line->x : SCHED_NEVER;
	return line->x + hfsc_ns(bytes - line->y, line->cost);
}

static __rte_noinline uint64_t
hfsc_bent_time(const struct hfsc_line *curve, const struct hfsc_bend *bend, uint64_t bytes)
{
	uint64_t first, second;

	if (bytes <= curve->y)
		return hfsc_line_time(&bend->first, bytes);
	second = hfsc_line_time(curve, bytes);
	if (bend->first.cost >= curve->cost || second == SCHED_NEVER)
		return second;
	/* The second line of a concave curve may be one of the past, that the first has still to come up to. */
	first = hfsc_line_time(&bend->first, bytes);
	return (int64_t)(first - second) > 0 ? first : second;
}

/*
 * The first time at which the curve reaches `bytes`, not less than those at its start; SCHED_NEVER: it does not. Here
 * and below `bend` is NULL for a curve of one piece.
 */
static inline uint64_t
hfsc_curve_time(const struct hfsc_line *curve, const struct hfsc_bend *bend, uint64_t bytes)
{
	return likely(bend == NULL) ? curve->x + hfsc_ns(bytes - curve->y, curve->cost)
				    : hfsc_bent_time(curve, bend, bytes);
}

/* From its beginning, at x with `bytes`. */
static inline void
hfsc_curve_start(struct hfsc_line *curve, struct hfsc_bend *bend, uint64_t x, uint64_t bytes)
{
	curve->x = x;
	curve->y = bytes;
	if (bend == NULL)
		return;
	bend->first.x = x;
	bend->first.y = bytes;
	curve->x += bend->d_ns;
	curve->y += bend->d_bytes;
}

/*
 * The class turns busy at time x with `bytes` behind it: from now on the lesser counts of the curve that runs and of
 * one that starts anew at (x, bytes). Where the old one is not above the new one there, it stays below. Else the new
 * one is the lesser for ever, but for a concave one whose first piece comes up to the old one's second: it goes on by
 * that.
 */
static inline void
hfsc_curve_restart(struct hfsc_line *curve, struct hfsc_bend *bend, uint64_t x, uint64_t bytes)
{
	uint64_t reached = hfsc_curve_time(curve, bend, bytes), knee, old;

	if (reached == SCHED_NEVER || (int64_t)(reached - x) > 0)
		return;
	if (bend != NULL && bend->first.cost < curve->cost && (knee = bytes + bend->d_bytes) > curve->y) {
		old = hfsc_line_time(curve, knee);
		if (old == SCHED_NEVER || (int64_t)(old - x - bend->d_ns) > 0) {
			bend->first.x = x;
			bend->first.y = bytes;
			return;
		}
	}
	hfsc_curve_start(curve, bend, x, bytes);
}

static inline void
hfsc_curve_shift(struct hfsc_line *curve, struct hfsc_bend *bend, uint64_t ns)
{
	curve->x += ns;
	if (bend != NULL)
		bend->first.x += ns;
}

#endif
