/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The short way through the rules: what rib_find4 answers where only the destination has a say.
 *
 *     addresses turned round, sources against the filter -> tables in front that have nothing for any (flat)
 *         -> the table that has something for each -> values -> targets
 */
#include <rte_branch_prediction.h>

#include "direct.h"
#include "ruleset.h"

_Static_assert(RIB_DIRECT_MAX == LPM_BURST, "a burst");

struct rib_ahead
rib_look_ahead(const struct rib *rib)
{
	const struct ruleset *set = __atomic_load_n(&rib->rules[0].compiled, __ATOMIC_ACQUIRE);
	static const uint64_t nothing;

	/* Rules that select may come before: then it is for those that they do not. */
	for (uint32_t r = set->all[0]; r < set->count; r = set->all[r + 1]) {
		const struct table *table = set->tables[r];
		const struct lpm *lpm = table != NULL ? __atomic_load_n(&table->lpm, __ATOMIC_ACQUIRE) : NULL;

		if (lpm != NULL && table_flat(table) == NULL) {
			uint32_t shift;
			const uint64_t *root = lpm_root_v4(lpm, &shift);

			return (struct rib_ahead){ root, shift, set->plain && r < set->leading };
		}
	}
	/* Where rules that select come before any large table, few bursts would be answered without keys. */
	return (struct rib_ahead){ &nothing, 32, set->plain && set->leading == set->count };
}

/* ---- addresses --------------------------------------------------------------------------------------------------- */

static bool
take_apart_scalar(const struct rib_local_filter *filter, const struct rib_pair4 *pairs, uint16_t n, uint32_t *addrs)
{
	bool from_here = false;

	for (uint16_t i = 0; i < n; i++) {
		addrs[i] = rte_be_to_cpu_32(pairs[i].dst);
		from_here |= rib_may_be_local(filter, pairs[i].src);
	}
	return from_here;
}

static uint16_t
find_targets_scalar(struct target *const *pages, const uint32_t *values, uint16_t n, const struct rib_result **answers)
{
	uint16_t i;

	for (i = 0; i < n; i++) {
		answers[i] = &target_in(pages, lpm_value_number(values[i]))->result;
		if (unlikely(!answers[i]->forwards))
			break;
	}
	return i;
}

static const struct direct_reader scalar = { "scalar", take_apart_scalar, find_targets_scalar };
static const struct direct_reader *readers[] = { &scalar, NULL, NULL };
static const struct direct_reader *best = &scalar;

#ifdef __x86_64__
#include <immintrin.h>

#define LANES       16
#define TARGET_BITS 5 /* log2 of a target's bytes */
#define VECTOR      __attribute__((target("avx512f,avx512bw,avx512vl")))

/* The words of the filter, 64 of 32 bits, that the upper 6 bits of 11-bit hashes name. */
VECTOR static inline __m512i
filter_words(const struct rib_local_filter *filter, __m512i hash)
{
	const uint8_t *at = (const uint8_t *)filter->bits;
	__m512i place = _mm512_srli_epi32(hash, 5);
	__m512i lower = _mm512_permutex2var_epi32(_mm512_loadu_si512(at), place, _mm512_loadu_si512(at + 64));
	__m512i upper = _mm512_permutex2var_epi32(_mm512_loadu_si512(at + 128), place, _mm512_loadu_si512(at + 192));

	return _mm512_mask_mov_epi32(lower, _mm512_cmpge_epu32_mask(place, _mm512_set1_epi32(2 * LANES)), upper);
}

VECTOR static bool
take_apart_avx512(const struct rib_local_filter *filter, const struct rib_pair4 *pairs, uint16_t n, uint32_t *addrs)
{
	const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
	const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
	const __m512i turned =
		_mm512_broadcast_i32x4(_mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3));
	const __m512i factor = _mm512_set1_epi32((int)RIB_LOCAL_FACTOR);
	__mmask16 from_here = 0;

	for (int i = 0; i < n; i += LANES) {
		__mmask16 lanes = n - i >= LANES ? 0xffff : (__mmask16)((1u << (n - i)) - 1);
		uint32_t words = n - i >= LANES ? UINT32_MAX : (1u << 2 * (n - i)) - 1;
		__m512i low = _mm512_maskz_loadu_epi32((__mmask16)words, pairs + i);
		__m512i high = _mm512_maskz_loadu_epi32((__mmask16)(words >> 16), pairs + i + LANES / 2);
		__m512i src = _mm512_permutex2var_epi32(low, even, high);
		__m512i hash = _mm512_srli_epi32(_mm512_mullo_epi32(src, factor), RIB_LOCAL_SHIFT);
		__m512i bit = _mm512_sllv_epi32(_mm512_set1_epi32(1), _mm512_and_si512(hash, _mm512_set1_epi32(31)));

		from_here |= _mm512_mask_test_epi32_mask(lanes, filter_words(filter, hash), bit);
		_mm512_storeu_si512(addrs + i, _mm512_shuffle_epi8(_mm512_permutex2var_epi32(low, odd, high), turned));
	}
	return from_here != 0;
}

