/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The orders, victims and counts that Linux showed (5.10 and 6.1, `sfq` under a slow tbf, arrivals in one burst) are written as strings:
 * "a3 b2x214" is three packets of flow a and two of 214 bytes of flow b, and what leaves is "a0 a1 b0": flow and number within it.
 * A flow is put in a bucket of its own by a priority that names it, so that no collision disturbs.
 */
#include <weir/action/gact.h>
#include <weir/filter/fw.h>
#include <weir/qdisc/fifo.h>
#include <weir/qdisc/sfq.h>

#include "class_snapshot.h"
#include "support.h"

#define FRAME 1014

static uint64_t draw_state;

static uint32_t
draw(uint32_t below)
{
	draw_state = draw_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(draw_state >> 33) % below;
}

static uint32_t numbers[128]; /* next number of each flow */
static char names[BED_BUFFERS][8]; /* by id */

static struct qdisc *
make_sfq(const struct sfq_conf *conf)
{
	memset(numbers, 0, sizeof(numbers));
	return make_qdisc("sfq", conf);
}

static struct rte_mbuf *
named_packet(char flow, uint32_t bytes, uint32_t priority)
{
	struct rte_mbuf *m = packet(bytes, (uint32_t)flow, priority, 0);

	snprintf(names[pkt_of(m)->nexthop % BED_BUFFERS], sizeof(names[0]), "%c%u", flow,
		numbers[(uint8_t)flow]++ % 10000);
	return m;
}

/* Offers "a3 b2x214 c": flow a is bucket 0, b bucket 1 and so on. */
static void
arrive(const char *plan)
{
	while (*plan != '\0') {
		char flow = *plan++, *end;
		unsigned long n = strtoul(plan, &end, 10), bytes = FRAME;

		if (*end == 'x')
			bytes = strtoul(end + 1, &end, 10);
		for (unsigned long i = 0; i < RTE_MAX(n, 1ul); i++)
			offer_packet(named_packet(flow, (uint32_t)bytes, CLASSID(1, flow - 'a' + 1)));
		plan = end + (*end == ' ');
	}
}

/* What leaves now, at most n packets, is `expected`. */
static void
assert_leaves_n(uint32_t n, const char *expected)
{
	char line[4096];
	size_t at = 0;

	line[0] = '\0';
	take(n, bed.now);
	for (uint32_t i = 0; i < bed.taken_count; i++)
		at += (size_t)snprintf(
			line + at, sizeof(line) - at, "%s%s", i == 0 ? "" : " ", names[bed.taken[i].id % BED_BUFFERS]);
	assert_string_equal(line, expected);
}

static void
assert_leaves(const char *expected)
{
	assert_leaves_n(UINT32_MAX, expected);
}

/* Linux's order for a plan that starts with one packet "a" gone before the rest came. */
static void
linux_order(const struct sfq_conf *conf, const char *plan, const char *expected)
{
	bed_make();
	make_sfq(conf);
	arrive("a");
	assert_leaves("a0");
	arrive(plan);
	assert_leaves(expected);
	assert_int_equal(sched_backlog(bed.tree), 0);
	bed_end();
}

/* ---- the round */

static void
serves_flows_in_turn_by_bytes(void **state)
{
	linux_order(&(struct sfq_conf){ .quantum = 1514 }, "a7 b8 c20x214",
		"a1 a2 b0 b1 c0 c1 c2 c3 c4 c5 c6 c7 a3 b2 c8 c9 c10 c11 c12 c13 c14 a4 a5 b3 b4 c15 c16 c17 c18 c19 "
		"a6 b5 a7 "
		"b6 b7");
	linux_order(
		&(struct sfq_conf){ .quantum = 514 }, "a3 b4 c8x514", "a1 b0 c0 a2 b1 c1 c2 a3 b2 c3 c4 b3 c5 c6 c7");
	linux_order(NULL, "b1 c1 a3 b3 c3", "b0 b1 c0 c1 a1 a2 b2 c2 a3 b3 c3");
}

static void
a_new_flow_waits_for_one_round(void **state)
{
	bed_make();
	make_sfq(NULL);
	arrive("a1");
	assert_leaves("a0");
	arrive("a5 b6");
	assert_leaves_n(3, "a1 a2 b0");
	arrive("c2");
	assert_leaves("b1 a3 c0 c1 b2 a4 a5 b3 b4 b5");
	bed_end();
}

static void
a_flow_that_ran_empty_starts_afresh(void **state)
{
	bed_make();
	make_sfq(&(struct sfq_conf){ .quantum = 1500 });
	/* a's one packet is more than its quantum. Had it to pay, b would send once more before a's next. */
	arrive("a1x3000 b4x1500");
	assert_leaves_n(2, "a0 b0");
	arrive("a2x1500");
	assert_leaves("a1 b1 a2 b2 b3");
	bed_end();
}

static void
a_flow_pays_for_what_it_sent_too_much(void **state)
{
	bed_make();
	make_sfq(&(struct sfq_conf){ .quantum = 1500 });
	arrive("a3x3000 b6x1500");
	assert_leaves("a0 b0 b1 a1 b2 b3 a2 b4 b5");
	bed_end();
}

static void
peek_says_what_leaves_next(void **state)
{
	struct qdisc *q;

	bed_make();
	q = make_sfq(NULL);
	assert_null(qdisc_peek(q, 0));
	arrive("a9 b9x300 c9x77");
	while (sched_backlog(bed.tree) != 0) {
		uint32_t id = pkt_of(qdisc_peek(q, 0))->nexthop;

		assert_int_equal(take(1, 0), 1);
		assert_int_equal(bed.taken[0].id, id);
	}
	assert_null(qdisc_peek(q, 0));
	assert_true(sched_next_event(bed.tree, 7) == SCHED_NEVER);
	bed_end();
}

