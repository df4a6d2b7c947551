/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The path: where packets come in, resume and go out. Between receive and output lie the network layers' own files.
 */
#include <net/ethernet.h>

#include "hook.h"
#include "path.h"

#define KEEP DROP__COUNT

int
path_start(struct worker *w, struct error *err)
{
	struct path *path = calloc(1, sizeof(*path));

	w->all = router_settings_all(w->router);
	if (path != NULL) {
		path->timers = calloc(NEIGHBOURS_MAX + 1, sizeof(struct neighbour *));
		path->peers = icmp_peers_create();
		path->reassembly = reassembly_create();
		path->ip_id = (uint16_t)worker_random(w);
		w->icmp_tokens = INT64_MAX; /* full: clipped to the burst when it is used */
	}
	w->path = path;
	if (path != NULL)
		tables_start(w);
	if (path == NULL || path->timers == NULL || path->peers == NULL || path->reassembly == NULL) {
		path_stop(w);
		return error_set(err, ENOMEM, "no memory for the state of worker %u", w->index);
	}
	return 0;
}

void
path_stop(struct worker *w)
{
	struct path *path = w->path;

	if (path == NULL)
		return;
	if (path->reassembly != NULL)
		reassembly_flush(w, NULL, DROP_SHUTDOWN);
	free(path->reassembly);
	free(path->peers);
	free(path->timers);
	free(path);
	w->path = NULL;
}

struct pkt_sink *
path_sink(const struct worker *w, uint32_t ifindex)
{
	struct port *port = worker_port(w, ifindex);

	if (port == NULL)
		port = worker_port(w, LOOPBACK_IFINDEX);
	return &counters(w, port)->sink;
}

/* To the network layers: runs of packets of the same protocol stay together and in order. */
static void
dispatch(struct worker *w, struct port *in, struct rte_mbuf **pkts, uint16_t n)
{
	struct rte_mbuf *ip4[BURST];
	uint16_t ip4_count = 0;

	for (uint16_t i = 0; i < n; i++) {
		rte_be16_t protocol = pkt_of(pkts[i])->protocol;

		if (likely(protocol == rte_cpu_to_be_16(ETHERTYPE_IP)))
			ip4[ip4_count++] = pkts[i];
		else if (protocol == rte_cpu_to_be_16(ETHERTYPE_ARP))
			arp_receive(w, in, pkts[i]);
		else
			pkt_drop(&counters(w, in)->sink, pkts[i], DROP_UNKNOWN_PROTOCOL);
	}
	if (ip4_count != 0)
		ip4_receive(w, in, ip4, ip4_count);
}

/* At most BURST; `fresh`: from outside. */
static void
receive_burst(struct worker *w, struct port *in, struct rte_mbuf **pkts, uint16_t n, bool fresh)
{
	const struct chain *ingress = __atomic_load_n(&in->ingress, __ATOMIC_ACQUIRE);
	bool hooked = unlikely(ingress != NULL) && !chain_empty(ingress);
	/* Asked once: a table may come to ask meanwhile, about packets that are not filled. */
	bool tables = tables_ask(w, NETFILTER_PREROUTING);
	struct parsed parsed;

	n = path_parse(w, in, pkts, n, fresh, hooked, &parsed);
	worker_stage(w, STAGE_OF_PARSE);
	if (unlikely(tables) && !parsed.filled) {
		path_fill(w, in, pkts, n);
		parsed.filled = true;
	}
	if (hooked && n != 0) {
		n = hook_ingress(w, in, ingress, pkts, n);
		n = path_admit(w, in, pkts, n);
		parsed.plain = false; /* marks are part of the keys */
		worker_stage(w, STAGE_OF_INGRESS);
	}
	if (unlikely(!parsed.plain)) {
		dispatch(w, in, pkts, n);
	} else if (likely(parsed.direct)) {
		bool plain = true;

		if (unlikely(tables))
			n = tables_prerouting_pairs(w, in, pkts, parsed.pairs, n, &plain);
		ip4_route_direct(w, in, pkts, parsed.pairs, n, plain, parsed.filled);
	} else {
		if (unlikely(tables))
			n = tables_prerouting_keys(w, in, pkts, parsed.keys, n);
		ip4_route(w, in, pkts, parsed.keys, n, parsed.filled);
	}
	worker_stage(w, STAGE_OF_FORWARD);
}

void
path_receive(struct worker *w, struct port *in, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t done = 0; done < n; done += BURST)
		receive_burst(w, in, pkts + done, RTE_MIN((uint16_t)(n - done), (uint16_t)BURST), true);
}

