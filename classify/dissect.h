/* SPDX-License-Identifier: BSD-3-Clause */
/* The fields of a packet's headers, through VLAN tags and the extension headers of IPv6. */
#ifndef WEIR_CLASSIFY_DISSECT_H
#define WEIR_CLASSIFY_DISSECT_H

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include <weir/filter/flower.h>

#include "hash.h"

/* in_port is not filled in. A header that the packet ends in leaves its fields, and those behind it, 0. */
void dissect(struct rte_mbuf *m, union flower_key *key);

/* IPv6's addresses are folded into one word, host order. */
static inline uint32_t
dissect_address(const rte_be32_t *words)
{
	return rte_be_to_cpu_32(words[0] ^ words[1] ^ words[2] ^ words[3]);
}

/* Of addresses, protocol and ports. */
static inline uint32_t
dissect_hash(const union flower_key *headers)
{
	uint64_t hash = (uint64_t)dissect_address(headers->source) << 32 | dissect_address(headers->destination);

	hash = (hash ^ headers->ip_proto) * HASH_GOLDEN_RATIO;
	hash ^= (uint64_t)headers->source_port << 16 | headers->destination_port;
	return (uint32_t)(hash * HASH_GOLDEN_RATIO >> 32);
}

#endif
