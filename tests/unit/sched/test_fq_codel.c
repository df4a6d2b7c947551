/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fq_codel, against RFC 8290: who is served when, each flow's share of the bytes, what an overflow drops, CoDel in each
 * flow, filters, limits and changes.
 */
#include "support.h"

#include <weir/qdisc/fifo.h>
#include <weir/qdisc/fq_codel.h>
#include <weir/qdisc/tbf.h>

#include "fq_codel.h"

#define TICK UINT64_C(1024) /* ns */

static uint64_t draw_state;

static uint32_t
draw(uint32_t below)
{
	draw_state = draw_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(draw_state >> 33) % below;
}

static struct fq_codel_xstats
xstats_of(const struct qdisc *q)
{
	struct fq_codel_xstats xstats;

	q->ops->get_xstats(q, &xstats);
	return xstats;
}

/* To the n-th flow, by a priority that names it. */
static void
offer_to(struct qdisc *q, uint32_t flow, uint32_t bytes)
{
	offer_packet(packet(bytes, flow, q->handle | flow, 0));
}

static struct fq_codel_conf
quantum(uint32_t bytes)
{
	return (struct fq_codel_conf){ .given = FQ_CODEL_QUANTUM, .quantum = bytes };
}

/* ---- whose turn it is: RFC 8290 section 4.2 */

static void
new_flows_come_first_for_a_quantum(void **state)
{
	struct fq_codel_conf conf = quantum(300);
	struct qdisc *q;

	(void)state;
	bed_make();
	q = make_qdisc("fq_codel", &conf);
	for (uint32_t i = 0; i < 5; i++)
		offer_to(q, 1, 100); /* ids 0 to 4 */
	offer_to(q, 2, 100); /* 5 */
	take(3, 0); /* flow 1 uses up its quantum and is old now */
	assert_order(0, 1, 2);
	offer_to(q, 3, 400); /* 6 */
	offer_to(q, 3, 400); /* 7: flow 3 has nothing left after the first */
	take(2, 0);
	assert_order(5, 6);
	assert_int_equal(xstats_of(q).new_flows, 3);
	/* Flow 2 was found empty: it is old, as flow 1 waits. Flow 1's turn is next, then 2's, then 3's. */
	take_all(0);
	assert_order(3, 4, 7);
	assert_int_equal(xstats_of(q).new_flows_length + xstats_of(q).old_flows_length, 0);
	bed_end();
}

/* A flow whose packets go before others come is new each time; it cannot keep the old ones from their turns. */
static void
sparse_flows_go_ahead_but_starve_nobody(void **state)
{
	uint32_t bulk = 0;
	struct qdisc *q;

	(void)state;
	bed_make();
	q = make_qdisc("fq_codel", NULL);
	for (uint32_t i = 0; i < 100; i++)
		offer_to(q, 1, 1000);
	take(2, 0);
	offer_to(q, 2, 64);
	take(1, 0);
	assert_int_equal(bed.taken[0].flow, 2);
	/* Two that come back as soon as they are served. */
	for (uint32_t i = 0; i < 100; i++) {
		if (q->backlog_pkts < 100) {
			offer_to(q, 2, 1000);
			offer_to(q, 3, 1000);
		}
		take(1, 0);
		bulk += bed.taken[0].flow == 1;
	}
	assert_true(bulk >= 30);
	take_all(0);
	bed_end();
}

/*
 * Deficit round robin: while two flows are busy, what they have sent differs by at most a quantum and two packets
 * (Shreedhar and Varghese 1995), whether a turn's last packet has to fit or may be sent on credit, as here.
 */
