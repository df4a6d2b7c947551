/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sending and receiving on netlink sockets. netlink is synchronous: when send() returns, the request was served and the
 * answer is there. A socket to another process is not, so the router says when it is done.
 */
#include "shim/host.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/netlink.h>

#include "shim/files.h"
#include "shim/links.h"
#include "shim/sockets.h"

static ssize_t
watch_for_done(struct link *link, struct frame_done *done)
{
	uint64_t begin = watch_clock_ns();
	ssize_t length;

	do
		length = HOST(recv)(link->done_fd, done, sizeof(*done), MSG_DONTWAIT);
	while (length < 0 && (errno == EAGAIN || errno == EINTR) && watch_clock_ns() - begin < WATCH_NS);
	watch_ended(&link->watch, length >= 0);
	return length;
}

int
netlink_await_done(struct link *link)
{
	struct frame_done done;
	ssize_t length = -1;

	if (link->done_fd < 0)
		return -ECONNREFUSED;
	errno = EAGAIN;
	if (watch_is_due(&link->watch))
		length = watch_for_done(link, &done);
	while (length < 0 && (errno == EINTR || errno == EAGAIN))
		length = HOST(recv)(link->done_fd, &done, sizeof(done), 0);
	if (length != (ssize_t)sizeof(done))
		return -ECONNREFUSED;
	link->port = done.port;
	return -done.error;
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
		return socket_result(-ECONNREFUSED);
	pthread_mutex_lock(&link->turn);
	sent = HOST(sendmsg)(fd, &bare, flags | MSG_NOSIGNAL);
	code = sent >= 0 ? netlink_await_done(link) : -errno;
	if (code == 0 && asks_for_dump(message))
		link->dumping = true;
	pthread_mutex_unlock(&link->turn);
	if (code == -EPIPE || code == -ECONNRESET || code == -ENOTCONN)
		code = -ECONNREFUSED;
	return code == 0 ? sent : socket_result(code);
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
		/*
		 * On netlink the first part of a dump is there when send() returns, and each next one when it is asked
		 * for.
		 */
		if (bytes >= 0 || errno != EAGAIN || !link->dumping || HOST(poll)(&readable, 1, -1) < 0)
			break;
	}
	if (bytes < 0)
		return bytes;
	if (is_overrun(&bare, bytes)) {
		char frame[sizeof(struct nlmsghdr)];

		if ((flags & MSG_PEEK) != 0)
			HOST(recv)(fd, frame, sizeof(frame), MSG_DONTWAIT);
		return socket_result(-ENOBUFS);
	}
	if (link->dumping && (flags & MSG_PEEK) == 0 && ends_dump(&bare, (size_t)bytes))
		link->dumping = false;
	netlink_fill_name(message->msg_name, &message->msg_namelen, 0, 0);
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
		netlink_fill_name(from, length, 0, 0);
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
