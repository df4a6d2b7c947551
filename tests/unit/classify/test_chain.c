/* SPDX-License-Identifier: BSD-3-Clause */
#include "one_chain.h"

#include <weir/filter/flower.h>

#include <pthread.h>

#include "eal.h"

static void
gives_each_filter_without_preference_one_before_the_others(void **state)
{
	assert_int_equal(add_fw(chain, 0, 1, CLASSID(1, 1)), 0);
	assert_int_equal(add_fw(chain, 0, 1, CLASSID(1, 2)), 0);
	assert_filters(chain, "49151/0 49151/1 49152/0 49152/1");
	assert_int_equal(class_of_mark(chain, 1), CLASSID(1, 2));
	assert_int_equal(add_fw(chain, 10, 1, CLASSID(1, 3)), 0);
	assert_int_equal(add_fw(chain, 0, 1, CLASSID(1, 4)), 0);
	/* What is below 32768 was chosen by hand. */
	assert_filters(chain, "10/0 10/1 49150/0 49150/1 49151/0 49151/1 49152/0 49152/1");
	assert_int_equal(add_fw(chain, 32768, 1, CLASSID(1, 5)), 0);
	assert_int_equal(add_fw(chain, 0, 1, CLASSID(1, 5)), -ENOSPC);
}

static void
asks_by_preference_and_protocol(void **state)
{
	struct filter_spec arp = { 2, htons(ETH_P_ARP), 1, "fw", &(struct fw_conf){ .has_classid = true, .classid = 3 },
		0 };
	struct filter_spec all = { 4, htons(ETH_P_ALL), 1, "fw", &(struct fw_conf){ .has_classid = true, .classid = 4 },
		0 };
	struct packet p;

	assert_int_equal(chain_filter_add(chain, &all, CREATE, NULL, &err), 0);
	assert_int_equal(chain_filter_add(chain, &arp, CREATE, NULL, &err), 0);
	assert_int_equal(class_of_mark(chain, 1), 4);
	assert_int_equal(add_fw(chain, 3, 1, 5), 0);
	assert_int_equal(class_of_mark(chain, 1), 5);
	packet_udp(&p, 1);
	p.pkt.protocol = htons(ETH_P_ARP);
	assert_int_equal(ask(chain, &p).classid, 3);
	p.pkt.protocol = htons(ETH_P_IPV6);
	assert_int_equal(ask(chain, &p).classid, 4);
}

static void
decides_a_burst_packet_by_packet(void **state)
{
	struct packet packets[150];
	struct rte_mbuf *pkts[150];
	struct verdict verdicts[150];
	struct classify_ctx ctx = { 0 };

	add_fw(chain, 1, 1, 11);
	add_fw(chain, 2, 2, 12);
	for (unsigned int i = 0; i < 150; i++) {
		packet_udp(&packets[i], i % 3);
		pkts[i] = &packets[i].mbuf;
	}
	chain_classify(chain, &ctx, pkts, 150, verdicts);
	for (unsigned int i = 0; i < 150; i++) {
		assert_int_equal(verdicts[i].action, i % 3 == 0 ? TC_ACT_UNSPEC : TC_ACT_OK);
		assert_int_equal(verdicts[i].classid, i % 3 == 0 ? 0 : 10 + i % 3);
	}
}

