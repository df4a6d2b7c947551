/* SPDX-License-Identifier: BSD-3-Clause */
#include "report.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>
#include <rte_cycles.h>

bool
report_wanted(const char *name)
{
	const char *rows = getenv("BENCH_ROWS");

	return rows == NULL || *rows == '\0' || fnmatch(rows, name, 0) == 0;
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double
report_median(double *samples, size_t n)
{
	qsort(samples, n, sizeof(*samples), compare);
	return n % 2 == 1 ? samples[n / 2] : (samples[n / 2 - 1] + samples[n / 2]) / 2;
}

/* One JSON object a line, appended: tools/bench makes the table and the array of them. */
static void
append(const char *line)
{
	const char *path = getenv("BENCH_OUT");
	FILE *out = path == NULL ? NULL : fopen(path, "a");

	if (path != NULL && out == NULL) {
		fprintf(stderr, "bench: %s: %s\n", path, strerror(errno));
		exit(1);
	}
	if (out != NULL) {
		fprintf(out, "%s\n", line);
		fclose(out);
	}
}

/*
 * How many cycles of the processor, whose clock follows load and heat, go into one of the TSC. A multiplication that
 * waits for the one before takes three.
 */
static double
clock_ratio(void)
{
	enum { CHAIN = 3000, TRIES = 10 };
	uint64_t least = UINT64_MAX, x = 3;

	for (unsigned int try = 0; try < TRIES; try++) {
		uint64_t start = rte_rdtsc_precise();

		for (unsigned int i = 0; i < CHAIN; i++)
			asm volatile("imul %0, %0" : "+r"(x));
		least = RTE_MIN(least, rte_rdtsc_precise() - start);
	}
	return 3.0 * CHAIN / (double)least;
}

static bool any;

void
report_add(const struct report_row *row, double *weir, double *peer, size_t n)
{
	double median = report_median(weir, n), peer_median = peer == NULL ? 0 : report_median(peer, n);
	char peers[160] = "", line[768];

	any = true;
	printf("%-32s %9.2f (%.2f to %.2f) %s", row->name, median, weir[0], weir[n - 1], row->unit);
	if (peer != NULL) {
		printf(", %s %.2f (%.2f to %.2f)", row->peer_name, peer_median, peer[0], peer[n - 1]);
		snprintf(peers, sizeof(peers),
			",\"peer_name\":\"%s\",\"peer\":%.4g,\"peer_min\":%.4g,\"peer_max\":%.4g,\"ratio\":%.3g",
			row->peer_name, peer_median, peer[0], peer[n - 1], median / peer_median);
	}
	printf("\n");
	fflush(stdout);
	snprintf(line, sizeof(line),
		"{\"name\":\"%s\",\"work\":\"%s\",\"unit\":\"%s\",\"weir\":%.4g,\"weir_min\":%.4g,\"weir_max\":%.4g%s,"
		"\"must\":%g,"
		"\"strive\":%g,\"met\":%s,\"clock\":%.3f}",
		row->name, row->work, row->unit, median, weir[0], weir[n - 1], peers, row->must, row->strive,
		row->must == 0        ? "null"
		: median <= row->must ? "true"
				      : "false",
		clock_ratio());
	append(line);
}

bool
report_any(void)
{
	return any;
}

void
report_note(const char *format, ...)
{
	char text[1600], line[1640];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	printf("# %s\n", text);
	fflush(stdout);
	snprintf(line, sizeof(line), "{\"note\":\"%s\"}", text);
	append(line);
}
