/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A table walked the obvious way: rule by rule, field by field, from the description and the packet's bytes alone;
 * checksums are computed anew. What the compiled table must agree with.
 */
#ifndef WEIR_TEST_NAIVE_NETFILTER_H
#define WEIR_TEST_NAIVE_NETFILTER_H

#include "netfilter_support.h"

#define NAIVE_FRAME_MAX 2048

struct naive_packet {
	uint8_t frame[NAIVE_FRAME_MAX]; /* the IP header at 14 */
	uint32_t bytes;
	uint32_t mark, priority;
};

/* What matches remember: by rule and match. */
struct naive_state {
	uint64_t tokens, stamp; /* limit: ns */
	uint32_t count; /* statistic */
	bool used;
};

struct naive_table {
	const struct netfilter_table_spec *spec;
	struct naive_state (*states)[4]; /* [rules] */
	struct netfilter_counter *counters; /* [rules] */
	uint64_t random;
	uint64_t now;
	const char *in, *out;
	bool drop; /* a match has said so */
};

static inline uint8_t *
naive_ip(struct naive_packet *p)
{
	return p->frame + 14;
}

static inline uint32_t
naive_length(struct naive_packet *p)
{
	return p->bytes - 14;
}

static inline uint32_t
naive_header(struct naive_packet *p)
{
	return (naive_ip(p)[0] & 15) * 4u;
}

static inline uint32_t
naive_offset(struct naive_packet *p)
{
	return (naive_ip(p)[6] & 31u) << 8 | naive_ip(p)[7];
}

static inline void
naive_put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline uint32_t
naive_get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static inline void
naive_fix_ip_sum(struct naive_packet *p)
{
	naive_put16(naive_ip(p) + 10, 0);
	naive_put16(naive_ip(p) + 10, (uint16_t)~sum_of(naive_ip(p), naive_header(p), 0));
}

static inline void
naive_fix_tcp_sum(struct naive_packet *p)
{
	uint8_t *tcp = naive_ip(p) + naive_header(p);

	naive_put16(tcp + 16, 0);
	naive_put16(tcp + 16, (uint16_t)~transport_sum(naive_ip(p)));
}

static inline uint32_t
naive_random(struct naive_table *t)
{
	t->random ^= t->random >> 12;
	t->random ^= t->random << 25;
	t->random ^= t->random >> 27;
	return (uint32_t)((t->random * UINT64_C(0x2545f4914f6cdd1d)) >> 32);
}

/* ---- selectors and matches ---------------------------------------------------------------------- */

static inline bool
naive_name(const char *name, const char *wanted, const uint8_t *mask)
{
	for (unsigned int i = 0; i < IF_NAMESIZE; i++) {
		char c = i < strlen(name) ? name[i] : '\0';

		if (((c ^ wanted[i]) & mask[i]) != 0)
			return false;
	}
	return true;
}

static inline bool
naive_selects(struct naive_table *t, const struct netfilter_selector *s, struct naive_packet *p)
{
	uint32_t src, dst;

	memcpy(&src, naive_ip(p) + 12, 4);
	memcpy(&dst, naive_ip(p) + 16, 4);
	if (((src & s->src_mask) == s->src) == ((s->invert & NETFILTER_NOT_SRC) != 0))
		return false;
	if (((dst & s->dst_mask) == s->dst) == ((s->invert & NETFILTER_NOT_DST) != 0))
		return false;
	if (naive_name(t->in, s->in, s->in_mask) == ((s->invert & NETFILTER_NOT_IN) != 0))
		return false;
	if (naive_name(t->out, s->out, s->out_mask) == ((s->invert & NETFILTER_NOT_OUT) != 0))
		return false;
	if (s->protocol != 0 && (naive_ip(p)[9] == s->protocol) == ((s->invert & NETFILTER_NOT_PROTOCOL) != 0))
		return false;
	return !s->fragment || (naive_offset(p) != 0) != ((s->invert & NETFILTER_NOT_FRAGMENT) != 0);
}

static inline bool
naive_in(uint32_t value, uint32_t min, uint32_t max)
{
	return value >= min && value <= max;
}

/* The transport's header, if so many bytes of it are there. Else the match fails, and a whole datagram is dropped. */
static inline const uint8_t *
naive_transport(struct naive_table *t, struct naive_packet *p, uint32_t wanted)
{
	if (naive_offset(p) != 0) {
		t->drop |= naive_offset(p) == 1 && naive_ip(p)[9] == IPPROTO_TCP && wanted == 20;
		return NULL;
	}
	if (naive_length(p) < naive_header(p) + wanted) {
		t->drop = true;
		return NULL;
	}
	return naive_ip(p) + naive_header(p);
}

