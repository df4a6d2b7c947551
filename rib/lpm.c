/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The trie's writer. Every value carries the length of the prefix that owns it, so an update needs nothing but the
 * slots that it passes: a new prefix takes those of its range that no longer prefix owns; a deleted one gives its own
 * to its cover.
 *
 * What lies below an entry of the root is written anew as far as it changes, then the entry is stored: one step for
 * readers.
 */
#include <string.h>

#include "lpm_internal.h"
#include "memory.h"

/*
 * Sizes of the root, and the number of routes that each is for. They differ by the bits of an entry, so that the
 * entries stay when the root grows. A table shrinks at a quarter of the number, so that it does not swing.
 */
static const struct {
	uint32_t bits, routes;
} roots[] = { { 4, 0 }, { 9, 128 }, { 14, 4096 }, { 19, 65536 } };

#define ROOTS (sizeof(roots) / sizeof(roots[0]))

#define CHANGES_MIN 1024 /* before a trie is packed again */

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

/* Which of the 2^bits parts behind `depth` the prefix covers or lies in: the first, and how many. */
static inline uint32_t
range(const struct change *c, uint32_t depth, uint32_t bits, uint32_t *first)
{
	*first = 0;
	if (c->length <= depth)
		return 1u << bits;
	*first = lpm_window(c->key, depth) >> (32 - bits);
	return c->length >= depth + bits ? 1 : 1u << (depth + bits - c->length);
}

/* depth: before the entry's slots. True if the entry is another now. */
static bool
change_entry(const struct change *c, lpm_entry *entry, uint32_t depth)
{
	lpm_entry slots[LPM_SLOTS], old = *entry;
	uint32_t first, count;
	bool changed = false;

	if (lpm_entry_runs(old) == 0) {
		if (!applies(c, lpm_entry_base(old)))
			return false;
		if (c->length <= depth) {
			*entry = lpm_entry_make(0, c->value);
			return true;
		}
	}
	lpm_entry_read(c->lpm->view->arena, old, slots);
	count = range(c, depth, LPM_SLOT_BITS, &first);
	for (uint32_t i = first; i < first + count; i++)
		changed |= change_entry(c, &slots[i], depth + LPM_SLOT_BITS);
	if (!changed)
		return false;
	*entry = lpm_entry_write(c->lpm, slots);
	lpm_release(c->lpm, old);
	return true;
}

static void
change_root(const struct change *c)
{
	uint32_t bits = c->lpm->view->root_bits, first;
	uint32_t count = range(c, 0, bits, &first);

	for (uint32_t i = first; i < first + count; i++) {
		lpm_entry entry = c->lpm->view->root[i];

		if (change_entry(c, &entry, bits)) /* which may have moved the root */
			__atomic_store_n(&c->lpm->view->root[i], entry, __ATOMIC_RELEASE);
	}
	lpm_update_done(c->lpm);
}

/*
 * Before an update: fit the root to the number of routes; and pack an arena that is full of holes, or one of which so
 * much has changed that what is looked up together no longer lies together.
 */
static void
adapt(struct lpm *lpm)
{
	const struct lpm_view *view = lpm->view;
	bool holes = view->arena_units - lpm->used_units < view->arena_units / 64 &&
		     lpm->free_units > lpm->used_units / 4 && lpm->limbo_count < 1024;
	uint32_t i = 0;

	lpm->changes++;
	while (roots[i].bits != view->root_bits)
		i++;
	if (i + 1 < ROOTS && lpm->routes >= roots[i + 1].routes)
		i++;
	else if (i > 0 && lpm->routes < roots[i].routes / 4)
		i--;
	if (holes || roots[i].bits != view->root_bits || lpm->changes > CHANGES_MIN + lpm->routes / 8)
		lpm_pack(lpm, roots[i].bits);
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
	change_root(&c);
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
	change_root(&c);
}

struct lpm *
lpm_create(struct rcu *rcu)
{
	struct lpm *lpm = rib_zalloc(sizeof(*lpm));

	lpm->rcu = rcu;
	lpm_view_new(lpm, roots[0].bits, 0);
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