static void
refuses_as_linux_does(void **state)
{
	struct fw_conf conf = { .has_classid = true, .classid = 1 };
	struct filter_spec arp = { 5, htons(ETH_P_ARP), 1, "fw", &conf, 0 };

	assert_refused(delete_filter(chain, 5, "fw", 1, &err), err, ENOENT, "Cannot find specified filter chain");
	assert_refused(add_filter(chain, 5, "nosuch", 1, &conf, CREATE, &err), err, ENOENT,
		"TC classifier not found: there is no 'nosuch' here");
	assert_refused(add_filter(chain, 5, "fw", 1, &conf, CHANGE, &err), err, ENOENT,
		"Need both RTM_NEWTFILTER and NLM_F_CREATE to create a new filter");
	assert_refused(add_filter(chain, 0, "fw", 1, &conf, CHANGE, &err), err, ENOENT,
		"Invalid filter command with priority of zero");
	assert_filters(chain, "");
	assert_int_equal(add_fw(chain, 5, 1, 1), 0);
	assert_refused(add_filter(chain, 5, "fw", 1, &conf, CREATE, &err), err, EEXIST, "Filter already exists");
	assert_refused(add_filter(chain, 5, "u32", 1, &conf, CREATE, &err), err, EINVAL,
		"Specified filter kind does not match existing one");
	assert_refused(chain_filter_add(chain, &arp, CREATE, NULL, &err), err, EINVAL,
		"Filter with specified priority/protocol not found");
	assert_refused(delete_filter(chain, 6, "fw", 1, &err), err, ENOENT,
		"Filter with specified priority/protocol not found");
	assert_refused(delete_filter(chain, 5, "fw", 2, &err), err, ENOENT, "Specified filter handle not found");
	assert_refused(delete_filter(chain, 5, "u32", 1, &err), err, EINVAL,
		"Specified filter kind does not match existing one");
	assert_refused(delete_filter(chain, 0, "fw", 0, &err), err, ENOENT,
		"Cannot flush filters with protocol, handle or kind set");
	assert_filters(chain, "5/0 5/1");
}

static void
count_gone(void *arg, const struct filter_info *info)
{
	append_name(arg, info);
}

static void
deletes_one_a_group_or_all_and_tells_of_each(void **state)
{
	struct filter_spec all = { 0 };
	char gone[256] = "";

	for (uint32_t mark = 1; mark <= 3; mark++) {
		add_fw(chain, 1, mark, mark);
		add_fw(chain, 2, mark, mark);
		add_fw(chain, 3, mark, mark);
	}
	assert_int_equal(delete_filter(chain, 1, "fw", 2, &err), 0);
	assert_int_equal(delete_filter(chain, 2, NULL, 0, &err), 0);
	assert_filters(chain, "1/0 1/1 1/3 3/0 3/1 3/2 3/3");
	assert_int_equal(class_of_mark(chain, 2), 2); /* by preference 3 */
	assert_int_equal(chain_filter_delete(chain, &all, count_gone, gone, &err), 0);
	assert_string_equal(gone, "1/0 3/0");
	assert_true(chain_empty(chain));
	assert_int_equal(class_of_mark(chain, 1), 0);
	assert_int_equal(chain_filter_delete(chain, &all, NULL, NULL, &err), 0);
}

static void
drops_the_group_with_its_last_filter(void **state)
{
	add_fw(chain, 1, 1, 1);
	add_fw(chain, 1, 2, 1);
	assert_int_equal(delete_filter(chain, 1, "fw", 1, &err), 0);
	assert_false(chain_empty(chain));
	assert_int_equal(delete_filter(chain, 1, "fw", 2, &err), 0);
	assert_true(chain_empty(chain));
}

static void
counts_the_filters_that_name_a_class(void **state)
{
	for (uint32_t mark = 1; mark <= 100; mark++) {
		assert_int_equal(add_fw(chain, 1, mark, CLASSID(1, mark)), 0);
		assert_int_equal(add_fw(chain, 2, mark, CLASSID(1, 7)), 0);
	}
	assert_int_equal(chain_uses_class(chain, CLASSID(1, 7)), 101);
	assert_int_equal(chain_uses_class(chain, CLASSID(1, 8)), 1);
	assert_int_equal(chain_uses_class(chain, CLASSID(1, 101)), 0);
	assert_int_equal(chain_uses_class(chain, 0), 0);
	assert_int_equal(
		add_filter(chain, 1, "fw", 8, &(struct fw_conf){ .has_classid = true, .classid = 9 }, CHANGE, &err), 0);
	assert_int_equal(chain_uses_class(chain, CLASSID(1, 8)), 0);
	assert_int_equal(chain_uses_class(chain, 9), 1);
	assert_int_equal(delete_filter(chain, 1, "fw", 7, &err), 0);
	assert_int_equal(chain_uses_class(chain, CLASSID(1, 7)), 100);
	assert_int_equal(delete_filter(chain, 2, NULL, 0, &err), 0);
	assert_int_equal(chain_uses_class(chain, CLASSID(1, 7)), 0);
	assert_int_equal(chain_uses_class(chain, CLASSID(1, 100)), 1);
}

