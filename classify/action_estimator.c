/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "action_estimator.h"

int
action_estimator_create(
	const struct tc_estimator *spec, uint64_t now, struct action_estimator **made, struct error *err)
{
	int rc = estimator_check(spec, err);

	if (rc != 0)
		return rc;
	*made = calloc(1, sizeof(**made));
	if (*made == NULL)
		return error_code(err, ENOMEM);
	rate_average_start(&(*made)->average, spec, now, 0, 0);
	(*made)->due = (*made)->average.due;
	return 0;
}

void
action_estimator_sample(struct action_estimator *e, const struct action *action, uint64_t now)
{
	struct action_stats stats;

	if (__atomic_exchange_n(&e->sampling, true, __ATOMIC_ACQUIRE))
		return;
	/* Another may have taken it between the question and now. */
	if (now >= e->average.due) {
		action_stats_sum(action, &stats);
		rate_average_sample(&e->average, now, stats.bytes, stats.packets, false);
		__atomic_store_n(&e->Bps, (uint64_t)e->average.Bps, __ATOMIC_RELAXED);
		__atomic_store_n(&e->pps, (uint64_t)e->average.pps, __ATOMIC_RELAXED);
		__atomic_store_n(&e->due, e->average.due, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&e->sampling, false, __ATOMIC_RELEASE);
}
