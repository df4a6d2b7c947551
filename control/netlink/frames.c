/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control frames of frames.h, from their checks to what serves them. Everything in a frame comes from a program
 * that need not be ours.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink/internal.h"

bool
nl_is_frame(const void *datagram, size_t bytes)
{
	const struct nlmsghdr *header = datagram;

	return bytes >= sizeof(*header) && header->nlmsg_type > FRAME_OVERRUN && header->nlmsg_type < NLMSG_MIN_TYPE;
}

/* The frame's text, or NULL where it is not a string within the datagram. */
static const char *
frame_text(const struct nlmsghdr *frame, size_t bytes)
{
	const struct frame_path *path = (const struct frame_path *)(const void *)frame;
	size_t length = bytes > sizeof(*path) ? bytes - sizeof(*path) : 0;

	if (length == 0 || length > FRAME_PATH_MAX || memchr(path->path, '\0', length) == NULL)
		return NULL;
	return path->path;
}

static int
reply_error(struct nl_client *client, const struct error *err)
{
	nl_client_reply(client, err, 0, -1);
	return err->code;
}

static void
send_welcome(struct nl_client *client, int error, int done_fd)
{
	struct frame_welcome welcome = {
		.header = { .nlmsg_len = sizeof(welcome),
			.nlmsg_type = FRAME_HELLO,
			.nlmsg_pid = FRAME_COOKIE + FRAME_VERSION },
		.error = error,
		.bytes_max = FRAME_BYTES_MAX,
	};
	struct iovec part = { .iov_base = &welcome, .iov_len = sizeof(welcome) };

	if (!nl_client_send_parts(client, &part, 1, done_fd))
		client->closing = true;
}

static int
serve_hello(struct nl_client *client, const struct nlmsghdr *frame, size_t bytes)
{
	const struct frame_hello *hello = (const struct frame_hello *)(const void *)frame;
	int pair[2];

	if (bytes < sizeof(*hello) || hello->protocol != NETLINK_ROUTE || client->kind != CLIENT_PLAIN) {
		send_welcome(client, EPROTONOSUPPORT, -1);
		return EPROTONOSUPPORT;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		int error = errno;

		send_welcome(client, error, -1);
		return error;
	}
	client->kind = CLIENT_NETLINK;
	client->pid = hello->pid;
	client->done_fd = pair[0];
	send_welcome(client, 0, pair[1]);
	close(pair[1]);
	return 0;
}

static int
serve_bind(struct nl_client *client, const struct nlmsghdr *frame, size_t bytes)
{
	const struct frame_bind *bind = (const struct frame_bind *)(const void *)frame;
	int error;

	if (bytes < sizeof(*bind))
		return EINVAL;
	error = nl_client_bind(client, bind->port);
	if (error != 0)
		return error;
	/* bind() says what the first 32 groups are; NETLINK_ADD_MEMBERSHIP adds to them. */
	for (uint32_t group = 1; group <= 32; group++)
		nl_client_join(client, group, (bind->groups >> (group - 1) & 1) != 0);
	return 0;
}

static int
serve_option(struct nl_client *client, const struct nlmsghdr *frame, size_t bytes)
{
	const struct frame_option *option = (const struct frame_option *)(const void *)frame;
	bool on;

	if (bytes < sizeof(*option))
		return EINVAL;
	on = option->value != 0;
	switch (option->name) {
	case NETLINK_ADD_MEMBERSHIP:
		return nl_client_join(client, (uint32_t)option->value, true) ? 0 : EINVAL;
	case NETLINK_DROP_MEMBERSHIP:
		return nl_client_join(client, (uint32_t)option->value, false) ? 0 : EINVAL;
	case NETLINK_EXT_ACK:
		client->ext_ack = on;
		return 0;
	case NETLINK_CAP_ACK:
		client->cap_ack = on;
		return 0;
	case NETLINK_GET_STRICT_CHK:
		client->strict = on;
		return 0;
	case NETLINK_NO_ENOBUFS:
		client->no_overrun = on;
		return 0;
	case NETLINK_BROADCAST_ERROR: /* of broadcasts that the client sends: it cannot */
	case NETLINK_LISTEN_ALL_NSID: /* there is one namespace */
		return 0;
	default:
		return ENOPROTOOPT;
	}
}

static int
serve_ioctl(struct nl_client *client, const struct nlmsghdr *frame, size_t bytes)
{
	const struct frame_ioctl *request = (const struct frame_ioctl *)(const void *)frame;
	const struct nl_ioctl_handler *handler;
	char argument[FRAME_IOCTL_MAX] __attribute__((aligned(8)));
	struct error err = { 0 };
	int code;

	if (bytes < sizeof(*request))
		return reply_error(client, &(struct error){ .code = EINVAL });
	handler = nl_find_ioctl(request->request);
	if (handler == NULL || bytes - sizeof(*request) < handler->bytes)
		return reply_error(client, &(struct error){ .code = handler == NULL ? ENOTTY : EINVAL });
	if ((handler->flags & NL_WRITE) != 0 && !client->may_write)
		return reply_error(client, &(struct error){ .code = EPERM });
	memcpy(argument, request->argument, handler->bytes);
	code = handler->serve(client->server->context, argument);
	if (code < 0) {
		error_code(&err, -code);
		return reply_error(client, &err);
	}
	nl_client_reply_bytes(client, argument, handler->bytes);
	return 0;
}

/* Frames that name a file or a report. */
static int
serve_path(struct nl_client *client, const struct nlmsghdr *frame, size_t bytes)
{
	const struct frame_path *request = (const struct frame_path *)(const void *)frame;
	const char *path = frame_text(frame, bytes);

	if (path == NULL)
		return reply_error(client, &(struct error){ .code = ENAMETOOLONG });
	switch (frame->nlmsg_type) {
	case FRAME_OPEN:
		nl_serve_open(client, path, (int)request->flags);
		break;
	case FRAME_LIST:
		nl_serve_list(client, path);
		break;
	case FRAME_STAT:
		nl_serve_stat(client, path);
		break;
	default:
		nl_serve_report(client, path, (request->flags & FRAME_REPORT_JSON) != 0);
		break;
	}
	return 0;
}

int
nl_serve_frame(struct nl_client *client, const struct nlmsghdr *frame, size_t bytes, int fd)
{
	bool known = frame->nlmsg_pid == FRAME_COOKIE + FRAME_VERSION;

	if (client->kind == CLIENT_NETLINK) {
		if (known && frame->nlmsg_type == FRAME_BIND)
			return serve_bind(client, frame, bytes);
		if (known && frame->nlmsg_type == FRAME_OPTION)
			return serve_option(client, frame, bytes);
		return EINVAL;
	}
	if (!known && frame->nlmsg_type == FRAME_HELLO) {
		send_welcome(client, EPROTONOSUPPORT, -1);
		return EPROTONOSUPPORT;
	}
	if (!known)
		return reply_error(client, &(struct error){ .code = EPROTONOSUPPORT });
	switch (frame->nlmsg_type) {
	case FRAME_HELLO:
		return serve_hello(client, frame, bytes);
	case FRAME_IOCTL:
		return serve_ioctl(client, frame, bytes);
	case FRAME_SOCKOPT:
		return nl_serve_sockopt(client, frame, bytes, fd);
	case FRAME_OPEN:
	case FRAME_LIST:
	case FRAME_STAT:
	case FRAME_REPORT:
		return serve_path(client, frame, bytes);
	default:
		return reply_error(client, &(struct error){ .code = EINVAL });
	}
}
