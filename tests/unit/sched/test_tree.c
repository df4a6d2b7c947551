/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tree: places, handles, errors, size tables, classification and its staleness, roots that come and go, and what
 * moves then.
 */
#include "support.h"

#include <weir/action/gact.h>
#include <weir/filter/fw.h>
#include <weir/qdisc/cbq.h>
#include <weir/qdisc/drr.h>
#include <weir/qdisc/dsmark.h>
#include <weir/qdisc/fifo.h>
#include <weir/qdisc/hfsc.h>
#include <weir/qdisc/htb.h>
#include <weir/qdisc/netem.h>
#include <weir/qdisc/prio.h>
#include <weir/qdisc/tbf.h>

#include "tree.h"

static const struct htb_conf htb_conf = { .version = 3, .rate2quantum = 10 };
static const struct htb_class_conf class_conf = {
	.rate.Bps = 125000, .ceil.Bps = 125000, .burst_ns = 12800000, .cburst_ns = 12800000
};
static const struct prio_conf prio_conf = { .bands = 3, .priomap = { 1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1 } };

static void
pfifo_and_bfifo_keep_to_their_limits(void **state)
{
	struct qdisc *q;

	(void)state;
	bed_make();
	q = make_qdisc("pfifo", &(struct fifo_conf){ .limit = 3 });
	assert_int_equal(offer(100, 1500, 60, 100), 3);
	assert_int_equal(q->drops[DROP_QUEUE_FULL], 1);
	change_qdisc(q, &(struct fifo_conf){ .limit = 1 });
	assert_int_equal(q->backlog_pkts, 3);
	/* A bfifo takes over what was queued, though its limit is less. */
	q = make_qdisc("bfifo", &(struct fifo_conf){ .limit = 1000 });
	assert_int_equal(q->backlog_pkts, 3);
	assert_int_equal(q->backlog_bytes, 1660);
	assert_int_equal(offer(60), 0);
	take(9, 5);
	assert_order(0, 1, 2);
	assert_int_equal(offer(500, 501, 500), 2);
	take(9, 6);
	bed_end();
}

static void
defaults_come_from_the_port(void **state)
{
	struct fifo_conf conf;
	struct qdisc *q;

	(void)state;
	bed_make();
	q = make_qdisc("bfifo", NULL);
	q->ops->get_conf(q, &conf);
	assert_int_equal(conf.limit, 1514000);
	sched_set_tx_queue_len(bed.tree, 50);
	q = add_qdisc(TC_H_ROOT, 0, "pfifo", NULL);
	q->ops->get_conf(q, &conf);
	assert_int_equal(conf.limit, 50);
	assert_true(q->handle >= 0x80010000);
	bed_end();
}

static void
refusals_are_linuxs(void **state)
{
	struct error err = { 0 };
	struct qdisc_spec spec = { .parent = TC_H_ROOT, .kind = "nosuch" };
	struct class_spec class_spec = { .classid = CLASSID(1, 1), .conf = &class_conf };
	struct qdisc *q;

	(void)state;
	bed_make();
	assert_int_equal(sched_qdisc_add(bed.tree, &spec, NULL, &err), -ENOENT);
	assert_string_equal(err.msg, "Specified qdisc kind is unknown");
	q = make_qdisc("pfifo", NULL);
	assert_int_equal(sched_class_add(q, &class_spec, NULL, &err), -EINVAL);
	spec = (struct qdisc_spec){ .parent = CLASSID(1, 1), .kind = "pfifo" };
	assert_int_equal(sched_qdisc_add(bed.tree, &spec, NULL, &err), -EOPNOTSUPP);
	assert_string_equal(err.msg, "Parent qdisc is not classful");
	assert_null(sched_chain(bed.tree, 1 << 16, &err));
	assert_string_equal(err.msg, "Qdisc not classful");
	spec.parent = CLASSID(9, 1);
	assert_int_equal(sched_qdisc_add(bed.tree, &spec, NULL, &err), -ENOENT);
	assert_string_equal(err.msg, "Failed to find specified qdisc");
	q = make_qdisc("prio", &prio_conf);
	spec.parent = CLASSID(1, 9);
	assert_int_equal(sched_qdisc_add(bed.tree, &spec, NULL, &err), -ENOENT);
	assert_string_equal(err.msg, "Specified class not found");
	assert_int_equal(sched_class_add(q, &class_spec, NULL, &err), -EOPNOTSUPP);
	assert_int_equal(sched_class_delete(sched_class_find(q, CLASSID(1, 1)), &err), -EOPNOTSUPP);
	add_qdisc(CLASSID(1, 1), 0x100000, "pfifo", NULL);
	spec = (struct qdisc_spec){ .parent = CLASSID(1, 2), .handle = 0x100000, .kind = "pfifo" };
	assert_int_equal(sched_qdisc_add(bed.tree, &spec, NULL, &err), -EINVAL);
	assert_string_equal(err.msg, "Cannot move an existing qdisc to a different parent");
	assert_int_equal(sched_qdisc_delete(sched_qdisc_at(bed.tree, CLASSID(1, 2)), &err), -ENOENT);
	assert_int_equal(sched_qdisc_change(sched_qdisc_find(bed.tree, 0x100000), NULL, &err), -EINVAL);
	bed_end();
}

