/* SPDX-License-Identifier: BSD-3-Clause */
/* Compiled rules against a walk of the rules as they are shown, from any rule on, by every matcher there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ruleset.h>

#include "ip.h"
#include "rule_draw.h"

#define RULES_MAX 6000

struct shown {
	struct rib_rule rules[RULES_MAX];
	uint32_t count;
};

static int
keep(void *arg, const struct rib_rule *rule)
{
	struct shown *shown = arg;

	assert_true(shown->count < RULES_MAX);
	shown->rules[shown->count++] = *rule;
	return 0;
}

static bool
prefix_has(const struct ip_prefix *prefix, const struct ip_addr *addr)
{
	for (unsigned int bit = 0; bit < prefix->length; bit++)
		if ((prefix->addr.bytes[bit / 8] ^ addr->bytes[bit / 8]) >> (7 - bit % 8) & 1)
			return false;
	return true;
}

static bool
is_link(const char *name, uint32_t ifindex)
{
	return name[0] == '\0' || (name[3] < '0' + DRAW_LINKS && ifindex == 2 + (uint32_t)(name[3] - '0'));
}

static bool
is_port(uint16_t low, uint16_t high, uint16_t port)
{
	return low == 0 || (low <= port && port <= high);
}

static bool
matches(const struct rib_rule *r, const struct rib_key *k)
{
	uint8_t tos = k->dsfield & (k->family == AF_INET ? 0x1c : 0xfc);
	bool all = prefix_has(&r->src, &k->src) && prefix_has(&r->dst, &k->dst) && is_link(r->iif, k->iif) &&
		   is_link(r->oif, k->oif) && (k->mark & r->mark_mask) == (r->mark & r->mark_mask) &&
		   (r->tos == 0 || r->tos == tos) && (r->ip_protocol == 0 || r->ip_protocol == k->ip_protocol) &&
		   is_port(r->sport_low, r->sport_high, k->sport) && is_port(r->dport_low, r->dport_high, k->dport) &&
		   (!r->uid_set || r->uid_low == 0);

	return all != r->invert;
}

static uint32_t
walk(const struct shown *shown, const struct rib_key *key, uint32_t from)
{
	while (from < shown->count && !matches(&shown->rules[from], key))
		from++;
	return from;
}

/* A burst of some length, in some order, of all keys. */
static void
compare(const struct rib *rib, const struct shown *shown, const struct rib_key *keys, uint8_t family)
{
	const struct ruleset *set = rib->rules[family_index(family)].compiled;
	uint16_t n = (uint16_t)(1 + draw(LPM_BURST));
	struct rib_key4 keys4[LPM_BURST];
	uint8_t index[LPM_BURST];
	uint32_t from[LPM_BURST];
	const struct rule_matcher *matcher;

	assert_int_equal(set->count, shown->count);
	for (unsigned int i = 0; i < LPM_BURST; i++)
		keys4[i] = key4_of(&keys[i]);
	for (uint16_t i = 0; i < n; i++) {
		index[i] = (uint8_t)draw(LPM_BURST);
		from[i] = draw(3) == 0 ? draw(shown->count + 1) : set->leading;
	}
	for (unsigned int m = 0; (matcher = rule_matcher(m)) != NULL; m++) {
		uint32_t found[LPM_BURST];

		matcher->match(set, family == AF_INET ? (const void *)keys4 : keys, index, from, n, found);
		for (uint16_t i = 0; i < n; i++)
			assert_int_equal(found[i], walk(shown, &keys[index[i]], from[i]));
	}
}

