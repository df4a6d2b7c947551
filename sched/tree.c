/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tree of one egress port: packets in, packets out, and how a change of structure comes to its owner.
 *
 * Classification goes down level by level: the root's chain names a class, that class's leaf qdisc may have a chain
 * that names one of its own classes, and so on. The deepest class found is the packet's leaf, and its ancestors are the
 * path: one index says it all.
 */
#include <stdlib.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_debug.h>

#include <weir/sched.h>

#include "tree.h"

int
sched_tree_create(const struct sched_host *host, struct sched_tree **made, struct error *err)
{
	struct sched_tree *tree = calloc(1, sizeof(*tree));

	if (tree == NULL || class_blocks_create(&tree->class_blocks) != 0) {
		free(tree);
		return error_set(err, ENOMEM, "out of memory for a scheduler tree");
	}
	tree->host = *host;
	if (tree->host.sink == NULL)
		tree->host.sink = &tree->own_sink;
	tree->generation = 1;
	tree->estimate_due = SCHED_NEVER;
	tree->random = host->seed;
	tree->ctx.sink = tree->host.sink;
	pkt_pool_init(&tree->pool);
	tree->moved.pool = &tree->pool;
	*made = tree;
	return 0;
}

static void
shed_root(struct sched_change *change)
{
	struct sched_tree *tree = change->tree;
	enum drop_reason *reason = change->argument;
	struct qdisc *root = tree->root;
	struct rte_mbuf *m;

	if (root == NULL)
		return;
	qdisc_evacuate(root);
	tree->root = NULL;
	if (tree->host.root_changed != NULL)
		tree->host.root_changed(tree->host.host_arg);
	while ((m = pkt_queue_pop(&tree->moved)) != NULL) {
		/*
		 * As if it had been dropped while queued, so that the counts of the root still add up for who reads
		 * them last.
		 */
		m->hash.fdir.hi = pkt_bytes(root, m);
		qdisc_drop(root, m, *reason);
	}
	change->object = root;
}

void
sched_tree_destroy(struct sched_tree *tree, enum drop_reason reason)
{
	struct sched_change change = { .tree = tree, .fn = shed_root, .argument = &reason };

	if (tree == NULL)
		return;
	sched_run_change(&change);
	rcu_synchronize(tree->host.rcu);
	if (change.object != NULL)
		qdisc_free(change.object);
	rcu_flush(tree->host.rcu);
	pkt_pool_destroy(&tree->pool);
	arena_destroy(&tree->arena);
	class_blocks_destroy(tree->class_blocks);
	free(tree->estimators.slots);
	free(tree);
}

/* ---- chains */

int
tree_add_chain(struct sched_tree *tree, struct chain *chain, const struct qdisc *q)
{
	struct tree_chain *entry = malloc(sizeof(*entry));

	if (entry == NULL)
		return -ENOMEM;
	*entry = (struct tree_chain){ .next = tree->chains, .chain = chain, .qdisc = q };
	/* All chains of a qdisc and its classes number their u32 tables together. */
	chain_set_handle(chain, q->handle);
	for (const struct tree_chain *other = tree->chains; other != NULL; other = other->next) {
		if (other->qdisc == q) {
			chain_join(chain, other->chain);
			break;
		}
	}
	tree->chains = entry;
	return 0;
}

bool
tree_uses_class(const struct sched_tree *tree, const struct class *c)
{
	for (const struct tree_chain *entry = tree->chains; entry != NULL; entry = entry->next) {
		if (entry->qdisc == c->qdisc && chain_uses_class(entry->chain, c->classid) != 0)
			return true;
	}
	return false;
}

void
tree_remove_chain(struct sched_tree *tree, struct chain *chain)
{
	for (struct tree_chain **at = &tree->chains; *at != NULL; at = &(*at)->next) {
		struct tree_chain *entry = *at;

		if (entry->chain == chain) {
			*at = entry->next;
			free(entry);
			return;
		}
	}
}

void
sched_chain_changed(struct sched_tree *tree)
{
	bool stateful = tree->at_owner != 0;

	for (const struct tree_chain *entry = tree->chains; entry != NULL && !stateful; entry = entry->next)
		stateful = !chain_pure(entry->chain);
	__atomic_store_n(&tree->stateful, stateful, __ATOMIC_RELAXED);
	__atomic_store_n(&tree->generation, tree->generation + 1, __ATOMIC_RELEASE);
}

/* ---- classification */

static void classify_from(const struct qdisc *q, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n);

