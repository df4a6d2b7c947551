/* SPDX-License-Identifier: BSD-3-Clause */
/* Internet checksums (RFC 1071) and how they follow a change of what they are over (RFC 1624). */
#ifndef WEIR_CHECKSUM_H
#define WEIR_CHECKSUM_H

#include <stdint.h>

static inline uint16_t
checksum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* The checksum after one 16-bit word changed (RFC 1624 equation 3). All in the same byte order. */
static inline uint16_t
checksum_replace(uint16_t checksum, uint16_t old, uint16_t new)
{
	return (uint16_t)~checksum_fold((uint32_t)(uint16_t)~checksum + (uint16_t)~old + new);
}

/* After two of them have, as those of an address do. */
static inline uint16_t
checksum_replace32(uint16_t checksum, uint32_t old, uint32_t new)
{
	checksum = checksum_replace(checksum, (uint16_t)old, (uint16_t) new);
	return checksum_replace(checksum, (uint16_t)(old >> 16), (uint16_t)(new >> 16));
}

#endif
