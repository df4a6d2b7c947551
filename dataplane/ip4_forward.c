/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv4: what a route says of a packet carried out. Reverse-path filtering (RFC 3704), forwarding (RFC 1812 5.3) and
 * refusals.
 *
 * Most packets of most bursts go straight: nothing is to be said about them but where they go, and they are worked off
 * in loops that call nothing. Where packet filter tables ask, there are two such loops, and the tables between them see
 * the burst as a whole:
 *
 *     straight: TTL, link header                 -> out
 *               TTL -> FORWARD, POSTROUTING -> link header -> out
 *     others:   one by one, in order with the straight ones
 */
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include "buffer.h"
#include "path.h"

#define KEEP          DROP__COUNT
#define DONT_FRAGMENT rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG)

/* ---- the way back ------------------------------------------------------------------------------------------------ */

/* What the source's validation says: KEEP or why not. */
struct source_check {
	int rp_filter; /* 0 off, 1 strict, 2 loose */
	bool accept_local, valid_mark;
	bool realms; /* sources have them */
};

static void
load_source_check(const struct worker *w, const struct port *in, struct source_check *check)
{
	const struct port_settings *all = w->all;

	check->rp_filter = setting_greater(all->rp_filter, in->settings.rp_filter);
	check->accept_local =
		setting_either(all->accept_local, in->settings.accept_local) || (in->flags & IFF_LOOPBACK) != 0;
	check->valid_mark = setting_either(all->src_valid_mark, in->settings.src_valid_mark);
	check->realms = rib_has_realms(w->rib);
}

/*
 * The way back to the source of m, as if this router were to answer; out_ifindex: where m is to leave, LOOPBACK_IFINDEX
 * if it is ours.
 */
static void
reverse_route(const struct worker *w, const struct rte_mbuf *m, const struct source_check *check, uint32_t out_ifindex,
	uint32_t oif, struct rib_result *result)
{
	const struct rte_ipv4_hdr *ip = ip4_header(m);
	struct rib_key key = {
		.dst = ip_addr_v4(ip->src_addr),
		.src = ip_addr_v4(ip->dst_addr),
		.mark = check->valid_mark ? pkt_of((struct rte_mbuf *)(uintptr_t)m)->mark : 0,
		.iif = out_ifindex,
		.oif = oif,
		.family = AF_INET,
		.dsfield = ip->type_of_service,
	};

	rib_lookup(w->rib, &key, 1, result);
}

static bool
leaves_by(const struct worker *w, const struct rib_result *result, uint32_t ifindex)
{
	const struct rib_nexthop *hop = rib_nexthop(w->rib, result->nexthop);

	return result->type == RTN_UNICAST && hop != NULL && hop->ifindex == ifindex;
}

static enum drop_reason
filter_reverse_path(const struct worker *w, const struct port *in, const struct rte_mbuf *m,
	const struct source_check *check, uint32_t out_ifindex)
{
	struct rib_result back, through;

	reverse_route(w, m, check, out_ifindex, 0, &back);
	if (back.type == RTN_LOCAL)
		return check->accept_local ? KEEP : DROP_MARTIAN_SOURCE;
	if (back.type == RTN_BROADCAST || back.type == RTN_MULTICAST)
		return DROP_MARTIAN_SOURCE;
	if (back.type != RTN_UNICAST)
		return DROP_RP_FILTER;
	if (check->rp_filter != 1 || leaves_by(w, &back, in->ifindex))
		return KEEP;
	/* Another of a multipath route's hops may lead through the port: then asking for that port finds the same
	 * prefix. */
	reverse_route(w, m, check, out_ifindex, in->ifindex, &through);
	return leaves_by(w, &through, in->ifindex) && through.prefix_length == back.prefix_length ? KEEP
												  : DROP_RP_FILTER;
}

