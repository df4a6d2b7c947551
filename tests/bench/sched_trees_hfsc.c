/* SPDX-License-Identifier: BSD-3-Clause */
/* The trees of hfsc and netem that bench-sched measures. */
#include <rte_common.h>

#include <weir/qdisc/hfsc.h>
#include <weir/qdisc/netem.h>

#include "sched_loads.h"

/* ---- hfsc */

static void
add_hfsc_class(struct qdisc *q, uint32_t parent, uint32_t minor, uint64_t assured, uint64_t share, uint64_t limit)
{
	struct hfsc_class_conf conf = {
		.real_time.m2_Bps = assured, .link_share.m2_Bps = share, .upper_limit.m2_Bps = limit
	};
	struct class_spec spec = { .parentid = q->handle | parent, .classid = q->handle | minor, .conf = &conf };
	struct error err = { 0 };

	require(sched_class_add(q, &spec, NULL, &err) == 0, err.msg);
}

/* About `rate`, as curves that are all alike and begin together stay together: else all leaves would be due at once. */
static uint64_t
about(double rate)
{
	return (uint64_t)(rate * (0.95 + random_below(1000) / 1e4));
}

/*
 * The tree of htb's rows. Each leaf is assured about `assured` of what the link gives it, by real time, and shares the
 * rest; or it may have no more than about 95 % of it, and waits for its fit time.
 */
static void
load_hfsc(struct load *load, unsigned int leaves, double assured, bool limited)
{
	static const struct hfsc_conf conf = { 0 };
	uint64_t rate = LINK_BYTES_PER_S / leaves;
	unsigned int inner = (leaves + LEAVES_AN_INNER - 1) / LEAVES_AN_INNER;
	struct qdisc *q;

	*load = (struct load){ .leaves = leaves };
	load_start(load);
	q = load_add_qdisc(load, TC_H_ROOT, 1, "hfsc", &conf);
	add_hfsc_class(q, 0, 1, 0, 2 * LINK_BYTES_PER_S, 2 * LINK_BYTES_PER_S);
	for (unsigned int i = 0; i < inner; i++)
		add_hfsc_class(q, 1, 2 + i, 0, rate * leaves / inner, 0);
	for (unsigned int i = 0; i < leaves; i++)
		add_hfsc_class(q, 2 + i % inner, FIRST_LEAF_MINOR + i, about((double)rate * assured), rate,
			limited ? about((double)rate * 0.95) : 0);
	if (!limited)
		load_aim_at_random(load, leaves, load_target_leaf);
}

void
load_hfsc_1(struct load *load)
{
	load_hfsc(load, 1, 0.5, false);
}

void
load_hfsc_10000(struct load *load)
{
	load_hfsc(load, FLOWS, 0.5, false);
}

void
load_hfsc_10000_assured(struct load *load)
{
	load_hfsc(load, FLOWS, 2, false);
}

void
load_hfsc_10000_over(struct load *load)
{
	load_hfsc(load, FLOWS, 0, true);
}

/* Each packet waits longer than the backlog would on the link. */
void
load_netem(struct load *load)
{
	static const struct netem_conf conf = { .limit = QUEUE_PACKETS, .latency_ns = 3000000 };

	*load = (struct load){ 0 };
	load_start(load);
	load_add_qdisc(load, TC_H_ROOT, 1, "netem", &conf);
}

void
load_netem_jitter(struct load *load)
{
	static const struct netem_conf conf = { .limit = QUEUE_PACKETS, .latency_ns = 3000000, .jitter_ns = 1000000 };

	*load = (struct load){ 0 };
	load_start(load);
	load_add_qdisc(load, TC_H_ROOT, 1, "netem", &conf);
}
