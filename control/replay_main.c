/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * weir-replay, which `weir replay` runs: a router of captures in virtual time, with the control socket in a directory
 * of its own so that scripts of ordinary ip and tc lines configure it, before the first packet and in the middle.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include <weir/dataplane.h>

#include "control.h"
#include "netlink/netlink.h"
#include "program.h"
#include "replay_options.h"
#include "route/events.h"
#include "save.h"
#include "script.h"

struct player {
	struct control control;
	char directory[sizeof(((struct sockaddr_un *)NULL)->sun_path) - 16]; /* of the socket; empty: not made yet */
	char socket_path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	struct event *signals[2];
	bool events_started;
	bool stopping; /* a signal said so */
	bool script_failed; /* and what was wrong with it has been said */
	bool progress; /* to be shown: stderr is a terminal */
};

static void
on_signal(evutil_socket_t number, short what, void *arg)
{
	struct player *player = arg;

	player->stopping = true;
	event_base_loopbreak(player->control.base);
}

/* ---- being made ------------------------------------------------------------------------------ */

static int
make_socket(struct player *player, struct error *err)
{
	const char *parent = getenv("TMPDIR");
	struct nl_server_conf server = {
		.path = player->socket_path, .base = player->control.base, .context = &player->control
	};

	if (parent == NULL || parent[0] != '/')
		parent = "/tmp";
	int length = snprintf(player->directory, sizeof(player->directory), "%s/weir-replay-XXXXXX", parent);
	if (length >= (int)sizeof(player->directory)) {
		player->directory[0] = '\0';
		return error_set(err, ENAMETOOLONG, "TMPDIR=%s is too long a path for a socket", parent);
	}
	if (mkdtemp(player->directory) == NULL) {
		player->directory[0] = '\0';
		return error_set(
			err, errno, "cannot make a directory for the socket in %s: %s", parent, strerror(errno));
	}
	snprintf(player->socket_path, sizeof(player->socket_path), "%s/weir.sock", player->directory);
	return nl_server_create(&server, &player->control.server, err);
}

static int
add_port(struct control *control, const struct replay_port *option, struct error *err)
{
	const struct port_conf conf = {
		.name = option->name,
		.kind = "capture",
		.rate_Bps = option->rate_Bps,
		.mtu = option->mtu,
		.kind_conf = &option->capture,
	};
	struct port *port;
	int code = program_add_port(control, &conf, &port, err);

	return code == 0 ? port_set_flags(port, IFF_UP, IFF_UP, err) : code;
}

static int
make(struct player *player, const struct replay_options *options, struct error *err)
{
	struct control *control = &player->control;
	const struct router_conf conf = { .workers = 1, .replay = true, .seed = options->seed };
	const int numbers[] = { SIGTERM, SIGINT };

	control->base = event_base_new();
	if (control->base == NULL)
		return error_set(err, ENOMEM, "cannot make the event loop");
	control->now = program_now;
	for (size_t i = 0; i < 2; i++) {
		player->signals[i] = event_new(control->base, numbers[i], EV_SIGNAL | EV_PERSIST, on_signal, player);
		if (player->signals[i] == NULL || event_add(player->signals[i], NULL) != 0)
			return error_set(err, ENOMEM, "cannot watch for signals");
	}
	int code = router_create(&conf, &control->router, err);
	if (code == 0)
		code = make_socket(player, err);
	if (code != 0)
		return code;
	route_events_start(control);
	player->events_started = true;
	for (size_t i = 0; i < options->port_count && code == 0; i++)
		code = add_port(control, &options->ports[i], err);
	/* As on every Linux machine that has booted. */
	if (code == 0)
		code = port_set_flags(port_find(control->router, 1), IFF_UP, IFF_UP, err);
	if (code == 0)
		save_settings_baseline(control->router);
	return code;
}

static void
unmake(struct player *player)
{
	if (player->events_started)
		route_events_stop();
	if (player->control.server != NULL)
		nl_server_destroy(player->control.server);
	if (player->directory[0] != '\0')
		rmdir(player->directory);
	for (size_t i = 0; i < 2; i++)
		if (player->signals[i] != NULL)
			event_free(player->signals[i]);
	if (player->control.router != NULL)
		router_destroy(player->control.router);
	if (player->control.base != NULL)
		event_base_free(player->control.base);
}

/* ---- running --------------------------------------------------------------------------------- */

static int
run_script(void *arg, const char *path)
{
	struct player *player = arg;
	struct script_result result;

	if (player->progress)
		fputs("\r\033[K", stderr);
	int code = script_run(player->control.base, path, NULL, player->socket_path, &result);
	if (code == 0 && result.status == 0)
		return 0;
	if (!player->stopping) {
		script_print_failure(path, &result);
		player->script_failed = true;
	}
	return code == 0 ? result.status : 1;
}

static bool
show_progress(void *arg, uint64_t elapsed_ns, uint64_t packets)
{
	struct player *player = arg;

	event_base_loop(player->control.base, EVLOOP_NONBLOCK);
	if (player->progress)
		fprintf(stderr, "\r\033[K%" PRIu64 " packets, %.3f s", packets, (double)elapsed_ns / 1e9);
	return player->stopping;
}

static int
failed(const struct player *player, const struct error *err)
{
	if (player->stopping)
		return program_fail(&(struct error){ .code = EINTR, .msg = "interrupted" });
	return player->script_failed ? EXIT_FAILED : program_fail(err);
}

static int
run(struct player *player, const struct replay_options *options)
{
	struct replay_conf conf = {
		.out_dir = options->out_dir,
		.packets = options->packets,
		.scripts = options->scripts,
		.script_count = options->script_count,
		.run_script = run_script,
		.progress = show_progress,
		.arg = player,
	};
	struct error err = { 0 };

	if (make(player, options, &err) != 0)
		return program_fail(&err);
	if (options->config != NULL && run_script(player, options->config) != 0)
		return failed(player, &err);
	int code = replay_run(player->control.router, &conf, &err);
	if (player->progress)
		fputs("\r\033[K", stderr);
	if (code != 0)
		return failed(player, &err);
	if (options->json)
		replay_write_report(player->control.router, stdout);
	else
		replay_print_summary(player->control.router, stdout);
	if (!options->json && options->out_dir != NULL)
		printf("The captures and the report are in %s\n", options->out_dir);
	if (fflush(stdout) != 0)
		return program_fail(&(struct error){ .code = errno, .msg = "cannot write the results to stdout" });
	return EXIT_OK;
}

int
main(int argc, char **argv)
{
	static struct replay_options options;
	static char name[] = "weir replay";
	struct player player = { .progress = isatty(STDERR_FILENO) };
	struct error err = { 0 };

	if (replay_options_parse(argc, argv, &options, &err) != 0) {
		fprintf(stderr, "weir replay: %s\nTry 'weir replay --help'.\n", err.msg);
		return EXIT_USAGE;
	}
	if (options.help) {
		fputs(replay_usage, stdout);
		return EXIT_OK;
	}
	signal(SIGPIPE, SIG_IGN);
	program_invocation_short_name = name; /* what script.c's messages start with */
	int status = run(&player, &options);
	unmake(&player);
	return status;
}