static void
a_tiny_quantum_is_as_fair_as_a_large_one(void **state)
{
	uint64_t bytes[128] = { 0 };

	bed_make();
	make_sfq(&(struct sfq_conf){ .quantum = 1, .limit = 3000, .flows = 128 });
	for (unsigned int i = 0; i < 100; i++)
		arrive("a1x1500 b3x500 c4x375 d1x1499");
	take(250, 0);
	for (uint32_t i = 0; i < 250; i++)
		bytes[bed.taken[i].flow] += bed.taken[i].bytes;
	for (char flow = 'b'; flow <= 'd'; flow++)
		assert_true(
			RTE_MAX(bytes['a'], bytes[(uint8_t)flow]) - RTE_MIN(bytes['a'], bytes[(uint8_t)flow]) <= 1501);
	take(UINT32_MAX, 0);
	bed_end();
}

/* Deficit round robin as slow and plain as it can be said: grants one quantum at each visit. Fills ids in the order of leaving. */
static void
reference_order(uint32_t flows, uint32_t each, const uint32_t lengths[flows][each], int64_t quantum, uint32_t *ids)
{
	uint32_t next[16] = { 0 }, left = flows * each, at = 0;
	int64_t allot[16];

	for (uint32_t f = 0; f < flows; f++)
		allot[f] = quantum;
	for (uint32_t f = 0; left != 0; f = (f + 1) % flows) {
		while (next[f] < each && allot[f] > 0) {
			allot[f] -= lengths[f][next[f]];
			ids[at++] = f * each + next[f]++;
			left--;
		}
		allot[f] += quantum;
	}
}

static void
any_quantum_gives_the_reference_order(void **state)
{
	enum { FLOWS = 7, EACH = 40 };
	static const int64_t quanta[] = { 1, 2, 3, 7, 64, 100, 333, 1000, 1514, 9000 };
	uint32_t lengths[FLOWS][EACH], ids[FLOWS * EACH];

	for (size_t i = 0; i < RTE_DIM(quanta); i++) {
		bed_make();
		make_sfq(&(struct sfq_conf){ .quantum = (uint32_t)quanta[i], .limit = 1000 });
		draw_state = i;
		for (uint32_t f = 0; f < FLOWS; f++) {
			for (uint32_t j = 0; j < EACH; j++) {
				lengths[f][j] = 64 + draw(1451);
				offer_packet(packet(lengths[f][j], f, CLASSID(1, f + 1), 0));
			}
		}
		reference_order(FLOWS, EACH, lengths, quanta[i], ids);
		take(UINT32_MAX, 0);
		assert_ids(ids, FLOWS * EACH);
		bed_end();
	}
}

/* ---- limits */

static void
the_longest_flow_loses_its_last_packet(void **state)
{
	/* Linux counts the packet that its tbf peeked at in the limit; here it is gone. */
	linux_order(&(struct sfq_conf){ .limit = 9 }, "a4 b5 a1 a1 a1 b1 b1 c1 c1 c1", "a1 a2 b0 b1 c0 c1 a3 b2 c2");
	linux_order(&(struct sfq_conf){ .limit = 9 }, "a4 b5 b1 a1 c1", "a1 a2 b0 b1 c0 a3 b2 a4 b3");
	linux_order(&(struct sfq_conf){ .limit = 8 }, "a2 b3 c3 d1 d1 d1 d1", "a1 a2 b0 b1 c0 c1 d0 d1");
	/* b and c have three each, and b came to three last. */
	linux_order(&(struct sfq_conf){ .limit = 8 }, "b1 c1 b1 c1 a1 c1 a1 b1 d1", "b0 b1 c0 c1 a1 a2 d0 c2");
}

static void
the_longest_flow_loses_its_first_packet_with_headdrop(void **state)
{
	linux_order(&(struct sfq_conf){ .limit = 9, .has_v1 = true, .headdrop = true }, "a4 b5 a1 a1 a1 b1 b1 c1 c1 c1",
		"a5 a6 b4 b5 c0 c1 a7 b6 c2");
}

static void
where_all_flows_hold_one_packet_the_oldest_goes(void **state)
{
	for (unsigned int headdrop = 0; headdrop < 2; headdrop++) {
		bed_make();
		make_sfq(&(struct sfq_conf){ .flows = 1000, .has_v1 = true, .headdrop = headdrop });
		for (uint32_t i = 0; i < 130; i++)
			offer_packet(packet(FRAME, i, CLASSID(1, i + 1), 0));
		assert_int_equal(take(UINT32_MAX, 0), 127);
		for (uint32_t i = 0; i < 127; i++)
			assert_int_equal(bed.taken[i].id, i + 3);
		bed_end();
	}
}

static void
a_flow_is_no_deeper_than_the_depth(void **state)
{
	linux_order(&(struct sfq_conf){ .has_v1 = true, .depth = 3 }, "a5 b4", "a1 a2 b0 b1 a3 b2");
	linux_order(&(struct sfq_conf){ .has_v1 = true, .depth = 3, .headdrop = true }, "a5 b4", "a3 a4 b1 b2 a5 b3");
	linux_order(&(struct sfq_conf){ .has_v1 = true, .depth = 1 }, "a2 b2", "a1 b0");
	linux_order(&(struct sfq_conf){ .has_v1 = true, .depth = 1, .headdrop = true }, "a2 b2", "a2 b1");
	/* 127 unless said otherwise. */
	bed_make();
	make_sfq(&(struct sfq_conf){ .limit = 1000 });
	arrive("a200");
	assert_int_equal(sched_backlog(bed.tree), 127);
	bed_end();
}