static inline bool
naive_tcp_option(struct naive_table *t, struct naive_packet *p, const uint8_t *tcp, uint8_t kind)
{
	uint32_t header = (tcp[12] >> 4) * 4u;

	if (header < 20 || naive_length(p) < naive_header(p) + header) {
		t->drop = true;
		return false;
	}
	for (uint32_t i = 20; i < header;) {
		if (tcp[i] == kind)
			return true;
		if (tcp[i] < 2 || i + 1 == header || tcp[i + 1] == 0)
			i++;
		else
			i += tcp[i + 1];
	}
	return false;
}

static inline bool
naive_tcp(struct naive_table *t, const struct netfilter_tcp_conf *c, struct naive_packet *p)
{
	const uint8_t *tcp = naive_transport(t, p, 20);

	if (tcp == NULL)
		return false;
	if (naive_in(naive_get16(tcp), c->sport.min, c->sport.max) == !!(c->invert & NETFILTER_TCP_NOT_SPORT))
		return false;
	if (naive_in(naive_get16(tcp + 2), c->dport.min, c->dport.max) == !!(c->invert & NETFILTER_TCP_NOT_DPORT))
		return false;
	if (((tcp[13] & c->flags_mask) == c->flags) == !!(c->invert & NETFILTER_TCP_NOT_FLAGS))
		return false;
	if (c->option == 0)
		return true;
	return naive_tcp_option(t, p, tcp, c->option) != !!(c->invert & NETFILTER_TCP_NOT_OPTION);
}

static inline bool
naive_udp(struct naive_table *t, const struct netfilter_udp_conf *c, struct naive_packet *p)
{
	const uint8_t *udp = naive_transport(t, p, 8);

	return udp != NULL &&
	       naive_in(naive_get16(udp), c->sport.min, c->sport.max) != !!(c->invert & NETFILTER_UDP_NOT_SPORT) &&
	       naive_in(naive_get16(udp + 2), c->dport.min, c->dport.max) != !!(c->invert & NETFILTER_UDP_NOT_DPORT);
}

static inline bool
naive_icmp(struct naive_table *t, const struct netfilter_icmp_conf *c, struct naive_packet *p)
{
	const uint8_t *icmp = naive_transport(t, p, 8);

	if (icmp == NULL)
		return false;
	return (c->type == 255 || (icmp[0] == c->type && naive_in(icmp[1], c->code_min, c->code_max))) != c->invert;
}

static inline bool
naive_multiport(struct naive_table *t, const struct netfilter_multiport_conf *c, struct naive_packet *p)
{
	const uint8_t *ports = naive_transport(t, p, 4);
	bool found = false;

	if (ports == NULL)
		return false;
	for (unsigned int i = 0; i < c->n; i++) {
		bool source = naive_in(naive_get16(ports), c->ports[i].min, c->ports[i].max);
		bool destination = naive_in(naive_get16(ports + 2), c->ports[i].min, c->ports[i].max);

		found |= c->side == NETFILTER_MULTIPORT_SOURCE        ? source
			 : c->side == NETFILTER_MULTIPORT_DESTINATION ? destination
								      : source || destination;
	}
	return found != c->invert;
}

static inline bool
naive_iprange(const struct netfilter_iprange_conf *c, struct naive_packet *p)
{
	uint32_t src, dst;

	memcpy(&src, naive_ip(p) + 12, 4);
	memcpy(&dst, naive_ip(p) + 16, 4);
	if (c->has_src && naive_in(ntohl(src), c->src_min, c->src_max) == c->not_src)
		return false;
	return !c->has_dst || naive_in(ntohl(dst), c->dst_min, c->dst_max) != c->not_dst;
}

static inline bool
naive_limit(struct naive_table *t, const struct netfilter_limit_conf *c, struct naive_state *state)
{
	uint64_t interval = (uint64_t)c->average * 100000, depth = interval * c->burst;

	if (!state->used)
		*state = (struct naive_state){ .tokens = depth, .stamp = t->now, .used = true };
	state->tokens += t->now - state->stamp;
	state->tokens = state->tokens > depth ? depth : state->tokens;
	state->stamp = t->now;
	if (state->tokens < interval)
		return false;
	state->tokens -= interval;
	return true;
}

static inline bool
naive_statistic(struct naive_table *t, const struct netfilter_statistic_conf *c, struct naive_state *state)
{
	bool turn;

	if (c->mode == NETFILTER_STATISTIC_RANDOM)
		return (naive_random(t) >> 1 < c->probability) != c->invert;
	if (!state->used)
		*state = (struct naive_state){ .count = c->count, .used = true };
	turn = ++state->count == c->every;
	if (turn)
		state->count = 0;
	return turn != c->invert;
}

