/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A token bucket that workers share: one word, the theoretical arrival time of the generic cell rate algorithm (ITU-T
 * I.371, annex A), changed by compare and swap.
 */
#ifndef WEIR_CLASSIFY_NETFILTER_BUCKET_H
#define WEIR_CLASSIFY_NETFILTER_BUCKET_H

#include "netfilter.h"

struct bucket {
	uint64_t full_at; /* ns: when it will be full again; 0: it is */
	uint64_t interval_ns; /* between two tokens */
	uint64_t depth_ns; /* tokens times interval */
};

/* Takes a token; false: there is none. */
static inline bool
bucket_take(struct bucket *b, uint64_t now)
{
	uint64_t seen = load_relaxed(&b->full_at), next;

	do {
		next = RTE_MAX(seen, now) + b->interval_ns;
		if (next - now > b->depth_ns)
			return false;
	} while (!__atomic_compare_exchange_n(&b->full_at, &seen, next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

#endif
