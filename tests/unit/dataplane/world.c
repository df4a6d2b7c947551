/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "eal.h"
#include "world.h"

#define BUFFERS 8191

const uint8_t host_mac[6] = { 0x02, 0xaa, 0, 0, 0, 9 };
const uint8_t gateway_mac[6] = { 0x02, 0xbb, 0, 0, 0, 2 };

/* ---- the machinery's side ---------------------------------------------------------------------------------------- */

struct port *
worker_port(const struct worker *w, uint32_t ifindex)
{
	return ifindex != 0 && ifindex < PORTS ? &w->router->ports[ifindex] : NULL;
}

struct port *
port_find(const struct router *router, uint32_t ifindex)
{
	return worker_port(&router->worker, ifindex);
}

void
port_output(struct worker *w, struct port *out, struct rte_mbuf **pkts, uint16_t n)
{
	struct router *r = w->router;

	for (uint16_t i = 0; i < n; i++) {
		if ((out->flags & IFF_UP) == 0) {
			pkt_drop(&counters(w, out)->sink, pkts[i], DROP_PORT_DOWN);
			continue;
		}
		counters(w, out)->tx_packets++;
		assert_true(r->sent_count < SENT_MAX);
		assert_int_equal(pkt_of(pkts[i])->l3_off, RTE_ETHER_HDR_LEN);
		rte_mbuf_sanity_check(pkts[i], 1);
		r->sent[r->sent_count++] = (struct sent){ .ifindex = out->ifindex, .m = pkts[i] };
	}
}

bool
port_output_unread(struct worker *w, const struct port *in, struct port *out, struct rte_mbuf **pkts, uint16_t n)
{
	struct router *r = w->router;

	if (!r->takes_unread || (out->flags & IFF_UP) == 0)
		return false;
	counters(w, out)->tx_packets += n;
	assert_true(r->sent_count + n <= SENT_MAX);
	for (uint16_t i = 0; i < n; i++) {
		rte_mbuf_sanity_check(pkts[i], 1);
		memset(pkt_of(pkts[i]), 0xee, offsetof(struct pkt, scratch)); /* nobody reads it */
		r->sent[r->sent_count++] = (struct sent){ .unread = true, .ifindex = out->ifindex, .m = pkts[i] };
	}
	return true;
}

void
port_hand_over(struct worker *w, struct port *out, struct rte_mbuf **pkts, uint16_t n)
{
	w->router->handed_over += n;
	w->index = out->owner; /* there is one worker, who plays each in turn */
	path_resume(w, pkts, n);
	w->index = 0;
}

/* Actions that send packets are tested with the whole router: here every port is closed to them. */
static bool
no_port_is_open(const struct classify_ctx *ctx, uint32_t ifindex)
{
	return false;
}

const struct classify_outlet worker_outlet = { .open = no_port_is_open };

struct rte_mbuf *
worker_alloc(struct worker *w)
{
	struct rte_mbuf *m = w->router->no_buffers ? NULL : rte_pktmbuf_alloc(w->pool);

	if (m != NULL) {
		memset(pkt_of(m), 0, sizeof(struct pkt));
		pkt_of(m)->flags = PKT_GENERATED;
	}
	return m;
}

void
worker_tell_neighbour(struct worker *w, const struct neighbour *neighbour, bool removed)
{
	w->router->told += !removed;
	w->router->told_removed += removed;
}

void
worker_log(struct worker *w, const struct netfilter_log *log)
{
	w->router->logged++;
}

struct worker *
worker_of(const struct port *port)
{
	return &port->router->worker;
}

bool
router_is_replay(const struct router *router)
{
	return router->replay;
}

struct port_settings *
router_settings_all(struct router *router)
{
	return &router->all;
}

unsigned int
router_workers(const struct router *router)
{
	return WORKERS;
}

struct rib *
router_rib(struct router *router)
{
	return router->rib;
}

