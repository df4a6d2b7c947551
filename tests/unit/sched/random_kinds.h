/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For the random trees (test_trees.c): each kind of discipline with random parameters, and a random change of it.
 *
 * A kind that is registered and not in the table below is made with its defaults, where it has some.
 */
#ifndef WEIR_TEST_SCHED_RANDOM_KINDS_H
#define WEIR_TEST_SCHED_RANDOM_KINDS_H

#include <weir/filter/fw.h>
#include <weir/qdisc/cbq.h>
#include <weir/qdisc/codel.h>
#include <weir/qdisc/drr.h>
#include <weir/qdisc/dsmark.h>
#include <weir/qdisc/fifo.h>
#include <weir/qdisc/fq_codel.h>
#include <weir/qdisc/gred.h>
#include <weir/qdisc/hfsc.h>
#include <weir/qdisc/htb.h>
#include <weir/qdisc/netem.h>
#include <weir/qdisc/prio.h>
#include <weir/qdisc/red.h>
#include <weir/qdisc/sfq.h>
#include <weir/qdisc/tbf.h>
#include <weir/qdisc/wrr.h>

#include "support.h"

static uint64_t draw_state;

static uint32_t
draw(uint32_t below)
{
	draw_state = draw_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(draw_state >> 33) % below;
}

/*
 * To be set by who changes where packets go from now on: those that wait elsewhere may be overtaken by later ones of
 * their flow.
 */
static bool reclassified;

/* ---- kinds with classes by the packet's mark: X:11 to X:14, some of which may be missing */

#define MARKS 4

static struct htb_class_conf
random_class(void)
{
	uint64_t rate = 10000 + draw(2000000);

	return (struct htb_class_conf){ .rate = { .Bps = rate },
		.ceil = { .Bps = rate + draw(2) * draw(3000000) },
		.burst_ns = draw(5000000),
		.cburst_ns = draw(5000000),
		.prio = draw(8),
		.quantum = draw(2) ? 1 + draw(5000) : 0 };
}

static void
add_marks(struct qdisc *q)
{
	struct error err = { 0 };
	struct chain *chain = sched_chain(bed.tree, q->handle, &err);

	assert_non_null(chain);
	for (uint32_t mark = 1; mark <= MARKS; mark++) {
		struct fw_conf conf = { .has_classid = true, .classid = q->handle | (10 + mark) };
		struct filter_spec filter = { .preference = 1,
			.protocol = rte_cpu_to_be_16(0x0800),
			.handle = mark,
			.kind = "fw",
			.conf = &conf };

		if (chain_filter_add(chain, &filter, CHANGE_CREATE, NULL, &err) != 0)
			fail_msg("filter add: %s (%d)", err.msg, err.code);
	}
	sched_chain_changed(bed.tree);
	reclassified = true;
}

static void
remove_marks(struct qdisc *q)
{
	struct error err = { 0 };
	struct chain *chain = sched_chain(bed.tree, q->handle, &err);

	if (chain_filter_delete(chain, &(struct filter_spec){ 0 }, NULL, NULL, &err) != 0)
		fail_msg("filter delete: %s (%d)", err.msg, err.code);
	sched_chain_changed(bed.tree);
}

/* Adds a class that is missing, deletes one, or changes one. conf is for a leaf, inner_conf for the class X:1. */
static void
change_marked_class(struct qdisc *q, uint32_t parent, const void *conf, const void *inner_conf)
{
	struct class *c = sched_class_find(q, q->handle | (10 + 1 + draw(MARKS)));
	uint32_t missing = q->handle | (10 + MARKS);

	switch (draw(4)) {
	case 0:
		if (c == NULL)
			return;
		remove_marks(q);
		delete_class(c);
		add_marks(q);
		return;
	case 1:
		if (sched_class_find(q, missing) == NULL) {
			add_class(parent, missing, conf);
			reclassified = true;
		}
		return;
	case 2:
		c = inner_conf == NULL ? NULL : sched_class_find(q, q->handle | 1);
		if (c != NULL)
			change_class(c, inner_conf);
		return;
	default:
		if (c != NULL)
			change_class(c, conf);
	}
}

