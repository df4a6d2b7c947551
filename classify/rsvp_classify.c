/* SPDX-License-Identifier: BSD-3-Clause */
/* rsvp, rsvp6: which session and filter a packet is of (rsvp.h). Workers. */
#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "read.h"
#include "rsvp.h"

#define ROUNDS_MAX 8 /* headers that a packet is looked for in */

/* A network header, and where in the packet it leads. */
struct header {
	uint32_t source[4], destination[4];
	uint8_t protocol, tunnelid;
	uint32_t transport; /* from the frame's start */
};

static bool
read_header4(struct rte_mbuf *m, int64_t at, struct header *h)
{
	struct rte_ipv4_hdr ip;

	if (!packet_read(m, at, &ip, sizeof(ip)) || ip.ihl < 5 ||
		(ip.fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) != 0)
		return false;
	memset(h->source, 0, sizeof(h->source));
	memset(h->destination, 0, sizeof(h->destination));
	h->source[0] = ip.src_addr;
	h->destination[0] = ip.dst_addr;
	h->protocol = ip.next_proto_id;
	h->transport = (uint32_t)at + ip.ihl * 4u;
	return true;
}

static bool
read_header6(struct rte_mbuf *m, int64_t at, struct header *h)
{
	struct rte_ipv6_hdr ip;

	if (!packet_read(m, at, &ip, sizeof(ip)))
		return false;
	memcpy(h->source, &ip.src_addr, sizeof(h->source));
	memcpy(h->destination, &ip.dst_addr, sizeof(h->destination));
	h->protocol = ip.proto;
	h->transport = (uint32_t)at + sizeof(ip);
	return true;
}

static inline bool
read_header(bool v6, struct rte_mbuf *m, int64_t at, struct header *h)
{
	return v6 ? read_header6(m, at, h) : read_header4(m, at, h);
}

static inline bool
read_port(struct rte_mbuf *m, const struct header *h, int32_t offset, rte_be32_t mask, rte_be32_t *port)
{
	*port = 0;
	if (mask != 0 && !packet_read(m, (int64_t)h->transport + offset, port, sizeof(*port)))
		return false;
	*port &= mask;
	return true;
}

/* The first of the sessions of one key that is the packet's, in place of `best` if it comes before it. */
static struct session *
better(struct session *best, struct tuple *tuple, const struct header *h, rte_be32_t port)
{
	for (; tuple != NULL; tuple = tuple_next(tuple)) {
		struct session *s = (struct session *)tuple;

		if (is_session(s, h->destination, h->protocol, h->tunnelid, port))
			return best == NULL || tuple->rank < best->tuple.rank ? s : best;
	}
	return best;
}

static struct session *
find_one_session(const struct tuple_shapes *shapes, struct rte_mbuf *m, const struct header *h)
{
	struct session *best = NULL;

	for (uint32_t i = 0; i < shapes->n; i++) {
		const struct shape *shape = (const struct shape *)shapes->shapes[i];
		rte_be32_t port;

		if (read_port(m, h, shape->offset, shape->mask, &port))
			best = better(best,
				tuple_find(
					&shape->sessions, session_key(h->destination, h->protocol, h->tunnelid, port)),
				h, port);
	}
	return best;
}

/* What is asked of one packet. */
struct question {
	const struct filter_group *group;
	const struct tuple_shapes *shapes;
	const struct classify_ctx *ctx;
	struct rte_mbuf *m;
	struct header header; /* which we are in now */
};

enum outcome { GOES_ON, DECIDED, INSIDE };