/* In the qdiscs of the classes found, as far as they have classes themselves. */
static void
classify_below(const struct sched_tree *tree, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
	const uint32_t *leaves)
{
	uint16_t i = 0;

	while (i < n) {
		uint32_t found = leaves[i];
		uint16_t first = i++;

		if (found == PKT_LEAF_NONE)
			continue;
		const struct qdisc *leaf = __atomic_load_n(&tree_class_at(tree, found)->leaf, __ATOMIC_ACQUIRE);

		if (leaf == NULL || leaf->ops->classes == NULL)
			continue;
		/* A run of packets for the same class goes down together. */
		while (i < n && leaves[i] == found)
			i++;
		classify_from(leaf, ctx, pkts + first, i - first);
	}
}

static void
classify_from(const struct qdisc *q, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n)
{
	uint32_t leaves[SCHED_BURST];

	if (!qdisc_classifies(q))
		return;
	q->ops->classes->classify(q, ctx, pkts, n, leaves);
	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = pkt_of(pkts[i]);

		if (leaves[i] != PKT_LEAF_NONE && (p->flags & PKT_SHOT) == 0)
			p->leaf = leaves[i];
		else
			leaves[i] = PKT_LEAF_NONE;
	}
	/*
	 * Where nobody below classifies, of classes nothing is read: there may be thousands, and none near the
	 * processor.
	 */
	if (__atomic_load_n(&q->tree->nested, __ATOMIC_RELAXED) != 0)
		classify_below(q->tree, ctx, pkts, n, leaves);
}

static void
classify_burst(const struct qdisc *root, uint32_t generation, const struct classify_ctx *ctx, struct rte_mbuf **pkts,
	uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = pkt_of(pkts[i]);

		p->leaf = PKT_LEAF_NONE;
		p->generation = generation;
		p->flags = (p->flags & ~(PKT_SHOT | PKT_STOLEN)) | PKT_CLASSIFIED;
	}
	classify_from(root, ctx, pkts, n);
}

void
sched_classify(struct sched_tree *tree, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n)
{
	/* The generation first: if anything changes from here on, the packets are found stale and classified again. */
	uint32_t generation = __atomic_load_n(&tree->generation, __ATOMIC_ACQUIRE);
	const struct qdisc *root = __atomic_load_n(&tree->root, __ATOMIC_ACQUIRE);

	if (root == NULL || __atomic_load_n(&tree->stateful, __ATOMIC_RELAXED)) {
		for (uint16_t i = 0; i < n; i++)
			pkt_of(pkts[i])->flags &= ~(PKT_CLASSIFIED | PKT_SHOT);
		return;
	}
	for (uint16_t done = 0; done < n; done += SCHED_BURST)
		classify_burst(root, generation, ctx, pkts + done, RTE_MIN(n - done, SCHED_BURST));
}

struct class *
qdisc_class_of(const struct qdisc *q, const struct rte_mbuf *m)
{
	return tree_class_of(q->tree, q, m);
}

/* ---- enqueue and dequeue (owner) */

/* Where a packet that a filter shot is counted: the qdisc below the last class that was found for it. */
static struct qdisc *
shooter(struct sched_tree *tree, const struct rte_mbuf *m)
{
	struct class *c = tree_leaf_of(tree, m);

	return c == NULL ? tree->root : c->leaf != NULL ? c->leaf : c->qdisc;
}

bool
tree_choose_class(struct sched_tree *tree, struct class *c, struct rte_mbuf *m)
{
	tree->ctx.now = tree->now; /* it may be a dequeue that brings m here */
	pkt_of(m)->leaf = c->slot;
	classify_from(c->leaf, &tree->ctx, &m, 1);
	if (likely((pkt_of(m)->flags & PKT_SHOT) == 0))
		return true;
	qdisc_shot(shooter(tree, m), m);
	return false;
}

/* Filters of q count or police what they are asked about, or q itself remembers it: once for each packet. */
static bool
asks_once(const struct sched_tree *tree, const struct qdisc *q)
{
	if (q->ops->classes->at_owner)
		return true;
	for (const struct tree_chain *entry = tree->chains; entry != NULL; entry = entry->next) {
		if (entry->qdisc == q && !chain_pure(entry->chain))
			return true;
	}
	return false;
}

/* The class of q on the way to `leaf`, if it is still there and has a leaf. */
static struct class *
class_kept(const struct qdisc *q, struct class *leaf)
{
	struct class *c = tree_class_above(q, leaf);

	return c != NULL && c->leaf != NULL && sched_class_find(q, c->classid) == c ? c : NULL;
}

/*
 * m, which has been classified before, is to be found again from q on, which stands in `above` (NULL: at the root):
 * where it may be asked about once only, it keeps its class.
 */
