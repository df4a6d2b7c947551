/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The poptrie's writer. Every leaf carries the length of the prefix that owns it, so an update needs nothing but the
 * leaves that
 * it passes: a new prefix takes those of its range that no longer prefix owns; a deleted one gives its own to its
 * cover.
 */
#include <string.h>

#include "lpm_internal.h"
#include "memory.h"

/*
 * Root sizes, and the number of routes that each is for. A table shrinks at a quarter of that, so that it does not
 * swing.
 */
static const struct {
	uint32_t bits, routes;
} roots[] = { { 0, 0 }, { 6, 24 }, { 12, 2048 }, { 18, 65536 } };

#define ROOTS (sizeof(roots) / sizeof(roots[0]))

/* A part of the trie while it is in the writer's hands. */
struct piece {
	bool is_node;
	uint32_t value; /* if not */
	struct lpm_node node;
};

/* A node taken apart: its slots, children only where `internal` says so. */
struct slots {
	uint64_t internal;
	uint32_t values[LPM_SLOTS];
	struct lpm_node children[LPM_SLOTS];
};

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

static void
take_apart(const uint64_t *arena, const struct lpm_node *node, struct slots *s)
{
	const uint32_t *leaves = lpm_leaves(arena, node->leaves);
	const struct lpm_node *children = lpm_nodes(arena, node->children);
	uint32_t value = 0;

	s->internal = node->internal;
	for (uint32_t i = 0, leaf = 0, child = 0; i < LPM_SLOTS; i++) {
		if (node->internal >> i & 1)
			s->children[i] = children[child++];
		if (node->runs >> i & 1)
			value = leaves[leaf++];
		s->values[i] = value;
	}
}

/* Frees a node's arrays, not what its children own. */
static void
release_arrays(struct lpm *lpm, const struct lpm_node *node)
{
	uint32_t children = (uint32_t)__builtin_popcountll(node->internal);
	uint32_t leaves = (uint32_t)__builtin_popcountll(node->runs);

	if (children > 0)
		lpm_release(lpm, node->children, children * LPM_NODE_UNITS);
	if (leaves > 0)
		lpm_release(lpm, node->leaves, lpm_leaf_units(leaves));
}

static struct piece
put_together(struct lpm *lpm, const struct slots *s)
{
	uint32_t leaves[LPM_SLOTS + 1], count = 0, children = 0, last = 0;
	struct piece p = { .is_node = true, .node.internal = s->internal };

	for (uint32_t i = 0; i < LPM_SLOTS; i++) {
		if (s->internal >> i & 1 || (count > 0 && s->values[i] == last))
			continue;
		p.node.runs |= UINT64_C(1) << i;
		leaves[count++] = last = s->values[i];
	}
	if (s->internal == 0 && count == 1)
		return (struct piece){ .value = last };
	if (count > 0) {
		p.node.leaves = lpm_alloc(lpm, lpm_leaf_units(count));
		leaves[count] = 0;
		memcpy(lpm_leaves(lpm->arena, p.node.leaves), leaves, lpm_leaf_units(count) * LPM_UNIT);
	}
	if (s->internal != 0) {
		p.node.children = lpm_alloc(lpm, (uint32_t)__builtin_popcountll(s->internal) * LPM_NODE_UNITS);
		for (uint64_t rest = s->internal; rest != 0; rest &= rest - 1)
			lpm_nodes(lpm->arena, p.node.children)[children++] = s->children[__builtin_ctzll(rest)];
	}
	return p;
}

static bool change_piece(const struct change *c, struct piece *p, uint32_t depth);

static bool
change_slot(const struct change *c, struct slots *s, uint32_t i, uint32_t depth)
{
	bool internal = s->internal >> i & 1;
	struct piece p = { .is_node = internal, .value = s->values[i] };

	if (internal)
		p.node = s->children[i];
	if (!change_piece(c, &p, depth))
		return false;
	s->internal &= ~(UINT64_C(1) << i);
	if (p.is_node) {
		s->internal |= UINT64_C(1) << i;
		s->children[i] = p.node;
	} else {
		s->values[i] = p.value;
	}
	return true;
}

