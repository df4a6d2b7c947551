/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a table's description to what workers walk.
 *
 * What a rule asks of a packet is split: what is a matter of bits (addresses, ports, marks, names of ports ...) becomes
 * a mask and a value of the packet's key, the rest stays a list of calls. Rules of a segment that ask for the same bits
 * form a shape, and a shape with many rules is found by hashing the bits that it asks for: tuple space search
 * (V. Srinivasan, S. Suri, G. Varghese, "Packet Classification using Tuple Space Search", SIGCOMM 1999). The order of
 * rules is kept by asking candidates in the order of their indices, whichever shape they are of.
 */
#include <stdlib.h>

#include "compile.h"

void *
grow(struct growing *g, uint32_t n)
{
	uint8_t *there;
	void *array;

	memcpy(&array, g->array, sizeof(array));
	if (array == NULL || g->n + n > g->size) {
		uint32_t size = RTE_MAX(2 * g->size, g->n + n + 64);

		array = realloc(array, size * g->element);
		if (array == NULL)
			return NULL;
		memcpy(g->array, &array, sizeof(array));
		g->size = size;
	}
	there = (uint8_t *)array + g->n * g->element;
	memset(there, 0, n * g->element);
	g->n += n;
	return there;
}

int
no_memory(struct compiling *c)
{
	return error_code(c->err, ENOMEM);
}

int
add_list(struct compiling *c, uint32_t value)
{
	uint32_t *word = grow(&c->lists, 1);

	if (word == NULL)
		return no_memory(c);
	*word = value;
	return 0;
}

/* A zeroed block that goes with the table. */
static void *
add_priv(struct compiling *c, size_t bytes)
{
	void **slot = grow(&c->privs, 1);

	if (slot != NULL)
		*slot = calloc(1, RTE_ALIGN_CEIL(bytes + 1, RTE_CACHE_LINE_SIZE));
	return slot != NULL ? *slot : NULL;
}

static bool
add_sharer(struct compiling *c, const struct match_ops *ops, void *priv)
{
	struct sharer *sharer = grow(&c->sharers, 1);

	if (sharer != NULL)
		*sharer = (struct sharer){ ops, priv };
	return sharer != NULL;
}

/* ---- selectors ---------------------------------------------------------------------------------- */

/* A part of a key that must not be so. */
struct differs {
	struct compare words[2];
	uint32_t n;
};

static bool
differs_match(void *priv, struct packet *p)
{
	const struct differs *d = priv;

	for (uint32_t i = 0; i < d->n; i++)
		if ((p->key.words[d->words[i].word] & d->words[i].mask) != d->words[i].value)
			return true;
	return false;
}

static int
add_call(struct compiling *c, struct list *calls, bool (*match)(void *priv, struct packet *p), void *priv)
{
	struct call *call = grow(&c->calls, 1);

	if (call == NULL)
		return no_memory(c);
	*call = (struct call){ match, priv };
	calls->n++;
	return 0;
}

static uint32_t
list_compares(const struct key *mask, const struct key *value, struct compare *compares)
{
	uint32_t n = 0;

	for (uint32_t word = 0; word < KEY_WORDS; word++)
		if (mask->words[word] != 0)
			compares[n++] =
				(struct compare){ mask->words[word], value->words[word] & mask->words[word], word };
	return n;
}

/* One part of a selector: bits of the key, or, inverted, a call. */
static int
add_part(struct compiling *c, struct list *calls, const struct key *mask, const struct key *value, bool inverted,
	struct key *all_masks, struct key *all_values)
{
	struct compare compares[KEY_WORDS];
	uint32_t n = list_compares(mask, value, compares);
	struct differs *differs;

	if (!inverted) {
		for (uint32_t i = 0; i < n; i++) {
			all_masks->words[compares[i].word] |= compares[i].mask;
			all_values->words[compares[i].word] |= compares[i].value;
		}
		return 0;
	}
	differs = add_priv(c, sizeof(*differs));
	if (differs == NULL)
		return no_memory(c);
	memcpy(differs->words, compares, n * sizeof(*compares));
	differs->n = n;
	return add_call(c, calls, differs_match, differs);
}

