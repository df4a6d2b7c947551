/* SPDX-License-Identifier: BSD-3-Clause */
/* Idle workers: asleep until there is something to do, and awake as soon as there is. */
#include "router_world.h"

#include <time.h>

#include <rte_arp.h>
#include <rte_cycles.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ring.h>

#include <weir/qdisc/fifo.h>

#define PATIENCE_MS 2000 /* a machine that is busy with something else lets a thread wait */

static void
sleep_us(long us)
{
	const struct timespec t = { .tv_nsec = us * 1000 };

	nanosleep(&t, NULL);
}

/*
 * A worker falls asleep some 50 us after its last packet: waits are drawn from around it, so that packets come before,
 * in and after that moment.
 */
static void
spin_around_falling_asleep(void)
{
	uint64_t until = rte_rdtsc() + (uint64_t)(rand() % 150) * rte_get_tsc_hz() / 1000000;

	while (rte_rdtsc() < until)
		rte_pause();
}

/*
 *   ring -> eth0 (worker 0, which naps) -> worker 1's ring -> d0, a dummy with a pfifo: worker 1 polls nothing and
 *   sleeps without end
 */
struct two_workers {
	struct router *router;
	struct rte_mempool *pool;
	struct rte_ring *in, *back;
	int device;
	struct port *eth0, *d0;
};

static void
make(struct two_workers *t)
{
	const struct qdisc_spec pfifo = { .parent = TC_H_ROOT, .handle = 1 << 16, .kind = "pfifo" };
	struct device_conf device = { .pin = 1 };
	char name[RTE_ETH_NAME_MAX_LEN];
	struct error err;

	t->router = make_router(false, 2);
	t->pool = rte_pktmbuf_pool_create(
		"outside", 1023, 0, sizeof(struct pkt), RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	t->in = rte_ring_create("in", 256, SOCKET_ID_ANY, 0);
	t->back = rte_ring_create("back", 256, SOCKET_ID_ANY, 0);
	assert_true(t->pool != NULL && t->in != NULL && t->back != NULL);
	t->device = rte_eth_from_rings("outside", &t->in, 1, &t->back, 1, SOCKET_ID_ANY);
	assert_true(t->device >= 0);
	assert_int_equal(rte_eth_dev_get_name_by_port((uint16_t)t->device, name), 0);
	device.devargs = name;
	t->eth0 = add_port(t->router, "eth0", "device", &device, 0);
	t->d0 = add_port(t->router, "d0", "dummy", NULL, 0);
	assert_int_equal(t->eth0->owner, 0);
	assert_int_equal(t->d0->owner, 1);
	address(t->eth0, "10.0.0.1", 24);
	address(t->d0, "10.0.1.1", 24);
	up(t->eth0);
	up(t->d0);
	ok(sched_qdisc_add(t->d0->tree, &pfifo, NULL, &err), &err);
	ok(router_start(t->router, &err), &err);
}

static void
unmake(struct two_workers *t)
{
	struct rte_mbuf *m;

	assert_int_equal(router_destroy(t->router), 0);
	while (rte_ring_dequeue(t->back, (void **)&m) == 0)
		rte_pktmbuf_free(m);
	rte_eth_dev_close((uint16_t)t->device);
	rte_eal_hotplug_remove("vdev", "net_ring_outside");
	assert_int_equal(rte_mempool_avail_count(t->pool), 1023);
	rte_ring_free(t->in);
	rte_ring_free(t->back);
	rte_mempool_free(t->pool);
}

static void
send_frame(struct two_workers *t, const char *to, uint32_t number)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(t->pool);

	if (m == NULL)
		abort();
	uint8_t *frame = (uint8_t *)rte_pktmbuf_append(m, 100);
	if (frame == NULL)
		abort();
	make_frame(frame, 100, "10.0.0.2", to, number);
	memcpy(frame, t->eth0->mac, 6);
	assert_int_equal(rte_ring_enqueue(t->in, m), 0);
}

