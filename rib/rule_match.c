/* SPDX-License-Identifier: BSD-3-Clause */
/* The workers' side of rules: a burst of keys through the hash tables of a ruleset, one table after the other. */
#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

#include "ruleset.h"

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

/* The bucket was full of others. */
static uint32_t
find_further(const struct shape *shape, uint32_t bucket, uint32_t tag)
{
	uint32_t found = RULE_NONE;

	while (found == RULE_NONE && shape->buckets[bucket].rule[BUCKET_RULES - 1] != RULE_NONE) {
		bucket = (bucket + 1) & shape->bucket_mask;
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

/* Inlined for shapes of one word, which nearly all are. */
static __rte_always_inline void
probe(const struct ruleset *set, const struct shape *shape, uint32_t words, const void *keys, const uint8_t *index,
	const uint32_t *from, const uint8_t *places, uint16_t n, uint32_t *found)
{
	uint64_t hashes[LPM_BURST];

	for (uint16_t j = 0; j < n; j++) {
		hashes[j] = shape_hash(&shape->words, words, key_at(set, keys, index[places[j]]));
		rte_prefetch0(&shape->buckets[bucket_of(shape, hashes[j])]);
	}
	for (uint16_t j = 0; j < n; j++) {
		uint8_t i = places[j];
		uint32_t bucket = bucket_of(shape, hashes[j]), tag = (uint32_t)hashes[j];
		uint32_t rule = bucket_find(&shape->buckets[bucket], tag);

		/* Whether there is a rule no one can foresee, but full buckets are rare: not two branches. */
		if (unlikely((rule == RULE_NONE) & (shape->buckets[bucket].rule[BUCKET_RULES - 1] != RULE_NONE)))
			rule = find_further(shape, bucket, tag);
		if (unlikely((rule & RULE_PLAIN) == 0))
			rule = try_same(set, rule, from[i], found[i], key_at(set, keys, index[i]));
		rule &= RULE_MASK;
		rule = rule >= from[i] ? rule : RULE_MASK;
		found[i] = rule < found[i] ? rule : found[i];
	}
}

void
ruleset_match(const struct ruleset *set, const void *keys, const uint8_t *index, const uint32_t *from, uint16_t n,
	uint32_t *found)
{
	uint8_t places[LPM_BURST];

	for (uint16_t i = 0; i < n; i++)
		found[i] = set->all[from[i]];
	for (const struct shape *s = set->shapes; s < set->shapes + set->shape_count; s++) {
		uint16_t count = 0;
		bool open = false; /* has anyone not found an earlier rule than all that remain? */

		for (uint16_t i = 0; i < n; i++) {
			bool asks = s->first < found[i];

			open |= asks;
			places[count] = (uint8_t)i;
			count += asks && s->last >= from[i];
		}
		if (!open)
			break;
		if (s->words.count == 1)
			probe(set, s, 1, keys, index, from, places, count, found);
		else
			probe(set, s, s->words.count, keys, index, from, places, count, found);
	}
	for (uint16_t i = 0; i < n && set->other_count > 0; i++) {
		const uint32_t *key = key_at(set, keys, index[i]);

		for (uint32_t o = 0; o < set->other_count && set->other[o] < found[i]; o++)
			if (set->other[o] >= from[i] && selectors_match(set->rules[set->other[o]].selectors, set, key))
				found[i] = set->other[o];
	}
}
