/* SPDX-License-Identifier: BSD-3-Clause */
/* u32: compiles a bucket's filters into a trie of their keys; u32.h draws it. */
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "list_pool.h"
#include "u32.h"

/* ---- the trie, as it grows ---------------------------------------------------------------------- */

struct growing_branch {
	uint32_t node, next;
	struct u32_probe probe;
	uint32_t n_slots, n_behind;
};

struct growing_slot {
	uint32_t branch, value, node;
};

struct growing_node {
	uint32_t first_branch, last_branch;
	uint32_t n_ends, n_through;
};

/* One test of a filter, and what it went through. */
struct test {
	uint32_t branch, node;
};

struct trie {
	uint32_t n_tests, n_branches, n_slots, n_nodes;
	struct test *tests; /* of all filters, one behind the other */
	struct growing_branch *branches;
	struct growing_slot *slots;
	struct growing_node *nodes;
	uint32_t *branch_index, *slot_index; /* open addressing: numbers plus one; 0: free */
	uint32_t index_mask;
};

static uint32_t
mix(uint32_t a, uint32_t b)
{
	uint64_t x = ((uint64_t)a << 32 | b) * HASH_GOLDEN_RATIO;

	return (uint32_t)(x >> 32);
}

static uint32_t
find_branch(struct trie *trie, uint32_t node, const struct u32_probe *field)
{
	uint32_t hash = mix(mix(node, (uint32_t)field->offset), mix(field->mask, field->nexthdr_mask + field->is_mark));
	struct growing_branch *b;

	for (uint32_t at = hash & trie->index_mask;; at = (at + 1) & trie->index_mask) {
		uint32_t number = trie->branch_index[at] - 1;

		if (number == U32_NONE) {
			trie->branch_index[at] = trie->n_branches + 1;
			break;
		}
		b = &trie->branches[number];
		if (b->node == node && b->probe.offset == field->offset && b->probe.mask == field->mask &&
			b->probe.nexthdr_mask == field->nexthdr_mask && b->probe.is_mark == field->is_mark)
			return number;
	}
	trie->branches[trie->n_branches] = (struct growing_branch){ .node = node, .next = U32_NONE, .probe = *field };
	if (trie->nodes[node].first_branch == U32_NONE)
		trie->nodes[node].first_branch = trie->n_branches;
	else
		trie->branches[trie->nodes[node].last_branch].next = trie->n_branches;
	trie->nodes[node].last_branch = trie->n_branches;
	return trie->n_branches++;
}

static uint32_t
add_node(struct trie *trie)
{
	trie->nodes[trie->n_nodes] = (struct growing_node){ .first_branch = U32_NONE };
	return trie->n_nodes++;
}

/* The node that a value of a branch's field leads to. */
static uint32_t
find_node(struct trie *trie, uint32_t branch, uint32_t value)
{
	uint32_t at = mix(branch, value) & trie->index_mask;

	for (; trie->slot_index[at] != 0; at = (at + 1) & trie->index_mask) {
		const struct growing_slot *slot = &trie->slots[trie->slot_index[at] - 1];

		if (slot->branch == branch && slot->value == value)
			return slot->node;
	}
	trie->slots[trie->n_slots] = (struct growing_slot){ branch, value, add_node(trie) };
	trie->slot_index[at] = ++trie->n_slots;
	trie->branches[branch].n_slots++;
	return trie->slots[trie->n_slots - 1].node;
}

static uint32_t
add_test(struct trie *trie, uint32_t node, const struct u32_probe *field, uint32_t value)
{
	uint32_t branch = find_branch(trie, node, field);
	uint32_t child = find_node(trie, branch, value);

	trie->branches[branch].n_behind++;
	trie->nodes[child].n_through++;
	trie->tests[trie->n_tests++] = (struct test){ branch, child };
	return child;
}

static void
add_filter(struct trie *trie, const struct u32_filter *f)
{
	uint32_t node = 0;

	if (f->has_mark) {
		struct u32_probe field = { .mask = f->mark_mask, .is_mark = true };

		node = add_test(trie, node, &field, f->mark_value); /* a value outside its mask never matches */
	}
	for (unsigned int k = 0; k < f->n_keys; k++) {
		const struct u32_key *key = &f->keys[k];
		struct u32_probe field = {
			.offset = key->offset, .nexthdr_mask = (uint32_t)key->offset_mask, .mask = key->mask
		};

		node = add_test(trie, node, &field, key->value & key->mask);
	}
	trie->nodes[node].n_ends++;
}

