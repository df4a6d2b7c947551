/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A row of leaves that take turns, in arrays: who is next can be fetched ahead, and to come or to go touches nobody
 * else.
 *
 *   this round: | leaf | leaf | gap | leaf | ...   next round: | leaf | leaf | ...
 *
 * Who comes, or has had its turn, is the last of all: in the next round if somebody is there already. So who stays is
 * not passed over by those who leave with each packet and come again. Hardly anyone leaves but the first: another one
 * leaves a gap, and is found by the place that he was told. Who was told none, or has been moved since, is looked for.
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

void row_round_close_gaps(struct row_round *round) __rte_cold;

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

/* Where who comes now stands last. */
static inline struct row_round *
row_end(struct row *row)
{
	return row->next.count == 0 ? &row->now : &row->next;
}

/* The first of this round is gone or a gap, or it is over: the next one begins. True: nobody is left. */
bool row_mend(struct row *row) __rte_cold;

/* True: nobody is left. */
static inline bool
row_remove_first(struct row *row)
{
	struct row_round *round = &row->now;

	round->first = (round->first + 1) % ROW_PLACES;
	if (--round->count == 0 || unlikely(row_round_at(round, 0) == NULL))
		return row_mend(row);
	return false;
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
row_leave_place(struct row_round *round, const void *leaf, uint16_t place)
{
	if ((uint16_t)(place - round->first) >= round->count || round->leaves[place] != leaf)
		return false;
	round->leaves[place] = NULL;
	return true;
}

/* Of one who is not the first, wherever he stands. False: he is not in it. */
bool row_search(struct row *row, const void *leaf) __rte_cold;

/* False: it is not in it. */
static inline bool
row_remove(struct row *row, const void *leaf, uint16_t place)
{
	if (row->now.count == 0)
		return false;
	if (likely(row_first(row) == leaf)) {
		row_remove_first(row);
		return true;
	}
	return row_leave_place(&row->now, leaf, place) || row_leave_place(&row->next, leaf, place) ||
	       row_search(row, leaf);
}

#endif
