/* SPDX-License-Identifier: BSD-3-Clause */
/* The trees that bench-sched measures. */
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include <weir/qdisc/dsmark.h>
#include <weir/qdisc/cbq.h>
#include <weir/qdisc/gred.h>
#include <weir/qdisc/hfsc.h>
#include <weir/qdisc/htb.h>
#include <weir/qdisc/prio.h>
#include <weir/qdisc/red.h>
#include <weir/qdisc/sfq.h>
#include <weir/qdisc/tbf.h>
#include <weir/qdisc/wrr.h>

#include "sched_loads.h"

#define NS          UINT64_C(1000000000)
#define TREE_LEAVES 50000 /* of one htb */
#define QUANTUM     1514
#define SHUFFLES    16

static uint64_t
load_now(void *arg)
{
	return ((struct load *)arg)->now;
}

static struct sched_host
host_of(struct load *load)
{
	return (struct sched_host){ .mtu = 1500,
		.tx_queue_len = QUEUE_PACKETS,
		.sink = &load->sink,
		.now = load_now,
		.host_arg = load,
		.seed = 1 };
}

struct qdisc *
load_add_qdisc(struct load *load, uint32_t parent, uint32_t major, const char *kind, const void *conf)
{
	struct qdisc_spec spec = { .parent = parent, .handle = major << 16, .kind = kind, .conf = conf };
	struct qdisc *q;
	struct error err = { 0 };

	require(sched_qdisc_add(load->tree, &spec, &q, &err) == 0, err.msg);
	return q;
}

/* A burst of packets takes as long on the link as the clock goes from one burst to the next. */
void
load_start(struct load *load)
{
	struct sched_host host = host_of(load);
	struct error err = { 0 };

	load->step_ns = BURST * PACKET_BYTES * NS / LINK_BYTES_PER_S;
	require(sched_tree_create(&host, &load->tree, &err) == 0, err.msg);
}

/* What goes round is aimed anew each time: at each of `count` places as often, in random order. */
void
load_aim_at_random(struct load *load, uint32_t count, struct target (*target)(const struct load *load, uint32_t i))
{
	load->target_count = SHUFFLES * count;
	load->targets = calloc(load->target_count, sizeof(*load->targets));
	require(load->targets != NULL, "out of memory");
	for (struct target *row = load->targets; row < load->targets + load->target_count; row += count) {
		/* Fisher and Yates's shuffle, built up. */
		for (uint32_t i = 0; i < count; i++) {
			uint32_t other = random_below(i + 1);

			row[i] = row[other];
			row[other] = target(load, i);
		}
	}
}

/* ---- htb */

static void
add_htb_class(struct qdisc *q, uint32_t parent, uint32_t minor, uint64_t rate, uint64_t ceil, uint64_t burst_bytes)
{
	struct htb_class_conf conf = { .rate.Bps = rate,
		.ceil.Bps = ceil,
		.burst_ns = burst_bytes * NS / rate,
		.cburst_ns = burst_bytes * NS / ceil,
		.quantum = QUANTUM };
	struct class_spec spec = { .parentid = q->handle | parent, .classid = q->handle | minor, .conf = &conf };
	struct error err = { 0 };

	require(sched_class_add(q, &spec, NULL, &err) == 0, err.msg);
}

/*
 * What each class of one htb may send, by the state that the leaves are to be in. UNDER: twice what the link gives each
 * of them. BORROW: half of what it gives, the rest is the root class's. OVER: 95 % of it, and no more for anyone.
 */
static void
fill_htb(struct qdisc *q, unsigned int leaves, unsigned int all_leaves, enum htb_state state)
{
	static const double assured[] = { [HTB_UNDER] = 2, [HTB_BORROW] = 0.5, [HTB_OVER] = 0.95 };
	uint64_t rate = (uint64_t)((double)LINK_BYTES_PER_S * assured[state] / all_leaves);
	uint64_t ceil = state == HTB_OVER ? rate : LINK_BYTES_PER_S;
	unsigned int inner = (leaves + LEAVES_AN_INNER - 1) / LEAVES_AN_INNER;
	uint64_t inner_rate = rate * leaves / inner;

	/* The root class never holds anyone back: the link does. */
	add_htb_class(q, 0, 1, 2 * LINK_BYTES_PER_S, 2 * LINK_BYTES_PER_S, 1 << 20);
	for (unsigned int i = 0; i < inner; i++)
		add_htb_class(q, 1, 2 + i, inner_rate, RTE_MAX(inner_rate, 2 * LINK_BYTES_PER_S), 100 * QUANTUM);
	for (unsigned int i = 0; i < leaves; i++)
		add_htb_class(
			q, 2 + i % inner, FIRST_LEAF_MINOR + i, rate, ceil, state == HTB_OVER ? QUANTUM : 4 * QUANTUM);
}