static uint32_t
count_tests(const struct u32_filter *f)
{
	return f->n_keys + f->has_mark;
}

static void
trie_free(struct trie *trie)
{
	free(trie->tests);
	free(trie->branches);
	free(trie->slots);
	free(trie->nodes);
	free(trie->branch_index);
	free(trie->slot_index);
}

static bool
trie_make(struct trie *trie, struct u32_filter *const *filters, uint32_t n)
{
	uint32_t tests = 1, index = 2; /* one more than there are, lest malloc(0) be NULL */

	for (uint32_t i = 0; i < n; i++)
		tests += count_tests(filters[i]);
	while (index < 2 * tests)
		index *= 2;
	*trie = (struct trie){
		.tests = malloc(tests * sizeof(*trie->tests)),
		.branches = malloc(tests * sizeof(*trie->branches)),
		.slots = malloc(tests * sizeof(*trie->slots)),
		.nodes = malloc((tests + 1) * sizeof(*trie->nodes)),
		.branch_index = calloc(index, sizeof(*trie->branch_index)),
		.slot_index = calloc(index, sizeof(*trie->slot_index)),
		.index_mask = index - 1,
	};
	if (trie->tests == NULL || trie->branches == NULL || trie->slots == NULL || trie->nodes == NULL ||
		trie->branch_index == NULL || trie->slot_index == NULL)
		return false;
	add_node(trie);
	for (uint32_t i = 0; i < n; i++)
		add_filter(trie, filters[i]);
	return true;
}

/* ---- the list: one block of memory -------------------------------------------------------------- */

/* Room in the slots for n values: a power of two, at most two thirds full. */
static uint32_t
slots_for(uint32_t n)
{
	uint32_t slots = 2;

	while (2 * slots < 3 * n)
		slots *= 2;
	return slots;
}

struct room { /* of the parts, in elements */
	uint32_t slots, positions, tallies, inner;
};

static struct room
measure(const struct trie *trie, uint32_t n)
{
	struct room room = { .positions = n + 2 * trie->n_tests };

	for (uint32_t i = 0; i < trie->n_branches; i++)
		room.slots += slots_for(trie->branches[i].n_slots);
	for (uint32_t i = 0; i < trie->n_nodes; i++)
		if (trie->nodes[i].first_branch != U32_NONE) {
			room.inner++;
			room.tallies += trie->nodes[i].n_through;
		}
	return room;
}

static void *
carve(uint8_t **free_bytes, size_t bytes)
{
	void *part = *free_bytes;

	*free_bytes += RTE_ALIGN_CEIL(bytes, 16);
	return part;
}

static struct u32_list *
allocate(const struct trie *trie, uint32_t n, unsigned int workers)
{
	struct room room = measure(trie, n);
	uint32_t stride = RTE_ALIGN_CEIL(
		U32_PER_FILTER * n + 1 + room.tallies + (room.inner + 1) / 2, RTE_CACHE_LINE_SIZE / sizeof(uint64_t));
	size_t sizes[] = { (size_t)workers * stride * sizeof(uint64_t), room.slots * sizeof(struct u32_slot),
		n * sizeof(struct u32_step), trie->n_branches * sizeof(struct u32_branch),
		trie->n_nodes * sizeof(struct u32_node), n * sizeof(struct u32_filter *),
		room.positions * sizeof(uint32_t), trie->n_tests * sizeof(uint32_t), (n + 1) * sizeof(uint32_t) };
	size_t bytes = sizeof(struct u32_list);
	struct u32_list *list;
	uint8_t *part;

	for (size_t i = 0; i < RTE_DIM(sizes); i++)
		bytes += RTE_ALIGN_CEIL(sizes[i], 16);
	list = list_pool_alloc(bytes);
	if (list == NULL)
		return NULL;
	list->bytes = bytes;
	part = (uint8_t *)(list + 1);
	list->n = (uint16_t)n;
	list->stride = stride;
	list->workers = workers;
	list->n_tallies = room.tallies;
	list->n_inner = room.inner;
	list->counters = carve(&part, sizes[0]); /* first: the counters of two workers share no line */
	list->slots = carve(&part, sizes[1]);
	list->steps = carve(&part, sizes[2]);
	list->branches = carve(&part, sizes[3]);
	list->nodes = carve(&part, sizes[4]);
	list->filters = carve(&part, sizes[5]);
	list->positions = carve(&part, sizes[6]);
	list->paths = carve(&part, sizes[7]);
	list->path_at = carve(&part, sizes[8]);
	return list;
}

