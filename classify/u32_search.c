/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * u32: asks a list, whatever its shape, about one packet: all filters that match are found by the trie of their keys,
 * and asked in order.
 *
 * As on Linux: a packet that ends before a word that is asked for, or that follows more than eight links, is not
 * asked any further by this group. A list that decides nothing hands the packet back to the filter that had the link;
 * that one decides if it has a class or actions too, else the one behind it is asked. What was eaten is given back
 * then, but what `nexthdr+` means stays.
 */
#include "u32_way.h"

#define WORDS ((U32_LIST_MAX + 63) / 64)

/* ---- one filter, whose keys all match ----------------------------------------------------------- */

enum outcome
u32_conclude(const struct asked *asked, const struct u32_list *list, uint32_t position)
{
	const struct u32_step *step = &list->steps[position];
	uint64_t *counters = u32_counters(list, asked->worker);
	struct verdict found = { .classid = step->classid };

	if ((step->flags & TC_U32_TERMINAL) == 0 ||
		(step->in_port != 0 && step->in_port != pkt_of(asked->m)->in_port)) {
		u32_count(counters, list, U32_WENT_ON, position);
		return GOES_ON;
	}
	u32_count(counters, list, U32_SUCCEEDED, position);
	found.action = action_list_run(step->actions, asked->ctx, asked->m, &found);
	if (found.action == TC_ACT_UNSPEC) {
		u32_count(counters, list, U32_WENT_ON, position);
		return CHANGED; /* its actions may have set the mark */
	}
	*asked->result = found;
	return DECIDED;
}

static enum outcome
settle(const struct asked *asked, const struct u32_list *list, uint32_t position)
{
	const struct u32_step *step = &list->steps[position];
	enum outcome outcome, then;

	u32_count(u32_counters(list, asked->worker), list, U32_MATCHED, position);
	if (step->sure) {
		*asked->result = (struct verdict){ TC_ACT_OK, step->classid };
		return DECIDED;
	}
	if (step->link == NULL)
		return u32_conclude(asked, list, position);
	outcome = u32_follow_link(asked->way, asked->above, asked->m, list, position);
	if (outcome != CHANGED)
		return outcome;
	then = u32_conclude(asked, list, position);
	return then == GOES_ON ? CHANGED : then;
}

/* ---- a list, whatever its shape ----------------------------------------------------------------- */

/* The filters of a list whose keys match, found by their keys' trie. */
struct search {
	const struct asked *asked;
	const struct u32_list *list;
	uint32_t from; /* filters before it do not count */
	uint32_t end; /* nor do those from here on: one before them decides, or needs what the packet has not */
	bool outside; /* the filter at `end` needs a word that lies outside of the packet */
	uint32_t n_visited;
	uint32_t *visited; /* nodes with branches that were passed */
	uint64_t found_in; /* which words of `found` have bits; the others hold nothing yet */
	uint64_t found[WORDS]; /* by position */
};

static void
note_found(struct search *s, uint32_t position)
{
	uint64_t bit = UINT64_C(1) << position % 64, word_bit = UINT64_C(1) << position / 64;

	s->found[position / 64] = (s->found_in & word_bit) != 0 ? s->found[position / 64] | bit : bit;
	s->found_in |= word_bit;
}

static void
note_ends(struct search *s, const uint32_t *positions, uint32_t n)
{
	for (uint32_t i = 0; i < n && positions[i] < s->end; i++) {
		if (positions[i] < s->from)
			continue;
		note_found(s, positions[i]);
		if (s->list->steps[positions[i]].sure) {
			s->end = positions[i] + 1;
			s->outside = false;
		}
	}
}

/* None of the filters behind the branch can be asked, and the first of those that are left would be. */
static void
note_outside(struct search *s, const struct u32_branch *branch)
{
	const uint32_t *behind = &s->list->positions[branch->behind];
	uint32_t first = u32_rank(behind, branch->n_behind, s->from);

	if (first == branch->n_behind || behind[first] >= s->end)
		return;
	s->end = behind[first];
	s->outside = true;
}

