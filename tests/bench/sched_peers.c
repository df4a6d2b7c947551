/* SPDX-License-Identifier: BSD-3-Clause */
/* bench-sched's peers. */
#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <rte_sched.h>

#include "sched_loads.h"

#define PIPES      4096
#define PIPE_QUEUE 64 /* packets */

static struct rte_mbuf *
peer_packet(struct rte_mempool *pool)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	require(m != NULL && rte_pktmbuf_append(m, PACKET_BYTES) != NULL, "out of buffers");
	return m;
}

/* ---- rte_sched */

static struct rte_sched_port *
make_rte_sched(void)
{
	struct rte_sched_pipe_params pipe = { .tb_rate = LINK_BYTES_PER_S,
		.tb_size = 1000000,
		.tc_period = 10,
		.tc_ov_weight = 1,
		.wrr_weights = { 1, 1, 1, 1 } };
	struct rte_sched_subport_profile_params profile = {
		.tb_rate = LINK_BYTES_PER_S, .tb_size = 1000000, .tc_period = 10
	};
	struct rte_sched_port_params port_params = { .name = "bench",
		.rate = LINK_BYTES_PER_S,
		.mtu = 1522,
		.frame_overhead = 0,
		.n_subports_per_port = 1,
		.subport_profiles = &profile,
		.n_subport_profiles = 1,
		.n_max_subport_profiles = 1,
		.n_pipes_per_subport = PIPES };
	struct rte_sched_subport_params subport = { .n_pipes_per_subport_enabled = PIPES,
		.pipe_profiles = &pipe,
		.n_pipe_profiles = 1,
		.n_max_pipe_profiles = 1 };
	struct rte_sched_port *port;

	pipe.tc_rate[RTE_SCHED_TRAFFIC_CLASS_BE] = pipe.tb_rate;
	for (unsigned int i = 0; i < RTE_SCHED_TRAFFIC_CLASSES_PER_PIPE; i++)
		profile.tc_rate[i] = profile.tb_rate;
	subport.qsize[RTE_SCHED_TRAFFIC_CLASS_BE] = PIPE_QUEUE;
	port = rte_sched_port_config(&port_params);
	require(port != NULL, "rte_sched_port_config failed");
	require(rte_sched_subport_config(port, 0, &subport, 0) == 0, "rte_sched_subport_config failed");
	for (unsigned int i = 0; i < PIPES; i++)
		require(rte_sched_pipe_config(port, 0, i, 0) == 0, "rte_sched_pipe_config failed");
	return port;
}

static uint16_t
rte_sched_dequeue(void *arg, struct rte_mbuf **pkts)
{
	int n = rte_sched_port_dequeue(arg, pkts, BURST);

	return n > 0 ? (uint16_t)n : 0;
}

static void
rte_sched_enqueue(void *arg, struct rte_mbuf **pkts, uint16_t n)
{
	require(rte_sched_port_enqueue(arg, pkts, n) == n, "rte_sched dropped packets");
}

void
peer_rte_sched(struct subject *peer, struct rte_mempool *pool, uint32_t backlog)
{
	struct rte_sched_port *port = make_rte_sched();

	*peer = (struct subject){ .arg = port, .dequeue = rte_sched_dequeue, .enqueue = rte_sched_enqueue };
	for (uint32_t i = 0; i < backlog; i++) {
		struct rte_mbuf *m = peer_packet(pool);

		/* 4,096 is a power of two: any odd factor visits every pipe, in an order that no prefetcher guesses. */
		rte_sched_port_pkt_write(
			port, m, 0, i * 2654435761u % PIPES, RTE_SCHED_TRAFFIC_CLASS_BE, 0, RTE_COLOR_GREEN);
		require(rte_sched_port_enqueue(port, &m, 1) == 1, "rte_sched dropped a packet");
	}
}

/* ---- rte_ring */

static uint64_t ring_bytes; /* so that no length is read in vain */

static uint16_t
ring_dequeue(void *arg, struct rte_mbuf **pkts)
{
	return (uint16_t)rte_ring_sc_dequeue_burst(arg, (void **)pkts, BURST, NULL);
}

static void
ring_enqueue(void *arg, struct rte_mbuf **pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		ring_bytes += pkts[i]->pkt_len;
	require(rte_ring_sp_enqueue_burst(arg, (void **)pkts, n, NULL) == n, "rte_ring is full");
}

void
peer_rte_ring(struct subject *peer, struct rte_mempool *pool, uint32_t backlog)
{
	struct rte_ring *ring =
		rte_ring_create("bench", rte_align32pow2(backlog + 1), SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);

	require(ring != NULL, "rte_ring_create failed");
	*peer = (struct subject){ .arg = ring, .dequeue = ring_dequeue, .enqueue = ring_enqueue };
	for (uint32_t i = 0; i < backlog; i++)
		require(rte_ring_sp_enqueue(ring, peer_packet(pool)) == 0, "rte_ring is full");
}
