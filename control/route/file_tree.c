/* SPDX-License-Identifier: BSD-3-Clause */
#include "file_tree.h"

#include <stdint.h>
#include <string.h>

#include <weir/dataplane.h>

bool
file_path_split(const char *path, const char *root, unsigned int most, struct file_path *out)
{
	size_t length = strlen(root);
	char *save = NULL;

	out->parts = 0;
	if (strncmp(path, root, length) != 0 || (path[length] != '/' && path[length] != '\0'))
		return false;
	path += length;
	if (strlen(path) >= sizeof(out->text))
		return false;
	memcpy(out->text, path, strlen(path) + 1);
	for (char *part = strtok_r(out->text, "/", &save); part != NULL; part = strtok_r(NULL, "/", &save)) {
		if (out->parts == most)
			return false;
		out->part[out->parts++] = part;
	}
	return true;
}

static int
list_link(void *arg, struct port *port)
{
	const struct file_listing *listing = arg;

	listing->entry(listing->arg, port->name, true);
	return 0;
}

int
file_list_links(struct router *router, const struct file_listing *listing)
{
	return port_walk(router, list_link, (void *)(uintptr_t)listing);
}
