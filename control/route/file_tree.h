/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the two trees of files share, the settings of sysctl.c and the links of sysfs.c: paths in parts, and lists of
 * links.
 */
#ifndef WEIR_CONTROL_ROUTE_FILE_TREE_H
#define WEIR_CONTROL_ROUTE_FILE_TREE_H

#include <stdbool.h>

struct router;

enum { FILE_TREE_DEPTH = 4 };

/* A path below a root: "conf/eth0/rp_filter". */
struct file_path {
	char text[256];
	const char *part[FILE_TREE_DEPTH];
	unsigned int parts;
};

/* False where path is not root (without a slash at its end) or below it, or deeper than `most` parts. */
bool file_path_split(const char *path, const char *root, unsigned int most, struct file_path *out);

/* What a provider's list() is given. */
struct file_listing {
	void (*entry)(void *arg, const char *name, bool is_dir);
	void *arg;
};

/* A directory for each link. */
int file_list_links(struct router *router, const struct file_listing *listing);

#endif
