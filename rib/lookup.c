/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The workers' lookup: all packets of a burst that go to one table do so together, so that their cache misses
 * overlap. Those
 * for which it has no answer go on with their next rule.
 */
#include <rte_branch_prediction.h>

#include "ruleset.h"

/* A burst of one family on its way through the rules. */
struct burst {
	const struct rib *rib;
	const struct ruleset *set;
	const struct rib_key *keys;
	struct rib_result *results;
	uint16_t count; /* still without an answer */
	uint8_t index[LPM_BURST]; /* of those: into keys and results */
	uint32_t rule[LPM_BURST]; /* that each has matched, by place in index */
};

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

/* The nexthop and realm of the target for this packet; false if none goes through the device that it is bound to. */
static inline bool
choose_hop(const struct rib *rib, const struct target *target, const struct rib_key *key, struct rib_result *result)
{
	const struct group *group = __atomic_load_n(&target->group, __ATOMIC_ACQUIRE);

	result->nexthop = target->nexthop;
	result->realm = target->realm;
	if (unlikely(group != NULL)) {
		const struct group_member *m =
			key->oif == 0 ? choose(group, key->flow_hash) : choose_through(rib, group, key->oif);

		if (m == NULL)
			return false;
		result->nexthop = m->nexthop;
		result->realm = m->realm;
	} else if (unlikely(key->oif != 0 && target->nexthop != RIB_NEXTHOP_NONE)) {
		const struct rib_nexthop *hop = rib_nexthop(rib, target->nexthop);

		return hop != NULL && hop->ifindex == key->oif;
	}
	return true;
}

/* Is the value an answer by this rule? */
static inline bool
answer(const struct rib *rib, const struct compiled_rule *rule, const struct rib_key *key, uint32_t value,
	struct rib_result *result)
{
	const struct target *target;
	uint8_t length = lpm_value_length(value);

	if (value == 0 || length <= rule->suppress_prefix_length)
		return false;
	target = target_of(&rib->infos, lpm_value_number(value));
	if (unlikely(target->type == RTN_THROW) || !choose_hop(rib, target, key, result))
		return false;
	/* A rule's realms stand in where the route has none (ip-rule(8)). */
	if ((result->realm & 0xffff) == 0)
		result->realm |= rule->realm & 0xffff;
	if (result->realm >> 16 == 0)
		result->realm |= rule->realm & 0xffff0000;
	result->type = target->type;
	result->scope = target->scope;
	result->prefix_length = length;
	result->by_rule = false;
	return true;
}

static void
look_up(const struct lpm *lpm, uint8_t family, const struct rib_key *keys, const uint8_t *index, uint16_t n,
	uint32_t *values)
{
	if (lpm == NULL) {
		memset(values, 0, n * sizeof(*values));
	} else if (family == AF_INET) {
		uint32_t addrs[LPM_BURST];

		for (uint16_t i = 0; i < n; i++)
			addrs[i] = rte_be_to_cpu_32(keys[index[i]].dst.v4);
		lpm_lookup_v4(lpm, addrs, n, values);
	} else {
		struct lpm_key dsts[LPM_BURST];

		for (uint16_t i = 0; i < n; i++)
			dsts[i] = lpm_key(&keys[index[i]].dst);
		lpm_lookup(lpm, dsts, n, values);
	}
}

/* Routes with the packet's tos win over those without, at the same length (ip-route(8)). */
static void
look_up_tos(const struct tos_lpms *by_tos, uint8_t family, const struct rib_key *keys, const uint8_t *index, uint16_t n,
	uint32_t *values)
{
	for (uint16_t i = 0; i < n; i++) {
		uint8_t tos = lookup_tos(family, keys[index[i]].dsfield);
		uint32_t value = 0;

		for (uint32_t k = 0; tos != 0 && k < by_tos->count; k++)
			if (by_tos->of[k].tos == tos)
				look_up(by_tos->of[k].lpm, family, keys, &index[i], 1, &value);
		if (value != 0 && (values[i] == 0 || lpm_value_length(value) >= lpm_value_length(values[i])))
			values[i] = value;
	}
}

static void
look_up_table(const struct table *table, const struct rib_key *keys, const uint8_t *index, uint16_t n, uint32_t *values)
{
	const struct tos_lpms *by_tos = __atomic_load_n(&table->by_tos, __ATOMIC_ACQUIRE);

	look_up(__atomic_load_n(&table->lpm, __ATOMIC_ACQUIRE), table->family, keys, index, n, values);
	if (unlikely(by_tos != NULL))
		look_up_tos(by_tos, table->family, keys, index, n, values);
}

static inline bool
table_is_empty(const struct table *table)
{
	return __atomic_load_n(&table->lpm, __ATOMIC_RELAXED) == NULL &&
	       __atomic_load_n(&table->by_tos, __ATOMIC_RELAXED) == NULL;
}

