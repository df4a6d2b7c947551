/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP (RFC 792): errors about packets that could not go on (RFC 1122 3.2.2, RFC 1812 4.3), redirects, and the answer
 * to echo requests.
 */
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>

#include "buffer.h"
#include "path.h"

#define QUOTE_MAX                   (576 - 20 - 8) /* an error is 576 bytes at most (RFC 1812 4.3.2.3) */
#define PRECEDENCE_INTERNET_CONTROL 0xc0 /* RFC 1812 4.3.2.5 */
#define TOS_MASK                    0x1e

struct __attribute__((packed, aligned(2))) icmp_header { /* frames put it on an odd word */
	uint8_t type, code;
	uint16_t checksum;
	rte_be32_t info;
};

static bool
is_error(uint8_t type)
{
	return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT ||
	       type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}

static bool
is_query(uint8_t type)
{
	return type <= NR_ICMP_TYPES && !is_error(type);
}

/* May there be an error about m at all (RFC 1122 3.2.2, RFC 1812 4.3.2.7)? */
static bool
may_answer(const struct rte_mbuf *m)
{
	const struct pkt *p = pkt_of((struct rte_mbuf *)(uintptr_t)m);
	const struct rte_ipv4_hdr *ip = ip4_header(m);
	uint8_t src0 = (uint8_t)(rte_be_to_cpu_32(ip->src_addr) >> 24);
	uint8_t dst0 = (uint8_t)(rte_be_to_cpu_32(ip->dst_addr) >> 24);

	if ((p->flags & (PKT_MULTICAST | PKT_LOCAL)) != 0)
		return false;
	if ((ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_OFFSET_MASK)) != 0)
		return false;
	if (src0 == 0 || src0 == 127 || (src0 & 0xf0) == 224 || ip->src_addr == RTE_BE32(0xffffffff) ||
		(dst0 & 0xf0) == 224 || ip->dst_addr == RTE_BE32(0xffffffff))
		return false;
	if (ip->next_proto_id == IPPROTO_ICMP) {
		uint16_t at = p->l3_off + rte_ipv4_hdr_len(ip);

		return m->data_len > at && is_query(*rte_pktmbuf_mtod_offset(m, const uint8_t *, at));
	}
	return true;
}

/* An ICMP message that quotes m from its IP header on. */
static struct rte_mbuf *
make_message(struct worker *w, const struct rte_mbuf *m, const struct icmp_header *header, rte_be32_t src, uint8_t tos)
{
	const struct rte_ipv4_hdr *about = ip4_header(m);
	uint8_t l3_off = pkt_of((struct rte_mbuf *)(uintptr_t)m)->l3_off;
	uint32_t quote = RTE_MIN(m->pkt_len - l3_off, (uint32_t)QUOTE_MAX);
	struct rte_mbuf *error = ip4_make(w, IPPROTO_ICMP, src, about->src_addr, tos);
	struct icmp_header *icmp;

	if (error == NULL)
		return NULL;
	icmp = (struct icmp_header *)rte_pktmbuf_append(error, sizeof(*icmp));
	*icmp = *header;
	if (!buffer_append(w, error, m, l3_off, quote)) {
		rte_pktmbuf_free(error);
		return NULL;
	}
	icmp->checksum = (uint16_t)~buffer_sum(error, pkt_of(error)->l4_off, sizeof(*icmp) + quote);
	return error;
}

static void
send_about(struct worker *w, const struct rte_mbuf *m, const struct icmp_header *header)
{
	const struct rte_ipv4_hdr *about = ip4_header(m);
	struct ip_addr destination = ip_addr_v4(about->dst_addr);
	bool ours = rib_address_is_local(w->rib, 0, AF_INET, &destination);
	uint8_t tos = (about->type_of_service & TOS_MASK) | PRECEDENCE_INTERNET_CONTROL;
	struct rte_mbuf *error = make_message(w, m, header, ours ? about->dst_addr : 0, tos);

	if (error == NULL)
		return;
	if (ip4_route_own(w, error))
		ip4_send_own(w, error);
	else
		rte_pktmbuf_free(error);
}

void
icmp_error(struct worker *w, struct rte_mbuf *m, uint8_t type, uint8_t code, uint32_t info)
{
	struct icmp_header header = { .type = type, .code = code, .info = rte_cpu_to_be_32(info) };

	if (may_answer(m) && icmp_allowed(w, ip4_header(m)->src_addr, type, code))
		send_about(w, m, &header);
}

