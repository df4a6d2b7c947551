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

/*
 * Something to say of a request that succeeds: the sentence goes out with the acknowledgement, and iproute2 prints it
 * as a warning. (What error_set left in err is not sent where 0 is returned.)
 */
__attribute__((format(printf, 2, 3))) static inline void
error_warn(struct error *err, const char *format, ...)
{
	va_list args;

	if (err == NULL)
		return;
	va_start(args, format);
	err->code = 0;
	vsnprintf(err->msg, sizeof(err->msg), format, args);
	va_end(args);
}

/* The same as error_set with no sentence: Linux answers with the bare errno. */
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