static struct qdisc *
graft_htb(uint32_t parent, uint32_t handle)
{
	struct htb_conf conf = { .version = 3,
		.rate2quantum = 10,
		.defcls = draw(2) ? 11 : 0,
		.has_direct_qlen = true,
		.direct_qlen = draw(50) };
	struct qdisc *q = add_qdisc(parent, handle, "htb", &conf);
	uint32_t minor = 1;
	struct htb_class_conf class;

	/*
	 * A chain of inner classes, a leaf or two hanging from any of them; class 14 may be missing: its packets go to
	 * the default.
	 */
	for (; minor <= 1 + draw(4); minor++) {
		class = random_class();
		add_class(minor == 1 ? handle : handle | (minor - 1), handle | minor, &class);
	}
	for (uint32_t leaf = 11; leaf <= 13 + draw(2); leaf++) {
		class = random_class();
		add_class(handle | (1 + draw(minor - 1)), handle | leaf, &class);
	}
	add_marks(q);
	return q;
}

static void
change_htb(struct qdisc *q)
{
	struct htb_class_conf conf = random_class();

	change_marked_class(q, q->handle | 1, &conf, &conf);
}

static struct cbq_conf
random_cbq_class(uint64_t most)
{
	return (struct cbq_conf){ .given =
					  CBQ_RATE | CBQ_WRR | CBQ_LINK_SHARING | CBQ_FLAGS | CBQ_MAXIDLE | CBQ_OFFTIME,
		.rate = { .Bps = most / 2 + draw((uint32_t)most / 2) },
		.cell_log = 3,
		.bounded = draw(3) == 0,
		.isolated = draw(4) == 0,
		.maxidle_ns = draw(20000000),
		.offtime_ns = draw(4) == 0 ? draw(5000000) : 0,
		.prio = (uint8_t)(1 + draw(8)),
		.allot = 1 + draw(5000),
		.weight = 1 + draw(1 << 20) };
}

/* As graft_htb. A rate may not be above the parent's: by minor, they halve. */
static struct qdisc *
graft_cbq(uint32_t parent, uint32_t handle)
{
	struct cbq_conf conf = { .given = CBQ_RATE, .rate = { .Bps = 2000000 }, .cell_log = 3, .ewma_log = 5 };
	struct qdisc *q = add_qdisc(parent, handle, "cbq", &conf);
	uint32_t minor = 1;

	for (; minor <= 1 + draw(4); minor++) {
		conf = random_cbq_class(2000000 >> minor);
		add_class(handle | (minor - 1), handle | minor, &conf);
	}
	for (uint32_t leaf = 11; leaf <= 13 + draw(2); leaf++) {
		conf = random_cbq_class(20000);
		add_class(handle | draw(minor), handle | leaf, &conf);
	}
	add_marks(q);
	return q;
}

static void
change_cbq(struct qdisc *q)
{
	struct cbq_conf conf = random_cbq_class(20000), inner = random_cbq_class(1000000);

	change_marked_class(q, q->handle, &conf, &inner);
}

static struct hfsc_curve_conf
random_curve(void)
{
	return (struct hfsc_curve_conf){ .m1_Bps = draw(2) * draw(2000000),
		.d_ns = (uint64_t)draw(2) * draw(50000000),
		.m2_Bps = 10000 + draw(2000000) };
}

/* No class that could wait for ever: each has something, and all of it goes on. */
static struct hfsc_class_conf
random_hfsc_class(void)
{
	struct hfsc_class_conf conf = { 0 };
	bool limited = draw(3) == 0;

	if (limited || draw(2))
		conf.link_share = random_curve();
	if (conf.link_share.m2_Bps == 0 || draw(2))
		conf.real_time = random_curve();
	if (limited)
		conf.upper_limit = random_curve();
	return conf;
}

static struct qdisc *
graft_hfsc(uint32_t parent, uint32_t handle)
{
	struct hfsc_conf conf = { .defcls = draw(2) ? 11 : 0 };
	struct qdisc *q = add_qdisc(parent, handle, "hfsc", &conf);
	uint32_t minor = 1;
	struct hfsc_class_conf class;

	for (; minor <= 1 + draw(4); minor++) {
		class = random_hfsc_class();
		add_class(minor == 1 ? handle : handle | (minor - 1), handle | minor, &class);
	}
	for (uint32_t leaf = 11; leaf <= 13 + draw(2); leaf++) {
		class = random_hfsc_class();
		add_class(handle | draw(minor), handle | leaf, &class);
	}
	add_marks(q);
	return q;
}

static void
change_hfsc(struct qdisc *q)
{
	struct hfsc_class_conf conf = random_hfsc_class(), inner = random_hfsc_class();

	change_marked_class(q, q->handle, &conf, &inner);
}

static struct drr_class_conf
random_drr_class(void)
{
	return (struct drr_class_conf){ .has_quantum = draw(4) != 0, .quantum = 1 + draw(4000) };
}