/* Filters on the root and on inner classes lead to a leaf; the class they name cannot be deleted. */
static void
filters_choose_down_the_classes(void **state)
{
	struct class *leaf;
	struct error err = { 0 };

	(void)state;
	bed_make();
	make_qdisc("htb", &htb_conf);
	add_class(0, CLASSID(1, 1), &class_conf);
	leaf = add_class(CLASSID(1, 1), CLASSID(1, 0x10), &class_conf);
	add_class(CLASSID(1, 1), CLASSID(1, 0x20), &class_conf);
	add_qdisc(CLASSID(1, 0x10), 0x20000, "prio", &prio_conf);
	add_fw(1 << 16, 7, CLASSID(1, 1));
	add_fw(CLASSID(1, 1), 7, CLASSID(1, 0x10));
	add_fw(0x20000, 7, CLASSID(2, 3));
	offer_packet(packet(100, 1, 0, 7));
	assert_int_equal(sched_qdisc_at(bed.tree, CLASSID(2, 3))->backlog_pkts, 1);
	assert_int_equal(leaf->leaf->backlog_pkts, 1);
	offer_packet(packet(100, 1, 0, 8)); /* no filter, no default: direct */
	assert_int_equal(sched_backlog(bed.tree), 2);
	assert_int_equal(sched_class_delete(leaf, &err), -EBUSY);
	take_all(SECONDS(1));
	bed_end();
}

/* The class where a packet with this mark ends, as the rx worker finds it. */
static uint32_t
class_found(uint32_t mark)
{
	struct classify_ctx ctx = { .sink = &bed.sink };
	struct rte_mbuf *m = packet(100, 1, 0, mark);

	sched_classify(bed.tree, &ctx, &m, 1);
	struct class *c = tree_leaf_of(bed.tree, m);

	rte_pktmbuf_free(m);
	return c == NULL ? 0 : c->classid;
}

/*
 * What is below the root is asked as soon as there is something to ask, and of leaves nothing is read when it is gone.
 */
