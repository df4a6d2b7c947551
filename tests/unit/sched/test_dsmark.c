/* SPDX-License-Identifier: BSD-3-Clause */
#include <weir/filter/tcindex.h>
#include <weir/qdisc/dsmark.h>
#include <weir/qdisc/fifo.h>
#include <weir/qdisc/netem.h>
#include <weir/qdisc/prio.h>
#include <weir/qdisc/tbf.h>

#include "support.h"

#define SET_MARK(mask_, value_)                                                                                        \
	&(struct dsmark_class_conf)                                                                                    \
	{                                                                                                              \
		.has_mask = true, .has_value = true, .mask = (mask_), .value = (value_)                                \
	}

static int
set_row(struct qdisc *q, uint32_t minor, const struct dsmark_class_conf *conf)
{
	struct class_spec spec = { .classid = q->handle | minor, .conf = conf };
	struct class *c = sched_class_find(q, spec.classid);
	struct error err = { 0 };

	assert_non_null(c);
	return sched_class_change(c, &spec, &err);
}

static struct rte_ipv4_hdr *
ipv4_of(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14);
}

static struct rte_mbuf *
packet_ds(uint8_t ds, uint32_t priority, uint32_t fwmark)
{
	struct rte_mbuf *m = packet(100, 1, priority, fwmark);
	struct rte_ipv4_hdr *ip = ipv4_of(m);

	ip->type_of_service = ds;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	return m;
}

static struct rte_mbuf *
packet_ipv6(uint8_t ds)
{
	struct rte_mbuf *m = packet(100, 1, 0, 0);
	struct rte_ipv6_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, 14);

	memset(ip, 0, sizeof(*ip));
	ip->vtc_flow = rte_cpu_to_be_32(0x600abcde | (uint32_t)ds << 20);
	pkt_of(m)->protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6);
	pkt_of(m)->flags |= PKT_IPV6;
	return m;
}

/* Through the tree, which must be empty; the caller frees it. */
static struct rte_mbuf *
pass(struct rte_mbuf *m)
{
	struct rte_mbuf *out = NULL;

	assert_int_equal(offer_packet(m), 1);
	assert_int_equal(sched_dequeue(bed.tree, &out, 1, bed.now), 1);
	bed.sent++;
	return out;
}

/* The DS field with which an IPv4 packet leaves; its checksum must be right. */
static uint8_t
ds_after(uint8_t ds, uint32_t priority, uint32_t fwmark)
{
	struct rte_mbuf *m = pass(packet_ds(ds, priority, fwmark));
	uint8_t after = ipv4_of(m)->type_of_service;

	/* A sum over a header with its checksum in it is 0 (RFC 1071). */
	assert_int_equal(rte_ipv4_cksum(ipv4_of(m)), 0);
	rte_pktmbuf_free(m);
	return after;
}

static void
marks_as_the_row_of_its_class_says(void **state)
{
	struct qdisc *q;

	bed_make();
	q = make_qdisc("dsmark", &(struct dsmark_conf){ .indices = 8 });
	assert_int_equal(set_row(q, 1, SET_MARK(0x03, 0xb8)), 0);
	assert_int_equal(set_row(q, 2, SET_MARK(0x00, 0x28)), 0);
	add_fw(q->handle, 1, CLASSID(1, 1));
	add_fw(q->handle, 2, CLASSID(1, 2));
	add_fw(q->handle, 3, CLASSID(1, 3));
	for (unsigned int ds = 0; ds < 256; ds++) {
		assert_int_equal(ds_after((uint8_t)ds, 0, 1), (ds & 0x03) | 0xb8);
		assert_int_equal(ds_after((uint8_t)ds, 0, 2), 0x28);
		assert_int_equal(ds_after((uint8_t)ds, 0, 3), ds); /* a row that says nothing */
		assert_int_equal(ds_after((uint8_t)ds, 0, 0), ds); /* tc_index 0: row 0 */
	}
	bed_end();
}

