/* SPDX-License-Identifier: BSD-3-Clause */
/* The verbs of `weir` that speak to the router themselves. argv[0] is the verb; each returns the exit status. */
#ifndef WEIR_CLIENT_CLIENT_H
#define WEIR_CLIENT_CLIENT_H

#include <limits.h>
#include <stdbool.h>

#include <weir/error.h>

#include "shim/router.h"

int client_sysctl(int argc, char **argv);
int client_show(int argc, char **argv);
int client_save(int argc, char **argv);

/* What the environment of a program under the shim is. */
int client_prepare_environment(struct error *err);
/* The program that is iptables-legacy, iptables-save and iptables-restore: which of them, its name tells it. */
int client_locate_iptables(char path[PATH_MAX], struct error *err);

/* Prints a report of the router's: the exit status. */
int client_print_report(const char *title, const char *name, bool json);

/* Prints the message; returns exit status 1, or 2 for wrong usage. */
int client_fail(const struct error *err);
int client_usage(const char *format, const char *what);

#endif
