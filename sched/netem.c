/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * netem: a network that is worse than the one there is (tc-netem(8); S. Hemminger, "Network Emulation with NetEm",
 * 2005). What comes is lost, doubled or corrupted by chance, and then waits until its time: after a delay that is
 * random, too, behind what a slow line still has to send, and for the next slot of a medium that has slots. What is due
 * leaves at once, or goes through an inner qdisc, class 1.
 */
#include <stdlib.h>
#include <string.h>

#include <rte_branch_prediction.h>

#include <weir/packet.h>

#include "ecn.h"
#include "netem.h"
#include "tree.h"

#define EARLY_MAX     (1u << 22) /* packets that may wait before the line's last one: more than there are buffers */
#define LONG_AFTER    UINT32_MAX /* ns */
#define BYTES_MAX     (INT64_C(1) << 24) /* of a packet on the line, and of a cell */
#define CELL_SHIFT    48
#define TOKENS_OF_NS  (INT64_C(1) << TOKENS_SHIFT)
#define SLOT_NO_LIMIT INT64_MAX

/* ---- what waits */

/* Where a packet's due time is whose stamp in the line does not say how long after the one before that is. */
static inline uint64_t *
due_of(struct rte_mbuf *m)
{
	return (uint64_t *)(void *)pkt_of(m)->scratch;
}

static inline uint64_t
first_due(const struct netem_waiting *w)
{
	uint64_t due = w->line.count != 0 ? w->line_due : SCHED_NEVER;

	if (unlikely(w->moved.count != 0))
		return 0;
	return heap_empty(&w->early) ? due : RTE_MIN(due, heap_first(&w->early)->key);
}

/* A packet's address and above its 48 bits, which is all that a process has, what it counts; 0: it says so itself. */
static inline void *
early_item(struct rte_mbuf *m, uint32_t bytes)
{
	return (void *)((bytes <= UINT16_MAX ? (uintptr_t)bytes << 48 : 0) | (uintptr_t)m);
}

static inline struct rte_mbuf *
early_packet(const struct heap_entry *entry)
{
	return (struct rte_mbuf *)((uintptr_t)entry->item & (UINT64_MAX >> 16));
}

/* In the heap: as the how many-th it came. */
static inline uint32_t *
arrival_of(struct rte_mbuf *m)
{
	return (uint32_t *)(void *)(pkt_of(m)->scratch + sizeof(uint64_t));
}

/* By time, and those of one time as they came. Packets are looked at only for that: they have left the cache. */
static inline bool
leaves_before(const struct heap_entry *a, const struct heap_entry *b)
{
	if (likely(a->key != b->key))
		return key_before(a->key, b->key);
	return (int32_t)(*arrival_of(early_packet(a)) - *arrival_of(early_packet(b))) < 0;
}

/* False when memory is out: m is still the caller's. */
static bool
wait_until(struct netem_waiting *w, struct rte_mbuf *m, uint32_t bytes, uint64_t due)
{
	uint64_t after = 0;

	if (w->line.count != 0) {
		if (due < w->last_due) {
			if (likely(w->early.end < w->early.size)) {
				*arrival_of(m) = w->arrivals++;
				heap_push_by(&w->early, due, early_item(m, bytes), leaves_before);
				return true;
			}
			due = w->last_due;
		}
		after = RTE_MIN(due - w->last_due, (uint64_t)LONG_AFTER);
	}
	if (unlikely(!pkt_queue_push_stamped(&w->line, m, bytes, (uint32_t)after)))
		return false;
	if (unlikely(after == LONG_AFTER))
		*due_of(m) = due;
	w->last_due = due;
	if (w->line.count == 1)
		w->line_due = due;
	return true;
}

static inline struct rte_mbuf *
take_early(struct netem_waiting *w, uint32_t *bytes)
{
	uintptr_t item = (uintptr_t)heap_first(&w->early)->item;
	struct rte_mbuf *m = early_packet(heap_first(&w->early));

	heap_pop_by(&w->early, leaves_before);
	*bytes = item >> 48 != 0 ? (uint32_t)(item >> 48) : pkt_queued_bytes(m);
	return m;
}

