/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of control/netlink share among themselves. */
#ifndef WEIR_CONTROL_NETLINK_INTERNAL_H
#define WEIR_CONTROL_NETLINK_INTERNAL_H

#include <sys/queue.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "netlink/frames.h"
#include "netlink/netlink.h"
#include "netlink/watch.h"

struct event;

struct nl_msgs {
	char *data;
	size_t used;
	size_t capacity;
	size_t start; /* of the message being written; NO_MESSAGE: none */
};

#define NO_MESSAGE SIZE_MAX

/*
 * Messages on their way to a client. A dump is packed into datagrams of DATAGRAM_BYTES, all else is a datagram a
 * message.
 */
struct nl_outgoing {
	STAILQ_ENTRY(nl_outgoing) next;
	char *data;
	size_t bytes;
	size_t sent;
	bool dump;
};

enum nl_client_kind {
	CLIENT_PLAIN, /* no HELLO: frames and netlink, answered in order */
	CLIENT_NETLINK,
	CLIENT_FILE, /* a file open for writing */
};

struct nl_client {
	LIST_ENTRY(nl_client) next;
	LIST_ENTRY(nl_client) next_file;
	struct nl_server *server;
	enum nl_client_kind kind;
	int fd; /* -1: nl_serve's, which has `deliver` instead */
	int done_fd; /* where served datagrams are acknowledged; -1: nowhere */
	struct event *readable;
	struct event *writable;
	struct watch watch; /* for the next request */
	bool may_write;
	bool closing; /* to be freed when it is not in use any more */

	uint32_t pid; /* as the client states it */
	uint32_t port; /* 0: not bound */
	uint32_t groups[(FRAME_GROUP_MAX + 32) / 32];
	bool ext_ack;
	bool cap_ack;
	bool strict;
	bool no_overrun; /* NETLINK_NO_ENOBUFS */

	STAILQ_HEAD(, nl_outgoing) queue;
	size_t queued_bytes; /* dumps not counted: there is one at most */
	bool dumping;
	bool overrun; /* something was dropped that the client has not been told of yet */

	const struct nl_file_provider *file;
	char *file_path;

	void (*deliver)(void *arg, const void *datagram, size_t bytes);
	void *deliver_arg;
};

struct nl_server {
	void *context;
	struct event_base *base;
	char *path;
	dev_t device; /* of the socket's file: a later router's is not removed */
	ino_t inode;
	int fd; /* -1: none */
	uid_t owner;
	gid_t group; /* who may write; (gid_t)-1: no such group */
	struct event *acceptable;
	struct event *accept_again; /* after a pause, when file descriptors ran out */
	LIST_HEAD(, nl_client) clients;
	LIST_HEAD(, nl_client) files;
	uint32_t next_port; /* for sockets that are not their process's first */
	char *buffer; /* of FRAME_BYTES_MAX + 1, for one datagram */
};

/* What someone is told who may not write. */
static inline int
nl_error_not_allowed(struct error *err)
{
	return error_set(
		err, EPERM, "changing the router takes root, the user it runs as, or membership of the group weir");
}

/* registry.c */
const struct nl_handler *nl_find_handler(uint16_t type);
const struct nl_file_provider *nl_find_file(const char *path);
const struct nl_ioctl_handler *nl_find_ioctl(unsigned long request);
const struct nl_report *nl_find_report(const char *name);
/* Calls each(arg, report) in order of name. */
void nl_each_report(void (*each)(void *arg, const struct nl_report *report), void *arg);

/* attr.c: nl_get_attrs, and what is wrong said for the message as a whole. */
int nl_parse_attrs(const void *data, size_t bytes, const struct nlattr **table, uint16_t attr_max, const char *where,
	struct error *err);

/* message.c: writes sequence number and port id, and flags if any, into every message. */
void nl_msgs_address(struct nl_msgs *msgs, uint32_t sequence, uint32_t port, uint16_t flags);
void nl_msgs_append(struct nl_msgs *msgs, const struct nl_msgs *more);

/* dispatch.c: all messages of a datagram, which is aligned as an nlmsghdr. */
void nl_dispatch(struct nl_client *client, const void *datagram, size_t bytes);

/*
 * frames.c: a datagram that starts with a control frame, with the file that came along or -1, which is not taken. Gives
 * 0 or the errno that struct frame_done carries.
 */
bool nl_is_frame(const void *datagram, size_t bytes);
int nl_serve_frame(struct nl_client *client, const struct nlmsghdr *frame, size_t bytes, int fd);

/* sockopt.c */
int nl_serve_sockopt(struct nl_client *client, const struct nlmsghdr *frame, size_t bytes, int fd);

/* files.c: a memory file that nobody can change; -errno on failure. */
int nl_make_file(const void *content, size_t bytes);
void nl_serve_open(struct nl_client *client, const char *path, int flags);
void nl_serve_list(struct nl_client *client, const char *path);
void nl_serve_stat(struct nl_client *client, const char *path);
void nl_serve_report(struct nl_client *client, const char *name, bool json);
void nl_serve_write(struct nl_client *client, const char *text);

/* client.c. nl_client_send takes data (malloc'd). */
void nl_client_send(struct nl_client *client, char *data, size_t bytes, bool dump);
/* One datagram of ours, with a descriptor if fd >= 0, which is not taken. False and errno where it did not go. */
bool nl_client_send_parts(struct nl_client *client, struct iovec *parts, size_t count, int fd);
/* Answers a stateless frame; err NULL: success. fd -1: none; it is not taken. */
void nl_client_reply(struct nl_client *client, const struct error *err, uint32_t value, int fd);
void nl_client_reply_bytes(struct nl_client *client, const void *bytes, size_t count);
int nl_client_bind(struct nl_client *client, uint32_t port);
bool nl_client_join(struct nl_client *client, uint32_t group, bool member);
struct nl_client *nl_client_create(struct nl_server *server, int fd);
void nl_client_destroy(struct nl_client *client);

#endif
