/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Service curves of one or two pieces, and what H-FSC does with them (Stoica, Zhang and Ng, "A Hierarchical Fair Service
 * Curve Algorithm for Link-Sharing, Real-Time and Priority Services", SIGCOMM 1997).
 *
 *   bytes            concave                    convex
 *     |                       __/ m2                     /
 *     |                  ____/                          / m2
 *     |     (x2, y2)  *_/                              /
 *     |              / m1                        ____* (x2, y2)
 *     |      (x, y) *                (x, y) *___/   m1
 *     +------------------------------------------------- time
 *
 * A curve that runs is two lines: the first piece from (x, y), where the class last turned busy, and the second, which
 * goes through (x2, y2). It is only ever asked one thing: when does it reach so many bytes. The answer is worked out
 * from these points each time, so that roundings never add up: a nanosecond at most, whatever the rate.
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

/* What was configured, in the form in which it is used. */
struct hfsc_shape {
	uint64_t cost1, cost2; /* time a byte, by the first slope and by the second */
	uint64_t d_ns, d_bytes; /* extent of the first piece; 0: there is none */
};

/* A curve that runs. */
struct hfsc_curve {
	uint64_t x, y, x2, y2; /* ns (of the clock, or of virtual time) and bytes */
	uint64_t cost1, cost2;
};

static inline uint64_t
hfsc_cost(uint64_t Bps)
{
	const unsigned __int128 second = (unsigned __int128)1000000000 << HFSC_COST_SHIFT;

	return Bps == 0 ? HFSC_NEVER_COST : (uint64_t)((second + Bps - 1) / Bps);
}

/* Control only: it divides. */
static inline void
hfsc_shape_init(struct hfsc_shape *shape, const struct hfsc_curve_conf *conf)
{
	bool one_piece = conf->d_ns == 0 || conf->m1_Bps == conf->m2_Bps;
	uint64_t m1 = one_piece ? conf->m2_Bps : conf->m1_Bps;

	*shape = (struct hfsc_shape){ .cost1 = hfsc_cost(m1), .cost2 = hfsc_cost(conf->m2_Bps) };
	if (one_piece)
		return;
	shape->d_ns = conf->d_ns;
	shape->d_bytes = (uint64_t)((unsigned __int128)conf->d_ns * m1 / 1000000000);
}

static inline uint64_t
hfsc_ns(uint64_t bytes, uint64_t cost)
{
	const unsigned __int128 up = (UINT64_C(1) << HFSC_COST_SHIFT) - 1;

	return (uint64_t)(((unsigned __int128)bytes * cost + up) >> HFSC_COST_SHIFT);
}

/* Of the line through (x, y): when it comes to `bytes`, not less than y; SCHED_NEVER: it does not. */
static inline uint64_t
hfsc_line_time(uint64_t x, uint64_t y, uint64_t cost, uint64_t bytes)
{
	if (bytes == y)
		return x;
	return unlikely(cost == HFSC_NEVER_COST) ? SCHED_NEVER : x + hfsc_ns(bytes - y, cost);
}

/* The first time at which the curve reaches `bytes`, not less than y; SCHED_NEVER: it does not. */
static inline uint64_t
hfsc_curve_time(const struct hfsc_curve *curve, uint64_t bytes)
{
	uint64_t first, second;

	if (bytes <= curve->y2)
		return hfsc_line_time(curve->x, curve->y, curve->cost1, bytes);
	second = hfsc_line_time(curve->x2, curve->y2, curve->cost2, bytes);
	if (likely(curve->cost1 >= curve->cost2) || second == SCHED_NEVER)
		return second;
	/* The second line of a concave curve may be one of the past, that the first has still to come up to. */
	first = hfsc_line_time(curve->x, curve->y, curve->cost1, bytes);
	return (int64_t)(first - second) > 0 ? first : second;
}

/* From its beginning, at (x, y). */
static inline void
hfsc_curve_start(struct hfsc_curve *curve, const struct hfsc_shape *shape, uint64_t x, uint64_t y)
{
	*curve = (struct hfsc_curve){ .x = x,
		.y = y,
		.x2 = x + shape->d_ns,
		.y2 = y + shape->d_bytes,
		.cost1 = shape->cost1,
		.cost2 = shape->cost2 };
}

/*
 * The class turns busy at time x with `bytes` behind it: from now on the lesser counts of the curve that runs and of one
 * that starts anew at (x, bytes). Where the old one is not above the new one there, it stays below. Else the new one is
 * the lesser for ever, but for a concave one whose first piece comes up to the old one's second: it goes on by that.
 */
static inline void
hfsc_curve_restart(struct hfsc_curve *curve, const struct hfsc_shape *shape, uint64_t x, uint64_t bytes)
{
	uint64_t reached = hfsc_curve_time(curve, bytes), knee = bytes + shape->d_bytes, old;

	if (reached == SCHED_NEVER || (int64_t)(reached - x) > 0)
		return;
	if (shape->cost1 < shape->cost2 && knee > curve->y2) {
		old = hfsc_line_time(curve->x2, curve->y2, curve->cost2, knee);
		if (old == SCHED_NEVER || (int64_t)(old - x - shape->d_ns) > 0) {
			curve->x = x;
			curve->y = bytes;
			return;
		}
	}
	hfsc_curve_start(curve, shape, x, bytes);
}

static inline void
hfsc_curve_shift(struct hfsc_curve *curve, uint64_t ns)
{
	curve->x += ns;
	curve->x2 += ns;
}

#endif
