/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * NETLINK_ROUTE sockets: what socket() returns is a connection to the router, and the calls on it behave as on a netlink
 * socket (netlink(7)).
 *
 * Of the other netlink protocols those that would change the host's network behind the back of a script that means the
 * router are refused (EPROTONOSUPPORT): netfilter (nft, iptables-nft), xfrm (ip xfrm), generic netlink (ip fou, wg, ethtool
 * -K, ...). The rest (uevents, audit, sock_diag for ss, ...) is left to the host. iptables-legacy's socket options are
 * refused for the same reason.
 */
#include "shim/host.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <linux/netlink.h>

#include "shim/files.h"
#include "shim/links.h"
#include "shim/namespace.h"
#include "shim/router.h"

enum {
	WATCH_NS = 50 * 1000, /* for an answer, before sleep */
};

#ifndef SOL_NETLINK
#define SOL_NETLINK 270
#endif

static uint64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/*
 * The router's word that a datagram was served: 0 or -errno. The caller holds link->turn. Most answers come in less time
 * than it takes to sleep and be woken: they are watched for first, and the CPU offered to the router meanwhile.
 */
static int
await_done(struct link *link)
{
	uint64_t begin = now_ns();
	struct frame_done done;
	ssize_t length;

	if (link->done_fd < 0)
		return -ECONNREFUSED;
	do {
		length = HOST(recv)(link->done_fd, &done, sizeof(done), MSG_DONTWAIT);
		if (length < 0)
			sched_yield();
	} while (length < 0 && errno == EAGAIN && now_ns() - begin < WATCH_NS);
	while (length < 0 && (errno == EINTR || errno == EAGAIN))
		length = HOST(recv)(link->done_fd, &done, sizeof(done), 0);
	if (length != (ssize_t)sizeof(done))
		return -ECONNREFUSED;
	link->port = done.port;
	return -done.error;
}

static int
send_frame(struct link *link, int fd, void *frame, size_t bytes, uint16_t type)
{
	struct nlmsghdr *header = frame;
	int code;

	header->nlmsg_len = (uint32_t)bytes;
	header->nlmsg_type = type;
	header->nlmsg_pid = FRAME_COOKIE + FRAME_VERSION;
	pthread_mutex_lock(&link->turn);
	code = HOST(send)(fd, frame, bytes, MSG_NOSIGNAL) < 0 ? -ECONNREFUSED : await_done(link);
	pthread_mutex_unlock(&link->turn);
	return code;
}

static int
result(int code)
{
	if (code >= 0)
		return code;
	errno = -code;
	return -1;
}

/* Says hello; gives the descriptor of acknowledgements, or -errno. */
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
		return result(connection);
	done_fd = greet(connection);
	if (done_fd < 0) {
		HOST(close)(connection);
		return result(done_fd);
	}
	if ((type & SOCK_CLOEXEC) == 0)
		HOST(fcntl)(connection, F_SETFD, 0);
	if ((type & SOCK_NONBLOCK) != 0)
		HOST(fcntl)(connection, F_SETFL, O_NONBLOCK);
	link = link_create(LINK_NETLINK, connection);
	if (link == NULL) {
		HOST(close)(done_fd);
		HOST(close)(connection);
		return result(-ENOBUFS);
	}
	link->done_fd = done_fd;
	if (!link_add(link, connection)) {
		HOST(close)(connection);
		connection = -EMFILE;
	}
	link_put(link);
	return result(connection);
}

EXPORT int
socket(int domain, int type, int protocol)
{
	int kind = type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (domain != AF_NETLINK || namespace_was_left() || (kind != SOCK_RAW && kind != SOCK_DGRAM))
		return HOST(socket)(domain, type, protocol);
	switch (protocol) {
	case NETLINK_ROUTE:
		return open_netlink(type);
	case NETLINK_NETFILTER:
	case NETLINK_XFRM:
	case NETLINK_GENERIC:
		return result(-EPROTONOSUPPORT);
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
	return result(code);
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
		return result(-EINVAL);
	return 0;
}

static void
fill_name(struct sockaddr *name, socklen_t *length, uint32_t port, uint32_t groups)
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
	fill_name(address, length, link->port, link->groups[0] >> 1 | (link->groups[1] & 1) << 31);
	link_put(link);
	return 0;
}

