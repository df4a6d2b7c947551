/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Compiling rules: a tuple space search (V. Srinivasan, S. Suri, G. Varghese, "Packet Classification using Tuple
 * Space Search",
 * SIGCOMM 1999). Rules of one shape are in one hash table; shapes are asked in order of their first rule until that
 * is behind the best found. A thousand rules `from A` thus cost one probe.
 */
#include "ruleset.h"

static inline uint64_t
mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 32;
}

static inline bool
masks_any(struct lpm_key mask)
{
	return (mask.hi | mask.lo) != 0;
}

struct fields {
	struct lpm_key src, dst;
	uint32_t mark, iif, oif;
	uint16_t sport, dport;
	uint8_t tos, ip_protocol;
};

static inline uint32_t
shape_hash(const struct shape *s, const struct fields *f)
{
	uint64_t hash = UINT64_C(0xc2b2ae3d27d4eb4f);

	if (masks_any(s->src_mask))
		hash = mix(mix(hash, f->src.hi & s->src_mask.hi), f->src.lo & s->src_mask.lo);
	if (masks_any(s->dst_mask))
		hash = mix(mix(hash, f->dst.hi & s->dst_mask.hi), f->dst.lo & s->dst_mask.lo);
	if (s->mark_mask != 0)
		hash = mix(hash, f->mark & s->mark_mask);
	if (s->iif || s->oif)
		hash = mix(hash, (uint64_t)(s->iif ? f->iif : 0) << 32 | (s->oif ? f->oif : 0));
	if (s->tos_mask != 0 || s->ip_protocol || s->sport || s->dport)
		hash = mix(hash, (uint64_t)(f->tos & s->tos_mask) << 40 |
					 (uint64_t)(s->ip_protocol ? f->ip_protocol : 0) << 32 |
					 (uint32_t)(s->sport ? f->sport : 0) << 16 | (s->dport ? f->dport : 0));
	return (uint32_t)(hash >> 20) & s->slot_mask;
}

static inline bool
port_in(uint16_t low, uint16_t high, uint16_t port)
{
	return (low == 0 && high == 0) || (port >= low && port <= high);
}

static inline bool
compiled_matches(const struct compiled_rule *r, const struct fields *f)
{
	bool matches =
		!r->never && ((f->src.hi ^ r->src.hi) & r->src_mask.hi) == 0 &&
		((f->src.lo ^ r->src.lo) & r->src_mask.lo) == 0 && ((f->dst.hi ^ r->dst.hi) & r->dst_mask.hi) == 0 &&
		((f->dst.lo ^ r->dst.lo) & r->dst_mask.lo) == 0 && ((f->mark ^ r->mark) & r->mark_mask) == 0 &&
		(r->iif == 0 || r->iif == f->iif) && (r->oif == 0 || r->oif == f->oif) &&
		((f->tos ^ r->tos) & r->tos_mask) == 0 && (r->ip_protocol == 0 || r->ip_protocol == f->ip_protocol) &&
		port_in(r->sport_low, r->sport_high, f->sport) && port_in(r->dport_low, r->dport_high, f->dport);

	return matches != r->invert;
}

/* The bucket's first match in [from, best), or best. */
static uint32_t
search_bucket(const struct ruleset *set, const uint32_t *candidates, uint32_t count, const struct fields *f,
	uint32_t from, uint32_t best)
{
	uint32_t low = 0, high = count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (candidates[middle] < from)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < count && candidates[low] < best; low++)
		if (compiled_matches(&set->rules[candidates[low]], f))
			return candidates[low];
	return best;
}

