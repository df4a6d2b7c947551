/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ways of plain_worlds.h under frames and configuration drawn by chance. Each seed is printed; SEED=n in the
 * environment plays only that one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <linux/fib_rules.h>

#include <weir/netfilter.h>
#include <weir/netfilter/matches.h>
#include <weir/netfilter/targets.h>

#include "plain_worlds.h"

#define SEEDS      4
#define SETTINGS   60 /* configurations of each seed */
#define BURSTS     12 /* of each configuration */
#define TABLE      77
#define RULES_MOST 60 /* of a packet filter table */

static uint64_t draw_state;

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint32_t
draw(uint32_t below)
{
	uint64_t z = draw_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z >> 32) % below);
}

static bool
one_in(uint32_t n)
{
	return draw(n) == 0;
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

static uint32_t
draw_source(void)
{
	static const uint32_t odd[] = { IP(10, 0, 0, 1), IP(10, 1, 0, 1), IP(10, 3, 0, 1), IP(10, 0, 0, 255),
		IP(10, 3, 0, 255), IP(127, 0, 0, 1), IP(0, 0, 0, 1), IP(0, 255, 1, 1), IP(1, 0, 0, 0), IP(126, 1, 1, 1),
		IP(128, 0, 0, 1), IP(223, 255, 255, 255), IP(224, 0, 0, 1), IP(239, 1, 1, 1), IP(240, 0, 0, 1),
		IP(255, 255, 255, 255), STRANGER, IP(10, 2, 0, 7), IP(10, 66, 0, 1), IP(9, 9, 9, 9) };

	if (one_in(5))
		return odd[draw(RTE_DIM(odd))];
	return one_in(3) ? IP(10, 0, 0, 2 + draw(250)) : HOST;
}

static uint32_t
draw_destination(void)
{
	static const uint32_t odd[] = { IP(10, 0, 0, 1), IP(10, 1, 0, 1), IP(10, 0, 0, 255), IP(10, 1, 0, 255),
		IP(10, 1, 0, 0), IP(127, 0, 0, 1), IP(0, 0, 0, 0), IP(0, 0, 0, 1), IP(1, 0, 0, 0), IP(126, 1, 1, 1),
		IP(223, 255, 255, 255), IP(224, 0, 0, 1), IP(239, 1, 1, 1), IP(240, 0, 0, 1), IP(255, 255, 255, 255),
		STRANGER, IP(10, 66, 0, 1), IP(10, 67, 0, 1), IP(10, 68, 0, 1), IP(10, 69, 0, 1), IP(9, 9, 9, 9), HOST,
		IP(10, 0, 0, 77), IP(10, 5, 0, 1) };

	switch (draw(8)) {
	case 0:
		return odd[draw(RTE_DIM(odd))];
	case 1:
		return IP(10, 3, 0, 2 + draw(250));
	case 2:
		return IP(10, 4, draw(256), draw(256));
	case 3:
		return IP(10, 1, 0, 2 + draw(6));
	default:
		return IP(10, 2, draw(256), draw(256));
	}
}

static struct frame
draw_datagram(void)
{
	static const uint8_t protocols[] = { IPPROTO_UDP, IPPROTO_UDP, IPPROTO_UDP, IPPROTO_TCP, IPPROTO_TCP,
		IPPROTO_ICMP, IPPROTO_SCTP, IPPROTO_UDPLITE, IPPROTO_DCCP, IPPROTO_IGMP, IPPROTO_GRE };
	static const uint8_t ports[4] = { 0, 2, 0, 8 };
	static const uint16_t lengths[] = { 1, 3, 4, 5, 8, 25, 26, 27, 40, 256, 257, 556, 1480, 1481 };
	struct datagram_spec spec = { .src = draw_source(),
		.dst = draw_destination(),
		.protocol = protocols[draw(RTE_DIM(protocols))],
		.ttl = (uint8_t)(one_in(6) ? 1 + draw(3) : 1 + draw(255)),
		.tos = (uint8_t)(one_in(2) ? draw(256) : 0),
		.id = (uint16_t)draw(65536),
		.offset = one_in(2) ? RTE_IPV4_HDR_DF_FLAG : 0,
		.payload = one_in(3) ? lengths[draw(RTE_DIM(lengths))] : (uint16_t)(1 + draw(400)),
		.sport = (uint16_t)(1 + draw(3)),
		.dport = (uint16_t)(8 + draw(4)),
		.broadcast_mac = one_in(40),
		.zero_source = one_in(40) };

	if (spec.payload == 4) /* ports, and nothing behind them */
		spec.body = ports;
	if (one_in(20))
		spec.offset = (uint16_t)(1u << draw(16));
	if (one_in(30)) {
		spec.options_bytes = 4;
		memcpy(spec.options, (uint8_t[]){ 1, 1, 1, one_in(4) ? 7 : 0 }, 4);
	}
	return world_datagram(&spec);
}

static void
insert_tag(struct frame *f, uint16_t type, uint16_t tci)
{
	uint8_t tag[4] = { (uint8_t)(type >> 8), (uint8_t)type, (uint8_t)(tci >> 8), (uint8_t)tci };

	memmove(f->data + 16, f->data + 12, f->bytes - 12);
	memcpy(f->data + 12, tag, 4);
	f->bytes += 4;
}

/* One thing about it is other than it should be. */
static void
spoil(struct arrival *a)
{
	static const uint16_t types[] = { 0x86dd, 0x0806, 0x0100, 0x05ff, 0x0600, 0x0801, 0x0900 };
	struct frame *f = &a->whole;
	uint8_t *ip = f->data + RTE_ETHER_HDR_LEN;

	switch (draw(14)) {
	case 0: /* another host's */
		memcpy(f->data, (uint8_t[6]){ 0x02, 0, 0, 0, 0, (uint8_t)draw(6) }, 6);
		break;
	case 1:
		memcpy(f->data, (uint8_t[6]){ 0x01, 0, 0x5e, 0, 0, 1 }, 6);
		break;
	case 2:
		f->data[12] = (uint8_t)(types[draw(RTE_DIM(types))] >> 8);
		f->data[13] = (uint8_t)types[draw(RTE_DIM(types))];
		break;
	case 3:
		insert_tag(f, one_in(2) ? 0x8100 : 0x88a8, (uint16_t)(one_in(2) ? draw(8) << 13 : draw(65536)));
		break;
	case 4:
		ip[0] = (uint8_t)draw(256);
		mend_checksum(f);
		break;
	case 5: /* the total length */
		ip[2] = (uint8_t)(one_in(2) ? ip[2] : draw(4));
		ip[3] = (uint8_t)draw(256);
		mend_checksum(f);
		break;
	case 6:
		ip[draw(20)] ^= (uint8_t)(1 << draw(8));
		break;
	case 7:
		ip[draw(20)] ^= (uint8_t)(1 << draw(8));
		mend_checksum(f);
		break;
	case 8: /* cut off, with the rest still in the buffer */
		a->bytes = (uint16_t)draw(f->bytes + 1u);
		return;
	case 9:
		a->bytes = (uint16_t)draw(RTE_MIN(f->bytes, 60));
		return;
	case 10:
		want_checksum(f, one_in(2) ? 0 : 0xffff);
		break;
	case 11:
		want_checksum(f, (uint16_t)(0xfd00 + draw(0x400)));
		break;
	case 12:
		ip[8] = 0; /* TTL */
		mend_checksum(f);
		break;
	default:
		a->segment = (uint16_t)(1 + draw(one_in(2) ? 20 : 300));
	}
}

static struct arrival
draw_arrival(void)
{
	struct arrival a = { .whole = draw_datagram(), .segment = 2048, .mark = draw(3) };
	uint16_t padded = (uint16_t)(a.whole.bytes + draw(60));

	if (one_in(8) && padded <= 1514) {
		for (uint16_t i = a.whole.bytes; i < padded; i++)
			a.whole.data[i] = (uint8_t)draw(256);
		a.whole.bytes = padded;
	}
	a.bytes = UINT16_MAX;
	if (one_in(4))
		spoil(&a);
	if (a.bytes == UINT16_MAX)
		a.bytes = a.whole.bytes;
	return a;
}

/* ---- configuration ----------------------------------------------------------------------------------------------- */

/* 10.4/16 by several hops, or by one. */
static void
spread(struct router *r, bool many)
{
	struct rib_hop hops[3] = { { .gateway_family = AF_INET, .gateway = ip_addr_v4(rte_cpu_to_be_32(GATEWAY)) },
		{ .ifindex = DUM0, .realm = 5 },
		{ .gateway_family = AF_INET, .gateway = ip_addr_v4(rte_cpu_to_be_32(IP(10, 1, 0, 3))) } };
	struct rib_route route = { .dst = { AF_INET, 16, ip_addr_v4(RTE_BE32(IP(10, 4, 0, 0))) },
		.table = RT_TABLE_MAIN,
		.protocol = RTPROT_BOOT,
		.type = RTN_UNICAST,
		.scope = RT_SCOPE_UNIVERSE,
		.hop_count = many ? 3 : 1,
		.hops = hops };

	assert_int_equal(rib_route_add(r->rib, &route, CHANGE_CREATE | CHANGE_REPLACE, NULL), 0);
}

static void
add_rule(struct router *r, uint32_t priority, struct rib_rule rule)
{
	rule.family = AF_INET;
	rule.action = FR_ACT_TO_TBL;
	rule.table = TABLE;
	rule.priority = priority;
	rule.priority_set = true;
	rule.suppress_prefix_length = -1;
	assert_int_equal(rib_rule_add(r->rib, &rule, CHANGE_CREATE | CHANGE_EXCLUSIVE, NULL), 0);
}

/* Rules by all that a key holds, to a table that leads elsewhere. */
static void
set_rules(struct router *r, uint32_t which)
{
	struct rib_rule rules[6] = { { .tos = 0x10 }, { .mark = 2, .mark_mask = 3 },
		{ .iif = "port2", .ip_protocol = IPPROTO_TCP },
		{ .ip_protocol = IPPROTO_UDP, .sport_low = 2, .sport_high = 2, .dport_low = 8, .dport_high = 9 },
		{ .src = { AF_INET, 30, ip_addr_v4(RTE_BE32(IP(10, 0, 0, 64))) } },
		{ .dst = { AF_INET, 17, ip_addr_v4(RTE_BE32(IP(10, 2, 128, 0))) } } };
	struct rib_hop hop = { .ifindex = DUM0 };
	struct rib_route elsewhere = { .dst = { AF_INET, 0, { { { 0 } } } },
		.table = TABLE,
		.type = RTN_UNICAST,
		.scope = RT_SCOPE_LINK,
		.hop_count = 1,
		.hops = &hop };

	assert_int_equal(rib_route_add(r->rib, &elsewhere, CHANGE_CREATE | CHANGE_REPLACE, NULL), 0);
	for (uint32_t i = 0; i < RTE_DIM(rules); i++) {
		struct rib_rule old = {
			.family = AF_INET, .priority = 100 + i, .priority_set = true, .suppress_prefix_length = -1
		};

		rib_rule_delete(r->rib, &old, NULL);
		if ((which >> i & 1) != 0)
			add_rule(r, 100 + i, rules[i]);
	}
}

/* The senders' own network is reached by a route with a realm, or without. */
static void
set_way_back(struct router *r, uint32_t realm)
{
	struct rib_hop hop = { .ifindex = ETH0, .realm = realm };
	struct rib_route route = { .dst = { AF_INET, 25, ip_addr_v4(RTE_BE32(IP(10, 0, 0, 0))) },
		.table = RT_TABLE_MAIN,
		.protocol = RTPROT_BOOT,
		.type = RTN_UNICAST,
		.scope = RT_SCOPE_LINK,
		.hop_count = 1,
		.hops = &hop };

	assert_int_equal(rib_route_add(r->rib, &route, CHANGE_CREATE | CHANGE_REPLACE, NULL), 0);
}

/*
 * Of the chains of one table: `rules` by hook, of which those are there that `which` has the bits of; the policies
 * accept.
 */
struct hook_rule {
	enum netfilter_hook hook;
	struct netfilter_rule_spec spec;
};

static uint32_t
set_table(
	struct router *r, enum netfilter_table_id table, const struct hook_rule *rules, uint32_t count, uint32_t which)
{
	struct netfilter_rule_spec all[RULES_MOST + NETFILTER_HOOKS];
	struct netfilter_table_spec spec = { .table = table, .rules = all };
	struct error err = { 0 };

	if (which == 0) {
		netfilter_unload(r->netfilter, table);
		return 0;
	}
	for (unsigned int hook = 0; hook < NETFILTER_HOOKS; hook++) {
		if ((netfilter_table_hooks(table) & 1u << hook) == 0)
			continue;
		spec.first[hook] = spec.n_rules;
		for (uint32_t i = 0; i < count; i++)
			if (rules[i].hook == hook && (which >> i % 32 & 1) != 0)
				all[spec.n_rules++] = rules[i].spec;
		spec.policy[hook] = spec.n_rules;
		all[spec.n_rules++] = (struct netfilter_rule_spec){ .target.verdict = NETFILTER_ACCEPT };
	}
	if (netfilter_replace(r->netfilter, &spec, NULL, &err) != 0)
		fail_msg("%s", err.msg);
	return spec.n_rules;
}

/*
 * Before the route: marks, TOS and TTL change, and some are dropped. Behind it likewise, by the MAC that they came
 * from, too.
 */
static uint32_t
set_mangle(struct router *r, uint32_t which)
{
	struct netfilter_udp_conf port9 = { { 0, 65535 }, { 9, 9 } }, from3 = { { 3, 3 }, { 0, 65535 } };
	struct netfilter_mac_conf host = { .invert = true };
	struct netfilter_length_conf length = { 0, 60 };
	const struct netfilter_match_spec by_port9 = { "udp", &port9 }, by_from3 = { "udp", &from3 };
	const struct netfilter_match_spec by_mac = { "mac", &host }, by_length = { "length", &length };
	struct netfilter_mark_target_conf mark = { 2, UINT32_MAX };
	struct netfilter_tos_target_conf tos = { 0x10, 0xff };
	struct netfilter_ttl_target_conf less = { NETFILTER_TTL_DEC, 3 }, five = { NETFILTER_TTL_SET, 5 };
	struct netfilter_classify_conf classify = { 0x10020 };
	const struct hook_rule rules[] = {
		{ NETFILTER_PREROUTING, { { .protocol = IPPROTO_UDP }, &by_port9, 1,
						{ NETFILTER_EXTENSION, 0, "MARK", &mark }, { 0 } } },
		{ NETFILTER_PREROUTING,
			{ { .protocol = IPPROTO_TCP }, NULL, 0, { NETFILTER_EXTENSION, 0, "TOS", &tos }, { 0 } } },
		{ NETFILTER_PREROUTING, { { 0 }, &by_length, 1, { NETFILTER_EXTENSION, 0, "TTL", &less }, { 0 } } },
		{ NETFILTER_PREROUTING,
			{ { .protocol = IPPROTO_UDP }, &by_from3, 1, { NETFILTER_DROP, 0, NULL, NULL }, { 0 } } },
		{ NETFILTER_FORWARD, { { 0 }, &by_mac, 1, { NETFILTER_DROP, 0, NULL, NULL }, { 0 } } },
		{ NETFILTER_FORWARD,
			{ { .protocol = IPPROTO_TCP }, NULL, 0, { NETFILTER_EXTENSION, 0, "TTL", &five }, { 0 } } },
		{ NETFILTER_POSTROUTING, { { .protocol = IPPROTO_UDP }, NULL, 0,
						 { NETFILTER_EXTENSION, 0, "CLASSIFY", &classify }, { 0 } } },
	};

	memcpy(host.address, host_mac, sizeof(host.address));
	return set_table(r, NETFILTER_MANGLE, rules, RTE_DIM(rules), which & 0x7f);
}

/* So many addresses that they are hashed. */
static uint32_t
set_bans(struct router *r, uint32_t which)
{
	struct hook_rule bans[RULES_MOST];

	for (uint32_t i = 0; i < RULES_MOST; i++)
		bans[i] = (struct hook_rule){ NETFILTER_FORWARD,
			{ .selector = { .dst = rte_cpu_to_be_32(IP(10, 3, 0, 2 + 3 * i)), .dst_mask = UINT32_MAX },
				.target.verdict = NETFILTER_DROP } };
	return set_table(r, NETFILTER_FILTER, bans, RULES_MOST, which);
}

struct configuration {
	struct port_settings all, port;
	bool replay, no_buffers, hooked, many, by_ports, stranger, down, gateway_known;
	uint32_t rules, mtu_in, mtu_out, realm, mangle, bans;
	uint16_t gateway_state;
};

static struct configuration
draw_configuration(const struct port_settings *defaults)
{
	static const uint32_t mtus[] = { 1500, 1500, 1500, 576, 276, 46, 1501 };
	struct configuration c = { .port = *defaults,
		.replay = one_in(6),
		.no_buffers = one_in(12),
		.hooked = one_in(4),
		.many = one_in(2),
		.by_ports = one_in(2),
		.stranger = one_in(2),
		.down = one_in(12),
		.rules = one_in(2) ? draw(64) : 0,
		.mtu_in = mtus[draw(RTE_DIM(mtus))],
		.mtu_out = mtus[draw(RTE_DIM(mtus))],
		.realm = one_in(3) ? 9 : 0,
		.mangle = one_in(3) ? draw(128) : 0,
		.bans = one_in(3) ? draw(UINT32_MAX) : 0,
		.gateway_state = one_in(2)   ? NUD_PERMANENT
				 : one_in(2) ? NUD_STALE
				 : one_in(2) ? NUD_REACHABLE
					     : NUD_NOARP };

	c.port.forwarding = !one_in(10);
	c.port.rp_filter = one_in(4) ? (int)draw(3) : 0;
	c.port.accept_local = one_in(6);
	c.port.src_valid_mark = one_in(2);
	c.port.route_localnet = one_in(6);
	c.port.unres_qlen = one_in(6) ? (int)draw(4) : 101;
	c.all.send_redirects = one_in(2);
	c.all.rp_filter = one_in(10) ? (int)draw(3) : 0;
	c.all.accept_local = one_in(10);
	c.all.route_localnet = one_in(10);
	c.all.accept_source_route = one_in(2);
	return c;
}

static void
configure(struct worlds *worlds, int way, const struct configuration *c)
{
	struct router *r = worlds->r[way];

	r->all = c->all;
	for (uint32_t i = 1; i < PORTS; i++)
		r->ports[i].settings = c->port;
	r->replay = c->replay;
	r->no_buffers = c->no_buffers;
	r->settings.fib_multipath_hash_policy = c->by_ports;
	r->ports[DUM0].flags = (r->ports[DUM0].flags & ~(uint32_t)IFF_UP) | (c->down ? 0 : IFF_UP);
	if (c->hooked)
		hook(r);
	spread(r, c->many);
	set_stranger(r, c->stranger);
	set_mtu(r, ETH0, c->mtu_in);
	set_mtu(r, ETH1, c->mtu_out);
	set_rules(r, c->rules);
	set_way_back(r, c->realm);
	world_neighbour(r, ETH1, GATEWAY, gateway_mac, c->gateway_state);
	worlds->table_rules[NETFILTER_MANGLE] = set_mangle(r, c->mangle);
	worlds->table_rules[NETFILTER_FILTER] = set_bans(r, c->bans);
}

/* ---- the test ---------------------------------------------------------------------------------------------------- */

static void
pass_time(struct worlds *worlds, uint64_t ns)
{
	for (int way = 0; way < WAYS; way++)
		world_advance(worlds->r[way], ns);
	compare_all(worlds);
}

static void
play(struct worlds *worlds, uint32_t seed)
{
	static struct arrival arrivals[BURST_MOST];

	print_message("seed %u\n", seed);
	draw_state = seed * UINT64_C(0x9e3779b97f4a7c15);
	for (unsigned int i = 0; i < SETTINGS; i++) {
		struct configuration c = draw_configuration(&worlds->r[AS_IS]->defaults);

		unhook(worlds);
		for (int way = 0; way < WAYS; way++)
			configure(worlds, way, &c);
		pass_time(worlds, one_in(4) ? 40 * SECOND : 0);
		for (unsigned int k = 0; k < BURSTS; k++) {
			uint16_t n = (uint16_t)(1 + draw(one_in(4) ? BURST_MOST : 12));

			for (uint16_t a = 0; a < n; a++)
				arrivals[a] = draw_arrival();
			play_burst(worlds, one_in(12) ? LO : one_in(6) ? ETH1 : ETH0, arrivals, n, draw(n), !one_in(8));
			pass_time(worlds, draw(3) * 700 * MS);
		}
	}
}

static void
all_ways_lead_to_the_same(void **state)
{
	struct worlds *worlds = *state;
	const char *only = getenv("SEED");

	if (only != NULL)
		play(worlds, (uint32_t)strtoul(only, NULL, 0));
	for (uint32_t seed = 1; only == NULL && seed <= SEEDS; seed++)
		play(worlds, seed);
	assert_true(worlds->fast > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_ways_lead_to_the_same, plain_setup, plain_teardown),
	};

	eal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
