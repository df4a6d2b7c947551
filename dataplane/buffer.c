/* SPDX-License-Identifier: BSD-3-Clause */
#include <rte_ip.h>

#include "buffer.h"
#include "worker.h"

bool
buffer_pull(struct rte_mbuf *m, uint16_t n)
{
	if (m->data_len >= n)
		return true;
	if (m->pkt_len < n || rte_pktmbuf_tailroom(m) < n - m->data_len)
		return false;
	while (m->data_len < n) {
		struct rte_mbuf *next = m->next;
		uint16_t take = RTE_MIN((uint16_t)(n - m->data_len), next->data_len);

		memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len), rte_pktmbuf_mtod(next, uint8_t *), take);
		m->data_len += take;
		next->data_off += take;
		next->data_len -= take;
		if (next->data_len == 0) {
			m->next = next->next;
			m->nb_segs--;
			rte_pktmbuf_free_seg(next);
		}
	}
	return true;
}

void
buffer_truncate(struct rte_mbuf *m, uint32_t n)
{
	struct rte_mbuf *last = m;
	uint32_t left = n;

	m->pkt_len = n;
	m->nb_segs = 1;
	while (left > last->data_len) {
		left -= last->data_len;
		last = last->next;
		m->nb_segs++;
	}
	last->data_len = (uint16_t)left;
	rte_pktmbuf_free(last->next);
	last->next = NULL;
}

bool
buffer_append(struct worker *w, struct rte_mbuf *to, const struct rte_mbuf *from, uint32_t offset, uint32_t n)
{
	struct rte_mbuf *last = rte_pktmbuf_lastseg(to);

	while (from != NULL && offset >= from->data_len) {
		offset -= from->data_len;
		from = from->next;
	}
	while (n != 0 && from != NULL) {
		uint32_t take = RTE_MIN(n, from->data_len - offset);

		if (rte_pktmbuf_tailroom(last) == 0) {
			struct rte_mbuf *more = worker_alloc(w);

			if (more == NULL)
				return false;
			last->next = more;
			last = more;
			to->nb_segs++;
		}
		take = RTE_MIN(take, rte_pktmbuf_tailroom(last));
		memcpy(rte_pktmbuf_mtod_offset(last, uint8_t *, last->data_len),
			rte_pktmbuf_mtod_offset(from, const uint8_t *, offset), take);
		last->data_len += (uint16_t)take;
		to->pkt_len += take;
		n -= take;
		offset += take;
		while (from != NULL && offset >= from->data_len) {
			offset -= from->data_len;
			from = from->next;
		}
	}
	return n == 0;
}

uint16_t
buffer_sum(const struct rte_mbuf *m, uint32_t offset, uint32_t n)
{
	uint16_t sum = 0;

	return rte_raw_cksum_mbuf(m, offset, n, &sum) == 0 ? sum : 0;
}
