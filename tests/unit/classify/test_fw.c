/* SPDX-License-Identifier: BSD-3-Clause */
#include "one_chain.h"

static int
add_masked(uint32_t mark, uint32_t mask, uint32_t classid)
{
	struct fw_conf conf = { .has_classid = true, .classid = classid, .has_mask = true, .mask = mask };

	return add_filter(chain, 1, "fw", mark, &conf, CREATE, &err);
}

static void
finds_each_of_many_marks(void **state)
{
	for (uint32_t i = 0; i < 5000; i++)
		assert_int_equal(add_fw(chain, 1, 1 + 7919 * i, 1 + i), 0);
	for (uint32_t i = 0; i < 5000; i += 2)
		assert_int_equal(delete_filter(chain, 1, "fw", 1 + 7919 * i, &err), 0);
	for (uint32_t i = 0; i < 5000; i++)
		assert_int_equal(class_of_mark(chain, 1 + 7919 * i), i % 2 == 0 ? 0 : 1 + i);
	assert_int_equal(class_of_mark(chain, 0), 0);
	assert_int_equal(class_of_mark(chain, 2), 0);
}

static void
compares_the_bits_under_its_mask(void **state)
{
	assert_int_equal(add_masked(0x10, 0xf0, 1), 0);
	assert_int_equal(add_masked(0x20, 0xf0, 2), 0);
	assert_int_equal(add_masked(0x31, 0xf0, 3), 0); /* bits beside the mask: never found, as on Linux */
	assert_int_equal(class_of_mark(chain, 0x10), 1);
	assert_int_equal(class_of_mark(chain, 0xa1f), 1);
	assert_int_equal(class_of_mark(chain, 0x2f), 2);
	assert_int_equal(class_of_mark(chain, 0x31), 0);
	assert_int_equal(class_of_mark(chain, 0x01), 0);
}

static void
has_one_mask_for_all(void **state)
{
	assert_int_equal(add_masked(1, 0xff, 1), 0);
	assert_int_equal(add_masked(2, 0xf, 2), -EINVAL);
	assert_int_equal(err.msg[0], '\0'); /* Linux says no more */
	assert_int_equal(add_fw(chain, 1, 2, 2), -EINVAL);
	assert_int_equal(add_masked(2, 0xff, 2), 0);
	assert_filters(chain, "1/0 1/1 1/2");
}

static void
takes_the_mark_as_classid_when_it_has_no_filter(void **state)
{
	struct packet p;

	assert_int_equal(add_filter(chain, 1, "fw", 0, NULL, CREATE, &err), 0);
	assert_filters(chain, "1/0");
	assert_int_equal(class_of_mark(chain, 3), 3);
	assert_int_equal(class_of_mark(chain, CLASSID(1, 2)), CLASSID(1, 2));
	assert_int_equal(class_of_mark(chain, CLASSID(2, 2)), 0);
	packet_udp(&p, 0);
	assert_int_equal(ask(chain, &p).action, TC_ACT_UNSPEC);
	assert_int_equal(add_fw(chain, 1, 5, CLASSID(1, 9)), 0);
	assert_int_equal(class_of_mark(chain, 3), 0);
	assert_int_equal(class_of_mark(chain, 5), CLASSID(1, 9));
}

static void
refuses_what_has_no_mark_or_no_options(void **state)
{
	struct fw_conf conf = { .has_classid = true, .classid = 1 };

	assert_int_equal(add_filter(chain, 1, "fw", 4, NULL, CREATE, &err), -EINVAL);
	assert_refused(add_filter(chain, 1, "fw", 0, &conf, CREATE, &err), err, EINVAL,
		"fw: the mark to look for is missing: give it as in 'handle 6 fw'; 'fw' alone takes no options");
	assert_true(chain_empty(chain));
}

static void
changes_class_port_and_actions_of_a_mark(void **state)
{
	struct action_spec drop[] = { GACT(TC_ACT_SHOT) };
	struct fw_conf conf = { .has_classid = true, .classid = 2, .in_port = 9 };
	struct packet p;

	assert_int_equal(add_fw(chain, 1, 1, 1), 0);
	assert_int_equal(add_filter(chain, 1, "fw", 1, &conf, CHANGE, &err), 0);
	packet_udp(&p, 1);
	assert_int_equal(ask(chain, &p).action, TC_ACT_UNSPEC);
	p.pkt.in_port = 9;
	assert_int_equal(ask(chain, &p).classid, 2);
	conf = (struct fw_conf){ .actions = drop, .n_actions = 1 };
	assert_int_equal(add_filter(chain, 1, "fw", 1, &conf, CHANGE, &err), 0);
	assert_int_equal(class_of_mark(chain, 1), UINT32_MAX);
	assert_filters(chain, "1/0 1/1");
}

/* Classes by mark; 0: no filter, UINT32_MAX: dropped. */
static void
finds_what_changes_have_left(void **state)
{
	struct action_spec drop = GACT(TC_ACT_SHOT);
	uint32_t expected[512] = { 0 };
	uint64_t random = 42;

	for (uint32_t i = 0; i < 20000; i++) {
		uint32_t mark, classid = i + 1;
		struct fw_conf conf = { .has_classid = true, .classid = classid };

		random = random * 6364136223846793005 + 1442695040888963407;
		mark = (uint32_t)(random >> 40) % 511 + 1;
		if ((random >> 60) % 4 == 0 && expected[mark] != 0) {
			assert_int_equal(delete_filter(chain, 1, "fw", mark, NULL), 0);
			expected[mark] = 0;
		} else {
			if ((random >> 60) % 4 == 1) {
				conf.actions = &drop;
				conf.n_actions = 1;
				classid = UINT32_MAX;
			}
			assert_int_equal(add_filter(chain, 1, "fw", mark, &conf, REPLACE, NULL), 0);
			expected[mark] = classid;
		}
		if (i % 100 == 99 && !chain_empty(chain))
			for (uint32_t m = 0; m < RTE_DIM(expected); m++)
				assert_int_equal(class_of_mark(chain, m), expected[m]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(finds_each_of_many_marks, start, end),
		cmocka_unit_test_setup_teardown(compares_the_bits_under_its_mask, start, end),
		cmocka_unit_test_setup_teardown(has_one_mask_for_all, start, end),
		cmocka_unit_test_setup_teardown(takes_the_mark_as_classid_when_it_has_no_filter, start, end),
		cmocka_unit_test_setup_teardown(refuses_what_has_no_mark_or_no_options, start, end),
		cmocka_unit_test_setup_teardown(changes_class_port_and_actions_of_a_mark, start, end),
		cmocka_unit_test_setup_teardown(finds_what_changes_have_left, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
