/* SPDX-License-Identifier: BSD-3-Clause */
/* The timer wheel beside a plain array: random timers, removals and jumps of the clock, near and far. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wheel.h"

#define TIMERS 200
#define STEPS  20000

static uint64_t draw_state;

static uint64_t
draw(void)
{
	draw_state = draw_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return draw_state ^ draw_state >> 29;
}

static uint64_t
first_of(const struct wheel_timer *timers)
{
	uint64_t first = UINT64_MAX;

	for (unsigned int i = 0; i < TIMERS; i++) {
		if (timers[i].link != NULL && timers[i].time_ns < first)
			first = timers[i].time_ns;
	}
	return first;
}

static void
play(uint64_t seed)
{
	static struct wheel wheel;
	static struct wheel_timer timers[TIMERS];
	uint64_t now = seed % 3 == 0 ? 0 : seed * 1000003;

	print_message("seed %lu\n", (unsigned long)seed);
	draw_state = seed;
	for (unsigned int i = 0; i < TIMERS; i++)
		timers[i] = (struct wheel_timer){ 0 };
	wheel_init(&wheel, now);
	for (unsigned int step = 0; step < STEPS; step++) {
		struct wheel_timer *timer = &timers[draw() % TIMERS], *due;
		uint64_t first, last = 0;

		if (timer->link != NULL)
			wheel_remove(&wheel, timer);
		else
			wheel_add(&wheel, timer, now + (draw() & ((UINT64_C(2) << draw() % 48) - 1)));
		first = first_of(timers);
		assert_true(wheel_next(&wheel) <= first);
		assert_true(first == UINT64_MAX || wheel_next(&wheel) != UINT64_MAX);
		if (draw() % 4 != 0)
			continue;
		now = draw() % 2 == 0 && first != UINT64_MAX ? first
							     : now + (draw() & ((UINT64_C(2) << draw() % 40) - 1));
		while ((due = wheel_pop(&wheel, now)) != NULL) {
			assert_null(due->link);
			assert_true(due->time_ns <= now);
			assert_true(due->time_ns >= last); /* in order */
			last = due->time_ns;
		}
		assert_true(first_of(timers) > now);
	}
	for (unsigned int i = 0; i < TIMERS; i++)
		wheel_remove(&wheel, &timers[i]);
	assert_int_equal(wheel_next(&wheel), UINT64_MAX);
}

static void
agrees_with_a_plain_array(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++)
		play(seed);
}

static void
holds_the_ends_of_time(void **state)
{
	static struct wheel wheel;
	struct wheel_timer last = { 0 }, past = { 0 };

	(void)state;
	wheel_init(&wheel, 1000);
	wheel_add(&wheel, &last, UINT64_MAX);
	wheel_add(&wheel, &past, 5);
	assert_ptr_equal(wheel_pop(&wheel, 1000), &past);
	assert_null(wheel_pop(&wheel, UINT64_MAX - 1));
	assert_int_equal(wheel_next(&wheel), UINT64_MAX);
	assert_ptr_equal(wheel_pop(&wheel, UINT64_MAX), &last);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_a_plain_array),
		cmocka_unit_test(holds_the_ends_of_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
