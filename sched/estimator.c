/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rate estimators (tc's `est INTERVAL AVERAGE`): an average of bytes and of packets per second, sampled every interval
 * T and weighted exponentially,
 *
 *     average += (sample - average) * W,    W = 2^-ewma_log,
 *
 * which forgets with the time constant T / -ln(1 - W); average is tc's AVERAGE at most.
 *
 * No timer: the owner takes the samples that are due when the tree is next dequeued from, or when somebody asks. Nothing
 * has left in between, so all that was counted belongs to the first interval that has passed, and the others were idle:
 * any number of them is one power.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tree.h"

#define FIRST_SLOTS 16u

#define INTERVAL_LEAST_NS UINT64_C(250000000) /* of tc_estimator.interval -2; each step doubles it */
#define INTERVAL_FIRST    (-2)
#define INTERVAL_LAST     3
#define EWMA_LOG_LAST     30
#define SAMPLES_MAX       64 /* at one dequeue: with thousands, some are sampled a few microseconds late */

struct estimator {
	const struct qdisc *q; /* of one of these */
	const struct class *c;
	struct tc_estimator spec;
	uint64_t due; /* ns */
	uint64_t bytes, packets; /* counted at the last sample */
	double Bps, pps;
};

static uint64_t
interval_ns(const struct estimator *e)
{
	return INTERVAL_LEAST_NS << (e->spec.interval - INTERVAL_FIRST);
}

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

/* Takes all samples that are due at `now`. */
static void
sample(struct estimator *e, uint64_t now)
{
	uint64_t interval = interval_ns(e), passed = 1 + (now - e->due) / interval;
	double seconds = (double)interval * 1e-9, weight = ldexp(1, -e->spec.ewma_log), kept = 1 - weight;
	struct sched_stats stats;

	count(e, &stats);
	/* What mq's lanes send passes no dequeue of this tree: taken as even. */
	if (e->q != NULL && e->q->ops->uses_lanes) {
		kept = pow(kept, (double)passed);
		weight = 1 - kept;
		seconds *= (double)passed;
	}
	e->Bps = e->Bps * kept + (double)(stats.bytes - e->bytes) / seconds * weight;
	e->pps = e->pps * kept + (double)(stats.packets - e->packets) / seconds * weight;
	if (passed > 1 && (e->q == NULL || !e->q->ops->uses_lanes)) {
		e->Bps *= pow(kept, (double)(passed - 1));
		e->pps *= pow(kept, (double)(passed - 1));
	}
	e->bytes = stats.bytes;
	e->packets = stats.packets;
	e->due += passed * interval;
}

void
tree_estimate(struct sched_tree *tree, uint64_t now)
{
	for (unsigned int i = 0; i < SAMPLES_MAX && tree->estimate_due <= now; i++) {
		struct estimator *e = heap_first(&tree->estimators)->item;

		sample(e, now);
		heap_change_first(&tree->estimators, e->due);
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

/* (owner) The averages stay, as on Linux; the next sample is one interval from now. */
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
	s->e->spec = s->spec;
	count(s->e, &stats);
	s->e->bytes = stats.bytes;
	s->e->packets = stats.packets;
	s->e->due = time_of(s->tree) + interval_ns(s->e);
	heap_push(heap, s->e->due, s->e);
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
	s->rate = (struct sched_rate){ .set = true, .Bps = (uint64_t)s->e->Bps, .pps = (uint64_t)s->e->pps };
}

int
sched_estimator_check(const struct tc_estimator *spec, struct error *err)
{
	if (spec->interval < INTERVAL_FIRST || spec->interval > INTERVAL_LAST || spec->ewma_log == 0 ||
		spec->ewma_log > EWMA_LOG_LAST)
		return error_set(
			err, EINVAL, "est: the interval is 250ms to 8s, and the time constant must be longer than it");
	return 0;
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
	return e == NULL ? NULL : &e->spec;
}
