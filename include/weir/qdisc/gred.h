/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_QDISC_GRED_H
#define WEIR_QDISC_GRED_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/qdisc/red.h>

#define GRED_QUEUES_MAX 16

struct gred_queue_stats {
	uint64_t bytes; /* that arrived */
	uint32_t packets;
	uint32_t backlog, average; /* bytes */
	uint32_t prob_drop, prob_mark, forced_drop, forced_mark, limit_drop; /* packets */
};

/* A virtual queue. */
struct gred_queue_conf {
	struct red_params params;
	uint32_t limit_bytes; /* as shown: at most the limit of all at the time */
	uint8_t prio; /* with grio; 0: the default queue's, or 8 */
	uint8_t flags; /* TC_RED_ECN, TC_RED_HARDDROP */
	bool has_flags; /* false: those of all */
	bool configured; /* get_conf only */
	struct gred_queue_stats stats; /* get_conf only */
};

/* gred. A message says what holds for all, or configures one virtual queue; the first must be of all. */
struct gred_conf {
	bool setup;
	/* With setup: */
	uint32_t queues_count, default_queue; /* 1..16; below queues_count */
	bool grio;
	uint8_t flags;
	bool has_limit; /* false: as before; at first the port's tx queue length of full frames */
	uint32_t limit_bytes; /* of all */
	/* Without: */
	uint32_t queue; /* which one; it stands in queues[0] */
	struct gred_queue_conf queues[GRED_QUEUES_MAX]; /* get_conf: all */
};

#endif