struct class *
load_leaf(const struct load *load, uint32_t i)
{
	uint32_t major = load->leaves <= TREE_LEAVES ? 1 : 2 + i / TREE_LEAVES;
	const struct qdisc *q = sched_qdisc_find(load->tree, major << 16);

	return sched_class_find(q, major << 16 | (FIRST_LEAF_MINOR + i % TREE_LEAVES));
}

struct target
load_target_leaf(const struct load *load, uint32_t i)
{
	return (struct target){ .leaf = load_leaf(load, i)->slot };
}

void
load_htb(struct load *load, unsigned int leaves, enum htb_state state)
{
	static const struct htb_conf conf = { .version = 3, .rate2quantum = 10 };
	static const struct prio_conf two_bands = { .bands = 2 };
	unsigned int trees = (leaves + TREE_LEAVES - 1) / TREE_LEAVES;

	*load = (struct load){ .leaves = leaves, .own_bucket = state == HTB_OVER, .borrows = state == HTB_BORROW };
	load_start(load);
	if (trees > 1)
		load_add_qdisc(load, TC_H_ROOT, 1, "prio", &two_bands);
	for (unsigned int i = 0; i < trees; i++) {
		struct qdisc *q = trees == 1 ? load_add_qdisc(load, TC_H_ROOT, 1, "htb", &conf)
					     : load_add_qdisc(load, 1 << 16 | (i + 1), 2 + i, "htb", &conf);

		fill_htb(q, leaves / trees, leaves, state);
	}
	/* Where each leaf waits for its own bucket, each keeps what it has; else who sends next is anyone's guess. */
	if (state != HTB_OVER)
		load_aim_at_random(load, leaves, load_target_leaf);
}

/* ---- cbq */

static void
add_cbq_class(struct qdisc *q, uint32_t parent, uint32_t minor, uint64_t rate, bool bounded)
{
	struct cbq_conf conf = {
		.given = CBQ_RATE | CBQ_WRR | CBQ_LINK_SHARING | CBQ_FLAGS | CBQ_MAXIDLE,
		.rate.Bps = rate,
		.cell_log = 3,
		.bounded = bounded,
		/* Not all alike: else all would be due together, again and again. */
		.maxidle_ns = (20 + random_below(64)) * PACKET_BYTES * NS / rate,
		.prio = 5,
		.allot = QUANTUM,
		.weight = 1000,
	};
	struct class_spec spec = { .parentid = q->handle | parent, .classid = q->handle | minor, .conf = &conf };
	struct error err = { 0 };

	require(sched_class_add(q, &spec, NULL, &err) == 0, err.msg);
}

/* As htb's, UNDER and OVER: twice what the link gives each leaf, or 95 % of it and bounded. */
static void
load_cbq(struct load *load, unsigned int leaves, bool over)
{
	struct cbq_conf conf = {
		.given = CBQ_RATE | CBQ_EWMA, .rate.Bps = 4 * LINK_BYTES_PER_S, .cell_log = 3, .ewma_log = 5
	};
	uint64_t rate = (uint64_t)((double)LINK_BYTES_PER_S * (over ? 0.95 : 2) / leaves);
	unsigned int inner = (leaves + LEAVES_AN_INNER - 1) / LEAVES_AN_INNER;
	struct qdisc *q;

	*load = (struct load){ .leaves = leaves, .own_bucket = over };
	load_start(load);
	q = load_add_qdisc(load, TC_H_ROOT, 1, "cbq", &conf);
	for (unsigned int i = 0; i < inner; i++)
		add_cbq_class(q, 0, 2 + i, rate * leaves / inner, false);
	for (unsigned int i = 0; i < leaves; i++)
		add_cbq_class(q, 2 + i % inner, FIRST_LEAF_MINOR + i, rate, over);
	if (!over)
		load_aim_at_random(load, leaves, load_target_leaf);
}

void
load_cbq_1(struct load *load)
{
	load_cbq(load, 1, false);
}

void
load_cbq_10000(struct load *load)
{
	load_cbq(load, FLOWS, false);
}

void
load_cbq_10000_over(struct load *load)
{
	load_cbq(load, FLOWS, true);
}

/* ---- wrr: the packets' 10,000 flows come from 625 hosts */

static void
load_wrr(struct load *load, uint32_t classes)
{
	struct wrr_conf conf = { .given = WRR_CLASSES | WRR_MODE1,
		.classes = classes,
		.direction = WRR_SOURCE,
		.modes = { 1, 0 },
		.weights = { { .given = WRR_MIN | WRR_DECR | WRR_INCR,
			.min = WRR_ONE / 10,
			.decr = WRR_ONE >> 40,
			.incr = WRR_ONE / 100 } } };

	*load = (struct load){ 0 };
	load_start(load);
	load_add_qdisc(load, TC_H_ROOT, 1, "wrr", &conf);
}