static void
no_more_flows_than_asked_for(void **state)
{
	linux_order(&(struct sfq_conf){ .flows = 2 }, "a1 b2 c2", "a1 b0 b1");
	bed_make();
	make_sfq(&(struct sfq_conf){ .flows = 2 });
	arrive("a1 b1 c1");
	assert_int_equal(bed.sink.drops[DROP_QUEUE_FULL], 1);
	assert_leaves_n(1, "a0");
	arrive("c1"); /* one is free again */
	assert_leaves("b0 c1");
	bed_end();
}

static void
the_count_returned_is_of_packets_that_stay(void **state)
{
	bed_make();
	make_sfq(&(struct sfq_conf){ .limit = 2 });
	assert_int_equal(offer_packet(named_packet('a', FRAME, 0x10001)), 1);
	assert_int_equal(offer_packet(named_packet('a', FRAME, 0x10001)), 1);
	assert_int_equal(offer_packet(named_packet('a', FRAME, 0x10001)), 0); /* it would be the longest flow's last */
	assert_int_equal(offer_packet(named_packet('b', FRAME, 0x10002)), 1); /* a loses one for it */
	assert_leaves("a0 b0");
	bed_end();
}

/* ---- classification */

static uint32_t buckets[64]; /* classids that a dump shows */
static uint32_t buckets_count, buckets_packets;

static int
note_bucket(void *arg, struct class *c)
{
	struct sched_stats stats;

	class_get_stats(c, &stats);
	assert_true(buckets_count < RTE_DIM(buckets));
	buckets[buckets_count++] = c->classid;
	buckets_packets += stats.backlog_pkts;
	return 0;
}

static void
dump(const struct qdisc *q)
{
	buckets_count = buckets_packets = 0;
	assert_int_equal(class_snapshot_walk(q, note_bucket, NULL), 0);
}

static uint32_t
bucket_for(struct qdisc *q, struct rte_mbuf *m)
{
	assert_int_equal(sched_backlog(bed.tree), 0);
	offer_packet(m);
	dump(q);
	take(9, bed.now);
	return buckets_count == 0 ? 0 : TC_H_MIN(buckets[0]);
}

static void
a_priority_may_name_the_bucket(void **state)
{
	struct qdisc *q;

	bed_make();
	q = make_sfq(NULL);
	assert_int_equal(bucket_for(q, packet(100, 1, 0x10003, 0)), 3);
	assert_int_equal(bucket_for(q, packet(100, 1, 0x10400, 0)), 0x400);
	/* Beyond the buckets or another qdisc's: by hash. */
	uint32_t hashed = bucket_for(q, packet(100, 1, 0, 0));

	assert_int_equal(bucket_for(q, packet(100, 1, 0x10401, 0)), hashed);
	assert_int_equal(bucket_for(q, packet(100, 1, 0x10000, 0)), hashed);
	assert_int_equal(bucket_for(q, packet(100, 1, 0x110003, 0)), hashed);
	bed_end();
}

#define NO_ACTION INT32_MIN

static void
add_fw(struct qdisc *q, uint32_t fwmark, uint32_t classid, int32_t action)
{
	struct error err = { 0 };
	struct chain *chain = sched_chain(bed.tree, q->handle, &err);
	struct gact_conf gact = { .action = action };
	struct action_spec spec = { .kind = "gact", .conf = &gact };
	struct fw_conf conf = {
		.has_classid = true, .classid = classid, .actions = &spec, .n_actions = action != NO_ACTION
	};
	struct filter_spec filter = {
		.preference = 1, .protocol = rte_cpu_to_be_16(0x0800), .handle = fwmark, .kind = "fw", .conf = &conf
	};

	assert_non_null(chain);
	if (chain_filter_add(chain, &filter, CHANGE_CREATE, NULL, &err) != 0)
		fail_msg("filter add: %s (%d)", err.msg, err.code);
	sched_chain_changed(bed.tree);
}

static void
filters_name_buckets_and_what_none_names_is_dropped(void **state)
{
	struct qdisc *q;

	bed_make();
	q = make_sfq(NULL);
	add_fw(q, 1, 0x10005, NO_ACTION);
	add_fw(q, 2, 0x12000, NO_ACTION); /* beyond the buckets */
	add_fw(q, 3, 0x10400, NO_ACTION);
	add_fw(q, 4, 0x770005, NO_ACTION); /* only the minor counts */
	add_fw(q, 5, 0x10006, TC_ACT_SHOT);
	add_fw(q, 6, 0x10007, TC_ACT_OK);
	add_fw(q, 7, 0x10008, TC_ACT_UNSPEC);
	assert_int_equal(bucket_for(q, packet(100, 1, 0, 1)), 5);
	assert_int_equal(bucket_for(q, packet(100, 1, 0, 2)), 0);
	assert_int_equal(bucket_for(q, packet(100, 1, 0, 3)), 0x400);
	assert_int_equal(bucket_for(q, packet(100, 1, 0, 4)), 5);
	assert_int_equal(bucket_for(q, packet(100, 1, 0, 5)), 0);
	assert_int_equal(bucket_for(q, packet(100, 1, 0, 6)), 7);
	assert_int_equal(bucket_for(q, packet(100, 1, 0, 7)), 0);
	assert_int_equal(bucket_for(q, packet(100, 1, 0, 99)), 0);
	assert_int_equal(bucket_for(q, packet(100, 1, 0x10003, 5)), 3); /* a priority comes first */
	assert_int_equal(bed.sink.drops[DROP_FILTER], 1);
	assert_int_equal(bed.sink.drops[DROP_UNCLASSIFIED], 3);
	bed_end();
}

