/* SPDX-License-Identifier: BSD-3-Clause */
/* mq: workers that send by transmit queues of their own, and changes of the root that move what these hold. */
#include "router_world.h"

#include <time.h>

#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ring.h>

#include <weir/action/mirred.h>
#include <weir/action/skbedit.h>
#include <weir/filter/matchall.h>
#include <weir/qdisc/fifo.h>

#define QUEUES_MAX  3
#define BUFFERS     16383
#define FRAME_BYTES 200
#define NUMBER_AT   42 /* in a frame: the packet's place in its flow */

/* The outside world at one end: a device of as many queues as rings. A flow has a receive queue to itself. */
struct outside {
	struct rte_ring *to[QUEUES_MAX], *from[QUEUES_MAX];
	unsigned int queues;
	uint16_t id;
	char name[32];
};

struct live {
	struct router *router;
	struct rte_mempool *pool;
	struct outside left, right;
	struct port *in, *out;
	unsigned int flows;
	uint32_t sent[QUEUES_MAX], next[QUEUES_MAX]; /* by flow */
	uint32_t got[QUEUES_MAX]; /* by transmit queue */
};

static void
sleep_ms(long ms)
{
	const struct timespec t = { .tv_nsec = ms * 1000000 };

	nanosleep(&t, NULL);
}

