/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads headers into a flower_key. Ports, flags and ICMP's type are those of whole datagrams only: a fragment has none,
 * the first one neither, as in Linux's flow dissector; and of a header that is cut off, only ports are read.
 */
#include "dissect.h"

#include <netinet/in.h>

#include <rte_arp.h>
#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "internal.h"
#include "read.h"

#define EXTENSIONS_MAX 8 /* headers of IPv6 before the transport's */

static bool
is_tag(rte_be16_t type)
{
	return type == rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN) || type == rte_cpu_to_be_16(RTE_ETHER_TYPE_QINQ);
}

/* Where the network header is; 0: nowhere. */
static uint32_t
read_link(struct rte_mbuf *m, union flower_key *key)
{
	struct pkt *p = pkt_of(m);
	struct {
		uint8_t to[6], from[6];
		rte_be16_t type;
	} ethernet;
	struct {
		rte_be16_t tag, type;
	} tag;
	uint32_t at = sizeof(ethernet);
	rte_be16_t type;

	if (p->l3_off == 0) { /* a port without link header */
		key->eth_type = p->protocol;
		return 0;
	}
	if (!packet_read(m, 0, &ethernet, sizeof(ethernet)))
		return UINT32_MAX;
	memcpy(key->to, ethernet.to, 6);
	memcpy(key->from, ethernet.from, 6);
	if ((m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0 && p->vlan_tci != 0) {
		key->tag_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN);
		key->tag = rte_cpu_to_be_16(p->vlan_tci);
		key->n_tags = 1;
	}
	for (type = ethernet.type; is_tag(type); type = tag.type, at += sizeof(tag)) {
		if (!packet_read(m, at, &tag, sizeof(tag)))
			return UINT32_MAX;
		if (key->n_tags == 0) {
			key->tag_type = type;
			key->tag = tag.tag;
		} else if (key->n_tags == 1) {
			key->inner_tag_type = type;
			key->inner_tag = tag.tag;
		}
		key->n_tags++;
	}
	key->eth_type = type;
	return at;
}

static void
read_transport(struct rte_mbuf *m, uint32_t at, union flower_key *key)
{
	struct {
		rte_be16_t source, destination;
	} ports;
	struct rte_icmp_hdr icmp;
	struct rte_tcp_hdr tcp;

	switch (key->ip_proto) {
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (packet_read(m, at, &icmp, sizeof(icmp))) {
			key->icmp_type = icmp.icmp_type;
			key->icmp_code = icmp.icmp_code;
		}
		return;
	case IPPROTO_TCP:
		if (packet_read(m, at, &tcp, sizeof(tcp)) && tcp.data_off >> 4 >= sizeof(tcp) / 4)
			key->tcp_flags = rte_cpu_to_be_16((uint16_t)((tcp.data_off & 0xf) << 8 | tcp.tcp_flags));
		/* fall through */
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
	case IPPROTO_UDPLITE:
	case IPPROTO_ESP: /* the halves of its SPI tell flows apart */
	case IPPROTO_AH:
		if (packet_read(m, key->ip_proto == IPPROTO_AH ? at + 4 : at, &ports, sizeof(ports))) {
			key->source_port = ports.source;
			key->destination_port = ports.destination;
		}
	}
}