void
load_wrr_1(struct load *load)
{
	load_wrr(load, 1);
}

void
load_wrr_10000(struct load *load)
{
	load_wrr(load, 1000);
}

/* ---- the others: 10,000 flows */

static void
load_default(struct load *load, const char *kind)
{
	*load = (struct load){ 0 };
	load_start(load);
	load_add_qdisc(load, TC_H_ROOT, 1, kind, NULL);
}

static struct target
target_priority(const struct load *load, uint32_t i)
{
	return (struct target){ .leaf = PKT_LEAF_NONE, .priority = i % (TC_PRIO_MAX + 1) };
}

void
load_pfifo_fast_1(struct load *load)
{
	load_default(load, "pfifo_fast");
}

void
load_pfifo_fast(struct load *load)
{
	load_default(load, "pfifo_fast");
	load_aim_at_random(load, FLOWS, target_priority);
}

void
load_tbf(struct load *load)
{
	static const struct tbf_conf conf = { .rate.Bps = LINK_BYTES_PER_S * 95 / 100,
		.limit_bytes = QUEUE_PACKETS * PACKET_BYTES,
		.burst_bytes = 2 * BURST * PACKET_BYTES };

	*load = (struct load){ 0 };
	load_start(load);
	load_add_qdisc(load, TC_H_ROOT, 1, "tbf", &conf);
}

void
load_pfifo(struct load *load)
{
	load_default(load, "pfifo");
}

void
load_bfifo(struct load *load)
{
	load_default(load, "bfifo");
}

void
load_pfifo_head_drop(struct load *load)
{
	load_default(load, "pfifo_head_drop");
}

void
load_teql(struct load *load)
{
	load_default(load, "teql0");
}

/* The average lies between min and max, so that each packet is judged, but with no chance to be dropped. */
static const struct red_params never_drops = {
	.min_bytes = PACKET_BYTES, .max_bytes = UINT32_MAX / 2048, .weight_log = 9, .idle_decay = 1
};

void
load_red(struct load *load)
{
	const struct red_conf conf = { .params = never_drops, .limit_bytes = QUEUE_PACKETS * PACKET_BYTES };

	*load = (struct load){ 0 };
	load_start(load);
	load_add_qdisc(load, TC_H_ROOT, 1, "red", &conf);
}

/* All 16 virtual queues, each with a prio of its own; packets are of the first. */
void
load_gred(struct load *load)
{
	struct gred_conf conf = { .setup = true,
		.queues_count = GRED_QUEUES_MAX,
		.grio = true,
		.has_limit = true,
		.limit_bytes = QUEUE_PACKETS * PACKET_BYTES };
	struct error err = { 0 };
	struct qdisc *q;

	*load = (struct load){ 0 };
	load_start(load);
	q = load_add_qdisc(load, TC_H_ROOT, 1, "gred", &conf);
	conf.setup = false;
	for (conf.queue = 0; conf.queue < GRED_QUEUES_MAX; conf.queue++) {
		conf.queues[0] = (struct gred_queue_conf){
			.params = never_drops, .limit_bytes = conf.limit_bytes, .prio = (uint8_t)(1 + conf.queue)
		};
		require(sched_qdisc_change(q, &conf, &err) == 0, err.msg);
	}
}

static struct target
target_band(const struct load *load, uint32_t i)
{
	static const uint8_t map[TC_PRIO_MAX + 1] = { 1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1 };
	struct target target = target_priority(load, i);

	target.leaf = sched_class_find(sched_root(load->tree), 1 << 16 | (map[target.priority] + 1u))->slot;
	return target;
}

void
load_prio_1(struct load *load)
{
	load_default(load, "prio");
}

void
load_prio(struct load *load)
{
	load_default(load, "prio");
	load_aim_at_random(load, FLOWS, target_band);
}

void
load_sfq(struct load *load)
{
	static const struct sfq_conf conf = {
		.quantum = QUANTUM, .limit = QUEUE_PACKETS, .divisor = 1 << 16, .flows = 1 << 14, .has_v1 = true
	};

	*load = (struct load){ 0 };
	load_start(load);
	load_add_qdisc(load, TC_H_ROOT, 1, "sfq", &conf);
}

/* Its class by priority, 1:ROW, is the packet's tc_index when it is first classified, and stays so. */
static struct target
target_row(const struct load *load, uint32_t i)
{
	return (struct target){ .leaf = sched_class_find(sched_root(load->tree), 1 << 16)->slot,
		.priority = 1 << 16 | (i % load->rows) };
}

