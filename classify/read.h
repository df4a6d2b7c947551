/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes of a packet, wherever they lie. */
#ifndef WEIR_CLASSIFY_READ_H
#define WEIR_CLASSIFY_READ_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>

/* n bytes of the packet that do not lie in its first segment; false: nor in another. */
bool packet_read_far(struct rte_mbuf *m, int64_t at, void *bytes, uint32_t n);

/* n bytes at `at` from the frame's start; false: the packet ends before them, or `at` is before it. */
static inline bool
packet_read(struct rte_mbuf *m, int64_t at, void *bytes, uint32_t n)
{
	if (unlikely(at < 0 || at + n > m->data_len))
		return packet_read_far(m, at, bytes, n);
	memcpy(bytes, rte_pktmbuf_mtod_offset(m, const void *, at), n);
	return true;
}

#endif
