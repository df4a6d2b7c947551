/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * weird, the router's daemon: makes the socket, the router and its ports, runs the configuration, then serves until it
 * is told to stop. All of it in the control thread; packets are the workers'.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include <weir/dataplane.h>
#include <weir/rcu.h>

#include "control.h"
#include "netlink/netlink.h"
#include "program.h"
#include "route/events.h"
#include "save.h"
#include "script.h"
#include "shim/router.h"
#include "weird_options.h"

struct daemon {
	struct control control;
	char socket_path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	struct event *events[3];
	bool stopping; /* a signal said so */
	bool events_started;
};

static void
on_signal(evutil_socket_t number, short what, void *arg)
{
	struct daemon *daemon = arg;

	daemon->stopping = true;
	event_base_loopbreak(daemon->control.base);
}

static void
on_router(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *daemon = arg;

	router_poll(daemon->control.router);
	rcu_reclaim(router_rcu(daemon->control.router));
}

static void
watch(struct daemon *daemon, size_t index, evutil_socket_t fd, short what, event_callback_fn callback)
{
	daemon->events[index] = event_new(daemon->control.base, fd, what | EV_PERSIST, callback, daemon);
	if (daemon->events[index] == NULL || event_add(daemon->events[index], NULL) != 0)
		abort();
}

static int
choose_socket(struct daemon *daemon, const char *option, struct error *err)
{
	int code;

	if (option != NULL && strlen(option) >= sizeof(daemon->socket_path))
		return error_set(err, ENAMETOOLONG, "--socket: a socket's path may have %zu characters, not %zu",
			sizeof(daemon->socket_path) - 1, strlen(option));
	if (option != NULL) {
		strcpy(daemon->socket_path, option);
		return 0;
	}
	code = router_socket_path(daemon->socket_path, sizeof(daemon->socket_path));
	if (code == -ENOENT)
		return error_set(err, ENOENT, "where is the socket to be? Set XDG_RUNTIME_DIR, or give --socket PATH");
	return code == 0 ? 0 : error_set(err, -code, "the socket's path is too long; give another with --socket");
}

static int
add_ports(struct control *control, const struct weird_options *options, struct error *err)
{
	int code = 0;

	for (size_t i = 0; i < options->port_count && code == 0; i++) {
		const struct port_option *option = &options->ports[i];
		const struct port_conf conf = {
			.name = option->name,
			.kind = "device",
			.rate_Bps = option->rate_Bps,
			.kind_conf = &option->device,
		};
		struct port *port;

		code = program_add_port(control, &conf, &port, err);
	}
	return code;
}

/* The socket comes first: a router that is running already is found before anything touches its devices. */
static int
make(struct daemon *daemon, const struct weird_options *options, struct error *err)
{
	struct control *control = &daemon->control;
	struct nl_server_conf server = { .path = daemon->socket_path, .context = control };
	int code = choose_socket(daemon, options->socket, err);

	if (code != 0)
		return code;
	control->base = server.base = event_base_new();
	if (control->base == NULL)
		return error_set(err, ENOMEM, "cannot make the event loop");
	control->now = program_now;
	watch(daemon, 0, SIGTERM, EV_SIGNAL, on_signal);
	watch(daemon, 1, SIGINT, EV_SIGNAL, on_signal);
	code = nl_server_create(&server, &control->server, err);
	if (code == 0)
		code = router_create(&options->router, &control->router, err);
	if (code != 0)
		return code;
	watch(daemon, 2, router_event_fd(control->router), EV_READ, on_router);
	route_events_start(control);
	daemon->events_started = true;
	code = add_ports(control, options, err);
	if (code == 0)
		save_settings_baseline(control->router);
	return code;
}

static int
configure(struct daemon *daemon, const char *script)
{
	struct script_result result;
	int code = script_run(daemon->control.base, script, NULL, daemon->socket_path, &result);

	if (code == 0 && result.status == 0)
		return EXIT_OK;
	if (daemon->stopping)
		return EXIT_OK; /* it was told to stop, and stops */
	script_print_failure(script, &result);
	return EXIT_FAILED;
}

static int
run(struct daemon *daemon, const struct weird_options *options)
{
	struct error err = { 0 };
	int status = EXIT_OK;

	if (make(daemon, options, &err) != 0)
		return program_fail(&err);
	if (options->config != NULL)
		status = configure(daemon, options->config);
	if (status != EXIT_OK || daemon->stopping)
		return status;
	if (router_start(daemon->control.router, &err) != 0)
		return program_fail(&err);
	fprintf(stderr, "weird: running with %zu port%s and %u worker%s; the socket is %s\n", options->port_count,
		options->port_count != 1 ? "s" : "", options->router.workers, options->router.workers != 1 ? "s" : "",
		daemon->socket_path);
	if (!daemon->stopping && event_base_dispatch(daemon->control.base) < 0)
		return program_fail(&(struct error){ .code = EIO, .msg = "the event loop failed" });
	return EXIT_OK;
}

static int
unmake(struct daemon *daemon)
{
	unsigned int lost = 0;

	if (daemon->events_started)
		route_events_stop();
	nl_server_destroy(daemon->control.server);
	for (size_t i = 0; i < sizeof(daemon->events) / sizeof(daemon->events[0]); i++)
		if (daemon->events[i] != NULL)
			event_free(daemon->events[i]);
	if (daemon->control.router != NULL)
		lost = router_destroy(daemon->control.router);
	if (daemon->control.base != NULL)
		event_base_free(daemon->control.base);
	return lost == 0 ? EXIT_OK : EXIT_FAILED;
}

int
main(int argc, char **argv)
{
	static struct weird_options options;
	struct daemon daemon = { 0 };
	struct error err = { 0 };
	int status, end;

	if (weird_options_parse(argc, argv, &options, &err) != 0) {
		fprintf(stderr, "weird: %s\nTry 'weird --help'.\n", err.msg);
		return EXIT_USAGE;
	}
	if (options.help || options.version) {
		printf("%s", options.help ? weird_usage : "weird " WEIR_VERSION "\n");
		return EXIT_OK;
	}
	signal(SIGPIPE, SIG_IGN);
	status = run(&daemon, &options);
	end = unmake(&daemon);
	return status != EXIT_OK ? status : end;
}