/* Packets that waited for another worker at the neighbour stage: each goes to its neighbour. */
static void
resume_neighbour(struct worker *w, struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	const struct rib_nexthop *hop = rib_nexthop(w->rib, p->nexthop);
	struct port *out = worker_port(w, p->out_port);
	struct neighbour *neighbour;

	if (out == NULL || hop == NULL || hop->ifindex != p->out_port) {
		pkt_drop(path_sink(w, p->out_port), m, out == NULL ? DROP_PORT_DELETED : DROP_NO_ROUTE);
		return;
	}
	if ((out->flags & IFF_UP) == 0) { /* it may be about to go: no new neighbours for it */
		pkt_drop(path_sink(w, p->out_port), m, DROP_PORT_DOWN);
		return;
	}
	neighbour = hop->neighbour;
	if (neighbour == NULL) {
		struct ip_addr to = ip_addr_v4(ip4_header(m)->dst_addr);

		neighbour = neighbour_make(w->rib, out->ifindex, AF_INET, &to);
	}
	neighbour_submit(w, out, neighbour, m);
}

/* For a port that has no link layer. */
static void
remove_link_header(struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);

	rte_pktmbuf_adj(m, LINK_HEADER);
	p->l3_off = 0;
	if (p->l4_off != 0)
		p->l4_off -= LINK_HEADER;
}

/* What comes from a port of the other sort: its link header is removed, or one without addresses added. */
static void
suit_link(const struct port *port, struct rte_mbuf *m)
{
	static const struct port nobody;

	if (port->bare) {
		path_make_room(m);
		remove_link_header(m);
	} else {
		path_add_link_header(m);
		path_write_link(m, &nobody, nobody.mac);
	}
}

/* The port that a packet resumes at. */
static inline uint32_t
resumes_at(const struct pkt *p)
{
	return p->stage == STAGE_EGRESS ? p->out_port : p->in_port;
}

/*
 * The packets from the first on that resume at the same port and stage; those that went round too often are dropped.
 * Returns how many it took.
 */
static uint16_t
resume_pass(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	const struct pkt *first = pkt_of(pkts[0]);
	uint32_t ifindex = resumes_at(first);
	uint8_t stage = first->stage;
	struct port *port = worker_port(w, ifindex);
	struct rte_mbuf *run[BURST];
	uint16_t count = 0, i;

	for (i = 0; i < n && i < BURST; i++) {
		struct pkt *p = pkt_of(pkts[i]);

		if (p->stage != stage || resumes_at(p) != ifindex)
			break;
		if (port == NULL)
			pkt_drop(path_sink(w, ifindex), pkts[i], DROP_PORT_DELETED);
		else if (p->passes++ >= PASSES_MAX)
			pkt_drop(&counters(w, port)->sink, pkts[i], DROP_LOOP);
		else
			run[count++] = pkts[i];
	}
	if (count == 0)
		return i;
	for (uint16_t k = 0; k < count; k++)
		if (unlikely(port->bare != (pkt_of(run[k])->l3_off == 0)))
			suit_link(port, run[k]);
	if (stage == STAGE_RECEIVE)
		receive_burst(w, port, run, count, false);
	else if (stage == STAGE_EGRESS)
		port_output(w, port, run, count);
	else
		dispatch(w, port, run, path_admit(w, port, run, count));
	return i;
}

void
path_resume(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n;) {
		if (pkt_of(pkts[i])->stage == STAGE_NEIGHBOUR)
			resume_neighbour(w, pkts[i++]);
		else
			i += resume_pass(w, pkts + i, n - i);
	}
}

/* ---- output ------------------------------------------------------------------------------------------------------ */

void
path_make_room(struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	uint8_t spare = p->l3_off - LINK_HEADER;

	p->vlan_tci = 0;
	if (likely(spare == 0))
		return;
	rte_pktmbuf_adj(m, spare);
	p->l3_off = LINK_HEADER;
	if (p->l4_off != 0)
		p->l4_off -= spare;
}

/* Who is to get it on the link: NULL where nobody knows yet. */
static struct neighbour *
next_stop(const struct worker *w, const struct rib_nexthop *hop, const struct rte_mbuf *m)
{
	struct ip_addr to;

	if (hop->neighbour != NULL)
		return hop->neighbour;
	to = ip_addr_v4(ip4_header(m)->dst_addr);
	return neighbour_find(w->rib, hop->ifindex, AF_INET, &to);
}

/* True: the link header is written. False: its neighbour's owner must see it first. */
static bool
rewrite(struct worker *w, struct port *out, const struct rib_nexthop *hop, struct rte_mbuf *m)
{
	struct neighbour_hot hot;
	struct neighbour *neighbour;

	path_make_room(m);
	if (unlikely(hop->noarp || (out->flags & (IFF_NOARP | IFF_LOOPBACK)) != 0)) {
		if (out->bare)
			remove_link_header(m);
		else
			path_write_link(m, out, out->mac);
		return true;
	}
	neighbour = next_stop(w, hop, m);
	if (unlikely(neighbour == NULL))
		return false;
	hot = neighbour_read(neighbour);
	if (unlikely(hot.ready != NEIGHBOUR_READY))
		return false;
	neighbour_use(w, neighbour);
	path_write_link(m, out, hot.lladdr);
	return true;
}

