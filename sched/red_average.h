/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random early detection's estimator and its dice, after S. Floyd and V. Jacobson, "Random Early Detection Gateways for
 * Congestion Avoidance", IEEE/ACM Transactions on Networking 1(4), 1993, in the form of its section 8 that needs no
 * division: one random number R is drawn for each mark, and the packet is marked at which count * pb reaches R, which
 * spaces the marks evenly.
 */
#ifndef WEIR_SCHED_RED_AVERAGE_H
#define WEIR_SCHED_RED_AVERAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/qdisc/red.h>

#define RED_SLOPE_BITS 16

/* What is configured. max >= min. */
struct red_curve {
	uint32_t min_bytes, max_bytes; /* of the average queue */
	uint32_t max_p; /* the marking probability just below max; 2^32 is 1 */
	uint8_t weight_log; /* w is 2^-weight_log: the average moves by that part of the difference at each arrival */
	uint64_t slope; /* probability per byte above min, times 2^32 * 2^RED_SLOPE_BITS */
	/*
	 * How fast the average of an empty queue falls: by (1 - w)^m while m packets could have been sent, that is by
	 * -log2(1 - w) halvings in the time of a packet. Halvings a ns, times 2^64.
	 */
	uint64_t idle_decay;
};

/* Of one queue; all zero but count is a fresh one. */
struct red_average {
	uint64_t scaled; /* the average queue in bytes, times 2^weight_log */
	uint32_t random; /* R; 2^32 is 1 */
	int32_t count; /* packets since the last mark; RED_BELOW: the average was below min */
};

#define RED_BELOW (-1)

enum red_verdict { RED_PASS, RED_PROBABLE, RED_FORCED };

/* EINVAL, in the name of the discipline, for what makes no curve. */
int red_params_check(const char *kind, const struct red_params *params, struct error *err);
void red_curve_from_params(struct red_curve *curve, const struct red_params *params);
/* Without idle time. */
void red_curve_set(struct red_curve *curve, uint32_t min_bytes, uint32_t max_bytes, uint32_t max_p, uint8_t weight_log);
void red_curve_set_max_p(struct red_curve *curve, uint32_t max_p);

/* For an arrival that finds the queue empty, as it was for idle_ns: in place of red_average_update. */
void red_average_idle(struct red_average *average, const struct red_curve *curve, uint64_t idle_ns);

/*
 * Adaptive RED: S. Floyd, R. Gummadi and S. Shenker, "Adaptive RED: An Algorithm for Increasing the Robustness of RED's
 * Active Queue Management", 2001. Every RED_ADAPT_NS max_p moves, so that the average comes to lie about halfway
 * between min and max: up by min(0.01, max_p / 4) while the average is above 0.6 of the way, down by a tenth while it
 * is below 0.4, and within 0.01 and 0.5.
 */
#define RED_ADAPT_NS UINT64_C(500000000)
void red_curve_adapt(struct red_curve *curve, uint64_t average_bytes);

static inline void
red_average_reset(struct red_average *average, const struct red_curve *curve, uint64_t queue_bytes)
{
	*average = (struct red_average){ .scaled = queue_bytes << curve->weight_log, .count = RED_BELOW };
}

static inline uint64_t
red_average_bytes(const struct red_average *average, const struct red_curve *curve)
{
	return average->scaled >> curve->weight_log;
}

/* An arrival finds queue_bytes waiting. Returns the average in bytes. */
static inline uint64_t
red_average_update(struct red_average *average, const struct red_curve *curve, uint64_t queue_bytes)
{
	average->scaled += queue_bytes - red_average_bytes(average, curve);
	return red_average_bytes(average, curve);
}

/* What becomes of the arrival, by an average of `bytes`; random is drawn by the caller. */
static inline enum red_verdict
red_judge(struct red_average *average, const struct red_curve *curve, uint64_t bytes, uint32_t random)
{
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

static inline enum red_verdict
red_arrival(struct red_average *average, const struct red_curve *curve, uint64_t queue_bytes, uint32_t random)
{
	return red_judge(average, curve, red_average_update(average, curve, queue_bytes), random);
}

#endif
