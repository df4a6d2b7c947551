/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parsing: from a frame as it arrived to a filled struct pkt.
 *
 * Bursts are parsed in order with the bytes of later frames prefetched. What the router reads of headers is made to lie
 * in the first buffer, so that later stages need not care. Nearly all packets are plain ones: IPv4 for this router's
 * MAC with an ordinary header, which takes a dozen loads to know, and fills struct pkt from a template. The others take
 * the long way round.
 */
#include <linux/if_ether.h>
#include <net/ethernet.h>
#include <netinet/in.h>

#include <rte_prefetch.h>

#include "buffer.h"
#include "path.h"

#define AHEAD    16 /* packets: what comes from another core's cache takes that long */
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

/*
 * The ethertype behind any tags, network order, and the network header's place behind them. A tag that names a VLAN
 * ends the search: then the tag's type is the answer. 0: the frame ends within a tag.
 */
static rte_be16_t
find_type(const struct rte_mbuf *m, struct pkt *p)
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
		off += RTE_VLAN_HLEN;
		/* VID 0 only carries a priority: the frame belongs to no VLAN (IEEE 802.1Q 6.9). */
		if ((p->vlan_tci & VLAN_ID_MASK) != 0 || tags == TAGS_MAX) {
			p->l3_off = (uint8_t)(off + 2);
			return type;
		}
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

/* Fills protocol, l3_off, l4_off and vlan_tci from the frame's bytes. */
static enum drop_reason
find_layers(struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);

	if (unlikely(m->nb_segs > 1) && !buffer_pull(m, (uint16_t)RTE_MIN(m->pkt_len, (uint32_t)HEADERS_MAX)))
		return DROP_FRAME_MALFORMED;
	if (unlikely(m->data_len < RTE_ETHER_HDR_LEN))
		return DROP_FRAME_MALFORMED;
	p->protocol = find_type(m, p);
	if (unlikely(p->protocol == 0))
		return DROP_FRAME_MALFORMED;
	if (unlikely(rte_be_to_cpu_16(p->protocol) < ETHERTYPE_MIN))
		p->protocol = rte_cpu_to_be_16(ETH_P_802_2);
	path_find_transport(m);
	return KEEP;
}

/* What the router does not take, whatever the ingress hook says of it. */
static enum drop_reason
admit(const struct port *in, const struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of((struct rte_mbuf *)(uintptr_t)m);

	if (unlikely((p->flags & PKT_OTHER_HOST) != 0))
		return DROP_OTHER_HOST;
	if (unlikely((p->vlan_tci & VLAN_ID_MASK) != 0 || p->protocol == rte_cpu_to_be_16(ETHERTYPE_VLAN) ||
		     p->protocol == rte_cpu_to_be_16(RTE_ETHER_TYPE_QINQ)))
		return DROP_UNKNOWN_VLAN;
	if (unlikely(p->protocol == rte_cpu_to_be_16(ETH_P_802_2)))
		return DROP_UNKNOWN_PROTOCOL;
	return likely(m->pkt_len - p->l3_off <= in->mtu) ? KEEP : DROP_FRAME_OVERSIZE;
}

uint16_t
path_admit(struct worker *w, const struct port *in, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = pkt_of(pkts[i]);
		enum drop_reason reason = KEEP;

		/* An action may have changed any byte of it. */
		if (unlikely((p->flags & PKT_PLAIN) == 0)) {
			p->vlan_tci = 0;
			if (p->l3_off == 0) { /* taken away: what is behind it stands for itself */
				path_add_link_header(pkts[i]);
				path_write_link(pkts[i], in, in->mac);
			}
			reason = find_layers(pkts[i]);
			if (reason == KEEP)
				reason = admit(in, pkts[i]);
		}
		if (likely(reason == KEEP))
			pkts[kept++] = pkts[i];
		else
			pkt_drop(&counters(w, in)->sink, pkts[i], reason);
	}
	return kept;
}