static void
to_owner(struct worker *w, struct port *out, struct rte_mbuf *m)
{
	pkt_of(m)->stage = STAGE_NEIGHBOUR;
	if (out->owner == w->index)
		resume_neighbour(w, m);
	else
		port_hand_over(w, out, &m, 1);
}

void
outgoing_start(struct outgoing *o)
{
	o->count = 0;
	o->mixed = false;
	o->ifindex = 0;
	o->port = NULL;
	o->has_neighbours = false;
}

void
outgoing_turn(const struct worker *w, struct outgoing *o, uint32_t ifindex)
{
	struct port *port = worker_port(w, ifindex);

	o->mixed |= o->count != 0;
	o->ifindex = ifindex;
	o->port = port;
	o->has_neighbours = port != NULL && (port->flags & (IFF_NOARP | IFF_LOOPBACK)) == 0;
	if (port == NULL)
		return;
	memcpy(&o->link, port->mac, sizeof(o->link));
	o->link = (o->link & UINT64_C(0xffffffffffff)) | (uint64_t)RTE_BE16(RTE_ETHER_TYPE_IPV4) << 48;
}

void
outgoing_add(struct worker *w, struct outgoing *o, struct rte_mbuf *m, const struct rib_nexthop *hop)
{
	if (unlikely(o->ifindex != hop->ifindex))
		outgoing_turn(w, o, hop->ifindex);
	if (unlikely(o->port == NULL)) {
		pkt_drop(path_sink(w, pkt_of(m)->in_port), m, DROP_PORT_DOWN);
		return;
	}
	if (unlikely(!rewrite(w, o->port, hop, m))) {
		to_owner(w, o->port, m);
		return;
	}
	o->pkts[o->count++] = m;
	if (unlikely(o->count == BURST))
		outgoing_flush(w, o);
}

/* Sends the first packet's port all its packets, keeps the others in order; returns how many are left. */
static uint16_t
output_group(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	struct rte_mbuf *group[BURST];
	uint16_t ifindex = pkt_of(pkts[0])->out_port, taken = 0, left = 0;
	struct port *out = worker_port(w, ifindex);

	for (uint16_t i = 0; i < n; i++) {
		if (pkt_of(pkts[i])->out_port == ifindex)
			group[taken++] = pkts[i];
		else
			pkts[left++] = pkts[i];
	}
	if (likely(out != NULL))
		port_output(w, out, group, taken);
	else
		for (uint16_t i = 0; i < taken; i++)
			pkt_drop(path_sink(w, pkt_of(group[i])->in_port), group[i], DROP_PORT_DOWN);
	return left;
}

void
outgoing_flush(struct worker *w, struct outgoing *o)
{
	uint16_t count = o->count;
	bool mixed = o->mixed;

	worker_stage(w, STAGE_OF_FORWARD);
	o->count = 0;
	o->mixed = false;
	if (count == 0)
		return;
	if (likely(!mixed)) {
		port_output(w, o->port, o->pkts, count);
		return;
	}
	while (count != 0)
		count = output_group(w, o->pkts, count);
	w->unread = false;
}

void
path_output(struct worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	struct outgoing outgoing;

	outgoing_start(&outgoing);
	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = pkt_of(pkts[i]);
		const struct rib_nexthop *hop = rib_nexthop(w->rib, p->nexthop);

		if (unlikely(hop == NULL))
			pkt_drop(path_sink(w, p->in_port), pkts[i], DROP_NO_ROUTE);
		else
			outgoing_add(w, &outgoing, pkts[i], hop);
	}
	outgoing_flush(w, &outgoing);
}

/* ---- timers and ports -------------------------------------------------------------------------------------------- */

uint64_t
path_timers(struct worker *w)
{
	uint64_t neighbours = neighbour_timers(w);
	uint64_t datagrams = reassembly_timers(w);

	return RTE_MIN(neighbours, datagrams);
}

void
path_reassembly_flush(struct worker *w, const struct port *port, enum drop_reason reason)
{
	reassembly_flush(w, port, reason);
}

uint64_t
path_port_waiting(const struct port *port)
{
	unsigned int workers = router_workers(port->router);
	uint64_t sum = 0;

	for (unsigned int i = 0; i < workers; i++)
		sum += __atomic_load_n(&port->counters[i].waiting, __ATOMIC_RELAXED);
	return sum;
}
