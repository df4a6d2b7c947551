/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include <weir/filter/basic.h>

#include "one_chain.h"

#define AND TCF_EM_REL_AND
#define OR  TCF_EM_REL_OR
#define NOT TCF_EM_INVERT

static struct ematch
with(struct ematch match, uint16_t flags)
{
	match.flags = flags;
	return match;
}

static struct ematch
cmp(uint8_t bytes, uint8_t layer, uint16_t offset, uint8_t comparison, uint32_t value)
{
	return (struct ematch){ .kind = TCF_EM_CMP,
		.cmp = { .value = value, .offset = offset, .layer = layer, .bytes = bytes, .comparison = comparison } };
}

static struct ematch
protocol_is(uint32_t value)
{
	return cmp(1, TCF_LAYER_NETWORK, 9, TCF_EM_OPND_EQ, value);
}

static struct ematch
inside(uint32_t first)
{
	return (struct ematch){ .kind = TCF_EM_CONTAINER, .first = first };
}

static struct ematch
meta(uint16_t id, uint8_t shift, uint32_t mask, uint8_t comparison, uint32_t value)
{
	return (struct ematch){ .kind = TCF_EM_META,
		.meta = { { id, shift, mask, 0 }, { TCF_META_ID_VALUE, 0, 0, value }, comparison } };
}

static int
add(uint32_t handle, uint32_t classid, const struct ematch *matches, unsigned int n)
{
	struct basic_conf conf = { .classid = classid, .matches = matches, .n_matches = n };

	return add_filter(chain, 1, "basic", handle, &conf, CREATE, &err);
}

/* Does 10.0.0.1:1000 -> 10.0.0.2:53, mark 0x1234, match? */
static bool
says(const struct ematch *matches, unsigned int n)
{
	struct packet p;
	bool yes;

	assert_int_equal(add(0, CLASSID(1, 1), matches, n), 0);
	packet_udp(&p, 0x1234);
	p.pkt.l4_off = 34;
	p.pkt.priority = 5;
	p.pkt.realm = 7;
	p.pkt.out_port = 3;
	yes = ask(chain, &p).action == TC_ACT_OK;
	assert_int_equal(delete_filter(chain, 1, "basic", 0, &err), 0);
	return yes;
}

/* Both of a match and of its opposite. */
static bool
says_one(struct ematch match)
{
	struct ematch opposite = with(match, NOT);
	bool yes = says(&match, 1);

	assert_int_equal(says(&opposite, 1), !yes);
	return yes;
}

static void
compares_numbers_of_the_packet(void **state)
{
	struct ematch swapped = cmp(2, TCF_LAYER_TRANSPORT, 2, TCF_EM_OPND_EQ, 0x3500);
	struct ematch masked = cmp(4, TCF_LAYER_NETWORK, 16, TCF_EM_OPND_EQ, 2);

	assert_true(says_one(cmp(2, TCF_LAYER_TRANSPORT, 2, TCF_EM_OPND_EQ, 53)));
	assert_false(says_one(cmp(2, TCF_LAYER_TRANSPORT, 2, TCF_EM_OPND_EQ, 0x3500)));
	swapped.cmp.flags = TCF_EM_CMP_TRANS;
	assert_true(says_one(swapped));
	assert_true(says_one(cmp(1, TCF_LAYER_LINK, 12, TCF_EM_OPND_EQ, 8)));
	assert_true(says_one(cmp(4, TCF_LAYER_NETWORK, 12, TCF_EM_OPND_GT, 0x0a000000)));
	assert_false(says_one(cmp(4, TCF_LAYER_NETWORK, 12, TCF_EM_OPND_GT, 0x0a000001)));
	assert_true(says_one(cmp(4, TCF_LAYER_NETWORK, 12, TCF_EM_OPND_LT, 0x0a000002)));
	assert_false(says_one(cmp(4, TCF_LAYER_NETWORK, 12, TCF_EM_OPND_LT, 0x0a000001)));
	assert_false(says_one(masked));
	masked.cmp.mask = 0xff;
	assert_true(says_one(masked));
	/* The mask is laid on what was swapped. */
	swapped = cmp(4, TCF_LAYER_TRANSPORT, 0, TCF_EM_OPND_EQ, 0xe803);
	swapped.cmp.flags = TCF_EM_CMP_TRANS;
	swapped.cmp.mask = 0xffff;
	assert_true(says_one(swapped));
}