static int
add_selector(struct compiling *c, const struct netfilter_selector *s, struct list *calls, struct key *masks,
	struct key *values)
{
	struct part {
		struct key mask, value;
		bool inverted;
	} parts[6] = { 0 };
	int rc = 0;

	parts[0].mask.f.src = s->src_mask;
	parts[0].value.f.src = s->src;
	parts[0].inverted = (s->invert & NETFILTER_NOT_SRC) != 0;
	parts[1].mask.f.dst = s->dst_mask;
	parts[1].value.f.dst = s->dst;
	parts[1].inverted = (s->invert & NETFILTER_NOT_DST) != 0;
	memcpy(parts[2].mask.f.in, s->in_mask, IF_NAMESIZE);
	memcpy(parts[2].value.f.in, s->in, IF_NAMESIZE);
	parts[2].inverted = (s->invert & NETFILTER_NOT_IN) != 0;
	memcpy(parts[3].mask.f.out, s->out_mask, IF_NAMESIZE);
	memcpy(parts[3].value.f.out, s->out, IF_NAMESIZE);
	parts[3].inverted = (s->invert & NETFILTER_NOT_OUT) != 0;
	/* As on Linux: `! -f` without -f, or `! -p` without a protocol, says nothing. */
	parts[4].mask.f.protocol = s->protocol != 0 ? UINT8_MAX : 0;
	parts[4].value.f.protocol = s->protocol;
	parts[4].inverted = s->protocol != 0 && (s->invert & NETFILTER_NOT_PROTOCOL) != 0;
	parts[5].mask.f.has = s->fragment ? KEY_LATER_FRAGMENT : 0;
	parts[5].value.f.has = KEY_LATER_FRAGMENT;
	parts[5].inverted = s->fragment && (s->invert & NETFILTER_NOT_FRAGMENT) != 0;
	for (unsigned int i = 0; rc == 0 && i < RTE_DIM(parts); i++)
		rc = add_part(c, calls, &parts[i].mask, &parts[i].value, parts[i].inverted, masks, values);
	return rc;
}

/* ---- extensions --------------------------------------------------------------------------------- */

static bool
protocol_fits(const uint8_t protocols[PROTOCOLS_MAX], const struct netfilter_selector *s)
{
	if (protocols[0] == 0)
		return true;
	for (unsigned int i = 0; i < PROTOCOLS_MAX && protocols[i] != 0; i++)
		if (s->protocol == protocols[i] && (s->invert & NETFILTER_NOT_PROTOCOL) == 0)
			return true;
	return false;
}

/* "6", "6/17/132" */
static const char *
name_protocols(const uint8_t protocols[PROTOCOLS_MAX], char text[PROTOCOLS_MAX * 4])
{
	int n = 0;

	for (unsigned int i = 0; i < PROTOCOLS_MAX && protocols[i] != 0; i++)
		n += sprintf(text + n, "%s%u", i != 0 ? "/" : "", protocols[i]);
	return text;
}

/* "INPUT/FORWARD" */
static const char *
name_hooks(uint32_t hooks, char text[80])
{
	int n = 0;

	text[0] = '\0';
	for (unsigned int hook = 0; hook < NETFILTER_HOOKS; hook++)
		if ((hooks & 1u << hook) != 0)
			n += sprintf(
				text + n, "%s%s", n != 0 ? "/" : "", netfilter_hook_name((enum netfilter_hook)hook));
	return text;
}