static void
who_classifies_below_the_root_is_asked(void **state)
{
	static const struct prio_conf refused = { .bands = 99 };
	struct qdisc_spec spec = { .parent = CLASSID(1, 0x20), .kind = "prio", .conf = &refused };

	(void)state;
	bed_make();
	make_qdisc("htb", &htb_conf);
	add_class(0, CLASSID(1, 0x10), &class_conf);
	add_class(0, CLASSID(1, 0x20), &class_conf);
	add_fw(1 << 16, 7, CLASSID(1, 0x10));
	assert_int_equal(class_found(7), CLASSID(1, 0x10));
	assert_int_equal(bed.tree->nested, 0);

	add_qdisc(CLASSID(1, 0x10), 0x20000, "prio", &prio_conf);
	add_fw(0x20000, 7, CLASSID(2, 3));
	assert_int_equal(class_found(7), CLASSID(2, 3));
	add_qdisc(CLASSID(2, 3), 0x30000, "prio", &prio_conf);
	add_fw(0x30000, 7, CLASSID(3, 1));
	assert_int_equal(class_found(7), CLASSID(3, 1));
	assert_int_equal(sched_qdisc_add(bed.tree, &spec, NULL, NULL), -EINVAL);
	assert_int_equal(bed.tree->nested, 2);

	/* One with another below it goes for one of its kind, and for one that has no classes. */
	add_qdisc(CLASSID(1, 0x10), 0x40000, "prio", &prio_conf);
	add_fw(0x40000, 7, CLASSID(4, 2));
	assert_int_equal(class_found(7), CLASSID(4, 2));
	assert_int_equal(bed.tree->nested, 1);
	add_qdisc(CLASSID(1, 0x10), 0x50000, "pfifo", NULL);
	assert_int_equal(class_found(7), CLASSID(1, 0x10));
	assert_int_equal(bed.tree->nested, 0);

	delete_qdisc(add_qdisc(CLASSID(1, 0x10), 0x60000, "prio", &prio_conf));
	assert_int_equal(bed.tree->nested, 0);
	add_qdisc(CLASSID(1, 0x20), 0x60000, "prio", &prio_conf);
	delete_class(sched_class_find(sched_root(bed.tree), CLASSID(1, 0x20)));
	assert_int_equal(bed.tree->nested, 0);
	add_qdisc(CLASSID(1, 0x10), 0x60000, "prio", &prio_conf);
	add_class(CLASSID(1, 0x10), CLASSID(1, 0x11), &class_conf); /* which is a leaf no longer */
	assert_int_equal(bed.tree->nested, 0);
	add_qdisc(CLASSID(1, 0x11), 0x60000, "prio", &prio_conf);
	assert_int_equal(bed.tree->nested, 1);
	make_qdisc("prio", &prio_conf);
	assert_int_equal(bed.tree->nested, 0);
	bed_end();
}

/* One that must be asked once, at the owner, takes the rx workers their part of the work only while it is there. */
static void
rx_workers_classify_when_a_stateful_one_is_gone(void **state)
{
	static const struct dsmark_conf refused = { .indices = 3 };
	struct qdisc_spec spec = { .parent = CLASSID(1, 0x20), .kind = "dsmark", .conf = &refused };

	(void)state;
	bed_make();
	make_qdisc("htb", &htb_conf);
	add_class(0, CLASSID(1, 0x20), &class_conf);
	assert_int_equal(sched_qdisc_add(bed.tree, &spec, NULL, NULL), -EINVAL);
	assert_false(bed.tree->stateful);
	add_qdisc(CLASSID(1, 0x20), 0x20000, "dsmark", &(struct dsmark_conf){ .indices = 8 });
	assert_true(bed.tree->stateful);
	delete_class(sched_class_find(sched_root(bed.tree), CLASSID(1, 0x20)));
	assert_false(bed.tree->stateful);
	bed_end();
}

/* What the rx worker found is used while the tree is the same, and not when it has changed since. */
static void
stale_classification_is_done_again(void **state)
{
	struct classify_ctx ctx = { .sink = &bed.sink };
	struct rte_mbuf *m;

	(void)state;
	bed_make();
	make_qdisc("htb", &htb_conf);
	add_class(0, CLASSID(1, 0x10), &class_conf);
	add_class(0, CLASSID(1, 0x20), &class_conf);
	m = packet(100, 1, CLASSID(1, 0x10), 0);
	sched_classify(bed.tree, &ctx, &m, 1);
	assert_true((pkt_of(m)->flags & PKT_CLASSIFIED) != 0);
	assert_int_equal(pkt_of(m)->leaf, sched_class_find(sched_root(bed.tree), CLASSID(1, 0x10))->slot);
	pkt_of(m)->priority = CLASSID(1, 0x20); /* not looked at again ... */
	offer_packet(m);
	assert_int_equal(sched_qdisc_at(bed.tree, CLASSID(1, 0x10))->backlog_pkts, 1);
	m = packet(100, 1, CLASSID(1, 0x10), 0);
	sched_classify(bed.tree, &ctx, &m, 1);
	delete_class(sched_class_find(sched_root(bed.tree), CLASSID(1, 0x10))); /* ... unless its class has gone */
	pkt_of(m)->priority = CLASSID(1, 0x20);
	offer_packet(m);
	/* The first one, which its class held, was classified again as well. */
	assert_int_equal(sched_qdisc_at(bed.tree, CLASSID(1, 0x20))->backlog_pkts, 2);
	take_all(SECONDS(1));
	bed_end();
}