/* Each row of positions starts where the one before it has room to end; then the filters fill them in their order. */
static void
fill_positions(struct u32_list *list, const struct trie *trie)
{
	struct u32_branch *branches = (struct u32_branch *)(uintptr_t)list->branches;
	struct u32_node *nodes = (struct u32_node *)(uintptr_t)list->nodes;
	uint32_t *positions = (uint32_t *)(uintptr_t)list->positions, *paths = (uint32_t *)(uintptr_t)list->paths;
	uint32_t *path_at = (uint32_t *)(uintptr_t)list->path_at, used = 0, tallies = 0, test = 0;

	for (uint32_t i = 0; i < trie->n_branches; i++) {
		branches[i].behind = used;
		used += trie->branches[i].n_behind;
	}
	for (uint32_t i = 0; i < trie->n_nodes; i++) {
		nodes[i].ends = used;
		used += trie->nodes[i].n_ends;
		nodes[i].through = used;
		used += trie->nodes[i].n_through;
		nodes[i].tally = tallies;
		if (nodes[i].branch != U32_NONE)
			tallies += trie->nodes[i].n_through;
	}
	for (uint32_t i = 0; i < list->n; i++) {
		uint32_t end = test + count_tests(list->filters[i]), node = 0;

		path_at[i] = test;
		for (; test < end; test++) {
			struct u32_branch *b = &branches[trie->tests[test].branch];

			node = trie->tests[test].node;
			paths[test] = node;
			positions[b->behind + b->n_behind++] = i;
			positions[nodes[node].through + nodes[node].n_through++] = i;
		}
		positions[nodes[node].ends + nodes[node].n_ends++] = i;
	}
	path_at[list->n] = test;
}

/* The slot where a value is, or where it could be put. */
static struct u32_slot *
slot_for(const struct u32_probe *probe, struct u32_slot *slots, uint32_t value)
{
	uint32_t at = u32_hash(probe, value);

	while (slots[at].node != 0 && slots[at].value != value)
		at = (at + 1) & probe->slot_mask;
	return &slots[at];
}

/* What a value leads to: a node, or at once the filter that ends there, if it is alone. */
static struct u32_slot
describe(const struct u32_list *list, const struct growing_slot *growing)
{
	const struct u32_node *node = &list->nodes[growing->node];
	struct u32_slot slot = { .value = growing->value, .node = growing->node };
	uint32_t position;

	if (node->branch != U32_NONE || node->n_ends != 1)
		return slot;
	position = list->positions[node->ends];
	slot.node = U32_LEAF | position;
	if (list->steps[position].sure) {
		slot.node |= U32_SURE;
		slot.classid = list->steps[position].classid;
	}
	return slot;
}

/*
 * A branch's values go into its slots by the multiplier, of a few, that leaves them nearest to where they are looked
 * for. How far that is, in all, is the answer.
 */
static uint32_t
put_values(struct u32_list *list, const struct trie *trie, const uint32_t *of_branch, struct u32_branch *branch,
	uint32_t n)
{
	struct u32_slot *slots = (struct u32_slot *)(uintptr_t)&list->slots[branch->slots];
	uint32_t distance = 0;

	memset(slots, 0, (branch->probe.slot_mask + 1u) * sizeof(*slots));
	for (uint32_t i = 0; i < n; i++) {
		struct u32_slot slot = describe(list, &trie->slots[of_branch[i]]);
		struct u32_slot *at = slot_for(&branch->probe, slots, slot.value);

		distance += (uint32_t)(at - slots - u32_hash(&branch->probe, slot.value)) & branch->probe.slot_mask;
		*at = slot;
	}
	return distance;
}

static void
choose_multiplier(struct u32_list *list, const struct trie *trie, const uint32_t *of_branch, struct u32_branch *branch,
	uint32_t n)
{
	/*
	 * Odd, and without pattern: the golden ratio of 2^32, and three that others hash with (Knuth; Murmur3's
	 * finaliser).
	 */
	static const uint32_t multipliers[] = { 0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x2c1b3c6d };
	uint32_t best = 0, least = UINT32_MAX;

	for (uint32_t i = 0; i < RTE_DIM(multipliers) && least != 0; i++) {
		uint32_t distance;

		branch->probe.multiplier = multipliers[i];
		distance = put_values(list, trie, of_branch, branch, n);
		if (distance < least) {
			least = distance;
			best = multipliers[i];
		}
	}
	if (branch->probe.multiplier != best) {
		branch->probe.multiplier = best;
		put_values(list, trie, of_branch, branch, n);
	}
}

