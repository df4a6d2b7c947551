/* SPDX-License-Identifier: BSD-3-Clause */
/* A table of text for `weir show`: gathered row by row, printed as aligned columns or as an array of JSON objects. */
#ifndef WEIR_CONTROL_TABLE_H
#define WEIR_CONTROL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct table_column {
	const char *title; /* heading, and key in JSON */
	bool number; /* right-aligned; a bare number in JSON */
};

struct table {
	const struct table_column *columns;
	size_t width; /* number of columns */
	char **cells; /* row by row, owned */
	size_t count;
};

void table_start(struct table *table, const struct table_column *columns, size_t width);
/* The next cell, printf's way. Rows fill from left to right. Aborts when memory is out. */
__attribute__((format(printf, 2, 3))) void table_add(struct table *table, const char *format, ...);
/* Prints and frees it. */
void table_finish(struct table *table, FILE *out, bool json);

#endif
