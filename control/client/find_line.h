/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_CLIENT_FIND_LINE_H
#define WEIR_CLIENT_FIND_LINE_H

#include <stddef.h>

/*
 * The number of the line in the shell script at path that ran a command, given as its arguments, each ended by a NUL. 0
 * where no line fits, or several fit as well as each other.
 */
int find_line(const char *path, const char *command, size_t bytes);

#endif
