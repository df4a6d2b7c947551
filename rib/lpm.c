/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The trie's writer. Every value carries the length of the prefix that owns it, so an update needs nothing but the words that it passes: a new
 * prefix takes those of its range that no longer prefix owns; a deleted one gives its own to its cover.
 *
 * An entry is changed by writing its words anew elsewhere and then storing the entry, which is one step for readers.
 */
#include <string.h>

#include "lpm_internal.h"
#include "memory.h"

/* Sizes of nodes, and the number of routes that each is for. A table shrinks at a quarter of that, so that it does not swing. */
static const struct {
	uint8_t root_bits, node_bits;
	uint32_t routes;
} sizes[] = { { 0, 0, 0 }, { 3, 0, 24 }, { 11, LPM_NODE_BITS_MAX, 2048 }, { 19, LPM_NODE_BITS_MAX, 65536 } };

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

#define ROOT UINT32_MAX /* stands for the root where a node's offset is asked for */

struct change {
	struct lpm *lpm;
	struct lpm_key key;
	uint32_t value; /* what to put */
	uint8_t length;
	bool removing;
};

static inline bool
applies(const struct change *c, uint32_t value)
{
	if (value == c->value)
		return false;
	if (c->removing)
		return value != 0 && lpm_value_length(value) == c->length;
	return lpm_value_length(value) <= c->length;
}

void
lpm_entry_read(const lpm_entry *arena, lpm_entry entry, uint32_t words[LPM_SLOTS])
{
	uint32_t runs = lpm_entry_runs(entry), base = lpm_entry_base(entry);
	const uint32_t *next = lpm_words(arena, base);
	uint32_t word = base;

	for (uint32_t i = 0; i < LPM_SLOTS; i++) {
		if (runs >> i & 1)
			word = *next++;
		words[i] = word;
	}
}

lpm_entry
lpm_entry_write(struct lpm *lpm, const uint32_t words[LPM_SLOTS])
{
	uint32_t list[LPM_SLOTS + 1], runs = 1, count = 1, units, offset;

	list[0] = words[0];
	for (uint32_t i = 1; i < LPM_SLOTS; i++) {
		if (words[i] == words[i - 1])
			continue;
		runs |= 1u << i;
		list[count++] = words[i];
	}
	if (count == 1)
		return lpm_entry_make(0, words[0]);
	list[count] = 0;
	units = (count + 1) / 2;
	offset = lpm_alloc(lpm, units);
	memcpy(lpm->view->arena + offset, list, (size_t)units * LPM_UNIT);
	return lpm_entry_make(runs, offset * (LPM_UNIT / sizeof(uint32_t)));
}

static void
release_words(struct lpm *lpm, lpm_entry entry)
{
	uint32_t count = (uint32_t)__builtin_popcount(lpm_entry_runs(entry));

	if (count > 0)
		lpm_release(lpm, lpm_entry_base(entry) / (LPM_UNIT / sizeof(uint32_t)), (count + 1) / 2);
}

static inline lpm_entry *
entry_at(const struct lpm *lpm, uint32_t node, uint32_t i)
{
	return node == ROOT ? &lpm->view->root[i] : &lpm->view->arena[node + i];
}

static uint32_t
make_node(struct lpm *lpm, uint32_t value)
{
	uint32_t count = 1u << lpm->view->node_bits, node = lpm_alloc(lpm, count);

	for (uint32_t i = 0; i < count; i++)
		lpm->view->arena[node + i] = lpm_entry_make(0, value);
	return node;
}

/* A node that has but one value gives way to it. */
static bool
collapse(struct lpm *lpm, uint32_t *word)
{
	uint32_t node = *word & ~LPM_NODE, count = 1u << lpm->view->node_bits;
	const lpm_entry *entries = lpm->view->arena + node;

	if (lpm_entry_runs(entries[0]) != 0)
		return false;
	for (uint32_t i = 1; i < count; i++)
		if (entries[i] != entries[0])
			return false;
	*word = lpm_entry_base(entries[0]);
	lpm_release(lpm, node, count);
	return true;
}

/* Which of the 2^bits parts behind `depth` the prefix covers or lies in: the first, and how many. */
static inline uint32_t
range(const struct change *c, uint32_t depth, uint32_t bits, uint32_t *first)
{
	*first = 0;
	if (c->length <= depth)
		return 1u << bits;
	*first = lpm_index(lpm_window(c->key, depth), bits);
	if (c->length >= depth + bits)
		return 1;
	return 1u << (depth + bits - c->length);
}

static void change_node(const struct change *c, uint32_t node, uint32_t depth);

