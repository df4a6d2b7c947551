/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a qdisc: kinds, handles, making, grafting, changing, deleting. All of it in the control thread but what
 * is marked (owner).
 */
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include <weir/sched.h>

#include "tree.h"

#define KINDS_MAX 64

static const struct qdisc_ops *kinds[KINDS_MAX];
static unsigned int kinds_count;

void
qdisc_register(const struct qdisc_ops *ops)
{
	if (kinds_count == KINDS_MAX || qdisc_find_ops(ops->kind) != NULL) {
		fprintf(stderr, "qdisc %s is registered twice, or there are more than %d kinds\n", ops->kind,
			KINDS_MAX);
		abort();
	}
	kinds[kinds_count++] = ops;
}

const struct qdisc_ops *
qdisc_find_ops(const char *kind)
{
	for (unsigned int i = 0; i < kinds_count; i++) {
		if (strcmp(kinds[i]->kind, kind) == 0)
			return kinds[i];
	}
	return NULL;
}

const struct qdisc_ops *
qdisc_ops_at(unsigned int i)
{
	return i < kinds_count ? kinds[i] : NULL;
}

/* ---- finding */

struct qdisc *
sched_qdisc_find(const struct sched_tree *tree, uint32_t handle)
{
	if (handle == 0)
		return NULL;
	for (struct qdisc *q = tree->listed; q != NULL; q = q->next_listed) {
		if (q->handle == handle)
			return q;
	}
	return NULL;
}

struct qdisc *
sched_qdisc_at(const struct sched_tree *tree, uint32_t parent)
{
	const struct qdisc *q;
	const struct class *c;

	if (parent == TC_H_ROOT)
		return sched_root(tree);
	q = sched_qdisc_find(tree, TC_H_MAJ(parent));
	c = q == NULL ? NULL : sched_class_find(q, parent);
	return c == NULL ? NULL : c->leaf;
}

int
sched_qdisc_walk(const struct sched_tree *tree, int (*visit)(void *arg, struct qdisc *q), void *arg)
{
	struct qdisc *root = sched_root(tree), *next;
	int rc = root == NULL ? 0 : visit(arg, root);

	for (struct qdisc *q = tree->listed; rc == 0 && q != NULL; q = next) {
		next = q->next_listed;
		if (q != root)
			rc = visit(arg, q);
	}
	return rc;
}

/* Linux counts through 8001: ... ffff: for all devices together and skips what the device has in use. */
static uint32_t
choose_handle(const struct sched_tree *tree)
{
	static uint32_t last = 0x8000u << 16;

	for (unsigned int tries = 0; tries < 0x8000; tries++) {
		last = last == 0xffffu << 16 ? 0x8001u << 16 : last + (1u << 16);
		/* ffff: is the ingress qdisc's. */
		if (last != 0xffffu << 16 && sched_qdisc_find(tree, last) == NULL)
			return last;
	}
	return 0;
}

static void
list(struct qdisc *q)
{
	struct sched_tree *tree = q->tree;

	q->next_listed = NULL;
	if (tree->listed_last != NULL)
		tree->listed_last->next_listed = q;
	else
		tree->listed = q;
	tree->listed_last = q;
}

static void
unlist(struct qdisc *q)
{
	struct sched_tree *tree = q->tree;
	struct qdisc *previous = NULL;

	if (q->handle == 0)
		return;
	for (struct qdisc **at = &tree->listed; *at != NULL; previous = *at, at = &(*at)->next_listed) {
		if (*at == q) {
			*at = q->next_listed;
			if (tree->listed_last == q)
				tree->listed_last = previous;
			return;
		}
	}
}

/* With all below it: nobody finds them any more. */
void
qdisc_unlist(struct qdisc *q)
{
	unlist(q);
	for (struct class *c = q->class_table == NULL ? NULL : q->class_table->first; c != NULL; c = c->next) {
		if (c->leaf != NULL)
			qdisc_unlist(c->leaf);
	}
}

/* ---- making */

