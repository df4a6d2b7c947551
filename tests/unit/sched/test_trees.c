/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random trees of any registered kinds, up to eight deep, under random traffic, and changes, grafts, replacements and
 * deletions while packets flow. Whatever happens: nothing is lost or leaked, the backlogs add up at every level,
 * nothing leaves before the time that next_event told, what may leave does leave at once, and each flow stays in order.
 *
 * Each seed is printed. In the environment: SEED=n plays that one only; TREES_SECONDS=n plays seed after seed for so
 * long, from TREES_FIRST=n on.
 */
#include <stdlib.h>
#include <time.h>

#include "random_kinds.h"

#define SEEDS      60
#define STEPS      400
#define FLOWS      48
#define PLACES_MAX 64

/* ---- the tree */

static uint32_t places[PLACES_MAX]; /* classids where a leaf may be grafted */
static uint32_t places_count, next_major;

static int
note_place(void *arg, struct class *c)
{
	(void)arg;
	if (places_count < PLACES_MAX && c->leaf != NULL)
		places[places_count++] = c->classid;
	return 0;
}

static int
note_places(void *arg, struct qdisc *q)
{
	(void)arg;
	if (q->ops->classes == NULL)
		return 0;
	if (q->ops->classes->any_minor)
		return note_place(NULL, sched_class_find(q, q->handle));
	return q->ops->classes->snapshot == NULL ? sched_class_walk(q, note_place, NULL) : 0;
}

/* Qdiscs from the root to it. */
static unsigned int
depth_of(const struct qdisc *q)
{
	unsigned int depth = 1;

	for (; q->parent != NULL; q = q->parent->qdisc)
		depth++;
	return depth;
}

/* A random class of the tree gets a new leaf, or loses the one that it was given. */
static void
graft_somewhere(void)
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
	else if (depth_of(there) <= SCHED_DEPTH_MAX)
		graft_random(place, next_major++ << 16, false, depth_of(there) > 3 && draw(3) != 0);
}

/* The deepest qdiscs are made first, so that grafts elsewhere find little room. */
static void
graft_deep(void)
{
	graft_random(TC_H_ROOT, 1 << 16, true, false);
	for (;;) {
		uint32_t deepest = 0, place = 0;

		places_count = 0;
		sched_qdisc_walk(bed.tree, note_places, NULL);
		for (uint32_t i = 0; i < places_count; i++) {
			unsigned int depth = depth_of(sched_qdisc_at(bed.tree, places[i]));

			if (depth > deepest || (depth == deepest && draw(2))) {
				deepest = depth;
				place = places[i];
			}
		}
		if (deepest > SCHED_DEPTH_MAX)
			return;
		graft_random(place, next_major++ << 16, true, false);
	}
}

static uint32_t handles[PLACES_MAX];
static uint32_t handle_count;

/* Not what a parent has made: tc cannot name it. */
static int
note_handle(void *arg, struct qdisc *q)
{
	(void)arg;
	if (q->handle != 0 && handle_count < PLACES_MAX)
		handles[handle_count++] = q->handle;
	return 0;
}

/* Some qdisc, or a class of it, is changed, added or deleted. */
static void
change_somewhere(void)
{
	const struct random_kind *kind;
	struct qdisc *q;

	handle_count = 0;
	sched_qdisc_walk(bed.tree, note_handle, NULL);
	if (handle_count == 0)
		return;
	q = sched_qdisc_find(bed.tree, handles[draw(handle_count)]);
	kind = random_kind_of(q->ops->kind);
	if (kind != NULL && kind->change != NULL)
		kind->change(q);
}

/* ---- promises */

