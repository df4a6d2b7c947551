/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside the path: what its stages know of each other. Everything here runs in a worker, between two RCU quiescent
 * states, and accounts for each packet that it takes: it goes on to the next stage, waits, is delivered or is dropped
 * with a reason.
 */
#ifndef WEIR_DATAPLANE_PATH_H
#define WEIR_DATAPLANE_PATH_H

#include <net/if.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include "worker.h"

#define LINK_HEADER      RTE_ETHER_HDR_LEN /* bytes in front of the network header of a packet that is to leave */
#define PASSES_MAX       8 /* through virtual ports */
#define LOOPBACK_IFINDEX 1
#define NS_PER_MS        1000000ull
#define NS_PER_SECOND    1000000000ull

/* A worker's own state of the path. */
struct path {
	struct neighbour **timers; /* binary heap by timer_ns, slots from 1 on: neighbour.c */
	uint32_t timer_count;
	uint32_t neighbours; /* of its ports, in any state but NONE */
	struct icmp_peer *peers; /* icmp_limit.c */
	struct reassembly *reassembly; /* ip4_reassembly.c */
	uint16_t ip_id; /* of the next datagram made here */
	struct netfilter_host tables_host; /* tables.c */
};

/* A setting that is on where either `all` or the port says so; where both must; the greater of both (ip-sysctl). */
static inline bool
setting_either(int all, int port)
{
	return (all | port) != 0;
}

static inline bool
setting_both(int all, int port)
{
	return all != 0 && port != 0;
}

static inline int
setting_greater(int all, int port)
{
	return all > port ? all : port;
}

static inline struct rte_ipv4_hdr *
ip4_header(const struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(
		m, struct rte_ipv4_hdr *, ((struct pkt *)rte_mbuf_to_priv((struct rte_mbuf *)(uintptr_t)m))->l3_off);
}

static inline bool
ip4_is_fragment(const struct rte_ipv4_hdr *ip)
{
	return (ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) != 0;
}

/* Where drops of what arrived on a port are counted; for a port that has gone meanwhile, the loopback's. */
struct pkt_sink *path_sink(const struct worker *w, uint32_t ifindex);

/* ---- parse.c ----------------------------------------------------------------------------------------------------- */

/* What parsing a burst leaves beside struct pkt, if all packets are plain: what they are routed by. */
struct parsed {
	union {
		struct rib_key4 keys[BURST];
		struct rib_pair4 pairs[BURST]; /* direct: nothing else is of interest, as far as one can see */
	};
	bool plain, direct;
	bool filled; /* false: struct pkt is not, as nobody is likely to read it; then all are plain */
};

/*
 * At most BURST. Fills struct pkt of each (`fresh`: just received; else it came through a virtual port and keeps its
 * time and marks), drops what is malformed and, unless an ingress hook is to see that first, what path_admit would.
 * Keeps the rest in front, in order; returns how many.
 */
uint16_t path_parse(struct worker *w, struct port *in, struct rte_mbuf **pkts, uint16_t n, bool fresh, bool hooked,
	struct parsed *parsed);
/* Fills struct pkt of packets that parsing has left unfilled. */
void path_fill(const struct worker *w, const struct port *in, struct rte_mbuf **pkts, uint16_t n);
/* Behind the ingress hook: drops what is another host's or VLAN's and the like, as their bytes and flags are now. */
uint16_t path_admit(struct worker *w, const struct port *in, struct rte_mbuf **pkts, uint16_t n);
/* Fills l4_off from the network header. */
void path_find_transport(struct rte_mbuf *m);
/*
 * Over addresses, protocol and ports of an IPv4 packet; without ports for fragments, so that all of a datagram's agree.
 */
uint32_t path_flow_hash(const struct rte_mbuf *m);

/* Folded multiply: each bit of the result depends on every bit of both words. The constants are digits of pi. */
static inline uint32_t
hash_words(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128)(a ^ 0x243f6a8885a308d3ull) * (b ^ 0x13198a2e03707344ull);
	uint64_t h = (uint64_t)p ^ (uint64_t)(p >> 64);

	h *= 0xa4093822299f31d1ull;
	return (uint32_t)(h >> 32);
}

/* The hash of addresses alone: what multipath routes spread by under policy 0. */
static inline uint32_t
flow_hash_addresses(uint32_t src, uint32_t dst)
{
	return hash_words((uint64_t)src << 32 | dst, 0);
}

/* ---- path.c ------------------------------------------------------------------------------------------------------ */

