/* SPDX-License-Identifier: BSD-3-Clause */
/* weir sysctl: the router's settings by the names that sysctl(8) gives them, printed in its form. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/client.h"

static const char ROOT[] = "/proc/sys/";

/*
 * Names are written net.ipv4.ip_forward or net/ipv4/ip_forward; the first separator tells which, and the other
 * character then is part of a name: net.ipv4.conf.eth0/100.rp_filter is about eth0.100 (sysctl(8)).
 */
static void
swap_separators(char *name)
{
	for (; *name != '\0'; name++)
		if (*name == '.')
			*name = '/';
		else if (*name == '/')
			*name = '.';
}

static int
path_of(const char *key, char path[FRAME_PATH_MAX])
{
	const char *separator = strpbrk(key, "./");
	int length = snprintf(path, FRAME_PATH_MAX, "%s%s", ROOT, key);

	if (length >= FRAME_PATH_MAX)
		return client_usage("sysctl: the name is too long: %s", key);
	if (separator != NULL && *separator == '.')
		swap_separators(path + sizeof(ROOT) - 1);
	if (strncmp(path, "/proc/sys/net/", strlen("/proc/sys/net/")) != 0 || strstr(path, "/../") != NULL)
		return client_usage(
			"sysctl: '%s': the router has settings of net only, as in net.ipv4.ip_forward", key);
	return 0;
}

static int
fail(const char *key, int connection, const struct router_answer *answer)
{
	struct error err;

	if (connection == -ECONNREFUSED || connection == -EACCES)
		return 1; /* router_connect has said why */
	if (connection < 0)
		error_set(&err, -connection, "sysctl: %s: %s", key, strerror(-connection));
	else if ((answer->error == ENOENT && answer->text[0] == '\0') || answer->error == ENOTDIR)
		error_set(&err, answer->error, "sysctl: the router has no setting '%s'", key);
	else
		error_set(&err, answer->error, "sysctl: %s: %.150s", key,
			answer->text[0] != '\0' ? answer->text : strerror(answer->error));
	return client_fail(&err);
}

static void
print_value(const char *key, char *value, bool values_only)
{
	value[strcspn(value, "\n")] = '\0';
	if (values_only)
		printf("%s\n", value);
	else
		printf("%s = %s\n", key, value);
}

static int
get(const char *key, const char *path, bool values_only)
{
	struct router_answer answer;
	int connection = router_ask_path(FRAME_OPEN, path, O_RDONLY, &answer);
	size_t bytes;
	char *value;

	if (connection >= 0)
		close(connection);
	if (connection < 0 || answer.error != 0)
		return fail(key, connection, &answer);
	value = router_read_answer(&answer, &bytes);
	if (value == NULL)
		return client_fail(&(struct error){ .code = errno });
	print_value(key, value, values_only);
	free(value);
	return 0;
}

static int
set(const char *key, const char *path, char *value, bool values_only)
{
	struct router_answer answer;
	int connection = router_ask_path(FRAME_OPEN, path, O_WRONLY, &answer);
	char text[1024];
	int code;

	if (connection >= 0 && answer.error == 0) {
		snprintf(text, sizeof(text), "%s\n", value);
		code = router_exchange(connection, text, strlen(text), &answer);
		if (code == 0 && answer.error == 0) {
			print_value(key, value, values_only);
			close(connection);
			return 0;
		}
		close(connection);
		return fail(key, code, &answer);
	}
	code = fail(key, connection, &answer);
	if (connection >= 0)
		close(connection);
	return code;
}

/* All settings under a directory, as sysctl -a. */
static int
get_all(const char *path, bool values_only)
{
	struct router_answer answer;
	int connection = router_ask_path(FRAME_LIST, path, 0, &answer);
	char *listing, *at, *line;
	size_t bytes;
	int status = 0;

	if (connection >= 0)
		close(connection);
	if (connection < 0 || answer.error != 0)
		return fail(path + sizeof(ROOT) - 1, connection, &answer);
	listing = at = router_read_answer(&answer, &bytes);
	while (at != NULL && (line = strsep(&at, "\n")) != NULL) {
		char child[FRAME_PATH_MAX], key[FRAME_PATH_MAX];
		int code;

		if (strlen(line) < 3 || snprintf(child, sizeof(child), "%s/%s", path, line + 2) >= (int)sizeof(child))
			continue;
		memcpy(key, child + sizeof(ROOT) - 1, strlen(child) - sizeof(ROOT) + 2);
		swap_separators(key);
		code = line[0] == 'd' ? get_all(child, values_only) : get(key, child, values_only);
		/* One that is only written to, as route.flush, does not end the list. */
		status = code > status ? code : status;
	}
	free(listing);
	return status;
}

int
client_sysctl(int argc, char **argv)
{
	bool values_only = false, all = false;
	int status = 0, at = 1;

	for (; at < argc && argv[at][0] == '-'; at++) {
		if (strcmp(argv[at], "-n") == 0)
			values_only = true;
		else if (strcmp(argv[at], "-a") == 0)
			all = true;
		else if (strcmp(argv[at], "-w") != 0) /* setting needs no permission here; accepted as sysctl(8) does */
			return client_usage("sysctl: there is no option '%s'", argv[at]);
	}
	if (all && at < argc)
		return client_usage("sysctl: -a shows all settings and takes no name; '%s' is one", argv[at]);
	if (all)
		return get_all("/proc/sys/net", values_only);
	if (at == argc)
		return client_usage("%s: a name is missing, as in 'weir sysctl net.ipv4.ip_forward=1'", "sysctl");
	for (; at < argc; at++) {
		char *value = strchr(argv[at], '=');
		char path[FRAME_PATH_MAX];
		int code;

		if (value != NULL)
			*value++ = '\0';
		code = path_of(argv[at], path);
		if (code == 0)
			code = value != NULL ? set(argv[at], path, value, values_only)
					     : get(argv[at], path, values_only);
		if (code > status)
			status = code;
	}
	return status;
}
