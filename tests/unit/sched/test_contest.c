/* SPDX-License-Identifier: BSD-3-Clause */
/* The contest, beside a plain list that is searched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <rte_common.h>

#include "contest.h"

#define ENTRANTS 3000

struct entrant {
	uint64_t key;
	uint16_t place;
	bool there;
	bool tied; /* its place is one of theirs */
};

static struct entrant entrants[ENTRANTS];
static struct contest contest;
static uint64_t clock_ns, draw_state;

static uint32_t
draw(uint32_t below)
{
	draw_state = draw_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)((draw_state >> 33) % below);
}

static void
get_room(struct contest *t, uint32_t size)
{
	*t = (struct contest){ .size = size, .words = calloc(1, contest_bytes(size)) };
	assert_non_null(t->words);
}

static int
start(void **state)
{
	for (uint32_t i = 0; i < ENTRANTS; i++)
		entrants[i] = (struct entrant){ 0 };
	draw_state = 1;
	clock_ns = UINT64_MAX - 1000000; /* it goes round soon */
	get_room(&contest, 4);
	return 0;
}

static int
stop(void **state)
{
	free(contest.words);
	return 0;
}

static const struct entrant *
first_of_list(void)
{
	const struct entrant *first = NULL;

	for (const struct entrant *e = entrants; e < entrants + ENTRANTS; e++) {
		if (e->there && (first == NULL || (int64_t)(e->key - first->key) < 0))
			first = e;
	}
	return first;
}

static void
check_first(void)
{
	const struct entrant *expected = first_of_list(), *first = contest.first;

	if (expected == NULL) {
		assert_null(first);
		return;
	}
	assert_non_null(first);
	assert_true(first->there);
	assert_true(first->key == expected->key);
	assert_true(contest.first_key == expected->key);
}

/* For so many more. */
static void
make_room(uint32_t more)
{
	while (contest.count + more > contest.size) {
		struct contest larger;

		get_room(&larger, 2 * contest.size);
		contest_enlarge(&contest, &larger);
		free(larger.words);
	}
}

static void
come(struct entrant *e, uint64_t key)
{
	make_room(1);
	e->key = key;
	e->place = contest_enter(&contest, key, e);
	e->there = true;
	e->tied = false;
}

static void
go(struct entrant *e)
{
	if (contest.count == 1)
		contest_leave_last(&contest, e->place);
	else if (e->tied)
		contest_leave_tied(&contest, e->place);
	else
		contest_leave(&contest, e->place);
	e->there = false;
}

/* Most who come stay a while; then most go, until nobody is left, and so on. */
static void
run(uint32_t steps, uint64_t spread_ns)
{
	for (uint32_t i = 0; i < steps; i++) {
		bool filling = i / (steps / 6) % 2 == 0;
		struct entrant *e = &entrants[draw(ENTRANTS)];
		uint64_t key = clock_ns + draw(UINT32_MAX) % spread_ns;

		if (!e->there && filling) {
			come(e, key);
		} else if (e->there && !filling) {
			go(e);
		} else if (contest.first != NULL) {
			/* The first, and anyone, are given later times. */
			struct entrant *first = contest.first;

			clock_ns = first->key;
			first->key += draw(UINT32_MAX) % spread_ns;
			contest_change(&contest, first->place, first->key);
			if (e->there) {
				e->key += draw(1000);
				contest_change(&contest, e->place, e->key);
			}
		}
		check_first();
	}
}

static void
the_first_is_the_one_with_the_least_key(void **state)
{
	run(60000, 1000000);
	while (contest.first != NULL) {
		go(contest.first);
		check_first();
	}
	assert_int_equal(contest.count, 0);
	assert_int_equal(contest.height, 0);
}

/*
 * As many come together as there are places, so that the tree grows meanwhile; the first stays so until all are there.
 */
static void
who_come_together_are_put_in_order_once(void **state)
{
	for (uint32_t round = 0; round < 300; round++) {
		uint32_t count = 1 + draw(100);
		uint64_t least;

		for (uint32_t i = 0; i < 128; i++)
			come(&entrants[i], clock_ns + draw(1000));
		for (uint32_t i = 1 + draw(126); i < 128; i++)
			go(&entrants[i]);
		least = contest.first_key;
		for (struct entrant *e = &entrants[128]; e < &entrants[128 + count] && contest.count < 128; e++) {
			*e = (struct entrant){ .key = least + draw(2000), .there = true };
			contest.count++;
			e->place = contest_place_unsettled(&contest, e->key, e);
			assert_true(contest.first_key == least);
		}
		contest_settle(&contest);
		check_first();
		while (contest.first != NULL) {
			go(contest.first);
			check_first();
		}
	}
}

