/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * skbedit: sets what the router knows of a packet: its mark, its priority, whom it is for, its transmit queue;
 * tc-skbedit(8).
 */
#ifndef WEIR_ACTION_SKBEDIT_H
#define WEIR_ACTION_SKBEDIT_H

#include <stdint.h>

#include <linux/tc_act/tc_skbedit.h>

struct skbedit_conf {
	int32_t action; /* what is done next, TC_ACT_*; PIPE by default */
	uint32_t set; /* SKBEDIT_F_*: which of the others are set */
	uint32_t mark, mask; /* the mark's bits under mask; mask UINT32_MAX unless SKBEDIT_F_MASK */
	uint32_t priority;
	uint16_t packet_type; /* PACKET_HOST, BROADCAST, MULTICAST or OTHERHOST: whom the packet is for */
	/* the transmit queue by which it leaves where mq is the root; beyond the last: not looked at */
	uint16_t queue_mapping;
	uint16_t queue_mapping_max; /* SKBEDIT_F_TXQ_SKBHASH: flows are spread from queue_mapping to here */
};

#endif
