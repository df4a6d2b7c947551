/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every handler in control/ is given: req->context of a netlink request, `context` of files, ioctls and reports.
 */
#ifndef WEIR_CONTROL_H
#define WEIR_CONTROL_H

#include <stdint.h>

struct event_base;
struct nl_server;
struct router;

struct control {
	struct router *router;
	struct nl_server *server;
	struct event_base *base;
	/* Now, in the router's time: the TSC's nanoseconds live, virtual time in replay. */
	uint64_t (*now)(const struct control *c);
};

#endif
