/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The trie's readers for processors with AVX-512 and its population count: 16 IPv4 or 8 other lookups are one vector, and the loads of a whole block
 * of vectors are asked for before the first is needed.
 */
#include "lpm_internal.h"

#ifdef __x86_64__
#include <immintrin.h>

#define VECTOR __attribute__((target("avx512f,avx512dq,avx512vpopcntdq")))
#define INLINE VECTOR __attribute__((always_inline)) static inline

#define BLOCK    32 /* lookups that descend together */
#define LANES_V4 16
#define LANES    8

bool
lpm_avx512_usable(void)
{
	__builtin_cpu_init();
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
	       __builtin_cpu_supports("avx512vpopcntdq");
}

/* ---- IPv4: 32 bits a lane ---- */

/* The words behind the first bits + 5 bits of what is left of the addresses, in the nodes of `entries` at `nodes`. */
INLINE __m512i
words_v4(const lpm_entry *entries, const lpm_entry *arena, __m512i nodes, __m512i left, uint32_t bits, __mmask16 lanes)
{
	const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
	const __m512i odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
	__m512i index = _mm512_add_epi32(nodes, _mm512_srl_epi32(left, _mm_cvtsi32_si128((int)(32 - bits))));
	__m512i zero = _mm512_setzero_si512(), runs, base, slot, place;
	__m512i low = _mm512_mask_i32gather_epi64(
		zero, (__mmask8)lanes, _mm512_castsi512_si256(index), entries, sizeof(lpm_entry));
	__m512i high = _mm512_mask_i32gather_epi64(
		zero, (__mmask8)(lanes >> 8), _mm512_extracti64x4_epi64(index, 1), entries, sizeof(lpm_entry));

	runs = _mm512_permutex2var_epi32(low, even, high);
	base = _mm512_permutex2var_epi32(low, odd, high);
	slot = _mm512_srli_epi32(_mm512_sll_epi32(left, _mm_cvtsi32_si128((int)bits)), 32 - LPM_ENTRY_BITS);
	/* Runs that begin up to the slot, less one. */
	place = _mm512_popcnt_epi32(_mm512_sllv_epi32(runs, _mm512_sub_epi32(_mm512_set1_epi32(31), slot)));
	place = _mm512_add_epi32(base, _mm512_sub_epi32(place, _mm512_set1_epi32(1)));
	return _mm512_mask_i32gather_epi32(
		base, _mm512_test_epi32_mask(runs, runs), place, arena, (int)sizeof(uint32_t));
}

/* The few that go on below the first node. */
VECTOR static __m512i
descend_v4(const struct lpm_view *view, __m512i words, __m512i left, __mmask16 lanes)
{
	uint32_t bits = view->root_bits;

	do {
		left = _mm512_sll_epi32(left, _mm_cvtsi32_si128((int)(bits + LPM_ENTRY_BITS)));
		bits = view->node_bits;
		__m512i nodes = _mm512_and_si512(words, _mm512_set1_epi32(0x7fffffff));

		words = _mm512_mask_mov_epi32(
			words, lanes, words_v4(view->arena, view->arena, nodes, left, bits, lanes));
		lanes = _mm512_movepi32_mask(words);
	} while (lanes != 0);
	return words;
}

VECTOR static void
look_up_v4(const struct lpm *lpm, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	const struct lpm_view *view = __atomic_load_n(&lpm->view, __ATOMIC_ACQUIRE);
	const __m512i fallback = _mm512_set1_epi32((int)__atomic_load_n(&lpm->fallback, __ATOMIC_RELAXED));

	for (uint16_t done = 0; done < n; done += LANES_V4) {
		__mmask16 lanes = n - done >= LANES_V4 ? 0xffff : (__mmask16)((1u << (n - done)) - 1);
		__m512i left = _mm512_maskz_loadu_epi32(lanes, addrs + done);
		__m512i words = words_v4(view->root, view->arena, _mm512_setzero_si512(), left, view->root_bits, lanes);
		__mmask16 deeper = _mm512_movepi32_mask(words);

		if (__builtin_expect(deeper != 0, 0))
			words = descend_v4(view, words, left, deeper);
		words = _mm512_mask_mov_epi32(words, _mm512_testn_epi32_mask(words, words), fallback);
		_mm512_mask_storeu_epi32(values + done, lanes, words);
	}
}

/* ---- any address: 64 bits a lane, as what is left of the 128 is shifted up ---- */

struct lanes {
	__m512i high, low; /* what is left of the addresses */
	__m512i words;
	__mmask8 on;
};

