/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * weir save: the router's report of that name, and the packet filter's tables, which iptables-save prints best. Tables
 * that are as they were at first are left out, and so are counts.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/client.h"

#define END "IPTABLES"

/* Whether any table has been loaded: then there is an iptables on this machine, most likely. */
static bool
has_tables(void)
{
	struct router_answer answer;
	int connection = router_ask_path(FRAME_OPEN, "/proc/net/ip_tables_names", O_RDONLY, &answer);
	size_t bytes = 0;
	char *names;

	if (connection < 0)
		return false;
	close(connection);
	if (answer.error != 0)
		return false;
	names = router_read_answer(&answer, &bytes);
	free(names);
	return bytes != 0;
}

/* A table's lines, until its end tells whether they are wanted. */
struct table {
	char *text;
	size_t bytes;
	FILE *out;
	bool changed; /* it is not as it was at first */
};

static void
take_line(struct table *table, const char *line, bool *begun)
{
	const char *counts = strchr(line, '[');

	if (line[0] == '#' || line[0] == '\0')
		return;
	if (line[0] == ':' && counts != NULL) {
		table->changed |= strstr(line, " ACCEPT [") == NULL;
		fprintf(table->out, "%.*s[0:0]\n", (int)(counts - line), line);
	} else {
		table->changed |= line[0] == '-';
		fprintf(table->out, "%s\n", line);
	}
	if (strcmp(line, "COMMIT") != 0)
		return;
	fflush(table->out);
	if (table->changed && !*begun)
		puts("iptables-restore <<'" END "'");
	if (table->changed)
		fwrite(table->text, 1, table->bytes, stdout);
	*begun |= table->changed;
	table->changed = false;
	rewind(table->out);
}

static void
print_tables(FILE *in)
{
	struct table table = { 0 };
	bool begun = false;
	char *line = NULL;
	size_t room = 0;

	table.out = open_memstream(&table.text, &table.bytes);
	if (table.out == NULL)
		abort();
	while (getline(&line, &room, in) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		take_line(&table, line, &begun);
	}
	if (begun)
		puts(END);
	fclose(table.out);
	free(table.text);
	free(line);
}

/* Runs iptables-save; its output comes by *output. Its pid, or -1 with err filled. */
static pid_t
start_iptables_save(FILE **output, struct error *err)
{
	char name[] = "iptables-save";
	char *arguments[] = { name, NULL };
	char path[PATH_MAX];
	int ends[2];
	pid_t pid;

	if (client_locate_iptables(path, err) != 0 || client_prepare_environment(err) != 0)
		return -1;
	if (pipe2(ends, O_CLOEXEC) != 0 || (pid = fork()) < 0) {
		error_set(err, errno, "cannot run iptables-save: %s", strerror(errno));
		return -1;
	}
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		execv(path, arguments);
		_exit(127);
	}
	close(ends[1]);
	*output = fdopen(ends[0], "r");
	if (*output == NULL)
		abort();
	return pid;
}

static int
save_tables(void)
{
	struct error err = { 0 };
	int status = 0;
	FILE *output;
	pid_t pid;

	if (!has_tables())
		return 0;
	pid = start_iptables_save(&output, &err);
	if (pid < 0)
		return client_fail(&err);
	print_tables(output);
	fclose(output);
	waitpid(pid, &status, 0);
	if (status != 0) {
		error_set(&err, EIO, "save: iptables-save failed; the tables above are not whole");
		return client_fail(&err);
	}
	return 0;
}

int
client_save(int argc, char **argv)
{
	int status;

	if (argc > 1)
		return client_usage("save: takes no arguments, and '%s' is one; it prints to stdout", argv[1]);
	status = client_print_report("", "save", false);
	return status == 0 ? save_tables() : status;
}