/* What multipath routes spread by. */
enum { HASH_NONE, HASH_ADDRESSES, HASH_PORTS };

/* 16 bytes of a packet, as two words of which only equality and bits are asked. */
typedef uint64_t words __attribute__((vector_size(16)));
typedef uint8_t bytes __attribute__((vector_size(16)));

/* What a plain packet is known by: as words, which fit into registers. */
struct plain {
	words frame, frame_mask; /* what its first 16 bytes are, and which of their bits matter */
	bytes iif; /* the port's, in the last 4, as a key's first 16 end */
	uint32_t mtu;
};

/* What a plain packet's struct pkt begins with. */
struct start {
	words words[offsetof(struct pkt, scratch) / sizeof(words)];
};

_Static_assert(offsetof(struct pkt, scratch) == sizeof(struct start), "no more and no less");

/* What is the same for all packets of a burst. */
struct parsing {
	struct plain plain;
	struct start start; /* only where struct pkt is filled */
	struct rib_ahead ahead;
	struct port *in;
	uint8_t hash_policy; /* of multipath routes; HASH_NONE: there are none */
	bool any; /* every destination MAC is ours */
	bool fresh; /* from outside, not through a virtual port */
	bool hooked; /* the ingress hook sees them before they are admitted */
	bool direct; /* nobody needs keys */
	bool fill; /* struct pkt, also where nobody is likely to read it */
	bool finish; /* keys have fields that a plain packet of outside does not need */
};

/* All of struct pkt but its time, and the marks, of a packet that comes through a virtual port. */
static void
fill_again(struct pkt *p, const struct start *start)
{
	struct pkt before = *p;

	memcpy(p, start, sizeof(*start));
	p->time_ns = before.time_ns;
	p->mark = before.mark;
	p->tc_index = before.tc_index;
	p->passes = before.passes;
	if ((before.flags & PKT_REDIRECTED) != 0)
		p->priority = before.priority;
}

static inline void
fill(struct pkt *p, const struct parsing *parsing)
{
	if (likely(parsing->fresh))
		memcpy(p, &parsing->start, sizeof(parsing->start));
	else
		fill_again(p, &parsing->start);
}

/* A tag that the device has taken out stands where filters and actions know it, and where other ports send it. */
static bool
restore_tag(struct rte_mbuf *m)
{
	return (m->data_len >= RTE_ETHER_HDR_LEN || buffer_pull(m, RTE_ETHER_HDR_LEN)) && rte_vlan_insert(&m) == 0;
}

static enum drop_reason
parse_one(struct worker *w, const struct parsing *parsing, struct rte_mbuf *m)
{
	const struct port *in = parsing->in;
	struct pkt *p = pkt_of(m);
	uint16_t redirected = parsing->fresh ? 0 : p->flags & PKT_REDIRECTED;
	uint16_t received_as = redirected != 0 ? p->flags & (PKT_MULTICAST | PKT_OTHER_HOST) : 0;
	enum drop_reason reason;

	fill(p, parsing);
	p->vlan_tci = 0;
	p->flags = received_as;
	if (unlikely((m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0) && !restore_tag(m))
		return DROP_FRAME_MALFORMED;
	m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	reason = find_layers(m);
	if (unlikely(reason != KEEP))
		return reason;
	/* What an action has sent here is for whom it was where it came from, as on Linux. */
	if (likely(redirected == 0) && unlikely(!for_us(w, in, m, p, parsing->any)))
		p->flags |= PKT_OTHER_HOST;
	return parsing->hooked ? KEEP : admit(in, m);
}

/* ---- plain packets ----------------------------------------------------------------------------------------------- */

#define PLAIN_HEADERS (RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr))

_Static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN, "words of a frame are shifted as little-endian ones");

/* Of a frame's second 16 bytes (total length, ID, fragment, TTL, protocol, checksum, source): what fragments have. */
static const words fragment_mask = { (uint64_t)RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK) << 32, 0 };

