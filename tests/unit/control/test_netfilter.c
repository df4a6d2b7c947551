/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tables of iptables as blobs: what the packet filter is told of them, that they come back the same, and that a blob
 * which contradicts itself is refused in words and changes nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include <cmocka.h>

#include <weir/netfilter.h>
#include <weir/netfilter/matches.h>
#include <weir/netfilter/targets.h>

#include <linux/icmp.h>
#include <linux/netfilter.h>
#include <linux/netfilter/xt_CLASSIFY.h>
#include <linux/netfilter/xt_DSCP.h>
#include <linux/netfilter/xt_LOG.h>
#include <linux/netfilter/xt_TCPMSS.h>
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
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv4/ipt_ECN.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>
#include <linux/netfilter_ipv4/ipt_TTL.h>
#undef _IPT_TTL_H /* both have this guard */
#include <linux/netfilter_ipv4/ipt_ttl.h>

#include "netfilter/blob.h"
#include "netfilter/codec.h"

/* ---- a blob, rule by rule -------------------------------------------------------------------- */

static unsigned char room[sizeof(struct ipt_replace) + 64 * 1024] __attribute__((aligned(8)));
static struct ipt_replace *const header = (struct ipt_replace *)(void *)room;
static unsigned char *const entries = room + sizeof(struct ipt_replace);

static uint32_t rule; /* offset of the one being written */
static struct xt_description description;
static struct error refusal;

static struct ipt_entry *
entry(uint32_t offset)
{
	return (struct ipt_entry *)(void *)(entries + offset);
}

static void
begin(const char *table, uint32_t hooks)
{
	memset(room, 0, sizeof(room));
	strcpy(header->name, table);
	header->valid_hooks = hooks;
}

static void
begin_rule(void)
{
	rule = header->size;
	entry(rule)->target_offset = entry(rule)->next_offset = sizeof(struct ipt_entry);
	header->num_entries++;
}

static void *
add_match(const char *name, uint8_t revision, size_t bytes)
{
	struct xt_entry_match *match = (void *)(entries + rule + entry(rule)->target_offset);

	match->u.user.match_size = (uint16_t)(sizeof(*match) + XT_ALIGN(bytes));
	match->u.user.revision = revision;
	strcpy(match->u.user.name, name);
	entry(rule)->target_offset = (uint16_t)(entry(rule)->target_offset + match->u.match_size);
	return match->data;
}

static void *
add_target(const char *name, uint8_t revision, size_t bytes)
{
	struct xt_entry_target *target = (void *)(entries + rule + entry(rule)->target_offset);

	target->u.user.target_size = (uint16_t)(sizeof(*target) + XT_ALIGN(bytes));
	target->u.user.revision = revision;
	strcpy(target->u.user.name, name);
	entry(rule)->next_offset = (uint16_t)(entry(rule)->target_offset + target->u.target_size);
	header->size += entry(rule)->next_offset;
	return target->data;
}

static void
add_verdict(int verdict)
{
	*(int *)add_target("", 0, sizeof(int)) = verdict;
}

enum { ACCEPT = -NF_ACCEPT - 1, DROP = -NF_DROP - 1 };

/* The policy of the chain at `hook`, whose first rule is at `first`. */
static void
end_chain(unsigned int hook, uint32_t first)
{
	begin_rule();
	add_verdict(ACCEPT);
	header->hook_entry[hook] = first;
	header->underflow[hook] = rule;
}

static uint32_t
add_head(const char *name)
{
	begin_rule();
	strcpy(add_target(XT_ERROR_TARGET, 0, XT_FUNCTION_MAXNAMELEN), name);
	return header->size;
}

static struct xt_blob *
read_blob(enum netfilter_table_id table)
{
	struct xt_blob *made;

	memset(&refusal, 0, sizeof(refusal));
	made = xt_blob_create(header, sizeof(*header) + header->size, table, &description, &refusal);
	if (made == NULL)
		assert_null(description.memory);
	return made;
}

/* The table raw with one rule in PREROUTING, between begin_raw and end_raw. */
static void
begin_raw(void)
{
	begin("raw", 1 << NF_INET_PRE_ROUTING | 1 << NF_INET_LOCAL_OUT);
	begin_rule();
}

static void
end_raw(void)
{
	end_chain(NF_INET_PRE_ROUTING, 0);
	end_chain(NF_INET_LOCAL_OUT, header->size);
	add_head(XT_ERROR_TARGET);
}

static void
release(struct xt_blob *made)
{
	xt_description_release(&description);
	free(made);
}

static const struct netfilter_rule_spec *
first_rule(void)
{
	return &description.spec.rules[0];
}

/* ---- kinds ----------------------------------------------------------------------------------- */

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

static int
match_refusal(const char *name, uint8_t revision, const void *data, size_t bytes)
{
	begin_raw();
	memcpy(add_match(name, revision, bytes), data, bytes);
	add_verdict(DROP);
	end_raw();
	assert_null(read_blob(NETFILTER_RAW));
	assert_true(strstr(refusal.msg, "table raw, chain PREROUTING, rule 1: ") == refusal.msg);
	return refusal.code;
}

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

static const void *
conf_of_target(const char *name, uint8_t revision, const void *data, size_t bytes, struct xt_blob **made)
{
	begin_raw();
	memcpy(add_target(name, revision, bytes), data, bytes);
	end_raw();
	*made = read_blob(NETFILTER_RAW);
	if (*made == NULL)
		fail_msg("%s", refusal.msg);
	assert_int_equal(first_rule()->target.verdict, NETFILTER_EXTENSION);
	assert_string_equal(first_rule()->target.kind, name);
	return first_rule()->target.conf;
}

