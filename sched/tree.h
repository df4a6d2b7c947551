/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of sched/'s core share. Disciplines need only weir/sched.h and pkt_queue.h. */
#ifndef WEIR_SCHED_TREE_H
#define WEIR_SCHED_TREE_H

#include <weir/random.h>
#include <weir/sched.h>

#include "arena.h"
#include "class_blocks.h"
#include "min_heap.h"
#include "pkt_queue.h"

#define SCHED_BURST 64

/*
 * Each class has room in front of it for a leaf qdisc of the size of a FIFO: what is needed together stands together,
 * and can be fetched ahead by the class's address alone.
 *
 *   | room: cold 128 B | qdisc's line, its state ... | struct class: cold 64 B | class's line, its state ...
 */
#define CLASS_ROOM ((size_t)256)

static inline struct qdisc *
class_room(const struct class *c)
{
	return (struct qdisc *)((uintptr_t)c - CLASS_ROOM);
}

/* Brings what an enqueue touches of a class and its leaf nearer to the processor; nothing of them needs to be there. */
static inline void
class_prefetch(const struct class *c)
{
	rte_prefetch0(&c->qdisc);
	rte_prefetch0(&class_room(c)->backlog_bytes);
}

/*
 * Classes by minor, in pages that exist where there are classes: a lookup is two loads, and readers need no lock. What
 * classification mostly wants to know stands close together, so that of thousands of classes none is touched.
 */
struct class_page {
	struct class *classes[256];
	uint32_t leaves[256]; /* slots of those that have a leaf qdisc; PKT_LEAF_NONE: none, or it has none */
};

struct class_table {
	struct class_page *pages[256];
	struct class *first, *last; /* as they were made */
	uint32_t count;
	uint32_t leaves_elsewhere; /* leaf qdiscs that are not in the room of their class */
	struct class *flushing; /* where a flush goes on; NULL: at the first */
};

/* It chooses between its classes, or has one that all is for. */
static inline bool
qdisc_classifies(const struct qdisc *q)
{
	return q->ops->classes != NULL && q->ops->classes->classify != NULL;
}

/* NULL: there is none; q has classes. */
static inline struct class_page *
class_page_of(const struct qdisc *q, uint32_t classid)
{
	return __atomic_load_n(&q->class_table->pages[TC_H_MIN(classid) >> 8], __ATOMIC_ACQUIRE);
}

/* The slot of the class that a filter names, if it is q's and has a leaf qdisc; else PKT_LEAF_NONE. */
static inline uint32_t
class_leaf_slot(const struct qdisc *q, uint32_t classid)
{
	const struct class_page *page = class_page_of(q, classid);

	if (unlikely(page == NULL || TC_H_MAJ(classid) != q->handle))
		return PKT_LEAF_NONE;
	return __atomic_load_n(&page->leaves[classid & 0xff], __ATOMIC_ACQUIRE);
}

/* A chain that was made on demand, and whose it is. */
struct tree_chain {
	struct tree_chain *next;
	struct chain *chain;
	const struct qdisc *qdisc; /* it belongs to this qdisc or to one of its classes */
};

struct sched_tree {
	struct sched_host host;
	struct qdisc *root;
	uint32_t generation; /* grows with every change of structure or filters */
	bool stateful; /* some chain, or some qdisc's own classification, must run at the owner, once */
	uint32_t at_owner; /* qdiscs with class_ops.at_owner */
	uint32_t nested; /* qdiscs below the root that classify, too */
	uint32_t bursts; /* counts what is classified at the owner and enqueued together */
	bool moving;
	bool root_is_default;
	bool root_is_leftover; /* only gives away what a deleted root held: noqueue once it is empty */
	uint64_t now;
	struct classify_ctx ctx; /* of the enqueue in course or the last one */
	struct qdisc *peeking; /* its peek is a dequeue: accounting stops below it */
	struct class_blocks *class_blocks; /* pkt.leaf -> class */
	struct pkt_pool pool;
	struct arena arena; /* of control: qdiscs, and what they and classes allocate */
	struct pkt_queue moved; /* packets between two places */
	struct class *retired_classes; /* unlinked by the owner, to be freed by control */
	struct qdisc *retired_qdiscs;
	struct qdisc *listed, *listed_last; /* all qdiscs, as they were made */
	struct tree_chain *chains;
	uint64_t random;
	const struct qdisc_ops *default_root;
	uint64_t estimate_due; /* when the next sample is due (tree_estimate) */
	struct min_heap estimators; /* (owner) by when they are due */
	struct pkt_sink own_sink; /* where the host gave none */
};

/* ---- qdisc.c */
struct qdisc *qdisc_create(struct sched_tree *tree, struct class *parent, const char *kind, const void *conf,
	const struct sched_stab *stab, uint32_t handle, struct error *err);
void qdisc_free(struct qdisc *q); /* with all below it; nothing is queued there and no reader can see it */
void qdisc_unlist(struct qdisc *q);
/* (owner) Takes all packets out of q to tree->moved. */
void qdisc_evacuate(struct qdisc *q);
void qdisc_set_sizes(struct qdisc *q, const struct sched_stab *inherited);

