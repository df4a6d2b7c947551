/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that the router serves in the place of the host's. */
#ifndef WEIR_SHIM_FILES_H
#define WEIR_SHIM_FILES_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>
#include <sys/uio.h>

struct link;

/*
 * paths.c. Whether path, seen from the directory dirfd (or AT_FDCWD), is the router's; absolute then has its full name.
 */
bool path_is_routed(int dirfd, const char *path, char absolute[PATH_MAX]);
/* Whether an open descriptor is a file of the host's network settings, by whatever way it was reached. */
bool descriptor_is_routed(int fd);

/* files.c */
ssize_t file_write(struct link *link, int fd, const void *data, size_t bytes);
ssize_t file_writev(struct link *link, int fd, const struct iovec *parts, int count);
mode_t file_mode(const char *absolute); /* directories.c: its st_mode, or 0 and errno */
/* Standard descriptors that an exec() brought. */
void file_adopt_inherited(void);

#endif
