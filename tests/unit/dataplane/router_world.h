/* SPDX-License-Identifier: BSD-3-Clause */
/* A whole router for a test, small captures for it to eat, and what came out of them. */
#ifndef WEIR_TEST_ROUTER_WORLD_H
#define WEIR_TEST_ROUTER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include <weir/dataplane.h>

static inline void
ok(int rc, const struct error *err)
{
	if (rc != 0)
		fail_msg("%d: %s", rc, err->msg);
}

static inline struct router *
make_router(bool replay, unsigned int workers)
{
	const struct router_conf conf = { .workers = workers, .replay = replay, .seed = 7, .buffers = 16384 };
	struct router *router;
	struct error err;

	ok(router_create(&conf, &router, &err), &err);
	return router;
}

static inline struct port *
add_port(struct router *router, const char *name, const char *kind, const void *kind_conf, uint64_t rate_Bps)
{
	const struct port_conf conf = { .name = name, .kind = kind, .kind_conf = kind_conf, .rate_Bps = rate_Bps };
	struct port *port;
	struct error err;

	ok(port_add(router, &conf, &port, &err), &err);
	return port;
}

static inline void
up(struct port *port)
{
	struct error err;

	ok(port_set_flags(port, IFF_UP, IFF_UP, &err), &err);
}

static inline void
address(struct port *port, const char *text, uint8_t length)
{
	struct rib_address a = {
		.ifindex = port->ifindex, .family = AF_INET, .prefix_length = length, .flags = IFA_F_PERMANENT
	};
	struct error err;

	inet_pton(AF_INET, text, &a.local.v4);
	a.peer = a.local;
	ok(rib_address_add(router_rib(port->router), &a, false, &err), &err);
}

/* An Ethernet frame of `bytes` with a UDP datagram in it, its number in the payload. */
static inline void
make_frame(uint8_t *frame, uint32_t bytes, const char *src, const char *dst, uint32_t number)
{
	struct rte_ether_hdr *ether = (struct rte_ether_hdr *)frame;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(ether + 1);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);

	memset(frame, 0, bytes);
	memset(&ether->dst_addr, 0x02, 6);
	memset(&ether->src_addr, 0x04, 6);
	ether->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	ip->version_ihl = 0x45;
	ip->total_length = htons((uint16_t)(bytes - sizeof(*ether)));
	ip->time_to_live = 64;
	ip->next_proto_id = IPPROTO_UDP;
	inet_pton(AF_INET, src, &ip->src_addr);
	inet_pton(AF_INET, dst, &ip->dst_addr);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	udp->src_port = htons(1000);
	udp->dst_port = htons(2000);
	udp->dgram_len = htons((uint16_t)(bytes - sizeof(*ether) - sizeof(*ip)));
	memcpy(udp + 1, &number, sizeof(number));
}

/* A pcap file, byte by byte: tests want files that libpcap would not write. */
struct writer {
	FILE *file;
};

static inline struct writer
open_capture(const char *path, uint32_t link_type)
{
	const uint32_t header[6] = { 0xa1b23c4d, 4 << 16 | 2, 0, 0, 262144, link_type };
	struct writer w = { fopen(path, "w") };

	assert_non_null(w.file);
	fwrite(header, sizeof(header), 1, w.file);
	return w;
}

static inline void
record(struct writer w, uint64_t ns, uint32_t captured, uint32_t length, const uint8_t *data)
{
	const uint32_t header[4] = { (uint32_t)(ns / 1000000000), (uint32_t)(ns % 1000000000), captured, length };

	fwrite(header, sizeof(header), 1, w.file);
	fwrite(data, captured, 1, w.file);
}

static inline void
udp_record(struct writer w, uint64_t ns, uint32_t bytes, const char *dst, uint32_t number)
{
	uint8_t frame[70000];

	make_frame(frame, bytes, "10.0.0.2", dst, number);
	record(w, ns, bytes, bytes, frame);
}

struct sent {
	unsigned int count;
	uint64_t ns[4096];
	uint32_t number[4096], bytes[4096];
};

static inline struct sent *
read_capture(const char *path)
{
	struct sent *s = calloc(1, sizeof(*s));
	char why[PCAP_ERRBUF_SIZE];
	pcap_t *file = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, why);
	struct pcap_pkthdr *header;
	const uint8_t *data;

	assert_non_null(s);
	if (file == NULL)
		return s;
	while (pcap_next_ex(file, &header, &data) == 1 && s->count < 4096) {
		s->ns[s->count] = (uint64_t)header->ts.tv_sec * 1000000000 + (uint64_t)header->ts.tv_usec;
		s->bytes[s->count] = header->len;
		if (header->caplen >= 46)
			memcpy(&s->number[s->count], data + 42, 4);
		s->count++;
	}
	pcap_close(file);
	return s;
}

static inline struct router_totals
balanced_totals(struct router *router)
{
	struct router_totals t;

	router_totals(router, &t);
	assert_int_equal(t.received + t.generated, t.sent + t.delivered + t.dropped + t.queued);
	return t;
}

#endif
