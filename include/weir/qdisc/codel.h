/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_QDISC_CODEL_H
#define WEIR_QDISC_CODEL_H

#include <stdbool.h>
#include <stdint.h>

/* codel_times.given and so on: what an init or a change says; get_conf says what is in force. */
enum {
	CODEL_TARGET = 1 << 0,
	CODEL_INTERVAL = 1 << 1,
	CODEL_CE_THRESHOLD = 1 << 2, /* get_conf: there is one */
	CODEL_ECN = 1 << 3,
	CODEL_LIMIT = 1 << 4,
};

/* Times are kept in units of 1.024 us, rounded down, as in Linux. */
struct codel_times {
	uint64_t target_ns; /* default 5 ms */
	uint64_t interval_ns; /* default 100 ms */
	uint64_t ce_threshold_ns; /* default: none */
	bool ecn; /* default: codel no, fq_codel yes */
};

/* codel: tc-codel(8). What is not given keeps its value in a change, and has its default in an add. */
struct codel_conf {
	uint32_t given;
	uint32_t limit; /* packets; default 1000 */
	struct codel_times times;
};

/* Of one queue. */
struct codel_queue_xstats {
	uint32_t count, last_count; /* of drops in a row, and what it started from (RFC 8289) */
	uint64_t delay_ns; /* of the latest packet */
	int64_t drop_next_ns; /* until the next drop, if it is dropping */
	bool dropping;
};

struct codel_xstats {
	struct codel_queue_xstats queue;
	uint32_t largest_bytes; /* packet that left */
	uint32_t limit_drops, ecn_marks, ce_marks; /* packets */
};

#endif