/* Of an mbuf's data_off, refcnt, nb_segs and port, and its ol_flags: one segment, no VLAN tag. */
static const words mbuf_wanted = { UINT64_C(1) << 32, 0 };
static const words mbuf_mask = { UINT64_C(0xffff) << 32, RTE_MBUF_F_RX_VLAN_STRIPPED };

/* The flags of a buffer that say how its bytes are held, not what a device found out: all above the others. */
#define KEPT_FLAGS 3

_Static_assert((RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL) << KEPT_FLAGS == 0 &&
		       (RTE_MBUF_F_FIRST_FREE - 1) << KEPT_FLAGS >> KEPT_FLAGS == RTE_MBUF_F_FIRST_FREE - 1,
	"the last bits");

_Static_assert(offsetof(struct rte_mbuf, nb_segs) == offsetof(struct rte_mbuf, rearm_data) + 4 &&
		       offsetof(struct rte_mbuf, ol_flags) == offsetof(struct rte_mbuf, rearm_data) + 8,
	"where the masks have them");

static inline words
load_words(const void *from)
{
	words w;

	memcpy(&w, from, sizeof(w));
	return w;
}

static inline bytes
load_bytes(const void *from)
{
	return (bytes)load_words(from);
}

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

static inline uint32_t
load32(const uint8_t *from)
{
	uint32_t word;

	memcpy(&word, from, sizeof(word));
	return word;
}

/* By an address's first byte: is it none of hosts, but of 0/8, 127/8, 224/4 or 240/4? */
static const bool no_host[256] = { [0] = true, [127] = true, [224 ... 255] = true };

/* The protocols whose ports rules know. */
static const bool has_known_ports[256] = { [IPPROTO_TCP] = true, [IPPROTO_UDP] = true, [IPPROTO_SCTP] = true };

/* The key of a packet from a virtual port, and where multipath routes are. */
static __rte_noinline void
finish_key(const struct parsing *parsing, struct rte_mbuf *m, struct rib_key4 *key)
{
	key->mark = pkt_of(m)->mark;
	if (parsing->hash_policy == HASH_PORTS)
		key->flow_hash = path_flow_hash(m);
	else if (parsing->hash_policy == HASH_ADDRESSES)
		key->flow_hash = flow_hash_addresses(key->src, key->dst);
}

/* A plain packet's key but for its mark and hash, which are 0. */
static inline void
write_key(const struct rte_mbuf *m, bytes iif, struct rib_key4 *key)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, RTE_ETHER_HDR_LEN);
	const bytes none = { 0 };
	bytes second, from = load_bytes(ip + 8); /* TTL, protocol, checksum, addresses, ports */

	/* 4 bytes of oif, the ports, dsfield and protocol; then those of the addresses, and mark and iif. */
	second = __builtin_shufflevector(from, none, 16, 16, 16, 16, 12, 13, 14, 15, 16, 1, 16, 16, 16, 16, 16, 16);
	second[8] = ip[1];
	from = __builtin_shufflevector(from, iif, 4, 5, 6, 7, 8, 9, 10, 11, 24, 25, 26, 27, 28, 29, 30, 31);
	memcpy(key, &from, sizeof(from));
	memcpy(&key->oif, &second, sizeof(second));
	if (unlikely(!has_known_ports[key->ip_protocol] || m->data_len < PLAIN_HEADERS + 4))
		key->sport = key->dport = 0;
}

_Static_assert(offsetof(struct rib_key4, iif) == 12 && offsetof(struct rib_key4, sport) == 20 &&
		       offsetof(struct rib_key4, dsfield) == 24 && offsetof(struct rib_key4, ip_protocol) == 25,
	"where they are written");

/*
 * Do a header's 20 bytes add up to all ones (RFC 1071)? Its 16-bit words may be added as parts of longer ones, since
 * 2^16, 2^32 and 2^48 leave 1 when divided by 2^16 - 1, and what folds to all ones is a multiple of that. So is a
 * number whose product with the divisor's inverse, modulo 2^64, is a possible quotient (Granlund and Montgomery,
 * "Division by Invariant Integers using Multiplication", 1994, section 9).
 */