/* Changes the piece that lies `depth` bits below the top; false if there was nothing to change. */
static bool
change_piece(const struct change *c, struct piece *p, uint32_t depth)
{
	struct slots s;
	uint32_t first = 0, count = LPM_SLOTS;
	bool changed = false;

	if (!p->is_node) {
		if (!applies(c, p->value))
			return false;
		if (c->length <= depth) {
			p->value = c->value;
			return true;
		}
		s.internal = 0;
		for (uint32_t i = 0; i < LPM_SLOTS; i++)
			s.values[i] = p->value;
	} else {
		take_apart(c->lpm->arena, &p->node, &s);
	}
	if (c->length > depth) {
		first = lpm_slot(c->key, depth);
		count = c->length >= depth + LPM_STRIDE ? 1 : 1u << (depth + LPM_STRIDE - c->length);
	}
	for (uint32_t i = first; i < first + count; i++)
		changed |= change_slot(c, &s, i, depth + LPM_STRIDE);
	if (!changed)
		return false;
	if (p->is_node)
		release_arrays(c->lpm, &p->node);
	*p = put_together(c->lpm, &s);
	return true;
}

static struct piece
root_piece(const uint64_t *arena, uint32_t word)
{
	struct piece p = { .is_node = (word & LPM_ROOT_NODE) != 0, .value = word };

	if (p.is_node)
		p.node = *lpm_nodes(arena, word & ~LPM_ROOT_NODE);
	return p;
}

static uint32_t
root_word(struct lpm *lpm, const struct piece *p)
{
	if (!p->is_node)
		return p->value;

	uint32_t offset = lpm_alloc(lpm, LPM_NODE_UNITS);

	*lpm_nodes(lpm->arena, offset) = p->node;
	return offset | LPM_ROOT_NODE;
}

/* Changes the words of the root that the prefix covers; each store is one reader-visible step. */
static void
change_root(const struct change *c)
{
	struct lpm *lpm = c->lpm;
	uint32_t bits = lpm->view->root_bits;
	uint32_t first = lpm_root_slot(c->key, bits);
	uint32_t count = c->length >= bits ? 1 : 1u << (bits - c->length);

	for (uint32_t i = first; i < first + count; i++) {
		uint32_t word = lpm->view->root[i];
		struct piece p = root_piece(lpm->arena, word);

		if (!change_piece(c, &p, bits))
			continue;
		uint32_t changed = root_word(lpm, &p);

		/* Allocation may have moved the root. */
		__atomic_store_n(&lpm->view->root[i], changed, __ATOMIC_RELEASE);
		if (word & LPM_ROOT_NODE)
			lpm_release(lpm, word & ~LPM_ROOT_NODE, LPM_NODE_UNITS);
	}
	lpm_update_done(lpm);
}

static struct lpm_node
copy_node(struct lpm *to, const uint64_t *from, const struct lpm_node *node)
{
	uint32_t children = (uint32_t)__builtin_popcountll(node->internal);
	uint32_t leaves = (uint32_t)__builtin_popcountll(node->runs);
	struct lpm_node copy = { .internal = node->internal, .runs = node->runs };

	if (leaves > 0) {
		copy.leaves = lpm_alloc(to, lpm_leaf_units(leaves));
		memcpy(lpm_leaves(to->arena, copy.leaves), lpm_leaves(from, node->leaves),
			lpm_leaf_units(leaves) * LPM_UNIT);
	}
	if (children > 0) {
		copy.children = lpm_alloc(to, children * LPM_NODE_UNITS);
		for (uint32_t i = 0; i < children; i++) {
			struct lpm_node child = copy_node(to, from, &lpm_nodes(from, node->children)[i]);

			lpm_nodes(to->arena, copy.children)[i] = child;
		}
	}
	return copy;
}

