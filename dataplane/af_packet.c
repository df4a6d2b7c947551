/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A router wants fragments as they come. DPDK's net_af_packet has the kernel put them together first (PACKET_FANOUT_FLAG_DEFRAG, packet(7)) and
 * then cuts what has become longer than its ring's frame, and no device argument turns that off. So its call is answered here, in front of
 * the C library's, and differs in that flag alone: what goes to one queue by a hash goes there without being whole.
 */
#include <linux/if_packet.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FANOUT_TYPE_SHIFT 16 /* of the option's 32 bits: the group's number below, type and flags above */

int
setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
	uint32_t fanout;

	if (level == SOL_PACKET && option == PACKET_FANOUT && length == sizeof(fanout)) {
		memcpy(&fanout, value, sizeof(fanout));
		fanout &= ~((uint32_t)PACKET_FANOUT_FLAG_DEFRAG << FANOUT_TYPE_SHIFT);
		value = &fanout;
	}
	return (int)syscall(SYS_setsockopt, fd, level, option, value, length);
}
