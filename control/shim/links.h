/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which of the program's file descriptors are the router's: netlink sockets, and files open for writing. Both are
 * sockets connected to the router; dup() makes several descriptors of one link.
 */
#ifndef WEIR_SHIM_LINKS_H
#define WEIR_SHIM_LINKS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "netlink/frames.h"
#include "netlink/watch.h"

enum link_kind {
	LINK_NETLINK,
	LINK_FILE,
};

struct link {
	LIST_ENTRY(link) next;
	enum link_kind kind;
	int references; /* descriptors, and calls under way */
	dev_t device; /* of the socket: a descriptor that was closed behind the shim's back has become something else */
	ino_t inode;
	pthread_mutex_t turn; /* a request and its acknowledgement are one step */

	/* LINK_NETLINK */
	int done_fd; /* where the router says that a datagram has been served */
	struct watch watch; /* for that */
	uint32_t port;
	uint32_t groups[(FRAME_GROUP_MAX + 32) / 32];
	uint32_t options; /* bit NETLINK_*: set by setsockopt */
	bool dumping; /* a dump was asked for, and its end has not been read */

	/* LINK_FILE */
	char *path; /* NULL: inherited, unknown */
};

/* A link that fd may be added to; NULL and errno. */
struct link *link_create(enum link_kind kind, int fd);
/* Makes fd a descriptor of link. False where it is beyond what is followed. */
bool link_add(struct link *link, int fd);
/* The link of fd with a reference, or NULL where fd is none of the router's (of this kind). */
struct link *link_find(int fd, enum link_kind kind);
void link_put(struct link *link);
/* Before fd is closed or replaced. */
void link_drop(int fd);
void link_drop_range(unsigned int first, unsigned int last);
/* After to was made a copy of from. */
void link_copy(int from, int to);
/* Whether fd is one that the shim keeps for itself, which the program cannot know of and must not close. */
bool link_is_hidden(int fd);
/* Gives way where the program wants the number of a descriptor that the shim keeps. */
void link_vacate(int fd);
/* Moves fd out of the way of the program's numbers. Returns the new one. */
int link_hide(int fd);

/* files.c: what else has to be done when standard output becomes, or stops to be, a file of the router's. */
void file_stdout_begin(void);
void file_stdout_end(void);

#endif
