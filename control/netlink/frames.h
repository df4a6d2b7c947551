/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What passes over the socket beside netlink datagrams: frames with an nlmsghdr whose type is below 16, which netlink
 * keeps for itself. They stand for the system calls that a program makes on its netlink socket (bind, setsockopt), or
 * beside it (ioctl, open, iptables' socket options), and are sent alone in their datagram. Both ends are on one
 * machine: native byte order.
 *
 * A netlink connection starts with FRAME_HELLO. The answer, struct frame_welcome, carries by SCM_RIGHTS one end of a
 * socket pair, on which the router answers every later datagram with a struct frame_done once it has been served in
 * full: send() on a netlink socket returns only then. (A socket and not an eventfd: with MSG_DONTWAIT a write to it
 * cannot be made to block by the client, who shares the file description's flags; and it tells of the router's death.)
 *
 * The other frames need no HELLO, and are answered by a struct frame_reply on the same connection. After FRAME_OPEN for
 * writing the connection is the open file: what is written to it is applied, one datagram at a time, and answered by a
 * struct frame_reply each.
 */
#ifndef WEIR_CONTROL_FRAMES_H
#define WEIR_CONTROL_FRAMES_H

#include <stdint.h>

#include <linux/netlink.h>

enum {
	FRAME_OVERRUN = NLMSG_OVERRUN, /* router to client: notifications were lost */
	FRAME_REPORT = 5, /* frame_path: the report's name; answered with a file */
	FRAME_LIST = 6, /* frame_path: a directory; answered with a file of lines "d NAME" and "f NAME" */
	FRAME_STAT = 7, /* frame_path; value of the reply: st_mode */
	FRAME_HELLO = 8,
	FRAME_BIND = 9,
	FRAME_OPTION = 10,
	FRAME_IOCTL = 11,
	FRAME_SOCKOPT = 12, /* getsockopt or setsockopt of a level that is no netlink socket's: netfilter's */
	FRAME_OPEN = 13, /* frame_path, flags as of open(2) */
};

enum {
	/* In nlmsg_pid of every frame that a client sends; the last byte is the protocol's version. */
	FRAME_COOKIE = 0x77657200,
	FRAME_VERSION = 1,
	FRAME_REPORT_JSON = 1, /* flag of FRAME_REPORT */
	FRAME_BYTES_MAX = 256 * 1024, /* the longest datagram that the router takes */
	FRAME_PATH_MAX = 1024,
	FRAME_IOCTL_MAX = 1024, /* bytes of an ioctl's argument */
	FRAME_SOCKOPT_HEAD = 128,
	FRAME_SOCKOPT_MAX = 64 * 1024 * 1024, /* bytes of a socket option: some 200,000 rules of iptables */
	FRAME_GROUP_MAX = 127, /* highest multicast group */
};

struct frame_hello {
	struct nlmsghdr header;
	uint32_t protocol; /* NETLINK_ROUTE */
	uint32_t pid; /* getpid() as the client sees it: the port id of its first socket */
};

struct frame_welcome {
	struct nlmsghdr header; /* nlmsg_pid: the router's cookie and version */
	int32_t error; /* errno, 0: welcome */
	uint32_t bytes_max; /* of a datagram */
};

struct frame_bind {
	struct nlmsghdr header;
	uint32_t port; /* 0: the router chooses */
	uint32_t groups; /* bit g - 1: group g */
};

struct frame_option {
	struct nlmsghdr header;
	int32_t name; /* NETLINK_* socket option */
	int32_t value;
};

struct frame_done {
	int32_t error; /* errno */
	uint32_t port; /* the socket's port id; 0: not bound yet */
};

struct frame_ioctl {
	struct nlmsghdr header;
	uint64_t request;
	char argument[];
};

/*
 * The value is behind the frame or, where it is longer than FRAME_IOCTL_MAX, in a memory file that comes with it by
 * SCM_RIGHTS, sealed against changes. The answer's value comes back by the same rule.
 */
struct frame_sockopt {
	struct nlmsghdr header;
	int32_t level;
	int32_t name;
	/* 0: getsockopt; the value is then what its buffer begins with, FRAME_SOCKOPT_HEAD bytes at most */
	uint32_t set;
	uint32_t bytes; /* optlen: of the value or, of getsockopt, of the buffer */
	char value[];
};

struct frame_path {
	struct nlmsghdr header;
	uint32_t flags;
	char path[]; /* with its NUL */
};

struct frame_reply {
	struct nlmsghdr header;
	int32_t error; /* errno */
	uint32_t value;
	char text[]; /* the error's sentence with its NUL, or an ioctl's argument */
};

#endif
