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

static __rte_always_inline void
find_all(find *one, const struct flat *flat, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	for (uint16_t i = 0; i < n; i++)
		values[i] = one(flat, addrs[i]);
}

static __rte_always_inline void
find_each(find *one, const struct flat *const *flats, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	for (uint16_t i = 0; i < n; i++)
		if (flats[i] != NULL)
			values[i] = one(flats[i], addrs[i]);
}

static void
find_all_scalar(const struct flat *flat, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	find_all(find_scalar, flat, addrs, n, values);
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

VECTOR static void
find_all_avx512(const struct flat *flat, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	find_all(find_avx512, flat, addrs, n, values);
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

void
flat_find_all(const struct flat *flat, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	best->find_all(flat, addrs, n, values);
}

void
flat_find_each(const struct flat *const *flats, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	best->find_each(flats, addrs, n, values);
}
