/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a refusal travels from where it is found to where a person reads it: the netlink extended ack, the log or stderr.
 */
#ifndef WEIR_ERROR_H
#define WEIR_ERROR_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

struct error {
	int code; /* a positive errno, the one that Linux gives in this case; 0: no error */
	char msg[240]; /* what was wrong and what would be right; empty where Linux says nothing but the errno */
};

/*
 * Fills err (which may be NULL) and returns -code, so that a caller can write `return error_set(err, EINVAL, "...")`.
 */
__attribute__((format(printf, 3, 4))) static inline int
error_set(struct error *err, int code, const char *format, ...)
{
	if (err != NULL) {
		va_list args;

		va_start(args, format);
		err->code = code;
		vsnprintf(err->msg, sizeof(err->msg), format, args);
		va_end(args);
	}
	return -code;
}

/* The same with no sentence: Linux answers with the bare errno. */
static inline int
error_code(struct error *err, int code)
{
	if (err != NULL) {
		err->code = code;
		err->msg[0] = '\0';
	}
	return -code;
}

#endif
