/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv4 options (RFC 791 section 3.1, RFC 1812 5.3.13): found and checked here, changed here where a router on the way
 * has to. Offsets count from the header's start, so that a parameter problem can point at what is wrong.
 */
#include <netinet/ip.h>

#include "buffer.h"
#include "path.h"

#define OPTION_LENGTH         1 /* offsets within an option */
#define OPTION_POINTER        2
#define OPTION_OVERFLOW       3 /* of a timestamp: count of skipped hops (high 4 bits) and form (low 4) */
#define POINTER_MIN_ROUTE     4 /* pointers count from 1 at the option's first byte */
#define POINTER_MIN_TIMESTAMP 5
#define TIMESTAMP_NOT_UT      0x80000000u /* the high bit says: not milliseconds since midnight UT */

static void
fail(struct ip4_options *o, uint8_t at)
{
	o->malformed = true;
	o->error_at = at;
}

static bool
at_most_once(struct ip4_options *o, uint8_t *slot, uint8_t at)
{
	if (*slot != 0) {
		fail(o, at);
		return false;
	}
	*slot = at;
	return true;
}

/* Record route and source routes: a list of addresses, and a pointer to the next one. */
static void
check_route(struct ip4_options *o, const uint8_t *option, uint8_t at, uint8_t *slot)
{
	uint8_t length = option[OPTION_LENGTH], pointer;

	if (!at_most_once(o, slot, at))
		return;
	if (length < 3) {
		fail(o, at + OPTION_LENGTH);
		return;
	}
	pointer = option[OPTION_POINTER];
	if (pointer < POINTER_MIN_ROUTE || (pointer <= length && pointer + 3 > length))
		fail(o, at + OPTION_POINTER);
}

static void
check_timestamp(struct ip4_options *o, const uint8_t *option, uint8_t at)
{
	uint8_t length = option[OPTION_LENGTH], pointer, form, entry;

	if (!at_most_once(o, &o->timestamp_at, at))
		return;
	if (length < 4) {
		fail(o, at + OPTION_LENGTH);
		return;
	}
	pointer = option[OPTION_POINTER];
	form = option[OPTION_OVERFLOW] & 0xf;
	entry = form == IPOPT_TS_TSONLY ? 4 : 8;
	if (form != IPOPT_TS_TSONLY && form != IPOPT_TS_TSANDADDR && form != IPOPT_TS_PRESPEC)
		fail(o, at + OPTION_OVERFLOW);
	else if (pointer < POINTER_MIN_TIMESTAMP || (pointer <= length && pointer + entry - 1 > length))
		fail(o, at + OPTION_POINTER);
	else if (pointer > length && (option[OPTION_OVERFLOW] >> 4) == 0xf && form != IPOPT_TS_PRESPEC)
		fail(o, at + OPTION_OVERFLOW); /* the count of those that found no room is full too */
}

static void
check_option(struct ip4_options *o, const uint8_t *option, uint8_t at)
{
	switch (option[0]) {
	case IPOPT_LSRR:
	case IPOPT_SSRR:
		o->source_route = true;
		o->strict = option[0] == IPOPT_SSRR;
		check_route(o, option, at, &o->route_at);
		break;
	case IPOPT_RR:
		check_route(o, option, at, &o->record_at);
		break;
	case IPOPT_TS:
		check_timestamp(o, option, at);
		break;
	default: /* not ours to judge: forwarded as it is (RFC 1812 4.2.2.1) */
		break;
	}
}

void
ip4_options_parse(const struct rte_ipv4_hdr *ip, struct ip4_options *options)
{
	const uint8_t *bytes = (const uint8_t *)ip;
	uint8_t end = rte_ipv4_hdr_len(ip);
	uint8_t length;

	*options = (struct ip4_options){ .malformed = false };
	for (uint8_t at = sizeof(*ip); at < end && bytes[at] != IPOPT_EOL && !options->malformed; at += length) {
		if (bytes[at] == IPOPT_NOP) {
			length = 1;
			continue;
		}
		length = at + OPTION_LENGTH < end ? bytes[at + OPTION_LENGTH] : 0;
		if (length < 2 || at + length > end)
			fail(options, at + 1 < end ? at + 1 : at);
		else
			check_option(options, bytes + at, at);
	}
}

static void
record_route(uint8_t *option, rte_be32_t own)
{
	uint8_t pointer = option[OPTION_POINTER];

	if (pointer + 3 > option[OPTION_LENGTH])
		return;
	memcpy(option + pointer - 1, &own, 4);
	option[OPTION_POINTER] += 4;
}

static void
record_timestamp(uint8_t *option, rte_be32_t own, uint64_t now)
{
	uint8_t pointer = option[OPTION_POINTER];
	uint8_t form = option[OPTION_OVERFLOW] & 0xf;
	uint8_t entry = form == IPOPT_TS_TSONLY ? 4 : 8;
	rte_be32_t stamp = rte_cpu_to_be_32((uint32_t)(now / NS_PER_MS) | TIMESTAMP_NOT_UT);

	if (pointer + entry - 1 > option[OPTION_LENGTH]) {
		if (form != IPOPT_TS_PRESPEC && (option[OPTION_OVERFLOW] >> 4) != 0xf)
			option[OPTION_OVERFLOW] += 0x10;
		return;
	}
	if (form == IPOPT_TS_PRESPEC && memcmp(option + pointer - 1, &own, 4) != 0)
		return; /* it asks another router */
	if (form == IPOPT_TS_TSANDADDR)
		memcpy(option + pointer - 1, &own, 4);
	memcpy(option + pointer - 1 + entry - 4, &stamp, 4);
	option[OPTION_POINTER] += entry;
}

void
ip4_options_record(struct rte_ipv4_hdr *ip, const struct ip4_options *options, rte_be32_t own, uint64_t now)
{
	uint8_t *bytes = (uint8_t *)ip;

	if (options->record_at != 0)
		record_route(bytes + options->record_at, own);
	if (options->timestamp_at != 0)
		record_timestamp(bytes + options->timestamp_at, own, now);
}

bool
ip4_options_next_stop(struct rte_ipv4_hdr *ip, const struct ip4_options *options)
{
	uint8_t *option = (uint8_t *)ip + options->route_at;
	uint8_t pointer = option[OPTION_POINTER];
	rte_be32_t own = ip->dst_addr;

	if (pointer + 3 > option[OPTION_LENGTH])
		return false;
	memcpy(&ip->dst_addr, option + pointer - 1, 4);
	memcpy(option + pointer - 1, &own, 4);
	option[OPTION_POINTER] += 4;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	return true;
}

bool
ip4_options_strict_hop(const struct rte_ipv4_hdr *ip)
{
	struct ip4_options options;

	ip4_options_parse(ip, &options);
	return options.source_route && options.strict;
}
