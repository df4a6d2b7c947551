/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows: whoever comes, goes and passes his turn, the order is that of a ring of links (turns.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "row.h"
#include "turns.h"

#define LEAVES 12
#define STEPS  20000

struct leaf {
	bool there;
	uint16_t place;
};

static struct leaf leaves[LEAVES + 1]; /* by their places in the ring, from 1 on */
static struct turn turns[LEAVES + 1];
static struct turn_ring ring;
static struct row row;

static int
setup(void **state)
{
	row.now.leaves = calloc(ROW_PLACES, sizeof(void *));
	row.next.leaves = calloc(ROW_PLACES, sizeof(void *));
	return row.now.leaves == NULL || row.next.leaves == NULL;
}

static int
teardown(void **state)
{
	free(row.now.leaves);
	free(row.next.leaves);
	return 0;
}

static void
assert_same_turn(void)
{
	assert_int_equal(row_is_empty(&row), ring.current == 0);
	if (ring.current != 0)
		assert_ptr_equal(row_first(&row), &leaves[ring.current]);
}

static void
come(uint32_t i)
{
	leaves[i].there = true;
	leaves[i].place = row_round_join(row_end(&row), &leaves[i]);
	turn_ring_add(turns, &ring, i);
}

static void
go(uint32_t i)
{
	leaves[i].there = false;
	assert_true(row_remove(&row, &leaves[i], leaves[i].place));
	turn_ring_remove(turns, &ring, i);
}

static void
pass(void)
{
	uint32_t i = ring.current;

	leaves[i].place = row_pass(&row);
	turn_ring_pass(turns, &ring);
	ring.last = i; /* who comes next stands behind it */
}

/* Long enough that the arrays are gone round several times. */
static void
turns_are_those_of_a_ring(void **state)
{
	uint64_t draw = 1;

	for (unsigned int seed = 0; seed < 16; seed++) {
		for (unsigned int step = 0; step < STEPS; step++) {
			draw = draw * UINT64_C(6364136223846793005) + 1442695040888963407u;

			uint32_t i = 1 + (uint32_t)(draw >> 33) % LEAVES;

			if (!leaves[i].there)
				come(i);
			else if ((draw >> 40) % 8 == 0)
				go(i);
			else
				pass();
			assert_same_turn();
		}
		for (uint32_t i = 1; i <= LEAVES; i++) {
			if (leaves[i].there)
				go(i);
			assert_same_turn();
		}
	}
}

/* One who stays first while others come and go behind it leaves nothing but gaps: they are closed in time. */
static void
gaps_do_not_fill_the_row(void **state)
{
	come(1);
	for (unsigned int i = 0; i < 3 * ROW_PLACES; i++) {
		come(2);
		assert_same_turn();
		go(2);
	}
	come(2);
	come(3);
	pass();
	assert_same_turn();
	pass();
	assert_same_turn();
	for (uint32_t i = 1; i <= 3; i++)
		go(i);
	assert_true(row_is_empty(&row));
}

/* In this round or in the next one; another one's place, or one where nobody is. */
static void
who_says_another_place_is_looked_for(void **state)
{
	for (uint32_t i = 1; i <= 5; i++)
		come(i);
	pass();
	pass();
	leaves[5].place = leaves[4].place;
	go(5);
	leaves[2].place = leaves[1].place;
	go(2);
	leaves[4].place = (uint16_t)(leaves[4].place + 100);
	go(4);
	assert_same_turn();
	pass();
	assert_same_turn();
	assert_false(row_remove(&row, &leaves[2], leaves[2].place));
	assert_false(row_remove(&row, &leaves[4], leaves[1].place));
	go(1);
	go(3);
	assert_true(row_is_empty(&row));
	assert_false(row_remove(&row, &leaves[1], leaves[1].place));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns_are_those_of_a_ring),
		cmocka_unit_test(gaps_do_not_fill_the_row),
		cmocka_unit_test(who_says_another_place_is_looked_for),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
