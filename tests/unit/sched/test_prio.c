/* SPDX-License-Identifier: BSD-3-Clause */
#include <weir/action/gact.h>
#include <weir/filter/fw.h>
#include <weir/qdisc/fifo.h>
#include <weir/qdisc/prio.h>

#include "support.h"

#define FIRST_CLASS_MAP                                                                                                \
	{                                                                                                              \
		1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1                                                         \
	}

/* A leaf that gives nothing before `gate_opens`: what a shaper is to its parent. */
static uint64_t gate_opens;

static uint16_t
gate_dequeue(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	return now < gate_opens ? 0 : qdisc_find_ops("pfifo")->dequeue(q, pkts, n, now);
}

static struct rte_mbuf *
gate_peek(struct qdisc *q, uint64_t now)
{
	return now < gate_opens ? NULL : qdisc_find_ops("pfifo")->peek(q, now);
}

static uint64_t
gate_next_event(const struct qdisc *q, uint64_t now)
{
	return q->backlog_pkts == 0 ? SCHED_NEVER : RTE_MAX(now, gate_opens);
}

static void
register_gate(void)
{
	static struct qdisc_ops ops;

	if (qdisc_find_ops("gate") != NULL)
		return;
	ops = *qdisc_find_ops("pfifo");
	ops.kind = "gate";
	ops.dequeue = gate_dequeue;
	ops.peek = gate_peek;
	ops.next_event = gate_next_event;
	qdisc_register(&ops);
}

static void
offer_priority(uint32_t priority, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		offer_packet(packet(100, 1, priority, 0));
}

static uint32_t
backlog_of(struct qdisc *q, uint32_t minor)
{
	struct sched_stats stats;
	struct class *c = sched_class_find(q, q->handle | minor);

	assert_non_null(c);
	class_get_stats(c, &stats);
	return stats.backlog_pkts;
}

/* Offers one packet and returns the class it waits in, 0 if it was dropped; the queue is empty again. */
static uint32_t
class_for(struct qdisc *q, uint32_t priority, uint32_t fwmark)
{
	struct prio_conf conf;
	uint32_t found = 0;

	q->ops->get_conf(q, &conf);
	offer_packet(packet(100, 1, priority, fwmark));
	for (uint32_t minor = 1; minor <= conf.bands; minor++) {
		if (backlog_of(q, minor) != 0)
			found = minor;
	}
	take_all(0);
	return found;
}

static void
serves_the_first_busy_band(void **state)
{
	struct qdisc *q;

	bed_make();
	q = make_qdisc("prio", NULL);
	offer_priority(2, 2); /* band 2: 0 1 */
	offer_priority(0, 2); /* band 1: 2 3 */
	take(1, 0);
	assert_order(2);
	offer_priority(6, 2); /* band 0: 4 5 */
	assert_int_equal(pkt_of(qdisc_peek(q, 0))->nexthop, 4);
	take(3, 0);
	assert_order(4, 5, 3);
	take_all(0);
	assert_order(0, 1);
	assert_null(qdisc_peek(q, 0));
	assert_true(sched_next_event(bed.tree, 0) == SCHED_NEVER);
	bed_end();
}

static void
maps_priorities_as_linux_does(void **state)
{
	static const uint8_t map[16] = FIRST_CLASS_MAP;
	struct qdisc *q;

	bed_make();
	q = make_qdisc("prio", NULL);
	for (uint32_t priority = 0; priority < 16; priority++) {
		assert_int_equal(class_for(q, priority, 0), map[priority] + 1);
		assert_int_equal(class_for(q, priority + 16, 0), map[priority] + 1);
	}
	/* A priority may name a class of this qdisc; one beyond the bands, or another qdisc's, goes where 0 goes. */
	assert_int_equal(class_for(q, 0x10001, 0), 1);
	assert_int_equal(class_for(q, 0x10003, 0), 3);
	assert_int_equal(class_for(q, 0x10004, 0), 2);
	assert_int_equal(class_for(q, 0x10000, 0), 2);
	assert_int_equal(class_for(q, 0x110003, 0), 2);
	assert_int_equal(class_for(q, 0x110006, 0), 2);
	bed_end();
}

static void
filters_choose_the_band(void **state)
{
	struct qdisc *q;

	bed_make();
	q = make_qdisc("prio", NULL);
	add_fw(q->handle, 1, 0x10003);
	add_fw(q->handle, 2, 0x10009); /* no such band */
	add_fw_verdict(q->handle, 3, 0x10001, TC_ACT_SHOT);
	add_fw_verdict(q->handle, 4, 0x10001, TC_ACT_OK);
	add_fw_verdict(q->handle, 5, 0x10001, TC_ACT_UNSPEC); /* continue: as if it did not match */
	add_fw(q->handle, 6, 0x770003); /* only the minor counts */
	assert_int_equal(class_for(q, 0, 1), 3);
	assert_int_equal(class_for(q, 0, 2), 2);
	assert_int_equal(class_for(q, 0, 3), 0);
	assert_int_equal(class_for(q, 0, 4), 1);
	assert_int_equal(class_for(q, 0, 5), 2);
	assert_int_equal(class_for(q, 0, 6), 3);
	assert_int_equal(bed.sink.drops[DROP_FILTER], 1);
	assert_int_equal(q->drops_total, 1);
	/* None matches: by priority; a priority that names a class comes before the filters. */
	assert_int_equal(class_for(q, 6, 99), 1);
	assert_int_equal(class_for(q, 0x110006, 99), 2);
	assert_int_equal(class_for(q, 0x10002, 1), 2);
	bed_end();
}

