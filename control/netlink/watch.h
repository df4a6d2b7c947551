/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether to watch a socket for a moment before sleeping on it.
 *
 * A program that configures (ip -batch) and the router take turns within microseconds. On an idle machine sleeping
 * between turns costs 50 us a request on two virtual CPUs, because both halt; watching, 9 us. On a busy one, or where
 * both share a CPU, watching only keeps the other from running, and sleeping is what is fast. So it is tried, and where
 * nothing came while it was watched, left off for twice as many turns as the last time.
 */
#ifndef WEIR_CONTROL_WATCH_H
#define WEIR_CONTROL_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

enum {
	WATCH_NS = 30 * 1000,
	WATCH_SKIP_MIN = 4, /* turns */
	WATCH_SKIP_MAX = 4096,
};

struct watch {
	uint32_t left; /* turns to be passed over */
	uint32_t skip; /* as many as were passed over last; 0: the last one paid */
};

static inline bool
watch_is_due(struct watch *watch)
{
	if (watch->left == 0)
		return true;
	watch->left--;
	return false;
}

static inline void
watch_ended(struct watch *watch, bool something_came)
{
	if (something_came)
		watch->skip = 0;
	else if (watch->skip == 0)
		watch->skip = WATCH_SKIP_MIN;
	else if (watch->skip < WATCH_SKIP_MAX)
		watch->skip *= 2;
	watch->left = watch->skip;
}

static inline uint64_t
watch_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

#endif
