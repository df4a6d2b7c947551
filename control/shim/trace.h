/* SPDX-License-Identifier: BSD-3-Clause */
/* What a program under the shim says of its failure to who runs the script. */
#ifndef WEIR_SHIM_TRACE_H
#define WEIR_SHIM_TRACE_H

#include <limits.h>
#include <stdint.h>

/* Set by `weir exec`: see trace.c. */
#define TRACE_SCRIPT_VARIABLE "WEIR_SCRIPT"

enum {
	TRACE_COMMAND_MAX = 1024,
};

struct trace_record {
	int32_t pid;
	int32_t status; /* as given to exit() */
	uint32_t asked_router;
	uint32_t bytes; /* of command */
	char command[TRACE_COMMAND_MAX]; /* its arguments, each with a NUL; the rest is cut off */
};

_Static_assert(sizeof(struct trace_record) < PIPE_BUF, "a record must be written in one piece");

#endif
