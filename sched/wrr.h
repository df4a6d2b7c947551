/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of WRR share: wrr.c (turns and operations), wrr_hosts.c (who has which class) and wrr_weight.h
 * (weights that change with use).
 *
 * After Christian Worm Mortensen's WRR for Linux 2.2, as the HOWTO (chapter 14) and its manual describe it: each host
 * has a class by itself, and all that have something to send share by their weights. Where a weight falls with each
 * byte and rises with time, who transfers much has less of a busy link, and who waits a while has it back. Designed
 * anew from that description.
 */
#ifndef WEIR_SCHED_WRR_H
#define WEIR_SCHED_WRR_H

#include <stdbool.h>

#include <weir/qdisc/wrr.h>
#include <weir/sched.h>

#include "tree.h"
#include "turns.h"

struct wrr_host {
	uint64_t high, low; /* its address, filled up with zeros */
	uint8_t length; /* 4, 16, 6 (MAC), 0: what has no address */
};

/* A class is in one of these rings. */
enum wrr_state {
	WRR_IDLE,
	WRR_EXPECTING, /* a packet of the burst in course was classified for it */
	WRR_BUSY,
	WRR_PARKED, /* its leaf has packets but gives none for now */
	WRR_STATES,
	WRR_RESTING = WRR_STATES /* for the next rounds it could send nothing: it is in the ring of when it could */
};

/* A class rests for fewer rounds: then its weight, which may have grown meanwhile, is looked at again. */
#define WRR_ROUNDS_LOG 10
#define WRR_ROUNDS     (1u << WRR_ROUNDS_LOG)

struct wrr_class {
	int64_t deficit; /* see turns.h */
	uint64_t counted_ns; /* the weights are of then */
	uint32_t place; /* its minor: its number in turns */
	uint32_t next; /* of those in one bucket of the hash; 0: none */
	struct wrr_host host;
	uint8_t state; /* enum wrr_state */
	uint16_t wakes; /* resting: in this round, of WRR_ROUNDS */
	bool used; /* it has a host, or had one last */
	bool shared; /* other hosts' packets are there, too, since it was idle */
	struct wrr_weight weights[WRR_WEIGHTS];
	uint64_t grows[WRR_WEIGHTS]; /* incr a nanosecond, times 2^32 */
	uint64_t bytes_before, packets_before, drops_before; /* counted for hosts that had it earlier */
};

struct wrr {
	struct turn_ring rings[WRR_STATES]; /* the first of the idle ones has been idle for longest */
	struct turn *turns; /* by place */
	struct class **classes; /* by place */
	uint32_t *buckets; /* the first place of each; 0: none */
	uint32_t bucket_mask, hash_key;
	uint32_t busy, resting; /* classes in these rings */
	uint32_t round; /* of WRR_ROUNDS, round and round */
	uint32_t round_last; /* with whose turn it ends; 0: he has had it, or is gone, and it is over */
	struct turn_ring wakes[WRR_ROUNDS]; /* those who rest, by the round that they come back in */
	uint64_t waking[WRR_ROUNDS / 64]; /* a bit for each in which somebody does */
	uint32_t burst; /* tree.bursts of those that are expecting */
	struct turn_scale scale;
	struct wrr_conf conf;
};

static inline struct wrr_class *
wrr_class_at(const struct wrr *w, uint32_t place)
{
	return class_priv(w->classes[place]);
}

/* ---- wrr.c: at the owner */

void wrr_move(struct wrr *w, struct wrr_class *cl, enum wrr_state to);

/* ---- wrr_hosts.c: at the owner */

int wrr_hosts_init(struct qdisc *q, struct error *err);
void wrr_hosts_destroy(struct wrr *w);
/*
 * The class of the packet's host. A new host has that of who was idle for longest. Where nobody is, it shares one that
 * its address chooses until that one is idle, so that its packets stay in order.
 */
struct class *wrr_class_for(struct qdisc *q, struct rte_mbuf *m, uint64_t now);

/* Does it have the packet's host? */
bool wrr_has_host(const struct wrr *w, const struct class *c, struct rte_mbuf *m);

#endif
