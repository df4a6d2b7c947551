/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames with right checksums, and whether they are right, by the definition (RFC 1071): for tests of nat and csum. */
#ifndef WEIR_TEST_CLASSIFY_SUMS_H
#define WEIR_TEST_CLASSIFY_SUMS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t
sum_up(const uint8_t *bytes, uint32_t n, uint32_t sum)
{
	for (uint32_t i = 0; i < n; i++)
		sum += (uint32_t)bytes[i] << (i % 2 == 0 ? 8 : 0);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static inline uint32_t
transport_sum(const uint8_t *ip, uint32_t bytes)
{
	bool pseudo = ip[9] != IPPROTO_ICMP && ip[9] != IPPROTO_IGMP;
	uint32_t sum = pseudo ? sum_up(ip + 12, 8, ip[9] + bytes) : 0;

	return sum_up(ip + 20, bytes, sum);
}

static inline void
put_sum(uint8_t *at, uint32_t sum)
{
	at[0] = (uint8_t)(~sum >> 8);
	at[1] = (uint8_t)~sum;
}

/* Where the transport's checksum lies behind IP's 20 bytes. */
static inline uint32_t
transport_sum_at(uint8_t protocol)
{
	return protocol == IPPROTO_TCP ? 16 : protocol == IPPROTO_ICMP || protocol == IPPROTO_IGMP ? 2 : 6;
}

/* Ethernet, IP 10.0.0.1 -> 10.0.0.2, n bytes of transport with its checksum. Returns the frame's bytes. */
static inline uint16_t
make_ip(uint8_t *frame, uint8_t protocol, const uint8_t *transport, uint16_t n)
{
	static const uint8_t head[34] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 0, 0, 7, 0, 0, 64, 0, 0,
		0, 10, 0, 0, 1, 10, 0, 0, 2 };
	uint32_t at = 34 + transport_sum_at(protocol);

	memcpy(frame, head, sizeof(head));
	memcpy(frame + 34, transport, n);
	frame[17] = (uint8_t)(20 + n);
	frame[23] = protocol;
	put_sum(frame + 24, sum_up(frame + 14, 20, 0));
	frame[at] = frame[at + 1] = 0;
	put_sum(frame + at, transport_sum(frame + 14, n));
	return (uint16_t)(34 + n);
}

static inline bool
ip_sum_right(const uint8_t *ip)
{
	return sum_up(ip, 20, 0) == 0xffff;
}

static inline bool
sums_right(const uint8_t *frame)
{
	const uint8_t *ip = frame + 14;

	return ip_sum_right(ip) && transport_sum(ip, (uint32_t)(ip[2] << 8 | ip[3]) - 20) == 0xffff;
}

#endif
