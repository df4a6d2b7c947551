/* SPDX-License-Identifier: BSD-3-Clause */
/* Readers of IPv6's trees in plain C and with AVX2. */
#include "lpm_tree_read.h"

void
lpm_tree_finish(const struct lpm *lpm, const struct lpm_view *view, const struct lpm_key *keys, uint32_t n,
	const struct lpm_line *const *leaves, uint32_t *values, lpm_follow *follow)
{
	const struct lpm_line *lines = lpm_lines(view);
	uint32_t fallback = __atomic_load_n(&lpm->fallback, __ATOMIC_RELAXED);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t value = values[i], depth = view->root_bits;

		if (leaves[i] == lines) {
			lpm_entry entry =
				__atomic_load_n(&view->root[keys[i].hi >> (64 - view->root_bits)], __ATOMIC_ACQUIRE);
			uint32_t top = lpm_tree_entry_line(entry);
			uint32_t window = lpm_window(keys[i], view->root_bits);

			if (top == 0)
				value = lpm_tree_entry_value(entry);
			else /* a tree has come since */
				value = follow(lines, lpm_link_make(top, view->height), window);
		}
		while (value & LPM_LINK) {
			depth += LPM_TREE_BITS;
			value = follow(lines, value, lpm_window(keys[i], depth));
		}
		values[i] = value != 0 ? value : fallback;
	}
}

/* ---- plain C ---- */

static __rte_always_inline uint32_t
inner_scalar(const struct lpm_line *line, uint32_t window)
{
	uint32_t before = 0;

	for (uint32_t i = 0; i < LPM_BASE; i++)
		before += line->words[i] < window;
	return __atomic_load_n(&line->words[LPM_BASE], __ATOMIC_ACQUIRE) + before;
}

static __rte_always_inline uint32_t
leaf_scalar(const struct lpm_line *line, uint32_t window)
{
	uint32_t before = 0;

	for (uint32_t i = 0; i < LPM_LEAF_KEYS; i++)
		before += line->words[i] < window;
	return line->words[LPM_LINE_WORDS - 1 - before];
}

static uint32_t
follow_scalar(const struct lpm_line *lines, uint32_t link, uint32_t window)
{
	return lpm_tree_follow(lines, link, window, inner_scalar, leaf_scalar);
}

void
lpm_lookup_v6_scalar(const struct lpm *lpm, const struct lpm_key *keys, uint16_t n, uint32_t *values)
{
	lpm_tree_look_up(lpm, keys, n, values, inner_scalar, leaf_scalar, follow_scalar);
}

/* ---- AVX2 ---- */

#ifdef __x86_64__
#include <immintrin.h>

#define VECTOR __attribute__((target("avx2,bmi,bmi2,popcnt")))

/* In which words it is not before the window. */
VECTOR static __rte_always_inline __m256i
not_before(const uint32_t *words, __m256i windows)
{
	__m256i last = _mm256_load_si256((const __m256i *)words);

	return _mm256_cmpeq_epi32(_mm256_max_epu32(last, windows), last); /* there is no unsigned compare */
}

VECTOR static __rte_always_inline uint32_t
inner_avx2(const struct lpm_line *line, uint32_t window)
{
	__m256i windows = _mm256_set1_epi32((int)window);
	/* Two bits a word, in some order; that of the base is the last. */
	__m256i both = _mm256_packs_epi32(not_before(line->words, windows), not_before(line->words + 8, windows));
	uint32_t before = ~(uint32_t)_mm256_movemask_epi8(both) & UINT32_MAX >> 2;

	return line->words[LPM_BASE] + (uint32_t)__builtin_popcount(before) / 2;
}

VECTOR static __rte_always_inline uint32_t
leaf_avx2(const struct lpm_line *line, uint32_t window)
{
	__m256i behind = not_before(line->words, _mm256_set1_epi32((int)window));
	int count = __builtin_popcount((unsigned int)_mm256_movemask_ps(_mm256_castsi256_ps(behind)));

	return line->words[LPM_LINE_WORDS - 1 - LPM_LEAF_KEYS + count];
}

VECTOR static uint32_t
follow_avx2(const struct lpm_line *lines, uint32_t link, uint32_t window)
{
	return lpm_tree_follow(lines, link, window, inner_avx2, leaf_avx2);
}

VECTOR void
lpm_lookup_v6_avx2(const struct lpm *lpm, const struct lpm_key *keys, uint16_t n, uint32_t *values)
{
	lpm_tree_look_up(lpm, keys, n, values, inner_avx2, leaf_avx2, follow_avx2);
}

#endif
