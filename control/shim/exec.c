/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs that a script runs, and that have to be others, or not to be run, for it to mean the router.
 *
 * sudo, doas and pkexec give the programs that they run a clean environment, in which the shim is not loaded: `sudo tc
 * ...` in a script would act on the host. They are refused; who runs the script has, or lacks, the right to change the
 * router already.
 *
 * A plain `iptables` may be nft's, which speaks another language (update-alternatives(1)): the legacy one beside it is
 * run. Scripts load kernel modules for what they are about to use. The router has no modules, and the host need not
 * load its own: modprobe(8) of those does nothing.
 */
#include "shim/host.h"

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim/namespace.h"
#include "shim/router.h"

extern char **environ;

/* What is to be run in the place of a program. */
struct substitute {
	const char *path; /* NULL: nothing, errno says why */
	bool searched; /* path is a name to be looked for in PATH */
	char *const *arguments;
	char legacy[PATH_MAX];
};

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static bool
is_one_of(const char *name, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

static bool
is_refused(const char *path)
{
	static const char *const names[] = { "sudo", "doas", "pkexec", NULL };
	const char *name = base_name(path);
	bool said = false;

	if (!is_one_of(name, names))
		return false;
	router_complain(&said,
		"weir: %s would act on the host, not on the router: leave it out (run 'weir exec' as a user who may "
		"change the router)",
		name);
	return true;
}

/* The first file of this name that may be run, in PATH's directories, as execvp(3) finds it. */
static bool
search_path(const char *name, char found[PATH_MAX])
{
	const char *at = getenv("PATH");

	if (at == NULL)
		at = "/bin:/usr/bin";
	for (; at != NULL && *at != '\0';) {
		size_t length = strcspn(at, ":");

		if (length + strlen(name) + 2 <= PATH_MAX) {
			memcpy(found, at, length);
			found[length] = '/';
			strcpy(found + length + 1, name);
			if (HOST(access)(length != 0 ? found : name, X_OK) == 0)
				return true;
		}
		at += length + (at[length] == ':');
	}
	return false;
}

/* Where path leads to nft's iptables: the legacy one, which is installed beside it. */
static bool
find_legacy(const char *path, bool searched, char legacy[PATH_MAX])
{
	static const char *const names[] = { "iptables", "iptables-save", "iptables-restore", "ip6tables",
		"ip6tables-save", "ip6tables-restore", NULL };
	static const char nft[] = "xtables-nft-multi", multi[] = "xtables-legacy-multi";
	char found[PATH_MAX];
	char *name;

	if (!is_one_of(base_name(path), names))
		return false;
	if (searched && strchr(path, '/') == NULL) {
		if (!search_path(path, found))
			return false;
		path = found;
	}
	if (realpath(path, legacy) == NULL)
		return false;
	name = strrchr(legacy, '/') + 1;
	if (strcmp(name, nft) != 0 || (size_t)(name - legacy) + sizeof(multi) > PATH_MAX)
		return false;
	memcpy(name, multi, sizeof(multi));
	return HOST(access)(legacy, X_OK) == 0;
}

/* Modules of what the router does itself, by how their names begin. */
static bool
is_network_module(const char *name)
{
	static const char *const starts[] = { "ip_tables", "iptable_", "ipt_", "ip6_tables", "ip6table_", "ip6t_",
		"x_tables", "xt_", "nf_", "nfnetlink", "ip_conntrack", "ip_nat", "sch_", "cls_", "act_", "em_", "ifb",
		"dummy", "veth", "8021q", "ip_gre", "ip6_gre", "ipip", "sit", "ip_tunnel", "tunnel4" };

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (strncmp(name, starts[i], strlen(starts[i])) == 0)
			return true;
	return false;
}

static bool
loads_network_modules(const char *path, char *const arguments[])
{
	static const char *const names[] = { "modprobe", "insmod", "rmmod", NULL };
	unsigned int modules = 0;

	if (!is_one_of(base_name(path), names) || arguments == NULL || arguments[0] == NULL)
		return false;
	for (size_t i = 1; arguments[i] != NULL; i++) {
		if (arguments[i][0] == '-' || strchr(arguments[i], '=') != NULL)
			continue;
		if (!is_network_module(base_name(arguments[i])))
			return false;
		modules++;
	}
	return modules != 0;
}

static void
substitute(struct substitute *to, const char *path, bool searched, char *const arguments[])
{
	static char name_of_true[] = "true";
	static char *const nothing[] = { name_of_true, NULL };

	*to = (struct substitute){ .path = path, .searched = searched, .arguments = arguments };
	if (path == NULL || namespace_was_left())
		return;
	if (is_refused(path)) {
		to->path = NULL;
		errno = EACCES;
	} else if (loads_network_modules(path, arguments)) {
		to->path = "/bin/true";
		to->searched = false;
		to->arguments = nothing;
	} else if (find_legacy(path, searched, to->legacy)) {
		to->path = to->legacy;
		to->searched = false;
	}
}

EXPORT int
execve(const char *path, char *const argv[], char *const environment[])
{
	struct substitute to;

	substitute(&to, path, false, argv);
	return to.path == NULL ? -1 : HOST(execve)(to.path, to.arguments, environment);
}

EXPORT int
execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

EXPORT int
execvpe(const char *file, char *const argv[], char *const environment[])
{
	struct substitute to;

	substitute(&to, file, true, argv);
	if (to.path == NULL)
		return -1;
	return to.searched ? HOST(execvpe)(to.path, to.arguments, environment)
			   : HOST(execve)(to.path, to.arguments, environment);
}

EXPORT int
execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

/* The arguments of execl() and its like as an array of room words. Returns how many, or room if there are too many. */
static size_t
gather(char **argv, size_t room, const char *first, va_list args)
{
	size_t count = 0;

	for (const char *word = first; word != NULL && count < room; word = va_arg(args, const char *))
		argv[count++] = (char *)(uintptr_t)word;
	if (count < room)
		argv[count] = NULL;
	return count;
}

enum { WORDS_MAX = 1024 };

static int
too_many(void)
{
	errno = E2BIG;
	return -1;
}

EXPORT int
execl(const char *path, const char *first, ...)
{
	char *argv[WORDS_MAX];
	va_list args;
	size_t count;

	va_start(args, first);
	count = gather(argv, WORDS_MAX, first, args);
	va_end(args);
	return count == WORDS_MAX ? too_many() : execve(path, argv, environ);
}

EXPORT int
execlp(const char *file, const char *first, ...)
{
	char *argv[WORDS_MAX];
	va_list args;
	size_t count;

	va_start(args, first);
	count = gather(argv, WORDS_MAX, first, args);
	va_end(args);
	return count == WORDS_MAX ? too_many() : execvpe(file, argv, environ);
}

EXPORT int
execle(const char *path, const char *first, ...)
{
	char *const *environment = NULL;
	char *argv[WORDS_MAX];
	va_list args;
	size_t count;

	va_start(args, first);
	count = gather(argv, WORDS_MAX, first, args);
	if (count < WORDS_MAX)
		environment = va_arg(args, char *const *);
	va_end(args);
	return count == WORDS_MAX ? too_many() : execve(path, argv, environment);
}

EXPORT int
posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
	const posix_spawnattr_t *attributes, char *const argv[], char *const environment[])
{
	struct substitute to;

	substitute(&to, path, false, argv);
	if (to.path == NULL)
		return EACCES;
	return HOST(posix_spawn)(pid, to.path, actions, attributes, to.arguments, environment);
}

EXPORT int
posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
	const posix_spawnattr_t *attributes, char *const argv[], char *const environment[])
{
	struct substitute to;

	substitute(&to, file, true, argv);
	if (to.path == NULL)
		return EACCES;
	if (!to.searched)
		return HOST(posix_spawn)(pid, to.path, actions, attributes, to.arguments, environment);
	return HOST(posix_spawnp)(pid, to.path, actions, attributes, to.arguments, environment);
}
