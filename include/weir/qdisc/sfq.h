/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_QDISC_SFQ_H
#define WEIR_QDISC_SFQ_H

#include <stdbool.h>
#include <stdint.h>

struct sfq_red_stats { /* packets */
	uint32_t prob_drop, prob_mark, forced_drop, forced_mark, prob_mark_head, forced_mark_head;
};

/* sfq: tc-sfq(8) with its RED options. 0: the default. It cannot be changed, only replaced, as in Linux. */
struct sfq_conf {
	uint32_t quantum; /* bytes; default the MTU with link header */
	int32_t perturb_s; /* seconds between new hashes; 0: never */
	uint32_t limit; /* packets; default 127 */
	uint32_t divisor; /* hash buckets, a power of two; default 1024 */
	uint32_t flows; /* at most; default 128 */
	uint32_t depth; /* packets a flow; default 127 */
	bool headdrop;
	/* RED inside each flow; qth_min 0: off. redflowlimit is only reported: Linux does not enforce it either. */
	uint32_t redflowlimit, qth_min, qth_max; /* bytes */
	uint8_t red_wlog, red_plog, red_scell_log,
		red_flags; /* scell_log: idle time, which a flow has none of; TC_RED_ECN, TC_RED_HARDDROP */
	uint32_t red_max_p; /* probability, 2^32 is 1; 0: (qth_max - qth_min) / 2^red_plog */
	struct sfq_red_stats red_stats; /* get_conf only */
	bool has_v1; /* the long form of the options was given: the fields from depth on count */
};

struct sfq_class_xstats {
	int32_t allot;
};

#endif
