/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Readers for processors with AVX-512: of IPv4's trie, where 16 lookups are one vector, and of IPv6's trees, where a
 * line is one.
 */
#include "lpm_tree_read.h"

#ifdef __x86_64__
#include <immintrin.h>

#define VECTOR __attribute__((target("avx512f,avx512dq,avx512vl,avx512vpopcntdq,bmi,bmi2,popcnt")))
#define INLINE VECTOR __attribute__((always_inline)) static inline

#define LANES 16

/* 16 entries, taken apart; where runs is 0 base is the value. */
struct entries {
	__m512i runs, base;
};

INLINE __mmask16
first_lanes(int n)
{
	return n >= LANES ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1);
}

INLINE struct entries
take_apart(__m512i low, __m512i high)
{
	const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
	const __m512i odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);

	return (struct entries){ _mm512_permutex2var_epi32(low, even, high),
		_mm512_permutex2var_epi32(low, odd, high) };
}

/* Those of the root that the upper bits of the windows name. */
INLINE struct entries
root_entries(const struct lpm_view *view, __m512i windows, __mmask16 lanes)
{
	__m512i zero = _mm512_setzero_si512();
	__m512i index = _mm512_srl_epi32(windows, _mm_cvtsi32_si128(32 - (int)view->root_bits));

	return take_apart(_mm512_mask_i32gather_epi64(
				  zero, (__mmask8)lanes, _mm512_castsi512_si256(index), view->root, sizeof(lpm_entry)),
		_mm512_mask_i32gather_epi64(zero, (__mmask8)(lanes >> 8), _mm512_extracti64x4_epi64(index, 1),
			view->root, sizeof(lpm_entry)));
}

/* Which run the slot that the upper five bits of a window name is in: how many begin up to it, less one. */
INLINE __m512i
run_of(__m512i runs, __m512i windows)
{
	__m512i slot = _mm512_srli_epi32(windows, 32 - LPM_SLOT_BITS);
	__m512i upto = _mm512_sllv_epi32(runs, _mm512_sub_epi32(_mm512_set1_epi32(LPM_SLOTS - 1), slot));

	return _mm512_sub_epi32(_mm512_popcnt_epi32(upto), _mm512_set1_epi32(1));
}

/* Five bits further. */
INLINE void
step(struct entries *e, const uint64_t *arena, __m512i windows)
{
	__m512i zero = _mm512_setzero_si512(), place = run_of(e->runs, windows);
	__mmask16 on = _mm512_test_epi32_mask(e->runs, e->runs), deeper = _mm512_movepi32_mask(e->base);
	struct entries next;

	place = _mm512_mask_add_epi32(place, deeper, place, place); /* an entry is two words */
	place = _mm512_add_epi32(place, _mm512_and_si512(e->base, _mm512_set1_epi32((int)~LPM_ENTRIES)));
	next = take_apart(
		_mm512_mask_i32gather_epi64(zero, (__mmask8)on, _mm512_castsi512_si256(place), arena, sizeof(uint32_t)),
		_mm512_mask_i32gather_epi64(
			zero, (__mmask8)(on >> 8), _mm512_extracti64x4_epi64(place, 1), arena, sizeof(uint32_t)));
	e->runs = _mm512_maskz_mov_epi32(deeper, next.runs);
	e->base = _mm512_mask_mov_epi32(e->base, on, next.runs);
	e->base = _mm512_mask_mov_epi32(e->base, on & deeper, next.base);
}

INLINE bool
any_goes_on(struct entries e)
{
	return _mm512_test_epi32_mask(e.runs, e.runs) != 0;
}

INLINE void
store(uint32_t *values, __m512i found, __m512i fallback, __mmask16 lanes)
{
	found = _mm512_mask_mov_epi32(found, _mm512_testn_epi32_mask(found, found), fallback);
	/* Who reads single values that were stored under a mask waits until they are in the cache. */
	if (__builtin_expect(lanes == 0xffff, 1))
		_mm512_storeu_si512(values, found);
	else
		_mm512_mask_storeu_epi32(values, lanes, found);
}

/* ---- IPv4 ---- */

/* The few that do not end in the block of the root's entry. */
VECTOR static __m512i
descend_v4(const uint64_t *arena, struct entries e, __m512i windows)
{
	for (; any_goes_on(e); windows = _mm512_slli_epi32(windows, LPM_SLOT_BITS))
		step(&e, arena, windows);
	return e.base;
}

VECTOR void
lpm_lookup_v4_avx512(const struct lpm *lpm, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	const struct lpm_view *view = __atomic_load_n(&lpm->view, __ATOMIC_ACQUIRE);
	const __m512i fallback = _mm512_set1_epi32((int)__atomic_load_n(&lpm->fallback, __ATOMIC_RELAXED));
	const __m128i root_bits = _mm_cvtsi32_si128((int)view->root_bits);

	for (int done = 0; done < n; done += LANES) {
		__mmask16 lanes = first_lanes(n - done), on, leaves;
		__m512i windows = _mm512_maskz_loadu_epi32(lanes, addrs + done), found;
		struct entries e = root_entries(view, windows, lanes);

		windows = _mm512_sll_epi32(windows, root_bits);
		on = _mm512_test_epi32_mask(e.runs, e.runs);
		leaves = on & (__mmask16)~_mm512_movepi32_mask(e.base);
		found = _mm512_mask_i32gather_epi32(e.base, leaves, _mm512_add_epi32(e.base, run_of(e.runs, windows)),
			view->arena, sizeof(uint32_t));
		if (__builtin_expect(leaves != on, 0))
			found = descend_v4(view->arena, e, windows);
		store(values + done, found, fallback, lanes);
	}
}

/* ---- IPv6 ---- */

INLINE uint32_t
inner(const struct lpm_line *line, uint32_t window)
{
	const __mmask16 keys = (1u << LPM_BASE) - 1;
	__mmask16 before = _mm512_mask_cmpgt_epu32_mask(keys, _mm512_set1_epi32((int)window), _mm512_load_si512(line));

	return line->words[LPM_BASE] + (uint32_t)__builtin_popcount(before);
}

INLINE uint32_t
leaf(const struct lpm_line *line, uint32_t window)
{
	__mmask8 behind = _mm256_cmple_epu32_mask(
		_mm256_set1_epi32((int)window), _mm256_load_si256((const __m256i *)line->words));

	return line->words[LPM_LINE_WORDS - 1 - LPM_LEAF_KEYS + (size_t)__builtin_popcount(behind)];
}

VECTOR static uint32_t
follow(const struct lpm_line *lines, uint32_t link, uint32_t window)
{
	return lpm_tree_follow(lines, link, window, inner, leaf);
}

VECTOR void
lpm_lookup_v6_avx512(const struct lpm *lpm, const struct lpm_key *keys, uint16_t n, uint32_t *values)
{
	lpm_tree_look_up(lpm, keys, n, values, inner, leaf, follow);
}

#endif