EXPORT int
getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
	struct link *link = link_find(fd, LINK_NETLINK);

	if (link == NULL)
		return HOST(getpeername)(fd, address, length);
	fill_name(address, length, 0, 0);
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

/* The options that load tables into the host's iptables, ip6tables, arptables and ebtables: SO_SET_REPLACE, ADD_COUNTERS. */
static bool
loads_tables(int level, int name)
{
	return (level == IPPROTO_IP &&
		       (name == 64 || name == 65 || name == 96 || name == 97 || name == 128 || name == 129)) ||
	       (level == IPPROTO_IPV6 && (name == 64 || name == 65));
}

EXPORT int
setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	struct link *link = link_find(fd, LINK_NETLINK);
	static bool said;
	int code;

	if (link == NULL && loads_tables(level, name) && !namespace_was_left()) {
		router_complain(&said, "weir: this router has no iptables; nothing was changed, here or on the host");
		return result(-ENOPROTOOPT);
	}
	if (link == NULL)
		return HOST(setsockopt)(fd, level, name, value, length);
	if (level == SOL_NETLINK)
		code = result(set_netlink_option(link, fd, name, value, length));
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

static bool
asks_for_dump(const struct msghdr *message)
{
	struct nlmsghdr header;

	if (message->msg_iovlen == 0 || message->msg_iov[0].iov_len < sizeof(header))
		return false;
	memcpy(&header, message->msg_iov[0].iov_base, sizeof(header));
	return header.nlmsg_type >= NLMSG_MIN_TYPE && (header.nlmsg_type & 3) == 2 &&
	       (header.nlmsg_flags & NLM_F_DUMP) != 0;
}

static ssize_t
send_message(struct link *link, int fd, const struct msghdr *message, int flags)
{
	const struct sockaddr_nl *to = message->msg_name;
	struct msghdr bare = { .msg_iov = message->msg_iov, .msg_iovlen = message->msg_iovlen };
	ssize_t sent;
	int code;

	/* To the kernel only: there is no other process to be reached. */
	if (to != NULL && message->msg_namelen >= sizeof(*to) && to->nl_pid != 0)
		return result(-ECONNREFUSED);
	pthread_mutex_lock(&link->turn);
	sent = HOST(sendmsg)(fd, &bare, flags | MSG_NOSIGNAL);
	code = sent >= 0 ? await_done(link) : -errno;
	if (code == 0 && asks_for_dump(message))
		link->dumping = true;
	pthread_mutex_unlock(&link->turn);
	if (code == -EPIPE || code == -ECONNRESET || code == -ENOTCONN)
		code = -ECONNREFUSED;
	return code == 0 ? sent : result(code);
}

EXPORT ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct link *link = link_find(fd, LINK_NETLINK);
	ssize_t sent;

	if (link == NULL)
		return HOST(sendmsg)(fd, message, flags);
	sent = send_message(link, fd, message, flags);
	link_put(link);
	return sent;
}

EXPORT ssize_t
sendto(int fd, const void *data, size_t bytes, int flags, const struct sockaddr *to, socklen_t length)
{
	struct link *link = link_find(fd, LINK_NETLINK);
	struct iovec part = { .iov_base = (void *)(uintptr_t)data, .iov_len = bytes };
	struct msghdr message = {
		.msg_name = (void *)(uintptr_t)to,
		.msg_namelen = length,
		.msg_iov = &part,
		.msg_iovlen = 1,
	};
	ssize_t sent;

	if (link == NULL)
		return HOST(sendto)(fd, data, bytes, flags, to, length);
	sent = send_message(link, fd, &message, flags);
	link_put(link);
	return sent;
}

