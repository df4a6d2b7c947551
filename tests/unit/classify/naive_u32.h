/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * u32 written down as plainly as tc-u32(8) tells it, to compare the real one with: one filter after another, byte by byte, over a flat
 * copy of the packet.
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

enum naive_match { NAIVE_MISS, NAIVE_MATCH, NAIVE_OUTSIDE };

static inline enum naive_match
naive_filter(const struct u32_conf *f, const struct naive_packet *p, struct u32_counts *counts)
{
	counts->hits++;
	if (f->has_mark && (p->mark & f->mark_mask) != f->mark_value)
		return NAIVE_MISS;
	if (f->has_mark)
		counts->mark_matches++;
	for (unsigned int k = 0; k < f->n_keys; k++) {
		long long at = (long long)p->l3_off + f->keys[k].offset;
		const uint8_t *value = (const uint8_t *)&f->keys[k].value, *mask = (const uint8_t *)&f->keys[k].mask;

		if (at < 0 || at + 4 > (long long)p->length)
			return NAIVE_OUTSIDE;
		for (unsigned int b = 0; b < 4; b++)
			if ((p->bytes[at + b] & mask[b]) != (value[b] & mask[b]))
				return NAIVE_MISS;
		counts->key_matches[k]++;
	}
	if ((f->selector_flags & TC_U32_TERMINAL) == 0 || (f->in_port != 0 && f->in_port != p->in_port))
		return NAIVE_MISS;
	counts->matches++;
	return NAIVE_MATCH;
}

/* The number of the filter that decides, of n in the order of their handles, none with actions; -1: none. */
static inline int
naive_decide(const struct u32_conf *filters, unsigned int n, const struct naive_packet *p, struct u32_counts *counts)
{
	for (unsigned int i = 0; i < n; i++) {
		enum naive_match match = naive_filter(&filters[i], p, &counts[i]);

		if (match == NAIVE_MATCH)
			return (int)i;
		if (match == NAIVE_OUTSIDE)
			return -1;
	}
	return -1;
}

#endif
