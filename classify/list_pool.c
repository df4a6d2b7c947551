/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool itself: see list_pool.h. */
#include "list_pool.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>

#define LINE       64
#define BLOCK_MIN  512 /* bytes; smaller ones are rounded up to it */
#define BLOCK_MAX  (256 * 1024) /* larger ones are allocated by themselves */
#define SIZES      10 /* from BLOCK_MIN to BLOCK_MAX */
#define RUN_FIRST  (64 * 1024)
#define PAGE_LARGE (2 * 1024 * 1024)

static struct {
	void *free[SIZES]; /* each block's first word is the next one */
	uint8_t *next, *end; /* what is left of the newest run */
	size_t run; /* its bytes */
} pool;

static void *
new_pages(size_t bytes)
{
	void *pages = aligned_alloc(bytes < PAGE_LARGE ? LINE : PAGE_LARGE, bytes);

	/* Advice: where it is not taken, pages of 4 kB do. */
	if (pages != NULL && bytes >= PAGE_LARGE)
		madvise(pages, bytes, MADV_HUGEPAGE);
	return pages;
}

/*
 * From one block to the next of its size: a line more than the power of two, lest the first lines of all blocks,
 * which are the busy ones, fall into the same few sets of the caches.
 */
static size_t
stride_of(unsigned int size)
{
	return ((size_t)BLOCK_MIN << size) + LINE;
}

static unsigned int
size_of(size_t bytes)
{
	unsigned int size = 0;

	while ((size_t)BLOCK_MIN << size < bytes)
		size++;
	return size;
}

/* What is left of the newest run goes to the smallest free blocks. */
static void
keep_rest(void)
{
	for (; (size_t)(pool.end - pool.next) >= stride_of(0); pool.next += stride_of(0)) {
		memcpy(pool.next, &pool.free[0], sizeof(void *));
		pool.free[0] = pool.next;
	}
}

static void *
take(size_t bytes)
{
	void *block;

	if ((size_t)(pool.end - pool.next) < bytes) {
		size_t run = pool.run == 0 ? RUN_FIRST : pool.run == RUN_FIRST ? 4 * RUN_FIRST : PAGE_LARGE;

		if (run < bytes)
			run = PAGE_LARGE;
		block = new_pages(run);
		if (block == NULL)
			return NULL;
		keep_rest();
		pool.next = block;
		pool.end = pool.next + run;
		pool.run = run;
	}
	block = pool.next;
	pool.next += bytes;
	return block;
}

void *
list_pool_alloc(size_t bytes)
{
	unsigned int size = size_of(bytes);
	void *block;

	if (bytes > BLOCK_MAX) {
		block = aligned_alloc(LINE, (bytes + LINE - 1) / LINE * LINE);
	} else if (pool.free[size] != NULL) {
		block = pool.free[size];
		memcpy(&pool.free[size], block, sizeof(void *));
	} else {
		block = take(stride_of(size));
	}
	return block != NULL ? memset(block, 0, bytes) : NULL;
}

void
list_pool_free(void *block, size_t bytes)
{
	unsigned int size = size_of(bytes);

	if (block == NULL)
		return;
	if (bytes > BLOCK_MAX) {
		free(block);
		return;
	}
	memcpy(block, &pool.free[size], sizeof(void *));
	pool.free[size] = block;
}