static enum drop_reason
check_source(const struct worker *w, const struct port *in, const struct rte_mbuf *m, const struct source_check *check,
	uint32_t out_ifindex)
{
	struct ip_addr src = ip_addr_v4(ip4_header(m)->src_addr);

	if (src.v4 == 0)
		return KEEP;
	if (check->rp_filter != 0)
		return filter_reverse_path(w, in, m, check, out_ifindex);
	return !check->accept_local && rib_address_is_local(w->rib, 0, AF_INET, &src) ? DROP_MARTIAN_SOURCE : KEEP;
}

/* The realms of a packet: of the route that it takes, and if that says nothing of its source, of the route back. */
static uint32_t
realms_of(const struct worker *w, const struct rte_mbuf *m, const struct source_check *check,
	const struct rib_result *result, uint32_t out_ifindex)
{
	struct rib_result back;

	if (likely(!check->realms) || result->realm >> 16 != 0)
		return result->realm;
	reverse_route(w, m, check, out_ifindex, 0, &back);
	return result->realm | back.realm << 16;
}

/* ---- forwarding -------------------------------------------------------------------------------------------------- */

/* A piece of a datagram that was too long for its hop. */
struct piece_way {
	struct outgoing *o;
	const struct rib_nexthop *hop;
};

static void
add_piece(struct worker *w, void *arg, struct rte_mbuf *m)
{
	struct piece_way *way = arg;

	outgoing_add(w, way->o, m, way->hop);
}

static inline void
decrement_ttl(struct rte_ipv4_hdr *ip)
{
	ip->time_to_live--; /* its word, with the protocol, becomes less by 0x100 */
	ip->hdr_checksum = checksum_replace(ip->hdr_checksum, RTE_BE16(0x0100), 0);
}