static struct qdisc *
graft_drr(uint32_t parent, uint32_t handle)
{
	struct qdisc *q = add_qdisc(parent, handle, "drr", NULL);

	for (uint32_t leaf = 11; leaf <= 13 + draw(2); leaf++) {
		struct drr_class_conf conf = random_drr_class();

		add_class(handle, handle | leaf, &conf);
	}
	add_marks(q);
	return q;
}

static void
change_drr(struct qdisc *q)
{
	struct drr_class_conf conf = random_drr_class();

	change_marked_class(q, q->handle, &conf, NULL);
}

static struct red_conf
random_red(void)
{
	struct red_conf conf = {
		.params = { .min_bytes = draw(20000), .max_p = draw(UINT32_MAX), .weight_log = draw(10) }
	};

	conf.params.max_bytes = conf.params.min_bytes + 1 + draw(40000);
	conf.params.idle_decay = UINT64_C(1) << draw(60);
	conf.limit_bytes = conf.params.max_bytes + draw(60000);
	conf.flags = TC_RED_ECN | draw(16);
	return conf;
}

static struct qdisc *
graft_red(uint32_t parent, uint32_t handle)
{
	struct red_conf conf = random_red();

	return add_qdisc(parent, handle, "red", &conf);
}

static struct gred_conf
random_gred(void)
{
	struct gred_conf conf = { .setup = true, .queues_count = 1 + draw(16), .grio = draw(2), .has_limit = true };

	conf.default_queue = draw(conf.queues_count);
	conf.limit_bytes = 1 + draw(100000);
	return conf;
}

/* One of the virtual queues that there are for certain: the first. */
static void
set_gred_queue(struct qdisc *q)
{
	struct red_conf red = random_red();
	struct gred_conf conf = { .queues = { { .params = red.params,
					  .limit_bytes = red.limit_bytes,
					  .prio = (uint8_t)draw(4),
					  .has_flags = true } } };

	change_qdisc(q, &conf);
}

static struct qdisc *
graft_gred(uint32_t parent, uint32_t handle)
{
	struct gred_conf conf = random_gred();
	struct qdisc *q = add_qdisc(parent, handle, "gred", &conf);

	set_gred_queue(q);
	return q;
}

static struct qdisc *
graft_pfifo(uint32_t parent, uint32_t handle)
{
	return add_qdisc(parent, handle, "pfifo", &(struct fifo_conf){ .limit = 1 + draw(100) });
}

static struct qdisc *
graft_pfifo_head_drop(uint32_t parent, uint32_t handle)
{
	return add_qdisc(parent, handle, "pfifo_head_drop", &(struct fifo_conf){ .limit = draw(100) });
}

static struct qdisc *
graft_bfifo(uint32_t parent, uint32_t handle)
{
	return add_qdisc(parent, handle, "bfifo", &(struct fifo_conf){ .limit = 2000 + draw(60000) });
}

static struct qdisc *
graft_pfifo_fast(uint32_t parent, uint32_t handle)
{
	return add_qdisc(parent, handle, "pfifo_fast", NULL);
}

static struct qdisc *
graft_sfq(uint32_t parent, uint32_t handle)
{
	struct sfq_conf conf = { .quantum = draw(2) ? 200 + draw(2000) : 0,
		.perturb_s = (int32_t)draw(3),
		.limit = 2 + draw(200),
		.has_v1 = true,
		.headdrop = draw(2),
		.depth = draw(60) };

	return add_qdisc(parent, handle, "sfq", &conf);
}

static struct prio_conf
random_prio(void)
{
	struct prio_conf conf = { .bands = 2 + draw(5) };

	for (unsigned int i = 0; i < RTE_DIM(conf.priomap); i++)
		conf.priomap[i] = (uint8_t)draw(conf.bands);
	return conf;
}

static struct qdisc *
graft_prio(uint32_t parent, uint32_t handle)
{
	struct prio_conf conf = random_prio();

	return add_qdisc(parent, handle, "prio", &conf);
}

static struct tbf_conf
random_tbf(void)
{
	return (struct tbf_conf){ .rate = { .Bps = 10000 + draw(10000000) },
		.limit_bytes = 3000 + draw(100000),
		.burst_bytes = 1600 + draw(20000) };
}

static struct qdisc *
graft_tbf(uint32_t parent, uint32_t handle)
{
	struct tbf_conf conf = random_tbf();

	return add_qdisc(parent, handle, "tbf", &conf);
}

