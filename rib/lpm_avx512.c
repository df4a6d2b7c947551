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

INLINE struct entries
take_apart(__m512i low, __m512i high)
{
	const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
	const __m512i odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);

	return (struct entries){ _mm512_permutex2var_epi32(low, even, high),
		_mm512_permutex2var_epi32(low, odd, high) };
}

/* ---- IPv4 ---- */

/* What all lookups of a burst need, read once. */
struct trie {
	const uint64_t *arena;
	const lpm_entry *root;
	uint32_t root_bits;
	__m512i root_shift, slot_shift; /* how far to shift an address to the right for its index and its slot there */
	__m512i fallback;
	__mmask8 all; /* of eight lanes */
};

INLINE struct trie
trie_of(const struct lpm *lpm)
{
	const struct lpm_view *view = __atomic_load_n(&lpm->view, __ATOMIC_ACQUIRE);
	struct trie trie = { .arena = view->arena,
		.root = view->root,
		.root_bits = view->root_bits,
		.root_shift = _mm512_set1_epi32(32 - (int)view->root_bits),
		.slot_shift = _mm512_set1_epi32(32 - (int)view->root_bits - LPM_SLOT_BITS),
		.fallback = _mm512_set1_epi32((int)__atomic_load_n(&lpm->fallback, __ATOMIC_RELAXED)),
		.all = UINT8_MAX };

	/* Hidden from the compiler, which would gather all lanes into any register: each then waits for the last. */
	__asm__("" : "+k"(trie.all));
	return trie;
}

/* Those of `low` of the first eight indices and of `high` of the last; 0 in the others. */
INLINE struct entries
entries_at(const lpm_entry *array, __m512i index, __mmask8 low, __mmask8 high)
{
	__m512i zero = _mm512_setzero_si512();

	return take_apart(_mm512_mask_i32gather_epi64(zero, low, _mm512_castsi512_si256(index), array, sizeof(*array)),
		_mm512_mask_i32gather_epi64(zero, high, _mm512_extracti64x4_epi64(index, 1), array, sizeof(*array)));
}

/* The words, values or links, that entries have for the slots that the last five bits of `slots` name. */
INLINE __m512i
words_of(const struct trie *trie, struct entries e, __m512i slots)
{
	__m512i behind = _mm512_andnot_si512(slots, _mm512_set1_epi32(LPM_SLOTS - 1));
	__m512i run = _mm512_popcnt_epi32(_mm512_sllv_epi32(e.runs, behind)), lengths, words;
	__m512i place = _mm512_add_epi32(_mm512_and_si512(e.base, _mm512_set1_epi32(LPM_PLACE)), run);
	__mmask16 on = _mm512_test_epi32_mask(e.runs, e.runs);
	__mmask16 shorts = _mm512_mask_test_epi32_mask(on, e.base, _mm512_set1_epi32(LPM_SHORT));

	place = _mm512_mask_add_epi32(place, ~shorts, place, run);
	words = _mm512_mask_i32gather_epi32(e.base, on, place, trie->arena, sizeof(uint16_t));
	lengths = _mm512_and_si512(_mm512_slli_epi32(words, LPM_SHORT_SHIFT), _mm512_set1_epi32(LPM_SHORT_LENGTHS));
	return _mm512_mask_ternarylogic_epi32(
		words, shorts, lengths, _mm512_set1_epi32(LPM_SHORT_NUMBERS), 0xec /* words & numbers | lengths */);
}

/*
 * The few that do not end in the block of the root's entry. Always to the last bits: to ask after each step whether
 * somebody goes on is a guess that waits for a line from memory.
 */
__attribute__((noinline)) VECTOR static __m512i
descend_v4(const struct trie *trie, __m512i words, __m512i addrs)
{
	for (uint32_t depth = trie->root_bits + LPM_SLOT_BITS; depth < 32; depth += LPM_SLOT_BITS) {
		__mmask16 links = _mm512_movepi32_mask(words);
		__m512i index = _mm512_and_si512(words, _mm512_set1_epi32((int)~LPM_LINK));
		__m512i window = _mm512_sll_epi32(addrs, _mm_cvtsi32_si128((int)depth));
		struct entries e = entries_at(trie->arena, index, (__mmask8)links, (__mmask8)(links >> 8));

		words = _mm512_mask_mov_epi32(
			words, links, words_of(trie, e, _mm512_srli_epi32(window, 32 - LPM_SLOT_BITS)));
	}
	return words;
}

INLINE struct entries
root_entries(const struct trie *trie, __m512i addrs)
{
	return entries_at(trie->root, _mm512_srlv_epi32(addrs, trie->root_shift), trie->all, trie->all);
}

INLINE __m512i
values_of(const struct trie *trie, struct entries roots, __m512i addrs)
{
	__m512i words = words_of(trie, roots, _mm512_srlv_epi32(addrs, trie->slot_shift));

	if (__builtin_expect(_mm512_movepi32_mask(words) != 0, 0))
		words = descend_v4(trie, words, addrs);
	return _mm512_mask_mov_epi32(words, _mm512_testn_epi32_mask(words, words), trie->fallback);
}

/* Two vectors side by side: the second's entries are asked for before the first's words, which wait for theirs. */
VECTOR void
lpm_lookup_v4_avx512(const struct lpm *lpm, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	const struct trie trie = trie_of(lpm);
	int done;

	for (done = 0; done + 2 * LANES <= n; done += 2 * LANES) {
		__m512i first = _mm512_loadu_si512(addrs + done), second = _mm512_loadu_si512(addrs + done + LANES);
		struct entries roots1 = root_entries(&trie, first), roots2 = root_entries(&trie, second);

		_mm512_storeu_si512(values + done, values_of(&trie, roots1, first));
		_mm512_storeu_si512(values + done + LANES, values_of(&trie, roots2, second));
	}
	for (; done < n; done += LANES) { /* the lanes behind the last look up address 0 */
		__mmask16 lanes = (__mmask16)((1u << RTE_MIN(n - done, LANES)) - 1);
		__m512i some = _mm512_maskz_loadu_epi32(lanes, addrs + done);

		_mm512_mask_storeu_epi32(values + done, lanes, values_of(&trie, root_entries(&trie, some), some));
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
