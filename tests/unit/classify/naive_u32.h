/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * u32 written down as plainly as tc-u32(8) tells it, and as Linux was seen to do it, to compare the real one with:
 * one filter after another, byte by byte, over a flat copy of the packet.
 */
#ifndef WEIR_TEST_NAIVE_U32_H
#define WEIR_TEST_NAIVE_U32_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/filter/u32.h>

struct naive_packet {
	const uint8_t *bytes;
	uint32_t length, l3_off, mark, in_port;
};

struct naive_filter {
	struct u32_conf conf;
	uint32_t handle; /* its table and bucket are in it */
	bool drops, continues; /* its only action */
	struct u32_counts counts;
};

struct naive_table {
	uint32_t handle, divisor;
};

/* Filters in the order of their handles. tables[0] is where packets start. */
struct naive_u32 {
	struct naive_filter *filters;
	unsigned int n_filters;
	const struct naive_table *tables;
	unsigned int n_tables;
};

enum naive_answer { NAIVE_NOTHING, NAIVE_CLASS, NAIVE_DROP, NAIVE_OUT };

struct naive_walk {
	const struct naive_u32 *u;
	const struct naive_packet *p;
	long long base, nexthdr;
	unsigned int depth, links;
	uint32_t classid;
};

/* `n` bytes as a big-endian number; false: some of them are not the packet's. */
static inline bool
naive_read(const struct naive_packet *p, long long at, unsigned int n, uint32_t *value)
{
	*value = 0;
	if (at < 0 || at + n > (long long)p->length)
		return false;
	for (unsigned int i = 0; i < n; i++)
		*value = *value << 8 | p->bytes[at + i];
	return true;
}

static inline enum naive_answer naive_bucket(struct naive_walk *w, uint32_t table, uint32_t bucket);

/* Down the link and back. */
static inline enum naive_answer
naive_link(struct naive_walk *w, const struct u32_conf *conf)
{
	const struct u32_jump *jump = &conf->jump;
	uint32_t divisor = 0, bucket = 0, mask = rte_be_to_cpu_32(jump->hash_mask), value;
	long long base = w->base;
	enum naive_answer answer = NAIVE_NOTHING;

	if (++w->depth > U32_DEPTH_MAX || ++w->links > U32_LINKS_MAX)
		return NAIVE_OUT;
	for (unsigned int i = 0; i < w->u->n_tables; i++)
		if (w->u->tables[i].handle == conf->link)
			divisor = w->u->tables[i].divisor;
	if (divisor > 1) {
		if (!naive_read(w->p, base + jump->hash_offset, 4, &bucket))
			return NAIVE_OUT;
		bucket &= mask;
		for (; mask != 0 && (mask & 1) == 0; mask >>= 1)
			bucket >>= 1;
		bucket %= divisor;
	}
	if (conf->selector_flags & (TC_U32_OFFSET | TC_U32_VAROFFSET)) {
		long long skip = jump->plus;

		if (conf->selector_flags & TC_U32_VAROFFSET) {
			if (!naive_read(w->p, base + jump->at, 2, &value))
				return NAIVE_OUT;
			skip += (value & rte_be_to_cpu_16(jump->mask)) >> jump->shift;
		}
		w->nexthdr = (skip + 3) / 4 * 4;
	}
	if (conf->selector_flags & TC_U32_EAT) {
		w->base += w->nexthdr;
		w->nexthdr = 0;
	}
	if ((conf->selector_flags & (TC_U32_OFFSET | TC_U32_VAROFFSET | TC_U32_EAT)) == 0 ||
		w->base < (long long)w->p->length)
		answer = naive_bucket(w, conf->link, bucket);
	w->base = base;
	w->depth--;
	return answer;
}

static inline enum naive_answer
naive_ask(struct naive_walk *w, struct naive_filter *f)
{
	const struct u32_conf *conf = &f->conf;
	enum naive_answer answer;

	f->counts.hits++;
	if (conf->has_mark && (w->p->mark & conf->mark_mask) != conf->mark_value)
		return NAIVE_NOTHING;
	if (conf->has_mark)
		f->counts.mark_matches++;
	for (unsigned int k = 0; k < conf->n_keys; k++) {
		const struct u32_key *key = &conf->keys[k];
		uint32_t word;

		if (!naive_read(w->p, w->base + key->offset + (w->nexthdr & (uint32_t)key->offset_mask), 4, &word))
			return NAIVE_OUT;
		if (((word ^ rte_be_to_cpu_32(key->value)) & rte_be_to_cpu_32(key->mask)) != 0)
			return NAIVE_NOTHING;
		f->counts.key_matches[k]++;
	}
	if (conf->has_link && (answer = naive_link(w, conf)) != NAIVE_NOTHING)
		return answer;
	if ((conf->selector_flags & TC_U32_TERMINAL) == 0 || (conf->in_port != 0 && conf->in_port != w->p->in_port))
		return NAIVE_NOTHING;
	f->counts.matches++;
	w->classid = conf->classid;
	return f->continues ? NAIVE_NOTHING : f->drops ? NAIVE_DROP : NAIVE_CLASS;
}

static inline enum naive_answer
naive_bucket(struct naive_walk *w, uint32_t table, uint32_t bucket)
{
	for (unsigned int i = 0; i < w->u->n_filters; i++) {
		struct naive_filter *f = &w->u->filters[i];
		enum naive_answer answer;

		if ((f->handle & 0xfffff000) != (table | bucket << 12))
			continue;
		answer = naive_ask(w, f);
		if (answer != NAIVE_NOTHING)
			return answer;
	}
	return NAIVE_NOTHING;
}

/* What the group says of a packet; counts what it compared. */
static inline struct verdict
naive_classify(const struct naive_u32 *u, const struct naive_packet *p)
{
	struct naive_walk w = { .u = u, .p = p, .base = p->l3_off };

	switch (naive_bucket(&w, u->tables[0].handle, 0)) {
	case NAIVE_CLASS:
		return (struct verdict){ TC_ACT_OK, w.classid };
	case NAIVE_DROP:
		return (struct verdict){ TC_ACT_SHOT, w.classid };
	default:
		return (struct verdict){ TC_ACT_UNSPEC, 0 };
	}
}

#endif
