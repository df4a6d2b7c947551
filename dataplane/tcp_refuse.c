/* SPDX-License-Identifier: BSD-3-Clause */
/* The answer to a TCP segment for a connection that does not exist: a reset (RFC 9293 3.10.7.1). */
#include <netinet/in.h>

#include <rte_tcp.h>

#include "buffer.h"
#include "path.h"

/* Sequence space that the segment takes: its data, SYN and FIN. */
static uint32_t
segment_length(const struct rte_mbuf *m, const struct rte_tcp_hdr *tcp)
{
	uint32_t data = m->pkt_len - pkt_of((struct rte_mbuf *)(uintptr_t)m)->l4_off - (tcp->data_off >> 4) * 4u;

	return data + ((tcp->tcp_flags & RTE_TCP_SYN_FLAG) != 0) + ((tcp->tcp_flags & RTE_TCP_FIN_FLAG) != 0);
}

void
tcp_refuse(struct worker *w, const struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *ip = ip4_header(m);
	uint16_t l4_off = pkt_of((struct rte_mbuf *)(uintptr_t)m)->l4_off;
	const struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(m, const struct rte_tcp_hdr *, l4_off);
	struct rte_mbuf *reset;
	struct rte_tcp_hdr *r;

	if ((tcp->tcp_flags & RTE_TCP_RST_FLAG) != 0 || (tcp->data_off >> 4) < 5 ||
		l4_off + (tcp->data_off >> 4) * 4u > m->pkt_len)
		return;
	reset = ip4_make(w, IPPROTO_TCP, ip->dst_addr, ip->src_addr, ip->type_of_service);
	if (reset == NULL)
		return;
	r = (struct rte_tcp_hdr *)rte_pktmbuf_append(reset, sizeof(*r));
	*r = (struct rte_tcp_hdr){
		.src_port = tcp->dst_port, .dst_port = tcp->src_port, .data_off = (sizeof(*r) / 4) << 4
	};
	if ((tcp->tcp_flags & RTE_TCP_ACK_FLAG) != 0) {
		r->sent_seq = tcp->recv_ack;
		r->tcp_flags = RTE_TCP_RST_FLAG;
	} else {
		r->recv_ack = rte_cpu_to_be_32(rte_be_to_cpu_32(tcp->sent_seq) + segment_length(m, tcp));
		r->tcp_flags = RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG;
	}
	/* It is never to be cut: so its identification need not differ from others' (RFC 6864 section 4.1). */
	ip4_header(reset)->fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG);
	ip4_header(reset)->packet_id = 0;
	ip4_header(reset)->total_length = rte_cpu_to_be_16((uint16_t)(reset->pkt_len - LINK_HEADER));
	r->cksum = rte_ipv4_udptcp_cksum(ip4_header(reset), r);
	if (ip4_route_own(w, reset))
		ip4_send_own(w, reset);
	else
		rte_pktmbuf_free(reset);
}