static void
size_tables_count_for_all_below(void **state)
{
	uint16_t data[32];
	struct sched_stab stab = { .set = true, .spec = { .overhead = 10, .cell_log = 6, .tsize = 32 }, .data = data };
	struct sched_stab plain = { .set = true, .spec = { .overhead = -4 } };
	struct qdisc_spec spec = {
		.parent = TC_H_ROOT, .handle = 1 << 16, .kind = "prio", .conf = &prio_conf, .stab = &stab
	};
	struct qdisc *q, *leaf;

	(void)state;
	for (uint16_t i = 0; i < 32; i++)
		data[i] = (uint16_t)((i + 1) * 64 * 2);
	bed_make();
	assert_int_equal(sched_qdisc_add(bed.tree, &spec, &q, NULL), 0);
	leaf = add_qdisc(CLASSID(1, 2), 0x100000, "bfifo", &(struct fifo_conf){ .limit = 1000 });
	assert_int_equal(offer(100), 1); /* 110 is in the second cell of 64: 256 bytes */
	assert_int_equal(leaf->backlog_bytes, 256);
	assert_int_equal(q->backlog_bytes, 256);
	/* Another table while it is queued: what is counted out is what was counted in. */
	assert_int_equal(sched_qdisc_set_stab(q, &plain, NULL), 0);
	offer(100);
	assert_int_equal(q->backlog_bytes, 256 + 96);
	take(1, 1);
	assert_int_equal(q->backlog_bytes, 96);
	take(1, 1);
	assert_int_equal(q->backlog_bytes, 0);
	assert_int_equal(q->sent_bytes, 256 + 96);
	bed_end();
}

/* `stab linklayer atm tsize 16 mtu 512` as tc sends it, and what Linux 5.10 counted for frames of these lengths. */
static void
frames_longer_than_the_size_table_are_counted_as_on_linux(void **state)
{
	static const struct {
		uint32_t bytes, counted;
	} seen[] = { { 48, 106 }, { 64, 106 }, { 65, 159 }, { 128, 159 }, { 495, 583 }, { 512, 583 }, { 513, 636 },
		{ 1008, 1166 }, { 1024, 1166 }, { 1025, 1272 }, { 1088, 1272 }, { 1089, 1325 }, { 1400, 1590 },
		{ 1514, 1749 } };
	uint16_t data[16];
	struct sched_stab stab = {
		.set = true, .spec = { .cell_log = 6, .cell_align = -1, .tsize = RTE_DIM(data) }, .data = data
	};

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(data); i++)
		data[i] = (uint16_t)(((i + 1) * 64 + 47) / 48 * 53);
	for (unsigned int i = 0; i < RTE_DIM(seen); i++)
		assert_int_equal(sched_stab_bytes(&stab, seen[i].bytes), seen[i].counted);
	stab.spec.overhead = -2000; /* nothing is shorter than nothing */
	assert_int_equal(sched_stab_bytes(&stab, 48), data[0]);
	stab.spec.tsize = 0;
	assert_int_equal(sched_stab_bytes(&stab, 48), 1);
	stab.spec.overhead = 24;
	assert_int_equal(sched_stab_bytes(&stab, 48), 72);
	stab.spec = (struct tc_sizespec){ .tsize = 16, .size_log = 30, .overhead = 160000000 };
	assert_int_equal(sched_stab_bytes(&stab, 1500), UINT32_MAX);
}