/* May an extension stand there? The sentences are those that Linux logs. */
static int
check_place(const struct place *place, const char *kind, const char *what, uint32_t tables, uint32_t hooks,
	const uint8_t protocols[PROTOCOLS_MAX], struct error *err)
{
	char used[80], usable[80], text[PROTOCOLS_MAX * 4];

	if (tables != 0 && (tables & 1u << place->table) == 0)
		return error_set(err, EINVAL, "rule %u: %s %s: only valid in %s table, not %s", place->rule, kind, what,
			netfilter_table_name((enum netfilter_table_id)__builtin_ctz(tables)),
			netfilter_table_name(place->table));
	if (hooks != 0 && (place->hooks & ~hooks) != 0)
		return error_set(err, EINVAL, "rule %u: %s %s: used from hooks %s, but only usable from %s",
			place->rule, kind, what, name_hooks(place->hooks, used), name_hooks(hooks, usable));
	if (!protocol_fits(protocols, &place->spec->selector))
		return error_set(err, EINVAL, "rule %u: %s %s: only valid for protocol %s", place->rule, kind, what,
			name_protocols(protocols, text));
	return 0;
}

static int
make_match(struct compiling *c, const struct place *place, const struct netfilter_match_spec *spec,
	const struct match_ops **found, void **priv)
{
	const struct match_ops *ops = spec->kind != NULL ? match_find(spec->kind) : NULL;
	int rc;

	*found = ops;
	if (ops == NULL)
		return error_set(c->err, ENOENT, "rule %u: there is no match '%s' here", place->rule,
			spec->kind != NULL ? spec->kind : "");
	rc = check_place(place, ops->kind, "match", 0, ops->hooks, ops->protocols, c->err);
	if (rc != 0)
		return rc;
	*priv = add_priv(c, ops->size);
	if (*priv == NULL || (ops->retire != NULL && !add_sharer(c, ops, *priv)))
		return no_memory(c);
	return ops->init != NULL ? ops->init(*priv, spec->conf, place, c->err) : 0;
}

/* Adds a match's bits to a rule's; false: they contradict, so that no packet could have both. */
static bool
merge(struct key *masks, struct key *values, const struct key *mask, const struct key *value)
{
	for (uint32_t i = 0; i < KEY_WORDS; i++)
		if (((values->words[i] ^ value->words[i]) & masks->words[i] & mask->words[i]) != 0)
			return false;
	for (uint32_t i = 0; i < KEY_WORDS; i++) {
		masks->words[i] |= mask->words[i];
		values->words[i] |= value->words[i] & mask->words[i];
	}
	return true;
}

/* Keeps what ranges the match asks for, if it is the rule's first that does. */
static int
take_ranges(struct compiling *c, uint32_t rule, const struct match_ops *ops, const void *priv)
{
	struct rule_ranges *r = &c->rule_ranges[rule];
	struct range ranges[RANGES_MAX], *room;
	enum axis axis = AXIS_NONE;
	uint32_t n;

	if (ops->ranges == NULL || r->axis != AXIS_NONE)
		return 0;
	n = ops->ranges(priv, &axis, ranges);
	if (axis == AXIS_NONE)
		return 0;
	*r = (struct rule_ranges){ axis, { c->ranges.n, n } };
	room = grow(&c->ranges, n);
	if (room == NULL)
		return no_memory(c);
	memcpy(room, ranges, n * sizeof(*room));
	return 0;
}

/* Is all of the match in the rule's bits now? */
static bool
take_bits(const struct match_ops *ops, const void *priv, struct key *masks, struct key *values)
{
	struct key mask = { 0 }, value = { 0 };
	bool whole = ops->select != NULL && ops->select(priv, &mask, &value);

	return merge(masks, values, &mask, &value) && whole;
}

static int
add_target(struct compiling *c, const struct place *place, struct rule *rule)
{
	const struct netfilter_target_spec *spec = &place->spec->target;
	const struct target_ops *ops;
	int rc;

	rule->verdict = spec->verdict;
	rule->target_rule = spec->rule;
	if (spec->verdict != NETFILTER_EXTENSION)
		return 0;
	ops = spec->kind != NULL ? target_find(spec->kind) : NULL;
	if (ops == NULL)
		return error_set(c->err, ENOENT, "rule %u: there is no target '%s' here", place->rule,
			spec->kind != NULL ? spec->kind : "");
	rc = check_place(place, ops->kind, "target", ops->tables, ops->hooks, ops->protocols, c->err);
	if (rc != 0)
		return rc;
	rule->priv = add_priv(c, ops->size);
	if (rule->priv == NULL)
		return no_memory(c);
	rule->act = ops->act;
	return ops->init != NULL ? ops->init(rule->priv, spec->conf, place, c->err) : 0;
}

