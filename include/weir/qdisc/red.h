/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_QDISC_RED_H
#define WEIR_QDISC_RED_H

#include <stdint.h>

/* The parameters of one average: tc-red(8). */
struct red_params {
	uint32_t min_bytes, max_bytes; /* of the average queue; min at most max */
	uint32_t max_p; /* the probability just below max; 2^32 is 1 */
	uint8_t weight_log; /* the average moves by 2^-weight_log of the difference */
	uint8_t scell_log; /* as tc sent it, to be shown; below 32 */
	uint64_t idle_decay; /* halvings of the average a ns while the queue is empty, times 2^64 */
};

/* red. It has no defaults: conf NULL is refused. */
struct red_conf {
	struct red_params params;
	uint32_t limit_bytes; /* of the inner bfifo; at least max */
	uint8_t flags; /* TC_RED_ECN, TC_RED_HARDDROP, TC_RED_ADAPTATIVE, TC_RED_NODROP */
};

struct red_xstats { /* packets */
	uint32_t prob_drop, prob_mark, forced_drop, forced_mark;
	uint32_t limit_drop; /* by the inner qdisc */
};

#endif
