/* SPDX-License-Identifier: BSD-3-Clause */
/* Matches of iptables: what the packet filter is told of each, and that its bytes come back the same. */
#include "netfilter_blob.h"

#include <weir/netfilter/matches.h>

#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_hashlimit.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_length.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_mac.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_pkttype.h>
#include <linux/netfilter/xt_statistic.h>
#include <linux/netfilter/xt_u32.h>
#include <linux/netfilter_ipv4/ipt_ECN.h>
#include <linux/netfilter_ipv4/ipt_ttl.h>

/* Reads a rule with this match; its conf as the packet filter is given it. Bytes behind its own must come back 0. */
static const void *
conf_of_match(
	const char *name, uint8_t revision, const void *data, size_t bytes, size_t own_bytes, struct xt_blob **made)
{
	const struct xt_entry_match *kept;

	begin_raw();
	memcpy(add_match(name, revision, bytes), data, bytes);
	add_verdict(DROP);
	end_raw();
	*made = read_blob(NETFILTER_RAW);
	if (*made == NULL)
		fail_msg("%s", refusal.msg);
	assert_int_equal(first_rule()->n_matches, 1);
	assert_string_equal(first_rule()->matches[0].kind, name);
	kept = (const void *)((const struct ipt_entry *)(const void *)(*made)->entries)->elems;
	assert_memory_equal(kept->data, data, own_bytes);
	for (size_t i = own_bytes; i < XT_ALIGN(bytes); i++)
		assert_int_equal(kept->data[i], 0);
	return first_rule()->matches[0].conf;
}

#define MATCH(name, revision, data)                                                                                    \
	const void *conf = conf_of_match(name, revision, &(data), sizeof(data), sizeof(data), &made)

#define REFUSED(code, name, revision, data) assert_int_equal(match_refusal(name, revision, &(data), sizeof(data)), code)

static void
tcp_is_ports_flags_and_an_option(void **state)
{
	struct xt_tcp info = {
		.spts = { 1, 2 }, .dpts = { 3, 4 }, .option = 8, .flg_mask = 0x17, .flg_cmp = 2, .invflags = 5
	};
	struct xt_blob *made;
	MATCH("tcp", 0, info);
	const struct netfilter_tcp_conf *c = conf;

	assert_int_equal(c->sport.min, 1);
	assert_int_equal(c->sport.max, 2);
	assert_int_equal(c->dport.min, 3);
	assert_int_equal(c->dport.max, 4);
	assert_int_equal(c->option, 8);
	assert_int_equal(c->flags_mask, 0x17);
	assert_int_equal(c->flags, 2);
	assert_int_equal(c->invert, NETFILTER_TCP_NOT_SPORT | NETFILTER_TCP_NOT_FLAGS);
	release(made);
	info.invflags = 0x10;
	REFUSED(EINVAL, "tcp", 0, info);
}

static void
udp_is_ports(void **state)
{
	struct xt_udp info = { .spts = { 53, 53 }, .dpts = { 0, 65535 }, .invflags = XT_UDP_INV_DSTPT };
	struct xt_blob *made;
	MATCH("udp", 0, info);
	const struct netfilter_udp_conf *c = conf;

	assert_int_equal(c->sport.min, 53);
	assert_int_equal(c->sport.max, 53);
	assert_int_equal(c->dport.max, 65535);
	assert_int_equal(c->invert, NETFILTER_UDP_NOT_DPORT);
	release(made);
	info.invflags = 4;
	REFUSED(EINVAL, "udp", 0, info);
}

static void
icmp_is_a_type_and_codes(void **state)
{
	struct ipt_icmp info = { .type = 3, .code = { 1, 4 }, .invflags = IPT_ICMP_INV };
	struct xt_blob *made;
	MATCH("icmp", 0, info);
	const struct netfilter_icmp_conf *c = conf;

	assert_int_equal(c->type, 3);
	assert_int_equal(c->code_min, 1);
	assert_int_equal(c->code_max, 4);
	assert_true(c->invert);
	release(made);
	info.invflags = 2;
	REFUSED(EINVAL, "icmp", 0, info);
}

