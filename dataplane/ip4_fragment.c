/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fragmentation (RFC 791 section 3.2). The packet itself, cut, is the first piece, so that it keeps its identity; the
 * others are copied into new buffers. A piece that is cut again keeps its place in the whole datagram.
 */
#include <netinet/ip.h>

#include "buffer.h"
#include "path.h"

#define OFFSET_UNIT 8u /* bytes */

/* Options without the copied flag stay in the first piece only: in the others they are overwritten by no-ops. */
static void
blank_options(struct rte_ipv4_hdr *ip)
{
	uint8_t *bytes = (uint8_t *)ip;
	uint8_t end = rte_ipv4_hdr_len(ip), length;

	for (uint8_t at = sizeof(*ip); at < end && bytes[at] != IPOPT_EOL; at += length) {
		length = bytes[at] == IPOPT_NOP ? 1 : bytes[at + 1];
		if (!IPOPT_COPIED(bytes[at]))
			memset(bytes + at, IPOPT_NOP, length);
	}
}

static void
finish_header(struct rte_ipv4_hdr *ip, uint16_t total, uint16_t offset, bool more)
{
	ip->total_length = rte_cpu_to_be_16(total);
	ip->fragment_offset = rte_cpu_to_be_16(offset / OFFSET_UNIT | (more ? RTE_IPV4_HDR_MF_FLAG : 0));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

/* A piece of n bytes of m's payload from `from` on. NULL: no buffer. */
static struct rte_mbuf *
make_piece(struct worker *w, const struct rte_mbuf *m, uint32_t from, uint16_t n)
{
	const struct pkt *whole = pkt_of((struct rte_mbuf *)(uintptr_t)m);
	uint16_t header = rte_ipv4_hdr_len(ip4_header(m));
	struct rte_mbuf *piece = worker_alloc(w);
	struct pkt *p;

	if (piece == NULL)
		return NULL;
	p = pkt_of(piece);
	*p = *whole;
	p->flags = (whole->flags & ~PKT_PLAIN) | PKT_GENERATED;
	piece->hash = m->hash; /* with the queue, if one was chosen */
	p->l4_off = 0;
	p->l3_off = LINK_HEADER;
	p->vlan_tci = 0;
	rte_pktmbuf_append(piece, LINK_HEADER);
	if (!buffer_append(w, piece, m, whole->l3_off, header) ||
		!buffer_append(w, piece, m, whole->l3_off + header + from, n)) {
		rte_pktmbuf_free(piece);
		return NULL;
	}
	blank_options(ip4_header(piece));
	return piece;
}

/* All pieces but the first, linked; NULL if there was no buffer for one. */
static struct rte_mbuf *
make_pieces(struct worker *w, const struct rte_mbuf *m, uint16_t step, uint32_t payload, uint16_t base, bool more)
{
	uint16_t header = rte_ipv4_hdr_len(ip4_header(m));
	struct rte_mbuf *first = NULL, *last = NULL, *next;

	for (uint32_t from = step; from < payload; from += step) {
		uint16_t n = (uint16_t)RTE_MIN((uint32_t)step, payload - from);
		struct rte_mbuf *piece = make_piece(w, m, from, n);

		if (piece == NULL) {
			for (; first != NULL; first = next) {
				next = packet_next(first);
				rte_pktmbuf_free(first);
			}
			return NULL;
		}
		finish_header(ip4_header(piece), header + n, (uint16_t)(base + from), more || from + n < payload);
		packet_set_next(piece, NULL);
		if (last != NULL)
			packet_set_next(last, piece);
		else
			first = piece;
		last = piece;
	}
	return first;
}

bool
ip4_fragment(struct worker *w, struct port *out, struct pkt_sink *sink, struct rte_mbuf *m, uint32_t mtu,
	void (*emit)(struct worker *w, void *arg, struct rte_mbuf *m), void *arg)
{
	struct pkt *p = pkt_of(m);
	struct rte_ipv4_hdr *ip = ip4_header(m);
	uint16_t header = rte_ipv4_hdr_len(ip);
	uint16_t place = rte_be_to_cpu_16(ip->fragment_offset);
	uint16_t base = (place & RTE_IPV4_HDR_OFFSET_MASK) * OFFSET_UNIT;
	uint32_t payload = m->pkt_len - p->l3_off - header;
	uint16_t step;
	struct rte_mbuf *rest, *next;

	if (mtu < header + OFFSET_UNIT) {
		pkt_drop(sink, m, DROP_MTU_EXCEEDED);
		return false;
	}
	if (base + payload > UINT16_MAX) { /* no datagram is that long */
		pkt_drop(sink, m, DROP_FRAGMENT_MALFORMED);
		return false;
	}
	step = (uint16_t)((mtu - header) & ~(OFFSET_UNIT - 1));
	p->flags &= ~PKT_PLAIN;
	rest = make_pieces(w, m, step, payload, base, (place & RTE_IPV4_HDR_MF_FLAG) != 0);
	if (rest == NULL) {
		pkt_drop(sink, m, DROP_FRAGMENT_FAILED);
		return false;
	}
	buffer_truncate(m, p->l3_off + header + step);
	finish_header(ip, header + step, base, true);
	emit(w, arg, m);
	for (; rest != NULL; rest = next) {
		next = packet_next(rest);
		counters(w, out)->generated++;
		emit(w, arg, rest);
	}
	return true;
}
