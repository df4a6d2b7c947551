/* SPDX-License-Identifier: BSD-3-Clause */
#include "one_chain.h"

#include <weir/filter/matchall.h>

static int
add(uint32_t preference, uint32_t handle, uint32_t classid, uint16_t flags)
{
	return add_filter(
		chain, preference, "matchall", handle, &(struct matchall_conf){ .classid = classid }, flags, &err);
}

static struct filter_info
get(uint32_t preference, uint32_t handle)
{
	struct filter_spec spec = {
		.preference = preference, .protocol = htons(ETH_P_IP), .handle = handle, .kind = "matchall"
	};
	struct filter_info info = { 0 };

	assert_int_equal(chain_filter_get(chain, &spec, &info, &err), 0);
	return info;
}

static void
takes_every_packet_and_counts_it(void **state)
{
	assert_int_equal(add(5, 0, CLASSID(1, 2), CREATE), 0);
	assert_int_equal(class_of_mark(chain, 0), CLASSID(1, 2));
	assert_int_equal(class_of_mark(chain, 7), CLASSID(1, 2));
	assert_int_equal(matchall_hits(get(5, 1).filter), 2);
	assert_true(chain_pure(chain));
}

static void
counts_each_packet_of_a_burst(void **state)
{
	struct classify_ctx ctx = { .now = 1 };
	struct packet packets[3];
	struct rte_mbuf *pkts[3];
	struct verdict verdicts[3];

	assert_int_equal(add(5, 0, CLASSID(1, 2), CREATE), 0);
	for (unsigned int i = 0; i < 3; i++) {
		packet_udp(&packets[i], i);
		pkts[i] = &packets[i].mbuf;
	}
	chain_classify(chain, &ctx, pkts, 3, verdicts);
	assert_int_equal(matchall_hits(get(5, 1).filter), 3);
}

/* Linux does not change one either, not even by `replace`. */
static void
there_is_one_and_it_stays(void **state)
{
	assert_int_equal(add(5, 0, CLASSID(1, 2), CREATE), 0);
	assert_int_equal(add(5, 0, CLASSID(1, 3), CREATE), -EEXIST);
	assert_int_equal(add(5, 1, CLASSID(1, 3), REPLACE), -EEXIST);
	assert_int_equal(add(5, 9, CLASSID(1, 3), CREATE), -EEXIST);
	assert_int_equal(class_of_mark(chain, 0), CLASSID(1, 2));
	assert_int_equal(add(4, 9, CLASSID(1, 3), CREATE), 0);
	assert_int_equal(class_of_mark(chain, 0), CLASSID(1, 3));
	assert_int_equal(delete_filter(chain, 4, "matchall", 8, &err), -ENOENT);
	assert_int_equal(delete_filter(chain, 4, "matchall", 9, &err), 0);
	assert_int_equal(class_of_mark(chain, 0), CLASSID(1, 2));
}

static void
wants_a_class_or_an_action(void **state)
{
	assert_int_equal(add_filter(chain, 5, "matchall", 0, NULL, CREATE, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "classid"));
	assert_true(chain_empty(chain));
}

static void
runs_its_actions(void **state)
{
	struct action_spec actions[] = { SET_MARK(3, TC_ACT_UNSPEC) }, drop[] = { GACT(TC_ACT_SHOT) };
	struct matchall_conf first = { .actions = actions, .n_actions = 1 }, last = { .actions = drop, .n_actions = 1 };

	/* The first says "continue", so that the mark is there for the next. */
	assert_int_equal(add_filter(chain, 1, "matchall", 0, &first, CREATE, &err), 0);
	assert_int_equal(add_fw(chain, 2, 3, CLASSID(1, 3)), 0);
	assert_int_equal(add_filter(chain, 3, "matchall", 0, &last, CREATE, &err), 0);
	assert_int_equal(class_of_mark(chain, 0), CLASSID(1, 3));
	assert_int_equal(delete_filter(chain, 2, "fw", 3, &err), 0);
	assert_int_equal(class_of_mark(chain, 0), UINT32_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(takes_every_packet_and_counts_it, start, end),
		cmocka_unit_test_setup_teardown(counts_each_packet_of_a_burst, start, end),
		cmocka_unit_test_setup_teardown(there_is_one_and_it_stays, start, end),
		cmocka_unit_test_setup_teardown(wants_a_class_or_an_action, start, end),
		cmocka_unit_test_setup_teardown(runs_its_actions, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