static void
multiport_joins_the_two_places_of_a_range(void **state)
{
	struct xt_multiport_v1 info = { .flags = XT_MULTIPORT_EITHER,
		.count = 4,
		.ports = { 22, 1000, 2000, 80 },
		.pflags = { 0, 1, 0, 0 },
		.invert = 1 };
	struct xt_blob *made;
	MATCH("multiport", 1, info);
	const struct netfilter_multiport_conf *c = conf;

	assert_int_equal(c->side, NETFILTER_MULTIPORT_EITHER);
	assert_int_equal(c->n, 3);
	assert_int_equal(c->ports[0].min, 22);
	assert_int_equal(c->ports[0].max, 22);
	assert_int_equal(c->ports[1].min, 1000);
	assert_int_equal(c->ports[1].max, 2000);
	assert_int_equal(c->ports[2].min, 80);
	assert_true(c->invert);
	release(made);
	info.pflags[3] = 1;
	REFUSED(EINVAL, "multiport", 1, info);
	info.pflags[3] = 0;
	info.count = 16;
	REFUSED(EINVAL, "multiport", 1, info);
	info.count = 1;
	info.flags = 3;
	REFUSED(EINVAL, "multiport", 1, info);
}

static void
iprange_is_in_host_order(void **state)
{
	struct xt_iprange_mtinfo info = { .flags = IPRANGE_SRC | IPRANGE_DST_INV };
	struct xt_blob *made;
	const struct netfilter_iprange_conf *c;

	info.src_min.ip = htonl(0x0a000001);
	info.src_max.ip = htonl(0x0a000009);
	c = conf_of_match("iprange", 1, &info, sizeof(info), sizeof(info), &made);
	assert_int_equal(c->src_min, 0x0a000001);
	assert_int_equal(c->src_max, 0x0a000009);
	assert_true(c->has_src && !c->has_dst && !c->not_src && c->not_dst);
	release(made);
	info.flags = 0x40;
	REFUSED(EINVAL, "iprange", 1, info);
}

static void
mac_mark_length_and_pkttype_are_what_they_say(void **state)
{
	const struct xt_mac_info mac = { .srcaddr = { 1, 2, 3, 4, 5, 6 }, .invert = 1 };
	const struct xt_mark_mtinfo1 mark = { .mark = 5, .mask = 0xff, .invert = 1 };
	const struct xt_length_info length = { .min = 10, .max = 20, .invert = 1 };
	const struct xt_pkttype_info pkttype = { .pkttype = 1, .invert = 1 };
	struct xt_blob *made;
	const struct netfilter_mac_conf *a = conf_of_match("mac", 0, &mac, sizeof(mac), sizeof(mac), &made);

	assert_memory_equal(a->address, mac.srcaddr, 6);
	assert_true(a->invert);
	release(made);
	{
		MATCH("mark", 1, mark);
		const struct netfilter_mark_conf *c = conf;

		assert_true(c->mark == 5 && c->mask == 0xff && c->invert);
		release(made);
	}
	{
		MATCH("length", 0, length);
		const struct netfilter_length_conf *c = conf;

		assert_true(c->min == 10 && c->max == 20 && c->invert);
		release(made);
	}
	{
		MATCH("pkttype", 0, pkttype);
		const struct netfilter_pkttype_conf *c = conf;

		assert_true(c->type == 1 && c->invert);
		release(made);
	}
}

static void
ttl_tos_and_dscp_know_their_bounds(void **state)
{
	struct ipt_ttl_info ttl = { .mode = IPT_TTL_GT, .ttl = 5 };
	struct xt_tos_match_info tos = { .tos_mask = 0x3f, .tos_value = 8, .invert = 1 };
	struct xt_dscp_info dscp = { .dscp = 0x3f, .invert = 1 };
	struct xt_blob *made;

	{
		MATCH("ttl", 0, ttl);
		const struct netfilter_ttl_conf *c = conf;

		assert_true(c->mode == NETFILTER_TTL_GT && c->ttl == 5);
		release(made);
	}
	{
		MATCH("tos", 1, tos);
		const struct netfilter_tos_conf *c = conf;

		assert_true(c->value == 8 && c->mask == 0x3f && c->invert);
		release(made);
	}
	{
		MATCH("dscp", 0, dscp);
		const struct netfilter_dscp_conf *c = conf;

		assert_true(c->dscp == 0x3f && c->invert);
		release(made);
	}
	ttl.mode = 4;
	REFUSED(EINVAL, "ttl", 0, ttl);
	dscp.dscp = 0x40;
	REFUSED(EDOM, "dscp", 0, dscp);
}

