/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/replay.h"

static void
quantiles_are_nearest_ranks(void **state)
{
	struct delays d = { 0 };

	assert_int_equal(delays_quantile(&d, 5000), 0);
	for (uint64_t i = 1000; i >= 1; i--)
		delays_add(&d, i);
	assert_int_equal(delays_quantile(&d, 5000), 500);
	assert_int_equal(delays_quantile(&d, 9900), 990);
	assert_int_equal(delays_quantile(&d, 9990), 999);
	assert_int_equal(delays_quantile(&d, 10000), 1000);
	delays_add(&d, 5); /* after it was sorted */
	assert_int_equal(delays_quantile(&d, 50), 5);
	assert_int_equal(d.min, 1);
	assert_int_equal(d.max, 1000);
	assert_int_equal(delays_mean(&d), 500);
	delays_free(&d);
}

static void
one_value_is_every_quantile(void **state)
{
	struct delays d = { 0 };

	delays_add(&d, UINT64_MAX);
	assert_true(delays_quantile(&d, 1) == UINT64_MAX && delays_quantile(&d, 9990) == UINT64_MAX);
	assert_true(delays_mean(&d) == UINT64_MAX);
	delays_free(&d);
}

static void
many_values_are_counted_to_one_part_in_2048(void **state)
{
	const uint64_t n = (1u << 22) + 1000000;
	struct delays d = { 0 };

	for (uint64_t i = 0; i < n; i++)
		delays_add(&d, i * 1000);
	assert_non_null(d.buckets);
	assert_null(d.samples);
	for (unsigned int q = 100; q <= 9900; q += 100) {
		double exact = (double)n * q / 10000 * 1000, got = (double)delays_quantile(&d, q);

		assert_true(got >= exact * (1 - 1 / 2048.0) && got <= exact * (1 + 1 / 2048.0));
	}
	assert_int_equal(delays_quantile(&d, 10000), (n - 1) * 1000);
	delays_free(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_are_nearest_ranks),
		cmocka_unit_test(one_value_is_every_quantile),
		cmocka_unit_test(many_values_are_counted_to_one_part_in_2048),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