static void
roots_come_and_go_and_lose_nothing(void **state)
{
	(void)state;
	bed_make();
	assert_false(sched_has_root(bed.tree));
	assert_int_equal(sched_set_default_root(bed.tree, "pfifo_fast", NULL), 0);
	assert_int_equal(sched_root(bed.tree)->handle, 0);
	assert_true(sched_can_bypass(bed.tree));
	offer(100, 200, 300);
	make_qdisc("htb", &htb_conf);
	assert_int_equal(sched_backlog(bed.tree), 3); /* direct packets now */
	delete_qdisc(sched_root(bed.tree));
	assert_string_equal(sched_root(bed.tree)->ops->kind, "pfifo_fast");
	assert_int_equal(sched_qdisc_delete(sched_root(bed.tree), NULL), -ENOENT);
	assert_int_equal(sched_set_default_root(bed.tree, NULL, NULL), 0);
	/* noqueue from now on, once what is left has gone. */
	assert_null(sched_root(bed.tree));
	assert_true(sched_has_root(bed.tree));
	take(9, 1);
	assert_order(0, 1, 2);
	assert_false(sched_has_root(bed.tree));
	bed_end();
}

/* net.core.default_qdisc: what stands stays, what comes next is of the new kind. */
static void
the_next_default_root_is_of_the_kind_that_was_set(void **state)
{
	bed_make();
	sched_set_next_default(bed.tree, "sfq");
	assert_null(sched_root(bed.tree)); /* noqueue: it has no default, and gets none by this */
	delete_qdisc(make_qdisc("prio", &prio_conf));
	assert_null(sched_root(bed.tree));
	assert_int_equal(sched_set_default_root(bed.tree, "pfifo_fast", NULL), 0);
	sched_set_next_default(bed.tree, "sfq");
	assert_string_equal(sched_root(bed.tree)->ops->kind, "pfifo_fast");
	delete_qdisc(make_qdisc("prio", &prio_conf));
	assert_string_equal(sched_root(bed.tree)->ops->kind, "sfq");
	assert_int_equal(sched_root(bed.tree)->handle, 0);
	bed_end();
}

static void
a_default_needs_no_options(void **state)
{
	static const char *const good[] = { "pfifo", "bfifo", "pfifo_head_drop", "pfifo_fast", "sfq", "codel",
		"fq_codel", "noqueue" },
				 *const wants_more[] = { "htb", "tbf", "red", "cbq", "hfsc", "mq", "teql0", "prio",
					 "drr", "wrr", "dsmark" },
				 *const unknown[] = { "", "nosuch", " sfq", "sfq extra", "noop" };

	for (size_t i = 0; i < RTE_DIM(good); i++)
		assert_int_equal(sched_check_default(good[i], NULL), 0);
	for (size_t i = 0; i < RTE_DIM(wants_more); i++)
		assert_int_equal(sched_check_default(wants_more[i], NULL), -EINVAL);
	for (size_t i = 0; i < RTE_DIM(unknown); i++)
		assert_int_equal(sched_check_default(unknown[i], NULL), -ENOENT);
}

/* A replaced subtree gives its packets to its successor: in order for each of its queues. */
static void
replacing_a_subtree_moves_its_packets(void **state)
{
	struct qdisc *band;

	(void)state;
	bed_make();
	make_qdisc("prio", &prio_conf);
	add_qdisc(CLASSID(1, 2), 0x100000, "htb", &htb_conf);
	add_class(0, CLASSID(0x10, 1), &class_conf);
	for (uint32_t i = 0; i < 300; i++)
		offer_packet(packet(100, 1, 0, 0));
	band = add_qdisc(CLASSID(1, 2), 0x200000, "pfifo", &(struct fifo_conf){ .limit = 10 });
	assert_int_equal(band->backlog_pkts, 300);
	assert_null(sched_qdisc_find(bed.tree, 0x100000));
	assert_int_equal(sched_root(bed.tree)->backlog_pkts, 300);
	take_all(1);
	assert_int_equal(bed.taken_count, 300);
	for (uint32_t i = 0; i < 300; i++)
		assert_int_equal(bed.taken[i].id, i);
	bed_end();
}

