/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Compiling rules. Each add or delete makes a new ruleset from all rules; what takes time is done once a rule, in its
 * item.
 */
#include "ruleset.h"

#define LINE 64

static const struct key_layout layouts[2] = {
	{ RIB_KEY4_WORDS, offsetof(struct rib_key4, oif) / 4, offsetof(struct rib_key4, flow_hash) / 4 },
	{ RIB_KEY_WORDS, offsetof(struct rib_key, oif) / 4, offsetof(struct rib_key, flow_hash) / 4 },
};

/*
 * ---- a rule's item
 * ------------------------------------------------------------------------------------------------------
 */

static uint32_t
link_named(const struct rib *rib, const char *name)
{
	for (uint32_t i = 1; i < rib->link_limit; i++)
		if (rib->links[i] != NULL && strncmp(rib->links[i]->name, name, IF_NAMESIZE) == 0)
			return i;
	return 0;
}

/* A range of one port is compared as a field. */
static inline bool
one_port(uint16_t low, uint16_t high)
{
	return low != 0 && low == high;
}

static void
select4(const struct rib_rule *r, uint32_t iif, uint32_t oif, struct selectors *s)
{
	struct rib_key4 value = { .src = r->src.addr.v4,
		.dst = r->dst.addr.v4,
		.mark = r->mark,
		.iif = iif,
		.oif = oif,
		.sport = rte_cpu_to_be_16(r->sport_low),
		.dport = rte_cpu_to_be_16(r->dport_low),
		.dsfield = r->tos,
		.ip_protocol = r->ip_protocol };
	struct rib_key4 mask = { .src = rte_cpu_to_be_32(~(uint32_t)(UINT64_C(0xffffffff) >> r->src.length)),
		.dst = rte_cpu_to_be_32(~(uint32_t)(UINT64_C(0xffffffff) >> r->dst.length)),
		.mark = r->mark_mask,
		.iif = iif != 0 ? UINT32_MAX : 0,
		.oif = oif != 0 ? UINT32_MAX : 0,
		.sport = one_port(r->sport_low, r->sport_high) ? UINT16_MAX : 0,
		.dport = one_port(r->dport_low, r->dport_high) ? UINT16_MAX : 0,
		.dsfield = r->tos != 0 ? lookup_tos(AF_INET, UINT8_MAX) : 0,
		.ip_protocol = r->ip_protocol != 0 ? UINT8_MAX : 0 };

	memcpy(s->value, &value, sizeof(value));
	memcpy(s->mask, &mask, sizeof(mask));
}

static void
select6(const struct rib_rule *r, uint32_t iif, uint32_t oif, struct selectors *s)
{
	const struct lpm_key ones = { UINT64_MAX, UINT64_MAX };
	struct rib_key value = { .src = r->src.addr,
		.dst = r->dst.addr,
		.mark = r->mark,
		.iif = iif,
		.oif = oif,
		.sport = r->sport_low,
		.dport = r->dport_low,
		.dsfield = r->tos,
		.ip_protocol = r->ip_protocol };
	struct rib_key mask = { .src = key_addr(key_mask(ones, r->src.length)),
		.dst = key_addr(key_mask(ones, r->dst.length)),
		.mark = r->mark_mask,
		.iif = iif != 0 ? UINT32_MAX : 0,
		.oif = oif != 0 ? UINT32_MAX : 0,
		.sport = one_port(r->sport_low, r->sport_high) ? UINT16_MAX : 0,
		.dport = one_port(r->dport_low, r->dport_high) ? UINT16_MAX : 0,
		.dsfield = r->tos != 0 ? lookup_tos(AF_INET6, UINT8_MAX) : 0,
		.ip_protocol = r->ip_protocol != 0 ? UINT8_MAX : 0 };

	memcpy(s->value, &value, sizeof(value));
	memcpy(s->mask, &mask, sizeof(mask));
}

static struct selectors *
make_selectors(const struct rib *rib, const struct rib_rule *r)
{
	struct selectors *s = rib_zalloc(sizeof(*s));
	uint32_t iif = r->iif[0] == '\0' ? 0 : link_named(rib, r->iif);
	uint32_t oif = r->oif[0] == '\0' ? 0 : link_named(rib, r->oif);

	if (r->family == AF_INET)
		select4(r, iif, oif, s);
	else
		select6(r, iif, oif, s);
	if (!one_port(r->sport_low, r->sport_high)) {
		s->sport_low = r->sport_low;
		s->sport_high = r->sport_high;
	}
	if (!one_port(r->dport_low, r->dport_high)) {
		s->dport_low = r->dport_low;
		s->dport_high = r->dport_high;
	}
	s->never =
		(r->uid_set && r->uid_low != 0) || (r->iif[0] != '\0' && iif == 0) || (r->oif[0] != '\0' && oif == 0);
	s->invert = r->invert;
	return s;
}

