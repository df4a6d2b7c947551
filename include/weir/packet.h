/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the router knows of a packet, beside its bytes, and why a packet may not leave.
 *
 * A packet is one rte_mbuf chain with one reference; struct pkt is the private area of its first segment and one cache
 * line. Names are those of Linux's sk_buff where Linux users know them.
 */
#ifndef WEIR_PACKET_H
#define WEIR_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

/*
 * Every way a packet may end other than sent or delivered: X(ENUM, "name in `weir show drops` and report.json",
 * "meaning")
 */
#define DROP_REASONS(X)                                                                                                \
	X(NO_BUFFER, "no_buffer", "the buffer pool was low when it arrived")                                           \
	X(PORT_DOWN, "port_down", "it arrived on or was routed to a port that is down")                                \
	X(NO_CARRIER, "no_carrier", "routed to a port without carrier")                                                \
	X(FRAME_MALFORMED, "frame_malformed", "shorter than its link-layer header")                                    \
	X(FRAME_OVERSIZE, "frame_oversize", "longer than the port's MTU allows")                                       \
	X(OTHER_HOST, "other_host", "its destination MAC is another host's")                                           \
	X(UNKNOWN_VLAN, "unknown_vlan", "tagged for a VLAN that no port carries")                                      \
	X(UNKNOWN_PROTOCOL, "unknown_protocol", "an ethertype the router does not handle")                             \
	X(ARP_MALFORMED, "arp_malformed", "not a well-formed Ethernet/IPv4 ARP packet")                                \
	X(ARP_IGNORED, "arp_ignored", "an ARP packet that is not for this router")                                     \
	X(IP_MALFORMED, "ip_malformed", "bad IP version, header length or total length (RFC 1812 5.2.2)")              \
	X(IP_CHECKSUM, "ip_checksum", "bad IPv4 header checksum")                                                      \
	X(IP_OPTIONS, "ip_options", "malformed or refused IP options, source routes among them")                       \
	X(MARTIAN_SOURCE, "martian_source", "a source address that may not appear (RFC 1812 5.3.7)")                   \
	X(MARTIAN_DESTINATION, "martian_destination", "a destination address that may not be forwarded to")            \
	X(RP_FILTER, "rp_filter", "failed reverse-path filtering (RFC 3704)")                                          \
	X(NOT_FORWARDING, "not_forwarding", "not for this router while forwarding is off")                             \
	X(TTL_EXCEEDED, "ttl_exceeded", "TTL reached 0")                                                               \
	X(NO_ROUTE, "no_route", "no route to its destination")                                                         \
	X(ROUTE_BLACKHOLE, "route_blackhole", "a blackhole route or rule")                                             \
	X(ROUTE_UNREACHABLE, "route_unreachable", "an unreachable route or rule")                                      \
	X(ROUTE_PROHIBIT, "route_prohibit", "a prohibit route or rule")                                                \
	X(BROADCAST, "broadcast", "a broadcast or multicast that is not forwarded")                                    \
	X(MTU_EXCEEDED, "mtu_exceeded", "larger than the MTU and not to be fragmented")                                \
	X(FRAGMENT_FAILED, "fragment_failed", "could not be fragmented for want of buffers")                           \
	X(NO_SERVICE, "no_service", "for this router, but nothing here listens for it")                                \
	X(ICMP_MALFORMED, "icmp_malformed", "an ICMP message for this router that is too short or corrupt")            \
	X(REASSEMBLY_TIMEOUT, "reassembly_timeout",                                                                    \
		"a fragment for this router whose datagram was not completed in time")                                 \
	X(REASSEMBLY_FULL, "reassembly_full", "a fragment for this router while too many others wait")                 \
	X(FRAGMENT_MALFORMED, "fragment_malformed", "a fragment that overlaps another or has an impossible length")    \
	X(NEIGHBOUR_FAILED, "neighbour_failed", "its next hop did not answer ARP")                                     \
	X(NEIGHBOUR_QUEUE_FULL, "neighbour_queue_full", "too many packets wait for its next hop")                      \
	X(FILTER, "filter", "a filter's or an action's verdict (drop)")                                                \
	X(NETFILTER, "netfilter", "a packet filter table's verdict (iptables DROP or REJECT)")                         \
	X(NO_PORT, "no_port", "sent by a virtual link none of whose ports can send")                                   \
	X(LOOP, "loop", "went through virtual ports more than eight times")                                            \
	X(QUEUE_FULL, "queue_full", "a queueing discipline's limit")                                                   \
	X(CODEL, "codel", "CoDel: the queue had been longer than its target for too long")                             \
	X(EARLY, "early", "dropped by a discipline before its queue was full, to keep it short (RED)")                 \
	X(EMULATED_LOSS, "emulated_loss", "netem was to lose it")                                                      \
	X(TOO_LARGE, "too_large", "larger than a shaper's bucket can ever hold")                                       \
	X(UNCLASSIFIED, "unclassified", "no class for it where there is no default")                                   \
	X(BUFFERS_SHARED, "buffers_shared", "its queue held more than its share of the free buffers")                  \
	X(RING_FULL, "ring_full", "the ring to its egress port's worker was full")                                     \
	X(TX_FAILED, "tx_failed", "the device refused it for good (too many segments, too long)")                      \
	X(CAPTURE_MALFORMED, "capture_malformed", "a capture record that was cut off or longer than a frame")          \
	X(PORT_DELETED, "port_deleted", "its port was deleted while it waited")                                        \
	X(SHUTDOWN, "shutdown", "still queued when the router stopped")

