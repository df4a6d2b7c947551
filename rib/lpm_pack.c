/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packing: a trie is written anew, in the order of the addresses, into an arena of its own. The nodes of the new one may be larger or smaller, so
 * the old one is read by halves: a cell is what lies under some front of the address, and has two halves, whatever it is made of.
 */
#include "lpm_internal.h"

#include <stdlib.h>
#include <string.h>

struct cell {
	const lpm_entry *entries; /* `count` of them; NULL: the cell has one value */
	uint32_t count;
	uint32_t first, slots; /* if it is one: the part of it */
	uint32_t value;
};

struct packing {
	const struct lpm_view *from;
	struct lpm to;
};

static struct cell
settle(const struct lpm_view *from, struct cell c)
{
	while (c.entries != NULL && c.count == 1) {
		lpm_entry entry = *c.entries;
		uint32_t runs = lpm_entry_runs(entry), word, last = c.first + c.slots - 1;

		if (runs == 0)
			return (struct cell){ .value = lpm_entry_base(entry) };
		/* Does a run begin behind the first slot? */
		if (c.slots > 1 && (runs << (31 - last)) >> (31 - last) >> c.first >> 1 != 0)
			return c;
		word = lpm_words(
			from->arena, lpm_entry_base(entry))[__builtin_popcount(runs << (LPM_SLOTS - 1 - c.first)) - 1];
		if (!(word & LPM_NODE))
			return (struct cell){ .value = word };
		c = (struct cell){
			.entries = from->arena + (word & ~LPM_NODE), .count = 1u << from->node_bits, .slots = LPM_SLOTS
		};
	}
	return c;
}

static struct cell
half(const struct lpm_view *from, struct cell c, uint32_t which)
{
	if (c.entries == NULL)
		return c;
	if (c.count > 1) {
		c.count /= 2;
		c.entries += which * c.count;
	} else {
		c.slots /= 2;
		c.first += which * c.slots;
	}
	return settle(from, c);
}

static void pack_entries(struct packing *p, struct cell c, uint32_t node, uint32_t n);

static void
pack_words(struct packing *p, struct cell c, uint32_t *words, uint32_t n)
{
	if (c.entries == NULL) {
		for (uint32_t i = 0; i < n; i++)
			words[i] = c.value;
	} else if (n > 1) {
		pack_words(p, half(p->from, c, 0), words, n / 2);
		pack_words(p, half(p->from, c, 1), words + n / 2, n / 2);
	} else {
		uint32_t count = 1u << p->to.view->node_bits, node = lpm_alloc(&p->to, count);

		pack_entries(p, c, node, count);
		words[0] = node | LPM_NODE;
	}
}

static lpm_entry
pack_entry(struct packing *p, struct cell c)
{
	uint32_t words[LPM_SLOTS];

	if (c.entries == NULL)
		return lpm_entry_make(0, c.value);
	pack_words(p, c, words, LPM_SLOTS);
	return lpm_entry_write(&p->to, words);
}

static void
pack_entries(struct packing *p, struct cell c, uint32_t node, uint32_t n)
{
	if (n > 1) {
		pack_entries(p, half(p->from, c, 0), node, n / 2);
		pack_entries(p, half(p->from, c, 1), node + n / 2, n / 2);
	} else {
		lpm_entry entry = pack_entry(p, c);

		p->to.view->arena[node] = entry; /* only now: the arena may have moved */
	}
}

static void
pack_root(struct packing *p, struct cell c, uint32_t first, uint32_t n)
{
	if (n > 1) {
		pack_root(p, half(p->from, c, 0), first, n / 2);
		pack_root(p, half(p->from, c, 1), first + n / 2, n / 2);
	} else {
		lpm_entry entry = pack_entry(p, c);

		p->to.view->root[first] = entry;
	}
}

void
lpm_pack(struct lpm *lpm, uint8_t root_bits, uint8_t node_bits)
{
	uint32_t live = lpm->used_units - lpm->free_units;
	struct packing p = { .from = lpm->view };
	struct cell all = { .entries = p.from->root, .count = 1u << p.from->root_bits, .slots = LPM_SLOTS };

	/* A trie of its own while it is filled: unpublished, it may grow at will. */
	lpm_view_new(&p.to, root_bits, node_bits, live + live / 8);
	pack_root(&p, settle(p.from, all), 0, 1u << root_bits);
	lpm_publish(lpm, p.to.view);
	lpm->used_units = p.to.used_units;
	lpm->free_units = p.to.free_units;
	memcpy(lpm->free_heads, p.to.free_heads, sizeof(lpm->free_heads));
	/* What was in limbo goes with the old arena. */
	lpm->limbo_head = lpm->limbo_count = 0;
}
