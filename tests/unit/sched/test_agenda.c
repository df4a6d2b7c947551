/* SPDX-License-Identifier: BSD-3-Clause */
/* The agenda, beside a plain array that is searched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agenda.h"

#define GUESTS 1000
#define NOT    UINT64_MAX

static struct agenda agenda;
static uint64_t times[GUESTS]; /* of those who are there; NOT: he is not */
static uint32_t there;
static uint64_t taken_ns;
static struct wheel_chunk *chunks;
static uint64_t draw_state;

static uint64_t
draw(uint64_t below)
{
	draw_state = draw_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (draw_state ^ draw_state >> 29) % below;
}

/* Memory as much as is promised to be enough, where a use beyond it would be seen. */
static int
start(void **state)
{
	uint32_t n = wheel_chunks_for(GUESTS);

	agenda = (struct agenda){ .crowd = { .size = 1024, .words = calloc(1, contest_bytes(1024)) } };
	assert_non_null(agenda.crowd.words);
	agenda_init(&agenda);
	chunks = calloc(n, sizeof(*chunks));
	assert_non_null(chunks);
	for (uint32_t i = 0; i < n; i++)
		wheel_give(&agenda.far, &chunks[i]);
	for (uint32_t i = 0; i < GUESTS; i++)
		times[i] = NOT;
	there = 0;
	draw_state = 1;
	return 0;
}

static int
stop(void **state)
{
	uint32_t n = 0;

	/* Nobody is there any more, so that all chunks are back. */
	assert_int_equal(there, 0);
	while (wheel_take(&agenda.far) != NULL)
		n++;
	assert_int_equal(n, wheel_chunks_for(GUESTS));
	free(agenda.crowd.words);
	free(chunks);
	return 0;
}

/* Guests are known by their numbers, from 1 on. */
static void
come(uint32_t i, uint64_t time_ns)
{
	times[i] = time_ns;
	there++;
	agenda_add(&agenda, time_ns, i + 1);
	assert_int_equal(agenda.count, there);
	assert_in_range(agenda.end, agenda.first, agenda.first + AGENDA_RUN);
}

static void
go(uint32_t i)
{
	times[i] = NOT;
	there--;
	agenda_remove(&agenda, i + 1);
	assert_int_equal(agenda.count, there);
}

/* Returns who. */
static uint32_t
take(void)
{
	uintptr_t who = agenda_take(&agenda);
	uint64_t least = NOT;

	assert_in_range(who, 1, GUESTS);
	for (uint32_t i = 0; i < GUESTS; i++)
		least = times[i] < least ? times[i] : least;
	assert_true(times[who - 1] != NOT);
	if (times[who - 1] != least)
		fail_msg("%lu came before %lu", times[who - 1], least);
	taken_ns = times[who - 1];
	times[who - 1] = NOT;
	there--;
	assert_int_equal(agenda.count, there);
	return (uint32_t)who - 1;
}

static void
take_all(void)
{
	while (there != 0)
		take();
}

/*
 * All that may be: few and many, near and far, alike, before all others, going before their time. The clock goes on
 * with who is taken, but only sometimes.
 */
static void
run(uint32_t guests, uint64_t spread_ns, uint64_t grain_ns)
{
	uint64_t clock = 1000000000;

	for (uint32_t step = 0; step < 12000; step++) {
		uint32_t i = (uint32_t)draw(guests), what = (uint32_t)draw(step / 3000 % 2 == 0 ? 20 : 12);

		if (what < 11 && there != 0) {
			take();
			clock = draw(4) == 0 && taken_ns < UINT64_C(1) << 62 ? taken_ns
									     : clock + draw(spread_ns / 100 + 2);
		} else if (what == 11 && times[i] != NOT) {
			go(i);
		} else if (times[i] == NOT) {
			uint64_t at = clock + draw(spread_ns);

			/* A few are never due, as good as. */
			at = draw(50) == 0 ? at + (UINT64_C(1) << 62) : at;
			come(i, at / grain_ns * grain_ns);
		}
	}
	take_all();
}

static void
who_is_taken_is_the_first(void **state)
{
	for (unsigned int spread_log = 4; spread_log < 40; spread_log += 3) {
		run(10, UINT64_C(1) << spread_log, 1);
		run(90, UINT64_C(1) << spread_log, 1);
		run(GUESTS, UINT64_C(1) << spread_log, 1);
		run(GUESTS, UINT64_C(1) << spread_log, 1 + (UINT64_C(1) << spread_log) / 50);
	}
}

