/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A random u32 group - hash tables, links, filters of few and many shapes that overlap, actions - and random packets:
 * the compiled matcher must agree with the naive one in each verdict and each counter, also after filters have come,
 * changed and gone.
 *
 * Where chance comes from is the caller's: a seed in the unit test, the fuzzer's bytes in fuzz_u32.
 */
#ifndef WEIR_TEST_RANDOM_U32_H
#define WEIR_TEST_RANDOM_U32_H

#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>

#include <weir/action/gact.h>
#include <weir/classify.h>

#include "classify/naive_u32.h"

#define RANDOM_FILTERS_MAX 40
#define RANDOM_TABLES_MAX  5
#define RANDOM_KEYS_MAX    3
#define RANDOM_FRAME_MAX   96

struct chance {
	uint32_t (*below)(void *arg, uint32_t bound); /* a number less than bound */
	void *arg;
};

/* One chain with one group, and what the naive matcher knows of it. */
struct random_u32 {
	const struct chance *chance;
	struct chain *chain;
	struct naive_filter filters[RANDOM_FILTERS_MAX];
	struct u32_key keys[RANDOM_FILTERS_MAX][RANDOM_KEYS_MAX]; /* by number of the filter */
	unsigned int n_filters, made; /* made: filters so far, and the classid of the last */
	struct naive_table tables[RANDOM_TABLES_MAX];
	unsigned int n_tables;
	unsigned int variety; /* of fields: 0 makes flat lists */
};

static inline uint32_t
by_chance(const struct random_u32 *r, uint32_t bound)
{
	return r->chance->below(r->chance->arg, bound);
}

static inline int
random_change(struct random_u32 *r, uint32_t handle, const struct u32_conf *conf, uint16_t flags, uint32_t *made)
{
	struct filter_spec spec = { 1, htons(ETH_P_ALL), handle, "u32", conf, 0 };
	struct filter_info info;
	struct error refusal;
	int rc = chain_filter_add(r->chain, &spec, flags, &info, &refusal);

	if (rc == 0 && made != NULL)
		*made = info.handle;
	return rc;
}

static inline void
random_key(const struct random_u32 *r, struct u32_key *key)
{
	static const uint32_t masks[] = { UINT32_MAX, 0xff, 0xffff0000, 0, 0x00ff0000, 0x01010101 };

	if (r->variety == 0) {
		*key = (struct u32_key){ htonl(by_chance(r, 3) << 8 | by_chance(r, 3)), htonl(0xffff), 4, 0 };
		return;
	}
	*key = (struct u32_key){
		.value = htonl(by_chance(r, 3) * 0x01010101),
		.mask = htonl(masks[by_chance(r, r->variety < 6 ? r->variety : 6)]),
		.offset = (int32_t)by_chance(r, r->variety) * 4 - 4,
		.offset_mask = by_chance(r, 3) == 0 ? -1 : 0,
	};
	if (by_chance(r, 12) == 0)
		key->offset = (int32_t)by_chance(r, 120) - 30;
	if (by_chance(r, 30) == 0)
		key->offset_mask = (int32_t)by_chance(r, 64);
}

static inline void
random_link(const struct random_u32 *r, struct u32_conf *conf)
{
	static const uint8_t skips[] = { 0, TC_U32_OFFSET, TC_U32_VAROFFSET, TC_U32_EAT };

	conf->has_link = true;
	conf->link = r->tables[1 + by_chance(r, r->n_tables - 1)].handle;
	conf->selector_flags |= skips[by_chance(r, 4)] | skips[by_chance(r, 4)];
	conf->jump = (struct u32_jump){
		.hash_mask = htonl(0xffu << by_chance(r, 25)),
		.hash_offset = (int16_t)(by_chance(r, 12) * 4),
		.plus = (uint16_t)by_chance(r, 20),
		.at = (int16_t)(by_chance(r, 20) * 2),
		.mask = htons(0x0f << by_chance(r, 8)),
		.shift = (uint8_t)by_chance(r, 8),
	};
	if (by_chance(r, 16) == 0)
		conf->jump.at = conf->jump.hash_offset = (int16_t)(by_chance(r, 200) - 40);
}

