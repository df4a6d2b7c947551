/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ARP (RFC 826) with the settings of Linux's arp_*: answers, learns and asks. Runs at the owner of the port, who has
 * its neighbours.
 *
 * What is believed: a request that we answer makes or refreshes its sender's entry; a reply refreshes an entry that
 * exists, and so does a gratuitous announcement (RFC 5227 section 3). An announcement from nobody we know is ignored
 * unless arp_accept says else.
 */
#include <linux/rtnetlink.h>
#include <net/ethernet.h>

#include <rte_arp.h>

#include "path.h"

#define LOCKTIME_UNIT_NS (10 * NS_PER_MS) /* USER_HZ */

static const uint8_t broadcast_mac[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t no_mac[6];

struct arp_message {
	uint16_t operation;
	bool to_all; /* came as a link-layer broadcast */
	uint8_t sender_mac[6];
	struct ip_addr sender, target;
};

static void
send_arp(struct worker *w, struct port *out, uint16_t operation, const uint8_t to_mac[6], const uint8_t target_mac[6],
	rte_be32_t sender, rte_be32_t target)
{
	struct rte_mbuf *m = worker_alloc(w);
	struct rte_arp_hdr *arp;
	struct pkt *p;

	if (m == NULL)
		return;
	p = pkt_of(m);
	p->flags |= PKT_GENERATED | PKT_LOCAL;
	p->leaf = PKT_LEAF_NONE;
	p->time_ns = w->now;
	p->protocol = rte_cpu_to_be_16(ETHERTYPE_ARP);
	p->l3_off = LINK_HEADER;
	p->out_port = (uint16_t)out->ifindex;
	arp = (struct rte_arp_hdr *)(rte_pktmbuf_append(m, LINK_HEADER + sizeof(*arp)) + LINK_HEADER);
	*arp = (struct rte_arp_hdr){
		.arp_hardware = rte_cpu_to_be_16(RTE_ARP_HRD_ETHER),
		.arp_protocol = rte_cpu_to_be_16(ETHERTYPE_IP),
		.arp_hlen = 6,
		.arp_plen = 4,
		.arp_opcode = rte_cpu_to_be_16(operation),
		.arp_data = { .arp_sip = sender, .arp_tip = target },
	};
	memcpy(arp->arp_data.arp_sha.addr_bytes, out->mac, 6);
	memcpy(arp->arp_data.arp_tha.addr_bytes, target_mac, 6);
	path_write_link(m, out, to_mac);
	counters(w, out)->generated++;
	port_output(w, out, &m, 1);
}

/*
 * arp_announce 0: any address of ours will do, so that of the packet which waits; else one that fits the link. 0.0.0.0
 * where there is none.
 */
static rte_be32_t
source_for(struct worker *w, const struct port *out, const struct neighbour *neighbour, const struct rte_mbuf *waiting)
{
	const struct port_settings *all = router_settings_all(w->router);
	struct ip_addr source;

	if (waiting != NULL && setting_greater(all->arp_announce, out->settings.arp_announce) == 0) {
		source = ip_addr_v4(ip4_header(waiting)->src_addr);
		if (rib_address_is_local(w->rib, 0, AF_INET, &source))
			return source.v4;
	}
	return rib_address_select(w->rib, out->ifindex, AF_INET, &neighbour->addr, &source) ? source.v4 : 0;
}

void
arp_solicit(struct worker *w, struct port *out, const struct neighbour *neighbour, const uint8_t *lladdr,
	const struct rte_mbuf *waiting)
{
	rte_be32_t source = source_for(w, out, neighbour, waiting);

	send_arp(w, out, RTE_ARP_OP_REQUEST, lladdr != NULL ? lladdr : broadcast_mac, no_mac, source,
		neighbour->addr.v4);
}

/* ---- receive ----------------------------------------------------------------------------------------------------- */

static bool
parse(const struct rte_mbuf *m, struct arp_message *message)
{
	const struct pkt *p = pkt_of((struct rte_mbuf *)(uintptr_t)m);
	const struct rte_arp_hdr *arp = rte_pktmbuf_mtod_offset(m, const struct rte_arp_hdr *, p->l3_off);

	if (m->data_len < p->l3_off + sizeof(*arp) || arp->arp_hardware != rte_cpu_to_be_16(RTE_ARP_HRD_ETHER) ||
		arp->arp_protocol != rte_cpu_to_be_16(ETHERTYPE_IP) || arp->arp_hlen != 6 || arp->arp_plen != 4)
		return false;
	message->operation = rte_be_to_cpu_16(arp->arp_opcode);
	message->to_all = (p->flags & PKT_MULTICAST) != 0;
	memcpy(message->sender_mac, arp->arp_data.arp_sha.addr_bytes, 6);
	message->sender = ip_addr_v4(arp->arp_data.arp_sip);
	message->target = ip_addr_v4(arp->arp_data.arp_tip);
	return true;
}

static bool
worth_reading(const struct port *in, const struct arp_message *a)
{
	uint8_t target0 = a->target.bytes[0], sender0 = a->sender.bytes[0];

	if ((in->flags & (IFF_NOARP | IFF_LOOPBACK)) != 0 ||
		(a->operation != RTE_ARP_OP_REQUEST && a->operation != RTE_ARP_OP_REPLY))
		return false;
	/* A group is nobody's link-layer address (RFC 1812 3.3.2), nor a host's address. */
	if ((a->sender_mac[0] & 1) != 0 || (sender0 & 0xf0) == 224 || (target0 & 0xf0) == 224)
		return false;
	return sender0 != 127 && (target0 != 127 || in->settings.route_localnet != 0);
}

static void
route_towards(const struct worker *w, const struct port *in, const struct ip_addr *to, const struct ip_addr *from,
	uint32_t iif, struct rib_result *result)
{
	struct rib_key key = { .dst = *to, .src = *from, .iif = iif, .family = AF_INET };

	rib_lookup(w->rib, &key, 1, result);
}

/* The port by which the router would send to an address; 0: none. `direct`: without a gateway. */
static uint32_t
way_to(const struct worker *w, const struct port *in, const struct ip_addr *to, const struct ip_addr *from,
	bool *direct)
{
	const struct rib_nexthop *hop;
	struct rib_result result;

	route_towards(w, in, to, from, LOOPBACK_IFINDEX, &result);
	hop = rib_nexthop(w->rib, result.nexthop);
	if (result.type != RTN_UNICAST || hop == NULL)
		return 0;
	*direct = hop->gateway_family == AF_UNSPEC;
	return hop->ifindex;
}

/* Does the port answer for an address that is this router's (arp_ignore, arp_filter)? */
static bool
answers_for_own(const struct worker *w, const struct port *in, const struct arp_message *a)
{
	const struct port_settings *all = router_settings_all(w->router);
	int ignore = setting_greater(all->arp_ignore, in->settings.arp_ignore);
	bool direct = false;

	if (ignore == 8 ||
		((ignore == 1 || ignore == 2) && !rib_address_is_local(w->rib, in->ifindex, AF_INET, &a->target)))
		return false;
	if (ignore == 2 && (way_to(w, in, &a->sender, &a->target, &direct) != in->ifindex || !direct))
		return false;
	return !setting_either(all->arp_filter, in->settings.arp_filter) ||
	       way_to(w, in, &a->sender, &a->target, &direct) == in->ifindex;
}

static bool
answers(const struct worker *w, const struct port *in, const struct arp_message *a)
{
	const struct port_settings *all = router_settings_all(w->router);
	struct rib_result result;
	const struct rib_nexthop *hop;

	route_towards(w, in, &a->target, &a->sender, in->ifindex, &result);
	if (result.type == RTN_LOCAL)
		return answers_for_own(w, in, a);
	hop = rib_nexthop(w->rib, result.nexthop);
	return result.type == RTN_UNICAST && hop != NULL && hop->ifindex != in->ifindex &&
	       in->settings.forwarding != 0 && !ip_addr_is_zero(&a->sender) &&
	       setting_either(all->proxy_arp, in->settings.proxy_arp);
}

/* Takes note of the sender if it is known, or is to be known. */
static bool
learn(struct worker *w, struct port *in, const struct arp_message *a, bool answered)
{
	const struct port_settings *all = router_settings_all(w->router);
	bool gratuitous = ip_addr_equal(&a->sender, &a->target);
	bool solicited = a->operation == RTE_ARP_OP_REPLY && !a->to_all && !gratuitous;
	bool make = answered || setting_either(all->arp_accept, in->settings.arp_accept);
	uint64_t locktime = (uint64_t)in->settings.locktime * LOCKTIME_UNIT_NS;
	struct neighbour *n;

	if (ip_addr_is_zero(&a->sender))
		return false;
	n = make ? neighbour_make(w->rib, in->ifindex, AF_INET, &a->sender)
		 : neighbour_find(w->rib, in->ifindex, AF_INET, &a->sender);
	if (n == NULL || (!make && n->state == NUD_NONE))
		return false;
	neighbour_heard(w, in, n, a->sender_mac, solicited ? NUD_REACHABLE : NUD_STALE,
		answered || gratuitous || w->now - n->updated_ns >= locktime);
	return true;
}

/* True: it was of use. */
static bool
take(struct worker *w, struct port *in, const struct arp_message *a)
{
	bool answer = a->operation == RTE_ARP_OP_REQUEST && answers(w, in, a);
	bool learned;

	if (rib_address_is_local(w->rib, 0, AF_INET, &a->sender))
		return false; /* somebody has an address of ours, or an echo of our own question */
	learned = learn(w, in, a, answer);
	if (answer)
		send_arp(w, in, RTE_ARP_OP_REPLY, a->sender_mac, a->sender_mac, a->target.v4, a->sender.v4);
	return learned || answer;
}

void
arp_receive(struct worker *w, struct port *in, struct rte_mbuf *m)
{
	struct pkt_sink *sink = &counters(w, in)->sink;
	struct arp_message message;

	if (!parse(m, &message)) {
		pkt_drop(sink, m, DROP_ARP_MALFORMED);
	} else if (in->owner != w->index) {
		pkt_of(m)->stage = STAGE_INGRESS_DONE;
		pkt_of(m)->out_port = (uint16_t)in->ifindex;
		port_hand_over(w, in, &m, 1);
	} else if (worth_reading(in, &message) && take(w, in, &message)) {
		worker_delivered(w, in, m);
	} else {
		pkt_drop(sink, m, DROP_ARP_IGNORED);
	}
}
