/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_QDISC_CBQ_H
#define WEIR_QDISC_CBQ_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/rate.h>

/* cbq_conf.given: which parts a message held; a change leaves the others as they are. */
enum {
	CBQ_RATE = 1 << 0,
	CBQ_WRR = 1 << 1, /* prio, allot, weight */
	CBQ_SPLIT = 1 << 2,
	CBQ_LINK_SHARING = 1 << 3, /* some of these: */
	CBQ_FLAGS = 1 << 4, /* bounded, isolated */
	CBQ_EWMA = 1 << 5,
	CBQ_MAXIDLE = 1 << 6,
	CBQ_MINIDLE = 1 << 7,
	CBQ_OFFTIME = 1 << 8,
	CBQ_AVPKT = 1 << 9,
};

#define CBQ_MINIDLE_NONE (UINT64_C(0x7fffffff) << 6) /* ns: no bound, as Linux tells it */

/*
 * cbq: tc-cbq(8). The qdisc's options are those of its root class, the link, and a class's are the same. avgidle and
 * its bounds are kept as in Floyd's "Notes on CBQ and Guaranteed Service" 1995: multiplied by 2^ewma_log.
 */
struct cbq_conf {
	uint32_t given; /* CBQ_*; get_conf says what was ever given */
	struct rate_conf rate; /* of the link: bandwidth */
	uint64_t link_Bps; /* get_conf only: the root class's rate */
	uint8_t cell_log; /* of the rate table, printed only: times are exact here */
	bool bounded, isolated;
	uint8_t ewma_log; /* 0..31 */
	uint8_t level; /* get_conf only: 0 is a leaf */
	uint32_t avpkt; /* bytes; tc computes maxidle and offtime from it, and that is all it is for */
	uint64_t maxidle_ns, minidle_ns; /* avgidle's bounds; minidle is told without its sign */
	uint64_t offtime_ns; /* how much longer a class waits that has to: tc's minburst */
	uint8_t prio; /* 1..8, the first is served first */
	uint32_t allot; /* bytes a turn, of a class of mean weight */
	uint32_t weight;
	uint32_t split; /* the class that asks the defmaps; 0: as it was */
	uint32_t defmap, defchange; /* a bit for each priority, and which of them are said */
};

/*
 * Which of the paper's link-sharing guidelines all qdiscs of the kind keep, from now on: the top-level ones, or the
 * formal ones, which are the default.
 */
void cbq_set_top_level(bool on);
bool cbq_top_level(void);

struct cbq_xstats {
	uint32_t borrows; /* packets sent, or let through, at another class's expense */
	uint32_t overactions; /* times that it was made to wait */
	int64_t avgidle_ns;
	int64_t undertime_ns; /* how long it has to wait; 0: not at all */
};

#endif
