/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_QDISC_PRIO_H
#define WEIR_QDISC_PRIO_H

#include <stdint.h>

#include <linux/pkt_sched.h>

/*
 * prio and pfifo_fast: tc-prio(8), tc-pfifo_fast(8). pfifo_fast takes no options; its get_conf reports bands 3 and the
 * default map.
 */
struct prio_conf {
	uint32_t bands; /* 2..TCQ_PRIO_BANDS; default 3 */
	uint8_t priomap[TC_PRIO_MAX + 1]; /* priority -> band; default 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1 */
};

#endif
