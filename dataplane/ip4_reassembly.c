/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reassembly of datagrams for the router itself (RFC 791 section 3.2, RFC 1122 3.3.2). Fragments wait in the order of
 * their place, each still its own packet, so that each can be accounted for. A fragment that repeats another is
 * dropped; one that overlaps takes its datagram with it (RFC 5722's rule, applied to IPv4 as Linux does). One table per
 * worker: a NIC that spreads flows by address brings all fragments of a datagram to the same one.
 */
#include <net/ethernet.h>
#include <netinet/ip_icmp.h>

#include "buffer.h"
#include "path.h"

#define DATAGRAMS     64
#define FRAGMENTS_MAX 512 /* that wait at a worker */
#define TIMEOUT_NS    (30 * NS_PER_SECOND) /* ipfrag_time */

struct datagram {
	rte_be32_t src, dst;
	rte_be16_t id;
	uint8_t protocol;
	bool used;
	uint32_t in_ifindex;
	uint64_t expires_ns;
	uint32_t total; /* bytes of payload; 0: the last fragment is not here yet */
	uint32_t have;
	struct rte_mbuf *first; /* by place; linked by packet_next */
};

struct reassembly {
	unsigned int waiting; /* fragments */
	unsigned int used; /* datagrams */
	struct datagram datagrams[DATAGRAMS];
};

struct reassembly *
reassembly_create(void)
{
	return calloc(1, sizeof(struct reassembly));
}

static uint32_t
place_of(const struct rte_mbuf *m)
{
	return (rte_be_to_cpu_16(ip4_header(m)->fragment_offset) & RTE_IPV4_HDR_OFFSET_MASK) * 8u;
}

static uint32_t
bytes_of(const struct rte_mbuf *m)
{
	return m->pkt_len - pkt_of((struct rte_mbuf *)(uintptr_t)m)->l3_off - rte_ipv4_hdr_len(ip4_header(m));
}

static bool
more_follow(const struct rte_mbuf *m)
{
	return (ip4_header(m)->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_MF_FLAG)) != 0;
}

/* The fragments no longer wait here: the datagram's slot is free, and they are the caller's. */
static struct rte_mbuf *
release(struct worker *w, struct datagram *d)
{
	struct port *in = worker_port(w, d->in_ifindex);
	struct rte_mbuf *first = d->first;

	for (const struct rte_mbuf *m = first; m != NULL; m = packet_next(m)) {
		w->path->reassembly->waiting--;
		if (in != NULL)
			counters(w, in)->waiting--;
	}
	w->path->reassembly->used--;
	d->used = false;
	d->first = NULL;
	return first;
}

static void
drop_datagram(struct worker *w, struct datagram *d, enum drop_reason reason)
{
	struct pkt_sink *sink = path_sink(w, d->in_ifindex);
	struct rte_mbuf *next;

	for (struct rte_mbuf *m = release(w, d); m != NULL; m = next) {
		next = packet_next(m);
		pkt_drop(sink, m, reason);
	}
}

/* Its datagram; a new one takes a free slot or that of the one which has waited longest. */
static struct datagram *
find_datagram(struct worker *w, const struct port *in, const struct rte_ipv4_hdr *ip)
{
	struct reassembly *r = w->path->reassembly;
	struct datagram *slot = NULL;

	for (unsigned int i = 0; i < DATAGRAMS; i++) {
		struct datagram *d = &r->datagrams[i];

		if (d->used && d->id == ip->packet_id && d->src == ip->src_addr && d->dst == ip->dst_addr &&
			d->protocol == ip->next_proto_id && d->in_ifindex == in->ifindex)
			return d;
		if (slot == NULL || (slot->used && (!d->used || d->expires_ns < slot->expires_ns)))
			slot = d;
	}
	if (slot->used)
		drop_datagram(w, slot, DROP_REASSEMBLY_FULL);
	*slot = (struct datagram){ .src = ip->src_addr,
		.dst = ip->dst_addr,
		.id = ip->packet_id,
		.protocol = ip->next_proto_id,
		.used = true,
		.in_ifindex = in->ifindex,
		.expires_ns = w->now + TIMEOUT_NS };
	r->used++;
	return slot;
}

enum fit { FITS, REPEATED, OVERLAPS };

/* Where m belongs in the list, *link being what is to point to it. */
static enum fit
find_place(const struct datagram *d, const struct rte_mbuf *m, struct rte_mbuf **before, struct rte_mbuf **after)
{
	uint32_t start = place_of(m), end = start + bytes_of(m);

	*before = NULL;
	*after = d->first;
	if (d->total != 0 && (end > d->total || (!more_follow(m) && end != d->total)))
		return OVERLAPS;
	while (*after != NULL && place_of(*after) < start) {
		*before = *after;
		*after = packet_next(*after);
	}
	if (*after != NULL && place_of(*after) == start && bytes_of(*after) == bytes_of(m))
		return REPEATED;
	if (*before != NULL && place_of(*before) + bytes_of(*before) > start)
		return OVERLAPS;
	if (*after != NULL && end > place_of(*after))
		return OVERLAPS;
	return !more_follow(m) && *after != NULL ? OVERLAPS : FITS;
}

