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
	/* Where rules that select come before any large table, few bursts would be answered without keys. */
	struct rib_ahead ahead = { &nothing, 32, set->plain && set->leading == set->count };

	/* Rules that select may come before: then it is for those that they do not. */
	for (uint32_t r = set->all[0]; r < set->count && ahead.first == &nothing; r = set->all[r + 1]) {
		const struct table *table = set->tables[r];
		const struct lpm *lpm = table != NULL ? __atomic_load_n(&table->lpm, __ATOMIC_ACQUIRE) : NULL;

		if (lpm != NULL && table_flat(table) == NULL) {
			ahead.first = lpm_root_v4(lpm, &ahead.shift);
			ahead.direct = set->plain && r < set->leading;
		}
	}
	return ahead;
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

static const struct direct_reader scalar = { "scalar", take_apart_scalar };
static const struct direct_reader *readers[] = { &scalar, NULL, NULL };
static const struct direct_reader *best = &scalar;

#ifdef __x86_64__
#include <immintrin.h>

#define LANES  16
#define VECTOR __attribute__((target("avx512f,avx512bw,avx512vl")))

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

static const struct direct_reader avx512 = { "AVX-512", take_apart_avx512 };

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
		const struct target *target = target_in(pages, lpm_value_number(values[i]));

		if (unlikely(!target->result.forwards) && !answers_alone(target, values[i]))
			return false;
		answers[i] = &target->result;
	}
	return true;
}
