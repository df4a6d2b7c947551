/* SPDX-License-Identifier: BSD-3-Clause */
/* Flat tables against a model that tries all routes, at every border of an interval, by every reader there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <flat.h>

static uint64_t seed;

static uint64_t
draw(void)
{
	seed ^= seed << 13; /* xorshift64, G. Marsaglia 2003 */
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}

/* The longest match; of one prefix's routes without tos that of the least priority. */
static uint32_t
model_find(const struct store *store, uint32_t addr)
{
	struct lpm_key key = { (uint64_t)addr << 32, 0 };
	const struct entry *best = NULL, *e;

	for (struct store_at at = { 0, 0 }; (e = store_get(store, at)) != NULL; at = store_next(store, at))
		if (e->tos == 0 && key_common(e->key, key) >= e->length &&
			(best == NULL || e->length > best->length ||
				(e->length == best->length && e->priority < best->priority)))
			best = e;
	return best == NULL ? 0 : lpm_value(best->length, best->info);
}

static bool
comes_before(const struct entry *a, const struct entry *b)
{
	if (a->tos != b->tos)
		return a->tos > b->tos;
	return a->priority < b->priority;
}

/* Routes that nest and touch: few fronts, every length, the ends of the address space. */
static void
add_some(struct store *store)
{
	static const uint32_t fronts[] = { 0, 0xffffffff, 0x0a000000, 0x0a00ffff };
	uint8_t length = (uint8_t)(draw() % 33);
	uint32_t addr = draw() % 4 == 0 ? (uint32_t)draw() : fronts[draw() % 4] ^ (uint32_t)(draw() % 512);
	struct entry new = { .key = key_mask((struct lpm_key){ (uint64_t)addr << 32, 0 }, length),
		.length = length,
		.tos = draw() % 8 == 0 ? 16 : 0,
		.priority = (uint32_t)(draw() % 1000000),
		.info = 1 + (uint32_t)(draw() % LPM_NUMBER_MAX) };
	struct store_at at = store_lower(store, new.key, length);
	const struct entry *e;

	while (e = store_get(store, at), entry_is(e, new.key, length) && comes_before(e, &new))
		at = store_next(store, at);
	store_insert(store, at, &new);
}

static void
check_addr(const struct flat *flat, const struct store *store, uint32_t addr)
{
	uint32_t expected = model_find(store, addr);
	const struct flat_reader *reader;

	for (unsigned int i = 0; (reader = flat_reader(i)) != NULL; i++) {
		const struct flat *flats[3] = { flat, NULL, flat };
		uint32_t addrs[3] = { addr, addr, addr }, values[3] = { 7, 7, 7 };

		reader->find_each(flats, addrs, 3, values);
		assert_int_equal(values[0], expected);
		assert_int_equal(values[1], 7);
		assert_int_equal(values[2], expected);
		reader->find_all(flat, addrs, 3, values);
		assert_int_equal(values[1], expected);
	}
}

static void
flat_tables_agree_with_the_model(void **state)
{
	struct flat_pool pool = { 0 };

	for (unsigned int round = 0; round < 300; round++) {
		struct store store = { 0 };
		unsigned int routes = 1 + draw() % FLAT_ROUTES_MAX;
		struct flat *flat;
		const struct entry *e;

		for (unsigned int i = 0; i < routes; i++)
			add_some(&store);
		flat = flat_create(&pool, &store);
		assert_non_null(flat);
		for (struct store_at at = { 0, 0 }; (e = store_get(&store, at)) != NULL; at = store_next(&store, at)) {
			uint32_t first = (uint32_t)(e->key.hi >> 32);
			uint32_t last = first | (uint32_t)(UINT64_C(0xffffffff) >> e->length);

			check_addr(flat, &store, first);
			check_addr(flat, &store, first - 1);
			check_addr(flat, &store, last);
			check_addr(flat, &store, last + 1);
			check_addr(flat, &store, (uint32_t)draw());
		}
		check_addr(flat, &store, 0);
		check_addr(flat, &store, UINT32_MAX);
		if (round % 2 == 0)
			flat_free(flat);
		store_free(&store);
	}
	flat_pool_destroy(&pool);
}

static void
only_small_tables_are_flat(void **state)
{
	struct flat_pool pool = { 0 };
	struct store store = { 0 };

	assert_null(flat_create(&pool, &store));
	for (unsigned int i = 0; i < FLAT_ROUTES_MAX; i++)
		add_some(&store);
	assert_non_null(flat_create(&pool, &store));
	add_some(&store);
	assert_null(flat_create(&pool, &store));
	store_free(&store);
	flat_pool_destroy(&pool);
}

/* As many as there can be: no two prefixes touch or nest, so each makes two intervals. */
static void
the_most_intervals_fit(void **state)
{
	struct flat_pool pool = { 0 };
	struct store store = { 0 };
	struct flat *flat;

	for (uint32_t i = 0; i < FLAT_ROUTES_MAX; i++) {
		struct entry new = { .key = { (uint64_t)(0x0a000001 + 2 * i) << 32, 0 }, .length = 32, .info = 1 + i };

		store_insert(&store, store_lower(&store, new.key, 32), &new);
	}
	flat = flat_create(&pool, &store);
	assert_int_equal(flat->size, 256);
	for (uint32_t addr = 0x0a000000; addr < 0x0a000000 + 2 * FLAT_ROUTES_MAX + 2; addr++)
		check_addr(flat, &store, addr);
	store_free(&store);
	flat_pool_destroy(&pool);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flat_tables_agree_with_the_model),
		cmocka_unit_test(only_small_tables_are_flat),
		cmocka_unit_test(the_most_intervals_fit),
	};
	const char *given = getenv("SEED");

	seed = given != NULL ? strtoull(given, NULL, 0) : UINT64_C(0x9e3779b97f4a7c15);
	print_message("SEED=%#llx\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