static struct shape_words
words_of(const struct selectors *s)
{
	struct shape_words words = { .count = 0 };

	for (uint32_t i = 0; i < RIB_KEY_WORDS; i++) {
		if (s->mask[i] == 0)
			continue;
		words.word[words.count].at = i;
		words.word[words.count++].mask = s->mask[i];
	}
	return words;
}

static uint32_t
find_shape(struct rules *rules, const struct shape_words *words)
{
	uint32_t free_at = rules->shape_count;

	for (uint32_t k = 0; k < rules->shape_count; k++) {
		if (rules->shapes[k].members == 0)
			free_at = k;
		else if (memcmp(&rules->shapes[k].words, words, sizeof(*words)) == 0)
			return k;
	}
	if (free_at == rules->shape_count)
		rules->shapes = rib_realloc(rules->shapes, ++rules->shape_count * sizeof(*rules->shapes));
	rules->shapes[free_at] = (struct rule_shape){ .words = *words };
	return free_at;
}

void
rule_item_make(struct rib *rib, struct rib_rule *rule, struct rule_item *item)
{
	struct rules *rules = &rib->rules[family_index(rule->family)];
	struct selectors *s = make_selectors(rib, rule);
	struct shape_words words = words_of(s);
	bool ranges = s->sport_high != 0 || s->dport_high != 0;

	*item = (struct rule_item){ .rule = rule, .selectors = s, .shape = SHAPE_OTHER };
	if (rule->action == FR_ACT_TO_TBL)
		item->table = table_get(rib, rule->family, rule->table);
	if (s->never) {
		item->shape = s->invert ? SHAPE_ALL : SHAPE_NEVER;
	} else if (!s->invert && words.count > 0) {
		item->shape = find_shape(rules, &words);
		rules->shapes[item->shape].members++;
		item->hash = shape_hash(&words, s->value);
	} else if (!s->invert && !ranges) {
		item->shape = SHAPE_ALL;
	}
}

void
rule_item_leave(struct rules *rules, const struct rule_item *item)
{
	if (item->shape < rules->shape_count)
		rules->shapes[item->shape].members--;
}

/*
 * ---- compiling
 * ----------------------------------------------------------------------------------------------------------
 */

/* A ruleset in the making: the same memory, not yet const. */
struct making {
	struct ruleset *set;
	struct shape *shapes;
	const struct table **tables;
	struct compiled_rule *rules;
	struct walked *walked;
	struct walked_word *words;
	uint32_t *all, *other;
	/* By index in rules->shapes, which may have free ones: its members that are not walked over, its place. */
	uint32_t *members, *shape_of;
	uint32_t walked_end; /* rules before it are walked over, if they have a shape */
};

/* At most five rules a bucket in the mean: then one in twenty is full. */
static uint32_t
bucket_bits(uint32_t members)
{
	return (uint32_t)rte_log2_u32((members + 4) / 5);
}

static uint32_t
filter_bits(uint32_t members)
{
	return RTE_MAX((uint32_t)rte_log2_u32(members * FILTER_RULE_BITS), (uint32_t)FILTER_BITS_MIN);
}

/* How much of everything there is. */
struct sizes {
	size_t buckets, filter_words, shapes, other, walked, words;
};

static uint32_t
walked_words(const struct rules *rules, const struct rule_item *item)
{
	return (rules->shapes[item->shape].words.count + WALKED_WORDS - 1) / WALKED_WORDS * WALKED_WORDS;
}

/* How many rules may be walked over. */
static uint32_t
walked_max(const struct rules *rules)
{
	uint32_t shapes = 0, members = 0, max;

	for (uint32_t k = 0; k < rules->shape_count; k++) {
		shapes += rules->shapes[k].members != 0;
		members += rules->shapes[k].members;
	}
	max = rules->walked_per_shape * shapes;
	return members > max && shapes < SHAPES_FEW ? 0 : max;
}

