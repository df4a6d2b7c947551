/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A test bed for disciplines: one tree with a clock of its own, packets that can be told apart, and the count of what
 * went in and came out. Each test starts with bed_make and ends with bed_end, which fails if a packet was lost or a
 * buffer leaked.
 */
#ifndef WEIR_TEST_SCHED_SUPPORT_H
#define WEIR_TEST_SCHED_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include <weir/action/gact.h>
#include <weir/filter/fw.h>
#include <weir/sched.h>

#include "eal.h"

#define BED_BUFFERS   32767
#define BED_TAKEN_MAX 32768

#define MS(n)                 ((uint64_t)(n)*1000000)
#define SECONDS(n)            ((uint64_t)(n)*1000000000)
#define KBIT(n)               ((uint64_t)(n)*125) /* bytes per second */
#define MBIT(n)               ((uint64_t)(n)*125000)
#define CLASSID(major, minor) (((uint32_t)(major) << 16) | (minor))

struct taken {
	uint64_t time_ns; /* when it left */
	uint32_t id; /* counts from 0 in the order of packet() */
	uint32_t bytes;
	uint32_t flow;
	uint32_t priority;
};

static struct bed {
	struct rte_mempool *pool;
	struct sched_tree *tree;
	struct pkt_sink sink;
	uint64_t now;
	uint64_t received, sent;
	uint32_t next_id;
	struct taken taken[BED_TAKEN_MAX]; /* what the last take gave */
	uint32_t taken_count;
} bed;

static inline uint64_t
bed_now(void *arg)
{
	(void)arg;
	return bed.now;
}

/* An empty tree: MTU 1500, tx queue length 1000, clock at 0. */
static inline void
bed_make_observed(const struct sched_observer *observer)
{
	struct sched_host host = { .ifindex = 1,
		.mtu = 1500,
		.tx_queue_len = 1000,
		.sink = &bed.sink,
		.now = bed_now,
		.seed = 1,
		.observer = observer };

	if (bed.pool == NULL) {
		eal_start();
		bed.pool = eal_pool("bed", BED_BUFFERS);
	}
	memset(&bed.sink, 0, sizeof(bed.sink));
	bed.now = bed.received = bed.sent = 0;
	bed.next_id = bed.taken_count = 0;
	assert_int_equal(sched_tree_create(&host, &bed.tree, NULL), 0);
}

static inline void
bed_make(void)
{
	bed_make_observed(NULL);
}

static inline uint64_t
bed_dropped(void)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < DROP__COUNT; i++)
		sum += bed.sink.drops[i];
	return sum;
}

/* received = sent + dropped + queued, and each queued packet is a buffer in use. */
static inline void
assert_nothing_lost(void)
{
	assert_int_equal(bed.received + bed.sink.generated, bed.sent + bed_dropped() + sched_backlog(bed.tree));
	assert_int_equal(rte_mempool_in_use_count(bed.pool), sched_backlog(bed.tree));
}

static inline void
bed_end(void)
{
	assert_nothing_lost();
	sched_tree_destroy(bed.tree, DROP_SHUTDOWN);
	bed.tree = NULL;
	assert_int_equal(rte_mempool_in_use_count(bed.pool), 0);
	assert_int_equal(bed.received + bed.sink.generated, bed.sent + bed_dropped());
}

/* ---- set-up; each fails the test with the refusal's sentence */

static inline struct qdisc *
add_qdisc(uint32_t parent, uint32_t handle, const char *kind, const void *conf)
{
	struct qdisc_spec spec = { .parent = parent, .handle = handle, .kind = kind, .conf = conf };
	struct error err = { 0 };
	struct qdisc *q = NULL;

	if (sched_qdisc_add(bed.tree, &spec, &q, &err) != 0)
		fail_msg("qdisc add %s: %s (%d)", kind, err.msg, err.code);
	return q;
}

/* The root, with handle 1: */
static inline struct qdisc *
make_qdisc(const char *kind, const void *conf)
{
	return add_qdisc(TC_H_ROOT, 1 << 16, kind, conf);
}

