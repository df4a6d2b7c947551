/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random early detection's estimator and its dice, after S. Floyd and V. Jacobson, "Random Early Detection Gateways for
 * Congestion Avoidance", IEEE/ACM Transactions on Networking 1(4), 1993, in the form of its section 8 that needs no
 * division: one random number R is drawn for each mark, and the packet is marked at which count * pb reaches R, which
 * spaces the marks evenly.
 */
#ifndef WEIR_SCHED_RED_AVERAGE_H
#define WEIR_SCHED_RED_AVERAGE_H

#include <stdint.h>

#define RED_SLOPE_BITS 16

/* What is configured. max > min. */
struct red_curve {
	uint32_t min_bytes, max_bytes; /* of the average queue */
	uint32_t max_p; /* the marking probability just below max; 2^32 is 1 */
	uint8_t weight_log; /* the average moves by 2^-weight_log of the difference at each arrival */
	uint64_t slope; /* probability per byte above min, times 2^32 * 2^RED_SLOPE_BITS */
};

/* Of one queue; all zero but count is a fresh one. */
struct red_average {
	uint64_t scaled; /* the average queue in bytes, times 2^weight_log */
	uint32_t random; /* R; 2^32 is 1 */
	int32_t count; /* packets since the last mark; RED_BELOW: the average was below min */
};

#define RED_BELOW (-1)

enum red_verdict { RED_PASS, RED_PROBABLE, RED_FORCED };

static inline void
red_curve_set(struct red_curve *curve, uint32_t min_bytes, uint32_t max_bytes, uint32_t max_p, uint8_t weight_log)
{
	*curve = (struct red_curve){
		.min_bytes = min_bytes,
		.max_bytes = max_bytes,
		.max_p = max_p,
		.weight_log = weight_log,
		.slope = ((uint64_t)max_p << RED_SLOPE_BITS) / (max_bytes - min_bytes),
	};
}

static inline void
red_average_reset(struct red_average *average, const struct red_curve *curve, uint64_t queue_bytes)
{
	*average = (struct red_average){ .scaled = queue_bytes << curve->weight_log, .count = RED_BELOW };
}

/* An arrival finds queue_bytes waiting; random is drawn by the caller. */
static inline enum red_verdict
red_arrival(struct red_average *average, const struct red_curve *curve, uint64_t queue_bytes, uint32_t random)
{
	uint64_t bytes = average->scaled >> curve->weight_log;

	average->scaled += queue_bytes - bytes;
	bytes = average->scaled >> curve->weight_log;
	if (bytes < curve->min_bytes) {
		average->count = RED_BELOW;
		return RED_PASS;
	}
	if (bytes >= curve->max_bytes) {
		average->count = 0;
		average->random = random;
		return RED_FORCED;
	}
	/* Below 2^32 * 2^RED_SLOPE_BITS, for bytes - min < max - min. */
	uint64_t probability = ((bytes - curve->min_bytes) * curve->slope) >> RED_SLOPE_BITS;

	if (average->count++ == RED_BELOW)
		average->random = random;
	if ((uint64_t)average->count * probability >= average->random) {
		average->count = 0;
		average->random = random;
		return RED_PROBABLE;
	}
	return RED_PASS;
}

#endif
