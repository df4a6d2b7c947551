/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "shim/router.h"

static bool asked;

bool
router_was_asked(void)
{
	return asked;
}

void
router_complain(bool *said, const char *format, ...)
{
	char line[512];
	va_list args;
	int length;

	if (*said)
		return;
	*said = true;
	asked = true; /* or would have, had it been let */
	va_start(args, format);
	length = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (length < 0)
		return;
	if ((size_t)length > sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length++] = '\n';
	/* Not stdio: the program's own stderr may be in any state. */
	if (write(STDERR_FILENO, line, (size_t)length) < 0)
		return;
}

int
router_socket_path(char *path, size_t size)
{
	const char *named = getenv("WEIR_SOCKET");
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	int length;

	if (named != NULL && named[0] != '\0')
		length = snprintf(path, size, "%s", named);
	else if (geteuid() == 0)
		length = snprintf(path, size, "/run/weir/weir.sock");
	else if (runtime != NULL && runtime[0] != '\0')
		length = snprintf(path, size, "%s/weir.sock", runtime);
	else
		return -ENOENT;
	return (size_t)length < size ? 0 : -ENAMETOOLONG;
}

static int
complain_of_connect(const char *path, int error)
{
	static bool said;

	if (error == EACCES || error == EPERM)
		router_complain(&said,
			"weir: %s: permission denied: the router's user, root and the group weir may use it", path);
	else if (error == ECONNREFUSED || error == ENOENT)
		router_complain(
			&said, "weir: no router at %s: is weird running? (--socket or WEIR_SOCKET name another)", path);
	else
		router_complain(&said, "weir: cannot reach the router at %s: %s", path, strerror(error));
	return error == ENOENT ? -ECONNREFUSED : -error;
}

int
router_connect(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	static bool said;
	int connection, code;

	asked = true;
	code = router_socket_path(address.sun_path, sizeof(address.sun_path));
	if (code == -ENAMETOOLONG)
		router_complain(&said, "weir: the socket's path in WEIR_SOCKET has more than %zu characters",
			sizeof(address.sun_path) - 1);
	else if (code != 0)
		router_complain(&said,
			"weir: where is the router's socket? Set WEIR_SOCKET (or XDG_RUNTIME_DIR), or give --socket");
	if (code != 0)
		return -ECONNREFUSED;
	connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (connection < 0)
		return -errno;
	if (connect(connection, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		int error = errno;

		close(connection);
		return complain_of_connect(address.sun_path, error);
	}
	return connection;
}

int
router_receive(int connection, struct router_answer *answer)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	struct frame_reply reply;
	struct iovec parts[2] = {
		{ .iov_base = &reply, .iov_len = sizeof(reply) },
		{ .iov_base = answer->text, .iov_len = sizeof(answer->text) - 1 },
	};
	struct msghdr message = {
		.msg_iov = parts,
		.msg_iovlen = 2,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *rights;
	ssize_t length;

	answer->fd = -1;
	do
		length = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
	while (length < 0 && errno == EINTR);
	if (length < (ssize_t)sizeof(reply))
		return length < 0 ? -errno : -ECONNREFUSED;
	rights = CMSG_FIRSTHDR(&message);
	if (rights != NULL && rights->cmsg_type == SCM_RIGHTS)
		memcpy(&answer->fd, CMSG_DATA(rights), sizeof(answer->fd));
	answer->bytes = (size_t)length - sizeof(reply);
	answer->text[answer->bytes] = '\0';
	answer->error = reply.error;
	answer->value = reply.value;
	return 0;
}

int
router_exchange(int connection, const void *frame, size_t bytes, struct router_answer *answer)
{
	if (send(connection, frame, bytes, MSG_NOSIGNAL) < 0)
		return errno == EPIPE ? -ECONNREFUSED : -errno;
	return router_receive(connection, answer);
}

int
router_ask_path(uint16_t type, const char *path, uint32_t flags, struct router_answer *answer)
{
	static bool said;
	union {
		struct frame_path frame;
		char room[sizeof(struct frame_path) + FRAME_PATH_MAX];
	} request = { .frame.flags = flags };
	size_t length = strlen(path) + 1;
	int connection, code;

	if (length > FRAME_PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(request.frame.path, path, length);
	request.frame.header.nlmsg_len = (uint32_t)(sizeof(struct frame_path) + length);
	request.frame.header.nlmsg_type = type;
	request.frame.header.nlmsg_pid = FRAME_COOKIE + FRAME_VERSION;
	connection = router_connect();
	if (connection < 0)
		return connection;
	code = router_exchange(connection, &request, request.frame.header.nlmsg_len, answer);
	if (code != 0) {
		close(connection);
		return code;
	}
	if (answer->error == EPROTONOSUPPORT)
		router_complain(&said, "weir: the router at the socket is of another release than this program");
	return connection;
}

char *
router_read_answer(struct router_answer *answer, size_t *bytes)
{
	struct stat status;
	char *text = NULL;
	ssize_t length = -1;

	if (answer->fd < 0) {
		errno = EPROTO;
		return NULL;
	}
	if (fstat(answer->fd, &status) == 0)
		text = malloc((size_t)status.st_size + 1);
	if (text != NULL)
		length = pread(answer->fd, text, (size_t)status.st_size, 0);
	close(answer->fd);
	answer->fd = -1;
	if (length < 0) {
		free(text);
		return NULL;
	}
	text[length] = '\0';
	*bytes = (size_t)length;
	return text;
}
