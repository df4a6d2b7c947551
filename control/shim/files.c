/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening, reading and writing the router's files. What is read is a memory file that the router fills at open. What is
 * written goes to the router at each write, which returns what the router made of it.
 *
 * A write must never reach the host's file: what the router does not serve fails.
 */
#include "shim/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shim/files.h"
#include "shim/links.h"
#include "shim/netfilter.h"
#include "shim/router.h"

enum {
	/*
	 * SO_PRIORITY of a connection that is an open file. Nothing else looks at it on AF_UNIX, and it stays with the
	 * socket over exec(): that is how a program knows a standard output that its shell opened.
	 */
	FILE_MARK = 6,
	STANDARD_MAX = 9, /* descriptors that a shell's redirection may name */
	WRITE_BYTES_MAX = 4096,
};

/* Gives the memory file the descriptor that the connection had: the lowest free one, as open() does. */
static int
take_content(int connection, int content, int flags)
{
	int fd = HOST(dup3)(content, connection, flags & O_CLOEXEC);

	HOST(close)(content);
	return fd;
}

static int
take_connection(int connection, const char *absolute, int flags)
{
	int mark = FILE_MARK;
	struct link *link;

	if ((flags & O_CLOEXEC) == 0)
		HOST(fcntl)(connection, F_SETFD, 0);
	HOST(setsockopt)(connection, SOL_SOCKET, SO_PRIORITY, &mark, sizeof(mark));
	link = link_create(LINK_FILE, connection);
	if (link == NULL || !link_add(link, connection)) {
		HOST(close)(connection);
		errno = EMFILE;
		connection = -1;
	} else {
		link->path = strdup(absolute);
	}
	if (link != NULL)
		link_put(link);
	return connection;
}

/* procfs makes no files: EACCES says so, but ENOENT if the directory is not there either. */
static int
errno_of_making(const char *absolute)
{
	char directory[PATH_MAX];
	char *slash;

	snprintf(directory, sizeof(directory), "%s", absolute);
	slash = strrchr(directory, '/');
	if (slash != NULL)
		*slash = '\0';
	return file_mode(directory) == 0 ? ENOENT : EACCES;
}

/* A descriptor, or -1 and errno. */
static int
file_open(const char *absolute, int flags)
{
	struct router_answer answer;
	int connection;

	if ((flags & O_PATH) != 0) {
		errno = EOPNOTSUPP;
		return -1;
	}
	connection = router_ask_path(FRAME_OPEN, absolute, (uint32_t)flags, &answer);
	if (connection < 0 || answer.error != 0) {
		if (connection >= 0)
			HOST(close)(connection);
		errno = connection < 0 ? -connection : answer.error;
		if (errno == ENOENT && (flags & O_CREAT) != 0)
			errno = errno_of_making(absolute);
		return -1;
	}
	if (answer.fd >= 0)
		return take_content(connection, answer.fd, flags);
	return take_connection(connection, absolute, flags);
}

ssize_t
file_write(struct link *link, int fd, const void *data, size_t bytes)
{
	struct router_answer answer;
	int code = 0;

	if (bytes == 0)
		return 0;
	if (bytes > WRITE_BYTES_MAX) {
		errno = EINVAL;
		return -1;
	}
	pthread_mutex_lock(&link->turn);
	code = router_exchange(fd, data, bytes, &answer);
	pthread_mutex_unlock(&link->turn);
	if (code == 0 && answer.error == 0)
		return (ssize_t)bytes;
	if (code == 0 && answer.text[0] != '\0') {
		bool said = false;

		/* write() has only a number to give; the sentence helps. */
		router_complain(&said, "weir: %s%s%s", link->path != NULL ? link->path : "",
			link->path != NULL ? ": " : "", answer.text);
	}
	errno = code != 0 ? -code : answer.error;
	return -1;
}

ssize_t
file_writev(struct link *link, int fd, const struct iovec *parts, int count)
{
	char text[WRITE_BYTES_MAX];
	size_t bytes = 0;

	for (int i = 0; i < count; i++) {
		if (parts[i].iov_len > sizeof(text) - bytes) {
			errno = EINVAL;
			return -1;
		}
		if (parts[i].iov_len != 0)
			memcpy(text + bytes, parts[i].iov_base, parts[i].iov_len);
		bytes += parts[i].iov_len;
	}
	return file_write(link, fd, text, bytes);
}

/*
 * Streams. stdio writes by a door of libc's own, which cannot be interposed; so a stream on a file of the router's is
 * made of functions that use ours, and printf, fclose and ferror report what the router refused.
 */
static ssize_t
stream_write(void *cookie, const char *data, size_t bytes)
{
	/* fopencookie(3) wants 0, not -1, for an error. */
	ssize_t written = write((int)(intptr_t)cookie, data, bytes);

	return written < 0 ? 0 : written;
}

static int
stream_close(void *cookie)
{
	return close((int)(intptr_t)cookie);
}

static FILE *
stream_on(int fd, bool closes)
{
	cookie_io_functions_t functions = { .write = stream_write, .close = closes ? stream_close : NULL };

	return fopencookie((void *)(intptr_t)fd, "w", functions);
}

/*
 * A shell's `echo 1 > file` puts the file at descriptor 1 and prints to stdout. While it is there stdout is a stream as
 * above.
 */
static FILE *host_stdout;

void
file_stdout_begin(void)
{
	FILE *stream = stream_on(STDOUT_FILENO, false);

	if (stream == NULL)
		return;
	host_stdout = stdout;
	stdout = stream;
}

void
file_stdout_end(void)
{
	FILE *stream = stdout;

	if (host_stdout == NULL)
		return;
	stdout = host_stdout;
	host_stdout = NULL;
	fclose(stream);
}

