/* SPDX-License-Identifier: BSD-3-Clause */
/* The trie against a model that tries all prefixes, for both families, under churn that grows and shrinks its root, by every reader there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lpm_internal.h>
#include <store.h>

static uint64_t seed;

static uint64_t
draw(void)
{
	seed ^= seed << 13; /* xorshift64, G. Marsaglia 2003 */
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * UINT64_C(0x2545f4914f6cdd1d);
}

struct model_prefix {
	struct lpm_key key;
	uint8_t length;
	uint32_t number;
};

struct model {
	struct model_prefix *prefixes;
	uint32_t count;
};

static uint32_t
model_find(const struct model *m, struct lpm_key key, int longest)
{
	const struct model_prefix *best = NULL;

	for (uint32_t i = 0; i < m->count; i++) {
		const struct model_prefix *p = &m->prefixes[i];

		if (p->length <= longest && key_common(p->key, key) >= p->length &&
			(best == NULL || p->length > best->length))
			best = p;
	}
	return best == NULL ? 0 : lpm_value(best->length, best->number);
}

/* Addresses that share long fronts, so that prefixes nest; every length comes up. */
static struct lpm_key
some_key(uint8_t family)
{
	static const uint64_t fronts[] = { 0, UINT64_MAX, UINT64_C(0x20010db800000000), UINT64_C(0x0a0a000000000000) };
	struct lpm_key key = { fronts[draw() & 3], draw() & 1 ? draw() : 0 };
	unsigned int keep = draw() % (family == AF_INET ? 24 : 64);

	key.hi = keep == 0 ? draw() : (key.hi & ~(UINT64_MAX >> keep)) | (draw() >> keep);
	if (family == AF_INET)
		key = (struct lpm_key){ key.hi & UINT64_C(0xffffffff00000000), 0 };
	return key;
}

static void
check(const struct lpm *lpm, const struct model *m, uint8_t family)
{
	struct lpm_key keys[LPM_BURST];
	uint32_t addrs[LPM_BURST], values[LPM_BURST], values_v4[LPM_BURST];

	for (unsigned int i = 0; i < LPM_BURST; i++) {
		keys[i] = some_key(family);
		/* Half of them at the edges of prefixes, where mistakes are. */
		if (m->count > 0 && i & 1) {
			const struct model_prefix *p = &m->prefixes[draw() % m->count];

			keys[i] = p->key;
			if (i & 2 && p->length < 64)
				keys[i].hi |= UINT64_MAX >> p->length;
			if (family == AF_INET)
				keys[i].hi &= UINT64_C(0xffffffff00000000);
		}
		addrs[i] = (uint32_t)(keys[i].hi >> 32);
	}
	for (unsigned int r = 0; lpm_reader(r) != NULL; r++) {
		uint16_t n = (uint16_t)(1 + draw() % LPM_BURST);

		memset(values, 0xff, sizeof(values));
		memset(values_v4, 0xff, sizeof(values_v4));
		lpm_reader(r)->lookup(lpm, keys, n, values);
		if (family == AF_INET)
			lpm_reader(r)->lookup_v4(lpm, addrs, n, values_v4);
		for (unsigned int i = 0; i < LPM_BURST; i++) {
			uint32_t expected = i < n ? model_find(m, keys[i], 128) : UINT32_MAX;

			assert_int_equal(values[i], expected);
			if (family == AF_INET)
				assert_int_equal(values_v4[i], expected);
		}
	}
}

static void
set_some(struct lpm *lpm, struct model *m, uint8_t family)
{
	struct model_prefix p = { .length = (uint8_t)(draw() % (ip_family_bits(family) + 1u)),
		.number = 1 + draw() % 50 };
	uint32_t i = 0;

	p.key = key_mask(some_key(family), p.length);
	while (i < m->count && (m->prefixes[i].length != p.length || key_compare(m->prefixes[i].key, p.key) != 0))
		i++;
	if (i == m->count)
		m->count++;
	m->prefixes[i] = p;
	lpm_set_routes(lpm, m->count);
	lpm_set(lpm, p.key, p.length, p.number);
}

static void
unset_some(struct lpm *lpm, struct model *m)
{
	uint32_t i = (uint32_t)(draw() % m->count);
	struct model_prefix p = m->prefixes[i];

	m->prefixes[i] = m->prefixes[--m->count];
	lpm_set_routes(lpm, m->count);
	lpm_unset(lpm, p.key, p.length, model_find(m, p.key, (int)p.length - 1));
}

static void
churn(uint8_t family, uint32_t most, unsigned int waves)
{
	struct lpm *lpm = lpm_create(NULL);
	struct model m = { .prefixes = calloc(most, sizeof(struct model_prefix)) };
	size_t empty = lpm_bytes(lpm);

	for (unsigned int wave = 0; wave < waves; wave++) {
		for (uint32_t i = 0; i < most * 2 && m.count < most; i++) {
			set_some(lpm, &m, family);
			if (draw() % 4 == 0)
				unset_some(lpm, &m);
			if (draw() % 64 == 0)
				check(lpm, &m, family);
		}
		while (m.count > 0) {
			unset_some(lpm, &m);
			if (draw() % 64 == 0)
				check(lpm, &m, family);
		}
		check(lpm, &m, family);
	}
	assert_in_range(lpm_bytes(lpm), empty / 2, empty + (512u << 10));
	free(m.prefixes);
	lpm_destroy(lpm);
}

