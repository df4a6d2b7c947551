/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which paths are the router's. Names are made absolute and cleaned of "." and ".." by their letters; what a symbolic
 * link hides is caught by descriptor_is_routed once it is open for writing.
 */
#include "shim/host.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "shim/files.h"
#include "shim/namespace.h"

/* Trees, with all that is in them. */
static const char *const trees[] = { "/proc/sys/net", "/sys/class/net" };

/*
 * Of /proc/net what shows links, addresses, routes, neighbours and iptables' tables; its sockets (tcp, udp, unix, ...)
 * are the host's.
 */
static const char *const files[] = { "psched", "dev", "dev_mcast", "route", "rt_cache", "fib_trie", "fib_triestat",
	"arp", "igmp", "igmp6", "if_inet6", "ipv6_route", "vlan/config", "ip_tables_names", "ip_tables_matches",
	"ip_tables_targets" };

/* Appends path to out (a clean absolute path of *length, at most room long), part by part. */
static bool
append_clean(char *out, size_t *length, size_t room, const char *path)
{
	while (*path != '\0') {
		size_t part = strcspn(path, "/");

		if (part == 2 && path[0] == '.' && path[1] == '.') {
			while (*length > 0 && out[*length - 1] != '/')
				(*length)--;
			if (*length > 0)
				(*length)--;
		} else if (part > 0 && !(part == 1 && path[0] == '.')) {
			if (*length + part + 2 > room)
				return false;
			out[(*length)++] = '/';
			memcpy(out + *length, path, part);
			*length += part;
		}
		path += part;
		path += strspn(path, "/");
	}
	out[*length] = '\0';
	return true;
}

static bool
directory_name(int dirfd, char name[PATH_MAX])
{
	char link[32];
	ssize_t length;

	if (dirfd == AT_FDCWD)
		return getcwd(name, PATH_MAX) != NULL;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
	length = HOST(readlink)(link, name, PATH_MAX - 1);
	if (length < 0)
		return false;
	name[length] = '\0';
	return true;
}

static bool
is_in(const char *path, const char *tree)
{
	size_t length = strlen(tree);

	return strncmp(path, tree, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

static bool
is_routed(const char *path)
{
	static const char proc_net[] = "/proc/net/";

	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++)
		if (is_in(path, trees[i]))
			return true;
	if (strncmp(path, proc_net, sizeof(proc_net) - 1) != 0)
		return false;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (strcmp(path + sizeof(proc_net) - 1, files[i]) == 0)
			return true;
	return false;
}

/* /proc/self/net is what /proc/net points to. */
static void
shorten_self(char *path)
{
	static const char *const selves[] = { "/proc/self/net/", "/proc/thread-self/net/" };

	for (size_t i = 0; i < sizeof(selves) / sizeof(selves[0]); i++) {
		size_t length = strlen(selves[i]);

		if (strncmp(path, selves[i], length) == 0) {
			memmove(path + strlen("/proc/net/"), path + length, strlen(path + length) + 1);
			memcpy(path, "/proc/net/", strlen("/proc/net/"));
		}
	}
}

bool
path_is_routed(int dirfd, const char *path, char absolute[PATH_MAX])
{
	size_t length = 0;

	if (path == NULL || path[0] == '\0' || namespace_was_left())
		return false;
	absolute[0] = '\0';
	if (path[0] != '/') {
		char directory[PATH_MAX];

		if (!directory_name(dirfd, directory) || !append_clean(absolute, &length, PATH_MAX, directory))
			return false;
	}
	if (!append_clean(absolute, &length, PATH_MAX, path))
		return false;
	shorten_self(absolute);
	return is_routed(absolute);
}

bool
descriptor_is_routed(int fd)
{
	char name[PATH_MAX];
	struct statfs system;

	if (namespace_was_left() || fstatfs(fd, &system) != 0 ||
		(system.f_type != PROC_SUPER_MAGIC && system.f_type != SYSFS_MAGIC))
		return false;
	if (!directory_name(fd, name))
		return true; /* better refused than let through to the host */
	return is_routed(name) || (system.f_type == SYSFS_MAGIC && strstr(name, "/net/") != NULL);
}