static int
target_refusal(const char *name, uint8_t revision, const void *data, size_t bytes)
{
	begin_raw();
	memcpy(add_target(name, revision, bytes), data, bytes);
	end_raw();
	assert_null(read_blob(NETFILTER_RAW));
	return refusal.code;
}

static void
targets_that_change_headers(void **state)
{
	const struct xt_tos_target_info tos = { .tos_value = 0x10, .tos_mask = 0x3f };
	struct xt_DSCP_info dscp = { .dscp = 0x2e };
	struct ipt_ECN_info ecn = {
		.operation = IPT_ECN_OP_SET_ECE | IPT_ECN_OP_SET_IP, .ip_ect = 2, .proto.tcp.ece = 1
	};
	struct ipt_TTL_info ttl = { .mode = IPT_TTL_DEC, .ttl = 2 };
	struct xt_tcpmss_info mss = { .mss = 1400 };
	struct xt_blob *made;
	const struct netfilter_tos_target_conf *t = conf_of_target("TOS", 1, &tos, sizeof(tos), &made);
	const struct netfilter_dscp_target_conf *d;
	const struct netfilter_ttl_target_conf *l;
	const struct netfilter_tcpmss_conf *m;
	const struct netfilter_ecn_conf *e;

	assert_true(t->value == 0x10 && t->mask == 0x3f);
	release(made);
	d = conf_of_target("DSCP", 0, &dscp, sizeof(dscp), &made);
	assert_int_equal(d->dscp, 0x2e);
	release(made);
	dscp.dscp = 0x40;
	assert_int_equal(target_refusal("DSCP", 0, &dscp, sizeof(dscp)), EDOM);
	e = conf_of_target("ECN", 0, &ecn, sizeof(ecn), &made);
	assert_true(e->set_ect && e->ect == 2 && e->set_ece && e->ece && !e->set_cwr);
	release(made);
	ecn.ip_ect = 4;
	assert_int_equal(target_refusal("ECN", 0, &ecn, sizeof(ecn)), EINVAL);
	ecn.ip_ect = 0;
	ecn.operation = 2;
	assert_int_equal(target_refusal("ECN", 0, &ecn, sizeof(ecn)), EINVAL);
	l = conf_of_target("TTL", 0, &ttl, sizeof(ttl), &made);
	assert_true(l->mode == NETFILTER_TTL_DEC && l->ttl == 2);
	release(made);
	ttl.ttl = 0;
	assert_int_equal(target_refusal("TTL", 0, &ttl, sizeof(ttl)), EINVAL);
	ttl.mode = 3;
	assert_int_equal(target_refusal("TTL", 0, &ttl, sizeof(ttl)), EINVAL);
	m = conf_of_target("TCPMSS", 0, &mss, sizeof(mss), &made);
	assert_true(!m->clamp && m->mss == 1400);
	release(made);
	mss.mss = XT_TCPMSS_CLAMP_PMTU;
	m = conf_of_target("TCPMSS", 0, &mss, sizeof(mss), &made);
	assert_true(m->clamp);
	release(made);
}

static void
targets_that_mark_answer_and_tell(void **state)
{
	const struct xt_mark_tginfo2 mark = { .mark = 1, .mask = 0xf };
	const struct xt_classify_target_info classify = { .priority = 0x10010 };
	struct ipt_reject_info reject = { .with = IPT_ICMP_ADMIN_PROHIBITED };
	struct xt_log_info log = { .level = 4, .logflags = XT_LOG_TCPSEQ, .prefix = "dropped: " };
	struct xt_blob *made;
	const struct netfilter_mark_target_conf *m = conf_of_target("MARK", 2, &mark, sizeof(mark), &made);
	const struct netfilter_classify_conf *c;
	const struct netfilter_reject_conf *r;
	const struct netfilter_log_conf *l;

	assert_true(m->mark == 1 && m->mask == 0xf);
	release(made);
	c = conf_of_target("CLASSIFY", 0, &classify, sizeof(classify), &made);
	assert_int_equal(c->priority, 0x10010);
	release(made);
	r = conf_of_target("REJECT", 0, &reject, sizeof(reject), &made);
	assert_true(!r->tcp_reset && r->icmp_code == ICMP_PKT_FILTERED);
	release(made);
	reject.with = IPT_TCP_RESET;
	r = conf_of_target("REJECT", 0, &reject, sizeof(reject), &made);
	assert_true(r->tcp_reset);
	release(made);
	reject.with = IPT_ICMP_ECHOREPLY;
	assert_int_equal(target_refusal("REJECT", 0, &reject, sizeof(reject)), EINVAL);
	reject.with = 9;
	assert_int_equal(target_refusal("REJECT", 0, &reject, sizeof(reject)), EINVAL);
	l = conf_of_target("LOG", 0, &log, sizeof(log), &made);
	assert_true(l->level == 4 && l->flags == XT_LOG_TCPSEQ && strcmp(l->prefix, "dropped: ") == 0);
	release(made);
	log.level = 8;
	assert_int_equal(target_refusal("LOG", 0, &log, sizeof(log)), EINVAL);
	log.level = 0;
	memset(log.prefix, 'x', sizeof(log.prefix));
	assert_int_equal(target_refusal("LOG", 0, &log, sizeof(log)), EINVAL);
}

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
		cmocka_unit_test(targets_that_change_headers),
		cmocka_unit_test(targets_that_mark_answer_and_tell),
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
