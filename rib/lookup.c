/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The workers' lookup. A burst goes through the rules together, a stage at a time, so that its cache misses overlap:
 * the rules that each key matches (rule_match.c), those rules' tables, the answers. Keys for which a table has no
 * answer go on with their next rule.
 */
#include <rte_branch_prediction.h>

#include "ruleset.h"

/*
 * A burst of one family on its way through the rules. The keys still without an answer are in front: what stands beside
 * index[i] is of keys[index[i]].
 */
struct burst {
	const struct rib *rib;
	const struct ruleset *set;
	const void *keys; /* struct rib_key4 or struct rib_key */
	const struct rib_result **answers; /* where each is: in its target, or in ... */
	struct rib_result *own; /* ... this, where more than the target has a say */
	uint8_t *lengths; /* of the prefixes found */
	uint32_t bound; /* not 0: keys are bound to devices (oif) */
	uint16_t count;
	uint8_t index[LPM_BURST];
	uint32_t addr[LPM_BURST]; /* IPv4's destination, host order */
	uint32_t from[LPM_BURST]; /* the rule to go on with */
	uint32_t rule[LPM_BURST]; /* that it has matched */
	const struct table *table[LPM_BURST]; /* of that rule */
	const struct flat *flat[LPM_BURST]; /* of that table, NULL if it has none */
	uint32_t value[LPM_BURST]; /* that the rule's table gave */
};

static inline bool
is_v4(const struct burst *b)
{
	return b->set->layout->words == RIB_KEY4_WORDS;
}

/*
 * ---- answers
 * ------------------------------------------------------------------------------------------------------------
 */

static inline const struct group_member *
choose(const struct group *group, uint32_t hash)
{
	uint16_t i = 0;

	while (hash > group->members[i].upper && i + 1 < group->count)
		i++;
	return &group->members[i];
}

static const struct group_member *
choose_through(const struct rib *rib, const struct group *group, uint32_t oif)
{
	for (uint16_t i = 0; i < group->count; i++) {
		const struct rib_nexthop *hop = rib_nexthop(rib, group->members[i].nexthop);

		if (hop != NULL && hop->ifindex == oif)
			return &group->members[i];
	}
	return NULL;
}

/* Chooses among several hops, or for a packet that is bound to a device; false if none goes through that. */
static bool
choose_hop(const struct burst *b, const struct group *group, uint8_t k)
{
	const uint32_t *key = key_at(b->set, b->keys, k);
	uint32_t oif = key[b->set->layout->oif];
	struct rib_result *result = &b->own[k];

	if (group != NULL) {
		const struct group_member *m =
			oif == 0 ? choose(group, key[b->set->layout->flow_hash]) : choose_through(b->rib, group, oif);

		if (m == NULL)
			return false;
		result->nexthop = m->nexthop;
		result->realm = m->realm;
		result->hop = rib_nexthop(b->rib, m->nexthop);
		result->forwards = result->type == RTN_UNICAST && result->hop != NULL;
		return true;
	}
	return oif == 0 || result->nexthop == RIB_NEXTHOP_NONE || (result->hop != NULL && result->hop->ifindex == oif);
}

/* A rule's realms stand in where the route has none (ip-rule(8)). */
static inline uint32_t
merge_realms(uint32_t route, uint32_t rule)
{
	return route | ((route & 0xffff) == 0 ? rule & 0xffff : 0) | (route >> 16 == 0 ? rule & 0xffff0000 : 0);
}

/* The answer is not the target's alone: several hops, a packet that is bound to a device, a rule with realms. */
static bool
answer_own(const struct burst *b, const struct compiled_rule *rule, const struct target *target,
	const struct group *group, uint8_t k)
{
	b->own[k] = target->result;
	if ((group != NULL || b->bound != 0) && !choose_hop(b, group, k))
		return false;
	b->own[k].realm = merge_realms(b->own[k].realm, rule->realm);
	b->answers[k] = &b->own[k];
	return true;
}

/* Is the value an answer by this rule for key k? */
static inline bool
answer(const struct burst *b, const struct compiled_rule *rule, uint8_t k, uint32_t value)
{
	const struct target *target;
	const struct group *group;

	if (value == 0 || lpm_value_length(value) < rule->length_min)
		return false;
	target = target_of(&b->rib->infos, lpm_value_number(value));
	group = __atomic_load_n(&target->group, __ATOMIC_ACQUIRE);
	if (unlikely(target->result.type == RTN_THROW))
		return false;
	b->lengths[k] = lpm_value_length(value);
	if (unlikely(group != NULL || b->bound != 0 || rule->realm != 0))
		return answer_own(b, rule, target, group, k);
	b->answers[k] = &target->result;
	return true;
}

