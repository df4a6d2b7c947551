/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ways that packets may take through a table: which rules they reach from which hooks, and that no chain leads
 * back to itself. Rules that no hook leads to are not looked at, as on Linux.
 */
#include <stdlib.h>

#include "netfilter.h"

enum { UNSEEN, ON_THE_WAY, SEEN };

struct flow {
	const struct netfilter_table_spec *spec;
	uint32_t *hooks; /* [n_rules] */
	uint8_t *state; /* [n_rules] */
	uint8_t *height; /* [n_rules]: jumps within jumps from there on */
	enum netfilter_hook hook;
	struct error *err;
};

static bool
selector_is_empty(const struct netfilter_selector *s)
{
	for (unsigned int i = 0; i < IF_NAMESIZE; i++)
		if (s->in_mask[i] != 0 || s->out_mask[i] != 0)
			return false;
	return s->src_mask == 0 && s->dst_mask == 0 && s->protocol == 0 && !s->fragment && s->invert == 0;
}

bool
rule_is_unconditional(const struct netfilter_rule_spec *spec)
{
	return spec->n_matches == 0 && selector_is_empty(&spec->selector);
}

bool
rule_is_final(const struct netfilter_rule_spec *spec)
{
	switch (spec->target.verdict) {
	case NETFILTER_ERROR:
		return true;
	case NETFILTER_ACCEPT:
	case NETFILTER_DROP:
	case NETFILTER_RETURN:
	case NETFILTER_GOTO:
		return rule_is_unconditional(spec);
	default:
		return false;
	}
}

static int visit(struct flow *flow, uint32_t first, unsigned int depth);

/* What a rule's jump leads to, if it is one. */
static int
follow(struct flow *flow, uint32_t rule, unsigned int depth)
{
	const struct netfilter_target_spec *target = &flow->spec->rules[rule].target;
	int rc;

	if (target->verdict != NETFILTER_JUMP && target->verdict != NETFILTER_GOTO)
		return 0;
	if (target->rule >= flow->spec->n_rules)
		return error_set(
			flow->err, EINVAL, "rule %u jumps to rule %u of %u", rule, target->rule, flow->spec->n_rules);
	if (depth == NETFILTER_DEPTH_MAX)
		return error_set(flow->err, ELOOP, "chains jump more than %d deep", NETFILTER_DEPTH_MAX);
	rc = visit(flow, target->rule, depth + 1);
	if (rc == 0)
		flow->height[rule] = (uint8_t)(flow->height[target->rule] + 1);
	return rc;
}

/* Rules that were passed on the way from `first` to before `end` lead nowhere but where they have been found to. */
static void
settle(struct flow *flow, uint32_t first, uint32_t end, uint8_t height)
{
	for (uint32_t i = end; i-- > first;) {
		height = RTE_MAX(height, flow->height[i]);
		flow->height[i] = height;
		flow->state[i] = SEEN;
	}
}

/* What a packet may pass from a rule on, when so many jumps have led to it. */
static int
visit(struct flow *flow, uint32_t first, unsigned int depth)
{
	uint32_t bit = 1u << flow->hook, i;
	uint8_t height = 0;
	int rc = 0;

	for (i = first; rc == 0; i++) {
		if (i >= flow->spec->n_rules)
			return error_set(flow->err, EINVAL,
				"the chain with rule %u has no end: its last rule must be without condition, and "
				"ACCEPT, "
				"DROP or RETURN",
				first);
		if (flow->state[i] == ON_THE_WAY)
			return error_set(flow->err, ELOOP, "the chain with rule %u leads back to itself", i);
		if (flow->state[i] == SEEN && depth + flow->height[i] > NETFILTER_DEPTH_MAX)
			return error_set(flow->err, ELOOP, "chains jump more than %d deep", NETFILTER_DEPTH_MAX);
		if (flow->state[i] == SEEN && (flow->hooks[i] & bit) != 0) {
			height = flow->height[i];
			break;
		}
		flow->state[i] = ON_THE_WAY;
		flow->hooks[i] |= bit;
		flow->height[i] = 0;
		rc = follow(flow, i, depth);
		if (rule_is_final(&flow->spec->rules[i])) {
			i++;
			break;
		}
	}
	settle(flow, first, i, height);
	return rc;
}

static int
check_hook(struct flow *flow)
{
	const struct netfilter_table_spec *spec = flow->spec;
	uint32_t first = spec->first[flow->hook], policy = spec->policy[flow->hook];
	enum netfilter_verdict verdict;
	int rc;

	if (first >= spec->n_rules || policy >= spec->n_rules)
		return error_set(flow->err, EINVAL, "chain %s is not among the %u rules",
			netfilter_hook_name(flow->hook), spec->n_rules);
	verdict = spec->rules[policy].target.verdict;
	if ((verdict != NETFILTER_ACCEPT && verdict != NETFILTER_DROP) || !rule_is_unconditional(&spec->rules[policy]))
		return error_set(flow->err, EINVAL,
			"the policy of chain %s, rule %u, is neither ACCEPT nor DROP for all",
			netfilter_hook_name(flow->hook), policy);
	rc = visit(flow, first, 0);
	flow->hooks[policy] |= 1u << flow->hook;
	return rc;
}

int
check_flow(const struct netfilter_table_spec *spec, uint32_t *hooks, struct error *err)
{
	struct flow flow = { .spec = spec, .hooks = hooks, .err = err };
	int rc = 0;

	flow.state = calloc(spec->n_rules, sizeof(*flow.state));
	flow.height = calloc(spec->n_rules, sizeof(*flow.height));
	if (flow.state == NULL || flow.height == NULL)
		rc = error_code(err, ENOMEM);
	for (unsigned int hook = 0; rc == 0 && hook < NETFILTER_HOOKS; hook++)
		if ((netfilter_table_hooks(spec->table) & 1u << hook) != 0) {
			flow.hook = (enum netfilter_hook)hook;
			rc = check_hook(&flow);
		}
	free(flow.state);
	free(flow.height);
	return rc;
}
