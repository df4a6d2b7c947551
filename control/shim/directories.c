/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stat(), statfs(), access() and opendir() on the router's files and directories: what shells need for patterns, and
 * ls.
 */
#include "shim/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "shim/files.h"
#include "shim/router.h"

mode_t
file_mode(const char *absolute)
{
	struct router_answer answer;
	int connection = router_ask_path(FRAME_STAT, absolute, 0, &answer);

	if (connection >= 0)
		HOST(close)(connection);
	errno = connection < 0 ? -connection : answer.error;
	return errno == 0 ? answer.value : 0;
}

/* Any number that is the file's own will do. */
static ino_t
number_of(const char *absolute)
{
	ino_t number = 5381;

	for (; *absolute != '\0'; absolute++)
		number = number * 33 + (unsigned char)*absolute;
	return number;
}

static int
routed_stat(const char *absolute, struct stat *status)
{
	mode_t mode = file_mode(absolute);

	if (mode == 0)
		return -1;
	memset(status, 0, sizeof(*status));
	status->st_mode = mode;
	status->st_nlink = 1;
	status->st_ino = number_of(absolute);
	status->st_blksize = 1024;
	return 0;
}

/* On all 64-bit machines they are one; so are the functions that take them. */
_Static_assert(sizeof(struct stat) == sizeof(struct stat64), "struct stat64 has a shape of its own");
_Static_assert(sizeof(struct dirent) == sizeof(struct dirent64), "struct dirent64 has a shape of its own");

static struct stat *
plain(struct stat64 *status)
{
	return (struct stat *)(void *)status;
}

static int
stat_at(int dirfd, const char *path, struct stat *status, int flags)
{
	char absolute[PATH_MAX];

	return path_is_routed(dirfd, path, absolute) ? routed_stat(absolute, status)
						     : HOST(fstatat)(dirfd, path, status, flags);
}

EXPORT int
stat(const char *path, struct stat *status)
{
	return stat_at(AT_FDCWD, path, status, 0);
}

EXPORT int
stat64(const char *path, struct stat64 *status)
{
	return stat_at(AT_FDCWD, path, plain(status), 0);
}

EXPORT int
lstat(const char *path, struct stat *status)
{
	return stat_at(AT_FDCWD, path, status, AT_SYMLINK_NOFOLLOW);
}

EXPORT int
lstat64(const char *path, struct stat64 *status)
{
	return stat_at(AT_FDCWD, path, plain(status), AT_SYMLINK_NOFOLLOW);
}

EXPORT int
fstatat(int dirfd, const char *path, struct stat *status, int flags)
{
	return stat_at(dirfd, path, status, flags);
}

EXPORT int
fstatat64(int dirfd, const char *path, struct stat64 *status, int flags)
{
	return stat_at(dirfd, path, plain(status), flags);
}

/* What the above were in programs built against libc before 2.33. */
int __xstat(int version, const char *path, struct stat *status);
int __xstat64(int version, const char *path, struct stat64 *status);
int __lxstat(int version, const char *path, struct stat *status);
int __lxstat64(int version, const char *path, struct stat64 *status);

EXPORT int
__xstat(int version, const char *path, struct stat *status)
{
	char absolute[PATH_MAX];

	return path_is_routed(AT_FDCWD, path, absolute) ? routed_stat(absolute, status)
							: HOST(__xstat)(version, path, status);
}

EXPORT int
__xstat64(int version, const char *path, struct stat64 *status)
{
	return __xstat(version, path, plain(status));
}

EXPORT int
__lxstat(int version, const char *path, struct stat *status)
{
	char absolute[PATH_MAX];

	return path_is_routed(AT_FDCWD, path, absolute) ? routed_stat(absolute, status)
							: HOST(__lxstat)(version, path, status);
}

EXPORT int
__lxstat64(int version, const char *path, struct stat64 *status)
{
	return __lxstat(version, path, plain(status));
}

