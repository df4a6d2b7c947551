/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who runs a script wants to know which line failed, whatever shell it is for. So each program that the script runs
 * tells when it ends with a status other than 0.
 *
 * Under weird and weir-replay the record is its pid, its status, whether it spoke to the router, and its command line,
 * written at once to the pipe that WEIR_TRACE names as "fd:device:inode" (the number alone may have become another
 * file).
 *
 * `weir exec` is gone by then, having become the shell. It leaves WEIR_SCRIPT, "device:inode:path": the program itself
 * says which line of the script at path it was, if its stderr still is the file that weir exec had. Where the script
 * has redirected it, the failure was expected, or the text is for the script to read.
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

#include "client/find_line.h"
#include "shim/files.h"
#include "shim/router.h"
#include "shim/trace.h"

static char kept[sizeof(((struct trace_record *)NULL)->command)];
static size_t kept_bytes;
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

/* The script's path, if this program's stderr is the one that weir exec had. */
static const char *
exec_script(void)
{
	const char *where = getenv(TRACE_SCRIPT_VARIABLE);
	uintmax_t device, inode;
	struct stat status;
	int length;

	if (where == NULL || sscanf(where, "%ju:%ju:%n", &device, &inode, &length) != 2)
		return NULL;
	if (HOST(fstat)(STDERR_FILENO, &status) != 0 || status.st_dev != device || status.st_ino != inode)
		return NULL;
	return where + length;
}

/*
 * The arguments as they came, one behind the other with their NULs. Programs write into theirs: ip cuts a link-layer
 * address at its colons.
 */
static void
keep_arguments(int argc, char **argv)
{
	for (int i = 0; i < argc && kept_bytes < sizeof(kept); i++) {
		size_t bytes = strnlen(argv[i], sizeof(kept) - kept_bytes - 1) + 1;

		memcpy(kept + kept_bytes, argv[i], bytes - 1);
		kept_bytes += bytes;
	}
}

static void
name_line(const char *script, struct trace_record *record)
{
	int line = find_line(script, record->command, record->bytes);
	char *last = record->command + record->bytes - 1;
	char where[24] = ""; /* stays empty for a line of another file that the script reads, or of several */

	if (line != 0)
		snprintf(where, sizeof(where), " line %d", line);
	for (char *c = record->command; c < last; c++)
		if (*c == '\0')
			*c = ' ';
	*last = '\0';
	dprintf(STDERR_FILENO, "weir: %s%s: exit status %d from: %s\n", script, where, record->status & 0xff,
		record->command);
}

static void
report(int exit_status, void *arg)
{
	struct trace_record record = { .status = exit_status, .asked_router = router_was_asked() };
	const char *script;
	int fd;

	if (exit_status == 0 || getpid() != started)
		return;
	fd = trace_fd();
	script = fd < 0 && record.asked_router ? exec_script() : NULL;
	if ((fd < 0 && script == NULL) || kept_bytes == 0)
		return;
	record.pid = getpid();
	record.bytes = (uint32_t)kept_bytes;
	memcpy(record.command, kept, kept_bytes);
	if (script != NULL) {
		name_line(script, &record);
		return;
	}
	/* A record is shorter than PIPE_BUF: it arrives whole, whoever else writes. */
	if (HOST(write)(fd, &record, offsetof(struct trace_record, command) + record.bytes) < 0)
		return;
}

/* glibc gives constructors what main() gets. */
__attribute__((constructor)) static void
begin(int argc, char **argv)
{
	int saved = errno;

	file_adopt_inherited();
	if (getenv("WEIR_TRACE") != NULL || getenv(TRACE_SCRIPT_VARIABLE) != NULL) {
		started = getpid();
		keep_arguments(argc, argv);
		on_exit(report, NULL);
	}
	errno = saved;
}