/*
 * Packets with out_port and nexthop set, which are to leave: to the neighbour they go to, or into its queue. l3_off is
 * 14 or more and the bytes before it are free for the link header.
 */
void path_output(struct worker *w, struct rte_mbuf **pkts, uint16_t n);
/* Moves the frame's start to 14 bytes before the network header. */
void path_make_room(struct rte_mbuf *m);
/* In front of the network header, where a packet of a bare port begins: the room is there. To be written. */
void path_add_link_header(struct rte_mbuf *m);

/* Writes the link header; the room is there. */
static inline void
path_write_link(struct rte_mbuf *m, const struct port *out, const uint8_t destination[6])
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	rte_be16_t protocol = pkt_of(m)->protocol;

	memcpy(frame, destination, RTE_ETHER_ADDR_LEN);
	memcpy(frame + RTE_ETHER_ADDR_LEN, out->mac, RTE_ETHER_ADDR_LEN);
	memcpy(frame + 2 * RTE_ETHER_ADDR_LEN, &protocol, sizeof(protocol));
}

/* ---- tables.c: packet filter tables at the hooks of the path ----------------------------------------------------- */

/* Once per worker, from path_start. */
void tables_start(struct worker *w);

/* Are packets asked at this hook at all? */
static inline bool
tables_ask(const struct worker *w, enum netfilter_hook hook)
{
	return netfilter_is_active(w->netfilter_active, hook);
}

/* Each drops what tables say no to, if they ask there, and keeps the rest in front, in order; returns how many. */
uint16_t tables_prerouting(struct worker *w, struct port *in, struct rte_mbuf **pkts, uint16_t n);
/* The same of packets with keys, or with addresses, which stay theirs; *plain: all that are left are. */
uint16_t
tables_prerouting_keys(struct worker *w, struct port *in, struct rte_mbuf **pkts, struct rib_key4 *keys, uint16_t n);
uint16_t tables_prerouting_pairs(
	struct worker *w, struct port *in, struct rte_mbuf **pkts, struct rib_pair4 *pairs, uint16_t n, bool *plain);
/* Routed, out_port set: FORWARD, then POSTROUTING. */
uint16_t tables_forward(struct worker *w, struct port *in, struct rte_mbuf **pkts, uint16_t n);
/* May a datagram for this router be delivered? m stays the caller's. */
bool tables_input(struct worker *w, struct port *in, struct rte_mbuf *m);
/* OUTPUT and POSTROUTING for a datagram made and routed here, which may get another route; false: it was dropped. */
bool tables_output(struct worker *w, struct rte_mbuf *m);

/* ---- ip4.c, ip4_forward.c, ip4_options.c, ip4_fragment.c, ip4_send.c, ip4_local.c, ip4_reassembly.c -------------- */

/* At most BURST, checked by parse alone. */
void ip4_receive(struct worker *w, struct port *in, struct rte_mbuf **pkts, uint16_t n);
/* Goes on with those whose headers are known to be good, by these keys; `filled`: as in struct parsed. */
void ip4_route(struct worker *w, struct port *in, struct rte_mbuf **pkts, const struct rib_key4 *keys, uint16_t n,
	bool filled);
/* The same by their addresses alone, if that will do; `plain`: all of them are. */
void ip4_route_direct(struct worker *w, struct port *in, struct rte_mbuf **pkts, const struct rib_pair4 *pairs,
	uint16_t n, bool plain, bool filled);
/* At most BURST with their answers. `foreign`: all are plain, and their sources no addresses of this router. */
void ip4_forward(struct worker *w, struct port *in, struct rte_mbuf **pkts, const struct rib_result *const *answers,
	uint16_t n, bool foreign, bool filled);
/* skb->priority of a packet with this TOS (tc-prio(8)'s table). */
static inline uint32_t
ip4_tos_priority(uint8_t tos)
{
	static const uint8_t priorities[4] = { 0, 2, 6, 4 }; /* best effort, bulk, interactive, interactive bulk */

	return priorities[(tos >> 3) & 3];
}

/* What an option list asks for. */
struct ip4_options {
	bool malformed, source_route, strict;
	uint8_t error_at; /* malformed: offset in the header, for the parameter problem */
	uint8_t route_at, record_at, timestamp_at; /* offsets in the header; 0: not there */
};
void ip4_options_parse(const struct rte_ipv4_hdr *ip, struct ip4_options *options);
/* Writes `own` and the time where record route and timestamp options want them. The checksum is the caller's. */
void ip4_options_record(struct rte_ipv4_hdr *ip, const struct ip4_options *options, rte_be32_t own, uint64_t now);
/*
 * At an address of this router: on to the source route's next stop. false: its end was reached. Updates the checksum.
 */
