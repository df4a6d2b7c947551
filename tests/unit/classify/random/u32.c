/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference of u32 (tc-u32(8)) in lists, over real packets. Its hash tables and links, and how it counts, are
 * compared in random_u32.h, which the fuzzer shares.
 */
#include <string.h>

#include <arpa/inet.h>

#include <weir/filter/u32.h>

#include "random.h"

#define KEYS_MAX 3

struct own {
	struct u32_conf conf;
	struct u32_key keys[KEYS_MAX];
};

static void
draw_key(struct u32_key *key, const struct plain_packet *like)
{
	static const uint32_t masks[] = { UINT32_MAX, UINT32_MAX, 0xff, 0xffff0000, 0xff000000, 0x00ff0000, 0xf0 };
	static const int32_t offsets[] = { 0, 8, 12, 16, 20, 24, 28, 6, -2, -14, -8 };
	uint32_t mask = one_in(10) ? any_word() : masks[below(7)], value;
	int32_t offset = one_in(10) ? (int32_t)below(200) - 30 : offsets[below(11)];

	plain_read(like, like->pkt.l3_off + offset, 4, &value);
	*key = (struct u32_key){ .value = htonl(value & mask), .mask = htonl(mask), .offset = offset };
}

static void
draw(struct random_group *g, struct random_filter *f, const struct random_filter *old, const struct plain_packet *like)
{
	struct own *own = f->own;

	own->conf = (struct u32_conf){ .has_selector = true,
		.selector_flags = TC_U32_TERMINAL,
		.keys = own->keys,
		.n_keys = (uint8_t)(1 + below(2)),
		.has_classid = true,
		.classid = f->classid };
	for (unsigned int i = 0; i < own->conf.n_keys; i++)
		draw_key(&own->keys[i], like);
	if (one_in(8)) {
		own->conf.has_mark = true;
		own->conf.mark_mask = 3;
		own->conf.mark_value = below(4);
	}
	if (one_in(8))
		own->conf.in_port = 1 + below(3);
	if (old == NULL)
		return;
	/* Linux takes the class and the actions of a change only. */
	memcpy(own, old->own, sizeof(*own));
	own->conf.keys = own->keys;
	own->conf.classid = f->classid;
}

static const void *
conf(struct random_filter *f, const struct action_spec *actions, unsigned int n)
{
	struct own *own = f->own;

	own->conf.actions = actions;
	own->conf.n_actions = n;
	return &own->conf;
}

/* A key that lies outside of the packet ends the list. */
static void
ask(struct random_group *g, struct plain_packet *p, struct plain_answer *answer)
{
	for (unsigned int i = 0; i < g->n; i++) {
		const struct own *own = g->filters[i].own;
		bool matches = !own->conf.has_mark || (p->pkt.mark & own->conf.mark_mask) == own->conf.mark_value;

		for (unsigned int k = 0; matches && k < own->conf.n_keys; k++) {
			uint32_t word;

			if (!plain_read(p, p->pkt.l3_off + own->keys[k].offset, 4, &word))
				return;
			matches = ((word ^ ntohl(own->keys[k].value)) & ntohl(own->keys[k].mask)) == 0;
		}
		if (!matches || (own->conf.in_port != 0 && own->conf.in_port != p->pkt.in_port))
			continue;
		plain_decide(&g->filters[i], p, answer);
		if (answer->action != TC_ACT_UNSPEC)
			return;
	}
}

const struct random_kind random_u32 = { .name = "u32",
	.own_size = sizeof(struct own),
	.filters_max = RANDOM_FILTERS_MAX,
	.draw = draw,
	.conf = conf,
	.ask = ask,
	.actions = u32_actions,
	.by_handle = true };