static void
a_burst_is_split_among_the_bands_in_order(void **state)
{
	struct rte_mbuf *pkts[150];
	struct qdisc *q;

	bed_make();
	q = make_qdisc("prio", NULL);
	add_fw(q->handle, 1, 0x10003);
	for (uint32_t i = 0; i < 150; i++)
		pkts[i] = packet(100, 1, i % 3 == 0 ? 6 : 0, i % 3 == 2);
	assert_int_equal(offer_packets(pkts, 150), 150);
	assert_int_equal(backlog_of(q, 1), 50);
	assert_int_equal(backlog_of(q, 2), 50);
	assert_int_equal(backlog_of(q, 3), 50);
	take_all(0);
	for (uint32_t i = 0; i < 150; i++)
		assert_int_equal(bed.taken[i].id, i % 50 * 3 + i / 50);
	bed_end();
}

static void
a_band_that_must_wait_lets_the_next_go(void **state)
{
	struct qdisc *q;

	register_gate();
	bed_make();
	q = make_qdisc("prio", NULL);
	add_qdisc(0x10001, 10 << 16, "gate", NULL);
	gate_opens = MS(5);
	offer_priority(6, 2); /* 0 1 */
	assert_int_equal(take(9, 0), 0);
	assert_null(qdisc_peek(q, 0));
	assert_true(sched_next_event(bed.tree, 0) == MS(5));
	offer_priority(0, 2); /* 2 3 */
	assert_true(sched_next_event(bed.tree, 0) == 0);
	take(1, MS(1));
	assert_order(2);
	take(9, MS(5));
	assert_order(0, 1, 3);
	bed_end();
}

static void
fewer_bands_move_packets_and_lose_none(void **state)
{
	struct prio_conf five = { .bands = 5, .priomap = { 0, 1, 2, 3, 4 } };
	struct prio_conf three = { .bands = 3, .priomap = { 0, 1, 2, 2, 0 } };
	struct qdisc *q;

	bed_make();
	sched_set_tx_queue_len(bed.tree, 10);
	q = make_qdisc("prio", &five);
	for (uint32_t priority = 0; priority < 5; priority++)
		offer_priority(priority, 10);
	add_qdisc(0x10005, 50 << 16, "pfifo", NULL);
	change_qdisc(q, &three);
	assert_int_equal(q->backlog_pkts, 50);
	assert_null(sched_class_find(q, 0x10004));
	assert_null(sched_qdisc_find(bed.tree, 50 << 16));
	assert_int_equal(backlog_of(q, 1), 20); /* over the leaf's limit, which does not bite on a move */
	assert_int_equal(backlog_of(q, 2), 10);
	assert_int_equal(backlog_of(q, 3), 20);
	take_all(0);
	for (uint32_t i = 0; i < 50; i++) {
		static const uint8_t tens[5] = { 0, 4, 1, 2, 3 };

		assert_int_equal(bed.taken[i].id, tens[i / 10] * 10u + i % 10);
	}
	bed_end();
}

static void
more_bands_appear_with_a_queue_each(void **state)
{
	struct prio_conf two = { .bands = 2 }, sixteen = { .bands = 16 };
	struct qdisc *q;

	for (uint8_t i = 0; i < 16; i++)
		sixteen.priomap[i] = 15 - i;
	bed_make();
	q = make_qdisc("prio", &two);
	offer_priority(0, 3);
	change_qdisc(q, &sixteen);
	assert_int_equal(backlog_of(q, 16), 3); /* later packets of theirs come there, too */
	for (uint32_t priority = 0; priority < 16; priority++)
		assert_int_equal(class_for(q, priority, 0), 16 - priority);
	for (uint32_t minor = 1; minor < 40; minor++)
		assert_int_equal(class_for(q, CLASSID(1, minor), 0), minor <= 16 ? minor : 16);
	for (unsigned int i = 0; i < 3; i++) { /* what comes and goes leaves nothing behind */
		change_qdisc(q, &two);
		change_qdisc(q, &sixteen);
	}
	assert_int_equal(class_for(q, 0, 0), 16);
	bed_end();
}

