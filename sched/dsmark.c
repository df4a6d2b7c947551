/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dsmark: the packet's tc_index, set here or before, picks a row of a table on its way out, and the row says what
 * becomes of its DS field (W. Almesberger, J. H. Salim and A. Kuznetsov, "Differentiated Services on Linux", section 3;
 * RFC 2474).
 *
 * in -> tc_index = DS field (set_tc_index) -> filters: tc_index = minor -> inner qdisc -> DS = DS & mask | value -> out
 *
 * Its "classes" are the rows: there is one object, 1:0, which holds the one inner qdisc. What stands inside may change
 * tc_index in turn, so the row is looked up when the packet leaves.
 */
#include <string.h>

#include <weir/qdisc/dsmark.h>
#include <weir/sched.h>

#include "ds_field.h"
#include "inner.h"

#define DSMARK_BURST 64
#define DS_DSCP      0xfc /* without the ECN bits */

struct dsmark_row {
	uint8_t mask, value;
};

struct dsmark {
	struct inner inner;
	struct dsmark_row *rows;
	uint16_t index_mask; /* rows less one */
	bool set_tc_index, has_default_index;
	uint16_t default_index;
};

static const struct dsmark_row untouched = { .mask = UINT8_MAX };

/* What a snapshot's class holds, for get_conf. */
struct dsmark_class {
	struct dsmark_row row;
};

/* ---- classification */

/*
 * A class asked for by priority (1:5 in dsmark 1:) is taken for the filters' answer, as in other disciplines. What the
 * filters made of tc_index they would take for what came, so that a packet is asked about once, at the owner.
 */
static void
set_tc_index(const struct dsmark *d, struct rte_mbuf *m, const struct verdict *verdict)
{
	struct pkt *p = pkt_of(m);

	if (verdict->action == TC_ACT_OK)
		p->tc_index = (uint16_t)TC_H_MIN(verdict->classid);
	else if (verdict->action == TC_ACT_SHOT)
		p->flags |= PKT_SHOT;
	else if (d->has_default_index)
		p->tc_index = d->default_index;
}

static void
ask(const struct qdisc *q, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n, struct verdict *verdicts)
{
	const struct chain *chain = __atomic_load_n(&q->chain, __ATOMIC_ACQUIRE);

	if (chain != NULL)
		chain_classify(chain, ctx, pkts, n, verdicts);
	else
		for (uint16_t i = 0; i < n; i++)
			verdicts[i] = (struct verdict){ .action = TC_ACT_UNSPEC };
}

static void
classify_burst(
	const struct qdisc *q, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n, uint32_t *leaves)
{
	const struct dsmark *d = qdisc_priv(q);
	struct rte_mbuf *asked[DSMARK_BURST];
	struct verdict verdicts[DSMARK_BURST];
	uint16_t asked_count = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct pkt *p = pkt_of(pkts[i]);

		if (d->set_tc_index)
			p->tc_index = ds_get(pkts[i]) & DS_DSCP;
		if (TC_H_MAJ(p->priority) == q->handle && q->handle != 0)
			p->tc_index = (uint16_t)TC_H_MIN(p->priority);
		else
			asked[asked_count++] = pkts[i];
	}
	ask(q, ctx, asked, asked_count, verdicts);
	for (uint16_t i = 0; i < asked_count; i++)
		set_tc_index(d, asked[i], &verdicts[i]);
	for (uint16_t i = 0; i < n; i++)
		leaves[i] = class_slot((pkt_of(pkts[i])->flags & PKT_SHOT) != 0 ? NULL : d->inner.class);
}

static void
dsmark_classify(
	const struct qdisc *q, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n, uint32_t *leaves)
{
	for (uint16_t done = 0; done < n; done += DSMARK_BURST)
		classify_burst(q, ctx, pkts + done, RTE_MIN(n - done, DSMARK_BURST), leaves + done);
}

/* ---- data path */

static void
mark(const struct dsmark *d, struct rte_mbuf *m)
{
	struct dsmark_row row = d->rows[pkt_of(m)->tc_index & d->index_mask];

	if (row.mask != untouched.mask || row.value != untouched.value)
		ds_change(m, row.mask, row.value);
}

static uint16_t
dsmark_enqueue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	return qdisc_enqueue(inner_of(q), pkts, n, now);
}

static uint16_t
dsmark_dequeue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	const struct dsmark *d = qdisc_priv(q);
	uint16_t got = qdisc_dequeue(inner_of(q), pkts, n, now);

	/* A packet that has waited is in no cache: all are fetched together, first what says where the header is. */
	for (uint16_t i = 0; i < got; i++) {
		rte_prefetch0(pkts[i]);
		rte_prefetch0(pkt_of(pkts[i]));
	}
	for (uint16_t i = 0; i < got; i++)
		rte_prefetch0(rte_pktmbuf_mtod_offset(pkts[i], const void *, sizeof(struct rte_ether_hdr)));
	for (uint16_t i = 0; i < got; i++)
		mark(d, pkts[i]);
	return got;
}

/* A flush marks nothing: packets will be where they are moved to, if that is to be. */

/* ---- rows */

