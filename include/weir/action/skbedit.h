/* SPDX-License-Identifier: BSD-3-Clause */
/* skbedit: sets what the router knows of a packet: its mark, its priority; tc-skbedit(8). */
#ifndef WEIR_ACTION_SKBEDIT_H
#define WEIR_ACTION_SKBEDIT_H

#include <stdint.h>

#include <linux/tc_act/tc_skbedit.h>

struct skbedit_conf {
	int32_t action; /* what is done next, TC_ACT_*; PIPE by default */
	uint32_t set; /* SKBEDIT_F_*: which of the others are set */
	uint32_t mark, mask; /* the mark's bits under mask; mask UINT32_MAX unless SKBEDIT_F_MASK */
	uint32_t priority;
	/*
	 * Kept and shown, as scripts give them; a router of its own has no use for them: a worker picks its tx queue,
	 * and what is for us is known by its MAC.
	 */
	uint16_t queue_mapping;
	uint16_t packet_type; /* PACKET_HOST ... */
};

#endif
