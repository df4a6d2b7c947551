/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference of flow, tc-flow(8). What a hash makes of its keys is its own affair: equal keys must give one class
 * while it stays, and no class may be outside of the divisor.
 */
#include <errno.h>
#include <string.h>

#include <weir/filter/flow.h>

#include "ematches.h"

#define SEEN_MAX 64

struct own {
	struct random_ematches matches;
	struct flow_conf conf;
	struct flow_settings settings; /* that it has in the end */
	/* of hash: what came of keys */
	struct seen {
		uint32_t values[FLOW_KEY_MAX + 1], classid;
	} seen[SEEN_MAX];
	unsigned int n_seen;
	uint64_t seen_at;
};

static uint32_t
fold(const uint8_t *address)
{
	uint32_t word = 0;

	for (unsigned int i = 0; i < 16; i++)
		word ^= (uint32_t)address[i] << 8 * (3 - i % 4);
	return word;
}

static uint32_t
value_of(uint32_t key, const struct plain_packet *p)
{
	struct plain_headers h;

	plain_headers_read(p, &h);
	switch (key) {
	case FLOW_KEY_SRC:
		return fold(h.source);
	case FLOW_KEY_DST:
		return fold(h.destination);
	case FLOW_KEY_PROTO:
		return h.ip_proto;
	case FLOW_KEY_PROTO_SRC:
		return h.source_port;
	case FLOW_KEY_PROTO_DST:
		return h.destination_port;
	case FLOW_KEY_IIF:
		return p->pkt.in_port;
	case FLOW_KEY_PRIORITY:
		return p->pkt.priority;
	case FLOW_KEY_MARK:
		return p->pkt.mark;
	case FLOW_KEY_RTCLASSID:
		return p->pkt.realm;
	case FLOW_KEY_VLAN_TAG:
		return h.tag[0] & 0xfff;
	default:
		return 0;
	}
}

static const uint32_t keys[] = { FLOW_KEY_SRC, FLOW_KEY_DST, FLOW_KEY_PROTO, FLOW_KEY_PROTO_SRC, FLOW_KEY_PROTO_DST,
	FLOW_KEY_IIF, FLOW_KEY_PRIORITY, FLOW_KEY_MARK, FLOW_KEY_RTCLASSID, FLOW_KEY_VLAN_TAG };

static void
draw(struct random_group *g, struct random_filter *f, const struct random_filter *old, const struct plain_packet *like)
{
	static const uint32_t masks[] = { UINT32_MAX, 0xff, 0xffff, 7, 0xff00 },
			      divisors[] = { 0, 1, 2, 3, 10, 1024, 65537, UINT32_MAX };
	struct own *own = f->own;
	struct flow_settings *s = &own->conf.settings;

	random_ematches_draw(&own->matches, like, one_in(4) ? 0 : 3);
	own->conf.has = FLOW_HAS_KEYS | FLOW_HAS_MODE | FLOW_HAS_MASK | FLOW_HAS_XOR | FLOW_HAS_RSHIFT |
			FLOW_HAS_ADDEND | FLOW_HAS_DIVISOR | FLOW_HAS_BASECLASS;
	s->mode = one_in(3) ? FLOW_MODE_HASH : FLOW_MODE_MAP;
	s->keys = 1u << keys[below(RTE_DIM(keys))];
	while (s->mode == FLOW_MODE_HASH && !one_in(3))
		s->keys |= 1u << keys[below(RTE_DIM(keys))];
	s->mask = masks[below(5)];
	s->xor = one_in(3) ? below(256) : 0;
	s->rshift = one_in(3) ? below(32) : 0;
	s->addend = one_in(3) ? (one_in(2) ? below(100) : UINT32_MAX) : 0;
	s->divisor = divisors[below(8)];
	s->baseclass = one_in(3) ? 0 : one_in(2) ? 5 : 0x20000 | below(100);
	s->perturb_s = below(4);
	if (s->mode == FLOW_MODE_HASH && one_in(2))
		own->conf.has |= FLOW_HAS_PERTURB;
	if (old == NULL)
		f->handle = 1 + below(60);
}

