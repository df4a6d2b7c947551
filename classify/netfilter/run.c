/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets through tables. The first rule from a given one on that a packet matches is searched for among the rules that
 * have the packet's bits, in the order of their indices; what a rule asks beside is asked of those alone.
 */
#include "netfilter.h"

/*
 * Where a search through a segment stands: for each probe, and last for the loose rules, the next rule that may match;
 * for a probe that was not looked into yet, a rule below which none is.
 */
struct search {
	const struct segment *segment;
	uint32_t from; /* no rule before this; without probes: the next one */
	uint32_t next[PROBES_MAX + 1];
	const uint32_t *list[PROBES_MAX + 1]; /* where the next but one is; NULL: the probe was not looked into */
};

/* The first in an ascending list, ended by RULE_NONE, that is not below. */
static const uint32_t *
skip_below(const uint32_t *list, uint32_t n, uint32_t from)
{
	while (n > 1) {
		uint32_t half = n / 2;

		if (list[half] < from)
			list += half;
		n -= half;
	}
	return *list < from ? list + 1 : list;
}

static void
set_list(struct search *s, uint32_t i, const uint32_t *list, uint32_t n)
{
	list = skip_below(list, n, s->from);
	s->next[i] = *list;
	s->list[i] = list + 1;
}

static inline void
search_start(struct search *s, const struct table *t, uint32_t from)
{
	const struct segment *segment = &t->segments[t->rules[from].segment];
	const struct probe *probes;

	s->segment = segment;
	s->from = from;
	if (segment->n_probes == 0)
		return;
	probes = t->probes + segment->probes;
	for (uint32_t i = 0; i < segment->n_probes; i++) {
		s->next[i] = from > probes[i].highest ? RULE_NONE : RTE_MAX(from, probes[i].lowest);
		s->list[i] = NULL;
	}
	set_list(s, segment->n_probes, t->lists + segment->loose.at, segment->loose.n);
}

static inline bool
has_bits(const struct key *key, const struct compare *compares, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if ((key->words[compares[i].word] & compares[i].mask) != compares[i].value)
			return false;
	return true;
}

/* Where the list of the packet's interval is. */
static uint32_t
find_interval(const uint32_t *split, const struct key *key)
{
	uint32_t n = split[0] & ~LIST_SPLIT, number = key_axis(key, (enum axis)split[1]), low = 0, left = n;
	const uint32_t *bounds = split + 2;

	while (left > 1) {
		uint32_t half = left / 2;

		if (bounds[low + half] <= number)
			low += half;
		left -= half;
	}
	return bounds[n + low];
}

/* Does a slot stand for these words? They lie there as two halves each. */
static inline bool
same_words(const uint32_t *halves, const uint64_t *words, uint32_t n)
{
	uint64_t word;

	for (uint32_t i = 0; i < n; i++) {
		memcpy(&word, halves + 2 * i, sizeof(word));
		if (word != words[i])
			return false;
	}
	return true;
}

/* May a rule of the probe be for a packet with this hash? */
static inline bool
may_hold(const struct table *t, const struct probe *probe, uint32_t hash)
{
	uint32_t bit = hash >> probe->filter_shift;

	return (t->filters[probe->filter + (bit >> 6)] >> (bit & 63) & 1) != 0;
}

static void
look_into(struct search *s, const struct table *t, uint32_t i, const struct key *key)
{
	const struct probe *probe = &t->probes[s->segment->probes + i];
	const struct slot *slots = t->slots + probe->slots;
	uint32_t n = probe->masks.n, hash, at;
	uint64_t masked[KEY_WORDS];

	hash = key_hash(key, t->compares + probe->masks.at, n, masked);
	if (!may_hold(t, probe, hash)) {
		s->next[i] = RULE_NONE;
		return;
	}
	for (at = hash & probe->slot_mask; slots[at].at != SLOT_FREE; at = (at + 1) & probe->slot_mask) {
		const uint32_t *list = t->lists + slots[at].at;

		if (slots[at].hash != hash || !same_words(list, masked, n))
			continue;
		list += 2 * n;
		if (unlikely((list[0] & LIST_SPLIT) != 0))
			list = t->lists + find_interval(list, key);
		set_list(s, i, list + 1, list[0]);
		return;
	}
	s->next[i] = RULE_NONE;
}

