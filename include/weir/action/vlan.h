/* SPDX-License-Identifier: BSD-3-Clause */
/* vlan: adds, removes and changes 802.1Q tags and Ethernet headers; tc-vlan(8). */
#ifndef WEIR_ACTION_VLAN_H
#define WEIR_ACTION_VLAN_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/pkt_cls.h>
#include <linux/tc_act/tc_vlan.h>

struct vlan_conf {
	int32_t action; /* what is done next, TC_ACT_* */
	int32_t what; /* TCA_VLAN_ACT_* */
	uint16_t id; /* push, modify: 0 to 4095 */
	uint16_t protocol; /* of the tag, network order: ETH_P_8021Q or ETH_P_8021AD */
	uint8_t priority;
	bool has_priority; /* modify: without one the tag keeps its own */
	uint8_t dst_mac[6], src_mac[6]; /* push_eth */
};

#endif
