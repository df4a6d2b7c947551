/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets for differential tests: from captures and made here, with bytes changed, cut off and put in. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/if_ether.h>

#include "../captures.h"

#include "random.h"

#define SAMPLES_MAX 20000
#define MADE        2000
#define FOCUS       24

static struct {
	uint8_t *bytes;
	uint32_t length;
} samples[SAMPLES_MAX];
static uint32_t n_samples;

/* ---- chance ------------------------------------------------------------------------------------- */

static uint64_t chance;

void
chance_seed(uint64_t seed)
{
	chance = seed * 2654435761u + 1;
}

uint32_t
below(uint32_t bound)
{
	chance = chance * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(((chance >> 32) * bound) >> 32);
}

/* ---- reading ------------------------------------------------------------------------------------ */

bool
plain_read(const struct plain_packet *p, int64_t at, unsigned int n, uint32_t *value)
{
	*value = 0;
	if (at < 0 || at + n > p->length)
		return false;
	for (unsigned int i = 0; i < n; i++)
		*value = *value << 8 | p->bytes[at + i];
	return true;
}

/*
 * What the data plane finds: a tag that names a VLAN is the protocol; one that only carries a priority is passed over.
 * False: it drops the frame.
 */
static bool
describe(struct plain_packet *p)
{
	uint32_t at = 12, type, tci, header, fragment;

	if (!plain_read(p, at, 2, &type))
		return false;
	for (unsigned int tags = 1; plain_is_tag(type); tags++) {
		if (!plain_read(p, at + 2, 2, &tci) || !plain_read(p, at + 4, 2, &header))
			return false;
		at += 4;
		p->pkt.vlan_tci = (uint16_t)tci;
		if ((tci & 0xfff) != 0 || tags == 3)
			break;
		type = header;
	}
	p->pkt.l3_off = (uint8_t)(at + 2);
	p->pkt.protocol = htons(type < 0x600 ? ETH_P_802_2 : (uint16_t)type);
	if (type != ETH_P_IP || !plain_read(p, at + 2, 1, &header) || !plain_read(p, at + 2 + 6, 2, &fragment))
		return true;
	if (header >> 4 == 4 && (header & 15) >= 5 && at + 2 + (header & 15) * 4 <= p->length &&
		(fragment & 0x1fff) == 0)
		p->pkt.l4_off = (uint16_t)(at + 2 + (header & 15) * 4);
	return true;
}

/* ---- samples ------------------------------------------------------------------------------------ */

static void
keep(const uint8_t *bytes, uint32_t length)
{
	struct plain_packet p = { .bytes = bytes, .length = length };

	if (n_samples == SAMPLES_MAX || length > RANDOM_FRAME_MAX || !describe(&p))
		return;
	samples[n_samples].bytes = malloc(length);
	memcpy(samples[n_samples].bytes, bytes, length);
	samples[n_samples++].length = length;
}

/* A frame as it grows. */
struct growing {
	uint8_t bytes[RANDOM_FRAME_MAX];
	uint32_t n;
};

static void
put(struct growing *g, unsigned int n, uint32_t value)
{
	while (n-- > 0)
		g->bytes[g->n++] = (uint8_t)(value >> 8 * n);
}

static void
put_noise(struct growing *g, unsigned int n)
{
	while (n-- > 0)
		put(g, 1, below(256));
}

static void
put_transport(struct growing *g, uint32_t protocol)
{
	static const uint16_t ports[] = { 22, 53, 80, 443, 5060 };

	if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) {
		put(g, 1, below(16));
		put(g, 1, below(4));
		put_noise(g, below(20));
		return;
	}
	put(g, 2, ports[below(5)]);
	put(g, 2, one_in(3) ? below(65536) : ports[below(5)]);
	put_noise(g, 8);
	put(g, 2, (one_in(10) ? below(16) : 5) << 12 | below(64));
	put_noise(g, below(40));
}

static const uint8_t transports[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_SCTP, IPPROTO_DCCP,
	IPPROTO_UDPLITE, IPPROTO_ESP, IPPROTO_AH, IPPROTO_ICMPV6, IPPROTO_GRE };

static void
put_ip4(struct growing *g, unsigned int inside)
{
	uint32_t options = one_in(3) ? below(11) : 0,
		 protocol = inside < 3 && one_in(4) ? IPPROTO_IPIP : transports[below(10)];

	put(g, 1, (one_in(40) ? below(16) : 4) << 4 | (one_in(40) ? below(5) : 5 + options));
	put(g, 1, below(256));
	put(g, 2, 20 + options * 4 + below(100));
	put(g, 2, below(65536));
	put(g, 2, one_in(4) ? below(8) << 13 | below(3) : 0);
	put(g, 1, below(256));
	put(g, 1, protocol);
	put(g, 2, 0);
	put(g, 4, 0x0a000000 | below(4));
	put(g, 4, 0xc0000200 | below(4));
	put_noise(g, options * 4);
	if (protocol == IPPROTO_GRE)
		put(g, 4, ETH_P_IP);
	if (protocol == IPPROTO_IPIP || (protocol == IPPROTO_GRE && inside < 3))
		put_ip4(g, inside + 1);
	else
		put_transport(g, protocol);
}

