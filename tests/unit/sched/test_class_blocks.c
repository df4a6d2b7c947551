/* SPDX-License-Identifier: BSD-3-Clause */
/* Where classes stand: places of several sizes, taken and given back at random, beside a plain list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "class_blocks.h"

#define PLACES 12000 /* some blocks of each size */
#define STEPS  40000

static const size_t sizes[] = { 576, 640, 1152 };

static struct {
	uint8_t *memory; /* NULL: not taken */
	size_t bytes;
	uint32_t slot;
} places[PLACES];

static uint32_t
draw(uint32_t n)
{
	static uint64_t state = 1;

	state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)((state >> 32) * n >> 32);
}

static bool
all_are(const uint8_t *memory, size_t bytes, uint8_t value)
{
	for (size_t i = 0; i < bytes; i++) {
		if (memory[i] != value)
			return false;
	}
	return true;
}

/* Each is filled with what only it holds, so that two that overlap are found. */
static void
take(struct class_blocks **all, uint32_t i)
{
	places[i].bytes = sizes[draw(3)];
	places[i].memory = class_blocks_get(all, places[i].bytes, NULL, &places[i].slot, NULL);
	assert_non_null(places[i].memory);
	assert_true(all_are(places[i].memory, places[i].bytes, 0));
	assert_int_equal((uintptr_t)places[i].memory % 64, 0);
	memset(places[i].memory, (int)(i % 251 + 1), places[i].bytes);
}

static void
check(const struct class_blocks *all, uint32_t i)
{
	assert_ptr_equal(class_blocks_at(all, places[i].slot), places[i].memory);
	assert_true(all_are(places[i].memory, places[i].bytes, (uint8_t)(i % 251 + 1)));
}

static void
slots_lead_to_places_that_nobody_else_has(void **state)
{
	struct class_blocks *all;

	assert_int_equal(class_blocks_create(&all), 0);
	for (uint32_t step = 0; step < STEPS; step++) {
		uint32_t i = draw(PLACES);

		if (places[i].memory == NULL) {
			take(&all, i);
			continue;
		}
		check(all, i);
		class_blocks_put(all, places[i].slot);
		places[i].memory = NULL;
	}
	for (uint32_t i = 0; i < PLACES; i++) {
		if (places[i].memory != NULL)
			check(all, i);
	}
	class_blocks_destroy(all);
}

/* Or a router that is configured anew all the time would grow. */
static void
what_was_given_back_is_used_again(void **state)
{
	struct class_blocks *all;
	uint32_t first, slot;

	assert_int_equal(class_blocks_create(&all), 0);
	assert_non_null(class_blocks_get(&all, 576, NULL, &first, NULL));
	for (uint32_t i = 0; i < PLACES; i++) {
		class_blocks_put(all, first);
		assert_non_null(class_blocks_get(&all, 576, NULL, &slot, NULL));
		assert_int_equal(slot, first);
	}
	assert_int_equal(all->count, 1);
	class_blocks_destroy(all);
}

static const struct qdisc *
owner_of(const struct class_blocks *all, uint32_t slot)
{
	return all->blocks[slot >> CLASS_PLACE_BITS].owner;
}

/* So that a block says whose class each of its places holds. An empty one may be anybody's next. */
static void
a_block_has_one_owner(void **state)
{
	static uint8_t qdiscs[3];
	const struct qdisc *owners[] = { NULL, (const void *)&qdiscs[1], (const void *)&qdiscs[2] };
	static uint32_t slots[3][PLACES / 3];
	struct class_blocks *all;
	uint32_t slot, blocks;

	assert_int_equal(class_blocks_create(&all), 0);
	for (uint32_t i = 0; i < PLACES / 3; i++) {
		for (uint32_t owner = 0; owner < 3; owner++) {
			assert_non_null(class_blocks_get(&all, 576, owners[owner], &slots[owner][i], NULL));
			assert_ptr_equal(owner_of(all, slots[owner][i]), owners[owner]);
		}
	}
	for (uint32_t i = 0; i < PLACES / 3; i++) {
		assert_ptr_equal(owner_of(all, slots[1][i]), owners[1]);
		class_blocks_put(all, slots[1][i]);
	}
	assert_null(owner_of(all, slots[1][0]));
	blocks = all->count;
	for (uint32_t i = 0; i < PLACES / 3; i++) {
		assert_non_null(class_blocks_get(&all, 576, owners[2], &slot, NULL));
		assert_ptr_equal(owner_of(all, slot), owners[2]);
	}
	assert_int_equal(all->count, blocks);
	class_blocks_destroy(all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_lead_to_places_that_nobody_else_has),
		cmocka_unit_test(what_was_given_back_is_used_again),
		cmocka_unit_test(a_block_has_one_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