/* Which rules are walked over, and so how many members each shape has. */
static void
choose_walked(struct making *m, const struct rules *rules, struct sizes *s)
{
	uint32_t max = walked_max(rules);

	for (uint32_t k = 0; k < rules->shape_count; k++)
		m->members[k] = rules->shapes[k].members;
	for (m->walked_end = 0; m->walked_end < rules->count && s->walked < max; m->walked_end++) {
		const struct rule_item *item = &rules->list[m->walked_end];

		if (item->shape >= rules->shape_count)
			continue;
		m->members[item->shape]--;
		s->walked++;
		s->words += walked_words(rules, item);
	}
}

static struct sizes
sizes_of(struct making *m, const struct rules *rules)
{
	struct sizes s = { 0 };

	choose_walked(m, rules, &s);
	for (uint32_t k = 0; k < rules->shape_count; k++) {
		uint32_t members = m->members[k];

		if (members == 0)
			continue;
		s.shapes++;
		s.buckets += (size_t)1 << bucket_bits(members);
		s.filter_words += (size_t)1 << filter_bits(members) >> 5;
	}
	for (uint32_t i = 0; i < rules->count; i++)
		s.other += rules->list[i].shape == SHAPE_OTHER;
	return s;
}

/* One piece of memory for all: first what is read by whole cache lines. */
static void
lay_out(struct making *m, const struct rules *rules)
{
	struct bucket *bucket;
	uint32_t *filter;
	struct sizes s;
	size_t bytes;

	m->members = rib_zalloc((rules->shape_count + 1) * sizeof(uint32_t));
	m->shape_of = rib_zalloc((rules->shape_count + 1) * sizeof(uint32_t));
	s = sizes_of(m, rules);
	bytes = RULESET_BYTES + s.buckets * sizeof(struct bucket) + s.filter_words * sizeof(uint32_t) +
		s.shapes * sizeof(struct shape) + rules->count * sizeof(struct compiled_rule) +
		(rules->count + 1) * sizeof(struct table *) + (rules->count + 1 + s.other) * sizeof(uint32_t) +
		s.walked * sizeof(struct walked) + s.words * sizeof(struct walked_word);
	m->set = rib_memory_check(aligned_alloc(LINE, RTE_ALIGN_CEIL(bytes, LINE)), bytes);
	bucket = (struct bucket *)((char *)m->set + RULESET_BYTES);
	filter = (uint32_t *)(bucket + s.buckets);
	m->shapes = (struct shape *)(filter + s.filter_words);
	m->tables = (const struct table **)(m->shapes + s.shapes);
	m->rules = (struct compiled_rule *)(m->tables + rules->count + 1);
	m->tables[rules->count] = NULL;
	m->all = (uint32_t *)(m->rules + rules->count);
	m->other = m->all + rules->count + 1;
	m->walked = (struct walked *)(m->other + s.other);
	m->words = (struct walked_word *)(m->walked + s.walked);
	memset(bucket, 0xff, s.buckets * sizeof(*bucket)); /* RULE_NONE */
	memset(filter, 0, s.filter_words * sizeof(*filter));
	*m->set = (struct ruleset){ .count = rules->count,
		.other_count = (uint32_t)s.other,
		.shapes = m->shapes,
		.all = m->all,
		.other = m->other,
		.walked = m->walked,
		.walked_words = m->words,
		.plain = true,
		.tables = m->tables,
		.rules = m->rules };
	for (uint32_t k = 0; k < rules->shape_count; k++) {
		uint32_t members = m->members[k];

		if (members == 0)
			continue;
		m->shape_of[k] = m->set->shape_count;
		m->shapes[m->set->shape_count++] = (struct shape){ .words = rules->shapes[k].words,
			.last = RULE_NONE,
			.bucket_shift = 32 - bucket_bits(members),
			.filter_shift = 32 - filter_bits(members),
			.filter = filter,
			.buckets = bucket };
		bucket += (size_t)1 << bucket_bits(members);
		filter += (size_t)1 << filter_bits(members) >> 5;
	}
}

static uint8_t
length_min(int32_t suppressed)
{
	return suppressed < 0 ? 0 : suppressed < UINT8_MAX ? (uint8_t)(suppressed + 1) : UINT8_MAX;
}

/* What a rule asks that has no effect: it never has an answer. */
static const struct table nowhere;

static struct compiled_rule
compile_rule(const struct rules *rules, uint32_t i)
{
	const struct rule_item *item = &rules->list[i];
	struct compiled_rule c = { .selectors = item->selectors,
		.realm = item->rule->realm,
		.next = i + 1,
		.same = RULE_NONE,
		.action = item->rule->action,
		.length_min = length_min(item->rule->suppress_prefix_length) };

	if (c.action == FR_ACT_GOTO) {
		uint32_t target = rules_at_priority(rules, item->rule->go_to);

		if (target < rules->count && rules->list[target].rule->priority == item->rule->go_to)
			c.next = target;
	}
	return c;
}

