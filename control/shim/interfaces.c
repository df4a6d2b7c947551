/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interfaces by ioctl and by the library calls that libc makes of netlink or ioctl inside, where its own calls do not
 * come by here: if_nametoindex(3), if_nameindex(3), getifaddrs(3).
 */
#include "shim/host.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/if_tunnel.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>

#include "shim/namespace.h"
#include "shim/router.h"

/* Requests that name interfaces, addresses, routes, neighbours, bridges or tunnels; see linux/sockios.h. */
static bool
is_routed(unsigned long request)
{
	return (request >= 0x8910 && request <= 0x8949) || request == SIOCGIFMAP || request == SIOCSIFMAP ||
	       request == SIOCADDDLCI || request == SIOCGIFVLAN || request == SIOCSIFVLAN ||
	       (request >= SIOCBRADDBR && request <= SIOCBRDELIF) ||
	       (request >= SIOCDEVPRIVATE && request <= SIOCDEVPRIVATE + 12);
}

/* How much of ifr_data goes with the request: ethtool's commands that read, by the first word of what it points at. */
static size_t
data_bytes(unsigned long request, const void *data)
{
	uint32_t command;

	if (request >= SIOCGETTUNNEL && request <= SIOCCHGTUNNEL)
		return sizeof(struct ip_tunnel_parm);
	if (request != SIOCETHTOOL)
		return 0;
	memcpy(&command, data, sizeof(command));
	switch (command) {
	case 0x01: /* ETHTOOL_GSET */
		return 44;
	case 0x03: /* ETHTOOL_GDRVINFO */
		return 196;
	case 0x0a: /* ETHTOOL_GLINK */
		return 8;
	default:
		return sizeof(command);
	}
}

static size_t
argument_bytes(unsigned long request)
{
	switch (request) {
	case SIOCADDRT:
	case SIOCDELRT:
		return 120; /* struct rtentry */
	case SIOCGARP:
	case SIOCSARP:
	case SIOCDARP:
		return sizeof(struct arpreq);
	case SIOCBRADDBR:
	case SIOCBRDELBR:
		return IFNAMSIZ;
	default:
		return sizeof(struct ifreq);
	}
}

static int
routed_ioctl(unsigned long request, void *argument)
{
	union {
		struct frame_ioctl frame;
		char room[sizeof(struct frame_ioctl) + FRAME_IOCTL_MAX];
	} ask = { .frame.request = request };
	struct router_answer answer;
	size_t bytes = argument_bytes(request);
	struct ifreq *interface = argument;
	size_t extra = 0;
	int connection, code;

	if (request == SIOCETHTOOL || (request >= SIOCGETTUNNEL && request <= SIOCCHGTUNNEL))
		extra = data_bytes(request, interface->ifr_data);
	memcpy(ask.frame.argument, argument, bytes);
	if (extra != 0)
		memcpy(ask.frame.argument + bytes, interface->ifr_data, extra);
	ask.frame.header.nlmsg_len = (uint32_t)(sizeof(ask.frame) + bytes + extra);
	ask.frame.header.nlmsg_type = FRAME_IOCTL;
	ask.frame.header.nlmsg_pid = FRAME_COOKIE + FRAME_VERSION;
	connection = router_connect();
	if (connection < 0)
		return connection;
	code = router_exchange(connection, &ask, ask.frame.header.nlmsg_len, &answer);
	close(connection);
	if (code != 0)
		return code;
	if (answer.error != 0)
		return request == SIOCETHTOOL && answer.error == ENOTTY ? -EOPNOTSUPP : -answer.error;
	if (extra != 0) {
		void *data = interface->ifr_data;

		if (answer.bytes >= bytes + extra)
			memcpy(data, answer.text + bytes, extra);
		memcpy(argument, answer.text, bytes);
		interface->ifr_data = data;
	} else {
		memcpy(argument, answer.text, answer.bytes < bytes ? answer.bytes : bytes);
	}
	return 0;
}

/*
 * One netlink request on a connection of its own; calls each(arg, message) for every message of the answer. 0 or
 * -errno.
 */