static void
read_ip4(struct rte_mbuf *m, uint32_t at, union flower_key *key)
{
	struct rte_ipv4_hdr ip;
	uint16_t fragment;

	if (!packet_read(m, at, &ip, sizeof(ip)) || ip.ihl < 5)
		return;
	key->ip_flags = FLOWER_HAS_ADDRESSES;
	key->source[0] = ip.src_addr;
	key->destination[0] = ip.dst_addr;
	key->ip_proto = ip.next_proto_id;
	key->tos = ip.type_of_service;
	key->ttl = ip.time_to_live;
	fragment = rte_be_to_cpu_16(ip.fragment_offset);
	if ((fragment & (RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) == 0) {
		read_transport(m, at + ip.ihl * 4u, key);
		return;
	}
	key->ip_flags |= TCA_FLOWER_KEY_FLAGS_IS_FRAGMENT;
	if ((fragment & RTE_IPV4_HDR_OFFSET_MASK) == 0)
		key->ip_flags |= TCA_FLOWER_KEY_FLAGS_FRAG_IS_FIRST;
}

/* RFC 8200 section 4. */
static void
read_ip6(struct rte_mbuf *m, uint32_t at, union flower_key *key)
{
	struct rte_ipv6_hdr ip;

	if (!packet_read(m, at, &ip, sizeof(ip)))
		return;
	key->ip_flags = FLOWER_HAS_ADDRESSES;
	memcpy(key->source, &ip.src_addr, sizeof(key->source));
	memcpy(key->destination, &ip.dst_addr, sizeof(key->destination));
	key->ip_proto = ip.proto;
	key->tos = (uint8_t)(rte_be_to_cpu_32(ip.vtc_flow) >> 20);
	key->ttl = ip.hop_limits;
	at += sizeof(ip);
	for (unsigned int i = 0; i < EXTENSIONS_MAX; i++) {
		struct {
			uint8_t next, words; /* of 8 bytes, behind the first */
			rte_be16_t fragment;
			rte_be32_t identification;
		} head;
		uint8_t kind = key->ip_proto;

		if (kind != IPPROTO_HOPOPTS && kind != IPPROTO_ROUTING && kind != IPPROTO_DSTOPTS &&
			kind != IPPROTO_FRAGMENT) {
			read_transport(m, at, key);
			return;
		}
		/* Of options what tells their length will do; a fragment's header is read whole or not at all. */
		if (!packet_read(m, at, &head, kind == IPPROTO_FRAGMENT ? sizeof(head) : 2))
			return;
		key->ip_proto = head.next;
		if (kind == IPPROTO_FRAGMENT) {
			key->ip_flags |= TCA_FLOWER_KEY_FLAGS_IS_FRAGMENT;
			if ((head.fragment & rte_cpu_to_be_16(0xfff8)) == 0)
				key->ip_flags |= TCA_FLOWER_KEY_FLAGS_FRAG_IS_FIRST;
			return;
		}
		at += (head.words + 1u) * 8;
	}
}

/* RFC 826, of Ethernet and IPv4: requests and replies. */
static void
read_arp(struct rte_mbuf *m, uint32_t at, union flower_key *key)
{
	static const uint8_t form[6] = { 0, 1, 8, 0, 6, 4 };
	struct {
		uint8_t form[6];
		rte_be16_t op;
		uint8_t from[6], source[4], to[6], destination[4];
	} arp;
	uint16_t op;

	if (!packet_read(m, at, &arp, sizeof(arp)) || memcmp(arp.form, form, sizeof(form)) != 0)
		return;
	op = rte_be_to_cpu_16(arp.op);
	if (op != RTE_ARP_OP_REQUEST && op != RTE_ARP_OP_REPLY)
		return;
	key->arp_op = (uint8_t)op;
	memcpy(&key->arp_source, arp.source, 4);
	memcpy(&key->arp_destination, arp.destination, 4);
	memcpy(key->arp_from, arp.from, 6);
	memcpy(key->arp_to, arp.to, 6);
}

void
dissect(struct rte_mbuf *m, union flower_key *key)
{
	uint32_t at;

	memset(key, 0, sizeof(*key));
	at = read_link(m, key);
	if (at == UINT32_MAX)
		return;
	switch (rte_be_to_cpu_16(key->eth_type)) {
	case RTE_ETHER_TYPE_IPV4:
		read_ip4(m, at, key);
		break;
	case RTE_ETHER_TYPE_IPV6:
		read_ip6(m, at, key);
		break;
	case RTE_ETHER_TYPE_ARP:
		read_arp(m, at, key);
		break;
	}
}