static void
ipv4_agrees_with_the_model(void **state)
{
	churn(AF_INET, 20, 40);
	churn(AF_INET, 300, 4);
	churn(AF_INET, 2500, 1);
}

static void
ipv6_agrees_with_the_model(void **state)
{
	churn(AF_INET6, 20, 40);
	churn(AF_INET6, 300, 4);
	churn(AF_INET6, 2500, 1);
}

/*
 * A model for many prefixes of 9 to 24 bits: 2^24 cells would be slow to fill, so only those of 10.0.0.0/8 to
 * 13.0.0.0/8.
 */
#define CELLS (1u << 18)

static uint8_t (*owned)[CELLS]; /* [length]: number of the prefix that covers the cell */

static uint32_t
cell_value(uint32_t cell, int longest)
{
	for (int length = longest; length > 8; length--)
		if (owned[length][cell] != 0)
			return lpm_value((uint8_t)length, owned[length][cell]);
	return 0;
}

static void
big_tables_agree_while_they_grow_and_shrink(void **state)
{
	struct lpm *lpm = lpm_create(NULL);
	uint32_t routes = 0;

	owned = calloc(25, sizeof(*owned));
	assert_non_null(owned);
	for (uint32_t i = 0; i < 600000; i++) {
		uint8_t length = (uint8_t)(24 - __builtin_ctz((unsigned int)draw() | 1u << 15)),
			number = 1 + draw() % 200;
		uint32_t span = 1u << (24 - length), first = (uint32_t)(draw() % CELLS) & ~(span - 1);
		struct lpm_key key = { (uint64_t)((10u << 24) + (first << 8)) << 32, 0 };
		bool growing = i < 400000;

		if (owned[length][first] == 0) {
			if (!growing)
				continue;
			routes++;
		}
		memset(&owned[length][first], growing ? number : 0, span);
		routes -= !growing;
		lpm_set_routes(lpm, routes);
		if (growing)
			lpm_set(lpm, key, length, number);
		else
			lpm_unset(lpm, key, length, cell_value(first, length - 1));
		if (i % 50000 == 0)
			for (uint32_t cell = 0; cell < CELLS; cell += 1 + draw() % 16) {
				uint32_t addr = (10u << 24) + (cell << 8) + (uint32_t)(draw() & 255), value;

				lpm_lookup_v4(lpm, &addr, 1, &value);
				assert_int_equal(value, cell_value(cell, 24));
			}
	}
	for (uint32_t cell = 0; cell < CELLS; cell++) {
		uint32_t addr = (10u << 24) + (cell << 8), value;

		lpm_lookup_v4(lpm, &addr, 1, &value);
		assert_int_equal(value, cell_value(cell, 24));
	}
	print_message("%u routes at the end in %zu bytes\n", routes, lpm_bytes(lpm));
	free(owned);
	lpm_destroy(lpm);
}

static void
store_keeps_order_and_finds_what_it_holds(void **state)
{
	struct store store = { 0 };
	uint32_t held = 0;

	for (unsigned int i = 0; i < 60000; i++) {
		struct entry e = { .key.hi = draw() % 5000 << 32, .length = 16 + draw() % 4 };
		struct store_at at = store_lower(&store, e.key, e.length);
		bool found = entry_is(store_get(&store, at), e.key, e.length);

		if (found && draw() % 2 == 0) {
			store_erase(&store, at);
			held--;
		} else if (!found && i < 30000) {
			store_insert(&store, at, &e);
			held++;
		}
	}
	const struct entry *last = NULL;
	struct store_at at = { 0, 0 };
	uint32_t seen = 0;

	for (const struct entry *e; (e = store_get(&store, at)) != NULL; at = store_next(&store, at), seen++) {
		if (last != NULL)
			assert_true(key_compare(last->key, e->key) < 0 ||
				    (key_compare(last->key, e->key) == 0 && last->length < e->length));
		last = e;
	}
	assert_int_equal(seen, held);
	assert_int_equal(store.entries, held);
	assert_true(held > 1000);
	while (store_prev(&store, &at))
		seen--;
	assert_int_equal(seen, 0);
	store_free(&store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_agrees_with_the_model),
		cmocka_unit_test(ipv6_agrees_with_the_model),
		cmocka_unit_test(big_tables_agree_while_they_grow_and_shrink),
		cmocka_unit_test(store_keeps_order_and_finds_what_it_holds),
	};
	const char *given = getenv("SEED");

	seed = given != NULL ? strtoull(given, NULL, 0) : UINT64_C(0x9e3779b97f4a7c15);
	print_message("SEED=%#llx\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