static void
record_options(struct worker *w, const struct rib_nexthop *hop, struct rte_ipv4_hdr *ip)
{
	struct ip4_options options;

	ip4_options_parse(ip, &options);
	if (options.record_at == 0 && options.timestamp_at == 0)
		return;
	ip4_options_record(ip, &options, ip4_hop_source(w, hop, ip->dst_addr), w->now);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

/* What may keep a packet that has a next hop from leaving; sends the ICMP error that is due. */
static enum drop_reason
check_forward(struct worker *w, struct rte_mbuf *m, const struct rib_nexthop *hop)
{
	const struct rte_ipv4_hdr *ip = ip4_header(m);

	if (unlikely((pkt_of(m)->flags & PKT_MULTICAST) != 0))
		return DROP_BROADCAST; /* unicast in a link-layer broadcast: RFC 1812 5.3.4 */
	if (unlikely(ip->time_to_live <= 1)) {
		icmp_error(w, m, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0);
		return DROP_TTL_EXCEEDED;
	}
	if (unlikely(ip->ihl > 5) && hop->gateway_family != AF_UNSPEC && ip4_options_strict_hop(ip)) {
		icmp_error(w, m, ICMP_DEST_UNREACH, ICMP_SR_FAILED, 0);
		return DROP_IP_OPTIONS;
	}
	if (unlikely(m->pkt_len - pkt_of(m)->l3_off > hop->mtu && (ip->fragment_offset & DONT_FRAGMENT) != 0)) {
		icmp_error(w, m, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, hop->mtu);
		return DROP_MTU_EXCEEDED;
	}
	return KEEP;
}

/* What a burst's packets are asked. */
struct routing {
	struct port *in;
	struct source_check check;
	bool forwarding;
	bool straight; /* packets may go straight */
	const struct rib_local_filter *local;
	struct outgoing outgoing;
	/* Where tables ask forwarded packets: these, in order, to be asked together. */
	bool tables;
	uint16_t waiting_count;
	struct rte_mbuf *waiting[BURST];
};

/* All is said about m: it goes on, in pieces if it is too long. */
static void
send_on(struct worker *w, struct routing *routing, struct rte_mbuf *m, const struct rib_nexthop *hop)
{
	struct outgoing *o = &routing->outgoing;
	struct pkt_sink *sink = &counters(w, routing->in)->sink;
	struct port *out;

	if (likely(m->pkt_len - pkt_of(m)->l3_off <= hop->mtu)) {
		outgoing_add(w, o, m, hop);
		return;
	}
	out = worker_port(w, hop->ifindex);
	if (out == NULL)
		pkt_drop(sink, m, DROP_PORT_DOWN);
	else
		ip4_fragment(w, out, sink, m, hop->mtu, add_piece, &(struct piece_way){ o, hop });
}

static void
forward(struct worker *w, struct routing *routing, struct rte_mbuf *m, const struct rib_nexthop *hop)
{
	struct pkt *p = pkt_of(m);
	struct port *in = routing->in;
	struct rte_ipv4_hdr *ip = ip4_header(m);
	enum drop_reason reason = check_forward(w, m, hop);

	if (unlikely(reason != KEEP)) {
		pkt_drop(&counters(w, in)->sink, m, reason);
		return;
	}
	if (unlikely(hop->ifindex == in->ifindex))
		icmp_redirect(w, in, m, hop);
	decrement_ttl(ip);
	if (unlikely(ip->ihl > 5))
		record_options(w, hop, ip);
	p->priority = ip4_tos_priority(ip->type_of_service);
	p->out_port = (uint16_t)hop->ifindex;
	if (unlikely(routing->tables))
		routing->waiting[routing->waiting_count++] = m;
	else
		send_on(w, routing, m, hop);
}

/* ---- by type of route -------------------------------------------------------------------------------------------- */

static void
refuse(struct worker *w, struct port *in, struct rte_mbuf *m, const struct rib_result *result)
{
	struct pkt_sink *sink = &counters(w, in)->sink;

	switch (result->type) {
	case RTN_BLACKHOLE:
		pkt_drop(sink, m, DROP_ROUTE_BLACKHOLE);
		break;
	case RTN_UNREACHABLE:
		/* As Linux: a route knows of its hosts, a rule speaks of networks. */
		icmp_error(w, m, ICMP_DEST_UNREACH, result->by_rule ? ICMP_NET_UNREACH : ICMP_HOST_UNREACH, 0);
		pkt_drop(sink, m, DROP_ROUTE_UNREACHABLE);
		break;
	case RTN_PROHIBIT:
		icmp_error(w, m, ICMP_DEST_UNREACH, ICMP_PKT_FILTERED, 0);
		pkt_drop(sink, m, DROP_ROUTE_PROHIBIT);
		break;
	case RTN_UNSPEC:
	case RTN_UNICAST: /* by a nexthop that has gone */
		icmp_error(w, m, ICMP_DEST_UNREACH, ICMP_NET_UNREACH, 0);
		pkt_drop(sink, m, DROP_NO_ROUTE);
		break;
	default:
		pkt_drop(sink, m, DROP_MARTIAN_DESTINATION);
	}
}

static void
take_routed(struct worker *w, struct routing *routing, struct rte_mbuf *m, const struct rib_result *result)
{
	struct port *in = routing->in;
	struct pkt_sink *sink = &counters(w, in)->sink;
	bool ours = result->type == RTN_LOCAL || result->type == RTN_BROADCAST;
	const struct rib_nexthop *hop = NULL;
	enum drop_reason reason;
	uint32_t out_ifindex;

	if (!ours && !routing->forwarding) {
		pkt_drop(sink, m, DROP_NOT_FORWARDING);
		return;
	}
	if (!ours && result->type == RTN_UNICAST)
		hop = result->hop;
	if (!ours && hop == NULL) {
		refuse(w, in, m, result);
		return;
	}
	out_ifindex = ours ? LOOPBACK_IFINDEX : hop->ifindex;
	reason = check_source(w, in, m, &routing->check, out_ifindex);
	if (unlikely(reason != KEEP)) {
		pkt_drop(sink, m, reason);
		return;
	}
	pkt_of(m)->realm = realms_of(w, m, &routing->check, result, out_ifindex);
	pkt_of(m)->nexthop = result->nexthop;
	if (ours)
		ip4_deliver(w, in, m, result->type == RTN_BROADCAST);
	else
		forward(w, routing, m, hop);
}

/*
 * The TTL and the checksum of a header, as they lie in its third word, one hop further. The checksum grows by what the
 * TTL's half of the word loses, with the carry around, and 0xffff is 0 (RFC 1624): where that was 0xfffe or 0xffff one
 * more is added.
 */
static inline uint32_t
ttl_word_decremented(uint32_t word)
{
	return word - 1 + ((word >= 0xfffe0000 ? 2u : 1u) << 16);
}

/* Is there nothing to say about the packet but where it goes? Then all checks of take_routed and forward are done. */
static inline bool
goes_straight(const struct routing *routing, const struct rte_mbuf *m, const uint8_t *ip,
	const struct rib_result *answer, bool foreign, bool filled)
{
	const struct rib_nexthop *hop = answer->hop;
	rte_be32_t src;

	memcpy(&src, ip + offsetof(struct rte_ipv4_hdr, src_addr), sizeof(src));
	return answer->forwards && ip[offsetof(struct rte_ipv4_hdr, time_to_live)] > 1 &&
	       m->pkt_len - LINK_HEADER <= hop->mtu &&
	       (foreign || ((!filled || (pkt_of((struct rte_mbuf *)(uintptr_t)m)->flags & PKT_PLAIN) != 0) &&
				   !rib_may_be_local(routing->local, src)));
}

/*
 * The word of a hop's neighbour, which ends with its MAC; 0: that is not known. One word, so that nothing of it is in
 * memory.
 */
static __rte_always_inline uint64_t
known_neighbour(const struct worker *w, const struct rib_nexthop *hop, uint64_t used_before)
{
	const union neighbour_word mask = { .hot.ready = UINT8_MAX }, ready = { .hot.ready = NEIGHBOUR_READY };
	uint64_t word;

	if (unlikely(hop->neighbour == NULL))
		return 0;
	word = neighbour_read_word(hop->neighbour).word;
	if (unlikely((word & mask.word) != ready.word))
		return 0;
	if (unlikely(__atomic_load_n(&hop->neighbour->used_ns, __ATOMIC_RELAXED) < used_before))
		neighbour_use(w, hop->neighbour);
	return word;
}

/* Two bytes of the neighbour's word lie before the frame, in the headroom. */
static __rte_always_inline void
write_link(uint8_t *frame, uint64_t neighbour, uint64_t link)
{
	memcpy(frame - offsetof(struct neighbour_hot, lladdr), &neighbour, sizeof(neighbour));
	memcpy(frame + RTE_ETHER_ADDR_LEN, &link, sizeof(link));
}

/* One hop further. */
static __rte_always_inline void
pass_on(uint8_t *ip)
{
	uint32_t ttl_word;

	memcpy(&ttl_word, ip + offsetof(struct rte_ipv4_hdr, time_to_live), sizeof(ttl_word));
	ttl_word = ttl_word_decremented(ttl_word);
	memcpy(ip + offsetof(struct rte_ipv4_hdr, time_to_live), &ttl_word, sizeof(ttl_word));
}

/* What is known of a packet that goes by the answer's hop. */
static __rte_always_inline void
note_hop(struct pkt *p, const uint8_t *ip, const struct rib_result *answer, uint32_t ifindex)
{
	/* Whatever the ingress hook had said, as Linux. */
	p->priority = ip4_tos_priority(ip[offsetof(struct rte_ipv4_hdr, type_of_service)]);
	memcpy(&p->nexthop, &answer->nexthop, sizeof(p->nexthop) + sizeof(p->realm));
	p->out_port = (uint16_t)ifindex;
}

/*
 * The first packets, as long as they go straight by the port of `o`, to neighbours that are known; returns how many.
 * `foreign`: all are plain and from others. Not `filled`: all are plain, struct pkt is left alone, and so is what `o`
 * has: they will go as they lie, or go_unfilled adds them. Calls nothing, so that what is the same for all stays in
 * registers.
 */
static __rte_always_inline uint16_t
go_run(const struct worker *w, const struct routing *routing, struct outgoing *o, struct rte_mbuf **pkts,
	const struct rib_result *const *answers, uint16_t n, bool foreign, bool filled)
{
	const uint64_t link = o->link, used_before = w->now - NS_PER_SECOND;
	const uint32_t ifindex = o->ifindex;
	struct rte_mbuf **out = o->pkts + o->count;
	uint16_t i;

	for (i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const struct rib_result *answer = answers[i];
		const struct rib_nexthop *hop = answer->hop;
		uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *), *ip = frame + LINK_HEADER;
		uint64_t to;

		if (unlikely(!goes_straight(routing, m, ip, answer, foreign, filled) || hop->ifindex != ifindex))
			break;
		to = known_neighbour(w, hop, used_before);
		if (unlikely(to == 0))
			break;
		pass_on(ip);
		write_link(frame, to, link);
		if (filled) {
			note_hop(pkt_of(m), ip, answer, ifindex);
			out[i] = m;
		}
	}
	if (filled)
		o->count += i;
	return i;
}

