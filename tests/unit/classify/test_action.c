/* SPDX-License-Identifier: BSD-3-Clause */
#include "one_chain.h"

static int
add_action(const char *kind, uint32_t index, const void *conf, uint16_t flags)
{
	struct action_spec spec = { .kind = kind, .index = index, .conf = conf };

	return action_add(NULL, &spec, flags, 1, NULL, &err);
}

static uint64_t
packets_of(uint32_t index)
{
	struct action_stats stats;

	action_stats_sum(action_find("gact", index), &stats);
	return stats.packets;
}

static void
counts_packets_bytes_drops_and_times(void **state)
{
	struct action_spec drop[] = { GACT(TC_ACT_SHOT) };
	struct classify_ctx ctx = { .now = 5000, .ingress = true };
	struct action_stats stats;
	struct rte_mbuf *m;
	struct verdict v;
	struct packet p;

	assert_int_equal(add_fw_actions(chain, 1, 1, 0, drop, 1), 0);
	packet_udp(&p, 1);
	m = &p.mbuf;
	chain_classify(chain, &ctx, &m, 1, &v);
	ctx.now = 9000;
	ctx.ingress = false;
	chain_classify(chain, &ctx, &m, 1, &v);
	action_stats_sum(action_find("gact", 1), &stats);
	assert_int_equal(stats.packets, 2);
	assert_int_equal(stats.bytes, 50 + 64); /* at ingress without the link header */
	assert_int_equal(stats.drops, 2);
	assert_int_equal(stats.first_used_ns, 5000);
	assert_int_equal(stats.last_used_ns, 9000);
	assert_int_equal(action_created_ns(action_find("gact", 1)), 500);
}

/* Which of 64 packets a filter of even chances drops, when it is made after this seed was set. */
static uint64_t
lots_of(uint64_t seed)
{
	struct action_spec chance[] = { { .kind = "gact",
		.conf = &(struct gact_conf){
			TC_ACT_OK, .random_type = PGACT_NETRAND, .every = 2, .random_action = TC_ACT_SHOT } } };
	uint64_t dropped = 0;
	struct packet p;

	classify_seed(seed);
	assert_int_equal(add_fw_actions(chain, 1, 1, 0, chance, 1), 0);
	packet_udp(&p, 1);
	for (unsigned int i = 0; i < 64; i++)
		dropped = dropped << 1 | (ask(chain, &p).action == TC_ACT_SHOT);
	assert_int_equal(delete_filter(chain, 1, "fw", 1, &err), 0);
	return dropped;
}

static void
draws_by_the_seed(void **state)
{
	uint64_t first = lots_of(1);

	assert_int_equal(lots_of(1), first);
	assert_int_not_equal(lots_of(2), first);
	assert_in_range(__builtin_popcountll(first), 16, 48);
}

static void
takes_the_lowest_free_index_and_shares_by_index(void **state)
{
	struct action_spec drop[] = { GACT(TC_ACT_SHOT) }, fifth[] = { GACT(TC_ACT_OK) },
			   again[] = { GACT(TC_ACT_SHOT) };
	const struct action *action;

	fifth[0].index = again[0].index = 5;
	assert_int_equal(add_fw_actions(chain, 1, 1, 1, drop, 1), 0);
	assert_int_equal(add_fw_actions(chain, 1, 2, 1, drop, 1), 0);
	assert_int_equal(add_fw_actions(chain, 1, 5, 1, fifth, 1), 0);
	assert_int_equal(delete_filter(chain, 1, "fw", 1, &err), 0);
	assert_null(action_find("gact", 1));
	assert_int_equal(add_fw_actions(chain, 1, 3, 1, drop, 1), 0);
	assert_non_null(action_find("gact", 1));
	assert_null(action_find("gact", 3));
	assert_int_equal(add_fw_actions(chain, 1, 6, 1, again, 1), 0);
	action = action_find("gact", 5);
	assert_int_equal(action_refs(action), 2);
	assert_int_equal(action_binds(action), 2);
	assert_int_equal(class_of_mark(chain, 6), 1); /* what the second says of it is ignored */
	delete_filter(chain, 1, "fw", 5, &err);
	assert_int_equal(action_binds(action), 1);
	assert_int_equal(class_of_mark(chain, 6), 1);
}

