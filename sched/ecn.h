/* SPDX-License-Identifier: BSD-3-Clause */
/* Explicit congestion notification (RFC 3168): to mark a packet instead of dropping it. */
#ifndef WEIR_SCHED_ECN_H
#define WEIR_SCHED_ECN_H

#include <stdbool.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include <weir/packet.h>

#define ECN_MASK 0x03
#define ECN_CE   0x03

/* IPv4: the checksum follows by RFC 1624's equation 3; the TOS is the low byte of its word. */
static inline bool
ecn_mark_ipv4(struct rte_ipv4_hdr *ip)
{
	uint8_t ecn = ip->type_of_service & ECN_MASK;
	uint32_t sum;

	if (ecn == 0 || ecn == ECN_CE)
		return ecn == ECN_CE;
	sum = (uint16_t)~rte_be_to_cpu_16(ip->hdr_checksum);
	sum += (uint16_t) ~(uint16_t)ecn;
	sum += ECN_CE;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->hdr_checksum = rte_cpu_to_be_16((uint16_t)~sum);
	ip->type_of_service |= ECN_CE;
	return true;
}

static inline bool
ecn_mark_ipv6(struct rte_ipv6_hdr *ip)
{
	uint32_t vtc_flow = rte_be_to_cpu_32(ip->vtc_flow);
	const uint32_t shift = 20; /* version 4 bits, traffic class 8, flow label 20 */

	if ((vtc_flow >> shift & ECN_MASK) == 0)
		return false;
	ip->vtc_flow = rte_cpu_to_be_32(vtc_flow | (uint32_t)ECN_CE << shift);
	return true;
}

/*
 * Sets "congestion experienced"; true if the packet says it now, false if its hosts do not speak ECN (or it is not IP).
 */
static inline bool
ecn_mark(struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of(m);

	if (p->protocol == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) &&
		p->l3_off + sizeof(struct rte_ipv4_hdr) <= m->data_len)
		return ecn_mark_ipv4(rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, p->l3_off));
	if (p->protocol == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6) &&
		p->l3_off + sizeof(struct rte_ipv6_hdr) <= m->data_len)
		return ecn_mark_ipv6(rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, p->l3_off));
	return false;
}

#endif
