/* SPDX-License-Identifier: BSD-3-Clause */
/* Random tests from seeds that are printed: SEED=n in the environment plays that one only. */
#ifndef WEIR_TEST_SCHED_SEEDS_H
#define WEIR_TEST_SCHED_SEEDS_H

#include <stdlib.h>

#include "support.h"

static uint64_t draw_state;

static inline uint32_t
draw(uint32_t below)
{
	draw_state = draw_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(draw_state >> 33) % below;
}

/* Calls play with each of the seeds from 1 on. */
static inline void
play_seeds(unsigned int seeds, void (*play)(void))
{
	const char *only = getenv("SEED");
	unsigned int first = only != NULL ? (unsigned int)strtoul(only, NULL, 10) : 1;

	for (unsigned int seed = first; seed < first + (only != NULL ? 1 : seeds); seed++) {
		print_message("seed %u\n", seed);
		draw_state = seed * UINT64_C(0x9e3779b97f4a7c15);
		play();
	}
}

#endif