static void
does_not_match_past_the_packet_unless_it_says_not(void **state)
{
	assert_true(says_one(cmp(1, TCF_LAYER_LINK, 63, TCF_EM_OPND_EQ, 0)));
	assert_false(says_one(cmp(1, TCF_LAYER_LINK, 64, TCF_EM_OPND_EQ, 0)));
	assert_false(says_one(cmp(4, TCF_LAYER_LINK, 61, TCF_EM_OPND_EQ, 0)));
	assert_false(says_one(cmp(1, TCF_LAYER_NETWORK, 65535, TCF_EM_OPND_LT, 1)));
}

static void
starts_the_transport_layer_behind_the_header_of_ipv4(void **state)
{
	struct ematch match = cmp(1, TCF_LAYER_TRANSPORT, 0, TCF_EM_OPND_LT, 255);
	struct packet p;

	assert_int_equal(add(0, CLASSID(1, 1), &match, 1), 0);
	packet_udp(&p, 0);
	p.pkt.l4_off = 34;
	assert_int_equal(ask(chain, &p).action, TC_ACT_OK);
	p.pkt.l4_off = 0; /* a later fragment: seen on Linux 5.10 */
	assert_int_equal(ask(chain, &p).action, TC_ACT_OK);
	p.data[14] = 0x4c; /* its header is as long as the packet */
	p.mbuf.data_len = p.mbuf.pkt_len = 14 + 48;
	assert_int_equal(ask(chain, &p).action, TC_ACT_UNSPEC);
	packet_udp(&p, 0);
	p.pkt.protocol = htons(ETH_P_ARP);
	assert_int_equal(ask(chain, &p).action, TC_ACT_UNSPEC);
}

static void
compares_words_and_bytes(void **state)
{
	struct ematch word = { .kind = TCF_EM_U32, .u32 = { htonl(0x0a000002), 0xffffffff, 16, 0 } };
	struct ematch dns = { .kind = TCF_EM_NBYTE, .nbyte = { (const uint8_t *)"\0\x35", 2, 22, TCF_LAYER_NETWORK } };

	assert_true(says_one(word));
	word.u32.offset_mask = -1; /* nexthdr+16: there is no link that would skip anything */
	assert_true(says_one(word));
	word.u32 = (struct u32_key){ htonl(0x0800), htonl(0xffff), -4, 0 };
	assert_true(says_one(word));
	word.u32.offset = -16;
	assert_false(says_one(word));
	assert_true(says_one(dns));
	dns.nbyte.offset = 21;
	assert_false(says_one(dns));
	dns.nbyte.offset = 49; /* one byte past the end */
	assert_false(says_one(dns));
}

static void
compares_all_of_many_bytes(void **state)
{
	uint8_t needle[100];
	struct ematch match = { .kind = TCF_EM_NBYTE, .nbyte = { needle, sizeof(needle), 2, TCF_LAYER_LINK } };
	uint8_t frame[102];
	struct packet p;

	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 7);
	memcpy(needle, frame + 2, sizeof(needle));
	packet_init(&p, frame, sizeof(frame));
	assert_int_equal(add(0, CLASSID(1, 1), &match, 1), 0);
	assert_int_equal(ask(chain, &p).action, TC_ACT_OK);
	for (size_t i = 2; i < sizeof(frame); i++) {
		p.data[i] ^= 1;
		assert_int_equal(ask(chain, &p).action, TC_ACT_UNSPEC);
		p.data[i] ^= 1;
	}
}

