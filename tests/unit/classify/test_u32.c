/* SPDX-License-Identifier: BSD-3-Clause */
#include "one_chain.h"

#include "classify/random_u32.h"

static struct u32_conf
to_class(uint32_t classid, const struct u32_key *keys, uint8_t n)
{
	return (struct u32_conf){
		.has_selector = true,
		.selector_flags = TC_U32_TERMINAL,
		.n_keys = n,
		.keys = keys,
		.has_classid = true,
		.classid = classid,
	};
}

static uint32_t
class_of(struct packet *p)
{
	return ask(chain, p).classid;
}

static const void *
filter_at(uint32_t handle)
{
	struct filter_spec spec = { 1, htons(ETH_P_IP), handle, "u32", NULL, 0 };
	struct filter_info info;

	assert_int_equal(chain_filter_get(chain, &spec, &info, &err), 0);
	return info.filter;
}

static void
matches_all_its_keys(void **state)
{
	struct u32_key keys[] = {
		{ htonl(0x0a000001), UINT32_MAX, 12, 0 }, /* ip src 10.0.0.1 */
		{ htonl(0x00110000), htonl(0x00ff0000), 8, 0 }, /* ip protocol 17 */
		{ htonl(53), htonl(0xffff), 20, 0 }, /* ip dport 53 */
		{ htonl(0x0800), htonl(0xffff), -4, 0 }, /* the ethertype */
	};
	struct u32_conf conf = to_class(7, keys, 4);
	struct u32_counts counts;
	struct packet p;

	packet_udp(&p, 0);
	assert_int_equal(add_filter(chain, 1, "u32", 0, &conf, CREATE, &err), 0);
	assert_int_equal(class_of(&p), 7);
	p.data[37] = 54;
	assert_int_equal(class_of(&p), 0);
	p.data[37] = 53;
	p.data[29] = 9;
	assert_int_equal(class_of(&p), 0);
	u32_sum_counts(filter_at(0x80000800), &counts);
	assert_int_equal(counts.hits, 3);
	assert_int_equal(counts.matches, 1);
	assert_int_equal(counts.key_matches[0], 2);
	assert_int_equal(counts.key_matches[1], 2);
	assert_int_equal(counts.key_matches[2], 1);
	assert_int_equal(counts.key_matches[3], 1);
}

static void
takes_nexthdr_as_the_network_header_where_no_link_skipped_it(void **state)
{
	struct u32_key key = { htonl(50), htonl(0xffff), 0,
		-1 }; /* match u16 50 0xffff at nexthdr+2: IPv4's total length */
	struct u32_conf conf = to_class(7, &key, 1);
	struct packet p;

	packet_udp(&p, 0);
	assert_int_equal(add_filter(chain, 1, "u32", 0, &conf, CREATE, &err), 0);
	assert_int_equal(class_of(&p), 7);
}

static void
asks_a_packet_that_is_too_short_no_further_in_its_group(void **state)
{
	struct u32_key beyond = { 0, 0, 48, 0 }, within = { 0, 0, 44, 0 }, before = { 0, 0, -16, 0 };
	struct u32_conf confs[] = { to_class(1, &beyond, 1), to_class(2, &within, 1), to_class(3, &before, 1) };
	struct packet p;

	packet_udp(&p, 0); /* 50 bytes behind the link header */
	assert_int_equal(add_filter(chain, 3, "u32", 0, &confs[0], CREATE, &err), 0);
	assert_int_equal(add_filter(chain, 3, "u32", 0, &confs[1], CREATE, &err), 0);
	assert_int_equal(class_of(&p), 0);
	assert_int_equal(add_filter(chain, 4, "u32", 0, &confs[2], CREATE, &err), 0);
	assert_int_equal(class_of(&p), 0);
	assert_int_equal(add_filter(chain, 5, "u32", 0, &confs[1], CREATE, &err), 0);
	assert_int_equal(class_of(&p), 2);
}

