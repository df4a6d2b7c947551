/* SPDX-License-Identifier: BSD-3-Clause */
#include "edit.h"

#include <linux/if_ether.h>

void
edit_write(struct rte_mbuf *m, uint32_t off, const void *from, uint32_t n)
{
	const uint8_t *bytes = from;
	struct rte_mbuf *segment = m;

	for (; off >= segment->data_len; segment = segment->next)
		off -= segment->data_len;
	while (n != 0) {
		uint32_t here = RTE_MIN(n, segment->data_len - off);

		memcpy(rte_pktmbuf_mtod_offset(segment, uint8_t *, off), bytes, here);
		bytes += here;
		n -= here;
		off = 0;
		segment = segment->next;
	}
	edit_mark_changed(m);
}

rte_be16_t
edit_network_type(struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of(m);
	rte_be16_t type;

	if (p->protocol != RTE_BE16(ETH_P_8021Q) && p->protocol != RTE_BE16(ETH_P_8021AD))
		return p->protocol;
	return p->l3_off > ETH_HLEN && packet_read(m, p->l3_off - 2u, &type, sizeof(type)) ? type : p->protocol;
}

void
edit_sum32(struct rte_mbuf *m, uint32_t at, uint32_t old, uint32_t new)
{
	uint16_t sum;

	if (!packet_read(m, at, &sum, sizeof(sum)))
		return;
	sum = checksum_replace32(sum, old, new);
	edit_write(m, at, &sum, sizeof(sum));
}
