/* SPDX-License-Identifier: BSD-3-Clause */
/* nat: rewrites IPv4 addresses without remembering connections; tc-nat(8). */
#ifndef WEIR_ACTION_NAT_H
#define WEIR_ACTION_NAT_H

#include <stdint.h>

#include <linux/pkt_cls.h>
#include <linux/tc_act/tc_nat.h>

struct nat_conf {
	int32_t action; /* what is done next, TC_ACT_* */
	uint32_t flags; /* TCA_NAT_FLAG_EGRESS: source addresses; else those of the destination */
	uint32_t old_addr, new_addr,
		mask; /* network order: of addresses like old_addr, the bits under mask become new_addr's */
};

#endif
