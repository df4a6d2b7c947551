/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * csum: computes checksums anew, behind what has changed headers; tc-csum(8). A fragment's transport is left alone: its
 * checksum is over a datagram of which only a part is here.
 */
#include <netinet/in.h>

#include <linux/if_ether.h>

#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_sctp.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <weir/action/csum.h>

#include "edit.h"

#define IPV6_EXTENSIONS_MAX 8

struct csum {
	uint64_t conf; /* action and sums, in one word */
};

union csum_word {
	struct csum_conf conf;
	uint64_t word;
};

_Static_assert(sizeof(struct csum_conf) == sizeof(uint64_t), "one word");

static int
csum_init(struct action *action, const void *conf, struct error *err)
{
	struct csum *csum = action_priv(action);
	union csum_word word = { .conf = *(const struct csum_conf *)conf };
	int rc = action_check_verdict(action, word.conf.action, err);

	if (rc == 0)
		store_release(&csum->conf, word.word);
	return rc;
}

/* What lies behind an IP header. */
struct payload {
	uint32_t at, bytes;
	uint8_t protocol;
	uint32_t pseudo; /* sum of the pseudo-header, but for the protocol, which may be another one's */
};

/* How a protocol's checksum is made. */
struct sum_kind {
	uint8_t protocol;
	uint8_t at; /* of the checksum */
	uint8_t header; /* bytes that there must be */
	bool pseudo; /* it is over the pseudo-header, too */
	bool optional; /* 0 says that there is none */
	uint32_t flag;
};

static const struct sum_kind kinds4[] = {
	{ IPPROTO_ICMP, 2, 8, false, false, TCA_CSUM_UPDATE_FLAG_ICMP },
	{ IPPROTO_IGMP, 2, 8, false, false, TCA_CSUM_UPDATE_FLAG_IGMP },
	{ IPPROTO_TCP, 16, 20, true, false, TCA_CSUM_UPDATE_FLAG_TCP },
	{ IPPROTO_UDP, 6, 8, true, true, TCA_CSUM_UPDATE_FLAG_UDP },
	{ IPPROTO_UDPLITE, 6, 8, true, false, TCA_CSUM_UPDATE_FLAG_UDPLITE },
	{ 0 },
};
static const struct sum_kind kinds6[] = {
	{ IPPROTO_ICMPV6, 2, 4, true, false, TCA_CSUM_UPDATE_FLAG_ICMP },
	{ IPPROTO_TCP, 16, 20, true, false, TCA_CSUM_UPDATE_FLAG_TCP },
	{ IPPROTO_UDP, 6, 8, true, true, TCA_CSUM_UPDATE_FLAG_UDP },
	{ IPPROTO_UDPLITE, 6, 8, true, false, TCA_CSUM_UPDATE_FLAG_UDPLITE },
	{ 0 },
};

/* Bytes that a UDP-Lite checksum covers (RFC 3828): as its header says, 0 for all. */
static uint32_t
covered(struct rte_mbuf *m, const struct payload *payload)
{
	rte_be16_t coverage = 0;
	uint32_t bytes;

	if (payload->protocol != IPPROTO_UDPLITE || !packet_read(m, payload->at + 4, &coverage, sizeof(coverage)))
		return payload->bytes;
	bytes = rte_be_to_cpu_16(coverage);
	return bytes == 0 || bytes > payload->bytes ? payload->bytes : bytes;
}

/* False: the header is cut off. */
static bool
sum_payload(struct rte_mbuf *m, const struct payload *payload, const struct sum_kind *kind)
{
	uint32_t at = payload->at + kind->at, bytes;
	uint16_t before, sum = 0;

	if (payload->bytes < kind->header || !packet_read(m, at, &before, sizeof(before)))
		return false;
	if (kind->optional && before == 0)
		return true;
	edit_write(m, at, &sum, sizeof(sum));
	bytes = covered(m, payload);
	if (rte_raw_cksum_mbuf(m, payload->at, bytes, &sum) != 0)
		return false;
	if (kind->pseudo)
		sum = checksum_fold((uint32_t)sum + checksum_fold(payload->pseudo));
	sum = (uint16_t)~sum;
	if (sum == 0 && kind->optional)
		sum = 0xffff;
	edit_write(m, at, &sum, sizeof(sum));
	return true;
}

/* As RFC 9260, appendix A has it: the reflected CRC32c with its bits turned around at both ends, low byte first. */
static uint32_t
crc32c(uint32_t crc, const uint8_t *bytes, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
	}
	return crc;
}

static bool
sum_sctp(struct rte_mbuf *m, const struct payload *payload)
{
	uint32_t crc = UINT32_MAX, zero = 0, at = payload->at + offsetof(struct rte_sctp_hdr, cksum);
	uint8_t piece[64];

	if (payload->bytes < sizeof(struct rte_sctp_hdr))
		return false;
	edit_write(m, at, &zero, sizeof(zero));
	for (uint32_t done = 0; done < payload->bytes;) {
		uint32_t n = RTE_MIN(payload->bytes - done, (uint32_t)sizeof(piece));

		if (!packet_read(m, payload->at + done, piece, n))
			return false;
		crc = crc32c(crc, piece, n);
		done += n;
	}
	crc = rte_cpu_to_le_32(~crc);
	edit_write(m, at, &crc, sizeof(crc));
	return true;
}