static void
reads_across_segments(void **state)
{
	struct u32_key key = { htonl(0x0a000002), UINT32_MAX, 16, 0 };
	struct u32_conf conf = to_class(7, &key, 1);

	assert_int_equal(add_filter(chain, 1, "u32", 0, &conf, CREATE, &err), 0);
	for (uint16_t first = 14; first <= 40; first++) { /* the word lies at 30 to 33 */
		struct packet a, b;

		packet_udp(&a, 0);
		packet_split(&a, &b, first);
		assert_int_equal(class_of(&a), 7);
		(first > 33 ? a.data : b.data)[33 - (first > 33 ? 0 : first)] ^= 1;
		assert_int_equal(class_of(&a), 0);
	}
}

static void
compares_the_mark_first(void **state)
{
	struct u32_key any = { 0, 0, 0, 0 };
	struct u32_conf conf = to_class(7, &any, 1);
	struct u32_counts counts;

	conf.has_mark = true;
	conf.mark_value = 5;
	conf.mark_mask = 0xff;
	assert_int_equal(add_filter(chain, 1, "u32", 0, &conf, CREATE, &err), 0);
	assert_int_equal(class_of_mark(chain, 5), 7);
	assert_int_equal(class_of_mark(chain, 0x105), 7);
	assert_int_equal(class_of_mark(chain, 6), 0);
	u32_sum_counts(filter_at(0x80000800), &counts);
	assert_int_equal(counts.hits, 3);
	assert_int_equal(counts.mark_matches, 2);
	assert_int_equal(counts.key_matches[0], 2);
}

static void
only_counts_where_a_match_decides_nothing(void **state)
{
	struct u32_key any = { 0, 0, 0, 0 };
	struct u32_conf idle = { .has_selector = true, .n_keys = 1, .keys = &any }, indev = to_class(2, &any, 1),
			last = to_class(3, &any, 1);
	struct u32_counts counts;
	struct packet p;

	indev.in_port = 9;
	add_filter(chain, 1, "u32", 0, &idle, CREATE, &err);
	add_filter(chain, 1, "u32", 0, &indev, CREATE, &err);
	add_filter(chain, 1, "u32", 0, &last, CREATE, &err);
	packet_udp(&p, 0);
	assert_int_equal(class_of(&p), 3);
	p.pkt.in_port = 9;
	assert_int_equal(class_of(&p), 2);
	u32_sum_counts(filter_at(0x80000800), &counts);
	assert_int_equal(counts.key_matches[0], 2);
	assert_int_equal(counts.matches, 0);
}

static void
chooses_and_checks_handles(void **state)
{
	struct u32_conf conf = to_class(1, NULL, 0);

	assert_int_equal(add_filter(chain, 1, "u32", 0, &conf, CREATE, &err), 0);
	assert_int_equal(add_filter(chain, 1, "u32", 0, &conf, CREATE, &err), 0);
	assert_int_equal(add_filter(chain, 1, "u32", 0x80000900, &conf, CREATE, &err), 0);
	assert_int_equal(add_filter(chain, 1, "u32", 5, &conf, CREATE, &err), 0); /* handle ::5 */
	assert_int_equal(add_filter(chain, 1, "u32", 0, &conf, CREATE, &err), 0);
	assert_filters(chain, "1/0 1/80000000 1/80000005 1/80000800 1/80000801 1/80000802 1/80000900");
	assert_int_equal(delete_filter(chain, 1, "u32", 0x80000801, &err), 0);
	assert_int_equal(add_filter(chain, 1, "u32", 0, &conf, CREATE, &err), 0);
	assert_filters(chain, "1/0 1/80000000 1/80000005 1/80000800 1/80000801 1/80000802 1/80000900");
	assert_int_equal(add_filter(chain, 1, "u32", 5, &conf, CREATE, &err), -ENOSPC);
	assert_refused(
		add_filter(chain, 1, "u32", 0x80000000, &conf, CREATE, &err), err, EEXIST, "Filter already exists");
	assert_refused(add_filter(chain, 1, "u32", 0x80100005, &conf, CREATE, &err), err, EINVAL,
		"cls_u32: Handle specified hash table address mismatch");
	assert_refused(delete_filter(chain, 1, "u32", 0x80000000, &err), err, EINVAL,
		"cls_u32: Not allowed to delete root node");
	conf.table = 0x90000000;
	assert_refused(add_filter(chain, 1, "u32", 0, &conf, CREATE, &err), err, EINVAL,
		"cls_u32: Specified hash table not found");
	conf.table = 0x80001000;
	assert_refused(add_filter(chain, 1, "u32", 0, &conf, CREATE, &err), err, EINVAL,
		"cls_u32: Specified hash table buckets exceed configured value");
	conf.table = 0x80000000;
	assert_int_equal(add_filter(chain, 1, "u32", 0, &conf, CREATE, &err), 0);
	conf.has_selector = false;
	assert_refused(
		add_filter(chain, 1, "u32", 0, &conf, CREATE, &err), err, EINVAL, "cls_u32: Selector not specified");
	assert_refused(add_filter(chain, 2, "u32", 0x80000005, NULL, CREATE, &err), err, EINVAL,
		"cls_u32: Filter handle requires options");
	assert_filters(chain, "1/0 1/80000000 1/80000005 1/80000800 1/80000801 1/80000802 1/80000803 1/80000900");
}

