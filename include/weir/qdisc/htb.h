/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_QDISC_HTB_H
#define WEIR_QDISC_HTB_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/rate.h>

/* htb: tc-htb(8). */
struct htb_conf {
	uint32_t version; /* 3, else EINVAL */
	uint32_t rate2quantum; /* r2q: default 10 */
	uint32_t defcls; /* minor of the default class; 0: direct */
	uint32_t direct_qlen; /* packets; set only if has_direct_qlen, else the port's tx queue length */
	bool has_direct_qlen;
	uint32_t direct_pkts; /* get_conf only: sent without a class */
	uint32_t debug;
};

struct htb_class_conf {
	struct rate_conf rate, ceil;
	uint64_t burst_ns,
		cburst_ns; /* buckets as time at rate and ceil, as tc sends and prints them (1 tick is 64 ns) */
	uint32_t quantum; /* bytes; 0: rate / r2q within 1000..200000 */
	uint32_t prio; /* 0..7 */
	uint32_t level; /* get_conf only: 0 a leaf, 7 the root class of a tree */
};

struct htb_class_xstats {
	uint32_t lends, borrows, giants;
	int64_t tokens_ns, ctokens_ns;
};

#endif
