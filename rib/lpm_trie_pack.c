/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Entries taken apart and put together, and whole tries: a table that has outgrown its root, or whose arena is full
 * of holes, is written anew.
 */
#include "lpm_internal.h"

#include <string.h>

#include <rte_common.h>

#define LINE_UNITS (RTE_CACHE_LINE_SIZE / LPM_UNIT)

void
lpm_entry_read(const uint64_t *arena, lpm_entry entry, lpm_entry slots[LPM_SLOTS])
{
	uint32_t runs = lpm_entry_runs(entry), base = lpm_entry_base(entry);
	const uint32_t *values = lpm_words(arena, base);
	const lpm_entry *entries = (const lpm_entry *)values;
	lpm_entry slot = entry;

	for (uint32_t i = 0; i < LPM_SLOTS; i++) {
		if (runs >> i & 1)
			slot = base & LPM_ENTRIES ? *entries++ : lpm_entry_make(0, *values++);
		slots[i] = slot;
	}
}

lpm_entry
lpm_entry_write(struct lpm *lpm, const lpm_entry slots[LPM_SLOTS])
{
	lpm_entry list[LPM_SLOTS];
	uint32_t runs = 1, count = 1, offset, units, deeper = lpm_entry_runs(slots[0]);
	uint32_t *values;

	list[0] = slots[0];
	for (uint32_t i = 1; i < LPM_SLOTS; i++) {
		if (slots[i] == slots[i - 1])
			continue;
		runs |= 1u << i;
		list[count++] = slots[i];
		deeper |= lpm_entry_runs(slots[i]);
	}
	if (count == 1)
		return slots[0];
	units = deeper != 0 ? count : (count + 1) / 2;
	offset = lpm_alloc(lpm, units);
	if (deeper != 0) {
		memcpy(lpm->view->arena + offset, list, count * sizeof(list[0]));
		return lpm_entry_make(runs, (uint32_t)(offset * LPM_UNIT_WORDS) | LPM_ENTRIES);
	}
	values = (uint32_t *)(lpm->view->arena + offset);
	for (uint32_t i = 0; i < count; i++)
		values[i] = lpm_entry_base(list[i]);
	return lpm_entry_make(runs, (uint32_t)(offset * LPM_UNIT_WORDS));
}

/* How many units the entry has below it, counted until they are more than a cache line. */
static uint32_t
units_below(const uint64_t *arena, lpm_entry entry)
{
	uint32_t own = lpm_entry_units(entry), units = own;
	const uint64_t *block = arena + lpm_entry_offset(entry);

	if (lpm_entry_base(entry) & LPM_ENTRIES)
		for (uint32_t i = 0; i < own && units <= LINE_UNITS; i++)
			units += units_below(arena, block[i]);
	return units;
}

/* The entry with all that lies below it, which is laid into one cache line where it is small enough. */
static lpm_entry
copy_entry(struct lpm *to, const uint64_t *from, lpm_entry entry, bool near)
{
	uint32_t units = lpm_entry_units(entry), base = lpm_entry_base(entry), below, offset;
	const uint64_t *block = from + lpm_entry_offset(entry);

	if (units == 0)
		return entry;
	if (!(base & LPM_ENTRIES)) {
		offset = lpm_alloc(to, units);
		memcpy(to->view->arena + offset, block, (size_t)units * LPM_UNIT);
		return lpm_entry_make(lpm_entry_runs(entry), (uint32_t)(offset * LPM_UNIT_WORDS));
	}
	below = near ? 0 : units_below(from, entry);
	if (!near && below <= LINE_UNITS) {
		lpm_alloc_near(to, below);
		near = true;
	}
	offset = lpm_alloc(to, units);
	for (uint32_t i = 0; i < units; i++) {
		lpm_entry copy = copy_entry(to, from, block[i], near);

		to->view->arena[offset + i] = copy; /* only now: the arena may have moved */
	}
	return lpm_entry_make(lpm_entry_runs(entry), (uint32_t)(offset * LPM_UNIT_WORDS) | LPM_ENTRIES);
}

/* The entry at place i of a root of `bits` bits, of a trie whose root has more or fewer, copied. */
static lpm_entry
pack_entry(struct lpm *to, const struct lpm_view *from, uint32_t bits, uint32_t i)
{
	lpm_entry slots[LPM_SLOTS], entry;

	if (bits >= from->root_bits) {
		uint32_t below = bits - from->root_bits;

		for (entry = from->root[i >> below]; below > 0; below -= LPM_SLOT_BITS) {
			lpm_entry_read(from->arena, entry, slots);
			entry = slots[i >> (below - LPM_SLOT_BITS) & (LPM_SLOTS - 1)];
		}
		return copy_entry(to, from->arena, entry, false);
	}
	for (uint32_t s = 0; s < LPM_SLOTS; s++)
		slots[s] = pack_entry(to, from, bits + LPM_SLOT_BITS, i << LPM_SLOT_BITS | s);
	return lpm_entry_write(to, slots);
}

void
lpm_trie_pack(struct lpm *lpm, uint32_t root_bits)
{
	uint32_t live = lpm->used_units - lpm->free_units;
	/* A trie of its own while it is filled: unpublished, it may grow at will. */
	struct lpm to = { 0 };

	lpm_view_new(&to, root_bits, LPM_UNIT, live + live / 8);
	for (uint32_t i = 0; i < 1u << root_bits; i++) {
		lpm_entry entry = pack_entry(&to, lpm->view, root_bits, i);

		to.view->root[i] = entry;
	}
	lpm_replace(lpm, &to);
}
