/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rate estimators (tc's `est INTERVAL AVERAGE`): an average of bytes and of packets per second, sampled every interval
 * T and weighted exponentially,
 *
 *     average += (sample - average) * W,    W = 2^-ewma_log,
 *
 * which forgets with the time constant T / -ln(1 - W); average is tc's AVERAGE at most.
 *
 * No timer: who counts takes the samples that are due before it counts more. Nothing was counted in between, so all
 * that is new belongs to the first interval that has passed, and the others were idle: any number of them is one power.
 */
#ifndef WEIR_RATE_AVERAGE_H
#define WEIR_RATE_AVERAGE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include <linux/pkt_sched.h>

#include <weir/error.h>

#define ESTIMATOR_INTERVAL_NS    UINT64_C(250000000) /* of tc_estimator.interval -2; each step doubles it */
#define ESTIMATOR_INTERVAL_FIRST (-2)
#define ESTIMATOR_INTERVAL_LAST  3
#define ESTIMATOR_EWMA_LOG_LAST  30

struct rate_average {
	struct tc_estimator spec;
	uint64_t due; /* ns: the next sample */
	uint64_t bytes, packets; /* counted at the last sample */
	double Bps, pps;
};

static inline int
estimator_check(const struct tc_estimator *spec, struct error *err)
{
	if (spec->interval < ESTIMATOR_INTERVAL_FIRST || spec->interval > ESTIMATOR_INTERVAL_LAST ||
		spec->ewma_log == 0 || spec->ewma_log > ESTIMATOR_EWMA_LOG_LAST)
		return error_set(
			err, EINVAL, "est: the interval is 250ms to 8s, and the time constant must be longer than it");
	return 0;
}

static inline unsigned int
estimator_doublings(const struct tc_estimator *spec)
{
	return (unsigned int)(spec->interval - ESTIMATOR_INTERVAL_FIRST);
}

/* The averages stay, as on Linux; the next sample is one interval from now. */
static inline void
rate_average_start(
	struct rate_average *a, const struct tc_estimator *spec, uint64_t now, uint64_t bytes, uint64_t packets)
{
	a->spec = *spec;
	a->due = now + (ESTIMATOR_INTERVAL_NS << estimator_doublings(spec));
	a->bytes = bytes;
	a->packets = packets;
}

/*
 * Takes all samples that are due at `now`, which is not before `due`. `even`: what was counted since the last one is
 * spread over all intervals that have passed, for who does not ask before it counts.
 */
static inline void
rate_average_sample(struct rate_average *a, uint64_t now, uint64_t bytes, uint64_t packets, bool even)
{
	unsigned int doublings = estimator_doublings(&a->spec);
	/* By a constant and a shift: the processor divides nothing. */
	uint64_t passed = 1 + ((now - a->due) / ESTIMATOR_INTERVAL_NS >> doublings);
	double weight = ldexp(1, -a->spec.ewma_log), kept = 1 - weight, per_second = ldexp(4, -(int)doublings);

	if (even && passed > 1) {
		kept = pow(kept, (double)passed);
		weight = 1 - kept;
		per_second /= (double)passed;
	}
	a->Bps = a->Bps * kept + (double)(bytes - a->bytes) * per_second * weight;
	a->pps = a->pps * kept + (double)(packets - a->packets) * per_second * weight;
	if (!even && passed > 1) {
		double idle = pow(kept, (double)(passed - 1));

		a->Bps *= idle;
		a->pps *= idle;
	}
	a->bytes = bytes;
	a->packets = packets;
	a->due += passed * (ESTIMATOR_INTERVAL_NS << doublings);
}

#endif
