/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rate estimator (weir/rate_average.h) of what several workers count: none of them owns it, so whoever finds a sample
 * due takes it, of what all have counted: one at a time, and the others do not wait.
 */
#ifndef WEIR_SHARED_AVERAGE_H
#define WEIR_SHARED_AVERAGE_H

#include <stdlib.h>

#include <weir/rate_average.h>

struct shared_average {
	uint64_t due; /* the average's */
	uint64_t Bps, pps; /* the average's, for all to read */
	bool sampling;
	struct rate_average average; /* whoever has set `sampling` */
};

/* What has been counted so far, by all. */
typedef void shared_average_sum_fn(const void *counted, uint64_t *bytes, uint64_t *packets);

/* To be freed by free. */
static inline int
shared_average_create(const struct tc_estimator *spec, uint64_t now, uint64_t bytes, uint64_t packets,
	struct shared_average **made, struct error *err)
{
	int rc = estimator_check(spec, err);

	if (rc != 0)
		return rc;
	*made = calloc(1, sizeof(**made));
	if (*made == NULL)
		return error_code(err, ENOMEM);
	rate_average_start(&(*made)->average, spec, now, bytes, packets);
	(*made)->due = (*made)->average.due;
	return 0;
}

static inline void
shared_average_sample(struct shared_average *a, uint64_t now, shared_average_sum_fn *sum, const void *counted)
{
	uint64_t bytes, packets;

	if (__atomic_exchange_n(&a->sampling, true, __ATOMIC_ACQUIRE))
		return;
	/* Another may have taken it between the question and now. */
	if (now >= a->average.due) {
		sum(counted, &bytes, &packets);
		rate_average_sample(&a->average, now, bytes, packets, false);
		__atomic_store_n(&a->Bps, (uint64_t)a->average.Bps, __ATOMIC_RELAXED);
		__atomic_store_n(&a->pps, (uint64_t)a->average.pps, __ATOMIC_RELAXED);
		__atomic_store_n(&a->due, a->average.due, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&a->sampling, false, __ATOMIC_RELEASE);
}

/* Before anything is counted at `now`, and before the average is read. */
static inline void
shared_average_catch_up(struct shared_average *a, uint64_t now, shared_average_sum_fn *sum, const void *counted)
{
	if (__builtin_expect(now >= __atomic_load_n(&a->due, __ATOMIC_RELAXED), 0))
		shared_average_sample(a, now, sum, counted);
}

#endif
