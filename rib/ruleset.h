/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules compiled for workers: immutable, swapped whole under RCU.
 *
 * A tuple space search (V. Srinivasan, S. Suri, G. Varghese, "Packet Classification using Tuple Space Search", SIGCOMM
 * 1999): rules that compare the same fields under the same masks, a shape, are in one hash table, so ten thousand rules
 * `from A/32` or `from A/24` are two probes. A rule is known by its index, that is by its rank: the least that matches
 * is the answer.
 *
 *     key & shape's mask -> hash -> filter, one bit: no rule at all
 *                                -> bucket, one cache line: | 8 tags | 8 rules |  -> rules[]: table, realm, next ...
 *                                                                     rules of one tag follow each other by `same`
 *
 * Asking a shape costs as much as comparing with a few rules, sixteen keys at a time. So the first rules are walked
 * over, as many as together cost no more than all shapes do, and only keys that match none of them ask the shapes of
 * the others: that costs about twice what either way alone would, at most.
 *
 * Rules that match everything are in no table: all[i] is the next of them at or behind i, and so the latest answer that
 * there can be.
 */
#ifndef WEIR_RIB_RULESET_H
#define WEIR_RIB_RULESET_H

#include "internal.h"

/* What a rule selects by, whole. */
struct selectors {
	uint32_t mask[RIB_KEY_WORDS], value[RIB_KEY_WORDS]; /* of a key's words */
	uint16_t sport_low, sport_high, dport_low, dport_high; /* ranges of more than one port; 0, 0: none */
	bool invert;
	bool never; /* before inversion: a named link that is not there, a uid range without root */
};

struct compiled_rule {
	const struct selectors *selectors;
	uint32_t realm;
	uint32_t next; /* the rule to go on with: the one behind, or a goto's target */
	uint32_t same; /* the next rule of the shape with the same tag; RULE_NONE: none */
	uint8_t action; /* FR_ACT_* */
	uint8_t length_min; /* shorter prefixes are suppressed */
};

#define SHAPE_HASH_FACTOR 0x9e3779b1u

#define RULE_NONE  UINT32_MAX
#define RULE_PLAIN 0x80000000u /* in a bucket: the tag says it all, and only one rule has it */
#define RULE_MASK  0x7fffffffu

#define BUCKET_RULES 8

/* Filled from the front; what does not fit is in the next bucket. */
struct bucket {
	uint32_t tag[BUCKET_RULES];
	uint32_t rule[BUCKET_RULES]; /* with RULE_PLAIN; RULE_NONE: free */
};

_Static_assert(sizeof(struct bucket) == 64, "one cache line");

struct shape {
	uint32_t first, last; /* rules: whoever has found an earlier one than the first need not ask */
	uint32_t bucket_shift, filter_shift; /* what to leave of a hash */
	struct shape_words words;
	uint32_t *filter; /* a bit is set where a rule's hash falls (B. Bloom, CACM 1970, with one hash) */
	struct bucket *buckets;
};

#define FILTER_RULE_BITS 8 /* a rule, at least: one in eight keys that match nothing asks in vain */
#define FILTER_BITS_MIN  9 /* log2 of a cache line's bits */

/* A rule that is walked over. */
struct walked {
	uint32_t rule; /* with RULE_PLAIN: its words say it all */
	uint32_t count; /* of its words: a multiple of WALKED_WORDS, if need be with masks of 0 */
};

struct walked_word {
	uint32_t at, mask, value; /* of a key */
};

/* So many at a time, without a branch on how many there are: most rules have no more. */
#define WALKED_WORDS 2

/* Rules that cost as much as asking a shape whose filter says no: 0.55 and 1.9 cycles a key by AVX-512. */
#define WALKED_PER_SHAPE 4

/* Fewer shapes are asked at once, unless all rules can be walked over: most rules are then of few large shapes. */
#define SHAPES_FEW 4

/* Where the fields are in a key of a family, in words. */
struct key_layout {
	uint32_t words, oif, flow_hash;
};

#define RULESET_BYTES 128

struct ruleset {
	const struct key_layout *layout;
	uint32_t count;
	uint32_t leading; /* so many rules at the front look up a table for whatever comes */
	bool plain; /* no rule has realms or suppresses prefixes */
	uint32_t shape_count, other_count;
	const struct shape *shapes; /* by first */
	const uint32_t *all; /* [count + 1]; count where there is none */
	const uint32_t *other; /* rules whose selectors must be tried */
	/*
	 * That each rule asks, an empty one for rules without effect; NULL: the rule refuses, or is the end,
	 * tables[count].
	 */
	const struct table *const *tables;
	const struct compiled_rule *rules; /* what most packets need nothing of */
	uint32_t walked_count, walked_fields; /* bit w: one of them compares word w of keys */
	const struct walked *walked; /* in order; all before any in a shape */
	const struct walked_word *walked_words; /* theirs, one rule's after the other's */
};

_Static_assert(sizeof(struct ruleset) <= RULESET_BYTES, "buckets follow it, each in its cache line");

/* The key of a burst at place i: the words of a struct rib_key4 or rib_key. */
static inline const uint32_t *
key_at(const struct ruleset *set, const void *keys, uint32_t i)
{
	return (const uint32_t *)keys + (size_t)i * set->layout->words;
}

/*
 * Multiplicative hashing (D. Knuth, The Art of Computer Programming 3, 6.4): the upper bits are the well mixed ones.
 * The factor is odd, so where only one word is compared the hash is one to one and tells all.
 */
static inline uint32_t
shape_hash(const struct shape_words *words, const uint32_t *key)
{
	uint32_t hash = 0;

	for (uint32_t i = 0; i < words->count; i++)
		hash = (hash ^ hash >> 15 ^ (key[words->word[i].at] & words->word[i].mask)) * SHAPE_HASH_FACTOR;
	return hash;
}

/* In 64 bits, where a shift by 32 leaves nothing. */
static inline uint32_t
upper_bits(uint32_t hash, uint32_t shift)
{
	return (uint32_t)((uint64_t)hash >> shift);
}

static inline uint32_t
bucket_behind(const struct shape *shape, uint32_t bucket)
{
	return (bucket + 1) & upper_bits(UINT32_MAX, shape->bucket_shift);
}

/* For tests: the ways to match that this processor can use, NULL at the end. ruleset_match uses the last. */
struct rule_matcher {
	const char *name;
	void (*match)(const struct ruleset *set, const void *keys, const uint8_t *index, const uint32_t *from,
		uint16_t n, uint32_t *found);
};

const struct rule_matcher *rule_matcher(unsigned int i);

/* found[i] is the first rule from from[i] on that keys[index[i]] matches, or the set's count. n at most LPM_BURST. */
void ruleset_match(const struct ruleset *set, const void *keys, const uint8_t *index, const uint32_t *from, uint16_t n,
	uint32_t *found);

#endif
