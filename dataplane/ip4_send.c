/* SPDX-License-Identifier: BSD-3-Clause */
/* Datagrams that the router itself sends: made, routed and put on their way. */
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <netinet/in.h>

#include "buffer.h"
#include "path.h"

struct rte_mbuf *
ip4_make(struct worker *w, uint8_t protocol, rte_be32_t src, rte_be32_t dst, uint8_t tos)
{
	struct rte_mbuf *m = worker_alloc(w);
	struct rte_ipv4_hdr *ip;
	struct pkt *p;

	if (m == NULL)
		return NULL;
	p = pkt_of(m);
	p->flags |= PKT_GENERATED | PKT_LOCAL;
	p->leaf = PKT_LEAF_NONE;
	p->time_ns = w->now;
	p->protocol = rte_cpu_to_be_16(ETHERTYPE_IP);
	p->l3_off = LINK_HEADER;
	p->l4_off = LINK_HEADER + sizeof(*ip);
	ip = (struct rte_ipv4_hdr *)(rte_pktmbuf_append(m, LINK_HEADER + sizeof(*ip)) + LINK_HEADER);
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.type_of_service = tos,
		.packet_id = rte_cpu_to_be_16(w->path->ip_id++),
		.time_to_live = (uint8_t)w->settings->ip_default_ttl,
		.next_proto_id = protocol,
		.src_addr = src,
		.dst_addr = dst,
	};
	return m;
}

rte_be32_t
ip4_hop_source(const struct worker *w, const struct rib_nexthop *hop, rte_be32_t to)
{
	struct ip_addr towards = hop->gateway_family == AF_INET ? hop->gateway : ip_addr_v4(to);
	struct ip_addr source;

	if (!ip_addr_is_zero(&hop->prefsrc))
		return hop->prefsrc.v4;
	return rib_address_select(w->rib, hop->ifindex, AF_INET, &towards, &source) ? source.v4 : 0;
}

bool
ip4_route_own(struct worker *w, struct rte_mbuf *m)
{
	struct rte_ipv4_hdr *ip = ip4_header(m);
	struct pkt *p = pkt_of(m);
	struct rib_key key = {
		.dst = ip_addr_v4(ip->dst_addr),
		.src = ip_addr_v4(ip->src_addr),
		.mark = p->mark,
		.iif = LOOPBACK_IFINDEX,
		.flow_hash = flow_hash_addresses(ip->src_addr, ip->dst_addr),
		.family = AF_INET,
		.dsfield = ip->type_of_service,
		.ip_protocol = ip->next_proto_id,
	};
	const struct rib_nexthop *hop;
	struct rib_result result;

	rib_lookup(w->rib, &key, 1, &result);
	hop = rib_nexthop(w->rib, result.nexthop);
	if (result.type != RTN_UNICAST || hop == NULL)
		return false;
	if (ip->src_addr == 0)
		ip->src_addr = ip4_hop_source(w, hop, ip->dst_addr);
	p->nexthop = result.nexthop;
	p->out_port = (uint16_t)hop->ifindex;
	p->realm = result.realm;
	return ip->src_addr != 0;
}

static void
emit(struct worker *w, void *arg, struct rte_mbuf *m)
{
	path_output(w, &m, 1);
}

void
ip4_send_own(struct worker *w, struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	struct rte_ipv4_hdr *ip = ip4_header(m);
	const struct rib_nexthop *hop = rib_nexthop(w->rib, p->nexthop);
	struct port *out = worker_port(w, p->out_port);
	uint32_t length = m->pkt_len - p->l3_off;

	if (hop == NULL || out == NULL) {
		rte_pktmbuf_free(m); /* never sent off, so counted nowhere */
		return;
	}
	ip->total_length = rte_cpu_to_be_16((uint16_t)length);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	path_find_transport(m);
	counters(w, out)->generated++;
	if (unlikely(tables_ask(w, NETFILTER_OUTPUT) || tables_ask(w, NETFILTER_POSTROUTING))) {
		if (!tables_output(w, m))
			return;
		hop = rib_nexthop(w->rib, p->nexthop);
		out = worker_port(w, p->out_port);
		ip = ip4_header(m);
		length = m->pkt_len - p->l3_off;
	}
	if (unlikely(hop == NULL || out == NULL))
		pkt_drop(path_sink(w, p->out_port), m, DROP_NO_ROUTE);
	else if (length <= hop->mtu)
		path_output(w, &m, 1);
	else if ((ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG)) != 0)
		pkt_drop(&counters(w, out)->sink, m, DROP_MTU_EXCEEDED);
	else
		ip4_fragment(w, out, &counters(w, out)->sink, m, hop->mtu, emit, NULL);
}
