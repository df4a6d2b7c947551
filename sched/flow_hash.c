/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is not the most usual of flow_hash: IPv6 with its extension headers, tunnels, other transports, no IP at all.
 * Which fields make a flow was settled by watching Linux 6.1.
 */
#include "flow_hash.h"

#include <rte_jhash.h>

#define IPV6_EXTENSIONS_MAX 8 /* headers looked at before the transport header; more than any sane packet has */
#define TUNNELS_MAX         4 /* one in the other */

/* GRE's flags (RFC 2784, RFC 2890), in the first word of its header. */
#define GRE_CHECKSUM 0x8000
#define GRE_ROUTING  0x4000
#define GRE_KEY      0x2000
#define GRE_SEQUENCE 0x1000
#define GRE_VERSION  0x0007

/* What is hashed: 11 words. */
struct flow_key {
	uint32_t source[4], destination[4];
	uint32_t ports; /* or SPI; 0: none */
	uint32_t protocol;
	uint32_t tag; /* IPv6's flow label or GRE's key; 0: none */
};

/* Where a packet's next header is, and which: an ethertype, or 0 when there is nothing more to be seen. */
struct place {
	uint32_t offset;
	uint16_t ethertype; /* host order */
};

/* The bytes [offset, offset + length) of the frame; NULL if they are not in the first buffer. */
static const uint8_t *
bytes_at(const struct rte_mbuf *m, uint32_t offset, uint32_t length)
{
	return offset + length <= m->data_len ? rte_pktmbuf_mtod_offset(m, const uint8_t *, offset) : NULL;
}

uint32_t
flow_transport_word(const struct rte_mbuf *m, uint8_t protocol, uint32_t l4_off)
{
	const uint8_t *word = NULL;
	uint32_t value = 0;

	if (l4_off == 0)
		return 0;
	switch (protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
	case IPPROTO_ESP:
		word = bytes_at(m, l4_off, sizeof(value));
		break;
	case IPPROTO_AH: /* the SPI is its second word: RFC 4302 section 2 */
		word = bytes_at(m, l4_off + 4, sizeof(value));
		break;
	default:
		break;
	}
	if (word != NULL)
		memcpy(&value, word, sizeof(value));
	return value;
}

/*
 * The protocol behind the extension headers (RFC 8200 section 4); *l4_off is 0 if the packet is a fragment or has too
 * many of them.
 */
static uint8_t
ipv6_protocol(const struct rte_mbuf *m, uint8_t next, uint32_t offset, uint32_t *l4_off)
{
	for (unsigned int i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
		const uint8_t *header;

		if (next == IPPROTO_FRAGMENT) {
			*l4_off = 0;
			header = bytes_at(m, offset, 1);
			return header == NULL ? next : header[0];
		}
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS) {
			*l4_off = offset;
			return next;
		}
		header = bytes_at(m, offset, 2);
		if (header == NULL)
			break;
		next = header[0];
		offset += 8 * (header[1] + 1u);
	}
	*l4_off = 0;
	return next;
}

/* What GRE carries, and its key. */
static struct place
enter_gre(const struct rte_mbuf *m, uint32_t offset, struct flow_key *key)
{
	const rte_be16_t *header = (const void *)bytes_at(m, offset, 4);
	struct place inner = { 0 };
	uint16_t flags;

	if (header == NULL)
		return inner;
	flags = rte_be_to_cpu_16(header[0]);
	if ((flags & (GRE_ROUTING | GRE_VERSION)) != 0)
		return inner;
	inner.ethertype = rte_be_to_cpu_16(header[1]);
	inner.offset = offset + 4 + ((flags & GRE_CHECKSUM) != 0 ? 4 : 0);
	if ((flags & GRE_KEY) != 0) {
		const uint8_t *word = bytes_at(m, inner.offset, 4);

		if (word != NULL)
			memcpy(&key->tag, word, 4);
		inner.offset += 4;
	}
	inner.offset += (flags & GRE_SEQUENCE) != 0 ? 4 : 0;
	return inner;
}

