/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parsing: from a frame as it arrived to a filled struct pkt.
 *
 * Bursts are parsed in order with the bytes of later frames prefetched. What the router reads of headers is made to lie
 * in the first buffer, so that later stages need not care. Nearly all packets are plain ones: IPv4 for this router's MAC
 * with an ordinary header, which takes a dozen loads to know, and fills struct pkt from a template. The others take the
 * long way round.
 */
#include <linux/if_ether.h>
#include <net/ethernet.h>
#include <netinet/in.h>

#include <rte_prefetch.h>

#include "buffer.h"
#include "path.h"

#define PREFETCH 12 /* packets ahead: what comes from another core's cache takes that long */
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

void
path_find_transport(struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	const struct rte_ipv4_hdr *ip = ip4_header(m);
	uint16_t available = m->data_len - p->l3_off;

	p->l4_off = 0;
	if (p->protocol != rte_cpu_to_be_16(ETHERTYPE_IP) || available < sizeof(*ip) || (ip->version_ihl >> 4) != 4 ||
		ip->ihl < 5 || available < rte_ipv4_hdr_len(ip))
		return;
	if ((ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_OFFSET_MASK)) == 0)
		p->l4_off = p->l3_off + rte_ipv4_hdr_len(ip);
}

uint32_t
path_flow_hash(const struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of((struct rte_mbuf *)(uintptr_t)m);
	const struct rte_ipv4_hdr *ip = ip4_header(m);
	uint64_t ports = 0;

	if (!ip4_is_fragment(ip) && has_ports(ip->next_proto_id) && m->data_len >= p->l4_off + 4) {
		uint32_t both;

		memcpy(&both, rte_pktmbuf_mtod_offset(m, const uint8_t *, p->l4_off), sizeof(both));
		ports = both;
	}
	return hash_words((uint64_t)ip->src_addr << 32 | ip->dst_addr, ports << 8 | ip->next_proto_id);
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

/* All of struct pkt but its time, and the marks, of a packet that comes through a virtual port. */
static void
fill_again(struct pkt *p, const struct pkt *start)
{
	struct pkt before = *p;

	memcpy(p, start, offsetof(struct pkt, scratch));
	p->time_ns = before.time_ns;
	p->mark = before.mark;
	p->tc_index = before.tc_index;
	p->passes = before.passes;
}

/* What multipath routes spread by. */
enum { HASH_NONE, HASH_ADDRESSES, HASH_PORTS };

/* What is the same for all packets of a burst. */
struct parsing {
	struct pkt start; /* of a plain packet */
	struct port *in;
	uint64_t mac, mac_mask; /* what a plain frame's first 8 bytes are, and which of their bits matter */
	uint32_t mtu;
	uint8_t hash_policy; /* of multipath routes; HASH_NONE: there are none */
	bool any; /* every destination MAC is ours */
	bool fresh; /* from outside, not through a virtual port */
	bool finish; /* keys have fields that a plain packet of outside does not need */
};

static inline void
fill(struct pkt *p, const struct parsing *parsing)
{
	if (likely(parsing->fresh))
		memcpy(p, &parsing->start, offsetof(struct pkt, scratch));
	else
		fill_again(p, &parsing->start);
}

static enum drop_reason
parse_one(struct worker *w, const struct parsing *parsing, struct rte_mbuf *m)
{
	const struct port *in = parsing->in;
	struct pkt *p = pkt_of(m);
	uint16_t tci = (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0 ? m->vlan_tci : 0;
	bool foreign = false;
	rte_be16_t type;

	fill(p, parsing);
	p->vlan_tci = tci;
	p->flags = 0;
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
	if (unlikely(!for_us(w, in, m, p, parsing->any)))
		return DROP_OTHER_HOST;
	if (unlikely(foreign || (tci & VLAN_ID_MASK) != 0))
		return DROP_UNKNOWN_VLAN;
	if (unlikely(rte_be_to_cpu_16(type) < ETHERTYPE_MIN)) {
		p->protocol = rte_cpu_to_be_16(ETH_P_802_2);
		return DROP_UNKNOWN_PROTOCOL;
	}
	if (unlikely(m->pkt_len - p->l3_off > parsing->mtu))
		return DROP_FRAME_OVERSIZE;
	path_find_transport(m);
	return KEEP;
}

/* ---- plain packets ----------------------------------------------------------------------------------------------- */

#define PLAIN_HEADERS (RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr))

_Static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN, "words of a frame are shifted as little-endian ones");

/*
 * A plain frame as words of 8 bytes, its first byte the lowest:
 *
 *	 0  destination MAC                                         | source MAC, 2
 *	 8  source MAC, 4                 | ethertype     | ver len | TOS
 *	16  total length  | ID            | fragment      | TTL     | protocol
 *	24  checksum      | source address                | destination, 2
 *	32  destination,2 | source port   | destination port
 */
#define TYPE_VERSION  (UINT64_C(0x450008) << 32) /* IPv4, a header of 20 bytes */
#define TYPE_MASK     (UINT64_C(0xffffff) << 32)
#define FRAGMENT_MASK ((uint64_t)RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK) << 32)

static inline uint64_t
load64(const uint8_t *from)
{
	uint64_t word;

	memcpy(&word, from, sizeof(word));
	return word;
}

static inline uint16_t
load16(const uint8_t *from)
{
	uint16_t word;

	memcpy(&word, from, sizeof(word));
	return word;
}

/* By an address's first byte: is it none of hosts, but of 0/8, 127/8, 224/4 or 240/4? */
static const bool no_host[256] = { [0] = true, [127] = true, [224 ... 255] = true };

/* All ones for the protocols whose ports rules know. */
static const int8_t ports_mask[256] = { [IPPROTO_TCP] = -1, [IPPROTO_UDP] = -1, [IPPROTO_SCTP] = -1 };

/* Do a header's 20 bytes, as they lie in these four words, add up to all ones (RFC 1071)? */
static inline bool
sum_ok(uint64_t word1, uint64_t word2, uint64_t word3, uint16_t word4)
{
	uint64_t sum = (word1 >> 48) + (uint32_t)word2 + (word2 >> 32) + (uint32_t)word3 + (word3 >> 32) + word4;
	uint32_t half = (uint32_t)((sum + (sum << 32 | sum >> 32)) >> 32);

	return (half + (half << 16 | half >> 16)) >> 16 == 0xffff;
}

/* The rest is 0. */
static inline void
write_key(struct rib_key4 *key, uint64_t addresses, uint16_t iif, uint32_t ports, uint8_t dsfield, uint8_t protocol)
{
	const uint64_t words[4] = { addresses, (uint64_t)iif << 32, (uint64_t)ports << 32,
		dsfield | (uint32_t)protocol << 8 };

	_Static_assert(offsetof(struct rib_key4, iif) == 12 && offsetof(struct rib_key4, sport) == 20 &&
			       offsetof(struct rib_key4, dsfield) == 24 && offsetof(struct rib_key4, ip_protocol) == 25,
		"where the words have them");
	memcpy(key, words, sizeof(*key));
}

/*
 * Is m a plain packet (PKT_PLAIN)? Then its length is that of the datagram, any padding cut off, and key what it is
 * routed by, but for what finish_key knows. Reads 40 bytes, however many are the frame's: a buffer has them.
 */
static inline bool
take_plain(const struct parsing *parsing, struct rte_mbuf *m, struct rib_key4 *key)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint64_t word0 = load64(frame), word1 = load64(frame + 8), word2 = load64(frame + 16);
	uint64_t word3 = load64(frame + 24), word4 = load64(frame + 32), addresses = load64(frame + 26);
	int total = rte_be_to_cpu_16((uint16_t)word2), available = m->data_len - RTE_ETHER_HDR_LEN;
	uint8_t protocol = (uint8_t)(word2 >> 56);
	uint64_t differ = ((word0 ^ parsing->mac) & parsing->mac_mask) | ((word1 ^ TYPE_VERSION) & TYPE_MASK) |
			  (word2 & FRAGMENT_MASK) | (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) | (m->nb_segs ^ 1u);

	if (unlikely(differ != 0 || total < (int)sizeof(struct rte_ipv4_hdr) || total > available ||
		     available > (int)parsing->mtu))
		return false;
	if (unlikely(!sum_ok(word1, word2, word3, (uint16_t)word4)))
		return false;
	if (unlikely(no_host[(uint8_t)addresses] | no_host[(uint8_t)(addresses >> 32)]))
		return false;
	m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	if (unlikely(total < available)) {
		m->data_len = (uint16_t)(RTE_ETHER_HDR_LEN + total);
		m->pkt_len = RTE_ETHER_HDR_LEN + (uint32_t)total;
	}
	uint32_t ports = (uint32_t)(word4 >> 16) & (uint32_t)ports_mask[protocol];
	if (unlikely(total < (int)(sizeof(struct rte_ipv4_hdr) + sizeof(ports))))
		ports = 0;
	write_key(key, addresses, parsing->start.in_port, ports, (uint8_t)(word1 >> 56), protocol);
	return true;
}