/* Something waits. A packet has left the cache since it came: what it counts is known without it. */
static struct rte_mbuf *
take_first(struct netem_waiting *w, uint32_t *bytes)
{
	const struct pkt_entry *first;
	struct rte_mbuf *m;

	if (unlikely(w->moved.count != 0)) {
		*bytes = pkt_queue_first(&w->moved)->bytes;
		return pkt_queue_pop(&w->moved);
	}
	if (!heap_empty(&w->early) && (w->line.count == 0 || heap_first(&w->early)->key < w->line_due))
		return take_early(w, bytes);
	*bytes = pkt_queue_first(&w->line)->bytes;
	m = pkt_queue_pop(&w->line);
	if ((first = pkt_queue_first(&w->line)) != NULL)
		w->line_due = likely(first->stamp != LONG_AFTER) ? w->line_due + first->stamp : *due_of(first->m);
	return m;
}

/* ---- slots */

static inline bool
has_slots(const struct netem *n)
{
	return n->conf.slot.max_ns != 0 || n->conf.slot.jitter_ns != 0;
}

/* The next slot: that long after `from`, with room anew. */
static void
next_slot(struct qdisc *q, struct netem *n, uint64_t from)
{
	const struct netem_slot *slot = &n->conf.slot;
	struct netem_draw plain = { 0 };
	uint64_t range = slot->max_ns - slot->min_ns, wait;

	if (slot->jitter_ns != 0)
		wait = netem_random_time(q, slot->mean_ns, slot->jitter_ns, 0, &n->conf.slot_table, &plain);
	else
		wait = slot->min_ns + (uint64_t)((unsigned __int128)netem_random(q) * range >> 64);
	n->slot_ns = from + wait;
	n->slot_packets = slot->packets != 0 ? slot->packets : SLOT_NO_LIMIT;
	n->slot_bytes = slot->bytes != 0 ? slot->bytes : SLOT_NO_LIMIT;
}

/*
 * When the first packet may leave. The medium is asked for when there is something to send: a slot that has begun
 * before is gone.
 */
static uint64_t
ready_at(struct qdisc *q, struct netem *n)
{
	uint64_t due = first_due(&n->waiting);

	/* What was moved here has had its slot. */
	if (due == SCHED_NEVER || likely(!has_slots(n)) || n->waiting.moved.count != 0)
		return due;
	if (n->slot_ns < due)
		next_slot(q, n, due);
	return RTE_MAX(due, n->slot_ns);
}

static inline void
use_slot(struct qdisc *q, struct netem *n, uint32_t bytes, uint64_t now)
{
	n->slot_packets--;
	n->slot_bytes -= bytes;
	if (n->slot_packets <= 0 || n->slot_bytes <= 0)
		next_slot(q, n, now);
}

/* ---- enqueue */

/* Bytes of a packet on the emulated line: in cells, if it has them. */
static inline uint64_t
bytes_on_line(const struct netem *n, uint32_t bytes)
{
	const struct netem_rate *rate = &n->conf.rate;
	int64_t length = (int64_t)bytes + rate->packet_overhead;

	length = length < 0 ? 0 : RTE_MIN(length, BYTES_MAX);
	if (n->cell_inverse != 0) {
		uint64_t padded = (uint64_t)length + rate->cell_size - 1;
		int64_t cells = (int64_t)((unsigned __int128)padded * n->cell_inverse >> CELL_SHIFT);

		length = cells * ((int64_t)rate->cell_size + rate->cell_overhead);
	}
	return length < 0 ? 0 : (uint64_t)length;
}

/* The line sends one packet after the other: when the last bit of this one is out, if it comes to the line at `at`. */
static uint64_t
line_sends(struct netem *n, uint64_t at, uint32_t bytes)
{
	if (at > n->free_ns) {
		n->free_ns = at;
		n->free_tokens = 0;
	}
	n->free_tokens += rate_cost(&n->rate, bytes_on_line(n, bytes));
	n->free_ns += (uint64_t)n->free_tokens >> TOKENS_SHIFT;
	n->free_tokens &= TOKENS_OF_NS - 1;
	return n->free_ns + (n->free_tokens != 0);
}

