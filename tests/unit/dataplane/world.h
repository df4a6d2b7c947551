/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A world for the packet path: one worker, a real rib, three ports and a machinery that only takes notes. Frames go in
 * by `inject`; what leaves is kept in `sent`, oldest first. After each step every packet is accounted for, and every
 * datagram that left has right checksums.
 *
 *	eth0 (2) 10.0.0.1/24, hosts there are 10.0.0.x
 *	eth1 (3) 10.1.0.1/24, gateway 10.1.0.2 to 10.2.0.0/16
 *	dum0 (4) 10.3.0.1/24, no ARP
 *	blackhole 10.66/16, unreachable 10.67/16, prohibit 10.68/16, throw 10.69/16
 */
#ifndef WEIR_TEST_DATAPLANE_WORLD_H
#define WEIR_TEST_DATAPLANE_WORLD_H

#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <dataplane/worker.h>

#define LO             1
#define ETH0           2
#define ETH1           3
#define DUM0           4
#define PORTS          5 /* ifindex 0 is none */
#define WORKERS        2 /* there is one, who can play the other */
#define SENT_MAX       4096
#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))
#define MS             1000000ull
#define SECOND         1000000000ull
#define HOST           IP(10, 0, 0, 9) /* on eth0; its MAC is host_mac */
#define FAR            IP(10, 2, 0, 5) /* behind the gateway on eth1 */
#define GATEWAY        IP(10, 1, 0, 2)

extern const uint8_t host_mac[6], gateway_mac[6];

struct sent {
	bool unread; /* struct pkt was not filled */
	uint32_t ifindex;
	struct rte_mbuf *m;
};

struct router {
	struct router_settings settings;
	struct port_settings all, defaults;
	struct port ports[PORTS];
	struct port_counters counters[PORTS][WORKERS];
	struct worker worker;
	struct rib *rib;
	struct netfilter *netfilter;
	struct rte_mempool *pool;
	bool replay, no_buffers;
	bool takes_unread; /* port_output_unread does not refuse */
	uint64_t received;
	struct sent sent[SENT_MAX];
	unsigned int sent_count;
	unsigned int told, told_removed; /* worker_tell_neighbour */
	uint32_t logged; /* packets that LOG told of */
	unsigned int handed_over;
};

/* DPDK must have been started. The gateway and HOST are permanent neighbours unless `bare`. */
struct router *world_make(bool bare);
/* Fails the test if a packet was lost or a buffer leaked. */
void world_free(struct router *r);
void world_check(const struct router *r);
void world_forget_sent(struct router *r);
void world_advance(struct router *r, uint64_t ns); /* and runs timers that fall due on the way */
void world_ip(struct router *r, const char *what, uint32_t dst, uint8_t length, uint8_t type, uint32_t ifindex,
	uint32_t gateway);
void world_neighbour(struct router *r, uint32_t ifindex, uint32_t addr, const uint8_t mac[6], uint16_t state);
uint64_t world_drops(const struct router *r, enum drop_reason reason);
uint64_t world_generated(const struct router *r);
uint64_t world_delivered(const struct router *r);
uint64_t world_waiting(const struct router *r);

/* ---- frames ------------------------------------------------------------------------------------------------------ */

struct frame {
	uint16_t bytes;
	uint8_t data[9100];
};

/*
 * What a datagram looks like; zeros stand for the usual: from HOST to FAR, UDP, TTL 64, 100 bytes of payload, to the
 * port's MAC.
 */
struct datagram_spec {
	uint32_t src, dst; /* host order */
	uint8_t protocol, ttl, tos;
	uint16_t id, offset; /* offset: the flags and offset field, host order */
	uint16_t payload; /* bytes behind the IP header; 1: none */
	const uint8_t *body; /* that payload; NULL: a UDP header (or ICMP echo, or TCP SYN) and counted bytes */
	uint8_t options[40];
	uint8_t options_bytes; /* a multiple of 4 */
	uint16_t sport, dport;
	uint8_t tcp_flags; /* 0: SYN */
	bool broadcast_mac;
	bool zero_source;
};
struct frame world_datagram(const struct datagram_spec *spec);
struct frame world_arp(uint16_t operation, const uint8_t sender_mac[6], uint32_t sender, uint32_t target, bool to_all);

/*
 * A frame as it stands when it has just arrived, in buffers of at most `segment` bytes, for the caller to hand in. An
 * all-zero destination MAC stands for the port's.
 */
struct rte_mbuf *
world_arrive(struct router *r, uint32_t ifindex, const uint8_t *data, uint32_t bytes, uint16_t segment);
/* As if it had just arrived; checks the accounts afterwards. */
void inject(struct router *r, uint32_t ifindex, const struct frame *frame);
void inject_burst(struct router *r, uint32_t ifindex, const struct frame *frames, uint16_t n);
/* In buffers of at most `segment` bytes. */
void inject_segments(struct router *r, uint32_t ifindex, const uint8_t *data, uint32_t bytes, uint16_t segment);
void inject_datagram(struct router *r, uint32_t ifindex, const struct datagram_spec *spec);

/* The frame that left as number i, made contiguous; fails the test if there is none or it left by another port. */
const uint8_t *sent_frame(struct router *r, unsigned int i, uint32_t ifindex, uint32_t *bytes);
const struct rte_ipv4_hdr *sent_ip(struct router *r, unsigned int i, uint32_t ifindex);
const struct rte_icmp_hdr *sent_icmp(struct router *r, unsigned int i, uint32_t ifindex, uint8_t type, uint8_t code);
const struct rte_arp_hdr *sent_arp(struct router *r, unsigned int i, uint32_t ifindex, uint16_t operation);

#endif
