/* SPDX-License-Identifier: BSD-3-Clause */
#include "read.h"

bool
packet_read_far(struct rte_mbuf *m, int64_t at, void *bytes, uint32_t n)
{
	const void *there;

	if (at < 0 || at + n > m->pkt_len)
		return false;
	there = rte_pktmbuf_read(m, (uint32_t)at, n, bytes);
	if (there != bytes)
		memcpy(bytes, there, n);
	return true;
}
