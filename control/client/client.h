/* SPDX-License-Identifier: BSD-3-Clause */
/* The verbs of `weir` that speak to the router themselves. argv[0] is the verb; each returns the exit status. */
#ifndef WEIR_CLIENT_CLIENT_H
#define WEIR_CLIENT_CLIENT_H

#include <weir/error.h>

#include "shim/router.h"

int client_sysctl(int argc, char **argv);
int client_show(int argc, char **argv);
int client_save(int argc, char **argv);

/* Prints the message; returns exit status 1, or 2 for wrong usage. */
int client_fail(const struct error *err);
int client_usage(const char *format, const char *what);

#endif