static void
reclassifies_with_the_new_mark_and_gives_up_on_circles(void **state)
{
	struct action_spec remark[] = { SET_MARK(2, TC_ACT_PIPE), GACT(TC_ACT_RECLASSIFY) };
	struct action_spec circle[] = { GACT(TC_ACT_RECLASSIFY) };
	const struct action *action;
	struct action_stats stats;

	add_fw_actions(chain, 1, 1, 0, remark, 2);
	add_fw(chain, 2, 2, CLASSID(1, 2));
	assert_int_equal(class_of_mark(chain, 1), CLASSID(1, 2));
	circle[0].index = 77;
	add_fw_actions(chain, 3, 3, CLASSID(1, 3), circle, 1);
	assert_int_equal(class_of_mark(chain, 3), UINT32_MAX);
	action = action_find("gact", 77);
	action_stats_sum(action, &stats);
	assert_int_equal(stats.packets, 17); /* once, and 16 times again, as seen on Linux */
}

static void
goes_on_where_an_action_says_continue(void **state)
{
	struct action_spec go_on[] = { GACT(TC_ACT_UNSPEC) }, drop[] = { GACT(TC_ACT_SHOT) },
			   pipe[] = { GACT(TC_ACT_PIPE) };

	add_fw_actions(chain, 1, 1, 5, go_on, 1);
	assert_int_equal(class_of_mark(chain, 1), 0);
	add_fw_actions(chain, 2, 1, 6, pipe, 1);
	add_fw_actions(chain, 3, 1, 7, drop, 1);
	assert_int_equal(class_of_mark(chain, 1), 6); /* a list that ends in pipe lets it pass */
	delete_filter(chain, 2, NULL, 0, &err);
	assert_int_equal(class_of_mark(chain, 1), UINT32_MAX);
}

/* ---- chains within the chain */

static int
add_in_chain(uint32_t index, uint32_t preference, uint32_t mark, uint32_t classid, int32_t verdict)
{
	struct action_spec actions[] = { GACT(verdict) };
	struct fw_conf conf = { .has_classid = true, .classid = classid, .actions = actions, .n_actions = 1 };
	struct filter_spec spec = { preference, htons(ETH_P_IP), mark, "fw", &conf, 500, index };

	return chain_filter_add(chain, &spec, CREATE, NULL, &err);
}

static void
goes_to_the_chain_that_an_action_names(void **state)
{
	/* Made first, and yet no start. */
	assert_int_equal(add_in_chain(7, 1, 1, 7, TC_ACT_OK), 0);
	assert_int_equal(class_of_mark(chain, 1), 0);
	assert_int_equal(add_in_chain(0, 9, 1, 1, TC_ACT_GOTO_CHAIN | 7), 0);
	assert_int_equal(add_in_chain(0, 8, 2, 2, TC_ACT_GOTO_CHAIN | 8), 0);
	assert_int_equal(class_of_mark(chain, 1), 7);
	/* Chain 8 is not there, so nothing is said, and chain 0 is not gone back to. */
	assert_int_equal(add_in_chain(0, 10, 2, 3, TC_ACT_OK), 0);
	assert_int_equal(class_of_mark(chain, 2), 0);
	assert_int_equal(add_in_chain(8, 5, 2, 5, TC_ACT_OK), 0);
	assert_int_equal(class_of_mark(chain, 2), 5);
	/* In circles it is dropped. */
	assert_int_equal(add_in_chain(8, 4, 3, 0, TC_ACT_GOTO_CHAIN | 8), 0);
	assert_int_equal(add_in_chain(0, 1, 3, 0, TC_ACT_GOTO_CHAIN | 8), 0);
	assert_int_equal(class_of_mark(chain, 3), UINT32_MAX);
	assert_filters(chain, "1/0 1/1 1/0 1/3 8/0 8/2 9/0 9/1 10/0 10/2 4/0 4/3 5/0 5/2");
}

