/* SPDX-License-Identifier: BSD-3-Clause */
/* The wheel itself: see wheel.h. */
#include "wheel.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_prefetch.h>

#define SCAN_MAX                                                                                                       \
	16 /* entries of a slot above level 0 that wheel_next looks at before it gives the slot's start instead */

_Static_assert(WHEEL_NEAR == 1 << 10, "as many slots as levels[0] says");
_Static_assert(sizeof(struct wheel_chunk) == 256, "a chunk is four cache lines");

/* A slot is 2^shift ns wide, a level has 2^bits of them; what it reaches is one slot of the next. */
static const struct {
	uint8_t shift, bits;
	uint16_t first; /* of its slots in wheel.slots */
} levels[WHEEL_LEVELS] = {
	{ WHEEL_SHIFT, 10, 0 },
	{ WHEEL_SHIFT_1, 6, WHEEL_NEAR },
	{ 26, 6, 1088 },
	{ 32, 6, 1152 },
	{ 38, 6, 1216 },
	{ 44, 6, 1280 },
	{ 50, 6, 1344 },
	{ 56, 6, 1408 },
	{ 62, 6, 1472 },
};

void
wheel_init(struct wheel *wheel, uint64_t now)
{
	memset(wheel, 0, sizeof(*wheel));
	wheel->clock = now;
}

/* ---- chunks */

uint32_t
wheel_chunks_for(uint32_t entries)
{
	uint32_t full = entries / WHEEL_CHUNK_ENTRIES, partial = entries < WHEEL_SLOTS ? entries : WHEEL_SLOTS;

	/*
	 * Full chunks, and one with room left in each slot that has any. As many as are full may have been left nearly
	 * empty in the slot that is being taken out. Two more are in use while a slot moves down: its first one, and
	 * the one that is being looked at.
	 */
	return 2 * full + partial + 2;
}

void
wheel_give(struct wheel *wheel, struct wheel_chunk *chunk)
{
	chunk->next = wheel->free;
	wheel->free = chunk;
}

struct wheel_chunk *
wheel_take(struct wheel *wheel)
{
	struct wheel_chunk *chunk = wheel->free;

	for (unsigned int slot = 0; chunk == NULL && slot < WHEEL_SLOTS; slot++) {
		chunk = wheel->slots[slot];
		if (chunk != NULL)
			wheel->slots[slot] = chunk->next;
	}
	if (chunk != NULL && chunk == wheel->free)
		wheel->free = chunk->next;
	return chunk;
}

/* ---- slots */

static inline void
prefetch_chunk(const struct wheel_chunk *chunk)
{
	for (size_t line = 0; line < sizeof(*chunk); line += RTE_CACHE_LINE_SIZE)
		rte_prefetch0((const uint8_t *)chunk + line);
}

static inline void
mark_busy(struct wheel *wheel, unsigned int level, unsigned int slot)
{
	wheel->busy[slot / 64] |= UINT64_C(1) << (slot % 64);
	wheel->busy_levels |= 1u << level;
}