static inline void
change_qdisc(struct qdisc *q, const void *conf)
{
	struct error err = { 0 };

	if (sched_qdisc_change(q, conf, &err) != 0)
		fail_msg("qdisc change: %s (%d)", err.msg, err.code);
}

static inline struct class *
add_class(uint32_t parent, uint32_t classid, const void *conf)
{
	struct class_spec spec = { .parentid = parent, .classid = classid, .conf = conf };
	struct error err = { 0 };
	struct class *c = NULL;

	if (sched_class_add(sched_qdisc_find(bed.tree, TC_H_MAJ(classid)), &spec, &c, &err) != 0)
		fail_msg("class add: %s (%d)", err.msg, err.code);
	return c;
}

static inline void
change_class(struct class *c, const void *conf)
{
	struct class_spec spec = { .classid = c->classid, .conf = conf };
	struct error err = { 0 };

	if (sched_class_change(c, &spec, &err) != 0)
		fail_msg("class change: %s (%d)", err.msg, err.code);
}

static inline void
delete_class(struct class *c)
{
	struct error err = { 0 };

	if (sched_class_delete(c, &err) != 0)
		fail_msg("class delete: %s (%d)", err.msg, err.code);
}

static inline void
delete_qdisc(struct qdisc *q)
{
	struct error err = { 0 };

	if (sched_qdisc_delete(q, &err) != 0)
		fail_msg("qdisc delete: %s (%d)", err.msg, err.code);
}

/* At a qdisc or a class, for IPv4. */
static inline void
add_filter(uint32_t parent, const char *kind, uint32_t handle, const void *conf)
{
	struct filter_spec filter = { .preference = 1,
		.protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4),
		.handle = handle,
		.kind = kind,
		.conf = conf };
	struct error err = { 0 };
	struct chain *chain = sched_chain(bed.tree, parent, &err);

	if (chain == NULL || chain_filter_add(chain, &filter, CHANGE_CREATE, NULL, &err) != 0)
		fail_msg("filter add %s: %s (%d)", kind, err.msg, err.code);
	sched_chain_changed(bed.tree);
}

/* What has this mark goes to a class. */
static inline void
add_fw(uint32_t parent, uint32_t mark, uint32_t classid)
{
	add_filter(parent, "fw", mark, &(struct fw_conf){ .has_classid = true, .classid = classid });
}

/* ... and has what gact does with it. */
static inline void
add_fw_gact(uint32_t parent, uint32_t mark, uint32_t classid, const struct gact_conf *gact, uint32_t index)
{
	struct action_spec action = { .kind = "gact", .index = index, .conf = gact };

	add_filter(parent, "fw", mark,
		&(struct fw_conf){ .has_classid = true, .classid = classid, .actions = &action, .n_actions = 1 });
}

static inline void
add_fw_verdict(uint32_t parent, uint32_t mark, uint32_t classid, int32_t verdict)
{
	add_fw_gact(parent, mark, classid, &(struct gact_conf){ .action = verdict }, 0);
}

/* ---- packets */

/*
 * An Ethernet frame of `bytes` with IPv4 and UDP headers from 10.0.0.1 port `flow` to 10.0.0.2 port 9. Longer than a
 * buffer's room only by its claimed length. `priority` may be a classid. The id and the flow also travel in fields that
 * schedulers do not look at.
 */
