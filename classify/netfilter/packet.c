/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets as rules see them, and changes to them. */
#include "../edit.h"
#include "netfilter.h"

bool
protocol_has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE ||
	       protocol == IPPROTO_SCTP || protocol == IPPROTO_DCCP;
}

/* How much of a transport's header its matches want, in bytes. */
static uint32_t
header_bytes(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return 20;
	case IPPROTO_UDP:
	case IPPROTO_ICMP:
		return 8;
	default:
		return protocol_has_ports(protocol) ? 4 : 0;
	}
}

/*
 * The key's words are put together here and stored whole: words that were stored in parts would have to wait for their
 * bytes when they are compared.
 */
_Static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN && offsetof(struct key_fields, sport) == 8 &&
		       offsetof(struct key_fields, protocol) == 12 && offsetof(struct key_fields, has) == 13 &&
		       offsetof(struct key_fields, first) == 14 && offsetof(struct key_fields, second) == 15 &&
		       offsetof(struct key_fields, mark) == 16 && offsetof(struct key_fields, tos) == 20 &&
		       offsetof(struct key_fields, ttl) == 21 && offsetof(struct key_fields, length) == 22,
	"where the shifts have them");

static inline uint64_t
transport_word(uint32_t ports, uint8_t has, uint8_t first, uint8_t second)
{
	return ports | (uint64_t)has << 40 | (uint64_t)first << 48 | (uint64_t)second << 56;
}

/* What of the transport is in the key, but the protocol. */
static inline uint64_t
view_transport(struct packet *p, uint8_t protocol)
{
	uint32_t wanted = header_bytes(protocol), ports = 0, header;

	if (unlikely(p->transport_bytes < wanted)) {
		p->odd = true;
		wanted = p->transport_bytes;
	}
	if (likely(p->transport_off + wanted <= p->m->data_len))
		p->transport = rte_pktmbuf_mtod_offset(p->m, const uint8_t *, p->transport_off);
	else if (wanted != 0)
		p->transport = rte_pktmbuf_read(p->m, p->transport_off, wanted, p->copy);
	if (unlikely(p->odd))
		return 0;
	if (protocol == IPPROTO_ICMP)
		return transport_word(0, KEY_HAS_TRANSPORT, p->transport[0], p->transport[1]);
	if (wanted != 0)
		memcpy(&ports, p->transport, sizeof(ports));
	if (protocol != IPPROTO_TCP)
		return transport_word(ports, KEY_HAS_TRANSPORT, 0, 0);
	header = (uint32_t)(p->transport[12] >> 4) * 4;
	p->odd = header < wanted || header > p->transport_bytes;
	return transport_word(ports, KEY_HAS_TRANSPORT, p->transport[13], 0);
}

void
packet_view(struct packet *p, const struct netfilter_ctx *ctx, struct rte_mbuf *m)
{
	const struct pkt *pkt = pkt_of(m);
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, pkt->l3_off);
	uint32_t header = rte_ipv4_hdr_len(ip), length = m->pkt_len - pkt->l3_off;
	bool later = (ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_OFFSET_MASK)) != 0;

	p->ctx = ctx;
	p->m = m;
	p->ip = ip;
	p->transport = NULL;
	p->transport_off = pkt->l3_off + header;
	p->transport_bytes = length > header ? length - header : 0;
	p->later = later;
	p->odd = (ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_OFFSET_MASK)) == RTE_BE16(1) &&
		 ip->next_proto_id == IPPROTO_TCP;
	p->hopeless = p->changed = false;
	memcpy(&p->key.words[0], &ip->src_addr, sizeof(p->key.words[0]));
	p->key.words[1] = (later ? transport_word(0, KEY_LATER_FRAGMENT, 0, 0) : view_transport(p, ip->next_proto_id)) |
			  (uint64_t)ip->next_proto_id << 32;
	p->key.words[2] = pkt->mark | (uint64_t)ip->type_of_service << 32 | (uint64_t)ip->time_to_live << 40 |
			  (uint64_t)(uint16_t)length << 48;
}

bool
packet_read_transport(const struct packet *p, uint32_t at, void *bytes, uint32_t n)
{
	/* rte_pktmbuf_read does not stand to be asked for nothing behind the last segment. */
	return !p->later && (n == 0 || packet_read(p->m, (int64_t)p->transport_off + at, bytes, n));
}

