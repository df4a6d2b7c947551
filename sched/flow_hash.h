/* SPDX-License-Identifier: BSD-3-Clause */
/* Which flow a packet belongs to, as a keyed 32-bit hash: for disciplines that keep a queue per flow. */
#ifndef WEIR_SCHED_FLOW_HASH_H
#define WEIR_SCHED_FLOW_HASH_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <netinet/in.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include <weir/packet.h>

/* Of everything but whole IPv4 packets, whose hash stands below. */
uint32_t flow_hash_other(const struct rte_mbuf *m, uint32_t key);
/* The word of the transport header at l4_off that tells flows between two hosts apart; 0: there is none. */
uint32_t flow_transport_word(const struct rte_mbuf *m, uint8_t protocol, uint32_t l4_off);

/*
 * Multiply and fold the halves of the product: every bit of one word meets every bit of the other. Both have been
 * changed by the key, without which no difference in one is known to make none in the product.
 */
static inline uint64_t
flow_hash_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/*
 * Two words under a 32-bit key, which two constants (the fractions of the golden ratio and of e) spread over 64 bits
 * each.
 */
static inline uint32_t
flow_hash_words(uint64_t a, uint64_t b, uint32_t key)
{
	const uint64_t golden = UINT64_C(0x9e3779b97f4a7c15), e = UINT64_C(0xb7e151628aed2a6b);
	const uint64_t wide = UINT64_C(1) << 32 | key; /* never 0, nor its complement */

	return (uint32_t)(flow_hash_fold(flow_hash_fold(a ^ wide * golden, b ^ ~wide * e), golden) >> 32);
}

static inline bool
flow_is_tunnel(uint8_t protocol)
{
	return protocol == IPPROTO_IPIP || protocol == IPPROTO_IPV6 || protocol == IPPROTO_GRE;
}

/*
 * Hashes addresses, protocol and, where every packet of the flow shows them, ports (TCP, UDP, UDP-Lite, SCTP, DCCP),
 * the SPI (ESP, AH) or IPv6's flow label. Fragments are hashed without ports, all alike, so that a datagram's pieces
 * stay in order. A tunnel's packets (IP in IP, GRE) are hashed by what they carry and GRE's key. What is not IP is
 * hashed by its MAC addresses and ethertype. `key` is secret and may be replaced at any time: without it collisions
 * cannot be found (McKenney 1990, section 4).
 */
static inline uint32_t
flow_hash(struct rte_mbuf *m, uint32_t key)
{
	const struct pkt *p = pkt_of(m);
	uint64_t addresses, transport;
	uint32_t ports;

	if (unlikely(p->protocol != RTE_BE16(RTE_ETHER_TYPE_IPV4) ||
		     p->l3_off + sizeof(struct rte_ipv4_hdr) > m->data_len))
		return flow_hash_other(m, key);
	const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, p->l3_off);

	memcpy(&addresses, &ip->src_addr, sizeof(addresses)); /* the destination is next to it */
	transport = (uint64_t)ip->next_proto_id << 32;
	if (likely((ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) == 0)) {
		if (likely((ip->next_proto_id == IPPROTO_TCP || ip->next_proto_id == IPPROTO_UDP) && p->l4_off != 0 &&
			    p->l4_off + sizeof(ports) <= m->data_len))
			memcpy(&ports, rte_pktmbuf_mtod_offset(m, const void *, p->l4_off), sizeof(ports));
		else if (flow_is_tunnel(ip->next_proto_id))
			return flow_hash_other(m, key);
		else
			ports = flow_transport_word(m, ip->next_proto_id, p->l4_off);
		transport |= ports;
	}
	return flow_hash_words(addresses, transport, key);
}

#endif