enum drop_reason {
#define X(id, name, meaning) DROP_##id,
	DROP_REASONS(X)
#undef X
		DROP__COUNT
};

static inline const char *
drop_reason_name(enum drop_reason reason)
{
	static const char *const names[DROP__COUNT] = {
#define X(id, name, meaning) name,
		DROP_REASONS(X)
#undef X
	};
	return names[reason];
}

static inline const char *
drop_reason_meaning(enum drop_reason reason)
{
	static const char *const meanings[DROP__COUNT] = {
#define X(id, name, meaning) meaning,
		DROP_REASONS(X)
#undef X
	};
	return meanings[reason];
}

/* pkt.flags */
enum {
	PKT_IPV6 = 1 << 0, /* the network layer is IPv6; else IPv4, if protocol says so */
	PKT_GENERATED = 1 << 1, /* made by the router (ICMP error, ARP, fragment, copy), not received */
	PKT_MULTICAST = 1 << 2, /* arrived by link-layer broadcast or multicast */
	PKT_SHOT = 1 << 3, /* classification said that it goes no further: the discipline that asked calls qdisc_shot */
	PKT_CLASSIFIED = 1 << 4, /* leaf and generation hold what sched_classify found */
	PKT_LOCAL = 1 << 5, /* sent by the router's own stack: no TTL decrement */
	/*
	 * IPv4 to this port's MAC, its header checked: 20 bytes at l3_off 14, no fragment, addresses of hosts. Who
	 * changes such a header clears it.
	 */
	PKT_PLAIN = 1 << 6,
	/* With the verdict SHOT: it is not dropped but goes to out_port, where an action sends it (classify_shot). */
	PKT_STOLEN = 1 << 7,
	PKT_TO_INGRESS = 1 << 8, /* ... as if it arrived there; else it is to leave there */
	PKT_REDIRECTED = 1 << 9, /* an action has sent it; in_port is where from, to which an ifb gives it back */
	PKT_FROM_INGRESS = 1 << 10, /* ... before it was routed */
	PKT_SKIP_ACTIONS = 1 << 11, /* back from an ifb: the next list of actions lets it pass */
	PKT_OTHER_HOST = 1 << 12, /* arrived with another host's MAC: goes no further than the ingress hook */
	PKT_QUEUE = 1 << 13, /* an action has chosen its transmit queue: pkt_queue */
};

#define PKT_LEAF_NONE UINT32_MAX /* no class: the root discipline decides (default, direct queue) */

struct pkt {
	uint64_t time_ns; /* when it arrived; from its enqueue on, when it was enqueued (sched_enqueue sets it) */
	uint32_t mark; /* fwmark */
	uint32_t priority; /* skb->priority: from TOS when routed, or set by skbedit; major:minor selects a class */
	uint32_t nexthop; /* index into the rib's nexthops */
	uint32_t realm; /* of the route to the destination (low 16 bits) and to the source (high 16) */
	uint32_t
		leaf; /* slot of the class that classification chose, PKT_LEAF_NONE if none; its parents are the path */
	uint32_t generation; /* of the tree when leaf was found; another one makes leaf stale */
	uint16_t in_port; /* ifindex it arrived on; 0: made here */
	uint16_t out_port; /* ifindex it leaves by */
	uint16_t tc_index;
	uint16_t l4_off; /* of the transport header from the frame's start; 0: not known (a later fragment, not IP) */
	uint16_t protocol; /* ethertype behind any VLAN tags, network byte order, as skb->protocol */
	uint16_t vlan_tci; /* of the tag that was stripped, host order; 0: none */
	uint16_t flags; /* PKT_* */
	uint8_t l3_off; /* of the network header from the frame's start */
	uint8_t stage : 4; /* where to resume (dataplane's enum stage) */
	uint8_t passes : 4; /* through virtual ports */
	uint8_t scratch[16]; /* of the discipline that holds the packet, 8-byte aligned */
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct pkt) == 64, "struct pkt is one cache line");

static inline struct pkt *
pkt_of(struct rte_mbuf *m)
{
	return rte_mbuf_to_priv(m);
}

/*
 * The transmit queue that it is to leave by (skb->queue_mapping), in the mbuf: not in the half of `hash` where
 * disciplines keep bytes (pkt_queued_bytes), as it may wait in the queues of an ifb before.
 */
static inline void
pkt_set_queue(struct rte_mbuf *m, uint16_t queue)
{
	m->hash.sched.queue_id = queue;
	pkt_of(m)->flags |= PKT_QUEUE;
}

/* Where PKT_QUEUE is set. */
static inline uint16_t
pkt_queue(const struct rte_mbuf *m)
{
	return (uint16_t)m->hash.sched.queue_id;
}

/*
 * Where drops are counted: one per worker and port, written by that worker only and read by anyone. `observe`, NULL but
 * in replay, is told of each packet before it is freed.
 */
struct pkt_sink {
	uint64_t drops[DROP__COUNT];
	uint64_t generated; /* packets that a discipline (netem's copies) or an action (mirred's) has made */
	void (*observe)(void *arg, struct rte_mbuf *m, enum drop_reason reason);
	void *observe_arg;
	void (*delivered)(void *arg,
		struct rte_mbuf *m); /* likewise, of each that the router itself consumed; arg is observe_arg */
};

/* Counts m and frees it. */
static inline void
pkt_drop(struct pkt_sink *sink, struct rte_mbuf *m, enum drop_reason reason)
{
	sink->drops[reason]++;
	if (unlikely(sink->observe != NULL))
		sink->observe(sink->observe_arg, m, reason);
	rte_pktmbuf_free(m);
}

#endif
