/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The functions that the shim stands before. Include this first: the large-file and fortify variants of libc's headers
 * rename the very functions that are defined here one by one.
 */
#ifndef WEIR_SHIM_HOST_H
#define WEIR_SHIM_HOST_H

#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE

#include <dlfcn.h>

/* What the program sees; all else stays inside the library. */
#define EXPORT __attribute__((visibility("default")))

/* The next definition of a function: libc's, or another preloaded library's. Looked up at its first use. */
#define HOST(function)                                                                                                 \
	({                                                                                                             \
		static void *next_;                                                                                    \
		if (next_ == NULL)                                                                                     \
			next_ = dlsym(RTLD_NEXT, #function);                                                           \
		(__typeof__(&(function)))next_;                                                                        \
	})

#endif