/* Those who came together get their places. */
static void
settle(void)
{
	unsigned int count = contest.coming;
	bool at_once = draw(2) == 0;

	contest.coming = 0;
	for (unsigned int i = 0; i < count; i++) {
		struct entrant *e = contest_coming(&contest, i);

		e->place = at_once ? contest_place_unsettled(&contest, e->key, e) : contest_place(&contest, e->key, e);
	}
	if (at_once)
		contest_settle(&contest);
}

/* One of the first 500 that is there, or is not. */
static struct entrant *
draw_one(bool there)
{
	uint32_t from = draw(500);

	for (uint32_t i = 0; i < 500; i++) {
		struct entrant *e = &entrants[(from + i) % 500];

		if (e->there == there)
			return e;
	}
	return NULL;
}

/* As many as may; most of them are as early as the first. */
static void
come_together(uint32_t count)
{
	uint64_t least = contest.first_key;

	make_room(count);
	for (; count != 0 && contest_may_come(&contest); count--) {
		struct entrant *e = draw_one(false);

		e->key = least + (draw(3) == 0 ? 1 + draw(2000) : 0);
		e->there = true;
		e->tied = contest_come(&contest, e->key, e, &e->place);
		assert_int_equal(e->tied, e->key == least);
		assert_true(contest.first_key == least);
		assert_true(((const struct entrant *)contest.first)->key == least);
	}
	settle();
}

/* Each begins with one who is alone; then some come together, the first goes on, and anybody goes, in turns. */
static void
who_is_as_early_as_the_first_is_tied(void **state)
{
	for (uint32_t round = 0; round < 400; round++) {
		struct entrant *alone = draw_one(false);

		alone->key = clock_ns + draw(1000);
		alone->there = alone->tied = true;
		contest_enter_alone(&contest, alone);
		alone->place = contest_place_alone(&contest, alone->key);
		for (uint32_t i = 0; i < 60; i++) {
			struct entrant *first = contest.first;
			uint64_t key = first->key + draw(3000);

			come_together(draw(12));
			check_first();
			first = contest.first;
			go(first);
			check_first();
			if (contest.first == NULL)
				break;
			come(first, key > contest.first_key ? key : contest.first_key);
			check_first();
			go(draw_one(true));
			check_first();
			if (contest.first == NULL)
				break;
		}
		while (contest.first != NULL) {
			go(draw_one(true));
			check_first();
		}
		assert_int_equal(contest.used, 0);
		clock_ns += 1000000;
	}
	assert_true(contest.size >= 128);
}

/* Who is alone without a place comes in anew before another one does; the next round begins as the first. */
static void
one_who_is_alone_needs_no_place(void **state)
{
	for (uint32_t round = 0; round < 3; round++) {
		contest_enter_alone(&contest, &entrants[0]);
		assert_ptr_equal(contest.first, &entrants[0]);
		assert_int_equal(contest.count, 1);
		contest_leave(&contest, entrants[0].place);
		assert_true(contest_empty(&contest));
		come(&entrants[0], clock_ns + 2);
		come(&entrants[1], clock_ns + 1);
		check_first();
		go(&entrants[1]);
		check_first();
		go(&entrants[0]);
		check_first();
		assert_int_equal(contest.used, 0);
	}
}

/* The tree's first comes a day after the tied, and one who is hardly after these goes before him. */
static void
who_comes_to_the_tree_may_be_as_early_as_the_tied(void **state)
{
	contest_enter_alone(&contest, &entrants[0]);
	entrants[0] = (struct entrant){ .key = clock_ns, .there = true, .tied = true };
	entrants[0].place = contest_place_alone(&contest, clock_ns);
	come(&entrants[1], clock_ns + CONTEST_RANGE / 2);
	come(&entrants[2], clock_ns + 1000);
	check_first();
	go(&entrants[0]);
	check_first();
	go(&entrants[2]);
	check_first();
}