void
port_run_at_owner(struct port *port, void (*fn)(void *arg), void *arg)
{
	fn(arg);
}

/* ---- the world --------------------------------------------------------------------------------------------------- */

static void
must(int rc, const struct error *err)
{
	if (rc != 0)
		fail_msg("%s", err->msg[0] != '\0' ? err->msg : strerror(-rc));
}

static void
make_port(struct router *r, uint32_t ifindex, uint32_t flags, uint32_t address)
{
	struct port *port = &r->ports[ifindex];
	struct rib_link link = { .ifindex = ifindex, .flags = flags, .mtu = 1500 };
	struct rib_address a = { .ifindex = ifindex, .family = AF_INET, .prefix_length = 24, .flags = IFA_F_PERMANENT };
	struct error err = { 0 };

	*port = (struct port){ .ifindex = ifindex,
		.flags = flags,
		.mtu = ifindex == LO ? 65536 : 1500,
		.router = r,
		.counters = r->counters[ifindex],
		.settings = r->defaults };
	snprintf(port->name, sizeof(port->name), "port%u", ifindex);
	memcpy(link.name, port->name, sizeof(link.name));
	if (ifindex != LO)
		memcpy(port->mac, (uint8_t[6]){ 0x02, 0, 0, 0, 0, (uint8_t)ifindex }, 6);
	must(rib_link_set(r->rib, &link, &err), &err);
	if (address == 0)
		return;
	a.local = a.peer = ip_addr_v4(rte_cpu_to_be_32(address));
	a.broadcast = ip_addr_v4(rte_cpu_to_be_32(address | 255));
	must(rib_address_add(r->rib, &a, false, &err), &err);
}

void
world_ip(struct router *r, const char *what, uint32_t dst, uint8_t length, uint8_t type, uint32_t ifindex,
	uint32_t gateway)
{
	struct rib_hop hop = { .ifindex = ifindex };
	struct rib_route route = { .dst = { AF_INET, length, ip_addr_v4(rte_cpu_to_be_32(dst)) },
		.table = RT_TABLE_MAIN,
		.protocol = RTPROT_BOOT,
		.type = type,
		.scope = gateway != 0 || type != RTN_UNICAST ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK };
	struct error err = { 0 };

	if (gateway != 0) {
		hop.gateway_family = AF_INET;
		hop.gateway = ip_addr_v4(rte_cpu_to_be_32(gateway));
	}
	if (type == RTN_UNICAST) {
		route.hop_count = 1;
		route.hops = &hop;
	}
	if (strcmp(what, "del") == 0)
		must(rib_route_delete(r->rib, &route, &err), &err);
	else
		must(rib_route_add(r->rib, &route, CHANGE_CREATE | CHANGE_REPLACE, &err), &err);
}

void
world_neighbour(struct router *r, uint32_t ifindex, uint32_t addr, const uint8_t mac[6], uint16_t state)
{
	struct neighbour_spec spec = {
		.ifindex = ifindex, .family = AF_INET, .addr = ip_addr_v4(rte_cpu_to_be_32(addr)), .state = state
	};
	struct error err = { 0 };

	if (mac != NULL) {
		spec.has_lladdr = true;
		memcpy(spec.lladdr, mac, 6);
	}
	must(router_neighbour_set(r, &spec, CHANGE_CREATE | CHANGE_REPLACE, &err), &err);
}

static void
set_defaults(struct router *r)
{
	r->settings = (struct router_settings){ .ip_forward = 1,
		.ip_default_ttl = 64,
		.icmp_echo_ignore_broadcasts = 1,
		.icmp_ratelimit = 1000,
		.icmp_ratemask = 6168,
		.icmp_msgs_per_sec = 1000,
		.icmp_msgs_burst = 50 };
	r->defaults = (struct port_settings){ .forwarding = 1,
		.accept_source_route = 1,
		.send_redirects = 1,
		.mcast_solicit = 3,
		.ucast_solicit = 3,
		.retrans_time_ms = 1000,
		.base_reachable_time_ms = 30000,
		.delay_first_probe_time = 5,
		.gc_stale_time = 60,
		.unres_qlen = 101,
		.locktime = 100 };
	r->all = (struct port_settings){ .send_redirects = 1 };
}