static inline bool
sum_ok(const uint8_t *ip)
{
	const uint64_t inverse = UINT64_C(0xfffefffefffeffff), quotient_max = UINT64_MAX / 0xffff;
	uint64_t sum, end = load32(ip + 16);

	end += __builtin_add_overflow(load64(ip), load64(ip + 8), &sum); /* ones' complement: carries come back in */
	end = __builtin_add_overflow(sum, end, &sum);
	sum += end;
	return sum * inverse <= quotient_max;
}

_Static_assert((uint64_t)(UINT64_C(0xfffefffefffeffff) * 0xffff) == 1, "the inverse of 2^16 - 1");

/* The frame is longer than its datagram: cuts off the padding. False: it is shorter. */
static inline bool
cut(struct rte_mbuf *m, uint32_t total, uint32_t available)
{
	if (total < sizeof(struct rte_ipv4_hdr) || (int)total > (int)available)
		return false;
	m->data_len = (uint16_t)(RTE_ETHER_HDR_LEN + total);
	m->pkt_len = RTE_ETHER_HDR_LEN + total;
	return true;
}

/* Is no bit set? */
typedef bool none_set(words w);

static inline bool
none_set_scalar(words w)
{
	return (w[0] | w[1]) == 0;
}

/*
 * Is m a plain packet (PKT_PLAIN)? Then its length is that of the datagram, any padding cut off, and *pair its source
 * and destination, as in struct rib_pair4. Reads 34 bytes, however many are the frame's: a buffer has them.
 */
static __rte_always_inline bool
take_plain(none_set *none, const struct plain *plain, struct rte_mbuf *m, uint64_t *pair)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *), *ip = frame + RTE_ETHER_HDR_LEN;
	uint64_t addresses = load64(ip + offsetof(struct rte_ipv4_hdr, src_addr));
	uint32_t total = __builtin_bswap16(load16(ip + offsetof(struct rte_ipv4_hdr, total_length)));
	uint32_t available = m->data_len - RTE_ETHER_HDR_LEN;
	words wrong = ((load_words(frame) ^ plain->frame) & plain->frame_mask) |
		      (load_words(frame + 16) & fragment_mask) |
		      ((load_words(&m->rearm_data) ^ mbuf_wanted) & mbuf_mask);

	if (unlikely(!none(wrong) || !sum_ok(ip)))
		return false;
	if (unlikely(no_host[(uint8_t)addresses] | no_host[(uint8_t)(addresses >> 32)]))
		return false;
	if (unlikely(available - sizeof(struct rte_ipv4_hdr) > plain->mtu - sizeof(struct rte_ipv4_hdr)))
		return false;
	if (unlikely(total != available) && !cut(m, total, available))
		return false;
	if (unlikely(m->ol_flags << KEPT_FLAGS != 0))
		m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
	*pair = addresses;
	return true;
}

/* Made in registers: whoever loads whole what was stored in parts waits for the stores. */
static inline void
start_plain(const struct port *in, bool any, struct plain *plain)
{
	/* MACs, ethertype, version and length of the header. If any MAC is ours, a group's is not (its first bit). */
	const uint64_t mac_mask = any ? 1 : UINT64_C(0xffffffffffff);

	plain->frame = (words){ any ? 0 : load64(in->mac) & mac_mask, UINT64_C(0x450008) << 32 };
	plain->frame_mask = (words){ mac_mask, UINT64_C(0xffffff) << 32 };
	plain->iif = (bytes)(words){ 0, (uint64_t)(uint16_t)in->ifindex << 32 };
	plain->mtu = in->mtu;
}

static __rte_noinline void
start_filling(const struct worker *w, uint32_t in_ifindex, struct start *start)
{
	const struct pkt first = {
		.time_ns = w->now,
		.leaf = PKT_LEAF_NONE,
		.in_port = (uint16_t)in_ifindex,
		.l4_off = PLAIN_HEADERS,
		.protocol = rte_cpu_to_be_16(ETHERTYPE_IP),
		.l3_off = RTE_ETHER_HDR_LEN,
		.flags = PKT_PLAIN,
	};

	memcpy(start, &first, sizeof(*start));
}