static struct qdisc *
graft_dsmark(uint32_t parent, uint32_t handle)
{
	struct dsmark_conf conf = {
		.indices = (uint16_t)(1u << draw(8)), .set_tc_index = draw(2), .has_default_index = draw(2)
	};

	return add_qdisc(parent, handle, "dsmark", &conf);
}

static struct codel_times
random_times(void)
{
	return (struct codel_times){ .target_ns = draw(20000000),
		.interval_ns = 10000 + draw(100000000),
		.ce_threshold_ns = draw(10000000),
		.ecn = draw(2) };
}

#define CODEL_TIMES (CODEL_TARGET | CODEL_INTERVAL | CODEL_ECN)

static struct codel_conf
random_codel(void)
{
	return (struct codel_conf){ .given = CODEL_LIMIT | CODEL_TIMES | draw(2) * CODEL_CE_THRESHOLD,
		.limit = 1 + draw(200),
		.times = random_times() };
}

static struct qdisc *
graft_codel(uint32_t parent, uint32_t handle)
{
	struct codel_conf conf = random_codel();

	return add_qdisc(parent, handle, "codel", &conf);
}

static void
change_codel(struct qdisc *q)
{
	struct codel_conf conf = random_codel();

	change_qdisc(q, &conf);
}

static struct fq_codel_conf
random_fq_codel(void)
{
	return (struct fq_codel_conf){ .given = CODEL_LIMIT | CODEL_TIMES | FQ_CODEL_QUANTUM | FQ_CODEL_DROP_BATCH |
						FQ_CODEL_MEMORY_LIMIT | draw(2) * CODEL_CE_THRESHOLD,
		.limit = 1 + draw(200),
		.quantum = draw(4000),
		.drop_batch = draw(70),
		.memory_limit = 3000 + draw(500000),
		.times = random_times() };
}

static struct qdisc *
graft_fq_codel(uint32_t parent, uint32_t handle)
{
	struct fq_codel_conf conf = random_fq_codel();

	conf.given |= FQ_CODEL_FLOWS;
	conf.flows = 1 + draw(draw(2) ? 2000 : 20);
	return add_qdisc(parent, handle, "fq_codel", &conf);
}

static void
change_fq_codel(struct qdisc *q)
{
	struct fq_codel_conf conf = random_fq_codel();

	change_qdisc(q, &conf);
}

/* ---- changes of the others */

static void
change_red(struct qdisc *q)
{
	struct red_conf conf = random_red();

	change_qdisc(q, &conf);
}

static void
change_gred(struct qdisc *q)
{
	struct gred_conf conf = random_gred();

	if (draw(2))
		change_qdisc(q, &conf);
	else
		set_gred_queue(q);
}

static void
change_fifo(struct qdisc *q)
{
	change_qdisc(q, &(struct fifo_conf){ .limit = 1 + draw(strcmp(q->ops->kind, "bfifo") == 0 ? 50000 : 100) });
}

static void
change_prio(struct qdisc *q)
{
	struct prio_conf conf = random_prio();

	change_qdisc(q, &conf);
}

static void
change_tbf(struct qdisc *q)
{
	struct tbf_conf conf = random_tbf();

	change_qdisc(q, &conf);
}

/* No jitter: flows stay in order. What is below it, if there is room for that, may be any kind later. */
static struct qdisc *
graft_netem(uint32_t parent, uint32_t handle)
{
	struct netem_conf conf = { .latency_ns = draw(3) * draw(20000000),
		.limit = 1 + draw(300),
		.loss = { .probability = draw(2) * draw(UINT32_MAX / 8) },
		.has_rate = draw(2),
		.rate = { .Bps = 10000 + draw(10000000) },
		.has_slot = draw(4) == 0,
		.slot = { .min_ns = draw(1000000), .max_ns = 1000000 + draw(5000000), .packets = (int32_t)draw(10) } };
	struct qdisc *q = add_qdisc(parent, handle, "netem", &conf);
	struct qdisc_spec below = { .parent = handle | 1, .handle = handle | 0x8000u << 16, .kind = "pfifo" };

	sched_qdisc_add(bed.tree, &below, NULL, NULL);
	return q;
}

static void
change_netem(struct qdisc *q)
{
	struct qdisc *below = sched_qdisc_at(bed.tree, q->handle | 1);
	struct netem_conf conf;

	if (below != NULL && draw(4) == 0)
		delete_qdisc(below);
	q->ops->get_conf(q, &conf);
	conf.limit = 1 + draw(300);
	conf.loss.probability = draw(2) * draw(UINT32_MAX / 8);

	change_qdisc(q, &conf);
}

