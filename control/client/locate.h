/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where weir's parts are: beside the running program in the build tree, or as installed, wherever that tree was moved.
 */
#ifndef WEIR_CLIENT_LOCATE_H
#define WEIR_CLIENT_LOCATE_H

#include <limits.h>
#include <stddef.h>

#include <weir/error.h>

/* The program behind `weir replay`. */
int locate_replay(char path[PATH_MAX], struct error *err);
/* A program in PATH, or where Debian keeps the administrator's. */
int locate_program(const char *name, char path[PATH_MAX], struct error *err);

/* What LD_PRELOAD has to be so that the shim comes first and what the user preloads stays. */
int shim_preload(char *value, size_t size, struct error *err);

#endif
