/* SPDX-License-Identifier: BSD-3-Clause */
/* The reference of flower, tc-flower(8). */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <arpa/inet.h>

#include <weir/filter/flower.h>

#include "random.h"

struct own {
	struct flower_conf conf;
	uint64_t mask_serial; /* filters that look at the same bits: they are asked in the order in which these came */
};

/* What flower is to compare, from headers that were read plainly. */
static union flower_key
key_of(const struct plain_packet *p)
{
	struct plain_headers h;
	union flower_key key;

	plain_headers_read(p, &h);
	memset(&key, 0, sizeof(key));
	memcpy(key.source, h.source, 16);
	memcpy(key.destination, h.destination, 16);
	memcpy(key.to, h.to, 6);
	memcpy(key.from, h.from, 6);
	key.source_port = htons((uint16_t)h.source_port);
	key.destination_port = htons((uint16_t)h.destination_port);
	key.eth_type = htons((uint16_t)h.eth_type);
	key.ip_proto = (uint8_t)h.ip_proto;
	key.ip_flags = (uint8_t)((h.fragment ? TCA_FLOWER_KEY_FLAGS_IS_FRAGMENT : 0) |
				 (h.first_fragment ? TCA_FLOWER_KEY_FLAGS_FRAG_IS_FIRST : 0) |
				 (h.has_ip ? FLOWER_HAS_ADDRESSES : 0));
	key.tcp_flags = htons((uint16_t)h.tcp_flags);
	key.tos = (uint8_t)h.tos;
	key.ttl = (uint8_t)h.ttl;
	key.icmp_type = (uint8_t)h.icmp_type;
	key.icmp_code = (uint8_t)h.icmp_code;
	key.arp_op = (uint8_t)h.arp_op;
	key.n_tags = (uint8_t)h.tags;
	key.tag = htons((uint16_t)h.tag[0]);
	key.inner_tag = htons((uint16_t)h.tag[1]);
	key.tag_type = htons((uint16_t)h.tag_type[0]);
	key.inner_tag_type = htons((uint16_t)h.tag_type[1]);
	key.in_port = p->pkt.in_port;
	memcpy(&key.arp_source, h.arp_source, 4);
	memcpy(&key.arp_destination, h.arp_destination, 4);
	memcpy(key.arp_from, h.arp_from, 6);
	memcpy(key.arp_to, h.arp_to, 6);
	return key;
}

#define FIELD(name)                                                                                                    \
	{                                                                                                              \
		offsetof(union flower_key, name), sizeof(((union flower_key *)NULL)->name)                             \
	}
static const struct {
	size_t at, bytes;
} fields[] = { FIELD(source), FIELD(destination), FIELD(source_port), FIELD(destination_port), FIELD(eth_type),
	FIELD(ip_proto), FIELD(ip_flags), FIELD(tcp_flags), FIELD(tos), FIELD(ttl), FIELD(icmp_type), FIELD(icmp_code),
	FIELD(arp_op), FIELD(n_tags), FIELD(to), FIELD(tag), FIELD(from), FIELD(inner_tag), FIELD(tag_type),
	FIELD(inner_tag_type), FIELD(in_port), FIELD(arp_source), FIELD(arp_destination), FIELD(arp_from),
	FIELD(arp_to) };

static bool
has_range(const struct flower_conf *conf, unsigned int end)
{
	return conf->ports[end].most != 0;
}

/* An end's port is asked for by its number or by a range. */
static void
draw_range(struct flower_conf *conf, unsigned int end, const union flower_key *like)
{
	uint16_t port = ntohs(end == FLOWER_SOURCE ? like->source_port : like->destination_port);
	uint16_t least = (uint16_t)below(port + 1u);

	conf->ports[end] = (struct flower_ports){ least, (uint16_t)(port + below(UINT16_MAX - port + 1u)) };
	if (conf->ports[end].most == 0)
		conf->ports[end].most = 1;
	if (end == FLOWER_SOURCE)
		conf->mask.source_port = 0;
	else
		conf->mask.destination_port = 0;
}