/* The checksum is 0xffff or 0 in one's complement arithmetic at its edges: RFC 1624's example of what goes wrong. */
static void
keeps_the_checksum_right_for_any_header(void **state)
{
	struct qdisc *q;

	bed_make();
	q = make_qdisc("dsmark", &(struct dsmark_conf){ .indices = 2 });
	assert_int_equal(set_row(q, 0, SET_MARK(0x00, 0xff)), 0);
	for (uint32_t id = 0; id < 0x10000; id += 7) {
		struct rte_mbuf *m = packet_ds(0, 0, 0);

		ipv4_of(m)->packet_id = (uint16_t)id;
		ipv4_of(m)->hdr_checksum = 0;
		ipv4_of(m)->hdr_checksum = rte_ipv4_cksum(ipv4_of(m));
		m = pass(m);
		assert_int_equal(ipv4_of(m)->type_of_service, 0xff);
		assert_int_equal(rte_ipv4_cksum(ipv4_of(m)), 0);
		rte_pktmbuf_free(m);
	}
	bed_end();
}

static void
marks_the_traffic_class_of_ipv6_and_nothing_else(void **state)
{
	struct qdisc *q;
	struct rte_mbuf *m;

	bed_make();
	q = make_qdisc("dsmark", &(struct dsmark_conf){ .indices = 8, .has_default_index = true, .default_index = 5 });
	assert_int_equal(set_row(q, 5, SET_MARK(0x03, 0xb8)), 0);
	m = pass(packet_ipv6(0x29));
	assert_int_equal(rte_be_to_cpu_32(rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, 14)->vtc_flow), 0x6b9abcde);
	rte_pktmbuf_free(m);
	m = packet_ds(0x10, 0, 0);
	pkt_of(m)->protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP);
	m = pass(m);
	assert_int_equal(ipv4_of(m)->type_of_service, 0x10);
	rte_pktmbuf_free(m);
	bed_end();
}

static void
takes_the_row_from_priority_filter_or_default(void **state)
{
	struct qdisc *q;

	bed_make();
	q = make_qdisc("dsmark", &(struct dsmark_conf){ .indices = 4, .has_default_index = true, .default_index = 2 });
	for (uint32_t minor = 0; minor < 4; minor++)
		assert_int_equal(set_row(q, minor, SET_MARK(0x00, 0x10 * (minor + 1))), 0);
	assert_int_equal(ds_after(0, 0, 0), 0x30); /* default_index */
	assert_int_equal(ds_after(0, CLASSID(1, 1), 0), 0x20);
	assert_int_equal(ds_after(0, CLASSID(2, 1), 0), 0x30); /* another qdisc's class */
	add_fw(q->handle, 7, CLASSID(1, 3));
	assert_int_equal(ds_after(0, 0, 7), 0x40);
	assert_int_equal(ds_after(0, CLASSID(1, 1), 7), 0x20);
	assert_int_equal(ds_after(0, CLASSID(1, 6), 0), 0x30); /* an index beyond the rows: its low bits */
	bed_end();
}

/* tc_index is the DS field in place, without ECN: prio's tcindex filter inside sees what dsmark has set. */
static void
sets_tc_index_for_what_is_inside(void **state)
{
	bed_make();
	make_qdisc("dsmark", &(struct dsmark_conf){ .indices = 64, .set_tc_index = true });
	add_qdisc(CLASSID(1, 0), 2 << 16, "prio", &(struct prio_conf){ .bands = 16 });
	add_filter(2 << 16, "tcindex", 0, &(struct tcindex_conf){ .has_mask = true, .mask = 0xff });
	offer_packet(packet_ds(0x0c, 0, 0)); /* 0: class 2:c */
	offer_packet(packet_ds(0x0b, 0, 0)); /* 1: class 2:8 */
	offer_packet(packet_ds(0x03, 0, 0)); /* 2: tc_index 0: where priority 0 goes, band 0 of this map */
	offer_packet(packet_ds(0x04, 0, 0)); /* 3: class 2:4 */
	take(4, 0);
	assert_order(2, 3, 1, 0);
	bed_end();
}

