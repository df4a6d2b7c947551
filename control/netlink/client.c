/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection. The router never waits for a client: what does not fit into its socket is queued up to a bound,
 * beyond which it is dropped and the client told of it, once, when it reads again (netlink's ENOBUFS).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "netlink/internal.h"

enum {
	/* Of a dump; no client's buffer is smaller, and Linux begins a dump with such datagrams too. */
	DATAGRAM_BYTES = 4096,
	QUEUE_BYTES_MAX = 1024 * 1024,
	TURN_NS_MAX = 3 * 1000 * 1000, /* of one client, before others have theirs */
};

/* How many bytes from `at` on go into the next datagram: whole messages, one at least. */
static size_t
datagram_bytes(const char *at, size_t left, bool dump)
{
	size_t bytes = 0;

	do {
		size_t step = NLMSG_ALIGN((size_t)((const struct nlmsghdr *)(const void *)(at + bytes))->nlmsg_len);

		if (bytes != 0 && bytes + step > DATAGRAM_BYTES)
			break;
		bytes += step;
	} while (dump && bytes < left);
	return bytes;
}

/* False where it has to be tried again when the socket is writable. */
static bool
send_datagram(struct nl_client *client, const void *datagram, size_t bytes)
{
	if (client->deliver != NULL) {
		client->deliver(client->deliver_arg, datagram, bytes);
		return true;
	}
	if (client->closing || send(client->fd, datagram, bytes, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return true;
	if (errno == EAGAIN || errno == EINTR)
		return false;
	if (errno == ENOBUFS || errno == ENOMEM || errno == EMSGSIZE) {
		client->overrun = true;
		return true;
	}
	client->closing = true;
	event_active(client->readable, EV_READ, 0);
	return true;
}

/* Sends what the socket takes of data[sent..bytes); returns how far it got. */
static size_t
push(struct nl_client *client, const char *data, size_t bytes, size_t sent, bool dump)
{
	while (sent < bytes) {
		size_t step = datagram_bytes(data + sent, bytes - sent, dump);

		if (!send_datagram(client, data + sent, step))
			break;
		sent += step;
	}
	return sent;
}

static void
forget(struct nl_client *client, struct nl_outgoing *item)
{
	STAILQ_REMOVE(&client->queue, item, nl_outgoing, next);
	if (item->dump)
		client->dumping = false;
	else
		client->queued_bytes -= item->bytes;
	free(item->data);
	free(item);
}

static void
tell_overrun(struct nl_client *client)
{
	const struct nlmsghdr frame = { .nlmsg_len = sizeof(frame), .nlmsg_type = FRAME_OVERRUN };

	if (!client->overrun || client->no_overrun || client->kind != CLIENT_NETLINK) {
		client->overrun = false;
		return;
	}
	client->overrun = false;
	if (!send_datagram(client, &frame, sizeof(frame))) {
		client->overrun = true;
		event_add(client->writable, NULL);
	}
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct nl_client *client = arg;
	struct nl_outgoing *item;

	while ((item = STAILQ_FIRST(&client->queue)) != NULL) {
		item->sent = push(client, item->data, item->bytes, item->sent, item->dump);
		if (item->sent < item->bytes) {
			event_add(client->writable, NULL);
			return;
		}
		forget(client, item);
	}
	tell_overrun(client);
}

/* Queues what push left of data, which it takes. */
static void
enqueue(struct nl_client *client, char *data, size_t bytes, size_t sent, bool dump)
{
	struct nl_outgoing *item;

	event_add(client->writable, NULL);
	if (!dump && client->queued_bytes + bytes > QUEUE_BYTES_MAX) {
		client->overrun = true;
		free(data);
		return;
	}
	item = calloc(1, sizeof(*item));
	if (item == NULL)
		abort();
	*item = (struct nl_outgoing){ .data = data, .bytes = bytes, .sent = sent, .dump = dump };
	if (dump)
		client->dumping = true;
	else
		client->queued_bytes += bytes;
	STAILQ_INSERT_TAIL(&client->queue, item, next);
}

void
nl_client_send(struct nl_client *client, char *data, size_t bytes, bool dump)
{
	size_t sent = 0;

	if (client->deliver != NULL || STAILQ_EMPTY(&client->queue))
		sent = push(client, data, bytes, 0, dump);
	if (sent < bytes)
		enqueue(client, data, bytes, sent, dump);
	else
		free(data);
}

/* The same for messages that others are sent too. */
static void
send_copy(struct nl_client *client, const char *data, size_t bytes)
{
	size_t sent = STAILQ_EMPTY(&client->queue) ? push(client, data, bytes, 0, false) : 0;
	char *rest;

	if (sent == bytes)
		return;
	rest = malloc(bytes - sent);
	if (rest == NULL)
		abort();
	memcpy(rest, data + sent, bytes - sent);
	enqueue(client, rest, bytes - sent, 0, false);
}

static bool
is_member(const struct nl_client *client, uint32_t group)
{
	return group <= FRAME_GROUP_MAX && (client->groups[group / 32] & 1u << group % 32) != 0;
}

bool
nl_client_join(struct nl_client *client, uint32_t group, bool member)
{
	if (group == 0 || group > FRAME_GROUP_MAX)
		return false;
	if (member)
		client->groups[group / 32] |= 1u << group % 32;
	else
		client->groups[group / 32] &= ~(1u << group % 32);
	return true;
}

void
nl_notify(struct nl_server *server, uint32_t group, struct nl_msgs *msgs, const struct nl_request *cause)
{
	uint32_t sequence = cause != NULL ? cause->header->nlmsg_seq : 0;
	uint32_t port = cause != NULL && cause->client != NULL ? cause->client->port : 0;
	bool echo = cause != NULL && (cause->header->nlmsg_flags & NLM_F_ECHO) != 0;
	struct nl_client *client;

	if (server == NULL || msgs->used == 0)
		return;
	nl_msgs_address(msgs, sequence, port, 0);
	/* Who asked for an echo has the notification as his answer, and not a second time as a member of the group. */
	if (echo)
		nl_msgs_append(cause->reply, msgs);
	LIST_FOREACH(client, &server->clients, next)
	if (is_member(client, group) && !(echo && client == cause->client))
		send_copy(client, msgs->data, msgs->used);
}

static bool
port_in_use(const struct nl_server *server, uint32_t port)
{
	const struct nl_client *client;

	LIST_FOREACH(client, &server->clients, next)
	if (client->port == port)
		return true;
	return false;
}

/*
 * Port ids as Linux gives them: a process's first socket has its pid, the others numbers from the top of the range,
 * where no pid is.
 */
int
nl_client_bind(struct nl_client *client, uint32_t port)
{
	struct nl_server *server = client->server;

	if (client->port != 0)
		return port == 0 || port == client->port ? 0 : EINVAL;
	if (port != 0 && port_in_use(server, port))
		return EADDRINUSE;
	if (port == 0)
		port = client->pid;
	while (port == 0 || port_in_use(server, port)) {
		if (server->next_port < 0x80000000u)
			server->next_port = 0xffffefffu;
		port = server->next_port--;
	}
	client->port = port;
	return 0;
}

bool
nl_client_send_parts(struct nl_client *client, struct iovec *parts, size_t count, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = count };

	if (fd >= 0) {
		struct cmsghdr *rights;

		message.msg_control = control;
		message.msg_controllen = sizeof(control);
		rights = CMSG_FIRSTHDR(&message);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
	}
	return sendmsg(client->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static void
send_reply(struct nl_client *client, const struct frame_reply *reply, const void *text, size_t text_bytes, int fd)
{
	struct iovec parts[2] = {
		{ .iov_base = (void *)(uintptr_t)reply, .iov_len = sizeof(*reply) },
		{ .iov_base = (void *)(uintptr_t)text, .iov_len = text_bytes },
	};

	/* One request, one answer: a client whose socket is full asks without reading, and loses the answers. */
	if (!nl_client_send_parts(client, parts, 2, fd) && errno != EAGAIN && errno != ENOBUFS)
		client->closing = true;
}

static void
reply_header(struct frame_reply *reply, size_t text_bytes)
{
	memset(reply, 0, sizeof(*reply));
	reply->header.nlmsg_len = (uint32_t)(sizeof(*reply) + text_bytes);
	reply->header.nlmsg_pid = FRAME_COOKIE + FRAME_VERSION;
}

void
nl_client_reply(struct nl_client *client, const struct error *err, uint32_t value, int fd)
{
	const char *text = err != NULL ? err->msg : "";
	struct frame_reply reply;

	reply_header(&reply, strlen(text) + 1);
	reply.error = err != NULL ? err->code : 0;
	reply.value = value;
	send_reply(client, &reply, text, strlen(text) + 1, fd);
}

void
nl_client_reply_bytes(struct nl_client *client, const void *bytes, size_t count)
{
	struct frame_reply reply;

	reply_header(&reply, count);
	send_reply(client, &reply, bytes, count, -1);
}

/* fd: the file that came with it, or -1. */
static void
serve_datagram(struct nl_client *client, size_t bytes, int fd)
{
	char *buffer = client->server->buffer;
	int done_fd = client->done_fd; /* not the one that this datagram may bring about */
	struct frame_done done = { 0 };

	if (client->kind == CLIENT_FILE) {
		buffer[bytes] = '\0';
		nl_serve_write(client, buffer);
	} else if (nl_is_frame(buffer, bytes)) {
		done.error = nl_serve_frame(client, (const struct nlmsghdr *)(const void *)buffer, bytes, fd);
	} else {
		nl_dispatch(client, buffer, bytes);
	}
	done.port = client->port;
	if (done_fd >= 0 && send(done_fd, &done, sizeof(done), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN)
		client->closing = true;
}

enum received {
	RECEIVED_NOTHING, /* not now */
	RECEIVED_ONE,
	RECEIVED_END, /* the client is gone */
};

/* recv() that also takes a file that comes along: *fd, or -1. */
static ssize_t
receive_datagram(const struct nl_client *client, int *fd)
{
	char control[CMSG_LEN(sizeof(int))] __attribute__((aligned(8))); /* without room for a second one */
	struct iovec part = { .iov_base = client->server->buffer, .iov_len = FRAME_BYTES_MAX };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t bytes = recvmsg(client->fd, &message, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
	const struct cmsghdr *rights = bytes >= 0 ? CMSG_FIRSTHDR(&message) : NULL;

	*fd = -1;
	if (rights != NULL && rights->cmsg_level == SOL_SOCKET && rights->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(rights), sizeof(*fd));
	return bytes;
}

static enum received
receive(struct nl_client *client)
{
	ssize_t bytes = -1;
	int fd = -1;

	if (!client->closing)
		bytes = receive_datagram(client, &fd);
	if (bytes < 0 && !client->closing && (errno == EAGAIN || errno == EINTR))
		return RECEIVED_NOTHING;
	if (bytes > FRAME_BYTES_MAX) {
		struct frame_done done = { .error = EMSGSIZE, .port = client->port };

		if (client->done_fd >= 0)
			send(client->done_fd, &done, sizeof(done), MSG_DONTWAIT | MSG_NOSIGNAL);
	} else if (bytes > 0) {
		serve_datagram(client, (size_t)bytes, fd);
	}
	if (fd >= 0)
		close(fd);
	if (bytes > 0 && !client->closing)
		return RECEIVED_ONE;
	nl_client_destroy(client);
	return RECEIVED_END;
}

/*
 * What was written to files, applied before anything else: a script's `echo 1 > file` is over before its next line
 * begins, though the writer may not wait for the answer (a program that the shim is not loaded into).
 */
static void
apply_writes(struct nl_server *server)
{
	struct nl_client *client, *next;

	for (client = LIST_FIRST(&server->files); client != NULL; client = next) {
		next = LIST_NEXT(client, next_file);
		while (receive(client) == RECEIVED_ONE)
			continue;
	}
}

/* The next request of a client that was just served, if it comes soon. */
static enum received
watch_for_next(struct nl_client *client)
{
	uint64_t begin = watch_clock_ns();
	enum received received;

	if (!watch_is_due(&client->watch))
		return RECEIVED_NOTHING;
	do {
		apply_writes(client->server);
		received = receive(client);
	} while (received == RECEIVED_NOTHING && watch_clock_ns() - begin < WATCH_NS);
	if (received != RECEIVED_END)
		watch_ended(&client->watch, received == RECEIVED_ONE);
	return received;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct nl_client *client = arg;
	uint64_t begin = watch_clock_ns();
	enum received received;

	if (client->kind != CLIENT_FILE)
		apply_writes(client->server);
	received = receive(client);
	while (received == RECEIVED_ONE && client->kind == CLIENT_NETLINK && watch_clock_ns() - begin < TURN_NS_MAX)
		received = watch_for_next(client);
}

struct nl_client *
nl_client_create(struct nl_server *server, int fd)
{
	struct nl_client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		abort();
	client->server = server;
	client->fd = fd;
	client->done_fd = -1;
	STAILQ_INIT(&client->queue);
	client->readable = event_new(server->base, fd, EV_READ | EV_PERSIST, on_readable, client);
	client->writable = event_new(server->base, fd, EV_WRITE, on_writable, client);
	if (client->readable == NULL || client->writable == NULL)
		abort();
	event_add(client->readable, NULL);
	LIST_INSERT_HEAD(&server->clients, client, next);
	return client;
}

void
nl_client_destroy(struct nl_client *client)
{
	struct nl_outgoing *item;

	LIST_REMOVE(client, next);
	if (client->kind == CLIENT_FILE)
		LIST_REMOVE(client, next_file);
	event_free(client->readable);
	event_free(client->writable);
	while ((item = STAILQ_FIRST(&client->queue)) != NULL)
		forget(client, item);
	close(client->fd);
	if (client->done_fd >= 0)
		close(client->done_fd);
	free(client->file_path);
	free(client);
}