/* depth: behind the word. True if the word is another now. */
static bool
change_word(const struct change *c, uint32_t *word, uint32_t depth)
{
	uint32_t node;

	if (*word & LPM_NODE) {
		change_node(c, *word & ~LPM_NODE, depth);
		return collapse(c->lpm, word);
	}
	if (!applies(c, *word))
		return false;
	if (c->length <= depth) {
		*word = c->value;
		return true;
	}
	node = make_node(c->lpm, *word);
	change_node(c, node, depth);
	*word = node | LPM_NODE;
	return true;
}

/* depth: before the entry's slots. */
static void
change_entry(const struct change *c, uint32_t node, uint32_t i, uint32_t depth)
{
	lpm_entry old = *entry_at(c->lpm, node, i), new;
	uint32_t words[LPM_SLOTS], first, count;
	bool changed = false;

	if (lpm_entry_runs(old) == 0 && !applies(c, lpm_entry_base(old)))
		return;
	if (lpm_entry_runs(old) == 0 && c->length <= depth) {
		new = lpm_entry_make(0, c->value);
	} else {
		lpm_entry_read(c->lpm->view->arena, old, words);
		count = range(c, depth, LPM_ENTRY_BITS, &first);
		for (uint32_t s = first; s < first + count; s++)
			changed |= change_word(c, &words[s], depth + LPM_ENTRY_BITS);
		if (!changed)
			return;
		new = lpm_entry_write(c->lpm, words);
	}
	/* Allocation may have moved the entry. */
	__atomic_store_n(entry_at(c->lpm, node, i), new, __ATOMIC_RELEASE);
	release_words(c->lpm, old);
}

static void
change_node(const struct change *c, uint32_t node, uint32_t depth)
{
	uint32_t bits = node == ROOT ? c->lpm->view->root_bits : c->lpm->view->node_bits, first;
	uint32_t count = range(c, depth, bits, &first);

	for (uint32_t i = first; i < first + count; i++)
		change_entry(c, node, i, depth + bits);
}

/* Before an update: fit the nodes to the number of routes, and pack an arena that is full of holes. */
static void
adapt(struct lpm *lpm)
{
	uint32_t size = 0;
	bool holes = lpm->view->arena_units - lpm->used_units < lpm->view->arena_units / 64 &&
		     lpm->free_units > lpm->used_units / 4 && lpm->limbo_count < 1024;

	while (sizes[size].root_bits != lpm->view->root_bits)
		size++;
	if (size + 1 < SIZES && lpm->routes >= sizes[size + 1].routes)
		size++;
	else if (size > 0 && lpm->routes < sizes[size].routes / 4)
		size--;
	if (holes || sizes[size].root_bits != lpm->view->root_bits)
		lpm_pack(lpm, sizes[size].root_bits, sizes[size].node_bits);
}

void
lpm_set(struct lpm *lpm, struct lpm_key key, uint8_t length, uint32_t number)
{
	struct change c = { .lpm = lpm, .key = key, .length = length, .value = lpm_value(length, number) };

	if (length == 0) {
		__atomic_store_n(&lpm->fallback, c.value, __ATOMIC_RELAXED);
		return;
	}
	adapt(lpm);
	change_node(&c, ROOT, 0);
	lpm_update_done(lpm);
}

void
lpm_unset(struct lpm *lpm, struct lpm_key key, uint8_t length, uint32_t cover)
{
	/* The /0 is not in the trie: what it covers is 0 there. */
	uint32_t value = lpm_value_length(cover) == 0 ? 0 : cover;
	struct change c = { .lpm = lpm, .key = key, .length = length, .value = value, .removing = true };

	if (length == 0) {
		__atomic_store_n(&lpm->fallback, 0, __ATOMIC_RELAXED);
		return;
	}
	adapt(lpm);
	change_node(&c, ROOT, 0);
	lpm_update_done(lpm);
}

struct lpm *
lpm_create(struct rcu *rcu)
{
	struct lpm *lpm = rib_zalloc(sizeof(*lpm));

	lpm->rcu = rcu;
	lpm_view_new(lpm, sizes[0].root_bits, sizes[0].node_bits, 0);
	return lpm;
}

static void
destroy_now(void *arg)
{
	struct lpm *lpm = arg;

	lpm_view_free(lpm->view);
	free(lpm->limbo);
	free(lpm);
}

void
lpm_destroy(struct lpm *lpm)
{
	if (lpm == NULL)
		return;
	rcu_defer(lpm->rcu, destroy_now, lpm);
}

void
lpm_set_routes(struct lpm *lpm, uint32_t routes)
{
	lpm->routes = routes;
}

size_t
lpm_bytes(const struct lpm *lpm)
{
	const struct lpm_view *view = lpm->view;

	return sizeof(*lpm) + sizeof(*view) + (size_t)view->arena_units * LPM_UNIT +
	       (sizeof(lpm_entry) << view->root_bits) + lpm->limbo_size * sizeof(*lpm->limbo);
}
