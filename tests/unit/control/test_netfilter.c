/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tables of iptables as blobs: what the packet filter is told of their rules and chains, and that a blob which
 * contradicts itself is refused in words and changes nothing.
 */
#include "netfilter_blob.h"

#include <linux/netfilter/xt_mark.h>

static void
what_is_not_there_is_refused_by_name(void **state)
{
	char data[64] = "";

	assert_int_equal(match_refusal("conntrack", 3, data, sizeof(data)), ENOENT);
	assert_non_null(strstr(refusal.msg, "match conntrack comes with connection tracking"));
	assert_int_equal(match_refusal("recent", 0, data, sizeof(data)), ENOENT);
	assert_non_null(strstr(refusal.msg, "no match recent"));
	assert_int_equal(match_refusal("tcp", 1, data, sizeof(struct xt_tcp)), ENOENT);
	assert_non_null(strstr(refusal.msg, "match tcp has no revision 1"));
	assert_int_equal(match_refusal("tcp", 0, data, sizeof(struct xt_tcp) + 8), EINVAL);
	assert_non_null(strstr(refusal.msg, "24 bytes, not 16"));
	assert_int_equal(target_refusal("MASQUERADE", 0, data, 8), ENOENT);
	assert_non_null(strstr(refusal.msg, "target MASQUERADE comes with connection tracking"));
	assert_int_equal(target_refusal("MARK", 0, data, 8), ENOENT);
	begin_raw();
	add_verdict(-NF_QUEUE - 1);
	end_raw();
	assert_null(read_blob(NETFILTER_RAW));
	assert_non_null(strstr(refusal.msg, "target QUEUE"));
}

/* ---- rules and chains ------------------------------------------------------------------------ */

static void
a_rule_says_what_iptables_said(void **state)
{
	const struct netfilter_selector *s;
	struct xt_blob *made;
	struct ipt_entry *e;

	begin_raw();
	e = entry(rule);
	e->ip = (struct ipt_ip){ .src.s_addr = htonl(0x0a000000),
		.smsk.s_addr = htonl(0xff000000),
		.dst.s_addr = htonl(0xc0a80101),
		.dmsk.s_addr = htonl(0xffffffff),
		.iniface = "eth",
		.iniface_mask = { 0xff, 0xff, 0xff },
		.proto = 6,
		.flags = IPT_F_FRAG,
		.invflags = IPT_INV_SRCIP | IPT_INV_PROTO };
	e->counters.pcnt = 99;
	e->comefrom = 7;
	add_verdict(XT_RETURN);
	end_raw();
	made = read_blob(NETFILTER_RAW);
	assert_non_null(made);
	s = &first_rule()->selector;
	assert_int_equal(s->src, htonl(0x0a000000));
	assert_int_equal(s->src_mask, htonl(0xff000000));
	assert_int_equal(s->dst, htonl(0xc0a80101));
	assert_int_equal(s->dst_mask, UINT32_MAX);
	assert_memory_equal(s->in, "eth", 4);
	assert_int_equal(s->in_mask[2], 0xff);
	assert_int_equal(s->in_mask[3], 0);
	assert_int_equal(s->protocol, 6);
	assert_true(s->fragment);
	assert_int_equal(s->invert, NETFILTER_NOT_SRC | NETFILTER_NOT_PROTOCOL);
	assert_int_equal(first_rule()->target.verdict, NETFILTER_RETURN);
	/* Counts are the caller's to add; where a rule was jumped from is the kernel's own. */
	e = (struct ipt_entry *)(void *)made->entries;
	assert_int_equal(e->counters.pcnt, 0);
	assert_int_equal(e->comefrom, 0);
	release(made);
}

