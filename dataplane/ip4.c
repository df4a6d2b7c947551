/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv4: from a frame that carries it to a next hop. Header checks (RFC 1812 5.2.2), martians (5.3.7), the route,
 * reverse-path filtering (RFC 3704), and forwarding (5.3). A stage at a time over a burst; each stage keeps its
 * survivors in front, in order.
 */
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include "buffer.h"
#include "path.h"

#define KEEP              DROP__COUNT
#define DONT_FRAGMENT     rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG)
#define LIMITED_BROADCAST RTE_BE32(0xffffffff)
#define ALL_HOSTS         RTE_BE32(0xe0000001) /* 224.0.0.1: every host is a member (RFC 1112 section 4) */

static inline bool
is_net0(rte_be32_t a)
{
	return (a & RTE_BE32(0xff000000)) == 0;
}

static inline bool
is_loopback(rte_be32_t a)
{
	return (a & RTE_BE32(0xff000000)) == RTE_BE32(0x7f000000);
}

static inline bool
is_multicast(rte_be32_t a)
{
	return (a & RTE_BE32(0xf0000000)) == RTE_BE32(0xe0000000);
}

/* ---- header checks ----------------------------------------------------------------------------------------------- */

/* Is the checksum over a header right (RFC 1071)? Nearly all are of five words. */
static inline bool
header_sum_ok(const struct rte_ipv4_hdr *ip, uint16_t bytes)
{
	uint32_t words[5];
	uint64_t sum;

	if (unlikely(bytes != sizeof(words)))
		return rte_raw_cksum(ip, bytes) == 0xffff;
	memcpy(words, ip, sizeof(words));
	sum = (uint64_t)words[0] + words[1] + words[2] + words[3] + words[4];
	sum = (sum & UINT32_MAX) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	return checksum_fold((uint32_t)sum) == 0xffff;
}

static inline enum drop_reason
check_header(struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	const struct rte_ipv4_hdr *ip = ip4_header(m);
	uint32_t available = m->pkt_len - p->l3_off;
	uint16_t header, total;

	if (unlikely(available < sizeof(*ip)))
		return DROP_IP_MALFORMED;
	header = rte_ipv4_hdr_len(ip);
	total = rte_be_to_cpu_16(ip->total_length);
	if (unlikely((ip->version_ihl >> 4) != 4 || header < sizeof(*ip) || total < header || total > available ||
		     m->data_len < p->l3_off + header))
		return DROP_IP_MALFORMED;
	if (unlikely(!header_sum_ok(ip, header)))
		return DROP_IP_CHECKSUM;
	if (unlikely(total < available))
		buffer_truncate(m, p->l3_off + total); /* Ethernet's padding */
	return KEEP;
}

/*
 * Options are rare: most packets never come here. Source routes are followed here if the settings allow them, else
 * refused.
 */
static enum drop_reason
check_options(struct worker *w, const struct port *in, struct rte_mbuf *m)
{
	struct rte_ipv4_hdr *ip = ip4_header(m);
	const struct port_settings *all = w->all;
	struct ip4_options options;
	struct ip_addr destination = ip_addr_v4(ip->dst_addr);

	ip4_options_parse(ip, &options);
	if (options.malformed) {
		icmp_error(w, m, ICMP_PARAMETERPROB, 0, (uint32_t)options.error_at << 24);
		return DROP_IP_OPTIONS;
	}
	if (!options.source_route)
		return KEEP;
	if (!setting_both(all->accept_source_route, in->settings.accept_source_route))
		return DROP_IP_OPTIONS;
	if (rib_address_is_local(w->rib, 0, AF_INET, &destination)) {
		if (!ip4_options_next_stop(ip, &options))
			return KEEP;
		path_find_transport(m);
		return KEEP;
	}
	if (options.strict) { /* this router is no stop of the route it was told to take (RFC 791) */
		icmp_error(w, m, ICMP_PARAMETERPROB, 0, (uint32_t)options.route_at << 24);
		return DROP_IP_OPTIONS;
	}
	return KEEP;
}

static enum drop_reason
check_addresses(const struct rte_ipv4_hdr *ip, bool route_localnet)
{
	rte_be32_t src = ip->src_addr, dst = ip->dst_addr;

	if (unlikely(is_multicast(src) || src == LIMITED_BROADCAST))
		return DROP_MARTIAN_SOURCE;
	if (unlikely(is_loopback(src) && !route_localnet))
		return DROP_MARTIAN_SOURCE;
	if (unlikely(dst == LIMITED_BROADCAST || (src == 0 && dst == 0)))
		return is_net0(src) && src != 0 ? DROP_MARTIAN_SOURCE : KEEP;
	if (unlikely(is_net0(src)))
		return src == 0 && is_multicast(dst) ? KEEP : DROP_MARTIAN_SOURCE; /* IGMP comes from 0.0.0.0 too */
	if (unlikely(is_net0(dst)))
		return DROP_MARTIAN_DESTINATION;
	return unlikely(is_loopback(dst) && !route_localnet) ? DROP_MARTIAN_DESTINATION : KEEP;
}

