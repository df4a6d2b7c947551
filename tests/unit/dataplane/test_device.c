/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DPDK's drivers as ports, in a network namespace of the test's own: what the kernel's end sends arrives, all of it,
 * whether the worker sleeps or not, and what the router sends arrives there.
 */
#include "router_world.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>

#include <rte_cycles.h>

#define ETHERTYPE_TEST 0x88b5 /* IEEE 802, for local experiments */
#define PATIENCE_MS    2000

static bool may_unshare;

/* libxdp's own: 80 bytes of a umem that net_af_xdp has closed. */
const char *__lsan_default_suppressions(void);

const char *
__lsan_default_suppressions(void)
{
	return "leak:xsk_umem__create";
}

static void
sleep_ms(long ms)
{
	const struct timespec t = { .tv_nsec = ms * 1000000 };

	nanosleep(&t, NULL);
}

/* A socket on the kernel's end that sends and receives whole frames. */
static int
open_host(const char *interface)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(interface),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0 && at.sll_ifindex != 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void
host_sends(int fd, const struct port *port)
{
	struct rte_ether_hdr frame[5] = { 0 };

	memcpy(&frame[0].dst_addr, port->mac, 6);
	frame[0].ether_type = htons(ETHERTYPE_TEST);
	assert_int_equal(send(fd, frame, 60, 0), 60);
}

static uint64_t
received(const struct port *port)
{
	struct port_counters sum;

	port_counters_sum(port, &sum);
	return sum.rx_packets;
}

static bool
wait_for(const struct port *port, uint64_t packets)
{
	uint64_t deadline = rte_rdtsc() + PATIENCE_MS * rte_get_tsc_hz() / 1000;

	while (received(port) < packets && rte_rdtsc() < deadline)
		rte_pause();
	return received(port) == packets;
}

/* Each packet arrives, however long the worker had nothing to do before: not yet asleep, falling asleep, asleep. */
static void
check_arrival(int host, const struct port *port, unsigned int count)
{
	uint64_t before = received(port);

	srand(3);
	for (unsigned int i = 1; i <= count; i++) {
		host_sends(host, port);
		if (!wait_for(port, before + i))
			fail_msg("packet %u of %u: %llu have arrived", i, count,
				(unsigned long long)(received(port) - before));
		uint64_t until = rte_rdtsc() + (uint64_t)(rand() % 150) * rte_get_tsc_hz() / 1000000;
		while (rte_rdtsc() < until)
			rte_pause();
	}
}

/* What nobody waits for at the router is answered (ICMP, port unreachable), for which it asks who the host is. */
static void
check_departure(int host, const struct port *port)
{
	uint8_t frame[2048];
	unsigned int requests = 0;

	while (recv(host, frame, sizeof(frame), 0) > 0)
		;
	make_frame(frame, 100, "10.0.0.2", "10.0.0.1", 0);
	memcpy(frame, port->mac, 6);
	assert_int_equal(send(host, frame, 100, 0), 100);
	for (unsigned int i = 0; i < PATIENCE_MS / 10 && requests == 0; i++) {
		const struct rte_ether_hdr *ether = (const struct rte_ether_hdr *)frame;

		sleep_ms(10);
		while (recv(host, frame, sizeof(frame), 0) > 0)
			requests += ether->ether_type == htons(RTE_ETHER_TYPE_ARP) &&
				    memcmp(&ether->src_addr, port->mac, 6) == 0;
	}
	assert_true(requests != 0);
}

static void
check_sleep(struct router *router, bool sleeps)
{
	struct worker_info before, after;

	sleep_ms(100);
	router_worker_info(router, 0, &before);
	sleep_ms(300);
	router_worker_info(router, 0, &after);
	assert_int_equal(after.queues_napping == 0, sleeps);
	if (sleeps)
		assert_in_range(after.sleeps - before.sleeps, 0, 30);
}

/* An interface that went down makes its sockets ready, with an error and nothing else: no reason to stay awake. */
static void
check_interface_down(struct router *router, struct port *port, const char *interface, bool sleeps)
{
	char command[64];

	snprintf(command, sizeof(command), "ip link set %.2s0 down", interface);
	assert_int_equal(system(command), 0);
	check_sleep(router, sleeps);
	port_set_flags(port, 0, IFF_UP, NULL);
	snprintf(command, sizeof(command), "ip link set %.2s0 up", interface);
	assert_int_equal(system(command), 0);
	up(port);
}

