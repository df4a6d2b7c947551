/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv4: from a frame that carries it to its route. Header checks (RFC 1812 5.2.2), martians (5.3.7), and what rules and
 * tables are asked by. A stage at a time over a burst; each stage keeps its survivors in front, in order. What comes of
 * the answers is ip4_forward.c's.
 */
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include "buffer.h"
#include "path.h"

#define KEEP              DROP__COUNT
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

void
ip4_route(
	struct worker *w, struct port *in, struct rte_mbuf **pkts, const struct rib_key4 *keys, uint16_t n, bool filled)
{
	const struct rib_result *answers[BURST];
	struct rib_result own[BURST];

	if (n == 0)
		return;
	rib_find4(w->rib, keys, n, answers, own);
	worker_stage(w, STAGE_OF_ROUTE);
	ip4_forward(w, in, pkts, answers, n, false, filled);
}

/* Behind PREROUTING. */
static void
route_checked(struct worker *w, struct port *in, struct rte_mbuf **pkts, uint16_t n)
{
	struct rib_key4 keys[BURST];

	n = make_keys(w, in, pkts, n, keys);
	ip4_route(w, in, pkts, keys, n, true);
}

void
ip4_route_direct(struct worker *w, struct port *in, struct rte_mbuf **pkts, const struct rib_pair4 *pairs, uint16_t n,
	bool plain, bool filled)
{
	const struct rib_result *answers[BURST];
	bool from_here;

	if (n == 0)
		return;
	if (unlikely(!rib_find_direct(w->rib, pairs, n, answers, &from_here))) {
		if (!filled)
			path_fill(w, in, pkts, n);
		route_checked(w, in, pkts, n);
		return;
	}
	worker_stage(w, STAGE_OF_ROUTE);
	ip4_forward(w, in, pkts, answers, n, plain && !from_here, filled);
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
	if (unlikely(tables_ask(w, NETFILTER_PREROUTING)))
		n = ask_prerouting(w, in, pkts, n);
	route_checked(w, in, pkts, n);
}
