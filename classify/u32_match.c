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

/* A burst on its way. */
struct burst {
	const struct classify_ctx *ctx;
	unsigned int worker; /* whose counters */
	struct rte_mbuf **pkts;
	struct verdict *results;
	struct matches matches;
	struct way ways[CLASSIFY_BURST];
	struct above above[U32_DEPTH_MAX * CLASSIFY_BURST]; /* see above_at */
};

/* Has the packet's slot come, if its list is flat. */
static inline void
look_ahead(struct way *way, const struct u32_list *list, struct rte_mbuf *m)
{
	uint32_t value;

	if (likely(list->flat && u32_read_field(&list->probe, way, m, &value))) {
		way->value = value;
		way->slot = &list->slots[u32_hash(&list->probe, value)];
		rte_prefetch0(way->slot);
	} else {
		way->slot = NULL;
	}
}

/* The packet ran off its list's end: it comes back to the filters that led there. */
static enum outcome
come_back(const struct asked *asked)
{
	struct way *way = asked->way;
	enum outcome outcome = GOES_ON;

	while (outcome == GOES_ON && way->depth != 0) {
		const struct above *above = above_at(asked->above, --way->depth);

		way->list = above->list;
		way->base = above->base;
		way->from = (uint16_t)(above->position + 1);
		outcome = u32_conclude(asked, above->list, above->position);
		if (outcome == GOES_ON || outcome == CHANGED)
			outcome = u32_ask(asked);
	}
	return outcome;
}

static inline struct asked
asked_of(struct burst *b, unsigned int place)
{
	return (struct asked){ &b->ways[place], &b->above[place], b->pkts[place], b->ctx, b->worker,
		&b->results[place] };
}

/* Any list. Here and below, true: the packet is in another list now; false: its answer is there. */
static __rte_noinline bool
ask_any(struct burst *b, unsigned int place)
{
	struct asked asked = asked_of(b, place);
	enum outcome outcome = u32_ask(&asked);

	return (outcome == GOES_ON ? come_back(&asked) : outcome) == DOWN;
}

/* No filter of the flat list has the packet's value. */
static __rte_noinline bool
no_match(struct burst *b, unsigned int place)
{
	struct asked asked = asked_of(b, place);

	counter_add(u32_ran_off(asked.way->list, u32_counters(asked.way->list, b->worker)), 1);
	return come_back(&asked) == DOWN;
}

/*
 * The packet's value is that of a filter that does not decide by that alone, and whose link, if it has one, led
 * nowhere.
 */
static __rte_noinline bool
ask_unsure(struct burst *b, unsigned int place, uint32_t position)
{
	struct asked asked = asked_of(b, place);
	enum outcome outcome = u32_conclude(&asked, asked.way->list, position);

	if (outcome == DECIDED)
		return false;
	asked.way->from = (uint16_t)(position + 1);
	return ask_any(b, place);
}

static __rte_always_inline bool
ask_flat(struct burst *b, unsigned int place)
{
	struct way *way = &b->ways[place];
	const struct u32_list *list = way->list;
	const struct u32_slot *slot = way->slot;
	uint32_t position;

	if (unlikely(slot->value != way->value))
		slot = u32_find_slot(&list->probe, list->slots, way->value);
	if (unlikely(slot->node == 0))
		return no_match(b, place);
	position = slot->node & U32_POSITION;
	note_match(&b->matches, &u32_counters(list, b->worker)[U32_MATCHED * list->n + position]);
	if ((slot->node & U32_SURE) != 0) {
		b->results[place] = (struct verdict){ TC_ACT_OK, slot->classid };
		return false;
	}
	if (list->steps[position].link != NULL) {
		enum outcome outcome = u32_follow_link(way, &b->above[place], b->pkts[place], list, position);

		if (likely(outcome != CHANGED))
			return outcome == DOWN;
	}
	return ask_unsure(b, place, position);
}

static __rte_always_inline bool
ask(struct burst *b, unsigned int place)
{
	const struct u32_list *list = b->ways[place].list;

	if (likely(b->ways[place].slot != NULL))
		return ask_flat(b, place);
	if (!list->flat)
		return ask_any(b, place);
	/* The packet ends before the word that all filters ask for. */
	u32_count(u32_counters(list, b->worker), list, U32_OUTSIDE, 0);
	return false;
}

void
u32_classify_list(const struct u32_list *list, const struct classify_ctx *ctx, struct rte_mbuf **pkts, uint16_t n,
	struct verdict *results)
{
	struct burst b; /* filled by hand: little of it is needed */
	uint8_t open[CLASSIFY_BURST]; /* places of packets that are in another list now */
	unsigned int open_n = 0;

	b.ctx = ctx;
	b.worker = ctx->worker < list->workers ? ctx->worker : 0;
	b.pkts = pkts;
	b.results = results;
	b.matches.n = 0;
	for (unsigned int i = 0; i < n; i++) {
		b.ways[i] = (struct way){ .list = list, .base = pkt_of(pkts[i])->l3_off };
		look_ahead(&b.ways[i], list, pkts[i]);
	}
	for (unsigned int i = 0; i < n; i++) {
		if (ask(&b, i))
			open[open_n++] = (uint8_t)i;
	}
	count_matches(&b.matches);
	while (open_n != 0) {
		unsigned int asked_n = open_n;

		open_n = 0;
		for (unsigned int i = 0; i < asked_n; i++)
			look_ahead(&b.ways[open[i]], b.ways[open[i]].list, pkts[open[i]]);
		for (unsigned int i = 0; i < asked_n; i++) {
			uint8_t place = open[i];

			if (ask(&b, place))
				open[open_n++] = place;
		}
		count_matches(&b.matches);
	}
}