static void
start_parsing(const struct worker *w, struct port *in, bool fresh, bool hooked, struct parsing *parsing)
{
	parsing->ahead = rib_look_ahead(w->rib);
	parsing->in = in;
	parsing->hash_policy = !rib_has_multipath(w->rib)                    ? HASH_NONE
			       : w->settings->fib_multipath_hash_policy == 1 ? HASH_PORTS
									     : HASH_ADDRESSES;
	parsing->any = (in->flags & IFF_LOOPBACK) != 0 || router_is_replay(w->router);
	parsing->fresh = fresh;
	parsing->hooked = hooked;
	parsing->direct = parsing->ahead.direct && parsing->hash_policy == HASH_NONE;
	parsing->finish = !fresh || parsing->hash_policy != HASH_NONE;
	parsing->fill = !w->unread || hooked || parsing->finish;
	start_plain(in, parsing->any, &parsing->plain);
	if (parsing->fill)
		start_filling(w, in->ifindex, &parsing->start);
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

/* What parsing reads of a packet and fills, but its mbuf: that is at hand, since it was just received. */
static __rte_always_inline void
fetch(struct rte_mbuf *m, bool fills)
{
	if (fills)
		rte_prefetch0_write(pkt_of(m));
	rte_prefetch0(rte_pktmbuf_mtod(m, void *));
}

/*
 * The first packets, as long as they are plain: how many is returned, and what they are routed by is at `routed`, pairs
 * or keys. Calls nothing, so that what is the same for all stays in registers.
 */
static __rte_always_inline unsigned int
take_run(none_set *none, const struct parsing *parsing, struct rte_mbuf *const *pkts, unsigned int n, void *routed,
	bool direct, bool fills)
{
	const struct plain plain = parsing->plain;
	const struct rib_ahead ahead = parsing->ahead;
	struct rib_pair4 *pairs = routed;
	struct rib_key4 *keys = routed;
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		uint64_t pair;

		if (likely(i + AHEAD < n))
			fetch(pkts[i + AHEAD], fills);
		if (unlikely(!take_plain(none, &plain, m, &pair)))
			break;
		if (fills)
			memcpy(pkt_of(m), &parsing->start, sizeof(parsing->start));
		if (direct)
			memcpy(&pairs[i], &pair, sizeof(pair));
		else
			write_key(m, plain.iif, &keys[i]);
		rib_fetch4(&ahead, __builtin_bswap32((uint32_t)(pair >> 32)));
	}
	return i;
}

/* One that is not plain, or needs more than take_run does; false: dropped. */
static __rte_noinline bool
take_one(struct worker *w, const struct parsing *parsing, struct rte_mbuf *m, struct parsed *parsed, uint16_t k)
{
	uint64_t pair;

	if (!take_plain(none_set_scalar, &parsing->plain, m, &pair)) {
		if (!take_other(w, parsing, m))
			return false;
		parsed->plain = false;
		return true;
	}
	fill(pkt_of(m), parsing);
	if (parsed->direct) {
		memcpy(&parsed->pairs[k], &pair, sizeof(pair));
		return true;
	}
	write_key(m, parsing->plain.iif, &parsed->keys[k]);
	if (parsing->finish)
		finish_key(parsing, m, &parsed->keys[k]);
	return true;
}

static void
fill_all(const struct start *start, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		memcpy(pkt_of(pkts[i]), start, sizeof(*start));
}

