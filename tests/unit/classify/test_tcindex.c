/* SPDX-License-Identifier: BSD-3-Clause */
#include <weir/filter/tcindex.h>

#include "one_chain.h"

static int
add(uint32_t key, const struct tcindex_conf *conf)
{
	return add_filter(chain, 1, "tcindex", key, conf, CREATE, &err);
}

static int
add_class(uint32_t key, uint32_t classid)
{
	return add(key, &(struct tcindex_conf){ .has_classid = true, .classid = classid });
}

/* What a packet with this tc_index is told; -1: the group says nothing, -2: drop. */
static int64_t
answer(uint16_t tc_index)
{
	struct packet p;
	struct verdict v;

	packet_udp(&p, 0);
	p.pkt.tc_index = tc_index;
	v = ask(chain, &p);
	return v.action == TC_ACT_OK ? (int64_t)v.classid : v.action == TC_ACT_SHOT ? -2 : -1;
}

static void
takes_the_key_as_class_where_there_is_no_filter(void **state)
{
	assert_int_equal(
		add(0, &(struct tcindex_conf){ .has_mask = true, .mask = 0xfc, .has_shift = true, .shift = 2 }), 0);
	for (uint32_t tc_index = 0; tc_index < 0x10000; tc_index++)
		assert_int_equal(answer((uint16_t)tc_index), CLASSID(1, (tc_index & 0xfc) >> 2));
}

static void
alone_takes_tc_index_as_class(void **state)
{
	assert_int_equal(add(0, NULL), 0);
	assert_filters(chain, "1/0");
	assert_int_equal(answer(0), CLASSID(1, 0));
	assert_int_equal(answer(0xabcd), CLASSID(1, 0xabcd));
}

static void
passes_on_what_it_has_no_filter_for(void **state)
{
	assert_int_equal(add(0x2e, &(struct tcindex_conf){ .has_mask = true,
					   .mask = 0xfc,
					   .has_shift = true,
					   .shift = 2,
					   .has_fall_through = true,
					   .has_classid = true,
					   .classid = CLASSID(2, 1) }),
		0);
	assert_int_equal(answer(0xb8), CLASSID(2, 1));
	assert_int_equal(answer(0xbb), CLASSID(2, 1)); /* beside the mask */
	assert_int_equal(answer(0x2e), -1);
	assert_int_equal(answer(0), -1);
}

static void
finds_each_of_all_keys(void **state)
{
	for (uint32_t key = 0; key < 0x10000; key += 3)
		assert_int_equal(add_class(key, CLASSID(1, key ^ 0x5555)), 0);
	for (uint32_t key = 3; key < 0x10000; key += 6)
		assert_int_equal(delete_filter(chain, 1, "tcindex", key, &err), 0);
	for (uint32_t key = 1; key < 0x10000; key++)
		assert_int_equal(answer((uint16_t)key), CLASSID(1, key % 6 == 0 ? key ^ 0x5555 : key));
}

static void
lists_as_linux_does(void **state)
{
	static const uint16_t keys[] = { 0x100, 3, 0x43, 0x83, 2, 0xff, 1, 0x40 };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_int_equal(add_class(keys[i], CLASSID(1, 1)), 0);
	assert_filters(chain, "1/0 1/100 1/40 1/1 1/2 1/3 1/43 1/83 1/ff");
	assert_int_equal(delete_filter(chain, 1, "tcindex", 3, &err), 0);
	assert_int_equal(delete_filter(chain, 1, "tcindex", 3, &err), -ENOENT);
	assert_filters(chain, "1/0 1/100 1/40 1/1 1/2 1/43 1/83 1/ff");
	assert_int_equal(delete_filter(chain, 1, "tcindex", 0, &err), 0);
	assert_filters(chain, "");
}

static void
keeps_its_group_when_the_last_filter_goes(void **state)
{
	assert_int_equal(
		add(5, &(struct tcindex_conf){ .has_classid = true, .classid = 9, .has_mask = true, .mask = 0xf }), 0);
	assert_int_equal(delete_filter(chain, 1, "tcindex", 5, &err), 0);
	assert_filters(chain, "1/0");
	assert_int_equal(answer(0x15), CLASSID(1, 5));
}

static void
holds_its_settings_together(void **state)
{
	struct tcindex_conf wide = { .has_mask = true, .mask = 0xff, .has_classid = true, .classid = 1 };

	/* A hash above every key is an array: keys stay below it. */
	assert_int_equal(
		add(0, &(struct tcindex_conf){ .has_hash = true, .hash = 16, .has_mask = true, .mask = 0xf }), 0);
	assert_filters(chain, "1/0");
	assert_int_equal(add_class(16, 1), -EINVAL);
	assert_int_equal(add(3, &wide), -EBUSY);
	assert_int_equal(answer(0x13), CLASSID(1, 3)); /* as it was */
	assert_int_equal(
		add(20, &(struct tcindex_conf){ .has_hash = true, .hash = 32, .has_classid = true, .classid = 1 }), 0);
	assert_filters(chain, "1/0 1/14");
	assert_int_equal(
		add(2, &(struct tcindex_conf){ .has_hash = true, .hash = 16, .has_classid = true, .classid = 1 }), 0);
	assert_filters(chain, "1/0 1/2"); /* what has no place any more is gone */
}