static bool
sum_transport(struct rte_mbuf *m, const struct payload *payload, const struct sum_kind *kinds, uint32_t wanted)
{
	if (payload->protocol == IPPROTO_SCTP)
		return (wanted & TCA_CSUM_UPDATE_FLAG_SCTP) == 0 || sum_sctp(m, payload);
	for (const struct sum_kind *kind = kinds; kind->flag != 0; kind++)
		if (kind->protocol == payload->protocol && (wanted & kind->flag) != 0)
			return sum_payload(m, payload, kind);
	return true;
}

/* Of 16-bit words, in the order of the network. */
static uint32_t
sum_words(const void *from, unsigned int n)
{
	const uint8_t *bytes = from;
	uint32_t sum = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint16_t word;

		memcpy(&word, bytes + 2 * i, sizeof(word));
		sum += word;
	}
	return sum;
}

static bool
sum_header4(struct rte_mbuf *m, uint32_t at, uint32_t bytes)
{
	uint16_t sum = 0;

	edit_write(m, at + offsetof(struct rte_ipv4_hdr, hdr_checksum), &sum, sizeof(sum));
	if (rte_raw_cksum_mbuf(m, at, bytes, &sum) != 0)
		return false;
	sum = (uint16_t)~sum;
	edit_write(m, at + offsetof(struct rte_ipv4_hdr, hdr_checksum), &sum, sizeof(sum));
	return true;
}

static bool
sum_ipv4(struct rte_mbuf *m, uint32_t wanted)
{
	const rte_be16_t fragment = RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK);
	uint32_t at = pkt_of(m)->l3_off, header, total;
	struct rte_ipv4_hdr ip;

	if (!packet_read(m, at, &ip, sizeof(ip)))
		return false;
	header = rte_ipv4_hdr_len(&ip);
	total = rte_be_to_cpu_16(ip.total_length);
	if (header < sizeof(ip) || total < header || at + total > m->pkt_len)
		return false;
	if ((ip.fragment_offset & fragment) == 0) {
		struct payload payload = {
			.at = at + header,
			.bytes = total - header,
			.protocol = ip.next_proto_id,
			.pseudo = sum_words(&ip.src_addr, 4) + rte_cpu_to_be_16(ip.next_proto_id) +
				  rte_cpu_to_be_16((uint16_t)(total - header)),
		};

		if (!sum_transport(m, &payload, kinds4, wanted))
			return false;
	}
	return (wanted & TCA_CSUM_UPDATE_FLAG_IPV4HDR) == 0 || sum_header4(m, at, header);
}

/* Steps over extension headers; false: cut off, or a fragment, whose transport is left alone. */
static bool
skip_extensions(struct rte_mbuf *m, struct payload *payload)
{
	for (unsigned int i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
		uint8_t head[2];
		uint32_t bytes;

		if (payload->protocol != IPPROTO_HOPOPTS && payload->protocol != IPPROTO_ROUTING &&
			payload->protocol != IPPROTO_DSTOPTS)
			return payload->protocol != IPPROTO_FRAGMENT;
		if (!packet_read(m, payload->at, head, sizeof(head)))
			return false;
		bytes = (head[1] + 1u) * 8;
		if (bytes > payload->bytes)
			return false;
		payload->protocol = head[0];
		payload->at += bytes;
		payload->bytes -= bytes;
	}
	return false;
}

static bool
sum_ipv6(struct rte_mbuf *m, uint32_t wanted)
{
	uint32_t at = pkt_of(m)->l3_off;
	struct payload payload = { .at = at + sizeof(struct rte_ipv6_hdr) };
	struct rte_ipv6_hdr ip;

	if (!packet_read(m, at, &ip, sizeof(ip)))
		return false;
	payload.bytes = rte_be_to_cpu_16(ip.payload_len);
	payload.protocol = ip.proto;
	if (payload.at + payload.bytes > m->pkt_len)
		return false;
	if (!skip_extensions(m, &payload))
		return true;
	payload.pseudo = sum_words(ip.src_addr, 16) + rte_cpu_to_be_16(payload.protocol) +
			 rte_cpu_to_be_16((uint16_t)payload.bytes);
	return sum_transport(m, &payload, kinds6, wanted);
}

static int32_t
csum_act(struct action *action, const struct classify_ctx *ctx, struct rte_mbuf *m, struct verdict *result)
{
	union csum_word word = { .word = load_acquire(&((const struct csum *)action_priv(action))->conf) };
	rte_be16_t type = edit_network_type(m);
	bool good = true;

	if (type == RTE_BE16(ETH_P_IP))
		good = sum_ipv4(m, word.conf.sums);
	else if (type == RTE_BE16(ETH_P_IPV6))
		good = sum_ipv6(m, word.conf.sums);
	if (likely(good))
		return word.conf.action;
	counter_add(&action_stats_of(action, ctx->worker)->drops, 1);
	return TC_ACT_SHOT;
}

static bool
csum_pure(const struct action *action)
{
	return false;
}

static void
csum_get_conf(const struct action *action, void *conf)
{
	union csum_word word = { .word = ((const struct csum *)action_priv(action))->conf };

	*(struct csum_conf *)conf = word.conf;
}

static const struct action_ops csum_ops = {
	.kind = "csum",
	.size = sizeof(struct csum),
	.pure = csum_pure,
	.init = csum_init,
	.act = csum_act,
	.get_conf = csum_get_conf,
	.conf_size = sizeof(struct csum_conf),
};
ACTION_REGISTER(csum_ops)
