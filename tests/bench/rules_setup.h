/* SPDX-License-Identifier: BSD-3-Clause */
/* Ten thousand rules by source over a thousand small tables, for the benchmarks of rules and of the whole path. */
#ifndef WEIR_TESTS_BENCH_RULES_SETUP_H
#define WEIR_TESTS_BENCH_RULES_SETUP_H

#include <weir/rib.h>

#define SOURCE_RULES  10000 /* half of hosts, half of /24 networks, mixed; one below the other in priority */
#define SOURCE_TABLES 1000 /* of ten routes each: a default and nine shorter and longer ones */

/*
 * Adds the rules, between local's and main's, and the tables. Their routes go by the gateways, in turns, through the
 * link. Gives 0, or what refused a rule or a route, with *err set.
 */
int source_rules_add(struct rib *rib, uint32_t ifindex, const struct ip_addr *gateways, unsigned int gateway_count,
	struct error *err);
/* An address (host order) that one of the rules selects, each rule as likely, or (hit false) one that none does. */
uint32_t source_rules_address(uint64_t random, bool hit);

#endif