static int
append_index(void *arg, uint32_t index, bool named)
{
	char *text = arg;

	sprintf(text + strlen(text), "%u%s ", index, named ? "n" : "");
	return 0;
}

static void
assert_chains(const char *expected)
{
	char text[256] = "";

	chain_walk_indices(chain, append_index, text);
	assert_string_equal(text, expected);
}

static void
chains_come_and_go_with_their_filters_or_by_name(void **state)
{
	struct filter_spec all_of_7 = { .chain = 7 }, one_of_0 = { .preference = 1 };

	assert_int_equal(chain_add(chain, 5, NULL, &err), 0);
	assert_int_equal(chain_add(chain, 5, NULL, &err), -EEXIST);
	assert_int_equal(add_in_chain(7, 3, 1, 1, TC_ACT_OK), 0);
	assert_int_equal(add_in_chain(0, 1, 1, 1, TC_ACT_GOTO_CHAIN | 9), 0);
	assert_chains("5n 7 0 ");
	/* The preference is chosen chain by chain, and below those that were chosen. */
	assert_int_equal(add_in_chain(7, 0, 1, 1, TC_ACT_OK), 0);
	assert_int_equal(add_in_chain(7, 0, 1, 1, TC_ACT_OK), 0);
	assert_filters(chain, "3/0 3/1 49151/0 49151/1 49152/0 49152/1 1/0 1/1");
	assert_int_equal(chain_delete(chain, 9, NULL, NULL, &err), -EINVAL);
	assert_int_equal(chain_filter_delete(chain, &all_of_7, NULL, NULL, &err), 0);
	assert_chains("5n 0 ");
	assert_int_equal(add_in_chain(5, 3, 1, 1, TC_ACT_OK), 0);
	assert_int_equal(chain_delete(chain, 5, NULL, NULL, &err), 0);
	assert_chains("0 ");
	assert_filters(chain, "1/0 1/1");
	assert_int_equal(chain_filter_delete(chain, &one_of_0, NULL, NULL, &err), 0);
	assert_chains("");
	assert_true(chain_empty(chain));
}

static void
knows_whether_it_is_pure(void **state)
{
	struct action_spec plain[] = { SET_MARK(1, TC_ACT_PIPE), GACT(TC_ACT_SHOT) };
	struct action_spec chance[] = { { .kind = "gact",
		.conf = &(struct gact_conf){
			TC_ACT_OK, .random_type = PGACT_NETRAND, .every = 2, .random_action = TC_ACT_SHOT } } };

	assert_true(chain_pure(chain));
	add_fw_actions(chain, 1, 1, 0, plain, 2);
	assert_true(chain_pure(chain));
	add_fw_actions(chain, 1, 2, 0, chance, 1);
	assert_false(chain_pure(chain));
	delete_filter(chain, 1, "fw", 2, &err);
	assert_true(chain_pure(chain));
}

static void
shares_table_numbers_among_the_chains_of_a_qdisc(void **state)
{
	struct u32_conf conf = { .has_selector = true };
	struct chain *of_class = chain_create(NULL);

	chain_join(of_class, chain);
	assert_int_equal(add_filter(chain, 1, "u32", 0, &conf, CREATE, &err), 0);
	assert_int_equal(add_filter(of_class, 1, "u32", 0, &conf, CREATE, &err), 0);
	assert_int_equal(add_filter(chain, 2, "u32", 0, &conf, CREATE, &err), 0);
	assert_filters(chain, "1/0 1/80000000 1/80000800 2/0 2/80200000 2/80200800");
	assert_filters(of_class, "1/0 1/80100000 1/80100800");
	delete_filter(chain, 2, NULL, 0, &err);
	assert_int_equal(add_filter(chain, 2, "u32", 0, &conf, CREATE, &err), 0);
	assert_filters(chain, "1/0 1/80000000 1/80000800 2/0 2/80300000 2/80300800"); /* 802 is not used again */
	chain_destroy(of_class);
	delete_filter(chain, 0, NULL, 0, &err);
	assert_int_equal(add_filter(chain, 2, "u32", 0, &conf, CREATE, &err), 0);
	assert_filters(chain, "2/0 2/80000000 2/80000800"); /* until there is none */
}

