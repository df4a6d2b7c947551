/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A packet on its way through u32's lists: what u32_match.c, which takes bursts through flat lists, and u32_search.c,
 * which asks any, have in common.
 */
#ifndef WEIR_CLASSIFY_U32_WAY_H
#define WEIR_CLASSIFY_U32_WAY_H

#include <rte_prefetch.h>

#include "read.h"
#include "u32.h"

/* Where a packet is. */
struct way {
	const struct u32_list *list;
	const struct u32_slot
		*slot; /* of a flat list: where its value is to be looked for first; NULL: outside the packet */
	uint32_t value;
	uint32_t base; /* of offsets, from the frame's start: the network header, and what links have eaten */
	uint32_t nexthdr; /* what links have found to skip but not eaten */
	uint16_t from; /* the filters before it have been asked */
	uint8_t depth; /* links that led here */
	uint8_t links; /* followed so far, whether they led here or not */
};

struct above { /* whence a link led down */
	const struct u32_list *list;
	uint32_t base;
	uint32_t position;
};

/* Of the packets of a burst, those of one depth stand side by side, as mostly there is but one. */
static inline struct above *
above_at(struct above *above, unsigned int depth)
{
	return &above[depth * CLASSIFY_BURST];
}

/* What is known while one packet is asked. */
struct asked {
	struct way *way;
	struct above *above; /* see above_at */
	struct rte_mbuf *m;
	const struct classify_ctx *ctx;
	unsigned int worker; /* whose counters */
	struct verdict *result;
};

enum outcome {
	GOES_ON, /* the next filter is to be asked, or the list is at its end */
	CHANGED, /* the same, but what was found out about the packet before may not hold any more */
	DOWN, /* it is in another list now */
	DECIDED,
	OVER, /* the group says nothing of this packet */
};

/* Asks the list where the packet is, from way->from on. GOES_ON: it ran off the list's end. */
enum outcome u32_ask(const struct asked *asked);
/* What a filter says itself when its keys match; its link, if it has one, has come to nothing. */
enum outcome u32_conclude(const struct asked *asked, const struct u32_list *list, uint32_t position);
/* The packet's value of a field; false: it ends before it. */
static inline bool
u32_read_field(const struct u32_probe *field, const struct way *way, struct rte_mbuf *m, uint32_t *value)
{
	int64_t at = (int64_t)way->base + field->offset + (way->nexthdr & field->nexthdr_mask);

	if (unlikely(field->is_mark))
		*value = pkt_of(m)->mark;
	else if (!packet_read(m, at, value, sizeof(*value)))
		return false;
	*value &= field->mask;
	return true;
}

/* The slot of a value: one that is empty, if it is not there. */
static inline const struct u32_slot *
u32_find_slot(const struct u32_probe *probe, const struct u32_slot *slots, uint32_t value)
{
	uint32_t at = u32_hash(probe, value);

	while (slots[at].value != value && slots[at].node != 0)
		at = (at + 1) & probe->slot_mask;
	return &slots[at];
}

#define U32_SKIPS (TC_U32_OFFSET | TC_U32_VAROFFSET | TC_U32_EAT)

/* `offset` and `eat`. False: the packet ends before the word that says how much is to be skipped. */
static inline bool
u32_skip(struct way *way, uint32_t *base, struct rte_mbuf *m, const struct u32_step *step)
{
	const struct u32_jump *jump = &step->jump;

	if ((step->flags & (TC_U32_OFFSET | TC_U32_VAROFFSET)) != 0) {
		uint32_t skip = jump->plus;
		rte_be16_t half;

		if ((step->flags & TC_U32_VAROFFSET) != 0) {
			if (!packet_read(m, (int64_t)way->base + jump->at, &half, sizeof(half)))
				return false;
			skip += (uint32_t)rte_be_to_cpu_16(half & jump->mask) >> jump->shift;
		}
		way->nexthdr = RTE_ALIGN_CEIL(skip, 4u);
	}
	if ((step->flags & TC_U32_EAT) != 0) {
		*base += way->nexthdr;
		way->nexthdr = 0;
	}
	return true;
}

/* Down the filter's link. CHANGED: there is nothing to be found there. */
static inline enum outcome
u32_follow_link(
	struct way *way, struct above *above, struct rte_mbuf *m, const struct u32_list *list, uint32_t position)
{
	const struct u32_step *step = &list->steps[position];
	bool skips = unlikely((step->flags & U32_SKIPS) != 0);
	uint32_t base = way->base, bucket = 0;
	const struct u32_list *below;

	if (unlikely(way->depth == U32_DEPTH_MAX || way->links == U32_LINKS_MAX))
		return OVER;
	way->links++;
	if (step->buckets > 1) {
		rte_be32_t word;

		if (!packet_read(m, (int64_t)base + step->jump.hash_offset, &word, sizeof(word)))
			return OVER;
		bucket = rte_be_to_cpu_32(word & step->jump.hash_mask) >> step->hash_shift & (step->buckets - 1);
	}
	if (skips && !u32_skip(way, &base, m, step))
		return OVER;
	below = load_acquire(&step->link->lists[bucket]);
	if (unlikely(below == NULL || (skips && base >= m->pkt_len))) /* nobody to look, or nothing to look at */
		return CHANGED;
	*above_at(above, way->depth++) = (struct above){ list, way->base, position };
	way->list = below;
	way->base = base;
	way->from = 0;
	rte_prefetch0(below);
	return DOWN;
}

static inline void
u32_count(uint64_t *counters, const struct u32_list *list, enum u32_counter counter, uint32_t position)
{
	counter_add(&counters[counter * list->n + position], 1);
}

#endif
