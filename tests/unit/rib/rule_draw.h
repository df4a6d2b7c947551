/* SPDX-License-Identifier: BSD-3-Clause */
/* Random rules and keys that meet each other often, for either family. */
#ifndef WEIR_TEST_RIB_RULE_DRAW_H
#define WEIR_TEST_RIB_RULE_DRAW_H

#include <weir/rib.h>

#define DRAW_LINKS         4 /* eth0 ... eth3, indices 2 ... 5 */
#define DRAW_TABLES        6 /* from 100 on */
#define DRAW_PRIORITY_STEP 7

/* The seed is SEED's, or always the same; printed. */
void draw_seed(void);
uint32_t draw(uint32_t below);

/* Addresses of few networks; sources and destinations are alike. */
struct ip_addr draw_addr(uint8_t family);
/* Few enough that a goto has a target, and that several rules have the same. */
uint32_t draw_priority(void);
/* Any selectors, any action. */
struct rib_rule draw_rule(uint8_t family);
struct rib_key draw_key(uint8_t family);
struct rib_key4 key4_of(const struct rib_key *key);

#endif