static void
fills_a_table_and_says_when_it_is_full(void **state)
{
	struct u32_conf conf = to_class(1, NULL, 0);

	for (unsigned int i = 0; i < 0xfff; i++)
		assert_int_equal(add_filter(chain, 1, "u32", 0, &conf, CREATE, &err), 0);
	assert_refused(add_filter(chain, 1, "u32", 0, &conf, CREATE, &err), err, ENOSPC,
		"cls_u32: table 800: has its 4095 filters in this bucket; put more under another preference");
	assert_int_equal(delete_filter(chain, 1, "u32", 0x80000123, &err), 0);
	assert_int_equal(add_filter(chain, 1, "u32", 0, &conf, CREATE, &err), 0);
	assert_non_null(filter_at(0x80000123));
}

static void
keeps_keys_and_counts_through_a_change(void **state)
{
	struct u32_key one = { htonl(0x0a000001), UINT32_MAX, 12, 0 }, other = { htonl(0x0a000009), UINT32_MAX, 12, 0 };
	struct u32_conf conf = to_class(1, &one, 1);
	struct u32_counts counts;
	struct packet p;

	packet_udp(&p, 0);
	add_filter(chain, 1, "u32", 0, &conf, CREATE, &err);
	assert_int_equal(class_of(&p), 1);
	conf = to_class(2, &other, 1);
	assert_int_equal(add_filter(chain, 1, "u32", 0x80000800, &conf, CHANGE, &err), 0);
	assert_int_equal(class_of(&p), 2); /* as on Linux: the old keys, the new class */
	u32_sum_counts(filter_at(0x80000800), &counts);
	assert_int_equal(counts.matches, 2);
	conf.flags = TCA_CLS_FLAGS_SKIP_HW;
	assert_refused(add_filter(chain, 1, "u32", 0x80000800, &conf, CHANGE, &err), err, EINVAL,
		"cls_u32: Key node flags do not match passed flags");
	assert_refused(add_filter(chain, 1, "u32", 0x80000000, &conf, CHANGE, &err), err, EINVAL,
		"cls_u32: Key node id cannot be zero");
	assert_int_equal(class_of(&p), 2);
}

static void
keeps_an_empty_table_while_there_are_others(void **state)
{
	struct u32_conf conf = to_class(1, NULL, 0);

	assert_int_equal(add_filter(chain, 1, "u32", 0, NULL, CREATE, &err), 0); /* `u32` alone */
	assert_filters(chain, "1/0 1/80000000");
	assert_int_equal(add_filter(chain, 2, "u32", 0, &conf, CREATE, &err), 0);
	assert_int_equal(delete_filter(chain, 2, "u32", 0x80100800, &err), 0);
	assert_filters(chain, "1/0 1/80000000 2/0 2/80100000");
	delete_filter(chain, 1, NULL, 0, &err);
	add_filter(chain, 2, "u32", 0, &conf, CREATE, &err);
	assert_int_equal(delete_filter(chain, 2, "u32", 0x80100800, &err), 0);
	assert_true(chain_empty(chain));
}