static void
compares_what_is_known_of_the_packet(void **state)
{
	struct ematch both = meta(TCF_META_ID_NFMARK, 0, 0, TCF_EM_OPND_GT, 0);

	assert_true(says_one(meta(TCF_META_ID_NFMARK, 0, 0, TCF_EM_OPND_EQ, 0x1234)));
	assert_true(says_one(meta(TCF_META_ID_NFMARK, 4, 0xff, TCF_EM_OPND_EQ, 0x23)));
	assert_false(says_one(meta(TCF_META_ID_NFMARK, 4, 0xff0, TCF_EM_OPND_EQ, 0x12)));
	assert_true(says_one(meta(TCF_META_ID_NFMARK, 40, 0, TCF_EM_OPND_EQ, 0)));
	assert_true(says_one(meta(TCF_META_ID_PRIORITY, 0, 0, TCF_EM_OPND_EQ, 5)));
	assert_true(says_one(meta(TCF_META_ID_PROTOCOL, 0, 0, TCF_EM_OPND_EQ, 8)));
	assert_true(says_one(meta(TCF_META_ID_PKTLEN, 0, 0, TCF_EM_OPND_EQ, 64)));
	assert_true(says_one(meta(TCF_META_ID_DATALEN, 0, 0, TCF_EM_OPND_EQ, 0)));
	assert_true(says_one(meta(TCF_META_ID_MACLEN, 0, 0, TCF_EM_OPND_EQ, 14)));
	assert_true(says_one(meta(TCF_META_ID_RTCLASSID, 0, 0, TCF_EM_OPND_EQ, 7)));
	assert_true(says_one(meta(TCF_META_ID_RTIIF, 0, 0, TCF_EM_OPND_EQ, 2)));
	assert_true(says_one(meta(TCF_META_ID_DEV, 0, 0, TCF_EM_OPND_EQ, 3)));
	assert_true(says_one(meta(TCF_META_ID_PKTTYPE, 0, 0, TCF_EM_OPND_EQ, 0)));
	assert_true(says_one(meta(TCF_META_ID_TCINDEX, 0, 0, TCF_EM_OPND_LT, 1)));
	assert_false(says_one(meta(TCF_META_ID_VLAN_TAG, 0, 0, TCF_EM_OPND_EQ, 0))); /* it has none */
	both.meta.right = (struct ematch_operand){ .id = TCF_META_ID_PRIORITY };
	assert_true(says_one(both));
	both.meta.comparison = TCF_EM_OPND_LT;
	assert_false(says_one(both));
}

/* The truth of n terms that are true or false by the bits of `truth`, their relations by those of `ands`. */
static bool
naive(unsigned int n, unsigned int truth, unsigned int ands, unsigned int nots)
{
	bool first = (truth & 1) != (nots & 1);

	if (n == 1)
		return first;
	return (ands & 1) != 0 ? first && naive(n - 1, truth >> 1, ands >> 1, nots >> 1)
			       : first || naive(n - 1, truth >> 1, ands >> 1, nots >> 1);
}

static void
joins_from_the_right(void **state)
{
	for (unsigned int bits = 0; bits < 1u << 12; bits++) {
		unsigned int truth = bits & 15, ands = bits >> 4 & 15, nots = bits >> 8;
		struct ematch matches[4];

		for (unsigned int i = 0; i < 4; i++) {
			matches[i] = protocol_is((truth >> i & 1) != 0 ? 17 : 6);
			matches[i].flags = (i == 3                        ? 0
						   : (ands >> i & 1) != 0 ? AND
									  : OR) |
					   ((nots >> i & 1) != 0 ? NOT : 0);
		}
		assert_int_equal(says(matches, 4), naive(4, truth, ands, nots));
	}
}

static void
takes_parentheses_for_one_match(void **state)
{
	/* X and not (Y or (Z and W)): tc lays down each level behind the one that has it. */
	for (unsigned int bits = 0; bits < 16; bits++) {
		struct ematch matches[] = { with(protocol_is((bits & 1) ? 17 : 6), AND), with(inside(2), NOT),
			with(protocol_is((bits & 2) ? 17 : 6), OR), inside(4),
			with(protocol_is((bits & 4) ? 17 : 6), AND), protocol_is((bits & 8) ? 17 : 6) };
		bool expected = (bits & 1) && !((bits & 2) || ((bits & 4) && (bits & 8)));

		assert_int_equal(says(matches, 6), expected);
	}
}

static void
refuses_what_goes_round_or_nowhere(void **state)
{
	struct ematch loop[] = { with(inside(1), AND), inside(1) };
	struct ematch back[] = { with(protocol_is(6), AND), inside(0) };
	struct ematch away = inside(1);
	struct ematch neither = with(protocol_is(6), AND | OR);
	struct ematch bomb[16];

	assert_int_equal(add(1, 1, loop, 2), -EINVAL);
	assert_int_equal(add(1, 1, back, 2), -EINVAL);
	assert_int_equal(add(1, 1, &away, 1), -EINVAL);
	assert_int_equal(add(1, 1, &neither, 1), -EINVAL);
	for (unsigned int i = 0; i < 14; i += 2) { /* each level holds the next one twice: 2^7 tests, and one more */
		bomb[i] = with(inside(i + 2), AND);
		bomb[i + 1] = inside(i + 2);
	}
	bomb[14] = with(protocol_is(17), AND);
	bomb[15] = protocol_is(17);
	assert_int_equal(add(1, 1, bomb, 16), -EINVAL);
	assert_true(says(bomb + 14, 2));
	assert_filters(chain, "");
}

