/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where weird or weir-replay runs a script it wants to name the line that failed, whatever shell the script is for. So each
 * program that the script runs tells when it ends with a status other than 0: the record is its pid, its status, whether it
 * spoke to the router, and its command line, written at once to the pipe that WEIR_TRACE names as "fd:device:inode" (the
 * number alone may have become another file).
 */
#include "shim/host.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/files.h"
#include "shim/router.h"
#include "shim/trace.h"

static pid_t started; /* getpid() at exec: a shell's own children are no programs */

static int
trace_fd(void)
{
	const char *where = getenv("WEIR_TRACE");
	uintmax_t device, inode;
	struct stat status;
	int fd;

	if (where == NULL || sscanf(where, "%d:%ju:%ju", &fd, &device, &inode) != 3)
		return -1;
	if (HOST(fstat)(fd, &status) != 0 || status.st_dev != device || status.st_ino != inode)
		return -1;
	return fd;
}

static void
report(int exit_status, void *arg)
{
	struct trace_record record = { .status = exit_status, .asked_router = router_was_asked() };
	int fd, arguments;
	ssize_t length;

	if (exit_status == 0 || getpid() != started || (fd = trace_fd()) < 0)
		return;
	record.pid = getpid();
	arguments = HOST(open)("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	if (arguments < 0)
		return;
	length = read(arguments, record.command, sizeof(record.command));
	HOST(close)(arguments);
	if (length <= 0)
		return;
	record.bytes = (uint32_t)length;
	/* A record is shorter than PIPE_BUF: it arrives whole, whoever else writes. */
	if (HOST(write)(fd, &record, offsetof(struct trace_record, command) + (size_t)length) < 0)
		return;
}

__attribute__((constructor)) static void
begin(void)
{
	int saved = errno;

	file_adopt_inherited();
	if (getenv("WEIR_TRACE") != NULL) {
		started = getpid();
		on_exit(report, NULL);
	}
	errno = saved;
}