/* ---- the hash */

static struct rte_ipv4_hdr *
ipv4_of(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, sizeof(struct rte_ether_hdr));
}

static void
the_hash_tells_flows_apart_and_keeps_fragments_together(void **state)
{
	struct rte_mbuf *m;
	struct qdisc *q;
	uint32_t first, different = 0;

	bed_make();
	q = make_sfq(&(struct sfq_conf){ .divisor = 65536 });
	first = bucket_for(q, packet(100, 1, 0, 0));
	assert_int_equal(bucket_for(q, packet(900, 1, 3, 7)), first); /* length, priority and mark are not the flow */
	for (uint32_t port = 2; port < 100; port++)
		different += bucket_for(q, packet(100, port, 0, 0)) != first;
	assert_true(different >= 96);
	for (uint32_t host = 0; host < 16; host++) {
		m = packet(100, 1, 0, 0);
		ipv4_of(m)->dst_addr = rte_cpu_to_be_32(0x0a000100 + host);
		different += bucket_for(q, m) != first;
	}
	m = packet(100, 1, 0, 0);
	ipv4_of(m)->next_proto_id = 6;
	different += bucket_for(q, m) != first;
	assert_true(different >= 96 + 15);

	/* A first fragment, though its ports can be seen, and a later one, whose payload must not be taken for ports. */
	m = packet(100, 1, 0, 0);
	ipv4_of(m)->fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_MF_FLAG);
	first = bucket_for(q, m);
	m = packet(100, 2, 0, 0);
	ipv4_of(m)->fragment_offset = rte_cpu_to_be_16(185);
	pkt_of(m)->l4_off = 0;
	assert_int_equal(bucket_for(q, m), first);
	bed_end();
}

/* Turns an IPv4 test packet into IPv6 with a chain of extension headers given as bytes before UDP. */
static struct rte_mbuf *
ipv6_packet(uint16_t port, uint8_t next, const uint8_t *extensions, uint16_t length)
{
	struct rte_mbuf *m = packet(200, port, 0, 0);
	struct rte_ipv6_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv6_hdr *, sizeof(struct rte_ether_hdr));
	uint8_t *behind = (uint8_t *)(ip + 1);

	memset(ip, 0, 150);
	ip->vtc_flow = rte_cpu_to_be_32(6u << 28);
	ip->proto = next;
	ip->src_addr[15] = 1;
	ip->dst_addr[15] = 2;
	memcpy(behind, extensions, length);
	behind[length] = (uint8_t)(port >> 8);
	behind[length + 1] = (uint8_t)port;
	behind[length + 3] = 9;
	pkt_of(m)->protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6);
	pkt_of(m)->flags |= PKT_IPV6;
	pkt_of(m)->l4_off = 0; /* whatever the parser said: the headers are walked */
	return m;
}

static void
the_hash_reads_ipv6_behind_its_extension_headers(void **state)
{
	static const uint8_t options[8] = { 17 }, fragment[8] = { 17, 0, 0, 1 };
	struct qdisc *q;
	uint32_t plain, hashed;

	bed_make();
	q = make_sfq(&(struct sfq_conf){ .divisor = 65536 });
	plain = bucket_for(q, ipv6_packet(1, 17, options, 0));
	assert_int_not_equal(bucket_for(q, ipv6_packet(2, 17, options, 0)), plain);
	assert_int_equal(bucket_for(q, ipv6_packet(1, 0, options, 8)), plain);
	assert_int_equal(bucket_for(q, ipv6_packet(1, 60, options, 8)), plain);
	hashed = bucket_for(q, ipv6_packet(1, 44, fragment, 8));
	assert_int_equal(bucket_for(q, ipv6_packet(2, 44, fragment, 8)), hashed);
	assert_int_not_equal(hashed, plain);
	bed_end();
}

static void
what_is_not_ip_or_too_short_has_a_bucket_too(void **state)
{
	struct rte_mbuf *m;
	struct qdisc *q;
	uint32_t first;

	bed_make();
	q = make_sfq(&(struct sfq_conf){ .divisor = 65536 });
	m = packet(64, 1, 0, 0);
	pkt_of(m)->protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP);
	first = bucket_for(q, m);
	m = packet(64, 1, 0, 0);
	pkt_of(m)->protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP);
	rte_pktmbuf_mtod(m, uint8_t *)[11] = 1; /* another sender */
	assert_int_not_equal(bucket_for(q, m), first);
	for (uint16_t length = 0; length < 60; length++) { /* under a sanitizer: nothing behind the end is read */
		for (unsigned int version = 4; version <= 6; version += 2) {
			m = version == 4 ? packet(64, 1, 0, 0) : ipv6_packet(1, 0, (const uint8_t[8]){ 17 }, 8);
			m->data_len = length;
			m->pkt_len = length;
			assert_int_not_equal(bucket_for(q, m), 0);
		}
	}
	bed_end();
}

/* ---- perturbation */

static void
assert_flows_in_order(void)
{
	uint32_t last[256];

	memset(last, 0xff, sizeof(last));
	for (uint32_t i = 0; i < bed.taken_count; i++) {
		uint32_t *before = &last[bed.taken[i].flow % 256];

		assert_true(*before == UINT32_MAX || *before < bed.taken[i].id);
		*before = bed.taken[i].id;
	}
}

