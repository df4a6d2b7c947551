/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random numbers. There is one seed: the router's, which is `--seed` in a replay and the system's entropy live. The
 * router draws from it the seeds of its workers, of each port's tree, of the packet filter tables and of the filters
 * and actions; each of these draws on its own from there, so that the same input, commands and seed give the same
 * bytes.
 */
#ifndef WEIR_RANDOM_H
#define WEIR_RANDOM_H

#include <stdint.h>

/*
 * splitmix64 (Steele, Lea, Flood 2014): one addition and three mixes, any state is good; the upper half is the better
 * one.
 */
static inline uint64_t
random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* xorshift64* (Vigna 2016): two multiplications less; the state is not 0. */
static inline uint64_t
random_shift(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * UINT64_C(0x2545f4914f6cdd1d);
}

/* The same of a state that several workers share. Two may draw the same number: it is as random for both. */
static inline uint64_t
random_shift_shared(uint64_t *state)
{
	uint64_t x = __atomic_load_n(state, __ATOMIC_RELAXED), drawn = random_shift(&x);

	__atomic_store_n(state, x, __ATOMIC_RELAXED);
	return drawn;
}

#endif
