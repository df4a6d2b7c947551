/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes of packets that actions change. They may lie in several buffers, and offsets are from the frame's start. */
#ifndef WEIR_CLASSIFY_EDIT_H
#define WEIR_CLASSIFY_EDIT_H

#include <string.h>

#include <rte_byteorder.h>

#include <weir/checksum.h>

#include "internal.h"
#include "read.h"

/* What parsing found may be true no longer. */
static inline void
edit_mark_changed(struct rte_mbuf *m)
{
	pkt_of(m)->flags &= (uint16_t)~PKT_PLAIN;
}

/* Writes n bytes, which are there. */
void edit_write(struct rte_mbuf *m, uint32_t off, const void *from, uint32_t n);
/* The ethertype of its network layer, network order, behind any tags. */
rte_be16_t edit_network_type(struct rte_mbuf *m);
/* In a 16-bit checksum at `at`: 32 bits of what it is over were `old` and are `new` now. */
void edit_sum32(struct rte_mbuf *m, uint32_t at, uint32_t old, uint32_t new);

#endif
