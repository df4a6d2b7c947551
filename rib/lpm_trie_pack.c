/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Entries taken apart and put together, and whole tries: a table that has outgrown its root, or whose arena is full
 * of holes, is written anew.
 */
#include "lpm_internal.h"

#include <string.h>

static lpm_entry
entry_of(const uint64_t *arena, uint32_t word)
{
	return word & LPM_LINK ? arena[word & ~LPM_LINK] : lpm_entry_make(0, word);
}

void
lpm_entry_read(const uint64_t *arena, lpm_entry entry, lpm_entry slots[LPM_SLOTS])
{
	uint32_t runs = lpm_entry_runs(entry), is_short = lpm_entry_base(entry) & LPM_SHORT;
	const uint32_t *words = (const uint32_t *)(arena + lpm_entry_offset(entry));
	const uint16_t *shorts = (const uint16_t *)words;
	lpm_entry slot = entry;

	runs |= runs != 0; /* the first run begins at slot 0 */
	for (uint32_t i = 0; i < LPM_SLOTS; i++) {
		if (runs >> i & 1)
			slot = is_short ? lpm_entry_make(0, lpm_short_value(*shorts++)) : entry_of(arena, *words++);
		slots[i] = slot;
	}
}

/* An entry with room for its block. */
static lpm_entry
entry_new(struct lpm *lpm, uint32_t runs, uint32_t is_short, bool linked)
{
	uint32_t units = lpm_entry_units(lpm_entry_make(runs, is_short)), offset = lpm_alloc(lpm, linked + units);
	lpm_entry entry = lpm_entry_make(runs, (uint32_t)((offset + linked) * LPM_UNIT_PLACES) | is_short);

	if (linked)
		lpm->view->arena[offset] = entry;
	return entry;
}

void
lpm_entry_release(struct lpm *lpm, lpm_entry entry, bool linked)
{
	if (lpm_entry_runs(entry) != 0)
		lpm_release(lpm, lpm_entry_offset(entry) - linked, lpm_entry_units(entry) + linked);
}

static void *
block_of(const struct lpm *lpm, lpm_entry entry)
{
	return lpm->view->arena + lpm_entry_offset(entry);
}

/* Of an entry that is linked, or a value. */
static uint32_t
word_of(lpm_entry entry)
{
	return lpm_entry_runs(entry) != 0 ? LPM_LINK | (lpm_entry_offset(entry) - 1) : lpm_entry_base(entry);
}

lpm_entry
lpm_entry_write(struct lpm *lpm, const lpm_entry slots[LPM_SLOTS], bool linked)
{
	uint32_t words[LPM_SLOTS] = { word_of(slots[0]) }, runs = 0, count = 1;
	bool is_short = lpm_value_fits_short(words[0]);
	lpm_entry entry;

	for (uint32_t i = 1; i < LPM_SLOTS; i++) {
		if (slots[i] == slots[i - 1])
			continue;
		runs |= 1u << i;
		words[count] = word_of(slots[i]);
		is_short &= lpm_value_fits_short(words[count++]);
	}
	if (count == 1)
		return slots[0];
	entry = entry_new(lpm, runs, is_short ? LPM_SHORT : 0, linked);
	if (is_short)
		for (uint32_t i = 0; i < count; i++)
			((uint16_t *)block_of(lpm, entry))[i] = lpm_short_make(words[i]);
	else
		memcpy(block_of(lpm, entry), words, count * sizeof(words[0]));
	return entry;
}

/* The entry with all that lies below it. */
static lpm_entry
copy_entry(struct lpm *to, const uint64_t *from, lpm_entry entry, bool linked)
{
	uint32_t is_short = lpm_entry_base(entry) & LPM_SHORT;
	const uint32_t *words = (const uint32_t *)(from + lpm_entry_offset(entry));
	lpm_entry copy;

	if (lpm_entry_runs(entry) == 0)
		return entry;
	copy = entry_new(to, lpm_entry_runs(entry), is_short, linked);
	memcpy(block_of(to, copy), words, (size_t)lpm_entry_units(entry) * LPM_UNIT);
	for (uint32_t i = 0; !is_short && i < lpm_entry_count(entry); i++) {
		if (words[i] & LPM_LINK) {
			uint32_t word = word_of(copy_entry(to, from, entry_of(from, words[i]), true));

			((uint32_t *)block_of(to, copy))[i] = word; /* only now: the arena may have moved */
		}
	}
	return copy;
}

/* The entry at place i of a root of `bits` bits, of a trie whose root has more or fewer, copied. */
static lpm_entry
pack_entry(struct lpm *to, const struct lpm_view *from, uint32_t bits, uint32_t i, bool linked)
{
	lpm_entry slots[LPM_SLOTS], entry;

	if (bits >= from->root_bits) {
		uint32_t below = bits - from->root_bits;

		for (entry = from->root[i >> below]; below > 0; below -= LPM_SLOT_BITS) {
			lpm_entry_read(from->arena, entry, slots);
			entry = slots[i >> (below - LPM_SLOT_BITS) & (LPM_SLOTS - 1)];
		}
		return copy_entry(to, from->arena, entry, linked);
	}
	for (uint32_t s = 0; s < LPM_SLOTS; s++)
		slots[s] = pack_entry(to, from, bits + LPM_SLOT_BITS, i << LPM_SLOT_BITS | s, true);
	return lpm_entry_write(to, slots, linked);
}

void
lpm_trie_pack(struct lpm *lpm, uint32_t root_bits)
{
	uint32_t live = lpm->used_units - lpm->free_units;
	/* A trie of its own while it is filled: unpublished, it may grow at will. */
	struct lpm to = { 0 };

	lpm_view_new(&to, root_bits, LPM_UNIT, live + live / 8);
	for (uint32_t i = 0; i < 1u << root_bits; i++) {
		lpm_entry entry = pack_entry(&to, lpm->view, root_bits, i, false);

		to.view->root[i] = entry;
	}
	lpm_replace(lpm, &to);
}
