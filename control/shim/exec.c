/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sudo, doas and pkexec give the programs that they run a clean environment, in which the shim is not loaded: `sudo tc
 * ...` in a script would act on the host. They are refused; who runs the script has, or lacks, the right to change the
 * router already.
 */
#include "shim/host.h"

#include <errno.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "shim/namespace.h"
#include "shim/router.h"

static bool
is_refused(const char *path)
{
	static const char *const names[] = { "sudo", "doas", "pkexec" };
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;
	const char *name = slash != NULL ? slash + 1 : path;
	bool said = false;

	if (path == NULL || namespace_was_left())
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		router_complain(&said,
			"weir: %s would act on the host, not on the router: leave it out (run 'weir exec' as a user "
			"who may "
			"change the router)",
			name);
		errno = EACCES;
		return true;
	}
	return false;
}

EXPORT int
execve(const char *path, char *const argv[], char *const environment[])
{
	return is_refused(path) ? -1 : HOST(execve)(path, argv, environment);
}

EXPORT int
execv(const char *path, char *const argv[])
{
	return is_refused(path) ? -1 : HOST(execv)(path, argv);
}

EXPORT int
execvp(const char *file, char *const argv[])
{
	return is_refused(file) ? -1 : HOST(execvp)(file, argv);
}

EXPORT int
execvpe(const char *file, char *const argv[], char *const environment[])
{
	return is_refused(file) ? -1 : HOST(execvpe)(file, argv, environment);
}

EXPORT int
posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
	const posix_spawnattr_t *attributes, char *const argv[], char *const environment[])
{
	return is_refused(path) ? EACCES : HOST(posix_spawn)(pid, path, actions, attributes, argv, environment);
}

EXPORT int
posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
	const posix_spawnattr_t *attributes, char *const argv[], char *const environment[])
{
	return is_refused(file) ? EACCES : HOST(posix_spawnp)(pid, file, actions, attributes, argv, environment);
}
