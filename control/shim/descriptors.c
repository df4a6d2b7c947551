/* SPDX-License-Identifier: BSD-3-Clause */
/* Descriptors that are closed, copied and replaced: the links follow them. */
#include "shim/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "shim/links.h"

EXPORT int
close(int fd)
{
	if (link_is_hidden(fd)) {
		errno = EBADF;
		return -1;
	}
	link_drop(fd);
	return HOST(close)(fd);
}

EXPORT int
close_range(unsigned int first, unsigned int last, int flags)
{
	if ((flags & (int)CLOSE_RANGE_CLOEXEC) == 0)
		link_drop_range(first, last);
	return HOST(close_range)(first, last, flags);
}

EXPORT void
closefrom(int first)
{
	link_drop_range(first > 0 ? (unsigned int)first : 0, ~0u);
	HOST(closefrom)(first);
}

EXPORT int
dup(int fd)
{
	int copy = HOST(dup)(fd);

	if (copy >= 0)
		link_copy(fd, copy);
	return copy;
}

EXPORT int
dup2(int fd, int to)
{
	int copy;

	if (fd != to) {
		link_vacate(to);
		link_drop(to);
	}
	copy = HOST(dup2)(fd, to);
	if (copy >= 0 && fd != to)
		link_copy(fd, copy);
	return copy;
}

EXPORT int
dup3(int fd, int to, int flags)
{
	int copy;

	if (fd != to) {
		link_vacate(to);
		link_drop(to);
	}
	copy = HOST(dup3)(fd, to, flags);
	if (copy >= 0)
		link_copy(fd, copy);
	return copy;
}

static int
follow_fcntl(int fd, int command, int result)
{
	if (result >= 0 && (command == F_DUPFD || command == F_DUPFD_CLOEXEC))
		link_copy(fd, result);
	return result;
}

/* The third argument is an int or a pointer, or is not there: passed on as the wider of the two. */
EXPORT int
fcntl(int fd, int command, ...)
{
	va_list args;
	void *argument;

	va_start(args, command);
	argument = va_arg(args, void *);
	va_end(args);
	return follow_fcntl(fd, command, HOST(fcntl)(fd, command, argument));
}

EXPORT int
fcntl64(int fd, int command, ...)
{
	va_list args;
	void *argument;

	va_start(args, command);
	argument = va_arg(args, void *);
	va_end(args);
	return follow_fcntl(fd, command, HOST(fcntl64)(fd, command, argument));
}