bool ip4_options_next_stop(struct rte_ipv4_hdr *ip, const struct ip4_options *options);
/* Does the next stop have to be a neighbour (a strict source route not yet at its end)? */
bool ip4_options_strict_hop(const struct rte_ipv4_hdr *ip);

/*
 * Cuts m, which is longer than mtu, into pieces that go to `emit` in order: the first is m itself, the others are made
 * here and counted as generated at `out`. false: m was dropped in `sink`.
 */
bool ip4_fragment(struct worker *w, struct port *out, struct pkt_sink *sink, struct rte_mbuf *m, uint32_t mtu,
	void (*emit)(struct worker *w, void *arg, struct rte_mbuf *m), void *arg);

/*
 * A datagram made here: room for the link header, then an IPv4 header of 20 bytes with all but length and checksum.
 * NULL: no buffer.
 */
struct rte_mbuf *ip4_make(struct worker *w, uint8_t protocol, rte_be32_t src, rte_be32_t dst, uint8_t tos);
/* Finds the route for a datagram made here. src is set if it is 0. false: no way there, or no address to send from. */
bool ip4_route_own(struct worker *w, struct rte_mbuf *m);
/* Length, checksum, fragments and off, once ip4_route_own said yes. Takes m. */
void ip4_send_own(struct worker *w, struct rte_mbuf *m);
/* The address that the router shows as its own when it sends by this hop towards `to`. 0: none. */
rte_be32_t ip4_hop_source(const struct worker *w, const struct rib_nexthop *hop, rte_be32_t to);

/* Takes m, which is for this router: `broadcast` if it is for all. */
void ip4_deliver(struct worker *w, struct port *in, struct rte_mbuf *m, bool broadcast);
/* Is the transport checksum over m's payload right? For a TCP or UDP datagram that is no fragment. */
bool ip4_transport_sum_ok(const struct rte_mbuf *m);
/* Answers a TCP segment for which there is no connection (RFC 9293 3.10.7.1); m stays the caller's. */
void tcp_refuse(struct worker *w, const struct rte_mbuf *m);

struct reassembly *reassembly_create(void);
/*
 * Takes a fragment. When it completes its datagram, `whole` gets a copy that is in one piece (the caller frees it, it
 * is counted nowhere; NULL if there was no buffer) and the fragments come back as a list linked by packet_next. Else
 * NULL: it waits, or was dropped.
 */
struct rte_mbuf *reassembly_add(struct worker *w, struct port *in, struct rte_mbuf *m, struct rte_mbuf **whole);
/* Drops what has waited too long; returns when to be called again. */
uint64_t reassembly_timers(struct worker *w);
/* Drops the fragments of a port, NULL: of all. */
void reassembly_flush(struct worker *w, const struct port *in, enum drop_reason reason);

/* ---- icmp.c, icmp_limit.c ---------------------------------------------------------------------------------------- */

/*
 * Sends an ICMP error about m if the RFCs and the rate limits allow. `info` is the second word (RFC 792), host order. m
 * stays the caller's, unchanged.
 */
void icmp_error(struct worker *w, struct rte_mbuf *m, uint8_t type, uint8_t code, uint32_t info);
/* m is for this router and whole. Returns DROP__COUNT if it was of use, else why not. m stays the caller's. */
enum drop_reason icmp_receive(struct worker *w, struct rte_mbuf *m, bool broadcast);
/* Tells the source of m, which goes out where it came in, of the better first hop (RFC 1812 5.2.7.2). */
void icmp_redirect(struct worker *w, struct port *in, struct rte_mbuf *m, const struct rib_nexthop *hop);

struct icmp_peer *icmp_peers_create(void);
bool icmp_allowed(struct worker *w, rte_be32_t to, uint8_t type, uint8_t code);
bool icmp_redirect_allowed(struct worker *w, rte_be32_t to);

/* ---- arp.c ------------------------------------------------------------------------------------------------------- */

void arp_receive(struct worker *w, struct port *in, struct rte_mbuf *m);
/* Asks for an address: to `lladdr`, NULL: everyone. `waiting` is the first packet that waits for it, or NULL. */
void arp_solicit(struct worker *w, struct port *out, const struct neighbour *neighbour, const uint8_t *lladdr,
	const struct rte_mbuf *waiting);

/* ---- neighbour.c: all at the port's owner ------------------------------------------------------------------------ */