/* A configured leaf qdisc goes with its class's turning inner, and the others are still found. */
static void
a_leaf_qdisc_goes_when_its_class_turns_inner(void **state)
{
	(void)state;
	bed_make();
	make_qdisc("htb", &htb_conf);
	add_class(0, CLASSID(1, 1), &class_conf);
	add_class(0, CLASSID(1, 2), &class_conf);
	add_qdisc(CLASSID(1, 1), 0x100000, "prio", &prio_conf);
	add_qdisc(CLASSID(0x10, 1), 0x110000, "pfifo", NULL);
	add_qdisc(CLASSID(1, 2), 0x200000, "pfifo", NULL);
	add_class(CLASSID(1, 1), CLASSID(1, 0x10), &class_conf);
	assert_null(sched_qdisc_find(bed.tree, 0x100000));
	assert_null(sched_qdisc_find(bed.tree, 0x110000));
	assert_non_null(sched_qdisc_find(bed.tree, 0x200000));
	assert_non_null(sched_qdisc_find(bed.tree, 1 << 16));
	bed_end();
}

/*
 * tbf peeks into an htb, which can only dequeue: the packet is held, counted, and neither lost nor sent twice by a
 * change.
 */
static void
a_held_packet_survives_a_change(void **state)
{
	struct tbf_conf tbf = { .rate.Bps = 125000, .burst_bytes = 1000, .limit_bytes = 100000 };

	(void)state;
	bed_make();
	make_qdisc("tbf", &tbf);
	add_qdisc(CLASSID(1, 1), 0x100000, "htb", &htb_conf);
	offer(1000, 1000, 1000);
	assert_int_equal(take(9, 0), 1);
	assert_non_null(sched_qdisc_at(bed.tree, CLASSID(1, 1))->held);
	assert_nothing_lost();
	make_qdisc("pfifo", NULL);
	assert_nothing_lost();
	take(9, 1);
	assert_order(1, 2);
	bed_end();
}

/*
 * A tree is replaced qdisc first and classes later: what waited leaves first, whatever has come meanwhile, in the time
 * that those above give it; and it is moved on by the next change.
 */
static void
what_waits_for_a_tree_to_be_built_leaves_first(void **state)
{
	static const char *const kinds[] = { "drr", "hfsc", "cbq" };
	struct tbf_conf tbf = { .rate.Bps = 1000000, .burst_bytes = 1000, .limit_bytes = 100000 };
	struct cbq_conf cbq = { .given = CBQ_RATE, .rate = { .Bps = 2000000 }, .cell_log = 3, .ewma_log = 5 };
	struct hfsc_conf hfsc = { 0 };
	struct drr_class_conf class = { 0 };

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(kinds); i++) {
		const void *const confs[] = { NULL, &hfsc, &cbq };
		const void *conf = confs[i];
		struct qdisc *q;

		bed_make();
		make_qdisc("tbf", &tbf);
		offer(1000, 1000, 1000, 1000);
		assert_int_equal(take(9, 0), 1);
		q = add_qdisc(CLASSID(1, 1), 0x100000, kinds[i], conf);
		assert_int_equal(q->backlog_pkts, 3);
		if (i == 0)
			add_class(0, CLASSID(0x10, 1), &class);
		offer_packet(packet(1000, 0, CLASSID(0x10, 1), 0)); /* which only drr has; cbq's own class takes it */
		assert_int_equal(take(9, 1000000), 1);
		assert_order(1);
		add_qdisc(CLASSID(1, 1), 0x200000, kinds[i], conf);
		assert_nothing_lost();
		assert_int_equal(take_all(2000000), 1);
		assert_int_equal(take_all(9000000), i == 1 ? 1 : 2);
		assert_int_equal(bed.taken[0].id, 3);
		assert_int_equal(bed.sink.drops[DROP_UNCLASSIFIED], i == 1);
		bed_end();
	}
}

static void
a_filters_drop_is_counted(void **state)
{
	struct classify_ctx ctx = { .sink = &bed.sink };
	struct rte_mbuf *m;

	(void)state;
	bed_make();
	make_qdisc("htb", &htb_conf);
	m = packet(100, 1, 0, 0);
	sched_classify(bed.tree, &ctx, &m, 1);
	pkt_of(m)->flags |= PKT_SHOT; /* as a chain's verdict leaves it */
	assert_int_equal(offer_packet(m), 0);
	assert_int_equal(bed.sink.drops[DROP_FILTER], 1);
	assert_int_equal(sched_root(bed.tree)->drops_total, 1);
	bed_end();
}

