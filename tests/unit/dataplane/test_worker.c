/* SPDX-License-Identifier: BSD-3-Clause */
/* Workers as threads: packets through rings and devices of memory, changes under load, a clean stop. */
#include "router_world.h"

#include <time.h>

#include <rte_dev.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ring.h>

#include <weir/action/mirred.h>
#include <weir/filter/matchall.h>
#include <weir/qdisc/fifo.h>

#define ON_THE_WAY 400 /* frames: far fewer than a ring between workers holds */

static struct port *
device(struct router *router, const char *name, const char *devargs)
{
	return add_port(router, name, "device", &(struct device_conf){ .devargs = devargs }, 0);
}

static void
sleep_ms(long ms)
{
	const struct timespec t = { .tv_nsec = ms * 1000000 };

	nanosleep(&t, NULL);
}

static uint64_t
thread_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void
start(struct router *router)
{
	struct error err;

	ok(router_start(router, &err), &err);
}

/* ARP is answered by nobody on a null device: the neighbour is set by hand. */
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

/* Two ring devices as the outside world: the test is the host at both ends. */
struct outside {
	struct rte_ring *to, *from;
	uint16_t id;
	char name[32];
};

static struct outside
make_outside(const char *name)
{
	struct outside o;
	char ring[32];

	snprintf(ring, sizeof(ring), "%s-to", name);
	o.to = rte_ring_create(ring, 4096, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	snprintf(ring, sizeof(ring), "%s-from", name);
	o.from = rte_ring_create(ring, 4096, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	assert_true(o.to != NULL && o.from != NULL);
	int id = rte_eth_from_rings(name, &o.to, 1, &o.from, 1, SOCKET_ID_ANY);
	assert_true(id >= 0);
	o.id = (uint16_t)id;
	assert_int_equal(rte_eth_dev_get_name_by_port(o.id, o.name), 0);
	return o;
}

static void
take_all(struct rte_ring *ring)
{
	struct rte_mbuf *m;

	while (rte_ring_dequeue(ring, (void **)&m) == 0)
		rte_pktmbuf_free(m);
}

static void
free_outside(struct outside *o)
{
	rte_eth_dev_close(o->id);
	rte_eal_hotplug_remove("vdev", o->name);
	take_all(o->from);
	take_all(o->to);
	rte_ring_free(o->to);
	rte_ring_free(o->from);
}

struct live {
	struct router *router;
	struct rte_mempool *pool; /* the outside's own */
	struct outside left, right;
	struct port *in, *out;
	bool drain_first; /* else what is queued at the end is the router's to count */
};

static void
make_live(struct live *l, unsigned int workers)
{
	l->router = make_router(false, workers);
	l->drain_first = true;
	l->pool = rte_pktmbuf_pool_create(
		"outside", 8191, 0, sizeof(struct pkt), RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	assert_non_null(l->pool);
	l->left = make_outside("left");
	l->right = make_outside("right");
	l->in = device(l->router, "eth0", l->left.name);
	l->out = device(l->router, "eth1", l->right.name);
	address(l->in, "10.0.0.1", 24);
	address(l->out, "10.0.1.1", 24);
	up(l->in);
	up(l->out);
	neighbour(l->out, "10.0.1.9");
}

static void
destroy_live(struct live *l)
{
	struct port *ports[2] = { port_find_name(l->router, "eth0"), port_find_name(l->router, "eth1") };
	struct error err;

	/* What it sent itself, ARP requests for one, is in its own buffers. */
	for (unsigned int i = 0; i < 2; i++)
		if (ports[i] != NULL && l->drain_first)
			ok(port_set_flags(ports[i], 0, IFF_UP, &err), &err);
	take_all(l->left.from);
	take_all(l->right.from);
	assert_int_equal(router_destroy(l->router), 0);
	free_outside(&l->left);
	free_outside(&l->right);
	assert_int_equal(rte_mempool_avail_count(l->pool), 8191);
	rte_mempool_free(l->pool);
}

/* Workers take what was sent when they have the processor: within 10 s. */
static void
wait_for_received(struct router *router, uint64_t packets)
{
	struct router_totals t;

	for (unsigned int ms = 0; ms < 10000; ms++) {
		router_totals(router, &t);
		if (t.received >= packets)
			return;
		sleep_ms(1);
	}
}

static unsigned int
send_frames(struct live *l, uint32_t first, uint32_t count)
{
	unsigned int sent = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(l->pool);

		if (m == NULL)
			break;
		memset(pkt_of(m), 0xee, sizeof(struct pkt)); /* nobody may read what the last packet left */
		uint8_t *frame = (uint8_t *)rte_pktmbuf_append(m, 200);
		if (frame == NULL)
			abort();
		make_frame(frame, 200, "10.0.0.2", "10.0.1.9", first + i);
		memcpy(frame, l->in->mac, 6);
		if (rte_ring_enqueue(l->left.to, m) != 0) {
			rte_pktmbuf_free(m);
			break;
		}
		sent++;
	}
	return sent;
}

/* Takes what came out; checks that it is in order. */
static unsigned int
take_frames(struct live *l, uint32_t *next)
{
	struct rte_mbuf *m;
	unsigned int n = 0;

	for (; rte_ring_dequeue(l->right.from, (void **)&m) == 0; n++) {
		uint32_t number = 0;

		if (m->pkt_len == 200) {
			memcpy(&number, rte_pktmbuf_mtod_offset(m, void *, 42), 4);
			assert_true(number >= *next);
			*next = number + 1;
		}
		rte_pktmbuf_free(m);
	}
	return n;
}

/*
 * Takes what comes out until at most so many of those sent are on their way. No ring between workers may run full where
 * nothing is to be lost, and a worker may wait for a processor for as long as others like: 30 s, then the test is over.
 */
static void
take_until(struct live *l, uint32_t on_the_way, uint32_t sent, uint32_t *got)
{
	uint32_t next = *got;

	for (unsigned int ms = 0; ms < 30000; ms++) {
		*got += take_frames(l, &next);
		if (sent - *got <= on_the_way)
			return;
		sleep_ms(1);
	}
}

/* So many frames go through, in order and none lost. */
static void
pass_through(struct live *l, uint32_t frames)
{
	uint32_t sent = 0, got = 0;

	while (sent < frames) {
		sent += send_frames(l, sent, RTE_MIN(50u, frames - sent));
		sleep_ms(1);
		take_until(l, ON_THE_WAY, sent, &got);
	}
	take_until(l, 0, sent, &got);
	assert_int_equal(got, frames);
}

/* The first busy loop of each is timed: what forwards has spent time in these stages, and not more than in all. */
static void
check_stages(const struct router *router, unsigned int workers)
{
	uint64_t timed = 0, cycles[WORKER_STAGES] = { 0 };

	for (unsigned int i = 0; i < workers; i++) {
		struct worker_info info;
		uint64_t sum = 0;

		router_worker_info(router, i, &info);
		timed += info.timed_packets;
		for (unsigned int k = 0; k < WORKER_STAGES; k++) {
			cycles[k] += info.timed_cycles[k];
			sum += info.timed_cycles[k];
		}
		assert_in_range(sum, 0, info.busy_cycles);
	}
	assert_in_range(timed, 1, 10000);
	assert_int_not_equal(cycles[STAGE_OF_RECEIVE], 0);
	assert_int_not_equal(cycles[STAGE_OF_PARSE], 0);
	assert_int_not_equal(cycles[STAGE_OF_ROUTE], 0);
	assert_int_not_equal(cycles[STAGE_OF_TRANSMIT], 0);
	assert_int_equal(cycles[STAGE_OF_INGRESS], 0);
}

static void
forward(unsigned int workers)
{
	struct live l;

	make_live(&l, workers);
	start(l.router);
	pass_through(&l, 10000);
	sleep_ms(20); /* the last loops come to their ends */
	check_stages(l.router, workers);
	destroy_live(&l);
}

static void
one_worker_forwards_in_order(void **state)
{
	forward(1);
}

static void
more_workers_than_processors_forward_in_order(void **state)
{
	forward(3);
}

static void
as_many_workers_as_there_may_be_come_and_go(void **state)
{
	struct router *router = make_router(false, WORKERS_MAX - 1);

	start(router);
	assert_int_equal(router_destroy(router), 0);
}

static void
change_under_load(unsigned int workers)
{
	struct live l;
	uint32_t sent = 0, got = 0;
	struct error err;

	make_live(&l, workers);
	start(l.router);
	for (unsigned int i = 0; i < 100; i++) {
		const struct qdisc_spec spec = {
			.parent = TC_H_ROOT,
			.handle = (i % 2 + 1) << 16,
			.kind = i % 3 == 0 ? "prio" : "pfifo",
		};

		sent += send_frames(&l, sent, 30);
		ok(sched_qdisc_add(l.out->tree, &spec, NULL, &err), &err);
		sent += send_frames(&l, sent, 30);
		if (i % 5 == 0)
			ok(sched_qdisc_delete(sched_root(l.out->tree), &err), &err);
		sleep_ms(1);
		take_until(&l, ON_THE_WAY, sent, &got);
	}
	take_until(&l, 0, sent, &got);
	assert_int_equal(sent, 6000);
	assert_int_equal(got, sent);
	destroy_live(&l);
}

/* Bursts of which nobody reads struct pkt, and such that a new root classifies, in turns. */
static void
changes_under_load_lose_nothing(void **state)
{
	change_under_load(1);
}

static void
changes_under_load_at_another_worker_lose_nothing(void **state)
{
	change_under_load(2);
}

static void
down_and_removal_under_load_account_for_all(void **state)
{
	struct live l;
	uint32_t next = 0, sent = 0;
	struct router_totals t;
	struct error err;

	make_live(&l, 2);
	start(l.router);
	for (unsigned int i = 0; i < 40; i++) {
		sent += send_frames(&l, sent, 40);
		ok(port_set_flags(l.out, i % 2 == 0 ? 0 : IFF_UP, IFF_UP, &err), &err);
		if (i == 20)
			ok(port_remove(add_port(l.router, "d0", "dummy", NULL, 0), &err), &err);
		take_frames(&l, &next);
	}
	ok(port_remove(l.out, &err), &err);
	sent += send_frames(&l, sent, 100);
	sleep_ms(20);
	take_frames(&l, &next);
	wait_for_received(l.router, sent);
	sleep_ms(5);
	t = balanced_totals(l.router);
	assert_int_equal(t.received, sent);
	destroy_live(&l);
}

static void
a_stop_with_full_queues_returns_every_buffer(void **state)
{
	struct live l;
	struct error err;

	make_live(&l, 2);
	/* The link takes 2 s for each packet: what is sent now is still queued at the end. */
	ok(port_remove(l.out, &err), &err);
	l.out = add_port(l.router, "eth1", "device", &(struct device_conf){ .devargs = l.right.name }, 100);
	address(l.out, "10.0.1.1", 24);
	up(l.out);
	neighbour(l.out, "10.0.1.9");
	start(l.router);
	assert_int_equal(send_frames(&l, 0, 300), 300);
	wait_for_received(l.router, 300);
	sleep_ms(50);
	struct router_totals t = balanced_totals(l.router);
	assert_int_equal(t.received, 300);
	assert_int_equal(t.queued, 299);
	l.drain_first = false;
	destroy_live(&l);
}

static void
an_idle_worker_sleeps(void **state)
{
	struct router *router = make_router(false, 1);
	struct worker_info before, after;

	up(device(router, "eth0", "net_ring0"));
	start(router);
	sleep_ms(100);
	uint64_t cpu = thread_cpu_ns(), half_seconds = 0;
	router_worker_info(router, 0, &before);
	do {
		sleep_ms(500);
		half_seconds++;
		router_worker_info(router, 0, &after);
	} while (after.sleeps - before.sleeps < 50 && half_seconds < 20); /* where others have the processor */
	cpu = thread_cpu_ns() - cpu;
	print_message("idle: %.1f %% of a processor, %llu sleeps in %.1f s\n", (double)cpu / 5e6 / (double)half_seconds,
		(unsigned long long)(after.sleeps - before.sleeps), (double)half_seconds / 2);
	/* 50 us a sleep is 10,000 of them at most. */
	assert_in_range(after.sleeps - before.sleeps, 50, half_seconds * 10500);
	assert_true(cpu < half_seconds * 250000000);
	assert_int_equal(router_destroy(router), 0);
}

static void
null_devices_run_and_stop_clean(void **state)
{
	struct router *router = make_router(false, 1);
	struct port *in = device(router, "eth0", "net_null0,size=64"),
		    *out = device(router, "eth1", "net_null1,size=64");

	up(in);
	up(out);
	start(router);
	struct port_counters sum = { 0 };
	for (unsigned int i = 0; i < 200 && sum.rx_packets <= 1000; i++) {
		sleep_ms(50);
		port_counters_sum(in, &sum);
	}
	assert_true(sum.rx_packets > 1000);
	assert_int_equal(router_destroy(router), 0);
}

/* All that arrives at `in` goes through the ifb. */
static void
redirect_all(struct port *in, const struct port *ifb)
{
	const struct mirred_conf mirred = { .action = TC_ACT_STOLEN, .way = TCA_EGRESS_REDIR, .ifindex = ifb->ifindex };
	const struct action_spec action = { .kind = "mirred", .conf = &mirred };
	const struct matchall_conf conf = { .actions = &action, .n_actions = 1 };
	const struct filter_spec spec = { .preference = 1,
		.protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4),
		.handle = 1,
		.kind = "matchall",
		.conf = &conf };
	struct error err;

	ok(port_set_hook(in, "ingress", &err), &err);
	ok(chain_filter_add(in->ingress, &spec, CHANGE_CREATE, NULL, &err), &err);
}

static struct port *
add_ifb(struct live *l, uint16_t owner)
{
	const struct fifo_conf limit = { .limit = 20000 };
	const struct qdisc_spec root = { .parent = TC_H_ROOT, .handle = 1 << 16, .kind = "pfifo", .conf = &limit };
	struct port *ifb;
	struct error err;

	do
		ifb = add_port(l->router, "ifb%d", "ifb", NULL, 0);
	while (ifb->owner != owner);
	up(ifb);
	ok(sched_qdisc_add(ifb->tree, &root, NULL, &err), &err);
	return ifb;
}

/* Received by one worker, queued at another's ifb, routed there, and sent by a third. */
static void
an_ifb_of_another_worker_keeps_order(void **state)
{
	struct live l;
	struct port_counters sum;
	struct port *ifb;

	make_live(&l, 3);
	ifb = add_ifb(&l, (uint16_t)((l.out->owner + 1) % 3));
	redirect_all(l.in, ifb);
	start(l.router);
	pass_through(&l, 6000);
	port_counters_sum(ifb, &sum);
	assert_int_equal(sum.tx_packets, 6000);
	assert_int_equal(sum.rx_packets, 6000);
	assert_int_equal(balanced_totals(l.router).received, 6000);
	destroy_live(&l);
}

/* What it held is dropped by name, and what comes then is not redirected anywhere. */
static void
an_ifb_removed_under_load_accounts_for_all(void **state)
{
	struct live l;
	uint32_t next = 0, sent = 0;
	struct router_totals t;
	struct port *ifb;
	struct error err;

	make_live(&l, 3);
	ifb = add_ifb(&l, (uint16_t)((l.out->owner + 1) % 3));
	redirect_all(l.in, ifb);
	start(l.router);
	for (unsigned int i = 0; i < 40; i++) {
		sent += send_frames(&l, sent, 40);
		if (i == 20)
			ok(port_remove(ifb, &err), &err);
		sleep_ms(1);
		take_frames(&l, &next);
	}
	wait_for_received(l.router, sent);
	sleep_ms(20);
	t = balanced_totals(l.router);
	assert_int_equal(t.received, sent);
	assert_in_range(t.drops[DROP_FILTER], 1, sent);
	take_frames(&l, &next);
	destroy_live(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_worker_forwards_in_order),
		cmocka_unit_test(more_workers_than_processors_forward_in_order),
		cmocka_unit_test(as_many_workers_as_there_may_be_come_and_go),
		cmocka_unit_test(changes_under_load_lose_nothing),
		cmocka_unit_test(changes_under_load_at_another_worker_lose_nothing),
		cmocka_unit_test(an_ifb_of_another_worker_keeps_order),
		cmocka_unit_test(an_ifb_removed_under_load_accounts_for_all),
		cmocka_unit_test(down_and_removal_under_load_account_for_all),
		cmocka_unit_test(a_stop_with_full_queues_returns_every_buffer),
		cmocka_unit_test(an_idle_worker_sleeps),
		cmocka_unit_test(null_devices_run_and_stop_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
