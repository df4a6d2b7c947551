/* SPDX-License-Identifier: BSD-3-Clause */
/* Hashes of a few words, for tables and for sharing packets out: a word at a time, from any start. */
#ifndef WEIR_CLASSIFY_HASH_H
#define WEIR_CLASSIFY_HASH_H

#include <stdint.h>

#define HASH_GOLDEN_RATIO                                                                                              \
	UINT64_C(0x9e3779b97f4a7c15) /* 2^64 / phi, odd (Knuth, The Art of Computer Programming 3, 6.4) */

/* With one word more, whose upper bits reach the lower ones of the hash. */
static inline uint64_t
hash_word(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * HASH_GOLDEN_RATIO;
	return hash ^ hash >> 32;
}

/*
 * As that, with all of the product folded, for some cycles more: of an address in network order all bits but the
 * highest are the last to be multiplied into.
 */
static inline uint64_t
hash_word_folded(uint64_t hash, uint64_t word)
{
	unsigned __int128 product = (unsigned __int128)(hash ^ word) * HASH_GOLDEN_RATIO;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#endif