static void
refuses_by_name_what_it_does_not_know_of_packets(void **state)
{
	struct ematch match = meta(TCF_META_ID_LOADAVG_0, 0, 0, TCF_EM_OPND_EQ, 0);

	assert_refused(add(1, 1, &match, 1), err, EOPNOTSUPP,
		"meta: a router's load average says nothing; loadavg is not there");
	match = meta(TCF_META_ID_SK_PROTO, 0, 0, TCF_EM_OPND_EQ, 0);
	assert_int_equal(add(1, 1, &match, 1), -EOPNOTSUPP);
	match = meta(TCF_META_ID_VALUE, 0, 0, TCF_EM_OPND_EQ, 0);
	assert_int_equal(add(1, 1, &match, 1), -EINVAL);
	match = meta(TCF_META_ID_NFMARK, 64, 0, TCF_EM_OPND_EQ, 0);
	assert_int_equal(add(1, 1, &match, 1), -EINVAL);
	match = cmp(3, 0, 0, TCF_EM_OPND_EQ, 0);
	assert_int_equal(add(1, 1, &match, 1), -EINVAL);
	match = cmp(4, 3, 0, TCF_EM_OPND_EQ, 0);
	assert_int_equal(add(1, 1, &match, 1), -EINVAL);
	assert_int_equal(add_filter(chain, 1, "basic", 1, NULL, CREATE, &err), -EINVAL);
	assert_filters(chain, "");
}

static void
asks_the_newest_first_and_a_change_keeps_the_place(void **state)
{
	struct ematch udp = protocol_is(17), mark = meta(TCF_META_ID_NFMARK, 0, 0, TCF_EM_OPND_EQ, 1);

	assert_int_equal(add(5, 5, &udp, 1), 0);
	assert_int_equal(add(0, 1, &mark, 1), 0); /* the lowest handle that is free */
	assert_int_equal(add(0, 2, NULL, 0), 0);
	assert_filters(chain, "1/0 1/2 1/1 1/5");
	assert_int_equal(class_of_mark(chain, 1), 2);
	assert_int_equal(add_filter(chain, 1, "basic", 2,
				 &(struct basic_conf){ .classid = 3, .matches = &mark, .n_matches = 1 }, CHANGE, &err),
		0);
	assert_filters(chain, "1/0 1/2 1/1 1/5");
	assert_int_equal(class_of_mark(chain, 1), 3);
	assert_int_equal(class_of_mark(chain, 2), 5);
	assert_int_equal(delete_filter(chain, 1, "basic", 2, &err), 0);
	assert_int_equal(class_of_mark(chain, 1), 1);
	assert_int_equal(add(0, 9, &udp, 1), 0);
	assert_filters(chain, "1/0 1/2 1/1 1/5");
	assert_int_equal(class_of_mark(chain, 1), 9);
	assert_int_equal(delete_filter(chain, 1, "basic", 2, &err), 0);
	assert_int_equal(delete_filter(chain, 1, "basic", 1, &err), 0);
	assert_int_equal(delete_filter(chain, 1, "basic", 1, &err), -ENOENT);
	assert_int_equal(delete_filter(chain, 1, "basic", 5, &err), 0);
	assert_filters(chain, "");
}

static void
goes_on_where_an_action_says_continue(void **state)
{
	struct action_spec actions[] = { SET_MARK(77, TC_ACT_PIPE), GACT(TC_ACT_UNSPEC) };
	struct ematch mark = meta(TCF_META_ID_NFMARK, 0, 0, TCF_EM_OPND_EQ, 77), udp = protocol_is(17);
	struct basic_conf sets = { .matches = &udp, .n_matches = 1, .actions = actions, .n_actions = 2 };

	assert_int_equal(add(1, 1, &udp, 1), 0);
	assert_int_equal(add(2, 2, &mark, 1), 0);
	assert_int_equal(add_filter(chain, 1, "basic", 3, &sets, CREATE, &err), 0);
	assert_int_equal(class_of_mark(chain, 5), 2); /* what was set is seen behind it */
	assert_true(chain_pure(chain));
}

static void
draws_lots(void **state)
{
	struct ematch match = meta(TCF_META_ID_RANDOM, 0, 0, TCF_EM_OPND_LT, 0x40000000);
	unsigned int hits = 0;

	assert_int_equal(add(1, 1, &match, 1), 0);
	assert_false(chain_pure(chain));
	for (unsigned int i = 0; i < 10000; i++)
		hits += class_of_mark(chain, 0) == 1;
	assert_in_range(hits, 2300, 2700); /* a quarter; 43 is a standard deviation */
}

/* ---- a plain matcher, and many filters ---- */

struct rule {
	uint32_t handle, mark, protocol, port;
	unsigned int shape; /* which of the three it asks for, by bits; 8: the port greater than its own */
};

