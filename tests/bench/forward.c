/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Forwarding 64-byte packets through a whole router, on null ports: cycles per packet of one busy worker, beside an rx+tx loop alone and
 * DPDK's rte_lpm lookup alone, in the same run, interleaved.
 *
 * The source port is net_null's receive with headers from a table of destinations written in; the sink is a port on net_null. Everything that a
 * live router does is on: header checks, rules, routes, neighbours, rewrite, counters, drop accounting.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_lpm.h>
#include <rte_udp.h>

#include <weir/dataplane.h>

#include "prefixes.h"

#define TABLE    65536 /* destinations, a power of two */
#define GATEWAYS 16
#define BURST    32
#define FRAME    64
#define ROUNDS   5
#define ROUND_US 400000

static uint32_t destinations[TABLE]; /* host order */
static struct rte_ether_hdr link_header;
static uint16_t null_port;
static struct rte_mempool *source_pool;
static volatile bool source_on; /* the source gives packets */

/* ---- the source: a port kind of the benchmark's own ------------------------------------------------------------------- */

static inline void
write_headers(struct rte_mbuf *m, uint32_t destination)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(eth + 1);

	*eth = link_header;
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16(FRAME - sizeof(*eth)),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = rte_cpu_to_be_32(RTE_IPV4(10, 0, 0, 2)),
		.dst_addr = rte_cpu_to_be_32(destination),
	};
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	memset(ip + 1, 0, sizeof(struct rte_udp_hdr));
}

static uint16_t
source_receive(struct port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	static uint32_t next;

	if (!source_on)
		return 0;
	n = rte_eth_rx_burst(null_port, 0, pkts, n);
	for (uint16_t i = 0; i < n; i++)
		write_headers(pkts[i], destinations[next++ % TABLE]);
	return n;
}

static int
source_create(struct port *port, const void *conf, struct error *err)
{
	return 0;
}

