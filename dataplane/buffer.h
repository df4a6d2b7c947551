/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes of packets that may lie in several buffers, and internet checksums (RFC 1071, RFC 1624). */
#ifndef WEIR_DATAPLANE_BUFFER_H
#define WEIR_DATAPLANE_BUFFER_H

#include <rte_mbuf.h>

struct worker;

/* Makes the first n bytes lie in the first buffer. false: there are not so many, or no room. */
bool buffer_pull(struct rte_mbuf *m, uint16_t n);
/* Cuts the packet to its first n bytes; it has at least as many. */
void buffer_truncate(struct rte_mbuf *m, uint32_t n);
/*
 * Copies n bytes of `from` behind the end of `to`, with more buffers as needed. false: no buffer; `to` is then to be
 * freed.
 */
bool buffer_append(struct worker *w, struct rte_mbuf *to, const struct rte_mbuf *from, uint32_t offset, uint32_t n);

/* Sum of n bytes from offset on, folded to 16 bits, not inverted. */
uint16_t buffer_sum(const struct rte_mbuf *m, uint32_t offset, uint32_t n);

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

#endif