/* As deep as a filter has keys, 128, and one for its mark. */
static void
search_node(struct search *s, const struct u32_node *node)
{
	const struct u32_list *list = s->list;

	note_ends(s, &list->positions[node->ends], node->n_ends);
	for (uint32_t b = node->branch; b != U32_NONE; b = list->branches[b].next) {
		const struct u32_branch *branch = &list->branches[b];
		const struct u32_slot *slot;
		uint32_t value;

		if (list->positions[branch->behind] >= s->end)
			break; /* and later branches have later filters */
		if (!u32_read_field(&branch->probe, s->asked->way, s->asked->m, &value)) {
			note_outside(s, branch);
			continue;
		}
		slot = u32_find_slot(&branch->probe, &list->slots[branch->slots], value);
		if (slot->node == 0)
			continue;
		if ((slot->node & U32_LEAF) != 0) {
			uint32_t position = slot->node & U32_POSITION;

			note_ends(s, &position, 1);
			continue;
		}
		if (list->nodes[slot->node].branch != U32_NONE)
			s->visited[s->n_visited++] = slot->node;
		search_node(s, &list->nodes[slot->node]);
	}
}

/* The nodes that were passed count for their filters from the first that was asked up to, but not with, `reached`. */
static void
tally(const struct search *s, uint64_t *counters, uint32_t reached)
{
	uint64_t *tallies = u32_tallies(s->list, counters);

	for (uint32_t i = 0; i < s->n_visited; i++) {
		const struct u32_node *node = &s->list->nodes[s->visited[i]];
		const uint32_t *through = &s->list->positions[node->through];
		uint32_t first = u32_rank(through, node->n_through, s->from);
		uint32_t last = u32_rank(through, node->n_through, reached);

		if (first >= last)
			continue;
		counter_add(&tallies[node->tally + last - 1], 1);
		if (first != 0)
			counter_add(&tallies[node->tally + first - 1], UINT64_MAX); /* less one */
	}
}

/*
 * Asks the filters that were found, in order, until one does more than to let the packet go on. *reached: behind that
 * one.
 */
static enum outcome
ask_found(struct search *s, uint32_t *reached)
{
	while (s->found_in != 0) {
		uint32_t word = (uint32_t)__builtin_ctzll(s->found_in);
		uint32_t position = 64 * word + (uint32_t)__builtin_ctzll(s->found[word]);
		enum outcome outcome;

		if (position >= s->end)
			break;
		s->found[word] &= s->found[word] - 1;
		if (s->found[word] == 0)
			s->found_in &= s->found_in - 1;
		outcome = settle(s->asked, s->list, position);
		*reached = position + 1;
		if (outcome != GOES_ON)
			return outcome;
	}
	*reached = s->end + s->outside;
	return s->outside ? OVER : GOES_ON;
}

enum outcome
u32_ask(const struct asked *asked)
{
	const struct u32_list *list = asked->way->list;
	uint64_t *counters = u32_counters(list, asked->worker);
	enum outcome outcome;
	struct search s; /* filled by hand: `found` need not be cleared */
	uint32_t reached;

	s.asked = asked;
	s.list = list;
	s.from = asked->way->from;
	s.visited = u32_visited(list, counters);
	do {
		s.end = list->n;
		s.outside = false;
		s.n_visited = 0;
		s.found_in = 0;
		if (s.from < s.end)
			search_node(&s, &list->nodes[0]);
		outcome = ask_found(&s, &reached);
		tally(&s, counters, reached);
		if (outcome == OVER && reached > s.end)
			u32_count(counters, list, U32_OUTSIDE, s.end);
		s.from = reached;
	} while (outcome == CHANGED);
	if (outcome == GOES_ON)
		counter_add(u32_ran_off(list, counters), 1);
	return outcome;
}