/* ---- rules -------------------------------------------------------------------------------------- */

static int
add_compares(struct compiling *c, const struct key *mask, const struct key *value, struct list *list)
{
	struct compare compares[KEY_WORDS];
	uint32_t n = list_compares(mask, value, compares);
	struct compare *room;

	*list = (struct list){ c->compares.n, n };
	room = grow(&c->compares, n);
	if (room == NULL)
		return no_memory(c);
	memcpy(room, compares, n * sizeof(*compares));
	return 0;
}

/* The calls of the plain form, and behind them those of the compiled one. */
static int
add_matches(struct compiling *c, const struct place *place, struct rule *rule, struct key *masks, struct key *values)
{
	const struct netfilter_rule_spec *spec = place->spec;
	uint32_t selector_calls = rule->plain_calls.n;
	struct call *left = calloc(selector_calls + spec->n_matches + 1, sizeof(*left));
	uint32_t n_left = selector_calls;
	bool counts = false;
	int rc = left != NULL ? 0 : no_memory(c);

	for (uint32_t i = 0; rc == 0 && i < selector_calls; i++)
		left[i] = c->t->calls[rule->plain_calls.at + i];
	for (uint32_t i = 0; rc == 0 && i < spec->n_matches; i++) {
		const struct match_ops *ops;
		void *priv = NULL;

		rc = make_match(c, place, &spec->matches[i], &ops, &priv);
		if (rc != 0)
			break;
		rc = add_call(c, &rule->plain_calls, ops->match, priv);
		counts |= ops->stateful;
		if (rc == 0 && !counts)
			rc = take_ranges(c, place->rule, ops, priv);
		if (counts || !take_bits(ops, priv, masks, values))
			left[n_left++] = (struct call){ ops->match, priv };
	}
	rule->calls.at = c->calls.n;
	for (uint32_t i = 0; rc == 0 && i < n_left; i++)
		rc = add_call(c, &rule->calls, left[i].match, left[i].priv);
	free(left);
	return rc;
}

static int
add_rule(struct compiling *c, uint32_t i)
{
	const struct netfilter_rule_spec *spec = &c->spec->rules[i];
	struct place place = { c->spec->table, c->hooks[i], i, spec, c->nf };
	struct key *masks = &c->masks[i], *values = &c->values[i];
	struct rule *rule = &c->t->rules[i];
	int rc;

	rule->plain_calls.at = c->calls.n;
	rc = add_selector(c, &spec->selector, &rule->plain_calls, masks, values);
	if (rc == 0)
		rc = add_compares(c, masks, values, &rule->plain_compares);
	if (rc == 0)
		rc = add_matches(c, &place, rule, masks, values);
	if (rc == 0)
		rc = add_compares(c, masks, values, &rule->compares);
	return rc == 0 ? add_target(c, &place, rule) : rc;
}

/* ---- the table ---------------------------------------------------------------------------------- */

static void
start(struct compiling *c, struct netfilter *nf, const struct netfilter_table_spec *spec, struct table *t,
	struct error *err)
{
	*c = (struct compiling){ .spec = spec, .t = t, .nf = nf, .err = err };
	c->compares = (struct growing){ &t->compares, sizeof(*t->compares), 0, 0 };
	c->calls = (struct growing){ &t->calls, sizeof(*t->calls), 0, 0 };
	c->segments = (struct growing){ &t->segments, sizeof(*t->segments), 0, 0 };
	c->probes = (struct growing){ &t->probes, sizeof(*t->probes), 0, 0 };
	c->slots = (struct growing){ &t->slots, sizeof(*t->slots), 0, 0 };
	c->filters = (struct growing){ &t->filters, sizeof(*t->filters), 0, 0 };
	c->lists = (struct growing){ &t->lists, sizeof(*t->lists), 0, 0 };
	c->ranges = (struct growing){ &c->range_array, sizeof(*c->range_array), 0, 0 };
	c->rule_ranges = calloc(spec->n_rules, sizeof(*c->rule_ranges));
	c->privs = (struct growing){ &t->privs, sizeof(*t->privs), 0, 0 };
	c->sharers = (struct growing){ &t->sharers, sizeof(*t->sharers), 0, 0 };
	c->hooks = calloc(spec->n_rules, sizeof(*c->hooks));
	c->masks = calloc(spec->n_rules, sizeof(*c->masks));
	c->values = calloc(spec->n_rules, sizeof(*c->values));
	c->order = calloc(spec->n_rules, sizeof(*c->order));
	t->rules = calloc(spec->n_rules, sizeof(*t->rules));
}

