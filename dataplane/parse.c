/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parsing: from a frame as it arrived to a filled struct pkt.
 *
 * Bursts are parsed in order with the bytes of later frames prefetched. What the router reads of headers is made to lie
 * in the first buffer, so that later stages need not care. The flow hash is put into mbuf hash.rss here, flag
 * RTE_MBUF_F_RX_RSS_HASH set, for every packet: over addresses, protocol and ports of IPv4; without ports for
 * fragments, so that all of a datagram's stay together; over the Ethernet header of anything else.
 */
#include <linux/if_ether.h>
#include <net/ethernet.h>
#include <netinet/in.h>

#include <rte_prefetch.h>

#include "buffer.h"
#include "path.h"

#define PREFETCH 4
#define TAGS_MAX 2
#define HEADERS_MAX                                                                                                    \
	(RTE_ETHER_HDR_LEN + TAGS_MAX * RTE_VLAN_HLEN + 60 +                                                           \
		20) /* bytes that the path may read: tags, IP with options, TCP */
#define ETHERTYPE_MIN 0x600 /* below: the length of an IEEE 802.3 frame */
#define VLAN_ID_MASK  0xfff
#define KEEP          DROP__COUNT

static bool
has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
	       protocol == IPPROTO_UDPLITE || protocol == IPPROTO_DCCP;
}

static uint32_t
hash_frame(const struct rte_mbuf *m)
{
	uint64_t a, b = 0;

	memcpy(&a, rte_pktmbuf_mtod(m, const uint8_t *), 8);
	memcpy(&b, rte_pktmbuf_mtod_offset(m, const uint8_t *, 8), 6);
	return hash_words(a, b);
}

/* IPv4: l4_off and the hash, from a header that nobody has checked yet. */
static void
set_flow_ip4(struct rte_mbuf *m, struct pkt *p)
{
	const struct rte_ipv4_hdr *ip = ip4_header(m);
	uint16_t available = m->data_len - p->l3_off;
	uint64_t ports = 0;

	p->l4_off = 0;
	if (available < sizeof(*ip) || (ip->version_ihl >> 4) != 4 || ip->ihl < 5 || available < rte_ipv4_hdr_len(ip)) {
		m->hash.rss = hash_frame(m);
		return;
	}
	if ((ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_OFFSET_MASK)) == 0)
		p->l4_off = p->l3_off + rte_ipv4_hdr_len(ip);
	if (!ip4_is_fragment(ip) && has_ports(ip->next_proto_id) && m->data_len >= p->l4_off + 4) {
		uint32_t both;

		memcpy(&both, rte_pktmbuf_mtod_offset(m, const uint8_t *, p->l4_off), sizeof(both));
		ports = both;
	}
	m->hash.rss = hash_words((uint64_t)ip->src_addr << 32 | ip->dst_addr, ports << 8 | ip->next_proto_id);
}

void
path_set_flow(struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);

	if (p->protocol == rte_cpu_to_be_16(ETHERTYPE_IP)) {
		set_flow_ip4(m, p);
	} else {
		p->l4_off = 0;
		m->hash.rss = hash_frame(m);
	}
	m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
}

/* The ethertype behind any tags, network order; its VLAN in *tci. 0: the frame ends within a tag. */
static rte_be16_t
strip_tags(const struct rte_mbuf *m, struct pkt *p, bool *foreign)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint16_t off = RTE_ETHER_HDR_LEN - 2;
	rte_be16_t type;

	memcpy(&type, frame + off, sizeof(type));
	for (unsigned int tags = 0;
		type == rte_cpu_to_be_16(ETHERTYPE_VLAN) || type == rte_cpu_to_be_16(RTE_ETHER_TYPE_QINQ); tags++) {
		rte_be16_t tci;

		if (m->data_len < off + 2 + RTE_VLAN_HLEN)
			return 0;
		memcpy(&tci, frame + off + 2, sizeof(tci));
		p->vlan_tci = rte_be_to_cpu_16(tci);
		/* VID 0 only carries a priority: the frame belongs to no VLAN (IEEE 802.1Q 6.9). */
		if ((p->vlan_tci & VLAN_ID_MASK) != 0 || tags == TAGS_MAX) {
			*foreign = true;
			return type;
		}
		off += RTE_VLAN_HLEN;
		memcpy(&type, frame + off, sizeof(type));
	}
	p->l3_off = (uint8_t)(off + 2);
	return type;
}

