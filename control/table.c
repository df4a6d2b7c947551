/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

void
table_start(struct table *table, const struct table_column *columns, size_t width)
{
	*table = (struct table){ .columns = columns, .width = width };
}

void
table_add(struct table *table, const char *format, ...)
{
	va_list args;
	char *cell;

	va_start(args, format);
	if (vasprintf(&cell, format, args) < 0)
		abort();
	va_end(args);
	table->cells = realloc(table->cells, (table->count + 1) * sizeof(*table->cells));
	if (table->cells == NULL)
		abort();
	table->cells[table->count++] = cell;
}

static void
print_padded(FILE *out, const char *text, size_t to, bool right, bool last)
{
	int pad = (int)(to - strlen(text));

	if (right)
		fprintf(out, "%*s%s", pad, "", text);
	else
		fprintf(out, "%s%*s", text, last ? 0 : pad, "");
	fputs(last ? "\n" : "  ", out);
}

static void
print_columns(const struct table *table, FILE *out)
{
	size_t widths[table->width];

	for (size_t c = 0; c < table->width; c++) {
		widths[c] = strlen(table->columns[c].title);
		for (size_t i = c; i < table->count; i += table->width)
			if (strlen(table->cells[i]) > widths[c])
				widths[c] = strlen(table->cells[i]);
	}
	for (size_t c = 0; c < table->width; c++)
		print_padded(out, table->columns[c].title, widths[c], table->columns[c].number, c + 1 == table->width);
	for (size_t i = 0; i < table->count; i++) {
		size_t c = i % table->width;

		print_padded(out, table->cells[i], widths[c], table->columns[c].number, c + 1 == table->width);
	}
}

static void
print_json_string(FILE *out, const char *text)
{
	putc('"', out);
	for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(out, "\\%c", *c);
		else if (*c < ' ')
			fprintf(out, "\\u%04x", *c);
		else
			putc(*c, out);
	}
	putc('"', out);
}

static void
print_json(const struct table *table, FILE *out)
{
	putc('[', out);
	for (size_t i = 0; i < table->count; i++) {
		const struct table_column *column = &table->columns[i % table->width];
		bool first = i % table->width == 0, last = (i + 1) % table->width == 0;

		if (first)
			fputs(i == 0 ? "\n  {" : ",\n  {", out);
		fprintf(out, "%s\"%s\": ", first ? "" : ", ", column->title);
		/* A number that is not known is shown as '-'. */
		if (column->number)
			fputs(strcmp(table->cells[i], "-") == 0 ? "null" : table->cells[i], out);
		else
			print_json_string(out, table->cells[i]);
		if (last)
			putc('}', out);
	}
	fputs("\n]\n", out);
}

void
table_finish(struct table *table, FILE *out, bool json)
{
	if (json)
		print_json(table, out);
	else
		print_columns(table, out);
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i]);
	free(table->cells);
	table->cells = NULL;
	table->count = 0;
}