struct router *
world_make(bool bare)
{
	static struct rte_mempool *pool;
	struct router *r = calloc(1, sizeof(*r));
	struct error err = { 0 };

	if (pool == NULL)
		pool = eal_pool("world", BUFFERS);
	assert_non_null(r);
	r->pool = pool;
	set_defaults(r);
	must(rib_create(NULL, &r->rib, &err), &err);
	make_port(r, LO, IFF_UP | IFF_RUNNING | IFF_LOOPBACK, 0);
	make_port(r, ETH0, IFF_UP | IFF_RUNNING | IFF_BROADCAST | IFF_MULTICAST, IP(10, 0, 0, 1));
	make_port(r, ETH1, IFF_UP | IFF_RUNNING | IFF_BROADCAST | IFF_MULTICAST, IP(10, 1, 0, 1));
	make_port(r, DUM0, IFF_UP | IFF_RUNNING | IFF_BROADCAST | IFF_NOARP, IP(10, 3, 0, 1));
	world_ip(r, "add", IP(10, 2, 0, 0), 16, RTN_UNICAST, ETH1, GATEWAY);
	world_ip(r, "add", IP(10, 66, 0, 0), 16, RTN_BLACKHOLE, 0, 0);
	world_ip(r, "add", IP(10, 67, 0, 0), 16, RTN_UNREACHABLE, 0, 0);
	world_ip(r, "add", IP(10, 68, 0, 0), 16, RTN_PROHIBIT, 0, 0);
	world_ip(r, "add", IP(10, 69, 0, 0), 16, RTN_THROW, 0, 0);
	r->netfilter = netfilter_create(NULL, WORKERS, 1);
	assert_non_null(r->netfilter);
	r->worker = (struct worker){ .router = r,
		.rib = r->rib,
		.netfilter = r->netfilter,
		.pool = pool,
		.settings = &r->settings,
		.now = SECOND,
		.random = 42 };
	must(path_start(&r->worker, &err), &err);
	if (!bare) {
		world_neighbour(r, ETH0, HOST, host_mac, NUD_PERMANENT);
		world_neighbour(r, ETH1, GATEWAY, gateway_mac, NUD_PERMANENT);
	}
	return r;
}

void
world_forget_sent(struct router *r)
{
	for (unsigned int i = 0; i < r->sent_count; i++)
		rte_pktmbuf_free(r->sent[i].m);
	r->sent_count = 0;
}

void
world_free(struct router *r)
{
	for (uint32_t i = 1; i < PORTS; i++)
		path_port_flush(&r->worker, &r->ports[i], DROP_PORT_DELETED);
	world_check(r);
	path_stop(&r->worker);
	world_check(r);
	assert_int_equal(world_waiting(r), 0);
	world_forget_sent(r);
	assert_int_equal(rte_mempool_avail_count(r->pool), BUFFERS);
	rib_destroy(r->rib);
	netfilter_destroy(r->netfilter);
	free(r);
}

uint64_t
world_drops(const struct router *r, enum drop_reason reason)
{
	uint64_t sum = 0;

	for (uint32_t i = 1; i < PORTS; i++)
		for (unsigned int k = 0; k < WORKERS; k++)
			sum += r->counters[i][k].sink.drops[reason];
	return sum;
}

uint64_t
world_delivered(const struct router *r)
{
	uint64_t sum = 0;

	for (uint32_t i = 1; i < PORTS; i++)
		for (unsigned int k = 0; k < WORKERS; k++)
			sum += r->counters[i][k].delivered;
	return sum;
}