static void
start_parsing(const struct worker *w, struct port *in, bool fresh, struct parsing *parsing)
{
	*parsing = (struct parsing){
		.start = {
			.time_ns = w->now,
			.leaf = PKT_LEAF_NONE,
			.in_port = (uint16_t)in->ifindex,
			.l4_off = PLAIN_HEADERS,
			.protocol = rte_cpu_to_be_16(ETHERTYPE_IP),
			.l3_off = RTE_ETHER_HDR_LEN,
			.flags = PKT_PLAIN,
		},
		.in = in,
		.hash_policy = !rib_has_multipath(w->rib) ? HASH_NONE :
		               w->settings->fib_multipath_hash_policy == 1 ? HASH_PORTS : HASH_ADDRESSES,
		.mtu = in->mtu,
		.any = (in->flags & IFF_LOOPBACK) != 0 || router_is_replay(w->router),
		.fresh = fresh,
	};
	parsing->finish = !fresh || parsing->hash_policy != HASH_NONE;
	if (parsing->any) { /* but not for a group: its bit is the first byte's lowest (IEEE 802) */
		parsing->mac_mask = 1;
		return;
	}
	memcpy(&parsing->mac, in->mac, RTE_ETHER_ADDR_LEN);
	parsing->mac_mask = (UINT64_C(1) << 8 * RTE_ETHER_ADDR_LEN) - 1;
}