/* The filters of one list, those of other sessions and senders left out. */
static enum outcome
ask_filters(struct question *q, const struct session *session, struct tuple *tuple, bool any, struct verdict *result)
{
	for (; tuple != NULL; tuple = tuple_next(tuple)) {
		const struct rsvp_filter *f = (const struct rsvp_filter *)tuple;
		struct verdict found;
		rte_be32_t port;

		if (f->session != session || (!any && memcmp(f->sender, q->header.source, sizeof(f->sender)) != 0) ||
			!read_port(q->m, &q->header, f->port.offset, f->port.mask, &port) || port != f->port.key)
			continue;
		found = filter_target_answer(&f->target, q->ctx, q->m);
		if (found.action == TC_ACT_UNSPEC)
			continue;
		*result = found;
		if (f->tunnelhdr == 0 || found.action != TC_ACT_OK) /* what a tunnel's actions say goes first */
			return DECIDED;
		q->header.tunnelid = (uint8_t)f->target.classid;
		q->header.transport += f->tunnelhdr;
		return INSIDE;
	}
	return GOES_ON;
}

static enum outcome
ask_session(struct question *q, struct session *session, struct verdict *result)
{
	const struct rsvp *rsvp = filter_group_priv(q->group);
	enum outcome outcome = GOES_ON;

	if (load_relaxed(&session->has_senders))
		outcome = ask_filters(q, session,
			tuple_find(&rsvp->senders, sender_key(session->serial, q->header.source)), false, result);
	return outcome != GOES_ON ? outcome : ask_filters(q, session, load_acquire(&session->any), true, result);
}

/* From the session that the outer header has on, through the tunnels. */
static void
ask(struct question *q, struct session *session, struct verdict *result)
{
	bool v6 = is6(q->group);
	struct verdict found;

	for (unsigned int round = 0; session != NULL && round < ROUNDS_MAX; round++) {
		enum outcome outcome = ask_session(q, session, &found);

		if (outcome == DECIDED)
			*result = found;
		if (outcome != INSIDE)
			return;
		/* tunnelhdr says where the inner header ends */
		if (!read_header(v6, q->m,
			    (int64_t)q->header.transport -
				    (int64_t)(v6 ? sizeof(struct rte_ipv6_hdr) : sizeof(struct rte_ipv4_hdr)),
			    &q->header))
			return;
		session = find_one_session(q->shapes, q->m, &q->header);
	}
}

void
rsvp_classify(const struct filter_group *group, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
	struct verdict *results)
{
	const struct rsvp *rsvp = filter_group_priv(group);
	const struct tuple_shapes *shapes = load_acquire(&rsvp->sessions.shapes);
	struct header headers[CLASSIFY_BURST];
	struct session *best[CLASSIFY_BURST];
	uint8_t places[CLASSIFY_BURST];
	rte_be16_t protocol = rte_cpu_to_be_16(is6(group) ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
	bool v6 = is6(group);
	unsigned int asked = 0;

	if (shapes == NULL)
		return;
	for (uint16_t i = 0; i < n; i++) {
		headers[asked].tunnelid = 0;
		places[asked] = (uint8_t)i;
		best[asked] = NULL;
		asked += pkt_of(pkts[i])->protocol == protocol &&
			 read_header(v6, pkts[i], pkt_of(pkts[i])->l3_off, &headers[asked]);
	}
	for (uint32_t s = 0; s < shapes->n; s++) {
		const struct shape *shape = (const struct shape *)shapes->shapes[s];
		struct tuple *found[CLASSIFY_BURST];
		uint64_t keys[CLASSIFY_BURST];
		rte_be32_t ports[CLASSIFY_BURST];
		bool has_port[CLASSIFY_BURST];

		for (unsigned int i = 0; i < asked; i++) {
			const struct header *h = &headers[i];

			has_port[i] = read_port(pkts[places[i]], h, shape->offset, shape->mask, &ports[i]);
			keys[i] = session_key(h->destination, h->protocol, 0, ports[i]);
		}
		tuple_find_burst(&shape->sessions, keys, asked, found);
		for (unsigned int i = 0; i < asked; i++)
			if (has_port[i])
				best[i] = better(best[i], found[i], &headers[i], ports[i]);
	}
	for (unsigned int i = 0; i < asked; i++) {
		struct question q = { group, shapes, ctx, pkts[places[i]], headers[i] };

		if (best[i] != NULL)
			ask(&q, best[i], &results[places[i]]);
	}
}