/* The transport header of a packet that shows one: its ports, or what it carries if it is a tunnel's. */
static struct place
enter_transport(const struct rte_mbuf *m, uint8_t protocol, uint32_t offset, struct flow_key *key)
{
	key->protocol = protocol;
	key->ports = 0;
	switch (protocol) {
	case IPPROTO_IPIP:
		return (struct place){ .offset = offset, .ethertype = RTE_ETHER_TYPE_IPV4 };
	case IPPROTO_IPV6:
		return (struct place){ .offset = offset, .ethertype = RTE_ETHER_TYPE_IPV6 };
	case IPPROTO_GRE:
		return enter_gre(m, offset, key);
	default:
		key->ports = flow_transport_word(m, protocol, offset);
		return (struct place){ 0 };
	}
}

static struct place
enter_ipv4(const struct rte_mbuf *m, uint32_t offset, struct flow_key *key)
{
	const struct rte_ipv4_hdr *ip = (const void *)bytes_at(m, offset, sizeof(*ip));

	if (ip == NULL || ip->version_ihl >> 4 != 4)
		return (struct place){ 0 };
	memset(key->source, 0, sizeof(key->source) + sizeof(key->destination));
	memcpy(key->source, &ip->src_addr, 4);
	memcpy(key->destination, &ip->dst_addr, 4);
	if ((ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) == 0)
		return enter_transport(m, ip->next_proto_id, offset + (ip->version_ihl & 15) * 4, key);
	key->protocol = ip->next_proto_id;
	key->ports = 0;
	return (struct place){ 0 };
}

static struct place
enter_ipv6(const struct rte_mbuf *m, uint32_t offset, struct flow_key *key)
{
	const struct rte_ipv6_hdr *ip = (const void *)bytes_at(m, offset, sizeof(*ip));
	const rte_be32_t label_mask = RTE_BE32(RTE_IPV6_HDR_FL_MASK);
	uint32_t l4_off;
	uint8_t protocol;

	if (ip == NULL || rte_be_to_cpu_32(ip->vtc_flow) >> 28 != 6)
		return (struct place){ 0 };
	memcpy(key->source, ip->src_addr, 16);
	memcpy(key->destination, ip->dst_addr, 16);
	key->protocol = key->ports = 0;
	/* The sender has said which flow it is (RFC 6437), for fragments, too. */
	if ((ip->vtc_flow & label_mask) != 0) {
		key->tag = ip->vtc_flow & label_mask;
		return (struct place){ 0 };
	}
	protocol = ipv6_protocol(m, ip->proto, offset + (uint32_t)sizeof(*ip), &l4_off);
	if (l4_off != 0)
		return enter_transport(m, protocol, l4_off, key);
	key->protocol = protocol;
	return (struct place){ 0 };
}

static struct place
enter(const struct rte_mbuf *m, struct place at, struct flow_key *key)
{
	const struct rte_ether_hdr *ether;

	switch (at.ethertype) {
	case RTE_ETHER_TYPE_IPV4:
		return enter_ipv4(m, at.offset, key);
	case RTE_ETHER_TYPE_IPV6:
		return enter_ipv6(m, at.offset, key);
	case RTE_ETHER_TYPE_TEB: /* an Ethernet frame in GRE */
		ether = (const void *)bytes_at(m, at.offset, sizeof(*ether));
		if (ether != NULL)
			return (struct place){ .offset = at.offset + (uint32_t)sizeof(*ether),
				.ethertype = rte_be_to_cpu_16(ether->ether_type) };
		return (struct place){ 0 };
	default:
		return (struct place){ 0 };
	}
}

uint32_t
flow_hash_other(const struct rte_mbuf *m, uint32_t seed)
{
	const struct pkt *p = pkt_of((struct rte_mbuf *)(uintptr_t)m);
	const uint8_t *addresses = bytes_at(m, 0, 2 * RTE_ETHER_ADDR_LEN);
	struct place at = { .offset = p->l3_off, .ethertype = rte_be_to_cpu_16(p->protocol) };
	struct flow_key key = { .protocol = at.ethertype };

	/* Of what is not IP. */
	if (addresses != NULL)
		memcpy(key.source, addresses, 2 * RTE_ETHER_ADDR_LEN);
	/* Each tunnel's packet is told by what it carries, at most two steps a tunnel. */
	for (unsigned int i = 0; at.ethertype != 0 && i < 2 * TUNNELS_MAX; i++)
		at = enter(m, at, &key);
	return rte_jhash_32b((const uint32_t *)&key, sizeof(key) / 4, seed);
}
