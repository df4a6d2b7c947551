/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes as frames into the packet path, with a real rib, of tests/unit/dataplane/world.h. An input is a list of
 * records: a length (two bytes, big-endian), what to do (three bytes, below), and the frame. After each record every
 * packet must be accounted for, and all datagrams that left must be well-formed; a world serves WORLD_LIFE inputs and
 * must then give back every buffer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/world.h"
#include "eal.h"

#define WORLD_LIFE  256
#define RECORDS_MAX 24
#define HEADER      5

/* First byte: which port, how it is cut into buffers, what is made right so that more than the first check is met. */
#define PORT_MASK      0x03
#define CHAINED        0x04
#define OWN_MAC        0x08
#define RIGHT_CHECKSUM 0x10
#define TO_ROUTER      0x20
#define ANSWER         0x40 /* instead of the frame: an ARP reply from the host whose number its first byte is */
/* Second byte: settings; third: how far the clock goes on afterwards, in a unit of 50 ms. */
#define REPLAY        0x01
#define SOURCE_ROUTES 0x02
#define STRICT        0x04
#define SMALL_MTU     0x08
#define NO_FORWARDING 0x10
#define PROXY         0x20
#define NO_BUFFERS    0x40
#define ALL_ECHO      0x80

static struct router *world;
static unsigned int served;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	eal_start();
	return 0;
}

static void
set_mtu(uint32_t mtu)
{
	struct rib_link link = *rib_link_find(world->rib, ETH1);

	if (link.mtu == mtu)
		return;
	/* What waits for a neighbour was measured against the MTU of its time. */
	path_port_flush(&world->worker, &world->ports[ETH1], DROP_NO_CARRIER);
	link.mtu = world->ports[ETH1].mtu = mtu;
	if (rib_link_set(world->rib, &link, NULL) != 0)
		abort();
}

static void
set(uint8_t settings)
{
	world->replay = (settings & REPLAY) != 0;
	world->all.accept_source_route = (settings & SOURCE_ROUTES) != 0;
	world->all.rp_filter = (settings & STRICT) != 0;
	for (uint32_t port = ETH0; port < ETH0 + 3; port++)
		world->ports[port].settings.forwarding = (settings & NO_FORWARDING) == 0;
	world->all.proxy_arp = (settings & PROXY) != 0;
	world->no_buffers = (settings & NO_BUFFERS) != 0;
	world->settings.icmp_echo_ignore_broadcasts = (settings & ALL_ECHO) == 0;
	set_mtu((settings & SMALL_MTU) != 0 ? 276 : 1500);
}

static void
mend(uint8_t *frame, uint32_t bytes, uint8_t what)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + RTE_ETHER_HDR_LEN);

	if ((what & OWN_MAC) != 0 && bytes >= 14) {
		memset(frame, 0, 6);
		frame[12] = 8;
		frame[13] = (what & TO_ROUTER) != 0 && frame[13] == 6 ? 6 : 0;
	}
	if (bytes < 34 || frame[13] != 0)
		return;
	if ((what & TO_ROUTER) != 0)
		ip->dst_addr = rte_cpu_to_be_32(IP(10, 0, 0, 1));
	if ((what & RIGHT_CHECKSUM) == 0)
		return;
	ip->version_ihl = (uint8_t)(0x40 | (ip->ihl < 5 ? 5 : ip->ihl));
	ip->total_length = rte_cpu_to_be_16((uint16_t)(bytes - 14));
	if (rte_ipv4_hdr_len(ip) > bytes - 14)
		ip->version_ihl = 0x45;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

static void
check_sent(void)
{
	for (unsigned int i = 0; i < world->sent_count; i++) {
		uint32_t bytes;
		const uint8_t *frame = sent_frame(world, i, world->sent[i].ifindex, &bytes);

		if (bytes - RTE_ETHER_HDR_LEN > world->ports[world->sent[i].ifindex].mtu)
			abort();
		if (frame[12] == 8 && frame[13] == 0)
			sent_ip(world, i, world->sent[i].ifindex);
	}
	world_forget_sent(world);
}

static void
run(const uint8_t *record, const uint8_t *data, uint32_t bytes)
{
	uint32_t port = ETH0 + (record[0] & PORT_MASK) % 3;
	uint8_t frame[2048];

	memcpy(frame, data, bytes);
	set(record[1]);
	if ((record[0] & ANSWER) != 0 && bytes != 0) {
		struct frame f = world_arp(RTE_ARP_OP_REPLY, gateway_mac, IP(10, port - ETH0, 0, frame[0]),
			IP(10, port - ETH0, 0, 1), false);

		inject(world, port, &f);
	} else {
		mend(frame, bytes, record[0]);
		inject_segments(world, port, frame, bytes, (record[0] & CHAINED) != 0 ? 1 + record[2] % 64 : 2048);
	}
	check_sent();
	world_advance(world, record[2] * 50 * MS);
	check_sent();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (world == NULL)
		world = world_make(false);
	for (unsigned int i = 0; i < RECORDS_MAX && size >= HEADER; i++) {
		uint32_t bytes = RTE_MIN((uint32_t)(data[0] << 8 | data[1]) % 1600, (uint32_t)(size - HEADER));

		run(data + 2, data + HEADER, bytes);
		data += HEADER + bytes;
		size -= HEADER + bytes;
	}
	if (++served % WORLD_LIFE == 0) {
		world_free(world);
		world = NULL;
	}
	return 0;
}
