/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fq_codel: a queue for each flow, each kept short by CoDel, and new flows first (tc-fq_codel(8), RFC 8290). The flows
 * themselves are in fq_codel_flows.c.
 *
 * What the RFC leaves open is as Linux does it: CoDel looks at what is queued in all flows where RFC 8289 lets a queue
 * of one full frame alone, so that many flows of one packet each are kept short, too; what an overflow drops counts
 * as CoDel's drops when it next decides about that flow.
 */
#include "arrivals.h"
#include "flow_choice.h"
#include "flow_hash.h"
#include "fq_codel.h"
#include "tree.h"

#define LIMIT_DEFAULT      10240u /* packets */
#define FLOWS_DEFAULT      1024u
#define DROP_BATCH_DEFAULT 64u /* packets */
#define MEMORY_DEFAULT     (UINT32_C(32) << 20)
#define MEMORY_MAX         (UINT32_C(1) << 31)
#define QUANTUM_MIN        256u
#define QUANTUM_MAX        (1u << 20)

/* ---- data path */

static inline uint32_t
flow_by_hash(const struct fq_codel *f, struct rte_mbuf *m)
{
	return (uint32_t)((uint64_t)flow_hash(m, f->hash_key) * f->flow_count >> 32);
}

/* Of a packet that no filter has a say in. */
static inline uint32_t
flow_of(const struct qdisc *q, const struct fq_codel *f, struct rte_mbuf *m)
{
	uint32_t flow = flow_by_priority(q, m, f->flow_count);

	return likely(flow == FLOW_LOST) ? flow_by_hash(f, m) : flow;
}

static uint32_t
flow_of_moved(const struct qdisc *q, struct rte_mbuf *m)
{
	return flow_of(q, qdisc_priv(q), m);
}

static void
find_flows(const struct qdisc *q, const struct fq_codel *f, struct rte_mbuf **pkts, uint16_t n, uint32_t *flows)
{
	if (unlikely(flow_has_filters(q))) {
		flow_choose(q, pkts, n, f->flow_count, flow_of_moved, flows);
	} else {
		for (uint16_t i = 0; i < n; i++)
			rte_prefetch0(rte_pktmbuf_mtod_offset(pkts[i], void *, pkt_of(pkts[i])->l3_off));
		for (uint16_t i = 0; i < n; i++)
			flows[i] = flow_of(q, f, pkts[i]);
	}
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(&f->flows[RTE_MIN(flows[i], f->flow_count - 1)]);
}

/* Half of the fattest flow goes, oldest packets first, but a batch at most: section 4.1.3 of the RFC. */
static uint32_t
drop_from_fattest(struct qdisc *q, struct fq_codel *f)
{
	uint32_t i = fq_fattest(f), dropped = 0;
	uint32_t enough = f->flows[i].bytes / 2;

	do {
		qdisc_drop_queued(q, fq_take_first(f, i), DROP_QUEUE_FULL);
		dropped++;
	} while (dropped < f->drop_batch && f->flows[i].bytes > enough);
	f->flows[i].state.count += dropped;
	return dropped;
}

static void
keep_to_limits(struct qdisc *q, struct fq_codel *f, struct arrivals *arrivals)
{
	bool memory = f->buffers > f->buffer_limit;
	uint32_t dropped;

	if (likely(q->backlog_pkts + arrivals->count <= f->limit && !memory))
		return;
	arrivals_enter_in_books(q, arrivals);
	dropped = drop_from_fattest(q, f);
	f->counters.limit_drops += dropped;
	if (memory)
		f->memory_drops += dropped;
}

static uint16_t
fq_codel_enqueue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct fq_codel *f = qdisc_priv(q);
	uint32_t flows[FLOW_CHOICE_BURST];
	bool moving = qdisc_moving(q);
	uint16_t queued = 0;

	for (uint16_t done = 0; done < n; done += FLOW_CHOICE_BURST) {
		uint16_t burst = RTE_MIN(n - done, FLOW_CHOICE_BURST);
		struct arrivals arrivals = { .pkts = pkts + done };

		find_flows(q, f, pkts + done, burst, flows);
		for (uint16_t i = 0; i < burst; i++) {
			struct rte_mbuf *m = pkts[done + i];
			uint32_t bytes;

			if (unlikely(flows[i] >= f->flow_count)) {
				flow_refuse(q, m, flows[i]);
				continue;
			}
			bytes = qdisc_count_bytes(q, m);
			if (unlikely(!fq_push(f, flows[i], m, bytes, codel_arrival(q, m, now)))) {
				qdisc_drop(q, m, DROP_NO_BUFFER);
				continue;
			}
			arrivals_add(&arrivals, m, bytes);
			queued++;
			if (likely(!moving))
				keep_to_limits(q, f, &arrivals);
		}
		arrivals_enter_in_books(q, &arrivals);
	}
	return queued;
}