static int
ask_netlink(void *request, size_t bytes, void (*each)(void *arg, struct nlmsghdr *message), void *arg)
{
	struct nlmsghdr *header = request;
	bool dump = (header->nlmsg_flags & NLM_F_DUMP) != 0;
	char *buffer = malloc(FRAME_BYTES_MAX);
	int connection = buffer != NULL ? router_connect() : -ENOMEM;
	int code = connection < 0 ? connection : 1;

	header->nlmsg_len = (uint32_t)bytes;
	if (code > 0 && send(connection, request, bytes, MSG_NOSIGNAL) < 0)
		code = -ECONNREFUSED;
	while (code > 0) {
		ssize_t left = recv(connection, buffer, FRAME_BYTES_MAX, 0);
		struct nlmsghdr *message = (struct nlmsghdr *)(void *)buffer;

		if (left < 0 && errno == EINTR)
			continue;
		if (left <= 0)
			code = -ECONNREFUSED;
		for (; code > 0 && NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
			if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) {
				memcpy(&code, NLMSG_DATA(message), sizeof(code));
				code = code > 0 ? 0 : code;
				break;
			}
			each(arg, message);
			if (!dump)
				code = 0;
		}
	}
	if (connection >= 0)
		close(connection);
	free(buffer);
	return code;
}

/* The attribute's value, at least `bytes` long, or NULL. */
static const void *
find_attribute(struct nlmsghdr *message, size_t header_bytes, uint16_t type, size_t bytes)
{
	int left = (int)message->nlmsg_len - (int)NLMSG_SPACE(header_bytes);
	struct rtattr *attribute = (struct rtattr *)(void *)((char *)NLMSG_DATA(message) + NLMSG_ALIGN(header_bytes));

	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left))
		if ((attribute->rta_type & NLA_TYPE_MASK) == type && RTA_PAYLOAD(attribute) >= bytes)
			return RTA_DATA(attribute);
	return NULL;
}

struct interface {
	unsigned int index;
	char name[IF_NAMESIZE];
};

static void
note_interface(void *arg, struct nlmsghdr *message)
{
	const struct ifinfomsg *info = NLMSG_DATA(message);
	const char *name = find_attribute(message, sizeof(*info), IFLA_IFNAME, 1);
	struct interface *interface = arg;

	if (message->nlmsg_type != RTM_NEWLINK)
		return;
	interface->index = (unsigned int)info->ifi_index;
	if (name != NULL)
		strncpy(interface->name, name, sizeof(interface->name) - 1);
}

struct link_request {
	struct nlmsghdr header;
	struct ifinfomsg info;
	struct rtattr attribute;
	char name[IF_NAMESIZE];
};

EXPORT unsigned int
if_nametoindex(const char *name)
{
	struct link_request request = {
		.header = { .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST },
		.attribute = { .rta_len = RTA_LENGTH(IF_NAMESIZE), .rta_type = IFLA_IFNAME },
	};
	struct interface interface = { 0 };
	int code;

	if (namespace_was_left())
		return HOST(if_nametoindex)(name);
	if (strlen(name) >= sizeof(request.name)) {
		errno = ENODEV;
		return 0;
	}
	memcpy(request.name, name, strlen(name));
	request.attribute.rta_len = (unsigned short)RTA_LENGTH(strlen(name) + 1);
	code = ask_netlink(&request, NLMSG_SPACE(sizeof(request.info)) + RTA_ALIGN(request.attribute.rta_len),
		note_interface, &interface);
	if (code != 0)
		errno = -code;
	return code == 0 ? interface.index : 0;
}

EXPORT char *
if_indextoname(unsigned int index, char name[IF_NAMESIZE])
{
	struct link_request request = {
		.header = { .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST },
		.info = { .ifi_index = (int)index },
	};
	struct interface interface = { 0 };
	int code = -ENODEV;

	if (namespace_was_left())
		return HOST(if_indextoname)(index, name);
	if (index != 0)
		code = ask_netlink(&request, NLMSG_SPACE(sizeof(request.info)), note_interface, &interface);

	if (code != 0 || interface.name[0] == '\0') {
		errno = code == -ENODEV || code == 0 ? ENXIO : -code;
		return NULL;
	}
	return strcpy(name, interface.name);
}

/* A growing list of what a dump gives. */
struct collection {
	size_t count;
	size_t bytes; /* of one item */
	char *items;
};

static void *
collect(struct collection *collection)
{
	char *items = realloc(collection->items, (collection->count + 1) * collection->bytes);

	if (items == NULL)
		abort();
	collection->items = items;
	items += collection->count++ * collection->bytes;
	memset(items, 0, collection->bytes);
	return items;
}

