/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A live router between null ports: what the benchmarks of whole packets' ways share.
 *
 *     net_null rx -> 64-byte frames by table -> port "in" -> the path -> port "out" -> net_null tx
 *
 * Frames come from a table of what differs between them (checksum, addresses, ports: 16 bytes each), so that making one
 * costs three vector stores. The clock is read where a burst is asked for: what is measured is a worker's whole loop,
 * everything in it counted.
 */
#ifndef WEIR_TESTS_BENCH_NULL_ROUTER_H
#define WEIR_TESTS_BENCH_NULL_ROUTER_H

#include <stdint.h>

#include <weir/dataplane.h>

#include "prefixes.h"

#define NULL_FRAME    64 /* bytes, without FCS */
#define NULL_BURST    32
#define NULL_GATEWAYS 16
#define NULL_PAGES    "BENCH_PAGES" /* in the environment: no hugepages, but "thp", transparent ones, or "4k" */

/* What differs between frames: bytes 24 to 39 of each, network order. */
struct null_frame {
	uint16_t checksum;
	uint32_t source, destination;
	uint16_t source_port, destination_port, udp_length;
} __attribute__((packed));

struct null_router {
	struct router *router;
	struct port *in, *out;
	uint16_t device; /* the source's ethdev: peers use it too */
	bool hugepages;
};

/*
 * Starts DPDK and a router with that many workers, hugepages if enough are free. `in` has 10.0.0.1/24, `out`
 * 10.0.1.1/24 and NULL_GATEWAYS neighbours. Exits if it cannot. The first worker polls `in`; with several, the second
 * owns `out`.
 */
void null_router_create(struct null_router *n, unsigned int workers);
/* One more port, up, with this address and its /24. */
struct port *null_router_add_port(struct router *router, const struct port_conf *conf, const char *address);
/* Routes to the prefixes by the gateways, in turns. */
void null_router_add_routes(struct null_router *n, const struct prefix4 *prefixes, size_t count);
rte_be32_t null_router_gateway(size_t i);
void null_router_start(struct null_router *n);
/* Exits unless all that was received was sent, but `dropped` packets, and all buffers came back. */
void null_router_destroy(struct null_router *n, uint64_t dropped);

/*
 * Frames to these destinations (host order); sources NULL: all from 10.0.0.2. The caller frees them by rte_free. count
 * is a power of two.
 */
struct null_frame *null_frames(const uint32_t *destinations, const uint32_t *sources, size_t count);
/* What the source gives from now on; the caller keeps them. */
void null_router_set_frames(const struct null_frame *frames, size_t count);
/* So many TSC cycles a packet at least from burst to burst; 0: as fast as they are taken. */
void null_router_set_pace(uint64_t cycles);
/* A burst of frames from the source's device, as the port gives them. For peers, in the worker that polls `in`. */
uint16_t null_frames_receive(struct rte_mbuf **pkts, uint16_t n);

/* TSC cycles a packet of the worker that polls `in`, over so many packets. */
double null_router_cycles(uint64_t packets);
/* The same after as many that are not counted: what ran before has left its own in the caches. */
double null_router_warm_cycles(uint64_t packets);
/* Has fn(arg) run by that worker, on its processor and with its cache of buffers. */
void null_router_call(struct null_router *n, void (*fn)(void *arg), void *arg);

/* forward_tables.c: rows of bench-forward. */
void report_tables(struct null_router *n, const struct prefix4 *prefixes, size_t count);

/* Ends the program with a message if rc is not 0. */
void bench_check(int rc, const char *what, const struct error *err);

#endif