static void
classify_again(struct sched_tree *tree, const struct qdisc *q, const struct class *above, struct rte_mbuf *m)
{
	struct pkt *p = pkt_of(m);
	struct class *before = tree_leaf_of(tree, m);

	if (before != NULL && (int32_t)(p->generation - before->born) < 0)
		before = NULL; /* that one is gone, and another stands there */
	p->generation = tree->generation;
	p->leaf = class_slot(above);
	p->flags = (p->flags & ~(PKT_SHOT | PKT_STOLEN)) | PKT_CLASSIFIED;
	while (q != NULL && qdisc_classifies(q)) {
		uint32_t leaf = class_slot(asks_once(tree, q) ? class_kept(q, before) : NULL);

		if (leaf == PKT_LEAF_NONE)
			q->ops->classes->classify(q, &tree->ctx, &m, 1, &leaf);
		if (leaf == PKT_LEAF_NONE || (p->flags & PKT_SHOT) != 0)
			return;
		p->leaf = leaf;
		q = tree_class_at(tree, leaf)->leaf;
	}
}

void
qdisc_classify_held(const struct qdisc *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct sched_tree *tree = q->tree;
	bool moved = tree->ctx.moved;

	if (q->ops->classes == NULL || q->parent == NULL)
		return;
	tree->ctx.moved = true; /* filters that ask once have asked */
	tree->ctx.now = tree->now;
	for (uint16_t i = 0; i < n; i++) {
		if (unlikely(pkt_of(pkts[i])->generation != tree->generation))
			classify_again(tree, q, q->parent, pkts[i]);
	}
	tree->ctx.moved = moved;
}

/* Classifies what is not or no longer classified and drops what was shot; returns how many are left. */
static uint16_t
classify_anew(struct sched_tree *tree, struct rte_mbuf **pkts, uint16_t n)
{
	struct rte_mbuf *unclassified[SCHED_BURST];
	uint16_t asked = 0, kept = 0;

	tree->bursts++;
	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = pkt_of(pkts[i]);

		if ((p->flags & PKT_CLASSIFIED) != 0 && p->generation == tree->generation)
			continue;
		if (tree->moving && tree->stateful)
			classify_again(tree, tree->root, NULL, pkts[i]);
		else
			unclassified[asked++] = pkts[i];
	}
	if (asked != 0)
		classify_burst(tree->root, tree->generation, &tree->ctx, unclassified, asked);
	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = pkt_of(pkts[i]);

		if (unlikely((p->flags & PKT_SHOT) != 0))
			qdisc_shot(shooter(tree, pkts[i]), pkts[i]);
		else
			pkts[kept++] = pkts[i];
	}
	return kept;
}

/* They are enqueued now. False: some packet is to be classified, or was shot. */
static inline bool
are_classified(const struct sched_tree *tree, struct rte_mbuf **pkts, uint16_t n)
{
	uint32_t generation = tree->generation;
	bool ready = true;

	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = pkt_of(pkts[i]);

		ready &= p->generation == generation && (p->flags & (PKT_CLASSIFIED | PKT_SHOT)) == PKT_CLASSIFIED;
		p->time_ns = tree->now;
	}
	return ready;
}

/* Gives a burst to the root. */
static uint16_t
enqueue_burst(struct sched_tree *tree, struct rte_mbuf **pkts, uint16_t n)
{
	if (unlikely(!are_classified(tree, pkts, n)))
		n = classify_anew(tree, pkts, n);
	return n == 0 ? 0 : qdisc_enqueue(tree->root, pkts, n, tree->now);
}

uint16_t
sched_enqueue(struct sched_tree *tree, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t queued = 0;

	RTE_ASSERT(tree->root != NULL);
	tree->ctx = *ctx;
	tree->now = ctx->now;
	for (uint16_t done = 0; done < n; done += SCHED_BURST)
		queued += enqueue_burst(tree, pkts + done, RTE_MIN(n - done, SCHED_BURST));
	return queued;
}

uint16_t
sched_pass(struct sched_tree *tree, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n)
{
	struct qdisc *root = tree->root;

	if (root == NULL || root->ops->pass == NULL || root->backlog_pkts != 0)
		return 0;
	n = RTE_MIN(n, SCHED_BURST);
	tree->now = ctx->now;
	if (unlikely(tree->now >= tree->estimate_due))
		tree_estimate(tree, tree->now);
	return are_classified(tree, pkts, n) ? root->ops->pass(root, pkts, n, tree->now) : 0;
}

uint16_t
sched_dequeue(struct sched_tree *tree, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	tree->now = now;
	if (unlikely(now >= tree->estimate_due))
		tree_estimate(tree, now);
	return tree->root == NULL || tree->root->backlog_pkts == 0 ? 0 : qdisc_dequeue(tree->root, pkts, n, now);
}

uint64_t
sched_next_event(const struct sched_tree *tree, uint64_t now)
{
	return tree->root == NULL || tree->root->backlog_pkts == 0 ? SCHED_NEVER : qdisc_next_event(tree->root, now);
}

uint32_t
sched_backlog(const struct sched_tree *tree)
{
	return tree->root == NULL ? 0 : tree->root->backlog_pkts;
}