static void
keeps_tc_index_where_nothing_sets_it(void **state)
{
	struct qdisc *q;
	struct rte_mbuf *m;

	bed_make();
	q = make_qdisc("dsmark", &(struct dsmark_conf){ .indices = 4 });
	assert_int_equal(set_row(q, 3, SET_MARK(0x00, 0x88)), 0);
	m = packet_ds(0, 0, 0);
	pkt_of(m)->tc_index = 3;
	m = pass(m);
	assert_int_equal(ipv4_of(m)->type_of_service, 0x88);
	rte_pktmbuf_free(m);
	bed_end();
}

struct rows {
	unsigned int n;
	uint32_t classids[16];
	struct dsmark_class_conf confs[16];
};

static int
note_row(void *arg, struct class *c)
{
	struct rows *rows = arg;

	rows->classids[rows->n] = c->classid;
	c->qdisc->ops->classes->get_conf(c, &rows->confs[rows->n++]);
	return 0;
}

static void
lists_the_rows_that_change_something(void **state)
{
	struct rows rows = { 0 };
	struct error err = { 0 };
	struct qdisc *q;

	bed_make();
	q = make_qdisc("dsmark", &(struct dsmark_conf){ .indices = 8 });
	assert_int_equal(set_row(q, 6, &(struct dsmark_class_conf){ .has_value = true, .value = 0x11 }), 0);
	assert_int_equal(set_row(q, 0, &(struct dsmark_class_conf){ .has_mask = true, .mask = 3 }), 0);
	assert_int_equal(set_row(q, 4, SET_MARK(0xff, 0)), 0); /* as it was */
	assert_int_equal(set_row(q, 5, SET_MARK(0, 0)), 0);
	assert_int_equal(sched_class_reset(q, CLASSID(1, 5), &err), 0);
	assert_int_equal(sched_class_reset(q, CLASSID(1, 5), &err), 0);
	sched_class_walk(q, note_row, &rows);
	assert_int_equal(rows.n, 2);
	assert_int_equal(rows.classids[0], CLASSID(1, 0));
	assert_int_equal(rows.confs[0].mask, 3);
	assert_int_equal(rows.confs[0].value, 0);
	assert_int_equal(rows.classids[1], CLASSID(1, 6));
	assert_int_equal(rows.confs[1].mask, 0xff);
	assert_int_equal(rows.confs[1].value, 0x11);
	assert_int_equal(set_row(q, 8, SET_MARK(0, 0)), -ENOENT);
	assert_int_equal(sched_class_reset(q, CLASSID(1, 7), &err), 0);
	assert_int_equal(sched_class_reset(q, CLASSID(1, 8), &err), -EINVAL);
	bed_end();
}

static void
refuses_indices_that_are_no_power_of_two(void **state)
{
	static const uint16_t bad[] = { 0, 3, 7, 65535 };
	struct error err = { 0 };

	bed_make();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct dsmark_conf conf = { .indices = bad[i] };
		struct qdisc_spec spec = { .parent = TC_H_ROOT, .handle = 1 << 16, .kind = "dsmark", .conf = &conf };

		assert_int_equal(sched_qdisc_add(bed.tree, &spec, NULL, &err), -EINVAL);
		assert_non_null(strstr(err.msg, "power of two"));
	}
	assert_false(sched_has_root(bed.tree));
	make_qdisc("dsmark", &(struct dsmark_conf){ .indices = DSMARK_INDICES_MAX });
	bed_end();
}

static void
map_index(struct qdisc *q, uint32_t from, uint32_t to)
{
	add_filter(
		q->handle, "tcindex", from, &(struct tcindex_conf){ .has_classid = true, .classid = q->handle | to });
}

