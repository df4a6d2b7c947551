/* SPDX-License-Identifier: BSD-3-Clause */
#include "store.h"

#include <string.h>

#include "memory.h"

#define CHUNK_MAX   128
#define CHUNK_FIRST 8

/* The first key is kept here too: a search touches one chunk only. */
struct store_slot {
	struct lpm_key key;
	struct store_chunk *chunk;
	uint8_t length;
};

static size_t
chunk_bytes(uint32_t room)
{
	return sizeof(struct store_chunk) + room * sizeof(struct entry);
}

void
store_free(struct store *store)
{
	for (uint32_t i = 0; i < store->count; i++)
		free(store->slots[i].chunk);
	free(store->slots);
	*store = (struct store){ 0 };
}

static inline bool
before(struct lpm_key a, uint8_t a_length, struct lpm_key b, uint8_t b_length)
{
	int order = key_compare(a, b);

	return order < 0 || (order == 0 && a_length < b_length);
}

static struct store_at
normal(const struct store *store, struct store_at at)
{
	if (at.slot < store->count && at.index >= store->slots[at.slot].chunk->count)
		return (struct store_at){ at.slot + 1, 0 };
	return at;
}

struct store_at
store_lower(const struct store *store, struct lpm_key key, uint8_t length)
{
	uint32_t low = 0, high = store->count;

	/* The first chunk that begins at or behind the key; the entry may be in the one before, at its end. */
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (before(store->slots[middle].key, store->slots[middle].length, key, length))
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return (struct store_at){ 0, 0 };

	const struct store_chunk *chunk = store->slots[low - 1].chunk;
	uint32_t first = 0, last = chunk->count;

	while (first < last) {
		uint32_t middle = first + (last - first) / 2;

		if (before(chunk->entries[middle].key, chunk->entries[middle].length, key, length))
			first = middle + 1;
		else
			last = middle;
	}
	return normal(store, (struct store_at){ low - 1, first });
}

struct entry *
store_get(const struct store *store, struct store_at at)
{
	return at.slot < store->count ? &store->slots[at.slot].chunk->entries[at.index] : NULL;
}

struct store_at
store_next(const struct store *store, struct store_at at)
{
	at.index++;
	return normal(store, at);
}

bool
store_prev(const struct store *store, struct store_at *at)
{
	if (at->index > 0) {
		at->index--;
		return true;
	}
	if (at->slot == 0)
		return false;
	at->slot--;
	at->index = store->slots[at->slot].chunk->count - 1;
	return true;
}

static void
name_slot(struct store *store, uint32_t slot)
{
	const struct entry *first = &store->slots[slot].chunk->entries[0];

	store->slots[slot].key = first->key;
	store->slots[slot].length = first->length;
}

static struct store_chunk *
insert_slot(struct store *store, uint32_t slot, uint32_t room)
{
	if (store->count == store->room) {
		store->room = store->room == 0 ? 1 : store->room + store->room / 4 + 1;
		store->slots = rib_realloc(store->slots, store->room * sizeof(*store->slots));
	}
	memmove(&store->slots[slot + 1], &store->slots[slot], (store->count - slot) * sizeof(*store->slots));
	store->count++;
	store->slots[slot].chunk = rib_zalloc(chunk_bytes(room));
	store->slots[slot].chunk->room = room;
	return store->slots[slot].chunk;
}

static void
remove_slot(struct store *store, uint32_t slot)
{
	free(store->slots[slot].chunk);
	store->count--;
	memmove(&store->slots[slot], &store->slots[slot + 1], (store->count - slot) * sizeof(*store->slots));
}

/* Makes room in the chunk at->slot for one more at at->index, which may move into a new chunk. */
static void
make_room(struct store *store, struct store_at *at)
{
	struct store_chunk *chunk = store->slots[at->slot].chunk, *upper;
	uint32_t half = CHUNK_MAX / 2;

	if (chunk->room < CHUNK_MAX) {
		chunk->room *= 4;
		store->slots[at->slot].chunk = rib_realloc(chunk, chunk_bytes(chunk->room));
		return;
	}
	if (at->index == CHUNK_MAX) { /* in ascending order, as tables are loaded: leave full chunks behind */
		insert_slot(store, at->slot + 1, CHUNK_MAX);
		*at = (struct store_at){ at->slot + 1, 0 };
		return;
	}
	upper = insert_slot(store, at->slot + 1, CHUNK_MAX);
	chunk = store->slots[at->slot].chunk;
	memcpy(upper->entries, &chunk->entries[half], half * sizeof(struct entry));
	upper->count = chunk->count = half;
	name_slot(store, at->slot + 1);
	if (at->index > half)
		*at = (struct store_at){ at->slot + 1, at->index - half };
}

void
store_insert(struct store *store, struct store_at at, const struct entry *entry)
{
	struct store_chunk *chunk;

	if (store->count == 0)
		insert_slot(store, 0, CHUNK_FIRST);
	if (at.index == 0 && at.slot > 0) /* at a border: behind the last of the chunk before */
		at = (struct store_at){ at.slot - 1, store->slots[at.slot - 1].chunk->count };
	if (store->slots[at.slot].chunk->count == store->slots[at.slot].chunk->room)
		make_room(store, &at);
	chunk = store->slots[at.slot].chunk;
	memmove(&chunk->entries[at.index + 1], &chunk->entries[at.index], (chunk->count - at.index) * sizeof(*entry));
	chunk->entries[at.index] = *entry;
	chunk->count++;
	store->entries++;
	name_slot(store, at.slot);
}

struct store_at
store_erase(struct store *store, struct store_at at)
{
	struct store_chunk *chunk = store->slots[at.slot].chunk;

	chunk->count--;
	store->entries--;
	memmove(&chunk->entries[at.index], &chunk->entries[at.index + 1],
		(chunk->count - at.index) * sizeof(struct entry));
	if (chunk->count == 0) {
		remove_slot(store, at.slot);
		return (struct store_at){ at.slot, 0 };
	}
	name_slot(store, at.slot);
	if (at.slot + 1 < store->count && chunk->count + store->slots[at.slot + 1].chunk->count <= chunk->room / 2) {
		const struct store_chunk *next = store->slots[at.slot + 1].chunk;

		memcpy(&chunk->entries[chunk->count], next->entries, next->count * sizeof(struct entry));
		chunk->count += next->count;
		remove_slot(store, at.slot + 1);
	}
	return normal(store, at);
}

size_t
store_bytes(const struct store *store)
{
	size_t bytes = store->room * sizeof(*store->slots);

	for (uint32_t i = 0; i < store->count; i++)
		bytes += chunk_bytes(store->slots[i].chunk->room);
	return bytes;
}