static void
a_new_hash_comes_when_it_is_due_and_keeps_each_flow_in_order(void **state)
{
	struct qdisc *q;
	uint32_t before[64], count;

	bed_make();
	q = make_sfq(&(struct sfq_conf){ .perturb_s = 1, .divisor = 16, .limit = 1000 });
	for (uint32_t i = 0; i < 10; i++) {
		for (uint32_t flow = 0; flow < 8; flow++)
			offer_packet(packet(500, flow, 0, 0));
	}
	assert_int_equal(sched_backlog(bed.tree), 80);
	dump(q);
	count = buckets_count;
	memcpy(before, buckets, sizeof(before));
	take(8, SECONDS(1) - 1);
	dump(q);
	assert_int_equal(buckets_count, count);
	assert_memory_equal(before, buckets, count * sizeof(before[0]));
	bed.taken_count = 0;
	bed.now = SECONDS(1);
	take_more(1);
	dump(q);
	assert_int_equal(buckets_packets, 71); /* nothing is lost, whatever fell together */
	assert_true(buckets_count != count || memcmp(before, buckets, count * sizeof(before[0])) != 0);
	for (unsigned int second = 2; second < 10; second++) {
		bed.now = SECONDS(second);
		take_more(1);
		for (uint32_t flow = 0; flow < 8; flow++)
			offer_packet(packet(500, flow, 0, 0));
	}
	take_more(UINT32_MAX);
	assert_int_equal(bed.taken_count, 72 + 64);
	assert_flows_in_order();
	bed_end();
}

static void
years_between_two_packets_cost_one_new_hash(void **state)
{
	struct qdisc *q;
	uint32_t bucket, changed = 0;

	bed_make();
	q = make_sfq(&(struct sfq_conf){ .perturb_s = 1, .divisor = 65536 });
	bucket = bucket_for(q, packet(500, 1, 0, 0));
	bed.now = SECONDS(1000000000ull) + 5;
	changed += bucket_for(q, packet(500, 1, 0, 0)) != bucket;
	bucket = bucket_for(q, packet(500, 1, 0, 0));
	bed.now = SECONDS(1000000001ull) - 1;
	assert_int_equal(bucket_for(q, packet(500, 1, 0, 0)), bucket); /* in step with the first second */
	bed.now = SECONDS(1000000001ull);
	changed += bucket_for(q, packet(500, 1, 0, 0)) != bucket;
	assert_int_equal(changed, 2);
	bed_end();
}

static void
filters_and_priorities_keep_their_buckets_through_a_new_hash(void **state)
{
	struct qdisc *q;

	bed_make();
	q = make_sfq(&(struct sfq_conf){ .perturb_s = 1 });
	arrive("e3");
	bed.now = SECONDS(1);
	assert_leaves_n(1, "e0");
	dump(q);
	assert_int_equal(buckets_count, 1);
	assert_int_equal(buckets[0], 0x10005);
	assert_leaves("e1 e2");
	add_fw(q, 1, 0x10007, NO_ACTION);
	offer_packet(packet(100, 1, 0, 1));
	offer_packet(packet(100, 1, 0, 1));
	bed.now = SECONDS(2);
	take_more(1);
	dump(q);
	assert_int_equal(buckets[0], 0x10007);
	take_more(1);
	bed_end();
}

/* ---- RED in each flow: what Linux did with 40 packets of one flow behind the one in service */

static struct sfq_conf
red_conf(uint8_t flags, bool headdrop)
{
	/* tc's `redflowlimit 20000 min 3000 max 6000 avpkt 1000 burst 5 probability 1` */
	return (struct sfq_conf){ .has_v1 = true,
		.redflowlimit = 20000,
		.qth_min = 3000,
		.qth_max = 6000,
		.red_wlog = 2,
		.red_max_p = 3145728000u,
		.red_flags = flags,
		.headdrop = headdrop };
}

static uint16_t
ipv4_checksum_of(const struct rte_mbuf *m)
{
	struct rte_ipv4_hdr copy = *ipv4_of((struct rte_mbuf *)(uintptr_t)m);

	copy.hdr_checksum = 0;
	return rte_ipv4_cksum(&copy);
}

/* Offers 40 packets with these two ECN bits behind one in service; returns how many carry CE when they leave, all with a good checksum. */
static unsigned int
marked_of_40(const struct sfq_conf *conf, uint8_t ecn, struct sfq_conf *after)
{
	struct rte_mbuf *pkts[64];
	struct qdisc *q;
	unsigned int marked = 0;
	uint16_t n;

	bed_make();
	q = make_sfq(conf);
	for (unsigned int i = 0; i < 40; i++) {
		struct rte_mbuf *m = packet(FRAME, 1, 0, 0);

		ipv4_of(m)->type_of_service = 0xb8 | ecn;
		ipv4_of(m)->hdr_checksum = ipv4_checksum_of(m);
		offer_packet(m);
		if (i == 0)
			assert_int_equal(take(1, 0), 1);
	}
	q->ops->get_conf(q, after);
	assert_int_equal(q->overlimits, after->red_stats.prob_drop + after->red_stats.prob_mark +
						after->red_stats.forced_drop + after->red_stats.forced_mark +
						after->red_stats.prob_mark_head + after->red_stats.forced_mark_head);
	while ((n = sched_dequeue(bed.tree, pkts, RTE_DIM(pkts), 0)) != 0) {
		for (uint16_t i = 0; i < n; i++) {
			marked += (ipv4_of(pkts[i])->type_of_service & 3) == 3;
			assert_int_equal(ipv4_of(pkts[i])->type_of_service >> 2, 0xb8 >> 2);
			assert_int_equal(ipv4_of(pkts[i])->hdr_checksum, ipv4_checksum_of(pkts[i]));
			rte_pktmbuf_free(pkts[i]);
			bed.sent++;
		}
	}
	bed_end();
	return marked;
}

