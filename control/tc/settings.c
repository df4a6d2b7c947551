/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * /proc/sys/net/weir: settings of schedulers that tc has no word for. Each is 0 or 1 and holds for the whole router at
 * once.
 */
#include <errno.h>
#include <string.h>

#include <weir/qdisc/cbq.h>

#include "tc/tc.h"

#define ROOT "/proc/sys/net/weir/"

static const struct {
	const char *name;
	bool (*get)(void);
	void (*set)(bool on);
} settings[] = {
	{ "cbq_top_level", cbq_top_level, cbq_set_top_level },
};

enum { SETTINGS = sizeof(settings) / sizeof(settings[0]) };

/* SETTINGS: there is none of that name. */
static unsigned int
find(const char *path)
{
	const char *name = strncmp(path, ROOT, strlen(ROOT)) == 0 ? path + strlen(ROOT) : "";
	unsigned int i = 0;

	while (i < SETTINGS && strcmp(settings[i].name, name) != 0)
		i++;
	return i;
}

static int
settings_read(void *context, const char *path, char *buffer, size_t size, struct error *err)
{
	unsigned int i = find(path);

	return i == SETTINGS ? error_code(err, ENOENT) : snprintf(buffer, size, "%d\n", settings[i].get());
}

static int
settings_write(void *context, const char *path, const char *text, struct error *err)
{
	unsigned int i = find(path);
	size_t length = strcspn(text, " \t\n");

	if (i == SETTINGS)
		return error_code(err, ENOENT);
	if (length != 1 || (text[0] != '0' && text[0] != '1'))
		return error_set(err, EINVAL, "%s is 0 or 1", settings[i].name);
	settings[i].set(text[0] == '1');
	return 0;
}

/* With or without the slash at its end. */
static bool
is_root(const char *path)
{
	size_t length = strlen(ROOT) - 1;

	return strncmp(path, ROOT, length) == 0 && strcmp(path + length, path[length] == '/' ? "/" : "") == 0;
}

static int
settings_list(void *context, const char *path, void (*entry)(void *arg, const char *name, bool is_dir), void *arg)
{
	if (!is_root(path))
		return find(path) != SETTINGS ? -ENOTDIR : -ENOENT;
	for (unsigned int i = 0; i < SETTINGS; i++)
		entry(arg, settings[i].name, false);
	return 0;
}

void
tc_save_settings(FILE *out)
{
	for (unsigned int i = 0; i < SETTINGS; i++) {
		if (settings[i].get())
			fprintf(out, "echo 1 > " ROOT "%s\n", settings[i].name);
	}
}

static const struct nl_file_provider settings_files = {
	.prefix = ROOT,
	.read = settings_read,
	.write = settings_write,
	.list = settings_list,
};
NL_REGISTER_FILES(settings_files)
