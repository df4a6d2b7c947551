/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a request for something new treats what is there already: add is CREATE | EXCLUSIVE, replace is CREATE | REPLACE,
 * change is neither.
 */
#ifndef WEIR_CHANGE_H
#define WEIR_CHANGE_H

enum {
	CHANGE_CREATE = 1, /* makes it if it is not there */
	CHANGE_EXCLUSIVE = 2, /* refuses if it is there */
	CHANGE_REPLACE = 4, /* takes the place of what is there */
	CHANGE_APPEND = 8, /* goes behind what is there */
};

#endif