static void
red_drops_early_and_at_the_maximum_always(void **state)
{
	struct sfq_conf conf = red_conf(0, false), after;

	assert_int_equal(marked_of_40(&conf, 0, &after), 0);
	assert_in_range(after.red_stats.prob_drop, 1, 4);
	assert_in_range(after.red_stats.forced_drop, 27, 30);
	assert_int_equal(bed.sink.drops[DROP_QUEUE_FULL], after.red_stats.prob_drop + after.red_stats.forced_drop);
	/* Headdrop lets the newcomer in at the cost of the first. */
	conf.headdrop = true;
	marked_of_40(&conf, 0, &after);
	assert_in_range(after.red_stats.prob_drop + after.red_stats.forced_drop, 30, 32);
	/* Without a chance below the maximum only the forced ones are left: the average passes 6000 at the eleventh packet. */
	conf = red_conf(0, false);
	conf.red_max_p = 1;
	marked_of_40(&conf, 0, &after);
	assert_int_equal(after.red_stats.prob_drop, 0);
	assert_int_equal(after.red_stats.forced_drop, 30);
}

static void
red_marks_packets_that_speak_ecn(void **state)
{
	struct sfq_conf conf = red_conf(TC_RED_ECN, false), after;
	unsigned int marked;

	for (uint8_t ecn = 1; ecn <= 2; ecn++) {
		marked = marked_of_40(&conf, ecn, &after);
		assert_int_equal(bed.sent, 40);
		assert_in_range(after.red_stats.prob_mark, 1, 3);
		assert_in_range(after.red_stats.forced_mark, 29, 30);
		assert_int_equal(marked, after.red_stats.prob_mark + after.red_stats.forced_mark);
	}
	assert_int_equal(marked_of_40(&conf, 0, &after), 0); /* these do not */
	assert_in_range(after.red_stats.forced_drop, 27, 30);
	assert_int_equal(after.red_stats.forced_mark, 0);
	conf = red_conf(TC_RED_ECN | TC_RED_HARDDROP, false);
	marked_of_40(&conf, 2, &after);
	assert_in_range(after.red_stats.prob_mark, 1, 3);
	assert_int_equal(after.red_stats.forced_mark, 0);
	assert_in_range(after.red_stats.forced_drop, 29, 30);
	/* With headdrop the flow's first packet bears the mark, once. */
	conf = red_conf(TC_RED_ECN, true);
	assert_int_equal(marked_of_40(&conf, 2, &after), 1);
	assert_in_range(after.red_stats.prob_mark_head, 1, 3);
	assert_in_range(after.red_stats.forced_mark_head, 29, 30);
	assert_int_equal(bed.sent, 40);
}

static void
red_marks_as_often_as_the_probability_says(void **state)
{
	/* With the average held at the middle of the curve, pb is half of max_p: Floyd and Jacobson's marks come every 1/pb packets in the mean. */
	struct sfq_conf conf = { .has_v1 = true,
		.limit = 1000,
		.qth_min = 10000,
		.qth_max = 30000,
		.red_wlog = 4,
		.red_max_p = 1u << 31,
		.red_flags = TC_RED_ECN };
	struct sfq_conf after;
	struct qdisc *q;

	bed_make();
	q = make_sfq(&conf);
	for (unsigned int i = 0; i < 20; i++)
		offer(1000);
	for (unsigned int i = 0; i < 20000; i++) {
		struct rte_mbuf *m = packet(1000, 1, 0, 0);

		ipv4_of(m)->type_of_service = 2;
		offer_packet(m);
		take(1, 0);
	}
	q->ops->get_conf(q, &after);
	/* R is uniform over [0, 1): the gap is uniform over 1..4 packets at pb = 1/4, so 2.5 in the mean. */
	assert_in_range(after.red_stats.prob_mark, 7600, 8400);
	assert_int_equal(after.red_stats.forced_mark, 0);
	take(UINT32_MAX, 0);
	bed_end();
}

/* ---- configuration */

static void
effective_is(struct sfq_conf conf, uint32_t limit, uint32_t depth, uint32_t flows, uint32_t divisor)
{
	struct sfq_conf seen;
	struct qdisc *q;

	bed_make();
	q = make_sfq(&conf);
	q->ops->get_conf(q, &seen);
	assert_int_equal(seen.limit, limit);
	assert_int_equal(seen.depth, depth);
	assert_int_equal(seen.flows, flows);
	assert_int_equal(seen.divisor, divisor);
	assert_int_equal(seen.quantum, conf.quantum != 0 ? conf.quantum : 1514);
	assert_int_equal(seen.perturb_s, conf.perturb_s);
	arrive("a2 b2"); /* and it works */
	take(UINT32_MAX, 0);
	bed_end();
}