/* The piece at `slot` of a root of `bits` bits, of a trie whose root has more or fewer, copied to another arena. */
static struct piece
copy_piece(struct lpm *to, const struct lpm_view *from, uint32_t bits, uint32_t slot)
{
	struct slots s = { .internal = 0 };

	if (bits >= from->root_bits) {
		uint32_t steps = (bits - from->root_bits) / LPM_STRIDE;
		struct piece p = root_piece(from->arena, from->root[slot >> (steps * LPM_STRIDE)]);

		while (steps-- > 0 && p.is_node) {
			uint32_t i = slot >> (steps * LPM_STRIDE) & (LPM_SLOTS - 1);

			take_apart(from->arena, &p.node, &s);
			p = (struct piece){
				.is_node = s.internal >> i & 1, .value = s.values[i], .node = s.children[i]
			};
		}
		if (p.is_node)
			p.node = copy_node(to, from->arena, &p.node);
		return p;
	}
	for (uint32_t i = 0; i < LPM_SLOTS; i++) {
		struct piece p = copy_piece(to, from, bits + LPM_STRIDE, slot << LPM_STRIDE | i);

		if (p.is_node) {
			s.internal |= UINT64_C(1) << i;
			s.children[i] = p.node;
		} else {
			s.values[i] = p.value;
		}
	}
	return put_together(to, &s);
}

static uint32_t *
new_root(uint32_t bits)
{
	return lpm_map(sizeof(uint32_t) << bits);
}

/* Packs the trie into a fresh arena in order of the addresses, under a root of `bits` bits. */
static void
compact(struct lpm *lpm, uint32_t bits)
{
	const struct lpm_view *from = lpm->view;
	uint32_t live = lpm->used_units - lpm->free_units, units = live + live / 8 + 48;
	struct lpm to = { .used_units = 1 };
	uint32_t *root = new_root(bits);

	/* A trie of its own while it is filled: unpublished, it may grow at will. */
	lpm_publish(&to, lpm_map((size_t)units * LPM_UNIT), units, new_root(0), 0);
	for (uint32_t i = 0; i < 1u << bits; i++) {
		struct piece p = copy_piece(&to, from, bits, i);

		root[i] = root_word(&to, &p);
	}
	lpm_unmap(to.view->root, sizeof(uint32_t));
	lpm_publish(lpm, to.arena, to.view->arena_units, root, bits);
	free(to.view);
	lpm->used_units = to.used_units;
	lpm->free_units = 0;
	memset(lpm->free_heads, 0, sizeof(lpm->free_heads));
	lpm->limbo_head = lpm->limbo_count = 0;
}

/* Before an update: fit the root to the number of routes, and pack an arena that is full of holes. */
static void
adapt(struct lpm *lpm)
{
	uint32_t bits = lpm->view->root_bits, level = bits / LPM_STRIDE;

	if (level + 1 < ROOTS && lpm->routes >= roots[level + 1].routes)
		bits = roots[level + 1].bits;
	else if (level > 0 && lpm->routes < roots[level].routes / 4)
		bits = roots[level - 1].bits;
	if (bits != lpm->view->root_bits || (lpm->view->arena_units - lpm->used_units < lpm->view->arena_units / 64 &&
						    lpm->free_units > lpm->used_units / 4 && lpm->limbo_count < 1024))
		compact(lpm, bits);
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
	lpm->used_units = 1; /* offset 0 ends the free lists */
	lpm_publish(lpm, lpm_map(16 * LPM_UNIT), 16, new_root(0), 0);
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
	return sizeof(*lpm) + sizeof(*lpm->view) + (size_t)lpm->view->arena_units * LPM_UNIT +
	       (sizeof(uint32_t) << lpm->view->root_bits) + lpm->limbo_size * sizeof(*lpm->limbo);
}