static void
add_hooks(struct compiling *c)
{
	const struct netfilter_table_spec *spec = c->spec;

	for (unsigned int hook = 0; hook < NETFILTER_HOOKS; hook++)
		if ((netfilter_table_hooks(spec->table) & 1u << hook) != 0)
			c->t->hooks[hook] = (struct hook_chain){
				.present = true,
				.only_policy = spec->first[hook] == spec->policy[hook] &&
					       spec->rules[spec->policy[hook]].target.verdict == NETFILTER_ACCEPT,
				.first = spec->first[hook],
				.policy = spec->policy[hook],
			};
}

static void
find_hashed(struct table *t)
{
	for (unsigned int hook = 0; hook < NETFILTER_HOOKS; hook++) {
		struct hook_chain *chain = &t->hooks[hook];
		const struct segment *segment;

		if (!chain->present)
			continue;
		segment = &t->segments[t->rules[chain->first].segment];
		chain->hashed = segment->n_probes != 0 && t->lists[segment->loose.at] == chain->policy;
	}
}

static int
compile(struct compiling *c)
{
	int rc;

	if (c->hooks == NULL || c->masks == NULL || c->values == NULL || c->order == NULL || c->rule_ranges == NULL ||
		c->t->rules == NULL)
		return no_memory(c);
	rc = check_flow(c->spec, c->hooks, c->err);
	for (uint32_t i = 0; rc == 0 && i < c->spec->n_rules; i++)
		rc = add_rule(c, i);
	if (rc != 0)
		return rc;
	add_hooks(c);
	rc = add_segments(c);
	if (rc == 0)
		find_hashed(c->t);
	return rc;
}

int
compile_table(struct netfilter *nf, const struct netfilter_table_spec *spec, struct table **made, struct error *err)
{
	struct table *t = calloc(1, sizeof(*t));
	struct compiling c;
	int rc;

	if (t == NULL)
		return error_code(err, ENOMEM);
	t->id = spec->table;
	t->n_rules = spec->n_rules;
	start(&c, nf, spec, t, err);
	rc = compile(&c);
	t->n_privs = c.privs.n;
	t->n_sharers = c.sharers.n;
	free(c.hooks);
	free(c.masks);
	free(c.values);
	free(c.order);
	free(c.rule_ranges);
	free(c.range_array);
	if (rc != 0) {
		retire_table(t, nf);
		free_table(t);
	} else {
		*made = t;
	}
	return rc;
}

void
retire_table(struct table *t, struct netfilter *nf)
{
	for (uint32_t i = 0; i < t->n_sharers; i++)
		t->sharers[i].ops->retire(t->sharers[i].priv, nf);
}

void
free_table(struct table *t)
{
	for (uint32_t i = 0; i < t->n_sharers; i++)
		t->sharers[i].ops->destroy(t->sharers[i].priv);
	for (uint32_t i = 0; i < t->n_privs; i++)
		free(t->privs[i]);
	for (unsigned int i = 0; t->counters != NULL && i <= t->workers; i++)
		free(t->counters[i]);
	free(t->counters);
	free(t->origin);
	free(t->privs);
	free(t->sharers);
	free(t->lists);
	free(t->filters);
	free(t->slots);
	free(t->probes);
	free(t->segments);
	free(t->calls);
	free(t->compares);
	free(t->rules);
	free(t);
}
