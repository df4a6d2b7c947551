/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory for what is compiled for workers: blocks of sizes that are powers of two, out of runs that grow, the large
 * ones of which ask for pages of 2 MB, so that thousands of filters cost a packet no walk of page tables. What is
 * freed is used again for the same size, and runs are kept. Control thread.
 */
#ifndef WEIR_CLASSIFY_LIST_POOL_H
#define WEIR_CLASSIFY_LIST_POOL_H

#include <stddef.h>

/* Zeroed, at the start of a cache line; NULL when memory is out. */
void *list_pool_alloc(size_t bytes);
void list_pool_free(void *block, size_t bytes); /* as many as were asked for */

#endif