/* ---- a reader beside the writer ----------------------------------------------------------------- */

struct reader {
	struct rcu *rcu;
	struct chain *chain;
	bool stop;
	uint64_t asked, wrong;
};

static void *
read_all_the_time(void *arg)
{
	struct reader *r = arg;
	struct classify_ctx ctx = { .worker = 1 };
	struct packet packets[32];
	struct rte_mbuf *pkts[32];
	struct verdict verdicts[32];

	for (unsigned int i = 0; i < 32; i++) {
		packet_udp(&packets[i], 1);
		pkts[i] = &packets[i].mbuf;
	}
	rte_rcu_qsbr_thread_register(r->rcu->qsbr, 1);
	rte_rcu_qsbr_thread_online(r->rcu->qsbr, 1);
	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		chain_classify(r->chain, &ctx, pkts, 32, verdicts);
		for (unsigned int i = 0; i < 32; i++)
			r->wrong +=
				verdicts[i].action != TC_ACT_OK || verdicts[i].classid < 1 || verdicts[i].classid > 3;
		__atomic_store_n(&r->asked, r->asked + 32, __ATOMIC_RELAXED);
		rte_rcu_qsbr_quiescent(r->rcu->qsbr, 1);
	}
	rte_rcu_qsbr_thread_offline(r->rcu->qsbr, 1);
	rte_rcu_qsbr_thread_unregister(r->rcu->qsbr, 1);
	return NULL;
}

static void
change_everything(struct chain *c)
{
	struct action_spec actions[] = { SET_MARK(1, TC_ACT_PIPE), GACT(TC_ACT_OK) };
	struct u32_key key = { htonl(0x0a000001), UINT32_MAX, 12, 0 };
	struct u32_conf conf = { .has_selector = true,
		.selector_flags = TC_U32_TERMINAL,
		.n_keys = 1,
		.keys = &key,
		.has_classid = true,
		.actions = actions,
		.n_actions = 2 };
	struct fw_conf fw = { .has_classid = true, .classid = 1 };

	for (unsigned int i = 0; i < 3000; i++) {
		conf.classid = 1 + i % 2;
		assert_int_equal(add_filter(c, 1, "u32", 0, &conf, CREATE, NULL), 0);
		assert_int_equal(add_filter(c, 1, "u32", 0x80000800, &conf, REPLACE, NULL), 0);
		assert_int_equal(add_filter(c, 2, "fw", 1, &fw, CREATE, NULL), 0);
		for (uint32_t mark = 2; mark < 10; mark++)
			assert_int_equal(add_filter(c, 2, "fw", mark, &fw, CREATE, NULL), 0);
		assert_int_equal(add_filter(c, 2, "fw", 1, &fw, CHANGE, NULL), 0);
		assert_int_equal(delete_filter(c, 2, "fw", 3, NULL), 0);
		assert_int_equal(delete_filter(c, 1, "u32", 0x80000800, NULL), 0);
		assert_int_equal(delete_filter(c, 2, NULL, 0, NULL), 0);
	}
}

static void
changes_under_a_reader_without_a_wrong_answer(void **state)
{
	struct reader r = { .rcu = rcu_create(2) };
	pthread_t thread;

	assert_non_null(r.rcu);
	r.chain = chain_create(r.rcu);
	assert_int_equal(add_fw(r.chain, 9, 1, 3), 0);
	assert_int_equal(pthread_create(&thread, NULL, read_all_the_time, &r), 0);
	while (__atomic_load_n(&r.asked, __ATOMIC_RELAXED) == 0)
		;
	change_everything(r.chain);
	__atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_int_equal(r.wrong, 0);
	assert_true(r.asked > 0);
	chain_destroy(r.chain);
	rcu_destroy(r.rcu);
}

