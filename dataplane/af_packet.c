/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A router wants fragments as they come. DPDK's net_af_packet has the kernel put them together first
 * (PACKET_FANOUT_FLAG_DEFRAG, packet(7)) and then cuts what has become longer than its ring's frame, and no device
 * argument turns that off. So its call is answered here, in front of the C library's, and differs in that flag alone:
 * what goes to one queue by a hash goes there without being whole.
 *
 * Nor does DPDK tell which sockets a device reads, on which an idle worker could sleep (net_af_xdp is the same): who is
 * given a receive ring here is remembered.
 */
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "machine.h"

#define FANOUT_TYPE_SHIFT 16 /* of the option's 32 bits: the group's number below, type and flags above */
#define RINGS_MAX         64 /* of one device */

static int rings[RINGS_MAX]; /* sockets that got a receive ring; control's thread makes them */
static unsigned int ring_count;

unsigned int
packet_sockets_take(int *sockets, unsigned int n)
{
	n = RTE_MIN(n, ring_count);
	for (unsigned int i = 0; i < n; i++)
		sockets[i] = rings[i];
	ring_count = 0;
	return n;
}

int
setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
	uint32_t fanout;

	if (level == SOL_PACKET && option == PACKET_FANOUT && length == sizeof(fanout)) {
		memcpy(&fanout, value, sizeof(fanout));
		fanout &= ~((uint32_t)PACKET_FANOUT_FLAG_DEFRAG << FANOUT_TYPE_SHIFT);
		value = &fanout;
	}
	int rc = (int)syscall(SYS_setsockopt, fd, level, option, value, length);
	if (rc == 0 && ring_count < RINGS_MAX &&
		((level == SOL_PACKET && option == PACKET_RX_RING) || (level == SOL_XDP && option == XDP_RX_RING)))
		rings[ring_count++] = fd;
	return rc;
}
