/* SPDX-License-Identifier: BSD-3-Clause */
/* `netlink_server SOCKET` serves what fake_router.c has until SIGTERM. */
#include <signal.h>
#include <stdio.h>

#include <event2/event.h>

#include "netlink/netlink.h"

static void
on_signal(evutil_socket_t signal_number, short what, void *arg)
{
	event_base_loopbreak(arg);
}

int
main(int argc, char **argv)
{
	struct event_base *base = event_base_new();
	struct nl_server_conf conf = { .path = argv[1], .base = base };
	struct nl_server *server;
	struct event *stop;
	struct error err;

	if (argc != 2 || nl_server_create(&conf, &server, &err) != 0) {
		fprintf(stderr, "netlink_server: %s\n", argc != 2 ? "usage: netlink_server SOCKET" : err.msg);
		return argc != 2 ? 2 : 1;
	}
	stop = evsignal_new(base, SIGTERM, on_signal, base);
	event_add(stop, NULL);
	printf("ready\n");
	fflush(stdout);
	event_base_dispatch(base);
	event_free(stop);
	nl_server_destroy(server);
	event_base_free(base);
	return 0;
}
