/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A heap: the entry with the least key first. Each entry has four children that share a cache line, so that a step down
 * costs one miss, and there are half as many as in a binary heap (LaMarca and Ladner, "The Influence of Caches on the
 * Performance of Heaps", 1996).
 *
 * Keys are compared as times that may wrap around: any two in a heap must be less than 2^63 apart. Which of two with
 * the same key comes first is not said, unless the owner has an order of his own (the functions named ..._by), which
 * is compiled into them. Memory is its owner's.
 *
 *   slot:   3  |  4  5  6  7  |  8 .. 11 (of 4)  |  12 .. 15 (of 5)  | ...
 *          root     a line          a line
 */
#ifndef WEIR_SCHED_MIN_HEAP_H
#define WEIR_SCHED_MIN_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_branch_prediction.h>

#define HEAP_ROOT 3u
#define HEAP_SOON 24u /* slots of the first three levels */

struct heap_entry {
	uint64_t key;
	void *item;
};

struct min_heap {
	struct heap_entry *slots; /* aligned to a cache line; the first three are not used */
	uint32_t end; /* the first free slot; HEAP_ROOT: empty, as is 0 before there is memory */
	uint32_t size; /* of slots */
};

static inline bool
key_before(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) < 0;
}

static inline bool
heap_key_before(const struct heap_entry *a, const struct heap_entry *b)
{
	return key_before(a->key, b->key);
}

typedef bool heap_order(const struct heap_entry *a, const struct heap_entry *b);

static inline bool
heap_empty(const struct min_heap *heap)
{
	return heap->end <= HEAP_ROOT;
}

static inline struct heap_entry *
heap_first(const struct min_heap *heap)
{
	return &heap->slots[HEAP_ROOT];
}

/* Slots for that many entries. */
static inline uint32_t
heap_slots_for(uint32_t entries)
{
	return entries + HEAP_ROOT;
}

static inline void
heap_sift_up_by(struct min_heap *heap, uint32_t at, struct heap_entry entry, heap_order *before)
{
	while (at > HEAP_ROOT) {
		uint32_t parent = at / 4 + 2;

		if (!before(&entry, &heap->slots[parent]))
			break;
		heap->slots[at] = heap->slots[parent];
		at = parent;
	}
	heap->slots[at] = entry;
}

static inline uint32_t
heap_least_child(const struct min_heap *heap, uint32_t first, heap_order *before)
{
	const struct heap_entry *slots = heap->slots;

	if (likely(first + 4 <= heap->end)) {
		uint32_t left = first + before(&slots[first + 1], &slots[first]);
		uint32_t right = first + 2 + before(&slots[first + 3], &slots[first + 2]);

		return before(&slots[right], &slots[left]) ? right : left;
	}
	uint32_t least = first;

	for (uint32_t i = first + 1; i < heap->end; i++) {
		if (before(&slots[i], &slots[least]))
			least = i;
	}
	return least;
}

/* Returns whose entry has come up to the first few (HEAP_SOON), NULL if none's: it will be first before long. */
static inline void *
heap_sift_down_by(struct min_heap *heap, uint32_t at, struct heap_entry entry, heap_order *before)
{
	void *soon = NULL;
	uint32_t first;

	while ((first = 4 * at - 8) < heap->end) {
		uint32_t least = heap_least_child(heap, first, before);

		if (!before(&heap->slots[least], &entry))
			break;
		heap->slots[at] = heap->slots[least];
		soon = at < HEAP_SOON ? heap->slots[at].item : soon;
		at = least;
	}
	heap->slots[at] = entry;
	return soon;
}

static inline void *
heap_sift_down(struct min_heap *heap, uint32_t at, struct heap_entry entry)
{
	return heap_sift_down_by(heap, at, entry, heap_key_before);
}

/* There must be room. */
static inline void
heap_push_by(struct min_heap *heap, uint64_t key, void *item, heap_order *before)
{
	heap_sift_up_by(heap, heap->end++, (struct heap_entry){ .key = key, .item = item }, before);
}

static inline void
heap_push(struct min_heap *heap, uint64_t key, void *item)
{
	heap_push_by(heap, key, item, heap_key_before);
}

/* The first entry's key is another one now. Returns what heap_sift_down does. */
static inline void *
heap_change_first(struct min_heap *heap, uint64_t key)
{
	return heap_sift_down(heap, HEAP_ROOT, (struct heap_entry){ .key = key, .item = heap_first(heap)->item });
}

static inline void
heap_pop_by(struct min_heap *heap, heap_order *before)
{
	struct heap_entry last = heap->slots[--heap->end];

	if (!heap_empty(heap))
		heap_sift_down_by(heap, HEAP_ROOT, last, before);
}

static inline void
heap_pop(struct min_heap *heap)
{
	heap_pop_by(heap, heap_key_before);
}

/* Looks at all: for what happens seldom. False: it is not there. */
static inline bool
heap_remove(struct min_heap *heap, const void *item)
{
	for (uint32_t i = HEAP_ROOT; i < heap->end; i++) {
		struct heap_entry last;

		if (heap->slots[i].item != item)
			continue;
		last = heap->slots[--heap->end];
		if (i == heap->end)
			return true;
		if (i > HEAP_ROOT && key_before(last.key, heap->slots[i / 4 + 2].key))
			heap_sift_up_by(heap, i, last, heap_key_before);
		else
			heap_sift_down(heap, i, last);
		return true;
	}
	return false;
}

#endif