/* What take_plain leaves open of a packet from a virtual port, and where multipath routes are. */
static __rte_noinline void
finish_plain(const struct parsing *parsing, struct rte_mbuf *m, struct rib_key4 *key)
{
	fill(pkt_of(m), parsing);
	key->mark = pkt_of(m)->mark;
	if (parsing->hash_policy == HASH_PORTS)
		key->flow_hash = path_flow_hash(m);
	else if (parsing->hash_policy == HASH_ADDRESSES)
		key->flow_hash = flow_hash_addresses(key->src, key->dst);
}

/* Any packet that is not plain; false: dropped. */
static __rte_noinline bool
take_other(struct worker *w, const struct parsing *parsing, struct rte_mbuf *m)
{
	enum drop_reason reason = parse_one(w, parsing, m);

	if (unlikely(reason != KEEP))
		pkt_drop(&counters(w, parsing->in)->sink, m, reason);
	return reason == KEEP;
}

uint16_t
path_parse(struct worker *w, struct port *in, struct rte_mbuf **pkts, uint16_t n, bool fresh, struct parsed *parsed)
{
	struct rib_key4 *key = parsed->keys;
	struct parsing parsing;
	uint16_t kept = 0, others = 0;

	start_parsing(w, in, fresh, &parsing);
	for (uint16_t i = 0; i < RTE_MIN(n, PREFETCH); i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		if (i + PREFETCH < n) {
			rte_prefetch0_write(pkt_of(pkts[i + PREFETCH]));
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + PREFETCH], void *));
		}
		if (unlikely(!take_plain(&parsing, m, key))) {
			if (!take_other(w, &parsing, m))
				continue;
			others++;
		} else if (likely(!parsing.finish)) {
			memcpy(pkt_of(m), &parsing.start, offsetof(struct pkt, scratch));
		} else {
			finish_plain(&parsing, m, key);
		}
		pkts[kept++] = m;
		key++;
	}
	parsed->plain = others == 0;
	return kept;
}