static void
adopt(int fd)
{
	int mark = 0, domain = 0;
	socklen_t bytes = sizeof(int);
	struct link *link;

	if (HOST(getsockopt)(fd, SOL_SOCKET, SO_PRIORITY, &mark, &bytes) != 0 || mark != FILE_MARK)
		return;
	if (HOST(getsockopt)(fd, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) != 0 || domain != AF_UNIX)
		return;
	link = link_create(LINK_FILE, fd);
	if (link == NULL)
		return;
	link_add(link, fd);
	link_put(link);
}

void
file_adopt_inherited(void)
{
	int saved = errno;

	for (int fd = 0; fd <= STANDARD_MAX; fd++)
		adopt(fd);
	errno = saved;
}

/* The host's file, unless it was a setting of the host's network that was opened for writing. */
static int
guard(int fd, int flags)
{
	if (fd < 0 || (flags & O_ACCMODE) == O_RDONLY || (flags & O_PATH) != 0 || !descriptor_is_routed(fd))
		return fd;
	HOST(close)(fd);
	errno = EACCES;
	return -1;
}

static mode_t
creation_mode(int flags, va_list args)
{
	return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(args, mode_t) : 0;
}

static int
open_at(int dirfd, const char *path, int flags, mode_t mode)
{
	char absolute[PATH_MAX];
	int fd;

	if (path_is_routed(dirfd, path, absolute))
		return file_open(absolute, flags);
	if (netfilter_open_lock(path, flags, &fd))
		return fd;
	return guard(HOST(openat)(dirfd, path, flags, mode), flags);
}

EXPORT int
open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = creation_mode(flags, args);
	va_end(args);
	return open_at(AT_FDCWD, path, flags, mode);
}

EXPORT int
open64(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = creation_mode(flags, args);
	va_end(args);
	return open_at(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

EXPORT int
openat(int dirfd, const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = creation_mode(flags, args);
	va_end(args);
	return open_at(dirfd, path, flags, mode);
}

EXPORT int
openat64(int dirfd, const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = creation_mode(flags, args);
	va_end(args);
	return open_at(dirfd, path, flags | O_LARGEFILE, mode);
}

/* What open() becomes without a mode in programs built with _FORTIFY_SOURCE. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dirfd, const char *path, int flags);
int __openat64_2(int dirfd, const char *path, int flags);

static int
open_without_mode(int dirfd, const char *path, int flags)
{
	char absolute[PATH_MAX];

	if (path_is_routed(dirfd, path, absolute))
		return file_open(absolute, flags);
	return guard(HOST(__openat_2)(dirfd, path, flags), flags);
}

EXPORT int
__open_2(const char *path, int flags)
{
	return open_without_mode(AT_FDCWD, path, flags);
}

EXPORT int
__open64_2(const char *path, int flags)
{
	return open_without_mode(AT_FDCWD, path, flags | O_LARGEFILE);
}

EXPORT int
__openat_2(int dirfd, const char *path, int flags)
{
	return open_without_mode(dirfd, path, flags);
}

EXPORT int
__openat64_2(int dirfd, const char *path, int flags)
{
	return open_without_mode(dirfd, path, flags | O_LARGEFILE);
}

EXPORT int
creat(const char *path, mode_t mode)
{
	return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

EXPORT int
creat64(const char *path, mode_t mode)
{
	return open64(path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* open(2) flags of an fopen mode. Those that read and write come out as O_RDWR, which the router refuses. */
static int
mode_flags(const char *mode)
{
	int flags = mode[0] == 'r' ? O_RDONLY : O_WRONLY | O_CREAT;

	if (strchr(mode, '+') != NULL)
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	if (strchr(mode, 'e') != NULL)
		flags |= O_CLOEXEC;
	return flags;
}

static FILE *
open_stream(const char *absolute, const char *mode)
{
	int flags = mode_flags(mode);
	int fd = file_open(absolute, flags);
	FILE *stream;

	if (fd < 0)
		return NULL;
	stream = (flags & O_ACCMODE) == O_RDONLY ? HOST(fdopen)(fd, mode) : stream_on(fd, true);
	if (stream == NULL)
		close(fd);
	return stream;
}

static FILE *
guard_stream(FILE *stream, const char *mode)
{
	if (stream == NULL || (mode_flags(mode) & O_ACCMODE) == O_RDONLY || !descriptor_is_routed(fileno(stream)))
		return stream;
	fclose(stream);
	errno = EACCES;
	return NULL;
}

EXPORT FILE *
fopen(const char *path, const char *mode)
{
	char absolute[PATH_MAX];

	if (path_is_routed(AT_FDCWD, path, absolute))
		return open_stream(absolute, mode);
	return guard_stream(HOST(fopen)(path, mode), mode);
}

EXPORT FILE *
fopen64(const char *path, const char *mode)
{
	return fopen(path, mode);
}

/* An open stream cannot be made one of ours in its place: it is closed, as freopen does where it fails. */
static FILE *
refuse_stream(FILE *stream)
{
	fclose(stream);
	errno = EACCES;
	return NULL;
}

EXPORT FILE *
freopen(const char *path, const char *mode, FILE *stream)
{
	char absolute[PATH_MAX];

	if (path != NULL && path_is_routed(AT_FDCWD, path, absolute))
		return refuse_stream(stream);
	return guard_stream(HOST(freopen)(path, mode, stream), mode);
}

EXPORT FILE *
freopen64(const char *path, const char *mode, FILE *stream)
{
	return freopen(path, mode, stream);
}

EXPORT FILE *
fdopen(int fd, const char *mode)
{
	struct link *link = link_find(fd, LINK_FILE);

	if (link == NULL)
		return HOST(fdopen)(fd, mode);
	link_put(link);
	return stream_on(fd, true);
}
