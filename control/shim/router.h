/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The client's end of the control socket, for the shim and for `weir`: connect, ask, be answered. Depends on libc
 * alone.
 */
#ifndef WEIR_SHIM_ROUTER_H
#define WEIR_SHIM_ROUTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netlink/frames.h"

struct router_answer {
	int error; /* errno; 0: done */
	uint32_t value;
	int fd; /* the file that came with the answer; -1: none. The caller's to close. */
	size_t bytes; /* of text */
	char text[FRAME_IOCTL_MAX + 1]; /* the error's sentence, or data; a NUL follows what came */
};

/* WEIR_SOCKET, or $XDG_RUNTIME_DIR/weir.sock, or for root /run/weir/weir.sock. 0 or -errno. */
int router_socket_path(char *path, size_t size);

/*
 * A connected socket or -errno. That there is no router is said on stderr, once in a process: what the program makes of
 * the errno ("Connection refused") does not tell the user what to do.
 */
int router_connect(void);

/* Sends a frame and takes the answer. 0 (and answer->error may still refuse) or -errno where there was no answer. */
int router_exchange(int connection, const void *frame, size_t bytes, struct router_answer *answer);

/* Takes the answer to a frame that was sent otherwise. */
int router_receive(int connection, struct router_answer *answer);

/* A frame of `type` that names a path (frame_path), on a connection of its own, which is returned (>= 0) or -errno. */
int router_ask_path(uint16_t type, const char *path, uint32_t flags, struct router_answer *answer);

/* The file that an answer brought, as a string that the caller frees; NULL and errno. Closes answer->fd. */
char *router_read_answer(struct router_answer *answer, size_t *bytes);

/* One line on stderr, once in a process for each `said`. */
void router_complain(bool *said, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether this process has tried to speak to the router. */
bool router_was_asked(void);

#endif