static int
check_backlog(void *arg, struct qdisc *q)
{
	uint64_t bytes = 0, packets = 0;

	(void)arg;
	places_count = 0;
	note_places(NULL, q);
	if (places_count == 0)
		return 0;
	for (uint32_t i = 0; i < places_count; i++) {
		const struct qdisc *leaf = sched_class_find(q, places[i])->leaf;

		bytes += leaf->backlog_bytes;
		packets += leaf->backlog_pkts;
	}
	/* What a peek took out is still counted above. */
	packets += q->held != NULL;
	bytes += q->held != NULL ? pkt_queued_bytes(q->held) : 0;
	/*
	 * htb has a queue of its own, for what no class is for, and netem for what is not due; and all that hold
	 * something for a class that is not there yet.
	 */
	if (strcmp(q->ops->kind, "htb") == 0 || strcmp(q->ops->kind, "netem") == 0 || (q->holds && q->ahead != NULL)) {
		assert_true(q->backlog_pkts >= packets && q->backlog_bytes >= bytes);
		return 0;
	}
	assert_int_equal(q->backlog_pkts, packets);
	assert_int_equal(q->backlog_bytes, bytes);
	return 0;
}

static int
is_waiting(void *arg, struct qdisc *q)
{
	const struct random_kind *kind = random_kind_of(q->ops->kind);

	(void)arg;
	return kind == NULL || kind->waits;
}

/* With no shaper in the tree, what is queued may leave at once. */
static bool
is_work_conserving(void)
{
	return sched_qdisc_walk(bed.tree, is_waiting, NULL) == 0;
}

static void
check_promises(void)
{
	uint64_t next = sched_next_event(bed.tree, bed.now);

	assert_nothing_lost();
	sched_qdisc_walk(bed.tree, check_backlog, NULL);
	if (sched_backlog(bed.tree) == 0)
		assert_true(next == SCHED_NEVER);
	else
		assert_true(next >= bed.now && next != SCHED_NEVER);
	if (sched_backlog(bed.tree) != 0 && is_work_conserving())
		assert_true(next == bed.now);
}

/*
 * Packets that came between two changes of classification are of one epoch: only those of a flow's same epoch go the
 * same way and stay in order. Once another change has moved packets of an old epoch, they have gone by the new rules,
 * while one that a peek took out still goes by the old ones.
 */
static uint32_t epochs[STEPS + 16]; /* the first id of each */
static uint32_t epoch_count, first_ordered;

static void
note_change(void)
{
	first_ordered = RTE_MAX(first_ordered, epoch_count - 1);
}

static int
is_netem(void *arg, struct qdisc *q)
{
	(void)arg;
	return strcmp(q->ops->kind, "netem") == 0;
}

static uint32_t last_of_flow[STEPS + 16][FLOWS];

static void
start_epoch(void)
{
	assert_true(epoch_count < RTE_DIM(epochs));
	memset(last_of_flow[epoch_count], 0xff, sizeof(last_of_flow[0]));
	/* What waits in netem will go on by the new rules, others of its epoch have gone by the old ones. */
	if (sched_qdisc_walk(bed.tree, is_netem, NULL) != 0)
		first_ordered = epoch_count;
	epochs[epoch_count++] = bed.next_id;
	reclassified = false;
}

static uint32_t
epoch_of(uint32_t id)
{
	uint32_t epoch = epoch_count - 1;

	while (epochs[epoch] > id)
		epoch--;
	return epoch;
}

static void
check_order(void)
{
	for (uint32_t i = 0; i < bed.taken_count; i++) {
		uint32_t epoch = epoch_of(bed.taken[i].id), *last = &last_of_flow[epoch][bed.taken[i].flow];

		if (epoch < first_ordered)
			continue;
		if (*last != UINT32_MAX && *last >= bed.taken[i].id)
			fail_msg("packet %u of flow %u left after %u", bed.taken[i].id, bed.taken[i].flow, *last);
		*last = bed.taken[i].id;
	}
	bed.taken_count = 0;
}

/* ---- a play */

static void
offer_random(void)
{
	struct rte_mbuf *pkts[100];
	uint16_t n = (uint16_t)(1 + draw(draw(10) == 0 ? 100 : 10));

	for (uint16_t i = 0; i < n; i++) {
		uint32_t flow = draw(FLOWS);
		/* a flow has one priority and one mark */
		struct rte_mbuf *m = packet(64 + draw(1451), flow, flow % 16, flow % 5);
		struct rte_ipv4_hdr *ip =
			rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, sizeof(struct rte_ether_hdr));

		ip->type_of_service = (uint8_t)(flow % 3); /* some speak ECN */
		ip->src_addr += rte_cpu_to_be_32(flow % 8); /* eight hosts */
		pkts[i] = m;
	}
	offer_packets(pkts, n);
}