static void
chains_are_indices(void **state)
{
	struct xt_blob *made;
	uint32_t jump, go, number;

	begin("filter", 1 << NF_INET_LOCAL_IN | 1 << NF_INET_FORWARD | 1 << NF_INET_LOCAL_OUT);
	end_chain(NF_INET_LOCAL_IN, 0);
	begin_rule(); /* 1 */
	jump = rule;
	add_verdict(0);
	begin_rule(); /* 2 */
	go = rule;
	entry(rule)->ip.flags = IPT_F_GOTO;
	add_verdict(0);
	begin_rule(); /* 3: no target */
	add_verdict((int)(rule + sizeof(struct ipt_entry) + sizeof(struct xt_standard_target)));
	end_chain(NF_INET_FORWARD, jump);
	end_chain(NF_INET_LOCAL_OUT, header->size);
	((struct xt_standard_target *)(void *)entry(jump)->elems)->verdict = (int)add_head("web"); /* 6 */
	((struct xt_standard_target *)(void *)entry(go)->elems)->verdict = (int)header->size;
	begin_rule();
	add_verdict(XT_RETURN);
	add_head(XT_ERROR_TARGET);
	made = read_blob(NETFILTER_FILTER);
	if (made == NULL)
		fail_msg("%s", refusal.msg);
	assert_int_equal(description.spec.n_rules, 9);
	assert_int_equal(description.spec.first[NF_INET_LOCAL_IN], 0);
	assert_int_equal(description.spec.policy[NF_INET_LOCAL_IN], 0);
	assert_int_equal(description.spec.first[NF_INET_FORWARD], 1);
	assert_int_equal(description.spec.policy[NF_INET_FORWARD], 4);
	assert_int_equal(description.spec.first[NF_INET_LOCAL_OUT], 5);
	assert_int_equal(description.spec.rules[1].target.verdict, NETFILTER_JUMP);
	assert_int_equal(description.spec.rules[1].target.rule, 7);
	assert_int_equal(description.spec.rules[2].target.verdict, NETFILTER_GOTO);
	assert_int_equal(description.spec.rules[2].target.rule, 7);
	assert_int_equal(description.spec.rules[3].target.verdict, NETFILTER_CONTINUE);
	assert_int_equal(description.spec.rules[6].target.verdict, NETFILTER_ERROR);
	assert_string_equal(xt_blob_chain(made, 3, &number), "FORWARD");
	assert_int_equal(number, 3);
	assert_string_equal(xt_blob_chain(made, 7, &number), "web");
	assert_int_equal(number, 1);
	release(made);
}

static void
an_empty_table_is_one_that_would_be_taken(void **state)
{
	for (unsigned int table = 0; table < NETFILTER_TABLES; table++) {
		struct xt_blob *empty = xt_blob_create_empty((enum netfilter_table_id)table, &description);
		struct xt_blob *again;

		xt_description_release(&description);
		begin(netfilter_table_name((enum netfilter_table_id)table),
			netfilter_table_hooks((enum netfilter_table_id)table));
		header->num_entries = empty->rules;
		header->size = empty->bytes;
		memcpy(header->hook_entry, empty->hook_entry, sizeof(empty->hook_entry));
		memcpy(header->underflow, empty->underflow, sizeof(empty->underflow));
		memcpy(entries, empty->entries, empty->bytes);
		again = read_blob((enum netfilter_table_id)table);
		assert_non_null(again);
		assert_memory_equal(again->entries, empty->entries, empty->bytes);
		release(again);
		free(empty);
	}
}

static void
counters_are_put_where_the_rules_are(void **state)
{
	struct xt_blob *empty = xt_blob_create_empty(NETFILTER_RAW, &description);
	const struct netfilter_counter counters[3] = { { 1, 100 }, { 2, 200 }, { UINT64_MAX, 300 } };
	unsigned char *copy = calloc(1, empty->bytes);
	const struct ipt_entry *e = (const void *)copy;

	assert_int_equal(empty->rules, 3);
	xt_blob_copy(empty, counters, copy);
	assert_int_equal(e->counters.pcnt, 1);
	e = (const void *)((const char *)e + e->next_offset);
	assert_int_equal(e->counters.bcnt, 200);
	e = (const void *)((const char *)e + e->next_offset);
	assert_int_equal(e->counters.pcnt, UINT64_MAX);
	free(copy);
	release(empty);
}

/* ---- lies ------------------------------------------------------------------------------------ */