/* The rules at the front that take everything: no matching at all. */
static void
lead(struct burst *b)
{
	uint32_t values[LPM_BURST];

	for (uint32_t r = 0; r < b->set->leading && b->count > 0; r++) {
		const struct compiled_rule *rule = &b->set->rules[r];
		uint16_t left = 0;

		if (table_is_empty(rule->table))
			continue;
		look_up_table(rule->table, b->keys, b->index, b->count, values);
		for (uint16_t i = 0; i < b->count; i++) {
			uint8_t k = b->index[i];

			b->index[left] = k;
			left += !answer(b->rib, rule, &b->keys[k], values[i], &b->results[k]);
		}
		b->count = left;
	}
}

static uint8_t
refusal(uint8_t action)
{
	return action == FR_ACT_BLACKHOLE ? RTN_BLACKHOLE : action == FR_ACT_PROHIBIT ? RTN_PROHIBIT : RTN_UNREACHABLE;
}

/* The next rule from `from` on that looks up a table; count if the packet's answer is settled. */
static uint32_t
next_table(const struct burst *b, uint8_t k, uint32_t from)
{
	const struct ruleset *set = b->set;

	while (from < set->count && (from = ruleset_find(set, &b->keys[k], from)) < set->count) {
		const struct compiled_rule *rule = &set->rules[from];

		if (rule->action == FR_ACT_TO_TBL)
			return from;
		if (rule->action != FR_ACT_NOP) {
			b->results[k] = (struct rib_result){
				.type = refusal(rule->action), .realm = rule->realm, .by_rule = true
			};
			return set->count;
		}
		from = rule->next;
	}
	b->results[k] = (struct rib_result){ .type = RTN_UNSPEC };
	return from;
}

static void
match(struct burst *b, uint32_t from)
{
	uint16_t left = 0;

	for (uint16_t i = 0; i < b->count; i++) {
		uint32_t rule = next_table(b, b->index[i], from);

		b->index[left] = b->index[i];
		b->rule[left] = rule;
		left += rule < b->set->count;
	}
	b->count = left;
}

/* Asks one table, that of the first packet's rule, for all packets that want it. */
static void
ask_one_table(struct burst *b)
{
	const struct table *table = b->set->rules[b->rule[0]].table;
	uint8_t index[LPM_BURST], place[LPM_BURST];
	uint32_t values[LPM_BURST];
	uint16_t n = 0, left = 0;

	for (uint16_t i = 0; i < b->count; i++) {
		index[n] = b->index[i];
		place[n] = (uint8_t)i;
		n += b->set->rules[b->rule[i]].table == table;
	}
	look_up_table(table, b->keys, index, n, values);
	for (uint16_t i = 0; i < n; i++) {
		uint32_t *rule = &b->rule[place[i]];
		uint8_t k = index[i];

		if (answer(b->rib, &b->set->rules[*rule], &b->keys[k], values[i], &b->results[k]))
			*rule = b->set->count;
		else
			*rule = next_table(b, k, b->set->rules[*rule].next);
	}
	for (uint16_t i = 0; i < b->count; i++) {
		b->index[left] = b->index[i];
		b->rule[left] = b->rule[i];
		left += b->rule[i] < b->set->count;
	}
	b->count = left;
}

static void
look_up_family(
	const struct rib *rib, uint8_t family, const struct rib_key *keys, uint16_t n, struct rib_result *results)
{
	struct burst b = { .rib = rib, .keys = keys, .results = results };

	for (uint16_t i = 0; i < n; i++) {
		b.index[b.count] = (uint8_t)i;
		b.count += keys[i].family == family;
	}
	if (b.count == 0)
		return;
	b.set = __atomic_load_n(&rib->rules[family_index(family)].compiled, __ATOMIC_ACQUIRE);
	lead(&b);
	if (b.count > 0)
		match(&b, b.set->leading);
	while (b.count > 0)
		ask_one_table(&b);
}

void
rib_lookup(const struct rib *rib, const struct rib_key *keys, uint16_t n, struct rib_result *results)
{
	for (uint16_t done = 0; done < n; done += LPM_BURST) {
		uint16_t part = n - done < LPM_BURST ? n - done : LPM_BURST;

		look_up_family(rib, AF_INET, keys + done, part, results + done);
		look_up_family(rib, AF_INET6, keys + done, part, results + done);
		for (uint16_t i = done; i < done + part; i++)
			results[i].hop = rib_nexthop(rib, results[i].nexthop);
	}
}

void
rib_lookup4(const struct rib *rib, const struct rib_key4 *keys, uint16_t n, struct rib_result *results)
{
	for (uint16_t done = 0; done < n; done += LPM_BURST) {
		uint16_t part = n - done < LPM_BURST ? n - done : LPM_BURST;
		struct rib_key whole[LPM_BURST];

		for (uint16_t i = 0; i < part; i++) {
			const struct rib_key4 *key = &keys[done + i];

			whole[i] = (struct rib_key){ .family = AF_INET,
				.dst = ip_addr_v4(key->dst),
				.src = ip_addr_v4(key->src),
				.mark = key->mark,
				.iif = key->iif,
				.oif = key->oif,
				.flow_hash = key->flow_hash,
				.dsfield = key->dsfield,
				.ip_protocol = key->ip_protocol,
				.sport = rte_be_to_cpu_16(key->sport),
				.dport = rte_be_to_cpu_16(key->dport) };
		}
		rib_lookup(rib, whole, part, results + done);
	}
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