/*
 * ---- tables
 * -------------------------------------------------------------------------------------------------------------
 */

/* The values of keys at the given places in one trie. */
static void
ask_lpm(const struct burst *b, const struct lpm *lpm, const uint8_t *places, uint16_t n, uint32_t *values)
{
	if (lpm == NULL) {
		memset(values, 0, n * sizeof(*values));
	} else if (is_v4(b)) {
		uint32_t addrs[LPM_BURST];

		for (uint16_t i = 0; i < n; i++)
			addrs[i] = b->addr[places[i]];
		lpm_lookup_v4(lpm, addrs, n, values);
	} else {
		const struct rib_key *keys = b->keys;
		struct lpm_key dsts[LPM_BURST];

		for (uint16_t i = 0; i < n; i++)
			dsts[i] = lpm_key(&keys[b->index[places[i]]].dst);
		lpm_lookup_v6(lpm, dsts, n, values);
	}
}

static uint8_t
tos_of(const struct burst *b, uint8_t k)
{
	return is_v4(b) ? lookup_tos(AF_INET, ((const struct rib_key4 *)b->keys)[k].dsfield)
			: lookup_tos(AF_INET6, ((const struct rib_key *)b->keys)[k].dsfield);
}

/* Routes with the packet's tos win over those without, at the same length (ip-route(8)). */
static void
ask_by_tos(const struct burst *b, const struct tos_lpms *by_tos, const uint8_t *places, uint16_t n, uint32_t *values)
{
	for (uint16_t i = 0; i < n; i++) {
		uint8_t tos = tos_of(b, b->index[places[i]]);
		uint32_t value = 0;

		for (uint32_t k = 0; tos != 0 && k < by_tos->count; k++)
			if (by_tos->of[k].tos == tos)
				ask_lpm(b, by_tos->of[k].lpm, &places[i], 1, &value);
		if (value != 0 && (values[i] == 0 || lpm_value_length(value) >= lpm_value_length(values[i])))
			values[i] = value;
	}
}

static void
ask_table(const struct burst *b, const struct table *table, const uint8_t *places, uint16_t n, uint32_t *values)
{
	const struct tos_lpms *by_tos = __atomic_load_n(&table->by_tos, __ATOMIC_ACQUIRE);

	ask_lpm(b, __atomic_load_n(&table->lpm, __ATOMIC_ACQUIRE), places, n, values);
	if (unlikely(by_tos != NULL))
		ask_by_tos(b, by_tos, places, n, values);
}

/* All keys ask the same table; false if it certainly has nothing for any of them. */
static bool
ask_together(struct burst *b, const struct table *table)
{
	const struct tos_lpms *by_tos = __atomic_load_n(&table->by_tos, __ATOMIC_ACQUIRE);
	const struct lpm *lpm = __atomic_load_n(&table->lpm, __ATOMIC_ACQUIRE);
	const struct flat *flat = table_flat(table);
	uint8_t places[LPM_BURST];

	if (flat != NULL)
		return flat_find_all(flat, b->addr, b->count, b->value) != 0;
	if (likely(is_v4(b) && lpm != NULL && by_tos == NULL)) {
		lpm_lookup_v4(lpm, b->addr, b->count, b->value);
	} else {
		for (uint16_t i = 0; i < b->count; i++)
			places[i] = (uint8_t)i;
		ask_table(b, table, places, b->count, b->value);
	}
	return true;
}

/* Asks the table of the first of the places for all that want it; gives how many remain. */
static uint16_t
ask_one(struct burst *b, uint8_t *places, uint16_t n)
{
	uint8_t mine[LPM_BURST];
	uint32_t values[LPM_BURST];
	uint16_t count = 0, left = 0;
	const struct table *table = b->table[places[0]];

	for (uint16_t i = 0; i < n; i++) {
		uint8_t place = places[i];

		mine[count] = place;
		count += b->table[place] == table;
		places[left] = place;
		left += b->table[place] != table;
	}
	ask_table(b, table, mine, count, values);
	for (uint16_t i = 0; i < count; i++)
		b->value[mine[i]] = values[i];
	return left;
}

/* Each key asks its rule's table. */
static void
ask_each(struct burst *b)
{
	uint8_t places[LPM_BURST];
	uint16_t left = 0;

	for (uint16_t i = 0; i < b->count; i++) {
		b->flat[i] = table_flat(b->table[i]);
		places[left] = (uint8_t)i;
		left += b->flat[i] == NULL;
	}
	flat_find_each(b->flat, b->addr, b->count, b->value);
	while (left > 0)
		left = ask_one(b, places, left);
}