static unsigned int
matches_of(const struct rule *rule, struct ematch matches[4])
{
	unsigned int n = 0;

	if ((rule->shape & 8) != 0)
		matches[n++] = with(cmp(2, TCF_LAYER_TRANSPORT, 2, TCF_EM_OPND_GT, rule->port), AND);
	if ((rule->shape & 1) != 0)
		matches[n++] = with(meta(TCF_META_ID_NFMARK, 0, 0, TCF_EM_OPND_EQ, rule->mark), AND);
	if ((rule->shape & 2) != 0)
		matches[n++] = with(protocol_is(rule->protocol), AND);
	if ((rule->shape & 4) != 0)
		matches[n++] = with(cmp(2, TCF_LAYER_TRANSPORT, 2, TCF_EM_OPND_EQ, rule->port), AND);
	return n;
}

static bool
rule_matches(const struct rule *rule, uint32_t mark, uint32_t protocol, uint32_t port)
{
	return ((rule->shape & 1) == 0 || rule->mark == mark) &&
	       ((rule->shape & 2) == 0 || rule->protocol == protocol) &&
	       ((rule->shape & 4) == 0 || rule->port == port) && ((rule->shape & 8) == 0 || port > rule->port);
}

#define RULES 300

static uint32_t
first_rule(const struct rule *rules, unsigned int n, uint32_t mark, uint32_t protocol, uint32_t port)
{
	for (unsigned int i = n; i-- > 0;)
		if (rules[i].handle != 0 && rule_matches(&rules[i], mark, protocol, port))
			return rules[i].handle;
	return 0;
}

static void
check_all(const struct rule *rules, unsigned int n)
{
	for (uint32_t mark = 0; mark < 8; mark++)
		for (uint32_t protocol = 0; protocol < 4; protocol++)
			for (uint32_t port = 0; port < 8; port++) {
				struct packet p;

				packet_udp(&p, mark);
				p.pkt.l4_off = 34;
				p.data[23] = (uint8_t)protocol;
				p.data[37] = (uint8_t)port;
				assert_int_equal(ask(chain, &p).classid, first_rule(rules, n, mark, protocol, port));
			}
}

static void
finds_what_a_plain_search_finds(void **state)
{
	struct rule rules[RULES];
	uint64_t seed = 4711;

	for (unsigned int i = 0; i < RULES; i++) {
		struct ematch matches[4];

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		rules[i] = (struct rule){ .handle = i + 1,
			.mark = seed >> 40 & 7,
			.protocol = seed >> 44 & 3,
			.port = seed >> 48 & 7,
			.shape = seed >> 56 & 15 };
		if (rules[i].shape == 0 && i % 16 != 0)
			rules[i].shape = 7;
		assert_int_equal(add(i + 1, i + 1, matches, matches_of(&rules[i], matches)), 0);
		if (i % 60 == 59)
			check_all(rules, i + 1);
	}
	for (unsigned int i = 0; i < RULES; i++) {
		if (i % 3 == 0)
			continue;
		assert_int_equal(delete_filter(chain, 1, "basic", i + 1, &err), 0);
		rules[i].handle = 0;
		if (i % 60 == 59)
			check_all(rules, RULES);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(compares_numbers_of_the_packet, start, end),
		cmocka_unit_test_setup_teardown(does_not_match_past_the_packet_unless_it_says_not, start, end),
		cmocka_unit_test_setup_teardown(starts_the_transport_layer_behind_the_header_of_ipv4, start, end),
		cmocka_unit_test_setup_teardown(compares_words_and_bytes, start, end),
		cmocka_unit_test_setup_teardown(compares_all_of_many_bytes, start, end),
		cmocka_unit_test_setup_teardown(compares_what_is_known_of_the_packet, start, end),
		cmocka_unit_test_setup_teardown(joins_from_the_right, start, end),
		cmocka_unit_test_setup_teardown(takes_parentheses_for_one_match, start, end),
		cmocka_unit_test_setup_teardown(refuses_what_goes_round_or_nowhere, start, end),
		cmocka_unit_test_setup_teardown(refuses_by_name_what_it_does_not_know_of_packets, start, end),
		cmocka_unit_test_setup_teardown(asks_the_newest_first_and_a_change_keeps_the_place, start, end),
		cmocka_unit_test_setup_teardown(goes_on_where_an_action_says_continue, start, end),
		cmocka_unit_test_setup_teardown(draws_lots, start, end),
		cmocka_unit_test_setup_teardown(finds_what_a_plain_search_finds, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