static __rte_noinline uint16_t
go_run_any(const struct worker *w, const struct routing *routing, struct outgoing *o, struct rte_mbuf **pkts,
	const struct rib_result *const *answers, uint16_t n)
{
	return go_run(w, routing, o, pkts, answers, n, false, true);
}

static __rte_noinline uint16_t
go_run_foreign(const struct worker *w, const struct routing *routing, struct outgoing *o, struct rte_mbuf **pkts,
	const struct rib_result *const *answers, uint16_t n)
{
	return go_run(w, routing, o, pkts, answers, n, true, true);
}

static __rte_noinline uint16_t
go_run_unfilled(const struct worker *w, const struct routing *routing, struct outgoing *o, struct rte_mbuf **pkts,
	const struct rib_result *const *answers, uint16_t n, bool foreign)
{
	return foreign ? go_run(w, routing, o, pkts, answers, n, true, false)
		       : go_run(w, routing, o, pkts, answers, n, false, false);
}

/* The first packets, until one does not go straight or needs its neighbour's owner; returns how many. */
static uint16_t
go_straight(struct worker *w, struct routing *routing, struct rte_mbuf **pkts, const struct rib_result *const *answers,
	uint16_t n, bool foreign)
{
	struct outgoing *o = &routing->outgoing;
	uint16_t i = 0;

	while (i < n) {
		const struct rib_nexthop *hop = answers[i]->hop;
		uint16_t run;

		if (hop == NULL || hop->ifindex == routing->in->ifindex)
			break;
		if (hop->ifindex != o->ifindex)
			outgoing_turn(w, o, hop->ifindex);
		if (!o->has_neighbours)
			break;
		run = RTE_MIN((uint16_t)(n - i), (uint16_t)(BURST - o->count)); /* there is always room for one */
		run = foreign ? go_run_foreign(w, routing, o, pkts + i, answers + i, run)
			      : go_run_any(w, routing, o, pkts + i, answers + i, run);
		if (o->count == BURST)
			outgoing_flush(w, o);
		if (run == 0)
			break;
		i += run;
	}
	return i;
}

