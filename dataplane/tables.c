/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The hooks of the packet filter tables (weir/netfilter.h), at the places of Linux's path:
 *
 *  ingress filters -> PREROUTING -> route -> FORWARD ----------------> POSTROUTING -> fragments, egress filters, tree
 *                  (raw, mangle)    |     (mangle, filter)            ^   (mangle)
 *                                   v                                 |
 *                                 INPUT -> the router itself -> OUTPUT
 *                        (mangle, filter)                (raw, mangle, a new route if need be, filter)
 */
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include <rte_tcp.h>
#include <rte_udp.h>

#include "buffer.h"
#include "path.h"

#define ALL_TABLES ((1u << NETFILTER_TABLES) - 1)

/* ---- what targets ask of the router --------------------------------------------------------------------------- */

/* UDP's checksum may be left out (RFC 768). */
static bool
is_unsummed(const struct rte_mbuf *m, uint16_t l4_off)
{
	struct rte_udp_hdr copy;
	const struct rte_udp_hdr *udp = rte_pktmbuf_read(m, l4_off, sizeof(copy), &copy);

	return udp != NULL && udp->dgram_cksum == 0;
}

static bool
is_intact(const struct rte_mbuf *m)
{
	uint8_t protocol = ip4_header(m)->next_proto_id;
	uint16_t l4_off = pkt_of((struct rte_mbuf *)(uintptr_t)m)->l4_off;

	if ((protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) || ip4_is_fragment(ip4_header(m)))
		return true;
	if (l4_off == 0)
		return false;
	return (protocol == IPPROTO_UDP && is_unsummed(m, l4_off)) || ip4_transport_sum_ok(m);
}

static void
reject(void *arg, struct rte_mbuf *m, enum netfilter_hook hook, bool tcp_reset, uint8_t icmp_code)
{
	struct worker *w = arg;
	const struct rte_ipv4_hdr *ip = ip4_header(m);

	if (!is_intact(m))
		return;
	if (!tcp_reset)
		icmp_error(w, m, ICMP_DEST_UNREACH, icmp_code, 0);
	else if (ip->next_proto_id == IPPROTO_TCP && !ip4_is_fragment(ip) &&
		 m->data_len >= pkt_of(m)->l4_off + sizeof(struct rte_tcp_hdr))
		tcp_refuse(w, m);
}

static uint32_t
path_mtu(void *arg, const struct rte_mbuf *m)
{
	const struct worker *w = arg;
	const struct rte_ipv4_hdr *ip = ip4_header(m);
	const struct rib_nexthop *hop = rib_nexthop(w->rib, pkt_of((struct rte_mbuf *)(uintptr_t)m)->nexthop);
	const struct rib_nexthop *back;
	struct rib_key key = {
		.dst = ip_addr_v4(ip->src_addr),
		.src = ip_addr_v4(ip->dst_addr),
		.iif = LOOPBACK_IFINDEX,
		.family = AF_INET,
		.dsfield = ip->type_of_service,
	};
	struct rib_result result;
	uint32_t mtu = hop != NULL ? hop->mtu : 0;

	rib_lookup(w->rib, &key, 1, &result);
	back = result.type == RTN_UNICAST ? rib_nexthop(w->rib, result.nexthop) : NULL;
	return back != NULL && back->mtu < mtu ? back->mtu : mtu;
}

static void
log_packet(void *arg, const struct netfilter_log *log)
{
	worker_log(arg, log);
}

void
tables_start(struct worker *w)
{
	static const uint32_t nowhere;

	w->path->tables_host =
		(struct netfilter_host){ .reject = reject, .path_mtu = path_mtu, .log = log_packet, .arg = w };
	w->netfilter_active = w->netfilter != NULL ? netfilter_active(w->netfilter) : &nowhere;
}

/* ---- hooks ---------------------------------------------------------------------------------------------------- */

static uint64_t
ask(struct worker *w, enum netfilter_hook hook, uint32_t tables, const struct port *in, const struct port *out,
	struct rte_mbuf **pkts, uint16_t n)
{
	struct netfilter_ctx ctx = {
		.hook = hook,
		.worker = w->index,
		.now = w->now,
		.random = &w->random,
		.in = in != NULL ? in->name : NULL,
		.out = out != NULL ? out->name : NULL,
		.host = &w->path->tables_host,
	};

	return netfilter_run(w->netfilter, &ctx, tables, pkts, n);
}

static uint16_t
keep_passed(struct pkt_sink *sink, struct rte_mbuf **pkts, uint16_t n, uint64_t passed)
{
	uint16_t kept = 0;

	if (n == 0 || likely(passed == UINT64_MAX >> (64 - n)))
		return n;
	for (uint16_t i = 0; i < n; i++)
		if ((passed & UINT64_C(1) << i) != 0)
			pkts[kept++] = pkts[i];
		else
			pkt_drop(sink, pkts[i], DROP_NETFILTER);
	return kept;
}