static bool
fill_slots(struct u32_list *list, const struct trie *trie)
{
	struct u32_branch *branches = (struct u32_branch *)(uintptr_t)list->branches;
	uint32_t *by_branch = malloc((trie->n_slots + 1) * sizeof(*by_branch));
	uint32_t *next = malloc((trie->n_branches + 1) * sizeof(*next));
	uint32_t used = 0;

	if (by_branch != NULL && next != NULL) {
		for (uint32_t i = 0, at = 0; i < trie->n_branches; at += trie->branches[i++].n_slots)
			next[i] = at;
		for (uint32_t i = 0; i < trie->n_slots; i++)
			by_branch[next[trie->slots[i].branch]++] = i;
		for (uint32_t i = 0; i < trie->n_branches; i++) {
			uint32_t n = trie->branches[i].n_slots, slots = slots_for(n);

			branches[i].slots = used;
			branches[i].probe.slot_mask = (uint16_t)(slots - 1);
			branches[i].probe.shift = (uint8_t)(32 - __builtin_ctz(slots));
			choose_multiplier(list, trie, by_branch + next[i] - n, &branches[i], n);
			used += slots;
		}
	}
	free(by_branch);
	free(next);
	return by_branch != NULL && next != NULL;
}

static void
fill_steps(struct u32_list *list)
{
	struct u32_step *steps = (struct u32_step *)(uintptr_t)list->steps;

	for (uint32_t i = 0; i < list->n; i++) {
		const struct u32_filter *f = list->filters[i];
		uint32_t hash_mask = rte_be_to_cpu_32(f->jump.hash_mask);

		steps[i] = (struct u32_step){
			.link = f->link,
			.actions = f->actions,
			.jump = f->jump,
			.classid = f->classid,
			.in_port = f->in_port,
			.buckets = f->link != NULL ? f->link->divisor : 0,
			.flags = f->selector_flags,
			.hash_shift = hash_mask != 0 ? (uint8_t)__builtin_ctz(hash_mask) : 0,
			.sure = (f->selector_flags & TC_U32_TERMINAL) != 0 && f->link == NULL && f->in_port == 0 &&
				f->actions == NULL,
		};
	}
}

/* One key for each, of one field, and no value twice. */
static bool
is_flat(const struct u32_list *list, const struct trie *trie)
{
	return trie->n_branches == 1 && trie->n_tests == list->n && trie->n_slots == list->n;
}

static bool
fill(struct u32_list *list, const struct trie *trie)
{
	struct u32_branch *branches = (struct u32_branch *)(uintptr_t)list->branches;
	struct u32_node *nodes = (struct u32_node *)(uintptr_t)list->nodes;

	for (uint32_t i = 0; i < trie->n_branches; i++)
		branches[i] = (struct u32_branch){ .probe = trie->branches[i].probe, .next = trie->branches[i].next };
	for (uint32_t i = 0; i < trie->n_nodes; i++)
		nodes[i] = (struct u32_node){ .branch = trie->nodes[i].first_branch };
	fill_steps(list);
	fill_positions(list, trie);
	if (!fill_slots(list, trie))
		return false;
	list->flat = is_flat(list, trie);
	if (list->flat)
		list->probe = branches[0].probe;
	return true;
}

struct u32_list *
u32_list_compile(struct u32_bucket *bucket, struct u32_filter *const *filters, uint32_t n, unsigned int workers)
{
	struct u32_list *list = NULL;
	struct trie trie;

	if (trie_make(&trie, filters, n))
		list = allocate(&trie, n, workers);
	if (list != NULL) {
		memcpy(list->filters, filters, n * sizeof(*filters));
		if (!fill(list, &trie)) {
			list_pool_free(list, list->bytes);
			list = NULL;
		}
	}
	trie_free(&trie);
	if (list == NULL)
		return NULL;
	for (uint32_t i = 0; i < n; i++)
		filters[i]->references++;
	list->bucket = bucket;
	bucket->references++;
	return list;
}
