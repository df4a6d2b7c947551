/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control protocol: rtnetlink in SOCK_SEQPACKET frames on a Unix socket.
 *
 * A request type is declared once, in a struct nl_handler beside the code that serves it; its size check, its attribute
 * table, its permission check and its dispatch are derived from that. Everything here runs in the control thread.
 */
#ifndef WEIR_CONTROL_NETLINK_H
#define WEIR_CONTROL_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <libmnl/libmnl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <weir/change.h>
#include <weir/error.h>

struct event_base;
struct nl_server;
struct nl_client;
struct nl_request;

/* A growing run of netlink messages: the reply to one request, or one notification. */
struct nl_msgs;
struct nl_msgs *nl_msgs_create(void); /* never NULL: aborts when memory is out */
void nl_msgs_destroy(struct nl_msgs *msgs);
size_t nl_msgs_bytes(const struct nl_msgs *msgs);

/*
 * Starts a message: a header of `type` and `flags` and a zeroed family header of header_bytes behind it, which
 * nl_msg_body gives. The attributes follow by nl_put*, which never fail: the buffer grows (a nest or value too long for
 * an attribute's 16 bits of length is left out). A pointer from an earlier call is stale after any nl_put*.
 * nl_nest_start gives an offset for nl_nest_end. nl_msg_end closes the message; nl_msg_cancel takes it back.
 */
void nl_msg_begin(struct nl_msgs *msgs, uint16_t type, uint16_t flags, size_t header_bytes);
void *nl_msg_body(struct nl_msgs *msgs);
void nl_msg_end(struct nl_msgs *msgs);
void nl_msg_cancel(struct nl_msgs *msgs);
void nl_put(struct nl_msgs *msgs, uint16_t attr, const void *data, size_t bytes);
void nl_put_u8(struct nl_msgs *msgs, uint16_t attr, uint8_t value);
void nl_put_u16(struct nl_msgs *msgs, uint16_t attr, uint16_t value);
void nl_put_u32(struct nl_msgs *msgs, uint16_t attr, uint32_t value);
void nl_put_u64(struct nl_msgs *msgs, uint16_t attr, uint64_t value);
void nl_put_string(struct nl_msgs *msgs, uint16_t attr, const char *string); /* with its NUL */
size_t nl_nest_start(struct nl_msgs *msgs, uint16_t attr); /* without NLA_F_NESTED, as rtnetlink has it */
void nl_nest_end(struct nl_msgs *msgs, size_t nest);
void nl_nest_cancel(struct nl_msgs *msgs, size_t nest);

/* Flags of struct nl_handler */
enum {
	NL_WRITE = 1 << 0, /* needs the socket owner's user or group; others get EPERM */
};

struct nl_handler {
	uint16_t type; /* RTM_* */
	uint16_t header_bytes; /* sizeof(struct rtmsg), ...: a shorter message is refused with EINVAL */
	uint16_t attr_max; /* highest attribute type that is looked at; higher ones are ignored */
	uint16_t flags; /* NL_* */
	/*
	 * Each returns 0 or -errno with err filled. What it puts in req->reply is sent, then the ack (if asked for) or
	 * the error. do_one serves a message without NLM_F_DUMP, dump one with it (NLMSG_DONE and NLM_F_MULTI are
	 * added to what it puts). Either may be NULL: EOPNOTSUPP.
	 */
	int (*do_one)(struct nl_request *req, struct error *err);
	int (*dump)(struct nl_request *req, struct error *err);
};

struct nl_request {
	struct nl_server *server;
	struct nl_client *client; /* who asks: opaque */
	const struct nl_handler *handler;
	void *context; /* what nl_server_create was given: struct control */
	const struct nlmsghdr *header;
	const void *body; /* the family header, header_bytes long at least */
	const struct nlattr **attrs; /* [attr_max + 1], NULL where absent; each lies within the message */
	bool strict; /* NETLINK_GET_STRICT_CHK: a dump honours the header's and attributes' filters */
	struct nl_msgs *reply;
};