uint64_t
world_generated(const struct router *r)
{
	uint64_t sum = 0;

	for (uint32_t i = 1; i < PORTS; i++)
		for (unsigned int k = 0; k < WORKERS; k++)
			sum += r->counters[i][k].generated;
	return sum;
}

uint64_t
world_waiting(const struct router *r)
{
	uint64_t sum = 0;

	for (uint32_t i = 1; i < PORTS; i++)
		sum += path_port_waiting(&r->ports[i]);
	return sum;
}

void
world_check(const struct router *r)
{
	uint64_t sent = 0, dropped = 0;

	for (uint32_t i = 1; i < PORTS; i++)
		for (unsigned int k = 0; k < WORKERS; k++)
			sent += r->counters[i][k].tx_packets;
	for (int reason = 0; reason < DROP__COUNT; reason++)
		dropped += world_drops(r, reason);
	assert_int_equal(r->received + world_generated(r), sent + world_delivered(r) + dropped + world_waiting(r));
}

void
world_advance(struct router *r, uint64_t ns)
{
	uint64_t end = r->worker.now + ns, next;

	while ((next = path_timers(&r->worker)) <= end) {
		assert_true(next > r->worker.now);
		r->worker.now = next;
	}
	r->worker.now = end;
	path_timers(&r->worker);
	world_check(r);
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

static void
fill_body(const struct datagram_spec *s, struct rte_ipv4_hdr *ip, uint8_t *body, uint16_t bytes)
{
	for (uint16_t i = 0; i < bytes; i++)
		body[i] = (uint8_t)i;
	if (ip->next_proto_id == IPPROTO_UDP && bytes >= sizeof(struct rte_udp_hdr)) {
		struct rte_udp_hdr *udp = (struct rte_udp_hdr *)body;

		*udp = (struct rte_udp_hdr){ .src_port = rte_cpu_to_be_16(s->sport != 0 ? s->sport : 1000),
			.dst_port = rte_cpu_to_be_16(s->dport != 0 ? s->dport : 2000),
			.dgram_len = rte_cpu_to_be_16(bytes) };
		if (s->options_bytes == 0)
			udp->dgram_cksum = rte_ipv4_udptcp_cksum(ip, udp);
	} else if (ip->next_proto_id == IPPROTO_TCP && bytes >= sizeof(struct rte_tcp_hdr)) {
		struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)body;

		*tcp = (struct rte_tcp_hdr){ .src_port = rte_cpu_to_be_16(s->sport != 0 ? s->sport : 1000),
			.dst_port = rte_cpu_to_be_16(s->dport != 0 ? s->dport : 80),
			.sent_seq = rte_cpu_to_be_32(1000),
			.recv_ack = rte_cpu_to_be_32(7000),
			.data_off = 0x50,
			.tcp_flags = s->tcp_flags != 0 ? s->tcp_flags : RTE_TCP_SYN_FLAG };
		tcp->cksum = rte_ipv4_udptcp_cksum(ip, tcp);
	} else if (ip->next_proto_id == IPPROTO_ICMP && bytes >= sizeof(struct rte_icmp_hdr)) {
		struct rte_icmp_hdr *icmp = (struct rte_icmp_hdr *)body;

		*icmp = (struct rte_icmp_hdr){
			.icmp_type = ICMP_ECHO, .icmp_ident = rte_cpu_to_be_16(77), .icmp_seq_nb = rte_cpu_to_be_16(1)
		};
		icmp->icmp_cksum = (uint16_t)~rte_raw_cksum(body, bytes);
	}
}

