/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_QDISC_DSMARK_H
#define WEIR_QDISC_DSMARK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * dsmark: marks and remarks the Differentiated Services field (RFC 2474). W. Almesberger, J. H. Salim and A. Kuznetsov,
 * "Differentiated Services on Linux" (1999), section 3.
 */
#define DSMARK_INDICES_MAX 0x8000u /* the largest power of two that the message has room for */

struct dsmark_conf {
	uint16_t indices; /* rows of the table of marks; a power of two, 1..DSMARK_INDICES_MAX */
	bool has_default_index;
	uint16_t default_index; /* tc_index of packets that no filter classifies; none: it stays as it is */
	bool set_tc_index; /* the DS field (its six bits, in place) becomes the packet's tc_index on arrival */
};

/* A row: a packet that leaves gets (DS field & mask) | value. What is not given stays as it is. */
struct dsmark_class_conf {
	bool has_mask, has_value;
	uint8_t mask; /* default 0xff */
	uint8_t value; /* default 0 */
};

#endif
