/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a benchmark reports: one row for each number that `make bench` prints and writes to bench.json.
 *
 * Weir and its peer are measured in the same run, in turns: sample i of one lies beside sample i of the other. The row
 * shows medians, with the least and the greatest; the ratio is that of the medians.
 */
#ifndef WEIR_TESTS_BENCH_REPORT_H
#define WEIR_TESTS_BENCH_REPORT_H

#include <stdbool.h>
#include <stddef.h>

struct report_row {
	const char *name; /* kebab-case, unique: what ROWS picks by */
	const char *work; /* for people */
	const char *unit; /* "cycles/packet", "MB", "ns", "s", "%" ...; less is better */
	const char *peer_name; /* NULL: no peer */
	double must, strive; /* goals; 0: none */
};

/* Does ROWS (a shell pattern in BENCH_ROWS; unset: all) pick the row? */
bool report_wanted(const char *name);
/*
 * n samples each; peer NULL: none. Prints a line, and appends it to the file that BENCH_OUT names. Sorts the samples.
 */
void report_add(const struct report_row *row, double *weir, double *peer, size_t n);
bool report_any(void); /* Was there a row yet? ROWS may have picked none of this program's. */
/* A remark under the table: hugepages or not, what was stolen, where the traffic comes from. */
void report_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

double report_median(double *samples, size_t n); /* sorts them */

#endif
