/* SPDX-License-Identifier: BSD-3-Clause */
/* The workers' side of rules: a burst of keys through the hash tables of a ruleset, one table after the other. */
#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "ruleset.h"

#define LANES 16

static inline bool
port_in(uint16_t low, uint16_t high, uint16_t port)
{
	return high == 0 || (port >= low && port <= high);
}

static bool
ports_match(const struct selectors *s, const struct ruleset *set, const uint32_t *key)
{
	const struct rib_key4 *key4 = (const struct rib_key4 *)key;
	const struct rib_key *key6 = (const struct rib_key *)key;
	bool is4 = set->layout->words == RIB_KEY4_WORDS;
	uint16_t sport = is4 ? rte_be_to_cpu_16(key4->sport) : key6->sport;
	uint16_t dport = is4 ? rte_be_to_cpu_16(key4->dport) : key6->dport;

	return port_in(s->sport_low, s->sport_high, sport) && port_in(s->dport_low, s->dport_high, dport);
}

static bool
selectors_match(const struct selectors *s, const struct ruleset *set, const uint32_t *key)
{
	uint32_t differ = 0;
	bool matches;

	for (uint32_t i = 0; i < set->layout->words; i++)
		differ |= (key[i] ^ s->value[i]) & s->mask[i];
	matches = !s->never && differ == 0 && ((s->sport_high | s->dport_high) == 0 || ports_match(s, set, key));
	return matches != s->invert;
}

/* The tag's rule, RULE_NONE if it has none. */
static inline uint32_t
bucket_find(const struct bucket *bucket, uint32_t tag)
{
	uint32_t found = RULE_NONE;

	for (unsigned int i = 0; i < BUCKET_RULES; i++)
		found &= bucket->rule[i] | (bucket->tag[i] == tag ? 0 : RULE_NONE);
	return found;
}

typedef uint32_t find_in_bucket(const struct bucket *bucket, uint32_t tag);

/* The bucket was full of others. */
static uint32_t
find_further(const struct shape *shape, uint32_t bucket, uint32_t tag)
{
	uint32_t found = RULE_NONE;

	while (found == RULE_NONE && shape->buckets[bucket].rule[BUCKET_RULES - 1] != RULE_NONE) {
		bucket = bucket_behind(shape, bucket);
		found = bucket_find(&shape->buckets[bucket], tag);
	}
	return found;
}

/* Of the rules with one tag, the first in [from, end) that matches. */
static uint32_t
try_same(const struct ruleset *set, uint32_t rule, uint32_t from, uint32_t end, const uint32_t *key)
{
	for (; rule < end; rule = set->rules[rule].same)
		if (rule >= from && selectors_match(set->rules[rule].selectors, set, key))
			return rule;
	return RULE_NONE;
}

/* The keys that a shape's filter lets through. */
struct sifted {
	uint16_t count; /* CLOSED: all keys have found an earlier rule than the shape's first */
	uint32_t place[LPM_BURST + LANES], hash[LPM_BURST + LANES];
};

#define CLOSED UINT16_MAX

/* A burst on its way through the shapes. */
struct matching {
	const struct ruleset *set;
	const uint32_t *keys;
	const uint8_t *index;
	const uint32_t *from;
	uint32_t *found;
	uint16_t n;
	uint32_t key[LPM_BURST]; /* where each begins, in words */
	/*
	 * AVX-512: the keys' words, each side by side from when a shape first compares it; bit w of `ready` tells of
	 * word w.
	 */
	uint32_t ready;
	_Alignas(RTE_CACHE_LINE_SIZE) uint32_t word[RIB_KEY_WORDS][LPM_BURST];
};

typedef void begin(struct matching *m);

typedef void walk(struct matching *m);

typedef void sift(struct matching *m, const struct shape *shape, struct sifted *to);

static void
begin_scalar(struct matching *m)
{
	for (uint16_t i = 0; i < m->n; i++) {
		m->key[i] = m->index[i] * m->set->layout->words;
		m->found[i] = m->set->all[m->from[i]];
	}
}

static void
sift_scalar(struct matching *m, const struct shape *shape, struct sifted *to)
{
	uint16_t count = 0;
	bool open = false;

	for (uint16_t i = 0; i < m->n; i++) {
		uint32_t hash = shape_hash(&shape->words, m->keys + m->key[i]);
		uint32_t bit = upper_bits(hash, shape->filter_shift);
		bool early = shape->first < m->found[i];

		open |= early;
		to->place[count] = i;
		to->hash[count] = hash;
		count += early & (shape->last >= m->from[i]) & (shape->filter[bit / 32] >> bit % 32 & 1);
	}
	to->count = open ? count : CLOSED;
}