EXPORT ssize_t
send(int fd, const void *data, size_t bytes, int flags)
{
	struct link *link = link_find(fd, LINK_NETLINK);

	if (link == NULL)
		return HOST(send)(fd, data, bytes, flags);
	link_put(link);
	return sendto(fd, data, bytes, flags, NULL, 0);
}

EXPORT ssize_t
write(int fd, const void *data, size_t bytes)
{
	struct link *link = link_find(fd, LINK_NETLINK);

	if (link != NULL) {
		link_put(link);
		return sendto(fd, data, bytes, 0, NULL, 0);
	}
	link = link_find(fd, LINK_FILE);
	if (link != NULL) {
		ssize_t written = file_write(link, fd, data, bytes);

		link_put(link);
		return written;
	}
	return HOST(write)(fd, data, bytes);
}

EXPORT ssize_t
writev(int fd, const struct iovec *parts, int count)
{
	struct msghdr message = { .msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)count };
	struct link *link = link_find(fd, LINK_NETLINK);

	if (link != NULL) {
		link_put(link);
		return sendmsg(fd, &message, 0);
	}
	link = link_find(fd, LINK_FILE);
	if (link != NULL) {
		ssize_t written = file_writev(link, fd, parts, count);

		link_put(link);
		return written;
	}
	return HOST(writev)(fd, parts, count);
}

EXPORT int
sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags)
{
	struct link *link = link_find(fd, LINK_NETLINK);
	unsigned int i;

	if (link == NULL)
		return HOST(sendmmsg)(fd, messages, count, flags);
	for (i = 0; i < count; i++) {
		ssize_t sent = send_message(link, fd, &messages[i].msg_hdr, flags);

		if (sent < 0)
			break;
		messages[i].msg_len = (unsigned int)sent;
	}
	link_put(link);
	return i != 0 || count == 0 ? (int)i : -1;
}

/* Whether a received datagram holds the end of the dump that was asked for. */
static bool
ends_dump(const struct msghdr *message, size_t bytes)
{
	size_t at = 0;

	if (message->msg_iovlen != 1)
		return true; /* cannot be told: better no wait than one without end */
	if (bytes > message->msg_iov[0].iov_len)
		bytes = message->msg_iov[0].iov_len;
	while (at + sizeof(struct nlmsghdr) <= bytes) {
		struct nlmsghdr header;

		memcpy(&header, (const char *)message->msg_iov[0].iov_base + at, sizeof(header));
		if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR)
			return true;
		if (header.nlmsg_len < sizeof(header))
			break;
		at += NLMSG_ALIGN((size_t)header.nlmsg_len);
	}
	return false;
}

static bool
is_overrun(const struct msghdr *message, ssize_t bytes)
{
	struct nlmsghdr header;

	if (bytes != (ssize_t)sizeof(header) || message->msg_iovlen == 0 ||
		message->msg_iov[0].iov_len < sizeof(header))
		return false;
	memcpy(&header, message->msg_iov[0].iov_base, sizeof(header));
	return header.nlmsg_type == FRAME_OVERRUN;
}

static ssize_t
receive_message(struct link *link, int fd, struct msghdr *message, int flags)
{
	struct msghdr bare = { .msg_iov = message->msg_iov, .msg_iovlen = message->msg_iovlen };
	ssize_t bytes;

	for (;;) {
		struct pollfd readable = { .fd = fd, .events = POLLIN };

		bytes = HOST(recvmsg)(fd, &bare, flags);
		/* On netlink the first part of a dump is there when send() returns, and each next one when it is asked for. */
		if (bytes >= 0 || errno != EAGAIN || !link->dumping || HOST(poll)(&readable, 1, -1) < 0)
			break;
	}
	if (bytes < 0)
		return bytes;
	if (is_overrun(&bare, bytes)) {
		char frame[sizeof(struct nlmsghdr)];

		if ((flags & MSG_PEEK) != 0)
			HOST(recv)(fd, frame, sizeof(frame), MSG_DONTWAIT);
		return result(-ENOBUFS);
	}
	if (link->dumping && (flags & MSG_PEEK) == 0 && ends_dump(&bare, (size_t)bytes))
		link->dumping = false;
	fill_name(message->msg_name, &message->msg_namelen, 0, 0);
	message->msg_controllen = 0;
	message->msg_flags = bare.msg_flags;
	return bytes;
}