EXPORT int
statx(int dirfd, const char *path, int flags, unsigned int mask, struct statx *status)
{
	char absolute[PATH_MAX];
	mode_t mode;

	if (!path_is_routed(dirfd, path, absolute))
		return HOST(statx)(dirfd, path, flags, mask, status);
	mode = file_mode(absolute);
	if (mode == 0)
		return -1;
	memset(status, 0, sizeof(*status));
	status->stx_mask = STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_UID | STATX_GID | STATX_SIZE | STATX_INO;
	status->stx_mode = (uint16_t)mode;
	status->stx_nlink = 1;
	status->stx_ino = number_of(absolute);
	status->stx_blksize = 1024;
	return 0;
}

_Static_assert(sizeof(struct statfs) == sizeof(struct statfs64), "struct statfs64 has a shape of its own");

/* iptables asks whether its files are in a procfs. */
EXPORT int
statfs(const char *path, struct statfs *status)
{
	char absolute[PATH_MAX];

	if (!path_is_routed(AT_FDCWD, path, absolute))
		return HOST(statfs)(path, status);
	if (file_mode(absolute) == 0)
		return -1;
	memset(status, 0, sizeof(*status));
	status->f_type = strncmp(absolute, "/sys/", 5) == 0 ? SYSFS_MAGIC : PROC_SUPER_MAGIC;
	status->f_bsize = 4096;
	status->f_namelen = NAME_MAX;
	return 0;
}

EXPORT int
statfs64(const char *path, struct statfs64 *status)
{
	return statfs(path, (struct statfs *)(void *)status);
}

/* Who may write is decided when it is tried; access() tells of the file's own mode. */
static int
routed_access(const char *absolute, int wanted)
{
	mode_t mode = file_mode(absolute);

	if (mode == 0)
		return -1;
	if (((wanted & R_OK) != 0 && (mode & 0444) == 0) || ((wanted & W_OK) != 0 && (mode & 0222) == 0) ||
		((wanted & X_OK) != 0 && (mode & 0111) == 0)) {
		errno = EACCES;
		return -1;
	}
	return 0;
}

EXPORT int
access(const char *path, int mode)
{
	char absolute[PATH_MAX];

	return path_is_routed(AT_FDCWD, path, absolute) ? routed_access(absolute, mode) : HOST(access)(path, mode);
}

EXPORT int
euidaccess(const char *path, int mode)
{
	char absolute[PATH_MAX];

	return path_is_routed(AT_FDCWD, path, absolute) ? routed_access(absolute, mode) : HOST(euidaccess)(path, mode);
}

EXPORT int
eaccess(const char *path, int mode)
{
	return euidaccess(path, mode);
}

EXPORT int
faccessat(int dirfd, const char *path, int mode, int flags)
{
	char absolute[PATH_MAX];

	return path_is_routed(dirfd, path, absolute) ? routed_access(absolute, mode)
						     : HOST(faccessat)(dirfd, path, mode, flags);
}

/* A directory of the router's, given to the program as a DIR. */
struct listing {
	LIST_ENTRY(listing) next;
	char *text; /* lines "d NAME" and "f NAME" */
	char *at;
	long read; /* entries so far: telldir's position */
	ino_t number;
	struct dirent entry;
};

static LIST_HEAD(, listing) listings = LIST_HEAD_INITIALIZER(listings);
static pthread_mutex_t listings_lock = PTHREAD_MUTEX_INITIALIZER;

static struct listing *
find_listing(const DIR *directory)
{
	struct listing *listing;

	if (LIST_EMPTY(&listings))
		return NULL;
	pthread_mutex_lock(&listings_lock);
	LIST_FOREACH(listing, &listings, next)
	if ((const void *)listing == (const void *)directory)
		break;
	pthread_mutex_unlock(&listings_lock);
	return listing;
}

