/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The writer of IPv4's trie. Every value carries the length of the prefix that owns it, so an update needs nothing but
 * the slots that it passes: a new prefix takes those of its range that no longer prefix owns; a deleted one gives its
 * own to its cover.
 *
 * What lies below an entry of the root is written anew as far as it changes, then the entry is stored: one step for
 * readers.
 */
#include "lpm_internal.h"

/* depth: before the entry's slots. True if the entry is another now. */
static bool
change_entry(const struct lpm_change *c, lpm_entry *entry, uint32_t depth)
{
	lpm_entry slots[LPM_SLOTS], old = *entry;
	bool linked = depth > c->lpm->view->root_bits, changed = false;
	uint32_t first, last;

	if (lpm_entry_runs(old) == 0) {
		if (!lpm_change_applies(c, lpm_entry_base(old)))
			return false;
		if (c->length <= depth) {
			*entry = lpm_entry_make(0, c->value);
			return true;
		}
	}
	lpm_entry_read(c->lpm->view->arena, old, slots);
	last = lpm_change_range(c, depth, LPM_SLOT_BITS, &first) + first;
	for (uint32_t i = first; i <= last; i++)
		changed |= change_entry(c, &slots[i], depth + LPM_SLOT_BITS);
	if (!changed)
		return false;
	*entry = lpm_entry_write(c->lpm, slots, linked);
	lpm_entry_release(c->lpm, old, linked);
	return true;
}

void
lpm_trie_change(const struct lpm_change *c)
{
	uint32_t bits = c->lpm->view->root_bits, first;
	uint32_t last = lpm_change_range(c, 0, bits, &first) + first;

	for (uint32_t i = first; i <= last; i++) {
		lpm_entry entry = c->lpm->view->root[i];

		if (change_entry(c, &entry, bits)) /* which may have moved the root */
			__atomic_store_n(&c->lpm->view->root[i], entry, __ATOMIC_RELEASE);
	}
}