static int
dump(uint16_t type, void (*each)(void *arg, struct nlmsghdr *message), void *arg)
{
	struct {
		struct nlmsghdr header;
		union {
			struct ifinfomsg link;
			struct ifaddrmsg address;
		} body;
	} request = { .header = { .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP } };

	return ask_netlink(&request, sizeof(request), each, arg);
}

static void
collect_interface(void *arg, struct nlmsghdr *message)
{
	if (message->nlmsg_type == RTM_NEWLINK)
		note_interface(collect(arg), message);
}

/*
 * The lists are made as glibc makes them (names on their own here, one block for getifaddrs), so that either side's
 * function can free them.
 */
EXPORT struct if_nameindex *
if_nameindex(void)
{
	struct collection found = { .bytes = sizeof(struct interface) };
	const struct interface *interfaces;
	struct if_nameindex *list = NULL;
	int code;

	if (namespace_was_left())
		return HOST(if_nameindex)();
	code = dump(RTM_GETLINK, collect_interface, &found);
	interfaces = (const struct interface *)(const void *)found.items;
	if (code == 0)
		list = calloc(found.count + 1, sizeof(*list));
	else
		errno = -code;
	for (size_t i = 0; list != NULL && i < found.count; i++) {
		list[i].if_index = interfaces[i].index;
		list[i].if_name = strdup(interfaces[i].name);
	}
	free(found.items);
	return list;
}

EXPORT void
if_freenameindex(struct if_nameindex *list)
{
	for (struct if_nameindex *item = list; item != NULL && item->if_name != NULL; item++)
		free(item->if_name);
	free(list);
}

/* An entry of getifaddrs with all that it points to. */
struct address {
	struct ifaddrs entry;
	unsigned int index;
	char name[IF_NAMESIZE];
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_ll packet;
	} own, mask, other;
	struct rtnl_link_stats statistics;
};

static void
collect_link(void *arg, struct nlmsghdr *message)
{
	const struct ifinfomsg *info = NLMSG_DATA(message);
	const struct rtnl_link_stats *statistics =
		find_attribute(message, sizeof(*info), IFLA_STATS, sizeof(*statistics));
	const void *address = find_attribute(message, sizeof(*info), IFLA_ADDRESS, ETH_ALEN);
	const void *broadcast = find_attribute(message, sizeof(*info), IFLA_BROADCAST, ETH_ALEN);
	struct interface interface = { 0 };
	struct address *item;

	if (message->nlmsg_type != RTM_NEWLINK)
		return;
	note_interface(&interface, message);
	item = collect(arg);
	item->index = interface.index;
	memcpy(item->name, interface.name, sizeof(item->name));
	item->entry.ifa_flags = info->ifi_flags;
	item->own.packet = (struct sockaddr_ll){
		.sll_family = AF_PACKET,
		.sll_ifindex = info->ifi_index,
		.sll_hatype = info->ifi_type,
		.sll_halen = address != NULL ? ETH_ALEN : 0,
	};
	item->other.packet = item->own.packet;
	if (address != NULL)
		memcpy(item->own.packet.sll_addr, address, ETH_ALEN);
	if (broadcast != NULL)
		memcpy(item->other.packet.sll_addr, broadcast, ETH_ALEN);
	if (statistics != NULL)
		memcpy(&item->statistics, statistics, sizeof(*statistics));
}

static void
fill_mask(struct in6_addr *mask, unsigned int bits)
{
	memset(mask, 0, sizeof(*mask));
	memset(mask, 0xff, bits / 8);
	if (bits % 8 != 0)
		mask->s6_addr[bits / 8] = (uint8_t)(0xff00 >> bits % 8);
}

static void
collect_address(void *arg, struct nlmsghdr *message)
{
	const struct ifaddrmsg *info = NLMSG_DATA(message);
	size_t bytes = info->ifa_family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
	const void *local = find_attribute(message, sizeof(*info), IFA_LOCAL, bytes);
	const void *address = find_attribute(message, sizeof(*info), IFA_ADDRESS, bytes);
	const void *broadcast = find_attribute(message, sizeof(*info), IFA_BROADCAST, bytes);
	struct address *item;

	if (message->nlmsg_type != RTM_NEWADDR || (info->ifa_family != AF_INET && info->ifa_family != AF_INET6) ||
		(local == NULL && address == NULL) || info->ifa_prefixlen > 8 * bytes)
		return;
	item = collect(arg);
	item->index = info->ifa_index;
	item->own.any.sa_family = item->mask.any.sa_family = info->ifa_family;
	if (local == NULL)
		local = address;
	if (info->ifa_family == AF_INET6) {
		memcpy(&item->own.in6.sin6_addr, local, bytes);
		if (IN6_IS_ADDR_LINKLOCAL(&item->own.in6.sin6_addr))
			item->own.in6.sin6_scope_id = info->ifa_index;
		fill_mask(&item->mask.in6.sin6_addr, info->ifa_prefixlen);
		return;
	}
	memcpy(&item->own.in.sin_addr, local, bytes);
	item->mask.in.sin_addr.s_addr = htonl((uint32_t)(UINT64_MAX << (32 - info->ifa_prefixlen)));
	if (broadcast == NULL && memcmp(local, address != NULL ? address : local, bytes) != 0)
		broadcast = address; /* the peer's, of a point-to-point link */
	if (broadcast != NULL) {
		item->other.any.sa_family = AF_INET;
		memcpy(&item->other.in.sin_addr, broadcast, bytes);
	}
}