static uint64_t
sent_by(const struct port *port)
{
	struct port_counters sum;

	port_counters_sum(port, &sum);
	return sum.tx_packets;
}

static void
a_sleeper_is_woken_by_each_packet_from_another_worker(void **state)
{
	struct two_workers t;
	struct worker_info info;

	srand(1);
	make(&t);
	for (uint32_t i = 1; i <= 3000; i++) {
		send_frame(&t, "10.0.1.9", i);
		uint64_t deadline = rte_rdtsc() + PATIENCE_MS * rte_get_tsc_hz() / 1000;
		while (sent_by(t.d0) < i && rte_rdtsc() < deadline)
			rte_pause();
		if (sent_by(t.d0) < i)
			fail_msg("packet %u waits in the ring of a worker that sleeps", i);
		spin_around_falling_asleep();
	}
	router_worker_info(t.router, 1, &info);
	print_message("%llu sleeps\n", (unsigned long long)info.sleeps);
	assert_true(info.sleeps > 100);
	assert_int_equal(info.queues_napping, 0);
	unmake(&t);
}

static void
count(void *arg)
{
	++*(unsigned int *)arg;
}

static void
a_sleeper_is_woken_by_each_command(void **state)
{
	struct two_workers t;
	struct worker_info info;
	unsigned int done = 0;

	srand(2);
	make(&t);
	for (unsigned int i = 0; i < 20000; i++) { /* without a wake-up this never ends */
		port_run_at_owner(t.d0, count, &done);
		spin_around_falling_asleep();
	}
	assert_int_equal(done, 20000);
	router_worker_info(t.router, 1, &info);
	assert_true(info.sleeps > 100);
	unmake(&t);
}

static void
who_has_nothing_to_do_sleeps_on(void **state)
{
	struct two_workers t;
	struct worker_info before, after;

	make(&t);
	sleep_us(100000);
	router_worker_info(t.router, 1, &before);
	for (unsigned int i = 0; i < 3; i++)
		sleep_us(100000);
	router_worker_info(t.router, 1, &after);
	assert_in_range(after.sleeps - before.sleeps, 0, 3);
	/* eth0's ring can wake nobody. */
	router_worker_info(t.router, 0, &before);
	assert_int_equal(before.queues_napping, 1);
	unmake(&t);
}

/* ARP requests sent since the last call. */
static unsigned int
requests_seen(struct two_workers *t)
{
	unsigned int requests = 0;
	struct rte_mbuf *m;

	while (rte_ring_dequeue(t->back, (void **)&m) == 0) {
		const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
		const struct rte_arp_hdr *arp = (const struct rte_arp_hdr *)(ether + 1);

		/* The sender, to be told of it, is asked for as well. */
		requests += ether->ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP) &&
			    arp->arp_data.arp_tip != inet_addr("10.0.0.2");
		rte_pktmbuf_free(m);
	}
	return requests;
}

/* A timer that a packet sets less than a millisecond after the timers were looked at, when nothing else follows. */
static void
a_timer_set_by_the_last_packet_runs(void **state)
{
	struct two_workers t;
	unsigned int requests = 0;

	make(&t);
	t.eth0->settings.retrans_time_ms = 20;
	for (unsigned int i = 0; i < 20; i++) {
		char unknown[16];

		snprintf(unknown, sizeof(unknown), "10.0.0.%u", 100 + i);
		send_frame(&t, "10.0.1.9", 1);
		sleep_us(200);
		send_frame(&t, unknown, 2);
		sleep_us(100000);
		/* mcast_solicit requests; a busy machine may take longer for them. */
		for (unsigned int ms = 0; ms < 10000 && (requests += requests_seen(&t)) < 3 * (i + 1); ms++)
			sleep_us(1000);
		assert_int_equal(requests, 3 * (i + 1));
	}
	unmake(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sleeper_is_woken_by_each_packet_from_another_worker),
		cmocka_unit_test(a_sleeper_is_woken_by_each_command),
		cmocka_unit_test(who_has_nothing_to_do_sleeps_on),
		cmocka_unit_test(a_timer_set_by_the_last_packet_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