static void
churn(struct rib *rib, uint8_t family)
{
	struct shown *shown = malloc(sizeof(*shown));
	struct rib_key keys[LPM_BURST];
	struct rules *rules = &rib->rules[family_index(family)];
	unsigned int most = 0, kinds = 0;

	for (unsigned int step = 0; step < 1500; step++) {
		struct rib_rule rule = draw_rule(family);
		bool grow = step % 600 < 400;

		rules->walked_per_shape = draw(3) == 0 ? 16 : draw(3); /* all, none or some are walked over */
		if (grow ? draw(8) > 0 : draw(8) == 0)
			assert_int_equal(rib_rule_add(rib, &rule, 0, NULL), 0);
		else
			rib_rule_delete(rib,
				&(struct rib_rule){ .family = family,
					.priority = draw_priority(),
					.priority_set = true,
					.suppress_prefix_length = -1 },
				NULL);
		if (step % 100 == 99) { /* a link goes, and comes back by another's name */
			rib_link_remove(rib, 2 + draw(DRAW_LINKS));
			for (unsigned int i = 0; i < DRAW_LINKS; i++) {
				struct rib_link link = { .ifindex = 2 + i, .mtu = 1500, .flags = IFF_UP };

				snprintf(link.name, sizeof(link.name), "eth%u", i);
				assert_int_equal(rib_link_set(rib, &link, NULL), 0);
			}
		}
		shown->count = 0;
		rib_rule_walk(rib, family, keep, shown);
		most = RTE_MAX(most, shown->count);
		kinds |= 1u << ((rules->compiled->walked_count != 0) + 2 * (rules->compiled->shape_count != 0));
		for (unsigned int i = 0; i < LPM_BURST; i++)
			keys[i] = draw_key(family);
		compare(rib, shown, keys, family);
	}
	assert_true(most > 300);
	assert_int_equal(kinds & 0xe, 0xe);
	free(shown);
}

static int
set_up(void **state)
{
	struct rib *rib;

	assert_int_equal(rib_create(NULL, &rib, NULL), 0);
	ip_script(rib, "link eth0 2 up\nlink eth1 3 up\nlink eth2 4 up\nlink eth3 5 up\n");
	*state = rib;
	return 0;
}

static int
tear_down(void **state)
{
	rib_destroy(*state);
	return 0;
}

static void
any_shapes_agree_with_a_walk(void **state)
{
	churn(*state, AF_INET);
}

static void
any_shapes_of_ipv6_agree_with_a_walk(void **state)
{
	churn(*state, AF_INET6);
}

static bool
has_full_bucket(const struct shape *shape)
{
	for (uint32_t b = 0; b <= upper_bits(UINT32_MAX, shape->bucket_shift); b++)
		if (shape->buckets[b].rule[BUCKET_RULES - 1] != RULE_NONE)
			return true;
	return false;
}

/* Thousands of one shape: buckets run over, and many rules have the same source. */
static void
full_buckets_and_equal_rules_agree_with_a_walk(void **state)
{
	struct rib *rib = *state;
	struct shown *shown = calloc(1, sizeof(*shown));
	struct rib_key keys[LPM_BURST];

	for (uint32_t i = 0; i < 4900; i++) {
		struct rib_rule r = { .family = AF_INET,
			.action = FR_ACT_TO_TBL,
			.table = 100,
			.priority = 1 + draw(1000),
			.priority_set = true,
			.suppress_prefix_length = -1,
			.src = { AF_INET, 32, ip_addr_v4(rte_cpu_to_be_32(0x0a000000 + draw(20000) * 3)) } };

		assert_int_equal(rib_rule_add(rib, &r, 0, NULL), 0);
	}
	assert_int_equal(rib->rules[0].compiled->shape_count, 1);
	assert_true(has_full_bucket(&rib->rules[0].compiled->shapes[0]));
	rib_rule_walk(rib, AF_INET, keep, shown);
	for (unsigned int round = 0; round < 400; round++) {
		for (unsigned int i = 0; i < LPM_BURST; i++) {
			keys[i] = draw_key(AF_INET);
			keys[i].src = ip_addr_v4(rte_cpu_to_be_32(0x0a000000 + draw(20000) * 3));
		}
		compare(rib, shown, keys, AF_INET);
	}
	free(shown);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(any_shapes_agree_with_a_walk, set_up, tear_down),
		cmocka_unit_test_setup_teardown(any_shapes_of_ipv6_agree_with_a_walk, set_up, tear_down),
		cmocka_unit_test_setup_teardown(full_buckets_and_equal_rules_agree_with_a_walk, set_up, tear_down),
	};

	draw_seed();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
