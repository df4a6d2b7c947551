/* SPDX-License-Identifier: BSD-3-Clause */
/* csum: computes checksums anew, behind what has changed headers; tc-csum(8). */
#ifndef WEIR_ACTION_CSUM_H
#define WEIR_ACTION_CSUM_H

#include <stdint.h>

#include <linux/pkt_cls.h>
#include <linux/tc_act/tc_csum.h>

struct csum_conf {
	int32_t action; /* what is done next, TC_ACT_* */
	uint32_t sums; /* TCA_CSUM_UPDATE_FLAG_*: which of those that the packet has */
};

#endif