/* The next rule that may match; RULE_NONE: the segment has no other. *sure: it has the packet's bits. */
static inline uint32_t
search_next(struct search *s, const struct table *t, const struct key *key, bool *sure)
{
	uint32_t n = s->segment->n_probes, best, rule;

	*sure = false;
	if (n == 0)
		return s->from < s->segment->end ? s->from++ : RULE_NONE;
	for (;;) {
		best = 0;
		for (uint32_t i = 1; i <= n; i++)
			if (s->next[i] < s->next[best])
				best = i;
		rule = s->next[best];
		if (rule == RULE_NONE)
			return RULE_NONE;
		if (s->list[best] != NULL)
			break;
		look_into(s, t, best, key);
	}
	s->next[best] = *s->list[best]++;
	*sure = best != n;
	return rule;
}

static inline bool
calls_hold(const struct table *t, const struct list *calls, struct packet *p)
{
	const struct call *call;

	if (calls->n == 0)
		return true; /* there may be no calls in the whole table */
	call = t->calls + calls->at;
	for (uint32_t i = 0; i < calls->n; i++)
		if (!call[i].match(call[i].priv, p))
			return false;
	return true;
}

/*
 * The next rule that matches, counted; RULE_NONE: the segment has no other, or the packet is hopeless. A packet that is
 * odd is asked each rule's matches in the order in which they are written.
 */
static uint32_t
next_match(struct search *s, const struct table *t, struct packet *p)
{
	for (;;) {
		const struct rule *rule;
		uint32_t i;
		bool sure;

		if (unlikely(p->odd)) {
			i = s->from < s->segment->end ? s->from++ : RULE_NONE;
			if (i == RULE_NONE)
				return i;
			rule = &t->rules[i];
			if (has_bits(&p->key, t->compares + rule->plain_compares.at, rule->plain_compares.n) &&
				calls_hold(t, &rule->plain_calls, p))
				return i;
		} else {
			i = search_next(s, t, &p->key, &sure);
			if (i == RULE_NONE)
				return i;
			rule = &t->rules[i];
			if ((sure || has_bits(&p->key, t->compares + rule->compares.at, rule->compares.n)) &&
				calls_hold(t, &rule->calls, p))
				return i;
		}
		if (unlikely(p->hopeless))
			return RULE_NONE;
	}
}

static inline void
count(struct netfilter_counter *c, uint64_t packets, uint64_t bytes)
{
	counter_add(&c->packets, packets);
	counter_add(&c->bytes, bytes);
}

/* ACCEPT or DROP */
static enum netfilter_verdict
walk(const struct table *t, struct netfilter_counter *counters, const struct hook_chain *chain, struct packet *p)
{
	uint32_t stack[NETFILTER_DEPTH_MAX];
	unsigned int depth = 0;
	struct search search;

	search_start(&search, t, chain->first);
	for (;;) {
		uint32_t i = next_match(&search, t, p);
		const struct rule *rule = &t->rules[i];
		enum netfilter_verdict verdict;

		if (i == RULE_NONE) {
			i = search.segment->end;
			if (p->hopeless || i >= t->n_rules)
				return NETFILTER_DROP;
			search_start(&search, t, i);
			continue;
		}
		count(&counters[i], 1, p->key.f.length);
		verdict = rule->verdict;
		if (verdict == NETFILTER_EXTENSION)
			verdict = rule->act(rule->priv, p);
		switch (verdict) {
		case NETFILTER_CONTINUE:
			if (p->changed)
				search_start(&search, t, i + 1);
			p->changed = false;
			break;
		case NETFILTER_ACCEPT:
			return NETFILTER_ACCEPT;
		case NETFILTER_RETURN:
			search_start(&search, t, depth != 0 ? stack[--depth] : chain->policy);
			break;
		case NETFILTER_JUMP:
			stack[depth++] = i + 1;
			search_start(&search, t, rule->target_rule);
			break;
		case NETFILTER_GOTO:
			search_start(&search, t, rule->target_rule);
			break;
		default:
			return NETFILTER_DROP;
		}
	}
}

/*
 * Is there certainly no rule for the packet in front of the policy? Most packets of most chains: what bans a thousand
 * addresses does not ban the others.
 */