/* What the request's flags say of that which is there already: CHANGE_*. */
static inline uint16_t
nl_change(const struct nl_request *req)
{
	uint16_t flags = req->header->nlmsg_flags;

	return (uint16_t)((flags & NLM_F_CREATE ? CHANGE_CREATE : 0) | (flags & NLM_F_EXCL ? CHANGE_EXCLUSIVE : 0) |
			  (flags & NLM_F_REPLACE ? CHANGE_REPLACE : 0) | (flags & NLM_F_APPEND ? CHANGE_APPEND : 0));
}

/* Declares handlers[0..count), usually by NL_REGISTER below. A type registered twice aborts at start. */
void nl_register(const struct nl_handler *handlers, size_t count);

#define NL_REGISTER(handlers)                                                                                          \
	__attribute__((constructor)) static void nl_register_##handlers(void)                                          \
	{                                                                                                              \
		nl_register(handlers, sizeof(handlers) / sizeof((handlers)[0]));                                       \
	}

/* Checked access to attributes: EINVAL with a sentence where the length is wrong. Absent (NULL) gives `otherwise`. */
int nl_get_u8(const struct nlattr *attr, uint8_t otherwise, uint8_t *value, const char *what, struct error *err);
int nl_get_u16(const struct nlattr *attr, uint16_t otherwise, uint16_t *value, const char *what, struct error *err);
int nl_get_u32(const struct nlattr *attr, uint32_t otherwise, uint32_t *value, const char *what, struct error *err);
int nl_get_u64(const struct nlattr *attr, uint64_t otherwise, uint64_t *value, const char *what, struct error *err);
/* A string of at most size - 1 characters, with or without a NUL at its end (iproute2 sends some without). */
int nl_get_string(const struct nlattr *attr, char *string, size_t size, const char *what, struct error *err);
/*
 * Splits a nest into table[0..attr_max], cleared first; unknown types are ignored, overlong ones EINVAL. attr NULL: all
 * absent.
 */
int nl_get_nest(const struct nlattr *attr, const struct nlattr **table, uint16_t attr_max, struct error *err);
/* The attributes in a nest one by one, where several are of one type: before NULL gives the first. NULL: no more. */
const struct nlattr *nl_next_in(const struct nlattr *nest, const struct nlattr *before);
/* The same over raw bytes (attributes behind a struct, as in TCA_OPTIONS of some disciplines). */
int nl_get_attrs(const void *data, size_t bytes, const struct nlattr **table, uint16_t attr_max, struct error *err);

/*
 * Sends msgs to all members of an RTNLGRP_*. `cause` is the request that led to it (its portid and sequence number are
 * put in, as Linux does, and NLM_F_ECHO sends it a copy) or NULL. Does not take msgs.
 */
void nl_notify(struct nl_server *server, uint32_t group, struct nl_msgs *msgs, const struct nl_request *cause);

/*
 * One datagram, as from a client with full rights who asked for extended acks and strict checking (as iproute2 does),
 * served at once; the replies' datagrams go to `deliver`. For tests and fuzzing.
 */
void nl_serve(struct nl_server *server, const void *datagram, size_t bytes,
	void (*deliver)(void *arg, const void *datagram, size_t bytes), void *arg);

struct nl_server_conf {
	const char *path; /* of the socket; NULL: none, only nl_serve */
	struct event_base *base;
	void *context;
};

/* Opens the socket. A stale one of a dead router is replaced; a live one's is refused (EADDRINUSE). */
int nl_server_create(const struct nl_server_conf *conf, struct nl_server **server, struct error *err);
/* Closes all clients and removes the socket. */
void nl_server_destroy(struct nl_server *server);

/*
 * Requests beside netlink: files (/proc/sys/net/..., /sys/class/net/..., /proc/net/psched) that the shim redirects
 * here. A provider answers for one path prefix.
 */
