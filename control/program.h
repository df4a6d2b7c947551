/* SPDX-License-Identifier: BSD-3-Clause */
/* What weird and weir-replay share as programs. */
#ifndef WEIR_CONTROL_PROGRAM_H
#define WEIR_CONTROL_PROGRAM_H

#include <weir/error.h>

#include "control.h"

struct port;
struct port_conf;

/* Exit statuses */
enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

/* Says on stderr, in the program's name, what was wrong; EXIT_FAILED. */
int program_fail(const struct error *err);

/* For struct control: the router's own time. */
uint64_t program_now(const struct control *control);

/* port_add, and the port's name in front of what is wrong with it. */
int program_add_port(struct control *control, const struct port_conf *conf, struct port **port, struct error *err);

#endif