static void
insert(struct worker *w, struct port *in, struct datagram *d, struct rte_mbuf *m, struct rte_mbuf *before,
	struct rte_mbuf *after)
{
	packet_set_next(m, after);
	if (before != NULL)
		packet_set_next(before, m);
	else
		d->first = m;
	if (!more_follow(m))
		d->total = place_of(m) + bytes_of(m);
	d->have += bytes_of(m);
	w->path->reassembly->waiting++;
	counters(w, in)->waiting++;
}

/* A copy in one piece. */
static struct rte_mbuf *
join(struct worker *w, const struct datagram *d)
{
	const struct rte_mbuf *first = d->first;
	const struct pkt *p = pkt_of((struct rte_mbuf *)(uintptr_t)first);
	uint16_t header = rte_ipv4_hdr_len(ip4_header(first));
	struct rte_mbuf *whole = worker_alloc(w);
	struct rte_ipv4_hdr *ip;

	if (whole == NULL || header + d->total > UINT16_MAX) {
		rte_pktmbuf_free(whole);
		return NULL;
	}
	*pkt_of(whole) = *p;
	whole->hash = first->hash;
	if (!buffer_append(w, whole, first, 0, p->l3_off + header))
		goto fail;
	for (const struct rte_mbuf *m = first; m != NULL; m = packet_next(m)) {
		uint32_t skip = pkt_of((struct rte_mbuf *)(uintptr_t)m)->l3_off + rte_ipv4_hdr_len(ip4_header(m));

		if (!buffer_append(w, whole, m, skip, bytes_of(m)))
			goto fail;
	}
	ip = ip4_header(whole);
	ip->total_length = rte_cpu_to_be_16((uint16_t)(header + d->total));
	ip->fragment_offset = 0;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	path_find_transport(whole);
	return whole;
fail:
	rte_pktmbuf_free(whole);
	return NULL;
}

struct rte_mbuf *
reassembly_add(struct worker *w, struct port *in, struct rte_mbuf *m, struct rte_mbuf **whole)
{
	struct pkt_sink *sink = &counters(w, in)->sink;
	uint32_t bytes = bytes_of(m);
	struct rte_mbuf *before, *after;
	struct datagram *d;
	enum fit fit;

	*whole = NULL;
	if (bytes == 0 || (more_follow(m) && bytes % 8 != 0) ||
		place_of(m) + bytes + sizeof(struct rte_ipv4_hdr) > UINT16_MAX) {
		pkt_drop(sink, m, DROP_FRAGMENT_MALFORMED);
		return NULL;
	}
	if (w->path->reassembly->waiting >= FRAGMENTS_MAX) {
		pkt_drop(sink, m, DROP_REASSEMBLY_FULL);
		return NULL;
	}
	d = find_datagram(w, in, ip4_header(m));
	fit = find_place(d, m, &before, &after);
	if (fit != FITS) {
		pkt_drop(sink, m, DROP_FRAGMENT_MALFORMED);
		if (fit == OVERLAPS)
			drop_datagram(w, d, DROP_FRAGMENT_MALFORMED);
		return NULL;
	}
	insert(w, in, d, m, before, after);
	if (d->total == 0 || d->have != d->total)
		return NULL;
	*whole = join(w, d);
	return release(w, d);
}

/* Only who has seen the first fragment may speak of it (RFC 792). */
static void
expire(struct worker *w, struct datagram *d)
{
	if (d->first != NULL && place_of(d->first) == 0)
		icmp_error(w, d->first, ICMP_TIME_EXCEEDED, ICMP_EXC_FRAGTIME, 0);
	drop_datagram(w, d, DROP_REASSEMBLY_TIMEOUT);
}

uint64_t
reassembly_timers(struct worker *w)
{
	struct reassembly *r = w->path->reassembly;
	uint64_t next = UINT64_MAX;

	if (likely(r->used == 0))
		return UINT64_MAX;
	for (unsigned int i = 0; i < DATAGRAMS; i++) {
		struct datagram *d = &r->datagrams[i];

		if (d->used && d->expires_ns <= w->now)
			expire(w, d);
		else if (d->used)
			next = RTE_MIN(next, d->expires_ns);
	}
	return next;
}

void
reassembly_flush(struct worker *w, const struct port *in, enum drop_reason reason)
{
	for (unsigned int i = 0; i < DATAGRAMS; i++) {
		struct datagram *d = &w->path->reassembly->datagrams[i];

		if (d->used && (in == NULL || d->in_ifindex == in->ifindex))
			drop_datagram(w, d, reason);
	}
}
