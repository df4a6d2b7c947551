/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A row of leaves that take turns, in arrays: who is next can be fetched ahead, and to come or to go touches nobody
 * else.
 *
 *   this round: | leaf | leaf | gap | leaf | ...   next round: | leaf | leaf | ...
 *
 * Who comes is the last of this round, who has had its turn goes to the next one. Hardly anyone leaves but the first:
 * another one leaves a gap, and is found by the place that he was told. A place may have changed when he wants to
 * leave: whoever owns the row tells all of them their places then, and asks again.
 */
#ifndef WEIR_SCHED_ROW_H
#define WEIR_SCHED_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

#define ROW_PLACES 65536u /* as many as there may be classes: gaps are closed before they take more */

struct row_round {
	void **leaves; /* ROW_PLACES, used as a ring; NULL: a gap */
	uint32_t first, count; /* gaps included */
};

struct row {
	struct row_round now, next; /* who is first in `now` is no gap; nobody is in it: nobody is in either */
};

static inline void *
row_round_at(const struct row_round *round, uint32_t i)
{
	return round->leaves[(round->first + i) % ROW_PLACES];
}

static inline bool
row_is_empty(const struct row *row)
{
	return row->now.count == 0;
}

/* Whose turn it is. */
static inline void *
row_first(const struct row *row)
{
	return row_round_at(&row->now, 0);
}

static inline void
row_round_close_gaps(struct row_round *round)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < round->count; i++) {
		void *leaf = row_round_at(round, i);

		if (leaf != NULL)
			round->leaves[(round->first + count++) % ROW_PLACES] = leaf;
	}
	round->count = count;
}

/* Returns the place. */
static inline uint16_t
row_round_join(struct row_round *round, void *leaf)
{
	if (unlikely(round->count == ROW_PLACES))
		row_round_close_gaps(round);
	uint16_t place = (uint16_t)(round->first + round->count++);

	round->leaves[place] = leaf;
	return place;
}

/* The first of this round is gone or a gap, or it is over: the next one begins. */
static inline void
row_mend(struct row *row)
{
	for (;;) {
		while (row->now.count != 0 && row_first(row) == NULL) {
			row->now.first = (row->now.first + 1) % ROW_PLACES;
			row->now.count--;
		}
		if (row->now.count != 0)
			return;
		/* Always the same places, near the processor, while there is little to do. */
		row->now.first = 0;
		if (row->next.count == 0)
			return;
		RTE_SWAP(row->now, row->next);
	}
}

static inline void
row_remove_first(struct row *row)
{
	row->now.first = (row->now.first + 1) % ROW_PLACES;
	if (--row->now.count == 0 || unlikely(row_first(row) == NULL))
		row_mend(row);
}

/* The turn of the first is over. Returns its place in the next round. */
static inline uint16_t
row_pass(struct row *row)
{
	uint16_t place = row_round_join(&row->next, row_first(row));

	row_remove_first(row);
	return place;
}

static inline bool
row_round_leave(struct row_round *round, const void *leaf, uint16_t place)
{
	if ((uint16_t)(place - round->first) >= round->count || round->leaves[place] != leaf)
		return false;
	round->leaves[place] = NULL;
	return true;
}

/* False: it does not stand at that place. */
static inline bool
row_remove(struct row *row, const void *leaf, uint16_t place)
{
	if (row->now.count == 0)
		return false;
	if (likely(row_first(row) == leaf)) {
		row_remove_first(row);
		return true;
	}
	return row_round_leave(&row->now, leaf, place) || row_round_leave(&row->next, leaf, place);
}

#endif