EXPORT ssize_t
recvmsg(int fd, struct msghdr *message, int flags)
{
	struct link *link = link_find(fd, LINK_NETLINK);
	ssize_t bytes;

	if (link == NULL)
		return HOST(recvmsg)(fd, message, flags);
	bytes = receive_message(link, fd, message, flags);
	link_put(link);
	return bytes;
}

EXPORT ssize_t
recvfrom(int fd, void *data, size_t bytes, int flags, struct sockaddr *from, socklen_t *length)
{
	struct link *link = link_find(fd, LINK_NETLINK);
	struct iovec part = { .iov_base = data, .iov_len = bytes };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t received;

	if (link == NULL)
		return HOST(recvfrom)(fd, data, bytes, flags, from, length);
	received = receive_message(link, fd, &message, flags);
	if (received >= 0)
		fill_name(from, length, 0, 0);
	link_put(link);
	return received;
}

EXPORT ssize_t
recv(int fd, void *data, size_t bytes, int flags)
{
	struct link *link = link_find(fd, LINK_NETLINK);

	if (link == NULL)
		return HOST(recv)(fd, data, bytes, flags);
	link_put(link);
	return recvfrom(fd, data, bytes, flags, NULL, NULL);
}

/* What calls of recv() and recvfrom() become in programs built with _FORTIFY_SOURCE. */
ssize_t __recv_chk(int fd, void *data, size_t bytes, size_t room, int flags);
ssize_t
__recvfrom_chk(int fd, void *data, size_t bytes, size_t room, int flags, struct sockaddr *from, socklen_t *length);

EXPORT ssize_t
__recv_chk(int fd, void *data, size_t bytes, size_t room, int flags)
{
	struct link *link = link_find(fd, LINK_NETLINK);

	if (link == NULL || bytes > room) {
		if (link != NULL)
			link_put(link);
		return HOST(__recv_chk)(fd, data, bytes, room, flags);
	}
	link_put(link);
	return recvfrom(fd, data, bytes, flags, NULL, NULL);
}

EXPORT ssize_t
__recvfrom_chk(int fd, void *data, size_t bytes, size_t room, int flags, struct sockaddr *from, socklen_t *length)
{
	struct link *link = link_find(fd, LINK_NETLINK);

	if (link == NULL || bytes > room) {
		if (link != NULL)
			link_put(link);
		return HOST(__recvfrom_chk)(fd, data, bytes, room, flags, from, length);
	}
	link_put(link);
	return recvfrom(fd, data, bytes, flags, from, length);
}

EXPORT int
recvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags, struct timespec *timeout)
{
	struct link *link = link_find(fd, LINK_NETLINK);
	unsigned int i;

	if (link == NULL)
		return HOST(recvmmsg)(fd, messages, count, flags, timeout);
	for (i = 0; i < count; i++) {
		int wait = i != 0 && (flags & MSG_WAITFORONE) != 0 ? MSG_DONTWAIT : 0;
		ssize_t bytes = receive_message(link, fd, &messages[i].msg_hdr, (flags & ~MSG_WAITFORONE) | wait);

		if (bytes < 0)
			break;
		messages[i].msg_len = (unsigned int)bytes;
	}
	link_put(link);
	return i != 0 || count == 0 ? (int)i : -1;
}
