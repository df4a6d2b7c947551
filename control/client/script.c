/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A script under the shim, while the event loop serves it. What it writes to stderr comes by a pipe, and is shown and
 * kept; another pipe brings, from the shim in each program, which command failed (shim/trace.h).
 */
#include "script.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "client/find_line.h"
#include "client/locate.h"
#include "shim/namespace.h"
#include "shim/trace.h"

extern char **environ;

enum {
	TRACE_FD_MIN = 200, /* above what scripts use for themselves */
	ARGUMENTS_MAX = 64,
	STOP_TRIES = 100, /* of 10 ms, before a script that does not stop is killed */
};

struct script {
	const char *name; /* as messages give it */
	const char *path; /* NULL: a command */
	struct event_base *base;
	struct script_result *result;
	pid_t pid;
	bool ended;
	bool unreported; /* stderr since the last failed command */
	int messages; /* the pipes, our ends */
	int traces;
};

static void
keep_tail(struct script_result *result, const char *text, size_t bytes)
{
	size_t length = strlen(result->stderr_tail);
	size_t room = sizeof(result->stderr_tail) - 1;

	if (bytes > room) {
		text += bytes - room;
		bytes = room;
	}
	if (length + bytes > room) {
		size_t drop = length + bytes - room;

		memmove(result->stderr_tail, result->stderr_tail + drop, length - drop);
		length -= drop;
	}
	memcpy(result->stderr_tail + length, text, bytes);
	result->stderr_tail[length + bytes] = '\0';
}

static void
read_messages(struct script *script)
{
	char text[4096];
	ssize_t bytes;

	while ((bytes = read(script->messages, text, sizeof(text))) > 0) {
		fwrite(text, 1, (size_t)bytes, stderr);
		keep_tail(script->result, text, (size_t)bytes);
		script->unreported = true;
	}
}

/* The arguments of a trace record as a line. */
static void
join_command(const struct trace_record *record, char *command, size_t size)
{
	size_t length = 0;

	for (size_t i = 0; i < record->bytes && length + 1 < size; i++)
		command[length++] = record->command[i] != '\0' ? record->command[i] : ' ';
	while (length > 0 && command[length - 1] == ' ')
		length--;
	command[length] = '\0';
}

static void
note_failure(struct script *script, const struct trace_record *record)
{
	struct script_result *result = script->result;

	if (record->pid == script->pid || record->bytes > sizeof(record->command))
		return;
	join_command(record, result->failed_command, sizeof(result->failed_command));
	result->failed_status = record->status & 0xff;
	result->failed_line = script->path != NULL ? find_line(script->path, record->command, record->bytes) : 0;
	/*
	 * A refusal is shown where it comes, for a script may go on. One whose message the script threw away was
	 * expected; and of programs that did not speak to the router (grep, test) failing is an answer.
	 */
	result->failed_shown = script->unreported && record->asked_router != 0;
	if (!result->failed_shown)
		return;
	script->unreported = false;
	fprintf(stderr, "%s: %s", program_invocation_short_name, script->name);
	if (result->failed_line != 0)
		fprintf(stderr, " line %d", result->failed_line);
	fprintf(stderr, ": exit status %d from: %s\n", result->failed_status, result->failed_command);
}

static void
read_traces(struct script *script)
{
	struct trace_record record;
	const size_t header = offsetof(struct trace_record, command);

	/* Records are written whole; the command's length is in the part before it. */
	while (read(script->traces, &record, header) == (ssize_t)header) {
		if (record.bytes > sizeof(record.command) ||
			read(script->traces, record.command, record.bytes) != (ssize_t)record.bytes)
			return;
		read_messages(script);
		note_failure(script, &record);
	}
}

static void
on_message(evutil_socket_t fd, short what, void *arg)
{
	read_messages(arg);
}

static void
on_trace(evutil_socket_t fd, short what, void *arg)
{
	read_traces(arg);
}

