/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NETLINK_ROUTE sockets: what socket() returns is a connection to the router, and the calls on it behave as on a
 * netlink socket (netlink(7)).
 *
 * Of the other netlink protocols those that would change the host's network behind the back of a script that means the
 * router are refused (EPROTONOSUPPORT): netfilter (nft, iptables-nft), xfrm (ip xfrm), generic netlink (ip fou, wg,
 * ethtool -K, ...). The rest (uevents, audit, sock_diag for ss, ...) is left to the host. Socket options of
 * iptables-legacy are in netfilter.c.
 */
#include "shim/host.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>

#include "shim/links.h"
#include "shim/namespace.h"
#include "shim/netfilter.h"
#include "shim/router.h"
#include "shim/sockets.h"

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

int
socket_result(int code)
{
	if (code >= 0)
		return code;
	errno = -code;
	return -1;
}

/* Says hello; gives the descriptor of acknowledgements, or -errno. */
static int
send_frame(struct link *link, int fd, void *frame, size_t bytes, uint16_t type)
{
	struct nlmsghdr *header = frame;
	int code;

	header->nlmsg_len = (uint32_t)bytes;
	header->nlmsg_type = type;
	header->nlmsg_pid = FRAME_COOKIE + FRAME_VERSION;
	pthread_mutex_lock(&link->turn);
	code = HOST(send)(fd, frame, bytes, MSG_NOSIGNAL) < 0 ? -ECONNREFUSED : netlink_await_done(link);
	pthread_mutex_unlock(&link->turn);
	return code;
}

static int
greet(int connection)
{
	static bool said;
	struct frame_hello hello = {
		.header = { .nlmsg_len = sizeof(hello),
			.nlmsg_type = FRAME_HELLO,
			.nlmsg_pid = FRAME_COOKIE + FRAME_VERSION },
		.protocol = NETLINK_ROUTE,
		.pid = (uint32_t)getpid(),
	};
	struct frame_welcome welcome;
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	struct iovec part = { .iov_base = &welcome, .iov_len = sizeof(welcome) };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *rights;
	ssize_t length;
	int done_fd;

	if (HOST(send)(connection, &hello, sizeof(hello), MSG_NOSIGNAL) < 0)
		return -ECONNREFUSED;
	do
		length = HOST(recvmsg)(connection, &message, MSG_CMSG_CLOEXEC);
	while (length < 0 && errno == EINTR);
	if (length != (ssize_t)sizeof(welcome))
		return -ECONNREFUSED;
	if (welcome.header.nlmsg_pid != FRAME_COOKIE + FRAME_VERSION) {
		router_complain(&said,
			"weir: the router speaks version %u of the control protocol, this program %u: use one release",
			welcome.header.nlmsg_pid - FRAME_COOKIE, FRAME_VERSION);
		return -EPROTONOSUPPORT;
	}
	rights = CMSG_FIRSTHDR(&message);
	if (welcome.error != 0 || rights == NULL)
		return welcome.error != 0 ? -welcome.error : -EPROTONOSUPPORT;
	memcpy(&done_fd, CMSG_DATA(rights), sizeof(done_fd));
	return link_hide(done_fd);
}

static int
open_netlink(int type)
{
	int connection = router_connect();
	struct link *link;
	int done_fd;

	if (connection < 0)
		return socket_result(connection);
	done_fd = greet(connection);
	if (done_fd < 0) {
		HOST(close)(connection);
		return socket_result(done_fd);
	}
	if ((type & SOCK_CLOEXEC) == 0)
		HOST(fcntl)(connection, F_SETFD, 0);
	if ((type & SOCK_NONBLOCK) != 0)
		HOST(fcntl)(connection, F_SETFL, O_NONBLOCK);
	link = link_create(LINK_NETLINK, connection);
	if (link == NULL) {
		HOST(close)(done_fd);
		HOST(close)(connection);
		return socket_result(-ENOBUFS);
	}
	link->done_fd = done_fd;
	if (!link_add(link, connection)) {
		HOST(close)(connection);
		connection = -EMFILE;
	}
	link_put(link);
	return socket_result(connection);
}

EXPORT int
socket(int domain, int type, int protocol)
{
	int kind = type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
	static bool said;

	/* iptables-legacy's, which the router's user need not be root for. */
	if ((domain == AF_INET || domain == AF_INET6) && kind == SOCK_RAW && protocol == IPPROTO_RAW &&
		!namespace_was_left()) {
		int fd = HOST(socket)(domain, type, protocol);

		return fd >= 0 || (errno != EPERM && errno != EACCES) ? fd : netfilter_stand_in(type);
	}
	if (domain != AF_NETLINK || namespace_was_left() || (kind != SOCK_RAW && kind != SOCK_DGRAM))
		return HOST(socket)(domain, type, protocol);
	switch (protocol) {
	case NETLINK_ROUTE:
		return open_netlink(type);
	case NETLINK_NETFILTER:
		router_complain(&said, "weir: the router's packet filter is iptables-legacy's: it does not speak to "
				       "nft, iptables-nft and the like (the host's was not touched)");
		return socket_result(-EPROTONOSUPPORT);
	case NETLINK_XFRM:
	case NETLINK_GENERIC:
		return socket_result(-EPROTONOSUPPORT);
	default:
		return HOST(socket)(domain, type, protocol);
	}
}