static void
put_ip6(struct growing *g, unsigned int inside)
{
	static const uint8_t extensions[] = { IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS, IPPROTO_FRAGMENT };
	uint32_t kinds[7], n = inside == 0 && one_in(2) ? below(5) : 0;

	for (uint32_t i = 0; i < n; i++)
		kinds[i] = extensions[below(4)];
	kinds[n] = inside < 3 && one_in(4) ? IPPROTO_IPV6 : transports[below(10)];
	put(g, 4, 0x60000000 | below(256) << 20 | (one_in(2) ? 0x12345 : 0));
	put(g, 2, below(200));
	put(g, 1, kinds[0]);
	put(g, 1, below(256));
	for (unsigned int end = 0; end < 2; end++) {
		put(g, 4, 0x20010db8);
		put(g, 4, 0);
		put(g, 4, 0);
		put(g, 4, below(4));
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t words = kinds[i] == IPPROTO_FRAGMENT ? 0 : below(3);

		put(g, 1, kinds[i + 1]);
		put(g, 1, words);
		put(g, 2, one_in(2) ? 1 : below(65536));
		put_noise(g, 4 + words * 8);
	}
	if (kinds[n] == IPPROTO_IPV6)
		put_ip6(g, inside + 1);
	else
		put_transport(g, kinds[n]);
}

static void
put_arp(struct growing *g)
{
	put(g, 4, 0x00010800);
	put(g, 2, one_in(10) ? 0x0806 : 0x0604);
	put(g, 2, one_in(8) ? 256 + below(4) : 1 + below(4));
	put(g, 4, 0x02000000);
	put(g, 2, below(3));
	put(g, 4, 0x0a000000 | below(4));
	put(g, 4, 0);
	put(g, 2, below(3));
	put(g, 4, 0x0a000000 | below(4));
}

/* What captures have little of. */
static void
make_frame(void)
{
	struct growing g = { .n = 0 };
	uint32_t tags = one_in(2) ? below(5) : 0, kind = below(8);

	put(&g, 4, one_in(8) ? UINT32_MAX : 0x02000000);
	put(&g, 2, one_in(8) ? UINT16_MAX : below(3));
	put(&g, 4, 0x02000000);
	put(&g, 2, below(3));
	while (tags-- > 0) {
		put(&g, 2, one_in(3) ? ETH_P_8021AD : ETH_P_8021Q);
		put(&g, 2, below(8) << 13 | (one_in(2) ? 0 : below(4)));
	}
	put(&g, 2, kind < 4 ? ETH_P_IP : kind < 6 ? ETH_P_IPV6 : kind < 7 ? ETH_P_ARP : below(65536));
	if (kind < 4)
		put_ip4(&g, 0);
	else if (kind < 6)
		put_ip6(&g, 0);
	else if (kind < 7)
		put_arp(&g);
	keep(g.bytes, g.n);
}

bool
packets_load(const char *folder)
{
	char edge[512];

	captures_each(folder, keep);
	snprintf(edge, sizeof(edge), "%s/edge", folder);
	captures_each(edge, keep);
	bool captured = n_samples != 0;

	for (unsigned int i = 0; i < MADE; i++)
		make_frame();
	return captured;
}

/* Those that are about now. */
static uint32_t focus[FOCUS];

/* Made ones have a share of their own: they are few, and odd. */
static uint32_t
any_sample(void)
{
	return one_in(3) ? n_samples - 1 - below(MADE / 2) : below(n_samples);
}

void
packets_focus(uint16_t protocol)
{
	struct plain_packet p;

	for (unsigned int i = 0; i < FOCUS; i++) {
		focus[i] = any_sample();
		for (unsigned int tries = 0; protocol != 0 && tries < 50; tries++) {
			p = (struct plain_packet){ .bytes = samples[focus[i]].bytes,
				.length = samples[focus[i]].length };
			describe(&p);
			if (p.pkt.protocol == htons(protocol))
				break;
			focus[i] = any_sample();
		}
	}
}

void
packets_like(struct plain_packet *p)
{
	uint32_t i = one_in(4) ? any_sample() : focus[below(FOCUS)];

	*p = (struct plain_packet){ .bytes = samples[i].bytes, .length = samples[i].length };
	describe(p);
}

/* ---- packets to ask about ----------------------------------------------------------------------- */

/* Where the network header should be. */
static uint32_t
network_at(const struct random_packet *p)
{
	struct plain_packet now = { .bytes = p->flat, .length = p->plain.length };

	return describe(&now) ? now.pkt.l3_off : 14;
}

static void
put_in(struct random_packet *p, uint32_t at, const uint8_t *bytes, uint32_t n)
{
	if (at > p->plain.length || p->plain.length + n > RANDOM_FRAME_MAX)
		return;
	memmove(p->flat + at + n, p->flat + at, p->plain.length - at);
	memcpy(p->flat + at, bytes, n);
	p->plain.length += n;
}