INLINE void
load_keys(struct lanes *l, const struct lpm_key *keys, int n)
{
	const uint64_t *halves = (const uint64_t *)keys;
	uint32_t loaded = n >= LANES ? 0xffff : (1u << (2 * n)) - 1;
	__m512i first = _mm512_maskz_loadu_epi64((__mmask8)loaded, halves);
	__m512i second = _mm512_maskz_loadu_epi64((__mmask8)(loaded >> 8), halves + 8);

	l->high = _mm512_permutex2var_epi64(first, _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0), second);
	l->low = _mm512_permutex2var_epi64(first, _mm512_set_epi64(15, 13, 11, 9, 7, 5, 3, 1), second);
	l->words = _mm512_setzero_si512();
	l->on = n >= LANES ? 0xff : (__mmask8)((1u << n) - 1);
}

/* One level for the lanes that are on. */
INLINE void
step(struct lanes *l, const lpm_entry *entries, const lpm_entry *arena, uint32_t bits)
{
	const __m512i lower = _mm512_set1_epi64(0xffffffff);
	const uint32_t used = bits + LPM_ENTRY_BITS;
	__m512i nodes = _mm512_and_si512(l->words, _mm512_set1_epi64(0x7fffffff)), found, runs, base, slot, place;

	nodes = _mm512_add_epi64(nodes, _mm512_srl_epi64(l->high, _mm_cvtsi32_si128((int)(64 - bits))));
	found = _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), l->on, nodes, entries, sizeof(lpm_entry));
	runs = _mm512_and_si512(found, lower);
	base = _mm512_srli_epi64(found, 32);
	slot = _mm512_srli_epi64(_mm512_sll_epi64(l->high, _mm_cvtsi32_si128((int)bits)), 64 - LPM_ENTRY_BITS);
	place = _mm512_and_si512(_mm512_sllv_epi64(runs, _mm512_sub_epi64(_mm512_set1_epi64(31), slot)), lower);
	place = _mm512_add_epi64(base, _mm512_sub_epi64(_mm512_popcnt_epi64(place), _mm512_set1_epi64(1)));
	base = _mm512_cvtepu32_epi64(_mm512_mask_i64gather_epi32(_mm512_cvtepi64_epi32(base),
		_mm512_mask_test_epi64_mask(l->on, runs, runs), place, arena, sizeof(uint32_t)));
	l->words = _mm512_mask_mov_epi64(l->words, l->on, base);
	l->on = _mm512_mask_test_epi64_mask(l->on, base, _mm512_set1_epi64(LPM_NODE));
	l->high = _mm512_or_si512(_mm512_sll_epi64(l->high, _mm_cvtsi32_si128((int)used)),
		_mm512_srl_epi64(l->low, _mm_cvtsi32_si128((int)(64 - used))));
	l->low = _mm512_sll_epi64(l->low, _mm_cvtsi32_si128((int)used));
}

VECTOR static void
look_up(const struct lpm *lpm, const struct lpm_key *keys, uint16_t n, uint32_t *values)
{
	const struct lpm_view *view = __atomic_load_n(&lpm->view, __ATOMIC_ACQUIRE);
	const __m512i fallback = _mm512_set1_epi64(__atomic_load_n(&lpm->fallback, __ATOMIC_RELAXED));

	for (int done = 0; done < n; done += BLOCK) {
		struct lanes l[BLOCK / LANES];
		const lpm_entry *entries = view->root;
		uint32_t bits = view->root_bits, on;

		for (int g = 0; g < BLOCK / LANES; g++)
			load_keys(&l[g], keys + done + g * LANES, n - done - g * LANES < 0 ? 0 : n - done - g * LANES);
		do {
			on = 0;
			for (int g = 0; g < BLOCK / LANES; g++) {
				step(&l[g], entries, view->arena, bits);
				on |= l[g].on;
			}
			entries = view->arena;
			bits = view->node_bits;
		} while (on != 0);
		for (int g = 0; g < BLOCK / LANES && done + g * LANES < n; g++) {
			__m512i words = _mm512_mask_mov_epi64(
				l[g].words, _mm512_testn_epi64_mask(l[g].words, l[g].words), fallback);
			int rest = n - done - g * LANES;

			_mm512_mask_cvtepi64_storeu_epi32(
				values + done + g * LANES, rest >= LANES ? 0xff : (__mmask8)((1u << rest) - 1), words);
		}
	}
}

const struct lpm_reader lpm_avx512 = { "AVX-512", look_up, look_up_v4 };

#else

bool
lpm_avx512_usable(void)
{
	return false;
}

const struct lpm_reader lpm_avx512 = { 0 };

#endif
