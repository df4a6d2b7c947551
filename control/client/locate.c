/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/locate.h"

#define SHIM "libweir-shim.so"

/* The directory of the running program. */
static int
own_directory(char directory[PATH_MAX], struct error *err)
{
	ssize_t length = readlink("/proc/self/exe", directory, PATH_MAX - 1);
	char *slash;

	if (length < 0)
		return error_set(err, errno, "/proc/self/exe: %s; is /proc mounted?", strerror(errno));
	directory[length] = '\0';
	slash = strrchr(directory, '/');
	if (slash != NULL)
		*slash = '\0';
	return 0;
}

/* The first that is there of directory/candidates[i]; a candidate that starts with a slash is taken as it is. */
static int
find_beside(const char *const *candidates, int mode, char path[PATH_MAX], const char *what, struct error *err)
{
	char directory[PATH_MAX], joined[2 * PATH_MAX];
	int code = own_directory(directory, err);

	if (code != 0)
		return code;
	for (; *candidates != NULL; candidates++) {
		if ((*candidates)[0] == '/')
			snprintf(joined, sizeof(joined), "%s", *candidates);
		else
			snprintf(joined, sizeof(joined), "%s/%s", directory, *candidates);
		if (access(joined, mode) == 0 && realpath(joined, path) != NULL)
			return 0;
	}
	return error_set(err, ENOENT, "%s is neither installed nor in the build tree of %s", what, directory);
}

/* The preloaded library. */
static int
locate_shim(char path[PATH_MAX], struct error *err)
{
	static const char *const candidates[] = {
		"../" WEIR_LIBDIR "/weir/" SHIM, /* bin/, sbin/ */
		"../../" WEIR_LIBDIR "/weir/" SHIM, /* libexec/weir/ */
		"../shim/" SHIM, /* build tree: control/client/ */
		"shim/" SHIM, /* control/ */
		"../../../control/shim/" SHIM, /* tests/unit/control/ */
		WEIR_PREFIX "/" WEIR_LIBDIR "/weir/" SHIM,
		NULL,
	};

	return find_beside(candidates, R_OK, path, SHIM, err);
}

int
locate_replay(char path[PATH_MAX], struct error *err)
{
	static const char *const candidates[] = {
		"../" WEIR_LIBEXECDIR "/weir/weir-replay",
		"../" WEIR_LIBEXECDIR "/weir-replay",
		"../weir-replay", /* build tree: control/client/ */
		WEIR_PREFIX "/" WEIR_LIBEXECDIR "/weir/weir-replay",
		NULL,
	};
	const char *named = getenv("WEIR_REPLAY");

	if (named == NULL || named[0] == '\0')
		return find_beside(candidates, X_OK, path, "weir-replay", err);
	if (access(named, X_OK) != 0 || realpath(named, path) == NULL)
		return error_set(err, errno, "WEIR_REPLAY=%s: %s", named, strerror(errno));
	return 0;
}

int
locate_program(const char *name, char path[PATH_MAX], struct error *err)
{
	static const char administrator[] = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin";
	const char *environment = getenv("PATH");
	char directories[4 * PATH_MAX], *at = directories, *directory;
	struct stat status;

	snprintf(directories, sizeof(directories), "%s:%s", environment != NULL ? environment : "", administrator);
	while ((directory = strsep(&at, ":")) != NULL) {
		int length = snprintf(path, PATH_MAX, "%s/%s", directory, name);

		/* A directory passes access(), and Debian has one called tc among the libraries. */
		if (directory[0] == '/' && length < PATH_MAX && stat(path, &status) == 0 && S_ISREG(status.st_mode) &&
			access(path, X_OK) == 0)
			return 0;
	}
	return error_set(err, ENOENT, "the program '%s' is not there", name);
}

int
shim_preload(char *value, size_t size, struct error *err)
{
	const char *others = getenv("LD_PRELOAD");
	char path[PATH_MAX];
	int code = locate_shim(path, err);
	int length;

	if (code != 0)
		return code;
	/* LD_PRELOAD's separators, which cannot be quoted. */
	if (strpbrk(path, " :") != NULL)
		return error_set(
			err, EINVAL, "%s cannot be preloaded: move it to a path without spaces and colons", path);
	if (others == NULL || others[0] == '\0' || strstr(others, path) != NULL)
		length = snprintf(value, size, "%s", others != NULL && others[0] != '\0' ? others : path);
	else
		length = snprintf(value, size, "%s:%s", path, others);
	return (size_t)length < size ? 0 : error_set(err, ENAMETOOLONG, "LD_PRELOAD is too long: %s", others);
}
