/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_QDISC_DRR_H
#define WEIR_QDISC_DRR_H

#include <stdbool.h>
#include <stdint.h>

/* drr: tc-drr(8). The qdisc itself has no options. */
struct drr_class_conf {
	uint32_t quantum; /* bytes a round */
	bool has_quantum; /* if not: in an add the MTU with link header, in a change what it was */
};

struct drr_class_xstats {
	uint32_t deficit; /* bytes that it may still send in this round; 0 while it holds nothing */
};

#endif
