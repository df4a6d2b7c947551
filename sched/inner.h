/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A discipline with one qdisc inside, whose one class it is (tbf, red, dsmark, netem): what it hands on unchanged.
 *
 * The discipline's state begins with struct inner; the functions here are its operations as they stand.
 */
#ifndef WEIR_SCHED_INNER_H
#define WEIR_SCHED_INNER_H

#include <weir/sched.h>

struct inner {
	struct class *class; /* made by class_create in init */
};

/* NULL: there is none at the moment (netem). */
static inline struct qdisc *
inner_of(const struct qdisc *q)
{
	return ((const struct inner *)qdisc_priv(q))->class->leaf;
}

/* qdisc_ops.peek, peek_bytes, flush and next_event of who gives packets as the one inside does. There is always one. */
struct rte_mbuf *inner_peek(struct qdisc *q, uint64_t now);
uint16_t inner_peek_bytes(const struct qdisc *q, uint32_t *bytes, uint16_t n);
uint16_t inner_flush(struct qdisc *q, struct rte_mbuf **pkts, uint16_t n);
uint64_t inner_next_event(const struct qdisc *q, uint64_t now);

/* class_ops.classify: every packet is for the one inside, if there is one. */
void inner_classify(
	const struct qdisc *q, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n, uint32_t *leaves);
/* class_ops.activate and deactivate: the one child is asked whenever there is backlog, so this is no news. */
void inner_turned(struct class *c, uint64_t now);

#endif