/* ---- hash tables -------------------------------------------------------------------------------- */

static int
add_table(uint32_t preference, uint32_t handle, uint32_t divisor)
{
	return add_filter(chain, preference, "u32", handle, &(struct u32_conf){ .divisor = divisor }, CREATE, &err);
}

/* Any packet, down to `link`, by the last byte of its destination. */
static struct u32_conf
leading_to(uint32_t link)
{
	static const struct u32_key any = { 0, 0, 0, 0 };
	struct u32_conf conf = to_class(0, &any, 1);

	conf.selector_flags = 0;
	conf.has_classid = false;
	conf.has_link = true;
	conf.link = link;
	conf.jump = (struct u32_jump){ .hash_mask = htonl(0xff), .hash_offset = 16 };
	return conf;
}

static void
hashes_into_the_buckets_of_a_table(void **state)
{
	struct u32_conf link = leading_to(0x200000), conf;
	struct u32_counts counts;
	struct packet p;

	assert_int_equal(add_table(1, 0x200000, 256), 0);
	assert_int_equal(add_filter(chain, 1, "u32", 0, &link, CREATE, &err), 0);
	for (uint32_t i = 0; i < 1024; i++) {
		struct u32_key key = { htonl(0x0a000000 | i), UINT32_MAX, 16, 0 };

		conf = to_class(1 + i, &key, 1);
		conf.table = 0x200000 | (i % 256) << 12;
		assert_int_equal(add_filter(chain, 1, "u32", 0, &conf, CREATE, &err), 0);
	}
	packet_udp(&p, 0);
	for (uint32_t i = 0; i < 1100; i++) {
		uint32_t destination = htonl(0x0a000000 | i);

		memcpy(p.data + 30, &destination, sizeof(destination));
		assert_int_equal(class_of(&p), i < 1024 ? 1 + i : 0);
	}
	/* Of bucket 5: 1100 / 256 packets came, and each was compared with the filters up to its own. */
	u32_sum_counts(filter_at(0x205800), &counts);
	assert_int_equal(counts.hits, 5);
	assert_int_equal(counts.matches, 1);
	u32_sum_counts(filter_at(0x205803), &counts);
	assert_int_equal(counts.hits, 2);
	assert_int_equal(counts.key_matches[0], 1);
	u32_sum_counts(filter_at(0x80000800), &counts);
	assert_int_equal(counts.hits, 1100);
	assert_int_equal(counts.matches, 0);
}

static void
numbers_and_lists_tables_as_linux_does(void **state)
{
	struct u32_conf conf = to_class(1, NULL, 0);

	assert_int_equal(add_table(5, 0x500000, 4), 0);
	assert_int_equal(add_table(5, 0, 2), 0);
	assert_int_equal(add_table(6, 0, 8), 0);
	assert_int_equal(add_table(6, 0x90000000, 1), 0);
	assert_int_equal(add_table(6, 0, 1), 0);
	/* The newest first, its own root last; what is chosen goes on counting. */
	assert_filters(chain, "5/0 5/80100000 5/500000 5/80000000 6/0 6/80400000 6/90000000 6/80300000 6/80200000");
	conf.table = 0x503000;
	assert_int_equal(add_filter(chain, 6, "u32", 0, &conf, CREATE, &err), 0);
	assert_int_equal(add_filter(chain, 6, "u32", 7, &conf, CREATE, &err), 0);
	assert_filters(chain,
		"5/0 5/80100000 5/500000 5/503007 5/503800 5/80000000 6/0 6/80400000 6/90000000 6/80300000 6/80200000");
	assert_refused(add_table(6, 0x500000, 4), err, EEXIST, "Filter already exists");
	assert_refused(add_table(6, 0x501000, 4), err, EINVAL, "cls_u32: Divisor can only be used on a hash table");
	assert_refused(add_table(6, 0x600000, 3), err, EINVAL, "cls_u32: Divisor is not a power of 2");
	assert_refused(add_table(6, 0x600000, 512), err, EINVAL, "cls_u32: Exceeded maximum 256 hash buckets");
	conf.table = 0x504000;
	assert_refused(add_filter(chain, 6, "u32", 0, &conf, CREATE, &err), err, EINVAL,
		"cls_u32: Specified hash table buckets exceed configured value");
}