static void
stands_by_itself_and_is_kept_while_bound(void **state)
{
	struct gact_conf pass = { .action = TC_ACT_OK }, drop = { .action = TC_ACT_SHOT };
	struct action_spec by_index[] = { { .kind = "gact", .index = 9 } };

	assert_int_equal(add_action("gact", 9, &pass, CREATE), 0);
	assert_int_equal(add_action("gact", 9, &drop, CREATE), -EEXIST);
	assert_int_equal(add_fw_actions(chain, 1, 1, 1, by_index, 1), 0);
	assert_int_equal(action_refs(action_find("gact", 9)), 2);
	assert_int_equal(action_binds(action_find("gact", 9)), 1);
	assert_int_equal(class_of_mark(chain, 1), 1);
	assert_int_equal(add_action("gact", 9, &drop, REPLACE), 0);
	assert_int_equal(class_of_mark(chain, 1), UINT32_MAX);
	assert_int_equal(packets_of(9), 2);
	assert_int_equal(action_delete("gact", 9, &err), -EPERM);
	delete_filter(chain, 0, NULL, 0, &err);
	assert_int_equal(action_refs(action_find("gact", 9)), 1);
	assert_int_equal(action_delete("gact", 9, &err), 0);
	assert_int_equal(action_delete("gact", 9, &err), -ENOENT);
}

static void
refuses_and_leaves_nothing_behind(void **state)
{
	struct action_spec good_and_bad[] = { GACT(TC_ACT_OK), GACT(99) }, unknown[] = { { .kind = "nosuch" } };
	struct action_spec missing[] = { { .kind = "gact", .index = 44 } };
	struct skbedit_conf nothing = { .action = TC_ACT_PIPE };
	struct gact_conf chains = { .action = TC_ACT_GOTO_CHAIN | 3 };

	assert_int_equal(add_fw_actions(chain, 1, 1, 1, good_and_bad, 2), -EINVAL);
	assert_int_equal(add_fw_actions(chain, 1, 1, 1, unknown, 1), -ENOENT);
	assert_int_equal(add_fw_actions(chain, 1, 1, 1, missing, 1), -EINVAL);
	/* By itself an action has no chain to go to. */
	assert_int_equal(add_action("gact", 0, &chains, CREATE), -EINVAL);
	assert_int_equal(add_action("skbedit", 0, &nothing, CREATE), -EINVAL);
	assert_true(chain_empty(chain));
	assert_int_equal(chain_uses_class(chain, 1), 0);
	assert_null(action_find("gact", 1));
}

static void
sets_mark_priority_and_dsfield(void **state)
{
	struct skbedit_conf masked = { TC_ACT_PIPE, SKBEDIT_F_MARK | SKBEDIT_F_MASK | SKBEDIT_F_PRIORITY, 0xff, 0xf0,
		CLASSID(1, 2), 0, 0 };
	struct skbedit_conf inherit = { .action = TC_ACT_OK, .set = SKBEDIT_F_INHERITDSFIELD };
	struct action_spec edit[] = { { .kind = "skbedit", .conf = &masked } },
			   dsfield[] = { { .kind = "skbedit", .conf = &inherit } };
	struct packet p;

	assert_int_equal(add_fw_actions(chain, 1, 1, 3, edit, 1), 0);
	assert_int_equal(add_fw_actions(chain, 1, 2, 3, dsfield, 1), 0);
	packet_udp(&p, 1);
	assert_int_equal(ask(chain, &p).classid, 3);
	assert_int_equal(p.pkt.mark, 0xf1);
	assert_int_equal(p.pkt.priority, CLASSID(1, 2));
	packet_udp(&p, 2);
	ask(chain, &p);
	assert_int_equal(p.pkt.priority, 0x10 >> 2);
	assert_int_equal(p.pkt.mark, 2);
}