/*
 * ---- rules
 * --------------------------------------------------------------------------------------------------------------
 */

/* Keeps the keys for which their rule's table has no answer. */
static void
settle(struct burst *b)
{
	static const struct compiled_rule plain;
	uint16_t left = 0;

	for (uint16_t i = 0; i < b->count; i++) {
		const struct compiled_rule *rule = likely(b->set->plain) ? &plain : &b->set->rules[b->rule[i]];

		if (likely(answer(b, rule, b->index[i], b->value[i])))
			continue;
		b->index[left] = b->index[i];
		b->addr[left] = b->addr[i];
		b->from[left++] = b->set->rules[b->rule[i]].next;
	}
	b->count = left;
}

/* The same where all have one rule, which takes everything. */
static void
settle_all(struct burst *b, const struct compiled_rule *rule)
{
	uint16_t left = 0;

	for (uint16_t i = 0; i < b->count; i++) {
		if (likely(answer(b, rule, b->index[i], b->value[i])))
			continue;
		b->index[left] = b->index[i];
		b->addr[left++] = b->addr[i];
	}
	b->count = left;
}

/* The rules at the front that take everything: no matching at all. */
static void
lead(struct burst *b)
{
	for (uint32_t r = 0; r < b->set->leading && b->count > 0; r++)
		if (ask_together(b, b->set->tables[r])) /* the local table has nothing for most bursts */
			settle_all(b, &b->set->rules[r]);
	for (uint16_t i = 0; i < b->count; i++)
		b->from[i] = b->set->leading;
}

static uint8_t
refusal(uint8_t action)
{
	return action == FR_ACT_BLACKHOLE ? RTN_BLACKHOLE : action == FR_ACT_PROHIBIT ? RTN_PROHIBIT : RTN_UNREACHABLE;
}

/* Settles the keys that have come to the end of the rules, or to one that refuses. */
static void
settle_without_table(struct burst *b)
{
	static const struct rib_result no_route = { .type = RTN_UNSPEC };
	const struct ruleset *set = b->set;
	uint16_t left = 0;

	for (uint16_t i = 0; i < b->count; i++) {
		uint32_t rule = b->rule[i];
		uint8_t k = b->index[i];

		if (b->table[i] != NULL) {
			b->index[left] = k;
			b->addr[left] = b->addr[i];
			b->table[left] = b->table[i];
			b->rule[left++] = rule;
			continue;
		}
		b->lengths[k] = 0;
		b->answers[k] = &no_route;
		if (rule != set->count) {
			b->own[k] = (struct rib_result){ .type = refusal(set->rules[rule].action),
				.realm = set->rules[rule].realm,
				.by_rule = true };
			b->answers[k] = &b->own[k];
		}
	}
	b->count = left;
}

/* Finds the table that each key is to ask; true if all ask the same. */
static bool
find_tables(struct burst *b)
{
	const struct table *const *tables = b->set->tables;
	bool one = true, none = false;

	for (uint16_t i = 0; i < b->count; i++) {
		b->table[i] = tables[b->rule[i]];
		one &= b->table[i] == b->table[0];
		none |= b->table[i] == NULL;
	}
	if (unlikely(none))
		settle_without_table(b);
	return one;
}

static void
look_up(struct burst *b)
{
	lead(b);
	while (b->count > 0) {
		bool one;

		ruleset_match(b->set, b->keys, b->index, b->from, b->count, b->rule);
		one = find_tables(b);
		if (b->count == 0)
			break;
		if (one)
			ask_together(b, b->table[0]);
		else
			ask_each(b);
		settle(b);
	}
}

static const uint8_t every_key[LPM_BURST] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
	21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48,
	49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63 };

/* At most LPM_BURST. */
static inline void
find4(const struct rib *rib, const struct rib_key4 *keys, uint16_t n, const struct rib_result **answers,
	struct rib_result *own, uint8_t *lengths)
{
	struct burst b;

	b.rib = rib;
	b.set = __atomic_load_n(&rib->rules[0].compiled, __ATOMIC_ACQUIRE);
	b.keys = keys;
	b.answers = answers;
	b.own = own;
	b.lengths = lengths;
	b.count = n;
	b.bound = 0;
	memcpy(b.index, every_key, sizeof(every_key));
	for (uint16_t i = 0; i < n; i++) {
		b.addr[i] = rte_be_to_cpu_32(keys[i].dst);
		b.bound |= keys[i].oif;
	}
	look_up(&b);
}

void
rib_find4(const struct rib *rib, const struct rib_key4 *keys, uint16_t n, const struct rib_result **answers,
	struct rib_result *own)
{
	uint8_t lengths[LPM_BURST];