/* With its data behind it; *copy is NULL where none is set. */
static int
copy_stab(struct sched_stab **copy, const struct sched_stab *stab, struct error *err)
{
	size_t bytes = stab->spec.tsize * sizeof(*stab->data);

	*copy = NULL;
	if (!stab->set)
		return 0;
	*copy = malloc(sizeof(**copy) + bytes);
	if (*copy == NULL)
		return error_set(err, ENOMEM, "out of memory for a size table");
	**copy = *stab;
	(*copy)->data = (uint16_t *)(*copy + 1);
	if (bytes != 0)
		memcpy((*copy)->data, stab->data, bytes);
	return 0;
}

static size_t
qdisc_bytes(const struct qdisc_ops *ops)
{
	return RTE_ALIGN_CEIL(offsetof(struct qdisc, priv) + ops->size, alignof(struct qdisc));
}

/* In the room of the class whose leaf it will be, if it is free and large enough. */
static struct qdisc *
alloc_memory(struct sched_tree *tree, struct class *parent, const struct qdisc_ops *ops)
{
	size_t bytes = qdisc_bytes(ops);

	if (parent == NULL || parent->room_taken || bytes > CLASS_ROOM) {
		void *memory = arena_alloc(&tree->arena, bytes);

		if (parent != NULL && memory != NULL)
			parent->qdisc->class_table->leaves_elsewhere++;
		return memory;
	}
	parent->room_taken = true;
	return memset(class_room(parent), 0, bytes);
}

static void
free_elsewhere(void *memory)
{
	struct qdisc *q = memory;

	arena_free(&q->tree->arena, q, qdisc_bytes(q->ops));
}

static void
free_memory(struct qdisc *q)
{
	arena_free(&q->tree->arena, q->drops, DROP__COUNT * sizeof(*q->drops));
	if (q->parent != NULL && q == class_room(q->parent)) {
		q->parent->room_taken = false;
		return;
	}
	if (q->parent != NULL)
		q->parent->qdisc->class_table->leaves_elsewhere--;
	/* Who was at a class of it, by the slot of a packet that is held, goes on to the class above it. */
	if (q->ops->classes != NULL)
		rcu_defer(q->tree->host.rcu, free_elsewhere, q);
	else
		free_elsewhere(q);
}

/* Where classes are made one by one, packets may be moved here before the first one is. */
static int
make_ahead(struct qdisc *q, struct error *err)
{
	q->ahead = arena_alloc(&q->tree->arena, sizeof(*q->ahead));
	if (q->ahead == NULL)
		return error_set(err, ENOMEM, "out of memory for a qdisc");
	pkt_queue_init(q->ahead, q);
	return 0;
}

struct qdisc *
qdisc_create(struct sched_tree *tree, struct class *parent, const char *kind, const void *conf,
	const struct sched_stab *stab, uint32_t handle, struct error *err)
{
	const struct qdisc_ops *ops = qdisc_find_ops(kind);
	struct qdisc *q;

	if (ops == NULL) {
		error_set(err, ENOENT, "Specified qdisc kind is unknown");
		return NULL;
	}
	q = alloc_memory(tree, parent, ops);
	if (q == NULL) {
		error_set(err, ENOMEM, "out of memory for a qdisc");
		return NULL;
	}
	q->ops = ops;
	q->tree = tree;
	q->parent = parent;
	q->drops = arena_alloc(&tree->arena, DROP__COUNT * sizeof(*q->drops));
	if (q->drops == NULL) {
		error_set(err, ENOMEM, "out of memory for a qdisc");
		free_memory(q);
		return NULL;
	}
	q->handle = handle;
	if (ops->classes != NULL) {
		if (ops->classes->at_owner && tree->at_owner++ == 0)
			__atomic_store_n(&tree->stateful, true, __ATOMIC_RELAXED);
		q->class_table = calloc(1, sizeof(*q->class_table));
		if (q->class_table == NULL) {
			error_set(err, ENOMEM, "out of memory for a table of classes");
			tree->at_owner -= ops->classes->at_owner;
			free_memory(q);
			return NULL;
		}
		if (parent != NULL && qdisc_classifies(q))
			__atomic_store_n(&tree->nested, tree->nested + 1, __ATOMIC_RELAXED);
	}
	if (stab != NULL && copy_stab(&q->stab, stab, err) != 0) {
		qdisc_free(q);
		return NULL;
	}
	if (ops->classes != NULL && ops->classes->init != NULL && make_ahead(q, err) != 0) {
		qdisc_free(q);
		return NULL;
	}
	/* Before init, which may make leaves that inherit it. */
	qdisc_set_sizes(q, parent == NULL ? NULL : parent->qdisc->sizes);
	if (ops->init(q, conf, tree->now, err) != 0) {
		qdisc_free(q);
		return NULL;
	}
	return q;
}

