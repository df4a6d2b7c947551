/* SPDX-License-Identifier: BSD-3-Clause */
#include "shim/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shim/links.h"

enum {
	DESCRIPTORS_MAX = 65536, /* followed; one pointer each, in pages that are only touched where used */
	HIDDEN_FD_MIN = 900, /* under the usual limit of 1024 descriptors, over what programs use */
};

static struct link *by_descriptor[DESCRIPTORS_MAX];
static LIST_HEAD(, link) all = LIST_HEAD_INITIALIZER(all);
static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;
static pid_t owner; /* of this memory; 0: nothing followed yet */

static void
become_owner(void)
{
	owner = getpid();
}

/*
 * A child of vfork() runs in its parent's memory with descriptors of its own: what it closes, the parent keeps. fork()
 * tells by its handler, so a pid that is not the owner's is such a child.
 */
static bool
in_vfork(void)
{
	return owner != 0 && getpid() != owner;
}

static void
take_ownership(void)
{
	static bool registered;

	if (registered)
		return;
	registered = true;
	become_owner();
	pthread_atfork(NULL, NULL, become_owner);
}

struct link *
link_create(enum link_kind kind, int fd)
{
	struct link *link = calloc(1, sizeof(*link));
	struct stat status;

	if (link == NULL || HOST(fstat)(fd, &status) != 0) {
		free(link);
		return NULL;
	}
	link->kind = kind;
	link->device = status.st_dev;
	link->inode = status.st_ino;
	link->done_fd = -1;
	link->references = 1;
	pthread_mutex_init(&link->turn, NULL);
	pthread_mutex_lock(&table);
	take_ownership();
	LIST_INSERT_HEAD(&all, link, next);
	pthread_mutex_unlock(&table);
	return link;
}

static void
put_locked(struct link *link)
{
	if (--link->references > 0)
		return;
	LIST_REMOVE(link, next);
	if (link->done_fd >= 0)
		HOST(close)(link->done_fd);
	pthread_mutex_destroy(&link->turn);
	free(link->path);
	free(link);
}

void
link_put(struct link *link)
{
	pthread_mutex_lock(&table);
	put_locked(link);
	pthread_mutex_unlock(&table);
}

bool
link_add(struct link *link, int fd)
{
	if (fd < 0 || fd >= DESCRIPTORS_MAX)
		return false;
	link_drop(fd);
	pthread_mutex_lock(&table);
	by_descriptor[fd] = link;
	link->references++;
	pthread_mutex_unlock(&table);
	if (fd == STDOUT_FILENO && link->kind == LINK_FILE)
		file_stdout_begin();
	return true;
}

struct link *
link_find(int fd, enum link_kind kind)
{
	struct link *link;
	struct stat status;

	if (fd < 0 || fd >= DESCRIPTORS_MAX || by_descriptor[fd] == NULL)
		return NULL;
	pthread_mutex_lock(&table);
	link = by_descriptor[fd];
	if (link != NULL)
		link->references++;
	pthread_mutex_unlock(&table);
	if (link == NULL)
		return NULL;
	if (HOST(fstat)(fd, &status) == 0 && status.st_ino == link->inode && status.st_dev == link->device) {
		if (link->kind == kind)
			return link;
	} else {
		link_drop(fd);
	}
	link_put(link);
	return NULL;
}

void
link_drop(int fd)
{
	struct link *link;

	if (fd < 0 || fd >= DESCRIPTORS_MAX || by_descriptor[fd] == NULL || in_vfork())
		return;
	if (fd == STDOUT_FILENO)
		file_stdout_end();
	pthread_mutex_lock(&table);
	link = by_descriptor[fd];
	by_descriptor[fd] = NULL;
	if (link != NULL)
		put_locked(link);
	pthread_mutex_unlock(&table);
}

void
link_drop_range(unsigned int first, unsigned int last)
{
	struct link *link;

	if (LIST_EMPTY(&all) || in_vfork())
		return;
	for (unsigned int fd = first; fd <= last && fd < DESCRIPTORS_MAX; fd++)
		link_drop((int)fd);
	/* Links outside the range whose hidden descriptor is inside cannot be used any more. */
	pthread_mutex_lock(&table);
	LIST_FOREACH(link, &all, next)
	if (link->done_fd >= 0 && (unsigned int)link->done_fd >= first && (unsigned int)link->done_fd <= last)
		link->done_fd = -1;
	pthread_mutex_unlock(&table);
}

void
link_copy(int from, int to)
{
	struct link *link;

	if (from < 0 || from >= DESCRIPTORS_MAX || by_descriptor[from] == NULL || in_vfork())
		return;
	pthread_mutex_lock(&table);
	link = by_descriptor[from];
	if (link != NULL)
		link->references++;
	pthread_mutex_unlock(&table);
	if (link == NULL)
		return;
	link_add(link, to);
	link_put(link);
}

static struct link *
hidden_by(int fd)
{
	struct link *link;

	LIST_FOREACH(link, &all, next)
	if (link->done_fd == fd)
		return link;
	return NULL;
}

bool
link_is_hidden(int fd)
{
	bool hidden;

	if (LIST_EMPTY(&all) || in_vfork())
		return false;
	pthread_mutex_lock(&table);
	hidden = hidden_by(fd) != NULL;
	pthread_mutex_unlock(&table);
	return hidden;
}

int
link_hide(int fd)
{
	int hidden = HOST(fcntl)(fd, F_DUPFD_CLOEXEC, HIDDEN_FD_MIN);

	if (hidden < 0)
		return fd;
	HOST(close)(fd);
	return hidden;
}

void
link_vacate(int fd)
{
	struct link *link;

	if (fd < 0 || LIST_EMPTY(&all) || in_vfork())
		return;
	pthread_mutex_lock(&table);
	link = hidden_by(fd);
	if (link != NULL)
		link->done_fd = HOST(fcntl)(fd, F_DUPFD_CLOEXEC, HIDDEN_FD_MIN);
	pthread_mutex_unlock(&table);
}
