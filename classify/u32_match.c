/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * u32: finds what filters say of a burst.
 *
 * The burst goes down the hash tables in waves: in each, every packet that is still undecided has its slot prefetched
 * first, and is then asked in the list where it is, until that list decides, or leads it down into another, where the
 * next wave finds it. In a flat list one probe is all; others are searched (u32_search.c). Matches are counted when
 * the wave is through: their lines have come by then.
 */
#include "u32_way.h"

/* Counters of matches, each with how often it is to be counted up. */
struct matches {
	unsigned int n;
	uint64_t *counters[CLASSIFY_BURST];
	uint32_t times[CLASSIFY_BURST];
};

static inline void
note_match(struct matches *matches, uint64_t *counter)
{
	unsigned int last = matches->n - 1;

	if (last < CLASSIFY_BURST && matches->counters[last] == counter) {
		matches->times[last]++;
		return;
	}
	__builtin_prefetch(counter, 1);
	matches->counters[matches->n] = counter;
	matches->times[matches->n++] = 1;
}

static void
count_matches(struct matches *matches)
{
	for (unsigned int i = 0; i < matches->n; i++)
		counter_add(matches->counters[i], matches->times[i]);
	matches->n = 0;
}

static inline void
look_ahead(struct way *way, struct rte_mbuf *m)
{
	const struct u32_list *list = way->list;

	way->slot = NULL;
	if (likely(list->flat && u32_read_field(&list->probe, way, m, &way->value))) {
		way->slot = &list->slots[u32_hash(&list->probe, way->value)];
		rte_prefetch0(way->slot);
	}
}

/* The packet's value is that of a filter that is not sure. */
static enum outcome
ask_unsure(const struct asked *asked, const struct u32_list *list, uint32_t position)
{
	enum outcome outcome = CHANGED, then;

	if (list->steps[position].link != NULL)
		outcome = u32_follow_link(asked, list, position);
	if (outcome != CHANGED)
		return outcome;
	then = u32_conclude(asked, list, position);
	if (then == DECIDED)
		return then;
	asked->way->from = (uint16_t)(position + 1);
	return u32_ask(asked);
}

static inline enum outcome
ask_flat(const struct asked *asked, struct matches *matches)
{
	struct way *way = asked->way;
	const struct u32_list *list = way->list;
	uint64_t *counters = u32_counters(list, asked->worker);
	const struct u32_slot *slot = way->slot;
	uint32_t position;

	if (unlikely(slot == NULL)) {
		u32_count(counters, list, U32_OUTSIDE, 0);
		return OVER;
	}
	if (slot->value != way->value)
		slot = u32_find_slot(&list->probe, list->slots, way->value);
	if (slot->node == 0) {
		counter_add(u32_ran_off(list, counters), 1);
		return GOES_ON;
	}
	position = slot->node & U32_POSITION;
	note_match(matches, &counters[U32_MATCHED * list->n + position]);
	if (unlikely((slot->node & U32_SURE) == 0))
		return ask_unsure(asked, list, position);
	*asked->result = (struct verdict){ TC_ACT_OK, slot->classid };
	return DECIDED;
}

/* The packet ran off its list's end: it comes back to the filters that led there. */
static enum outcome
come_back(const struct asked *asked)
{
	struct way *way = asked->way;
	enum outcome outcome = GOES_ON;

	while (outcome == GOES_ON && way->depth != 0) {
		const struct above *above = &asked->above[--way->depth];

		way->list = above->list;
		way->base = above->base;
		way->from = (uint16_t)(above->position + 1);
		outcome = u32_conclude(asked, above->list, above->position);
		if (outcome == GOES_ON || outcome == CHANGED)
			outcome = u32_ask(asked);
	}
	return outcome;
}

void
u32_classify_list(const struct u32_list *list, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
	struct verdict *results)
{
	unsigned int worker = ctx->worker < list->workers ? ctx->worker : 0;
	struct above above[CLASSIFY_BURST][U32_DEPTH_MAX];
	struct way ways[CLASSIFY_BURST];
	uint8_t open[CLASSIFY_BURST]; /* places of packets that are still to be asked */
	struct matches matches;
	uint16_t open_n = n;

	matches.n = 0;
	for (uint16_t i = 0; i < n; i++) {
		ways[i] = (struct way){ .list = list, .base = pkt_of(pkts[i])->l3_off };
		open[i] = (uint8_t)i;
	}
	while (open_n != 0) {
		uint16_t still_open = 0;

		for (uint16_t i = 0; i < open_n; i++)
			look_ahead(&ways[open[i]], pkts[open[i]]);
		for (uint16_t i = 0; i < open_n; i++) {
			uint8_t place = open[i];
			struct asked asked = { &ways[place], above[place], pkts[place], ctx, worker, &results[place] };
			enum outcome outcome = ways[place].list->flat ? ask_flat(&asked, &matches) : u32_ask(&asked);

			if (outcome == GOES_ON)
				outcome = come_back(&asked);
			if (outcome == DOWN)
				open[still_open++] = place;
		}
		count_matches(&matches);
		open_n = still_open;
	}
}
