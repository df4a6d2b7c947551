/* SPDX-License-Identifier: BSD-3-Clause */
/* A link's settings: one message may change several, and either all of them are or none. */
#include "link_change.h"

/* What ip-link(8) can ask for and no link of this router has. A zero value means "off", which is how things are. */
static const struct {
	uint16_t attr;
	bool zero_is_fine;
	const char *refusal;
} refused[] = {
	{ IFLA_MASTER, true, "Bridges and bonds are not supported: a link has no master" },
	{ IFLA_NET_NS_PID, false, "Network namespaces are not supported: a router's links stay in the router" },
	{ IFLA_NET_NS_FD, false, "Network namespaces are not supported: a router's links stay in the router" },
	{ IFLA_TARGET_NETNSID, false, "Network namespaces are not supported: a router's links stay in the router" },
	{ IFLA_LINKMODE, true, "Link mode 'dormant' is not supported; use 'default'" },
	{ IFLA_VFINFO_LIST, false, "Virtual functions are configured at the host, not at the router" },
	{ IFLA_VF_PORTS, false, "Virtual functions are configured at the host, not at the router" },
	{ IFLA_XDP, false, "XDP programs are not supported" },
	{ IFLA_PROTO_DOWN, true, "Protodown not supported by device" },
	{ IFLA_PROTO_DOWN_REASON, false, "Protodown not supported by device" },
	{ IFLA_CARRIER, false, "The carrier is the device's: it cannot be set" },
	{ IFLA_OPERSTATE, false, "The operational state follows the carrier: it cannot be set" },
	{ IFLA_PROP_LIST, false, "Alternative names are not supported; use 'name'" },
	{ IFLA_AF_SPEC, false, "Settings of address families are not supported here; use sysctl" },
	{ IFLA_EVENT, false, "A link's events cannot be set" },
};

static int
check_refused(const struct nlattr **attrs, struct error *err)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const struct nlattr *attr = attrs[refused[i].attr];
		const uint8_t *bytes;
		uint16_t n;
		bool zero = true;

		if (attr == NULL)
			continue;
		n = mnl_attr_get_payload_len(attr);
		bytes = mnl_attr_get_payload(attr);
		for (uint16_t b = 0; b < n; b++)
			zero = zero && bytes[b] == 0;
		if (!zero || !refused[i].zero_is_fine)
			return error_set(err, EOPNOTSUPP, "%s", refused[i].refusal);
	}
	return 0;
}

static int
get_mac(const struct nlattr *attr, uint8_t mac[6], struct error *err)
{
	if (mnl_attr_get_payload_len(attr) != 6)
		return error_set(
			err, EINVAL, "A link-layer address has 6 bytes, not %u", mnl_attr_get_payload_len(attr));
	memcpy(mac, mnl_attr_get_payload(attr), 6);
	return 0;
}

/* A name that Linux would take: no slash, no blank, no colon; not a path's dots. */
static int
check_name(const char *name, struct error *err)
{
	if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return error_set(err, EINVAL, "\"%s\" cannot be the name of a link", name);
	for (const char *c = name; *c != '\0'; c++)
		if (*c == '/' || *c == ':' || (unsigned char)*c <= ' ' || *c == 0x7f)
			return error_set(err, EINVAL, "A link's name may not contain blanks, '/' or ':'");
	return 0;
}

static int
parse_flags(const struct ifinfomsg *info, struct link_change *change, struct error *err)
{
	const uint32_t settable = IFF_UP | IFF_NOARP | IFF_PROMISC | IFF_ALLMULTI | IFF_MULTICAST;
	/* Old clients send the whole word and no mask. */
	uint32_t mask = info->ifi_change != 0 ? info->ifi_change : ~0u;

	if (info->ifi_change != 0 &&
		(mask & (IFF_DEBUG | IFF_NOTRAILERS | IFF_DYNAMIC | IFF_PORTSEL | IFF_AUTOMEDIA)) & info->ifi_flags)
		return error_set(
			err, EOPNOTSUPP, "Only up, arp, promisc, allmulticast and multicast can be set on a link");
	mask &= settable;
	if ((info->ifi_flags != 0 || info->ifi_change != 0) && mask != 0) {
		change->what |= CHANGE_FLAGS;
		change->flags = info->ifi_flags & mask;
		change->flags_mask = mask;
	}
	return 0;
}