static uint64_t
due_time(struct qdisc *q, struct netem *n, uint32_t bytes, uint64_t now)
{
	const struct netem_conf *conf = &n->conf;
	uint64_t due;

	if (conf->gap != 0 && n->since_reordered >= conf->gap - 1 &&
		netem_happens(q, &conf->reorder, &n->reorder_draw)) {
		n->since_reordered = 0;
		return now;
	}
	n->since_reordered++;
	due = now + netem_random_time(q, conf->latency_ns, conf->jitter_ns, conf->delay_correlation, &conf->delay_table,
			    &n->delay_draw);
	return conf->rate.Bps != 0 ? line_sends(n, due, bytes) : due;
}

struct admitted {
	struct rte_mbuf *pkts[2 * SCHED_BURST];
	uint16_t count;
	uint64_t bytes;
};

/* A packet that chance has let through: by its time, or dropped as there are too many. */
static void
admit(struct qdisc *q, struct netem *n, struct rte_mbuf *m, struct admitted *admitted, uint64_t now)
{
	uint32_t bytes;

	if (netem_happens(q, &n->conf.corrupt, &n->corrupt_draw))
		netem_corrupt(q, m);
	if (q->backlog_pkts + admitted->count >= n->conf.limit) {
		qdisc_drop(q, m, DROP_QUEUE_FULL);
		return;
	}
	bytes = qdisc_count_bytes(q, m);
	if (unlikely(!wait_until(&n->waiting, m, bytes, due_time(q, n, bytes, now)))) {
		qdisc_drop(q, m, DROP_NO_BUFFER);
		return;
	}
	admitted->pkts[admitted->count++] = m;
	admitted->bytes += bytes;
}

/* NULL: there is no buffer for it. */
static struct rte_mbuf *
copy_of(struct qdisc *q, const struct rte_mbuf *m)
{
	struct rte_mbuf *copy = rte_pktmbuf_copy(m, m->pool, 0, UINT32_MAX);

	if (copy == NULL)
		return NULL;
	*pkt_of(copy) = *pkt_of((struct rte_mbuf *)(uintptr_t)m);
	pkt_of(copy)->flags |= PKT_GENERATED;
	qdisc_generated(q);
	return copy;
}

/* Lost, or marked instead. */
static inline bool
is_lost(struct qdisc *q, struct netem *n, struct rte_mbuf *m)
{
	return netem_loses(q, n) && !(n->conf.ecn && ecn_mark(m));
}

/* Doubled and lost is neither: one goes on. The copy has chances of its own, but is not doubled again. */
static void
enqueue_one(struct qdisc *q, struct netem *n, struct rte_mbuf *m, struct admitted *admitted, uint64_t now)
{
	bool twice = netem_happens(q, &n->conf.duplicate, &n->duplicate_draw), lost = is_lost(q, n, m);
	struct rte_mbuf *copy;

	if (lost && !twice) {
		qdisc_drop(q, m, DROP_EMULATED_LOSS);
		return;
	}
	if (!lost && twice && (copy = copy_of(q, m)) != NULL) {
		if (is_lost(q, n, copy))
			qdisc_drop(q, copy, DROP_EMULATED_LOSS);
		else
			admit(q, n, copy, admitted, now);
	}
	admit(q, n, m, admitted, now);
}

/* ---- dequeue */

/* At most count of those that may leave now. */
static uint16_t
take_ready(struct qdisc *q, struct netem *n, struct rte_mbuf **pkts, uint16_t count, uint64_t *bytes, uint64_t now)
{
	uint16_t got = 0;

	while (got < count && ready_at(q, n) <= now) {
		bool moved = n->waiting.moved.count != 0;
		uint32_t counted;

		pkts[got++] = take_first(&n->waiting, &counted);
		*bytes += counted;
		if (has_slots(n) && !moved)
			use_slot(q, n, counted, now);
	}
	return got;
}