static inline struct rte_mbuf *
packet(uint32_t bytes, uint32_t flow, uint32_t priority, uint32_t mark)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(bed.pool);
	uint16_t room;
	char *data;

	assert_non_null(m);
	room = rte_pktmbuf_tailroom(m);
	data = rte_pktmbuf_append(m, RTE_MIN(bytes, (uint32_t)room));
	memset(data, 0, 64);
	struct rte_ether_hdr *ether = (struct rte_ether_hdr *)data;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(ether + 1);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);

	ether->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	ip->version_ihl = 0x45;
	ip->total_length = rte_cpu_to_be_16((uint16_t)(bytes - sizeof(*ether)));
	ip->time_to_live = 64;
	ip->next_proto_id = 17;
	ip->src_addr = rte_cpu_to_be_32(0x0a000001);
	ip->dst_addr = rte_cpu_to_be_32(0x0a000002);
	udp->src_port = rte_cpu_to_be_16((uint16_t)flow);
	udp->dst_port = rte_cpu_to_be_16(9);
	m->pkt_len = bytes;
	*pkt_of(m) = (struct pkt){ .priority = priority,
		.mark = mark,
		.protocol = ether->ether_type,
		.l3_off = sizeof(*ether),
		.l4_off = sizeof(*ether) + sizeof(*ip),
		.leaf = PKT_LEAF_NONE,
		.nexthop = bed.next_id++,
		.realm = flow };
	return m;
}

/* Gives the tree n packets at bed.now in one burst; returns how many it queued. */
static inline uint16_t
offer_packets(struct rte_mbuf **pkts, uint16_t n)
{
	struct classify_ctx ctx = { .now = bed.now, .sink = &bed.sink };

	bed.received += n;
	return sched_enqueue(bed.tree, &ctx, pkts, n);
}

static inline uint16_t
offer_packet(struct rte_mbuf *m)
{
	return offer_packets(&m, 1);
}

/* offer(100, 1500): packets of these lengths, of flow 1, without priority or mark. */
#define offer(...)                                                                                                     \
	offer_lengths((const uint32_t[]){ __VA_ARGS__ }, sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))
static inline uint16_t
offer_lengths(const uint32_t *lengths, size_t n)
{
	uint16_t queued = 0;

	for (size_t i = 0; i < n; i++)
		queued += offer_packet(packet(lengths[i], 1, 0, 0));
	return queued;
}

/* Dequeues what may leave at bed.now, at most n packets, and adds it to bed.taken. */
static inline uint32_t
take_more(uint32_t n)
{
	uint32_t got = 0;

	while (got < n) {
		struct rte_mbuf *pkts[32];
		uint16_t burst = sched_dequeue(bed.tree, pkts, (uint16_t)RTE_MIN(n - got, 32u), bed.now);

		if (burst == 0)
			break;
		for (uint16_t i = 0; i < burst; i++) {
			const struct pkt *p = pkt_of(pkts[i]);

			assert_true(bed.taken_count < BED_TAKEN_MAX);
			bed.taken[bed.taken_count++] = (struct taken){ .time_ns = bed.now,
				.id = p->nexthop,
				.bytes = pkts[i]->pkt_len,
				.flow = p->realm,
				.priority = p->priority };
			rte_pktmbuf_free(pkts[i]);
		}
		bed.sent += burst;
		got += burst;
	}
	return got;
}

/* What may leave at `now`, at most n packets: in bed.taken. */
static inline uint32_t
take(uint32_t n, uint64_t now)
{
	bed.now = now;
	bed.taken_count = 0;
	return take_more(n);
}

/*
 * Lets the clock jump from event to event until `until` (packets that may leave then are taken) or until nothing is
 * queued.
 */
static inline uint32_t
take_all(uint64_t until)
{
	bed.taken_count = 0;
	for (;;) {
		uint64_t next;

		take_more(UINT32_MAX);
		next = sched_next_event(bed.tree, bed.now);
		if (next == SCHED_NEVER || next > until)
			break;
		assert_true(next > bed.now); /* else there should have been a packet */
		bed.now = next;
	}
	return bed.taken_count;
}

/* The ids of what was taken, in order: assert_order(0, 2, 1). */
#define assert_order(...)                                                                                              \
	assert_ids((const uint32_t[]){ __VA_ARGS__ }, sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))
static inline void
assert_ids(const uint32_t *ids, size_t n)
{
	assert_int_equal(bed.taken_count, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(bed.taken[i].id, ids[i]);
}

#endif
