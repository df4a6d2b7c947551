/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What has been declared by constructors, before main(): handlers of netlink requests, files, ioctls, socket options
 * and reports.
 */
#include <stdlib.h>
#include <string.h>

#include "netlink/internal.h"

enum {
	TYPE_MAX = 256, /* RTM_* end well below */
	FILES_MAX = 64,
	IOCTLS_MAX = 128,
	SOCKOPTS_MAX = 32,
	REPORTS_MAX = 64,
};

static const struct nl_handler *handlers_by_type[TYPE_MAX];
static const struct nl_file_provider *files[FILES_MAX];
static size_t file_count;
static const struct nl_ioctl_handler *ioctls[IOCTLS_MAX];
static size_t ioctl_count;
static const struct nl_sockopt_handler *sockopts[SOCKOPTS_MAX];
static size_t sockopt_count;
static const struct nl_report *reports[REPORTS_MAX];
static size_t report_count;

/* Constructors run before anything can report an error better. */
static void
refuse(const char *what, const char *name)
{
	fprintf(stderr, "weir: %s %s cannot be registered: it is there already, or there are too many\n", what, name);
	abort();
}

void
nl_register(const struct nl_handler *handlers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint16_t type = handlers[i].type;

		if (type >= TYPE_MAX || handlers_by_type[type] != NULL) {
			char name[16];

			snprintf(name, sizeof(name), "%u", type);
			refuse("netlink message type", name);
		}
		handlers_by_type[type] = &handlers[i];
	}
}

const struct nl_handler *
nl_find_handler(uint16_t type)
{
	return type < TYPE_MAX ? handlers_by_type[type] : NULL;
}

void
nl_register_files(const struct nl_file_provider *provider)
{
	if (file_count == FILES_MAX)
		refuse("file", provider->prefix);
	files[file_count++] = provider;
}

/*
 * The longest prefix that covers path wins. A prefix that ends in a slash covers its directory too, named without the
 * slash.
 */
const struct nl_file_provider *
nl_find_file(const char *path)
{
	const struct nl_file_provider *best = NULL;
	size_t best_length = 0;

	for (size_t i = 0; i < file_count; i++) {
		const char *prefix = files[i]->prefix;
		size_t length = strlen(prefix);
		bool directory = length > 0 && prefix[length - 1] == '/';
		bool covers = strncmp(path, prefix, length) == 0 &&
			      (directory || path[length] == '\0' || path[length] == '/');

		if (directory && !covers)
			covers = strncmp(path, prefix, length - 1) == 0 && path[length - 1] == '\0';
		if (covers && length >= best_length) {
			best = files[i];
			best_length = length;
		}
	}
	return best;
}

void
nl_register_ioctls(const struct nl_ioctl_handler *handlers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (ioctl_count == IOCTLS_MAX || nl_find_ioctl(handlers[i].request) != NULL ||
			handlers[i].bytes > FRAME_IOCTL_MAX) {
			char name[24];

			snprintf(name, sizeof(name), "0x%lx", handlers[i].request);
			refuse("ioctl", name);
		}
		ioctls[ioctl_count++] = &handlers[i];
	}
}

const struct nl_ioctl_handler *
nl_find_ioctl(unsigned long request)
{
	for (size_t i = 0; i < ioctl_count; i++)
		if (ioctls[i]->request == request)
			return ioctls[i];
	return NULL;
}

void
nl_register_sockopts(const struct nl_sockopt_handler *handlers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct nl_sockopt_handler *handler = &handlers[i];

		if (sockopt_count == SOCKOPTS_MAX ||
			nl_find_sockopt(handler->level, handler->name, handler->set) != NULL) {
			char name[40];

			snprintf(name, sizeof(name), "%d of level %d", handler->name, handler->level);
			refuse("socket option", name);
		}
		sockopts[sockopt_count++] = handler;
	}
}

const struct nl_sockopt_handler *
nl_find_sockopt(int level, int name, bool set)
{
	for (size_t i = 0; i < sockopt_count; i++)
		if (sockopts[i]->level == level && sockopts[i]->name == name && sockopts[i]->set == set)
			return sockopts[i];
	return NULL;
}

void
nl_register_report(const struct nl_report *report)
{
	size_t at = report_count;

	if (report_count == REPORTS_MAX || nl_find_report(report->name) != NULL)
		refuse("report", report->name);
	while (at > 0 && strcmp(reports[at - 1]->name, report->name) > 0) {
		reports[at] = reports[at - 1];
		at--;
	}
	reports[at] = report;
	report_count++;
}

const struct nl_report *
nl_find_report(const char *name)
{
	for (size_t i = 0; i < report_count; i++)
		if (strcmp(reports[i]->name, name) == 0)
			return reports[i];
	return NULL;
}

void
nl_each_report(void (*each)(void *arg, const struct nl_report *report), void *arg)
{
	for (size_t i = 0; i < report_count; i++)
		each(arg, reports[i]);
}
