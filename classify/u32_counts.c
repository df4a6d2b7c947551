/* SPDX-License-Identifier: BSD-3-Clause */
/* u32: what a filter's counters are, told from those of the lists that it is or was in; u32.h says how. */
#include <stdlib.h>
#include <string.h>

#include "list_pool.h"
#include "u32.h"

static uint64_t
read_counter(const struct u32_list *list, const uint64_t *counters, enum u32_counter counter, uint32_t i)
{
	return load_relaxed(&counters[counter * list->n + i]);
}

/* Packets that came to their end at filter i. */
static uint64_t
stopped_at(const struct u32_list *list, const uint64_t *counters, uint32_t i)
{
	return read_counter(list, counters, U32_MATCHED, i) - read_counter(list, counters, U32_WENT_ON, i) +
	       read_counter(list, counters, U32_OUTSIDE, i);
}

/* Packets that reached filter i and met all its tests up to the one that leads to the node. */
static uint64_t
came_through(const struct u32_list *list, uint64_t *counters, const struct u32_node *node, uint32_t i)
{
	const uint64_t *tally = u32_tallies(list, counters) + node->tally;
	uint64_t sum = 0;

	for (uint32_t at = u32_rank(&list->positions[node->through], node->n_through, i); at < node->n_through; at++)
		sum += load_relaxed(&tally[at]);
	return sum;
}

/* Adds to counts, laid out as u32_filter.past is, what one worker has counted for filter i; but for its hits. */
static void
add_matches(const struct u32_list *list, uint64_t *counters, uint32_t i, uint64_t *counts)
{
	const struct u32_filter *f = list->filters[i];
	uint32_t tests = list->path_at[i + 1] - list->path_at[i];
	uint64_t matched = read_counter(list, counters, U32_MATCHED, i);

	counts[U32_PAST_MATCHES] += list->steps[i].sure ? matched : read_counter(list, counters, U32_SUCCEEDED, i);
	for (uint32_t t = 0; t < tests; t++) {
		bool is_mark = f->has_mark && t == 0;
		uint64_t *count = is_mark ? &counts[U32_PAST_MARKS] : &counts[U32_PAST_KEYS + t - f->has_mark];

		*count +=
			t + 1 == tests ? matched : came_through(list, counters, &list->nodes[u32_path(list, i)[t]], i);
	}
}

/* Adds what all workers have counted for filter i. */
static void
add_counts(const struct u32_list *list, uint32_t i, uint64_t *counts)
{
	for (unsigned int w = 0; w < list->workers; w++) {
		uint64_t *counters = u32_counters(list, w);

		counts[U32_PAST_HITS] += load_relaxed(u32_ran_off(list, counters));
		for (uint32_t j = i; j < list->n; j++)
			counts[U32_PAST_HITS] += stopped_at(list, counters, j);
		add_matches(list, counters, i, counts);
	}
}

void
u32_sum_counts(const void *filter, struct u32_counts *counts)
{
	const struct u32_filter *f = filter;
	uint64_t sum[U32_PAST_KEYS + U32_KEYS_MAX];

	memcpy(sum, f->past, (U32_PAST_KEYS + f->n_keys) * sizeof(sum[0]));
	for (const struct u32_list *list = f->bucket->newest; list != NULL; list = list->older)
		for (uint32_t i = 0; i < list->n; i++)
			if (list->filters[i] == f)
				add_counts(list, i, sum);
	*counts = (struct u32_counts){
		.hits = sum[U32_PAST_HITS], .matches = sum[U32_PAST_MATCHES], .mark_matches = sum[U32_PAST_MARKS]
	};
	memcpy(counts->key_matches, &sum[U32_PAST_KEYS], f->n_keys * sizeof(sum[0]));
}

/* For all filters at once: who stopped behind a filter is summed up on the way. */
static void
keep_counts(const struct u32_list *list)
{
	for (unsigned int w = 0; w < list->workers; w++) {
		uint64_t *counters = u32_counters(list, w), asked = load_relaxed(u32_ran_off(list, counters));

		for (uint32_t i = list->n; i-- > 0;) {
			asked += stopped_at(list, counters, i);
			list->filters[i]->past[U32_PAST_HITS] += asked;
			add_matches(list, counters, i, list->filters[i]->past);
		}
	}
}

void
u32_list_retire(void *arg)
{
	struct u32_list *list = arg, **at = &list->bucket->newest;

	keep_counts(list);
	while (*at != list)
		at = &(*at)->older;
	*at = list->older;
	for (uint32_t i = 0; i < list->n; i++)
		u32_filter_release(list->filters[i]);
	u32_bucket_release(list->bucket);
	list_pool_free(list, list->bytes);
}
