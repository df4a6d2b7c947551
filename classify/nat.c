/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nat: rewrites the source (egress) or the destination (ingress) of IPv4 packets, in their headers and in what ICMP
 * errors quote of them, without remembering any connection; tc-nat(8). Checksums follow by RFC 1624; those of later
 * fragments' datagrams are the first one's affair.
 */
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include <linux/if_ether.h>

#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <weir/action/nat.h>

#include "edit.h"

struct nat {
	const struct nat_conf *conf; /* published */
};

static int
nat_init(struct action *action, const void *conf, struct error *err)
{
	struct nat *nat = action_priv(action);
	int rc = action_check_verdict(action, ((const struct nat_conf *)conf)->action, err);

	return rc != 0 ? rc : action_publish_conf(action, (const void **)&nat->conf, conf, err);
}

static void
nat_destroy(struct action *action)
{
	action_free_conf(((const struct nat *)action_priv(action))->conf);
}

static bool
is_meant(const struct nat_conf *conf, uint32_t address)
{
	return ((address ^ conf->old_addr) & conf->mask) == 0;
}

static uint32_t
translate(const struct nat_conf *conf, uint32_t address)
{
	return (conf->new_addr & conf->mask) | (address & ~conf->mask);
}

/* Where the checksum of the transport lies behind its start, which covers the addresses, too; 0: it does not. */
static uint32_t
sum_offset(uint8_t protocol)
{
	return protocol == IPPROTO_TCP   ? offsetof(struct rte_tcp_hdr, cksum)
	       : protocol == IPPROTO_UDP ? offsetof(struct rte_udp_hdr, dgram_cksum)
					 : 0;
}

/* False: its transport header is cut off. */
static bool
update_transport(struct rte_mbuf *m, uint32_t transport, uint8_t protocol, uint32_t old, uint32_t new)
{
	uint32_t at = sum_offset(protocol), size;
	uint16_t sum;

	if (at == 0)
		return true;
	size = protocol == IPPROTO_TCP ? sizeof(struct rte_tcp_hdr) : sizeof(struct rte_udp_hdr);
	if (transport + size > m->pkt_len || !packet_read(m, transport + at, &sum, sizeof(sum)))
		return false;
	if (protocol == IPPROTO_UDP && sum == 0) /* it has none (RFC 768) */
		return true;
	sum = checksum_replace32(sum, old, new);
	if (protocol == IPPROTO_UDP && sum == 0)
		sum = 0xffff;
	edit_write(m, transport + at, &sum, sizeof(sum));
	return true;
}

static bool
is_icmp_error(uint8_t type)
{
	return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB ||
	       type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT;
}

/*
 * An error quotes a packet that went the other way: there the address is at the other end. Its header's checksum is
 * kept right, too, and so the message's own does not change: what the address adds, that takes away.
 */
static bool
translate_quoted(struct rte_mbuf *m, uint32_t transport, const struct nat_conf *conf)
{
	uint32_t quoted = transport + sizeof(struct rte_icmp_hdr), place, old, new;
	bool source = (conf->flags & TCA_NAT_FLAG_EGRESS) == 0;
	struct rte_icmp_hdr icmp;

	if (!packet_read(m, transport, &icmp, sizeof(icmp)))
		return false;
	if (!is_icmp_error(icmp.icmp_type))
		return true;
	place = quoted + (source ? offsetof(struct rte_ipv4_hdr, src_addr) : offsetof(struct rte_ipv4_hdr, dst_addr));
	if (m->pkt_len < quoted + sizeof(struct rte_ipv4_hdr) || !packet_read(m, place, &old, sizeof(old)))
		return false;
	if (!is_meant(conf, old))
		return true;
	new = translate(conf, old);
	edit_write(m, place, &new, sizeof(new));
	edit_sum32(m, quoted + offsetof(struct rte_ipv4_hdr, hdr_checksum), old, new);
	return true;
}

/* False: it is cut off. */
static bool
translate_packet(struct rte_mbuf *m, const struct nat_conf *conf)
{
	uint32_t at = pkt_of(m)->l3_off, transport, address, old, new;
	bool source = (conf->flags & TCA_NAT_FLAG_EGRESS) != 0, later;
	struct rte_ipv4_hdr ip;

	if (!packet_read(m, at, &ip, sizeof(ip)) || ip.ihl < 5)
		return false;
	transport = at + rte_ipv4_hdr_len(&ip);
	later = (ip.fragment_offset & RTE_BE16(RTE_IPV4_HDR_OFFSET_MASK)) != 0;
	address = at + (source ? offsetof(struct rte_ipv4_hdr, src_addr) : offsetof(struct rte_ipv4_hdr, dst_addr));
	old = source ? ip.src_addr : ip.dst_addr;
	if (is_meant(conf, old)) {
		new = translate(conf, old);
		if (!later && !update_transport(m, transport, ip.next_proto_id, old, new))
			return false;
		edit_write(m, address, &new, sizeof(new));
		edit_sum32(m, at + offsetof(struct rte_ipv4_hdr, hdr_checksum), old, new);
	}
	return later || ip.next_proto_id != IPPROTO_ICMP || translate_quoted(m, transport, conf);
}

static int32_t
nat_act(struct action *action, const struct classify_ctx *ctx, struct rte_mbuf *m, struct verdict *result)
{
	const struct nat_conf *conf = load_acquire(&((const struct nat *)action_priv(action))->conf);

	if (likely(edit_network_type(m) != RTE_BE16(ETH_P_IP) || translate_packet(m, conf)))
		return conf->action;
	counter_add(&action_stats_of(action, ctx->worker)->drops, 1);
	return TC_ACT_SHOT;
}

static bool
nat_pure(const struct action *action)
{
	return false;
}

static void
nat_get_conf(const struct action *action, void *conf)
{
	*(struct nat_conf *)conf = *((const struct nat *)action_priv(action))->conf;
}

static const struct action_ops nat_ops = {
	.kind = "nat",
	.size = sizeof(struct nat),
	.pure = nat_pure,
	.init = nat_init,
	.destroy = nat_destroy,
	.act = nat_act,
	.get_conf = nat_get_conf,
	.conf_size = sizeof(struct nat_conf),
};
ACTION_REGISTER(nat_ops)
