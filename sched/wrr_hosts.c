/* SPDX-License-Identifier: BSD-3-Clause */
/* WRR: who has which class. */
#include <stdlib.h>
#include <string.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include <weir/packet.h>

#include "flow_hash.h"
#include "wrr.h"
#include "wrr_weight.h"

/* ---- hosts */

static void
take_address(struct wrr_host *host, const void *address, uint8_t length)
{
	uint8_t bytes[WRR_ADDRESS_MAX] = { 0 };

	memcpy(bytes, address, length);
	memcpy(&host->high, bytes, sizeof(host->high));
	memcpy(&host->low, bytes + sizeof(host->high), sizeof(host->low));
	host->length = length;
}

/* No address where the packet has none: all such packets are of one host. */
static struct wrr_host
host_of(const struct wrr *w, struct rte_mbuf *m)
{
	bool source = w->conf.direction == WRR_SOURCE;
	const struct pkt *p = pkt_of(m);
	struct wrr_host host = { 0 };

	if (w->conf.key == WRR_MAC) {
		const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);

		if (m->data_len >= sizeof(*ether))
			take_address(&host, source ? &ether->src_addr : &ether->dst_addr, RTE_ETHER_ADDR_LEN);
	} else if (p->protocol == RTE_BE16(RTE_ETHER_TYPE_IPV4) &&
		   p->l3_off + sizeof(struct rte_ipv4_hdr) <= m->data_len) {
		const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, p->l3_off);

		take_address(&host, source ? &ip->src_addr : &ip->dst_addr, sizeof(ip->src_addr));
	} else if (p->protocol == RTE_BE16(RTE_ETHER_TYPE_IPV6) &&
		   p->l3_off + sizeof(struct rte_ipv6_hdr) <= m->data_len) {
		const struct rte_ipv6_hdr *ip = rte_pktmbuf_mtod_offset(m, const struct rte_ipv6_hdr *, p->l3_off);

		take_address(&host, source ? (const void *)&ip->src_addr : &ip->dst_addr, WRR_ADDRESS_MAX);
	}
	return host;
}

static inline bool
hosts_equal(const struct wrr_host *a, const struct wrr_host *b)
{
	return a->high == b->high && a->low == b->low && a->length == b->length;
}

static inline uint32_t
hash_of(const struct wrr *w, const struct wrr_host *host)
{
	return flow_hash_words(host->high, host->low + host->length, w->hash_key);
}

/* ---- classes */

static void
forget(struct wrr *w, uint32_t place)
{
	struct wrr_class *cl = wrr_class_at(w, place);
	uint32_t *link = &w->buckets[hash_of(w, &cl->host) & w->bucket_mask];

	while (*link != place)
		link = &wrr_class_at(w, *link)->next;
	*link = cl->next;
}

static void
start_anew(const struct wrr *w, struct wrr_class *cl)
{
	cl->deficit = (int64_t)w->conf.quantum << 16;
	memcpy(cl->weights, w->conf.weights, sizeof(cl->weights));
	for (unsigned int i = 0; i < WRR_WEIGHTS; i++)
		cl->grows[i] = wrr_growth(&cl->weights[i]);
}

/* The class starts anew; what it has counted for others is theirs. */
static void
assign(struct qdisc *q, uint32_t place, const struct wrr_host *host, uint32_t hash, uint64_t now)
{
	struct wrr *w = qdisc_priv(q);
	struct class *c = w->classes[place];
	struct wrr_class *cl = class_priv(c);
	uint32_t *bucket = &w->buckets[hash & w->bucket_mask];

	if (cl->used)
		forget(w, place);
	cl->used = true;
	cl->host = *host;
	cl->next = *bucket;
	*bucket = place;
	cl->counted_ns = now;
	cl->bytes_before = c->past_bytes + c->leaf->sent_bytes;
	cl->packets_before = c->past_packets + c->leaf->sent_packets;
	cl->drops_before = c->past_drops + c->leaf->drops_total;
	start_anew(w, cl);
}

struct class *
wrr_class_for(struct qdisc *q, struct rte_mbuf *m, uint64_t now)
{
	struct wrr *w = qdisc_priv(q);
	struct wrr_host host = host_of(w, m);
	uint32_t hash = hash_of(w, &host), place = w->buckets[hash & w->bucket_mask], chosen;

	while (place != 0 && !hosts_equal(&wrr_class_at(w, place)->host, &host))
		place = wrr_class_at(w, place)->next;
	if (likely(place != 0)) {
		if (wrr_class_at(w, place)->state == WRR_IDLE)
			wrr_move(w, wrr_class_at(w, place), WRR_EXPECTING);
		return w->classes[place];
	}
	chosen = 1 + (uint32_t)((uint64_t)hash * w->conf.classes >> 32);
	place = w->rings[WRR_IDLE].current;
	/* While packets are moved, whose class is empty may have some on their way back. */
	if (unlikely(place == 0 || wrr_class_at(w, chosen)->shared ||
		     (qdisc_moving(q) && wrr_class_at(w, place)->used))) {
		wrr_class_at(w, chosen)->shared = true;
		return w->classes[chosen];
	}
	assign(q, place, &host, hash, now);
	wrr_move(w, wrr_class_at(w, place), WRR_EXPECTING);
	return w->classes[place];
}

bool
wrr_has_host(const struct wrr *w, const struct class *c, struct rte_mbuf *m)
{
	const struct wrr_class *cl = class_priv(c);
	struct wrr_host host = host_of(w, m);

	return cl->used && hosts_equal(&cl->host, &host);
}

/* ---- life */

int
wrr_hosts_init(struct qdisc *q, struct error *err)
{
	struct wrr *w = qdisc_priv(q);
	uint32_t buckets = rte_align32pow2(2 * w->conf.classes);

	w->turns = calloc(w->conf.classes + 1, sizeof(*w->turns));
	w->classes = calloc(w->conf.classes + 1, sizeof(struct class *));
	w->buckets = calloc(buckets, sizeof(*w->buckets));
	if (w->turns == NULL || w->classes == NULL || w->buckets == NULL)
		return error_set(err, ENOMEM, "wrr: out of memory for %u classes", w->conf.classes);
	w->bucket_mask = buckets - 1;
	w->hash_key = (uint32_t)qdisc_random(q);
	for (uint32_t place = 1; place <= w->conf.classes; place++) {
		int rc = class_create(q, q->handle | place, "pfifo", NULL, &w->classes[place], err);

		if (rc != 0)
			return rc;
		wrr_class_at(w, place)->place = place;
		start_anew(w, wrr_class_at(w, place));
		turn_ring_add(w->turns, &w->rings[WRR_IDLE], place);
	}
	return 0;
}

void
wrr_hosts_destroy(struct wrr *w)
{
	free(w->turns);
	free(w->classes);
	free(w->buckets);
}