static void
good_blob(void)
{
	begin_raw();
	memset(add_match("mark", 1, sizeof(struct xt_mark_mtinfo1)), 0, sizeof(struct xt_mark_mtinfo1));
	add_verdict(DROP);
	end_raw();
}

static void
refused_blob(const char *words)
{
	assert_null(read_blob(NETFILTER_RAW));
	assert_int_equal(refusal.code, EINVAL);
	if (strstr(refusal.msg, words) == NULL)
		fail_msg("wanted '%s' in: %s", words, refusal.msg);
}

static void
sizes_that_do_not_agree_are_refused(void **state)
{
	struct xt_entry_match *match = (void *)entry(0)->elems;
	struct xt_blob *made;

	good_blob();
	made = read_blob(NETFILTER_RAW);
	assert_non_null(made);
	release(made);
	header->size += 8; /* bytes behind the last rule */
	refused_blob("is cut off");
	good_blob();
	header->size -= 8; /* of a rule that is not whole */
	refused_blob("wrong length");
	for (unsigned int i = 0; i < 3; i++) {
		static const uint16_t wrong[] = { 0, sizeof(struct ipt_entry), 65528 };

		good_blob();
		entry(0)->next_offset = wrong[i];
		refused_blob("wrong length");
		good_blob();
		entry(0)->target_offset = (uint16_t)(wrong[i] - 8);
		refused_blob("has its target outside");
		good_blob();
		match->u.match_size = (uint16_t)(wrong[i] == 0 ? 24 : wrong[i]);
		refused_blob("has a match of a wrong length");
	}
	good_blob();
	entry(0)->next_offset++;
	refused_blob("wrong length");
	good_blob();
	match->u.match_size--;
	refused_blob("has a match of a wrong length");
	good_blob();
	memset(match->u.user.name, 'x', sizeof(match->u.user.name));
	refused_blob("name does not end");
	good_blob();
	((struct xt_entry_target *)(void *)((char *)entry(0) + entry(0)->target_offset))->u.target_size += 8;
	refused_blob("target of a wrong length");
	good_blob();
	header->num_entries++;
	refused_blob("5 rules were announced, and 4 came");
	good_blob();
	header->num_entries--;
	refused_blob("one more than was announced");
	good_blob();
	header->num_entries = 0;
	refused_blob("cannot have 0 rules");
	header->num_entries = UINT32_MAX;
	refused_blob("cannot have");
}

static void
places_that_are_none_are_refused(void **state)
{
	good_blob();
	header->hook_entry[NF_INET_PRE_ROUTING] = 8;
	refused_blob("chain PREROUTING");
	good_blob();
	header->underflow[NF_INET_LOCAL_OUT] = 0; /* a rule with a match is no policy */
	refused_blob("chain OUTPUT");
	good_blob();
	header->hook_entry[NF_INET_PRE_ROUTING] = header->underflow[NF_INET_LOCAL_OUT];
	refused_blob("chain PREROUTING"); /* begins behind its policy */
	good_blob();
	header->valid_hooks = 1;
	refused_blob("hooks");
	begin_raw();
	add_verdict(8); /* into the midst of a rule */
	end_raw();
	refused_blob("a verdict of 8");
	begin_raw();
	add_verdict(-3); /* NF_STOLEN */
	end_raw();
	refused_blob("a verdict of -3");
	begin_raw();
	entry(rule)->ip.flags = 4;
	add_verdict(DROP);
	end_raw();
	refused_blob("unknown flags");
	begin("raw", 1 << NF_INET_PRE_ROUTING | 1 << NF_INET_LOCAL_OUT);
	end_chain(NF_INET_PRE_ROUTING, 0);
	header->underflow[NF_INET_LOCAL_OUT] = 0;
	refused_blob("not the one that ends a table");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_there_is_refused_by_name),
		cmocka_unit_test(a_rule_says_what_iptables_said),
		cmocka_unit_test(chains_are_indices),
		cmocka_unit_test(an_empty_table_is_one_that_would_be_taken),
		cmocka_unit_test(counters_are_put_where_the_rules_are),
		cmocka_unit_test(sizes_that_do_not_agree_are_refused),
		cmocka_unit_test(places_that_are_none_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
