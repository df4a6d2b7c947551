/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_QDISC_FQ_CODEL_H
#define WEIR_QDISC_FQ_CODEL_H

#include <weir/qdisc/codel.h>

/* fq_codel_conf.given, beside CODEL_*. */
enum {
	FQ_CODEL_FLOWS = 1 << 8,
	FQ_CODEL_QUANTUM = 1 << 9,
	FQ_CODEL_DROP_BATCH = 1 << 10,
	FQ_CODEL_MEMORY_LIMIT = 1 << 11,
	FQ_CODEL_CE_SELECTOR = 1 << 12,
};

/* fq_codel: tc-fq_codel(8). What is not given keeps its value in a change, and has its default in an add. */
struct fq_codel_conf {
	uint32_t given;
	uint32_t limit; /* packets; default 10240 */
	uint32_t flows; /* default 1024; cannot be changed */
	uint32_t quantum; /* bytes; at least 256, default the MTU with link header */
	uint32_t drop_batch; /* packets dropped at once when there are too many; default 64 */
	uint32_t memory_limit; /* bytes of buffers; default 32 MB */
	uint8_t ce_selector, ce_mask; /* ce_threshold is for packets whose DS field, so masked, is this */
	struct codel_times times;
};

struct fq_codel_xstats {
	uint32_t largest_bytes; /* packet that left */
	uint32_t limit_drops, memory_drops, ecn_marks, ce_marks; /* packets; memory_drops are among limit_drops */
	uint32_t new_flows; /* that came, in all */
	uint32_t new_flows_length, old_flows_length; /* flows in these lists now */
	uint32_t memory_bytes; /* of buffers, in use now */
};

struct fq_codel_class_xstats {
	int32_t deficit; /* bytes that it may still send in this turn */
	struct codel_queue_xstats queue;
};

#endif