/* Multicast and limited broadcast need no route: for us, or for nobody that we serve. */
static bool
take_group(struct worker *w, struct port *in, struct rte_mbuf *m)
{
	rte_be32_t dst = ip4_header(m)->dst_addr;

	if (unlikely(dst == LIMITED_BROADCAST || dst == ALL_HOSTS || dst == 0)) {
		ip4_deliver(w, in, m, true);
		return true;
	}
	if (unlikely(is_multicast(dst))) {
		pkt_drop(&counters(w, in)->sink, m, DROP_BROADCAST);
		return true;
	}
	return false;
}

/* All checks of what parse has not found to be plain. False: it goes no further. */
static bool
check(struct worker *w, struct port *in, struct rte_mbuf *m)
{
	bool localnet =
		(in->flags & IFF_LOOPBACK) != 0 || setting_either(w->all->route_localnet, in->settings.route_localnet);
	enum drop_reason reason = check_header(m);

	if (likely(reason == KEEP) && unlikely(ip4_header(m)->ihl > 5))
		reason = check_options(w, in, m);
	if (likely(reason == KEEP))
		reason = check_addresses(ip4_header(m), localnet);
	if (likely(reason == KEEP))
		return !take_group(w, in, m);
	pkt_drop(&counters(w, in)->sink, m, reason);
	return false;
}

/* ---- the route --------------------------------------------------------------------------------------------------- */

/* The ports as they stand in the packet, 0 where rules see none. */
static inline uint32_t
both_ports(const struct rte_mbuf *m, const struct pkt *p, uint8_t protocol)
{
	uint32_t ports;

	if (p->l4_off == 0 || m->data_len < p->l4_off + sizeof(ports) ||
		(protocol != IPPROTO_TCP && protocol != IPPROTO_UDP && protocol != IPPROTO_SCTP))
		return 0;
	memcpy(&ports, rte_pktmbuf_mtod_offset(m, const uint8_t *, p->l4_off), sizeof(ports));
	return ports;
}

static inline void
make_key(const struct port *in, const struct rte_mbuf *m, bool by_ports, struct rib_key4 *key)
{
	const struct pkt *p = pkt_of((struct rte_mbuf *)(uintptr_t)m);
	const struct rte_ipv4_hdr *ip = ip4_header(m);
	uint32_t ports = both_ports(m, p, ip->next_proto_id);

	memcpy(&key->src, &ip->src_addr, 2 * sizeof(key->src));
	key->mark = p->mark;
	key->iif = in->ifindex;
	key->oif = 0;
	memcpy(&key->sport, &ports, sizeof(ports));
	key->dsfield = ip->type_of_service;
	key->ip_protocol = ip->next_proto_id;
	key->unused = 0;
	key->flow_hash = by_ports ? path_flow_hash(m) : flow_hash_addresses(ip->src_addr, ip->dst_addr);
}

/* Drops and delivers what needs no route, and asks for the others', which stay in front, in order. Returns how many. */
static uint16_t
make_keys(struct worker *w, struct port *in, struct rte_mbuf **pkts, uint16_t n, struct rib_key4 *keys)
{
	bool by_ports = w->settings->fib_multipath_hash_policy == 1;
	uint16_t routed = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		if (unlikely((pkt_of(m)->flags & PKT_PLAIN) == 0) && !check(w, in, m))
			continue;
		make_key(in, m, by_ports, &keys[routed]);
		pkts[routed++] = m;
	}
	return routed;
}

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
ask_tables(struct worker *w, struct routing *routing)
{
	uint16_t n = tables_forward(w, routing->in, routing->waiting, routing->waiting_count);

	for (uint16_t i = 0; i < n; i++)
		send_on(w, routing, routing->waiting[i], rib_nexthop(w->rib, pkt_of(routing->waiting[i])->nexthop));
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
	const struct rib_result *answer, bool foreign)
{
	const struct rib_nexthop *hop = answer->hop;
	rte_be32_t src;

	memcpy(&src, ip + offsetof(struct rte_ipv4_hdr, src_addr), sizeof(src));
	return answer->forwards && ip[offsetof(struct rte_ipv4_hdr, time_to_live)] > 1 &&
	       m->pkt_len - LINK_HEADER <= hop->mtu &&
	       (foreign || ((pkt_of((struct rte_mbuf *)(uintptr_t)m)->flags & PKT_PLAIN) != 0 &&
				   !rib_may_be_local(routing->local, src)));
}

/*
 * The first packets, as long as they go straight by the port of `o`, to neighbours that are known; returns how many.
 * `foreign`: all are plain and from others. Calls nothing, so that what is the same for all stays in registers.
 */