static uint16_t
fq_codel_dequeue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	struct fq_codel *f = qdisc_priv(q);
	struct codel_burst burst = codel_burst_start(q, &f->law, &f->counters, now);
	uint16_t got = 0;

	while (got < n && (pkts[got] = fq_take(f, &burst)) != NULL)
		got++;
	f->buffers -= burst.buffers;
	/* Nobody asks an empty queue, which would find out that its flows are. */
	if (burst.backlog == 0)
		fq_forget_flows(f);
	qdisc_left_burst(q, pkts, got, burst.taken, now);
	return got;
}

/* Flow by flow. */
static uint16_t
fq_codel_flush(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct fq_codel *f = qdisc_priv(q);
	uint16_t got = 0;

	while (got < n && f->fresh.count + f->old.count != 0) {
		struct fq_ring *ring = f->fresh.count != 0 ? &f->fresh : &f->old;
		uint32_t i = fq_ring_first(ring);

		while (got < n && f->flows[i].queue.count != 0) {
			pkts[got] = fq_take_first(f, i);
			qdisc_unqueued(q, pkts[got++]);
		}
		if (f->flows[i].queue.count == 0) {
			f->flows[i].place = FQ_IDLE;
			fq_ring_take(ring);
		}
	}
	return got;
}

static uint64_t
fq_codel_next_event(const struct qdisc *q, uint64_t now)
{
	return q->backlog_pkts != 0 ? now : SCHED_NEVER;
}

/* ---- configuration */

static int
check(const struct fq_codel_conf *c, struct error *err)
{
	if ((c->given & CODEL_LIMIT) != 0 && c->limit == 0)
		return error_set(err, EINVAL, "fq_codel: a limit of 0 packets would drop everything");
	if ((c->given & FQ_CODEL_QUANTUM) != 0 && c->quantum > QUANTUM_MAX)
		return error_set(err, EINVAL, "Invalid quantum");
	if ((c->given & FQ_CODEL_MEMORY_LIMIT) != 0 && c->memory_limit < CODEL_BUFFER_BYTES)
		return error_set(err, EINVAL,
			"fq_codel: a memory_limit of %u bytes holds no packet, each takes %u; 32mb is usual",
			c->memory_limit, (unsigned int)CODEL_BUFFER_BYTES);
	return 0;
}

/* Takes what is given. Lower limits bite on arrival: what is queued stays queued. */
static int
take_conf(struct fq_codel *f, const struct fq_codel_conf *c, struct error *err)
{
	int rc = check(c, err);

	if (rc == 0)
		rc = codel_law_set(&f->law, &c->times, c->given, "fq_codel", err);
	if (rc != 0)
		return rc;
	if ((c->given & CODEL_LIMIT) != 0)
		f->limit = c->limit;
	if ((c->given & FQ_CODEL_QUANTUM) != 0)
		f->quantum = RTE_MAX(c->quantum, QUANTUM_MIN);
	if ((c->given & FQ_CODEL_DROP_BATCH) != 0)
		f->drop_batch = RTE_MAX(c->drop_batch, 1u);
	if ((c->given & FQ_CODEL_MEMORY_LIMIT) != 0)
		f->memory_limit = RTE_MIN(c->memory_limit, MEMORY_MAX);
	if ((c->given & FQ_CODEL_CE_SELECTOR) != 0) {
		f->law.ce_selector = c->ce_selector;
		f->law.ce_mask = c->ce_mask;
	}
	f->buffer_limit = f->memory_limit / CODEL_BUFFER_BYTES;
	return 0;
}

static int
fq_codel_change(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	const struct fq_codel_conf *c = conf;

	(void)now;
	if (c == NULL)
		return 0;
	if ((c->given & FQ_CODEL_FLOWS) != 0)
		return error_set(err, EINVAL,
			"fq_codel: the number of flows cannot be changed; delete the qdisc and add it with %u flows",
			c->flows);
	return take_conf(qdisc_priv(q), c, err);
}

