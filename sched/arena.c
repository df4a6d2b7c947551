/* SPDX-License-Identifier: BSD-3-Clause */
/* The arena itself: see arena.h. */
#include "arena.h"

#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>

#define RUN_FIRST      16384 /* bytes */
#define RUN_LAST_SMALL (RUN_FIRST * 16)
#define PAGE_LARGE     ((size_t)2 << 20)
#define ALIGNMENT      128

/* At the start of each run; objects follow. */
struct arena_run {
	struct arena_run *next;
};

void *
arena_pages(size_t bytes)
{
	void *pages = aligned_alloc(bytes < PAGE_LARGE ? ALIGNMENT : PAGE_LARGE, bytes);

	/* Advice: where it is not taken, 4 kB pages do. */
	if (pages != NULL && bytes >= PAGE_LARGE)
		madvise(pages, bytes, MADV_HUGEPAGE);
	return pages;
}

size_t
arena_next_run(size_t run)
{
	return run == 0 ? RUN_FIRST : run < RUN_LAST_SMALL ? run * 4 : PAGE_LARGE;
}

static int
add_run(struct arena *arena, struct arena_size *size)
{
	size_t bytes = arena_next_run(size->run);
	struct arena_run *run = arena_pages(bytes);

	if (run == NULL)
		return -1;
	run->next = arena->runs;
	arena->runs = run;
	size->run = bytes;
	size->next = (uint8_t *)run + ALIGNMENT;
	size->end = (uint8_t *)run + bytes;
	return 0;
}

static size_t
steps_of(size_t bytes)
{
	return (bytes + ARENA_STEP - 1) / ARENA_STEP;
}

void *
arena_alloc(struct arena *arena, size_t bytes)
{
	size_t steps = steps_of(bytes), rounded = steps * ARENA_STEP;
	struct arena_size *size = &arena->sizes[steps < ARENA_SIZES ? steps : ARENA_SIZES];
	void *object;

	if (steps > ARENA_SIZES) {
		object = aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
	} else if (size->free != NULL) {
		object = size->free;
		memcpy(&size->free, object, sizeof(size->free));
	} else {
		if ((size_t)(size->end - size->next) < rounded && add_run(arena, size) != 0)
			return NULL;
		object = size->next;
		size->next += rounded;
	}
	return object == NULL ? NULL : memset(object, 0, bytes);
}

void
arena_free(struct arena *arena, void *object, size_t bytes)
{
	size_t steps = steps_of(bytes);

	if (object == NULL)
		return;
	if (steps > ARENA_SIZES) {
		free(object);
		return;
	}
	memcpy(object, &arena->sizes[steps].free, sizeof(void *));
	arena->sizes[steps].free = object;
}

void
arena_destroy(struct arena *arena)
{
	while (arena->runs != NULL) {
		struct arena_run *run = arena->runs;

		arena->runs = run->next;
		free(run);
	}
	memset(arena, 0, sizeof(*arena));
}