	for (uint16_t done = 0; done < n; done += LPM_BURST)
		find4(rib, keys + done, RTE_MIN(n - done, LPM_BURST), answers + done, own + done, lengths);
}

static void
copy_answers(const struct rib_result *const *answers, const uint8_t *lengths, uint16_t n, struct rib_result *results)
{
	for (uint16_t i = 0; i < n; i++) {
		if (answers[i] != &results[i])
			results[i] = *answers[i];
		results[i].prefix_length = lengths[i];
	}
}

void
rib_lookup4(const struct rib *rib, const struct rib_key4 *keys, uint16_t n, struct rib_result *results)
{
	const struct rib_result *answers[LPM_BURST];
	uint8_t lengths[LPM_BURST];

	for (uint16_t done = 0; done < n; done += LPM_BURST) {
		uint16_t count = RTE_MIN(n - done, LPM_BURST);

		find4(rib, keys + done, count, answers, results + done, lengths);
		copy_answers(answers, lengths, count, results + done);
	}
}

static void
look_up_v4(const struct rib *rib, const struct rib_key *keys, uint16_t n, struct rib_result *results)
{
	struct rib_key4 keys4[LPM_BURST];

	for (uint16_t i = 0; i < n; i++)
		keys4[i] = (struct rib_key4){ .src = keys[i].src.v4,
			.dst = keys[i].dst.v4,
			.mark = keys[i].mark,
			.iif = keys[i].iif,
			.oif = keys[i].oif,
			.sport = rte_cpu_to_be_16(keys[i].sport),
			.dport = rte_cpu_to_be_16(keys[i].dport),
			.dsfield = keys[i].dsfield,
			.ip_protocol = keys[i].ip_protocol,
			.flow_hash = keys[i].flow_hash };
	rib_lookup4(rib, keys4, n, results);
}

static void
look_up_v6(const struct rib *rib, const struct rib_key *keys, uint16_t n, struct rib_result *results)
{
	const struct rib_result *answers[LPM_BURST];
	uint8_t lengths[LPM_BURST];
	struct burst b = {
		.rib = rib, .keys = keys, .answers = answers, .own = results, .lengths = lengths, .count = n
	};

	b.set = __atomic_load_n(&rib->rules[1].compiled, __ATOMIC_ACQUIRE);
	memcpy(b.index, every_key, sizeof(every_key));
	for (uint16_t i = 0; i < n; i++)
		b.bound |= keys[i].oif;
	look_up(&b);
	copy_answers(answers, lengths, n, results);
}

/* Runs of one family, which are mostly the whole. */
void
rib_lookup(const struct rib *rib, const struct rib_key *keys, uint16_t n, struct rib_result *results)
{
	for (uint16_t done = 0, run; done < n; done += run) {
		uint8_t family = keys[done].family;

		for (run = 1; run < LPM_BURST && done + run < n && keys[done + run].family == family;)
			run++;
		if (family == AF_INET)
			look_up_v4(rib, keys + done, run, results + done);
		else
			look_up_v6(rib, keys + done, run, results + done);
	}
}

bool
rib_has_realms(const struct rib *rib)
{
	return __atomic_load_n(&rib->infos.realms, __ATOMIC_RELAXED) != 0;
}

bool
rib_has_multipath(const struct rib *rib)
{
	return __atomic_load_n(&rib->infos.groups, __ATOMIC_RELAXED) != 0;
}

int
rib_route_get(const struct rib *rib, const struct rib_key *key, struct rib_route *route, struct rib_hop *hop,
	struct error *err)
{
	struct rule_answer found = { 0 };
	const struct info *info;
	int status;

	if (!family_known(key->family))
		return error_set(
			err, EAFNOSUPPORT, "Routes are of IPv4 or IPv6, not of address family %u", key->family);
	status = rules_search(rib, key, RT_SCOPE_UNIVERSE, &found);
	if (status != 0)
		return error_code(err, -status);
	route_fill(rib, found.table, found.entry, route);
	*hop = (struct rib_hop){ 0 };
	info = rib->infos.items[found.entry->info];
	if (info->hop_count == 0)
		return 0;
	if (key->oif == 0 && info->hop_count > 1) {
		const struct group *group = target_of(&rib->infos, found.entry->info)->group;
		uint32_t chosen = group == NULL ? info->nexthops[0] : choose(group, key->flow_hash)->nexthop;

		for (found.hop = 0; info->nexthops[found.hop] != chosen;)
			found.hop++;
	}
	*hop = info->hops[found.hop];
	return 0;
}
