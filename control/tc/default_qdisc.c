/* SPDX-License-Identifier: BSD-3-Clause */
/* /proc/sys/net/core/default_qdisc (Linux's Documentation/admin-guide/sysctl/net.rst). */
#include <errno.h>
#include <string.h>

#include "tc/tc.h"

#define ROOT "/proc/sys/net/core/"
#define NAME "default_qdisc"

static bool
is_setting(const char *path)
{
	return strcmp(path, ROOT NAME) == 0;
}

static int
core_read(void *context, const char *path, char *buffer, size_t size, struct error *err)
{
	const struct control *control = context;

	if (!is_setting(path))
		return error_code(err, ENOENT);
	return snprintf(buffer, size, "%s\n", router_default_qdisc(control->router));
}

/* The whole line is the name: Linux takes no blanks either. */
static int
core_write(void *context, const char *path, const char *text, struct error *err)
{
	const struct control *control = context;
	char kind[IF_NAMESIZE];

	if (!is_setting(path))
		return error_code(err, ENOENT);
	snprintf(kind, sizeof(kind), "%.*s", (int)strcspn(text, "\n"), text);
	return router_set_default_qdisc(control->router, kind, err);
}

static int
core_list(void *context, const char *path, void (*entry)(void *arg, const char *name, bool is_dir), void *arg)
{
	size_t length = strlen(ROOT) - 1;

	if (is_setting(path))
		return -ENOTDIR;
	/* The directory, with or without the slash at its end. */
	if (strncmp(path, ROOT, length) != 0 || strcmp(path + length, path[length] == '/' ? "/" : "") != 0)
		return -ENOENT;
	entry(arg, NAME, false);
	return 0;
}

void
tc_save_default_qdisc(FILE *out, const char *kind)
{
	fprintf(out, "echo %s > " ROOT NAME "\n", kind);
}

static const struct nl_file_provider core_files = {
	.prefix = ROOT,
	.read = core_read,
	.write = core_write,
	.list = core_list,
};
NL_REGISTER_FILES(core_files)