/* An address knows its link by number only: the name and the flags are in the link's entry. */
static void
complete(struct address *items, size_t links, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct ifaddrs *entry = &items[i].entry;

		for (size_t j = 0; i >= links && j < links; j++)
			if (items[j].index == items[i].index) {
				memcpy(items[i].name, items[j].name, sizeof(items[i].name));
				entry->ifa_flags = items[j].entry.ifa_flags;
			}
		entry->ifa_next = i + 1 < count ? &items[i + 1].entry : NULL;
		entry->ifa_name = items[i].name;
		entry->ifa_addr = &items[i].own.any;
		entry->ifa_netmask = i >= links ? &items[i].mask.any : NULL;
		if (items[i].other.any.sa_family != 0)
			entry->ifa_broadaddr = &items[i].other.any;
		entry->ifa_data = i < links ? &items[i].statistics : NULL;
	}
}

EXPORT int
getifaddrs(struct ifaddrs **list)
{
	struct collection found = { .bytes = sizeof(struct address) };
	size_t links;
	int code;

	if (namespace_was_left())
		return HOST(getifaddrs)(list);
	code = dump(RTM_GETLINK, collect_link, &found);
	links = found.count;
	if (code == 0)
		code = dump(RTM_GETADDR, collect_address, &found);
	if (code != 0) {
		free(found.items);
		errno = -code;
		return -1;
	}
	complete((struct address *)(void *)found.items, links, found.count);
	*list = (struct ifaddrs *)(void *)found.items; /* its first member is the first item's */
	return 0;
}

EXPORT void
freeifaddrs(struct ifaddrs *list)
{
	free(list);
}

/* SIOCGIFCONF: the IPv4 addresses, as many as the program has room for. */
static int
list_addresses(struct ifconf *list)
{
	size_t room = list->ifc_req != NULL ? (size_t)list->ifc_len / sizeof(struct ifreq) : SIZE_MAX;
	struct ifaddrs *addresses;
	size_t count = 0;

	if (getifaddrs(&addresses) != 0)
		return -1;
	for (const struct ifaddrs *a = addresses; a != NULL && count < room; a = a->ifa_next) {
		if (a->ifa_addr->sa_family != AF_INET)
			continue;
		if (list->ifc_req != NULL) {
			memset(&list->ifc_req[count], 0, sizeof(struct ifreq));
			memcpy(list->ifc_req[count].ifr_name, a->ifa_name, IFNAMSIZ);
			list->ifc_req[count].ifr_addr = *a->ifa_addr;
		}
		count++;
	}
	list->ifc_len = (int)(count * sizeof(struct ifreq));
	freeifaddrs(addresses);
	return 0;
}

EXPORT int
ioctl(int fd, unsigned long request, ...)
{
	static bool said;
	va_list args;
	void *argument;
	int code;

	va_start(args, request);
	argument = va_arg(args, void *);
	va_end(args);
	/* `ip tuntap`: without it a program's tap goes with the program. */
	if (request == TUNSETPERSIST && !namespace_was_left()) {
		router_complain(&said,
			"weir: the router makes no taps; weird --port NAME=net_tap0,iface=TAP has one of the "
			"host's (the host was not touched)");
		errno = EOPNOTSUPP;
		return -1;
	}
	if (!is_routed(request) || argument == NULL || namespace_was_left())
		return HOST(ioctl)(fd, request, argument);
	if (request == SIOCGIFCONF)
		return list_addresses(argument);
	code = routed_ioctl(request, argument);
	if (code == 0)
		return 0;
	errno = -code;
	return -1;
}
