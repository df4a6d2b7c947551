/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the packet filter's matches are told; iptables-extensions(8). Ranges include both ends; numbers are in host
 * order where nothing else is said. `invert`: the match holds where it otherwise would not.
 */
#ifndef WEIR_NETFILTER_MATCHES_H
#define WEIR_NETFILTER_MATCHES_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_byteorder.h>

struct netfilter_ports {
	uint16_t min, max;
};

/* "tcp", for rules with protocol 6 */
enum {
	NETFILTER_TCP_NOT_SPORT = 1 << 0,
	NETFILTER_TCP_NOT_DPORT = 1 << 1,
	NETFILTER_TCP_NOT_FLAGS = 1 << 2,
	NETFILTER_TCP_NOT_OPTION = 1 << 3,
};
struct netfilter_tcp_conf {
	struct netfilter_ports sport, dport; /* 0..65535: any */
	uint8_t flags_mask, flags; /* the header's 14th byte */
	uint8_t option; /* its kind must be among the options; 0: none is asked for */
	uint8_t invert; /* NETFILTER_TCP_NOT_* (the bits of XT_TCP_INV_*) */
};

/* "udp", for rules with protocol 17 */
enum { NETFILTER_UDP_NOT_SPORT = 1 << 0, NETFILTER_UDP_NOT_DPORT = 1 << 1 };
struct netfilter_udp_conf {
	struct netfilter_ports sport, dport;
	uint8_t invert; /* NETFILTER_UDP_NOT_* (the bits of XT_UDP_INV_*) */
};

/* "icmp", for rules with protocol 1 */
struct netfilter_icmp_conf {
	uint8_t type; /* 255: any type and code */
	uint8_t code_min, code_max;
	bool invert;
};

/* "multiport", for rules whose protocol has ports: TCP, UDP, UDP-Lite, SCTP, DCCP */
#define NETFILTER_MULTIPORT_MAX 15
enum netfilter_multiport_side {
	NETFILTER_MULTIPORT_SOURCE,
	NETFILTER_MULTIPORT_DESTINATION,
	NETFILTER_MULTIPORT_EITHER
};
struct netfilter_multiport_conf {
	enum netfilter_multiport_side side;
	uint8_t n; /* at most NETFILTER_MULTIPORT_MAX */
	bool invert;
	struct netfilter_ports ports[NETFILTER_MULTIPORT_MAX];
};

/* "iprange" */
struct netfilter_iprange_conf {
	uint32_t src_min, src_max, dst_min, dst_max; /* host order */
	bool has_src, has_dst, not_src, not_dst;
};

/* "mac": the source's, at hooks of packets that came in by a port with link headers */
struct netfilter_mac_conf {
	uint8_t address[6];
	bool invert;
};

/* "mark" */
struct netfilter_mark_conf {
	uint32_t mark, mask; /* (packet's & mask) == mark */
	bool invert;
};

/* "length": of the packet from its IP header on */
struct netfilter_length_conf {
	uint16_t min, max;
	bool invert;
};

/* "ttl"; numbered as IPT_TTL_* */
enum netfilter_ttl_mode { NETFILTER_TTL_EQ, NETFILTER_TTL_NE, NETFILTER_TTL_LT, NETFILTER_TTL_GT };
struct netfilter_ttl_conf {
	enum netfilter_ttl_mode mode;
	uint8_t ttl;
};

/* "tos" */
struct netfilter_tos_conf {
	uint8_t value, mask; /* (packet's & mask) == value */
	bool invert;
};

/* "dscp": the six upper bits of that byte (RFC 2474) */
struct netfilter_dscp_conf {
	uint8_t dscp;
	bool invert;
};

/* "limit" */
#define NETFILTER_LIMIT_SCALE 10000 /* XT_LIMIT_SCALE */
struct netfilter_limit_conf {
	uint32_t average; /* a token comes each average / NETFILTER_LIMIT_SCALE seconds */
	uint32_t burst; /* tokens at most, and at first */
};

/*
 * "hashlimit": a limit for each group of packets. Rules with the same name share a table of groups, and what the first
 * of them says of it; only `above` is a rule's own.
 */
