/* SPDX-License-Identifier: BSD-3-Clause */
/* Scripts run by sh and the real ip against fake_router.c: status, failing line, stderr, interruption. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "client/find_line.h"
#include "netlink/netlink.h"
#include "script.h"

static char directory[] = "/tmp/weir-test-XXXXXX";
static char socket_path[64];
static char script_path[64];
static struct event_base *base;
static struct nl_server *server;

static int
setup(void **state)
{
	struct error err;
	struct nl_server_conf conf = { .path = socket_path };

	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(socket_path, sizeof(socket_path), "%s/socket", directory);
	snprintf(script_path, sizeof(script_path), "%s/setup", directory);
	base = event_base_new();
	conf.base = base;
	return nl_server_create(&conf, &server, &err);
}

static int
teardown(void **state)
{
	nl_server_destroy(server);
	event_base_free(base);
	unlink(script_path);
	return rmdir(directory);
}

static void
write_script(const char *text, mode_t mode)
{
	FILE *file;

	unlink(script_path);
	file = fopen(script_path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(script_path, mode), 0);
}

static struct script_result
run(const char *text, mode_t mode)
{
	struct script_result result;

	write_script(text, mode);
	assert_int_equal(script_run(base, script_path, NULL, socket_path, &result), 0);
	return result;
}

static void
status_is_the_scripts(void **state)
{
	assert_int_equal(run("ip link show dev eth0 >/dev/null\n", 0600).status, 0);
	assert_int_equal(run("ip link show dev eth0 >/dev/null\nexit 7\n", 0600).status, 7);
	assert_int_equal(run("kill -KILL $$\n", 0600).status, 128 + 9);
	assert_int_equal(run("#!/bin/bash\nx=(1 2 3); exit ${#x[@]}\n", 0700).status, 3);
	assert_int_equal(run("exit 5\n", 0700).status, 5); /* executable, but no #! */
}

static void
failing_line_is_named(void **state)
{
	struct script_result result =
		run("set -e\nDEV=eth0\n\nip route add 10.0.0.1 dev $DEV\n"
		    "ip route add 10.0.0.2 \\\n  dev $DEV table 99\nip route add 10.0.0.3 dev eth0\n",
			0600);

	assert_int_equal(result.status, 2);
	assert_int_equal(result.failed_line, 5);
	assert_int_equal(result.failed_status, 2);
	assert_string_equal(result.failed_command, "ip route add 10.0.0.2 dev eth0 table 99");
	assert_non_null(strstr(result.stderr_tail, "table 99 takes no routes"));
}

static void
script_decides_whether_a_failing_line_matters(void **state)
{
	struct script_result result =
		run("ip route add 10.0.0.2 dev eth0 table 99\nip route add 10.0.0.3 dev eth0\n", 0600);

	assert_int_equal(result.status, 0);
	assert_int_equal(result.failed_line, 1);
}

static void
what_cannot_be_run_is_said(void **state)
{
	struct script_result result;

	assert_int_equal(script_run(base, "/nonexistent/script", NULL, socket_path, &result), -ENOENT);
	assert_non_null(strstr(result.error.msg, "/nonexistent/script"));
	assert_int_equal(script_run(base, directory, NULL, socket_path, &result), -EISDIR);
	assert_int_equal(script_run(base, NULL, (char *[]){ "no-such-program", NULL }, socket_path, &result), -ENOENT);
}

static void
command_gets_its_arguments(void **state)
{
	struct script_result result;
	char *const argv[] = { "sh", "-c", "test \"$1\" = 'a b' && exit 4", "sh", "a b", NULL };

	assert_int_equal(script_run(base, NULL, argv, socket_path, &result), 0);
	assert_int_equal(result.status, 4);
}

static void
break_loop(evutil_socket_t fd, short what, void *arg)
{
	event_base_loopbreak(base);
}

/* Not a zombie that nobody waits for either. */
static bool
runs(int pid)
{
	char path[32];
	FILE *file;
	bool running;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	file = fopen(path, "r");
	if (file == NULL)
		return false;
	running = fgetc(file) != EOF;
	fclose(file);
	return running;
}

static void
broken_loop_stops_the_script(void **state)
{
	const struct timeval soon = { .tv_usec = 300 * 1000 };
	struct script_result result;

	char text[128], pid[32] = "";
	FILE *file;

	/* with what it started */
	snprintf(text, sizeof(text), "sh -c 'echo $$ >%s/pid; exec sleep 60'\n", directory);
	write_script(text, 0600);
	event_base_once(base, -1, EV_TIMEOUT, break_loop, NULL, &soon);
	assert_int_equal(script_run(base, script_path, NULL, socket_path, &result), -EINTR);
	snprintf(text, sizeof(text), "%s/pid", directory);
	file = fopen(text, "r");
	assert_non_null(file);
	assert_non_null(fgets(pid, sizeof(pid), file));
	fclose(file);
	unlink(text);
	for (int i = 0; i < 100 && runs(atoi(pid)); i++)
		usleep(10000);
	assert_false(runs(atoi(pid)));
}

static void
lines_are_found_by_their_words(void **state)
{
	static const char command[] = "/sbin/tc\0qdisc\0add\0dev\0eth0\0root\0htb";

	write_script("tc qdisc add dev eth1 root htb\n# tc qdisc add dev eth0 root htb\n"
		     "if true; then $TC qdisc add dev \"eth0\" root 'htb' 2>/dev/null; fi\n",
		0600);
	assert_int_equal(find_line(script_path, command, sizeof(command)), 3);
	write_script("tc qdisc add dev eth0 root htb default 1\ntc qdisc add dev eth0\n", 0600);
	assert_int_equal(find_line(script_path, command, sizeof(command)), 0);
	write_script("tc qdisc add dev eth0 root htb\ntc qdisc add dev eth0 root htb\n", 0600);
	assert_int_equal(find_line(script_path, command, sizeof(command)), 0);
	write_script("for d in eth0 eth1; do\n  tc qdisc add dev $d $OPTIONS\ndone\n", 0600);
	assert_int_equal(find_line(script_path, command, sizeof(command)), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_is_the_scripts),
		cmocka_unit_test(failing_line_is_named),
		cmocka_unit_test(script_decides_whether_a_failing_line_matters),
		cmocka_unit_test(what_cannot_be_run_is_said),
		cmocka_unit_test(command_gets_its_arguments),
		cmocka_unit_test(broken_loop_stops_the_script),
		cmocka_unit_test(lines_are_found_by_their_words),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
