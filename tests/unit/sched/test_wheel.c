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

#define TIMERS   200
#define STEPS    20000
#define NOT      UINT64_MAX
#define SLOT_NS  1024
#define CROWD    5000
#define DUE_PART 7

static uint64_t draw_state;

static uint64_t
draw(void)
{
	draw_state = draw_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return draw_state ^ draw_state >> 29;
}

/* As many chunks as are promised to be enough, in memory where a use beyond them would be seen. */
static struct wheel_chunk *
supply(struct wheel *wheel, uint32_t entries)
{
	uint32_t n = wheel_chunks_for(entries);
	struct wheel_chunk *chunks = calloc(n, sizeof(*chunks));

	assert_non_null(chunks);
	for (uint32_t i = 0; i < n; i++)
		wheel_give(wheel, &chunks[i]);
	return chunks;
}

static void
assert_all_chunks_are_back(struct wheel *wheel, uint32_t entries)
{
	uint32_t n = 0;

	while (wheel_take(wheel) != NULL)
		n++;
	assert_int_equal(n, wheel_chunks_for(entries));
}

static uint64_t
first_of(const uint64_t *times)
{
	uint64_t first = UINT64_MAX;

	for (unsigned int i = 0; i < TIMERS; i++) {
		if (times[i] < first)
			first = times[i];
	}
	return first;
}

/* Takes all that is due, a few at a time; in order but for what is within a slot of each other. */
static void
pop_all(struct wheel *wheel, uint64_t now, uint64_t *times)
{
	uintptr_t due[DUE_PART];
	uint64_t last = 0;
	unsigned int n;

	while ((n = wheel_pop(wheel, now, due, DUE_PART)) != 0) {
		assert_true(n <= DUE_PART);
		for (unsigned int i = 0; i < n; i++) {
			assert_true(times[due[i]] != NOT && times[due[i]] <= now);
			assert_true(times[due[i]] + SLOT_NS > last);
			last = times[due[i]] > last ? times[due[i]] : last;
			times[due[i]] = NOT;
		}
	}
}

static void
check_looks(const struct wheel *wheel, const uint64_t *times)
{
	uint64_t first = first_of(times), next = wheel_next(wheel);
	uintptr_t soon[TIMERS];
	unsigned int n = wheel_look(wheel, wheel->clock, wheel->clock + 100 * SLOT_NS, soon, TIMERS);

	assert_true(next <= first);
	assert_true(first == NOT || next != UINT64_MAX);
	/* Near enough to be acted on, it is exact. */
	assert_true(first == NOT || first < wheel->clock || first - wheel->clock > SLOT_NS || next == first);
	for (unsigned int i = 0; i < n; i++)
		assert_true(times[soon[i]] < wheel->clock + 102 * SLOT_NS);
}

static void
play(uint64_t seed)
{
	static struct wheel wheel;
	uint64_t times[TIMERS], now = seed % 3 == 0 ? 0 : seed * 1000003;
	struct wheel_chunk *chunks;

	print_message("seed %lu\n", (unsigned long)seed);
	draw_state = seed;
	for (unsigned int i = 0; i < TIMERS; i++)
		times[i] = NOT;
	wheel_init(&wheel, now);
	chunks = supply(&wheel, TIMERS);
	for (unsigned int step = 0; step < STEPS; step++) {
		unsigned int i = draw() % TIMERS;
		uint64_t first;

		if (times[i] != NOT) {
			wheel_remove(&wheel, i);
			times[i] = NOT;
		} else {
			times[i] = now + (draw() & ((UINT64_C(2) << draw() % 48) - 1));
			wheel_add(&wheel, times[i], i);
		}
		check_looks(&wheel, times);
		if (draw() % 4 != 0)
			continue;
		first = first_of(times);
		now = draw() % 2 == 0 && first != NOT ? first : now + (draw() & ((UINT64_C(2) << draw() % 40) - 1));
		pop_all(&wheel, now, times);
		assert_true(first_of(times) > now);
	}
	for (unsigned int i = 0; i < TIMERS; i++) {
		if (times[i] != NOT)
			wheel_remove(&wheel, i);
	}
	assert_int_equal(wheel_next(&wheel), UINT64_MAX);
	assert_all_chunks_are_back(&wheel, TIMERS);
	free(chunks);
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
	struct wheel_chunk *chunks;
	uintptr_t due[4];

	(void)state;
	wheel_init(&wheel, 1000);
	chunks = supply(&wheel, 2);
	wheel_add(&wheel, UINT64_MAX, 1);
	wheel_add(&wheel, 5, 2);
	assert_int_equal(wheel_pop(&wheel, 1000, due, 4), 1);
	assert_int_equal(due[0], 2);
	assert_int_equal(wheel_pop(&wheel, UINT64_MAX - 1, due, 4), 0);
	assert_int_equal(wheel_next(&wheel), UINT64_MAX);
	assert_int_equal(wheel_pop(&wheel, UINT64_MAX, due, 4), 1);
	assert_int_equal(due[0], 1);
	free(chunks);
}

/* Thousands that wait together, near, far and spread, and what is due at each nanosecond is exactly what should be. */
static void
a_crowd_waits_with_the_chunks_that_were_promised(void **state)
{
	static const uint64_t spreads[] = { 1, 100, 100000, 10000000, UINT64_C(1) << 40 };
	static struct wheel wheel;

	(void)state;
	for (size_t s = 0; s < sizeof(spreads) / sizeof(spreads[0]); s++) {
		uint64_t now = 12345678, left = CROWD;
		struct wheel_chunk *chunks;
		uintptr_t due[64];

		draw_state = s;
		wheel_init(&wheel, now);
		chunks = supply(&wheel, CROWD);
		for (uintptr_t i = 0; i < CROWD; i++)
			wheel_add(&wheel, now + 5000000 + draw() % spreads[s], i);
		while (left != 0) {
			uint64_t next = wheel_next(&wheel);
			unsigned int n;

			/* It may be told to come early, but each time it gets nearer. */
			assert_true(next > now && next != UINT64_MAX);
			now = next;
			while ((n = wheel_pop(&wheel, now, due, 64)) != 0)
				left -= n;
		}
		assert_all_chunks_are_back(&wheel, CROWD);
		free(chunks);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_a_plain_array),
		cmocka_unit_test(holds_the_ends_of_time),
		cmocka_unit_test(a_crowd_waits_with_the_chunks_that_were_promised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