bool
sched_has_root(const struct sched_tree *tree)
{
	const struct qdisc *root = __atomic_load_n(&tree->root, __ATOMIC_ACQUIRE);

	return root != NULL && (!tree->root_is_leftover || __atomic_load_n(&root->backlog_pkts, __ATOMIC_RELAXED) != 0);
}

struct qdisc *
sched_root(const struct sched_tree *tree)
{
	return tree->root_is_leftover ? NULL : tree->root;
}

bool
sched_can_bypass(const struct sched_tree *tree)
{
	const struct qdisc *root = tree->root;

	return root != NULL && root->ops->bypass && root->backlog_pkts == 0 && !tree->root_is_leftover;
}

void
sched_bypassed(struct sched_tree *tree, struct rte_mbuf **pkts, uint16_t n, uint64_t bytes, uint64_t now)
{
	struct qdisc *root = tree->root;
	const struct sched_observer *observer = tree->host.observer;

	if (unlikely(now >= tree->estimate_due))
		tree_estimate(tree, now);
	if (unlikely(root->sizes != NULL)) {
		bytes = 0;
		for (uint16_t i = 0; i < n; i++)
			bytes += pkt_bytes(root, pkts[i]);
	}
	root->sent_bytes += bytes;
	root->sent_packets += n;
	for (uint16_t i = 0; unlikely(observer != NULL) && i < n; i++) {
		observer->queued(observer->arg, root, pkts[i], now);
		observer->left(observer->arg, root, pkts[i], now);
	}
}

bool
sched_uses_lanes(const struct sched_tree *tree)
{
	return tree->root != NULL && tree->root->ops->uses_lanes;
}

void
sched_take_back(struct sched_tree *tree, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		tree_forget_leaf(pkts[i]);
		if (unlikely(!pkt_queue_push(&tree->moved, pkts[i], 0)))
			qdisc_drop(tree->root, pkts[i], DROP_NO_BUFFER);
	}
}

void
sched_set_mtu(struct sched_tree *tree, uint32_t mtu)
{
	tree->host.mtu = mtu;
}

void
sched_set_tx_queue_len(struct sched_tree *tree, uint32_t packets)
{
	tree->host.tx_queue_len = packets;
}

void
sched_set_sink(struct sched_tree *tree, struct pkt_sink *sink)
{
	tree->host.sink = tree->ctx.sink = sink;
}

/* ---- changes */

static void
reenter_moved(struct sched_tree *tree, struct qdisc *q)
{
	struct rte_mbuf *pkts[SCHED_BURST];
	uint16_t n;

	tree->moving = tree->ctx.moved = true;
	while (tree->moved.count != 0) {
		for (n = 0; n < SCHED_BURST && (pkts[n] = pkt_queue_pop(&tree->moved)) != NULL; n++)
			;
		n = classify_anew(tree, pkts, n);
		if (n != 0)
			qdisc_enqueue(q, pkts, n, tree->now);
	}
	tree->moving = tree->ctx.moved = false;
}

/* What those above remember of when q could give a packet may be wrong now. */
static void
tell_ancestors(const struct qdisc *q, uint64_t now)
{
	for (struct class *c = q->parent; c != NULL; c = c->qdisc->parent) {
		if (c->qdisc->ops->classes->grafted != NULL)
			c->qdisc->ops->classes->grafted(c, now);
	}
}

static void
run_change(void *arg)
{
	struct sched_change *change = arg;
	struct sched_tree *tree = change->tree;

	if (tree->host.now != NULL)
		tree->now = tree->host.now(tree->host.host_arg);
	tree->ctx.now = tree->now;
	change->fn(change);
	__atomic_store_n(&tree->generation, tree->generation + 1, __ATOMIC_RELEASE);
	if (change->touched != NULL)
		tell_ancestors(change->touched, tree->now);
	if (tree->moved.count != 0)
		reenter_moved(tree, change->reenter != NULL ? change->reenter : tree->root);
}

static void
free_retired(struct sched_tree *tree)
{
	rcu_synchronize(tree->host.rcu);
	/* Before the classes in whose rooms they may stand. */
	while (tree->retired_qdiscs != NULL) {
		struct qdisc *q = tree->retired_qdiscs;

		tree->retired_qdiscs = q->next_listed;
		qdisc_free(q);
	}
	while (tree->retired_classes != NULL) {
		struct class *c = tree->retired_classes;

		tree->retired_classes = c->next;
		class_free(c);
	}
	sched_chain_changed(tree); /* what was stateful may be gone with them */
}

int
sched_run_change(struct sched_change *change)
{
	struct sched_tree *tree = change->tree;

	if (tree->host.run != NULL)
		tree->host.run(tree->host.host_arg, run_change, change);
	else
		run_change(change);
	if (tree->retired_classes != NULL || tree->retired_qdiscs != NULL)
		free_retired(tree);
	return change->result;
}
