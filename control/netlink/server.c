/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The socket: where it is, who may connect, who may change things.
 */
#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#include "netlink/internal.h"

enum {
	BACKLOG = 128,
	GROUPS_MAX = 256, /* of a client's supplementary groups, those looked at */
	ACCEPT_PAUSE_US = 100 * 1000,
};

static const gid_t NO_GROUP = (gid_t)-1;

static bool
in_group(int fd, const struct ucred *peer, gid_t group)
{
	gid_t groups[GROUPS_MAX];
	socklen_t bytes = sizeof(groups);

	if (group == NO_GROUP)
		return false;
	if (peer->gid == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes) != 0)
		return false;
	for (size_t i = 0; i < bytes / sizeof(groups[0]); i++)
		if (groups[i] == group)
			return true;
	return false;
}

static bool
may_write(const struct nl_server *server, int fd)
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0)
		return false;
	return peer.uid == 0 || peer.uid == server->owner || in_group(fd, &peer, server->group);
}

static void
on_acceptable(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval pause = { .tv_usec = ACCEPT_PAUSE_US };
	struct nl_server *server = arg;
	int client = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);

	if (client >= 0) {
		nl_client_create(server, client)->may_write = may_write(server, client);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
		/* It stays readable: without a pause the loop would spin until some client leaves. */
		event_del(server->acceptable);
		event_add(server->accept_again, &pause);
	}
}

static void
on_accept_again(evutil_socket_t fd, short what, void *arg)
{
	struct nl_server *server = arg;

	event_add(server->acceptable, NULL);
}

static int
fill_address(struct sockaddr_un *address, const char *path, struct error *err)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(address->sun_path))
		return error_set(err, ENAMETOOLONG, "the socket's path may have %zu characters, this one has %zu: %s",
			sizeof(address->sun_path) - 1, strlen(path), path);
	memcpy(address->sun_path, path, strlen(path) + 1);
	return 0;
}

/* Removes the socket of a router that is dead. */
static int
remove_stale(const struct sockaddr_un *address, struct error *err)
{
	struct stat status;
	int probe, connected;

	if (lstat(address->sun_path, &status) != 0)
		return errno == ENOENT ? 0 : error_set(err, errno, "%s: %s", address->sun_path, strerror(errno));
	if (!S_ISSOCK(status.st_mode))
		return error_set(
			err, EEXIST, "%s is there and is no socket; give another with --socket", address->sun_path);
	probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0)
		return error_set(err, errno, "cannot make a socket: %s", strerror(errno));
	connected = connect(probe, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : errno;
	close(probe);
	if (connected == EPROTOTYPE || connected == EACCES)
		return error_set(err, EADDRINUSE, "%s belongs to another program; give another with --socket",
			address->sun_path);
	if (connected != ECONNREFUSED)
		return error_set(err, EADDRINUSE,
			"a router is running at %s already; stop it, or give another with --socket", address->sun_path);
	if (unlink(address->sun_path) != 0)
		return error_set(err, errno, "cannot remove the dead router's socket %s: %s", address->sun_path,
			strerror(errno));
	return 0;
}

static int
bind_socket(struct nl_server *server, const struct sockaddr_un *address, struct error *err)
{
	const struct group *group = getgrnam("weir");
	struct stat status;
	mode_t mask;
	int failed;

	server->group = group != NULL ? group->gr_gid : NO_GROUP;
	server->owner = geteuid();
	server->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server->fd < 0)
		return error_set(err, errno, "cannot make a socket: %s", strerror(errno));
	mask = umask(0117);
	failed = bind(server->fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : errno;
	umask(mask);
	if (failed == 0 && lstat(address->sun_path, &status) != 0)
		failed = errno;
	if (failed != 0)
		return error_set(err, failed, "cannot make the socket %s: %s", address->sun_path, strerror(failed));
	server->path = strdup(address->sun_path);
	if (server->path == NULL)
		abort();
	server->device = status.st_dev;
	server->inode = status.st_ino;
	/* Only root, or a member, may give it to the group; for others it stays their own, which is as good. */
	if (server->group != NO_GROUP && chown(server->path, (uid_t)-1, server->group) != 0 && errno != EPERM)
		return error_set(err, errno, "cannot give %s to the group weir: %s", server->path, strerror(errno));
	if (listen(server->fd, BACKLOG) != 0)
		return error_set(err, errno, "cannot listen at %s: %s", server->path, strerror(errno));
	return 0;
}

/*
 * Two routers that start at once must not take each other's socket for a dead one's: the directory is locked meanwhile.
 */
static int
open_socket(struct nl_server *server, const char *path, struct error *err)
{
	struct sockaddr_un address;
	char copy[sizeof(address.sun_path)];
	const char *directory;
	int lock, code;

	code = fill_address(&address, path, err);
	if (code != 0)
		return code;
	memcpy(copy, address.sun_path, sizeof(copy));
	directory = dirname(copy);
	if (mkdir(directory, 0755) != 0 && errno != EEXIST)
		return error_set(
			err, errno, "cannot make the directory %s of the socket: %s", directory, strerror(errno));
	lock = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lock < 0)
		return error_set(err, errno, "%s: %s", directory, strerror(errno));
	flock(lock, LOCK_EX);
	code = remove_stale(&address, err);
	if (code == 0)
		code = bind_socket(server, &address, err);
	close(lock);
	return code;
}

static int
listen_at(struct nl_server *server, const char *path, struct error *err)
{
	int code = open_socket(server, path, err);

	if (code != 0)
		return code;
	server->acceptable = event_new(server->base, server->fd, EV_READ | EV_PERSIST, on_acceptable, server);
	server->accept_again = event_new(server->base, -1, 0, on_accept_again, server);
	if (server->acceptable == NULL || server->accept_again == NULL)
		abort();
	event_add(server->acceptable, NULL);
	return 0;
}

int
nl_server_create(const struct nl_server_conf *conf, struct nl_server **server, struct error *err)
{
	struct nl_server *made = calloc(1, sizeof(*made));
	int code = 0;

	*server = NULL;
	if (made == NULL)
		abort();
	made->context = conf->context;
	made->base = conf->base;
	made->fd = -1;
	made->group = NO_GROUP;
	LIST_INIT(&made->clients);
	LIST_INIT(&made->files);
	made->buffer = malloc(FRAME_BYTES_MAX + 1);
	if (made->buffer == NULL)
		abort();
	if (conf->path != NULL)
		code = listen_at(made, conf->path, err);
	if (code != 0)
		nl_server_destroy(made);
	else
		*server = made;
	return code;
}

void
nl_server_destroy(struct nl_server *server)
{
	struct stat status;

	if (server == NULL)
		return;
	while (!LIST_EMPTY(&server->clients))
		nl_client_destroy(LIST_FIRST(&server->clients));
	if (server->acceptable != NULL)
		event_free(server->acceptable);
	if (server->accept_again != NULL)
		event_free(server->accept_again);
	if (server->fd >= 0)
		close(server->fd);
	if (server->path != NULL && lstat(server->path, &status) == 0 && status.st_dev == server->device &&
		status.st_ino == server->inode)
		unlink(server->path);
	free(server->path);
	free(server->buffer);
	free(server);
}
