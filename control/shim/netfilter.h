/* SPDX-License-Identifier: BSD-3-Clause */
/* iptables-legacy, which speaks to the kernel by options of a raw socket. */
#ifndef WEIR_SHIM_NETFILTER_H
#define WEIR_SHIM_NETFILTER_H

#include <stdbool.h>
#include <sys/socket.h>

/* Whether it is an option of netfilter's tables, of whatever socket. */
bool netfilter_has_option(int level, int name, bool set);
/* As setsockopt() and getsockopt(): 0, or -1 and errno. */
int netfilter_set(int level, int name, const void *value, socklen_t bytes);
int netfilter_get(int level, int name, void *value, socklen_t *bytes);

/*
 * What takes the place of a raw socket that the kernel refused, for the program to ask its options of: a descriptor
 * that nothing can be sent on. -1 and errno.
 */
int netfilter_stand_in(int type);

/*
 * xtables' lock: iptables reads a table, changes it and writes it back, and another one must not do so meanwhile. The
 * host's has nothing to do with the router. If path is the lock's, the router's own is opened: *fd, or -1 and errno.
 */
bool netfilter_open_lock(const char *path, int flags, int *fd);

#endif