static uint64_t
action_packets(uint32_t index)
{
	struct action_stats stats;

	action_stats_sum(action_find("gact", index), &stats);
	return stats.packets;
}

/*
 * A filter that lets each third packet through only has had what a change moves: it neither counts nor drops that
 * again.
 */
static void
moved_packets_pass_no_stateful_filter_again(void **state)
{
	struct gact_conf third = {
		.action = TC_ACT_OK, .random_type = PGACT_DETERM, .every = 3, .random_action = TC_ACT_SHOT
	};
	struct class *leaf;

	(void)state;
	bed_make();
	make_qdisc("htb", &htb_conf);
	leaf = add_class(0, CLASSID(1, 0x10), &class_conf);
	add_fw_gact(1 << 16, 7, CLASSID(1, 0x10), &third, 77);
	for (unsigned int i = 0; i < 9; i++)
		offer_packet(packet(100, 1, 0, 7));
	assert_int_equal(leaf->leaf->backlog_pkts, 6);
	assert_int_equal(action_packets(77), 9);
	/* To another leaf qdisc, and while an unrelated class comes: they stay in their class. */
	add_qdisc(CLASSID(1, 0x10), 0x100000, "prio", &prio_conf);
	add_class(0, CLASSID(1, 0x20), &class_conf);
	assert_int_equal(leaf->leaf->backlog_pkts, 6);
	assert_int_equal(action_packets(77), 9);
	/* The class is none for packets any more: without a filter's word they go to the direct queue. */
	add_class(CLASSID(1, 0x10), CLASSID(1, 0x11), &class_conf);
	assert_int_equal(sched_root(bed.tree)->backlog_pkts, 6);
	assert_int_equal(action_packets(77), 9);
	assert_int_equal(bed_dropped(), 3);
	take(10, 0);
	assert_int_equal(bed.taken_count, 6);
	bed_end();
}

/*
 * netem holds a packet whose class goes meanwhile. The next one stands where that one stood, and must not have it,
 * though a filter below netem asks each packet once only.
 */
static void
a_held_packet_does_not_follow_its_slot(void **state)
{
	const struct gact_conf third = {
		.action = TC_ACT_OK, .random_type = PGACT_DETERM, .every = 3, .random_action = TC_ACT_SHOT
	};
	struct class *gone, *other;
	uint32_t slot;

	bed_make();
	make_qdisc("netem", &(struct netem_conf){ .latency_ns = MS(10), .limit = 100 });
	add_qdisc(CLASSID(1, 1), 0x100000, "htb", &htb_conf);
	add_class(0, CLASSID(0x10, 3), &class_conf);
	add_fw_gact(0x100000, 7, CLASSID(0x10, 3), &third, 79);
	gone = add_class(0, CLASSID(0x10, 1), &class_conf);
	slot = gone->slot;
	offer_packet(packet(100, 1, CLASSID(0x10, 1), 0));
	delete_class(gone);
	other = add_class(0, CLASSID(0x10, 2), &class_conf);
	assert_int_equal(other->slot, slot);
	bed.now = MS(10);
	assert_int_equal(take_more(1), 1); /* by htb's direct queue */
	assert_int_equal(other->leaf->sent_packets, 0);
	bed_end();
}

/* What a deleted class's filters named, and that they asked each packet once, is forgotten with them. */
static void
a_classs_filters_go_with_it(void **state)
{
	const struct gact_conf ok = { .action = TC_ACT_OK, .random_type = PGACT_DETERM, .every = 3 };
	struct class *with_filters, *named;

	bed_make();
	make_qdisc("htb", &htb_conf);
	with_filters = add_class(0, CLASSID(1, 1), &class_conf);
	named = add_class(0, CLASSID(1, 2), &class_conf);
	add_fw_gact(CLASSID(1, 1), 7, CLASSID(1, 2), &ok, 80);
	assert_true(bed.tree->stateful);
	delete_class(with_filters);
	assert_null(bed.tree->chains);
	assert_false(bed.tree->stateful);
	delete_class(named);
	bed_end();
}