struct frame
world_datagram(const struct datagram_spec *s)
{
	struct frame f = { 0 };
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)f.data;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(eth + 1);
	uint16_t payload = s->payload == 1 ? 0 : s->payload != 0 ? s->payload : 100;
	uint8_t header = sizeof(*ip) + s->options_bytes;
	uint8_t *body = (uint8_t *)ip + header;

	memset(eth->dst_addr.addr_bytes, s->broadcast_mac ? 0xff : 0, 6);
	memcpy(eth->src_addr.addr_bytes, host_mac, 6);
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	*ip = (struct rte_ipv4_hdr){ .version_ihl = (uint8_t)(0x40 | header / 4),
		.type_of_service = s->tos,
		.total_length = rte_cpu_to_be_16(header + payload),
		.packet_id = rte_cpu_to_be_16(s->id),
		.fragment_offset = rte_cpu_to_be_16(s->offset),
		.time_to_live = s->ttl != 0 ? s->ttl : 64,
		.next_proto_id = s->protocol != 0 ? s->protocol : IPPROTO_UDP,
		.src_addr = s->zero_source ? 0 : rte_cpu_to_be_32(s->src != 0 ? s->src : HOST),
		.dst_addr = rte_cpu_to_be_32(s->dst != 0 ? s->dst : FAR) };
	memcpy(ip + 1, s->options, s->options_bytes);
	if (s->body != NULL)
		memcpy(body, s->body, payload);
	else
		fill_body(s, ip, body, payload);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	f.bytes = (uint16_t)(sizeof(*eth) + header + payload);
	return f;
}

struct frame
world_arp(uint16_t operation, const uint8_t sender_mac[6], uint32_t sender, uint32_t target, bool to_all)
{
	struct frame f = { .bytes = sizeof(struct rte_ether_hdr) + sizeof(struct rte_arp_hdr) };
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)f.data;
	struct rte_arp_hdr *arp = (struct rte_arp_hdr *)(eth + 1);

	memset(eth->dst_addr.addr_bytes, to_all ? 0xff : 0, 6);
	memcpy(eth->src_addr.addr_bytes, sender_mac, 6);
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP);
	*arp = (struct rte_arp_hdr){ .arp_hardware = rte_cpu_to_be_16(RTE_ARP_HRD_ETHER),
		.arp_protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4),
		.arp_hlen = 6,
		.arp_plen = 4,
		.arp_opcode = rte_cpu_to_be_16(operation),
		.arp_data = { .arp_sip = rte_cpu_to_be_32(sender), .arp_tip = rte_cpu_to_be_32(target) } };
	memcpy(arp->arp_data.arp_sha.addr_bytes, sender_mac, 6);
	return f;
}

struct rte_mbuf *
world_arrive(struct router *r, uint32_t ifindex, const uint8_t *data, uint32_t bytes, uint16_t segment)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->pool), *last = m;
	static const uint8_t zero[6];

	assert_non_null(m);
	memset(pkt_of(m), 0xa5, sizeof(struct pkt)); /* what its last use left there */
	pkt_of(m)->time_ns = r->worker.now;
	pkt_of(m)->in_port = (uint16_t)ifindex;
	for (uint32_t at = 0; at < bytes; at += segment) {
		uint16_t take = (uint16_t)RTE_MIN(bytes - at, segment);

		if (at != 0) {
			last->next = rte_pktmbuf_alloc(r->pool);
			last = last->next;
			assert_non_null(last);
			m->nb_segs++;
		}
		memcpy(rte_pktmbuf_mtod(last, uint8_t *), data + at, take);
		last->data_len = take;
		m->pkt_len += take;
	}
	if (m->data_len >= 6 && memcmp(rte_pktmbuf_mtod(m, uint8_t *), zero, 6) == 0)
		memcpy(rte_pktmbuf_mtod(m, uint8_t *), r->ports[ifindex].mac, 6);
	r->received++;
	return m;
}

void
inject_burst(struct router *r, uint32_t ifindex, const struct frame *frames, uint16_t n)
{
	struct rte_mbuf *pkts[n];

	for (uint16_t i = 0; i < n; i++)
		pkts[i] = world_arrive(r, ifindex, frames[i].data, frames[i].bytes, 2048);
	path_receive(&r->worker, &r->ports[ifindex], pkts, n);
	world_check(r);
}