/* Few classes, so that hosts take each other's. */
static struct wrr_conf
random_wrr(void)
{
	return (struct wrr_conf){ .given = WRR_MODE1 | WRR_QUANTUM,
		.quantum = 1 + draw(5000),
		.modes = { (uint8_t)draw(2) },
		.weights = { { .given = WRR_MIN | WRR_DECR | WRR_INCR,
			.min = 1 + draw(UINT32_MAX),
			.decr = UINT64_C(1) << draw(50),
			.incr = UINT64_C(1) << draw(63) } } };
}

static struct qdisc *
graft_wrr(uint32_t parent, uint32_t handle)
{
	struct wrr_conf conf = random_wrr();

	conf.given |= WRR_CLASSES;
	conf.direction = WRR_SOURCE;
	conf.classes = 1 + draw(6);
	return add_qdisc(parent, handle, "wrr", &conf);
}

static void
change_wrr(struct qdisc *q)
{
	struct wrr_conf conf = random_wrr();

	change_qdisc(q, &conf);
}

/* ---- the table */

struct random_kind {
	const char *kind;
	struct qdisc *(*graft)(uint32_t parent, uint32_t handle); /* NULL: with its defaults */
	void (*change)(struct qdisc *q); /* NULL: nothing of it can be changed */
	bool inner; /* other kinds may stand below it */
	bool waits; /* may have packets and give none yet */
};

/* A kind that stands here twice is drawn twice as often. */
static const struct random_kind random_kinds[] = {
	{ "bfifo", graft_bfifo, change_fifo },
	{ "cbq", graft_cbq, change_cbq, .inner = true, .waits = true },
	{ "codel", graft_codel, change_codel },
	{ "drr", graft_drr, change_drr, .inner = true },
	{ "drr", graft_drr, change_drr, .inner = true },
	{ "dsmark", graft_dsmark, NULL, .inner = true },
	{ "fq_codel", graft_fq_codel, change_fq_codel },
	{ "gred", graft_gred, change_gred },
	{ "hfsc", graft_hfsc, change_hfsc, .inner = true, .waits = true },
	{ "htb", graft_htb, change_htb, .inner = true, .waits = true },
	{ "htb", graft_htb, change_htb, .inner = true, .waits = true },
	{ "netem", graft_netem, change_netem, .inner = true, .waits = true },
	{ "pfifo", graft_pfifo, change_fifo },
	{ "pfifo_fast", graft_pfifo_fast, NULL },
	{ "pfifo_head_drop", graft_pfifo_head_drop, change_fifo },
	{ "prio", graft_prio, change_prio, .inner = true },
	{ "prio", graft_prio, change_prio, .inner = true },
	{ "red", graft_red, change_red, .inner = true },
	{ "sfq", graft_sfq, NULL },
	{ "tbf", graft_tbf, change_tbf, .inner = true, .waits = true },
	{ "wrr", graft_wrr, change_wrr, .inner = true },
	/* Only at the root of a port with several queues. */
	{ "mq", graft_pfifo, NULL },
};

static const struct random_kind *
random_kind_of(const char *kind)
{
	for (size_t i = 0; i < RTE_DIM(random_kinds); i++) {
		if (strcmp(random_kinds[i].kind, kind) == 0)
			return &random_kinds[i];
	}
	return NULL;
}

/* Some kind that is registered and not in the table, with its defaults; false: there is none, or it wants options. */
static bool
graft_unknown(uint32_t parent, uint32_t handle)
{
	const struct qdisc_ops *unknown[64];
	uint32_t count = 0;

	for (unsigned int i = 0; qdisc_ops_at(i) != NULL; i++) {
		if (random_kind_of(qdisc_ops_at(i)->kind) == NULL)
			unknown[count++] = qdisc_ops_at(i);
	}
	if (count == 0)
		return false;
	struct qdisc_spec spec = { .parent = parent, .handle = handle, .kind = unknown[draw(count)]->kind };

	return sched_qdisc_add(bed.tree, &spec, NULL, NULL) == 0;
}

/* inner: only kinds that others may stand below; leaf: only those that they may not. */
static void
graft_random(uint32_t parent, uint32_t handle, bool inner, bool leaf)
{
	const struct random_kind *kind;

	if (!inner && draw(20) == 0 && graft_unknown(parent, handle))
		return;
	do
		kind = &random_kinds[draw(RTE_DIM(random_kinds))];
	while ((inner && !kind->inner) || (leaf && kind->inner));
	kind->graft(parent, handle);
}

#endif