/* ---- changes ------------------------------------------------------------------------------------ */

void
packet_header_changed(struct packet *p)
{
	edit_mark_changed(p->m);
	p->changed = true;
}

/* Two bytes of the header, of which `at` is the even one's offset, as the checksum sees them. */
static void
set_header_word(struct packet *p, uint32_t at, rte_be16_t word)
{
	uint8_t *bytes = (uint8_t *)p->ip + at;
	rte_be16_t old;

	memcpy(&old, bytes, sizeof(old));
	if (old == word)
		return;
	memcpy(bytes, &word, sizeof(word));
	p->ip->hdr_checksum = checksum_replace(p->ip->hdr_checksum, old, word);
	packet_header_changed(p);
}

void
packet_set_tos(struct packet *p, uint8_t tos)
{
	set_header_word(p, 0, rte_cpu_to_be_16((uint16_t)(p->ip->version_ihl << 8 | tos)));
	p->key.f.tos = tos;
}

void
packet_set_ttl(struct packet *p, uint8_t ttl)
{
	set_header_word(p, 8, rte_cpu_to_be_16((uint16_t)(ttl << 8 | p->ip->next_proto_id)));
	p->key.f.ttl = ttl;
}

void
packet_set_mark(struct packet *p, uint32_t mark)
{
	pkt_of(p->m)->mark = p->key.f.mark = mark;
	p->changed = true;
}

#define TCP_CHECKSUM_AT 16

/* Bytes of the transport that are there. */
static void
write_transport(struct packet *p, uint32_t at, const void *from, uint32_t n)
{
	edit_write(p->m, p->transport_off + at, from, n);
	/* Where the header is not in one piece, rules see a copy. */
	if (p->transport == p->copy)
		p->transport = rte_pktmbuf_read(
			p->m, p->transport_off, RTE_MIN((uint32_t)sizeof(p->copy), p->transport_bytes), p->copy);
	packet_header_changed(p);
}

static void
set_tcp_sum(struct packet *p, rte_be16_t sum)
{
	write_transport(p, TCP_CHECKSUM_AT, &sum, sizeof(sum));
}

static rte_be16_t
tcp_sum(const struct packet *p)
{
	rte_be16_t sum = 0;

	packet_read_transport(p, TCP_CHECKSUM_AT, &sum, sizeof(sum));
	return sum;
}

void
packet_write_tcp(struct packet *p, uint32_t at, const void *bytes, uint32_t n)
{
	/* The 16-bit words that the bytes are in; behind the end one is filled up with zero. */
	uint32_t first = at & ~1u, span = RTE_ALIGN_CEIL(at + n, 2u) - first;
	uint32_t have = RTE_MIN(span, p->transport_bytes - first);
	rte_be16_t before[33] = { 0 }, after[33], sum = tcp_sum(p);

	packet_read_transport(p, first, before, have);
	memcpy(after, before, sizeof(after));
	memcpy((uint8_t *)after + (at - first), bytes, n);
	for (uint32_t i = 0; i < span / 2; i++)
		sum = checksum_replace(sum, before[i], after[i]);
	write_transport(p, first, after, have);
	set_tcp_sum(p, sum);
	p->key.f.first = p->transport[13];
}

bool
packet_extend_tcp(struct packet *p, uint16_t n)
{
	uint16_t length = rte_be_to_cpu_16(p->ip->total_length);
	char *room = length <= UINT16_MAX - n ? rte_pktmbuf_append(p->m, n) : NULL;

	if (room == NULL)
		return false;
	memset(room, 0, n);
	/* The pseudo-header's length, which is even or odd as before. */
	set_tcp_sum(p, checksum_replace(tcp_sum(p), rte_cpu_to_be_16((uint16_t)p->transport_bytes),
			       rte_cpu_to_be_16((uint16_t)(p->transport_bytes + n))));
	p->transport_bytes += n;
	p->key.f.length = (uint16_t)(p->key.f.length + n);
	set_header_word(p, 2, rte_cpu_to_be_16((uint16_t)(length + n)));
	return true;
}