/* Places of the tied stay in use while later ones are. */
static void
where_no_more_can_be_tied_one_enters_the_tree(void **state)
{
	contest_enter_alone(&contest, &entrants[0]);
	entrants[0] = (struct entrant){ .key = clock_ns, .there = true, .tied = true };
	entrants[0].place = contest_place_alone(&contest, clock_ns);
	for (uint32_t i = 1; i < 3; i++) {
		assert_true(contest_may_come(&contest));
		entrants[i] = (struct entrant){ .key = clock_ns, .there = true };
		entrants[i].tied = contest_come(&contest, clock_ns, &entrants[i], &entrants[i].place);
		assert_true(entrants[i].tied);
	}
	assert_false(contest_may_come(&contest));
	go(&entrants[0]);
	assert_false(contest_may_come(&contest));
	come(&entrants[3], clock_ns);
	come(&entrants[4], clock_ns + 1);
	for (uint32_t i = 4; i != 0; i--) {
		check_first();
		go(contest.first);
	}
	assert_null(contest.first);
}

/* All that a word has room for is gone through again and again. */
static void
the_base_moves_with_the_first(void **state)
{
	uint64_t far_ns = CONTEST_RANGE / 8;

	for (uint32_t i = 0; i < 40; i++)
		come(&entrants[i], clock_ns + i);
	for (uint32_t i = 0; i < 2000; i++) {
		struct entrant *first = contest.first;

		check_first();
		first->key += far_ns + draw(1000);
		contest_change(&contest, first->place, first->key);
	}
	assert_true((int64_t)(contest.base - clock_ns) > 0);
	check_first();
}

/* While the first goes on by little, one who is far ahead of him is no reason to write all words anew each time. */
static void
who_is_far_ahead_moves_the_base_seldom(void **state)
{
	unsigned int moves = 0;

	for (uint32_t i = 0; i < 40; i++)
		come(&entrants[i], clock_ns + i);
	entrants[0].key += CONTEST_RANGE;
	contest_change(&contest, entrants[0].place, entrants[0].key);
	for (uint32_t i = 0; i < 2000; i++) {
		struct entrant *first = contest.first;
		uint64_t base = contest.base;

		first->key += 1000000;
		contest_change(&contest, first->place, first->key);
		entrants[0].key += 1000000;
		contest_change(&contest, entrants[0].place, entrants[0].key);
		moves += contest.base != base;
		check_first();
	}
	assert_true(moves <= 1);
}

/* Who is too far to be told waits for all others, and for those of his kind only as long as they come. */
static void
who_is_too_far_comes_last(void **state)
{
	come(&entrants[0], clock_ns + (UINT64_C(1) << 60));
	go(&entrants[0]);
	come(&entrants[1], clock_ns);
	come(&entrants[0], clock_ns + (UINT64_C(1) << 60));
	come(&entrants[2], clock_ns + 1);
	assert_ptr_equal(contest.first, &entrants[1]);
	go(&entrants[1]);
	assert_ptr_equal(contest.first, &entrants[2]);
	go(&entrants[2]);
	assert_ptr_equal(contest.first, &entrants[0]);
}

static void
those_who_win_together_stand_apart(void **state)
{
	bool seen[ENTRANTS] = { false };
	unsigned int others = 0;

	/* Each number has a place of its own, and those up to 2^n the first 2^n places. */
	for (uint32_t number = 0; number < 2048; number++) {
		uint16_t place = contest_place_of(number);

		assert_true(place < rte_align32pow2(number + 1));
		assert_false(seen[place]);
		seen[place] = true;
	}
	/* So who will be first in a winner's part is not the next one in the whole. */
	for (uint32_t i = 0; i < 1024; i++)
		come(&entrants[i], clock_ns);
	for (uint32_t i = 0; i < 1024; i++) {
		struct entrant *first = contest.first;

		first->key += 1000;
		contest_change(&contest, first->place, first->key);
		others += contest_soon(&contest, first->place) != contest.first;
	}
	assert_true(others > 900);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_first_is_the_one_with_the_least_key, start, stop),
		cmocka_unit_test_setup_teardown(who_come_together_are_put_in_order_once, start, stop),
		cmocka_unit_test_setup_teardown(who_is_as_early_as_the_first_is_tied, start, stop),
		cmocka_unit_test_setup_teardown(who_comes_to_the_tree_may_be_as_early_as_the_tied, start, stop),
		cmocka_unit_test_setup_teardown(where_no_more_can_be_tied_one_enters_the_tree, start, stop),
		cmocka_unit_test_setup_teardown(one_who_is_alone_needs_no_place, start, stop),
		cmocka_unit_test_setup_teardown(the_base_moves_with_the_first, start, stop),
		cmocka_unit_test_setup_teardown(who_is_far_ahead_moves_the_base_seldom, start, stop),
		cmocka_unit_test_setup_teardown(who_is_too_far_comes_last, start, stop),
		cmocka_unit_test_setup_teardown(those_who_win_together_stand_apart, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
