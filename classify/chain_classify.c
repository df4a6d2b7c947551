/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A chain asked about a burst: its groups in order, each about those packets of its protocol that none has decided yet.
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>

#include <rte_branch_prediction.h>

#include "internal.h"

/* As often an action may say "reclassify" or "goto chain" before the packet is dropped as going round in circles. */
#define AGAIN_MAX 16

static void
ask_some(const struct filter_group *group, const struct classify_ctx *ctx, struct rte_mbuf **pkts,
	struct verdict *results, const uint8_t *places, uint16_t n)
{
	struct rte_mbuf *asked[CLASSIFY_BURST];
	struct verdict answers[CLASSIFY_BURST];

	for (uint16_t i = 0; i < n; i++) {
		asked[i] = pkts[places[i]];
		answers[i] = (struct verdict){ .action = TC_ACT_UNSPEC };
	}
	group->ops->classify(group, ctx, asked, n, answers);
	for (uint16_t i = 0; i < n; i++)
		results[places[i]] = answers[i];
}

/* It takes all of them. */
static inline bool
takes_all(const struct filter_group *group, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t differ = 0;

	for (uint16_t i = 0; group->protocol != htons(ETH_P_ALL) && i < n; i++)
		differ |= group->protocol ^ pkt_of(pkts[i])->protocol;
	return differ == 0;
}

static void
ask_group(const struct filter_group *group, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
	struct verdict *results)
{
	bool any = group->protocol == htons(ETH_P_ALL);
	uint8_t places[CLASSIFY_BURST];
	uint16_t asked = 0;

	for (uint16_t i = 0; i < n; i++) {
		places[asked] = (uint8_t)i;
		asked += results[i].action == TC_ACT_UNSPEC && (any || group->protocol == pkt_of(pkts[i])->protocol);
	}
	if (likely(asked == n))
		group->ops->classify(group, ctx, pkts, n, results);
	else if (asked != 0)
		ask_some(group, ctx, pkts, results, places, asked);
}

/* The groups from `first` to before `end`. */
static void
ask_groups(const struct group_list *list, uint32_t first, uint32_t end, const struct classify_ctx *ctx,
	struct rte_mbuf **pkts, uint16_t n, struct verdict *results)
{
	for (uint16_t i = 0; i < n; i++)
		results[i] = (struct verdict){ .action = TC_ACT_UNSPEC };
	/* Nobody has decided anything before the first. */
	if (first < end && likely(takes_all(list->groups[first], pkts, n))) {
		list->groups[first]->ops->classify(list->groups[first], ctx, pkts, n, results);
		first++;
	}
	for (uint32_t i = first; i < end; i++)
		ask_group(list->groups[i], ctx, pkts, n, results);
}

/* One packet goes through a chain that `goto chain` names; one that is not there says nothing. */
static void
ask_chain(const struct group_list *list, uint32_t index, const struct classify_ctx *ctx, struct rte_mbuf *m,
	struct verdict *result)
{
	uint32_t first = 0, end;

	while (first < list->n && list->groups[first]->index != index)
		first++;
	for (end = first; end < list->n && list->groups[end]->index == index;)
		end++;
	ask_groups(list, first, end, ctx, &m, 1, result);
}

static bool
goes_on(int32_t action)
{
	return action == TC_ACT_RECLASSIFY || TC_ACT_EXT_CMP(action, TC_ACT_GOTO_CHAIN);
}

/* A packet whose actions sent it to another chain, or through the first one again: its mark may be another now. */
static void
ask_again(const struct group_list *list, const struct classify_ctx *ctx, struct rte_mbuf *m, struct verdict *result)
{
	for (unsigned int i = 0; i < AGAIN_MAX && goes_on(result->action); i++) {
		if (result->action == TC_ACT_RECLASSIFY)
			ask_groups(list, list->first, list->end, ctx, &m, 1, result);
		else
			ask_chain(list, result->action & TC_ACT_EXT_VAL_MASK, ctx, m, result);
	}
	if (goes_on(result->action))
		result->action = TC_ACT_SHOT;
}

static int32_t
simplify(int32_t action)
{
	switch (action) {
	case TC_ACT_UNSPEC:
		return TC_ACT_UNSPEC;
	case TC_ACT_SHOT:
	case TC_ACT_STOLEN:
	case TC_ACT_QUEUED:
	case TC_ACT_TRAP:
		return TC_ACT_SHOT;
	default:
		return TC_ACT_OK;
	}
}

void
chain_classify(const struct chain *chain, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
	struct verdict *results)
{
	const struct group_list *list = load_acquire(&chain->groups);

	if (list == NULL || unlikely(ctx->moved && !chain_pure(chain))) {
		for (uint16_t i = 0; i < n; i++)
			results[i] = (struct verdict){ .action = TC_ACT_UNSPEC };
		return;
	}
	for (unsigned int done = 0; done < n; done += CLASSIFY_BURST) {
		uint16_t burst = RTE_MIN(n - done, (unsigned int)CLASSIFY_BURST);

		ask_groups(list, list->first, list->end, ctx, pkts + done, burst, results + done);
		for (unsigned int i = done; i < done + burst; i++) {
			if (likely(results[i].action == TC_ACT_OK || results[i].action == TC_ACT_UNSPEC))
				continue;
			ask_again(list, ctx, pkts[i], &results[i]);
			results[i].action = simplify(results[i].action);
		}
	}
}
