/* SPDX-License-Identifier: BSD-3-Clause */
/* Searching flat tables: by halves, or, where the processor has AVX-512, the last 16 intervals by one compare. */
#include <rte_common.h>

#include "flat.h"

#define LANES 16

typedef uint32_t find(const struct flat *flat, uint32_t addr);

static __rte_always_inline uint32_t
find_scalar(const struct flat *flat, uint32_t addr)
{
	const uint32_t *at = &flat->size;

	for (uint32_t half = flat->size / 2; half > 0; half /= 2)
		at += at[half] <= addr ? half : 0;
	return at[flat->size];
}

static __rte_always_inline uint32_t
find_all(find *one, const struct flat *flat, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	uint32_t all = 0;

	for (uint16_t i = 0; i < n; i++) {
		values[i] = one(flat, addrs[i]);
		all |= values[i];
	}
	return all;
}

static __rte_always_inline void
find_each(find *one, const struct flat *const *flats, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	for (uint16_t i = 0; i < n; i++)
		if (flats[i] != NULL)
			values[i] = one(flats[i], addrs[i]);
}

static uint32_t
find_all_scalar(const struct flat *flat, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	return find_all(find_scalar, flat, addrs, n, values);
}

static void
find_each_scalar(const struct flat *const *flats, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	find_each(find_scalar, flats, addrs, n, values);
}

static const struct flat_reader scalar = { "scalar", find_all_scalar, find_each_scalar };
static const struct flat_reader *readers[] = { &scalar, NULL, NULL };
static const struct flat_reader *best = &scalar;

#ifdef __x86_64__
#include <immintrin.h>

#define VECTOR __attribute__((target("avx512f,popcnt")))

/* The interval's rank among 16 is how many of them begin no later; the first always does. */
VECTOR static inline uint32_t
find_avx512(const struct flat *flat, uint32_t addr)
{
	const uint32_t *at = &flat->size;
	uint32_t upto;

	for (uint32_t half = flat->size / 2; half >= LANES; half /= 2)
		at += at[half] <= addr ? half : 0;
	upto = _mm512_cmple_epu32_mask(_mm512_load_si512(at), _mm512_set1_epi32((int)addr)) | 1u;
	return at[flat->size + (uint32_t)__builtin_popcount(upto) - 1];
}

/* Of at most 32 intervals, which two registers hold: 16 addresses at a time, by halves. */
VECTOR static uint32_t
find_all_in_32(const struct flat *flat, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	const uint32_t *firsts = &flat->size, *answers = firsts + flat->size, upper = flat->size - LANES;
	const __m512i first[2] = { _mm512_load_si512(firsts), _mm512_load_si512(firsts + upper) };
	const __m512i value[2] = { _mm512_load_si512(answers), _mm512_load_si512(answers + upper) };
	__m512i all = _mm512_setzero_si512();

	for (uint16_t i = 0; i < n; i += LANES) {
		__mmask16 lanes = n - i >= LANES ? 0xffff : (__mmask16)((1u << (n - i)) - 1);
		__m512i addr = _mm512_maskz_loadu_epi32(lanes, addrs + i), place = _mm512_setzero_si512();

		for (uint32_t half = flat->size / 2; half > 0; half /= 2) {
			__m512i next = _mm512_add_epi32(place, _mm512_set1_epi32((int)half));
			__m512i begin = _mm512_permutex2var_epi32(first[0], next, first[1]);

			place = _mm512_mask_mov_epi32(place, _mm512_cmple_epu32_mask(begin, addr), next);
		}
		place = _mm512_permutex2var_epi32(value[0], place, value[1]);
		_mm512_mask_storeu_epi32(values + i, lanes, place);
		all = _mm512_or_si512(all, _mm512_maskz_mov_epi32(lanes, place));
	}
	return (uint32_t)_mm512_reduce_or_epi32(all);
}

VECTOR static uint32_t
find_all_avx512(const struct flat *flat, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	if (flat->size <= 2 * LANES)
		return find_all_in_32(flat, addrs, n, values);
	return find_all(find_avx512, flat, addrs, n, values);
}

VECTOR static void
find_each_avx512(const struct flat *const *flats, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	find_each(find_avx512, flats, addrs, n, values);
}

static const struct flat_reader avx512 = { "AVX-512", find_all_avx512, find_each_avx512 };

__attribute__((constructor)) static void
choose_reader(void)
{
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("popcnt"))
		best = readers[1] = &avx512;
}
#endif

const struct flat_reader *
flat_reader(unsigned int i)
{
	return readers[i];
}

uint32_t
flat_find_all(const struct flat *flat, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	return best->find_all(flat, addrs, n, values);
}

void
flat_find_each(const struct flat *const *flats, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	best->find_each(flats, addrs, n, values);
}
