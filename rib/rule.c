/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules as they are written (ip-rule(8)): adding, deleting, showing, and the plain walk that the control thread
 * uses.
 */

#include "ruleset.h"

#define TOS_ECN   0x03 /* RFC 3168 */
#define TOS_ROUTE 0x1c /* what Linux compares of an IPv4 TOS: the RFC 1349 bits but the lowest */
#define TOS_DSCP  0xfc /* RFC 2474 */

uint8_t
lookup_tos(uint8_t family, uint8_t dsfield)
{
	return dsfield & (family == AF_INET ? TOS_ROUTE : TOS_DSCP);
}

static bool
prefix_has(const struct ip_prefix *prefix, const struct ip_addr *addr)
{
	return prefix->length == 0 || addr_in_prefix(addr, &prefix->addr, prefix->length);
}

static bool
link_matches(const struct rib *rib, const char *name, uint32_t ifindex)
{
	const struct rib_link *link;

	if (name[0] == '\0')
		return true;
	link = rib_link_find(rib, ifindex);
	return link != NULL && strncmp(link->name, name, IF_NAMESIZE) == 0;
}

static bool
port_matches(uint16_t low, uint16_t high, uint16_t port)
{
	return (low == 0 && high == 0) || (port >= low && port <= high);
}

static bool
rule_matches(const struct rib *rib, const struct rib_rule *rule, const struct rib_key *key)
{
	bool matches = link_matches(rib, rule->iif, key->iif) && link_matches(rib, rule->oif, key->oif) &&
		       ((key->mark ^ rule->mark) & rule->mark_mask) == 0 && (!rule->uid_set || rule->uid_low == 0) &&
		       prefix_has(&rule->src, &key->src) && prefix_has(&rule->dst, &key->dst) &&
		       (rule->tos == 0 || rule->tos == lookup_tos(key->family, key->dsfield)) &&
		       (rule->ip_protocol == 0 || rule->ip_protocol == key->ip_protocol) &&
		       port_matches(rule->sport_low, rule->sport_high, key->sport) &&
		       port_matches(rule->dport_low, rule->dport_high, key->dport);

	return matches != rule->invert;
}