static int
dsmark_change_row(struct qdisc *q, uint32_t minor, const void *conf, struct error *err)
{
	const struct dsmark_class_conf *c = conf;
	struct dsmark *d = qdisc_priv(q);

	if (minor > d->index_mask)
		return error_set(err, ENOENT, "dsmark %x: has the indices 0 to %x; there is no class %x:%x",
			q->handle >> 16, d->index_mask, q->handle >> 16, minor);
	if (c->has_mask)
		d->rows[minor].mask = c->mask;
	if (c->has_value)
		d->rows[minor].value = c->value;
	return 0;
}

static int
dsmark_reset_row(struct qdisc *q, uint32_t minor, struct error *err)
{
	struct dsmark *d = qdisc_priv(q);

	if (minor > d->index_mask)
		return error_set(err, EINVAL, "dsmark %x: has the indices 0 to %x; there is no class %x:%x",
			q->handle >> 16, d->index_mask, q->handle >> 16, minor);
	d->rows[minor] = untouched;
	return 0;
}

static uint32_t
dsmark_rows_max(const struct qdisc *q)
{
	const struct dsmark *d = qdisc_priv(q);

	return d->index_mask + 1u;
}

/* The rows that change anything. */
static uint32_t
dsmark_snapshot(struct qdisc *q, void *classes, size_t stride, uint32_t max)
{
	const struct dsmark *d = qdisc_priv(q);
	uint32_t count = 0;

	for (uint32_t minor = 0; minor <= d->index_mask && count < max; minor++) {
		struct class *c = (void *)((uint8_t *)classes + count * stride);

		if (memcmp(&d->rows[minor], &untouched, sizeof(untouched)) == 0)
			continue;
		c->qdisc = q;
		c->leaf = inner_of(q);
		c->classid = q->handle | minor;
		((struct dsmark_class *)class_priv(c))->row = d->rows[minor];
		count++;
	}
	return count;
}

static void
dsmark_class_get_conf(const struct class *c, void *conf)
{
	const struct dsmark_class *class = class_priv(c);

	*(struct dsmark_class_conf *)conf = (struct dsmark_class_conf){
		.has_mask = true, .has_value = true, .mask = class->row.mask, .value = class->row.value
	};
}

/* Rows count nothing. */
static void
dsmark_class_stats(const struct class *c, struct sched_stats *stats)
{
	(void)c;
	*stats = (struct sched_stats){ 0 };
}

/* ---- configuration */

static size_t
rows_bytes(const struct dsmark *d)
{
	return (d->index_mask + 1u) * sizeof(struct dsmark_row);
}

static int
dsmark_init(struct qdisc *q, const void *conf, uint64_t now, struct error *err)
{
	const struct dsmark_conf *c = conf;
	struct dsmark *d = qdisc_priv(q);

	(void)now;
	if (c == NULL || c->indices == 0 || (c->indices & (c->indices - 1)) != 0)
		return error_set(err, EINVAL, "dsmark: indices must be a power of two from 1 to %u, as in 'indices 64'",
			DSMARK_INDICES_MAX);
	d->index_mask = c->indices - 1;
	d->has_default_index = c->has_default_index;
	d->default_index = c->default_index;
	d->set_tc_index = c->set_tc_index;
	d->rows = qdisc_alloc(q, rows_bytes(d));
	if (d->rows == NULL)
		return error_set(err, ENOMEM, "out of memory for %u marks", c->indices);
	for (uint32_t i = 0; i <= d->index_mask; i++)
		d->rows[i] = untouched;
	return class_create(q, q->handle, "pfifo", NULL, &d->inner.class, err);
}

static void
dsmark_destroy(struct qdisc *q)
{
	struct dsmark *d = qdisc_priv(q);

	qdisc_dealloc(q, d->rows, rows_bytes(d));
}

static void
dsmark_get_conf(const struct qdisc *q, void *conf)
{
	const struct dsmark *d = qdisc_priv(q);

	*(struct dsmark_conf *)conf = (struct dsmark_conf){
		.indices = (uint16_t)(d->index_mask + 1),
		.has_default_index = d->has_default_index,
		.default_index = d->default_index,
		.set_tc_index = d->set_tc_index,
	};
}

static const struct class_ops dsmark_class_ops = {
	.size = sizeof(struct dsmark_class),
	.conf_size = sizeof(struct dsmark_class_conf),
	.classify = dsmark_classify,
	.at_owner = true,
	.activate = inner_turned,
	.deactivate = inner_turned,
	.any_minor = true,
	.change_row = dsmark_change_row,
	.reset_row = dsmark_reset_row,
	.snapshot = dsmark_snapshot,
	.snapshot_max = dsmark_rows_max,
	.get_conf = dsmark_class_get_conf,
	.get_stats = dsmark_class_stats,
};

static const struct qdisc_ops dsmark_ops = {
	.kind = "dsmark",
	.size = sizeof(struct dsmark),
	.conf_size = sizeof(struct dsmark_conf),
	.init = dsmark_init,
	.destroy = dsmark_destroy,
	.enqueue = dsmark_enqueue,
	.dequeue = dsmark_dequeue,
	.peek = inner_peek,
	.peek_bytes = inner_peek_bytes,
	.flush = inner_flush,
	.next_event = inner_next_event,
	.get_conf = dsmark_get_conf,
	.classes = &dsmark_class_ops,
};
QDISC_REGISTER(dsmark_ops)
