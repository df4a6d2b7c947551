/* SPDX-License-Identifier: BSD-3-Clause */
/* Explicit congestion notification (RFC 3168): to mark a packet instead of dropping it. */
#ifndef WEIR_SCHED_ECN_H
#define WEIR_SCHED_ECN_H

#include "ds_field.h"

#define ECN_MASK 0x03
#define ECN_CE   0x03

/*
 * Sets "congestion experienced"; true if the packet says it now, false if its hosts do not speak ECN (or it is not IP).
 */
static inline bool
ecn_mark(struct rte_mbuf *m)
{
	uint8_t ecn = ds_get(m) & ECN_MASK;

	if (ecn != 0 && ecn != ECN_CE)
		ds_change(m, UINT8_MAX, ECN_CE);
	return ecn != 0;
}

#endif