static void
check_shares(uint32_t quantum_bytes)
{
	enum { BUSY = 20 };
	struct fq_codel_conf conf = {
		.given = FQ_CODEL_QUANTUM | CODEL_TARGET, .quantum = quantum_bytes, .times.target_ns = SECONDS(1000)
	};
	uint64_t sent[BUSY + 1] = { 0 };
	struct qdisc *q;

	draw_state = quantum_bytes;
	bed_make();
	q = make_qdisc("fq_codel", &conf);
	for (uint32_t i = 0; i < 9000; i++)
		offer_to(q, 1 + i % BUSY, i % BUSY < 10 ? 64 + draw(200) : 64 + draw(1451));
	for (uint32_t i = 0; i < 1000; i++) {
		uint64_t least = UINT64_MAX, most = 0;

		take(1 + draw(3), 0);
		for (uint32_t k = 0; k < bed.taken_count; k++)
			sent[bed.taken[k].flow] += bed.taken[k].bytes;
		for (uint32_t flow = 1; flow <= BUSY; flow++) {
			least = RTE_MIN(least, sent[flow]);
			most = RTE_MAX(most, sent[flow]);
		}
		assert_true(most - least <= quantum_bytes + 2 * UINT64_C(1514));
	}
	take_all(0);
	bed_end();
}

static void
shares_bytes_not_packets(void **state)
{
	(void)state;
	check_shares(256);
	check_shares(1514);
	check_shares(9000);
}

static void
keeps_the_order_of_each_flow(void **state)
{
	uint32_t last[100];
	struct qdisc *q;

	(void)state;
	draw_state = 3;
	memset(last, 0xff, sizeof(last));
	bed_make();
	q = make_qdisc("fq_codel", NULL);
	for (uint32_t round = 0; round < 300; round++) {
		struct rte_mbuf *pkts[150];
		uint16_t n = (uint16_t)(1 + draw(150));

		for (uint16_t i = 0; i < n; i++)
			pkts[i] = packet(64 + draw(1451), draw(100), 0, 0);
		assert_int_equal(offer_packets(pkts, n), n);
		take(draw(150), MS(round));
		for (uint32_t i = 0; i < bed.taken_count; i++) {
			assert_true(last[bed.taken[i].flow] == UINT32_MAX || last[bed.taken[i].flow] < bed.taken[i].id);
			last[bed.taken[i].flow] = bed.taken[i].id;
		}
		assert_nothing_lost();
	}
	/* A hash: of 100 flows hardly any two share one of 1024 queues (4.7 pairs are to be expected). */
	assert_true(xstats_of(q).new_flows >= 85);
	take_all(SECONDS(1));
	bed_end();
}

/* ---- too much: section 4.1.3 */

static void
an_overflow_halves_the_fattest_flow(void **state)
{
	struct fq_codel_conf conf = { .given = CODEL_LIMIT, .limit = 50 };
	struct qdisc *q;

	(void)state;
	bed_make();
	q = make_qdisc("fq_codel", &conf);
	for (uint32_t i = 0; i < 30; i++)
		offer_to(q, 1, 100); /* ids 0 to 29 */
	for (uint32_t i = 0; i < 10; i++)
		offer_to(q, 2, 1000); /* fewer packets, more bytes: 30 to 39 */
	for (uint32_t i = 0; i < 10; i++)
		offer_to(q, 3, 100); /* 40 to 49 */
	assert_int_equal(bed_dropped(), 0);
	offer_to(q, 3, 100);
	assert_int_equal(q->drops[DROP_QUEUE_FULL], 5);
	assert_int_equal(xstats_of(q).limit_drops, 5);
	assert_int_equal(q->backlog_pkts, 46);
	take_all(0);
	for (uint32_t i = 0; i < bed.taken_count; i++)
		assert_true(bed.taken[i].flow != 2 || bed.taken[i].id >= 35); /* the oldest went */
	bed_end();
}

static void
an_overflow_drops_a_batch_at_most(void **state)
{
	struct fq_codel_conf conf = { .given = CODEL_LIMIT | FQ_CODEL_DROP_BATCH, .limit = 500, .drop_batch = 8 };
	struct qdisc *q;

	(void)state;
	bed_make();
	q = make_qdisc("fq_codel", &conf);
	for (uint32_t i = 0; i < 501; i++)
		offer_to(q, 1, 100);
	assert_int_equal(bed_dropped(), 8);
	assert_int_equal(take(1, 0), 1);
	assert_int_equal(bed.taken[0].id, 8);
	take_all(0);
	bed_end();
}