static void
change(struct random_packet *p)
{
	uint32_t at = network_at(p), length = p->plain.length;
	uint8_t tag[4] = { 0x81, 0, (uint8_t)(below(2) << 5), (uint8_t)below(4) }, options[8];

	switch (below(8)) {
	case 0:
		p->plain.length = below(length + 1);
		break;
	case 1:
		p->plain.length = RTE_MIN(length, at + below(64));
		break;
	case 2:
		p->flat[below(RTE_MIN(length, 100u))] ^= (uint8_t)(1u << below(8));
		break;
	case 3:
		p->flat[below(RTE_MIN(length, 60u))] = (uint8_t)below(256);
		break;
	case 4:
		put_in(p, 12, tag, sizeof(tag));
		break;
	case 5: /* a fragment, or an IPv6 header's destination */
		if (at + 8 <= length) {
			p->flat[at + 6] = (uint8_t)(below(2) << 5);
			p->flat[at + 7] = (uint8_t)below(2);
		}
		break;
	case 6: /* options of IPv4 */
		if (at + 20 <= length && p->flat[at] == 0x45) {
			memset(options, 1, sizeof(options));
			put_in(p, at + 20, options, sizeof(options));
			p->flat[at] = 0x47;
		}
		break;
	case 7:
		for (uint32_t i = at; i < RTE_MIN(length, at + 60); i++)
			p->flat[i] ^= one_in(20) ? (uint8_t)below(256) : 0;
		break;
	}
}

static void
take(struct random_packet *p)
{
	struct plain_packet like;

	packets_like(&like);
	memcpy(p->flat, like.bytes, like.length);
	p->plain.length = like.length;
}

/* What stands beside a packet: from few values, so that filters and packets meet. */
static void
put_beside(struct pkt *pkt)
{
	pkt->mark = one_in(10) ? any_word() : below(6);
	pkt->priority = one_in(4) ? 0x10000 | below(4) : below(16);
	pkt->realm = one_in(10) ? any_word() & 0xff00ff : below(4) << 16 | below(4);
	pkt->tc_index = (uint16_t)(one_in(10) ? below(65536) : below(64));
	pkt->in_port = (uint16_t)(1 + below(3));
	pkt->out_port = (uint16_t)(1 + below(3));
	pkt->flags = one_in(8) ? PKT_GENERATED : one_in(8) ? PKT_LOCAL : 0;
}

static void
segment(struct rte_mbuf *m, const uint8_t *bytes, uint32_t n)
{
	m->priv_size = sizeof(struct pkt);
	m->data_len = (uint16_t)n;
	m->pkt_len = n;
	m->nb_segs = 1;
	m->buf_addr = malloc(n + (n == 0)); /* of its own size, so that a byte too far is seen */
	if (n != 0)
		memcpy(m->buf_addr, bytes, n);
}

static void
lay_out(struct random_packet *p)
{
	uint32_t at = 0, length = p->plain.length, pieces = one_in(4) ? 1 + below(RANDOM_SEGMENTS) : 1;
	struct rte_mbuf *first = &p->segments[0].mbuf;

	for (uint32_t i = 0; i < pieces; i++) {
		uint32_t n = i + 1 == pieces ? length - at : below(RTE_MIN(length - at, 80u) + 1);

		segment(&p->segments[i].mbuf, p->flat + at, n);
		if (i != 0)
			p->segments[i - 1].mbuf.next = &p->segments[i].mbuf;
		at += n;
	}
	first->nb_segs = (uint16_t)pieces;
	first->pkt_len = length;
}

void
random_packet_make(struct random_packet *p, bool ingress, uint64_t now)
{
	struct plain_packet *plain = &p->plain;

	memset(p->segments, 0, sizeof(p->segments));
	do {
		take(p);
		for (unsigned int i = one_in(3) ? 1 + below(3) : 0; i > 0; i--)
			change(p);
		*plain = (struct plain_packet){
			.bytes = p->flat, .length = plain->length, .ingress = ingress, .now = now
		};
	} while (!describe(plain));
	put_beside(&plain->pkt);
	if (p->flat[0] & 1)
		plain->pkt.flags |= PKT_MULTICAST;
	else if (one_in(4))
		plain->pkt.flags |= PKT_OTHER_HOST;
	if (one_in(16) && plain->pkt.vlan_tci == 0) {
		plain->stripped = true;
		plain->pkt.vlan_tci = (uint16_t)(1 + below(4));
	} else if (one_in(32)) { /* a port without link header */
		plain->length -= plain->pkt.l3_off;
		memmove(p->flat, p->flat + plain->pkt.l3_off, plain->length);
		plain->pkt.l4_off -= plain->pkt.l4_off != 0 ? plain->pkt.l3_off : 0;
		plain->pkt.l3_off = 0;
	}
	lay_out(p);
	p->segments[0].pkt = plain->pkt;
	p->segments[0].mbuf.ol_flags = plain->stripped ? RTE_MBUF_F_RX_VLAN_STRIPPED : 0;
}

void
random_packet_free(struct random_packet *p)
{
	for (unsigned int i = 0; i < RANDOM_SEGMENTS; i++)
		free(p->segments[i].mbuf.buf_addr);
}