int
link_change_parse(
	const struct ifinfomsg *info, const struct nlattr **attrs, struct link_change *change, struct error *err)
{
	static const struct {
		uint16_t attr;
		unsigned int what;
	} given[] = {
		{ IFLA_IFNAME, CHANGE_NAME },
		{ IFLA_MTU, CHANGE_MTU },
		{ IFLA_ADDRESS, CHANGE_MAC },
		{ IFLA_BROADCAST, CHANGE_BROADCAST },
		{ IFLA_TXQLEN, CHANGE_TX_QUEUE_LEN },
		{ IFLA_IFALIAS, CHANGE_ALIAS },
		{ IFLA_GROUP, CHANGE_GROUP },
	};

	*change = (struct link_change){ 0 };
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
		if (attrs[given[i].attr] != NULL)
			change->what |= given[i].what;
	if (check_refused(attrs, err) < 0 || parse_flags(info, change, err) < 0 ||
		nl_get_u32(attrs[IFLA_MTU], 0, &change->mtu, "IFLA_MTU", err) < 0 ||
		nl_get_u32(attrs[IFLA_TXQLEN], 0, &change->tx_queue_len, "IFLA_TXQLEN", err) < 0 ||
		nl_get_u32(attrs[IFLA_GROUP], 0, &change->group, "IFLA_GROUP", err) < 0)
		return -err->code;
	if (change->what & CHANGE_NAME) {
		if (nl_get_string(attrs[IFLA_IFNAME], change->name, sizeof(change->name), "IFLA_IFNAME", err) < 0 ||
			check_name(change->name, err) < 0)
			return -err->code;
	}
	if ((change->what & CHANGE_ALIAS) &&
		nl_get_string(attrs[IFLA_IFALIAS], change->alias, sizeof(change->alias), "IFLA_IFALIAS", err) < 0)
		return -err->code;
	if ((change->what & CHANGE_MAC) && get_mac(attrs[IFLA_ADDRESS], change->mac, err) < 0)
		return -err->code;
	if ((change->what & CHANGE_BROADCAST) && get_mac(attrs[IFLA_BROADCAST], change->broadcast, err) < 0)
		return -err->code;
	if ((change->what & CHANGE_TX_QUEUE_LEN) && change->tx_queue_len > INT32_MAX)
		return error_set(err, ERANGE, "A transmit queue of %u packets is too long", change->tx_queue_len);
	return 0;
}

/* What the link has now of all that may change. */
static void
remember(const struct port *port, struct link_change *old)
{
	*old = (struct link_change){ .mtu = port->mtu,
		.tx_queue_len = port->tx_queue_len,
		.group = port->group,
		.flags = port->flags,
		.flags_mask = IFF_UP | IFF_NOARP | IFF_PROMISC | IFF_ALLMULTI | IFF_MULTICAST };
	memcpy(old->name, port->name, sizeof(old->name));
	memcpy(old->alias, port->alias, sizeof(old->alias));
	memcpy(old->mac, port->mac, sizeof(old->mac));
	memcpy(old->broadcast, port->broadcast_mac, sizeof(old->broadcast));
}

static int
set_mac(struct port *port, const uint8_t mac[6], struct error *err)
{
	static const uint8_t none[6];

	if ((mac[0] & 1) || memcmp(mac, none, sizeof(none)) == 0)
		return error_code(err, EADDRNOTAVAIL); /* a station's address is neither a group's nor zero */
	return port_set_mac(port, mac, err);
}

static int
set_flags(struct port *port, const struct link_change *change, struct error *err)
{
	int rc = port_set_flags(port, change->flags, change->flags_mask, err);

	if (rc == 0 && (port->flags & IFF_UP))
		port->activated = true;
	return rc;
}

static int
apply_one(struct port *port, const struct link_change *change, unsigned int what, struct error *err)
{
	switch (what) {
	case CHANGE_NAME:
		return strcmp(port->name, change->name) == 0 ? 0 : port_set_name(port, change->name, err);
	case CHANGE_MTU:
		if (port->min_mtu != 0 && change->mtu < port->min_mtu)
			return error_set(err, EINVAL, "mtu less than device minimum");
		if (port->max_mtu != 0 && change->mtu > port->max_mtu)
			return error_set(err, EINVAL, "mtu greater than device maximum");
		return change->mtu == port->mtu ? 0 : port_set_mtu(port, change->mtu, err);
	case CHANGE_MAC:
		return set_mac(port, change->mac, err);
	case CHANGE_BROADCAST:
		memcpy(port->broadcast_mac, change->broadcast, sizeof(port->broadcast_mac));
		return 0;
	case CHANGE_TX_QUEUE_LEN:
		return port_set_tx_queue_len(port, change->tx_queue_len, err);
	case CHANGE_ALIAS:
		memcpy(port->alias, change->alias, sizeof(port->alias));
		return 0;
	case CHANGE_GROUP:
		port->group = change->group;
		return 0;
	default: /* CHANGE_FLAGS */
		return set_flags(port, change, err);
	}
}

int
link_change_apply(struct port *port, const struct link_change *change, struct error *err)
{
	struct link_change old;
	unsigned int done = 0;

	remember(port, &old);
	for (unsigned int what = 1; what <= CHANGE_FLAGS; what <<= 1) {
		int rc = change->what & what ? apply_one(port, change, what, err) : 0;

		if (rc < 0) {
			for (unsigned int undo = what >> 1; undo != 0; undo >>= 1)
				if (done & undo)
					apply_one(port, &old, undo, NULL);
			return rc;
		}
		done |= change->what & what;
	}
	return 0;
}