void *
qdisc_alloc(struct qdisc *q, size_t bytes)
{
	return arena_alloc(&q->tree->arena, bytes);
}

void
qdisc_dealloc(struct qdisc *q, void *object, size_t bytes)
{
	arena_free(&q->tree->arena, object, bytes);
}

void
qdisc_free(struct qdisc *q)
{
	struct class_table *table = q->class_table;

	estimator_free(q->tree, q->estimator);
	if (q->ops->classes != NULL && q->ops->classes->at_owner)
		q->tree->at_owner--;
	if (q->ops->destroy != NULL)
		q->ops->destroy(q);
	if (table != NULL) {
		while (table->first != NULL) {
			struct class *c = table->first;

			table->first = c->next;
			class_free(c);
		}
		for (unsigned int i = 0; i < RTE_DIM(table->pages); i++)
			free(table->pages[i]);
		free(table);
		if (q->parent != NULL && qdisc_classifies(q))
			__atomic_store_n(&q->tree->nested, q->tree->nested - 1, __ATOMIC_RELAXED);
	}
	if (q->chain != NULL) {
		tree_remove_chain(q->tree, q->chain);
		chain_destroy(q->chain);
	}
	unlist(q);
	free(q->stab);
	if (q->ahead != NULL)
		arena_free(&q->tree->arena, q->ahead, sizeof(*q->ahead));
	free_memory(q);
}

/* Everything below q counts packets by the nearest size table above it. */
void
qdisc_set_sizes(struct qdisc *q, const struct sched_stab *inherited)
{
	q->sizes = q->stab != NULL ? q->stab : inherited;
	q->plain = q->ops->plain_fifo && q->sizes == NULL && q->tree->host.observer == NULL;
	for (struct class *c = q->class_table == NULL ? NULL : q->class_table->first; c != NULL; c = c->next) {
		if (c->leaf != NULL)
			qdisc_set_sizes(c->leaf, q->sizes);
	}
}

/* (owner) */
void
qdisc_evacuate(struct qdisc *q)
{
	struct sched_tree *tree = q->tree;
	struct rte_mbuf *pkts[SCHED_BURST];
	uint16_t n;

	if (q->ops->refresh != NULL)
		q->ops->refresh(q);
	while (q->backlog_pkts != 0 && (n = qdisc_flush(q, pkts, SCHED_BURST)) != 0) {
		for (uint16_t i = 0; i < n; i++) {
			if (unlikely(!pkt_queue_push(&tree->moved, pkts[i], 0)))
				qdisc_drop(q, pkts[i], DROP_NO_BUFFER);
		}
	}
}

/* ---- grafting */

struct graft {
	struct class *at; /* NULL: the root */
	struct qdisc *old, *fresh; /* either may be NULL at the root */
	bool is_default, is_leftover;
};

/* (owner) */
static void
do_graft(struct sched_change *change)
{
	struct graft *graft = change->object;
	struct sched_tree *tree = change->tree;

	if (graft->old != NULL) {
		qdisc_evacuate(graft->old);
		qdisc_unlist(graft->old);
	}
	if (graft->fresh != NULL) {
		qdisc_set_sizes(graft->fresh, graft->at == NULL ? NULL : graft->at->qdisc->sizes);
		if (graft->fresh->handle != 0)
			list(graft->fresh);
	}
	if (graft->at == NULL) {
		__atomic_store_n(&tree->root, graft->fresh, __ATOMIC_RELEASE);
		tree->root_is_default = graft->is_default;
		tree->root_is_leftover = graft->is_leftover;
		if (tree->host.root_changed != NULL)
			tree->host.root_changed(tree->host.host_arg);
	} else {
		if (graft->old != NULL)
			class_keep_counts(graft->at, graft->old);
		class_set_leaf(graft->at, graft->fresh);
	}
	if (graft->fresh != NULL && graft->fresh->ops->placed != NULL)
		graft->fresh->ops->placed(graft->fresh);
}

