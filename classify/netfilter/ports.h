/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranges of ports. */
#ifndef WEIR_CLASSIFY_NETFILTER_PORTS_H
#define WEIR_CLASSIFY_NETFILTER_PORTS_H

#include "netfilter.h"

static inline uint16_t
port_at(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* Is the port that lies there within the range? */
static inline bool
ports_hold(const struct netfilter_ports *range, const uint8_t *port)
{
	return port_at(port) >= range->min && port_at(port) <= range->max;
}

/* Says what of a range is a matter of bits; true: all of it. */
static inline bool
ports_select(const struct netfilter_ports *range, bool inverted, rte_be16_t *mask, rte_be16_t *value)
{
	if (!inverted && range->min == 0 && range->max == UINT16_MAX)
		return true;
	if (inverted || range->min != range->max)
		return false;
	*mask = UINT16_MAX;
	*value = rte_cpu_to_be_16(range->min);
	return true;
}

#endif
