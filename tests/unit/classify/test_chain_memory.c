/* SPDX-License-Identifier: BSD-3-Clause */
/* A change of a chain for which memory is out leaves all as it was. malloc is this file's (meson.build: --wrap). */
#include "one_chain.h"

static bool out_of_memory;

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);

void *
__wrap_malloc(size_t bytes)
{
	return out_of_memory ? NULL : __real_malloc(bytes);
}

static int
add_in_chain(uint32_t index, uint32_t preference)
{
	struct fw_conf conf = { .has_classid = true, .classid = CLASSID(1, 1) };
	struct filter_spec spec = { preference, htons(ETH_P_IP), 1, "fw", &conf, 500, index };

	return chain_filter_add(chain, &spec, CREATE, NULL, &err);
}

static int
count(void *arg, const struct filter_info *info)
{
	(*(unsigned int *)arg)++;
	return 0;
}

static void
count_gone(void *arg, const struct filter_info *info)
{
	count(arg, info);
}

static int
is_named(void *arg, uint32_t index, bool named)
{
	return index == *(uint32_t *)arg && named;
}

/* Neither its name nor any of its filters goes, and none is told to have gone. */
static void
deletes_a_chain_whole_or_not_at_all(void **state)
{
	unsigned int before = 0, after = 0, gone = 0;
	uint32_t named = 5;

	assert_int_equal(chain_add(chain, named, NULL, &err), 0);
	assert_int_equal(add_in_chain(named, 1), 0);
	assert_int_equal(add_in_chain(named, 2), 0);
	assert_int_equal(add_in_chain(0, 1), 0);
	chain_walk(chain, count, &before);
	out_of_memory = true;
	assert_int_equal(chain_delete(chain, named, count_gone, &gone, &err), -ENOMEM);
	out_of_memory = false;
	chain_walk(chain, count, &after);
	assert_int_equal(after, before);
	assert_int_equal(gone, 0);
	assert_true(chain_walk_indices(chain, is_named, &named));
	assert_int_equal(chain_delete(chain, named, count_gone, &gone, &err), 0);
	assert_int_equal(gone, 2);
	assert_false(chain_has(chain, named));
	assert_int_equal(class_of_mark(chain, 1), CLASSID(1, 1));
}

/*
 * The last one of its group takes the group along, for which a list without it is needed: then the filter stays as
 * well.
 */
static void
deletes_a_filter_with_its_group_or_not_at_all(void **state)
{
	const struct filter_spec spec = { 1, htons(ETH_P_IP), 1, "fw", NULL, 0, 0 };
	unsigned int before = 0, after = 0, gone = 0;

	assert_int_equal(add_in_chain(0, 1), 0);
	assert_int_equal(add_in_chain(0, 2), 0);
	chain_walk(chain, count, &before);
	out_of_memory = true;
	assert_int_equal(chain_filter_delete(chain, &spec, count_gone, &gone, &err), -ENOMEM);
	out_of_memory = false;
	chain_walk(chain, count, &after);
	assert_int_equal(after, before);
	assert_int_equal(gone, 0);
	assert_int_equal(chain_filter_delete(chain, &spec, count_gone, &gone, &err), 0);
	assert_int_equal(gone, 1);
	after = 0;
	chain_walk(chain, count, &after);
	assert_int_equal(after, before - 2); /* the group and its filter */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(deletes_a_chain_whole_or_not_at_all, start, end),
		cmocka_unit_test_setup_teardown(deletes_a_filter_with_its_group_or_not_at_all, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
