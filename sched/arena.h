/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory for the many small objects of a tree: classes, qdiscs and what belongs to them.
 *
 * Objects of one size lie side by side in runs that grow with their number, so that thousands of them share large pages
 * and a small tree takes little. What is freed is used again for the same size; runs go back when the tree does. One
 * thread at a time.
 */
#ifndef WEIR_SCHED_ARENA_H
#define WEIR_SCHED_ARENA_H

#include <stddef.h>
#include <stdint.h>

/* Bytes; sizes are rounded up to it, and objects aligned to the largest power of two in their size, up to 128. */
#define ARENA_STEP  32
#define ARENA_SIZES 128 /* what is larger is allocated by itself */

struct arena_size {
	void *free; /* objects that were given back; each points to the next */
	uint8_t *next, *end; /* what is left of the last run */
	size_t run; /* bytes of the next one */
};

struct arena {
	struct arena_size sizes[ARENA_SIZES + 1];
	struct arena_run *runs;
};

/* Zeroed; NULL when memory is out. */
void *arena_alloc(struct arena *arena, size_t bytes);
/* bytes as it was asked for. NULL: nothing happens. */
void arena_free(struct arena *arena, void *object, size_t bytes);
void arena_destroy(struct arena *arena); /* with all runs; larger objects must have been freed */

/* Memory for the processor's large pages, if the size allows and the kernel gives them; to be freed by free(). */
void *arena_pages(size_t bytes);
/* The size to grow by next: 16, 64 and 256 kB, then 2 MB for ever. */
size_t arena_next_run(size_t run);

#endif