uint16_t
tables_prerouting(struct worker *w, struct port *in, struct rte_mbuf **pkts, uint16_t n)
{
	if (!tables_ask(w, NETFILTER_PREROUTING))
		return n;
	return keep_passed(
		&counters(w, in)->sink, pkts, n, ask(w, NETFILTER_PREROUTING, ALL_TABLES, in, NULL, pkts, n));
}

uint16_t
tables_prerouting_keys(struct worker *w, struct port *in, struct rte_mbuf **pkts, struct rib_key4 *keys, uint16_t n)
{
	uint64_t passed = ask(w, NETFILTER_PREROUTING, ALL_TABLES, in, NULL, pkts, n);
	uint16_t kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		if ((passed & UINT64_C(1) << i) == 0)
			continue;
		keys[kept] = keys[i];
		/* All that targets may have changed of it. */
		keys[kept].mark = pkt_of(pkts[i])->mark;
		keys[kept++].dsfield = ip4_header(pkts[i])->type_of_service;
	}
	return keep_passed(&counters(w, in)->sink, pkts, n, passed);
}

uint16_t
tables_prerouting_pairs(
	struct worker *w, struct port *in, struct rte_mbuf **pkts, struct rib_pair4 *pairs, uint16_t n, bool *plain)
{
	uint64_t passed = ask(w, NETFILTER_PREROUTING, ALL_TABLES, in, NULL, pkts, n);
	uint16_t kept = 0, flags = PKT_PLAIN;

	for (uint16_t i = 0; i < n; i++) {
		if ((passed & UINT64_C(1) << i) == 0)
			continue;
		pairs[kept++] = pairs[i];
		flags &= pkt_of(pkts[i])->flags;
	}
	*plain = flags != 0;
	return keep_passed(&counters(w, in)->sink, pkts, n, passed);
}

bool
tables_input(struct worker *w, struct port *in, struct rte_mbuf *m)
{
	return !tables_ask(w, NETFILTER_INPUT) || ask(w, NETFILTER_INPUT, ALL_TABLES, in, NULL, &m, 1) != 0;
}

/* Packets that leave by the same port. */
static uint16_t
forward_run(struct worker *w, struct port *in, struct rte_mbuf **pkts, uint16_t n)
{
	const struct port *out = worker_port(w, pkt_of(pkts[0])->out_port);
	struct pkt_sink *sink = &counters(w, in)->sink;

	if (tables_ask(w, NETFILTER_FORWARD))
		n = keep_passed(sink, pkts, n, ask(w, NETFILTER_FORWARD, ALL_TABLES, in, out, pkts, n));
	if (tables_ask(w, NETFILTER_POSTROUTING))
		n = keep_passed(sink, pkts, n, ask(w, NETFILTER_POSTROUTING, ALL_TABLES, NULL, out, pkts, n));
	return n;
}

uint16_t
tables_forward(struct worker *w, struct port *in, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t kept = 0;

	for (uint16_t i = 0, run; i < n; i += run) {
		uint16_t passed;

		for (run = 1; i + run < n && pkt_of(pkts[i + run])->out_port == pkt_of(pkts[i])->out_port;)
			run++;
		passed = forward_run(w, in, pkts + i, run);
		memmove(pkts + kept, pkts + i, passed * sizeof(pkts[0]));
		kept += passed;
	}
	return kept;
}

/* mangle may have changed what the route was found by: then it is found anew, as on Linux. */
static bool
route_again(struct worker *w, struct rte_mbuf *m, uint32_t mark, uint8_t tos)
{
	return (pkt_of(m)->mark == mark && ip4_header(m)->type_of_service == tos) || ip4_route_own(w, m);
}

bool
tables_output(struct worker *w, struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	const uint32_t first = 1u << NETFILTER_RAW | 1u << NETFILTER_MANGLE;
	uint32_t mark = p->mark;
	uint8_t tos = ip4_header(m)->type_of_service;
	enum drop_reason reason = DROP_NETFILTER;

	if (tables_ask(w, NETFILTER_OUTPUT)) {
		if (ask(w, NETFILTER_OUTPUT, first, NULL, worker_port(w, p->out_port), &m, 1) == 0)
			goto drop;
		reason = DROP_NO_ROUTE;
		if (!route_again(w, m, mark, tos))
			goto drop;
		reason = DROP_NETFILTER;
		if (ask(w, NETFILTER_OUTPUT, ALL_TABLES & ~first, NULL, worker_port(w, p->out_port), &m, 1) == 0)
			goto drop;
	}
	if (!tables_ask(w, NETFILTER_POSTROUTING) ||
		ask(w, NETFILTER_POSTROUTING, ALL_TABLES, NULL, worker_port(w, p->out_port), &m, 1) != 0)
		return true;
drop:
	pkt_drop(path_sink(w, p->out_port), m, reason);
	return false;
}
