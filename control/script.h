/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Running a script whose ip, tc, ... act on this router: --config, and replay's --at.
 */
#ifndef WEIR_CONTROL_SCRIPT_H
#define WEIR_CONTROL_SCRIPT_H

#include <stdbool.h>

#include <weir/error.h>

struct event_base;

enum {
	SCRIPT_COMMAND_MAX = 512,
	SCRIPT_STDERR_MAX = 4096,
};

struct script_result {
	int status; /* as a shell gives it in $?: the exit status, or 128 + the signal that ended it */
	struct error error; /* why it was not run at all, or not to its end: where script_run returns < 0 */
	/* The last program that ended with a status other than 0; empty where none did. */
	char failed_command[SCRIPT_COMMAND_MAX];
	int failed_status;
	bool failed_shown; /* that it did, and where, was said on stderr */
	int failed_line; /* where the script has that command; 0: not found, or in several places */
	char stderr_tail[SCRIPT_STDERR_MAX]; /* the end of what the script wrote to stderr */
};

/*
 * Runs the script at `path` (by its #! line where it is executable, else by sh) with arguments argv, or, where path is
 * NULL, the command argv[0]. argv ends with NULL; with a path it may be NULL. The programs that it starts reach the
 * router at socket_path; its stdin is empty. Serves `base` meanwhile, in this thread. The script's stderr is shown as
 * it comes, and after the message of a command that the router refused, which line it was.
 *
 * Returns 0 when the script has ended, whatever its status; -errno where it could not be run; -EINTR where base's loop
 * was broken (a signal to this program): the script was stopped then.
 */
int script_run(struct event_base *base, const char *path, char *const argv[], const char *socket_path,
	struct script_result *result);

/* Says on stderr, in the name of this program, how the script failed; nothing where it did not. */
void script_print_failure(const char *path, const struct script_result *result);

#endif