EXPORT int
bind(int fd, const struct sockaddr *address, socklen_t length)
{
	struct link *link = link_find(fd, LINK_NETLINK);
	const struct sockaddr_nl *netlink = (const struct sockaddr_nl *)(const void *)address;
	struct frame_bind frame = { 0 };
	int code;

	if (link == NULL)
		return HOST(bind)(fd, address, length);
	if (length < sizeof(*netlink) || netlink->nl_family != AF_NETLINK) {
		code = -EINVAL;
	} else {
		frame.port = netlink->nl_pid;
		frame.groups = netlink->nl_groups;
		code = send_frame(link, fd, &frame, sizeof(frame), FRAME_BIND);
		if (code == 0)
			for (unsigned int group = 1; group <= 32; group++) {
				uint32_t bit = 1u << group % 32;

				link->groups[group / 32] &= ~bit;
				link->groups[group / 32] |= (frame.groups >> (group - 1) & 1) != 0 ? bit : 0;
			}
	}
	link_put(link);
	return socket_result(code);
}

EXPORT int
connect(int fd, const struct sockaddr *address, socklen_t length)
{
	struct link *link = link_find(fd, LINK_NETLINK);

	if (link == NULL)
		return HOST(connect)(fd, address, length);
	link_put(link);
	/* To the kernel, that is: where it is connected already. */
	if (length < sizeof(sa_family_t) || (address->sa_family != AF_NETLINK && address->sa_family != AF_UNSPEC))
		return socket_result(-EINVAL);
	return 0;
}

void
netlink_fill_name(struct sockaddr *name, socklen_t *length, uint32_t port, uint32_t groups)
{
	struct sockaddr_nl netlink = { .nl_family = AF_NETLINK, .nl_pid = port, .nl_groups = groups };

	if (name != NULL && length != NULL) {
		memcpy(name, &netlink, *length < sizeof(netlink) ? *length : sizeof(netlink));
		*length = sizeof(netlink);
	}
}

EXPORT int
getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
	struct link *link = link_find(fd, LINK_NETLINK);

	if (link == NULL)
		return HOST(getsockname)(fd, address, length);
	netlink_fill_name(address, length, link->port, link->groups[0] >> 1 | (link->groups[1] & 1) << 31);
	link_put(link);
	return 0;
}

EXPORT int
getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
	struct link *link = link_find(fd, LINK_NETLINK);

	if (link == NULL)
		return HOST(getpeername)(fd, address, length);
	netlink_fill_name(address, length, 0, 0);
	link_put(link);
	return 0;
}

static int
set_netlink_option(struct link *link, int fd, int name, const void *value, socklen_t length)
{
	struct frame_option frame = { .name = name };
	int code;

	if (length < sizeof(int))
		return -EINVAL;
	memcpy(&frame.value, value, sizeof(int));
	code = send_frame(link, fd, &frame, sizeof(frame), FRAME_OPTION);
	if (code != 0)
		return code;
	if (name == NETLINK_ADD_MEMBERSHIP)
		link->groups[frame.value / 32] |= 1u << frame.value % 32;
	else if (name == NETLINK_DROP_MEMBERSHIP)
		link->groups[frame.value / 32] &= ~(1u << frame.value % 32);
	else if (frame.value != 0)
		link->options |= 1u << name;
	else
		link->options &= ~(1u << name);
	return 0;
}

EXPORT int
setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	struct link *link = link_find(fd, LINK_NETLINK);
	int code;

	if (link == NULL && netfilter_has_option(level, name, true) && !namespace_was_left())
		return netfilter_set(level, name, value, length);
	if (link == NULL)
		return HOST(setsockopt)(fd, level, name, value, length);
	if (level == SOL_NETLINK)
		code = socket_result(set_netlink_option(link, fd, name, value, length));
	else if (level == SOL_SOCKET && (name == SO_SNDBUF || name == SO_SNDBUFFORCE))
		code = 0; /* On AF_UNIX it would bound the size of a request; netlink has no such bound. */
	else
		code = HOST(setsockopt)(fd, level, name, value, length);
	link_put(link);
	return code;
}

static int
give_option(const void *from, size_t bytes, void *value, socklen_t *length)
{
	memcpy(value, from, *length < bytes ? *length : bytes);
	*length = (socklen_t)bytes;
	return 0;
}

EXPORT int
getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
	struct link *link = link_find(fd, LINK_NETLINK);
	int number = -1, code;

	if (link == NULL && netfilter_has_option(level, name, false) && !namespace_was_left())
		return netfilter_get(level, name, value, length);
	if (link == NULL)
		return HOST(getsockopt)(fd, level, name, value, length);
	if (level == SOL_SOCKET && name == SO_DOMAIN)
		number = AF_NETLINK;
	else if (level == SOL_SOCKET && name == SO_PROTOCOL)
		number = NETLINK_ROUTE;
	else if (level == SOL_SOCKET && name == SO_TYPE)
		number = SOCK_RAW;
	else if (level == SOL_NETLINK && name > 0 && name < 32 && name != NETLINK_LIST_MEMBERSHIPS)
		number = (link->options >> name & 1) != 0;
	if (number >= 0) {
		code = give_option(&number, sizeof(number), value, length);
	} else if (level == SOL_NETLINK && name == NETLINK_LIST_MEMBERSHIPS) {
		uint32_t groups[4];

		/* Here bit 0 of the first word is group 1. */
		for (unsigned int i = 0; i < 4; i++)
			groups[i] = link->groups[i] >> 1 | (i < 3 ? (link->groups[i + 1] & 1) << 31 : 0);
		code = give_option(groups, sizeof(groups), value, length);
	} else {
		code = HOST(getsockopt)(fd, level, name, value, length);
	}
	link_put(link);
	return code;
}