/* What a change does not say is as it was. */
static int
settle(struct random_group *g, struct random_filter *f, const struct random_filter *old)
{
	struct own *own = f->own;
	struct flow_settings *s = &own->settings;

	for (unsigned int i = 0; old == NULL && i < g->n; i++)
		if (g->filters[i].handle == f->handle)
			return EEXIST;
	*s = own->conf.settings;
	if (old != NULL) {
		const struct flow_settings *before = &((const struct own *)old->own)->settings;

		if (one_in(2)) {
			own->conf.has &= FLOW_HAS_KEYS | FLOW_HAS_MODE | FLOW_HAS_PERTURB;
			s->mask = before->mask;
			s->xor = before->xor ;
			s->rshift = before->rshift;
			s->addend = before->addend;
			s->divisor = before->divisor;
			s->baseclass = before->baseclass;
		}
	}
	if ((own->conf.has & FLOW_HAS_PERTURB) == 0)
		s->perturb_s = old != NULL ? ((const struct own *)old->own)->settings.perturb_s : 0;
	if (s->mode == FLOW_MODE_MAP)
		s->perturb_s = 0;
	return 0;
}

static const void *
conf(struct random_filter *f, const struct action_spec *actions, unsigned int n)
{
	struct own *own = f->own;

	own->conf.matches = own->matches.list;
	own->conf.n_matches = own->matches.n;
	own->conf.actions = actions;
	own->conf.n_actions = n;
	return &own->conf;
}

/* The class that is so far behind the first one: `baseclass`, or 1 of the qdisc. */
static uint32_t
class_at(const struct random_group *g, const struct flow_settings *s, uint32_t distance)
{
	uint32_t major = s->baseclass >> 16, minor = s->baseclass & 0xffff;

	if (major == 0)
		major = g->qdisc >> 16;
	if (minor == 0)
		minor = 1;
	return major << 16 | ((minor + distance) & 0xffff);
}

static uint32_t
mapped(const struct flow_settings *s, const struct plain_packet *p)
{
	uint32_t value = value_of((uint32_t)__builtin_ctz(s->keys), p);

	value = (((value & s->mask) ^ s->xor) >> s->rshift) + s->addend;
	return s->divisor != 0 ? value % s->divisor : value;
}

static bool
check_hashed(const struct random_filter *f, const struct plain_packet *p, uint32_t classid)
{
	struct own *own = f->own;
	const struct flow_settings *s = &own->settings;
	const struct random_group qdisc = { .qdisc = 0x10000 };
	uint32_t first = class_at(&qdisc, s, 0);
	struct seen now = { .classid = classid };

	if (classid >> 16 != first >> 16 || (s->divisor != 0 && ((classid - first) & 0xffff) >= s->divisor))
		return false;
	for (unsigned int i = 0; i < RTE_DIM(keys); i++)
		if ((s->keys & 1u << keys[i]) != 0)
			now.values[keys[i]] = value_of(keys[i], p);
	if (s->perturb_s != 0 && own->seen_at != p->now)
		own->n_seen = 0; /* it may be another hash now */
	own->seen_at = p->now;
	for (unsigned int i = 0; i < own->n_seen; i++)
		if (memcmp(own->seen[i].values, now.values, sizeof(now.values)) == 0)
			return own->seen[i].classid == classid;
	if (own->n_seen < SEEN_MAX)
		own->seen[own->n_seen++] = now;
	return true;
}

static void
ask(struct random_group *g, struct plain_packet *p, struct plain_answer *answer)
{
	for (unsigned int i = 0; i < g->n; i++) {
		struct random_filter *f = &g->filters[i];
		const struct own *own = f->own;
		const struct flow_settings *s = &own->settings;
		uint32_t classid;

		if (!plain_ematches(&own->matches, p))
			continue;
		classid = s->mode == FLOW_MODE_MAP ? class_at(g, s, mapped(s, p)) : 0;
		answer->pkt = p->pkt;
		plain_decide(f, p, answer);
		answer->classid = classid;
		if (answer->action == TC_ACT_UNSPEC)
			continue;
		if (s->mode == FLOW_MODE_HASH) {
			answer->check = check_hashed;
			answer->checked = f;
		}
		return;
	}
}

const struct random_kind random_flow = { .name = "flow",
	.own_size = sizeof(struct own),
	.filters_max = 12,
	.draw = draw,
	.conf = conf,
	.settle = settle,
	.ask = ask,
	.actions = flow_actions };