/* To the inner qdisc, which asks filters anew where those have changed meanwhile. */
static void
hand_down(struct qdisc *q, struct qdisc *inner, struct rte_mbuf **pkts, uint16_t count, uint64_t bytes, uint64_t now)
{
	uint16_t kept = 0;

	qdisc_classify_held(inner, pkts, count);
	for (uint16_t i = 0; i < count; i++) {
		if (unlikely((pkt_of(pkts[i])->flags & PKT_SHOT) != 0))
			qdisc_shot(inner, pkts[i]);
		else
			pkts[kept++] = pkts[i];
	}
	if (kept != 0)
		qdisc_enqueue(inner, pkts, kept, now);
	qdisc_handed_down(q, count, bytes);
}

/* What was moved here goes on as moved: a netem further down has let it through already, too. */
static void
hand_down_moved(struct qdisc *q, struct netem *n, struct qdisc *inner, uint64_t now)
{
	struct sched_tree *tree = q->tree;
	bool moving = tree->moving, moved = tree->ctx.moved;
	struct rte_mbuf *m;

	tree->moving = tree->ctx.moved = true;
	while ((m = pkt_queue_pop(&n->waiting.moved)) != NULL)
		hand_down(q, inner, &m, 1, pkt_queued_bytes(m), now);
	tree->moving = moving;
	tree->ctx.moved = moved;
}

/* All that is ready goes on to the inner qdisc. */
static void
feed_inner(struct qdisc *q, struct netem *n, struct qdisc *inner, uint64_t now)
{
	struct rte_mbuf *pkts[SCHED_BURST];
	uint16_t got;

	if (unlikely(n->waiting.moved.count != 0))
		hand_down_moved(q, n, inner, now);
	do {
		uint64_t bytes = 0;

		got = take_ready(q, n, pkts, SCHED_BURST, &bytes, now);
		if (got != 0)
			hand_down(q, inner, pkts, got, bytes, now);
	} while (got == SCHED_BURST);
}

/*
 * A change moves these here: no chance is taken of them, and no limit bites. They have their way through the network
 * behind them, and go inside at once, if there is something, so that none of those that stayed there overtakes them.
 */
static uint16_t
admit_moved(struct qdisc *q, struct netem *n, struct rte_mbuf **pkts, uint16_t count, uint64_t now)
{
	struct qdisc *inner = inner_of(q);
	uint16_t queued = 0;

	if (inner != NULL) {
		hand_down_moved(q, n, inner, now);
		return qdisc_enqueue(inner, pkts, count, now);
	}
	for (uint16_t i = 0; i < count; i++) {
		if (unlikely(!pkt_queue_push(&n->waiting.moved, pkts[i], pkt_bytes(q, pkts[i])))) {
			qdisc_drop(q, pkts[i], DROP_NO_BUFFER);
		} else {
			qdisc_queued(q, pkts[i]);
			queued++;
		}
	}
	return queued;
}

static uint16_t
netem_enqueue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct netem *netem = qdisc_priv(q);
	uint16_t queued = 0;

	if (unlikely(qdisc_moving(q)))
		return admit_moved(q, netem, pkts, n, now);
	for (uint16_t done = 0; done < n; done += SCHED_BURST) {
		struct admitted admitted = { .count = 0 };
		uint16_t burst = RTE_MIN(n - done, SCHED_BURST);

		for (uint16_t i = done; i < done + burst; i++)
			enqueue_one(q, netem, pkts[i], &admitted, now);
		qdisc_queued_burst(q, admitted.pkts, admitted.count, admitted.bytes);
		queued += RTE_MIN(admitted.count, burst);
	}
	return queued;
}

static uint16_t
netem_dequeue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t count, uint64_t now)
{
	struct netem *n = qdisc_priv(q);
	struct qdisc *inner = inner_of(q);
	uint64_t bytes = 0;
	uint16_t got;

	if (inner != NULL) {
		feed_inner(q, n, inner, now);
		return inner->backlog_pkts == 0 ? 0 : qdisc_dequeue(inner, pkts, count, now);
	}
	got = take_ready(q, n, pkts, count, &bytes, now);
	qdisc_left_burst(q, pkts, got, bytes, now);
	return got;
}

