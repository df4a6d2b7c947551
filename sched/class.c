/* SPDX-License-Identifier: BSD-3-Clause */
/* Classes: made and changed by control, linked by the owner, found by minor from anywhere. */
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include <weir/qdisc/fifo.h>
#include <weir/sched.h>

#include "class_snapshot.h"
#include "tree.h"

#define CLASSES_FEW 64 /* of a qdisc, that take no block by themselves: it would be mostly empty */

/* ---- the table */

void
class_set_leaf(struct class *c, struct qdisc *leaf)
{
	struct class_page *page = class_page_of(c->qdisc, c->classid);

	__atomic_store_n(&c->leaf, leaf, __ATOMIC_RELEASE);
	__atomic_store_n(&page->leaves[c->classid & 0xff], leaf == NULL ? PKT_LEAF_NONE : c->slot, __ATOMIC_RELEASE);
}

int
class_table_add(struct class_table *table, struct class *c)
{
	struct class_page **page = &table->pages[TC_H_MIN(c->classid) >> 8];

	if (*page == NULL) {
		struct class_page *fresh = calloc(1, sizeof(*fresh));

		if (fresh == NULL)
			return -ENOMEM;
		memset(fresh->leaves, 0xff, sizeof(fresh->leaves)); /* PKT_LEAF_NONE */
		__atomic_store_n(page, fresh, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&(*page)->classes[c->classid & 0xff], c, __ATOMIC_RELEASE);
	class_set_leaf(c, c->leaf);
	c->next = NULL;
	if (table->last != NULL)
		table->last->next = c;
	else
		table->first = c;
	table->last = c;
	table->count++;
	return 0;
}

/* The next call goes on where this one stopped. */
uint16_t
class_table_flush(struct class_table *table, const struct qdisc *q, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t got = 0;

	for (uint32_t left = table->count; left > 0 && got < n && q->backlog_pkts != 0; left--) {
		struct class *c = table->flushing != NULL ? table->flushing : table->first;

		if (c->leaf != NULL && c->leaf->backlog_pkts != 0)
			got += qdisc_flush(c->leaf, pkts + got, n - got);
		table->flushing = got < n ? c->next : c;
	}
	return got;
}

void
class_table_remove(struct class_table *table, struct class *c)
{
	struct class_page *page = class_page_of(c->qdisc, c->classid);
	struct class *previous = NULL;

	table->flushing = NULL;
	__atomic_store_n(&page->leaves[c->classid & 0xff], PKT_LEAF_NONE, __ATOMIC_RELEASE);
	__atomic_store_n(&page->classes[c->classid & 0xff], NULL, __ATOMIC_RELEASE);
	for (struct class **at = &table->first; *at != NULL; previous = *at, at = &(*at)->next) {
		if (*at == c) {
			*at = c->next;
			if (table->last == c)
				table->last = previous;
			table->count--;
			return;
		}
	}
}

struct class *
sched_class_find(const struct qdisc *q, uint32_t classid)
{
	const struct class_page *page;
	struct class *c;

	if (q->class_table == NULL || TC_H_MAJ(classid) != q->handle)
		return NULL;
	page = class_page_of(q, classid);
	c = page == NULL ? NULL : __atomic_load_n(&page->classes[classid & 0xff], __ATOMIC_ACQUIRE);
	return c == NULL && q->ops->classes->any_minor ? q->class_table->first : c;
}

int
sched_class_walk(const struct qdisc *q, int (*visit)(void *arg, struct class *c), void *arg)
{
	struct class *next;

	if (q->class_table == NULL)
		return 0;
	if (q->ops->classes->snapshot != NULL)
		return class_snapshot_walk(q, visit, arg);
	for (struct class *c = q->class_table->first; c != NULL; c = next) {
		next = c->next;
		int rc = visit(arg, c);

		if (rc != 0)
			return rc;
	}
	return 0;
}

/* ---- life */

/* With the room before it. */
static size_t
class_bytes(const struct qdisc *q)
{
	return CLASS_ROOM + RTE_ALIGN_CEIL(offsetof(struct class, priv) + q->ops->classes->size, alignof(struct class));
}

/* Of the block for the next class: the first ones share blocks with those of other qdiscs. */
static const struct qdisc *
block_owner(const struct qdisc *q)
{
	return q->class_table->count < CLASSES_FEW ? NULL : q;
}

/* Who has its slot finds that it is gone. */
static void
free_memory(struct class *c)
{
	struct class_blocks *blocks = c->qdisc->tree->class_blocks;

	__atomic_store_n(&c->qdisc, NULL, __ATOMIC_RELAXED);
	class_blocks_put(blocks, c->slot);
}

static struct class *
class_alloc(struct qdisc *q, struct class *parent, uint32_t classid)
{
	struct sched_tree *tree = q->tree;
	uint32_t slot;
	uint8_t *memory = class_blocks_get(&tree->class_blocks, class_bytes(q), block_owner(q), &slot, tree->host.rcu);

	if (memory == NULL)
		return NULL;
	struct class *c = (struct class *)(memory + CLASS_ROOM);

	c->qdisc = q;
	c->parent = parent;
	c->classid = classid;
	c->slot = slot;
	c->born = tree->generation;
	return c;
}

void
class_free(struct class *c)
{
	struct sched_tree *tree = c->qdisc->tree;

	estimator_free(tree, c->estimator);
	if (c->leaf != NULL)
		qdisc_free(c->leaf);
	if (c->qdisc->ops->classes->destroy != NULL)
		c->qdisc->ops->classes->destroy(c);
	if (c->chain != NULL) {
		tree_remove_chain(tree, c->chain);
		chain_destroy(c->chain);
	}
	free_memory(c);
}

struct qdisc *
qdisc_default_leaf(struct class *c, struct error *err)
{
	const struct class_ops *ops = c->qdisc->ops->classes;
	struct fifo_conf conf;

	if (ops->default_leaf == NULL)
		return qdisc_create(c->qdisc->tree, c, "pfifo", NULL, NULL, 0, err);
	const char *kind = ops->default_leaf(c, &conf);

	return qdisc_create(c->qdisc->tree, c, kind, &conf, NULL, 0, err);
}

int
class_create(struct qdisc *q, uint32_t classid, const char *leaf_kind, const void *leaf_conf, struct class **made,
	struct error *err)
{
	struct class *c = class_alloc(q, NULL, classid);

	if (c == NULL)
		return error_set(
			err, ENOMEM, "out of memory for class %x:%x", TC_H_MAJ(classid) >> 16, TC_H_MIN(classid));
	if (leaf_kind != NULL) {
		c->leaf = qdisc_create(q->tree, c, leaf_kind, leaf_conf, NULL, 0, err);
		if (c->leaf == NULL) {
			class_free(c);
			return -(err != NULL ? err->code : EINVAL);
		}
	}
	if (class_table_add(q->class_table, c) != 0) {
		class_free(c);
		return error_set(
			err, ENOMEM, "out of memory for class %x:%x", TC_H_MAJ(classid) >> 16, TC_H_MIN(classid));
	}
	*made = c;
	return 0;
}

/* (owner) Out of the table, so that nobody finds it any more; its packets wait to be enqueued anew. */
void
class_remove(struct class *c)
{
	struct sched_tree *tree = c->qdisc->tree;

	if (c->leaf != NULL) {
		qdisc_evacuate(c->leaf);
		qdisc_unlist(c->leaf);
	}
	class_table_remove(c->qdisc->class_table, c);
	c->next = tree->retired_classes;
	tree->retired_classes = c;
}

/* What its leaf qdisc has counted stays the class's when that goes. */
void
class_keep_counts(struct class *c, const struct qdisc *leaf)
{
	c->past_drops += leaf->drops_total;
	c->past_bytes += leaf->sent_bytes;
	c->past_packets += leaf->sent_packets;
}

/* (owner) The class's leaf qdisc goes; its packets wait to be enqueued anew. */
static void
take_leaf_away(struct class *c)
{
	struct qdisc *leaf = c->leaf;

	qdisc_evacuate(leaf);
	qdisc_unlist(leaf);
	class_keep_counts(c, leaf);
	class_set_leaf(c, NULL);
	leaf->next_listed = c->qdisc->tree->retired_qdiscs;
	c->qdisc->tree->retired_qdiscs = leaf;
}

static void
link_class(struct sched_change *change)
{
	struct class *c = change->object;
	const struct class_ops *ops = c->qdisc->ops->classes;

	if (class_table_add(c->qdisc->class_table, c) != 0) {
		change->result = error_set(change->err, ENOMEM, "out of memory for class %x:%x",
			TC_H_MAJ(c->classid) >> 16, TC_H_MIN(c->classid));
		return;
	}
	if (c->parent != NULL) {
		if (c->parent->children++ == 0 && ops->inner_without_leaf && c->parent->leaf != NULL)
			take_leaf_away(c->parent);
	}
	ops->link(c);
}

static int
check_class_spec(struct qdisc *q, const struct class_spec *spec, struct class **parent, struct error *err)
{
	const struct class_ops *ops = q->ops->classes;

	*parent = NULL;
	if (ops == NULL)
		return error_set(err, EINVAL, "Qdisc \"%s\" is classless: it has no classes to add", q->ops->kind);
	if (ops->init == NULL)
		return error_set(
			err, EOPNOTSUPP, "The classes of %s come with the qdisc and cannot be added", q->ops->kind);
	if (TC_H_MIN(spec->classid) == 0)
		return error_set(
			err, EINVAL, "A class needs an id with a minor number, as in classid %x:10", q->handle >> 16);
	if (TC_H_MAJ(spec->classid) != q->handle)
		return error_set(err, EINVAL, "Class %x:%x does not belong to qdisc %x:", TC_H_MAJ(spec->classid) >> 16,
			TC_H_MIN(spec->classid), q->handle >> 16);
	if (sched_class_find(q, spec->classid) != NULL)
		return error_code(err, EEXIST);
	if (spec->parentid == TC_H_ROOT && ops->root_taken != 0)
		return error_code(err, ops->root_taken);
	if (spec->parentid == 0 || spec->parentid == TC_H_ROOT || spec->parentid == q->handle)
		return 0;
	*parent = sched_class_find(q, spec->parentid);
	if (*parent == NULL)
		return error_set(err, ENOENT, "Failed to find parentid");
	return 0;
}

/* The discipline chooses an id where none is given. */
static int
name_class(struct qdisc *q, struct class_spec *spec, struct error *err)
{
	const struct class_ops *ops = q->ops->classes;

	if (spec->classid != 0 || ops == NULL || ops->choose_id == NULL)
		return 0;
	spec->classid = ops->choose_id(q);
	return spec->classid != 0 ? 0 : error_set(err, ENOSPC, "All automatic class ids are in use");
}

int
sched_class_add(struct qdisc *q, const struct class_spec *asked, struct class **made, struct error *err)
{
	struct class_spec spec = *asked;
	struct class *parent, *c;
	int rc = name_class(q, &spec, err);

	if (rc == 0)
		rc = check_class_spec(q, &spec, &parent, err);
	if (rc != 0)
		return rc;
	c = class_alloc(q, parent, spec.classid);
	if (c == NULL)
		return error_set(err, ENOMEM, "out of memory for class %x:%x", TC_H_MAJ(spec.classid) >> 16,
			TC_H_MIN(spec.classid));
	rc = q->ops->classes->init(c, parent, spec.conf, q->tree->now, err);
	if (rc == 0) {
		c->leaf = qdisc_default_leaf(c, err);
		if (c->leaf == NULL)
			rc = -ENOMEM;
	}
	if (rc == 0) {
		struct sched_change change = { .tree = q->tree,
			.fn = link_class,
			.object = c,
			.reenter = q->tree->root,
			.touched = q,
			.err = err };

		rc = sched_run_change(&change);
	}
	if (rc != 0) {
		class_free(c);
		return rc;
	}
	if (made != NULL)
		*made = c;
	return 0;
}

struct row_change {
	struct qdisc *q;
	uint32_t minor;
	const void *conf; /* NULL: reset */
};

static void
change_row(struct sched_change *change)
{
	struct row_change *row = change->object;
	const struct class_ops *ops = row->q->ops->classes;

	change->result = row->conf != NULL ? ops->change_row(row->q, row->minor, row->conf, change->err)
					   : ops->reset_row(row->q, row->minor, change->err);
}

static int
run_row_change(struct row_change row, struct error *err)
{
	return sched_run_change(
		&(struct sched_change){ .tree = row.q->tree, .fn = change_row, .object = &row, .err = err });
}

int
sched_class_reset(struct qdisc *q, uint32_t classid, struct error *err)
{
	return run_row_change((struct row_change){ q, TC_H_MIN(classid), NULL }, err);
}

static void
change_class(struct sched_change *change)
{
	struct class *c = change->object;

	change->result = c->qdisc->ops->classes->change(c, change->argument, change->tree->now, change->err);
}

int
sched_class_change(struct class *c, const struct class_spec *spec, struct error *err)
{
	struct qdisc *q = c->qdisc;
	uint32_t parentid = c->parent != NULL ? c->parent->classid : q->handle;

	if (q->ops->classes->change_row != NULL)
		return run_row_change((struct row_change){ q, TC_H_MIN(spec->classid), spec->conf }, err);
	if (q->ops->classes->change == NULL)
		return error_set(err, EOPNOTSUPP, "The classes of %s cannot be changed", q->ops->kind);
	if (spec->parentid != 0 && spec->parentid != parentid && !(spec->parentid == TC_H_ROOT && c->parent == NULL))
		return error_set(err, EINVAL,
			"Class %x:%x has another parent, and a class cannot move: delete it and add it again",
			TC_H_MAJ(c->classid) >> 16, TC_H_MIN(c->classid));
	struct sched_change change = { .tree = q->tree,
		.fn = change_class,
		.object = c,
		.argument = (void *)(uintptr_t)spec->conf,
		.touched = q,
		.err = err };

	return sched_run_change(&change);
}

struct class_deletion {
	struct class *c;
	struct qdisc *parents_leaf; /* what its parent gets if it was the last child */
};

static void
unlink_class(struct sched_change *change)
{
	struct class_deletion *deletion = change->object;
	struct class *c = deletion->c, *parent = c->parent;

	if (c->leaf != NULL)
		qdisc_evacuate(c->leaf);
	c->qdisc->ops->classes->unlink(c);
	class_remove(c);
	if (parent != NULL)
		parent->children--;
	if (deletion->parents_leaf != NULL) {
		class_set_leaf(parent, deletion->parents_leaf);
		if (c->qdisc->ops->classes->grafted != NULL)
			c->qdisc->ops->classes->grafted(parent, change->tree->now);
	}
}

int
sched_class_delete(struct class *c, struct error *err)
{
	const struct class_ops *ops = c->qdisc->ops->classes;
	struct class_deletion deletion = { .c = c };
	struct sched_change change = { .tree = c->qdisc->tree,
		.fn = unlink_class,
		.object = &deletion,
		.reenter = c->qdisc->tree->root,
		.touched = c->qdisc };
	int rc;

	if (ops->unlink == NULL)
		return error_code(err, EOPNOTSUPP);
	/* Linux says no more than the errno here, and scripts' transcripts show it. */
	if (c->children != 0 || tree_uses_class(change.tree, c))
		return error_code(err, EBUSY);
	rc = ops->check_delete == NULL ? 0 : ops->check_delete(c, err);
	if (rc != 0)
		return rc;
	if (c->parent != NULL && c->parent->children == 1 && ops->inner_without_leaf) {
		deletion.parents_leaf = qdisc_default_leaf(c->parent, err);
		if (deletion.parents_leaf == NULL)
			return -ENOMEM;
	}
	return sched_run_change(&change);
}
