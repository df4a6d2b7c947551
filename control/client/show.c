/* SPDX-License-Identifier: BSD-3-Clause */
/* weir show: reports that the router prints. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/client.h"

int
client_print_report(const char *title, const char *name, bool json)
{
	struct router_answer answer;
	struct error err = { 0 };
	int connection = router_ask_path(FRAME_REPORT, name, json ? FRAME_REPORT_JSON : 0, &answer);
	size_t bytes;
	char *text;

	if (connection == -ECONNREFUSED || connection == -EACCES)
		return 1; /* router_connect has said why */
	if (connection < 0) {
		error_code(&err, -connection);
		return client_fail(&err);
	}
	close(connection);
	if (answer.error != 0) {
		error_set(&err, answer.error, "%s", answer.text);
		client_fail(&err);
		return answer.error == ENOENT ? 2 : 1;
	}
	text = router_read_answer(&answer, &bytes);
	if (text == NULL) {
		error_code(&err, errno);
		return client_fail(&err);
	}
	fputs(title, stdout);
	fwrite(text, 1, bytes, stdout);
	free(text);
	if (fflush(stdout) != 0) {
		error_set(&err, errno, "stdout: %s", strerror(errno));
		return client_fail(&err);
	}
	return 0;
}

int
client_show(int argc, char **argv)
{
	const char *what = "";
	bool json = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0 || strcmp(argv[i], "-j") == 0)
			json = true;
		else if (argv[i][0] == '-')
			return client_usage("show: there is no option '%s'", argv[i]);
		else if (what[0] != '\0')
			return client_usage("show: one report at a time; '%s' is one too many", argv[i]);
		else
			what = argv[i];
	}
	if (what[0] == '\0' && json)
		return client_usage("show: which report is to be printed %s?", "as JSON");
	if (strcmp(what, "save") == 0 && !json)
		return client_save(1, argv);
	return client_print_report(what[0] == '\0' ? "weir show prints these reports:\n" : "", what, json);
}
