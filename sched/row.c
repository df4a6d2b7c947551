/* SPDX-License-Identifier: BSD-3-Clause */
/* What is done to a row now and then: see row.h. */
#include "row.h"

void
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

bool
row_mend(struct row *row)
{
	for (;;) {
		while (row->now.count != 0 && row_first(row) == NULL) {
			row->now.first = (row->now.first + 1) % ROW_PLACES;
			row->now.count--;
		}
		if (row->now.count != 0)
			return false;
		/* Always the same places, near the processor, while there is little to do. */
		row->now.first = 0;
		if (row->next.count == 0)
			return true;
		RTE_SWAP(row->now, row->next);
	}
}

static bool
search(struct row_round *round, const void *leaf)
{
	uint32_t i = 0;

	while (i < round->count && row_round_at(round, i) != leaf)
		i++;
	return i < round->count && row_leave_place(round, leaf, (uint16_t)(round->first + i));
}

bool
row_search(struct row *row, const void *leaf)
{
	return search(&row->now, leaf) || search(&row->next, leaf);
}
