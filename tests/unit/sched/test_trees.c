/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random trees of most kinds under random traffic and changes. Whatever happens: nothing is lost,
 * the backlogs add up at every level, what may leave does leave at once, and each flow stays in order. Each seed is
 * printed; SEED=n in the environment plays that one only.
 */
#include <stdlib.h>

#include <weir/filter/fw.h>
#include <weir/qdisc/cbq.h>
#include <weir/qdisc/dsmark.h>
#include <weir/qdisc/fifo.h>
#include <weir/qdisc/hfsc.h>
#include <weir/qdisc/htb.h>
#include <weir/qdisc/prio.h>
#include <weir/qdisc/red.h>
#include <weir/qdisc/sfq.h>
#include <weir/qdisc/tbf.h>

#include "support.h"

#define SEEDS      60
#define STEPS      400
#define FLOWS      48
#define PLACES_MAX 64

static uint64_t draw_state;

static uint32_t
draw(uint32_t below)
{
	draw_state = draw_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(draw_state >> 33) % below;
}

/* ---- the tree */

static uint32_t places[PLACES_MAX]; /* classids where a leaf may be grafted */
static uint32_t places_count, next_major;

static int
note_place(void *arg, struct class *c)
{
	if (places_count < PLACES_MAX && c->leaf != NULL)
		places[places_count++] = c->classid;
	return 0;
}

static int
note_places(void *arg, struct qdisc *q)
{
	if (q->ops->classes == NULL)
		return 0;
	if (q->ops->classes->any_minor)
		return note_place(NULL, sched_class_find(q, q->handle));
	return sched_class_walk(q, note_place, NULL);
}

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