/*
 * Whose class a packet is for is asked of the block that the class stands in, where there are many: blocks change hands
 * when classes go, and when another qdisc with as many comes in the place of theirs.
 */
static void
packets_find_their_way_down_to_many_classes(void **state)
{
	enum { CLASSES = 150, ROUNDS = 4 };
	static const struct prio_conf all_first = { .bands = 2 };
	const uint32_t beside = 0x300000;

	bed_make();
	make_qdisc("prio", &all_first);
	add_qdisc(CLASSID(1, 2), beside, "htb", &htb_conf);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t handle = 0x100000 + (round << 16);
		const struct qdisc *q = add_qdisc(CLASSID(1, 1), handle, "htb", &htb_conf);

		for (uint32_t i = 1; i <= CLASSES; i++) {
			add_class(0, handle | i, &class_conf);
			add_class(0, beside | (round * CLASSES + i), &class_conf);
			assert_int_equal(offer_packet(packet(100, i, handle | i, 0)), 1);
		}
		for (uint32_t i = 1; i <= CLASSES; i += 2)
			delete_class(sched_class_find(q, handle | i));
		for (uint32_t i = 1; i <= CLASSES; i += 2)
			add_class(0, handle | i, &class_conf);
		for (uint32_t i = 1; i <= CLASSES; i++) {
			assert_int_equal(offer_packet(packet(100, i, handle | i, 0)), 1);
			assert_int_equal(sched_class_find(q, handle | i)->leaf->backlog_pkts, 2 - i % 2);
		}
	}
	assert_int_equal(sched_backlog(bed.tree), 2 * CLASSES * ROUNDS);
	assert_int_equal(sched_qdisc_find(bed.tree, beside)->backlog_pkts, 0);
	bed_end();
}

/* As on Linux, who answers that the packet is somebody else's now has it dropped: it stands for no class. */
static void
a_packet_that_is_trapped_goes_to_no_class(void **state)
{
	struct gact_conf trap = { .action = TC_ACT_TRAP };
	struct qdisc *q;

	(void)state;
	bed_make();
	q = make_qdisc("htb", &htb_conf);
	add_class(0, CLASSID(1, 0x10), &class_conf);
	add_fw_gact(1 << 16, 7, CLASSID(1, 0x10), &trap, 78);
	assert_int_equal(offer_packet(packet(100, 1, 0, 7)), 0);
	assert_int_equal(q->drops[DROP_FILTER], 1);
	bed_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pfifo_and_bfifo_keep_to_their_limits),
		cmocka_unit_test(defaults_come_from_the_port),
		cmocka_unit_test(refusals_are_linuxs),
		cmocka_unit_test(filters_choose_down_the_classes),
		cmocka_unit_test(who_classifies_below_the_root_is_asked),
		cmocka_unit_test(rx_workers_classify_when_a_stateful_one_is_gone),
		cmocka_unit_test(stale_classification_is_done_again),
		cmocka_unit_test(size_tables_count_for_all_below),
		cmocka_unit_test(frames_longer_than_the_size_table_are_counted_as_on_linux),
		cmocka_unit_test(roots_come_and_go_and_lose_nothing),
		cmocka_unit_test(the_next_default_root_is_of_the_kind_that_was_set),
		cmocka_unit_test(a_default_needs_no_options),
		cmocka_unit_test(replacing_a_subtree_moves_its_packets),
		cmocka_unit_test(a_leaf_qdisc_goes_when_its_class_turns_inner),
		cmocka_unit_test(a_held_packet_survives_a_change),
		cmocka_unit_test(what_waits_for_a_tree_to_be_built_leaves_first),
		cmocka_unit_test(a_filters_drop_is_counted),
		cmocka_unit_test(moved_packets_pass_no_stateful_filter_again),
		cmocka_unit_test(a_held_packet_does_not_follow_its_slot),
		cmocka_unit_test(a_classs_filters_go_with_it),
		cmocka_unit_test(packets_find_their_way_down_to_many_classes),
		cmocka_unit_test(a_packet_that_is_trapped_goes_to_no_class),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