/* Does the rule ask for what its words say, and nothing else? */
static bool
words_say_all(const struct selectors *s)
{
	return (s->sport_high | s->dport_high) == 0;
}

/* Rules before walked_end come in ascending order; gives where the next one's words are to be. */
static struct walked_word *
put_walked(struct making *m, const struct rules *rules, uint32_t rule, struct walked_word *words)
{
	const struct rule_item *item = &rules->list[rule];
	const struct shape_words *from = &rules->shapes[item->shape].words;
	struct walked *at = &m->walked[m->set->walked_count++];

	*at = (struct walked){ .rule = rule | (words_say_all(item->selectors) ? RULE_PLAIN : 0),
		.count = walked_words(rules, item) };
	for (uint32_t i = 0; i < at->count; i++) {
		uint32_t word = i < from->count ? from->word[i].at : from->word[0].at;

		words[i] = (struct walked_word){ .at = word,
			.mask = i < from->count ? from->word[i].mask : 0,
			.value = item->selectors->value[word] };
		m->set->walked_fields |= 1u << word;
	}
	return words + at->count;
}

/* Rules come in descending order, so that of those with one tag the first is found first. */
static void
put_in_shape(struct making *m, struct shape *shape, const struct rule_item *item, uint32_t rule)
{
	const struct selectors *s = item->selectors;
	bool plain = shape->words.count == 1 && words_say_all(s);
	uint32_t tag = item->hash, bit = upper_bits(tag, shape->filter_shift);

	shape->first = rule;
	if (shape->last == RULE_NONE)
		shape->last = rule;
	shape->filter[bit / 32] |= 1u << bit % 32;
	for (uint32_t b = upper_bits(tag, shape->bucket_shift);; b = bucket_behind(shape, b)) {
		struct bucket *bucket = &shape->buckets[b];

		for (unsigned int i = 0; i < BUCKET_RULES; i++) {
			if (bucket->rule[i] == RULE_NONE) {
				bucket->tag[i] = tag;
				bucket->rule[i] = rule | (plain ? RULE_PLAIN : 0);
				return;
			}
			if (bucket->tag[i] == tag) {
				m->rules[rule].same = bucket->rule[i] & RULE_MASK;
				bucket->rule[i] = rule;
				return;
			}
		}
	}
}

static int
by_first(const void *a, const void *b)
{
	const struct shape *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static struct ruleset *
ruleset_create(const struct rules *rules, uint8_t family)
{
	struct walked_word *words;
	struct making m;
	uint32_t other, i;

	lay_out(&m, rules);
	words = m.words;
	m.set->layout = &layouts[family_index(family)];
	other = m.set->other_count;
	m.all[rules->count] = rules->count;
	for (i = rules->count; i-- > 0;) {
		const struct rule_item *item = &rules->list[i];

		m.rules[i] = compile_rule(rules, i);
		m.tables[i] =
			m.rules[i].action == FR_ACT_GOTO || m.rules[i].action == FR_ACT_NOP ? &nowhere : item->table;
		m.set->plain &= m.rules[i].realm == 0 && m.rules[i].length_min == 0;
		m.all[i] = item->shape == SHAPE_ALL ? i : m.all[i + 1];
		if (item->shape == SHAPE_OTHER)
			m.other[--other] = i;
		else if (i >= m.walked_end && item->shape < rules->shape_count)
			put_in_shape(&m, &m.shapes[m.shape_of[item->shape]], item, i);
	}
	for (i = 0; i < m.walked_end; i++)
		if (rules->list[i].shape < rules->shape_count)
			words = put_walked(&m, rules, i, words);
	qsort(m.shapes, m.set->shape_count, sizeof(*m.shapes), by_first);
	for (i = 0; i < rules->count && rules->list[i].shape == SHAPE_ALL && m.rules[i].action == FR_ACT_TO_TBL;)
		i++;
	m.set->leading = i;
	free(m.shape_of);
	free(m.members);
	return m.set;
}

void
rules_compile(struct rib *rib, uint8_t family)
{
	struct rules *rules = &rib->rules[family_index(family)];
	struct ruleset *old = rules->compiled;

	__atomic_store_n(&rules->compiled, ruleset_create(rules, family), __ATOMIC_RELEASE);
	if (old != NULL)
		rcu_defer(rib->rcu, ruleset_free, old);
}

void
ruleset_free(void *ruleset)
{
	free(ruleset);
}