uint32_t
rules_at_priority(const struct rules *rules, uint32_t priority)
{
	uint32_t low = 0, high = rules->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (rules->list[middle].rule->priority < priority)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The rule that a goto leads to, or rules->count. */
static uint32_t
target_of_goto(const struct rules *rules, const struct rib_rule *rule)
{
	uint32_t i = rules_at_priority(rules, rule->go_to);

	return i < rules->count && rules->list[i].rule->priority == rule->go_to ? i : rules->count;
}

/* The errno of a rule that refuses, of a route that does. */
static int
rule_error(uint8_t action)
{
	return action == FR_ACT_PROHIBIT ? -EACCES : action == FR_ACT_UNREACHABLE ? -ENETUNREACH : -EINVAL;
}

static int
type_error(uint8_t type)
{
	switch (type) {
	case RTN_BLACKHOLE:
		return -EINVAL;
	case RTN_UNREACHABLE:
		return -EHOSTUNREACH;
	case RTN_PROHIBIT:
		return -EACCES;
	case RTN_THROW:
		return -EAGAIN;
	default:
		return 0;
	}
}

int
rules_search(const struct rib *rib, const struct rib_key *key, uint8_t scope, struct rule_answer *answer)
{
	const struct rules *rules = &rib->rules[family_index(key->family)];
	uint8_t tos = lookup_tos(key->family, key->dsfield);

	for (uint32_t i = 0; i < rules->count; i++) {
		const struct rib_rule *rule = rules->list[i].rule;

		if (!rule_matches(rib, rule, key) || rule->action == FR_ACT_NOP)
			continue;
		if (rule->action == FR_ACT_GOTO) {
			uint32_t target = target_of_goto(rules, rule);

			if (target < rules->count)
				i = target - 1;
			continue;
		}
		if (rule->action != FR_ACT_TO_TBL)
			return rule_error(rule->action);
		answer->rule = rule;
		answer->table = table_find(rib, key->family, rule->table);
		answer->entry = answer->table == NULL ? NULL
						      : table_search(rib, answer->table, lpm_key(&key->dst), tos,
								key->oif, scope, &answer->hop);
		if (answer->entry == NULL || answer->entry->length <= rule->suppress_prefix_length)
			continue;
		if (rib->infos.items[answer->entry->info]->type != RTN_THROW)
			return type_error(rib->infos.items[answer->entry->info]->type);
	}
	answer->entry = NULL;
	return -ENETUNREACH;
}

/* Behind those of its priority. */
static void
put_in(struct rib *rib, const struct rib_rule *rule)
{
	struct rules *rules = &rib->rules[family_index(rule->family)];
	uint32_t i = rule->priority == UINT32_MAX ? rules->count : rules_at_priority(rules, rule->priority + 1);
	struct rib_rule *copy = rib_zalloc(sizeof(*copy));

	*copy = *rule;
	if (rules->count == rules->room) {
		rules->room = rules->room == 0 ? 4 : rules->room * 2;
		rules->list = rib_realloc(rules->list, rules->room * sizeof(*rules->list));
	}
	memmove(&rules->list[i + 1], &rules->list[i], (rules->count - i) * sizeof(*rules->list));
	rules->count++;
	rule_item_make(rib, copy, &rules->list[i]);
}

static struct rule_item
take_out(struct rules *rules, uint32_t i)
{
	struct rule_item item = rules->list[i];

	rule_item_leave(rules, &item);
	rules->count--;
	memmove(&rules->list[i], &rules->list[i + 1], (rules->count - i) * sizeof(*rules->list));
	return item;
}

static void
family_link_changed(struct rib *rib, uint8_t family)
{
	struct rules *rules = &rib->rules[family_index(family)];
	struct selectors **old = rib_zalloc((rules->count + 1) * sizeof(*old));
	uint32_t named = 0;

	for (uint32_t i = 0; i < rules->count; i++) {
		struct rule_item *item = &rules->list[i];

		if (item->rule->iif[0] == '\0' && item->rule->oif[0] == '\0')
			continue;
		old[named++] = item->selectors;
		rule_item_leave(rules, item);
		rule_item_make(rib, item->rule, item);
	}
	if (named > 0)
		rules_compile(rib, family);
	while (named > 0)
		rcu_defer(rib->rcu, free, old[--named]);
	free(old);
}

void
rules_link_changed(struct rib *rib)
{
	family_link_changed(rib, AF_INET);
	family_link_changed(rib, AF_INET6);
}

void
rules_destroy(struct rib *rib)
{
	for (unsigned int f = 0; f < 2; f++) {
		struct rules *rules = &rib->rules[f];

		for (uint32_t i = 0; i < rules->count; i++) {
			free(rules->list[i].selectors);
			free(rules->list[i].rule);
		}
		free(rules->list);
		free(rules->shapes);
		ruleset_free(rules->compiled);
	}
}

int
rules_set_defaults(struct rib *rib, struct error *err)
{
	static const struct {
		uint8_t family;
		uint32_t priority, table;
	} defaults[] = {
		{ AF_INET, 0, RT_TABLE_LOCAL },
		{ AF_INET, 32766, RT_TABLE_MAIN },
		{ AF_INET, 32767, RT_TABLE_DEFAULT },
		{ AF_INET6, 0, RT_TABLE_LOCAL },
		{ AF_INET6, 32766, RT_TABLE_MAIN },
	};

	for (unsigned int i = 0; i < 2; i++)
		rib->rules[i].walked_per_shape = WALKED_PER_SHAPE;
	for (unsigned int i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
		struct rib_rule rule = { .family = defaults[i].family,
			.action = FR_ACT_TO_TBL,
			.protocol = RTPROT_KERNEL,
			.priority = defaults[i].priority,
			.priority_set = true,
			.table = defaults[i].table,
			.suppress_prefix_length = -1 };
		int status = rib_rule_add(rib, &rule, CHANGE_CREATE, err);

		if (status != 0)
			return status;
	}
	/* Linux has these two from the start. */
	table_get(rib, AF_INET6, RT_TABLE_MAIN)->exists = true;
	table_get(rib, AF_INET6, RT_TABLE_LOCAL)->exists = true;
	return 0;
}

static int
check_selectors(const struct rib_rule *rule, struct error *err)
{
	if (rule->src.length > ip_family_bits(rule->family) || rule->dst.length > ip_family_bits(rule->family))
		return error_set(
			err, EINVAL, "Invalid prefix length: an address has %u bits", ip_family_bits(rule->family));
	if (rule->tos & TOS_ECN)
		return error_set(err, EINVAL, "Invalid dsfield (tos): ECN bits must be 0");
	if (rule->family == AF_INET && rule->tos & ~TOS_ROUTE)
		return error_set(err, EINVAL, "Invalid tos");
	if (rule->sport_low > rule->sport_high || (rule->sport_low == 0 && rule->sport_high != 0))
		return error_set(err, EINVAL, "Invalid sport range");
	if (rule->dport_low > rule->dport_high || (rule->dport_low == 0 && rule->dport_high != 0))
		return error_set(err, EINVAL, "Invalid dport range");
	if (rule->uid_set && rule->uid_low > rule->uid_high)
		return error_set(err, EINVAL, "Invalid uid range: its end %u is below its start %u", rule->uid_high,
			rule->uid_low);
	return 0;
}

static int
check_action(struct rib *rib, struct rib_rule *rule, struct error *err)
{
	switch (rule->action) {
	case FR_ACT_TO_TBL:
		if (rule->table != RT_TABLE_UNSPEC)
			break;
		if (rule->family == AF_INET6)
			return error_set(err, EINVAL, "Invalid table");
		/* Linux takes the first table that does not exist. */
		for (rule->table = 1; rib_table_exists(rib, AF_INET, rule->table); rule->table++)
			;
		table_get(rib, AF_INET, rule->table)->exists = true;
		break;
	case FR_ACT_GOTO:
		if (rule->go_to <= rule->priority)
			return error_set(err, EINVAL, "Backward goto not supported");
		break;
	case FR_ACT_NOP:
	case FR_ACT_BLACKHOLE:
	case FR_ACT_UNREACHABLE:
	case FR_ACT_PROHIBIT:
		break;
	default:
		return error_set(err, EINVAL, "Unknown rule action %u", rule->action);
	}
	return 0;
}

static bool
same_prefix(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return a->length == b->length && (a->length == 0 || ip_addr_equal(&a->addr, &b->addr));
}

/* Of two with the same priority. */
static bool
same_rule(const struct rib_rule *a, const struct rib_rule *b)
{
	return a->action == b->action && a->invert == b->invert && a->tos == b->tos && a->table == b->table &&
	       a->go_to == b->go_to && same_prefix(&a->src, &b->src) && same_prefix(&a->dst, &b->dst) &&
	       a->mark == b->mark && a->mark_mask == b->mark_mask && a->realm == b->realm &&
	       strncmp(a->iif, b->iif, IF_NAMESIZE) == 0 && strncmp(a->oif, b->oif, IF_NAMESIZE) == 0 &&
	       a->ip_protocol == b->ip_protocol && a->sport_low == b->sport_low && a->sport_high == b->sport_high &&
	       a->dport_low == b->dport_low && a->dport_high == b->dport_high &&
	       a->suppress_prefix_length == b->suppress_prefix_length && a->uid_set == b->uid_set &&
	       (!a->uid_set || (a->uid_low == b->uid_low && a->uid_high == b->uid_high));
}

/* What cannot be known but at the time of asking: whether names have links, and a goto its target. */
static struct rib_rule
shown(const struct rib *rib, const struct rules *rules, const struct rib_rule *stored)
{
	struct rib_rule rule = *stored;

	rule.flags = 0;
	if (rule.iif[0] != '\0')
		rule.flags |= FIB_RULE_IIF_DETACHED;
	if (rule.oif[0] != '\0')
		rule.flags |= FIB_RULE_OIF_DETACHED;
	for (uint32_t i = 1; i < rib->link_limit && rule.flags != 0; i++) {
		if (rule.iif[0] != '\0' && link_matches(rib, rule.iif, i))
			rule.flags &= ~(uint32_t)FIB_RULE_IIF_DETACHED;
		if (rule.oif[0] != '\0' && link_matches(rib, rule.oif, i))
			rule.flags &= ~(uint32_t)FIB_RULE_OIF_DETACHED;
	}
	if (rule.action == FR_ACT_GOTO && target_of_goto(rules, &rule) == rules->count)
		rule.flags |= FIB_RULE_UNRESOLVED;
	if (rule.invert)
		rule.flags |= FIB_RULE_INVERT;
	return rule;
}

static void
tell(const struct rib *rib, const struct rules *rules, const struct rib_rule *stored, bool added)
{
	struct rib_rule rule = shown(rib, rules, stored);

	if (rib->events.rule != NULL)
		rib->events.rule(rib->events.arg, added, &rule);
}

int
rib_rule_add(struct rib *rib, const struct rib_rule *given, uint16_t flags, struct error *err)
{
	struct rib_rule rule = *given;
	struct rules *rules;
	int status;

	if (!family_known(rule.family))
		return error_set(err, EAFNOSUPPORT, "Rules are of IPv4 or IPv6, not of address family %u", rule.family);
	rules = &rib->rules[family_index(rule.family)];
	if (!rule.priority_set)
		rule.priority =
			rules->count < 2 || rules->list[1].rule->priority == 0 ? 0 : rules->list[1].rule->priority - 1;
	rule.priority_set = true;
	status = check_selectors(&rule, err);
	if (status != 0)
		return status;
	for (uint32_t i = rules_at_priority(rules, rule.priority);
		flags & CHANGE_EXCLUSIVE && i < rules->count && rules->list[i].rule->priority == rule.priority; i++)
		if (same_rule(rules->list[i].rule, &rule))
			return error_code(err, EEXIST);
	status = check_action(rib, &rule, err);
	if (status != 0)
		return status;
	/* IPv6 makes the table with the rule, IPv4 with the first route. */
	if (rule.action == FR_ACT_TO_TBL && rule.family == AF_INET6)
		table_get(rib, AF_INET6, rule.table)->exists = true;
	put_in(rib, &rule);
	rules_compile(rib, rule.family);
	tell(rib, rules, &rule, true);
	return 0;
}

static bool
ports_given_match(uint16_t low, uint16_t high, uint16_t rule_low, uint16_t rule_high)
{
	return (low == 0 && high == 0) || (low == rule_low && high == rule_high);
}

static bool
has_all_of(const struct rib_rule *rule, const struct rib_rule *match)
{
	return (match->action == FR_ACT_UNSPEC || match->action == rule->action) &&
	       (match->table == RT_TABLE_UNSPEC || match->table == rule->table) &&
	       (!match->priority_set || match->priority == rule->priority) &&
	       (match->iif[0] == '\0' || strncmp(match->iif, rule->iif, IF_NAMESIZE) == 0) &&
	       (match->oif[0] == '\0' || strncmp(match->oif, rule->oif, IF_NAMESIZE) == 0) &&
	       (match->mark == 0 || match->mark == rule->mark) &&
	       (match->mark_mask == 0 || match->mark_mask == rule->mark_mask) &&
	       (match->src.length == 0 || same_prefix(&match->src, &rule->src)) &&
	       (match->dst.length == 0 || same_prefix(&match->dst, &rule->dst)) &&
	       (match->tos == 0 || match->tos == rule->tos) && (match->realm == 0 || match->realm == rule->realm) &&
	       (match->ip_protocol == 0 || match->ip_protocol == rule->ip_protocol) &&
	       (match->suppress_prefix_length < 0 || match->suppress_prefix_length == rule->suppress_prefix_length) &&
	       ports_given_match(match->sport_low, match->sport_high, rule->sport_low, rule->sport_high) &&
	       ports_given_match(match->dport_low, match->dport_high, rule->dport_low, rule->dport_high) &&
	       (!match->uid_set ||
		       (rule->uid_set && match->uid_low == rule->uid_low && match->uid_high == rule->uid_high));
}

int
rib_rule_delete(struct rib *rib, const struct rib_rule *match, struct error *err)
{
	struct rules *rules;

	if (!family_known(match->family))
		return error_set(
			err, EAFNOSUPPORT, "Rules are of IPv4 or IPv6, not of address family %u", match->family);
	rules = &rib->rules[family_index(match->family)];
	for (uint32_t i = 0; i < rules->count; i++) {
		struct rule_item item;

		if (!has_all_of(rules->list[i].rule, match))
			continue;
		item = take_out(rules, i);
		rules_compile(rib, match->family);
		rcu_defer(rib->rcu, free, item.selectors);
		tell(rib, rules, item.rule, false);
		free(item.rule);
		return 0;
	}
	return error_code(err, ENOENT);
}

int
rib_rule_walk(const struct rib *rib, uint8_t family, int (*visit)(void *arg, const struct rib_rule *rule), void *arg)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };

	for (unsigned int f = 0; f < 2; f++) {
		const struct rules *rules = &rib->rules[f];

		for (uint32_t i = 0; (family == AF_UNSPEC || family == families[f]) && i < rules->count; i++) {
			struct rib_rule rule = shown(rib, rules, rules->list[i].rule);
			int status = visit(arg, &rule);

			if (status != 0)
				return status;
		}
	}
	return 0;
}
