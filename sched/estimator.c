/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rate estimators of a tree (rate_average.h): the owner takes the samples that are due when the tree is next
 * dequeued from, or when somebody asks.
 */
#include <stdlib.h>
#include <string.h>

#include <weir/rate_average.h>

#include "tree.h"

#define FIRST_SLOTS 16u

#define SAMPLES_MAX 64 /* at one dequeue: with thousands, some are sampled a few microseconds late */

struct estimator {
	const struct qdisc *q; /* of one of these */
	const struct class *c;
	struct rate_average average;
};

static void
set_due(struct sched_tree *tree)
{
	const struct min_heap *heap = &tree->estimators;

	tree->estimate_due = heap_empty(heap) ? SCHED_NEVER : heap_first(heap)->key;
}

static void
count(const struct estimator *e, struct sched_stats *stats)
{
	if (e->q != NULL)
		qdisc_get_stats(e->q, stats);
	else
		class_get_stats(e->c, stats);
}

/* Takes all samples that are due at `now`. What mq's lanes send passes no dequeue of this tree: taken as even. */
static void
sample(struct estimator *e, uint64_t now)
{
	struct sched_stats stats;

	count(e, &stats);
	rate_average_sample(&e->average, now, stats.bytes, stats.packets, e->q != NULL && e->q->ops->uses_lanes);
}

void
tree_estimate(struct sched_tree *tree, uint64_t now)
{
	for (unsigned int i = 0; i < SAMPLES_MAX && tree->estimate_due <= now; i++) {
		struct estimator *e = heap_first(&tree->estimators)->item;

		sample(e, now);
		heap_change_first(&tree->estimators, e->average.due);
		set_due(tree);
	}
}

/* ---- control ---- */

struct estimating {
	struct sched_tree *tree;
	struct estimator *e;
	struct tc_estimator spec;
	bool linked; /* already */
	struct heap_entry *slots; /* the heap's, from now on; NULL: it has room */
	uint32_t size;
	struct sched_rate rate;
};

static uint64_t
time_of(const struct sched_tree *tree)
{
	return tree->host.now != NULL ? tree->host.now(tree->host.host_arg) : tree->now;
}

static void
run(struct sched_tree *tree, void (*fn)(void *arg), struct estimating *arg)
{
	if (tree->host.run != NULL)
		tree->host.run(tree->host.host_arg, fn, arg);
	else
		fn(arg);
}

static void
catch_up(struct sched_tree *tree)
{
	uint64_t now = time_of(tree);

	while (tree->estimate_due <= now)
		tree_estimate(tree, now);
}

/* (owner) */
static void
start(void *arg)
{
	struct estimating *s = arg;
	struct min_heap *heap = &s->tree->estimators;
	struct heap_entry *old = heap->slots;
	struct sched_stats stats;

	catch_up(s->tree);
	if (s->slots != NULL) {
		if (old != NULL)
			memcpy(s->slots, old, heap->end * sizeof(*old));
		heap->end = RTE_MAX(heap->end, HEAP_ROOT);
		heap->size = s->size;
		heap->slots = s->slots;
		s->slots = old; /* to be freed */
	}
	if (s->linked)
		heap_remove(heap, s->e);
	count(s->e, &stats);
	rate_average_start(&s->e->average, &s->spec, time_of(s->tree), stats.bytes, stats.packets);
	heap_push(heap, s->e->average.due, s->e);
	set_due(s->tree);
}

/* (owner) */
static void
stop(void *arg)
{
	struct estimating *s = arg;

	heap_remove(&s->tree->estimators, s->e);
	set_due(s->tree);
}

/* (owner) */
static void
read_rate(void *arg)
{
	struct estimating *s = arg;

	catch_up(s->tree);
	s->rate = (struct sched_rate){
		.set = true, .Bps = (uint64_t)s->e->average.Bps, .pps = (uint64_t)s->e->average.pps
	};
}

int
sched_estimator_check(const struct tc_estimator *spec, struct error *err)
{
	return estimator_check(spec, err);
}

static int
estimate(struct sched_tree *tree, struct estimator **slot, const struct qdisc *q, const struct class *c,
	const struct tc_estimator *spec, struct error *err)
{
	struct estimating s = { .tree = tree, .e = *slot, .spec = *spec, .linked = *slot != NULL };

	if (tree->estimators.end >= tree->estimators.size) {
		s.size = RTE_MAX(2 * tree->estimators.size, FIRST_SLOTS);
		s.slots = aligned_alloc(RTE_CACHE_LINE_SIZE, s.size * sizeof(*s.slots));
		if (s.slots == NULL)
			return error_set(err, ENOMEM, "out of memory for estimators");
	}
	if (s.e == NULL && (s.e = calloc(1, sizeof(*s.e))) == NULL) {
		free(s.slots);
		return error_set(err, ENOMEM, "out of memory for an estimator");
	}
	s.e->q = q;
	s.e->c = c;
	run(tree, start, &s);
	free(s.slots);
	*slot = s.e;
	return 0;
}

int
sched_qdisc_estimate(struct qdisc *q, const struct tc_estimator *spec, struct error *err)
{
	return estimate(q->tree, &q->estimator, q, NULL, spec, err);
}

int
sched_class_estimate(struct class *c, const struct tc_estimator *spec, struct error *err)
{
	return estimate(c->qdisc->tree, &c->estimator, NULL, c, spec, err);
}

void
estimator_free(struct sched_tree *tree, struct estimator *e)
{
	if (e == NULL)
		return;
	run(tree, stop, &(struct estimating){ .tree = tree, .e = e });
	free(e);
}

static struct sched_rate
rate_of(struct sched_tree *tree, struct estimator *e)
{
	struct estimating s = { .tree = tree, .e = e };

	if (e != NULL)
		run(tree, read_rate, &s);
	return s.rate;
}

struct sched_rate
qdisc_get_rate(const struct qdisc *q)
{
	return rate_of(q->tree, q->estimator);
}

struct sched_rate
class_get_rate(const struct class *c)
{
	return rate_of(c->qdisc->tree, c->estimator);
}

const struct tc_estimator *
sched_estimator_spec(const struct estimator *e)
{
	return e == NULL ? NULL : &e->average.spec;
}
