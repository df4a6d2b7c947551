/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of bench-sched share: the trees that are measured, and the peers beside them. */
#ifndef WEIR_TESTS_BENCH_SCHED_LOADS_H
#define WEIR_TESTS_BENCH_SCHED_LOADS_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_mempool.h>

#include <weir/sched.h>

#define BURST            32
#define PACKET_BYTES     64
#define FLOWS            10000
#define LINK_BYTES_PER_S UINT64_C(1250000000) /* 10 gbit: a packet of 64 bytes takes 51.2 ns */

#define LEAVES_AN_INNER  100
#define FIRST_LEAF_MINOR 0x1000
#define QUEUE_PACKETS    (1u << 17) /* no limit that bites */

/* Where a packet goes when it is enqueued again: what classification would have left in struct pkt. */
struct target {
	uint32_t leaf, priority;
};

/* What is measured: weir's or a peer's enqueue and dequeue of bursts. */
struct subject {
	void *arg;
	uint16_t (*dequeue)(void *arg, struct rte_mbuf **pkts); /* at most BURST; what may leave next */
	void (*arrange)(
		void *arg, struct rte_mbuf **pkts, uint16_t n); /* before they come back; not counted; NULL: nothing */
	void (*enqueue)(void *arg, struct rte_mbuf **pkts, uint16_t n);
};

/* A tree under load: what is dequeued is enqueued again, so that the backlog stays. */
struct load {
	struct sched_tree *tree;
	struct pkt_sink sink;
	uint64_t now, step_ns; /* the virtual clock, and how far it goes from one burst to the next */
	struct target *targets; /* of packets that come back, in turn; NULL: a packet goes where it was */
	uint32_t target_count, next_target;
	uint64_t in, out;
	uint32_t leaves; /* htb: leaf classes, else 0 */
	uint32_t rows; /* dsmark: marks, else 0 */
	bool own_bucket, borrows; /* what must have been true of every leaf of htb when all is done */
};

enum htb_state { HTB_UNDER, HTB_BORROW, HTB_OVER };

void require(int ok, const char *what);
uint32_t random_below(uint32_t n); /* always the same ones */

/* ---- sched_trees.c */

/* An empty tree: a burst of packets takes as long on the link as the clock goes from one burst to the next. */
void load_start(struct load *load);
struct qdisc *load_add_qdisc(struct load *load, uint32_t parent, uint32_t major, const char *kind, const void *conf);
/* What goes round is aimed anew each time: at each of `count` places as often, in random order. */
void
load_aim_at_random(struct load *load, uint32_t count, struct target (*target)(const struct load *load, uint32_t i));
struct target load_target_leaf(const struct load *load, uint32_t i);

/* Root class, inner classes of 100 leaves, leaves; above 50,000 two such trees under prio, as minors have 16 bits. */
void load_htb(struct load *load, unsigned int leaves, enum htb_state state);
void load_pfifo(struct load *load);
void load_bfifo(struct load *load);
void load_pfifo_head_drop(struct load *load);
void load_teql(struct load *load);
void load_red(struct load *load); /* each packet is judged, and none dropped */
void load_gred(struct load *load);
void load_pfifo_fast_1(struct load *load); /* all of one band; without the 1: of all priorities */
void load_pfifo_fast(struct load *load);
void load_tbf(struct load *load); /* at all times the bucket is what is waited for */
void load_prio_1(struct load *load);
void load_prio(struct load *load);
void load_sfq(struct load *load);
void load_cbq_1(struct load *load); /* a leaf, or 10,000: under their rates, or over them and bounded */
void load_cbq_10000(struct load *load);
void load_cbq_10000_over(struct load *load);
void load_wrr_1(struct load *load); /* classes */
void load_wrr_10000(struct load *load);
void load_dsmark(struct load *load, unsigned int rows); /* each row marks, and packets are of all rows */
void load_codel(struct load *load);
void load_fq_codel(struct load *load, unsigned int flows); /* its hash's buckets; packets are of 10,000 flows */
void load_drr(struct load *load, unsigned int classes); /* packets go to all of them alike */
/* The target of packet i of the first backlog. */
struct target load_first_target(const struct load *load, uint32_t i);
struct class *load_leaf(const struct load *load, uint32_t i); /* htb's i-th leaf */
/* Do the books of all classes and qdiscs agree with what was counted here? */
void load_check_books(const struct load *load);

/* ---- sched_trees_hfsc.c */

/* Assured half of what each gets, or all of it, or limited to less than it might get. */
void load_hfsc_1(struct load *load);
void load_hfsc_10000(struct load *load);
void load_hfsc_10000_assured(struct load *load);
void load_hfsc_10000_over(struct load *load);
void load_netem(struct load *load); /* a delay, without and with jitter */
void load_netem_jitter(struct load *load);

/* ---- sched_peers.c */

/* rte_sched: 4,096 pipes whose best-effort class is in use, at rates that never hold it back. */
void peer_rte_sched(struct subject *peer, struct rte_mempool *pool, uint32_t backlog);
/* An rte_ring of one producer and one consumer, as a FIFO that asks each packet for its length. */
void peer_rte_ring(struct subject *peer, struct rte_mempool *pool, uint32_t backlog);

#endif