static inline bool
naive_u32(const struct netfilter_u32_conf *c, struct naive_packet *p)
{
	for (unsigned int i = 0; i < c->n; i++) {
		const struct netfilter_u32_test *test = &c->tests[i];
		uint64_t start = 0, at = test->locations[0].number;
		bool member = false, read = true;
		uint32_t word = 0;

		for (unsigned int k = 0; k < test->n_locations; k++) {
			uint32_t number = test->locations[k].number;

			if (k != 0 && test->locations[k].op == NETFILTER_U32_AND)
				word &= number;
			else if (k != 0 && test->locations[k].op == NETFILTER_U32_LEFT)
				word = number < 32 ? word << number : 0;
			else if (k != 0 && test->locations[k].op == NETFILTER_U32_RIGHT)
				word = number < 32 ? word >> number : 0;
			else {
				if (k != 0) {
					start += word;
					at = start + number;
				}
				read = read && at + 4 <= naive_length(p);
				word = read ? naive_get16(naive_ip(p) + at) << 16 | naive_get16(naive_ip(p) + at + 2)
					    : 0;
			}
			if (!read)
				break;
		}
		for (unsigned int k = 0; read && k < test->n_values; k++)
			member |= naive_in(word, test->values[k].min, test->values[k].max);
		if (!member)
			return c->invert;
	}
	return !c->invert;
}

static inline bool
naive_field(const char *kind, const void *conf, struct naive_packet *p)
{
	uint8_t tos = naive_ip(p)[1], ttl = naive_ip(p)[8];

	if (strcmp(kind, "mark") == 0) {
		const struct netfilter_mark_conf *c = conf;

		return ((p->mark & c->mask) == c->mark) != c->invert;
	}
	if (strcmp(kind, "length") == 0) {
		const struct netfilter_length_conf *c = conf;

		return naive_in(naive_length(p), c->min, c->max) != c->invert;
	}
	if (strcmp(kind, "ttl") == 0) {
		const struct netfilter_ttl_conf *c = conf;

		return c->mode == NETFILTER_TTL_EQ   ? ttl == c->ttl
		       : c->mode == NETFILTER_TTL_NE ? ttl != c->ttl
		       : c->mode == NETFILTER_TTL_LT ? ttl < c->ttl
						     : ttl > c->ttl;
	}
	if (strcmp(kind, "tos") == 0) {
		const struct netfilter_tos_conf *c = conf;

		return ((tos & c->mask) == c->value) != c->invert;
	}
	if (strcmp(kind, "dscp") == 0) {
		const struct netfilter_dscp_conf *c = conf;

		return (tos >> 2 == c->dscp) != c->invert;
	}
	fail_msg("no match %s", kind);
	return false;
}

static inline bool
naive_match(
	struct naive_table *t, const struct netfilter_match_spec *m, struct naive_state *state, struct naive_packet *p)
{
	if (strcmp(m->kind, "tcp") == 0)
		return naive_tcp(t, m->conf, p);
	if (strcmp(m->kind, "udp") == 0)
		return naive_udp(t, m->conf, p);
	if (strcmp(m->kind, "icmp") == 0)
		return naive_icmp(t, m->conf, p);
	if (strcmp(m->kind, "multiport") == 0)
		return naive_multiport(t, m->conf, p);
	if (strcmp(m->kind, "iprange") == 0)
		return naive_iprange(m->conf, p);
	if (strcmp(m->kind, "limit") == 0)
		return naive_limit(t, m->conf, state);
	if (strcmp(m->kind, "statistic") == 0)
		return naive_statistic(t, m->conf, state);
	if (strcmp(m->kind, "u32") == 0)
		return naive_u32(m->conf, p);
	return strcmp(m->kind, "comment") == 0 || naive_field(m->kind, m->conf, p);
}

static inline bool
naive_holds(struct naive_table *t, uint32_t rule, struct naive_packet *p)
{
	const struct netfilter_rule_spec *spec = &t->spec->rules[rule];

	if (!naive_selects(t, &spec->selector, p))
		return false;
	for (uint32_t i = 0; i < spec->n_matches; i++)
		if (!naive_match(t, &spec->matches[i], &t->states[rule][i], p) || t->drop)
			return false;
	return true;
}

/* ---- targets ------------------------------------------------------------------------------------ */