void
icmp_redirect(struct worker *w, struct port *in, struct rte_mbuf *m, const struct rib_nexthop *hop)
{
	const struct port_settings *all = router_settings_all(w->router);
	const struct rte_ipv4_hdr *ip = ip4_header(m);
	struct rib_key key = {
		.dst = ip_addr_v4(ip->src_addr),
		.src = ip_addr_v4(ip->dst_addr),
		.iif = in->ifindex,
		.family = AF_INET,
		.dsfield = ip->type_of_service,
	};
	struct icmp_header header = { .type = ICMP_REDIRECT, .code = ICMP_REDIR_HOST };
	const struct rib_nexthop *back;
	struct rib_result result;

	if (!setting_either(all->send_redirects, in->settings.send_redirects) || !may_answer(m))
		return;
	if (hop->gateway_family != AF_UNSPEC && hop->gateway_family != AF_INET)
		return;
	/* Only a host on this link can use the better hop. */
	rib_lookup(w->rib, &key, 1, &result);
	back = rib_nexthop(w->rib, result.nexthop);
	if (result.type != RTN_UNICAST || back == NULL || back->ifindex != in->ifindex ||
		back->gateway_family != AF_UNSPEC)
		return;
	header.info = hop->gateway_family == AF_INET ? hop->gateway.v4 : ip->dst_addr;
	if (header.info != ip->src_addr && icmp_redirect_allowed(w, ip->src_addr))
		send_about(w, m, &header);
}

/* ---- receive ----------------------------------------------------------------------------------------------------- */

/* An echo reply: the request's message and its record route and timestamp options, as they came (RFC 1122 3.2.2.6). */
static struct rte_mbuf *
make_echo_reply(struct worker *w, const struct rte_mbuf *m)
{
	const struct rte_ipv4_hdr *request = ip4_header(m);
	uint16_t l4_off = pkt_of((struct rte_mbuf *)(uintptr_t)m)->l4_off;
	uint32_t bytes = m->pkt_len - l4_off;
	uint16_t options_bytes = rte_ipv4_hdr_len(request) - sizeof(*request);
	struct rte_mbuf *reply =
		ip4_make(w, IPPROTO_ICMP, request->dst_addr, request->src_addr, request->type_of_service);
	struct ip4_options options;
	struct rte_ipv4_hdr *ip;
	struct icmp_header *icmp;

	if (reply == NULL)
		return NULL;
	ip = ip4_header(reply);
	ip4_options_parse(request, &options);
	if (options_bytes != 0 && !options.source_route) {
		memcpy(rte_pktmbuf_append(reply, options_bytes), request + 1, options_bytes);
		ip->ihl = request->ihl;
		pkt_of(reply)->l4_off += options_bytes;
		ip4_options_record(ip, &options, request->dst_addr, w->now);
	}
	if (!buffer_append(w, reply, m, l4_off, bytes)) {
		rte_pktmbuf_free(reply);
		return NULL;
	}
	icmp = rte_pktmbuf_mtod_offset(reply, struct icmp_header *, pkt_of(reply)->l4_off);
	icmp->type = ICMP_ECHOREPLY;
	icmp->checksum = checksum_replace(
		icmp->checksum, rte_cpu_to_be_16(ICMP_ECHO << 8), rte_cpu_to_be_16(ICMP_ECHOREPLY << 8));
	return reply;
}

static enum drop_reason
receive_echo(struct worker *w, struct rte_mbuf *m, bool broadcast)
{
	const struct router_settings *settings = w->settings;
	struct rte_mbuf *reply;

	if (settings->icmp_echo_ignore_all != 0 || (broadcast && settings->icmp_echo_ignore_broadcasts != 0))
		return DROP_NO_SERVICE;
	reply = make_echo_reply(w, m);
	if (reply == NULL)
		return DROP_NO_BUFFER;
	if (broadcast)
		ip4_header(reply)->src_addr = 0; /* RFC 1122 3.2.2.6: a specific address of ours */
	if (ip4_route_own(w, reply))
		ip4_send_own(w, reply);
	else
		rte_pktmbuf_free(reply);
	return DROP__COUNT;
}

enum drop_reason
icmp_receive(struct worker *w, struct rte_mbuf *m, bool broadcast)
{
	uint16_t l4_off = pkt_of(m)->l4_off;
	const struct icmp_header *icmp = rte_pktmbuf_mtod_offset(m, const struct icmp_header *, l4_off);

	if (m->data_len < l4_off + sizeof(*icmp) || buffer_sum(m, l4_off, m->pkt_len - l4_off) != 0xffff)
		return DROP_ICMP_MALFORMED;
	switch (icmp->type) {
	case ICMP_ECHO:
		return receive_echo(w, m, broadcast || (pkt_of(m)->flags & PKT_MULTICAST) != 0);
	case ICMP_ECHOREPLY: /* of use only to who asked; it and the errors are taken note of by being counted */
	case ICMP_DEST_UNREACH:
	case ICMP_SOURCE_QUENCH:
	case ICMP_REDIRECT: /* a router does not follow redirects (RFC 1812 5.2.7.2) */
	case ICMP_TIME_EXCEEDED:
	case ICMP_PARAMETERPROB:
		return DROP__COUNT;
	default:
		return DROP_NO_SERVICE;
	}
}