static uint16_t
source_xmit(struct port *port, unsigned int worker, struct rte_mbuf **pkts, uint16_t n, uint64_t now)
{
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

static const struct port_ops source_ops = {
	.kind = "bench-source",
	.arphrd = 1,
	.default_flags = IFF_BROADCAST | IFF_MULTICAST,
	.default_mtu = 1500,
	.create = source_create,
	.receive = source_receive,
	.xmit = source_xmit,
};
PORT_REGISTER(source_ops)

static void
check(int rc, const char *what, const struct error *err)
{
	if (rc == 0)
		return;
	fprintf(stderr, "bench-forward: %s: %s\n", what, err != NULL && err->code != 0 ? err->msg : strerror(-rc));
	exit(1);
}

static void
start_null_device(void)
{
	struct rte_eth_conf conf = { 0 };

	source_pool = rte_pktmbuf_pool_create(
		"bench", 8191, 256, sizeof(struct pkt), RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	check(source_pool == NULL ? -ENOMEM : 0, "pool", NULL);
	check(rte_dev_probe("net_null9,size=64"), "net_null9", NULL);
	check(rte_eth_dev_get_port_by_name("net_null9", &null_port), "net_null9", NULL);
	check(rte_eth_dev_configure(null_port, 1, 1, &conf), "configure", NULL);
	check(rte_eth_rx_queue_setup(null_port, 0, 512, SOCKET_ID_ANY, NULL, source_pool), "rx queue", NULL);
	check(rte_eth_tx_queue_setup(null_port, 0, 512, SOCKET_ID_ANY, NULL), "tx queue", NULL);
	check(rte_eth_dev_start(null_port), "start", NULL);
}

/* ---- the router -------------------------------------------------------------------------------------------------------- */

static struct port *
add_port(struct router *router, const struct port_conf *conf, const char *address)
{
	struct port *port;
	struct error err = { 0 };
	struct rib_address a = { .family = AF_INET, .prefix_length = 24, .flags = IFA_F_PERMANENT };

	check(port_add(router, conf, &port, &err), conf->name, &err);
	check(port_set_flags(port, IFF_UP, IFF_UP, &err), conf->name, &err);
	a.ifindex = port->ifindex;
	a.local.v4 = a.peer.v4 = inet_addr(address);
	check(rib_address_add(router_rib(router), &a, false, &err), address, &err);
	return port;
}

static void
add_gateway(struct router *router, const struct port *port, unsigned int i)
{
	struct error err = { 0 };
	struct neighbour_spec spec = {
		.ifindex = port->ifindex,
		.family = AF_INET,
		.has_lladdr = true,
		.lladdr = { 2, 0, 0, 0, 1, (uint8_t)i },
		.state = NUD_PERMANENT,
	};

	spec.addr.v4 = rte_cpu_to_be_32(RTE_IPV4(10, 0, 1, 2 + i));
	check(router_neighbour_set(router, &spec, CHANGE_CREATE | CHANGE_REPLACE, &err), "neighbour", &err);
}

static void
add_route(struct router *router, const struct port *port, const struct prefix4 *prefix, unsigned int i)
{
	struct error err = { 0 };
	struct rib_hop hop = { .gateway_family = AF_INET, .ifindex = port->ifindex };
	struct rib_route route = {
		.dst = { .family = AF_INET, .length = prefix->length },
		.table = RT_TABLE_MAIN,
		.protocol = RTPROT_BOOT,
		.type = RTN_UNICAST,
		.hop_count = 1,
		.hops = &hop,
	};
	int rc;

	hop.gateway.v4 = rte_cpu_to_be_32(RTE_IPV4(10, 0, 1, 2 + i % GATEWAYS));
	route.dst.addr.v4 = rte_cpu_to_be_32(prefix->addr);
	rc = rib_route_add(router_rib(router), &route, CHANGE_CREATE, &err);
	if (rc != -EEXIST)
		check(rc, "route", &err);
}

/* ---- measuring --------------------------------------------------------------------------------------------------------- */

static double
router_cycles(struct router *router)
{
	struct worker_info before, after;

	source_on = true;
	usleep(ROUND_US / 4);
	router_worker_info(router, 0, &before);
	usleep(ROUND_US);
	router_worker_info(router, 0, &after);
	source_on = false;
	usleep(20000);
	return (double)(after.busy_cycles - before.busy_cycles) / (double)(after.packets - before.packets);
}

static double
loop_cycles(void)
{
	struct rte_mbuf *pkts[BURST];
	uint64_t packets = 0, start = rte_rdtsc(), end = start + rte_get_tsc_hz() / 1000000 * ROUND_US;
	uint32_t next = 0;

	while (rte_rdtsc() < end) {
		uint16_t n = rte_eth_rx_burst(null_port, 0, pkts, BURST);

		for (uint16_t i = 0; i < n; i++)
			write_headers(pkts[i], destinations[next++ % TABLE]);
		packets += rte_eth_tx_burst(null_port, 0, pkts, n);
	}
	return (double)(rte_rdtsc() - start) / (double)packets;
}

static uint64_t lpm_sum; /* of what was found, so that no lookup is idle */

static double
lpm_cycles(const struct rte_lpm *lpm)
{
	uint32_t hops[BURST];
	uint64_t lookups = 0, start = rte_rdtsc(), end = start + rte_get_tsc_hz() / 1000000 * ROUND_US;

	while (rte_rdtsc() < end) {
		for (uint32_t i = 0; i < TABLE; i += BURST) {
			rte_lpm_lookup_bulk(lpm, destinations + i, hops, BURST);
			for (uint32_t j = 0; j < BURST; j++)
				lpm_sum += hops[j];
		}
		lookups += TABLE;
	}
	return (double)(rte_rdtsc() - start) / (double)lookups;
}

static struct rte_lpm *
make_lpm(const struct prefix4 *prefixes, size_t count)
{
	struct rte_lpm_config conf = { .max_rules = (uint32_t)count + 1, .number_tbl8s = 65536 };
	struct rte_lpm *lpm = rte_lpm_create("bench", SOCKET_ID_ANY, &conf);

	check(lpm == NULL ? -ENOMEM : 0, "rte_lpm", NULL);
	for (size_t i = 0; i < count; i++)
		if (prefixes[i].length != 0)
			check(rte_lpm_add(lpm, prefixes[i].addr, prefixes[i].length, (uint32_t)i % GATEWAYS + 1),
				"rte_lpm_add", NULL);
	return lpm;
}

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
row(const char *name, double *values)
{
	qsort(values, ROUNDS, sizeof(*values), ascending);
	printf("%-52s %8.1f %8.1f %8.1f\n", name, values[ROUNDS / 2], values[0], values[ROUNDS - 1]);
}

static void
fill_destinations(const struct prefix4 *prefixes, size_t count, bool zipf)
{
	uint64_t random = 88172645463325252ull;

	for (uint32_t i = 0; i < TABLE; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		double u = (double)(random >> 11) / 9007199254740992.0;
		/* Zipf with exponent 1 over ranks: rank = count^u; the ranks are spread over the table by a multiplicative hash. */
		size_t rank = zipf ? (size_t)pow((double)count, u) * 2654435761u % count : (size_t)(u * (double)count);
		const struct prefix4 *p = &prefixes[rank];

		destinations[i] = p->addr | (p->length < 32 ? (uint32_t)random & (UINT32_MAX >> p->length) : 0);
	}
}

int
main(int argc, char **argv)
{
	struct device_conf device = { .devargs = "net_null0,no-rx=1" };
	struct error err = { 0 };
	struct router *router;
	struct prefix4 *prefixes;
	size_t count = prefixes_load(argc > 1 ? argv[1] : NULL, &prefixes);
	double weir[ROUNDS], loop[ROUNDS], lpm[ROUNDS];

	setvbuf(stdout, NULL, _IOLBF, 0);
	check(router_create(&(struct router_conf){ .workers = 1, .poll = POLL_BUSY }, &router, &err), "router", &err);
	start_null_device();
	struct port *in = add_port(router, &(struct port_conf){ .name = "in", .kind = "bench-source" }, "10.0.0.1");
	struct port *out = add_port(
		router, &(struct port_conf){ .name = "out", .kind = "device", .kind_conf = &device }, "10.0.1.1");
	for (unsigned int i = 0; i < GATEWAYS; i++)
		add_gateway(router, out, i);
	for (size_t i = 0; i < count; i++)
		add_route(router, out, &prefixes[i], (unsigned int)i);
	struct rte_lpm *table = make_lpm(prefixes, count);
	memcpy(&link_header.dst_addr, in->mac, 6);
	link_header.src_addr = (struct rte_ether_addr){ { 2, 0, 0, 0, 0, 9 } };
	link_header.ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	check(router_start(router, &err), "router", &err);

	printf("%zu IPv4 routes, default rules, %u-byte packets, 4 kB pages; TSC cycles a packet: median, min, max of "
	       "%u\n",
		count, FRAME, ROUNDS);
	for (int zipf = 0; zipf < 2; zipf++) {
		fill_destinations(prefixes, count, zipf);
		for (unsigned int i = 0; i < ROUNDS; i++) {
			weir[i] = router_cycles(router);
			loop[i] = loop_cycles();
			lpm[i] = lpm_cycles(table);
		}
		row(zipf ? "weir, forwarding, Zipf" : "weir, forwarding, uniform over the prefixes", weir);
		row("  rx+tx loop alone, headers written", loop);
		row(zipf ? "  rte_lpm_lookup_bulk alone, Zipf" : "  rte_lpm_lookup_bulk alone, uniform", lpm);
	}
	struct router_totals totals;
	router_totals(router, &totals);
	printf("received %llu, sent %llu, dropped %llu; sum of what rte_lpm found %llu\n",
		(unsigned long long)totals.received, (unsigned long long)totals.sent,
		(unsigned long long)totals.dropped, (unsigned long long)lpm_sum);
	for (unsigned int reason = 0; reason < DROP__COUNT; reason++)
		if (totals.drops[reason] != 0)
			printf("  dropped %12llu %s\n", (unsigned long long)totals.drops[reason],
				drop_reason_name(reason));
	return router_destroy(router) != 0 || totals.sent == 0;
}