/* Its filters map 1 to 2 and 2 to 3: who comes with 1 leaves with 2, whatever changes on the way. */
static void
maps_an_index_once_though_the_tree_changes(void **state)
{
	struct classify_ctx ctx = { .sink = &bed.sink };
	struct netem_conf delay = { .latency_ns = 1000000, .limit = 10 };
	struct dsmark_conf conf = { .indices = 8 };
	struct rte_mbuf *m, *out = NULL;
	struct qdisc *q;

	bed_make();
	make_qdisc("netem", &delay);
	q = add_qdisc(0x10001, 0x200000, "dsmark", &conf);
	map_index(q, 1, 2);
	map_index(q, 2, 3);
	m = packet(100, 1, 0, 0);
	pkt_of(m)->tc_index = 1;
	sched_classify(bed.tree, &ctx, &m, 1);
	map_index(q, 5, 6); /* between the two workers */
	assert_int_equal(offer_packet(m), 1);
	map_index(q, 6, 7); /* before netem hands it down */
	bed.now = 1000000;
	assert_int_equal(sched_dequeue(bed.tree, &out, 0, bed.now), 0);
	assert_non_null(qdisc_peek(sched_root(bed.tree), bed.now));
	add_qdisc(0x200000, 0x210000, "prio", NULL); /* while it waits */
	assert_int_equal(sched_dequeue(bed.tree, &out, 1, bed.now), 1);
	assert_int_equal(pkt_of(out)->tc_index, 2);
	rte_pktmbuf_free(out);
	bed.sent++;
	bed_end();
}

/* What stands inside may be put there under any class id, shapes what leaves, and is replaced without loss. */
static void
holds_one_qdisc_whatever_the_class_id(void **state)
{
	struct tbf_conf slow = { .rate = { .Bps = KBIT(80) }, .burst_bytes = 1000, .limit_bytes = 100000 };
	struct qdisc *q, *inner;

	bed_make();
	q = make_qdisc("dsmark", &(struct dsmark_conf){ .indices = 4, .has_default_index = true, .default_index = 1 });
	assert_int_equal(set_row(q, 1, SET_MARK(0, 0x20)), 0);
	inner = add_qdisc(CLASSID(1, 3), 2 << 16, "tbf", &slow);
	assert_ptr_equal(sched_qdisc_at(bed.tree, CLASSID(1, 0)), inner);
	assert_ptr_equal(sched_qdisc_at(bed.tree, CLASSID(1, 99)), inner);
	offer(1000, 1000, 1000);
	assert_int_equal(take(3, 0), 1);
	assert_int_equal(sched_next_event(bed.tree, 0), MS(100)); /* 1000 bytes at 10,000 bytes/s */
	assert_int_equal(q->backlog_pkts, 2);
	add_qdisc(CLASSID(1, 0), 3 << 16, "pfifo", &(struct fifo_conf){ .limit = 10 });
	assert_int_equal(take(3, MS(1)), 2);
	assert_order(1, 2);
	offer(1000);
	delete_qdisc(sched_qdisc_find(bed.tree, 3 << 16));
	assert_int_equal(take(3, MS(1)), 1);
	assert_order(3);
	bed_end();
}

static void
peeks_without_marking(void **state)
{
	struct qdisc *q;
	struct rte_mbuf *m;

	bed_make();
	q = make_qdisc("dsmark", &(struct dsmark_conf){ .indices = 2, .has_default_index = true, .default_index = 1 });
	assert_int_equal(set_row(q, 1, SET_MARK(0, 0x20)), 0);
	offer_packet(packet_ds(0x10, 0, 0));
	m = qdisc_peek(q, 0);
	assert_non_null(m);
	assert_int_equal(ipv4_of(m)->type_of_service, 0x10);
	assert_int_equal(take(1, 0), 1);
	assert_null(qdisc_peek(q, 0));
	bed_end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marks_as_the_row_of_its_class_says),
		cmocka_unit_test(keeps_the_checksum_right_for_any_header),
		cmocka_unit_test(marks_the_traffic_class_of_ipv6_and_nothing_else),
		cmocka_unit_test(takes_the_row_from_priority_filter_or_default),
		cmocka_unit_test(sets_tc_index_for_what_is_inside),
		cmocka_unit_test(keeps_tc_index_where_nothing_sets_it),
		cmocka_unit_test(lists_the_rows_that_change_something),
		cmocka_unit_test(refuses_indices_that_are_no_power_of_two),
		cmocka_unit_test(maps_an_index_once_though_the_tree_changes),
		cmocka_unit_test(holds_one_qdisc_whatever_the_class_id),
		cmocka_unit_test(peeks_without_marking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