static void
reports_the_values_that_linux_reports(void **state)
{
	effective_is((struct sfq_conf){ 0 }, 127, 127, 128, 1024);
	effective_is((struct sfq_conf){ .quantum = 1, .perturb_s = 10 }, 127, 127, 128, 1024);
	effective_is((struct sfq_conf){ .limit = 2 }, 2, 127, 2, 1024);
	effective_is((struct sfq_conf){ .limit = 100000 }, 16256, 127, 128, 1024);
	effective_is((struct sfq_conf){ .limit = 65535, .flows = 65535 }, 65535, 127, 65408, 1024);
	effective_is((struct sfq_conf){ .limit = 3000, .flows = 10, .has_v1 = true, .depth = 10 }, 100, 10, 10, 1024);
	effective_is((struct sfq_conf){ .has_v1 = true, .depth = 200 }, 127, 127, 128, 1024);
	effective_is((struct sfq_conf){ .has_v1 = true, .depth = 1 }, 127, 1, 128, 1024);
	effective_is((struct sfq_conf){ .flows = 1 }, 127, 127, 1, 1024);
	effective_is((struct sfq_conf){ .flows = 1000, .limit = 100000 }, 100000, 127, 1000, 1024);
	effective_is((struct sfq_conf){ .flows = 1024, .limit = 50 }, 50, 127, 50, 1024);
	effective_is((struct sfq_conf){ .divisor = 1 }, 127, 127, 1, 1);
	effective_is((struct sfq_conf){ .divisor = 65536 }, 127, 127, 128, 65536);
	effective_is(
		(struct sfq_conf){ .divisor = 65536, .flows = 65408, .limit = 10000000 }, 8306816, 127, 65408, 65536);
}

static void
refuse(struct sfq_conf conf)
{
	struct qdisc_spec spec = { .parent = TC_H_ROOT, .handle = 1 << 16, .kind = "sfq", .conf = &conf };
	struct error err = { 0 };

	assert_int_equal(sched_qdisc_add(bed.tree, &spec, NULL, &err), -EINVAL);
	assert_true(strncmp(err.msg, "sfq: ", 5) == 0);
	assert_null(sched_root(bed.tree));
}

static void
refuses_what_linux_refuses(void **state)
{
	struct sfq_conf conf = { 0 };
	struct error err = { 0 };
	struct qdisc *q;

	bed_make();
	refuse((struct sfq_conf){ .divisor = 1000 });
	refuse((struct sfq_conf){ .divisor = 3 });
	refuse((struct sfq_conf){ .divisor = 131072 });
	refuse((struct sfq_conf){ .quantum = INT32_MAX });
	refuse((struct sfq_conf){ .quantum = UINT32_MAX });
	refuse((struct sfq_conf){ .perturb_s = -1 });
	refuse((struct sfq_conf){ .perturb_s = 100000000 });
	refuse((struct sfq_conf){ .has_v1 = true, .qth_min = 1000, .qth_max = 1000 });
	refuse((struct sfq_conf){ .has_v1 = true, .qth_min = 1000, .qth_max = UINT32_MAX, .red_wlog = 1 });
	refuse((struct sfq_conf){ .has_v1 = true, .qth_min = 1000, .qth_max = 2000, .red_flags = TC_RED_ADAPTATIVE });
	q = make_sfq(NULL);
	assert_int_equal(sched_qdisc_change(q, &conf, &err), -EOPNOTSUPP);
	assert_int_equal(
		sched_qdisc_add(bed.tree, &(struct qdisc_spec){ .parent = 0x10001, .handle = 2 << 16, .kind = "pfifo" },
			NULL, &err),
		-ENOENT);
	bed_end();
}

/* ---- changes under load, dumps, everything at once */

static void
nothing_is_lost_or_reordered_by_a_move(void **state)
{
	uint64_t offered;

	bed_make();
	make_qdisc("pfifo", &(struct fifo_conf){ .limit = 10000 });
	for (uint32_t i = 0; i < 3000; i++)
		offer_packet(packet(100, i % 200, 0, 0)); /* more flows, and longer ones, than the sfq has room for */
	add_qdisc(TC_H_ROOT, 2 << 16, "sfq",
		&(struct sfq_conf){ .flows = 50, .limit = 100, .has_v1 = true, .depth = 3, .perturb_s = 1 });
	assert_int_equal(sched_backlog(bed.tree), 3000);
	take(1000, 0);
	/* Arrivals cost the longest flows a packet each now, since the limit is passed; the moved ones may cost nothing else. */
	for (uint32_t i = 0; i < 200; i++)
		offer_packet(packet(100, i, 0, 0));
	offered = sched_backlog(bed.tree) + bed_dropped();
	assert_int_equal(offered, 2200);
	bed.now = SECONDS(1); /* a new hash amid the crowd */
	take_more(500);
	add_qdisc(TC_H_ROOT, 3 << 16, "pfifo", NULL);
	take_more(UINT32_MAX);
	assert_int_equal(bed.taken_count + bed_dropped(), 3200);
	assert_flows_in_order();
	bed_end();
}

static void
the_shared_flow_is_given_back(void **state)
{
	bed_make();
	make_qdisc("pfifo", &(struct fifo_conf){ .limit = 10000 });
	for (uint32_t i = 0; i < 20; i++)
		offer_packet(packet(100, i, CLASSID(2, i + 1), 0));
	add_qdisc(TC_H_ROOT, 2 << 16, "sfq", &(struct sfq_conf){ .flows = 4 });
	take(UINT32_MAX, 0);
	assert_flows_in_order();
	memset(numbers, 0, sizeof(numbers));
	for (uint32_t i = 0; i < 20; i++) /* four flows have room, as in the beginning */
		offer_packet(packet(100, i, CLASSID(2, i + 1), 0));
	assert_int_equal(sched_backlog(bed.tree), 4);
	take(UINT32_MAX, 0);
	bed_end();
}