static void
drive(const char *devargs, const char *interface, bool sleeps)
{
	struct router *router;
	struct port *port;
	struct error err;

	if (!may_unshare) {
		print_message("needs root and a network namespace of its own\n");
		skip();
	}
	router = make_router(false, 1);
	const struct device_conf device = { .devargs = devargs };
	const struct port_conf conf = { .name = "eth0", .kind = "device", .kind_conf = &device };
	if (port_add(router, &conf, &port, &err) != 0) {
		print_message("not on this machine: %s\n", err.msg);
		assert_int_equal(router_destroy(router), 0);
		skip();
	}
	address(port, "10.0.0.1", 24);
	up(port);
	ok(router_start(router, &err), &err);
	int host = open_host(interface);
	sleep_ms(50);
	check_arrival(host, port, 500);
	check_departure(host, port);
	check_sleep(router, sleeps);
	/* Down and up again: other sockets may be read now. */
	if (strcmp(interface, "wt0") != 0) {
		check_interface_down(router, port, interface, sleeps);
	} else {
		ok(port_set_flags(port, 0, IFF_UP, &err), &err);
		up(port);
	}
	close(host);
	host = open_host(interface);
	sleep_ms(50);
	check_arrival(host, port, 50);
	close(host);
	assert_int_equal(router_destroy(router), 0);
}

static void
af_packet_wakes_its_worker(void **state)
{
	drive("net_af_packet0,iface=wa0", "wa1", true);
}

static void
tap_wakes_its_worker(void **state)
{
	drive("net_tap0,iface=wt0", "wt0", true);
}

static void
pcap_wakes_its_worker(void **state)
{
	drive("net_pcap0,iface=wb0", "wb1", true);
}

static void
af_xdp_wakes_its_worker(void **state)
{
	drive("net_af_xdp0,iface=wc0", "wc1", true);
}

/* Two queues of one device at two workers, by what pin allows. */
static void
queues_and_pins(void **state)
{
	struct router *router = make_router(false, 3);
	const struct device_conf two = { .devargs = "net_null0", .rx_queues = 2, .tx_queues = 2, .pin = 6 },
				 too_many = { .devargs = "net_null1", .rx_queues = 64, .tx_queues = 64 };
	struct port *port = add_port(router, "eth0", "device", &two, 0);
	const struct port_conf conf = { .name = "eth1", .kind = "device", .kind_conf = &too_many };
	struct worker_info info[3];
	struct error err;

	up(port);
	for (unsigned int i = 0; i < 3; i++)
		router_worker_info(router, i, &info[i]);
	assert_int_equal(info[0].queues_polled, 0);
	assert_int_equal(info[1].queues_polled, 1);
	assert_int_equal(info[2].queues_polled, 1);
	assert_int_not_equal(port->owner, 0);
	if (port_add(router, &conf, NULL, &err) != 0)
		assert_non_null(strstr(err.msg, "queues"));
	assert_int_equal(router_destroy(router), 0);
}

static void
a_pci_address_that_is_not_there(void **state)
{
	struct router *router = make_router(false, 1);
	static const char *const bad[] = { "0000:03:00.0", "03:00.1", "0000:zz:00.0", "net_af_packet7",
		"net_af_packet7,iface=nosuch0", "net_pcap7,iface=nosuch0" };
	struct error err;

	for (size_t i = 0; i < RTE_DIM(bad); i++) {
		const struct device_conf device = { .devargs = bad[i] };
		const struct port_conf conf = { .name = "eth9", .kind = "device", .kind_conf = &device };

		assert_true(port_add(router, &conf, NULL, &err) < 0);
		print_message("%s\n", err.msg);
		assert_non_null(strstr(err.msg, bad[i]));
		assert_null(port_find_name(router, "eth9"));
	}
	assert_int_equal(router_destroy(router), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(af_packet_wakes_its_worker),
		cmocka_unit_test(tap_wakes_its_worker),
		cmocka_unit_test(pcap_wakes_its_worker),
		cmocka_unit_test(af_xdp_wakes_its_worker),
		cmocka_unit_test(queues_and_pins),
		cmocka_unit_test(a_pci_address_that_is_not_there),
	};

	may_unshare = geteuid() == 0 && unshare(CLONE_NEWNET) == 0;
	if (may_unshare) {
		FILE *no_ipv6 = fopen("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w");

		if (no_ipv6 != NULL && (fputs("1", no_ipv6) < 0 || fclose(no_ipv6) != 0))
			perror("disable_ipv6");
		may_unshare = system("for i in a b c; do ip link add w${i}0 type veth peer name w${i}1 && "
				     "ip link set w${i}0 up && ip link set w${i}1 up || exit 1; done") == 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