static void
jumps_to_the_action_with_that_number(void **state)
{
	struct action_spec over[] = { GACT(TC_ACT_JUMP | 2), GACT(TC_ACT_SHOT), GACT(TC_ACT_OK) };
	struct action_spec beyond[] = { GACT(TC_ACT_JUMP | 7), GACT(TC_ACT_SHOT) };
	struct action_spec back[] = { GACT(TC_ACT_PIPE), GACT(TC_ACT_JUMP | 1) };

	over[1].index = 101;
	back[1].index = 102;
	assert_int_equal(add_fw_actions(chain, 1, 1, 1, over, 3), 0);
	assert_int_equal(add_fw_actions(chain, 1, 2, 2, beyond, 2), 0);
	assert_int_equal(add_fw_actions(chain, 1, 3, 3, back, 2), 0);
	assert_int_equal(class_of_mark(chain, 1), 1);
	assert_int_equal(packets_of(101), 0);
	assert_int_equal(class_of_mark(chain, 2), 2);
	assert_int_equal(class_of_mark(chain, 3), 3); /* round in circles: it passes in the end */
	assert_in_range(packets_of(102), 2, ACTIONS_MAX);
}

static unsigned int
dropped_of(unsigned int packets)
{
	unsigned int dropped = 0;

	for (unsigned int i = 0; i < packets; i++)
		dropped += class_of_mark(chain, 1) == UINT32_MAX;
	return dropped;
}

static void
lets_one_in_so_many_pass(void **state)
{
	struct gact_conf determ = { TC_ACT_SHOT, PGACT_DETERM, 3, TC_ACT_OK },
			 chance = { TC_ACT_SHOT, PGACT_NETRAND, 10, TC_ACT_OK };
	struct gact_conf always = { TC_ACT_SHOT, PGACT_NETRAND, 0, TC_ACT_OK };
	struct action_spec specs[] = { { .kind = "gact", .conf = &determ } };

	add_fw_actions(chain, 1, 1, 1, specs, 1);
	assert_int_equal(dropped_of(10), 7); /* the third, sixth and ninth pass */
	assert_int_equal(dropped_of(1), 1);
	assert_int_equal(dropped_of(1), 0);
	delete_filter(chain, 1, "fw", 1, &err);
	specs[0].conf = &chance;
	add_fw_actions(chain, 1, 1, 1, specs, 1);
	assert_in_range(dropped_of(100000), 89600, 90400); /* 4 standard deviations are 380 */
	delete_filter(chain, 1, "fw", 1, &err);
	specs[0].conf = &always; /* 0 is taken as 1 */
	add_fw_actions(chain, 1, 1, 1, specs, 1);
	assert_int_equal(dropped_of(10), 0);
}

static int
note_index(void *arg, const struct action *action)
{
	uint32_t **next = arg;

	*(*next)++ = action_index(action);
	return 0;
}

static void
walks_a_kind_by_index(void **state)
{
	struct gact_conf pass = { .action = TC_ACT_OK };
	struct skbedit_conf mark = { .action = TC_ACT_PIPE, .set = SKBEDIT_F_MARK };
	const uint32_t indices[] = { 4294967295, 7, 5000, 2 };
	uint32_t seen[8], *next = seen;

	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(add_action("gact", indices[i], &pass, CREATE), 0);
	assert_int_equal(add_action("skbedit", 7, &mark, CREATE), 0);
	assert_int_equal(action_walk("gact", note_index, &next), 0);
	assert_int_equal(next - seen, 4);
	assert_memory_equal(seen, ((uint32_t[]){ 2, 7, 5000, 4294967295 }), 4 * sizeof(uint32_t));
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(action_delete("gact", indices[i], &err), 0);
	assert_int_equal(action_delete("skbedit", 7, &err), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(counts_packets_bytes_drops_and_times, start, end),
		cmocka_unit_test_setup_teardown(draws_by_the_seed, start, end),
		cmocka_unit_test_setup_teardown(takes_the_lowest_free_index_and_shares_by_index, start, end),
		cmocka_unit_test_setup_teardown(stands_by_itself_and_is_kept_while_bound, start, end),
		cmocka_unit_test_setup_teardown(refuses_and_leaves_nothing_behind, start, end),
		cmocka_unit_test_setup_teardown(sets_mark_priority_and_dsfield, start, end),
		cmocka_unit_test_setup_teardown(jumps_to_the_action_with_that_number, start, end),
		cmocka_unit_test_setup_teardown(lets_one_in_so_many_pass, start, end),
		cmocka_unit_test_setup_teardown(walks_a_kind_by_index, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
