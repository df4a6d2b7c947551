/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WEIR_QDISC_NETEM_H
#define WEIR_QDISC_NETEM_H

#include <stdbool.h>
#include <stdint.h>

/*
 * netem: tc-netem(8). A probability is what it is of 2^32, UINT32_MAX: always; a correlation likewise, of 1.
 */
struct netem_chance {
	uint32_t probability, correlation;
};

/*
 * The distribution of a random time, as tc reads it from a file: deviations from the mean, in units of the jitter /
 * 8192, each as probable as the others. size 0: the uniform one.
 */
#define NETEM_TABLE_MAX 16384
struct netem_table {
	const int16_t *values;
	uint32_t size;
};

enum netem_loss_model {
	NETEM_LOSS_RANDOM,
	NETEM_LOSS_STATES, /* Salsano, Ludovici and Ordine's Markov chain of four states */
	NETEM_LOSS_GILBERT_ELLIOT,
};

/* Of a packet's transition from one state to another, p13 from state 1 to state 3. */
struct netem_states {
	uint32_t p13, p31, p32, p14, p23;
};

struct netem_gilbert_elliot {
	uint32_t p, r; /* from good to bad, and back */
	uint32_t h; /* not lost though the state is bad */
	uint32_t k1; /* lost though it is good */
};

struct netem_rate {
	uint64_t Bps; /* 0: no limit */
	int32_t packet_overhead; /* bytes */
	uint32_t cell_size; /* bytes of a packet that a cell holds; 0: there are no cells */
	int32_t cell_overhead; /* bytes */
};

struct netem_slot {
	uint64_t min_ns, max_ns; /* until the next slot */
	uint64_t mean_ns, jitter_ns; /* the same by a distribution; jitter not 0: these hold */
	int32_t packets, bytes; /* that a slot takes; 0: any number */
};

struct netem_conf {
	uint64_t latency_ns, jitter_ns;
	uint32_t delay_correlation;
	uint32_t limit; /* packets */
	uint32_t gap;
	struct netem_chance loss, duplicate;
	enum netem_loss_model loss_model;
	struct netem_states states;
	struct netem_gilbert_elliot gilbert_elliot;
	/* What a change does not name stays as it was, as on Linux. */
	bool has_correlations; /* of delay, loss and duplicate */
	bool has_reorder, has_corrupt, has_rate, has_slot, has_ecn, has_delay_table, has_slot_table, has_seed;
	struct netem_chance reorder, corrupt;
	struct netem_rate rate;
	struct netem_slot slot;
	bool ecn;
	uint64_t
		seed; /* of a series of its own, which begins when it is given; without one, the tree's is drawn from */
	struct netem_table delay_table,
		slot_table; /* the conf of a change points to its giver's, that of a dump to the qdisc's */
};

#endif
