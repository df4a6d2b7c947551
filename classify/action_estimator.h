/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An action's rate estimator. No worker owns the action, so whoever finds a sample due takes it, of what all have
 * counted: one at a time, and the others do not wait.
 */
#ifndef WEIR_CLASSIFY_ACTION_ESTIMATOR_H
#define WEIR_CLASSIFY_ACTION_ESTIMATOR_H

#include <weir/rate_average.h>

#include "internal.h"

struct action_estimator {
	uint64_t due; /* the average's */
	uint64_t Bps, pps; /* the average's, for all to read */
	bool sampling;
	struct rate_average average; /* whoever has set `sampling` */
};

int action_estimator_create(
	const struct tc_estimator *spec, uint64_t now, struct action_estimator **made, struct error *err);
void action_estimator_sample(struct action_estimator *e, const struct action *action, uint64_t now);

/* Before anything is counted at `now`. */
static inline void
action_estimator_catch_up(struct action_estimator *e, const struct action *action, uint64_t now)
{
	if (unlikely(now >= load_relaxed(&e->due)))
		action_estimator_sample(e, action, now);
}

#endif