static void
graft_and_free(struct sched_tree *tree, struct graft *graft)
{
	struct sched_change change = { .tree = tree, .fn = do_graft, .object = graft, .touched = graft->fresh };

	if (graft->fresh == NULL && graft->at != NULL)
		change.touched = graft->at->qdisc;

	sched_run_change(&change);
	if (graft->old != NULL) {
		rcu_synchronize(tree->host.rcu);
		qdisc_free(graft->old);
		sched_chain_changed(tree);
	}
}

static unsigned int
depth_of(const struct qdisc *q)
{
	unsigned int depth = 1;

	for (; q->parent != NULL; q = q->parent->qdisc)
		depth++;
	return depth;
}

/* The class under which spec's qdisc goes. */
static int
find_place(struct sched_tree *tree, uint32_t parent, struct class **at, struct error *err)
{
	struct qdisc *q = sched_qdisc_find(tree, TC_H_MAJ(parent));

	if (q == NULL)
		return error_set(err, ENOENT, "Failed to find specified qdisc");
	if (q->ops->classes == NULL)
		return error_set(err, EOPNOTSUPP, "Parent qdisc is not classful");
	*at = sched_class_find(q, parent);
	if (*at == NULL)
		return error_set(err, ENOENT, "Specified class not found");
	if (depth_of(q) >= SCHED_DEPTH_MAX)
		return error_set(err, ELOOP,
			"%d qdiscs stand one below another down to %x:, and no more may: put it in the place of one",
			SCHED_DEPTH_MAX, q->handle >> 16);
	if (q->ops->classes->may_graft != NULL && !q->ops->classes->may_graft(*at, err))
		return -EINVAL;
	return 0;
}

int
sched_qdisc_add(struct sched_tree *tree, const struct qdisc_spec *spec, struct qdisc **made, struct error *err)
{
	struct graft graft = { 0 };
	uint32_t handle = spec->handle;
	struct error own = { 0 };
	int rc = 0;

	if (TC_H_MIN(handle) != 0)
		return error_set(err, EINVAL, "Invalid minor handle: a qdisc has only a major one, as in 10:");
	if (spec->parent != TC_H_ROOT)
		rc = find_place(tree, spec->parent, &graft.at, err);
	if (rc != 0)
		return rc;
	graft.old = graft.at == NULL ? tree->root : graft.at->leaf;
	if (handle == 0)
		handle = choose_handle(tree);
	else if (sched_qdisc_find(tree, handle) != NULL && sched_qdisc_find(tree, handle) != graft.old)
		return error_set(err, EINVAL, "Cannot move an existing qdisc to a different parent");
	if (handle == 0)
		return error_set(err, ENOSPC, "All automatic handles are in use");
	graft.fresh = qdisc_create(tree, graft.at, spec->kind, spec->conf, spec->stab, handle, &own);
	if (graft.fresh == NULL) {
		sched_chain_changed(tree); /* it may have been stateful */
		if (err != NULL)
			*err = own;
		return -own.code;
	}
	if (err != NULL && own.code == 0 && own.msg[0] != '\0') /* a warning */
		*err = own;
	graft.fresh->place = graft.at == NULL ? 0 : spec->parent;
	if (made != NULL)
		*made = graft.fresh;
	graft_and_free(tree, &graft);
	return 0;
}

static void
change_qdisc(struct sched_change *change)
{
	struct qdisc *q = change->object;

	change->result = q->ops->change(q, change->argument, change->tree->now, change->err);
}

int
sched_qdisc_change(struct qdisc *q, const void *conf, struct error *err)
{
	struct sched_change change = { .tree = q->tree,
		.fn = change_qdisc,
		.object = q,
		.argument = (void *)(uintptr_t)conf,
		.touched = q,
		.err = err };

	if (q->ops->change == NULL)
		return error_set(err, EOPNOTSUPP, "Change operation not supported by specified qdisc");
	return sched_run_change(&change);
}

/* (owner) The new table is in `argument`, and the old one is handed back in its place. */
static void
swap_stab(struct sched_change *change)
{
	struct qdisc *q = change->object;
	struct sched_stab **fresh = change->argument;

	RTE_SWAP(q->stab, *fresh);
	qdisc_set_sizes(q, q->parent == NULL ? NULL : q->parent->qdisc->sizes);
}