static void
memory_is_limited_too(void **state)
{
	struct fq_codel_conf conf = { .given = FQ_CODEL_MEMORY_LIMIT, .memory_limit = 20 * CODEL_BUFFER_BYTES };
	struct qdisc *q;

	(void)state;
	bed_make();
	q = make_qdisc("fq_codel", &conf);
	for (uint32_t i = 0; i < 10; i++)
		offer_to(q, 1, 64);
	offer_to(q, 2, 9000); /* five buffers */
	assert_int_equal(xstats_of(q).memory_bytes, 15 * CODEL_BUFFER_BYTES);
	for (uint32_t i = 0; i < 5; i++)
		offer_to(q, 1, 64);
	assert_int_equal(bed_dropped(), 0);
	offer_to(q, 1, 64);
	assert_int_equal(q->drops[DROP_QUEUE_FULL], 1);
	assert_int_equal(xstats_of(q).memory_drops, 1);
	assert_int_equal(xstats_of(q).memory_bytes, 16 * CODEL_BUFFER_BYTES);
	take_all(0);
	assert_int_equal(bed.taken_count, 16);
	assert_int_equal(xstats_of(q).memory_bytes, 0);
	bed_end();
}

/* By a search through all of them: whoever is taken has no less than seven eighths of the most. */
static void
the_fattest_is_found_without_a_search(void **state)
{
	struct fq_codel_conf conf = { .given = FQ_CODEL_FLOWS | CODEL_LIMIT, .flows = 300, .limit = 30000 };
	struct fq_codel *f;
	struct qdisc *q;

	(void)state;
	draw_state = 11;
	bed_make();
	q = make_qdisc("fq_codel", &conf);
	f = qdisc_priv(q);
	for (uint32_t round = 0; round < 3000; round++) {
		uint32_t most = 0, found;

		for (uint32_t n = draw(20); n != 0; n--)
			offer_to(q, 1 + draw(1 + draw(300)), 1 + draw(1514));
		take(draw(20), 0);
		for (uint32_t i = 0; i < conf.flows; i++)
			most = RTE_MAX(most, f->flows[i].bytes);
		found = fq_fattest(f);
		assert_int_equal(found == FQ_NO_FLOW, most == 0);
		if (most != 0)
			assert_true(8 * (uint64_t)f->flows[found].bytes >= 7 * (uint64_t)most);
	}
	take_all(0);
	assert_int_equal(fq_fattest(f), FQ_NO_FLOW);
	bed_end();
}

/* ---- CoDel in each flow */

/* A link of 10 mbit, a flow that sends 15 mbit and does not yield, and one that sends a packet every 10 ms. */
static void
a_greedy_flow_delays_only_itself(void **state)
{
	struct tbf_conf link = { .rate.Bps = MBIT(10), .burst_bytes = 1600, .limit_bytes = 1 << 24 };
	uint64_t greedy_at = 0, sparse_at = 0, worst_sparse = 0;
	static uint64_t sent_at[BED_TAKEN_MAX];
	uint32_t sent = 0;
	struct qdisc *q;

	(void)state;
	bed_make();
	make_qdisc("tbf", &link);
	q = add_qdisc(CLASSID(1, 1), 0x100000, "fq_codel", NULL);
	while (bed.now < SECONDS(10)) {
		uint64_t arrival = RTE_MIN(greedy_at, sparse_at), next = sched_next_event(bed.tree, bed.now);

		next = RTE_MIN(next, arrival);
		bed.now = RTE_MAX(bed.now, next);
		if (bed.now >= greedy_at) {
			sent_at[bed.next_id] = bed.now;
			offer_to(q, 1, 1500);
			greedy_at += 800000;
		}
		if (bed.now >= sparse_at) {
			sent_at[bed.next_id] = bed.now;
			offer_to(q, 2, 200);
			sparse_at += MS(10);
		}
		bed.taken_count = 0;
		take_more(4);
		sent += bed.taken_count;
		for (uint32_t i = 0; i < bed.taken_count; i++) {
			if (bed.taken[i].flow == 2)
				worst_sparse = RTE_MAX(worst_sparse, bed.now - sent_at[bed.taken[i].id]);
		}
	}
	/* At most two full frames at 10 mbit stand before it: the one in hand and the one that a peek took. */
	assert_true(worst_sparse <= MS(2) * 12 / 10);
	assert_true(q->drops[DROP_CODEL] > 1000);
	/* The link was never idle. */
	assert_true(sent > 8300 + 900);
	take_all(SCHED_NEVER - 1);
	bed_end();
}