static void
counts_by_class(void **state)
{
	struct sched_stats stats;
	struct qdisc *q;

	bed_make();
	q = make_qdisc("prio", NULL);
	add_qdisc(0x10001, 10 << 16, "pfifo", &(struct fifo_conf){ .limit = 2 });
	offer_priority(6, 5);
	offer_priority(0, 1);
	take(1, 0);
	class_get_stats(sched_class_find(q, 0x10001), &stats);
	assert_int_equal(stats.packets, 1);
	assert_int_equal(stats.bytes, 100);
	assert_int_equal(stats.drops, 3);
	assert_int_equal(stats.backlog_pkts, 1);
	qdisc_get_stats(q, &stats);
	assert_int_equal(stats.drops, 3);
	assert_int_equal(stats.backlog_pkts, 2);
	assert_int_equal(stats.backlog_bytes, 200);
	bed_end();
}

static void
deleting_a_leaf_keeps_its_packets(void **state)
{
	struct qdisc *q, *leaf;

	bed_make();
	q = make_qdisc("prio", NULL);
	leaf = add_qdisc(0x10001, 10 << 16, "pfifo", NULL);
	offer_priority(0, 2);
	offer_priority(6, 2);
	delete_qdisc(leaf);
	assert_int_equal(backlog_of(q, 1), 2);
	take_all(0);
	assert_order(2, 3, 0, 1);
	bed_end();
}

static void
refuses_what_linux_refuses(void **state)
{
	struct prio_conf conf = { .bands = 3, .priomap = FIRST_CLASS_MAP }, seen;
	struct class_spec class = { .parentid = 0x10000, .classid = 0x10007 };
	struct qdisc_spec spec = { .parent = TC_H_ROOT, .handle = 2 << 16, .kind = "prio", .conf = &conf };
	struct error err = { 0 };
	struct qdisc *q;

	bed_make();
	q = make_qdisc("prio", NULL);
	offer_priority(0, 1);
	for (uint32_t bands = 0; bands < 40; bands++) {
		if (bands >= 3 && bands <= 16)
			continue; /* the map needs three */
		conf.bands = bands;
		assert_int_equal(sched_qdisc_change(q, &conf, &err), -EINVAL);
		assert_true(strstr(err.msg, "band") != NULL);
		assert_int_equal(sched_qdisc_add(bed.tree, &spec, NULL, &err), -EINVAL);
	}
	conf.bands = 3;
	conf.priomap[15] = 3;
	assert_int_equal(sched_qdisc_change(q, &conf, &err), -EINVAL);
	assert_int_equal(sched_class_add(q, &class, NULL, &err), -EOPNOTSUPP);
	class.classid = 0x10001;
	assert_int_equal(sched_class_change(sched_class_find(q, 0x10001), &class, &err), -EOPNOTSUPP);
	assert_int_equal(sched_class_delete(sched_class_find(q, 0x10001), &err), -EOPNOTSUPP);
	spec = (struct qdisc_spec){ .parent = 0x10004, .kind = "pfifo" };
	assert_int_equal(sched_qdisc_add(bed.tree, &spec, NULL, &err), -ENOENT);
	/* And all is as it was. */
	q->ops->get_conf(q, &seen);
	assert_int_equal(seen.bands, 3);
	assert_memory_equal(seen.priomap, ((uint8_t[])FIRST_CLASS_MAP), 16);
	take_all(0);
	assert_order(0);
	bed_end();
}

static void
prio_in_prio_is_classified_at_both_levels(void **state)
{
	struct qdisc *outer, *inner;

	bed_make();
	outer = make_qdisc("prio", NULL);
	inner = add_qdisc(0x10002, 20 << 16, "prio", NULL);
	add_fw(outer->handle, 1, 0x10002);
	add_fw(inner->handle, 1, 0x140003);
	offer_packet(packet(100, 1, 0, 1));
	assert_int_equal(backlog_of(outer, 2), 1);
	assert_int_equal(backlog_of(inner, 3), 1);
	offer_packet(packet(100, 1, 4, 0)); /* priority 4 is band 1 in both */
	assert_int_equal(backlog_of(inner, 2), 1);
	offer_packet(packet(100, 1, 6, 0)); /* band 0 of the outer */
	take_all(0);
	assert_order(2, 1, 0);
	bed_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serves_the_first_busy_band),
		cmocka_unit_test(maps_priorities_as_linux_does),
		cmocka_unit_test(filters_choose_the_band),
		cmocka_unit_test(a_burst_is_split_among_the_bands_in_order),
		cmocka_unit_test(a_band_that_must_wait_lets_the_next_go),
		cmocka_unit_test(fewer_bands_move_packets_and_lose_none),
		cmocka_unit_test(more_bands_appear_with_a_queue_each),
		cmocka_unit_test(counts_by_class),
		cmocka_unit_test(deleting_a_leaf_keeps_its_packets),
		cmocka_unit_test(refuses_what_linux_refuses),
		cmocka_unit_test(prio_in_prio_is_classified_at_both_levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