/* ---- tree.c */
/*
 * One change by the owner: fn(change) between two bursts; afterwards what is in tree->moved is enqueued at `reenter`
 * (NULL: the root).
 */
struct sched_change {
	struct sched_tree *tree;
	void (*fn)(struct sched_change *change);
	void *object, *argument;
	struct qdisc *reenter;
	const struct qdisc *touched; /* it, a class of it or what is below changes: those above are told (grafted) */
	int result;
	struct error *err;
};
int sched_run_change(struct sched_change *change);
int tree_add_chain(struct sched_tree *tree, struct chain *chain, const struct qdisc *q);
bool tree_uses_class(const struct sched_tree *tree, const struct class *c); /* some filter names it as its target */
void tree_remove_chain(struct sched_tree *tree, struct chain *chain);
/*
 * (owner) m, which is not queued here yet, goes to c now, a class of another choice than before: what is below c is
 * asked anew. False: a filter there has shot it, and it is gone.
 */
bool tree_choose_class(struct sched_tree *tree, struct class *c, struct rte_mbuf *m);

/* m comes from another tree: slots and generations are each tree's own. */
static inline void
tree_forget_leaf(struct rte_mbuf *m)
{
	pkt_of(m)->flags &= ~PKT_CLASSIFIED;
	pkt_of(m)->leaf = PKT_LEAF_NONE;
}

/*
 * The class that stands, or stood, where a leaf says that was once found in this tree; it is gone if it has no qdisc.
 */
static inline struct class *
tree_class_at(const struct sched_tree *tree, uint32_t leaf)
{
	const struct class_blocks *blocks = __atomic_load_n(&tree->class_blocks, __ATOMIC_ACQUIRE);

	return (struct class *)(class_blocks_at(blocks, leaf) + CLASS_ROOM);
}

/*
 * Whose class stands, or stood, there; NULL: nobody's any more. The class is only asked where those of several qdiscs
 * stand together, which are few of each.
 */
static inline const struct qdisc *
tree_owner_at(const struct sched_tree *tree, uint32_t leaf)
{
	const struct class_blocks *blocks = __atomic_load_n(&tree->class_blocks, __ATOMIC_ACQUIRE);
	const struct qdisc *owner = __atomic_load_n(&blocks->blocks[leaf >> CLASS_PLACE_BITS].owner, __ATOMIC_RELAXED);

	return likely(owner != NULL) ? owner : __atomic_load_n(&tree_class_at(tree, leaf)->qdisc, __ATOMIC_RELAXED);
}

/* What the packet names, be it gone or not; NULL: nothing. */
static inline struct class *
tree_named_class(const struct sched_tree *tree, const struct rte_mbuf *m)
{
	uint32_t leaf = pkt_of((struct rte_mbuf *)(uintptr_t)m)->leaf;

	return leaf == PKT_LEAF_NONE ? NULL : tree_class_at(tree, leaf);
}

/* NULL: none, or it is gone. */
static inline struct class *
tree_leaf_of(const struct sched_tree *tree, const struct rte_mbuf *m)
{
	struct class *c = tree_named_class(tree, m);

	return c == NULL || c->qdisc == NULL ? NULL : c;
}

/*
 * The class of q on the way to c, or c itself; NULL: none, or c is gone. What a held packet names may be freed by
 * control at this moment: c is asked once, and the qdisc that it was a class of stays for a grace period.
 */
static inline struct class *
tree_class_above(const struct qdisc *q, struct class *c)
{
	const struct qdisc *of;

	while (c != NULL && (of = __atomic_load_n(&c->qdisc, __ATOMIC_RELAXED)) != q)
		c = of == NULL ? NULL : of->parent;
	return c;
}

/* qdisc_class_of for who has the tree at hand. */
static inline struct class *
tree_class_of(const struct sched_tree *tree, const struct qdisc *q, const struct rte_mbuf *m)
{
	return tree_class_above(q, tree_named_class(tree, m));
}

/* ---- account.c: what plain leaves of q have taken or given (sched/fifo.h), for q itself and all above it */
void qdisc_queued_below(struct qdisc *q, uint32_t packets, uint64_t bytes);
void qdisc_left_below(struct qdisc *q, uint32_t packets, uint64_t bytes, uint64_t now);

/* ---- estimator.c */
void tree_estimate(struct sched_tree *tree, uint64_t now); /* (owner) takes the samples that are due */
void estimator_free(struct sched_tree *tree, struct estimator *e);

/* ---- class.c */
int class_table_add(struct class_table *table, struct class *c);
void class_table_remove(struct class_table *table, struct class *c);
void class_set_leaf(struct class *c, struct qdisc *leaf); /* (owner) of one that is in its table; NULL: none */
/* What most classful disciplines do when they are flushed: class by class, each once a call. */
uint16_t class_table_flush(struct class_table *table, const struct qdisc *q, struct rte_mbuf **pkts, uint16_t n);
void class_free(struct class *c);
void class_keep_counts(struct class *c, const struct qdisc *leaf);

#endif
