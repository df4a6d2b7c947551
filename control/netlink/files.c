/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files and reports: what a program would read in /proc and /sys, and what `weir show` prints. Content goes to the
 * client in a memory file of its own, complete at the time of open; a file open for writing is the connection itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netlink/internal.h"

enum {
	CONTENT_BYTES_MAX = 256 * 1024,
};

/*
 * /proc/net/psched tells tc how long a tick of the packet scheduler is, and the like, as Linux shows it: 1000 ns a us,
 * 64 ns a tick, 10^6 and 10^9 for the clock's resolution. Without the file tc takes a tick for a us.
 */
static int
psched_read(void *context, const char *path, char *buffer, size_t size, struct error *err)
{
	if (strcmp(path, "/proc/net/psched") != 0)
		return error_code(err, ENOTDIR);
	return snprintf(buffer, size, "%08x %08x %08x %08x\n", 1000, 64, 1000000, 1000000000);
}

static const struct nl_file_provider psched = {
	.prefix = "/proc/net/psched",
	.read = psched_read,
};
NL_REGISTER_FILES(psched)

static void
reply_errno(struct nl_client *client, struct error *err, int code)
{
	if (err->code == 0)
		err->code = code;
	nl_client_reply(client, err, 0, -1);
}

int
nl_make_file(const void *content, size_t bytes)
{
	int fd = memfd_create("weir", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (write(fd, content, bytes) != (ssize_t)bytes || lseek(fd, 0, SEEK_SET) != 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	return fd;
}

static void
reply_content(struct nl_client *client, const char *content, size_t bytes)
{
	int fd = nl_make_file(content, bytes);

	if (fd < 0) {
		reply_errno(client, &(struct error){ 0 }, -fd);
		return;
	}
	nl_client_reply(client, NULL, 0, fd);
	close(fd);
}

static void
ignore_entry(void *arg, const char *name, bool is_dir)
{
}

static bool
is_directory(const struct nl_client *client, const struct nl_file_provider *provider, const char *path)
{
	return provider->list != NULL && provider->list(client->server->context, path, ignore_entry, NULL) == 0;
}

/* Content in a buffer that the caller frees, NULL with err filled. */
static char *
read_file(const struct nl_client *client, const struct nl_file_provider *provider, const char *path, size_t *bytes,
	struct error *err)
{
	char *buffer = malloc(CONTENT_BYTES_MAX);
	int length;

	if (buffer == NULL)
		abort();
	length = provider->read != NULL ? provider->read(client->server->context, path, buffer, CONTENT_BYTES_MAX, err)
					: error_code(err, EACCES);
	if (length >= 0 && length <= CONTENT_BYTES_MAX) {
		*bytes = (size_t)length;
		return buffer;
	}
	if (err->code == 0)
		err->code = length < 0 ? -length : EFBIG;
	free(buffer);
	return NULL;
}

/*
 * Whether there is such a file; *readable: it can be read. Files that can only be written say EACCES, or what they
 * like, but not that they are not there.
 */
static bool
file_exists(struct nl_client *client, const struct nl_file_provider *provider, const char *path, bool *readable,
	struct error *err)
{
	size_t bytes;
	char *content = read_file(client, provider, path, &bytes, err);

	*readable = content != NULL;
	free(content);
	return *readable || (err->code != ENOENT && err->code != ENOTDIR);
}

static void
open_for_writing(struct nl_client *client, const struct nl_file_provider *provider, const char *path, int flags)
{
	struct error err = { 0 };
	bool readable;

	if ((flags & O_ACCMODE) == O_RDWR) {
		error_set(&err, EOPNOTSUPP, "%s: open it for reading or for writing, not for both", path);
		reply_errno(client, &err, 0);
		return;
	}
	if (!file_exists(client, provider, path, &readable, &err)) {
		reply_errno(client, &err, 0);
		return;
	}
	if (provider->write == NULL || !client->may_write) {
		reply_errno(client, &(struct error){ 0 }, EACCES);
		return;
	}
	client->kind = CLIENT_FILE;
	client->file = provider;
	client->file_path = strdup(path);
	if (client->file_path == NULL)
		abort();
	LIST_INSERT_HEAD(&client->server->files, client, next_file);
	nl_client_reply(client, NULL, 0, -1);
}

void
nl_serve_open(struct nl_client *client, const char *path, int flags)
{
	const struct nl_file_provider *provider = nl_find_file(path);
	struct error err = { 0 };
	size_t bytes;
	char *content;

	if (provider == NULL) {
		reply_errno(client, &err, ENOENT);
	} else if (is_directory(client, provider, path)) {
		reply_errno(client, &err, EISDIR);
	} else if ((flags & O_ACCMODE) != O_RDONLY) {
		open_for_writing(client, provider, path, flags);
	} else if ((content = read_file(client, provider, path, &bytes, &err)) == NULL) {
		reply_errno(client, &err, 0);
	} else {
		reply_content(client, content, bytes);
		free(content);
	}
}

void
nl_serve_write(struct nl_client *client, const char *text)
{
	struct error err = { 0 };
	int code = client->file->write(client->server->context, client->file_path, text, &err);

	if (code < 0)
		reply_errno(client, &err, -code);
	else
		nl_client_reply(client, NULL, 0, -1);
}

static void
print_entry(void *arg, const char *name, bool is_dir)
{
	fprintf(arg, "%c %s\n", is_dir ? 'd' : 'f', name);
}

void
nl_serve_list(struct nl_client *client, const char *path)
{
	const struct nl_file_provider *provider = nl_find_file(path);
	char *listing = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&listing, &bytes);
	int code = -ENOENT;

	if (out == NULL)
		abort();
	if (provider != NULL)
		code = provider->list != NULL ? provider->list(client->server->context, path, print_entry, out)
					      : -ENOTDIR;
	fclose(out);
	if (code != 0)
		reply_errno(client, &(struct error){ 0 }, -code);
	else
		reply_content(client, listing, bytes);
	free(listing);
}

void
nl_serve_stat(struct nl_client *client, const char *path)
{
	const struct nl_file_provider *provider = nl_find_file(path);
	struct error err = { 0 };
	mode_t mode = S_IFREG;
	bool readable;

	if (provider == NULL) {
		reply_errno(client, &err, ENOENT);
		return;
	}
	if (is_directory(client, provider, path)) {
		nl_client_reply(client, NULL, S_IFDIR | 0555, -1);
		return;
	}
	if (!file_exists(client, provider, path, &readable, &err)) {
		reply_errno(client, &err, 0);
		return;
	}
	mode |= readable ? 0444 : 0;
	mode |= provider->write != NULL ? 0200 : 0;
	nl_client_reply(client, NULL, mode, -1);
}

static void
print_about(void *arg, const struct nl_report *report)
{
	fprintf(arg, "  %-12s %s\n", report->name, report->about);
}

void
nl_serve_report(struct nl_client *client, const char *name, bool json)
{
	const struct nl_report *report = nl_find_report(name);
	struct error err = { 0 };
	char *text = NULL;
	size_t bytes = 0;
	FILE *out;
	int code = 0;

	if (report == NULL && name[0] != '\0') {
		error_set(&err, ENOENT, "there is no report '%s'; 'weir show' lists them", name);
		reply_errno(client, &err, 0);
		return;
	}
	out = open_memstream(&text, &bytes);
	if (out == NULL)
		abort();
	if (report == NULL)
		nl_each_report(print_about, out);
	else
		code = report->print(client->server->context, out, json, &err);
	fclose(out);
	if (code != 0)
		reply_errno(client, &err, -code);
	else
		reply_content(client, text, bytes);
	free(text);
}
