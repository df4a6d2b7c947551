/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs that are not run as they are where the router is meant: for the shim and for `weir exec`. Depends on libc
 * alone.
 */
#ifndef WEIR_SHIM_PROGRAMS_H
#define WEIR_SHIM_PROGRAMS_H

#include <limits.h>
#include <stdbool.h>

const char *program_name(const char *path);
bool program_is_one_of(const char *name, const char *const *names); /* names end with NULL */

/* Whether it is called as iptables is, without saying which. */
bool program_is_iptables(const char *path);
/*
 * A plain `iptables` may be nft's, which speaks another language (update-alternatives(1)). Where path leads there,
 * legacy gets the path of the legacy one, which is installed beside it.
 */
bool program_find_legacy(const char *path, char legacy[PATH_MAX]);

/* Whether the command is a modprobe(8) and the like of modules for what the router does itself. */
bool program_loads_modules(const char *path, char *const arguments[]);

#endif
