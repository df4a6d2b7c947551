/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A token bucket that workers share: one word, the theoretical arrival time of the generic cell rate algorithm (ITU-T
 * I.371, annex A), changed by compare and swap.
 */
#ifndef WEIR_CLASSIFY_NETFILTER_BUCKET_H
#define WEIR_CLASSIFY_NETFILTER_BUCKET_H

#include "netfilter.h"

/*
 * Takes what takes cost_ns to earn from a bucket of depth_ns that will be full at *full_at (0: it is); false: it has
 * less.
 */
static inline bool
bucket_spend(uint64_t *full_at, uint64_t cost_ns, uint64_t depth_ns, uint64_t now)
{
	uint64_t seen = load_relaxed(full_at), next;

	do {
		next = RTE_MAX(seen, now) + cost_ns;
		if (next - now > depth_ns)
			return false;
	} while (!__atomic_compare_exchange_n(full_at, &seen, next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

struct bucket {
	uint64_t full_at; /* ns: when it will be full again; 0: it is */
	uint64_t interval_ns; /* between two tokens */
	uint64_t depth_ns; /* tokens times interval */
};

/* Takes a token; false: there is none. */
static inline bool
bucket_take(struct bucket *b, uint64_t now)
{
	return bucket_spend(&b->full_at, b->interval_ns, b->depth_ns, now);
}

#endif