/* More than the run has room for at one time, and then others before them. */
static void
a_crowd_is_served_in_order_too(void **state)
{
	for (uint32_t i = 0; i < GUESTS / 2; i++)
		come(i, 5000000);
	for (uint32_t i = 0; i < 300; i++)
		take();
	for (uint32_t i = GUESTS / 2; i < GUESTS; i++)
		come(i, 4000000 + draw(1000000));
	take_all();
	/* Many that come long before those who were far when the last was taken. */
	for (uint32_t i = 0; i < GUESTS; i++)
		come(i, (UINT64_C(1) << 61) + draw(1000000));
	take_all();
	for (uint32_t i = 0; i < GUESTS; i++)
		come(i, draw(100000));
	take_all();
}

/* Nobody is far, and the run is full and stands at its end: one more is in the crowd when the run is divided. */
static void
a_crowd_is_there_before_somebody_is_far(void **state)
{
	for (uint32_t i = 0; i < AGENDA_RUN; i++)
		come(i, 1000000 + 10000 * i);
	for (uint32_t i = 0; i < AGENDA_RUN; i++) {
		uint32_t who = take();

		come(who, taken_ns + 10000 * AGENDA_RUN);
	}
	come(AGENDA_RUN, 1000000 + 10000 * 2 * AGENDA_RUN);
	come(AGENDA_RUN + 1, 1000000 + 10000 * 3 * AGENDA_RUN);
	take_all();
}

/* Slots of all sizes, of which the run takes no more than it has room for; before them and after them come others. */
static void
a_slot_may_be_a_crowd(void **state)
{
	for (uint32_t size = 1; size < 200; size++) {
		uint32_t next = 0;

		for (; next < AGENDA_RUN; next++)
			come(next, 900000 + 10 * next);
		for (; next < AGENDA_RUN + size; next++)
			come(next, 1024000 + draw(1024));
		while (there != size)
			take();
		take();
		assert_in_range(agenda.end, 1, AGENDA_RUN);
		for (uint32_t i = 0; i < size % 50; i++)
			come(next++, 1000000 + i);
		for (; next < AGENDA_RUN + 2 * size; next++)
			come(next, 1024000 + 10 * next);
		take_all();
	}
}

/*
 * Each of many, who come back when they have been taken, is told of before his turn comes; and who is next is known.
 * Also where others have been before whose times were later.
 */
static void
who_comes_is_known_before(void **state)
{
	bool told[GUESTS] = { false };
	unsigned int unseen = 0, known = 0;

	for (uint32_t i = 0; i < GUESTS; i++)
		come(i, (UINT64_C(1) << 40) + i * 50);
	take_all();
	for (uint32_t i = 0; i < GUESTS; i++)
		come(i, 1000000 + i * 50);
	for (uint32_t step = 0; step < 10000; step++) {
		uintptr_t coming, after = agenda_after(&agenda, 1);
		uint64_t due = 1000000 + step * 50;
		uint32_t i = take();

		unseen += step > 2 * GUESTS && !told[i];
		told[i] = false;
		while ((coming = agenda_coming(&agenda)) != 0)
			told[coming - 1] = true;
		come(i, due + GUESTS * 50 + draw(1000));
		if (after != 0) {
			known++;
			assert_true(times[after - 1] <= times[agenda_after(&agenda, 0) - 1]);
		}
	}
	assert_int_equal(unseen, 0);
	assert_true(known > 9000);
	take_all();
}

/* Once nobody is far any more they stand in the run at once. */
static void
few_do_not_go_through_the_wheel(void **state)
{
	for (uint32_t i = 0; i < GUESTS; i++)
		come(i, 10000 * i);
	assert_true(agenda.far_count > GUESTS / 2);
	while (there != 10)
		take();
	for (uint32_t i = 0; i < 500; i++) {
		uint32_t who = take();

		come(who, taken_ns + 5000000 + i % 7);
		assert_true(i < 20 || agenda.far_count == 0);
	}
	take_all();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(who_is_taken_is_the_first, start, stop),
		cmocka_unit_test_setup_teardown(a_crowd_is_served_in_order_too, start, stop),
		cmocka_unit_test_setup_teardown(a_crowd_is_there_before_somebody_is_far, start, stop),
		cmocka_unit_test_setup_teardown(a_slot_may_be_a_crowd, start, stop),
		cmocka_unit_test_setup_teardown(few_do_not_go_through_the_wheel, start, stop),
		cmocka_unit_test_setup_teardown(who_comes_is_known_before, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
