/* SPDX-License-Identifier: BSD-3-Clause */
#include "rules_setup.h"

#define HOSTS          UINT32_C(0x0b000000) /* 11.0.0.0 on: sources of rules of hosts, HOST_STEP apart */
#define HOST_STEP      7
#define NETWORKS       UINT32_C(0x14000000) /* 20.0.0.0 on: those of networks, one beside the other */
#define NOBODY         UINT32_C(0x1e000000) /* 30.0.0.0/8: of no rule */
#define EACH           (SOURCE_RULES / 2)
#define FIRST_TABLE    1000
#define FIRST_PRIORITY 1000
#define TABLE_ROUTES   10

static uint32_t
table_of_rule(uint32_t rule)
{
	return FIRST_TABLE + rule * 7919u % SOURCE_TABLES; /* a prime: neighbours in address are not in table */
}

static int
add_rule(struct rib *rib, uint32_t rule, struct error *err)
{
	bool host = rule % 2 == 0;
	uint32_t number = rule / 2;
	struct rib_rule r = { .family = AF_INET,
		.action = FR_ACT_TO_TBL,
		.priority = FIRST_PRIORITY + rule,
		.priority_set = true,
		.table = table_of_rule(rule),
		.suppress_prefix_length = -1,
		.src = { AF_INET, host ? 32 : 24,
			ip_addr_v4(rte_cpu_to_be_32(host ? HOSTS + number * HOST_STEP : NETWORKS + (number << 8))) } };

	return rib_rule_add(rib, &r, CHANGE_CREATE | CHANGE_EXCLUSIVE, err);
}

/* A default route, and one each of /8, /10 ... /24. */
static int
add_route(struct rib *rib, uint32_t table, unsigned int route, const struct rib_hop *hop, struct error *err)
{
	uint8_t length = route == 0 ? 0 : (uint8_t)(6 + route * 2);
	uint32_t addr = length == 0 ? 0
				    : (0x20000000 + (table * 2654435761u + route * 0x9e3779b9u) % 0x90000000) &
					      ~(UINT32_MAX >> length);
	struct rib_route r = { .table = table,
		.protocol = RTPROT_BOOT,
		.type = RTN_UNICAST,
		.hop_count = 1,
		.hops = hop,
		.dst = { AF_INET, length, ip_addr_v4(rte_cpu_to_be_32(addr)) } };

	return rib_route_add(rib, &r, CHANGE_CREATE | CHANGE_EXCLUSIVE, err);
}

int
source_rules_add(struct rib *rib, uint32_t ifindex, const struct ip_addr *gateways, unsigned int gateway_count,
	struct error *err)
{
	int status = 0;

	for (uint32_t t = 0; t < SOURCE_TABLES && status == 0; t++) {
		for (unsigned int i = 0; i < TABLE_ROUTES && status == 0; i++) {
			struct rib_hop hop = { .gateway_family = AF_INET,
				.ifindex = ifindex,
				.gateway = gateways[(t + i) % gateway_count] };

			status = add_route(rib, FIRST_TABLE + t, i, &hop, err);
		}
	}
	for (uint32_t rule = 0; rule < SOURCE_RULES && status == 0; rule++)
		status = add_rule(rib, rule, err);
	return status;
}

uint32_t
source_rules_address(uint64_t random, bool hit)
{
	uint32_t number = (uint32_t)(random >> 32) % EACH;

	if (!hit)
		return NOBODY | ((uint32_t)random & 0xffffff);
	return (random & 1) != 0 ? HOSTS + number * HOST_STEP
				 : NETWORKS + (number << 8) + ((uint32_t)random >> 8 & 0xff);
}