/* Many flows of a packet each are above the target together, though each alone has no more than a frame. */
static void
thin_flows_are_kept_short_together(void **state)
{
	struct fq_codel_conf conf = quantum(1000);
	struct qdisc *q;

	(void)state;
	bed_make();
	q = make_qdisc("fq_codel", &conf);
	for (uint32_t i = 0; i < 1000; i++)
		offer_to(q, 1 + i % 500, 1000);
	for (uint32_t i = 0; i < 400; i++)
		take(1, MS(i));
	assert_int_equal(bed_dropped(), 0);
	/* The second packets of flows that had theirs above the target an interval ago. */
	for (uint32_t i = 400; i < 700; i++)
		take(1, MS(i));
	assert_true(q->drops[DROP_CODEL] > 100);
	take_all(MS(700));
	bed_end();
}

static void
ce_threshold_may_be_for_some(void **state)
{
	struct fq_codel_conf conf = { .given = CODEL_CE_THRESHOLD | FQ_CODEL_CE_SELECTOR,
		.ce_selector = 0x01, /* ECT(1): L4S */
		.ce_mask = 0x03,
		.times.ce_threshold_ns = 1000000 };
	struct qdisc *q;

	(void)state;
	bed_make();
	q = make_qdisc("fq_codel", &conf);
	for (uint32_t ecn = 0; ecn < 4; ecn++) {
		struct rte_mbuf *m = packet(1000, 1, 0, 0);

		rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14)->type_of_service = 0x28 | ecn;
		offer_packet(m);
	}
	assert_int_equal(take(9, MS(2)), 4);
	assert_int_equal(xstats_of(q).ce_marks, 1);
	bed_end();
}

/* ---- who chooses the flow */

struct shown {
	uint32_t count, classid, packets;
	int32_t deficit;
};

static int
note_class(void *arg, struct class *c)
{
	struct fq_codel_class_xstats xstats;
	struct shown *shown = arg;
	struct sched_stats stats;

	class_get_stats(c, &stats);
	c->qdisc->ops->classes->get_xstats(c, &xstats);
	shown->count++;
	shown->classid = c->classid;
	shown->packets = stats.backlog_pkts;
	shown->deficit = xstats.deficit;
	return 0;
}

static struct shown
shown_classes(const struct qdisc *q)
{
	struct shown shown = { 0 };

	sched_class_walk(q, note_class, &shown);
	return shown;
}

static void
filters_and_priorities_choose_the_flow(void **state)
{
	struct qdisc *q;

	(void)state;
	bed_make();
	q = make_qdisc("fq_codel", NULL);
	offer_packet(packet(100, 1, 0x10007, 0));
	assert_int_equal(shown_classes(q).count, 1);
	assert_int_equal(shown_classes(q).classid, 0x10007);
	take_all(0);
	add_fw(q->handle, 1, 0x10009);
	add_fw(q->handle, 2, 0x10401); /* of 1024 flows */
	offer_packet(packet(100, 1, 0, 1));
	offer_packet(packet(100, 2, 0, 1));
	assert_int_equal(shown_classes(q).count, 1);
	assert_int_equal(shown_classes(q).classid, 0x10009);
	assert_int_equal(shown_classes(q).packets, 2);
	take(1, 0);
	assert_int_equal(shown_classes(q).deficit, 1414);
	/* As on Linux: with filters, what none of them places is dropped. */
	assert_int_equal(offer_packet(packet(100, 1, 0, 2)), 0);
	assert_int_equal(offer_packet(packet(100, 1, 0, 3)), 0);
	assert_int_equal(q->drops[DROP_UNCLASSIFIED], 2);
	assert_int_equal(offer_packet(packet(100, 1, 0x10400, 3)), 1);
	take_all(0);
	assert_int_equal(shown_classes(q).count, 0);
	bed_end();
}

