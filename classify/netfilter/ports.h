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

/* Those of two ports that are a matter of ranges: the destination's rather than the source's. */
static inline uint32_t
ports_ranges(const struct netfilter_ports *sport, bool not_sport, const struct netfilter_ports *dport, bool not_dport,
	enum axis *axis, struct range *ranges)
{
	bool source = dport->min == 0 && dport->max == UINT16_MAX && !not_dport;
	const struct netfilter_ports *ports = source ? sport : dport;
	bool inverted = source ? not_sport : not_dport;

	if (!inverted && (ports->min == ports->max || (ports->min == 0 && ports->max == UINT16_MAX)))
		return 0;
	*axis = source ? AXIS_SPORT : AXIS_DPORT;
	return range_list((struct range){ ports->min, ports->max }, UINT16_MAX, inverted, ranges);
}

#endif