/* The same in the way of the burst; they are the k-th and following of those that are kept. */
static __rte_always_inline unsigned int
take_next_run(none_set *none, const struct parsing *parsing, struct rte_mbuf *const *pkts, unsigned int n,
	struct parsed *parsed, uint16_t k)
{
	if (parsed->filled)
		return parsed->direct ? take_run(none, parsing, pkts, n, &parsed->pairs[k], true, true)
				      : take_run(none, parsing, pkts, n, &parsed->keys[k], false, true);
	return parsed->direct ? take_run(none, parsing, pkts, n, &parsed->pairs[k], true, false)
			      : take_run(none, parsing, pkts, n, &parsed->keys[k], false, false);
}

/* Takes all packets and says of each in `parsed`; returns how many are kept, in front. */
static __rte_always_inline uint16_t
take_burst(none_set *none, struct worker *w, struct parsing *parsing, struct rte_mbuf **pkts, uint16_t n,
	struct parsed *parsed)
{
	uint16_t kept = 0;

	parsed->plain = true;
	parsed->direct = parsing->direct;
	parsed->filled = parsing->fill;
	for (uint16_t i = 0; i < RTE_MIN(n, (uint16_t)AHEAD); i++)
		fetch(pkts[i], parsing->fill);
	for (uint16_t i = 0; i < n; i++) {
		if (likely(!parsing->finish)) {
			unsigned int run = take_next_run(none, parsing, pkts + i, n - i, parsed, kept);

			if (unlikely(kept != i))
				memmove(pkts + kept, pkts + i, run * sizeof(pkts[0]));
			i = (uint16_t)(i + run);
			kept = (uint16_t)(kept + run);
		}
		if (likely(i == n))
			break;
		if (!parsed->filled) {
			start_filling(w, parsing->in->ifindex, &parsing->start);
			fill_all(&parsing->start, pkts, kept);
			parsed->filled = true;
		}
		if (take_one(w, parsing, pkts[i], parsed, kept))
			pkts[kept++] = pkts[i];
	}
	return kept;
}

static uint16_t
take_burst_anywhere(
	struct worker *w, struct parsing *parsing, struct rte_mbuf **pkts, uint16_t n, struct parsed *parsed)
{
	return take_burst(none_set_scalar, w, parsing, pkts, n, parsed);
}

static uint16_t (*take_burst_here)(struct worker *w, struct parsing *parsing, struct rte_mbuf **pkts, uint16_t n,
	struct parsed *parsed) = take_burst_anywhere;

#ifdef __x86_64__
#include <immintrin.h>

/* The same with instructions of three operands: an eighth fewer. */
#define AVX2 __attribute__((target("avx2,bmi,bmi2")))

AVX2 static inline bool
none_set_avx2(words w)
{
	return _mm_testz_si128((__m128i)w, (__m128i)w);
}

AVX2 static uint16_t
take_burst_avx2(struct worker *w, struct parsing *parsing, struct rte_mbuf **pkts, uint16_t n, struct parsed *parsed)
{
	return take_burst(none_set_avx2, w, parsing, pkts, n, parsed);
}

__attribute__((constructor)) static void
choose_parser(void)
{
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2"))
		take_burst_here = take_burst_avx2;
}
#endif

uint16_t
path_parse(struct worker *w, struct port *in, struct rte_mbuf **pkts, uint16_t n, bool fresh, bool hooked,
	struct parsed *parsed)
{
	struct parsing parsing;

	start_parsing(w, in, fresh, hooked, &parsing);
	return take_burst_here(w, &parsing, pkts, n, parsed);
}

void
path_fill(const struct worker *w, const struct port *in, struct rte_mbuf **pkts, uint16_t n)
{
	struct start start;

	start_filling(w, in->ifindex, &start);
	fill_all(&start, pkts, n);
}

void
path_fill_leaving(const struct worker *w, uint32_t out_ifindex, struct rte_mbuf **pkts, uint16_t n)
{
	struct start start;

	start_filling(w, 0, &start);
	fill_all(&start, pkts, n);
	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = pkt_of(pkts[i]);

		p->in_port = pkts[i]->port;
		p->out_port = (uint16_t)out_ifindex;
		p->priority = ip4_tos_priority(ip4_header(pkts[i])->type_of_service);
	}
}