/* ---- changes */

static void
changes_lose_nothing(void **state)
{
	struct fq_codel_conf less = { .given = CODEL_LIMIT | FQ_CODEL_QUANTUM, .limit = 10, .quantum = 1 };
	struct fq_codel_conf other_flows = { .given = FQ_CODEL_FLOWS | CODEL_LIMIT, .flows = 1024, .limit = 5 };
	struct fq_codel_conf no_flows = { .given = FQ_CODEL_FLOWS };
	struct fq_codel_conf much = quantum((1 << 20) + 1), nothing = { .given = FQ_CODEL_MEMORY_LIMIT };
	const struct fq_codel_conf *bad[] = { &other_flows, &no_flows, &much, &nothing };
	struct fifo_conf fifo = { .limit = 1 };
	struct fq_codel_conf now;
	struct qdisc *q;

	(void)state;
	bed_make();
	q = make_qdisc("fq_codel", NULL);
	for (uint32_t i = 0; i < 200; i++)
		offer_packet(packet(500, i % 7, 0, 0));
	change_qdisc(q, &less);
	for (size_t i = 0; i < RTE_DIM(bad); i++)
		assert_int_equal(sched_qdisc_change(q, bad[i], NULL), -EINVAL);
	q->ops->get_conf(q, &now);
	assert_int_equal(now.limit, 10);
	assert_int_equal(now.quantum, 256);
	assert_int_equal(now.flows, 1024);
	assert_int_equal(now.memory_limit, 32 << 20);
	assert_int_equal(sched_backlog(bed.tree), 200);
	add_qdisc(TC_H_ROOT, 2 << 16, "fq_codel", &less);
	assert_int_equal(sched_backlog(bed.tree), 200);
	assert_int_equal(take(20, 0), 20);
	add_qdisc(TC_H_ROOT, 3 << 16, "pfifo", &fifo);
	assert_int_equal(sched_backlog(bed.tree), 180);
	assert_int_equal(take_all(0), 180);
	for (uint32_t i = 1; i < bed.taken_count; i++)
		assert_true(bed.taken[i].flow != bed.taken[i - 1].flow || bed.taken[i].id > bed.taken[i - 1].id);
	assert_int_equal(
		sched_qdisc_add(bed.tree,
			&(struct qdisc_spec){ .parent = TC_H_ROOT, .kind = "fq_codel", .conf = &no_flows }, NULL, NULL),
		-EINVAL);
	bed_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_flows_come_first_for_a_quantum),
		cmocka_unit_test(sparse_flows_go_ahead_but_starve_nobody),
		cmocka_unit_test(shares_bytes_not_packets),
		cmocka_unit_test(keeps_the_order_of_each_flow),
		cmocka_unit_test(an_overflow_halves_the_fattest_flow),
		cmocka_unit_test(an_overflow_drops_a_batch_at_most),
		cmocka_unit_test(memory_is_limited_too),
		cmocka_unit_test(the_fattest_is_found_without_a_search),
		cmocka_unit_test(a_greedy_flow_delays_only_itself),
		cmocka_unit_test(thin_flows_are_kept_short_together),
		cmocka_unit_test(ce_threshold_may_be_for_some),
		cmocka_unit_test(filters_and_priorities_choose_the_flow),
		cmocka_unit_test(changes_lose_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