static void
keeps_a_table_that_filters_lead_to(void **state)
{
	struct u32_conf link = leading_to(0x100000), other = leading_to(0x80000000), conf = to_class(3, NULL, 0);
	struct packet p;

	packet_udp(&p, 0);
	assert_int_equal(add_table(5, 0x100000, 1), 0);
	conf.table = 0x100000;
	assert_int_equal(add_filter(chain, 5, "u32", 0, &conf, CREATE, &err), 0);
	assert_int_equal(add_filter(chain, 6, "u32", 0, &link, CREATE, &err), 0);
	assert_int_equal(class_of(&p), 3);
	assert_refused(
		delete_filter(chain, 6, "u32", 0x100000, &err), err, EBUSY, "cls_u32: Can not delete in-use filter");
	assert_refused(
		add_filter(chain, 6, "u32", 0, &other, CREATE, &err), err, EINVAL, "cls_u32: Not linking to root node");
	other.link = 0x700000;
	assert_refused(add_filter(chain, 6, "u32", 0, &other, CREATE, &err), err, EINVAL,
		"cls_u32: Link hash table not found");
	other.link = 0x101000;
	assert_refused(add_filter(chain, 6, "u32", 0, &other, CREATE, &err), err, EINVAL,
		"cls_u32: u32 Link handle must be a hash table");
	/* Its maker goes; the table stays, unlisted, until the last group does. */
	assert_int_equal(delete_filter(chain, 5, NULL, 0, &err), 0);
	assert_filters(chain, "6/0 6/80100000 6/80100800");
	assert_int_equal(class_of(&p), 3);
	link.link = 0;
	assert_int_equal(add_filter(chain, 6, "u32", 0x80100800, &link, CHANGE, &err), 0);
	assert_int_equal(class_of(&p), 0);
	assert_int_equal(delete_filter(chain, 6, "u32", 0x100000, &err), 0);
	assert_int_equal(chain_uses_class(chain, 3), 0);
	assert_int_equal(delete_filter(chain, 6, "u32", 0x80100800, &err), 0);
	assert_true(chain_empty(chain));
}

static void
gives_up_where_links_go_round(void **state)
{
	struct u32_conf link = leading_to(0x100000), last = to_class(9, NULL, 0);
	struct u32_counts counts;
	struct packet p;

	packet_udp(&p, 0);
	add_table(1, 0x100000, 1);
	add_filter(chain, 1, "u32", 0, &link, CREATE, &err);
	add_filter(chain, 1, "u32", 0, &last, CREATE, &err);
	link.table = 0x100000;
	assert_int_equal(add_filter(chain, 1, "u32", 0, &link, CREATE, &err), 0);
	assert_int_equal(class_of(&p), 0);
	u32_sum_counts(filter_at(0x100800), &counts);
	assert_int_equal(counts.hits, U32_DEPTH_MAX);
	u32_sum_counts(filter_at(0x80000801), &counts);
	assert_int_equal(counts.hits, 0);
	add_filter(chain, 2, "u32", 0, &last, CREATE, &err);
	assert_int_equal(class_of(&p), 9);
}

static void
ends_where_links_are_too_many(void **state)
{
	struct u32_conf link, last = to_class(9, NULL, 0);
	struct u32_counts counts;
	struct packet p;

	/* Seven tables, each of which leads to the next one eight times over: two million ways. */
	packet_udp(&p, 0);
	for (uint32_t i = 1; i <= 7; i++)
		add_table(1, i << 20, 1);
	for (uint32_t i = 0; i < 7 * 8; i++) {
		link = leading_to((i / 8 + 1) << 20);
		link.table = (i / 8) << 20;
		assert_int_equal(add_filter(chain, 1, "u32", 0, &link, CREATE, &err), 0);
	}
	add_filter(chain, 1, "u32", 0, &last, CREATE, &err);
	assert_int_equal(class_of(&p), 0);
	u32_sum_counts(filter_at(0x80000801), &counts);
	assert_int_equal(counts.hits, 0);
	last.table = 0x700000;
	add_filter(chain, 1, "u32", 0, &last, CREATE, &err);
	assert_int_equal(class_of(&p), 9);
}