/* ---- where tables ask -------------------------------------------------------------------------------------------- */

/* The first packets, as long as they go straight, to wait for what tables say; returns how many. */
static uint16_t
wait_straight(struct routing *routing, struct rte_mbuf **pkts, const struct rib_result *const *answers, uint16_t n,
	bool foreign)
{
	const uint32_t in = routing->in->ifindex;
	struct rte_mbuf **waiting = routing->waiting + routing->waiting_count;
	uint16_t i;

	for (i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, LINK_HEADER);

		if (unlikely(!goes_straight(routing, m, ip, answers[i], foreign, true) ||
			     answers[i]->hop->ifindex == in))
			break;
		pass_on(ip);
		note_hop(pkt_of(m), ip, answers[i], answers[i]->hop->ifindex);
		waiting[i] = m;
	}
	routing->waiting_count += i;
	return i;
}

/* The first packets, as long as they need nothing but a link header for the port of `o`; returns how many. */
static uint16_t
link_run(struct worker *w, struct outgoing *o, struct rte_mbuf **pkts, uint16_t n)
{
	const uint64_t link = o->link, used_before = w->now - NS_PER_SECOND;
	const uint32_t ifindex = o->ifindex;
	uint16_t i;

	if (!o->has_neighbours)
		return 0;
	for (i = 0; i < n && o->count < BURST; i++) {
		struct rte_mbuf *m = pkts[i];
		const struct pkt *p = pkt_of(m);
		const struct rib_nexthop *hop = rib_nexthop(w->rib, p->nexthop);
		uint64_t to;

		if (unlikely(p->out_port != ifindex || p->l3_off != LINK_HEADER || p->vlan_tci != 0 ||
			     m->pkt_len - LINK_HEADER > hop->mtu))
			break;
		to = known_neighbour(w, hop, used_before);
		if (unlikely(to == 0))
			break;
		write_link(rte_pktmbuf_mtod(m, uint8_t *), to, link);
		o->pkts[o->count++] = m;
	}
	return i;
}