/* Its actions last as long as the conf: specs and confs are the caller's. */
static inline void
random_filter(struct random_u32 *r, struct naive_filter *f, struct u32_key *keys, struct action_spec *action)
{
	static const struct gact_conf drops = { .action = TC_ACT_SHOT }, continues = { .action = TC_ACT_UNSPEC };
	struct u32_conf *conf = &f->conf;

	memset(f, 0, sizeof(*f));
	*conf = (struct u32_conf){
		.has_selector = true,
		.selector_flags = by_chance(r, 8) != 0 ? TC_U32_TERMINAL : 0,
		.n_keys = (uint8_t)(r->variety == 0 ? 1 : by_chance(r, RANDOM_KEYS_MAX + 1)),
		.keys = keys,
		.has_classid = true,
		.classid = ++r->made,
	};
	for (unsigned int k = 0; k < conf->n_keys; k++)
		random_key(r, &keys[k]);
	if (r->n_tables > 1) {
		uint32_t table = by_chance(r, r->n_tables);

		conf->table = r->tables[table].handle | by_chance(r, r->tables[table].divisor) << 12;
		if (by_chance(r, 3) == 0)
			random_link(r, conf);
		if (conf->has_link && by_chance(r, 4) != 0)
			conf->selector_flags &= ~TC_U32_TERMINAL;
	}
	if (by_chance(r, 8) == 0 && r->variety != 0) {
		conf->has_mark = true;
		conf->mark_mask = by_chance(r, 4);
		conf->mark_value = by_chance(r, 4);
	}
	if (by_chance(r, 12) == 0)
		conf->in_port = 1 + by_chance(r, 2);
	if (by_chance(r, 12) == 0) {
		f->drops = by_chance(r, 2);
		f->continues = !f->drops;
		*action = (struct action_spec){ .kind = "gact", .conf = f->drops ? &drops : &continues };
		conf->actions = action;
		conf->n_actions = 1;
	}
}

static inline bool
random_add(struct random_u32 *r)
{
	struct naive_filter f;
	struct action_spec action;
	unsigned int at = 0;

	/*
	 * The matcher has copies, but the naive one needs the keys where they are: at the filter's number, modulo what
	 * lives.
	 */
	for (unsigned int i = 0; i < r->n_filters; i++)
		if (r->keys[(r->made + 1) % RANDOM_FILTERS_MAX] == r->filters[i].conf.keys)
			return true; /* that place is taken still */
	if (r->n_filters == RANDOM_FILTERS_MAX)
		return true;
	random_filter(r, &f, r->keys[(r->made + 1) % RANDOM_FILTERS_MAX], &action);
	if (random_change(r, by_chance(r, 4) == 0 ? 1 + by_chance(r, 9) : 0, &f.conf, CHANGE_CREATE, &f.handle) != 0)
		return true; /* a node that is taken */
	f.conf.actions = NULL;
	f.conf.n_actions = 0;
	while (at < r->n_filters && r->filters[at].handle < f.handle)
		at++;
	memmove(&r->filters[at + 1], &r->filters[at], (r->n_filters - at) * sizeof(f));
	r->filters[at] = f;
	r->n_filters++;
	return true;
}

static inline bool
random_delete(struct random_u32 *r)
{
	unsigned int at = by_chance(r, r->n_filters);
	struct filter_spec spec = { 1, htons(ETH_P_ALL), r->filters[at].handle, "u32", NULL, 0 };
	struct error refusal;

	if (r->n_filters < 2)
		return true;
	if (chain_filter_delete(r->chain, &spec, NULL, NULL, &refusal) != 0)
		return false;
	r->n_filters--;
	memmove(&r->filters[at], &r->filters[at + 1], (r->n_filters - at) * sizeof(r->filters[0]));
	return true;
}

/* Another class, another link or none, no actions; the keys and the counts stay. */
static inline bool
random_replace(struct random_u32 *r)
{
	struct naive_filter *f = &r->filters[by_chance(r, r->n_filters)];
	struct u32_conf conf = f->conf;

	conf.classid = ++r->made;
	conf.has_link = r->n_tables > 1 && by_chance(r, 2);
	conf.link = conf.has_link && by_chance(r, 2) ? r->tables[1].handle : 0;
	if (random_change(r, f->handle, &conf, 0, NULL) != 0)
		return false;
	f->drops = f->continues = false;
	f->conf.classid = conf.classid;
	if (conf.has_link) {
		f->conf.has_link = conf.link != 0;
		f->conf.link = conf.link;
	}
	return true;
}

static inline bool
random_setup(struct random_u32 *r)
{
	unsigned int tables = by_chance(r, RANDOM_TABLES_MAX), n = 1 + by_chance(r, RANDOM_FILTERS_MAX - 4);

	r->variety = by_chance(r, 8);
	r->n_tables = 1;
	r->tables[0] = (struct naive_table){ 0x80000000, 1 };
	for (unsigned int i = 0; i < tables; i++) {
		struct u32_conf conf = { .divisor = 1u << by_chance(r, 4) };
		struct naive_table *table = &r->tables[r->n_tables];

		table->divisor = conf.divisor;
		if (random_change(r, (i + 1) << 20, &conf, CHANGE_CREATE, &table->handle) != 0)
			return false;
		r->n_tables++;
	}
	for (unsigned int i = 0; i < n; i++)
		if (!random_add(r))
			return false;
	return true;
}