/* The same limit in each revision; what only the last has. */
static void
hashlimit_is_the_same_in_all_revisions(void **state)
{
	struct xt_hashlimit_mtinfo1 one = { .name = "web",
		.cfg = { .mode = XT_HASHLIMIT_HASH_SIP | XT_HASHLIMIT_INVERT,
			.avg = 2000,
			.burst = 7,
			.gc_interval = 1000,
			.expire = 10000,
			.srcmask = 24,
			.dstmask = 32 } };
	struct xt_hashlimit_mtinfo2 two = { .name = "web",
		.cfg = { .mode = XT_HASHLIMIT_BYTES, .avg = 1u << 20, .size = 10, .gc_interval = 1, .expire = 1 } };
	struct xt_hashlimit_mtinfo3 three = { .name = "web",
		.cfg = { .mode = XT_HASHLIMIT_RATE_MATCH,
			.avg = 100000,
			.burst = 5,
			.max = 77,
			.gc_interval = 1,
			.expire = 1,
			.interval = 3 } };
	const struct netfilter_hashlimit_conf *c;
	struct xt_blob *made;

	one.hinfo = (void *)&one;
	c = conf_of_match("hashlimit", 1, &one, sizeof(one), offsetof(struct xt_hashlimit_mtinfo1, hinfo), &made);
	assert_string_equal(c->name, "web");
	assert_true(c->kind == NETFILTER_HASHLIMIT_PACKETS && c->interval_ns == 200000000 && c->burst == 7);
	assert_true(c->fields == NETFILTER_HASHLIMIT_SRC && c->above && c->src_prefix == 24 && c->dst_prefix == 32);
	assert_true(c->expire_ms == 10000 && c->collect_ms == 1000 && c->entries == 65536);
	release(made);
	c = conf_of_match("hashlimit", 2, &two, sizeof(two), offsetof(struct xt_hashlimit_mtinfo2, hinfo), &made);
	assert_true(c->kind == NETFILTER_HASHLIMIT_BYTES && c->chunk_cost == 1u << 20 && c->burst == 0);
	assert_true(!c->above && c->entries == 80);
	release(made);
	c = conf_of_match("hashlimit", 3, &three, sizeof(three), offsetof(struct xt_hashlimit_mtinfo3, hinfo), &made);
	assert_true(c->kind == NETFILTER_HASHLIMIT_RATE && !c->counts_bytes && c->interval_ns == 3000000000);
	assert_true(c->rate == 10 && c->allowance == 15 && c->entries == 8192);
	release(made);
	three.cfg.mode |= XT_HASHLIMIT_BYTES;
	three.cfg.avg = UINT32_MAX / 641;
	c = conf_of_match("hashlimit", 3, &three, sizeof(three), offsetof(struct xt_hashlimit_mtinfo3, hinfo), &made);
	assert_true(c->counts_bytes && c->rate == 10240 && c->allowance == 51200);
	release(made);
	three.cfg.interval = 0;
	REFUSED(EINVAL, "hashlimit", 3, three);
	two.cfg.mode |= XT_HASHLIMIT_RATE_MATCH;
	REFUSED(EINVAL, "hashlimit", 2, two);
	one.cfg.srcmask = 33;
	REFUSED(EINVAL, "hashlimit", 1, one);
	one.cfg.srcmask = 32;
	one.cfg.avg = 0;
	REFUSED(EINVAL, "hashlimit", 1, one);
	one.cfg.avg = 1;
	one.cfg.expire = 0;
	REFUSED(EINVAL, "hashlimit", 1, one);
	memset(one.name, 'x', sizeof(one.name));
	REFUSED(ENAMETOOLONG, "hashlimit", 1, one);
	strcpy(one.name, "a/b");
	REFUSED(EINVAL, "hashlimit", 1, one);
}