/* Asks about all that wait, and sends on those that may leave. */
static void
ask_tables(struct worker *w, struct routing *routing)
{
	struct outgoing *o = &routing->outgoing;
	uint16_t n = tables_forward(w, routing->in, routing->waiting, routing->waiting_count), i = 0;

	while (i < n) {
		struct rte_mbuf **pkts = routing->waiting + i;
		uint32_t ifindex = pkt_of(pkts[0])->out_port;
		uint16_t run;

		if (o->ifindex != ifindex)
			outgoing_turn(w, o, ifindex);
		run = link_run(w, o, pkts, n - i);
		if (o->count == BURST)
			outgoing_flush(w, o);
		if (run == 0)
			send_on(w, routing, pkts[run++], rib_nexthop(w->rib, pkt_of(pkts[0])->nexthop));
		i += run;
	}
}

_Static_assert(offsetof(struct pkt, realm) == offsetof(struct pkt, nexthop) + 4 &&
		       offsetof(struct rib_result, realm) == offsetof(struct rib_result, nexthop) + 4,
	"copied as one");

_Static_assert(offsetof(struct rte_ipv4_hdr, hdr_checksum) == offsetof(struct rte_ipv4_hdr, time_to_live) + 2,
	"one word has both");

static void
start_routing(struct worker *w, struct port *in, struct routing *routing)
{
	const struct source_check *check = &routing->check;

	routing->in = in;
	routing->forwarding = in->settings.forwarding != 0; /* ip_forward sets that of every port */
	routing->local = rib_local_filter(w->rib);
	load_source_check(w, in, &routing->check);
	routing->tables = tables_ask(w, NETFILTER_FORWARD) || tables_ask(w, NETFILTER_POSTROUTING);
	routing->waiting_count = 0;
	routing->straight = routing->forwarding && check->rp_filter == 0 && !check->accept_local;
	outgoing_start(&routing->outgoing);
}

/* In order: what goes straight, and between it the others. */
static void
go_on(struct worker *w, struct routing *routing, struct rte_mbuf **pkts, const struct rib_result *const *answers,
	uint16_t n, bool foreign)
{
	for (uint16_t i = 0; i < n; i++) {
		if (likely(routing->straight))
			i += unlikely(routing->tables) ? wait_straight(routing, pkts + i, answers + i, n - i, foreign)
						       : go_straight(w, routing, pkts + i, answers + i, n - i, foreign);
		if (unlikely(i < n))
			take_routed(w, routing, pkts[i], answers[i]);
	}
	if (unlikely(routing->waiting_count != 0))
		ask_tables(w, routing);
	outgoing_flush(w, &routing->outgoing);
}