/* All that may leave; after that nothing may leave at this time. */
static void
take_what_may_leave(void)
{
	take_more(UINT32_MAX);
	assert_true(sched_next_event(bed.tree, bed.now) > bed.now);
}

/* To the next event; on the way there nothing may leave. */
static void
wait_for_event(void)
{
	uint64_t next = sched_next_event(bed.tree, bed.now);

	if (next == SCHED_NEVER)
		return;
	if (next > bed.now && draw(2)) {
		bed.now += draw((uint32_t)RTE_MIN(next - bed.now, UINT64_C(1) << 31));
		assert_int_equal(take_more(1), 0);
		return;
	}
	bed.now = next;
}

static void
step(void)
{
	switch (draw(8)) {
	case 0:
		note_change();
		if (draw(2))
			graft_somewhere();
		else
			change_somewhere();
		break;
	case 1:
	case 2:
	case 3:
		offer_random();
		break;
	case 4: /* some of what may leave */
		if (sched_backlog(bed.tree) != 0 && is_work_conserving())
			assert_int_equal(take_more(1), 1);
		take_more(draw(20));
		break;
	case 5:
		take_what_may_leave();
		break;
	case 6:
		wait_for_event();
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
	next_major = 2;
	epoch_count = first_ordered = 0;
	bed_make();
	sched_set_tx_queue_len(bed.tree, 5 + draw(200));
	if (draw(3) == 0) {
		graft_deep();
	} else {
		graft_random(TC_H_ROOT, 1 << 16, false, false);
		for (unsigned int i = 0; i < 8; i++)
			graft_somewhere();
	}
	start_epoch();
	for (unsigned int i = 0; i < STEPS; i++) {
		step();
		check_promises();
		check_order();
		if (reclassified)
			start_epoch();
	}
	take_all(SCHED_NEVER - 1);
	check_order();
	assert_int_equal(sched_backlog(bed.tree), 0);
	check_promises();
	bed_end();
}

static unsigned int
number_of(const char *variable, unsigned int otherwise)
{
	const char *value = getenv(variable);

	return value == NULL ? otherwise : (unsigned int)strtoul(value, NULL, 10);
}

static void
random_trees_keep_the_promises(void **state)
{
	unsigned int only = number_of("SEED", 0), seconds = number_of("TREES_SECONDS", 0);
	unsigned int seed = only != 0 ? only : number_of("TREES_FIRST", 1), last = only != 0 ? only : seed + SEEDS - 1;
	time_t end = time(NULL) + seconds;

	(void)state;
	do
		play(seed++);
	while (seconds != 0 ? time(NULL) < end : seed <= last);
}

static void
nine_qdiscs_deep_is_refused(void **state)
{
	struct qdisc_spec spec = { .kind = "prio" };
	struct error err = { 0 };
	uint32_t major = 1;

	(void)state;
	bed_make();
	add_qdisc(TC_H_ROOT, major << 16, "prio", NULL);
	for (; major < SCHED_DEPTH_MAX; major++)
		add_qdisc(CLASSID(major, 1), (major + 1) << 16, "prio", NULL);
	offer(100, 100);
	spec.parent = CLASSID(major, 2);
	assert_int_equal(sched_qdisc_add(bed.tree, &spec, NULL, &err), -ELOOP);
	assert_non_null(strstr(err.msg, "8 qdiscs"));
	/* What stands there may be replaced. */
	add_qdisc(CLASSID(major - 1, 1), 0x100000, "sfq", NULL);
	assert_int_equal(take_all(0), 2);
	bed_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nine_qdiscs_deep_is_refused),
		cmocka_unit_test(random_trees_keep_the_promises),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