static __rte_always_inline uint16_t
go_run(const struct worker *w, const struct routing *routing, struct outgoing *o, struct rte_mbuf **pkts,
	const struct rib_result *const *answers, uint16_t n, bool foreign)
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
		struct pkt *p = pkt_of(m);
		union neighbour_word to;
		uint32_t ttl_word;

		if (unlikely(!goes_straight(routing, m, ip, answer, foreign) || hop->ifindex != ifindex))
			break;
		if (unlikely(hop->neighbour == NULL))
			break;
		to = neighbour_read_word(hop->neighbour);
		if (unlikely(to.hot.ready != NEIGHBOUR_READY))
			break;
		if (unlikely(__atomic_load_n(&hop->neighbour->used_ns, __ATOMIC_RELAXED) < used_before))
			neighbour_use(w, hop->neighbour);
		memcpy(&ttl_word, ip + offsetof(struct rte_ipv4_hdr, time_to_live), sizeof(ttl_word));
		ttl_word = ttl_word_decremented(ttl_word);
		memcpy(ip + offsetof(struct rte_ipv4_hdr, time_to_live), &ttl_word, sizeof(ttl_word));
		/* Whatever the ingress hook had said, as Linux. */
		p->priority = ip4_tos_priority(ip[offsetof(struct rte_ipv4_hdr, type_of_service)]);
		memcpy(&p->nexthop, &answer->nexthop, sizeof(p->nexthop) + sizeof(p->realm));
		p->out_port = (uint16_t)ifindex;
		/* The neighbour's word ends with its MAC: two bytes of it lie before the frame, in the headroom. */
		memcpy(frame - offsetof(struct neighbour_hot, lladdr), &to, sizeof(to));
		memcpy(frame + RTE_ETHER_ADDR_LEN, &link, sizeof(link));
		out[i] = m;
	}
	o->count += i;
	return i;
}

static __rte_noinline uint16_t
go_run_any(const struct worker *w, const struct routing *routing, struct outgoing *o, struct rte_mbuf **pkts,
	const struct rib_result *const *answers, uint16_t n)
{
	return go_run(w, routing, o, pkts, answers, n, false);
}

static __rte_noinline uint16_t
go_run_foreign(const struct worker *w, const struct routing *routing, struct outgoing *o, struct rte_mbuf **pkts,
	const struct rib_result *const *answers, uint16_t n)
{
	return go_run(w, routing, o, pkts, answers, n, true);
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
	routing->straight = routing->forwarding && check->rp_filter == 0 && !check->accept_local && !check->realms &&
			    !routing->tables;
	outgoing_start(&routing->outgoing);
}

/* At most BURST that have been looked up, to where they go. `foreign`: see go_run. */
static void
go_on(struct worker *w, struct routing *routing, struct rte_mbuf **pkts, const struct rib_result *const *answers,
	uint16_t n, bool foreign)
{
	for (uint16_t i = 0; i < n; i++) {
		if (likely(routing->straight))
			i += go_straight(w, routing, pkts + i, answers + i, n - i, foreign);
		if (unlikely(i < n))
			take_routed(w, routing, pkts[i], answers[i]);
	}
	if (unlikely(routing->waiting_count != 0))
		ask_tables(w, routing);
	outgoing_flush(w, &routing->outgoing);
}

void
ip4_route(struct worker *w, struct port *in, struct rte_mbuf **pkts, const struct rib_key4 *keys, uint16_t n)
{
	const struct rib_result *answers[BURST];
	struct rib_result own[BURST];
	struct routing routing;

	if (n == 0)
		return;
	rib_find4(w->rib, keys, n, answers, own);
	worker_stage(w, STAGE_OF_ROUTE);
	start_routing(w, in, &routing);
	go_on(w, &routing, pkts, answers, n, false);
}

/* Tables see whole headers only, and before options and addresses are looked at. */
static uint16_t
ask_prerouting(struct worker *w, struct port *in, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t good = 0;

	for (uint16_t i = 0; i < n; i++) {
		enum drop_reason reason = (pkt_of(pkts[i])->flags & PKT_PLAIN) != 0 ? KEEP : check_header(pkts[i]);

		if (likely(reason == KEEP))
			pkts[good++] = pkts[i];
		else
			pkt_drop(&counters(w, in)->sink, pkts[i], reason);
	}
	return tables_prerouting(w, in, pkts, good);
}

void
ip4_receive(struct worker *w, struct port *in, struct rte_mbuf **pkts, uint16_t n)
{
	struct rib_key4 keys[BURST];

	if (unlikely(tables_ask(w, NETFILTER_PREROUTING)))
		n = ask_prerouting(w, in, pkts, n);
	n = make_keys(w, in, pkts, n, keys);
	ip4_route(w, in, pkts, keys, n);
}

void
ip4_route_direct(struct worker *w, struct port *in, struct rte_mbuf **pkts, const struct rib_pair4 *pairs, uint16_t n)
{
	const struct rib_result *answers[BURST];
	struct routing routing;
	bool from_here;

	if (n == 0)
		return;
	if (unlikely(!rib_find_direct(w->rib, pairs, n, answers, &from_here))) {
		ip4_receive(w, in, pkts, n);
		return;
	}
	worker_stage(w, STAGE_OF_ROUTE);
	start_routing(w, in, &routing);
	go_on(w, &routing, pkts, answers, n, !from_here);
}