static __rte_always_inline void
probe(find_in_bucket *find, struct matching *m, const struct shape *shape, const struct sifted *s)
{
	for (uint16_t j = 0; j < s->count; j++) {
		uint32_t i = s->place[j], tag = s->hash[j], bucket = upper_bits(tag, shape->bucket_shift);
		uint32_t rule = find(&shape->buckets[bucket], tag), from = m->from[i], found = m->found[i];

		/* Whether there is a rule no one can foresee, but full buckets are rare: not two branches. */
		if (unlikely((rule == RULE_NONE) & (shape->buckets[bucket].rule[BUCKET_RULES - 1] != RULE_NONE)))
			rule = find_further(shape, bucket, tag);
		if (unlikely((rule & RULE_PLAIN) == 0))
			rule = try_same(m->set, rule, from, found, m->keys + m->key[i]);
		rule &= RULE_MASK;
		rule = rule >= from ? rule : RULE_MASK;
		m->found[i] = rule < found ? rule : found;
	}
}

static bool
has_words(const uint32_t *key, const struct walked_word *word, uint32_t count)
{
	uint32_t differ = 0;

	for (uint32_t i = 0; i < count; i++)
		differ |= (key[word[i].at] ^ word[i].value) & word[i].mask;
	return differ == 0;
}

/* The first of the rules walked over that the i-th key matches. */
static void
walk_one(struct matching *m, uint16_t i)
{
	const struct ruleset *set = m->set;
	const struct walked *r = set->walked, *end = r + set->walked_count;
	const struct walked_word *word = set->walked_words;
	const uint32_t *key = m->keys + m->key[i];

	for (; r < end && (r->rule & RULE_MASK) < m->found[i]; word += r->count, r++) {
		uint32_t rule = r->rule & RULE_MASK;

		if (rule < m->from[i] || !has_words(key, word, r->count))
			continue;
		if ((r->rule & RULE_PLAIN) == 0 && !selectors_match(set->rules[rule].selectors, set, key))
			continue;
		m->found[i] = rule;
		break;
	}
}

static void
walk_scalar(struct matching *m)
{
	for (uint16_t i = 0; i < m->n; i++)
		walk_one(m, i);
}

static void
try_others(struct matching *m)
{
	const struct ruleset *set = m->set;

	for (uint16_t i = 0; i < m->n && set->other_count > 0; i++)
		for (uint32_t o = 0; o < set->other_count && set->other[o] < m->found[i]; o++)
			if (set->other[o] >= m->from[i] &&
				selectors_match(set->rules[set->other[o]].selectors, set, m->keys + m->key[i]))
				m->found[i] = set->other[o];
}

static __rte_always_inline void
match(begin *begin_burst, walk *walk_rules, sift *sift_shape, find_in_bucket *find, const struct ruleset *set,
	const void *keys, const uint8_t *index, const uint32_t *from, uint16_t n, uint32_t *found)
{
	struct sifted sifted[2];
	struct matching m;

	m.set = set;
	m.keys = keys;
	m.index = index;
	m.from = from;
	m.found = found;
	m.n = n;
	begin_burst(&m);
	if (set->walked_count != 0)
		walk_rules(&m);
	/* One shape is sifted while the one before is probed: neither waits for the other's loads and stores. */
	sifted[0].count = CLOSED;
	if (set->shape_count > 0)
		sift_shape(&m, &set->shapes[0], &sifted[0]);
	for (uint32_t i = 0; sifted[i % 2].count != CLOSED; i++) {
		struct sifted *next = &sifted[(i + 1) % 2];

		next->count = CLOSED;
		if (i + 1 < set->shape_count)
			sift_shape(&m, &set->shapes[i + 1], next);
		probe(find, &m, &set->shapes[i], &sifted[i % 2]);
	}
	try_others(&m);
}

static void
match_scalar(const struct ruleset *set, const void *keys, const uint8_t *index, const uint32_t *from, uint16_t n,
	uint32_t *found)
{
	match(begin_scalar, walk_scalar, sift_scalar, bucket_find, set, keys, index, from, n, found);
}

static const struct rule_matcher scalar = { "scalar", match_scalar };
static const struct rule_matcher *matchers[] = { &scalar, NULL, NULL };
static const struct rule_matcher *best = &scalar;

#ifdef __x86_64__
#include <immintrin.h>

#define VECTOR __attribute__((target("avx512f,avx512bw,avx512vl,popcnt")))