static void
what_is_the_kernels_in_limit_and_statistic_comes_back_cleared(void **state)
{
	struct xt_rateinfo limit = {
		.avg = 1000, .burst = 5, .prev = 77, .credit = 88, .cost = 99, .master = (void *)&limit
	};
	struct xt_statistic_info statistic = { .mode = XT_STATISTIC_MODE_NTH, .flags = XT_STATISTIC_INVERT };
	const struct netfilter_statistic_conf *s;
	const struct netfilter_limit_conf *l;
	struct xt_blob *made;

	l = conf_of_match("limit", 0, &limit, sizeof(limit), offsetof(struct xt_rateinfo, prev), &made);
	assert_true(l->average == 1000 && l->burst == 5);
	release(made);
	limit.burst = 0;
	REFUSED(ERANGE, "limit", 0, limit);
	limit.burst = 4294968; /* times 1000: one too many for 32 bits */
	REFUSED(ERANGE, "limit", 0, limit);

	statistic.u.nth.every = 4;
	statistic.u.nth.count = 2;
	statistic.master = (void *)&limit;
	s = conf_of_match(
		"statistic", 0, &statistic, sizeof(statistic), offsetof(struct xt_statistic_info, master), &made);
	assert_true(s->mode == NETFILTER_STATISTIC_NTH && s->every == 5 && s->count == 2 && s->invert);
	release(made);
	statistic.u.nth.count = 5;
	REFUSED(EINVAL, "statistic", 0, statistic);
	statistic.u.nth.every = UINT32_MAX;
	REFUSED(EINVAL, "statistic", 0, statistic);
	statistic.mode = XT_STATISTIC_MODE_RANDOM;
	statistic.flags = 0;
	statistic.u.random.probability = 1u << 30;
	s = conf_of_match(
		"statistic", 0, &statistic, sizeof(statistic), offsetof(struct xt_statistic_info, master), &made);
	assert_true(s->mode == NETFILTER_STATISTIC_RANDOM && s->probability == 1u << 30 && !s->invert);
	release(made);
	statistic.mode = 2;
	REFUSED(EINVAL, "statistic", 0, statistic);
}

static void
comments_end(void **state)
{
	struct xt_comment_info info = { .comment = "because" };
	struct xt_blob *made;

	assert_null(conf_of_match("comment", 0, &info, sizeof(info), sizeof(info), &made));
	release(made);
	memset(info.comment, 'x', sizeof(info.comment));
	REFUSED(EINVAL, "comment", 0, info);
}

static void
u32_is_tests_of_locations_and_values(void **state)
{
	struct xt_u32 info = { .ntests = 2, .invert = 1 };
	const struct netfilter_u32_conf *c;
	struct xt_blob *made;

	info.tests[0].nnums = 2;
	info.tests[0].location[0].number = 6;
	info.tests[0].location[0].nextop = 200; /* looked at by nobody */
	info.tests[0].location[1].number = 0xff;
	info.tests[0].location[1].nextop = XT_U32_AND;
	info.tests[0].nvalues = 1;
	info.tests[0].value[0].min = info.tests[0].value[0].max = 1;
	info.tests[1].nnums = 11;
	info.tests[1].location[10].nextop = XT_U32_AT;
	info.tests[1].nvalues = 11;
	info.tests[1].value[10].max = 9;
	c = conf_of_match("u32", 0, &info, sizeof(info), sizeof(info), &made);
	assert_true(c->n == 2 && c->invert);
	assert_true(c->tests[0].n_locations == 2 && c->tests[0].locations[1].number == 0xff);
	assert_int_equal(c->tests[0].locations[0].op, NETFILTER_U32_AND);
	assert_true(c->tests[0].n_values == 1 && c->tests[0].values[0].min == 1);
	assert_int_equal(c->tests[1].locations[10].op, NETFILTER_U32_AT);
	assert_int_equal(c->tests[1].values[10].max, 9);
	release(made);
	info.tests[1].nnums = 12;
	REFUSED(EINVAL, "u32", 0, info);
	info.tests[1].nnums = 1;
	info.tests[1].nvalues = 0;
	REFUSED(EINVAL, "u32", 0, info);
	info.tests[1].nvalues = 1;
	info.tests[0].location[1].nextop = 4;
	REFUSED(EINVAL, "u32", 0, info);
	info.ntests = 12;
	REFUSED(EINVAL, "u32", 0, info);
	info.ntests = 0;
	REFUSED(EINVAL, "u32", 0, info);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_is_ports_flags_and_an_option),
		cmocka_unit_test(udp_is_ports),
		cmocka_unit_test(icmp_is_a_type_and_codes),
		cmocka_unit_test(multiport_joins_the_two_places_of_a_range),
		cmocka_unit_test(iprange_is_in_host_order),
		cmocka_unit_test(mac_mark_length_and_pkttype_are_what_they_say),
		cmocka_unit_test(ttl_tos_and_dscp_know_their_bounds),
		cmocka_unit_test(hashlimit_is_the_same_in_all_revisions),
		cmocka_unit_test(what_is_the_kernels_in_limit_and_statistic_comes_back_cleared),
		cmocka_unit_test(comments_end),
		cmocka_unit_test(u32_is_tests_of_locations_and_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