uint32_t
ruleset_find(const struct ruleset *set, const struct rib_key *key, uint32_t from)
{
	struct fields f = { .src = lpm_key(&key->src),
		.dst = lpm_key(&key->dst),
		.mark = key->mark,
		.iif = key->iif,
		.oif = key->oif,
		.sport = key->sport,
		.dport = key->dport,
		.tos = lookup_tos(key->family, key->dsfield),
		.ip_protocol = key->ip_protocol };
	uint32_t best = set->count;

	for (uint32_t i = 0; i < set->shape_count && set->shapes[i].first < best; i++) {
		const struct shape *s = &set->shapes[i];
		const struct bucket *b = &s->slots[shape_hash(s, &f)];

		if (b->count > 0)
			best = search_bucket(set, &s->candidates[b->first], b->count, &f, from, best);
	}
	return best;
}

static uint32_t
link_named(const struct rib *rib, const char *name)
{
	for (uint32_t i = 1; i < rib->link_limit; i++)
		if (rib->links[i] != NULL && strncmp(rib->links[i]->name, name, IF_NAMESIZE) == 0)
			return i;
	return 0;
}

static struct lpm_key
mask_of(uint8_t length)
{
	return key_mask((struct lpm_key){ UINT64_MAX, UINT64_MAX }, length);
}

static void
compile_rule(struct rib *rib, const struct rib_rule *rule, uint32_t index, struct compiled_rule *c)
{
	*c = (struct compiled_rule){
		.src_mask = mask_of(rule->src.length),
		.dst_mask = mask_of(rule->dst.length),
		.src = key_mask(lpm_key(&rule->src.addr), rule->src.length),
		.dst = key_mask(lpm_key(&rule->dst.addr), rule->dst.length),
		.mark = rule->mark & rule->mark_mask,
		.mark_mask = rule->mark_mask,
		.sport_low = rule->sport_low,
		.sport_high = rule->sport_high,
		.dport_low = rule->dport_low,
		.dport_high = rule->dport_high,
		.tos = rule->tos,
		.tos_mask = rule->tos == 0 ? 0 : UINT8_MAX,
		.ip_protocol = rule->ip_protocol,
		.invert = rule->invert,
		.never = rule->uid_set && rule->uid_low != 0,
		.action = rule->action,
		.next = index + 1,
		.suppress_prefix_length = rule->suppress_prefix_length,
		.realm = rule->realm,
	};
	if (rule->iif[0] != '\0') {
		c->iif = link_named(rib, rule->iif);
		c->never |= c->iif == 0;
	}
	if (rule->oif[0] != '\0') {
		c->oif = link_named(rib, rule->oif);
		c->never |= c->oif == 0;
	}
	if (rule->action == FR_ACT_TO_TBL)
		c->table = table_get(rib, rule->family, rule->table);
}

static struct shape
shape_of(const struct compiled_rule *c)
{
	/* An inverted rule matches where its selectors do not: only trying tells. */
	if (c->invert)
		return (struct shape){ 0 };
	return (struct shape){
		.src_mask = c->src_mask,
		.dst_mask = c->dst_mask,
		.mark_mask = c->mark_mask,
		.tos_mask = c->tos_mask,
		.iif = c->iif != 0,
		.oif = c->oif != 0,
		.ip_protocol = c->ip_protocol != 0,
		.sport = c->sport_low != 0 && c->sport_low == c->sport_high,
		.dport = c->dport_low != 0 && c->dport_low == c->dport_high,
	};
}

static bool
same_shape(const struct shape *a, const struct shape *b)
{
	return key_compare(a->src_mask, b->src_mask) == 0 && key_compare(a->dst_mask, b->dst_mask) == 0 &&
	       a->mark_mask == b->mark_mask && a->tos_mask == b->tos_mask && a->iif == b->iif && a->oif == b->oif &&
	       a->ip_protocol == b->ip_protocol && a->sport == b->sport && a->dport == b->dport;
}

static struct fields
fields_of(const struct compiled_rule *c)
{
	return (struct fields){ .src = c->src,
		.dst = c->dst,
		.mark = c->mark,
		.iif = c->iif,
		.oif = c->oif,
		.sport = c->sport_low,
		.dport = c->dport_low,
		.tos = c->tos,
		.ip_protocol = c->ip_protocol };
}