static void
mark_empty(struct wheel *wheel, unsigned int level, unsigned int slot)
{
	unsigned int word = levels[level].first / 64, words = 1u << (levels[level].bits - 6);

	wheel->busy[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
	for (unsigned int i = 0; i < words; i++) {
		if (wheel->busy[word + i] != 0)
			return;
	}
	wheel->busy_levels &= ~(1u << level);
}

static inline bool
reaches(const struct wheel *wheel, unsigned int level, uint64_t time)
{
	return ((time >> levels[level].shift) - (wheel->clock >> levels[level].shift)) >> levels[level].bits == 0;
}

static inline void
put(struct wheel *wheel, unsigned int level, uint64_t time, uint64_t time_ns, uintptr_t who)
{
	unsigned int slot = levels[level].first + ((time >> levels[level].shift) & ((1u << levels[level].bits) - 1));
	struct wheel_chunk *chunk = wheel->slots[slot];

	if (chunk == NULL || chunk->count == WHEEL_CHUNK_ENTRIES) {
		struct wheel_chunk *fresh = wheel->free;

		wheel->free = fresh->next;
		rte_prefetch0(wheel->free);
		fresh->next = chunk;
		fresh->count = 0;
		wheel->slots[slot] = chunk = fresh;
		mark_busy(wheel, level, slot);
	}
	chunk->entries[chunk->count++] = (struct wheel_entry){ .time_ns = time_ns, .who = who };
}

/*
 * The lowest level that reaches it. Above level 0 its slot starts after the clock, as the level below would have
 * reached it else.
 */
void
wheel_add_anywhere(struct wheel *wheel, uint64_t time_ns, uintptr_t who)
{
	uint64_t time = time_ns > wheel->clock ? time_ns : wheel->clock;
	unsigned int level = 0;

	while (!reaches(wheel, level, time))
		level++;
	put(wheel, level, time, time_ns, who);
}

/* The first busy slot of a busy level, round from the clock's on. */
static unsigned int
first_busy(const struct wheel *wheel, unsigned int level, uint64_t *start)
{
	unsigned int mask = (1u << levels[level].bits) - 1, word_mask = mask / 64;
	const uint64_t *busy = &wheel->busy[levels[level].first / 64];
	uint64_t current = wheel->clock >> levels[level].shift;
	unsigned int from = current & mask, word = from / 64;
	uint64_t bits = busy[word] & (UINT64_MAX << (from % 64));

	/* When it comes to its first word again, only slots before `from` are left there. */
	while (bits == 0) {
		word = (word + 1) & word_mask;
		bits = busy[word];
	}
	unsigned int slot = word * 64 + (unsigned int)__builtin_ctzll(bits);

	*start = (current + ((slot - from) & mask)) << levels[level].shift;
	return levels[level].first + slot;
}

/*
 * The busy slot that starts first, of the highest level if there are several; false: none starts until *start, which is
 * set to its start else.
 */
static bool
first_slot(const struct wheel *wheel, unsigned int *level, unsigned int *slot, uint64_t *start)
{
	bool found = false;

	for (uint32_t left = wheel->busy_levels; left != 0; left &= left - 1) {
		unsigned int candidate = (unsigned int)__builtin_ctz(left);
		uint64_t its_start;
		unsigned int its_slot = first_busy(wheel, candidate, &its_start);

		if (its_start <= *start) {
			found = true;
			*level = candidate;
			*slot = its_slot;
			*start = its_start;
		}
	}
	return found;
}

/* Takes what is due out of a chunk: what is not moves up. The end of its slot tells when all are due. */
static inline unsigned int
take_from(struct wheel_chunk *chunk, uint64_t slot_end, uint64_t now, uintptr_t *due, unsigned int max)
{
	uint32_t entries = chunk->count, kept = 0;
	unsigned int count = 0;

	if (slot_end <= now && likely(entries <= max)) {
		for (; count < entries; count++)
			due[count] = chunk->entries[count].who;
	} else if (likely(entries <= max)) {
		/* Whether one is due cannot be guessed: each is written to both places, and one of them counts. */
		for (uint32_t i = 0; i < entries; i++) {
			struct wheel_entry entry = chunk->entries[i];
			bool is_due = entry.time_ns <= now;

			due[count] = entry.who;
			chunk->entries[kept] = entry;
			count += is_due;
			kept += !is_due;
		}
	} else {
		for (uint32_t i = 0; i < entries; i++) {
			if (chunk->entries[i].time_ns <= now && count < max)
				due[count++] = chunk->entries[i].who;
			else
				chunk->entries[kept++] = chunk->entries[i];
		}
	}
	chunk->count = kept;
	return count;
}

/* Takes what is due out of a slot of level 0; empty chunks go back. */
static unsigned int
take_due(struct wheel *wheel, unsigned int slot, uint64_t start, uint64_t now, uintptr_t *due, unsigned int max)
{
	const uint64_t end = start + ((UINT64_C(1) << WHEEL_SHIFT) - 1);
	struct wheel_chunk **link = &wheel->slots[slot];
	unsigned int count = 0;

	for (struct wheel_chunk *chunk = *link; chunk != NULL && count < max; chunk = *link) {
		if (chunk->next != NULL)
			rte_prefetch0(chunk->next);
		count += take_from(chunk, end, now, due + count, max - count);
		uint32_t kept = chunk->count;

		if (kept != 0) {
			link = &chunk->next;
		} else {
			*link = chunk->next;
			wheel_give(wheel, chunk);
		}
	}
	if (wheel->slots[slot] == NULL)
		mark_empty(wheel, 0, slot);
	return count;
}

/* The chunk behind it, being fetched; NULL: there is none. */
static inline struct wheel_chunk *
fetch_next(const struct wheel_chunk *chunk)
{
	struct wheel_chunk *next = chunk == NULL ? NULL : chunk->next;

	if (next != NULL)
		prefetch_chunk(next);
	return next;
}

/*
 * The clock has come to a slot above level 0: what is there goes where it is reached now. Chunks are fetched two ahead:
 * emptying one takes less time than to fetch the next.
 */
static void
move_down(struct wheel *wheel, unsigned int level, unsigned int slot)
{
	struct wheel_chunk *chunks = wheel->slots[slot], *ahead = fetch_next(chunks);

	wheel->slots[slot] = NULL;
	mark_empty(wheel, level, slot);
	while (chunks != NULL) {
		struct wheel_chunk *chunk = chunks;

		chunks = chunk->next;
		ahead = fetch_next(ahead);
		for (uint32_t i = 0; i < chunk->count; i++)
			wheel_add(wheel, chunk->entries[i].time_ns, chunk->entries[i].who);
		wheel_give(wheel, chunk);
	}
}

unsigned int
wheel_pop(struct wheel *wheel, uint64_t now, uintptr_t *due, unsigned int max)
{
	unsigned int count = 0, level = 0, slot = 0;

	for (uint64_t start = now; first_slot(wheel, &level, &slot, &start); start = now) {
		if (start > wheel->clock)
			wheel->clock = start;
		if (level != 0) {
			move_down(wheel, level, slot);
			continue;
		}
		count += take_due(wheel, slot, start, now, due + count, max - count);
		if (count == max)
			return count;
		/* What is left in a slot of level 0 is not due, and no other slot starts until now. */
		if (wheel->slots[slot] != NULL)
			break;
	}
	if (now > wheel->clock)
		wheel->clock = now;
	return count;
}

struct wheel_chunk *
wheel_take_slot(struct wheel *wheel, uint64_t *end)
{
	unsigned int level = 0, slot = 0;
	struct wheel_chunk *chunks;
	uint64_t start;

	for (;;) {
		start = UINT64_MAX;
		first_slot(wheel, &level, &slot, &start);
		if (level == 0)
			break;
		wheel->clock = start > wheel->clock ? start : wheel->clock;
		move_down(wheel, level, slot);
	}
	chunks = wheel->slots[slot];
	wheel->slots[slot] = NULL;
	mark_empty(wheel, 0, slot);
	*end = wheel->clock = start + (UINT64_C(1) << WHEEL_SHIFT);
	return chunks;
}

/* ---- looking */

unsigned int
wheel_look(const struct wheel *wheel, uint64_t from, uint64_t until, uintptr_t *who, unsigned int max)
{
	unsigned int mask = (1u << levels[0].bits) - 1, count = 0;

	for (uint64_t slot = from >> levels[0].shift; slot <= until >> levels[0].shift; slot++) {
		for (const struct wheel_chunk *chunk = wheel->slots[slot & mask]; chunk != NULL; chunk = chunk->next) {
			for (unsigned int i = 0; i < chunk->count; i++) {
				if (count == max)
					return count;
				who[count++] = chunk->entries[i].who;
			}
		}
	}
	return count;
}

void
wheel_prefetch(const struct wheel *wheel, uint64_t time_ns)
{
	const struct wheel_chunk *first = wheel->slots[(time_ns >> WHEEL_SHIFT) % WHEEL_NEAR],
				 *next = wheel->slots[((time_ns >> WHEEL_SHIFT) + 1) % WHEEL_NEAR];

	/* The first one of a slot may be nearly empty, the next one is full. */
	if (first != NULL && first->next != NULL)
		prefetch_chunk(first->next);
	if (next != NULL)
		prefetch_chunk(next);
}

/* The least time in a slot; above level 0, where that is for later, its start if there are too many. */
static uint64_t
least_time(const struct wheel *wheel, unsigned int level, unsigned int slot, uint64_t start)
{
	uint64_t first = UINT64_MAX;
	unsigned int seen = 0;

	for (const struct wheel_chunk *chunk = wheel->slots[slot]; chunk != NULL; chunk = chunk->next) {
		for (unsigned int i = 0; i < chunk->count; i++) {
			if (level != 0 && seen++ == SCAN_MAX)
				return start;
			if (chunk->entries[i].time_ns < first)
				first = chunk->entries[i].time_ns;
		}
	}
	return first;
}

uint64_t
wheel_next(const struct wheel *wheel)
{
	uint64_t first = UINT64_MAX;

	for (uint32_t left = wheel->busy_levels; left != 0; left &= left - 1) {
		unsigned int level = (unsigned int)__builtin_ctz(left);
		uint64_t start;
		unsigned int slot = first_busy(wheel, level, &start);

		if (start < first) {
			uint64_t least = least_time(wheel, level, slot, start);

			first = least < first ? least : first;
		}
	}
	return first;
}

/* ---- removal */

static bool
remove_from(struct wheel *wheel, unsigned int level, unsigned int slot, uintptr_t who)
{
	struct wheel_chunk *first = wheel->slots[slot];

	for (struct wheel_chunk *chunk = first; chunk != NULL; chunk = chunk->next) {
		for (unsigned int i = 0; i < chunk->count; i++) {
			if (chunk->entries[i].who != who)
				continue;
			/* The first chunk's last entry takes its place: all others stay full. */
			chunk->entries[i] = first->entries[--first->count];
			if (first->count == 0) {
				wheel->slots[slot] = first->next;
				wheel_give(wheel, first);
			}
			if (wheel->slots[slot] == NULL)
				mark_empty(wheel, level, slot);
			return true;
		}
	}
	return false;
}

void
wheel_remove(struct wheel *wheel, uintptr_t who)
{
	for (unsigned int level = 0; level < WHEEL_LEVELS; level++) {
		for (unsigned int slot = 0; slot < 1u << levels[level].bits; slot++) {
			if (remove_from(wheel, level, levels[level].first + slot, who))
				return;
		}
	}
}