static void
refuses_another_hash_once_there_are_filters(void **state)
{
	assert_int_equal(add_class(0x100, 1), 0);
	assert_int_equal(add(9, &(struct tcindex_conf){ .has_hash = true, .hash = 16 }), -EBUSY);
	assert_int_equal(add(9, &(struct tcindex_conf){ .has_hash = true,
					.hash = 64,
					.has_mask = true,
					.mask = 0xfff,
					.has_classid = true,
					.classid = 2 }),
		0);
	assert_int_equal(answer(0xf009), 2);
	assert_int_equal(add(9, &(struct tcindex_conf){ .has_shift = true, .shift = 17 }), -EEXIST);
	assert_int_equal(add(10, &(struct tcindex_conf){ .has_shift = true, .shift = 17 }), -EINVAL);
	assert_int_equal(add(10, &(struct tcindex_conf){ .has_shift = true, .shift = UINT32_MAX }), -EINVAL);
	assert_int_equal(add(10, &(struct tcindex_conf){ .has_hash = true, .hash = TCINDEX_HASH_MAX + 1 }), -EINVAL);
	assert_filters(chain, "1/0 1/100 1/9");
}

static void
shows_an_empty_filter_but_does_not_find_it(void **state)
{
	assert_int_equal(add(4, &(struct tcindex_conf){ .has_fall_through = true }), 0);
	assert_filters(chain, "1/0 1/4");
	assert_int_equal(answer(4), 0); /* it decides, and names no class */
	assert_int_equal(answer(5), -1);
	assert_int_equal(delete_filter(chain, 1, "tcindex", 4, &err), -ENOENT);
	assert_int_equal(add(4, &(struct tcindex_conf){ .has_classid = true, .classid = 7 }), 0);
	assert_filters(chain, "1/0 1/4");
	assert_int_equal(answer(4), 7);
}

static void
keeps_the_class_in_a_change_that_gives_none(void **state)
{
	struct action_spec drop = GACT(TC_ACT_SHOT);
	struct tcindex_conf conf = { .has_classid = true, .classid = 3, .actions = &drop, .n_actions = 1 };

	assert_int_equal(add(3, &conf), 0);
	assert_int_equal(answer(3), -2);
	assert_int_equal(add(3, &conf), -EEXIST);
	assert_int_equal(
		add_filter(chain, 1, "tcindex", 3, &(struct tcindex_conf){ .has_fall_through = true }, REPLACE, &err),
		0);
	assert_int_equal(answer(3), 3);
	assert_int_equal(answer(4), -1);
	assert_int_equal(add_filter(chain, 1, "tcindex", 0x10003, &conf, CHANGE, &err), 0); /* 16 bits count */
	assert_int_equal(answer(3), -2);
}

static void
runs_its_actions(void **state)
{
	struct action_spec actions[] = { SET_MARK(77, TC_ACT_PIPE), GACT(TC_ACT_UNSPEC) };
	struct packet p;

	assert_int_equal(
		add(1, &(struct tcindex_conf){ .has_classid = true, .classid = 5, .actions = actions, .n_actions = 2 }),
		0);
	assert_true(chain_pure(chain));
	packet_udp(&p, 0);
	p.pkt.tc_index = 1;
	assert_int_equal(ask(chain, &p).action, TC_ACT_UNSPEC); /* continue: another filter may decide */
	assert_int_equal(p.pkt.mark, 77);
}

static void
counts_as_a_use_of_its_class(void **state)
{
	assert_int_equal(add_class(1, CLASSID(1, 5)), 0);
	assert_int_equal(add_class(2, CLASSID(1, 5)), 0);
	assert_int_equal(chain_uses_class(chain, CLASSID(1, 5)), 2);
	assert_int_equal(delete_filter(chain, 1, "tcindex", 1, &err), 0);
	assert_int_equal(chain_uses_class(chain, CLASSID(1, 5)), 1);
	assert_int_equal(delete_filter(chain, 1, "tcindex", 0, &err), 0);
	assert_int_equal(chain_uses_class(chain, CLASSID(1, 5)), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(takes_the_key_as_class_where_there_is_no_filter, start, end),
		cmocka_unit_test_setup_teardown(alone_takes_tc_index_as_class, start, end),
		cmocka_unit_test_setup_teardown(passes_on_what_it_has_no_filter_for, start, end),
		cmocka_unit_test_setup_teardown(finds_each_of_all_keys, start, end),
		cmocka_unit_test_setup_teardown(lists_as_linux_does, start, end),
		cmocka_unit_test_setup_teardown(keeps_its_group_when_the_last_filter_goes, start, end),
		cmocka_unit_test_setup_teardown(holds_its_settings_together, start, end),
		cmocka_unit_test_setup_teardown(refuses_another_hash_once_there_are_filters, start, end),
		cmocka_unit_test_setup_teardown(shows_an_empty_filter_but_does_not_find_it, start, end),
		cmocka_unit_test_setup_teardown(keeps_the_class_in_a_change_that_gives_none, start, end),
		cmocka_unit_test_setup_teardown(runs_its_actions, start, end),
		cmocka_unit_test_setup_teardown(counts_as_a_use_of_its_class, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