VECTOR static inline __mmask16
lanes_at(const struct matching *m, uint16_t i)
{
	return m->n - i >= LANES ? 0xffff : (__mmask16)((1u << (m->n - i)) - 1);
}

VECTOR static void
begin_avx512(struct matching *m)
{
	const __m512i words = _mm512_set1_epi32((int)m->set->layout->words);

	for (uint16_t i = 0; i < m->n; i += LANES) {
		__mmask16 lanes = lanes_at(m, i);
		__m512i key = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(lanes, m->index + i));
		__m512i from = _mm512_maskz_loadu_epi32(lanes, m->from + i);

		_mm512_storeu_si512(m->key + i, _mm512_mullo_epi32(key, words));
		_mm512_mask_storeu_epi32(m->found + i, lanes,
			_mm512_mask_i32gather_epi32(from, lanes, from, m->set->all, sizeof(uint32_t)));
	}
	m->ready = 0;
}

VECTOR static void
load_word(struct matching *m, uint32_t at)
{
	for (uint16_t i = 0; i < m->n; i += LANES)
		_mm512_storeu_si512(
			m->word[at] + i, _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), lanes_at(m, i),
						 _mm512_loadu_si512(m->key + i), m->keys + at, sizeof(uint32_t)));
	m->ready |= 1u << at;
}

/* Of sixteen keys, those that have the words; `keys`: where the first's are, side by side with the others'. */
VECTOR static inline __mmask16
compare_avx512(const uint32_t *keys, const struct walked_word *word, uint32_t count)
{
	const struct walked_word *end = word + count;
	__m512i differ = _mm512_setzero_si512();

	do {
		for (unsigned int w = 0; w < WALKED_WORDS; w++) {
			__m512i other = _mm512_xor_si512(_mm512_load_si512(keys + (size_t)LPM_BURST * word[w].at),
				_mm512_set1_epi32((int)word[w].value));

			differ = _mm512_ternarylogic_epi32(
				differ, other, _mm512_set1_epi32((int)word[w].mask), 0xf8); /* or what the mask has */
		}
		word += WALKED_WORDS;
	} while (__builtin_expect(word < end, 0));
	return _mm512_testn_epi32_mask(differ, differ);
}

/* Of the lanes, those whose keys have what a rule asks beside words. */
VECTOR static __mmask16
check_each(const struct matching *m, uint32_t rule, __mmask16 lanes, uint16_t i)
{
	__mmask16 matching = 0;

	for (uint32_t left = lanes; left != 0; left &= left - 1) {
		uint32_t lane = (uint32_t)__builtin_ctz(left);

		if (selectors_match(m->set->rules[rule].selectors, m->set, m->keys + m->key[i + lane]))
			matching |= (__mmask16)(1u << lane);
	}
	return matching;
}

/*
 * Until all sixteen have found their first rule. Whether any matches no one can foresee: no branch on it. Nor does a
 * rule's comparison wait for what the one before has found.
 */
VECTOR static void
walk_sixteen(struct matching *m, uint16_t i)
{
	const struct walked *r = m->set->walked, *end = r + m->set->walked_count;
	const struct walked_word *word = m->set->walked_words;
	const __mmask16 lanes = lanes_at(m, i);
	const __m512i from = _mm512_maskz_loadu_epi32(lanes, m->from + i);
	__m512i found = _mm512_maskz_loadu_epi32(lanes, m->found + i);

	for (; r < end; word += r->count, r++) {
		__m512i rule = _mm512_set1_epi32((int)(r->rule & RULE_MASK));
		__mmask16 matching = compare_avx512(m->word[0] + i, word, r->count);

		if (_mm512_cmpgt_epu32_mask(found, rule) == 0)
			break;
		if (__builtin_expect((r->rule & RULE_PLAIN) == 0, 0))
			matching = check_each(m, r->rule, matching & lanes, i);
		matching = _mm512_mask_cmple_epu32_mask(matching, from, rule);
		found = _mm512_mask_min_epu32(found, matching, found, rule);
	}
	_mm512_mask_storeu_epi32(m->found + i, lanes, found);
}

VECTOR static void
walk_avx512(struct matching *m)
{
	for (uint32_t fields = m->set->walked_fields; fields != 0; fields &= fields - 1)
		load_word(m, (uint32_t)__builtin_ctz(fields));
	for (uint16_t i = 0; i < m->n; i += LANES)
		walk_sixteen(m, i);
}

