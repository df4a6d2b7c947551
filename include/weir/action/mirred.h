/* SPDX-License-Identifier: BSD-3-Clause */
/* mirred: sends a packet, or a copy of it, to another port; tc-mirred(8). */
#ifndef WEIR_ACTION_MIRRED_H
#define WEIR_ACTION_MIRRED_H

#include <stdint.h>

#include <linux/tc_act/tc_mirred.h>

struct mirred_conf {
	int32_t action; /* what is done next, TC_ACT_*: with a redirect STOLEN as tc has it, with a mirror PIPE */
	uint32_t way; /* TCA_EGRESS_REDIR, TCA_EGRESS_MIRROR, TCA_INGRESS_REDIR, TCA_INGRESS_MIRROR */
	uint32_t ifindex; /* 0: of a change, the port stays; when read, it has been removed */
};

#endif