static uint16_t
netem_flush(struct qdisc *q, struct rte_mbuf **pkts, uint16_t count)
{
	struct netem *n = qdisc_priv(q);
	struct qdisc *inner = inner_of(q);
	uint16_t got = inner == NULL || inner->backlog_pkts == 0 ? 0 : qdisc_flush(inner, pkts, count);

	for (; got < count && first_due(&n->waiting) != SCHED_NEVER; got++) {
		uint32_t counted;

		pkts[got] = take_first(&n->waiting, &counted);
		qdisc_unqueued(q, pkts[got]);
	}
	return got;
}

static uint64_t
netem_next_event(const struct qdisc *q, uint64_t now)
{
	struct netem *n = qdisc_priv(q);
	const struct qdisc *inner = inner_of(q);
	uint64_t next;

	if (q->backlog_pkts == 0)
		return SCHED_NEVER;
	next = ready_at((struct qdisc *)(uintptr_t)q, n);
	if (inner != NULL && inner->backlog_pkts != 0)
		next = RTE_MIN(next, qdisc_next_event(inner, now));
	return RTE_MAX(next, now);
}

/* ---- configuration */

static int
check(const struct netem_conf *c, struct error *err)
{
	if (c == NULL)
		return error_set(err, EINVAL, "netem was given no options: tc sends at least the limit");
	if (c->has_rate && (c->rate.cell_size >= BYTES_MAX ||
				   (c->rate.cell_size != 0 && (int64_t)c->rate.cell_size + c->rate.cell_overhead <= 0)))
		return error_set(err, EINVAL, "netem: a cell must have 1 to %d bytes, its overhead included",
			(int)BYTES_MAX - 1);
	if (c->has_slot && (c->slot.max_ns < c->slot.min_ns || c->slot.packets < 0 || c->slot.bytes < 0))
		return error_set(err, EINVAL,
			"netem: a slot's delays are from the least to the greatest, and what it takes is not negative");
	return 0;
}

/* A copy of a table that was given; *copied NULL: none was. */
static int
copy_table(const struct netem_table *given, int16_t **copied, struct error *err)
{
	*copied = NULL;
	if (given->size == 0)
		return 0;
	if (given->size > NETEM_TABLE_MAX)
		return error_set(err, EINVAL, "netem: a distribution has at most %d values, not %u", NETEM_TABLE_MAX,
			given->size);
	*copied = malloc(given->size * sizeof(**copied));
	if (*copied == NULL)
		return error_set(err, ENOMEM, "out of memory for a distribution");
	memcpy(*copied, given->values, given->size * sizeof(**copied));
	return 0;
}

/* Room in the heap for as many as may wait; pages that are never touched are no memory. */
static int
enlarge_early(struct netem_waiting *w, uint32_t limit, struct error *err)
{
	uint32_t size = heap_slots_for(RTE_MIN(limit, EARLY_MAX)), aligned = RTE_ALIGN_CEIL(size, 4);
	struct heap_entry *slots;

	if (size <= w->early.size)
		return 0;
	slots = aligned_alloc(RTE_CACHE_LINE_SIZE, aligned * sizeof(*slots));
	if (slots == NULL)
		return error_set(err, ENOMEM, "out of memory for a netem of %u packets", limit);
	if (w->early.end > HEAP_ROOT)
		memcpy(slots + HEAP_ROOT, w->early.slots + HEAP_ROOT, (w->early.end - HEAP_ROOT) * sizeof(*slots));
	else
		w->early.end = HEAP_ROOT;
	free(w->early.slots);
	w->early.slots = slots;
	w->early.size = aligned;
	return 0;
}

/* What is given only where it changes keeps what it was, and its tables, too. */
static void
merge(struct netem *n, const struct netem_conf *c, int16_t *delay_values, int16_t *slot_values)
{
	struct netem_conf old = n->conf;

	n->conf = *c;
	if (!c->has_correlations) {
		n->conf.delay_correlation = old.delay_correlation;
		n->conf.loss.correlation = old.loss.correlation;
		n->conf.duplicate.correlation = old.duplicate.correlation;
	}
	if (!c->has_reorder)
		n->conf.reorder = old.reorder;
	if (!c->has_corrupt)
		n->conf.corrupt = old.corrupt;
	if (!c->has_rate)
		n->conf.rate = old.rate;
	if (!c->has_ecn)
		n->conf.ecn = old.ecn;
	if (!c->has_slot)
		n->conf.slot = old.slot;
	if (!c->has_seed) {
		n->conf.has_seed = old.has_seed;
		n->conf.seed = old.seed;
	}
	n->conf.delay_table = old.delay_table;
	n->conf.slot_table = old.slot_table;
	if (c->has_delay_table) {
		free(n->delay_values);
		n->delay_values = delay_values;
		n->conf.delay_table = (struct netem_table){ .values = delay_values, .size = c->delay_table.size };
	}
	if (c->has_slot_table) {
		free(n->slot_values);
		n->slot_values = slot_values;
		n->conf.slot_table = (struct netem_table){ .values = slot_values, .size = c->slot_table.size };
	}
}

