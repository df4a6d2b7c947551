/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Local delivery: what is addressed to the router itself. It runs no transport services of its own: it answers ICMP,
 * and tells those who try the rest that nothing listens here (RFC 1122 3.2.2.1, 4.1.3.1; RFC 9293 3.10.7.1).
 */
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include <rte_tcp.h>
#include <rte_udp.h>

#include "buffer.h"
#include "path.h"

bool
ip4_transport_sum_ok(const struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *ip = ip4_header(m);
	uint16_t l4_off = pkt_of((struct rte_mbuf *)(uintptr_t)m)->l4_off;
	uint16_t bytes = (uint16_t)(m->pkt_len - l4_off);
	struct {
		rte_be32_t src, dst;
		uint8_t zero, protocol;
		rte_be16_t length;
	} pseudo = { ip->src_addr, ip->dst_addr, 0, ip->next_proto_id, rte_cpu_to_be_16(bytes) };

	return checksum_fold((uint32_t)buffer_sum(m, l4_off, bytes) + rte_raw_cksum(&pseudo, sizeof(pseudo))) == 0xffff;
}

static void
refuse_udp(struct worker *w, struct rte_mbuf *m)
{
	uint16_t l4_off = pkt_of(m)->l4_off;
	const struct rte_udp_hdr *udp = rte_pktmbuf_mtod_offset(m, const struct rte_udp_hdr *, l4_off);
	uint32_t bytes = m->pkt_len - l4_off;

	if (m->data_len < l4_off + sizeof(*udp) || rte_be_to_cpu_16(udp->dgram_len) < sizeof(*udp) ||
		rte_be_to_cpu_16(udp->dgram_len) > bytes)
		return;
	if (udp->dgram_cksum != 0 && rte_be_to_cpu_16(udp->dgram_len) == bytes && !ip4_transport_sum_ok(m))
		return;
	icmp_error(w, m, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
}

static void
refuse_tcp(struct worker *w, struct rte_mbuf *m)
{
	if (m->data_len >= pkt_of(m)->l4_off + sizeof(struct rte_tcp_hdr) && ip4_transport_sum_ok(m))
		tcp_refuse(w, m);
}

/* A whole datagram. DROP__COUNT: it was of use. */
static enum drop_reason
receive_datagram(struct worker *w, struct rte_mbuf *m, bool broadcast)
{
	const struct rte_ipv4_hdr *ip = ip4_header(m);

	if (ip->next_proto_id == IPPROTO_ICMP)
		return icmp_receive(w, m, broadcast);
	if (broadcast || (pkt_of(m)->flags & PKT_MULTICAST) != 0)
		return DROP_NO_SERVICE;
	switch (ip->next_proto_id) {
	case IPPROTO_UDP:
		refuse_udp(w, m);
		break;
	case IPPROTO_TCP:
		refuse_tcp(w, m);
		break;
	case IPPROTO_IGMP: /* group management needs no answer from who keeps no groups */
		break;
	default:
		icmp_error(w, m, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, 0);
	}
	return DROP_NO_SERVICE;
}

/* The same, if tables let it. */
static enum drop_reason
take_datagram(struct worker *w, struct port *in, struct rte_mbuf *m, bool broadcast)
{
	if (unlikely(tables_ask(w, NETFILTER_INPUT)) && !tables_input(w, in, m))
		return DROP_NETFILTER;
	return receive_datagram(w, m, broadcast);
}

static void
finish(struct worker *w, struct port *in, struct rte_mbuf *m, enum drop_reason reason)
{
	if (reason == DROP__COUNT)
		worker_delivered(w, in, m);
	else
		pkt_drop(&counters(w, in)->sink, m, reason);
}

void
ip4_deliver(struct worker *w, struct port *in, struct rte_mbuf *m, bool broadcast)
{
	struct rte_mbuf *fragments, *next, *whole;
	enum drop_reason reason;

	if (likely(!ip4_is_fragment(ip4_header(m)))) {
		finish(w, in, m, take_datagram(w, in, m, broadcast));
		return;
	}
	fragments = reassembly_add(w, in, m, &whole);
	if (fragments == NULL)
		return;
	reason = whole == NULL ? DROP_NO_BUFFER : take_datagram(w, in, whole, broadcast);
	rte_pktmbuf_free(whole);
	for (; fragments != NULL; fragments = next) {
		next = packet_next(fragments);
		finish(w, in, fragments, reason);
	}
}
