/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * FRAME_SOCKOPT: the socket options by which iptables reads and loads its tables. A table may be longer than a
 * datagram: it then comes, and goes, in a memory file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netlink/internal.h"

/*
 * What is in the memory file that came, in a buffer that the caller frees; NULL and errno. The file is the client's: it
 * has to be sealed, so that reading it neither blocks nor finds it shorter than it was.
 */
static void *
read_value(int fd, size_t bytes)
{
	const int wanted = F_SEAL_SHRINK | F_SEAL_WRITE;
	int seals = fd >= 0 ? fcntl(fd, F_GET_SEALS) : -1;
	struct stat status;
	void *value;

	if (seals < 0 || (seals & wanted) != wanted || fstat(fd, &status) != 0 || (size_t)status.st_size != bytes) {
		errno = EINVAL;
		return NULL;
	}
	value = malloc(bytes);
	if (value == NULL)
		abort();
	if (pread(fd, value, bytes, 0) != (ssize_t)bytes) {
		free(value);
		errno = EIO;
		return NULL;
	}
	return value;
}

static int
refuse(struct nl_client *client, const struct error *err)
{
	nl_client_reply(client, err, 0, -1);
	return err->code;
}

static int
answer_with(struct nl_client *client, const struct nl_answer *answer)
{
	int fd;

	if (answer->bytes <= FRAME_IOCTL_MAX) {
		nl_client_reply_bytes(client, answer->data, answer->bytes);
		return 0;
	}
	fd = nl_make_file(answer->data, answer->bytes);
	if (fd < 0)
		return refuse(client, &(struct error){ .code = -fd });
	nl_client_reply(client, NULL, 0, fd);
	close(fd);
	return 0;
}

static int
serve(struct nl_client *client, const struct nl_sockopt_handler *handler, const struct nl_sockopt *option)
{
	struct nl_answer answer = { 0 };
	struct error err = { 0 };
	int code = handler->serve(client->server->context, option, &answer, &err);

	if (code < 0) {
		err.code = -code;
		code = refuse(client, &err);
	} else {
		code = answer_with(client, &answer);
	}
	free(answer.data);
	return code;
}

/* The value, in a buffer that the caller frees and that any type is at home in; NULL and errno. */
static void *
take_value(const struct frame_sockopt *request, int fd, size_t head, struct nl_sockopt *option)
{
	void *value;

	*option = (struct nl_sockopt){ .bytes = fd >= 0 ? request->bytes : head, .room = request->bytes };
	if (fd >= 0) {
		value = read_value(fd, option->bytes);
	} else {
		value = malloc(head + 1);
		if (value == NULL)
			abort();
		memcpy(value, request->value, head);
	}
	option->value = value;
	return value;
}

int
nl_serve_sockopt(struct nl_client *client, const struct nlmsghdr *frame, size_t bytes, int fd)
{
	const struct frame_sockopt *request = (const struct frame_sockopt *)(const void *)frame;
	size_t head = bytes - sizeof(*request);
	const struct nl_sockopt_handler *handler;
	struct nl_sockopt option;
	struct error err = { 0 };
	void *value;
	int code;

	if (bytes < sizeof(*request) || (request->set != 0 && fd < 0 && head != request->bytes))
		return refuse(client, &(struct error){ .code = EINVAL });
	handler = nl_find_sockopt(request->level, request->name, request->set != 0);
	if (handler == NULL)
		return refuse(client, &(struct error){ .code = ENOPROTOOPT });
	if ((handler->flags & NL_WRITE) != 0 && !client->may_write) {
		nl_error_not_allowed(&err);
		return refuse(client, &err);
	}
	if (request->bytes > FRAME_SOCKOPT_MAX && fd >= 0) {
		error_set(&err, E2BIG, "a table may have %d MB", FRAME_SOCKOPT_MAX >> 20);
		return refuse(client, &err);
	}
	value = take_value(request, fd, head, &option);
	if (value == NULL)
		return refuse(client, &(struct error){ .code = errno });
	code = serve(client, handler, &option);
	free(value);
	return code;
}
