/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests of actions that change, copy or send packets: real buffers, one list of actions, an outlet that keeps what
 * it is sent.
 */
#ifndef WEIR_TEST_CLASSIFY_ACTING_H
#define WEIR_TEST_CLASSIFY_ACTING_H

#include "support.h"

#include "eal.h"

#include <weir/filter/matchall.h>

#define SENT_MAX    16
#define THIS_PORT   4 /* whose hook or tree asks */
#define OTHER_PORT  7
#define CLOSED_PORT 8

static struct rte_mempool *acting_pool;
static struct chain *chain;
static struct error err;
static struct pkt_sink sink;
static struct {
	struct rte_mbuf *sent[SENT_MAX];
	unsigned int count;
} outlet;

static inline bool
outlet_open(const struct classify_ctx *ctx, uint32_t ifindex)
{
	return ifindex != CLOSED_PORT;
}

static inline void
outlet_send(const struct classify_ctx *ctx, struct rte_mbuf *m)
{
	assert_true(outlet.count < SENT_MAX);
	outlet.sent[outlet.count++] = m;
}

static inline int
acting_group_setup(void **state)
{
	eal_start();
	acting_pool = eal_pool("acting", 255);
	return 0;
}

static inline int
acting_setup(void **state)
{
	chain = chain_create(NULL);
	memset(&sink, 0, sizeof(sink));
	outlet.count = 0;
	return chain != NULL ? 0 : -1;
}

/* No buffer is lost. */
static inline int
acting_teardown(void **state)
{
	chain_destroy(chain);
	while (outlet.count != 0)
		rte_pktmbuf_free(outlet.sent[--outlet.count]);
	return rte_mempool_in_use_count(acting_pool) == 0 ? 0 : -1;
}

static inline struct rte_mbuf *
buffer_of(const uint8_t *frame, uint16_t bytes)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(acting_pool);

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, bytes), frame, bytes);
	*pkt_of(m) = (struct pkt){
		.in_port = 2, .l3_off = 14, .l4_off = 34, .protocol = htons(ETH_P_IP), .flags = PKT_PLAIN
	};
	return m;
}

/* All packets are given these actions from now on. */
static inline int
act_by(const struct action_spec *actions, unsigned int n)
{
	const struct matchall_conf conf = { .actions = actions, .n_actions = n };

	if (!chain_empty(chain))
		assert_int_equal(delete_filter(chain, 1, NULL, 0, &err), 0);
	return chain_filter_add(chain,
		&(struct filter_spec){
			.preference = 1, .protocol = htons(ETH_P_ALL), .handle = 1, .kind = "matchall", .conf = &conf },
		CREATE, NULL, &err);
}

static inline int
act_by_one(const char *kind, const void *conf)
{
	return act_by(&(struct action_spec){ .kind = kind, .conf = conf }, 1);
}

static inline struct classify_ctx
acting_ctx(bool ingress)
{
	static const struct classify_outlet kept = { .open = outlet_open, .send = outlet_send };

	return (struct classify_ctx){
		.now = 1000, .ifindex = THIS_PORT, .ingress = ingress, .sink = &sink, .outlet = &kept
	};
}

/* What the chain says of m, which goes to the outlet if an action sends it there. */
static inline int32_t
verdict_of(struct rte_mbuf *m, bool ingress)
{
	struct classify_ctx ctx = acting_ctx(ingress);
	struct verdict v;

	chain_classify(chain, &ctx, &m, 1, &v);
	if (v.action == TC_ACT_SHOT && classify_shot(&ctx, m))
		return TC_ACT_STOLEN;
	return v.action;
}

static inline struct action_stats
stats_of(const char *kind)
{
	struct action_stats stats;

	action_stats_sum(action_find(kind, 1), &stats);
	return stats;
}

#endif
