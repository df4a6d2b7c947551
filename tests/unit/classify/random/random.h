/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Differential tests: chains of random filters beside a reference that is slow and obvious. Both are asked about the
 * same packets - captured ones, made ones, and either with bytes changed, cut off or put in - before and after filters
 * have been added, changed and removed. They must agree about each verdict, class and mark, and about how often each
 * filter's actions have run.
 *
 * A classifier adds its generator and its reference (struct random_kind). References are written from the manual pages
 * and RFCs; they read the packet's bytes themselves, one filter after another.
 */
#ifndef WEIR_TEST_CLASSIFY_RANDOM_H
#define WEIR_TEST_CLASSIFY_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/if_ether.h>

#include <weir/classify.h>

/* ---- chance ------------------------------------------------------------------------------------- */

void chance_seed(uint64_t seed);
/* A number less than bound, which is not 0. */
uint32_t below(uint32_t bound);

static inline bool
one_in(uint32_t n)
{
	return below(n) == 0;
}

static inline uint32_t
any_word(void)
{
	return below(UINT16_MAX + 1u) << 16 | below(UINT16_MAX + 1u);
}

/* ---- packets ------------------------------------------------------------------------------------ */

/* What a reference knows of a packet: its bytes in a row, what stands beside it, and where it is asked about. */
struct plain_packet {
	const uint8_t *bytes;
	uint32_t length;
	struct pkt pkt;
	bool stripped; /* the device has taken the outer tag off, which is pkt.vlan_tci */
	bool ingress;
	uint64_t now;
};

/* `n` (to 4) bytes as a big-endian number; false: some of them are not the packet's. */
bool plain_read(const struct plain_packet *p, int64_t at, unsigned int n, uint32_t *value);

/* From now on most packets are some few, drawn anew; most of these of a protocol, 0: any. */
void packets_focus(uint16_t protocol);
/* A packet of the captures or a made one, unchanged: filters ask for what packets have. */
void packets_like(struct plain_packet *p);
/* The packets that there are; false: there are no captures, only made ones. */
bool packets_load(const char *folder);

#define RANDOM_FRAME_MAX 1600
#define RANDOM_SEGMENTS  3

/* A packet lies in one piece of memory, as in a pool; what a segment holds, in a block of its own. */
struct random_packet {
	struct {
		struct rte_mbuf mbuf;
		struct pkt pkt;
	} segments[RANDOM_SEGMENTS];
	uint8_t flat[RANDOM_FRAME_MAX];
	struct plain_packet plain;
};

void random_packet_make(struct random_packet *p, bool ingress, uint64_t now);
void random_packet_free(struct random_packet *p);

/* ---- headers ------------------------------------------------------------------------------------ */

/* What flower and flow know of a packet. A field that it has not is 0. */
struct plain_headers {
	uint8_t to[6], from[6];
	uint32_t tags, tag_type[2], tag[2]; /* the outer tag is [0] */
	uint32_t eth_type, ip_proto, tos, ttl;
	uint8_t source[16], destination[16]; /* IPv4 in the first four */
	bool has_ip, fragment, first_fragment;
	uint32_t source_port, destination_port, tcp_flags, icmp_type, icmp_code;
	uint32_t arp_op;
	uint8_t arp_source[4], arp_destination[4], arp_from[6], arp_to[6];
};

static inline bool
plain_is_tag(uint32_t type)
{
	return type == ETH_P_8021Q || type == ETH_P_8021AD;
}

void plain_headers_read(const struct plain_packet *p, struct plain_headers *h);

/* ---- filters ------------------------------------------------------------------------------------ */

#define RANDOM_FILTERS_MAX 40
#define RANDOM_GROUPS_MAX  10

struct random_filter {
	uint32_t handle, classid;
	uint64_t order; /* the least is asked first; from its adding, if the kind does not say otherwise */
	void *own; /* of the kind */
	/* Its actions: perhaps a mark is set, then comes the verdict. */
	bool acts, marks;
	uint32_t mark;
	int32_t verdict;
	uint64_t hits; /* packets that they have run on */
};

/* All filters of one preference. */
struct random_group {
	const struct random_kind *kind;
	uint32_t chain, preference;
	uint16_t protocol;
	uint32_t qdisc; /* its handle */
	struct random_filter filters[RANDOM_FILTERS_MAX]; /* in the order in which they are asked */
	unsigned int n;
	uint64_t serial;
	uint64_t own[8]; /* of the kind */
};

/*
 * What a reference says. Where a class comes of a hash that is nobody's business, `check` says if it may be this one.
 */
struct plain_answer {
	int32_t action;
	uint32_t classid;
	bool (*check)(const struct random_filter *f, const struct plain_packet *p, uint32_t classid);
	const struct random_filter *checked;
	struct pkt pkt; /* what stood beside it then: what decided may have changed its mark */
};

struct random_kind {
	const char *name;
	size_t own_size;
	unsigned int filters_max;
	uint16_t protocol; /* of the packets that it is about; 0: any */
	/* How a group starts, before its first filter. */
	void (*start)(struct random_group *g);
	/*
	 * Draws what a filter asks for, its handle (0: to be chosen) and class, about a packet like this; `old`: a
	 * change of that one, whose handle it has.
	 */
	void (*draw)(struct random_group *g, struct random_filter *f, const struct random_filter *old,
		const struct plain_packet *like);
	/* The conf for chain_filter_add. */
	const void *(*conf)(struct random_filter *f, const struct action_spec *actions, unsigned int n);
	/* 0 or the errno that adding or changing it gives; settles what comes of it, such as its order. NULL: 0. */
	int (*settle)(struct random_group *g, struct random_filter *f, const struct random_filter *old);
	/* What the group says of a packet: answer is UNSPEC before. */
	void (*ask)(struct random_group *g, struct plain_packet *p, struct plain_answer *answer);
	const struct action_list *(*actions)(const void *filter);
	bool by_handle; /* filters are asked in the order of their handles */
	bool keeps_group; /* after its last filter has gone */
};

extern const struct random_kind random_basic, random_flow, random_flower, random_fw, random_matchall, random_route,
	random_rsvp, random_rsvp6, random_tcindex, random_u32;

/* The packet has matched: the filter's actions run on it. */
void plain_decide(struct random_filter *f, struct plain_packet *p, struct plain_answer *answer);
/* For `ask`: the first filter that matches and does not say continue. */
void plain_first_match(struct random_group *g, struct plain_packet *p, struct plain_answer *answer,
	bool (*matches)(const struct random_filter *f, const struct plain_packet *p));

/*
 * Chains of filters of these kinds, until that many packets have been classified; fails the test at the first
 * difference, with the seed.
 */
void random_run(const struct random_kind *const *kinds, unsigned int n_kinds, uint64_t seed, uint32_t packets);

#endif
