/* SPDX-License-Identifier: BSD-3-Clause */
/* netdevice(7): the ioctls by which older programs, and iproute2 here and there, ask for and set what a link has. */
#include <linux/sockios.h>
#include <net/if_arp.h>

#include "events.h"
#include "link_change.h"

static struct port *
named(void *context, struct ifreq *request)
{
	const struct control *control = context;

	request->ifr_name[IFNAMSIZ - 1] = '\0';
	return port_find_name(control->router, request->ifr_name);
}

static int
get_name(void *context, void *arg)
{
	const struct control *control = context;
	struct ifreq *request = arg;
	const struct port *port = port_find(control->router, (uint32_t)request->ifr_ifindex);

	if (port == NULL)
		return -ENODEV;
	memcpy(request->ifr_name, port->name, sizeof(request->ifr_name));
	return 0;
}

static int
get_index(void *context, void *arg)
{
	struct ifreq *request = arg;
	const struct port *port = named(context, request);

	if (port == NULL)
		return -ENODEV;
	request->ifr_ifindex = (int)port->ifindex;
	return 0;
}

static int
get_flags(void *context, void *arg)
{
	struct ifreq *request = arg;
	const struct port *port = named(context, request);

	if (port == NULL)
		return -ENODEV;
	request->ifr_flags = (short)link_flags(port); /* the low 16 bits are all there is room for */
	return 0;
}

static int
get_mtu(void *context, void *arg)
{
	struct ifreq *request = arg;
	const struct port *port = named(context, request);

	if (port == NULL)
		return -ENODEV;
	request->ifr_mtu = (int)port->mtu;
	return 0;
}

static int
get_queue_len(void *context, void *arg)
{
	struct ifreq *request = arg;
	const struct port *port = named(context, request);

	if (port == NULL)
		return -ENODEV;
	request->ifr_qlen = (int)port->tx_queue_len;
	return 0;
}

static int
get_hardware_address(void *context, void *arg)
{
	struct ifreq *request = arg;
	const struct port *port = named(context, request);

	if (port == NULL)
		return -ENODEV;
	memset(&request->ifr_hwaddr, 0, sizeof(request->ifr_hwaddr));
	request->ifr_hwaddr.sa_family = port->ops->arphrd;
	memcpy(request->ifr_hwaddr.sa_data, port->mac, sizeof(port->mac));
	return 0;
}

static int
change_link(void *context, struct ifreq *request, struct link_change *change)
{
	struct port *port = named(context, request);
	uint32_t before;
	int rc;

	if (port == NULL)
		return -ENODEV;
	before = link_flags(port);
	rc = link_change_apply(port, change, NULL);
	if (rc == 0)
		notify_link(port, before ^ link_flags(port));
	return rc;
}

static int
set_flags(void *context, void *arg)
{
	struct ifreq *request = arg;
	const uint32_t settable = IFF_UP | IFF_NOARP | IFF_PROMISC | IFF_ALLMULTI | IFF_MULTICAST;
	struct link_change change = {
		.what = CHANGE_FLAGS, .flags = (uint16_t)request->ifr_flags & settable, .flags_mask = settable
	};

	return change_link(context, request, &change);
}

static int
set_mtu(void *context, void *arg)
{
	struct ifreq *request = arg;
	struct link_change change = { .what = CHANGE_MTU, .mtu = (uint32_t)request->ifr_mtu };

	return request->ifr_mtu < 0 ? -EINVAL : change_link(context, request, &change);
}

static int
set_queue_len(void *context, void *arg)
{
	struct ifreq *request = arg;
	struct link_change change = { .what = CHANGE_TX_QUEUE_LEN, .tx_queue_len = (uint32_t)request->ifr_qlen };

	return request->ifr_qlen < 0 ? -EINVAL : change_link(context, request, &change);
}

static int
set_name(void *context, void *arg)
{
	struct ifreq *request = arg;
	struct link_change change = { .what = CHANGE_NAME };

	memcpy(change.name, request->ifr_newname, sizeof(change.name));
	change.name[sizeof(change.name) - 1] = '\0';
	if (change.name[0] == '\0' || strpbrk(change.name, "/: \t\n") != NULL)
		return -EINVAL;
	return change_link(context, request, &change);
}

static int
set_hardware_address(void *context, void *arg)
{
	struct ifreq *request = arg;
	struct link_change change = { .what = CHANGE_MAC };

	memcpy(change.mac, request->ifr_hwaddr.sa_data, sizeof(change.mac));
	return change_link(context, request, &change);
}

/*
 * What is behind the pointer stays with the caller: no ethtool command is served, and clients take that for "unknown".
 */
static int
ethtool(void *context, void *arg)
{
	return named(context, arg) == NULL ? -ENODEV : -EOPNOTSUPP;
}

static const struct nl_ioctl_handler link_ioctls[] = {
	{ SIOCGIFNAME, 0, sizeof(struct ifreq), get_name },
	{ SIOCGIFINDEX, 0, sizeof(struct ifreq), get_index },
	{ SIOCGIFFLAGS, 0, sizeof(struct ifreq), get_flags },
	{ SIOCGIFMTU, 0, sizeof(struct ifreq), get_mtu },
	{ SIOCGIFTXQLEN, 0, sizeof(struct ifreq), get_queue_len },
	{ SIOCGIFHWADDR, 0, sizeof(struct ifreq), get_hardware_address },
	{ SIOCSIFFLAGS, NL_WRITE, sizeof(struct ifreq), set_flags },
	{ SIOCSIFMTU, NL_WRITE, sizeof(struct ifreq), set_mtu },
	{ SIOCSIFTXQLEN, NL_WRITE, sizeof(struct ifreq), set_queue_len },
	{ SIOCSIFNAME, NL_WRITE, sizeof(struct ifreq), set_name },
	{ SIOCSIFHWADDR, NL_WRITE, sizeof(struct ifreq), set_hardware_address },
	{ SIOCETHTOOL, 0, sizeof(struct ifreq), ethtool },
};
NL_REGISTER_IOCTLS(link_ioctls)