/*
 * A packet lies in one piece of memory, as in a pool; a segment's data in a block of its own size, so that a byte too
 * far is seen.
 */
struct random_packet {
	struct rte_mbuf mbuf;
	struct pkt pkt;
	struct random_rest {
		struct rte_mbuf mbuf;
		struct pkt pkt;
	} rest;
	uint8_t flat[RANDOM_FRAME_MAX];
	struct naive_packet naive;
};

static inline void
random_segment(struct rte_mbuf *m, const uint8_t *bytes, uint32_t n)
{
	m->priv_size = sizeof(struct pkt);
	m->nb_segs = 1;
	m->data_len = (uint16_t)n;
	m->pkt_len = n;
	m->buf_addr = malloc(n + (n == 0));
	if (n != 0)
		memcpy(m->buf_addr, bytes, n);
}

static inline void
random_packet_make(const struct random_u32 *r, struct random_packet *p)
{
	uint32_t bytes = 14 + by_chance(r, RANDOM_FRAME_MAX - 13),
		 first = by_chance(r, 3) == 0 ? by_chance(r, bytes) : bytes;
	uint32_t l3_off = by_chance(r, 10) != 0 ? 14 : by_chance(r, 120);

	memset(p, 0, sizeof(*p));
	for (uint32_t i = 0; i < bytes; i++)
		p->flat[i] = (uint8_t)by_chance(r, 3);
	random_segment(&p->mbuf, p->flat, first);
	if (first != bytes) {
		random_segment(&p->rest.mbuf, p->flat + first, bytes - first);
		p->mbuf.next = &p->rest.mbuf;
		p->mbuf.nb_segs = 2;
		p->mbuf.pkt_len = bytes;
	}
	p->pkt.l3_off = (uint8_t)l3_off;
	p->pkt.protocol = htons(ETH_P_IP);
	p->pkt.mark = by_chance(r, 4);
	p->pkt.in_port = (uint16_t)(1 + by_chance(r, 2));
	p->naive = (struct naive_packet){ p->flat, bytes, l3_off, p->pkt.mark, p->pkt.in_port };
}

static inline const char *
random_burst(struct random_u32 *r)
{
	static struct random_packet packets[CLASSIFY_BURST];
	struct naive_u32 naive = { r->filters, r->n_filters, r->tables, r->n_tables };
	struct rte_mbuf *pkts[CLASSIFY_BURST];
	struct verdict verdicts[CLASSIFY_BURST];
	struct classify_ctx ctx = { .now = 1 };
	uint16_t n = (uint16_t)(1 + by_chance(r, CLASSIFY_BURST));
	const char *wrong = NULL;

	for (uint16_t i = 0; i < n; i++) {
		random_packet_make(r, &packets[i]);
		pkts[i] = &packets[i].mbuf;
	}
	chain_classify(r->chain, &ctx, pkts, n, verdicts);
	for (uint16_t i = 0; i < n; i++) {
		struct verdict expected = naive_classify(&naive, &packets[i].naive);

		if (verdicts[i].action != expected.action || verdicts[i].classid != expected.classid)
			wrong = "a verdict";
		free(packets[i].mbuf.buf_addr);
		free(packets[i].rest.mbuf.buf_addr);
	}
	return wrong;
}

static inline int
random_check_counts(void *arg, const struct filter_info *info)
{
	const struct random_u32 *r = arg;
	struct u32_counts counts;

	if (info->filter == NULL || u32_is_table(info->handle))
		return 0;
	u32_sum_counts(info->filter, &counts);
	for (unsigned int i = 0; i < r->n_filters; i++)
		if (r->filters[i].handle == info->handle)
			return memcmp(&counts, &r->filters[i].counts, sizeof(counts)) != 0;
	return 1;
}

/* NULL, or what the two do not agree about. */
static inline const char *
random_u32_round(const struct chance *chance)
{
	static struct random_u32 r;
	const char *wrong = NULL;

	memset(&r, 0, sizeof(r));
	r.chance = chance;
	r.chain = chain_create(NULL);
	if (r.chain == NULL || !random_setup(&r))
		wrong = "the setup";
	for (unsigned int turn = 0; turn < 3 && wrong == NULL; turn++) {
		wrong = random_burst(&r);
		if (wrong == NULL && chain_walk(r.chain, random_check_counts, &r) != 0)
			wrong = "a count";
		for (unsigned int i = by_chance(&r, 4); i > 0 && wrong == NULL; i--)
			if (!random_delete(&r) || !random_add(&r) || !random_replace(&r))
				wrong = "a change";
	}
	chain_destroy(r.chain);
	return wrong;
}

#endif