static void
on_end(evutil_socket_t fd, short what, void *arg)
{
	struct script *script = arg;
	int status;

	if (waitpid(script->pid, &status, WNOHANG) != script->pid)
		return;
	script->ended = true;
	script->result->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* An environment with these three variables set; the strings belong to it. */
static char **
make_environment(const char *preload, const char *socket_path, const char *trace)
{
	static const char *const names[] = { "LD_PRELOAD=", "WEIR_SOCKET=", "WEIR_TRACE=" };
	const char *const values[] = { preload, socket_path, trace };
	size_t count = 0, kept = 0;
	char **environment;

	while (environ[count] != NULL)
		count++;
	environment = calloc(count + 4, sizeof(*environment));
	if (environment == NULL)
		abort();
	for (size_t i = 0; i < 3; i++)
		if (asprintf(&environment[kept++], "%s%s", names[i], values[i]) < 0)
			abort();
	for (size_t i = 0; i < count; i++) {
		bool ours = strncmp(environ[i], NAMESPACE_VARIABLE "=", sizeof(NAMESPACE_VARIABLE)) == 0;

		for (size_t j = 0; j < 3; j++)
			ours |= strncmp(environ[i], names[j], strlen(names[j])) == 0;
		if (!ours)
			environment[kept++] = environ[i];
	}
	return environment;
}

static void
free_environment(char **environment)
{
	for (size_t i = 0; i < 3; i++)
		free(environment[i]);
	free(environment);
}

/* In the child of a program with threads: only calls that are safe in a signal handler. */
static void
become(const char *program, char **arguments, char **environment, int messages, int traces)
{
	int nothing = open("/dev/null", O_RDONLY);
	sigset_t none;

	/* A group of its own, so that all of it can be stopped; such a group must not read from a terminal. */
	setpgid(0, 0);
	dup2(nothing, STDIN_FILENO);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	dup2(messages, STDERR_FILENO);
	/* The router's devices and sockets are not the script's. */
	syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
	fcntl(traces, F_SETFD, 0);
	execve(program, arguments, environment);
	if (errno == ENOEXEC) { /* a script without #! */
		arguments[-1] = (char *)(uintptr_t) "sh";
		arguments[0] = (char *)(uintptr_t)program;
		execve("/bin/sh", arguments - 1, environment);
	}
	_exit(127);
}

/* What to execute for `script`, with its arguments behind a free first place. */
static int
plan(struct script *script, char *const argv[], char program[PATH_MAX], char script_path[PATH_MAX],
	char *arguments[ARGUMENTS_MAX + 3])
{
	struct error *err = &script->result->error;
	size_t count = 1;
	struct stat status;

	if (script->path == NULL) {
		script->name = argv[0];
		if (strchr(argv[0], '/') != NULL)
			snprintf(program, PATH_MAX, "%s", argv[0]);
		else if (locate_program(argv[0], program, err) != 0)
			return error_set(err, ENOENT, "the program '%s' is not there", argv[0]);
	} else {
		script->name = script->path;
		if (stat(script->path, &status) != 0)
			return error_set(err, errno, "%s: %s", script->path, strerror(errno));
		if (S_ISDIR(status.st_mode) || access(script->path, R_OK) != 0)
			return error_set(err, S_ISDIR(status.st_mode) ? EISDIR : EACCES, "%s: %s", script->path,
				strerror(S_ISDIR(status.st_mode) ? EISDIR : EACCES));
		/* sh looks for a name without a slash in PATH, too. */
		snprintf(script_path, PATH_MAX, "%s%s", strchr(script->path, '/') != NULL ? "" : "./", script->path);
		if (S_ISREG(status.st_mode) && access(script_path, X_OK) == 0) {
			snprintf(program, PATH_MAX, "%s", script_path);
		} else {
			snprintf(program, PATH_MAX, "/bin/sh");
			arguments[count++] = (char *)(uintptr_t) "sh";
		}
		arguments[count++] = script_path;
	}
	for (; argv != NULL && *argv != NULL; argv++) {
		if (count > ARGUMENTS_MAX)
			return error_set(err, E2BIG, "%s: at most %d arguments", script->name, ARGUMENTS_MAX - 2);
		arguments[count++] = *argv;
	}
	arguments[count] = NULL;
	return 0;
}

static int
start(struct script *script, char *const argv[], const char *socket_path)
{
	char program[PATH_MAX], script_path[PATH_MAX], preload[4 * PATH_MAX], trace[96];
	char *arguments[ARGUMENTS_MAX + 3];
	struct error *err = &script->result->error;
	int messages[2], traces[2], traces_far, code;
	struct stat status;
	char **environment;

	code = plan(script, argv, program, script_path, arguments);
	if (code == 0)
		code = shim_preload(preload, sizeof(preload), err);
	if (code != 0)
		return code;
	if (pipe2(messages, O_CLOEXEC) != 0)
		return error_set(err, errno, "cannot make a pipe: %s", strerror(errno));
	if (pipe2(traces, O_CLOEXEC) != 0) {
		code = error_set(err, errno, "cannot make a pipe: %s", strerror(errno));
		close(messages[0]);
		close(messages[1]);
		return code;
	}
	traces_far = fcntl(traces[1], F_DUPFD_CLOEXEC, TRACE_FD_MIN);
	if (traces_far >= 0)
		close(traces[1]);
	else
		traces_far = traces[1];
	fstat(traces_far, &status);
	snprintf(trace, sizeof(trace), "%d:%ju:%ju", traces_far, (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
	environment = make_environment(preload, socket_path, trace);
	script->messages = messages[0];
	script->traces = traces[0];
	fcntl(messages[0], F_SETFL, O_NONBLOCK);
	fcntl(traces[0], F_SETFL, O_NONBLOCK);
	fflush(NULL);
	script->pid = fork();
	if (script->pid == 0)
		become(program, arguments + 1, environment, messages[1], traces_far);
	if (script->pid > 0)
		setpgid(script->pid, script->pid); /* here too: whoever comes first */
	code = script->pid > 0 ? 0 : error_set(err, errno, "cannot start %s: %s", script->name, strerror(errno));
	free_environment(environment);
	close(messages[1]);
	close(traces_far);
	if (code != 0) {
		close(messages[0]);
		close(traces[0]);
	}
	return code;
}

/* The loop was broken: who broke it wants to end. */
static void
stop(struct script *script)
{
	const struct timespec moment = { .tv_nsec = 10 * 1000 * 1000 };

	kill(-script->pid, SIGTERM);
	for (int i = 0; i < STOP_TRIES && waitpid(script->pid, NULL, WNOHANG) == 0; i++) {
		nanosleep(&moment, NULL);
		if (i == STOP_TRIES - 2)
			kill(-script->pid, SIGKILL);
	}
}

static struct event *
watch(struct script *script, int fd, event_callback_fn callback)
{
	struct event *event = event_new(script->base, fd, EV_READ | EV_PERSIST, callback, script);

	if (event == NULL || event_add(event, NULL) != 0)
		abort();
	return event;
}

static int
serve_until_end(struct script *script)
{
	int end = (int)syscall(SYS_pidfd_open, script->pid, 0);
	struct event *events[3];
	int code = 0;

	if (end < 0) {
		code = error_set(
			&script->result->error, errno, "pidfd_open: %s (Linux 5.3 is needed)", strerror(errno));
		stop(script);
		return code;
	}
	events[0] = watch(script, script->messages, on_message);
	events[1] = watch(script, script->traces, on_trace);
	events[2] = watch(script, end, on_end);
	while (!script->ended && code == 0) {
		if (event_base_loop(script->base, EVLOOP_ONCE) < 0 || event_base_got_break(script->base) ||
			event_base_got_exit(script->base))
			code = error_set(&script->result->error, EINTR, "%s was interrupted", script->name);
	}
	if (!script->ended)
		stop(script);
	/*
	 * What is in the pipes still. Programs that the script left running may hold them open: no wait for their end.
	 */
	read_traces(script);
	read_messages(script);
	for (size_t i = 0; i < 3; i++)
		event_free(events[i]);
	close(end);
	return code;
}

int
script_run(struct event_base *base, const char *path, char *const argv[], const char *socket_path,
	struct script_result *result)
{
	struct script script = { .path = path, .base = base, .result = result };
	int code;

	memset(result, 0, sizeof(*result));
	code = start(&script, argv, socket_path);
	if (code != 0)
		return code;
	code = serve_until_end(&script);
	close(script.messages);
	close(script.traces);
	return code;
}

void
script_print_failure(const char *path, const struct script_result *result)
{
	if (result->error.code != 0) {
		fprintf(stderr, "%s: %s\n", program_invocation_short_name, result->error.msg);
		return;
	}
	if (result->status == 0)
		return;
	fprintf(stderr, "%s: %s failed with exit status %d", program_invocation_short_name, path, result->status);
	if (result->failed_shown)
		fprintf(stderr, "; see above");
	else if (result->failed_line != 0)
		fprintf(stderr, "; line %d: %s", result->failed_line, result->failed_command);
	else if (result->failed_command[0] != '\0')
		fprintf(stderr, "; the last command that failed: %s", result->failed_command);
	fprintf(stderr, "\n");
}
