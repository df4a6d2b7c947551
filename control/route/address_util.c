/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses in attributes. */
#include "codec.h"

int
get_ip(const struct nlattr *attr, uint8_t family, struct ip_addr *addr, const char *what, struct error *err)
{
	uint16_t bytes = ip_family_bits(family) / 8;

	memset(addr, 0, sizeof(*addr));
	if (mnl_attr_get_payload_len(attr) != bytes)
		return error_set(err, EINVAL, "%s has %u bytes; an %s address has %u", what,
			mnl_attr_get_payload_len(attr), family == AF_INET ? "IPv4" : "IPv6", bytes);
	memcpy(addr->bytes, mnl_attr_get_payload(attr), bytes);
	return 0;
}

void
put_ip(struct nl_msgs *msgs, uint16_t attr, uint8_t family, const struct ip_addr *addr)
{
	nl_put(msgs, attr, addr->bytes, ip_family_bits(family) / 8);
}

int
check_family(uint8_t family, struct error *err)
{
	if (family == AF_INET || family == AF_INET6)
		return 0;
	return error_set(err, EAFNOSUPPORT, "Address family %u is not supported; use IPv4 or IPv6", family);
}

void
clear_host_bits(struct ip_addr *addr, uint8_t length)
{
	for (unsigned int i = 0; i < sizeof(addr->bytes); i++) {
		unsigned int first = i * 8;

		if (first >= length)
			addr->bytes[i] = 0;
		else if (length - first < 8)
			addr->bytes[i] &= (uint8_t)(0xff00u >> (length - first));
	}
}

bool
has_host_bits(const struct ip_addr *addr, uint8_t length)
{
	struct ip_addr net = *addr;

	clear_host_bits(&net, length);
	return !ip_addr_equal(&net, addr);
}
