/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The filters of a group as the control thread keeps them: in their order, and by their handles. Handles that nobody
 * chose are the lowest that are free, from 1 on.
 */
#ifndef WEIR_CLASSIFY_FILTER_LIST_H
#define WEIR_CLASSIFY_FILTER_LIST_H

#include <weir/classify.h>

/* What a filter begins with. */
struct listed {
	struct listed *next, *before; /* in the list's order */
	struct listed *same_hash;
	uint32_t handle;
};

struct filter_list {
	struct listed *first, *last;
	struct listed **by_handle; /* [1 + mask] of chains; NULL: none yet */
	uint32_t mask;
	uint32_t n;
	uint32_t lowest; /* all handles below it are taken */
};

/* NULL: none. */
void *filter_list_find(const struct filter_list *list, uint32_t handle);
/* Room for one more, and its handle, where *handle is 0: -ENOMEM. */
int filter_list_reserve(struct filter_list *list, uint32_t *handle);
/* Behind filter_list_reserve. */
void filter_list_add_first(struct filter_list *list, struct listed *filter);
void filter_list_add_last(struct filter_list *list, struct listed *filter);
void filter_list_add_sorted(struct filter_list *list, struct listed *filter); /* by its handle */
/* fresh, which has its handle, takes old's place. */
void filter_list_replace(struct filter_list *list, struct listed *old, struct listed *fresh);
void filter_list_remove(struct filter_list *list, struct listed *filter);
int filter_list_walk(
	const struct filter_list *list, int (*visit)(void *arg, uint32_t handle, const void *filter), void *arg);
/* Frees what the list has of its own. */
void filter_list_destroy(struct filter_list *list);

#endif
