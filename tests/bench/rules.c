/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Policy routing without the path around it: cycles a lookup of rib_find4, in bursts of 32, with a million routes in
 * main.
 *
 * Beside it, in turns: the LPM alone (what do the default rules cost?), the default rules (what do ten thousand rules
 * by source cost?), a plain walk of the rules and DPDK's rte_acl, which only find the rule and look up no table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_acl.h>
#include <rte_cycles.h>

#include <internal.h>
#include <weir/rib.h>

#include "eal.h"
#include "prefixes.h"
#include "report.h"
#include "rules_setup.h"

#define BURST             32
#define KEYS              (1u << 17)
#define SAMPLES           31
#define GATEWAYS          16
#define WALKED            256 /* keys of one sample of the plain walk */
#define MIXED             1000
#define MARKS             64
#define MIXED_TABLE(rule) (5000 + (rule) % 100)

static uint64_t seed = UINT64_C(0x2545f4914f6cdd1d);

static uint32_t
draw(uint32_t below)
{
	seed ^= seed << 13; /* xorshift64, G. Marsaglia 2003 */
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)((seed * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % below;
}

static void
check(int status, const char *what, const struct error *err)
{
	if (status == 0)
		return;
	fprintf(stderr, "bench-rules: %s: %s\n", what,
		err != NULL && err->code != 0 ? err->msg : strerror(abs(status)));
	exit(1);
}

/*
 * ---- routers
 * --------------------------------------------------------------------------------------------------------------
 */

static struct ip_addr gateways[GATEWAYS];

static void
add_route(struct rib *rib, uint32_t table, const struct prefix4 *prefix, unsigned int gateway)
{
	struct rib_hop hop = { .gateway_family = AF_INET, .ifindex = 2, .gateway = gateways[gateway % GATEWAYS] };
	struct rib_route route = { .type = RTN_UNICAST,
		.table = table,
		.hop_count = 1,
		.hops = &hop,
		.dst = { AF_INET, prefix->length, ip_addr_v4(rte_cpu_to_be_32(prefix->addr)) } };
	struct error err = { 0 };

	check(rib_route_add(rib, &route, CHANGE_CREATE, &err), "route", &err);
}

/* Two links with an address each, and the routes. */
static struct rib *
make_rib(const struct prefix4 *prefixes, size_t count)
{
	struct error err = { 0 };
	struct rib *rib;

	check(rib_create(NULL, &rib, &err), "rib", &err);
	for (uint32_t i = 0; i < 2; i++) {
		struct rib_link link = { .ifindex = 2 + i, .mtu = 1500, .flags = IFF_UP | IFF_RUNNING | IFF_BROADCAST };
		struct rib_address address = { .ifindex = 2 + i,
			.family = AF_INET,
			.prefix_length = 24,
			.local = ip_addr_v4(rte_cpu_to_be_32(0x0a000001 + (i << 8))),
			.broadcast = ip_addr_v4(rte_cpu_to_be_32(0x0a0000ff + (i << 8))) };

		snprintf(link.name, sizeof(link.name), "eth%u", i);
		address.peer = address.local;
		check(rib_link_set(rib, &link, &err), "link", &err);
		check(rib_address_add(rib, &address, false, &err), "address", &err);
	}
	for (unsigned int i = 0; i < GATEWAYS; i++)
		gateways[i] = ip_addr_v4(rte_cpu_to_be_32(0x0a000002 + i));
	for (size_t i = 0; i < count; i++)
		add_route(rib, RT_TABLE_MAIN, &prefixes[i], (unsigned int)i);
	return rib;
}

static struct rib_rule
mixed_rule(uint32_t number)
{
	static const uint8_t lengths[] = { 16, 20, 24, 28, 32 };
	struct rib_rule r = { .family = AF_INET,
		.action = FR_ACT_TO_TBL,
		.priority = 1000 + number,
		.priority_set = true,
		.table = MIXED_TABLE(number),
		.suppress_prefix_length = -1 };
	unsigned int kind = draw(6);

	if (kind == 0 || kind == 1)
		r.src = (struct ip_prefix){ AF_INET, lengths[draw(5)],
			ip_addr_v4(rte_cpu_to_be_32(0x0b000000 + draw(1 << 18))) };
	if (kind == 1 || kind == 2)
		r.dst = (struct ip_prefix){ AF_INET, lengths[draw(5)],
			ip_addr_v4(rte_cpu_to_be_32(0x40000000 + draw(1 << 30))) };
	if (kind == 3 || kind == 4) {
		r.mark_mask = draw(2) == 0 ? UINT32_MAX : 0xff;
		r.mark = 1 + draw(MARKS - 1);
	}
	if (kind == 4 || kind == 5)
		r.tos = (uint8_t)(4 + draw(7) * 4);
	if (kind == 5 || draw(4) == 0)
		snprintf(r.iif, sizeof(r.iif), "eth%u", draw(2));
	/* Few enough of these that not all packets are theirs. */
	if (kind == 5)
		r.src = (struct ip_prefix){ AF_INET, 32, ip_addr_v4(rte_cpu_to_be_32(0x0b000000 + draw(1 << 18))) };
	return r;
}

static void
add_mixed_rules(struct rib *rib)
{
	struct error err = { 0 };

	for (uint32_t i = 0; i < MIXED; i++) {
		struct rib_rule rule = mixed_rule(i);

		check(rib_rule_add(rib, &rule, CHANGE_CREATE, &err), "rule", &err);
		for (uint8_t length = 0; i < 100 && length < 20; length += 2)
			add_route(rib, MIXED_TABLE(i),
				&(struct prefix4){
					length == 0 ? 0 : (0x40000000 + i * 0x01234567) & ~(UINT32_MAX >> length),
					length },
				i + length);
	}
}

/*
 * ---- traffic
 * ----------------------------------------------------------------------------------------------------------------
 */

/* What differs from key to key; keys are written a burst at a time, as the path does. */
struct traffic_key {
	rte_be32_t src, dst;
	uint32_t mark;
	uint8_t dsfield, iif;
};

enum sources { SOURCES_HIT, SOURCES_MISS, SOURCES_MIXED };

static void
make_keys(
	enum traffic kind, enum sources sources, const struct prefix4 *prefixes, size_t count, struct traffic_key *keys)
{
	uint32_t *addrs = malloc(KEYS * sizeof(*addrs));

	traffic4(kind, prefixes, count, addrs, KEYS, 7);
	for (uint32_t i = 0; i < KEYS; i++) {
		uint64_t random = (uint64_t)draw(1u << 31) << 32 | draw(1u << 31);

		keys[i] = (struct traffic_key){ .dst = rte_cpu_to_be_32(addrs[i]), .iif = 3 };
		if (sources == SOURCES_MIXED) {
			keys[i].src = rte_cpu_to_be_32(0x0b000000 + draw(1 << 18));
			keys[i].mark = draw(2) == 0 ? 0 : draw(MARKS);
			keys[i].dsfield = (uint8_t)(draw(4) == 0 ? draw(8) * 4 : 0);
			keys[i].iif = (uint8_t)(2 + draw(2));
		} else {
			keys[i].src = rte_cpu_to_be_32(source_rules_address(random, sources == SOURCES_HIT));
		}
	}
	free(addrs);
}

static inline void
write_burst(const struct traffic_key *from, struct rib_key4 *keys)
{
	for (unsigned int i = 0; i < BURST; i++) {
		keys[i].src = from[i].src;
		keys[i].dst = from[i].dst;
		keys[i].mark = from[i].mark;
		keys[i].iif = from[i].iif;
		keys[i].dsfield = from[i].dsfield;
	}
}

/* The plain walk of the rules and the search of the full routes must say the same, or the figures mean nothing. */
static void
check_answers(const struct rib *rib, const struct traffic_key *from)
{
	struct rib_key4 keys[BURST] = { 0 };
	struct rib_result results[BURST];

	for (uint32_t i = 0; i < 64 * BURST; i += BURST) {
		write_burst(from + i, keys);
		rib_lookup4(rib, keys, BURST, results);
		for (unsigned int k = 0; k < BURST; k++) {
			struct rib_key key = { .family = AF_INET,
				.dst = ip_addr_v4(keys[k].dst),
				.src = ip_addr_v4(keys[k].src),
				.mark = keys[k].mark,
				.iif = keys[k].iif,
				.dsfield = keys[k].dsfield };
			struct rib_route route;
			struct rib_hop hop;
			int status = rib_route_get(rib, &key, &route, &hop, NULL);

			if (status != (results[k].type == RTN_UNSPEC ? -ENETUNREACH : 0) ||
				(status == 0 && !ip_addr_equal(&results[k].hop->gateway, &hop.gateway)))
				check(-EBADMSG, "the lookup and the plain walk differ", NULL);
		}
	}
}

/*
 * ---- what is measured
 * -------------------------------------------------------------------------------------------------------
 */

struct work {
	const struct rib *rib;
	const struct lpm *lpm;
	const struct traffic_key *keys;
	const struct walked_rule *walked;
	struct rte_acl_ctx *acl;
};

static volatile uint64_t sink; /* something of all answers, so that no lookup is idle */

static double
lookup_cycles(const struct work *w)
{
	struct rib_key4 keys[BURST] = { 0 };
	const struct rib_result *answers[BURST];
	struct rib_result own[BURST];
	uint64_t sum = 0, start = rte_rdtsc_precise();

	for (uint32_t i = 0; i < KEYS; i += BURST) {
		write_burst(w->keys + i, keys);
		rib_find4(w->rib, keys, BURST, answers, own);
		sum += answers[i / BURST % BURST]->nexthop;
	}
	sink += sum;
	return (double)(rte_rdtsc_precise() - start) / KEYS;
}

static double
lpm_cycles(const struct work *w)
{
	uint32_t addrs[BURST], values[BURST];
	uint64_t sum = 0, start = rte_rdtsc_precise();

	for (uint32_t i = 0; i < KEYS; i += BURST) {
		for (unsigned int k = 0; k < BURST; k++)
			addrs[k] = rte_be_to_cpu_32(w->keys[i + k].dst);
		lpm_lookup_v4(w->lpm, addrs, BURST, values);
		sum += values[i / BURST % BURST];
	}
	sink += sum;
	return (double)(rte_rdtsc_precise() - start) / KEYS;
}

/* A rule as a program without a compiler would keep it. */
struct walked_rule {
	rte_be32_t src, src_mask, dst, dst_mask;
	uint32_t mark, mark_mask, iif;
	uint8_t tos;
	uint32_t table;
};

static int
add_walked(void *arg, const struct rib_rule *r)
{
	struct walked_rule **at = arg;

	*(*at)++ =
		(struct walked_rule){ .src_mask = rte_cpu_to_be_32(~(uint32_t)(UINT64_C(0xffffffff) >> r->src.length)),
			.dst_mask = rte_cpu_to_be_32(~(uint32_t)(UINT64_C(0xffffffff) >> r->dst.length)),
			.src = r->src.addr.v4,
			.dst = r->dst.addr.v4,
			.mark = r->mark,
			.mark_mask = r->mark_mask,
			.tos = r->tos,
			.iif = r->iif[0] == '\0' ? 0 : 2 + (uint32_t)(r->iif[3] - '0'),
			.table = r->table };
	return 0;
}

static inline bool
walked_matches(const struct walked_rule *r, const struct traffic_key *k)
{
	return ((k->src ^ r->src) & r->src_mask) == 0 && ((k->dst ^ r->dst) & r->dst_mask) == 0 &&
	       ((k->mark ^ r->mark) & r->mark_mask) == 0 && (r->iif == 0 || r->iif == k->iif) &&
	       (r->tos == 0 || r->tos == k->dsfield);
}

/* The first rule behind local's that matches. */
static double
walk_cycles(const struct work *w)
{
	static uint32_t next;
	uint64_t sum = 0, start = rte_rdtsc_precise();

	for (uint32_t i = 0; i < WALKED; i++) {
		const struct traffic_key *k = &w->keys[next++ % KEYS];
		const struct walked_rule *r = w->walked + 1;

		while (!walked_matches(r, k))
			r++;
		sum += r->table;
	}
	sink += sum;
	return (double)(rte_rdtsc_precise() - start) / WALKED;
}

/* What rte_acl looks at: it wants one byte first, and words of four behind. */
struct acl_packet {
	uint8_t first, unused[3];
	rte_be32_t src;
};

RTE_ACL_RULE_DEF(source_acl_rule, 2);

static const struct rte_acl_field_def acl_fields[2] = {
	{ RTE_ACL_FIELD_TYPE_BITMASK, sizeof(uint8_t), 0, 0, offsetof(struct acl_packet, first) },
	{ RTE_ACL_FIELD_TYPE_MASK, sizeof(uint32_t), 1, 1, offsetof(struct acl_packet, src) },
};

static int
add_acl(void *arg, const struct rib_rule *r)
{
	struct source_acl_rule rule = { .data = { .category_mask = 1, .userdata = r->table } };

	if (r->src.length == 0)
		return 0;
	rule.data.priority = (int32_t)(RTE_ACL_MAX_PRIORITY - r->priority);
	rule.field[1].value.u32 = rte_be_to_cpu_32(r->src.addr.v4);
	rule.field[1].mask_range.u32 = r->src.length;
	return rte_acl_add_rules(arg, (struct rte_acl_rule *)&rule, 1);
}

static struct rte_acl_ctx *
make_acl(const struct rib *rib)
{
	struct rte_acl_param param = { .name = "bench",
		.socket_id = SOCKET_ID_ANY,
		.rule_size = RTE_ACL_RULE_SZ(2),
		.max_rule_num = SOURCE_RULES };
	struct rte_acl_config config = { .num_categories = 1, .num_fields = 2 };
	struct rte_acl_ctx *acl = rte_acl_create(&param);

	check(acl == NULL ? -ENOMEM : 0, "rte_acl_create", NULL);
	memcpy(config.defs, acl_fields, sizeof(acl_fields));
	check(rib_rule_walk(rib, AF_INET, add_acl, acl), "rte_acl_add_rules", NULL);
	check(rte_acl_build(acl, &config), "rte_acl_build", NULL);
	return acl;
}

static double
acl_cycles(const struct work *w)
{
	struct acl_packet packets[BURST] = { 0 };
	const uint8_t *data[BURST];
	uint32_t tables[BURST];
	uint64_t sum = 0, start;

	for (unsigned int i = 0; i < BURST; i++)
		data[i] = (const uint8_t *)&packets[i];
	start = rte_rdtsc_precise();
	for (uint32_t i = 0; i < KEYS; i += BURST) {
		for (unsigned int k = 0; k < BURST; k++)
			packets[k].src = w->keys[i + k].src;
		rte_acl_classify(w->acl, data, tables, BURST, 1);
		sum += tables[i / BURST % BURST];
	}
	sink += sum;
	return (double)(rte_rdtsc_precise() - start) / KEYS;
}

/*
 * ---- rows
 * ---------------------------------------------------------------------------------------------------------------------
 */

/* Samples of one beside samples of the other. */
static void
row(const char *name, const char *work, const char *peer_name, const struct work *weir, const struct work *peer,
	double (*peer_cycles)(const struct work *w))
{
	struct report_row r = { .name = name, .work = work, .unit = "cycles/lookup", .peer_name = peer_name };
	double ours[SAMPLES], theirs[SAMPLES];

	if (!report_wanted(name))
		return;
	check_answers(weir->rib, weir->keys);
	for (unsigned int i = 0; i < SAMPLES; i++) {
		ours[i] = lookup_cycles(weir);
		theirs[i] = peer_cycles(peer);
	}
	report_add(&r, ours, theirs, SAMPLES);
}

/* What rules cost more than the default ones: the whole path's goal (bench-forward) for the lookup alone. */
static void
row_added(const char *name, const char *work, const struct work *with, const struct work *without)
{
	struct report_row r = { .name = name, .work = work, .unit = "cycles more", .must = 40, .strive = 25 };
	double more[SAMPLES];

	if (!report_wanted(name))
		return;
	for (unsigned int i = 0; i < SAMPLES; i++)
		more[i] = lookup_cycles(with) - lookup_cycles(without);
	report_add(&r, more, NULL, SAMPLES);
}

static struct walked_rule *
walked_rules(const struct rib *rib)
{
	struct walked_rule *rules = calloc(SOURCE_RULES + 8, sizeof(*rules)), *at = rules;

	rib_rule_walk(rib, AF_INET, add_walked, &at);
	return rules;
}

static void
default_rows(const struct rib *rib, const struct traffic_key *uniform, const struct traffic_key *zipf)
{
	struct work w = { .rib = rib, .lpm = table_find(rib, AF_INET, RT_TABLE_MAIN)->lpm, .keys = uniform };

	row("rules-default-uniform", "1.0M routes, default rules: lookup", "lpm alone", &w, &w, lpm_cycles);
	w.keys = zipf;
	row("rules-default-zipf", "1.0M routes, default rules: lookup, Zipf", "lpm alone", &w, &w, lpm_cycles);
}

static void
source_rows(const struct rib *plain, struct rib *rib, const struct traffic_key *hit, const struct traffic_key *miss)
{
	struct work without = { .rib = plain, .keys = hit }, with = { .rib = rib, .keys = hit };
	struct report_row r = { .name = "rules-10k-add",
		.work = "10,000 rules and their tables, added one by one",
		.unit = "s",
		.must = 2 };
	struct error err = { 0 };
	double seconds;
	uint64_t start = rte_rdtsc();

	check(source_rules_add(rib, 2, gateways, GATEWAYS, &err), "source rules", &err);
	seconds = (double)(rte_rdtsc() - start) / (double)rte_get_tsc_hz();
	if (report_wanted(r.name))
		report_add(&r, &seconds, NULL, 1);
	with.acl = make_acl(rib);
	with.walked = walked_rules(rib);
	row("rules-10k-hit", "10,000 source rules, 1,000 tables, all hit", "default rules", &with, &without,
		lookup_cycles);
	row_added("rules-10k-hit-added", "the same, more than the default rules", &with, &without);
	row("rules-10k-hit-acl", "the same, beside rte_acl's match", "rte_acl", &with, &with, acl_cycles);
	row("rules-10k-hit-walk", "the same, beside a plain walk", "walk", &with, &with, walk_cycles);
	with.keys = without.keys = miss;
	row("rules-10k-miss", "10,000 source rules, none hit: main", "default rules", &with, &without, lookup_cycles);
	row_added("rules-10k-miss-added", "the same, more than the default rules", &with, &without);
	row("rules-10k-miss-acl", "the same, beside rte_acl's match", "rte_acl", &with, &with, acl_cycles);
	free((void *)(uintptr_t)with.walked);
	rte_acl_free(with.acl);
}

int
main(int argc, char **argv)
{
	struct prefix4 *prefixes;
	size_t count = prefixes_load(argc > 1 ? argv[1] : NULL, &prefixes);
	struct traffic_key *keys[4];
	struct rib *plain, *rib;

	eal_start();
	plain = make_rib(prefixes, count);
	rib = make_rib(prefixes, count);
	for (unsigned int i = 0; i < 4; i++)
		keys[i] = malloc(KEYS * sizeof(struct traffic_key));
	make_keys(TRAFFIC_UNIFORM, SOURCES_HIT, prefixes, count, keys[0]);
	make_keys(TRAFFIC_ZIPF, SOURCES_HIT, prefixes, count, keys[1]);
	make_keys(TRAFFIC_UNIFORM, SOURCES_MISS, prefixes, count, keys[2]);
	make_keys(TRAFFIC_UNIFORM, SOURCES_MIXED, prefixes, count, keys[3]);
	default_rows(plain, keys[0], keys[1]);
	source_rows(plain, rib, keys[0], keys[2]);
	rib_destroy(rib);
	if (report_wanted("rules-1k-mixed")) {
		struct work mixed = { .rib = plain, .keys = keys[3] };

		add_mixed_rules(plain);
		mixed.walked = walked_rules(plain);
		row("rules-1k-mixed", "1,000 rules of from, to, fwmark, tos, iif", "walk", &mixed, &mixed, walk_cycles);
		free((void *)(uintptr_t)mixed.walked);
	}
	rib_destroy(plain);
	for (unsigned int i = 0; i < 4; i++)
		free(keys[i]);
	free(prefixes);
	return 0;
}