/* Fills the shape's hash table with its members, of which shape_of_rule tells. */
static void
fill_shape(const struct ruleset *set, struct shape *s, uint32_t shape, const uint32_t *shape_of_rule, uint32_t members)
{
	uint32_t slots = 1, place = 0;

	while (slots < members * 2 && masks_any(s->src_mask) + masks_any(s->dst_mask) + s->mark_mask + s->tos_mask +
						      s->iif + s->oif + s->ip_protocol + s->sport + s->dport !=
					      0)
		slots *= 2;
	s->slot_mask = slots - 1;
	s->slots = rib_zalloc(slots * sizeof(*s->slots));
	s->candidates = rib_zalloc(members * sizeof(*s->candidates));
	for (uint32_t i = s->first; i < set->count; i++) {
		struct fields f = fields_of(&set->rules[i]);

		if (shape_of_rule[i] == shape)
			s->slots[shape_hash(s, &f)].count++;
	}
	for (uint32_t i = 0; i < slots; i++) {
		s->slots[i].first = place;
		place += s->slots[i].count;
		s->slots[i].count = 0;
	}
	for (uint32_t i = s->first; i < set->count; i++) {
		struct fields f = fields_of(&set->rules[i]);

		if (shape_of_rule[i] == shape) {
			struct bucket *b = &s->slots[shape_hash(s, &f)];

			s->candidates[b->first + b->count++] = i;
		}
	}
}

static void
make_shapes(struct ruleset *set)
{
	uint32_t *shape_of_rule = rib_zalloc((set->count + 1) * sizeof(uint32_t));
	uint32_t *members = rib_zalloc((set->count + 1) * sizeof(uint32_t));

	set->shapes = rib_zalloc((set->count + 1) * sizeof(*set->shapes));
	for (uint32_t i = 0; i < set->count; i++) {
		struct shape shape = shape_of(&set->rules[i]);
		uint32_t k = 0;

		shape_of_rule[i] = UINT32_MAX;
		if (set->rules[i].never && !set->rules[i].invert)
			continue;
		while (k < set->shape_count && !same_shape(&set->shapes[k], &shape))
			k++;
		if (k == set->shape_count) {
			shape.first = i;
			set->shapes[set->shape_count++] = shape;
		}
		shape_of_rule[i] = k;
		members[k]++;
	}
	for (uint32_t k = 0; k < set->shape_count; k++)
		fill_shape(set, &set->shapes[k], k, shape_of_rule, members[k]);
	free(members);
	free(shape_of_rule);
}

static bool
takes_all(const struct compiled_rule *c)
{
	static const struct shape any;
	struct shape shape = shape_of(c);

	return c->action == FR_ACT_TO_TBL && !c->invert && !c->never && same_shape(&shape, &any) &&
	       c->sport_high == 0 && c->dport_high == 0;
}

struct ruleset *
ruleset_create(struct rib *rib, uint8_t family, struct rib_rule *const *list, uint32_t count)
{
	struct ruleset *set = rib_zalloc(sizeof(*set) + count * sizeof(set->rules[0]));
	const struct rules *rules = &rib->rules[family_index(family)];

	set->count = count;
	for (uint32_t i = 0; i < count; i++) {
		struct compiled_rule *c = &set->rules[i];

		compile_rule(rib, list[i], i, c);
		if (c->action == FR_ACT_GOTO) {
			uint32_t target = rules_find_priority(rules, list[i]->go_to);

			c->action = FR_ACT_NOP;
			c->next = target < count ? target : i + 1;
		}
	}
	while (set->leading < count && takes_all(&set->rules[set->leading]))
		set->leading++;
	make_shapes(set);
	return set;
}

void
ruleset_free(void *arg)
{
	struct ruleset *set = arg;

	for (uint32_t i = 0; i < set->shape_count; i++) {
		free(set->shapes[i].slots);
		free(set->shapes[i].candidates);
	}
	free(set->shapes);
	free(set);
}