static inline bool
comes_through(const struct table *t, const struct hook_chain *chain, const struct packet *p)
{
	const struct segment *segment = &t->segments[t->rules[chain->first].segment];
	uint64_t masked[KEY_WORDS];

	if (unlikely(p->odd))
		return false;
	for (uint32_t i = 0; i < segment->n_probes; i++) {
		const struct probe *probe = &t->probes[segment->probes + i];

		if (may_hold(t, probe, key_hash(&p->key, t->compares + probe->masks.at, probe->masks.n, masked)))
			return false;
	}
	return true;
}

/* The tables that a burst is to be asked, in order. */
struct asked {
	const struct table *t;
	const struct hook_chain *chain;
	struct netfilter_counter *counters;
	struct netfilter_counter through; /* packets that came to the policy and that nobody has counted yet */
};

static unsigned int
find_tables(const struct netfilter *nf, const struct netfilter_ctx *ctx, uint32_t tables, struct asked *asked,
	bool *only_policies)
{
	unsigned int n = 0;

	*only_policies = true;
	for (unsigned int i = 0; i < NETFILTER_TABLES; i++) {
		const struct table *t = (tables & 1u << i) != 0 ? load_acquire(&nf->tables[i]) : NULL;

		if (t == NULL || !t->hooks[ctx->hook].present)
			continue;
		*only_policies &= t->hooks[ctx->hook].only_policy;
		asked[n++] = (struct asked){
			.t = t,
			.chain = &t->hooks[ctx->hook],
			.counters = t->counters[RTE_MIN(ctx->worker, t->workers - 1)],
		};
	}
	return n;
}

/* Chains without rules, whose policies accept, count. */
static void
count_burst(struct asked *asked, unsigned int n_asked, struct rte_mbuf **pkts, uint16_t n)
{
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n; i++)
		bytes += pkts[i]->pkt_len - pkt_of(pkts[i])->l3_off;
	for (unsigned int i = 0; i < n_asked; i++)
		asked[i].through = (struct netfilter_counter){ n, bytes };
}

static inline enum netfilter_verdict
ask_table(struct asked *asked, struct packet *p)
{
	const struct hook_chain *chain = asked->chain;

	if (!chain->only_policy && !(chain->hashed && comes_through(asked->t, chain, p)))
		return walk(asked->t, asked->counters, chain, p);
	asked->through.packets++;
	asked->through.bytes += p->key.f.length;
	return asked->t->rules[chain->policy].verdict;
}

static void
set_name(char to[IF_NAMESIZE], const char *name)
{
	memset(to, 0, IF_NAMESIZE);
	if (name != NULL)
		memcpy(to, name, strnlen(name, IF_NAMESIZE));
}

/* Of which packets may go on: bits. */
static uint64_t
ask_tables(
	const struct netfilter_ctx *ctx, struct asked *asked, unsigned int n_asked, struct rte_mbuf **pkts, uint16_t n)
{
	uint64_t passed = 0;
	struct packet p;

	set_name(p.key.f.in, ctx->in);
	set_name(p.key.f.out, ctx->out);
	for (uint16_t i = 0; i < n; i++) {
		enum netfilter_verdict verdict = NETFILTER_ACCEPT;

		packet_view(&p, ctx, pkts[i]);
		for (unsigned int k = 0; k < n_asked && verdict == NETFILTER_ACCEPT; k++)
			verdict = ask_table(&asked[k], &p);
		passed |= (uint64_t)(verdict == NETFILTER_ACCEPT) << i;
	}
	return passed;
}

uint64_t
netfilter_run(const struct netfilter *nf, const struct netfilter_ctx *ctx, uint32_t tables, struct rte_mbuf **pkts,
	uint16_t n)
{
	uint64_t passed = n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX;
	struct asked asked[NETFILTER_TABLES];
	bool only_policies;
	unsigned int n_asked = find_tables(nf, ctx, tables, asked, &only_policies);

	if (only_policies)
		count_burst(asked, n_asked, pkts, n);
	else
		passed = ask_tables(ctx, asked, n_asked, pkts, n);
	for (unsigned int k = 0; k < n_asked; k++)
		count(&asked[k].counters[asked[k].chain->policy], asked[k].through.packets, asked[k].through.bytes);
	return passed;
}