void
inject(struct router *r, uint32_t ifindex, const struct frame *frame)
{
	inject_burst(r, ifindex, frame, 1);
}

void
inject_segments(struct router *r, uint32_t ifindex, const uint8_t *data, uint32_t bytes, uint16_t segment)
{
	struct rte_mbuf *m = world_arrive(r, ifindex, data, bytes, segment);

	path_receive(&r->worker, &r->ports[ifindex], &m, 1);
	world_check(r);
}

void
inject_datagram(struct router *r, uint32_t ifindex, const struct datagram_spec *spec)
{
	struct frame f = world_datagram(spec);

	inject(r, ifindex, &f);
}

/* ---- what left --------------------------------------------------------------------------------------------------- */

const uint8_t *
sent_frame(struct router *r, unsigned int i, uint32_t ifindex, uint32_t *bytes)
{
	static uint8_t copies[4][65600];
	static unsigned int next;
	uint8_t *copy = copies[next++ % 4];
	struct rte_mbuf *m;
	const uint8_t *frame;

	if (i >= r->sent_count)
		fail_msg("frame %u did not leave: only %u did", i, r->sent_count);
	m = r->sent[i].m;
	assert_int_equal(r->sent[i].ifindex, ifindex);
	frame = rte_pktmbuf_read(m, 0, m->pkt_len, copy);
	if (frame != copy)
		memcpy(copy, frame, m->pkt_len);
	*bytes = m->pkt_len;
	assert_memory_equal(copy + 6, r->ports[ifindex].mac, 6);
	return copy;
}

const struct rte_ipv4_hdr *
sent_ip(struct router *r, unsigned int i, uint32_t ifindex)
{
	uint32_t bytes;
	const uint8_t *frame = sent_frame(r, i, ifindex, &bytes);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(frame + RTE_ETHER_HDR_LEN);

	assert_int_equal(((const struct rte_ether_hdr *)frame)->ether_type, rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4));
	assert_int_equal(rte_be_to_cpu_16(ip->total_length), bytes - RTE_ETHER_HDR_LEN);
	assert_int_equal(rte_raw_cksum(ip, rte_ipv4_hdr_len(ip)), 0xffff);
	assert_int_not_equal(ip->hdr_checksum, 0xffff); /* RFC 1624: that would be a wrong zero */
	return ip;
}

const struct rte_icmp_hdr *
sent_icmp(struct router *r, unsigned int i, uint32_t ifindex, uint8_t type, uint8_t code)
{
	const struct rte_ipv4_hdr *ip = sent_ip(r, i, ifindex);
	const struct rte_icmp_hdr *icmp = (const struct rte_icmp_hdr *)((const uint8_t *)ip + rte_ipv4_hdr_len(ip));

	assert_int_equal(ip->next_proto_id, IPPROTO_ICMP);
	assert_int_equal(icmp->icmp_type, type);
	assert_int_equal(icmp->icmp_code, code);
	assert_int_equal(rte_raw_cksum(icmp, rte_be_to_cpu_16(ip->total_length) - rte_ipv4_hdr_len(ip)), 0xffff);
	return icmp;
}

const struct rte_arp_hdr *
sent_arp(struct router *r, unsigned int i, uint32_t ifindex, uint16_t operation)
{
	uint32_t bytes;
	const uint8_t *frame = sent_frame(r, i, ifindex, &bytes);
	const struct rte_arp_hdr *arp = (const struct rte_arp_hdr *)(frame + RTE_ETHER_HDR_LEN);

	assert_int_equal(((const struct rte_ether_hdr *)frame)->ether_type, rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP));
	assert_int_equal(bytes, RTE_ETHER_HDR_LEN + sizeof(*arp));
	assert_int_equal(rte_be_to_cpu_16(arp->arp_opcode), operation);
	return arp;
}
