/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_QDISC_HFSC_H
#define WEIR_QDISC_HFSC_H

#include <stdbool.h>
#include <stdint.h>

/* hfsc: tc-hfsc(7), tc-hfsc(8). */
struct hfsc_conf {
	uint16_t defcls; /* minor of the default class; 0: none, what no filter chooses a class for is dropped */
};

/*
 * A service curve of one or two pieces: m1 for the time d, then m2. Rates in bytes per second; both 0: there is no such
 * curve.
 */
struct hfsc_curve_conf {
	uint64_t m1_Bps, d_ns, m2_Bps;
};

struct hfsc_class_conf {
	struct hfsc_curve_conf real_time, link_share, upper_limit;
	/* of a change: a curve that is not there stays as it was */
};

struct hfsc_class_xstats {
	uint64_t work; /* bytes that the class and those below it have sent */
	uint64_t real_time_work; /* bytes of these that a leaf's real-time curve has sent */
	uint32_t period; /* how often it had something to share the link for, after it had nothing */
	uint32_t level; /* 0: a leaf */
};

#endif