/* A packet's mark says its class: X:11 to X:14. */
static void
add_marks(struct qdisc *q)
{
	struct error err = { 0 };
	struct chain *chain = sched_chain(bed.tree, q->handle, &err);

	assert_non_null(chain);
	for (uint32_t mark = 1; mark <= 4; mark++) {
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
	const struct qdisc *there = sched_qdisc_at(bed.tree, parent);
	struct qdisc *q;
	uint32_t minor = 1;

	/*
	 * Packets that move here before its classes are made wait in the link's own queue, and later ones in the
	 * classes overtake them. (htb's direct queue goes first.)
	 */
	if (there != NULL && there->backlog_pkts != 0)
		return graft_htb(parent, handle);
	q = add_qdisc(parent, handle, "cbq", &conf);

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
change_hfsc_class_somewhere(struct qdisc *q)
{
	struct class *c = sched_class_find(q, q->handle | (draw(2) ? 1 : 11 + draw(4)));
	struct hfsc_class_conf conf = random_hfsc_class();

	if (c != NULL)
		change_class(c, &conf);
}

/* Some class of some htb or cbq gets other rates. */
static void
change_class_somewhere(struct qdisc *q)
{
	struct class *c = sched_class_find(q, q->handle | (draw(2) ? 1 : 11 + draw(4)));
	struct htb_class_conf conf = random_class();

	if (c != NULL)
		change_class(c, &conf);
}

static void
change_cbq_class_somewhere(struct qdisc *q)
{
	struct class *c = sched_class_find(q, q->handle | (draw(2) ? 1 : 11 + draw(4)));
	struct cbq_conf conf = random_cbq_class(TC_H_MIN(c == NULL ? 0 : c->classid) == 1 ? 1000000 : 20000);

	if (c != NULL)
		change_class(c, &conf);
}

static int
change_classes(void *arg, struct qdisc *q)
{
	if (strcmp(q->ops->kind, "htb") == 0)
		change_class_somewhere(q);
	else if (strcmp(q->ops->kind, "cbq") == 0)
		change_cbq_class_somewhere(q);
	else if (strcmp(q->ops->kind, "hfsc") == 0)
		change_hfsc_class_somewhere(q);
	return 0;
}

static struct qdisc *
graft_red(uint32_t parent, uint32_t handle)
{
	struct red_conf conf = {
		.params = { .min_bytes = draw(20000), .max_p = draw(UINT32_MAX), .weight_log = draw(10) }
	};

	conf.params.max_bytes = conf.params.min_bytes + 1 + draw(40000);
	conf.params.idle_decay = UINT64_C(1) << draw(60);
	conf.limit_bytes = conf.params.max_bytes + draw(60000);
	conf.flags = TC_RED_ECN | draw(16);
	return add_qdisc(parent, handle, "red", &conf);
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

static struct qdisc *
graft_prio(uint32_t parent, uint32_t handle)
{
	struct prio_conf conf = { .bands = 3 + draw(4), .priomap = { 1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1 } };

	return add_qdisc(parent, handle, "prio", &conf);
}

static struct qdisc *
graft_tbf(uint32_t parent, uint32_t handle)
{
	struct tbf_conf conf = { .rate = { .Bps = 10000 + draw(10000000) },
		.limit_bytes = 3000 + draw(100000),
		.burst_bytes = 1600 + draw(20000) };

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

/* A kind that stands here twice is drawn twice as often. */
typedef struct qdisc *graft(uint32_t parent, uint32_t handle);
static graft *const leaves[] = { graft_pfifo, graft_pfifo_head_drop, graft_bfifo, graft_pfifo_fast, graft_sfq,
	graft_sfq, graft_red };
/* At depth 3 a branch ends. */
static graft *const inner[] = { graft_htb, graft_htb, graft_cbq, graft_cbq, graft_hfsc, graft_hfsc, graft_prio,
	graft_prio, graft_tbf, graft_dsmark };

static struct qdisc *
graft_random(uint32_t parent, uint32_t handle, unsigned int depth)
{
	uint32_t drawn = draw(RTE_DIM(leaves) + (depth < 3 ? RTE_DIM(inner) : 0));

	return (drawn < RTE_DIM(leaves) ? leaves[drawn] : inner[drawn - RTE_DIM(leaves)])(parent, handle);
}

static unsigned int
depth_of(const struct qdisc *q)
{
	unsigned int depth = 0;

	for (; q->parent != NULL; q = q->parent->qdisc)
		depth++;
	return depth;
}

/* A random class of the tree gets a new leaf, or loses the one that it was given. */
static void
change_somewhere(void)
{
	uint32_t place;
	struct qdisc *there;

	places_count = 0;
	sched_qdisc_walk(bed.tree, note_places, NULL);
	if (places_count == 0 || next_major >= 0x7fff)
		return;
	place = places[draw(places_count)];
	there = sched_qdisc_at(bed.tree, place);
	assert_non_null(there);
	if (there->handle != 0 && draw(3) == 0)
		delete_qdisc(there);
	else
		graft_random(place, next_major++ << 16, depth_of(there));
}

/* ---- promises */

static int
check_backlog(void *arg, struct qdisc *q)
{
	uint64_t bytes = 0, packets = 0;

	/* htb has a queue of its own, for what no class is for. */
	if (q->class_table == NULL || (q->ops->classes->snapshot != NULL && !q->ops->classes->any_minor) ||
		strcmp(q->ops->kind, "htb") == 0)
		return 0;
	places_count = 0;
	note_places(NULL, q);
	for (uint32_t i = 0; i < places_count; i++) {
		const struct qdisc *leaf = sched_class_find(q, places[i])->leaf;

		bytes += leaf->backlog_bytes;
		packets += leaf->backlog_pkts;
	}
	/* What a peek took out is still counted above. */
	assert_int_equal(q->backlog_pkts, packets + (q->held != NULL));
	assert_int_equal(q->backlog_bytes, bytes + (q->held != NULL ? pkt_queued_bytes(q->held) : 0));
	return 0;
}

static void
check_promises(void)
{
	uint64_t next = sched_next_event(bed.tree, bed.now);

	assert_nothing_lost();
	sched_qdisc_walk(bed.tree, check_backlog, NULL);
	assert_true(sched_backlog(bed.tree) == 0 ? next == SCHED_NEVER : next >= bed.now && next != SCHED_NEVER);
}

static uint32_t last_of_flow[FLOWS];

static void
check_order(void)
{
	for (uint32_t i = 0; i < bed.taken_count; i++) {
		uint32_t *last = &last_of_flow[bed.taken[i].flow];

		if (*last != UINT32_MAX && *last >= bed.taken[i].id)
			fail_msg("packet %u of flow %u left after %u", bed.taken[i].id, bed.taken[i].flow, *last);
		*last = bed.taken[i].id;
	}
	bed.taken_count = 0;
}

static void
offer_random(void)
{
	struct rte_mbuf *pkts[100];
	uint16_t n = (uint16_t)(1 + draw(draw(10) == 0 ? 100 : 10));

	for (uint16_t i = 0; i < n; i++) {
		uint32_t flow = draw(FLOWS);

		pkts[i] = packet(64 + draw(1451), flow, flow % 16, flow % 5); /* a flow has one priority and one mark */
	}
	offer_packets(pkts, n);
}

static void
step(void)
{
	uint64_t next;

	switch (draw(8)) {
	case 0:
		if (draw(2))
			change_somewhere();
		else
			sched_qdisc_walk(bed.tree, change_classes, NULL);
		break;
	case 1:
	case 2:
	case 3:
		offer_random();
		break;
	case 4: /* some of what may leave */
		take_more(draw(20));
		break;
	case 5: /* all, and after that nothing may leave at this time */
		take_more(UINT32_MAX);
		next = sched_next_event(bed.tree, bed.now);
		assert_true(next > bed.now);
		break;
	case 6:
		next = sched_next_event(bed.tree, bed.now);
		if (next != SCHED_NEVER)
			bed.now = next;
		break;
	default:
		bed.now += draw(30000000);
	}
}

static void
play(unsigned int seed)
{
	print_message("seed %u\n", seed);
	draw_state = seed * UINT64_C(0x9e3779b97f4a7c15);
	memset(last_of_flow, 0xff, sizeof(last_of_flow));
	next_major = 2;
	bed_make();
	sched_set_tx_queue_len(bed.tree, 5 + draw(200));
	graft_random(TC_H_ROOT, 1 << 16, 0);
	for (unsigned int i = 0; i < 8; i++)
		change_somewhere();
	for (unsigned int i = 0; i < STEPS; i++) {
		step();
		check_promises();
		check_order();
	}
	take_all(SCHED_NEVER - 1);
	check_order();
	assert_int_equal(sched_backlog(bed.tree), 0);
	check_promises();
	bed_end();
}

static void
random_trees_keep_the_promises(void **state)
{
	const char *only = getenv("SEED");

	if (only != NULL) {
		play((unsigned int)strtoul(only, NULL, 10));
		return;
	}
	for (unsigned int seed = 1; seed <= SEEDS; seed++)
		play(seed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(random_trees_keep_the_promises) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