#define NETFILTER_HASHLIMIT_NAME 256
/* Packets that have these in common are a group (the bits of XT_HASHLIMIT_HASH_*). */
enum {
	NETFILTER_HASHLIMIT_DST = 1 << 0,
	NETFILTER_HASHLIMIT_DPORT = 1 << 1,
	NETFILTER_HASHLIMIT_SRC = 1 << 2,
	NETFILTER_HASHLIMIT_SPORT = 1 << 3,
};
enum netfilter_hashlimit_kind {
	NETFILTER_HASHLIMIT_PACKETS, /* a token bucket of packets */
	NETFILTER_HASHLIMIT_BYTES, /* one of bytes */
	NETFILTER_HASHLIMIT_RATE, /* packets or bytes, counted over an interval */
};
struct netfilter_hashlimit_conf {
	char name[NETFILTER_HASHLIMIT_NAME];
	uint8_t fields; /* NETFILTER_HASHLIMIT_* */
	uint8_t src_prefix, dst_prefix; /* bits of the addresses that count, 0 to 32 */
	bool above; /* holds for what is above the limit */
	enum netfilter_hashlimit_kind kind;
	bool counts_bytes; /* RATE */
	uint32_t entries; /* groups at most; a packet of one more is dropped */
	uint32_t expire_ms; /* a group without packets for so long is forgotten, */
	uint32_t collect_ms; /* at the next of these intervals */
	uint64_t interval_ns; /* PACKETS: between two tokens; RATE: of counting */
	uint64_t burst; /* PACKETS: tokens at most, and at first; BYTES: buckets that may be spent on top, once */
	uint32_t chunk_cost; /* BYTES: of 16 bytes; a bucket holds 2^32, which come within a second */
	uint64_t rate; /* RATE: in an interval; more has the next one be above the limit as a whole */
	uint64_t allowance; /* RATE: behind so many of an interval the rest is above */
};
#define NETFILTER_HASHLIMIT_ENTRIES_MAX (1u << 20) /* iptables takes no more */
#define NETFILTER_HASHLIMIT_ENTRIES_ALL (1u << 23) /* of all names together: 900 MB */

/* "pkttype": by link-layer destination; numbered as linux/if_packet.h's PACKET_HOST, BROADCAST, MULTICAST */
struct netfilter_pkttype_conf {
	uint32_t type;
	bool invert;
};

/* "comment": holds always; conf NULL */

/* "statistic" */
enum netfilter_statistic_mode { NETFILTER_STATISTIC_RANDOM, NETFILTER_STATISTIC_NTH };
struct netfilter_statistic_conf {
	enum netfilter_statistic_mode mode;
	uint32_t probability; /* RANDOM: of 2^31 */
	uint32_t every; /* NTH: one packet in so many (the blob's nth.every + 1), not 0 */
	/* NTH: packets counted already (nth.count); the one that makes it `every` matches, and it is 0 again */
	uint32_t count;
	bool invert;
};

/* "u32": iptables-extensions(8) has the language. All tests must hold (or, inverted, not all). */
#define NETFILTER_U32_MAX 10 /* XT_U32_MAXSIZE */
/* What is done with a location's number; numbered as xt_u32_ops. */
enum netfilter_u32_op { NETFILTER_U32_AND, NETFILTER_U32_LEFT, NETFILTER_U32_RIGHT, NETFILTER_U32_AT };
struct netfilter_u32_test {
	/* The word at locations[0].number, then each operation in order (op of the first is not looked at). */
	struct {
		uint32_t number;
		enum netfilter_u32_op op;
	} locations[NETFILTER_U32_MAX + 1];
	struct {
		uint32_t min, max;
	} values[NETFILTER_U32_MAX + 1]; /* the result must be in one of them */
	uint8_t n_locations, n_values; /* 1..NETFILTER_U32_MAX + 1 */
};
struct netfilter_u32_conf {
	struct netfilter_u32_test tests[NETFILTER_U32_MAX + 1];
	uint8_t n; /* 1..NETFILTER_U32_MAX + 1 */
	bool invert;
};

#endif
