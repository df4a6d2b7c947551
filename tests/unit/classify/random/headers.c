/* SPDX-License-Identifier: BSD-3-Clause */
/* Headers as RFC 791, 8200, 826 and IEEE 802.1Q draw them, read byte by byte. */
#include <netinet/in.h>
#include <string.h>

#include <linux/if_ether.h>

#include "random.h"

static uint32_t
read_or_0(const struct plain_packet *p, int64_t at, unsigned int n)
{
	uint32_t value;

	return plain_read(p, at, n, &value) ? value : 0;
}

static void
read_transport(const struct plain_packet *p, int64_t at, struct plain_headers *h)
{
	uint32_t value;

	switch (h->ip_proto) {
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		if (plain_read(p, at + 4, 4, &value)) { /* its header is whole: RFC 792 */
			h->icmp_type = read_or_0(p, at, 1);
			h->icmp_code = read_or_0(p, at + 1, 1);
		}
		break;
	case IPPROTO_TCP:
		if (plain_read(p, at + 16, 4, &value) && read_or_0(p, at + 12, 1) >> 4 >= 5)
			h->tcp_flags = read_or_0(p, at + 12, 2) & 0xfff;
		/* fall through */
	case IPPROTO_UDP:
	case IPPROTO_SCTP:
	case IPPROTO_DCCP:
	case IPPROTO_UDPLITE:
	case IPPROTO_ESP: /* the halves of its SPI, as Linux has it */
	case IPPROTO_AH:
		if (plain_read(p, h->ip_proto == IPPROTO_AH ? at + 4 : at, 4, &value)) {
			h->source_port = value >> 16;
			h->destination_port = value & 0xffff;
		}
	}
}

static void
read_ip4(const struct plain_packet *p, int64_t at, struct plain_headers *h)
{
	uint32_t first, fragment;

	if (!plain_read(p, at + 16, 4, &first) || !plain_read(p, at, 1, &first) || (first & 15) < 5)
		return;
	h->has_ip = true;
	memcpy(h->source, p->bytes + at + 12, 4);
	memcpy(h->destination, p->bytes + at + 16, 4);
	h->tos = read_or_0(p, at + 1, 1);
	h->ttl = read_or_0(p, at + 8, 1);
	h->ip_proto = read_or_0(p, at + 9, 1);
	fragment = read_or_0(p, at + 6, 2);
	h->fragment = (fragment & 0x3fff) != 0;
	h->first_fragment = h->fragment && (fragment & 0x1fff) == 0;
	if (!h->fragment)
		read_transport(p, at + (first & 15) * 4, h);
}

static void
read_ip6(const struct plain_packet *p, int64_t at, struct plain_headers *h)
{
	uint32_t value;

	if (!plain_read(p, at + 36, 4, &value))
		return;
	h->has_ip = true;
	memcpy(h->source, p->bytes + at + 8, 16);
	memcpy(h->destination, p->bytes + at + 24, 16);
	h->tos = read_or_0(p, at, 4) >> 20 & 0xff;
	h->ip_proto = read_or_0(p, at + 6, 1);
	h->ttl = read_or_0(p, at + 7, 1);
	for (at += 40; h->ip_proto == IPPROTO_HOPOPTS || h->ip_proto == IPPROTO_ROUTING ||
		       h->ip_proto == IPPROTO_DSTOPTS || h->ip_proto == IPPROTO_FRAGMENT;) {
		uint32_t next = read_or_0(p, at, 1), length = read_or_0(p, at + 1, 1);

		if (!plain_read(p, at, 2, &value))
			return;
		if (h->ip_proto == IPPROTO_FRAGMENT) {
			if (!plain_read(p, at + 4, 4, &value))
				return;
			value = read_or_0(p, at, 4);
			h->ip_proto = next;
			h->fragment = true;
			h->first_fragment = (value & 0xfff8) == 0;
			return;
		}
		h->ip_proto = next;
		at += (length + 1) * 8;
	}
	read_transport(p, at, h);
}

static void
read_arp(const struct plain_packet *p, int64_t at, struct plain_headers *h)
{
	static const uint8_t ethernet_and_ip4[6] = { 0, 1, 8, 0, 6, 4 };
	uint32_t value;

	if (!plain_read(p, at + 24, 4, &value) || memcmp(p->bytes + at, ethernet_and_ip4, 6) != 0)
		return;
	h->arp_op = read_or_0(p, at + 6, 2);
	if (h->arp_op != 1 && h->arp_op != 2) { /* neither request nor reply: Linux reads on in none */
		h->arp_op = 0;
		return;
	}
	memcpy(h->arp_from, p->bytes + at + 8, 6);
	memcpy(h->arp_source, p->bytes + at + 14, 4);
	memcpy(h->arp_to, p->bytes + at + 18, 6);
	memcpy(h->arp_destination, p->bytes + at + 24, 4);
}

static void
add_tag(struct plain_headers *h, uint32_t type, uint32_t tag)
{
	if (h->tags < 2) {
		h->tag_type[h->tags] = type;
		h->tag[h->tags] = tag;
	}
	h->tags++;
}

void
plain_headers_read(const struct plain_packet *p, struct plain_headers *h)
{
	int64_t at = 12;

	memset(h, 0, sizeof(*h));
	h->eth_type = ntohs(p->pkt.protocol);
	if (p->pkt.l3_off != 0) {
		memcpy(h->to, p->bytes, 6);
		memcpy(h->from, p->bytes + 6, 6);
		if (p->stripped)
			add_tag(h, ETH_P_8021Q, p->pkt.vlan_tci);
		for (h->eth_type = read_or_0(p, at, 2); plain_is_tag(h->eth_type); at += 4) {
			uint32_t tag, next;

			if (!plain_read(p, at + 2, 2, &tag) || !plain_read(p, at + 4, 2, &next)) {
				h->eth_type = 0;
				return;
			}
			add_tag(h, h->eth_type, tag);
			h->eth_type = next;
		}
		at += 2;
	} else {
		at = 0;
	}
	if (h->eth_type == ETH_P_IP)
		read_ip4(p, at, h);
	else if (h->eth_type == ETH_P_IPV6)
		read_ip6(p, at, h);
	else if (h->eth_type == ETH_P_ARP)
		read_arp(p, at, h);
}
