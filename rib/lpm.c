/* SPDX-License-Identifier: BSD-3-Clause */
/* What the writers of both families share: when to change the root and to pack, and the default route. */
#include <string.h>

#include "lpm_internal.h"
#include "lpm_tree.h"
#include "memory.h"

/*
 * Sizes of the root, and the number of routes that each is for. Those of the trie differ by the bits of an entry, so
 * that the entries stay when the root grows; behind those of the trees 32 bits reach the usual /48. A table shrinks at
 * a quarter of the number, so that it does not swing.
 */
#define ROOTS 4

static const struct root {
	uint32_t bits, routes;
} roots_v4[ROOTS] = { { 4, 0 }, { 9, 128 }, { 14, 4096 }, { 19, 65536 } },
  roots_v6[ROOTS] = { { 4, 0 }, { 12, 512 }, { 16, 4096 }, { 20, 65536 } };

/* Before a table is packed again; and a share of its routes. Lines of a tree that are written anew stay together. */
#define CHANGES_MIN     1024
#define CHANGED_PART_V4 8
#define CHANGED_PART_V6 2

/*
 * Before an update: fit the root to the number of routes; and pack an arena that is full of holes, or one of which so
 * much has changed that what is looked up together no longer lies together.
 */
static void
adapt(struct lpm *lpm)
{
	const struct root *roots = lpm->family == AF_INET ? roots_v4 : roots_v6;
	const struct lpm_view *view = lpm->view;
	bool holes = view->arena_units - lpm->used_units < view->arena_units / 64 &&
		     lpm->free_units > lpm->used_units / 4 && lpm->limbo_count < 1024;
	uint32_t part = lpm->family == AF_INET ? CHANGED_PART_V4 : CHANGED_PART_V6, i = 0;

	lpm->changes++;
	while (roots[i].bits != view->root_bits)
		i++;
	if (i + 1 < ROOTS && lpm->routes >= roots[i + 1].routes)
		i++;
	else if (i > 0 && lpm->routes < roots[i].routes / 4)
		i--;
	if (!holes && roots[i].bits == view->root_bits && lpm->changes <= CHANGES_MIN + lpm->routes / part)
		return;
	if (lpm->family == AF_INET)
		lpm_trie_pack(lpm, roots[i].bits);
	else
		lpm_tree_pack(lpm, roots[i].bits, 0);
	lpm->changes = 0;
}

static void
change(const struct lpm_change *c)
{
	adapt(c->lpm);
	if (c->lpm->family == AF_INET)
		lpm_trie_change(c);
	else
		lpm_tree_change(c);
	lpm_update_done(c->lpm);
}

void
lpm_set(struct lpm *lpm, struct lpm_key key, uint8_t length, uint32_t number)
{
	struct lpm_change c = { .lpm = lpm, .key = key, .length = length, .value = lpm_value(length, number) };

	if (length == 0)
		__atomic_store_n(&lpm->fallback, c.value, __ATOMIC_RELAXED);
	else
		change(&c);
}

void
lpm_unset(struct lpm *lpm, struct lpm_key key, uint8_t length, uint32_t cover)
{
	/* The /0 stands beside: what it covers is 0 below the root. */
	uint32_t value = lpm_value_length(cover) == 0 ? 0 : cover;
	struct lpm_change c = { .lpm = lpm, .key = key, .length = length, .value = value, .removing = true };

	if (length == 0)
		__atomic_store_n(&lpm->fallback, 0, __ATOMIC_RELAXED);
	else
		change(&c);
}

struct lpm *
lpm_create(struct rcu *rcu, uint8_t family)
{
	struct lpm *lpm = rib_zalloc(sizeof(*lpm));

	lpm->rcu = rcu;
	lpm->family = family;
	if (family == AF_INET)
		lpm_view_new(lpm, roots_v4[0].bits, LPM_UNIT, 0);
	else
		lpm_tree_view_new(lpm, roots_v6[0].bits, 0);
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

	return sizeof(*lpm) + sizeof(*view) + (size_t)view->arena_units * view->unit_bytes +
	       (sizeof(lpm_entry) << view->root_bits) + lpm->limbo_size * sizeof(*lpm->limbo);
}