/* Takes m, which goes to the neighbour: at once, or when it answers. NULL: there is no room for more neighbours. */
void neighbour_submit(struct worker *w, struct port *out, struct neighbour *neighbour, struct rte_mbuf *m);
/* Nothing waits for it yet: asks who it is if nobody has. True: it is known. */
bool neighbour_ask(struct worker *w, struct port *out, struct neighbour *neighbour);
/* Something was heard from it. lladdr NULL: unchanged. state: NUD_REACHABLE (solicited) or NUD_STALE. */
void neighbour_heard(struct worker *w, struct port *port, struct neighbour *neighbour, const uint8_t lladdr[6],
	uint8_t state, bool override);
/* Puts it into a state, with all that follows: timers, waiting packets, what other workers see. */
void neighbour_set_state(struct worker *w, struct port *port, struct neighbour *neighbour, uint8_t state);
void neighbour_set_lladdr(struct neighbour *neighbour, const uint8_t lladdr[6]);
/* It has left the table: packets that wait for it go to the entry that has taken its place. */
void neighbour_resubmit(struct worker *w, struct port *port, struct neighbour *neighbour);
uint64_t neighbour_timers(struct worker *w);

struct neighbour_hot { /* what any worker reads, at once */
	uint8_t family, ready;
	uint8_t lladdr[6];
};

union neighbour_word {
	uint64_t word;
	struct neighbour_hot hot;
};

static inline union neighbour_word
neighbour_read_word(const struct neighbour *n)
{
	return (union neighbour_word){
		.word = __atomic_load_n((const uint64_t *)(const void *)&n->family, __ATOMIC_RELAXED),
	};
}

static inline struct neighbour_hot
neighbour_read(const struct neighbour *n)
{
	return neighbour_read_word(n).hot;
}

static inline void
neighbour_write(struct neighbour *n, struct neighbour_hot hot)
{
	union neighbour_word u = { .hot = hot };

	__atomic_store_n((uint64_t *)(void *)&n->family, u.word, __ATOMIC_RELEASE);
}

/* A packet goes to it. To the second is exact enough for the state machine and spares other workers' caches. */
static inline void
neighbour_use(const struct worker *w, struct neighbour *n)
{
	if (unlikely(w->now - __atomic_load_n(&n->used_ns, __ATOMIC_RELAXED) > NS_PER_SECOND))
		__atomic_store_n(&n->used_ns, w->now, __ATOMIC_RELAXED);
}

_Static_assert(offsetof(struct neighbour, family) % 8 == 0 &&
		       offsetof(struct neighbour, lladdr) == offsetof(struct neighbour, family) + 2,
	"family, ready and lladdr are one word");

/* ---- packets that leave: path.c ---------------------------------------------------------------------------------- */

/*
 * In order, their link headers written, out_port and nexthop set: they go when there are BURST of them, and when told
 * to.
 */
struct outgoing {
	struct rte_mbuf *pkts[BURST];
	uint16_t count;
	bool mixed; /* they leave by several ports */
	/* the last one's port */
	bool has_neighbours;
	uint32_t ifindex; /* 0: none yet */
	struct port *port; /* NULL: it has gone */
	uint64_t link; /* the second half of its link headers: MAC, and IPv4's type */
};

void outgoing_start(struct outgoing *o);
void outgoing_flush(struct worker *w, struct outgoing *o);
/* The next packets leave by this port. */
void outgoing_turn(const struct worker *w, struct outgoing *o, uint32_t ifindex);
/* Any packet; one whose neighbour is not known goes to the port's owner, and waits there. */
void outgoing_add(struct worker *w, struct outgoing *o, struct rte_mbuf *m, const struct rib_nexthop *hop);

_Static_assert(offsetof(struct port, mac) + sizeof(uint64_t) <= sizeof(struct port) &&
		       RTE_PKTMBUF_HEADROOM >= offsetof(struct neighbour_hot, lladdr),
	"words are read and written beyond a MAC");

/* ---- packets that wait in the path: linked in scratch, theirs while no discipline holds them -------------------- */

static inline struct rte_mbuf *
packet_next(const struct rte_mbuf *m)
{
	struct rte_mbuf *next;

	memcpy(&next, pkt_of((struct rte_mbuf *)(uintptr_t)m)->scratch, sizeof(next));
	return next;
}

static inline void
packet_set_next(struct rte_mbuf *m, struct rte_mbuf *next)
{
	memcpy(pkt_of(m)->scratch, &next, sizeof(next));
}

#endif
