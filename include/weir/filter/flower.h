/* SPDX-License-Identifier: BSD-3-Clause */
/* flower: fields of a packet's headers under masks; tc-flower(8). */
#ifndef WEIR_FILTER_FLOWER_H
#define WEIR_FILTER_FLOWER_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/classify.h>

#define FLOWER_WORDS 12

/* An IP header was read. Who asks for its addresses, if under a prefix of 0 bits, asks for this, too. */
#define FLOWER_HAS_ADDRESSES 0x80

/* What is asked for; all in the order of the network but in_port. What a packet has not is 0. */
union flower_key {
	struct {
		rte_be32_t source[4]; /* IPv4 in the first; the rest is 0 */
		rte_be32_t destination[4];
		rte_be16_t source_port, destination_port;
		rte_be16_t eth_type; /* behind any tags */
		uint8_t ip_proto; /* behind extension headers */
		uint8_t ip_flags; /* TCA_FLOWER_KEY_FLAGS_IS_FRAGMENT, _FRAG_IS_FIRST; FLOWER_HAS_ADDRESSES */
		rte_be16_t tcp_flags; /* 12 bits */
		uint8_t tos, ttl;
		uint8_t icmp_type, icmp_code;
		uint8_t arp_op;
		uint8_t n_tags;
		uint8_t to[6]; /* MAC */
		rte_be16_t tag; /* the outer tag's TCI */
		uint8_t from[6];
		rte_be16_t inner_tag;
		rte_be16_t tag_type, inner_tag_type; /* what a tag begins with: 0x8100, 0x88a8 */
		uint32_t in_port;
		rte_be32_t arp_source, arp_destination; /* IP */
		uint8_t arp_from[6], unused1[2];
		uint8_t arp_to[6], unused2[2];
	};
	uint64_t words[FLOWER_WORDS];
	uint8_t bytes[8 * FLOWER_WORDS];
};

_Static_assert(sizeof(union flower_key) == 8 * FLOWER_WORDS, "the words are all of the key");

enum { FLOWER_SOURCE, FLOWER_DESTINATION, FLOWER_ENDS };

struct flower_conf {
	uint32_t classid; /* 0: none */
	uint32_t flags; /* TCA_CLS_FLAGS_SKIP_HW, _VERBOSE */
	union flower_key key, mask; /* bits of key outside the mask are kept for dumps only */
	/* Ports from least to most, host order; most 0: not asked for */
	struct flower_ports {
		uint16_t least, most;
	} ports[FLOWER_ENDS];
	bool has_tag_eth_type, has_inner_tag_eth_type; /* were given: dumps repeat them */
	const struct action_spec *actions;
	unsigned int n_actions;
};

const struct flower_conf *flower_get_conf(const void *filter); /* all but the actions, as it was given */
const struct action_list *flower_actions(const void *filter);

#endif