static inline enum netfilter_verdict
naive_tcpmss(const struct netfilter_tcpmss_conf *c, struct naive_packet *p)
{
	uint8_t *tcp = naive_ip(p) + naive_header(p);
	uint32_t length = naive_length(p) - naive_header(p), header, at;

	if (naive_offset(p) != 0)
		return NETFILTER_CONTINUE;
	header = length >= 20 ? (tcp[12] >> 4) * 4u : 0;
	if (header < 20 || header > length)
		return NETFILTER_DROP;
	for (at = 20; at + 4 <= header; at += tcp[at] < 2 || tcp[at + 1] == 0 ? 1 : tcp[at + 1])
		if (tcp[at] == 2 && tcp[at + 1] == 4) {
			if (naive_get16(tcp + at + 2) > c->mss)
				naive_put16(tcp + at + 2, c->mss);
			naive_fix_tcp_sum(p);
			return NETFILTER_CONTINUE;
		}
	if (length > header || header == 60)
		return NETFILTER_CONTINUE;
	memmove(tcp + 24, tcp + 20, header - 20);
	tcp[20] = 2;
	tcp[21] = 4;
	naive_put16(tcp + 22, c->mss < 536 ? c->mss : 536);
	tcp[12] = (uint8_t)(tcp[12] + 0x10);
	p->bytes += 4;
	naive_put16(naive_ip(p) + 2, naive_length(p));
	naive_fix_ip_sum(p);
	naive_fix_tcp_sum(p);
	return NETFILTER_CONTINUE;
}

static inline void
naive_ecn(const struct netfilter_ecn_conf *c, struct naive_packet *p)
{
	uint8_t *tcp = naive_ip(p) + naive_header(p);

	if (c->set_ect)
		naive_ip(p)[1] = (uint8_t)((naive_ip(p)[1] & 0xfc) | c->ect);
	if (naive_offset(p) != 0 || (!c->set_ece && !c->set_cwr) || naive_length(p) < naive_header(p) + 20)
		return;
	if (c->set_ece)
		tcp[13] = (uint8_t)((tcp[13] & ~0x40) | (c->ece ? 0x40 : 0));
	if (c->set_cwr)
		tcp[13] = (uint8_t)((tcp[13] & ~0x80) | (c->cwr ? 0x80 : 0));
	naive_fix_tcp_sum(p);
}

static inline enum netfilter_verdict
naive_target(const struct netfilter_target_spec *target, struct naive_packet *p)
{
	uint8_t *tos = naive_ip(p) + 1, *ttl = naive_ip(p) + 8;
	enum netfilter_verdict verdict = NETFILTER_CONTINUE;

	if (strcmp(target->kind, "MARK") == 0) {
		const struct netfilter_mark_target_conf *c = target->conf;

		p->mark = (p->mark & ~c->mask) ^ c->mark;
	} else if (strcmp(target->kind, "CLASSIFY") == 0) {
		p->priority = ((const struct netfilter_classify_conf *)target->conf)->priority;
	} else if (strcmp(target->kind, "TOS") == 0) {
		const struct netfilter_tos_target_conf *c = target->conf;

		*tos = (uint8_t)((*tos & ~c->mask) ^ c->value);
	} else if (strcmp(target->kind, "DSCP") == 0) {
		*tos = (uint8_t)((*tos & 3) | ((const struct netfilter_dscp_target_conf *)target->conf)->dscp << 2);
	} else if (strcmp(target->kind, "TTL") == 0) {
		const struct netfilter_ttl_target_conf *c = target->conf;
		int moved = c->mode == NETFILTER_TTL_SET   ? c->ttl
			    : c->mode == NETFILTER_TTL_INC ? *ttl + c->ttl
							   : *ttl - c->ttl;

		*ttl = (uint8_t)(moved < 0 ? 0 : moved > 255 ? 255 : moved);
	} else if (strcmp(target->kind, "ECN") == 0) {
		naive_ecn(target->conf, p);
	} else if (strcmp(target->kind, "TCPMSS") == 0) {
		verdict = naive_tcpmss(target->conf, p);
	} else {
		fail_msg("no target %s", target->kind);
	}
	naive_fix_ip_sum(p);
	return verdict;
}

/* May it go on? */
static inline bool
naive_passes(struct naive_table *t, enum netfilter_hook hook, struct naive_packet *p)
{
	uint32_t stack[NETFILTER_DEPTH_MAX], depth = 0, i = t->spec->first[hook];

	t->drop = false;
	for (;;) {
		const struct netfilter_target_spec *target = &t->spec->rules[i].target;
		enum netfilter_verdict verdict = target->verdict;
		bool holds = naive_holds(t, i, p);

		if (t->drop)
			return false;
		if (!holds) {
			i++;
			continue;
		}
		t->counters[i].packets++;
		t->counters[i].bytes += naive_length(p);
		if (verdict == NETFILTER_EXTENSION)
			verdict = naive_target(target, p);
		switch (verdict) {
		case NETFILTER_ACCEPT:
			return true;
		case NETFILTER_CONTINUE:
			i++;
			break;
		case NETFILTER_RETURN:
			i = depth != 0 ? stack[--depth] : t->spec->policy[hook];
			break;
		case NETFILTER_JUMP:
			stack[depth++] = i + 1;
			i = target->rule;
			break;
		case NETFILTER_GOTO:
			i = target->rule;
			break;
		default:
			return false;
		}
	}
}

#endif