static int
fq_codel_init(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	const struct fq_codel_conf *c = conf;
	struct fq_codel *f = qdisc_priv(q);
	int rc;

	(void)now;
	f->flow_count = FLOWS_DEFAULT;
	f->limit = LIMIT_DEFAULT;
	f->drop_batch = DROP_BATCH_DEFAULT;
	f->quantum = qdisc_mtu(q) + 14;
	f->memory_limit = MEMORY_DEFAULT;
	f->buffer_limit = MEMORY_DEFAULT / CODEL_BUFFER_BYTES;
	f->hash_key = (uint32_t)qdisc_random(q);
	codel_law_init(&f->law, true);
	if (c != NULL && (c->given & FQ_CODEL_FLOWS) != 0) {
		if (c->flows == 0 || c->flows > FQ_FLOWS_MAX)
			return error_set(
				err, EINVAL, "fq_codel: %u flows; there must be 1 to %u", c->flows, FQ_FLOWS_MAX);
		f->flow_count = c->flows;
	}
	rc = c == NULL ? 0 : take_conf(f, c, err);
	return rc != 0 ? rc : fq_flows_init(q, f, err);
}

static void
fq_codel_destroy(struct qdisc *q)
{
	fq_flows_destroy(qdisc_priv(q));
}

static void
fq_codel_get_conf(const struct qdisc *q, void *conf)
{
	const struct fq_codel *f = qdisc_priv(q);
	struct fq_codel_conf *c = conf;

	*c = (struct fq_codel_conf){ .limit = f->limit,
		.flows = f->flow_count,
		.quantum = f->quantum,
		.drop_batch = f->drop_batch,
		.memory_limit = f->memory_limit,
		.ce_selector = f->law.ce_selector,
		.ce_mask = f->law.ce_mask };
	c->given = CODEL_LIMIT | FQ_CODEL_FLOWS | FQ_CODEL_QUANTUM | FQ_CODEL_DROP_BATCH | FQ_CODEL_MEMORY_LIMIT |
		   FQ_CODEL_CE_SELECTOR | codel_law_get(&f->law, &c->times);
}

static void
fq_codel_get_xstats(const struct qdisc *q, void *xstats)
{
	const struct fq_codel *f = qdisc_priv(q);

	*(struct fq_codel_xstats *)xstats = (struct fq_codel_xstats){ .largest_bytes = f->counters.largest_bytes,
		.limit_drops = f->counters.limit_drops,
		.memory_drops = f->memory_drops,
		.ecn_marks = f->counters.ecn_marks,
		.ce_marks = f->counters.ce_marks,
		.new_flows = f->new_flows,
		.new_flows_length = f->fresh.count,
		.old_flows_length = f->old.count,
		.memory_bytes = f->buffers * CODEL_BUFFER_BYTES };
}

/* ---- the classes that a dump shows: flows that have a place in a list */

struct fq_class {
	uint32_t packets, bytes;
	struct fq_codel_class_xstats xstats;
};

static uint32_t
fq_codel_snapshot(struct qdisc *q, void *classes, size_t stride, uint32_t max)
{
	const struct fq_codel *f = qdisc_priv(q);
	uint32_t count = 0;

	for (uint32_t i = 0; i < f->flow_count && count < max; i++) {
		const struct fq_flow *flow = &f->flows[i];
		struct class *c = (void *)((uint8_t *)classes + count * stride);

		if (flow->place == FQ_IDLE)
			continue;
		c->qdisc = q;
		c->classid = q->handle | TC_H_MIN(i + 1);
		*(struct fq_class *)class_priv(c) = (struct fq_class){ .packets = flow->queue.count,
			.bytes = flow->bytes,
			.xstats = { .deficit = flow->deficit, .queue = codel_state_show(&flow->state, q->tree->now) } };
		count++;
	}
	return count;
}

static void
fq_codel_class_stats(const struct class *c, struct sched_stats *stats)
{
	const struct fq_class *flow = class_priv(c);

	*stats = (struct sched_stats){ .backlog_bytes = flow->bytes, .backlog_pkts = flow->packets };
}

static void
fq_codel_class_xstats(const struct class *c, void *xstats)
{
	const struct fq_class *flow = class_priv(c);

	*(struct fq_codel_class_xstats *)xstats = flow->xstats;
}

static const struct class_ops fq_codel_class_ops = {
	.size = sizeof(struct fq_class),
	.get_stats = fq_codel_class_stats,
	.get_xstats = fq_codel_class_xstats,
	.snapshot = fq_codel_snapshot,
};

static const struct qdisc_ops fq_codel_ops = {
	.kind = "fq_codel",
	.size = sizeof(struct fq_codel),
	.conf_size = sizeof(struct fq_codel_conf),
	.init = fq_codel_init,
	.change = fq_codel_change,
	.destroy = fq_codel_destroy,
	.enqueue = fq_codel_enqueue,
	.dequeue = fq_codel_dequeue,
	.flush = fq_codel_flush,
	.next_event = fq_codel_next_event,
	.get_conf = fq_codel_get_conf,
	.get_xstats = fq_codel_get_xstats,
	.classes = &fq_codel_class_ops,
};
QDISC_REGISTER(fq_codel_ops)
