/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory of the control thread's tables. It is small beside the buffers, and a router that cannot grow a table by a
 * few kilobytes
 * cannot do anything else either: running out ends the program with a message instead of half a change.
 */
#ifndef WEIR_RIB_MEMORY_H
#define WEIR_RIB_MEMORY_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

static inline void *
rib_memory_check(void *memory, size_t bytes)
{
	if (memory == NULL) {
		fprintf(stderr, "weir: out of memory for routing tables (%zu bytes)\n", bytes);
		abort();
	}
	return memory;
}

static inline void *
rib_zalloc(size_t bytes)
{
	return rib_memory_check(calloc(1, bytes), bytes);
}

static inline void *
rib_realloc(void *memory, size_t bytes)
{
	return rib_memory_check(realloc(memory, bytes), bytes);
}

#endif