static int
check_class(void *arg, struct class *c)
{
	struct sfq_class_xstats xstats;
	struct sched_stats stats;
	unsigned int *seen = arg;

	class_get_stats(c, &stats);
	c->qdisc->ops->classes->get_xstats(c, &xstats);
	if ((*seen)++ == 0) {
		assert_int_equal(c->classid, 0x10001);
		assert_int_equal(stats.backlog_pkts, 2);
		assert_int_equal(stats.backlog_bytes, 2 * FRAME);
		assert_int_equal(xstats.allot, 1514 - 2 * FRAME);
	} else {
		assert_int_equal(c->classid, 0x10003);
		assert_int_equal(stats.backlog_pkts, 1);
		assert_int_equal(stats.drops, 0);
		assert_int_equal(xstats.allot, 1514);
	}
	return *seen == 3 ? 77 : 0;
}

static void
a_dump_shows_the_busy_buckets(void **state)
{
	struct qdisc *q;
	unsigned int seen = 0;

	bed_make();
	q = make_sfq(NULL);
	assert_int_equal(class_snapshot_walk(q, check_class, &seen), 0);
	assert_int_equal(seen, 0);
	arrive("c1 a4");
	assert_leaves_n(3, "c0 a0 a1");
	arrive("c1");
	assert_int_equal(class_snapshot_walk(q, check_class, &seen), 0);
	assert_int_equal(seen, 2);
	assert_leaves("c1 a2 a3");
	bed_end();
}

/* Random traffic against invariants: nothing lost, no limit passed, each flow in order, no flow long behind another that is backlogged. */
static void
random_traffic_keeps_the_promises(void **state)
{
	for (unsigned int seed = 1; seed <= 30; seed++) {
		struct sfq_conf conf;
		uint32_t flows;

		draw_state = seed * UINT64_C(0x9e3779b97f4a7c15);
		print_message("seed %u\n", seed);
		conf = (struct sfq_conf){ .quantum = draw(2) ? draw(3000) + 1 : 0,
			.limit = 2 + draw(300),
			.divisor = 1u << draw(11),
			.flows = 1 + draw(200),
			.has_v1 = true,
			.depth = 1 + draw(130),
			.headdrop = draw(2),
			.perturb_s = (int32_t)draw(3) };
		if (draw(2)) {
			conf.qth_min = 1000 + draw(10000);
			conf.qth_max = conf.qth_min + 1 + draw(20000);
			conf.red_wlog = 1 + draw(8);
			conf.red_max_p = draw(UINT32_MAX);
		}
		flows = 1 + draw(250);
		bed_make();
		struct qdisc *q = make_sfq(&conf);

		q->ops->get_conf(q, &conf);
		for (unsigned int step = 0; step < 3000; step++) {
			struct rte_mbuf *pkts[100];
			uint16_t n = (uint16_t)(1 + draw(step % 300 == 0 ? 100 : 8));

			bed.now += draw(20000000);
			for (uint16_t i = 0; i < n; i++)
				pkts[i] = packet(64 + draw(1437), draw(flows), 0, 0);
			offer_packets(pkts, n);
			assert_true(q->backlog_pkts <= conf.limit);
			assert_nothing_lost();
			take_more(draw(9));
			if (bed.taken_count > BED_TAKEN_MAX - 200) {
				assert_flows_in_order();
				bed.taken_count = 0;
			}
		}
		take_more(UINT32_MAX);
		assert_flows_in_order();
		assert_int_equal(q->backlog_bytes, 0);
		assert_int_equal(sched_backlog(bed.tree), 0);
		bed_end();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serves_flows_in_turn_by_bytes),
		cmocka_unit_test(a_new_flow_waits_for_one_round),
		cmocka_unit_test(a_flow_that_ran_empty_starts_afresh),
		cmocka_unit_test(a_flow_pays_for_what_it_sent_too_much),
		cmocka_unit_test(peek_says_what_leaves_next),
		cmocka_unit_test(a_tiny_quantum_is_as_fair_as_a_large_one),
		cmocka_unit_test(any_quantum_gives_the_reference_order),
		cmocka_unit_test(the_longest_flow_loses_its_last_packet),
		cmocka_unit_test(the_longest_flow_loses_its_first_packet_with_headdrop),
		cmocka_unit_test(where_all_flows_hold_one_packet_the_oldest_goes),
		cmocka_unit_test(a_flow_is_no_deeper_than_the_depth),
		cmocka_unit_test(no_more_flows_than_asked_for),
		cmocka_unit_test(the_count_returned_is_of_packets_that_stay),
		cmocka_unit_test(a_priority_may_name_the_bucket),
		cmocka_unit_test(filters_name_buckets_and_what_none_names_is_dropped),
		cmocka_unit_test(the_hash_tells_flows_apart_and_keeps_fragments_together),
		cmocka_unit_test(the_hash_reads_ipv6_behind_its_extension_headers),
		cmocka_unit_test(what_is_not_ip_or_too_short_has_a_bucket_too),
		cmocka_unit_test(a_new_hash_comes_when_it_is_due_and_keeps_each_flow_in_order),
		cmocka_unit_test(years_between_two_packets_cost_one_new_hash),
		cmocka_unit_test(filters_and_priorities_keep_their_buckets_through_a_new_hash),
		cmocka_unit_test(red_drops_early_and_at_the_maximum_always),
		cmocka_unit_test(red_marks_packets_that_speak_ecn),
		cmocka_unit_test(red_marks_as_often_as_the_probability_says),
		cmocka_unit_test(reports_the_values_that_linux_reports),
		cmocka_unit_test(refuses_what_linux_refuses),
		cmocka_unit_test(nothing_is_lost_or_reordered_by_a_move),
		cmocka_unit_test(the_shared_flow_is_given_back),
		cmocka_unit_test(a_dump_shows_the_busy_buckets),
		cmocka_unit_test(random_traffic_keeps_the_promises),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