/* Of eight numbers; those whose targets do not forward. */
VECTOR static inline __mmask8
find_eight_targets(struct target *const *pages, __m256i numbers, __mmask8 lanes, const struct rib_result **answers)
{
	const __m256i forwards = _mm256_set1_epi32(UINT8_MAX);
	__m512i page = _mm512_mask_i32gather_epi64(
		_mm512_setzero_si512(), lanes, _mm256_srli_epi32(numbers, PAGE_BITS), pages, sizeof(*pages));
	__m256i place = _mm256_slli_epi32(_mm256_and_si256(numbers, _mm256_set1_epi32(PAGE_MASK)), TARGET_BITS);
	__m512i result = _mm512_add_epi64(page, _mm512_cvtepu32_epi64(place));
	__m512i flag = _mm512_add_epi64(result, _mm512_set1_epi64(offsetof(struct rib_result, forwards)));
	__m256i flags = _mm512_mask_i64gather_epi32(_mm256_setzero_si256(), lanes, flag, NULL, 1);

	_mm512_mask_storeu_epi64(answers, lanes, result);
	return _mm256_mask_testn_epi32_mask(lanes, flags, forwards);
}

VECTOR static uint16_t
find_targets_avx512(struct target *const *pages, const uint32_t *values, uint16_t n, const struct rib_result **answers)
{
	for (int i = 0; i < n; i += LANES) {
		__mmask16 lanes = n - i >= LANES ? 0xffff : (__mmask16)((1u << (n - i)) - 1);
		__m512i numbers = _mm512_and_si512(
			_mm512_maskz_loadu_epi32(lanes, values + i), _mm512_set1_epi32(LPM_NUMBER_MAX));
		uint32_t others =
			find_eight_targets(pages, _mm512_castsi512_si256(numbers), (__mmask8)lanes, answers + i);

		if (lanes >> 8 != 0)
			others |= (uint32_t)find_eight_targets(pages, _mm512_extracti64x4_epi64(numbers, 1),
					  (__mmask8)(lanes >> 8), answers + i + 8)
				  << 8;
		if (__builtin_expect(others != 0, 0))
			return (uint16_t)(i + __builtin_ctz(others));
	}
	return n;
}

_Static_assert(sizeof(struct target) == 1 << TARGET_BITS && offsetof(struct target, result) == 0 &&
		       offsetof(struct rib_result, forwards) + sizeof(uint32_t) <= sizeof(struct rib_result),
	"how targets are found");

static const struct direct_reader avx512 = { "AVX-512", take_apart_avx512, find_targets_avx512 };

__attribute__((constructor)) static void
choose_reader(void)
{
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
		best = readers[1] = &avx512;
}
#endif

const struct direct_reader *
direct_reader(unsigned int i)
{
	return readers[i];
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

/* Asks the first table of rules that take everything which has something for anybody. False: there is none. */
static bool
ask_tables(const struct ruleset *set, const uint32_t *addrs, uint16_t n, uint32_t *values)
{
	for (uint32_t r = 0; r < set->leading; r++) {
		const struct table *table = set->tables[r];
		const struct flat *flat = table_flat(table);
		const struct lpm *lpm;

		if (flat != NULL) {
			if (flat_find_all(flat, addrs, n, values) != 0)
				return true;
			continue;
		}
		if (__atomic_load_n(&table->by_tos, __ATOMIC_ACQUIRE) != NULL)
			return false;
		lpm = __atomic_load_n(&table->lpm, __ATOMIC_ACQUIRE);
		if (lpm != NULL) {
			lpm_lookup_v4(lpm, addrs, n, values);
			return true;
		}
	}
	return false;
}

/* Is the target of a value the answer, whoever asks? */
static bool
answers_alone(const struct target *target, uint32_t value)
{
	/* One of several hops may be another's for the next packet, and a throw goes on to other tables. */
	return value != 0 && target->result.type != RTN_THROW &&
	       __atomic_load_n(&target->group, __ATOMIC_ACQUIRE) == NULL;
}

bool
rib_find_direct(const struct rib *rib, const struct rib_pair4 *pairs, uint16_t n, const struct rib_result **answers,
	bool *from_here)
{
	const struct ruleset *set = __atomic_load_n(&rib->rules[0].compiled, __ATOMIC_ACQUIRE);
	struct target *const *pages = rib->infos.pages;
	uint32_t addrs[LPM_BURST], values[LPM_BURST];

	if (unlikely(!set->plain))
		return false;
	*from_here = best->take_apart(rib_local_filter(rib), pairs, n, addrs);
	if (unlikely(!ask_tables(set, addrs, n, values)))
		return false;
	for (uint16_t i = 0; i < n; i++) {
		const struct target *target;

		i += best->find_targets(pages, values + i, n - i, answers + i);
		if (likely(i == n))
			break;
		target = target_in(pages, lpm_value_number(values[i]));
		if (!answers_alone(target, values[i]))
			return false;
		answers[i] = &target->result;
	}
	return true;
}
