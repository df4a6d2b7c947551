/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The byte that RFC 2474 calls the DS field, with RFC 3168's two ECN bits: the TOS of IPv4, the traffic class of IPv6.
 */
#ifndef WEIR_SCHED_DS_FIELD_H
#define WEIR_SCHED_DS_FIELD_H

#include <stdbool.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include <weir/packet.h>

#define DS_SHIFT_IPV6 20 /* version 4 bits, traffic class 8, flow label 20 */

/* The checksum follows by RFC 1624's equation 3; the TOS is the low byte of its word. */
static inline void
ds_set_ipv4(struct rte_ipv4_hdr *ip, uint8_t ds)
{
	uint32_t sum = (uint16_t)~rte_be_to_cpu_16(ip->hdr_checksum);

	sum += (uint16_t) ~(uint16_t)ip->type_of_service;
	sum += ds;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip->hdr_checksum = rte_cpu_to_be_16((uint16_t)~sum);
	ip->type_of_service = ds;
}

static inline uint8_t
ds_get_ipv6(const struct rte_ipv6_hdr *ip)
{
	return (uint8_t)(rte_be_to_cpu_32(ip->vtc_flow) >> DS_SHIFT_IPV6);
}

static inline void
ds_set_ipv6(struct rte_ipv6_hdr *ip, uint8_t ds)
{
	ip->vtc_flow = (ip->vtc_flow & rte_cpu_to_be_32(~(UINT32_C(0xff) << DS_SHIFT_IPV6))) |
		       rte_cpu_to_be_32((uint32_t)ds << DS_SHIFT_IPV6);
}

/* The IP header of m, if it has one of this version that lies in its first segment; else NULL. */
static inline struct rte_ipv4_hdr *
ds_ipv4(struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of(m);

	return p->protocol == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) &&
			       p->l3_off + sizeof(struct rte_ipv4_hdr) <= m->data_len
		       ? rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, p->l3_off)
		       : NULL;
}

static inline struct rte_ipv6_hdr *
ds_ipv6(struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of(m);

	return p->protocol == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6) &&
			       p->l3_off + sizeof(struct rte_ipv6_hdr) <= m->data_len
		       ? rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, p->l3_off)
		       : NULL;
}

/* 0 for what is not IP. */
static inline uint8_t
ds_get(struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *ip4 = ds_ipv4(m);
	const struct rte_ipv6_hdr *ip6 = ip4 == NULL ? ds_ipv6(m) : NULL;

	return ip4 != NULL ? ip4->type_of_service : ip6 != NULL ? ds_get_ipv6(ip6) : 0;
}

/* (DS field & mask) | value; what is not IP stays as it is. */
static inline void
ds_change(struct rte_mbuf *m, uint8_t mask, uint8_t value)
{
	struct rte_ipv4_hdr *ip4 = ds_ipv4(m);
	struct rte_ipv6_hdr *ip6 = ip4 == NULL ? ds_ipv6(m) : NULL;

	if (ip4 != NULL)
		ds_set_ipv4(ip4, (uint8_t)((ip4->type_of_service & mask) | value));
	else if (ip6 != NULL)
		ds_set_ipv6(ip6, (uint8_t)((ds_get_ipv6(ip6) & mask) | value));
	pkt_of(m)->flags &= ~PKT_PLAIN;
}

#endif