static int
add_flower(uint32_t preference, uint32_t mask, uint16_t most)
{
	struct flower_conf conf = { .ports[FLOWER_SOURCE] = { most / 2, most } };

	conf.mask.source[0] = mask;
	return chain_filter_add(chain,
		&(struct filter_spec){ .preference = preference,
			.protocol = htons(ETH_P_IP),
			.kind = "flower",
			.conf = &conf,
			.chain = 5 },
		CREATE, NULL, &err);
}

/* Filters of the template's kind, which ask for no bit that it does not ask for. */
static void
a_template_binds_filters(void **state)
{
	struct flower_conf conf = { .ports[FLOWER_DESTINATION] = { 1, 2 } };
	struct chain_template flower = { "flower", &conf }, fw = { "fw", &conf }, none = { "none", &conf },
			      empty = { "flower", NULL };
	const struct filter_spec other = { .preference = 9,
		.protocol = htons(ETH_P_IP),
		.handle = 1,
		.kind = "fw",
		.conf = &(struct fw_conf){ .has_classid = true, .classid = 1 },
		.chain = 5 };

	conf.mask.source[0] = 0xff00;
	assert_int_equal(chain_add(chain, 5, &fw, &err), -EOPNOTSUPP);
	assert_int_equal(chain_add(chain, 5, &none, &err), -ENOENT);
	assert_int_equal(chain_add(chain, 5, &empty, &err), -EINVAL);
	assert_false(chain_has(chain, 5));
	assert_int_equal(chain_add(chain, 5, &flower, &err), 0);
	assert_string_equal(chain_template_of(chain, 5).kind, "flower");
	assert_null(chain_template_of(chain, 6).kind);
	conf.mask.source[0] = 0xffff; /* it has a copy */
	assert_int_equal(add_flower(1, 0x0f00, 0), 0);
	assert_int_equal(add_flower(2, 0, 0), 0);
	assert_int_equal(add_flower(3, 0xff01, 0), -EINVAL);
	assert_int_equal(add_flower(3, 0xff00, 10), -EINVAL);
	assert_int_equal(chain_filter_add(chain, &other, CREATE, NULL, &err), -EINVAL);
	assert_int_equal(chain_delete(chain, 5, NULL, NULL, &err), 0);
	assert_int_equal(chain_add(chain, 5, NULL, &err), 0);
	assert_null(chain_template_of(chain, 5).kind);
	assert_int_equal(chain_filter_add(chain, &other, CREATE, NULL, &err), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(gives_each_filter_without_preference_one_before_the_others, start, end),
		cmocka_unit_test_setup_teardown(asks_by_preference_and_protocol, start, end),
		cmocka_unit_test_setup_teardown(decides_a_burst_packet_by_packet, start, end),
		cmocka_unit_test_setup_teardown(refuses_as_linux_does, start, end),
		cmocka_unit_test_setup_teardown(deletes_one_a_group_or_all_and_tells_of_each, start, end),
		cmocka_unit_test_setup_teardown(drops_the_group_with_its_last_filter, start, end),
		cmocka_unit_test_setup_teardown(counts_the_filters_that_name_a_class, start, end),
		cmocka_unit_test_setup_teardown(reclassifies_with_the_new_mark_and_gives_up_on_circles, start, end),
		cmocka_unit_test_setup_teardown(goes_on_where_an_action_says_continue, start, end),
		cmocka_unit_test_setup_teardown(goes_to_the_chain_that_an_action_names, start, end),
		cmocka_unit_test_setup_teardown(chains_come_and_go_with_their_filters_or_by_name, start, end),
		cmocka_unit_test_setup_teardown(knows_whether_it_is_pure, start, end),
		cmocka_unit_test_setup_teardown(a_template_binds_filters, start, end),
		cmocka_unit_test_setup_teardown(shares_table_numbers_among_the_chains_of_a_qdisc, start, end),
		cmocka_unit_test(changes_under_a_reader_without_a_wrong_answer),
	};

	eal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