/* From its seed on, whatever was drawn before. */
static void
start_series(struct netem *n)
{
	n->random = n->conf.seed;
	n->delay_draw = n->loss_draw = n->duplicate_draw = (struct netem_draw){ 0 };
	n->reorder_draw = n->corrupt_draw = (struct netem_draw){ 0 };
	n->since_reordered = 0;
	n->state = 0;
}

static int
netem_change(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	struct netem *n = qdisc_priv(q);
	const struct netem_conf *c = conf;
	int16_t *delay_values = NULL, *slot_values = NULL;
	int rc = check(c, err);

	if (rc == 0 && c->has_delay_table)
		rc = copy_table(&c->delay_table, &delay_values, err);
	if (rc == 0 && c->has_slot_table)
		rc = copy_table(&c->slot_table, &slot_values, err);
	if (rc == 0)
		rc = enlarge_early(&n->waiting, c->limit, err);
	if (rc != 0) {
		free(delay_values);
		free(slot_values);
		return rc;
	}
	if (c->loss_model != n->conf.loss_model)
		n->state = 0;
	merge(n, c, delay_values, slot_values);
	if (c->has_seed)
		start_series(n);
	if (n->conf.rate.Bps != 0)
		rate_init(&n->rate, &(struct rate_conf){ .Bps = n->conf.rate.Bps });
	n->cell_inverse = 0;
	if (n->conf.rate.cell_size != 0)
		n->cell_inverse = ((UINT64_C(1) << CELL_SHIFT) + n->conf.rate.cell_size - 1) / n->conf.rate.cell_size;
	if (c->has_slot) {
		next_slot(q, n, now);
		n->slot_ns = now; /* the first one is there at once */
	}
	return 0;
}

static int
netem_init(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	struct netem *n = qdisc_priv(q);
	int rc;

	pkt_queue_init(&n->waiting.line, q);
	pkt_queue_init(&n->waiting.moved, q);
	rc = class_create(q, q->handle | 1, NULL, NULL, &n->inner.class, err);
	return rc == 0 ? netem_change(q, conf, now, err) : rc;
}

static void
netem_destroy(struct qdisc *q)
{
	struct netem *n = qdisc_priv(q);

	free(n->waiting.early.slots);
	free(n->delay_values);
	free(n->slot_values);
}

static void
netem_get_conf(const struct qdisc *q, void *conf)
{
	const struct netem *n = qdisc_priv(q);
	struct netem_conf *c = conf;

	*c = n->conf;
	c->has_correlations = c->has_reorder = c->has_corrupt = c->has_rate = c->has_slot = c->has_ecn = true;
	c->has_delay_table = c->delay_table.size != 0;
	c->has_slot_table = c->slot_table.size != 0;
}

static const struct class_ops netem_classes = {
	.classify = inner_classify,
	.no_filters = true,
	.any_minor = true,
	.leaf_optional = true,
	.activate = inner_turned,
	.deactivate = inner_turned,
};

static const struct qdisc_ops netem_ops = {
	.kind = "netem",
	.size = sizeof(struct netem),
	.conf_size = sizeof(struct netem_conf),
	.init = netem_init,
	.change = netem_change,
	.destroy = netem_destroy,
	.enqueue = netem_enqueue,
	.dequeue = netem_dequeue,
	.flush = netem_flush,
	.next_event = netem_next_event,
	.get_conf = netem_get_conf,
	.classes = &netem_classes,
};
QDISC_REGISTER(netem_ops)