/* shape_hash of sixteen keys. */
VECTOR static inline __m512i
hash_avx512(const struct matching *m, const struct shape_words *words, uint16_t i)
{
	const __m512i factor = _mm512_set1_epi32((int)SHAPE_HASH_FACTOR);
	__m512i hash = _mm512_setzero_si512();

	for (uint32_t w = 0; w < words->count; w++) {
		__m512i word = _mm512_loadu_si512(m->word[words->word[w].at] + i);

		word = _mm512_and_si512(word, _mm512_set1_epi32((int)words->word[w].mask));
		hash = _mm512_xor_si512(hash, _mm512_srli_epi32(hash, 15));
		hash = _mm512_mullo_epi32(_mm512_xor_si512(hash, word), factor);
	}
	return hash;
}

/* Of the lanes, those whose bit is set; a filter of one cache line is looked up in a register. */
VECTOR static inline __mmask16
filter_avx512(const struct shape *shape, __mmask16 lanes, __m512i hash)
{
	__m512i bit = _mm512_srl_epi32(hash, _mm_cvtsi32_si128((int)shape->filter_shift));
	__m512i at = _mm512_srli_epi32(bit, 5), words;

	if (shape->filter_shift == 32 - FILTER_BITS_MIN)
		words = _mm512_permutexvar_epi32(at, _mm512_loadu_si512(shape->filter));
	else
		words = _mm512_mask_i32gather_epi32(at, lanes, at, shape->filter, sizeof(uint32_t));
	bit = _mm512_sllv_epi32(_mm512_set1_epi32(1), _mm512_and_si512(bit, _mm512_set1_epi32(31)));
	return _mm512_mask_test_epi32_mask(lanes, words, bit);
}

VECTOR static void
sift_avx512(struct matching *m, const struct shape *shape, struct sifted *to)
{
	const __m512i first = _mm512_set1_epi32((int)shape->first), last = _mm512_set1_epi32((int)shape->last);
	__m512i place = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
	uint16_t count = 0;
	__mmask16 open = 0;

	for (uint32_t w = 0; w < shape->words.count; w++)
		if ((m->ready >> shape->words.word[w].at & 1) == 0)
			load_word(m, shape->words.word[w].at);
	for (uint16_t i = 0; i < m->n; i += LANES) {
		__mmask16 lanes = lanes_at(m, i);
		__m512i hash = hash_avx512(m, &shape->words, i);

		lanes = _mm512_mask_cmpgt_epu32_mask(lanes, _mm512_maskz_loadu_epi32(lanes, m->found + i), first);
		open |= lanes;
		lanes = _mm512_mask_cmple_epu32_mask(lanes, _mm512_maskz_loadu_epi32(lanes, m->from + i), last);
		lanes = filter_avx512(shape, lanes, hash);
		_mm512_storeu_si512(to->place + count, _mm512_maskz_compress_epi32(lanes, place));
		_mm512_storeu_si512(to->hash + count, _mm512_maskz_compress_epi32(lanes, hash));
		count = (uint16_t)(count + (uint32_t)__builtin_popcount(lanes));
		place = _mm512_add_epi32(place, _mm512_set1_epi32(LANES));
	}
	to->count = open != 0 ? count : CLOSED;
}

VECTOR static inline uint32_t
bucket_find_avx512(const struct bucket *bucket, uint32_t tag)
{
	__mmask8 is =
		_mm256_cmpeq_epi32_mask(_mm256_load_si256((const __m256i *)bucket->tag), _mm256_set1_epi32((int)tag));
	__m256i rules = _mm256_load_si256((const __m256i *)bucket->rule);

	rules = _mm256_mask_compress_epi32(_mm256_set1_epi32(-1), is, rules);
	return (uint32_t)_mm_cvtsi128_si32(_mm256_castsi256_si128(rules));
}

VECTOR static void
match_avx512(const struct ruleset *set, const void *keys, const uint8_t *index, const uint32_t *from, uint16_t n,
	uint32_t *found)
{
	match(begin_avx512, walk_avx512, sift_avx512, bucket_find_avx512, set, keys, index, from, n, found);
}

static const struct rule_matcher avx512 = { "AVX-512", match_avx512 };

__attribute__((constructor)) static void
choose_matcher(void)
{
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
		__builtin_cpu_supports("popcnt"))
		best = matchers[1] = &avx512;
}
#endif

const struct rule_matcher *
rule_matcher(unsigned int i)
{
	return matchers[i];
}

void
ruleset_match(const struct ruleset *set, const void *keys, const uint8_t *index, const uint32_t *from, uint16_t n,
	uint32_t *found)
{
	best->match(set, keys, index, from, n, found);
}
