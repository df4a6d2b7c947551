/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tc's unit of time on the wire: a tick of 64 ns, as /proc/net/psched says (000003e8 00000040: 1000 / 64 ticks a
 * microsecond).
 */
#ifndef WEIR_CONTROL_TICKS_H
#define WEIR_CONTROL_TICKS_H

#include <stdint.h>

#define TICK_SHIFT 6

static inline uint64_t
ns_from_ticks(uint32_t ticks)
{
	return (uint64_t)ticks << TICK_SHIFT;
}

/* What does not fit is told as the largest number of ticks. */
static inline uint32_t
ticks_from_ns(uint64_t ns)
{
	uint64_t ticks = ns >> TICK_SHIFT;

	return ticks > UINT32_MAX ? UINT32_MAX : (uint32_t)ticks;
}

#endif
