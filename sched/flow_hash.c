/* SPDX-License-Identifier: BSD-3-Clause */
/* What is not the most usual of flow_hash: IPv6 with its extension headers, other transports, no IP at all. */
#include "flow_hash.h"

#include <rte_jhash.h>

#define IPV6_EXTENSIONS_MAX 8 /* headers looked at before the transport header; more than any sane packet has */

/* What is hashed: 10 words. */
struct flow_key {
	uint32_t source[4], destination[4];
	uint32_t ports; /* or SPI; 0: none */
	uint32_t protocol;
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

static bool
key_ipv6(const struct rte_mbuf *m, const struct pkt *p, struct flow_key *key)
{
	const struct rte_ipv6_hdr *ip = (const void *)bytes_at(m, p->l3_off, sizeof(*ip));
	uint32_t l4_off;

	if (ip == NULL)
		return false;
	memcpy(key->source, ip->src_addr, 16);
	memcpy(key->destination, ip->dst_addr, 16);
	key->protocol = ipv6_protocol(m, ip->proto, p->l3_off + (uint32_t)sizeof(*ip), &l4_off);
	key->ports = flow_transport_word(m, key->protocol, l4_off);
	return true;
}

uint32_t
flow_hash_other(const struct rte_mbuf *m, uint32_t seed)
{
	const struct pkt *p = pkt_of((struct rte_mbuf *)(uintptr_t)m);
	struct flow_key key = { 0 };

	if (p->protocol != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6) || !key_ipv6(m, p, &key)) {
		const uint8_t *addresses = bytes_at(m, 0, 2 * RTE_ETHER_ADDR_LEN);

		if (addresses != NULL)
			memcpy(key.source, addresses, 2 * RTE_ETHER_ADDR_LEN);
		key.protocol = p->protocol;
	}
	return rte_jhash_32b((const uint32_t *)&key, sizeof(key) / 4, seed);
}