struct nl_file_provider {
	const char *prefix; /* "/proc/sys/net/" */
	/* Appends the file's content to buffer (size bytes); returns its length or -ENOENT and the like. */
	int (*read)(void *context, const char *path, char *buffer, size_t size, struct error *err);
	/* Takes what was written to the file; NULL: read-only. */
	int (*write)(void *context, const char *path, const char *text, struct error *err);
	/* Lists a directory: calls entry(arg, name, is_dir) for each; -ENOTDIR, -ENOENT. NULL: no listing. */
	int (*list)(
		void *context, const char *path, void (*entry)(void *arg, const char *name, bool is_dir), void *arg);
};
void nl_register_files(const struct nl_file_provider *provider);

#define NL_REGISTER_FILES(provider)                                                                                    \
	__attribute__((constructor)) static void nl_register_files_##provider(void)                                    \
	{                                                                                                              \
		nl_register_files(&(provider));                                                                        \
	}

/*
 * ioctls on a router socket: SIOCGIFNAME, SIOCGIFINDEX, SIOCGIFFLAGS, ... `arg` is the struct ifreq (or what the
 * request takes), changed in place. -ENOTTY: not served. Where ifr_data points at more (SIOC{GET,ADD,DEL,CHG}TUNNEL: a
 * struct ip_tunnel_parm; SIOCETHTOOL: the command's struct), that follows the struct ifreq directly, and `bytes` counts
 * it.
 */
struct nl_ioctl_handler {
	unsigned long request;
	uint16_t flags; /* NL_* */
	size_t bytes; /* of *arg */
	int (*serve)(void *context, void *arg);
};
void nl_register_ioctls(const struct nl_ioctl_handler *handlers, size_t count);

#define NL_REGISTER_IOCTLS(handlers)                                                                                   \
	__attribute__((constructor)) static void nl_register_ioctls_##handlers(void)                                   \
	{                                                                                                              \
		nl_register_ioctls(handlers, sizeof(handlers) / sizeof((handlers)[0]));                                \
	}

/*
 * Socket options of iptables: blobs that Linux takes and gives by setsockopt and getsockopt. `value` is aligned for any
 * type.
 */
struct nl_sockopt {
	const void *value; /* setsockopt: all of it; getsockopt: what its buffer begins with */
	size_t bytes; /* of value */
	size_t room; /* getsockopt: of the buffer. An answer must not be longer. */
};

struct nl_answer {
	void *data;
	size_t bytes;
};

struct nl_sockopt_handler {
	int level; /* IPPROTO_IP */
	int name; /* IPT_SO_* */
	bool set; /* setsockopt */
	uint16_t flags; /* NL_* */
	/* 0 or -errno with err filled. What it puts into answer (a malloc'd buffer, freed behind it) is sent. */
	int (*serve)(void *context, const struct nl_sockopt *option, struct nl_answer *answer, struct error *err);
};
void nl_register_sockopts(const struct nl_sockopt_handler *handlers, size_t count);

#define NL_REGISTER_SOCKOPTS(handlers)                                                                                 \
	__attribute__((constructor)) static void nl_register_sockopts_##handlers(void)                                 \
	{                                                                                                              \
		nl_register_sockopts(handlers, sizeof(handlers) / sizeof((handlers)[0]));                              \
	}

/* NULL: nobody serves it. */
const struct nl_sockopt_handler *nl_find_sockopt(int level, int name, bool set);

/*
 * `weir show WHAT [--json]` and `weir save`: named reports as text. A report is declared beside what it shows. It
 * prints to `out` aligned columns, or JSON.
 */
struct nl_report {
	const char *name; /* "drops" */
	const char *about; /* for the usage message */
	int (*print)(void *context, FILE *out, bool json, struct error *err);
};
void nl_register_report(const struct nl_report *report);

#define NL_REGISTER_REPORT(report)                                                                                     \
	__attribute__((constructor)) static void nl_register_report_##report(void)                                     \
	{                                                                                                              \
		nl_register_report(&(report));                                                                         \
	}

#endif
