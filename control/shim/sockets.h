/* SPDX-License-Identifier: BSD-3-Clause */
/* What setting a netlink socket up and speaking on it have in common. */
#ifndef WEIR_SHIM_SOCKETS_H
#define WEIR_SHIM_SOCKETS_H

#include <stdint.h>
#include <sys/socket.h>

struct link;

/* What a system call returns for code: itself, or -1 with errno set where it is a negative errno. */
int socket_result(int code);

/* Waits until the router has served what was sent: 0 or -errno. The caller holds link->turn. */
int netlink_await_done(struct link *link);

/* A struct sockaddr_nl, as much of it as there is room for. */
void netlink_fill_name(struct sockaddr *name, socklen_t *length, uint32_t port, uint32_t groups);

#endif