/*
 * A burst whose struct pkt is not filled: if all go straight, by one port that does not ask for it, they are gone.
 * Else all are filled. Returns how many need nothing more here: they are gone, or in `outgoing`.
 */
static uint16_t
go_unfilled(struct worker *w, struct routing *routing, struct rte_mbuf **pkts, const struct rib_result *const *answers,
	uint16_t n, bool foreign)
{
	const struct rib_nexthop *hop = answers[0]->hop;
	struct outgoing *o = &routing->outgoing;
	uint16_t run = 0;

	if (likely(hop != NULL && hop->ifindex != routing->in->ifindex)) {
		outgoing_turn(w, o, hop->ifindex);
		run = o->has_neighbours ? go_run_unfilled(w, routing, o, pkts, answers, n, foreign) : 0;
	}
	if (likely(run == n)) {
		worker_stage(w, STAGE_OF_FORWARD);
		if (likely(port_output_unread(w, routing->in, o->port, pkts, n)))
			return n;
	}
	w->unread = false;
	path_fill(w, routing->in, pkts, n);
	for (uint16_t i = 0; i < run; i++) {
		note_hop(pkt_of(pkts[i]), rte_pktmbuf_mtod_offset(pkts[i], uint8_t *, LINK_HEADER), answers[i],
			o->ifindex);
		o->pkts[o->count++] = pkts[i];
	}
	return run;
}

/* As go_on where routes have realms: those of the ways back to the sources, as realms_of, are asked for together. */
static __rte_noinline void
go_on_with_realms(struct worker *w, struct routing *routing, struct rte_mbuf **pkts,
	const struct rib_result *const *answers, uint16_t n, bool foreign)
{
	const struct rib_result *back[BURST], *both[BURST];
	struct rib_result own[BURST], sums[BURST];
	struct rib_key4 keys[BURST] = { 0 };

	for (uint16_t i = 0; i < n; i++) {
		const struct rte_ipv4_hdr *ip = ip4_header(pkts[i]);

		keys[i] = (struct rib_key4){
			.src = ip->dst_addr,
			.dst = ip->src_addr,
			.mark = routing->check.valid_mark ? pkt_of(pkts[i])->mark : 0,
			.iif = answers[i]->forwards ? answers[i]->hop->ifindex : LOOPBACK_IFINDEX,
			.dsfield = ip->type_of_service,
		};
	}
	rib_find4(w->rib, keys, n, back, own);
	for (uint16_t i = 0; i < n; i++) {
		sums[i] = *answers[i];
		if (sums[i].forwards && sums[i].realm >> 16 == 0)
			sums[i].realm |= back[i]->realm << 16;
		both[i] = &sums[i];
	}
	go_on(w, routing, pkts, both, n, foreign);
}

void
ip4_forward(struct worker *w, struct port *in, struct rte_mbuf **pkts, const struct rib_result *const *answers,
	uint16_t n, bool foreign, bool filled)
{
	struct routing routing;
	uint16_t gone = 0;

	start_routing(w, in, &routing);
	if (likely(!filled)) {
		if (likely(routing.straight && !routing.tables && !routing.check.realms))
			gone = go_unfilled(w, &routing, pkts, answers, n, foreign);
		else
			path_fill(w, in, pkts, n);
		if (likely(gone == n && routing.outgoing.count == 0))
			return;
	}
	if (unlikely(routing.check.realms && routing.straight))
		go_on_with_realms(w, &routing, pkts, answers, n, foreign);
	else
		go_on(w, &routing, pkts + gone, answers + gone, n - gone, foreign);
}
