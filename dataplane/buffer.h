/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes of packets that may lie in several buffers. */
#ifndef WEIR_DATAPLANE_BUFFER_H
#define WEIR_DATAPLANE_BUFFER_H

#include <rte_mbuf.h>

#include <weir/checksum.h>

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

#endif