void
load_dsmark(struct load *load, unsigned int rows)
{
	struct dsmark_conf conf = { .indices = (uint16_t)rte_align32pow2(rows) };
	struct dsmark_class_conf mark = { .has_mask = true, .mask = 0x03, .has_value = true };
	struct error err = { 0 };
	struct qdisc *q;

	*load = (struct load){ .rows = rows };
	load_start(load);
	q = load_add_qdisc(load, TC_H_ROOT, 1, "dsmark", &conf);
	for (uint32_t row = 0; row < rows; row++) {
		struct class_spec spec = { .classid = 1 << 16 | row, .conf = &mark };

		mark.value = (uint8_t)(row << 2);
		require(sched_class_change(sched_class_find(q, spec.classid), &spec, &err) == 0, err.msg);
	}
	load_aim_at_random(load, FLOWS, target_row);
}

struct target
load_first_target(const struct load *load, uint32_t i)
{
	if (load->leaves != 0)
		/* Every leaf has its part; neighbours in the tree are not neighbours in time. */
		return (struct target){ .leaf = load_leaf(load, (uint32_t)(i * UINT64_C(7919) % load->leaves))->slot };
	if (load->targets != NULL)
		return load->targets[i % load->target_count];
	return (struct target){ .leaf = PKT_LEAF_NONE };
}

/* ---- the books */

struct sums {
	const struct load *load;
	uint64_t leaf_packets, leaf_backlog;
	uint64_t root_packets;
};

static int
add_class(void *arg, struct class *c)
{
	struct sums *sums = arg;
	struct htb_class_xstats xstats;
	struct sched_stats stats;

	class_get_stats(c, &stats);
	c->qdisc->ops->classes->get_xstats(c, &xstats);
	if (c->parent == NULL)
		sums->root_packets += stats.packets;
	if (c->leaf == NULL)
		return 0;
	sums->leaf_packets += stats.packets;
	sums->leaf_backlog += stats.backlog_pkts;
	require(stats.packets != 0, "a leaf never sent");
	require((xstats.borrows != 0) == sums->load->borrows, "a leaf borrowed, or did not, against the plan");
	/* Over its rate: it has to wait after each packet, and has no more than one packet's time saved. */
	require((stats.overlimits != 0) == sums->load->own_bucket, "a leaf waited, or did not, against the plan");
	return 0;
}

static int
add_cbq_class_books(void *arg, struct class *c)
{
	struct sums *sums = arg;
	struct sched_stats stats;

	class_get_stats(c, &stats);
	if (TC_H_MIN(c->classid) == 0)
		sums->root_packets = stats.packets;
	if (TC_H_MIN(c->classid) < FIRST_LEAF_MINOR)
		return 0;
	sums->leaf_packets += stats.packets;
	sums->leaf_backlog += stats.backlog_pkts;
	require(stats.packets != 0, "a leaf never sent");
	require((stats.overlimits != 0) == sums->load->own_bucket, "a leaf waited, or did not, against the plan");
	return 0;
}

static int
add_hfsc_class_books(void *arg, struct class *c)
{
	struct sums *sums = arg;
	struct hfsc_class_xstats xstats;
	struct sched_stats stats;

	class_get_stats(c, &stats);
	c->qdisc->ops->classes->get_xstats(c, &xstats);
	if (c->parent == NULL)
		sums->root_packets += xstats.work / PACKET_BYTES;
	if (c->leaf == NULL)
		return 0;
	sums->leaf_packets += stats.packets;
	sums->leaf_backlog += stats.backlog_pkts;
	require(stats.packets != 0, "a leaf never sent");
	return 0;
}

static int
add_qdisc_classes(void *arg, struct qdisc *q)
{
	if (strcmp(q->ops->kind, "hfsc") == 0)
		return sched_class_walk(q, add_hfsc_class_books, arg);
	if (strcmp(q->ops->kind, "cbq") == 0)
		return sched_class_walk(q, add_cbq_class_books, arg);
	return strcmp(q->ops->kind, "htb") == 0 ? sched_class_walk(q, add_class, arg) : 0;
}

void
load_check_books(const struct load *load)
{
	struct sums sums = { .load = load };
	struct sched_stats stats;

	qdisc_get_stats(sched_root(load->tree), &stats);
	require(stats.drops == 0, "packets were dropped");
	require(stats.packets == load->out, "the root qdisc counted other packets than those that left");
	require(stats.bytes == load->out * PACKET_BYTES, "the root qdisc counted other bytes than those that left");
	require(load->in == load->out + stats.backlog_pkts, "packets in are not packets out and queued");
	if (load->leaves == 0)
		return;
	sched_qdisc_walk(load->tree, add_qdisc_classes, &sums);
	require(sums.leaf_packets == load->out, "the leaves' packets do not add up");
	require(sums.root_packets == load->out, "the root classes' packets do not add up");
	require(sums.leaf_backlog == stats.backlog_pkts, "the leaves' backlogs do not add up");
}
