/* SPDX-License-Identifier: BSD-3-Clause */
#include "rule_draw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t seed;

void
draw_seed(void)
{
	const char *given = getenv("SEED");

	seed = given != NULL ? strtoull(given, NULL, 0) : UINT64_C(0x9e3779b97f4a7c15);
	print_message("SEED=%#llx\n", (unsigned long long)seed);
}

uint32_t
draw(uint32_t below)
{
	seed ^= seed << 13; /* xorshift64, G. Marsaglia 2003 */
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)((seed * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % below;
}

/* The variable bits are spread over the address, so that prefixes of any length part some from others. */
struct ip_addr
draw_addr(uint8_t family)
{
	uint32_t front = 0x0a000000 | draw(3) << 22 | draw(6) << 16 | draw(2) << 9 | draw(5);
	struct ip_addr addr = ip_addr_v4(rte_cpu_to_be_32(front));

	if (family == AF_INET6) {
		addr.words[0] = rte_cpu_to_be_32(0x20010000 | draw(3));
		addr.words[1] = rte_cpu_to_be_32(draw(3) << 30);
		addr.words[2] = rte_cpu_to_be_32(draw(2));
		addr.words[3] = rte_cpu_to_be_32(front);
	}
	return addr;
}

static struct ip_prefix
draw_prefix(uint8_t family)
{
	static const uint8_t lengths4[] = { 0, 8, 16, 23, 24, 30, 32, 32 },
			     lengths6[] = { 0, 16, 32, 34, 64, 96, 112, 128 };

	return (struct ip_prefix){ family, (family == AF_INET ? lengths4 : lengths6)[draw(8)], draw_addr(family) };
}

static void
draw_action(struct rib_rule *r)
{
	static const uint8_t actions[] = { FR_ACT_NOP, FR_ACT_GOTO, FR_ACT_GOTO, FR_ACT_GOTO, FR_ACT_BLACKHOLE,
		FR_ACT_PROHIBIT, FR_ACT_UNREACHABLE };

	if (draw(4) != 0)
		return;
	r->action = actions[draw(7)];
	r->table = 0;
	r->go_to = r->action == FR_ACT_GOTO ? r->priority + DRAW_PRIORITY_STEP * (1 + draw(8)) : 0;
}

static void
draw_ports(struct rib_rule *r)
{
	if (draw(6) == 0) {
		r->sport_low = (uint16_t)(1 + draw(4));
		r->sport_high = (uint16_t)(r->sport_low + draw(3));
	}
	if (draw(6) == 0) {
		r->dport_low = (uint16_t)(1 + draw(4));
		r->dport_high = (uint16_t)(r->dport_low + (draw(3) == 0 ? draw(3) : 0));
	}
}

uint32_t
draw_priority(void)
{
	return DRAW_PRIORITY_STEP * draw(60);
}

struct rib_rule
draw_rule(uint8_t family)
{
	struct rib_rule r = { .family = family,
		.action = FR_ACT_TO_TBL,
		.table = 100 + draw(DRAW_TABLES),
		.priority = draw_priority(),
		.priority_set = true,
		.suppress_prefix_length = draw(8) == 0 ? (int32_t)draw(24) : -1 };

	if (draw(2) == 0)
		r.src = draw_prefix(family);
	if (draw(3) == 0)
		r.dst = draw_prefix(family);
	if (draw(3) == 0) {
		r.mark = draw(4);
		r.mark_mask = draw(2) == 0 ? UINT32_MAX : draw(4);
	}
	if (draw(5) == 0)
		r.tos = (uint8_t)(draw(4) << 2);
	if (draw(5) == 0) /* of which one more than there are */
		snprintf(r.iif, sizeof(r.iif), "eth%u", draw(DRAW_LINKS + 1));
	if (draw(12) == 0)
		snprintf(r.oif, sizeof(r.oif), "eth%u", draw(DRAW_LINKS + 1));
	if (draw(8) == 0)
		r.ip_protocol = (uint8_t)(6 + draw(2) * 11);
	if (draw(8) == 0)
		r.realm = draw(3) << 16 | draw(3);
	draw_ports(&r);
	if (draw(16) == 0)
		r.uid_set = true, r.uid_low = draw(2), r.uid_high = 5;
	r.invert = draw(12) == 0;
	draw_action(&r);
	return r;
}

struct rib_key
draw_key(uint8_t family)
{
	return (struct rib_key){ .family = family,
		.iif = 1 + draw(DRAW_LINKS + 1),
		.mark = draw(5),
		.src = draw_addr(family),
		.dst = draw_addr(family),
		.flow_hash = draw(1u << 31) * 2,
		.dsfield = (uint8_t)draw(256),
		.ip_protocol = (uint8_t)(6 + draw(2) * 11),
		.sport = (uint16_t)draw(8),
		.dport = (uint16_t)draw(6) };
}

struct rib_key4
key4_of(const struct rib_key *key)
{
	return (struct rib_key4){ .src = key->src.v4,
		.dst = key->dst.v4,
		.mark = key->mark,
		.iif = key->iif,
		.oif = key->oif,
		.sport = rte_cpu_to_be_16(key->sport),
		.dport = rte_cpu_to_be_16(key->dport),
		.dsfield = key->dsfield,
		.ip_protocol = key->ip_protocol,
		.unused = 0xbeef,
		.flow_hash = key->flow_hash };
}