EXPORT DIR *
opendir(const char *path)
{
	char absolute[PATH_MAX];
	struct router_answer answer;
	struct listing *listing;
	size_t bytes;
	int connection;

	if (!path_is_routed(AT_FDCWD, path, absolute))
		return HOST(opendir)(path);
	connection = router_ask_path(FRAME_LIST, absolute, 0, &answer);
	if (connection >= 0)
		HOST(close)(connection);
	if (connection < 0 || answer.error != 0) {
		errno = connection < 0 ? -connection : answer.error;
		return NULL;
	}
	listing = calloc(1, sizeof(*listing));
	if (listing == NULL || (listing->text = router_read_answer(&answer, &bytes)) == NULL) {
		free(listing);
		return NULL;
	}
	listing->at = listing->text;
	listing->number = number_of(absolute);
	pthread_mutex_lock(&listings_lock);
	LIST_INSERT_HEAD(&listings, listing, next);
	pthread_mutex_unlock(&listings_lock);
	return (DIR *)(void *)listing;
}

/* The next line's name into name (of size bytes); its DT_*, or -1 at the end. "." and ".." come first. */
static int
next_entry(struct listing *listing, char *name, size_t size)
{
	size_t length;
	int type;

	if (listing->read < 2) {
		memcpy(name, "..", 3);
		name[++listing->read] = '\0';
		return DT_DIR;
	}
	length = strcspn(listing->at, "\n");
	if (length < 3)
		return -1;
	type = listing->at[0] == 'd' ? DT_DIR : DT_REG;
	memset(name, 0, size);
	memcpy(name, listing->at + 2, length - 2 < size - 1 ? length - 2 : size - 1);
	listing->at += length + (listing->at[length] == '\n');
	listing->read++;
	return type;
}

EXPORT struct dirent *
readdir(DIR *directory)
{
	struct listing *listing = find_listing(directory);
	int type;

	if (listing == NULL)
		return HOST(readdir)(directory);
	type = next_entry(listing, listing->entry.d_name, sizeof(listing->entry.d_name));
	if (type < 0)
		return NULL;
	listing->entry.d_type = (unsigned char)type;
	listing->entry.d_reclen = sizeof(listing->entry);
	listing->entry.d_off = listing->read;
	listing->entry.d_ino = listing->number + (ino_t)listing->read;
	return &listing->entry;
}

EXPORT struct dirent64 *
readdir64(DIR *directory)
{
	return (struct dirent64 *)(void *)readdir(directory);
}

EXPORT void
rewinddir(DIR *directory)
{
	struct listing *listing = find_listing(directory);

	if (listing == NULL) {
		HOST(rewinddir)(directory);
		return;
	}
	listing->at = listing->text;
	listing->read = 0;
}

EXPORT long
telldir(DIR *directory)
{
	struct listing *listing = find_listing(directory);

	return listing != NULL ? listing->read : HOST(telldir)(directory);
}

EXPORT void
seekdir(DIR *directory, long position)
{
	struct listing *listing = find_listing(directory);
	char name[NAME_MAX + 1];

	if (listing == NULL) {
		HOST(seekdir)(directory, position);
		return;
	}
	rewinddir(directory);
	while (listing->read < position && next_entry(listing, name, sizeof(name)) >= 0)
		continue;
}

EXPORT int
dirfd(DIR *directory)
{
	if (find_listing(directory) == NULL)
		return HOST(dirfd)(directory);
	errno = ENOTSUP; /* as dirfd(3) has it for a directory without a descriptor */
	return -1;
}

EXPORT int
closedir(DIR *directory)
{
	struct listing *listing = find_listing(directory);

	if (listing == NULL)
		return HOST(closedir)(directory);
	pthread_mutex_lock(&listings_lock);
	LIST_REMOVE(listing, next);
	pthread_mutex_unlock(&listings_lock);
	free(listing->text);
	free(listing);
	return 0;
}
