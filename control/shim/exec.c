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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim/namespace.h"
#include "shim/programs.h"
#include "shim/router.h"

extern char **environ;

/* What is to be run in the place of a program. */
struct substitute {
	const char *path; /* NULL: nothing, errno says why */
	bool searched; /* path is a name to be looked for in PATH */
	char *const *arguments;
	char legacy[PATH_MAX];
};

static bool
is_refused(const char *path)
{
	static const char *const names[] = { "sudo", "doas", "pkexec", NULL };
	const char *name = program_name(path);
	bool said = false;

	if (!program_is_one_of(name, names))
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
	size_t length;

	if (at == NULL)
		at = "/bin:/usr/bin";
	for (; *at != '\0'; at += length + (at[length] == ':')) {
		length = strcspn(at, ":");
		/* An empty one is the current directory. */
		if (snprintf(found, PATH_MAX, "%.*s%s/%s", (int)length, at, length == 0 ? "." : "", name) < PATH_MAX &&
			HOST(access)(found, X_OK) == 0)
			return true;
	}
	return false;
}

/* As program_find_legacy, of a name that is looked for in PATH if `searched`. */
static bool
find_legacy(const char *path, bool searched, char legacy[PATH_MAX])
{
	char found[PATH_MAX];

	if (!program_is_iptables(path))
		return false;
	if (searched && strchr(path, '/') == NULL) {
		if (!search_path(path, found))
			return false;
		path = found;
	}
	return program_find_legacy(path, legacy);
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
	} else if (program_loads_modules(path, arguments)) {
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