static void
draw(struct random_group *g, struct random_filter *f, const struct random_filter *old, const struct plain_packet *like)
{
	struct own *own = f->own;
	struct flower_conf *conf = &own->conf;
	union flower_key key = key_of(like);

	key.in_port = 1 + below(3);
	for (unsigned int n = below(4); n > 0; n--) {
		unsigned int i = below(RTE_DIM(fields));

		for (size_t b = 0; b < fields[i].bytes; b++)
			conf->mask.bytes[fields[i].at + b] = one_in(8) ? (uint8_t)below(256) : 0xff;
	}
	if (one_in(6))
		draw_range(conf, FLOWER_SOURCE, &key);
	if (one_in(5))
		draw_range(conf, FLOWER_DESTINATION, &key);
	if (old != NULL && !one_in(8)) { /* a change must ask for the same fields */
		const struct flower_conf *before = &((const struct own *)old->own)->conf;

		conf->mask = before->mask;
		for (unsigned int end = 0; end < FLOWER_ENDS; end++) {
			conf->ports[end] = before->ports[end];
			if (has_range(before, end) && one_in(2))
				draw_range(conf, end, &key);
		}
	}
	conf->classid = f->classid;
	conf->key = key;
	if (one_in(10))
		conf->key.bytes[below(sizeof(key))] ^= 1;
}

static bool
looks_at_the_same(const struct flower_conf *a, const struct flower_conf *b)
{
	return memcmp(&a->mask, &b->mask, sizeof(a->mask)) == 0 && has_range(a, 0) == has_range(b, 0) &&
	       has_range(a, 1) == has_range(b, 1);
}

static bool
asks_the_same(const struct flower_conf *a, const struct flower_conf *b)
{
	for (size_t i = 0; i < sizeof(a->key); i++)
		if (((a->key.bytes[i] ^ b->key.bytes[i]) & a->mask.bytes[i]) != 0)
			return false;
	return memcmp(a->ports, b->ports, sizeof(a->ports)) == 0;
}

/* Masks in the order in which they came, filters of one mask likewise. */
static int
settle(struct random_group *g, struct random_filter *f, const struct random_filter *old)
{
	struct own *own = f->own;

	own->mask_serial = ++g->own[0];
	for (unsigned int i = 0; i < g->n; i++) {
		const struct own *other = g->filters[i].own;

		if (&g->filters[i] == old || !looks_at_the_same(&own->conf, &other->conf))
			continue;
		own->mask_serial = other->mask_serial;
		if (asks_the_same(&own->conf, &other->conf)) {
			if (old == NULL)
				return EEXIST;
			/* Who wins of two that are made equal is nobody's business. */
			own->conf = ((const struct own *)old->own)->conf;
			own->conf.classid = f->classid;
		}
	}
	if (old == NULL) {
		f->order |= own->mask_serial << 32;
		return 0;
	}
	if (!looks_at_the_same(&own->conf, &((const struct own *)old->own)->conf))
		return EINVAL;
	own->mask_serial = ((const struct own *)old->own)->mask_serial;
	return 0;
}

static const void *
conf(struct random_filter *f, const struct action_spec *actions, unsigned int n)
{
	struct own *own = f->own;

	own->conf.actions = actions;
	own->conf.n_actions = n;
	return &own->conf;
}

static bool
matches(const struct flower_conf *conf, const union flower_key *key)
{
	const uint16_t ports[FLOWER_ENDS] = { ntohs(key->source_port), ntohs(key->destination_port) };

	for (size_t i = 0; i < sizeof(key->bytes); i++)
		if (((conf->key.bytes[i] ^ key->bytes[i]) & conf->mask.bytes[i]) != 0)
			return false;
	for (unsigned int end = 0; end < FLOWER_ENDS; end++)
		if (has_range(conf, end) && (ports[end] < conf->ports[end].least || ports[end] > conf->ports[end].most))
			return false;
	return true;
}

/* The first that matches decides, even if it says continue: then another preference is asked. */
static void
ask(struct random_group *g, struct plain_packet *p, struct plain_answer *answer)
{
	union flower_key key = key_of(p);

	for (unsigned int i = 0; i < g->n; i++)
		if (matches(&((const struct own *)g->filters[i].own)->conf, &key)) {
			plain_decide(&g->filters[i], p, answer);
			return;
		}
}

const struct random_kind random_flower = { .name = "flower",
	.own_size = sizeof(struct own),
	.filters_max = RANDOM_FILTERS_MAX,
	.draw = draw,
	.conf = conf,
	.settle = settle,
	.ask = ask,
	.actions = flower_actions };