int
sched_qdisc_set_stab(struct qdisc *q, const struct sched_stab *stab, struct error *err)
{
	struct sched_stab *copy;
	int rc = copy_stab(&copy, stab, err);
	struct sched_change change = { .tree = q->tree, .fn = swap_stab, .object = q, .argument = &copy };

	if (rc != 0)
		return rc;
	sched_run_change(&change);
	rcu_synchronize(q->tree->host.rcu);
	free(copy);
	return 0;
}

int
sched_set_default_root(struct sched_tree *tree, const char *kind, struct error *err)
{
	struct graft graft = { .old = tree->root, .is_default = true };

	if (kind != NULL && qdisc_find_ops(kind) == NULL)
		return error_set(err, ENOENT, "Specified qdisc kind is unknown");
	tree->default_root = kind == NULL ? NULL : qdisc_find_ops(kind);
	if (tree->root != NULL && !tree->root_is_default && !tree->root_is_leftover)
		return 0;
	if (tree->default_root == NULL && sched_backlog(tree) != 0) {
		graft.is_leftover = true;
		kind = "pfifo";
	}
	if (kind != NULL) {
		graft.fresh = qdisc_create(tree, NULL, kind, NULL, NULL, 0, err);
		if (graft.fresh == NULL)
			return -(err != NULL ? err->code : ENOMEM);
	}
	graft_and_free(tree, &graft);
	return 0;
}

int
sched_qdisc_delete(struct qdisc *q, struct error *err)
{
	struct sched_tree *tree = q->tree;
	struct graft graft = { .at = q->parent, .old = q };

	if (q->handle == 0)
		return error_set(err, ENOENT, "Cannot delete qdisc with handle of zero");
	if (q->parent != NULL && q->parent->qdisc->ops->classes->leaf_optional) {
		graft_and_free(tree, &graft);
		return 0;
	}
	if (q->parent != NULL) {
		graft.fresh = qdisc_default_leaf(q->parent, err);
	} else {
		graft.is_default = true;
		graft.is_leftover = tree->default_root == NULL;
		graft.fresh = qdisc_create(
			tree, NULL, graft.is_leftover ? "pfifo" : tree->default_root->kind, NULL, NULL, 0, err);
	}
	if (graft.fresh == NULL)
		return -ENOMEM;
	graft_and_free(tree, &graft);
	return 0;
}

struct chain *
sched_chain(struct sched_tree *tree, uint32_t parent, struct error *err)
{
	struct qdisc *q =
		parent == 0 || parent == TC_H_ROOT ? sched_root(tree) : sched_qdisc_find(tree, TC_H_MAJ(parent));
	struct chain **place, *chain;

	if (q == NULL) {
		error_set(err, EINVAL, "Parent Qdisc doesn't exists");
		return NULL;
	}
	if (q->ops->classes == NULL) {
		error_set(err, EOPNOTSUPP, "Qdisc not classful");
		return NULL;
	}
	if (q->ops->classes->no_filters) {
		error_set(err, EOPNOTSUPP, "Class doesn't support blocks");
		return NULL;
	}
	place = &q->chain;
	if (parent != TC_H_ROOT && TC_H_MIN(parent) != 0) {
		struct class *c = sched_class_find(q, parent);

		if (c == NULL) {
			error_set(err, EINVAL, "Specified class doesn't exist");
			return NULL;
		}
		if (q->ops->classes->no_class_filters != NULL) {
			error_set(err, EINVAL, "%s", q->ops->classes->no_class_filters);
			return NULL;
		}
		if (q->ops->classes->init == NULL && !q->ops->classes->any_minor) {
			error_set(err, EINVAL,
				"The classes of %s ask no filters: attach them to the qdisc, %x:", q->ops->kind,
				q->handle >> 16);
			return NULL;
		}
		if (!q->ops->classes->any_minor)
			place = &c->chain;
	}
	if (*place != NULL)
		return *place;
	chain = chain_create(tree->host.rcu);
	if (chain == NULL || tree_add_chain(tree, chain, q) != 0) {
		if (chain != NULL)
			chain_destroy(chain);
		error_set(err, ENOMEM, "out of memory for a filter chain");
		return NULL;
	}
	__atomic_store_n(place, chain, __ATOMIC_RELEASE);
	return chain;
}
