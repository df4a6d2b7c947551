/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses and prefixes of either family. */
#ifndef WEIR_ADDRESS_H
#define WEIR_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <rte_byteorder.h>

/* Network byte order; an IPv4 address is in the first four bytes and the rest is 0. The family stands beside it. */
struct ip_addr {
	union {
		uint8_t bytes[16];
		rte_be32_t v4;
		rte_be32_t words[4];
		uint64_t halves[2];
	};
};

struct ip_prefix {
	uint8_t family; /* AF_INET, AF_INET6; AF_UNSPEC: none given */
	uint8_t length; /* bits */
	struct ip_addr addr; /* host bits are 0 */
};

static inline struct ip_addr
ip_addr_v4(rte_be32_t v4)
{
	struct ip_addr a = { .halves = { 0, 0 } };

	a.v4 = v4;
	return a;
}

static inline bool
ip_addr_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return a->halves[0] == b->halves[0] && a->halves[1] == b->halves[1];
}

static inline bool
ip_addr_is_zero(const struct ip_addr *a)
{
	return (a->halves[0] | a->halves[1]) == 0;
}

static inline uint8_t
ip_family_bits(uint8_t family)
{
	return family == AF_INET ? 32 : 128;
}

#endif