/* Is the frame for us? Sets PKT_MULTICAST. */
static bool
for_us(struct worker *w, const struct port *in, const struct rte_mbuf *m, struct pkt *p, bool any)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);

	if (likely(rte_is_same_ether_addr(&eth->dst_addr, (const struct rte_ether_addr *)in->mac)))
		return true;
	if (rte_is_multicast_ether_addr(&eth->dst_addr)) {
		p->flags |= PKT_MULTICAST;
		if (!rte_is_broadcast_ether_addr(&eth->dst_addr))
			counters(w, in)->rx_multicast++;
		return true;
	}
	return any;
}

/* All of struct pkt but what the machinery has set, and the marks of a packet that comes through a virtual port. */
static inline void
clear(struct pkt *p, const struct port *in, uint16_t tci)
{
	if (likely(p->passes == 0)) {
		p->mark = 0;
		p->tc_index = 0;
	}
	p->priority = 0;
	p->realm = 0;
	p->nexthop = 0;
	p->leaf = PKT_LEAF_NONE;
	p->generation = 0;
	p->in_port = (uint16_t)in->ifindex;
	p->out_port = 0;
	p->l4_off = 0;
	p->vlan_tci = tci;
	p->l3_off = RTE_ETHER_HDR_LEN;
	p->stage = 0;
	p->flags = 0;
}

static enum drop_reason
parse_one(struct worker *w, const struct port *in, struct rte_mbuf *m, bool any)
{
	struct pkt *p = pkt_of(m);
	uint16_t tci = (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0 ? m->vlan_tci : 0;
	bool foreign = false;
	rte_be16_t type;

	clear(p, in, tci);
	m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	if (unlikely(m->nb_segs > 1) && !buffer_pull(m, (uint16_t)RTE_MIN(m->pkt_len, (uint32_t)HEADERS_MAX)))
		return DROP_FRAME_MALFORMED;
	if (unlikely(m->data_len < RTE_ETHER_HDR_LEN))
		return DROP_FRAME_MALFORMED;
	type = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *)->ether_type;
	if (unlikely(type != rte_cpu_to_be_16(ETHERTYPE_IP)))
		type = strip_tags(m, p, &foreign);
	p->protocol = type;
	if (unlikely(type == 0))
		return DROP_FRAME_MALFORMED;
	if (unlikely(!for_us(w, in, m, p, any)))
		return DROP_OTHER_HOST;
	if (unlikely(foreign || (tci & VLAN_ID_MASK) != 0))
		return DROP_UNKNOWN_VLAN;
	if (unlikely(rte_be_to_cpu_16(type) < ETHERTYPE_MIN)) {
		p->protocol = rte_cpu_to_be_16(ETH_P_802_2);
		return DROP_UNKNOWN_PROTOCOL;
	}
	if (unlikely(m->pkt_len - p->l3_off > in->mtu))
		return DROP_FRAME_OVERSIZE;
	path_set_flow(m);
	return KEEP;
}

uint16_t
path_parse(struct worker *w, struct port *in, struct rte_mbuf **pkts, uint16_t n)
{
	bool any = (in->flags & IFF_LOOPBACK) != 0 || router_is_replay(w->router);
	struct pkt_sink *sink = &counters(w, in)->sink;
	uint16_t kept = 0;

	for (uint16_t i = 0; i < RTE_MIN(n, PREFETCH); i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		enum drop_reason reason;

		if (i + PREFETCH < n) {
			rte_prefetch0(pkt_of(pkts[i + PREFETCH]));
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + PREFETCH], void *));
		}
		reason = parse_one(w, in, m, any);
		if (likely(reason == KEEP))
			pkts[kept++] = m;
		else
			pkt_drop(sink, m, reason);
	}
	return kept;
}