static struct rte_ring *
make_ring(const char *name, const char *way, unsigned int queue, unsigned int size)
{
	char full[RTE_RING_NAMESIZE];

	snprintf(full, sizeof(full), "%s-%s-%u", name, way, queue);
	struct rte_ring *ring = rte_ring_create(full, size, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	assert_non_null(ring);
	return ring;
}

static struct outside
make_outside(const char *name, unsigned int queues, unsigned int size)
{
	struct outside o = { .queues = queues };

	for (unsigned int q = 0; q < queues; q++) {
		o.to[q] = make_ring(name, "to", q, 4096);
		o.from[q] = make_ring(name, "from", q, size);
	}
	int id = rte_eth_from_rings(name, o.to, queues, o.from, queues, SOCKET_ID_ANY);
	assert_true(id >= 0);
	o.id = (uint16_t)id;
	assert_int_equal(rte_eth_dev_get_name_by_port(o.id, o.name), 0);
	return o;
}

static void
free_ring(struct rte_ring *ring)
{
	struct rte_mbuf *m;

	while (rte_ring_dequeue(ring, (void **)&m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(ring);
}

static void
free_outside(struct outside *o)
{
	rte_eth_dev_close(o->id);
	rte_eal_hotplug_remove("vdev", o->name);
	for (unsigned int q = 0; q < o->queues; q++) {
		free_ring(o->from[q]);
		free_ring(o->to[q]);
	}
}

static struct port *
device(struct router *router, const char *name, const struct outside *o, uint64_t rate_Bps)
{
	const struct device_conf conf = {
		.devargs = o->name, .rx_queues = (uint16_t)o->queues, .tx_queues = (uint16_t)o->queues
	};

	return add_port(router, name, "device", &conf, rate_Bps);
}

static void
neighbour(struct port *port, const char *addr)
{
	struct neighbour_spec spec = {
		.ifindex = port->ifindex,
		.family = AF_INET,
		.has_lladdr = true,
		.lladdr = { 2, 0, 0, 0, 0, 9 },
		.state = NUD_PERMANENT,
	};
	struct error err;

	inet_pton(AF_INET, addr, &spec.addr.v4);
	ok(router_neighbour_set(port->router, &spec, CHANGE_CREATE | CHANGE_REPLACE, &err), &err);
}

/* As many flows as there are workers, and `queues` transmit queues that hold ring_size - 1 packets each. */
static void
make_live(struct live *l, unsigned int workers, unsigned int queues, unsigned int ring_size, uint64_t rate_Bps)
{
	struct error err;

	memset(l, 0, sizeof(*l));
	l->router = make_router(false, workers);
	l->flows = workers;
	l->pool = rte_pktmbuf_pool_create(
		"outside", BUFFERS, 0, sizeof(struct pkt), RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	assert_non_null(l->pool);
	l->left = make_outside("left", workers, 4096);
	l->right = make_outside("right", queues, ring_size);
	l->in = device(l->router, "eth0", &l->left, 0);
	l->out = device(l->router, "eth1", &l->right, rate_Bps);
	address(l->in, "10.0.0.1", 24);
	address(l->out, "10.0.1.1", 24);
	up(l->in);
	up(l->out);
	neighbour(l->out, "10.0.1.9");
	ok(router_start(l->router, &err), &err);
}

static void
destroy_live(struct live *l)
{
	assert_int_equal(router_destroy(l->router), 0);
	free_outside(&l->left);
	free_outside(&l->right);
	assert_int_equal(rte_mempool_avail_count(l->pool), BUFFERS);
	rte_mempool_free(l->pool);
}

/* The flow's number is its last address byte's. */
static void
send_frames(struct live *l, unsigned int flow, uint32_t count)
{
	char source[16];

	snprintf(source, sizeof(source), "10.0.0.%u", 100 + flow);
	for (uint32_t i = 0; i < count; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(l->pool);

		assert_non_null(m);
		memset(pkt_of(m), 0xee, sizeof(struct pkt)); /* nobody may read what the last packet left */
		uint8_t *frame = (uint8_t *)rte_pktmbuf_append(m, FRAME_BYTES);
		if (frame == NULL)
			abort();
		make_frame(frame, FRAME_BYTES, source, "10.0.1.9", l->sent[flow]);
		memcpy(frame, l->in->mac, 6);
		if (rte_ring_enqueue(l->left.to[flow], m) != 0) {
			rte_pktmbuf_free(m);
			return;
		}
		l->sent[flow]++;
	}
}

/* Takes what a queue has sent; each flow is in order and complete. Returns the flows seen, bit by bit. */
static uint32_t
take_queue(struct live *l, unsigned int queue)
{
	uint32_t flows = 0;
	struct rte_mbuf *m;

	while (rte_ring_dequeue(l->right.from[queue], (void **)&m) == 0) {
		uint32_t number;
		unsigned int flow = rte_pktmbuf_mtod_offset(m, uint8_t *, 29)[0] - 100u;

		if (m->pkt_len == FRAME_BYTES && flow < l->flows) {
			memcpy(&number, rte_pktmbuf_mtod_offset(m, void *, NUMBER_AT), sizeof(number));
			assert_int_equal(number, l->next[flow]);
			l->next[flow]++;
			l->got[queue]++;
			flows |= 1u << flow;
		}
		rte_pktmbuf_free(m);
	}
	return flows;
}

static uint32_t
sum(const uint32_t *counts)
{
	return counts[0] + counts[1] + counts[2];
}

/* Takes from one queue alone until all that was sent is there. */
static void
take_rest(struct live *l, unsigned int queue)
{
	for (unsigned int i = 0; i < 10000 && sum(l->got) < sum(l->sent); i++) {
		take_queue(l, queue);
		sleep_ms(1);
	}
	assert_int_equal(sum(l->got), sum(l->sent));
}

static void
wait_received(struct live *l)
{
	struct router_totals t;

	for (unsigned int i = 0; i < 10000; i++) {
		router_totals(l->router, &t);
		if (t.received >= sum(l->sent))
			break;
		sleep_ms(1);
	}
	sleep_ms(20);
}

static void
add_root(struct live *l, const char *kind, const void *conf)
{
	const struct qdisc_spec spec = { .parent = TC_H_ROOT, .kind = kind, .conf = conf };
	struct error err;

	ok(sched_qdisc_add(l->out->tree, &spec, NULL, &err), &err);
}

static const char *
root_kind(const struct live *l)
{
	return sched_root(l->out->tree)->ops->kind;
}

struct leaf_sum {
	unsigned int count;
	struct sched_stats stats;
};

static int
add_leaf(void *arg, struct class *c)
{
	struct leaf_sum *total = arg;
	struct sched_stats stats;

	class_get_stats(c, &stats);
	total->count++;
	total->stats.packets += stats.packets;
	total->stats.bytes += stats.bytes;
	total->stats.backlog_pkts += stats.backlog_pkts;
	return 0;
}

/* The root shows the sums of what its classes show. */
static struct sched_stats
shown(const struct live *l, unsigned int lanes)
{
	struct leaf_sum total = { 0 };
	struct sched_stats stats;

	sched_class_walk(sched_root(l->out->tree), add_leaf, &total);
	assert_int_equal(total.count, lanes);
	qdisc_get_stats(sched_root(l->out->tree), &stats);
	assert_int_equal(stats.packets, total.stats.packets);
	assert_int_equal(stats.bytes, total.stats.bytes);
	assert_int_equal(stats.backlog_pkts, total.stats.backlog_pkts);
	return stats;
}

static void
forward(unsigned int workers, unsigned int queues)
{
	uint32_t flows[QUEUES_MAX] = { 0 }, seen = 0;
	struct live l;

	make_live(&l, workers, queues, 4096, 0);
	assert_string_equal(root_kind(&l), "mq");
	for (unsigned int i = 0; i < 20000 && (i < 60 || sum(l.got) < sum(l.sent)); i++) {
		for (unsigned int flow = 0; i < 60 && flow < workers; flow++)
			send_frames(&l, flow, 50);
		sleep_ms(1);
		for (unsigned int q = 0; q < queues; q++)
			flows[q] |= take_queue(&l, q);
	}
	assert_int_equal(sum(l.sent), 60 * 50 * workers);
	assert_int_equal(sum(l.got), sum(l.sent));
	/* A flow is a worker's, and leaves by one queue; every queue was used. */
	for (unsigned int q = 0; q < queues; q++) {
		assert_int_equal(seen & flows[q], 0);
		assert_int_not_equal(flows[q], 0);
		seen |= flows[q];
	}
	assert_true(shown(&l, queues).packets >= sum(l.sent));
	assert_int_equal(shown(&l, queues).backlog_pkts, 0);
	balanced_totals(l.router);
	destroy_live(&l);
}

static void
each_worker_sends_by_its_own_queue(void **state)
{
	forward(2, 2);
}

static void
a_worker_without_a_queue_sends_by_the_owner(void **state)
{
	forward(3, 2);
}

/* Nobody takes from the device: 63 packets are in each ring, as many or fewer refused, the others in the lanes. */
static void
fill(struct live *l, uint32_t each)
{
	make_live(l, 2, 2, 64, 0);
	for (unsigned int flow = 0; flow < 2; flow++)
		send_frames(l, flow, each);
	wait_received(l);
	struct router_totals t = balanced_totals(l->router);
	assert_int_equal(t.queued, 2 * (each - 63));
	struct sched_stats stats = shown(l, 2);
	assert_in_range(stats.backlog_pkts, 2 * (each - 63 - 64), 2 * (each - 63 - 1));
	assert_int_equal(stats.backlog_pkts, port_queued(l->out));
	assert_int_equal(stats.backlog_pkts + port_waiting(l->out), t.queued);
}

static void
another_root_gets_what_the_lanes_hold(void **state)
{
	struct live l;
	struct sched_stats stats;

	fill(&l, 400);
	/* Limits do not bite on a move. */
	add_root(&l, "pfifo", &(struct fifo_conf){ .limit = 100 });
	assert_int_equal(balanced_totals(l.router).queued, 2 * (400 - 63));
	qdisc_get_stats(sched_root(l.out->tree), &stats);
	assert_true(stats.backlog_pkts >= 2 * 400 - 2 * 63 - 64);
	take_queue(&l, 1);
	take_queue(&l, 0);
	take_rest(&l, 0);
	assert_int_equal(balanced_totals(l.router).dropped, 0);
	/* From now on all leave by the first. */
	for (unsigned int flow = 0; flow < 2; flow++)
		send_frames(&l, flow, 20);
	take_rest(&l, 0);
	destroy_live(&l);
}

static void
a_deleted_root_brings_mq_back(void **state)
{
	struct live l;
	struct error err;

	fill(&l, 300);
	add_root(&l, "prio", NULL);
	ok(sched_qdisc_delete(sched_root(l.out->tree), &err), &err);
	assert_string_equal(root_kind(&l), "mq");
	assert_int_equal(sched_root(l.out->tree)->handle, 0);
	take_queue(&l, 1);
	take_rest(&l, 0);
	sleep_ms(20);
	for (unsigned int flow = 0; flow < 2; flow++)
		send_frames(&l, flow, 30);
	wait_received(&l);
	assert_int_equal(l.sent[0], 330);
	for (unsigned int q = 0; q < 2; q++)
		take_queue(&l, q);
	assert_int_equal(sum(l.got), 660);
	assert_true(l.got[1] == 63 + 30);
	destroy_live(&l);
}

static void
take_unordered(struct live *l)
{
	struct rte_mbuf *m;

	for (unsigned int q = 0; q < l->right.queues; q++) {
		while (rte_ring_dequeue(l->right.from[q], (void **)&m) == 0) {
			l->got[q] += m->pkt_len == FRAME_BYTES;
			rte_pktmbuf_free(m);
		}
	}
}

/* All that passes the chain is to leave by this queue, and, unless `through` is NULL, goes through that ifb first. */
static void
choose_queue_and_redirect(struct chain *chain, uint16_t queue, const struct port *through)
{
	const struct skbedit_conf skbedit = {
		.action = TC_ACT_PIPE, .set = SKBEDIT_F_QUEUE_MAPPING, .queue_mapping = queue
	};
	const struct mirred_conf mirred = {
		.action = TC_ACT_STOLEN, .way = TCA_EGRESS_REDIR, .ifindex = through != NULL ? through->ifindex : 0
	};
	const struct action_spec actions[] = { { .kind = "skbedit", .conf = &skbedit },
		{ .kind = "mirred", .conf = &mirred } };
	const struct matchall_conf all = { .actions = actions, .n_actions = through != NULL ? 2 : 1 };
	const struct filter_spec filter = { .preference = 1,
		.protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
		.handle = 1,
		.kind = "matchall",
		.conf = &all };
	struct error err;

	if (!chain_empty(chain))
		ok(chain_filter_delete(chain, &filter, NULL, NULL, &err), &err);
	ok(chain_filter_add(chain, &filter, CHANGE_CREATE, NULL, &err), &err);
}

static void
choose_queue(struct chain *chain, uint16_t queue)
{
	choose_queue_and_redirect(chain, queue, NULL);
}

static void
changes_of_the_root_under_load_lose_nothing(void **state)
{
	static const char *const kinds[] = { "pfifo", "prio", "mq", "bfifo" };
	static const char *const defaults[] = { "pfifo_fast", "fq_codel", "bfifo" };
	struct live l;
	struct error err;

	make_live(&l, 2, 2, 4096, 0);
	ok(port_set_hook(l.in, "ingress", &err), &err);
	for (unsigned int i = 0; i < 200; i++) {
		if (i % 20 == 10) /* packets on their way to a lane that closes */
			choose_queue(l.in->ingress, i / 20 % 3);
		ok(router_set_default_qdisc(l.router, defaults[i / 3 % 3], &err), &err);
		for (unsigned int flow = 0; flow < 2; flow++)
			send_frames(&l, flow, 30);
		add_root(&l, kinds[i % 4], NULL);
		for (unsigned int flow = 0; flow < 2; flow++)
			send_frames(&l, flow, 10);
		if (i % 3 == 0)
			ok(sched_qdisc_delete(sched_root(l.out->tree), &err), &err);
		take_unordered(&l);
	}
	for (unsigned int i = 0; i < 10000 && sum(l.got) < sum(l.sent); i++) {
		sleep_ms(1);
		take_unordered(&l);
	}
	assert_int_equal(sum(l.got), sum(l.sent));
	assert_int_equal(balanced_totals(l.router).dropped, 0);
	assert_true(l.got[0] != 0 && l.got[1] != 0);
	destroy_live(&l);
}

static void
send_all(struct live *l, uint32_t each)
{
	for (unsigned int flow = 0; flow < l->flows; flow++)
		send_frames(l, flow, each);
	for (unsigned int i = 0; i < 10000 && sum(l->got) < sum(l->sent); i++) {
		sleep_ms(1);
		for (unsigned int q = 0; q < l->right.queues; q++)
			take_queue(l, q);
	}
	assert_int_equal(sum(l->got), sum(l->sent));
}

/*
 * Three workers, of which two have a queue: all of them send by the chosen one; without, and beyond the last, as ever.
 */
static void
skbedit_chooses_the_queue(void **state)
{
	struct live l;
	struct error err;

	make_live(&l, 3, 2, 4096, 0);
	ok(port_set_hook(l.in, "ingress", &err), &err);
	ok(port_set_hook(l.out, "clsact", &err), &err);
	choose_queue(l.in->ingress, 1);
	send_all(&l, 100);
	assert_int_equal(l.got[1], 300);
	choose_queue(l.out->egress, 0);
	send_all(&l, 100);
	assert_int_equal(l.got[0], 300);
	choose_queue(l.out->egress, 2);
	send_all(&l, 100);
	assert_int_equal(l.got[0], 300 + 200);
	assert_int_equal(l.got[1], 300 + 100);
	/* Another root has one queue. */
	choose_queue(l.out->egress, 1);
	add_root(&l, "pfifo", NULL);
	send_all(&l, 50);
	assert_int_equal(l.got[0], 500 + 150);
	assert_int_equal(balanced_totals(l.router).dropped, 0);
	destroy_live(&l);
}

/* Before the port they wait in the tree of an ifb, which is none that packets get past. */
static void
a_chosen_queue_outlives_other_queues(void **state)
{
	const struct qdisc_spec prio = { .parent = TC_H_ROOT, .kind = "prio" };
	struct port *ifb;
	struct live l;
	struct error err;

	make_live(&l, 2, 2, 4096, 0);
	ifb = add_port(l.router, "ifb0", "ifb", NULL, 0);
	up(ifb);
	ok(sched_qdisc_add(ifb->tree, &prio, NULL, &err), &err);
	ok(port_set_hook(l.in, "ingress", &err), &err);
	choose_queue_and_redirect(l.in->ingress, 1, ifb);
	send_all(&l, 15); /* an ifb's queues hold 32 */
	assert_int_equal(l.got[1], 2 * 15);
	assert_int_equal(balanced_totals(l.router).dropped, 0);
	destroy_live(&l);
}

static void
down_drops_what_the_lanes_hold(void **state)
{
	struct live l;
	struct error err;

	fill(&l, 300);
	ok(port_set_flags(l.out, 0, IFF_UP, &err), &err);
	struct router_totals t = balanced_totals(l.router);
	assert_int_equal(t.queued, 0);
	assert_int_equal(t.drops[DROP_PORT_DOWN], 2 * (300 - 63));
	up(l.out);
	neighbour(l.out, "10.0.1.9");
	take_unordered(&l);
	for (unsigned int flow = 0; flow < 2; flow++)
		send_frames(&l, flow, 20);
	wait_received(&l);
	take_unordered(&l);
	assert_int_equal(sum(l.got), 2 * (63 + 20));
	assert_int_equal(l.got[0], l.got[1]);
	destroy_live(&l);
}

static void
removal_drops_what_the_lanes_hold(void **state)
{
	struct live l;
	struct error err;

	fill(&l, 300);
	ok(port_remove(l.out, &err), &err);
	struct router_totals t = balanced_totals(l.router);
	assert_int_equal(t.queued, 0);
	assert_int_equal(t.drops[DROP_PORT_DELETED], 2 * (300 - 63));
	destroy_live(&l);
}

static void
a_stop_with_full_lanes_returns_every_buffer(void **state)
{
	struct live l;

	fill(&l, 300);
	destroy_live(&l);
}

static void
refuse_mq(unsigned int workers, unsigned int queues, uint64_t rate_Bps)
{
	const struct qdisc_spec spec = { .parent = TC_H_ROOT, .kind = "mq" };
	struct error err = { 0 };
	struct live l;

	make_live(&l, workers, queues, 64, rate_Bps);
	assert_string_equal(root_kind(&l), "pfifo_fast");
	assert_int_equal(sched_qdisc_add(l.out->tree, &spec, NULL, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "mq: this port sends by one queue"));
	assert_string_equal(root_kind(&l), "pfifo_fast");
	destroy_live(&l);
}

static void
one_queue_one_worker_or_a_rate_is_no_mq(void **state)
{
	refuse_mq(2, 1, 0);
	refuse_mq(1, 2, 0);
	refuse_mq(2, 2, 125000000);
}

static uint64_t
random_of_lane(const struct live *l, uint32_t lane)
{
	const struct qdisc *mq = sched_root(l->out->tree);

	return qdisc_random((struct qdisc *)(uintptr_t)mq->ops->shown_leaf(sched_class_find(mq, lane + 1)));
}

/* Or who knows how one queue of one router hashes its flows knows it of all. */
static void
each_lane_has_a_seed_of_its_own(void **state)
{
	struct live l;

	make_live(&l, 2, 2, 64, 0);
	assert_int_not_equal(random_of_lane(&l, 0), random_of_lane(&l, 1));
	destroy_live(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_worker_sends_by_its_own_queue),
		cmocka_unit_test(a_worker_without_a_queue_sends_by_the_owner),
		cmocka_unit_test(another_root_gets_what_the_lanes_hold),
		cmocka_unit_test(a_deleted_root_brings_mq_back),
		cmocka_unit_test(changes_of_the_root_under_load_lose_nothing),
		cmocka_unit_test(skbedit_chooses_the_queue),
		cmocka_unit_test(a_chosen_queue_outlives_other_queues),
		cmocka_unit_test(down_drops_what_the_lanes_hold),
		cmocka_unit_test(removal_drops_what_the_lanes_hold),
		cmocka_unit_test(a_stop_with_full_lanes_returns_every_buffer),
		cmocka_unit_test(one_queue_one_worker_or_a_rate_is_no_mq),
		cmocka_unit_test(each_lane_has_a_seed_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
