/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The hooks of a port, where filters see packets that no qdisc holds: ingress, behind receive and before routing, and
 * (clsact) egress, before the tree. What they let pass goes on with the marks they set; a class that they name is no
 * class of theirs, but its minor becomes the packet's tc_index, as on Linux.
 */
#ifndef WEIR_DATAPLANE_HOOK_H
#define WEIR_DATAPLANE_HOOK_H

#include <weir/shared_average.h>

#include "worker.h"

struct hook_counts { /* one per worker, its only writer */
	uint64_t packets, bytes, drops;
} __attribute__((aligned(64)));

/* What `tc qdisc add ... ingress` or `clsact` made; its chains are the port's, where workers find them. */
struct port_hook {
	const char *kind;
	struct shared_average *average; /* tc's `est`; NULL: none */
	unsigned int workers;
	struct hook_counts counts[]; /* [workers] */
};

/* What all have counted. */
void hook_sum(const void *hook, uint64_t *bytes, uint64_t *packets);

/*
 * Each: asks the chain, which is not empty, about n packets, at most BURST; drops what it says. Returns how many pass.
 */
uint16_t hook_ingress(struct worker *w, struct port *in, const struct chain *chain, struct rte_mbuf **pkts, uint16_t n);
uint16_t hook_egress(struct worker *w, struct port *out, const struct chain *chain, struct rte_mbuf **pkts, uint16_t n);

#endif
