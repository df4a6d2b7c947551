/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_QDISC_FIFO_H
#define WEIR_QDISC_FIFO_H

#include <stdint.h>

/* pfifo and pfifo_head_drop (limit in packets) and bfifo (limit in bytes): tc-pfifo(8). */
struct fifo_conf {
	uint32_t limit; /* conf NULL: the port's tx queue length, for bfifo times the MTU */
};

#endif
