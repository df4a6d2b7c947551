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

/* IPv4's TOS or IPv6's traffic class, ECN bits included; 0 if it is neither. */
static inline uint8_t
ecn_ds_field(const struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of((struct rte_mbuf *)(uintptr_t)m);

	if (p->protocol == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) &&
		p->l3_off + sizeof(struct rte_ipv4_hdr) <= m->data_len)
		return rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, p->l3_off)->type_of_service;
	if (p->protocol == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6) &&
		p->l3_off + sizeof(struct rte_ipv6_hdr) <= m->data_len)
		return (uint8_t)(rte_be_to_cpu_32(rte_pktmbuf_mtod_offset(m, const struct rte_ipv6_hdr *, p->l3_off)
							  ->vtc_flow) >>
				 20);
	return 0;
}

#endif