static void
skips_headers_and_comes_back(void **state)
{
	struct u32_key port = { htonl(53), htonl(0xffff), 0, 0 }, at_nexthdr = { htonl(53), htonl(0xffff), 0, -1 };
	struct u32_conf link = leading_to(0x100000), in_table = to_class(1, &port, 1),
			behind = to_class(2, &at_nexthdr, 1);
	struct packet p;

	packet_udp(&p, 0);
	add_table(1, 0x100000, 1);
	/* offset at 0 mask 0x0f00 shift 6 eat: the table looks at the UDP header. */
	link.selector_flags = TC_U32_VAROFFSET | TC_U32_EAT;
	link.jump = (struct u32_jump){ .mask = htons(0x0f00), .shift = 6 };
	in_table.table = 0x100000;
	add_filter(chain, 1, "u32", 0, &link, CREATE, &err);
	add_filter(chain, 1, "u32", 0, &in_table, CREATE, &err);
	assert_int_equal(class_of(&p), 1);
	/* Without eat only nexthdr+ does, and it stays so when the table has decided nothing. */
	delete_filter(chain, 1, "u32", 0x80000800, &err);
	link.selector_flags = TC_U32_VAROFFSET;
	add_filter(chain, 1, "u32", 0, &link, CREATE, &err);
	assert_int_equal(class_of(&p), 0);
	add_filter(chain, 1, "u32", 0, &behind, CREATE, &err);
	assert_int_equal(class_of(&p), 2);
}

/* ---- against the naive matcher ------------------------------------------------------------------ */

static uint32_t
below(void *state, uint32_t bound)
{
	uint64_t *random = state;

	*random = *random * 6364136223846793005 + 1442695040888963407;
	return bound != 0 ? (uint32_t)((*random >> 33) % bound) : 0;
}

static void
agrees_with_the_naive_matcher_on_random_tables_filters_and_packets(void **state)
{
	for (uint64_t seed = 1; seed <= 10000; seed++) {
		uint64_t random = seed;
		struct chance chance = { below, &random };
		const char *wrong = random_u32_round(&chance);

		if (wrong != NULL)
			fail_msg("seed %llu: %s is not the naive matcher's", (unsigned long long)seed, wrong);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(matches_all_its_keys, start, end),
		cmocka_unit_test_setup_teardown(
			takes_nexthdr_as_the_network_header_where_no_link_skipped_it, start, end),
		cmocka_unit_test_setup_teardown(asks_a_packet_that_is_too_short_no_further_in_its_group, start, end),
		cmocka_unit_test_setup_teardown(reads_across_segments, start, end),
		cmocka_unit_test_setup_teardown(compares_the_mark_first, start, end),
		cmocka_unit_test_setup_teardown(only_counts_where_a_match_decides_nothing, start, end),
		cmocka_unit_test_setup_teardown(chooses_and_checks_handles, start, end),
		cmocka_unit_test_setup_teardown(fills_a_table_and_says_when_it_is_full, start, end),
		cmocka_unit_test_setup_teardown(keeps_keys_and_counts_through_a_change, start, end),
		cmocka_unit_test_setup_teardown(keeps_an_empty_table_while_there_are_others, start, end),
		cmocka_unit_test_setup_teardown(hashes_into_the_buckets_of_a_table, start, end),
		cmocka_unit_test_setup_teardown(numbers_and_lists_tables_as_linux_does, start, end),
		cmocka_unit_test_setup_teardown(keeps_a_table_that_filters_lead_to, start, end),
		cmocka_unit_test_setup_teardown(gives_up_where_links_go_round, start, end),
		cmocka_unit_test_setup_teardown(ends_where_links_are_too_many, start, end),
		cmocka_unit_test_setup_teardown(skips_headers_and_comes_back, start, end),
		cmocka_unit_test_setup_teardown(
			agrees_with_the_naive_matcher_on_random_tables_filters_and_packets, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
